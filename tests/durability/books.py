"""What clients were told, held against the database and the folder of a server."""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
from attrs import frozen

from adapters.local.container import FILE, MEDIA
from adapters.local.counters import COUNTERS
from adapters.local.ffmpeg import DEATHS_MOST
from tests.durability.clients import DONE, Fact, Writer


@contextmanager
def left(data: Path) -> Iterator[apsw.Connection]:
    """The database as a kill left it, log and all, in a copy: whoever opens the last one empties the log."""
    with tempfile.TemporaryDirectory() as place:
        for path in data.glob(f"{FILE}*"):
            shutil.copy(path, place)
        yield from _opened(Path(place) / FILE)


@contextmanager
def present(data: Path) -> Iterator[apsw.Connection]:
    """The database while a server has it open, as of one moment."""
    yield from _opened(data / FILE)


def _opened(path: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(path))
    try:
        connection.execute("PRAGMA query_only = ON").fetchall()
        # SQLite rounds halves away from zero, which is not how days count.
        connection.create_scalar_function("ms", _ms, 1, deterministic=True)
        connection.execute("BEGIN").fetchall()
        yield connection
    finally:
        connection.close()


def _ms(*seconds: Any) -> int:
    return round(float(*seconds) * 1000)


_NAMED = {
    "comment": "SELECT json_extract(doc, '$.text') FROM comment",
    "upload": "SELECT json_extract(doc, '$.filename') FROM upload",
    "channel": "SELECT handle FROM channel",
    "user": "SELECT handle FROM user",
    "session": "SELECT id FROM session",
}
"""What each kind of fact is named by, row by row."""
_VALUES = {
    "reaction": "SELECT reaction FROM reaction WHERE subject = ? AND user = ?",
    "subscription": "SELECT notify FROM subscription WHERE channel = ? AND user = ?",
    "watched": "SELECT position_s FROM watched WHERE video = ? AND user = ?",
}
_UPLOADED = "SELECT json_extract(doc, '$.status') FROM upload WHERE id = ?"
_IDS = {"media/v": "SELECT id FROM video", "raw": "SELECT id FROM upload"}
_TITLES = "SELECT json_extract(doc, '$.title') FROM video"


