"""From what an encoder sends to segments on the disk: ffmpeg cuts them, and here they are recorded and listed.

A new run of ffmpeg begins wherever decoding has to begin anew: when the encoder says otherwise how to decode, when its
clock jumps, after a run that broke. What is shown and recorded goes on evenly all the same: each run is told when the
one before ended.
"""

import asyncio
import errno
import logging
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from attrs import define, field, frozen

from adapters.local import flv
from adapters.local.durable import remove, sync
from adapters.local.flv import Meter, Unfit, jumped, piece
from adapters.local.hls import Note, Playlist, Segment, segment_name
from adapters.local.rtmp import TIMES, Kind, Media
from application.ports import Now
from domain.errors import Unavailable
from domain.media import AUDIO_BITRATE_BPS, Output, Source, ladder

_log = logging.getLogger(__name__)

INDEX = "index.m3u8"
MASTER = "all.m3u8"
"""Names what is made of it in other sizes, too."""
SEGMENT_S = 1.0
BREAKS_MOST = 5
"""Runs in a row that may break without a segment."""
RUNGS_MOST = 2
_END_S = 5.0
_MOST_BPS = 6_000_000
"""What an encoder is thought to send, where players choose by what they can fetch."""
_PACKET = 188


def no_room() -> Unavailable:
    return Unavailable("there is no room for this just now", code="insufficient_storage")


@define(eq=False)
class Shelf:
    """The files of one take: in ``folder`` what is shown, at ``recording`` all of it in one file, if it is recorded.

    ``rungs`` are the playlists by their folder within ``folder``; "" is what the encoder sends. What it does takes the
    disk's time and is done in a thread.
    """

    folder: Path
    recording: Path | None
    rungs: dict[str, Playlist]

    @classmethod
    def open(cls, folder: Path, recording: Path | None, window_s: float) -> "Shelf":
        """A new one, or the one that is there: up to its last segment. Of a rung that was made of it none goes on."""
        folder.mkdir(parents=True, exist_ok=True)
        if recording is not None:
            recording.parent.mkdir(parents=True, exist_ok=True)
            recording.touch()
        try:
            playlist = Playlist.read((folder / INDEX).read_text(), window_s)
        except FileNotFoundError:
            playlist = Playlist(window_s)
            if recording is not None:  # of a backup, which has no more than this
                playlist.bytes = recording.stat().st_size // _PACKET * _PACKET
        if recording is not None:
            os.truncate(recording, min(playlist.bytes, recording.stat().st_size))
        shelf = cls(folder, recording, {"": playlist})
        shelf.list("")
        return shelf

    @property
    def main(self) -> Playlist:
        return self.rungs[""]

    def add(self, rung: str, segment: Segment) -> None:
        """One that lies in the folder, whole. Raises OSError."""
        playlist, folder = self.rungs[rung], self.folder / rung
        made = folder / segment_name(segment.number)
        if self.recording is not None and not rung:
            playlist.bytes += self._record(made, playlist.bytes)
        for number in playlist.add(segment):
            (folder / segment_name(number)).unlink(missing_ok=True)
        self.list(rung)

    def _record(self, made: Path, at: int) -> int:
        assert self.recording is not None  # noqa: S101  (asked before)
        content = made.read_bytes()
        handle = os.open(self.recording, os.O_WRONLY)
        try:
            done = 0
            while done < len(content):
                done += os.pwrite(handle, content[done:], at + done)
        finally:
            os.close(handle)
        return len(content)

    def list(self, rung: str) -> None:
        """As the playlist stands, whole for whoever reads it meanwhile."""
        self._put(self.folder / rung / INDEX, self.rungs[rung].text())

    def _put(self, path: Path, text: str) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_text(text)
        fresh.rename(path)

    def name_all(self, sizes: Sequence[Output]) -> None:
        """The playlist of playlists: what the encoder sends, the first of them, and what is made of it."""
        lines = ["#EXTM3U", "#EXT-X-VERSION:6"]
        for output in sizes:
            bandwidth = output.max_bitrate_bps + AUDIO_BITRATE_BPS
            rung = f"{output.name}/{INDEX}" if output.name in self.rungs else INDEX
            lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},RESOLUTION={output.width}x{output.height}", rung]
        self._put(self.folder / MASTER, "\n".join((*lines, "")))

    def note(self, note: Note) -> None:
        """Timed metadata, for whoever reads any of the playlists."""
        for rung, playlist in self.rungs.items():
            playlist.notes.append(note)
            self.list(rung)

    def close(self) -> None:
        """No more will come; the recording outlives a power cut."""
        for rung, playlist in self.rungs.items():
            playlist.over = True
            with suppress(
                OSError
            ):  # whoever watches sees no end, which is no reason to keep the recording from its own
                self.list(rung)
        if self.recording is not None:
            os.truncate(self.recording, self.main.bytes)
            sync(self.recording)
            sync(self.recording.parent)
            sync(self.recording.parent.parent)

    def clear(self) -> None:
        """What was shown goes."""
        remove(self.folder)


