"""Uploads on their way in and files that are shown, in a folder of this machine.

    raw/<upload>/source.partial   the file to be: sparse, each part at its own offset
    raw/<upload>/parts/<n>        part n is whole: its size, its etag, and where its bytes lie
    raw/<upload>/parts/<n>.<k>    the bytes of a part that came while the offset was taken
    raw/<upload>/source           all of it, at the same offsets: completing an upload copies nothing
    media/<key>                   what is shown
    small/<name>                  images on their way in
    tmp/                          what nobody will ever finish after a restart: emptied at the start

A part counts from the moment its marker appears, by a rename after its bytes are on the disk (fdatasync). So
whatever breaks off before that leaves the part as it was. Bytes at the offset are written only while no
marker points at them and by one PUT at a time; any other PUT of the part has a file of its own, which
``assemble`` copies into place. Folders are synchronised once, by ``assemble``: until then a power cut may
cost a marker, and the client sends that part again.

One process owns the folder.
"""

import asyncio
import contextlib
import ctypes
import errno
import itertools
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

from attrs import define, field, frozen

from adapters.inmemory.links import Links
from adapters.inmemory.media import (
    PUT_MOST,
    SMALL_LIFE,
    Etag,
    check_parts,
    checked,
    content_type_of,
    size_mismatch,
    upload_closed,
)
from application.ports import File, Link, LinkMode, Now, PartTicket, SmallTicket, Ticket
from domain.errors import Invalid, NotFound, TooLarge, Unavailable
from domain.ids import UploadId
from domain.uploads import MIB, Part, Upload
from domain.watching import Grant

_IN_PLACE = "-"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_PIECE = 256 * 1024
_PIECES_MOST = 1024
"""Linux writes no more buffers at once (IOV_MAX)."""
_SMALL_NAME = re.compile(r"[^A-Za-z0-9_-]")


