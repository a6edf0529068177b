"""Chat over HTTP: getting in, the rules, bans, and what was said, for whoever watches later."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from domain.ids import MESSAGE, MessageId, StreamId, UserId
from tests.entrypoints.scenes import Person, Scene, problem
from tests.entrypoints.test_http_streams import Air, on, walked

ALL = ["DELETE_MESSAGE", "DISCONNECT_USER", "SEND_MESSAGE"]


async def says(air: Air, person: Person, text: str) -> str:
    """A message's id, as if it had come over a connection."""
    id_ = MessageId(air.scene.core.adapters.new_id()(MESSAGE))
    await air.scene.core.say_in_chat()(StreamId(air.id), UserId(person.id), id_, text)
    return id_


async def replayed(air: Air, by: Person | None = None) -> Sequence[Mapping[str, object]]:
    session = (await air.session())["id"]
    said: Sequence[Mapping[str, object]] = await walked(
        air.scene, f"/v1/stream-sessions/{session}/chat-messages", 2, by=by
    )
    return said


async def may(air: Air, person: Person | None) -> Sequence[str]:
    """What a token lets its connection do."""
    given: Sequence[str] = (await air.scene.call("POST", f"{air.path}/chat-tokens", by=person)).json()["capabilities"]
    return given


# --- getting in ----------------------------------------------------------------------------------


async def test_a_token_says_where_to_connect_and_what_one_may_do_there(scene: Scene) -> None:
    """Another each time, kept by nobody; whether anything is live does not matter."""
    air = await on(scene)
    ben, mod = await scene.person("ben"), await scene.person("mod")
    given = [await scene.call("POST", f"{air.path}/chat-tokens", by=ben) for _ in range(2)]
    assert [(each.status_code, each.headers["cache-control"]) for each in given] == [(201, "no-store")] * 2
    first, second = [each.json() for each in given]
    assert first["token"] != second["token"]
    assert {**first, "token": ""} == {
        "token": "", "url": "ws://hexcast.test/v1/chat", "capabilities": ["SEND_MESSAGE"],
        "expires_at": "2026-01-01T12:01:00Z", "session_expires_at": "2026-01-01T15:00:00Z",
    }  # fmt: skip
    assert await may(air, None) == []
    assert await may(air, air.ada) == ALL
    assert await may(air, mod) == ALL
    await scene.call("PATCH", air.path, {"visibility": "private"}, by=air.ada)
    for person in (None, ben):
        assert problem(await scene.call("POST", f"{air.path}/chat-tokens", by=person)) == (404, "not_found")


# --- the rules -----------------------------------------------------------------------------------


async def test_the_rules_are_shown_and_changed(scene: Scene) -> None:
    """What is left out stays; they have the stream's version; when the chat is off, nobody writes."""
    air = await on(scene)
    path = f"{air.path}/chat-rules"
    shown = await scene.call("GET", path)
    assert (shown.json(), shown.headers["etag"]) == (
        {"enabled": True, "slow_mode_s": 0, "followers_only": False}, '"1"'
    )  # fmt: skip
    changed = await scene.call("PATCH", path, {"slow_mode_s": 10}, by=air.ada, version=1)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert changed.json() == {"enabled": True, "slow_mode_s": 10, "followers_only": False}
    assert (await scene.call("GET", path)).json() == changed.json()
    late = await scene.call("PATCH", path, {"slow_mode_s": 0}, by=air.ada, version=1)
    assert problem(late) == (412, "version_mismatch")
    off = await scene.call("PATCH", path, {"enabled": False, "followers_only": True}, by=air.ada)
    assert off.json() == {"enabled": False, "slow_mode_s": 10, "followers_only": True}
    assert await may(air, air.ada) == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"slow_mode_s": 601}, "slow_mode_s"),
        ({"slow_mode_s": -1}, "slow_mode_s"),
        ({"slow_mode_s": None}, "slow_mode_s"),
        ({"enabled": "no"}, "enabled"),
        ({"followers_only": 1}, "followers_only"),
    ],
)
async def test_rules_that_are_refused(scene: Scene, wrong: Mapping[str, object], field: str) -> None:
    air = await on(scene)
    answer = await scene.call("PATCH", f"{air.path}/chat-rules", wrong, by=air.ada)
    assert problem(answer) == (422, "invalid")
    assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert (await air.shown())["version"] == 1


async def test_rules_of_a_stream_that_is_not_for_everyone_are_not_kept(scene: Scene) -> None:
    air = await on(scene, visibility="private")
    shown = await scene.call("GET", f"{air.path}/chat-rules", by=air.ada)
    assert shown.headers["cache-control"] == "no-store"
    assert problem(await scene.call("GET", f"{air.path}/chat-rules")) == (404, "not_found")


# --- bans ----------------------------------------------------------------------------------------


