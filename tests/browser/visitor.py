"""People in front of a browser of their own, and a record of all that goes wrong in it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from attrs import define, field
from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, Response, WebSocket, expect

from adapters.system import ticks
from tests.journey.server import PASSWORD, ROOT, Person, Server

T = TypeVar("T")
KEPT = ROOT / "build" / "browser"
"""What is kept of a test that failed."""
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)

HINT = "hexcast.signed-in"
"""By this the client knows that it is worth asking for a token."""

# What a page's Content-Security-Policy stopped; the browser says it only to the page itself and to the console.
_WATCH = "addEventListener('securitypolicyviolation', (event) => console.error('csp', event.violatedDirective, event.blockedURI))"

_STILL = """() => {
    const waits = document.querySelector('.bone, .spin, [aria-busy=true]')
    const seen = [...document.images].filter((image) => {
        const { top, bottom, left, right, width } = image.getBoundingClientRect()
        return width && bottom > 0 && top < innerHeight && right > 0 && left < innerWidth
    })
    const moves = document.getAnimations().some(({ playState, effect }) =>
        playState === 'running' && effect.getComputedTiming().endTime < Infinity)
    return !waits && !moves && document.fonts.status === 'loaded' && seen.every((image) => image.complete)
}"""


@define(eq=False, slots=False)  # Playwright hangs something on the owner of each listener
class Visitor:
    """A browser's context with one page (more by ``tab``).

    ``wrong`` is what no page may do: errors, requests to another machine, answers of 400 and more, what the policy
    forbids, a dialog of the browser. A test says with ``allow`` what it provokes.
    """

    server: Server
    context: BrowserContext
    page: Page = field(init=False)
    wrong: list[str] = field(factory=list)
    said: list[str] = field(factory=list)
    _allowed: list[re.Pattern[str]] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.add_init_script(_WATCH)
        self.context.on("console", self._console)
        self.context.on("weberror", lambda error: self._note(f"error: {error.error}"))
        self.context.on("request", lambda request: self._asked(request.url))
        self.context.on("requestfailed", self._failed)
        self.context.on("response", self._answered)
        self.context.on("dialog", self._dialog)
        self.page = self.tab()

    def tab(self) -> Page:
        page = self.context.new_page()
        page.on("websocket", self._socket)
        return page

    def open(self, path: str = "/") -> Page:
        """A page of ours, once its own heading is there."""
        self.page.goto(self.server.url + path)
        expect(self.page.locator("h1")).to_have_count(1)
        return self.page

    def sign_in(self, person: Person, password: str = PASSWORD) -> None:
        """As the form does it, for tests about something else. Pages opened from now on are this person's."""
        body = {"email": person.email, "password": password, "session": "cookie"}
        answer = self.context.request.post(f"{self.server.url}/v1/auth/sign-in", data=body)
        assert answer.ok, answer.text()
        self.context.add_init_script(f"if (origin !== 'null') localStorage.setItem('{HINT}', '1')")

    def settle(self) -> Page:
        """The page, once it has all it asked for and is still."""
        self.page.wait_for_function(_STILL)
        return self.page

    def until(self, what: str, condition: Callable[[], T | None]) -> T:
        """What the condition answers once that is something; the browser goes on meanwhile."""
        end = ticks() + PATIENCE_MS / 1000
        while not (found := condition()):
            assert ticks() < end, f"waited in vain for {what}"
            self.page.wait_for_timeout(20)
        return found

    def allow(self, *patterns: str) -> None:
        """What may go wrong in this test, as regular expressions found in lines of ``wrong``."""
        self._allowed += map(re.compile, patterns)

    def assert_well(self) -> None:
        assert not self.wrong, "\n".join(["in the browser:", *self.wrong])

    def keep(self, folder: Path) -> None:
        """What there is to see of a failure."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, page in enumerate(self.context.pages, 1):
            page.screenshot(path=folder / f"{number}.png", timeout=5_000)
            (folder / f"{number}.html").write_text(f"<!-- {page.url} -->\n{page.content()}")
        (folder / "said.txt").write_text("\n".join([*self.wrong, "", *self.said[-1000:]]))

    def _note(self, what: str) -> None:
        self.said.append(f"WRONG {what}")
        if not any(pattern.search(what) for pattern in self._allowed):
            self.wrong.append(what)

    def _console(self, message: ConsoleMessage) -> None:
        self.said.append(f"{message.type}: {message.text}")
        # Requests that failed are noted below, with what they were.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self._note(f"console: {message.text}")

    def _asked(self, url: str) -> None:
        asked = urlsplit(url)
        if asked.scheme in {"http", "https", "ws", "wss"} and asked.netloc != urlsplit(self.server.url).netloc:
            self._note(f"another machine: {url}")

    def _socket(self, socket: WebSocket) -> None:
        self.said.append(f"socket: {urlsplit(socket.url).path}")
        self._asked(socket.url)

    def _failed(self, request: Request) -> None:
        # Aborted: the page went away, or had enough.
        if request.failure and "ERR_ABORTED" not in request.failure:
            self._note(f"failed: {request.method} {urlsplit(request.url).path} {request.failure}")

    def _answered(self, response: Response) -> None:
        line = f"{response.request.method} {urlsplit(response.url).path} {response.status}"
        self.said.append(line)
        if response.status >= 400:
            self._note(f"answer: {line}")

    def _dialog(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":  # a page may ask whether one wants to leave it
            self.said.append("asked before leaving")
            dialog.accept()
        else:
            self._note(f"dialog: {dialog.type} {dialog.message}")
            dialog.dismiss()
