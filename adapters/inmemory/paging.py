"""Walks over sorted keys, a page at a time.

Keys are tuples that end in an id, in a ``SortedList`` or ``SortedDict``; they may begin with what a list is
of (a channel, a user), so that one index serves every such list. A cursor is the rest of the last key shown:
it stays good whatever is added or removed, and finding the place again takes O(log n).
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Protocol, TypeVar

from adapters.cursors import Key, decoded, encoded, garbled
from application.ports import Page

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
        raise garbled() from None


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
