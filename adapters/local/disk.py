"""Uploads on their way in and files that are shown, in a folder of this machine that several processes share.

    raw/, small/    what is on its way in: see ``incoming``
    recordings/     what was broadcast, and becomes a video: see ``feed``
    media/<key>     what is shown
    tmp/            what nobody will ever finish after a restart
    removal.lock    held by whoever removes, shared; and by whoever wants all to stay for a while, alone

A file is shown, or not at all: it is made in ``tmp`` and gets its key by a rename. Its content is on the disk
before that, its key and the folders above before ``put`` or ``adopt`` is answered. Removals are not waited for.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import TypeVar

from attrs import frozen

from adapters.files import PUT_MOST, checked, content_type_of
from adapters.inmemory.media import InMemoryFile
from adapters.links import Links
from adapters.local.durable import files, locked, remove, room, stamp, stamped, sync, sync_up, when_free, write_at
from adapters.local.incoming import Incoming
from application.ports import File, Link, LinkMode, Now, PartTicket, SmallTicket, Stored, Ticket
from domain.errors import Invalid, NotFound, TooLarge
from domain.ids import UploadId
from domain.streams import is_live_playlist
from domain.uploads import MIB, Upload
from domain.watching import Grant

T = TypeVar("T")

_PIECE = 256 * 1024
_LOCK = "removal.lock"


@contextlib.contextmanager
def removals_paused(root: Path) -> Iterator[None]:
    """Nothing that is shown and no source is removed meanwhile, whichever process wants to. Waits for who is at it."""
    handle = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with locked(handle, fcntl.LOCK_EX):
            yield
    finally:
        os.close(handle)


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


class DiskMedia:
    """An UploadStore, a MediaStore and the Delivery of both."""

    def __init__(self, root: Path, links: Links, now: Now, *, gather_bytes: int = MIB) -> None:
        """``gather_bytes`` are written at a time."""
        self._root = root
        self._raw, self._media, self._small, self._tmp = (root / name for name in ("raw", "media", "small", "tmp"))
        self._links = links
        self._now = now
        for folder in (self._raw, self._media, self._small, self._tmp):
            folder.mkdir(parents=True, exist_ok=True)
        (root / _LOCK).touch()  # now, since removing must need no room
        sync_up(root, root.parent)
        incoming = self._incoming = Incoming(self._raw, self._small, self._tmp, now, gather_bytes)
        self.open, self.received, self.assemble = incoming.open, incoming.received, incoming.assemble
        self.held, self.take_small = incoming.held, incoming.take_small
        self.receive, self.receive_small = incoming.receive, incoming.receive_small

    # --- UploadStore

    async def sign(self, upload: Upload, numbers: Sequence[int], until: datetime) -> Sequence[Ticket]:
        for number in numbers:
            upload.size_of(number)
        return [Ticket(number, self._links.part(upload.id, number, until), until) for number in numbers]

    async def discard(self, upload: Upload) -> None:
        await self.discard_unknown(upload.id)

    async def discard_unknown(self, upload: UploadId) -> None:
        await self._removing(partial(self._incoming.remove, upload))

    async def sign_small(self, name: str, size_bytes: int, until: datetime) -> Ticket:
        return Ticket(1, self._links.small(checked(name), size_bytes, until), until)

    # --- MediaStore

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        """The content type is kept in the key's ending alone."""
        del content_type
        if len(content) > PUT_MOST:
            raise TooLarge(f"at most {PUT_MOST} bytes are put at once")
        with room():
            await asyncio.to_thread(self._put, self.path_of(key), content)

    async def read(self, key: str) -> bytes:
        try:
            return await asyncio.to_thread(self._shown(key).read_bytes)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFound("there is no such file") from None

    async def remove_prefix(self, prefix: str) -> int:
        return await self._removing(partial(self._remove_prefix, prefix))

    async def usage(self, prefix: str) -> int:
        def measure() -> int:
            return sum(_size(path) for top in self._tops(prefix) for path in files(top))

        return await asyncio.to_thread(measure)

    async def under(self, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[Stored]:
        def look() -> Sequence[Stored]:
            try:
                with os.scandir(self.path_of(prefix.removesuffix("/")) if prefix else self._media) as entries:
                    found = {entry.name + "/" * entry.is_dir(): entry for entry in entries}
            except (Invalid, FileNotFoundError, NotADirectoryError):
                return []
            names = sorted(name for name in found if name > after)[:limit]
            return [stored for name in names if (stored := _stored(name, found[name])) is not None]

        return await asyncio.to_thread(look)

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

    async def file(self, key: str, grant: Grant | None = None) -> File:
        del grant  # what a playlist names is under the same link
        path = self._shown(key)
        if is_live_playlist(key):  # another one takes its place any moment, so it is read at once
            content = await self.read(key)
            return InMemoryFile(content, content_type_of(key), sha256(content).hexdigest()[:32])
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
        path = self._root / checked(key)
        return path if key.startswith(("raw/", "recordings/")) and path.is_file() else None

    def recording(self, name: str) -> Path:
        """Where a recording of what was broadcast lies, or will: ``recordings/<name>/source``."""
        return self._root / checked(f"recordings/{name}/source")

    async def remove_recording(self, name: str) -> None:
        await self._removing(partial(remove, self.recording(name).parent))

    def path_of(self, key: str) -> Path:
        """Where a file that is shown lies, or will. Raises Invalid (``invalid_key``)."""
        return self._media / checked(key)

    def scratch(self) -> Path:
        """A new folder on the same file system, seen by nobody, gone with ``clear_scratch``."""
        folder = self._tmp / token_hex(8)
        with room():
            folder.mkdir()
        return folder

    async def adopt(self, made: Path, key: str) -> None:
        """Show a file or folder made in ``scratch`` under its key: all of it at once."""
        path = self.path_of(key)
        if path.is_dir():  # of someone who made it before and never said so
            await self._removing(partial(remove, path))
        with room():
            await asyncio.to_thread(self._adopt, made, path)

    def clear_scratch(self) -> None:
        """Remove what earlier processes did not finish. Only for whoever has the folder alone."""
        for path in self._tmp.iterdir():
            remove(path)

    # --- files that are shown

    def _put(self, path: Path, content: bytes) -> None:
        fresh = self._tmp / token_hex(8)
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                write_at(handle, [content], 0)
                stamp(handle, self._now())
                os.fsync(handle)
            finally:
                os.close(handle)
            self._show(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)

    def _adopt(self, made: Path, path: Path) -> None:
        folders = [Path(folder) for folder, _, _ in os.walk(made)]
        for each in (*files(made), *folders):
            sync(each)
        self._show(made, path)

    def _show(self, made: Path, path: Path) -> None:
        try:
            while True:
                with contextlib.suppress(FileNotFoundError):
                    try:
                        path.parent.mkdir(parents=True, exist_ok=True)
                    except FileExistsError:  # also when it was there a moment ago, and is no more
                        if path.parent.exists() and not path.parent.is_dir():
                            raise
                    made.rename(path)
                    break
                made.stat()  # it is there, so a removal took the folder away
        except OSError:
            self._prune(path.parent)
            raise
        sync_up(path.parent, self._media)

    def _shown(self, key: str) -> Path:
        try:
            return self.path_of(key)
        except Invalid:
            raise NotFound("there is no such file") from None

    # --- prefixes

    async def _removing(self, do: Callable[[], T]) -> T:
        """In a thread, when nobody wants all to stay."""

        def alone() -> T:
            handle = os.open(self._root / _LOCK, os.O_RDONLY)
            try:
                with locked(handle, fcntl.LOCK_SH | fcntl.LOCK_NB):
                    return do()
            finally:
                os.close(handle)

        return await when_free(alone)

    def _remove_prefix(self, prefix: str) -> int:
        removed = 0
        for top in self._tops(prefix):
            removed += sum(1 for _ in files(top))
            remove(top)
        parent, slash, _ = prefix.rpartition("/")
        if slash:
            with contextlib.suppress(Invalid):
                self._prune(self.path_of(parent))
        return removed

    def _prune(self, folder: Path) -> None:
        """Remove it and those above that hold nothing any more."""
        while folder != self._media:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                return
            folder = folder.parent

    def _tops(self, prefix: str) -> Sequence[Path]:
        """The files and folders whose whole content has keys that start so."""
        parent, slash, start = prefix.rpartition("/")
        try:
            folder = self.path_of(parent) if slash else self._media
            return [path for path in folder.iterdir() if path.name.startswith(start)]
        except (Invalid, FileNotFoundError, NotADirectoryError):
            return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _stored(name: str, entry: os.DirEntry[str]) -> Stored | None:
    """None for a file that went meanwhile."""
    try:
        return Stored(name, None if name.endswith("/") else stamped(entry.stat()))
    except FileNotFoundError:
        return None
