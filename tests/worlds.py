"""Every port on every family of adapters. A test takes what it is given and cannot tell which family it is."""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Generic, TypeVar

from attrs import define, frozen

from adapters.aws.channels import DynamoChannels
from adapters.aws.chat import DynamoChatLog
from adapters.aws.comments import DynamoComments
from adapters.aws.dynamo import Tables
from adapters.aws.engagement import DynamoReactions, DynamoSubscriptions
from adapters.aws.idempotency import DynamoIdempotency
from adapters.aws.notifications import DynamoInbox
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.processing import DynamoProcessings
from adapters.aws.rounds import DynamoRounds
from adapters.aws.search import DynamoSearch
from adapters.aws.streams import DynamoBroadcasts, DynamoStreams
from adapters.aws.uploads import DynamoUploads
from adapters.aws.users import DynamoUsers
from adapters.aws.videos import DynamoVideos
from adapters.aws.watching import DynamoHistory, DynamoSessions, DynamoViewings
from adapters.inmemory.channels import InMemoryChannels
from adapters.inmemory.chat import InMemoryChatLog
from adapters.inmemory.engagement import InMemoryComments, InMemoryReactions, InMemorySubscriptions
from adapters.inmemory.idempotency import InMemoryIdempotency
from adapters.inmemory.media import InMemoryRounds
from adapters.inmemory.notifications import InMemoryInbox
from adapters.inmemory.outbox import Changes, InMemoryOutbox
from adapters.inmemory.processing import InMemoryProcessings
from adapters.inmemory.search import FtsSearch
from adapters.inmemory.streams import InMemoryBroadcasts, InMemoryStreams
from adapters.inmemory.uploads import InMemoryUploads
from adapters.inmemory.users import InMemoryUsers
from adapters.inmemory.videos import InMemoryVideos
from adapters.inmemory.watching import InMemoryHistory, InMemorySessions, InMemoryViewings
from adapters.listening import InProcessLive
from adapters.local.channels import SqliteChannels
from adapters.local.chat import SqliteChatLog
from adapters.local.comments import SqliteComments
from adapters.local.database import Database
from adapters.local.engagement import SqliteReactions, SqliteSubscriptions
from adapters.local.idempotency import SqliteIdempotency
from adapters.local.notifications import SqliteInbox, SqliteLive
from adapters.local.outbox import SqliteOutbox
from adapters.local.processing import SqliteProcessings
from adapters.local.search import SqliteSearch
from adapters.local.streams import SqliteBroadcasts, SqliteStreams
from adapters.local.uploads import SqliteUploads
from adapters.local.users import SqliteUsers
from adapters.local.videos import SqliteVideos
from adapters.local.watching import SqliteHistory, SqliteSessions, SqliteViewings
from adapters.system import Ulids
from application.ports import (
    Broadcasts,
    Channels,
    ChatLog,
    Comments,
    Event,
    History,
    Idempotency,
    Inbox,
    Live,
    NewId,
    Outbox,
    Processings,
    Reactions,
    Rounds,
    Search,
    Sessions,
    Streams,
    Subscriptions,
    Uploads,
    Users,
    Videos,
    Viewings,
)  # fmt: skip
from tests.cloud import direct
from tests.strategies import START


@define
class FakeClock:
    """A present that moves only when told to."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def advance(self, by: timedelta) -> datetime:
        self.at += by
        return self.at


P = TypeVar("P")


@frozen
class Opened(Generic[P]):
    """A port at work, with the outbox that its saves feed and the clock that it reads."""

    port: P
    outbox: Outbox
    clock: FakeClock

    async def events(self) -> list[Event]:
        """The events stored since the last call, the oldest first."""
        taken: list[Event] = []
        while envelopes := await self.outbox.claim(self.clock.now()):
            for envelope in sorted(envelopes, key=lambda each: each.id):
                taken.append(envelope.event)
                await self.outbox.done(envelope.id)
        return taken


Opener = Callable[[], AbstractAsyncContextManager[Opened[P]]]
"""Opens an empty port; leaving the context frees whatever it took."""


@frozen
class InMemory:
    """What the in-memory adapters of one world share."""

    outbox: InMemoryOutbox
    changes: Changes
    clock: FakeClock
    new_id: NewId


def in_memory(build: Callable[[InMemory], P]) -> Opener[P]:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Opened[P]]:
        clock = FakeClock()
        new_id = Ulids(clock.now)
        shared = InMemory(InMemoryOutbox(new_id), Changes(), clock, new_id)
        yield Opened(build(shared), shared.outbox, clock)

    return opened


@frozen
class Sqlite:
    """What the adapters over one SQLite file share."""

    database: Database
    outbox: SqliteOutbox
    clock: FakeClock
    new_id: NewId


def sqlite(build: Callable[[Sqlite], P]) -> Opener[P]:
    """Without waiting for the disk: what a power cut leaves is tested elsewhere."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Opened[P]]:
        clock = FakeClock()
        new_id = Ulids(clock.now)
        with tempfile.TemporaryDirectory(prefix="hexcast-") as folder:
            database = Database(Path(folder) / "hexcast.db", durable=False)
            try:
                shared = Sqlite(database, SqliteOutbox(database, new_id), clock, new_id)
                yield Opened(build(shared), shared.outbox, clock)
            finally:
                database.close()

    return opened


