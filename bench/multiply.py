"""A small world many times over, made inside SQLite: millions of rows in minutes, as the repositories would store them.

Each copy has its own people, channels, videos and comments: in every id, wherever it stands, the letters that all ids of
the world begin with (they are of one time) are others. A copy's videos are as much later as all of the world takes.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apsw

from bench.rows import say

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_HEAD = 4
"""So many letters of an id stand for the copy. They change every twelve days."""
COPIES_MOST = len(_ALPHABET) ** 2
_CACHE_KIB = 1024 * 1024

_COPY = "replace({}, '_' || :head, '_' || copy.head)"
_LATER = "{} + copy.number * :span"
_STAMP = "strftime('%Y-%m-%dT%H:%M:%SZ', (base.{} + copy.number * :span) / 1000000, 'unixepoch')"
_NUMBERED = f"json_set({_COPY.format('base.doc')}, '$.handle', {{}})"
_HANDLE = "CASE copy.number WHEN 0 THEN base.handle ELSE base.handle || '_' || copy.number END"

# What is in a column of a copy, where it is not what was in the world's.
_TABLES: Mapping[str, Mapping[str, str]] = {
    "user": {"handle": _HANDLE, "doc": _NUMBERED.format(_HANDLE)},
    "channel": {"handle": _HANDLE, "doc": _NUMBERED.format(_HANDLE)},
    "member": {},
    "video": {
        "created_at": _LATER.format("base.created_at"),
        "listed_at": _LATER.format("base.listed_at"),
        "doc": f"json_set({_COPY.format('base.doc')}, '$.created_at', {_STAMP.format('created_at')},"
        f" '$.published_at', {_STAMP.format('listed_at')})",
    },
    "tag": {"listed_at": _LATER.format("base.listed_at")},
    "listed_count": {},
    "comment": {"doc": _COPY.format("base.doc")},
    "comment_count": {},
    "reaction": {},
    "tally": {},
}
_IDS = frozenset({"id", "user", "channel", "video", "author", "parent", "subject"})
"""Columns that hold ids, or (``channel``, ``video``) the number of a row."""
_TABLES_OF_NUMBERS = {("member", "channel"): "channel", ("tag", "video"): "video"}


def multiply(folder: Path, copies: int) -> None:
    """The world in a folder that ``bench.servers.real`` has filled and left, so many times over. What it said of it
    (``seeded.json``) then names videos and channels of all copies in turn; people are the first's, whose tokens it has.
    """
    assert 1 < copies <= COPIES_MOST
    begun, told = time.perf_counter(), folder / "seeded.json"
    path, seeded = folder / "data" / "hexcast.db", json.loads(told.read_text())
    connection = apsw.Connection(str(path))
    try:
        # Should the machine die meanwhile, there is nothing to save.
        for pragma in (
            "journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", f"cache_size = -{_CACHE_KIB}",
            "foreign_keys = OFF", "threads = 2",
        ):  # fmt: skip
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute("PRAGMA temp_store_directory = '" + str(folder).replace("'", "''") + "'").fetchall()
        heads = _multiplied(connection, copies)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    finally:
        connection.close()
    with path.open("r+b") as file:
        os.fsync(file.fileno())  # or it is written while something is measured
    told.write_text(json.dumps(_spread(seeded, heads)))
    size = path.stat().st_size / 2**30
    say(f"  multiplied by {copies:,} in {time.perf_counter() - begun:.0f} s: {size:.1f} GiB")


def _multiplied(connection: apsw.Connection, copies: int) -> list[str]:
    """The first letters of the ids of each copy, the world's own last."""
    (head,), *others = connection.execute(
        f"SELECT DISTINCT substr(id, 5, {_HEAD}) FROM (SELECT id FROM user UNION ALL SELECT id FROM channel"
        " UNION ALL SELECT id FROM video UNION ALL SELECT id FROM comment)"
    ).fetchall()
    if others:
        message = "the world was made just as the first letters of ids changed: once more, please"
        raise SystemExit(message)
    # All below the world's own, which new ids will follow; so rows come in the order of their ids.
    copied = [f"00{high}{low}" for high in _ALPHABET for low in _ALPHABET][: copies - 1]
    heads = [*copied, str(head)]
    with connection:
        connection.execute("CREATE TEMP TABLE copy (place INTEGER PRIMARY KEY, number INTEGER, head TEXT)").fetchall()
        connection.executemany(
            "INSERT INTO copy VALUES (?, ?, ?)",
            [(place, (place + 1) % copies, each) for place, each in enumerate(heads)],
        ).fetchall()
        (span,) = connection.execute("SELECT max(created_at) - min(created_at) + 1000000 FROM video").fetchall()[0]
        steps = {
            table: connection.execute(f"SELECT max(n) FROM {table}").fetchall()[0][0]
            for table in ("user", "channel", "video", "comment")
        }
        bound = {"head": head, "span": span, **{f"step_{table}": step for table, step in steps.items()}}
        for table in _TABLES:
            _multiply(connection, table, bound)
    return heads


def _multiply(connection: apsw.Connection, table: str, bound: Mapping[str, Any]) -> None:
    begun = time.perf_counter()
    indices = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE tbl_name = ? AND type = 'index' AND sql IS NOT NULL", (table,)
    ).fetchall()
    for name, _ in indices:
        connection.execute(f"DROP INDEX {name}").fetchall()
    connection.execute(f"CREATE TEMP TABLE base AS SELECT * FROM {table}").fetchall()
    connection.execute(f"DELETE FROM {table}").fetchall()
    columns = [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(_value(table, column) for column in columns)
    # Tags lie by their text first, whatever they are of; all else by the ids.
    order = " ORDER BY 1, 2, 3" if table == "tag" else ""
    connection.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM copy CROSS JOIN base{order}",
        {name: value for name, value in bound.items() if f":{name}" in values},
    ).fetchall()
    connection.execute("DROP TABLE base").fetchall()
    for _, statement in indices:
        connection.execute(str(statement)).fetchall()
    say(f"    {table} in {time.perf_counter() - begun:.0f} s")


def _value(table: str, column: str) -> str:
    numbered = _TABLES_OF_NUMBERS.get((table, column), table if column == "n" else None)
    if numbered is not None:
        return f"base.{column} + copy.place * :step_{numbered}"
    if column in _TABLES[table]:
        return _TABLES[table][column]
    return _COPY.format(f"base.{column}") if column in _IDS else f"base.{column}"


def _spread(seeded: Mapping[str, Any], heads: list[str]) -> Mapping[str, Any]:
    def in_copies(ids: list[str], count: int) -> list[str]:
        some = [(ids[number % len(ids)], heads[number % len(heads)]) for number in range(count)]
        return [f"{id_[:4]}{head}{id_[4 + _HEAD :]}" for id_, head in some]

    videos = in_copies(seeded["videos"], len(seeded["videos"]))
    return {**seeded, "videos": videos, "channels": in_copies(seeded["channels"], len(videos))}
