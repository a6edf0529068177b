"""What people write is text wherever it stands: it runs nothing, adds nothing to a page, and breaks no line of it."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import frozen
from playwright.sync_api import Page, expect

from tests.browser import films
from tests.browser.conftest import Visit
from tests.browser.screen import Screen
from tests.browser.steps import ask_to_join, joined
from tests.browser.visitor import Visitor
from tests.journey import server as journey
from tests.journey.server import Json, Person, Server

PHONE = 360
# Markup that would run a script; marks that would turn the rest of a line; what shows nothing; ever more marks on one
# letter; and words that are wider than any phone.
MARKUP = '<img src=x onerror="hacked()"><script>hacked()</script><svg onload=hacked()>'
TURN = "\u202e\u2066\u200f"
BLANK = "\u200b\u200d\ufeff\u00ad\u2060"
MARKS = "Z" + "\u0335\u0489\u0310" * 20
NAME = f"{TURN}<b onclick=hacked()>{BLANK}\u05e9\u05dc\u05d5\u05dd{MARKS[:12]}{TURN}WWWWWWWWWW"
TITLE = f'{TURN}"><img src=x onerror=hacked()>{BLANK}{MARKS[:20]}' + "W" * 35
TEXT = f"{MARKUP} {TURN}turned{TURN} {BLANK} {MARKS} javascript:hacked() https://example.org/{'x' * 300} {'W' * 3000}"
LONG = "x" * 10_000
TOO_LONG = re.compile(r"must have (at most \d+|\d+ to \d+) characters", re.IGNORECASE)
CAPTIONS = f"""WEBVTT

