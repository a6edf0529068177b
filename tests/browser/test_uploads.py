"""Uploads that something comes between: they go on from where they were."""

import itertools
from collections import Counter
from pathlib import Path

import pytest
from attrs import define, field
from playwright.sync_api import CDPSession, Locator, Page, Request, Response, expect

from tests.browser import films
from tests.browser.conftest import Visit
from tests.browser.steps import sign_in, sign_out, signed_out
from tests.browser.visitor import Visitor
from tests.journey import server as journey
from tests.journey.server import Json, Person, Server

MIB = 1024 * 1024
SIZE_MIB, PART_MIB = 40, 8
PARTS = SIZE_MIB // PART_MIB
RATE = 3 * MIB
"""Bytes a second, so that there is a middle."""
NO_FILE_KEPT = """async () => {
    const open = indexedDB.open('hexcast.files')
    await new Promise((resolve) => { open.onsuccess = resolve })
    const cleared = open.result.transaction('files', 'readwrite').objectStore('files').clear()
    await new Promise((resolve) => { cleared.onsuccess = resolve })
    open.result.close()
}"""
SLOW_TO_TELL = """() => {
    navigator.storage.estimate = () => new Promise((resolve) => { window.tell = () => resolve({ quota: 1e12, usage: 0 }) })
}"""
FILES_KEPT = """async () => {
    if (!(await indexedDB.databases()).some(({ name }) => name === 'hexcast.files')) return 0
    const open = indexedDB.open('hexcast.files')
    await new Promise((resolve) => { open.onsuccess = resolve })
    const count = open.result.transaction('files').objectStore('files').count()
    await new Promise((resolve) => { count.onsuccess = resolve })
    open.result.close()
    return count.result
}"""


_count = itertools.count()


@pytest.fixture
def ada(server: Server) -> Person:
    """With a channel, and no other upload."""
    person = journey.sign_up(server, f"ada_u{next(_count)}")
    person.channel(f"ada_uploads{next(_count)}")
    return person


@define(eq=False, slots=False)
class Desk:
    """Someone at the page of uploads, on a line as slow as we like."""

    visitor: Visitor
    person: Person
    line: CDPSession = field(init=False)
    stored: Counter[str] = field(factory=Counter)
    """Parts that were answered as stored, by the upload's place in the address."""
    most_at_once: int = field(init=False, default=0)
    """Parts that were on their way at the same time."""
    _going: set[str] = field(init=False, factory=set)

    def __attrs_post_init__(self) -> None:
        self.visitor.context.on("request", self._asked)
        self.visitor.context.on("response", self._answered)
        self.line = self.visitor.context.new_cdp_session(self.page)

    @property
    def page(self) -> Page:
        return self.visitor.page

    def _asked(self, request: Request) -> None:
        if request.method == "PUT":
            self._going.add(request.url)
            self.most_at_once = max(self.most_at_once, len(self._going))

    def _answered(self, response: Response) -> None:
        self._going.discard(response.request.url)
        if response.request.method == "PUT" and response.ok:
            self.stored[response.url] += 1

    def connect(self, *, offline: bool = False, rate: int = RATE) -> None:
        self.line.send(
            "Network.emulateNetworkConditions",
            {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate},
        )

    def choose(self, film: Path) -> Locator:
        """The card of the upload, which is on its way."""
        self.page.get_by_label("Choose files").set_input_files(film)
        card = self.card(film)
        expect(card.get_by_role("progressbar", name="Uploading")).to_be_visible()
        return card

    def card(self, film: Path) -> Locator:
        return self.page.get_by_role("article", name=film.name)

    def arrived(self, least: int) -> Json:
        """What the server has of the upload, once that are so many parts."""

        def there() -> Json | None:
            for upload in self.person.get("/v1/uploads", status="open")["data"]:
                whole: Json = self.person.get(f"/v1/uploads/{upload['id']}")
                return whole if len(whole["received"]) >= least else None
            return None

        return self.visitor.until("parts to arrive", there)

    def whole(self, card: Locator, upload: Json) -> None:
        """All of it is there, and it can be watched."""
        expect(card).to_contain_text("Ready to watch", timeout=60_000)
        assert self.person.get(f"/v1/uploads/{upload['id']}")["status"] == "completed"
        assert self.person.get(f"/v1/videos/{upload['video_id']}")["duration_s"] == pytest.approx(2, abs=0.1)


@pytest.fixture
def desk(visit: Visit, ada: Person) -> Desk:
    visitor = visit(ada)
    desk = Desk(visitor, ada)
    visitor.open("/studio/upload")
    desk.connect()
    return desk


