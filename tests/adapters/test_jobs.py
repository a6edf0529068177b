"""The queue of jobs that processes share: each runs once, whoever ends without a word is replaced, nothing is lost."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import imageio_ffmpeg
import pytest
from attrs import evolve, frozen

from adapters.links import Links
from adapters.local import jobs
from adapters.local.database import Database
from adapters.local.disk import DiskMedia
from adapters.local.ffmpeg import DEATHS_MOST, FfmpegTranscoder
from adapters.local.jobs import HOLD, RENEW, Hold, JobQueue, Lost, Standing
from adapters.local.told import SqliteReports
from application.ports import TranscodeOrder
from domain.errors import Unavailable
from domain.ids import JobId, VideoId
from domain.media import FIRST_MANIFEST, attempt_prefix
from domain.processing import TERMINAL, Failure, Report, State
from tests.media import films
from tests.worlds import FakeClock

SECOND = timedelta(seconds=1)
LOOK_S = 0.01
"""What passes between two looks of a runner that a test waits for."""


def order(number: int = 1, attempt: int = 1) -> TranscodeOrder:
    return TranscodeOrder(video=VideoId(f"vid_{number}"), attempt=attempt, source=f"raw/upl_{number}/source")


def at(hold: Hold, percent: int) -> Report:
    return evolve(hold.report, state=State.TRANSCODING, percent=percent)


def failed(hold: Hold) -> Report:
    return evolve(hold.report, state=State.FAILED, failure=Failure("unreadable", "this is no film"))


@frozen
class Process:
    """What one process has of the file."""

    database: Database
    reports: SqliteReports
    queue: JobQueue

    async def claimed(self) -> Hold:
        hold = await self.queue.claim(10)
        assert hold is not None
        return hold

    def waiting_reports(self) -> list[str]:
        return [doc for (doc,) in self.database.rows("SELECT doc FROM report ORDER BY n")]


@contextmanager
def process(folder: Path, clock: FakeClock, waiting_most: int = 1000) -> Iterator[Process]:
    database = Database(folder / "hexcast.db", durable=False)
    reports = SqliteReports(database, clock.now, look_s=LOOK_S)
    try:
        yield Process(database, reports, JobQueue(database, reports, clock.now, waiting_most=waiting_most))
    finally:
        database.close()


@pytest.fixture
def here(tmp_path: Path, clock: FakeClock) -> Iterator[Process]:
    with process(tmp_path, clock) as opened:
        yield opened


@pytest.fixture
def there(tmp_path: Path, clock: FakeClock) -> Iterator[Process]:
    """Another process with the same file."""
    with process(tmp_path, clock) as opened:
        yield opened


# --- the queue -----------------------------------------------------------------------------------


async def test_jobs_are_taken_up_in_the_order_in_which_they_came_and_each_once(here: Process, there: Process) -> None:
    added = [await each.queue.add(order(number)) for number, each in enumerate((here, there, here, there))]
    claims = await asyncio.gather(*(each.queue.claim(10) for _ in range(4) for each in (here, there)))
    holds = sorted((hold for hold in claims if hold is not None), key=lambda hold: hold.n)
    assert [hold.job for hold in holds] == added
    assert [hold.order for hold in holds] == [order(number) for number in range(4)]
    assert {(hold.run, hold.deaths) for hold in holds} == {(1, 0)}


async def test_one_attempt_is_one_job_whoever_asks(here: Process, there: Process) -> None:
    job = await here.queue.add(order())
    assert await there.queue.add(order()) == job
    assert await there.queue.add(order(attempt=2)) != job
    hold = await there.claimed()
    await there.queue.say(hold, failed(hold))
    assert await here.queue.add(order()) == job
    assert await here.queue.status(job) == failed(hold)


async def test_no_more_are_taken_than_may_wait_whoever_took_them(tmp_path: Path, clock: FakeClock) -> None:
    with process(tmp_path, clock, waiting_most=1) as here, process(tmp_path, clock, waiting_most=1) as there:
        for number, each in enumerate((here, there)):
            await each.queue.add(order(number))
        with pytest.raises(Unavailable) as refused:
            await here.queue.add(order(2))
        assert refused.value.code == "transcoder_busy"
        await here.queue.add(order(0))
        hold = await there.claimed()
        await there.queue.say(hold, failed(hold))
        await here.queue.add(order(2))


async def test_no_more_are_run_than_may_be_whoever_runs_them(here: Process, there: Process, clock: FakeClock) -> None:
    """One that is over, let go or forsaken makes room for another."""
    for number in range(4):
        await here.queue.add(order(number))
    first, second = await here.claimed(), await there.claimed()
    assert await here.queue.claim(2) is None
    await here.queue.say(first, failed(first))
    third = await here.queue.claim(2)
    assert third is not None
    assert await there.queue.claim(2) is None
    await there.queue.release(second)
    assert (await here.queue.claim(2) or third).job == second.job
    clock.advance(HOLD)
    assert (await there.queue.claim(2) or third).deaths == 1


async def test_a_runner_that_vanished_is_replaced_and_not_believed_any_more(
    here: Process, there: Process, clock: FakeClock
) -> None:
    job = await here.queue.add(order())
    old = await here.claimed()
    await here.queue.say(old, at(old, 10))
    clock.advance(HOLD - SECOND)
    assert await there.queue.claim(10) is None
    clock.advance(SECOND)
    new = await there.claimed()
    assert (new.job, new.order, new.report, new.run, new.deaths) == (job, order(), at(old, 10), 2, 1)
    before = there.waiting_reports()
    for said in (at(old, 99), failed(old)):
        with pytest.raises(Lost):
            await here.queue.say(old, said)
    with pytest.raises(Lost):
        await here.queue.renew(old)
    await here.queue.release(old)
    await here.queue.drop(old)
    assert await here.queue.keep(old) is Standing.LOST
    assert there.queue.standing(new) is Standing.HELD
    assert there.waiting_reports() == before
    await there.queue.say(new, at(new, 11))
    assert await here.queue.status(job) == at(old, 11)


async def test_a_hold_lasts_as_long_as_its_runner_says_so(here: Process, there: Process, clock: FakeClock) -> None:
    await here.queue.add(order())
    hold = await here.claimed()
    for _ in range(20):
        clock.advance(RENEW)
        assert await here.queue.keep(hold) is Standing.HELD
        assert await there.queue.claim(10) is None
    # Nobody else was there when it ran out.
    clock.advance(timedelta(hours=1))
    assert await here.queue.keep(hold) is Standing.HELD
    assert await there.queue.claim(10) is None


async def test_a_clock_that_is_set_back_makes_no_hold_longer(here: Process, there: Process, clock: FakeClock) -> None:
    await here.queue.add(order())
    hold = await here.claimed()
    clock.advance(timedelta(hours=-1))
    assert await here.queue.keep(hold) is Standing.HELD
    clock.advance(HOLD)
    assert (await there.claimed()).n == hold.n


async def test_a_job_that_is_said_to_be_over_is_over(here: Process, there: Process, clock: FakeClock) -> None:
    job = await here.queue.add(order())
    hold = await here.claimed()
    await here.queue.say(hold, failed(hold))
    assert here.queue.standing(hold) is Standing.LOST
    await here.queue.release(hold)
    clock.advance(HOLD)
    assert await there.queue.claim(10) is None
    assert await there.queue.cancel(job) is None
    assert await there.queue.status(job) == failed(hold)


async def test_a_released_job_is_the_next_at_once(here: Process, there: Process) -> None:
    jobs_added = [await here.queue.add(order(number)) for number in range(3)]
    hold = await here.claimed()
    await here.queue.say(hold, at(hold, 10))
    await here.queue.release(hold)
    again = await there.claimed()
    assert (again.job, again.report, again.deaths) == (jobs_added[0], at(hold, 10), 0)
    with pytest.raises(Lost):
        await here.queue.say(hold, at(hold, 11))


async def test_a_job_is_pending_until_a_run_says_more(here: Process, clock: FakeClock) -> None:
    """Whoever asks after it hears that it waits: to be taken up again is no stall."""
    job = await here.queue.add(order())
    first = await here.claimed()
    pending = await here.queue.status(job)
    assert pending == first.report
    assert pending.state is State.PENDING
    await here.queue.say(first, at(first, 40))
    assert await here.queue.status(job) == at(first, 40)
    await here.queue.release(first)
    assert await here.queue.status(job) == pending
    second = await here.claimed()
    assert await here.queue.status(job) == pending
    await here.queue.say(second, at(second, 41))
    assert await here.queue.status(job) == at(second, 41)
    clock.advance(HOLD)
    await here.claimed()
    assert await here.queue.status(job) == pending


async def test_a_process_that_is_alone_takes_everything_back(here: Process, there: Process) -> None:
    added = [await here.queue.add(order(number)) for number in range(4)]
    holds = [await here.claimed() for _ in range(3)]
    await here.queue.say(holds[0], failed(holds[0]))
    assert await here.reports.next() == failed(holds[0])
    await here.queue.cancel(added[1])
    await there.queue.release_all()
    assert await there.reports.next() == failed(holds[0])
    claims = [await there.claimed() for _ in range(3)]
    assert [(hold.job, hold.deaths) for hold in claims[1:]] == [(added[2], 1), (added[3], 0)]
    assert claims[0].job == added[1]
    assert there.queue.standing(claims[0]) is Standing.CANCELLED
    assert await there.queue.claim(10) is None


async def test_how_jobs_ended_is_remembered_of_the_last_ones(here: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "REMEMBERED", 2)
    unfinished = await here.queue.add(order(99))
    ended = []
    await here.claimed()
    for number in range(4):
        ended.append(await here.queue.add(order(number)))
        hold = await here.claimed()
        await here.queue.say(hold, failed(hold))
    known = [await here.queue.status(job) is not None for job in (unfinished, *ended)]
    assert known == [True, False, False, True, True]
    await here.queue.add(order(5))
    assert [await here.queue.status(job) is not None for job in ended] == [False, False, False, True]


# --- cancelling ----------------------------------------------------------------------------------


async def test_a_job_that_nobody_began_is_gone_at_once(here: Process, there: Process) -> None:
    job = await here.queue.add(order())
    assert await there.queue.cancel(job) is None
    assert await here.queue.status(job) is None
    assert await here.queue.claim(10) is None


async def test_a_runner_learns_that_its_job_was_cancelled_elsewhere(
    here: Process, there: Process, clock: FakeClock
) -> None:
    job = await here.queue.add(order())
    hold = await here.claimed()
    assert await there.queue.cancel(job) is None
    assert await there.queue.cancel(job) is None
    assert await here.queue.keep(hold) is Standing.CANCELLED
    for said in (at(hold, 1), failed(hold)):
        with pytest.raises(Lost):
            await here.queue.say(hold, said)
    assert there.waiting_reports() == []
    assert await there.queue.status(job) is None
    await here.queue.drop(hold)
    clock.advance(HOLD)
    assert await there.queue.claim(10) is None


@pytest.mark.parametrize("vanished", [False, True])
async def test_what_a_run_left_is_for_the_one_who_cancels_if_nobody_runs_it(
    here: Process, there: Process, clock: FakeClock, *, vanished: bool
) -> None:
    job = await here.queue.add(order())
    hold = await here.claimed()
    if vanished:
        clock.advance(HOLD)
    else:
        await here.queue.release(hold)
    left = await there.queue.cancel(job)
    assert left is not None
    assert there.queue.standing(left) is Standing.CANCELLED
    assert here.queue.standing(hold) is Standing.LOST
    assert await here.queue.claim(10) is None
    await there.queue.drop(left)
    clock.advance(HOLD)
    assert await here.queue.claim(10) is None


async def test_a_cancelled_job_is_cleared_away_even_if_its_runner_vanished(
    here: Process, there: Process, clock: FakeClock
) -> None:
    job = await here.queue.add(order())
    await here.claimed()
    await there.queue.cancel(job)
    assert await there.queue.claim(10) is None
    clock.advance(HOLD)
    left = await there.claimed()
    assert (left.job, there.queue.standing(left)) == (job, Standing.CANCELLED)


async def test_a_cancelled_job_can_be_asked_for_again(here: Process, there: Process) -> None:
    job = await here.queue.add(order())
    old = await here.claimed()
    await there.queue.cancel(job)
    assert await there.queue.add(order()) == job
    assert here.queue.standing(old) is Standing.LOST  # its files may be the new one's by now
    new = await there.claimed()
    await here.queue.drop(old)
    await there.queue.say(new, failed(new))
    assert await here.queue.status(job) == failed(new)


# --- after a restart, and reports ----------------------------------------------------------------


async def test_a_restart_keeps_jobs_and_reports(tmp_path: Path, clock: FakeClock) -> None:
    with process(tmp_path, clock) as before:
        added = [await before.queue.add(order(number)) for number in range(3)]
        ended, begun = await before.claimed(), await before.claimed()
        await before.queue.say(ended, failed(ended))
        await before.queue.say(begun, at(begun, 10))
    with process(tmp_path, clock) as after:
        assert await after.queue.status(added[0]) == failed(ended)
        assert [await after.reports.next() for _ in range(2)] == [failed(ended), at(begun, 10)]
        await after.queue.release_all()
        claims = [await after.claimed() for _ in range(2)]
        assert [(hold.job, hold.report.percent) for hold in claims] == [(added[1], 10), (added[2], 0)]


async def test_a_report_comes_again_when_its_listener_vanished(here: Process, there: Process, clock: FakeClock) -> None:
    await here.queue.add(order())
    hold = await here.claimed()
    await here.queue.say(hold, at(hold, 1))
    await here.queue.say(hold, at(hold, 2))
    assert await here.reports.next() == at(hold, 1)
    assert await there.reports.next() == at(hold, 2)
    await there.reports.settle(at(hold, 2))
    waiting = asyncio.ensure_future(there.reports.next())
    clock.advance(timedelta(seconds=60))
    assert await waiting == at(hold, 1)
    await there.reports.settle(at(hold, 1))
    assert here.waiting_reports() == []


async def test_one_process_hears_what_another_says(here: Process, there: Process) -> None:
    waiting = asyncio.ensure_future(there.reports.next())
    await here.queue.add(order())
    hold = await here.claimed()
    await here.queue.say(hold, at(hold, 1))
    assert await waiting == at(hold, 1)


# --- runners -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture
def media(tmp_path: Path, clock: FakeClock) -> DiskMedia:
    return DiskMedia(tmp_path, Links(b"key", "", clock.now), clock.now)


@asynccontextmanager
async def running(transcoder: FfmpegTranscoder) -> AsyncIterator[FfmpegTranscoder]:
    task = asyncio.create_task(transcoder.run())
    try:
        yield transcoder
    finally:
        task.cancel()
        await asyncio.wait([task])


def take(tmp_path: Path, film: Path) -> None:
    """As if it had been uploaded."""
    source = tmp_path / order().source
    source.parent.mkdir()
    source.write_bytes(film.read_bytes())


def encoder(folder: Path, name: str, script: str) -> str:
    """Something in ffmpeg's place."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def children() -> set[str]:
    """Running child processes of this one."""
    thread = Path("/proc/thread-self").resolve().name
    return set(Path("/proc/self/task").joinpath(thread, "children").read_text().split())


