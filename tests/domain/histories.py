"""What may happen to a stream, with everything that an ingest says of it, and what that comes to."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from attrs import define, field, frozen
from hypothesis import strategies as st

from domain.broadcasts import (
    BroadcastEvent,
    EndReason,
    Happening,
    Session,
    SessionEvent,
    Timeline,
)
from domain.ids import BroadcastId, ChannelId, StreamId, StreamSessionId, VideoId
from tests.strategies import START

STREAM, CHANNEL = StreamId("str_1"), ChannelId("chn_cats")


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def happened(
    kind: Happening, at_s: float, broadcast: str | None = "b0", *, received_s: float | None = None, **detail: Any
) -> SessionEvent:  # fmt: skip
    """Told at once, unless said otherwise."""
    return SessionEvent(
        id=f"{at_s:09.1f}-{broadcast}-{kind}", stream=STREAM, broadcast=BroadcastId(broadcast) if broadcast else None,
        kind=kind, at=after(at_s), received_at=after(at_s if received_s is None else received_s), detail=detail,
    )  # fmt: skip


def empty(now_s: float = 0) -> Timeline:
    return Timeline(stream=STREAM, channel=CHANNEL, as_of=after(now_s))


def heard(timeline: Timeline, events: Iterable[SessionEvent], window_s: int = 60) -> Timeline:
    """What it begins is named for the broadcast and the recording that it begins with."""
    for event in events:
        name, video = f"brc_{event.broadcast}", f"vid_{event.detail.get('recording')}"
        timeline = timeline.hear(event, window_s=window_s, name=StreamSessionId(name), video=VideoId(video))
    return timeline


@frozen
class Ended:
    """A session that really happened; ``ends`` are why it may be taken to be over."""

    broadcasts: tuple[BroadcastId, ...]
    started_at: datetime
    ended_at: datetime
    reason: EndReason


@frozen
class History:
    """``events`` in the order of time. All of it is over in the end, and no window is open."""

    window_s: int
    events: Sequence[SessionEvent]
    sessions: Sequence[Ended]
    recordings: int

    @property
    def over_at(self) -> datetime:
        return self.events[-1].at + timedelta(seconds=self.window_s + 1)


@frozen
class Store:
    """Keeps what looking at a timeline comes to, as a repository does."""

    window_s: int = 60
    names: Iterator[int] = field(factory=count)
    """Given as things are heard."""
    sessions: dict[StreamSessionId, Session] = field(factory=dict)
    events: list[BroadcastEvent] = field(factory=list)

    def look(self, timeline: Timeline, events: Sequence[SessionEvent], now: datetime) -> Timeline:
        known = timeline
        for event in events:
            order = f"{next(self.names):09}"
            name, video = StreamSessionId(f"brc_{order}"), VideoId(f"vid_{order}")
            known = known.hear(event, window_s=self.window_s, name=name, video=video)
        looked = timeline.looked_at(known, now)
        self.sessions.update({each.id: each for each in looked.sessions})
        self.events.extend(looked.events)
        return looked.timeline

    def shown(self) -> Sequence[Session]:
        return sorted(
            (each for each in self.sessions.values() if each.joined is None),
            key=lambda each: (each.started_at, each.id),
        )

    def resolved(self, id_: StreamSessionId) -> Session:
        found = self.sessions[id_]
        for _ in self.sessions:
            if found.joined is None:
                return found
            found = self.sessions[found.joined]
        raise AssertionError("sessions that have joined each other in a circle")


@define
class Script:
    """Written as time goes by."""

    draw: st.DrawFn
    window_s: int
    record: bool
    lengths: Sequence[int] = (1, 60, 500)
    closest: bool = True
    """Whether one may come back at the last moment of the reconnect window."""
    events: list[SessionEvent] = field(factory=list)
    sessions: list[Ended] = field(factory=list)
    recordings: dict[str, SessionEvent] = field(factory=dict)
    """The end of each."""
    now: float = 0

    def say(self, kind: Happening, id_: str, after_s: float = 0, **detail: Any) -> None:
        self.events.append(happened(kind, self.now + after_s, id_, **detail))

    def connect(self, id_: BroadcastId) -> None:
        before = self.sessions[-1] if self.sessions else None
        may = before is not None and self.window_s > 0 and before.reason is not EndReason.STOPPED
        inside = before if may and self.draw(st.booleans()) else None
        kind = Happening.STREAM_START
        if inside is not None:
            self.now += self.draw(st.sampled_from([0, 1, self.window_s - 1] if self.closest else [0, 1]))
            kind = self.draw(st.sampled_from([Happening.STREAM_START, Happening.STREAM_TAKEOVER]))
        elif before is not None:
            self.now += self.window_s + self.draw(st.sampled_from([5, 1000]))
        if self.draw(st.booleans()):
            self.say(Happening.SESSION_CREATED, id_)
        self.say(kind, id_)
        began = inside.started_at if inside else after(self.now)
        ids = (*inside.broadcasts, id_) if inside else (id_,)
        self.broadcast(id_, recording := f"rec-{ids[0]}")
        reason = self.end(id_)
        ended = Ended(ids, began, after(self.now), reason)
        self.sessions = [*(self.sessions[:-1] if inside else self.sessions), ended]
        if self.record:
            self.recordings[recording] = happened(
                Happening.RECORDING_END, self.now + self.window_s, id_, recording=recording, source=f"raw/{recording}",
                duration_s=(ended.ended_at - began).total_seconds(), broadcasts=ids,
            )  # fmt: skip

    def broadcast(self, id_: str, recording: str) -> None:
        if self.record:
            self.say(Happening.RECORDING_START, id_, recording=recording)
        started_at = after(self.now).isoformat()
        self.now += self.draw(st.sampled_from(self.lengths))
        if self.draw(st.booleans()):
            self.say(Happening.SEEN, id_, started_at=started_at, viewers=self.draw(st.integers(0, 9)))
        if self.draw(st.booleans()):
            self.say(Happening.HEALTH, id_, bitrate_bps=1000, viewers=3)
            self.say(Happening.STARVATION_START, id_)

    def end(self, id_: str) -> EndReason:
        reason = self.draw(st.sampled_from([EndReason.ENDED, EndReason.FAILED, EndReason.STOPPED]))
        if reason is EndReason.STOPPED:
            self.say(Happening.STOPPED, id_, reason="stopped")
        self.say(Happening.STREAM_FAILURE if reason is EndReason.FAILED else Happening.STREAM_END, id_)
        self.say(Happening.SESSION_ENDED, id_, 0.5)
        if self.draw(st.booleans()):
            self.say(Happening.MISSED, id_, 0.6)
            self.say(Happening.MISSED, id_, 30.6)
        return reason


@st.composite
def histories(
    draw: st.DrawFn, *, most: int = 4, lengths: Sequence[int] = (1, 60, 500), closest: bool = True
) -> History:  # fmt: skip
    """One to ``most`` connections, each inside or outside of the reconnect window of the one before, some of them in
    its place at once; ended, failed or stopped; recorded or not, a recording going on over reconnects; polls between.
    """
    script = Script(draw, draw(st.sampled_from([0, 60, 300])), draw(st.booleans()), lengths, closest)
    for number in range(draw(st.integers(1, most))):
        script.connect(BroadcastId(f"b{number}"))
    events = sorted([*script.events, *script.recordings.values()], key=lambda each: each.at)
    return History(script.window_s, events, script.sessions, len(script.recordings))
