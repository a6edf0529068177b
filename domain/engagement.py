"""What people say and feel about videos, and whom they follow."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from attrs import evolve, field, fields, frozen

from domain.access import Actor
from domain.channels import Channel, CommentPolicy, Task
from domain.errors import Conflict, Forbidden, IllegalTransition
from domain.ids import ChannelId, CommentId, UserId, VideoId
from domain.text import length, mentions, prose


class CommentStatus(StrEnum):
    VISIBLE = "visible"
    HELD = "held"
    """Waits for a member of the channel; its author and the members see it."""
    REJECTED = "rejected"
    REMOVED = "removed"
    """Taken back by its author or taken down. Replies to it stay, under a placeholder; its text goes."""


NEXT: Mapping[CommentStatus, frozenset[CommentStatus]] = {
    CommentStatus.VISIBLE: frozenset({CommentStatus.HELD, CommentStatus.REJECTED, CommentStatus.REMOVED}),
    CommentStatus.HELD: frozenset({CommentStatus.VISIBLE, CommentStatus.REJECTED, CommentStatus.REMOVED}),
    CommentStatus.REJECTED: frozenset({CommentStatus.VISIBLE, CommentStatus.REMOVED}),
    CommentStatus.REMOVED: frozenset(),
}


class Ruling(StrEnum):
    """What a member says of a comment."""

    APPROVE = "approve"
    HOLD = "hold"
    REJECT = "reject"

    @property
    def status(self) -> CommentStatus:
        return {
            Ruling.APPROVE: CommentStatus.VISIBLE, Ruling.HOLD: CommentStatus.HELD, Ruling.REJECT: CommentStatus.REJECTED
        }[self]  # fmt: skip


@frozen(kw_only=True)
class Comment:
    """Something said under a video, or in reply to such (``parent``); replies have no replies.

    ``approved`` since the first time everyone could see it, whatever became of it then.
    """

    id: CommentId
    video: VideoId
    channel: ChannelId
    parent: CommentId | None = None
    author: UserId
    text: str = field(converter=prose, validator=length(0, 5000))
    status: CommentStatus = CommentStatus.VISIBLE
    approved: bool = False
    pinned: bool = False
    created_at: datetime
    edited_at: datetime | None = None
    version: int = 0

    @property
    def shown(self) -> bool:
        """Whether everyone sees it."""
        return self.status is CommentStatus.VISIBLE

    def seen_by(self, actor: Actor, channel: Channel) -> bool:
        if self.shown:
            return True
        if self.status is CommentStatus.REMOVED:
            return False
        return channel.allows(actor, Task.MODERATE) or (actor.user == self.author and self.status is CommentStatus.HELD)

    def in_place(self, actor: Actor) -> "Comment":
        """As it stands under its video: whole if everyone sees it, or its author while it is held."""
        mine = self.status is CommentStatus.HELD and actor.user == self.author
        return self if self.shown or mine else self.placeholder()

    def placeholder(self) -> "Comment":
        """What keeps its place above replies that everyone sees: of whom and what it was it says nothing."""
        return evolve(
            self, author=UserId(""), text="", status=CommentStatus.REMOVED, approved=False, pinned=False, edited_at=None
        )

    @staticmethod
    def post(draft: "Comment", policy: CommentPolicy, *, trusted: bool, newcomer: bool) -> "CommentChange":
        """A new comment, visible or held by the channel's policy (``trusted`` people are never held).

        Raises Forbidden (``comments_disabled``).
        """
        length(1, 5000)(draft, _TEXT, draft.text)
        if not policy.enabled and not trusted:
            raise Forbidden("comments are off on this channel", code="comments_disabled")
        held = not trusted and policy.holds(draft.text, newcomer=newcomer)
        if held:
            event = CommentHeld(draft.id, draft.channel, draft.author, draft.created_at)
            return evolve(draft, status=CommentStatus.HELD), (event,)
        return draft._shown(draft.created_at)  # noqa: SLF001  (its own)

    def edit(self, actor: Actor, text: str, policy: CommentPolicy, now: datetime, *, trusted: bool) -> "CommentChange":
        """With other words, by its author only; they pass the policy again. The same words change nothing."""
        if actor.require_user() != self.author:
            raise Forbidden("only its author edits a comment")
        if self.status in {CommentStatus.REMOVED, CommentStatus.REJECTED}:
            raise Conflict(f"a {self.status.value} comment is not edited", code="comment_closed")
        edited = evolve(self, text=text, edited_at=now)
        if edited.text == self.text:
            return self, ()
        length(1, 5000)(edited, _TEXT, edited.text)
        if self.shown and not trusted and policy.holds(edited.text, newcomer=False):
            held = evolve(self._to(CommentStatus.HELD), text=edited.text, edited_at=now, pinned=False)
            return held, (CommentHeld(self.id, self.channel, self.author, now),)
        return edited, ()

    def rule(self, ruling: Ruling, now: datetime) -> "CommentChange":
        """What a member decided. Saying the same again changes nothing. Raises IllegalTransition."""
        if ruling.status is self.status:
            return self, ()
        ruled = self._to(ruling.status)
        if not ruled.shown:
            return evolve(ruled, pinned=False), ()
        return self._shown(now)

    def remove(self) -> "Comment":
        """Without its text, for good."""
        return evolve(self._to(CommentStatus.REMOVED), text="", pinned=False)

    def pin(self, pinned: bool) -> "Comment":  # noqa: FBT001  (the value itself, not a switch)
        """Raises Conflict for a reply, or a comment that not everyone sees."""
        if pinned and (self.parent is not None or not self.shown):
            raise Conflict("only a visible comment on the video itself is pinned", code="cannot_pin")
        return evolve(self, pinned=pinned)

    def _shown(self, now: datetime) -> "CommentChange":
        """Visible to everyone; the first time, they are told."""
        if self.approved:
            return evolve(self, status=CommentStatus.VISIBLE), ()
        told = mentions(self.text)
        posted = CommentPosted(self.id, self.video, self.channel, self.parent, self.author, told, now)
        return evolve(self, status=CommentStatus.VISIBLE, approved=True), (posted,)

    def _to(self, wanted: CommentStatus) -> "Comment":
        if wanted not in NEXT[self.status]:
            raise IllegalTransition("a comment", self.status, wanted)
        return evolve(self, status=wanted)


_TEXT = fields(Comment).text


@frozen
class CommentPosted:
    """Everyone can read it, for the first time. ``mentions`` are handles."""

    comment: CommentId
    video: VideoId
    channel: ChannelId
    parent: CommentId | None
    author: UserId
    mentions: tuple[str, ...]
    at: datetime


@frozen
class CommentHeld:
    """It waits for a member of the channel: since it was posted, or since its author changed it."""

    comment: CommentId
    channel: ChannelId
    author: UserId
    at: datetime


CommentEvent = CommentPosted | CommentHeld
CommentChange = tuple[Comment, tuple[CommentEvent, ...]]


class Reaction(StrEnum):
    LIKE = "like"
    DISLIKE = "dislike"


class Notify(StrEnum):
    """What a subscriber wants to be told of a channel."""

    ALL = "all"
    LIVE = "live"
    NONE = "none"


@frozen
class Subscription:
    user: UserId
    channel: ChannelId
    notify: Notify
    since: datetime


@frozen
class Subscribed:
    """Someone follows the channel who did not before."""

    user: UserId
    channel: ChannelId
    at: datetime
