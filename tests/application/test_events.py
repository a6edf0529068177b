"""Delivering events: every kind goes somewhere, failures come again, and nothing stops the rest."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import get_args

import pytest
from attrs import frozen
from dependency_injector.providers import Object

from adapters.inmemory.search import FtsSearch
from application.events import TRIES, Delivered
from application.ports import Document, Event
from domain.channels import ChannelOpened
from domain.engagement import CommentHeld
from domain.errors import NotFound, Unavailable
from domain.identity import AccountClosed, SignedUp
from domain.ids import ChannelId, CommentId, EventId, UserId, VideoId
from domain.videos import MediaSuperseded
from domain.watching import GRANT_LIFE
from tests.application.stage import Stage, staged
from tests.strategies import START


class BreakingSearch(FtsSearch):
    """Takes no documents while ``error`` is set."""

    error: Exception | None = None

    async def put(self, document: Document) -> None:
        if self.error is not None:
            raise self.error
        await super().put(document)


@frozen
class Broken:
    """A stage whose search is broken, and a channel that it should hear of."""

    stage: Stage
    search: BreakingSearch
    channel: ChannelId


@pytest.fixture
async def broken() -> AsyncIterator[Broken]:
    async with staged() as stage:
        search = BreakingSearch(stage.adapters.changes())
        stage.adapters.search.override(Object(search))
        channel = await stage.channel(await stage.person("ann"))
        yield Broken(stage, search, channel)


async def test_every_kind_of_event_has_its_consumers(stage: Stage) -> None:
    assert set(stage.core.consumers().routes) == set(get_args(Event))


async def test_events_that_are_named_are_delivered_and_no_others(stage: Stage) -> None:
    """Whoever hears of one at once need not look for what else waits."""
    now, outbox = stage.clock.now(), stage.adapters.outbox()
    for number in range(3):
        await outbox.put(SignedUp(UserId(f"usr_{number}"), now), EventId(f"evt_{number}"))
    delivered = await stage.core.deliver_events()(only=[EventId("evt_1"), EventId("evt_9")])
    assert [each.envelope.id for each in delivered] == ["evt_1"]
    assert [each.envelope.id for each in await stage.core.deliver_events()()] == ["evt_0", "evt_2"]


async def test_events_that_set_off_nothing_are_done_with(stage: Stage) -> None:
    now = stage.clock.now()
    outbox = stage.adapters.outbox()
    await outbox.put(SignedUp(UserId("usr_1"), now), EventId("evt_1"))
    await outbox.put(CommentHeld(CommentId("cmt_1"), ChannelId("chn_1"), UserId("usr_1"), now), EventId("evt_2"))
    assert [(each.error, each.dead) for each in await stage.settle()] == [(None, False)] * 2
    stage.clock.advance(timedelta(days=1))
    assert await stage.settle() == []


async def test_what_fails_comes_again_ever_later_while_the_others_go_on(broken: Broken) -> None:
    stage, search = broken.stage, broken.search
    search.error = RuntimeError("disk on fire")
    await stage.adapters.outbox().put(SignedUp(UserId("usr_1"), stage.clock.now()), EventId("evt_z"))
    failed, passed = sorted(await stage.settle(), key=lambda each: each.error is None)
    assert (failed.error, failed.dead, passed.error) == (search.error, False, None)
    pauses = []
    for _ in range(3):
        waited = 0
        while not await stage.settle():
            stage.clock.advance(timedelta(seconds=1))
            waited += 1
        pauses.append(waited)
    assert pauses == [1, 2, 4]
    search.error = None
    stage.clock.advance(timedelta(seconds=8))
    await stage.settle()
    assert [id_ for _, id_ in (await search.find("films")).items] == [broken.channel]


async def test_what_fails_for_good_is_put_aside_with_its_reason(broken: Broken) -> None:
    stage, search = broken.stage, broken.search
    search.error = RuntimeError("disk on fire")
    delivered: list[Delivered] = []
    for _ in range(TRIES + 1):
        delivered.extend(await stage.settle())
        stage.clock.advance(timedelta(minutes=10))
    assert [each.dead for each in delivered] == [False] * (TRIES - 1) + [True]
    ((envelope, reason),) = await stage.adapters.outbox().dead()
    assert envelope.event == ChannelOpened(broken.channel, START)
    assert reason == "RuntimeError: disk on fire"


async def test_what_waits_for_a_store_that_is_away_is_never_given_up(broken: Broken) -> None:
    """Every ten minutes at most, for as long as it takes."""
    stage, search = broken.stage, broken.search
    search.error = Unavailable("away")
    for _ in range(3 * TRIES):
        await stage.settle()
        stage.clock.advance(timedelta(minutes=10))
    search.error = None
    assert [each.error for each in await stage.settle()] == [None]
    assert await stage.adapters.outbox().dead() == []


async def test_an_event_that_is_early_comes_again_when_its_time_is_and_is_no_failure(stage: Stage) -> None:
    key = "v/vid_1/a1/poster.jpg"
    await stage.adapters.media().put(key, b"jpeg", "image/jpeg")
    superseded = MediaSuperseded(VideoId("vid_1"), 1, stage.clock.now())
    await stage.adapters.outbox().put(superseded, EventId("evt_1"))
    assert [(each.error, each.dead) for each in await stage.settle()] == [(None, False)]
    assert await stage.adapters.media().read(key) == b"jpeg"
    stage.clock.advance(GRANT_LIFE - timedelta(seconds=1))
    assert await stage.settle() == []
    stage.clock.advance(timedelta(seconds=1))
    assert len(await stage.settle()) == 1
    with pytest.raises(NotFound):
        await stage.adapters.media().read(key)


async def test_an_account_that_closed_takes_its_channels_along(stage: Stage) -> None:
    """One event sets off the next, down to the last comment."""
    ann, ben = await stage.person("ann"), await stage.person("ben")
    channel = await stage.channel(ann)
    video = await stage.video(channel, ann, announced=True)
    await stage.says(ben, video, "bye")
    await stage.follows(ben, channel)
    await stage.settle()
    await stage.adapters.users().remove(
        await stage.adapters.users().get(ann.require_user()), AccountClosed(ann.require_user(), stage.clock.now())
    )
    assert [each.error for each in await stage.settle() if each.error] == []
    with pytest.raises(NotFound):
        await stage.adapters.videos().get(video)
    assert await stage.adapters.comments().counts([video]) == {video: 0}
    assert await stage.adapters.subscriptions().count(channel) == 0
    assert (await stage.adapters.search().find("film")).items == []