async def test_who_is_banned_writes_no_more_until_it_is_lifted(scene: Scene) -> None:
    air = await on(scene)
    ben = await scene.person("ben")
    path = f"{air.path}/chat-bans/{ben.id}"
    for _ in range(2):
        put = await scene.call("PUT", path, by=air.ada)
        assert (put.status_code, put.content) == (204, b"")
    assert await may(air, ben) == []
    assert (await scene.call("GET", f"{air.path}/chat-bans", by=air.ada)).json() == {
        "data": [{"user_id": ben.id, "handle": "ben", "by_id": air.ada.id, "created_at": "2026-01-01T12:00:00Z"}],
        "next_cursor": None,
    }
    for _ in range(2):
        assert (await scene.call("DELETE", path, by=air.ada)).status_code == 204
    assert await may(air, ben) == ["SEND_MESSAGE"]
    assert (await scene.call("GET", f"{air.path}/chat-bans", by=air.ada)).json()["data"] == []


async def test_who_cannot_be_banned(scene: Scene) -> None:
    """Members of the channel, and who is not there."""
    air = await on(scene)
    ben = await scene.person("ben")
    await scene.call("PUT", f"/v1/channels/{air.channel}/members/{ben.id}", {"role": "moderator"}, by=air.ada)
    for user in (ben.id, air.ada.id):
        assert problem(await scene.call("PUT", f"{air.path}/chat-bans/{user}", by=ben)) == (409, "cannot_ban")
    assert problem(await scene.call("PUT", f"{air.path}/chat-bans/usr_x", by=ben)) == (404, "not_found")
    assert (await scene.call("GET", f"{air.path}/chat-bans", by=ben)).json()["data"] == []


async def test_bans_page_by_page(scene: Scene) -> None:
    """In the order of their ids. Whose account was closed is in it without a handle."""
    air = await on(scene)
    people = [await scene.person(f"guest_{number}") for number in range(5)]
    for person in people:
        await scene.call("PUT", f"{air.path}/chat-bans/{person.id}", by=air.ada)
    await scene.call("DELETE", "/v1/me", by=people[3])
    found = await walked(scene, f"{air.path}/chat-bans", 2, by=air.ada)
    assert [each["user_id"] for each in found] == sorted(person.id for person in people)
    handles = {each["user_id"]: each["handle"] for each in found}
    assert (handles[people[3].id], handles[people[4].id]) == (None, "guest_4")


# --- what was said -------------------------------------------------------------------------------


async def test_what_was_said_is_there_beside_the_recording(scene: Scene) -> None:
    """Oldest first, with when it was said, for whoever sees the stream; nobody reads what was removed."""
    air = await on(scene)
    ben, eve = await scene.person("ben"), await scene.person("eve")
    await air.pretend("start")
    ids = []
    for number, person in enumerate([ben, air.ada, ben, eve, ben]):
        scene.clock.advance(timedelta(seconds=2))
        ids.append(await says(air, person, f"Message {number}"))
    said = await replayed(air)
    assert [each["id"] for each in said] == ids
    assert said[0] == {
        "id": ids[0], "author_id": ben.id, "author_name": "Ben", "standing": "viewer", "text": "Message 0",
        "at": "2026-01-01T12:00:02Z", "offset_s": 2.0,
    }  # fmt: skip
    assert (said[1]["standing"], said[1]["offset_s"]) == ("owner", 4.0)
    log = f"/v1/stream-sessions/{(await air.session())['id']}/chat-messages"
    back = (await scene.call("GET", log, params={"order": "newest", "limit": 2})).json()
    rest = (await scene.call("GET", log, params={"order": "newest", "cursor": back["next_cursor"]})).json()
    assert (back["data"] + rest["data"], rest["next_cursor"]) == (said[::-1], None)
    forward = (await scene.call("GET", log, params={"limit": 2})).json()["next_cursor"]
    turned = await scene.call("GET", log, params={"limit": 2, "order": "newest", "cursor": forward})
    assert problem(turned) == (400, "cursor_mismatch")
    assert problem(await scene.call("GET", log, params={"order": "loudest"})) == (422, "invalid")
    path = f"{air.path}/chat-messages"
    assert problem(await scene.call("DELETE", f"{path}/{ids[0]}", by=eve)) == (403, "forbidden")
    for _ in range(2):
        assert (await scene.call("DELETE", f"{path}/{ids[0]}", by=ben)).status_code == 204
    assert (await scene.call("DELETE", f"{path}/{ids[3]}", by=air.ada)).status_code == 204
    assert problem(await scene.call("DELETE", f"{path}/msg_x", by=ben)) == (404, "not_found")
    await air.pretend("end")
    await air.pass_time(61)
    assert [each["id"] for each in await replayed(air, ben)] == [ids[1], ids[2], ids[4]]
    await scene.call("PATCH", air.path, {"visibility": "private"}, by=air.ada)
    session = (await air.session())["id"]
    hidden = await scene.call("GET", f"/v1/stream-sessions/{session}/chat-messages", by=ben)
    assert problem(hidden) == (404, "not_found")
