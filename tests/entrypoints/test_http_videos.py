"""Videos over HTTP: finding, showing and editing them, their captions, chapters, thumbnail and processing."""

import io
import json
from typing import Any

import pytest
import structlog
from PIL import Image

from tests.entrypoints.eventsource import EventSource, connected
from tests.entrypoints.scenes import BROKEN, CLIP, Person, Scene, problem

VTT = b"WEBVTT\n\n00:00.000 --> 00:02.000\nHello\n"
FOLLOWED = "/v1/processing/stream"
SRT = b"1\n00:00:00,000 --> 00:00:02,000\nHallo\n"


async def stage(scene: Scene, **fields: object) -> tuple[Person, str, str]:
    """Someone, their channel and a video on it."""
    ada = await scene.person("ada")
    channel = await scene.channel(ada)
    return ada, channel, await scene.video(ada, channel, **fields)  # type: ignore[arg-type]  # fields of the upload


async def test_a_video(scene: Scene) -> None:
    """Its shape, for nobody and for its maker."""
    ada, channel, video = await stage(scene, title="A clip", tags=["#Films", "films", "old"])
    shown = await scene.call("GET", f"/v1/videos/{video}")
    assert shown.status_code == 200
    body = shown.json()
    assert shown.headers["etag"] == f'"{body["version"]}"'
    assert shown.headers.get("cache-control") != "no-store"
    assert body == {
        "id": video,
        "channel": {"id": channel, "handle": "films", "name": "Films", "avatar_url": None},
        "title": "A clip",
        "description": "",
        "tags": ["films", "old"],
        "category": None,
        "language": None,
        "visibility": "public",
        "publish_at": None,
        "published_at": "2026-01-01T12:00:00Z",
        "blocked": None,
        "processing": {"state": "ready", "progress_percent": 100, "attempt": 1, "error": None},
        "duration_s": 60.0,
        "width": 1280,
        "height": 720,
        "poster_url": body["poster_url"],
        "storyboard_url": body["storyboard_url"],
        "renditions": body["renditions"],
        "caption_languages": [],
        "stream_id": None,
        "stream_session_id": None,
        "counts": {"views": 0, "likes": 0, "dislikes": 0, "comments": 0},
        "viewer": None,
        "created_at": "2026-01-01T12:00:00Z",
        "version": body["version"],
    }
    assert [each["name"] for each in body["renditions"]] == ["360p", "480p", "720p"]
    assert set(body["renditions"][0]) == {"name", "width", "height", "bitrate_bps", "codecs"}
    assert (await scene.http.get(body["poster_url"])).headers["content-type"] == "image/jpeg"
    assert (await scene.http.get(body["storyboard_url"])).status_code == 200
    renditions = await scene.call("GET", f"/v1/videos/{video}/renditions")
    assert renditions.json() == {"data": body["renditions"], "next_cursor": None}
    mine = (await scene.call("GET", f"/v1/videos/{video}", by=ada)).json()
    assert mine["viewer"] == {"reaction": None, "position_s": None}


async def test_a_video_before_its_bytes(scene: Scene) -> None:
    """Its maker sees it with nothing to play; the answer is not for keeping, and strangers see nothing."""
    ada = await scene.person("ada")
    upload = await scene.announced(ada, await scene.channel(ada), visibility="public")
    path = f"/v1/videos/{upload['video_id']}"
    shown = await scene.call("GET", path, by=ada)
    assert shown.headers["cache-control"] == "no-store"
    body = shown.json()
    assert body["processing"] == {"state": "pending", "progress_percent": 0, "attempt": 0, "error": None}
    empty = ("duration_s", "width", "height", "poster_url", "storyboard_url", "published_at")
    assert [body[name] for name in empty] == [None] * 6
    assert body["renditions"] == []
    for at in ("", "/renditions", "/chapters", "/captions"):
        assert problem(await scene.call("GET", path + at)) == (404, "not_found")
    assert (await scene.call("GET", f"{path}/renditions", by=ada)).json()["data"] == []
    assert (await scene.call("GET", f"{path}/processing-events", by=ada)).json()["data"] == []
    retried = await scene.call("POST", f"{path}/retry-processing", by=ada)
    assert problem(retried) == (409, "no_source")


