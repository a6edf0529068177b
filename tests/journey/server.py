"""A real server in a process of its own, and people who use it over HTTP as anyone would."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import httpx
from attrs import define, field, frozen

from adapters.system import ticks

ROOT = Path(__file__).resolve().parents[2]
Json = dict[str, Any]
PASSWORD = "correct horse battery"
PATIENCE_S = 300.0
"""How long one listens to what is told."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@define
class Server:
    """``python -m entrypoints.http.serve`` on a folder; ``kill`` leaves whatever was there at that moment.

    ``module`` names another one that serves, which says so on a line with ``word`` and its address.
    """

    data: Path
    env: dict[str, str] = field(factory=dict)
    port: int = field(factory=free_port)
    module: str = field(default="entrypoints.http.serve", kw_only=True)
    word: str = field(default="", kw_only=True)
    clients: list[httpx.Client] = field(factory=list)
    _process: "subprocess.Popen[str] | None" = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "Server":
        """Returns once it says that it serves."""
        settings = {
            "HEXCAST_PORT": str(self.port), "HEXCAST_RTMP_PORT": "0", "HEXCAST_DATA": str(self.data), "HEXCAST_RATE_LIMIT": "0",
            "HEXCAST_ADMINS": "root@example.org", "HEXCAST_MODERATORS": "mod@example.org",
            "HEXCAST_LOG_FORMAT": "json", "HEXCAST_TRANSCODE_JOBS": "2",
        }  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-m", self.module], cwd=ROOT, env=os.environ | settings | self.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._process = process
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if self.url in line and self.word in line:
                # Someone must go on reading, or the server stands still when the pipe is full.
                threading.Thread(target=self._listen, args=(process.stdout,), daemon=True).start()
                return self
        process.stdout.close()
        process.wait()
        self._process = None
        message = "the server did not start:\n" + "".join(said[-50:])
        raise AssertionError(message)

    def _listen(self, output: IO[str]) -> None:
        with output, self.log.open("a") as log:
            log.writelines(output)

    @property
    def log(self) -> Path:
        return self.data.parent / "server.log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """As a power cut would end it; its children too."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """As a person would end it; the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        code = self._process.wait(timeout=30)
        self._process = None
        return code

    @contextlib.contextmanager
    def running(self) -> Iterator["Server"]:
        self.start()
        try:
            yield self
        finally:
            for client in self.clients:
                client.close()
            if self._process is not None:
                self.stop()


@frozen
class Person:
    """Someone signed in, with a client that says so."""

    id: str
    email: str
    http: httpx.Client

    def get(self, path: str, **query: str) -> Json:
        return self.answer(self.http.get(path, params=query))

    def post(self, path: str, body: Json | None = None) -> Json:
        return self.answer(self.http.post(path, json=body or {}))

    def answer(self, response: httpx.Response) -> Json:
        """The body of an answer that must be a success."""
        assert response.is_success, f"{response.request.method} {response.url}: {response.status_code} {response.text}"
        got: Json = response.json() if response.content else {}
        return got

    def channel(self, handle: str) -> str:
        channel: str = self.post("/v1/channels", {"handle": handle, "name": handle.title()})["id"]
        return channel

    def announce(self, channel: str, path: Path, **more: Any) -> Json:
        body = {
            "channel_id": channel, "filename": path.name, "content_type": "video/mp4",
            "size_bytes": path.stat().st_size, "title": path.stem, "visibility": "public",
        }  # fmt: skip
        return self.post("/v1/uploads", body | more)

    def send(self, upload: Json, path: Path, numbers: range | None = None) -> None:
        """PUT the parts ``numbers`` (all, if left out)."""
        size, part = path.stat().st_size, upload["part_size_bytes"]
        wanted = list(numbers or range(1, -(-size // part) + 1))
        urls = {each["number"]: each["url"] for each in upload["parts"]}
        missing = [number for number in wanted if number not in urls]
        if missing:
            signed = self.post(f"/v1/uploads/{upload['id']}/parts", {"numbers": missing})
            urls |= {each["number"]: each["url"] for each in signed["parts"]}
        with path.open("rb") as source:
            for number in wanted:
                source.seek((number - 1) * part)
                sent = httpx.put(urls[number], content=source.read(part), timeout=60)
                assert sent.status_code == 200, sent.text

    def complete(self, upload: Json) -> Json:
        return self.answer(self.http.post(f"/v1/uploads/{upload['id']}/complete", json={"parts": []}))

    def upload(self, channel: str, path: Path, **more: Any) -> str:
        """All of it; the video's id."""
        upload = self.announce(channel, path, **more)
        self.send(upload, path)
        self.complete(upload)
        video: str = upload["video_id"]
        return video

    def show(self, channel: str, path: Path, **more: Any) -> str:
        """The same, and wait until all of it can be watched."""
        with self.told() as notices:
            video = self.upload(channel, path, **more)
            assert self.wait_processed(notices, {video}) == {video: "ready"}
        return video

    @contextlib.contextmanager
    def told(self) -> Iterator[Iterator[Json]]:
        """The notifications that come while the context is open."""
        with self.http.stream("GET", "/v1/me/notifications/stream", timeout=120) as response:
            assert response.status_code == 200
            yield _told(response.iter_lines())

    def wait_processed(self, notices: Iterator[Json], videos: set[str]) -> dict[str, str]:
        """What became of the videos, once each is ready or failed."""
        fate: dict[str, str] = {}
        for notice in notices:
            if notice["type"] in {"video_ready", "video_failed"}:
                fate[notice["subject"]["id"]] = notice["type"].removeprefix("video_")
            if videos <= set(fate):
                break
        return fate


def _told(lines: Iterator[str]) -> Iterator[Json]:
    """A comment comes now and then, so that reading alone would not end where nothing is told."""
    until = ticks() + PATIENCE_S
    for line in lines:
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))
        assert ticks() < until, f"nothing of what was waited for was told in {PATIENCE_S:g} s"


def sign_up(server: Server, handle: str, email: str | None = None) -> Person:
    """By the way that everyone takes: sign up, read the code in the mailbox, confirm, sign in."""
    address = email or f"{handle}@example.org"
    http = httpx.Client(base_url=server.url, timeout=30)
    server.clients.append(http)
    body = {"email": address, "password": PASSWORD, "handle": handle, "display_name": handle.title()}
    user = http.post("/v1/auth/sign-up", json=body).raise_for_status().json()["user_id"]
    mail = http.get("/v1/dev/mailbox", params={"to": address}).raise_for_status().json()["data"][0]
    http.post("/v1/auth/confirm", json={"email": address, "code": mail["code"]}).raise_for_status()
    tokens = http.post("/v1/auth/sign-in", json={"email": address, "password": PASSWORD}).raise_for_status().json()
    http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    return Person(user, address, http)
