"""One machine: records in one SQLite file, media beside it, made with ffmpeg."""

import asyncio
import fcntl
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from time import sleep
from typing import Any

from attrs import define, field
from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import Callable as Call
from dependency_injector.providers import Dependency, Object, Provider, Singleton

from adapters.chatting import Rooms
from adapters.inmemory.container import CLIENT, no_retry
from adapters.inmemory.media import InMemoryRounds
from adapters.links import Links
from adapters.local.channels import SqliteChannels
from adapters.local.chat import SqliteChatLog, SqliteWire
from adapters.local.comments import SqliteComments
from adapters.local.database import Database, micros, sql
from adapters.local.disk import DiskMedia
from adapters.local.durable import sync, sync_up
from adapters.local.engagement import SqliteReactions, SqliteSubscriptions
from adapters.local.ffmpeg import FfmpegTranscoder
from adapters.local.header import check_header
from adapters.local.idempotency import SqliteIdempotency
from adapters.local.ingest import NOWHERE, RtmpSettings, SqliteIngest, Viewers
from adapters.local.jobs import JobQueue
from adapters.local.notifications import SqliteInbox, SqliteLive
from adapters.local.outbox import SqliteOutbox
from adapters.local.processing import SqliteProcessings
from adapters.local.search import SqliteSearch
from adapters.local.settings import GET, settled
from adapters.local.simulated import RealEncoders
from adapters.local.station import LOCK as RTMP_LOCK
from adapters.local.station import Station
from adapters.local.streams import SqliteBroadcasts, SqliteStreams
from adapters.local.told import SqliteReports, SqliteSignals
from adapters.local.uploads import SqliteUploads
from adapters.local.users import SqliteUsers
from adapters.local.videos import SqliteVideos
from adapters.local.watching import SqliteHistory, SqliteSessions, SqliteViewings
from adapters.system import AHEAD_MOST, Clock, Ulids, ticks
from adapters.system import secret as fresh_key
from application.ports import Origins
from domain.errors import Invalid
from domain.ids import made_at

FILE, LOCK, MEDIA = "hexcast.db", "hexcast.lock", "media"
LOOK_S = 0.05
"""How soon a process learns what another one told or moved."""
SILENT_S, PATIENCE_S = 0.5, 20.0
"""How long a start waits for the processes of a server that was killed to notice: at first without a word."""

_log = logging.getLogger(__name__)

_MOVE = sql(
    "INSERT INTO setting (name, value) VALUES ('clock_ahead_s', ?)"
    " ON CONFLICT (name) DO UPDATE SET value = CAST(value AS REAL) + CAST(excluded.value AS REAL)"
)
_NEWEST = tuple(
    sql(f"SELECT max(id) FROM {table}")
    for table in (
        "user",
        "channel",
        "video",
        "upload",
        "comment",
        "event",
        "session",
        "stream",
        "stream_session",
        "newest",
    )
)


@define(eq=False)
class SharedClock:
    """The machine's time, as far ahead as someone moved it: for every process, and after a restart too, since what was
    stored meanwhile would otherwise lie in the future.
    """

    _database: Database
    _clock: Clock

    def __init__(self, database: Database) -> None:
        self._database = database
        self._clock = Clock()
        self.refresh()

    def now(self) -> datetime:
        return self._clock.now()

    async def advance(self, by: timedelta) -> datetime:
        """The new present. Raises as ``Clock.advance`` does."""
        self._clock.allow(by)
        await self._database.write(lambda transaction: transaction.run(_MOVE, (str(by.total_seconds()),)))
        self.refresh()
        return self.now()

    def refresh(self) -> None:
        """Move as far as others did, within what the calendar bears."""
        row = self._database.row(GET, ("clock_ahead_s",))
        ahead = min(timedelta(seconds=float(row[0])), AHEAD_MOST) if row else timedelta()
        if ahead > self._clock.ahead:
            self._clock.advance(ahead - self._clock.ahead)


def _ids(database: Database, now: Callable[[], datetime]) -> Ulids:
    """Above all that were given, should the machine's clock have been set back since."""
    return Ulids(now, after_ms=_newest_ms(database))


def _newest_ms(database: Database) -> int:
    """When the newest of all ids was made, in milliseconds since 1970; -1: there is none."""
    newest = [made_at(row[0]) for statement in _NEWEST if (row := database.row(statement)) and row[0]]
    last = max((at for at in newest if at is not None), default=None)
    return -1 if last is None else micros(last) // 1000


# What signs, hashes and paints takes tenths of a second to load: that waits until someone needs it.
def _keys(database: Database) -> Any:
    return import_module("adapters.local.identity").SqliteKeys(database)


