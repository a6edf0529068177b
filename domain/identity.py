"""People: the profile others see. Passwords, codes and tokens belong to the identity provider."""

import re
from datetime import datetime, timedelta

from attrs import evolve, field, frozen

from domain.access import Role
from domain.errors import Invalid
from domain.ids import UserId
from domain.text import handle, length, line

# No controls, and no halves of surrogate pairs, which no store can write.
_NONE_OF = r"@\s\x00-\x1f\x7f\ud800-\udfff"
_EMAIL = re.compile(rf"[^{_NONE_OF}]{{1,64}}@[^{_NONE_OF}.]+(?:\.[^{_NONE_OF}.]+)*")
PASSWORD_LEAST, PASSWORD_MOST = 8, 256
SIGN_IN_LIFE = timedelta(days=30)
"""How long one may stay signed in without the password."""


def email(text: str) -> str:
    """An address in its stored form: trimmed, lower case. Raises Invalid."""
    normal = text.strip().lower()
    if len(normal) > 254 or not _EMAIL.fullmatch(normal):
        raise Invalid("this is not an e-mail address", code="invalid_email", field="email")
    return normal


def password(text: str) -> str:
    """The password as it is, if it may be one (length only, as NIST SP 800-63B asks). Raises Invalid."""
    if not PASSWORD_LEAST <= len(text) <= PASSWORD_MOST:
        message = f"a password has {PASSWORD_LEAST} to {PASSWORD_MOST} characters"
        raise Invalid(message, code="invalid_password", field="password")
    return text


@frozen(kw_only=True)
class User:
    """Someone with an account. ``handle`` is unique among users."""

    id: UserId
    handle: str = field(converter=handle)
    display_name: str = field(converter=line, validator=length(1, 60))
    email: str = field(converter=email, repr=False)
    roles: frozenset[Role] = frozenset({Role.USER})
    created_at: datetime
    version: int = 0

    def edit(self, *, handle: str | None = None, display_name: str | None = None) -> "User":
        """The profile with what was given changed; None leaves a thing as it is."""
        return evolve(
            self,
            handle=self.handle if handle is None else handle,
            display_name=self.display_name if display_name is None else display_name,
        )


@frozen
class SignedUp:
    """An account was made; it is not confirmed yet."""

    user: UserId
    at: datetime


@frozen
class AccountClosed:
    """A person left. What they made stays or goes by the rule of each subject."""

    user: UserId
    at: datetime
