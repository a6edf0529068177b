"""Channels over HTTP: opening and editing them, their pictures, members and videos."""

import io

import pytest
from PIL import Image

from tests.entrypoints.scenes import Person, Scene, problem


def picture(width: int = 40, height: int = 30) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(out, "PNG")
    return out.getvalue()


async def test_opening_a_channel(scene: Scene) -> None:
    """Its shape, for its owner, for nobody and for someone else."""
    ada, bob = await scene.person("ada"), await scene.person("bob")
    opened = await scene.call("POST", "/v1/channels", {"handle": "Films", "name": " My  films "}, by=ada)
    assert opened.status_code == 201
    channel = opened.json()["id"]
    assert opened.headers["location"] == f"/v1/channels/{channel}"
    assert opened.headers["etag"] == '"1"'
    assert opened.json() == {
        "id": channel,
        "handle": "films",
        "name": "My films",
        "description": "",
        "owner_id": ada.id,
        "avatar_url": None,
        "banner_url": None,
        "counts": {"subscribers": 0, "videos": 0},
        "viewer": {"subscribed": False, "notify": None, "role": "owner"},
        "comments_enabled": True,
        "comment_policy": {"hold": "none", "words": [], "enabled": True},
        "members": [],
        "created_at": "2026-01-01T12:00:00Z",
        "version": 1,
    }
    for path in (f"/v1/channels/{channel}", "/v1/channels/by-handle/films", "/v1/channels/by-handle/@Films"):
        shown = await scene.call("GET", path)
        assert shown.status_code == 200
        assert shown.headers["etag"] == '"1"'
        assert shown.json() == opened.json() | {"viewer": None, "comment_policy": None, "members": None}
    by_bob = (await scene.call("GET", f"/v1/channels/{channel}", by=bob)).json()
    assert by_bob["viewer"] == {"subscribed": False, "notify": None, "role": None}
    assert by_bob["members"] is None


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"handle": "films", "name": "Taken"}, 409, "handle_taken"),
        ({"handle": "-", "name": "Odd"}, 422, "invalid_handle"),
        ({"handle": "other", "name": ""}, 422, "invalid"),
        ({"handle": "other"}, 422, "invalid"),
    ],
)
async def test_channels_that_are_not_opened(scene: Scene, body: dict[str, str], status: int, code: str) -> None:
    """When there is one with the handle films."""
    ada = await scene.person("ada")
    await scene.channel(ada)
    assert problem(await scene.call("POST", "/v1/channels", body, by=ada)) == (status, code)


async def test_channels_need_someone(scene: Scene) -> None:
    """Nobody opens one; one that is not there is not found."""
    body = {"handle": "films", "name": "Films"}
    assert problem(await scene.call("POST", "/v1/channels", body)) == (401, "unauthenticated")
    assert problem(await scene.call("GET", "/v1/channels/chn_none")) == (404, "not_found")
    assert problem(await scene.call("GET", "/v1/channels/by-handle/none")) == (404, "not_found")
    assert problem(await scene.call("GET", "/v1/channels/chn_none/videos")) == (404, "not_found")


async def test_opening_twice_with_one_key(scene: Scene) -> None:
    """A repeated request opens nothing more."""
    ada = await scene.person("ada")
    body, key = {"handle": "films", "name": "Films"}, {"Idempotency-Key": "one"}
    first = await scene.call("POST", "/v1/channels", body, by=ada, headers=key)
    second = await scene.call("POST", "/v1/channels", body, by=ada, headers=key)
    assert (second.status_code, second.json()) == (201, first.json())


async def test_editing_a_channel(scene: Scene) -> None:
    """What is left out stays, also in the comment policy; a null empties; another version is refused."""
    ada, bob = await scene.person("ada"), await scene.person("bob")
    path = f"/v1/channels/{await scene.channel(ada)}"
    first = {"description": "About films", "comment_policy": {"hold": "links", "words": ["spam"]}, "unknown": 1}
    edited = await scene.call("PATCH", path, first, by=ada, version=1)
    assert edited.status_code == 200
    assert edited.headers["etag"] == '"2"'
    assert edited.json()["comment_policy"] == {"hold": "links", "words": ["spam"], "enabled": True}
    second = {"description": None, "comment_policy": {"enabled": False}, "name": "Movies"}
    edited = await scene.call("PATCH", path, second, by=ada)
    assert (edited.json()["name"], edited.json()["description"], edited.json()["handle"]) == ("Movies", "", "films")
    assert edited.json()["comment_policy"] == {"hold": "links", "words": ["spam"], "enabled": False}
    assert edited.json()["comments_enabled"] is False
    edited = await scene.call("PATCH", path, {"comment_policy": {"words": None}, "handle": "movies"}, by=ada)
    assert edited.json()["comment_policy"]["words"] == []
    assert (await scene.call("GET", "/v1/channels/by-handle/movies")).status_code == 200

    assert problem(await scene.call("PATCH", path, {"name": "x"}, by=ada, version=1)) == (412, "version_mismatch")
    assert problem(await scene.call("PATCH", path, {"name": "x"}, by=bob)) == (403, "forbidden")
    assert problem(await scene.call("PATCH", path, {"name": "x"})) == (401, "unauthenticated")
    assert problem(await scene.call("PATCH", path, {"name": None}, by=ada)) == (422, "invalid")
    assert problem(await scene.call("PATCH", path, {"comment_policy": {"hold": "some"}}, by=ada)) == (422, "invalid")
    assert problem(await scene.call("PATCH", "/v1/channels/chn_none", {}, by=ada)) == (404, "not_found")
    await scene.channel(ada, "films")
    assert problem(await scene.call("PATCH", path, {"handle": "films"}, by=ada)) == (409, "handle_taken")


