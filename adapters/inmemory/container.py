"""Everything in memory: for tests, tours and trying things out. What is stored ends with the process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from attrs import frozen
from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import Dependency, Object, Provider, Singleton

from adapters.chatting import Alone, Rooms
from adapters.inmemory.channels import InMemoryChannels
from adapters.inmemory.chat import InMemoryChatLog
from adapters.inmemory.engagement import InMemoryComments, InMemoryReactions, InMemorySubscriptions
from adapters.inmemory.idempotency import InMemoryIdempotency
from adapters.inmemory.ingest import SimulatedIngest
from adapters.inmemory.media import InMemoryMedia, InMemoryRounds
from adapters.inmemory.notifications import InMemoryInbox
from adapters.inmemory.outbox import Changes, InMemoryOutbox
from adapters.inmemory.processing import InMemoryProcessings
from adapters.inmemory.search import FtsSearch
from adapters.inmemory.streams import InMemoryBroadcasts, InMemoryStreams
from adapters.inmemory.told import InMemoryReports, InMemorySignals
from adapters.inmemory.transcode import InMemoryTranscoder
from adapters.inmemory.uploads import InMemoryUploads
from adapters.inmemory.users import InMemoryUsers
from adapters.inmemory.videos import InMemoryVideos
from adapters.inmemory.watching import InMemoryHistory, InMemorySessions, InMemoryViewings
from adapters.links import Links
from adapters.listening import InProcessLive
from adapters.system import Clock, Ulids
from adapters.system import secret as fresh_key
from application.ports import Origins

CLIENT = "hexcast"


@frozen
class PlayClock:
    """A clock that may be moved ahead; whoever keeps answers hears of it."""

    clock: Clock
    changes: Changes

    def now(self) -> datetime:
        return self.clock.now()

    async def advance(self, by: timedelta) -> datetime:
        """The new present. Raises as ``Clock.advance`` does."""
        present = self.clock.advance(by)
        self.changes.note()
        return present


# What signs, hashes and paints takes tenths of a second to load: that waits until someone needs it.
def _keys() -> Any:
    return import_module("adapters.inmemory.identity").InMemoryKeys()


def _mailbox() -> Any:
    return import_module("adapters.inmemory.identity").InMemoryMailbox()


def _accounts(passwords: object, **needs: Any) -> Any:
    if passwords is not None:
        needs["passwords"] = passwords
    return import_module("adapters.inmemory.identity").InMemoryAccounts(**needs)


def _images() -> Any:
    return import_module("adapters.formats").PillowImages()


def _webvtt() -> Any:
    return import_module("adapters.formats").tidy_webvtt


def _archive(**needs: Any) -> Any:
    return import_module("adapters.inmemory.archive").InMemoryArchive(**needs)


async def no_retry(*_: object) -> None:
    """There are no messages here that come again."""


class Memory(DeclarativeContainer):
    """All of the profile ``memory``."""

    public_url = Dependency(instance_of=str)
    key = Dependency(instance_of=bytes)
    """Signs links and cursors."""
    background = Object(())
    """What goes on while a process serves: name and coroutine function."""

    changes = Singleton(Changes)
    machine = Singleton(Clock)
    clock = Singleton(PlayClock, machine, changes)
    now = clock.provided.now
    new_id = Singleton(Ulids, now)
    outbox = Singleton(InMemoryOutbox, new_id)

    origins = Object(Origins())
    issuer = public_url
    client_ids = Object((CLIENT,))
    keys = Singleton(_keys)
    mailbox = Singleton(_mailbox)
    passwords: Provider[Any] = Object(None)
    """Hashes them; None: as the adapter sees fit."""
    accounts = Singleton(
        _accounts,
        passwords=passwords,
        keys=keys,
        mailbox=mailbox,
        now=now,
        new_id=new_id,
        issuer=issuer,
        client_id=CLIENT,
    )

    users = Singleton(InMemoryUsers, outbox, changes)
    channels = Singleton(InMemoryChannels, outbox, changes)
    videos = Singleton(InMemoryVideos, outbox, changes)
    uploads = Singleton(InMemoryUploads, outbox, changes, videos)
    processings = Singleton(InMemoryProcessings, outbox, changes)
    streams = Singleton(InMemoryStreams, outbox, changes)
    broadcasts = Singleton(InMemoryBroadcasts, outbox, changes)
    chat_log = Singleton(InMemoryChatLog, changes)
    comments = Singleton(InMemoryComments, outbox, changes)
    reactions = Singleton(InMemoryReactions, outbox, changes)
    subscriptions = Singleton(InMemorySubscriptions, outbox, changes)
    history = Singleton(InMemoryHistory, changes)
    viewings = Singleton(InMemoryViewings, changes)
    sessions = Singleton(InMemorySessions, changes, history, viewings, now)
    inbox = Singleton(InMemoryInbox, changes)
    live = Singleton(InProcessLive)
    search = Singleton(FtsSearch, changes)
    queues: Provider[Any] = Object({})
    """Kinds of events that wait in a queue of their own, and the queue."""
    retries: Provider[Any] = Object(no_retry)
    """When messages of such a queue come again."""
    nightly: Provider[Any] = Object(())
    """What is done once a day: name and coroutine function, which answers how much it mended."""
    idempotency = Singleton(InMemoryIdempotency)

    archive = Singleton(
        _archive,
        accounts=accounts,
        users=users,
        channels=channels,
        videos=videos,
        uploads=uploads,
        processings=processings,
        comments=comments,
        reactions=reactions,
        subscriptions=subscriptions,
        sessions=sessions,
        history=history,
        viewings=viewings,
        inbox=inbox,
        outbox=outbox,
        streams=streams,
        broadcasts=broadcasts,
        chat_log=chat_log,
        now=now,
    )

    links = Singleton(Links, key, public_url, now)
    reports: Provider[Any] = Singleton(InMemoryReports, now)
    media = Singleton(InMemoryMedia, links, now)
    store = media
    rounds = Singleton(InMemoryRounds)
    delivery = media
    transcoder = Singleton(InMemoryTranscoder, media, reports)
    signals: Provider[Any] = Singleton(InMemorySignals, now)
    ingest: Provider[Any] = Singleton(SimulatedIngest, media, signals, links, now, new_id)
    chat: Provider[Any] = Singleton(Rooms, links, now, new_id, Singleton(Alone, now))
    chat_door: Provider[Any] = chat
    """Chat over our own WebSocket; None where that is another's."""
    simulator: Provider[Any] = ingest
    """Pretends that encoders come and go, where that may be asked for (``POST /v1/dev/streams/{id}/simulate``)."""
    images = Singleton(_images)
    webvtt = Singleton(_webvtt)


@asynccontextmanager
async def opened(*, public_url: str, secret: bytes | None) -> AsyncIterator[Memory]:
    """The adapters, and at the end nothing of theirs is left running."""
    container = Memory(public_url=public_url, key=secret or fresh_key())
    try:
        yield container
    finally:
        await container.transcoder().aclose()
        container.search().close()
