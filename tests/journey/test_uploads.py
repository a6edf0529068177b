"""Uploads that are cut off, repeated, or met by a server's end."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.journey import clips
from tests.journey.server import ROOT, Person, Server, sign_up


@pytest.fixture(scope="module")
def large(clips_folder: Path) -> Path:
    """More than one part: noise does not compress."""
    noise = ("-f", "lavfi", "-i", "nullsrc=s=640x360:r=30,geq=random(1)*255:128:128")
    path = clips_folder / "large.mp4"
    return clips.draw(path, *noise, "-t", "3", "-c:v", "libx264", "-qp", "4", "-preset", "ultrafast")


@pytest.fixture(scope="module")
def sender(server: Server) -> Person:
    return sign_up(server, "sender")


def test_an_upload_cut_off_goes_on_from_what_is_there(sender: Person, large: Path) -> None:
    """A part that breaks off leaves nothing; a client that knows only the upload's id can finish it."""
    channel = sender.channel("resumers")
    upload = sender.announce(channel, large)
    assert upload["method"] == "multipart"
    size, part = large.stat().st_size, upload["part_size_bytes"]
    parts = -(-size // part)
    assert parts > 1
    sender.send(upload, large, range(1, 2))

    def broken() -> Iterator[bytes]:
        with large.open("rb") as source:
            source.seek(part)
            yield source.read(1024 * 1024)
            raise ConnectionError("the network went away")

    url = {each["number"]: each["url"] for each in upload["parts"]}[2]
    length = min(part, size - part)
    with pytest.raises(ConnectionError):
        httpx.put(url, content=broken(), headers={"Content-Length": str(length)})

    again = sender.get(f"/v1/uploads/{upload['id']}")
    assert again["status"] == "uploading"
    assert [each["number"] for each in again["received"]] == [1]
    early = sender.http.post(f"/v1/uploads/{upload['id']}/complete", json={"parts": []})
    assert (early.status_code, early.json()["code"]) == (422, "parts_missing")
    with sender.told() as notices:
        sender.send(again, large, range(2, parts + 1))
        first = sender.complete(upload)
        assert sender.complete(upload)["status"] == first["status"] == "completed"
        assert sender.wait_processed(notices, {upload["video_id"]}) == {upload["video_id"]: "ready"}
    assert len(sender.get(f"/v1/channels/{channel}/videos")["data"]) == 1
    assert sender.get(f"/v1/videos/{upload['video_id']}")["processing"]["attempt"] == 1


def test_the_loop_of_the_api_page_sends_what_is_missing(server: Server, sender: Person, large: Path) -> None:
    """As it is printed, on an upload of which one part is here already."""
    page = (ROOT / "docs" / "api.md").read_text().partition("**Uploads.**")[2].partition("\n**")[0]
    (loop,) = re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    upload = sender.announce(sender.channel("loopers"), large)
    sender.send(upload, large, range(2, 3))
    settings = {
        "API": f"{server.url}/v1", "UPLOAD": upload["id"], "FILE": str(large),
        "TOKEN": sender.http.headers["Authorization"].removeprefix("Bearer "),
    }  # fmt: skip
    shell = ["/bin/bash", "-eo", "pipefail", "-c", loop]
    with sender.told() as notices:
        ran = subprocess.run(shell, check=False, env=os.environ | settings, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr + ran.stdout
        assert '"status":"completed"' in ran.stdout
        assert sender.wait_processed(notices, {upload["video_id"]}) == {upload["video_id"]: "ready"}


def test_a_replaced_source_plays_on_until_the_new_one_is_ready(sender: Person, clips_folder: Path) -> None:
    """Same video, same page, second attempt."""
    channel = sender.channel("replacers")
    video = sender.show(channel, clips.no_audio(clips_folder))
    before = sender.get(f"/v1/videos/{video}")
    with sender.told() as notices:
        assert sender.upload(channel, clips.one_frame(clips_folder), replaces=video) == video
        assert sender.get(f"/v1/videos/{video}")["renditions"]
        sender.wait_processed(notices, {video})
    after = sender.get(f"/v1/videos/{video}")
    assert after["processing"]["attempt"] == 2
    assert after["duration_s"] < before["duration_s"]
    assert after["published_at"] == before["published_at"]


def test_a_deleted_video_leaves_nothing(sender: Person, server: Server, clips_folder: Path) -> None:
    """Deleted while it is transcoded: the job stops, and no file of it stays."""
    channel = sender.channel("deleters")
    long = clips.landscape(clips_folder, "20")
    video = sender.upload(channel, long)
    sender.answer(sender.http.delete(f"/v1/videos/{video}"))
    assert sender.http.get(f"/v1/videos/{video}").status_code == 404
    # Another video goes through the same queue: by then the deletion was dealt with.
    sender.show(channel, clips.no_audio(clips_folder))
    left = [path for path in server.data.rglob("*") if video in str(path) and path.is_file()]
    assert left == []


def test_a_server_killed_during_a_transcode_goes_on(tmp_path: Path, clips_folder: Path) -> None:
    """After the next start everything is there, the token too, and the same attempt ends with a video that plays."""
    server = Server(tmp_path / "data")
    with server.running():
        person = sign_up(server, "unlucky")
        before = person.post(
            f"/v1/videos/{(video := _under_way(server, person, clips_folder))}/comments", {"text": "So?"}
        )
        for _ in range(2):
            server.kill()
            server.start()
        assert person.get("/v1/me")["handle"] == "unlucky"
        assert person.get(f"/v1/videos/{video}/comments")["data"] == [before]
        with person.told() as notices:
            if person.get(f"/v1/videos/{video}")["processing"]["state"] != "ready":
                assert person.wait_processed(notices, {video}) == {video: "ready"}
        found = person.get(f"/v1/videos/{video}")
        assert found["processing"] == {"state": "ready", "progress_percent": 100, "attempt": 1, "error": None}
        manifest = person.post(f"/v1/videos/{video}/playback-sessions")["manifest_url"]
        for rendition in found["renditions"]:
            length, frame = clips.decoded(f"{manifest.rpartition('/')[0]}/{rendition['name']}/index.m3u8")
            assert length == pytest.approx(20, abs=2 * frame)


def _under_way(server: Server, person: Person, clips_folder: Path) -> str:
    """A video whose transcode has begun: the transcoder has a folder for it."""
    video = person.upload(person.channel("unlucky_ch"), clips.landscape(clips_folder, "20"))
    while not any((server.data / "media" / "tmp").iterdir()):
        assert person.get(f"/v1/videos/{video}")["processing"]["state"] in {"pending", "probing", "transcoding"}
    return video


def test_it_stops_when_told(tmp_path: Path) -> None:
    """SIGTERM ends it cleanly, and no child stays."""
    server = Server(tmp_path / "data").start()
    assert server.stop() == 0
