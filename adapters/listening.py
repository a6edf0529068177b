"""Who listens right now, in this process."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from domain.ids import UserId
from domain.notifications import Notification

HEARD = 100
"""So many wait for a listener that does not keep up."""


class _Listener:
    """Ends when it is closed."""

    def __init__(self) -> None:
        self._told: deque[Notification] = deque(maxlen=HEARD)
        self._news = asyncio.Event()
        self._closed = False

    def __aiter__(self) -> AsyncIterator[Notification]:
        return self

    async def __anext__(self) -> Notification:
        while not self._told and not self._closed:
            self._news.clear()
            await self._news.wait()
        if self._closed:
            raise StopAsyncIteration
        return self._told.popleft()

    def tell(self, notification: Notification) -> None:
        self._told.append(notification)
        self._news.set()

    def close(self) -> None:
        self._closed = True
        self._news.set()


class InProcessLive:
    """Listeners by user: whoever listens in another process hears nothing.

    Where no answer stays open, as on Lambda, it is ``closed`` from the start: a client is shown what its inbox has
    since the last it saw, then it is at the end, and asks again.
    """

    def __init__(self, *, closed: bool = False) -> None:
        self._listeners: dict[UserId, list[_Listener]] = {}
        self._over = asyncio.Event()
        if closed:
            self._over.set()

    async def tell(self, notifications: Sequence[Notification]) -> None:
        for notification in notifications:
            for listener in self._listeners.get(notification.user, ()):
                listener.tell(notification)

    @asynccontextmanager
    async def listen(self, user: UserId) -> AsyncIterator[AsyncIterator[Notification]]:
        listener = _Listener()
        if self._over.is_set():
            listener.close()
        self._listeners.setdefault(user, []).append(listener)
        try:
            yield listener
        finally:
            listener.close()
            listeners = self._listeners[user]
            listeners.remove(listener)
            if not listeners:
                del self._listeners[user]

    async def rest(self, seconds: float) -> bool:
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({over}, timeout=seconds)
        finally:
            over.cancel()
        return not self._over.is_set()

    def close(self) -> None:
        self._over.set()
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.close()
