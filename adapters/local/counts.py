"""Counts that stand beside what they count, and change in the same transaction."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from attrs import field, frozen

from adapters.local.database import Database, Transaction, sql
from adapters.local.shelves import as_list

K = TypeVar("K", bound=str)


@frozen
class Counts:
    """A table of counts; ``key`` names the column that says of what. One that is zero takes no room."""

    table: str
    key: str
    _add: str = field(init=False)
    _drop: str = field(init=False)
    _of: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        table, key = self.table, self.key
        for name, text in {
            "_add": f"INSERT INTO {table} ({key}, count) VALUES (?, ?) "
            f"ON CONFLICT ({key}) DO UPDATE SET count = count + excluded.count RETURNING count",
            "_drop": f"DELETE FROM {table} WHERE {key} = ?",
            "_of": f"SELECT {key}, count FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))",
        }.items():
            object.__setattr__(self, name, sql(text))

    def add(self, transaction: Transaction, key: str, by: int) -> int:
        """How many there are now."""
        ((count,),) = transaction.rows(self._add, (key, by))
        if not count:
            transaction.run(self._drop, (key,))
        return int(count)

    def of(self, database: Database, keys: Sequence[K]) -> Mapping[K, int]:
        """For every key, zero included."""
        found: dict[str, int] = dict(database.rows(self._of, (as_list(keys),)))
        return {key: found.get(key, 0) for key in keys}
