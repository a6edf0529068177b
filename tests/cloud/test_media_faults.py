"""Every call but those to tables and to Cognito, refused, cut or with its answer lost: it fails cleanly, and a second try
does all of it, once.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from attrs import evolve, frozen

from adapters.aws.clients import TRIES
from adapters.aws.cloudfront import Invalidations
from adapters.aws.dynamo import delete
from adapters.aws.ivs import _KEEP, IvsIngest, _at
from adapters.aws.mediaconvert import MediaConvertTranscoder
from adapters.aws.queue import AT_ONCE, SqsQueue, SqsRetries, named
from adapters.aws.reports import tell
from adapters.aws.s3 import S3MediaStore, S3UploadStore
from adapters.aws.secrets import Keys, keys
from application.ports import TranscodeOrder
from domain.errors import Unavailable
from domain.ids import ChannelId, EventId, JobId, StreamId, UploadId, UserId, VideoId
from domain.processing import Report, State
from domain.streams import Stream
from domain.uploads import Upload
from tests.cloud.buckets import Buckets, Sent, buckets
from tests.cloud.faults import RETRIES, Fault, failing, faults
from tests.cloud.onair import Air, on_air
from tests.cloud.studio import Studio, mailbox, studio
from tests.cloud.world import client, world

T = TypeVar("T")
START = datetime(2026, 1, 1, tzinfo=UTC)
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
    """What comes of a call that may fail, if it does, in the words of the port, and then be made again. What the SDK
    does not send again by itself (SQS's throttling, for the name that its code comes with) fails more than once.
    """
    for _ in range(TRIES):
        with suppress(Unavailable):
            return await call()
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
        with failing(fault.rule("s3", operation)) as at:
            async with client("s3", here.world.account, url=at.url, retries=RETRIES) as through:
                s3 = Failing(through, here.s3)
                media = S3MediaStore(s3, here.media, here.links(now), _nothing)
                uploads = S3UploadStore(s3, here.raw, now, part_least=1)
                yield Broken(here, Sent(here, now, part_least=1), uploads, media, at.fired)
            assert at.fired() == fault.seen("s3", operation)


async def _nothing(_: str) -> None:
    """No cache."""


# --- uploads -----------------------------------------------------------------------------------------


@faults("s3", "ListMultipartUploads", "CreateMultipartUpload")
async def test_an_upload_is_opened(fault: Fault, operation: str) -> None:
    """Of two that S3 has begun, since an answer was lost, the one that is named takes the parts, and both go."""
    async with breaking(fault, operation) as it:
        opened = evolve(UPLOAD, handle=await tried(lambda: it.uploads.open(UPLOAD)))
        parts = [await it.sent.receive(opened, number, chunk(part)) for number, part in ((1, b"abcd"), (2, b"ef"))]
        assert await it.uploads.received(opened) == parts
        await it.uploads.discard(opened)
        assert await it.sent.held() == []


@faults("s3", "ListMultipartUploads", "ListParts", "CompleteMultipartUpload", "HeadObject")
async def test_an_upload_is_assembled_once(fault: Fault, operation: str) -> None:
    async with breaking(fault, operation) as it:
        parts = await it.parts()
        assert await tried(lambda: it.uploads.assemble(UPLOAD, parts)) == 6
        assert await it.here.source(UPLOAD.source) == b"abcdef"
        assert UPLOAD.assembled(await it.uploads.received(UPLOAD))


@faults("s3", "ListMultipartUploads", "AbortMultipartUpload", "DeleteObject")
async def test_an_upload_is_discarded(fault: Fault, operation: str) -> None:
    async with breaking(fault, operation) as it:
        await it.parts()
        await tried(lambda: it.uploads.discard(UPLOAD))
        assert await it.sent.held() == []


@faults("s3", "ListMultipartUploads", "ListObjectsV2")
async def test_what_is_held_is_listed(fault: Fault, operation: str) -> None:
    async with breaking(fault, operation) as it:
        await it.parts()
        assert await tried(it.uploads.held) == [UPLOAD.id]


# --- what is shown -----------------------------------------------------------------------------------


@faults("s3", "PutObject")
async def test_a_file_is_put(fault: Fault, operation: str) -> None:
    async with breaking(fault, operation) as it:
        await tried(lambda: it.media.put("v/vid_1/x.jpg", b"x", "image/jpeg"))
        assert await it.sent.read("v/vid_1/x.jpg") == b"x"


@faults("s3", "GetObject")
async def test_a_file_is_read(fault: Fault, operation: str) -> None:
    async with breaking(fault, operation) as it:
        await it.sent.put("v/vid_1/x.jpg", b"x", "image/jpeg")
        assert await tried(lambda: it.media.read("v/vid_1/x.jpg")) == b"x"


@faults("s3", "CopyObject")
async def test_a_file_is_shown_under_another_key(fault: Fault, operation: str) -> None:
    async with breaking(fault, operation) as it:
        await it.sent.put("v/vid_1/x.jpg", b"x", "image/jpeg")
        await tried(lambda: it.media.adopt("v/vid_1/x.jpg", "v/vid_1/y.jpg"))
        assert await it.sent.read("v/vid_1/y.jpg") == b"x"


@faults("s3", "ListObjectsV2", "DeleteObjects")
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
        with failing(fault.rule("mediaconvert", operation)) as at:
            account = here.buckets.world.account
            async with client("mediaconvert", account, url=at.url, retries=RETRIES) as failing_client:
                transcoder = MediaConvertTranscoder(
                    failing_client, here.buckets.s3, here.buckets.shown(now), here.places, here.transcoder._tell
                )
                yield Strained(here, transcoder)
            assert at.fired() == fault.seen("mediaconvert", operation)


# 1x1 pixel of GIF.
PICTURE = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")


@faults("mediaconvert", "SearchJobs", "Probe", "CreateJob")
async def test_a_job_is_started_once(fault: Fault, operation: str) -> None:
    """Even when the service has forgotten the token of the request."""
    async with straining(fault, operation) as it:
        with suppress(Unavailable):
            await it.transcoder.start(ORDER)
        it.studio.buckets.world.stack.forget_tokens()
        job = await it.transcoder.start(ORDER)
        assert await it.transcoder.start(ORDER) == job
        assert await it.jobs() == ["SUBMITTED"]


@faults("mediaconvert", "GetJob")
async def test_a_job_is_asked_after(fault: Fault, operation: str) -> None:
    async with straining(fault, operation) as it:
        job = await it.studio.transcoder.start(ORDER)
        report = await tried(lambda: it.transcoder.status(job))
        assert report == Report(video=ORDER.video, attempt=1, job=job, state=State.PENDING)


@faults("mediaconvert", "GetJob", "CancelJob")
async def test_a_job_is_cancelled(fault: Fault, operation: str) -> None:
    async with straining(fault, operation) as it:
        job = await it.studio.transcoder.start(ORDER)
        await tried(lambda: it.transcoder.cancel(job))
        assert await it.jobs() == ["CANCELED"]


# --- the others --------------------------------------------------------------------------------------


@asynccontextmanager
async def calling(fault: Fault, service: str, operation: str, account: str) -> AsyncIterator[Any]:
    """A client whose next call of the operation fails."""
    with failing(fault.rule(service, operation)) as at:
        async with client(service, account, url=at.url, retries=RETRIES) as opened:
            yield opened
        assert at.fired() == fault.seen(service, operation)


REPORT = Report(video=ORDER.video, attempt=1, job=JobId("job_1"), state=State.PROBING)


@faults("sqs", "SendMessage")
async def test_a_report_is_told_at_least_once(fault: Fault, operation: str) -> None:
    async with mailbox() as here:
        async with calling(fault, "sqs", operation, here.account) as sqs:
            await tried(lambda: tell(sqs, here.queue_url, REPORT))
        assert await here.reports.next() == REPORT


@faults("sqs", "SendMessageBatch")
async def test_events_are_named_to_their_workers_at_least_once(fault: Fault, operation: str) -> None:
    """More than fit one call."""
    events = [EventId(f"evt_{number}") for number in range(AT_ONCE + 2)]
    async with mailbox() as here:
        async with calling(fault, "sqs", operation, here.account) as sqs:
            await tried(lambda: SqsQueue(sqs, here.queue_url).send(events))
        assert {named(body) for body in await here.taken()} == set(events)


@faults("sqs", "ChangeMessageVisibility")
async def test_a_message_comes_again_sooner_than_its_queue_says(fault: Fault, operation: str) -> None:
    async with mailbox() as here:
        await here.tell(REPORT)
        (message,) = (await here.sqs.receive_message(QueueUrl=here.queue_url))["Messages"]
        assert await here.taken() == []
        url, account, name = here.queue_url.rsplit("/", 2)
        async with calling(fault, "sqs", operation, here.account) as sqs:
            retries = SqsRetries(sqs, url)
            await tried(lambda: retries(f"arn:aws:sqs:us-east-1:{account}:{name}", message["ReceiptHandle"], 0))
        assert len(await here.taken()) == 1


@faults("cloudfront", "CreateInvalidation")
async def test_caches_are_cleared(fault: Fault, operation: str) -> None:
    async with buckets() as here:
        async with calling(fault, "cloudfront", operation, here.world.account) as cloudfront:
            gone = Invalidations(cloudfront, here.distribution, lambda prefix: f"{prefix}_{now().timestamp()}")
            await tried(lambda: gone("v/vid_1/"))
        asked = await here.cloudfront.list_invalidations(DistributionId=here.distribution)
        assert asked["InvalidationList"]["Items"]


@faults("secretsmanager", "GetSecretValue")
async def test_keys_are_read(fault: Fault, operation: str) -> None:
    async with world() as here:
        secrets = await here.client("secretsmanager")
        await secrets.create_secret(Name=here.name("keys"), SecretString='{"signing_key": "k"}')
        async with calling(fault, "secretsmanager", operation, here.account) as failing_client:
            kept = await tried(lambda: keys(failing_client, here.name("keys")))
        assert kept == Keys(b"k", {"a": "", "b": ""})


# --- IVS ---------------------------------------------------------------------------------------------

STREAM = Stream(id=StreamId("str_1"), channel=ChannelId("chn_cats"), title="Live", created_at=START)
ANN = UserId("usr_ann")


@asynccontextmanager
async def ivs_breaking(fault: Fault, operation: str) -> AsyncIterator[tuple[Air, IvsIngest]]:
    """What is on the air, and the same ingest by way of the fault."""
    async with on_air() as here:
        with failing(fault.rule("ivs", operation)) as at:
            async with client("ivs", here.world.account, url=at.url, retries=RETRIES) as through:
                yield (
                    here,
                    IvsIngest(
                        through, here.s3, here.ingest._tables, here.channels, now, once=None, key=here.ingest._key
                    ),
                )
            assert at.fired() == fault.seen("ivs", operation)


@faults("ivs", "ListChannels", "CreateChannel")
async def test_a_channel_is_made_once(fault: Fault, operation: str) -> None:
    """Nobody tries that again by themselves: IVS would make another one."""
    async with on_air() as air:
        with failing(fault.make("ivs", operation, 1)) as at:
            async with client("ivs", air.world.account, url=at.url) as once:
                ingest = IvsIngest(once, air.s3, air.ingest._tables, air.channels, now, once=once, key=None)
                await tried(lambda: ingest.open(STREAM))
            assert at.fired() == [operation]
        assert len((await air.client.list_channels())["channels"]) == 1


@faults("ivs", "ListStreamKeys", "DeleteStreamKey", "StopStream", "CreateStreamKey", "GetChannel")
async def test_a_key_is_replaced_and_there_is_one(operation: str, fault: Fault) -> None:
    """Whatever was done of it before, the old one opens nothing, and nothing is live."""
    async with ivs_breaking(fault, operation) as (air, ingest):
        stream = evolve(STREAM, ingest=await air.ingest.open(STREAM))
        old = await air.ingest.point(stream)
        air.world.stack.begin(old.stream_key)
        if operation == "GetChannel":  # where the channel is would be known
            await air.ingest._tables.write(delete(_KEEP, _at(stream.ingest)))
        new = await tried(lambda: ingest.rotate(stream))
        assert new != old
        assert await air.ingest.point(stream) == new
        assert await air.ingest.live() == []


@faults("ivs", "ListChannels", "ListStreamKeys", "DeleteStreamKey", "StopStream", "DeleteChannel")
async def test_a_channel_is_closed(operation: str, fault: Fault) -> None:
    async with ivs_breaking(fault, operation) as (air, ingest):
        stream = evolve(STREAM, ingest=await air.ingest.open(STREAM))
        air.world.stack.begin((await air.ingest.point(stream)).stream_key)
        await tried(lambda: ingest.close(stream.id, stream.ingest))
        assert (await air.client.list_channels())["channels"] == []


ASKED: Mapping[str, Callable[[IvsIngest, Stream], Awaitable[object]]] = {
    "GetStreamKey": lambda ingest, stream: ingest.point(stream),
    "UpdateChannel": lambda ingest, stream: ingest.configure(evolve(stream, record=False)),
    "ListStreams": lambda ingest, _: ingest.live(),
    "StartViewerSessionRevocation": lambda ingest, stream: ingest.revoke(stream, ANN),
    "PutMetadata": lambda ingest, stream: ingest.annotate(stream, "Goal!"),
}


@faults("ivs", *ASKED)
async def test_ivs_is_asked_again(fault: Fault, operation: str) -> None:
    async with ivs_breaking(fault, operation) as (air, ingest):
        stream = evolve(STREAM, ingest=await air.ingest.open(STREAM))
        if operation == "PutMetadata":
            air.world.stack.begin((await air.ingest.point(stream)).stream_key)
        await tried(lambda: ASKED[operation](ingest, stream))


@faults("ivs", "GetStreamSession")
async def test_who_is_live_is_known_without_details(fault: Fault, operation: str) -> None:
    """They are asked for again the next time."""
    async with ivs_breaking(fault, operation) as (air, ingest):
        stream = evolve(STREAM, ingest=await air.ingest.open(STREAM))
        air.world.stack.begin((await air.ingest.point(stream)).stream_key)
        first, second = [(await ingest.live())[0].measured for _ in range(2)]
        assert bool(first) is (fault.times == 1)
        assert bool(second) is not bool(first)
