"""What the SQLite file promises beneath the repositories: no slow statement, no lost write, no harm to other files."""

import asyncio
import fcntl
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw
import apsw.ext
import pytest

import adapters.local
from adapters.cursors import encoded
from adapters.local import database as under_test
from adapters.local.database import BATCH_MOST, DECLARED, Database, Transaction
from adapters.local.outbox import SqliteOutbox
from adapters.local.schema import APPLICATION, MIGRATIONS
from adapters.local.shelves import FIRST, LAST, start
from adapters.local.videos import SqliteVideos
from adapters.system import Ulids
from domain.errors import Invalid, Stale, Unavailable
from tests.adapters.disks import Disk
from tests.contract.test_videos import shown
from tests.strategies import START

for module in pkgutil.iter_modules(adapters.local.__path__, "adapters.local."):
    importlib.import_module(module.name)

KEEP = "INSERT INTO setting (name, value) VALUES (?, 'kept')"
KEPT = "SELECT name FROM setting ORDER BY name"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hexcast.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    opened = Database(path, durable=False)
    yield opened
    opened.close()


def keep(name: str) -> Callable[[Transaction], str]:
    """Work that stores the name, and returns it."""

    def work(transaction: Transaction) -> str:
        transaction.run(KEEP, (name,))
        return name

    return work


def kept(database: Database) -> Sequence[str]:
    return [name for (name,) in database.rows(KEPT)]


def lying_in(folder: Path) -> Sequence[str]:
    return sorted(each.name for each in folder.iterdir())


def named(error: object) -> str:
    """Its kind and code."""
    return f"{type(error).__name__} {getattr(error, 'code', '')}"


