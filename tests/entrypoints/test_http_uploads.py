"""Uploads over HTTP: announcing a file, links for its parts, finishing, letting go."""

from datetime import timedelta
from typing import Any

import pytest

from domain.uploads import MIB, Limits
from tests.entrypoints.scenes import CLIP, PASSWORD, Scene, opened, problem

BODY = {"filename": "clip.mp4", "content_type": "video/mp4", "size_bytes": len(CLIP)}
SHAPE = {
    "id", "video_id", "status", "method", "part_size_bytes", "parts", "received", "expires_at", "error",
}  # fmt: skip


async def test_a_file_in_one_part(scene: Scene) -> None:
    """Announced, sent, completed; asking again gives the same answer."""
    ada = await scene.person("ada")
    channel = await scene.channel(ada)
    answer = await scene.call("POST", "/v1/uploads", BODY | {"channel_id": channel}, by=ada)
    upload = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/uploads/{upload['id']}"
    assert answer.headers["etag"] == f'"{upload["version"]}"'
    assert set(upload) >= SHAPE
    assert (upload["status"], upload["method"], upload["part_size_bytes"]) == ("waiting", "single", len(CLIP))
    assert (upload["received"], upload["error"], upload["expires_at"]) == ([], None, "2026-01-02T12:00:00Z")
    assert [set(part) for part in upload["parts"]] == [{"number", "url", "expires_at"}]
    assert upload["parts"][0]["expires_at"] == "2026-01-01T12:15:00Z"

    etag = await scene.sent(upload)
    path = f"/v1/uploads/{upload['id']}"
    read = (await scene.call("GET", path, by=ada)).json()
    assert read["received"] == [{"number": 1, "size_bytes": len(CLIP), "etag": etag.strip('"')}]
    assert read["parts"] == []
    for _ in range(2):
        done = await scene.call("POST", f"{path}/complete", {"parts": [{"number": 1, "etag": etag}]}, by=ada)
        assert done.status_code == 202
        assert (done.json()["status"], done.json()["video_id"]) == ("completed", upload["video_id"])
    await scene.settle()
    assert (await scene.call("GET", f"/v1/videos/{upload['video_id']}", by=ada)).json()["processing"][
        "state"
    ] == "ready"


async def test_a_file_in_many_parts(scene: Scene) -> None:
    """The first links come with the announcement, more are signed on demand, and what is here can be read again."""
    ada = await scene.person("ada")
    channel = await scene.channel(ada)
    body = BODY | {"channel_id": channel, "size_bytes": 206 * MIB}
    upload = (await scene.call("POST", "/v1/uploads", body, by=ada)).json()
    assert (upload["method"], upload["part_size_bytes"], upload["part_count"]) == ("multipart", 8 * MIB, 26)
    assert [part["number"] for part in upload["parts"]] == list(range(1, 21))
    path = f"/v1/uploads/{upload['id']}"
    signed = await scene.call("POST", f"{path}/parts", {"numbers": [26, 5, 5]}, by=ada)
    assert signed.status_code == 200
    parts = signed.json()["parts"]
    assert [part["number"] for part in parts] == [5, 26]
    last = b"x" * (6 * MIB)
    assert problem(await scene.http.put(parts[0]["url"], content=last)) == (422, "size_mismatch")
    assert (await scene.http.put(parts[1]["url"], content=last)).status_code == 200
    read = (await scene.call("GET", path, by=ada)).json()
    assert read["status"] == "uploading"
    assert [(part["number"], part["size_bytes"]) for part in read["received"]] == [(26, 6 * MIB)]
    assert [part["number"] for part in read["parts"]] == list(range(1, 21))
    assert (await scene.http.put(read["parts"][0]["url"], content=b"x" * (8 * MIB))).status_code == 200
    resumed = (await scene.call("GET", path, by=ada)).json()["parts"]
    assert [part["number"] for part in resumed] == list(range(2, 22))

    assert problem(await scene.call("POST", f"{path}/complete", {}, by=ada)) == (422, "parts_missing")
    assert problem(await scene.call("POST", f"{path}/parts", {"numbers": [27]}, by=ada)) == (422, "no_such_part")
    assert problem(await scene.call("POST", f"{path}/parts", {"numbers": []}, by=ada)) == (422, "too_many_parts")
    assert problem(await scene.call("POST", f"{path}/parts", {"numbers": ["one"]}, by=ada)) == (422, "invalid")


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"size_bytes": 0}, 422, "empty_file"),
        ({"size_bytes": 2**60}, 413, "file_too_large"),
        ({"size_bytes": "many"}, 422, "invalid"),
        ({"content_type": "text/html"}, 422, "unsupported_content_type"),
        ({"filename": ""}, 422, "invalid"),
        ({"visibility": "secret"}, 422, "invalid"),
        ({"visibility": "scheduled"}, 422, "publish_at_mismatch"),
        ({"visibility": "scheduled", "publish_at": "2025-01-01T00:00:00Z"}, 422, "publish_at_past"),
        ({"visibility": "scheduled", "publish_at": "2030-01-01T00:00:00"}, 422, "invalid"),
        ({"channel_id": "chn_none"}, 404, "not_found"),
        ({"replaces": "vid_none"}, 404, "not_found"),
    ],
)
async def test_files_that_are_not_taken(scene: Scene, changed: dict[str, Any], status: int, code: str) -> None:
    """And no upload is made of them."""
    ada = await scene.person("ada")
    body = BODY | {"channel_id": await scene.channel(ada)} | changed
    assert problem(await scene.call("POST", "/v1/uploads", body, by=ada)) == (status, code)
    assert (await scene.call("GET", "/v1/uploads", by=ada)).json()["data"] == []


