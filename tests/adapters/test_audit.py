"""Each kind of flaw is planted and found; and mended, where it can be."""

import os
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.local.audit import Finding
from adapters.local.channels import _CHANNELS
from adapters.local.columns import TABLES
from adapters.local.comments import _COMMENTS
from adapters.local.counters import COUNTERS
from adapters.local.processing import _PROCESSINGS
from adapters.local.shelves import Shelf
from adapters.local.uploads import _UPLOADS
from adapters.local.users import _USERS
from adapters.local.videos import _VIDEOS
from adapters.local.watching import _SESSIONS
from adapters.rows import text_of
from domain.ids import JobId, UploadId, VideoId
from domain.processing import Processing, Report, State
from domain.videos import VideoRemoved
from tests import strategies as some
from tests.adapters.houses import CHANNEL, COMMENT, House, furnished
from tests.strategies import START


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with furnished(tmp_path / "data") as house:
        yield house


def kinds(findings: Sequence[Finding]) -> set[tuple[str, str]]:
    return {(found.kind, found.subject) for found in findings}


JOB = (
    "INSERT INTO job (id, source, state, report) VALUES ('job_9', 'raw/upl_9/source', 'running', ?)",
    text_of(Report(video=VideoId("vid_9"), attempt=1, job=JobId("job_9"), state=State.PENDING)),
)
STALE_JOB = (JOB[0], JOB[1].replace("vid_9", "vid_1"))
UNFINISHED = Processing(
    video=VideoId("vid_8"), upload=UploadId("upl_8"), source="raw/upl_8/source", state=State.TRANSCODING, job=JobId("job_8"),
    updated_at=START, version=1,
)  # fmt: skip

COUNTED = [
    ("UPDATE listed_count SET count = 5", ("listed_count", "chn_cats")),
    ("DELETE FROM listed_count", ("listed_count", "chn_cats")),
    ("INSERT INTO listed_count VALUES ('chn_dogs', 1)", ("listed_count", "chn_dogs")),
    ("UPDATE usage SET bytes = 1", ("usage", "usr_ann")),
    ("UPDATE usage SET open = 2", ("usage", "usr_ann")),
    ("UPDATE comment_count SET count = 1", ("comment_count", "vid_1")),
    ("UPDATE reply_count SET count = -1", ("reply_count", "cmt_1")),
    ("UPDATE tally SET likes = 0", ("tally", "vid_1")),
    ("UPDATE tally SET dislikes = 3", ("tally", "vid_1")),
    ("UPDATE subscriber_count SET count = 2", ("subscriber_count", "chn_cats")),
    ("UPDATE comment SET placed = 0 WHERE id = 'cmt_1'", ("placed", "cmt_1")),
    ("UPDATE comment SET placed = 1 WHERE id = 'cmt_2'", ("placed", "cmt_2")),
    ("DELETE FROM tag WHERE tag = 'naps'", ("tag", "vid_1")),
    ("UPDATE tag SET listed_at = 0 WHERE tag = 'naps'", ("tag", "vid_1")),
    ("UPDATE tag SET tag = 'dogs' WHERE tag = 'naps'", ("tag", "vid_1")),
]
OTHERS = [
    (("UPDATE view_count SET count = -1",), ("view_count", "vid_1")),
    (("UPDATE viewing SET views = -1 WHERE subject = 'chn_cats'",), ("viewing", "chn_cats")),
    (("UPDATE viewing SET watched_ms = -1 WHERE subject = 'vid_1'",), ("viewing", "vid_1")),
    (("UPDATE viewing SET watched_ms = 50001 WHERE subject = 'vid_1'",), ("viewing", "chn_cats")),
    (("UPDATE viewing SET views = 3 WHERE subject = 'vid_1'",), ("viewing", "chn_cats")),
    (("DELETE FROM viewing WHERE subject = 'chn_cats'",), ("viewing", "chn_cats")),
    (("UPDATE user SET version = 9 WHERE id = 'usr_ann'",), ("column", "user usr_ann")),
    (("UPDATE user SET handle = 'anna' WHERE id = 'usr_ann'",), ("column", "user usr_ann")),
    (("UPDATE user SET doc = '{}' WHERE id = 'usr_ann'",), ("document", "user usr_ann")),
    (("UPDATE channel SET handle = 'dogs'",), ("column", "channel chn_cats")),
    (("UPDATE channel SET doc = '[]'",), ("document", "channel chn_cats")),
    (("UPDATE video SET listed_at = listed_at + 1",), ("column", "video vid_1")),
    (("UPDATE video SET publish_at = 1",), ("column", "video vid_1")),
    (("UPDATE upload SET expires_at = NULL WHERE id = 'upl_2'",), ("column", "upload upl_2")),
    (("UPDATE upload SET bytes = 1 WHERE id = 'upl_1'",), ("column", "upload upl_1")),
    (("UPDATE processing SET unfinished_since = 1",), ("column", "processing vid_1")),
    (("UPDATE comment SET status = 'held' WHERE id = 'cmt_1'",), ("column", "comment cmt_1")),
    (("UPDATE comment SET pinned = 1 WHERE id = 'cmt_1'",), ("column", "comment cmt_1")),
    (("UPDATE session SET started_at = 0",), ("column", "session ses_1")),
    (("UPDATE notification SET user = 'usr_ben'",), ("column", "notification ntf_1")),
    (("DELETE FROM member WHERE user = 'usr_ben'",), ("member", "chn_cats")),
    (("UPDATE member SET user = 'usr_cho' WHERE user = 'usr_ben'",), ("member", "chn_cats")),
    (("UPDATE event SET kind = 'Moonrise'",), ("event", None)),
    (("UPDATE event SET doc = '{}'",), ("event", None)),
    (JOB, ("job", "job_9")),
    ((JOB[0], "{}"), ("job", "job_9")),
    (
        ("INSERT INTO processing (video, version, unfinished_since, doc) VALUES ('vid_8', 1, ?, ?)",
         TABLES[Processing].place(UNFINISHED)[2], text_of(UNFINISHED)),
        ("processing", "vid_8"),
    ),
    (("INSERT INTO document (id, kind, at, doc) VALUES ('vid_1', 'video', 0, '{}')",), ("search", "vid_1")),
    (("INSERT INTO words (rowid, title) VALUES (7, 'cat')",), ("search", "7")),
]  # fmt: skip


