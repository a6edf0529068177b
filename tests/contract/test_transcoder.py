"""Any Transcoder: every order ends in READY or FAILED, once, whatever is asked meanwhile; and the queue of reports."""

import asyncio
import posixpath
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

from adapters.inmemory.media import InMemoryMedia
from adapters.inmemory.told import InMemoryReports
from adapters.inmemory.transcode import InMemoryTranscoder
from adapters.links import Links
from adapters.local.database import Database
from adapters.local.disk import DiskMedia
from adapters.local.ffmpeg import FfmpegTranscoder
from adapters.local.jobs import JobQueue
from adapters.local.told import SqliteReports
from adapters.playlists import variants
from application.auditing import Playlist
from application.ports import Delivery, MediaStore, Reports, TranscodeOrder, Transcoder, UploadStore
from domain.errors import Unavailable
from domain.ids import ChannelId, JobId, UploadId, UserId, VideoId
from domain.media import FIRST_MANIFEST, MANIFEST, POSTER, STORYBOARD, attempt_prefix
from domain.processing import NEXT, TERMINAL, Report, State
from domain.uploads import Upload
from tests.cloud.studio import mailbox, studio
from tests.media import films
from tests.strategies import START
from tests.worlds import FakeClock

VIDEO = VideoId("vid_1")
PREFIX = attempt_prefix(VIDEO, 1)


@frozen
class Opened:
    transcoder: Transcoder
    reports: Reports
    store: Any  # what keeps the files: MediaStore, UploadStore and Delivery at once
    film: bytes
    """With sound, tall enough for two renditions."""
    silent: bytes
    sound: bytes
    hold: Callable[[], None] = field(default=lambda: None, kw_only=True)
    """Where jobs begin by themselves, in another process: let none begin."""
    begin: Callable[[JobId], None] = field(default=lambda _: None, kw_only=True)

    async def order(self, content: bytes, attempt: int = 1, upload: str = "upl_1") -> TranscodeOrder:
        """With ``content`` uploaded."""
        takes: UploadStore = self.store
        delivery: Delivery = self.store
        wanted = Upload(
            id=UploadId(upload), user=UserId("usr_ann"), channel=ChannelId("chn_cats"), video=VIDEO,
            filename="film.mp4", content_type="video/mp4", size_bytes=len(content), created_at=START,
            expires_at=START + timedelta(hours=24),
        )  # fmt: skip

        async def once() -> AsyncIterator[bytes]:
            yield content

        await takes.open(wanted)
        await takes.assemble(wanted, [await delivery.receive(wanted, 1, once())])
        return TranscodeOrder(video=VIDEO, attempt=attempt, source=wanted.source)

    async def told(self, until: Callable[[Report], bool] = lambda report: report.state in TERMINAL) -> list[Report]:
        reports: list[Report] = []
        while not reports or not until(reports[-1]):
            reports.append(await self.reports.next())
            await self.reports.settle(reports[-1])
        return reports

    async def keys(self) -> int:
        shown: MediaStore = self.store
        return await shown.usage(PREFIX)


@asynccontextmanager
async def in_memory(_: Path, waiting_most: int = 1000) -> AsyncIterator[Opened]:
    clock = FakeClock()
    media = InMemoryMedia(Links(b"key", "", clock.now), clock.now)
    reports = InMemoryReports(clock.now)
    transcoder = InMemoryTranscoder(media, reports, max_duration_s=30, waiting_most=waiting_most)
    try:
        yield Opened(
            transcoder, reports, media, b"hexcast-fake 854x480 4.0s audio\n", b"hexcast-fake 640x360 4.0s",
            b"hexcast-fake 0x0 1.0s audio",
        )  # fmt: skip
    finally:
        await transcoder.aclose()


@asynccontextmanager
async def by_ffmpeg(store: Path, waiting_most: int = 1000) -> AsyncIterator[Opened]:
    clock = FakeClock()
    with tempfile.TemporaryDirectory() as root:
        media = DiskMedia(Path(root), Links(b"key", "", clock.now), clock.now)
        database = Database(Path(root) / "hexcast.db", durable=False)
        reports = SqliteReports(database, clock.now)
        queue = JobQueue(database, reports, clock.now, waiting_most=waiting_most)
        transcoder = FfmpegTranscoder(media, queue, jobs=1, max_duration_s=30)
        contents = [film(store).read_bytes() for film in (films.landscape, films.portrait, films.sound_alone)]
        running = asyncio.create_task(transcoder.run())
        try:
            yield Opened(transcoder, reports, media, *contents)
        finally:
            running.cancel()
            await asyncio.wait([running])
            database.close()


