"""Names of which each is one's alone: an item each, which is written in the transaction that saves who bears it.

An index could not do this: two writers may both find a name free in it.
"""

from collections.abc import Sequence

from attrs import field, frozen

from adapters.aws.dynamo import NEW, Key, Tables, Write, delete, put, text
from adapters.aws.tables import Operation, Pattern, Table, pattern

HOLDER = "holder"
_OURS = f"attribute_not_exists(#pk) OR #{HOLDER} = :{HOLDER}"


@frozen(kw_only=True)
class Names:
    """``name`` is what the documentation calls one of them."""

    table: Table
    prefix: str
    name: str
    _get: Pattern = field(init=False)
    _write: Pattern = field(init=False)

    def __attrs_post_init__(self) -> None:
        partition = f"{self.prefix}<name>"
        get = pattern(
            f"who bears a {self.name}", Operation.GET, self.table, partition, "UNIQ", strong=True, item_bytes=100
        )
        write = pattern(
            f"take or free a {self.name}", Operation.WRITE, self.table, partition, "UNIQ", item_bytes=100,
            transaction=True,
        )  # fmt: skip
        object.__setattr__(self, "_get", get)
        object.__setattr__(self, "_write", write)

    async def holder(self, tables: Tables, name: str) -> str | None:
        """The id of who bears it."""
        item = await tables.get(self._get, self._at(name))
        return None if item is None else str(item[HOLDER]["S"])

    def moving(self, holder: str, before: str | None, after: str | None) -> Sequence[Write]:
        """From one name to another; None is no name. The first of the writes is refused when ``after`` is taken."""
        if before == after:
            return []
        writes = []
        if after is not None:
            writes.append(put(self._write, self._at(after), {HOLDER: text(holder)}, NEW))
        if before is not None:
            writes.append(delete(self._write, self._at(before), _OURS, holder=text(holder)))
        return writes

    def _at(self, name: str) -> Key:
        return Key(f"{self.prefix}{name}", "UNIQ")
