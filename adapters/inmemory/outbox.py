"""Events on their way, and the count of changes that every in-memory repository keeps."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import define, evolve
from sortedcontainers import SortedDict

from application.ports import Envelope, Event, NewId
from domain.ids import EVENT, EventId

HOLD = timedelta(minutes=1)
REMEMBERED = 100_000


class Changes:
    """Counts writes: as long as it stands still, nothing that was read has changed."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> int:
        return self.count

    def note(self) -> None:
        self.count += 1


@define
class _Waiting:
    envelope: Envelope
    held_until: datetime | None = None


class InMemoryOutbox:
    """Waiting events by id. One event loop, so an append beside a repository's own write is one step."""

    def __init__(self, new_id: NewId) -> None:
        self._new_id = new_id
        self._waiting: SortedDict[EventId, _Waiting] = SortedDict()
        self._known: dict[EventId, None] = {}
        self._dead: dict[EventId, tuple[Envelope, str]] = {}
        self._arrived = asyncio.Event()

    def append(self, events: Sequence[Event]) -> None:
        """The events of a save; the caller stores its value in the same step."""
        for event in events:
            self._add(EventId(self._new_id(EVENT)), event)

    async def put(self, event: Event, id: EventId) -> None:  # noqa: A002  (the port's word)
        if id not in self._known:
            self._add(id, event)

    async def claim(self, now: datetime, limit: int = 10) -> Sequence[Envelope]:
        free: list[Envelope] = []
        for id_, waiting in self._waiting.items():
            if waiting.held_until is not None and waiting.held_until > now:
                continue
            waiting.held_until = now + HOLD
            free.append(waiting.envelope)
            self._waiting[id_].envelope = evolve(waiting.envelope, attempts=waiting.envelope.attempts + 1)
            if len(free) == limit:
                break
        return free

    async def done(self, event: EventId) -> None:
        self._waiting.pop(event, None)

    async def failed(self, event: EventId, reason: str, again_at: datetime | None) -> None:
        waiting = self._waiting.get(event)
        if waiting is None:
            return
        if again_at is None:
            del self._waiting[event]
            # ``attempts`` already counts the delivery to come, which there will not be.
            self._dead[event] = (evolve(waiting.envelope, attempts=waiting.envelope.attempts - 1), reason)
        else:
            waiting.held_until = again_at

    async def dead(self, limit: int = 100) -> Sequence[tuple[Envelope, str]]:
        return list(self._dead.values())[:limit]

    async def wait(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._arrived.wait()
        except TimeoutError:
            return
        self._arrived.clear()

    def _add(self, id_: EventId, event: Event) -> None:
        self._waiting[id_] = _Waiting(Envelope(id_, event))
        self._known[id_] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        self._arrived.set()