@asynccontextmanager
async def by_mediaconvert(store: Path, waiting_most: int = 1000) -> AsyncIterator[Opened]:
    async with studio(max_duration_s=30) as here:
        here.limit(waiting_most)
        contents = [film(store).read_bytes() for film in (films.landscape, films.portrait, films.sound_alone)]
        stack, bucket = here.buckets.world.stack, here.buckets.media
        yield Opened(
            here.transcoder, here.reports, here.store, *contents, hold=lambda: stack.by_hand(bucket), begin=stack.run
        )


EARLY: list[Any] = [in_memory, by_ffmpeg]
"""Those that show the lowest rendition before the others are made."""
OPENERS: list[Any] = [*EARLY, by_mediaconvert]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(params=OPENERS, ids=[opener.__name__ for opener in OPENERS])
async def opened(request: pytest.FixtureRequest, store: Path) -> AsyncIterator[Opened]:
    async with request.param(store) as world:
        yield world


@pytest.fixture(params=EARLY, ids=[opener.__name__ for opener in EARLY])
async def early(request: pytest.FixtureRequest, store: Path) -> AsyncIterator[Opened]:
    async with request.param(store) as world:
        yield world


def check_sequence(reports: Sequence[Report], job: JobId, attempt: int = 1) -> None:
    """What one job says, in the order in which it says it."""
    assert {(report.video, report.attempt, report.job) for report in reports} == {(VIDEO, attempt, job)}
    state = State.PENDING
    for report in reports:
        assert report.state is state or report.state in NEXT[state]
        state = report.state
    assert [report.percent for report in reports] == sorted(report.percent for report in reports)


async def test_an_order_ends_in_ready_with_everything_there(opened: Opened) -> None:
    job = await opened.transcoder.start(await opened.order(opened.film))
    reports = await opened.told()
    check_sequence(reports, job)
    ready = reports[-1]
    assert ready.state is State.READY
    assert ready.percent == 100
    assert ready.failure is None
    media = ready.media
    assert media is not None
    assert (media.attempt, media.manifest, media.complete) == (1, MANIFEST, True)
    assert (media.has_audio, media.poster, media.storyboard) == (True, True, True)
    assert (media.width, media.height) == (854, 480)
    assert media.duration_s == pytest.approx(4.0, abs=0.04)
    assert [rendition.name for rendition in media.renditions] == ["360p", "480p"]
    named = variants((await opened.store.read(PREFIX + MANIFEST)).decode())
    assert [each.attributes["RESOLUTION"] for each in named] == [
        f"{each.width}x{each.height}" for each in media.renditions
    ]
    for rendition, variant in zip(media.renditions, named, strict=True):
        assert rendition.name in variant.uri
        assert rendition.bitrate_bps <= int(variant.attributes["BANDWIDTH"])
        assert rendition.codecs.startswith("avc1.")
    for name in (POSTER, STORYBOARD):
        assert await opened.store.read(PREFIX + name)


async def test_every_file_that_a_playlist_names_is_there(opened: Opened) -> None:
    await opened.transcoder.start(await opened.order(opened.film))
    await opened.told()
    folder = f"{PREFIX}hls/"
    master = Playlist.read(await opened.store.read(PREFIX + MANIFEST))
    assert len(master.playlists) == 3  # two sizes, and the sound of both
    assert not master.files
    for name in master.playlists:
        content = await opened.store.read(folder + name)
        assert content.rstrip().endswith(b"#EXT-X-ENDLIST")
        named = Playlist.read(content)
        assert named.files
        assert not named.playlists
        for file in named.files:
            assert await opened.store.read(posixpath.join(posixpath.dirname(folder + name), file))


async def test_the_storyboard_shows_all_of_the_film(opened: Opened) -> None:
    """Its cues follow each other to the end, and every picture they name is there."""
    await opened.transcoder.start(await opened.order(opened.film))
    media = (await opened.told())[-1].media
    assert media is not None
    text = (await opened.store.read(PREFIX + STORYBOARD)).decode()
    times = [line.split(" --> ") for line in text.splitlines() if "-->" in line]
    assert times[0][0] == "00:00:00.000"
    assert [end for _, end in times[:-1]] == [start for start, _ in times[1:]]
    assert times[-1][1] == f"00:00:{media.duration_s:06.3f}"
    shown = re.findall(r"^(.+)#xywh=\d+,\d+,160,\d+$", text, re.MULTILINE)
    assert len(shown) == len(times)
    for name in shown:
        assert (await opened.store.read(PREFIX + name))[:2] == b"\xff\xd8"