@contextlib.contextmanager
def _room() -> Iterator[None]:
    """A full disk as an error that a client may wait out."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise Unavailable("there is no room for this just now", code="insufficient_storage") from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _free(file: BinaryIO, offset: int, size: int) -> None:
    """Give the blocks of a range back (fallocate, PUNCH_HOLE | KEEP_SIZE). Where a file system cannot, they
    wait for the part's next PUT.
    """
    fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)
    if fallocate is not None:
        fallocate(file.fileno(), 0x03, ctypes.c_longlong(offset), ctypes.c_longlong(size))


@frozen
class DiskFile:
    """A file that lies whole on the disk. Keys are written once, so time and size name its content."""

    path: str
    size_bytes: int
    content_type: str
    etag: str

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        end = min(end, self.size_bytes)
        with await asyncio.to_thread(Path(self.path).open, "rb", 0) as file:
            for at in range(start, end, _PIECE):
                yield await asyncio.to_thread(os.pread, file.fileno(), min(_PIECE, end - at), at)


@define(eq=False)
class _Sink:
    """A PUT under way. Each piece is written, and ended, under the lock."""

    file: BinaryIO
    offset: int
    place: str
    etag: Etag = field(factory=Etag)
    lock: asyncio.Lock = field(factory=asyncio.Lock)
    closed: bool = False

    def write(self, pieces: Sequence[bytes], at: int) -> None:
        at += self.offset
        size = sum(map(len, pieces))
        done = os.pwritev(self.file.fileno(), pieces, at)
        left = b"".join(pieces)[done:] if done < size else b""
        while left:  # a disk that is nearly full takes less than it is given
            at += done
            done = os.pwrite(self.file.fileno(), left, at)
            left = left[done:]


class DiskMedia:
    """An UploadStore, a MediaStore and the Delivery of both."""

    def __init__(self, root: Path, links: Links, now: Now, *, gather_bytes: int = MIB) -> None:
        """``gather_bytes`` are written at a time."""
        self._raw, self._media, self._small, self._tmp = (root / name for name in ("raw", "media", "small", "tmp"))
        self._links = links
        self._now = now
        self._gather = gather_bytes
        self._sinks: dict[UploadId, dict[int, list[_Sink]]] = {}
        self._closing: WeakValueDictionary[UploadId, asyncio.Lock] = WeakValueDictionary()
        self._count = itertools.count(1)
        shutil.rmtree(self._tmp, ignore_errors=True)
        for folder in (self._raw, self._media, self._small, self._tmp):
            folder.mkdir(parents=True, exist_ok=True)

    # --- UploadStore

    async def open(self, upload: Upload) -> str:
        with _room():
            (self._folder(upload) / "parts").mkdir(parents=True, exist_ok=True)
        return upload.id

    async def sign(self, upload: Upload, numbers: Sequence[int], until: datetime) -> Sequence[Ticket]:
        for number in numbers:
            upload.size_of(number)
        return [Ticket(number, self._links.part(upload.id, number, until), until) for number in numbers]

    async def received(self, upload: Upload) -> Sequence[Part]:
        return [part for part, _ in await asyncio.to_thread(self._markers, upload)]

    async def assemble(self, upload: Upload, parts: Sequence[Part]) -> int:
        async with self._closed(upload):
            check_parts(upload, await self.received(upload), parts)
            await self._close_sinks(upload)
            with _room():
                return await asyncio.to_thread(self._assemble, upload)

    async def discard(self, upload: Upload) -> None:
        async with self._closed(upload):
            await self._close_sinks(upload)
            gone = self.scratch()
            with contextlib.suppress(FileNotFoundError):
                self._folder(upload).rename(gone / upload.id)
        await asyncio.to_thread(shutil.rmtree, gone)

    async def sign_small(self, name: str, size_bytes: int, until: datetime) -> Ticket:
        return Ticket(1, self._links.small(checked(name), size_bytes, until), until)

    async def take_small(self, name: str) -> bytes:
        await asyncio.to_thread(self._forget_small)
        try:
            return await asyncio.to_thread(self._small_path(name).read_bytes)
        except FileNotFoundError:
            raise NotFound("nothing came under this name") from None

    # --- MediaStore

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        """The content type is kept in the key's ending alone."""
        del content_type
        if len(content) > PUT_MOST:
            raise TooLarge(f"at most {PUT_MOST} bytes are put at once")
        path = self.path_of(key)
        with _room():
            await asyncio.to_thread(self._write_whole, path, content)

    async def read(self, key: str) -> bytes:
        try:
            return await asyncio.to_thread(self._shown(key).read_bytes)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFound("there is no such file") from None

    async def remove_prefix(self, prefix: str) -> int:
        def remove() -> int:
            return sum(map(_remove, self._tops(prefix)))

        return await asyncio.to_thread(remove)

    async def usage(self, prefix: str) -> int:
        def measure() -> int:
            return sum(path.stat().st_size for top in self._tops(prefix) for path in _files(top))

        return await asyncio.to_thread(measure)

    def open_url(self, key: str) -> str:
        return self._links.open(key)

    def granted(self, grant: Grant, key: str) -> Link:
        return Link(self._links.granted(grant, key), LinkMode.TOKEN)

    # --- Delivery

    def ticket(self, token: str) -> PartTicket | SmallTicket:
        return self._links.ticket(token)

    def grant(self, token: str) -> Grant:
        return self._links.grant(token)

    async def receive(self, upload: Upload, number: int, chunks: AsyncIterator[bytes]) -> Part:
        size = upload.size_of(number)
        with _room():
            sink = self._begin(upload, number)
            try:
                await _pour(sink, size, chunks, self._gather)
                return await self._finish(upload, number, sink)
            except BaseException:
                await self._drop(upload, sink, size)
                raise
            finally:
                sink.file.close()
                self._forget_sink(upload, number, sink)

    async def receive_small(self, ticket: SmallTicket, chunks: AsyncIterator[bytes]) -> Part:
        path = self._small_path(ticket.name)
        await asyncio.to_thread(self._forget_small)
        scratch = self.scratch()
        try:
            with _room(), (scratch / "small").open("xb", 0) as file:
                sink = _Sink(file, 0, "")
                await _pour(sink, ticket.size_bytes, chunks, self._gather)
                os.utime(scratch / "small", times=(self._now().timestamp(),) * 2)
                (scratch / "small").rename(path)
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch)
        return Part(1, ticket.size_bytes, str(sink.etag))

    async def file(self, key: str) -> File:
        path = self._shown(key)
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            found = None
        if found is None or not path.is_file():
            raise NotFound("there is no such file")
        return DiskFile(str(path), found.st_size, content_type_of(key), f"{found.st_mtime_ns:x}-{found.st_size:x}")

    # --- for what else works in this folder

    def source(self, key: str) -> Path | None:
        """Where the whole file of an ``Upload.source`` lies, if it does."""
        path = self._raw.parent / checked(key)
        return path if key.startswith("raw/") and path.is_file() else None

    def path_of(self, key: str) -> Path:
        """Where a file that is shown lies, or will. Raises Invalid (``invalid_key``)."""
        return self._media / checked(key)

    def scratch(self) -> Path:
        """A new folder on the same file system, seen by nobody, gone after a restart."""
        folder = self._tmp / str(next(self._count))
        with _room():
            folder.mkdir()
        return folder

    # --- parts

    def _folder(self, upload: Upload) -> Path:
        return self._raw / checked(upload.id)

    def _begin(self, upload: Upload, number: int) -> _Sink:
        folder = self._folder(upload)
        closing = self._closing.get(upload.id)
        if (closing and closing.locked()) or not (folder / "parts").is_dir() or (folder / "source").exists():
            raise upload_closed()
        sinks = self._sinks.setdefault(upload.id, {}).setdefault(number, [])
        marker = self._marker(folder / "parts" / str(number))
        taken = any(sink.place == _IN_PLACE for sink in sinks) or (marker is not None and marker[1] == _IN_PLACE)
        if taken:
            place = f"{number}.{self._now().timestamp():.0f}-{next(self._count)}"
            sink = _Sink((folder / "parts" / place).open("x+b", 0), 0, place)
        else:
            handle = os.open(folder / "source.partial", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            sink = _Sink(os.fdopen(handle, "r+b", 0), (number - 1) * upload.part_size_bytes, _IN_PLACE)
        sinks.append(sink)
        return sink

    async def _finish(self, upload: Upload, number: int, sink: _Sink) -> Part:
        part = Part(number, sink.etag.size, str(sink.etag))
        async with sink.lock:
            if sink.closed:
                raise upload_closed()
            await _unbroken(os.fdatasync, sink.file.fileno())
            # Replacing the marker is the one step by which the part changes; nothing awaits within it.
            parts = self._folder(upload) / "parts"
            before = self._marker(parts / str(number))
            fresh = parts / f".{number}"
            fresh.write_text(f"{part.size_bytes} {part.etag} {sink.place}")
            fresh.rename(parts / str(number))
            sink.closed = True
            if before is not None and before[1] not in {_IN_PLACE, sink.place}:
                (parts / before[1]).unlink(missing_ok=True)
        return part

    async def _drop(self, upload: Upload, sink: _Sink, size: int) -> None:
        """Give back what a PUT took that came to nothing."""
        if sink.place != _IN_PLACE:
            (self._folder(upload) / "parts" / sink.place).unlink(missing_ok=True)
        async with sink.lock:
            if sink.place == _IN_PLACE and not sink.closed:
                await _unbroken(_free, sink.file, sink.offset, size)
            sink.closed = True

    def _forget_sink(self, upload: Upload, number: int, sink: _Sink) -> None:
        numbers = self._sinks.get(upload.id, {})
        numbers[number] = [other for other in numbers.get(number, []) if other is not sink]
        if not any(numbers.values()):
            self._sinks.pop(upload.id, None)

    @contextlib.asynccontextmanager
    async def _closed(self, upload: Upload) -> AsyncIterator[None]:
        """Alone with the upload: no PUT begins meanwhile."""
        lock = self._closing.setdefault(upload.id, asyncio.Lock())
        async with lock:
            yield

    async def _close_sinks(self, upload: Upload) -> None:
        """No PUT under way writes any more."""
        for sinks in self._sinks.pop(upload.id, {}).values():
            for sink in sinks:
                async with sink.lock:
                    sink.closed = True

    def _markers(self, upload: Upload) -> Sequence[tuple[Part, str]]:
        parts = self._folder(upload) / "parts"
        names = [path.name for path in parts.iterdir()] if parts.is_dir() else []
        numbers = sorted(int(name) for name in names if name.isdecimal())
        return [found for number in numbers if (found := self._marker(parts / str(number))) is not None]

    def _marker(self, path: Path) -> tuple[Part, str] | None:
        """The part, and where its bytes are. A marker cut short by a power cut is none."""
        try:
            fields = path.read_text().split()
        except FileNotFoundError:
            return None
        if len(fields) != 3:
            return None
        return Part(int(path.name), int(fields[0]), fields[1]), fields[2]

    def _assemble(self, upload: Upload) -> int:
        folder = self._folder(upload)
        source, partial = folder / "source", folder / "source.partial"
        elsewhere = [(part, place) for part, place in self._markers(upload) if place != _IN_PLACE]
        if not source.exists():
            with partial.open("r+b", 0) as whole:
                for part, place in elsewhere:
                    with (folder / "parts" / place).open("rb", 0) as own:
                        whole.seek((part.number - 1) * upload.part_size_bytes)
                        shutil.copyfileobj(own, whole, MIB)
                os.fsync(whole.fileno())
            partial.rename(source)
            _sync_folder(folder / "parts")
            _sync_folder(folder)
        for _, place in elsewhere:
            (folder / "parts" / place).unlink(missing_ok=True)
        return source.stat().st_size

    # --- small files and keys

    def _small_path(self, name: str) -> Path:
        # Flat, so that forgetting is one listing; the escape cannot make two names one.
        return self._small / _SMALL_NAME.sub(lambda found: f"%{ord(found[0]):x}.", checked(name))

    def _forget_small(self) -> None:
        over = (self._now() - SMALL_LIFE).timestamp()
        for path in self._small.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime <= over:
                    path.unlink()

    def _write_whole(self, path: Path, content: bytes) -> None:
        scratch = self.scratch()
        try:
            with (scratch / "whole").open("xb", 0) as file:
                file.write(content)
                os.fdatasync(file.fileno())
            path.parent.mkdir(parents=True, exist_ok=True)
            (scratch / "whole").rename(path)
        finally:
            shutil.rmtree(scratch)

    def _shown(self, key: str) -> Path:
        try:
            return self.path_of(key)
        except Invalid:
            raise NotFound("there is no such file") from None

    def _tops(self, prefix: str) -> Sequence[Path]:
        """The files and folders whose whole content has keys that start so."""
        parent, slash, start = prefix.rpartition("/")
        try:
            folder = self.path_of(parent) if slash else self._media
        except Invalid:
            return []
        try:
            return [path for path in folder.iterdir() if path.name.startswith(start)]
        except (FileNotFoundError, NotADirectoryError):
            return []


def _files(top: Path) -> Iterator[Path]:
    return (path for path in top.rglob("*") if path.is_file()) if top.is_dir() else iter((top,))


def _remove(top: Path) -> int:
    """A file or folder goes; how many files that were."""
    count = 0
    while top.exists():  # again, where someone else removes it too and was faster with a part of it
        with contextlib.suppress(FileNotFoundError):
            count = max(count, sum(1 for _ in _files(top)))
            if top.is_dir():
                shutil.rmtree(top)
            else:
                top.unlink()
    return count


async def _unbroken(do: Callable[..., object], *arguments: object) -> None:
    """In a thread, and to its end even if the caller is cancelled: the file must not be closed under it."""
    task = asyncio.ensure_future(asyncio.to_thread(do, *arguments))
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:  # perhaps again and again, as anyio's scopes do
            cancelled = error
    if cancelled is not None:
        raise cancelled
    await task


async def _pour(sink: _Sink, size: int, chunks: AsyncIterator[bytes], gather: int) -> None:
    """Write ``chunks`` to the sink. Raises Invalid unless they are ``size`` bytes.

    Writing each chunk at once would be the fastest, until the kernel makes a writer wait for the disk and the
    loop with it; a thread for each chunk costs more than the write. So a MiB at a time goes to a thread, as it
    came and uncopied, while the next one gathers.
    """
    gathered: list[bytes] = []
    written = 0
    writing: asyncio.Task[None] | None = None

    async def write(pieces: list[bytes], at: int) -> None:
        async with sink.lock:
            if sink.closed:
                raise upload_closed()
            await _unbroken(sink.write, pieces, at)

    try:
        async for chunk in chunks:
            if sink.etag.size + len(chunk) > size:
                raise size_mismatch(size)
            # Here and not in the thread, which would hand the interpreter back and forth for every chunk.
            sink.etag.add(chunk)
            gathered.append(chunk)
            if sink.etag.size - written >= gather or len(gathered) == _PIECES_MOST:
                if writing is not None:
                    await writing
                writing = asyncio.create_task(write(gathered, written))
                gathered, written = [], sink.etag.size
        if sink.etag.size != size:
            raise size_mismatch(size)
    finally:
        if writing is not None:
            await asyncio.wait([writing])
    if writing is not None:
        await writing
    await write(gathered, written)
