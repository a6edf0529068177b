"""The outermost layer of every request, in one piece because every layer of its own costs: who asks, how often
they may, the answers kept in memory, repeated requests, headers that every answer has, one log line, the counters.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import Any
from urllib.parse import parse_qs

import structlog

from adapters.system import ticks
from application.ports import NewId, Now
from domain.access import Actor
from domain.errors import DomainError
from entrypoints.http.errors import ASKING, MEDIA_TYPE, Asking, Refusal, of_domain, of_unknown, refusal
from entrypoints.http.idempotency import App, Receive, Repeats, Scope, Send
from entrypoints.http.limits import KEPT_EACH, AnswerCache, Kept, RateLimit
from entrypoints.metrics import Metrics

READ, WRITE, SIGN_IN = 1, 10, 60
"""What a request takes from a client's tokens."""

_SAFE = frozenset({"GET", "HEAD"})
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked all the time by machines: neither limited nor logged."""
_MEDIA = "/media/"
_DOORS = frozenset({"/media/in", "/media/o", "/media/g"})
_ASSETS = "/assets/"
"""The web client's files: many at once, none of which costs anything."""
_PLAYED = re.compile(r"/v1/(?:videos|streams)/[^/]+(?:/(?:captions|chapters|playback-sessions|views))?")
"""What the player asks for."""
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_SLASHES = re.compile("//+")
_SIGN_IN = "/v1/auth/"
_SIGNED_IN = frozenset({"/v1/auth/refresh", "/v1/auth/sign-out"})
"""Under there too, but for those who are signed in: nothing is guessed with them, and no mail is sent."""
_STREAMS = frozenset({"/v1/me/notifications/stream", "/v1/processing/stream"})
_EVENTS = "/events/stream"
"""Read by browsers' EventSource, which sends no headers: here, the token may stand in the query, which is never logged."""
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_CSP = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_KEPT = ((b"cache-control", b"no-cache"), (b"vary", b"Authorization"))
"""Of an answer that does not say more about it: nobody shows it without asking, and others may get another."""
_FOR_ALL = (b"access-control-allow-origin", b"*")
_EXPOSE = (
    b"access-control-expose-headers",
    (
        b"ETag, Location, Retry-After, X-Request-ID, Idempotent-Replayed, RateLimit-Limit, RateLimit-Remaining, "
        b"RateLimit-Reset, Accept-Ranges, Content-Range"
    ),
)
_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Range, X-Request-ID",
    ),
    (b"access-control-max-age", b"600"),
)

Headers = Sequence[tuple[bytes, bytes]]
Identify = Callable[[str], Awaitable[Actor]]
"""Who an ``Authorization`` header is from. Raises Unauthenticated, Unavailable."""

_log = structlog.get_logger("hexcast.http")