SHELVES: list[tuple[st.SearchStrategy[Any], Shelf[Any]]] = [
    (some.users(), _USERS),
    (some.channels(), _CHANNELS),
    (some.videos(), _VIDEOS),
    (some.uploads(), _UPLOADS),
    (some.processings(), _PROCESSINGS),
    (some.comments(), _COMMENTS),
    (some.sessions(), _SESSIONS),
]


def test_a_platform_that_is_well_has_no_flaw(house: House) -> None:
    assert house.findings() == []
    house.repair()
    assert house.findings() == []


@pytest.mark.parametrize(("statement", "flaw"), COUNTED)
def test_what_is_miscounted_is_found_and_mended(house: House, statement: str, flaw: tuple[str, str]) -> None:
    house.run(statement)
    found = house.findings()
    assert flaw in kinds(found)
    assert {kind for kind, _ in kinds(found)} == {flaw[0]}
    assert not any(each.mends for each in found)
    house.repair()
    assert house.findings() == []


def test_every_counter_is_miscounted_above(house: House) -> None:
    assert house.findings() == []
    assert {counter.table for counter in COUNTERS} <= {flaw[0] for _, flaw in COUNTED}


@pytest.mark.parametrize(("planted", "flaw"), OTHERS)
def test_what_is_noted_wrongly_is_found(
    house: House, planted: tuple[object, ...], flaw: tuple[str, str | None]
) -> None:
    statement, *values = planted
    house.run(str(statement), *values)
    found = house.findings()
    assert flaw[0] in {each.kind for each in found if not each.mends}
    assert flaw[1] is None or flaw in kinds(found)


def test_a_row_that_belongs_to_nothing_is_found(house: House) -> None:
    house.database._write.execute("PRAGMA foreign_keys = OFF").fetchall()
    house.run("UPDATE member SET channel = 99 WHERE user = 'usr_ben'")
    assert ("reference", "member") in kinds(house.findings())


