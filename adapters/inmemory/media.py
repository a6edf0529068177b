"""Uploads on their way in and files that are shown, in a dict; and the rules that any store of our own keeps."""

import zlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from attrs import define, field, frozen
from sortedcontainers import SortedDict

from adapters.files import PUT_MOST, SMALL_LIFE, check_parts, checked, content_type_of
from adapters.links import Links
from adapters.versions import next_version
from application.ports import File, Link, LinkMode, Now, PartTicket, Round, SmallTicket, Stored, Ticket
from domain.errors import Conflict, Invalid, NotFound, Stale, TooLarge
from domain.ids import UploadId
from domain.uploads import Part, Upload
from domain.watching import Grant

_PIECE = 256 * 1024


@define
class Etag:
    """The etag of bytes as they pass: CRC-32 and length. It tells versions of a part apart; it is no proof
    against forgery, which nobody gains from, since it is only ever compared with what the same owner sent.
    MD5, as S3 has it, would take ten to twenty times as long, and longer than the writing.
    """

    _crc: int = 0
    size: int = 0

    def add(self, piece: bytes) -> None:
        self._crc = zlib.crc32(piece, self._crc)
        self.size += len(piece)

    def __str__(self) -> str:
        return f"{self._crc:08x}-{self.size:x}"


def size_mismatch(expected: int) -> Invalid:
    return Invalid(f"this must have exactly {expected} bytes", code="size_mismatch")


def upload_closed() -> Conflict:
    return Conflict("no byte of this upload is taken any more", code="upload_closed")


@frozen
class InMemoryFile:
    """A file's bytes at the time it was opened."""

    content: bytes
    content_type: str
    etag: str
    path: str | None = None

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        for at in range(start, min(end, len(self.content)), _PIECE):
            yield self.content[at : min(at + _PIECE, end)]


@define
class _Incoming:
    parts: dict[int, tuple[Part, bytes]] = field(factory=dict)
    source: bytes | None = None


