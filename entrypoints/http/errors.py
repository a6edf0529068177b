"""How errors are answered: application/problem+json (RFC 9457), with a code for programs."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from attrs import define, frozen
from litestar import Request, Response
from litestar.exceptions import HTTPException, SerializationException, ValidationException
from litestar.typing import FieldDefinition

from domain.access import ANONYMOUS, Actor
from domain.errors import (
    Conflict,
    DomainError,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    TooManyTries,
    Unauthenticated,
    Unavailable,
    VersionMismatch,
)  # fmt: skip
from entrypoints.http.validation import NO_BODY, found_wrong

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
ASKING = "hexcast.asking"
"""Where a scope holds its ``Asking``."""

_STATUS: Mapping[type[BaseException], int] = {
    NotFound: 404,
    Invalid: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    VersionMismatch: 412,
    Conflict: 409,
    TooLarge: 413,
    TooManyTries: 429,
    Unavailable: 503,
    DomainError: 500,
}
_STATUS_BY_CODE: Mapping[str, int] = {
    "bad_request": 400,
    "chat_slow_mode": 429,
    "cursor_mismatch": 400,
    "format_not_implemented": 501,
    "insufficient_storage": 507,
    "invalid_cursor": 400,
    "invalid_idempotency_key": 400,
    "invalid_if_match": 400,
}
_HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"www-authenticate": 'Bearer realm="hexcast"'},
    503: {"retry-after": str(RETRY_AFTER_S)},
}
_FRAMEWORK_CODES: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
}

_log = structlog.get_logger("hexcast.http")


@frozen
class FieldProblem:
    """What is wrong with one field of the request."""

    field: str
    message: str


@frozen(kw_only=True)
class Problem:
    """Why a request was not done. ``code`` is stable and meant for programs, ``detail`` for people."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: Sequence[FieldProblem]
    request_id: str


@define
class Asking:
    """Who asks for what, as far as the edge has found out. ``refusal`` is what is wrong with the caller's token.

    ``cacheable`` is for whoever answers without a route: the answer may be kept as those of routes that say so.
    """

    id: str
    path: str
    actor: Actor = ANONYMOUS
    refusal: DomainError | None = None
    cacheable: bool = False

    @property
    def shown(self) -> str:
        """The path for logs: what stands for a token in links to media is left out."""
        match self.path.lstrip("/").split("/", 3):
            case ["media", "o", *_]:
                return self.path
            case ["media", door, _, key]:
                return f"/media/{door}/…/{key}"
            case ["media", door, _]:
                return f"/media/{door}/…"
            case _:
                return self.path

    def require_actor(self) -> Actor:
        """Raises what the token was refused with."""
        if self.refusal is not None:
            raise self.refusal
        return self.actor


def status_of(error: type[DomainError] | DomainError) -> int:
    """The status for an error or a kind of errors: its code's, or else that of its nearest ancestor."""
    kind = error if isinstance(error, type) else type(error)
    by_code = _STATUS_BY_CODE.get(error.code)
    return by_code or next(_STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in _STATUS)


@frozen
class Refusal:
    """A problem on its way out: its status, headers and encoded body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def refusal(
    asking: Asking, status: int, code: str, detail: str, *, errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> Refusal:  # fmt: skip
    """The problem's title is its status's name, and its type names its code: nothing is served there."""
    title = HTTPStatus(status).phrase
    shown = Problem(
        type=f"/problems/{code}", title=title, status=status, detail=detail or title, instance=asking.path, code=code,
        errors=errors, request_id=asking.id,
    )  # fmt: skip
    return Refusal(status, {**_HEADERS.get(status, {}), **(headers or {})}, msgspec.json.encode(shown))


def of_domain(asking: Asking, error: DomainError) -> Refusal:
    """Domain errors are written for whoever asks, so all they say is shown."""
    errors = [FieldProblem(field, message) for field, message in error.fields]
    headers = {"retry-after": str(error.wait_s)} if isinstance(error, TooManyTries) else None
    return refusal(asking, status_of(error), error.code, str(error), errors=errors, headers=headers)


def of_unknown(asking: Asking, error: Exception) -> Refusal:
    """Nothing of an error that nobody foresaw is shown; the log has it under the request's id."""
    _log.error("failed", request_id=asking.id, path=asking.shown, exc_info=error)
    return refusal(asking, 500, "internal", "something went wrong here; the request id tells us what")


def of_framework(
    asking: Asking, error: HTTPException, parameters: Mapping[str, FieldDefinition] | None = None
) -> Refusal:
    """What Litestar finds wrong with a request; ``parameters`` are those of the handler that it was for."""
    if isinstance(error, ValidationException):
        wrong = found_wrong(error, parameters or {})
        if ("", NO_BODY) in wrong:
            return refusal(asking, 422, "body_required", NO_BODY)
        errors = [FieldProblem(field, message) for field, message in wrong if field]
        detail = "; ".join(f"{field or 'the body'} {message}" for field, message in wrong) or error.detail
        return refusal(asking, 422, "invalid", detail, errors=errors)
    status = error.status_code
    if status >= 500:
        return of_unknown(asking, error)
    if isinstance(error.__cause__, SerializationException):
        return refusal(asking, 400, "malformed_json", str(error.detail))
    code = _FRAMEWORK_CODES.get(status, HTTPStatus(status).name.lower())
    return refusal(asking, status, code, str(error.detail), headers=dict(error.headers or {}))


AnyRequest = Request[Any, Any, Any]


def asking_of(scope: Mapping[str, Any]) -> Asking:
    """What the edge left with a request; an app without an edge gets an empty one."""
    found = scope.get(ASKING)
    return found if isinstance(found, Asking) else Asking("", scope.get("path", ""))


def _response(found: Refusal) -> Response[bytes]:
    return Response(found.body, status_code=found.status, headers=found.headers, media_type=MEDIA_TYPE)


def _on_domain_error(request: AnyRequest, error: DomainError) -> Response[bytes]:
    return _response(of_domain(asking_of(request.scope), error))


def _on_http_exception(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    handler = request.scope.get("route_handler")
    parameters = handler.parsed_fn_signature.parameters if handler is not None else None
    return _response(of_framework(asking_of(request.scope), error, parameters))


def _on_exception(request: AnyRequest, error: Exception) -> Response[bytes]:
    return _response(of_unknown(asking_of(request.scope), error))


HANDLERS: dict[int | type[Exception], Callable[..., Response[bytes]]] = {
    DomainError: _on_domain_error,
    HTTPException: _on_http_exception,
    Exception: _on_exception,
}
