"""Every error is a problem document with a stable code, and shows nothing that is not meant to be shown."""

from collections.abc import AsyncIterator

import pytest
import structlog

from domain.errors import Conflict, Invalid, NotFound, Stale, VersionMismatch
from entrypoints.http.errors import MEDIA_TYPE, status_of
from entrypoints.http.requests import problems
from tests.entrypoints.platform import Platform, open_platform
from tests.entrypoints.probes import ERRORS, Probes
from tests.entrypoints.scenes import Scene


@pytest.fixture
async def probed() -> AsyncIterator[Platform]:
    async with open_platform(controllers=[Probes]) as platform:
        yield platform


@pytest.mark.parametrize("name", ERRORS)
async def test_every_kind_of_error_has_its_status_and_code(probed: Platform, name: str) -> None:
    _, status, code = ERRORS[name]
    answer = await probed.client.get(f"/v1/probes/errors/{name}", headers={"x-request-id": "abc"})
    shown = answer.json()
    assert (answer.status_code, shown["code"], shown["status"]) == (status, code, status)
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert shown["type"] == f"/problems/{code}"
    assert shown["instance"] == f"/v1/probes/errors/{name}"
    assert shown["request_id"] == "abc"
    assert shown["title"]
    assert shown["detail"]
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_fields_are_named(probed: Platform) -> None:
    answer = await probed.client.get("/v1/probes/errors/invalid")
    assert answer.json()["errors"] == [{"field": "title", "message": "no"}]


