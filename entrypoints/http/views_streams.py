"""What clients may see of livestreams: the shapes of answers, as ``views`` has those of the rest."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from application.broadcasts import SessionCard
from application.ports import LinkMode
from application.streams import LivePlayback, StreamCard
from domain.broadcasts import Ailment, EndReason, Happening, Health, RecordingStatus, SessionEvent, SessionStatus
from domain.streams import IngestPoint, Latency, StreamStatus
from domain.videos import Audience, Visibility
from entrypoints.http.views import NO_STORE, ChannelRef


class StreamView(Struct, gc=False):
    """A stream. ``viewer_count`` is about what it was a moment ago; ``starts_at`` when the next broadcast is announced
    for.
    """

    id: str
    channel: ChannelRef
    title: str
    description: str
    visibility: Visibility
    record: bool
    latency: Latency
    reconnect_window_s: int
    status: StreamStatus
    current_session_id: str | None
    live_since: datetime | None
    starts_at: datetime | None
    viewer_count: int
    created_at: datetime
    version: int

    @classmethod
    def of(cls, card: StreamCard) -> "StreamView":
        stream = card.stream
        return cls(
            stream.id,
            ChannelRef.of(card.channel, card.avatar_url),
            stream.title,
            stream.description,
            stream.visibility,
            stream.record,
            stream.latency,
            stream.reconnect_window_s,
            stream.status,
            stream.session,
            stream.live_since,
            stream.starts_at,
            card.viewers,
            stream.created_at,
            stream.version,
        )


def stream_caching(card: StreamCard) -> Mapping[str, str]:
    """What everyone may see may be kept; what was shown to some may not."""
    return {} if card.stream.admits(Audience.ANYONE) else NO_STORE


class IngestView(Struct, gc=False):
    """Where an encoder sends to: in OBS, Server and Stream Key. The key is null where it was not asked for."""

    server_url: str
    stream_key: str | None
    expires_at: datetime | None

    @classmethod
    def of(cls, point: IngestPoint) -> "IngestView":
        return cls(point.server_url, point.stream_key, point.expires_at)


class LivePlaybackView(Struct, gc=False):
    """Where the manifest is. Playing has to begin by ``expires_at``."""

    manifest_url: str
    mode: LinkMode
    expires_at: datetime

    @classmethod
    def of(cls, playback: LivePlayback) -> "LivePlaybackView":
        return cls(playback.link.url, playback.link.mode, playback.expires_at)


class ScheduleView(Struct, gc=False):
    starts_at: datetime | None

    @classmethod
    def of(cls, card: StreamCard) -> "ScheduleView":
        return cls(card.stream.starts_at)


class HealthReport(Struct, gc=False):
    """What came in lately, null where it was not measured. ``ailment`` is the worst of what is wrong with it, null while
    all is well; ``advice`` what to do about it, in a sentence.
    """

    at: datetime
    ailment: Ailment | None
    starving: bool
    bitrate_bps: int | None
    width: int | None
    height: int | None
    fps: float | None
    keyframe_interval_s: float | None
    advice: str

    @classmethod
    def of(cls, health: Health) -> "HealthReport":
        return cls(
            health.at, health.ailment, health.starving, health.bitrate_bps, health.width, health.height, health.fps,
            health.keyframe_s, health.advice,
        )  # fmt: skip


class RecordingView(Struct, gc=False):
    """What became of the recording. ``video_id`` is under /v1/videos."""

    status: RecordingStatus
    video_id: str | None


class SessionView(Struct, gc=False):
    """One broadcast, with its reconnects."""

    id: str
    stream_id: str
    status: SessionStatus
    started_at: datetime
    ended_at: datetime | None
    ended_reason: EndReason | None
    viewer_count: int
    peak_viewers: int
    connections: int
    health: HealthReport | None
    recording: RecordingView

    @classmethod
    def of(cls, card: SessionCard) -> "SessionView":
        session = card.session
        return cls(
            session.id,
            session.stream,
            session.status,
            session.started_at,
            session.ended_at,
            session.ended_reason,
            session.viewers,
            session.peak_viewers,
            len(session.broadcasts),
            HealthReport.of(session.health) if session.health else None,
            RecordingView(card.recording, card.video),
        )


class SessionEventView(Struct, gc=False):
    """Something that happened, as whoever saw it said it, but for where a recording lies."""

    id: str
    type: Happening
    at: datetime
    received_at: datetime
    detail: Mapping[str, str | int | float | Sequence[str]]

    @classmethod
    def of(cls, event: SessionEvent) -> "SessionEventView":
        detail = {name: value for name, value in event.detail.items() if name != "source"}
        return cls(event.id, event.kind, event.at, event.received_at, detail)


class MetricView(Struct, gc=False):
    """One measurement of what came in; null where it was not measured."""

    at: datetime
    bitrate_bps: int | None
    width: int | None
    height: int | None
    fps: float | None
    keyframe_interval_s: float | None
    viewers: int | None

    @classmethod
    def of(cls, health: Health) -> "MetricView":
        return cls(
            health.at, health.bitrate_bps, health.width, health.height, health.fps, health.keyframe_s, health.viewers
        )
