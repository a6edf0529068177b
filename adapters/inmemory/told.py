"""What transcoders and ingests said, until someone has dealt with it."""

import asyncio
import contextlib
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from application.ports import Now, Signal
from domain.processing import Report

T = TypeVar("T")
AGAIN_AFTER = timedelta(minutes=1)
_LOOK_S = 1.0


class InMemoryTold(Generic[T]):
    """In the order in which it came; equal ones are one."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._given: dict[T, datetime | None] = {}
        self._arrived = asyncio.Event()

    def tell(self, said: T) -> None:
        """Add one."""
        self._given.setdefault(said, None)
        self._arrived.set()

    async def next(self) -> T:
        while (said := self._due()) is None:
            self._arrived.clear()
            # One that was given out may become due meanwhile, by a clock that may be moved.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S if self._given else None):
                    await self._arrived.wait()
        return said

    async def settle(self, said: T) -> None:
        self._given.pop(said, None)

    def _due(self) -> T | None:
        now = self._now()
        for said, given in self._given.items():
            if given is None or given + AGAIN_AFTER <= now:
                del self._given[said]
                self._given[said] = now
                return said
        return None


InMemoryReports = InMemoryTold[Report]
InMemorySignals = InMemoryTold[Signal]
