"""The ingest of one machine with real encoders: ffmpeg, pushing little films over and over."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from attrs import define, evolve, field, frozen

from adapters.local.container import Local, opened
from adapters.local.hls import Playlist
from adapters.local.ingest import RtmpSettings, SqliteIngest
from adapters.local.station import Station
from adapters.local.told import SqliteSignals
from application.ports import Signal
from domain.broadcasts import Happening
from domain.ids import ChannelId, StreamId
from domain.streams import Stream, live_prefix
from tests.journey.server import free_port
from tests.media.films import FFMPEG, ffmpeg, picture, tone
from tests.strategies import START

PATIENCE_S = 60.0


async def until(what: str, condition: Callable[[], object]) -> None:
    """Returns once it holds; fails if it does not in time."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110  (files, rows and processes tell nobody)
                await asyncio.sleep(0.02)
    except TimeoutError:
        message = f"waited in vain for {what}"
        raise AssertionError(message) from None


def clip(
    folder: Path,
    name: str,
    size: str = "320x180",
    *,
    seconds: int = 4,
    key_every: int = 25,
    sound: bool = True,
    codec: str = "libx264",
) -> Path:
    """As an encoder sends it, 25 pictures a second, made once."""
    path = folder / f"{name}.flv"
    if not path.exists():
        ffmpeg(
            *picture(size, seconds), *(tone(seconds) if sound else []), "-c:v", codec, "-preset", "ultrafast",
            "-pix_fmt", "yuv420p", "-g", str(key_every), "-keyint_min", str(key_every), "-c:a", "aac", str(path),
        )  # fmt: skip
    return path


def sound(folder: Path) -> Path:
    path = folder / "sound.flv"
    if not path.exists():
        ffmpeg(*tone(4), "-c:a", "aac", str(path))
    return path


@define(eq=False)
class Encoder:
    """ffmpeg that pushes a film, at the pace of its time."""

    process: asyncio.subprocess.Process

    @classmethod
    async def push(cls, film: Path, server_url: str, key: str, *, once: bool = False) -> "Encoder":
        loop = [] if once else ["-stream_loop", "-1"]
        command = [FFMPEG, "-v", "error", "-nostdin", "-re", *loop, "-i", str(film), "-c", "copy", "-f", "flv"]
        address = f"{server_url}/{key}"
        return cls(
            await asyncio.create_subprocess_exec(
                *command, address, stderr=asyncio.subprocess.DEVNULL, stdin=asyncio.subprocess.DEVNULL
            )
        )

    async def drop(self) -> None:
        """As if its machine had lost power."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def end(self) -> int:
        """As a person ends it; or as it was ended already. The exit status."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        return await self.process.wait()

    async def gone(self) -> int:
        """When it was turned away, or has sent all."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()


@frozen
class Machine:
    """``said`` grows by what the ingest says."""

    data: Path
    container: Local
    said: list[Signal]
    encoders: list[Encoder] = field(factory=list)

    @property
    def ingest(self) -> SqliteIngest:
        ingest: SqliteIngest = self.container.ingest()
        return ingest

    @property
    def station(self) -> Station:
        station: Station = self.container.station()
        return station

    async def stream(self, number: int = 1, *, record: bool = True, window_s: int = 60) -> Stream:
        """One that the ingest knows."""
        stream = Stream(
            id=StreamId(f"str_{number}"), channel=ChannelId("chn_cats"), title="Cats", created_at=START, record=record,
            reconnect_window_s=window_s,
        )  # fmt: skip
        return evolve(stream, ingest=await self.ingest.open(stream))

    async def push(self, film: Path, stream: Stream, *, key: str | None = None, once: bool = False) -> Encoder:
        point = await self.ingest.point(stream)
        encoder = await Encoder.push(film, point.server_url, key or point.stream_key, once=once)
        self.encoders.append(encoder)
        return encoder

    def kinds(self, stream: Stream | None = None) -> list[Happening]:
        return [each.kind for each in self.said if stream is None or each.ingest == stream.ingest]

    def heard(self, kind: Happening, stream: Stream | None = None) -> list[Signal]:
        return [each for each in self.said if each.kind is kind and (stream is None or each.ingest == stream.ingest)]

    def over(self, stream: Stream) -> bool:
        return Happening.SESSION_ENDED in self.kinds(stream)

    def folders(self, stream: Stream) -> list[Path]:
        """Of its takes, oldest first."""
        top = self.data / "media" / "media" / live_prefix(stream.id)
        return sorted(top.iterdir()) if top.is_dir() else []

    def playlist(self, stream: Stream) -> Playlist:
        """The latest; empty when there is none yet."""
        folders = self.folders(stream)
        path = folders[-1] / "index.m3u8" if folders else None
        return Playlist.read(path.read_text(), 1e9) if path and path.exists() else Playlist(1e9)

    def listed(self, stream: Stream, segments: int) -> Callable[[], bool]:
        return lambda: len(self.playlist(stream).segments) >= segments

    def recording(self, signal: Signal) -> Path:
        return self.data / "media" / str(signal.detail["source"])


@asynccontextmanager
async def machine(
    data: Path, *, port: int = 0, listening: bool = True, most: int = 50, window_s: float = 120.0,
    transcoded: bool = False, heard: bool = True,
) -> AsyncIterator[Machine]:  # fmt: skip
    port = port or free_port()
    rtmp = RtmpSettings(
        port=port, url=f"rtmp://127.0.0.1:{port}/live", most=most, window_s=window_s,
        transcoded=transcoded,
    )  # fmt: skip
    async with opened(
        public_url="http://hexcast.test", secret=None, data=data, transcode_jobs=1, shared=False, rtmp=rtmp
    ) as container:
        here = Machine(data, container, [])
        tasks = [asyncio.create_task(_listen(container.signals(), here.said))] if heard else []
        if listening:
            tasks.append(asyncio.create_task(here.station.run()))
            await here.station.listening.wait()
        try:
            yield here
        finally:
            for encoder in here.encoders:
                await encoder.drop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(signals: SqliteSignals, said: list[Signal]) -> None:
    while True:
        signal = await signals.next()
        await signals.settle(signal)
        said.append(signal)
