"""What every family takes from the machine: the clock, ids and secrets."""

import asyncio
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from time import perf_counter

from domain.errors import Invalid

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32, as ULIDs are written
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_PAIR_SHIFTS = tuple(range(120, -1, -10))
_RANDOM_BITS = 80
AHEAD_MOST = timedelta(days=36_525)
"""Where the calendar ends, so would every request that adds to the present."""


class Clock:
    """The machine's time, moved ahead by ``advance`` where time may be played with."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    @property
    def ahead(self) -> timedelta:
        """How far ahead of the machine's time."""
        return self._ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, by: timedelta) -> datetime:
        """The present, from now on further ahead. Raises as ``allow`` does."""
        self.allow(by)
        self._ahead += by
        return self.now()

    def allow(self, by: timedelta) -> None:
        """Raises Invalid for a step back, and beyond ``AHEAD_MOST``."""
        if by < timedelta():
            raise Invalid("time only moves ahead", field="seconds")
        if by > AHEAD_MOST - self._ahead:
            raise Invalid("the clock may be a hundred years ahead", code="clock_too_far", field="seconds")


class Ulids:
    """Prefixed ULIDs (github.com/ulid/spec): 48 bits of milliseconds, 80 random ones; ascending in one process.

    Within a millisecond, or should the clock step back, the random part counts up from the last one. ``after_ms``: no id
    is of this millisecond since 1970 or before.
    """

    def __init__(self, now: Callable[[], datetime], *, after_ms: int = -1) -> None:
        self._now = now
        self._last = -1
        self._lock = Lock()
        self.rise(after_ms)

    def rise(self, after_ms: int) -> None:
        """No id from now on is of this millisecond or before."""
        with self._lock:
            if after_ms >= self._last >> _RANDOM_BITS:
                # Where it begins to count is random too: other processes begin after the same millisecond.
                self._last = ((after_ms + 1) << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS - 1)

    def __call__(self, prefix: str) -> str:
        millis = int(self._now().timestamp() * 1000)
        with self._lock:
            if millis > self._last >> _RANDOM_BITS:
                # Half of the random range is left free above the start, so that counting up cannot overflow it.
                self._last = (millis << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS - 1)
            else:
                self._last += 1
            value = self._last
        return f"{prefix}_{''.join([_PAIRS[(value >> shift) & 1023] for shift in _PAIR_SHIFTS])}"


def ticks() -> float:
    """Seconds since some moment, to measure with: they pass evenly, and never back."""
    return perf_counter()


class Seldom:
    """Whether to say something that is the same again and again: when it is another thing, and after a while."""

    def __init__(self, again_s: float = 60.0, ticks: Callable[[], float] = ticks) -> None:
        self._again_s = again_s
        self._ticks = ticks
        self._said: tuple[str, float] | None = None

    def due(self, what: str) -> bool:
        now = self._ticks()
        if self._said is not None and self._said[0] == what and now < self._said[1] + self._again_s:
            return False
        self._said = what, now
        return True


def secret(size: int = 32) -> bytes:
    """Random bytes for a key."""
    return secrets.token_bytes(size)


async def set_within(event: asyncio.Event, timeout_s: float) -> None:
    """Returns when the event is set, at the latest after the timeout."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
