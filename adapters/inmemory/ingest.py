"""An ingest without encoders: someone says when one comes, and goes."""

from collections.abc import Callable, Sequence
from datetime import datetime

from attrs import define, evolve, field

from adapters.inmemory.media import InMemoryMedia
from adapters.inmemory.told import InMemorySignals
from adapters.links import Links
from adapters.system import secret
from application.ports import Link, LinkMode, NewId, Now, Pretence, Sighting, Signal
from domain.broadcasts import Detail, Happening
from domain.errors import Conflict
from domain.ids import EVENT, BroadcastId, RecordingId, StreamId, UserId
from domain.streams import IngestPoint, Stream, live_prefix
from domain.videos import Audience
from domain.watching import NAMES_MOST, Grant, Viewer

SERVER = "rtmp://127.0.0.1:1935/live"
_LENGTH_S = 10.0
_SOURCE = f"hexcast-fake 1280x720 {_LENGTH_S}s audio".encode()
_PLAYLIST = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1.0,\n0.ts\n"


@define(eq=False)
class _Channel:
    """One stream, as its ingest knows it."""

    stream: Stream
    key: str
    live: tuple[BroadcastId, datetime] | None = None
    recording: RecordingId | None = None
    recorded: list[BroadcastId] = field(factory=list)
    viewers: dict[str, set[str]] = field(factory=dict)
    """Of this broadcast, whoever asked for its playlist: the names of each address."""
    starving: bool = False
    said: Signal | None = None


