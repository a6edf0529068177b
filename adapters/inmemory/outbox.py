"""Events on their way, and the count of changes that every in-memory repository keeps."""

import asyncio
import heapq
import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import define

from adapters.system import set_within
from application.ports import Envelope, Event, NewId, Waiting
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
    """``turn`` ascends with arrival; ``free_at`` None: nobody holds it."""

    event: Event
    turn: int
    attempts: int = 0
    free_at: datetime | None = None


class InMemoryOutbox:
    """Waiting events: a heap of the free by arrival, a heap of the held by when they come free.

    What is done or failed stays in its heap until it comes to the top, where what ``_waiting`` says decides.
    One event loop, so an append beside a repository's own write is one step.
    """

    def __init__(self, new_id: NewId) -> None:
        self._new_id = new_id
        self._waiting: dict[EventId, _Waiting] = {}
        self._free: list[tuple[int, EventId]] = []
        self._turns = itertools.count()
        self._held: list[tuple[datetime, EventId]] = []
        self._known: dict[EventId, None] = {}
        self._dead: dict[EventId, tuple[Envelope, str]] = {}
        self._claimable = asyncio.Event()

    def append(self, events: Sequence[Event]) -> None:
        """The events of a save; the caller stores its value in the same step."""
        for event in events:
            self._add(EventId(self._new_id(EVENT)), event)

    async def put(self, event: Event, id: EventId) -> None:  # noqa: A002  (the port's word)
        if id not in self._known and id not in self._waiting and id not in self._dead:
            self._add(id, event)

    async def claim(
        self, now: datetime, limit: int = 10, *, only: Sequence[EventId] | None = None
    ) -> Sequence[Envelope]:
        self._release(now)
        claimed: list[Envelope] = []
        if only is not None:
            free = [(each.turn, id_) for id_ in set(only) if (each := self._waiting.get(id_)) and each.free_at is None]
            return [self._claimed(id_, self._waiting[id_], now) for _, id_ in heapq.nsmallest(limit, free)]
        while self._free and len(claimed) < limit:
            _, id_ = heapq.heappop(self._free)
            waiting = self._waiting.get(id_)
            if waiting is not None and waiting.free_at is None:
                claimed.append(self._claimed(id_, waiting, now))
        if not self._free:
            self._claimable.clear()
        return claimed

    async def done(self, event: EventId) -> None:
        self._waiting.pop(event, None)

    async def failed(self, event: EventId, reason: str, again_at: datetime | None) -> None:
        waiting = self._waiting.get(event)
        if waiting is None:
            return
        if again_at is None:
            del self._waiting[event]
            self._dead[event] = (Envelope(event, waiting.event, waiting.attempts), reason)
        else:
            self._hold(event, waiting, again_at)

    async def dead(self, limit: int = 100) -> Sequence[tuple[Envelope, str]]:
        return [self._dead[id_] for id_ in heapq.nsmallest(limit, self._dead)]

    async def wait(self, timeout_s: float) -> None:
        await set_within(self._claimable, timeout_s)

    def kept(self) -> Sequence[Waiting]:
        """All of them, for an archive."""
        waiting = [
            Waiting(id=id_, event=each.event, attempts=each.attempts, again_at=each.free_at)
            for id_, each in self._waiting.items()
        ]
        return waiting + [
            Waiting(id=id_, event=envelope.event, attempts=envelope.attempts, reason=reason)
            for id_, (envelope, reason) in self._dead.items()
        ]

    def admit(self, record: Waiting) -> None:
        """One from an archive."""
        if record.reason is not None:
            self._dead[record.id] = (Envelope(record.id, record.event, record.attempts), record.reason)
            return
        self._add(record.id, record.event)
        waiting = self._waiting[record.id]
        waiting.attempts = record.attempts
        if record.again_at is not None:
            self._hold(record.id, waiting, record.again_at)

    def _add(self, id_: EventId, event: Event) -> None:
        waiting = self._waiting[id_] = _Waiting(event, next(self._turns))
        self._known[id_] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        heapq.heappush(self._free, (waiting.turn, id_))
        self._claimable.set()

    def _claimed(self, id_: EventId, waiting: _Waiting, now: datetime) -> Envelope:
        waiting.attempts += 1
        self._hold(id_, waiting, now + HOLD)
        return Envelope(id_, waiting.event, waiting.attempts)

    def _hold(self, id_: EventId, waiting: _Waiting, until: datetime) -> None:
        waiting.free_at = until
        heapq.heappush(self._held, (until, id_))
        # Events are mostly done with long before their hold runs out; the heap must not fill with them.
        if len(self._held) > 1000 + 2 * len(self._waiting):
            self._held = [(each.free_at, id_) for id_, each in self._waiting.items() if each.free_at is not None]
            heapq.heapify(self._held)

    def _release(self, now: datetime) -> None:
        """Free what was held until now."""
        while self._held and self._held[0][0] <= now:
            free_at, id_ = heapq.heappop(self._held)
            waiting = self._waiting.get(id_)
            if waiting is not None and waiting.free_at == free_at:
                waiting.free_at = None
                heapq.heappush(self._free, (waiting.turn, id_))
