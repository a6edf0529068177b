"""A wrong request of any kind is answered with a problem that has a code, and leaves everything as it was."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
import pytest

from tests.entrypoints.cast import Cast, gathered
from tests.entrypoints.test_authorisation import TABLE, Row, ask

MIB = 1024 * 1024
JSON = {"content-type": "application/json"}


def _first_of_each(rows: list[Row]) -> list[Row]:
    found: dict[str, Row] = {}
    for row in rows:
        if row.cells.split()[4] == "ok" and row.query == "":
            found.setdefault(row.route, row)
    return list(found.values())


_UNDESCRIBED = ("/media", "/schema", "/metrics", "/favicon.ico")
ROWS = _first_of_each(
    [row for row in TABLE if row.route != "GET /" and not row.route.split()[1].startswith(_UNDESCRIBED)]
)
WITH_JSON = [row for row in ROWS if row.body is not None and not isinstance(row.body, bytes)]
_IDS = [row.route for row in WITH_JSON]

COOKIES_DO = {"POST /v1/auth/refresh", "POST /v1/auth/sign-out"}
"""Without a body they are good requests."""

Spoil = Callable[[dict[str, Any]], bytes]


def _without_end(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()[:-1]


def _with(value: str) -> Spoil:
    """The body with another value, given as JSON, in every field."""
    return lambda body: ("{" + ",".join(f"{json.dumps(name)}:{value}" for name in body) + "}").encode()


SPOILT: Mapping[str, tuple[Spoil, set[tuple[int, str]]]] = {
    "nothing": (lambda _: b"", {(422, "body_required")}),
    "no JSON": (lambda _: b"hello", {(400, "malformed_json")}),
    "half of it": (_without_end, {(400, "malformed_json")}),
    "two of them": (lambda body: json.dumps(body).encode() * 2, {(400, "malformed_json")}),
    "a list": (lambda body: json.dumps([body]).encode(), {(422, "invalid")}),
    "a text": (lambda _: b'"text"', {(422, "invalid")}),
    "a number": (lambda _: b"1", {(422, "invalid")}),
    "null": (lambda _: b"null", {(422, "invalid")}),
    "too much": (lambda body: json.dumps({**body, "more": "x" * MIB}).encode(), {(413, "too_large")}),
    "not a number": (_with("NaN"), {(400, "malformed_json")}),
    "infinity": (_with("Infinity"), {(400, "malformed_json")}),
    "too large a number": (_with("1e999"), {(400, "malformed_json"), (422, "invalid")}),
    "an odd number": (_with("-123456789012345678901234567890.5"), {(400, "malformed_json"), (422, "invalid")}),
    "an object in place of a value": (_with('{"a": {"b": []}}'), {(422, "invalid")}),
    "no UTF-8": (lambda body: json.dumps(body).encode().replace(b'"', b'"\xff', 1), {(400, "malformed_json")}),
    "half a character": (_with('"\\ud800"'), {(400, "malformed_json"), (422, "invalid")}),
    "nested without end": (lambda _: b'{"a":' * 50_000, {(400, "malformed_json")}),
    "nested deeply": (_with("[" * 50_000 + "]" * 50_000), {(400, "malformed_json"), (422, "invalid")}),
}


@pytest.fixture(scope="module")
async def cast() -> AsyncIterator[Cast]:
    async with gathered() as cast:
        yield cast


def stored(cast: Cast) -> Mapping[str, str]:
    """All that the platform has stored."""
    adapters = cast.scene.core.adapters
    names = (
        "users", "channels", "videos", "uploads", "processings", "comments", "reactions", "subscriptions", "history",
        "sessions", "inbox", "outbox", "idempotency", "accounts", "mailbox",
    )  # fmt: skip
    return {name: repr(sorted(vars(getattr(adapters, name)()).items())) for name in names}


def code(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    said = answer.json()
    assert {"type", "title", "status", "detail", "instance", "code", "errors"} <= said.keys()
    assert said["status"] == answer.status_code
    return answer.status_code, said["code"]


async def body_of(cast: Cast, row: Row) -> dict[str, Any]:
    body: Any = row.body
    return dict(await body(cast, "owner") if callable(body) else body)


async def send(cast: Cast, row: Row, content: bytes, headers: Mapping[str, str] = JSON) -> httpx.Response:
    """The row's request by the owner, with another body."""
    return await ask(cast, row, "owner", content=content, headers=headers)


