"""A line between clients and a server that carries no more than so much, as a network's does."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from queue import Queue

from attrs import define, field

CHUNK = 256 * 1024
GIGABIT = 1_000_000_000 / 8
"""Bytes a second."""


@define
class Line:
    """What goes up shares ``rate`` bytes a second, over all connections; what comes down is not held back."""

    to: int
    rate: float
    port: int = field(init=False, default=0)
    _free_at: float = field(init=False, default=0.0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def open(self) -> Iterator["Line"]:
        opened = Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event]]()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(opened)))
        thread.start()
        loop, closing = opened.get(timeout=10)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(closing.set)
            thread.join()

    async def _serve(self, opened: "Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event]]") -> None:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0, limit=CHUNK)
        self.port = server.sockets[0].getsockname()[1]
        closing = asyncio.Event()
        opened.put((asyncio.get_running_loop(), closing))
        await closing.wait()
        server.close()  # what is still carried ends with the loop

    async def _carry(self, near: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        far, requests = await asyncio.open_connection("127.0.0.1", self.to, limit=CHUNK)
        with contextlib.suppress(OSError):  # either end may hang up
            await asyncio.gather(self._pour(near, requests, held=True), self._pour(far, answers, held=False))

    async def _pour(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, held: bool) -> None:
        loop = asyncio.get_running_loop()
        try:
            while data := await source.read(CHUNK):
                if held:
                    self._free_at = max(loop.time(), self._free_at) + len(data) / self.rate
                    await asyncio.sleep(self._free_at - loop.time())
                target.write(data)
                await target.drain()
        finally:
            target.close()
