"""Full-text search in SQLite's own engine, kept in memory."""

import asyncio
import re
import sqlite3
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from adapters.cursors import decoded, encoded
from adapters.inmemory.outbox import Changes
from application.ports import Document, Found, Page
from domain.errors import Invalid

T = TypeVar("T")

FINDS_MOST = 1000

_SCHEMA = """
CREATE TABLE document (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, at REAL NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(title, tags, names, body, tokenize = 'ascii', prefix = '2 3');
"""
_FIND = """
SELECT kind, id FROM words JOIN document ON document.row = words.rowid
WHERE words MATCH :query AND (:kind IS NULL OR kind = :kind)
ORDER BY bm25(words, 10.0, 6.0, 4.0, 1.0), at DESC, id DESC LIMIT :limit OFFSET :offset
"""

# Scripts that put no spaces between words: kana and Han, Thai, Lao, Burmese, Khmer. Each of their characters
# counts as a word, and a run of them in a query as a phrase.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
_ACCENTS = dict.fromkeys(range(0x300, 0x370))


class _Separators(dict[int, str]):
    """For ``str.translate``: a space for each character that is in no word. Remembers what it was asked."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        self[code] = character if category[0] in "LNM" or category == "Co" else " "
        return self[code]


_SEPARATORS = _Separators()


def words(text: str) -> list[str]:
    """The words of a text, in small letters and without accents."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_ACCENTS)
    pieces = unicodedata.normalize("NFC", plain).translate(_SEPARATORS).split()
    # A word has more than marks, such as the variation selectors that emoji leave behind.
    return [piece for piece in pieces if any(unicodedata.category(c)[0] != "M" for c in piece)]


def _spaced(word: str) -> str:
    return _UNSPACED.sub(r" \g<0> ", word).strip()


def _column(text: str) -> str:
    return " ".join(map(_spaced, words(text)))


def _match(query: str) -> str:
    """The query in FTS5's language: each word quoted, so that nothing in it is an operator, and as a prefix."""
    return " ".join(f'"{_spaced(word)}"*' for word in dict.fromkeys(words(query)))


def _seen(cursor: str | None) -> int:
    if cursor is None:
        return 0
    match decoded(cursor):
        case (int(seen),):
            return seen
        case _:
            raise Invalid("this cursor is none of ours", code="invalid_cursor", field="cursor")


class FtsSearch:
    """An FTS5 index, ranked by BM25. Which characters make words is decided here, for queries and documents alike;
    the tokenizer only splits at spaces.

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
        offset = _seen(cursor)
        limit = min(limit, FINDS_MOST - offset)
        match = _match(query)
        if not match or limit <= 0:
            return Page(())
        sought = {"query": match, "kind": kind, "limit": limit + 1, "offset": offset}
        rows = await self._run(lambda: self._connection.execute(_FIND, sought).fetchall())
        more = len(rows) > limit and offset + limit < FINDS_MOST
        return Page([(Found(kind_), id_) for kind_, id_ in rows[:limit]], encoded((offset + limit,)) if more else None)

    def close(self) -> None:
        """After what is under way."""
        self._thread.shutdown()
        self._connection.close()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _put(self, document: Document) -> None:
        columns = [_column(each) for each in (document.title, " ".join(document.tags), document.names, document.text)]
        with self._connection:
            (row,) = self._connection.execute(
                "INSERT INTO document (id, kind, at) VALUES (?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, at = excluded.at RETURNING row",
                (document.id, document.kind, document.at.timestamp()),
            ).fetchone()
            self._connection.execute(
                "INSERT OR REPLACE INTO words (rowid, title, tags, names, body) VALUES (?, ?, ?, ?, ?)", (row, *columns)
            )

    def _remove(self, id_: str) -> None:
        with self._connection:
            rows = self._connection.execute("DELETE FROM document WHERE id = ? RETURNING row", (id_,)).fetchall()
            self._connection.executemany("DELETE FROM words WHERE rowid = ?", rows)
