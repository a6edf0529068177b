"""What is heard of broadcasts, in whatever order, and what it comes to."""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.broadcasts import (
    ASK_AGAIN,
    BROADCASTS_KEPT,
    BROADCASTS_MOST,
    FRESH,
    LATE_MOST,
    NEXT,
    SESSIONS_MOST,
    START_WITHIN,
    UNSEEN_AFTER,
    Ailment,
    Broadcast,
    BroadcastMoved,
    EndReason,
    Happening,
    Health,
    RecordingEnded,
    RecordingStatus,
    Session,
    SessionEvent,
    SessionStatus,
    Timeline,
    WentLive,
    measured,
)
from domain.ids import RecordingId, StreamSessionId, VideoId
from tests.domain.histories import CHANNEL, STREAM, History, Store, after, empty, happened, heard, histories
from tests.strategies import START

H = Happening
ITEM_MOST = 350_000
"""Bytes; an item of DynamoDB has 400 KB at most."""


def known(timeline: Timeline) -> tuple[object, object]:
    return timeline.broadcasts, timeline.recordings


def at(timeline: Timeline, seconds: float) -> Timeline:
    return evolve(timeline, as_of=after(seconds))


def only(timeline: Timeline) -> Session:
    (session,) = timeline.sessions()
    return session


def sizes(timeline: Timeline) -> int:
    def plain(value: object) -> object:
        return sorted(value) if isinstance(value, frozenset) else str(value)

    return len(json.dumps(attrs.asdict(timeline), default=plain).encode())


# --- the order in which it is heard --------------------------------------------------------------

ONE = [
    happened(H.SESSION_CREATED, 0), happened(H.STREAM_START, 2),
    happened(H.RECORDING_START, 3, recording="rec1"), happened(H.STREAM_END, 60),
    happened(H.RECORDING_END, 61, recording="rec1", source="raw/1", duration_s=57.0, broadcasts=("b0",)),
    happened(H.STOPPED, 60, reason="stopped"), happened(H.SEEN, 30, started_at=after(1).isoformat(), viewers=7),
]  # fmt: skip


def test_every_order_of_a_session_tells_the_same() -> None:
    """All 5,040 of them, and what it tells is what happened."""
    inorder = heard(empty(), ONE)
    assert all(known(heard(empty(), each)) == known(inorder) for each in itertools.permutations(ONE))
    session = only(at(inorder, 70))
    assert (session.status, session.ended_reason) == (SessionStatus.ENDED, EndReason.STOPPED)
    assert (session.started_at, session.ended_at) == (after(1), after(60))
    assert (session.peak_viewers, session.recording) == (7, RecordingStatus.READY)


@given(st.data(), histories())
def test_order_and_repetition_do_not_matter(data: st.DataObject, history: History) -> None:
    again = data.draw(st.lists(st.sampled_from(history.events), max_size=5))
    shuffled = data.draw(st.permutations([*history.events, *again]))
    told, inorder = heard(empty(), shuffled, history.window_s), heard(empty(), history.events, history.window_s)
    assert known(told) == known(inorder)
    assert evolve(told, as_of=history.over_at).sessions() == evolve(inorder, as_of=history.over_at).sessions()


@given(histories())
def test_all_that_is_said_comes_to_what_happened(history: History) -> None:
    timeline = evolve(heard(empty(), history.events, history.window_s), as_of=history.over_at)
    assert [(each.broadcasts, each.started_at, each.ended_at, each.ended_reason) for each in timeline.sessions()] == [
        (each.broadcasts, each.started_at, each.ended_at, each.reason) for each in history.sessions
    ]
    assert len(timeline.recordings) == history.recordings
    assert timeline.current is None


@given(st.data(), histories())
def test_looking_in_between_does_not_matter(data: st.DataObject, history: History) -> None:
    """Whatever the order, the delays and the looks: what is shown in the end is the same, each recording is taken once,
    and subscribers are told once at most of each session, by whatever name it had.
    """
    again = data.draw(st.lists(st.sampled_from(history.events), max_size=5))
    shuffled = data.draw(st.permutations([*history.events, *again]))
    store, timeline, now = Store(history.window_s), empty(), history.events[-1].at
    while shuffled:
        some = data.draw(st.integers(1, 6))
        now += timedelta(seconds=data.draw(st.sampled_from([0, 1, 61, 400])))
        timeline = store.look(timeline, shuffled[:some], now)
        shuffled = shuffled[some:]
    now = max(now, history.over_at)
    timeline = store.look(timeline, (), now)
    inorder = evolve(heard(empty(), history.events, history.window_s), as_of=now)
    unnamed = [evolve(each, id=StreamSessionId(""), video=None) for each in store.shown()]
    assert unnamed == [evolve(each, id=StreamSessionId("")) for each in inorder.sessions()]
    assert list(store.shown()) == list(timeline.sessions())
    taken = [each for each in store.events if isinstance(each, RecordingEnded)]
    assert Counter(each.recording for each in taken) == Counter(timeline.recordings.keys())
    assert {each.video for each in taken} == {each.video for each in store.shown() if each.video}
    assert all(store.resolved(each.session).video == each.video for each in taken if each.session)
    live = Counter(each.session for each in store.events if isinstance(each, WentLive))
    assert set(live.values()) <= {1}
    for id_ in store.sessions:
        store.resolved(id_)


