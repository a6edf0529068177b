"""The web client at its addresses: the files that ``make web`` built, which a process holds in memory.

A page is one file, whichever it is: it looks at its address by itself and asks the API. So what is decided here is which
addresses are pages. Requests for anything else go on to the API.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from application.ports import Origins
from entrypoints.http.edge import Headers, matches
from entrypoints.http.idempotency import App, Receive, Send

DIST = Path(__file__).parent / "web" / "dist"

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
NOBODY = "'none'"
_ASSETS = "/assets/"
"""What lies there is named after its content."""
_FOREVER = (b"cache-control", b"public, max-age=31536000, immutable")
_ASK = (b"cache-control", b"no-cache")
_CODED = (b"vary", b"accept-encoding")
_PLAIN = frozenset({"search", "subscriptions", "history", "notifications", "sign-in", "sign-up", "confirm", "forgot"})
_API = re.compile(r"/(?:v1|media|schema|healthz|readyz|metrics|\.well-known)(?:/|$)")
"""Where nobody finds a page, not even one that says so."""
_PERMISSIONS = (
    b"accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), "
    b"midi=(), payment=(), usb=(), autoplay=(self), fullscreen=(self), picture-in-picture=(self)"
)


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


def page_at(path: str) -> str | None:
    """Which of the client's pages is at an address, as a template; None where there is none."""
    match path.rstrip("/").split("/")[1:]:
        case []:
            return "/"
        case [name] if name in _PLAIN:
            return f"/{name}"
        case ["studio" | "account" as name, *_]:
            return f"/{name}"
        case ["watch" | "live" | "embed" as name, _]:
            return f"/{name}/{{id}}"
        case [handle] | [handle, "live" | "about"] if handle.startswith("@"):
            return "/@{handle}"
        case _:
            return None


def policy(public_url: str, origins: Origins, ancestors: Sequence[str] = ()) -> bytes:
    """What a page may load and ask for, and who may show it in theirs: nobody unless ``ancestors`` says so.

    Our own address is named beside ``'self'``, as links of ours begin with it, whatever the page's address is.
    """
    own = urlsplit(public_url)
    here = f"{own.scheme}://{own.netloc}"
    wire = f"{'wss' if own.scheme == 'https' else 'ws'}://{own.netloc}"
    shown = " ".join(dict.fromkeys(["'self'", here, *origins.media]))
    asked = " ".join(dict.fromkeys(["'self'", here, wire, *origins.media, *origins.calls]))
    return "; ".join(
        [
            "default-src 'none'", "script-src 'self'", "style-src 'self'", "font-src 'self'",
            f"img-src {shown} data: blob:", f"media-src {shown} blob:", f"connect-src {asked}",
            "worker-src 'self' blob:", "manifest-src 'self'", "object-src 'none'", "base-uri 'none'",
            "form-action 'self'", f"frame-ancestors {' '.join(ancestors) or NOBODY}",
        ]
    ).encode()  # fmt: skip


class Pages:
    """An ASGI app around the API's: what it answers itself are GETs of pages and of the client's files.

    It stands within the edge, which makes a GET of every HEAD.
    """

    def __init__(
        self, app: App, built: Mapping[str, Built], *, public_url: str, origins: Origins, ancestors: Sequence[str]
    ) -> None:
        self._app = app
        self._built = built
        self._page, self._player = built["/index.html"], built["/embed.html"]
        common = ((b"cross-origin-opener-policy", b"same-origin"), (b"permissions-policy", _PERMISSIONS))
        self._of_page = (*common, (b"content-security-policy", policy(public_url, origins)))
        self._of_player = (*common, (b"content-security-policy", policy(public_url, origins, ancestors)))

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or _API.match(path := scope["path"]):
            await self._app(scope, receive, send)
            return
        asked: Mapping[bytes, bytes] = dict(scope["headers"])
        if path in self._built and not path.endswith(".html"):
            scope["path_template"] = f"{_ASSETS}{{file}}" if path.startswith(_ASSETS) else path
            await _send(send, self._built[path], asked)
        elif (page := page_at(path)) is not None:
            scope["path_template"] = page
            player = page == "/embed/{id}"
            await _send(
                send, self._player if player else self._page, asked, self._of_player if player else self._of_page
            )
        elif b"text/html" in asked.get(b"accept", b""):
            await _send(send, self._page, asked, self._of_page, 404)
        else:
            await self._app(scope, receive, send)


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
