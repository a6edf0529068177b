"""What a page costs: beside a bare handler that encodes the same objects, from SQLite, with a thousand times as much
stored, and from two processes.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.load import Pair, family, paired
from bench.multiply import multiply
from bench.rows import Row, least, most, say
from bench.servers import Server, bare, real
from bench.start import started
from bench.world import Size

SMALL = Size(1000, 10_000)
LIST_MS = 0.5
"""What a list may take of a CPU, from SQLite."""
MANY = 64
"""Connections, enough that the kernel shares them out evenly between two processes."""


def lua(method: str = "GET", token: str | None = None, body: object = None) -> str:
    """A script for wrk that sends this each time."""
    lines = [f'wrk.method = "{method}"']
    if token is not None:
        lines.append(f'wrk.headers["Authorization"] = "Bearer {token}"')
    if body is not None:
        lines.append(f"wrk.headers['Content-Type'] = 'application/json'\nwrk.body = [[{json.dumps(body)}]]")
    return "\n".join(lines)


def lua_over(paths: list[str], token: str) -> str:
    """A script for wrk that asks for one path after the other, as someone signed in."""
    listed = ",".join(f'"{path}"' for path in paths)
    return (
        f"{lua(token=token)}\nlocal paths = {{{listed}}}\nlocal at = 0\n"
        "request = function() at = at % #paths + 1; return wrk.format(nil, paths[at]) end"
    )


def pages(seeded: Mapping[str, Any]) -> Mapping[str, tuple[str, str]]:
    """What is read, by what it is called: its kind and its path."""
    hot = f"/v1/videos/{seeded['hot']}"
    return {
        "GET latest 20 videos": ("videos", "/v1/videos"),
        "GET video": ("video", hot),
        "GET comments (20)": ("comments", f"{hot}/comments"),
        "GET channel": ("channel", f"/v1/channels/{seeded['hot_channel']}"),
    }


@contextlib.contextmanager
def both(folder: Path) -> Iterator[tuple[Server, Mapping[bool, Server]]]:
    """The product, its records in memory, and two bare servers: of its answers to nobody in particular (False), and to someone signed in."""
    with real(folder / "real", SMALL, profile="memory") as server, contextlib.ExitStack() as stack:
        bares = {}
        token = server.seeded["tokens"][0]
        posted = server.ask("POST", f"/v1/videos/{server.seeded['videos'][0]}/comments", token, {"text": "Well said!"})
        for signed_in in (False, True):
            with server.client() as client:
                answers = {
                    path: (kind, client.raw("GET", path, token if signed_in else None).decode())
                    for kind, path in pages(server.seeded).values()
                }
            told = {"answers": answers, "posted": json.dumps(posted)}
            told |= {key: server.seeded[key] for key in ("issuer", "client", "jwks")}
            bares[signed_in] = stack.enter_context(bare(folder / f"bare-{signed_in}", "answering", told))
        yield server, bares


def rows_of(what: str, pair: Pair, rate: float, cpu: float | None, other: str = "bare") -> Iterator[Row]:
    """A pair of runs as rows: requests a second, and (with ``cpu``) CPU time a request; ``other`` is the reference."""
    assert not pair.real.failed, f"{what}: {pair.real.failed} answers were none"
    assert not pair.bare.failed, f"{what}: {pair.bare.failed} answers of the other server ({other}) were none"
    reference = f"{other} {pair.bare.rate:,.0f}"
    yield Row(f"{what}: req/s", f"{pair.real.rate:,.0f}", reference, pair.rate_ratio, least(rate))
    must = None if cpu is None else most(cpu)
    ours, theirs = f"{pair.real.cpu_ms:.3f} ms", f"{other} {pair.bare.cpu_ms:.3f} ms"
    yield Row(f"{what}: CPU a request", ours, theirs, pair.cpu_ratio, must)


def reads(folder: Path, *, quick: bool) -> Iterator[Row]:
    """Pages beside a bare handler: as anyone, and as someone signed in, for whom no answer is kept."""
    with both(folder) as (server, bares):
        for what, (_, path) in pages(server.seeded).items():
            for signed_in, as_whom in ((False, "anyone"), (True, "signed in, uncached")):
                say(f"  {what}, {as_whom}")
                script = lua(token=server.seeded["tokens"][0] if signed_in else None)
                ends = bares[signed_in].at(path), server.at(path)
                pair = paired(*ends, seconds=2 if quick else 4, rounds=1 if quick else 3, script=script)
                yield from rows_of(f"{what} ({as_whom})", pair, 0.75, 1.3)


def sqlite(folder: Path, *, quick: bool) -> Iterator[Row]:
    """The same pages from records in SQLite, beside records in memory."""
    with real(folder / "sqlite", SMALL) as stored, real(folder / "memory", SMALL, profile="memory") as held:
        for what, (kind, _) in pages(stored.seeded).items():
            for signed_in, as_whom in ((False, "anyone"), (True, "signed in, uncached")):
                say(f"  {what}, {as_whom}")
                ends, scripts = [], []
                for server in (held, stored):
                    ends.append(server.at(pages(server.seeded)[what][1]))
                    scripts.append(lua(token=server.seeded["tokens"][0] if signed_in else None))
                pair = paired(
                    *ends, seconds=2 if quick else 4, rounds=1 if quick else 3, script=scripts[0], other=scripts[1]
                )
                label = f"{what} from SQLite ({as_whom})"
                yield from rows_of(label, pair, 0.5, None, "memory")
                if kind in {"videos", "comments"}:
                    cpu = pair.real.cpu_ms
                    yield Row(f"{label}: of {LIST_MS} ms", f"{cpu:.3f} ms", f"{LIST_MS} ms", cpu / LIST_MS, most(1))


def processes(folder: Path, *, quick: bool) -> Iterator[Row]:
    """A page from two processes beside one. The load comes from the same two cores."""
    with real(folder / "one", SMALL) as one, real(folder / "two", SMALL, workers=2) as two:
        assert len(family(two.pid)) > 2, "the workers are part of the family"
        ends, scripts = [], []
        for server in (one, two):
            ends.append(server.at("/v1/videos"))
            scripts.append(lua(token=server.seeded["tokens"][0]))
        pair = paired(
            *ends, connections=MANY, seconds=3 if quick else 6, rounds=1 if quick else 5, script=scripts[0],
            other=scripts[1],
        )  # fmt: skip
    yield from rows_of("GET latest 20 videos (signed in, uncached), two processes", pair, 1.6, None, "one")


def scale(folder: Path, *, quick: bool) -> Iterator[Row]:
    """The same pages, uncached, over many videos: how much longer they take with a thousand times as much stored. Then
    how long a server takes to start there, beside one that starts with nothing.
    """
    copies = 20 if quick else 1000
    videos, comments = SMALL.videos * copies, SMALL.comments * copies
    with real(folder / "large", SMALL):
        pass
    multiply(folder / "large", copies)
    with real(folder / "small", SMALL) as few, real(folder / "large") as many:
        for what in pages(few.seeded):
            say(f"  {what}, {videos:,} videos and {comments:,} comments")
            ends = []
            for server in (few, many):
                # The latest are one page; of the others, each server is asked for its own.
                paths = [pages({**server.seeded, "hot": video, "hot_channel": channel})[what][1] for video, channel in _spread(server)]  # fmt: skip
                ends.append((*server.at("/"), lua_over(list(dict.fromkeys(paths)), server.seeded["tokens"][0])))
            (a, a_pid, a_lua), (b, b_pid, b_lua) = ends
            pair = paired(
                (a, a_pid), (b, b_pid), seconds=2 if quick else 4, rounds=1 if quick else 3, script=a_lua, other=b_lua
            )
            assert not pair.real.failed + pair.bare.failed
            ratio = pair.real.p50_ms / pair.bare.p50_ms
            figures = f"{pair.real.p50_ms:.2f} ms", f"1,000: {pair.bare.p50_ms:.2f} ms"
            yield Row(f"{what}, {videos:,} videos: p50", *figures, ratio, most(1.3))
    filled, empty = started(folder / "large" / "data", folder / "none" / "data", 3 if quick else 9)
    figures = f"{filled * 1000:.0f} ms", f"with none {empty * 1000:.0f} ms"
    yield Row(f"start with {videos:,} videos", *figures, filled / empty, most(1.2))


def _spread(server: Server) -> list[tuple[str, str]]:
    videos, channels = server.seeded["videos"], server.seeded["channels"]
    return [(video, channels[number % len(channels)]) for number, video in enumerate(videos)]
