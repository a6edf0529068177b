"""Who may do what: every route of the app, asked by everyone there is."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest
from attrs import evolve, frozen
from litestar.routes import ASGIRoute, HTTPRoute
from PIL import Image

from entrypoints.http.app import create_app
from tests.entrypoints.cast import ROLES, SECRET, Cast, gathered
from tests.entrypoints.scenes import CLIP, PASSWORD

ANYONE = "ok ok ok ok ok ok ok"
NOBODY = "404 404 404 404 404 404 404"
FORBIDDEN = "403 403 403 403 403 403 403"
#            nobody stranger helper editor owner moderator admin
SIGNED_IN = "   401       ok     ok     ok    ok        ok    ok"
MANAGERS = "    401      403    403    403    ok       403    ok"
EDITORS = "     401      403    403     ok    ok       403    ok"
MODERATORS = "  401      403     ok     ok    ok        ok    ok"
PLATFORM = "    401      403    403    403   403        ok    ok"
AUTHOR = "      401      403    403    403   403       403   403"
# The same of what strangers must not know of.
INSIDERS = "    404      404     ok     ok    ok        ok    ok"
THEIR_EDITORS = "404     404    403     ok    ok       403    ok"
THEIR_AUTHOR = "404      404    403    403   403       403   403"
UPLOADERS = "   401      404    404     ok    ok       404    ok"

Body = Callable[[Cast, str], Awaitable[object]]


@frozen
class Row:
    """A route, who may use it, and how to ask. ``on`` says which of the cast's things a parameter of the path is, or
    ``body`` what is sent; ``well`` is what those who may are answered.
    """

    route: str
    cells: str
    on: Mapping[str, str] = {}
    body: object = None
    query: str = ""
    well: tuple[int, ...] = (200, 201, 202, 204)


def _made(make: Callable[[Cast, str], object]) -> Body:
    async def body(cast: Cast, role: str) -> object:
        return make(cast, role)

    return body


async def _refresh_token(cast: Cast, _: str) -> object:
    tokens = await cast.scene.core.sign_in()(cast.people["friend"].email, PASSWORD)
    return {"refresh_token": tokens.refresh}


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 36)).save(file, "PNG")
    return file.getvalue()


FRIEND = {"email": "friend@example.org"}
VTT = b"WEBVTT\n\n00:00.000 --> 00:02.000\nHello\n"
PRIVATE, HELD, IN_PRIVATE, FORMER = (
    {"video_id": "private"}, {"comment_id": "held"}, {"comment_id": "secret"}, {"upload_id": "former_upload"},
)  # fmt: skip
_ACCOUNT = _made(
    lambda cast, role: {
        "email": f"{role}{cast.made}@example.net", "password": PASSWORD, "handle": f"{role}_{cast.made}",
        "display_name": "New",
    }
)  # fmt: skip
_CHANNEL = _made(lambda cast, role: {"handle": f"{role}_c{cast.made}", "name": "New"})
_NEW_UPLOAD = _made(
    lambda cast, _: {
        "channel_id": cast.things["channel"], "filename": "a.mp4", "content_type": "video/mp4", "size_bytes": 9
    }
)  # fmt: skip
_BEAT = _made(
    lambda cast, role: {"playback_session_id": cast.things.get(f"session_of_{role}", "ses_none"), "position_s": 1}
)
_FRIENDS_BEAT = _made(lambda cast, _: {"playback_session_id": cast.things["friends_session"], "position_s": 1})
_OWNERS_BEAT = _made(lambda cast, _: {"playback_session_id": cast.things["owners_session"], "position_s": 1})

IDENTITY = [
    Row("POST /v1/auth/sign-up", ANYONE, body=_ACCOUNT),
    Row("POST /v1/auth/confirm", ANYONE, body=FRIEND | {"code": "000000"}, well=(204, 422)),
    Row("POST /v1/auth/resend-code", ANYONE, body=FRIEND),
    Row("POST /v1/auth/sign-in", ANYONE, body=FRIEND | {"password": PASSWORD}),
    Row("POST /v1/auth/refresh", ANYONE, body=_refresh_token),
    Row("POST /v1/auth/sign-out", ANYONE, body={"refresh_token": "unknown"}),
    Row("POST /v1/auth/forgot-password", ANYONE, body=FRIEND),
    Row("POST /v1/auth/reset-password", ANYONE, body=FRIEND | {"code": "000000", "password": PASSWORD}, well=(422,)),
    Row("GET /v1/me", SIGNED_IN),
    Row("PATCH /v1/me", SIGNED_IN, body={"display_name": "Another"}),
    Row("DELETE /v1/me", SIGNED_IN),
]
CHANNELS = [
    Row("POST /v1/channels", SIGNED_IN, body=_CHANNEL),
    Row("GET /v1/me/channels", SIGNED_IN),
    Row("GET /v1/channels/{channel_id}", ANYONE),
    Row("GET /v1/channels/by-handle/{handle}", ANYONE),
    Row("PATCH /v1/channels/{channel_id}", EDITORS, body={"name": "Other", "comment_policy": {"hold": "all"}}),
    Row(
        "PATCH /v1/channels/{channel_id}", MANAGERS, body=_made(lambda cast, _: {"handle": f"{cast.things['handle']}b"})
    ),
    Row("DELETE /v1/channels/{channel_id}", MANAGERS),
    Row("GET /v1/channels/{channel_id}/videos", ANYONE),
    Row("GET /v1/channels/{channel_id}/analytics", EDITORS),
    Row("POST /v1/channels/{channel_id}/images", EDITORS, body={"kind": "avatar", "size_bytes": 9}),
    Row("PUT /v1/channels/{channel_id}/members/{user_id}", MANAGERS, body={"role": "editor"}),
    # The helper may leave, the others only be asked to.
    Row(
        "DELETE /v1/channels/{channel_id}/members/{user_id}", "401 403 ok 403 ok 403 ok", {"user_id": "user_of_helper"}
    ),
    Row("DELETE /v1/channels/{channel_id}/members/{user_id}", "401 403 ok ok 409 403 404", {"user_id": "own_user"}),
    Row("GET /v1/channels/{channel_id}/subscribers", MANAGERS),
    Row("GET /v1/channels/{channel_id}/comments", MODERATORS),
]
UPLOADS = [
    Row("POST /v1/uploads", EDITORS, body=_NEW_UPLOAD),
    Row("GET /v1/uploads", SIGNED_IN),
    Row("GET /v1/uploads/{upload_id}", UPLOADERS),
    Row("POST /v1/uploads/{upload_id}/parts", UPLOADERS, body={"numbers": [1]}),
    Row("POST /v1/uploads/{upload_id}/complete", UPLOADERS, body={"parts": []}),
    Row("POST /v1/uploads/{upload_id}/cancel", UPLOADERS),
    Row("GET /v1/uploads/{upload_id}", UPLOADERS, FORMER),
]
# What everyone may watch, and what only insiders may; the rules for changing it are the same.
VIDEOS = [
    Row("GET /v1/videos", ANYONE),
    Row("GET /v1/videos/{video_id}", ANYONE),
    Row("GET /v1/videos/{video_id}/renditions", ANYONE),
    Row("GET /v1/videos/{video_id}/chapters", ANYONE),
    Row("GET /v1/videos/{video_id}/captions", ANYONE),
    Row("GET /v1/videos/{video_id}/comments", ANYONE),
    Row("POST /v1/videos/{video_id}/playback-sessions", ANYONE),
    Row("POST /v1/videos/{video_id}/views", ANYONE, body=_BEAT),
    Row("POST /v1/videos/{video_id}/views", NOBODY, body=_FRIENDS_BEAT),
    *[
        row
        for editors, video in ((EDITORS, {}), (THEIR_EDITORS, PRIVATE))
        for row in (
            Row("PATCH /v1/videos/{video_id}", editors, video, body={"title": "Other"}),
            Row("PATCH /v1/videos/{video_id}", editors, video, body={"visibility": "unlisted"}),
            Row("DELETE /v1/videos/{video_id}", editors, video),
            Row("GET /v1/videos/{video_id}/processing-events", editors, video),
            Row("GET /v1/videos/{video_id}/analytics", editors, video),
            Row("PUT /v1/videos/{video_id}/thumbnail", editors, video, body=_picture()),
            Row("PUT /v1/videos/{video_id}/chapters", editors, video, body={"chapters": []}),
            Row("PUT /v1/videos/{video_id}/captions/{language}", editors, {**video, "language": "extra"}, body=VTT),
            Row("DELETE /v1/videos/{video_id}/captions/{language}", editors, video),
        )
    ],
    Row("GET /v1/videos/{video_id}", INSIDERS, PRIVATE),
    Row("GET /v1/videos/{video_id}/renditions", INSIDERS, PRIVATE),
    Row("GET /v1/videos/{video_id}/chapters", INSIDERS, PRIVATE),
    Row("GET /v1/videos/{video_id}/captions", INSIDERS, PRIVATE),
    Row("GET /v1/videos/{video_id}/comments", INSIDERS, PRIVATE),
    Row("POST /v1/videos/{video_id}/playback-sessions", INSIDERS, PRIVATE),
    Row("POST /v1/videos/{video_id}/views", "404 404 404 404 ok 404 404", PRIVATE, body=_OWNERS_BEAT),
    Row("POST /v1/videos/{video_id}/retry-processing", THEIR_EDITORS, {"video_id": "failed"}),
    Row("GET /v1/processing/stream", EDITORS, query="video={public}"),
    Row("GET /v1/processing/stream", THEIR_EDITORS, query="video={private}&video={failed}"),
    Row("GET /v1/videos/{video_id}", INSIDERS, {"video_id": "failed"}),
    # The platform's roles come first here, and say nothing of the video.
    Row("PUT /v1/admin/videos/{video_id}/block", PLATFORM, body={"reason": "Spam"}),
    Row("PUT /v1/admin/videos/{video_id}/block", PLATFORM, PRIVATE, body={"reason": "Spam"}),
    Row("DELETE /v1/admin/videos/{video_id}/block", PLATFORM, PRIVATE),
]
SAY, LIKE = {"text": "Hello"}, {"value": "like"}
ENGAGEMENT = [
    Row("POST /v1/videos/{video_id}/comments", SIGNED_IN, body=SAY),
    Row("POST /v1/videos/{video_id}/comments", INSIDERS, PRIVATE, body=SAY),
    Row("PUT /v1/videos/{video_id}/reaction", SIGNED_IN, body=LIKE),
    Row("PUT /v1/videos/{video_id}/reaction", INSIDERS, PRIVATE, body=LIKE),
    Row("DELETE /v1/videos/{video_id}/reaction", SIGNED_IN),
    Row("DELETE /v1/videos/{video_id}/reaction", INSIDERS, PRIVATE),
    Row("GET /v1/comments/{comment_id}", ANYONE),
    Row("GET /v1/comments/{comment_id}/replies", ANYONE),
    Row("POST /v1/comments/{comment_id}/replies", SIGNED_IN, body=SAY),
    Row("PATCH /v1/comments/{comment_id}", AUTHOR, body={"text": "Other"}),
    Row("PATCH /v1/comments/{comment_id}", MODERATORS, body={"pinned": True}),
    Row("DELETE /v1/comments/{comment_id}", MODERATORS),
    Row("POST /v1/comments/{comment_id}/moderation", MODERATORS, body={"action": "hold"}),
    Row("PUT /v1/comments/{comment_id}/reaction", SIGNED_IN, body=LIKE),
    Row("DELETE /v1/comments/{comment_id}/reaction", SIGNED_IN),
    # Somebody else's comment that waits for a ruling, or stands under a private video.
    *[
        row
        for comment in (HELD, IN_PRIVATE)
        for row in (
            Row("GET /v1/comments/{comment_id}", INSIDERS, comment),
            Row("GET /v1/comments/{comment_id}/replies", INSIDERS, comment),
            Row("POST /v1/comments/{comment_id}/replies", INSIDERS, comment, body=SAY),
            Row("PATCH /v1/comments/{comment_id}", THEIR_AUTHOR, comment, body={"text": "Other"}),
            Row("DELETE /v1/comments/{comment_id}", INSIDERS, comment),
            Row("POST /v1/comments/{comment_id}/moderation", INSIDERS, comment, body={"action": "approve"}),
            Row("PUT /v1/comments/{comment_id}/reaction", INSIDERS, comment, body=LIKE),
            Row("DELETE /v1/comments/{comment_id}/reaction", INSIDERS, comment),
        )
    ],
]
OWN = [
    Row("PUT /v1/me/subscriptions/{channel_id}", "401 ok ok ok 403 ok ok", body={"notify": "all"}),
    Row("DELETE /v1/me/subscriptions/{channel_id}", SIGNED_IN),
    Row("GET /v1/me/subscriptions", SIGNED_IN),
    Row("GET /v1/me/feed", SIGNED_IN),
    Row("GET /v1/me/history", SIGNED_IN),
    Row("DELETE /v1/me/history", SIGNED_IN),
    Row("DELETE /v1/me/history/{video_id}", SIGNED_IN),
    Row("GET /v1/me/notifications", SIGNED_IN),
    Row("POST /v1/me/notifications/read", SIGNED_IN, body={"ids": ["ntf_01J9ZK3B1W8N6T2Q4R5S7V9X0Y"]}),
    Row("GET /v1/me/notifications/unread-count", SIGNED_IN),
    Row("GET /v1/me/notifications/stream", SIGNED_IN),
    Row("GET /v1/me/notification-settings", SIGNED_IN),
    Row("PUT /v1/me/notification-settings", SIGNED_IN, body={"comment": False}),
]
ON_PRIVATE = {"stream_id": "private_stream", "session_id": "private_session", "message_id": "private_message"}
_NEW_STREAM = _made(lambda cast, _: {"channel_id": cast.things["channel"], "title": "Live"})
_SOON = _made(lambda cast, _: {"starts_at": (cast.scene.clock.now() + timedelta(hours=1)).isoformat()})
STREAMS = [
    Row("POST /v1/streams", EDITORS, body=_NEW_STREAM),
    Row("GET /v1/streams", ANYONE),
    Row("GET /v1/channels/{channel_id}/streams", ANYONE),
    *[
        row
        for on, seen, members, editors in (
            ({}, ANYONE, MODERATORS, EDITORS),
            (ON_PRIVATE, INSIDERS, INSIDERS, THEIR_EDITORS),
        )
        for row in (
            Row("GET /v1/streams/{stream_id}", seen, on),
            Row("POST /v1/streams/{stream_id}/playback-sessions", seen, on),
            Row("GET /v1/streams/{stream_id}/schedule", seen, on),
            Row("POST /v1/streams/{stream_id}/chat-tokens", seen, on),
            Row("GET /v1/streams/{stream_id}/chat-rules", seen, on),
            Row("GET /v1/stream-sessions/{session_id}/chat-messages", seen, on),
            Row("POST /v1/streams/{stream_id}/stop", members, on),
            Row("GET /v1/streams/{stream_id}/sessions", members, on),
            Row("GET /v1/stream-sessions/{session_id}", members, on),
            Row("GET /v1/stream-sessions/{session_id}/events", members, on),
            Row("GET /v1/stream-sessions/{session_id}/events/stream", members, on),
            Row("GET /v1/stream-sessions/{session_id}/metrics", members, on),
            Row("PATCH /v1/streams/{stream_id}/chat-rules", members, on, body={"slow_mode_s": 5}),
            Row("DELETE /v1/streams/{stream_id}/chat-messages/{message_id}", members, on),
            Row("GET /v1/streams/{stream_id}/chat-bans", members, on),
            Row("PUT /v1/streams/{stream_id}/chat-bans/{user_id}", members, on),
            Row("DELETE /v1/streams/{stream_id}/chat-bans/{user_id}", members, on),
            Row("PATCH /v1/streams/{stream_id}", editors, on, body={"title": "Other"}),
            Row("PATCH /v1/streams/{stream_id}", editors, on, body={"visibility": "unlisted"}),
            Row("DELETE /v1/streams/{stream_id}", editors, on),
            Row("GET /v1/streams/{stream_id}/ingest", editors, on),
            Row("POST /v1/streams/{stream_id}/rotate-key", editors, on),
            Row("POST /v1/streams/{stream_id}/enable", editors, on),
            Row("POST /v1/streams/{stream_id}/disable", editors, on),
            Row("POST /v1/streams/{stream_id}/metadata", editors, on, body={"text": "2:1"}),
            Row("POST /v1/streams/{stream_id}/schedule", editors, on, body=_SOON),
            Row("DELETE /v1/streams/{stream_id}/schedule", editors, on),
            Row("POST /v1/dev/streams/{stream_id}/simulate", editors, on, body={"step": "starve"}),
        )
    ],
]
OTHERS = [
    Row("GET /v1/search", ANYONE, query="q=film"),
    Row("GET /v1/feeds/channels/{file}", ANYONE, {"file": "feed"}),
    Row("GET /v1/oembed", ANYONE, query="url=http://hexcast.test/watch/{public}"),
    # oEmbed has a status of its own for this, and its answer is for a third party whoever asks.
    Row("GET /v1/oembed", "401 401 401 401 401 401 401", query="url=http://hexcast.test/watch/{private}"),
    Row("GET /v1/oembed", ANYONE, query="url=http://hexcast.test/live/{stream}"),
    Row("GET /v1/oembed", "401 401 401 401 401 401 401", query="url=http://hexcast.test/live/{private_stream}"),
    Row("GET /healthz", ANYONE),
    Row("GET /readyz", ANYONE),
    Row("GET /metrics", ANYONE),
    Row("GET /v1/meta", ANYONE),
    Row("GET /.well-known/jwks.json", ANYONE),
    Row("GET /", ANYONE, well=(307,)),
    Row("GET /favicon.ico", ANYONE),
    Row("GET /schema", ANYONE),
    Row("GET /schema/openapi.json", ANYONE),
    Row("GET /schema/scalar.js", ANYONE),
    Row("GET /v1/dev/mailbox", ANYONE, query="to=friend@example.org"),
    Row("POST /v1/dev/clock/advance", ANYONE, body={"seconds": 0}),
]
# Links speak for themselves: who follows one does not matter.
MEDIA = [
    Row("PUT /media/in/{token}", ANYONE, {"token": "part"}, body=CLIP),
    Row("PUT /media/in/{token}", FORBIDDEN, {"token": "grant"}, body=CLIP),
    Row("GET /media/o", ANYONE, query="/{open_key}"),
    Row("GET /media/o", NOBODY, query="/{closed_key}"),
    Row("GET /media/g", ANYONE, query="/{grant}/{closed_key}"),
    Row("GET /media/g", FORBIDDEN, query="/{other_grant}/{closed_key}"),
    Row("GET /media/g", FORBIDDEN, query="/{void_grant}/{closed_key}"),
    Row("GET /media/g", FORBIDDEN, query="/{part}/{closed_key}"),
    Row("GET /media/g", NOBODY, query="/{closed_key}"),
    Row("GET /media/o", ANYONE, query="/l/{stream}/{broadcast}/index.m3u8"),
    Row("GET /media/o", NOBODY, query="/l/{private_stream}/{private_broadcast}/index.m3u8"),
]
TABLE = [*IDENTITY, *CHANNELS, *UPLOADS, *VIDEOS, *ENGAGEMENT, *OWN, *STREAMS, *OTHERS, *MEDIA]
_PARAMETERS = {
    "channel_id": "channel", "video_id": "public", "comment_id": "comment", "upload_id": "upload", "user_id": "user",
    "stream_id": "stream", "session_id": "session", "message_id": "message",
}  # fmt: skip


@pytest.fixture(scope="module")
async def cast() -> AsyncIterator[Cast]:
    async with gathered() as cast:
        yield cast


async def ask(
    cast: Cast, row: Row, role: str, *, method: str = "", query: str = "", content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:  # fmt: skip
    """What the row's route answers someone in the role; the request may be another than the row's."""
    own_method, path = row.route.split()
    things = dict(cast.things) | {name: person.id for name, person in _users(cast)}
    things |= {"own_user": things.get(f"user_of_{role}", "usr_none"), "feed": f"{things['channel']}.atom"}
    things |= {name: things[thing] for name, thing in {**_PARAMETERS, **row.on}.items()}
    asked = "&".join(each for each in (row.query.format(**things), query) if each)
    path = path.format(**things) + (asked if asked.startswith("/") else f"?{asked}" if asked else "")
    sent = dict(cast.headers(role))
    if content is None and row.body is not None:
        content, kind = await _content(cast, row, role)
        sent["content-type"] = kind
    sent |= headers or {}
    if path.endswith("/stream") and not method:
        return await begun(cast, path, sent)
    return await cast.scene.http.request(
        method or own_method,
        path,
        headers=[(name.encode(), value.encode()) for name, value in sent.items()],
        content=content,
    )


async def _content(cast: Cast, row: Row, role: str) -> tuple[bytes, str]:
    """The row's body, and its type."""
    if isinstance(row.body, bytes):
        return row.body, "application/octet-stream"
    body = await row.body(cast, role) if callable(row.body) else row.body
    return json.dumps(body).encode(), "application/json"


