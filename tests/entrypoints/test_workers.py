"""Whoever starts several processes is never held up by one of them."""

import asyncio
import os
import sys

import pytest

from entrypoints.http.workers import _Supervisor, serving
from entrypoints.settings import Place, Settings


async def test_nobody_waits_for_one_that_does_not_come_to_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to stop meanwhile, it stops."""
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, "-c", "import sys; sys.stdin.read()"])
    supervisor = _Supervisor(Settings(workers=2), None)
    starting = asyncio.create_task(supervisor._started(0))
    while 0 not in supervisor.processes:  # noqa: ASYNC110  (nobody tells when)
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await supervisor._end()
    assert supervisor.processes[0].returncode is not None


async def test_one_that_ends_before_it_serves_has_not_come_to_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, "-c", ""])
    supervisor = _Supervisor(Settings(workers=2), None)
    assert not await supervisor._started(0)
    await supervisor._end()


def test_one_that_comes_to_serve_for_nobody_is_not_harmed() -> None:
    """Its supervisor was killed meanwhile: it hears of that by other means."""
    read, write = os.pipe()
    os.close(read)
    serving(Place(0, write))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(write)