async def test_an_unforeseen_error_is_logged_and_not_shown(probed: Platform) -> None:
    with structlog.testing.capture_logs() as lines:
        answer = await probed.client.get("/v1/probes/errors/unforeseen", headers={"x-request-id": "abc"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "swordfish" not in answer.text
    failed = next(line for line in lines if line["event"] == "failed")
    assert failed["request_id"] == "abc"
    assert "swordfish" in str(failed["exc_info"])


@pytest.mark.parametrize(
    ("method", "path", "content", "refused"),
    [
        ("GET", "/v1/nothing", None, (404, "not_found")),
        ("DELETE", "/v1/probes/thing", None, (405, "method_not_allowed")),
        ("PATCH", "/v1/probes/thing", b"{", (400, "malformed_json")),
        ("PATCH", "/v1/probes/thing", b'{"a": "b"}', (422, "invalid")),
        ("PATCH", "/v1/probes/thing", b"", (422, "body_required")),
        ("PATCH", "/v1/probes/thing", b" " * (1024 * 1024 + 1), (413, "too_large")),
        ("GET", "/v1/probes/numbers?limit=0", None, (422, "invalid")),
        ("GET", "/v1/probes/numbers?limit=101", None, (422, "invalid")),
        ("GET", "/v1/probes/numbers?limit=many", None, (422, "invalid")),
        ("GET", "/v1/probes/numbers?cursor=%00", None, (400, "invalid_cursor")),
        ("GET", "/v1/probes/numbers?cursor=%C3%A9", None, (400, "invalid_cursor")),
        ("GET", "/v1/probes/numbers?cursor=AAAA", None, (400, "invalid_cursor")),
    ],
)
async def test_what_the_framework_refuses(
    probed: Platform, method: str, path: str, content: bytes | None, refused: tuple[int, str]
) -> None:
    answer = await probed.client.request(method, path, content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == refused
    assert answer.headers["content-type"] == MEDIA_TYPE


UPLOAD = {"channel_id": "chn_x", "filename": "a.mp4", "content_type": "video/mp4", "size_bytes": 12}


@pytest.mark.parametrize(
    ("request_line", "body", "errors"),
    [
        ("GET /v1/search", None, {"q": "is required"}),
        ("GET /v1/search?q=", None, {"q": "must not be empty"}),
        ("GET /v1/search?q=a&type=x&limit=101", None,
         {"type": "must be one of video, channel", "limit": "must be at most 100"}),
        ("GET /v1/oembed?url=a&maxwidth=x", None, {"maxwidth": "must be a whole number"}),
        ("POST /v1/auth/sign-in", {}, {"email": "is required", "password": "is required"}),
        ("POST /v1/uploads", UPLOAD | {"size_bytes": "12"}, {"size_bytes": "must be a whole number"}),
        ("POST /v1/uploads", UPLOAD | {"filename": 1}, {"filename": "must be text"}),
        ("POST /v1/auth/forgot-password", {"email": "x" * 321}, {"email": "must have at most 320 characters"}),
        ("POST /v1/uploads", UPLOAD | {"publish_at": "soon"},
         {"publish_at": "must be a time such as 2026-01-31T12:00:00Z"}),
        ("POST /v1/uploads", UPLOAD | {"visibility": "odd"},
         {"visibility": "must be one of public, unlisted, private, scheduled"}),
        ("PATCH /v1/channels/chn_x", {"comment_policy": {"hold": "some"}},
         {"comment_policy.hold": "must be one of none, links, newcomers, all"}),
        ("POST /v1/uploads/upl_x/complete", {"parts": [{"number": 1, "etag": "a"}, {}]},
         {"parts[1].number": "is required", "parts[1].etag": "is required"}),
        ("PUT /v1/me/notification-settings", {"reply": True, "comment": 1}, {"comment": "must be true or false"}),
        ("PUT /v1/me/notification-settings", {"reply": True, "odd": True},
         {"odd": "must be one of comment, reply, video_published, video_failed, video_ready, went_live, stream_near, subscriber, mention"}),
        ("POST /v1/me/notifications/read", {"ids": ["ntf_1", 2]}, {"ids[1]": "must be text"}),
        ("POST /v1/dev/clock/advance", {"seconds": -1}, {"seconds": "must be at least 0"}),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said_by_field_and_in_plain_words(
    scene: Scene, request_line: str, body: dict[str, object] | None, errors: dict[str, str]
) -> None:
    ada = await scene.person("ada")
    method, path = request_line.split()
    answer = await scene.call(method, path, body, by=ada)
    shown = answer.json()
    assert (answer.status_code, shown["code"]) == (422, "invalid")
    assert {each["field"]: each["message"] for each in shown["errors"]} == errors
    assert shown["detail"] == "; ".join(f"{field} {message}" for field, message in errors.items())


@pytest.mark.parametrize("content", [b"[]", b"null", b'"text"'])
async def test_a_body_that_is_no_object_is_wrong_as_a_whole(scene: Scene, content: bytes) -> None:
    shown = (await scene.http.post("/v1/auth/sign-in", content=content)).json()
    assert (shown["code"], shown["detail"], shown["errors"]) == ("invalid", "the body must be an object", [])


async def test_a_body_that_is_missing_is_asked_for(scene: Scene) -> None:
    shown = (await scene.http.post("/v1/auth/sign-in")).json()
    assert (shown["code"], shown["detail"], shown["errors"]) == ("body_required", "a JSON body is required", [])


async def test_cursors_walk_a_list_and_fit_no_other(probed: Platform) -> None:
    seen: list[int] = []
    query: dict[str, str] = {"limit": "20"}
    while True:
        page = (await probed.client.get("/v1/probes/numbers", params=query)).json()
        seen += page["data"]
        if page["next_cursor"] is None:
            break
        query = {"limit": "7", "cursor": page["next_cursor"]}
    assert seen == list(range(50))
    assert (await probed.client.get("/v1/probes/letters", params=query)).json()["code"] == "cursor_mismatch"


@pytest.mark.parametrize(("header", "version"), [('"3"', 3), ('W/"3"', 3), ("*", None), (None, None), (' "12" ', 12)])
async def test_if_match_names_a_version(probed: Platform, header: str | None, version: int | None) -> None:
    headers = {} if header is None else {"if-match": header}
    answer = await probed.client.patch("/v1/probes/thing", json={}, headers=headers)
    assert answer.json()["asked"] == version
    assert answer.headers["etag"] == '"7"'


@pytest.mark.parametrize("header", ["3", '"three"', '"3', '"1", "2"', '""', '"-1"', '"3"x'])
async def test_if_match_must_name_one_version(probed: Platform, header: str) -> None:
    answer = await probed.client.patch("/v1/probes/thing", json={}, headers={"if-match": header})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_if_match")


async def test_a_bad_token_counts_only_where_someone_asks_who_it_is(probed: Platform) -> None:
    headers = {"authorization": "Bearer forged"}
    assert (await probed.client.get("/v1/probes/numbers", headers=headers)).status_code == 200
    refused = await probed.client.get("/v1/probes/mine", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
    person = await probed.person("ada")
    assert (await probed.client.get("/v1/probes/mine", headers=dict(person.headers))).json() == 0


def test_statuses_follow_the_kinds_of_errors() -> None:
    assert [status_of(kind) for kind in (Stale, VersionMismatch, Conflict)] == [409, 412, 409]
    documented = problems(NotFound, Invalid, Stale, Conflict)
    assert sorted(documented) == [404, 409, 422]
    assert documented[409].description == "Problem: stale, conflict"