async def told(reports: SqliteReports, percent: int) -> Report:
    """The first that says as much."""
    while True:
        report = await reports.next()
        await reports.settle(report)
        assert report.state not in TERMINAL
        if report.percent >= percent:
            return report


async def idle(transcoder: FfmpegTranscoder) -> None:
    """Returns when nothing runs there."""
    while transcoder._running:
        await asyncio.wait([job.task for job in transcoder._running if job.task is not None])


async def test_two_runners_run_each_job_once(here: Process, there: Process, media: DiskMedia) -> None:
    added = {await here.queue.add(order(number)) for number in range(20)}
    said: list[Report] = []
    async with (
        running(FfmpegTranscoder(media, here.queue, jobs=2, look_s=LOOK_S)),
        running(FfmpegTranscoder(media, there.queue, jobs=2, look_s=LOOK_S)),
    ):
        while len(said) < 2 * len(added):
            said.append(await there.reports.next())
    assert {(report.job, report.state) for report in said} == {
        (job, state) for job in added for state in (State.PROBING, State.FAILED)
    }
    assert {report.failure.code for report in said if report.failure is not None} == {"source_missing"}
    assert here.database.rows("SELECT DISTINCT state, runs, deaths FROM job") == [("over", 1, 0)]


async def test_nothing_is_run_by_who_does_not_run(here: Process, there: Process, media: DiskMedia) -> None:
    tool = FfmpegTranscoder(media, here.queue)
    job = await tool.start(order())
    async with running(FfmpegTranscoder(media, there.queue, look_s=LOOK_S)):
        while (await here.reports.next()).state is not State.FAILED:
            assert not tool._running
    assert (await tool.status(job)) is not None
    await tool.aclose()


