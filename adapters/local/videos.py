"""Videos on this machine, in every order they are listed in."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from operator import itemgetter

from adapters.cursors import Key
from adapters.local.database import Database, Row, Transaction, Values, micros, sql
from adapters.local.outbox import SqliteOutbox
from adapters.local.shelves import FIRST, LAST, Shelf, Stored, as_list, by_time, page, start
from application.ports import Event, Order, Page
from domain.ids import ChannelId, VideoId
from domain.videos import Video


def _listed_at(video: Video) -> int | None:
    """Where it stands in lists, if they show it."""
    at = video.published_at if video.listable else None
    return None if at is None else micros(at)


def _place(video: Video) -> Values:
    publish_at = None if video.publish_at is None else micros(video.publish_at)
    return video.channel, micros(video.created_at), publish_at, _listed_at(video)


_VIDEOS = Shelf(
    table="video", kind=Video, missing="there is no such video", stale="this video",
    columns=("channel", "created_at", "publish_at", "listed_at"), place=_place,
)  # fmt: skip


def _walk(chosen: str, order: Order, at: str = "listed_at", of: str = "video") -> str:
    """Documents by the time ``at`` and the id, after a time and an id."""
    joined = of if of == "video" else f"{of} CROSS JOIN video ON video.n = {of}.video"
    beyond, way = ("<", "DESC") if order is Order.NEWEST else (">", "ASC")
    return sql(
        f"SELECT video.doc, {of}.{at}, {of}.id FROM {joined}"
        f" WHERE {chosen} AND ({of}.{at}, {of}.id) {beyond} (?, ?) ORDER BY {of}.{at} {way}, {of}.id {way} LIMIT ?"
    )


_LISTED = {order: _walk("listed_at IS NOT NULL", order) for order in Order}
_LISTED_IN = {order: _walk("channel = ? AND listed_at IS NOT NULL", order) for order in Order}
_TAGGED = {order: _walk("tag.tag = ?", order, of="tag") for order in Order}
_TAGGED_IN = {order: _walk("tag.channel = ? AND tag.tag = ?", order, of="tag") for order in Order}
_MADE_IN = _walk("channel = ?", Order.NEWEST, "created_at")
_HEADS = sql(
    "SELECT video.listed_at, video.id, video.channel FROM json_each(?) AS asked CROSS JOIN video ON video.n = ("
    " SELECT n FROM video AS newest WHERE channel = asked.value AND listed_at IS NOT NULL"
    " AND (listed_at, id) < (?, ?) ORDER BY listed_at DESC, id DESC LIMIT 1)"
)
_DUE = sql("SELECT doc FROM video WHERE publish_at <= ? ORDER BY publish_at, id LIMIT ?")
_COUNTED = sql("SELECT count FROM listed_count WHERE channel = ?")
_COUNT = sql(
    "INSERT INTO listed_count (channel, count) VALUES (?, ?)"
    " ON CONFLICT (channel) DO UPDATE SET count = count + excluded.count"
)
_COUNTLESS = sql("DELETE FROM listed_count WHERE channel = ? AND count = 0")
_TAG = sql("INSERT INTO tag (tag, listed_at, id, channel, video) VALUES (?, ?, ?, ?, ?)")
_UNTAG = sql("DELETE FROM tag WHERE video = ?")


class SqliteVideos:
    """A row each, which indices of the listable ones find; and a row for each tag of these."""

    def __init__(self, database: Database, outbox: SqliteOutbox) -> None:
        self._database = database
        self._outbox = outbox

    async def get(self, video: VideoId) -> Video:
        return _VIDEOS.get(self._database, video)

    async def many(self, videos: Sequence[VideoId]) -> Mapping[VideoId, Video]:
        return _VIDEOS.many(self._database, videos)

    async def save(self, video: Video, *events: Event) -> Video:
        def work(transaction: Transaction) -> Video:
            saved = store(transaction, video)
            self._outbox.append(transaction, events)
            return saved

        return await self._database.write(work)

    async def remove(self, video: Video, *events: Event) -> None:
        def work(transaction: Transaction) -> None:
            removed = _VIDEOS.remove(transaction, video)  # and its tags with it
            _count(transaction, removed.value, -1)
            self._outbox.append(transaction, events)

        await self._database.write(work)

    async def listed(
        self, *, channel: ChannelId | None = None, tag: str | None = None, order: Order = Order.NEWEST,
        cursor: str | None = None, limit: int = 20,
    ) -> Page[Video]:  # fmt: skip
        within = tuple(each for each in (channel, tag) if each is not None)
        if channel is None:
            statements = _LISTED if tag is None else _TAGGED
        else:
            statements = _LISTED_IN if tag is None else _TAGGED_IN
        after = start(cursor, LAST if order is Order.NEWEST else FIRST)
        return _page(self._database.rows(statements[order], (*within, *after, limit + 1)), limit)

    async def of_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Video]:
        return _page(self._database.rows(_MADE_IN, (channel, *start(cursor, LAST), limit + 1)), limit)

    async def feed(self, channels: Sequence[ChannelId], *, cursor: str | None = None, limit: int = 20) -> Page[Video]:
        after = start(cursor, LAST)
        heads = self._database.rows(_HEADS, (as_list(list(dict.fromkeys(channels))), *after))
        # What follows the newest of a channel is older than that: those whose newest is too old cannot be on the page.
        shown = heapq.nlargest(limit + 1, heads)
        walks = [self._newest(channel, after, 1 + limit // len(shown)) for _, _, channel in shown]
        return _page(list(islice(heapq.merge(*walks, key=itemgetter(1, 2), reverse=True), limit + 1)), limit)

    async def count(self, channel: ChannelId) -> int:
        row = self._database.row(_COUNTED, (channel,))
        return row[0] if row else 0

    async def due(self, now: datetime, limit: int = 100) -> Sequence[Video]:
        return _VIDEOS.all(self._database, _DUE, micros(now), limit)

    def _newest(self, channel: ChannelId, after: Key, step: int) -> Iterator[Row]:
        """A channel's listable videos, read a few at a time."""
        while rows := self._database.rows(_LISTED_IN[Order.NEWEST], (channel, *after, step)):
            yield from rows
            after = rows[-1][1:]


def _page(rows: Sequence[Row], limit: int) -> Page[Video]:
    return page(rows, limit, lambda row: _VIDEOS.value(row[0]), by_time)


def store(transaction: Transaction, video: Video) -> Video:
    """As part of a transaction. Raises Stale."""
    before, saved = _VIDEOS.save(transaction, video)
    _enlist(transaction, before, saved)
    return saved.value


def _enlist(transaction: Transaction, before: Stored[Video] | None, after: Stored[Video]) -> None:
    """Where lists show it, and no more where they did."""
    if before is not None:
        if _shown(before.value) == _shown(after.value):
            return
        transaction.run(_UNTAG, (before.n,))
        _count(transaction, before.value, -1)
    video, at = after.value, _listed_at(after.value)
    if at is not None:
        transaction.many(_TAG, [(tag, at, video.id, video.channel, after.n) for tag in video.tags])
    _count(transaction, video, 1)


def _shown(video: Video) -> Values | None:
    """All that decides which lists show it where."""
    at = _listed_at(video)
    return None if at is None else (video.channel, at, video.tags)


def _count(transaction: Transaction, video: Video, step: int) -> None:
    if _listed_at(video) is not None:
        transaction.run(_COUNT, (video.channel, step))
        transaction.run(_COUNTLESS, (video.channel,))
