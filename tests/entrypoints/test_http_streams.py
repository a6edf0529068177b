"""Livestreams over HTTP: streams and their keys, broadcasts from their start to the recording, and following them."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
import structlog
from attrs import evolve, frozen

from application.ports import Signal
from domain.broadcasts import Happening
from domain.ids import STREAM, ChannelId, StreamId
from domain.streams import Stream
from domain.videos import Visibility
from tests.entrypoints.eventsource import EventSource, connected
from tests.entrypoints.scenes import PUBLIC_URL, Person, Scene, problem

NOW = "2026-01-01T12:00:00Z"
INBOX = "/v1/me/notifications"


@frozen
class Air:
    """Someone, their channel and a stream on it."""

    scene: Scene
    ada: Person
    channel: str
    id: str

    @property
    def path(self) -> str:
        return f"/v1/streams/{self.id}"

    async def pretend(self, *steps: str) -> None:
        """An encoder does all this; what comes of it has happened then."""
        for step in steps:
            answer = await self.simulate(step)
            assert (answer.status_code, answer.content) == (204, b""), answer.text
            await self.scene.settle()

    async def simulate(self, step: str) -> Any:
        return await self.scene.call("POST", f"/v1/dev/streams/{self.id}/simulate", {"step": step}, by=self.ada)

    async def pass_time(self, seconds: float) -> None:
        """Nothing happens for so long but what is overdue."""
        self.scene.clock.advance(timedelta(seconds=seconds))
        await self.scene.core.sweep_broadcasts()()
        await self.scene.settle()

    async def shown(self) -> Any:
        return (await self.scene.call("GET", self.path, by=self.ada)).json()

    async def session(self) -> Any:
        """The newest."""
        return (await self.scene.call("GET", f"{self.path}/sessions", by=self.ada)).json()["data"][0]

    async def events(self, session: str) -> Sequence[Any]:
        found: Sequence[Any] = await walked(self.scene, f"/v1/stream-sessions/{session}/events", by=self.ada)
        return found

    async def ingest(self) -> Any:
        return (await self.scene.call("GET", f"{self.path}/ingest", by=self.ada)).json()


async def on(scene: Scene, **fields: object) -> Air:
    ada = await scene.person("ada")
    channel = await scene.channel(ada)
    made = await scene.call("POST", "/v1/streams", {"channel_id": channel, "title": "Live", **fields}, by=ada)
    assert made.status_code == 201, made.text
    return Air(scene, ada, channel, made.json()["id"])


async def walked(scene: Scene, path: str, limit: int = 3, **options: Any) -> Sequence[Any]:
    """All of a list, page by page."""
    found: list[Any] = []
    params: dict[str, object] = {"limit": limit}
    while True:
        page = (await scene.call("GET", path, params=params, **options)).json()
        assert len(page["data"]) <= limit
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        params["cursor"] = page["next_cursor"]


# --- a stream ------------------------------------------------------------------------------------


async def test_a_stream(scene: Scene) -> None:
    """Its shape; everyone may keep what everyone may see."""
    air = await on(scene, title=" Office  hours ", description="Ask me")
    shown = await scene.call("GET", air.path)
    assert shown.json() == {
        "id": air.id,
        "channel": {"id": air.channel, "handle": "films", "name": "Films", "avatar_url": None},
        "title": "Office hours",
        "description": "Ask me",
        "visibility": "public",
        "record": True,
        "latency": "low",
        "reconnect_window_s": 60,
        "status": "idle",
        "current_session_id": None,
        "live_since": None,
        "starts_at": None,
        "viewer_count": 0,
        "created_at": NOW,
        "version": 1,
    }
    assert air.id.startswith("str_")
    assert (shown.status_code, shown.headers["etag"]) == (200, '"1"')
    assert "no-store" not in shown.headers.get("cache-control", "")


@pytest.mark.parametrize(("visibility", "status"), [("unlisted", 200), ("private", 404)])
async def test_a_stream_that_is_not_for_everyone_is_not_kept(scene: Scene, visibility: str, status: int) -> None:
    air = await on(scene, visibility=visibility)
    for at in ("", "/schedule"):
        mine = await scene.call("GET", air.path + at, by=air.ada)
        assert (mine.status_code, mine.headers["cache-control"]) == (200, "no-store")
        assert (await scene.call("GET", air.path + at)).status_code == status
    assert (await scene.call("GET", f"/v1/channels/{air.channel}/streams")).json()["data"] == []


async def test_making_one_again_with_the_same_key_makes_one(scene: Scene) -> None:
    ada = await scene.person("ada")
    body = {"channel_id": await scene.channel(ada), "title": "Live", "record": False, "latency": "normal"}
    key = {"Idempotency-Key": "k1"}
    first, again = [await scene.call("POST", "/v1/streams", body, by=ada, headers=key) for _ in range(2)]
    assert (first.status_code, first.json()["record"], first.json()["latency"]) == (201, False, "normal")
    assert (again.status_code, again.content, again.headers["idempotent-replayed"]) == (201, first.content, "true")
    assert len((await scene.call("GET", f"/v1/channels/{body['channel_id']}/streams")).json()["data"]) == 1
    other = await scene.call("POST", "/v1/streams", body | {"title": "Other"}, by=ada, headers=key)
    assert problem(other) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "x" * 101}, "title"),
        ({"description": "x" * 5001}, "description"),
        ({"visibility": "scheduled"}, "visibility"),
        ({"latency": "ultra"}, "latency"),
        ({"reconnect_window_s": 301}, "reconnect_window_s"),
        ({"reconnect_window_s": -1}, "reconnect_window_s"),
        ({"reconnect_window_s": "60"}, "reconnect_window_s"),
        ({"record": None}, "record"),
    ],
)
async def test_values_that_are_refused(scene: Scene, wrong: Mapping[str, object], field: str) -> None:
    """When it is made, and when it is changed."""
    air = await on(scene)
    for method, path in (("POST", "/v1/streams"), ("PATCH", air.path)):
        answer = await scene.call(method, path, {"channel_id": air.channel, "title": "Live", **wrong}, by=air.ada)
        assert problem(answer) == (422, "invalid")
        assert [each["field"] for each in answer.json()["errors"]] == [field]
    assert (await air.shown())["version"] == 1


async def test_a_channel_has_a_hundred_streams_at_most(scene: Scene) -> None:
    air = await on(scene)
    for _ in range(99):
        await put(scene, air.channel)
    answer = await scene.call("POST", "/v1/streams", {"channel_id": air.channel, "title": "One more"}, by=air.ada)
    assert problem(answer) == (409, "too_many_streams")
    await scene.call("DELETE", air.path, by=air.ada)
    answer = await scene.call("POST", "/v1/streams", {"channel_id": air.channel, "title": "One more"}, by=air.ada)
    assert answer.status_code == 201


async def put(scene: Scene, channel: str, **fields: Any) -> Stream:
    """Another stream, without asking."""
    adapters = scene.core.adapters
    stream = Stream(
        id=StreamId(adapters.new_id()(STREAM)), channel=ChannelId(channel), title="Live",
        created_at=scene.clock.now(), **fields,
    )  # fmt: skip
    saved: Stream = await adapters.streams().save(stream)
    return saved


async def test_a_patch_changes_what_it_names(scene: Scene) -> None:
    """Null empties the description; the last one wins, unless it says what it has seen."""
    air = await on(scene, description="Ask me")
    changed = await scene.call("PATCH", air.path, {"title": "New", "visibility": "unlisted"}, by=air.ada, version=1)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    body = changed.json()
    assert (body["title"], body["visibility"], body["description"]) == ("New", "unlisted", "Ask me")
    assert problem(await scene.call("PATCH", air.path, {"title": "Old"}, by=air.ada, version=1)) == (
        412, "version_mismatch"
    )  # fmt: skip
    body = (await scene.call("PATCH", air.path, {"description": None, "reconnect_window_s": 0}, by=air.ada)).json()
    assert (body["title"], body["description"], body["reconnect_window_s"], body["version"]) == ("New", "", 0, 3)
    same = await scene.call("PATCH", air.path, {}, by=air.ada)
    assert same.json() == body


async def test_some_of_it_does_not_change_during_a_broadcast(scene: Scene) -> None:
    air = await on(scene)
    await air.pretend("start")
    for change in ({"record": False}, {"latency": "normal"}, {"reconnect_window_s": 5}):
        assert problem(await scene.call("PATCH", air.path, change, by=air.ada)) == (409, "stream_live")
    assert (await scene.call("PATCH", air.path, {"title": "Other", "record": True}, by=air.ada)).status_code == 200
    await scene.call("POST", f"{air.path}/stop", by=air.ada)
    assert (await scene.call("PATCH", air.path, {"record": False}, by=air.ada)).json()["record"] is False


async def test_a_stream_is_removed_and_its_recordings_stay(scene: Scene) -> None:
    """What is broadcast ends, what was heard of it goes, and its key is void."""
    air = await on(scene)
    await air.pretend("start")
    session = await air.session()
    assert problem(await scene.call("DELETE", air.path, by=air.ada, version=1)) == (412, "version_mismatch")
    for status in (204, 404):
        assert (await scene.call("DELETE", air.path, by=air.ada)).status_code == status
    await scene.settle()
    for path in (air.path, f"{air.path}/ingest", f"/v1/stream-sessions/{session['id']}"):
        assert problem(await scene.call("GET", path, by=air.ada)) == (404, "not_found")
    assert await scene.core.adapters.ingest().live() == []


async def test_a_channels_streams_page_by_page(scene: Scene) -> None:
    """The newest first; those that are not for everyone are left out for strangers."""
    air = await on(scene)
    path = f"/v1/channels/{air.channel}/streams"
    ids = [air.id]
    for visibility in ("public", "unlisted", "private", "public"):
        scene.clock.advance(timedelta(seconds=1))
        body = {"channel_id": air.channel, "title": "Live", "visibility": visibility}
        ids.append((await scene.call("POST", "/v1/streams", body, by=air.ada)).json()["id"])
    assert [each["id"] for each in await walked(scene, path, 2, by=air.ada)] == ids[::-1]
    assert [each["id"] for each in await walked(scene, path, 2)] == [ids[4], ids[1], ids[0]]
    cursor = (await scene.call("GET", path, params={"limit": 2})).json()["next_cursor"]
    assert problem(await scene.call("GET", "/v1/streams", params={"cursor": cursor})) == (400, "cursor_mismatch")
    assert problem(await scene.call("GET", "/v1/channels/chn_x/streams")) == (404, "not_found")


# --- keys ----------------------------------------------------------------------------------------


async def test_where_an_encoder_sends_to(scene: Scene) -> None:
    """Kept by nobody on the way, the same each time, and another after it was replaced."""
    air = await on(scene)
    shown = await scene.call("GET", f"{air.path}/ingest", by=air.ada)
    body = shown.json()
    assert (shown.status_code, shown.headers["cache-control"]) == (200, "no-store")
    assert set(body) == {"server_url", "stream_key", "expires_at"}
    assert (body["server_url"], body["expires_at"]) == ("rtmp://127.0.0.1:1935/live", None)
    assert await air.ingest() == body
    alone = await scene.call("GET", f"{air.path}/ingest", params={"without": "key"}, by=air.ada)
    assert alone.json() == body | {"stream_key": None}
    for _ in range(2):  # were it kept for whoever is not signed in, they would have it now
        assert problem(await scene.call("GET", f"{air.path}/ingest")) == (401, "unauthenticated")
    # A key for requests that come twice changes nothing: what answers hold may not be kept.
    again = {"Idempotency-Key": "k1"}
    rotated = [await scene.call("POST", f"{air.path}/rotate-key", by=air.ada, headers=again) for _ in range(2)]
    assert [each.headers["cache-control"] for each in rotated] == ["no-store"] * 2
    keys = {body["stream_key"], *(each.json()["stream_key"] for each in rotated)}
    assert len(keys) == 3
    assert await air.ingest() == rotated[1].json()


async def test_who_saw_a_key_is_logged_and_the_key_is_nowhere_else(scene: Scene) -> None:
    """In no answer but its own, in no log line and in nothing that is kept to answer again."""
    keys, said = set(), []
    with structlog.testing.capture_logs() as logs:
        air = await on(scene)
        again = {"Idempotency-Key": "k1"}
        keys.add((await air.ingest())["stream_key"])
        keys.add((await scene.call("POST", f"{air.path}/rotate-key", by=air.ada, headers=again)).json()["stream_key"])
        await air.pretend("start", "starve", "drop", "start", "duplicate", "end")
        session = (await air.session())["id"]
        paths = [air.path + at for at in ("", "/sessions", "/schedule", "/chat-rules", "/chat-bans")]
        paths += [f"/v1/stream-sessions/{session}{at}" for at in ("", "/events", "/metrics", "/chat-messages")]
        said += [await scene.call("GET", path, by=air.ada) for path in paths]
        said.append(await scene.call("PATCH", air.path, {"title": "New"}, by=air.ada, headers=again))
        said += [
            await scene.call("POST", f"{air.path}/{action}", by=air.ada, headers=again)
            for action in ("playback-sessions", "disable", "enable")
        ]
        said.append(await scene.call("GET", f"{air.path}/ingest", params={"without": "key"}, by=air.ada))
        keys.add((await air.ingest())["stream_key"])
    assert len(keys) == 3
    assert {each.status_code for each in said} <= {200, 201, 409}
    for key in keys:
        assert key not in repr(logs)
        assert not any(key in each.text + repr(each.headers) for each in said)
        assert key not in repr(vars(scene.core.adapters.idempotency()))
    audited = [each for each in logs if each["event"].startswith("stream key")]
    assert [(each["event"], each["stream"], each["user"]) for each in audited] == [
        ("stream key shown", air.id, air.ada.id),
        ("stream key rotated", air.id, air.ada.id),
        ("stream key shown", air.id, air.ada.id),
    ]


async def test_another_key_cuts_off_what_is_broadcast_with_the_old_one(scene: Scene) -> None:
    air = await on(scene)
    await air.pretend("start")
    assert (await scene.call("POST", f"{air.path}/rotate-key", by=air.ada)).status_code == 200
    await scene.settle()
    session = await air.session()
    assert (session["status"], session["ended_reason"]) == ("ended", "key_rotated")
    assert (await air.shown())["status"] == "idle"


async def test_a_disabled_stream_takes_nothing_until_it_is_enabled(scene: Scene) -> None:
    """With another key then. Saying it again changes nothing."""
    air = await on(scene)
    key = (await air.ingest())["stream_key"]
    await air.pretend("start")
    for _ in range(2):
        disabled = await scene.call("POST", f"{air.path}/disable", by=air.ada)
        body = disabled.json()
        assert (body["status"], body["current_session_id"]) == ("disabled", None)
        assert disabled.headers["etag"] == f'"{body["version"]}"'
    assert (await air.session())["ended_reason"] == "disabled"
    for method, at in (("GET", "ingest"), ("POST", "rotate-key")):
        assert problem(await scene.call(method, f"{air.path}/{at}", by=air.ada)) == (409, "stream_disabled")
    assert problem(await air.simulate("start")) == (409, "stream_disabled")
    for _ in range(2):
        assert (await scene.call("POST", f"{air.path}/enable", by=air.ada)).json()["status"] == "idle"
    assert (await air.ingest())["stream_key"] != key


# --- a broadcast ---------------------------------------------------------------------------------


async def test_a_whole_broadcast(scene: Scene) -> None:
    """Live, away for a moment and back, too slow for a while, over; and then it is a video for everyone."""
    air = await on(scene, title="Office hours", description="Ask me")
    ben = await scene.person("ben")
    await air.pretend("start")
    body = (await scene.call("GET", air.path)).json()
    session = body["current_session_id"]
    assert (body["status"], body["live_since"], body["viewer_count"]) == ("live", NOW, 0)
    assert [each["id"] for each in (await scene.call("GET", "/v1/streams")).json()["data"]] == [air.id]
    assert await air.session() == {
        "id": session, "stream_id": air.id, "status": "live", "started_at": NOW, "ended_at": None,
        "ended_reason": None, "viewer_count": 0, "peak_viewers": 0, "connections": 1, "health": None,
        "recording": {"status": "processing", "video_id": None},
    }  # fmt: skip
    await air.pass_time(10)
    await air.pretend("drop")
    body = await air.shown()
    assert (body["status"], body["current_session_id"]) == ("live", session)
    assert (await air.session())["status"] == "reconnecting"
    await air.pretend("start", "starve")
    body = await air.session()
    assert (body["id"], body["status"], body["connections"]) == (session, "live", 2)
    assert set(body["health"]) == {
        "at", "ailment", "starving", "bitrate_bps", "width", "height", "fps", "keyframe_interval_s", "advice"
    }  # fmt: skip
    assert body["health"]["starving"]
    assert body["health"]["ailment"] == "starving"
    assert body["health"]["advice"].startswith("Less arrives than the stream needs")
    await air.pass_time(10)
    await air.pretend("starve", "duplicate", "end")
    await air.pass_time(61)
    over = await air.session()
    assert (over["status"], over["ended_reason"], over["ended_at"]) == ("ended", "ended", "2026-01-01T12:00:20Z")
    assert not over["health"]["starving"]
    assert over["health"]["ailment"] is None
    assert over["recording"]["status"] == "ready"
    assert (await scene.call("GET", f"/v1/stream-sessions/{session}", by=air.ada)).json() == over
    body = (await scene.call("GET", air.path)).json()
    assert (body["status"], body["current_session_id"], body["live_since"]) == ("idle", None, None)
    assert (await scene.call("GET", "/v1/streams")).json()["data"] == []

    video = over["recording"]["video_id"]
    (listed,) = (await scene.call("GET", "/v1/videos", params={"channel": air.channel})).json()["data"]
    assert (listed["id"], listed["title"], listed["description"]) == (video, "Office hours", "Ask me")
    assert (listed["stream_id"], listed["stream_session_id"]) == (air.id, session)
    assert (await scene.call("GET", f"/v1/stream-sessions/{session}/chat-messages", by=ben)).json()["data"] == []
    opened = await scene.call("POST", f"/v1/videos/{video}/playback-sessions", by=ben)
    assert (await scene.http.get(opened.json()["manifest_url"])).text.startswith("#EXTM3U")
    embed = await scene.call("GET", "/v1/oembed", params={"url": f"{PUBLIC_URL}/watch/{video}"})
    assert (embed.status_code, embed.json()["title"]) == (200, "Office hours")
    heard = (await scene.call("GET", INBOX, by=air.ada)).json()["data"]
    assert [(each["type"], each["subject"]["id"]) for each in heard] == [("video_ready", video)]


async def test_the_recording_is_as_hidden_as_its_stream(scene: Scene) -> None:
    """And where none is made, there is none."""
    air = await on(scene, visibility="private", reconnect_window_s=0)
    await air.pretend("start", "end")
    video = (await air.session())["recording"]["video_id"]
    assert (await scene.call("GET", f"/v1/videos/{video}", by=air.ada)).json()["visibility"] == "private"
    assert problem(await scene.call("GET", f"/v1/videos/{video}")) == (404, "not_found")
    await scene.call("PATCH", air.path, {"record": False}, by=air.ada)
    await scene.settle()
    scene.clock.advance(timedelta(seconds=1))
    await air.pretend("start", "end")
    assert (await air.session())["recording"] == {"status": "none", "video_id": None}


async def test_what_was_told_backwards_comes_to_the_same(scene: Scene) -> None:
    air = await on(scene, reconnect_window_s=0)
    await air.pretend("reorder")
    session = await air.session()
    assert (session["status"], session["ended_reason"], session["connections"]) == ("ended", "ended", 1)
    assert session["recording"]["status"] == "ready"
    types = {each["type"] for each in await air.events(session["id"])}
    assert types == {"session_created", "stream_start", "stream_end", "session_ended", "recording_end"}
    assert (await air.shown())["status"] == "idle"


async def test_what_cannot_be_pretended(scene: Scene) -> None:
    air = await on(scene)
    for step, code in (
        ("duplicate", "nothing_said"),
        ("drop", "not_live"),
        ("starve", "not_live"),
        ("end", "not_live"),
    ):
        assert problem(await air.simulate(step)) == (409, code)
    assert problem(await air.simulate("explode")) == (422, "invalid")
    await air.pretend("start")
    for step in ("start", "reorder"):
        assert problem(await air.simulate(step)) == (409, "stream_live")


async def test_stopping_does_not_wait_for_the_encoder(scene: Scene) -> None:
    """Also while it is away; and the key stays good."""
    air = await on(scene)
    assert problem(await scene.call("POST", f"{air.path}/stop", by=air.ada)) == (409, "not_live")
    key = (await air.ingest())["stream_key"]
    for steps in (("start",), ("start", "drop")):
        await air.pass_time(1)
        await air.pretend(*steps)
        stopped = await scene.call("POST", f"{air.path}/stop", by=air.ada)
        body = stopped.json()
        assert (stopped.status_code, body["status"], body["current_session_id"]) == (200, "idle", None)
        session = await air.session()
        assert (session["status"], session["ended_reason"]) == ("ended", "stopped")
    assert problem(await scene.call("POST", f"{air.path}/stop", by=air.ada)) == (409, "not_live")
    assert (await air.ingest())["stream_key"] == key
    assert len((await scene.call("GET", f"{air.path}/sessions", by=air.ada)).json()["data"]) == 2


async def test_metadata_is_for_a_broadcast(scene: Scene) -> None:
    air = await on(scene)
    path = f"{air.path}/metadata"
    assert problem(await scene.call("POST", path, {"text": "2:1"}, by=air.ada)) == (409, "not_live")
    await air.pretend("start")
    sent = await scene.call("POST", path, {"text": "\xd7" * 512}, by=air.ada)
    assert (sent.status_code, sent.content) == (204, b"")
    for text in ("", "\xd7" * 513):
        assert problem(await scene.call("POST", path, {"text": text}, by=air.ada)) == (422, "metadata_too_large")


async def test_watching(scene: Scene) -> None:
    """A link for everyone, as long as the stream is; not for keeping."""
    air = await on(scene)
    assert problem(await scene.call("POST", f"{air.path}/playback-sessions")) == (409, "not_live")
    await air.pretend("start")
    opened = await scene.call("POST", f"{air.path}/playback-sessions")
    body = opened.json()
    assert (opened.status_code, opened.headers["cache-control"]) == (201, "no-store")
    assert set(body) == {"manifest_url", "mode", "expires_at"}
    assert (body["mode"], body["expires_at"]) == ("public", "2026-01-01T12:10:00Z")
    assert (await scene.http.get(body["manifest_url"])).text.startswith("#EXTM3U")
    await scene.call("PATCH", air.path, {"visibility": "private"}, by=air.ada)
    assert problem(await scene.http.get(body["manifest_url"])) == (404, "not_found")
    assert problem(await scene.call("POST", f"{air.path}/playback-sessions")) == (404, "not_found")
    mine = (await scene.call("POST", f"{air.path}/playback-sessions", by=air.ada)).json()
    assert mine["mode"] == "token"
    assert (await scene.http.get(mine["manifest_url"])).status_code == 200
    scene.clock.advance(timedelta(minutes=10))
    assert problem(await scene.http.get(mine["manifest_url"])) == (403, "link_expired")


async def test_who_watches(scene: Scene) -> None:
    """Each player by the name that it says, any other by its program; not the preview of whoever broadcasts."""
    air = await on(scene)
    await air.pretend("start")
    manifest = (await scene.call("POST", f"{air.path}/playback-sessions")).json()["manifest_url"]
    for name in ("a", "b", "a", "preview", "x" * 64 + "1", "x" * 64 + "2"):
        assert (await scene.http.get(f"{manifest}?viewer={name}")).status_code == 200
    for _ in range(2):
        assert (await scene.http.get(manifest)).status_code == 200
    await air.pass_time(10)
    assert (await air.session())["viewer_count"] == 4


async def test_a_schedule(scene: Scene) -> None:
    """Announced, moved, taken back; it has the stream's version."""
    air = await on(scene)
    path = f"{air.path}/schedule"
    none = await scene.call("GET", path)
    assert (none.json(), none.headers["etag"]) == ({"starts_at": None}, '"1"')
    put_up = await scene.call("POST", path, {"starts_at": "2026-01-02T13:00:00+01:00"}, by=air.ada, version=1)
    assert (put_up.status_code, put_up.json(), put_up.headers["etag"]) == (
        200, {"starts_at": "2026-01-02T12:00:00Z"}, '"2"'
    )  # fmt: skip
    assert (await scene.call("GET", path)).json() == put_up.json()
    assert (await scene.call("GET", air.path)).json()["starts_at"] == "2026-01-02T12:00:00Z"
    for wrong in ("2026-01-01T12:00:00Z", "2027-01-01T12:00:01Z"):
        assert problem(await scene.call("POST", path, {"starts_at": wrong}, by=air.ada)) == (422, "starts_at_range")
    for invalid in ("2026-01-02T12:00:00", "soon", None):
        assert problem(await scene.call("POST", path, {"starts_at": invalid}, by=air.ada)) == (422, "invalid")
    body = {"starts_at": "2026-01-03T12:00:00Z"}
    assert problem(await scene.call("POST", path, body, by=air.ada, version=1)) == (412, "version_mismatch")
    assert problem(await scene.call("DELETE", path, by=air.ada, version=1)) == (412, "version_mismatch")
    for _ in range(2):
        assert (await scene.call("DELETE", path, by=air.ada)).status_code == 204
    assert (await scene.call("GET", path)).json() == {"starts_at": None}
    await scene.call("POST", path, body, by=air.ada)
    await air.pretend("start")
    assert (await air.shown())["starts_at"] is None


