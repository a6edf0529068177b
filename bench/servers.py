"""The servers under load, each in a process of its own: the real one, and bare ones that do only what has to be done.

All run the same way: Granian embedded in each process, on uvloop, with the garbage collector as ``serve`` sets it.
"""

import asyncio
import contextlib
import gc
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from attrs import frozen

from bench.world import Size, as_json, seed

ROOT = Path(__file__).resolve().parents[1]
Json = Any


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@frozen
class Server:
    """One that answers. ``seeded`` is what ``bench.world`` put there."""

    pid: int
    port: int
    seeded: Mapping[str, Json]

    def at(self, path: str) -> tuple[str, int]:
        """What ``bench.load`` takes."""
        return f"http://127.0.0.1:{self.port}{path}", self.pid

    def ask(self, method: str, path: str, token: str | None = None, body: object = None) -> Json:
        """A parsed answer, which must be a success."""
        with self.client() as client:
            return client.ask(method, path, token, body)

    @contextlib.contextmanager
    def client(self) -> Iterator["Client"]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            yield Client(connection)
        finally:
            connection.close()


@frozen
class Client:
    """One connection that is kept."""

    connection: http.client.HTTPConnection

    def ask(self, method: str, path: str, token: str | None = None, body: object = None) -> Json:
        content = self.raw(method, path, token, None if body is None else json.dumps(body).encode())
        return json.loads(content) if content else None

    def raw(self, method: str, path: str, token: str | None = None, body: bytes | None = None) -> bytes:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["content-type"] = "application/json"
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if not 200 <= answer.status < 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content!r}")
        return content


@contextlib.contextmanager
def real(
    folder: Path, size: Size | None = None, *, profile: str = "local", workers: int = 1, **settings: str
) -> Iterator[Server]:
    """The product, its log written to a file. It is there once all its processes serve, and it is seeded.

    A folder that was seeded before is served as it is, at its old port: the tokens are of that issuer.
    """
    told = folder / "seeded.json"
    port = int(json.loads(told.read_text())["issuer"].rpartition(":")[2]) if told.exists() else free_port()
    folder.mkdir(parents=True, exist_ok=True)
    env = {
        "HEXCAST_PROFILE": profile, "HEXCAST_WORKERS": str(workers), "HEXCAST_PORT": str(port),
        "HEXCAST_RTMP_PORT": "0",
        "HEXCAST_DATA": str(folder / "data"), "HEXCAST_RATE_LIMIT": "0", "HEXCAST_LOG_FORMAT": "json", **settings,
    }  # fmt: skip
    with _child(["real", str(told), as_json(size or Size(videos=1, comments=0))], folder, env) as process:
        _wait(process, folder, lambda: b'"serving"' in (folder / "log").read_bytes(), "did not start")
        _wait(process, folder, told.exists, "was not seeded")
        _answers(process, folder, port, "/readyz")
        yield Server(process.pid, port, json.loads(told.read_text()))


@contextlib.contextmanager
def bare(folder: Path, kind: str, told: object) -> Iterator[Server]:
    """A bare server; ``told`` is what it needs to know."""
    port, spec = free_port(), folder / "told.json"
    folder.mkdir(parents=True, exist_ok=True)
    spec.write_text(json.dumps(told))
    with _child(["bare", kind, str(port), str(spec)], folder, {}) as process:
        _answers(process, folder, port, "/")
        yield Server(process.pid, port, {})


@contextlib.contextmanager
def _child(arguments: list[str], folder: Path, env: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.servers", *arguments], cwd=ROOT, env={**os.environ, **env}, stdout=log
        )
        try:
            yield process
        finally:
            end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(process: "subprocess.Popen[bytes]", folder: Path, port: int, path: str) -> None:
    def answered() -> bool:
        with contextlib.suppress(OSError), contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as asked:
            asked.request("GET", path)
            return asked.getresponse().status in {200, 404}
        return False

    _wait(process, folder, answered, f"does not answer on port {port}")


def _wait(process: "subprocess.Popen[bytes]", folder: Path, done: Callable[[], bool], what: str) -> None:
    for _ in range(6000):
        if done():
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    message = f"the server {what}; its log ends:\n" + (folder / "log").read_text()[-2000:]
    raise SystemExit(message)


# --- what runs in the children -------------------------------------------------------------------


