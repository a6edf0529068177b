"""Uploads on their way in, in a folder of this machine that several processes share.

    raw/<upload>/source.partial   the file to be: sparse, each part at its own offset; there while parts may come
    raw/<upload>/parts/<n>        part n is whole: its size, its etag, and where its bytes lie
    raw/<upload>/parts/<n>.<k>    the bytes of a part that came while the offset was taken
    raw/<upload>/parts/<n>.place  a PUT is writing part n at its offset
    raw/<upload>/source           all of it, at the same offsets: completing an upload copies nothing
    small/<name>                  images on their way in

A part counts from the moment its marker appears, by a rename. Whatever breaks off before that leaves the part
as it was. Bytes at the offset are written only while no marker points at them and by one PUT at a time, which
holds the lock of the part's place; any other PUT of the part has a file of its own, which ``assemble`` copies
into place.

Each PUT has a claim: the place, or the file of its own. ``assemble`` holds the lock of the upload's folder alone,
and takes away all claims and what no marker points at. A PUT writes, and ends, only while it shares that lock
and its claim is there. ``remove`` needs no lock: a PUT knows its folder by a handle, not by its name, and cannot
put a marker into one that is gone. The locks go with whoever holds them, so a process that is killed leaves at
most what ``assemble`` or ``remove`` clears away, or ``DiskMedia.clear_scratch``.

On the disk before it is answered: an opened upload's folder; a part's bytes, then its marker, then the marker's
name; a source's bytes, then its name; a small file and its name. Only removals may be taken back by a power cut.
A PUT that fails in the very last step, when the marker's name goes to the disk, may count or not.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from secrets import token_hex

from attrs import define, field

from adapters.files import SMALL_LIFE, check_parts, checked
from adapters.inmemory.media import Etag, size_mismatch, upload_closed
from adapters.local.durable import ended, locked, remove, room, stamp, stamped, sync, unbroken, when_free, write_at
from application.ports import Now, SmallTicket
from domain.errors import Conflict, NotFound
from domain.ids import UploadId
from domain.uploads import MIB, Part, Upload

_IN_PLACE = "-"
_PIECES_MOST = 1024
"""Linux writes no more buffers at once (IOV_MAX)."""
_SMALL_NAME = re.compile(r"[^A-Za-z0-9_-]")
_FRESH = os.O_RDWR | os.O_CREAT | os.O_EXCL
_MODE = 0o666


def _free(handle: int, offset: int, size: int) -> None:
    """Give the blocks of a range back (fallocate, PUNCH_HOLE | KEEP_SIZE). Where a file system cannot, they
    wait for the part's next PUT.
    """
    fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)
    if fallocate is not None:
        fallocate(handle, 0x03, ctypes.c_longlong(offset), ctypes.c_longlong(size))


def _marker(number: int, parts: int) -> tuple[Part, str] | None:
    """The part, and where its bytes are. A marker that is not whole is none."""
    try:
        handle = os.open(str(number), os.O_RDONLY, dir_fd=parts)
    except FileNotFoundError:
        return None
    with os.fdopen(handle) as file:
        fields = file.read().split()
    if len(fields) != 3:
        return None
    return Part(number, int(fields[0]), fields[1]), fields[2]


@define(eq=False)
class _Put:
    """A PUT under way, in the folders that the upload had at its beginning. Its steps run in threads, one at a time.

    Each raises Conflict (``upload_closed``) once the upload is complete or discarded, and BlockingIOError, with
    nothing done, while it is being completed.
    """

    folder: Path
    number: int
    offset: int
    size: int
    _files: contextlib.ExitStack = field(factory=contextlib.ExitStack)
    _home: int = -1
    _parts: int = -1
    _claim: int = -1
    _into: int = -1
    _place: str = _IN_PLACE
    _key: str = field(factory=lambda: token_hex(8))
    _counts: bool = False

    def begin(self) -> None:
        """Claim the part's place or, where that is taken, a file of its own."""
        self.close()
        with _there():
            self._home = self._open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            self._parts = self._open("parts", os.O_RDONLY | os.O_DIRECTORY, self._home)
            with locked(self._home, fcntl.LOCK_SH | fcntl.LOCK_NB):
                self._into = self._open("source.partial", os.O_RDWR, self._home)
                if not self._claim_place():
                    self._place = f"{self.number}.{self._key}"
                    self._claim = self._into = self._open(self._place, _FRESH, self._parts)

    def write(self, pieces: Sequence[bytes], at: int) -> None:
        with self._claimed():
            write_at(self._into, pieces, at + self._from)

    def settle(self, etag: Etag) -> Part:
        """What was written is on the disk, and a marker that says so, under a name that says nothing yet."""
        os.fdatasync(self._into)
        part = Part(self.number, etag.size, str(etag))
        with _there():
            handle = os.open(self._fresh, _FRESH, _MODE, dir_fd=self._parts)
        try:
            write_at(handle, [f"{part.size_bytes} {part.etag} {self._place}".encode()], 0)
            os.fdatasync(handle)
        finally:
            os.close(handle)
        return part

    def count(self) -> None:
        """The part is this one, and no power cut changes that."""
        with self._claimed(), _there(), locked(self._parts, fcntl.LOCK_EX):
            before = _marker(self.number, self._parts)
            os.rename(self._fresh, str(self.number), src_dir_fd=self._parts, dst_dir_fd=self._parts)
            self._counts = True
            self._leave_place()
        os.fsync(self._parts)
        if before is not None and before[1] not in {_IN_PLACE, self._place}:
            self._unlink(before[1])

    def drop(self) -> None:
        """Give back what came to nothing. While the upload is being completed, its place is left to that."""
        if self._counts or self._claim < 0:
            return
        self._unlink(self._fresh)
        if self._place != _IN_PLACE:
            self._unlink(self._place)
            return
        with contextlib.suppress(Conflict, BlockingIOError), self._claimed():
            _free(self._into, self.offset, self.size)
            self._leave_place()

    def close(self) -> None:
        self._files.close()

    @property
    def _from(self) -> int:
        return self.offset if self._place == _IN_PLACE else 0

    @property
    def _fresh(self) -> str:
        return f".{self.number}.{self._key}"

    def _claim_place(self) -> bool:
        name = f"{self.number}.place"
        while True:
            claim = self._open(name, os.O_RDWR | os.O_CREAT, self._parts)
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if os.fstat(claim).st_nlink:
                break  # otherwise its holder left while this one came
        self._claim = claim
        marker = _marker(self.number, self._parts)
        if marker is not None and marker[1] == _IN_PLACE:
            self._leave_place()
            return False
        if marker is not None:
            # Before bytes are written here, the disk knows of no earlier marker that points here.
            os.fsync(self._parts)
        return True

    def _leave_place(self) -> None:
        if self._place == _IN_PLACE:
            self._unlink(f"{self.number}.place")

    @contextlib.contextmanager
    def _claimed(self) -> Iterator[None]:
        with locked(self._home, fcntl.LOCK_SH | fcntl.LOCK_NB):
            if not os.fstat(self._claim).st_nlink:
                raise upload_closed()
            yield

    def _open(self, path: Path | str, flags: int, folder: int | None = None) -> int:
        handle = os.open(path, flags, _MODE, dir_fd=folder)
        self._files.callback(os.close, handle)
        return handle

    def _unlink(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._parts)


