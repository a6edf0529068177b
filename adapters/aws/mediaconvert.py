"""The transcoder of the cloud: a job of MediaConvert for each attempt, and what its events mean to us.

A file that cannot be played is refused before a job is made, by what ``Probe`` says of it; such a refusal has an id that
says it all, so that nothing has to be kept of it. What is played is read off the files that a finished job left, never
off the event that tells of it: events and ``GetJob`` say different things, and either may come
first, or alone.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import frozen
from botocore.exceptions import ClientError

from adapters.aws import job as jobs
from adapters.aws.errors import FILES, TRANSCODER, asking, code_of, missing
from adapters.aws.s3 import fetched
from adapters.playlists import Variant, duration_s, variants
from application.ports import TranscodeOrder
from domain.errors import Invalid, NotFound
from domain.ids import JobId, VideoId
from domain.media import MANIFEST, POSTER, STORYBOARD, Media, Rendition, Source, attempt_prefix
from domain.processing import Failure, Report, State

_log = logging.getLogger(__name__)

DETAIL_TYPE = "MediaConvert Job State Change"
_SILENT = frozenset({"INPUT_INFORMATION", "NEW_WARNING", "QUEUE_HOP", "CANCELED"})
"""States that say nothing of how far a job is. One that was cancelled is nobody's any more."""
_REFUSALS: Mapping[str, str] = {
    "unreadable": "this is no media file that can be read, or it is damaged",
    "no_video": "there are no moving pictures in this file",
    "too_long": "the video is longer than videos may be",
    "source_missing": "the uploaded file is not there",
}
_REFUSED = re.compile(rf"refused\.({'|'.join(_REFUSALS)})\.([1-9]\d{{0,8}})\.(\w+)")
# From the service's guide, "Error codes". Settings that do not suit a file (1040) were ours, but would be no other ones
# the next time; whatever is not named here may go better the next time.
_FAILURES: Mapping[int, str] = {
    1010: "unreadable", 1020: "no_video", 1021: "unreadable", 1030: "unreadable", 1040: "unreadable", 1060: "unreadable",
    1075: "unreadable", 1076: "unreadable", 1092: "unreadable", 1404: "source_missing",
}  # fmt: skip
_SOUND_ALONE = frozenset({"aac", "ac3", "eac3", "flac", "mp3", "wave"})
"""Formats in which a picture is the cover of a record."""
_UNSURE = frozenset({"BadRequestException", "ConflictException"})
"""What is answered for an id that is none, and for a job that is over."""

Unknown = Callable[[str], None]


class Files(Protocol):
    """What is needed of where the renditions lie: some of a MediaStore, and what S3 has beyond it."""

    async def read(self, key: str) -> bytes: ...
    async def put(self, key: str, content: bytes, content_type: str) -> None: ...
    async def remove_prefix(self, prefix: str) -> int: ...
    async def adopt(self, made: str, key: str) -> None: ...
    async def sizes(self, prefix: str) -> Mapping[str, int]: ...


@frozen(kw_only=True)
class _Said:
    """What an event or ``GetJob`` says of a job of ours."""

    job: JobId
    video: VideoId
    attempt: int
    board: str
    status: str
    phase: str
    percent: int
    error: int
    message: str

    def report(
        self, state: State, percent: int = 0, media: Media | None = None, failure: Failure | None = None
    ) -> Report:
        return Report(
            video=self.video, attempt=self.attempt, job=self.job, state=state, percent=percent, media=media,
            failure=failure,
        )  # fmt: skip


def _log_it(what: str) -> None:
    _log.warning("MediaConvert said something that is not known here: %s", what)


