"""The transcoder of one machine: ffmpeg as child processes, few at a time."""

import asyncio
import errno
import logging
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import imageio_ffmpeg
from attrs import define, field, frozen
from PIL import Image, ImageStat

from adapters.inmemory.transcode import AUDIO_CODECS, SILENCE, Board, InMemoryReports, Stream, master_playlist
from adapters.local import encode
from adapters.local.disk import DiskMedia
from adapters.local.source import Probed, Refused, probed
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
)
from domain.processing import TERMINAL, Failure, Report, State

_log = logging.getLogger(__name__)

_KNOWN_MOST = 10_000
_SILENT_S = 300.0
_STOP_S = 3.0
FIRST, REST = 0, 1
NICE, NICEST = 10, 19
"""Below what serves requests; and the rest of a ladder below its first rung, which someone waits for."""
_TOO_MANY_ERRORS = 69
"""ffmpeg's own status when it could not decode most of what it read."""
_M3U8 = "application/vnd.apple.mpegurl"


class _Broke(Exception):
    """The encoder came to nothing, perhaps through no fault of the file."""


@define
class _Job:
    order: TranscodeOrder
    report: Report
    task: asyncio.Task[None] | None = None
    made: list[tuple[Rendition, Stream]] = field(factory=list)
    audio: Stream | None = None
    duration_s: float = 0.0
    poster: bool = False
    storyboard: bool = False


@frozen
class _Work:
    """What a job works on: the source, a folder that nobody sees, and the percentage that the first run is."""

    probed: Probed
    source: Path
    scratch: Path
    prefix: str
    share: float
    done: list[float] = field(factory=lambda: [0.0, 0.0])
    """How much of each run is done, 0 to 1."""