async def test_who_was_overtaken_stops_and_leaves_the_files_to_the_other(  # noqa: PLR0917  (it takes two of everything)
    here: Process, there: Process, media: DiskMedia, store: Path, tmp_path: Path, clock: FakeClock
) -> None:
    others = children()
    take(tmp_path, films.landscape(store))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    handle = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    slow = encoder(
        tmp_path, "slow", f"echo out_time_us=1000000; read _ < {pipe}; echo out_time_us=2000000; exec sleep 600"
    )
    # It looks around once, and then no more: the process stood still.
    old = FfmpegTranscoder(media, here.queue, ffmpeg=slow, look_s=600)
    async with running(old):
        await old.start(order())
        # A quarter of the film, by both encoders: neither says anything more, which would renew the hold.
        assert (await told(here.reports, 25)).state is State.TRANSCODING
        clock.advance(HOLD)
        async with running(FfmpegTranscoder(media, there.queue, look_s=LOOK_S)) as new:
            while (report := await there.reports.next()).media is None:
                assert report.state not in TERMINAL
            os.write(handle, b"go on\ngo on\n")  # for both its encoders
            await idle(old)
            os.close(handle)
            assert media.path_of(attempt_prefix(order().video, 1) + FIRST_MANIFEST).is_file()
            while report.state not in TERMINAL:
                report = await there.reports.next()
            assert report.state is State.READY
            assert await new.status(report.job) == report
    assert there.database.rows("SELECT state, runs, deaths FROM job") == [("over", 2, 1)]
    assert children() == others


