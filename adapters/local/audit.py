"""The database held against itself, and the folder of media against the database. It finds; ``repair`` counts again."""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from typing import Any

import apsw
import msgspec
from attrs import frozen

from adapters.local.columns import TABLES, Table, members
from adapters.local.counters import COUNTERS, MISPLACED, MISTAGGED, recount
from adapters.local.database import Database, moment
from adapters.rows import event_of, read_once
from application.sweeping import STRAY_LIFE
from domain.channels import Channel
from domain.processing import TERMINAL, Processing, Report
from domain.videos import Video

FLAWS_MOST = 1000
"""Of each kind; more say no more."""
YOUNG = STRAY_LIFE + timedelta(days=1)
"""By this age the sweep has removed what no record names."""
_TOLD_OF = "SELECT 1 FROM event WHERE reason IS NULL AND instr(doc, ?) LIMIT 1"
"""Whether something is still to be done about it, such as to remove its files."""


@frozen
class Finding:
    """Something that is not as it should be. ``mends``: it does by itself, as far as one can see."""

    kind: str
    subject: str
    detail: str
    mends: bool = False


class Audit:
    """Finds what no way through the program leads to: the work of a broken disk, a person with a tool, or a mistake."""

    def __init__(self, database: Database, media: Path, now: Callable[[], datetime]) -> None:
        self._database = database
        self._media = media
        self._now = now

    async def find(self) -> Sequence[Finding]:
        """As of one moment."""
        return await asyncio.to_thread(self._find)

    async def repair(self) -> None:
        """Count again what is counted, and note again what is noted of a document beside it, in one transaction.
        Writers wait meanwhile.
        """
        await self._database.write(recount)

    def videos(self) -> Iterator[Video]:
        """All of them, as of one moment."""
        with self._database.reading() as connection:
            for (doc,) in connection.execute("SELECT doc FROM video ORDER BY id"):
                with suppress(ValueError):  # what cannot be read was found already
                    yield read_once(str(doc), Video)

    def _find(self) -> Sequence[Finding]:
        found: list[Finding] = []
        try:
            with self._database.reading() as connection:
                found += islice(_damage(connection), FLAWS_MOST)
                if not found:  # of a damaged file nothing else can be relied upon
                    self._look(connection, found)
        except apsw.CorruptError as error:
            found.append(Finding("integrity", "hexcast.db", str(error)))
        return found

    def _look(self, connection: apsw.Connection, found: list[Finding]) -> None:
        checks: Iterable[Iterator[Finding]] = (
            _dangling(connection),
            *(_counts(connection, number) for number in range(len(COUNTERS))),
            _noted(connection, "placed", MISPLACED, "this comment stands on its video, or should not"),
            _tags(connection),
            _views(connection),
            _viewings(connection),
            *(_rows(connection, table) for table in TABLES.values()),
            _memberships(connection),
            _events(connection),
            _jobs(connection),
            _documents(connection),
            self._files(connection),
        )
        for check in checks:
            found += islice(check, FLAWS_MOST)

    # --- files

    def _files(self, connection: apsw.Connection) -> Iterator[Finding]:
        """What lies under the name of nothing that is stored. If it is young, it may be about to be named."""
        for folder, table, prefix in (
            ("media/v", "video", "v/"), ("media/c", "channel", "c/"), ("media/l", "stream", "l/"),
            ("raw", "upload", "raw/"), ("recordings", "take", "recordings/"),
        ):  # fmt: skip
            named = f"SELECT 1 FROM {table} WHERE id = ?"
            for path in _entries(self._media / folder):
                if not connection.execute(named, (path.name,)).fetchall():
                    goes = self._age(path) < YOUNG or bool(connection.execute(_TOLD_OF, (path.name,)).fetchall())
                    why = "it will be removed" if goes else "it should have been removed"
                    yield Finding("file", f"{prefix}{path.name}", f"no {table} is stored for it; {why}", mends=goes)

    def _age(self, path: Path) -> timedelta:
        return self._now() - (moment(0) + timedelta(seconds=max(_changed_s(path), default=0.0)))


