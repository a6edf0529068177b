"""Full-text search on this machine, in SQLite's own engine."""

import apsw

from adapters.cursors import count, encoded
from adapters.local.database import Database, Row, Transaction, sql
from adapters.rows import text_of
from adapters.words import FIND, FINDS_MOST, columns, match
from application.ports import Document, Found, Page

_PUT = sql(
    "INSERT INTO document (id, kind, at, doc) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
    " SET kind = excluded.kind, at = excluded.at, doc = excluded.doc RETURNING row"
)
_PUT_WORDS = sql("INSERT OR REPLACE INTO words (rowid, title, tags, names, body) VALUES (?, ?, ?, ?, ?)")
_REMOVE = sql("DELETE FROM document WHERE id = ? RETURNING row")
_REMOVE_WORDS = sql("DELETE FROM words WHERE rowid = ?")


class SqliteSearch:
    """An FTS5 index, ranked by BM25, beside the documents.

    A cursor is how many were seen, so documents stored during a walk may shift it by some; a walk ends after
    ``FINDS_MOST``. What is found is sought aside, because a word that stands everywhere takes milliseconds to rank.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, document: Document) -> None:
        place = (document.id, document.kind, document.at.timestamp(), text_of(document))
        indexed = columns(document)

        def work(transaction: Transaction) -> None:
            ((row,),) = transaction.rows(_PUT, place)
            transaction.run(_PUT_WORDS, (row, *indexed))

        await self._database.write(work)

    async def remove(self, id: str) -> None:  # noqa: A002  (the domain's word)
        def work(transaction: Transaction) -> None:
            for removed in transaction.rows(_REMOVE, (id,)):
                transaction.run(_REMOVE_WORDS, removed)

        await self._database.write(work)

    async def find(
        self, query: str, *, kind: Found | None = None, cursor: str | None = None, limit: int = 20
    ) -> Page[tuple[Found, str]]:
        offset = count(cursor)
        limit = min(limit, FINDS_MOST - offset)
        wanted = match(query)
        if not wanted or limit <= 0:
            return Page(())
        sought = {"query": wanted, "kind": kind, "limit": limit + 1, "offset": offset}

        def work(connection: apsw.Connection) -> list[Row]:
            return connection.execute(FIND, sought).fetchall()

        rows = await self._database.aside(work)
        more = len(rows) > limit and offset + limit < FINDS_MOST
        return Page([(Found(kind_), id_) for kind_, id_ in rows[:limit]], encoded((offset + limit,)) if more else None)