class Line:
    """Work waits in line while the writer is held up, and is then taken at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held, self._go = threading.Event(), threading.Event()
        self._tasks: list[asyncio.Task[Any]] = []

    @classmethod
    async def before(cls, database: Database) -> "Line":
        line = cls(database)
        line.join(line._hold)
        await asyncio.to_thread(line._held.wait)
        return line

    def join(self, work: Callable[[Transaction], Any]) -> None:
        self._tasks.append(asyncio.ensure_future(self._database.write(work)))

    async def open(self) -> None:
        """The writer is held up no more."""
        await asyncio.sleep(0)  # until all have joined
        self._go.set()

    async def served(self) -> Sequence[Any]:
        """What came of each, result or error."""
        await self.open()
        _, *results = await asyncio.gather(*self._tasks, return_exceptions=True)
        return results

    def _hold(self, _: Transaction) -> None:
        self._held.set()
        self._go.wait()


# --- statements


def complaints(connection: apsw.Connection, statement: str) -> Sequence[str]:
    """The steps of its plan that take longer the more there is: whole tables and indices, and sorting."""
    count = apsw.ext.query_info(connection, statement).bindings_count
    steps = [str(step[3]) for step in connection.execute(statement, (None,) * count, explain=2)]
    made = {step.split(" ", 1)[1] for step in steps if step.startswith(("MATERIALIZE ", "CO-ROUTINE "))}

    def slow(step: str) -> bool:
        if step.startswith("SCAN "):
            what = step.removeprefix("SCAN ")
            walks = " INDEX " in what and re.search(r"\bLIMIT\b", statement)
            return not (what in made or "VIRTUAL TABLE" in what or "CONSTANT ROW" in what or walks)
        return ("TEMP B-TREE" in step and "ORDER BY" in step) or "AUTOMATIC" in step

    return [step for step in steps if slow(step)]


def test_every_statement_is_served_by_an_index(database: Database) -> None:
    """None reads a whole table or index, or sorts what it found."""
    assert len(DECLARED) > 50
    slow = {statement: found for statement in DECLARED if (found := complaints(database._read, statement))}
    assert slow == {}


async def test_what_was_small_once_is_not_taken_for_small(path: Path) -> None:
    """Nothing is noted of how few rows there were: statements go on to use their indices."""
    for _ in range(2):
        database = Database(path, durable=False)
        videos = SqliteVideos(database, SqliteOutbox(database, Ulids(lambda: START)))
        saved = await videos.save((await videos.many([shown(1).id])).get(shown(1).id, shown(1)))
        assert await videos.many([saved.id]) == {saved.id: saved}
        assert not [found for statement in DECLARED if (found := complaints(database._read, statement))]
        database.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT doc FROM video",
        "SELECT doc FROM video AS each WHERE version = ? LIMIT 1",
        "SELECT channel FROM video",
        "SELECT id FROM video WHERE channel = ? ORDER BY publish_at",
        "SELECT id FROM video WHERE channel = ? ORDER BY created_at, version",
        "SELECT count(*) FROM video",
        "SELECT doc FROM member JOIN channel ON channel.n = member.channel WHERE member.created_at = ?",
        "SELECT value FROM json_each(?) AS asked JOIN video ON video.version = asked.value",
        "WITH some AS MATERIALIZED (SELECT id FROM video) SELECT * FROM some",
        "DELETE FROM tag WHERE listed_at < ?",
        "UPDATE video SET version = 0 WHERE listed_at IS NOT ?",
    ],
)
def test_a_statement_that_reads_or_sorts_it_all_is_found(database: Database, statement: str) -> None:
    """By the table, by an alias, by a covering index, by an index made for the purpose; sorted wholly or in part."""
    assert complaints(database._read, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT doc FROM video WHERE id IN (SELECT value FROM json_each(?))",
        "SELECT id FROM video WHERE listed_at IS NOT NULL ORDER BY listed_at DESC, id DESC LIMIT ?",
        "WITH some AS MATERIALIZED (SELECT id FROM video WHERE channel = ?) SELECT * FROM some",
        "SELECT rowid FROM words WHERE words MATCH ?",
        "INSERT INTO setting VALUES (?, ?)",
    ],
)
def test_a_statement_that_reads_what_it_needs_is_not(database: Database, statement: str) -> None:
    """Lists that were passed, steps along an index, results in between, and full text."""
    assert not complaints(database._read, statement)


# --- writing


async def test_writes_that_wait_are_one_transaction(database: Database) -> None:
    """As many as there may be in one; all are stored, and each gets its own result."""
    commits = 0

    def committed() -> bool:
        nonlocal commits
        commits += 1
        return False

    database._write.set_commit_hook(committed)
    names = [f"{number:04}" for number in range(2 * BATCH_MOST)]
    line = await Line.before(database)
    for name in names:
        line.join(keep(name))
    assert await line.served() == names
    assert kept(database) == names
    assert commits == 3  # with the one that held the others up


async def test_what_is_refused_takes_nothing_along(database: Database) -> None:
    """Before or after it has written, by us or by SQLite; the others of its transaction are stored."""

    def refuse(transaction: Transaction) -> None:
        transaction.run(KEEP, ("refused",))
        raise Stale("this")

    def twice(transaction: Transaction) -> None:
        transaction.many(KEEP, [("twice",), ("twice",)])

    def fail(_: Transaction) -> None:
        raise RuntimeError("a mistake")

    line = await Line.before(database)
    for work in (keep("a"), refuse, keep("b"), twice, fail, keep("c")):
        line.join(work)
    first, stale, second, broken, mistaken, third = await line.served()
    assert (first, second, third) == ("a", "b", "c")
    assert [type(error) for error in (stale, broken, mistaken)] == [Stale, apsw.ConstraintError, RuntimeError]
    assert kept(database) == ["a", "b", "c"]


async def test_work_that_follows_reads_what_came_before(database: Database) -> None:
    """Also within one transaction, so that a check and what depends on it are exact."""

    def once(transaction: Transaction) -> bool:
        if transaction.row("SELECT 1 FROM setting WHERE name = 'once'"):
            return False
        return transaction.run(KEEP, ("once",)) == 1

    line = await Line.before(database)
    for _ in range(5):
        line.join(once)
    assert await line.served() == [True, False, False, False, False]


async def test_what_shall_follow_follows_the_commit(database: Database) -> None:
    """On the loop's thread, before the writer goes on; never after a refusal."""
    seen: list[object] = []

    def work(transaction: Transaction) -> None:
        transaction.run(KEEP, ("a",))
        transaction.then(lambda: seen.append((kept(database), threading.get_ident())))

    def refuse(transaction: Transaction) -> None:
        transaction.then(lambda: seen.append("refused"))
        raise Stale("this")

    with pytest.raises(Stale):
        await database.write(refuse)
    await database.write(work)
    assert seen == [(["a"], threading.get_ident())]


async def test_what_follows_and_fails_holds_up_nobody(database: Database) -> None:
    """It is told to the loop, and everybody gets an answer."""
    told: list[object] = []

    def fail() -> None:
        raise RuntimeError("a mistake")

    def work(transaction: Transaction) -> str:
        transaction.then(fail)
        return keep("a")(transaction)

    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: told.append(type(context["exception"])))
    try:
        line = await Line.before(database)
        line.join(work)
        line.join(keep("b"))
        assert await line.served() == ["a", "b"]
    finally:
        loop.set_exception_handler(before)
    assert told == [RuntimeError]


