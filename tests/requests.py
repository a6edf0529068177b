"""Requests with an idempotency key, made by a process that may die before it answers."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from application.ports import Answer, Idempotency
from domain.errors import DomainError
from tests.strategies import START


class Requests:
    """For a process that has ``idempotency`` open."""

    idempotency: Idempotency

    async def dies_after(self, *effects: Callable[[], Awaitable[object]], key: str = "key") -> None:
        """Somebody is at a request until then, and never answers."""

        async def request() -> None:
            assert await self.idempotency.begin(key, "a", START) is None
            for effect in effects:
                await effect()

        await asyncio.create_task(request())

    async def sent_again(self, at: timedelta, key: str = "key", fingerprint: str = "a") -> Answer | str | None:
        """What comes of the same request: its turn (None), its answer, or the code that refuses it."""

        async def request() -> Answer | str | None:
            try:
                return await self.idempotency.begin(key, fingerprint, START + at)
            except DomainError as error:
                return error.code

        return await asyncio.create_task(request())
