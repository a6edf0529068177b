"""How long the server takes until it answers, beside the import of what it stands on."""

import contextlib
import http.client
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.rows import Row, most, say
from bench.servers import ROOT, end, free_port


def start(folder: Path, *, quick: bool) -> Iterator[Row]:
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(6 if quick else 12):
        theirs.append(_imported())
        ours.append(_ready(folder / "data"))
    say(f"  ready after {', '.join(f'{each * 1000:.0f}' for each in ours)} ms")
    ready, imported = (statistics.median(each[1:]) * 1000 for each in (ours, theirs))  # the first compiled
    figures = f"{ready:.0f} ms", f"import litestar, granian: {imported:.0f} ms"
    yield Row("start until /readyz says 200", *figures, ready / imported, most(1.5))


def started(data: Path, other: Path, rounds: int) -> tuple[float, float]:
    """The median seconds of a start on two folders, in turn."""
    took: dict[Path, list[float]] = {data: [], other: []}
    for _ in range(rounds + 1):
        for folder, seconds in took.items():
            seconds.append(_ready(folder))
    first, second = (statistics.median(seconds[1:]) for seconds in took.values())  # the first compiled
    return first, second


def _imported() -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import litestar, granian"], check=True, cwd=ROOT)
    return time.perf_counter() - begun


def _ready(data: Path) -> float:
    port = free_port()
    env = {**os.environ, "HEXCAST_PORT": str(port), "HEXCAST_RTMP_PORT": "0", "HEXCAST_DATA": str(data)}
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "entrypoints.http.serve"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL
    )
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - begun > 60:
                raise SystemExit("the server did not start")
            time.sleep(0.002)
        return time.perf_counter() - begun
    finally:
        end(process)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as asked:
        asked.request("GET", "/readyz")
        return asked.getresponse().status == 200
    return False