@given(st.data(), histories())
def test_what_is_known_only_grows(data: st.DataObject, history: History) -> None:
    """A told end, a start, a failure and a stop never go away again, and both ends move to the earlier; what was
    seen moves to the later, and the peak up. What it comes to may be corrected, by the earlier end above all.
    """
    timeline = empty()
    for event in data.draw(st.permutations(history.events)):
        more = heard(timeline, [event], history.window_s)
        for id_, before in timeline.broadcasts.items():
            assert grows(before, more.broadcasts[id_])
            assert before.joined(more.broadcasts[id_]) == more.broadcasts[id_] == more.broadcasts[id_].joined(before)
        for rec, was in timeline.recordings.items():
            assert was.joined(more.recordings[rec]) == more.recordings[rec]
            assert was.broadcasts <= more.recordings[rec].broadcasts
            assert was.ended_at is None or more.recordings[rec].status is RecordingStatus.READY
        timeline = more


def earlier(was: datetime | None, now: datetime | None) -> bool:
    return was is None or (now is not None and now <= was)


def grows(before: Broadcast, more: Broadcast) -> bool:
    return (
        earlier(before.started_at, more.started_at)
        and earlier(before.ended_at, more.ended_at)
        and earlier(before.stopped and before.stopped[0], more.stopped and more.stopped[0])
        and (before.seen_at is None or (more.seen_at is not None and more.seen_at >= before.seen_at))
        and before.first_at >= more.first_at
        and before.viewers_most <= more.viewers_most
        and more.ran >= before.ran
        and more.failed >= before.failed
        and more.name <= before.name
    )


@given(st.lists(st.sampled_from([each for each in H if each is not H.STOPPED]), min_size=3, max_size=3), st.data())
def test_widening_is_a_join(kinds: list[Happening], data: st.DataObject) -> None:
    """Commutative, associative, idempotent, of whatever events of one broadcast."""
    moments = st.integers(0, 3)
    events = [happened(kind, data.draw(moments), received_s=3, viewers=data.draw(moments)) for kind in kinds]
    told = [each for event in events for each in heard(empty(), [event]).broadcasts.values()]
    for a, b, c in itertools.product(told, repeat=3):
        assert a.joined(b) == b.joined(a)
        assert a.joined(b).joined(c) == a.joined(b.joined(c))
        assert a.joined(a) == evolve(a, missed=tuple(m for m in a.missed if a.seen_at is None or m > a.seen_at))


def test_the_window_is_that_of_the_first_word() -> None:
    """Changed since, it changes nothing of what was: also not by an event that comes late, or again."""
    first = [happened(H.STREAM_START, 0), happened(H.STREAM_END, 10), happened(H.STREAM_START, 50, "b1")]
    apart = heard(empty(), first, window_s=30)
    late = happened(H.SESSION_ENDED, 10, received_s=500)
    assert len(at(heard(apart, [late], window_s=300), 600).sessions()) == 2
    back = heard(heard(empty(), [late], window_s=300), first, window_s=30)
    assert known(back) == known(heard(apart, [late], window_s=300)) or len(at(back, 600).sessions()) == 2


def test_what_has_a_name_keeps_it() -> None:
    """Whatever else is heard of it."""
    start, begun = happened(H.STREAM_START, 5), happened(H.RECORDING_START, 5, recording="rec1")
    timeline = empty()
    for order, event in enumerate([start, begun, start, begun]):
        name, video = StreamSessionId(f"brc_{9 - order}"), VideoId(f"vid_{9 - order}")
        timeline = timeline.hear(event, window_s=60, name=name, video=video)
    assert only(timeline).id == "brc_9"
    assert timeline.recordings[RecordingId("rec1")].video == "vid_8"


