"""Streams: a place to broadcast from, again and again, with one key; who may see it, and whether it takes anything now.

What happened in its broadcasts is told by ``domain.broadcasts``; a stream only reflects what that came to.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from domain.access import Actor
from domain.channels import Channel
from domain.chat import ChatRules
from domain.errors import Conflict, Invalid, NotFound
from domain.ids import ChannelId, StreamId, StreamSessionId
from domain.text import length, line, prose
from domain.videos import Audience, Visibility

WINDOW_MOST_S = 300
"""The longest reconnect window that IVS joins recordings over (CreateRecordingConfiguration)."""
LIFE_LONGEST = timedelta(hours=24)
"""A broadcast is stopped after so long, counted with its reconnects."""
REMIND_BEFORE = timedelta(minutes=15)
REMIND_REST = timedelta(hours=1)
"""Between two reminders, or moving the time about would tell everyone each time."""
AHEAD_MOST = timedelta(days=365)
METADATA_MOST = 1024
"""Bytes of timed metadata at once (IVS PutMetadata)."""


def live_prefix(stream: StreamId) -> str:
    """Where what is shown of its broadcasts lies on one machine, with the last slash."""
    return f"l/{stream}/"


def is_live_playlist(key: str) -> bool:
    """Whether another file takes this one's place with each segment."""
    return key.startswith("l/") and key.endswith(".m3u8")


class Latency(StrEnum):
    """How far behind viewers are: about 3 s or about 8."""

    LOW = "low"
    NORMAL = "normal"


class StreamStatus(StrEnum):
    IDLE = "idle"
    LIVE = "live"
    """A session is under way, be it that its encoder is away for a moment."""
    DISABLED = "disabled"


@frozen
class IngestPoint:
    """Where an encoder sends to, and the key it says; ``expires_at`` None: until it is replaced."""

    server_url: str
    stream_key: str = field(repr=False)
    expires_at: datetime | None = None


def _window(_: Any, __: Any, seconds: int) -> None:
    if not 0 <= seconds <= WINDOW_MOST_S:
        raise Invalid(f"a reconnect window has 0 to {WINDOW_MOST_S} seconds", field="reconnect_window_s")


def _visibility(_: Any, __: Any, visibility: Visibility) -> None:
    if visibility is Visibility.SCHEDULED:
        raise Invalid("a stream is public, unlisted or private; its schedule is set apart", field="visibility")


