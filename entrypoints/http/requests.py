"""What every controller reads from requests and puts into answers: cursors, versions, documented errors."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Generic, TypeVar

from attrs import frozen
from litestar import Request, Response
from litestar.exceptions import HTTPException, SerializationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from msgspec import UNSET, Struct

from application.ports import Page
from domain.errors import DomainError, Invalid
from entrypoints.http.errors import MEDIA_TYPE, Problem, status_of
from entrypoints.http.validation import decoded

T = TypeVar("T")
V = TypeVar("V")

CURSOR_CHARS_MOST = 4096
_MAC_BYTES, _SCOPE_BYTES = 16, 8

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many at most.")]
CursorText = Annotated[
    str | None,
    QueryParameter(max_length=CURSOR_CHARS_MOST, description="Where to go on: ``next_cursor`` of the page before."),
]


@frozen
class Listing(Generic[V]):
    """Some of a list. ``next_cursor`` is null on the last page."""

    data: Sequence[V]
    next_cursor: str | None


def scope(*parts: object) -> str:
    """What a list is of, as text: its path and filters, but not ``limit``, which may change from page to page."""
    return "\x1f".join("" if part is None else str(part) for part in parts)


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body is JSON where a handler takes ``data``, whatever comes in its place."""

    async def json(self) -> Any:
        """The body as the handler takes it.

        Raises what is answered with 415 for another type of content, with 400 for what cannot be read, and with
        422 for what is not as it should be.
        """
        kind = self.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            raise HTTPException("send the body as application/json", status_code=415)
        try:
            body = await super().json()
        except UnicodeDecodeError as error:
            raise SerializationException("this is not UTF-8") from error
        except RecursionError as error:
            raise SerializationException("this is nested too deeply") from error
        taken = self.route_handler.parsed_data_field
        return body if taken is None else decoded(body, taken.annotation)


class Cursors:
    """Adapters' cursors on their way out and back: signed, so that nobody makes them up, and good for one list only."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def read(self, cursor: str | None, scope: str) -> str | None:
        """The adapter's cursor. Raises Invalid (``invalid_cursor``; ``cursor_mismatch`` for another list's)."""
        if cursor is None:
            return None
        try:
            raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise _unreadable() from None
        mac, content = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(content)):
            raise _unreadable()
        if content[:_SCOPE_BYTES] != _digest(scope):
            raise Invalid("this cursor belongs to another list", code="cursor_mismatch", field="cursor")
        return content[_SCOPE_BYTES:].decode()

    def page(self, page: Page[T], scope: str, view: Callable[[T], V]) -> Listing[V]:
        """The page as clients see it."""
        return Listing([view(item) for item in page.items], self._written(page.next, scope))

    def _written(self, cursor: str | None, scope: str) -> str | None:
        if cursor is None:
            return None
        content = _digest(scope) + cursor.encode()
        return base64.urlsafe_b64encode(self._mac(content) + content).rstrip(b"=").decode("ascii")

    def _mac(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, "sha256")[:_MAC_BYTES]


def _digest(scope: str) -> bytes:
    return hashlib.sha256(scope.encode()).digest()[:_SCOPE_BYTES]


def _unreadable() -> Invalid:
    return Invalid("this is not a cursor from here", code="invalid_cursor", field="cursor")


def if_match(header: str | None) -> int | None:
    """The version that an If-Match header names; None for no header and for ``*``.

    Raises Invalid (``invalid_if_match``).
    """
    if header is None or (text := header.strip()) == "*":
        return None
    number = text.removeprefix("W/").removeprefix('"').removesuffix('"')
    if not (number.isascii() and number.isdigit() and len(number) < 16 and text.endswith(f'"{number}"')):
        raise Invalid('If-Match takes one version as its ETag names it, such as "3", or *', code="invalid_if_match")
    return int(number)


def versioned(view: V, version: int, status_code: int = 200, headers: Mapping[str, str] | None = None) -> Response[V]:
    """An answer whose ETag is the version, for If-Match."""
    return Response(view, status_code=status_code, headers={"etag": f'"{version}"', **(headers or {})})


class _SharedSpec(ResponseSpec):
    """One for all copies of a handler. Litestar copies handlers deeply, several times each, and these weigh most."""

    def __deepcopy__(self, memo: object) -> "_SharedSpec":
        return self


def problems(*errors: type[DomainError]) -> dict[int, ResponseSpec]:
    """The error answers of a handler, for the OpenAPI document."""
    named: dict[int, list[str]] = {}
    for error in errors:
        named.setdefault(status_of(error), []).append(error.code)
    return {
        status: _SharedSpec(
            Problem, generate_examples=False, media_type=MEDIA_TYPE, description=f"Problem: {', '.join(codes)}"
        )
        for status, codes in named.items()
    }


def changes(patch: Struct, **empty: object) -> dict[str, Any]:
    """What a merge patch (RFC 7396) names, by field; ``empty`` says what a null stands for."""
    named = ((name, getattr(patch, name)) for name in patch.__struct_fields__)
    return {name: empty.get(name) if value is None else value for name, value in named if value is not UNSET}