def test_a_clock_that_is_ahead_is_put_back() -> None:
    """Nothing happened after it was told of: one that was live in a year would never be over."""
    timeline = heard(empty(), [happened(H.STREAM_START, 1e8, received_s=5)])
    assert only(timeline).started_at == after(5)
    assert timeline.look_at == after(5) + UNSEEN_AFTER


# --- what it comes to ----------------------------------------------------------------------------

CASES: dict[str, tuple[list[SessionEvent], float, list[tuple[SessionStatus, EndReason | None]]]] = {
    "created": ([happened(H.SESSION_CREATED, 0)], 10, [(SessionStatus.CREATED, None)]),
    "never started": ([happened(H.SESSION_CREATED, 0)], 300, [(SessionStatus.ENDED, EndReason.NEVER_STARTED)]),
    "created and gone": (
        [happened(H.SESSION_CREATED, 0), happened(H.SESSION_ENDED, 5)],
        6,
        [(SessionStatus.ENDED, EndReason.NEVER_STARTED)],
    ),
    "live": ([happened(H.STREAM_START, 0)], 10, [(SessionStatus.LIVE, None)]),
    "away": ([happened(H.STREAM_START, 0), happened(H.STREAM_END, 5)], 64, [(SessionStatus.RECONNECTING, None)]),
    "gone": ([happened(H.STREAM_START, 0), happened(H.STREAM_END, 5)], 65, [(SessionStatus.ENDED, EndReason.ENDED)]),
    "back at the last moment": (
        [happened(H.STREAM_START, 0), happened(H.STREAM_END, 5), happened(H.STREAM_START, 64, "b1")],
        70,
        [(SessionStatus.LIVE, None)],
    ),
    "back too late": (
        [happened(H.STREAM_START, 0), happened(H.STREAM_END, 5), happened(H.STREAM_START, 65, "b1")],
        70,
        [(SessionStatus.ENDED, EndReason.ENDED), (SessionStatus.LIVE, None)],
    ),
    "coming back, not yet started": (
        [happened(H.STREAM_START, 0), happened(H.STREAM_END, 5), happened(H.SESSION_CREATED, 50, "b1")],
        55,
        [(SessionStatus.RECONNECTING, None)],
    ),
    "stopped while live": (
        [happened(H.STREAM_START, 0), happened(H.STOPPED, 9, reason="too_long")],
        10,
        [(SessionStatus.ENDED, EndReason.TOO_LONG)],
    ),
    "stopped while away": (
        [happened(H.STREAM_START, 0), happened(H.STREAM_END, 5), happened(H.STOPPED, 50, reason="disabled")],
        51,
        [(SessionStatus.ENDED, EndReason.DISABLED)],
    ),
    "stopped when it was long over": (
        [happened(H.STREAM_START, 0), happened(H.STREAM_END, 5), happened(H.STOPPED, 500, reason="stopped")],
        501,
        [(SessionStatus.ENDED, EndReason.ENDED)],
    ),
    "stopped, and at once another": (
        [happened(H.STREAM_START, 0), happened(H.STOPPED, 9, reason="stopped"), happened(H.STREAM_START, 10, "b1")],
        11,
        [(SessionStatus.ENDED, EndReason.STOPPED), (SessionStatus.LIVE, None)],
    ),
    "failed": (
        [happened(H.STREAM_START, 0), happened(H.STREAM_FAILURE, 5)], 99, [(SessionStatus.ENDED, EndReason.FAILED)],
    ),
    "not known once": ([happened(H.STREAM_START, 0), happened(H.MISSED, 99)], 99, [(SessionStatus.LIVE, None)]),
    "not known twice": (
        [happened(H.STREAM_START, 0), happened(H.MISSED, 99), happened(H.MISSED, 129)],
        129,
        [(SessionStatus.ENDED, EndReason.LOST)],
    ),
    "not known twice, too soon": (
        [happened(H.STREAM_START, 0), happened(H.MISSED, 99), happened(H.MISSED, 128)],
        128,
        [(SessionStatus.LIVE, None)],
    ),
    "not known, and seen again": (
        [happened(H.STREAM_START, 0), happened(H.MISSED, 99), happened(H.SEEN, 110), happened(H.MISSED, 129)],
        129,
        [(SessionStatus.LIVE, None)],
    ),
    "another began, and nobody heard the end of the first": (
        [happened(H.STREAM_START, 0), happened(H.STREAM_START, 500, "b1")],
        501,
        [(SessionStatus.ENDED, EndReason.LOST), (SessionStatus.LIVE, None)],
    ),
    "only its end was heard": ([happened(H.STREAM_END, 5)], 99, [(SessionStatus.ENDED, EndReason.ENDED)]),
    "a second encoder comes while one is live": (
        [happened(H.STREAM_START, 0), happened(H.SESSION_CREATED, 900, "b1")], 1500, [(SessionStatus.LIVE, None)],
    ),
    "turned away": (
        [happened(H.REFUSED, 0), happened(H.STREAM_TAKEOVER_FAILURE, 0, "b1"), happened(H.HEALTH, 0, None)], 9, [],
    ),
    "no window": (
        [happened(H.STREAM_START, 0), happened(H.STREAM_END, 5), happened(H.STREAM_START, 5, "b1")],
        6,
        [(SessionStatus.ENDED, EndReason.ENDED), (SessionStatus.LIVE, None)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("events", "now_s", "wanted"), CASES.values(), ids=CASES)
def test_what_events_come_to(
    events: list[SessionEvent], now_s: float, wanted: list[tuple[SessionStatus, EndReason | None]],
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    window_s = 0 if "no window" in request.node.name else 60
    sessions = at(heard(empty(), events, window_s), now_s).sessions()
    assert [(each.status, each.ended_reason) for each in sessions] == wanted
    assert all(each.over == (each.ended_at is not None) for each in sessions)


def test_the_reason_is_of_the_end() -> None:
    """That a broadcast that goes on ends some day is no reason yet."""
    (lost,) = heard(empty(), [happened(H.STREAM_START, 0)]).broadcasts.values()
    assert lost.over_at is None
    assert lost.reason is EndReason.ENDED


def test_two_that_turn_out_to_be_one() -> None:
    """By the end of the first, which was heard late: the younger name goes on under the older."""
    store = Store()
    timeline = store.look(empty(), [happened(H.STREAM_START, 0)], after(0))
    timeline = store.look(timeline, [happened(H.STREAM_START, 300, "b1")], after(300))
    first, second = timeline.sessions()
    assert (first.ended_reason, second.status) == (EndReason.LOST, SessionStatus.LIVE)
    timeline = store.look(timeline, [happened(H.STREAM_END, 290, received_s=310)], after(310))
    assert only(timeline).id == first.id
    assert store.resolved(second.id) == only(timeline) == evolve(first, **attrs.asdict(only(timeline)))
    # And an end that was still earlier takes that back.
    timeline = store.look(timeline, [happened(H.SESSION_ENDED, 100, received_s=320)], after(320))
    assert [each.id for each in timeline.sessions()] == [first.id, second.id] == [each.id for each in store.shown()]


def test_what_never_started_goes_on_as_what_it_belonged_to() -> None:
    """It was shown by itself before anyone heard of what was live."""
    store = Store()
    timeline = store.look(empty(), [happened(H.SESSION_CREATED, 100, "b1")], after(100))
    alone = only(timeline)
    timeline = store.look(timeline, [happened(H.STREAM_START, 0, received_s=101)], after(101))
    assert only(timeline).broadcasts == ("b0",)
    assert store.resolved(alone.id) == only(timeline)
    timeline = store.look(timeline, [happened(H.STREAM_END, 100), happened(H.STREAM_START, 102, "b1")], after(102))
    assert only(timeline).broadcasts == ("b0", "b1")


# --- health --------------------------------------------------------------------------------------


def health(*events: SessionEvent) -> Health | None:
    return only(heard(empty(), [happened(H.STREAM_START, 0), *events])).health


def test_the_latest_measurement_counts() -> None:
    old = happened(H.HEALTH, 5, bitrate_bps=900, width=640, height=360, fps=25, keyframe_s=2.0)
    new = happened(H.HEALTH, 9, bitrate_bps=1000.4, viewers=3)
    assert health(new, old) == Health(at=after(9), bitrate_bps=1000, viewers=3)
    assert health(old) == Health(at=after(5), bitrate_bps=900, width=640, height=360, fps=25, keyframe_s=2.0)
    assert health() is None
    assert health(old, happened(H.SEEN, 99, viewers=1)) == health(old), "to be seen is no measurement"
    assert measured(happened(H.SEEN, 0)) is None


def test_starvation_lasts_until_it_ends() -> None:
    start, end = happened(H.STARVATION_START, 3), happened(H.STARVATION_END, 8)
    sample = happened(H.HEALTH, 5, bitrate_bps=10)
    assert health(start) == Health(at=after(3), starving=True)
    assert health(sample, start) == Health(at=after(5), bitrate_bps=10, starving=True)
    assert health(end, sample, start) == Health(at=after(5), bitrate_bps=10)


def test_a_breach_holds_until_the_next_measurement() -> None:
    breach = happened(H.LIMIT_BREACH, 5, breach="bitrate")
    assert health(breach) == Health(at=after(5), breach="bitrate")
    assert health(breach, happened(H.HEALTH, 5, fps=30)) == Health(at=after(5), fps=30, breach="bitrate")
    assert health(breach, happened(H.HEALTH, 6, fps=30)) == Health(at=after(6), fps=30)
    assert health(happened(H.HEALTH, 6, breach="size")) == Health(at=after(6), breach="size")
    assert health(happened(H.LIMIT_BREACH, 5)) is None


@pytest.mark.parametrize(
    ("sample", "ailment", "said"),
    [
        (Health(at=START), None, "All is well."),
        (Health(at=START, bitrate_bps=128_000), Ailment.SOUND_ONLY, "Only sound arrives"),
        (Health(at=START, bitrate_bps=2_000_000, width=1280, height=720), None, "All is well."),
        (Health(at=START, keyframe_s=4.0), None, "All is well."),
        (Health(at=START, keyframe_s=10.0), Ailment.KEY_FRAMES_FAR_APART, "Key frames are 10 s apart"),
        (
            Health(at=START, breach="9 Mb/s of 8.5", keyframe_s=10.0),
            Ailment.LIMIT_EXCEEDED,
            "A limit is exceeded: 9 Mb/s of 8.5.",
        ),
        (Health(at=START, breach="x", starving=True), Ailment.STARVING, "Less arrives than the stream needs"),
    ],
)
def test_advice_is_about_the_worst(sample: Health, ailment: Ailment | None, said: str) -> None:
    assert sample.ailment is ailment
    assert sample.advice.startswith(said)


def test_viewers_are_those_of_now_and_the_peak_is_of_all() -> None:
    events = [
        happened(H.STREAM_START, 0), happened(H.SEEN, 5, viewers=9), happened(H.SEEN, 8, viewers=4),
        happened(H.SEEN, 9),
    ]  # fmt: skip
    live = only(heard(empty(), events[::-1]))
    assert (live.viewers, live.peak_viewers) == (4, 9)
    over = only(at(heard(empty(), [*events, happened(H.STREAM_END, 10)]), 100))
    assert (over.viewers, over.peak_viewers) == (0, 9)


# --- recordings ----------------------------------------------------------------------------------


def recording_end(
    at_s: float, broadcast: str | None = "b0", *, received_s: float | None = None, **more: Any
) -> SessionEvent:  # fmt: skip
    detail = {"recording": "rec1", "source": "raw/1", "duration_s": 10, **more}
    return happened(H.RECORDING_END, at_s, broadcast, received_s=received_s, **detail)


def recorded(*events: SessionEvent) -> RecordingStatus:
    return only(at(heard(empty(), [happened(H.STREAM_START, 0), *events]), 600)).recording


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([], RecordingStatus.NONE),
        ([happened(H.RECORDING_START, 1, recording="rec1")], RecordingStatus.PROCESSING),
        ([happened(H.RECORDING_START, 1)], RecordingStatus.NONE),
        ([recording_end(9)], RecordingStatus.READY),
        ([recording_end(9, source="")], RecordingStatus.PROCESSING),
        ([recording_end(9, source=""), happened(H.RECORDING_START, 1, recording="rec1", source="raw/1")], "ready"),
        ([happened(H.RECORDING_END_FAILURE, 9, recording="rec1")], RecordingStatus.FAILED),
        ([happened(H.RECORDING_START_FAILURE, 9, recording="rec1", reason="disk full")], RecordingStatus.FAILED),
        ([happened(H.RECORDING_END_FAILURE, 9, recording="rec1"), recording_end(8)], RecordingStatus.READY),
        ([recording_end(9, broadcasts="b7", duration_s="long")], RecordingStatus.READY),
    ],
)
def test_what_becomes_of_a_recording(events: list[SessionEvent], status: RecordingStatus) -> None:
    assert recorded(*events) == status
    assert recorded(*reversed(events)) == status


def test_the_longest_telling_of_a_recording_counts() -> None:
    short, long = recording_end(5, source="raw/a", duration_s=5), recording_end(9, source="raw/b", duration_s=9)
    for events in itertools.permutations([short, long, happened(H.RECORDING_START, 1, recording="rec1")]):
        (kept,) = heard(empty(), events).recordings.values()
        assert (kept.source, kept.duration_s, kept.ended_at) == ("raw/b", 9, after(9))


def test_what_a_recording_shows_of_its_broadcast() -> None:
    """Its beginning shows that it is live; its end, which comes long after it, nothing."""
    assert only(heard(empty(), [happened(H.RECORDING_START, 0, recording="rec1")])).status is SessionStatus.LIVE
    assert heard(empty(), [recording_end(9)]).sessions() == []


def test_a_recording_becomes_a_video_once() -> None:
    store = Store()
    timeline = store.look(empty(), [happened(H.STREAM_START, 0)], after(0))
    for again in range(3):
        timeline = store.look(timeline, [recording_end(9)], after(9 + again))
    (ended,) = [each for each in store.events if isinstance(each, RecordingEnded)]
    assert (ended.recording, ended.source, ended.stream, ended.channel) == ("rec1", "raw/1", STREAM, CHANNEL)
    assert (only(timeline).video, only(timeline).id) == (ended.video, ended.session)
    assert timeline.taken == {"rec1"}


def test_one_that_belongs_to_no_broadcast_is_taken_once_too() -> None:
    """Also long after."""
    store = Store()
    timeline = store.look(empty(), [recording_end(9, None)], after(9))
    for late in (10, 3600, 2 * 86_400, 3 * 86_400):
        timeline = store.look(timeline, [recording_end(9, None, received_s=late)] if late else (), after(late))
    (ended,) = store.events
    assert isinstance(ended, RecordingEnded)
    assert ended.session is None
    assert not timeline.recordings


@given(histories())
def test_a_recording_has_nothing_of_the_time_without_an_encoder(history: History) -> None:
    """What was shown lasts as long as all broadcasts of the session together; and time does not go back."""
    timeline = evolve(heard(empty(), history.events, history.window_s), as_of=history.over_at)
    for session in timeline.sessions():
        own = [timeline.broadcasts[each] for each in session.broadcasts]
        lasted = sum((each.over_at - each.begun_at for each in own if each.over_at), timedelta())
        assert session.ended_at is not None
        assert session.recorded_s(session.ended_at) == lasted.total_seconds()
        moments = sorted({session.started_at, session.ended_at, *(at for pause in session.pauses for at in pause)})
        offsets = [session.recorded_s(at) for at in moments]
        assert offsets == sorted(offsets)
        assert offsets[0] == 0


def test_how_far_into_a_recording_a_moment_is() -> None:
    """What is said while the encoder is away is at the point where it went. One that is lost went nobody knows when,
    until someone hears of it.
    """
    twice = [
        happened(H.STREAM_START, 10), happened(H.STREAM_END, 40),
        happened(H.STREAM_START, 60, "b1"), happened(H.STREAM_END, 100, "b1"),
    ]  # fmt: skip
    session = only(at(heard(empty(), twice), 200))
    assert [session.recorded_s(after(each)) for each in (5, 10, 25, 40, 50, 60, 70, 100, 105)] == [
        -5, 0, 15, 30, 30, 30, 40, 70, 75,
    ]  # fmt: skip
    unheard = only(at(heard(empty(), [twice[0], *twice[2:]]), 200))
    assert (unheard.pauses, unheard.recorded_s(after(70))) == ((), 60)


# --- step by step --------------------------------------------------------------------------------


@given(histories())
def test_as_things_happen_only_what_is_drawn_happens(history: History) -> None:
    """Heard in order, with a look whenever one is due: every session goes by the table; one is live or away at a time."""
    store = Store(history.window_s)
    was: dict[StreamSessionId, SessionStatus] = {}
    for timeline in steps(history, store):
        for session in timeline.sessions():
            before = was.get(session.id)
            if before is None:
                assert session.status in {SessionStatus.CREATED, SessionStatus.LIVE}
            else:
                assert session.status is before or session.status in NEXT[before], (before, session.status)
            was[session.id] = session.status
        assert sum(not each.over for each in timeline.sessions()) <= 1
    assert set(was.values()) == {SessionStatus.ENDED}
    live = Counter(each.session for each in store.events if isinstance(each, WentLive))
    assert set(live.values()) <= {1}
    # One that begins where another was a moment ago is no news; all the others are.
    news, ended_at = 0, None
    for each in history.sessions:
        news += ended_at is None or each.started_at > ended_at + timedelta(seconds=history.window_s)
        ended_at = each.ended_at
    assert sum(live.values()) == news


def steps(history: History, store: Store) -> Iterator[Timeline]:
    """The timeline after each event, heard at its time, and after each look that was due before; in the end the
    reconnect window passes.
    """
    timeline = empty()
    for now, events in [*((each.at, [each]) for each in history.events), (history.over_at, [])]:
        while timeline.look_at is not None and timeline.look_at < now:
            due = timeline.look_at
            timeline = store.look(timeline, (), due)
            yield timeline
            if timeline.look_at == due:  # it asks to be asked after
                break
        timeline = store.look(timeline, events, now)
        yield timeline


@given(histories())
def test_what_moves_is_said_as_often_as_it_moves(history: History) -> None:
    store = Store(history.window_s)
    moved, before = 0, None
    for timeline in steps(history, store):
        current = timeline.current and (timeline.current.id, timeline.current.started_at)
        moved += before != current
        before = current
        assert sum(isinstance(each, BroadcastMoved) for each in store.events) == moved
    assert before is None


# --- who is told ---------------------------------------------------------------------------------


def went_live(*looks: tuple[float, list[SessionEvent]], window_s: int = 60) -> list[StreamSessionId]:
    store, timeline = Store(window_s), empty()
    for now_s, events in looks:
        timeline = store.look(timeline, events, after(now_s))
    return [each.session for each in store.events if isinstance(each, WentLive)]


def test_subscribers_are_told_once() -> None:
    start, end, back = happened(H.STREAM_START, 0), happened(H.STREAM_END, 9), happened(H.STREAM_START, 40, "b1")
    assert len(went_live((1, [start]))) == 1
    assert len(went_live((1, [start]), (2, [start]), (9, [end]), (40, [back]), (41, [start]))) == 1
    assert len(went_live((1, [start]), (9, [end]), (99, []), (200, [happened(H.STREAM_START, 200, "b1")]))) == 2


def test_not_of_one_that_begins_where_another_was_a_moment_ago() -> None:
    start, stop = happened(H.STREAM_START, 0), happened(H.STOPPED, 9, reason="stopped")
    again, third = happened(H.STREAM_START, 20, "b1"), happened(H.STREAM_START, 80, "b2")
    assert len(went_live((0, [start]), (9, [stop]), (20, [again]))) == 1
    stops = happened(H.STOPPED, 30, "b1", reason="stopped")
    assert len(went_live((0, [start]), (9, [stop]), (20, [again]), (30, [stops]), (80, [third]))) == 1
    assert len(went_live((0, [start]), (9, [stop]), (70, [evolve(again, at=after(70), received_at=after(70))]))) == 2


def test_not_of_what_is_no_news_or_over() -> None:
    start, end = happened(H.STREAM_START, 0), happened(H.STREAM_END, 9)
    fresh = FRESH.total_seconds()
    assert len(went_live((fresh, [start]))) == 1
    assert went_live((fresh + 1, [start])) == []
    assert went_live((12, [start, end])) == [], "its encoder is away"
    assert len(went_live((12, [start, end]), (20, [happened(H.STREAM_START, 20, "b1")]))) == 1
    assert went_live((1, [happened(H.SESSION_CREATED, 0)])) == []


# --- when to look --------------------------------------------------------------------------------


def test_when_it_has_to_be_looked_at() -> None:
    start, end = happened(H.STREAM_START, 0), happened(H.STREAM_END, 9)
    assert empty().look_at is None
    assert heard(empty(), [happened(H.SESSION_CREATED, 0)]).look_at == START + START_WITHIN
    assert heard(empty(), [start]).look_at == START + UNSEEN_AFTER
    assert heard(empty(), [start, happened(H.SEEN, 50)]).look_at == after(50) + UNSEEN_AFTER
    assert heard(empty(), [start, end]).look_at == after(9 + 60)
    over = at(heard(empty(), [start, end]), 100)
    assert over.look_at == after(9) + LATE_MOST
    waits = at(heard(over, [happened(H.RECORDING_START, 1, recording="rec1")]), 100)
    assert [each.id for each in waits.unsettled] == ["rec1"]
    assert waits.look_at == after(1) + ASK_AGAIN
    asked = heard(waits, [happened(H.MISSED, 400, None, recording="rec1")])
    assert asked.look_at == after(400) + ASK_AGAIN
    assert heard(asked, [recording_end(9)]).look_at == over.look_at
    assert heard(empty(), [start, happened(H.RECORDING_START, 1, recording="rec1")]).unsettled == []


def test_the_last_is_the_one_that_ran() -> None:
    assert empty().last is None
    timeline = heard(empty(), [happened(H.STREAM_START, 0), happened(H.SESSION_CREATED, 5, "b1")])
    assert timeline.last is not None
    assert timeline.last.id == "b0"


# --- how much is kept ----------------------------------------------------------------------------


def connections(count: int, gap_s: float, length_s: float = 3) -> Iterator[list[SessionEvent]]:
    """All that is said of many, each with its recording."""
    for number in range(count):
        at_s, id_ = number * gap_s, f"st-01HZXW{number:020}"
        name = f"ivs/v1/123456789012/abcdefghijkl/2026/1/1/{number:020}"
        yield [
            happened(H.SESSION_CREATED, at_s, id_),
            happened(H.STREAM_START, at_s, id_),
            happened(H.RECORDING_START, at_s, id_, recording=name),
            happened(H.HEALTH, at_s, id_, bitrate_bps=4_000_000, width=1920, height=1080, fps=29.97, keyframe_s=2.0),
            happened(H.STARVATION_START, at_s, id_),
            happened(H.LIMIT_BREACH, at_s, id_, breach="x" * 60),
            happened(H.STREAM_FAILURE, at_s + length_s, id_),
            happened(H.STOPPED, at_s + length_s, id_, reason="key_rotated")
            if number % 50 == 49
            else happened(H.SESSION_ENDED, at_s + length_s, id_),
            happened(
                H.RECORDING_END, at_s + length_s, id_, recording=name, source=f"{name}/media/hls", duration_s=length_s,
                broadcasts=(id_,),
            ),
        ]  # fmt: skip


def batched(events: Iterable[list[SessionEvent]], size: int) -> Iterator[list[list[SessionEvent]]]:
    walked = iter(events)
    while some := list(itertools.islice(walked, size)):
        yield some


@pytest.mark.parametrize(("gap_s", "window_s"), [(4, 300), (4, 0), (5000, 60)])
def test_a_timeline_stays_small(gap_s: float, window_s: int) -> None:
    """However often an encoder comes and goes; and what is known of the latest stays."""
    store, timeline, largest = Store(window_s), empty(), 0
    many = [list(itertools.chain(*some)) for some in batched(connections(2_000, gap_s), 25)]
    for number, events in enumerate(many):
        timeline = store.look(timeline, events, events[-1].at)
        if number % 20 == 0:
            largest = max(largest, sizes(timeline))
        assert len(timeline.broadcasts) <= BROADCASTS_KEPT + BROADCASTS_MOST
        assert len(timeline.sessions()) <= SESSIONS_MOST
        store.sessions.clear()
    assert largest < ITEM_MOST
    taken = Counter(each.recording for each in store.events if isinstance(each, RecordingEnded))
    assert len(taken) == 2_000
    assert set(taken.values()) == {1}
    again = store.look(timeline, [evolve(each, received_at=many[-1][-1].at) for each in many[0]], many[-1][-1].at)
    assert evolve(again, as_of=timeline.as_of) == timeline, "what comes after that changes nothing"


def test_ten_thousand_that_never_start_beside_one_that_is_live() -> None:
    timeline = heard(empty(), [happened(H.STREAM_START, 0, "st-live")])
    store = Store()
    for number in range(100):
        events = [
            event
            for each in range(number * 100, number * 100 + 100)
            for event in (
                happened(H.SESSION_CREATED, each, f"st-{each:026}"), happened(H.SESSION_ENDED, each, f"st-{each:026}"),
            )
        ]  # fmt: skip
        timeline = store.look(timeline, events, events[-1].at)
        assert len(timeline.broadcasts) <= BROADCASTS_KEPT
    assert timeline.current is not None
    assert timeline.current.broadcasts == ("st-live",)
    assert sizes(timeline) < ITEM_MOST


@given(st.data(), histories())
@settings(max_examples=50)
def test_late_events_change_nothing(data: st.DataObject, history: History) -> None:
    """Once the sessions are closed, everything may be said again."""
    store, timeline = Store(history.window_s), empty()
    timeline = store.look(timeline, history.events, history.over_at)
    later = history.over_at + 2 * LATE_MOST + timedelta(seconds=1)
    timeline = store.look(timeline, (), later)
    assert not timeline.broadcasts
    assert not timeline.recordings
    assert timeline.look_at is None
    before = dict(store.sessions), list(store.events)
    again = store.look(timeline, data.draw(st.permutations(history.events)), later)
    assert evolve(again, as_of=timeline.as_of) == timeline
    assert (store.sessions, store.events) == before


def test_a_recording_without_an_end_is_waited_for_twice_as_long() -> None:
    store = Store()
    events = [happened(H.STREAM_START, 0), happened(H.RECORDING_START, 0, recording="rec1"), happened(H.STREAM_END, 9)]
    timeline = store.look(empty(), events, after(99))
    timeline = store.look(timeline, (), after(9) + LATE_MOST)
    assert set(timeline.recordings) == {"rec1"}
    late = recording_end(20, received_s=100_000)
    (ended,) = timeline.looked_at(heard(timeline, [late]), after(100_000)).events
    assert isinstance(ended, RecordingEnded)
    timeline = store.look(timeline, (), after(9) + 2 * LATE_MOST)
    assert not timeline.recordings
    assert not timeline.broadcasts
