"""A backup: all of one machine in one file, made while its servers run; and the way back.

A tar file that any tar can read. First ``manifest.json``: the format, the schema, when it was made, and every other
file's name, size and SHA-256. Then ``hexcast.db``, a snapshot, and every media file that its records name. Files that
are shown are written once and never changed, so links to them hold them fast as they were at the snapshot, and
packing takes as long as it may. Only while the snapshot and the links are made is nothing removed.

Parts of unfinished uploads are left out: their uploads are there, and ask for their parts again.
"""

import fcntl
import hashlib
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import apsw
import msgspec
from attrs import evolve, frozen

from adapters.local.disk import removals_paused
from adapters.local.durable import room, sync
from adapters.local.header import check_header
from adapters.local.ingest import recording_source
from adapters.local.schema import MIGRATIONS
from adapters.rows import read_once
from domain.channels import Channel
from domain.errors import Conflict, Invalid, NotFound, Unavailable
from domain.media import attempt_prefix, video_prefix
from domain.uploads import Status, Upload
from domain.videos import Video

FORMAT = 1
DATABASE, MEDIA, MANIFEST = "hexcast.db", "media", "manifest.json"
_PIECE = 1024 * 1024
_RESTORING = ".restoring-"
_UNKNOWN = "0" * 64
"""A SHA-256 that is not computed yet; as long as one that is."""
# As ``adapters.files.checked``: no way up, no hidden file.
_SEGMENT = re.compile(r"(?!\.)[^/\\\x00-\x1f\x7f]{1,200}")

Progress = Callable[[str, int, int], None]
"""What is being done, how many bytes of it are, and how many there are in all."""


def silent(what: str, done: int, total: int) -> None:
    """Tells nobody."""
    del what, done, total


@frozen
class Entry:
    """A file in a backup, named as it lies below the data folder."""

    name: str
    size: int
    sha256: str = _UNKNOWN


@frozen(kw_only=True)
class Manifest:
    format: int
    schema: int
    created_at: datetime
    files: tuple[Entry, ...]


@frozen(kw_only=True)
class Backup:
    """What was backed up. ``missing``: what records name and was not there."""

    manifest: Manifest
    missing: tuple[str, ...]


@frozen
class _Head:
    """What every format's manifest says."""

    format: int
    schema: int


# --- there ----------------------------------------------------------------------------------------


def backup(database: Path, media: Path, target: Path, now: datetime, progress: Progress = silent) -> Backup:
    """Back up a database and the folder of its media into one file, which takes the place of what was there.

    Raises NotFound where there is no database, Invalid (``database_newer``, ``database_unusable``), Conflict
    (``backup_running``), Unavailable (``insufficient_storage``). Then what was at the target is still there.
    """
    target = target.absolute()
    check_header(database)
    if not database.exists():
        raise NotFound(f"there is nothing to back up: no {database}", code="no_data")
    partial = target.with_name(f"{target.name}.partial")
    with _room(), _alone(partial) as file:
        with _held(media) as scratch:
            missing = _snapshot(database, media, scratch, progress)
            packed = _pack(file, scratch, now, progress)
        file.flush()
        os.fsync(file.fileno())
        partial.rename(target)
        sync(target.parent)
    return Backup(manifest=packed, missing=missing)


@contextmanager
def _room() -> Iterator[None]:
    """A full disk as an error of the domain's, whoever ran into it."""
    try:
        with room():
            yield
    except apsw.FullError as error:
        raise Unavailable("there is no room for this just now", code="insufficient_storage") from error


@contextmanager
def _alone(partial: Path) -> Iterator[IO[bytes]]:
    """The file to be, for this process only. Its mode keeps it from others: passwords' hashes and keys are in it."""
    with os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"another backup writes {partial}", code="backup_running") from None
        try:
            file.truncate()
            yield file
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


