"""Any Subscriptions behaves like a dict of (user, channel) to subscription, listed from either side."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from application.ports import Event, Subscriptions
from domain.engagement import Notify, Subscribed, Subscription
from domain.ids import ChannelId, UserId
from tests.contract.machine import Read, WalkingMachine, run, same, some_events, walked
from tests.strategies import START, channel_ids, subscriptions, user_ids
from tests.worlds import SUBSCRIPTIONS, Opener

openers = pytest.mark.parametrize(
    "opener", [opener for _, opener in SUBSCRIPTIONS], ids=[name for name, _ in SUBSCRIPTIONS]
)

USERS = [UserId(f"usr_{each}") for each in ("ann", "ben", "cho", "dov")]
CHANNELS = [ChannelId(f"chn_{each}") for each in ("arts", "boats", "cats")]


def read_lane(port: Subscriptions, channel: ChannelId, lane: int) -> Read:
    return lambda cursor, limit: port.to_channel_lane(channel, lane, cursor=cursor, limit=limit)


def since(subscription: Subscription) -> object:
    return subscription.since


class SubscriptionsMachine(WalkingMachine):
    port: Subscriptions

    @rule(wanted=subscriptions(), events=some_events)
    def put(self, wanted: Subscription, events: list[Event]) -> None:
        key = (wanted.user, wanted.channel)
        stored = self.model.get(key)
        assert self.do(self.port.put(wanted, *events)) is (stored is None)
        self.model[key] = wanted if stored is None else evolve(stored, notify=wanted.notify)
        self.told(*(events if stored is None else []))

    @rule(user=user_ids, channel=channel_ids)
    def remove(self, user: UserId, channel: ChannelId) -> None:
        there = self.model.pop((user, channel), None) is not None
        assert self.do(self.port.remove(user, channel)) is there

    @rule(channel=channel_ids, limit=st.integers(1, 3))
    def forget(self, channel: ChannelId, limit: int) -> None:
        there = [key for key in self.model if key[1] == channel]
        assert self.do(self.port.forget(channel, limit)) == min(limit, len(there))
        left = [key for key in there if self.do(self.port.get(*key)) is not None]
        assert len(left) == max(0, len(there) - limit)
        self.model = {key: value for key, value in self.model.items() if key not in there or key in left}

    @rule(user=user_ids, channel=channel_ids)
    def read_on_while_it_changes(self, user: UserId, channel: ChannelId) -> None:
        self.set_out(
            self.read_of_user(user),
            lambda: {each.channel: each.since for each in self.model.values() if each.user == user},
            lambda item: item.channel,
        )
        self.set_out(
            self.read_to_channel(channel),
            lambda: {each.user: each.since for each in self.model.values() if each.channel == channel},
            lambda item: item.user,
        )

    def read_of_user(self, user: UserId) -> Read:
        return lambda cursor, limit: self.port.of_user(user, cursor=cursor, limit=limit)

    def read_to_channel(self, channel: ChannelId) -> Read:
        return lambda cursor, limit: self.port.to_channel(channel, cursor=cursor, limit=limit)

    @invariant()
    def reads_as_the_model(self) -> None:
        self.do(self.compare())

    async def compare(self) -> None:
        for user in USERS:
            found = await walked(self.read_of_user(user), 2)
            same(found, [each for each in self.model.values() if each.user == user], since, descending=True)
            for channel in CHANNELS:
                assert await self.port.get(user, channel) == self.model.get((user, channel))
        for channel in CHANNELS:
            found = await walked(self.read_to_channel(channel), 2)
            theirs = [each for each in self.model.values() if each.channel == channel]
            same(found, theirs, since, descending=True)
            assert await self.port.count(channel) == len(theirs)
            lanes = [await walked(read_lane(self.port, channel, at), 2) for at in range(await self.port.lanes(channel))]
            same([each for lane in lanes for each in lane], theirs)


@openers
def test_behaves_like_a_dict_of_subscriptions(opener: Opener[Subscriptions]) -> None:
    """Whatever is done in whatever order, answers, lists, counts and events are the model's."""
    run(SubscriptionsMachine, opener)


