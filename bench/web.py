"""The web client in a browser: what it loads, how soon it shows, and how fast it sends."""

import contextlib
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import imageio_ffmpeg
from attrs import define, field, frozen
from playwright.sync_api import Browser, CDPSession, sync_playwright

from bench.line import GIGABIT, Line
from bench.rows import Row, least, most, say
from tests.browser.conftest import CHROMIUM, FLAGS, lacking
from tests.browser.visitor import Visitor
from tests.journey.server import Json, Person, Server, free_port, sign_up

MIB = 1024 * 1024
AT_ONCE = 3
"""Parts that the client has on the way at the same time, where the line is quick."""
CPU_SLOWER = 4
HOME_BYTES, HOME_REQUESTS, WATCH_SCRIPT = 150_000, 12, 350_000
PAINT_S, SHIFT, FRAME_MS = 1.5, 0.02, 700
FILMS = 12
PLAYER = ("vidstack", "hls", "player")
"""What files with the player's code are called after."""

_OBSERVE = """
    window.seen = { paint: 0, shift: 0 }
    new PerformanceObserver((list) => { for (const { startTime } of list.getEntries()) seen.paint = startTime })
        .observe({ type: 'largest-contentful-paint', buffered: true })
    new PerformanceObserver((list) => { for (const { value, hadRecentInput } of list.getEntries()) seen.shift += hadRecentInput ? 0 : value })
        .observe({ type: 'layout-shift', buffered: true })
"""
_FRAME = """
    addEventListener('click', () => { window.clicked = performance.now() }, { capture: true })
    new MutationObserver(() => {
        const video = document.querySelector('.player video')
        if (!video || video.watched) return
        video.watched = true
        video.requestVideoFrameCallback(() => { window.shown = performance.now() - window.clicked })
    }).observe(document, { childList: true, subtree: true })
"""

_TOOK = """(() => {
    const asked = performance.getEntriesByType('resource')
    const begun = Math.min(...asked.filter(({ name }) => name.includes('/media/in/')).map(({ startTime }) => startTime))
    return Math.max(...asked.filter(({ name }) => name.endsWith('/complete')).map(({ responseEnd }) => responseEnd)) - begun
})()"""
_FETCH = """async ({ links, size, atOnce }) => {
    const file = document.getElementById('bare').files[0]
    const left = links.map((url, place) => [url, file.slice(place * size, (place + 1) * size)])
    const send = async () => {
        for (let next = left.shift(); next; next = left.shift()) {
            const answer = await fetch(next[0], { method: 'PUT', body: next[1] })
            if (!answer.ok) throw new Error(`${answer.status}`)
        }
    }
    await Promise.all(Array.from({ length: atOnce }, send))
}"""


def web(folder: Path, *, quick: bool) -> Iterator[Row]:
    if reason := lacking():
        raise SystemExit(f"the benchmark of the web client: {reason}")
    folder.mkdir(parents=True)
    with Server(folder / "data").running() as server, sync_playwright() as playwright:
        ada = sign_up(server, "ada")
        channel = ada.channel("ada_tv")
        videos = _filled(ada, channel, folder)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield from _loaded(browser, server, videos[0])
        yield from _painted(browser, server, videos[0], rounds=3 if quick else 9)
        yield from _framed(browser, server, rounds=5 if quick else 21)
        yield from _sent(browser, folder, mib=128 if quick else 512, rounds=1 if quick else 5)
        browser.close()


def _filled(ada: Person, channel: str, folder: Path) -> Sequence[str]:
    """Videos of 720p with posters, as many as a first page shows."""
    film = folder / "film.mp4"
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25",
        "-f", "lavfi", "-i", "sine=frequency=330", "-t", "8", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
        str(film),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    with ada.told() as notices:
        videos = [ada.upload(channel, film, title=f"Film {number}") for number in range(FILMS)]
        ada.wait_processed(notices, set(videos))
    return videos