class Edge:
    """An ASGI app around Litestar's. Anonymous GETs of routes with ``opt={"cacheable": True}`` are kept."""

    def __init__(
        self, app: App, *, identify: Identify, rate_limit: RateLimit, kept: AnswerCache, repeats: Repeats,
        metrics: Metrics, cors_origins: Sequence[str], embedded: bool, now: Now, new_id: NewId,
    ) -> None:  # fmt: skip
        self._app = app
        self._identify = identify
        self._rate_limit = rate_limit
        self._kept = kept
        self._repeats = repeats
        self._metrics = metrics
        self._origins = frozenset(origin.encode() for origin in cors_origins)
        self._embedded = embedded
        self._now = now
        # An id of its own for each request would cost a fifth of a kept answer: one for the process, and a count.
        self._request_ids = map(f"{new_id('req')}.{{:x}}".format, count(1))

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = ticks()
        if "//" in scope["path"]:
            # As the router reads it: no way of writing a path gets past what is decided by it here.
            scope["path"] = _SLASHES.sub("/", scope["path"])
        headers: dict[bytes, bytes] = dict(scope["headers"])
        asking = scope[ASKING] = Asking(self._request_id(headers), scope["path"])
        exchange = _Exchange(scope, send, headers, asking)
        self._metrics.under_way += 1
        try:
            await self._answer(exchange, scope, receive)
        except Exception as error:  # noqa: BLE001  (the last to see it: logged, counted, answered if it still can be)
            if exchange.status:
                _log.error("broke off", request_id=asking.id, path=asking.shown, exc_info=error)
            else:
                await exchange.refuse(of_unknown(asking, error))
        finally:
            self._metrics.under_way -= 1
            self._record(exchange, ticks() - begun)

    def _request_id(self, headers: Mapping[bytes, bytes]) -> str:
        """The client's, if it is a sane one."""
        given = headers.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given.decode("ascii")
        return next(self._request_ids)

    async def _answer(self, exchange: "_Exchange", scope: Scope, receive: Receive) -> None:
        headers, asking, method = exchange.asked, exchange.asking, exchange.method
        exchange.extra.append((b"x-request-id", asking.id.encode("ascii")))
        origin = headers.get(b"origin")
        self._share(exchange, origin)
        if method == "OPTIONS" and origin is not None and b"access-control-request-method" in headers:
            exchange.extra.extend(_PREFLIGHT)
            await exchange.whole(204, (), b"")
            return
        authorization = headers.get(b"authorization")
        if authorization is None and (asking.path in _STREAMS or asking.path.endswith(_EVENTS)):
            authorization = _token_of(scope["query_string"])
        if authorization is not None:
            await self._find_actor(asking, authorization)
        if self._rate_limit.most and not await self._allow(exchange, scope):
            return
        if authorization is None and method in _SAFE and not exchange.media:
            found = self._kept.get(asking.path, scope["query_string"])
            if found is not None:
                self._metrics.kept += 1
                exchange.route = found.route
                await exchange.give(found)
                return
            exchange.keep = self._keep(asking.path, scope["query_string"])
        elif (
            method == "POST"
            and (key := headers.get(b"idempotency-key")) is not None
            and self._repeats.covers(asking.path)
            and asking.refusal is None
        ):
            await self._once(exchange, key, scope, receive)
            return
        await exchange.run(self._app, receive)

    def _share(self, exchange: "_Exchange", origin: bytes | None) -> None:
        """Let scripts of other origins read the answer; media and the client's files may be read by all.

        So may what the player asks for, where others may show it: in a frame that locks it in, it is of no origin.
        """
        path = exchange.asking.path
        if path.startswith(_ASSETS):
            exchange.extra.append(_FOR_ALL)
        elif exchange.media or b"*" in self._origins or (self._embedded and _PLAYED.fullmatch(path)):
            exchange.extra += [_FOR_ALL, _EXPOSE]  # whoever asks: caches give the answer to others
        elif origin is None:
            if self._origins:
                exchange.extra.append((b"vary", b"Origin"))
        elif origin in self._origins:
            exchange.extra += [(b"access-control-allow-origin", origin), (b"vary", b"Origin"), _EXPOSE]

    async def _find_actor(self, asking: Asking, authorization: bytes) -> None:
        """A bad token is held against the request only where a handler asks for the actor."""
        try:
            asking.actor = await self._identify(authorization.decode("latin-1"))
        except DomainError as error:
            asking.refusal = error

    async def _allow(self, exchange: "_Exchange", scope: Scope) -> bool:
        cost = _cost(exchange.method, exchange.asking.path)
        if not cost:
            return True
        client = exchange.asking.actor.user or f"ip:{(scope.get('client') or ('',))[0]}"
        # Nobody is shut out by a limit below the price of one request.
        allowance = self._rate_limit.take(client, min(cost, self._rate_limit.most), self._now().timestamp())
        reset = b"%d" % allowance.reset_s
        exchange.extra.append((b"ratelimit-limit", b"%d" % allowance.most))
        exchange.extra.append((b"ratelimit-remaining", b"%d" % allowance.left))
        exchange.extra.append((b"ratelimit-reset", reset))
        if not allowance.granted:
            detail = f"too many requests; try again in {allowance.reset_s} s"
            retry = {"retry-after": reset.decode()}
            await exchange.refuse(refusal(exchange.asking, 429, "rate_limited", detail, headers=retry))
        return allowance.granted

    def _keep(self, path: str, query: bytes) -> Callable[[Kept], None]:
        count = self._kept.count()
        return lambda answer: self._kept.put(path, query, answer, count)

    async def _once(self, exchange: "_Exchange", key: bytes, scope: Scope, receive: Receive) -> None:
        try:
            await self._repeats.once(exchange.asking, key, self._app, scope, (receive, exchange.send))
        except DomainError as error:
            await exchange.refuse(of_domain(exchange.asking, error))

    def _record(self, exchange: "_Exchange", seconds: float) -> None:
        route = exchange.route or exchange.scope.get("path_template") or "unmatched"
        if exchange.media:
            door = "/".join(exchange.asking.path.split("/")[:3])
            route = door if door in _DOORS else "unmatched"
        # Labels are few, whatever is asked for: each one takes memory for good.
        method = exchange.method if exchange.method in _METHODS else "other"
        status = exchange.status or 499  # the client went away before there was an answer
        self._metrics.answered(route, method, status, seconds)
        if exchange.asking.path not in QUIET:
            _log.info(
                "request",
                method=exchange.method,
                path=exchange.asking.shown,
                status=status,
                ms=round(seconds * 1000, 2),
                request_id=exchange.asking.id,
                user=exchange.asking.actor.user,
            )


