"""The ingest of one machine, as any of its processes asks it: rows of the file, which ``station`` watches.

A stream's key is kept as it is, since its owner may ask for it again, in the file that also holds what signs all links
and that nobody else on the machine may read. It is found by its digest, so that how long that takes says nothing of it.
Of keys that were replaced only the digest stays, to tell whose encoder still uses one.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from attrs import define, field, frozen

from adapters.links import Links
from adapters.local.database import Database, Row, Transaction, micros, moment, sql
from adapters.local.disk import DiskMedia
from adapters.local.feed import INDEX, MASTER
from adapters.rows import value_of
from adapters.system import secret, ticks
from application.ports import Link, LinkMode, Now, Sighting, Signal
from domain.broadcasts import Happening
from domain.errors import Conflict, Unavailable
from domain.ids import BroadcastId, RecordingId, StreamId, UserId
from domain.streams import LIFE_LONGEST, IngestPoint, Stream, live_prefix
from domain.videos import Audience
from domain.watching import NAMES_MOST, Grant, Viewer

KEYS_REMEMBERED = 10
"""Of one stream."""
LOOK_S = 0.05
"""How soon is seen what another process wants."""
CUT_S = 15.0
"""How long it may take till what is broadcast has ended."""
WATCHED_S = 15.0
"""Whoever fetched a playlist so lately is watching."""
COUNTED_S = 5.0
_ADDRESSES_MOST = 10_000
_STREAMS_MOST = 1000


@frozen(kw_only=True)
class RtmpSettings:
    """Where encoders are listened to (``port`` None: nowhere, 0: where there is room) and how they are told to get there;
    how many may send at once, how much of each is shown, and whether it is shown in other sizes, too.
    """

    host: str = "127.0.0.1"
    port: int | None = 0
    url: str = ""
    most: int = 50
    window_s: float = 120.0
    transcoded: bool = False


NOWHERE = RtmpSettings(port=None)


@define(eq=False)
class Viewers:
    """Who fetches which live playlist, as far as this process serves it; bounded, whoever asks."""

    database: Database
    now: Now
    process: str = field(factory=lambda: secret(12).hex())
    _seen: dict[str, dict[int, dict[int, float]]] = field(factory=dict)
    """Of each stream and address: when each name was last heard."""
    _told: set[str] = field(factory=set)

    def fetched(self, stream: str, viewer: Viewer) -> None:
        if stream not in self._seen and len(self._seen) >= _STREAMS_MOST:
            return
        addresses = self._seen.setdefault(stream, {})
        address, name = hash(viewer.address), hash(viewer.name)
        if address not in addresses and len(addresses) >= _ADDRESSES_MOST:
            return
        names = addresses.setdefault(address, {})
        if name in names or len(names) < NAMES_MOST:
            names[name] = ticks()

    async def tell(self) -> None:
        """Let the other processes know, if it changed."""
        since = ticks() - WATCHED_S
        for stream, addresses in list(self._seen.items()):
            recent = {
                address: {name: at for name, at in names.items() if at > since} for address, names in addresses.items()
            }
            self._seen[stream] = {address: names for address, names in recent.items() if names}
        self._seen = {stream: addresses for stream, addresses in self._seen.items() if addresses}
        counts = dict.fromkeys(self._told, 0) | {
            stream: sum(map(len, addresses.values())) for stream, addresses in self._seen.items()
        }
        if not counts:
            return
        at = self.now()
        rows = [(stream, self.process, count, micros(at)) for stream, count in counts.items()]

        def work(transaction: Transaction) -> None:
            transaction.run(_FORGET_COUNTS, (micros(at - timedelta(seconds=3 * COUNTED_S)),))
            transaction.many(_COUNT, rows)

        await self.database.write(work)
        self._told = {stream for stream, count in counts.items() if count}

    def count(self, stream: str) -> int:
        """In all processes."""
        ((count,),) = self.database.rows(_WATCHING, (stream,))
        return int(count or 0)


_COUNT = sql(
    "INSERT INTO viewers (stream, process, count, at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (stream, process) DO UPDATE SET count = excluded.count, at = excluded.at"
)
_FORGET_COUNTS = sql("DELETE FROM viewers WHERE at < ?")
_WATCHING = sql("SELECT sum(count) FROM viewers WHERE stream = ?")

_KNOWN = sql("SELECT enabled FROM ingest WHERE name = ?")
_OPEN = sql("INSERT INTO ingest (name, stream, enabled, record, window_s) VALUES (?, ?, ?, ?, ?)")
_CONFIGURE = sql("UPDATE ingest SET enabled = ?, record = ?, window_s = ? WHERE name = ?")
_CUT = sql("UPDATE ingest SET cut = cut + 1 WHERE name = ?")
_CLOSE = sql("DELETE FROM ingest WHERE name = ?")
_KEY = sql("SELECT key, enabled FROM ingest_key JOIN ingest USING (name) WHERE name = ? ORDER BY n DESC LIMIT 1")
_NEWEST_KEY = sql("SELECT max(n) FROM ingest_key WHERE name = ?")
_REPLACE_KEYS = sql("UPDATE ingest_key SET key = NULL WHERE name = ?")
_FORGET_KEYS = sql("DELETE FROM ingest_key WHERE name = ? AND n <= ?")
_ADD_KEY = sql("INSERT INTO ingest_key (digest, name, n, key) VALUES (?, ?, ?, ?)")
_TAKE = sql("SELECT id, broadcast FROM take WHERE name = ? AND said IS NULL")
_LIVE = sql(
    "SELECT name, stream, broadcast, since FROM take WHERE said IS NULL AND broadcast IS NOT NULL ORDER BY name LIMIT 1000"
)
_SAID = sql("SELECT said, broadcast FROM take WHERE id = ?")
_FORGET_TAKE = sql("DELETE FROM take WHERE id = ?")
_WISH = sql("INSERT INTO wish (name, kind, at, text) VALUES (?, ?, ?, ?)")


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def recording_source(recording: str) -> str:
    return f"recordings/{recording}/source"


class SqliteIngest:
    """Its name for a stream is the stream's id, unless the stream comes with another one, as from an archive: with that it
    is made ready when it is first asked for.
    """

    def __init__(
        self, database: Database, media: DiskMedia, links: Links, viewers: Viewers, now: Now, *, settings: RtmpSettings,
        new_key: Callable[[], bytes] = secret,
    ) -> None:  # fmt: skip
        self._database = database
        self._media = media
        self._links = links
        self._viewers = viewers
        self._now = now
        self._settings = settings
        self._new_key = new_key

    async def open(self, stream: Stream) -> str:
        await self._database.write(lambda transaction: self._make_ready(transaction, stream))
        return stream.ingest or stream.id

    async def configure(self, stream: Stream) -> None:
        name = stream.ingest

        def work(transaction: Transaction) -> None:
            self._make_ready(transaction, stream)
            known = transaction.row(_KNOWN, (name,))
            transaction.run(_CONFIGURE, (int(stream.enabled), int(stream.record), stream.reconnect_window_s, name))
            if known is not None and bool(known[0]) != stream.enabled:
                self._another_key(transaction, name)
                transaction.run(_CUT, (name,))

        await self._database.write(work)

    async def point(self, stream: Stream) -> IngestPoint:
        if self._database.row(_KEY, (stream.ingest,)) is None:
            await self.open(stream)
        ((key, enabled),) = self._database.rows(_KEY, (stream.ingest,))
        if not enabled:
            raise Conflict("this stream is disabled; enable it first", code="stream_disabled")
        return IngestPoint(self._settings.url, key)

    async def rotate(self, stream: Stream) -> IngestPoint:
        def work(transaction: Transaction) -> None:
            self._make_ready(transaction, stream)
            self._another_key(transaction, stream.ingest)
            transaction.run(_CUT, (stream.ingest,))

        await self._database.write(work)
        await self.ended(stream.ingest)
        return await self.point(stream)

    async def stop(self, stream: Stream) -> bool:
        def work(transaction: Transaction) -> Row | None:
            transaction.run(_CUT, (stream.ingest,))
            return transaction.row(_TAKE, (stream.ingest,))

        take = await self._database.write(work)
        await self.ended(stream.ingest)
        return take is not None and take[1] is not None

    async def close(self, stream: StreamId, ingest: str) -> None:
        await self._database.write(lambda transaction: transaction.run(_CLOSE, (ingest,)))
        await self.ended(ingest)
        await self._media.remove_prefix(live_prefix(stream))

    async def live(self) -> Sequence[Sighting]:
        return [
            Sighting(
                ingest=name, broadcast=BroadcastId(broadcast), started_at=moment(since),
                viewers=self._viewers.count(stream),
            )
            for name, stream, broadcast, since in self._database.rows(_LIVE)
        ]  # fmt: skip

    async def recorded(self, ingest: str, recording: RecordingId, source: str) -> Signal | None:
        """One that waits for its encoder in vain is ended, so that the next question has an answer."""
        del source
        row = self._database.row(_SAID, (recording,))
        if row is None:
            return Signal(
                id=f"lost-{recording}", ingest=ingest, broadcast=None, kind=Happening.RECORDING_END_FAILURE,
                at=self._now(), detail={"recording": recording, "reason": "nothing is known of it"},
            )  # fmt: skip
        if row[0] is not None:
            return value_of(row[0], Signal)
        if row[1] is None:
            await self._database.write(lambda transaction: transaction.run(_CUT, (ingest,)))
        return None

    async def playback(self, stream: Stream, audience: Audience, viewer: UserId | None, until: datetime) -> Link:
        """Whoever began to watch with a link that is granted goes on with it, as long as a broadcast may last."""
        del viewer
        take = self._database.row(_TAKE, (stream.ingest,))
        if take is None:
            raise Conflict("nothing is being broadcast", code="not_live")
        folder = f"{live_prefix(stream.id)}{take[0]}/"
        key = folder + (MASTER if self._media.path_of(folder + MASTER).is_file() else INDEX)
        if stream.admits(Audience.ANYONE):
            return Link(self._links.open(key), LinkMode.PUBLIC)
        grant = Grant(stream.id, audience, until + LIFE_LONGEST)
        return Link(self._links.granted(grant, key), LinkMode.TOKEN)

    async def revoke(self, stream: Stream, viewer: UserId) -> None:
        """Links are looked at whenever they are used, so nothing is left to end."""

    def watched(self, stream: StreamId, viewer: Viewer) -> None:
        self._viewers.fetched(stream, viewer)

    async def annotate(self, stream: Stream, text: str) -> None:
        await self.wish(stream.ingest, "note", text)

    async def wish(self, name: str, kind: str, text: str = "") -> None:
        """Of whoever takes what is broadcast: to ``note`` a text for the players, or, as if the encoder's network did it,
        to ``drop`` it or hear nothing of it till the next time (``starve``). Raises Conflict (``not_live``).
        """
        at = micros(self._now())

        def work(transaction: Transaction) -> None:
            take = transaction.row(_TAKE, (name,))
            if take is None or take[1] is None:
                raise Conflict("nothing is being broadcast", code="not_live")
            transaction.run(_WISH, (name, kind, at, text))

        await self._database.write(work)

    async def discard(self, source: str) -> None:
        top, _, rest = source.partition("/")
        recording = rest.partition("/")[0]
        if top == "recordings" and source == recording_source(recording):
            await self._media.remove_recording(recording)
            await self._database.write(lambda transaction: transaction.run(_FORGET_TAKE, (recording,)))

    def _make_ready(self, transaction: Transaction, stream: Stream) -> None:
        name = stream.ingest or stream.id
        if transaction.row(_KNOWN, (name,)) is None:
            settings = int(stream.enabled), int(stream.record), stream.reconnect_window_s
            transaction.run(_OPEN, (name, stream.id, *settings))
            self._another_key(transaction, name)

    def _another_key(self, transaction: Transaction, name: str) -> None:
        key = f"live_{self._new_key().hex()}"
        ((newest,),) = transaction.rows(_NEWEST_KEY, (name,))
        number = (newest or 0) + 1
        transaction.run(_REPLACE_KEYS, (name,))
        transaction.run(_FORGET_KEYS, (name, number - KEYS_REMEMBERED))
        transaction.run(_ADD_KEY, (digest(key), name, number, key))

    async def ended(self, name: str) -> None:
        """Returns when what was broadcast has ended, in whichever process, with its take. Raises Unavailable if it does
        not.
        """
        until = ticks() + CUT_S
        row = self._database.row(_TAKE, (name,))
        while row is not None and row[1] is not None and (now := self._database.row(_TAKE, (name,))) is not None:
            if now[0] != row[0]:
                return
            if ticks() > until:
                raise Unavailable("what is broadcast has not ended yet", code="ingest_busy")
            await asyncio.sleep(LOOK_S)
