"""Any Streams behaves like a dict with a version check, and lists what is live, near and a channel's."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, invariant, multiple, rule

from application.ports import Event, Streams
from domain.errors import NotFound, Stale, Taken
from domain.ids import ChannelId, StreamId, StreamSessionId
from domain.streams import REMIND_BEFORE, Stream, StreamEdited, StreamRemoved
from domain.videos import Visibility
from tests.contract.machine import WalkingMachine, run, same, some_events, walked
from tests.strategies import CHANNEL_IDS, START, STREAM_IDS, channel_ids, stream_ids, streams, times
from tests.worlds import STREAMS, Opener

openers = pytest.mark.parametrize("opener", [opener for _, opener in STREAMS], ids=[name for name, _ in STREAMS])

MINUTE = timedelta(minutes=1)
FIRST = Stream(id=StreamId("str_1"), channel=ChannelId("chn_cats"), title="Cats, live", created_at=START)


def name(stream: Stream) -> str:
    return stream.id


def live(number: int, minutes: float) -> Stream:
    """Live for everyone since so many minutes after the start."""
    return evolve(
        FIRST, id=StreamId(f"str_{number}"), session=StreamSessionId(f"brc_{number}"),
        live_since=START + minutes * MINUTE,
    )  # fmt: skip


class StreamsMachine(WalkingMachine):
    port: Streams
    held: Bundle[Any] = Bundle("held")  # streams a client may hold, fresh or stale

    @rule(target=held, stream=streams())
    def draft(self, stream: Stream) -> Stream:
        return stream

    @rule(target=held, stream=stream_ids)
    def read(self, stream: StreamId) -> "Stream | MultipleResults[Stream]":
        return self.do(self.port.get(stream)) if stream in self.model else multiple()

    @rule(target=held, held=held, changed=streams(), events=some_events)
    def save(self, held: Stream, changed: Stream, events: list[Event]) -> Stream:
        ingest = changed.ingest and f"{held.id}'s"
        return self.save_both(held.id, evolve(changed, id=held.id, ingest=ingest, version=held.version), events)

    @rule(held=held, other=stream_ids, events=some_events)
    def save_with_the_ingest_of_another(self, held: Stream, other: StreamId, events: list[Event]) -> None:
        if other in self.model and other != held.id and (ingest := self.model[other].ingest):
            self.refused(self.port.save(evolve(held, ingest=ingest), *events), Taken, Stale)

    @rule(held=held, events=some_events)
    def remove(self, held: Stream, events: list[Event]) -> None:
        self.remove_both(held.id, held, events)

    @rule(channel=channel_ids)
    def walk_a_channel(self, channel: ChannelId) -> None:
        self.set_out(
            lambda cursor, limit: self.port.of_channel(channel, cursor=cursor, limit=limit),
            lambda: {each.id: each.created_at for each in self.made_in(channel)},
            name,
        )

    @rule()
    def walk_what_is_live(self) -> None:
        self.set_out(
            lambda cursor, limit: self.port.live(cursor=cursor, limit=limit),
            lambda: {each.id: each.live_since for each in self.live()},
            name,
        )

    @rule(now=times, sooner=st.sampled_from([timedelta(), REMIND_BEFORE]), limit=st.integers(1, 9))
    def near_are_those_whose_time_has_come(self, now: datetime, sooner: timedelta, limit: int) -> None:
        waiting = sorted(
            each.remind_at for each in self.model.values() if each.remind_at and each.remind_at <= now - sooner
        )
        near = self.do(self.port.near(now - sooner, limit))
        assert [each.remind_at for each in near] == waiting[:limit]
        assert all(self.model[each.id] == each for each in near)
        assert len({each.id for each in near}) == len(near)

    @invariant()
    def reads_as_the_model(self) -> None:
        self.do(self.compare_reads(STREAM_IDS))
        self.do(self.compare_names())
        self.do(self.compare_lists())

    async def compare_names(self) -> None:
        named: Mapping[str, Stream] = {each.ingest: each for each in self.model.values() if each.ingest}
        for ingest in ("", *(f"{each}'s" for each in STREAM_IDS)):
            if ingest in named:
                assert await self.port.by_ingest(ingest) == named[ingest]
            else:
                with pytest.raises(NotFound):
                    await self.port.by_ingest(ingest)

    async def compare_lists(self) -> None:
        read = await walked(lambda cursor, limit: self.port.live(cursor=cursor, limit=limit), 3)
        same(read, self.live(), lambda each: each.live_since, descending=True)
        for channel in CHANNEL_IDS:
            read = await walked(
                lambda cursor, limit, channel=channel: self.port.of_channel(channel, cursor=cursor, limit=limit),  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
                3,
            )
            same(read, self.made_in(channel), lambda each: each.created_at, descending=True)

    def live(self) -> list[Stream]:
        return [each for each in self.model.values() if each.listed]

    def made_in(self, channel: ChannelId) -> list[Stream]:
        return [each for each in self.model.values() if each.channel == channel]


@openers
def test_behaves_like_a_dict_of_streams(opener: Opener[Streams]) -> None:
    """Whatever is done in whatever order, reads, lists, walks, errors and events are the model's."""
    run(StreamsMachine, opener)