class FfmpegTranscoder:
    """Up to ``jobs`` sources at once, the others wait in order, at most ``waiting_most`` of them.

    A job is named after its attempt. Finished ones are remembered, cancelled ones are not. Encoders run at
    a low priority, so that requests are served meanwhile, and end with this process.
    """

    def __init__(
        self, media: DiskMedia, reports: InMemoryReports, *, jobs: int = 1, max_duration_s: float = 12 * 3600,
        waiting_most: int = 1000, ffmpeg: str | None = None,
    ) -> None:  # fmt: skip
        self._media = media
        self._reports = reports
        self._slots = asyncio.Semaphore(jobs)
        self._room = jobs + waiting_most
        self._max_duration_s = max_duration_s
        self._ffmpeg = ffmpeg or imageio_ffmpeg.get_ffmpeg_exe()
        self._before = [
            *(["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []),
        ]
        self._nice = shutil.which("nice")
        self._jobs: dict[JobId, _Job] = {}

    async def start(self, order: TranscodeOrder) -> JobId:
        name = JobId(f"{order.video}-{order.attempt}")
        if name in self._jobs:
            return name
        if sum(1 for job in self._jobs.values() if job.task is not None) >= self._room:
            raise Unavailable("too many videos wait for the transcoder", code="transcoder_busy")
        pending = Report(video=order.video, attempt=order.attempt, job=name, state=State.PENDING)
        job = self._jobs[name] = _Job(order, pending)
        job.task = asyncio.get_running_loop().create_task(self._run(job))
        return name

    async def status(self, job: JobId) -> Report | None:
        known = self._jobs.get(job)
        return known.report if known else None

    async def cancel(self, job: JobId) -> None:
        known = self._jobs.get(job)
        if known is None or known.task is None or known.report.state in TERMINAL:
            return
        known.task.cancel()
        await asyncio.wait([known.task])
        if self._jobs.get(job) is known:
            del self._jobs[job]

    async def aclose(self) -> None:
        """Stop all jobs; no child process is left."""
        for name in tuple(self._jobs):
            await self.cancel(name)

    # --- one job

    async def _run(self, job: _Job) -> None:
        prefix = attempt_prefix(job.order.video, job.order.attempt)
        finished = False
        try:
            async with self._slots:
                self._say(job, State.PROBING)
                await self._media.remove_prefix(prefix)  # of this attempt, before a restart
                await self._transcode(job, prefix)
            finished = True
        except Refused as refused:
            failure = refused.failure
        except _Broke as broke:
            failure = Failure("encoder_failed", str(broke), transient=True)
        except (Unavailable, OSError) as error:
            full = isinstance(error, Unavailable) or error.errno in {errno.ENOSPC, errno.EDQUOT}
            _log.warning("transcoding %s broke off: %s", job.report.job, error)
            detail = "the disk is full" if full else "the encoder could not be run"
            failure = Failure("encoder_failed", detail, transient=True)
        except Exception:  # noqa: BLE001  (whatever it is, a job ends with a report)
            _log.exception("transcoding %s failed", job.report.job)
            failure = Failure("encoder_failed", "the encoder failed in a way nobody foresaw", transient=True)
        finally:
            if not finished:
                await self._media.remove_prefix(prefix)
            job.task = None
            self._forget()
        if not finished:
            self._say(job, State.FAILED, failure=failure)

    async def _transcode(self, job: _Job, prefix: str) -> None:
        source = self._media.source(job.order.source)
        if source is None:
            raise Refused("source_missing", "the uploaded file is not there")
        found = await probed(source, self._max_duration_s)
        outputs = ladder(found.source)
        self._say(job, State.TRANSCODING)
        share = 100 * encode.first_share(found, outputs)
        work = _Work(found, source, self._media.scratch(), prefix, share)
        # Both runs at once: the first has the machine when it wants it, the rest takes what that leaves idle.
        rest = asyncio.create_task(self._encode_rest(job, work, outputs[1:])) if len(outputs) > 1 else None
        try:
            await self._first(job, work, outputs[0])
            if rest is not None:
                media = await self._publish(job, work, FIRST_MANIFEST)
                self._say(job, State.TRANSCODING, self._percent(work), media)
                await rest
                for output in outputs[1:]:
                    self._measure(job, work.scratch, output)
                    self._adopt(work.scratch / output.name, f"{work.prefix}hls/{output.name}")
            media = await self._publish(job, work, MANIFEST)
        finally:
            if rest is not None:
                rest.cancel()
                await asyncio.gather(rest, return_exceptions=True)
            await asyncio.to_thread(shutil.rmtree, work.scratch)
        self._say(job, State.READY, 100, media)

    async def _first(self, job: _Job, work: _Work, output: Output) -> None:
        probed, scratch = work.probed, work.scratch
        names = [output.name, *(["audio"] if probed.audio is not None else [])]
        for name in names:
            (scratch / name).mkdir()
        command = encode.rungs(self._ffmpeg, probed, work.source, scratch, [output], first=True)
        await self._ffmpeg_run(command, self._progress(job, work, FIRST))
        if probed.audio is not None:
            job.audio = encode.measured(scratch / "audio").stream
        self._measure(job, scratch, output)
        await self._pictures(job, work)
        for name in names:
            self._adopt(scratch / name, f"{work.prefix}hls/{name}")

    async def _encode_rest(self, job: _Job, work: _Work, outputs: Sequence[Output]) -> None:
        for output in outputs:
            (work.scratch / output.name).mkdir()
        command = encode.rungs(self._ffmpeg, work.probed, work.source, work.scratch, outputs, first=False)
        await self._ffmpeg_run(command, self._progress(job, work, REST), NICEST)

    async def _pictures(self, job: _Job, work: _Work) -> None:
        """The storyboard that the first run left, and the poster by what is to be seen in it."""
        board = encode.storyboard(work.probed)
        sheets = encode.sheets(work.scratch)
        if not sheets:
            return
        for sheet in sheets:
            self._adopt(sheet, work.prefix + sheet.name)
        cues = board.vtt(job.duration_s, encode.SHEET.format)
        await self._media.put(work.prefix + STORYBOARD, cues.encode(), "text/vtt")
        job.storyboard = True
        first = self._media.path_of(work.prefix + encode.SHEET.format(1))
        telling = await asyncio.to_thread(_most_telling, first, board, job.duration_s)
        target = work.scratch / "poster.jpg"
        # Where seeking leads nowhere (a damaged index, a repeated last picture) there still is a beginning.
        for at_s in dict.fromkeys((telling * board.interval_s, 0.0)):
            command = encode.poster(self._ffmpeg, work.probed, work.source, at_s, target)
            await self._ffmpeg_run(command, lambda _: None)
            if target.exists():
                self._adopt(target, work.prefix + POSTER)
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

    def _adopt(self, made: Path, key: str) -> None:
        """Show a whole file or folder under its key: a rename, so all of it at once."""
        path = self._media.path_of(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        made.rename(path)

    async def _publish(self, job: _Job, work: _Work, manifest: str) -> Media:
        text = master_playlist(job.made, float(work.probed.fps), job.audio)
        await self._media.put(work.prefix + manifest, text.encode(), _M3U8)
        largest = job.made[-1][0]
        return Media(
            attempt=job.order.attempt, manifest=manifest, duration_s=job.duration_s, width=largest.width,
            height=largest.height, renditions=tuple(rendition for rendition, _ in job.made),
            has_audio=job.audio is not None, poster=job.poster, storyboard=job.storyboard,
            complete=manifest == MANIFEST,
        )  # fmt: skip

    # --- what it says

    def _say(
        self, job: _Job, state: State, percent: int = 0, media: Media | None = None, failure: Failure | None = None
    ) -> None:
        job.report = Report(
            video=job.order.video, attempt=job.order.attempt, job=job.report.job, state=state, percent=percent,
            media=media, failure=failure,
        )  # fmt: skip
        self._reports.tell(job.report)

    def _progress(self, job: _Job, work: _Work, run: int) -> Callable[[float], None]:
        """Tells of each further percent of the whole, by how far the encoders say they are."""
        whole_s = work.probed.source.duration_s

        def heard(at_s: float) -> None:
            if at_s > self._max_duration_s + 60:
                raise Refused("too_long", f"a video may last {self._max_duration_s:.0f} s")
            work.done[run] = min(1.0, at_s / whole_s) if whole_s > 0 else 0.0
            percent = self._percent(work)
            if percent > job.report.percent:
                self._say(job, State.TRANSCODING, percent, job.report.media)

        return heard

    @staticmethod
    def _percent(work: _Work) -> int:
        return min(99, int(work.share * work.done[FIRST] + (100 - work.share) * work.done[REST]))

    def _forget(self) -> None:
        over = len(self._jobs) - _KNOWN_MOST
        for name in [name for name, job in self._jobs.items() if job.task is None][: max(0, over)]:
            del self._jobs[name]

    # --- the process

    async def _ffmpeg_run(self, command: Sequence[str], heard: Callable[[float], None], nice: int = NICE) -> None:
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
                raise _Broke("the disk is full")
            how = f"signal {-status}" if status < 0 else f"status {status}"
            raise _Broke(f"the encoder ended with {how}")


async def _listen(process: Process, heard: Callable[[float], None]) -> None:
    assert process.stdout is not None  # noqa: S101  (asked for as a pipe)
    while True:
        async with asyncio.timeout(_SILENT_S):
            line = await process.stdout.readline()
        if not line:
            return
        name, _, value = line.decode(errors="replace").strip().partition("=")
        if name == "out_time_us" and value.isdecimal():
            heard(int(value) / 1_000_000)


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
