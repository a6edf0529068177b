"""Any Broadcasts keeps timelines under a version check, sessions with them, and what happened, by time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, invariant, multiple, rule

from application.ports import EVENTS_KEPT, SESSIONS_AT_ONCE, Broadcasts, Event
from domain.broadcasts import (
    UNSEEN_AFTER,
    BroadcastMoved,
    Happening,
    Session,
    SessionEvent,
    SessionStatus,
    Timeline,
)
from domain.errors import NotFound, Stale
from domain.ids import BroadcastId, ChannelId, StreamId, StreamSessionId, VideoId
from tests.contract.machine import WalkingMachine, run, same, some_events, walked
from tests.strategies import (
    START,
    STREAM_IDS,
    STREAM_SESSION_IDS,
    session_events,
    stream_ids,
    stream_sessions,
    timelines,
    times,
)
from tests.worlds import BROADCASTS, Opener

openers = pytest.mark.parametrize("opener", [opener for _, opener in BROADCASTS], ids=[name for name, _ in BROADCASTS])

MINUTE = timedelta(minutes=1)
CATS = StreamId("str_cats")
SILENT = Timeline(stream=CATS, channel=ChannelId("chn_cats"), as_of=START)
FIRST = Session(
    id=StreamSessionId("brc_1"), stream=CATS, status=SessionStatus.LIVE, started_at=START,
    broadcasts=(BroadcastId("st-1"),),
)  # fmt: skip
SAID = SessionEvent(
    id="said-1", stream=CATS, broadcast=BroadcastId("st-1"), kind=Happening.STREAM_START, at=START, received_at=START,
    detail={"viewers": 3, "broadcasts": ["st-1"]},
)  # fmt: skip
MOVED = BroadcastMoved(CATS, SILENT.channel, START)


def session(number: int, minutes: float = 0, joined: int | None = None) -> Session:
    """Begun so many minutes after the start."""
    return evolve(
        FIRST, id=StreamSessionId(f"brc_{number}"), started_at=START + minutes * MINUTE,
        joined=None if joined is None else StreamSessionId(f"brc_{joined}"),
    )  # fmt: skip


def said(number: int, minutes: float) -> SessionEvent:
    """Happened so many minutes after the start."""
    return evolve(SAID, id=f"said-{number}", at=START + minutes * MINUTE)


def heard(stream: str, seen: float) -> Timeline:
    """Live, and last seen so many minutes after the start."""
    timeline = evolve(SILENT, stream=StreamId(stream))
    for kind, minutes in ((Happening.STREAM_START, 0.0), (Happening.SEEN, seen)):
        at = START + minutes * MINUTE
        event = evolve(SAID, stream=timeline.stream, kind=kind, at=at, received_at=at)
        timeline = timeline.hear(event, window_s=60, name=FIRST.id, video=VideoId("vid_1"))
    return timeline


class BroadcastsMachine(WalkingMachine):
    port: Broadcasts
    held: Bundle[Any] = Bundle("held")  # timelines that a worker may hold, fresh or stale

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[StreamSessionId, Session] = {}
        self.happened: dict[tuple[StreamId, str], SessionEvent] = {}

    @rule(target=held, timeline=timelines())
    def draft(self, timeline: Timeline) -> Timeline:
        return timeline

    @rule(target=held, stream=stream_ids)
    def read(self, stream: StreamId) -> "Timeline | MultipleResults[Timeline]":
        return self.do(self.port.timeline(stream)) if stream in self.model else multiple()

    @rule(
        target=held, held=held, changed=timelines(), some=st.lists(stream_sessions(), max_size=3, unique_by=lambda each: each.id),
        events=some_events,
    )  # fmt: skip
    def save(self, held: Timeline, changed: Timeline, some: list[Session], events: list[Event]) -> Timeline:
        """A session stays with its stream."""
        sessions = [
            evolve(each, stream=self.known[each.id].stream if each.id in self.known else held.stream) for each in some
        ]
        timeline = evolve(changed, stream=held.stream, version=held.version)
        stored = self.model.get(held.stream)
        if held.version != (stored.version if stored else 0):
            self.refused(self.port.save(timeline, sessions, *events), Stale)
            return held
        saved: Timeline = self.do(self.port.save(timeline, sessions, *events))
        assert saved == evolve(timeline, version=saved.version)
        assert saved.version > timeline.version
        self.told(*events)
        self.model[held.stream] = saved
        self.known.update({each.id: each for each in sessions})
        return saved

    @rule(events=st.lists(session_events(), max_size=3))
    def log(self, events: list[SessionEvent]) -> None:
        self.do(self.port.log(events))
        for event in events:
            self.happened.setdefault((event.stream, event.id), event)

    @rule(stream=stream_ids, since=times, until=times, limit=st.integers(1, 4))
    def events_are_those_in_between(self, stream: StreamId, since: datetime, until: datetime, limit: int) -> None:
        read = self.do(
            walked(lambda cursor, most: self.port.events(stream, since, until, cursor=cursor, limit=most), limit)
        )
        same(read, [each for each in self.told_of(stream) if since <= each.at < until], lambda each: each.at)

    @rule(stream=stream_ids)
    def walk_events(self, stream: StreamId) -> None:
        self.set_out(
            lambda cursor, limit: self.port.events(stream, START, START + 9 * MINUTE, cursor=cursor, limit=limit),
            lambda: {each.id: each.at for each in self.told_of(stream)},
            lambda event: event.id,
        )

    @rule(stream=stream_ids)
    def walk_sessions(self, stream: StreamId) -> None:
        self.set_out(
            lambda cursor, limit: self.port.sessions(stream, cursor=cursor, limit=limit),
            lambda: {each.id: each.started_at for each in self.shown(stream)},
            lambda each: each.id,
        )

    @rule(now=times, later=st.sampled_from([timedelta(), UNSEEN_AFTER, timedelta(days=2)]), limit=st.integers(1, 9))
    def due_are_those_to_look_at(self, now: datetime, later: timedelta, limit: int) -> None:
        waiting = sorted(
            each.look_at for each in self.model.values() if each.look_at is not None and each.look_at <= now + later
        )
        due = self.do(self.port.due(now + later, limit))
        assert [each.look_at for each in due] == waiting[:limit]
        assert all(self.model[each.stream] == each for each in due)
        assert len({each.stream for each in due}) == len(due)

    @rule(stream=stream_ids, limit=st.integers(1, 4))
    def forget(self, stream: StreamId, limit: int) -> None:
        """Step by step, none larger than it may be."""
        kept = len(self.told_of(stream)) + sum(each.stream == stream for each in self.known.values())
        kept += stream in self.model
        while step := self.do(self.port.forget(stream, limit)):
            assert step <= limit
            kept -= step
        assert not kept
        self.model.pop(stream, None)
        self.known = {id_: each for id_, each in self.known.items() if each.stream != stream}
        self.happened = {key: each for key, each in self.happened.items() if each.stream != stream}

    @invariant()
    def reads_as_the_model(self) -> None:
        self.do(self.compare())

    async def compare(self) -> None:
        assert await self.port.timelines(STREAM_IDS) == self.model
        for stream in STREAM_IDS:
            if stream in self.model:
                assert await self.port.timeline(stream) == self.model[stream]
            else:
                with pytest.raises(NotFound):
                    await self.port.timeline(stream)
            read = await walked(
                lambda cursor, limit, stream=stream: self.port.sessions(stream, cursor=cursor, limit=limit),  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
                2,
            )
            same(read, self.shown(stream), lambda each: each.started_at, descending=True)
        for id_ in STREAM_SESSION_IDS:
            if (expected := self.held_by(id_)) is not None:
                assert await self.port.session(id_) == expected
            else:
                with pytest.raises(NotFound):
                    await self.port.session(id_)

    def held_by(self, id_: StreamSessionId) -> Session | None:
        found = self.known.get(id_)
        if found is None or found.joined is None:
            return found
        return None if found.joined == id_ else self.held_by(found.joined)

    def shown(self, stream: StreamId) -> list[Session]:
        return [each for each in self.known.values() if each.stream == stream and each.joined is None]

    def told_of(self, stream: StreamId) -> list[SessionEvent]:
        return [each for each in self.happened.values() if each.stream == stream]


@openers
def test_behaves_like_the_model(opener: Opener[Broadcasts]) -> None:
    """Whatever is done in whatever order, reads, lists, walks, errors and events are the model's."""
    run(BroadcastsMachine, opener)


