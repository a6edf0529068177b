"""Only time really spent counts, and once."""

import math
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.ids import ChannelId, SessionId, UserId, VideoId
from domain.videos import Audience
from domain.watching import (
    DAYS_MOST,
    DAYS_SHOWN,
    FINISHED,
    SESSION_LIFE,
    VIEW_AFTER_S,
    Period,
    PlaybackSession,
    Viewing,
    Watched,
)

T0 = datetime(2026, 1, 1, tzinfo=UTC)
FILM, CHANNEL = VideoId("vid_1"), ChannelId("chn_1")


def session(duration_s: float = 100, position_s: float = 0) -> PlaybackSession:
    return PlaybackSession(
        id=SessionId("ses_1"), video=FILM, channel=CHANNEL, viewer=None, audience=Audience.ANYONE,
        duration_s=duration_s, started_at=T0, beat_at=T0, position_s=position_s,
    )  # fmt: skip


def played(start: PlaybackSession, *beats: tuple[float, float]) -> PlaybackSession:
    """After beats, each with its position and its seconds since the start."""
    for position_s, after_s in beats:
        start = start.beat(position_s, T0 + timedelta(seconds=after_s))
    return start


@pytest.mark.parametrize(
    ("duration_s", "beats", "watched_s", "counted"),
    [
        (100, [(10, 10), (20, 20)], 20, False),
        (100, [(10, 10), (20, 20), (30, 30)], 30, True),
        (10, [(4, 4)], 4, False),
        (10, [(5, 5)], 5, True),
        (100, [(20, 10), (40, 20), (60, 30)], 30, True),  # at twice the speed
        (100, [(5, 10), (10, 20)], 10, False),  # at half the speed
        (100, [(10, 10), (10, 70), (20, 80)], 20, False),  # a pause
        (100, [(90, 10)], 0, False),  # a jump
        (100, [(90, 10), (100, 20)], 10, False),  # and on from there
        (100, [(30, 0), (60, 0), (90, 0)], 0, False),  # a burst
        (100, [(10, 10)] * 9, 10, False),  # one beat, repeated
        (100, [(20, 20), (0, 21), (20, 41)], 40, True),  # seen twice
        (100, [(20, 20), (40, 10), (60, 5)], 20, False),  # a clock that runs backwards
        (100, [(20, -20)], 0, False),
        (0, [(0, 0), (5, 0)], 0, False),  # nothing to see
    ],
)
def test_what_counts(duration_s: float, beats: list[tuple[float, float]], watched_s: float, *, counted: bool) -> None:
    """Thirty seconds or half of a shorter video, of real time, on the way forward."""
    after = played(session(duration_s), *beats)
    assert (after.watched_s, after.counted) == (watched_s, counted)


BEATS = st.lists(st.tuples(st.floats(0, 105), st.floats(-60, 120)), max_size=30)


@given(BEATS)
@example([(60, 30), (0, -30), (60, 30)])
def test_nobody_watches_longer_than_the_clock_ran(beats: list[tuple[float, float]]) -> None:
    """Whatever is sent, and however the clock jumps; what was watched or counted stays so."""
    it, now, latest = session(), T0, T0
    for position_s, step_s in beats:
        now += timedelta(seconds=step_s)
        latest = max(latest, now)
        before, it = it, it.beat(position_s, now)
        assert it.watched_s >= before.watched_s
        assert it.counted >= before.counted
        assert it.beat_at == latest
        assert it.position_s == position_s
        assert it.watched_s <= (latest - T0).total_seconds() + 1e-6
        assert it.counted == (it.watched_s >= VIEW_AFTER_S)


@given(BEATS)
def test_no_burst_earns_anything(beats: list[tuple[float, float]]) -> None:
    """Any positions, all at one instant."""
    after = played(session(), *((position_s, 0) for position_s, _ in beats))
    assert (after.watched_s, after.counted) == (0, False)


@given(st.floats(1, 20), st.floats(0.25, 2))
def test_honest_watching_counts(every_s: float, speed: float) -> None:
    """At any speed a player offers and with any pace of beats, once enough was seen."""
    beats = range(1, math.ceil(VIEW_AFTER_S / min(speed, 1) / every_s) + 2)
    after = played(session(1000), *((n * every_s * speed, n * every_s) for n in beats))
    assert after.counted
    assert after.watched_s == pytest.approx(len(beats) * every_s * min(speed, 1), rel=1e-3)


@pytest.mark.parametrize("position_s", [-0.1, 105.1, math.nan, math.inf, -math.inf])
def test_positions_outside_the_video(position_s: float) -> None:
    """A little beyond the end is forgiven, as players round."""
    assert session().beat(105, T0).position_s == 105
    with pytest.raises(Invalid) as caught:
        session().beat(position_s, T0)
    assert caught.value.code == "position_out_of_range"


