"""MediaConvert and its buckets as far as our transcoder asks them, in this process."""

from collections.abc import Mapping
from typing import Any

from attrs import define, field
from botocore.exceptions import ClientError

from domain.errors import NotFound
from domain.media import MANIFEST


def probed(**changes: Any) -> dict[str, Any]:
    properties = {"Width": 854, "Height": 480, "FrameRate": {"Numerator": 30000, "Denominator": 1001}, **changes}
    tracks = [{"Index": 1, "TrackType": "video", "VideoProperties": properties}, {"Index": 2, "TrackType": "audio"}]
    return {"Container": {"Format": "mp4", "Duration": 4.5, "Tracks": tracks}}


MASTER = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="a",AUTOSELECT=YES,DEFAULT=YES,URI="master_audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=700000,CODECS="avc1.64001F,mp4a.40.2",RESOLUTION=854x480,AUDIO="audio"
master_480p.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=500000,CODECS="avc1.64001E,mp4a.40.2",RESOLUTION=640x360,AUDIO="audio"
master_360p.m3u8
"""
VARIANT = "#EXTM3U\n#EXTINF:3.00000,\nmaster_360p_00001.ts\n#EXTINF:1.50000,\nmaster_360p_00002.ts\n#EXT-X-ENDLIST\n"


@define
class Shelf:
    """The bucket that jobs write to."""

    files: dict[str, bytes] = field(factory=dict)

    @classmethod
    def of_a_finished_job(cls, prefix: str) -> "Shelf":
        pictures = {f"{prefix}thumb/t_poster.000000{n}.jpg": b"x" * size for n, size in ((1, 5), (2, 9), (3, 7))}
        board = {f"{prefix}thumb/t_board.000000{n}.jpg": b"b" for n in (1, 2)}
        playlists = {
            prefix + MANIFEST: MASTER.encode(), f"{prefix}hls/master_360p.m3u8": VARIANT.encode(),
            f"{prefix}hls/master_480p.m3u8": VARIANT.encode(),
        }  # fmt: skip
        return cls({**pictures, **board, **playlists})

    async def read(self, key: str) -> bytes:
        if key not in self.files:
            raise NotFound("there is no such file")
        return self.files[key]

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        del content_type
        self.files[key] = content

    async def remove_prefix(self, prefix: str) -> int:
        gone = [key for key in self.files if key.startswith(prefix)]
        for key in gone:
            del self.files[key]
        return len(gone)

    async def adopt(self, made: str, key: str) -> None:
        self.files[key] = await self.read(made)

    async def sizes(self, prefix: str) -> Mapping[str, int]:
        return {key: len(content) for key, content in sorted(self.files.items()) if key.startswith(prefix)}


def refusal(code: str, status: int = 400) -> ClientError:
    said: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, "Operation")


@define
class Service:
    """MediaConvert and S3 as far as they are asked. ``failing`` says what an operation answers instead."""

    jobs: dict[str, dict[str, Any]] = field(factory=dict)
    failing: dict[str, str] = field(factory=dict)
    page: int = 20

    def _check(self, operation: str) -> None:
        if operation in self.failing:
            raise refusal(self.failing[operation])

    async def head_object(self, **asked: Any) -> Any:
        self._check("head_object")
        return asked

    async def probe(self, **asked: Any) -> Any:
        self._check("probe")
        return {"ProbeResults": [probed()]} if asked else {}

    async def create_job(self, **asked: Any) -> Any:
        self._check("create_job")
        job = {"Id": f"job-{len(self.jobs)}", "Status": "SUBMITTED", **asked}
        self.jobs[job["Id"]] = job
        return {"Job": job}

    async def get_job(self, *, Id: str) -> Any:  # noqa: N803  (the service's name)
        self._check("get_job")
        if Id not in self.jobs:
            raise refusal("NotFoundException", 404)
        return {"Job": self.jobs[Id]}

    async def cancel_job(self, *, Id: str) -> Any:  # noqa: N803  (the service's name)
        self._check("cancel_job")
        self.jobs[Id]["Status"] = "CANCELED"

    async def search_jobs(self, *, InputFile: str, NextToken: str = "0", **_: Any) -> Any:  # noqa: N803  (the service's names)
        self._check("search_jobs")
        start = int(NextToken)
        found = [each for each in self.jobs.values() if each["Settings"]["Inputs"][0]["FileInput"] == InputFile]
        more = {"NextToken": str(start + self.page)} if start + self.page < len(found) else {}
        return {"Jobs": found[start : start + self.page], **more}