class MediaConvertTranscoder:
    """``sources`` is a client of S3, ``tell`` takes the report of a refusal."""

    def __init__(
        self, client: Any, sources: Any, media: Files, places: jobs.Places,
        tell: Callable[[Report], Awaitable[None]], *, max_duration_s: float = 12 * 3600,
    ) -> None:  # fmt: skip
        self._client = client
        self._sources = sources
        self._media = media
        self._places = places
        self._tell = tell
        self._max_duration_s = max_duration_s

    async def start(self, order: TranscodeOrder) -> JobId:
        """Looks for a job of the attempt first: the token of a request is forgotten after a minute."""
        known = await self._known(self._places.source(order), order.video, order.attempt)
        if known:
            return known[0]
        found = await self._probed(order)
        if isinstance(found, str):
            refusal = self._refusal(found, order.attempt, order.video)
            await self._tell(refusal)
            return refusal.job
        with asking(TRANSCODER):
            made = await self._client.create_job(**jobs.request(order, found, self._places))
        return JobId(made["Job"]["Id"])

    async def status(self, job: JobId) -> Report | None:
        if refused := _REFUSED.fullmatch(job):
            code, attempt, video = refused.groups()
            return self._refusal(code, int(attempt), VideoId(video))
        found = await self._job(job)
        said = self._of_job(found) if found else None
        return await self._report(said) if said else None

    async def cancel(self, job: JobId) -> None:
        """With what it made, unless another job is at the same attempt."""
        found = None if _REFUSED.fullmatch(job) else await self._job(job)
        said = self._of_job(found) if found else None
        if found is None or said is None or said.status not in {"SUBMITTED", "PROGRESSING"}:
            return
        try:
            with asking(TRANSCODER):
                await self._client.cancel_job(Id=job)
        except ClientError as error:
            if not (missing(error) or code_of(error) in _UNSURE):
                raise
            return
        source = found["Settings"]["Inputs"][0]["FileInput"]
        if not [each for each in await self._known(source, said.video, said.attempt) if each != job]:
            await self._media.remove_prefix(attempt_prefix(said.video, said.attempt))

    async def heard(self, event: Mapping[str, Any], unknown: Unknown = _log_it) -> Report | None:
        """What an event of EventBridge (``DETAIL_TYPE``) means; None for what means nothing to us: other stacks' jobs,
        and states that say nothing. ``unknown`` is told of what nobody understands.

        Raises Invalid for what is no such event.
        """
        try:
            detail: Mapping[str, Any] = event["detail"]
            job, status = JobId(detail["jobId"]), str(detail["status"])
        except (KeyError, TypeError):
            raise Invalid("this is no event of a MediaConvert job", code="unreadable_event") from None
        progress = detail.get("jobProgress", {})
        said = self._ours(
            detail.get("userMetadata", {}), unknown, job=job,
            status="PROGRESSING" if status == "STATUS_UPDATE" else status,
            phase=progress.get("currentPhase", ""), percent=progress.get("jobPercentComplete") or 0,
            error=detail.get("errorCode", 0), message=detail.get("errorMessage", ""),
        )  # fmt: skip
        return await self._report(said, unknown) if said else None

    # --- jobs

    async def _job(self, job: JobId) -> Mapping[str, Any] | None:
        try:
            with asking(TRANSCODER):
                found: Mapping[str, Any] = (await self._client.get_job(Id=job))["Job"]
        except ClientError as error:
            if not (missing(error) or code_of(error) in _UNSURE):
                raise
            return None
        return found

    async def _known(self, source: str, video: VideoId, attempt: int) -> Sequence[JobId]:
        """The jobs of an attempt that were not cancelled, the oldest first."""
        found: list[JobId] = []
        token: Mapping[str, str] = {}
        while True:
            with asking(TRANSCODER):
                page = await self._client.search_jobs(InputFile=source, Order="ASCENDING", MaxResults=20, **token)
            for each in page.get("Jobs", []):
                said = self._of_job(each)
                if said and (said.video, said.attempt) == (video, attempt) and said.status != "CANCELED":
                    found.append(said.job)
            if not page.get("NextToken"):
                return found
            token = {"NextToken": page["NextToken"]}

    def _of_job(self, job: Mapping[str, Any]) -> _Said | None:
        return self._ours(
            job.get("UserMetadata", {}), _log_it, job=JobId(job["Id"]), status=job["Status"], phase=job.get("CurrentPhase", ""),
            percent=job.get("JobPercentComplete") or 0, error=job.get("ErrorCode", 0),
            message=job.get("ErrorMessage", ""),
        )  # fmt: skip

    def _ours(self, metadata: Mapping[str, str], unknown: Unknown, **said: Any) -> _Said | None:
        """None for a job of someone else, or of a version of ours that is not known here."""
        if metadata.get("env") != self._places.env:
            return None
        if metadata.get("schema") != jobs.SCHEMA:
            unknown(f"schema {metadata.get('schema')}")
            return None
        try:
            video, attempt, board = VideoId(metadata["video_id"]), int(metadata["attempt"]), metadata["board"]
        except (KeyError, ValueError):
            raise Invalid("the metadata of this job are not ours", code="unreadable_event") from None
        return _Said(video=video, attempt=attempt, board=board, **said)

    # --- before a job

    async def _probed(self, order: TranscodeOrder) -> Source | str:
        """What is in the file, or why it is refused. Of a broadcast there is a manifest, which ``Probe`` does not read."""
        if order.source.endswith(".m3u8"):
            return await self._listed(order.source)
        try:
            with asking(FILES):
                await self._sources.head_object(Bucket=self._places.raw_bucket, Key=order.source)
        except ClientError as error:
            if not missing(error):
                raise
            return "source_missing"
        try:
            with asking(TRANSCODER):
                said = await self._client.probe(InputFiles=[{"FileUrl": self._places.source(order)}])
        except ClientError as error:
            if missing(error):
                return "source_missing"
            if code_of(error) not in {"BadRequestException", "UnprocessableEntityException"}:
                raise
            _log.info("%s cannot be probed: %s", order.source, error)
            return "unreadable"
        return source_of(next(iter(said.get("ProbeResults", [])), {}), self._max_duration_s)

    async def _listed(self, source: str) -> Source | str:
        manifest = await fetched(self._sources, self._places.raw_bucket, source)
        if manifest is None:
            return "source_missing"
        best = max(variants(manifest[0].decode()), key=lambda each: int(each.attributes["BANDWIDTH"]), default=None)
        if best is None:
            return "unreadable"
        folder = source.rpartition("/")[0]
        playlist = await fetched(self._sources, self._places.raw_bucket, f"{folder}/{best.uri}")
        return "source_missing" if playlist is None else listed(best, playlist[0].decode(), self._max_duration_s)

    @staticmethod
    def _refusal(code: str, attempt: int, video: VideoId) -> Report:
        return Report(
            video=video, attempt=attempt, job=JobId(f"refused.{code}.{attempt}.{video}"), state=State.FAILED,
            failure=Failure(code, _REFUSALS[code]),
        )  # fmt: skip

    # --- what is said of a job

    async def _report(self, said: _Said, unknown: Unknown = _log_it) -> Report | None:
        if said.status == "COMPLETE":
            return await self._ready(said)
        if said.status == "ERROR":
            return said.report(State.FAILED, failure=_failure(said.error, said.message))
        if said.status == "SUBMITTED":
            return said.report(State.PENDING)
        if said.status == "PROGRESSING":
            state = State.PROBING if said.phase in {"", "PROBING"} else State.TRANSCODING
            return said.report(state, min(said.percent, 99))
        if said.status not in _SILENT:
            unknown(f"status {said.status}")
        return None

    async def _ready(self, said: _Said) -> Report:
        """With the poster and the storyboard, made of the pictures that the job left. Doing it again makes the same."""
        prefix = attempt_prefix(said.video, said.attempt)
        try:
            made = variants((await self._media.read(prefix + MANIFEST)).decode())
            folder = (prefix + MANIFEST).rpartition("/")[0]
            playlist = (await self._media.read(f"{folder}/{made[0].uri}")).decode()
        except (NotFound, IndexError):
            lost = Failure("encoder_failed", "the renditions are not where they should be", transient=True)
            return said.report(State.FAILED, failure=lost)
        renditions = sorted((_rendition(each) for each in made), key=lambda each: each.width * each.height)
        lasts = duration_s(playlist)
        media = Media(
            attempt=said.attempt, manifest=MANIFEST, duration_s=lasts, width=renditions[-1].width,
            height=renditions[-1].height, renditions=tuple(renditions),
            has_audio=any("AUDIO" in each.attributes for each in made), poster=await self._poster(prefix),
            storyboard=await self._storyboard(prefix, said.board, lasts),
        )  # fmt: skip
        return said.report(State.READY, 100, media)

    async def _poster(self, prefix: str) -> bool:
        """The picture that takes the most bytes: not black, not white, not a title on one colour."""
        sizes = await self._media.sizes(prefix + jobs.POSTER_CAPTURES)
        if not sizes:
            return False
        await self._media.adopt(max(sizes, key=lambda key: sizes[key]), prefix + POSTER)
        return True

    async def _storyboard(self, prefix: str, board: str, lasts_s: float) -> bool:
        names = [key.removeprefix(prefix) for key in await self._media.sizes(prefix + jobs.BOARD_CAPTURES)]
        if not names:
            return False
        cues = jobs.board_of(board).vtt(lasts_s, lambda number: names[min(number, len(names)) - 1])
        await self._media.put(prefix + STORYBOARD, cues.encode(), "text/vtt")
        return True