async def test_a_job_cancelled_in_another_process_stops_and_leaves_nothing(
    here: Process, there: Process, media: DiskMedia, store: Path, tmp_path: Path
) -> None:
    others = children()
    take(tmp_path, films.landscape(store))
    endless = encoder(tmp_path, "endless", "echo out_time_us=1000000; exec sleep 600")
    async with running(FfmpegTranscoder(media, here.queue, ffmpeg=endless, look_s=LOOK_S)) as runner:
        job = await runner.start(order())
        await told(there.reports, 1)
        await media.put(attempt_prefix(order().video, 1) + "hls/x.m3u8", b"shown", "application/vnd.apple.mpegurl")
        other = FfmpegTranscoder(media, there.queue)
        await other.cancel(job)
        assert await other.status(job) is None
        await idle(runner)
        assert children() == others
    assert await media.usage("v/") == 0
    assert here.database.rows("SELECT id FROM job") == []
    assert not any("failed" in doc for doc in there.waiting_reports())


async def test_who_cancels_what_nobody_runs_clears_it_away(here: Process, media: DiskMedia) -> None:
    transcoder = FfmpegTranscoder(media, here.queue)
    job = await transcoder.start(order())
    await here.queue.release(await here.claimed())
    await media.put(attempt_prefix(order().video, 1) + "hls/x.m3u8", b"shown", "application/vnd.apple.mpegurl")
    await transcoder.cancel(job)
    assert await media.usage("v/") == 0
    assert here.database.rows("SELECT id FROM job") == []


