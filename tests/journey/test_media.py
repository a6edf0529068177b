"""Real files of every kind through a real server: what plays, plays whole; what does not says why."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.journey import clips
from tests.journey.server import Json, Person, Server, sign_up

GOOD: dict[str, Callable[[Path], Path]] = {
    "landscape": clips.landscape,
    "portrait": clips.portrait,
    "silent": clips.no_audio,
    "odd": clips.odd,
    "uneven": clips.variable_rate,
    "still": clips.one_frame,
}
BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "audio only": (clips.audio_only, "no_video"),
    "one byte": (clips.zero_bytes_in, "unreadable"),
    "renamed text": (clips.text, "unreadable"),
    "truncated": (clips.truncated, "unreadable"),
}


@pytest.fixture(scope="module")
def maker(server: Server) -> Person:
    return sign_up(server, "maker")


@pytest.fixture(scope="module")
def processed(maker: Person, clips_folder: Path) -> dict[str, tuple[Path, Json]]:
    """Every file, uploaded at once, with its video once processing is over."""
    channel = maker.channel("makers")
    files = {name: draw(clips_folder) for name, draw in GOOD.items()}
    files |= {name: draw(clips_folder) for name, (draw, _) in BAD.items()}
    with maker.told() as notices:
        videos = {name: maker.upload(channel, path) for name, path in files.items()}
        maker.wait_processed(notices, set(videos.values()))
    return {name: (files[name], maker.get(f"/v1/videos/{video}")) for name, video in videos.items()}


@pytest.mark.parametrize("name", GOOD)
def test_every_rendition_plays_to_the_end(name: str, processed: dict[str, tuple[Path, Json]], server: Server) -> None:
    """From the manifest to the last segment, as long as the source within one frame, and in its shape."""
    path, video = processed[name]
    assert video["processing"] == {"state": "ready", "progress_percent": 100, "attempt": 1, "error": None}
    session = httpx.post(f"{server.url}/v1/videos/{video['id']}/playback-sessions").raise_for_status().json()
    assert session["mode"] == "public"
    master = httpx.get(session["manifest_url"]).raise_for_status().text
    variants = re.findall(r"^(?!#)\S+$", master, re.MULTILINE)
    assert len(variants) == len(video["renditions"])
    expected, frame = clips.measure(path)
    for variant in variants:
        length, _ = clips.decoded(str(httpx.URL(session["manifest_url"]).join(variant)))
        assert length == pytest.approx(expected, abs=frame + 0.001), variant
    assert video["duration_s"] == pytest.approx(expected, abs=frame + 0.05)
    for rendition in video["renditions"]:
        assert rendition["width"] % 2 == rendition["height"] % 2 == 0
        assert rendition["width"] / rendition["height"] == pytest.approx(video["width"] / video["height"], rel=0.02)
        assert min(rendition["width"], rendition["height"]) <= min(video["width"], video["height"]) + 1


def test_portrait_stands_up(processed: dict[str, tuple[Path, Json]]) -> None:
    """The display matrix is honoured: the picture is higher than wide."""
    _, video = processed["portrait"]
    assert (video["width"], video["height"]) == (360, 640)


@pytest.mark.parametrize("name", ["landscape", "silent"])
def test_pictures_are_there(name: str, processed: dict[str, tuple[Path, Json]]) -> None:
    """Poster and storyboard can be fetched, and the storyboard's tiles too."""
    _, video = processed[name]
    poster = httpx.get(video["poster_url"])
    assert poster.status_code == 200
    assert poster.content.startswith(b"\xff\xd8")
    board = httpx.get(video["storyboard_url"])
    assert board.text.startswith("WEBVTT")
    tile = re.search(r"^(\S+)#xywh=", board.text, re.MULTILINE)
    assert tile is not None
    assert httpx.get(str(httpx.URL(video["storyboard_url"]).join(tile[1]))).content.startswith(b"\xff\xd8")


def test_audio_comes_along(processed: dict[str, tuple[Path, Json]]) -> None:
    """Where the source has sound, the manifest offers it; where it has none, no rendition pretends."""
    for name, has_audio in (("landscape", True), ("silent", False)):
        _, video = processed[name]
        codecs = ",".join(rendition["codecs"] for rendition in video["renditions"])
        assert ("mp4a" in codecs) is has_audio


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_play_says_why(name: str, processed: dict[str, tuple[Path, Json]], server: Server) -> None:
    """The owner reads a stable code and a sentence; nobody else ever sees the video."""
    _, video = processed[name]
    assert video["processing"]["state"] == "failed"
    assert video["processing"]["error"]["code"] == BAD[name][1]
    assert video["processing"]["error"]["detail"]
    assert httpx.get(f"{server.url}/v1/videos/{video['id']}").status_code == 404


def test_an_empty_file_is_refused_at_once(maker: Person, tmp_path: Path) -> None:
    """Before a byte is sent, and nothing is left of it."""
    path = tmp_path / "empty.mp4"
    path.touch()
    channel = maker.channel("emptiness")
    body = {
        "channel_id": channel, "filename": "empty.mp4", "content_type": "video/mp4", "size_bytes": 0, "title": "Empty"
    }  # fmt: skip
    refused = maker.http.post("/v1/uploads", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "empty_file")
    assert maker.get(f"/v1/channels/{channel}/videos")["data"] == []
