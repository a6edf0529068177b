"""Broadcasts: what an ingest says happened to a stream, and what it comes to, in whatever order it was heard.

Each event only widens what is known of one broadcast: the earliest start, the earliest end, the last sighting, the most
viewers. Widening is commutative, associative and idempotent, so events that come twice, late or out of order cannot
matter (``Timeline.hear``); and one that never comes is made up for by asking the ingest who is live (``seen``,
``missed``). Sessions are then read off: broadcasts that follow each other within the reconnect window are one.

An ingest may leave out, delay and reorder its events (AWS.md 2.2); one broadcast id is one connection of an encoder,
which, once over, does not come back.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from attrs import evolve, field, frozen

from domain.ids import BroadcastId, ChannelId, RecordingId, StreamId, StreamSessionId, VideoId

LATE_MOST = timedelta(hours=24)
"""Events that come later than this after the end of their session are kept, and change nothing any more."""
FRESH = timedelta(minutes=10)
"""A start that is older is no news, and nobody is told of it (AWS.md 2.2)."""
START_WITHIN = timedelta(minutes=5)
"""A broadcast that was created and has not started by then is over."""
UNSEEN_AFTER = timedelta(seconds=90)
"""A live broadcast of which nothing was seen for so long is asked after."""
MISSED_FOR = timedelta(seconds=30)
"""Twice in a row, and this far apart, an ingest must not know a broadcast before it counts as over."""
BROADCASTS_MOST = 100
"""Of one session; the next one begins another."""
SESSIONS_MOST = 20
"""That a timeline keeps, once their events can no longer be late or there are more of them."""


class Happening(StrEnum):
    """What can happen to a stream. The names are those of IVS's events, in our spelling."""

    SESSION_CREATED = "session_created"
    STREAM_START = "stream_start"
    STREAM_END = "stream_end"
    STREAM_FAILURE = "stream_failure"
    SESSION_ENDED = "session_ended"
    STREAM_TAKEOVER = "stream_takeover"
    STREAM_TAKEOVER_FAILURE = "stream_takeover_failure"
    STARVATION_START = "starvation_start"
    STARVATION_END = "starvation_end"
    LIMIT_BREACH = "limit_breach"
    RECORDING_START = "recording_start"
    RECORDING_END = "recording_end"
    RECORDING_START_FAILURE = "recording_start_failure"
    RECORDING_END_FAILURE = "recording_end_failure"
    HEALTH = "health"
    """A measurement of what comes in."""
    SEEN = "seen"
    """The ingest, asked, had it live."""
    MISSED = "missed"
    """The ingest, asked, did not have it live."""
    STOPPED = "stopped"
    """We cut it off; ``reason`` says why."""
    REFUSED = "refused"
    """An encoder was turned away, such as for a key that was replaced."""


_RUNS = frozenset({
    Happening.STREAM_START, Happening.STREAM_TAKEOVER, Happening.STARVATION_START, Happening.STARVATION_END,
    Happening.RECORDING_START, Happening.HEALTH, Happening.SEEN,
})  # fmt: skip
"""What shows that a broadcast was live then."""
_ENDS = frozenset({Happening.STREAM_END, Happening.STREAM_FAILURE, Happening.SESSION_ENDED})
_RECORDS = frozenset({
    Happening.RECORDING_START, Happening.RECORDING_END, Happening.RECORDING_START_FAILURE,
    Happening.RECORDING_END_FAILURE,
})  # fmt: skip
UNLOGGED = frozenset({Happening.SEEN, Happening.MISSED})
"""What is noted without being kept as an event."""


class EndReason(StrEnum):
    """Who or what decided that a session is over."""

    ENDED = "ended"
    """Its encoder went and did not come back in time."""
    FAILED = "failed"
    STOPPED = "stopped"
    DISABLED = "disabled"
    KEY_ROTATED = "key_rotated"
    TOO_LONG = "too_long"
    REMOVED = "removed"
    LOST = "lost"
    """No word of an end came; its ingest, asked, did not know it."""
    NEVER_STARTED = "never_started"


