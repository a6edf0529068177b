"""The one SQLite file of this machine: how it is opened, read, written to and kept from harm.

Reads run on the thread that asks, on a connection of their own. In write-ahead mode they wait for nobody, and what
they read lies in the page cache nearly always: handing them to a thread takes five times as long as they do.

Writes run in one thread, and all that wait while it is busy make one transaction: one wait for the disk serves them
all. If one of them is refused they are done once more, each in a savepoint, so that it takes nothing of the others along. The level is FULL: when a write
is answered, it is on the disk, and a power cut takes nothing back. NORMAL would be four times as fast for one writer
alone, and lose the last writes.

Several processes may open the file. Of their writers one has the turn, the others wait in line (``_Line``).
"""

import asyncio
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

import apsw
from attrs import define, field

from adapters.local.header import check_header, check_version
from adapters.local.schema import APPLICATION, MIGRATIONS
from domain.errors import Invalid, Unavailable

T = TypeVar("T")
Row = tuple[Any, ...]
Values = Sequence[Any]

TURN_S = 30.0
"""How long a writer waits for the turn: far beyond what a transaction takes, short of what a client bears."""
LOOK_S = 0.0005
LINE = "-line"
"""What the file beside the database is called that writers line up at."""
BATCH_MOST = 256
CACHE_KIB, READ_CACHE_KIB = 32 * 1024, 128 * 1024
"""Pages kept by each connection at the most, and by the one that requests read from. A page that is not kept is copied
from the operating system: a page of comments, from 10 million of them, takes twice as long so.
"""
CHECKPOINT_PAGES = 4000
"""The log grows to 16 MiB before its pages are moved to the file."""
LOG_BYTES = 64 * 1024 * 1024
"""What the log keeps of its size once all of it was moved: someone who reads for long lets it grow."""
STATEMENTS_MOST = 400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)

DECLARED: list[str] = []
"""Every statement that repositories run: a test explains each, and finds that none reads a whole table."""


def sql(text: str) -> str:
    """A statement, declared."""
    DECLARED.append(text)
    return text


@define(eq=False)
class Request:
    """One with an idempotency key, which whoever runs in this context is to answer. ``over``: they did, or gave up."""

    key: str
    over: bool = False


current_request: ContextVar[Request | None] = ContextVar("current_request", default=None)
"""Whose effect it is what this context writes. Tasks made in it take the request along, and see when it is over."""
_EFFECTED = sql("UPDATE request SET effected = 1 WHERE key = ? AND status IS NULL")


def micros(at: datetime) -> int:
    """A time as it is stored: whole microseconds since 1970."""
    return (at - _EPOCH) // _MICRO


def moment(stored: int) -> datetime:
    """The time back, aware UTC."""
    return _EPOCH + stored * _MICRO


class Transaction:
    """What work in the writer's thread may do. All of it is stored, or nothing."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._then: list[Callable[[], object]] = []

    def rows(self, statement: str, values: Values = ()) -> list[Row]:
        return self._connection.execute(statement, values).fetchall()

    def row(self, statement: str, values: Values = ()) -> Row | None:
        """The first, if there is one."""
        rows = self.rows(statement, values)
        return rows[0] if rows else None

    def run(self, statement: str, values: Values = ()) -> int:
        """How many rows it changed."""
        self._connection.execute(statement, values).fetchall()
        return self._connection.changes()

    def many(self, statement: str, each: Sequence[Values]) -> int:
        """How many rows all of them changed."""
        before = self._connection.total_changes()
        self._connection.executemany(statement, each).fetchall()
        return self._connection.total_changes() - before

    def then(self, call: Callable[[], object]) -> None:
        """Call this on the event loop once it is all stored."""
        self._then.append(call)


@define(eq=False)
class _Job:
    work: Callable[[Transaction], Any]
    future: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop
    request: str | None
    result: Any = None
    error: BaseException | None = None
    then: Sequence[Callable[[], object]] = ()

    def resolve(self) -> None:
        if self.error is None:
            for call in self.then:
                self.loop.call_soon(call)  # before whoever waits goes on; what one raises is its own affair
        if self.future.cancelled():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class _Line:
    """Where the writers of several processes wait. SQLite gives its lock to whoever looks first, and that is the one
    who has just let go of it: the others would get it by luck. So only one at a time may wait for SQLite's lock, and
    whoever wants it again has to get in line behind.

    A file of its own: to close one of SQLite's files would give up SQLite's locks.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextmanager
    def first(self) -> Iterator[None]:
        """Raises Unavailable (``database_busy``)."""
        until = time.monotonic() + TURN_S
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > until:
                raise _busy()
            time.sleep(LOOK_S)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._file)


@define
class _Threads:
    """Those that a database made: the writer's, and one that reads aside."""

    writer: Thread
    aside: ThreadPoolExecutor = field(factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="sqlite-aside"))


