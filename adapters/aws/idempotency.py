"""What was answered to requests that may come twice.

The first write of whoever answers one marks it, in the same transaction (``dynamo.current_request``). That costs a
write of its own, and that first write the double, as a transaction does.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from adapters.aws.dynamo import (
    Item,
    Key,
    Refused,
    Request,
    Tables,
    Write,
    current_request,
    delete,
    expiry,
    put,
    stamp,
    text,
    update,
)
from adapters.aws.shelves import DOC
from adapters.aws.tables import OPS, Operation, pattern
from adapters.repeats import CLAIMED, KEPT, answer_lost, in_flight, reused
from adapters.rows import read_once, text_of
from application.ports import ANSWER_MOST, Answer
from domain.errors import Unavailable

_SPARE = timedelta(minutes=1)
"""Times say to the microsecond when a request is over; what removes the item counts in seconds."""

_BEGIN = pattern("begin, finish or give up a request", Operation.WRITE, OPS, "REQUEST#<key>", "REQUEST")
_MARK = pattern(
    "mark a request that had an effect", Operation.WRITE, OPS, "REQUEST#<key>", "REQUEST", transaction=True
)  # fmt: skip

_NOBODY = text("0")
"""Until before any time."""
_WAITS = f"attribute_exists(#pk) AND attribute_not_exists(#{DOC})"
_FREE = (
    "attribute_not_exists(#pk) OR #at <= :over"
    f" OR (#fingerprint = :fingerprint AND attribute_not_exists(#{DOC}) AND #held <= :now"
    " AND attribute_not_exists(#effected))"
)


class DynamoIdempotency:
    """An item each, that goes a day after it was last touched. To begin is one write, and its refusal says why."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def begin(self, key: str, fingerprint: str, now: datetime) -> Answer | None:
        item = {
            "fingerprint": text(fingerprint), "at": text(stamp(now)), "held": text(stamp(now + CLAIMED)),
            **expiry(now + KEPT + _SPARE),
        }  # fmt: skip
        given = {"over": text(stamp(now - KEPT)), "fingerprint": text(fingerprint), "now": text(stamp(now))}
        try:
            await self._tables.write(put(_BEGIN, _at(key), item, _FREE, **given), effect=False)
        except Refused as refused:
            return _known(refused.there[0] or {}, fingerprint, now)
        mark = update(_MARK, _at(key), "SET #effected = :at", _WAITS, at=text(stamp(now)))
        current_request.set(Request(key, mark))
        return None

    async def finish(self, key: str, answer: Answer, now: datetime) -> None:
        """An answer that comes late counts, unless someone else gave one meanwhile."""
        given = {"at": text(stamp(now)), **expiry(now + KEPT + _SPARE)}
        if len(answer.body) > ANSWER_MOST:
            given |= {"effected": text(stamp(now)), "held": _NOBODY}
        else:
            given[DOC] = text(text_of(answer))
        setting = ", ".join(f"#{name} = :{name}" for name in given)
        await self._settle(key, update(_BEGIN, _at(key), f"SET {setting}", _WAITS, **given))

    async def abandon(self, key: str) -> None:
        """An answer that was given stays."""
        without_effect = f"attribute_not_exists(#{DOC}) AND attribute_not_exists(#effected)"
        if not await self._settle(key, delete(_BEGIN, _at(key), without_effect)):
            await self._settle(key, update(_BEGIN, _at(key), "SET #held = :nobody", _WAITS, nobody=_NOBODY))

    async def _settle(self, key: str, write: Write) -> bool:
        """False when it is refused. The answer is on its way already: if it cannot be kept, whoever asks again is told
        that it was lost, or has the turn when there was no effect.
        """
        request = current_request.get()
        if request is not None and request.key == key:
            request.over = True
        with suppress(Unavailable):
            try:
                await self._tables.write(write, effect=False)
            except Refused:
                return False
        return True


def _known(item: Item, fingerprint: str, now: datetime) -> Answer:
    """The answer that was given. Raises what ``Idempotency.begin`` does."""
    if item["fingerprint"]["S"] != fingerprint:
        raise reused()
    if DOC in item:
        return read_once(item[DOC]["S"], Answer)
    if stamp(now) < item["held"]["S"]:
        raise in_flight()
    raise answer_lost()


def _at(key: str) -> Key:
    return Key(f"REQUEST#{key}", "REQUEST")