async def test_uploads_are_their_makers(scene: Scene) -> None:
    """A stranger may announce none, and learns nothing of those there are."""
    ada, bob = await scene.person("ada"), await scene.person("bob")
    channel = await scene.channel(ada)
    body = BODY | {"channel_id": channel}
    assert problem(await scene.call("POST", "/v1/uploads", body, by=bob)) == (403, "forbidden")
    assert problem(await scene.call("POST", "/v1/uploads", body)) == (401, "unauthenticated")
    path = f"/v1/uploads/{(await scene.announced(ada, channel))['id']}"
    for method, at, sent in (
        ("GET", path, None),
        ("POST", f"{path}/parts", {"numbers": [1]}),
        ("POST", f"{path}/complete", {}),
        ("POST", f"{path}/cancel", None),
    ):
        assert problem(await scene.call(method, at, sent)) == (401, "unauthenticated")
        assert problem(await scene.call(method, at, sent, by=bob)) == (404, "not_found")
    assert problem(await scene.call("GET", "/v1/uploads")) == (401, "unauthenticated")
    assert (await scene.call("GET", "/v1/uploads", by=bob)).json() == {"data": [], "next_cursor": None}


async def test_cancelling(scene: Scene) -> None:
    """Asking again gives the same answer; no part comes any more, and the video that never was is gone."""
    ada = await scene.person("ada")
    upload = await scene.announced(ada, await scene.channel(ada))
    path = f"/v1/uploads/{upload['id']}"
    for _ in range(2):
        cancelled = await scene.call("POST", f"{path}/cancel", by=ada)
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert problem(await scene.http.put(upload["parts"][0]["url"], content=CLIP)) == (409, "upload_closed")
    assert problem(await scene.call("POST", f"{path}/parts", {"numbers": [1]}, by=ada)) == (409, "upload_closed")
    assert problem(await scene.call("POST", f"{path}/complete", {}, by=ada)) == (409, "upload_closed")
    await scene.settle()
    assert problem(await scene.call("GET", f"/v1/videos/{upload['video_id']}", by=ada)) == (404, "not_found")


async def test_what_is_complete_is_not_cancelled(scene: Scene) -> None:
    """The video is there to be removed."""
    ada = await scene.person("ada")
    upload = await scene.announced(ada, await scene.channel(ada))
    await scene.sent(upload)
    path = f"/v1/uploads/{upload['id']}"
    wrong = await scene.call("POST", f"{path}/complete", {"parts": [{"number": 1, "etag": '"other"'}]}, by=ada)
    assert problem(wrong) == (422, "etag_mismatch")
    await scene.call("POST", f"{path}/complete", {}, by=ada)
    assert problem(await scene.call("POST", f"{path}/cancel", by=ada)) == (409, "illegal_transition")


