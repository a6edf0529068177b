"""The emulated MediaConvert: what it refuses, what its jobs make, and what it says of them."""

import json
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from botocore.exceptions import ClientError

from tests.cloud.jobs import job
from tests.cloud.world import World, client, world
from tests.media import films


@frozen
class Studio:
    """Two buckets, and a queue of all that MediaConvert says."""

    world: World
    media: Any
    s3: Any
    sqs: Any
    raw: str
    processed: str
    queue: str

    @property
    def prefix(self) -> str:
        return f"s3://{self.processed}/v/vid_1/a1/"

    async def upload(self, content: bytes, key: str = "raw/usr_1/vid_1/upl_1/source") -> str:
        await self.s3.put_object(Bucket=self.raw, Key=key, Body=content)
        return f"s3://{self.raw}/{key}"

    async def create(self, source: str, **more: Any) -> str:
        job_id: str = (await self.media.create_job(**job(source, self.prefix, **more)))["Job"]["Id"]
        return job_id

    async def events(self, job_id: str) -> Sequence[Mapping[str, Any]]:
        """Those of a job that came by now."""
        told: list[Mapping[str, Any]] = []
        while True:
            got = await self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, WaitTimeSeconds=0)
            if not got.get("Messages"):
                return [event for event in told if event["detail"]["jobId"] == job_id]
            told += [json.loads(message["Body"]) for message in got["Messages"]]
            for message in got["Messages"]:
                await self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])

    async def keys(self) -> set[str]:
        listed = await self.s3.list_objects_v2(Bucket=self.processed)
        return {each["Key"].removeprefix("v/vid_1/a1/") for each in listed.get("Contents", [])}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture
