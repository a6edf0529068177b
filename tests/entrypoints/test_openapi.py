"""The OpenAPI document: valid, complete, and true to what the API promises."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from attrs import frozen

from tests.entrypoints.scenes import opened
from tests.entrypoints.test_authorisation import TABLE

PROBLEM = "application/problem+json"

ENDPOINTS = """
POST /v1/auth/sign-up
POST /v1/auth/confirm
POST /v1/auth/resend-code
POST /v1/auth/sign-in
POST /v1/auth/refresh
POST /v1/auth/sign-out
POST /v1/auth/forgot-password
POST /v1/auth/reset-password
GET /v1/me
PATCH /v1/me
DELETE /v1/me
POST /v1/channels
GET /v1/channels/{channel_id}
PATCH /v1/channels/{channel_id}
DELETE /v1/channels/{channel_id}
GET /v1/channels/by-handle/{handle}
GET /v1/channels/{channel_id}/videos
GET /v1/channels/{channel_id}/subscribers
PUT /v1/channels/{channel_id}/members/{user_id}
DELETE /v1/channels/{channel_id}/members/{user_id}
POST /v1/channels/{channel_id}/images
POST /v1/uploads
GET /v1/uploads/{upload_id}
GET /v1/uploads
POST /v1/uploads/{upload_id}/parts
POST /v1/uploads/{upload_id}/complete
POST /v1/uploads/{upload_id}/cancel
GET /v1/videos
GET /v1/videos/{video_id}
PATCH /v1/videos/{video_id}
DELETE /v1/videos/{video_id}
POST /v1/videos/{video_id}/retry-processing
GET /v1/videos/{video_id}/renditions
GET /v1/videos/{video_id}/processing-events
GET /v1/processing/stream
POST /v1/videos/{video_id}/playback-sessions
POST /v1/videos/{video_id}/views
GET /v1/videos/{video_id}/analytics
GET /v1/channels/{channel_id}/analytics
GET /v1/videos/{video_id}/captions
PUT /v1/videos/{video_id}/captions/{language}
DELETE /v1/videos/{video_id}/captions/{language}
GET /v1/videos/{video_id}/chapters
PUT /v1/videos/{video_id}/chapters
PUT /v1/videos/{video_id}/thumbnail
GET /v1/videos/{video_id}/comments
POST /v1/videos/{video_id}/comments
GET /v1/comments/{comment_id}/replies
POST /v1/comments/{comment_id}/replies
GET /v1/comments/{comment_id}
PATCH /v1/comments/{comment_id}
DELETE /v1/comments/{comment_id}
POST /v1/comments/{comment_id}/moderation
GET /v1/channels/{channel_id}/comments
PUT /v1/videos/{video_id}/reaction
DELETE /v1/videos/{video_id}/reaction
PUT /v1/comments/{comment_id}/reaction
DELETE /v1/comments/{comment_id}/reaction
PUT /v1/me/subscriptions/{channel_id}
DELETE /v1/me/subscriptions/{channel_id}
GET /v1/me/subscriptions
GET /v1/me/feed
GET /v1/me/notifications
POST /v1/me/notifications/read
GET /v1/me/notifications/unread-count
GET /v1/me/notification-settings
PUT /v1/me/notification-settings
GET /v1/me/notifications/stream
POST /v1/streams
GET /v1/streams
GET /v1/channels/{channel_id}/streams
GET /v1/streams/{stream_id}
PATCH /v1/streams/{stream_id}
DELETE /v1/streams/{stream_id}
GET /v1/streams/{stream_id}/ingest
POST /v1/streams/{stream_id}/rotate-key
POST /v1/streams/{stream_id}/enable
POST /v1/streams/{stream_id}/disable
POST /v1/streams/{stream_id}/stop
POST /v1/streams/{stream_id}/metadata
POST /v1/streams/{stream_id}/playback-sessions
GET /v1/streams/{stream_id}/schedule
POST /v1/streams/{stream_id}/schedule
DELETE /v1/streams/{stream_id}/schedule
GET /v1/streams/{stream_id}/sessions
GET /v1/stream-sessions/{session_id}
GET /v1/stream-sessions/{session_id}/events
GET /v1/stream-sessions/{session_id}/metrics
GET /v1/stream-sessions/{session_id}/events/stream
POST /v1/streams/{stream_id}/chat-tokens
GET /v1/streams/{stream_id}/chat-rules
PATCH /v1/streams/{stream_id}/chat-rules
DELETE /v1/streams/{stream_id}/chat-messages/{message_id}
GET /v1/streams/{stream_id}/chat-bans
PUT /v1/streams/{stream_id}/chat-bans/{user_id}
DELETE /v1/streams/{stream_id}/chat-bans/{user_id}
GET /v1/stream-sessions/{session_id}/chat-messages
GET /v1/search
GET /v1/feeds/channels/{file}
GET /v1/oembed
GET /healthz
GET /readyz
GET /v1/meta
GET /v1/dev/mailbox
POST /v1/dev/clock/advance
POST /v1/dev/streams/{stream_id}/simulate
"""

TOKENS = "access_token id_token refresh_token expires_in_s token_type"
SHAPES = {
    "POST /v1/auth/sign-up": "user_id confirmation",
    "POST /v1/auth/sign-in": TOKENS,
    "POST /v1/auth/refresh": TOKENS,
    "GET /v1/dev/mailbox": "data next_cursor",
    "GET /v1/dev/mailbox data": "to subject text code sent_at",
    "GET /v1/me": "id handle display_name email roles created_at version",
    "GET /v1/channels/{channel_id}": (
        "id handle name description owner_id avatar_url banner_url counts viewer created_at version"
    ),
    "GET /v1/channels/{channel_id} counts": "subscribers videos",
    "GET /v1/channels/{channel_id} viewer": "subscribed notify role",
    "GET /v1/uploads/{upload_id}": (
        "id video_id status method part_size_bytes parts received expires_at error"
    ),
    "GET /v1/uploads/{upload_id} parts": "number url expires_at",
    "GET /v1/uploads/{upload_id} received": "number size_bytes etag",
    "POST /v1/uploads/{upload_id}/parts": "parts",
    "POST /v1/uploads/{upload_id}/parts parts": "number url expires_at",
    "GET /v1/videos": "data next_cursor",
    "GET /v1/videos/{video_id}": (
        "id channel title description tags category language visibility publish_at published_at processing duration_s "
        "width height poster_url storyboard_url renditions stream_id stream_session_id counts viewer created_at version"
    ),
    "GET /v1/videos/{video_id} channel": "id handle name avatar_url",
    "GET /v1/videos/{video_id} processing": "state progress_percent attempt error",
    "GET /v1/videos/{video_id} processing error": "code detail",
    "GET /v1/videos/{video_id} renditions": "name width height bitrate_bps codecs",
    "GET /v1/videos/{video_id} counts": "views likes dislikes comments",
    "GET /v1/videos/{video_id} viewer": "reaction position_s",
    "POST /v1/videos/{video_id}/playback-sessions": "id manifest_url mode expires_at resume_at_s",
    "GET /v1/videos/{video_id}/analytics": "from to data totals",
    "GET /v1/videos/{video_id}/analytics data": "day views watch_time_s",
    "GET /v1/videos/{video_id}/analytics totals": "views watch_time_s",
    "GET /v1/channels/{channel_id}/analytics": "from to data totals",
    "POST /v1/videos/{video_id}/comments": (
        "id video_id parent_id author text status pinned counts viewer created_at edited_at version"
    ),
    "POST /v1/videos/{video_id}/comments author": "id handle display_name avatar_url",
    "POST /v1/videos/{video_id}/comments counts": "likes replies",
    "POST /v1/videos/{video_id}/comments viewer": "reaction",
    "GET /v1/me/notifications data": "id type actor subject text created_at read",
    "GET /v1/me/notifications data actor": "id handle display_name",
    "GET /v1/me/notifications data subject": "type id",
    "GET /v1/streams": "data next_cursor",
    "GET /v1/streams/{stream_id}": (
        "id channel title description visibility record latency reconnect_window_s status current_session_id "
        "viewer_count version"
    ),
    "GET /v1/streams/{stream_id} channel": "id handle name",
    "GET /v1/streams/{stream_id}/ingest": "server_url stream_key expires_at",
    "POST /v1/streams/{stream_id}/rotate-key": "server_url stream_key expires_at",
    "POST /v1/streams/{stream_id}/playback-sessions": "manifest_url mode expires_at",
    "GET /v1/streams/{stream_id}/schedule": "starts_at",
    "GET /v1/stream-sessions/{session_id}": (
        "id stream_id status started_at ended_at ended_reason peak_viewers health recording"
    ),
    "GET /v1/stream-sessions/{session_id} recording": "status video_id",
    "GET /v1/stream-sessions/{session_id} health": "at starving advice",
    "GET /v1/stream-sessions/{session_id}/events data": "id type at received_at detail",
    "GET /v1/stream-sessions/{session_id}/metrics data": "at bitrate_bps width height fps keyframe_interval_s viewers",
    "POST /v1/streams/{stream_id}/chat-tokens": "token url capabilities expires_at session_expires_at",
    "GET /v1/streams/{stream_id}/chat-rules": "enabled slow_mode_s followers_only",
    "GET /v1/streams/{stream_id}/chat-bans data": "user_id handle by_id created_at",
    "GET /v1/stream-sessions/{session_id}/chat-messages data": (
        "id author_id author_name standing text at offset_s"
    ),
}  # fmt: skip
BODIES = {
    "POST /v1/auth/sign-up": "email password handle display_name",
    "POST /v1/auth/confirm": "email code",
    "POST /v1/auth/sign-in": "email password",
    "POST /v1/auth/refresh": "",
    "POST /v1/uploads": "channel_id filename content_type size_bytes",
    "POST /v1/uploads/{upload_id}/parts": "numbers",
    "PUT /v1/videos/{video_id}/reaction": "value",
    "POST /v1/videos/{video_id}/comments": "text",
    "POST /v1/comments/{comment_id}/moderation": "action",
    "POST /v1/videos/{video_id}/views": "playback_session_id position_s",
    "POST /v1/streams": "channel_id title",
    "POST /v1/streams/{stream_id}/schedule": "starts_at",
    "POST /v1/streams/{stream_id}/metadata": "text",
    "POST /v1/dev/streams/{stream_id}/simulate": "step",
}
IDEMPOTENT_REMOVALS = {"DELETE /v1/me/history/{video_id}", "DELETE /v1/me/subscriptions/{channel_id}"}
"""What was never there is gone all the same."""


@frozen
class Operation:
    name: str
    path: str
    method: str
    said: dict[str, Any]

    @property
    def parameters(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.said.get("parameters", [])
        return found

    @property
    def statuses(self) -> set[str]:
        return set(self.said["responses"])


@pytest.fixture(scope="module")
def document() -> Any:
    async def read() -> Any:
        async with opened() as scene:
            return (await scene.http.get("/schema/openapi.json")).json()

    return asyncio.run(read())


@pytest.fixture
def operations(document: dict[str, Any]) -> list[Operation]:
    return list(_operations(document))


def _operations(document: dict[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method, said in item.items():
            yield Operation(f"{method.upper()} {path}", path, method.upper(), said)


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The object that is meant: through references, lists of it, and the chance of null."""
    while True:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        elif "allOf" in schema:
            (schema,) = schema["allOf"]
        elif choices := [each for each in schema.get("oneOf", []) if each != {"type": "null"}]:
            (schema,) = choices
        elif schema.get("type") == "array":
            schema = schema["items"]
        else:
            return schema