@pytest.mark.parametrize("row", WITH_JSON, ids=_IDS)
async def test_spoilt_bodies(cast: Cast, row: Row) -> None:
    await cast.renew()
    body = await body_of(cast, row)
    before = stored(cast)
    found = {}
    for name, (spoil, wanted) in SPOILT.items():
        if row.route in COOKIES_DO and name in ("nothing", "null"):
            continue
        answer = code(await send(cast, row, spoil(body)))
        if answer not in wanted:
            found[name] = answer
    assert found == {}
    assert stored(cast) == before


@pytest.mark.parametrize("row", WITH_JSON, ids=_IDS)
async def test_another_content_type(cast: Cast, row: Row) -> None:
    await cast.renew()
    content, before = json.dumps(await body_of(cast, row)).encode(), stored(cast)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "image/png"):
        answer = await send(cast, row, content, {"content-type": kind})
        assert code(answer) == (415, "unsupported_media_type")
    assert stored(cast) == before


@pytest.mark.parametrize("row", WITH_JSON, ids=_IDS)
async def test_unknown_fields_are_passed_over(cast: Cast, row: Row) -> None:
    await cast.renew()
    body = await body_of(cast, row)
    if row.route != "PUT /v1/me/notification-settings":  # whose fields are the kinds there are
        answer = await send(cast, row, json.dumps({**body, "unknown": {"a": [None]}}).encode())
        assert answer.status_code in row.well


