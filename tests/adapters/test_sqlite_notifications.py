"""What listeners of one process hear of what another on the same file tells."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, closing
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import frozen

from adapters.local.database import Database
from adapters.local.notifications import SqliteLive
from domain.notifications import Notification
from tests.contract.test_live import ANN, BEN, told
from tests.worlds import FakeClock


@frozen
class Process:
    """One of those that share the file."""

    database: Database
    live: SqliteLive


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def processes(tmp_path: Path, clock: FakeClock) -> Iterator[list[Process]]:
    """Two, each with the file open for itself."""
    with ExitStack() as opened:
        databases = [opened.enter_context(closing(Database(tmp_path / "hexcast.db", durable=False))) for _ in range(2)]
        yield [Process(database, SqliteLive(database, clock.now, shared=True)) for database in databases]


async def all_that_waits(heard: AsyncIterator[Notification], live: SqliteLive) -> list[Notification]:
    """What a listener has not taken yet; it is the last thing that is told to it."""
    end = told(99_999)
    await live._here.tell([end])
    waiting = []
    while (notification := await anext(heard)) != end:
        waiting.append(notification)
    return waiting


async def test_what_one_process_tells_every_other_hears_once(processes: list[Process]) -> None:
    """However often they look; where it was told it was heard at once, and is not again."""
    one, other = (process.live for process in processes)
    async with AsyncExitStack() as listening:
        here, there = [await listening.enter_async_context(live.listen(ANN)) for live in (one, other)]
        await one.tell([told(1), told(2, BEN), told(3)])
        await one.tell([])
        await other.tell([told(4)])
        for _ in range(2):
            await one.heard()
            await other.heard()
        assert await all_that_waits(here, one) == [told(1), told(3), told(4)]
        assert await all_that_waits(there, other) == [told(4), told(1), told(3)]


async def test_a_process_begins_with_what_is_told_from_then_on(processes: list[Process], clock: FakeClock) -> None:
    """What was told before it was there concerns nobody who listens to it."""
    one, other = processes
    await one.live.tell([told(1)])
    late = SqliteLive(other.database, clock.now, shared=True)
    async with late.listen(ANN) as heard:
        await one.live.tell([told(2)])
        await late.heard()
        assert await all_that_waits(heard, late) == [told(2)]


async def test_what_was_told_goes_after_a_minute(processes: list[Process], clock: FakeClock) -> None:
    """As something else is told; who looks in time misses nothing for it."""
    one, other = processes
    async with other.live.listen(ANN) as heard:
        await one.live.tell([told(1)])
        clock.advance(timedelta(minutes=1))
        await one.live.tell([told(2)])
        await other.live.heard()
        clock.advance(timedelta(seconds=1))
        await one.live.tell([told(3)])
        assert len(one.database.rows("SELECT n FROM told")) == 2
        await other.live.heard()
        assert await all_that_waits(heard, other.live) == [told(1), told(2), told(3)]


async def test_a_process_alone_on_its_file_writes_nothing(processes: list[Process], clock: FakeClock) -> None:
    """There is nobody to read it."""
    database = processes[0].database
    alone = SqliteLive(database, clock.now)
    async with alone.listen(ANN) as heard:
        await alone.tell([told(1)])
        assert await all_that_waits(heard, alone) == [told(1)]
    assert database.rows("SELECT n FROM told") == []
