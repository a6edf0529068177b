"""What people do by clicks, again and again."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.visitor import Visitor
from tests.journey.server import PASSWORD


def sign_up(visitor: Visitor, handle: str, name: str | None = None) -> None:
    """With the code from the mail, which this machine shows."""
    page = visitor.open("/sign-up")
    page.get_by_label("Name", exact=True).fill(name or handle.title())
    page.get_by_label("Handle").fill(handle)
    page.get_by_label("E-mail address").fill(f"{handle}@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    type_code(page)
    expect(signed_in(page)).to_be_visible()


def type_code(page: Page) -> None:
    """The one in the mail, which is shown."""
    page.get_by_role("button", name="Show the mail").click()
    code = re.search(r"\b\d{6}\b", page.locator(".mail").inner_text())
    assert code is not None
    page.get_by_label("Code").fill(code[0])
    page.get_by_role("button", name="Confirm").click()


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
