"""Livestreams: how soon what is pushed is shown, how far behind viewers are, and how many streams one machine holds."""

import contextlib
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import urlopen

import av
import imageio_ffmpeg
from attrs import frozen

from adapters.local.hls import Playlist
from bench.rows import Row, least, most, say
from bench.servers import Server, free_port, real

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
TARGET_S = 1.0
BITS, SIDE = 32, 16
"""The time in milliseconds is burnt in as so many squares of so many pixels."""
RATE = 30
ADVANCED = 0.95
"""What is shown has to get on by this part of the time that passes."""
_COPY = ("-c", "copy", "-f", "flv")


def streams(folder: Path, *, quick: bool) -> Iterator[Row]:
    folder.mkdir(parents=True)
    film = _film(folder / "film.flv")
    with real(folder / "real", HEXCAST_MAX_LIVE_STREAMS="500", HEXCAST_LIVE_WINDOW_S="30") as server:
        yield from _first_segment(server, folder, film, rounds=2 if quick else 7)
        yield from _glass(server, folder, seconds=8 if quick else 40)
        yield from _at_once(server, folder, film, seconds=6 if quick else 12)


def _film(path: Path) -> Path:
    """720p at 4 Mb/s, a key frame a second."""
    command = [
        FFMPEG, "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30:duration=20,noise=alls=30:allf=t",
        "-f", "lavfi", "-i", "sine=duration=20", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
        "-b:v", "3900k", "-minrate", "3900k", "-maxrate", "3900k", "-bufsize", "3900k", "-g", "30", "-keyint_min", "30",
        "-sc_threshold", "0", "-c:a", "aac", "-b:a", "100k", str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return path


# --- the two ways to be shown ---------------------------------------------------------------------


@frozen
class Place:
    """Where one stream is pushed to, and where its playlist is written."""

    address: str
    folder: Path

    def listed_s(self) -> float:
        """How much is listed, or was."""
        for path in sorted(self.folder.glob("**/index.m3u8"), reverse=True):
            text = path.read_text()
            if "#HEXCAST" in text:
                return Playlist.read(text, 1e9).end_s
            return float(text.count("#EXTINF"))
        return 0.0


def _ours(server: Server, folder: Path, number: int) -> Place:
    token = server.seeded["tokens"][0]
    with server.client() as client:
        channels = {each["handle"]: each["id"] for each in client.ask("GET", "/v1/me/channels", token)["data"]}
        handle = f"live{number // 50}"  # a channel has at most 100
        channel = (
            channels.get(handle) or client.ask("POST", "/v1/channels", token, {"handle": handle, "name": handle})["id"]
        )
        body = {"channel_id": channel, "title": f"Stream {number}", "record": False, "reconnect_window_s": 0}
        stream = client.ask("POST", "/v1/streams", token, body)["id"]
        ingest = client.ask("GET", f"/v1/streams/{stream}/ingest", token)
    shown = folder / "real" / "data" / "media" / "media" / "l" / stream
    return Place(f"{ingest['server_url']}/{ingest['stream_key']}", shown)


@contextlib.contextmanager
def _raw(folder: Path) -> Iterator[Place]:
    """An ffmpeg that listens, and asks for no key."""
    folder.mkdir(parents=True)
    address = f"rtmp://127.0.0.1:{free_port()}/live/x"
    command = [
        FFMPEG, "-v", "error", "-nostdin", "-listen", "1", "-i", address, "-c", "copy", "-f", "hls", "-hls_time", "1",
        "-hls_list_size", "0", "-hls_flags", "program_date_time", str(folder / "index.m3u8"),
    ]  # fmt: skip
    with _running(command):
        time.sleep(0.3)  # it says to nobody that it listens
        yield Place(address, folder)


@contextlib.contextmanager
def _running(*commands: list[str]) -> Iterator[None]:
    started = [subprocess.Popen(command, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL) for command in commands]
    try:
        yield
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def _push(film: Path, place: Place) -> list[str]:
    return [FFMPEG, "-v", "quiet", "-nostdin", "-re", "-stream_loop", "-1", "-i", str(film), *_COPY, place.address]


# --- the first segment ----------------------------------------------------------------------------


def _first_segment(server: Server, folder: Path, film: Path, *, rounds: int) -> Iterator[Row]:
    took: dict[str, list[float]] = {"ours": [], "raw": []}
    for number in range(rounds):
        took["ours"].append(_until_shown(film, _ours(server, folder, number)))
        with _raw(folder / f"raw{number}") as place:
            took["raw"].append(_until_shown(film, place))
    ours, raw = (statistics.median(took[name]) for name in ("ours", "raw"))
    figure, reference = f"{ours:.2f} s", f"ffmpeg -listen 1: {raw:.2f} s"
    yield Row("push to first segment listed", figure, reference, ours / raw, most(1.2))
    yield Row("push to first segment listed, in seconds", figure, "2 s", ours, most(2.0))


def _until_shown(film: Path, place: Place) -> float:
    begun = time.perf_counter()
    with _running(_push(film, place)):
        while not place.listed_s():
            time.sleep(0.002)
            assert time.perf_counter() < begun + 30
        return time.perf_counter() - begun


# --- glass to glass -------------------------------------------------------------------------------


def _glass(server: Server, folder: Path, *, seconds: int) -> Iterator[Row]:
    place = _ours(server, folder, 1000)
    command = [sys.executable, "-m", "bench.streams", place.address]
    with _running(command):
        begun = time.perf_counter()
        while place.listed_s() < 4:
            time.sleep(0.05)
            assert time.perf_counter() < begun + 30
        newest, behind = _read(_manifest(server, place), seconds)
    for what, found, bound in (
        ("glass to glass, as hls.js plays (3 segments from the end)", behind, most(4.0)),
        ("glass to glass, the newest segment", newest, None),
    ):
        ordered = sorted(found)
        p50, p95 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]
        yield Row(what, f"{p50:.2f} s p50, {p95:.2f} s p95", f"{len(found)} segments", p50, bound)