async def test_an_upload_that_expired(scene: Scene) -> None:
    """A day later nothing more is taken."""
    ada = await scene.person("ada")
    upload = await scene.announced(ada, await scene.channel(ada))
    scene.clock.advance(timedelta(hours=24))
    tokens = await scene.call("POST", "/v1/auth/sign-in", {"email": ada.email, "password": PASSWORD})
    headers = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
    late = await scene.call("POST", f"/v1/uploads/{upload['id']}/parts", {"numbers": [1]}, headers=headers)
    assert problem(late) == (409, "upload_expired")


async def test_quotas() -> None:
    """Of bytes and of open uploads; what is let go counts no more."""
    async with opened(Limits(file_bytes=100, user_bytes=150, open_uploads=2)) as scene:
        ada = await scene.person("ada")
        body = BODY | {"channel_id": await scene.channel(ada)}
        first = (await scene.call("POST", "/v1/uploads", body | {"size_bytes": 100}, by=ada)).json()
        over = await scene.call("POST", "/v1/uploads", body | {"size_bytes": 60}, by=ada)
        assert problem(over) == (403, "quota_exceeded")
        assert (await scene.call("POST", "/v1/uploads", body | {"size_bytes": 10}, by=ada)).status_code == 201
        third = await scene.call("POST", "/v1/uploads", body | {"size_bytes": 10}, by=ada)
        assert problem(third) == (403, "too_many_uploads")
        await scene.call("POST", f"/v1/uploads/{first['id']}/cancel", by=ada)
        assert (await scene.call("POST", "/v1/uploads", body | {"size_bytes": 60}, by=ada)).status_code == 201


async def test_ones_own_uploads(scene: Scene) -> None:
    """Newest first, by status, page by page."""
    ada = await scene.person("ada")
    channel = await scene.channel(ada)
    made = [(await scene.announced(ada, channel))["id"] for _ in range(3)]
    await scene.call("POST", f"/v1/uploads/{made[1]}/cancel", by=ada)

    async def listed(query: str) -> list[str]:
        return [each["id"] for each in (await scene.call("GET", f"/v1/uploads?{query}", by=ada)).json()["data"]]

    assert await listed("") == made[::-1]
    assert await listed("status=open") == [made[2], made[0]]
    assert await listed("status=waiting") == [made[2], made[0]]
    assert await listed("status=cancelled") == [made[1]]
    assert await listed("status=completed") == []
    first = (await scene.call("GET", "/v1/uploads?limit=2", by=ada)).json()
    assert await listed(f"limit=2&cursor={first['next_cursor']}") == [made[0]]
    other = await scene.call("GET", f"/v1/uploads?status=open&cursor={first['next_cursor']}", by=ada)
    assert problem(other) == (400, "cursor_mismatch")
    assert problem(await scene.call("GET", "/v1/uploads?status=odd", by=ada)) == (422, "invalid")


async def test_announcing_twice_with_one_key(scene: Scene) -> None:
    """A repeated request makes one upload and one video."""
    ada = await scene.person("ada")
    body, key = BODY | {"channel_id": await scene.channel(ada)}, {"Idempotency-Key": "one"}
    first = await scene.call("POST", "/v1/uploads", body, by=ada, headers=key)
    second = await scene.call("POST", "/v1/uploads", body, by=ada, headers=key)
    assert second.json() == first.json()
    other = await scene.call("POST", "/v1/uploads", body | {"filename": "b.mp4"}, by=ada, headers=key)
    assert problem(other) == (422, "idempotency_key_reused")
    assert len((await scene.call("GET", "/v1/uploads", by=ada)).json()["data"]) == 1


async def test_replacing_a_source(scene: Scene) -> None:
    """The same video plays the other file."""
    ada = await scene.person("ada")
    channel = await scene.channel(ada)
    video = await scene.video(ada, channel)
    longer = b"hexcast-fake 640x360 90.0s\n"
    assert await scene.video(ada, channel, longer, replaces=video) == video
    shown = (await scene.call("GET", f"/v1/videos/{video}")).json()
    assert (shown["duration_s"], shown["processing"]["attempt"]) == (90.0, 2)
