"""Lists by time: their places as sort keys, and lists that lie in several partitions.

Sort keys that ascend with time all go to the end of a partition, which takes 1000 writes a second and is not split for
them. So what everybody writes to is spread over ``SHARDS`` partitions, and put in one order by whoever
reads it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from zlib import crc32

from attrs import define, field

from adapters.aws.dynamo import Item, Tables, Value, stamp, text
from adapters.aws.tables import SK, Index, Pattern

SHARDS = 4
FIRST, LAST = "", "\U0010ffff"
"""Before every sort key, and after."""


def place(at: datetime, id_: str) -> str:
    """A sort key by time, and by id where times are the same."""
    return f"{stamp(at)}#{id_}"


def up_to(at: datetime) -> str:
    """After all places of this time, before those of any later one."""
    return f"{stamp(at)}$"


def sharded(name: str, id_: str) -> str:
    """The partition of a list that something stands in."""
    return f"{name}#{crc32(id_.encode()) % SHARDS}"


def shards(name: str) -> Sequence[str]:
    return [f"{name}#{shard}" for shard in range(SHARDS)]


def entry(index: Index, partition: str, sort: str) -> Mapping[str, Value]:
    """What makes an item be in an index."""
    return {index.pk: text(partition), index.sk: text(sort)}


@define(eq=False)
class _Walk:
    """Through one partition: ``after`` is the last key that was read, and nothing unread lies before ``ahead``."""

    partition: str
    after: str | None
    ahead: str
    items: list[Item] = field(factory=list)
    ended: bool = False


async def merged(
    tables: Tables, asked: Pattern, partitions: Iterable[str], *, above: str | None = None, below: str | None = None,
    descending: bool = False, limit: int, step: int, heads: Mapping[str, str] | None = None,
) -> Sequence[Item]:  # fmt: skip
    """The first ``limit`` items of all the partitions together, by their sort keys, which are above and below these.

    Each partition is read in steps of ``step``, and only as far as it can still add to the result; at once at most
    ``limit`` of them. ``heads`` may say of a partition that none of its items comes before this key: it is not read
    at all unless what is read of the others ends behind it.
    """
    key = asked.index.sk if asked.index else SK
    after, end = (below, FIRST) if descending else (above, LAST)
    walks = []
    for partition in partitions:
        heard = [each for each in (after, (heads or {}).get(partition)) if each is not None]
        nearest = min(heard, default=LAST) if descending else max(heard, default=FIRST)
        walks.append(_Walk(partition, after, nearest))

    async def read_on(walk: _Walk) -> None:
        low, high = (above, walk.after) if descending else (walk.after, below)
        items = await tables.query(
            asked, walk.partition, above=low, below=high, descending=descending, limit=min(step, limit)
        )
        walk.items += items
        walk.ended = len(items) < min(step, limit)
        if items:
            walk.after = walk.ahead = items[-1][key]["S"]

    while True:
        read = chain.from_iterable(walk.items for walk in walks)
        found = sorted(read, key=lambda item: item[key]["S"], reverse=descending)[:limit]
        last = found[-1][key]["S"] if len(found) == limit else end
        open_ = [walk for walk in walks if not walk.ended and _before(walk.ahead, last, descending=descending)]
        if not open_:
            return found
        open_.sort(key=lambda walk: walk.ahead, reverse=descending)
        await asyncio.gather(*map(read_on, open_[:limit]))


def _before(one: str, other: str, *, descending: bool) -> bool:
    return one > other if descending else one < other
