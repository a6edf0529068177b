"""What the machine gives, where it may be played with."""

from datetime import timedelta

import pytest

from adapters.system import AHEAD_MOST, Clock, Seldom
from domain.errors import Invalid


@pytest.mark.parametrize("by", [timedelta(microseconds=-1), AHEAD_MOST + timedelta(seconds=1), timedelta.max])
def test_a_clock_is_moved_ahead_and_not_out_of_the_calendar(by: timedelta) -> None:
    """What it refuses leaves it as it was."""
    clock = Clock()
    clock.advance(timedelta(seconds=1))
    before = clock.now()
    with pytest.raises(Invalid):
        clock.advance(by)
    assert timedelta() <= clock.now() - before < timedelta(minutes=1)
    assert clock.advance(timedelta(hours=1)) - before >= timedelta(hours=1)


def test_the_same_is_said_again_after_a_while() -> None:
    """Another thing at once."""
    passed = [0.0]
    seldom = Seldom(60.0, lambda: passed[0])
    assert [seldom.due(what) for what in ("full", "full", "busy", "busy", "full")] == [True, False, True, False, True]
    passed[0] = 59.0
    assert not seldom.due("full")
    passed[0] = 60.0
    assert seldom.due("full")
    assert not seldom.due("full")
