"""Every call that the media adapters make, refused, cut or with its answer lost: it fails cleanly, and a second try
does all of it, once.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from attrs import frozen

from adapters.aws.cloudfront import Invalidations
from adapters.aws.mediaconvert import MediaConvertTranscoder
from adapters.aws.reports import Messages
from adapters.aws.s3 import S3MediaStore, S3UploadStore
from application.ports import TranscodeOrder
from domain.errors import Unavailable
from domain.ids import ChannelId, JobId, UploadId, UserId, VideoId
from domain.processing import Report, State
from domain.uploads import Upload
from tests.cloud.buckets import Buckets, Sent, buckets
from tests.cloud.faults import Rule, broken, cut, failing, lost, throttled
from tests.cloud.studio import Studio, studio
from tests.cloud.world import client

T = TypeVar("T")
Fault = Callable[[str, str], Rule]
START = datetime(2026, 1, 1, tzinfo=UTC)
FAULTS = pytest.mark.parametrize("fault", [throttled, broken, cut, lost])
ORDER = TranscodeOrder(video=VideoId("vid_1"), attempt=1, source="raw/upl_1/source")


class Tiny(Upload):
    @property
    def part_size_bytes(self) -> int:
        return 4


UPLOAD = Tiny(
    id=UploadId("upl_1"), user=UserId("usr_ann"), channel=ChannelId("chn_cats"), video=VideoId("vid_1"),
    filename="film.mp4", content_type="video/mp4", size_bytes=6, created_at=START, expires_at=START,
)  # fmt: skip


def now() -> datetime:
    return datetime.now(UTC)


async def chunk(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def tried(call: Callable[[], Awaitable[T]]) -> T:
    """What comes of a call whose first try may fail, if it does, in the words of the port. Where the connection breaks
    off, HTTP's own client tries once more by itself what can be repeated.
    """
    try:
        return await call()
    except Unavailable:
        return await call()


@frozen
class Failing:
    """A client of S3 that calls through the proxy, which leaves out the length in its answers to HEAD: of those only
    the faults count.
    """

    through: Any
    straight: Any

    def __getattr__(self, operation: str) -> Any:
        return getattr(self.through, operation)

    async def head_object(self, **asked: Any) -> Any:
        await self.through.head_object(**asked)
        return await self.straight.head_object(**asked)


@frozen
class Broken:
    """Stores whose next calls of an operation fail, beside what is really there."""

    here: Buckets
    sent: Sent
    uploads: S3UploadStore
    media: S3MediaStore
    fired: Callable[[], Any]

    async def parts(self) -> list[Any]:
        await self.sent.open(UPLOAD)
        return [await self.sent.receive(UPLOAD, number, chunk(part)) for number, part in ((1, b"abcd"), (2, b"ef"))]


@asynccontextmanager
async def breaking(fault: Fault, operation: str) -> AsyncIterator[Broken]:
    async with buckets() as here:
        with failing(fault("s3", operation)) as at:
            async with client("s3", here.world.account, url=at.url) as through:
                s3 = Failing(through, here.s3)
                media = S3MediaStore(s3, here.media, here.links(now), _nothing)
                uploads = S3UploadStore(s3, here.raw, now, part_least=1)
                yield Broken(here, Sent(here, now, part_least=1), uploads, media, at.fired)
            assert at.fired() == [operation]


async def _nothing(_: str) -> None:
    """No cache."""


# --- uploads -----------------------------------------------------------------------------------------


@FAULTS
@pytest.mark.parametrize("operation", ["ListMultipartUploads", "CreateMultipartUpload"])
async def test_an_upload_is_opened_once(fault: Fault, operation: str) -> None:
    async with breaking(fault, operation) as it:
        handle = await tried(lambda: it.uploads.open(UPLOAD))
        assert await it.uploads.open(UPLOAD) == handle
        found = await it.here.s3.list_multipart_uploads(Bucket=it.here.raw)
        assert [each["UploadId"] for each in found["Uploads"]] == [handle]


# A proxy knows S3's operations by their method alone: it takes ListParts for GetObject, completing for creating, and
# aborting for DeleteObject.
@FAULTS
@pytest.mark.parametrize("operation", ["ListMultipartUploads", "GetObject", "CreateMultipartUpload", "HeadObject"])
async def test_an_upload_is_assembled_once(fault: Fault, operation: str) -> None:
    async with breaking(fault, operation) as it:
        parts = await it.parts()
        assert await tried(lambda: it.uploads.assemble(UPLOAD, parts)) == 6
        assert await it.here.source(UPLOAD.source) == b"abcdef"
        assert UPLOAD.assembled(await it.uploads.received(UPLOAD))


@FAULTS
@pytest.mark.parametrize("operation", ["ListMultipartUploads", "DeleteObject"])
async def test_an_upload_is_discarded(fault: Fault, operation: str) -> None:
    async with breaking(fault, operation) as it:
        await it.parts()
        await tried(lambda: it.uploads.discard(UPLOAD))
        assert await it.sent.held() == []


@FAULTS
@pytest.mark.parametrize("operation", ["ListMultipartUploads", "ListObjectsV2"])
async def test_what_is_held_is_listed(fault: Fault, operation: str) -> None:
    async with breaking(fault, operation) as it:
        await it.parts()
        assert await tried(it.uploads.held) == [UPLOAD.id]


# --- what is shown -----------------------------------------------------------------------------------


@FAULTS
async def test_a_file_is_put(fault: Fault) -> None:
    async with breaking(fault, "PutObject") as it:
        await tried(lambda: it.media.put("v/vid_1/x.jpg", b"x", "image/jpeg"))
        assert await it.sent.read("v/vid_1/x.jpg") == b"x"


@FAULTS
async def test_a_file_is_read(fault: Fault) -> None:
    async with breaking(fault, "GetObject") as it:
        await it.sent.put("v/vid_1/x.jpg", b"x", "image/jpeg")
        assert await tried(lambda: it.media.read("v/vid_1/x.jpg")) == b"x"


@FAULTS
async def test_a_file_is_shown_under_another_key(fault: Fault) -> None:
    async with breaking(fault, "PutObject") as it:
        await it.sent.put("v/vid_1/x.jpg", b"x", "image/jpeg")
        await tried(lambda: it.media.adopt("v/vid_1/x.jpg", "v/vid_1/y.jpg"))
        assert await it.sent.read("v/vid_1/y.jpg") == b"x"


@FAULTS
@pytest.mark.parametrize("operation", ["ListObjectsV2", "DeleteObjects"])
async def test_files_are_removed(fault: Fault, operation: str) -> None:
    async with breaking(fault, operation) as it:
        for number in range(3):
            await it.sent.put(f"v/vid_1/{number}.jpg", b"x", "image/jpeg")
        await tried(lambda: it.media.remove_prefix("v/vid_1/"))
        assert await it.sent.usage("") == 0


# --- jobs --------------------------------------------------------------------------------------------


@frozen
class Strained:
    studio: Studio
    transcoder: MediaConvertTranscoder

    async def jobs(self) -> list[str]:
        """What became of every job there is."""
        return [each["Status"] for each in (await self.studio.client.list_jobs())["Jobs"]]


@asynccontextmanager
async def straining(fault: Fault, operation: str) -> AsyncIterator[Strained]:
    """With jobs that wait, for a source whose pictures can be seen."""
    async with studio() as here:
        here.buckets.world.stack.by_hand(here.buckets.media)
        await here.buckets.s3.put_object(Bucket=here.buckets.raw, Key=ORDER.source, Body=PICTURE)
        with failing(fault("mediaconvert", operation)) as at:
            async with client("mediaconvert", here.buckets.world.account, url=at.url) as failing_client:
                transcoder = MediaConvertTranscoder(
                    failing_client, here.buckets.s3, here.buckets.shown(now), here.places, here.transcoder._tell
                )
                yield Strained(here, transcoder)
            assert at.fired() == [operation]


# 1x1 pixel of GIF.
PICTURE = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")


@FAULTS
@pytest.mark.parametrize("operation", ["SearchJobs", "Probe", "CreateJob"])
async def test_a_job_is_started_once(fault: Fault, operation: str) -> None:
    """Even when the service has forgotten the token of the request."""
    async with straining(fault, operation) as it:
        with suppress(Unavailable):
            await it.transcoder.start(ORDER)
        it.studio.buckets.world.stack.forget_tokens()
        job = await it.transcoder.start(ORDER)
        assert await it.transcoder.start(ORDER) == job
        assert await it.jobs() == ["SUBMITTED"]


@FAULTS
async def test_a_job_is_asked_after(fault: Fault) -> None:
    async with straining(fault, "GetJob") as it:
        job = await it.studio.transcoder.start(ORDER)
        report = await tried(lambda: it.transcoder.status(job))
        assert report == Report(video=ORDER.video, attempt=1, job=job, state=State.PENDING)


@FAULTS
@pytest.mark.parametrize("operation", ["GetJob", "CancelJob"])
async def test_a_job_is_cancelled(fault: Fault, operation: str) -> None:
    async with straining(fault, operation) as it:
        job = await it.studio.transcoder.start(ORDER)
        await tried(lambda: it.transcoder.cancel(job))
        assert await it.jobs() == ["CANCELED"]


# --- the others --------------------------------------------------------------------------------------


@FAULTS
async def test_a_report_is_told_at_least_once(fault: Fault) -> None:
    report = Report(video=ORDER.video, attempt=1, job=JobId("job_1"), state=State.PROBING)
    async with studio() as here:
        with failing(fault("sqs", "SendMessage")) as at:
            async with client("sqs", here.buckets.world.account, url=at.url) as sqs:
                await tried(lambda: Messages(sqs, here.queue_url).tell(report))
        assert await here.reports.next() == report


@FAULTS
async def test_caches_are_cleared(fault: Fault) -> None:
    async with buckets() as here:
        with failing(fault("cloudfront", "CreateInvalidation")) as at:
            async with client("cloudfront", here.world.account, url=at.url) as cloudfront:
                gone = Invalidations(cloudfront, here.distribution, lambda prefix: f"{prefix}_{now().timestamp()}")
                await tried(lambda: gone("v/vid_1/"))
        asked = await here.cloudfront.list_invalidations(DistributionId=here.distribution)
        assert asked["InvalidationList"]["Items"]