class InMemoryMedia:
    """An UploadStore, a MediaStore and the Delivery of both."""

    def __init__(self, links: Links, now: Now) -> None:
        self._links = links
        self._now = now
        self._incoming: dict[UploadId, _Incoming] = {}
        self._small: dict[str, tuple[bytes, datetime]] = {}
        self._files: SortedDict[str, tuple[bytes, datetime]] = SortedDict()
        self.recordings: dict[str, bytes] = {}
        """What an ingest in the same process recorded, by where it lies."""

    # --- UploadStore

    async def open(self, upload: Upload) -> str:
        self._incoming.setdefault(upload.id, _Incoming())
        return upload.id

    async def sign(self, upload: Upload, numbers: Sequence[int], until: datetime) -> Sequence[Ticket]:
        for number in numbers:
            upload.size_of(number)
        return [Ticket(number, self._links.part(upload.id, number, until), until) for number in numbers]

    async def received(self, upload: Upload) -> Sequence[Part]:
        incoming = self._incoming.get(upload.id, _Incoming())
        return [part for _, (part, _) in sorted(incoming.parts.items())]

    async def assemble(self, upload: Upload, parts: Sequence[Part]) -> int:
        check_parts(upload, await self.received(upload), parts)
        incoming = self._incoming[upload.id]
        if incoming.source is None:
            incoming.source = b"".join(content for _, (_, content) in sorted(incoming.parts.items()))
            # Only what the parts were is still asked for.
            incoming.parts = {number: (part, b"") for number, (part, _) in incoming.parts.items()}
        return len(incoming.source)

    async def discard(self, upload: Upload) -> None:
        await self.discard_unknown(upload.id)

    async def discard_unknown(self, upload: UploadId) -> None:
        self._incoming.pop(upload, None)

    async def held(self, *, after: str = "", limit: int = 1000) -> Sequence[UploadId]:
        return sorted(upload for upload in self._incoming if upload > after)[:limit]

    async def sign_small(self, name: str, size_bytes: int, until: datetime) -> Ticket:
        return Ticket(1, self._links.small(checked(name), size_bytes, until), until)

    async def take_small(self, name: str) -> bytes:
        self._forget_small()
        if name not in self._small:
            raise NotFound("nothing came under this name")
        return self._small[name][0]

    def source(self, key: str) -> bytes | None:
        """The whole file at an ``Upload.source``, or a recording, for a transcoder in the same process."""
        for upload, incoming in self._incoming.items():
            if key == f"raw/{upload}/source":
                return incoming.source
        return self.recordings.get(key)

    # --- MediaStore

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        """The content type is kept in the key's ending alone, as on a disk."""
        del content_type
        if len(content) > PUT_MOST:
            raise TooLarge(f"at most {PUT_MOST} bytes are put at once")
        self._files[checked(key)] = (content, self._now())

    async def read(self, key: str) -> bytes:
        if key not in self._files:
            raise NotFound("there is no such file")
        return self._files[key][0]

    async def remove_prefix(self, prefix: str) -> int:
        gone = [key for key in self._files if key.startswith(prefix)]
        for key in gone:
            del self._files[key]
        return len(gone)

    async def usage(self, prefix: str) -> int:
        return sum(len(content) for key, (content, _) in self._files.items() if key.startswith(prefix))

    async def under(self, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[Stored]:
        found: list[Stored] = []
        start = prefix + _beyond(after)
        while len(found) < limit and (key := next(self._files.irange(start), None)) and key.startswith(prefix):
            name, slash, _ = key.removeprefix(prefix).partition("/")
            found.append(Stored(name + slash, None if slash else self._files[key][1]))
            start = prefix + _beyond(name + slash)
        return found

    def open_url(self, key: str) -> str:
        return self._links.open(key)

    def granted(self, grant: Grant, key: str, mode: LinkMode = LinkMode.COOKIE) -> Link:
        del mode
        return Link(self._links.granted(grant, key), LinkMode.TOKEN)

    # --- Delivery

    def ticket(self, token: str) -> PartTicket | SmallTicket:
        return self._links.ticket(token)

    def grant(self, token: str) -> Grant:
        return self._links.grant(token)

    async def receive(self, upload: Upload, number: int, chunks: AsyncIterator[bytes]) -> Part:
        size = upload.size_of(number)
        if self._taking(upload) is None:
            raise upload_closed()
        part, content = await _collect(number, size, chunks)
        incoming = self._taking(upload)
        if incoming is None:
            raise upload_closed()
        incoming.parts[number] = (part, content)
        return part

    async def receive_small(self, ticket: SmallTicket, chunks: AsyncIterator[bytes]) -> Part:
        self._forget_small()
        part, content = await _collect(1, ticket.size_bytes, chunks)
        self._small[checked(ticket.name)] = (content, self._now())
        return part

    async def file(self, key: str, grant: Grant | None = None) -> File:
        del grant  # what a playlist names is under the same link
        content = await self.read(key)
        etag = Etag()
        etag.add(content)
        return InMemoryFile(content, content_type_of(key), str(etag))

    def _taking(self, upload: Upload) -> _Incoming | None:
        incoming = self._incoming.get(upload.id)
        return incoming if incoming is not None and incoming.source is None else None

    def _forget_small(self) -> None:
        over = self._now() - SMALL_LIFE
        self._small = {name: kept for name, kept in self._small.items() if kept[1] > over}


def _beyond(name: str) -> str:
    """What sorts directly after a name and, if it ends in a slash, after all that goes on there."""
    return f"{name[:-1]}0" if name.endswith("/") else f"{name}\0" if name else ""


async def _collect(number: int, size: int, chunks: AsyncIterator[bytes]) -> tuple[Part, bytes]:
    etag, content = Etag(), bytearray()
    async for chunk in chunks:
        if etag.size + len(chunk) > size:
            raise size_mismatch(size)
        etag.add(chunk)
        content += chunk
    if etag.size != size:
        raise size_mismatch(size)
    return Part(number, size, str(etag)), bytes(content)


class InMemoryRounds:
    """As long as the process lives: the next one begins anew."""

    def __init__(self) -> None:
        self._round = Round()

    async def get(self) -> Round:
        return self._round

    async def save(self, round: Round) -> Round:  # noqa: A002  (the port's word)
        if round.version != self._round.version:
            raise Stale("the round")
        self._round = next_version(round)
        return self._round