@openers
async def test_of_two_looks_one_is_saved(opener: Opener[Broadcasts]) -> None:
    """The other is stale, and nothing of it is stored: neither its sessions nor its events."""
    async with opener() as opened:
        stored = await opened.port.save(SILENT, [FIRST], MOVED)
        ended = evolve(FIRST, status=SessionStatus.ENDED, ended_at=START)
        saved = await opened.port.save(stored, [ended])
        with pytest.raises(Stale):
            await opened.port.save(stored, [FIRST, session(2)], MOVED)
        with pytest.raises(Stale):
            await opened.port.save(SILENT, [session(2)], MOVED)
        assert await opened.port.timeline(CATS) == saved
        assert await opened.port.session(FIRST.id) == ended
        assert (await opened.port.sessions(CATS)).items == [ended]
        assert await opened.events() == [MOVED]


@openers
async def test_as_many_sessions_as_a_look_may_change_are_saved_at_once(opener: Opener[Broadcasts]) -> None:
    """With the timeline and its events, or not at all."""
    async with opener() as opened:
        some = [session(number, number) for number in range(SESSIONS_AT_ONCE)]
        stored = await opened.port.save(SILENT, some, MOVED)
        assert (await opened.port.sessions(CATS, limit=100)).items == some[::-1]
        with pytest.raises(Stale):
            await opened.port.save(SILENT, [evolve(each, viewers=7) for each in some], MOVED)
        assert (await opened.port.sessions(CATS, limit=100)).items == some[::-1]
        joined = [evolve(each, joined=some[0].id) for each in some[1:]]
        await opened.port.save(stored, joined)
        assert (await opened.port.sessions(CATS)).items == [some[0]]
        assert await opened.events() == [MOVED]