@openers
async def test_of_two_copies_one_is_saved(opener: Opener[Streams]) -> None:
    """The other is stale, and nothing of it is stored, not even its events; nor after the stream is gone."""
    edited, removed = StreamEdited(FIRST.id, START), StreamRemoved(FIRST.id, FIRST.channel, "", START)
    async with opener() as opened:
        stored = await opened.port.save(FIRST, edited)
        first = await opened.port.save(evolve(stored, title="First"))
        with pytest.raises(Stale):
            await opened.port.save(evolve(stored, title="Second", ingest="second"), removed)
        with pytest.raises(Stale):
            await opened.port.remove(stored, removed)
        assert await opened.port.get(FIRST.id) == first
        with pytest.raises(NotFound):
            await opened.port.by_ingest("second")
        assert await opened.events() == [edited]
        await opened.port.remove(first, removed)
        with pytest.raises(Stale):
            await opened.port.save(first, edited)
        assert await opened.events() == [removed]
        assert (await opened.port.of_channel(FIRST.channel)).items == []


@openers
async def test_an_ingest_has_one_name_for_one_stream(opener: Opener[Streams]) -> None:
    """It finds the stream as it is now; it is no other's until the stream is gone."""
    async with opener() as opened:
        stored = await opened.port.save(evolve(FIRST, ingest="arn:1"))
        saved = await opened.port.save(evolve(stored, title="Cats, dozing"))
        assert await opened.port.by_ingest("arn:1") == saved
        other = evolve(FIRST, id=StreamId("str_2"), ingest="arn:1")
        with pytest.raises(Taken) as refused:
            await opened.port.save(other, StreamEdited(other.id, START))
        assert refused.value.code == "ingest_taken"
        assert await opened.events() == []
        await opened.port.remove(saved)
        with pytest.raises(NotFound):
            await opened.port.by_ingest("arn:1")
        taken = await opened.port.save(other)
        assert await opened.port.by_ingest("arn:1") == taken


@openers
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 9, 100])
async def test_pages_of_any_size_make_up_the_list(opener: Opener[Streams], limit: int) -> None:
    """Every stream once, those live for longest last, and no page has more than was asked for."""
    async with opener() as opened:
        made = [
            await opened.port.save(evolve(live(number, number // 2), created_at=START + (number // 2) * MINUTE))
            for number in range(8)
        ]
        read = await walked(lambda cursor, most: opened.port.live(cursor=cursor, limit=most), limit)
        assert [each.live_since for each in read] == [each.live_since for each in made[::-1]]
        assert {each.id for each in read} == {each.id for each in made}
        read = await walked(
            lambda cursor, most: opened.port.of_channel(FIRST.channel, cursor=cursor, limit=most), limit
        )
        assert [each.created_at for each in read] == [each.created_at for each in made[::-1]]
        assert {each.id for each in read} == {each.id for each in made}


@openers
async def test_only_the_public_are_listed_as_live(opener: Opener[Streams]) -> None:
    """And only while they are; the channel itself sees them all."""
    async with opener() as opened:
        for number, visibility in enumerate((Visibility.PRIVATE, Visibility.UNLISTED), 1):
            await opened.port.save(evolve(live(number, number), visibility=visibility))
        shown = await opened.port.save(live(3, 3))
        await opened.port.save(evolve(FIRST, id=StreamId("str_4")))
        assert (await opened.port.live()).items == [shown]
        assert len((await opened.port.of_channel(FIRST.channel)).items) == 4
        await opened.port.save(shown.reflect(None, None))
        assert (await opened.port.live()).items == []


@openers
async def test_near_are_those_to_tell_of(opener: Opener[Streams]) -> None:
    """From the moment on that they are to be told of, those nearest first; and no more once it was done."""
    async with opener() as opened:
        later, sooner = [
            await opened.port.save(
                evolve(FIRST, id=StreamId(f"str_{wait}"), starts_at=START + REMIND_BEFORE + wait * MINUTE)
            )
            for wait in (2, 1)
        ]
        assert await opened.port.near(START) == []
        assert await opened.port.near(START + MINUTE) == [sooner]
        assert await opened.port.near(START + 3 * MINUTE) == [sooner, later]
        assert await opened.port.near(START + 3 * MINUTE, limit=1) == [sooner]
        told, events = sooner.remind(START + MINUTE)
        await opened.port.save(told, *events)
        assert await opened.port.near(START + 3 * MINUTE) == [later]