def test_it_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    schemathesis.openapi.from_dict(document).validate()


def test_every_endpoint_that_was_promised_is_there(operations: list[Operation]) -> None:
    assert set(ENDPOINTS.split("\n")) - {""} - {each.name for each in operations} == set()


def test_operations_say_what_they_are(document: dict[str, Any], operations: list[Operation]) -> None:
    ids = [each.said["operationId"] for each in operations]
    assert sorted(ids) == sorted(set(ids))
    known = {tag["name"] for tag in document["tags"]}
    for each in operations:
        assert len(each.said["summary"]) > 8, each.name
        assert set(each.said["tags"]) <= known, each.name
        assert each.said["tags"], each.name


def test_every_parameter_is_described(operations: list[Operation]) -> None:
    for each in operations:
        for parameter in each.parameters:
            assert len(parameter.get("description", "")) > 8, (each.name, parameter["name"])
        in_path = {parameter["name"] for parameter in each.parameters if parameter["in"] == "path"}
        assert in_path == {part.strip("{}") for part in each.path.split("/") if part.startswith("{")}


def test_every_operation_documents_its_answers(operations: list[Operation]) -> None:
    for each in operations:
        good = [status for status in each.statuses if status.startswith("2")]
        assert len(good) == 1, each.name
        answer = each.said["responses"][good[0]]
        assert (good == ["204"]) == ("content" not in answer), each.name
        wanted = set()
        if {"bearer": []} in each.said["security"]:
            wanted.add("401")
        if any(parameter["in"] == "path" for parameter in each.parameters):
            wanted |= {"404"} - ({"404"} if each.name in IDEMPOTENT_REMOVALS else set())
        if "requestBody" in each.said or any(parameter["in"] == "query" for parameter in each.parameters):
            wanted.add("422")
        if each.path not in {"/healthz", "/readyz"}:
            wanted.add("429")
        if each.name.startswith(("PATCH", "PUT", "DELETE")) and "If-Match" in str(each.parameters):
            wanted |= {"400", "412"}
        if "Idempotency-Key" in str(each.parameters):
            wanted |= {"400", "409", "422"}
        if "requestBody" in each.said:
            wanted.add("413")
        assert wanted - each.statuses == set(), each.name


