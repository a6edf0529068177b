"""Moving what the database holds in and out, in pieces: neither needs more memory for more records."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from itertools import islice
from typing import Any, cast

import apsw
from attrs import evolve, frozen

from adapters.local.columns import TABLES, Table, members
from adapters.local.counters import recount
from adapters.local.database import Database, Row, Transaction, micros, moment
from adapters.local.outbox import SqliteOutbox
from adapters.local.settings import PEPPER
from adapters.rows import event_of, kind_of, read_once, text_of
from application.moving import arriving
from application.ports import Account, Box, Now, Pepper, Reacted, Record, Views, Waiting
from domain.channels import Channel
from domain.chat import Ban, Message
from domain.engagement import Comment, Notify, Reaction, Subscription
from domain.errors import Conflict, Invalid
from domain.ids import ChannelId, EventId, UserId, VideoId
from domain.notifications import Notification, Settings
from domain.watching import Viewing, Watched

PIECE = 500
"""Records that are read or written at once."""


@frozen
class _Reading:
    """A statement, and what its rows are."""

    statement: str
    record: Callable[[Row], Record]


def _documents(table: Table) -> _Reading:
    return _Reading(f"SELECT doc FROM {table.name}", lambda row: cast("Record", read_once(row[0], table.kind)))


def _event(row: Row) -> Waiting:
    id_, kind, doc, attempts, held_until, reason = row
    again_at = None if held_until is None else moment(held_until)
    try:
        event = event_of(kind, doc)
    except ValueError as error:
        raise Invalid(f"event {id_} cannot be read: {error}", code="unreadable_record") from error
    return Waiting(id=EventId(id_), event=event, attempts=attempts, again_at=again_at, reason=reason)


# Not declared with ``sql``: each reads the whole of its table.
_READINGS = (
    _Reading(
        f"SELECT value FROM setting WHERE name = '{PEPPER}' AND EXISTS (SELECT 1 FROM account)",
        lambda row: Pepper(bytes.fromhex(row[0])),
    ),
    _Reading("SELECT doc FROM account ORDER BY n", lambda row: read_once(row[0], Account)),
    *(_documents(table) for table in TABLES.values() if table.kind is not Notification),
    _Reading(
        "SELECT subject, user, reaction FROM reaction",
        lambda row: Reacted(row[0], UserId(row[1]), Reaction(row[2])),
    ),
    _Reading(
        "SELECT user, channel, notify, since FROM subscription",
        lambda row: Subscription(UserId(row[0]), ChannelId(row[1]), Notify(row[2]), moment(row[3])),
    ),
    _Reading("SELECT video, count FROM view_count", lambda row: Views(VideoId(row[0]), row[1])),
    _Reading(
        "SELECT subject, day, views, watched_ms FROM viewing",
        lambda row: Viewing(VideoId(row[0]), date.fromisoformat(row[1]), row[2], row[3]),
    ),
    _Reading(
        "SELECT user, video, position_s, at FROM watched",
        lambda row: Watched(user=UserId(row[0]), video=VideoId(row[1]), position_s=row[2], at=moment(row[3])),
    ),
    _Reading(
        "SELECT user, mark, settings FROM inbox WHERE mark <> '' OR settings IS NOT NULL",
        lambda row: Box(UserId(row[0]), row[1], None if row[2] is None else read_once(row[2], Settings)),
    ),
    _Reading(
        "SELECT notification.doc, notification.read OR notification.id <= ifnull(inbox.mark, '')"
        " FROM notification LEFT JOIN inbox ON inbox.user = notification.user",
        lambda row: evolve(read_once(row[0], Notification), read=bool(row[1])),
    ),
    _Reading("SELECT doc FROM chat_message", lambda row: read_once(row[0], Message)),
    _Reading("SELECT doc FROM chat_ban", lambda row: read_once(row[0], Ban)),
    _Reading("SELECT id, kind, doc, attempts, held_until, reason FROM event ORDER BY n", _event),
)  # fmt: skip
_FULL = tuple(
    f"SELECT 1 FROM {table} LIMIT 1"
    for table in (
        "account", "user", "channel", "video", "upload", "processing", "comment", "reaction", "subscription",
        "session", "view_count", "viewing", "watched", "inbox", "notification", "event", "stream", "timeline", "stream_session",
        "happening", "chat_message", "chat_ban",
    )
)  # fmt: skip

# As schema 2 does: events went when they were delivered, and notifications are named after them.
_NEWEST = (
    "INSERT INTO newest SELECT 'event', 'evt_' || substr(max(id), 5) FROM notification WHERE length(id) = 30"
    " HAVING count(*) ON CONFLICT (kind) DO UPDATE SET id = max(id, excluded.id)"
)


def _finish(transaction: Transaction) -> None:
    recount(transaction)
    transaction.run(_NEWEST)


class SqliteArchive:
    """A dump reads one snapshot. A load writes piece by piece, and counts at the end."""

    def __init__(self, database: Database, outbox: SqliteOutbox, now: Now) -> None:
        self._database = database
        self._outbox = outbox
        self._now = now

    async def dump(self) -> AsyncIterator[Record]:
        with ExitStack() as stack:
            connection = await asyncio.to_thread(stack.enter_context, self._database.reading())
            for reading in _READINGS:
                rows = connection.execute(reading.statement)
                while piece := await asyncio.to_thread(_piece, rows, reading):
                    for record in piece:
                        yield record

    async def load(self, records: AsyncIterator[Record]) -> int:
        await self._database.write(_require_empty)
        count = 0
        piece: list[Record] = []
        async for record in records:
            piece.append(record)
            if len(piece) == PIECE:
                count += await self._store(piece)
                piece = []
        count += await self._store(piece)
        await self._database.write(_finish)
        return count

    async def _store(self, piece: Sequence[Record]) -> int:
        now = self._now()

        def work(transaction: Transaction) -> int:
            for record in piece:
                arrived, events = arriving(record, now)
                try:
                    _insert(transaction, arrived)
                except apsw.ConstraintError as error:
                    message = f"two records of the same name: {error}"
                    raise Conflict(message, code="inconsistent_archive") from error
                self._outbox.append(transaction, events)
            transaction.then(self._outbox.wake)
            return len(piece)

        return await self._database.write(work)


def _piece(rows: Iterator[Any], reading: _Reading) -> list[Record]:
    return [reading.record(row) for row in islice(rows, PIECE)]


def _require_empty(transaction: Transaction) -> None:
    if any(transaction.row(statement) is not None for statement in _FULL):
        raise Conflict("something is kept here already", code="not_empty")


def _insert(transaction: Transaction, record: Record) -> None:
    match record:
        case Channel():
            ((n,),) = transaction.rows(f"{TABLES[Channel].insert} RETURNING n", _row(record))
            rows = [(*row, n) for row in members(record)]
            transaction.many("INSERT INTO member (user, created_at, id, channel) VALUES (?, ?, ?, ?)", rows)
        case Comment():  # where it stands is seen when all are there
            statement = (
                "INSERT INTO comment (id, version, video, channel, author, parent, status, pinned, doc, placed)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
            )
            transaction.run(statement, _row(record))
        case Notification():
            mark = transaction.row("SELECT mark FROM inbox WHERE user = ?", (record.user,))
            beyond = record.read and record.id > (mark[0] if mark else "")
            unread = text_of(evolve(record, read=False))
            statement = "INSERT INTO notification (user, id, read, doc) VALUES (?, ?, ?, ?)"
            transaction.run(statement, (record.user, record.id, int(beyond), unread))
        case _ if type(record) in TABLES:
            transaction.run(TABLES[type(record)].insert, _row(record))
        case _:
            _insert_line(transaction, record)


def _row(record: Record) -> Sequence[Any]:
    return (*TABLES[type(record)].place(record), text_of(record))


def _insert_line(transaction: Transaction, record: Record) -> None:  # noqa: C901  (one case a kind)
    """What is no document, but a line of plain columns."""
    match record:
        case Pepper():
            transaction.run("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", (PEPPER, record.key.hex()))
        case Account():
            until = None if record.waits_until is None else micros(record.waits_until)
            statement = "INSERT INTO account (user, email, code_until, doc) VALUES (?, ?, ?, ?)"
            transaction.run(statement, (record.user, record.email, until, text_of(record)))
        case Reacted():
            statement = "INSERT INTO reaction (subject, user, reaction) VALUES (?, ?, ?)"
            transaction.run(statement, (record.subject, record.user, record.reaction.value))
        case Subscription():
            statement = "INSERT INTO subscription (user, channel, notify, since) VALUES (?, ?, ?, ?)"
            transaction.run(statement, (record.user, record.channel, record.notify.value, micros(record.since)))
        case Views():
            transaction.run("INSERT INTO view_count (video, count) VALUES (?, ?)", (record.video, record.count))
        case Viewing():
            statement = "INSERT INTO viewing (subject, day, views, watched_ms) VALUES (?, ?, ?, ?)"
            day = record.day.isoformat()
            transaction.run(statement, (record.subject, day, record.views, record.watched_ms))
        case Watched():
            statement = "INSERT INTO watched (user, video, position_s, at) VALUES (?, ?, ?, ?)"
            transaction.run(statement, (record.user, record.video, record.position_s, micros(record.at)))
        case Box():
            settings = None if record.settings is None else text_of(record.settings)
            statement = "INSERT INTO inbox (user, mark, settings) VALUES (?, ?, ?)"
            transaction.run(statement, (record.user, record.mark, settings))
        case Message():
            statement = "INSERT INTO chat_message (stream, at, id, doc) VALUES (?, ?, ?, ?)"
            transaction.run(statement, (record.stream, micros(record.at), record.id, text_of(record)))
        case Ban():
            statement = "INSERT INTO chat_ban (stream, user, doc) VALUES (?, ?, ?)"
            transaction.run(statement, (record.stream, record.user, text_of(record)))
        case Waiting():
            held = None if record.again_at is None or record.reason else micros(record.again_at)
            row = (record.id, kind_of(record.event), text_of(record.event), record.attempts, held, record.reason)
            statement = "INSERT INTO event (id, kind, doc, attempts, held_until, reason) VALUES (?, ?, ?, ?, ?, ?)"
            transaction.run(statement, row)
