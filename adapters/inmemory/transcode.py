"""Transcoding without an encoder."""

import asyncio
import base64
import re
from collections.abc import Sequence

from adapters.inmemory.media import InMemoryMedia
from adapters.inmemory.told import InMemoryReports
from adapters.playlists import AUDIO_CODECS, SILENCE, Board, Stream, master_playlist
from application.ports import TranscodeOrder
from domain.errors import Unavailable
from domain.ids import JobId
from domain.media import (
    AUDIO_BITRATE_BPS,
    FIRST_MANIFEST,
    MANIFEST,
    POSTER,
    STORYBOARD,
    Media,
    Output,
    Rendition,
    Source,
    attempt_prefix,
    ladder,
)
from domain.processing import TERMINAL, Failure, Report, State

_SHEET = "storyboard-1.jpg"
# 16 x 9 grey pixels.
_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6jq62rZ4C8yb"
    "qmx5moq6T/wAALCAAJABABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAAAAT/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oACAEBAAA/AJAH/9k="
)


# --- the transcoder ------------------------------------------------------------------------------

_DESCRIPTION = re.compile(rb"hexcast-fake (\d{1,5})x(\d{1,5}) (\d{1,6}(?:\.\d{1,3})?)s( audio)?\r?(?:\n|\Z)")


class InMemoryTranscoder:
    """Makes playlists and empty segments of files that say what they are: their first line is
    ``hexcast-fake 1280x720 10.0s``, with `` audio`` after it if they have sound. A size of ``0x0`` is a file
    without pictures. All else is ``unreadable``.
    """

    def __init__(
        self, media: InMemoryMedia, reports: InMemoryReports, *, max_duration_s: float = 12 * 3600,
        waiting_most: int = 1000,
    ) -> None:  # fmt: skip
        self._media = media
        self._reports = reports
        self._max_duration_s = max_duration_s
        self._waiting_most = waiting_most
        self._latest: dict[JobId, Report] = {}
        self._running: dict[JobId, asyncio.Task[None]] = {}

    async def start(self, order: TranscodeOrder) -> JobId:
        job = JobId(f"{order.video}-{order.attempt}")
        if job in self._latest:
            return job
        if len(self._running) > self._waiting_most:
            raise Unavailable("too many videos wait for the transcoder", code="transcoder_busy")
        self._latest[job] = Report(video=order.video, attempt=order.attempt, job=job, state=State.PENDING)
        task = asyncio.get_running_loop().create_task(self._run(order, job))
        self._running[job] = task
        task.add_done_callback(lambda _: self._running.pop(job, None))
        return job

    async def status(self, job: JobId) -> Report | None:
        return self._latest.get(job)

    async def cancel(self, job: JobId) -> None:
        task = self._running.get(job)
        if task is None or self._latest[job].state in TERMINAL:
            return
        report = self._latest.pop(job)
        task.cancel()
        await asyncio.wait([task])
        await self._media.remove_prefix(attempt_prefix(report.video, report.attempt))

    async def aclose(self) -> None:
        """End whatever is under way."""
        for job in tuple(self._running):
            await self.cancel(job)

    async def _run(self, order: TranscodeOrder, job: JobId) -> None:
        def say(state: State, percent: int = 0, media: Media | None = None, failure: Failure | None = None) -> None:
            report = Report(
                video=order.video, attempt=order.attempt, job=job, state=state, percent=percent, media=media,
                failure=failure,
            )  # fmt: skip
            self._latest[job] = report
            self._reports.tell(report)

        await asyncio.sleep(0)
        say(State.PROBING)
        found = self._probe(order.source)
        if isinstance(found, Failure):
            say(State.FAILED, failure=found)
            return
        outputs = ladder(found)
        say(State.TRANSCODING)
        for made in range(1, len(outputs) + 1):
            await asyncio.sleep(0)
            complete = made == len(outputs)
            if made == 1 or complete:
                media = await self._make(order, found, outputs[:made], complete=complete)
                say(State.READY if complete else State.TRANSCODING, 100 * made // len(outputs), media)

    def _probe(self, key: str) -> Source | Failure:
        content = self._media.source(key)
        if content is None:
            return Failure("source_missing", "the uploaded file is not there")
        described = _DESCRIPTION.match(content)
        if described is None:
            return Failure("unreadable", "this is no media file that can be read")
        width, height, duration, audio = described.groups()
        if not int(width) or not int(height):
            return Failure("no_video", "there are no moving pictures in this file")
        if float(duration) > self._max_duration_s:
            return Failure("too_long", f"a video may last {self._max_duration_s:.0f} s")
        return Source(int(width), int(height), float(duration), 30.0, has_audio=audio is not None)

    async def _make(self, order: TranscodeOrder, source: Source, outputs: Sequence[Output], *, complete: bool) -> Media:
        prefix = attempt_prefix(order.video, order.attempt)
        manifest = MANIFEST if complete else FIRST_MANIFEST
        sound = Stream(AUDIO_BITRATE_BPS, AUDIO_BITRATE_BPS) if source.has_audio else None
        made = []
        for output in outputs:
            codecs = "avc1.64001f" + (f",{AUDIO_CODECS}" if sound else "")
            bitrate = output.max_bitrate_bps // 2 + (sound or SILENCE).average_bps
            stream = Stream(output.max_bitrate_bps // 2, output.max_bitrate_bps)
            made.append((Rendition(output.name, output.width, output.height, bitrate, codecs), stream))
        for name in [output.name for output in outputs] + (["audio"] if sound else []):
            await self._write_segments(f"{prefix}hls/{name}", source.duration_s)
        board = Board(5.0, 160, max(2, round(160 * source.height / source.width / 2) * 2))
        await self._media.put(prefix + POSTER, _JPEG, "image/jpeg")
        await self._media.put(prefix + _SHEET, _JPEG, "image/jpeg")
        cues = board.vtt(source.duration_s, lambda _: _SHEET)
        await self._media.put(prefix + STORYBOARD, cues.encode(), "text/vtt")
        text = master_playlist(made, source.fps, sound)
        await self._media.put(prefix + manifest, text.encode(), "application/vnd.apple.mpegurl")
        return Media(
            attempt=order.attempt, manifest=manifest, duration_s=source.duration_s, width=outputs[-1].width,
            height=outputs[-1].height, renditions=tuple(rendition for rendition, _ in made),
            has_audio=source.has_audio, poster=True, storyboard=True, complete=complete,
        )  # fmt: skip

    async def _write_segments(self, folder: str, duration_s: float) -> None:
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:6", "#EXT-X-PLAYLIST-TYPE:VOD"]
        lines.append('#EXT-X-MAP:URI="init.mp4"')
        await self._media.put(f"{folder}/init.mp4", b"\0\0\0\x08ftyp", "video/mp4")
        left, number = duration_s, 0
        while left > 0 or not number:
            lines += [f"#EXTINF:{min(left, 6.0):.6f},", f"{number:05}.m4s"]
            await self._media.put(f"{folder}/{number:05}.m4s", b"\0\0\0\x08styp", "video/iso.segment")
            left, number = left - 6, number + 1
        playlist = "\n".join((*lines, "#EXT-X-ENDLIST", ""))
        await self._media.put(f"{folder}/index.m3u8", playlist.encode(), "application/vnd.apple.mpegurl")