async def test_lists(scene: Scene) -> None:
    """What everyone may watch: by channel, by tag, in either order, page by page."""
    ada = await scene.person("ada")
    films, songs = await scene.channel(ada), await scene.channel(ada, "songs")
    first = await scene.video(ada, films, tags=["old"])
    await scene.video(ada, films, visibility="unlisted")
    second = await scene.video(ada, songs)

    async def listed(query: str) -> list[str]:
        return [each["id"] for each in (await scene.call("GET", f"/v1/videos?{query}")).json()["data"]]

    assert await listed("") == [second, first]
    assert await listed("sort=oldest") == [first, second]
    assert await listed(f"channel={songs}") == [second]
    assert await listed("tag=%23OLD") == [first]
    assert await listed("tag=none") == []
    page = (await scene.call("GET", "/v1/videos?limit=1")).json()
    assert await listed(f"limit=1&cursor={page['next_cursor']}") == [first]
    other = await scene.call("GET", f"/v1/videos?sort=oldest&cursor={page['next_cursor']}")
    assert problem(other) == (400, "cursor_mismatch")
    assert problem(await scene.call("GET", "/v1/videos?cursor=x")) == (400, "invalid_cursor")
    assert problem(await scene.call("GET", "/v1/videos?sort=best")) == (422, "invalid")


async def test_lists_are_kept_until_something_changes(scene: Scene) -> None:
    """An anonymous list shows an edit at once."""
    ada, _, video = await stage(scene)
    assert (await scene.call("GET", "/v1/videos")).json()["data"][0]["title"] == "clip.mp4"
    await scene.call("PATCH", f"/v1/videos/{video}", {"title": "New"}, by=ada)
    assert (await scene.call("GET", "/v1/videos")).json()["data"][0]["title"] == "New"
    await scene.call("PATCH", f"/v1/videos/{video}", {"visibility": "private"}, by=ada)
    assert (await scene.call("GET", "/v1/videos")).json()["data"] == []


async def test_links_of_unlisted_videos_are_not_kept(scene: Scene) -> None:
    """They end, so the answer that holds them must not stay."""
    _, _, video = await stage(scene, visibility="unlisted")
    shown = await scene.call("GET", f"/v1/videos/{video}")
    assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
    assert (await scene.http.get(shown.json()["poster_url"])).status_code == 200


async def test_editing(scene: Scene) -> None:
    """What is left out stays, a null empties, times come back in UTC."""
    ada, _, video = await stage(scene, visibility="private", description="Old", tags=["a"])
    path = f"/v1/videos/{video}"
    version = (await scene.call("GET", path, by=ada)).json()["version"]
    first = {"title": " New ", "category": "Film", "language": "pt-BR", "unknown": True}
    edited = await scene.call("PATCH", path, first, by=ada, version=version)
    body = edited.json()
    assert edited.status_code == 200
    assert edited.headers["etag"] == f'"{version + 1}"'
    assert (body["title"], body["category"], body["language"]) == ("New", "Film", "pt-BR")
    assert (body["description"], body["tags"]) == ("Old", ["a"])
    second: dict[str, Any] = {"description": None, "tags": None, "category": None, "language": None}
    body = (await scene.call("PATCH", path, second, by=ada)).json()
    assert [body[name] for name in second] == ["", [], None, None]
    planned = {"visibility": "scheduled", "publish_at": "2026-02-01T13:00:00+02:00"}
    assert (await scene.call("PATCH", path, planned, by=ada)).json()["publish_at"] == "2026-02-01T11:00:00Z"
    public = await scene.call("PATCH", path, {"visibility": "public", "publish_at": None}, by=ada)
    assert (public.json()["publish_at"], public.json()["published_at"]) == (None, "2026-01-01T12:00:00Z")

    late = await scene.call("PATCH", path, {"title": "Late"}, by=ada, version=version)
    assert problem(late) == (412, "version_mismatch")
    odd = await scene.call("PATCH", path, {"title": "x"}, by=ada, headers={"If-Match": "odd"})
    assert problem(odd) == (400, "invalid_if_match")


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"title": ""}, "invalid"),
        ({"title": None}, "invalid"),
        ({"visibility": None}, "invalid"),
        ({"visibility": "odd"}, "invalid"),
        ({"tags": "films"}, "invalid"),
        ({"language": "?"}, "invalid_language"),
        ({"publish_at": "2030-01-01T00:00:00Z"}, "publish_at_mismatch"),
        ({"visibility": "scheduled", "publish_at": "2025-01-01T00:00:00Z"}, "publish_at_past"),
        ({"visibility": "scheduled", "publish_at": "0001-01-01T00:00:00+02:00"}, "invalid"),
        ({"visibility": "scheduled", "publish_at": "2030-01-01T00:00:00Z"}, "already_published"),
    ],
)
async def test_edits_that_are_refused(scene: Scene, patch: dict[str, Any], code: str) -> None:
    """Of a public video."""
    ada, _, video = await stage(scene)
    assert problem(await scene.call("PATCH", f"/v1/videos/{video}", patch, by=ada)) == (422, code)


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("PATCH", "", {"json": {"title": "Mine"}}),
        ("DELETE", "", {}),
        ("POST", "/retry-processing", {}),
        ("GET", "/processing-events", {}),
        ("PUT", "/thumbnail", {"content": b"x"}),
        ("PUT", "/chapters", {"json": {"chapters": []}}),
        ("PUT", "/captions/en", {"content": VTT}),
        ("DELETE", "/captions/en", {}),
    ],
)
async def test_only_members_change_a_video(scene: Scene, method: str, path: str, options: dict[str, Any]) -> None:
    """Nobody, a stranger to a public video, a stranger to a private one."""
    ada, channel, video = await stage(scene)
    bob, hidden = await scene.person("bob"), await scene.video(ada, channel, visibility="private")
    assert problem(await scene.call(method, f"/v1/videos/{video}{path}", **options)) == (401, "unauthenticated")
    assert problem(await scene.call(method, f"/v1/videos/{video}{path}", by=bob, **options)) == (403, "forbidden")
    assert problem(await scene.call(method, f"/v1/videos/{hidden}{path}", by=bob, **options)) == (404, "not_found")
    assert problem(await scene.call(method, f"/v1/videos/vid_none{path}", by=ada, **options)) == (404, "not_found")
    if method != "GET":
        old = await scene.call(method, f"/v1/videos/{video}{path}", by=ada, version=99, **options)
        assert problem(old) == (412, "version_mismatch")