@frozen(kw_only=True)
class Health:
    """What came in lately; None where it was not measured. ``keyframe_s`` is between two key frames."""

    at: datetime
    bitrate_bps: int | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    keyframe_s: float | None = None
    viewers: int | None = None
    starving: bool = False
    breach: str | None = None
    """A limit that was gone beyond, in words."""

    @property
    def advice(self) -> str:
        """For the owner, in a sentence."""
        if self.starving:
            return "Less arrives than the stream needs: check the connection, or lower the bitrate in the encoder."
        if self.breach is not None:
            return f"A limit is exceeded: {self.breach}. Lower it in the encoder, or the stream may be cut off."
        if self.keyframe_s is not None and self.keyframe_s > KEYFRAMES_MOST_S:
            return (
                f"Key frames are {self.keyframe_s:.0f} s apart, so viewers are far behind: set the key frame interval"
                " to 2 s or less in the encoder."
            )
        return "All is well."


KEYFRAMES_MOST_S = 4.0
"""Twice the interval that IVS recommends, as a segment begins with a key frame."""

Detail = Mapping[str, str | int | float | Sequence[str]]


@frozen(kw_only=True)
class SessionEvent:
    """Something that happened to a stream, as its ingest told it, or as we did it. ``id`` is the teller's name for it,
    by which a second telling is known. ``broadcast`` is None for what concerns no single one.
    """

    id: str
    stream: StreamId
    broadcast: BroadcastId | None
    kind: Happening
    at: datetime
    received_at: datetime
    detail: Detail = field(factory=dict)


T = TypeVar("T")


def _least(a: datetime | None, b: datetime | None) -> datetime | None:
    return min((each for each in (a, b) if each is not None), default=None)


def _most(a: datetime | None, b: datetime | None) -> datetime | None:
    return max((each for each in (a, b) if each is not None), default=None)