# --- who is told ---------------------------------------------------------------------------------


async def subscribers(air: Air, **levels: str) -> Mapping[str, Person]:
    found = {}
    for handle, level in levels.items():
        found[handle] = await air.scene.person(handle)
        path = f"/v1/me/subscriptions/{air.channel}"
        await air.scene.call("PUT", path, {"notify": level}, by=found[handle])
    return found


async def inbox(scene: Scene, person: Person) -> Sequence[Any]:
    told: Sequence[Any] = (await scene.call("GET", INBOX, by=person)).json()["data"]
    return [each for each in told if each["type"] in {"went_live", "stream_near"}]


async def test_subscribers_hear_once_of_each_broadcast(scene: Scene) -> None:
    """Those who want to; not of an encoder that came back, nor of what began right after; nor of an unlisted one."""
    air = await on(scene, title="Office hours")
    people = await subscribers(air, ben="all", eve="live", kim="none")
    await air.pretend("start", "drop", "start", "duplicate", "end")
    (said,) = await inbox(scene, people["ben"])
    assert said == {
        "id": said["id"], "type": "went_live",
        "actor": {"id": air.ada.id, "handle": "ada", "display_name": "Ada"},
        "subject": {"type": "stream", "id": air.id}, "text": said["text"], "created_at": NOW, "read": False,
    }  # fmt: skip
    assert "Office hours" in said["text"]
    assert [each["type"] for each in await inbox(scene, people["eve"])] == ["went_live"]
    assert await inbox(scene, people["kim"]) == []
    await air.pass_time(600)
    await scene.call("PATCH", air.path, {"visibility": "unlisted"}, by=air.ada)
    await air.pretend("start", "end")
    await air.pass_time(600)
    types = [each["type"] for each in await inbox(scene, people["eve"])]
    assert types == ["went_live"]
    await scene.call("PATCH", air.path, {"visibility": "public"}, by=air.ada)
    await air.pretend("start")
    types = [each["type"] for each in await inbox(scene, people["eve"])]
    assert types == ["went_live", "went_live"]


