"""The playlists and storyboards that transcoders write."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

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
class Variant:
    """One line of a playlist of playlists: what its attributes say, and the playlist that it names."""

    attributes: Mapping[str, str]
    uri: str


_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)')
_URI = re.compile(r'URI="([^"]*)"')
_SHEET = re.compile(r"^[^#\s][^#\n]*(?=#xywh=)", re.MULTILINE)


def variants(master: str) -> Sequence[Variant]:
    """The renditions that a playlist of playlists names, as it has them."""
    lines = [line for line in master.splitlines() if line.strip()]
    return [
        Variant({name: value.strip('"') for name, value in _ATTRIBUTE.findall(line.partition(":")[2])}, uri)
        for line, uri in pairwise(lines)
        if line.startswith("#EXT-X-STREAM-INF:")
    ]


def duration_s(playlist: str) -> float:
    """How long a media playlist plays."""
    lengths = [line.removeprefix("#EXTINF:") for line in playlist.splitlines() if line.startswith("#EXTINF:")]
    return sum(float(length.partition(",")[0]) for length in lengths)


def linked(text: str, link: Callable[[str], str]) -> str:
    """A playlist or storyboard with a link in the place of each name in it."""
    if text.startswith("WEBVTT"):
        return _SHEET.sub(lambda found: link(found[0]), text)
    lines = [
        _URI.sub(lambda found: f'URI="{link(found[1])}"', line) if line.startswith("#") else link(line) if line else ""
        for line in text.splitlines()
    ]
    return "\n".join((*lines, ""))


def interval_s(duration_s: float) -> float:
    """How far apart the pictures of a storyboard are: 2 s, for longer videos a hundred in all, at most 10 s."""
    return min(10.0, max(2.0, duration_s / 100))


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