# --- what is loaded -------------------------------------------------------------------------------


@define(slots=False)  # Playwright hangs something on the owner of each listener
class Traffic:
    """What a page fetched, but for media: how many bytes came for each request, headers included."""

    line: CDPSession
    urls: dict[str, tuple[str, str]] = field(factory=dict)
    bytes: dict[str, float] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.line.on("Network.requestWillBeSent", self._asked)
        self.line.on("Network.loadingFinished", self._came)
        self.line.send("Network.enable")

    def _asked(self, event: dict[str, Any]) -> None:
        path = urlsplit(event["request"]["url"]).path
        if event["request"]["url"].startswith("http") and not path.startswith("/media/"):
            self.urls[event["requestId"]] = (path, event.get("type", ""))

    def _came(self, event: dict[str, Any]) -> None:
        self.bytes[event["requestId"]] = event["encodedDataLength"]

    def total(self, kind: str | None = None) -> float:
        return sum(self.bytes.get(each, 0) for each, (_, what) in self.urls.items() if kind in {None, what})

    def scripts(self) -> list[str]:
        return [path for path, what in self.urls.values() if what == "Script"]


@contextlib.contextmanager
def _visiting(browser: Browser, server: Server) -> Iterator[Visitor]:
    """For the first time: nothing of the client is there yet."""
    visitor = Visitor(server, browser.new_context(viewport={"width": 1280, "height": 800}))
    try:
        yield visitor
        visitor.assert_well()
    finally:
        visitor.context.close()


def _loaded(browser: Browser, server: Server, video: str) -> Iterator[Row]:
    with _visiting(browser, server) as visitor:
        home = Traffic(visitor.context.new_cdp_session(visitor.page))
        visitor.open("/")
        visitor.settle()
        visitor.page.wait_for_timeout(1000)  # what it fetches ahead
    early = [path for path in home.scripts() if any(word in path for word in PLAYER)]
    assert not early, f"the home page loads the player: {early}"
    count = len(home.urls)
    what = "home, first load, without media"
    yield Row(f"{what}: bytes", f"{home.total() / 1000:.1f} kB", "150 kB", home.total() / HOME_BYTES, most(1))
    yield Row(f"{what}: requests", f"{count}", "12", count / HOME_REQUESTS, most(1))
    with _visiting(browser, server) as visitor:
        watch = Traffic(visitor.context.new_cdp_session(visitor.page))
        visitor.open(f"/watch/{video}")
        visitor.page.wait_for_function("() => document.querySelector('.player video')?.currentTime > 0.5")
    script = watch.total("Script")
    assert any(word in path for path in watch.scripts() for word in PLAYER)
    yield Row("watch page: all its script", f"{script / 1000:.1f} kB", "350 kB", script / WATCH_SCRIPT, most(1))


# --- how soon it shows ----------------------------------------------------------------------------


def _painted(browser: Browser, server: Server, video: str, *, rounds: int) -> Iterator[Row]:
    for name, path in (("home", "/"), ("watch page", f"/watch/{video}")):
        seen = [_look(browser, server, path) for _ in range(rounds)]
        paint = statistics.median(each["paint"] for each in seen) / 1000
        shift = max(each["shift"] for each in seen)
        what = f"{name}, processor {CPU_SLOWER} times slower"
        yield Row(f"{what}: largest paint", f"{paint:.2f} s p50", f"{PAINT_S:g} s", paint / PAINT_S, most(1))
        yield Row(f"{what}: layout shift", f"{shift:.4f} at most", f"{SHIFT:g}", shift / SHIFT, most(1))


def _look(browser: Browser, server: Server, path: str) -> dict[str, float]:
    with _visiting(browser, server) as visitor:
        visitor.context.add_init_script(_OBSERVE)
        line = visitor.context.new_cdp_session(visitor.page)
        line.send("Emulation.setCPUThrottlingRate", {"rate": CPU_SLOWER})
        page = visitor.open(path)
        visitor.settle()
        page.wait_for_timeout(1500)
        seen: dict[str, float] = page.evaluate("() => window.seen")
    assert seen["paint"] > 0, "no paint was seen"
    return seen


