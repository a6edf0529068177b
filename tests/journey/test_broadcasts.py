"""A whole broadcast on a real server of two processes: from the key to the video, and what a kill leaves of it."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from adapters.system import ticks
from tests.durability.starts import refused
from tests.journey.server import Json, Person, Server, sign_up
from tests.media.films import FFMPEG
from tests.media.live import clip

PATIENCE_S = 60.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "data", {"HEXCAST_WORKERS": "2"}).running() as running:
        yield running


def until(what: str, ask: Callable[[], Json | None]) -> Json:
    """The first answer that is one."""
    end = ticks() + PATIENCE_S
    while ticks() < end:
        if (found := ask()) is not None:
            return found
    message = f"waited in vain for {what}"
    raise AssertionError(message)


def pushed(person: Person, stream: str, film: Path) -> "subprocess.Popen[bytes]":
    """ffmpeg, with what the owner is told to use."""
    ingest = person.get(f"/v1/streams/{stream}/ingest")
    address = f"{ingest['server_url']}/{ingest['stream_key']}"
    command = [FFMPEG, "-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i", str(film), "-c", "copy"]
    return subprocess.Popen([*command, "-f", "flv", address], stderr=subprocess.DEVNULL)


def live(person: Person, stream: str) -> Json:
    """The stream, once it is."""
    return until(
        "the stream to be live",
        lambda: found if (found := person.get(f"/v1/streams/{stream}"))["status"] == "live" else None,
    )


def played(person: Person, stream: str, segments: int) -> list[httpx.Response]:
    """The first segments, as a player comes by them."""
    playback = person.post(f"/v1/streams/{stream}/playback-sessions")
    manifest = playback["manifest_url"]

    def named() -> Json | None:
        answer = httpx.get(manifest)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
        names = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
        return {"names": names} if len(names) >= segments else None

    names = until("segments", named)["names"]
    return [httpx.get(urljoin(manifest, name)) for name in names[:segments]]


def recorded(person: Person, stream: str) -> Json:
    """The latest session, once its recording is a video."""

    def ready() -> Json | None:
        session: Json = person.get(f"/v1/streams/{stream}/sessions")["data"][0]
        return session if session["recording"]["status"] == "ready" else None

    return until("the video", ready)


def test_a_broadcast_from_the_key_to_the_video(server: Server, tmp_path: Path) -> None:
    ann, ben = sign_up(server, "ann"), sign_up(server, "ben")
    cats = ann.channel("cats")
    body = {"channel_id": cats, "title": "Cats, live", "visibility": "unlisted"}
    stream = ann.post("/v1/streams", body)["id"]
    encoder = pushed(ann, stream, clip(tmp_path, "film"))
    try:
        live(ann, stream)
        segments = played(ben, stream, 3)
        assert {answer.status_code for answer in segments} == {200}
        assert {answer.headers["content-type"] for answer in segments} == {"video/mp2t"}
        assert all(answer.content[:1] == b"G" for answer in segments)
        ann.post(f"/v1/streams/{stream}/stop")
        assert encoder.wait(PATIENCE_S) != 0
    finally:
        encoder.kill()
        encoder.wait()
    session = recorded(ann, stream)
    assert session["ended_reason"] == "stopped"
    kinds = [each["type"] for each in ann.get(f"/v1/stream-sessions/{session['id']}/events", limit="100")["data"]]
    assert kinds[:3] == ["session_created", "stream_start", "recording_start"]
    assert "stopped" in kinds
    video = ann.get(f"/v1/videos/{session['recording']['video_id']}")
    assert (video["title"], video["visibility"]) == ("Cats, live", "unlisted")
    manifest = ben.post(f"/v1/videos/{video['id']}/playback-sessions")["manifest_url"]
    assert httpx.get(manifest).text.startswith("#EXTM3U")
    (held,) = (server.data / "media" / "recordings").iterdir()
    assert (held / "source").stat().st_size > 0
    ann.answer(ann.http.delete(f"/v1/videos/{video['id']}"))
    until("the recording to go", lambda: None if held.exists() else {})


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, said = refused(tmp_path / "data", env={"HEXCAST_RTMP_PORT": str(port)})
    why = "Address already in use; HEXCAST_RTMP_PORT names another port"
    assert (status, said) == (1, f"hexcast: cannot listen on 127.0.0.1:{port}: {why}")


def test_what_a_kill_leaves_becomes_a_video(server: Server, tmp_path: Path) -> None:
    """The encoder is told by its connection; the server says at its next start what ended."""
    ann = sign_up(server, "ann")
    body = {"channel_id": ann.channel("cats"), "title": "Cats, live", "reconnect_window_s": 0}
    stream = ann.post("/v1/streams", body)["id"]
    encoder = pushed(ann, stream, clip(tmp_path, "film"))
    try:
        live(ann, stream)
        played(ann, stream, 3)
        server.kill()
        assert encoder.wait(PATIENCE_S) != 0
    finally:
        encoder.kill()
        encoder.wait()
    server.start()
    session = recorded(ann, stream)
    assert session["ended_reason"] == "ended"
    playback = ann.post(f"/v1/videos/{session['recording']['video_id']}/playback-sessions")
    assert httpx.get(playback["manifest_url"]).text.startswith("#EXTM3U")
