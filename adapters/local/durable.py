"""What a file system must be told so that a power cut takes nothing back, and what it says when it is full.

A file's content is synchronised before a rename gives it its name, the folder that holds the name after it:
until then nobody may be told that it is there. Names go without a word to the disk; what comes back after a
power cut is removed once more.
"""

import asyncio
import errno
import fcntl
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from adapters.local.database import micros, moment
from domain.errors import Unavailable

T = TypeVar("T")

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_NOT_EMPTY = {errno.ENOTEMPTY, errno.EEXIST}
_AGAIN_S = 0.01


@contextmanager
def room() -> Iterator[None]:
    """A full disk as an error that a client may wait out."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise Unavailable("there is no room for this just now", code="insufficient_storage") from error


@contextmanager
def locked(handle: int, how: int) -> Iterator[None]:
    """With the lock of an open file or folder, which goes with whoever holds it (flock)."""
    fcntl.flock(handle, how)
    try:
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)


def sync(path: Path) -> None:
    """A file's content is on the disk, or the names in a folder are."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_up(folder: Path, root: Path) -> None:
    """The folder and what holds it, up to and with the root. One that is gone by now needs none."""
    while True:
        with suppress(FileNotFoundError):
            sync(folder)
        if folder == root:
            return
        folder = folder.parent


def write_at(handle: int, pieces: Sequence[bytes], at: int) -> None:
    """All of the pieces, where a disk that is nearly full takes less than it is given."""
    done = os.pwritev(handle, pieces, at)
    left = b"".join(pieces)[done:] if done < sum(map(len, pieces)) else b""
    while left:
        at += done
        done = os.pwrite(handle, left, at)
        left = left[done:]


def stamp(handle: int, at: datetime) -> None:
    """The file was put then."""
    nanoseconds = micros(at) * 1000
    os.utime(handle, ns=(nanoseconds, nanoseconds))


def stamped(found: os.stat_result) -> datetime:
    """When it was put."""
    return moment(found.st_mtime_ns // 1000)


def files(top: Path) -> Iterator[Path]:
    """The file itself, or all in a folder and below. Whatever goes meanwhile is passed over."""
    if top.is_dir():
        for folder, _, names in os.walk(top):
            yield from (Path(folder, name) for name in names)
    else:
        yield top


def remove(top: Path) -> None:
    """A file goes, or a folder with all in it, whoever else removes it or adds to it meanwhile. It takes no room."""
    while True:
        try:
            if top.is_dir():
                shutil.rmtree(top)
            else:
                top.unlink()
        except FileNotFoundError:
            if not top.exists():
                return
        except OSError as error:
            if error.errno not in _NOT_EMPTY:
                raise
        else:
            return


async def ended(future: asyncio.Future[T]) -> T:
    """Waits for it to its end, even if the caller is cancelled, perhaps again and again as anyio's scopes do."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # seen, if not told
        raise cancelled
    return future.result()


def unbroken(do: Callable[[], T]) -> Awaitable[T]:
    """In a thread, and to its end: what it works with must not be closed under it."""
    return ended(asyncio.get_running_loop().run_in_executor(None, do))


async def when_free(do: Callable[[], T]) -> T:
    """In a thread, again and again until it finds the lock free that it needs. Waiting takes no thread."""
    while True:
        try:
            return await unbroken(do)
        except BlockingIOError:
            await asyncio.sleep(_AGAIN_S)
