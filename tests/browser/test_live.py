"""A broadcast: from the key that the page shows, over an encoder that drops, to the video that is left."""

import statistics
import sys

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from bench.streams import BITS, SIDE
from tests.browser.camera import camera, drop
from tests.browser.conftest import Visit
from tests.browser.screen import Screen
from tests.browser.steps import joined
from tests.journey import server as journey
from tests.journey.server import Person, Server

GOAL_S = 4.0
MOST_LOOKS = 25
_AGE = f"""() => {{
    const video = document.querySelector('.player video')
    const canvas = new OffscreenCanvas({BITS * SIDE}, 1), context = canvas.getContext('2d')
    context.drawImage(video, 0, video.videoHeight / 2, video.videoWidth, 1, 0, 0, {BITS * SIDE}, 1)
    const {{ data }} = context.getImageData(0, 0, {BITS * SIDE}, 1)
    let taken = 0
    for (let bit = 0; bit < {BITS}; bit++) if (data[4 * (bit * {SIDE} + {SIDE // 2})] > 128) taken += 2 ** bit
    return ((Date.now() % 2 ** {BITS}) - taken + 2 ** {BITS}) % 2 ** {BITS} / 1000
}}"""
"""How old the picture is that is shown: the time is burnt into it."""


@pytest.fixture(scope="module")
def ada(server: Server) -> Person:
    person = journey.sign_up(server, "ada_l")
    person.channel("ada_on_air")
    return person


@pytest.fixture(scope="module")
def bob(server: Server) -> Person:
    return journey.sign_up(server, "bob_l")


def latency(page: Page, samples: int = 15) -> float:
    """The median of so many looks, once it has settled: seconds from the picture that was taken to the one shown."""
    page.wait_for_function(f"() => ({_AGE})() < {GOAL_S}", polling=100)
    ages: list[float] = []
    for _ in range(samples):
        Screen(page).plays(0.2)
        ages.append(page.evaluate(_AGE))
    return statistics.median(ages)


def say(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("log")).to_contain_text(text)


def encoders_address(control: Page) -> str:
    """Where to is shown at once, the key when it is asked for; the command to copy has both then."""
    server_at, key_at = (control.locator(".secret code").nth(place) for place in (0, 1))
    expect(server_at).to_contain_text("rtmp://")
    expect(control.locator(".command")).to_contain_text(f"{server_at.inner_text()}/KEY")
    control.get_by_role("button", name="Show the key").click()
    expect(control.get_by_role("button", name="Hide the key")).to_be_visible()
    address = f"{server_at.inner_text()}/{key_at.inner_text()}"
    expect(control.locator(".command")).to_contain_text(address)
    return address


def watching(control: Page) -> Locator:
    """How many the control room says there are."""
    return control.locator(".figures > div").filter(has_text="Watching now").locator("dd")


def noted(control: Page, show: Page) -> None:
    """Something is said to the players, who are shown it for a while; the preview is none of those who watch. So says
    the plot, too, of the newest.
    """
    expect(watching(control)).to_have_text("1")
    control.get_by_label("A note to the players").fill("Here it begins")
    control.get_by_role("button", name="Send the note").click()
    expect(show.locator(".note")).to_contain_text("Here it begins")
    expect(show.locator(".note")).to_be_hidden()
    expect(control.locator(".u-legend .u-value").last).to_have_text("1")


