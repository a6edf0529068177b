"""The README's tour works as it is printed."""

import re
import subprocess
import sys
from pathlib import Path

from tests.journey.server import ROOT, Server


def test_the_tour_works_as_printed(tmp_path: Path) -> None:
    """Every command in order, as someone would paste them, to HLS that decodes and a notification that arrives."""
    tour = (ROOT / "README.md").read_text().partition("## The same by the API")[2].partition("\n## ")[0]
    commands = "\n".join(re.findall(r"^```sh\n(.*?)^```", tour, re.DOTALL | re.MULTILINE))
    # With the limits that everyone gets, and a port and interpreter that are free for the test.
    with Server(tmp_path / "data", env={"HEXCAST_RATE_LIMIT": ""}).running() as server:
        assert "http://127.0.0.1:8000" in commands
        script = commands.replace("http://127.0.0.1:8000", server.url).replace(".venv/bin/python", sys.executable)
        # Read from its input, as what is pasted is: a command that reads along would swallow the next ones.
        shell = ["/bin/bash", "-eo", "pipefail", "-s"]
        ran = subprocess.run(shell, check=False, cwd=ROOT, input=script, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    assert ran.stdout.count("plays to the end") == 4
    assert "NAL" not in ran.stderr + ran.stdout
    assert '"type":"mention"' in ran.stdout
    assert '"type":"subscriber"' in ran.stdout
    assert '"title":"The first engine"' in ran.stdout.partition("plays to the end")[2]
    assert '"code":"invalid"' in ran.stdout
