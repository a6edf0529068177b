"""Values as JSON and back, for every store that keeps them as text: msgspec reads and writes attrs classes as they are.

A field that is new to a class needs a default, or rows written before cannot be read; one that is renamed needs a
migration. ``tests/adapters/test_rows.py`` holds rows as earlier versions wrote them.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeVar, get_args

import msgspec

from application.ports import Event

T = TypeVar("T")

KEPT = 4096
"""Decoded values that are remembered by their text: some 5 KiB each."""

_encoder = msgspec.json.Encoder()


def text_of(value: object) -> str:
    """The value as JSON."""
    return _encoder.encode(value).decode()


def value_of(text: str, kind: type[T]) -> T:
    """The value back, of which there may be other holders: values are frozen. Raises ValueError for what is none."""
    hashable: Any = kind
    value: T = _decoded(text, hashable)
    return value


def read_once(text: str | bytes, kind: type[T]) -> T:
    """The same for what is read one by one and not again soon: nothing is remembered."""
    hashable: Any = kind
    value: T = _decoder(hashable).decode(text)
    return value


def values_of(text: str, kind: type[T]) -> list[T]:
    """Those of a JSON list. None is remembered: a list may be long, and is read once."""
    listed: Any = list[kind]  # type: ignore[valid-type]  # made at run time
    values: list[T] = _decoder(listed).decode(text)
    return values


@lru_cache(KEPT)
def _decoded(text: str, kind: Any) -> Any:
    return _decoder(kind).decode(text)


@lru_cache(None)
def _decoder(kind: Any) -> Any:
    return msgspec.json.Decoder(kind)


def _kinds(union: Any) -> Mapping[str, type[Event]]:
    return {kind.__name__: kind for kind in get_args(union)}


EVENTS: Mapping[str, type[Event]] = _kinds(Event)
"""Every kind of event by the name that it is stored under."""


def kind_of(event: Event) -> str:
    return type(event).__name__


def event_of(kind: str, text: str) -> Event:
    """Raises ValueError for a kind that this version does not know."""
    try:
        known: Any = EVENTS[kind]
    except KeyError:
        message = f"this version knows no event {kind!r}"
        raise ValueError(message) from None
    event: Event = _decoder(known).decode(text)
    return event
