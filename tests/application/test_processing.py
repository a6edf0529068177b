"""From bytes to something that plays, whatever is lost, late, repeated or done by two at once."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from application.ports import Event, TranscodeOrder
from application.retry import NotYet
from domain.access import ANONYMOUS
from domain.engagement import Notify
from domain.errors import (
    Conflict,
    Forbidden,
    IllegalTransition,
    NotFound,
    Stale,
    Unauthenticated,
    Unavailable,
    VersionMismatch,
)
from domain.ids import JobId, VideoId
from domain.media import FIRST_MANIFEST, MANIFEST, Media, Rendition
from domain.processing import ATTEMPTS_MOST, HANG, LEASE, STALL, STARTS_MOST, Failure, Processing, Report, State
from domain.uploads import Status, UploadCompleted
from domain.videos import MediaSuperseded, VideoFailed, VideoReady, Visibility
from domain.watching import GRANT_LIFE
from tests.application.world import BROKEN, CLIP, World, new_world

LONGER = b"hexcast-fake 320x240 90.0s\n"
RENDITION = Rendition("360p", 640, 360, 700_000, "avc1.64001f")


def media(attempt: int, *, complete: bool = True) -> Media:
    return Media(
        attempt=attempt, manifest=MANIFEST if complete else FIRST_MANIFEST, duration_s=60.0, width=640, height=360,
        renditions=(RENDITION,), has_audio=False, complete=complete,
    )  # fmt: skip


@frozen
class Studio:
    """A transcoder that does what it is told to by a test: it only knows the jobs that it was asked for."""

    jobs: dict[JobId, Report] = field(factory=dict)
    cancelled: list[JobId] = field(factory=list)
    full: list[bool] = field(factory=list)
    refused: list[VideoId] = field(factory=list)

    async def start(self, order: TranscodeOrder) -> JobId:
        await asyncio.sleep(0)
        if self.full:
            raise Unavailable("full")
        if order.video in self.refused:
            raise RuntimeError("this file is beyond me")
        job = JobId(f"job-{order.video}-{order.attempt}-{len(self.jobs)}")
        self.jobs[job] = Report(video=order.video, attempt=order.attempt, job=job, state=State.PENDING)
        return job

    async def status(self, job: JobId) -> Report | None:
        return self.jobs.get(job)

    async def cancel(self, job: JobId) -> None:
        if self.jobs.pop(job, None) is not None:
            self.cancelled.append(job)


async def set_up(world: World, **more: Any) -> tuple[VideoId, Studio]:
    """A complete upload, and a transcoder that waits to be told."""
    studio = Studio()
    world.employ(studio)
    return (await world.upload(visibility=Visibility.PUBLIC, **more)).video, studio


async def say(world: World, video: VideoId, state: State, **more: Any) -> None:
    """A report of the job that is bound."""
    stored = await world.raw.processings().get(video)
    assert stored.job is not None
    more.setdefault("attempt", stored.attempt)
    if state is State.READY:
        more.setdefault("media", media(more["attempt"]))
    await world.core.apply_report()(Report(video=video, job=stored.job, state=state, **more))
    await world.settle()


TRANSIENT = Failure("encoder_failed", "it was killed", transient=True)


async def test_a_file_becomes_a_video(world: World) -> None:
    video = await world.publish()
    card = await world.show(ANONYMOUS, video)
    assert (card.video.state, card.progress_percent, card.video.listable) == (State.READY, 100, True)
    assert card.video.media is not None
    assert card.video.media.complete
    log = await world.core.show_processing()(world.editor, video)
    assert [entry.state for entry in log] == [State.PENDING, State.PROBING, State.TRANSCODING, State.READY]
    assert await world.told_of(world.owner) == {"video_ready": 1}


async def test_a_file_that_is_none(world: World) -> None:
    video = await world.publish(BROKEN)
    card = await world.show(world.owner, video)
    assert (card.video.state, card.progress_percent) == (State.FAILED, 0)
    assert card.video.failure is not None
    assert card.video.failure.code == "unreadable"
    assert await world.told_of(world.owner) == {"video_failed": 1}
    assert (await world.core.show_processing()(world.owner, video))[-1].error == "unreadable"
    with pytest.raises(NotFound):
        await world.show(ANONYMOUS, video)


async def test_a_job_that_fails_half_way(world: World) -> None:
    """Its video says how far it got, and of another attempt how far that is."""
    video, _ = await set_up(world)
    await world.settle()
    await say(world, video, State.TRANSCODING, percent=40)
    await say(world, video, State.FAILED, failure=Failure("unreadable", "it breaks off"))
    card = await world.show(world.owner, video)
    assert (card.video.state, card.progress_percent) == (State.FAILED, 40)
    await world.core.retry_processing()(world.owner, video)
    assert (await world.show(world.owner, video)).progress_percent == 0


async def test_two_workers_start_one_job(world: World) -> None:
    video, studio = await set_up(world)
    await world.core.request_processing()(await completed(world, video))
    start = world.core.start_transcode()
    await asyncio.gather(start(video, 1), start(video, 1))
    await start(video, 1)
    assert len(studio.jobs) == 1
    stored = await world.raw.processings().get(video)
    assert [stored.job] == list(studio.jobs)
    with pytest.raises(NotFound):
        await start(VideoId("vid_unknown"), 1)


async def completed(world: World, video: VideoId) -> UploadCompleted:
    upload = (await world.raw.uploads().of_video(video))[-1]
    return UploadCompleted(upload.id, video, upload.source, world.clock.now())


async def test_a_full_transcoder_is_asked_again(world: World) -> None:
    video, studio = await set_up(world)
    studio.full.append(True)
    await world.core.request_processing()(await completed(world, video))
    with pytest.raises(Unavailable):
        await world.core.start_transcode()(video, 1)
    assert await world.core.sweep_processing()() == 0, "the lease runs"
    world.clock.advance(LEASE + timedelta(seconds=1))
    assert await world.core.sweep_processing()() == 1
    assert not studio.jobs
    studio.full.clear()
    world.clock.advance(LEASE + timedelta(seconds=1))
    assert await world.core.sweep_processing()() == 1
    assert len(studio.jobs) == 1
    assert not await world.dead()


@frozen
class Interrupted:
    """Something else happens while the transcoder starts a job."""

    studio: Studio
    meanwhile: Any

    async def start(self, order: TranscodeOrder) -> JobId:
        await self.meanwhile()
        return await self.studio.start(order)

    async def status(self, job: JobId) -> Report | None:
        return await self.studio.status(job)

    async def cancel(self, job: JobId) -> None:
        await self.studio.cancel(job)


@pytest.mark.parametrize("what", ["removed", "replaced", "won"])
async def test_a_job_that_came_too_late_is_stopped(world: World, what: str) -> None:
    video, studio = await set_up(world)
    await world.core.request_processing()(await completed(world, video))
    stored = await world.raw.processings().get(video)

    async def meanwhile() -> None:
        if what == "removed":
            await world.core.stop_processing()(video)
        elif what == "replaced":
            upload = await world.upload(LONGER, replaces=video)
            event = UploadCompleted(upload.id, video, upload.source, world.clock.now())
            await world.core.request_processing()(event)
        else:
            first = Report(video=video, attempt=1, job=JobId("first"), state=State.PROBING)
            await world.core.apply_report()(first)

    start = evolve(world.core.start_transcode(), transcoder=Interrupted(studio, meanwhile))
    await start(video, stored.attempt)
    assert not studio.jobs
    assert len(studio.cancelled) == 1


def said(video: VideoId, attempt: int, job: str) -> Sequence[Report]:
    """All that one job may say."""
    facts: dict[str, Any] = {"video": video, "attempt": attempt, "job": JobId(job)}
    return [
        Report(state=State.PROBING, **facts),
        Report(state=State.TRANSCODING, percent=20, **facts),
        Report(state=State.TRANSCODING, percent=50, media=media(attempt, complete=False), **facts),
        Report(state=State.READY, media=media(attempt), **facts),
    ]


ORDER = [State.PENDING, State.PROBING, State.TRANSCODING, State.READY]


@settings(max_examples=60)
@given(picks=st.lists(st.integers(0, 15), max_size=30), delivered=st.lists(st.booleans(), min_size=30, max_size=30))
async def test_reports_in_any_order_go_forward_only(picks: Sequence[int], delivered: Sequence[bool]) -> None:
    """Of two jobs for each of two attempts: one wins; nothing complete is taken back; it is published once."""
    async with new_world() as world:
        await world.core.subscribe()(world.fan, world.channel, Notify.ALL)
        video, _ = await set_up(world)
        await world.core.request_processing()(await completed(world, video))
        known = [report for attempt in (1, 2) for job in "ab" for report in said(video, attempt, f"{job}{attempt}")]
        before = await world.raw.processings().get(video)
        for pick, deliver in zip(picks, delivered, strict=False):
            await world.core.apply_report()(known[pick])
            after = await world.raw.processings().get(video)
            assert after.attempt == 1
            assert before.job in {None, after.job}
            assert ORDER.index(after.state) >= ORDER.index(before.state)
            assert after.percent >= before.percent
            if deliver:
                await world.deliver()
            before = await world.raw.processings().get(video)
        # In the end the job that won says its last again, as does every transcoder sooner or later.
        winner = before.job or JobId("a1")
        await world.core.apply_report()(said(video, 1, winner)[-1])
        await world.settle()
        shown = (await world.show(ANONYMOUS, video)).video
        assert (shown.state, shown.media) == (State.READY, media(1))
        assert await world.told_of(world.fan) == {"video_published": 1}
        assert await world.told_of(world.owner) == {"video_ready": 1, "subscriber": 1}
        assert not await world.dead()


async def test_lost_reports_are_asked_for(world: World) -> None:
    video, studio = await set_up(world)
    await world.settle()
    (job,) = studio.jobs
    ready = Report(video=video, attempt=1, job=job, state=State.READY, media=media(1))
    studio.jobs[job] = ready
    world.clock.advance(STALL + timedelta(seconds=1))
    assert await world.core.sweep_processing()() == 1
    await world.settle()
    assert (await world.show(ANONYMOUS, video)).video.state is State.READY
    assert await world.core.sweep_processing()() == 0


async def test_a_job_in_the_queue_is_not_given_up(world: World) -> None:
    video, studio = await set_up(world)
    await world.settle()
    for _ in range(12):
        world.clock.advance(STALL + timedelta(seconds=1))
        assert await world.core.sweep_processing()() == 1
    assert (await world.raw.processings().get(video)).attempt == 1
    assert len(studio.jobs) == 1


async def test_a_job_that_hangs_is_given_up_and_tried_again(world: World) -> None:
    video, studio = await set_up(world)
    await world.settle()
    (job,) = studio.jobs
    await say(world, video, State.TRANSCODING, percent=30)
    studio.jobs[job] = Report(video=video, attempt=1, job=job, state=State.TRANSCODING, percent=30)
    world.clock.advance(STALL + timedelta(seconds=1))
    await world.core.sweep_processing()()
    assert (await world.raw.processings().get(video)).attempt == 1, "slow is not hung"
    world.clock.advance(HANG)
    await world.core.sweep_processing()()
    await world.settle()
    assert studio.cancelled == [job]
    assert (await world.raw.processings().get(video)).attempt == 2
    assert len(studio.jobs) == 1


async def test_what_fails_for_a_while_is_tried_a_few_times(world: World) -> None:
    """Lost by its transcoder, then killed; the last failure stays, until a person asks again."""
    video, studio = await set_up(world)
    await world.settle()
    studio.jobs.clear()
    world.clock.advance(STALL + timedelta(seconds=1))
    await world.sweep()
    await world.settle()
    for attempt in range(2, ATTEMPTS_MOST + 1):
        assert (await world.raw.processings().get(video)).attempt == attempt
        await say(world, video, State.FAILED, failure=TRANSIENT)
    shown = (await world.show(world.owner, video)).video
    assert (shown.state, shown.attempt) == (State.FAILED, ATTEMPTS_MOST)
    assert await world.told_of(world.owner) == {"video_failed": 1}
    errors = [entry.error for entry in await world.core.show_processing()(world.owner, video) if entry.error]
    assert errors == ["job_lost", *["encoder_failed"] * (ATTEMPTS_MOST - 1)]

    retried = await world.core.retry_processing()(world.editor, video, shown.version)
    assert (retried.state, retried.attempt, retried.failure) == (State.PENDING, ATTEMPTS_MOST + 1, None)
    await world.settle()
    await say(world, video, State.READY)
    assert (await world.show(ANONYMOUS, video)).video.state is State.READY


async def test_who_may_ask_for_another_attempt(world: World) -> None:
    video, _ = await set_up(world)
    retry, log = world.core.retry_processing(), world.core.show_processing()
    with pytest.raises(Conflict) as early:
        await retry(world.owner, video)
    assert early.value.code == "no_source"
    assert await log(world.owner, video) == ()
    await world.settle()
    with pytest.raises(IllegalTransition):
        await retry(world.owner, video)
    with pytest.raises(VersionMismatch):
        await retry(world.owner, video, 999)
    for ask in (retry, log):
        for actor, error in (
            (world.stranger, NotFound),
            (ANONYMOUS, NotFound),
            (world.moderator, Forbidden),
            (world.staff, Forbidden),
        ):
            with pytest.raises(error):
                await ask(actor, video)
        with pytest.raises(NotFound):
            await ask(world.owner, VideoId("vid_unknown"))
    await say(world, video, State.READY)
    for ask in (retry, log):
        with pytest.raises(Forbidden):
            await ask(world.stranger, video)
        with pytest.raises(Unauthenticated):
            await ask(ANONYMOUS, video)


async def test_the_old_film_plays_until_the_new_one_is_complete(world: World) -> None:
    video = await world.publish()
    first = world.files()
    studio = Studio()
    world.employ(studio)
    upload = await world.upload(LONGER, replaces=video)
    await world.settle()
    await say(world, video, State.TRANSCODING, percent=50, media=media(2, complete=False))
    shown = (await world.show(ANONYMOUS, video)).video
    assert (shown.state, shown.attempt) == (State.TRANSCODING, 2)
    assert shown.media is not None
    assert (shown.media.attempt, shown.listable) == (1, True)
    assert world.quota(world.owner) == len(CLIP) + len(LONGER)

    await world.raw.media().put(f"v/{video}/a2/hls/master.m3u8", b"#EXTM3U", "")
    await say(world, video, State.READY)
    shown = (await world.show(ANONYMOUS, video)).video
    assert shown.media is not None
    assert shown.media.attempt == 2
    assert world.incoming() == {upload.id}
    assert world.quota(world.owner) == len(LONGER)
    assert first < world.files(), "someone may be watching"
    await world.pass_time(GRANT_LIFE - timedelta(seconds=1))
    assert first < world.files()
    await world.pass_time(timedelta(minutes=15), 2)
    assert world.files() == {f"v/{video}/a2/hls/master.m3u8"}
    assert not await world.dead()


async def test_old_media_goes_when_the_last_grant_is_over(world: World) -> None:
    video = await world.publish()
    clear, at = world.core.clear_old_media(), world.clock.now()
    superseded, ready = MediaSuperseded(video, 1, at), VideoReady(video, world.channel, 2, at)
    for early in (clear(superseded), clear.before(ready)):
        with pytest.raises(NotYet) as raised:
            await early
        assert raised.value.until == at + GRANT_LIFE
    assert world.files()
    await clear.before(evolve(ready, attempt=1))
    assert world.files(), "a first attempt has none before it"
    world.clock.advance(GRANT_LIFE)
    await clear.before(ready)
    assert not world.files()
    await clear(superseded)


async def test_a_replacement_stops_the_job_that_it_overtakes(world: World) -> None:
    video, studio = await set_up(world)
    await world.settle()
    (job,) = studio.jobs
    await say(world, video, State.TRANSCODING, percent=40)
    upload = await world.upload(LONGER, replaces=video)
    await world.settle()
    assert studio.cancelled == [job]
    stored = await world.raw.processings().get(video)
    assert (stored.attempt, stored.upload, stored.percent) == (2, upload.id, 0)
    late = Report(video=video, attempt=1, job=job, state=State.READY, media=media(1))
    await world.core.apply_report()(late)
    assert await world.raw.processings().get(video) == stored, "what the overtaken job says is void"
    await world.core.request_processing()(await completed(world, video))
    older = (await world.raw.uploads().of_video(video))[0]
    again = UploadCompleted(older.id, video, older.source, world.clock.now())
    await world.core.request_processing()(again)
    assert await world.raw.processings().get(video) == stored


async def test_an_older_upload_that_ends_after_a_newer_one_is_let_finish_and_forgotten(world: World) -> None:
    """It keeps its links while the newer one is made to play, and then leaves neither bytes nor a claim on the quota."""
    video = await world.publish()
    slow = await world.announce(CLIP, replaces=video)
    newer = await world.upload(LONGER, replaces=video)
    await world.settle()
    assert (await world.show(ANONYMOUS, video)).video.attempt == 2
    assert (await world.raw.uploads().get(slow.upload.id)).status is Status.WAITING
    await world.send(slow)
    done = await world.core.complete_upload()(world.owner, slow.upload.id, [])
    assert done.upload.status is Status.COMPLETED
    await world.settle()
    assert world.incoming() == {newer.id}
    assert world.quota(world.owner) == len(LONGER)
    stored = await world.raw.processings().get(video)
    assert (stored.attempt, stored.upload) == (2, newer.id)


@pytest.mark.parametrize("moments", range(8))
async def test_removing_at_any_moment_leaves_nothing(world: World, moments: int) -> None:
    """So many things have happened by themselves when the video is removed, and then all the others do."""
    upload = await world.upload(visibility=Visibility.PUBLIC)
    for moment in range(moments):
        if moment % 2:
            await world.hear()
        else:
            await world.core.deliver_events()(limit=2)
            await world.transcode()
    await world.core.remove_video()(world.owner, upload.video)
    await world.settle()
    await world.days_later()
    assert not world.files()
    assert not world.incoming()
    assert not world.raw.transcoder()._running
    assert world.quota(world.owner) == 0
    assert not await world.raw.processings().unfinished(world.clock.now())
    assert not (await world.raw.search().find("film")).items
    assert not await world.dead()


async def test_a_job_that_nobody_knew_of_leaves_no_file(world: World) -> None:
    """It was started and not bound when the process died; then the video was removed."""
    video, studio = await set_up(world)
    await world.core.request_processing()(await completed(world, video))
    order = TranscodeOrder(video=video, attempt=1, source="raw")
    job = await studio.start(order)
    await world.core.remove_video()(world.owner, video)
    await world.settle()
    await world.raw.media().put(f"v/{video}/a1/hls/master.m3u8", b"#EXTM3U", "")
    await world.core.apply_report()(Report(video=video, attempt=1, job=job, state=State.READY, media=media(1)))
    assert not world.files()


async def test_consumers_take_events_late_and_about_what_is_gone(world: World) -> None:
    video = await world.publish()
    event = await completed(world, video)
    await world.core.remove_video()(world.owner, video)
    await world.settle()
    gone = VideoId("vid_gone")
    await world.core.request_processing()(event)
    await world.core.request_processing()(evolve(event, video=gone))
    await world.core.stop_processing()(gone)
    await world.core.stop_processing()(video)
    await world.core.clear_old_sources()(VideoReady(gone, world.channel, 1, world.clock.now()))
    with pytest.raises(NotFound):
        await world.core.apply_report()(Report(video=gone, attempt=1, job=JobId("j"), state=State.PROBING))
    for kind in (
        VideoReady(gone, world.channel, 1, world.clock.now()),
        VideoFailed(gone, world.channel, 1, "x", world.clock.now()),
    ):
        for consume in world.core.consumers().routes[type(kind)]:
            await consume("evt_1", kind)
    assert not world.files()


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=1)])
async def test_a_clock_that_is_set_back_keeps_no_video_waiting(world: World, back: timedelta) -> None:
    """One whose claimer died is started at once; one whose job goes on is asked after, and then again as ever."""
    video, studio = await set_up(world)
    await world.core.request_processing()(await completed(world, video))
    studio.full.append(True)
    with pytest.raises(Unavailable):
        await world.core.start_transcode()(video, 1)
    studio.full.clear()
    world.clock.advance(-back)
    assert await world.core.sweep_processing()() == 1
    (job,) = studio.jobs
    world.clock.advance(-back)
    studio.jobs[job] = evolve(studio.jobs[job], state=State.TRANSCODING, percent=1)
    assert await world.core.sweep_processing()() == 1
    world.clock.advance(-back)
    assert await world.core.sweep_processing()() == 1
    assert await world.core.sweep_processing()() == 0
    assert (await world.raw.processings().get(video)).updated_at == world.clock.now()


async def test_a_sweep_goes_on_when_someone_else_was_faster(world: World) -> None:
    """One is saved by another worker meanwhile; the other is started all the same."""
    first, studio = await set_up(world)
    second = (await world.upload()).video
    for video in (first, second):
        await world.core.request_processing()(await completed(world, video))
    await world.core.start_transcode()(first, 1)
    world.clock.advance(STALL + LEASE)

    class Busy:
        async def save(self, processing: Processing, *events: Event) -> Processing:
            if processing.video == first:
                raise Stale("it")
            return await world.raw.processings().save(processing, *events)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.raw.processings(), name)

    start = evolve(world.core.start_transcode(), processings=Busy())
    sweep = evolve(world.core.sweep_processing(), processings=Busy(), start=start)
    assert await sweep() == 2
    assert {report.video for report in studio.jobs.values()} == {first, second}


async def test_one_that_no_transcoder_takes_keeps_no_other_waiting(world: World) -> None:
    """Whoever sweeps hears of it, after all others were started."""
    refused, studio = await set_up(world)
    others = [(await world.upload()).video for _ in range(2)]
    for video in (refused, *others):
        await world.core.request_processing()(await completed(world, video))
    world.clock.advance(2 * LEASE)

    studio.refused.append(refused)
    with pytest.raises(RuntimeError, match="beyond me"):
        await world.core.sweep_processing()()
    assert {report.video for report in studio.jobs.values()} == set(others)


async def test_what_no_transcoder_ever_takes_fails(world: World) -> None:
    """Its owner sees so, and may have it tried again. That one is busy does not count."""
    video, studio = await set_up(world)
    studio.refused.append(video)
    await world.core.request_processing()(await completed(world, video))
    await world.take_events()
    for count in range(1, STARTS_MOST + 1):
        studio.full.append(True)
        world.clock.advance(LEASE + timedelta(seconds=1))
        assert await world.core.sweep_processing()() == 1
        studio.full.clear()
        world.clock.advance(LEASE + timedelta(seconds=1))
        with pytest.raises(RuntimeError, match="beyond me"):
            await world.core.sweep_processing()()
        assert (await world.raw.processings().get(video)).failed_starts == count
    await world.settle()
    shown = await world.show(world.owner, video)
    assert shown.video.failure == Failure("encoder_failed", "the transcoder does not take this video")
    world.clock.advance(2 * LEASE)
    assert await world.core.sweep_processing()() == 0
    studio.refused.clear()
    await world.core.retry_processing()(world.owner, video)
    await world.settle()
    assert [report.attempt for report in studio.jobs.values()] == [2]


async def test_a_start_that_fails_after_another_had_a_job(world: World) -> None:
    video, studio = await set_up(world)
    await world.core.request_processing()(await completed(world, video))

    class Late(Studio):
        async def start(self, order: TranscodeOrder) -> JobId:
            world.clock.advance(LEASE + timedelta(seconds=1))
            await world.core.start_transcode()(order.video, order.attempt)
            raise RuntimeError("too late")

    with pytest.raises(RuntimeError, match="too late"):
        await evolve(world.core.start_transcode(), transcoder=Late())(video, 1)
    stored = await world.raw.processings().get(video)
    assert ([stored.job], stored.failed_starts) == (list(studio.jobs), 0)
