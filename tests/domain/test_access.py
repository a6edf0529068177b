"""Who is asking, and how they are refused."""

import pytest

from domain import errors
from domain.access import ANONYMOUS, Actor, Role
from domain.errors import DomainError, Forbidden, IllegalTransition, Invalid, Stale, Unauthenticated
from domain.ids import UserId

BOB = UserId("usr_b")
EVERYONE = [frozenset[Role](), *(frozenset({role}) for role in Role), frozenset(Role)]


@pytest.mark.parametrize("roles", EVERYONE)
def test_roles(roles: frozenset[Role]) -> None:
    """Administrators moderate too; a user alone does neither."""
    actor = Actor(BOB, roles)
    assert actor.moderates == bool(roles & {Role.MODERATOR, Role.ADMIN})
    assert actor.administers == (Role.ADMIN in roles)
    assert actor.require_user() == BOB


@pytest.mark.parametrize("roles", EVERYONE)
def test_only_moderators_moderate(roles: frozenset[Role]) -> None:
    """Others are told that they may not, strangers to say who they are first."""
    if Actor(BOB, roles).moderates:
        assert Actor(BOB, roles).require_moderator() == BOB
    else:
        with pytest.raises(Forbidden):
            Actor(BOB, roles).require_moderator()
    with pytest.raises(Unauthenticated):
        Actor(None, roles).require_moderator()


def test_nobody_is_nobody() -> None:
    """Without a name and without a role."""
    assert Actor() == ANONYMOUS
    with pytest.raises(Unauthenticated):
        ANONYMOUS.require_user()


CODES = {
    "DomainError": "error",
    "NotFound": "not_found",
    "Invalid": "invalid",
    "Unauthenticated": "unauthenticated",
    "Forbidden": "forbidden",
    "Conflict": "conflict",
    "Stale": "stale",
    "VersionMismatch": "version_mismatch",
    "Taken": "taken",
    "IllegalTransition": "illegal_transition",
    "TooLarge": "too_large",
    "Unavailable": "unavailable",
    "TooManyTries": "too_many_tries",
}


def test_codes_are_stable() -> None:
    """Programs tell errors apart by them, so each has one, and none changes."""
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, DomainError)]
    assert {each.__name__: each.code for each in classes} == CODES
    assert len(set(CODES.values())) == len(CODES)


def test_a_code_may_say_more_than_its_class() -> None:
    """The class is what one can do about it, the code what it was."""
    assert (Forbidden("no").code, Forbidden("no", code="comments_disabled").code) == ("forbidden", "comments_disabled")
    assert Stale("the video").code == "stale"
    assert "the video" in str(Stale("the video"))


def test_invalid_is_a_value_error_that_names_its_fields() -> None:
    """So that whatever makes values of input can catch it as one."""
    assert isinstance(Invalid("no"), ValueError)
    assert Invalid("no").fields == ()
    assert Invalid("no", field="title").fields == (("title", "no"),)
    assert Invalid("no", fields=[("a", "x"), ("b", "y")]).fields == (("a", "x"), ("b", "y"))


def test_an_illegal_transition_says_from_where_to_where() -> None:
    """For people and for programs."""
    error = IllegalTransition("an upload", "expired", "completed")
    assert (error.current, error.wanted) == ("expired", "completed")
    assert str(error) == "an upload that is expired cannot become completed"
