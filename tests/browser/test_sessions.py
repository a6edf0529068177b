"""Signing in: where tokens are kept, what tabs share, and what a mistake looks like."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.steps import ask_to_join, sign_in, sign_out, signed_in, signed_out, type_code
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


NOT_FOR_ALL = r"answer: GET \S*/str_\S+ 404"


@pytest.fixture(scope="module")
def ada(server: Server) -> Person:
    return journey.sign_up(server, "ada_s")


@pytest.fixture(scope="module")
def hers(ada: Person) -> str:
    """The page of what only she may see."""
    body = {"channel_id": ada.channel("ada_sessions"), "title": "For Ada alone", "visibility": "private"}
    return f"/live/{ada.post('/v1/streams', body)['id']}"


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


def test_a_tab_goes_on_when_another_signs_in(visit: Visit, ada: Person, hers: str) -> None:
    """By itself, with what is for her alone."""
    visitor = visit()
    visitor.allow(NOT_FOR_ALL)
    first, second = visitor.open("/sign-in"), visitor.tab()
    second.goto(f"{visitor.server.url}{hers}")
    expect(second.get_by_role("main")).to_contain_text("not here, or not for you to see")
    sign_in(first, ada.email)
    for tab in (first, second):
        expect(signed_in(tab)).to_be_visible()
    expect(second.get_by_role("heading", level=1)).to_have_text("For Ada alone")
    sign_out(first)
    expect(second.get_by_role("main")).to_contain_text("not here, or not for you to see")


@pytest.mark.parametrize(("path", "status"), [("/v1/auth/refresh", 503), ("/v1/auth/refresh", 429), ("/v1/me", 500)])
def test_who_is_there_is_asked_until_it_is_told(visit: Visit, ada: Person, hers: str, path: str, status: int) -> None:
    """Meanwhile pages show what anyone may see, and say so where that is nothing; then they are hers by themselves."""
    visitor = visit(ada)
    visitor.allow(f"answer: (GET|POST) {path} {status}", NOT_FOR_ALL)
    visitor.context.route(f"**{path}", lambda route: route.fulfill(status=status, json={}))
    page = visitor.open("/")
    expect(page.get_by_role("heading", name="Latest")).to_be_visible()
    account, live = visitor.tab(), visitor.tab()
    account.goto(f"{visitor.server.url}/account")
    expect(account.get_by_role("alert")).to_be_visible()
    live.goto(f"{visitor.server.url}{hers}")
    visitor.context.unroute(f"**{path}")
    for tab in (page, account, live):
        expect(signed_in(tab)).to_be_visible()
    expect(account.get_by_label("Name")).to_have_value("Ada_S")
    expect(live.get_by_role("heading", level=1)).to_have_text("For Ada alone")


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
    page = ask_to_join(visitor, "ada_s", "Ada again", "other@example.org")
    expect(page.get_by_label("Handle")).to_be_focused()
    expect(page.get_by_label("Handle")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("This handle belongs to someone else.").filter(visible=True)).to_have_count(1)
    expect(page.get_by_label("Name", exact=True)).to_have_value("Ada again")


def test_guessing_at_a_password_is_slowed(visit: Visit) -> None:
    """What was typed can be looked at, and does not help."""
    visitor = visit()
    visitor.allow("answer: POST /v1/auth/sign-in (401|429)")
    page = visitor.open("/sign-in")
    sign_in(page, "guessed@example.org", "wrong horse battery")
    password, shown = page.get_by_label("Password"), page.get_by_role("button", name="Show password", pressed=False)
    expect(password).to_have_attribute("type", "password")
    shown.click()
    expect(password).to_have_attribute("type", "text")
    expect(password).to_have_value("wrong horse battery")
    wrong = page.get_by_role("alert")

    def refused() -> bool:
        """At once after the fifth; a browser that takes its time tries again, and waits twice as long."""
        with page.expect_response("**/v1/auth/sign-in") as answer:
            sign_in(page, "guessed@example.org", "wrong horse battery")
        return answer.value.status == 429

    visitor.until("a refusal to look at the password", refused)
    expect(wrong).to_have_text(re.compile(r"Too many wrong passwords; try again in \d+ s\."))


def test_who_is_signed_in_is_led_past_the_forms(visit: Visit, ada: Person) -> None:
    """Opened anew and by going back."""
    visitor = visit()
    page = visitor.open("/history")
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    sign_in(page, ada.email)
    history = f"{visitor.server.url}/history"
    expect(page).to_have_url(history)
    expect(signed_in(page)).to_be_visible()
    page.go_back()
    expect(page).to_have_url(history)
    page.goto(f"{visitor.server.url}/sign-in?next=/history")
    expect(page).to_have_url(history)
    page.goto(f"{visitor.server.url}/sign-up")
    expect(page).to_have_url(f"{visitor.server.url}/")


def test_a_code_can_be_typed_after_a_reload(visit: Visit) -> None:
    """Then the password is gone, which was kept nowhere, and one hears what is done already."""
    visitor = visit()
    page = ask_to_join(visitor, "rita_s", "Rita", address="/sign-up?next=/history")
    asked = page.get_by_role("heading", name="Confirm your address")
    expect(asked).to_be_visible()
    page.reload()
    expect(asked).to_be_visible()
    assert PASSWORD not in page.evaluate(KEPT)
    type_code(page)
    expect(page.get_by_text("Your address is confirmed.")).to_be_visible()
    expect(page.get_by_label("E-mail address")).to_have_value("rita_s@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("form").get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{visitor.server.url}/history")


def test_opening_a_channel_leads_back_to_what_needed_one(visit: Visit, server: Server) -> None:
    visitor = visit(journey.sign_up(server, "cleo_s"))
    page = visitor.open("/studio/upload")
    page.get_by_role("link", name="Open a channel").click()
    page.get_by_label("Name", exact=True).fill("Cleo at work")
    page.get_by_role("button", name="Open channel").click()
    expect(page.get_by_role("heading", name="Drop videos here")).to_be_visible()
    page.get_by_role("link", name="Channels").click()
    page.get_by_role("link", name="Edit: Cleo at work").click()
    page.get_by_role("link", name="/@cleo_at_work").click()
    expect(page.get_by_role("heading", name="Cleo at work", level=1)).to_be_visible()


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


def test_an_account_goes_once_its_handle_was_typed(visit: Visit, server: Server) -> None:
    """In every tab; and nobody signs in to it again."""
    zoe = journey.sign_up(server, "zoe_s")
    visitor = visit(zoe)
    visitor.allow("answer: POST /v1/auth/refresh 401")  # a tab may hear of the end before it hears who asked for it
    page, other = visitor.open("/account"), visitor.tab()
    other.goto(visitor.server.url)
    expect(signed_in(other)).to_be_visible()
    page.get_by_role("button", name="Delete the account").click()
    dialog = page.get_by_role("dialog", name="Delete the account?")
    dialog.get_by_label("Type zoe_s to confirm").fill("zoe_s")
    dialog.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Your account is deleted.")).to_be_visible()
    for each in (page, other):
        expect(signed_out(each)).to_be_visible()
    assert visitor.context.cookies() == []
    visitor.allow("answer: POST .*/v1/auth/sign-in 401")
    page.goto(f"{visitor.server.url}/sign-in")
    sign_in(page, zoe.email)
    expect(page.get_by_role("alert")).to_be_visible()
