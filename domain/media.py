"""What a transcoder makes of a source: the ladder, its renditions, and where the files lie."""

from collections.abc import Collection
from datetime import datetime

from attrs import frozen

from domain.ids import VideoId


@frozen
class Rung:
    """One step of the ladder: the short side in pixels, the quality aimed at and the peak bitrate in bit/s.

    ``quality`` is MediaConvert's QVBR level (1 to 10); a local encoder maps it to its own scale.
    """

    short_side: int
    quality: int
    max_bitrate_bps: int


# MediaConvert's recommended QVBR settings for H.264 (its user guide, "Recommended MaxBitrate and
# QvbrQualityLevel"), without the 288p step, which no phone of today needs.
RUNGS = (
    Rung(1080, 9, 6_000_000),
    Rung(720, 8, 4_000_000),
    Rung(480, 7, 1_000_000),
    Rung(360, 7, 700_000),
)
AUDIO_BITRATE_BPS = 128_000


@frozen
class Source:
    """What probing found, after rotation: pixels as seen, seconds, frames a second (0 when unknown)."""

    width: int
    height: int
    duration_s: float
    fps: float
    has_audio: bool


@frozen
class Output:
    """One rendition to make: even pixels, never larger than the source."""

    name: str
    width: int
    height: int
    quality: int
    max_bitrate_bps: int


def _even(pixels: float, most: int) -> int:
    # A source with an odd side has no even one of its size: the next smaller one, then.
    return max(2, min(round(pixels / 2) * 2, most // 2 * 2))


def ladder(source: Source) -> tuple[Output, ...]:
    """The renditions for a source, smallest first, no larger than it by its short side.

    A source smaller than the lowest rung gets one rendition of its own size. Portrait stays portrait.
    """
    short = min(source.width, source.height)
    rungs = [rung for rung in RUNGS if rung.short_side <= short] or [
        Rung(short, RUNGS[-1].quality, RUNGS[-1].max_bitrate_bps)
    ]
    return tuple(
        Output(
            name=f"{_even(rung.short_side, short)}p",
            width=_even(source.width * rung.short_side / short, source.width),
            height=_even(source.height * rung.short_side / short, source.height),
            quality=rung.quality,
            max_bitrate_bps=rung.max_bitrate_bps,
        )
        for rung in reversed(rungs)
    )


@frozen
class Rendition:
    """One encoded version. ``bitrate_bps`` is what was measured, ``codecs`` as RFC 6381 writes them."""

    name: str
    width: int
    height: int
    bitrate_bps: int
    codecs: str


@frozen(kw_only=True)
class Media:
    """What can be played. ``complete`` is False while higher renditions are still being made.

    Every attempt writes under a prefix of its own, so no file that a cache may hold is ever overwritten;
    ``manifest`` is the name below it (the partial and the complete manifest have different names).
    """

    attempt: int
    manifest: str
    duration_s: float
    width: int
    height: int
    renditions: tuple[Rendition, ...]
    has_audio: bool
    poster: bool = False
    storyboard: bool = False
    complete: bool = True


def progress(media: Media | None) -> tuple[bool, int, int]:
    """What is better to play, to be compared: complete, then of a later attempt, then with more renditions."""
    return (media.complete, media.attempt, len(media.renditions)) if media else (False, 0, -1)


@frozen
class FilesSuperseded:
    """Nothing names these files any more; they can go once no link to them works."""

    keys: tuple[str, ...]
    at: datetime


def superseded(before: Collection[str], after: Collection[str], now: datetime) -> tuple[FilesSuperseded, ...]:
    """What tells of files that were named before and are not after; nothing when there are none."""
    gone = tuple(sorted(set(before) - set(after)))
    return (FilesSuperseded(gone, now),) if gone else ()


def attempt_prefix(video: VideoId, attempt: int) -> str:
    """Where an attempt's files lie, with the last slash."""
    return f"v/{video}/a{attempt}/"


def video_prefix(video: VideoId) -> str:
    """Where everything shown of a video lies, with the last slash."""
    return f"v/{video}/"


MANIFEST = "hls/master.m3u8"
FIRST_MANIFEST = "hls/first.m3u8"
POSTER = "poster.jpg"
STORYBOARD = "storyboard.vtt"
