"""Comments and reactions over HTTP: every endpoint, what it answers and what it refuses."""

from typing import Any

import pytest

from tests.entrypoints.scenes import Person, Scene, problem

COMMENT = {
    "id", "video_id", "parent_id", "author", "text", "status", "pinned", "counts", "viewer", "created_at", "edited_at",
    "version",
}  # fmt: skip


async def said(scene: Scene, by: Person, video: str, text: str = "Nice one") -> Any:
    answer = await scene.call("POST", f"/v1/videos/{video}/comments", {"text": text}, by=by)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def shown(scene: Scene) -> tuple[Person, Person, str, str]:
    """A channel's owner, a viewer, the channel, and a public video on it."""
    ada, ben = await scene.person("ada"), await scene.person("ben")
    channel = await scene.channel(ada)
    return ada, ben, channel, await scene.video(ada, channel)


async def test_a_posted_comment_is_answered_whole(scene: Scene) -> None:
    _, ben, _, video = await shown(scene)
    answer = await scene.call("POST", f"/v1/videos/{video}/comments", {"text": "  Nice\n\n\n\none "}, by=ben)
    comment = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/comments/{comment['id']}"
    assert answer.headers["etag"] == '"1"'
    assert set(comment) == COMMENT
    now = scene.clock.now().isoformat().replace("+00:00", "Z")
    assert comment == {
        "id": comment["id"], "video_id": video, "parent_id": None, "text": "Nice\n\none", "status": "visible",
        "author": {"id": ben.id, "handle": "ben", "display_name": "Ben", "avatar_url": None}, "pinned": False,
        "counts": {"likes": 0, "replies": 0}, "viewer": {"reaction": None}, "created_at": now, "edited_at": None,
        "version": 1,
    }  # fmt: skip


async def test_a_comment_is_where_its_answer_said_it_is(scene: Scene) -> None:
    _, ben, _, video = await shown(scene)
    posted = await scene.call("POST", f"/v1/videos/{video}/comments", {"text": "Nice one"}, by=ben)
    found = await scene.call("GET", posted.headers["location"])
    assert (found.status_code, found.json()) == (200, posted.json() | {"viewer": None})
    assert (found.headers["etag"], found.headers["cache-control"]) == (posted.headers["etag"], "no-store")
    await scene.call("DELETE", posted.headers["location"], by=ben)
    assert problem(await scene.call("GET", posted.headers["location"], by=ben)) == (404, "not_found")


async def test_a_comment_that_comes_twice_is_posted_once(scene: Scene) -> None:
    _, ben, _, video = await shown(scene)
    headers = {"Idempotency-Key": "k1"}
    path = f"/v1/videos/{video}/comments"
    once = await scene.call("POST", path, {"text": "once"}, by=ben, headers=headers)
    again = await scene.call("POST", path, {"text": "once"}, by=ben, headers=headers)
    assert (again.status_code, again.json()["id"]) == (201, once.json()["id"])
    assert again.headers["idempotent-replayed"] == "true"
    reply = f"/v1/comments/{once.json()['id']}/replies"
    first = await scene.call("POST", reply, {"text": "too"}, by=ben, headers=headers)
    assert (await scene.call("POST", reply, {"text": "too"}, by=ben, headers=headers)).json() == first.json()
    assert len((await scene.call("GET", path)).json()["data"]) == 1


