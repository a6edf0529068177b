"""The Postman collection, run by newman as anyone would from a shell."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from postman.build import COLLECTION, HERE

NEWMAN = HERE / "node_modules" / "newman" / "bin" / "newman.js"


RUN = """
require("newman").run(JSON.parse(process.argv[1]), (error, summary) => {
    if (error) console.error(error);
    process.exit(error || summary.error || summary.run.failures.length ? 1 : 0);
});
"""
"""As its own command does, but for the end: a connection that someone keeps open must not keep it waiting."""


def walk(environment: str, **values: str) -> None:
    """All of the collection in an environment, some of whose ``values`` are others here; no assertion fails.

    Skips the test where newman is not installed, unless this is CI.
    """
    node = shutil.which("node")
    if node is None or not NEWMAN.exists():
        message = "the Postman collection needs newman: install Node.js with npm, then `make setup`"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    asked = {
        "collection": str(COLLECTION), "environment": str(HERE / f"{environment}.postman_environment.json"),
        "envVar": [{"key": key, "value": value} for key, value in values.items()], "workingDir": str(HERE / "files"),
        "reporters": ["cli"], "reporter": {"cli": {"noSuccessAssertions": True, "noBanner": True}}, "color": "off",
        "timeoutRequest": 30_000,
    }  # fmt: skip
    ran = subprocess.run(
        [node, "-e", RUN, json.dumps(asked)], check=False, capture_output=True, text=True, timeout=900, cwd=HERE
    )
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr


def film(path: Path) -> dict[str, str]:
    """The environment's values for a film."""
    return {"film": str(path), "film_bytes": str(path.stat().st_size)}
