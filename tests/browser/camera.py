"""What pushes a picture to a stream, as an encoder does."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

from tests.journey.server import ROOT


@contextlib.contextmanager
def camera(address: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Pushes pictures that say when they were taken."""
    command = [sys.executable, "-m", "bench.streams", address]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        drop(process)


def drop(process: "subprocess.Popen[bytes]") -> None:
    """As if its machine had lost power."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