@frozen
class Cloud:
    """What the adapters over one account's tables share."""

    tables: Tables
    outbox: DynamoOutbox
    clock: FakeClock
    new_id: NewId


def dynamo(build: Callable[[Cloud], P]) -> Opener[P]:
    """On the emulated DynamoDB, in this process. What is asked of the tables must be declared."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Opened[P]]:
        clock = FakeClock()
        new_id = Ulids(clock.now)
        async with direct.tables() as tables:
            shared = Cloud(tables, DynamoOutbox(tables, new_id, clock.now), clock, new_id)
            yield Opened(build(shared), shared.outbox, clock)

    return opened


@frozen
class Watching:
    """Three ports over the same records: a session's save writes the history, and the days."""

    sessions: Sessions
    history: History
    viewings: Viewings


def _watching(world: InMemory) -> Watching:
    history, viewings = InMemoryHistory(world.changes), InMemoryViewings(world.changes)
    return Watching(InMemorySessions(world.changes, history, viewings, world.clock.now), history, viewings)


def _users(world: InMemory) -> Users:
    return InMemoryUsers(world.outbox, world.changes)


def _channels(world: InMemory) -> Channels:
    return InMemoryChannels(world.outbox, world.changes)


def _videos(world: InMemory) -> Videos:
    return InMemoryVideos(world.outbox, world.changes)


@frozen
class Announcing:
    """Two ports over the same records: an upload starts together with its video."""

    uploads: Uploads
    videos: Videos


def _announcing(world: InMemory) -> Announcing:
    videos = InMemoryVideos(world.outbox, world.changes)
    return Announcing(InMemoryUploads(world.outbox, world.changes, videos), videos)


def _uploads(world: InMemory) -> Uploads:
    return _announcing(world).uploads


def _processings(world: InMemory) -> Processings:
    return InMemoryProcessings(world.outbox, world.changes)


def _streams(world: InMemory) -> Streams:
    return InMemoryStreams(world.outbox, world.changes)


def _broadcasts(world: InMemory) -> Broadcasts:
    return InMemoryBroadcasts(world.outbox, world.changes)


def _chat_log(world: InMemory) -> ChatLog:
    return InMemoryChatLog(world.changes)


def _comments(world: InMemory) -> Comments:
    return InMemoryComments(world.outbox, world.changes)


def _reactions(world: InMemory) -> Reactions:
    return InMemoryReactions(world.outbox, world.changes)


def _subscriptions(world: InMemory) -> Subscriptions:
    return InMemorySubscriptions(world.outbox, world.changes)


def _inbox(world: InMemory) -> Inbox:
    return InMemoryInbox(world.changes)


def _live(_: InMemory) -> Live:
    return InProcessLive()


def _outbox(world: InMemory) -> Outbox:
    return world.outbox


def _idempotency(_: InMemory) -> Idempotency:
    return InMemoryIdempotency()


@asynccontextmanager
async def _search() -> AsyncIterator[Opened[Search]]:
    def build(_: InMemory) -> Search:
        return search

    search = FtsSearch()
    try:
        async with in_memory(build)() as opened:
            yield opened
    finally:
        search.close()