# --- one run of ffmpeg ----------------------------------------------------------------------------


@frozen
class _Rung:
    """What ffmpeg makes besides what the encoder sends, or just that (``output`` None)."""

    name: str
    output: Output | None


def _command(ffmpeg: str, shelf: Shelf, rungs: Mapping[int, _Rung], run: int, kinds: Sequence[Kind]) -> list[str]:
    """``rungs`` by the file descriptor on which their segments are told."""
    command = [
        ffmpeg, "-v", "error", "-nostdin", "-nostats", "-protocol_whitelist", "pipe", "-probesize", "1000000",
        "-analyzeduration", "1", "-fpsprobesize", "0", "-copyts", "-f", "flv", "-i", "pipe:0",
    ]  # fmt: skip
    for told, rung in rungs.items():
        playlist = shelf.rungs[rung.name]
        for number, kind in enumerate(kinds):
            # The same numbers in every run, so that the recording is one stream whatever comes and goes.
            command += ["-map", f"0:{kind.name[0].lower()}:0", "-streamid", f"{number}:{_PIDS[kind]}"]
        command += _copied() if rung.output is None else _encoded(rung.output)
        inner = f"output_ts_offset={shelf.main.end_s:.3f}:tables_version={run % 32}:mpegts_flags=initial_discontinuity"
        command += [
            "-muxdelay", "0", "-muxpreload", "0", "-f", "segment", "-segment_time", f"{SEGMENT_S}",
            "-segment_time_delta", "0.05", "-segment_format", "mpegts", "-segment_format_options", inner,
            "-segment_list", f"pipe:{told}", "-segment_list_type", "csv", "-segment_start_number", str(playlist.next),
            str(shelf.folder / rung.name / "%08d.ts"),
        ]  # fmt: skip
    return command


_PIDS = {Kind.VIDEO: 256, Kind.AUDIO: 257}


def _copied() -> list[str]:
    return ["-c", "copy"]