async def test_who_no_longer_waits_is_no_trouble(database: Database) -> None:
    """What was begun is stored, and the others go on."""
    line = await Line.before(database)
    line.join(keep("a"))
    await asyncio.sleep(0)
    line._tasks.pop().cancel()
    line.join(keep("b"))
    assert await line.served() == ["b"]
    assert kept(database) == ["a", "b"]


async def test_who_waits_for_another_process_is_next(path: Path, database: Database) -> None:
    """Not when the other leaves a gap: it might not, for seconds."""
    order: list[str] = []
    begun, over = threading.Event(), threading.Event()

    def long(_: Transaction) -> None:
        begun.set()
        assert over.wait(10)
        order.append("first")

    with closing(Database(path, durable=False)) as other:
        writes = [asyncio.create_task(database.write(long))]
        await asyncio.to_thread(begun.wait, 10)
        writes.append(asyncio.create_task(other.write(lambda _: order.append("other"))))
        await asyncio.to_thread(_until_waited_for, path)
        writes.append(asyncio.create_task(database.write(lambda _: order.append("second"))))
        await asyncio.sleep(0)
        over.set()
        await asyncio.gather(*writes)
    assert order == ["first", "other", "second"]


def _until_waited_for(path: Path) -> None:
    """Someone is in the line."""
    with path.with_name(path.name + under_test.LINE).open() as file, suppress(BlockingIOError):
        while True:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_UN)


