"""Files that a power cut, a broken disk or a person with a tool has left: every commit up to the tear is there, none after
it in part; and what cannot be opened is told clearly, and not touched.
"""

import asyncio
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import apsw
import pytest
from attrs import evolve, frozen

from adapters.local.audit import Audit
from adapters.local.comments import SqliteComments
from adapters.local.counters import recount
from adapters.local.database import Database
from adapters.local.outbox import SqliteOutbox
from adapters.system import Ulids
from domain.engagement import Comment, CommentPosted
from domain.errors import Invalid
from domain.ids import CommentId
from tests.adapters.houses import CHANNEL, COMMENT, RECORDS, VIDEO, furnished
from tests.durability.starts import refused
from tests.journey.server import Server, sign_up
from tests.worlds import FakeClock

BEFORE = sum(isinstance(each, Comment) for each in RECORDS)
"""Comments that were in the file, not only in the log, before the first commit."""
COMMITS = 8
FRAME, LOG_HEADER, PAGE = 24 + 4096, 32, 4096
RANDOM = random.Random(7)


@frozen
class Torn:
    """What lay on the disk as a server was cut off, and how long the log was after each commit."""

    main: bytes
    log: bytes
    lengths: tuple[int, ...]

    def commits_within(self, length: int) -> int:
        return sum(each <= length for each in self.lengths)

    def laid_out(self, folder: Path, *, main: bytes | None = None, log: bytes | None = None) -> Path:
        folder.mkdir(parents=True)
        path = folder / "hexcast.db"
        path.write_bytes(self.main if main is None else main)
        _log(path).write_bytes(self.log if log is None else log)
        return path


def _log(path: Path) -> Path:
    return path.with_name("hexcast.db-wal")


def _index(path: Path) -> Path:
    return path.with_name("hexcast.db-shm")


async def _commit(database: Database, number: int) -> None:
    """A comment, what counts it, and the event of it."""
    outbox = SqliteOutbox(database, Ulids(FakeClock().now))
    comment = evolve(COMMENT, id=CommentId(f"cmt_n{number:03}"), text="Aww" * 600, version=0)
    event = CommentPosted(comment.id, VIDEO.id, CHANNEL, None, comment.author, (), comment.created_at)
    await SqliteComments(database, outbox).save(comment, event)


async def _written(path: Path) -> Torn:
    """By a server that never comes to its end."""
    database = Database(path, durable=False)
    try:
        # One round of the log is moved to the file and written over, so that behind its end lie frames of before.
        for number in range(COMMITS * 2):
            await _commit(database, number + 500)
        await database.write(lambda transaction: transaction.run("DELETE FROM comment WHERE id >= 'cmt_n5'"))
        await database.write(recount)
        database._write.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        lengths = []
        for number in range(COMMITS):
            await _commit(database, number)
            lengths.append(_end_of_log(path))
        return _copied(path, lengths)
    finally:
        database.close()


def _copied(path: Path, lengths: Sequence[int]) -> Torn:
    return Torn(path.read_bytes(), _log(path).read_bytes(), tuple(lengths))


