"""Videos on DynamoDB, in every order they are listed in.

A video is one item. Sparse indices of it are the lists that show whole videos: a channel's by when they were made
(``g1``) and, while they are listable, by when they were published (``g2``); the list of all, and of those that wait
for their time (``g3``), are spread over shards.

A tag of a listable video is an item beside it that holds nothing but keys, for the tag's list everywhere (``g1``) and
in the channel (``g2``). So a page of a tag is two calls, the list and its videos, whatever its size; and a save writes
nothing of up to twenty tags unless it changes where the video is listed. With the document in them each title that is
mended would cost twenty times as much.

The list of all could lie in partitions by day instead. Then the oldest first, and any time in which
nothing happened, would be a walk over empty days; shards hold both orders and any gap.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from adapters.aws.counters import mended
from adapters.aws.dynamo import Item, Key, Refused, Tables, Value, Write, key_of, number, text, update
from adapters.aws.lists import entry, merged, place, sharded, shards, up_to
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.shelves import DOC, Shelf, moving, page, tail
from adapters.aws.tables import CORE, G1, G2, G3, PK, Operation, pattern
from adapters.cursors import encoded
from application.ports import Event, Order, Page
from domain.errors import Stale
from domain.ids import ChannelId, VideoId
from domain.videos import Video

PREFIX = "VIDEO#"
_BYTES = 2048
_PAGE = 21
"""Items that a page of the usual size takes: whether there are more is seen by one more."""


def _listed_at(video: Video | None) -> str | None:
    """Its place in lists, if they show it."""
    if video is None or not video.listable or video.published_at is None:
        return None
    return place(video.published_at, video.id)


def _place(video: Video) -> Mapping[str, Value]:
    places = {**entry(G1, _channel(video.channel), place(video.created_at, video.id))}
    if (at := _listed_at(video)) is not None:
        places |= {**entry(G2, _channel(video.channel), at), **entry(G3, sharded("PUB", video.id), at)}
    elif video.publish_at is not None:  # and so it is not public
        places |= entry(G3, sharded("DUE", video.id), place(video.publish_at, video.id))
    return places


def _channel(channel: ChannelId) -> str:
    return f"CHAN#{channel}"


def _tag_in(channel: ChannelId, tag: str) -> str:
    return f"CHAN#{channel}#TAG#{tag}"


_VIDEOS = Shelf(
    table=CORE, kind=Video, name="video", prefix=PREFIX, missing="there is no such video", stale="this video",
    place=_place, indices=(G1, G2, G3), item_bytes=_BYTES,
)  # fmt: skip
_MADE = pattern(
    "videos of a channel, in any state, by when they were made", Operation.QUERY, CORE, "CHAN#<channel>",
    "<created at>#<video>", index=G1, items=_PAGE, item_bytes=_BYTES, shown=(DOC, G1.sk),
)  # fmt: skip
_LISTED = pattern(
    "listable videos, by when they were published; and those of a feed", Operation.QUERY, CORE, "PUB#<shard>",
    "<published at>#<video>", index=G3, items=1 + _PAGE // 2, item_bytes=_BYTES, shown=(DOC, G3.sk),
)  # fmt: skip
_LISTED_IN = pattern(
    "listable videos of a channel, by when they were published", Operation.QUERY, CORE, "CHAN#<channel>",
    "<published at>#<video>", index=G2, items=_PAGE, item_bytes=_BYTES, shown=(DOC, G2.sk),
)  # fmt: skip
_DUE = pattern(
    "scheduled videos, by their time", Operation.QUERY, CORE, "DUE#<shard>", "<publish at>#<video>", index=G3,
    item_bytes=_BYTES,
)  # fmt: skip
_TAGGED = pattern(
    "listable videos of a tag, by when they were published", Operation.QUERY, CORE, "TAG#<tag>",
    "<published at>#<video>", index=G1, items=_PAGE, item_bytes=200,
)  # fmt: skip
_TAGGED_IN = pattern(
    "listable videos of a channel and tag, by when they were published", Operation.QUERY, CORE,
    "CHAN#<channel>#TAG#<tag>", "<published at>#<video>", index=G2, items=_PAGE, item_bytes=200,
)  # fmt: skip
_TAG = pattern(
    "tag or untag a listable video", Operation.WRITE, CORE, "VIDEO#<id>", "TAG#<tag>", indices=(G1, G2),
    item_bytes=200, transaction=True,
)  # fmt: skip
_SHOWN, _SHOWN_SORT = "CHAN#<channel>", "LISTED"
_COUNT = pattern(
    "count a channel's listable videos", Operation.WRITE, CORE, _SHOWN, _SHOWN_SORT, item_bytes=100, transaction=True
)
_COUNTED = pattern("how many videos a channel lists", Operation.GET, CORE, _SHOWN, _SHOWN_SORT, strong=True)
_HEADS = pattern(
    "how many videos channels list, and the newest place", Operation.MANY, CORE, _SHOWN, _SHOWN_SORT, items=100,
    item_bytes=100,
)  # fmt: skip


class DynamoVideos:
    """An item each, one for each tag of a listable one, and one for each channel that ever listed some."""

    def __init__(self, tables: Tables, outbox: DynamoOutbox) -> None:
        self._tables = tables
        self._outbox = outbox

    async def get(self, video: VideoId) -> Video:
        return await _VIDEOS.get(self._tables, video)

    async def many(self, videos: Sequence[VideoId]) -> Mapping[VideoId, Video]:
        return await _VIDEOS.many(self._tables, videos)

    async def save(self, video: Video, *events: Event) -> Video:
        before = await _VIDEOS.before(self._tables, video)
        saved, write = _VIDEOS.saving(video)
        await self._written(write, before, saved, events)
        return saved

    async def remove(self, video: Video, *events: Event) -> None:
        before = await _VIDEOS.before(self._tables, video)
        await self._written(_VIDEOS.removing(video), before, None, events)

    async def listed(
        self, *, channel: ChannelId | None = None, tag: str | None = None, order: Order = Order.NEWEST,
        cursor: str | None = None, limit: int = 20,
    ) -> Page[Video]:  # fmt: skip
        if tag is not None:
            return await self._tagged(channel, tag, order, cursor, limit)
        if channel is None:
            items = await merged(
                self._tables, _LISTED, shards("PUB"), **_from(cursor, order), limit=limit + 1, step=1 + limit // 2
            )
            return page(items, limit, _VIDEOS.value, G3.sk)
        bounds = _from(cursor, order)
        items = await self._tables.query(_LISTED_IN, _channel(channel), **bounds, limit=limit + 1)
        return page(items, limit, _VIDEOS.value, G2.sk)

    async def of_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Video]:
        bounds = _from(cursor, Order.NEWEST)
        items = await self._tables.query(_MADE, _channel(channel), **bounds, limit=limit + 1)
        return page(items, limit, _VIDEOS.value, G1.sk)

    async def feed(self, channels: Sequence[ChannelId], *, cursor: str | None = None, limit: int = 20) -> Page[Video]:
        """A call for each hundred channels says where each one's newest video is, at most. Then those are read whose
        videos can be on the page: of the first as many channels as it shows videos, and for a later page besides
        those that were on the pages before.
        """
        heads = await self._heads(channels)
        step = 1 + limit // max(1, min(len(heads), limit))
        bounds = _from(cursor, Order.NEWEST)
        items = await merged(self._tables, _LISTED_IN, heads, **bounds, limit=limit + 1, step=step, heads=heads)
        return page(items, limit, _VIDEOS.value, G2.sk)

    async def count(self, channel: ChannelId) -> int:
        item = await self._tables.get(_COUNTED, _shown(channel))
        return 0 if item is None else int(item["count"]["N"])

    async def due(self, now: datetime, limit: int = 100) -> Sequence[Video]:
        items = await merged(self._tables, _DUE, shards("DUE"), below=up_to(now), limit=limit, step=limit)
        return [_VIDEOS.value(item) for item in items]

    def kept(self, item: Item) -> Video | None:
        return _VIDEOS.kept(item)

    async def admit(self, video: Video) -> None:
        """One from an archive. Raises Stale."""
        await self._written(_VIDEOS.admitting(video), None, video, ())

    def tallied(self, item: Item) -> Iterable[tuple[str, int]]:
        video, key = self.kept(item), key_of(item)
        if video is not None and (spot := _spot(video)) is not None:
            yield f"{_channel(spot[0])}#{_SHOWN_SORT}", 1
        if key.sk == _SHOWN_SORT:
            yield f"{key.pk}#{_SHOWN_SORT}", -int(item["count"]["N"])

    async def mend(self, count: str, by: int) -> bool:
        """A channel that is said to list nothing gets a head, too, or no feed would show it."""
        channel = ChannelId(count.removeprefix("CHAN#").removesuffix(f"#{_SHOWN_SORT}"))
        key, step = _shown(channel), number(by)
        if by < 0:
            return await mended(self._tables, update(_COUNT, key, "ADD #count :step", step=step), by)
        newest = (await self.listed(channel=channel, limit=1)).items
        head = _listed_at(newest[0]) if newest else None
        if head is None:
            return False
        adds = "SET #head = if_not_exists(#head, :head) ADD #count :step"
        return await mended(self._tables, update(_COUNT, key, adds, head=text(head), step=step), by)

    async def _tagged(
        self, channel: ChannelId | None, tag: str, order: Order, cursor: str | None, limit: int
    ) -> Page[Video]:
        """What is listed no more when its document is read is left out, so a page may be short."""
        if channel is None:
            asked, partition, key = _TAGGED, f"TAG#{tag}", G1.sk
        else:
            asked, partition, key = _TAGGED_IN, _tag_in(channel, tag), G2.sk
        items = await self._tables.query(asked, partition, **_from(cursor, order), limit=limit + 1)
        ids = [VideoId(item[PK]["S"].removeprefix(PREFIX)) for item in items[:limit]]
        found = await self.many(ids)
        shown = [
            video for each in ids if (video := found.get(each)) is not None and tag in video.tags and video.listable
        ]
        return Page(shown, encoded((items[limit - 1][key]["S"],)) if len(items) > limit else None)

    async def _heads(self, channels: Iterable[ChannelId]) -> Mapping[str, str]:
        """Of the channels that list anything: a place that none of their videos lies before."""
        found = await self._tables.many(_HEADS, map(_shown, channels))
        return {key.pk: item["head"]["S"] for key, item in found.items() if int(item["count"]["N"]) > 0}

    async def _written(self, write: Write, before: Video | None, after: Video | None, events: Sequence[Event]) -> None:
        """The video's own write is the first. Raises Stale."""
        beside = [*moving(_TAG, _tags(before), _tags(after)), *self._outbox.storing(events)]
        try:
            await self._tables.write(write, *_counting(before, after, newest=True), *beside)
        except Refused as refused:
            if 0 in refused.there:
                raise Stale("this video") from refused
            await _VIDEOS.written(self._tables, write, *_counting(before, after, newest=False), *beside)


