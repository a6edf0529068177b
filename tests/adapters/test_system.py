"""What the machine gives, where it may be played with."""

from datetime import timedelta

import pytest

from adapters.system import AHEAD_MOST, Clock
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
