"""Where encoders come to: RTMP for many of them at once, in one process of those that share a folder.

Whoever has the lock listens; when that process ends, another one does within a second. What an encoder may do is looked
up when it asks, before any of its media is taken, and again whenever the file changed: a key that was replaced, a
stream that was disabled, stopped or removed ends what is broadcast, whichever process that was asked of.

What follows within the reconnect window is one *take*: one playlist, one recording. A take outlives the process. What
was on the air when that was killed has ended with its last whole segment, and goes on if its encoder is back in time.

One stream has one encoder. A second one is refused as long as the first one sends; of one that fell silent, as behind a
network that went away without a word, the next takes the place.
"""

import asyncio
import fcntl
import hmac
import logging
import os
from asyncio import StreamReader, StreamWriter
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import imageio_ffmpeg
from attrs import define, field

from adapters.local.database import Database, Row, Transaction, micros, moment, sql
from adapters.local.disk import DiskMedia
from adapters.local.durable import ended, remove
from adapters.local.feed import Feed, Shelf
from adapters.local.flv import Unfit, jumped
from adapters.local.hls import Note
from adapters.local.ingest import COUNTED_S, LOOK_S, RtmpSettings, Viewers, digest, recording_source
from adapters.local.rtmp import HANDSHAKE, Broken, Connection, Described, Finished, Media, Publish
from adapters.local.told import SqliteSignals
from adapters.rows import text_of, values_of
from adapters.system import Seldom, secret, ticks
from application.ports import NewId, Now, Signal
from domain.broadcasts import BROADCASTS_MOST, START_WITHIN, Detail, Happening
from domain.errors import Unavailable
from domain.ids import EVENT, BroadcastId, StreamId
from domain.streams import live_prefix

_log = logging.getLogger(__name__)

LOCK = "rtmp.lock"
TRY_S = 1.0
TICK_S = 1.0
GREET_S = 10.0
"""How long an encoder may take to say what it wants to send."""
IDLE_S = 30.0
"""How long one that sends may say nothing."""
START_S = START_WITHIN.total_seconds()
"""How long one that may send may send nothing that can be shown: it keeps others from their place."""
SILENT_S = 3.0
STARVED = 0.75
"""What arrives in ``SILENT_S`` seconds lasts less than this part of them."""
FED = 0.9
SAMPLE_S = 10.0
BITRATE_MOST = 20_000_000
KEYFRAMES_END_S = 60.0
"""A picture that cannot be decoded anew for so long is not shown any more: a segment has to end."""
CONNECTIONS_MOST = 500
ROOM_BYTES = 8 * 1024 * 1024
"""With less than this nothing new is taken."""
CLEAR_AFTER_S = 60.0
"""What was shown stays for so long after its end."""
_PIECE = 64 * 1024

_BY_DIGEST = sql(
    "SELECT ingest.name, stream, key, enabled, record, cut FROM ingest_key JOIN ingest USING (name) WHERE digest = ?"
)
_STANDING = sql("SELECT enabled, cut FROM ingest WHERE name = ?")
_WINDOW = sql("SELECT window_s FROM ingest WHERE name = ?")
_OPEN_TAKES = sql(
    "SELECT id, name, stream, recorded, cut, broadcast, since, over_at, broadcasts FROM take WHERE said IS NULL AND name > ?"
    " ORDER BY name LIMIT 1000"
)
_BEGIN = sql(
    "INSERT INTO take (id, name, stream, recorded, cut, broadcast, since, broadcasts) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET broadcast = excluded.broadcast, since = excluded.since, over_at = NULL,"
    " broadcasts = excluded.broadcasts"
)
_LEAVE = sql("UPDATE take SET broadcast = NULL, over_at = ? WHERE id = ?")
_SAY = sql("UPDATE take SET said = ?, broadcast = NULL WHERE id = ?")
_SAID_LAST = sql("UPDATE ingest SET said = ? WHERE name = ?")
_DROP = sql("DELETE FROM take WHERE id = ?")
_IS_TAKE = sql("SELECT 1 FROM take WHERE id = ?")
_WISHES = sql("SELECT n, name, kind, at, text FROM wish WHERE n > 0 ORDER BY n LIMIT 100")
_DROP_WISHES = sql("DELETE FROM wish WHERE n <= ?")