def _mailbox(database: Database) -> Any:
    return import_module("adapters.local.identity").SqliteMailbox(database)


def _accounts(database: Database, passwords: object, **needs: Any) -> Any:
    if passwords is not None:
        needs["passwords"] = passwords
    return import_module("adapters.local.identity").SqliteAccounts(database, **needs)


def _images() -> Any:
    return import_module("adapters.formats").PillowImages()


def _webvtt() -> Any:
    return import_module("adapters.formats").tidy_webvtt


def _archive(database: Database, outbox: SqliteOutbox, now: Callable[[], datetime]) -> Any:
    return import_module("adapters.local.archive").SqliteArchive(database, outbox, now)


@define(eq=False)
class Lookout:
    """Sees what other processes did, and tells those of this one who wait for it."""

    database: Database
    outbox: SqliteOutbox
    clock: SharedClock
    live: SqliteLive
    chat: SqliteWire
    new_id: Ulids
    _seen: int = field(default=-1, init=False)
    _latest: datetime = field(default=datetime.min.replace(tzinfo=UTC), init=False)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Once."""
        if (changes := self.database.changes()) == self._seen:
            return
        self._seen = changes
        self.outbox.wake()
        self.clock.refresh()
        await self.live.heard()
        self.chat.heard()
        present = self.clock.now()
        if present < self._latest:  # the clock was set back, and other processes give ids that are ahead of it, too
            self.new_id.rise(_newest_ms(self.database))
        self._latest = max(self._latest, present)


def _background(
    transcoder: FfmpegTranscoder, lookout: Lookout, station: Station
) -> Sequence[tuple[str, Callable[[], Awaitable[None]]]]:
    return ("transcode", transcoder.run), ("look", lookout.run), ("ingest", station.run)


class Local(DeclarativeContainer):
    """All of the profile ``local``."""

    public_url = Dependency(instance_of=str)
    key = Dependency(instance_of=bytes)
    """Signs links and cursors: the same in every process and after every start, or those given out would break."""
    database = Dependency(instance_of=Database)
    data = Dependency(instance_of=Path)
    transcode_jobs = Dependency(instance_of=int)
    shared = Dependency(instance_of=bool)
    rtmp = Dependency(instance_of=RtmpSettings)
    lock = Dependency(instance_of=Path)

    changes = Call(lambda database: database.changes, database)
    clock = Singleton(SharedClock, database)
    now = clock.provided.now
    new_id = Singleton(_ids, database, now)
    outbox = Singleton(SqliteOutbox, database, new_id)

    origins = Object(Origins())
    issuer = public_url
    client_ids = Object((CLIENT,))
    keys = Singleton(_keys, database)
    mailbox = Singleton(_mailbox, database)
    passwords: Provider[Any] = Object(None)
    """Hashes them; None: as the adapter sees fit."""
    accounts = Singleton(
        _accounts, database, passwords, keys=keys, mailbox=mailbox, now=now, new_id=new_id, issuer=issuer,
        client_id=CLIENT,
    )  # fmt: skip

    users = Singleton(SqliteUsers, database, outbox)
    channels = Singleton(SqliteChannels, database, outbox)
    videos = Singleton(SqliteVideos, database, outbox)
    uploads = Singleton(SqliteUploads, database, outbox)
    processings = Singleton(SqliteProcessings, database, outbox)
    streams = Singleton(SqliteStreams, database, outbox)
    broadcasts = Singleton(SqliteBroadcasts, database, outbox)
    comments = Singleton(SqliteComments, database, outbox)
    reactions = Singleton(SqliteReactions, database, outbox)
    subscriptions = Singleton(SqliteSubscriptions, database, outbox)
    history = Singleton(SqliteHistory, database)
    viewings = Singleton(SqliteViewings, database)
    sessions = Singleton(SqliteSessions, database, now)
    inbox = Singleton(SqliteInbox, database)
    live = Singleton(SqliteLive, database, now, shared=shared)
    search = Singleton(SqliteSearch, database)
    queues: Provider[Any] = Object({})
    """Kinds of events that wait in a queue of their own, and the queue."""
    retries: Provider[Any] = Object(no_retry)
    """When messages of such a queue come again."""
    nightly: Provider[Any] = Object(())
    """What is done at night: name and coroutine function, which is told whether there is time to begin something new, and
    answers how much it mended. Nothing here: a transaction of SQLite's lets no count drift, and to count again holds up
    all who write, for some ten seconds where there are a million videos. ``check --repair`` does it.
    """
    idempotency = Singleton(SqliteIdempotency, database)

    archive = Singleton(_archive, database, outbox, now)

    links = Singleton(Links, key, public_url, now)
    media = Singleton(DiskMedia, data, links, now)
    store = media
    delivery = media
    rounds = Singleton(InMemoryRounds)
    """One process sweeps."""
    reports = Singleton(SqliteReports, database, now)
    queue = Singleton(JobQueue, database, reports, now)
    signals = Singleton(SqliteSignals, database, now)
    viewers = Singleton(Viewers, database, now)
    ingest = Singleton(SqliteIngest, database, media, links, viewers, now, settings=rtmp)
    simulator = Singleton(RealEncoders, database, ingest, signals, now=now, new_id=new_id)
    station = Singleton(Station, database, media, signals, viewers, now=now, new_id=new_id, settings=rtmp, lock=lock)
    chat_log = Singleton(SqliteChatLog, database)
    chat_wire = Singleton(SqliteWire, database, now, shared=shared)
    chat: Provider[Any] = Singleton(Rooms, links, now, new_id, chat_wire)
    chat_door: Provider[Any] = chat
    transcoder = Singleton(FfmpegTranscoder, media, queue, jobs=transcode_jobs)
    images = Singleton(_images)
    webvtt = Singleton(_webvtt)
    lookout = Singleton(Lookout, database, outbox, clock, live, chat_wire, new_id)
    background = Singleton(_background, transcoder, lookout, station)


@contextmanager
def held(data: Path) -> Iterator[int]:
    """Alone with the folder: no other server takes it, as long as the file descriptor is open in any process.

    Whatever processes that are no more had claimed is free again, and what they wrote halfway is gone. Raises Invalid
    (``data_in_use``, ``data_unusable``, and as ``Database``).
    """
    try:
        _make(data)
        lock = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise Invalid(f"{data} cannot be used: {error.strerror or error}", code="data_unusable") from error
    try:
        _take(lock, data)
        asyncio.run(_prepare(data))
        yield lock
    finally:
        os.close(lock)


def _take(lock: int, data: Path) -> None:
    since, told = ticks(), False
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        waited = ticks() - since
        if waited > PATIENCE_S:
            raise Invalid(f"another process serves {data}", code="data_in_use")
        if waited > SILENT_S and not told:
            _log.warning("another process serves %s; waiting up to %d s for it to stop", data, PATIENCE_S)
            told = True
        sleep(LOOK_S)


async def _prepare(data: Path) -> None:
    """Nobody else is there: what is claimed was claimed by the dead."""
    async with opened(public_url="", secret=None, data=data, transcode_jobs=1, shared=False) as container:
        await asyncio.to_thread(container.media().clear_scratch)
        await container.outbox().released()
        await container.idempotency().released()
        await container.queue().release_all()
        await container.database().write(container.signals().take_back)


def _opened_file(data: Path) -> Database:
    """What could go wrong is looked at before anything is written."""
    check_header(data / FILE)
    media = data / MEDIA
    try:
        _make(data)
        media.mkdir(exist_ok=True)
    except OSError as error:
        raise Invalid(f"{media} cannot be used: {error.strerror or error}", code="data_unusable") from error
    if not os.access(media, os.R_OK | os.W_OK | os.X_OK):
        raise Invalid(f"{media} cannot be used: it may not be written to", code="data_unusable")
    return Database(data / FILE)


def _make(data: Path) -> None:
    """The folder is there, and a power cut does not take it away again, nor those above that were made for it."""
    data = data.absolute()
    if data.is_dir():
        return
    above = next(folder for folder in data.parents if folder.is_dir())
    data.mkdir(0o700, parents=True, exist_ok=True)  # what is in it is for nobody else on this machine
    sync_up(data.parent, above)


@asynccontextmanager
async def opened(
    *, public_url: str, secret: bytes | None, data: Path, transcode_jobs: int, shared: bool,
    rtmp: RtmpSettings = NOWHERE,
) -> AsyncIterator[Local]:  # fmt: skip
    """The adapters, and at the end nothing of theirs is left running. ``shared``: other processes serve the folder, too.

    Raises Invalid as ``held`` does, but for ``data_in_use``.
    """
    database = _opened_file(data)
    try:
        sync(data)
        kept = await database.write(lambda transaction: settled(transaction, "key", lambda: fresh_key().hex()))
        container = Local(
            public_url=public_url, key=secret or bytes.fromhex(kept), database=database, data=data / MEDIA,
            transcode_jobs=transcode_jobs, shared=shared, rtmp=rtmp, lock=data / RTMP_LOCK,
        )  # fmt: skip
        try:
            yield container
        finally:
            await container.transcoder().aclose()
            await container.simulator().aclose()
    finally:
        database.close()