async def test_removing(scene: Scene) -> None:
    """It is gone at once, and its files soon after."""
    ada, _, video = await stage(scene)
    poster = (await scene.call("GET", f"/v1/videos/{video}")).json()["poster_url"]
    assert (await scene.call("DELETE", f"/v1/videos/{video}", by=ada)).status_code == 204
    assert problem(await scene.call("GET", f"/v1/videos/{video}", by=ada)) == (404, "not_found")
    await scene.settle()
    assert (await scene.http.get(poster)).status_code == 404
    assert await scene.core.adapters.media().usage(f"v/{video}/") == 0


async def test_processing_that_failed(scene: Scene) -> None:
    """The video says why, the log when, and another attempt is one request away."""
    ada = await scene.person("ada")
    video = await scene.video(ada, await scene.channel(ada), BROKEN)
    path = f"/v1/videos/{video}"
    failed = (await scene.call("GET", path, by=ada)).json()["processing"]
    assert (failed["state"], failed["attempt"], failed["error"]["code"]) == ("failed", 1, "unreadable")
    assert failed["progress_percent"] == 0
    assert set(failed["error"]) == {"code", "detail"}
    retried = await scene.call("POST", f"{path}/retry-processing", by=ada)
    assert retried.status_code == 202
    assert retried.json()["processing"] == {"state": "pending", "progress_percent": 0, "attempt": 2, "error": None}
    assert retried.headers["etag"] == f'"{retried.json()["version"]}"'
    again = await scene.call("POST", f"{path}/retry-processing", by=ada)
    assert problem(again) == (409, "illegal_transition")
    await scene.settle()
    events = (await scene.call("GET", f"{path}/processing-events", by=ada)).json()
    at = "2026-01-01T12:00:00Z"
    assert events["next_cursor"] is None
    assert events["data"] == [
        {"at": at, "attempt": attempt, "state": state, "error": error}
        for attempt in (1, 2)
        for state, error in (("pending", None), ("probing", None), ("failed", "unreadable"))
    ]


async def said(source: EventSource, video: str, state: str) -> list[Any]:
    """What comes of how the processing goes, until the video is in that state."""
    found: list[Any] = []
    while not found or (found[-1]["video_id"], found[-1]["state"]) != (video, state):
        block = await source.block()
        assert block["event"] == "processing"
        found.append(json.loads(block["data"]))
    return found


