"""The web client at its addresses: the files that ``make web`` built, which a process holds in memory.

A page is one file, whichever it is: it looks at its address by itself and asks the API. So what is decided here is which
addresses are pages. Requests for anything else go on to the API.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from application.ports import Origins
from domain.errors import DomainError
from entrypoints.http.edge import Headers, matches
from entrypoints.http.errors import asking_of, status_of
from entrypoints.http.idempotency import App, Receive, Send

DIST = Path(__file__).parent / "web" / "dist"

Preview = Callable[[str], Awaitable[str]]
"""The head of the page of what has that id or handle, as anyone may see it. Raises NotFound."""

# Not Python's own list, which is another one on every machine.
_TYPES: Mapping[str, bytes] = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".ico": b"image/x-icon",
    ".js": b"text/javascript; charset=utf-8",
    ".json": b"application/json",
    ".png": b"image/png",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain; charset=utf-8",
    ".wasm": b"application/wasm",
    ".webmanifest": b"application/manifest+json",
    ".webp": b"image/webp",
    ".woff2": b"font/woff2",
}
_CODINGS = ((b"br", ".br"), (b"gzip", ".gz"))
"""The best first, and how the file is called that holds the same in it."""
WATCH, LIVE, EMBED, CHANNEL = "/watch/{id}", "/live/{id}", "/embed/{id}", "/@{handle}"
NOBODY = "'none'"
_ASSETS = "/assets/"
"""What lies there is named after its content."""
_FOREVER = (b"cache-control", b"public, max-age=31536000, immutable")
_ASK = (b"cache-control", b"no-cache")
_CODED = (b"vary", b"accept-encoding")
_PLAIN = frozenset(
    {"", "search", "subscriptions", "history", "notifications", "account", "sign-in", "sign-up", "forgot"}
)
_STUDIO = frozenset({"upload", "videos", "live", "comments", "analytics", "channels"})
_TABS = frozenset({"details", "captions", "chapters", "file", "analytics"})
"""Of a video in the studio."""
_API = re.compile(r"/(?:v1|media|schema|healthz|readyz|metrics|\.well-known)(?:/|$)")
"""Where nobody finds a page, not even one that says so."""
_TITLE = re.compile(rb"<title>[^<]*</title>")
_PERMISSIONS = (
    b"accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), "
    b"midi=(), payment=(), usb=(), autoplay=(self), fullscreen=(self), picture-in-picture=(self)"
)
_COMMON = ((b"cross-origin-opener-policy", b"same-origin"), (b"permissions-policy", _PERMISSIONS))


@frozen
class Form:
    """A file as it is sent: as it is, or packed."""

    headers: Headers
    body: bytes
    etag: bytes


@frozen
class Built:
    """A file of the client, in each coding that it is there in; as it is under no name."""

    forms: Mapping[bytes, Form]

    def best(self, accepted: bytes) -> Form:
        wanted = _wanted(accepted)
        return next(
            (self.forms[name] for name, _ in _CODINGS if name in self.forms and name in wanted), self.forms[b""]
        )


def _wanted(accepted: bytes) -> frozenset[bytes]:
    """The codings that an ``Accept-Encoding`` header names, but for those that it rules out."""
    named = (each.strip().lower().partition(b";") for each in accepted.split(b","))
    return frozenset(name.strip() for name, _, rest in named if not re.fullmatch(rb"\s*q=0(\.0*)?\s*", rest))


def read(dist: Path = DIST) -> Mapping[str, Built]:
    """The client's files by their addresses; none where it was not built. Raises KeyError for a type of file that is
    not known here.
    """
    files = {f"/{path.relative_to(dist).as_posix()}": path for path in sorted(dist.rglob("*")) if path.is_file()}
    suffixes = tuple(suffix for _, suffix in _CODINGS)
    return {
        address: _built(address, path, files)
        for address, path in files.items()
        if not (address.endswith(suffixes) and address[:-3] in files)
    }


def _built(address: str, path: Path, files: Mapping[str, Path]) -> Built:
    common = [(b"content-type", _TYPES[path.suffix]), _FOREVER if address.startswith(_ASSETS) else _ASK]
    packed = {name: files[address + suffix] for name, suffix in _CODINGS if address + suffix in files}
    if packed:
        common.append(_CODED)
    forms = {b"": _form(common, path.read_bytes())}
    for name, file in packed.items():
        forms[name] = _form([*common, (b"content-encoding", name)], file.read_bytes())
    return Built(forms)


def _form(headers: Headers, body: bytes) -> Form:
    etag = b'"%s"' % hashlib.blake2b(body, digest_size=12).hexdigest().encode()
    return Form([*headers, (b"etag", etag), (b"content-length", b"%d" % len(body))], body, etag)


@frozen
class Page:
    """One of the client's pages: its address as a template, and the id or handle of what it shows, if it is one thing."""

    template: str
    of: str = ""


def page_at(path: str) -> Page | None:
    match path.strip("/").split("/"):
        case [name] if name in _PLAIN:
            return Page(f"/{name}")
        case ["studio", *rest] if _in_studio(rest):
            return Page("/studio")
        case ["watch" | "live" | "embed" as name, of]:
            return Page(f"/{name}/{{id}}", of)
        case [handle] | [handle, "live" | "about"] if handle.startswith("@"):
            return Page(CHANNEL, handle)
        case _:
            return None


