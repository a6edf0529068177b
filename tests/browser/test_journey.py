"""What a person does here from the first click to the last, and what another one sees of it."""

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser import films
from tests.browser.conftest import Visit
from tests.browser.screen import Screen
from tests.browser.steps import sign_up
from tests.browser.visitor import Visitor

TITLE = "A walk around the hexagon"


def test_the_journey_by_clicks(visit: Visit, films_folder: Path) -> None:
    ada, bob = visit(), visit()
    sign_up(ada, "ada_j", "Ada Lovelace")
    sign_up(bob, "bob_j", "Bob the Builder")
    _open_channel(ada)
    _upload(ada, films.film(films_folder, size="854x480", seconds=30))
    _watch(ada)
    video = ada.page.url

    _follow(bob, video)
    _hear(ada, "Bob the Builder")  # without a reload
    _talk(ada, bob)
    _find(bob)
    _remove(ada, bob, video)


def _open_channel(ada: Visitor) -> None:
    page = ada.page
    page.get_by_role("banner").get_by_role("button", name="Account").click()
    page.get_by_role("banner").get_by_role("link", name="Your channels").click()
    expect(page.get_by_role("heading", name="Your channels", level=1)).to_be_visible()
    page.get_by_label("Name", exact=True).fill("Hexagons by Ada")
    expect(page.get_by_label("Handle")).to_have_value("hexagons_by_ada")
    page.get_by_role("button", name="Open channel").click()
    expect(page.get_by_text("Hexagons by Ada is open.")).to_be_visible()


def _upload(ada: Visitor, film: Path) -> None:
    """And follow it until all its renditions are there; published meanwhile."""
    page = ada.page
    # What is typed while the transcoder writes, too, is put on top of that: a refusal that nobody sees.
    ada.allow("answer: PATCH /v1/videos/.* 412")
    page.get_by_role("banner").get_by_role("button", name="Create").click()
    page.get_by_role("banner").get_by_role("link", name="Upload a video").click()
    page.get_by_label("Choose files").set_input_files(film)
    card = page.get_by_role("article", name=film.name)
    title = card.get_by_label("Title")
    expect(title).to_have_value("film")
    title.fill(TITLE)
    card.get_by_label("Description").fill("All six sides of it.\n0:00 The start\n0:04 The end")
    card.get_by_role("radio", name="Public Everyone").check()
    card.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    shown = card.get_by_role("progressbar", name="Processing")
    ready = card.get_by_text("Ready to watch")
    expect(shown.or_(ready)).to_be_visible(timeout=60_000)
    expect(ready).to_be_visible(timeout=60_000)
    card.get_by_role("link", name="Watch it").click()


def _watch(ada: Visitor) -> None:
    """It moves, it is no blank frame, and another rendition is shown when it is chosen."""
    page = ada.page
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)
    screen = Screen(page)
    screen.plays()
    screen.assert_seen()
    screen.choose("Quality", "480p")
    screen.becomes(480)
    screen.choose("Quality", "360p")
    screen.becomes(360)
    screen.plays()
    screen.assert_seen()


def _follow(bob: Visitor, video: str) -> None:
    page = bob.page
    page.goto(video)
    Screen(page).plays()
    page.get_by_role("button", name="Like: 0 people like this", exact=True).click()
    expect(page.get_by_role("button", name="Like: 1 person likes this", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    page.get_by_role("button", name="Subscribe to Hexagons by Ada").click()
    expect(page.get_by_role("button", name="Subscribed to Hexagons by Ada")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Like: 1 person likes this", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(page.get_by_role("button", name="Subscribed to Hexagons by Ada")).to_be_visible()


def _hear(who: Visitor, what: str) -> None:
    """On the bell, as it happens; and in the list."""
    page = who.page
    expect(_bell(page)).to_have_accessible_name("Notifications, 2 unread")  # that the video is ready, and this
    _bell(page).click()
    expect(page.get_by_role("heading", name="Notifications", level=1)).to_be_visible()
    expect(page.get_by_role("main").get_by_role("listitem").filter(has_text=what)).to_be_visible()
    page.get_by_role("button", name="Mark all as read").click()
    expect(_bell(page)).to_have_accessible_name("Notifications")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text(TITLE)


def _bell(page: Page) -> Locator:
    return page.get_by_role("banner").get_by_role("link", name="Notifications")


def _talk(ada: Visitor, bob: Visitor) -> None:
    """A comment, which its author's page shows at once and the other's bell tells of; and a reply to it."""
    page = bob.page
    page.get_by_label("Write a comment").fill("Where is the seventh side?")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.get_by_role("article").filter(has_text="Where is the seventh side?")).to_be_visible()
    expect(_bell(ada.page)).to_have_accessible_name("Notifications, 1 unread")
    _bell(ada.page).click()
    ada.page.get_by_role("main").get_by_role("link").filter(has_text="Bob the Builder commented").click()
    remark = ada.page.get_by_role("article").filter(has_text="Where is the seventh side?")
    remark.get_by_role("button", name="Reply to Bob the Builder").click()
    ada.page.get_by_label("Write a reply").fill("On the inside.")
    ada.page.get_by_role("button", name="Reply", exact=True).last.click()
    expect(ada.page.get_by_role("article").filter(has_text="On the inside.").last).to_be_visible()
    expect(_bell(page)).to_have_accessible_name("Notifications, 1 unread")


def _find(bob: Visitor) -> None:
    """By typing: as a suggestion, and among what is found."""
    page = bob.page
    field = page.get_by_role("banner").get_by_role("combobox", name="Search")
    field.fill("hexag")
    expect(page.get_by_role("banner").get_by_role("option").filter(has_text=TITLE)).to_be_visible()
    field.fill("around hexagon")
    field.press("Enter")
    expect(page.get_by_role("heading", name="Found for “around hexagon”")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name=TITLE).first.click()
    Screen(page).plays()


def _remove(ada: Visitor, bob: Visitor, video: str) -> None:
    page = ada.page
    for visitor in (ada, bob):  # what is shown is asked for once more as it goes
        visitor.allow(r"answer: (GET|POST) \S*vid_\S* 404", "answer: GET /media/.* 404")
    page.get_by_role("link", name="Edit in the studio").click()
    page.get_by_role("main").get_by_role("link", name="File").click()
    page.get_by_role("button", name="Delete this video").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("The video was deleted.")).to_be_visible()
    for visitor in (ada, bob):
        visitor.page.goto(video)
        expect(visitor.page.get_by_role("main")).to_contain_text("Nothing here")
    field = bob.page.get_by_role("banner").get_by_role("combobox", name="Search")
    field.fill("around hexagon")
    field.press("Enter")
    expect(bob.page.get_by_text("Nothing found for")).to_be_visible()