def test_an_upload_waits_for_the_network(desk: Desk, films_folder: Path) -> None:
    """What was stored before the line was cut is not sent again when it is back."""
    desk.visitor.allow("failed: .*ERR_INTERNET_DISCONNECTED", "console: .*ERR_INTERNET_DISCONNECTED")
    film = films.heavy(films_folder, SIZE_MIB)
    card = desk.choose(film)
    upload = desk.arrived(1)
    desk.visitor.until("an answer", lambda: desk.stored)
    desk.connect(offline=True)
    expect(card.get_by_role("status").first).to_have_text("Waiting for the connection")
    had = {part["number"] for part in desk.arrived(1)["received"]}
    unheard = len(had) - sum(desk.stored.values())  # their answers came too late
    assert 0 <= unheard < len(had) < PARTS
    desk.connect(rate=-1)
    desk.whole(card, upload)
    assert sum(desk.stored.values()) <= PARTS - unheard


def test_an_upload_goes_on_after_a_reload(desk: Desk, films_folder: Path) -> None:
    """By itself, as the browser kept a copy of the file; and sends only what was not stored."""
    film = films.heavy(films_folder, SIZE_MIB)
    card = desk.choose(film)
    desk.visitor.until("a copy of the file", lambda: desk.page.evaluate(FILES_KEPT))
    upload = desk.arrived(1)
    desk.page.reload()
    desk.connect(rate=-1)
    had = len(desk.person.get(f"/v1/uploads/{upload['id']}")["received"])
    desk.stored.clear()
    desk.whole(card, upload)
    assert 0 < had < PARTS
    assert sum(desk.stored.values()) <= PARTS - had


def test_a_file_that_the_browser_did_not_keep_is_asked_for(desk: Desk, films_folder: Path) -> None:
    """Another file is not taken for it."""
    film, other = films.heavy(films_folder, SIZE_MIB), films.film(films_folder, "other", size="320x180", seconds=2)
    card = desk.choose(film)
    desk.visitor.until("a copy of the file", lambda: desk.page.evaluate(FILES_KEPT))
    upload = desk.arrived(1)
    desk.page.evaluate(NO_FILE_KEPT)
    desk.page.reload()
    desk.connect(rate=-1)
    again = card.get_by_label("Choose the file again")
    again.set_input_files(other)
    expect(card.get_by_role("alert")).to_contain_text(film.name)
    had = len(desk.person.get(f"/v1/uploads/{upload['id']}")["received"])
    assert 0 < had < PARTS
    desk.stored.clear()
    again.set_input_files(film)
    desk.whole(card, upload)
    assert sum(desk.stored.values()) == PARTS - had


def test_no_file_stays_when_somebody_signs_out(desk: Desk, films_folder: Path) -> None:
    """What was being sent goes on when they are back, with the file as they choose it again."""
    film = films.heavy(films_folder, SIZE_MIB)
    card = desk.choose(film)
    desk.visitor.until("a copy of the file", lambda: desk.page.evaluate(FILES_KEPT))
    upload = desk.arrived(1)
    sign_out(desk.page)
    desk.visitor.until("no copy of the file", lambda: desk.page.evaluate(FILES_KEPT) == 0)
    signed_out(desk.page).click()
    sign_in(desk.page, desk.person.email)
    desk.connect(rate=-1)
    card.get_by_label("Choose the file again").set_input_files(film)
    desk.whole(card, upload)


def test_tabs_without_locks_send_one_upload(desk: Desk, films_folder: Path) -> None:
    """As over plain http: each sends it, and it is there once."""
    desk.visitor.allow("answer: (PUT|POST) .* 409")
    desk.visitor.context.add_init_script("Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })")
    desk.visitor.open("/studio/upload")
    film = films.heavy(films_folder, SIZE_MIB)
    card = desk.choose(film)
    desk.visitor.until("a copy of the file", lambda: desk.page.evaluate(FILES_KEPT))
    upload = desk.arrived(1)
    second = desk.visitor.tab()
    second.goto(f"{desk.visitor.server.url}/studio/upload")
    other = second.get_by_role("article", name=film.name)
    expect(other).to_contain_text("Ready to watch", timeout=60_000)
    desk.connect(rate=-1)
    desk.whole(card, upload)
    [only] = desk.person.get("/v1/uploads")["data"]
    assert only["id"] == upload["id"]


def test_no_file_is_kept_of_what_is_over(desk: Desk, films_folder: Path) -> None:
    """Not even where the browser took longer to tell how much room there is."""
    desk.page.evaluate(SLOW_TO_TELL)
    desk.connect(rate=-1)
    film = films.film(films_folder, "other", size="320x180", seconds=2)
    desk.page.get_by_label("Choose files").set_input_files(film)
    expect(desk.card(film)).to_contain_text("Ready to watch", timeout=60_000)
    assert desk.page.evaluate("() => localStorage.getItem('hexcast.uploads')") is None
    desk.page.evaluate("() => window.tell()")
    assert desk.page.evaluate(FILES_KEPT) == 0


