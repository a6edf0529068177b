"""People's profiles, and what an address and a password may be."""

from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from domain.access import Role
from domain.errors import Invalid
from domain.identity import PASSWORD_LEAST, PASSWORD_MOST, User, email, password
from domain.ids import UserId

USER = User(
    id=UserId("usr_1"), handle="@Bob", display_name=" Bob  B. ", email=" Bob@Example.COM ",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip


def test_a_profile_is_stored_tidied() -> None:
    """And the address does not show in logs."""
    assert (USER.handle, USER.display_name, USER.email) == ("bob", "Bob B.", "bob@example.com")
    assert USER.roles == {Role.USER}
    assert "example.com" not in repr(USER)


def test_an_edit_changes_what_was_given() -> None:
    """None leaves a thing as it is."""
    assert USER.edit() == USER
    assert USER.edit(handle="rob") == evolve(USER, handle="rob")
    assert USER.edit(display_name="Rob") == evolve(USER, display_name="Rob")


@pytest.mark.parametrize(
    "changes",
    [{"handle": "b"}, {"handle": "admin"}, {"display_name": ""}, {"display_name": "x" * 61}, {"display_name": "\u3164"}],
)  # fmt: skip
def test_edits_that_break_a_rule(changes: dict[str, Any]) -> None:
    """The error names the field."""
    with pytest.raises(Invalid) as caught:
        USER.edit(**changes)
    assert [field for field, _ in caught.value.fields] == list(changes)


@pytest.mark.parametrize("text", ["a@b", "A.b+c@x-y.Example.com", " o'neil@xn--p1ai.ru ", "üser@bücher.example"])
def test_addresses(text: str) -> None:
    """Trimmed and in lower case; what is stored is its own stored form."""
    assert email(text) == text.strip().lower()
    assert email(email(text)) == email(text)


@pytest.mark.parametrize(
    "text",
    ["", "@", "a@", "@b.c", "a b@c.d", "a@b@c.d", "a@b..c", "a@.b", "a@b.", "a\x00@b.c", "a@b.c\r\nBcc: d@e.f",
     "x" * 65 + "@b.c", "a@" + "b" * 253, "\ud800@b.c", "a@\udfffb.c", "a@b.c\ud83d"],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    """Nothing that could end a header or name two people."""
    with pytest.raises(Invalid) as caught:
        email(text)
    assert (caught.value.code, caught.value.fields[0][0]) == ("invalid_email", "email")


@given(st.emails().filter(lambda text: len(text.partition("@")[0]) <= 64))
def test_every_real_address_passes(text: str) -> None:
    """Whatever signs it has."""
    assert email(text) == text.lower()


@given(st.text(min_size=PASSWORD_LEAST, max_size=PASSWORD_MOST))
def test_a_password_is_taken_as_it_is(text: str) -> None:
    """Any characters, none changed."""
    assert password(text) == text


@pytest.mark.parametrize("length", [0, PASSWORD_LEAST - 1, PASSWORD_MOST + 1])
def test_passwords_of_another_length(length: int) -> None:
    """The error does not repeat it."""
    with pytest.raises(Invalid) as caught:
        password("§" * length)
    assert caught.value.code == "invalid_password"
    assert "§" not in str(caught.value)