async def test_a_runner_clears_away_what_was_cancelled_and_forsaken(
    here: Process, there: Process, media: DiskMedia, clock: FakeClock
) -> None:
    job = await here.queue.add(order())
    await here.claimed()
    await here.queue.cancel(job)
    await media.put(attempt_prefix(order().video, 1) + "hls/x.m3u8", b"shown", "application/vnd.apple.mpegurl")
    clock.advance(HOLD)
    transcoder = FfmpegTranscoder(media, there.queue)
    await transcoder._round()
    await idle(transcoder)
    assert await media.usage("v/") == 0
    assert here.database.rows("SELECT id FROM job") == []
    assert here.waiting_reports() == []


async def test_a_clean_stop_gives_jobs_back_at_once(
    here: Process, there: Process, media: DiskMedia, store: Path, tmp_path: Path
) -> None:
    others = children()
    take(tmp_path, films.landscape(store))
    endless = encoder(tmp_path, "endless", "echo out_time_us=1000000; exec sleep 600")
    async with running(FfmpegTranscoder(media, here.queue, ffmpeg=endless, look_s=LOOK_S)) as runner:
        job = await runner.start(order())
        await told(here.reports, 1)
    assert children() == others
    hold = await there.claimed()
    assert (hold.job, hold.run, hold.deaths) == (job, 2, 0)


