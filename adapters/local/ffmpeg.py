"""The transcoder of one machine: ffmpeg as child processes, few at a time."""

import asyncio
import errno
import logging
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from attrs import define, evolve, field, frozen
from PIL import Image, ImageStat

from adapters.local import encode
from adapters.local.disk import DiskMedia
from adapters.local.durable import ended
from adapters.local.jobs import Hold, JobQueue, Lost, Standing
from adapters.local.source import Probed, Refused, probed
from adapters.local.told import LOOK_S
from adapters.playlists import AUDIO_CODECS, SILENCE, Board, Stream, master_playlist
from adapters.system import Seldom
from application.ports import TranscodeOrder
from domain.errors import Unavailable
from domain.ids import JobId
from domain.media import (
    FIRST_MANIFEST,
    MANIFEST,
    POSTER,
    STORYBOARD,
    Media,
    Output,
    Rendition,
    attempt_prefix,
    ladder,
    progress,
)
from domain.processing import NEXT, Failure, Report, State

_log = logging.getLogger(__name__)

DEATHS_MOST = 10
"""A source that so many processes did not outlive is tried no more."""
_SILENT_S = 300.0
_STOP_S = 3.0
FIRST, REST = 0, 1
NICE, NICEST = 10, 19
"""Below what serves requests; and the rest of a ladder below its first rung, which someone waits for."""
_TOO_MANY_ERRORS = 69
"""ffmpeg's own status when it could not decode most of what it read."""
_M3U8 = "application/vnd.apple.mpegurl"


def _unforeseen(error: Exception) -> Exception | None:
    """With what leads to it, unless it is only that the disk is full or the database busy."""
    return None if isinstance(error, Unavailable) else error


async def _nothing(_: float) -> None:
    """Where nobody needs to hear how far it is."""


class _Broke(Exception):
    """The encoder came to nothing, perhaps through no fault of the file."""


class _NoRoom(Exception):
    """The disk is full: that is no fault of the file either, and trying again at once would not help."""


@define(eq=False)
class _Job:
    """A run of it. ``report`` is the last thing that was said of the job, by this run or by one before it."""

    hold: Hold
    report: Report
    task: asyncio.Task[None] | None = None
    stopping: bool = False
    made: list[tuple[Rendition, Stream]] = field(factory=list)
    audio: Stream | None = None
    duration_s: float = 0.0
    poster: bool = False
    storyboard: bool = False

    @property
    def prefix(self) -> str:
        return attempt_prefix(self.hold.order.video, self.hold.order.attempt)

    def stop(self) -> None:
        """Once: what a run does at its end must not be broken off."""
        if self.task is not None and not self.stopping:
            self.stopping = True
            # After its first step, if that is still to come: one that never began would not end as it should.
            self.task.get_loop().call_soon(self.task.cancel)


@frozen
class _Work:
    """What a job works on: the source, a folder that nobody sees, and the percentage that the first run is."""

    probed: Probed
    source: Path
    scratch: Path
    share: float
    done: list[float] = field(factory=lambda: [0.0, 0.0])
    """How much of each run is done, 0 to 1."""


