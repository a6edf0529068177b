"""What a write costs, in memory and on the disk, whether many writers are served evenly, and publishing to a crowd."""

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.load import Load, paired, wrk
from bench.reads import SMALL, both, rows_of
from bench.rows import Row, least, most, say
from bench.servers import ROOT, Client, Server, real
from bench.world import SAID, Size

COMMENT = {"text": SAID}
WRITERS = 16


def writing(server: Server, method: str, what: str, bodies: list[str]) -> str:
    """A script for wrk: one person and video after the other, and one body after the other."""
    tokens = ",".join(f'"Bearer {token}"' for token in server.seeded["tokens"])
    # Without the one whose comments the bare server knows as a page only.
    videos = [video for video in server.seeded["videos"] if video != server.seeded["hot"]]
    paths = ",".join(f'"/v1/videos/{video}/{what}"' for video in videos)
    said = ",".join(f"[[{body}]]" for body in bodies)
    return f"""
local tokens, paths, bodies = {{{tokens}}}, {{{paths}}}, {{{said}}}
local at = 0
request = function()
  at = at + 1
  local headers = {{["Authorization"] = tokens[at % #tokens + 1], ["Content-Type"] = "application/json"}}
  local body = bodies[math.floor(at / #paths) % #bodies + 1]
  return wrk.format("{method}", paths[at % #paths + 1], headers, body)
end
"""


def writes(folder: Path, *, quick: bool) -> Iterator[Row]:
    """Writes to memory beside a bare handler that verifies the same tokens and decodes the same bodies."""
    said, felt = [json.dumps(COMMENT)], ['{"value": "like"}', '{"value": "dislike"}']
    with both(folder) as (server, bares):
        for what, method, of, bodies in (
            ("POST comment", "POST", "comments", said), ("PUT reaction", "PUT", "reaction", felt)
        ):  # fmt: skip
            say(f"  {what}")
            script = writing(server, method, of, bodies)
            ends = bares[True].at("/"), server.at("/")
            pair = paired(*ends, seconds=2 if quick else 4, rounds=1 if quick else 3, script=script)
            yield from rows_of(what, pair, 0.60, None)


def durable(folder: Path, *, quick: bool) -> Iterator[Row]:
    """Comments that are on the disk when they are answered, beside SQLite alone; then 64 at once, in two processes."""
    seconds, rounds = (3, 1) if quick else (6, 3)
    with real(folder / "alone", SMALL):
        pass
    alone = folder / "alone" / "data" / "hexcast.db"
    runs: list[tuple[Load, Mapping[str, float]]] = []
    with real(folder / "real", SMALL) as server:
        url, script = server.at("/")[0], writing(server, "POST", "comments", [json.dumps(COMMENT)])
        for _ in range(rounds):
            load = wrk(url, server.pid, connections=WRITERS, seconds=seconds, script=script)
            assert not load.failed, f"{load.failed} answers were none"
            runs.append((load, {kind: _raw(alone, kind, seconds) for kind in ("threads", "processes")}))
            told = ", ".join(f"{kind} {rate:,.0f}" for kind, rate in runs[-1][1].items())
            say(f"  {load.rate:,.0f} comments/s; SQLite alone: {told}")
    rates = {kind: statistics.median(raw[kind] for _, raw in runs) for kind in ("threads", "processes")}
    best = max(rates, key=lambda kind: rates[kind])
    ratio = statistics.median(load.rate / raw[best] for load, raw in runs)
    figures = f"{statistics.median(load.rate for load, _ in runs):,.0f}", f"SQLite, {best}: {rates[best]:,.0f}"
    yield Row(f"POST comment, durable, {WRITERS} clients: req/s", *figures, ratio, least(0.5))
    with real(folder / "even", SMALL, workers=2) as server:
        say("  64 writers")
        script = writing(server, "POST", "comments", [json.dumps(COMMENT)])
        load = wrk(server.at("/")[0], server.pid, connections=64, seconds=5 if quick else 15, script=script)
    what = "64 writers at once, two processes"
    yield Row(f"{what}: answers but 2xx", str(load.failed), f"of {load.rate:,.0f} a second", load.failed, most(0))
    ratio = load.p99_ms / load.p50_ms
    yield Row(f"{what}: p99", f"{load.p99_ms:.1f} ms", f"p50 {load.p50_ms:.1f} ms", ratio, most(5))


def _raw(file: Path, kind: str, seconds: float) -> float:
    """Comments a second."""
    command = [sys.executable, "-m", "bench.raw", str(file), kind, str(WRITERS), str(seconds)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)


def fanout(folder: Path, *, quick: bool) -> Iterator[Row]:
    """Publishing to a crowd and to nobody, in turn; between two, the crowd has been told."""
    rounds, fans = (3, 20_000) if quick else (9, 100_000)
    with real(folder, Size(1000, 10_000, fans=fans, drafts=rounds + 1)) as server, server.client() as client:
        took: dict[str, list[float]] = {"star": [], "quiet": []}
        whole: list[float] = []
        slow: list[float] = []
        for number in range(rounds + 1):
            for handle, seconds in took.items():
                video = server.seeded["drafts"][handle][number]
                seconds.append(_publish(server, client, video))
                if handle == "star":
                    begun = time.perf_counter()
                    slow.append(_reads_until_told(server, client, number + 1))
                    whole.append(time.perf_counter() - begun + seconds[-1])
            say(
                f"  publication {number} of {rounds}: {took['star'][-1] * 1000:.2f} ms, {took['quiet'][-1] * 1000:.2f} ms"
            )
    crowd, nobody = (statistics.median(seconds[1:]) * 1000 for seconds in took.values())
    yield Row(
        f"publish to {fans:,} subscribers: answer",
        f"{crowd:.2f} ms",
        f"none {nobody:.2f} ms",
        crowd / nobody,
        most(1.1),
    )
    told = statistics.median(whole[1:])
    yield Row(f"publish to {fans:,} subscribers: all told", f"{told:.2f} s", f"{fans / told:,.0f} a second")
    yield Row("  reads meanwhile: p99", f"{statistics.median(slow[1:]):.1f} ms", "4 connections, signed in")


def _publish(server: Server, client: Client, video: str) -> float:
    """Seconds until the answer."""
    body = b'{"visibility": "public"}'
    token = server.seeded["tokens"][0]
    client.raw("GET", f"/v1/videos/{video}", token)  # the connection is warm
    begun = time.perf_counter()
    client.raw("PATCH", f"/v1/videos/{video}", token, body)
    return time.perf_counter() - begun


def _reads_until_told(server: Server, client: Client, count: int) -> float:
    """Read until the last of the crowd has so many notifications; the reads' 99th percentile in milliseconds."""
    over = threading.Event()
    took: list[float] = []

    def read() -> None:
        with server.client() as reader:
            while not over.is_set():
                begun = time.perf_counter()
                reader.raw("GET", "/v1/videos", server.seeded["tokens"][1])
                took.append(time.perf_counter() - begun)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    while client.ask("GET", "/v1/me/notifications/unread-count", server.seeded["first_fan"])["count"] < count:
        time.sleep(0.02)
    over.set()
    for reader in readers:
        reader.join()
    return statistics.quantiles(took, n=100)[98] * 1000
