"""Without a mouse, and with what is opened over a page: every menu and dialog."""

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import frozen
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as Late

from tests.browser import films
from tests.browser.axe import violations
from tests.browser.conftest import Visit
from tests.browser.screen import Screen
from tests.journey import server as journey
from tests.journey.server import Person, Server

TITLE = "Six sides, no mouse"
# What a reader sees of the focus: an outline or a ring on what has it, or on what stands for it.
_FOCUS = """() => {
    const has = document.activeElement
    if (!has || has === document.body) return true
    const near = [has, has.parentElement, has.parentElement?.parentElement, ...has.querySelectorAll('*')]
    const drawn = (each) => {
        const style = getComputedStyle(each)
        return (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== 'none'
    }
    const { width, height } = has.getBoundingClientRect()
    return width > 0 && height > 0 && near.some((each) => each && drawn(each))
}"""
TABS_MOST = 80
_TWICE = """async () => {
    const video = document.querySelector('.player video'), heard = []
    const done = new Promise((resolve) => {
        for (const type of ['play', 'pause']) video.addEventListener(type, () => heard.push(type) === 2 && resolve(), { once: true })
    })
    for (const key of ['k', 'k']) document.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }))
    await done
    return heard
}"""
"""Faster than anything is heard of the first."""


@frozen
class World:
    ada: Person
    bob: Person
    video: str


@pytest.fixture(scope="module")
def world(server: Server, films_folder: Path) -> World:
    ada, bob = journey.sign_up(server, "ada_k"), journey.sign_up(server, "bob_k")
    # So long that it has not come to its end when a slow machine has gone through a page by Tab.
    film = films.film(films_folder, "keys", size="854x480", seconds=40)
    video = ada.show(ada.channel("ada_keys"), film, title=TITLE)
    bob.post(f"/v1/videos/{video}/comments", {"text": "I was here first."})
    return World(ada, bob, video)


def tab_to(page: Page, wanted: Locator) -> None:
    """With the Tab key alone; wherever it comes by, one sees where that is."""
    for _ in range(TABS_MOST):
        page.keyboard.press("Tab")
        try:
            page.wait_for_function(_FOCUS)  # what opens for it does not do so at once
        except Late as late:
            where = page.evaluate("() => document.activeElement.outerHTML.slice(0, 200)")
            message = f"no focus is seen on {where}"
            raise AssertionError(message) from late
        if wanted.count() and wanted.evaluate("(each) => each === document.activeElement"):
            return
    message = f"{TABS_MOST} times Tab do not lead there"
    raise AssertionError(message)


def test_a_keyboard_is_enough(visit: Visit, world: World) -> None:
    """To find a video, to play it, to say something of it and to follow its channel."""
    visitor = visit(world.bob)
    page = visitor.open("/")
    tab_to(page, page.get_by_role("link", name="Skip to the content"))
    tab_to(page, page.get_by_role("combobox", name="Search"))
    page.keyboard.type("six sides")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Found for “six sides”")).to_be_visible()
    tab_to(page, page.get_by_role("main").get_by_role("link", name=TITLE))
    page.keyboard.press("Enter")
    screen = Screen(page)
    screen.plays()
    tab_to(page, screen.player.get_by_role("button", name="Pause"))
    page.keyboard.press("Enter")
    expect(screen.player.get_by_role("button", name="Play", exact=True)).to_be_focused()
    stood = screen.time
    page.keyboard.press("Enter")
    page.wait_for_function("(at) => document.querySelector('.player video').currentTime > at", arg=stood)
    page.keyboard.press("k")
    expect(screen.player.get_by_role("button", name="Play", exact=True)).to_be_visible()
    assert page.evaluate(_TWICE) == ["play", "pause"]
    expect(screen.player.get_by_role("button", name="Play", exact=True)).to_be_visible()
    subscribe = page.get_by_role("button", name="Subscribe to Ada_Keys")
    tab_to(page, subscribe)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Subscribed to Ada_Keys")).to_be_focused()
    tab_to(page, page.get_by_label("Write a comment"))
    page.keyboard.type("Written without a mouse.")
    tab_to(page, page.get_by_role("button", name="Comment", exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_role("article").filter(has_text="Written without a mouse.")).to_be_visible()


Opening = Callable[[Page], None]


def button(name: str) -> Opening:
    return lambda page: page.get_by_role("button", name=name).first.click()


def _settings(page: Page) -> None:
    Screen(page).player.hover()
    Screen(page).player.get_by_role("button", name="Settings").click()


def _quality(page: Page) -> None:
    _settings(page)
    Screen(page).player.get_by_role("menuitem", name="Quality").click()


def _settings_framed(page: Page) -> None:
    page.get_by_role("button", name=f"Play: {TITLE}").click()
    Screen(page).plays()
    page.keyboard.press("k")
    _settings(page)


def _removing(page: Page) -> None:
    page.get_by_role("button", name=f"More for {TITLE}").click()
    page.get_by_role("button", name="Delete", exact=True).click()


def _commenting(page: Page) -> None:
    page.get_by_role("button", name="Reply to Bob_K").first.click()
    page.get_by_role("button", name="More for the comment by Bob_K").first.click()


OPENINGS: dict[str, tuple[str, Opening]] = {
    "account-menu": ("/", button("Account")),
    "create-menu": ("/", button("Create")),
    "player-settings": ("/watch/{video}", _settings),
    "player-quality": ("/watch/{video}", _quality),
    "player-keys": ("/watch/{video}", lambda page: page.keyboard.press("?")),
    "embedded-settings": ("/embed/{video}", _settings_framed),
    "share": ("/watch/{video}", button("Share")),
    "comment-menu": ("/watch/{video}", _commenting),
    "remove-video": ("/studio/videos", _removing),
    "new-stream": ("/studio/live", button("New stream")),
}


@pytest.mark.parametrize("opening", OPENINGS)
def test_what_is_opened_over_a_page_is_open_to_everyone(visit: Visit, world: World, opening: str) -> None:
    """By day and by night; and Escape closes it and brings the focus back to the page."""
    path, open_it = OPENINGS[opening]
    visitor = visit(world.ada)
    page = visitor.open(path.format(video=world.video))
    visitor.settle()
    if path.startswith("/watch"):
        Screen(page).plays()
        page.keyboard.press("k")
    open_it(page)
    opened = page.locator(":popover-open, dialog[open]")
    expect(opened.first).to_be_visible()
    found: dict[str, list[str]] = {}
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        visitor.settle()  # colours go over into each other
        found[theme] = violations(page)
    assert found == {"light": [], "dark": []}
    page.keyboard.press("Escape")
    expect(opened).to_have_count(0)
