"""Watching over HTTP: leave to play, heartbeats, and how much was watched."""

import re
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urljoin

import pytest
from attrs import evolve

from application.ports import Link, LinkMode
from entrypoints.http.watching import cookies
from tests.entrypoints.scenes import PASSWORD, Person, Scene, problem


async def stage(scene: Scene, visibility: str = "public") -> tuple[Person, str]:
    """Someone, and the path of a video of theirs."""
    ada = await scene.person("ada")
    return ada, f"/v1/videos/{await scene.video(ada, await scene.channel(ada), visibility=visibility)}"


async def test_a_public_video(scene: Scene) -> None:
    """Anyone gets a link that needs no leave."""
    _, path = await stage(scene)
    opened = await scene.call("POST", f"{path}/playback-sessions")
    assert opened.status_code == 201
    body = opened.json()
    assert set(body) == {"id", "manifest_url", "mode", "expires_at", "resume_at_s"}
    assert (body["mode"], body["expires_at"], body["resume_at_s"]) == ("public", "2026-01-02T00:00:00Z", 0.0)
    assert opened.headers["cache-control"] == "no-store"
    assert "set-cookie" not in opened.headers
    assert (await scene.http.get(body["manifest_url"])).text.startswith("#EXTM3U")


@pytest.mark.parametrize("visibility", ["unlisted", "private"])
async def test_a_video_that_is_not_for_everyone(scene: Scene, visibility: str) -> None:
    """Its maker gets a link that ends after an hour."""
    ada, path = await stage(scene, visibility)
    body = (await scene.call("POST", f"{path}/playback-sessions", by=ada)).json()
    assert (body["mode"], body["expires_at"]) == ("token", "2026-01-01T13:00:00Z")
    assert (await scene.http.get(body["manifest_url"])).status_code == 200
    scene.clock.advance(timedelta(hours=1))
    assert problem(await scene.http.get(body["manifest_url"])) == (403, "link_expired")


async def test_a_player_goes_on_with_another_links_token(scene: Scene) -> None:
    """In the place of the old one, in whatever it asks for next: that it had read the manifest before does not matter.
    Its heartbeats go on, too.
    """
    ada, path = await stage(scene, "private")
    first = (await scene.call("POST", f"{path}/playback-sessions", by=ada)).json()
    manifest = (await scene.http.get(first["manifest_url"])).text
    listed = next(line for line in manifest.splitlines() if line and not line.startswith("#"))
    playlist = urljoin(first["manifest_url"], listed)
    scene.clock.advance(timedelta(minutes=55))
    again = (await scene.call("POST", f"{path}/playback-sessions", by=ada)).json()
    old, new = [re.sub(r"(/media/g/[^/]+/).*", r"\1", each["manifest_url"]) for each in (first, again)]
    assert old != new
    assert first["manifest_url"].removeprefix(old) == again["manifest_url"].removeprefix(new)
    assert (await scene.http.get(playlist)).status_code == 200
    scene.clock.advance(timedelta(minutes=10))
    assert problem(await scene.http.get(playlist)) == (403, "link_expired")
    assert (await scene.http.get(playlist.replace(old, new))).status_code == 200
    signed_in = await scene.call("POST", "/v1/auth/sign-in", {"email": ada.email, "password": PASSWORD})
    later = evolve(ada, headers={"Authorization": f"Bearer {signed_in.json()['access_token']}"})
    body = {"playback_session_id": first["id"], "position_s": 30.0}
    assert (await scene.call("POST", f"{path}/views", body, by=later)).status_code == 200


async def test_how_links_are_to_work(scene: Scene) -> None:
    """A store asks for cookies from nobody who has none; what is public needs neither."""
    ada, path = await stage(scene, "private")
    public = f"/v1/videos/{await scene.video(ada, await scene.channel(ada, 'two'))}"
    wishes: Sequence[object] = (None, {}, {"mode": "cookie"}, {"mode": "token"})
    for wish in wishes:
        body = (await scene.call("POST", f"{path}/playback-sessions", wish, by=ada)).json()
        assert body["mode"] == "token"
        assert (await scene.call("POST", f"{public}/playback-sessions", wish)).json()["mode"] == "public"
    refused: Sequence[object] = ({"mode": "public"}, {"mode": None}, [])
    for wish in refused:
        assert problem(await scene.call("POST", f"{path}/playback-sessions", wish, by=ada)) == (422, "invalid")


async def test_what_cannot_be_played(scene: Scene) -> None:
    """Strangers do not learn of a private video; one without media is not playable yet."""
    ada, path = await stage(scene, "private")
    bob = await scene.person("bob")
    for by in (None, bob):
        assert problem(await scene.call("POST", f"{path}/playback-sessions", by=by)) == (404, "not_found")
    channel = (await scene.call("GET", "/v1/me/channels", by=ada)).json()["data"][0]["id"]
    waiting = await scene.announced(ada, channel)
    opened = await scene.call("POST", f"/v1/videos/{waiting['video_id']}/playback-sessions", by=ada)
    assert problem(opened) == (409, "not_playable")