def _framed(browser: Browser, server: Server, *, rounds: int) -> Iterator[Row]:
    took = sorted(_clicked(browser, server) for _ in range(rounds))
    p50, p95 = took[len(took) // 2], took[int(len(took) * 0.95)]
    say(f"  first frame after {', '.join(f'{each:.0f}' for each in took)} ms")
    figure = f"{p50:.0f} ms p50, {p95:.0f} ms p95"
    yield Row("click on a card to the first frame", figure, f"{FRAME_MS} ms", p50 / FRAME_MS, most(1))


def _clicked(browser: Browser, server: Server) -> float:
    with _visiting(browser, server) as visitor:
        visitor.context.add_init_script(_FRAME)
        page = visitor.open("/")
        visitor.settle()
        page.get_by_role("main").get_by_role("link", name="Film 5", exact=True).click()
        page.wait_for_function("() => window.shown > 0")
        shown: float = page.evaluate("() => window.shown")
    return shown


# --- how fast it sends ----------------------------------------------------------------------------


def _sent(browser: Browser, folder: Path, *, mib: int, rounds: int) -> Iterator[Row]:
    """The same file by the page and by curl, in turn, as many parts at once: from the first byte until it is complete.

    Over a line of a gigabit a second, and with nothing between, where the browser itself is what holds it up: there
    the page is held against a script in the same browser that does nothing but send.
    """
    if shutil.which("curl") is None:
        raise SystemExit("the benchmark of the web client needs curl (Debian's package of that name)")
    film = folder / "large.mp4"
    with film.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(MIB))
    what = f"upload {mib:,} MiB by the page"
    with _far(folder / "far", GIGABIT) as sender:
        ours, theirs, of_curl, *_ = _turns(sender, browser, film, rounds)
    yield Row(f"{what}, over 1 Gbit/s", f"{ours:,.0f} MiB/s", f"curl {theirs:,.0f} MiB/s", of_curl, least(0.9))
    with _far(folder / "near") as sender:
        ours, theirs, of_curl, bare, of_bare = _turns(sender, browser, film, rounds)
    yield Row(f"{what}, within the machine", f"{ours:,.0f} MiB/s", f"bare fetch {bare:,.0f} MiB/s", of_bare, least(0.9))
    yield Row(f"{what}, the same", f"{ours:,.0f} MiB/s", f"curl {theirs:,.0f} MiB/s", of_curl)


@frozen
class Sender:
    """Who sends the files, and where to."""

    server: Server
    ada: Person
    channel: str


@define
class FarServer(Server):
    """One that people reach, once it is there, at another port than its own."""

    reached: str = field(init=False, default="")

    @property
    def url(self) -> str:
        return self.reached or f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def _far(folder: Path, rate: float | None = None) -> Iterator[Sender]:
    """A server of its own, at the other end of such a line."""
    folder.mkdir()
    port = free_port()
    with contextlib.ExitStack() as open_:
        url = f"http://127.0.0.1:{port}" if rate is None else open_.enter_context(Line(port, rate).open()).url
        server = FarServer(folder / "data", {"HEXCAST_PUBLIC_URL": url}, port)
        open_.enter_context(server.running())
        server.reached = url
        ada = sign_up(server, "ada")
        yield Sender(server, ada, ada.channel("ada_tv"))