async def test_pictures(scene: Scene) -> None:
    """A ticket, the bytes, a PATCH; then anyone sees them."""
    ada = await scene.person("ada")
    path, content = f"/v1/channels/{await scene.channel(ada)}", picture()
    for kind, size in (("avatar", (512, 512)), ("banner", (2048, 512))):
        ticket = await scene.call("POST", f"{path}/images", {"kind": kind, "size_bytes": len(content)}, by=ada)
        assert ticket.status_code == 201
        assert set(ticket.json()) == {"image_id", "method", "url", "expires_at"}
        assert ticket.json()["method"] == "PUT"
        assert ticket.json()["expires_at"] == "2026-01-01T12:15:00Z"
        early = await scene.call("PATCH", path, {f"{kind}_image_id": ticket.json()["image_id"]}, by=ada)
        assert problem(early) == (422, "no_such_image")
        assert (await scene.http.put(ticket.json()["url"], content=content)).status_code == 200
        edited = await scene.call("PATCH", path, {f"{kind}_image_id": ticket.json()["image_id"]}, by=ada)
        shown = await scene.http.get(edited.json()[f"{kind}_url"])
        assert shown.headers["content-type"] == "image/jpeg"
        assert Image.open(io.BytesIO(shown.content)).size == size


async def test_pictures_that_are_refused(scene: Scene) -> None:
    """For their kind or size, for who asks, and for what was sent."""
    ada, bob = await scene.person("ada"), await scene.person("bob")
    path = f"/v1/channels/{await scene.channel(ada)}"
    body = {"kind": "avatar", "size_bytes": 9}
    huge = body | {"size_bytes": 2**40}
    assert problem(await scene.call("POST", f"{path}/images", huge, by=ada)) == (413, "file_too_large")
    assert problem(await scene.call("POST", f"{path}/images", body | {"kind": "logo"}, by=ada)) == (422, "invalid")
    assert problem(await scene.call("POST", f"{path}/images", body, by=bob)) == (403, "forbidden")
    assert problem(await scene.call("POST", f"{path}/images", body)) == (401, "unauthenticated")
    assert problem(await scene.call("POST", "/v1/channels/chn_none/images", body, by=ada)) == (404, "not_found")
    ticket = (await scene.call("POST", f"{path}/images", body, by=ada)).json()
    await scene.http.put(ticket["url"], content=b"no image!")
    edited = await scene.call("PATCH", path, {"avatar_image_id": ticket["image_id"]}, by=ada)
    assert problem(edited) == (422, "unreadable_image")


async def enroll(scene: Scene, channel: str, who: str, role: str, by: Person) -> tuple[int, str]:
    answer = await scene.call("PUT", f"/v1/channels/{channel}/members/{who}", {"role": role}, by=by)
    return (200, answer.json()["members"][0]["role"]) if answer.status_code == 200 else problem(answer)


