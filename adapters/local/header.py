"""What a database file says of itself, and its log of it, before anyone opens it (sqlite.org/fileformat.html).

To open a file is to change it: its log is taken in, or removed. What is not ours, or not whole, is better left alone.
"""

import os
import struct
from collections.abc import Set as AbstractSet
from pathlib import Path

from adapters.local.schema import APPLICATION, MIGRATIONS
from domain.errors import Invalid

_HEADER = 108
"""The file's header, and the beginning of the schema's behind it."""
_PAGE_SIZE_AT, _CHANGES_AT, _PAGES_AT, _USER_VERSION_AT, _APPLICATION_AT, _CHANGES_THEN_AT, _SCHEMA_AT = (
    16, 24, 28, 60, 68, 92, 100,
)  # fmt: skip
_LEAF = 0x0D
_LARGEST_PAGE = 65536
"""Too large a number for its place; there it is 1."""
_LOG_HEADER, _FRAME_HEADER = 32, 24
_SALT = slice(16, 24)
_FRAME_SALT = slice(8, 16)


def check_header(path: Path) -> int:
    """Look at what is there without opening it: its schema, 0 where nothing is yet. Raises Invalid
    (``database_newer``, ``database_unusable``).
    """
    try:
        header = _start_of(path, _HEADER)
        if not header:  # made at most, and not yet written to
            # SQLite would take it for the log of another file, and remove it.
            if _logged_pages(path) and not _start_of(path, 1):
                raise _cut_off(path, "its log is there, and nothing of itself")
            return 0
        _check_whole(path, header)
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}", code="database_unusable") from error
    if len(header) < _HEADER or not header.startswith(b"SQLite format 3\0"):
        raise Invalid(f"{path} is no database", code="database_unusable")
    version, application = (struct.unpack_from(">i", header, at)[0] for at in (_USER_VERSION_AT, _APPLICATION_AT))
    kind, cells = struct.unpack_from(">BxxH", header, _SCHEMA_AT)
    # Ours has no mark as long as nothing at all is in it.
    if application != APPLICATION and (application or version or kind != _LEAF or cells):
        raise Invalid(f"{path} is a database of another program", code="database_unusable")
    check_version(version, len(MIGRATIONS), path)
    return int(version)


def _start_of(path: Path, size: int) -> bytes:
    """Nothing of a file that is not there."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except FileNotFoundError:
        return b""


def _check_whole(path: Path, header: bytes) -> None:
    """Raises Invalid for a file without pages that it says it has. Those in the log it may lack: whoever moved them was
    cut off, and the next one goes on.
    """
    if len(header) < _HEADER or header[_CHANGES_AT:][:4] != header[_CHANGES_THEN_AT:][:4]:  # how many is not kept then
        return
    size = struct.unpack_from(">H", header, _PAGE_SIZE_AT)[0]
    pages = struct.unpack_from(">I", header, _PAGES_AT)[0]
    size = _LARGEST_PAGE if size == 1 else max(size, 1)
    if path.stat().st_size // size >= pages:
        return
    logged = _logged_pages(path)  # before the size: what leaves the log in between has been moved
    lacking = frozenset(range(path.stat().st_size // size + 1, pages + 1)) - logged
    if lacking:
        raise _cut_off(path, f"{len(lacking)} of its {pages} pages are not there")


def _logged_pages(path: Path) -> AbstractSet[int]:
    """The numbers of the pages in a file's log."""
    found = set[int]()
    try:
        with path.with_name(f"{path.name}-wal").open("rb") as log:
            head = log.read(_LOG_HEADER)
            if len(head) == _LOG_HEADER:
                size = struct.unpack_from(">I", head, 8)[0]
                while len(frame := log.read(_FRAME_HEADER)) == _FRAME_HEADER and frame[_FRAME_SALT] == head[_SALT]:
                    found.add(struct.unpack_from(">I", frame)[0])
                    log.seek(size, os.SEEK_CUR)
    except FileNotFoundError:
        pass
    return found


def _cut_off(path: Path, what: str) -> Invalid:
    return Invalid(f"{path} was cut off: {what}. Restore a backup", code="database_unusable")


def check_version(version: int, known: int, path: Path) -> None:
    """Raises Invalid (``database_newer``)."""
    if version > known:
        message = f"{path} was written by a later version of Hexcast (schema {version}, this knows {known})"
        raise Invalid(message, code="database_newer")
