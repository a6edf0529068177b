"""A database of every earlier version is brought up to date, whole or not at all, and all that is in it reads right."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from attrs import evolve

from adapters.local.audit import Audit
from adapters.local.container import Local
from adapters.local.database import Database, migrate
from adapters.local.schema import APPLICATION, MIGRATIONS
from adapters.system import Clock
from application.ports import Answer
from domain.channels import Member
from domain.chat import Standing
from domain.engagement import Notify, Reaction
from domain.errors import Conflict, Invalid, Unavailable
from domain.ids import (
    ChannelId,
    CommentId,
    JobId,
    MessageId,
    SessionId,
    StreamId,
    StreamSessionId,
    UploadId,
    UserId,
    VideoId,
)
from domain.processing import State
from domain.uploads import Status
from domain.watching import Viewing, Watched
from tests.adapters.disks import Disk
from tests.strategies import START
from tests.worlds import FakeClock

CURRENT = len(MIGRATIONS)
ROWS = Path(__file__).with_name("schemas")
ANN, BEN, CATS, VIDEO = UserId("usr_ann"), UserId("usr_ben"), ChannelId("chn_cats"), VideoId("vid_1")
COMMENT, REPLY = CommentId("cmt_1"), CommentId("cmt_2")
TOLD = "ntf_01KDWPVNG07CXD9QNHZBSBGHJZ"
REFRESH = "-OENjJa_32gxxFl5jZID5Q.yzHTFyhr2L9DDO_HpAOhi_Clt7YUdspBaLkNMuwvDhk"
FULL_PAGES_MOST = 500

versions = pytest.mark.parametrize("version", range(CURRENT + 1))
filled = pytest.mark.parametrize("version", range(1, CURRENT + 1))
earlier = pytest.mark.parametrize("version", range(CURRENT))


def _at(path: Path, version: int) -> Path:
    """A database as a server of that version left it; of version 0, the file and no more."""
    path.parent.mkdir(exist_ok=True)
    path.touch()
    with closing(apsw.Connection(str(path))) as connection:
        rows = [(ROWS / f"{number}.sql").read_text() for number in range(1, version + 1)]
        marks = [f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {version}"] if version else []
        for statements in ("PRAGMA journal_mode = WAL", "BEGIN", *MIGRATIONS[:version], *rows, *marks, "COMMIT"):
            connection.execute(statements).fetchall()
    return path


@pytest.fixture
def made(tmp_path: Path) -> Callable[[int], Path]:
    return lambda version: _at(tmp_path / "data" / "hexcast.db", version)


def _content(path: Path) -> tuple[int, dict[str, Sequence[object]]]:
    """The schema's number, and all rows of all tables."""
    with closing(apsw.Connection(str(path))) as connection:
        ((version,),) = connection.execute("PRAGMA user_version").fetchall()
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        rows = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in tables}  # noqa: S608  (ours)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert isinstance(version, int)
    return version, {str(name): found for name, found in rows.items()}


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Local]:
    database = Database(path)
    try:
        yield Local(
            public_url="http://hexcast.test", key=b"k" * 32, database=database, data=path.parent / "media",
            transcode_jobs=1, shared=True,
        )  # fmt: skip
    finally:
        database.close()


def test_every_schema_has_its_rows() -> None:
    """A step is released with rows that its tables held then."""
    assert {path.name for path in ROWS.iterdir()} == {f"{number}.sql" for number in range(1, CURRENT + 1)}


@filled
def test_every_table_has_a_row(made: Callable[[int], Path], version: int) -> None:
    _, rows = _content(made(version))
    assert [name for name, found in rows.items() if not found] == []


@versions
def test_it_is_brought_up_to_date(made: Callable[[int], Path], version: int) -> None:
    """To what a new one is; what was in it stays."""
    path = made(version)
    _, before = _content(path)
    Database(path).close()
    now, after = _content(path)
    assert now == CURRENT
    for name, rows in before.items():
        if not name.startswith(("sqlite_", "words_")):
            width = len(rows[0]) if rows else 0  # type: ignore[arg-type]  # a row is a tuple
            assert [row[:width] for row in after[name]] == rows  # type: ignore[index]
    assert _declared(path) == _declared(_at(path.with_name("new.db"), CURRENT))


