"""Livestreams over HTTP: streams and their keys, what is live, and what happened in each session."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

import structlog
from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream as Streaming
from msgspec import UNSET, Meta, Struct, UnsetType

from application.broadcasts import FollowSession, SessionCard, ShowSessions
from application.ports import Pretence
from application.streams import (
    Annotate,
    CreateStream,
    EditStream,
    EnableStream,
    ListStreams,
    RemoveStream,
    RotateKey,
    ScheduleStream,
    ShowIngest,
    ShowStream,
    Simulate,
    StopStream,
    WatchStream,
)  # fmt: skip
from domain.access import Actor
from domain.broadcasts import SessionEvent
from domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Unauthenticated,
    Unavailable,
    VersionMismatch,
)  # fmt: skip
from domain.ids import ChannelId, StreamId, StreamSessionId
from domain.streams import Latency
from domain.videos import Visibility
from entrypoints.http.requests import Cursors, CursorText, Limit, Listing, changes, problems, scope, versioned
from entrypoints.http.server_sent import AccessToken, event, sends, streamed, told
from entrypoints.http.views import NO_STORE
from entrypoints.http.views_streams import (
    IngestView,
    LivePlaybackView,
    MetricView,
    ScheduleView,
    SessionEventView,
    SessionView,
    StreamView,
    stream_caching,
)  # fmt: skip
from entrypoints.http.watching import cookies

_audit = structlog.get_logger("hexcast.audit")

_MEMBERS = (Unauthenticated, Forbidden, NotFound)
_EDITING = (*_MEMBERS, Invalid, Conflict, VersionMismatch)
_Live = Annotated[Literal["live"], QueryParameter(name="status", description="Only those that are live.")]
_Without = Annotated[Literal["key"] | None, QueryParameter(description="Only where to, which is no secret.")]

_TITLE = Annotated[str, Meta(examples=["Office hours"])]


class NewStream(Struct, frozen=True):
    """A place to broadcast from, again and again."""

    channel_id: Annotated[ChannelId, Meta(examples=["chn_01J9ZK3B1W8N6T2Q4R5S7V9X0Y"])]
    title: _TITLE
    description: str = ""
    visibility: Visibility = Visibility.PUBLIC
    record: bool = True
    latency: Latency = Latency.LOW
    reconnect_window_s: Annotated[int, Meta(examples=[60])] = 60


class StreamPatch(Struct, frozen=True):
    """What is left out stays as it is."""

    title: _TITLE | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    visibility: Visibility | UnsetType = UNSET
    record: bool | UnsetType = UNSET
    latency: Latency | UnsetType = UNSET
    reconnect_window_s: int | UnsetType = UNSET


class Announcement(Struct, frozen=True):
    """When the next broadcast begins."""

    starts_at: Annotated[datetime, Meta(examples=["2027-01-31T18:00:00Z"])]


class Metadata(Struct, frozen=True):
    """At most 1 KiB, in whatever form the players of this stream understand."""

    text: Annotated[str, Meta(examples=['{"score": "2:1"}'])]


class StreamController(Controller):
    tags = ("streams",)

    @post(
        "/streams",
        operation_id="createStream",
        opt={"idempotent": True},
        responses=problems(*_MEMBERS, Invalid, Conflict),
    )
    async def create(
        self, data: JSONBody[NewStream], actor: NamedDependency[Actor], create_stream: NamedDependency[CreateStream]
    ) -> Response[StreamView]:
        """Make a stream on a channel, for its owner and editors."""
        card = await create_stream(
            actor,
            data.channel_id,
            title=data.title,
            description=data.description,
            visibility=data.visibility,
            record=data.record,
            latency=data.latency,
            reconnect_window_s=data.reconnect_window_s,
        )
        return versioned(StreamView.of(card), card.stream.version, 201)

    @get("/streams", operation_id="listStreams", opt={"cacheable": True}, responses=problems(Invalid))
    async def list(
        self,
        *,
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        list_streams: NamedDependency[ListStreams],
        status: _Live = "live",
        cursor: CursorText = None,
        limit: Limit = 20,
    ) -> Listing[StreamView]:
        """What is live for everyone, newest first."""
        here = scope("streams", status)
        page = await list_streams(actor, cursor=cursors.read(cursor, here), limit=limit)
        return cursors.page(page, here, StreamView.of)

    @get(
        "/channels/{channel_id:str}/streams",
        operation_id="listChannelStreams",
        opt={"cacheable": True},
        responses=problems(NotFound, Invalid),
    )
    async def of_channel(
        self,
        *,
        channel_id: FromPath[ChannelId],
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        list_streams: NamedDependency[ListStreams],
        cursor: CursorText = None,
        limit: Limit = 20,
    ) -> Listing[StreamView]:
        """A channel's streams, newest first.

        All of them for its members; for others the public ones, so a page may be short and still have a next one.
        """
        here = scope("channel-streams", channel_id)
        page = await list_streams.of_channel(actor, channel_id, cursor=cursors.read(cursor, here), limit=limit)
        return cursors.page(page, here, StreamView.of)

    @get("/streams/{stream_id:str}", operation_id="getStream", opt={"cacheable": True}, responses=problems(NotFound))
    async def show(
        self, stream_id: FromPath[StreamId], actor: NamedDependency[Actor], show_stream: NamedDependency[ShowStream]
    ) -> Response[StreamView]:
        """A stream, if one may see it."""
        card = await show_stream(actor, stream_id)
        return versioned(StreamView.of(card), card.stream.version, headers=stream_caching(card))

    @patch("/streams/{stream_id:str}", operation_id="updateStream", responses=problems(*_EDITING))
    async def edit(
        self,
        stream_id: FromPath[StreamId],
        data: JSONBody[StreamPatch],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        edit_stream: NamedDependency[EditStream],
    ) -> Response[StreamView]:
        """Change a stream.

        Recording, latency and the reconnect window stay as they are during a broadcast (Problem: ``stream_live``).
        """
        card = await edit_stream(actor, stream_id, **changes(data, description=""), version=version)
        return versioned(StreamView.of(card), card.stream.version)

    @delete(
        "/streams/{stream_id:str}", operation_id="deleteStream", responses=problems(*_MEMBERS, Invalid, VersionMismatch)
    )
    async def remove(
        self,
        stream_id: FromPath[StreamId],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        remove_stream: NamedDependency[RemoveStream],
    ) -> None:
        """Remove a stream. What is being broadcast is cut off; its recordings stay."""
        await remove_stream(actor, stream_id, version)

    # --- the encoder's side

    @get(
        "/streams/{stream_id:str}/ingest",
        operation_id="getIngest",
        responses=problems(*_MEMBERS, Invalid, Conflict, Unavailable),
    )
    async def ingest(
        self,
        stream_id: FromPath[StreamId],
        actor: NamedDependency[Actor],
        show_ingest: NamedDependency[ShowIngest],
        without: _Without = None,
    ) -> Response[IngestView]:
        """Where an encoder sends to, and its key, for the owner and editors.

        Whoever has the key can broadcast. That it was shown, and to whom, is logged.
        """
        point = await show_ingest(actor, stream_id)
        if without:
            return Response(IngestView(point.server_url, None, None), headers=NO_STORE)
        _audit.info("stream key shown", stream=stream_id, user=actor.user)
        return Response(IngestView.of(point), headers=NO_STORE)

    @post(
        "/streams/{stream_id:str}/rotate-key",
        operation_id="rotateStreamKey",
        status_code=200,
        responses=problems(*_MEMBERS, Conflict, Unavailable),
    )
    async def rotate(
        self, stream_id: FromPath[StreamId], actor: NamedDependency[Actor], rotate_key: NamedDependency[RotateKey]
    ) -> Response[IngestView]:
        """Replace the key. The old one is refused from now on, and what is broadcast with it is cut off."""
        point = await rotate_key(actor, stream_id)
        _audit.info("stream key rotated", stream=stream_id, user=actor.user)
        return Response(IngestView.of(point), headers=NO_STORE)

    @post(
        "/streams/{stream_id:str}/enable",
        operation_id="enableStream",
        status_code=200,
        responses=problems(*_MEMBERS, Unavailable),
    )
    async def enable(
        self,
        stream_id: FromPath[StreamId],
        actor: NamedDependency[Actor],
        enable_stream: NamedDependency[EnableStream],
    ) -> Response[StreamView]:
        """Take broadcasts again, with a new key."""
        card = await enable_stream(actor, stream_id, enabled=True)
        return versioned(StreamView.of(card), card.stream.version)

    @post(
        "/streams/{stream_id:str}/disable",
        operation_id="disableStream",
        status_code=200,
        responses=problems(*_MEMBERS, Unavailable),
    )
    async def disable(
        self,
        stream_id: FromPath[StreamId],
        actor: NamedDependency[Actor],
        enable_stream: NamedDependency[EnableStream],
    ) -> Response[StreamView]:
        """Take no broadcast any more: the key is void, and what is being broadcast is cut off."""
        card = await enable_stream(actor, stream_id, enabled=False)
        return versioned(StreamView.of(card), card.stream.version)

    @post(
        "/streams/{stream_id:str}/stop",
        operation_id="stopStream",
        status_code=200,
        responses=problems(*_MEMBERS, Conflict),
    )
    async def stop(
        self, stream_id: FromPath[StreamId], actor: NamedDependency[Actor], stop_stream: NamedDependency[StopStream]
    ) -> Response[StreamView]:
        """End the broadcast now, for members who edit or moderate, and the platform's moderators.

        The encoder may begin another with the same key. Problem: ``not_live``.
        """
        card = await stop_stream(actor, stream_id)
        return versioned(StreamView.of(card), card.stream.version)

    @post(
        "/streams/{stream_id:str}/metadata",
        operation_id="sendStreamMetadata",
        status_code=204,
        responses=problems(*_MEMBERS, Invalid, Conflict),
    )
    async def annotate(
        self,
        stream_id: FromPath[StreamId],
        data: JSONBody[Metadata],
        actor: NamedDependency[Actor],
        annotate: NamedDependency[Annotate],
    ) -> None:
        """Send timed metadata to the players."""
        await annotate(actor, stream_id, data.text)

    # --- the viewers' side

    @post(
        "/streams/{stream_id:str}/playback-sessions",
        operation_id="createLivePlaybackSession",
        responses=problems(NotFound, Conflict),
    )
    async def watch(
        self, stream_id: FromPath[StreamId], actor: NamedDependency[Actor], watch_stream: NamedDependency[WatchStream]
    ) -> Response[LivePlaybackView]:
        """Ask for leave to watch what is live. Problem: ``not_live``."""
        playback = await watch_stream(actor, stream_id)
        return Response(LivePlaybackView.of(playback), headers=NO_STORE, cookies=cookies(playback.link))

    @get("/streams/{stream_id:str}/schedule", operation_id="getSchedule", responses=problems(NotFound))
    async def schedule(
        self, stream_id: FromPath[StreamId], actor: NamedDependency[Actor], show_stream: NamedDependency[ShowStream]
    ) -> Response[ScheduleView]:
        """When the next broadcast is announced for. The ETag is the stream's version."""
        card = await show_stream(actor, stream_id)
        return versioned(ScheduleView.of(card), card.stream.version, headers=stream_caching(card))

    @post(
        "/streams/{stream_id:str}/schedule",
        operation_id="setSchedule",
        status_code=200,
        responses=problems(*_EDITING),
    )
    async def announce(
        self,
        stream_id: FromPath[StreamId],
        data: JSONBody[Announcement],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        schedule_stream: NamedDependency[ScheduleStream],
    ) -> Response[ScheduleView]:
        """Announce the next broadcast. Subscribers are reminded a quarter of an hour before."""
        card = await schedule_stream(actor, stream_id, data.starts_at, version)
        return versioned(ScheduleView.of(card), card.stream.version)

    @delete(
        "/streams/{stream_id:str}/schedule",
        operation_id="clearSchedule",
        responses=problems(*_MEMBERS, Invalid, VersionMismatch),
    )
    async def renounce(
        self,
        stream_id: FromPath[StreamId],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        schedule_stream: NamedDependency[ScheduleStream],
    ) -> None:
        """Take the announcement back. Where there is none, nothing changes."""
        await schedule_stream(actor, stream_id, None, version)

    # --- what happened

    @get(
        "/streams/{stream_id:str}/sessions",
        operation_id="listStreamSessions",
        responses=problems(*_MEMBERS, Invalid),
    )
    async def sessions(
        self,
        *,
        stream_id: FromPath[StreamId],
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        show_sessions: NamedDependency[ShowSessions],
        cursor: CursorText = None,
        limit: Limit = 20,
    ) -> Listing[SessionView]:
        """A stream's broadcasts, newest first, for the members of its channel."""
        here = scope("stream-sessions", stream_id)
        page = await show_sessions.of_stream(actor, stream_id, cursor=cursors.read(cursor, here), limit=limit)
        return cursors.page(page, here, SessionView.of)

    @get(
        "/stream-sessions/{session_id:str}",
        operation_id="getStreamSession",
        responses=problems(*_MEMBERS),
    )
    async def session(
        self,
        session_id: FromPath[StreamSessionId],
        actor: NamedDependency[Actor],
        show_sessions: NamedDependency[ShowSessions],
    ) -> SessionView:
        """One broadcast: how it went, how healthy it is, and what became of its recording."""
        return SessionView.of(await show_sessions(actor, session_id))

    @get(
        "/stream-sessions/{session_id:str}/events",
        operation_id="listStreamSessionEvents",
        responses=problems(*_MEMBERS, Invalid),
    )
    async def events(
        self,
        *,
        session_id: FromPath[StreamSessionId],
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        show_sessions: NamedDependency[ShowSessions],
        cursor: CursorText = None,
        limit: Limit = 20,
    ) -> Listing[SessionEventView]:
        """What happened in a broadcast, and a minute before and after it, oldest first."""
        here = scope("stream-session-events", session_id)
        page = await show_sessions.events(actor, session_id, cursor=cursors.read(cursor, here), limit=limit)
        return cursors.page(page, here, SessionEventView.of)

    @get(
        "/stream-sessions/{session_id:str}/metrics",
        operation_id="listStreamSessionMetrics",
        responses=problems(*_MEMBERS, Invalid),
    )
    async def metrics(
        self,
        *,
        session_id: FromPath[StreamSessionId],
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        show_sessions: NamedDependency[ShowSessions],
        cursor: CursorText = None,
        limit: Limit = 20,
    ) -> Listing[MetricView]:
        """What was measured during a broadcast, oldest first; a page may be short, and still have a next one."""
        here = scope("stream-session-metrics", session_id)
        page = await show_sessions.metrics(actor, session_id, cursor=cursors.read(cursor, here), limit=limit)
        return cursors.page(page, here, MetricView.of)

    @get(
        "/stream-sessions/{session_id:str}/events/stream",
        operation_id="streamSessionEvents",
        responses=sends(
            "Server-sent events named ``event`` with the JSON of one as data, and ``session`` with the session's whenever"
            " it has changed."
        )
        | problems(*_MEMBERS, Invalid),
    )
    async def follow(
        self,
        session_id: FromPath[StreamSessionId],
        actor: NamedDependency[Actor],
        follow_session: NamedDependency[FollowSession],
        *,
        stream_retry_s: NamedDependency[int],
        access_token: AccessToken = None,  # noqa: ARG002  (read before the handler, named here for the document)
    ) -> Streaming:
        """Follow a broadcast: all that happened so far, then what happens, until it is over.

        Close the connection when the session has the status ``ended``: EventSource would come back, and be told all of
        it again.
        """
        return await streamed(told(await follow_session(actor, session_id), _block, stream_retry_s))


def _block(told: SessionEvent | SessionCard) -> bytes:
    if isinstance(told, SessionEvent):
        return event("event", SessionEventView.of(told))
    return event("session", SessionView.of(told))


class Step(Struct, frozen=True):
    step: Pretence


def simulation(simulate: Callable[[], Simulate]) -> HTTPRouteHandler:
    """The handler of the offline profiles that pretends an encoder comes and goes."""

    @post(
        "/v1/dev/streams/{stream_id:str}/simulate",
        status_code=204,
        tags=["dev"],
        operation_id="simulateStream",
        responses=problems(*_MEMBERS, Conflict, Invalid),
    )
    async def simulate_stream(
        stream_id: FromPath[StreamId], data: JSONBody[Step], actor: NamedDependency[Actor]
    ) -> None:
        """Pretend that an encoder does something, for the owner and editors.

        What ``start`` shows is a test picture, where media is real.
        """
        await simulate()(actor, stream_id, data.step)

    return simulate_stream