class _Exchange:
    """One request and its answer on the way out. ``status`` is 0 until the answer has begun."""

    def __init__(self, scope: Scope, send: Send, asked: Mapping[bytes, bytes], asking: Asking) -> None:
        self.scope = scope
        self.asked = asked
        self.asking = asking
        self.method: str = scope["method"]
        self.media = asking.path.startswith(_MEDIA)
        self.status = 0
        self.route: str | None = None
        self.extra: list[tuple[bytes, bytes]] = []
        self.keep: Callable[[Kept], None] | None = None
        self._send = send
        self._bodiless = self.method == "HEAD" and not self.media
        self._over = asyncio.Event() if self._bodiless else None
        self._held: Headers | None = None
        self._pieces: list[bytes] = []

    async def run(self, app: App, receive: Receive) -> None:
        """Hand the request on. HEAD is asked of the GET handler, whose body is dropped."""
        if self._over is None:
            await app(self.scope, receive, self.send)
            return
        over = self._over

        async def gone() -> Any:
            await over.wait()
            return {"type": "http.disconnect"}

        self.scope["method"] = "GET"
        await app(self.scope, gone, self.send)

    async def send(self, message: Any) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            await self._start(message["status"], list(message["headers"]))
        elif kind == "http.response.body" and self._held is not None:
            await self._hold(self._held, message.get("body", b""), more=message.get("more_body", False))
        elif not self._bodiless:
            await self._send(message)

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """An answer of our own. The length of a 204 or 304 is not said."""
        await self._begin(status, headers)
        if not self._bodiless:
            await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def refuse(self, found: Refusal) -> None:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in found.headers.items()]
        headers += [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(found.body))]
        await self.whole(found.status, headers, found.body)

    async def give(self, answer: Kept) -> None:
        """An answer that was made whole; not sent again to a client that has it."""
        wanted = self.asked.get(b"if-none-match")
        if answer.etag is not None and wanted is not None and matches(answer.etag, wanted):
            headers = [pair for pair in answer.headers if pair[0] not in (b"content-length", b"content-type")]
            await self.whole(304, headers, b"")
        else:
            await self.whole(200, answer.headers, answer.body)

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        handler = self.scope.get("route_handler")
        if (
            self.keep is not None
            and status == 200
            and (self.asking.cacheable or (handler is not None and handler.opt.get("cacheable")))
            and not any(name == b"cache-control" and b"no-store" in value for name, value in headers)
        ):
            self._held = headers
        else:
            await self._begin(status, headers)

    async def _begin(self, status: int, headers: Headers) -> None:
        self.status = status
        full = [*headers, *self.extra, *_SECURITY]
        if not any(name == b"content-security-policy" for name, _ in headers):
            full.append(_CSP)
        await self._send({"type": "http.response.start", "status": status, "headers": full})
        if self._over is not None:
            self._over.set()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _hold(self, headers: Headers, body: bytes, *, more: bool) -> None:
        """Gather an answer that will be kept; one that grows too large goes out as it comes."""
        self._pieces.append(body)
        if more and sum(map(len, self._pieces)) <= KEPT_EACH:
            return
        self._held, whole = None, b"".join(self._pieces)
        if more:
            await self._begin(200, headers)
            await self.send({"type": "http.response.body", "body": whole, "more_body": True})
            return
        own = next((value for name, value in headers if name == b"etag"), None)
        etag = None
        if own is None:
            etag = b'"%s"' % hashlib.blake2b(whole, digest_size=12).hexdigest().encode()
            said = any(name == b"cache-control" for name, _ in headers)
            headers = [*headers, (b"etag", etag), *(() if said else _KEPT)]
        answer = Kept(headers, whole, etag, self.scope.get("path_template") or "")
        if self.keep is not None:
            self.keep(answer)
        await self.give(answer)


def _cost(method: str, path: str) -> int:
    if method == "OPTIONS" or path in QUIET or path.startswith((_MEDIA, _ASSETS)):
        return 0
    if method in _SAFE:
        return READ
    return SIGN_IN if path.startswith(_SIGN_IN) and path.rstrip("/") not in _SIGNED_IN else WRITE


def _token_of(query: bytes) -> bytes | None:
    """What the query says in place of an ``Authorization`` header."""
    tokens = parse_qs(query.decode("latin-1")).get("access_token")
    return b"Bearer " + tokens[0].encode() if tokens else None


def matches(etag: bytes, wanted: bytes) -> bool:
    """Whether an ``If-None-Match`` header names the tag."""
    given = [each.strip().removeprefix(b"W/") for each in wanted.split(b",")]
    return b"*" in given or etag in given
