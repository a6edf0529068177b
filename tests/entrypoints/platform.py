"""A platform in memory with its API, and what tests do with one."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from attrs import define, frozen
from litestar import Controller, Litestar

from adapters.inmemory.container import Memory
from application.channels import ChannelCard
from domain.access import Actor
from domain.ids import UserId
from entrypoints.container import Core
from entrypoints.http.app import Running, create_app
from entrypoints.metrics import Metrics
from entrypoints.settings import Settings
from entrypoints.worker import Worker
from tests.identities import CHEAP, signing_keys
from tests.worlds import FakeClock

ORIGIN = "https://api.hexcast.test"
KEY = b"k" * 32


@frozen
class Person:
    """Someone signed in: an actor for use cases, headers for requests."""

    actor: Actor
    headers: Mapping[str, str]


@define
class Platform:
    core: Core
    adapters: Memory
    clock: FakeClock
    app: Litestar
    client: httpx.AsyncClient
    worker: Worker
    metrics: Metrics

    async def person(self, handle: str) -> Person:
        """Someone who signed up, confirmed and signed in."""
        address, secret = f"{handle}@mail.test", "correct horse battery"
        user = await self.core.sign_up()(address, secret, handle, handle.title())
        mails = await self.adapters.mailbox().sent_to(address)
        await self.core.confirm_account()(address, str(mails[0].code))
        tokens = await self.core.sign_in()(address, secret)
        return Person(Actor(UserId(user.id), user.roles), {"authorization": f"Bearer {tokens.access}"})

    async def channel(self, owner: Person, handle: str = "meadow") -> ChannelCard:
        return await self.core.open_channel()(owner.actor, handle=handle, name=handle.title())

    async def settle(self) -> None:
        """Let everything that waits happen."""
        while await self.worker.deliver():
            pass


@asynccontextmanager
async def open_platform(
    settings: Settings | None = None, controllers: Sequence[type[Controller]] = ()
) -> AsyncIterator[Platform]:
    settings = settings or Settings(profile="memory", rate_limit=0, public_url=ORIGIN)
    clock = FakeClock()
    adapters = Memory(public_url=ORIGIN, key=KEY, machine=clock, passwords=CHEAP, keys=signing_keys())
    core = Core(settings=settings, adapters=adapters)
    metrics = Metrics()
    worker = Worker(core, metrics)
    app = create_app(core, Running(metrics=metrics, nudge=worker.nudge), controllers=controllers, dist=None)
    try:
        asgi: Any = app  # ASGI's types are looser than Litestar's
        async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url=ORIGIN) as client:
            yield Platform(core, adapters, clock, app, client, worker, metrics)
    finally:
        await adapters.transcoder().aclose()
        adapters.search().close()
