"""How a server of the emulated cloud begins and ends: it says on its standard output where it is reached, and is gone,
with all that it started, when its standard input is.
"""

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path

from attrs import frozen


@frozen
class Serving:
    """``scratch`` is a folder that goes with the process."""

    socket: socket.socket
    scratch: Path

    @property
    def port(self) -> int:
        port: int = self.socket.getsockname()[1]
        return port

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> None:
        sys.stdout.write(json.dumps({"endpoint": self.endpoint}) + "\n")
        sys.stdout.flush()


def serving() -> Serving:
    """On the port that ``HEXCAST_CLOUD_PORT`` names, or any that is free."""
    listening = socket.create_server(("127.0.0.1", int(os.environ.get("HEXCAST_CLOUD_PORT", "0"))), backlog=512)
    scratch = Path(tempfile.mkdtemp(prefix="hexcast-cloud-"))
    threading.Thread(target=_end_with_input, args=(scratch,), daemon=True).start()
    return Serving(listening, scratch)


def _end_with_input(scratch: Path) -> None:
    """Whoever started us is gone, or wants us gone. Our group is our own: what we started is in it."""
    sys.stdin.buffer.read()
    shutil.rmtree(scratch, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)