def _turns(sender: Sender, browser: Browser, film: Path, rounds: int) -> tuple[float, float, float, float, float]:
    """Medians: MiB/s of the page, those of curl, and how much of them that is; those of a bare fetch, and so on."""
    mib, runs = film.stat().st_size / MIB, list[tuple[float, float, float]]()
    for _ in range(rounds):
        theirs, bare = mib / _curled(sender, film), mib / _fetched(browser, sender, film)
        runs.append((mib / _uploaded(browser, sender, film), theirs, bare))
        say(f"  {runs[-1][0]:,.0f} MiB/s, curl {runs[-1][1]:,.0f} MiB/s, bare fetch {runs[-1][2]:,.0f} MiB/s")
    ours, theirs, bare = (statistics.median(run[column] for run in runs) for column in range(3))
    of_curl, of_bare = (statistics.median(run[0] / run[column] for run in runs) for column in (1, 2))
    return ours, theirs, of_curl, bare, of_bare


def _links(ada: Person, upload: Json) -> list[str]:
    numbers = list(range(1, upload["part_count"] + 1))
    links: list[str] = []
    for start in range(0, len(numbers), 100):
        signed = ada.post(f"/v1/uploads/{upload['id']}/parts", {"numbers": numbers[start : start + 100]})
        links += [each["url"] for each in signed["parts"]]
    return links


def _fetched(browser: Browser, sender: Sender, film: Path) -> float:
    """Seconds that the browser takes by itself: a script that does nothing but send the parts."""
    ada = sender.ada
    upload = ada.announce(sender.channel, film)
    with _visiting(browser, sender.server) as visitor:
        page = visitor.open("/sign-in")
        page.evaluate(
            "() => { const field = document.createElement('input'); field.type = 'file'; field.id = 'bare'; document.body.append(field) }"
        )
        page.locator("#bare").set_input_files(film)
        told = {"links": _links(ada, upload), "size": upload["part_size_bytes"], "atOnce": AT_ONCE}
        begun = time.perf_counter()
        page.evaluate(_FETCH, told)
        ada.complete(upload)
        took = time.perf_counter() - begun
    ada.answer(ada.http.delete(f"/v1/videos/{upload['video_id']}"))
    return took


def _curled(sender: Sender, film: Path) -> float:
    """Seconds."""
    ada, folder = sender.ada, film.parent
    upload = ada.announce(sender.channel, film)
    links, config = _links(ada, upload), list[str]()
    with film.open("rb") as source:
        for number, link in enumerate(links):
            part = folder / f"part{number}"
            part.write_bytes(source.read(upload["part_size_bytes"]))
            config.append(f'upload-file = "{part}"\nurl = "{link}"\noutput = "/dev/null"\n')
    (folder / "curl").write_text("\n".join(config))
    headers = ["-H", "Expect:", "-H", "Content-Type:"]
    at_once = ["-Z", "--parallel-max", str(AT_ONCE)]
    command = ["curl", "--no-progress-meter", "-f", *at_once, *headers, "-K", str(folder / "curl")]
    begun = time.perf_counter()
    subprocess.run(command, check=True)
    ada.complete(upload)
    took = time.perf_counter() - begun
    ada.answer(ada.http.delete(f"/v1/videos/{upload['video_id']}"))
    for part in folder.glob("part*"):
        part.unlink()
    return took


def _uploaded(browser: Browser, sender: Sender, film: Path) -> float:
    """Seconds, by the page's own clock."""
    ada = sender.ada
    with _visiting(browser, sender.server) as visitor:
        visitor.sign_in(ada)
        page = visitor.open("/studio/upload")
        with page.expect_response("**/complete", timeout=300_000):
            page.get_by_label("Choose files").set_input_files(film)
        page.wait_for_function(f"{_TOOK} > 0")
        took: float = page.evaluate(_TOOK)
        for video in ada.get(f"/v1/channels/{sender.channel}/videos")["data"]:
            if video["title"] == film.stem:
                ada.answer(ada.http.delete(f"/v1/videos/{video['id']}"))
        visitor.allow("answer: .* 404", "answer: .* 409")  # it is gone under the page's hands
        visitor.wrong.clear()
    return took / 1000