class FfmpegTranscoder:
    """Up to ``jobs`` sources at once, in this process as long as it is in ``run``, and in others that work off the same
    queue, together.

    A job that was begun goes on in the next run where its first rendition is shown already, and else from the start.
    Encoders run at a low priority, so that requests are served meanwhile, and end with this process.
    """

    def __init__(
        self, media: DiskMedia, queue: JobQueue, *, jobs: int = 1, max_duration_s: float = 12 * 3600,
        ffmpeg: str | None = None, look_s: float = LOOK_S,
    ) -> None:  # fmt: skip
        """Every ``look_s`` it is seen what other processes did."""
        self._media = media
        self._queue = queue
        self._most = jobs
        self._max_duration_s = max_duration_s
        self._ffmpeg = ffmpeg or imageio_ffmpeg.get_ffmpeg_exe()
        self._look_s = look_s
        self._before = [
            *(["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []),
        ]
        self._nice = shutil.which("nice")
        self._running: set[_Job] = set()
        self._closed = False
        self._seldom = Seldom()

    async def start(self, order: TranscodeOrder) -> JobId:
        return await self._queue.add(order)

    async def status(self, job: JobId) -> Report | None:
        return await self._queue.status(job)

    async def cancel(self, job: JobId) -> None:
        """Returns when it is stopped, if it runs in this process."""
        left = await self._queue.cancel(job)
        for each in [each for each in self._running if each.hold.job == job]:
            if each.task is not None and self._queue.standing(each.hold) is not Standing.HELD:
                each.stop()
                await _over(each.task)
        if left is not None:
            await self._clear(left)

    async def run(self) -> None:
        """Work off the queue, until cancelled: then no child process is left, and what was under way waits again."""
        try:
            while True:
                # Never broken off: a job that was claimed has to be known here.
                await _unbroken(self._round())
                await self._queue.wait(self._look_s)
        finally:
            await _unbroken(self._stop_all())

    async def aclose(self) -> None:
        """Run nothing any more; no child process is left."""
        self._closed = True
        await self._stop_all()

    async def _round(self) -> None:
        """See how the jobs stand that run here, and take up others."""
        try:
            for job in tuple(self._running):
                if await self._queue.keep(job.hold) is not Standing.HELD:
                    job.stop()
            while len(self._running) < self._most and not self._closed:
                hold = await self._queue.claim(self._most)
                if hold is None:
                    return
                self._begin(hold)
        except Exception as error:  # noqa: BLE001  (whatever it is, the next round may go well)
            if self._seldom.due(repr(error)):
                _log.warning("looking for something to transcode failed: %s", error, exc_info=_unforeseen(error))

    def _begin(self, hold: Hold) -> None:
        job = _Job(hold, hold.report)
        self._running.add(job)

        def over(_: object) -> None:
            self._running.discard(job)
            self._queue.wake()

        job.task = asyncio.get_running_loop().create_task(self._run(job))
        job.task.add_done_callback(over)

    async def _stop_all(self) -> None:
        running = tuple(self._running)
        for job in running:
            job.stop()
        for job in running:
            if job.task is not None:
                await _over(job.task)

    # --- one job

    async def _run(self, job: _Job) -> None:
        try:
            failure = await self._failure(job)
            if failure is not None:
                await self._queue.renew(job.hold)
                await _unbroken(self._media.remove_prefix(job.prefix))
                await self._say(job, State.FAILED, failure=failure)
        except _NoRoom:
            await self._pause(job)
        except Lost:
            _log.info("%s is no longer for this process to transcode", job.report.job)
        except Exception as error:  # noqa: BLE001  (whatever it is, the hold runs out, and someone tries again)
            _log.warning("how transcoding %s ended could not be stored: %s", job.report.job, error, exc_info=error)
        finally:
            await _unbroken(self._part(job))

    async def _pause(self, job: _Job) -> None:
        """Leave it until there may be room; to store that takes room, too."""
        _log.warning("transcoding %s waits: the disk is full", job.report.job)
        while True:
            try:
                await self._queue.pause(job.hold)
            except Unavailable:
                await asyncio.sleep(self._look_s)
            except Lost:
                return
            else:
                return

    async def _part(self, job: _Job) -> None:
        """Leave a job that is over, or be it only for this process."""
        try:
            standing = self._queue.standing(job.hold)
            if standing is Standing.CANCELLED:
                await self._clear(job.hold)
            elif standing is Standing.HELD and job.stopping:
                await self._queue.release(job.hold)
        except Exception as error:  # noqa: BLE001  (as above)
            _log.warning("%s is left until its hold runs out: %s", job.report.job, error, exc_info=error)

    async def _clear(self, hold: Hold) -> None:
        await self._media.remove_prefix(attempt_prefix(hold.order.video, hold.order.attempt))
        await self._queue.drop(hold)

    async def _failure(self, job: _Job) -> Failure | None:
        """Transcode it. Raises Lost, _NoRoom."""
        try:
            await self._transcode(job)
        except Refused as refused:
            return refused.failure
        except _Broke as broke:
            return Failure("encoder_failed", str(broke), transient=True)
        except (Lost, _NoRoom):
            raise
        except Unavailable as error:  # of the queue or the store, not of the job
            if error.code == "insufficient_storage":
                raise _NoRoom from error
            raise
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise _NoRoom from error
            _log.warning("transcoding %s broke off: %s", job.report.job, error)
            return Failure("encoder_failed", "the encoder could not be run", transient=True)
        except Exception:  # noqa: BLE001  (whatever it is, a job ends with a report)
            _log.exception("transcoding %s failed", job.report.job)
            return Failure("encoder_failed", "the encoder failed in a way nobody foresaw", transient=True)
        return None

    async def _transcode(self, job: _Job) -> None:
        await self._queue.renew(job.hold)  # it may be cancelled, and only to be cleared away
        if job.hold.deaths >= DEATHS_MOST:
            raise _Broke(f"{job.hold.deaths} processes ended while they were at it")
        await self._say(job, State.PROBING)
        source = self._media.source(job.hold.order.source)
        if source is None:
            raise Refused("source_missing", "the uploaded file is not there")
        found = await probed(source, self._max_duration_s)
        outputs = ladder(found.source)
        shown = self._shown(job, outputs)
        if shown is None:
            await self._queue.renew(job.hold)
            await _unbroken(self._media.remove_prefix(job.prefix))  # what a run before this one left
        await self._say(job, State.TRANSCODING)
        share = 100 * encode.first_share(found, outputs)
        work = _Work(found, source, self._media.scratch(), share)
        # Both runs at once: the first has the machine when it wants it, the rest takes what that leaves idle.
        rest = asyncio.create_task(self._encode_rest(job, work, outputs[1:])) if len(outputs) > 1 else None
        try:
            if shown is not None:
                self._go_on(job, work, outputs[0], shown)
            else:
                await self._first(job, work, outputs[0])
            if rest is not None and shown is None:
                media = await self._publish(job, work, FIRST_MANIFEST)
                await self._say(job, State.TRANSCODING, self._percent(work), media)
            if rest is not None:
                await rest
                for output in outputs[1:]:
                    self._measure(job, work.scratch, output)
                    await self._adopt(job, work.scratch / output.name, f"{job.prefix}hls/{output.name}")
            media = await self._publish(job, work, MANIFEST)
        finally:
            if rest is not None:
                rest.cancel()
                await asyncio.gather(rest, return_exceptions=True)
            await asyncio.to_thread(shutil.rmtree, work.scratch)
        await self._say(job, State.READY, 100, media)

    def _shown(self, job: _Job, outputs: Sequence[Output]) -> Media | None:
        """What a run before this one has shown already, if that is the lowest rendition: somebody may be watching it."""
        media = job.report.media
        if media is None or len(outputs) == 1 or [each.name for each in media.renditions] != [outputs[0].name]:
            return None
        return media if self._media.path_of(job.prefix + media.manifest).is_file() else None

    def _go_on(self, job: _Job, work: _Work, output: Output, shown: Media) -> None:
        """From there."""
        hls = self._media.path_of(f"{job.prefix}hls")
        if shown.has_audio:
            job.audio = encode.measured(hls / "audio").stream
        self._measure(job, hls, output)
        job.poster, job.storyboard = shown.poster, shown.storyboard
        work.done[FIRST] = 1.0

    async def _first(self, job: _Job, work: _Work, output: Output) -> None:
        probed, scratch = work.probed, work.scratch
        names = [output.name, *(["audio"] if probed.audio is not None else [])]
        for name in names:
            (scratch / name).mkdir()
        command = encode.rungs(self._ffmpeg, probed, work.source, scratch, [output], first=True)
        await self._ffmpeg_run(command, self._progress(job, work, FIRST))
        for name in names:
            encode.join_last(scratch / name)
        if probed.audio is not None:
            job.audio = encode.measured(scratch / "audio").stream
        self._measure(job, scratch, output)
        await self._pictures(job, work)
        for name in names:
            await self._adopt(job, scratch / name, f"{job.prefix}hls/{name}")

    async def _encode_rest(self, job: _Job, work: _Work, outputs: Sequence[Output]) -> None:
        for output in outputs:
            (work.scratch / output.name).mkdir()
        command = encode.rungs(self._ffmpeg, work.probed, work.source, work.scratch, outputs, first=False)
        await self._ffmpeg_run(command, self._progress(job, work, REST), NICEST)
        for output in outputs:
            encode.join_last(work.scratch / output.name)

    async def _pictures(self, job: _Job, work: _Work) -> None:
        """The storyboard that the first run left, and the poster by what is to be seen in it."""
        board = encode.storyboard(work.probed)
        sheets = encode.sheets(work.scratch)
        if not sheets:
            return
        for sheet in sheets:
            await self._adopt(job, sheet, job.prefix + sheet.name)
        cues = board.vtt(job.duration_s, encode.SHEET.format)
        await _unbroken(self._media.put(job.prefix + STORYBOARD, cues.encode(), "text/vtt"))
        job.storyboard = True
        first = self._media.path_of(job.prefix + encode.SHEET.format(1))
        telling = await asyncio.to_thread(_most_telling, first, board, job.duration_s)
        target = work.scratch / "poster.jpg"
        # Where seeking leads nowhere (a damaged index, a repeated last picture) there still is a beginning.
        for at_s in dict.fromkeys((telling * board.interval_s, 0.0)):
            command = encode.poster(self._ffmpeg, work.probed, work.source, at_s, target)
            await self._ffmpeg_run(command)
            if target.exists():
                await self._adopt(job, target, job.prefix + POSTER)
                job.poster = True
                return

    def _measure(self, job: _Job, scratch: Path, output: Output) -> None:
        try:
            found = encode.measured(scratch / output.name)
        except FileNotFoundError:
            raise Refused("unreadable", "not one picture of this file can be decoded") from None
        job.duration_s = max(job.duration_s, found.duration_s)
        codecs = ",".join([found.codecs, *([AUDIO_CODECS] if job.audio is not None else [])])
        bitrate = found.stream.average_bps + (job.audio or SILENCE).average_bps
        job.made.append((Rendition(output.name, output.width, output.height, bitrate, codecs), found.stream))

    async def _adopt(self, job: _Job, made: Path, key: str) -> None:
        """Show a whole file or folder under its key: a rename, so all of it at once, and of bytes that lie on the disk.
        Raises Lost.
        """
        await self._queue.renew(job.hold)
        await _unbroken(self._media.adopt(made, key))

    async def _publish(self, job: _Job, work: _Work, manifest: str) -> Media:
        """What names all that was made, which then outlives a power cut: it may be reported. Raises Lost."""
        text = master_playlist(job.made, float(work.probed.fps), job.audio)
        await self._queue.renew(job.hold)
        await _unbroken(self._media.put(job.prefix + manifest, text.encode(), _M3U8))
        largest = job.made[-1][0]
        return Media(
            attempt=job.hold.order.attempt, manifest=manifest, duration_s=job.duration_s, width=largest.width,
            height=largest.height, renditions=tuple(rendition for rendition, _ in job.made),
            has_audio=job.audio is not None, poster=job.poster, storyboard=job.storyboard,
            complete=manifest == MANIFEST,
        )  # fmt: skip

    # --- what it says

    async def _say(
        self, job: _Job, state: State, percent: int = 0, media: Media | None = None, failure: Failure | None = None
    ) -> None:
        """Unless an earlier run came further. Raises Lost."""
        before = job.report
        report = evolve(
            before, state=state, percent=max(percent, before.percent), media=max(before.media, media, key=progress),
            failure=failure,
        )  # fmt: skip
        further = (report.percent, progress(report.media)) > (before.percent, progress(before.media))
        if state in NEXT[before.state] or (state is before.state and further):
            job.report = report
            await self._queue.say(job.hold, report)

    def _progress(self, job: _Job, work: _Work, run: int) -> Callable[[float], Awaitable[None]]:
        """Tells of each further percent of the whole, by how far the encoders say they are."""
        whole_s = work.probed.source.duration_s

        async def heard(at_s: float) -> None:
            if at_s > self._max_duration_s + 60:
                raise Refused("too_long", f"a video may last {self._max_duration_s:.0f} s")
            work.done[run] = min(1.0, at_s / whole_s) if whole_s > 0 else 0.0
            # The next one says as much and more.
            with suppress(Unavailable):
                await self._say(job, State.TRANSCODING, self._percent(work))

        return heard

    @staticmethod
    def _percent(work: _Work) -> int:
        return min(99, int(work.share * work.done[FIRST] + (100 - work.share) * work.done[REST]))

    # --- the process

    async def _ffmpeg_run(
        self, command: Sequence[str], heard: Callable[[float], Awaitable[None]] = _nothing, nice: int = NICE
    ) -> None:
        """Run ffmpeg to its end. Raises _Broke, or Refused when it finds nothing to decode."""
        before = [*self._before, *([self._nice, "-n", str(nice)] if self._nice else [])]
        process = await asyncio.create_subprocess_exec(*before, *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
        errors: deque[bytes] = deque(maxlen=4)
        listening = asyncio.get_running_loop().create_task(_keep_last(process, errors))
        try:
            await _listen(process, heard)
            status = await process.wait()
            await listening
        except TimeoutError:
            raise _Broke("the encoder made no progress any more") from None
        finally:
            await _stop(process)
            listening.cancel()
        if status:
            said = b"".join(errors)[-2000:].decode(errors="replace")
            _log.warning("ffmpeg ended with status %d: %s", status, said)
            if status == _TOO_MANY_ERRORS:
                raise Refused("unreadable", "most of this file cannot be decoded")
            if os.strerror(errno.ENOSPC) in said:
                raise _NoRoom
            how = f"signal {-status}" if status < 0 else f"status {status}"
            raise _Broke(f"the encoder ended with {how}")


async def _listen(process: Process, heard: Callable[[float], Awaitable[None]]) -> None:
    assert process.stdout is not None  # noqa: S101  (asked for as a pipe)
    while True:
        async with asyncio.timeout(_SILENT_S):
            line = await process.stdout.readline()
        if not line:
            return
        name, _, value = line.decode(errors="replace").strip().partition("=")
        if name == "out_time_us" and value.isdecimal():
            await heard(int(value) / 1_000_000)


async def _keep_last(process: Process, errors: deque[bytes]) -> None:
    """A hostile file can make ffmpeg say gigabytes."""
    assert process.stderr is not None  # noqa: S101  (asked for as a pipe)
    while piece := await process.stderr.read(4096):
        errors.append(piece)


async def _stop(process: Process) -> None:
    """Ask, then insist. Returns when the process is no more, whoever cancels meanwhile."""
    if process.returncode is not None:
        return
    process.terminate()
    ended = asyncio.ensure_future(process.wait())
    cancelled: asyncio.CancelledError | None = None
    while not ended.done():
        try:
            await asyncio.wait([ended], timeout=_STOP_S)
        except asyncio.CancelledError as error:
            cancelled = error
        if not ended.done() and process.returncode is None:
            process.kill()
    if cancelled is not None:
        raise cancelled


def _most_telling(sheet: Path, board: Board, duration_s: float) -> int:
    """The number of the tile with the most contrast: not black, not white, not a title on one colour."""
    with Image.open(sheet) as opened:
        grey = opened.convert("L")
    shown = max(1, min(board.columns * board.rows, int(duration_s / board.interval_s)))

    def contrast(number: int) -> float:
        row, column = divmod(number, board.columns)
        left, top = column * board.width, row * board.height
        stat = ImageStat.Stat(grey.crop((left, top, left + board.width, top + board.height)))
        return stat.stddev[0]

    return max(range(shown), key=contrast)


async def _unbroken(work: Coroutine[Any, Any, object]) -> None:
    """To its end, whoever cancels meanwhile."""
    await ended(asyncio.ensure_future(work))


async def _over(task: "asyncio.Task[None]") -> None:
    """Returns when the task is at its end, be it cancelled."""
    await ended(asyncio.gather(task, return_exceptions=True))