async def test_comments_are_listed_page_by_page_the_pinned_one_first(scene: Scene) -> None:
    ada, ben, _, video = await shown(scene)
    first, second, third = [(await said(scene, ben, video, text))["id"] for text in ("one", "two", "three")]
    await scene.call("PATCH", f"/v1/comments/{first}", {"pinned": True}, by=ada)
    path = f"/v1/videos/{video}/comments"
    page = (await scene.call("GET", path, params={"limit": 2})).json()
    rest = (await scene.call("GET", path, params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert [each["id"] for each in (*page["data"], *rest["data"])] == [first, third, second]
    assert [each["pinned"] for each in page["data"]] == [True, False]
    assert page["data"][0]["viewer"] is None
    assert rest["next_cursor"] is None
    other = await scene.video(ada, (await scene.call("GET", f"/v1/videos/{video}")).json()["channel"]["id"])
    wrong = await scene.call("GET", f"/v1/videos/{other}/comments", params={"cursor": page["next_cursor"]})
    assert problem(wrong) == (400, "cursor_mismatch")
    assert problem(await scene.call("GET", path, params={"cursor": "x"})) == (400, "invalid_cursor")
    assert (await scene.call("GET", path, params={"limit": 101})).status_code == 422


async def test_lists_of_comments_are_kept_until_something_is_written(scene: Scene) -> None:
    """A reader without an account gets the answer that was made before, or hears that it is the same."""
    _, ben, _, video = await shown(scene)
    path = f"/v1/videos/{video}/comments"
    await said(scene, ben, video)
    etag = (await scene.call("GET", path)).headers["etag"]
    assert (await scene.call("GET", path, headers={"If-None-Match": etag})).status_code == 304
    await said(scene, ben, video)
    changed = await scene.call("GET", path, headers={"If-None-Match": etag})
    assert (changed.status_code, len(changed.json()["data"])) == (200, 2)


async def test_a_discussion_that_is_not_public_is_never_stored(scene: Scene) -> None:
    ada, ben, channel, _ = await shown(scene)
    video = await scene.video(ada, channel, visibility="unlisted")
    comment = await said(scene, ben, video)
    for path in (f"/v1/videos/{video}/comments", f"/v1/comments/{comment['id']}/replies"):
        answer = await scene.call("GET", path)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert "etag" not in answer.headers


async def test_replies_are_listed_oldest_first_and_have_no_replies(scene: Scene) -> None:
    ada, ben, _, video = await shown(scene)
    top = (await said(scene, ben, video))["id"]
    path = f"/v1/comments/{top}/replies"
    one = await scene.call("POST", path, {"text": "one"}, by=ada)
    assert (one.status_code, one.json()["parent_id"]) == (201, top)
    two = await scene.call("POST", f"/v1/comments/{one.json()['id']}/replies", {"text": "two"}, by=ben)
    assert two.json()["parent_id"] == top
    page = (await scene.call("GET", path, params={"limit": 1})).json()
    rest = (await scene.call("GET", path, params={"limit": 1, "cursor": page["next_cursor"]})).json()
    assert [each["text"] for each in (*page["data"], *rest["data"])] == ["one", "two"]
    (listed,) = (await scene.call("GET", f"/v1/videos/{video}/comments")).json()["data"]
    assert listed["counts"] == {"likes": 0, "replies": 2}


@pytest.mark.parametrize("fate", ["remove", "hold", "reject"])
async def test_a_comment_that_is_gone_is_shown_as_a_placeholder_above_its_replies(scene: Scene, fate: str) -> None:
    ada, ben, _, video = await shown(scene)
    top = await said(scene, ben, video)
    await scene.call("POST", f"/v1/comments/{top['id']}/replies", {"text": "one"}, by=ada)
    await scene.call("PUT", f"/v1/comments/{top['id']}/reaction", {"value": "like"}, by=ada)
    path = f"/v1/comments/{top['id']}"
    if fate == "remove":
        await scene.call("DELETE", path, by=ben)
    else:
        await scene.call("POST", f"{path}/moderation", {"action": fate}, by=ada)
    for reader, viewer in ((None, None), (ada, {"reaction": None})):
        (gone,) = (await scene.call("GET", f"/v1/videos/{video}/comments", by=reader)).json()["data"]
        assert gone == top | {
            "author": {"id": "", "handle": "deleted", "display_name": "Deleted user", "avatar_url": None},
            "text": "", "status": "removed", "counts": {"likes": 0, "replies": 1}, "viewer": viewer, "version": 2,
        }  # fmt: skip
        replies = (await scene.call("GET", f"{path}/replies", by=reader)).json()["data"]
        assert [each["text"] for each in replies] == ["one"]
    assert (await scene.call("GET", f"/v1/videos/{video}")).json()["counts"]["comments"] == 1


async def test_who_closed_their_account_is_shown_as_deleted(scene: Scene) -> None:
    _, ben, _, video = await shown(scene)
    await said(scene, ben, video)
    assert (await scene.call("DELETE", "/v1/me", by=ben)).status_code == 204
    (comment,) = (await scene.call("GET", f"/v1/videos/{video}/comments")).json()["data"]
    assert comment["author"] == {
        "id": ben.id, "handle": "deleted", "display_name": "Deleted user", "avatar_url": None
    }  # fmt: skip


async def test_a_comment_is_edited_by_its_author_at_the_version_they_saw(scene: Scene) -> None:
    ada, ben, _, video = await shown(scene)
    path = f"/v1/comments/{(await said(scene, ben, video))['id']}"
    edited = await scene.call("PATCH", path, {"text": "Better"}, by=ben, version=1)
    assert (edited.status_code, edited.json()["text"], edited.headers["etag"]) == (200, "Better", '"2"')
    assert edited.json()["edited_at"] is not None
    stale = await scene.call("PATCH", path, {"text": "Late"}, by=ben, version=1)
    assert problem(stale) == (412, "version_mismatch")
    assert (await scene.call("PATCH", path, {}, by=ben)).json() == edited.json()
    assert problem(await scene.call("PATCH", path, {"text": "Mine"}, by=ada)) == (403, "forbidden")
    assert problem(await scene.call("PATCH", path, {"pinned": True}, by=ben)) == (403, "forbidden")
    assert problem(await scene.call("PATCH", path, {"text": "?"})) == (401, "unauthenticated")
    assert problem(await scene.call("PATCH", path, {"text": ""}, by=ben)) == (422, "invalid")
    assert (await scene.call("PATCH", path, {"text": None}, by=ben)).status_code == 422
    assert problem(await scene.call("PATCH", "/v1/comments/cmt_x", {"text": "?"}, by=ben)) == (404, "not_found")


async def test_only_what_everyone_sees_is_pinned_and_what_is_rejected_is_closed(scene: Scene) -> None:
    ada, ben, _, video = await shown(scene)
    top = (await said(scene, ben, video))["id"]
    reply = (await scene.call("POST", f"/v1/comments/{top}/replies", {"text": "one"}, by=ben)).json()["id"]
    assert problem(await scene.call("PATCH", f"/v1/comments/{reply}", {"pinned": True}, by=ada)) == (409, "cannot_pin")
    own = (await said(scene, ada, video))["id"]
    await scene.call("POST", f"/v1/comments/{own}/moderation", {"action": "reject"}, by=ada)
    closed = await scene.call("PATCH", f"/v1/comments/{own}", {"text": "again"}, by=ada)
    assert problem(closed) == (409, "comment_closed")


async def test_a_comment_is_removed_by_its_author_or_the_channel(scene: Scene) -> None:
    ada, ben, _, video = await shown(scene)
    cho = await scene.person("cho")
    one, two = [(await said(scene, ben, video, text))["id"] for text in ("one", "two")]
    path = f"/v1/comments/{one}"
    assert problem(await scene.call("DELETE", path)) == (401, "unauthenticated")
    assert problem(await scene.call("DELETE", path, by=cho)) == (403, "forbidden")
    assert problem(await scene.call("DELETE", path, by=ben, version=7)) == (412, "version_mismatch")
    removed = await scene.call("DELETE", path, by=ben, version=1)
    assert (removed.status_code, removed.content) == (204, b"")
    assert problem(await scene.call("DELETE", path, by=ben)) == (404, "not_found")
    assert (await scene.call("DELETE", f"/v1/comments/{two}", by=ada)).status_code == 204
    assert (await scene.call("GET", f"/v1/videos/{video}/comments")).json()["data"] == []


async def test_held_comments_wait_for_the_channels_ruling(scene: Scene) -> None:
    ada, ben, channel, video = await shown(scene)
    policy = {"comment_policy": {"hold": "all"}}
    assert (await scene.call("PATCH", f"/v1/channels/{channel}", policy, by=ada)).status_code == 200
    held = await said(scene, ben, video)
    assert held["status"] == "held"
    queue = f"/v1/channels/{channel}/comments"
    assert (await scene.call("GET", f"/v1/videos/{video}/comments")).json()["data"] == []
    (waiting,) = (await scene.call("GET", queue, params={"status": "held"}, by=ada)).json()["data"]
    assert waiting["id"] == held["id"]
    path = f"/v1/comments/{held['id']}/moderation"
    assert problem(await scene.call("POST", path, {"action": "approve"}, by=ben)) == (403, "forbidden")
    assert problem(await scene.call("POST", path, {"action": "approve"})) == (404, "not_found")
    assert (await scene.call("POST", path, {"action": "burn"}, by=ada)).status_code == 422
    approved = await scene.call("POST", path, {"action": "approve"}, by=ada)
    assert (approved.status_code, approved.json()["status"], approved.headers["etag"]) == (200, "visible", '"2"')
    assert (await scene.call("GET", queue, params={"status": "held"}, by=ada)).json()["data"] == []
    assert [each["id"] for each in (await scene.call("GET", queue, by=ada)).json()["data"]] == [held["id"]]
    await scene.call("POST", path, {"action": "reject"}, by=ada)
    assert problem(await scene.call("POST", path, {"action": "hold"}, by=ada)) == (409, "illegal_transition")


async def test_its_author_finds_a_held_comment_under_the_video(scene: Scene) -> None:
    """In an answer that is theirs alone: what everyone gets is not kept from it, nor it from that."""
    ada, ben, channel, video = await shown(scene)
    await scene.call("PATCH", f"/v1/channels/{channel}", {"comment_policy": {"hold": "all"}}, by=ada)
    path = f"/v1/videos/{video}/comments"
    held = await said(scene, ben, video)
    for reader, ids in ((ben, [held["id"]]), (None, []), (ada, []), (ben, [held["id"]])):
        answer = await scene.call("GET", path, by=reader)
        assert [each["id"] for each in answer.json()["data"]] == ids
        assert ("etag" in answer.headers) == (reader is None)
    assert (await scene.call("GET", path, by=ben)).json()["data"] == [held]
    assert (await scene.call("GET", f"/v1/videos/{video}")).json()["counts"]["comments"] == 0


async def test_a_channels_comments_are_for_those_who_moderate_it(scene: Scene) -> None:
    ada, ben, channel, video = await shown(scene)
    for text in ("one", "two"):
        await said(scene, ben, video, text)
    path = f"/v1/channels/{channel}/comments"
    assert problem(await scene.call("GET", path)) == (401, "unauthenticated")
    assert problem(await scene.call("GET", path, by=ben)) == (403, "forbidden")
    assert problem(await scene.call("GET", "/v1/channels/chn_x/comments", by=ada)) == (404, "not_found")
    assert (await scene.call("GET", path, params={"status": "odd"}, by=ada)).status_code == 422
    page = (await scene.call("GET", path, params={"limit": 1}, by=ada)).json()
    cursor = {"cursor": page["next_cursor"]}
    rest = (await scene.call("GET", path, params=cursor, by=ada)).json()
    assert [each["text"] for each in (*page["data"], *rest["data"])] == ["two", "one"]
    assert problem(await scene.call("GET", path, params=cursor | {"status": "held"}, by=ada)) == (
        400,
        "cursor_mismatch",
    )


async def test_comments_that_are_refused(scene: Scene) -> None:
    ada, ben, channel, video = await shown(scene)
    path, text = f"/v1/videos/{video}/comments", {"text": "hi"}
    assert problem(await scene.call("POST", path, text)) == (401, "unauthenticated")
    assert problem(await scene.call("POST", path, {"text": " "}, by=ben)) == (422, "invalid")
    assert (await scene.call("POST", path, {}, by=ben)).status_code == 422
    assert (await scene.call("POST", path, {"text": 5}, by=ben)).status_code == 422
    assert problem(await scene.call("POST", "/v1/videos/vid_x/comments", text, by=ben)) == (404, "not_found")
    assert problem(await scene.call("POST", "/v1/comments/cmt_x/replies", text, by=ben)) == (404, "not_found")
    assert problem(await scene.call("GET", "/v1/comments/cmt_x/replies")) == (404, "not_found")
    hidden = await scene.video(ada, channel, visibility="private")
    assert problem(await scene.call("GET", f"/v1/videos/{hidden}/comments", by=ben)) == (404, "not_found")
    off = {"comment_policy": {"enabled": False}}
    await scene.call("PATCH", f"/v1/channels/{channel}", off, by=ada)
    assert problem(await scene.call("POST", path, text, by=ben)) == (403, "comments_disabled")


@pytest.mark.parametrize("of", ["video", "comment"])
async def test_a_reaction_is_put_changed_and_taken_back(scene: Scene, of: str) -> None:
    _, ben, _, video = await shown(scene)
    comment = (await said(scene, ben, video))["id"]
    path = f"/v1/videos/{video}/reaction" if of == "video" else f"/v1/comments/{comment}/reaction"

    async def seen() -> tuple[int, str | None]:
        if of == "video":
            one = (await scene.call("GET", f"/v1/videos/{video}", by=ben)).json()
        else:
            (one,) = (await scene.call("GET", f"/v1/videos/{video}/comments", by=ben)).json()["data"]
        return one["counts"]["likes"], one["viewer"]["reaction"]

    liked = await scene.call("PUT", path, {"value": "like"}, by=ben)
    assert (liked.status_code, liked.content) == (204, b"")
    assert await seen() == (1, "like")
    await scene.call("PUT", path, {"value": "dislike"}, by=ben)
    assert await seen() == (0, "dislike")
    for _ in range(2):
        assert (await scene.call("DELETE", path, by=ben)).status_code == 204
    assert await seen() == (0, None)
    assert (await scene.call("PUT", path, {"value": "love"}, by=ben)).status_code == 422
    assert problem(await scene.call("PUT", path, {"value": "like"})) == (401, "unauthenticated")
    assert problem(await scene.call("DELETE", path)) == (401, "unauthenticated")
    nowhere = path.replace(video, "vid_x").replace(comment, "cmt_x")
    assert problem(await scene.call("PUT", nowhere, {"value": "like"}, by=ben)) == (404, "not_found")
    assert problem(await scene.call("DELETE", nowhere, by=ben)) == (404, "not_found")
