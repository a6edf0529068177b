"""Signing in: where tokens are kept, what tabs share, and what a mistake looks like."""

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.steps import sign_in, sign_out, signed_in, signed_out
from tests.journey import server as journey
from tests.journey.server import PASSWORD, Person, Server

KEPT = """async () => {
    const kept = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie]
    for (const name of await caches.keys()) kept.push(name)
    for (const { name } of await indexedDB.databases()) {
        const open = indexedDB.open(name)
        await new Promise((resolve, reject) => { open.onsuccess = resolve; open.onerror = reject })
        for (const store of open.result.objectStoreNames) {
            const all = open.result.transaction(store).objectStore(store).getAll()
            await new Promise((resolve, reject) => { all.onsuccess = resolve; all.onerror = reject })
            kept.push(JSON.stringify(all.result))
        }
        open.result.close()
    }
    return kept.join('\\n')
}"""
"""All that a script of ours, or one that got in, could read later."""


@pytest.fixture(scope="module")
def ada(server: Server) -> Person:
    return journey.sign_up(server, "ada_s")


def test_nobody_can_read_a_token(visit: Visit, ada: Person) -> None:
    """The page that signed in, one that was loaded again, and the network: no script gets at what lasts."""
    visitor = visit()
    page = visitor.open("/sign-in")
    with page.expect_response("**/v1/auth/sign-in") as answered:
        sign_in(page, ada.email)
    expect(signed_in(page)).to_be_visible()
    given = answered.value.json()
    assert given.get("refresh_token") is None
    (cookie,) = visitor.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert cookie["path"].startswith("/v1/auth")
    for _ in range(2):
        kept = page.evaluate(KEPT)
        assert "hexcast.signed-in" in kept
        for secret in (given["access_token"], cookie["value"], "eyJ"):
            assert secret not in kept
        page.reload()
        expect(signed_in(page)).to_be_visible()


def test_tabs_are_one_session(visit: Visit, ada: Person) -> None:
    visitor = visit()
    first = visitor.open("/sign-in?next=/account")
    sign_in(first, ada.email)
    expect(first.get_by_label("Name")).to_have_value("Ada_S")
    second = visitor.tab()
    second.goto(f"{visitor.server.url}/account")
    expect(second.get_by_label("Name")).to_have_value("Ada_S")
    sign_out(first)
    expect(signed_out(second)).to_be_visible()
    third = visitor.tab()
    third.goto(visitor.server.url)
    expect(signed_out(third)).to_be_visible()
    assert visitor.context.cookies() == []


def test_a_tab_goes_on_when_another_signs_in(visit: Visit, ada: Person) -> None:
    visitor = visit()
    first, second = visitor.open("/sign-in"), visitor.tab()
    second.goto(visitor.server.url)
    sign_in(first, ada.email)
    expect(signed_in(first)).to_be_visible()
    second.reload()
    expect(signed_in(second)).to_be_visible()


def test_a_mistake_is_told_and_nothing_typed_is_lost(visit: Visit, ada: Person) -> None:
    visitor = visit()
    visitor.allow("answer: POST /v1/auth/")
    page = visitor.open("/sign-in?next=/history")
    sign_in(page, ada.email, "wrong horse battery")
    expect(page.get_by_role("alert")).to_contain_text(said(visitor.server, "sign-in", ada.email))
    expect(page.get_by_label("E-mail address")).to_have_value(ada.email)
    sign_in(page, ada.email)
    expect(page).to_have_url(f"{visitor.server.url}/history")
    page = visitor.open("/sign-up")
    sign_out(page)
    page = visitor.open("/sign-up")
    page.get_by_label("Name", exact=True).fill("Ada again")
    page.get_by_label("Handle").fill("ada_s")
    page.get_by_label("E-mail address").fill("other@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_label("Handle")).to_be_focused()
    expect(page.get_by_label("Handle")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("This handle belongs to someone else.").filter(visible=True)).to_have_count(1)
    expect(page.get_by_label("Name", exact=True)).to_have_value("Ada again")


def test_what_could_not_be_sent_is_to_be_sent_again(visit: Visit, ada: Person) -> None:
    """That nothing can be reached is not said any longer than it is so."""
    visitor = visit(ada)
    visitor.allow("ERR_INTERNET_DISCONNECTED")
    page = visitor.open("/account")
    visitor.settle()
    visitor.context.set_offline(True)
    page.get_by_label("Name", exact=True).fill("Ada of the tower")
    page.get_by_role("button", name="Save").first.click()
    wrong = page.get_by_role("alert")
    expect(wrong).to_contain_text("Hexcast cannot be reached")
    visitor.context.set_offline(False)
    expect(wrong).to_contain_text("this was not done. Try again.")
    page.get_by_role("button", name="Save").first.click()
    expect(wrong).to_be_hidden()


def said(server: Server, path: str, email: str) -> str:
    """What the API says of a wrong password: a clause, shown as a sentence."""
    answer = httpx.post(f"{server.url}/v1/auth/{path}", json={"email": email, "password": "wrong horse battery"})
    detail: str = answer.json()["detail"]
    return detail[1:]
