"""Where a browser keeps nothing for us: in frames that a page of others locks in, and where people have it so."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import films
from tests.browser.conftest import Visit
from tests.browser.steps import sign_in, sign_out, signed_in
from tests.journey import server as journey
from tests.journey.server import Person, Server

NOTHING_KEPT = """
for (const name of ['localStorage', 'sessionStorage']) {
    Object.defineProperty(window, name, { get() { throw new DOMException('no storage', 'SecurityError') } })
}
LockManager.prototype.request = () => Promise.reject(new DOMException('no locks', 'SecurityError'))
window.BroadcastChannel = class { constructor() { throw new DOMException('no channels', 'SecurityError') } }
"""
"""As browsers have it where no site may keep anything."""


@pytest.fixture(scope="module")
def ada(server: Server) -> Person:
    return journey.sign_up(server, "ada_f")


@contextmanager
def site(page: str) -> Iterator[str]:
    """Of others: the address of a page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as others:
        threading.Thread(target=others.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{others.server_port}/"
        others.shutdown()


@pytest.mark.parametrize("sandbox", ["allow-scripts", "allow-scripts allow-same-origin"])
def test_a_player_plays_in_a_frame_that_locks_it_in(
    visit: Visit, ada: Person, films_folder: Path, sandbox: str
) -> None:
    [channel] = ada.get("/v1/me/channels")["data"] or [{"id": ada.channel("ada_frames")}]
    film = films.film(films_folder, "eight", size="320x180", seconds=8)
    video = ada.show(channel["id"], film, title="Behind bars")
    visitor = visit()
    visitor.allow("another machine: ")
    frame = f'<iframe sandbox="{sandbox}" src="{visitor.server.url}/embed/{video}" width="640" height="360"></iframe>'
    with site(frame) as address:
        visitor.page.goto(address)
        visitor.page.frame_locator("iframe").get_by_role("button", name="Play: Behind bars").click()
        player = visitor.page.frames[1]
        player.wait_for_function("() => document.querySelector('.player video')?.currentTime > 1")
        with visitor.page.expect_response(lambda answer: answer.url.endswith("/views")) as told:
            player.evaluate("() => document.querySelector('.player video').pause()")
        assert told.value.ok


def test_people_come_and_go_where_nothing_is_kept(visit: Visit, ada: Person) -> None:
    visitor = visit()
    visitor.context.add_init_script(NOTHING_KEPT)
    page = visitor.open("/sign-in")
    sign_in(page, ada.email)
    expect(signed_in(page)).to_be_visible()
    signed_in(page).click()
    page.get_by_role("banner").get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("Escape")
    sign_out(page)
