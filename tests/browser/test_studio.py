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
    film = films.film(films_folder, "light", size="320x180", seconds=2)
    video = ada.show(channel, film, title="An old title")
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


def test_a_comment_is_ruled_over_in_one_way(visit: Visit, world: World) -> None:
    """Under its video and in the studio; each shows at once what was done in the other."""
    world.bob.post(f"/v1/videos/{world.video}/comments", {"text": "Buy my hexagons."})
    page = visit(world.ada).open("/studio/comments")
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    page.get_by_role("button", name="All", exact=True).click()
    said = page.get_by_role("article").filter(has_text="Buy my hexagons.")
    said.get_by_role("link", name="title").click()
    page.get_by_role("main").get_by_role("link", name="Watch it", exact=True).click()
    said.get_by_role("button", name="More for the comment by Bob_W").click()
    said.get_by_role("button", name="Hold back").click()
    expect(page.get_by_text("Held back: nobody sees it until you approve it.")).to_be_visible()
    waiting = page.get_by_role("region", name="1 comment waits for you")
    expect(waiting).to_contain_text("Buy my hexagons.")
    page.get_by_role("link", name="Edit in the studio").click()
    page.get_by_role("link", name="Comments", exact=True).click()
    said.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", name="Nothing to review")).to_be_visible()
    page.get_by_role("button", name="All", exact=True).click()
    said.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="No comments yet")).to_be_visible()


def test_a_role_that_is_refused_is_not_shown(visit: Visit, world: World) -> None:
    channel = world.ada.channel("ada_leaves")
    world.ada.answer(world.ada.http.put(f"/v1/channels/{channel}/members/{world.bob.id}", json={"role": "editor"}))
    visitor = visit(world.ada)
    visitor.allow(f"answer: (GET|PUT) /v1/channels/{channel}.* 404")
    page = visitor.open(f"/studio/channels/{channel}")
    role = page.get_by_label("Role of Bob_W")
    expect(role).to_have_value("editor")
    world.ada.answer(world.ada.http.delete(f"/v1/channels/{channel}"))
    role.select_option("moderator")
    expect(page.get_by_text("There is no such channel.")).to_be_visible()
    expect(role).to_have_value("editor")


def test_a_channel_goes_once_its_handle_was_typed(visit: Visit, world: World) -> None:
    """And what was typed before one thought better of it is not there when it is asked again."""
    channel = world.ada.channel("ada_ends")
    visitor = visit(world.ada)
    page = visitor.open(f"/studio/channels/{channel}")
    dialog = page.get_by_role("dialog", name="Delete this channel?")
    typed = dialog.get_by_label("Type ada_ends to confirm")
    confirm = dialog.get_by_role("button", name="Delete for good")
    for leave in ("Cancel", "Close"):
        page.get_by_role("button", name="Delete this channel", exact=True).click()
        expect(typed).to_have_value("")
        typed.fill("ada_end")
        expect(confirm).to_be_disabled()
        page.keyboard.press("Enter")
        typed.fill("ada_ends")
        expect(confirm).to_be_enabled()
        dialog.get_by_role("button", name=leave, exact=True).click()
        expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Delete this channel", exact=True).click()
    typed.fill("ada_ends")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Ada_Ends was deleted.")).to_be_visible()
    expect(page).to_have_url(f"{visitor.server.url}/studio/channels")
    expect(page.get_by_role("main").get_by_text("Ada_Works").first).to_be_visible()
    expect(page.get_by_role("main").get_by_text("Ada_Ends")).to_have_count(0)
    visitor.allow("answer: GET .*/@ada_ends 404", "answer: GET .*ada_ends.* 404")
    page.goto(f"{visitor.server.url}/@ada_ends")
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()


def test_who_moderates_is_told_what_is_for_others(visit: Visit, world: World) -> None:
    """On every page that edits; and strangers are, too."""
    world.ada.answer(
        world.ada.http.put(f"/v1/channels/{world.channel}/members/{world.bob.id}", json={"role": "moderator"})
    )
    visitor = visit(world.bob)
    about_it = (f"videos/{world.video}", f"videos/{world.video}/file", f"channels/{world.channel}")
    for path in ("upload", "analytics", *about_it):
        page = visitor.open(f"/studio/{path}")
        expect(page.get_by_role("heading", name="You moderate this channel")).to_be_visible()
        expect(page.get_by_role("main").locator("input[type=file], form")).to_have_count(0)
    world.bob.channel("bob_works")
    page = visitor.open("/studio/upload")
    page.get_by_label("Channel", exact=True).select_option(label="Ada_Works")
    expect(page.get_by_text("What you upload here goes to Bob_Works.")).to_be_visible()
    world.ada.answer(world.ada.http.delete(f"/v1/channels/{world.channel}/members/{world.bob.id}"))
    for path in about_it:
        page = visitor.open(f"/studio/{path}")
        expect(page.get_by_role("heading", name="This is another channel")).to_be_visible()
        expect(page.get_by_role("main").locator("input[type=file], form")).to_have_count(0)


def test_chapters_are_put_in_order(visit: Visit, world: World) -> None:
    """However they were typed."""
    page = visit(world.ada).open(f"/studio/videos/{world.video}/chapters")
    for number, (start, title) in enumerate((("0:01.5", "The end"), ("0:00", "The start"), ("1", "Between")), 1):
        page.get_by_role("button", name="Add a chapter").click()
        page.get_by_label(f"Starts at, chapter {number}").fill(start)
        page.get_by_label(f"Title, chapter {number}").fill(title)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    for number, title in enumerate(("The start", "Between", "The end"), 1):
        expect(page.get_by_label(f"Title, chapter {number}")).to_have_value(title)
