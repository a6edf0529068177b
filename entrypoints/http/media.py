"""The doors for bytes, where no S3 and no CloudFront stands before them: parts come in, media goes out."""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from attrs import frozen
from litestar import Request, Response, asgi, put
from litestar.exceptions import ClientException
from litestar.handlers import ASGIRouteHandler, HTTPRouteHandler
from litestar.params import FromPath

from application.ports import File
from application.uploads import ReceivePart
from application.watching import OpenFile
from domain.errors import Invalid, NotFound
from domain.streams import is_live_playlist
from domain.watching import Viewer
from entrypoints.http.errors import asking_of

OPEN_CACHE = b"public, max-age=60"
"""For open media: a key's content never changes, but its video may stop being public."""
GRANTED_CACHE = b"private, max-age=60"

PREVIEW = "preview"
_NAME_LONGEST = 64

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_OPEN, _GRANTED = "/media/o", "/media/g"


def _length(header: str | None) -> int | None:
    """What the client announces. Raises Invalid (``bad_request``)."""
    if header is None:
        return None
    if not (header.isascii() and header.isdigit() and len(header) < 19):
        raise Invalid("Content-Length must be a number", code="bad_request")
    return int(header)


async def _body(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    """What is sent. Raises when the client goes away in the middle: what came must not pass for all of it."""
    while True:
        message = await request.receive()
        if message["type"] != "http.request":
            raise ClientException("the client went away")
        if body := message["body"]:
            yield body
        if not message["more_body"]:
            return


def doors(receive_part: ReceivePart, open_file: OpenFile) -> list[ASGIRouteHandler | HTTPRouteHandler]:
    """The handlers for bytes."""

    @put("/media/in/{token:str}", status_code=200, request_max_body_size=None, include_in_schema=False)
    async def receive_media(request: Request[Any, Any, Any], token: FromPath[str]) -> Response[bytes]:
        """Bytes of a part, as they come."""
        part = await receive_part(token, _length(request.headers.get("content-length")), _body(request))
        return Response(b"", status_code=200, headers={"etag": f'"{part.etag}"'})

    @asgi(_OPEN, is_mount=True, copy_scope=True)
    async def open_media(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001  (ASGI's signature)
        key = asking_of(scope).path.removeprefix(f"{_OPEN}/")
        await _send_file(scope, send, await _found(scope, open_file, key), _cache(key, OPEN_CACHE))

    @asgi(_GRANTED, is_mount=True, copy_scope=True)
    async def granted_media(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001  (ASGI's signature)
        token, _, key = asking_of(scope).path.removeprefix(f"{_GRANTED}/").partition("/")
        await _send_file(scope, send, await _found(scope, open_file, key, token), _cache(key, GRANTED_CACHE))

    return [receive_media, open_media, granted_media]


async def _found(scope: Any, open_file: OpenFile, key: str, token: str | None = None) -> File:
    if scope["method"] not in ("GET", "HEAD"):
        raise ClientException("media is only read here", status_code=405, headers={"allow": "GET, HEAD"})
    if not key or token == "":
        raise NotFound("there is no such file")
    return await open_file(key, token, _viewer(scope))


def _viewer(scope: Any) -> Viewer | None:
    """Each player of ours says a name that it drew; those of others are told apart by what program they are. The preview
    of whoever broadcasts says that it is one, and is no viewer.
    """
    headers, address = dict(scope["headers"]), (scope.get("client") or ("",))[0]
    said = parse_qs(scope["query_string"].decode("latin-1")).get("viewer")
    if said == [PREVIEW]:
        return None
    name = said[0][:_NAME_LONGEST] if said else headers.get(b"user-agent", b"").decode("latin-1")
    return Viewer(address, name)


def _cache(key: str, of_others: bytes) -> bytes:
    return b"no-cache" if is_live_playlist(key) else of_others


@frozen
class _Span:
    """From ``start`` up to, not including, ``end``."""

    start: int
    end: int


def span(header: str | None, size: int) -> _Span | None:
    """What a Range header asks for; None for everything, also when it asks for several ranges or in another unit.

    Raises ValueError when nothing of it lies in the file.
    """
    match = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        last = int(match[2])
        if not last or not size:
            raise ValueError(header)
        return _Span(max(size - last, 0), size)
    start, end = int(match[1]), int(match[2]) + 1 if match[2] else size
    if match[2] and end <= start:
        return None  # not a range at all, so it is as if there was none
    if start >= size:
        raise ValueError(header)
    return _Span(start, min(end, size))


async def _send_file(scope: Any, send: Any, file: File, cache: bytes) -> None:
    asked: Mapping[bytes, bytes] = dict(scope["headers"])
    size, etag = file.size_bytes, f'"{file.etag}"'.encode()
    headers = [(b"etag", etag), (b"cache-control", cache), (b"accept-ranges", b"bytes")]
    if etag in [each.strip().removeprefix(b"W/") for each in asked.get(b"if-none-match", b"").split(b",")]:
        await _whole(send, 304, headers)
        return
    wanted = asked.get(b"range")
    if wanted is not None and asked.get(b"if-range", etag) != etag:
        wanted = None  # the client has a part of something else
    try:
        part = span(wanted.decode("latin-1") if wanted is not None else None, size)
    except ValueError:
        await _whole(send, 416, [(b"content-range", b"bytes */%d" % size), (b"content-length", b"0")])
        return
    whole = part is None
    part = part or _Span(0, size)
    headers.append((b"content-type", file.content_type.encode()))
    headers.append((b"content-length", b"%d" % (part.end - part.start)))
    if not whole:
        headers.append((b"content-range", b"bytes %d-%d/%d" % (part.start, part.end - 1, size)))
    if scope["method"] == "HEAD":
        await _whole(send, 200 if whole else 206, headers)
        return
    await send({"type": "http.response.start", "status": 200 if whole else 206, "headers": headers})
    if whole and file.path is not None and "http.response.pathsend" in (scope.get("extensions") or {}):
        await send({"type": "http.response.pathsend", "path": file.path})
        return
    async for piece in file.read(part.start, part.end):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _whole(send: Any, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