def _declared(path: Path) -> set[object]:
    with closing(apsw.Connection(str(path))) as connection:
        return set(connection.execute("SELECT type, name, sql FROM sqlite_schema").fetchall())


@versions
async def test_the_audit_finds_nothing(made: Callable[[int], Path], version: int, clock: FakeClock) -> None:
    path = made(version)
    async with opened(path) as local:
        audit = Audit(local.database(), path.parent / "media", clock.now)
        assert [found for found in await audit.find() if not found.mends] == []


@filled
async def test_everything_reads_right(
    made: Callable[[int], Path], version: int, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Clock, "now", lambda _: clock.now())
    async with opened(made(version)) as local:
        await _read_people(local)
        await _read_videos(local)
        await _read_what_people_said(local)
        await _read_what_goes_on(local, clock)
        if version >= 3:
            await _read_streams(local)
        viewed = await local.viewings().of(VIDEO, START.date(), START.date())
        assert viewed == ([Viewing(VIDEO, START.date(), 1, 42_500)] if version >= 5 else [])


async def _read_people(local: Local) -> None:
    ann = await local.users().get(ANN)
    assert (ann.handle, ann.display_name, ann.email, ann.created_at) == ("ann", "Ann", "ann@example.com", START)
    signed_in = await local.accounts().refresh(REFRESH)
    assert signed_in.access
    assert (await local.accounts().sign_in("ann@example.com", "correct horse battery")).access
    (mail,) = await local.mailbox().sent_to("ann@example.com")
    assert mail.code is not None
    await local.accounts().reset_password("ann@example.com", mail.code, "another horse battery")
    cats = await local.channels().get(CATS)
    assert (cats.owner, cats.members, cats.avatar) == (ANN, {BEN: Member.EDITOR}, "c/chn_cats/avatar.jpg")
    assert [each.id for each in await local.channels().of_member(BEN)] == [CATS]


async def _read_videos(local: Local) -> None:
    video = await local.videos().get(VIDEO)
    assert (video.title, video.state, video.version, video.published_at) == ("A cat", State.READY, 3, START)
    assert video.media is not None
    assert video.media.duration_s == 60.0
    assert [each.id for each in (await local.videos().listed()).items] == [VIDEO]
    assert [each.id for each in (await local.videos().listed(tag="naps")).items] == [VIDEO]
    assert [each.id for each in (await local.videos().feed([CATS])).items] == [VIDEO]
    uploads = local.uploads()
    assert [(await uploads.get(UploadId(f"upl_{n}"))).status for n in (1, 2)] == [Status.COMPLETED, Status.UPLOADING]
    assert [each.id for each in await uploads.of_video(VIDEO)] == ["upl_1"]
    assert (await local.processings().get(VIDEO)).job == "job_1"
    assert {id_ for _, id_ in (await local.search().find("cat")).items} == {VIDEO, CATS}


async def _read_what_people_said(local: Local) -> None:
    comments = local.comments()
    assert (await comments.get(COMMENT)).text == "Aww"
    assert [each.id for each in (await comments.on_video(VIDEO)).items] == [COMMENT]
    assert [each.id for each in (await comments.replies(COMMENT)).items] == [REPLY]
    assert (await comments.counts([VIDEO]))[VIDEO] == 2
    assert await local.reactions().of(BEN, [VIDEO]) == {VIDEO: Reaction.LIKE}
    subscription = await local.subscriptions().get(BEN, CATS)
    assert subscription is not None
    assert subscription.notify is Notify.ALL
    assert await local.sessions().views([VIDEO]) == {VIDEO: 7}
    assert (await local.sessions().get(SessionId("ses_1"))).viewer == BEN
    assert await local.history().of(BEN, [VIDEO]) == {VIDEO: Watched(user=BEN, video=VIDEO, position_s=12.5, at=START)}


async def _read_what_goes_on(local: Local, clock: FakeClock) -> None:
    assert [(each.id, each.read) for each in (await local.inbox().list(ANN)).items] == [(TOLD, False)]
    assert not (await local.inbox().settings(BEN)).muted
    report = await local.queue().status(JobId("vid_1-1"))
    assert report is not None
    assert (report.state, report.percent) == (State.TRANSCODING, 40)
    assert await local.reports().next() == report
    answer = await local.idempotency().begin("key-1", "print", clock.now())
    assert answer == Answer(201, {"etag": '"1"'}, b'{"id":1}')
    outbox = local.outbox()
    assert len(await outbox.claim(clock.now())) == 2
    clock.advance(timedelta(minutes=1))
    assert len(await outbox.claim(clock.now())) == 3
    clock.advance(timedelta(days=-1))
    assert local.new_id()("ntf") > TOLD