async def test_processing_is_followed_to_its_end(scene: Scene) -> None:
    """Of several videos over one connection: how each goes at once, and what changes, until all are done."""
    scene.core.follow_processing.add_kwargs(look_s=0.001)
    ada = await scene.person("ada")
    channel = await scene.channel(ada)
    uploads = [await scene.announced(ada, channel, content, title="Live") for content in (CLIP, BROKEN)]
    good, bad = (each["video_id"] for each in uploads)
    async with connected(scene, FOLLOWED, f"video={good}&video={bad}", **ada.headers) as source:
        assert source.status == 200
        assert source.headers["content-type"].startswith("text/event-stream")
        assert source.headers["cache-control"] == "no-store"
        assert await source.block() == {"retry": "3000"}
        waiting = await said(source, bad, "pending")
        assert waiting == [
            {"video_id": each, "state": "pending", "progress_percent": 0, "attempt": 0, "error": None}
            for each in (good, bad)
        ]
        for upload, content in zip(uploads, (CLIP, BROKEN), strict=True):
            await scene.sent(upload, content)
            await scene.call("POST", f"/v1/uploads/{upload['id']}/complete", {}, by=ada)
        await scene.settle()
        told: dict[str, Any] = {}
        while any(told.get(each, {}).get("state") not in {"ready", "failed"} for each in (good, bad)):
            block = await source.block()
            each = json.loads(block["data"])
            told[each["video_id"]] = each
        assert await source.ended()
    for video in (good, bad):
        shown = (await scene.call("GET", f"/v1/videos/{video}", by=ada)).json()["processing"]
        assert told[video] == {"video_id": video, **shown}
    assert told[good]["progress_percent"] == 100
    assert told[bad]["error"]["code"] == "unreadable"


async def test_how_processing_is_followed(scene: Scene) -> None:
    """By those who may edit the video, and with a token in the query, which is never logged."""
    ada, _, video = await stage(scene)
    ben = await scene.person("ben")
    token = ada.headers["Authorization"].removeprefix("Bearer ")
    with structlog.testing.capture_logs() as logs:
        async with connected(scene, FOLLOWED, f"video={video}&access_token={token}") as source:
            assert await source.block() == {"retry": "3000"}
            assert len(await said(source, video, "ready")) == 1
            assert await source.ended()
    assert token not in repr(logs)
    assert problem(await scene.call("GET", FOLLOWED, params={"video": video}, by=ben)) == (403, "forbidden")
    assert problem(await scene.call("GET", FOLLOWED, params={"video": "vid_none"}, by=ada)) == (404, "not_found")
    refused = await scene.call("GET", FOLLOWED, by=ada)
    assert problem(refused) == (422, "invalid")
    assert refused.json()["errors"][0]["field"] == "video"
    many = await scene.call("GET", FOLLOWED, params={"video": [video] * 51}, by=ada)
    assert problem(many) == (422, "invalid")


async def test_a_thumbnail(scene: Scene) -> None:
    """It takes the place of the poster; what is no picture, or too much of one, is refused."""
    ada, _, video = await stage(scene)
    path, out = f"/v1/videos/{video}/thumbnail", io.BytesIO()
    Image.new("RGB", (32, 18), "teal").save(out, "PNG")
    put = await scene.call("PUT", path, by=ada, content=out.getvalue(), headers={"Content-Type": "image/png"})
    assert put.status_code == 200
    poster = await scene.http.get(put.json()["poster_url"])
    assert Image.open(io.BytesIO(poster.content)).size == (1280, 720)
    assert problem(await scene.call("PUT", path, by=ada, content=b"no picture")) == (422, "unreadable_image")
    large = await scene.call("PUT", path, by=ada, content=b"x" * (8 * 1024 * 1024 + 1))
    assert problem(large)[0] == 413


