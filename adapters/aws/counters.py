"""Counts beside what is counted, exact: they change in the transaction that changes it.

A counter is one item until two transactions meet at it. From then on it is ``SHARDS`` of them, so that thousands may
react to one video in a second, and nobody else pays for reading them all. They are read as of late, which
is half the price: whoever reads within a moment of a change may see the count before it.

A process that has seen a counter spread begins at any of its items (``Tables.spread``), as long as that is there: if the
counter was forgotten meanwhile it is one item again, and nobody would read the others.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import evolve, field, frozen

from adapters.aws.dynamo import (
    NEW,
    THERE,
    Conflicted,
    Item,
    Key,
    Refused,
    Tables,
    Write,
    delete,
    number,
    put,
    update,
)
from adapters.aws.tables import PK, SK, Operation, Pattern, Table, pattern

SHARDS = 8
KNOWN = 10_000
"""Counters that a process knows to be spread, at most: some 200 bytes each."""
_SHARDS, SORT = "shards", "COUNT"


@frozen(kw_only=True)
class Counters:
    """``names`` are what is counted of each subject."""

    table: Table
    prefix: str
    names: Sequence[str] = ("count",)
    _one: Pattern = field(init=False)
    _many: Pattern = field(init=False)
    _add: Pattern = field(init=False)
    _spread: Pattern = field(init=False)
    _forget: Pattern = field(init=False)

    def __attrs_post_init__(self) -> None:
        counted, partition = "/".join(self.names), f"{self.prefix}<subject>#<shard>"
        for name, purpose, operation, more in (
            ("_one", f"over how many shards {counted} are counted, if at all", Operation.GET, {"strong": True}),
            ("_many", f"{counted} of subjects", Operation.MANY, {"items": 20}),
            ("_add", f"count {counted}", Operation.WRITE, {"transaction": True}),
            ("_spread", f"spread {counted} over shards", Operation.WRITE, {}),
            ("_forget", f"forget {counted}", Operation.BATCH, {"items": SHARDS}),
        ):
            declared = pattern(purpose, operation, self.table, partition, SORT, item_bytes=100, **more)
            object.__setattr__(self, name, declared)

    async def of(self, tables: Tables, subjects: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """For every subject, zero included."""
        first = await tables.many(self._many, (self._at(subject, 0) for subject in subjects))
        spread = [subject for subject in subjects if _SHARDS in first.get(self._at(subject, 0), ())]
        others = [self._at(subject, shard) for subject in spread for shard in range(1, SHARDS)]
        for subject in spread:
            _know(tables, self._at(subject, 0))
        rest = await tables.many(self._many, others) if others else {}
        return {subject: self._sum(subject, {**first, **rest}) for subject in subjects}

    async def write(self, tables: Tables, subject: str, make: Callable[[int], Sequence[Write]], **by: int) -> None:
        """What ``make`` gives and the count of it, in one transaction; spread when others are at the same counter.
        ``make`` is told on which shard it is counted, for what is to lie beside it.
        """
        shard, place, condition = 0, 0, ""
        if self._at(subject, 0) in tables.spread and (shard := tables.draw(SHARDS)):
            condition = THERE

        def writes(_: int) -> Sequence[Write]:
            nonlocal place
            made = make(shard)
            place = len(made)
            return [*made, evolve(self._adding(subject, shard, by), condition=condition)]

        async def conflicted(conflict: Conflicted) -> None:
            nonlocal shard, condition
            if place in conflict.places:
                await self.spread(tables, subject)
                shard, condition = tables.draw(SHARDS), ""

        try:
            await tables.attempt(writes, conflicted)
        except Refused as refused:
            if not condition or set(refused.there) != {place}:
                raise
            # It is not begun yet, or all of them were forgotten.
            if await self.shards(tables, subject) < SHARDS:
                shard = 0
            condition = ""
            await tables.attempt(writes, conflicted)

    def beginning(self, subject: str, **counts: int) -> Write:
        """What was counted elsewhere, refused when anything was counted here."""
        return put(self._add, self._at(subject, 0), {name: number(count) for name, count in counts.items()}, NEW)

    def kept(self, item: Item) -> tuple[str, Mapping[str, int]] | None:
        """Of which subject an item counts how many, on one of its shards; None if it counts something else."""
        pk: str = item[PK]["S"]
        if item[SK]["S"] != SORT or not pk.startswith(self.prefix):
            return None
        subject, _, _ = pk.removeprefix(self.prefix).rpartition("#")
        return subject, {name: int(item[name]["N"]) if name in item else 0 for name in self.names}

    def count(self, subject: str, name: str) -> str:
        """What a recount calls it."""
        return f"{self.prefix}{subject}#{name}"

    def tallied(self, item: Item) -> Iterable[tuple[str, int]]:
        """What a shard counts, less than nothing: together with the facts it is none (``adapters.aws.recount``)."""
        if (kept := self.kept(item)) is not None:
            subject, counts = kept
            for name, counted in counts.items():
                yield self.count(subject, name), -counted

    async def mend(self, tables: Tables, count: str, by: int) -> bool:
        """So many more, whatever is counted meanwhile. What was forgotten stays so."""
        subject, _, name = count.removeprefix(self.prefix).rpartition("#")
        return await mended(tables, self._adding(subject, 0, {name: by}), by)

    async def shards(self, tables: Tables, subject: str) -> int:
        """Over how many it is counted now; none when nothing was ever counted, or it was forgotten."""
        at = self._at(subject, 0)
        first = await tables.get(self._one, at)
        if first is not None and _SHARDS in first:
            _know(tables, at)
            return SHARDS
        tables.spread.pop(at, None)
        return 0 if first is None else 1

    def _adding(self, subject: str, shard: int, by: Mapping[str, int]) -> Write:
        steps = ", ".join(f"#{name} :{name}" for name in by)
        values = {name: number(step) for name, step in by.items()}
        return update(self._add, self._at(subject, shard), f"ADD {steps}", "", **values)

    async def spread(self, tables: Tables, subject: str) -> None:
        """From now on there are more items, and readers know of it before anything is in them. Whoever comes later only
        reads that: the item is in demand enough.
        """
        if await self.shards(tables, subject) < SHARDS:
            await tables.write(update(self._spread, self._at(subject, 0), f"SET #{_SHARDS} = :n", n=number(SHARDS)))
            _know(tables, self._at(subject, 0))

    async def forget(self, tables: Tables, subject: str, shards: int) -> None:
        """All that it is counted over. The first goes last, which says whether there are others."""
        await tables.write_many([delete(self._forget, self._at(subject, shard)) for shard in range(1, shards)])
        await tables.write_many([delete(self._forget, self._at(subject, 0))])
        tables.spread.pop(self._at(subject, 0), None)

    def _at(self, subject: str, shard: int) -> Key:
        return Key(f"{self.prefix}{subject}#{shard}", SORT)

    def _sum(self, subject: str, items: Mapping[Key, Item]) -> Mapping[str, int]:
        shards = [items[key] for shard in range(SHARDS) if (key := self._at(subject, shard)) in items]
        return {name: sum(int(item[name]["N"]) for item in shards if name in item) for name in self.names}


def _know(tables: Tables, at: Key) -> None:
    """That the counter whose first item is there is spread. What was seen longest ago is forgotten for it."""
    tables.spread.pop(at, None)
    tables.spread[at] = None
    if len(tables.spread) > KNOWN:
        del tables.spread[next(iter(tables.spread))]


async def mended(tables: Tables, adding: Write, by: int) -> bool:
    """Whether ``by`` was added. What is taken off was there when it was seen to be too much, and is forgotten if it is
    not there now.
    """
    try:
        await tables.write(evolve(adding, condition=THERE) if by < 0 else adding)
    except Refused:
        return False
    return True