@contextlib.contextmanager
def _there() -> Iterator[None]:
    """What is not there any more was completed or discarded."""
    try:
        yield
    except FileNotFoundError:
        raise upload_closed() from None


class Incoming:
    """What DiskMedia keeps of uploads and small files: see the ports UploadStore and Delivery."""

    def __init__(self, raw: Path, small: Path, tmp: Path, now: Now, gather_bytes: int) -> None:
        self._raw = raw
        self._small = small
        self._tmp = tmp
        self._now = now
        self._gather = gather_bytes

    async def open(self, upload: Upload) -> str:
        with room():
            await when_free(partial(self._open, self._folder(upload.id)))
        return upload.id

    async def received(self, upload: Upload) -> Sequence[Part]:
        return [part for part, _ in await asyncio.to_thread(_markers, self._folder(upload.id))]

    async def assemble(self, upload: Upload, parts: Sequence[Part]) -> int:
        with room():
            return await when_free(partial(self._assemble, upload, parts))

    async def held(self, *, after: str = "", limit: int = 1000) -> Sequence[UploadId]:
        names = await asyncio.to_thread(os.listdir, self._raw)
        return [UploadId(name) for name in sorted(name for name in names if name > after)[:limit]]

    async def receive(self, upload: Upload, number: int, chunks: AsyncIterator[bytes]) -> Part:
        size = upload.size_of(number)
        put = _Put(self._folder(upload.id), number, (number - 1) * upload.part_size_bytes, size)
        with room():
            try:
                await when_free(put.begin)
                etag = await _pour(put.write, size, chunks, self._gather)
                part = await unbroken(partial(put.settle, etag))
                await when_free(put.count)
            except BaseException:
                await unbroken(put.drop)
                raise
            finally:
                put.close()
        return part

    async def receive_small(self, ticket: SmallTicket, chunks: AsyncIterator[bytes]) -> Part:
        path = self._small_path(ticket.name)
        fresh = self._tmp / token_hex(8)
        await asyncio.to_thread(self._forget_small)
        with room():
            handle = os.open(fresh, _FRESH, _MODE)
            try:
                etag = await _pour(partial(write_at, handle), ticket.size_bytes, chunks, self._gather)
                await unbroken(partial(self._name_small, handle, fresh, path))
            finally:
                os.close(handle)
                fresh.unlink(missing_ok=True)
        return Part(1, etag.size, str(etag))

    async def take_small(self, name: str) -> bytes:
        await asyncio.to_thread(self._forget_small)
        try:
            return await asyncio.to_thread(self._small_path(name).read_bytes)
        except FileNotFoundError:
            raise NotFound("nothing came under this name") from None

    def remove(self, upload: UploadId) -> None:
        """All that is held of an upload. Markers first: if it breaks off, none is left that points at nothing."""
        folder = self._folder(upload)
        _clear(folder, [name for name in _names(folder) if name.isdecimal()])
        remove(folder)

    # --- uploads

    def _folder(self, upload: UploadId) -> Path:
        return self._raw / checked(upload)

    def _open(self, folder: Path) -> None:
        while True:
            folder.mkdir(exist_ok=True)
            with contextlib.suppress(FileNotFoundError), _home(folder, fcntl.LOCK_EX) as home:
                with contextlib.suppress(FileExistsError):
                    os.mkdir("parts", dir_fd=home)
                if not any((folder / name).exists() for name in ("source", "source.partial")):
                    _clear(folder, _names(folder))  # of a removal that broke off
                    os.close(os.open("source.partial", os.O_RDWR | os.O_CREAT, _MODE, dir_fd=home))
                os.fsync(home)
                break  # otherwise it was discarded meanwhile
        sync(self._raw)

    def _assemble(self, upload: Upload, parts: Sequence[Part]) -> int:
        folder = self._folder(upload.id)
        try:
            with _home(folder, fcntl.LOCK_EX):
                markers = _markers(folder)
                check_parts(upload, [part for part, _ in markers], parts)
                elsewhere = {place: part.number for part, place in markers if place != _IN_PLACE}
                if not (folder / "source").exists():
                    _clear(folder, _unmarked(folder) - elsewhere.keys())
                    _join(folder, upload.part_size_bytes, elsewhere)
                sync(folder)
                _clear(folder, _unmarked(folder))
                return (folder / "source").stat().st_size
        except FileNotFoundError:  # discarded, before or meanwhile
            check_parts(upload, (), parts)
            raise

    # --- small files

    def _small_path(self, name: str) -> Path:
        # Flat, so that forgetting is one listing; the escape cannot make two names one, nor one that is hidden.
        return self._small / _SMALL_NAME.sub(lambda found: f"%{ord(found[0]):x}.", checked(name))

    def _name_small(self, handle: int, fresh: Path, path: Path) -> None:
        stamp(handle, self._now())
        os.fsync(handle)
        fresh.rename(path)
        sync(self._small)

    def _forget_small(self) -> None:
        over = self._now() - SMALL_LIFE
        for path in self._small.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if stamped(path.stat()) <= over:
                    path.unlink()