@frozen(kw_only=True)
class Broadcast:
    """All that is known of one connection of an encoder. ``name`` is the session's, should it be the first of one."""

    id: BroadcastId
    name: StreamSessionId
    window_s: int
    """The reconnect window that applied when it was first heard of."""
    first_at: datetime
    """Of anything that was heard."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failed: bool = False
    stopped: tuple[datetime, EndReason] | None = None
    seen_at: datetime | None = None
    missed: tuple[datetime, ...] = ()
    """When the ingest, asked, did not know it, since it was last seen."""
    health: Health | None = None
    starving: tuple[datetime, bool] | None = None
    viewers_most: int = 0

    def joined(self, other: "Broadcast") -> "Broadcast":
        """With what the other knows of the same broadcast. In any order and any number of times: the same."""
        seen_at = _most(self.seen_at, other.seen_at)
        missed = sorted({each for each in (*self.missed, *other.missed) if seen_at is None or each > seen_at})
        return Broadcast(
            id=self.id,
            name=min(self.name, other.name),
            window_s=max(self.window_s, other.window_s),
            first_at=min(self.first_at, other.first_at),
            started_at=_least(self.started_at, other.started_at),
            ended_at=_least(self.ended_at, other.ended_at),
            failed=self.failed or other.failed,
            stopped=min((each for each in (self.stopped, other.stopped) if each), default=None),
            seen_at=seen_at,
            missed=tuple(missed),
            health=max((each for each in (self.health, other.health) if each), key=_sample, default=None),
            starving=max((each for each in (self.starving, other.starving) if each), default=None),
            viewers_most=max(self.viewers_most, other.viewers_most),
        )

    @property
    def lost(self) -> bool:
        """The ingest, asked twice since it was last seen, did not know it."""
        return bool(self.missed) and self.missed[-1] - self.missed[0] >= MISSED_FOR

    @property
    def over_at(self) -> datetime | None:
        """When it was over; None while it is live or may still start."""
        stop = self.stopped[0] if self.stopped else None
        told = _least(self.ended_at, stop)
        if told is None and self.lost:
            return self.seen_at or self.first_at
        return told

    @property
    def live(self) -> bool:
        return self.started_at is not None and self.over_at is None

    @property
    def begun_at(self) -> datetime:
        return self.started_at or self.first_at

    @property
    def heard_at(self) -> datetime:
        """The last time that it was known to be there."""
        return self.seen_at or self.begun_at

    @property
    def reason(self) -> EndReason:
        """Why it was over, if it is."""
        if self.stopped is not None and (self.ended_at is None or self.stopped[0] <= self.ended_at + STOP_TAKES):
            return self.stopped[1]
        if self.failed:
            return EndReason.FAILED
        if self.ended_at is not None:
            return EndReason.ENDED
        return EndReason.LOST if self.lost else EndReason.ENDED


STOP_TAKES = timedelta(minutes=1)
"""By how much the end that an ingest tells of may come before our note that we asked for it, clocks and all."""


def _sample(health: Health) -> tuple[datetime, str]:
    return health.at, repr(health)


def _told(event: SessionEvent, window_s: int, name: StreamSessionId) -> Broadcast | None:
    """What one event says of its broadcast; None if it is of none."""
    if event.broadcast is None:
        return None
    kind, at = event.kind, event.at
    viewers, started = event.detail.get("viewers"), event.detail.get("started_at")
    runs = kind in _RUNS
    begun = at if runs else None
    if runs and isinstance(started, str):
        begun = min(at, datetime.fromisoformat(started))
    starving = {Happening.STARVATION_START: (at, True), Happening.STARVATION_END: (at, False)}.get(kind)
    return Broadcast(
        id=event.broadcast,
        name=name,
        window_s=window_s,
        first_at=begun or at,
        started_at=begun,
        ended_at=at if kind in _ENDS else None,
        failed=kind is Happening.STREAM_FAILURE,
        stopped=(at, EndReason(str(event.detail["reason"]))) if kind is Happening.STOPPED else None,
        seen_at=at if runs else None,
        missed=(at,) if kind is Happening.MISSED else (),
        health=measured(event),
        starving=starving,
        viewers_most=viewers if isinstance(viewers, int) else 0,
    )


def measured(event: SessionEvent) -> Health | None:
    """What came in, as an event says it; None if it says nothing of that."""
    if event.kind not in {Happening.HEALTH, Happening.SEEN}:
        return None

    def number(name: str) -> float | None:
        value = event.detail.get(name)
        return value if isinstance(value, (int, float)) else None

    def whole(name: str) -> int | None:
        value = number(name)
        return None if value is None else round(value)

    breach = event.detail.get("breach")
    return Health(
        at=event.at, bitrate_bps=whole("bitrate_bps"), width=whole("width"), height=whole("height"),
        fps=number("fps"), keyframe_s=number("keyframe_s"), viewers=whole("viewers"),
        breach=breach if isinstance(breach, str) else None,
    )  # fmt: skip


@frozen(kw_only=True)
class Recording:
    """What is known of one recording, which may hold the broadcasts of several connections. ``source`` is where it
    lies; ``video`` what it becomes.
    """

    id: RecordingId
    video: VideoId
    first_at: datetime
    broadcasts: frozenset[BroadcastId] = frozenset()
    ended_at: datetime | None = None
    source: str = ""
    duration_s: float = 0.0
    failure: str | None = None

    def joined(self, other: "Recording") -> "Recording":
        """With what the other knows of the same recording. In any order and any number of times: the same."""
        last = max(self, other, key=_extent)
        return Recording(
            id=self.id,
            video=min(self.video, other.video),
            first_at=min(self.first_at, other.first_at),
            broadcasts=self.broadcasts | other.broadcasts,
            ended_at=_most(self.ended_at, other.ended_at),
            source=last.source or self.source or other.source,
            duration_s=last.duration_s,
            failure=max((each for each in (self.failure, other.failure) if each), default=None),
        )

    @property
    def status(self) -> "RecordingStatus":
        if self.ended_at is not None:
            return RecordingStatus.READY
        return RecordingStatus.PROCESSING if self.failure is None else RecordingStatus.FAILED


def _extent(recording: Recording) -> tuple[float, str]:
    return recording.duration_s, recording.source


def _recorded(event: SessionEvent, video: VideoId) -> Recording | None:
    """What one event says of a recording; None if it is of none.

    Its detail has ``recording``, and at the end ``source``, ``duration_s`` and ``broadcasts``; or ``reason``.
    """
    recording = event.detail.get("recording")
    if event.kind not in _RECORDS or not isinstance(recording, str):
        return None
    ended = event.kind is Happening.RECORDING_END
    failed = event.kind in {Happening.RECORDING_START_FAILURE, Happening.RECORDING_END_FAILURE}
    others, duration = event.detail.get("broadcasts", ()), event.detail.get("duration_s", 0.0)
    own = () if event.broadcast is None else (event.broadcast,)
    return Recording(
        id=RecordingId(recording),
        video=video,
        first_at=event.at,
        broadcasts=frozenset(own) | frozenset(map(BroadcastId, others if isinstance(others, (list, tuple)) else ())),
        ended_at=event.at if ended else None,
        source=str(event.detail.get("source", "")),
        duration_s=float(duration) if isinstance(duration, (int, float)) else 0.0,
        failure=str(event.detail.get("reason", "")) or "unknown" if failed else None,
    )


class RecordingStatus(StrEnum):
    NONE = "none"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


class SessionStatus(StrEnum):
    CREATED = "created"
    LIVE = "live"
    RECONNECTING = "reconnecting"
    ENDED = "ended"


NEXT: Mapping[SessionStatus, frozenset[SessionStatus]] = {
    # What can follow as things happen; what is learnt late may take any of these at once.
    SessionStatus.CREATED: frozenset({SessionStatus.LIVE, SessionStatus.ENDED}),
    SessionStatus.LIVE: frozenset({SessionStatus.RECONNECTING, SessionStatus.ENDED}),
    SessionStatus.RECONNECTING: frozenset({SessionStatus.LIVE, SessionStatus.ENDED}),
    SessionStatus.ENDED: frozenset(),
}


@frozen(kw_only=True)
class Session:
    """What one or several broadcasts, each soon after the other, come to, as of when it was last looked at.

    ``ended_at`` is when the last of them was over. ``video`` is what the recording becomes or became. ``joined``: what
    was taken for a session of its own belongs to this other one, and is shown as that.
    """

    id: StreamSessionId
    stream: StreamId
    status: SessionStatus
    started_at: datetime
    ended_at: datetime | None = None
    ended_reason: EndReason | None = None
    broadcasts: tuple[BroadcastId, ...] = ()
    viewers: int = 0
    peak_viewers: int = 0
    health: Health | None = None
    recording: RecordingStatus = RecordingStatus.NONE
    video: VideoId | None = None
    joined: StreamSessionId | None = None

    @property
    def over(self) -> bool:
        return self.status is SessionStatus.ENDED


@frozen(kw_only=True)
class Timeline:
    """All that was heard of a stream's latest broadcasts. A value: what is heard returns a new one.

    ``as_of`` is when it was last looked at: a reconnect window passes without anyone saying so. Subscribers were told
    of the sessions with a broadcast in ``announced``. What happened up to ``closed_until`` is not looked at any more.
    """

    stream: StreamId
    channel: ChannelId
    broadcasts: Mapping[BroadcastId, Broadcast] = field(factory=dict)
    recordings: Mapping[RecordingId, Recording] = field(factory=dict)
    announced: frozenset[BroadcastId] = frozenset()
    taken: frozenset[RecordingId] = frozenset()
    """Recordings of which a video was made."""
    as_of: datetime
    closed_until: datetime | None = None
    version: int = 0

    def hear(self, event: SessionEvent, *, window_s: int, name: StreamSessionId, video: VideoId) -> "Timeline":
        """Knowing of one more event. In whatever order events are heard, and however often: the same timeline.

        ``window_s`` is the stream's reconnect window; ``name`` and ``video`` are for a session and a video that begin
        with this event.
        """
        if self.closed_until is not None and event.at <= self.closed_until:
            return self
        heard = self
        if (told := _told(event, window_s, name)) is not None:
            known = self.broadcasts.get(told.id)
            heard = evolve(heard, broadcasts={**self.broadcasts, told.id: known.joined(told) if known else told})
        if (recorded := _recorded(event, video)) is not None:
            before = self.recordings.get(recorded.id)
            recorded = before.joined(recorded) if before else recorded
            heard = evolve(heard, recordings={**self.recordings, recorded.id: recorded})
        return heard

    # --- what it comes to -----------------------------------------------------------------------

    def sessions(self) -> Sequence[Session]:
        """Oldest first."""
        groups = self._groups()
        return [self._session(group, latest=group is groups[-1]) for group in groups]

    @property
    def current(self) -> Session | None:
        """The one that is under way: live, or waiting for its encoder to come back."""
        last = next(iter(reversed(self.sessions())), None)
        return last if last and last.status in {SessionStatus.LIVE, SessionStatus.RECONNECTING} else None

    @property
    def on_air(self) -> Broadcast | None:
        """The broadcast that is live now, if one is."""
        groups = self._groups()
        return groups[-1][-1] if groups and groups[-1][-1].live else None

    @property
    def unsettled(self) -> Sequence[Recording]:
        """Recordings of sessions that are over, of whose end nobody heard."""
        over = {id_ for session in self.sessions() if session.over for id_ in session.broadcasts}
        waiting = (each for each in self.recordings.values() if each.status is RecordingStatus.PROCESSING)
        return [each for each in waiting if each.broadcasts & over]

    @property
    def look_at(self) -> datetime | None:
        """When it has to be looked at though nothing may be heard; None: never."""
        groups = self._groups()
        if not groups:
            return None
        last, sessions = groups[-1][-1], self.sessions()
        ends = [each.ended_at + LATE_MOST for each in sessions if each.ended_at]
        if last.live:
            ends.append(last.heard_at + UNSEEN_AFTER)
        elif sessions[-1].status is SessionStatus.RECONNECTING and last.over_at:
            ends.append(last.over_at + timedelta(seconds=last.window_s))
        elif sessions[-1].status is SessionStatus.CREATED:
            ends.append(last.first_at + START_WITHIN)
        if self.unsettled:
            ends.append(self.as_of + ASK_AGAIN)
        return min(ends, default=None)

    def _groups(self) -> Sequence[Sequence[Broadcast]]:
        """The broadcasts of each session, oldest first. One that has not started is in none while there is a session
        that it may go on with, or something later.
        """
        ordered = sorted(self.broadcasts.values(), key=lambda each: (each.begun_at, each.id))
        groups: list[list[Broadcast]] = []
        for each in ordered:
            follows = bool(groups) and self._follows(groups[-1], each)
            if each.started_at is None and (follows or each is not ordered[-1]):
                continue
            if follows:
                groups[-1].append(each)
            else:
                groups.append([each])
        return groups

    @staticmethod
    def _follows(group: Sequence[Broadcast], each: Broadcast) -> bool:
        """Whether the broadcast goes on with the session. One that nobody heard the end of was over when it was last
        heard of, as a stream has one encoder.
        """
        before = group[-1]
        if before.stopped is not None or len(group) >= BROADCASTS_MOST:
            return False
        return each.begun_at <= (before.over_at or before.heard_at) + timedelta(seconds=before.window_s)

    def _session(self, group: Sequence[Broadcast], *, latest: bool) -> Session:
        status, ended_at, reason = self._state(group[-1], latest=latest)
        ids = tuple(each.id for each in group)
        recordings = [each for each in self.recordings.values() if each.broadcasts & set(ids)]
        first = min(recordings, key=lambda each: (each.first_at, each.id), default=None)
        health = max((each.health for each in group if each.health), key=_sample, default=None)
        starving = max((each.starving for each in group if each.starving), default=None)
        if starving is not None:
            health = evolve(health or Health(at=starving[0]), starving=starving[1])
        return Session(
            id=min(each.name for each in group),
            stream=self.stream,
            status=status,
            started_at=group[0].begun_at,
            ended_at=ended_at,
            ended_reason=reason,
            broadcasts=ids,
            viewers=health.viewers or 0 if health and ended_at is None else 0,
            peak_viewers=max(each.viewers_most for each in group),
            health=health,
            recording=first.status if first else RecordingStatus.NONE,
            video=first.video if first and first.id in self.taken else None,
        )

    def _state(
        self, last: Broadcast, *, latest: bool
    ) -> tuple[SessionStatus, datetime | None, EndReason | None]:  # fmt: skip
        over_at = last.over_at
        if last.started_at is None:
            if over_at is None and self.as_of < last.first_at + START_WITHIN:
                return SessionStatus.CREATED, None, None
            return SessionStatus.ENDED, over_at or last.first_at, EndReason.NEVER_STARTED
        if over_at is None:
            return (SessionStatus.LIVE, None, None) if latest else (SessionStatus.ENDED, last.heard_at, EndReason.LOST)
        back_by = over_at + timedelta(seconds=last.window_s)
        if latest and last.stopped is None and self.as_of < back_by:
            return SessionStatus.RECONNECTING, None, None
        return SessionStatus.ENDED, over_at, last.reason

    # --- looking at it --------------------------------------------------------------------------

    def looked_at(self, heard: "Timeline", now: datetime) -> "Look":
        """What has changed since this one was stored, now that ``heard`` is known."""
        after = evolve(heard, as_of=max(now, self.as_of))
        after, live = after._announced(now)  # noqa: SLF001  (its own)
        after, taken = after._taken(now)  # noqa: SLF001
        known = {each.id: each for each in self.sessions()}
        sessions = after.sessions()
        changed = [each for each in sessions if known.pop(each.id, None) != each]
        changed += [evolve(gone, joined=_holder(sessions, gone)) for gone in known.values()]
        moved = _under_way(self) != _under_way(after)
        events = (BroadcastMoved(self.stream, self.channel, now),) if moved else ()
        return Look(after._closed(now), changed, (*events, *live, *taken))  # noqa: SLF001

    def _announced(self, now: datetime) -> tuple["Timeline", tuple["WentLive", ...]]:
        """Subscribers are told once of a session, and not of one that begins where another ended a moment ago."""
        current = self.current
        if current is None or self.announced & set(current.broadcasts) or current.started_at + FRESH < now:
            return self, ()
        last = self.broadcasts[current.broadcasts[-1]]
        before = [each for each in self.sessions() if each.id != current.id and self.announced & set(each.broadcasts)]
        told = evolve(self, announced=self.announced | {last.id})
        soon = timedelta(seconds=last.window_s)
        if any(each.ended_at and current.started_at <= each.ended_at + soon for each in before):
            return told, ()
        return told, (WentLive(self.stream, self.channel, current.id, now),)

    def _taken(self, now: datetime) -> tuple["Timeline", tuple["RecordingEnded", ...]]:
        """Recordings that ended become videos, each once."""
        ended = [
            each for each in self.recordings.values() if each.status is RecordingStatus.READY and each.id not in self.taken
        ]  # fmt: skip
        events = tuple(
            RecordingEnded(self.stream, self.channel, each.id, each.video, each.source, each.first_at, now)
            for each in ended
        )
        return evolve(self, taken=self.taken | {each.id for each in ended}), events

    def _closed(self, now: datetime) -> "Timeline":
        """Without the sessions of which nothing is to be heard any more, and without what never came to be one."""
        groups, sessions = self._groups(), self.sessions()
        open_ids = {each.id for each in self.unsettled}
        gone: set[BroadcastId] = set()
        until = self.closed_until
        for group, session in zip(groups, sessions, strict=True):
            surplus = len(sessions) - SESSIONS_MOST > sessions.index(session)
            if session.ended_at is None or not (surplus or session.ended_at + LATE_MOST < now):
                break
            gone |= {each.id for each in group}
            until = _most(until, session.ended_at)
        held = {each.id for group in groups for each in group} - gone
        kept = {
            id_: each for id_, each in self.broadcasts.items() if id_ in held or now < each.first_at + START_WITHIN
        }  # fmt: skip
        recordings = {
            id_: each for id_, each in self.recordings.items()
            if not each.broadcasts <= gone or (id_ in open_ids and now < each.first_at + 2 * LATE_MOST)
        }  # fmt: skip
        return evolve(
            self, broadcasts=kept, recordings=recordings, announced=self.announced & set(kept),
            taken=self.taken & set(recordings), closed_until=until,
        )  # fmt: skip


ASK_AGAIN = timedelta(minutes=5)
"""Between two questions for a recording's end."""