def source_of(found: Mapping[str, Any], max_duration_s: float) -> Source | str:
    """A ``ProbeResult`` as pixels to be seen, upright and square; or why such a file is refused."""
    container = found.get("Container", {})
    tracks = container.get("Tracks", [])
    video = next((each for each in tracks if each.get("VideoProperties", {}).get("Width")), None)
    sound = any(each.get("TrackType") == "audio" for each in tracks)
    if video is None or container.get("Format") in _SOUND_ALONE:
        return "no_video" if sound else "unreadable"
    lasts = container.get("Duration") or video.get("Duration") or 0.0
    if lasts > max_duration_s:
        return "too_long"
    properties = video["VideoProperties"]
    stretch = _ratio(properties.get("SampleAspectRatio")) or 1.0
    width, height = max(1, round(properties["Width"] * stretch)), properties["Height"]
    if properties.get("Rotation", 0) % 180:
        width, height = height, width
    return Source(width, height, lasts, _ratio(properties.get("FrameRate")), has_audio=sound)


def listed(variant: Variant, playlist: str, max_duration_s: float) -> Source | str:
    """The same of a variant of a playlist of playlists and its own playlist. Sound is heard if nothing says otherwise."""
    said = variant.attributes
    width, _, height = said.get("RESOLUTION", "").partition("x")
    if not height:
        return "no_video"
    lasts = duration_s(playlist)
    if lasts > max_duration_s:
        return "too_long"
    sound = "AUDIO" in said or "mp4a" in said.get("CODECS", "mp4a")
    return Source(int(width), int(height), lasts, float(said.get("FRAME-RATE", 0)), has_audio=sound)


def _ratio(pair: Mapping[str, int] | None) -> float:
    """0 when it is not said."""
    return pair["Numerator"] / pair["Denominator"] if pair and pair.get("Denominator") else 0.0


def _failure(code: int, message: str) -> Failure:
    named = _FAILURES.get(code)
    if named is not None:
        return Failure(named, _REFUSALS[named])
    _log.error("MediaConvert failed with %d: %s", code, message)
    return Failure("encoder_failed", f"the encoder failed with error {code}", transient=True)


def _rendition(variant: Variant) -> Rendition:
    said = variant.attributes
    width, _, height = said["RESOLUTION"].partition("x")
    name = variant.uri.removesuffix(".m3u8").rpartition("_")[2]
    bitrate = int(said.get("AVERAGE-BANDWIDTH") or said["BANDWIDTH"])
    return Rendition(name, int(width), int(height), bitrate, said.get("CODECS", ""))
