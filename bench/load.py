"""Load from wrk (Debian's package), and what a server process spent on it."""

import os
import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3}
_TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


@frozen
class Load:
    """One run: requests/s, milliseconds (p50, p99), CPU milliseconds a request, and answers that were no 2xx."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    failed: int


def require_wrk() -> None:
    if shutil.which("wrk") is None:
        message = "the benchmarks load the server with wrk: apt-get install wrk"
        raise SystemExit(message)


def cpu_ms(pids: Sequence[int]) -> float:
    """User and system time of these processes so far."""
    spent = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        spent += (int(fields[11]) + int(fields[12])) * _TICK_MS
    return spent


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo[-1])
        todo += children.get(todo.pop(), [])
    return found


def memory_kib(pids: Sequence[int], what: str) -> int:
    """``VmRSS`` or ``VmHWM`` (the peak), summed."""
    total = 0
    for pid in pids:
        found = re.search(rf"^{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        total += int(found[1]) if found else 0
    return total


def wrk(url: str, pid: int, *, connections: int, seconds: float, script: str = "") -> Load:
    """Load ``url`` from one thread with that many connections."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as lua:
        lua.write(script + _SUMMARY)
        lua.flush()
        pids = family(pid)
        before = cpu_ms(pids)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", lua.name, url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        spent = cpu_ms(pids) - before
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", said)
    if found is None:
        raise RuntimeError(said)
    requests, failed, micros, p50, p99 = (int(each) for each in found.groups())
    return Load(requests / micros * 1e6, p50 / 1000, p99 / 1000, spent / max(requests, 1), failed)


# wrk counts answers from 400 up as errors; 3xx would be wrong here too, but no route of ours redirects.
_SUMMARY = """
done = function(summary, latency, requests)
  local e = summary.errors
  print(string.format("RESULT %d %d %d %d %d", summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout, summary.duration,
    latency:percentile(50), latency:percentile(99)))
end
"""


@frozen
class Pair:
    """Two servers under the same load in turn, round by round; each figure is the median of the rounds."""

    bare: Load
    real: Load
    rate_ratio: float
    cpu_ratio: float


def _median(loads: Sequence[Load]) -> Load:
    return Load(
        rate=statistics.median(load.rate for load in loads),
        p50_ms=statistics.median(load.p50_ms for load in loads),
        p99_ms=statistics.median(load.p99_ms for load in loads),
        cpu_ms=statistics.median(load.cpu_ms for load in loads),
        failed=sum(load.failed for load in loads),
    )


def paired(
    bare: tuple[str, int], real: tuple[str, int], *, connections: int = 16, seconds: float = 4, rounds: int = 3,
    script: str = "", other: str | None = None,
) -> Pair:  # fmt: skip
    """``bare`` and ``real`` are URLs with the servers' process ids; ``other`` is a script for ``real`` alone."""
    runs: list[tuple[Load, Load]] = []
    ends = ((*bare, script), (*real, script if other is None else other))
    for url, pid, lua in ends:
        wrk(url, pid, connections=connections, seconds=1, script=lua)
    for _ in range(rounds):
        first, second = (wrk(url, pid, connections=connections, seconds=seconds, script=lua) for url, pid, lua in ends)
        runs.append((first, second))
    return Pair(
        _median([run[0] for run in runs]),
        _median([run[1] for run in runs]),
        statistics.median(real.rate / bare.rate for bare, real in runs),
        statistics.median(real.cpu_ms / bare.cpu_ms for bare, real in runs),
    )
