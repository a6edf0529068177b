"""How far each video's media is, on DynamoDB."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from adapters.aws.dynamo import Item, Tables, Value, stamp
from adapters.aws.lists import entry, merged, place, sharded, shards, up_to
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.shelves import Shelf
from adapters.aws.tables import CORE, G1, Operation, pattern
from application.ports import Event
from domain.ids import VideoId
from domain.processing import Processing

_UNDONE = "UNDONE"


def _place(processing: Processing) -> Mapping[str, Value]:
    if processing.done:
        return {}
    return entry(G1, sharded(_UNDONE, processing.video), place(processing.updated_at, processing.video))


_PROCESSINGS = Shelf(
    table=CORE, kind=Processing, key="video", name="processing", prefix="VIDEO#", sort="PROC",
    missing="this video is not processed", stale="this video's processing", place=_place, indices=(G1,),
    item_bytes=2048,
)  # fmt: skip
_MOVED = pattern(
    "processings that are not done, by when something last happened", Operation.QUERY, CORE, f"{_UNDONE}#<shard>",
    "<updated at>#<video>", index=G1, items=10, item_bytes=2048,
)  # fmt: skip


class DynamoProcessings:
    """By video, and those not done by when something last happened."""

    def __init__(self, tables: Tables, outbox: DynamoOutbox) -> None:
        self._tables = tables
        self._outbox = outbox

    async def get(self, video: VideoId) -> Processing:
        return await _PROCESSINGS.get(self._tables, video)

    async def many(self, videos: Sequence[VideoId]) -> Mapping[VideoId, Processing]:
        return await _PROCESSINGS.many(self._tables, videos)

    async def save(self, processing: Processing, *events: Event) -> Processing:
        return await _PROCESSINGS.save(self._tables, processing, *self._outbox.storing(events))

    async def unfinished(self, before: datetime, limit: int = 100) -> Sequence[Processing]:
        return await self._undone(limit, below=stamp(before))

    async def ahead(self, after: datetime, limit: int = 100) -> Sequence[Processing]:
        return await self._undone(limit, above=up_to(after))

    def kept(self, item: Item) -> Processing | None:
        return _PROCESSINGS.kept(item)

    async def admit(self, processing: Processing) -> None:
        """One from an archive. Raises Refused."""
        await self._tables.write(_PROCESSINGS.admitting(processing))

    async def _undone(self, limit: int, *, above: str | None = None, below: str | None = None) -> Sequence[Processing]:
        found = await merged(self._tables, _MOVED, shards(_UNDONE), above=above, below=below, limit=limit, step=limit)
        return [_PROCESSINGS.value(item) for item in found]
