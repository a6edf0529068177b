"""The playlist of what is live (RFC 8216): the last segments, the moments at which they were taken, and what was said
to the players meanwhile. As text it holds all that is needed to go on with it after a crash.
"""

import base64
import math
import re
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime

from attrs import define, field, frozen

NOTES_MOST = 100
_NOTE_S = 5
"""So long a note is one of what is shown: whoever comes later is not told it as if it were said then."""
_NUMBERED = "{:08d}.ts"
_LINE = re.compile(r"#HEXCAST:end=([\d.]+),bytes=(\d+),next=(\d+)")
_TAGS = {
    name: re.compile(pattern)
    for name, pattern in (("begun", r"#EXT-X-MEDIA-SEQUENCE:(\d+)"), ("joints", r"#EXT-X-DISCONTINUITY-SEQUENCE:(\d+)"))
}


def segment_name(number: int) -> str:
    return _NUMBERED.format(number)


@frozen
class Segment:
    """``fresh``: what it shows does not go on from the one before; another run of the encoder made it."""

    number: int
    seconds: float
    at: datetime
    fresh: bool


@frozen
class Note:
    """Timed metadata."""

    id: str
    at: datetime
    text: str


@define
class Playlist:
    """``window_s`` of it are listed, and what fell out stays for so long again, for those who have an older list.

    ``end_s`` is how much was taken in all, ``bytes`` how much of it was recorded.
    """

    window_s: float
    segments: deque[Segment] = field(factory=deque)
    notes: deque[Note] = field(factory=lambda: deque(maxlen=NOTES_MOST))
    next: int = 0
    joints: int = 0
    """How often it was fresh before what is listed."""
    target_s: int = 1
    end_s: float = 0.0
    bytes: int = 0
    over: bool = False
    _left: deque[tuple[int, float]] = field(factory=deque)
    _listed_s: float = 0.0
    _left_s: float = 0.0

    def add(self, segment: Segment) -> Iterator[int]:
        """The numbers of those whose files may go."""
        self.segments.append(segment)
        self.next = segment.number + 1
        self.end_s += segment.seconds
        self.target_s = max(self.target_s, math.ceil(segment.seconds - 0.5))
        self._listed_s += segment.seconds
        while len(self.segments) > 3 and self._listed_s - self.segments[0].seconds >= self.window_s:
            gone = self.segments.popleft()
            self.joints += gone.fresh
            self._listed_s -= gone.seconds
            self._left.append((gone.number, gone.seconds))
            self._left_s += gone.seconds
        while self.notes and self.segments and self.notes[0].at < self.segments[0].at:
            self.notes.popleft()
        while self._left and self._left_s > self.window_s:
            number, seconds = self._left.popleft()
            self._left_s -= seconds
            yield number

    def text(self) -> str:
        first = self.segments[0] if self.segments else None
        lines = [
            "#EXTM3U", "#EXT-X-VERSION:6", f"#EXT-X-TARGETDURATION:{self.target_s}",
            f"#EXT-X-MEDIA-SEQUENCE:{first.number if first else self.next}",
            f"#EXT-X-DISCONTINUITY-SEQUENCE:{self.joints}",
            f"#HEXCAST:end={self.end_s:.3f},bytes={self.bytes},next={self.next}",
            *map(_note, self.notes),
        ]  # fmt: skip
        for segment in self.segments:
            if segment.fresh:
                lines.append("#EXT-X-DISCONTINUITY")
            lines += [
                f"#EXT-X-PROGRAM-DATE-TIME:{_written(segment.at)}", f"#EXTINF:{segment.seconds:.3f},",
                segment_name(segment.number),
            ]  # fmt: skip
        if self.over:
            lines.append("#EXT-X-ENDLIST")
        return "\n".join((*lines, ""))

    @classmethod
    def read(cls, text: str, window_s: float) -> "Playlist":
        """One that was written here, but for its notes. Raises ValueError for any other."""
        head = _LINE.search(text)
        if head is None:
            raise ValueError("this is no playlist of a live stream")
        playlist = cls(window_s)
        fresh, at, seconds = False, datetime.now(UTC), 0.0
        for line in text.splitlines():
            if line == "#EXT-X-DISCONTINUITY":
                fresh = True
            elif line.startswith("#EXT-X-PROGRAM-DATE-TIME:"):
                at = datetime.fromisoformat(line.partition(":")[2])
            elif line.startswith("#EXTINF:"):
                seconds = float(line.removeprefix("#EXTINF:").rstrip(","))
            elif line and not line.startswith("#"):
                for _ in playlist.add(Segment(int(line.partition(".")[0]), seconds, at, fresh)):
                    pass
                fresh = False
        joints = _TAGS["joints"].search(text)
        playlist.joints = int(joints[1]) if joints else 0
        playlist.end_s, playlist.bytes, playlist.next = float(head[1]), int(head[2]), int(head[3])
        return playlist


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def _note(note: Note) -> str:
    """As hls.js and Safari hand it to a page: a cue of the metadata track. The text may hold what an attribute may not."""
    text = base64.b64encode(note.text.encode()).decode()
    return (
        f'#EXT-X-DATERANGE:ID="{note.id}",CLASS="hexcast.metadata",START-DATE="{_written(note.at)}",DURATION={_NOTE_S},'
        f'X-TEXT="{text}"'
    )
