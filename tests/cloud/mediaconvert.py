"""MediaConvert: the operations we use, jobs that ffmpeg carries out, and the events that tell of them.

What the model cannot say and the service refuses all the same is refused here too (``_objections``). A job whose
outputs go to a bucket that is kept ``by_hand`` stays as it is until a test drives it.
"""

import asyncio
import itertools
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from attrs import define, field

from tests.cloud import encoder
from tests.cloud.access import Access
from tests.cloud.encoder import Failed, Found, Group, Made, Place
from tests.cloud.models import Operation, Parameters, Refused
from tests.cloud.wire import Caller

Emit = Callable[[Caller, str, str, Mapping[str, Any], Sequence[str]], None]
"""Puts an event on the bus of a caller: source, detail-type, detail, resources."""
TOKEN_S = 60.0
"""How long a ClientRequestToken is remembered: one minute, no longer."""
SERVICE = "mediaconvert.amazonaws.com"
"""To whom the role of a job is passed, and whom it has to trust."""
AT_ONCE = 2
UPDATE_PERCENT = 20
"""A job says so often how far it is. On AWS it is by time, every 10 s at most: no film here takes so long."""
OVER = frozenset({"COMPLETE", "CANCELED", "ERROR"})
PAGE_MOST = 20
_NO_AUDIO_TRACKS = {"C608", "C708", "WEBVTT"}
_METADATA = re.compile(r"[\w .:/=+@-]*", re.ASCII)


class Storage(Protocol):
    """S3, as a caller reaches it: for a job, that is its role."""

    async def fetch(self, caller: Caller, source: Place, target: Path) -> Mapping[str, Any]:
        """What HeadObject says of it. Raises Failed (1401, 1404)."""

    async def fetch_all(self, caller: Caller, folder: Place, target: Path) -> Sequence[str]:
        """What lies below ``folder`` (it ends in a slash); the keys. Raises Failed (1401, 1404)."""

    async def store(self, caller: Caller, source: Path, target: Place, content_type: str) -> None:
        """Raises Failed (1401, 1404)."""


