"""HTTP as the layers of the emulated cloud hand it on to each other: each is an ASGI application around the next."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote

from attrs import evolve, field, frozen

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

NOBODY = "000000000000"
NOW_HEADER = "x-hexcast-now"
_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")


@frozen
class Caller:
    """Who signed a request, and for what. A key of twelve digits is an account of its own, any other the first."""

    account: str = NOBODY
    region: str = "us-east-1"
    service: str = ""
    signer: str = "test"
    """The key itself. That of a role is good for something with AUTH alone."""

    @classmethod
    def of(cls, key: str, region: str = "us-east-1", service: str = "") -> "Caller":
        return cls(key if re.fullmatch(r"\d{12}", key) else NOBODY, region, service, key)

    @property
    def key(self) -> str:
        return "test" if self.account == NOBODY else self.account


@frozen
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(factory=dict)
    cookies: Sequence[str] = ()
    """The one header that may come several times."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def told(status: int, content: Any, **headers: str) -> Answer:
    """An answer in JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(content).encode(), {"content-type": "application/json", **named})


@frozen
class Request:
    """A request read to its end. Names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]] = field(factory=dict)
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = b""
    scope: Scope = field(factory=dict, repr=False)

    @property
    def caller(self) -> Caller:
        return caller_of(self.headers)

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")

    @property
    def cookies(self) -> Mapping[str, str]:
        pairs = (each.strip().partition("=") for each in self.headers.get("cookie", "").split(";"))
        return {name: value for name, _, value in pairs if name}

    def one(self, name: str, default: str = "") -> str:
        """The first value of a name in the query."""
        return next(iter(self.query.get(name, [])), default)

    def parts(self, prefix: str) -> Sequence[str]:
        """What stands between the slashes below a prefix."""
        return [unquote(part) for part in self.path.removeprefix(prefix).strip("/").split("/")]


def headers_of(scope: Scope) -> Mapping[str, str]:
    return {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}


def caller_of(headers: Mapping[str, str]) -> Caller:
    signed = _CREDENTIAL.search(headers.get("authorization", ""))
    return Caller.of(*signed.groups()) if signed else Caller()


def present(request: Request) -> datetime:
    """The time as whoever asks has it: tests whose clock stands still say what it shows."""
    said = request.headers.get(NOW_HEADER)
    return datetime.fromisoformat(said) if said else datetime.now(UTC)


async def read(scope: Scope, receive: Receive) -> Request:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    query = parse_qs(scope["query_string"].decode(), keep_blank_values=True)
    return Request(scope["method"], scope["path"], query, headers_of(scope), body, scope)


async def reply(send: Send, answer: Answer) -> None:
    headers = [*answer.headers.items(), *(("set-cookie", each) for each in answer.cookies)]
    if "content-length" not in answer.headers:
        headers.append(("content-length", str(len(answer.body))))
    lines = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": lines})
    await send({"type": "http.response.body", "body": answer.body})


async def passed_on(app: App, request: Request) -> Answer:
    """What the next layer answers to a request that was read already."""
    sent: list[Message] = []
    waiting: list[Message] = [{"type": "http.request", "body": request.body, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(request.scope, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    pairs = [(name.decode().lower(), value.decode("latin-1")) for name, value in start["headers"]]
    headers = {name: value for name, value in pairs if name != "set-cookie"}
    if request.method != "HEAD":  # whose answer says how long another would be
        headers.pop("content-length", None)
    return Answer(start["status"], body, headers, [value for name, value in pairs if name == "set-cookie"])


def made_up(request: Request, **changed: Any) -> Request:
    """Another request that comes from where this one came."""
    other = evolve(request, **changed)
    lines = [(name.encode(), value.encode("latin-1")) for name, value in other.headers.items()]
    scope = {**request.scope, "method": other.method, "path": other.path, "raw_path": other.path.encode()}
    return evolve(other, scope={**scope, "headers": lines})
