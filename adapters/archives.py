"""An archive as text: a line of JSON for each record, so that it can be made, read and searched in pieces.

The first line says what this is, the last how many records there were: one that breaks off is told from a whole one.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec
from attrs import frozen

from adapters.rows import event_of, kind_of, read_once, text_of
from application.ports import Account, Box, Pepper, Reacted, Record, Views, Waiting
from domain.broadcasts import Session, SessionEvent, Timeline
from domain.channels import Channel
from domain.chat import Ban, Message
from domain.engagement import Comment, Subscription
from domain.errors import Invalid
from domain.identity import User
from domain.ids import EventId
from domain.notifications import Notification
from domain.processing import Processing
from domain.streams import Stream
from domain.uploads import Upload
from domain.videos import Video
from domain.watching import PlaybackSession, Viewing, Watched

FORMAT, VERSION = "hexcast-archive", 1
KINDS: Mapping[str, type[Record]] = {
    "pepper": Pepper,
    "account": Account,
    "user": User,
    "channel": Channel,
    "video": Video,
    "upload": Upload,
    "processing": Processing,
    "comment": Comment,
    "reaction": Reacted,
    "subscription": Subscription,
    "session": PlaybackSession,
    "watched": Watched,
    "views": Views,
    "viewing": Viewing,
    "inbox": Box,
    "notification": Notification,
    "event": Waiting,
    "stream": Stream,
    "timeline": Timeline,
    "broadcast": Session,
    "happening": SessionEvent,
    "message": Message,
    "ban": Ban,
}
"""Every kind of record by the name that lines have for it."""
_NAMES = {kind: name for name, kind in KINDS.items()}


@frozen
class _Head:
    format: str
    version: int


@frozen
class _Line:
    kind: str
    value: msgspec.Raw


@frozen
class _End:
    records: int


@frozen(kw_only=True)
class _Event:
    """A waiting event with the name of its kind, which the event itself does not say."""

    id: str
    kind: str
    event: msgspec.Raw
    attempts: int
    again_at: datetime | None
    reason: str | None


def line_of(record: Record) -> bytes:
    """Without the line's end."""
    value: object = record
    if isinstance(record, Waiting):
        value = _Event(
            id=record.id, kind=kind_of(record.event), event=msgspec.Raw(text_of(record.event).encode()),
            attempts=record.attempts, again_at=record.again_at, reason=record.reason,
        )  # fmt: skip
    return _line(_NAMES[type(record)], value)


async def written(records: AsyncIterable[Record]) -> AsyncIterator[bytes]:
    """The lines of an archive, with their ends."""
    yield _whole(_Head(FORMAT, VERSION))
    count = 0
    async for record in records:
        yield line_of(record) + b"\n"
        count += 1
    yield _line("end", _End(count)) + b"\n"


def read(lines: Iterable[bytes]) -> Iterator[Record]:
    """The records of an archive. Raises Invalid, naming the line: ``archive_unreadable`` for what is none, or not all
    of one, ``archive_newer`` for one that a later version wrote.
    """
    numbered = enumerate(lines, 1)
    _check_head(next(numbered, (1, b""))[1])
    count = 0
    for number, text in numbered:
        try:
            line = read_once(text, _Line)
            if line.kind == "end":
                _check_end(number, count, read_once(bytes(line.value), _End), next(numbered, None))
                return
            record = _record(line)
        except KeyError as error:
            message = f"line {number}: this version knows no {error}; a later one may have written it"
            raise Invalid(message, code="archive_newer") from None
        except Invalid as error:
            message = str(error) if error.code == "archive_unreadable" else f"line {number}: {error}"
            raise Invalid(message, code="archive_unreadable") from None
        except ValueError as error:
            raise Invalid(f"line {number}: {error}", code="archive_unreadable") from None
        count += 1
        yield record
    raise Invalid(f"it breaks off after line {count + 1}", code="archive_unreadable")


def _check_head(text: bytes) -> None:
    try:
        head = read_once(text, _Head)
    except ValueError:
        head = _Head("", 0)
    if head.format != FORMAT:
        raise Invalid("line 1: this is no archive of Hexcast", code="archive_unreadable")
    if head.version > VERSION:
        message = f"line 1: a later version of Hexcast wrote this (format {head.version}, this knows {VERSION})"
        raise Invalid(message, code="archive_newer")


def _check_end(number: int, count: int, end: _End, beyond: object) -> None:
    if end.records != count:
        message = f"line {number}: there were {end.records} records, and here are {count}"
        raise Invalid(message, code="archive_unreadable")
    if beyond is not None:
        raise Invalid(f"line {number + 1}: something follows the end", code="archive_unreadable")


def _record(line: _Line) -> Record:
    """Raises KeyError for a kind that is not known, ValueError for what is none of its kind."""
    kind: Any = KINDS[line.kind]
    if kind is not Waiting:
        record: Record = read_once(bytes(line.value), kind)
        return record
    value = read_once(bytes(line.value), _Event)
    event = event_of(value.kind, bytes(value.event).decode())
    return Waiting(
        id=EventId(value.id), event=event, attempts=value.attempts, again_at=value.again_at, reason=value.reason
    )


def _line(kind: str, value: object) -> bytes:
    return text_of(_Line(kind, msgspec.Raw(text_of(value).encode()))).encode()


def _whole(value: object) -> bytes:
    return text_of(value).encode() + b"\n"