@define
class Job:
    id: str
    caller: Caller
    asked: Parameters
    created_at: datetime
    groups: Sequence[Group]
    status: str = "SUBMITTED"
    phase: str | None = None
    percent: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: tuple[int, str] | None = None
    made: Sequence[Sequence[Made]] = ()
    over: asyncio.Event = field(factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None

    @property
    def arn(self) -> str:
        return _arn(self.caller, "jobs", self.id)

    @property
    def queue(self) -> str:
        return _arn(self.caller, "queues", self.asked.get("Queue", "Default"))

    @property
    def source(self) -> Place:
        return Place.of(self.asked["Settings"]["Inputs"][0]["FileInput"])

    @property
    def shown(self) -> dict[str, Any]:
        """As GetJob answers it. It names no file that was made."""
        times = {"SubmitTime": self.created_at, "StartTime": self.started_at, "FinishTime": self.finished_at}
        code, message = self.error or (None, None)
        return {
            **{key: self.asked[key] for key in _ECHOED if key in self.asked},
            "Id": self.id, "Arn": self.arn, "Queue": self.queue, "Status": self.status, "CreatedAt": self.created_at,
            "UserMetadata": self.asked.get("UserMetadata", {}), "Timing": times, "CurrentPhase": self.phase,
            "JobPercentComplete": self.percent, "ErrorCode": code, "ErrorMessage": message, "RetryCount": 0,
            "Messages": {"Info": [], "Warning": []}, "Priority": self.asked.get("Priority", 0),
            "OutputGroupDetails": [{"OutputDetails": [_detail(each) for each in group]} for group in self.made],
        }  # fmt: skip


def _arn(caller: Caller, kind: str, named: str) -> str:
    """What it is called everywhere, if that is not how it is named already."""
    return (
        named if named.startswith("arn:") else f"arn:aws:mediaconvert:{caller.region}:{caller.account}:{kind}/{named}"
    )


_ECHOED = (
    "Role", "Settings", "ClientRequestToken", "AccelerationSettings", "BillingTagsSource", "HopDestinations",
    "JobTemplate", "SimulateReservedQueue", "StatusUpdateInterval",
)  # fmt: skip


def _detail(made: Made) -> dict[str, Any]:
    size = {"WidthInPx": made.width, "HeightInPx": made.height}
    return {"DurationInMs": made.duration_ms, **({"VideoDetails": size} if made.width else {})}


class MediaConvert:
    """The jobs of all accounts."""

    def __init__(self, ffmpeg: str, storage: Storage, emit: Emit, access: Access) -> None:
        self.ffmpeg, self.storage, self.emit, self.access = ffmpeg, storage, emit, access
        self.jobs: dict[str, Job] = {}
        self.tokens: dict[tuple[str, str], tuple[str, float]] = {}
        self.by_hand: set[str] = set()
        self.waiting_most: dict[str, int] = {}
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.created = asyncio.Event()

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {
            "CreateJob": self.create_job, "GetJob": self.get_job, "ListJobs": self.list_jobs,
            "SearchJobs": self.search_jobs, "CancelJob": self.cancel_job, "Probe": self.probe,
        }  # fmt: skip

    # --- operations ------------------------------------------------------------------------------

    async def create_job(self, caller: Caller, asked: Parameters) -> Parameters:
        queue, role = _arn(caller, "queues", asked.get("Queue", "Default")), asked["Role"]
        self.access.require(caller, "mediaconvert:CreateJob", [queue])
        self.access.require(caller, "iam:PassRole", [role], iam_PassedToService=SERVICE)
        caller = self.access.assumed(caller, role, SERVICE)
        token = (caller.account, asked.get("ClientRequestToken", ""))
        known, until = self.tokens.get(token, ("", 0.0))
        if token[1] and monotonic() < until:
            return {"Job": self.jobs[known].shown}
        objections = list(_objections(asked))
        if objections:
            raise Refused("BadRequestException", "; ".join(objections))
        under_way = [
            job for job in self.jobs.values() if job.caller.account == caller.account and job.status not in OVER
        ]
        if len(under_way) > self.waiting_most.get(caller.account, len(under_way)):
            raise Refused("TooManyRequestsException", "Too many jobs are waiting", 429)
        try:
            groups = encoder.groups_of(asked["Settings"])
        except ValueError as error:
            raise Refused("NotImplemented", str(error), 501) from error
        now = datetime.now(UTC)
        job = Job(f"{int(now.timestamp() * 1000)}-{secrets.token_hex(3)}", caller, asked, now, groups)
        self.jobs[job.id] = job
        self.created.set()
        self.created = asyncio.Event()
        self.tokens[token] = (job.id, monotonic() + TOKEN_S)
        if not self.by_hand & {group.folder.bucket for group in groups}:
            self.run(job)
        return {"Job": job.shown}

    async def get_job(self, caller: Caller, asked: Parameters) -> Parameters:
        self.access.require(caller, "mediaconvert:GetJob", [_arn(caller, "jobs", asked["Id"])])
        return {"Job": self.found(asked["Id"], caller).shown}

    async def list_jobs(self, caller: Caller, asked: Parameters) -> Parameters:
        self.access.require(caller, "mediaconvert:ListJobs", ["*"])
        return self._page(caller, asked, lambda _: True)

    async def search_jobs(self, caller: Caller, asked: Parameters) -> Parameters:
        self.access.require(caller, "mediaconvert:SearchJobs", ["*"])
        wanted = asked.get("InputFile", "")
        return self._page(caller, asked, lambda job: wanted in str(job.source))

    async def cancel_job(self, caller: Caller, asked: Parameters) -> Parameters:
        self.access.require(caller, "mediaconvert:CancelJob", [_arn(caller, "jobs", asked["Id"])])
        job = self.found(asked["Id"], caller)
        if job.status in OVER:
            raise Refused("ConflictException", f"The job is in the status {job.status} and cannot be canceled")
        self.stop(job)
        self.move(job, "CANCELED")
        return {}

    async def probe(self, caller: Caller, asked: Parameters) -> Parameters:
        self.access.require(caller, "mediaconvert:Probe", ["*"])
        return {"ProbeResults": [await self._probed(caller, each["FileUrl"]) for each in asked.get("InputFiles", [])]}

    def found(self, job_id: str, caller: Caller | None = None) -> Job:
        job = self.jobs.get(job_id)
        if job is None or (caller and caller.account != job.caller.account):
            raise Refused("NotFoundException", f"The job {job_id} does not exist", 404)
        return job

    def _page(self, caller: Caller, asked: Parameters, wanted: Callable[[Job], bool]) -> Parameters:
        jobs = [
            job
            for job in self.jobs.values()
            if job.caller.account == caller.account
            and asked.get("Status") in {None, job.status}
            and (asked.get("Queue") is None or job.queue.endswith(asked["Queue"]))
            and wanted(job)
        ]
        # Newest first, unless asked otherwise; a job is never older than one that was created before it.
        jobs = jobs if asked.get("Order") == "ASCENDING" else jobs[::-1]
        start, most = int(asked.get("NextToken") or 0), asked.get("MaxResults", PAGE_MOST)
        more = str(start + most) if start + most < len(jobs) else None
        return {"Jobs": [job.shown for job in jobs[start : start + most]], "NextToken": more}

    async def _probed(self, caller: Caller, url: str) -> Parameters:
        if url.endswith(".m3u8"):  # none of the formats that an answer can name (the service's model)
            raise Refused("UnprocessableEntityException", "The format of the file is not supported")
        with tempfile.TemporaryDirectory(prefix="hexcast-") as folder:
            path = Path(folder) / "source"
            try:
                head = await self.storage.fetch(caller, Place.of(url), path)
                found = await asyncio.to_thread(encoder.probe, path)
            except Failed as failed:
                code = {1404: "NotFoundException", 1401: "ForbiddenException"}.get(failed.code)
                raise Refused(code or "UnprocessableEntityException", failed.message) from failed
        metadata = {
            "ETag": head["ETag"], "FileSize": head["ContentLength"], "LastModified": head["LastModified"],
            "MimeType": head.get("ContentType"),
        }  # fmt: skip
        return {"Container": _container(found), "Metadata": metadata, "TrackMappings": [_mapping(found)]}

    # --- how a job goes --------------------------------------------------------------------------

    def run(self, job: Job) -> None:
        job.task = asyncio.create_task(self._run(job))

    def stop(self, job: Job) -> None:
        if job.task is not None:
            job.task.cancel()

    async def _run(self, job: Job) -> None:
        async with self.slots:
            try:
                made = await self._carried_out(job)
            except Failed as failed:
                self.move(job, "ERROR", errorCode=failed.code, errorMessage=failed.message)
            except OSError as error:
                self.move(job, "ERROR", errorCode=1999, errorMessage=repr(error))
            else:
                job.made = made
                self.move(job, "COMPLETE", **_completed(job))

    async def _carried_out(self, job: Job) -> Sequence[Sequence[Made]]:
        with tempfile.TemporaryDirectory(prefix="hexcast-") as scratch:
            folder = Path(scratch)
            job.phase = "PROBING"
            source = await self._fetched(job, folder / "source")
            found = await asyncio.to_thread(encoder.probe, source)
            self.tell(job, "INPUT_INFORMATION", {"inputDetails": [_input_details(job, found)]})
            self.move(job, "PROGRESSING")

            async def progress(percent: int) -> None:
                if percent >= (job.percent or 0) + UPDATE_PERCENT:
                    job.percent = percent
                    self.tell(job, "STATUS_UPDATE", _status_update(job, percent))

            work = encoder.Work(ffmpeg=self.ffmpeg, source=source, found=found, groups=job.groups, folder=folder)
            made = await encoder.make(work, progress)
            job.phase = "UPLOADING"
            for number, group in enumerate(job.groups):
                # Playlists last: whoever sees one finds all that it names.
                files = sorted(work.folder_of(number).iterdir(), key=lambda path: (path.suffix == ".m3u8", path.name))
                for path in files:
                    await self.storage.store(
                        job.caller, path, Place.of(group.url(path.name)), encoder.TYPES[path.suffix]
                    )
            return made

    async def _fetched(self, job: Job, target: Path) -> Path:
        """A playlist comes with all that lies beside and below it."""
        if not job.source.key.endswith(".m3u8"):
            await self.storage.fetch(job.caller, job.source, target)
            return target
        folder, _, name = job.source.key.rpartition("/")
        fetched = await self.storage.fetch_all(job.caller, Place(job.source.bucket, f"{folder}/"), target)
        if job.source.key not in fetched:
            raise Failed(1404, f"Unable to open {job.source}")
        return target / name

    def move(self, job: Job, status: str, *, emit: bool = True, **detail: Any) -> None:
        """The job is in another state from now on, and (unless ``emit`` is False) an event says so."""
        now = datetime.now(UTC)
        job.status = status
        if status == "PROGRESSING":
            job.phase, job.started_at = "TRANSCODING", now
        if status in OVER:
            job.phase, job.finished_at = None, now
            job.over.set()
        if status == "COMPLETE":
            job.percent = 100
        if status == "ERROR":
            job.error = (detail.setdefault("errorCode", 1999), detail.setdefault("errorMessage", "Unknown error"))
        if emit:
            self.tell(job, status, detail)

    def tell(self, job: Job, status: str, detail: Mapping[str, Any]) -> None:
        common = {
            "timestamp": int(datetime.now(UTC).timestamp() * 1000), "accountId": job.caller.account,
            "queue": job.queue, "jobId": job.id, "status": status, "userMetadata": job.asked.get("UserMetadata", {}),
        }  # fmt: skip
        self.emit(job.caller, "aws.mediaconvert", "MediaConvert Job State Change", {**common, **detail}, [job.arn])

    async def over(self, source: str) -> Job:
        """The first job that reads such a source, once there is one and it is over."""
        while True:
            for job in self.jobs.values():
                if source in str(job.source):
                    await job.over.wait()
                    return job
            await self.created.wait()

    def drive(self, job: Job, status: str, *, emit: bool, detail: Mapping[str, Any], duration_ms: int) -> None:
        """What a test says becomes of a job. One that is COMPLETE made, it says, what its settings ask for."""
        self.stop(job)
        if status == "COMPLETE":
            job.made = [[_pretended(group, each, duration_ms) for each in group.outputs] for group in job.groups]
            detail = {**_completed(job), **detail}
        if status in {"INPUT_INFORMATION", "STATUS_UPDATE", "NEW_WARNING", "QUEUE_HOP"}:
            self.tell(job, status, detail)
        else:
            self.move(job, status, emit=emit, **detail)

    def reset(self) -> None:
        for job in self.jobs.values():
            self.stop(job)
        self.jobs.clear()
        self.tokens.clear()
        self.by_hand.clear()
        self.waiting_most.clear()


# --- what is said --------------------------------------------------------------------------------


def _pretended(group: Group, output: encoder.Output, duration_ms: int) -> Made:
    video = output.video or {}
    name = f"{output.stem}.0000000.jpg" if output.captures else f"{output.stem}.m3u8"
    return Made(
        file=group.url(name), duration_ms=0 if output.captures else duration_ms, width=video.get("Width", 0),
        height=video.get("Height", 0),
    )  # fmt: skip


def _completed(job: Job) -> Mapping[str, Any]:
    """The only place where the service names the files that it made."""
    details = []
    for group, made in zip(job.groups, job.made, strict=True):
        playlists = {"playlistFilePaths": [group.url(f"{group.base}.m3u8")]} if group.type == "HLS_GROUP" else {}
        outputs = [
            {
                "outputFilePaths": [each.file],
                "durationInMs": each.duration_ms,
                **({"videoDetails": _video_details(each)} if each.width else {}),
            }
            for each in made
        ]
        details.append({"type": group.type, **playlists, "outputDetails": outputs})
    return {"warnings": [], "outputGroupDetails": details, "paddingInserted": 0, "blackVideoDetected": 0}


def _video_details(made: Made) -> Mapping[str, int]:
    rate = {"averageBitrate": made.bit_rate} if made.bit_rate else {}
    return {"widthInPx": made.width, "heightInPx": made.height, **rate}


def _input_details(job: Job, found: Found) -> Mapping[str, Any]:
    audio = [
        {
            "channels": each.channels, "codec": encoder.CODECS.get(each.codec, "UNKNOWN"), "language": "UND",
            "sampleRate": each.sample_rate, "streamId": each.index + 1,
        }
        for each in found.sounds
    ]  # fmt: skip
    pictures = found.pictures
    video = [] if pictures is None else [
        {
            "bitDepth": 8, "codec": encoder.CODECS.get(pictures.codec, "UNKNOWN"), "colorFormat": "YUV_420",
            "fourCC": pictures.codec, "frameRate": round(float(pictures.rate), 3), "height": pictures.height,
            "interlaceMode": "PROGRESSIVE", "sar": f"{pictures.aspect.numerator}:{pictures.aspect.denominator}",
            "standard": "UNSPECIFIED", "streamId": pictures.index + 1, "width": pictures.width,
        }
    ]  # fmt: skip
    return {"id": 1, "uri": str(job.source), "audio": audio, "video": video}


def _status_update(job: Job, percent: int) -> Mapping[str, Any]:
    phases = {
        "PROBING": {"status": "COMPLETE", "percentComplete": 100},
        "TRANSCODING": {"status": "PROGRESSING", "percentComplete": percent},
        "UPLOADING": {"status": "PENDING", "percentComplete": 0},
    }
    progress = {"phaseProgress": phases, "jobPercentComplete": percent, "currentPhase": job.phase, "retryCount": 0}
    return {"framesDecoded": percent, "jobProgress": progress}


def _container(found: Found) -> Mapping[str, Any]:
    tracks = [
        *([] if found.pictures is None else [_video_track(found)]),
        *(_audio_track(found, each) for each in found.sounds),
    ]
    return {
        "Format": found.format, "Duration": found.duration_s, "BitRate": found.bit_rate,
        "Tracks": sorted(tracks, key=lambda track: track["Index"]),
    }  # fmt: skip


def _video_track(found: Found) -> dict[str, Any]:
    pictures = found.pictures
    assert pictures is not None
    return {
        "Index": pictures.index + 1, "TrackType": "video", "Codec": encoder.CODECS.get(pictures.codec, "UNKNOWN"),
        "Duration": found.duration_s,
        "VideoProperties": {
            "Width": pictures.width, "Height": pictures.height, "FrameRate": _fraction(pictures.rate),
            "Rotation": pictures.rotation, "BitDepth": 8, "SampleAspectRatio": _fraction(pictures.aspect),
        },
    }  # fmt: skip


def _audio_track(found: Found, sound: encoder.Sound) -> dict[str, Any]:
    properties = {"Channels": sound.channels, "SampleRate": sound.sample_rate, "BitDepth": 16}
    return {
        "Index": sound.index + 1, "TrackType": "audio", "Codec": encoder.CODECS.get(sound.codec, "UNKNOWN"),
        "Duration": found.duration_s, "AudioProperties": properties,
    }  # fmt: skip


def _mapping(found: Found) -> Mapping[str, Any]:
    return {
        "VideoTrackIndexes": [found.pictures.index + 1] if found.pictures else [],
        "AudioTrackIndexes": [each.index + 1 for each in found.sounds], "DataTrackIndexes": [],
    }  # fmt: skip


def _fraction(value: Fraction) -> Mapping[str, int]:
    return {"Numerator": value.numerator, "Denominator": value.denominator}


# --- what is refused -----------------------------------------------------------------------------


def _objections(asked: Parameters) -> Iterator[str]:
    """What the service's guide forbids in words, not in its model."""
    if not (token := asked.get("ClientRequestToken", "")).isascii() or len(token) > 64:
        yield "/clientRequestToken: at most 64 ASCII characters"
    metadata = asked.get("UserMetadata", {})
    if len(metadata) > 10:
        yield "/userMetadata: at most 10 pairs"
    for key, value in metadata.items():
        if not (0 < len(key) <= 128 and len(value) <= 256 and _METADATA.fullmatch(key + value)):
            yield f"/userMetadata/{key}: a name of at most 128 and a value of at most 256 plain characters"
    settings = asked["Settings"]
    if len(settings.get("Inputs", [])) != 1 or "FileInput" not in settings["Inputs"][0]:
        yield "/settings/inputs: one input with a fileInput is needed"
    groups = settings.get("OutputGroups", [])
    if not groups:
        yield "/settings/outputGroups: at least one output group is needed"
    for number, group in enumerate(groups):
        for objection in _group_objections(group):
            yield f"/settings/outputGroups/{number}/{objection}"
    outputs = list(itertools.chain.from_iterable(group.get("Outputs", []) for group in groups))
    if outputs and all(_codec(each) == "FRAME_CAPTURE" for each in outputs):
        yield "/settings/outputGroups: frame captures need an output of video or audio beside them"


def _group_objections(group: Parameters) -> Iterator[str]:
    settings: Mapping[str, Any] = group.get("OutputGroupSettings", {})
    if settings.get("Type", "").startswith(("HLS", "FILE")):
        key = "HlsGroupSettings" if settings["Type"].startswith("HLS") else "FileGroupSettings"
        if "Destination" not in settings.get(key, {}):
            yield f"outputGroupSettings/{key}: a destination is needed"
    if not re.fullmatch(r"[A-Za-z0-9 _]{0,12}", group.get("CustomName", "")):
        yield "customName: at most 12 letters, digits, spaces and underscores"
    images = settings.get("HlsGroupSettings", {}).get("ImageBasedTrickPlaySettings", {})
    if images.get("ThumbnailWidth", 8) % 8 or images.get("ThumbnailHeight", 2) % 2:
        yield "imageBasedTrickPlaySettings: a width divisible by 8 and a height divisible by 2"
    outputs = group.get("Outputs", [])
    modifiers = [output.get("NameModifier", "") for output in outputs]
    if not outputs:
        yield "outputs: at least one is needed"
    if len(outputs) > 1 and not all(modifiers):
        yield "outputs: each needs a nameModifier"
    if len(set(modifiers)) < len(modifiers):
        yield "outputs: no two may have the same nameModifier"
    for number, output in enumerate(outputs):
        for objection in _output_objections(output, segmented=settings.get("Type") != "FILE_GROUP_SETTINGS"):
            yield f"outputs/{number}/{objection}"


def _codec(output: Parameters) -> str:
    codec: str = output.get("VideoDescription", {}).get("CodecSettings", {}).get("Codec", "")
    return codec


def _output_objections(output: Parameters, *, segmented: bool) -> Iterator[str]:
    if "Container" not in output.get("ContainerSettings", {}):
        yield "containerSettings: a container is needed"
    if "VideoDescription" in output and not _codec(output):
        yield "videoDescription: codecSettings are needed"
    if "VideoDescription" not in output and not output.get("AudioDescriptions"):
        yield "an output needs video or audio"
    h264 = output.get("VideoDescription", {}).get("CodecSettings", {}).get("H264Settings", {})
    if h264.get("RateControlMode") == "QVBR" and "MaxBitrate" not in h264:
        yield "h264Settings: QVBR needs a maxBitrate"
    if "MaxAverageBitrate" in h264.get("QvbrSettings", {}) and h264.get("QualityTuningLevel") != "MULTI_PASS_HQ":
        yield "h264Settings: a maxAverageBitrate needs MULTI_PASS_HQ"
    if segmented and "GopSize" in h264 and h264.get("GopSizeUnits") == "AUTO":
        yield "h264Settings: gopSize is left blank where gopSizeUnits is AUTO"
