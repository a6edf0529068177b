"""What one was told, and where it leads."""

from pathlib import Path

import pytest
from attrs import frozen
from playwright.sync_api import expect

from tests.browser import films
from tests.browser.conftest import Visit
from tests.journey import server as journey
from tests.journey.server import Person, Server


@frozen
class World:
    ada: Person
    bob: Person
    channel: str


@pytest.fixture(scope="module")
def world(server: Server) -> World:
    ada, bob = journey.sign_up(server, "ada_n"), journey.sign_up(server, "bob_n")
    return World(ada, bob, ada.channel("ada_news"))


def test_what_could_not_be_processed_leads_to_where_it_says_why(visit: Visit, world: World, tmp_path: Path) -> None:
    """And what to do; nobody can watch it."""
    broken = tmp_path / "broken.mp4"
    broken.write_text("not a film")
    with world.ada.told() as notices:
        video = world.ada.upload(world.channel, broken, title="Not a film")
        assert world.ada.wait_processed(notices, {video}) == {video: "failed"}
    visitor = visit(world.ada)
    page = visitor.open("/notifications")
    page.get_by_role("link", name="“Not a film” could not be processed").click()
    expect(page).to_have_url(f"{visitor.server.url}/studio/videos/{video}")
    expect(page.get_by_role("button", name="Process again")).to_be_visible()


def test_what_is_gone_leads_nowhere(visit: Visit, world: World, films_folder: Path) -> None:
    """And says so, beside what was told."""
    film = films.film(films_folder, "light", size="320x180", seconds=2)
    video = world.ada.show(world.channel, film, title="Talked about")
    with world.ada.told() as notices:
        stays, goes = (world.bob.post(f"/v1/videos/{video}/comments", {"text": text})["id"] for text in ("Ah.", "Oh."))
        while next(notices)["subject"]["id"] != goes:
            pass
    world.bob.answer(world.bob.http.delete(f"/v1/comments/{goes}"))
    visitor = visit(world.ada)
    visitor.allow(f"answer: GET /v1/comments/{goes} 404")
    page = visitor.open("/notifications")
    gone, there = (page.get_by_role("listitem").filter(has_text=text) for text in ("Oh.", "Ah."))
    expect(gone).to_contain_text("Not there any more")
    expect(gone.get_by_role("link")).to_have_count(0)
    gone.get_by_role("button", name="Mark as read").click()
    expect(gone.get_by_role("button")).to_have_count(0)
    there.get_by_role("link").click()
    expect(page).to_have_url(f"{visitor.server.url}/watch/{video}?comment={stays}")