async def test_subscribers_are_reminded_a_quarter_of_an_hour_before(scene: Scene) -> None:
    air = await on(scene)
    people = await subscribers(air, ben="live", kim="none")
    await scene.call("POST", f"{air.path}/schedule", {"starts_at": "2026-01-01T13:00:00Z"}, by=air.ada)
    for minutes, heard in ((44, []), (1, ["stream_near"]), (1, ["stream_near"])):
        scene.clock.advance(timedelta(minutes=minutes))
        await scene.core.remind_due()()
        await scene.settle()
        assert [each["type"] for each in await inbox(scene, people["ben"])] == heard
    assert await inbox(scene, people["kim"]) == []


async def test_the_directory_of_what_is_live_page_by_page(scene: Scene) -> None:
    """The newest first, all of it once; what ends or is hidden meanwhile leaves it, and what begins is at its top."""
    air = await on(scene)
    ids = []
    for number in range(45):
        scene.clock.advance(timedelta(seconds=1))
        stream = await put(scene, air.channel, visibility=Visibility.UNLISTED if number == 7 else Visibility.PUBLIC)
        await evolve(air, id=stream.id).pretend("start")
        ids.append(stream.id)
    listed = [each for each in reversed(ids) if each != ids[7]]
    found = await walked(scene, "/v1/streams", 20)
    assert [each["id"] for each in found] == listed
    assert {each["status"] for each in found} == {"live"}
    first = (await scene.call("GET", "/v1/streams", params={"limit": 20, "status": "live"})).json()
    await evolve(air, id=ids[3]).pretend("end")
    await evolve(air, id=ids[44]).pretend("end")
    await air.pretend("start")
    await air.pass_time(61)
    rest = (await scene.call("GET", "/v1/streams", params={"limit": 100, "cursor": first["next_cursor"]})).json()
    assert [each["id"] for each in rest["data"]] == [each for each in listed[20:] if each != ids[3]]
    top = (await scene.call("GET", "/v1/streams", params={"limit": 2})).json()["data"]
    assert [each["id"] for each in top] == [air.id, ids[43]]
    for wrong in ({"status": "idle"}, {"limit": 0}, {"limit": 101}):
        assert (await scene.call("GET", "/v1/streams", params=wrong)).status_code == 422