def test_a_session_is_over_after_its_life() -> None:
    """To the instant, however lately it beat."""
    it = evolve(session(), beat_at=T0 + SESSION_LIFE)
    assert not it.over(T0 + SESSION_LIFE)
    assert it.over(T0 + SESSION_LIFE + timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("position_s", "duration_s", "resume_at_s"),
    [(0, 100, 0), (50, 100, 50), (94.9, 100, 94.9), (95, 100, 0), (100, 100, 0), (105, 100, 0), (3, 0, 0), (3, 2, 0)],
)
def test_where_to_go_on(position_s: float, duration_s: float, resume_at_s: float) -> None:
    """Where one stopped, or at the beginning of what was as good as finished."""
    assert FINISHED == 0.95
    watched = Watched(user=UserId("usr_1"), video=VideoId("vid_1"), position_s=position_s, at=T0)
    assert watched.resume_at(duration_s) == resume_at_s


# --- by day --------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 105), st.floats(-60, 20_000)), max_size=40))
def test_all_days_together_are_what_was_watched(beats: list[tuple[float, float]]) -> None:
    """To the millisecond, whatever is sent and however often midnight passes, of the video and of its channel alike. Each
    beat is of the day on which it came, and adds to no other.
    """
    it, now = session(), T0
    days: dict[str, Counter[date]] = {FILM: Counter(), CHANNEL: Counter()}
    views: Counter[str] = Counter()
    for position_s, step_s in beats:
        now += timedelta(seconds=step_s)
        before, it = it, it.beat(position_s, now)
        gained = it.gained(before)
        assert [each.subject for each in gained] in ([], [FILM, CHANNEL])
        assert {each.day for each in gained} <= {it.beat_at.date()}
        for each in gained:
            assert each.views or each.watched_ms
            days[each.subject][each.day] += each.watched_ms
            views[each.subject] += each.views
    assert days[FILM] == days[CHANNEL]
    assert days[FILM].total() == round(it.watched_s * 1000)
    assert views[FILM] == views[CHANNEL] == it.counted


def test_a_beat_that_comes_again_adds_nothing() -> None:
    once = session().beat(10, T0 + timedelta(seconds=10))
    assert once.gained(session()) == [Viewing(FILM, T0.date(), 0, 10_000), Viewing(CHANNEL, T0.date(), 0, 10_000)]
    again = once.beat(10, T0 + timedelta(seconds=15))
    assert again.gained(once) == ()


def test_a_sitting_that_does_not_say_its_channel_adds_nothing() -> None:
    """It is of a version that counted no days: one half of the sums would lack it."""
    old = evolve(session(), channel=None)
    assert old.beat(60, T0 + timedelta(seconds=60)).gained(old) == ()


TODAY = date(2026, 11, 30)


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [
        (None, None, (date(2026, 11, 3), TODAY)),
        (None, date(2026, 1, 28), (date(2026, 1, 1), date(2026, 1, 28))),
        (date(2026, 11, 30), None, (TODAY, TODAY)),
        (date(2025, 11, 30), None, (date(2025, 11, 30), TODAY)),
        (None, date(1, 1, 3), (date(1, 1, 1), date(1, 1, 3))),
        (date(9999, 1, 1), date(9999, 12, 31), (date(9999, 1, 1), date(9999, 12, 31))),
    ],
)
def test_which_days_are_meant(first: date | None, last: date | None, shown: tuple[date, date]) -> None:
    """Four weeks up to today, as far as nothing else is said."""
    period = Period.of(first, last, TODAY)
    assert (period.first, period.last) == shown
    assert DAYS_SHOWN == 28


@pytest.mark.parametrize(
    ("first", "last", "code"),
    [
        (date(2026, 12, 1), None, "days_disordered"),
        (date(2026, 11, 30), date(2026, 11, 29), "days_disordered"),
        (date(2025, 11, 29), None, "too_many_days"),
        (date(1, 1, 1), date(9999, 12, 31), "too_many_days"),
    ],
)
def test_days_that_are_refused(first: date, last: date | None, code: str) -> None:
    assert DAYS_MOST == 366
    with pytest.raises(Invalid) as refused:
        Period.of(first, last, TODAY)
    assert (refused.value.code, refused.value.fields[0][0]) == (code, "from")


def test_days_without_anything_are_there_too() -> None:
    known = [Viewing(FILM, date(2026, 12, 31), 1, 5), Viewing(FILM, date(2027, 1, 2), 0, 7)]
    filled = Period(date(2026, 12, 30), date(2027, 1, 2)).filled(FILM, known)
    assert filled == [
        Viewing(FILM, date(2026, 12, 30)), known[0], Viewing(FILM, date(2027, 1, 1)), known[1]
    ]  # fmt: skip
