"""How errors are answered: application/problem+json (RFC 9457), with a code for programs."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import structlog
from attrs import frozen

from domain.errors import (
    Conflict,
    DomainError,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
    VersionMismatch,
)  # fmt: skip

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5

_STATUS: Mapping[type[BaseException], int] = {
    NotFound: 404,
    Invalid: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    VersionMismatch: 412,
    Conflict: 409,
    TooLarge: 413,
    Unavailable: 503,
    DomainError: 500,
}
_STATUS_BY_CODE: Mapping[str, int] = {
    "invalid_cursor": 400,
    "cursor_mismatch": 400,
    "invalid_if_match": 400,
    "format_not_implemented": 501,
    "insufficient_storage": 507,
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
    errors: Sequence[FieldProblem] = ()
    request_id: str | None = None


def status_of(error: type[DomainError] | DomainError) -> int:
    """The status for an error or a kind of errors: its code's, or else that of its nearest ancestor."""
    by_code = _STATUS_BY_CODE.get(error.code)
    kind = error if isinstance(error, type) else type(error)
    return by_code or next(_STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in _STATUS)


def problem(
    status: int, code: str, detail: str, *, instance: str, request_id: str | None, errors: Sequence[FieldProblem] = ()
) -> Problem:
    """A problem whose title is the status's name, and whose type is where its code is explained."""
    title = HTTPStatus(status).phrase
    return Problem(
        type=f"/problems/{code}", title=title, status=status, detail=detail or title, instance=instance, code=code,
        errors=errors, request_id=request_id,
    )  # fmt: skip