def test_a_paused_upload_shows_what_is_kept(desk: Desk, films_folder: Path) -> None:
    """Before a reload and after it: on a slow line one part is sent at a time, and no more than that is lost."""
    film = films.heavy(films_folder, SIZE_MIB)
    desk.connect(rate=3 * MIB // 2)
    card = desk.choose(film)
    desk.arrived(2)
    card.get_by_role("button", name="Pause").click()
    expect(card.get_by_role("status").first).to_have_text("Paused")
    kept = sum(part["size_bytes"] for part in desk.arrived(2)["received"])
    bar = card.get_by_role("progressbar", name="Uploading")
    expect(bar).to_have_js_property("value", kept)
    assert desk.most_at_once == 1
    desk.page.reload()
    expect(card.get_by_role("status").first).to_have_text("Paused")
    expect(bar).to_have_js_property("value", kept)


def test_another_tab_shows_what_this_one_sends(desk: Desk, films_folder: Path) -> None:
    film = films.heavy(films_folder, SIZE_MIB)
    desk.connect(rate=3 * MIB // 2)
    desk.choose(film)
    desk.arrived(1)
    other = desk.visitor.tab()
    other.goto(f"{desk.visitor.server.url}/studio/upload")
    expect(other.get_by_role("heading", name="In another tab")).to_be_visible()
    bar = other.get_by_role("article", name=film.name).get_by_role("progressbar", name="Uploading")
    desk.visitor.until("its progress", lambda: bar.evaluate("bar => bar.value") >= PART_MIB * MIB)
    other.goto(f"{desk.visitor.server.url}/studio/videos")
    expect(other.get_by_role("row").filter(has_text=film.stem)).to_contain_text("Its file is not here yet")


def test_an_upload_goes_on_while_it_is_asked_who_is_there(desk: Desk, films_folder: Path) -> None:
    """As when the same person signs in in another tab, which had lost its session."""
    film = films.heavy(films_folder, SIZE_MIB)
    card = desk.choose(film)
    upload = desk.arrived(1)
    other = desk.visitor.tab()
    other.goto(f"{desk.visitor.server.url}/notifications")
    with desk.page.expect_response("**/v1/me"):
        other.evaluate("() => new BroadcastChannel('hexcast.session').postMessage('in')")
    desk.connect(rate=-1)
    desk.whole(card, upload)
    assert sum(desk.stored.values()) == PARTS


def test_an_upload_is_paused_and_cancelled(desk: Desk, films_folder: Path) -> None:
    film = films.heavy(films_folder, SIZE_MIB)
    card = desk.choose(film)
    desk.arrived(1)
    card.get_by_role("button", name="Pause").click()
    expect(card.get_by_role("status").first).to_have_text("Paused")
    card.get_by_role("button", name="Resume").click()
    expect(card.get_by_role("status").first).to_have_text("Uploading")
    card.get_by_role("button", name="Cancel upload").click()
    desk.page.get_by_role("dialog").get_by_role("button", name="Cancel upload").click()
    expect(card).to_have_count(0)
    assert desk.person.get("/v1/uploads", status="open")["data"] == []


def test_what_is_no_video_is_refused_at_once(desk: Desk, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear reader")
    desk.page.get_by_label("Choose files").set_input_files(letter)
    expect(desk.page.get_by_role("alert")).to_contain_text("letter.txt")
    expect(desk.card(letter)).to_have_count(0)
    assert desk.person.get("/v1/uploads", status="open")["data"] == []


TYPED_AS_IT_IS_DRAWN = """() => {
    const heading = document.querySelector('h1'), field = document.querySelector('main textarea')
    new MutationObserver(() => {
        if (field.value) return
        Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(field, 'Mine')
        field.dispatchEvent(new Event('input', { bubbles: true }))
    }).observe(heading, { characterData: true, childList: true, subtree: true })
}"""


def test_what_is_typed_as_a_newer_version_is_drawn_stays(visit: Visit, ada: Person, films_folder: Path) -> None:
    """And is saved beside what changed elsewhere. Keys come, too, between a drawing and what is done after it."""
    [channel] = ada.get("/v1/me/channels")["data"]
    video = ada.upload(channel["id"], films.film(films_folder, "other", size="320x180", seconds=2), title="Before")
    visitor = visit(ada)
    visitor.page.clock.install()
    page = visitor.open(f"/studio/videos/{video}")
    visitor.settle()
    page.evaluate(TYPED_AS_IT_IS_DRAWN)
    ada.answer(ada.http.patch(f"/v1/videos/{video}", json={"title": "Elsewhere"}))
    page.clock.fast_forward(60_000)
    page.evaluate("() => dispatchEvent(new Event('visibilitychange'))")  # somebody looks at it again
    expect(page.get_by_role("heading", level=1)).to_have_text("Elsewhere")
    expect(page.get_by_label("Description")).to_have_value("Mine")
    visitor.allow("answer: PATCH /v1/videos/.* 412")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    stored = ada.get(f"/v1/videos/{video}")
    assert (stored["title"], stored["description"]) == ("Elsewhere", "Mine")
