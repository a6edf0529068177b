"""Events on their way, stored in the transaction of what caused them.

The table's stream hands each to ``on_outbox`` at once, who claims it by name. What the stream lost, or nobody finished,
is found by when it comes free: an index of those that are neither done nor dead, spread over partitions
(``adapters.aws.lists``).
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from attrs import evolve

from adapters.aws.dynamo import (
    NEW,
    Item,
    Key,
    Refused,
    Tables,
    Value,
    Write,
    expiry,
    key_of,
    live,
    number,
    put,
    text,
    update,
)
from adapters.aws.lists import entry, merged, place, sharded, shards, up_to
from adapters.aws.shelves import DOC
from adapters.aws.tables import G1, G2, OPS, Operation, Pattern, pattern
from adapters.rows import event_of, kind_of, text_of
from adapters.system import set_within
from application.ports import Envelope, Event, NewId, Now, Waiting
from domain.ids import EVENT, EventId

_log = logging.getLogger(__name__)

HOLD = timedelta(minutes=1)
REMEMBERED = timedelta(days=1)
"""How long an event that is done with is known."""
PREFIX, SORT = "EVENT#", "EVENT"

_PUT = pattern("store an event", Operation.WRITE, OPS, "EVENT#<event>", SORT, indices=(G1,), transaction=True)
_MOVE = pattern("claim, finish or put off an event", Operation.WRITE, OPS, "EVENT#<event>", SORT, indices=(G1,))
_DIE = pattern("put a dead letter aside", Operation.WRITE, OPS, "EVENT#<event>", SORT, indices=(G1, G2))
_SOME = pattern("events by id", Operation.MANY, OPS, "EVENT#<event>", SORT, strong=True, items=10)
_DUE = pattern(
    "events that are free, by since when", Operation.QUERY, OPS, "DUE#<shard>", "<free at>#<event>", index=G1, items=10
)
_DEAD = pattern("dead letters, the oldest first", Operation.QUERY, OPS, "DEAD", "<event>", index=G2, items=10)

_WAITING = f"attribute_exists(#{G1.pk})"


class DynamoOutbox:
    """An item each. One that is done with stays for a day without its event, so that it is not taken for a new one."""

    def __init__(self, tables: Tables, new_id: NewId, now: Now) -> None:
        self._tables = tables
        self._new_id = new_id
        self._now = now
        self._claimable = asyncio.Event()

    def storing(self, events: Iterable[Event]) -> Sequence[Write]:
        """The writes for the events of a save, to be part of its transaction."""
        writes = [self._storing(event, EventId(self._new_id(EVENT))) for event in events]
        if writes:
            self._claimable.set()
        return writes

    async def put(self, event: Event, id: EventId) -> None:  # noqa: A002  (the port's word)
        with suppress(Refused):
            await self._tables.write(evolve(self._storing(event, id), condition=NEW))
        self._claimable.set()

    async def claim(
        self, now: datetime, limit: int = 10, *, only: Sequence[EventId] | None = None
    ) -> Sequence[Envelope]:
        free = await (self._free(now, limit) if only is None else self._free_of(now, limit, only))
        if not free and only is None:
            self._claimable.clear()
        claimed = await asyncio.gather(*(self._claim(item, now) for item in free))
        return [each for each in claimed if each is not None]

    async def done(self, event: EventId) -> None:
        gone = f"SET #expires = :expires REMOVE #{G1.pk}, #{G1.sk}, #{DOC}"
        await self._move(_MOVE, event, gone, expires=expiry(self._now() + REMEMBERED)["expires"])

    async def failed(self, event: EventId, reason: str, again_at: datetime | None) -> None:
        if again_at is not None:
            await self._move(_MOVE, event, f"SET #{G1.sk} = :free", free=text(place(again_at, event)))
            return
        dies = f"SET #reason = :reason, #{G2.pk} = :dead, #{G2.sk} = :id REMOVE #{G1.pk}, #{G1.sk}"
        await self._move(_DIE, event, dies, reason=text(reason), dead=text("DEAD"), id=text(event))

    async def dead(self, limit: int = 100) -> Sequence[tuple[Envelope, str]]:
        """Those that can be read."""
        letters = []
        for item in await self._tables.query(_DEAD, "DEAD", limit=limit):
            with suppress(ValueError):
                letters.append((_envelope(item, int(item["attempts"]["N"])), item["reason"]["S"]))
        return letters

    async def wait(self, timeout_s: float) -> None:
        await set_within(self._claimable, timeout_s)

    def kept(self, item: Item) -> Waiting | None:
        """Raises ValueError for an event that this version does not know."""
        if key_of(item).sk != SORT or DOC not in item:
            return None
        envelope = _envelope(item, int(item["attempts"]["N"]))
        free_at = None if G1.sk not in item else datetime.fromisoformat(item[G1.sk]["S"].partition("#")[0])
        return Waiting(
            id=envelope.id, event=envelope.event, attempts=envelope.attempts,
            again_at=None if free_at is None or free_at <= self._now() else free_at,
            reason=item["reason"]["S"] if G2.pk in item else None,
        )  # fmt: skip

    async def admit(self, waiting: Waiting) -> None:
        """One from an archive. Raises Refused."""
        write = self._storing(waiting.event, waiting.id, waiting.attempts, waiting.again_at)
        if waiting.reason is None:
            await self._tables.write(evolve(write, condition=NEW))
            return
        letter = {name: value for name, value in write.item.items() if name not in (G1.pk, G1.sk)}
        letter |= {"reason": text(waiting.reason), **entry(G2, "DEAD", waiting.id)}
        await self._tables.write(put(_DIE, write.key, letter, NEW))

    def _storing(self, event: Event, id_: EventId, attempts: int = 0, free_at: datetime | None = None) -> Write:
        item = {
            "kind": text(kind_of(event)), DOC: text(text_of(event)), "attempts": number(attempts),
            **entry(G1, sharded("DUE", id_), place(free_at or self._now(), id_)),
        }  # fmt: skip
        return put(_PUT, _at(id_), item)

    async def _free(self, now: datetime, limit: int) -> Sequence[Item]:
        return await merged(self._tables, _DUE, shards("DUE"), below=up_to(now), limit=limit, step=limit)

    async def _free_of(self, now: datetime, limit: int, events: Sequence[EventId]) -> Sequence[Item]:
        found = await self._tables.many(_SOME, map(_at, events))
        free = [item for item in found.values() if live(item, now) and G1.sk in item and item[G1.sk]["S"] < up_to(now)]
        return sorted(free, key=lambda item: item[G1.sk]["S"])[:limit]

    async def _claim(self, item: Item, now: datetime) -> Envelope | None:
        """None when someone else was sooner."""
        id_, attempts = _id(item), int(item["attempts"]["N"]) + 1
        try:
            await self._tables.write(
                update(
                    _MOVE, _at(id_), f"SET #{G1.sk} = :held, #attempts = :attempts",
                    f"#{G1.sk} = :free", held=text(place(now + HOLD, id_)), attempts=number(attempts),
                    free=item[G1.sk],
                )
            )  # fmt: skip
            return _envelope(item, attempts)
        except Refused:
            return None
        except ValueError as error:  # one that nobody can read must not keep the others
            _log.error("event %s is put aside: %s", id_, error)
            await self.failed(id_, str(error), None)
            return None

    async def _move(self, asked: Pattern, event: EventId, expression: str, **values: Value) -> None:
        """Unless it is done with, or dead."""
        with suppress(Refused):
            write = update(asked, _at(event), expression, _WAITING, **values)
            await self._tables.write(write)


def _at(event: EventId) -> Key:
    return Key(f"{PREFIX}{event}", SORT)


def _id(item: Item) -> EventId:
    return EventId(item["pk"]["S"].removeprefix(PREFIX))


def _envelope(item: Item, attempts: int) -> Envelope:
    return Envelope(_id(item), event_of(item["kind"]["S"], item[DOC]["S"]), attempts)
