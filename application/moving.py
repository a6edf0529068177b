"""Moving house: what of a record must change when it comes to another place, and what must be told there."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

from attrs import evolve, has

from application.ports import Account, Box, Event, Pepper, Reacted, Record, Views, Waiting
from domain.broadcasts import Session, SessionEvent, Timeline
from domain.channels import Channel, ChannelEdited
from domain.chat import Ban, Message
from domain.engagement import Comment, Subscription
from domain.identity import User
from domain.ids import UserId
from domain.notifications import Notification
from domain.processing import Processing, ProcessingMoved, TranscodeRequested
from domain.streams import Stream
from domain.uploads import Upload
from domain.videos import Video
from domain.watching import PlaybackSession, Viewing, Watched

T = TypeVar("T")


def arriving(record: Record, now: datetime) -> tuple[Record, tuple[Event, ...]]:
    """The record as it is kept in the new place, and the events that let things go on there.

    Search is indexed anew, channel by channel. A transcode that was not done is asked for again. A stream's
    next broadcast comes by another ingest; whoever asks that one after the last finds that it was lost.
    """
    if isinstance(record, Channel):
        return record, (ChannelEdited(record.id, now),)
    if isinstance(record, Processing) and not record.done:
        moved = record.moved(now)
        asked = TranscodeRequested(moved.video, moved.attempt, now)
        if moved == record:
            return record, (asked,)
        moved = evolve(moved, version=record.version + 1)
        return moved, (asked, ProcessingMoved(moved.video, moved.attempt, now))
    if isinstance(record, Stream) and record.ingest:
        return evolve(record, ingest="", session=None, live_since=None, version=record.version + 1), ()
    return record, ()


def renamed(value: T, users: Mapping[UserId, UserId]) -> T:
    """The record, or what is in it, with other ids of users wherever it says one of these."""
    kind: Any = type(value)
    changes = {name: _renamed(getattr(value, name), users) for name in _about_users(kind)}
    return evolve(value, **changes)  # type: ignore[misc]  # all that has such fields is of attrs


def _renamed(value: Any, users: Mapping[UserId, UserId]) -> Any:
    if isinstance(value, Mapping):
        return {users.get(user, user): rest for user, rest in value.items()}
    return renamed(value, users) if has(type(value)) else users.get(value, value)


@cache
def _about_users(kind: type[Any]) -> Sequence[str]:
    """The fields that say users, or hold what does."""
    return [name for name, hint in get_type_hints(kind).items() if _says_users(hint)] if has(kind) else []


def _says_users(hint: Any) -> bool:
    return (
        hint is UserId or any(map(_says_users, get_args(hint))) or (isinstance(hint, type) and bool(_about_users(hint)))
    )


_NAMES: Mapping[type[Any], Sequence[tuple[str, ...]]] = {
    Pepper: [()],
    User: [("id",), ("handle",)],
    Account: [("user",), ("email",)],
    Channel: [("id",), ("handle",)],
    Video: [("id",)],
    Upload: [("id",)],
    Processing: [("video",)],
    Comment: [("id",)],
    Reacted: [("subject", "user")],
    Subscription: [("user", "channel")],
    PlaybackSession: [("id",)],
    Watched: [("user", "video")],
    Views: [("video",)],
    Viewing: [("subject", "day")],
    Box: [("user",)],
    Notification: [("user", "id")],
    Waiting: [("id",)],
    Stream: [("id",)],
    Timeline: [("stream",)],
    Session: [("id",)],
    SessionEvent: [("stream", "at", "id")],
    Message: [("stream", "id")],
    Ban: [("stream", "user")],
}


def names(record: Record) -> Sequence[tuple[str, ...]]:
    """What no two records of a place may share."""
    kind = type(record)
    named = [
        (kind.__name__, *fields, *(str(getattr(record, field)) for field in fields)) for fields in _NAMES[kind]
    ]  # fmt: skip
    if isinstance(record, Comment) and record.pinned:
        named.append(("Comment", "pinned", record.video))
    return named
