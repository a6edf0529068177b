"""Any Channels behaves like a dict with a version check and unique handles, and knows whose each channel is."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis.stateful import Bundle, MultipleResults, invariant, multiple, rule

from application.ports import Channels, Event
from domain.channels import Channel, ChannelClosed, ChannelOpened, Member
from domain.errors import NotFound, Stale, Taken
from domain.ids import ChannelId, UserId
from tests.contract.machine import Machine, run, same, some_events
from tests.strategies import CHANNEL_IDS, HANDLES, START, USER_IDS, channel_ids, channels
from tests.worlds import CHANNELS, Opener

openers = pytest.mark.parametrize("opener", [opener for _, opener in CHANNELS], ids=[name for name, _ in CHANNELS])

ANN, BEN = UserId("usr_ann"), UserId("usr_ben")
CATS = Channel(id=ChannelId("chn_cats"), owner=ANN, handle="the_cats", name="Cats", created_at=START)
BOATS = evolve(CATS, id=ChannelId("chn_boats"), handle="boats", name="Boats")


class ChannelsMachine(Machine):
    port: Channels
    held: Bundle[Any] = Bundle("held")  # channels a client may hold, fresh or stale

    @rule(target=held, channel=channels())
    def draft(self, channel: Channel) -> Channel:
        return channel

    @rule(target=held, channel=channel_ids)
    def read(self, channel: ChannelId) -> "Channel | MultipleResults[Channel]":
        return self.do(self.port.get(channel)) if channel in self.model else multiple()

    @rule(target=held, held=held, changed=channels(), events=some_events)
    def save(self, held: Channel, changed: Channel, events: list[Event]) -> Channel:
        members = {user: role for user, role in changed.members.items() if user != held.owner}
        edited = evolve(
            changed, id=held.id, owner=held.owner, members=members, created_at=held.created_at, version=held.version
        )
        taken = any(channel.handle == edited.handle for channel in self.model.values() if channel.id != edited.id)
        return self.save_both(edited.id, edited, events, *([Taken] if taken else []))

    @rule(held=held, events=some_events)
    def remove(self, held: Channel, events: list[Event]) -> None:
        self.remove_both(held.id, held, events)

    @invariant()
    def reads_as_the_model(self) -> None:
        self.do(self.compare_reads(CHANNEL_IDS))
        self.do(self.compare_handles_and_members())

    async def compare_handles_and_members(self) -> None:
        by_handle = {channel.handle: channel for channel in self.model.values()}
        for handle in HANDLES:
            if handle in by_handle:
                assert await self.port.by_handle(handle) == by_handle[handle]
            else:
                with pytest.raises(NotFound):
                    await self.port.by_handle(handle)
        for user in USER_IDS:
            theirs = [channel for channel in self.model.values() if channel.role(user)]
            same(await self.port.of_member(user), theirs, lambda channel: channel.created_at)


@openers
def test_behaves_like_a_dict_of_channels(opener: Opener[Channels]) -> None:
    """Whatever is done in whatever order, reads, errors and events are the model's."""
    run(ChannelsMachine, opener)


@openers
async def test_a_handle_given_up_is_free_at_once(opener: Opener[Channels]) -> None:
    """By a new handle, and by removal."""
    async with opener() as opened:
        cats = await opened.port.save(CATS)
        with pytest.raises(Taken) as taken:
            await opened.port.save(evolve(BOATS, handle="the_cats"))
        assert (taken.value.code, taken.value.fields) == ("handle_taken", (("handle", str(taken.value)),))
        renamed = await opened.port.save(cats.edit(handle="all_cats"))
        boats = await opened.port.save(evolve(BOATS, handle="the_cats"))
        assert await opened.port.by_handle("the_cats") == boats
        await opened.port.remove(renamed)
        assert (await opened.port.save(boats.edit(handle="all_cats"))).handle == "all_cats"


@openers
async def test_of_those_who_take_a_handle_at_once_one_gets_it(opener: Opener[Channels]) -> None:
    """And no trace is left of the others."""
    async with opener() as opened:
        wanted = [evolve(CATS, id=ChannelId(f"chn_{order}")) for order in range(3)]
        results = await asyncio.gather(*map(opened.port.save, wanted), return_exceptions=True)
        (winner,) = [result for result in results if isinstance(result, Channel)]
        assert sum(isinstance(result, Taken) for result in results) == 2
        assert await opened.port.by_handle(CATS.handle) == winner
        assert await opened.port.of_member(ANN) == [winner]


@openers
async def test_members_come_and_go(opener: Opener[Channels]) -> None:
    """A channel is among those of each member, the oldest channel first, until they leave it."""
    async with opener() as opened:
        cats = await opened.port.save(CATS.enroll(BEN, Member.EDITOR))
        older = await opened.port.save(evolve(BOATS, owner=BEN, created_at=START - timedelta(days=1)))
        assert await opened.port.of_member(BEN) == [older, cats]
        await opened.port.save(cats.dismiss(BEN))
        assert await opened.port.of_member(BEN) == [older]
        await opened.port.remove(older)
        assert await opened.port.of_member(BEN) == []


@openers
async def test_of_member_lists_at_most_1000(opener: Opener[Channels]) -> None:
    """Those that are listed are the oldest."""
    async with opener() as opened:
        for order in range(1001):
            at = START + timedelta(seconds=order)
            await opened.port.save(
                evolve(CATS, id=ChannelId(f"chn_{order:04}"), handle=f"cats_{order:04}", created_at=at)
            )
        listed = await opened.port.of_member(ANN)
        assert [channel.id for channel in listed] == [f"chn_{order:04}" for order in range(1000)]


@openers
async def test_of_two_copies_one_is_saved(opener: Opener[Channels]) -> None:
    """The other is stale, and nothing of it is stored, not even its event."""
    opening, closing = ChannelOpened(CATS.id, START), ChannelClosed(CATS.id, START)
    async with opener() as opened:
        cats = await opened.port.save(CATS, opening)
        first = await opened.port.save(cats.edit(name="First"))
        with pytest.raises(Stale):
            await opened.port.save(cats.edit(name="Second"), closing)
        with pytest.raises(Stale):
            await opened.port.remove(cats, closing)
        assert await opened.port.get(CATS.id) == first
        assert await opened.events() == [opening]
        await opened.port.remove(first, closing)
        with pytest.raises(Stale):
            await opened.port.save(first)
        assert await opened.events() == [closing]
