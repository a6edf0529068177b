"""Saving again when someone else saved in between, but not for ever and never over a version that was named."""

import pytest

from application.retry import TRIES, expect, settled
from domain.errors import NotFound, Stale, VersionMismatch


async def outcome(*errors: Exception) -> tuple[object, int]:
    """What comes of a step that meets these errors first, and how often it was done."""
    left, done = list(errors), 0

    async def step() -> str:
        nonlocal done
        done += 1
        if left:
            raise left.pop(0)
        return "saved"

    try:
        return await settled(step), done
    except (Stale, NotFound) as error:
        return type(error), done


async def test_a_stale_step_is_done_again_until_it_settles() -> None:
    assert await outcome() == ("saved", 1)
    assert await outcome(Stale("it"), Stale("it")) == ("saved", 3)
    assert await outcome(*[Stale("it")] * (TRIES - 1)) == ("saved", TRIES)
    assert await outcome(*[Stale("it")] * TRIES) == (Stale, TRIES)


async def test_what_cannot_get_better_is_not_done_again() -> None:
    assert await outcome(VersionMismatch("it")) == (VersionMismatch, 1)
    assert await outcome(Stale("it"), NotFound("it")) == (NotFound, 2)


def test_only_a_version_that_was_named_is_compared() -> None:
    expect("it", 3, None)
    expect("it", 3, 3)
    for other in (0, 2, 4):
        with pytest.raises(VersionMismatch):
            expect("it", 3, other)
