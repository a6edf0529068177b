"""What people do around a video: watch, comment, like, follow, and hear of it."""

from pathlib import Path

import httpx
import pytest

from tests.journey import clips
from tests.journey.server import Person, Server, sign_up


@pytest.fixture(scope="module")
def ada(server: Server) -> Person:
    return sign_up(server, "ada_j")


@pytest.fixture(scope="module")
def bob(server: Server) -> Person:
    return sign_up(server, "bob_j")


def test_publishing_reaches_the_subscriber(ada: Person, bob: Person, clips_folder: Path) -> None:
    """Subscribe, publish, be told; comment with a mention, reply, like; and the other one is told."""
    channel = ada.channel("ada_live")
    with ada.told() as to_ada:
        bob.answer(bob.http.put(f"/v1/me/subscriptions/{channel}", json={"notify": "all"}))
        assert next(to_ada)["type"] == "subscriber"
    with bob.told() as to_bob:
        video = ada.upload(channel, clips.no_audio(clips_folder))
        published = next(to_bob)
        assert (published["type"], published["subject"]["id"]) == ("video_published", video)
    assert [each["id"] for each in bob.get("/v1/me/feed")["data"]] == [video]
    with ada.told() as to_ada:
        comment = bob.post(f"/v1/videos/{video}/comments", {"text": "Well done, @ada_j"})
        assert next(to_ada)["type"] == "mention"
    with bob.told() as to_bob:
        ada.post(f"/v1/comments/{comment['id']}/replies", {"text": "Thank you!"})
        assert next(to_bob)["type"] == "reply"
    bob.answer(bob.http.put(f"/v1/videos/{video}/reaction", json={"value": "like"}))
    seen = bob.get(f"/v1/videos/{video}")
    assert seen["counts"] == {"views": 0, "likes": 1, "dislikes": 0, "comments": 2}
    assert seen["viewer"]["reaction"] == "like"
    assert bob.get("/v1/me/notifications/unread-count")["count"] >= 2


def test_a_private_video_plays_for_its_people_only(
    ada: Person, bob: Person, server: Server, clips_folder: Path
) -> None:
    """Neither page, nor manifest, nor segment for anyone else; and what was public stops when it is hidden."""
    channel = ada.channel("ada_private")
    video = ada.show(channel, clips.no_audio(clips_folder), visibility="private")
    assert bob.http.get(f"/v1/videos/{video}").status_code == 404
    assert bob.http.post(f"/v1/videos/{video}/playback-sessions").status_code == 404
    session = ada.post(f"/v1/videos/{video}/playback-sessions")
    assert session["mode"] == "token"
    assert clips.decoded(session["manifest_url"])[0] > 1
    manifest = httpx.URL(session["manifest_url"])
    open_url = f"{server.url}/media/o/{manifest.path.split('/', 4)[4]}"
    assert httpx.get(open_url).status_code == 404
    forged = str(manifest).replace("/media/g/", "/media/g/A", 1)
    assert httpx.get(forged).json()["code"] == "link_invalid"

    public = ada.answer(ada.http.patch(f"/v1/videos/{video}", json={"visibility": "public"}))
    assert public["published_at"]
    watched = bob.post(f"/v1/videos/{video}/playback-sessions")["manifest_url"]
    assert httpx.get(watched).status_code == 200
    ada.answer(ada.http.patch(f"/v1/videos/{video}", json={"visibility": "private"}))
    assert httpx.get(watched).status_code == 404


def test_a_grant_runs_out_and_is_renewed(ada: Person, clips_folder: Path) -> None:
    """After an hour the link is over; another session gives another link."""
    channel = ada.channel("ada_unlisted")
    video = ada.show(channel, clips.no_audio(clips_folder), visibility="unlisted")
    first = ada.post(f"/v1/videos/{video}/playback-sessions")["manifest_url"]
    assert httpx.get(first).status_code == 200
    ada.post("/v1/dev/clock/advance", {"seconds": 3700})
    expired = httpx.get(first)
    assert (expired.status_code, expired.json()["code"]) == (403, "link_expired")
    anonymous = httpx.post(str(httpx.URL(first).join("/")) + f"v1/videos/{video}/playback-sessions").json()
    assert httpx.get(anonymous["manifest_url"]).status_code == 200