async def test_captions(scene: Scene) -> None:
    """WebVTT and SubRip come out as WebVTT, one track a language; each can be put anew and removed."""
    ada, _, video = await stage(scene)
    path = f"/v1/videos/{video}/captions"
    vtt = {"Content-Type": "text/vtt"}
    put = await scene.call("PUT", f"{path}/en?label=English", by=ada, content=VTT, headers=vtt)
    assert put.status_code == 200
    assert put.json()["caption_languages"] == ["en"]
    srt = {"Content-Type": "application/x-subrip"}
    put = await scene.call("PUT", f"{path}/de", by=ada, content=SRT, headers=srt)
    assert put.json()["caption_languages"] == ["de", "en"]
    listed = (await scene.call("GET", path)).json()
    assert [(each["language"], each["label"]) for each in listed["data"]] == [("de", "de"), ("en", "English")]
    assert listed["next_cursor"] is None
    for each, text in zip(listed["data"], ("Hallo", "Hello"), strict=True):
        track = await scene.http.get(each["url"])
        assert track.text.startswith("WEBVTT")
        assert text in track.text

    assert (await scene.call("DELETE", f"{path}/de", by=ada)).status_code == 204
    assert [each["language"] for each in (await scene.call("GET", path)).json()["data"]] == ["en"]
    assert problem(await scene.call("DELETE", f"{path}/de", by=ada)) == (404, "not_found")
    assert problem(await scene.call("PUT", f"{path}/x", by=ada, content=VTT)) == (422, "invalid_language")
    assert problem(await scene.call("PUT", f"{path}/en", by=ada, content=b"nothing")) == (422, "invalid_captions")
    large = await scene.call("PUT", f"{path}/en", by=ada, content=b"x" * (2 * 1024 * 1024 + 1))
    assert problem(large)[0] == 413


async def test_chapters(scene: Scene) -> None:
    """They are put as a whole; the ETag is the video's version."""
    ada, _, video = await stage(scene)
    path = f"/v1/videos/{video}/chapters"
    chapters = [{"start_s": 0.0, "title": "Intro"}, {"start_s": 12.5, "title": "More"}]
    assert (await scene.call("GET", path)).json() == {"data": [], "next_cursor": None}
    put = await scene.call("PUT", path, {"chapters": chapters}, by=ada)
    assert (put.status_code, put.json()) == (200, {"data": chapters, "next_cursor": None})
    shown = await scene.call("GET", path)
    assert shown.json() == put.json()
    version = (await scene.call("GET", f"/v1/videos/{video}")).json()["version"]
    assert shown.headers["etag"] == put.headers["etag"] == f'"{version}"'
    assert (await scene.call("PUT", path, {"chapters": []}, by=ada)).json()["data"] == []


@pytest.mark.parametrize(
    ("chapters", "code"),
    [
        ([{"start_s": 1, "title": "Late"}], "chapters_disordered"),
        ([{"start_s": 0, "title": "a"}, {"start_s": 0, "title": "b"}], "chapters_disordered"),
        ([{"start_s": 0, "title": "a"}, {"start_s": 60, "title": "b"}], "chapters_beyond_end"),
        ([{"start_s": 0, "title": "a"}, {"start_s": "nan", "title": "b"}], "invalid"),
        ([{"start_s": 0, "title": ""}], "invalid"),
        ([{"start_s": 0}], "invalid"),
    ],
)
async def test_chapters_that_are_refused(scene: Scene, chapters: list[dict[str, Any]], code: str) -> None:
    """Of a video of a minute."""
    ada, _, video = await stage(scene)
    put = await scene.call("PUT", f"/v1/videos/{video}/chapters", {"chapters": chapters}, by=ada)
    assert problem(put) == (422, code)


async def test_blocking(scene: Scene) -> None:
    """A moderator takes it out of sight and puts it back; the members see why."""
    ada, _, video = await stage(scene)
    mod, path = await scene.person("mod"), f"/v1/admin/videos/{video}/block"
    blocked = await scene.call("PUT", path, {"reason": "Not yours"}, by=mod)
    assert (blocked.status_code, blocked.json()["blocked"]) == (200, "Not yours")
    assert problem(await scene.call("GET", f"/v1/videos/{video}")) == (404, "not_found")
    assert (await scene.call("GET", "/v1/videos")).json()["data"] == []
    assert (await scene.call("GET", f"/v1/videos/{video}", by=ada)).json()["blocked"] == "Not yours"
    assert (await scene.call("DELETE", path, by=mod)).status_code == 204
    assert (await scene.call("GET", f"/v1/videos/{video}")).status_code == 200

    for method, body in (("PUT", {"reason": "x"}), ("DELETE", None)):
        assert problem(await scene.call(method, path, body)) == (401, "unauthenticated")
        assert problem(await scene.call(method, path, body, by=ada)) == (403, "forbidden")
        none = await scene.call(method, "/v1/admin/videos/vid_none/block", body, by=mod)
        assert problem(none) == (404, "not_found")
    assert problem(await scene.call("PUT", path, {}, by=mod)) == (422, "invalid")
