"""Streams on this machine, what was heard of their broadcasts, and the sessions it came to."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from adapters.local.database import Database, Row, Transaction, Values, micros, sql
from adapters.local.outbox import SqliteOutbox
from adapters.local.shelves import FIRST, LAST, Shelf, by_time, page, start
from adapters.rows import text_of, value_of
from application.ports import EVENTS_KEPT, Event, Page
from domain.broadcasts import Session, SessionEvent, Timeline
from domain.errors import NotFound, Taken
from domain.ids import ChannelId, StreamId, StreamSessionId
from domain.streams import Stream

DROPPED_MOST = 20
"""Events that go as others of their stream come. Twice what comes would do; what was long kept is worn away bit by bit."""


def _place(stream: Stream) -> Values:
    live_since = stream.live_since if stream.listed else None
    remind_at = stream.remind_at
    return (
        stream.channel, micros(stream.created_at), stream.ingest or None,
        None if live_since is None else micros(live_since), None if remind_at is None else micros(remind_at),
    )  # fmt: skip


def _look_at(timeline: Timeline) -> Values:
    return (None if timeline.look_at is None else micros(timeline.look_at),)


_STREAMS = Shelf(
    table="stream", kind=Stream, missing="there is no such stream", stale="this stream",
    columns=("channel", "created_at", "ingest", "live_since", "remind_at"), place=_place,
)  # fmt: skip
_BY_INGEST = sql("SELECT doc FROM stream WHERE ingest = ?")
_CALLED = sql("SELECT id FROM stream WHERE ingest = ?")
_CREATED = sql(
    "SELECT doc, created_at, id FROM stream WHERE channel = ? AND (created_at, id) < (?, ?)"
    " ORDER BY created_at DESC, id DESC LIMIT ?"
)
_LIVE = sql(
    "SELECT doc, live_since, id FROM stream WHERE live_since IS NOT NULL AND (live_since, id) < (?, ?)"
    " ORDER BY live_since DESC, id DESC LIMIT ?"
)
_NEAR = sql("SELECT doc FROM stream WHERE remind_at <= ? ORDER BY remind_at, id LIMIT ?")

_TIMELINES = Shelf(
    table="timeline", kind=Timeline, key="stream", missing="nothing was heard of this stream",
    stale="what was heard of this stream", columns=("look_at",), place=_look_at,
)  # fmt: skip
_DUE = sql("SELECT doc FROM timeline WHERE look_at <= ? ORDER BY look_at, stream LIMIT ?")
_SESSION = sql("SELECT doc FROM stream_session WHERE id = ?")
_PUT_SESSION = sql(
    "INSERT INTO stream_session (id, stream, started_at, doc) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
    " stream = excluded.stream, started_at = excluded.started_at, doc = excluded.doc"
)
_SESSIONS = sql(
    "SELECT doc, started_at, id FROM stream_session WHERE stream = ? AND (started_at, id) < (?, ?)"
    " ORDER BY started_at DESC, id DESC LIMIT ?"
)
_LOG = sql("INSERT INTO happening (stream, at, id, doc) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")
_DROP_OLD = sql(
    "DELETE FROM happening WHERE (stream, at, id) IN"
    " (SELECT stream, at, id FROM happening WHERE stream = ? AND at < ? ORDER BY at LIMIT ?)"
)
_EVENTS = sql(
    "SELECT doc, at, id FROM happening WHERE stream = ? AND (at, id) > (?, ?) AND at < ? ORDER BY at, id LIMIT ?"
)
_FORGET_EVENTS = sql(
    "DELETE FROM happening WHERE (stream, at, id) IN"
    " (SELECT stream, at, id FROM happening WHERE stream = ? LIMIT ?) RETURNING id"
)
_FORGET_SESSIONS = sql(
    "DELETE FROM stream_session WHERE n IN (SELECT n FROM stream_session WHERE stream = ? LIMIT ?) RETURNING n"
)
_FORGET_TIMELINE = sql("DELETE FROM timeline WHERE stream = ? RETURNING n")


class SqliteStreams:
    def __init__(self, database: Database, outbox: SqliteOutbox) -> None:
        self._database = database
        self._outbox = outbox

    async def get(self, stream: StreamId) -> Stream:
        return _STREAMS.get(self._database, stream)

    async def many(self, streams: Sequence[StreamId]) -> Mapping[StreamId, Stream]:
        return _STREAMS.many(self._database, streams)

    async def by_ingest(self, ingest: str) -> Stream:
        return _STREAMS.one(self._database, _BY_INGEST, ingest)

    async def save(self, stream: Stream, *events: Event) -> Stream:
        def work(transaction: Transaction) -> Stream:
            called = transaction.row(_CALLED, (stream.ingest or None,))
            if called is not None and called[0] != stream.id:
                raise Taken("its ingest calls another stream so", code="ingest_taken")
            _, saved = _STREAMS.save(transaction, stream)
            self._outbox.append(transaction, events)
            return saved.value

        return await self._database.write(work)

    async def remove(self, stream: Stream, *events: Event) -> None:
        def work(transaction: Transaction) -> None:
            _STREAMS.remove(transaction, stream)
            self._outbox.append(transaction, events)

        await self._database.write(work)

    async def of_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Stream]:
        rows = self._database.rows(_CREATED, (channel, *start(cursor, LAST), limit + 1))
        return page(rows, limit, lambda row: _STREAMS.value(row[0]), by_time)

    async def live(self, *, cursor: str | None = None, limit: int = 20) -> Page[Stream]:
        rows = self._database.rows(_LIVE, (*start(cursor, LAST), limit + 1))
        return page(rows, limit, lambda row: _STREAMS.value(row[0]), by_time)

    async def near(self, now: datetime, limit: int = 100) -> Sequence[Stream]:
        return _STREAMS.all(self._database, _NEAR, micros(now), limit)


class SqliteBroadcasts:
    """Timelines, sessions and events. Events that are too old go as others of their stream come, the earliest first,
    ``DROPPED_MOST`` at a time.
    """

    def __init__(self, database: Database, outbox: SqliteOutbox) -> None:
        self._database = database
        self._outbox = outbox

    async def timeline(self, stream: StreamId) -> Timeline:
        return _TIMELINES.get(self._database, stream)

    async def timelines(self, streams: Sequence[StreamId]) -> Mapping[StreamId, Timeline]:
        return _TIMELINES.many(self._database, streams)

    async def save(self, timeline: Timeline, sessions: Sequence[Session], *events: Event) -> Timeline:
        def work(transaction: Transaction) -> Timeline:
            _, saved = _TIMELINES.save(transaction, timeline)
            transaction.many(_PUT_SESSION, [_row(session) for session in sessions])
            self._outbox.append(transaction, events)
            return saved.value

        return await self._database.write(work)

    async def session(self, session: StreamSessionId) -> Session:
        found = self._session(session)
        while found is not None and found.joined is not None:
            found = self._session(found.joined) if found.joined != found.id else None
        if found is None:
            raise NotFound("there is no such session")
        return found

    async def sessions(self, stream: StreamId, *, cursor: str | None = None, limit: int = 20) -> Page[Session]:
        rows = self._database.rows(_SESSIONS, (stream, *start(cursor, LAST), limit + 1))
        return page(rows, limit, lambda row: value_of(row[0], Session), by_time)

    async def due(self, now: datetime, limit: int = 100) -> Sequence[Timeline]:
        return _TIMELINES.all(self._database, _DUE, micros(now), limit)

    async def log(self, events: Sequence[SessionEvent]) -> None:
        def work(transaction: Transaction) -> None:
            for event in events:
                old = micros(event.received_at - EVENTS_KEPT)
                transaction.run(_DROP_OLD, (event.stream, old, DROPPED_MOST))
                transaction.run(_LOG, (event.stream, micros(event.at), event.id, text_of(event)))

        if events:
            await self._database.write(work)

    async def events(
        self, stream: StreamId, since: datetime, until: datetime, *, cursor: str | None = None, limit: int = 20
    ) -> Page[SessionEvent]:
        after = max(start(cursor, FIRST), (micros(since), ""))
        rows = self._database.rows(_EVENTS, (stream, *after, micros(until), limit + 1))
        return page(rows, limit, lambda row: value_of(row[0], SessionEvent), by_time)

    async def forget(self, stream: StreamId, limit: int = 500) -> int:
        def work(transaction: Transaction) -> int:
            gone = len(transaction.rows(_FORGET_EVENTS, (stream, limit)))
            gone += len(transaction.rows(_FORGET_SESSIONS, (stream, limit - gone)))
            if gone < limit:
                gone += len(transaction.rows(_FORGET_TIMELINE, (stream,)))
            return gone

        return await self._database.write(work)

    def _session(self, id_: StreamSessionId) -> Session | None:
        row: Row | None = self._database.row(_SESSION, (id_,))
        return value_of(row[0], Session) if row else None


def _row(session: Session) -> Values:
    started_at = micros(session.started_at) if session.joined is None else None
    return session.id, session.stream, started_at, text_of(session)