# --- what happened -------------------------------------------------------------------------------


async def test_what_happened_in_a_session_page_by_page(scene: Scene) -> None:
    """Oldest first, in the words of who said it, and what was measured apart."""
    air = await on(scene)
    await air.pretend("start")
    session = await air.session()
    health = {"bitrate_bps": 4_000_000, "width": 1280, "height": 720, "fps": 30.0, "keyframe_s": 8.0, "viewers": 7}
    (broadcast,) = (await scene.core.adapters.broadcasts().timeline(StreamId(air.id))).current.broadcasts
    for number in range(5):
        scene.clock.advance(timedelta(seconds=2))
        scene.core.adapters.signals().tell(
            Signal(
                id=f"evt_h{number}", ingest=air.id, broadcast=broadcast, kind=Happening.HEALTH,
                at=scene.clock.now(), detail=health,
            )
        )  # fmt: skip
    await scene.settle()
    events = await air.events(session["id"])
    assert [each["type"] for each in events] == [
        "session_created", "stream_start", "recording_start", *["health"] * 5
    ]  # fmt: skip
    assert events[3] == {
        "id": "evt_h0", "type": "health", "at": "2026-01-01T12:00:02Z", "received_at": "2026-01-01T12:00:10Z",
        "detail": health,
    }  # fmt: skip
    metrics = await walked(scene, f"/v1/stream-sessions/{session['id']}/metrics", by=air.ada)
    assert [each["at"] for each in metrics] == [f"2026-01-01T12:00:{second:02}Z" for second in (2, 4, 6, 8, 10)]
    named = {"at": metrics[0]["at"], **health, "keyframe_interval_s": 8.0}
    del named["keyframe_s"]
    assert metrics[0] == named
    body = await air.session()
    assert (body["viewer_count"], body["peak_viewers"]) == (7, 7)
    assert body["health"]["ailment"] == "key_frames_far_apart"
    assert body["health"]["advice"].startswith("Key frames are 8 s apart")
    assert (await air.shown())["viewer_count"] == 7
    path = f"/v1/stream-sessions/{session['id']}/events"
    cursor = (await scene.call("GET", path, params={"limit": 1}, by=air.ada)).json()["next_cursor"]
    elsewhere = path.replace("/events", "/metrics")
    assert problem(await scene.call("GET", elsewhere, params={"cursor": cursor}, by=air.ada)) == (
        400, "cursor_mismatch"
    )  # fmt: skip