async def test_something_can_be_played_before_all_is_ready(early: Opened) -> None:
    await early.transcoder.start(await early.order(early.film))
    reports = await early.told()
    partial = [report.media for report in reports if report.state is State.TRANSCODING and report.media is not None]
    assert partial
    assert {(media.manifest, media.complete, media.poster) for media in partial} == {(FIRST_MANIFEST, False, True)}
    assert {tuple(rendition.name for rendition in media.renditions) for media in partial} == {("360p",)}
    assert b"360p/index.m3u8" in await early.store.read(PREFIX + FIRST_MANIFEST)


async def test_one_rendition_is_ready_at_once(opened: Opened) -> None:
    await opened.transcoder.start(await opened.order(opened.silent))
    reports = await opened.told()
    assert [report.media is not None for report in reports] == [False] * (len(reports) - 1) + [True]
    media = reports[-1].media
    assert media is not None
    assert not media.has_audio
    assert "AUDIO" not in (await opened.store.read(PREFIX + MANIFEST)).decode()


async def test_what_cannot_be_played_is_refused(opened: Opened) -> None:
    job = await opened.transcoder.start(await opened.order(b"\x00\x01 once upon a time"))
    reports = await opened.told()
    check_sequence(reports, job)
    failed = reports[-1]
    assert failed.state is State.FAILED
    assert failed.media is None
    assert failed.failure is not None
    assert (failed.failure.code, failed.failure.transient) == ("unreadable", False)
    assert failed.failure.detail
    assert await opened.keys() == 0


async def test_sound_alone_is_no_video(opened: Opened) -> None:
    await opened.transcoder.start(await opened.order(opened.sound))
    failure = (await opened.told())[-1].failure
    assert failure is not None
    assert failure.code == "no_video"


async def test_a_source_that_is_not_there_is_missing(opened: Opened) -> None:
    await opened.transcoder.start(TranscodeOrder(video=VIDEO, attempt=1, source="raw/upl_none/source"))
    failure = (await opened.told())[-1].failure
    assert failure is not None
    assert failure.code == "source_missing"


async def test_starting_again_starts_nothing_new(opened: Opened) -> None:
    order = await opened.order(opened.silent)
    job = await opened.transcoder.start(order)
    assert await opened.transcoder.start(order) == job
    reports = await opened.told()
    assert await opened.transcoder.start(order) == job
    assert sum(report.state is State.PROBING for report in reports) == 1
    assert await opened.transcoder.status(job) == reports[-1]
    # The next thing that is said is of another attempt: the first one said nothing more.
    other = await opened.transcoder.start(TranscodeOrder(video=VIDEO, attempt=2, source=order.source))
    assert other != job
    check_sequence(await opened.told(), other, attempt=2)


async def test_a_job_is_known_from_the_start_to_after_its_end(opened: Opened) -> None:
    opened.hold()
    job = await opened.transcoder.start(await opened.order(opened.silent))
    pending = await opened.transcoder.status(job)
    assert pending is not None
    assert (pending.job, pending.percent, pending.media) == (job, 0, None)
    assert pending.state in {State.PENDING, State.PROBING}
    opened.begin(job)
    reports = await opened.told()
    assert await opened.transcoder.status(job) == reports[-1]


async def test_an_unknown_job_has_no_status_and_nothing_to_cancel(opened: Opened) -> None:
    assert await opened.transcoder.status(JobId("job_none")) is None
    await opened.transcoder.cancel(JobId("job_none"))


async def test_a_cancelled_job_says_nothing_and_leaves_nothing(opened: Opened) -> None:
    await cancelled(opened, lambda report: report.state is State.TRANSCODING)


async def test_a_cancelled_job_leaves_nothing_of_what_was_shown_already(early: Opened) -> None:
    await cancelled(early, lambda report: report.media is not None)


async def cancelled(opened: Opened, when: Callable[[Report], bool]) -> None:
    order = await opened.order(opened.film)
    job = await opened.transcoder.start(order)
    await opened.told(when)
    await opened.transcoder.cancel(job)
    await opened.transcoder.cancel(job)
    assert await opened.keys() == 0
    other = await opened.transcoder.start(TranscodeOrder(video=VIDEO, attempt=2, source=order.source))
    later = await opened.told()
    assert {report.job for report in later if report.state is not State.TRANSCODING} == {other}