def _entries(folder: Path) -> Sequence[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _changed_s(top: Path) -> Iterator[float]:
    """When it and all in it were changed. What goes meanwhile is passed over: servers may run."""
    within = (Path(folder, name) for folder, folders, names in os.walk(top) for name in (*folders, *names))
    for path in chain([top], within):
        with suppress(FileNotFoundError):
            yield path.stat().st_mtime


# --- the file itself


def _damage(connection: apsw.Connection) -> Iterator[Finding]:
    for (said,) in connection.execute(f"PRAGMA integrity_check({FLAWS_MOST})"):
        if said != "ok":
            yield Finding("integrity", "hexcast.db", str(said))


def _dangling(connection: apsw.Connection) -> Iterator[Finding]:
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield Finding("reference", str(table), f"row {row} belongs to no {parent}")


# --- what is counted and noted


def _counts(connection: apsw.Connection, number: int) -> Iterator[Finding]:
    counter = COUNTERS[number]
    width = len(counter.columns)
    for subject, *figures in connection.execute(counter.wrong):
        for name, counted, noted in zip(counter.columns, figures[:width], figures[width:], strict=True):
            if counted != noted:
                detail = f"{name} is {counted}, and {noted} is noted"
                yield Finding(counter.table, str(subject), detail)


def _noted(connection: apsw.Connection, kind: str, statement: str, detail: str) -> Iterator[Finding]:
    for (subject,) in connection.execute(statement):
        yield Finding(kind, str(subject), detail)


def _tags(connection: apsw.Connection) -> Iterator[Finding]:
    for video, tag in connection.execute(MISTAGGED):
        yield Finding("tag", str(video), f"{tag!r} is noted otherwise than the video says")


def _views(connection: apsw.Connection) -> Iterator[Finding]:
    for video, count in connection.execute("SELECT video, count FROM view_count WHERE count < 0"):
        yield Finding("view_count", str(video), f"{count} is no number of views")


def _viewings(connection: apsw.Connection) -> Iterator[Finding]:
    """Days hold what sessions gained that are gone: of that there is only left that a channel's has all of its videos'."""
    for subject, day in connection.execute("SELECT subject, day FROM viewing WHERE views < 0 OR watched_ms < 0"):
        yield Finding("viewing", str(subject), f"{day} has less than nothing")
    short = (
        "SELECT video.channel, one.day FROM viewing AS one JOIN video ON video.id = one.subject"
        " LEFT JOIN viewing AS whole ON whole.subject = video.channel AND whole.day = one.day"
        " GROUP BY video.channel, one.day HAVING sum(one.views) > ifnull(whole.views, 0)"
        " OR sum(one.watched_ms) > ifnull(whole.watched_ms, 0)"
    )
    for channel, day in connection.execute(short):
        yield Finding("viewing", str(channel), f"{day} has less than its videos have together")


# --- rows and what is in them


def _rows(connection: apsw.Connection, table: Table) -> Iterator[Finding]:
    for *columns, doc in connection.execute(table.select):
        try:
            value = read_once(doc, table.kind)
        except ValueError as error:
            yield Finding("document", f"{table.name} {columns[0]}", str(error))
            continue
        for name, noted, said in zip(table.columns, columns, table.place(value), strict=True):
            if noted != said:
                yield Finding("column", f"{table.name} {columns[0]}", f"{name} is {said!r}, and {noted!r} is noted")


def _memberships(connection: apsw.Connection) -> Iterator[Finding]:
    for n, id_, doc in connection.execute("SELECT n, id, doc FROM channel"):
        try:
            said = set(members(read_once(doc, Channel)))
        except ValueError:  # found already
            continue
        rows: Any = connection.execute("SELECT user, created_at, id FROM member WHERE channel = ?", (n,)).fetchall()
        for user in sorted({row[0] for row in said.symmetric_difference(rows)}):
            yield Finding("member", str(id_), f"{user}'s place in it is noted otherwise than the channel says")


def _events(connection: apsw.Connection) -> Iterator[Finding]:
    for id_, kind, doc in connection.execute("SELECT id, kind, doc FROM event"):
        try:
            event_of(str(kind), str(doc))
        except ValueError as error:
            yield Finding("event", str(id_), str(error))


def _jobs(connection: apsw.Connection) -> Iterator[Finding]:
    """Jobs and the processings that they are for."""
    unfinished = connection.execute("SELECT doc FROM processing WHERE unfinished_since IS NOT NULL").fetchall()
    for (doc,) in unfinished:
        try:
            processing = read_once(str(doc), Processing)
        except ValueError:
            continue
        known = "SELECT 1 FROM job WHERE id = ? AND state <> 'cancelled'"
        if processing.job is not None and not connection.execute(known, (processing.job,)).fetchall():
            yield Finding("processing", processing.video, f"its job {processing.job} is not in the queue")
    for id_, text in connection.execute("SELECT id, report FROM job WHERE state IN ('waiting', 'running')"):
        try:
            report = read_once(str(text), Report)
        except ValueError as error:
            yield Finding("job", str(id_), str(error))
            continue
        found = _processing(connection, report.video)
        if found is None:
            yield Finding("job", str(id_), f"nothing is processed of its video {report.video}")
        elif found.attempt > report.attempt or found.state in TERMINAL:
            yield Finding("job", str(id_), "nobody waits for it any more; it will be cancelled", mends=True)


def _processing(connection: apsw.Connection, video: str) -> Processing | None:
    rows: Any = connection.execute("SELECT doc FROM processing WHERE video = ?", (video,)).fetchall()
    try:
        return read_once(rows[0][0], Processing) if rows else None
    except msgspec.DecodeError:
        return None


def _documents(connection: apsw.Connection) -> Iterator[Finding]:
    """What search knows, and the words that it is found by."""
    wordless = "SELECT id FROM document WHERE row NOT IN (SELECT rowid FROM words) ORDER BY id"
    yield from _noted(connection, "search", wordless, "search has no words of it")
    nameless = "SELECT rowid FROM words WHERE rowid NOT IN (SELECT row FROM document) ORDER BY rowid"
    yield from _noted(connection, "search", nameless, "search has words of nothing")
