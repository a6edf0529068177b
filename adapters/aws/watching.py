"""Playback sessions, views, histories and days in DynamoDB."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from zlib import crc32

from attrs import evolve

from adapters.aws.counters import Counters
from adapters.aws.dynamo import (
    BATCH_WRITE_MOST,
    NEW,
    Item,
    Key,
    Refused,
    Tables,
    Value,
    Write,
    delete,
    expiry,
    key_of,
    number,
    put,
    stamp,
    text,
    update,
)
from adapters.aws.shelves import DOC, VERSION, Shelf, page, tail
from adapters.aws.tables import G1, SOCIAL, Operation, pattern
from adapters.rows import text_of, value_of
from application.ports import Now, Page, Views
from domain.errors import NotFound, Stale
from domain.ids import ChannelId, SessionId, UserId, VideoId
from domain.watching import SESSION_LIFE, PlaybackSession, Viewing, Watched

FORGOTTEN_AT_ONCE = 10 * BATCH_WRITE_MOST
_KEPT = SESSION_LIFE + timedelta(hours=1)
"""Seconds are all that an expiry says: this is longer than a session lives."""
_COUNTED, _NOT_COUNTED = text("yes"), text("no")


def _place(session: PlaybackSession) -> Mapping[str, Value]:
    return {**expiry(session.started_at + _KEPT), "counted": _COUNTED if session.counted else _NOT_COUNTED}


_SESSIONS = Shelf(
    table=SOCIAL, kind=PlaybackSession, name="a playback session", prefix="SESSION#", sort="SESSION",
    missing="there is no such session, or it is over", stale="this session", place=_place, item_bytes=500,
)  # fmt: skip
_VIEWS = Counters(table=SOCIAL, prefix="VIEWS#", names=("views",))

_LINE = "HISTORY#<user>", "<video>"
_WATCH = pattern(
    "write a line of a history", Operation.WRITE, SOCIAL, *_LINE, indices=(G1,), item_bytes=200, transaction=True
)
_SOME = pattern("a user's history of videos", Operation.MANY, SOCIAL, *_LINE, strong=True, items=20, item_bytes=200)
_LATEST = pattern(
    "a user's history, the latest first", Operation.QUERY, SOCIAL, "HISTORY#<user>", "<at>#<video>",
    index=G1, items=21, item_bytes=200,
)  # fmt: skip
_ALL = pattern(
    "some of a user's history", Operation.QUERY, SOCIAL, *_LINE, strong=True, items=FORGOTTEN_AT_ONCE, item_bytes=200
)
_FORGET_ONE = pattern("forget a line of a history", Operation.WRITE, SOCIAL, *_LINE, indices=(G1,), item_bytes=200)
_FORGET_ALL = pattern(
    "forget a history", Operation.BATCH, SOCIAL, *_LINE, indices=(G1,), items=BATCH_WRITE_MOST, item_bytes=200
)

DAY_SHARDS = 16
"""Every beat of whoever watches something of a channel is counted in its day. A sitting keeps to one of so many items, so
that hundreds of beats a second seldom meet; and so many Queries tell what was watched, however many days that is of.
"""
_DAY = "VIEWING#<subject>#<shard>", "<day>"
_ADD = pattern("count what was watched on a day", Operation.WRITE, SOCIAL, *_DAY, item_bytes=100, transaction=True)
_DAYS = pattern("what was watched day by day", Operation.QUERY, SOCIAL, *_DAY, items=28, item_bytes=100)
_FORGET_DAYS = pattern(
    "forget what was watched day by day", Operation.BATCH, SOCIAL, *_DAY, items=BATCH_WRITE_MOST, item_bytes=100
)  # fmt: skip


class DynamoHistory:
    """An item a line, by its video; an index has them by time. A change shows in the list within a second."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def of(self, user: UserId, videos: Sequence[VideoId]) -> Mapping[VideoId, Watched]:
        items = await self._tables.many(_SOME, (_line_at(user, video) for video in videos))
        return {line.video: line for line in map(_line, items.values())}

    async def list(self, user: UserId, *, cursor: str | None = None, limit: int = 20) -> Page[Watched]:
        (below,) = tail(cursor) or (None,)
        partition = f"HISTORY#{user}"
        items = await self._tables.query(_LATEST, partition, below=below, descending=True, limit=limit + 1)
        return page(items, limit, _line, G1.sk)

    def kept(self, item: Item) -> Watched | None:
        return _line(item) if key_of(item).pk.startswith("HISTORY#") else None

    async def admit(self, watched: Watched) -> None:
        """One from an archive. Raises Refused."""
        await self._tables.write(evolve(_watching(watched), condition=NEW))

    async def forget(self, user: UserId, video: VideoId | None = None) -> None:
        if video is not None:
            await self._tables.write(delete(_FORGET_ONE, _line_at(user, video)))
            return
        last: str | None = None
        while items := await self._tables.query(_ALL, f"HISTORY#{user}", above=last, limit=FORGOTTEN_AT_ONCE):
            await self._tables.write_many([delete(_FORGET_ALL, key_of(item)) for item in items])
            last = key_of(items[-1]).sk


