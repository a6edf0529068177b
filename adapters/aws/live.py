"""Telling connected clients at once, where no client stays connected: an answer of Lambda's is sent whole (AWS.md 7)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from domain.ids import UserId
from domain.notifications import Notification


class NoLive:
    """Tells nobody. Who listens is at the end at once, and asks again for what came since."""

    async def tell(self, notifications: Sequence[Notification]) -> None:
        """The inbox has them."""

    @asynccontextmanager
    async def listen(self, user: UserId) -> AsyncIterator[AsyncIterator[Notification]]:
        del user
        yield _nothing()

    def close(self) -> None:
        """Nobody listens."""


async def _nothing() -> AsyncIterator[Notification]:
    return
    yield