async def test_sessions_page_by_page(scene: Scene) -> None:
    """The newest first."""
    air = await on(scene, reconnect_window_s=0)
    for _ in range(4):
        await air.pass_time(60)
        await air.pretend("start", "end")
    found = await walked(scene, f"{air.path}/sessions", by=air.ada)
    assert [each["started_at"] for each in found] == [f"2026-01-01T12:0{minute}:00Z" for minute in (4, 3, 2, 1)]
    assert len({each["id"] for each in found}) == 4
    assert problem(await scene.call("GET", "/v1/stream-sessions/sts_x", by=air.ada)) == (404, "not_found")


# --- following it --------------------------------------------------------------------------------


async def said(source: EventSource, *, until: str) -> Sequence[tuple[str, Any]]:
    """What comes, up to a session of this status."""
    found: list[tuple[str, Any]] = []
    while not found or found[-1][0] != "session" or found[-1][1]["status"] != until:
        block = await source.block()
        found.append((block["event"], json.loads(block["data"])))
    return found


async def test_a_broadcast_is_followed_to_its_end(scene: Scene) -> None:
    """All that happened so far, what happens then, and what comes late; each once, and then there is no more."""
    scene.core.follow_session.add_kwargs(look_s=0.001)
    air = await on(scene, reconnect_window_s=0)
    await air.pretend("start")
    session = (await air.session())["id"]
    path = f"/v1/stream-sessions/{session}/events/stream"
    async with connected(scene, path, **air.ada.headers) as source:
        assert source.status == 200
        assert source.headers["content-type"].startswith("text/event-stream")
        assert source.headers["cache-control"] == "no-store"
        assert await source.block() == {"retry": "3000"}
        first = await said(source, until="live")
        assert [each["type"] for name, each in first if name == "event"] == [
            "session_created", "stream_start", "recording_start"
        ]  # fmt: skip
        assert first[-1] == ("session", await air.session())
        await air.pass_time(30)
        await air.pretend("starve")
        starving = await said(source, until="live")
        assert [each["type"] for name, each in starving if name == "event"] == ["starvation_start"]
        assert starving[-1][1]["health"]["starving"]
        late = Signal(
            id="evt_late", ingest=air.id, broadcast=None, kind=Happening.REFUSED,
            at=scene.clock.now() - timedelta(seconds=20),
        )  # fmt: skip
        scene.core.adapters.signals().tell(late)
        await scene.settle()
        block = await source.block()
        assert (block["event"], json.loads(block["data"])["id"]) == ("event", "evt_late")
        await air.pretend("end")
        rest = await said(source, until="ended")
        assert await source.ended()
    live = [*first, *starving, ("event", json.loads(block["data"])), *rest]
    ids = [each["id"] for name, each in live if name == "event"]
    assert sorted(ids) == sorted({each["id"] for each in await air.events(session)})
    async with connected(scene, path, **air.ada.headers) as source:
        await source.block()
        again = await said(source, until="ended")
        assert await source.ended()
    assert [each for name, each in again if name == "event"] == await air.events(session)
    assert again[-1] == ("session", await air.session())