@pytest.mark.parametrize("row", WITH_JSON, ids=_IDS)
async def test_fields_that_are_missing_or_null(cast: Cast, row: Row) -> None:
    """What a body cannot do without is named."""
    await cast.renew()
    document = (await cast.scene.http.get("/schema/openapi.json")).json()
    method, path = row.route.split()
    schema = document["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
    while "$ref" in schema or "allOf" in schema:
        schema = schema["allOf"][0] if "allOf" in schema else document["components"]["schemas"][schema["$ref"][21:]]
    body, before = await body_of(cast, row), stored(cast)
    for name in schema.get("required", ()):
        for spoilt in ({**body, name: None}, {key: value for key, value in body.items() if key != name}):
            answer = await send(cast, row, json.dumps(spoilt).encode())
            assert code(answer) == (422, "invalid")
            assert name in answer.text
    assert stored(cast) == before


@pytest.mark.parametrize("row", ROWS, ids=[row.route for row in ROWS])
async def test_other_methods(cast: Cast, row: Row) -> None:
    path = row.route.split()[1]
    there = {each.route.split()[0] for each in TABLE if each.route.split()[1] == path}
    await cast.renew()
    before = stored(cast)
    for other in ({"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"}) - there:
        answer = await ask(cast, row, "owner", method=other, content=b"{}")
        assert code(answer) == (405, "method_not_allowed")
        assert there <= set(answer.headers["allow"].replace(" ", "").split(","))
    assert stored(cast) == before


@pytest.mark.parametrize(
    "path",
    [
        "/v1", "/v2/videos", "/v1/nothing", "/v1/videos/a/b/c", "/v1/videos/%00", "/v1/videos/%zz",
        "/v1/videos/%ff%fe", "/v1/videos/%", "/v1/videos/..%2f..%2fetc", "/v1/videos/%F0%9F%8E%AC", "/v1/channels/%20",
        "/v1/channels/by-handle/%00", "/v1/feeds/channels/%00.atom", "/v1/comments/%0d%0a/replies",
        "/v1/videos/" + "x" * 5000, "/media/o/%00", "/media/o/..%2f..%2fetc%2fpasswd", "/media/o/v/%ff", "/media/o",
        "/media/g/x", "/schema/nothing", "/V1/VIDEOS",
    ],
)  # fmt: skip
async def test_paths_that_are_not_there(cast: Cast, path: str) -> None:
    for role in ("nobody", "owner"):
        answer = await cast.scene.http.get(path, headers=cast.headers(role))
        assert code(answer) == (404, "not_found")


LISTS = [row for row in TABLE if row.route in {
    "GET /v1/videos", "GET /v1/channels/{channel_id}/videos", "GET /v1/uploads", "GET /v1/me/history", "GET /v1/search",
    "GET /v1/videos/{video_id}/comments", "GET /v1/comments/{comment_id}/replies", "GET /v1/me/feed",
    "GET /v1/channels/{channel_id}/comments", "GET /v1/me/subscriptions", "GET /v1/channels/{channel_id}/subscribers",
    "GET /v1/me/notifications",
} and not row.on]  # fmt: skip


@pytest.mark.parametrize("row", LISTS, ids=[row.route for row in LISTS])
async def test_absurd_pages(cast: Cast, row: Row) -> None:
    await cast.renew()
    for query, wanted in {
        "limit=0": (422, "invalid"), "limit=101": (422, "invalid"), "limit=-1": (422, "invalid"),
        "limit=1e9": (422, "invalid"), "limit=": (422, "invalid"), "limit=nan": (422, "invalid"),
        "limit=" + "9" * 5000: (422, "invalid"), "limit=1.5": (422, "invalid"), "limit=%00": (422, "invalid"),
        "cursor=": (400, "invalid_cursor"), "cursor=%00": (400, "invalid_cursor"),
        "cursor=%ff": (400, "invalid_cursor"), "cursor=====": (400, "invalid_cursor"),
        "cursor=" + "A" * 40: (400, "invalid_cursor"), "cursor=" + "A" * 5000: (422, "invalid"),
    }.items():  # fmt: skip
        answer = await ask(cast, row, "owner", query=query)
        assert code(answer) == wanted, query


@pytest.mark.parametrize("row", ROWS, ids=[row.route for row in ROWS])
async def test_headers_that_make_no_sense(cast: Cast, row: Row) -> None:
    """Those that a route looks at are refused; what it may pass over, it passes over."""
    await cast.renew()
    document = (await cast.scene.http.get("/schema/openapi.json")).json()
    method, path = row.route.split()
    said = document["paths"][path][method.lower()]
    looked_at = {parameter["name"] for parameter in said["parameters"] if parameter["in"] == "header"}
    before = stored(cast)
    if "If-Match" in looked_at:
        for value in ("3", '"three"', '"-1"', '"1", "2"', "", '"' + "9" * 50 + '"'):
            answer = await ask(cast, row, "owner", headers={"if-match": value})
            assert code(answer) == (400, "invalid_if_match"), value
        assert code(await ask(cast, row, "owner", headers={"if-match": '"999999"'})) == (412, "version_mismatch")
    if "Idempotency-Key" in looked_at:
        for value in ("", "two words", "x" * 256, "\u00e9"):
            answer = await ask(cast, row, "owner", headers={"idempotency-key": value})
            assert code(answer) == (400, "invalid_idempotency_key"), value
    if said["security"]:
        for value in ("", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "Bearer \u00e9", "Bearer " + "x" * 9000):
            answer = await ask(cast, row, "nobody", headers={"authorization": value})
            assert code(answer) == (401, "invalid_token"), value
            assert answer.headers["www-authenticate"].startswith("Bearer")
    assert stored(cast) == before
    if not path.endswith("/stream"):
        answer = await ask(cast, row, "owner", headers={"accept": "image/png", "range": "x", "if-none-match": "x"})
        assert answer.status_code in row.well
