"""The whole app on the memory profile, with people, channels and videos made through the API itself."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from attrs import frozen
from dependency_injector.providers import Object

from adapters.inmemory.container import Memory
from domain.access import Role
from domain.uploads import Limits
from entrypoints.container import Core
from entrypoints.http.app import create_app
from entrypoints.metrics import Metrics
from entrypoints.settings import Settings
from entrypoints.worker import Worker
from tests.identities import signing_keys
from tests.worlds import FakeClock

PUBLIC_URL = "http://hexcast.test"
PASSWORD = "correct horse battery staple"
CLIP = b"hexcast-fake 1280x720 60.0s audio\n"
BROKEN = b"no video at all\n"


@frozen
class Person:
    """Someone with an account. ``headers`` say who they are."""

    id: str
    handle: str
    email: str
    headers: Mapping[str, str]


@frozen
class Scene:
    """Calls of the API, and what else a test needs to make things happen."""

    http: httpx.AsyncClient
    core: Core
    clock: FakeClock

    async def call(
        self, method: str, path: str, body: object = None, *, by: Person | None = None, version: int | None = None,
        **options: Any,
    ) -> httpx.Response:  # fmt: skip
        """A request by someone (or nobody), with a JSON body if one is given."""
        headers = {**(by.headers if by else {}), **options.pop("headers", {})}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        if body is not None:
            options["json"] = body
        return await self.http.request(method, path, headers=headers, **options)

    async def code_for(self, email: str) -> str:
        """The code sent there last."""
        mails = await self.core.adapters.mailbox().sent_to(email)
        return str(mails[0].code)

    async def person(self, handle: str) -> Person:
        """Signed up, confirmed and signed in."""
        email = f"{handle}@example.org"
        account = {"email": email, "password": PASSWORD, "handle": handle, "display_name": handle.title()}
        signed_up = await self.call("POST", "/v1/auth/sign-up", account)
        await self.call("POST", "/v1/auth/confirm", {"email": email, "code": await self.code_for(email)})
        tokens = await self.call("POST", "/v1/auth/sign-in", {"email": email, "password": PASSWORD})
        headers = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
        return Person(signed_up.json()["user_id"], handle, email, headers)

    async def channel(self, owner: Person, handle: str = "films") -> str:
        """A channel's id."""
        opened = await self.call("POST", "/v1/channels", {"handle": handle, "name": handle.title()}, by=owner)
        return str(opened.json()["id"])

    async def announced(self, owner: Person, channel: str, content: bytes = CLIP, **fields: object) -> Any:
        """An upload of a file that has yet to be sent."""
        body = {"channel_id": channel, "filename": "clip.mp4", "content_type": "video/mp4", "size_bytes": len(content)}
        return (await self.call("POST", "/v1/uploads", body | fields, by=owner)).json()

    async def sent(self, upload: Any, content: bytes = CLIP) -> str:
        """The etag of a file in one part, once it is here."""
        answer = await self.http.put(upload["parts"][0]["url"], content=content)
        return answer.headers["etag"]

    async def video(self, owner: Person, channel: str, content: bytes = CLIP, **fields: object) -> str:
        """A video's id, when it was processed; public unless said otherwise."""
        upload = await self.announced(owner, channel, content, **({"visibility": "public"} | fields))
        await self.sent(upload, content)
        await self.call("POST", f"/v1/uploads/{upload['id']}/complete", {}, by=owner)
        await self.settle()
        return str(upload["video_id"])

    async def settle(self) -> None:
        """All that goes on in the background is done: events, transcodes and their reports."""
        worker = Worker(self.core, Metrics())
        adapters = self.core.adapters
        reports, transcoder = adapters.reports(), adapters.transcoder()
        while True:
            delivered = await worker.deliver()
            while transcoder._running:
                await asyncio.wait(transcoder._running.values())
            waiting = [report for report, given in reports._given.items() if given is None]
            for _ in waiting:
                await worker.hear(reports, await reports.next())
            if not delivered and not waiting and not await self.hear(worker):
                return

    async def hear(self, worker: Worker) -> int:
        """All that an ingest said is taken; how much that was."""
        signals = self.core.adapters.signals()
        said = [signal for signal, given in signals._given.items() if given is None]
        for _ in said:
            await worker.take(signals, await signals.next())
        return len(said)


@asynccontextmanager
async def opened(
    limits: Limits | None = None, *, dist: Path | None = None, public_url: str = PUBLIC_URL, **options: Any
) -> AsyncIterator[Scene]:
    """An empty platform, on which mod@example.org moderates and chief@example.org administers; with the web client
    only where a test made one.
    """
    clock = FakeClock()
    settings = Settings(
        profile="memory", public_url=public_url, limits=limits or Limits(), secret="s" * 32,
        founders={"mod@example.org": Role.MODERATOR, "chief@example.org": Role.ADMIN}, **{"rate_limit": 0} | options,
    )  # fmt: skip
    adapters = Memory(public_url=public_url, key=b"k" * 32, machine=Object(clock), keys=Object(signing_keys()))
    core = Core(settings=settings, adapters=adapters)
    app = create_app(core, dist=dist)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=public_url) as http:  # type: ignore[arg-type]  # ASGI's types are looser here
        yield Scene(http, core, clock)
    await adapters.transcoder().aclose()
    adapters.search().close()


def problem(answer: httpx.Response) -> tuple[int, str]:
    """The status and code of an answer that must be a problem document."""
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"]
