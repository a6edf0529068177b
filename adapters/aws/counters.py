"""Counts beside what is counted, exact: they change in the transaction that changes it.

A counter is one item until two transactions meet at it. From then on it is ``SHARDS`` of them, so that thousands may
react to one video in a second (AWS.md 6.3), and nobody else pays for reading them all.
"""

import random
from collections.abc import Mapping, Sequence

from attrs import field, frozen

from adapters.aws.dynamo import Item, Key, Tables, Write, delete, number, update
from adapters.aws.tables import Operation, Pattern, Table, pattern

SHARDS = 8
_SHARDS = "shards"


@frozen(kw_only=True)
class Counters:
    """``names`` are what is counted of each subject."""

    table: Table
    prefix: str
    names: Sequence[str] = ("count",)
    _many: Pattern = field(init=False)
    _add: Pattern = field(init=False)
    _spread: Pattern = field(init=False)
    _forget: Pattern = field(init=False)

    def __attrs_post_init__(self) -> None:
        counted, partition = "/".join(self.names), f"{self.prefix}<subject>#<shard>"
        for name, purpose, operation, more in (
            ("_many", f"{counted} of subjects", Operation.MANY, {"items": 20, "strong": True}),
            ("_add", f"count {counted}", Operation.WRITE, {"transaction": True}),
            ("_spread", f"spread {counted} over shards", Operation.WRITE, {}),
            ("_forget", f"forget {counted}", Operation.BATCH, {"items": SHARDS}),
        ):
            declared = pattern(purpose, operation, self.table, partition, "COUNT", item_bytes=100, **more)
            object.__setattr__(self, name, declared)

    async def of(self, tables: Tables, subjects: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """For every subject, zero included."""
        first = await tables.many(self._many, (self._at(subject, 0) for subject in subjects))
        spread = [
            self._at(subject, shard)
            for subject in subjects
            if _SHARDS in first.get(self._at(subject, 0), ())
            for shard in range(1, SHARDS)
        ]
        rest = await tables.many(self._many, spread) if spread else {}
        return {subject: self._sum(subject, {**first, **rest}) for subject in subjects}

    def add(self, subject: str, tried: int, **by: int) -> Write:
        """A step of a transaction that is tried for the ``tried``-th time: ``Tables.attempt`` calls it again, after
        ``spread``, when others were at the same item.
        """
        steps = ", ".join(f"#{name} :{name}" for name in by)
        shard = random.randrange(SHARDS) if tried else 0  # noqa: S311  (nothing secret)
        values = {name: number(step) for name, step in by.items()}
        return update(self._add, self._at(subject, shard), f"ADD {steps}", "", **values)

    async def spread(self, tables: Tables, subject: str) -> None:
        """From now on there are more items, and readers know of it before anything is in them."""
        await tables.write(update(self._spread, self._at(subject, 0), f"SET #{_SHARDS} = :n", n=number(SHARDS)))

    async def forget(self, tables: Tables, subject: str) -> None:
        await tables.write_many([delete(self._forget, self._at(subject, shard)) for shard in range(SHARDS)])

    def _at(self, subject: str, shard: int) -> Key:
        return Key(f"{self.prefix}{subject}#{shard}", "COUNT")

    def _sum(self, subject: str, items: Mapping[Key, Item]) -> Mapping[str, int]:
        shards = [items[key] for shard in range(SHARDS) if (key := self._at(subject, shard)) in items]
        return {name: sum(int(item[name]["N"]) for item in shards if name in item) for name in self.names}