@contextlib.contextmanager
def _home(folder: Path, how: int) -> Iterator[int]:
    """An upload's folder with its lock, or BlockingIOError."""
    home = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with locked(home, how | fcntl.LOCK_NB):
            yield home
    finally:
        os.close(home)


def _names(folder: Path) -> Sequence[str]:
    try:
        return [path.name for path in (folder / "parts").iterdir()]
    except FileNotFoundError:
        return []


def _unmarked(folder: Path) -> set[str]:
    return {name for name in _names(folder) if not name.isdecimal()}


def _clear(folder: Path, names: Collection[str]) -> None:
    for name in names:
        (folder / "parts" / name).unlink(missing_ok=True)


def _markers(folder: Path) -> Sequence[tuple[Part, str]]:
    numbers = sorted(int(name) for name in _names(folder) if name.isdecimal())
    try:
        parts = os.open(folder / "parts", os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return []
    try:
        return [found for number in numbers if (found := _marker(number, parts)) is not None]
    finally:
        os.close(parts)


def _join(folder: Path, part_size: int, elsewhere: Mapping[str, int]) -> None:
    """Make the source: what lies elsewhere goes to its offset, and the file gets its name."""
    whole = os.open(folder / "source.partial", os.O_RDWR)
    try:
        for place, number in elsewhere.items():
            with (folder / "parts" / place).open("rb", 0) as own:
                at = (number - 1) * part_size
                while piece := own.read(MIB):
                    write_at(whole, [piece], at)
                    at += len(piece)
        os.fsync(whole)
    finally:
        os.close(whole)
    sync(folder / "parts")  # what the source is made of is marked for good before it has its name
    (folder / "source.partial").rename(folder / "source")


async def _pour(
    write: Callable[[Sequence[bytes], int], None], size: int, chunks: AsyncIterator[bytes], gather: int
) -> Etag:
    """Write ``chunks``. Raises Invalid (``size_mismatch``) unless they are ``size`` bytes.

    Writing each chunk at once would be the fastest, until the kernel makes a writer wait for the disk and the
    loop with it; a thread for each chunk costs more than the write. So a MiB at a time goes to a thread, as it
    came and uncopied, while the next one gathers.
    """
    etag = Etag()
    gathered: list[bytes] = []
    written = 0
    writing: asyncio.Task[None] | None = None
    try:
        async for chunk in chunks:
            if etag.size + len(chunk) > size:
                raise size_mismatch(size)
            # Here and not in the thread, which would hand the interpreter back and forth for every chunk.
            etag.add(chunk)
            gathered.append(chunk)
            if etag.size - written >= gather or len(gathered) == _PIECES_MOST:
                if writing is not None:
                    await writing
                writing = asyncio.create_task(when_free(partial(write, gathered, written)))
                gathered, written = [], etag.size
        if etag.size != size:
            raise size_mismatch(size)
    finally:
        if writing is not None:
            await ended(asyncio.gather(writing, return_exceptions=True))
    if writing is not None:
        await writing
    await when_free(partial(write, gathered, written))
    return etag
