"""How far each video's media is, on this machine."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from adapters.local.database import Database, Transaction, micros, sql
from adapters.local.outbox import SqliteOutbox
from adapters.local.shelves import Shelf
from application.ports import Event
from domain.ids import VideoId
from domain.processing import Processing

_PROCESSINGS = Shelf(
    table="processing", kind=Processing, key="video", missing="this video is not processed",
    stale="this video's processing", columns=("unfinished_since",),
    place=lambda processing: (None if processing.done else micros(processing.updated_at),),
)  # fmt: skip
_UNFINISHED = sql("SELECT doc FROM processing WHERE unfinished_since < ? ORDER BY unfinished_since, video LIMIT ?")

_AHEAD = sql("SELECT doc FROM processing WHERE unfinished_since > ? ORDER BY unfinished_since, video LIMIT ?")


class SqliteProcessings:
    """By video, and those not done by when something last happened."""

    def __init__(self, database: Database, outbox: SqliteOutbox) -> None:
        self._database = database
        self._outbox = outbox

    async def get(self, video: VideoId) -> Processing:
        return _PROCESSINGS.get(self._database, video)

    async def many(self, videos: Sequence[VideoId]) -> Mapping[VideoId, Processing]:
        return _PROCESSINGS.many(self._database, videos)

    async def save(self, processing: Processing, *events: Event) -> Processing:
        def work(transaction: Transaction) -> Processing:
            _, saved = _PROCESSINGS.save(transaction, processing)
            self._outbox.append(transaction, events)
            return saved.value

        return await self._database.write(work)

    async def unfinished(self, before: datetime, limit: int = 100) -> Sequence[Processing]:
        return _PROCESSINGS.all(self._database, _UNFINISHED, micros(before), limit)

    async def ahead(self, after: datetime, limit: int = 100) -> Sequence[Processing]:
        return _PROCESSINGS.all(self._database, _AHEAD, micros(after), limit)
