"""What an ingest said is kept in the file until someone has dealt with it, whoever was given it and died."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.local.database import Database
from adapters.local.told import AGAIN_AFTER, SqliteSignals
from application.ports import Signal
from domain.broadcasts import Detail, Happening
from domain.ids import BroadcastId
from tests.strategies import START
from tests.worlds import FakeClock


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "hexcast.db", durable=False)
    yield database
    database.close()


def signal(number: int) -> Signal:
    detail: Detail = {"recording": "rec-1", "duration_s": 1.5, "viewers": 3, "broadcasts": ("st-1", "st-2")}
    return Signal(
        id=f"evt_{number}", ingest="str_1", broadcast=BroadcastId("st-1"), kind=Happening.RECORDING_END,
        at=START + timedelta(seconds=number), detail=detail,
    )  # fmt: skip


async def test_it_comes_in_order_and_again_until_it_is_settled(database: Database) -> None:
    clock = FakeClock()
    signals = SqliteSignals(database, clock.now, look_s=0.01)
    for number in (1, 2, 1):
        said = signal(number)
        await database.write(lambda transaction, each=said: signals.tell(transaction, each))  # type: ignore[misc]
    first, second = await signals.next(), await signals.next()
    assert [first.id, second.id] == ["evt_1", "evt_2"]
    assert list(first.detail["broadcasts"]) == ["st-1", "st-2"]  # type: ignore[arg-type]
    await signals.settle(first)
    clock.advance(AGAIN_AFTER)
    assert await signals.next() == second


async def test_what_was_given_to_the_dead_comes_again_at_once(database: Database) -> None:
    clock = FakeClock()
    signals = SqliteSignals(database, clock.now, look_s=0.01)
    await database.write(lambda transaction: signals.tell(transaction, signal(1)))
    given = await signals.next()
    again = SqliteSignals(database, clock.now, look_s=0.01)
    await database.write(again.take_back)
    assert await again.next() == given