async def test_a_job_cancelled_before_its_turn_never_begins(opened: Opened) -> None:
    """At the most it was looked at, if its turn came at once."""
    order = await opened.order(opened.film)
    job = await opened.transcoder.start(order)
    await opened.transcoder.cancel(job)
    other = await opened.transcoder.start(TranscodeOrder(video=VIDEO, attempt=2, source=order.source))
    reports = await opened.told()
    assert {report.state for report in reports if report.job == job} <= {State.PROBING}
    check_sequence([report for report in reports if report.job != job], other, attempt=2)
    assert await opened.keys() == 0


async def test_cancelling_what_is_finished_is_a_no_op(opened: Opened) -> None:
    job = await opened.transcoder.start(await opened.order(opened.silent))
    ready = (await opened.told())[-1]
    await opened.transcoder.cancel(job)
    assert await opened.transcoder.status(job) == ready
    assert await opened.store.read(PREFIX + MANIFEST)


@pytest.mark.parametrize("opener", OPENERS, ids=[opener.__name__ for opener in OPENERS])
async def test_no_more_are_taken_than_can_wait(store: Path, opener: Any) -> None:
    async with opener(store, waiting_most=1) as opened:
        order = await opened.order(opened.film)
        most = [TranscodeOrder(video=VIDEO, attempt=attempt, source=order.source) for attempt in (1, 2)]
        for taken in most:
            await opened.transcoder.start(taken)
        with pytest.raises(Unavailable):
            await opened.transcoder.start(TranscodeOrder(video=VIDEO, attempt=3, source=order.source))
        # Asking again for one that was taken is no new work.
        await opened.transcoder.start(order)


# --- reports -------------------------------------------------------------------------------------------


@frozen
class Told:
    """The queue of reports, and how one gets there."""

    reports: Reports
    tell: Callable[[Report], Awaitable[None]]
    advance: Callable[[timedelta], Awaitable[object]]
    """Lets time pass."""


def passing(clock: FakeClock) -> Callable[[timedelta], Awaitable[object]]:
    async def advance(by: timedelta) -> None:
        clock.advance(by)

    return advance


@asynccontextmanager
async def told_in_memory() -> AsyncIterator[Told]:
    clock = FakeClock()
    reports = InMemoryReports(clock.now)

    async def tell(report: Report) -> None:
        reports.tell(report)

    yield Told(reports, tell, passing(clock))


@asynccontextmanager
async def told_in_sqlite() -> AsyncIterator[Told]:
    clock = FakeClock()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "hexcast.db", durable=False)
        reports = SqliteReports(database, clock.now)

        async def tell(report: Report) -> None:
            await database.write(lambda transaction: reports.tell(transaction, report))

        try:
            yield Told(reports, tell, passing(clock))
        finally:
            database.close()


@asynccontextmanager
async def told_over_sqs() -> AsyncIterator[Told]:
    async with mailbox() as box:
        yield Told(box.reports, box.tell, box.advance)


@pytest.fixture(params=[told_in_memory, told_in_sqlite, told_over_sqs], ids=["in_memory", "sqlite", "sqs"])
async def told(request: pytest.FixtureRequest) -> AsyncIterator[Told]:
    async with request.param() as opened:
        yield opened


def report(percent: int) -> Report:
    return Report(video=VIDEO, attempt=1, job=JobId("job_1"), state=State.TRANSCODING, percent=percent)


async def test_reports_come_in_order_and_each_once(told: Told) -> None:
    for percent in (1, 2, 2, 3):
        await told.tell(report(percent))
    assert [await told.reports.next() for _ in range(3)] == [report(1), report(2), report(3)]


async def test_an_unsettled_report_comes_again_after_a_minute(told: Told) -> None:
    await told.tell(report(1))
    await told.tell(report(2))
    assert await told.reports.next() == report(1)
    assert await told.reports.next() == report(2)
    await told.reports.settle(report(2))
    await told.advance(timedelta(seconds=59))
    await told.tell(report(3))
    assert await told.reports.next() == report(3)
    await told.reports.settle(report(3))
    await told.advance(timedelta(seconds=1))
    assert await told.reports.next() == report(1)


async def test_a_report_that_was_settled_can_be_said_again(told: Told) -> None:
    await told.tell(report(1))
    await told.reports.settle(await told.reports.next())
    await told.reports.settle(report(1))
    await told.tell(report(1))
    assert await told.reports.next() == report(1)


async def test_who_waits_is_told(told: Told) -> None:
    waiting = asyncio.ensure_future(told.reports.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    await told.tell(report(1))
    assert await waiting == report(1)
