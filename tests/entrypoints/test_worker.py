"""Background work goes on, whatever fails."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
import structlog

from application.ports import Document, Envelope
from domain.channels import ChannelOpened
from domain.errors import NotFound
from domain.ids import ChannelId, EventId, JobId, VideoId
from domain.processing import Failure, Report, State
from domain.videos import Visibility
from entrypoints.worker import UNKNOWN_TRIES, Worker
from tests.entrypoints.platform import Platform

FILE = b"hexcast-fake 1280x720 10.0s audio\n"


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    """Let the loop go on until then."""
    async with asyncio.timeout(10):
        while not await done():  # noqa: ASYNC110  (what is waited for has no event of its own)
            await asyncio.sleep(0)


async def test_an_upload_becomes_a_video_that_plays(platform: Platform) -> None:
    ada = await platform.person("ada")
    channel = (await platform.channel(ada)).channel.id
    card = await platform.core.start_upload()(
        ada.actor, channel, filename="a.mp4", content_type="video/mp4", size_bytes=len(FILE), title="Meadow",
        visibility=Visibility.PUBLIC,
    )  # fmt: skip
    assert (await platform.client.put(card.tickets[0].url, content=FILE)).status_code == 200
    await platform.core.complete_upload()(ada.actor, card.upload.id, [])

    async def ready() -> bool:
        return (await platform.adapters.videos().get(card.upload.video)).playable

    assert not platform.worker.alive()
    running = asyncio.create_task(platform.worker.run())
    await until(ready)
    assert platform.worker.alive()
    assert platform.metrics.events["delivered"] >= 3
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not platform.worker.alive()
    assert all(task.done() for task in platform.worker._tasks)


async def test_what_becomes_of_a_video_is_logged(platform: Platform) -> None:
    ada = await platform.person("ada")
    channel = (await platform.channel(ada)).channel.id
    card = await platform.core.start_upload()(
        ada.actor, channel, filename="a.mp4", content_type="video/mp4", size_bytes=5
    )
    await platform.client.put(card.tickets[0].url, content=b"hello")
    await platform.core.complete_upload()(ada.actor, card.upload.id, [])
    video = card.upload.video
    why = Failure("unreadable_source", "there is no video in it")
    with structlog.testing.capture_logs() as lines:
        await platform.settle()
        platform.clock.advance(timedelta(seconds=1))
        job = (await platform.adapters.processings().get(video)).job
        assert job is not None
        await platform.core.apply_report()(Report(video=video, attempt=1, job=job, state=State.FAILED, failure=why))
        await platform.settle()
    assert [line for line in lines if line["event"] == "processing"] == [
        {"event": "processing", "log_level": "info", "video": video, "attempt": 1, "state": state, "failure": failure}
        for state, failure in (("pending", None), ("failed", why.code))
    ]


async def test_a_sweep_says_what_it_did_and_nothing_else(platform: Platform) -> None:
    ada = await platform.person("ada")
    channel = (await platform.channel(ada)).channel.id
    await platform.core.start_upload()(ada.actor, channel, filename="a.mp4", content_type="video/mp4", size_bytes=1)
    platform.clock.advance(timedelta(days=30))
    with structlog.testing.capture_logs() as lines:
        await platform.worker.sweep()
        await platform.worker.sweep()
    assert lines == [{"event": "swept", "log_level": "info", "task": "expire_uploads", "done": 1}]


async def test_a_sweep_names_the_orphans_that_it_removed(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    media = platform.adapters.media()
    for key in ("v/vid_1/x.m4s", "v/vid_2/x.m4s", "c/chn_1/x.jpg"):
        await media.put(key, b"x", "")
    remove, error = media.remove_prefix, OSError("read-only")

    async def stuck(prefix: str) -> int:
        if prefix == "v/vid_2/":
            raise error
        return await remove(prefix)

    monkeypatch.setattr(media, "remove_prefix", stuck)
    await platform.worker.sweep()
    platform.clock.advance(timedelta(hours=1))
    with structlog.testing.capture_logs() as lines:
        await platform.worker.sweep()
        await platform.worker.sweep()
        await platform.worker.sweep()
    about: dict[str, object] = {"event": "orphan removed", "log_level": "info"}
    swept = {"event": "swept", "log_level": "info", "task": "sweep_orphans", "done": 1}
    assert lines == [
        about | {"name": "v/vid_1/", "why": "there is no such video"},
        {
            "event": "background work failed", "log_level": "error", "task": "sweep_orphans", "name": "v/vid_2/",
            "exc_info": error,
        },
        swept,
        about | {"name": "c/chn_1/", "why": "there is no such channel"},
        swept,
    ]  # fmt: skip
    assert platform.metrics.failures == {"sweep_orphans": 1}


async def test_an_event_that_fails_comes_again_and_is_given_up_at_last(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> None:
        raise OSError("the disk is away")

    monkeypatch.setattr(platform.adapters.search(), "put", broken)
    await platform.channel(await platform.person("ada"))
    with structlog.testing.capture_logs() as lines:
        for _ in range(10):
            await platform.settle()
            platform.clock.advance(timedelta(minutes=11))
    assert platform.metrics.events["failed"] == 9
    assert platform.metrics.events["dead"] == 1
    assert [line["event"] for line in lines] == ["event failed"] * 9 + ["event given up"]
    assert {line["event"] for line in lines if "disk is away" in str(line["exc_info"])}
    assert len(await platform.adapters.outbox().dead()) == 1


async def test_one_event_that_fails_does_not_hold_up_the_others(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = platform.adapters.search().put
    seen: list[str] = []

    async def picky(document: Document) -> None:
        seen.append(document.title)
        if document.title == "Meadow":
            raise OSError("not this one")
        await put(document)

    monkeypatch.setattr(platform.adapters.search(), "put", picky)
    ada = await platform.person("ada")
    for handle in ("meadow", "pond"):
        await platform.channel(ada, handle)
    await platform.settle()
    assert sorted(seen) == ["Meadow", "Pond"]
    assert len((await platform.adapters.search().find("pond")).items) == 1


async def test_a_report_nobody_knows_comes_again_a_few_times(platform: Platform) -> None:
    reports = platform.adapters.reports()
    report = Report(video=VideoId("vid_x"), attempt=1, job=JobId("j"), state=State.PENDING)
    reports.tell(report)
    for tries in range(UNKNOWN_TRIES):
        assert platform.metrics.reports == {}, tries
        await platform.worker.hear(reports, await reports.next())
        platform.clock.advance(timedelta(minutes=2))
    assert platform.metrics.reports == {"pending": 1}
    assert reports._given == {}


async def test_a_sweep_lets_go_of_sign_ups_that_nobody_confirmed(platform: Platform) -> None:
    join = platform.core.sign_up()
    first = await join("ada@mail.test", "correct horse battery", "ada", "Ada")
    platform.clock.advance(timedelta(hours=24))
    await platform.worker.sweep()
    assert (await join("ada@mail.test", "correct horse battery", "ada", "Ada")).id != first.id


async def test_a_sweep_that_fails_is_counted_and_leaves_the_others(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise NotFound("no videos at all")

    monkeypatch.setattr(platform.adapters.videos(), "due", broken)
    ada = await platform.person("ada")
    channel = (await platform.channel(ada)).channel.id
    card = await platform.core.start_upload()(
        ada.actor, channel, filename="a.mp4", content_type="video/mp4", size_bytes=1
    )
    platform.clock.advance(timedelta(days=30))
    with structlog.testing.capture_logs() as lines:
        await platform.worker.sweep()
    assert platform.metrics.failures == {"publish_due": 1}
    assert [(line["event"], line["task"]) for line in lines] == [
        ("background work failed", "publish_due"),
        ("swept", "expire_uploads"),
    ]
    assert (await platform.adapters.uploads().get(card.upload.id)).status.value == "expired"


async def test_a_task_that_fails_goes_on(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = platform.adapters.outbox()
    claim, failures = outbox.claim, iter([OSError("away")])

    async def flaky(*given: Any, **more: Any) -> Sequence[Envelope]:
        for failure in failures:
            raise failure
        return await claim(*given, **more)

    monkeypatch.setattr(outbox, "claim", flaky)
    await outbox.put(ChannelOpened(ChannelId("chn_x"), platform.clock.now()), EventId("evt_1"))
    running = asyncio.create_task(Worker(platform.core, platform.metrics, pause_s=0).run())

    async def delivered() -> bool:
        return platform.metrics.events["delivered"] == 1

    await until(delivered)
    assert platform.metrics.failures == {"deliver": 1}
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_moved_clock_is_noticed_at_once(platform: Platform) -> None:
    worker = Worker(platform.core, platform.metrics, sweep_s=3600)
    running = asyncio.create_task(worker.run())
    ada = await platform.person("ada")
    channel = (await platform.channel(ada)).channel.id
    card = await platform.core.start_upload()(
        ada.actor, channel, filename="a.mp4", content_type="video/mp4", size_bytes=1
    )
    platform.clock.advance(timedelta(days=30))
    worker.nudge()

    async def expired() -> bool:
        return (await platform.adapters.uploads().get(card.upload.id)).status.value == "expired"

    await until(expired)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