async def test_the_token_may_stand_in_the_query_of_what_is_followed(scene: Scene) -> None:
    """And is never logged; elsewhere it counts for nothing."""
    air = await on(scene)
    await air.pretend("reorder")
    session = (await air.session())["id"]
    path, token = f"/v1/stream-sessions/{session}/events/stream", air.ada.headers["Authorization"].split()[1]
    with structlog.testing.capture_logs() as logs:
        async with connected(scene, path, f"access_token={token}") as source:
            assert source.status == 200
            assert await source.block() == {"retry": "3000"}
    assert [each["path"] for each in logs if each["event"] == "request"] == [path]
    assert token not in repr(logs)
    assert problem(await scene.call("GET", path)) == (401, "unauthenticated")
    elsewhere = await scene.call("GET", path.removesuffix("/stream"), params={"access_token": token})
    assert problem(elsewhere) == (401, "unauthenticated")


async def test_nothing_goes_on_when_the_client_is_gone(scene: Scene) -> None:
    """Neither while it waits for the next look nor while it tells something."""
    air = await on(scene)
    await air.pretend("start")
    session = (await air.session())["id"]
    looks = watched_looks(scene)
    async with connected(scene, f"/v1/stream-sessions/{session}/events/stream", **air.ada.headers) as source:
        await source.block()
        await said(source, until="live")
    seen = len(looks)
    assert seen > 0
    # Without a wait between looks, another would have come by now.
    scene.core.follow_session.add_kwargs(look_s=0)
    await air.pretend("starve")
    assert len(looks) == seen
    assert scene.core.adapters.live()._listeners == {}


def watched_looks(scene: Scene) -> list[str]:
    """Grows with each look at the events of a session."""
    looks: list[str] = []
    broadcasts = scene.core.adapters.broadcasts()
    events = broadcasts.events

    async def noted(stream: str, *args: Any, **options: Any) -> Any:
        looks.append(stream)
        return await events(stream, *args, **options)

    broadcasts.events = noted
    return looks


async def test_following_ends_when_the_process_stops(scene: Scene) -> None:
    air = await on(scene)
    await air.pretend("start")
    session = (await air.session())["id"]
    async with connected(scene, f"/v1/stream-sessions/{session}/events/stream", **air.ada.headers) as source:
        await source.block()
        await said(source, until="live")
        scene.core.adapters.live().close()
        assert await source.ended()
