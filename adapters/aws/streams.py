"""Streams on DynamoDB, what was heard of their broadcasts, and the sessions it came to.

A stream is one item, and a name that its ingest has for it another, which is found as of now: the first event of a
broadcast races nothing. It is in an index of its channel's (``g1``), of those that subscribers are still to be told of
(``g2``), and of those that are live (``g3``), the last two spread over shards.

Its timeline and each of its sessions are items of their own. A look changes one session or two; with the most that it
can change (``SESSIONS_AT_ONCE``) it is one transaction still. What happened lies in a partition a stream, in the table
whose items expire.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from adapters.aws.dynamo import (
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
    put,
    stamp,
    text,
)
from adapters.aws.lists import entry, merged, place, sharded, shards, up_to
from adapters.aws.names import Names
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.shelves import DOC, Shelf, page, tail
from adapters.aws.tables import CORE, G1, G2, G3, SK, SOCIAL, Operation, pattern
from adapters.rows import text_of, value_of
from application.ports import EVENTS_KEPT, Event, Page
from domain.broadcasts import Session, SessionEvent, Timeline
from domain.errors import NotFound, Stale, Taken
from domain.ids import ChannelId, StreamId, StreamSessionId
from domain.streams import Stream

_LOOK, _LIVE, _NEAR = "LOOK", "LIVE", "NEAR"
_PAGE = 21
"""Items that a page of the usual size takes: whether there are more is seen by one more."""


def _made_in(channel: ChannelId) -> str:
    return f"CHAN#{channel}#STREAMS"


def _place(stream: Stream) -> Mapping[str, Value]:
    places = {**entry(G1, _made_in(stream.channel), place(stream.created_at, stream.id))}
    if stream.remind_at is not None:
        places |= entry(G2, sharded(_NEAR, stream.id), place(stream.remind_at, stream.id))
    if stream.listed and stream.live_since is not None:
        places |= entry(G3, sharded(_LIVE, stream.id), place(stream.live_since, stream.id))
    return places


def _look_at(timeline: Timeline) -> Mapping[str, Value]:
    if timeline.look_at is None:
        return {}
    return entry(G1, sharded(_LOOK, timeline.stream), place(timeline.look_at, timeline.stream))


_STREAMS = Shelf(
    table=CORE, kind=Stream, name="stream", prefix="STREAM#", missing="there is no such stream", stale="this stream",
    place=_place, indices=(G1, G2, G3), strong=True,
)  # fmt: skip
_INGESTS = Names(table=CORE, prefix="UNIQ#INGEST#", name="name of an ingest's")
_CREATED = pattern(
    "streams of a channel, by when they were made", Operation.QUERY, CORE, "CHAN#<channel>#STREAMS",
    "<created at>#<stream>", index=G1, items=_PAGE,
)  # fmt: skip
_LISTED = pattern(
    "streams that are live, by since when", Operation.QUERY, CORE, f"{_LIVE}#<shard>", "<live since>#<stream>",
    index=G3, items=1 + _PAGE // 2,
)  # fmt: skip
_ANNOUNCED = pattern(
    "streams of which subscribers are to be told, by when", Operation.QUERY, CORE, f"{_NEAR}#<shard>",
    "<remind at>#<stream>", index=G2,
)  # fmt: skip

_TIMELINES = Shelf(
    table=CORE, kind=Timeline, key="stream", name="timeline", prefix="STREAM#", sort="TIMELINE",
    missing="nothing was heard of this stream", stale="what was heard of this stream", place=_look_at, indices=(G1,),
    item_bytes=2048, strong=True,
)  # fmt: skip
_DUE = pattern(
    "timelines that are to be looked at, by when", Operation.QUERY, CORE, f"{_LOOK}#<shard>", "<look at>#<stream>",
    index=G1, item_bytes=2048,
)  # fmt: skip
_BY_ID = "BROADCAST#<session>", "META"
_SESSION = pattern("session of a stream by id", Operation.GET, CORE, *_BY_ID, strong=True)
_SAVE_SESSION = pattern("save a session of a stream", Operation.WRITE, CORE, *_BY_ID, indices=(G1,), transaction=True)
_SESSIONS = pattern(
    "sessions of a stream, by when they began; those that joined another apart", Operation.QUERY, CORE,
    "STREAM#<stream>#<SESSIONS|JOINED>", "<started at>#<session>", index=G1, items=_PAGE,
)  # fmt: skip
_FORGET_CORE = pattern("forget a session of a stream that is gone", Operation.BATCH, CORE, *_BY_ID, indices=(G1,))
_FORGET_TIMELINE = pattern(
    "forget the timeline of a stream that is gone", Operation.WRITE, CORE, "STREAM#<stream>", "TIMELINE", indices=(G1,)
)

_HAPPENED = "STREAM#<stream>", "<at>#<event>"
_LOG = pattern("keep what happened in a broadcast", Operation.WRITE, SOCIAL, *_HAPPENED, item_bytes=400)
_EVENTS = pattern(
    "what happened in a stream's broadcasts", Operation.QUERY, SOCIAL, *_HAPPENED, strong=True, items=_PAGE,
    item_bytes=400,
)  # fmt: skip
_FORGET_EVENTS = pattern(
    "forget what happened in broadcasts of a stream that is gone", Operation.BATCH, SOCIAL, *_HAPPENED, items=500,
    item_bytes=400,
)  # fmt: skip


class DynamoStreams:
    """An item each, and one for each name that an ingest has for one."""

    def __init__(self, tables: Tables, outbox: DynamoOutbox) -> None:
        self._tables = tables
        self._outbox = outbox

    async def get(self, stream: StreamId) -> Stream:
        return await _STREAMS.get(self._tables, stream)

    async def many(self, streams: Sequence[StreamId]) -> Mapping[StreamId, Stream]:
        return await _STREAMS.many(self._tables, streams)

    async def by_ingest(self, ingest: str) -> Stream:
        holder = await _INGESTS.holder(self._tables, ingest) if ingest else None
        found = None if holder is None else await _STREAMS.find(self._tables, holder)
        if found is None or found.ingest != ingest:  # removed between the two reads
            raise NotFound(_STREAMS.missing)
        return found

    async def save(self, stream: Stream, *events: Event) -> Stream:
        before = await _STREAMS.before(self._tables, stream)
        saved, write = _STREAMS.saving(stream)
        await self._written(stream.id, write, before, saved, events)
        return saved

    async def remove(self, stream: Stream, *events: Event) -> None:
        before = await _STREAMS.before(self._tables, stream)
        await self._written(stream.id, _STREAMS.removing(stream), before, None, events)

    async def of_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Stream]:
        (below,) = tail(cursor) or (None,)
        items = await self._tables.query(_CREATED, _made_in(channel), below=below, descending=True, limit=limit + 1)
        return page(items, limit, _STREAMS.value, G1.sk)

    async def live(self, *, cursor: str | None = None, limit: int = 20) -> Page[Stream]:
        (below,) = tail(cursor) or (None,)
        items = await merged(
            self._tables, _LISTED, shards(_LIVE), below=below, descending=True, limit=limit + 1, step=1 + limit // 2
        )
        return page(items, limit, _STREAMS.value, G3.sk)

    async def near(self, now: datetime, limit: int = 100) -> Sequence[Stream]:
        items = await merged(self._tables, _ANNOUNCED, shards(_NEAR), below=up_to(now), limit=limit, step=limit)
        return [_STREAMS.value(item) for item in items]

    def kept(self, item: Item) -> Stream | None:
        return _STREAMS.kept(item)

    async def admit(self, stream: Stream) -> None:
        """One from an archive, which no ingest knows. Raises Refused."""
        await self._tables.write(_STREAMS.admitting(stream))

    async def _written(
        self, id_: StreamId, write: Write, before: Stream | None, after: Stream | None, events: Sequence[Event]
    ) -> None:
        """The stream's own write is the first. Raises Stale, Taken."""
        names = _INGESTS.moving(id_, *((each.ingest or None) if each else None for each in (before, after)))
        try:
            await self._tables.write(write, *names, *self._outbox.storing(events))
        except Refused as refused:
            if set(refused.there) == {1}:
                raise Taken("its ingest calls another stream so", code="ingest_taken") from refused
            raise Stale(_STREAMS.stale) from refused


