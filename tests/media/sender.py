"""An encoder that does as a test says: any piece at any time, at any pace, or nonsense."""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from attrs import define

from adapters.local.rtmp import HANDSHAKE, Kind, _chunked, _Chunks, decoded, encoded
from domain.streams import IngestPoint

CHUNK = 4096


def tags(film: Path) -> Iterator[tuple[Kind, int, bytes]]:
    """What is in an FLV file, but for what describes it."""
    data, at = film.read_bytes(), 13
    while at < len(data):
        size, time = int.from_bytes(data[at + 1 : at + 4]), int.from_bytes(data[at + 4 : at + 7])
        if data[at] in {Kind.AUDIO, Kind.VIDEO}:
            yield Kind(data[at]), time, data[at + 11 : at + 11 + size]
        at += 15 + size


def message(kind: Kind, stream: int, at_ms: int, payload: bytes, lane: int = 4) -> bytes:
    """In chunks of ``CHUNK`` bytes."""
    whole = bytearray(_chunked(lane, kind, stream, payload))
    whole[1:4] = at_ms.to_bytes(3)
    return bytes(whole)


@define(eq=False)
class Sender:
    reader: StreamReader
    writer: StreamWriter
    at_ms: int = 0
    """Where the next film begins."""
    told: Sequence[object] = ()
    """The last thing that was said to it."""

    @classmethod
    @contextlib.asynccontextmanager
    async def met(cls, point: IngestPoint) -> AsyncIterator["Sender"]:
        """Connected, and no more."""
        where = urlsplit(point.server_url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        try:
            yield cls(reader, writer)
        finally:
            writer.transport.abort()

    @classmethod
    @contextlib.asynccontextmanager
    async def publishing(cls, point: IngestPoint) -> AsyncIterator["Sender"]:
        async with cls.met(point) as sender:
            await sender.ask(point.stream_key)
            assert "NetStream.Publish.Start" in str(sender.told)
            yield sender

    async def ask(self, key: str) -> None:
        """To publish; ``told`` is the answer."""
        self.writer.write(b"\x03" + bytes(HANDSHAKE))
        await self.reader.readexactly(1 + 2 * HANDSHAKE)
        self.writer.write(bytes(HANDSHAKE))
        self.writer.write(message(Kind.COMMAND, 0, 0, encoded("connect", 1.0, {"app": "live"})))
        self.writer.write(message(Kind.CHUNK_SIZE, 0, 0, CHUNK.to_bytes(4)))
        self.writer.write(message(Kind.COMMAND, 0, 0, encoded("createStream", 2.0, None)))
        self.writer.write(message(Kind.COMMAND, 1, 0, encoded("publish", 3.0, None, key, "live")))
        chunks = _Chunks()
        while "onStatus" not in self.told:
            data = await self.reader.read(65536)
            if not data:
                return
            for heard in chunks.feed(data):
                if heard.kind == Kind.CHUNK_SIZE:
                    chunks.size = int.from_bytes(heard.payload)
                elif heard.kind == Kind.COMMAND:
                    self.told = decoded(heard.payload)

    async def send(self, film: Path, *, ms: int = 1 << 30) -> None:
        """All of it at once, or up to a time in it, as if it went on from what was sent before."""
        last = 0
        for kind, time, payload in tags(film):
            if time < ms:
                self.piece(kind, self.at_ms + time, payload)
                last = max(last, time)
                await self.writer.drain()
        self.at_ms += last + 40

    def piece(self, kind: Kind, at_ms: int, payload: bytes) -> None:
        self.writer.write(message(kind, 1, at_ms, payload, lane=4 if kind is Kind.AUDIO else 6))

    async def cut_off(self) -> None:
        """Returns when the other end has closed the connection."""
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                while await self.reader.read(65536):
                    pass
