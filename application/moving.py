"""Moving house: what of a record must change when it comes to another place, and what must be told there."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve

from application.ports import Account, Box, Event, Pepper, Reacted, Record, Views, Waiting
from domain.broadcasts import Session, SessionEvent, Timeline
from domain.channels import Channel, ChannelEdited
from domain.engagement import Comment, Subscription
from domain.identity import User
from domain.notifications import Notification
from domain.processing import Processing, ProcessingMoved, TranscodeRequested
from domain.streams import Stream
from domain.uploads import Upload
from domain.videos import Video
from domain.watching import PlaybackSession, Watched


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
    Box: [("user",)],
    Notification: [("user", "id")],
    Waiting: [("id",)],
    Stream: [("id",)],
    Timeline: [("stream",)],
    Session: [("id",)],
    SessionEvent: [("stream", "at", "id")],
}


def names(record: Record) -> Sequence[tuple[str, ...]]:
    """What no two records of a place may share."""
    kind = type(record)
    named = [
        (kind.__name__, *fields, *(getattr(record, field) for field in fields)) for fields in _NAMES[kind]
    ]  # fmt: skip
    if isinstance(record, Comment) and record.pinned:
        named.append(("Comment", "pinned", record.video))
    return named
