"""Read, decide, save, and again when someone else saved in between."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from domain.errors import Stale, VersionMismatch

T = TypeVar("T")
TRIES = 10


class NotYet(Exception):
    """An event is early; it should come again then."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"not before {until}")
        self.until = until


async def settled(step: Callable[[], Awaitable[T]]) -> T:
    """The outcome of ``step``, done again while it raises Stale. Raises Stale when that never ends."""
    for _ in range(TRIES - 1):
        try:
            return await step()
        except VersionMismatch:
            raise
        except Stale:
            continue
    return await step()


def expect(what: str, version: int, wanted: int | None) -> None:
    """Raises VersionMismatch when the client named another version than the stored one."""
    if wanted is not None and wanted != version:
        raise VersionMismatch(what)