async def _read_streams(local: Local) -> None:
    streams, broadcasts = local.streams(), local.broadcasts()
    stream = await streams.get(StreamId("str_1"))
    assert (stream.title, stream.version, stream.live_since) == ("Cats, live", 2, START)
    assert await streams.by_ingest("str_1") == stream
    assert (await streams.of_channel(CATS)).items == (await streams.live()).items == [stream]
    assert await streams.near(START) == [stream]
    timeline = await broadcasts.timeline(stream.id)
    assert timeline.current is not None
    assert await broadcasts.due(START + timedelta(days=1)) == [timeline]
    session = await broadcasts.session(StreamSessionId("brc_2"))
    assert (session.id, session.peak_viewers) == ("brc_1", 4)
    assert (await broadcasts.sessions(stream.id)).items == [session]
    assert [each.id for each in (await broadcasts.events(stream.id, START, START + timedelta(days=1))).items] == [
        "evt-1"
    ]
    log = local.chat_log()
    (message,) = (await log.of_stream(stream.id, START, START + timedelta(days=1))).items
    assert (message.text, message.author, message.standing) == ("Splendid", "usr_2", Standing.MODERATOR)
    assert await log.get(stream.id, message.id) == message
    with pytest.raises(Conflict):
        await log.add(evolve(message, id=MessageId("msg_2")), timedelta(seconds=1))
    assert [(ban.user, ban.by) for ban in (await log.bans(stream.id)).items] == [(BEN, ANN)]


@earlier
def test_a_kill_at_any_statement_leaves_one_schema_or_the_other(made: Callable[[int], Path], version: int) -> None:
    """Whole, and with all that was in it; the next server goes on from there."""
    for statement in range(1, 1000):
        path = made(version)
        before = _content(path)
        survived = _migrated_until(path, statement)
        number, rows = _content(path)
        assert number in range(version, CURRENT + 1)
        if number == version:
            assert (number, rows) == before
        assert rows.get("comment") == before[1].get("comment", rows.get("comment"))
        Database(path, durable=False).close()
        assert _content(path)[0] == CURRENT
        for each in path.parent.iterdir():
            each.unlink()
        if survived:
            return
    pytest.fail("no end of it")


def _migrated_until(path: Path, statement: int) -> bool:
    """In a process that is killed as it comes to so manieth a statement; whether it came to its end before."""
    child = os.fork()
    if not child:
        done = 0

        def traced(*_: object) -> bool:
            nonlocal done
            done += 1
            if done == statement:
                os.kill(os.getpid(), signal.SIGKILL)
            return True

        connection = apsw.Connection(str(path))
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.exec_trace = traced
        migrate(connection)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return status == 0


@earlier
def test_a_disk_that_is_full_at_any_page_leaves_one_schema_or_the_other(
    made: Callable[[int], Path], version: int
) -> None:
    """Whoever opens it is told so, and finds it as it was once there is room."""
    path = made(version)
    before = _content(path)
    disk = Disk()
    try:
        for page in range(FULL_PAGES_MOST):
            disk.room = page * 4096
            refused = _refused(path, disk)
            number, rows = _content(path)
            if refused is None:
                assert number == CURRENT
                assert page
                return
            assert refused == "insufficient_storage"
            assert number in range(version, CURRENT + 1)
            assert number > version or (number, rows) == before
        pytest.fail("no end of it")
    finally:
        disk.unregister()


def _refused(path: Path, disk: Disk) -> str | None:
    try:
        Database(path, vfs=disk.name).close()
    except Unavailable as error:
        return error.code
    return None


def test_a_newer_one_is_not_touched(made: Callable[[int], Path]) -> None:
    """To the byte, with everything in it."""
    path = made(CURRENT)
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(f"PRAGMA user_version = {CURRENT + 1}").fetchall()
    before = {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in path.parent.iterdir()}
    with pytest.raises(Invalid, match="later version") as refused:
        Database(path)
    assert refused.value.code == "database_newer"
    assert {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in path.parent.iterdir()} == before
