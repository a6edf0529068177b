"""How far each video's media is, in memory."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice

from sortedcontainers import SortedList

from adapters.inmemory.outbox import Changes, InMemoryOutbox
from adapters.versions import next_version
from application.ports import Event
from domain.errors import NotFound, Stale
from domain.ids import VideoId
from domain.processing import Processing


class InMemoryProcessings:
    """By video, and those not done by when something last happened."""

    def __init__(self, outbox: InMemoryOutbox, changes: Changes) -> None:
        self._outbox = outbox
        self._changes = changes
        self._processings: dict[VideoId, Processing] = {}
        self._unfinished: SortedList[tuple[datetime, VideoId]] = SortedList()

    async def get(self, video: VideoId) -> Processing:
        try:
            return self._processings[video]
        except KeyError:
            raise NotFound("this video is not processed") from None

    async def many(self, videos: Sequence[VideoId]) -> Mapping[VideoId, Processing]:
        stored = self._processings
        return {video: stored[video] for video in videos if video in stored}

    async def save(self, processing: Processing, *events: Event) -> Processing:
        stored = self._processings.get(processing.video)
        if processing.version != (stored.version if stored else 0):
            raise Stale("this video's processing")
        saved = next_version(processing)
        if stored and not stored.done:
            self._unfinished.remove((stored.updated_at, stored.video))
        if not saved.done:
            self._unfinished.add((saved.updated_at, saved.video))
        self._processings[saved.video] = saved
        self._outbox.append(events)
        self._changes.note()
        return saved

    async def unfinished(self, before: datetime, limit: int = 100) -> Sequence[Processing]:
        # No video's name sorts before the empty one, so what was updated at ``before`` itself stays out.
        walked = self._unfinished.irange(maximum=(before, VideoId("")))
        return [self._processings[video] for _, video in islice(walked, limit)]

    async def ahead(self, after: datetime, limit: int = 100) -> Sequence[Processing]:
        walked = self._unfinished.irange(minimum=(after + timedelta.resolution, VideoId("")))
        return [self._processings[video] for _, video in islice(walked, limit)]

    def kept(self) -> Sequence[Processing]:
        """All of them, for an archive."""
        return list(self._processings.values())

    def admit(self, processing: Processing) -> None:
        """One from an archive, as it is."""
        self._processings[processing.video] = processing
        if not processing.done:
            self._unfinished.add((processing.updated_at, processing.video))
        self._changes.note()
