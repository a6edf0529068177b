"""The playlists and storyboards that every transcoder here writes."""

from collections.abc import Callable, Sequence

from attrs import frozen

from domain.media import Rendition


@frozen
class Stream:
    """What was measured of one playlist, in bit/s: over all of it, and over its most expensive segments."""

    average_bps: int
    peak_bps: int


SILENCE = Stream(0, 0)
AUDIO_CODECS = "mp4a.40.2"


def master_playlist(
    renditions: Sequence[tuple[Rendition, Stream]], fps: float, audio: Stream | None, version: int = 7
) -> str:
    """The playlist of playlists (RFC 8216), cheapest first. Sound is a group of its own, fetched once however
    often the player changes the picture; ``CODECS`` and both bandwidths count it in.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{version}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    if audio is not None:
        lines.append(
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="audio",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",'
            'URI="audio/index.m3u8"'
        )
    sound = audio or SILENCE
    for rendition, stream in renditions:
        attributes = [
            f"BANDWIDTH={stream.peak_bps + sound.peak_bps}",
            f"AVERAGE-BANDWIDTH={stream.average_bps + sound.average_bps}",
            f'CODECS="{rendition.codecs}"',
            f"RESOLUTION={rendition.width}x{rendition.height}",
            f"FRAME-RATE={fps:.3f}",
            *(['AUDIO="audio"'] if audio is not None else []),
        ]
        lines += ["#EXT-X-STREAM-INF:" + ",".join(attributes), f"{rendition.name}/index.m3u8"]
    return "\n".join((*lines, ""))


@frozen
class Board:
    """Little pictures in sheets of ``columns`` x ``rows``, one every ``interval_s``."""

    interval_s: float
    width: int
    height: int
    columns: int = 10
    rows: int = 10

    def vtt(self, duration_s: float, sheet: Callable[[int], str]) -> str:
        """Which part of which sheet (from 1) shows which time, as players read it: WebVTT and ``#xywh``."""
        cues = ["WEBVTT", ""]
        on_sheet = self.columns * self.rows
        for number in range(max(1, -int(-(duration_s - 1e-3) // self.interval_s))):
            start = number * self.interval_s
            row, column = divmod(number % on_sheet, self.columns)
            cues += [
                f"{_clock(start)} --> {_clock(max(min(start + self.interval_s, duration_s), start + 0.001))}",
                f"{sheet(number // on_sheet + 1)}#xywh={column * self.width},{row * self.height},{self.width},{self.height}",
                "",
            ]
        return "\n".join(cues)


def _clock(seconds: float) -> str:
    millis = round(seconds * 1000)
    return f"{millis // 3_600_000:02}:{millis // 60_000 % 60:02}:{millis // 1000 % 60:02}.{millis % 1000:03}"