class DynamoViewings:
    """An item a day and shard, so that a range of days is a range of sort keys."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def of(self, subject: VideoId | ChannelId, first: date, last: date) -> Sequence[Viewing]:
        before = (first - timedelta(days=1)).isoformat() if first > date.min else None
        asked = [
            self._tables.query(_DAYS, f"VIEWING#{subject}#{shard}", above=before, below=f"{last}~", limit=None)
            for shard in range(DAY_SHARDS)
        ]
        days: dict[date, Viewing] = {}
        for item in (item for items in await asyncio.gather(*asked) for item in items):
            part = _viewing(item)
            days[part.day] = together(days.get(part.day), part)
        return [days[day] for day in sorted(days)]

    async def forget(self, subject: VideoId | ChannelId) -> None:
        for shard in range(DAY_SHARDS):
            items = await self._tables.query(_DAYS, f"VIEWING#{subject}#{shard}", limit=None)
            await self._tables.write_many([delete(_FORGET_DAYS, key_of(item)) for item in items])

    def kept(self, item: Item) -> Viewing | None:
        """What one shard has of a day."""
        return _viewing(item) if key_of(item).pk.startswith("VIEWING#") else None

    async def admit(self, viewing: Viewing) -> None:
        """One from an archive. Raises Refused."""
        counts = {"views": number(viewing.views), "watched_ms": number(viewing.watched_ms)}
        await self._tables.write(put(_ADD, _day_at(viewing, 0), counts, NEW))


def together(so_far: Viewing | None, part: Viewing) -> Viewing:
    """Two parts of a day."""
    if so_far is None:
        return part
    return evolve(so_far, views=so_far.views + part.views, watched_ms=so_far.watched_ms + part.watched_ms)


class DynamoSessions:
    """By id. Those over expire; a session keeps beside the document whether it was counted, for the conditions."""

    def __init__(self, tables: Tables, now: Now) -> None:
        self._tables = tables
        self._now = now

    async def get(self, session: SessionId) -> PlaybackSession:
        stored = await _SESSIONS.get(self._tables, session)
        if stored.over(self._now()):
            raise NotFound(_SESSIONS.missing)
        return stored

    async def save(
        self, session: PlaybackSession, watched: Watched | None = None, gained: Sequence[Viewing] = ()
    ) -> PlaybackSession:
        saved, write = _SESSIONS.saving(session)
        beside = [] if watched is None else [_watching(watched)]
        beside += [_adding(session.id, viewing) for viewing in gained]
        if not session.counted:
            await _SESSIONS.written(self._tables, write, *beside)
        elif session.version == 0 or not await self._saved_again(session, write, beside):
            try:
                await _VIEWS.write(self._tables, session.video, lambda _: [write, *beside], views=1)
            except Refused as refused:
                raise Stale(_SESSIONS.stale) from refused
        return saved

    async def views(self, videos: Sequence[VideoId]) -> Mapping[VideoId, int]:
        counted = await _VIEWS.of(self._tables, videos)
        return {video: counted[video]["views"] for video in videos}

    def kept(self, item: Item) -> PlaybackSession | Views | None:
        """Of views, how many one shard counts."""
        if (counted := _VIEWS.kept(item)) is not None:
            return Views(VideoId(counted[0]), counted[1]["views"])
        session = _SESSIONS.kept(item)
        return None if session is None or session.over(self._now()) else session

    async def admit(self, record: PlaybackSession | Views) -> None:
        """One from an archive; a session has been counted among the views. Raises Refused."""
        if isinstance(record, Views):
            await self._tables.write(_VIEWS.beginning(record.video, views=record.count))
        else:
            await self._tables.write(_SESSIONS.admitting(record))

    async def _saved_again(self, session: PlaybackSession, write: Write, beside: Sequence[Write]) -> bool:
        """Saved, if it was counted before, as it was with most beats. If not, the version that ``write`` asks for says
        so for good.
        """
        condition, values = f"{write.condition} AND #counted = :counted", {**write.values, ":counted": _COUNTED}
        try:
            await self._tables.write(evolve(write, condition=condition, values=values), *beside)
        except Refused as refused:
            there = refused.there.get(0)
            if there is None or there[VERSION] != number(session.version):
                raise Stale(_SESSIONS.stale) from refused
            return False
        return True


def _line_at(user: UserId, video: VideoId) -> Key:
    return Key(f"HISTORY#{user}", video)


def _watching(watched: Watched) -> Write:
    """In the place of an earlier line."""
    item = {
        DOC: text(text_of(watched)),
        G1.pk: text(f"HISTORY#{watched.user}"), G1.sk: text(f"{stamp(watched.at)}#{watched.video}"),
    }  # fmt: skip
    return put(_WATCH, _line_at(watched.user, watched.video), item)


def _line(item: Item) -> Watched:
    return value_of(item[DOC]["S"], Watched)


def _day_at(viewing: Viewing, shard: int) -> Key:
    return Key(f"VIEWING#{viewing.subject}#{shard}", viewing.day.isoformat())


def _adding(session: SessionId, viewing: Viewing) -> Write:
    return update(
        _ADD, _day_at(viewing, crc32(session.encode()) % DAY_SHARDS), "ADD #views :views, #watched_ms :watched_ms",
        views=number(viewing.views), watched_ms=number(viewing.watched_ms),
    )  # fmt: skip


def _viewing(item: Item) -> Viewing:
    key = key_of(item)
    subject = VideoId(key.pk.removeprefix("VIEWING#").rpartition("#")[0])
    return Viewing(subject, date.fromisoformat(key.sk), int(item["views"]["N"]), int(item["watched_ms"]["N"]))
