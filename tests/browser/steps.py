"""What people do by clicks, again and again."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.visitor import Visitor
from tests.journey.server import PASSWORD


def sign_up(visitor: Visitor, handle: str, name: str | None = None) -> None:
    """With the code from the mail, which this machine shows."""
    page = ask_to_join(visitor, handle, name or handle.title())
    type_code(page)
    expect(signed_in(page)).to_be_visible()


def type_code(page: Page) -> None:
    """The one in the mail, which is shown; as people write such numbers."""
    page.get_by_role("button", name="Show the mail").click()
    code = re.search(r"\b\d{6}\b", page.locator(".mail").inner_text())
    assert code is not None
    page.get_by_label("Code").fill(f" {code[0][:3]} {code[0][3:]}")
    page.get_by_role("button", name="Confirm").click()


def ask_to_join(visitor: Visitor, handle: str, name: str, email: str | None = None, address: str = "/sign-up") -> Page:
    """What comes before the mail, and may be refused."""
    page = visitor.open(address)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Handle").fill(handle)
    page.get_by_label("E-mail address").fill(email or f"{handle}@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    return page


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    """On the form that is shown."""
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.locator("form").get_by_role("button", name="Sign in").click()


def sign_out(page: Page) -> None:
    signed_in(page).click()
    page.get_by_role("banner").get_by_role("button", name="Sign out").click()
    expect(signed_out(page)).to_be_visible()


def signed_in(page: Page) -> Locator:
    return page.get_by_role("banner").get_by_role("button", name="Account")


def signed_out(page: Page) -> Locator:
    return page.get_by_role("banner").get_by_role("link", name="Sign in")


def joined(page: Page) -> Page:
    """Where a chat is, before a broadcast: then only who is there hears what is said."""
    expect(page.get_by_role("log")).to_contain_text("Nothing has been said since you came.")
    return page
