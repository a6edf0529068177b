"""The two pictures that README shows: ``python -m tests.browser.pictures`` takes them of the demo, anew.

docs/images/home.webp and watch.webp, each of less than 150 kB.
"""

import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, ViewportSize, sync_playwright

from entrypoints.demo import PASSWORD
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.people import signed_in
from tests.browser.screen import Screen
from tests.browser.visitor import Visitor
from tests.journey.server import ROOT, Server

IMAGES = ROOT / "docs" / "images"
BYTES_MOST = 150_000
SIZE = ViewportSize(width=1280, height=800)
SHOWN_AT_S = 6.0


def take(browser: Browser, demo: Server) -> None:
    katherine = signed_in(demo, "katherine@example.org")
    video = next(each["id"] for each in katherine.get("/v1/videos")["data"] if "Mandelbrot" in each["title"])
    visitor = Visitor(demo, browser.new_context(viewport=SIZE, color_scheme="dark"))
    visitor.sign_in(katherine, PASSWORD)
    visitor.open("/")
    keep(visitor.settle().screenshot(), "home")
    page = visitor.open(f"/watch/{video}")
    screen = Screen(page)
    screen.plays()
    page.wait_for_function("(at) => document.querySelector('.player video').currentTime > at", arg=SHOWN_AT_S)
    page.keyboard.press("k")
    keep(visitor.settle().screenshot(), "watch")
    visitor.assert_well()


def keep(picture: bytes, name: str) -> None:
    """Small enough to be kept with the code."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = IMAGES / f"{name}.webp"
    with Image.open(BytesIO(picture)) as image:
        for quality in range(90, 30, -10):
            image.convert("RGB").save(path, quality=quality, method=6)
            if path.stat().st_size < BYTES_MOST:
                sys.stdout.write(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes\n")
                return
    message = f"{path} cannot be made small enough"
    raise AssertionError(message)


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(Path(folder) / "data", module="entrypoints.demo", word="The demo is").running() as demo,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        take(browser, demo)
        browser.close()


if __name__ == "__main__":
    main()