@openers
async def test_subscribing_again_changes_only_what_one_is_told(opener: Opener[Subscriptions]) -> None:
    """It is not new, keeps its place, and says nothing to anyone."""
    async with opener() as opened:
        ann = Subscription(USERS[0], CHANNELS[0], Notify.ALL, START)
        event = Subscribed(ann.user, ann.channel, START)
        assert await opened.port.put(ann, event)
        later = Subscription(ann.user, ann.channel, Notify.NONE, START + timedelta(days=1))
        assert not await opened.port.put(later, event)
        assert await opened.port.get(ann.user, ann.channel) == evolve(ann, notify=Notify.NONE)
        assert await opened.port.count(ann.channel) == 1
        assert await opened.events() == [event]


@openers
async def test_newest_first_from_either_side(opener: Opener[Subscriptions]) -> None:
    """By when they began, whoever it is; at the same instant each is still shown once."""
    async with opener() as opened:

        async def subscribe(user: UserId, channel: ChannelId, minutes: int) -> Any:
            one = Subscription(user, channel, Notify.ALL, START + timedelta(minutes=minutes))
            await opened.port.put(one)
            return one

        old, new = await subscribe(USERS[3], CHANNELS[0], 0), await subscribe(USERS[0], CHANNELS[0], 2)
        middle, other = await subscribe(USERS[1], CHANNELS[0], 1), await subscribe(USERS[0], CHANNELS[2], 1)
        assert list((await opened.port.to_channel(CHANNELS[0])).items) == [new, middle, old]
        assert list((await opened.port.of_user(USERS[0])).items) == [new, other]
        twins = [await subscribe(user, CHANNELS[1], 5) for user in USERS]
        found = await walked(lambda at, most: opened.port.to_channel(CHANNELS[1], cursor=at, limit=most), 1)
        same(found, twins)


@openers
async def test_a_walk_that_was_begun_in_one_goes_on_in_lanes(opener: Opener[Subscriptions]) -> None:
    """Newest first in each, from where it got to: together they give all that is left, each once."""
    async with opener() as opened:
        channel, crowd = CHANNELS[0], [UserId(f"usr_{number}") for number in range(30)]
        each = [Subscription(user, channel, Notify.ALL, START + timedelta(minutes=at)) for at, user in enumerate(crowd)]
        await asyncio.gather(*(opened.port.put(one) for one in each))
        first = await opened.port.to_channel(channel, limit=10)
        assert first.next is not None
        left: list[Subscription] = []
        for lane in range(await opened.port.lanes(channel)):
            cursor: str | None = first.next
            theirs: list[Subscription] = []
            while cursor is not None:
                page = await opened.port.to_channel_lane(channel, lane, cursor=cursor, limit=3)
                theirs += page.items
                cursor = page.next
            same(theirs, theirs, since, descending=True)
            left += theirs
        same([*first.items, *left], each)


@openers
async def test_nobody_has_subscribed_in_the_one_lane_of_a_channel_that_is_new(opener: Opener[Subscriptions]) -> None:
    async with opener() as opened:
        assert await opened.port.lanes(CHANNELS[0]) == 1
        assert (await opened.port.to_channel_lane(CHANNELS[0], 0)).items == []


@openers
async def test_of_many_who_subscribe_at_once_each_counts_once(opener: Opener[Subscriptions]) -> None:
    """Whoever does it twice, too; all are listed, and all can be forgotten bit by bit."""
    async with opener() as opened:
        channel, crowd = CHANNELS[0], [UserId(f"usr_{number}") for number in range(50)]
        each = [Subscription(user, channel, Notify.ALL, START) for user in crowd]
        new = await asyncio.gather(*(opened.port.put(one, Subscribed(one.user, channel, START)) for one in each * 2))
        assert new.count(True) == len(await opened.events()) == await opened.port.count(channel) == 50
        same(await walked(lambda at, most: opened.port.to_channel(channel, cursor=at, limit=most), 20), each)
        gone = await asyncio.gather(*(opened.port.remove(user, channel) for user in crowd[:20] * 2))
        assert gone.count(True) == 20
        assert await opened.port.count(channel) == 30
        assert [await opened.port.forget(channel, 20) for _ in range(3)] == [20, 10, 0]
        assert await opened.port.count(channel) == 0
        assert (await opened.port.to_channel(channel)).items == []