@define(eq=False)
class _Take:
    id: str
    name: str
    stream: str
    recorded: bool
    cut: int
    shelf: Shelf
    broadcasts: list[BroadcastId]
    over_at: datetime | None = None
    """None while a broadcast goes on."""
    closing: "asyncio.Task[None] | None" = None
    """What winds it up, once that has begun."""


@define(eq=False)
class _OnAir:
    """An encoder that may send."""

    name: str
    stream: str
    broadcast: BroadcastId
    record: bool
    cut: int
    writer: StreamWriter
    task: "asyncio.Task[None]"
    feed: Feed
    created_at: float = field(factory=ticks)
    heard_at: float = field(factory=ticks)
    sampled_at: float = field(factory=ticks)
    take: _Take | None = None
    failure: str | None = None
    ending: bool = False
    left: asyncio.Event = field(factory=asyncio.Event)
    muted: bool = False
    """Nothing is read of what it sends, as if its network had no room."""
    starving: bool = False
    breaches: set[str] = field(factory=set)
    arrived: list[tuple[float, int]] = field(factory=list)
    """When it was looked at, and the encoder's time then, of the last ``SILENT_S`` seconds."""

    def end(self) -> None:
        """Cut it off, whatever it waits for."""
        if not self.ending:
            self.ending = True
            self.task.cancel()


class Refusal(Exception):
    """Why an encoder is turned away, and whose it is, if that is known."""

    def __init__(self, reason: str, name: str | None = None) -> None:
        super().__init__(reason)
        self.name = name