@openers
async def test_a_session_that_joined_another_is_that_one(opener: Opener[Broadcasts]) -> None:
    """However often it was joined on; in the list only the last is shown. One that joined itself came to nothing."""
    async with opener() as opened:
        stored = await opened.port.save(SILENT, [session(1), session(2, 1), session(3, 2), session(4, 3)])
        stored = await opened.port.save(stored, [session(3, 2, joined=2)])
        stored = await opened.port.save(stored, [session(2, 1, joined=1), session(4, 3, joined=4)])
        assert await opened.port.session(StreamSessionId("brc_3")) == session(1)
        assert await opened.port.session(StreamSessionId("brc_2")) == session(1)
        with pytest.raises(NotFound):
            await opened.port.session(StreamSessionId("brc_4"))
        assert (await opened.port.sessions(CATS)).items == [session(1)]
        await opened.port.save(stored, [session(3, 2)])
        assert await opened.port.session(StreamSessionId("brc_3")) == session(3, 2)
        assert (await opened.port.sessions(CATS)).items == [session(3, 2), session(1)]


@openers
async def test_a_session_whose_start_is_learnt_anew_moves(opener: Opener[Broadcasts]) -> None:
    """It is shown once, where it belongs now."""
    async with opener() as opened:
        stored = await opened.port.save(SILENT, [session(1, 1), session(2, 2)])
        await opened.port.save(stored, [session(2, 0.5)])
        assert (await opened.port.sessions(CATS)).items == [session(1, 1), session(2, 0.5)]


@openers
async def test_what_is_told_again_is_known(opener: Opener[Broadcasts]) -> None:
    """It stays as it was told first. Another stream may have an event of the same id."""
    other = evolve(SAID, stream=StreamId("str_dogs"))
    async with opener() as opened:
        await opened.port.log([SAID])
        await opened.port.log([evolve(SAID, received_at=START + MINUTE), other])
        assert (await opened.port.events(CATS, START, START + MINUTE)).items == [SAID]
        assert (await opened.port.events(other.stream, START, START + MINUTE)).items == [other]
        await opened.port.log([])


