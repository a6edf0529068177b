"""What the OpenAPI document says of all operations alike, added to what each handler says of itself.

Who is asking, how often, and whether a request came before is dealt with before handlers are called, so they do not
speak of it.
"""

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

from litestar.handlers import HTTPRouteHandler
from litestar.routes import BaseRoute, HTTPRoute

from entrypoints.http.edge import QUIET
from entrypoints.http.errors import MEDIA_TYPE

Schema = dict[str, Any]

_PARAMETERS: Mapping[str, str] = {
    "channel_id": "The channel's id.",
    "comment_id": "The comment's id.",
    "file": "The channel's id, and `.atom`.",
    "handle": "The channel's handle, with or without the @.",
    "language": "A BCP 47 tag, such as `en` or `pt-BR`.",
    "message_id": "The message's id.",
    "session_id": "The session's id.",
    "stream_id": "The stream's id.",
    "upload_id": "The upload's id.",
    "user_id": "The person's id.",
    "video_id": "The video's id.",
}
_IF_MATCH: Schema = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The version that the change is meant for, as its ETag names it; `*` or nothing means any.",
    "schema": {"type": "string", "pattern": r'^(\*|(W/)?"[0-9]{1,15}")$'},
    "examples": {"version": {"value": '"3"'}},
}
_IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Any text of one's own: a second request with the same is answered as the first, and does nothing.",
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
    "examples": {"uuid": {"value": "0f8e6c1a-6d4b-4a53-9a1d-2f3f6c1e7a90"}},
}
_RETRY_AFTER: Schema = {"description": "Seconds until it is worth another try.", "schema": {"type": "integer"}}
_MODULE = re.compile(r"entrypoints\.(?:[a-z_]+\.)+")


def completed(document: Mapping[str, Any], routes: Iterable[BaseRoute]) -> Schema:
    """The document with what holds for every operation: parameters, errors, and whether one must be signed in."""
    handlers = {
        (route.path_format, method): handler
        for route in routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
    }
    whole: Schema = _renamed(document)
    del whole["security"]
    for path, item in whole["paths"].items():
        for method, operation in item.items():
            _complete(operation, path, handlers[path, method.upper()])
    return whole


def _complete(operation: Schema, path: str, handler: HTTPRouteHandler) -> None:
    parameters: list[Schema] = operation.setdefault("parameters", [])
    responses: dict[str, Schema] = operation["responses"]
    asked = inspect.signature(handler.fn).parameters
    body = operation.get("requestBody", {}).get("content", {})
    for parameter in parameters:
        parameter.setdefault("description", _PARAMETERS.get(parameter["name"], ""))

    unreadable = ["malformed_json"] if "application/json" in body else []
    if any(parameter["name"] == "cursor" for parameter in parameters):
        unreadable += ["invalid_cursor", "cursor_mismatch"]
    if "version" in asked:
        parameters.append(_IF_MATCH)
        unreadable.append("invalid_if_match")
    if handler.opt.get("idempotent"):
        parameters.append(_IDEMPOTENCY_KEY)
        unreadable.append("invalid_idempotency_key")
        _add(responses, 409, "idempotency_in_flight")
        _add(responses, 409, "idempotency_answer_lost")
        _add(responses, 422, "idempotency_key_reused")
    responses.pop("400", None)  # Litestar's guess
    for each in unreadable:
        _add(responses, 400, each)
    if "actor" in asked:
        operation["security"] = [{"bearer": []}] if "401" in responses else [{}, {"bearer": []}]
        _add(responses, 401, "invalid_token")
        _add(responses, 401, "token_expired")
    else:
        operation["security"] = []
    if body:
        _add(responses, 413, "too_large")
    if "application/json" in body:
        _add(responses, 415, "unsupported_media_type")
    if path not in QUIET:
        _add(responses, 429, "rate_limited")
        responses["429"]["headers"] = {"Retry-After": _RETRY_AFTER}
    operation["responses"] = dict(sorted(responses.items()))


def _add(responses: dict[str, Schema], status: int, code: str) -> None:
    """Say that the code is among the problems of the status."""
    found = responses.setdefault(
        str(status),
        {
            "description": "Problem: ",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        },
    )
    codes = [each for each in found["description"].removeprefix("Problem: ").split(", ") if each]
    if code not in codes:
        found["description"] = f"Problem: {', '.join([*codes, code])}"


def _renamed(value: Any) -> Any:
    """A copy in which schemas that are generic are named after what they are of, without modules."""
    if isinstance(value, list):
        return [_renamed(each) for each in value]
    if not isinstance(value, dict):
        return _short(value) if isinstance(value, str) and value.startswith("#/components/schemas/") else value
    return {_short(name): _renamed(each) for name, each in value.items()}


def _short(name: str) -> str:
    return _MODULE.sub("", name).rstrip("_") if "Listing_" in name else name