class Station:
    """``run`` it in every process; one at a time listens."""

    def __init__(
        self, database: Database, media: DiskMedia, signals: SqliteSignals, viewers: Viewers, *, now: Now, new_id: NewId,
        settings: RtmpSettings, lock: Path, ffmpeg: str | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._media = media
        self._signals = signals
        self._viewers = viewers
        self._now = now
        self._new_id = new_id
        self._settings = settings
        self._lock = lock
        self._ffmpeg = ffmpeg or imageio_ffmpeg.get_ffmpeg_exe()
        self._on_air: dict[str, _OnAir] = {}
        self._takes: dict[str, _Take] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._unstored: list[Callable[[Transaction], object]] = []
        self._storing = asyncio.Lock()
        self._cleared: list[tuple[float, Shelf]] = []
        self._seen = -1
        self._seldom = Seldom()
        self._refused: defaultdict[str, Seldom] = defaultdict(Seldom)
        """By stream: encoders try again every few seconds, and each would be kept as an event."""
        self.port = settings.port
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled; then nobody is on the air any more."""
        while True:
            with self._alone() as alone:
                if alone and self._settings.port is not None:
                    await self._serve()
            await self._viewers.tell()
            await asyncio.sleep(TRY_S)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        handle = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        alone = False
        try:
            with suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                alone = True
            yield alone
        finally:
            os.close(handle)

    async def _serve(self) -> None:
        await self._recover()
        server = await asyncio.start_server(self._met, self._settings.host, self._settings.port, limit=_PIECE)
        self.port = server.sockets[0].getsockname()[1]
        self.listening.set()
        try:
            await self._watch()
        finally:
            self.listening.clear()
            server.close()
            await ended(asyncio.ensure_future(self._end_all()))

    async def _end_all(self) -> None:
        for each in tuple(self._on_air.values()):
            each.end()
        for task in self._connections - {each.task for each in self._on_air.values()}:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._store()
        self._on_air.clear()
        self._takes.clear()

    # --- what is stored, in order, as soon as there is room

    async def _store(self, work: Callable[[Transaction], object] | None = None) -> None:
        if work is not None:
            self._unstored.append(work)
        async with self._storing:
            while self._unstored:
                try:
                    await ended(asyncio.ensure_future(self._database.write(self._unstored[0])))
                except Unavailable as error:
                    if self._seldom.due(error.code):
                        _log.warning("what happens in broadcasts cannot be stored just now: %s", error)
                    return
                except Exception:
                    del self._unstored[0]  # it never can be, and must not keep the others from it
                    raise
                del self._unstored[0]

    def _signal(
        self, name: str, broadcast: BroadcastId | None, kind: Happening, at: datetime | None = None,
        detail: Detail | None = None,
    ) -> Signal:  # fmt: skip
        return Signal(
            id=self._new_id(EVENT), ingest=name, broadcast=broadcast, kind=kind, at=at or self._now(),
            detail=detail or {},
        )  # fmt: skip

    def _tell(self, transaction: Transaction, *said: Signal) -> None:
        for each in said:
            self._signals.tell(transaction, each)
            transaction.run(_SAID_LAST, (text_of(each), each.ingest))

    async def _say(self, *said: Signal) -> None:
        await self._store(lambda transaction: self._tell(transaction, *said))

    # --- connections

    async def _met(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (asyncio started it)
        if len(self._connections) >= CONNECTIONS_MOST:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            await self._talk(reader, writer, task)
        except (Broken, Refusal, TimeoutError, ConnectionError, asyncio.CancelledError) as error:
            if not isinstance(error, Refusal):  # that was said
                _log.info("an encoder's connection ended: %s", error or type(error).__name__)
        except Exception:  # noqa: BLE001  (what one encoder sends is no reason to end for the others)
            _log.exception("an encoder's connection failed")
        finally:
            self._connections.discard(task)
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _talk(self, reader: StreamReader, writer: StreamWriter, task: "asyncio.Task[None]") -> None:
        connection = Connection(secret(HANDSHAKE - 8))
        on_air: _OnAir | None = None
        until = ticks() + GREET_S
        try:
            while True:
                while on_air is not None and on_air.muted:  # noqa: ASYNC110  (until it is wished otherwise)
                    await asyncio.sleep(LOOK_S)
                async with asyncio.timeout(IDLE_S if on_air else until - ticks()):
                    data = await reader.read(_PIECE)
                if not data:
                    return
                for heard in connection.take(data):
                    if isinstance(heard, Publish):
                        on_air = await self._admitted(connection, heard.key, writer, task)
                    elif on_air is None or isinstance(heard, Finished):
                        return
                    elif isinstance(heard, Described):
                        on_air.feed.meter.told(heard.values)
                    else:
                        await self._taken(on_air, heard)
                if replies := connection.replies():
                    writer.write(replies)
                    async with asyncio.timeout(IDLE_S):
                        await writer.drain()
        finally:
            if on_air is not None:
                await ended(asyncio.ensure_future(self._left(on_air)))

    async def _admitted(
        self, connection: Connection, key: str, writer: StreamWriter, task: "asyncio.Task[None]"
    ) -> _OnAir:
        """Raises Refusal, once the encoder was told."""
        try:
            on_air = await self._admit(key, writer, task)
        except Refusal as refusal:
            # Never the key: whoever reads the log may not be one who may broadcast.
            _log.warning("an encoder was refused: %s (stream %s)", refusal, refusal.name or "unknown")
            if refusal.name is not None and self._refused[refusal.name].due(str(refusal)):
                detail = {"reason": str(refusal)}
                await self._say(self._signal(refusal.name, None, Happening.REFUSED, detail=detail))
            connection.refuse(str(refusal))
            writer.write(connection.replies())
            with suppress(TimeoutError):
                async with asyncio.timeout(GREET_S):
                    await writer.drain()
            raise
        connection.accept()
        return on_air

    async def _admit(self, key: str, writer: StreamWriter, task: "asyncio.Task[None]") -> _OnAir:
        row = self._database.row(_BY_DIGEST, (digest(key),))
        if row is None:
            raise Refusal("unknown_key")
        name, stream, current, enabled, record, cut = row
        if not enabled:
            raise Refusal("stream_disabled", name)
        if current is None or not hmac.compare_digest(current.encode(), key.encode()):
            raise Refusal("key_replaced", name)
        before = self._on_air.get(name)
        if before is not None:
            if not before.ending and ticks() - before.heard_at < SILENT_S:
                raise Refusal("already_live", name)
            before.end()
            await before.left.wait()
        if len(self._on_air) >= self._settings.most:
            raise Refusal("too_many_broadcasts", name)
        if self._no_room():
            raise Refusal("insufficient_storage", name)
        if name in self._on_air:  # another one was faster
            raise Refusal("already_live", name)
        on_air = _OnAir(
            name, stream, BroadcastId(f"st-{self._new_id(EVENT).removeprefix('evt_')}"), bool(record), cut, writer, task,
            Feed(self._ffmpeg, lambda: self._opened(on_air), self._now, self._settings.transcoded),
        )  # fmt: skip
        self._on_air[name] = on_air
        await self._say(self._signal(name, on_air.broadcast, Happening.SESSION_CREATED))
        return on_air

    def _no_room(self) -> bool:
        found = os.statvfs(self._media.path_of("l").parent)
        return found.f_bavail * found.f_frsize < ROOM_BYTES

    async def _taken(self, on_air: _OnAir, media: Media) -> None:
        on_air.heard_at = ticks()
        try:
            await on_air.feed.take(media)
        except (Unfit, Unavailable, OSError) as error:
            on_air.failure = _why(error)
            raise Broken(on_air.failure) from error

    async def _opened(self, on_air: _OnAir) -> Shelf:
        """Where what comes now is kept: in the take that goes on, or a new one."""
        now, take = self._now(), self._takes.get(on_air.name)
        if take is not None and (not self._goes_on(take, now) or len(take.broadcasts) >= BROADCASTS_MOST):
            await self._close(take)
            take = None
        if take is None:
            name = f"rec-{on_air.broadcast.removeprefix('st-')}"
            shelf = await self._shelf(on_air.stream, name, recorded=on_air.record)
            take = self._takes[on_air.name] = _Take(
                name, on_air.name, on_air.stream, on_air.record, on_air.cut, shelf, []
            )
        take.broadcasts.append(on_air.broadcast)
        take.over_at, on_air.take = None, take
        row = (
            take.id, take.name, take.stream, int(take.recorded), take.cut, on_air.broadcast, micros(now), text_of(take.broadcasts)
        )  # fmt: skip
        said = [self._signal(on_air.name, on_air.broadcast, Happening.STREAM_START, now)]
        if take.recorded:
            detail = {"recording": take.id, "source": recording_source(take.id)}
            said.append(self._signal(on_air.name, on_air.broadcast, Happening.RECORDING_START, now, detail))

        def work(transaction: Transaction) -> None:
            transaction.run(_BEGIN, row)
            self._tell(transaction, *said)

        await self._store(work)
        on_air.sampled_at = ticks()
        return take.shelf

    async def _shelf(self, stream: str, take: str, *, recorded: bool) -> Shelf:
        folder = self._media.path_of(f"{live_prefix(StreamId(stream))}{take}")
        recording = self._media.recording(take) if recorded else None
        return await asyncio.to_thread(Shelf.open, folder, recording, self._settings.window_s)

    async def _left(self, on_air: _OnAir) -> None:
        """An encoder is gone. Whatever becomes of that, the next one may come."""
        on_air.ending = True
        try:
            try:
                await on_air.feed.end()
            except (Unfit, Unavailable, OSError) as error:
                on_air.failure = on_air.failure or _why(error)
            finally:
                await on_air.feed.abandon()
                await self._parted(on_air)
        finally:
            self._on_air.pop(on_air.name, None)
            on_air.left.set()

    async def _parted(self, on_air: _OnAir) -> None:
        """Its take waits for the next one, unless it was cut off."""
        now, take = self._now(), on_air.take
        said = []
        if on_air.failure is not None:
            _log.warning("a broadcast of %s failed: %s", on_air.name, on_air.failure)
            detail = {"reason": on_air.failure}
            said.append(self._signal(on_air.name, on_air.broadcast, Happening.STREAM_FAILURE, now, detail))
        if take is not None:
            said.append(self._signal(on_air.name, on_air.broadcast, Happening.STREAM_END, now))
            take.over_at = now
        said.append(self._signal(on_air.name, on_air.broadcast, Happening.SESSION_ENDED, now))

        def work(transaction: Transaction) -> None:
            if take is not None:
                transaction.run(_LEAVE, (micros(now), take.id))
            self._tell(transaction, *said)

        await self._store(work)
        if take is not None and not self._goes_on(take, now):
            await self._close(take)

    # --- takes

    def _goes_on(self, take: _Take, now: datetime) -> bool:
        """Whether what comes next belongs to it."""
        if take.closing is not None:
            return False
        standing = self._database.row(_STANDING, (take.name,))
        window = self._database.row(_WINDOW, (take.name,))
        if standing is None or window is None or not standing[0] or standing[1] != take.cut:
            return False
        return take.over_at is None or now <= take.over_at + timedelta(seconds=window[0])

    async def _close(self, take: _Take) -> None:
        """Its recording is whole, whoever is cancelled meanwhile. Its stream has no other take before that is stored."""
        if take.closing is None:
            take.closing = asyncio.create_task(self._closed(take))
            take.closing.add_done_callback(lambda _: self._takes.pop(take.name, None))
        await ended(take.closing)

    async def _closed(self, take: _Take) -> None:
        trouble = None
        try:
            await asyncio.to_thread(take.shelf.close)
        except OSError as error:
            trouble = str(error)
        self._cleared.append((ticks() + CLEAR_AFTER_S, take.shelf))
        playlist, at = take.shelf.main, take.over_at or self._now()
        detail: dict[str, str | int | float | tuple[str, ...]] = {"recording": take.id}
        if take.recorded and playlist.bytes and trouble is None:
            detail |= {"source": recording_source(take.id), "duration_s": round(playlist.end_s, 3)}
            detail["broadcasts"] = tuple(take.broadcasts)
            said = self._signal(take.name, take.broadcasts[-1], Happening.RECORDING_END, at, detail)
        else:
            detail["reason"] = trouble or "nothing came of it"
            said = self._signal(take.name, take.broadcasts[-1], Happening.RECORDING_END_FAILURE, at, detail)
        kept = said.kind is Happening.RECORDING_END

        def work(transaction: Transaction) -> None:
            if kept:
                transaction.run(_SAY, (text_of(said), take.id))
            else:
                transaction.run(_DROP, (take.id,))
            if take.recorded:
                self._tell(transaction, said)

        await self._store(work)
        if take.recorded and not kept:
            await self._media.remove_recording(take.id)

    async def _recover(self) -> None:
        """What was on the air when the last process that listened was killed ended then."""
        name = ""
        while rows := self._database.rows(_OPEN_TAKES, (name,)):
            for row in rows:
                await self._take_up(row)
            name = rows[-1][1]
        await self._tidy()

    async def _take_up(self, row: Row) -> None:
        id_, name, stream, recorded, cut, broadcast, since, over_at, broadcasts = row
        shelf = await self._shelf(stream, id_, recorded=bool(recorded))
        ids = values_of(broadcasts, BroadcastId)
        take = self._takes[name] = _Take(id_, name, stream, bool(recorded), cut, shelf, ids, moment(over_at or since))
        if broadcast is not None:
            last = shelf.main.segments[-1] if shelf.main.segments else None
            take.over_at = last.at + timedelta(seconds=last.seconds) if last else moment(since)
            await self._lost(take, BroadcastId(broadcast))

    async def _lost(self, take: _Take, broadcast: BroadcastId) -> None:
        at = take.over_at or self._now()
        said = [
            self._signal(take.name, broadcast, kind, at) for kind in (Happening.STREAM_END, Happening.SESSION_ENDED)
        ]

        def work(transaction: Transaction) -> None:
            transaction.run(_LEAVE, (micros(at), take.id))
            self._tell(transaction, *said)

        await self._store(work)

    async def _tidy(self) -> None:
        """What was shown of other takes goes, and recordings that nobody knows of."""
        takes = {take.id for take in self._takes.values()}
        recordings = self._media.recording("any").parent.parent
        gone = [
            folder
            for stream in _within(self._media.path_of("l"))
            for folder in _within(stream)
            if folder.name not in takes
        ]
        # Asked here: the connection that reads is of no other thread.
        gone += [each for each in _within(recordings) if self._database.row(_IS_TAKE, (each.name,)) is None]
        for folder in gone:
            await asyncio.to_thread(remove, folder)

    # --- what is looked at again and again

    async def _watch(self) -> None:
        next_tick = next_count = ticks()
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                if (changes := self._database.changes()) != self._seen:
                    self._seen = changes
                    await self._look()
                if ticks() >= next_tick:
                    next_tick = ticks() + TICK_S
                    await self._tick()
                if ticks() >= next_count:
                    next_count = ticks() + COUNTED_S
                    await self._viewers.tell()
            except (Unavailable, OSError) as error:
                if self._seldom.due(repr(error)):
                    _log.warning("looking after broadcasts failed: %s", error)

    async def _look(self) -> None:
        """What other processes want."""
        for on_air in tuple(self._on_air.values()):
            standing = self._database.row(_STANDING, (on_air.name,))
            if standing is None or not standing[0] or standing[1] != on_air.cut:
                on_air.end()
        for take in tuple(self._takes.values()):
            if take.over_at is not None and not self._goes_on(take, self._now()) and self._waits(take):
                await self._close(take)
        wishes = self._database.rows(_WISHES)
        for n, name, kind, at, text in wishes:
            await self._wished(name, kind, Note(f"n{n}", moment(at), text))
        if wishes:
            await self._store(lambda transaction: transaction.run(_DROP_WISHES, (wishes[-1][0],)))

    async def _wished(self, name: str, kind: str, note: Note) -> None:
        take, on_air = self._takes.get(name), self._on_air.get(name)
        if kind == "note" and take is not None:
            await asyncio.to_thread(take.shelf.note, note)
        elif kind == "drop" and on_air is not None:
            on_air.end()
        elif kind == "starve" and on_air is not None:
            on_air.muted = not on_air.muted

    def _waits(self, take: _Take) -> bool:
        """Whether nobody sends to it, or is just leaving it."""
        on_air = self._on_air.get(take.name)
        return on_air is None or on_air.take is not take

    async def _tick(self) -> None:
        await self._store()
        now = self._now()
        for take in tuple(self._takes.values()):
            if take.over_at is not None and self._waits(take) and not self._goes_on(take, now):
                await self._close(take)
        said: list[Signal] = []
        for on_air in tuple(self._on_air.values()):
            if on_air.take is None and ticks() - on_air.created_at > START_S:
                on_air.end()
            if on_air.take is not None and not on_air.ending:
                said += self._measured(on_air)
        if said:
            await self._say(*said)
        while self._cleared and self._cleared[0][0] < ticks():
            _, shelf = self._cleared.pop(0)
            await asyncio.to_thread(shelf.clear)

    def _measured(self, on_air: _OnAir) -> Iterator[Signal]:
        present, meter = ticks(), on_air.feed.meter
        arrived = on_air.arrived
        if meter.at_ms is not None:
            if arrived and jumped(arrived[-1][1], meter.at_ms):
                arrived.clear()
            arrived.append((present, meter.at_ms))
        while len(arrived) > 1 and arrived[1][0] <= present - SILENT_S:
            arrived.pop(0)
        if arrived and arrived[0][0] <= present - SILENT_S:
            share = (arrived[-1][1] - arrived[0][1]) / 1000 / (arrived[-1][0] - arrived[0][0])
            if share < STARVED if not on_air.starving else share > FED:
                on_air.starving = not on_air.starving
                kind = Happening.STARVATION_START if on_air.starving else Happening.STARVATION_END
                yield self._signal(on_air.name, on_air.broadcast, kind)
        apart = meter.apart_s
        if apart is not None and apart > KEYFRAMES_END_S:
            on_air.failure = f"there was no key frame for {apart:.0f} s"
            on_air.end()
        if present - on_air.sampled_at >= SAMPLE_S:
            yield from self._sampled(on_air, present)

    def _sampled(self, on_air: _OnAir, present: float) -> Iterator[Signal]:
        found: dict[str, str | int | float] = dict(on_air.feed.meter.restart(present - on_air.sampled_at))
        on_air.sampled_at = present
        found["viewers"] = self._viewers.count(on_air.stream)
        breaches = dict(_breaches(found))
        if breaches:
            found["breach"] = ", ".join(breaches.values())
        for name in breaches.keys() - on_air.breaches:
            detail = {"limit": name, "breach": breaches[name]}
            yield self._signal(on_air.name, on_air.broadcast, Happening.LIMIT_BREACH, detail=detail)
        on_air.breaches = set(breaches)
        yield self._signal(on_air.name, on_air.broadcast, Happening.HEALTH, detail=found)


def _within(folder: Path) -> Sequence[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _why(error: Exception) -> str:
    return error.code if isinstance(error, Unavailable) else str(error)


def _breaches(found: "dict[str, str | int | float]") -> Iterator[tuple[str, str]]:
    bitrate = found.get("bitrate_bps")
    if isinstance(bitrate, int) and bitrate > BITRATE_MOST:
        yield "bitrate", f"{bitrate / 1e6:.0f} Mb/s of {BITRATE_MOST / 1e6:.0f}"