async def test_a_database_that_stays_busy_is_unavailable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For all who wait; once the other is done, writes go on."""
    monkeypatch.setattr(under_test, "TURN_S", 0.01)
    database = Database(path, durable=False)
    with apsw.Connection(str(path)) as other:
        other.execute("INSERT INTO setting VALUES ('other', 'kept')")
        refused = await asyncio.gather(*(database.write(keep(name)) for name in "ab"), return_exceptions=True)
    assert list(map(named, refused)) == ["Unavailable database_busy"] * 2
    await database.write(keep("c"))
    assert kept(database) == ["c", "other"]
    database.close()


# --- reading


async def test_reads_see_what_was_acknowledged(path: Path, database: Database) -> None:
    """On every connection, of whoever has the file open."""
    other = Database(path, durable=False)
    for name in "abc":
        await database.write(keep(name))
        for each in (database, other):
            assert kept(each)[-1] == name
            assert each.row("SELECT 1 FROM setting WHERE name = ?", (name,)) == (1,)
            assert await each.aside(lambda connection: connection.execute(KEPT).fetchall()[-1]) == (name,)
    assert database.row("SELECT 1 FROM setting WHERE name = 'd'") is None
    other.close()


def _keep_elsewhere(path: Path, name: str) -> None:
    """In another process."""
    script = f"import apsw, sys; apsw.Connection(sys.argv[1]).execute({KEEP!r}, sys.argv[2:])"
    subprocess.run([sys.executable, "-c", script, path, name], check=True)


async def test_changes_is_another_number_after_each_commit(path: Path, database: Database) -> None:
    """Our own, another's in this process, and another process'; not after reads, refusals, and what changes nothing."""
    seen = [database.changes()]

    def changed() -> bool:
        seen.append(database.changes())
        return seen[-1] not in seen[:-1]

    assert not changed()
    await database.write(keep("a"))
    assert changed()
    assert kept(database) == ["a"]
    assert not changed()
    with pytest.raises(apsw.ConstraintError):
        await database.write(keep("a"))
    await database.write(lambda transaction: transaction.run("DELETE FROM setting WHERE name = 'none'"))
    assert not changed()
    other = Database(path, durable=False)
    await other.write(keep("b"))
    assert changed()
    other.close()
    _keep_elsewhere(path, "c")
    assert changed()
    assert kept(database) == ["a", "b", "c"]


async def test_what_is_read_aside_is_read_by_another_thread(database: Database) -> None:
    """It may take its time, and cannot write; its errors are its own."""
    assert await database.aside(lambda _: threading.get_ident()) != threading.get_ident()
    with pytest.raises(apsw.ReadOnlyError):
        await database.aside(lambda connection: connection.execute(KEEP, ("a",)).fetchall())
    assert await database.aside(lambda connection: connection.execute(KEPT).fetchall()) == []


# --- opening and closing


async def test_close_stores_what_was_begun(path: Path) -> None:
    """Once, however often it is called; then the file is all there is, and says no."""
    database = Database(path)
    line = await Line.before(database)
    line.join(keep("a"))
    await line.open()
    database.close()
    database.close()
    assert await line.served() == ["a"]
    with pytest.raises(Unavailable) as refused:
        await database.write(keep("b"))
    assert refused.value.code == "database_closed"
    with pytest.raises(Unavailable) as refused:
        await database.aside(lambda _: None)
    assert refused.value.code == "database_closed"
    for read in (lambda: kept(database), database.changes):
        with pytest.raises(Unavailable) as refused:
            read()
        assert refused.value.code == "database_closed"
    assert lying_in(path.parent) == [path.name, path.name + under_test.LINE]
    again = Database(path)
    assert kept(again) == ["a"]
    again.close()


async def test_nobody_else_may_read_it(path: Path) -> None:
    """Nor the files beside it."""
    mask = os.umask(0)
    try:
        database = Database(path)
        await database.write(keep("a"))
        modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
        database.close()
    finally:
        os.umask(mask)
    assert modes == dict.fromkeys([f"hexcast.db{end}" for end in ("", "-line", "-wal", "-shm")], 0o600)


async def test_many_may_open_a_new_one_at_once(path: Path) -> None:
    """Its tables are made once."""
    barrier = threading.Barrier(4)

    def opened() -> Database:
        barrier.wait()
        return Database(path, durable=False)

    with ThreadPoolExecutor(4) as threads:
        databases = [each.result() for each in [threads.submit(opened) for _ in range(4)]]
    for number, database in enumerate(databases):
        await database.write(keep(str(number)))
    for database in databases:
        assert kept(database) == ["0", "1", "2", "3"]
        database.close()


def test_one_that_was_just_made_is_ours(path: Path) -> None:
    """Empty, or with nothing but the header: a process ended before it had made the tables."""
    path.touch()
    Database(path).close()
    path.unlink()
    other = apsw.Connection(str(path))
    other.execute("PRAGMA journal_mode = WAL").fetchall()
    other.close()
    assert path.stat().st_size
    Database(path).close()


def _of_another(path: Path, *pragmas: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("".join(f"PRAGMA {pragma};" for pragma in pragmas) + "CREATE TABLE theirs (a)").fetchall()
    connection.close()


def _newer(path: Path) -> None:
    Database(path).close()
    connection = apsw.Connection(str(path))
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}").fetchall()
    connection.close()


@pytest.mark.parametrize(
    ("made", "code"),
    [
        pytest.param(_newer, "database_newer", id="newer"),
        *(
            pytest.param(made, "database_unusable", id=name)
            for name, made in {
                "theirs": _of_another,
                "theirs_with_a_log": lambda path: _of_another(path, "journal_mode = WAL"),
                "theirs_with_a_version": lambda path: _of_another(path, "user_version = 1"),
                "theirs_with_a_mark": lambda path: _of_another(path, "application_id = 7"),
                "short_text": lambda path: path.write_text("Dear diary,\n"),
                "long_text": lambda path: path.write_text("Dear diary,\n" * 1000),
                "cut_off": lambda path: path.write_bytes(b"SQLite format 3\0"),
            }.items()
        ),
    ],
)
def test_what_is_not_ours_is_left_alone(path: Path, made: Callable[[Path], object], code: str) -> None:
    """To the byte, and nothing comes to lie beside it."""
    made(path)
    before, beside = (path.read_bytes(), path.stat().st_mtime_ns), lying_in(path.parent)
    with pytest.raises(Invalid) as refused:
        Database(path)
    assert refused.value.code == code
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert lying_in(path.parent) == beside


def test_a_newer_one_is_seen_in_the_log_too(path: Path) -> None:
    """Before anything is written to it."""
    Database(path).close()
    later = apsw.Connection(str(path))
    later.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}").fetchall()
    with pytest.raises(Invalid) as refused:
        Database(path)
    assert refused.value.code == "database_newer"
    later.close()


@pytest.mark.parametrize("place", ["", "none/hexcast.db", "file/hexcast.db"])
def test_where_there_can_be_no_file_there_is_no_database(tmp_path: Path, place: str) -> None:
    """The path is a folder, or leads through one that is not there or is none."""
    (tmp_path / "file").touch()
    with pytest.raises(Invalid) as refused:
        Database(tmp_path / place)
    assert refused.value.code == "database_unusable"
    assert lying_in(tmp_path) == ["file"]


def test_a_damaged_one_is_unusable(path: Path) -> None:
    """And the complaint names the file."""
    Database(path).close()
    path.write_bytes(path.read_bytes()[:100] + b"x" * 9000)
    with pytest.raises(Invalid, match=path.name) as refused:
        Database(path)
    assert refused.value.code == "database_unusable"


# --- migrations


def _state(path: Path) -> tuple[object, ...]:
    """The marks of a database, and what is declared in it."""
    connection = apsw.Connection(str(path))
    version, application, declared = (
        connection.execute(statement).fetchall()
        for statement in ("PRAGMA user_version", "PRAGMA application_id", "SELECT name, sql FROM sqlite_schema")
    )
    connection.close()
    return version[0][0], application[0][0], sorted(map(str, declared))


async def test_a_step_that_fails_leaves_the_earlier_schema(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all that is in it; a step that goes well adds to it, and then there is no way back."""
    database = Database(path)
    await database.write(keep("a"))
    database.close()
    before = _state(path)
    assert before[:2] == (len(MIGRATIONS), APPLICATION)
    failing = "CREATE TABLE more (a); UPDATE setting SET value = 'changed'; INSERT INTO none VALUES (1);"
    with monkeypatch.context() as patched:
        patched.setattr(under_test, "MIGRATIONS", (*MIGRATIONS, failing))
        with pytest.raises(apsw.SQLError):
            Database(path)
    assert _state(path) == before
    assert lying_in(path.parent) == [path.name, path.name + under_test.LINE]
    database = Database(path)
    assert database.rows("SELECT * FROM setting") == [("a", "kept")]
    database.close()
    with monkeypatch.context() as patched:
        patched.setattr(under_test, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE more (a); INSERT INTO more VALUES (1);"))
        database = Database(path)
        assert database.rows("SELECT name, a FROM setting, more") == [("a", 1)]
        database.close()
    assert _state(path)[0] == len(MIGRATIONS) + 1
    with pytest.raises(Invalid) as refused:
        Database(path)
    assert refused.value.code == "database_newer"


# --- a full disk


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.unregister()


async def test_a_full_disk_takes_nothing_that_was_acknowledged(path: Path, disk: Disk) -> None:
    """Whoever writes is told; reads go on, and once there is room again, so do writes."""
    database = Database(path, vfs=disk.name)
    await database.write(keep("a"))
    disk.room = 0
    line = await Line.before(database)
    line.join(keep("b"))
    line.join(keep("c"))
    refused = await line.served()
    assert list(map(named, refused)) == ["Unavailable insufficient_storage"] * 2
    with pytest.raises(Unavailable) as alone:
        await database.write(keep("d"))
    assert alone.value.code == "insufficient_storage"
    assert kept(database) == ["a"]
    other = apsw.Connection(str(path))
    assert other.execute(KEPT).fetchall() == [("a",)]
    other.close()
    disk.room = sys.maxsize
    await database.write(keep("e"))
    assert kept(database) == ["a", "e"]
    database.close()
    again = Database(path)
    assert kept(again) == ["a", "e"]
    again.close()


async def test_who_wants_too_much_room_takes_nothing_along(path: Path, disk: Disk) -> None:
    """What finds room is stored, though it was to be one transaction; and followed once by what shall follow."""
    database = Database(path, vfs=disk.name)
    followed: list[str] = []

    def small(name: str) -> Callable[[Transaction], str]:
        def work(transaction: Transaction) -> str:
            transaction.then(lambda: followed.append(name))
            return keep(name)(transaction)

        return work

    def huge(transaction: Transaction) -> None:
        transaction.then(lambda: followed.append("huge"))
        transaction.run("INSERT INTO setting VALUES ('huge', ?)", ("x" * 10_000_000,))

    disk.room = 1_000_000
    line = await Line.before(database)
    for work in (small("a"), huge, small("b")):
        line.join(work)
    first, refused, second = await line.served()
    assert (first, second) == ("a", "b")
    assert named(refused) == "Unavailable insufficient_storage"
    assert kept(database) == followed == ["a", "b"]
    database.close()


# --- cursors


@pytest.mark.parametrize(
    "cursor",
    [
        "", "x", encoded(("a text", "and another")), encoded((START,)), encoded((START, "id", "more")),
        encoded((START, 7)), encoded((1.5, "id")), encoded((2**62 + 1, "id")), encoded((True, "id")),
        encoded((START, "\ud800")),
        encoded((datetime(2026, 1, 1), "no zone")),  # noqa: DTZ001  (that is what is wrong with it)
        urlsafe_b64encode(b'[{"at":"9999"},"id"]').decode(),
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [FIRST, LAST])
def test_a_garbled_cursor_is_invalid(cursor: str, first: tuple[int, str]) -> None:
    """However it is garbled: nothing but a time and an id is ever asked for."""
    with pytest.raises(Invalid) as refused:
        start(cursor, first)
    assert refused.value.code == "invalid_cursor"
