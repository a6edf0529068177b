"""Pages as they are gone to and fro between, stood before for long, and held upright or lying."""

import re
from datetime import datetime, timedelta

import pytest
from attrs import frozen
from playwright.sync_api import Locator, ViewportSize, expect

from entrypoints.demo import PASSWORD
from tests.browser.conftest import WEB, Visit
from tests.browser.people import signed_in
from tests.browser.screen import Screen
from tests.browser.visitor import Visitor
from tests.journey.server import Person, Server

PAGES = (
    "/", "/search?q=waves", "/watch/{video}", "/live/{stream}", "/@analytical", "/notifications", "/studio",
    "/studio/videos/{video}/chapters", "/studio/live/{stream}",
)  # fmt: skip
PHONE: ViewportSize = {"width": 390, "height": 844}
LYING: ViewportSize = {"width": 844, "height": 390}

# What the sheets of other pages change of a page, in one go, so that nothing else does.
_CHANGED = """async (names) => {
    const loaded = [...document.styleSheets].map(({ href }) => href)
    const strange = names.map((name) => `${location.origin}/assets/${name}`).filter((each) => !loaded.includes(each))
    const texts = await Promise.all(strange.map(async (each) => (await fetch(each)).text()))
    const sheets = ['*, *::before, *::after { transition: none !important; animation: none !important }', ...texts].map((text) => {
        const sheet = new CSSStyleSheet()
        sheet.replaceSync(text)
        return sheet
    })
    const all = [...document.body.querySelectorAll('*')]
    const looks = () => all.map((each) => { const look = getComputedStyle(each); return [...look].map((name) => `${name}: ${look.getPropertyValue(name)}`) })
    document.adoptedStyleSheets = sheets.slice(0, 1)
    const own = looks()
    document.adoptedStyleSheets = sheets
    const changed = looks().flatMap((look, place) => {
        const lines = look.filter((line, at) => line !== own[place][at])
        return lines.length ? [`${all[place].tagName} ${all[place].className}: ${lines.join('; ')}`] : []
    })
    document.adoptedStyleSheets = []
    return [texts.length, changed]
}"""


@frozen
class World:
    ada: Person
    video: str
    stream: str
    portrait: str

    def path(self, page: str) -> str:
        return page.format(video=self.video, stream=self.stream)


@pytest.fixture(scope="module")
def world(demo: Server) -> World:
    ada = signed_in(demo, "ada@example.org")
    channel = ada.get("/v1/me/channels")["data"][0]["id"]
    videos = ada.get("/v1/videos", limit="50")["data"]
    found = {each["title"]: each["id"] for each in videos}
    video = next(video for title, video in found.items() if "Mandelbrot" in title)
    stream = ada.post("/v1/streams", {"channel_id": channel, "title": "Numbers", "description": "Of all kinds.\n" * 9})
    return World(ada, video, stream["id"], found["Standing up straight"])


def come(visit: Visit, demo: Server, world: World, **options: object) -> Visitor:
    return visit(world.ada, at=demo, password=PASSWORD, reduced_motion="reduce", **options)


def test_the_sheet_of_a_page_changes_no_other(visit: Visit, demo: Server, world: World) -> None:
    """It stays where it was loaded, as one goes on."""
    names = [each.name for each in sorted((WEB / "dist" / "assets").glob("*.css")) if not each.name.startswith("embed")]
    visitor = come(visit, demo, world)
    for page in PAGES:
        visitor.open(world.path(page))
        count, changed = visitor.settle().evaluate(_CHANGED, names)
        assert count > 5
        assert changed == [], page


def test_a_portrait_is_called_by_its_short_side(visit: Visit, demo: Server, world: World) -> None:
    page = visit(at=demo).open(f"/watch/{world.portrait}")
    screen = Screen(page)
    screen.plays()
    screen.choose("Quality", "720p")
    page.wait_for_function("() => document.querySelector('.player video').videoWidth === 720")
    screen.player.hover()
    screen.player.get_by_role("button", name="Settings").click()
    screen.player.get_by_role("menuitem", name="Quality").click()
    expect(screen.player.get_by_role("menuitemradio")).to_have_text(["Auto", "720p", "480p", "360p"])


def test_who_wants_no_motion_presses_play_once(visit: Visit, demo: Server, world: World) -> None:
    page = come(visit, demo, world).open(f"/embed/{world.video}")
    page.get_by_role("button", name="Play: ").click()
    Screen(page).plays()


def test_time_goes_by(visit: Visit, demo: Server, world: World) -> None:
    """Without anything else that happens on the page."""
    published = datetime.fromisoformat(world.ada.get(f"/v1/videos/{world.portrait}")["published_at"])
    visitor = visit(at=demo, reduced_motion="reduce")  # so that it does not play, which is a view
    visitor.page.clock.install(time=published + timedelta(seconds=20))
    page = visitor.open(f"/watch/{world.portrait}")
    when = page.locator(".facts time")
    expect(when).to_have_text("now")
    page.clock.fast_forward("06:00")
    expect(when).to_have_text("6 minutes ago")


def test_a_phone_that_lies_has_the_picture_go_as_one_scrolls(visit: Visit, demo: Server, world: World) -> None:
    visitor = come(visit, demo, world)
    visitor.page.set_viewport_size(PHONE)
    page = visitor.open(f"/watch/{world.video}")
    player, banner = page.locator(".player"), page.get_by_role("banner")
    expect(page.locator(".remark .by").first).to_be_attached()
    page.mouse.wheel(0, 600)
    expect(page.get_by_role("heading", name="Up next")).to_be_in_viewport()
    expect(player).to_be_in_viewport()
    page.set_viewport_size(LYING)
    page.evaluate("() => scrollTo(0, 900)")
    expect(player).not_to_be_in_viewport()
    expect(banner).not_to_be_in_viewport()


def test_a_phone_leads_to_the_comments(visit: Visit, demo: Server, world: World) -> None:
    visitor = come(visit, demo, world)
    visitor.page.set_viewport_size(PHONE)
    page = visitor.open(f"/watch/{world.video}")
    heading = page.locator(".said").get_by_role("heading", level=2)
    expect(heading).not_to_be_in_viewport()
    way = page.get_by_role("button", name=re.compile("comment", re.IGNORECASE)).and_(page.locator(".to-comments"))
    assert bottom(way) < top(page.get_by_role("heading", name="Up next"))
    way.click()
    expect(heading).to_be_in_viewport()
    assert top(heading) >= bottom(page.locator(".player"))


def test_a_phone_shows_where_to_write_in_a_chat(visit: Visit, demo: Server, world: World) -> None:
    visitor = come(visit, demo, world)
    visitor.page.set_viewport_size(PHONE)
    page = visitor.open(f"/live/{world.stream}")
    field = page.get_by_label("Message", exact=True)
    expect(field).to_be_in_viewport(ratio=1)
    assert bottom(field) < top(page.locator(".foot"))


def test_the_search_of_a_phone_begins_in_its_field(visit: Visit, demo: Server, world: World) -> None:
    visitor = come(visit, demo, world)
    visitor.page.set_viewport_size(PHONE)
    page = visitor.open("/")
    page.get_by_role("banner").get_by_role("link", name="Search").click()
    expect(page.get_by_role("combobox", name="Search").and_(page.locator("#main *"))).to_be_focused()


def top(of: Locator) -> float:
    box = of.bounding_box()
    assert box is not None
    return box["y"]


def bottom(of: Locator) -> float:
    box = of.bounding_box()
    assert box is not None
    return box["y"] + box["height"]
