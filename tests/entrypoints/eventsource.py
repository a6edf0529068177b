"""Streams of server-sent events, read as they are sent: httpx's own transport waits for the whole answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from attrs import define, field

from tests.entrypoints.scenes import Scene


@define
class EventSource:
    """A browser's end of a stream, as it reads what the app sends."""

    status: int
    headers: dict[str, str]
    _chunks: "asyncio.Queue[bytes]"
    _text: str = field(default="", init=False)

    async def block(self) -> dict[str, str]:
        """The next event or comment (under "") by field."""
        while "\n\n" not in self._text:
            self._text += (await self._chunks.get()).decode()
        block, _, self._text = self._text.partition("\n\n")
        return dict(line.partition(": ")[::2] for line in block.split("\n"))

    async def ended(self) -> bool:
        """Whether nothing more comes, and the answer is at its end."""
        return await self._chunks.get() == b"" and self._chunks.empty()


@asynccontextmanager
async def connected(scene: Scene, path: str, query: str = "", **headers: str) -> AsyncIterator[EventSource]:
    """A stream as long as the context is open; then the client goes away, and the app must be done with it."""
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    begun: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    gone = asyncio.Event()
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        message = next(asked, None)
        if message is None:
            await gone.wait()
            message = {"type": "http.disconnect"}
        return message

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            begun.set_result(message)
        else:
            chunks.put_nowait(message["body"])

    app = scene.http._transport.app  # type: ignore[attr-defined]  # the app that the scene's client calls
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": query.encode(),
        "headers": [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("hexcast.test", 80), "state": {},
    }  # fmt: skip
    answering = asyncio.ensure_future(app(scope, receive, send))
    start = await begun
    yield EventSource(
        start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, chunks
    )  # fmt: skip
    gone.set()
    await answering
