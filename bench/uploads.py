"""A large upload through the API's signed links, beside a bare app that writes the same stream to the same disk."""

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.load import family, memory_kib
from bench.rows import Row, least, most, say
from bench.servers import ROOT, Server, bare, real

CONNECTIONS = 4
MIB = 1024 * 1024


def uploads(folder: Path, *, quick: bool) -> Iterator[Row]:
    size = (512 if quick else 2048) * MIB
    rounds = 1 if quick else 3
    folder.mkdir(parents=True)
    free = shutil.disk_usage(folder).free
    if free < 4 * size:
        raise SystemExit(f"the upload benchmark needs {4 * size // MIB} MiB on {folder}, there are {free // MIB}")
    stream = folder / "stream"
    runs: list[tuple[float, float, float]] = []
    with real(folder / "real") as server:
        upload = _announced(server, size)
        part = upload["part_size_bytes"]
        with bare(folder / "bare", "taking", {"path": str(stream), "part_bytes": part}) as other:
            for number in range(rounds):
                count = upload["part_count"]
                links = [f"http://127.0.0.1:{other.port}/{each}" for each in range(1, count + 1)]
                theirs = _sent(links, size, part)
                _emptied(stream)
                upload = upload if number == 0 else _announced(server, size)
                ours, grown = _uploaded(server, upload, size)
                runs.append((size / theirs / MIB, size / ours / MIB, grown))
                say(f"  {runs[-1][1]:,.0f} MiB/s, bare {runs[-1][0]:,.0f} MiB/s; grew by {grown:.0f} MiB")
    bare_rate, rate = (statistics.median(run[column] for run in runs) for column in (0, 1))
    grown = max(run[2] for run in runs)
    what = f"upload {size // MIB:,} MiB"
    yield Row(f"{what}: peak memory over idle", f"{grown:.0f} MiB", "64 MiB", grown / 64, most(1))
    ratio = statistics.median(run[1] / run[0] for run in runs)
    yield Row(f"{what}: to completion", f"{rate:,.0f} MiB/s", f"bare {bare_rate:,.0f} MiB/s", ratio, least(0.5))


def _emptied(path: Path) -> None:
    """Empty a file that someone holds open."""
    with path.open("r+b") as file:
        file.truncate(0)


def _announced(server: Server, size: int) -> Any:
    token = server.seeded["tokens"][0]
    channel = server.ask("GET", "/v1/me/channels", token)["data"][0]["id"]
    body = {
        "channel_id": channel, "filename": "film.mp4", "content_type": "video/mp4", "size_bytes": size,
        "title": "A large film",
    }  # fmt: skip
    return server.ask("POST", "/v1/uploads", token, body)


def links_of(server: Server, upload: Any) -> list[str]:
    """Signed links for all parts of an announced upload."""
    token, numbers = server.seeded["tokens"][0], list(range(1, upload["part_count"] + 1))
    links: list[str] = []
    for start in range(0, len(numbers), 100):
        wanted = {"numbers": numbers[start : start + 100]}
        signed = server.ask("POST", f"/v1/uploads/{upload['id']}/parts", token, wanted)
        links += [each["url"] for each in signed["parts"]]
    return links


def _uploaded(server: Server, upload: Any, size: int) -> tuple[float, float]:
    """Seconds from the first byte until the upload is complete, and the MiB that the server grew by at most."""
    token, pids = server.seeded["tokens"][0], family(server.pid)
    links = links_of(server, upload)
    before = memory_kib(pids, "VmRSS")
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak counts from here
    took = _sent(links, size, upload["part_size_bytes"])
    begun = time.perf_counter()
    server.ask("POST", f"/v1/uploads/{upload['id']}/complete", token, {"parts": []})
    took += time.perf_counter() - begun
    grown = (memory_kib(pids, "VmHWM") - before) / 1024
    server.ask("DELETE", f"/v1/videos/{upload['video_id']}", token)
    return took, grown


def _sent(links: Sequence[str], size: int, part: int) -> float:
    """Seconds."""
    parts = [(link, min(part, size - number * part)) for number, link in enumerate(links)]
    told = json.dumps({"parts": parts, "connections": CONNECTIONS})
    command = [sys.executable, "-m", "bench.sender"]
    said = subprocess.run(command, input=told, capture_output=True, text=True, check=False, cwd=ROOT)
    if said.returncode:
        raise SystemExit(said.stderr)
    return float(said.stdout)
