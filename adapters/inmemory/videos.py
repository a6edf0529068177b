"""Videos in memory, in every order they are listed in."""

import heapq
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from operator import itemgetter

from sortedcontainers import SortedList

from adapters.cursors import Key, decoded
from adapters.inmemory.outbox import Changes, InMemoryOutbox
from adapters.inmemory.paging import BEYOND, page, page_of, walk
from adapters.versions import next_version
from application.ports import Event, Order, Page
from domain.errors import NotFound, Stale
from domain.ids import ChannelId, VideoId
from domain.videos import Video

_after_channel = itemgetter(slice(1, None))


class InMemoryVideos:
    """By id, and indices of keys that end in a time and the id.

    One index serves all channels (or tags): their keys begin with it. That takes a tenth of the memory that an
    index for each of them would, and as little time.
    """

    def __init__(self, outbox: InMemoryOutbox, changes: Changes) -> None:
        self._outbox = outbox
        self._changes = changes
        self._videos: dict[VideoId, Video] = {}
        self._created: SortedList[Key] = SortedList()
        self._due: SortedList[Key] = SortedList()
        self._listed: SortedList[Key] = SortedList()
        self._listed_in: SortedList[Key] = SortedList()
        self._tagged: SortedList[Key] = SortedList()
        self._tagged_in: SortedList[Key] = SortedList()
        self._indices = (self._created, self._due, self._listed, self._listed_in, self._tagged, self._tagged_in)
        self._counts: dict[ChannelId, int] = {}

    async def get(self, video: VideoId) -> Video:
        try:
            return self._videos[video]
        except KeyError:
            raise NotFound("there is no such video") from None

    async def many(self, videos: Sequence[VideoId]) -> Mapping[VideoId, Video]:
        stored = self._videos
        return {video: stored[video] for video in videos if video in stored}

    async def save(self, video: Video, *events: Event) -> Video:
        stored = self._videos.get(video.id)
        if video.version != (stored.version if stored else 0):
            raise Stale("this video")
        saved = next_version(video)
        self._videos[saved.id] = saved
        self._move(stored, saved)
        self._outbox.append(events)
        self._changes.note()
        return saved

    async def remove(self, video: Video, *events: Event) -> None:
        stored = self._videos.get(video.id)
        if stored is None or video.version != stored.version:
            raise Stale("this video")
        del self._videos[stored.id]
        self._move(stored, None)
        self._outbox.append(events)
        self._changes.note()

    async def listed(
        self, *, channel: ChannelId | None = None, tag: str | None = None, order: Order = Order.NEWEST,
        cursor: str | None = None, limit: int = 20,
    ) -> Page[Video]:  # fmt: skip
        index: SortedList[Key]
        within: Key
        if channel is None:
            index, within = (self._listed, ()) if tag is None else (self._tagged, (tag,))
        else:
            index, within = (self._listed_in, (channel,)) if tag is None else (self._tagged_in, (channel, tag))
        return page(index, self._of, within=within, cursor=cursor, limit=limit, descending=order is Order.NEWEST)

    async def of_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Video]:
        return page(self._created, self._of, within=(channel,), cursor=cursor, limit=limit, descending=True)

    async def feed(self, channels: Sequence[ChannelId], *, cursor: str | None = None, limit: int = 20) -> Page[Video]:
        tail = () if cursor is None else decoded(cursor)
        walks = [
            walk(self._listed_in, within=(channel,), tail=tail, descending=True)
            for channel in dict.fromkeys(channels)
            if channel in self._counts
        ]
        return page_of(heapq.merge(*walks, key=_after_channel, reverse=True), self._of, limit, beginning=1)

    async def count(self, channel: ChannelId) -> int:
        return self._counts.get(channel, 0)

    async def due(self, now: datetime, limit: int = 100) -> Sequence[Video]:
        return [self._of(key) for key in islice(self._due.irange(maximum=(now, BEYOND)), limit)]

    def kept(self) -> Sequence[Video]:
        """All of them, for an archive."""
        return list(self._videos.values())

    def admit(self, video: Video) -> None:
        """One from an archive, as it is."""
        self._videos[video.id] = video
        self._move(None, video)
        self._changes.note()

    def _of(self, key: Key) -> Video:
        return self._videos[key[-1]]

    def _move(self, before: Video | None, after: Video | None) -> None:
        left, entered = _place(before), _place(after)
        if left == entered:
            return
        for index, old, new in zip(self._indices, _keys(before), _keys(after), strict=True):
            for key in old - new:
                index.remove(key)
            for key in new - old:
                index.add(key)
        for video, step in ((before, -1), (after, 1)):
            if video is not None and video.listable:
                count = self._counts.get(video.channel, 0) + step
                if count:
                    self._counts[video.channel] = count
                else:
                    del self._counts[video.channel]


def _place(video: Video | None) -> tuple[object, ...]:
    """All that decides where a video stands in which list."""
    if video is None:
        return ()
    listed = (video.published_at, video.tags) if video.listable else None
    return video.channel, video.created_at, video.publish_at, listed


def _keys(video: Video | None) -> tuple[set[Key], ...]:
    """A video's keys in each of the indices, in their order."""
    if video is None:
        return tuple(set() for _ in range(6))
    id_, channel, at = video.id, video.channel, video.published_at
    tags = video.tags if video.listable else ()
    return (
        {(channel, video.created_at, id_)},
        {(video.publish_at, id_)} if video.publish_at else set(),
        {(at, id_)} if video.listable else set(),
        {(channel, at, id_)} if video.listable else set(),
        {(tag, at, id_) for tag in tags},
        {(channel, tag, at, id_) for tag in tags},
    )