@frozen
class Books:
    """Whatever is wrong is said in words."""

    data: Path
    connection: apsw.Connection

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        return list(self.connection.execute(statement, values).fetchall())

    def once(self, writers: Sequence[Writer], *, exactly: bool) -> Iterator[str]:
        """Every fact is there, none twice. ``exactly``: nothing changes, so that the last values hold as well."""
        there = {kind: Counter(name for (name,) in self.rows(statement)) for kind, statement in _NAMED.items()}
        videos = Counter(title for (title,) in self.rows(_TITLES))
        for kind, names in {**there, "video": videos}.items():
            yield from (f"{kind} {name} is there {count} times" for name, count in names.items() if count > 1)
        for writer in writers:
            ledger = writer.ledger
            gone = {
                writer.titles.get(fact.name) for fact in (*ledger.values, *ledger.pending) if fact.kind == "removed"
            }
            for fact in ledger.facts:
                if fact.kind == "upload":
                    yield from self._uploaded(fact.name, there["upload"], videos, gone)
                elif not there[fact.kind][fact.name]:
                    yield f"{fact.kind} {fact.name} was acknowledged and is gone"
            if exactly:
                yield from self._values(writer)

    def _uploaded(self, name: str, uploads: Counter[str], videos: Counter[str], gone: set[str | None]) -> Iterator[str]:
        """An upload goes with its video, and both are there or neither."""
        if uploads[name] and videos[name]:
            return
        if name not in gone:
            yield f"upload {name} was acknowledged; {uploads[name]} uploads and {videos[name]} videos are there"

    def _values(self, writer: Writer) -> Iterator[str]:
        ledger, user = writer.ledger, writer.person.id
        for fact, value in ledger.values.items():
            found = self._value(fact, user)
            allowed = [value, ledger.pending[fact]] if fact in ledger.pending else [value]
            if found not in allowed:
                yield f"{fact.kind} {fact.name} of {writer.name} is {found!r}, and {allowed} was acknowledged"

    def _value(self, fact: Fact, user: str) -> Any:
        if fact.kind in _VALUES:
            return self._first(_VALUES[fact.kind], fact.name, user)
        if fact.kind == "name":
            found = self.rows("SELECT json_extract(doc, '$.name'), version FROM channel WHERE id = ?", (fact.name,))
            return found[0] if found else None
        if fact.kind == "removed":
            return None if self._first("SELECT 1 FROM video WHERE id = ?", fact.name) else DONE
        return DONE if self._sent(fact) else None

    def _sent(self, fact: Fact) -> bool:
        """Or its video was removed since, and it goes with that: files first."""
        if not self.rows("SELECT 1 FROM video WHERE id = ?", (fact.more,)):
            return True
        rows = self.rows(_UPLOADED, (fact.name,))
        if not rows:
            return False
        if fact.kind == "completed":
            return bool(rows[0][0] == "completed")
        folder = self.data / MEDIA / "raw" / fact.name
        return (folder / "source").exists() or (folder / "parts" / "1").exists()

    def _first(self, statement: str, *values: Any) -> Any:
        rows = self.rows(statement, values)
        return rows[0][0] if rows else None

    def counted(self) -> Iterator[str]:
        """Every counter is what it counts."""
        for counter in COUNTERS:
            yield from (f"{counter.table} {row}" for row in self.rows(counter.wrong))
        views = (
            "SELECT video, count FROM view_count WHERE count <> (SELECT count(*) FROM session"
            " WHERE json_extract(doc, '$.video') = view_count.video AND json_extract(doc, '$.counted'))"
        )
        yield from (f"views of {row}" for row in self.rows(views))
        days = (
            "SELECT video, sum(ms(watched_s)), sum(counted) FROM (SELECT json_extract(doc, '$.video') AS video,"
            " json_extract(doc, '$.watched_s') AS watched_s, json_extract(doc, '$.counted') AS counted FROM session)"
            " WHERE video IN (SELECT id FROM video) GROUP BY video"
            " HAVING (sum(ms(watched_s)), sum(counted)) <>"
            " (SELECT ifnull(sum(watched_ms), 0), ifnull(sum(views), 0) FROM viewing WHERE subject = video)"
        )
        yield from (f"days of {row}" for row in self.rows(days))

    def settled(self) -> Iterator[str]:
        """Nothing is left of what goes on by itself, and nothing was given up."""
        yield from (f"event {row}" for row in self.rows("SELECT id, kind, attempts, held_until, reason FROM event"))
        yield from (f"job {row}" for row in self.rows("SELECT id, state, runs, deaths FROM job WHERE state <> 'over'"))
        yield from (f"report {row}" for row in self.rows("SELECT doc FROM report"))
        unfinished = "SELECT video, doc FROM processing WHERE unfinished_since IS NOT NULL"
        yield from (f"processing {row}" for row in self.rows(unfinished))

    def processed(self) -> Iterator[str]:
        """What was completed plays, by its first attempt, and no job was made twice; but for one that took so many
        processes down that it was given up, and tried anew.
        """
        deadly = self.rows("SELECT id FROM job WHERE deaths >= ?", (DEATHS_MOST,))
        blamed = {name.partition("-")[0] for (name,) in deadly}
        for (text,) in self.rows(
            "SELECT processing.doc FROM processing JOIN video ON video.id = processing.video ORDER BY video"
        ):
            doc = json.loads(text)
            first = 2 if doc["video"] in blamed else 1
            if (doc["state"], doc.get("attempt", 1)) not in {("ready", 1), ("ready", first)}:
                yield f"{doc['video']} is {doc['state']} by attempt {doc.get('attempt', 1)}: {doc['log']}"
        completed = (
            "SELECT upload.id FROM upload WHERE json_extract(doc, '$.status') = 'completed'"
            " AND video NOT IN (SELECT video FROM processing)"
        )
        yield from (f"upload {row} is complete, and was never processed" for row in self.rows(completed))
        videos = Counter(name.partition("-")[0] for (name,) in self.rows("SELECT id FROM job"))
        yield from (f"{video} had {count} jobs" for video, count in videos.items() if count > 1 + (video in blamed))

    def strays(self) -> Iterator[str]:
        """Files of what is not there any more."""
        for folder, statement in _IDS.items():
            known = {name for (name,) in self.rows(statement)}
            root = self.data / MEDIA / folder
            for path in root.iterdir() if root.exists() else ():
                if path.name not in known:
                    yield f"{folder}/{path.name} is left"
