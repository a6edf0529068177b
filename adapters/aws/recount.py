"""Counts held against what they count, once a night, and mended by what they are off.

A count changes in the transaction that changes what it counts, so only a mistake makes it drift. To count by Query and
compare would be to mend what is true: the tables are written meanwhile, and the indices lag. In an export (``exports``)
counts and facts are of one moment; their difference stays true whatever is written later, and is added to what the count
is by then.

A backup is not said to hold all of a transaction of that very second or nothing of it. So a count is mended when two
nights in a row found it off by the same. What was found is saved before anything is mended, as of now, and the next
export is of a later moment: so none is mended twice, and a process that dies between leaves the rest to the next night.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from attrs import evolve, field, frozen

from adapters.aws.dynamo import Item, Tables
from adapters.aws.exports import Exports, Snapshot, Store, begin, described, finished
from adapters.aws.shelves import Shelf
from adapters.aws.tables import OPS, Table
from application.ports import Now
from domain.errors import Stale, Unavailable

EVERY = timedelta(hours=20)
"""From one recount to the next: they are asked for at certain hours."""
ITEMS_MOST = 2_000_000
"""In the tables together. They are read at some 50,000 a second, and what is seen of one half of a count waits in memory
for the other.
"""
OFF_MOST = 1000
"""Counts whose drift is remembered until the next night; more are found when these are mended."""
_LOOK_EVERY = 1000

_log = logging.getLogger(__name__)


class Counting(Protocol):
    """A repository that counts."""

    def tallied(self, item: Item) -> Iterable[tuple[str, int]]:
        """What an item adds to which counts, by their names: a fact 1, a count as much as it says, less than nothing.
        So all items of a table together add nothing to a count that is right.
        """

    async def mend(self, count: str, by: int) -> bool:
        """Make it so much more, whatever it is by now; False if there is nothing to count any more. Raises
        Unavailable.
        """


@frozen(kw_only=True)
class Night:
    """How far a recount is. ``off`` is what the last one found: by how much each count has to be more."""

    id: str = "COUNTS"
    at: datetime
    """When it was begun, or compared."""
    exports: Exports | None = None
    """That are waited for."""
    off: Mapping[str, int] = field(factory=dict)
    version: int = 0


_NIGHTS = Shelf(
    table=OPS, kind=Night, name="recount", prefix="RECOUNT#", missing="there was no recount", stale="this recount",
    item_bytes=500,
)  # fmt: skip


@frozen(kw_only=True)
class Recount:
    """``places`` says who counts in which table."""

    tables: Tables
    store: Store
    bucket: str
    """Takes the exports, which are removed from it after a day."""
    places: Mapping[Table, Sequence[Counting]]
    now: Now
    items_most: int = ITEMS_MOST

    async def __call__(self, spare: Callable[[], bool]) -> int:
        """Go one step on: begin exports, or compare and mend once they are there. How many counts were mended; nothing
        new is begun when no time is to ``spare``. Raises Unavailable, also when time is too short to read it all
        (``recount_too_long``).
        """
        now = self.now()
        night = await _NIGHTS.find(self.tables, "COUNTS")
        if night is None or now >= night.at + EVERY:
            await self._begin(evolve(night or Night(at=now), at=now, exports=None))
        elif night.exports is not None:
            return await self._go_on(evolve(night, at=now, exports=None), night.exports, spare)
        return 0

    async def _begin(self, night: Night) -> None:
        items = sum([int((await described(self.tables, table))["ItemCount"]) for table in self.places])
        if items > self.items_most:
            _log.warning("nothing is counted again: %d items are more than %d", items, self.items_most)
        else:
            night = evolve(night, exports=await begin(self.tables, list(self.places), self.bucket))
        await _save(self.tables, night)

    async def _go_on(self, night: Night, exports: Exports, spare: Callable[[], bool]) -> int:
        try:
            taken = await finished(self.tables, exports, self.store, self.bucket)
        except Unavailable as error:
            if error.code == "export_failed":
                await _save(self.tables, night)
            raise
        if taken is None:
            return 0
        found = await self._found(taken, spare)
        off = {count: by for counts in found.values() for count, by in counts.items()}
        for count, by in off.items():
            _log.warning("%s is off: it has to be %d more", count, by)
        before, most = night.off, sorted(off)[:OFF_MOST]
        if not await _save(self.tables, evolve(night, off={count: off[count] for count in most})):
            return 0
        mended = 0
        for counting, counts in found.items():
            for count, by in counts.items():
                if before.get(count) == by and spare() and await counting.mend(count, by):
                    _log.warning("%s was mended: %d more", count, by)
                    mended += 1
        return mended

    async def _found(self, taken: Snapshot, spare: Callable[[], bool]) -> Mapping[Counting, Mapping[str, int]]:
        found: Mapping[Counting, dict[str, int]] = defaultdict(dict)
        read = 0
        for table, countings in self.places.items():
            async for item in taken.items(table):
                read += 1
                if read % _LOOK_EVERY == 0 and not spare():
                    message = f"time was up after {read} items of a recount"
                    raise Unavailable(message, code="recount_too_long")
                for counting in countings:
                    counts = found[counting]
                    for count, by in counting.tallied(item):
                        total = counts.pop(count, 0) + by
                        if total:
                            counts[count] = total
        return found


async def _save(tables: Tables, night: Night) -> bool:
    """Whether nobody else was faster."""
    try:
        await _NIGHTS.save(tables, night)
    except Stale:
        return False
    return True
