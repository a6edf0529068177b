"""A server that is to refuse its start."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.journey.server import ROOT


def refused(data: Path, *, env: dict[str, str] | None = None, **more: Any) -> tuple[int, str]:
    """The exit status, and what it said, which is one line on standard error."""
    settings = {
        "HEXCAST_DATA": str(data),
        "HEXCAST_PORT": "0",
        "HEXCAST_RTMP_PORT": "0",
        "HEXCAST_LOG_FORMAT": "json",
        **(env or {}),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "entrypoints.http.serve"], cwd=ROOT, env=os.environ | settings, capture_output=True,
        text=True, check=False, timeout=60, **more,
    )  # fmt: skip
    assert ended.stdout == ""
    assert ended.stderr.endswith("\n")
    (said,) = ended.stderr.splitlines()
    return ended.returncode, said