class DynamoBroadcasts:
    """A timeline a stream, its sessions by id and in its lists, and what happened by time."""

    def __init__(self, tables: Tables, outbox: DynamoOutbox) -> None:
        self._tables = tables
        self._outbox = outbox

    async def timeline(self, stream: StreamId) -> Timeline:
        return await _TIMELINES.get(self._tables, stream)

    async def timelines(self, streams: Sequence[StreamId]) -> Mapping[StreamId, Timeline]:
        return await _TIMELINES.many(self._tables, streams)

    async def save(self, timeline: Timeline, sessions: Sequence[Session], *events: Event) -> Timeline:
        kept = [put(_SAVE_SESSION, _at(session.id), _item(session)) for session in sessions]
        return await _TIMELINES.save(self._tables, timeline, *kept, *self._outbox.storing(events))

    async def session(self, session: StreamSessionId) -> Session:
        found = await self._session(session)
        while found is not None and found.joined is not None:
            found = await self._session(found.joined) if found.joined != found.id else None
        if found is None:
            raise NotFound("there is no such session")
        return found

    async def sessions(self, stream: StreamId, *, cursor: str | None = None, limit: int = 20) -> Page[Session]:
        (below,) = tail(cursor) or (None,)
        items = await self._tables.query(
            _SESSIONS, _of(stream, "SESSIONS"), below=below, descending=True, limit=limit + 1
        )
        return page(items, limit, _value, G1.sk)

    async def due(self, now: datetime, limit: int = 100) -> Sequence[Timeline]:
        items = await merged(self._tables, _DUE, shards(_LOOK), below=up_to(now), limit=limit, step=limit)
        return [_TIMELINES.value(item) for item in items]

    async def log(self, events: Sequence[SessionEvent]) -> None:
        """Each by itself, so that it stays as it was told first."""
        for event in events:
            with suppress(Refused):
                await self._tables.write(_logging(event))

    async def events(
        self, stream: StreamId, since: datetime, until: datetime, *, cursor: str | None = None, limit: int = 20
    ) -> Page[SessionEvent]:
        (after,) = tail(cursor) or ("",)
        items = await self._tables.query(
            _EVENTS, _happened(stream), above=max(after, stamp(since)), below=stamp(until), limit=limit + 1
        )
        return page(items, limit, lambda item: value_of(item[DOC]["S"], SessionEvent), SK)

    async def forget(self, stream: StreamId, limit: int = 500) -> int:
        """Sessions are found in an index: one of the very last second may stay, of a stream that nobody sees."""
        events = await self._tables.query(_EVENTS, _happened(stream), limit=limit)
        await self._tables.write_many([delete(_FORGET_EVENTS, key_of(item)) for item in events])
        gone = len(events)
        for list_ in ("SESSIONS", "JOINED"):
            if gone < limit:
                sessions = await self._tables.query(_SESSIONS, _of(stream, list_), limit=limit - gone)
                await self._tables.write_many([delete(_FORGET_CORE, key_of(item)) for item in sessions])
                gone += len(sessions)
        if gone < limit and await _TIMELINES.find(self._tables, stream) is not None:
            await self._tables.write(delete(_FORGET_TIMELINE, _TIMELINES.at(stream)))
            gone += 1
        return gone

    def kept(self, item: Item) -> Timeline | Session | SessionEvent | None:
        key = key_of(item)
        if key.pk.startswith(_SESSION_OF):
            return _value(item)
        if key.pk.startswith(_STREAM_OF) and key.sk not in {"META", "TIMELINE"}:
            return value_of(item[DOC]["S"], SessionEvent)
        return _TIMELINES.kept(item)

    async def admit(self, record: Timeline | Session | SessionEvent) -> None:
        """One from an archive. Raises Refused."""
        match record:
            case Timeline():
                await self._tables.write(_TIMELINES.admitting(record))
            case Session():
                await self._tables.write(put(_SAVE_SESSION, _at(record.id), _item(record), NEW))
            case SessionEvent():
                await self._tables.write(_logging(record))

    async def _session(self, id_: StreamSessionId) -> Session | None:
        item = await self._tables.get(_SESSION, _at(id_))
        return None if item is None else _value(item)


_SESSION_OF, _STREAM_OF = "BROADCAST#", "STREAM#"


def _logging(event: SessionEvent) -> Write:
    item = {DOC: text(text_of(event)), **expiry(event.received_at + EVENTS_KEPT)}
    return put(_LOG, Key(_happened(event.stream), place(event.at, event.id)), item, NEW)


def _at(session: StreamSessionId) -> Key:
    return Key(f"{_SESSION_OF}{session}", "META")


def _of(stream: StreamId, list_: str) -> str:
    return f"STREAM#{stream}#{list_}"


def _happened(stream: StreamId) -> str:
    return f"{_STREAM_OF}{stream}"


def _item(session: Session) -> Item:
    list_ = "SESSIONS" if session.joined is None else "JOINED"
    return {
        DOC: text(text_of(session)), **entry(G1, _of(session.stream, list_), place(session.started_at, session.id))
    }  # fmt: skip


def _value(item: Item) -> Session:
    return value_of(item[DOC]["S"], Session)