@contextmanager
def _held(media: Path) -> Iterator[Path]:
    """A folder for the links, on the media's own file system; of backups that were killed none stays."""
    folder = media / "backup"
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / str(os.getpid())
    with _locked(folder):
        for left in folder.iterdir():
            with suppress(BlockingIOError), _locked(left, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(left)
        scratch.mkdir()
        handle = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(handle)


@contextmanager
def _locked(folder: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """With the folder's lock, which goes with whoever holds it. Raises BlockingIOError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def _snapshot(database: Path, media: Path, scratch: Path, progress: Progress) -> tuple[str, ...]:
    """The database as of one moment, and links to the files that it names; which of these are not there."""
    progress("holding", 0, 0)
    copy = scratch / DATABASE
    copy.touch(0o600)  # first, and so for as long as it is written: passwords' hashes and keys will be in it
    with removals_paused(media):
        with closing(_opened(database)) as source, closing(apsw.Connection(str(copy))) as target:
            with target.backup("main", source, "main") as copying:
                copying.step(-1)
            target.execute("PRAGMA journal_mode = DELETE").fetchall()  # so that it is one file
        with closing(_opened(copy)) as snapshot:
            return tuple(_link(snapshot, media, scratch / MEDIA))


def _opened(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)  # no reader does without the log's index
    connection.set_busy_timeout(30_000)
    connection.execute("PRAGMA query_only = ON").fetchall()
    return connection


def _link(snapshot: apsw.Connection, media: Path, into: Path) -> Iterator[str]:
    """Link the files that are named; yields those that are not there."""
    for (doc,) in snapshot.execute("SELECT doc FROM upload WHERE expires_at IS NULL"):
        upload = read_once(doc, Upload)
        if upload.status is Status.COMPLETED:
            _link_all(media, into, f"raw/{upload.id}")
            yield from _lacking(into, [upload.source])
    for (take,) in snapshot.execute("SELECT id FROM take WHERE recorded = 1"):
        _link_all(media, into, f"recordings/{take}")
        yield from _lacking(into, [recording_source(take)])
    for (doc,) in snapshot.execute("SELECT doc FROM video"):
        video = read_once(doc, Video)
        _link_all(media, into, f"media/{video_prefix(video.id)}")
        played = [attempt_prefix(video.id, video.media.attempt) + video.media.manifest] if video.media else []
        yield from _lacking(into, [f"media/{key}" for key in (*played, *sorted(video.files))])
    for (doc,) in snapshot.execute("SELECT doc FROM channel"):
        channel = read_once(doc, Channel)
        _link_all(media, into, f"media/c/{channel.id}")
        yield from _lacking(into, [f"media/{key}" for key in sorted(channel.files)])


def _lacking(into: Path, names: Iterable[str]) -> Iterator[str]:
    return (f"{MEDIA}/{name}" for name in names if not (into / name).is_file())


def _link_all(media: Path, into: Path, folder: str) -> None:
    """Every file below a folder that is whole: those that are not have a name that says so."""
    for found, _, files in os.walk(media / folder):
        here = into / Path(found).relative_to(media)
        here.mkdir(parents=True, exist_ok=True)
        for name in files:
            if _SEGMENT.fullmatch(name) and not name.endswith((".partial", ".place")):
                os.link(Path(found) / name, here / name, follow_symlinks=False)


def _pack(file: IO[bytes], scratch: Path, now: datetime, progress: Progress) -> Manifest:
    entries = [Entry(name, (scratch / name).lstat().st_size) for name in _names(scratch)]
    manifest = Manifest(format=FORMAT, schema=_schema(scratch / DATABASE), created_at=now, files=tuple(entries))
    total, done = sum(entry.size for entry in entries), 0
    # Its place is kept at the front, as long as it will be: what it says of each file is known when that is packed.
    blank = msgspec.json.encode(manifest)
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(_member(MANIFEST, len(blank), now), BytesIO(blank))
        for number, entry in enumerate(entries):
            with (scratch / entry.name).open("rb") as content:
                hashing = _Hashing(content, lambda size: progress("packing", size, total), done)
                tar.addfile(_member(entry.name, entry.size, now), hashing)  # type: ignore[arg-type]  # it reads
            entries[number] = evolve(entry, sha256=hashing.sum.hexdigest())
            done += entry.size
    packed = evolve(manifest, files=tuple(entries))
    file.seek(tarfile.BLOCKSIZE)
    file.write(msgspec.json.encode(packed))
    return packed


def _names(scratch: Path) -> list[str]:
    found = [Path(folder).relative_to(scratch) / name for folder, _, files in os.walk(scratch) for name in files]
    return sorted((path.as_posix() for path in found), key=lambda name: (name != DATABASE, name))


def _schema(database: Path) -> int:
    with closing(_opened(database)) as connection:
        number: Any = connection.execute("PRAGMA user_version").fetchall()[0][0]
        return int(number)


def _member(name: str, size: int, now: datetime) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, int(now.timestamp()), 0o600
    return member


class _Hashing:
    """A file whose content is hashed while it is read."""

    def __init__(self, file: IO[bytes], progress: Callable[[int], None], done: int) -> None:
        self._file = file
        self._progress = progress
        self._done = done
        self.sum = hashlib.sha256()

    def read(self, size: int) -> bytes:
        piece = self._file.read(size)
        self.sum.update(piece)
        self._done += len(piece)
        self._progress(self._done)
        return piece


# --- and back -------------------------------------------------------------------------------------


def restore(source: Path, data: Path, progress: Progress = silent) -> Manifest:
    """Make a data folder of a backup: all of it, or nothing.

    Raises Conflict (``data_not_empty``), Invalid (``backup_newer``; ``backup_damaged`` for what is none, or not whole,
    or not what was packed), Unavailable (``insufficient_storage``).
    """
    data = data.resolve()
    exists = data.exists()
    if exists and not (data.is_dir() and _empty(data)):
        raise Conflict(f"{data} is not empty", code="data_not_empty")
    data.parent.mkdir(parents=True, exist_ok=True)
    # A folder that is there may be where a disk is mounted: it is filled, since no other can take its place.
    name = f"{_RESTORING}{os.getpid()}"
    beside = data / name if exists else data.with_name(f".{data.name}{name}")
    with _room():
        try:
            beside.mkdir(0o700)  # as a server makes it
            manifest = _unpack(source, beside, progress)
            _prepare(beside)
            os.sync()  # thousands of files: one wait for all of them
            if exists:
                _fill(data, beside)
            else:
                beside.rename(data)
                sync(data.parent)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    return manifest


def _empty(data: Path) -> bool:
    """But for what a file system has of its own, and a restore that was killed has left."""
    return all(each.name == "lost+found" or each.name.startswith(_RESTORING) for each in data.iterdir())


def _fill(data: Path, whole: Path) -> None:
    """The database comes last: without it that is no platform."""
    filled: list[Path] = []
    try:
        for entry in sorted(whole.iterdir(), key=lambda entry: entry.name == DATABASE):
            place = data / entry.name
            entry.rename(place)
            filled.append(place)
            sync(data)
    except BaseException:
        for place in filled:
            place.rename(whole / place.name)
        raise
    whole.rmdir()


def _unpack(source: Path, into: Path, progress: Progress) -> Manifest:
    try:
        with tarfile.open(source, mode="r:") as tar:
            manifest = _manifest(tar)
            total, done = sum(entry.size for entry in manifest.files), 0
            for entry in manifest.files:
                content = _content(tar, entry)
                hashing = _Hashing(content, lambda size: progress("unpacking", size, total), done)
                path = into / entry.name
                path.parent.mkdir(parents=True, exist_ok=True)
                # For the owner only: in the database are passwords' hashes and keys.
                mode = 0o600 if entry.name == DATABASE else 0o666
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                    while piece := hashing.read(_PIECE):
                        file.write(piece)
                if hashing.sum.hexdigest() != entry.sha256:
                    raise _damaged(f"{entry.name} is not what was packed")
                done += entry.size
            if tar.next() is not None:
                raise _damaged("it holds more than its manifest names")
    except (tarfile.TarError, EOFError) as error:
        raise _damaged(str(error)) from error
    except (FileExistsError, NotADirectoryError) as error:
        raise _damaged(f"{error.filename} is in it twice") from error
    return manifest


def _damaged(why: str) -> Invalid:
    return Invalid(f"this backup cannot be restored: {why}", code="backup_damaged")


def _manifest(tar: tarfile.TarFile) -> Manifest:
    member = tar.next()
    content = tar.extractfile(member) if member is not None and member.name == MANIFEST and member.isreg() else None
    text = content.read() if content is not None else b""
    try:
        head = read_once(text, _Head)
        if head.format > FORMAT or head.schema > len(MIGRATIONS):
            message = (
                f"a later version of Hexcast made this backup (format {head.format}, schema {head.schema};"
                f" this knows {FORMAT} and {len(MIGRATIONS)})"
            )
            raise Invalid(message, code="backup_newer")
        manifest = read_once(text, Manifest)
    except msgspec.DecodeError as error:
        raise _damaged("it does not begin with a manifest") from error
    if not manifest.files or manifest.files[0].name != DATABASE:
        raise _damaged("there is no database in it")
    for entry in manifest.files[1:]:
        top, *segments = entry.name.split("/")
        if top != MEDIA or not segments or not all(map(_SEGMENT.fullmatch, segments)):
            raise _damaged(f"{entry.name!r} is no name of a file of ours")
    return manifest


def _content(tar: tarfile.TarFile, entry: Entry) -> IO[bytes]:
    """What follows in the tar, which must be this. Nothing is ever extracted under a name that the tar chooses."""
    member = tar.next()
    content = None
    if member is not None and (member.name, member.size) == (entry.name, entry.size) and member.isreg():
        content = tar.extractfile(member)
    if content is None:
        raise _damaged(f"{entry.name} is not where it should be")
    return content


def _prepare(data: Path) -> None:
    """Uploads that are open take their parts again."""
    try:
        with closing(_opened(data / DATABASE)) as database:
            rows: Any = database.execute("SELECT id FROM upload WHERE expires_at IS NOT NULL").fetchall()
    except apsw.Error as error:
        raise _damaged(f"its database cannot be read: {error}") from error
    for (id_,) in rows:
        if not _SEGMENT.fullmatch(id_):
            raise _damaged(f"{id_!r} is no name of an upload")
        folder = data / MEDIA / "raw" / id_
        (folder / "parts").mkdir(parents=True, exist_ok=True)
        (folder / "source.partial").touch()
