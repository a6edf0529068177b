"""Events on their way, beside what caused them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from adapters.local.database import Database, Transaction, micros, sql
from adapters.local.shelves import as_list
from adapters.rows import event_of, kind_of, text_of
from adapters.system import set_within
from application.ports import Envelope, Event, NewId
from domain.ids import EVENT, EventId

HOLD = timedelta(minutes=1)
REMEMBERED = 100_000
LATEST = 2**62
"""After every time."""
_NAME = len(EVENT) + 27

_ADD = sql("INSERT INTO event (id, kind, doc) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING")
_KNOW = sql("INSERT INTO event_known (id) VALUES (?) ON CONFLICT (id) DO NOTHING RETURNING n")
_FORGET = sql("DELETE FROM event_known WHERE n <= ?")
_DUE = sql("SELECT 1 FROM event WHERE held_until <= ? AND reason IS NULL LIMIT 1")
_FREE = sql("SELECT 1 FROM event WHERE held_until IS NULL AND reason IS NULL LIMIT 1")
_RELEASE = sql("UPDATE event SET held_until = NULL WHERE held_until <= ? AND reason IS NULL")
_SET_BACK = sql(
    "UPDATE event SET held_until = held_until - (held_since - ?1), held_since = ?1 "
    "WHERE held_until > ?1 AND reason IS NULL AND held_since > ?1"
)
_WAITING = sql(
    "SELECT n, id, kind, doc, attempts FROM event WHERE held_until IS NULL AND reason IS NULL ORDER BY n LIMIT ?"
)
_NAMED = sql(
    "SELECT n, id, kind, doc, attempts FROM event WHERE id IN (SELECT value FROM json_each(?)) "
    "AND held_until IS NULL AND reason IS NULL"
)
_HOLD = sql("UPDATE event SET held_since = ?, held_until = ?, attempts = attempts + 1 WHERE n = ?")
_NEWEST = sql(
    "INSERT INTO newest (kind, id) VALUES ('event', ?) ON CONFLICT (kind) DO UPDATE SET id = excluded.id "
    "WHERE excluded.id > id"
)
_DONE = sql("DELETE FROM event WHERE id IN (SELECT value FROM json_each(?)) AND reason IS NULL")
_AGAIN = sql("UPDATE event SET held_until = ? WHERE id = ? AND reason IS NULL")
_DIED = sql("UPDATE event SET held_until = NULL, reason = ? WHERE id = ? AND reason IS NULL")
_DEAD = sql("SELECT id, kind, doc, attempts, reason FROM event WHERE reason IS NOT NULL ORDER BY id LIMIT ?")


class SqliteOutbox:
    """Waiting events by arrival. Who claims some holds them until a moment, also should the process end meanwhile."""

    def __init__(self, database: Database, new_id: NewId) -> None:
        self._database = database
        self._new_id = new_id
        self._claimable = asyncio.Event()
        self._latest = 0
        self._ending: tuple[list[EventId], asyncio.Task[int]] | None = None
        if database.row(_FREE) is not None:  # left by an earlier process
            self._claimable.set()

    def append(self, transaction: Transaction, events: Sequence[Event]) -> None:
        """The events of a save, in its transaction."""
        for event in events:
            transaction.run(_ADD, (self._new_id(EVENT), kind_of(event), text_of(event)))
        if events:
            transaction.then(self.wake)

    def wake(self) -> None:
        """There may be something to claim."""
        self._claimable.set()

    async def released(self) -> None:
        """For a process that is alone with the file: whoever held events is no more."""

        def work(transaction: Transaction) -> None:
            transaction.run(_RELEASE, (LATEST,))
            transaction.then(self.wake)

        await self._database.write(work)

    async def put(self, event: Event, id: EventId) -> None:  # noqa: A002  (the port's word)
        def work(transaction: Transaction) -> None:
            known = transaction.row(_KNOW, (id,))
            if known is None:
                return
            transaction.run(_FORGET, (known[0] - REMEMBERED,))
            transaction.run(_ADD, (id, kind_of(event), text_of(event)))
            transaction.then(self.wake)

        await self._database.write(work)

    async def claim(
        self, now: datetime, limit: int = 10, *, only: Sequence[EventId] | None = None
    ) -> Sequence[Envelope]:
        present = micros(now)
        if present < self._latest:  # the clock was set back: what is held waits no longer than it would have
            await self._database.write(lambda transaction: transaction.run(_SET_BACK, (present,)))
        self._latest = present
        due = self._database.row(_DUE, (present,))
        if due is None and self._database.row(_FREE) is None:
            self._claimable.clear()
            return ()

        def work(transaction: Transaction) -> Sequence[Envelope]:
            transaction.run(_RELEASE, (present,))
            claimed = []
            if only is None:
                waiting = transaction.rows(_WAITING, (limit,))
            else:
                waiting = sorted(transaction.rows(_NAMED, (as_list(only),)))[:limit]
            for n, id_, kind, doc, attempts in waiting:
                try:
                    event = event_of(kind, doc)
                except ValueError as error:  # one that nobody can read must not keep the others
                    transaction.run(_DIED, (str(error), id_))
                    continue
                transaction.run(_HOLD, (present, micros(now + HOLD), n))
                claimed.append(Envelope(EventId(id_), event, attempts + 1))
            if claimed:
                # A page of a fan-out has its number behind the name of the event that it is of.
                transaction.run(_NEWEST, (max(each.id for each in claimed)[:_NAME],))
            return claimed

        claimed = await self._database.write(work)
        if self._database.row(_FREE) is None:
            self._claimable.clear()
        return claimed

    async def done(self, event: EventId) -> None:
        """Those that are done with at the same time go together."""
        if self._ending is None:
            ended: list[EventId] = []
            self._ending = ended, asyncio.create_task(self._end(ended))
        ended, ending = self._ending
        ended.append(event)
        await asyncio.shield(ending)

    async def _end(self, events: list[EventId]) -> int:
        await asyncio.sleep(0)  # whoever is about to add theirs
        self._ending = None
        return await self._database.write(lambda transaction: transaction.run(_DONE, (as_list(events),)))

    async def failed(self, event: EventId, reason: str, again_at: datetime | None) -> None:
        statement, value = (_DIED, reason) if again_at is None else (_AGAIN, micros(again_at))
        await self._database.write(lambda transaction: transaction.run(statement, (value, event)))

    async def dead(self, limit: int = 100) -> Sequence[tuple[Envelope, str]]:
        """Those that can be read; the register has all."""
        letters = []
        for id_, kind, doc, attempts, reason in self._database.rows(_DEAD, (limit,)):
            with suppress(ValueError):
                letters.append((Envelope(EventId(id_), event_of(kind, doc), attempts), reason))
        return letters

    async def wait(self, timeout_s: float) -> None:
        await set_within(self._claimable, timeout_s)