def _end_of_log(path: Path) -> int:
    """Where the last frame of this round ends."""
    content = _log(path).read_bytes()
    frames = range(LOG_HEADER, len(content), FRAME)
    ours = [at for at in frames if content[at + 8 : at + 16] == content[16:24]]
    return ours[-1] + FRAME


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Torn:
    data = tmp_path_factory.mktemp("torn") / "data"
    with furnished(data):
        pass
    return asyncio.run(_written(data / "hexcast.db"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """Ever another folder."""
    numbers = iter(range(10_000))
    yield lambda: tmp_path / str(next(numbers)) / "data"
    shutil.rmtree(tmp_path)


async def found(path: Path) -> int:
    """How many of the commits are there; none of them in part, and more can follow."""
    database = Database(path, durable=False)
    try:
        audit = Audit(database, path.parent / "media", FakeClock().now)
        assert [each for each in await audit.find() if each.kind != "file" and not each.mends] == []
        there = [id_ for (id_,) in database.rows("SELECT id FROM comment WHERE id >= 'cmt_n' ORDER BY id")]
        assert there == [f"cmt_n{number:03}" for number in range(len(there))]
        events = database.row("SELECT count(*) FROM event WHERE kind = 'CommentPosted' AND doc LIKE '%cmt_n0%'")
        assert events == (len(there),)
        assert database.row("SELECT count FROM comment_count") == (BEFORE + len(there),)
        await _commit(database, 999)
        assert database.row("SELECT count FROM comment_count") == (BEFORE + len(there) + 1,)
        return len(there)
    finally:
        database.close()


# --- the log


async def test_a_log_that_ends_at_any_frame(torn: Torn, place: Callable[[], Path]) -> None:
    """All commits that it holds whole are there."""
    for end in (0, *range(LOG_HEADER, len(torn.log) + 1, FRAME)):
        path = torn.laid_out(place(), log=torn.log[:end])
        assert await found(path) == torn.commits_within(end), end


async def test_a_log_that_ends_anywhere(torn: Torn, place: Callable[[], Path]) -> None:
    """In the midst of a frame, or of its own header."""
    for end in (1, LOG_HEADER - 1, LOG_HEADER + 1, *RANDOM.sample(range(torn.lengths[-1]), 40)):
        path = torn.laid_out(place(), log=torn.log[:end])
        assert await found(path) == torn.commits_within(end), end


async def test_a_log_with_a_wrong_bit(torn: Torn, place: Callable[[], Path]) -> None:
    """Whatever came before is there, and nothing of what came after: it may build on what cannot be read."""
    for at in (0, 9, 20, 30, *RANDOM.sample(range(LOG_HEADER, torn.lengths[-1]), 40)):
        log = bytearray(torn.log)
        log[at] ^= 1 << RANDOM.randrange(8)
        frame = LOG_HEADER + (at - LOG_HEADER) // FRAME * FRAME if at >= LOG_HEADER else 0
        assert await found(torn.laid_out(place(), log=bytes(log))) == torn.commits_within(frame), at


async def test_a_log_with_a_hole(torn: Torn, place: Callable[[], Path]) -> None:
    """The disk wrote a later page, and not this one."""
    for first, second in pairwise((LOG_HEADER, *torn.lengths)):
        log = torn.log[:first] + bytes(second - first) + torn.log[second:]
        assert await found(torn.laid_out(place(), log=log)) == torn.commits_within(first)


async def test_without_its_log_there_is_what_the_file_holds(torn: Torn, place: Callable[[], Path]) -> None:
    path = torn.laid_out(place())
    _log(path).unlink()
    assert await found(path) == 0


async def test_a_log_of_something_else_is_not_taken_in(torn: Torn, place: Callable[[], Path]) -> None:
    path = torn.laid_out(place(), log=RANDOM.randbytes(len(torn.log)))
    assert await found(path) == 0


# --- the index of the log


@pytest.mark.parametrize(
    "index",
    [b"", b"\0" * 32768, RANDOM.randbytes(32768), RANDOM.randbytes(100)],
    ids=["empty", "zeros", "garbage", "short"],
)
async def test_an_index_that_is_garbage_is_made_anew(torn: Torn, place: Callable[[], Path], index: bytes) -> None:
    path = torn.laid_out(place())
    _index(path).write_bytes(index)
    assert await found(path) == COMMITS


async def test_an_index_of_another_moment_is_made_anew(torn: Torn, place: Callable[[], Path]) -> None:
    """As a copy of a folder that is served has it."""
    path = torn.laid_out(place(), log=torn.log[: torn.lengths[2]])
    database = Database(path, durable=False)
    stale = _index(path).read_bytes()
    database.close()
    path = torn.laid_out(place())
    _index(path).write_bytes(stale)
    assert await found(path) == COMMITS


# --- the file


def _lying(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in folder.iterdir() if each.is_file()}


def _refused(path: Path) -> str:
    """What is said of it; it is not touched, and nothing comes to lie beside it."""
    before = _lying(path.parent)
    with pytest.raises(Invalid) as refused:
        Database(path)
    assert refused.value.code == "database_unusable"
    assert _lying(path.parent) == before
    return str(refused.value)


def _ends(torn: Torn) -> Sequence[int]:
    pages = len(torn.main) // PAGE
    return [1, 99, 107, 108, 1000, *(page * PAGE for page in range(1, pages)), len(torn.main) - 1]


def test_a_file_that_was_cut_off_is_refused(torn: Torn, place: Callable[[], Path]) -> None:
    """Without a log."""
    for end in _ends(torn):
        path = torn.laid_out(place(), main=torn.main[:end])
        _log(path).unlink()
        assert str(path) in _refused(path)


def test_a_file_that_was_cut_off_is_refused_with_its_log(torn: Torn, place: Callable[[], Path]) -> None:
    """Unless that has all that was cut off."""
    logged = {int.from_bytes(torn.log[at : at + 4]) for at in range(LOG_HEADER, torn.lengths[-1], FRAME)}
    left_alone = 0
    for end in _ends(torn):
        path = torn.laid_out(place(), main=torn.main[:end])
        if end >= 108 and set(range(end // PAGE + 1, len(torn.main) // PAGE + 1)) <= logged:
            assert asyncio.run(found(path)) == COMMITS
        else:
            assert str(path) in _refused(path)
            left_alone += 1
    assert left_alone


@pytest.mark.parametrize("missing", [True, False])
def test_a_log_without_its_file_is_left_alone(torn: Torn, place: Callable[[], Path], *, missing: bool) -> None:
    """Whoever opened a new file beside it would remove it, with all that is in it."""
    path = torn.laid_out(place(), main=b"")
    if missing:
        path.unlink()
    assert "cut off" in _refused(path)


async def test_an_empty_file_is_a_new_one(place: Callable[[], Path]) -> None:
    """A server ended as it had made it; the log may have been made, too, and nothing is in it."""
    for log in (None, b"", RANDOM.randbytes(LOG_HEADER)):
        path = place() / "hexcast.db"
        path.parent.mkdir(parents=True)
        path.touch()
        if log is not None:
            _log(path).write_bytes(log)
        database = Database(path, durable=False)
        assert database.rows("SELECT * FROM setting") == []
        database.close()


async def test_a_checkpoint_that_was_cut_off_is_done_again(torn: Torn, place: Callable[[], Path]) -> None:
    """Any of the pages that it was to move may be in the file or not, the last one halfway."""
    whole = torn.laid_out(place())
    with closing(apsw.Connection(str(whole))) as connection:
        connection.execute("SELECT 1 FROM setting").fetchall()  # opens it
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_FULL)
        after = whole.read_bytes()
    assert after != torn.main
    pages = len(after) // PAGE
    for moved in range(pages + 1):
        main = after[: moved * PAGE] + torn.main[moved * PAGE :]
        assert await found(torn.laid_out(place(), main=main)) == COMMITS
    for _ in range(20):
        main = b"".join(_halfway(torn.main, after, page) for page in range(pages))
        assert await found(torn.laid_out(place(), main=main)) == COMMITS


def _halfway(before: bytes, after: bytes, page: int) -> bytes:
    """A page that was written or not, or in part: of the first, its first sector at once."""
    old, new = (content[page * PAGE : (page + 1) * PAGE] for content in (before, after))
    if RANDOM.random() < 0.3:
        return old.ljust(PAGE, b"\0")
    end = RANDOM.choice((PAGE, *range(512, PAGE, 512)))
    return new[:end] + old[end:].ljust(PAGE - end, b"\0")


# --- a real server


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data")
    yield server
    for client in server.clients:
        client.close()


def test_a_server_goes_on_without_lock_and_index_and_with_a_torn_log(served: Server) -> None:
    """The last bytes of the log are garbage, as of a page that was being written."""
    served.start()
    try:
        ann = sign_up(served, "ann")
        cats = ann.channel("cats")
    finally:
        served.kill()
    for name in ("hexcast.lock", "hexcast.db-shm"):
        (served.data / name).unlink()
    with _log(served.data / "hexcast.db").open("ab") as log:
        log.write(RANDOM.randbytes(3000))
    with served.running():
        assert ann.get(f"/v1/channels/{cats}")["handle"] == "cats"


@pytest.mark.parametrize("logged", [True, False])
def test_a_server_says_that_its_file_was_cut_off(served: Server, *, logged: bool) -> None:
    """In one line; the exit status is that of wrong settings, and nothing is touched."""
    served.start()
    try:
        sign_up(served, "ann")
    finally:
        served.kill() if logged else served.stop()
    path = served.data / "hexcast.db"
    with path.open("r+b") as file:
        file.truncate(10 * PAGE)
    before = _lying(served.data)
    assert bool(before.get("hexcast.db-wal")) is logged
    status, said = refused(served.data)
    assert status == 2
    assert said.startswith(f"hexcast: {path} was cut off")
    assert _lying(served.data) == before
