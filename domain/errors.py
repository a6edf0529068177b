"""What can go wrong, by what a caller can do about it.

    DomainError
    ├── NotFound         it is not there, or not for you to know
    ├── Invalid          a value breaks a rule; change the value (also a ValueError)
    ├── Unauthenticated  say who you are first
    ├── Forbidden        we know who you are, and you may not
    ├── Conflict         it clashes with what is stored; read again
    │   ├── Stale        someone else saved in between
    │   │   └── VersionMismatch  the version you named is not the stored one
    │   ├── Taken        a name that must be unique belongs to someone else
    │   └── IllegalTransition
    ├── TooLarge         more bytes than are allowed
    └── Unavailable      not now; the same request may work later
        └── TooManyTries  of a secret; none is looked at for a while

``code`` is stable and meant for programs, the message is meant for people and safe to show.
"""

from collections.abc import Sequence


class DomainError(Exception):
    """Something the caller should know. ``fields`` pairs a field's name with what is wrong with it; ``field`` is the one that
    all of it is about.
    """

    code = "error"

    def __init__(
        self, message: str, *, code: str = "", field: str = "", fields: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.fields = tuple(fields) or (((field, message),) if field else ())


class NotFound(DomainError):
    code = "not_found"


class Invalid(DomainError, ValueError):
    code = "invalid"


class Unauthenticated(DomainError):
    code = "unauthenticated"


class Forbidden(DomainError):
    code = "forbidden"


class Conflict(DomainError):
    code = "conflict"


class Stale(Conflict):
    code = "stale"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was changed by someone else; read it again")


class VersionMismatch(Stale):
    code = "version_mismatch"


class Taken(Conflict):
    code = "taken"


class IllegalTransition(Conflict):
    code = "illegal_transition"

    def __init__(self, what: str, current: str, wanted: str) -> None:
        super().__init__(f"{what} that is {current} cannot become {wanted}")
        self.current = current
        self.wanted = wanted


class TooLarge(DomainError):
    code = "too_large"


class Unavailable(DomainError):
    code = "unavailable"


class TooManyTries(Unavailable):
    """``wait_s`` says for how long."""

    code = "too_many_tries"

    def __init__(self, message: str, *, wait_s: int) -> None:
        super().__init__(message)
        self.wait_s = wait_s