async def studio() -> AsyncIterator[Studio]:
    async with world() as here:
        media, s3, sqs, events = [await here.client(each) for each in ("mediaconvert", "s3", "sqs", "events")]
        url = (await sqs.create_queue(QueueName=here.name("told")))["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:{here.account}:{here.name('told')}"
        await events.put_rule(Name=here.name("all"), EventPattern=json.dumps({"source": ["aws.mediaconvert"]}))
        await events.put_targets(Rule=here.name("all"), Targets=[{"Id": "queue", "Arn": arn}])
        yield Studio(here, media, s3, sqs, await here.bucket("raw"), await here.bucket("processed"), url)


def complaints(folder: Path, playlist: str) -> str:
    """What ffmpeg says when it plays it to the end."""
    played = subprocess.run(
        [films.FFMPEG, "-v", "error", "-nostdin", "-i", playlist, "-f", "null", "-"], cwd=folder, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    return played.stderr


async def test_a_film_becomes_hls_under_the_names_that_the_service_gives(
    studio: Studio, store: Path, tmp_path: Path
) -> None:
    """Manifests, segments, captures and tiles lie where the settings say; ffmpeg plays them to the end."""
    source = await studio.upload(films.landscape(store).read_bytes())
    job_id = await studio.create(source)
    assert await studio.world.stack.finished(job_id) == "COMPLETE"

    keys = await studio.keys()
    assert {"hls/master.m3u8", "hls/master_180.m3u8", "hls/master_360.m3u8", "hls/master_aud.m3u8"} <= keys
    assert {"hls/master_180_00001.ts", "hls/master_360_00002.ts", "hls/master_aud_00001.aac"} <= keys
    assert {"thumb/t_t.0000000.jpg", "thumb/t_t.0000001.jpg", "hls/master_images_00001.jpg"} <= keys
    for key in keys:
        body = (await studio.s3.get_object(Bucket=studio.processed, Key=f"v/vid_1/a1/{key}"))["Body"]
        path = tmp_path / key
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(await body.read())
    master = (tmp_path / "hls" / "master.m3u8").read_text()
    assert 'RESOLUTION=640x360,FRAME-RATE=25.000,AUDIO="aud"' in master
    assert 'CODECS="avc1.' in master
    assert 'URI="master_aud.m3u8"' in master
    assert "#EXT-X-IMAGE-STREAM-INF:" in master
    for name in ("master_180.m3u8", "master_360.m3u8", "master_aud.m3u8"):
        assert complaints(tmp_path / "hls", name) == ""


async def test_a_job_tells_how_it_goes(studio: Studio, store: Path) -> None:
    """The sequence of the service's own events; only the last one names the files."""
    source = await studio.upload(films.landscape(store).read_bytes())
    job_id = await studio.create(source)
    await studio.world.stack.finished(job_id)
    events = await studio.events(job_id)
    assert {event["source"] for event in events} == {"aws.mediaconvert"}
    assert {event["detail-type"] for event in events} == {"MediaConvert Job State Change"}
    assert {event["detail"]["userMetadata"]["video_id"] for event in events} == {"vid_1"}
    states = [event["detail"]["status"] for event in sorted(events, key=lambda each: each["detail"]["timestamp"])]
    assert set(states) - {"STATUS_UPDATE"} == {"INPUT_INFORMATION", "PROGRESSING", "COMPLETE"}
    by_state = {event["detail"]["status"]: event["detail"] for event in events}
    assert by_state["INPUT_INFORMATION"]["inputDetails"][0]["video"][0]["height"] == 480
    hls, thumbs = by_state["COMPLETE"]["outputGroupDetails"]
    assert hls["type"] == "HLS_GROUP"
    assert hls["playlistFilePaths"] == [f"{studio.prefix}hls/master.m3u8"]
    assert hls["outputDetails"][1]["outputFilePaths"] == [f"{studio.prefix}hls/master_360.m3u8"]
    assert hls["outputDetails"][1]["videoDetails"]["widthInPx"] == 640
    assert hls["outputDetails"][1]["durationInMs"] == pytest.approx(4000, abs=100)
    assert thumbs["outputDetails"][0]["outputFilePaths"] == [f"{studio.prefix}thumb/t_t.0000001.jpg"]
    shown = (await studio.media.get_job(Id=job_id))["Job"]
    assert (shown["Status"], shown["JobPercentComplete"]) == ("COMPLETE", 100)
    assert "FilePaths" not in json.dumps(shown, default=str)


@pytest.mark.parametrize(
    ("content", "code"), [(None, 1404), ("junk", 1010), ("sound", 1020), ("silent", 1021)], ids=str
)
async def test_a_job_that_cannot_be_done_ends_in_an_error(
    studio: Studio, store: Path, content: str | None, code: int
) -> None:
    """With the service's own codes for a missing, unreadable, pictureless and silent source."""
    made = {"sound": films.sound_alone, "silent": films.portrait}
    if content is not None:
        await studio.upload(made[content](store).read_bytes() if content in made else b"no film" * 1000)
    job_id = await studio.create(f"s3://{studio.raw}/raw/usr_1/vid_1/upl_1/source")
    assert await studio.world.stack.finished(job_id) == "ERROR"
    assert (await studio.media.get_job(Id=job_id))["Job"]["ErrorCode"] == code
    told = [event["detail"] for event in await studio.events(job_id)]
    assert [each["errorCode"] for each in told if each["status"] == "ERROR"] == [code]


async def test_a_token_is_good_for_a_minute(studio: Studio) -> None:
    """The same job within it, another one after it."""
    studio.world.stack.by_hand(studio.processed)
    first = await studio.create("s3://raw/key", token="vid_1-1")
    assert await studio.create("s3://raw/key", token="vid_1-1") == first
    assert await studio.create("s3://raw/key", token="vid_1-2") != first
    studio.world.stack.forget_tokens()
    assert await studio.create("s3://raw/key", token="vid_1-1") != first


async def test_a_job_kept_by_hand_goes_as_it_is_driven(studio: Studio) -> None:
    """Events come when they are told to, in any order, or never; COMPLETE names what the settings ask for."""
    studio.world.stack.by_hand(studio.processed)
    job_id = await studio.create("s3://raw/key")
    assert (await studio.media.get_job(Id=job_id))["Job"]["Status"] == "SUBMITTED"
    studio.world.stack.drive(job_id, "PROGRESSING", emit=False)
    assert (await studio.media.get_job(Id=job_id))["Job"]["Status"] == "PROGRESSING"
    assert await studio.events(job_id) == []
    studio.world.stack.drive(job_id, "STATUS_UPDATE", jobProgress={"jobPercentComplete": 7})
    studio.world.stack.drive(job_id, "COMPLETE", duration_ms=5000)
    update, complete = [event["detail"] for event in await studio.events(job_id)]
    assert update["jobProgress"]["jobPercentComplete"] == 7
    assert complete["outputGroupDetails"][0]["playlistFilePaths"] == [f"{studio.prefix}hls/master.m3u8"]
    assert complete["outputGroupDetails"][0]["outputDetails"][0]["durationInMs"] == 5000


async def test_a_job_is_canceled_once(studio: Studio) -> None:
    """What is over cannot be."""
    studio.world.stack.by_hand(studio.processed)
    job_id = await studio.create("s3://raw/key")
    await studio.media.cancel_job(Id=job_id)
    assert (await studio.media.get_job(Id=job_id))["Job"]["Status"] == "CANCELED"
    assert [event["detail"]["status"] for event in await studio.events(job_id)] == ["CANCELED"]
    with pytest.raises(ClientError, match="ConflictException"):
        await studio.media.cancel_job(Id=job_id)


async def test_jobs_are_found_by_what_they_read(studio: Studio) -> None:
    """The newest first, and only one's own."""
    studio.world.stack.by_hand(studio.processed)
    made = [await studio.create(f"s3://raw/{key}") for key in ("one", "two", "two")]
    found = await studio.media.search_jobs(InputFile="s3://raw/two")
    assert [each["Id"] for each in found["Jobs"]] == [made[2], made[1]]
    listed = await studio.media.list_jobs(Order="ASCENDING", MaxResults=2)
    assert [each["Id"] for each in listed["Jobs"]] == made[:2]
    listed = await studio.media.list_jobs(Order="ASCENDING", MaxResults=2, NextToken=listed["NextToken"])
    assert [each["Id"] for each in listed["Jobs"]] == made[2:]
    with pytest.raises(ClientError, match="NotFoundException"):
        await studio.media.get_job(Id="1234-none")


async def test_probing(studio: Studio, store: Path) -> None:
    """Size and rotation as they are stored; what is no film is refused."""
    source = await studio.upload(films.portrait(store).read_bytes())
    (found,) = (await studio.media.probe(InputFiles=[{"FileUrl": source}]))["ProbeResults"]
    (track,) = found["Container"]["Tracks"]
    assert (track["VideoProperties"]["Width"], track["VideoProperties"]["Height"]) == (640, 360)
    assert track["VideoProperties"]["Rotation"] in {90, 270}
    assert found["Container"]["Duration"] == pytest.approx(2, abs=0.1)
    assert found["Container"]["Format"] == "quicktime"
    with pytest.raises(ClientError, match="UnprocessableEntityException"):
        await studio.media.probe(InputFiles=[{"FileUrl": await studio.upload(b"junk" * 100)}])
    with pytest.raises(ClientError, match="NotFoundException"):
        await studio.media.probe(InputFiles=[{"FileUrl": f"s3://{studio.raw}/none"}])


def _without_modifier(asked: Any) -> None:
    del asked["Settings"]["OutputGroups"][0]["Outputs"][0]["NameModifier"]


def _same_modifier(asked: Any) -> None:
    asked["Settings"]["OutputGroups"][0]["Outputs"][0]["NameModifier"] = "_360"


def _no_peak(asked: Any) -> None:
    del asked["Settings"]["OutputGroups"][0]["Outputs"][0]["VideoDescription"]["CodecSettings"]["H264Settings"][
        "MaxBitrate"
    ]


def _captures_alone(asked: Any) -> None:
    del asked["Settings"]["OutputGroups"][0]


def _unknown_mode(asked: Any) -> None:
    settings = asked["Settings"]["OutputGroups"][0]["OutputGroupSettings"]["HlsGroupSettings"]
    settings["SegmentControl"] = "SOMETIMES"


def _too_long_segments(asked: Any) -> None:
    asked["Settings"]["OutputGroups"][0]["OutputGroupSettings"]["HlsGroupSettings"]["SegmentLength"] = 0


def _no_role(asked: Any) -> None:
    del asked["Role"]


def _title(asked: Any) -> None:
    asked["UserMetadata"]["title"] = "What? A film!"


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (_without_modifier, "nameModifier"), (_same_modifier, "nameModifier"), (_no_peak, "maxBitrate"),
        (_captures_alone, "beside"), (_unknown_mode, "segmentControl"), (_too_long_segments, "segmentLength"),
        (_no_role, "role"), (_title, "title"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
async def test_what_the_service_would_refuse_is_refused(studio: Studio, spoil: Any, word: str) -> None:
    """By its model or by its guide, even where the SDK lets it pass."""
    asked = job("s3://raw/key", studio.prefix)
    spoil(asked)
    async with client("mediaconvert", studio.world.account, parameter_validation=False) as unchecked:
        with pytest.raises(ClientError, match="BadRequestException") as refused:
            await unchecked.create_job(**asked)
    assert word.lower() in str(refused.value).lower()
    assert (await studio.media.list_jobs())["Jobs"] == []
