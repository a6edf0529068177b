"""Streams, what was heard of them and the sessions it came to, in memory."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

from sortedcontainers import SortedDict, SortedList

from adapters.cursors import Key
from adapters.inmemory.outbox import Changes, InMemoryOutbox
from adapters.inmemory.paging import BEYOND, page, page_of, walk
from adapters.versions import next_version
from application.ports import Event, Page
from domain.broadcasts import Session, SessionEvent, Timeline
from domain.errors import NotFound, Stale, Taken
from domain.ids import ChannelId, StreamId, StreamSessionId
from domain.streams import Stream


class InMemoryStreams:
    """By id, by what its ingest calls it, and indices of keys that end in the id."""

    def __init__(self, outbox: InMemoryOutbox, changes: Changes) -> None:
        self._outbox = outbox
        self._changes = changes
        self._streams: dict[StreamId, Stream] = {}
        self._ingests: dict[str, StreamId] = {}
        self._created: SortedList[Key] = SortedList()
        self._live: SortedList[Key] = SortedList()
        self._near: SortedList[Key] = SortedList()

    async def get(self, stream: StreamId) -> Stream:
        try:
            return self._streams[stream]
        except KeyError:
            raise NotFound("there is no such stream") from None

    async def many(self, streams: Sequence[StreamId]) -> Mapping[StreamId, Stream]:
        stored = self._streams
        return {stream: stored[stream] for stream in streams if stream in stored}

    async def by_ingest(self, ingest: str) -> Stream:
        try:
            return self._streams[self._ingests[ingest]]
        except KeyError:
            raise NotFound("there is no such stream") from None

    async def save(self, stream: Stream, *events: Event) -> Stream:
        stored = self._streams.get(stream.id)
        if stream.version != (stored.version if stored else 0):
            raise Stale("this stream")
        if self._ingests.get(stream.ingest, stream.id) != stream.id:
            raise Taken("its ingest calls another stream so", code="ingest_taken")
        saved = next_version(stream)
        self._move(stored, saved)
        self._outbox.append(events)
        return saved

    async def remove(self, stream: Stream, *events: Event) -> None:
        stored = self._streams.get(stream.id)
        if stored is None or stream.version != stored.version:
            raise Stale("this stream")
        self._move(stored, None)
        self._outbox.append(events)

    async def of_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Stream]:
        return page(self._created, self._find, within=(channel,), cursor=cursor, limit=limit, descending=True)

    async def live(self, *, cursor: str | None = None, limit: int = 20) -> Page[Stream]:
        return page(self._live, self._find, cursor=cursor, limit=limit, descending=True)

    async def near(self, now: datetime, limit: int = 100) -> Sequence[Stream]:
        walked = self._near.irange(maximum=(now, BEYOND))
        return [self._find(key) for key in islice(walked, limit)]

    def kept(self) -> Sequence[Stream]:
        """All of them, for an archive."""
        return list(self._streams.values())

    def admit(self, stream: Stream) -> None:
        """One from an archive, as it is."""
        self._move(None, stream)

    def _find(self, key: Key) -> Stream:
        return self._streams[key[-1]]

    def _move(self, before: Stream | None, after: Stream | None) -> None:
        if before is not None:
            del self._streams[before.id]
            self._ingests.pop(before.ingest, None)
            for index, key in self._keys(before):
                index.remove(key)
        if after is not None:
            self._streams[after.id] = after
            if after.ingest:
                self._ingests[after.ingest] = after.id
            for index, key in self._keys(after):
                index.add(key)
        self._changes.note()

    def _keys(self, stream: Stream) -> Sequence[tuple["SortedList[Key]", Key]]:
        keys: list[tuple[SortedList[Key], Key]] = [(self._created, (stream.channel, stream.created_at, stream.id))]
        if stream.listed:
            keys.append((self._live, (stream.live_since, stream.id)))
        if stream.remind_at is not None:
            keys.append((self._near, (stream.remind_at, stream.id)))
        return keys


class InMemoryBroadcasts:
    """Timelines by stream, sessions by id and by stream, events by stream and time."""

    def __init__(self, outbox: InMemoryOutbox, changes: Changes) -> None:
        self._outbox = outbox
        self._changes = changes
        self._timelines: dict[StreamId, Timeline] = {}
        self._due: SortedList[Key] = SortedList()
        self._sessions: dict[StreamSessionId, Session] = {}
        self._of_stream: SortedList[Key] = SortedList()
        self._started: SortedList[Key] = SortedList()
        self._events: SortedDict[Key, SessionEvent] = SortedDict()

    async def timeline(self, stream: StreamId) -> Timeline:
        try:
            return self._timelines[stream]
        except KeyError:
            raise NotFound("nothing was heard of this stream") from None

    async def timelines(self, streams: Sequence[StreamId]) -> Mapping[StreamId, Timeline]:
        stored = self._timelines
        return {stream: stored[stream] for stream in streams if stream in stored}

    async def save(self, timeline: Timeline, sessions: Sequence[Session], *events: Event) -> Timeline:
        stored = self._timelines.get(timeline.stream)
        if timeline.version != (stored.version if stored else 0):
            raise Stale("what was heard of this stream")
        saved = next_version(timeline)
        self._move(stored, saved)
        for session in sessions:
            self._put(session)
        self._outbox.append(events)
        return saved

    async def session(self, session: StreamSessionId) -> Session:
        found = self._sessions.get(session)
        while found is not None and found.joined is not None:
            found = self._sessions.get(found.joined) if found.joined != found.id else None
        if found is None:
            raise NotFound("there is no such session")
        return found

    async def sessions(self, stream: StreamId, *, cursor: str | None = None, limit: int = 20) -> Page[Session]:
        return page(
            self._started, lambda key: self._sessions[key[-1]], within=(stream,), cursor=cursor, limit=limit,
            descending=True,
        )  # fmt: skip

    async def due(self, now: datetime, limit: int = 100) -> Sequence[Timeline]:
        walked = self._due.irange(maximum=(now, BEYOND))
        return [self._timelines[stream] for _, stream in islice(walked, limit)]

    async def log(self, events: Sequence[SessionEvent]) -> None:
        for event in events:
            self._events.setdefault((event.stream, event.at, event.id), event)
            self._changes.note()

    async def events(
        self, stream: StreamId, since: datetime, until: datetime, *, cursor: str | None = None, limit: int = 20
    ) -> Page[SessionEvent]:
        walked = walk(self._events, within=(stream,), cursor=cursor, tail=(since,))
        within = (key for key in walked if since <= key[1] < until)
        return page_of(within, self._events.__getitem__, limit, beginning=1)

    async def forget(self, stream: StreamId, limit: int = 500) -> int:
        within = (stream,), (stream, BEYOND)
        events = list(islice(self._events.irange(*within), limit))
        for key in events:
            del self._events[key]
        sessions = list(islice(self._of_stream.irange(*within), limit - len(events)))
        for _, id_ in sessions:
            self._put(self._sessions[id_], gone=True)
        stored = self._timelines.get(stream) if len(events) + len(sessions) < limit else None
        self._move(stored, None)
        return len(events) + len(sessions) + (stored is not None)

    def kept(self) -> Iterator[Timeline | Session | SessionEvent]:
        """All of it, for an archive."""
        yield from self._timelines.values()
        yield from self._sessions.values()
        yield from self._events.values()

    def admit(self, record: Timeline | Session | SessionEvent) -> None:
        """One from an archive, as it is."""
        if isinstance(record, Timeline):
            self._move(None, record)
        elif isinstance(record, Session):
            self._put(record)
        else:
            self._events[record.stream, record.at, record.id] = record

    def _move(self, before: Timeline | None, after: Timeline | None) -> None:
        if before is not None:
            del self._timelines[before.stream]
            if before.look_at is not None:
                self._due.remove((before.look_at, before.stream))
        if after is not None:
            self._timelines[after.stream] = after
            if after.look_at is not None:
                self._due.add((after.look_at, after.stream))
        self._changes.note()

    def _put(self, session: Session, *, gone: bool = False) -> None:
        before = self._sessions.pop(session.id, None)
        if before is not None:
            self._of_stream.remove((before.stream, before.id))
            if before.joined is None:
                self._started.remove((before.stream, before.started_at, before.id))
        if not gone:
            self._sessions[session.id] = session
            self._of_stream.add((session.stream, session.id))
            if session.joined is None:
                self._started.add((session.stream, session.started_at, session.id))
