"""What is in an uploaded file. Nothing here trusts it: few formats are read, and none that names other files."""

import math
import resource
import sys
from fractions import Fraction
from pathlib import Path
from time import monotonic

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from adapters.local.source import FPS_MOST, PIXELS_MOST, SAFELY, Probed, Refused, written
from domain.media import Source
from domain.processing import Failure

_OPEN_S = 20.0
_READ_S = 10.0
_SCAN_S = 60.0
_PACKETS_TRIED = 2000
_MEMORY_BYTES = 4 * 1024**3
# What cameras and players know; rates that wander are rounded up to the next.
_RATES = (10, 15, 24, 25, 30, 50, 60)
_HDR = {16: "smpte2084", 18: "arib-std-b67"}


def probe(path: Path, max_duration_s: float) -> Probed:
    """Read headers and one picture. Blocks; raises Refused (``unreadable``, ``no_video``, ``too_long``)."""
    try:
        with av.open(
            str(path), options={**SAFELY, "probesize": "20000000", "analyzeduration": "20000000"},
            timeout=(_OPEN_S, _READ_S), metadata_errors="replace",
        ) as container:  # fmt: skip
            return _probe(container, max_duration_s)
    except (av.error.FFmpegError, av.error.ExitError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise Refused("unreadable", "this is no media file that can be read, or it is damaged") from error


def _probe(container: InputContainer, max_duration_s: float) -> Probed:
    videos = [
        stream
        for stream in container.streams.video
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image)
    ]
    sounds = [stream for stream in container.streams.audio if stream.codec_context is not None]
    if not videos:
        if not container.streams.audio:
            raise Refused("unreadable", "there is nothing in this file that can be played")
        raise Refused("no_video", "there are no moving pictures in this file")
    # The streams that players choose: marked as default, else the first.
    video = max(videos, key=lambda stream: bool(stream.disposition & Disposition.default))
    sound = max(sounds, key=lambda stream: bool(stream.disposition & Disposition.default), default=None)
    begin = (container.start_time or 0) / av.time_base
    duration_s = _duration(container, video)
    if duration_s > max_duration_s:
        raise Refused("too_long", f"a video may last {max_duration_s:.0f} s, this lasts {duration_s:.0f} s")
    frame = _first_frame(container, video)
    if frame.width * frame.height > PIXELS_MOST or not frame.width or not frame.height:
        raise Refused("unreadable", "the pictures are larger than can be read")
    width, height = _as_seen(frame, video)
    fps = _rate(video)
    slack_s = 1.5 / float(fps)
    pads = [
        max(0.0, duration_s - end) if stream and (end := _end(stream, begin)) and duration_s - end > slack_s else 0.0
        for stream in (video, sound)
    ]
    return Probed(
        source=Source(width, height, duration_s, float(fps), has_audio=sound is not None),
        format=container.format.name.partition(",")[0], video=video.index, audio=sound.index if sound else None,
        fps=fps, video_pad_s=pads[0], audio_pad_s=pads[1], interlaced=frame.interlaced_frame,
        hdr=_HDR.get(int(frame.color_trc)),
    )  # fmt: skip


def _as_seen(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Width and height with square pixels, upright."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    # Beyond this the file lies, and ffmpeg's scaler takes it for square as well.
    stretch = float(aspect) if Fraction(1, 8) <= aspect <= 8 else 1.0
    width, height = max(1, round(frame.width * stretch)), frame.height
    return (height, width) if round(frame.rotation / 90) % 2 else (width, height)


def _first_frame(container: InputContainer, stream: VideoStream) -> VideoFrame:
    stream.thread_type = "NONE"
    errors = 0
    for packet in container.demux(stream):
        try:
            for frame in packet.decode():
                return frame
        except av.error.InvalidDataError:
            errors += 1
        if errors > _PACKETS_TRIED:
            break
    raise Refused("unreadable", "not one picture of this file can be decoded")


def _rate(stream: VideoStream) -> Fraction:
    """Constant pictures a second for the output: the source's own where it is steady, at most ``FPS_MOST``."""
    average, nominal = stream.average_rate or Fraction(0), stream.base_rate or Fraction(0)
    # A wandering rate shows in the smallest step between pictures, which is what the nominal rate tells.
    steady = nominal and abs(average / nominal - 1) < Fraction(1, 50)
    if steady and _RATES[0] <= nominal <= FPS_MOST:
        return nominal
    wanted = average or nominal or Fraction(25)
    if steady and wanted > FPS_MOST:
        # Every second or third picture of a fast camera, evenly.
        return wanted / math.ceil(wanted / FPS_MOST)
    return Fraction(next((rate for rate in _RATES if rate >= wanted * Fraction(99, 100)), FPS_MOST))


def _duration(container: InputContainer, video: VideoStream) -> float:
    if container.duration:
        return container.duration / av.time_base
    if end := _end(video, (container.start_time or 0) / av.time_base):
        return end
    return _scan(container)


def _end(stream: VideoStream | AudioStream, begin_s: float) -> float | None:
    """Where the stream ends, as the file says; None when it says nothing."""
    if not stream.duration or not stream.time_base:
        return None
    return float(((stream.start_time or 0) + stream.duration) * stream.time_base) - begin_s


def _scan(container: InputContainer) -> float:
    """The duration by its packets, for files without one, such as a browser's recordings."""
    first, last, until = math.inf, 0.0, monotonic() + _SCAN_S
    for packet in container.demux():
        if packet.pts is not None and packet.time_base is not None:
            start = float(packet.pts * packet.time_base)
            first, last = min(first, start), max(last, start + float((packet.duration or 0) * packet.time_base))
        if monotonic() > until:
            raise Refused("unreadable", "the file does not say how long it lasts, and reading all of it takes too long")
    container.seek(0)
    return max(0.0, last - first) if math.isfinite(first) else 0.0


def main(path: str, max_duration_s: str) -> None:
    """The child process: says what it found in one line."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    found: Probed | Failure
    try:
        found = probe(Path(path), float(max_duration_s))
    except Refused as refused:
        found = refused.failure
    sys.stdout.write(written(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