def test_errors_are_problems(operations: list[Operation]) -> None:
    for each in operations:
        for status, answer in each.said["responses"].items():
            if status >= "400":
                assert answer["content"] == {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}, each.name
                assert answer["description"].startswith("Problem: "), each.name


def test_bodies_have_examples(document: dict[str, Any], operations: list[Operation]) -> None:
    """Of the whole, or of every field that must be given and is more than a choice."""
    for each in operations:
        media = each.said.get("requestBody", {"content": {}})["content"].get("application/json")
        if media is None or "examples" in media["schema"]:
            continue
        schema = _resolved(document, media["schema"])
        for name in schema.get("required", schema["properties"]):
            said = schema["properties"][name]
            shown = {**_resolved(document, said), **said}
            assert shown.keys() & {"examples", "enum", "default", "properties"}, (each.name, name)


def test_sign_in_is_asked_for_where_it_is_needed(operations: list[Operation]) -> None:
    """As the table of who may do what has it: nobody gets a 401 exactly where a user is needed."""
    refused: dict[str, bool] = {}
    for row in TABLE:
        if "oembed" not in row.route:  # whose 401 is about the video
            refused[row.route] = refused.get(row.route, False) or row.cells.split()[0] == "401"
    # Only videos that strangers may not see are asked to be processed again.
    refused["POST /v1/videos/{video_id}/retry-processing"] = True
    for each in operations:
        assert ({} not in each.said["security"] and each.said["security"] != []) == refused.get(each.name, False), (
            each.name
        )


