"""What is done in the studio: it shows where people watch, and what is refused there does not look done."""

from pathlib import Path

import pytest
from attrs import frozen
from playwright.sync_api import Route, expect

from tests.browser import films
from tests.browser.conftest import Visit
from tests.journey import server as journey
from tests.journey.server import Person, Server


@frozen
class World:
    ada: Person
    bob: Person
    channel: str
    video: str


@pytest.fixture(scope="module")
def world(server: Server, films_folder: Path) -> World:
    ada, bob = journey.sign_up(server, "ada_w"), journey.sign_up(server, "bob_w")
    channel = ada.channel("ada_works")
    with ada.told() as notices:
        film = films.film(films_folder, "light", size="320x180", seconds=2)
        video = ada.upload(channel, film, title="An old title")
        ada.wait_processed(notices, {video})
    return World(ada, bob, channel, video)


def test_what_is_saved_is_at_once_what_its_page_shows(visit: Visit, world: World) -> None:
    """Before the server is asked for anything more, and without the page being loaded again."""
    visitor = visit(world.ada)
    page = visitor.open(f"/watch/{world.video}")
    expect(page.get_by_role("heading", level=1)).to_have_text("An old title")
    page.get_by_role("link", name="Edit in the studio").click()
    title = page.get_by_label("Title", exact=True)
    expect(title).to_have_value("An old title")
    title.fill("A new title")

    def hold(route: Route) -> None:
        """What is only asked for gets no answer, until the route is given up."""
        if route.request.method != "GET":
            route.continue_()

    page.route(f"**/v1/videos/{world.video}", hold)
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Watch it", exact=True).click()
    expect(page).to_have_url(f"{visitor.server.url}/watch/{world.video}")
    expect(page.get_by_role("heading", level=1)).to_have_text("A new title")
    expect(page).to_have_title("A new title - Hexcast")
    page.unroute(f"**/v1/videos/{world.video}")
    visitor.settle()
    expect(page.get_by_role("heading", level=1)).to_have_text("A new title")
