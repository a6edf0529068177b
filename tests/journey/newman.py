"""The Postman collection, run by newman as anyone would from a shell."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from postman.build import COLLECTION, HERE

NEWMAN = HERE / "node_modules" / "newman" / "bin" / "newman.js"


def walk(environment: str, **values: str) -> None:
    """All of the collection in an environment, some of whose ``values`` are others here; no assertion fails.

    Skips the test where newman is not installed, unless this is CI.
    """
    node = shutil.which("node")
    if node is None or not NEWMAN.exists():
        message = "the Postman collection needs newman: install Node.js with npm, then `make setup`"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    command = [
        node, str(NEWMAN), "run", str(COLLECTION), "--environment", str(HERE / f"{environment}.postman_environment.json"),
        "--working-dir", str(HERE / "files"), "--reporters", "cli", "--reporter-cli-no-success-assertions",
        "--reporter-cli-no-banner", "--color", "off", "--timeout-request", "30000",
    ]  # fmt: skip
    for name, value in values.items():
        command += ["--env-var", f"{name}={value}"]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=900)
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr


def film(path: Path) -> dict[str, str]:
    """The environment's values for a film."""
    return {"film": str(path), "film_bytes": str(path.stat().st_size)}
