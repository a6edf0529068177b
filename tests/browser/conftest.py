"""One Chromium for all of these tests, and a server that serves the web client as it was built."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.visitor import KEPT, Visitor
from tests.journey.server import PASSWORD, ROOT, Person, Server

CHROMIUM = Path("/usr/bin/chromium")
WEB = ROOT / "entrypoints" / "http" / "web"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
    # No name of another machine has an address.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
Visit = Callable[..., Visitor]

_outcome = pytest.StashKey[list[pytest.TestReport]]()


def lacking() -> str | None:
    if not CHROMIUM.exists():
        return f"no {CHROMIUM}: these tests drive Debian's Chromium"
    if not (WEB / "dist" / "index.html").exists():
        return "the web client was not built: make web builds it where there is npm"
    if not (WEB / "node_modules" / "axe-core").exists():
        return "no axe-core: make setup installs it where there is npm"
    return None


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """BROWSER_TESTS=required makes a failure of what would be skipped otherwise."""
    if reason := lacking():
        if os.environ.get("BROWSER_TESTS") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    shutil.rmtree(KEPT, ignore_errors=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def serving(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    assert browser.is_connected()
    with Server(tmp_path_factory.mktemp("hexcast") / "data").running() as running:
        yield running


server = pytest.fixture(scope="package", name="server")(serving)


@pytest.fixture(scope="package")
def demo(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The one with people and videos already there."""
    assert browser.is_connected()
    data = tmp_path_factory.mktemp("demo") / "data"
    with Server(data, module="entrypoints.demo", word="The demo is").running() as running:
        yield running


@pytest.fixture(scope="package")
def films_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report: pytest.TestReport = yield
    item.stash.setdefault(_outcome, []).append(report)
    return report


@pytest.fixture
def visit(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """``visit()`` is a browser of its own, ``visit(person)`` one where that person is signed in.

    Whatever went wrong in one of them fails the test.
    """
    visitors: list[Visitor] = []

    def come(
        person: Person | None = None,
        *,
        at: Server = server,
        width: int = 1280,
        password: str = PASSWORD,
        **options: Any,
    ) -> Visitor:
        size = {"width": width, "height": 844 if width < 500 else 800}
        visitor = Visitor(at, browser.new_context(**{"viewport": size} | options))
        visitors.append(visitor)
        if person is not None:
            visitor.sign_in(person, password)
        return visitor

    yield come
    failed = any(report.failed for report in request.node.stash.get(_outcome, []))
    wrong = [line for visitor in visitors for line in visitor.wrong]
    folder = KEPT / re.sub(r"\W+", "-", request.node.nodeid.partition("::")[2]).strip("-")
    for number, visitor in enumerate(visitors, 1):
        if failed or wrong:
            visitor.keep(folder / str(number))
        visitor.context.close()
    assert not wrong, "\n".join(["in the browser:", *wrong])
