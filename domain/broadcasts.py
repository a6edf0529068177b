"""Broadcasts: what an ingest says happened to a stream, and what it comes to, in whatever order it was heard.

Each event only widens what is known of one broadcast: the earliest start, the earliest end, the last sighting, the most
viewers. Widening is commutative, associative and idempotent, so events that come twice, late or out of order cannot
matter (``Timeline.hear``); and one that never comes is made up for by asking the ingest who is live (``seen``,
``missed``). Sessions are then read off: broadcasts that follow each other within the reconnect window are one. So what
is known only grows, while what it comes to may be corrected by it, such as two sessions that turn out to be one.

An ingest may leave out, delay and reorder its events; one broadcast id is one connection of an encoder,
which, once over, does not come back.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import TypeVar

from attrs import evolve, field, frozen

from domain.ids import BroadcastId, ChannelId, RecordingId, StreamId, StreamSessionId, VideoId

LATE_MOST = timedelta(hours=24)
"""Events that come later than this after the end of their session are kept, and change nothing any more. A recording
of whose end nobody heard is waited for twice as long."""
FRESH = timedelta(minutes=10)
"""A start that is older is no news, and nobody is told of it."""
START_WITHIN = timedelta(minutes=5)
"""A broadcast that was created and has not started by then is over."""
UNSEEN_AFTER = timedelta(seconds=90)
"""A live broadcast of which nothing was seen for so long is asked after."""
MISSED_FOR = timedelta(seconds=30)
"""Twice in a row, and this far apart, an ingest must not know a broadcast before it counts as over."""
BROADCASTS_MOST = 100
"""Of one session; the next one begins another."""
SESSIONS_MOST = 20
"""That a timeline keeps, and ..."""
BROADCASTS_KEPT = 200
"""... of how many broadcasts, so that it stays a small record however often an encoder comes and goes."""


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
_ASIDE = frozenset({
    Happening.RECORDING_END, Happening.RECORDING_START_FAILURE, Happening.RECORDING_END_FAILURE,
    Happening.STREAM_TAKEOVER_FAILURE, Happening.REFUSED,
})  # fmt: skip
"""What shows nothing of a broadcast: it may come long after it, or be of an encoder that was turned away."""
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
    LOST = "lost"
    """No word of an end came; its ingest, asked, did not know it."""
    NEVER_STARTED = "never_started"


class Ailment(StrEnum):
    """What is wrong with what comes in."""

    STARVING = "starving"
    LIMIT_EXCEEDED = "limit_exceeded"
    KEY_FRAMES_FAR_APART = "key_frames_far_apart"
    SOUND_ONLY = "sound_only"


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
    def ailment(self) -> Ailment | None:
        """The worst of what is wrong; None while all is well."""
        if self.starving:
            return Ailment.STARVING
        if self.breach is not None:
            return Ailment.LIMIT_EXCEEDED
        if self.keyframe_s is not None and self.keyframe_s > KEYFRAMES_MOST_S:
            return Ailment.KEY_FRAMES_FAR_APART
        if self.bitrate_bps and self.width is None:
            return Ailment.SOUND_ONLY
        return None

    @property
    def advice(self) -> str:
        """For the owner, in a sentence."""
        match self.ailment:
            case Ailment.STARVING:
                return "Less arrives than the stream needs: check the connection, or lower the bitrate in the encoder."
            case Ailment.LIMIT_EXCEEDED:
                return f"A limit is exceeded: {self.breach}. Lower it in the encoder, or the stream may be cut off."
            case Ailment.KEY_FRAMES_FAR_APART:
                return (
                    f"Key frames are {self.keyframe_s:.0f} s apart, so viewers are far behind: set the key frame"
                    " interval to 2 s or less in the encoder."
                )
            case Ailment.SOUND_ONLY:
                return "Only sound arrives: a recording without pictures does not become a video."
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


T = TypeVar(
    "T", datetime, str, tuple[datetime, bool], tuple[datetime, int], tuple[datetime, str], tuple[datetime, EndReason]
)


def _least(a: T | None, b: T | None) -> T | None:
    return min((each for each in (a, b) if each is not None), default=None)


def _most(a: T | None, b: T | None) -> T | None:
    return max((each for each in (a, b) if each is not None), default=None)


@frozen(kw_only=True)
class Broadcast:
    """All that is known of one connection of an encoder. ``name`` is the session's, should it be the first of one."""

    id: BroadcastId
    name: StreamSessionId
    window: tuple[datetime, int]
    """When it was first heard of, and the reconnect window in seconds that applied then."""
    first_at: datetime
    last_at: datetime
    """Of anything that was heard."""
    ran: bool = False
    """Whether it was ever live, be it that nobody heard since when."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failed: bool = False
    stopped: tuple[datetime, EndReason] | None = None
    seen_at: datetime | None = None
    missed: tuple[datetime, ...] = ()
    """When the ingest, asked, did not know it, since it was last seen."""
    health: Health | None = None
    starving: tuple[datetime, bool] | None = None
    breach: tuple[datetime, str] | None = None
    viewers: tuple[datetime, int] | None = None
    viewers_most: int = 0

    def joined(self, other: "Broadcast") -> "Broadcast":
        """With what the other knows of the same broadcast. In any order and any number of times: the same."""
        seen_at = _most(self.seen_at, other.seen_at)
        missed = sorted({each for each in (*self.missed, *other.missed) if seen_at is None or each > seen_at})
        return Broadcast(
            id=self.id,
            name=min(self.name, other.name),
            window=min(self.window, other.window),
            first_at=min(self.first_at, other.first_at),
            last_at=max(self.last_at, other.last_at),
            ran=self.ran or other.ran,
            started_at=_least(self.started_at, other.started_at),
            ended_at=_least(self.ended_at, other.ended_at),
            failed=self.failed or other.failed,
            stopped=_least(self.stopped, other.stopped),
            seen_at=seen_at,
            missed=tuple(missed),
            health=_newest((self.health, other.health)),
            starving=_most(self.starving, other.starving),
            breach=_most(self.breach, other.breach),
            viewers=_most(self.viewers, other.viewers),
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
        return self.ran and self.over_at is None

    @property
    def back_by(self) -> datetime:
        """Until when another may go on with its session. One that nobody heard the end of was over when it was last
        heard of, once there is another: a stream has one encoder.
        """
        return (self.over_at or self.heard_at) + timedelta(seconds=self.window[1])

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
        if self.stopped is not None and (self.ended_at is None or self.stopped[0] <= self.back_by + STOP_TAKES):
            return self.stopped[1]
        if self.failed:
            return EndReason.FAILED
        if self.ended_at is not None:
            return EndReason.ENDED
        return EndReason.LOST if self.lost else EndReason.ENDED


STOP_TAKES = timedelta(minutes=1)
"""By how much the time in which an encoder may come back may be over before our note that we cut it off, clocks and all."""


def _newest(samples: Iterable[Health | None]) -> Health | None:
    return max((each for each in samples if each), key=lambda health: (health.at, repr(health)), default=None)


def _told(event: SessionEvent, window_s: int, name: StreamSessionId) -> Broadcast | None:
    """What one event says of its broadcast; None if it says nothing of one."""
    kind, at = event.kind, event.at
    if event.broadcast is None or kind in _ASIDE:
        return None
    viewers, started, breach = (event.detail.get(name) for name in ("viewers", "started_at", "breach"))
    runs = kind in _RUNS
    begun = at if runs else None
    if runs and isinstance(started, str):
        begun = min(at, datetime.fromisoformat(started))
    starving = {Happening.STARVATION_START: (at, True), Happening.STARVATION_END: (at, False)}.get(kind)
    return Broadcast(
        id=event.broadcast,
        name=name,
        window=(event.received_at, window_s),
        first_at=begun or at,
        last_at=at,
        ran=runs or kind is Happening.STREAM_END,
        started_at=begun,
        ended_at=at if kind in _ENDS else None,
        failed=kind is Happening.STREAM_FAILURE,
        stopped=(at, EndReason(str(event.detail["reason"]))) if kind is Happening.STOPPED else None,
        seen_at=at if runs else None,
        missed=(at,) if kind is Happening.MISSED else (),
        health=measured(event),
        starving=starving,
        breach=(at, breach) if kind is Happening.LIMIT_BREACH and isinstance(breach, str) else None,
        viewers=(at, viewers) if isinstance(viewers, int) else None,
        viewers_most=viewers if isinstance(viewers, int) else 0,
    )


def measured(event: SessionEvent) -> Health | None:
    """What came in, as an event says it; None if it says nothing of that."""
    if event.kind is not Happening.HEALTH:
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
    last_at: datetime
    broadcasts: frozenset[BroadcastId] = frozenset()
    ended_at: datetime | None = None
    source: str = ""
    duration_s: float = 0.0
    failure: str | None = None
    asked_at: datetime | None = None
    """When the ingest, asked, last knew of no end."""

    def joined(self, other: "Recording") -> "Recording":
        """With what the other knows of the same recording. In any order and any number of times: the same."""
        last = max(self, other, key=_extent)
        return Recording(
            id=self.id,
            video=min(self.video, other.video),
            first_at=min(self.first_at, other.first_at),
            last_at=max(self.last_at, other.last_at),
            broadcasts=self.broadcasts | other.broadcasts,
            ended_at=_most(self.ended_at, other.ended_at),
            source=last.source or self.source or other.source,
            duration_s=last.duration_s,
            failure=_most(self.failure, other.failure),
            asked_at=_most(self.asked_at, other.asked_at),
        )

    @property
    def status(self) -> "RecordingStatus":
        if self.ended_at is not None and self.source:
            return RecordingStatus.READY
        return RecordingStatus.PROCESSING if self.failure is None else RecordingStatus.FAILED


def _extent(recording: Recording) -> tuple[float, str]:
    return recording.duration_s, recording.source


def _recorded(event: SessionEvent, video: VideoId) -> Recording | None:
    """What one event says of a recording; None if it is of none.

    Its detail has ``recording``, and at the end ``source``, ``duration_s`` and ``broadcasts``; or ``reason``.
    """
    recording = event.detail.get("recording")
    asked = event.kind is Happening.MISSED
    if not (event.kind in _RECORDS or asked) or not isinstance(recording, str):
        return None
    ended = event.kind is Happening.RECORDING_END
    failed = event.kind in {Happening.RECORDING_START_FAILURE, Happening.RECORDING_END_FAILURE}
    others, duration = event.detail.get("broadcasts", ()), event.detail.get("duration_s", 0.0)
    own = () if event.broadcast is None else (event.broadcast,)
    return Recording(
        id=RecordingId(recording),
        video=video,
        first_at=event.at,
        last_at=event.at,
        broadcasts=frozenset(own) | frozenset(map(BroadcastId, others if isinstance(others, (list, tuple)) else ())),
        ended_at=event.at if ended else None,
        source=str(event.detail.get("source", "")),
        duration_s=float(duration) if isinstance(duration, (int, float)) else 0.0,
        failure=str(event.detail.get("reason", "")) or "unknown" if failed else None,
        asked_at=event.at if asked else None,
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
    was taken for a session of its own belongs to this other one, and is shown as that. ``pauses`` are from when to when
    its encoder was away, in order: of that there is nothing in the recording.
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
    pauses: tuple[tuple[datetime, datetime], ...] = ()

    @property
    def over(self) -> bool:
        return self.status is SessionStatus.ENDED

    def recorded_s(self, at: datetime) -> float:
        """How far into the recording that was. Less than nothing before the session began."""
        away = (min(at, until) - since for since, until in self.pauses if since < at)
        return (at - self.started_at - sum(away, timedelta())).total_seconds()


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
        """Knowing of one more event. In whatever order events are heard, and however often: the same timeline, but for
        names. ``name`` and ``video`` are those of a session and a video that begin with this event; ``window_s`` is the
        stream's reconnect window.
        """
        if event.at > event.received_at:  # by the clock of an ingest that is ahead
            event = evolve(event, at=event.received_at)
        late = self.closed_until is not None and event.at <= self.closed_until
        heard = self
        if (told := _told(event, window_s, name)) is not None:
            known = self.broadcasts.get(told.id)
            if known is not None:
                told = known.joined(evolve(told, name=known.name))
            if known is not None or not late:
                heard = evolve(heard, broadcasts={**self.broadcasts, told.id: told})
        if (recorded := _recorded(event, video)) is not None:
            before = self.recordings.get(recorded.id)
            if before is not None:
                recorded = before.joined(evolve(recorded, video=before.video))
            if before is not None or not late:
                heard = evolve(heard, recordings={**self.recordings, recorded.id: recorded})
        return heard

    # --- what it comes to -----------------------------------------------------------------------

    def sessions(self) -> Sequence[Session]:
        """Oldest first."""
        return [session for _, session in self._read]

    @cached_property
    def _read(self) -> Sequence[tuple[Sequence[Broadcast], Session]]:
        """Each session, with the broadcasts that it was read off."""
        groups, recordings = self._groups(), defaultdict(list)
        for recording in self.recordings.values():
            for id_ in recording.broadcasts:
                recordings[id_].append(recording)
        return [(group, self._session(group, recordings, latest=group is groups[-1])) for group in groups]

    @property
    def current(self) -> Session | None:
        """The one that is under way: live, or waiting for its encoder to come back."""
        last = self._read[-1][1] if self._read else None
        return last if last and last.status in {SessionStatus.LIVE, SessionStatus.RECONNECTING} else None

    @property
    def last(self) -> Broadcast | None:
        """The latest broadcast that ran of the latest session, be it under way or not."""
        return _counted(self._read[-1][0])[-1] if self._read else None

    @property
    def recording(self) -> Sequence[Recording]:
        """Recordings of whose end nobody heard."""
        return [each for each in self.recordings.values() if each.status is RecordingStatus.PROCESSING]

    @property
    def unsettled(self) -> Sequence[Recording]:
        """Recordings of sessions that are over, of whose end nobody heard."""
        over = {id_ for _, session in self._read if session.over for id_ in session.broadcasts}
        return [each for each in self.recording if each.broadcasts & over]

    @property
    def look_at(self) -> datetime | None:
        """When it has to be looked at though nothing may be heard; None: never."""
        moments = [(each.asked_at or each.first_at) + ASK_AGAIN for each in self.unsettled]
        if self._read and (closes_at := self._closes_at(self._read[0][1])) is not None:
            moments.append(closes_at)
        for group, session in self._read:
            last = _counted(group)[-1]
            if session.status is SessionStatus.CREATED:
                moments.append(last.first_at + START_WITHIN)
            elif session.status is SessionStatus.LIVE:
                moments.append(last.heard_at + UNSEEN_AFTER)
            elif session.status is SessionStatus.RECONNECTING:
                moments.append(last.back_by)
        return min(moments, default=None)

    def _groups(self) -> Sequence[Sequence[Broadcast]]:
        """The broadcasts of each session, oldest first; each is in one of them. What has not started is in the one that
        it may come to go on with.
        """
        groups: list[list[Broadcast]] = []
        before: Broadcast | None = None
        ran = 0
        for each in sorted(self.broadcasts.values(), key=lambda each: (each.begun_at, each.id)):
            if before is not None and _goes_on(before, each, full=ran >= BROADCASTS_MOST):
                groups[-1].append(each)
            else:
                groups.append([each])
                before, ran = each, 0
            if each.ran:
                before, ran = each, ran + 1
        return groups

    def _session(
        self, group: Sequence[Broadcast], recordings: Mapping[BroadcastId, Sequence[Recording]], *, latest: bool
    ) -> Session:
        counted = _counted(group)
        status, ended_at, reason = self._state(counted[-1], latest=latest)
        ids = tuple(each.id for each in counted)
        own = (each for id_ in ids for each in recordings.get(id_, ()))
        first = min(own, key=lambda each: (each.first_at, each.id), default=None)
        viewers = max((each.viewers for each in counted if each.viewers), default=None)
        return Session(
            id=min(each.name for each in counted),
            stream=self.stream,
            status=status,
            started_at=counted[0].begun_at,
            ended_at=ended_at,
            ended_reason=reason,
            broadcasts=ids,
            viewers=viewers[1] if viewers and ended_at is None else 0,
            peak_viewers=max(each.viewers_most for each in counted),
            health=None if status is SessionStatus.RECONNECTING else _health(counted),
            recording=first.status if first else RecordingStatus.NONE,
            video=first.video if first and first.id in self.taken else None,
            pauses=tuple(_pauses(counted)),
        )

    def _state(
        self, last: Broadcast, *, latest: bool
    ) -> tuple[SessionStatus, datetime | None, EndReason | None]:  # fmt: skip
        over_at = last.over_at
        if not last.ran:
            if over_at is None and self.as_of < last.first_at + START_WITHIN:
                return SessionStatus.CREATED, None, None
            return SessionStatus.ENDED, over_at or last.first_at, EndReason.NEVER_STARTED
        if over_at is None:
            return (SessionStatus.LIVE, None, None) if latest else (SessionStatus.ENDED, last.heard_at, EndReason.LOST)
        if latest and last.stopped is None and self.as_of < last.back_by:
            return SessionStatus.RECONNECTING, None, None
        return SessionStatus.ENDED, over_at, last.reason

    def _closes_at(self, session: Session) -> datetime | None:
        """When its events can no longer be late; None while it is not over."""
        if session.ended_at is None:
            return None
        waits = any(not each.broadcasts.isdisjoint(session.broadcasts) for each in self.recording)
        return session.ended_at + LATE_MOST * (2 if waits else 1)

    # --- looking at it --------------------------------------------------------------------------

    def looked_at(self, heard: "Timeline", now: datetime) -> "Look":
        """What has changed since this one was stored, now that ``heard`` is known."""
        after = evolve(heard, as_of=max(now, self.as_of))
        after, live = after._announced(now)  # noqa: SLF001  (its own)
        after, taken = after._taken(now)  # noqa: SLF001
        known = {each.id: each for each in self.sessions()}
        sessions = after.sessions()
        changed = [each for each in sessions if known.pop(each.id, None) != each]
        held = {each.id: session.id for group, session in after._read for each in group}  # noqa: SLF001
        changed += [evolve(gone, joined=held[gone.broadcasts[0]]) for gone in known.values()]
        moved = _under_way(self) != _under_way(after)
        events = (BroadcastMoved(self.stream, self.channel, now),) if moved else ()
        return Look(after._closed(now), changed, (*events, *live, *taken))  # noqa: SLF001

    def _announced(self, now: datetime) -> tuple["Timeline", tuple["WentLive", ...]]:
        """Subscribers are told once of a session, and not of one that begins where another ended a moment ago."""
        current = self.current
        if current is None or self.announced & set(current.broadcasts) or current.started_at + FRESH < now:
            return self, ()
        last = self.broadcasts[current.broadcasts[-1]]
        if not last.live:
            return self, ()
        before = [each for each in self.sessions() if each.id != current.id and self.announced & set(each.broadcasts)]
        told = evolve(self, announced=self.announced | {last.id})
        soon = timedelta(seconds=last.window[1])
        if any(each.ended_at and current.started_at <= each.ended_at + soon for each in before):
            return told, ()
        return told, (WentLive(self.stream, self.channel, current.id, now),)

    def _taken(self, now: datetime) -> tuple["Timeline", tuple["RecordingEnded", ...]]:
        """Recordings that ended become videos, each once."""
        ended = [
            each for each in self.recordings.values() if each.status is RecordingStatus.READY and each.id not in self.taken
        ]  # fmt: skip
        if not ended:
            return self, ()
        of = {id_: session.id for _, session in self._read for id_ in session.broadcasts}
        events = tuple(
            RecordingEnded(
                self.stream, self.channel, each.id, each.video, each.source, each.first_at, now,
                min((of[id_] for id_ in each.broadcasts if id_ in of), default=None),
            )
            for each in ended
        )  # fmt: skip
        return evolve(self, taken=self.taken | {each.id for each in ended}), events

    def _closed(self, now: datetime) -> "Timeline":
        """Without the oldest sessions, once their events can no longer be late or there are too many."""
        kept = dict(self.broadcasts)
        gone: dict[BroadcastId, Broadcast] = {}
        for number, (group, session) in enumerate(self._read):
            surplus = len(self._read) - number > SESSIONS_MOST or len(kept) > BROADCASTS_KEPT
            closes_at = self._closes_at(session)
            if closes_at is None or not (surplus or closes_at <= now):
                break
            gone |= {each.id: kept.pop(each.id) for each in group}
        # What never ran beside what did counts for nothing, and can be told anew.
        if (surplus_of := len(kept) - BROADCASTS_KEPT) > 0:
            counted = {id_ for _, session in self._read for id_ in session.broadcasts}
            for id_ in [each for each in kept if each not in counted][:surplus_of]:
                del kept[id_]
        latest = sorted(self.recordings.values(), key=lambda each: each.last_at)[-BROADCASTS_KEPT:]
        recordings = {
            each.id: each for each in latest
            if each.broadcasts & kept.keys()
            or (not each.broadcasts & gone.keys() and now < each.last_at + LATE_MOST)
        }  # fmt: skip
        over = [each for id_, each in self.recordings.items() if id_ not in recordings]
        last = [each.last_at for each in gone.values()] + [each.last_at for each in over]
        return evolve(
            self, broadcasts=kept, recordings=recordings, announced=self.announced.intersection(kept),
            taken=self.taken.intersection(recordings),
            closed_until=max([*last, *filter(None, [self.closed_until])], default=None),
        )  # fmt: skip


def _goes_on(before: Broadcast, each: Broadcast, *, full: bool) -> bool:
    """Whether a broadcast is of the same session as the last one before it that counts."""
    if before.live and not each.ran:
        return True
    return before.ran and before.stopped is None and not full and each.begun_at < before.back_by


def _counted(group: Sequence[Broadcast]) -> Sequence[Broadcast]:
    """Those that make the session what it is: what never ran counts only by itself."""
    return [each for each in group if each.ran] or group


def _pauses(broadcasts: Sequence[Broadcast]) -> Iterable[tuple[datetime, datetime]]:
    """Between each and the next, as far as it is known when it was over."""
    for before, each in pairwise(broadcasts):
        if before.over_at is not None and before.over_at < each.begun_at:
            yield before.over_at, each.begun_at


def _health(broadcasts: Sequence[Broadcast]) -> Health | None:
    """The latest measurement, with what was said apart from it."""
    health = _newest(each.health for each in broadcasts)
    starving = broadcasts[-1].starving
    if starving is not None:
        health = evolve(health or Health(at=starving[0]), starving=starving[1])
    breach = max((each.breach for each in broadcasts if each.breach), default=None)
    if breach is not None and (health is None or health.at <= breach[0]):
        health = evolve(health or Health(at=breach[0]), breach=breach[1])
    return health


ASK_AGAIN = timedelta(minutes=5)
"""Between two questions for a recording's end."""


def _under_way(timeline: Timeline) -> tuple[StreamSessionId, datetime] | None:
    current = timeline.current
    return (current.id, current.started_at) if current else None


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
    """A recording is whole, lies at ``source``, and is to become ``video``. ``session`` is what it is of, if that is known."""

    stream: StreamId
    channel: ChannelId
    recording: RecordingId
    video: VideoId
    source: str
    started_at: datetime
    at: datetime
    session: StreamSessionId | None = None


BroadcastEvent = BroadcastMoved | WentLive | RecordingEnded