class SimulatedIngest:
    """Keeps the keys and the order of events of a real one. What it records is a file that says so."""

    def __init__(
        self, media: InMemoryMedia, signals: InMemorySignals, links: Links, now: Now, new_id: NewId, *,
        new_key: Callable[[], bytes] = secret,
    ) -> None:  # fmt: skip
        self._media = media
        self._signals = signals
        self._links = links
        self._now = now
        self._new_id = new_id
        self._new_key = new_key
        self._channels: dict[str, _Channel] = {}
        self._ended: dict[RecordingId, Signal] = {}

    # --- Ingest

    async def open(self, stream: Stream) -> str:
        self._channels.setdefault(stream.id, _Channel(stream, self._key()))
        return stream.id

    async def configure(self, stream: Stream) -> None:
        channel = self._channels[stream.ingest]
        if stream.enabled != channel.stream.enabled:
            channel.key = self._key()
        channel.stream = stream

    async def point(self, stream: Stream) -> IngestPoint:
        channel = self._channels[stream.ingest]
        if not channel.stream.enabled:
            raise Conflict("this stream is disabled; enable it first", code="stream_disabled")
        return IngestPoint(SERVER, channel.key)

    async def rotate(self, stream: Stream) -> IngestPoint:
        self._channels[stream.ingest].key = self._key()
        await self.stop(stream)
        return await self.point(stream)

    async def stop(self, stream: Stream) -> bool:
        channel = self._channels.get(stream.ingest)
        if channel is None or channel.live is None:
            return False
        self._end(channel)
        return True

    async def close(self, stream: StreamId, ingest: str) -> None:
        channel = self._channels.get(ingest)
        if channel is not None:
            self._end(channel)
            del self._channels[ingest]
            await self._media.remove_prefix(live_prefix(stream))

    async def live(self) -> Sequence[Sighting]:
        return [
            Sighting(
                ingest=name,
                broadcast=channel.live[0],
                started_at=channel.live[1],
                viewers=sum(map(len, channel.viewers.values())),
            )
            for name, channel in self._channels.items()
            if channel.live is not None
        ]

    async def recorded(self, ingest: str, recording: RecordingId, source: str) -> Signal | None:
        del source
        channel = self._channels.get(ingest)
        if channel is not None and channel.recording == recording and channel.live is None:
            self._close_recording(channel)
        return self._ended.get(recording)

    async def playback(self, stream: Stream, audience: Audience, viewer: UserId | None, until: datetime) -> Link:
        del viewer
        channel = self._channels.get(stream.ingest)
        if channel is None or channel.live is None:
            raise Conflict("nothing is being broadcast", code="not_live")
        key = f"{live_prefix(stream.id)}{channel.live[0]}/index.m3u8"
        if stream.admits(Audience.ANYONE):
            return Link(self._links.open(key), LinkMode.PUBLIC)
        return Link(self._links.granted(Grant(stream.id, audience, until), key), LinkMode.TOKEN)

    async def revoke(self, stream: Stream, viewer: UserId) -> None:
        """Links are looked at whenever they are used, so nothing is left to end."""

    def watched(self, stream: StreamId, viewer: Viewer) -> None:
        if (channel := self._channels.get(stream)) is not None:
            names = channel.viewers.setdefault(viewer.address, set())
            if len(names) < NAMES_MOST:
                names.add(viewer.name)

    async def annotate(self, stream: Stream, text: str) -> None:
        del text
        if self._channels[stream.ingest].live is None:
            raise Conflict("nothing is being broadcast", code="not_live")

    async def discard(self, source: str) -> None:
        self._media.recordings.pop(source, None)

    # --- Simulator

    async def simulate(self, stream: Stream, step: Pretence) -> None:
        await self.point(stream)
        channel = self._channels[stream.ingest]
        if step is Pretence.DUPLICATE:
            if channel.said is None:
                raise Conflict("nothing was said yet", code="nothing_said")
            self._signals.tell(evolve(channel.said))
        elif step in {Pretence.START, Pretence.REORDER}:
            if channel.live is not None:
                raise Conflict("this stream is live already", code="stream_live")
            await self._start(channel, told=step is Pretence.START)
            if step is Pretence.REORDER:
                self._backwards(channel)
        elif channel.live is None:
            raise Conflict("nothing is being broadcast", code="not_live")
        elif step is Pretence.STARVE:
            channel.starving = not channel.starving
            self._say(channel, Happening.STARVATION_START if channel.starving else Happening.STARVATION_END)
        elif step is Pretence.DROP:
            self._say(channel, Happening.STREAM_END)
            channel.live = None
        else:
            self._end(channel)

    async def _start(self, channel: _Channel, *, told: bool) -> None:
        broadcast = BroadcastId(f"st-{self._new_id(EVENT).removeprefix('evt_')}")
        channel.live, channel.starving = (broadcast, self._now()), False
        channel.viewers = {}
        folder = f"{live_prefix(channel.stream.id)}{broadcast}/"
        await self._media.put(folder + "0.ts", b"G" * 188, "video/mp2t")
        await self._media.put(folder + "index.m3u8", _PLAYLIST.encode(), "application/vnd.apple.mpegurl")
        if channel.stream.record:
            channel.recording = channel.recording or RecordingId(f"rec-{broadcast}")
            channel.recorded.append(broadcast)
        if told:
            self._say(channel, Happening.SESSION_CREATED)
            self._say(channel, Happening.STREAM_START)
            if channel.recording is not None:
                self._say(channel, Happening.RECORDING_START, {"recording": channel.recording})

    def _backwards(self, channel: _Channel) -> None:
        self._end(channel, Happening.STREAM_START, Happening.SESSION_CREATED)

    def _end(self, channel: _Channel, *late: Happening) -> None:
        if channel.live is None:
            self._close_recording(channel)
            return
        self._say(channel, Happening.SESSION_ENDED)
        self._say(channel, Happening.STREAM_END)
        for kind in late:
            self._say(channel, kind, at=channel.live[1])
        self._close_recording(channel)
        channel.live = None

    def _close_recording(self, channel: _Channel) -> None:
        if channel.recording is None:
            return
        source = f"recordings/{channel.recording}/source"
        self._media.recordings[source] = _SOURCE
        detail: Detail = {
            "recording": channel.recording, "source": source, "duration_s": _LENGTH_S,
            "broadcasts": tuple(channel.recorded),
        }  # fmt: skip
        said = self._signal(channel, Happening.RECORDING_END, detail, None, channel.recorded[-1])
        self._ended[channel.recording] = said
        self._tell(channel, said)
        channel.recording, channel.recorded = None, []

    def _say(
        self, channel: _Channel, kind: Happening, detail: Detail | None = None, at: datetime | None = None
    ) -> None:
        broadcast = channel.live[0] if channel.live else None
        self._tell(channel, self._signal(channel, kind, detail or {}, at, broadcast))

    def _tell(self, channel: _Channel, said: Signal) -> None:
        channel.said = said
        self._signals.tell(said)

    def _signal(
        self, channel: _Channel, kind: Happening, detail: Detail, at: datetime | None, broadcast: BroadcastId | None
    ) -> Signal:
        return Signal(
            id=self._new_id(EVENT), ingest=channel.stream.id, broadcast=broadcast, kind=kind, at=at or self._now(),
            detail=detail,
        )  # fmt: skip

    def _key(self) -> str:
        return f"live_{self._new_key().hex()}"