def _users(cast: Cast) -> list[tuple[str, Any]]:
    return [(f"user_of_{name}", person) for name, person in cast.people.items()]


async def begun(cast: Cast, path: str, headers: Mapping[str, str]) -> httpx.Response:
    """The beginning of an answer that has no end; the client goes away then."""
    sent: list[Any] = []
    enough = asyncio.Event()

    async def receive() -> Any:
        await enough.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            enough.set()

    transport: Any = cast.scene.http._transport
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "scheme": "http", "http_version": "1.1", "client": ("127.0.0.1", 1), "server": ("hexcast.test", 80),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()], "asgi": {},
    }  # fmt: skip
    await transport.app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], content=body)


@pytest.mark.parametrize("row", TABLE, ids=[f"{number} {row.route}" for number, row in enumerate(TABLE)])
async def test_who_may(cast: Cast, row: Row) -> None:
    """Whoever may is answered well; whoever may not changes nothing and learns nothing."""
    found: dict[str, object] = {}
    wanted = dict(zip(ROLES, row.cells.split(), strict=True))
    await cast.renew()
    for role, cell in wanted.items():
        before = cast.scene.core.adapters.changes()()
        answer = await ask(cast, row, role)
        changed = cast.scene.core.adapters.changes()() != before
        if answer.status_code in row.well:
            found[role] = "ok"
        else:
            found[role] = str(answer.status_code)
            assert answer.headers["content-type"] == "application/problem+json", answer.text
            assert SECRET not in answer.text
            assert not changed, f"{role} was refused, and yet something changed"
        if cell == "ok" and not row.route.startswith("GET"):
            await cast.renew()
    assert found == wanted


