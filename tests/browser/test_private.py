"""What is private stays so, and whoever may watch goes on watching."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser import films
from tests.browser.conftest import Visit, serving
from tests.browser.screen import Screen
from tests.journey.server import Person, Server, sign_up

# One of its own, as its clock goes ahead.
server = pytest.fixture(scope="module", name="server")(serving)


@pytest.fixture(scope="module")
def ada(server: Server) -> Person:
    return sign_up(server, "ada")


@pytest.fixture(scope="module")
def secret(ada: Person, films_folder: Path) -> str:
    """A private video, long enough for a player not to fetch all of it at once."""
    film = films.film(films_folder, "long", size="320x180", seconds=90)
    return ada.show(ada.channel("ada_secret"), film, title="The secret of the hexagon", visibility="private")


def test_a_private_video_is_for_its_people_alone(visit: Visit, ada: Person, secret: str) -> None:
    """Neither its page nor a piece of it for anyone else, even where its address is known."""
    own = visit(ada)
    own.allow(f"answer: GET /watch/{secret} 404")  # the page itself comes without anything of the video
    fetched: list[str] = []
    own.context.on("response", lambda answer: fetched.append(answer.url) if "/media/" in answer.url else None)
    page = own.open(f"/watch/{secret}")
    Screen(page).plays()
    expect(page.get_by_role("heading", level=1)).to_have_text("The secret of the hexagon")
    pieces = [url for url in fetched if "/media/g/" in url]
    assert len(pieces) > 3

    stranger = visit()
    stranger.allow(rf"answer: (GET|POST) \S*/{secret}\S* 404", "answer: GET /media/.* (403|404)")
    page = stranger.open(f"/watch/{secret}")
    expect(page.get_by_role("main")).to_contain_text("not here, or not for you to see")
    assert "secret of the hexagon" not in page.content()
    assert page.locator("video").count() == 0
    open_links = [url.replace(f"/media/g/{urlsplit(url).path.split('/')[3]}/", "/media/o/") for url in pieces]
    forged = [url.replace("/media/g/", "/media/g/A") for url in pieces]
    statuses = page.evaluate(
        "(urls) => Promise.all(urls.map(async (url) => (await fetch(url)).status))", [*open_links, *forged]
    )
    assert set(statuses) == {403, 404}


def test_a_session_that_ends_in_the_middle_is_renewed_unnoticed(visit: Visit, ada: Person, secret: str) -> None:
    """The link to the film and the token of the person run out at once; the film plays on past all that was there."""
    visitor = visit(ada)
    visitor.allow(f"answer: GET /watch/{secret} 404", "answer: .* 401", "answer: GET /media/g/.* 403")
    page = visitor.open(f"/watch/{secret}")
    screen = Screen(page)
    screen.plays()
    page.evaluate("""() => {
        const video = document.querySelector('.player video')
        window.stalls = []
        const ahead = () => video.buffered.length && video.buffered.end(video.buffered.length - 1) - video.currentTime
        for (const type of ['waiting', 'emptied', 'error']) {
            video.addEventListener(type, () => ahead() < 1 && window.stalls.push(`${type} at ${video.currentTime}`))
        }
    }""")
    ada.post("/v1/dev/clock/advance", {"seconds": 3700})
    fetched = page.evaluate("() => document.querySelector('.player video').buffered.end(0)")
    assert fetched < 80
    page.evaluate("() => { document.querySelector('.player video').playbackRate = 3 }")
    page.wait_for_function(
        "(to) => document.querySelector('.player video').currentTime > to", arg=fetched + 1, timeout=60_000
    )
    assert page.evaluate("() => window.stalls") == []
    screen.assert_seen()
