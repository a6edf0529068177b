"""What the repositories of the cloud have in common: versioned documents by id, and pages of a list."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from attrs import field, frozen

from adapters.aws.dynamo import (
    NEW,
    SK_BYTES,
    Item,
    Key,
    Refused,
    Tables,
    Value,
    Write,
    check,
    delete,
    key_of,
    number,
    put,
    text,
)
from adapters.aws.tables import Index, Operation, Pattern, Table, pattern
from adapters.cursors import decoded, encoded, garbled
from adapters.rows import text_of, value_of
from adapters.versions import Versioned, next_version
from application.ports import Page
from domain.errors import NotFound, Stale

V = TypeVar("V", bound=Versioned)
T = TypeVar("T")

DOC, VERSION = "doc", "v"


@frozen(kw_only=True)
class Shelf(Generic[V]):
    """Items of one kind of versioned value, each in a partition of its own: ``prefix`` and the id, then ``sort``.
    ``place`` gives an item's keys in indices, and whatever else is beside the document.

    ``name`` is what the documentation calls one; ``missing`` is said of one that is not there, ``stale`` names one
    that someone else has changed.
    """

    table: Table
    kind: type[V]
    name: str
    prefix: str
    sort: str = "META"
    missing: str
    stale: str
    key: str = "id"
    place: Callable[[V], Mapping[str, Value]] = lambda _: {}
    indices: Sequence[Index] = ()
    item_bytes: int = 1024
    strong: bool = False
    """Whether many at once are read as they are now, as one is."""
    _get: Pattern = field(init=False)
    _many: Pattern = field(init=False)
    _write: Pattern = field(init=False)

    def __attrs_post_init__(self) -> None:
        partition = f"{self.prefix}<{self.key}>"
        for name, purpose, operation, more in (
            ("_get", f"{self.name} by id", Operation.GET, {"strong": True}),
            ("_many", f"{self.name}s by id", Operation.MANY, {"items": 20, "strong": self.strong, "shown": (DOC,)}),
            ("_write", f"save or remove {self.name}", Operation.WRITE, {"indices": self.indices}),
        ):
            declared = pattern(purpose, operation, self.table, partition, self.sort, item_bytes=self.item_bytes, **more)
            object.__setattr__(self, name, declared)

    def at(self, id_: str) -> Key:
        return Key(f"{self.prefix}{id_}", self.sort)

    def value(self, item: Item) -> V:
        return value_of(item[DOC]["S"], self.kind)

    async def find(self, tables: Tables, id_: str) -> V | None:
        """As it is now, if it is there."""
        item = await tables.get(self._get, self.at(id_))
        return None if item is None else self.value(item)

    async def get(self, tables: Tables, id_: str) -> V:
        """As it is now. Raises NotFound."""
        value = await self.find(tables, id_)
        if value is None:
            raise NotFound(self.missing)
        return value

    async def before(self, tables: Tables, value: V) -> V | None:
        """What is stored, for whoever must know what a save of ``value`` changes; None when that is to be the first.
        Raises Stale.
        """
        if value.version == 0:
            return None
        stored = await self.find(tables, getattr(value, self.key))
        if stored is None or stored.version != value.version:
            raise Stale(self.stale)
        return stored

    async def many(self, tables: Tables, ids: Iterable[str]) -> Mapping[Any, V]:
        """Those that are there, by id."""
        found = await tables.many(self._many, map(self.at, ids))
        return {getattr(value, self.key): value for value in map(self.value, found.values())}

    def saving(self, value: V) -> tuple[V, Write]:
        """What it will be, one version on, and the write that makes it so; refused when it is stale."""
        saved = next_version(value)
        item = {**self.place(saved), VERSION: number(saved.version), DOC: text(text_of(saved))}
        key = self.at(getattr(value, self.key))
        if value.version == 0:
            return saved, put(self._write, key, item, NEW)
        return saved, put(self._write, key, item, f"#{VERSION} = :was", was=number(value.version))

    def admitting(self, value: V) -> Write:
        """The write that stores one from an archive, in the version that it has; refused when there is one already."""
        item = {**self.place(value), VERSION: number(value.version), DOC: text(text_of(value))}
        return put(self._write, self.at(getattr(value, self.key)), item, NEW)

    def kept(self, item: Item) -> V | None:
        """Whose item it is, for an archive; None if it is none of these."""
        key = key_of(item)
        return self.value(item) if key.sk == self.sort and key.pk.startswith(self.prefix) else None

    def unchanged(self, value: V) -> Write:
        """Carries a transaction out as long as it is still this version."""
        key = self.at(getattr(value, self.key))
        return check(self._write, key, f"#{VERSION} = :was", was=number(value.version))

    def removing(self, value: V) -> Write:
        """Refused when it is stale."""
        key = self.at(getattr(value, self.key))
        return delete(self._write, key, f"#{VERSION} = :was", was=number(value.version))

    async def save(self, tables: Tables, value: V, *more: Write) -> V:
        """Together with other writes, which must have no conditions of their own. Raises Stale."""
        saved, write = self.saving(value)
        await self.written(tables, write, *more)
        return saved

    async def written(self, tables: Tables, *writes: Write) -> None:
        """Writes of which only the value's own can be refused. Raises Stale."""
        try:
            await tables.write(*writes)
        except Refused as refused:
            raise Stale(self.stale) from refused


def moving(asked: Pattern, before: Mapping[Key, Item], after: Mapping[Key, Item]) -> Sequence[Write]:
    """From the items that stand beside a value to those that shall."""
    gone = [delete(asked, key) for key in before if key not in after]
    return gone + [put(asked, key, item) for key, item in after.items() if before.get(key) != item]


def tail(cursor: str | None, parts: int = 1) -> tuple[str, ...] | None:
    """The texts that a cursor says, None for none. Raises Invalid (``invalid_cursor``)."""
    if cursor is None:
        return None
    said = decoded(cursor)
    if len(said) != parts or not all(isinstance(part, str) and 0 < len(part.encode()) <= SK_BYTES for part in said):
        raise garbled()
    return said


def page(items: Sequence[Item], limit: int, value: Callable[[Item], T], key: str) -> Page[T]:
    """The first ``limit`` of the items, of which there is one more if there are more to come. The cursor is the last
    one's sort key, the attribute ``key``.
    """
    shown = items[:limit]
    more = len(items) > limit
    return Page([value(item) for item in shown], encoded((shown[-1][key]["S"],)) if more else None)