@openers
async def test_events_are_from_a_time_to_before_another(opener: Opener[Broadcasts]) -> None:
    """Oldest first, those of one time once each, however the pages fall; a cursor does not lead out of them."""
    async with opener() as opened:
        every = [said(number, number // 3) for number in range(9)]
        await opened.port.log(every[::-1])
        await opened.port.log([evolve(SAID, stream=StreamId("str_cat"))])

        async def read(since: float, until: float, limit: int) -> Sequence[SessionEvent]:
            return await walked(
                lambda cursor, most: opened.port.events(
                    CATS, START + since * MINUTE, START + until * MINUTE, cursor=cursor, limit=most
                ),
                limit,
            )

        for limit in (1, 2, 3, 4, 9, 100):
            assert await read(0, 3, limit) == every
            assert await read(0.5, 2, limit) == every[3:6]
            assert await read(1, 1, limit) == []
            assert await read(2, 1, limit) == []
        first = await opened.port.events(CATS, START, START + 3 * MINUTE, limit=1)
        rest = await opened.port.events(CATS, START + MINUTE, START + 2 * MINUTE, cursor=first.next)
        assert rest.items == every[3:6]


@openers
async def test_due_are_the_longest_waiting_first(opener: Opener[Broadcasts]) -> None:
    """From the very moment on; and no more once they were looked at."""
    async with opener() as opened:
        silent = await opened.port.save(SILENT, [])
        later, sooner = [await opened.port.save(heard(f"str_{seen}", seen), []) for seen in (2, 1)]
        assert silent.look_at is None
        assert sooner.look_at is not None
        assert await opened.port.due(sooner.look_at - timedelta(microseconds=1)) == []
        assert await opened.port.due(sooner.look_at) == [sooner]
        assert await opened.port.due(START + timedelta(days=9)) == [sooner, later]
        assert await opened.port.due(START + timedelta(days=9), limit=1) == [sooner]
        await opened.port.save(evolve(sooner, broadcasts={}), [])
        assert await opened.port.due(START + timedelta(days=9)) == [later]


@openers
async def test_events_are_kept_for_sixty_days(opener: Opener[Broadcasts]) -> None:
    """Whatever comes after them, however much."""
    async with opener() as opened:
        await opened.port.log([SAID])
        end = START + EVENTS_KEPT
        many = [evolve(said(2 + number, number), received_at=end) for number in range(60)]
        await opened.port.log(many)
        assert len((await opened.port.events(CATS, START, end, limit=100)).items) == 61


@openers
async def test_a_stream_is_forgotten_step_by_step(opener: Opener[Broadcasts]) -> None:
    """Until nothing of it is left; what is known of others stays."""
    other = evolve(SAID, stream=StreamId("str_dogs"))
    async with opener() as opened:
        await opened.port.log([*(said(number, number) for number in range(5)), other])
        await opened.port.save(heard(CATS, 1), [session(1), session(2, 1), session(3, 2, joined=1)])
        dogs = await opened.port.save(heard("str_dogs", 1), [evolve(session(9), stream=other.stream)])
        steps = []
        while step := await opened.port.forget(CATS, limit=4):
            steps.append(step)
        assert sum(steps) == 9
        assert max(steps) <= 4
        with pytest.raises(NotFound):
            await opened.port.timeline(CATS)
        for number in (1, 2, 3):
            with pytest.raises(NotFound):
                await opened.port.session(StreamSessionId(f"brc_{number}"))
        assert (await opened.port.sessions(CATS)).items == []
        assert (await opened.port.events(CATS, START, START + 9 * MINUTE)).items == []
        assert await opened.port.due(START + timedelta(days=9)) == [dogs]
        assert (await opened.port.events(other.stream, START, START + MINUTE)).items == [other]
        assert len((await opened.port.sessions(other.stream)).items) == 1
        assert await opened.port.forget(CATS) == 0
        assert (await opened.port.save(SILENT, [FIRST])).version == 1