class Database:
    """An open file. ``close`` it; whoever opens it next finds all that was acknowledged.

    Raises Invalid: ``database_newer`` for one that a later version has written, ``database_unusable`` for what is no
    database of ours or cannot be opened. Neither is touched.
    """

    def __init__(self, path: Path, *, durable: bool = True, vfs: str | None = None) -> None:
        """``durable`` False leaves it to the operating system when to write: for tests."""
        self.path = path
        self._vfs = vfs
        check_header(path)
        with _opening(path), ExitStack() as opened:
            if not path.exists():
                path.touch(0o600)  # passwords' hashes and keys will be in it
            if not os.access(path, os.R_OK | os.W_OK):  # SQLite would open it all the same, and deny each write
                raise PermissionError(errno.EACCES, "it may not be written to")
            self._line = _Line(path.with_name(path.name + LINE))
            opened.callback(self._line.close)
            self._write = self._connect()
            opened.callback(self._write.close)
            self._write.execute("PRAGMA journal_mode = WAL").fetchall()
            self._write.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}").fetchall()
            self._write.wal_autocheckpoint(CHECKPOINT_PAGES)
            self._write.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}").fetchall()
            migrate(self._write)
            self._read = self._connect(reading=True, cache_kib=READ_CACHE_KIB)
            self._aside_read: apsw.Connection | None = None
            opened.pop_all()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._threads = _Threads(Thread(target=self._serve, name="sqlite-writer", daemon=True))
        self._threads.writer.start()

    # --- reading

    def rows(self, statement: str, values: Values = ()) -> list[Row]:
        """As of the last commit, whosever it was."""
        try:  # no context manager: it would take as long as a small read
            return self._read.execute(statement, values).fetchall()
        except apsw.Error as error:
            raise _known(error) from error

    def row(self, statement: str, values: Values = ()) -> Row | None:
        """The first, if there is one."""
        rows = self.rows(statement, values)
        return rows[0] if rows else None

    def changes(self) -> int:
        """A number that is another one after every commit, of any process."""
        with _translated():
            return _number(self._read, "PRAGMA data_version")

    async def aside(self, work: Callable[[apsw.Connection], T]) -> T:
        """Work that takes long, on a connection that only reads and in a thread of its own."""

        def done() -> T:
            with _translated():
                if self._aside_read is None:
                    self._aside_read = self._connect(reading=True)
                return work(self._aside_read)

        if self._closed:
            raise _closed()
        return await asyncio.get_running_loop().run_in_executor(self._threads.aside, done)

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A connection that only reads, for work that lasts: all of it is as of one moment. It may be handed from
        thread to thread, but not shared by two. The log cannot be emptied meanwhile, and grows.
        """
        with _translated():
            connection = self._connect(reading=True)
            try:
                connection.execute("BEGIN").fetchall()
                connection.execute("SELECT 1 FROM setting LIMIT 1").fetchall()  # the first read sets the moment
                yield connection
            finally:
                connection.close()

    # --- writing

    async def write(self, work: Callable[[Transaction], T], *, effect: bool = True) -> T:
        """What ``work`` returns, once what it wrote is on the disk. What it raises undoes all of it.

        It may run twice if the first time came to nothing, so it must have no effect but through the transaction.
        With what it changes, the current request is marked as one that had an effect, unless that (``effect``) is
        none of the request's: should the process die before it answers, nobody carries the request out again.
        Raises Unavailable (``insufficient_storage``, ``database_busy``, ``database_closed``).
        """
        if self._closed:
            raise _closed()
        loop = asyncio.get_running_loop()
        request = current_request.get() if effect else None
        key = None if request is None or request.over else request.key
        job = _Job(work, loop.create_future(), loop, key)
        self._queue.put(job)
        result: T = await job.future
        return result

    def close(self) -> None:
        """After what is under way. The log is moved to the file, which then holds all there is."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._threads.writer.join()
        self._threads.aside.shutdown()
        for connection in (self._aside_read, self._read):
            if connection is not None:
                connection.close()
        # Without PRAGMA optimize: every statement has its index, and what was counted while tables were small would
        # later make SQLite read them whole.
        self._write.close()
        self._line.close()

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            ends = False
            while not self._queue.empty() and len(batch) < BATCH_MOST:
                job = self._queue.get()
                if job is None:
                    ends = True
                    break
                batch.append(job)
            self._commit(batch)
            for loop in {job.loop for job in batch}:
                # A loop that is gone has nobody who waits.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(_resolve, [job for job in batch if job.loop is loop])
            if ends:
                return

    def _commit(self, batch: Sequence[_Job], *, apart: bool = False) -> None:
        """One transaction; if it comes to nothing, nobody's part was stored. ``apart``: each in a savepoint."""
        connection = self._write
        try:
            with _translated():
                with self._line.first():
                    connection.execute("BEGIN IMMEDIATE").fetchall()
                for job in batch:
                    self._do(job, apart=apart)
                connection.execute("COMMIT").fetchall()
        except Exception as error:  # noqa: BLE001  (it goes to whoever waits)
            with suppress(
                apsw.Error
            ):  # what cannot be undone now is undone by the next BEGIN, or by whoever opens the file
                if connection.in_transaction:
                    connection.execute("ROLLBACK").fetchall()
            if len(batch) == 1 or (isinstance(error, Unavailable) and error.code == "database_busy"):
                for job in batch:
                    job.error = error
            elif not apart:
                self._commit(batch, apart=True)
            else:  # what was too much for all of them may go well for some
                for job in batch:
                    job.error = None
                    self._commit([job])

    def _do(self, job: _Job, *, apart: bool) -> None:
        """``apart`` from others in the same transaction: if it is refused, they are not."""
        connection, transaction = self._write, Transaction(self._write)
        if apart:
            connection.execute("SAVEPOINT job").fetchall()
        before = connection.total_changes()
        try:
            job.result = job.work(transaction)
            if job.request is not None and connection.total_changes() != before:
                transaction.run(_EFFECTED, (job.request,))
            job.then = transaction._then  # noqa: SLF001  (its own)
        except Exception as error:
            if not apart or not connection.in_transaction:  # a full disk ends it whole
                raise
            connection.execute("ROLLBACK TO job").fetchall()
            job.error = _known(error)
        if apart:
            connection.execute("RELEASE job").fetchall()

    def _connect(self, *, reading: bool = False, cache_kib: int = CACHE_KIB) -> apsw.Connection:
        connection = apsw.Connection(str(self.path), vfs=self._vfs, statementcachesize=STATEMENTS_MOST)
        # The first makes whoever waits for a lock look again every millisecond; the second is for all other waits.
        connection.setlk_timeout(int(TURN_S * 1000), 0)
        connection.set_busy_timeout(int(TURN_S * 1000))
        for pragma in (
            "foreign_keys = ON", "trusted_schema = OFF", f"cache_size = -{cache_kib}", "temp_store = MEMORY",
            *(["query_only = ON"] if reading else []),
        ):  # fmt: skip
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return connection