def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    """Nothing else is said then: what is read may be anything."""
    with furnished(tmp_path / "data") as house:
        page = house.database.row("SELECT rootpage FROM sqlite_schema WHERE name = 'comment_channel'")
        assert page is not None
        house.database._write.wal_checkpoint(mode=3)
        with (house.data / "hexcast.db").open("r+b") as file:
            file.seek((page[0] - 1) * 4096)
            file.write(b"\x0a" + b"\xff" * 200)
        assert {each.kind for each in house.findings()} == {"integrity"}


def test_a_job_that_nobody_waits_for_is_a_note(house: House) -> None:
    """It is about to be cancelled."""
    house.run(*STALE_JOB)
    (found,) = house.findings()
    assert (found.kind, found.subject, found.mends) == ("job", "job_9", True)


@pytest.mark.parametrize("name", ["media/v/vid_7/a1/x.m4s", "media/c/chn_7/a.jpg", "raw/upl_7/source"])
def test_files_of_nothing_are_a_note_while_they_are_young(house: House, name: str) -> None:
    """Older ones are a flaw: the sweep must have missed them."""
    house.put({name: b"stray"})
    (note,) = house.findings()
    assert (note.kind, note.mends) == ("file", True)
    assert note.subject == "/".join(name.removeprefix("media/").split("/")[:2])
    old = time.time() - timedelta(days=3).total_seconds()
    stray = house.media / name
    for path in (stray, stray.parent, stray.parent.parent):
        os.utime(path, (old, old))
    (flaw,) = [each for each in house.findings() if not each.mends]
    assert flaw.subject == note.subject


def test_what_goes_while_it_is_looked_at_is_no_trouble(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may run, and parts of an upload come and go."""
    house.put({"raw/upl_7/source.partial": b"", "raw/upl_7/parts/1.place": b"", "raw/upl_7/parts/2.place": b""})
    walk = os.walk

    def going(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        for found in walk(top):
            for place in Path(found[0]).glob("*.place"):
                place.unlink()
            yield found

    monkeypatch.setattr(os, "walk", going)
    assert [(note.subject, note.mends) for note in house.findings()] == [("raw/upl_7", True)]


def test_old_files_of_what_was_just_removed_are_a_note(house: House) -> None:
    """The event that removes them is on its way."""
    house.put({"media/v/vid_7/a1/x.m4s": b"stray"})
    for path in (house.media / "media/v/vid_7", *(house.media / "media/v/vid_7").rglob("*")):
        os.utime(path, (0, 0))
    assert [each.mends for each in house.findings()] == [False]
    event = text_of(VideoRemoved(VideoId("vid_7"), CHANNEL, START))
    house.run("INSERT INTO event (id, kind, doc) VALUES ('evt_9', 'VideoRemoved', ?)", event)
    assert [each.mends for each in house.findings()] == [True]


@given(data=st.data())
@pytest.mark.parametrize(("values", "shelf"), SHELVES, ids=[shelf.table for _, shelf in SHELVES])
def test_what_is_noted_is_what_the_repositories_note(
    values: st.SearchStrategy[Any], shelf: Shelf[Any], data: st.DataObject
) -> None:
    """Column by column, save where a comment stands, which depends on others."""
    value, table = data.draw(values), TABLES[shelf.kind]
    shared = [name for name in shelf.columns if name != "placed"]
    noted = dict(zip(table.columns, table.place(value), strict=True))
    assert table.name == shelf.table
    assert set(table.columns) == {shelf.key, "version", *shared}
    said = dict(zip(shelf.columns, shelf.place(value), strict=True))
    assert {name: noted[name] for name in shared} == {name: said[name] for name in shared}


def test_no_more_is_said_than_anyone_reads(house: House) -> None:
    house.run(
        "INSERT INTO listed_count SELECT 'chn_' || value, 1 FROM json_each(?)",
        "[" + ",".join(map(str, range(3000))) + "]",
    )
    assert len(house.findings()) == 1000


def test_replies_keep_a_hidden_comment_in_its_place(house: House) -> None:
    """As long as one of them is visible."""
    hidden = text_of(COMMENT).replace('"visible"', '"held"')
    house.run("UPDATE comment SET status = 'held', doc = ? WHERE id = 'cmt_1'", hidden)
    house.run("UPDATE comment_count SET count = 1")
    assert house.findings() == []