def _in_studio(path: Sequence[str]) -> bool:
    match path:
        case [] | ["videos" | "live" | "channels", _]:
            return True
        case [name]:
            return name in _STUDIO
        case ["videos", _, tab]:
            return tab in _TABS
        case _:
            return False


def policy(public_url: str, origins: Origins, ancestors: Sequence[str] = ()) -> bytes:
    """What a page may load and ask for, and who may show it in theirs: nobody unless ``ancestors`` says so.

    Our own address is named beside ``'self'``, as links of ours begin with it, whatever the page's address is. The
    ``data:`` of media is an empty file, which hls.js gives to the tracks it makes.
    """
    own = urlsplit(public_url)
    here = f"{own.scheme}://{own.netloc}"
    wire = f"{'wss' if own.scheme == 'https' else 'ws'}://{own.netloc}"
    shown = " ".join(dict.fromkeys(["'self'", here, *origins.media]))
    asked = " ".join(dict.fromkeys(["'self'", here, wire, *origins.media, *origins.calls]))
    return "; ".join(
        [
            "default-src 'none'", "script-src 'self'", "style-src 'self'", "font-src 'self'",
            f"img-src {shown} data: blob:", f"media-src {shown} data: blob:", f"connect-src {asked}",
            "worker-src 'self' blob:", "manifest-src 'self'", "object-src 'none'", "base-uri 'none'",
            "form-action 'self'", f"frame-ancestors {' '.join(ancestors) or NOBODY}",
        ]
    ).encode()  # fmt: skip


@frozen
class Shell:
    """A file that is every page of a kind, and what goes with it. ``before`` and ``after`` its title are apart, since
    pages have titles of their own.
    """

    file: Built
    headers: Headers
    before: bytes
    after: bytes

    @classmethod
    def of(cls, file: Built, policy: bytes) -> "Shell":
        """Raises ValueError for a file without a title."""
        before, after = _TITLE.split(file.forms[b""].body)
        return cls(file, (*_COMMON, (b"content-security-policy", policy)), before, after)

    async def send(self, send: Send, asked: Mapping[bytes, bytes], status: int = 200) -> None:
        await _send(send, self.file, asked, self.headers, status)

    async def send_with(self, send: Send, head: str) -> None:
        """With a head of its own. Its tag is the edge's."""
        body = b"".join([self.before, head.encode(), self.after])
        headers = [
            (b"content-type", _TYPES[".html"]), _ASK, *self.headers, (b"content-length", b"%d" % len(body))
        ]  # fmt: skip
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


class Pages:
    """An ASGI app around the API's: what it answers itself are GETs of pages and of the client's files.

    It stands within the edge, which makes a GET of every HEAD. ``previews`` are the heads of pages by their templates;
    what the API would not show to anyone, they do not either, and the page comes as it is, with the API's status.
    """

    def __init__(
        self, app: App, built: Mapping[str, Built], previews: Mapping[str, Preview], *, public_url: str,
        origins: Origins, ancestors: Sequence[str],
    ) -> None:  # fmt: skip
        self._app = app
        self._built = built
        self._previews = previews
        self._page = Shell.of(built["/index.html"], policy(public_url, origins))
        self._player = Shell.of(built["/embed.html"], policy(public_url, origins, ancestors))

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or _API.match(path := scope["path"]):
            await self._app(scope, receive, send)
            return
        asked: Mapping[bytes, bytes] = dict(scope["headers"])
        if path in self._built and not path.endswith(".html"):
            scope["path_template"] = f"{_ASSETS}{{file}}" if path.startswith(_ASSETS) else path
            await _send(send, self._built[path], asked)
        elif (page := page_at(path)) is not None:
            await self._show(scope, send, page, asked)
        elif b"text/html" in asked.get(b"accept", b""):
            await self._page.send(send, asked, 404)
        else:
            await self._app(scope, receive, send)

    async def _show(self, scope: Any, send: Send, page: Page, asked: Mapping[bytes, bytes]) -> None:
        scope["path_template"] = page.template
        shell, preview = self._player if page.template == EMBED else self._page, self._previews.get(page.template)
        if preview is None:
            await shell.send(send, asked)
            return
        try:
            head = await preview(page.of)
        except DomainError as error:
            await shell.send(send, asked, status_of(error))
            return
        asking_of(scope).cacheable = True
        await shell.send_with(send, head)


async def _send(
    send: Send, file: Built, asked: Mapping[bytes, bytes], headers: Headers = (), status: int = 200
) -> None:
    form = file.best(asked.get(b"accept-encoding", b""))
    full, body = [*form.headers, *headers], form.body
    if status == 200 and matches(form.etag, asked.get(b"if-none-match", b"")):
        full = [pair for pair in full if pair[0] not in (b"content-length", b"content-type", b"content-encoding")]
        status, body = 304, b""
    await send({"type": "http.response.start", "status": status, "headers": full})
    await send({"type": "http.response.body", "body": body, "more_body": False})
