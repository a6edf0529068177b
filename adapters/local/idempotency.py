"""What was answered to requests that may come twice, beside what they brought about."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from adapters.local.database import Database, Request, Transaction, Values, current_request, micros, sql
from adapters.repeats import CLAIMED, KEPT, answer_lost, in_flight, reused
from application.ports import ANSWER_MOST, Answer
from domain.errors import Conflict, Unavailable

FORGET_MOST = 100
"""Each request that begins forgets so many that are over, which is more than it adds."""

_FORGET = sql("DELETE FROM request WHERE key IN (SELECT key FROM request WHERE at <= ? ORDER BY at LIMIT ?)")
_KNOWN = sql(
    "SELECT fingerprint, held_until, effected, status, headers, body FROM request WHERE key = ? AND at > ?"
)  # fmt: skip
_BEGIN = sql(
    "INSERT INTO request (key, fingerprint, at, held_until) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
    " fingerprint = excluded.fingerprint, at = excluded.at, held_until = excluded.held_until, effected = 0,"
    " status = NULL, headers = NULL, body = NULL"
)
_HOLD = sql("UPDATE request SET held_until = ? WHERE key = ?")
_FINISH = sql(
    "UPDATE request SET at = ?, held_until = NULL, status = ?, headers = ?, body = ? WHERE key = ? AND status IS NULL"
)
_LOSE = sql("UPDATE request SET at = ?, held_until = NULL, effected = 1 WHERE key = ? AND status IS NULL")
_ABANDON = sql("DELETE FROM request WHERE key = ? AND status IS NULL AND effected = 0")
_FREE = sql("UPDATE request SET held_until = NULL WHERE key = ? AND status IS NULL")
_RELEASE = sql("UPDATE request SET held_until = NULL WHERE held_until > 0")


class SqliteIdempotency:
    """Requests by key. What is written while one is under way marks it, in the same transaction
    (``database.current_request``).
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._late: dict[str, Sequence[tuple[str, Values]]] = {}
        """How requests ended that could not be stored then: it is when the next one begins."""

    async def released(self) -> None:
        """What nobody finished is free at once. For whoever has just opened the file and knows that no other process
        has it open: those that were at it are dead.
        """
        await self._database.write(lambda transaction: transaction.run(_RELEASE), effect=False)

    async def begin(self, key: str, fingerprint: str, now: datetime) -> Answer | None:
        present, over, until = micros(now), micros(now - KEPT), micros(now + CLAIMED)

        def work(transaction: Transaction) -> Answer | Conflict | None:
            self._catch_up(transaction)
            transaction.run(_FORGET, (over, FORGET_MOST))
            known = transaction.row(_KNOWN, (key, over))
            if known is not None:
                before, held_until, effected, status, headers, body = known
                if before != fingerprint:
                    raise reused()
                if status is not None:
                    return Answer(status, json.loads(headers), body)
                if held_until is not None and present < held_until:
                    if held_until > until:  # begun before the clock was set back
                        transaction.run(_HOLD, (until, key))
                    return in_flight()
                if effected:
                    raise answer_lost()
            transaction.run(_BEGIN, (key, fingerprint, present, until))
            return None

        answer = await self._database.write(work, effect=False)
        if isinstance(answer, Conflict):
            raise answer
        if answer is None:
            current_request.set(Request(key))
        return answer

    async def finish(self, key: str, answer: Answer, now: datetime) -> None:
        """An answer that comes late counts, unless someone else gave one meanwhile."""
        if len(answer.body) > ANSWER_MOST:
            await self._settle(key, (_LOSE, (micros(now), key)))
            return
        row = (micros(now), answer.status, json.dumps(dict(answer.headers)), answer.body, key)
        await self._settle(key, (_FINISH, row))

    async def abandon(self, key: str) -> None:
        """An answer that was given stays."""
        await self._settle(key, (_ABANDON, (key,)), (_FREE, (key,)))

    async def _settle(self, key: str, *steps: tuple[str, Values]) -> None:
        """The answer is on its way already: that the disk is full now can be told to nobody any more."""
        _end(key)

        def work(transaction: Transaction) -> None:
            for step in steps:
                transaction.run(*step)

        try:
            await self._database.write(work, effect=False)
        except Unavailable:
            self._late[key] = steps

    def _catch_up(self, transaction: Transaction) -> None:
        for key, late in tuple(self._late.items()):
            for step in late:
                transaction.run(*step)
            transaction.then(partial(self._late.pop, key, None))


def _end(key: str) -> None:
    request = current_request.get()
    if request is not None and request.key == key:
        request.over = True
