"""Cursors: where in a list to go on, as an opaque text."""

import json
from base64 import b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any

from domain.errors import Invalid

Key = tuple[Any, ...]
"""Texts, numbers and times."""


def encoded(tail: Key) -> str:
    """A cursor that says: after this."""
    text = json.dumps(tail, default=_instant, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decoded(cursor: str) -> Key:
    """The tail that ``encoded`` was given. Raises Invalid (``invalid_cursor``)."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        tail = tuple(map(_part, json.loads(b64decode(padded, altchars=b"-_", validate=True))))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise garbled() from None
    if not tail or not all(isinstance(part, (str, int, float, datetime)) for part in tail):
        raise garbled()
    return tail


def _part(part: Any) -> Any:
    """Raises ValueError for what no store could compare with what it holds."""
    if isinstance(part, str):
        part.encode()  # half of a surrogate pair is no text
    if not isinstance(part, dict):
        return part
    at = datetime.fromisoformat(part["at"])
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at


def count(cursor: str | None) -> int:
    """How many were shown, where that is all a cursor says; 0 for none. Raises Invalid (``invalid_cursor``)."""
    match decoded(cursor) if cursor is not None else (0,):
        case (int(shown),) if shown >= 0:
            return shown
        case _:
            raise garbled()


def _instant(part: object) -> dict[str, str]:
    if isinstance(part, datetime):
        return {"at": part.isoformat()}
    raise TypeError(f"no cursor can hold {part!r}")


def garbled() -> Invalid:
    """What to raise for a cursor that does not fit the list."""
    return Invalid("this cursor is none of ours", code="invalid_cursor", field="cursor")