async def test_views_and_going_on(scene: Scene) -> None:
    """Half a minute of watching is one view, and the next session goes on where this one stopped."""
    ada, path = await stage(scene)
    session = (await scene.call("POST", f"{path}/playback-sessions", by=ada)).json()["id"]
    beats = []
    for position in (10.0, 20.0, 30.0, 40.0):
        scene.clock.advance(timedelta(seconds=10))
        body = {"playback_session_id": session, "position_s": position}
        beats.append((await scene.call("POST", f"{path}/views", body, by=ada)).json())
    assert [beat["counted"] for beat in beats] == [False, False, True, True]
    assert beats[-1] == {"position_s": 40.0, "watched_s": 40.0, "counted": True}
    shown = (await scene.call("GET", path, by=ada)).json()
    assert (shown["counts"]["views"], shown["viewer"]["position_s"]) == (1, 40.0)
    again = (await scene.call("POST", f"{path}/playback-sessions", by=ada)).json()
    assert again["resume_at_s"] == 40.0


async def test_heartbeats_that_are_refused(scene: Scene) -> None:
    """For someone else's session, one of nobody's, one long over, and a place outside the video."""
    ada, path = await stage(scene)
    session = (await scene.call("POST", f"{path}/playback-sessions")).json()["id"]
    body = {"playback_session_id": session, "position_s": 1.0}
    assert (await scene.call("POST", f"{path}/views", body)).status_code == 200
    assert problem(await scene.call("POST", f"{path}/views", body, by=ada)) == (404, "not_found")
    assert problem(await scene.call("POST", "/v1/videos/vid_none/views", body)) == (404, "not_found")
    none = body | {"playback_session_id": "ses_none"}
    assert problem(await scene.call("POST", f"{path}/views", none)) == (404, "not_found")
    for position, code in ((-1, "position_out_of_range"), (1e9, "position_out_of_range"), ("nan", "invalid")):
        beyond = await scene.call("POST", f"{path}/views", body | {"position_s": position})
        assert problem(beyond) == (422, code)
    assert problem(await scene.call("POST", f"{path}/views", {})) == (422, "invalid")
    scene.clock.advance(timedelta(hours=13))
    assert problem(await scene.call("POST", f"{path}/views", body)) == (404, "not_found")


def test_cookies_that_come_with_a_link() -> None:
    """One for each that the media's door asks for, for it alone to read."""
    link = Link(
        "https://media.example.org/m.m3u8", LinkMode.COOKIE, {"CloudFront-Policy": "p", "CloudFront-Signature": "s"}
    )
    assert [cookie.to_header(header="") for cookie in cookies(link)] == [
        "CloudFront-Policy=p; HttpOnly; Path=/; SameSite=lax; Secure",
        "CloudFront-Signature=s; HttpOnly; Path=/; SameSite=lax; Secure",
    ]
    elsewhere = evolve(link, cookies={"CloudFront-Policy": "p"}, cookie_path="/v/vid_1/", cookie_domain="example.org")
    assert [cookie.to_header(header="") for cookie in cookies(elsewhere)] == [
        "CloudFront-Policy=p; Domain=example.org; HttpOnly; Path=/v/vid_1/; SameSite=lax; Secure"
    ]
    assert cookies(Link("https://media.example.org/m.m3u8", LinkMode.PUBLIC)) == []


async def test_what_was_watched_by_day(scene: Scene) -> None:
    """Every day is there, and all of them together; of a video and of its channel, before and after it is removed."""
    ada = await scene.person("ada")
    channel = await scene.channel(ada)
    video = await scene.video(ada, channel)
    path, of_channel = f"/v1/videos/{video}", f"/v1/channels/{channel}/analytics"
    session = (await scene.call("POST", f"{path}/playback-sessions")).json()["id"]
    for position in (10.5, 20.5, 30.5):
        scene.clock.advance(timedelta(seconds=10, milliseconds=500))
        for _ in range(2):  # as a player that had no answer sends it again
            beat = {"playback_session_id": session, "position_s": position}
            assert (await scene.call("POST", f"{path}/views", beat)).status_code == 200
    expected = {
        "from": "2025-12-31",
        "to": "2026-01-02",
        "data": [
            {"day": "2025-12-31", "views": 0, "watch_time_s": 0.0},
            {"day": "2026-01-01", "views": 1, "watch_time_s": 30.5},
            {"day": "2026-01-02", "views": 0, "watch_time_s": 0.0},
        ],
        "totals": {"views": 1, "watch_time_s": 30.5},
    }
    days = {"from": "2025-12-31", "to": "2026-01-02"}
    for asked in (f"{path}/analytics", of_channel):
        answer = await scene.call("GET", asked, params=days, by=ada)
        assert (answer.status_code, answer.json()) == (200, expected)
        recent = (await scene.call("GET", asked, by=ada)).json()
        assert (recent["from"], recent["to"], len(recent["data"])) == ("2025-12-05", "2026-01-01", 28)
        assert recent["totals"] == expected["totals"]
    await scene.call("DELETE", path, by=ada)
    await scene.settle()
    assert problem(await scene.call("GET", f"{path}/analytics", by=ada)) == (404, "not_found")
    assert (await scene.call("GET", of_channel, params=days, by=ada)).json() == expected


@pytest.mark.parametrize(
    ("days", "code", "field"),
    [
        ({"from": "2026-01-02", "to": "2026-01-01"}, "days_disordered", "from"),
        ({"from": "2024-12-31"}, "too_many_days", "from"),
        ({"from": "yesterday"}, "invalid", "from"),
        ({"to": "2026-02-30"}, "invalid", "to"),
        ({"to": "1"}, "invalid", "to"),
    ],
)
async def test_days_that_are_refused(scene: Scene, days: dict[str, str], code: str, field: str) -> None:
    ada, path = await stage(scene)
    answer = await scene.call("GET", f"{path}/analytics", params=days, by=ada)
    assert problem(answer) == (422, code)
    assert [each["field"] for each in answer.json()["errors"]] == [field]
