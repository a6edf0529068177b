"""Every page, on a phone and on a desk, by day and by night: whole, within its width, and open to everyone.

The pictures are kept in build/screenshots, to be looked at.
"""

from collections.abc import Iterator
from io import BytesIO

import pytest
from attrs import frozen
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from entrypoints.demo import PASSWORD
from tests.browser.axe import violations
from tests.browser.camera import camera
from tests.browser.conftest import Visit
from tests.browser.people import signed_in
from tests.browser.screen import Screen
from tests.browser.visitor import Visitor
from tests.journey.server import ROOT, Person, Server

PICTURES = ROOT / "build" / "screenshots"
WIDTHS = {"phone": 360, "desktop": 1280}

ANYONE = {
    "home": "/",
    "search-empty": "/search",
    "search": "/search?q=waves",
    "search-nothing": "/search?q=xylophone",
    "watch": "/watch/{video}",
    "channel": "/@analytical",
    "channel-about": "/@analytical/about",
    "channel-live": "/@analytical/live",
    "live": "/live/{stream}",
    "embed": "/embed/{video}",
    "embed-live": "/embed/{stream}",
    "sign-in": "/sign-in",
    "sign-up": "/sign-up",
    "forgot": "/forgot",
    "signed-out": "/subscriptions",
    "missing": "/nothing/here",
    "gone": "/watch/vid_gone",
}
ADA = {
    "home-ada": "/",
    "subscriptions": "/subscriptions",
    "history": "/history",
    "notifications": "/notifications",
    "account": "/account",
    "watch-own": "/watch/{video}",
    "live-own": "/live/{stream}",
    "studio": "/studio",
    "upload": "/studio/upload",
    "content": "/studio/videos",
    "video": "/studio/videos/{video}",
    "video-captions": "/studio/videos/{video}/captions",
    "video-chapters": "/studio/videos/{video}/chapters",
    "video-file": "/studio/videos/{video}/file",
    "video-analytics": "/studio/videos/{video}/analytics",
    "comments": "/studio/comments",
    "analytics": "/studio/analytics",
    "channels": "/studio/channels",
    "channel-settings": "/studio/channels/{channel}",
    "go-live": "/studio/live",
    "control-room": "/studio/live/{stream}",
}
NEW = {
    "subscriptions-empty": "/subscriptions",
    "history-empty": "/history",
    "notifications-empty": "/notifications",
    "studio-new": "/studio",
    "upload-new": "/studio/upload",
    "content-new": "/studio/videos",
    "go-live-new": "/studio/live",
}


ON_AIR = {
    "live-on-air": "/live/{on_air}",
    "embed-on-air": "/embed/{on_air}",
    "control-room-on-air": "/studio/live/{on_air}",
}


# Menus that are closed, and seen all the same.
_CLOSED_SEEN = """() => [...document.querySelectorAll('[popover]:not(:popover-open)')]
    .filter((each) => each.checkVisibility()).map((each) => each.outerHTML.slice(0, 200))"""


@frozen
class Place:
    """A page, as one person sees it."""

    name: str
    path: str
    who: str


PLACES = [
    Place(name, path, who) for who, pages in (("", ANYONE), ("ada", ADA), ("new", NEW)) for name, path in pages.items()
]


@frozen
class Cast:
    """Who looks, and what there is to see."""

    people: dict[str, Person]
    places: dict[str, str]


@pytest.fixture(scope="module")
def cast(demo: Server) -> Cast:
    ada = signed_in(demo, "ada@example.org")
    body = {"email": "new@example.org", "password": PASSWORD, "handle": "newcomer", "display_name": "Someone New"}
    ada.post("/v1/auth/sign-up", body)
    code = ada.get("/v1/dev/mailbox", to="new@example.org")["data"][0]["code"]
    ada.post("/v1/auth/confirm", {"email": "new@example.org", "code": code})
    channel = ada.get("/v1/me/channels")["data"][0]["id"]
    videos = ada.get(f"/v1/channels/{channel}/videos")["data"]
    video = next(each["id"] for each in videos if "Mandelbrot" in each["title"])
    stream = ada.post("/v1/streams", {"channel_id": channel, "title": "Numbers, live"})["id"]
    sitting = ada.post(f"/v1/videos/{video}/playback-sessions")["id"]
    ada.post(f"/v1/videos/{video}/views", {"playback_session_id": sitting, "position_s": 7})
    people = {"ada": ada, "new": signed_in(demo, "new@example.org")}
    return Cast(people, {"channel": channel, "video": video, "stream": stream})