@frozen(kw_only=True)
class Stream:
    """``ingest`` is the ingest's own name for it ("" until it is first asked for). ``session`` is the one under way,
    ``live_since`` when that began. ``starts_at`` is when the next broadcast is announced for, ``reminded`` whether
    subscribers were told that it is near, or are not to be; ``reminded_at`` when they last were.
    """

    id: StreamId
    channel: ChannelId
    title: str = field(converter=line, validator=length(1, 100))
    description: str = field(default="", converter=prose, validator=length(0, 5000))
    visibility: Visibility = field(default=Visibility.PUBLIC, validator=_visibility)
    record: bool = True
    latency: Latency = Latency.LOW
    reconnect_window_s: int = field(default=60, validator=_window)
    enabled: bool = True
    chat: ChatRules = field(factory=ChatRules)
    ingest: str = ""
    session: StreamSessionId | None = None
    live_since: datetime | None = None
    starts_at: datetime | None = None
    reminded: bool = False
    reminded_at: datetime | None = None
    created_at: datetime
    version: int = 0

    @property
    def status(self) -> StreamStatus:
        if self.session is not None:
            return StreamStatus.LIVE
        return StreamStatus.IDLE if self.enabled else StreamStatus.DISABLED

    @property
    def listed(self) -> bool:
        """Whether the directory of live streams shows it."""
        return self.session is not None and self.visibility is Visibility.PUBLIC

    @property
    def remind_at(self) -> datetime | None:
        """When subscribers are told that a broadcast is near; None when nobody is to be told."""
        if self.starts_at is None or self.reminded or self.visibility is not Visibility.PUBLIC:
            return None
        return self.starts_at - REMIND_BEFORE

    def audience(self, actor: Actor, channel: Channel) -> Audience:
        """As whom ``actor`` may see it. Raises NotFound, so that a stranger learns nothing."""
        if channel.role(actor.user) is not None or actor.moderates:
            return Audience.MEMBER
        for audience in (Audience.ANYONE, Audience.LINK):
            if self.admits(audience):
                return audience
        raise NotFound("there is no such stream")

    def admits(self, audience: Audience) -> bool:
        """Whether a grant given to ``audience`` still holds."""
        return audience is Audience.MEMBER or self.visibility in {
            Audience.ANYONE: {Visibility.PUBLIC}, Audience.LINK: {Visibility.PUBLIC, Visibility.UNLISTED}
        }[audience]  # fmt: skip

    def edit(
        self, *, title: str | None = None, description: str | None = None, visibility: Visibility | None = None,
        record: bool | None = None, latency: Latency | None = None, reconnect_window_s: int | None = None,
    ) -> "Stream":  # fmt: skip
        """With what was given changed; None leaves a thing as it is.

        Raises Conflict (``stream_live``) for what an ingest cannot change during a broadcast.
        """
        given: dict[str, Any] = {
            "title": title, "description": description, "visibility": visibility, "record": record,
            "latency": latency, "reconnect_window_s": reconnect_window_s,
        }  # fmt: skip
        edited = evolve(self, **{key: value for key, value in given.items() if value is not None})
        if self.session is not None and edited.ingested != self.ingested:
            raise Conflict("this is not changed during a broadcast; stop it first", code="stream_live")
        return edited

    @property
    def ingested(self) -> tuple[bool, Latency, int]:
        """What its ingest has to know of it."""
        return self.record, self.latency, self.reconnect_window_s

    def with_chat(self, rules: ChatRules) -> "Stream":
        return evolve(self, chat=rules)

    def opened(self, ingest: str) -> "Stream":
        """Known to its ingest by this name, unless it has one already."""
        return self if self.ingest else evolve(self, ingest=ingest)

    def enable(self, enabled: bool) -> "Stream":  # noqa: FBT001  (the value itself, not a switch)
        return evolve(self, enabled=enabled)

    def schedule(self, starts_at: datetime | None, now: datetime) -> "Stream":
        """With another time for the next broadcast (None: with none). Raises Invalid unless it lies ahead."""
        if starts_at is not None:
            if starts_at.tzinfo is None:
                raise Invalid("starts_at needs a time zone, such as Z", field="starts_at")
            if not now < starts_at <= now + AHEAD_MOST:
                raise Invalid("starts_at lies ahead, by a year at most", code="starts_at_range", field="starts_at")
            starts_at = starts_at.astimezone(UTC)
        return self if starts_at == self.starts_at else evolve(self, starts_at=starts_at, reminded=False)

    def remind(self, now: datetime) -> tuple["Stream", tuple["StreamNear", ...]]:
        """Marked as told, if it is time to."""
        if self.remind_at is None or self.starts_at is None or self.remind_at > now:
            return self, ()
        lately = self.reminded_at is not None and now < self.reminded_at + REMIND_REST
        # One that nobody told of in time has begun by now, or has not, and is no news either way.
        if lately or self.starts_at <= now:
            return evolve(self, reminded=True), ()
        return (
            evolve(self, reminded=True, reminded_at=now),
            (StreamNear(self.id, self.channel, self.starts_at, now),),
        )

    def reflect(self, session: StreamSessionId | None, live_since: datetime | None) -> "Stream":
        """With the session that is under way (None: none). When one begins, it is what was announced."""
        begins = session is not None and self.session is None
        return evolve(
            self, session=session, live_since=live_since, starts_at=None if begins else self.starts_at
        )  # fmt: skip


@frozen
class StreamNear:
    """A broadcast was announced for a time that is near."""

    stream: StreamId
    channel: ChannelId
    starts_at: datetime
    at: datetime


@frozen
class StreamRemoved:
    """The stream is gone; its ingest, its chat and what was heard of it can go. Its recordings are videos, and stay."""

    stream: StreamId
    channel: ChannelId
    ingest: str
    at: datetime
    last: Stream | None = None
    """As it was: what it recorded last is told with it."""


@frozen
class StreamEdited:
    """Its ingest may have to know."""

    stream: StreamId
    at: datetime


StreamEvent = StreamNear | StreamRemoved | StreamEdited
