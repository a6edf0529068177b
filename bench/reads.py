"""What a page costs: beside a bare handler that encodes the same objects, and with a hundred times as much stored."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.load import Pair, paired
from bench.rows import Row, least, most, say
from bench.servers import Server, bare, real
from bench.world import Size

SMALL, LARGE = Size(1000, 10_000), Size(100_000, 1_000_000)


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
    """The product and two bare servers: of its answers to nobody in particular (False), and to someone signed in."""
    with real(folder / "real", SMALL) as server, contextlib.ExitStack() as stack:
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


def rows_of(what: str, pair: Pair, rate: float, cpu: float | None) -> Iterator[Row]:
    """A pair of runs as rows: requests a second, and (with ``cpu``) CPU time a request."""
    assert not pair.real.failed, f"{what}: {pair.real.failed} answers were none"
    assert not pair.bare.failed, f"{what}: {pair.bare.failed} answers of the bare server were none"
    yield Row(f"{what}: req/s", f"{pair.real.rate:,.0f}", f"bare {pair.bare.rate:,.0f}", pair.rate_ratio, least(rate))
    must = None if cpu is None else most(cpu)
    ours, theirs = f"{pair.real.cpu_ms:.3f} ms", f"bare {pair.bare.cpu_ms:.3f} ms"
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


def scale(folder: Path, *, quick: bool) -> Iterator[Row]:
    """The same pages, uncached, over many videos: how much longer they take with a hundred times as much stored."""
    large = Size(20_000, 200_000) if quick else LARGE
    with real(folder / "small", SMALL) as few, real(folder / "large", large) as many:
        for what in pages(few.seeded):
            say(f"  {what}, {large.videos:,} videos and {large.comments:,} comments")
            ends = []
            for server in (few, many):
                # The latest are one page; of the others, each server is asked for its own.
                paths = [dict(pages({**server.seeded, "hot": video, "hot_channel": channel}))[what][1] for video, channel in _spread(server)]  # fmt: skip
                ends.append((*server.at("/"), lua_over(list(dict.fromkeys(paths)), server.seeded["tokens"][0])))
            (a, a_pid, a_lua), (b, b_pid, b_lua) = ends
            pair = paired(
                (a, a_pid), (b, b_pid), seconds=2 if quick else 4, rounds=1 if quick else 3, script=a_lua, other=b_lua
            )
            assert not pair.real.failed + pair.bare.failed
            ratio = pair.real.p50_ms / pair.bare.p50_ms
            label = f"{what}, {large.videos:,} videos: p50"
            yield Row(label, f"{pair.real.p50_ms:.2f} ms", f"1,000: {pair.bare.p50_ms:.2f} ms", ratio, most(1.2))


def _spread(server: Server) -> list[tuple[str, str]]:
    videos, channels = server.seeded["videos"], server.seeded["channels"]
    return [(video, channels[number % len(channels)]) for number, video in enumerate(videos)]
