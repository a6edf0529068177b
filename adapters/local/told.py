"""What this machine's transcoder and ingest said, until someone has dealt with it: rows of the file."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Generic, TypeVar

from attrs import frozen

from adapters.local.database import Database, Transaction, micros, sql
from adapters.rows import text_of, value_of
from application.ports import Now, Signal
from domain.processing import Report

T = TypeVar("T")

AGAIN_AFTER = timedelta(minutes=1)
LOOK_S = 1.0
"""How soon it is seen what another process did."""


@frozen
class _Table:
    tell: str
    due: str
    given_longer: str
    cut_given: str
    give: str
    settle: str
    take_back: str


def _table(name: str) -> _Table:
    return _Table(
        tell=sql(f"INSERT INTO {name} (doc) VALUES (?) ON CONFLICT (doc) DO NOTHING"),
        due=sql(f"SELECT n, doc FROM {name} WHERE given_until <= ? ORDER BY given_until, n LIMIT 1"),
        given_longer=sql(f"SELECT 1 FROM {name} WHERE given_until > ? LIMIT 1"),
        cut_given=sql(f"UPDATE {name} SET given_until = ?1 WHERE given_until > ?1"),
        give=sql(f"UPDATE {name} SET given_until = ? WHERE n = ?"),
        settle=sql(f"DELETE FROM {name} WHERE doc = ?"),
        take_back=sql(f"UPDATE {name} SET given_until = 0 WHERE given_until > 0"),
    )


_TABLES: Mapping[type[object], _Table] = {Report: _table("report"), Signal: _table("signal")}


class SqliteTold(Generic[T]):
    """In the order in which it came, and after that what was given out and not settled; equal ones are one."""

    def __init__(self, kind: type[T], database: Database, now: Now, *, look_s: float = LOOK_S) -> None:
        self._kind = kind
        self._table = _TABLES[kind]
        self._database = database
        self._now = now
        self._look_s = look_s
        self._arrived = asyncio.Event()

    def tell(self, transaction: Transaction, said: T) -> None:
        """Add one, in the transaction of what it is about."""
        transaction.run(self._table.tell, (text_of(said),))
        transaction.then(self._arrived.set)

    def take_back(self, transaction: Transaction) -> None:
        """Whoever was given some is no more: they come again at once."""
        transaction.run(self._table.take_back)
        transaction.then(self._arrived.set)

    async def next(self) -> T:
        while True:
            self._arrived.clear()
            if (said := await self._take()) is not None:
                return said
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await self._arrived.wait()

    async def settle(self, said: T) -> None:
        await self._database.write(lambda transaction: transaction.run(self._table.settle, (text_of(said),)))

    async def _take(self) -> T | None:
        now, table = self._now(), self._table
        until = micros(now + AGAIN_AFTER)
        if self._database.row(table.given_longer, (until,)) is not None:  # before the clock was set back
            await self._database.write(lambda transaction: transaction.run(table.cut_given, (until,)))
        if self._database.row(table.due, (micros(now),)) is None:
            return None

        def work(transaction: Transaction) -> T | None:
            while (row := transaction.row(table.due, (micros(now),))) is not None:  # or another process was faster
                try:
                    said = value_of(row[1], self._kind)
                except ValueError:  # one that nobody can read must not keep the others
                    transaction.run(table.settle, (row[1],))
                    continue
                transaction.run(table.give, (until, row[0]))
                return said
            return None

        return await self._database.write(work)


class SqliteReports(SqliteTold[Report]):
    """What the transcoder said."""

    def __init__(self, database: Database, now: Now, *, look_s: float = LOOK_S) -> None:
        super().__init__(Report, database, now, look_s=look_s)


class SqliteSignals(SqliteTold[Signal]):
    """What the ingest said."""

    def __init__(self, database: Database, now: Now, *, look_s: float = LOOK_S) -> None:
        super().__init__(Signal, database, now, look_s=look_s)
