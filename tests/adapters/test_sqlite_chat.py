"""Rooms of several processes on one file are one: the same order for everyone, and a token good once in all of them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, closing
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve, frozen

from adapters.chatting import HEARD, SEATS_MOST, TOKEN_LIFE, Alone, Rooms
from adapters.links import Links
from adapters.local.chat import SqliteWire
from adapters.local.database import Database
from adapters.system import Ulids
from application.ports import Chatter
from domain.chat import Capability, Standing
from domain.errors import Forbidden, Unavailable
from domain.ids import MessageId, StreamId, UserId
from tests.contract.test_chat_log import said
from tests.contract.test_streams import FIRST
from tests.worlds import FakeClock

CATS = evolve(FIRST, id=StreamId("str_cats"))
ANN = UserId("usr_ann")


@frozen
class Process:
    """One of those that share the file."""

    database: Database
    wire: SqliteWire
    rooms: Rooms

    async def token(self, user: UserId | None = None) -> str:
        who = Chatter(user, "Somebody", Standing.VIEWER)
        return (await self.rooms.token(CATS, who, frozenset({Capability.SEND_MESSAGE}))).token


def process(database: Database, clock: FakeClock, *, shared: bool = True) -> Process:
    wire = SqliteWire(database, clock.now, shared=shared)
    links = Links(b"k" * 32, "http://hexcast.test", clock.now)
    return Process(database, wire, Rooms(links, clock.now, Ulids(clock.now), wire))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def processes(tmp_path: Path, clock: FakeClock) -> Iterator[list[Process]]:
    """Two, each with the file open for itself."""
    with ExitStack() as opened:
        databases = [opened.enter_context(closing(Database(tmp_path / "hexcast.db", durable=False))) for _ in range(2)]
        yield [process(database, clock) for database in databases]


async def sit(stack: AsyncExitStack, place: Process, user: UserId | None = None) -> AsyncIterator[str]:
    seat = await place.rooms.seat(await place.token(user))
    return await stack.enter_async_context(place.rooms.join(seat))


async def test_everyone_hears_everything_in_one_order(processes: list[Process]) -> None:
    """Wherever it is said, and whenever who looks."""
    one, other = processes
    async with AsyncExitStack() as stack:
        here, there = await sit(stack, one), await sit(stack, other)
        for number in range(6):
            await processes[number % 2].rooms.show(said(number, number), "")
            if number == 3:
                one.wire.heard()
        for each in processes:
            each.wire.heard()
        heard = [[await anext(frames) for _ in range(6)] for frames in (here, there)]
        assert heard[0] == heard[1]
        assert [f'"Id":"msg_{number}"' in frame for number, frame in enumerate(heard[0])] == [True] * 6


async def test_what_is_done_here_ends_connections_there(processes: list[Process]) -> None:
    """Of who is sent away theirs, of a room that is closed all."""
    one, other = processes
    async with AsyncExitStack() as stack:
        anns, others = await sit(stack, other, ANN), await sit(stack, other)
        await one.rooms.delete(CATS, MessageId("msg_1"))
        await one.rooms.disconnect(CATS, ANN)
        other.wire.heard()
        assert ["aws:DELETE_MESSAGE" in frame or "aws:DISCONNECT_USER" in frame async for frame in anns] == [True] * 2
        await one.rooms.close(CATS.id)
        other.wire.heard()
        assert len([frame async for frame in others]) == 2


async def test_a_token_is_good_once_in_all_processes(processes: list[Process], clock: FakeClock) -> None:
    """However many come with it; those of tokens that are over are forgotten."""
    one, other = processes
    token = await one.token()
    assert (await other.rooms.seat(token)).stream == CATS.id
    for place in (one, other, process(one.database, clock)):
        with pytest.raises(Forbidden) as refused:
            await place.rooms.seat(token)
        assert refused.value.code == "link_used"
    clock.advance(TOKEN_LIFE)
    with pytest.raises(Forbidden) as refused:
        await one.rooms.seat(token)
    assert refused.value.code == "link_expired"
    await one.rooms.seat(await other.token())
    assert len(one.database.rows("SELECT id FROM chat_token")) == 1


async def test_a_token_is_good_once_where_there_is_no_file(clock: FakeClock) -> None:
    alone = Alone(clock.now)
    until = clock.now() + TOKEN_LIFE
    assert [await alone.first(token, until) for token in ("a", "b", "a")] == [True, True, False]
    clock.advance(TOKEN_LIFE)
    assert await alone.first("c", clock.now() + TOKEN_LIFE)
    assert list(alone._used) == ["c"]


async def test_what_was_told_goes_after_a_minute(processes: list[Process], clock: FakeClock) -> None:
    """As something else is told; who looks in time misses nothing for it."""
    one, other = processes
    async with AsyncExitStack() as stack:
        frames = await sit(stack, other)
        for number in range(3):
            await one.rooms.show(said(number, number), "")
            other.wire.heard()
            clock.advance(timedelta(seconds=40))
        assert len(one.database.rows("SELECT n FROM chat_told")) == 2
        assert [f"Meow {number}" in await anext(frames) for number in range(3)] == [True] * 3


async def test_a_process_begins_with_what_is_told_from_then_on(processes: list[Process], clock: FakeClock) -> None:
    one, other = processes
    await one.rooms.show(said(1, 0), "")
    late = process(other.database, clock)
    async with AsyncExitStack() as stack:
        frames = await sit(stack, late)
        await one.rooms.show(said(2, 1), "")
        late.wire.heard()
        assert "Meow 2" in await anext(frames)


async def test_a_process_alone_on_its_file_writes_no_frames(processes: list[Process], clock: FakeClock) -> None:
    alone = process(processes[0].database, clock, shared=False)
    async with AsyncExitStack() as stack:
        frames = await sit(stack, alone)
        await alone.rooms.show(said(1, 0), "")
        assert "Meow 1" in await anext(frames)
    assert alone.database.rows("SELECT n FROM chat_told") == []


async def test_who_does_not_keep_up_loses_the_oldest(processes: list[Process]) -> None:
    """Nobody else waits for them, and no memory is filled for them."""
    place = processes[0]
    async with AsyncExitStack() as stack:
        slow = await sit(stack, place)
        for number in range(HEARD + 3):
            await place.rooms.show(said(number, number), "")
        assert "Meow 3" in await anext(slow)


async def test_a_room_has_so_many_seats(processes: list[Process], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who leaves makes room; at the end of a process all do."""
    monkeypatch.setattr("adapters.chatting.SEATS_MOST", 2)
    assert SEATS_MOST > 1000
    place = processes[0]
    async with AsyncExitStack() as stack:
        await sit(stack, place)
        async with AsyncExitStack() as leaving:
            await sit(leaving, place)
            with pytest.raises(Unavailable) as refused:
                await sit(stack, place)
            assert refused.value.code == "chat_full"
        frames = await sit(stack, place)
        place.rooms.shut()
        assert [frame async for frame in frames] == []
    assert place.rooms._rooms == {}
