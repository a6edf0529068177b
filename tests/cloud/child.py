"""How a server of the emulated cloud begins and ends: it says on its standard output where it is reached, and is gone,
with all that it started, when its standard input is.
"""

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from attrs import frozen


@frozen
class Door:
    """A port of this machine that we answer on."""

    socket: socket.socket

    @classmethod
    def on(cls, port: str) -> "Door":
        """Any that is free, if it is 0."""
        return cls(socket.create_server(("127.0.0.1", int(port)), backlog=512))

    @property
    def port(self) -> int:
        port: int = self.socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@frozen
class Serving:
    """``door`` is for AWS's own clients and for controls, ``site`` for whoever visits what is deployed. ``scratch`` is a
    folder that goes with the process.
    """

    door: Door
    site: Door
    scratch: Path

    def ready(self) -> None:
        sys.stdout.write(json.dumps({"endpoint": self.door.url, "site": self.site.url}) + "\n")
        sys.stdout.flush()


def serving() -> Serving:
    """On the ports that ``HEXCAST_CLOUD_PORT`` and ``HEXCAST_SITE_PORT`` name, or any that are free."""
    door, site = (Door.on(os.environ.pop(f"HEXCAST_{name}_PORT", "0")) for name in ("CLOUD", "SITE"))
    scratch = Path(tempfile.mkdtemp(prefix="hexcast-cloud-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    threading.Thread(target=_end_with_input, args=(scratch,), daemon=True).start()
    return Serving(door, site, scratch)


def _end_with_input(scratch: Path) -> None:
    """Whoever started us is gone, or wants us gone. Our group is our own: what we started is in it, but for the one that
    tidies up, which may take a while.
    """
    sys.stdin.buffer.read()
    subprocess.Popen(["rm", "-rf", str(scratch)], start_new_session=True)  # noqa: S607  (wherever PATH says)
    os.killpg(0, signal.SIGKILL)