def announcing(video: Video) -> tuple[Video, Write]:
    """What a new video will be, and the write that stores it, for the transaction of its upload. It has no media, so no
    list shows it.
    """
    return _VIDEOS.saving(video)


def _shown(channel: ChannelId) -> Key:
    return Key(_channel(channel), "LISTED")


def _from(cursor: str | None, order: Order) -> Mapping[str, Any]:
    """Which part of a partition comes after a cursor. Raises Invalid (``invalid_cursor``)."""
    last = tail(cursor)
    after = None if last is None else last[0]
    return {"below": after, "descending": True} if order is Order.NEWEST else {"above": after}


def _tags(video: Video | None) -> Mapping[Key, Item]:
    """The items that find it by its tags."""
    at = _listed_at(video)
    if video is None or at is None:
        return {}
    return {
        Key(f"{PREFIX}{video.id}", f"TAG#{tag}"): {
            **entry(G1, f"TAG#{tag}", at),
            **entry(G2, _tag_in(video.channel, tag), at),
        }
        for tag in video.tags
    }


def _counting(before: Video | None, after: Video | None, *, newest: bool) -> Sequence[Write]:
    """What a save changes of how many videos its channel lists. ``newest``: and no other is listed at a later place,
    else it is refused.
    """
    left, entered = _spot(before), _spot(after)
    if left == entered:
        return []
    steps = Counter({left[0]: -1} if left else {})
    steps.update({entered[0]: 1} if entered else {})
    writes = []
    for channel, step in sorted(steps.items()):
        if newest and entered is not None and channel == entered[0]:
            leads = "attribute_not_exists(#head) OR #head < :head"
            raises = "SET #head = :head ADD #count :step"
            writes.append(update(_COUNT, _shown(channel), raises, leads, head=text(entered[1]), step=number(step)))
        elif step:
            writes.append(update(_COUNT, _shown(channel), "ADD #count :step", step=number(step)))
    return writes


def _spot(video: Video | None) -> tuple[ChannelId, str] | None:
    """In which channel's list it stands where."""
    at = _listed_at(video)
    return None if video is None or at is None else (video.channel, at)
