"""A backup of a server under load, and what another server makes of it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journey.clips import decoded, landscape, text
from tests.journey.server import PASSWORD, ROOT, Json, Person, Server, sign_up

WRITERS = 4
BEFORE, AFTER = 20, 5
"""Comments of each writer that come before the backup at least, and after it has begun."""


def hexcast(data: Path, *arguments: object) -> Json:
    """What a command found."""
    command = [sys.executable, "-m", "entrypoints.cli", "--data", str(data), *map(str, arguments), "--json"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("HEXCAST_")}
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found: Json = json.loads(ended.stdout)
    return found


@contextmanager
def under_load(work: Sequence[Callable[[threading.Event], None]]) -> Iterator[None]:
    """All of it goes on, each in a thread, until the context ends."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def run(each: Callable[[threading.Event], None]) -> None:
        try:
            each(stop)
        except BaseException as error:  # noqa: BLE001  (it is raised below)
            failed.append(error)
            stop.set()

    threads = [threading.Thread(target=run, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []


class Talker:
    """Posts comments; knows which of them were acknowledged."""

    def __init__(self, person: Person, video: str) -> None:
        self._person = person
        self._video = video
        self._said = threading.Condition()
        self.acknowledged: list[str] = []

    def __call__(self, stop: threading.Event) -> None:
        while not stop.is_set():
            posted = self._person.post(f"/v1/videos/{self._video}/comments", {"text": "Aww"})["id"]
            with self._said:
                self.acknowledged.append(posted)
                self._said.notify_all()

    def wait_for(self, more: int) -> list[str]:
        """All that was acknowledged, once so many more were."""
        with self._said:
            wanted = len(self.acknowledged) + more
            assert self._said.wait_for(lambda: len(self.acknowledged) >= wanted, timeout=60)
            return list(self.acknowledged)


def all_of(person: Person, path: str) -> list[Json]:
    found: list[Json] = []
    cursor: dict[str, str] = {}
    while True:
        page = person.get(path, limit="100", **cursor)
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Callable[[Path], Server]]:
    """A server of another folder, at another port."""
    servers: list[Server] = []

    def start(data: Path) -> Server:
        server = Server(data)
        servers.append(server.start())
        return server

    yield start
    for server in servers:
        for client in server.clients:
            client.close()
        server.stop()
    del tmp_path


def at(server: Server, person: Person, token: str) -> Person:
    """The same person at another server, with a token of its making."""
    http = httpx.Client(base_url=server.url, timeout=30, headers={"Authorization": f"Bearer {token}"})
    server.clients.append(http)
    return Person(person.id, person.email, http)


def test_a_backup_of_a_busy_server_is_served_elsewhere(
    tmp_path: Path, clips_folder: Path, second: Callable[[Path], Server]
) -> None:
    """Every write acknowledged before it began is there, a video plays, whoever was signed in is, and an upload under
    way goes on from its first part.
    """
    film, letter = landscape(clips_folder), text(clips_folder)
    with Server(tmp_path / "data").running() as server:
        ann = sign_up(server, "ann")
        signed_in = ann.post("/v1/auth/sign-in", {"email": ann.email, "password": PASSWORD})
        cats = ann.channel("cats")
        played = ann.show(cats, film)
        half = ann.announce(cats, film)
        ann.send(half, film, range(1, 2))
        talkers = [Talker(sign_up(server, f"fan{number}"), played) for number in range(WRITERS)]

        def uploading(stop: threading.Event) -> None:
            while not stop.is_set():
                ann.upload(cats, letter)

        with under_load([*talkers, uploading]):
            before = [each for talker in talkers for each in talker.wait_for(BEFORE)]
            made = hexcast(server.data, "backup", tmp_path / "backup.tar")
            for talker in talkers:
                talker.wait_for(AFTER)
        assert made["missing"] == []
        everything = {each["id"] for each in all_of(ann, f"/v1/videos/{played}/comments")}
    assert hexcast(server.data, "check")["clean"]
    restored = tmp_path / "elsewhere" / "data"
    hexcast(restored, "restore", tmp_path / "backup.tar")
    assert hexcast(restored, "check")["clean"]

    other = second(restored)
    anonymous = httpx.Client(base_url=other.url, timeout=30)
    other.clients.append(anonymous)
    refreshed = anonymous.post("/v1/auth/refresh", json={"refresh_token": signed_in["refresh_token"]})
    again = at(other, ann, refreshed.raise_for_status().json()["access_token"])
    there = {each["id"] for each in all_of(again, f"/v1/videos/{played}/comments")}
    assert set(before) <= there <= everything
    assert len(everything - there) >= AFTER, "some came too late"
    manifest = again.post(f"/v1/videos/{played}/playback-sessions", {})["manifest_url"]
    assert decoded(manifest)[0] == pytest.approx(3.0, abs=0.2)
    upload = again.get(f"/v1/uploads/{half['id']}")
    assert upload["received"] == []
    with again.told() as notices:
        again.send(upload | {"parts": []}, film)
        again.complete(upload)
        # Those that were uploading beside it may still be dealt with, too.
        assert again.wait_processed(notices, {upload["video_id"]})[upload["video_id"]] == "ready"


def test_an_export_is_imported_elsewhere(tmp_path: Path, clips_folder: Path, second: Callable[[Path], Server]) -> None:
    """With the media beside it; people sign in again."""
    with Server(tmp_path / "data").running() as server:
        ann = sign_up(server, "ann")
        cats = ann.channel("cats")
        played = ann.show(cats, landscape(clips_folder))
        said = ann.post(f"/v1/videos/{played}/comments", {"text": "Aww"})["id"]
        exported: Any = hexcast(server.data, "export", tmp_path / "all.jsonl")
    imported = tmp_path / "elsewhere" / "data"
    assert hexcast(imported, "import", tmp_path / "all.jsonl")["records"] == exported["records"]
    subprocess.run(["cp", "-a", str(server.data / "media"), str(imported)], check=True)  # noqa: S607  (as anyone would)
    assert hexcast(imported, "check")["clean"]
    other = second(imported)
    anonymous = httpx.Client(base_url=other.url, timeout=30)
    other.clients.append(anonymous)
    tokens = anonymous.post("/v1/auth/sign-in", json={"email": ann.email, "password": PASSWORD})
    again = at(other, ann, tokens.raise_for_status().json()["access_token"])
    assert [each["id"] for each in all_of(again, f"/v1/videos/{played}/comments")] == [said]
    assert decoded(again.post(f"/v1/videos/{played}/playback-sessions", {})["manifest_url"])[0] == pytest.approx(
        3.0, abs=0.2
    )
