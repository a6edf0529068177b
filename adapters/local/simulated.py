"""An encoder for whoever has none at hand: ffmpeg pushes a test picture, as any encoder would push its own."""

import asyncio
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress

import imageio_ffmpeg

from adapters.local.database import Database, Transaction, sql
from adapters.local.ingest import LOOK_S, SqliteIngest
from adapters.local.told import SqliteSignals
from adapters.rows import value_of
from adapters.system import ticks
from application.ports import NewId, Now, Pretence, Signal
from domain.broadcasts import Happening
from domain.errors import Conflict, Unavailable
from domain.ids import EVENT, BroadcastId
from domain.streams import Stream

START_S = 15.0
_SAID = sql("SELECT said FROM ingest WHERE name = ?")


class RealEncoders:
    """Whichever process is asked: an encoder ends when its connection does."""

    def __init__(
        self, database: Database, ingest: SqliteIngest, signals: SqliteSignals, *, now: Now, new_id: NewId,
        ffmpeg: str | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._ingest = ingest
        self._signals = signals
        self._now = now
        self._new_id = new_id
        self._ffmpeg = ffmpeg or imageio_ffmpeg.get_ffmpeg_exe()
        self._running: set[Process] = set()

    async def simulate(self, stream: Stream, step: Pretence) -> None:
        """Raises Unavailable, too: where nobody listens to encoders."""
        point = await self._ingest.point(stream)
        live = any(each.ingest == stream.ingest for each in await self._ingest.live())
        if step is Pretence.DUPLICATE:
            await self._again(stream)
        elif step in {Pretence.START, Pretence.REORDER}:
            if live:
                raise Conflict("this stream is live already", code="stream_live")
            if step is Pretence.START:
                await self._start(stream, f"{point.server_url}/{point.stream_key}")
            else:
                await self._backwards(stream)
        elif not live:
            raise Conflict("nothing is being broadcast", code="not_live")
        elif step is Pretence.STARVE:
            await self._ingest.wish(stream.ingest, "starve")
        elif step is Pretence.DROP:
            await self._ingest.wish(stream.ingest, "drop")
            await self._until(stream, live=False)
        else:
            await self._ingest.stop(stream)

    async def aclose(self) -> None:
        """None is left."""
        for process in self._running:
            with suppress(ProcessLookupError):
                process.kill()
        await asyncio.gather(*(process.wait() for process in self._running))
        self._running.clear()

    async def _start(self, stream: Stream, address: str) -> None:
        command = [
            self._ffmpeg, "-v", "quiet", "-nostdin", "-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25",
            "-f", "lavfi", "-i", "sine=frequency=440", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
            "-pix_fmt", "yuv420p", "-g", "25", "-b:v", "800k", "-c:a", "aac", "-f", "flv", address,
        ]  # fmt: skip
        self._running = {process for process in self._running if process.returncode is None}
        process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
        self._running.add(process)
        await self._until(stream, live=True)

    async def _until(self, stream: Stream, *, live: bool) -> None:
        until = ticks() + START_S
        while any(each.ingest == stream.ingest for each in await self._ingest.live()) is not live:
            if ticks() > until:
                raise Unavailable("nobody listens to encoders just now", code="ingest_busy")
            await asyncio.sleep(LOOK_S)

    async def _again(self, stream: Stream) -> None:
        row = self._database.row(_SAID, (stream.ingest,))
        if row is None or row[0] is None:
            raise Conflict("nothing was said yet", code="nothing_said")
        said = value_of(row[0], Signal)
        await self._database.write(lambda transaction: self._signals.tell(transaction, said))

    async def _backwards(self, stream: Stream) -> None:
        broadcast, now = BroadcastId(f"st-{self._new_id(EVENT).removeprefix('evt_')}"), self._now()
        kinds = (Happening.SESSION_ENDED, Happening.STREAM_END, Happening.STREAM_START, Happening.SESSION_CREATED)
        said = [
            Signal(id=self._new_id(EVENT), ingest=stream.ingest, broadcast=broadcast, kind=kind, at=now)
            for kind in kinds
        ]

        def work(transaction: Transaction) -> None:
            for each in said:
                self._signals.tell(transaction, each)

        await self._database.write(work)