@pytest.mark.parametrize("place", SHAPES)
def test_shapes_have_the_promised_names(document: dict[str, Any], operations: list[Operation], place: str) -> None:
    method, path, *fields = place.split()
    (said,) = [each.said for each in operations if each.name == f"{method} {path}"]
    (answer,) = [answer for status, answer in said["responses"].items() if status.startswith("2")]
    schema = _resolved(document, answer["content"]["application/json"]["schema"])
    for field in fields:
        schema = _resolved(document, schema["properties"][field])
    names = set(SHAPES[place].split())
    assert names - set(schema["properties"]) == set()
    assert names - set(schema["required"]) == set()


@pytest.mark.parametrize("place", BODIES)
def test_bodies_ask_for_the_promised_names(document: dict[str, Any], operations: list[Operation], place: str) -> None:
    (said,) = [each.said for each in operations if each.name == place]
    schema = _resolved(document, said["requestBody"]["content"]["application/json"]["schema"])
    assert set(schema["required"]) == set(BODIES[place].split())


def test_a_problem_has_the_promised_names(document: dict[str, Any]) -> None:
    problem = document["components"]["schemas"]["Problem"]
    names = {"type", "title", "status", "detail", "instance", "code", "errors"}
    assert names - set(problem["properties"]) == set()
    assert names - set(problem["required"]) == set()
    assert set(document["components"]["schemas"]["FieldProblem"]["required"]) == {"field", "message"}


def test_values_that_are_enumerated(document: dict[str, Any]) -> None:
    """Where the contract lists the values of a field, the document does too."""
    schemas = document["components"]["schemas"]

    def values(schema: str, field: str) -> set[str]:
        return set(_resolved(document, schemas[schema]["properties"][field])["enum"])

    assert values("CommentView", "status") == {"visible", "held", "rejected", "removed"}
    assert values("NotificationView", "type") >= {
        "comment", "reply", "video_published", "video_failed", "video_ready", "went_live", "subscriber", "mention"
    }  # fmt: skip
    assert values("VideoPatch", "visibility") == {"public", "unlisted", "private", "scheduled"}
    assert values("ChosenReaction", "value") == {"like", "dislike"}
    assert values("CommentRuling", "action") == {"approve", "hold", "reject"}
    assert values("SubscriptionLevel", "notify") == {"all", "live", "none"}
    assert values("UploadView", "method") == {"single", "multipart"}
    assert values("UploadView", "status") == {"waiting", "uploading", "completed", "cancelled", "expired", "failed"}
    assert values("VideoView", "visibility") == {"public", "unlisted", "private", "scheduled"}
    assert values("ProcessingView", "state") == {"pending", "probing", "transcoding", "ready", "failed"}
    assert values("PlaybackView", "mode") == {"public", "cookie", "token"}
    assert values("NewStream", "latency") == {"low", "normal"}
    assert values("StreamView", "status") == {"idle", "live", "disabled"}
    assert values("SessionView", "status") == {"created", "live", "reconnecting", "ended"}
    assert values("SessionView", "ended_reason") == {
        "ended", "failed", "stopped", "disabled", "key_rotated", "too_long", "lost", "never_started"
    }  # fmt: skip
    assert values("RecordingView", "status") == {"none", "processing", "ready", "failed"}
    assert values("LivePlaybackView", "mode") == {"public", "cookie", "token"}
    assert values("Step", "step") == {"start", "drop", "starve", "end", "duplicate", "reorder"}
    assert values("MessageView", "standing") == {"owner", "editor", "moderator", "viewer"}


def test_names_of_schemas_are_for_clients(document: dict[str, Any]) -> None:
    """Generated code is named after them."""
    assert [name for name in document["components"]["schemas"] if not name.replace("_", "").isalnum()] == []
