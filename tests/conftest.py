"""What every test stands on: one loop, a clock that stands still, no network, the same examples every time."""

import sys

import pytest
from hypothesis import HealthCheck, settings

from tests.worlds import FakeClock

settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")

LOOPBACK = ("127.", "::1", "localhost", "::ffff:127.")


def _stay_here(event: str, args: tuple[object, ...]) -> None:
    if event in {"socket.connect", "socket.sendto"} and isinstance(args[1], tuple):
        host = str(args[1][0])
        if not host.startswith(LOOPBACK):
            raise ConnectionRefusedError(f"tests talk to this machine only, not to {host}")


# An audit hook sees every connection that Python makes, whichever library asks for it.
sys.addaudithook(_stay_here)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