@frozen
class Broadcast:
    server: Server
    stream: str


@pytest.fixture(scope="module")
def on_air(browser: Browser, demo: Server, cast: Cast) -> Iterator[Broadcast]:
    """A stream, while there is a picture to see."""
    ada = cast.people["ada"]
    body = {"channel_id": cast.places["channel"], "title": "Numbers, on air"}
    stream: str = ada.post("/v1/streams", body)["id"]
    ingest = ada.get(f"/v1/streams/{stream}/ingest")
    with camera(f"{ingest['server_url']}/{ingest['stream_key']}"):
        page = browser.new_page()
        page.goto(f"{demo.url}/live/{stream}")
        page.wait_for_function("() => document.querySelector('.player video')?.readyState >= 2", timeout=60_000)
        page.close()
        yield Broadcast(demo, stream)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_a_page_is_whole(visit: Visit, demo: Server, cast: Cast, place: Place, width: str) -> None:
    options = {"at": demo, "password": PASSWORD, "width": WIDTHS[width], "reduced_motion": "reduce"}
    visitor = visit(cast.people.get(place.who), **options)
    if place.name in {"missing", "gone"}:
        visitor.allow("answer: .* 404")
    visitor.open(place.path.format_map(cast.places))
    visitor.settle()
    assert_whole(visitor, f"{place.name}-{width}")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ON_AIR)
def test_a_broadcast_is_whole(visit: Visit, cast: Cast, on_air: Broadcast, name: str, width: str) -> None:
    person = cast.people["ada"] if name == "control-room-on-air" else None
    visitor = visit(person, at=on_air.server, password=PASSWORD, width=WIDTHS[width], reduced_motion="reduce")
    page = visitor.open(ON_AIR[name].format(on_air=on_air.stream))
    screen = Screen(page)
    match name:
        case "control-room-on-air":
            expect(page.locator(".uplot canvas")).to_be_visible(timeout=60_000)
        case "embed-on-air":
            page.get_by_role("button", name="Play: Numbers, on air").click()
            screen.plays()
        case _:
            page.wait_for_function("() => document.querySelector('.player video')?.readyState >= 2")
            screen.press("k")  # nothing moves by itself for who wants no motion
            screen.plays()
    assert_whole(visitor, f"{name}-{width}")


def assert_whole(visitor: Visitor, name: str) -> None:
    """By day and by night, as it is."""
    page = visitor.page
    assert "Hexcast" in page.title()
    found: dict[str, list[str]] = {}
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        visitor.settle()  # colours go over into each other
        PICTURES.mkdir(parents=True, exist_ok=True)
        assert_drawn(page.screenshot(path=PICTURES / f"{name}-{theme}.png", full_page=True))
        assert_within_its_width(page)
        assert page.evaluate(_CLOSED_SEEN) == []
        found[theme] = violations(page)
    assert found == {"light": [], "dark": []}


def assert_within_its_width(page: Page) -> None:
    """Nothing makes one scroll sideways."""
    wide, seen = page.evaluate("() => [document.scrollingElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= seen


def assert_drawn(picture: bytes) -> None:
    """Not one colour, nor nearly so."""
    with Image.open(BytesIO(picture)) as image:
        colours = image.convert("RGB").getcolors(1 << 24) or []
    most = max(count for count, _ in colours)
    assert len(colours) > 16
    assert most < 0.995 * sum(count for count, _ in colours)