def _encoded(output: Output) -> list[str]:
    return [
        "-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-pix_fmt", "yuv420p",
        "-vf", f"scale={output.width}:{output.height},setsar=1", "-b:v", str(output.max_bitrate_bps // 2),
        "-maxrate", str(output.max_bitrate_bps), "-bufsize", str(output.max_bitrate_bps), "-sc_threshold", "0",
        "-force_key_frames", f"expr:gte(t,n_forced*{SEGMENT_S})", "-c:a", "aac", "-ac", "2", "-b:a", str(AUDIO_BITRATE_BPS),
    ]  # fmt: skip


class _Run:
    """ffmpeg, from its first piece on. ``broke`` says why it ended though it should not."""

    def __init__(self, shelf: Shelf, now: Now, base_ms: int) -> None:
        self.base_ms = base_ms
        self.listed = 0
        self._shelf = shelf
        self._began_at = now()
        self._fresh = shelf.main.end_s > 0
        self._errors = b""
        self._trouble: OSError | None = None
        self._process: Process
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, ffmpeg: str, run: int, setups: Mapping[Kind, bytes], outputs: Sequence[Output]) -> None:
        """Raises OSError."""
        kinds = sorted(setups, reverse=True)  # the picture first
        told: dict[int, _Rung] = {}
        heard: list[int] = []
        try:
            for rung in (_Rung("", None), *(_Rung(output.name, output) for output in outputs)):
                reads, writes = os.pipe()
                heard.append(reads)
                told[writes] = rung
            command = _command(ffmpeg, self._shelf, told, run, kinds)
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=DEVNULL, stderr=PIPE, pass_fds=tuple(told)
            )
        except BaseException:
            for handle in heard:
                os.close(handle)
            raise
        finally:
            for handle in told:
                os.close(handle)
        spawn = asyncio.get_running_loop().create_task
        self._tasks = [spawn(self._hear(handle, rung)) for handle, rung in zip(heard, told.values(), strict=True)]
        self._tasks.append(spawn(self._keep_errors()))
        self._write(flv.header(sound=Kind.AUDIO in setups, picture=Kind.VIDEO in setups))
        for kind in kinds:
            self._write(flv.tag(kind, 0, setups[kind]))

    async def write(self, media: Media) -> None:
        """Waits while ffmpeg has enough to do."""
        since = (media.at_ms - self.base_ms) % TIMES
        self._write(flv.tag(media.kind, since if since < TIMES // 2 else 0, media.payload))
        assert self._process.stdin is not None  # noqa: S101  (asked for as a pipe)
        with suppress(ConnectionError):
            await self._process.stdin.drain()

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101  (asked for as a pipe)
        if not self.over:
            self._process.stdin.write(data)

    @property
    def over(self) -> bool:
        return self._process.returncode is not None or self._trouble is not None

    async def end(self) -> None:
        """What it has still goes on the disk. Raises Unavailable (``insufficient_storage``)."""
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101  (asked for as a pipe)
        stdin.close()
        try:
            async with asyncio.timeout(_END_S):
                await self._process.wait()
                await asyncio.gather(*self._tasks)
        except TimeoutError:
            _log.warning("ffmpeg does not end and is killed")
        finally:
            await self.kill()
        if self._process.returncode not in {0, -9} and self._errors:
            _log.warning("ffmpeg ended with %s: %s", self._process.returncode, self._errors.decode(errors="replace"))
        full = self._trouble is not None and self._trouble.errno in {errno.ENOSPC, errno.EDQUOT}
        if full or os.strerror(errno.ENOSPC).encode() in self._errors:
            raise no_room()
        if self._trouble is not None:
            raise self._trouble

    async def kill(self) -> None:
        """No process of it and no task is left."""
        if self._process.returncode is None:
            self._process.kill()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._process.wait()

    async def _hear(self, handle: int, rung: _Rung) -> None:
        """List each segment that ffmpeg says is whole."""
        reader = asyncio.StreamReader()
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(handle, "rb", 0)
        )
        try:
            fresh = self._fresh
            while line := await reader.readline():
                name, start, end = line.decode().strip().split(",")
                begins, seconds = float(start), max(0.001, float(end) - float(start))
                segment = Segment(
                    int(name.partition(".")[0]), seconds, self._began_at + timedelta(seconds=begins), fresh
                )
                await asyncio.to_thread(self._shelf.add, rung.name, segment)
                self.listed, fresh = self.listed + 1, False
        except OSError as error:
            self._trouble = error
        finally:
            pipe.close()

    async def _keep_errors(self) -> None:
        assert self._process.stderr is not None  # noqa: S101  (asked for as a pipe)
        while said := await self._process.stderr.read(4096):
            self._errors = (self._errors + said)[-2000:]


# --- one connection -------------------------------------------------------------------------------


@define(eq=False)
class Feed:
    """What one encoder sends, run by run. ``opening`` gives the shelf, when the first piece is there that can be shown.

    Takes Media; raises Unfit for what cannot be shown, Unavailable (``insufficient_storage``).
    """

    ffmpeg: str
    opening: Callable[[], Awaitable[Shelf]]
    now: Now
    transcoded: bool = False
    meter: Meter = field(factory=Meter)
    shelf: Shelf | None = None
    _setups: dict[Kind, bytes] = field(factory=dict)
    _run: _Run | None = None
    _runs: int = 0
    _breaks: int = 0

    async def take(self, media: Media) -> None:
        what = piece(media)
        if what is None:
            return
        before = self.meter.at_ms
        self.meter.see(media, what)
        if what.setup:
            if self._setups.get(media.kind) != media.payload:
                self._setups[media.kind] = media.payload
                await self.end()
            return
        if media.kind not in self._setups:
            return
        if self._run is not None and (self._run.over or jumped(before, media.at_ms)):
            await self.end()
        if self._run is None:
            if Kind.VIDEO in self._setups and (media.kind is Kind.AUDIO or not what.key):
                return
            await self._begin(media.at_ms)
        assert self._run is not None  # noqa: S101  (it was begun)
        await self._run.write(media)

    async def end(self) -> None:
        """Of a run; another one begins with the next piece that it can begin with."""
        run, self._run = self._run, None
        if run is None:
            return
        broke = run.over
        await run.end()
        self._breaks = self._breaks + 1 if broke and not run.listed else 0
        if self._breaks > BREAKS_MOST:
            raise Unfit("what it sends cannot be read")

    async def abandon(self) -> None:
        """No process is left, whatever becomes of the rest."""
        run, self._run = self._run, None
        if run is not None:
            await run.kill()

    async def _begin(self, base_ms: int) -> None:
        if self.shelf is None:
            self.shelf = await self.opening()
        outputs = self._outputs()
        for output in outputs:
            (self.shelf.folder / output.name).mkdir(exist_ok=True)
            self.shelf.rungs.setdefault(output.name, Playlist(self.shelf.main.window_s))
            self.shelf.list(output.name)
        if outputs and self.meter.size is not None:
            width, height = self.meter.size
            sent = Output(
                "", width, height, outputs[-1].quality, max(_MOST_BPS, *(each.max_bitrate_bps for each in outputs))
            )
            self.shelf.name_all((sent, *reversed(outputs)))
        run = _Run(self.shelf, self.now, base_ms)
        self._runs += 1
        await run.begin(self.ffmpeg, self._runs, self._setups, outputs)
        self._run = run

    def _outputs(self) -> Sequence[Output]:
        """What is made of it besides."""
        if not self.transcoded or self.meter.size is None:
            return ()
        width, height = self.meter.size
        source = Source(width, height, 0.0, 30.0, has_audio=Kind.AUDIO in self._setups)
        return tuple(each for each in ladder(source) if each.height < height)[-RUNGS_MOST:]
