"""What the repositories of this machine have in common: a table of documents by id, and pages of a list."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from attrs import field, frozen

from adapters.cursors import Key, decoded, encoded, garbled
from adapters.local.database import Row, Transaction, Values, micros, moment, sql
from adapters.rows import text_of, value_of
from adapters.versions import Versioned, next_version
from application.ports import Page
from domain.errors import NotFound, Stale

V = TypeVar("V", bound=Versioned)
T = TypeVar("T")

FIRST: Key = (-(2**62), "")
"""Before every time and id."""
LAST: Key = (2**62, "\U0010ffff")
"""After them."""


class _Reads(Protocol):
    """A database, or a transaction."""

    def rows(self, statement: str, values: Values = (), /) -> list[Row]: ...


@frozen
class Stored(Generic[V]):
    """A row: its number, and the value."""

    n: int
    value: V


@frozen(kw_only=True)
class Shelf(Generic[V]):
    """A table of versioned values. ``columns`` are those beside id, version and doc, and ``place`` what is in them.

    ``missing`` is said of one that is not there, ``stale`` names one that someone else has changed.
    """

    table: str
    kind: type[V]
    missing: str
    stale: str
    key: str = "id"
    columns: Sequence[str] = ()
    place: Callable[[V], Values] = lambda _: ()
    _get: str = field(init=False)
    _many: str = field(init=False)
    _stored: str = field(init=False)
    _insert: str = field(init=False)
    _update: str = field(init=False)
    _delete: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        names = [self.key, "version", *self.columns, "doc"]
        given = ", ".join("?" * len(names))
        changed = ", ".join(f"{name} = ?" for name in names[1:])
        for name, text in {
            "_get": f"SELECT doc FROM {self.table} WHERE {self.key} = ?",
            "_many": f"SELECT doc FROM {self.table} WHERE {self.key} IN (SELECT value FROM json_each(?))",
            "_stored": f"SELECT n, doc FROM {self.table} WHERE {self.key} = ?",
            "_insert": f"INSERT INTO {self.table} ({', '.join(names)}) VALUES ({given}) RETURNING n",
            "_update": f"UPDATE {self.table} SET {changed} WHERE n = ?",
            "_delete": f"DELETE FROM {self.table} WHERE n = ?",
        }.items():
            object.__setattr__(self, name, sql(text))

    def value(self, doc: str) -> V:
        return value_of(doc, self.kind)

    def get(self, database: _Reads, key: str) -> V:
        """Raises NotFound."""
        return self.one(database, self._get, key)

    def one(self, database: _Reads, statement: str, *values: Any) -> V:
        """The first document that a statement finds. Raises NotFound."""
        rows = database.rows(statement, values)
        if not rows:
            raise NotFound(self.missing)
        return self.value(rows[0][0])

    def many(self, database: _Reads, keys: Sequence[str]) -> Mapping[Any, V]:
        """Those that are there, by key."""
        found = self.all(database, self._many, as_list(keys)) if keys else ()
        return {getattr(value, self.key): value for value in found}

    def all(self, database: _Reads, statement: str, *values: Any) -> Sequence[V]:
        """The documents that a statement finds."""
        return [self.value(doc) for (doc,) in database.rows(statement, values)]

    def stored(self, transaction: Transaction, key: str) -> Stored[V] | None:
        row = transaction.row(self._stored, (key,))
        return Stored(row[0], self.value(row[1])) if row else None

    def save(self, transaction: Transaction, value: V) -> tuple[Stored[V] | None, Stored[V]]:
        """What was there before, and what is now, one version on. Raises Stale."""
        key = getattr(value, self.key)
        before = self.stored(transaction, key)
        if value.version != (before.value.version if before else 0):
            raise Stale(self.stale)
        saved = next_version(value)
        row = (key, saved.version, *self.place(saved), text_of(saved))
        if before is None:
            ((n,),) = transaction.rows(self._insert, row)
            return None, Stored(n, saved)
        transaction.run(self._update, (*row[1:], before.n))
        return before, Stored(before.n, saved)

    def remove(self, transaction: Transaction, value: V) -> Stored[V]:
        """What was there. Raises Stale."""
        before = self.stored(transaction, getattr(value, self.key))
        if before is None or value.version != before.value.version:
            raise Stale(self.stale)
        transaction.run(self._delete, (before.n,))
        return before


def as_list(values: Sequence[str]) -> str:
    """For ``IN (SELECT value FROM json_each(?))``: one statement, however many there are."""
    return text_of(values)


def start(cursor: str | None, first: Key) -> Key:
    """The tail of the last row that was shown, as it is stored; ``first``, which is of the same types, when none was.

    Raises Invalid (``invalid_cursor``).
    """
    if cursor is None:
        return first
    tail = tuple(micros(part) if isinstance(part, datetime) else part for part in decoded(cursor))
    fits = len(tail) == len(first) and all(type(part) is type(like) for part, like in zip(tail, first, strict=True))
    if not fits or any(isinstance(part, int) and abs(part) > LAST[0] for part in tail):
        raise garbled()
    return tail


def page(rows: Sequence[Row], limit: int, value: Callable[[Row], T], tail: Callable[[Row], Key]) -> Page[T]:
    """The first ``limit`` of the rows, of which there is one more if there are more to come."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page([value(row) for row in shown], encoded(tail(shown[-1])) if more else None)


def by_time(row: Row) -> Key:
    """The tail of a row (…, time, id)."""
    return moment(row[-2]), row[-1]
