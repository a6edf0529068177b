"""What stands beside each document in its row, for what writes and checks rows of every kind.

A repository knows its own table; here is the same of all of them. Should the two ever differ, the audit finds it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from adapters.local.database import Values, micros
from domain.broadcasts import Session, SessionEvent, Timeline
from domain.channels import Channel
from domain.engagement import Comment
from domain.identity import User
from domain.notifications import Notification
from domain.processing import Processing
from domain.streams import Stream
from domain.uploads import OPEN, Upload
from domain.videos import Video
from domain.watching import PlaybackSession


@frozen
class Table:
    """``place`` gives a value's ``columns``; the first names the value."""

    name: str
    kind: type[Any]
    columns: tuple[str, ...]
    place: Callable[[Any], Values]

    @property
    def insert(self) -> str:
        names = (*self.columns, "doc")
        return f"INSERT INTO {self.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"

    @property
    def select(self) -> str:
        return f"SELECT {', '.join(self.columns)}, doc FROM {self.name}"


def listed_at(video: Video) -> int | None:
    """Where it stands in lists, if they show it."""
    return micros(video.published_at) if video.listable and video.published_at else None


def _video(video: Video) -> Values:
    publish_at = micros(video.publish_at) if video.publish_at else None
    return video.id, video.version, video.channel, micros(video.created_at), publish_at, listed_at(video)


def _upload(upload: Upload) -> Values:
    expires_at = micros(upload.expires_at) if upload.status in OPEN else None
    used = upload.size_bytes if upload.counts else 0
    return upload.id, upload.version, upload.user, upload.video, micros(upload.created_at), expires_at, used


def _processing(processing: Processing) -> Values:
    since = None if processing.done else micros(processing.updated_at)
    return processing.video, processing.version, since


def _comment(comment: Comment) -> Values:
    return (
        comment.id, comment.version, comment.video, comment.channel, comment.author, comment.parent,
        comment.status.value, int(comment.pinned),
    )  # fmt: skip


def _stream(stream: Stream) -> Values:
    live_since = micros(stream.live_since) if stream.listed and stream.live_since else None
    remind_at = micros(stream.remind_at) if stream.remind_at else None
    return (
        stream.id, stream.version, stream.channel, micros(stream.created_at), stream.ingest or None, live_since,
        remind_at,
    )  # fmt: skip


def _timeline(timeline: Timeline) -> Values:
    return timeline.stream, timeline.version, micros(timeline.look_at) if timeline.look_at else None


def _session(session: Session) -> Values:
    return session.id, session.stream, None if session.joined else micros(session.started_at)


TABLES: Mapping[type[Any], Table] = {
    table.kind: table
    for table in (
        Table("user", User, ("id", "version", "handle"), lambda user: (user.id, user.version, user.handle)),
        Table("channel", Channel, ("id", "version", "handle"), lambda each: (each.id, each.version, each.handle)),
        Table("video", Video, ("id", "version", "channel", "created_at", "publish_at", "listed_at"), _video),
        Table(
            "upload", Upload, ("id", "version", "user", "video", "created_at", "expires_at", "bytes"), _upload
        ),
        Table("processing", Processing, ("video", "version", "unfinished_since"), _processing),
        Table(
            "comment", Comment,
            ("id", "version", "video", "channel", "author", "parent", "status", "pinned"), _comment,
        ),
        Table(
            "session", PlaybackSession, ("id", "version", "started_at"),
            lambda session: (session.id, session.version, micros(session.started_at)),
        ),
        Table(
            "stream", Stream,
            ("id", "version", "channel", "created_at", "ingest", "live_since", "remind_at"), _stream,
        ),
        Table("timeline", Timeline, ("stream", "version", "look_at"), _timeline),
        Table("stream_session", Session, ("id", "stream", "started_at"), _session),
        Table(
            "happening", SessionEvent, ("id", "stream", "at"),
            lambda event: (event.id, event.stream, micros(event.at)),
        ),
        Table("notification", Notification, ("id", "user"), lambda each: (each.id, each.user)),
    )
}  # fmt: skip
"""All but accounts, whose identity provider alone knows what is in them."""


def members(channel: Channel) -> list[Values]:
    """The rows of ``member`` for a channel, without its number."""
    return [(user, micros(channel.created_at), channel.id) for user in sorted({channel.owner, *channel.members})]