async def test_a_job_that_is_stopped_before_its_first_step_is_given_back(here: Process, media: DiskMedia) -> None:
    transcoder = FfmpegTranscoder(media, here.queue)
    await transcoder.start(order())
    await transcoder._round()
    await transcoder.aclose()
    assert here.waiting_reports() == []
    assert (await here.claimed()).deaths == 0
    await transcoder._round()
    assert not transcoder._running


async def test_a_source_that_no_process_outlives_is_given_up(
    here: Process, media: DiskMedia, store: Path, tmp_path: Path, clock: FakeClock
) -> None:
    take(tmp_path, films.landscape(store))
    transcoder = FfmpegTranscoder(media, here.queue)
    job = await transcoder.start(order())
    for deaths in range(DEATHS_MOST):
        hold = await here.claimed()
        assert (hold.run, hold.deaths) == (deaths + 1, deaths)
        clock.advance(HOLD)
    await media.put(attempt_prefix(order().video, 1) + "hls/x.m3u8", b"shown", "application/vnd.apple.mpegurl")
    async with running(transcoder):
        report = await here.reports.next()
    assert (report.job, report.state) == (job, State.FAILED)
    assert report.failure is not None
    assert (report.failure.code, report.failure.transient) == ("encoder_failed", True)
    assert await media.usage("v/") == 0


async def test_a_queue_that_is_away_is_no_fault_of_the_job(
    here: Process, media: DiskMedia, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcoder = FfmpegTranscoder(media, here.queue)
    job = await transcoder.start(order())

    async def away(*_: object) -> None:
        raise Unavailable("the database has been busy for long", code="database_busy")

    with monkeypatch.context() as patched:
        patched.setattr(here.queue, "say", away)
        await transcoder._round()
        await idle(transcoder)
        patched.setattr(here.queue, "claim", away)
        await transcoder._round()
    assert here.waiting_reports() == []
    clock.advance(HOLD)
    async with running(transcoder):
        reports = [await here.reports.next() for _ in range(2)]
    assert [(report.job, report.state) for report in reports] == [(job, State.PROBING), (job, State.FAILED)]


async def test_cancelling_twice_at_once_waits_for_both(
    here: Process, media: DiskMedia, store: Path, tmp_path: Path
) -> None:
    others = children()
    take(tmp_path, films.landscape(store))
    endless = encoder(tmp_path, "endless", "echo out_time_us=1000000; exec sleep 600")
    async with running(FfmpegTranscoder(media, here.queue, ffmpeg=endless)) as runner:
        job = await runner.start(order())
        await told(here.reports, 1)
        await asyncio.gather(runner.cancel(job), runner.cancel(job), runner.cancel(JobId("job_none")))
        assert children() == others
        assert here.database.rows("SELECT id FROM job") == []
    assert await media.usage("v/") == 0


async def test_a_full_disk_is_waited_out(  # noqa: PLR0917  (two disks, as it were, and what works on them)
    here: Process, media: DiskMedia, store: Path, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often: the job stays under way, no attempt is used up, and nothing half-made takes what room there is."""
    paused: asyncio.Queue[Hold] = asyncio.Queue()
    pause = here.queue.pause

    async def noted(hold: Hold) -> None:
        await pause(hold)
        paused.put_nowait(hold)

    monkeypatch.setattr(here.queue, "pause", noted)
    take(tmp_path, films.landscape(store))
    room = tmp_path / "room"
    full = f'[ -e {room} ] && exec {imageio_ffmpeg.get_ffmpeg_exe()} "$@"; echo No space left on device >&2; exit 228'
    runner = FfmpegTranscoder(media, here.queue, ffmpeg=encoder(tmp_path, "full", full), look_s=LOOK_S)
    async with running(runner):
        job = await runner.start(order())
        for number in range(1, 4):
            hold = await paused.get()
            await idle(runner)
            assert (hold.run, hold.deaths) == (number, 0)
            status = await runner.status(job)
            assert status is not None
            assert status.state is State.PENDING
            assert not any((media.path_of("x").parent.parent / "tmp").iterdir())
            if number == 3:
                room.touch()
            clock.advance(HOLD)
        while (report := await here.reports.next()).state is not State.READY:
            assert report.state is not State.FAILED
            await here.reports.settle(report)
    assert here.database.rows("SELECT runs, deaths FROM job") == [(4, 0)]
