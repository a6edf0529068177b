"""Walks over sorted keys, a page at a time.

Keys are tuples that end in an id, in a ``SortedList`` or ``SortedDict``; they may begin with what a list is
of (a channel, a user), so that one index serves every such list. A cursor is the rest of the last key shown:
it stays good whatever is added or removed, and finding the place again takes O(log n).
"""

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Protocol, TypeVar

from application.ports import Page
from domain.errors import Invalid

Key = tuple[Any, ...]
T = TypeVar("T")


class Sorted(Protocol):
    """What ``SortedList`` and ``SortedDict`` share."""

    def irange(
        self,
        minimum: Any = ...,
        maximum: Any = ...,
        inclusive: tuple[bool, bool] = ...,
        reverse: bool = ...,  # noqa: FBT001  (sortedcontainers' signature)
    ) -> Iterator[Any]: ...


class _Beyond:
    """Greater than whatever it is compared with."""

    def __lt__(self, other: object) -> bool:
        return False

    def __gt__(self, other: object) -> bool:
        return True


BEYOND = _Beyond()
"""Ends a key that comes after all keys with the same beginning."""


def encoded(tail: Key) -> str:
    """A cursor that says: after this."""
    text = json.dumps(tail, default=_instant, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decoded(cursor: str) -> Key:
    """The tail that ``encoded`` was given. Raises Invalid (``invalid_cursor``)."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = json.loads(b64decode(padded, altchars=b"-_", validate=True))
        tail = tuple(datetime.fromisoformat(part["at"]) if isinstance(part, dict) else part for part in parts)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _garbled() from None
    if not tail or not all(isinstance(part, (str, int, float, datetime)) for part in tail):
        raise _garbled()
    return tail


def walk(
    keys: Sorted, *, within: Key = (), cursor: str | None = None, tail: Key = (), descending: bool = False
) -> Iterator[Key]:
    """The keys that begin with ``within``, after the cursor (or the ``tail`` it stands for).

    Raises Invalid (``invalid_cursor``), at once.
    """
    tail = decoded(cursor) if cursor is not None else tail
    last = (*within, *tail) if tail else None
    first, end = (within, (*within, BEYOND)) if within else (None, None)
    try:
        if descending:
            return keys.irange(first, last or end, inclusive=(True, False), reverse=True)
        return keys.irange(last or first, end, inclusive=(False, True))
    except TypeError:
        # The parts of this cursor do not compare with those of these keys.
        raise _garbled() from None


def page_of(walked: Iterator[Key], find: Callable[[Key], T], limit: int, *, beginning: int = 0) -> Page[T]:
    """The first ``limit`` of a walk over keys; ``beginning`` is how many of their parts the cursor leaves out."""
    keys = list(islice(walked, limit + 1))
    if len(keys) <= limit:
        return Page([find(key) for key in keys])
    del keys[limit:]
    return Page([find(key) for key in keys], encoded(keys[-1][beginning:]))


def page(
    keys: Sorted, find: Callable[[Key], T], *, within: Key = (), cursor: str | None, limit: int,
    descending: bool = False,
) -> Page[T]:  # fmt: skip
    """One page of the keys that begin with ``within``; ``find`` gives the value of a key."""
    walked = walk(keys, within=within, cursor=cursor, descending=descending)
    return page_of(walked, find, limit, beginning=len(within))


def _instant(part: object) -> dict[str, str]:
    if isinstance(part, datetime):
        return {"at": part.isoformat()}
    raise TypeError(f"no cursor can hold {part!r}")


def _garbled() -> Invalid:
    return Invalid("this cursor is none of ours", code="invalid_cursor", field="cursor")
