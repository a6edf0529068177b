"""Notifications: whom an event concerns, what it says, and what someone has read."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from attrs import frozen

from domain.ids import ChannelId, EventId, NotificationId, UserId


class Kind(StrEnum):
    COMMENT = "comment"
    REPLY = "reply"
    VIDEO_PUBLISHED = "video_published"
    VIDEO_FAILED = "video_failed"
    VIDEO_READY = "video_ready"
    WENT_LIVE = "went_live"
    STREAM_NEAR = "stream_near"
    SUBSCRIBER = "subscriber"
    MENTION = "mention"


@frozen
class Subject:
    """What a notification is about, by type (``video``, ``comment``, ``channel``, ``stream``) and id."""

    type: str
    id: str


@frozen(kw_only=True)
class Notice:
    """What is to be said, before it is known to whom. ``event`` makes saying it twice impossible."""

    event: EventId
    kind: Kind
    actor: UserId | None
    subject: Subject
    text: str
    at: datetime

    def to(self, user: UserId) -> "Notification":
        """For one recipient. One event says at most one thing to a person, so its id names the notification."""
        return Notification(
            id=NotificationId("ntf_" + self.event.removeprefix("evt_")), user=user, kind=self.kind, actor=self.actor,
            subject=self.subject, text=self.text, created_at=self.at,
        )  # fmt: skip


@frozen(kw_only=True)
class Notification:
    """``id`` is unique among one user's notifications, and sorts by time."""

    id: NotificationId
    user: UserId
    kind: Kind
    actor: UserId | None
    subject: Subject
    text: str
    created_at: datetime
    read: bool = False


@frozen
class Settings:
    """The kinds someone does not want to hear of."""

    muted: frozenset[Kind] = frozenset()

    def wants(self, kind: Kind) -> bool:
        return kind not in self.muted

    def change(self, changes: Mapping[Kind, bool]) -> "Settings":
        """With each kind in ``changes`` wanted or not."""
        muted = (self.muted | {kind for kind, on in changes.items() if not on}) - {k for k, on in changes.items() if on}
        return Settings(muted)


@frozen
class FanOut:
    """Tell a channel's subscribers, a page at a time, in every lane of their list; ``cursor`` says how far it got.

    Each page asks for the next, so a crash repeats one page, and the inboxes know what they have. The first has no
    lane: it begins all the others, and is itself of lane 0.
    """

    notice: Notice
    channel: ChannelId
    page: int
    cursor: str | None
    lane: int | None = None
