"""The template, deployed on the emulated cloud: the API, the functions behind it and CloudFront, as people use them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from tests.cloud.deployment import aws, deploy
from tests.cloud.site import Site, say, until
from tests.cloud.world import stack
from tests.media import films


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    deployed = deploy(stack(), "hexcast-test", GatewayChecksUploads="yes")
    with httpx.Client(base_url=deployed.url, timeout=60) as http:
        yield Site(stack(), deployed, http)


def test_an_upload_becomes_a_film_that_cloudfront_shows_to_whom_it_may(site: Site, tmp_path: Path) -> None:
    """From the sign-up on, by way of every function that has a part in it; nobody else sees the film."""
    site.sign_up("ada")
    assert site.call("GET", "/v1/me")["handle"] == "ada"
    upload = site.upload(site.channel("engines"), films.landscape(tmp_path).read_bytes())

    assert site.stack.finished_with(upload["id"]) == "COMPLETE"
    assert site.processed(upload) == "ready"
    assert httpx.get(show(site, upload["video_id"], tmp_path)).status_code == 403


def test_a_broadcast_is_live_then_over_then_a_film(site: Site, tmp_path: Path) -> None:
    """By IVS, whose events come twice, backwards, and some of them never; by the schedule, which asks it; and by S3, which
    has the recording.
    """
    site.sign_up("grace")
    stream = site.stream(site.channel("compilers"))
    site.stack.tell(twice=True, lost=("Stream Start",))
    site.begin(stream, viewers=3)
    assert site.do("sweep_broadcasts") == {"sweep_broadcasts": 0}
    session = site.is_live(stream)
    assert [each["id"] for each in site.call("GET", "/v1/streams")["data"]] == [stream]
    watch(site.call("POST", f"/v1/streams/{stream}/playback-sessions")["manifest_url"], tmp_path)

    site.stack.tell(twice=True, held=True, lost=("Recording End",))
    site.end(stream)
    site.stack.release(backwards=True)
    assert site.is_live(stream, live=False) == "None"
    over = site.kept(session)
    assert (over["ended_reason"], over["peak_viewers"], over["connections"]) == ("ended", 3, 1)
    video = over["recording"]["video_id"]
    assert site.stack.finished_with("media/hls/master.m3u8") == "COMPLETE"
    assert site.processed(over["recording"]) == "ready"
    film = site.call("GET", f"/v1/videos/{video}")
    assert (film["title"], film["visibility"]) == ("Bugs", "public")
    assert (film["stream_id"], film["stream_session_id"]) == (stream, session)
    assert film["duration_s"] == pytest.approx(4, abs=0.5)
    told = [each["type"] for each in site.call("GET", f"/v1/stream-sessions/{session}/events?limit=100")["data"]]
    assert sorted(told) == [
        "health", "recording_end", "recording_start", "session_created", "session_ended", "stream_end"
    ]  # fmt: skip
    show(site, video, tmp_path)


def test_a_chat_is_kept_in_order_and_replayed_beside_the_recording(site: Site) -> None:
    """IVS Chat asks the function before it shows a message, and our rules hold in it."""
    site.sign_up("joan")
    channel = site.channel("ciphers")
    site.call("PATCH", f"/v1/channels/{channel}", json={"comment_policy": {"words": ["enigma"]}})
    stream = site.stream(channel)
    site.begin(stream)
    session = site.is_live(stream)
    path = f"/v1/streams/{stream}"
    with httpx.Client(base_url=site.deployed.url, timeout=60) as http:
        bob, guest = Site(site.stack, site.deployed, http), httpx.post(f"{site.deployed.url}{path}/chat-tokens").json()
        who = bob.sign_up("hugh")

        def token() -> Any:
            return bob.call("POST", f"{path}/chat-tokens")

        assert say(guest, "Hi")["ErrorCode"] == 403
        first = say(token(), "  What   a day ")
        assert (first["Content"], first["Sender"]["UserId"]) == ("What a day", who)
        assert first["Sender"]["Attributes"]["displayName"] == "Hugh"
        refused = say(token(), "It is ENIGMA")
        assert (refused["ErrorCode"], refused["ErrorMessage"]) == (
            406, "this has a word or a link that is not allowed here",
        )  # fmt: skip
        second = say(token(), "And a night")
        site.call("DELETE", f"{path}/chat-messages/{second['Id']}")
        kept = token()
        site.call("PUT", f"{path}/chat-bans/{who}")
        assert say(kept, "Me again")["ErrorCode"] == 406
        assert say(token(), "Me again")["ErrorCode"] == 403
        said = until(lambda: http.get(f"/v1/stream-sessions/{session}/chat-messages").json()["data"])
        assert [(each["text"], each["author_name"]) for each in said] == [("What a day", "Hugh")]
    site.end(stream)
    site.is_live(stream, live=False)
    (room,) = aws(site.stack, "ivschat").list_rooms(name=f"{site.deployed.name}-{stream}")["rooms"]
    assert room["messageReviewHandler"]["fallbackResult"] == "DENY"
    site.call("DELETE", path)
    until(lambda: not aws(site.stack, "ivschat").list_rooms(name=room["name"])["rooms"])


def watch(manifest: str, folder: Path) -> None:
    """What is live, as far as it goes."""
    playlist = next(line for line in httpx.get(manifest).text.splitlines() if line.startswith("http"))
    names = [line for line in httpx.get(playlist).text.splitlines() if line.endswith(".ts")]
    (folder / "live.ts").write_bytes(b"".join(httpx.get(urljoin(playlist, name)).content for name in names))
    films.ffmpeg("-i", str(folder / "live.ts"), "-f", "null", "-")


def show(site: Site, video: str, folder: Path) -> str:
    """All of a film, to whom it may be shown; where its manifest is."""
    session = site.http.post(f"/v1/videos/{video}/playback-sessions")
    manifest: str = session.json()["manifest_url"]
    # Cookies are for TLS alone, so over HTTP they have to be sent by hand.
    cookies = {"cookie": "; ".join(f"{each.name}={each.value}" for each in session.cookies.jar)}
    with httpx.Client(headers=cookies, timeout=60) as viewer:
        names = [line for line in viewer.get(manifest).text.splitlines() if line.endswith(".m3u8")]
        assert names
        for name in names:
            playlist = viewer.get(urljoin(manifest, name))
            segments = [line for line in playlist.text.splitlines() if line and not line.startswith("#")]
            (folder / name).write_bytes(b"".join(viewer.get(urljoin(manifest, each)).content for each in segments))
            films.ffmpeg("-i", str(folder / name), "-f", "null", "-")
    return manifest