def test_a_broadcast_from_the_key_to_the_video(
    visit: Visit, ada: Person, bob: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    host, guest = visit(ada), visit(bob)
    control = host.open("/studio/live")
    control.get_by_role("button", name="New stream").first.click()
    control.get_by_role("dialog").get_by_label("Title").fill("Live from the machine room")
    control.get_by_role("button", name="Make the stream").click()
    expect(control.get_by_role("heading", level=1)).to_have_text("Live from the machine room")
    address = encoders_address(control)
    stream = control.url.rpartition("/")[2]

    show = guest.open(f"/live/{stream}")
    expect(show.get_by_text("Not live right now")).to_be_visible()
    show.evaluate("() => { window.same = true }")
    with camera(address) as first:
        expect(
            control.get_by_role("status").get_by_text("Live", exact=True).or_(control.locator(".tag.live"))
        ).to_be_visible()
        screen = Screen(show)
        screen.plays()
        screen.assert_seen()
        behind = latency(show)
        with capsys.disabled():
            sys.stdout.write(f"\nlive in the browser: {behind:.2f} s behind (at most {GOAL_S:g})\n")
        assert behind <= GOAL_S
        noted(control, show)
        framed = visit().open(f"/embed/{stream}")
        framed.get_by_role("button", name="Play: Live from the machine room").click()
        Screen(framed).plays(2)
        expect(framed.locator(".note")).to_have_count(0)
        expect(watching(control)).to_have_text("2")
        framed.close()

        say(show, "Hello from the audience")
        expect(control.get_by_role("log")).to_contain_text("Hello from the audience")
        say(control, "Welcome!")
        expect(show.get_by_role("log")).to_contain_text("Welcome!")

        drop(first)
        expect(show.get_by_text("The stream is interrupted")).to_be_visible(timeout=30_000)
    with camera(address):
        expect(show.get_by_text("The stream is interrupted")).to_be_hidden(timeout=30_000)
        screen.plays()
        assert latency(show) <= GOAL_S
        control.get_by_role("button", name="End the broadcast").click()
        control.get_by_role("dialog").get_by_role("button", name="End it").click()
        recording = show.get_by_role("link", name="Watch the recording")
        expect(recording).to_be_visible(timeout=60_000)
    assert show.evaluate("() => window.same")
    recording.click()
    expect(show.get_by_role("heading", level=1)).to_have_text("Live from the machine room")
    screen.plays()
    screen.assert_seen()


def test_a_dialog_is_left_on_a_phone(visit: Visit, ada: Person) -> None:
    """By its button, and by a tap beside it; what was typed is not lost without a question, however one leaves."""
    page = visit(ada, width=390, has_touch=True).open("/studio/live")
    dialog = page.get_by_role("dialog", name="A new stream")
    question = page.get_by_role("dialog", name="Leave without saving?")
    asked = page.get_by_text("Leave without saving?")  # gone once the page, too, knows that it was answered

    def opened() -> None:
        page.get_by_role("button", name="New stream").first.click()
        expect(dialog).to_be_visible()

    opened()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    opened()
    page.touchscreen.tap(5, 5)
    expect(dialog).to_be_hidden()
    opened()
    title = dialog.get_by_label("Title")
    title.fill("Half a title")
    page.touchscreen.tap(5, 5)
    question.get_by_role("button", name="Stay").click()
    expect(asked).to_have_count(0)
    for _ in range(2):
        page.keyboard.press("Escape")
        expect(question).to_be_visible()
        page.keyboard.press("Escape")
        expect(asked).to_have_count(0)
    expect(title).to_have_value("Half a title")
    dialog.get_by_role("button", name="Close").click()
    question.get_by_role("button", name="Leave").click()
    expect(dialog).to_be_hidden()
    opened()
    expect(title).to_have_value("")


def test_a_chat_is_kept_in_order(visit: Visit, ada: Person, bob: Person) -> None:
    """What is deleted goes from both browsers; who is banned is told, and writes no more until the ban is lifted."""
    channel = ada.get("/v1/me/channels")["data"][0]["id"]
    stream = ada.post("/v1/streams", {"channel_id": channel, "title": "A quiet talk"})["id"]
    visitors = [visit(ada), visit(bob)]
    host, guest = (joined(visitor.open(f"/live/{stream}")) for visitor in visitors)
    say(guest, "First!")
    line = host.get_by_role("log").get_by_role("listitem").filter(has_text="First!")
    expect(line).to_be_visible()
    line.get_by_role("button", name="Message by Bob_L").click()
    line.get_by_role("button", name="Delete the message").click()
    expect(line).to_have_count(0)
    expect(guest.get_by_role("log").get_by_text("First!")).to_have_count(0)
    say(guest, "And again")
    line = host.get_by_role("log").get_by_role("listitem").filter(has_text="And again")
    line.get_by_role("button", name="Message by Bob_L").click()
    line.get_by_role("button", name="Ban from the chat").click()
    host.get_by_role("dialog").get_by_role("button", name="Ban").click()
    expect(guest.get_by_text("You may read this chat, but not write in it")).to_be_visible()
    host.get_by_role("button", name="Chat rules").click()
    host.get_by_role("button", name="Lift the ban of Bob_L").click()
    expect(host.get_by_text("Nobody is banned.")).to_be_visible()
    say(guest, "Thank you")  # without a reload
    for visitor in visitors:  # what is looked at is asked for once more
        visitor.allow(rf"answer: \w+ \S*/{stream}\S* 404")
    ada.answer(ada.http.delete(f"/v1/streams/{stream}"))
    expect(guest.get_by_role("heading", name="Nothing here", level=1)).to_be_visible()
    expect(guest.get_by_label("Message", exact=True)).to_have_count(0)


def test_a_recording_that_never_comes_is_not_looked_for_forever(visit: Visit, ada: Person) -> None:
    """Ever more seldom, for a quarter of an hour; and then the page says where it would be."""
    channel = ada.get("/v1/me/channels")["data"][0]["id"]
    stream = ada.post("/v1/streams", {"channel_id": channel, "title": "Nothing was recorded"})["id"]
    visitor = visit()
    visitor.allow("answer: GET /v1/stream-sessions/sts_none/chat-messages 404")
    page = visitor.page
    page.clock.install()

    # As one that goes on, whose recording nobody ever hears of.
    shown = ada.get(f"/v1/streams/{stream}") | {"current_session_id": "sts_none"}
    looked: list[str] = []

    def look(route: Route) -> None:
        looked.append(route.request.url)
        route.continue_()

    page.route(f"**/v1/streams/{stream}", lambda route: route.fulfill(json=shown))
    page.route(f"**/v1/channels/{channel}/videos?*", look)
    visitor.open(f"/live/{stream}")
    expect(page.get_by_text("Its recording is being made")).to_be_visible()
    over = page.get_by_text("it will be among the videos of the channel")

    def passed() -> bool:
        page.clock.run_for(30_000)
        return over.is_visible()

    visitor.until("an end of it", passed)
    assert 10 < len(looked) <= MOST_LOOKS
    page.clock.run_for(600_000)
    with page.expect_response(f"**/v1/streams/{stream}"):
        page.clock.run_for(10_000)
    assert len(looked) <= MOST_LOOKS
