"""Full-text search in SQLite's own engine, kept in memory."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from adapters.cursors import count, encoded
from adapters.inmemory.outbox import Changes
from adapters.words import FIND, FINDS_MOST, columns, match
from application.ports import Document, Found, Page

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE document (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, at REAL NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(title, tags, names, body, tokenize = 'ascii', prefix = '2 3');
"""


class FtsSearch:
    """An FTS5 index, ranked by BM25.

    A cursor is how many were seen, so documents stored during a walk may shift it by some; a walk ends after
    ``FINDS_MOST``. One thread of its own does the work, because a word that stands everywhere takes milliseconds
    to rank. ``close`` it.
    """

    def __init__(self, changes: Changes | None = None) -> None:
        self._changes = changes or Changes()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="search")
        # Used by that one thread only, once it is set up.
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        self._connection.executescript(_SCHEMA)

    async def put(self, document: Document) -> None:
        await self._run(lambda: self._put(document))
        self._changes.note()

    async def remove(self, id: str) -> None:  # noqa: A002  (the domain's word)
        await self._run(lambda: self._remove(id))
        self._changes.note()

    async def find(
        self, query: str, *, kind: Found | None = None, cursor: str | None = None, limit: int = 20
    ) -> Page[tuple[Found, str]]:
        offset = count(cursor)
        limit = min(limit, FINDS_MOST - offset)
        wanted = match(query)
        if not wanted or limit <= 0:
            return Page(())
        sought = {"query": wanted, "kind": kind, "limit": limit + 1, "offset": offset}
        rows = await self._run(lambda: self._connection.execute(FIND, sought).fetchall())
        more = len(rows) > limit and offset + limit < FINDS_MOST
        return Page([(Found(kind_), id_) for kind_, id_ in rows[:limit]], encoded((offset + limit,)) if more else None)

    def close(self) -> None:
        """After what is under way."""
        self._thread.shutdown()
        self._connection.close()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _put(self, document: Document) -> None:
        with self._connection:
            (row,) = self._connection.execute(
                "INSERT INTO document (id, kind, at) VALUES (?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, at = excluded.at RETURNING row",
                (document.id, document.kind, document.at.timestamp()),
            ).fetchone()
            self._connection.execute(
                "INSERT OR REPLACE INTO words (rowid, title, tags, names, body) VALUES (?, ?, ?, ?, ?)",
                (row, *columns(document)),
            )

    def _remove(self, id_: str) -> None:
        with self._connection:
            rows = self._connection.execute("DELETE FROM document WHERE id = ? RETURNING row", (id_,)).fetchall()
            self._connection.executemany("DELETE FROM words WHERE rowid = ?", rows)