async def test_every_route_is_in_the_table(cast: Cast) -> None:
    """And the table names none that is not there."""
    there: set[str] = set()
    for route in create_app(cast.scene.core).routes:
        if isinstance(route, HTTPRoute):
            there |= {f"{method} {route.path_format}" for method in set(route.methods) - {"OPTIONS"}}
        elif isinstance(route, ASGIRoute):
            there.add(f"GET {route.path_format}")
    # Litestar answers 404 there itself, to whoever asks.
    assert {row.route for row in TABLE} == there - {"GET /schema/{path}"}


async def test_a_former_member_sends_nothing_more(cast: Cast) -> None:
    """An upload announced while one was a member can be looked at and let go of, not finished."""
    await cast.renew()
    path, by = f"/v1/uploads/{cast.things['former_upload']}", cast.people["former"]
    answers = [
        (await cast.scene.call(method, path + rest, body, by=by)).status_code
        for method, rest, body in (
            ("GET", "", None), ("POST", "/parts", {"numbers": [1]}), ("POST", "/complete", {}), ("POST", "/cancel", None)
        )
    ]  # fmt: skip
    assert answers == [200, 403, 403, 200]


@pytest.mark.parametrize("path", ["/v1/videos", "/v1/channels/{channel}/videos", "/v1/search?q=" + SECRET])
async def test_lists_show_what_may_be_seen(cast: Cast, path: str) -> None:
    """A private video is on its channel's page for insiders, and in no list for everyone."""
    await cast.renew()
    await cast.scene.settle()
    found = []
    for role in ROLES:
        answer = await cast.scene.http.get(path.format(**cast.things), headers=cast.headers(role))
        found.append(SECRET in answer.text)
    insiders = INSIDERS.split() if "channel" in path else NOBODY.split()
    assert found == [cell == "ok" for cell in insiders]


@pytest.mark.parametrize("row", TABLE, ids=[f"{number} {row.route}" for number, row in enumerate(TABLE)])
async def test_a_forged_token_is_nobodys(cast: Cast, row: Row) -> None:
    """It never does more than no token, and where someone is asked for it is refused with what is wrong."""
    await cast.renew()
    nobody = row.cells.split()[0]
    before = cast.scene.core.adapters.changes()()
    forged = evolve(cast.people["admin"], headers={"Authorization": "Bearer e30.e30.e30"})
    cast = evolve(cast, people={**cast.people, "nobody": forged, "forged": forged})
    answer = await ask(cast, row, "forged")
    if answer.status_code == 401:
        assert answer.json()["code"] in {"invalid_token", "private_video", "private_stream"}
        assert cast.scene.core.adapters.changes()() == before
    else:
        assert nobody == "ok" or answer.status_code == int(nobody)