# One table a port; one line a family.
USERS: list[tuple[str, Opener[Users]]] = [
    ("in_memory", in_memory(_users)),
    ("sqlite", sqlite(lambda world: SqliteUsers(world.database, world.outbox))),
    ("dynamo", dynamo(lambda world: DynamoUsers(world.tables, world.outbox))),
]
CHANNELS: list[tuple[str, Opener[Channels]]] = [
    ("in_memory", in_memory(_channels)),
    ("sqlite", sqlite(lambda world: SqliteChannels(world.database, world.outbox))),
    ("dynamo", dynamo(lambda world: DynamoChannels(world.tables, world.outbox))),
]
VIDEOS: list[tuple[str, Opener[Videos]]] = [
    ("in_memory", in_memory(_videos)),
    ("sqlite", sqlite(lambda world: SqliteVideos(world.database, world.outbox))),
    ("dynamo", dynamo(lambda world: DynamoVideos(world.tables, world.outbox))),
]
UPLOADS: list[tuple[str, Opener[Uploads]]] = [
    ("in_memory", in_memory(_uploads)),
    ("sqlite", sqlite(lambda world: SqliteUploads(world.database, world.outbox))),
    ("dynamo", dynamo(lambda world: DynamoUploads(world.tables, world.outbox))),
]
ANNOUNCING: list[tuple[str, Opener[Announcing]]] = [
    ("in_memory", in_memory(_announcing)),
    (
        "sqlite",
        sqlite(
            lambda world: Announcing(
                SqliteUploads(world.database, world.outbox), SqliteVideos(world.database, world.outbox)
            )
        ),
    ),
    (
        "dynamo",
        dynamo(
            lambda world: Announcing(
                DynamoUploads(world.tables, world.outbox), DynamoVideos(world.tables, world.outbox)
            )
        ),
    ),
]
PROCESSINGS: list[tuple[str, Opener[Processings]]] = [
    ("in_memory", in_memory(_processings)),
    ("sqlite", sqlite(lambda world: SqliteProcessings(world.database, world.outbox))),
    ("dynamo", dynamo(lambda world: DynamoProcessings(world.tables, world.outbox))),
]
STREAMS: list[tuple[str, Opener[Streams]]] = [
    ("in_memory", in_memory(_streams)),
    ("sqlite", sqlite(lambda world: SqliteStreams(world.database, world.outbox))),
    ("dynamo", dynamo(lambda world: DynamoStreams(world.tables, world.outbox))),
]
BROADCASTS: list[tuple[str, Opener[Broadcasts]]] = [
    ("in_memory", in_memory(_broadcasts)),
    ("sqlite", sqlite(lambda world: SqliteBroadcasts(world.database, world.outbox))),
    ("dynamo", dynamo(lambda world: DynamoBroadcasts(world.tables, world.outbox))),
]
CHAT_LOGS: list[tuple[str, Opener[ChatLog]]] = [
    ("in_memory", in_memory(_chat_log)),
    ("sqlite", sqlite(lambda world: SqliteChatLog(world.database))),
    ("dynamo", dynamo(lambda world: DynamoChatLog(world.tables))),
]
WATCHING: list[tuple[str, Opener[Watching]]] = [
    ("in_memory", in_memory(_watching)),
    (
        "sqlite",
        sqlite(
            lambda world: Watching(
                SqliteSessions(world.database, world.clock.now),
                SqliteHistory(world.database),
                SqliteViewings(world.database),
            )
        ),
    ),
    (
        "dynamo",
        dynamo(
            lambda world: Watching(
                DynamoSessions(world.tables, world.clock.now), DynamoHistory(world.tables), DynamoViewings(world.tables)
            )
        ),
    ),
]
COMMENTS: list[tuple[str, Opener[Comments]]] = [
    ("in_memory", in_memory(_comments)),
    ("sqlite", sqlite(lambda world: SqliteComments(world.database, world.outbox))),
    ("dynamo", dynamo(lambda world: DynamoComments(world.tables, world.outbox))),
]
REACTIONS: list[tuple[str, Opener[Reactions]]] = [
    ("in_memory", in_memory(_reactions)),
    ("sqlite", sqlite(lambda world: SqliteReactions(world.database, world.outbox))),
    ("dynamo", dynamo(lambda world: DynamoReactions(world.tables, world.outbox))),
]
SUBSCRIPTIONS: list[tuple[str, Opener[Subscriptions]]] = [
    ("in_memory", in_memory(_subscriptions)),
    ("sqlite", sqlite(lambda world: SqliteSubscriptions(world.database, world.outbox))),
    ("dynamo", dynamo(lambda world: DynamoSubscriptions(world.tables, world.outbox))),
]
INBOXES: list[tuple[str, Opener[Inbox]]] = [
    ("in_memory", in_memory(_inbox)),
    ("sqlite", sqlite(lambda world: SqliteInbox(world.database))),
    ("dynamo", dynamo(lambda world: DynamoInbox(world.tables, world.clock.now))),
]
LIVE: list[tuple[str, Opener[Live]]] = [
    ("in_process", in_memory(_live)),
    ("sqlite", sqlite(lambda world: SqliteLive(world.database, world.clock.now))),
    ("sqlite_shared", sqlite(lambda world: SqliteLive(world.database, world.clock.now, shared=True))),
]
SEARCHES: list[tuple[str, Opener[Search]]] = [
    ("in_memory", _search),
    ("sqlite", sqlite(lambda world: SqliteSearch(world.database))),
    ("dynamo", dynamo(lambda world: DynamoSearch(world.tables))),
]
OUTBOXES: list[tuple[str, Opener[Outbox]]] = [
    ("in_memory", in_memory(_outbox)),
    ("sqlite", sqlite(lambda world: world.outbox)),
    ("dynamo", dynamo(lambda world: world.outbox)),
]
ROUNDS: list[tuple[str, Opener[Rounds]]] = [
    ("in_memory", in_memory(lambda _: InMemoryRounds())),
    ("dynamo", dynamo(lambda world: DynamoRounds(world.tables))),
]
IDEMPOTENCY: list[tuple[str, Opener[Idempotency]]] = [
    ("in_memory", in_memory(_idempotency)),
    ("sqlite", sqlite(lambda world: SqliteIdempotency(world.database))),
    ("dynamo", dynamo(lambda world: DynamoIdempotency(world.tables))),
]