def _under_way(timeline: Timeline) -> tuple[StreamSessionId, datetime] | None:
    current = timeline.current
    return (current.id, current.started_at) if current else None


def _holder(sessions: Iterable[Session], gone: Session) -> StreamSessionId:
    """The session that has its broadcasts now."""
    return next((each.id for each in sessions if set(gone.broadcasts) & set(each.broadcasts)), gone.id)


@frozen
class Look:
    """What to store: the timeline, the sessions that are new or other than before, and what that causes."""

    timeline: Timeline
    sessions: Sequence[Session]
    events: Sequence["BroadcastEvent"]


@frozen
class BroadcastMoved:
    """Another session is under way than before, or none."""

    stream: StreamId
    channel: ChannelId
    at: datetime


@frozen
class WentLive:
    """Subscribers may want to know. Happens once in a session's life, and not for what is no news any more."""

    stream: StreamId
    channel: ChannelId
    session: StreamSessionId
    at: datetime


@frozen
class RecordingEnded:
    """A recording is whole, lies at ``source``, and is to become ``video``."""

    stream: StreamId
    channel: ChannelId
    recording: RecordingId
    video: VideoId
    source: str
    started_at: datetime
    at: datetime


BroadcastEvent = BroadcastMoved | WentLive | RecordingEnded