STYLE
::cue {{ background: url(http://192.0.2.1/) }}

00:00.000 --> 00:45.000 line:0 onload=hacked()
{MARKUP}{TURN}turned <c.x onclick=hacked()>words</c>

00:45.000 --> 01:31.000
{LONG}
"""
_COUNTED = "window.ran = 0; window.hacked = () => { window.ran += 1 }"
"""What each of these calls, once it runs."""
_TOUCHED = """() => ({
    ran: window.ran,
    handlers: document.querySelectorAll('[onerror], [onload], [onclick]').length,
    pictures: document.querySelectorAll('img[src="x"], #app script, iframe, object, embed').length,
    links: [...document.links].filter(({ protocol }) => !protocol.startsWith('http')).length,
})"""


@frozen
class World:
    """Mallory, and all that she filled with it."""

    mallory: Person
    places: dict[str, str]


@pytest.fixture(scope="module")
def world(server: Server, films_folder: Path) -> World:
    mallory = _mallory(server)
    body = {"handle": "mallory_tv", "name": TITLE, "description": TEXT[:5000]}
    channel = mallory.post("/v1/channels", body)["id"]
    film = films.film(films_folder, "long", size="320x180", seconds=90)
    tags = ["<script>hacked()</script>", "W" * 30]
    video = mallory.show(channel, film, title=TITLE, description=TEXT[:5000], tags=tags)
    captions = mallory.http.put(
        f"/v1/videos/{video}/captions/he",
        content=CAPTIONS.encode(),
        params={"label": NAME},
        headers={"content-type": "text/vtt"},
    )
    mallory.answer(captions)
    chapters = {"chapters": [{"start_s": 0, "title": TITLE[:100]}, {"start_s": 4, "title": MARKUP[:100]}]}
    mallory.answer(mallory.http.put(f"/v1/videos/{video}/chapters", json=chapters))
    comment = mallory.post(f"/v1/videos/{video}/comments", {"text": TEXT[:5000]})
    mallory.post(f"/v1/comments/{comment['id']}/replies", {"text": TEXT[:5000]})
    stream = mallory.post("/v1/streams", {"channel_id": channel, "title": TITLE, "description": TEXT[:5000]})["id"]
    return World(mallory, {"video": video, "stream": stream, "channel": channel})


def _mallory(server: Server) -> Person:
    """With a name of her own."""
    person = journey.sign_up(server, "mallory")
    named: Json = person.answer(person.http.patch("/v1/me", json={"display_name": NAME}))
    assert "<b onclick" in named["display_name"]
    return person


def assert_untouched(visitor: Visitor) -> None:
    """Nothing ran, nothing came to the page, and nobody has to scroll sideways.

    Dialogs and requests to another machine fail every test anyway.
    """
    page = visitor.settle()
    assert page.evaluate(_TOUCHED) == {"ran": 0, "handlers": 0, "pictures": 0, "links": 0}
    wide = page.evaluate("() => document.scrollingElement.scrollWidth")
    assert wide <= page.evaluate("() => document.documentElement.clientWidth")


@pytest.fixture
def visit(visit: Visit) -> Visit:
    """On all of whose pages it is counted what ran."""

    def come(*who: Person, **options: Any) -> Visitor:
        visitor = visit(*who, **options)
        visitor.context.add_init_script(_COUNTED)
        return visitor

    return come


def test_what_would_run_is_seen(visit: Visit) -> None:
    """Planted where no policy forbids it."""
    visitor = visit(bypass_csp=True)
    visitor.allow("answer: GET /x 404")
    page = visitor.open("/")
    assert_untouched(visitor)
    link = '<a href="javascript:hacked()">Click</a>'
    page.evaluate("(html) => document.querySelector('main').insertAdjacentHTML('beforeend', html)", link + MARKUP)
    page.wait_for_function("() => window.ran === 1")  # of what is put in like this, the picture runs
    assert page.evaluate(_TOUCHED) == {"ran": 1, "handlers": 2, "pictures": 2, "links": 1}
    page.get_by_role("link", name="Click").click()
    page.wait_for_function("() => window.ran === 2")
    with pytest.raises(AssertionError):
        assert_untouched(visitor)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/search?q=img",
        "/watch/{video}",
        "/@mallory_tv",
        "/@mallory_tv/about",
        "/@mallory_tv/live",
        "/live/{stream}",
    ],
)
def test_a_stranger_sees_text(visit: Visit, world: World, path: str) -> None:
    visitor = visit(width=PHONE)
    page = visitor.open(path.format_map(world.places))
    expect(page.get_by_text("<img src=x onerror=hacked()>").first).to_be_visible()
    assert_untouched(visitor)


@pytest.mark.parametrize(
    "path",
    [
        "/account", "/notifications", "/studio", "/studio/videos", "/studio/videos/{video}", "/studio/videos/{video}/captions",
        "/studio/videos/{video}/chapters", "/studio/comments", "/studio/channels", "/studio/channels/{channel}",
        "/studio/live", "/studio/live/{stream}", "/studio/upload",
    ],
)  # fmt: skip
def test_their_author_sees_text(visit: Visit, world: World, path: str) -> None:
    visitor = visit(world.mallory, width=PHONE)
    visitor.open(path.format_map(world.places))
    assert_untouched(visitor)


def test_what_is_searched_for_is_text(visit: Visit, world: World) -> None:
    assert world.places
    visitor = visit(width=PHONE)
    page = visitor.open("/search")
    field = page.get_by_role("main").get_by_role("combobox", name="Search")
    field.fill("<img src=x onerror=hacked()>")
    field.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<img src=x onerror=hacked()>")
    assert_untouched(visitor)


def test_captions_are_text(visit: Visit, world: World) -> None:
    """Shown over the picture, and nothing else."""
    visitor = visit(width=PHONE)
    page = visitor.open(f"/watch/{world.places['video']}")
    screen = Screen(page)
    screen.plays()
    screen.player.hover()
    screen.player.get_by_role("button", name="Turn captions on").click()
    shown = "() => [...document.querySelector('.player video').textTracks].find((each) => each.mode === 'showing')"
    page.wait_for_function(f"{shown}?.activeCues?.length > 0")
    said = page.evaluate(f"{shown}.activeCues[0].getCueAsHTML().textContent")
    assert "hacked()" in said
    nodes = page.evaluate(
        f"{shown}.activeCues[0].getCueAsHTML().querySelectorAll('img, script, svg, [onclick]').length"
    )
    assert nodes == 0
    page.evaluate("() => { document.querySelector('.player video').currentTime = 46 }")
    page.wait_for_function(f"{shown}.activeCues?.[0]?.text.length > 5000")
    assert_untouched(visitor)


def test_a_chat_is_text(visit: Visit, world: World) -> None:
    host, guest = visit(world.mallory, width=PHONE), visit(width=PHONE)
    pages = [joined(each.open(f"/live/{world.places['stream']}")) for each in (host, guest)]
    pages[0].get_by_label("Message", exact=True).fill(f"{MARKUP} {TURN}turned {'W' * 300}")
    pages[0].get_by_role("button", name="Send", exact=True).click()
    for visitor, page in zip((host, guest), pages, strict=True):
        expect(page.get_by_role("log")).to_contain_text('<img src=x onerror="hacked()">')
        assert_untouched(visitor)


def test_what_is_too_long_is_refused_in_the_words_of_the_api(visit: Visit, world: World) -> None:
    """Where a browser lets it be typed at all; and stays to be mended."""
    visitor = visit(world.mallory, width=PHONE)
    visitor.allow("answer: (POST|PATCH) /v1/.* 422")
    page = visitor.open(f"/watch/{world.places['video']}")
    _fill(page, "Write a comment", LONG)
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text(TOO_LONG)
    expect(page.get_by_label("Write a comment")).to_have_value(LONG)
    assert_untouched(visitor)
    visitor.open("/account")
    _fill(page, "Name", LONG)
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text(TOO_LONG).filter(visible=True)).to_have_count(1)
    assert_untouched(visitor)
    visitor.open(f"/studio/videos/{world.places['video']}")
    _fill(page, "Title", LONG)
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text(TOO_LONG).filter(visible=True)).to_have_count(1)
    assert_untouched(visitor)


def test_a_name_that_shows_nothing_is_refused(visit: Visit) -> None:
    visitor = visit(width=PHONE)
    visitor.allow("answer: POST /v1/auth/sign-up 422")
    page = ask_to_join(visitor, "nobody_h", "\u3164\u2800")
    expect(page.get_by_text("must have something to see").filter(visible=True)).to_have_count(1)


def test_a_file_that_is_no_captions_is_refused(visit: Visit, world: World, tmp_path: Path) -> None:
    """With the line that is wrong."""
    visitor = visit(world.mallory)
    visitor.allow("answer: PUT /v1/videos/.* 422")
    page = visitor.open(f"/studio/videos/{world.places['video']}/captions")
    broken = tmp_path / "broken.vtt"
    broken.write_text("WEBVTT\n\n00:09.000 --> 00:01.000\nbackwards\n")
    page.get_by_label("Language", exact=True).select_option("fr")
    page.get_by_label("File", exact=True).set_input_files(broken)
    page.get_by_role("main").get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("a cue must end after it begins").first).to_be_visible()
    assert (
        httpx.get(f"{visitor.server.url}/v1/videos/{world.places['video']}/captions").json()["data"][0]["language"]
        == "he"
    )


def _fill(page: Page, label: str, text: str) -> None:
    """As a browser would that knows no maxlength."""
    field = page.get_by_label(label, exact=True)
    field.evaluate("(field) => field.removeAttribute('maxlength')")
    field.fill(text)
