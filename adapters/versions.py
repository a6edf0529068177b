"""Versions of stored values."""

from functools import cache
from typing import Any, Protocol, TypeVar

from attrs import fields


class Versioned(Protocol):
    @property
    def version(self) -> int: ...


V = TypeVar("V", bound=Versioned)


def next_version(value: V) -> V:
    """The same attrs value, one version on.

    Nothing else changes, so nothing is converted and checked again as ``attrs.evolve`` would, which for a video
    takes longer than storing it.
    """
    twin = object.__new__(type(value))
    for name in _names(type(value)):
        object.__setattr__(twin, name, getattr(value, name))
    object.__setattr__(twin, "version", value.version + 1)
    return twin


@cache
def _names(of: Any) -> tuple[str, ...]:
    return tuple(each.name for each in fields(of))
