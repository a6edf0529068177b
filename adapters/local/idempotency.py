"""What was answered to requests that may come twice, beside what they brought about."""

import json
from datetime import datetime, timedelta
from functools import partial

from adapters.local.database import Database, Request, Transaction, Values, current_request, micros, sql
from application.ports import Answer
from domain.errors import Conflict, Invalid, Unavailable

KEPT = timedelta(hours=24)
CLAIMED = timedelta(minutes=1)
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
_ABANDON = sql("DELETE FROM request WHERE key = ? AND status IS NULL")
_RELEASE = sql("UPDATE request SET held_until = NULL WHERE held_until > 0")


class SqliteIdempotency:
    """Requests by key. What is written while one is under way marks it, in the same transaction
    (``database.current_request``).
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._late: dict[str, tuple[str, Values]] = {}
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
                    raise Invalid("this Idempotency-Key came with another request", code="idempotency_key_reused")
                if status is not None:
                    return Answer(status, json.loads(headers), body)
                if held_until is not None and present < held_until:
                    if held_until > until:  # begun before the clock was set back
                        transaction.run(_HOLD, (until, key))
                    return _in_flight()
                if effected:
                    raise _answer_lost()
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
        row = (micros(now), answer.status, json.dumps(dict(answer.headers)), answer.body, key)
        await self._settle(key, _FINISH, row)

    async def abandon(self, key: str) -> None:
        """An answer that was given stays."""
        await self._settle(key, _ABANDON, (key,))

    async def _settle(self, key: str, statement: str, values: Values) -> None:
        """The answer is on its way already: that the disk is full now can be told to nobody any more."""
        _end(key)
        try:
            await self._database.write(lambda transaction: transaction.run(statement, values), effect=False)
        except Unavailable:
            self._late[key] = statement, values

    def _catch_up(self, transaction: Transaction) -> None:
        for key, late in tuple(self._late.items()):
            transaction.run(*late)
            transaction.then(partial(self._late.pop, key, None))


def _end(key: str) -> None:
    request = current_request.get()
    if request is not None and request.key == key:
        request.over = True


def _in_flight() -> Conflict:
    return Conflict("the first request with this key is not answered yet", code="idempotency_in_flight")


def _answer_lost() -> Conflict:
    message = (
        "this request was carried out, but its answer was lost; look at what is there, and do not send it again with"
        " another key unless it is not there"
    )
    return Conflict(message, code="idempotency_answer_lost")