def _answering(told: Mapping[str, Json]) -> Any:
    """A Litestar app that answers each path with the objects the product's answer was made of, encoded each time.

    Paths with a body verify the token with the product's verifier and decode the body first.
    """
    import msgspec  # noqa: PLC0415  (a bare server for uploads does without all this)
    from litestar import Litestar, Request, get, post, put  # noqa: PLC0415  (the same)
    from litestar.params import FromPath, JSONBody  # noqa: PLC0415  (the same)

    from adapters.system import Clock  # noqa: PLC0415  (the same)
    from domain.access import Actor  # noqa: PLC0415  (the same)
    from entrypoints.http.auth import TokenVerifier, bearer  # noqa: PLC0415  (the same)
    from entrypoints.http.engagement import ChosenReaction, NewComment  # noqa: PLC0415  (the same)
    from entrypoints.http.requests import Listing  # noqa: PLC0415  (the same)
    from entrypoints.http.views import ChannelView, VideoView  # noqa: PLC0415  (the same)
    from entrypoints.http.views_social import CommentView  # noqa: PLC0415  (the same)

    @frozen
    class Keys:
        async def jwks(self) -> Mapping[str, object]:
            keys: Mapping[str, object] = told["jwks"]
            return keys

    types: Mapping[str, Any] = {
        "video": VideoView, "videos": Listing[VideoView], "channel": ChannelView, "comments": Listing[CommentView],
    }  # fmt: skip
    verifier = TokenVerifier(keys=Keys(), issuer=told["issuer"], client_ids=[told["client"]], now=Clock().now)
    posted = msgspec.json.decode(told["posted"], type=CommentView)

    def showing(path: str, kind: str, text: str) -> Any:
        whole = msgspec.json.decode(text, type=types[kind])

        async def show() -> Any:
            return whole

        return get(path)(show)

    async def who(request: Request[Any, Any, Any]) -> Actor:
        return await verifier.actor(bearer(request.headers.get("authorization")) or "")

    @post("/v1/videos/{video_id:str}/comments")
    async def comment(
        video_id: FromPath[str], data: JSONBody[NewComment], request: Request[Any, Any, Any]
    ) -> CommentView:
        assert video_id
        assert data.text
        assert (await who(request)).user
        return posted

    @put("/v1/videos/{video_id:str}/reaction", status_code=204)
    async def react(video_id: FromPath[str], data: JSONBody[ChosenReaction], request: Request[Any, Any, Any]) -> None:
        assert video_id
        assert data.value
        assert (await who(request)).user

    shown = [showing(path, kind, text) for path, (kind, text) in told["answers"].items()]
    return Litestar([*shown, comment, react], openapi_config=None, logging_config=None)


def _taking(told: Mapping[str, Json]) -> Any:
    """An ASGI app that writes each part of a stream to its place in one file, and answers when it is on the disk."""
    part = int(told["part_bytes"])
    file = os.open(told["path"], os.O_RDWR | os.O_CREAT, 0o644)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "PUT":
            at = part * (int(scope["path"].rpartition("/")[2]) - 1)
            more = True
            while more:
                message = await receive()
                at += os.pwrite(file, message["body"], at)
                more = message["more_body"]
            await asyncio.to_thread(os.fdatasync, file)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return app


def _broadcasting(_: Mapping[str, Json]) -> Any:
    """An ASGI app at whose WebSocket what one client sends, all get."""
    everyone: dict[object, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await receive()
        await send({"type": "websocket.accept"})
        me = everyone[object()] = send
        while (message := await receive())["type"] == "websocket.receive":
            event = {"type": "websocket.send", "text": message["text"]}
            await asyncio.gather(*(each(event) for each in everyone.values()))
        everyone.pop(next(key for key, each in everyone.items() if each is me))

    return app


async def _serve(app: Any, port: int, *, websockets: bool) -> None:
    from granian.constants import Interfaces  # noqa: PLC0415  (the children's alone)
    from granian.server.embed import Server as Granian  # noqa: PLC0415  (the same)

    from entrypoints.http.serve import BACKLOG, SWITCH_S  # noqa: PLC0415  (the same)

    interface = Interfaces.ASGINL if hasattr(app, "asgi_handler") else Interfaces.ASGI
    server = Granian(
        app,
        address="127.0.0.1",
        port=port,
        interface=interface,
        backlog=BACKLOG,
        websockets=websockets,
        log_enabled=False,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)
    sys.setswitchinterval(SWITCH_S)
    await server.serve()


def main(arguments: list[str]) -> int:
    if arguments[0] == "real":
        from entrypoints.http.serve import main as serve  # noqa: PLC0415  (the children's alone)

        told = Path(arguments[1])
        return serve(beside=None if told.exists() else partial(seed, Size(**json.loads(arguments[2])), told))
    import uvloop  # noqa: PLC0415  (the children's alone)

    spec = json.loads(Path(arguments[3]).read_text())
    made = {"answering": _answering, "taking": _taking, "broadcasting": _broadcasting}[arguments[1]]
    uvloop.run(_serve(made(spec), int(arguments[2]), websockets=made is _broadcasting))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