async def test_members(scene: Scene) -> None:
    """They come, change, may do what their role may, and go."""
    ada, bob = await scene.person("ada"), await scene.person("bob")
    channel = await scene.channel(ada)
    path = f"/v1/channels/{channel}"
    assert await enroll(scene, channel, bob.id, "moderator", ada) == (200, "moderator")
    assert problem(await scene.call("PATCH", path, {"name": "x"}, by=bob)) == (403, "forbidden")
    assert await enroll(scene, channel, bob.id, "editor", ada) == (200, "editor")
    assert (await scene.call("PATCH", path, {"name": "By Bob"}, by=bob)).json()["viewer"]["role"] == "editor"

    assert await enroll(scene, channel, ada.id, "editor", ada) == (409, "owner_is_fixed")
    assert await enroll(scene, channel, bob.id, "owner", ada) == (409, "owner_is_fixed")
    assert await enroll(scene, channel, bob.id, "king", ada) == (422, "invalid")
    assert await enroll(scene, channel, "usr_none", "editor", ada) == (404, "not_found")
    assert await enroll(scene, channel, "@none", "editor", ada) == (404, "not_found")
    assert await enroll(scene, "chn_none", bob.id, "editor", ada) == (404, "not_found")
    assert await enroll(scene, channel, bob.id, "editor", bob) == (403, "forbidden")

    member = f"{path}/members/{bob.id}"
    assert problem(await scene.call("DELETE", member)) == (401, "unauthenticated")
    assert problem(await scene.call("DELETE", f"{path}/members/{ada.id}", by=bob)) == (403, "forbidden")
    assert problem(await scene.call("DELETE", member, by=ada, version=1)) == (412, "version_mismatch")
    assert (await scene.call("DELETE", member, by=bob)).status_code == 204
    assert problem(await scene.call("DELETE", member, by=ada)) == (404, "not_found")
    assert problem(await scene.call("DELETE", f"{path}/members/{ada.id}", by=ada)) == (409, "owner_is_fixed")


async def test_members_are_named(scene: Scene) -> None:
    """To the members, with what they are called; and whoever takes one on need not know their id."""
    ada, bob = await scene.person("ada"), await scene.person("bob")
    channel = await scene.channel(ada)
    assert await enroll(scene, channel, "@Bob", "moderator", ada) == (200, "moderator")
    of_bob = {"user_id": bob.id, "role": "moderator", "handle": "bob", "display_name": "Bob"}
    for who in (ada, bob):
        assert (await scene.call("GET", f"/v1/channels/{channel}", by=who)).json()["members"] == [of_bob]


async def test_ones_own_channels(scene: Scene) -> None:
    """Those one owns and those one helps with."""
    ada, bob = await scene.person("ada"), await scene.person("bob")
    films = await scene.channel(ada)
    await scene.call("PUT", f"/v1/channels/{films}/members/{bob.id}", {"role": "editor"}, by=ada)
    songs = await scene.channel(bob, "songs")
    mine = (await scene.call("GET", "/v1/me/channels", by=bob)).json()
    assert [(each["id"], each["viewer"]["role"]) for each in mine["data"]] == [(films, "editor"), (songs, "owner")]
    assert mine["next_cursor"] is None
    assert problem(await scene.call("GET", "/v1/me/channels")) == (401, "unauthenticated")


async def test_closing_a_channel(scene: Scene) -> None:
    """Its page is gone at once, its videos soon after."""
    ada, bob = await scene.person("ada"), await scene.person("bob")
    channel = await scene.channel(ada)
    video, path = await scene.video(ada, channel), f"/v1/channels/{channel}"
    assert problem(await scene.call("DELETE", path)) == (401, "unauthenticated")
    assert problem(await scene.call("DELETE", path, by=bob)) == (403, "forbidden")
    assert problem(await scene.call("DELETE", path, by=ada, version=9)) == (412, "version_mismatch")
    assert (await scene.call("DELETE", path, by=ada, version=1)).status_code == 204
    assert problem(await scene.call("DELETE", path, by=ada)) == (404, "not_found")
    await scene.settle()
    assert problem(await scene.call("GET", f"/v1/videos/{video}", by=ada)) == (404, "not_found")


async def test_a_channels_videos(scene: Scene) -> None:
    """All of them for its members, newest first; the published ones for others; page by page."""
    ada = await scene.person("ada")
    channel = await scene.channel(ada)
    shown = [await scene.video(ada, channel) for _ in range(2)]
    hidden = await scene.video(ada, channel, visibility="private")
    path = f"/v1/channels/{channel}/videos"
    first = (await scene.call("GET", f"{path}?limit=1")).json()
    rest = (await scene.call("GET", f"{path}?limit=1&cursor={first['next_cursor']}")).json()
    assert [each["id"] for each in first["data"] + rest["data"]] == shown[::-1]
    mine = (await scene.call("GET", path, by=ada)).json()
    assert [each["id"] for each in mine["data"]] == [hidden, *shown[::-1]]
    assert mine["next_cursor"] is None
    elsewhere = await scene.call("GET", f"{path}?cursor={first['next_cursor']}", by=ada)
    assert problem(elsewhere) == (400, "cursor_mismatch")
    assert problem(await scene.call("GET", f"{path}?cursor=made-up")) == (400, "invalid_cursor")
    assert problem(await scene.call("GET", f"{path}?limit=0")) == (422, "invalid")
    counted = (await scene.call("GET", f"/v1/channels/{channel}")).json()
    assert counted["counts"]["videos"] == 2