def _manifest(server: Server, place: Place) -> str:
    stream = place.folder.name
    with server.client() as client:
        url = client.ask("POST", f"/v1/streams/{stream}/playback-sessions", server.seeded["tokens"][0])["manifest_url"]
    return str(url)


def _read(manifest: str, seconds: int) -> tuple[list[float], list[float]]:
    """How old the first picture of a segment is when it could be shown: of the newest one, and of the third from the
    end. The playlist is fetched again after the target duration, or half of it if nothing was new.
    """
    newest: list[float] = []
    behind: list[float] = []
    known: list[str] = []
    until = time.time() + seconds
    while time.time() < until:
        with urlopen(manifest, timeout=10) as answer:  # noqa: S310  (our own server)
            names = [line for line in answer.read().decode().splitlines() if line and not line.startswith("#")]
        fresh = names[-1:] != known[-1:]
        if fresh:
            ages = [_age(urljoin(manifest, name)) for name in (names[-1], names[-3])]
            newest.append(ages[0])
            behind.append(ages[1])
        known = names
        time.sleep(TARGET_S if fresh else TARGET_S / 2)
    return newest, behind


def _age(segment: str) -> float:
    with urlopen(segment, timeout=10) as answer, av.open(answer, format="mpegts") as container:  # noqa: S310  (the same)
        plane = next(container.decode(video=0)).planes[0]
    now, row = time.time(), bytes(plane)[SIDE * plane.line_size :]
    bits = [row[bit * SIDE + SIDE // 2] > 128 for bit in range(BITS)]
    burnt = sum(1 << bit for bit, on in enumerate(bits) if on)
    return ((round(now * 1000) - burnt) % (1 << BITS)) / 1000


def camera(address: str) -> None:
    """Push pictures that say when they were taken, until killed."""
    command = [
        FFMPEG, "-v", "error", "-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{BITS * SIDE}x288", "-r", str(RATE), "-i", "pipe:0",
        "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", str(RATE),
        "-keyint_min", str(RATE), "-b:v", "4M", "-f", "flv", address,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0)
    assert process.stdin is not None
    begun, number = time.time(), 0
    while True:
        time.sleep(max(0.0, begun + number / RATE - time.time()))
        taken = round(time.time() * 1000) % (1 << BITS)
        row = b"".join((b"\xff" if taken >> bit & 1 else b"\x00") * SIDE for bit in range(BITS))
        process.stdin.write(row * 288)
        number += 1


# --- how many at once -----------------------------------------------------------------------------


def _at_once(server: Server, folder: Path, film: Path, *, seconds: int) -> Iterator[Row]:
    numbers = itertools.count(2000)

    def ours(count: int) -> bool:
        # Others than before, which may not have noticed yet that their encoders are gone.
        return _holds(film, [_ours(server, folder, next(numbers)) for _ in range(count)], seconds)

    def raw(count: int) -> bool:
        with contextlib.ExitStack() as stack:
            base = folder / f"held{count}-{time.time()}"
            found = [stack.enter_context(_raw(base / str(number))) for number in range(count)]
            return _holds(film, found, seconds)

    held, reference = _most(ours, "ours"), _most(raw, "raw")
    figure, beside = f"{held} streams", f"raw ffmpeg remux: {reference} streams"
    yield Row("streams of 4 Mb/s at once, no drops", figure, beside, held / reference, least(0.8))


def _holds(film: Path, places: list[Place], seconds: int) -> bool:
    """Whether what is shown of each gets on as fast as time does."""
    with _running(*(_push(film, place) for place in places)):
        until = time.perf_counter() + 20
        while any(place.listed_s() < 2 for place in places):
            if time.perf_counter() > until:
                return False
            time.sleep(0.2)
        before, begun = [place.listed_s() for place in places], time.perf_counter()
        time.sleep(seconds)
        passed = time.perf_counter() - begun
        return all(
            place.listed_s() - at >= ADVANCED * passed - 1 for place, at in zip(places, before, strict=True)
        )  # fmt: skip


def _most(holds: Callable[[int], bool], what: str) -> int:
    """Doubling, then halving the step, to within an eighth."""
    low, high = 0, 8
    while holds(high):
        say(f"  {what}: {high} streams hold")
        low, high = high, high * 2
    while high - low > max(2, high // 8):
        middle = (low + high) // 2
        held = holds(middle)
        say(f"  {what}: {middle} streams {'hold' if held else 'do not'}")
        low, high = (middle, high) if held else (low, middle)
    return low


if __name__ == "__main__":
    camera(sys.argv[1])