def _resolve(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        job.resolve()


def migrate(connection: apsw.Connection, to: int | None = None) -> None:
    """Step by step to the schema ``to`` (the last one), each step whole or not at all.

    Raises Invalid (``database_newer``): what is in the log still, ``check_header`` has not seen.
    """
    to = len(MIGRATIONS) if to is None else to
    while True:
        connection.execute("BEGIN IMMEDIATE").fetchall()
        try:
            version = _number(connection, "PRAGMA user_version")
            check_version(version, len(MIGRATIONS), Path(connection.filename))
            if version >= to:
                connection.execute("ROLLBACK").fetchall()
                return
            for _ in connection.execute(MIGRATIONS[version]):
                pass
            connection.execute(f"PRAGMA application_id = {APPLICATION}").fetchall()
            connection.execute(f"PRAGMA user_version = {version + 1}").fetchall()
            connection.execute("COMMIT").fetchall()
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK").fetchall()
            raise
        # Into the file: what an older version looks at before it opens a database (``check_header``).
        with suppress(apsw.BusyError):  # someone reads the log; the next checkpoint does it
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def _number(connection: apsw.Connection, statement: str) -> int:
    number: Any = connection.execute(statement).fetchall()[0][0]
    return int(number)


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    try:
        yield
    except (
        apsw.CantOpenError,
        apsw.ReadOnlyError,
        apsw.NotADBError,
        apsw.CorruptError,
        apsw.PermissionsError,
    ) as error:
        raise Invalid(f"{path} cannot be opened: {error}", code="database_unusable") from error
    except OSError as error:
        raise Invalid(f"{path} cannot be opened: {error.strerror or error}", code="database_unusable") from error
    except apsw.Error as error:
        raise _known(error) from error


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        raise _known(error) from error


def _known(error: Exception) -> Exception:
    """SQLite's errors that a caller can act on, as the domain's; others as they are."""
    # The memory that processes share has a file too, and for that a full disk is an error of its own.
    shared = getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE
    if shared or isinstance(error, apsw.FullError):
        return Unavailable("there is no room for this just now", code="insufficient_storage")
    if isinstance(error, (apsw.BusyError, apsw.LockedError)):
        return _busy()
    if isinstance(error, apsw.ConnectionClosedError):
        return _closed()
    return error


def _busy() -> Unavailable:
    return Unavailable("the database has been busy for long", code="database_busy")


def _closed() -> Unavailable:
    return Unavailable("the database is closed", code="database_closed")
