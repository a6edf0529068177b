"""Following channels and looking back over HTTP: subscriptions, the feed, subscribers, history."""

from datetime import timedelta

from tests.entrypoints.scenes import Person, Scene, problem


async def test_a_subscription_is_put_changed_listed_and_ended(scene: Scene) -> None:
    ada, ben = await scene.person("ada"), await scene.person("ben")
    channel = await scene.channel(ada)
    path = f"/v1/me/subscriptions/{channel}"
    put = await scene.call("PUT", path, {"notify": "all"}, by=ben)
    assert (put.status_code, put.content) == (204, b"")
    assert (await scene.call("PUT", path, {"notify": "live"}, by=ben)).status_code == 204
    (one,) = (await scene.call("GET", "/v1/me/subscriptions", by=ben)).json()["data"]
    assert set(one) == {"channel", "notify", "since"}
    assert (one["channel"]["id"], one["notify"], one["channel"]["counts"]["subscribers"]) == (channel, "live", 1)
    assert one["channel"]["viewer"] == {"subscribed": True, "notify": "live", "role": None}
    for _ in range(2):
        assert (await scene.call("DELETE", path, by=ben)).status_code == 204
    assert (await scene.call("GET", "/v1/me/subscriptions", by=ben)).json() == {"data": [], "next_cursor": None}


async def test_subscribing_without_saying_how_means_all(scene: Scene) -> None:
    ada, ben = await scene.person("ada"), await scene.person("ben")
    channel = await scene.channel(ada)
    await scene.call("PUT", f"/v1/me/subscriptions/{channel}", {}, by=ben)
    (one,) = (await scene.call("GET", "/v1/me/subscriptions", by=ben)).json()["data"]
    assert one["notify"] == "all"


async def test_subscriptions_that_are_refused(scene: Scene) -> None:
    ada, ben = await scene.person("ada"), await scene.person("ben")
    path = f"/v1/me/subscriptions/{await scene.channel(ada)}"
    assert problem(await scene.call("PUT", path, {"notify": "all"}, by=ada)) == (403, "own_channel")
    assert problem(await scene.call("PUT", path, {"notify": "all"})) == (401, "unauthenticated")
    assert (await scene.call("PUT", path, {"notify": "often"}, by=ben)).status_code == 422
    unknown = await scene.call("PUT", "/v1/me/subscriptions/chn_x", {"notify": "all"}, by=ben)
    assert problem(unknown) == (404, "not_found")
    for method, each in (("DELETE", path), ("GET", "/v1/me/subscriptions"), ("GET", "/v1/me/feed")):
        assert problem(await scene.call(method, each)) == (401, "unauthenticated")
    for each in ("/v1/me/subscriptions", "/v1/me/feed"):
        assert problem(await scene.call("GET", each, params={"cursor": "x"}, by=ben)) == (400, "invalid_cursor")


async def test_subscriptions_and_the_feed_go_on_where_they_stopped(scene: Scene) -> None:
    ada, ben = await scene.person("ada"), await scene.person("ben")
    channels, videos = [], []
    for handle in ("films", "boats"):
        scene.clock.advance(timedelta(seconds=1))
        channels.append(await scene.channel(ada, handle))
        videos.append(await scene.video(ada, channels[-1]))
        await scene.call("PUT", f"/v1/me/subscriptions/{channels[-1]}", {"notify": "all"}, by=ben)
    await scene.video(ada, await scene.channel(ada, "other"))
    await scene.video(ada, channels[0], visibility="private")
    for path, ids in (("/v1/me/subscriptions", channels), ("/v1/me/feed", videos)):
        first = (await scene.call("GET", path, params={"limit": 1}, by=ben)).json()
        rest = (await scene.call("GET", path, params={"cursor": first["next_cursor"]}, by=ben)).json()
        listed = [each.get("channel", each) if path.endswith("ions") else each for each in first["data"] + rest["data"]]
        assert [each["id"] for each in listed] == ids[::-1]
        assert rest["next_cursor"] is None
        alien = await scene.call("GET", path, params={"cursor": first["next_cursor"]}, by=ada)
        assert problem(alien) == (400, "cursor_mismatch")


async def test_the_owner_lists_who_follows(scene: Scene) -> None:
    ada, ben, cho = await scene.person("ada"), await scene.person("ben"), await scene.person("cho")
    channel = await scene.channel(ada)
    for person in (ben, cho):
        scene.clock.advance(timedelta(seconds=1))
        await scene.call("PUT", f"/v1/me/subscriptions/{channel}", {"notify": "none"}, by=person)
    path = f"/v1/channels/{channel}/subscribers"
    first = (await scene.call("GET", path, params={"limit": 1}, by=ada)).json()
    rest = (await scene.call("GET", path, params={"cursor": first["next_cursor"]}, by=ada)).json()
    assert [each["user"]["handle"] for each in (*first["data"], *rest["data"])] == ["cho", "ben"]
    assert set(first["data"][0]) == {"user", "since"}
    assert problem(await scene.call("GET", path, by=ben)) == (403, "forbidden")
    assert problem(await scene.call("GET", path)) == (401, "unauthenticated")
    assert problem(await scene.call("GET", "/v1/channels/chn_x/subscribers", by=ada)) == (404, "not_found")
    assert problem(await scene.call("GET", path, params={"cursor": "x"}, by=ada)) == (400, "invalid_cursor")


async def watch(scene: Scene, video: str, by: Person) -> None:
    """Some seconds of it, so that it is remembered."""
    session = (await scene.call("POST", f"/v1/videos/{video}/playback-sessions", by=by)).json()
    scene.clock.advance(timedelta(seconds=10))
    beat = {"playback_session_id": session["id"], "position_s": 10}
    answer = await scene.call("POST", f"/v1/videos/{video}/views", beat, by=by)
    assert answer.status_code == 200, answer.text


async def test_history_lists_what_was_watched_and_forgets_it(scene: Scene) -> None:
    ada, ben = await scene.person("ada"), await scene.person("ben")
    channel = await scene.channel(ada)
    videos = [await scene.video(ada, channel) for _ in range(3)]
    for video in videos:
        await watch(scene, video, ben)
    first = (await scene.call("GET", "/v1/me/history", params={"limit": 2}, by=ben)).json()
    rest = (await scene.call("GET", "/v1/me/history", params={"cursor": first["next_cursor"]}, by=ben)).json()
    assert [each["id"] for each in (*first["data"], *rest["data"])] == videos[::-1]
    assert first["data"][0]["viewer"]["position_s"] == 10
    for _ in range(2):
        assert (await scene.call("DELETE", f"/v1/me/history/{videos[1]}", by=ben)).status_code == 204
    left = (await scene.call("GET", "/v1/me/history", by=ben)).json()["data"]
    assert [each["id"] for each in left] == [videos[2], videos[0]]
    assert (await scene.call("DELETE", "/v1/me/history", by=ben)).status_code == 204
    assert (await scene.call("GET", "/v1/me/history", by=ben)).json() == {"data": [], "next_cursor": None}


async def test_history_is_ones_own(scene: Scene) -> None:
    ben = await scene.person("ben")
    for method, path in (("GET", ""), ("DELETE", ""), ("DELETE", "/vid_x")):
        assert problem(await scene.call(method, f"/v1/me/history{path}")) == (401, "unauthenticated")
    wrong = await scene.call("GET", "/v1/me/history", params={"cursor": "x"}, by=ben)
    assert problem(wrong) == (400, "invalid_cursor")
