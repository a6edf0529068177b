"""Requests that may come twice and must be done once: the ``Idempotency-Key`` header."""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from application.ports import Answer, Idempotency, Now
from domain.errors import Invalid, TooLarge
from entrypoints.http.errors import Asking

BODY_BYTES = 1024 * 1024

_KEY = re.compile(rb"[\x21-\x7e]{1,255}")
_VOLATILE = frozenset({b"date", b"set-cookie"})

# ASGI's own types, as loose as ASGI is: a message is a mapping whose keys depend on its type.
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]


class Repeats:
    """Keeps what was answered to a POST with a key, and answers the same again.

    Covered are the routes with ``opt={"idempotent": True}``. Answers of 500 and above are not kept: unless it had its
    effect, the same request may work later.
    """

    def __init__(self, store: Idempotency, now: Now) -> None:
        self._store = store
        self._now = now
        self._paths: re.Pattern[str] = re.compile(r"(?!)")

    def cover(self, app: Litestar) -> None:
        """Learn which routes are covered, once they are all there."""
        templates = [
            route.path_format
            for route in app.routes
            if isinstance(route, HTTPRoute) and any(_covered(handler) for handler in route.route_handlers)
        ]
        self._paths = re.compile("|".join(_pattern(each) for each in templates) or r"(?!)")

    def covers(self, path: str) -> bool:
        return self._paths.fullmatch(path.rstrip("/")) is not None

    async def once(
        self, asking: Asking, key: bytes, app: App, scope: Scope, channel: tuple[Receive, Send]
    ) -> None:  # fmt: skip
        """Answer as before, or let ``app`` answer and keep it. Raises what ``Idempotency.begin`` does, Invalid
        (``invalid_idempotency_key``) and TooLarge.
        """
        receive, send = channel
        if not _KEY.fullmatch(key):
            raise Invalid("an Idempotency-Key has 1 to 255 printable ASCII characters", code="invalid_idempotency_key")
        body = await _whole(receive)
        if body is None:
            return
        client = asking.actor.user or f"ip:{(scope.get('client') or ('',))[0]}"
        path = asking.path.rstrip("/")
        ours = hashlib.sha256(b"\0".join((client.encode(), path.encode(), key))).hexdigest()
        query = scope["query_string"]
        fingerprint = hashlib.sha256(b"\0".join((b"POST", path.encode(), query, body))).hexdigest()
        before = await self._store.begin(ours, fingerprint, self._now())
        if before is not None:
            await _replay(before, send)
            return
        recorder = _Recorder(send)
        broken_off = False
        try:
            await app(scope, _again(body, receive), recorder.send)
        except asyncio.CancelledError:
            broken_off = True
            raise
        finally:
            answer = recorder.answer()
            # Nobody was told what became of a request that was broken off: it stands as if this process had died.
            if answer is not None or not broken_off:
                # Shielded: a client that goes away now must find the answer when it asks again.
                await asyncio.shield(self._settle(ours, answer))

    async def _settle(self, key: str, answer: Answer | None) -> None:
        if answer is None or answer.status >= 500:
            await self._store.abandon(key)
        else:
            await self._store.finish(key, answer, self._now())


class _Recorder:
    """Notes an answer as it passes."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status = 0
        self._headers: Iterable[tuple[bytes, bytes]] = ()
        self._pieces: list[bytes] = []
        self._ended = False

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            self._pieces.append(message.get("body", b""))
            self._ended = not message.get("more_body", False)
        await self._send(message)

    def answer(self) -> Answer | None:
        """None of what did not come to its end."""
        if not self._ended:
            return None
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in self._headers if name not in _VOLATILE
        }
        return Answer(self._status, headers, b"".join(self._pieces))


def _covered(handler: HTTPRouteHandler) -> bool:
    return bool(handler.opt.get("idempotent"))


def _pattern(template: str) -> str:
    return "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{[^}]+\})", template))


async def _whole(receive: Receive) -> bytes | None:
    """The body; None when the client went away."""
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        piece = message["body"]
        size += len(piece)
        if size > BODY_BYTES:
            raise TooLarge(f"more than {BODY_BYTES} bytes")
        pieces.append(piece)
        if not message["more_body"]:
            return b"".join(pieces)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever else comes."""
    first = True

    async def received() -> Any:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return received


async def _replay(answer: Answer, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    headers.append((b"idempotent-replayed", b"true"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
