"""A full disk: whoever writes is told so with 507, everybody reads on, and once there is room all goes on by itself."""

import asyncio
import errno
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from attrs import frozen
from dependency_injector.providers import Object

from adapters.local import container as machine
from adapters.local.audit import Audit
from adapters.local.container import opened
from adapters.local.database import Database
from adapters.system import Clock
from domain.access import Actor
from entrypoints.container import Core
from entrypoints.http.app import Running, create_app
from entrypoints.metrics import Metrics
from entrypoints.settings import Settings
from entrypoints.worker import Worker
from tests.adapters.disks import Disk
from tests.identities import CHEAP
from tests.journey.clips import landscape
from tests.journey.server import ROOT, Person, Server, sign_up

ORIGIN = "http://hexcast.test"
MIB = 1024 * 1024
TRIES = 5
LINES_MOST = 8
"""What the background may say of a full disk within a minute, whatever it tries."""


@frozen
class Place:
    """A platform in this process, over a disk that can be full."""

    core: Core
    client: httpx.AsyncClient
    worker: Worker
    metrics: Metrics
    disk: Disk

    async def post(self, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        return await self.client.post(path, json=body, headers=headers)


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    disk = Disk()
    write = os.pwritev

    def written(handle: int, pieces: Sequence[bytes], at: int) -> int:
        if not disk.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, pieces, at)

    monkeypatch.setattr(machine, "Database", partial(Database, vfs=disk.name))
    monkeypatch.setattr(os, "pwritev", written)
    settings = Settings(profile="local", data=tmp_path / "data", public_url=ORIGIN, rate_limit=0)
    async with opened(public_url=ORIGIN, secret=None, data=settings.data, transcode_jobs=1, shared=False) as adapters:
        adapters.passwords.override(Object(CHEAP))
        core = Core(settings=settings, adapters=adapters)
        metrics = Metrics()
        worker = Worker(core, metrics, sweep_s=0.01, idle_s=0.01, pause_s=0.001)
        app: Any = create_app(core, Running(metrics=metrics, alive=worker.alive, nudge=worker.nudge))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
            yield Place(core, client, worker, metrics, disk)
    disk.unregister()


async def _signed_up(place: Place, handle: str) -> Actor:
    address = f"{handle}@example.org"
    user = await place.core.sign_up()(address, "correct horse battery", handle, handle.title())
    mail = (await place.core.adapters.mailbox().sent_to(address))[0]
    await place.core.confirm_account()(address, mail.code or "")
    tokens = await place.core.sign_in()(address, "correct horse battery")
    place.client.headers["authorization"] = f"Bearer {tokens.access}"
    return Actor(user.id, user.roles)


def _refused(answer: httpx.Response) -> None:
    assert answer.status_code == 507
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["code"] == "insufficient_storage"


async def test_whoever_writes_is_told_and_all_goes_on_once_there_is_room(place: Place, tmp_path: Path) -> None:
    """With what was acknowledged there and readable, a key that was tried free for another try, and a bounded log."""
    await _signed_up(place, "ann")
    cats = (await place.post("/v1/channels", {"handle": "cats", "name": "Cats"})).json()["id"]
    announced = {
        "channel_id": cats, "filename": "cat.mp4", "content_type": "video/mp4", "size_bytes": 5, "title": "A cat",
    }  # fmt: skip
    upload = (await place.post("/v1/uploads", announced)).json()
    working = asyncio.create_task(place.worker.run())
    with structlog.testing.capture_logs() as said:
        place.disk.room = 0
        for number in range(TRIES):
            _refused(await place.post("/v1/channels", {"handle": f"dogs{number}", "name": "Dogs"}))
        _refused(await place.post("/v1/channels", {"handle": "birds", "name": "Birds"}, **{"idempotency-key": "k"}))
        _refused(await place.client.put(upload["parts"][0]["url"], content=b"12345"))
        assert (await place.client.get(f"/v1/channels/{cats}")).json()["handle"] == "cats"
        assert (await place.client.get("/readyz")).status_code == 200
        while place.metrics.failures["deliver"] < TRIES:  # noqa: ASYNC110  (the channel's event waits; nobody tells when)
            await asyncio.sleep(0)
        assert place.worker.alive()
    failures = [line for line in said if line["event"] == "background work failed"]
    assert 0 < len(failures) < LINES_MOST
    assert all(line["code"] == "insufficient_storage" and "exc_info" not in line for line in failures)
    place.disk.room = sys.maxsize
    while not (await place.client.get("/v1/search", params={"q": "cats"})).json()["data"]:  # noqa: ASYNC110  (the same)
        await asyncio.sleep(0)
    assert (await place.client.put(upload["parts"][0]["url"], content=b"12345")).status_code == 200
    born = await place.post("/v1/channels", {"handle": "birds", "name": "Birds"}, **{"idempotency-key": "k"})
    assert born.status_code == 201
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    audit = Audit(place.core.adapters.database(), tmp_path / "data" / "media", Clock().now)
    assert [found for found in await audit.find() if not found.mends] == []


@pytest.mark.parametrize("room", range(0, 18 * 4096, 4096))
async def test_a_disk_that_is_full_amid_a_request_lets_its_key_go(place: Place, room: int) -> None:
    """The request was begun, or half done, or done and not answered yet: to send it again does it once."""
    await _signed_up(place, "ann")
    place.core.adapters.database()._write.wal_checkpoint(mode=3)
    place.disk.room = room
    first = await place.post("/v1/channels", {"handle": "cats", "name": "Cats"}, **{"idempotency-key": "k"})
    assert first.status_code in {201, 507}
    place.disk.room = sys.maxsize
    again = await place.post("/v1/channels", {"handle": "cats", "name": "Cats"}, **{"idempotency-key": "k"})
    assert again.status_code == 201, again.text
    mine = (await place.client.get("/v1/me/channels")).json()["data"]
    assert [each["id"] for each in mine] == [again.json()["id"]]


# --- a real server on a real disk


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Whether this machine lets one be mounted; the tests above do without."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)  # noqa: S607  (as anyone would)


def _fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    handle = os.open(ballast, os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(handle, bytes(4096))
    except OSError as error:
        assert error.errno == errno.ENOSPC  # noqa: PT017  (it is how the loop ends)
        return ballast
    finally:
        os.close(handle)


def test_a_real_server_outlives_a_full_disk(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with small_disk(data) as mounted:
        if not mounted:
            return
        server = Server(data)
        with server.running():
            ann = sign_up(server, "ann")
            cats = ann.channel("cats")
            film = landscape(tmp_path)
            with ann.told() as notices:
                video = ann.upload(cats, film)
                ballast = _fill(data)
                kept, refused = _written_until_refused(ann)
                assert refused >= TRIES
                ballast.unlink()
                assert ann.wait_processed(notices, {video}) == {video: "ready"}
            for channel in kept:
                assert ann.get(f"/v1/channels/{channel}")["id"] == channel
            assert ann.channel("later")
            assert server.stop() == 0
        lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
        loud = Counter(line["event"] for line in lines if line["level"] in {"warning", "error"})
        assert loud["failed"] == 0
        assert loud["background work failed"] < LINES_MOST
        command = [sys.executable, "-m", "entrypoints.cli", "--data", str(data), "check"]
        checked = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout


def _written_until_refused(person: Person) -> tuple[list[str], int]:
    kept, refused = [], 0
    for number in range(1000):
        answer = person.http.post("/v1/channels", json={"handle": f"channel{number}", "name": "x" * 40})
        if answer.status_code == 201:
            kept.append(answer.json()["id"])
            continue
        _refused(answer)
        refused += 1
        if refused == TRIES:
            break
    return kept, refused
