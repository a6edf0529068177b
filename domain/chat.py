"""Chat beside a stream: who may say what in it, and what became of it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from domain.access import Actor
from domain.channels import Channel, CommentPolicy, Hold, Member, Task
from domain.errors import Conflict, Forbidden, Invalid
from domain.ids import MessageId, StreamId, UserId
from domain.text import line, visible

TEXT_MOST = 500
"""IVS Chat's own limit (maximumMessageLength)."""
SLOW_MOST_S = 600


class Capability(StrEnum):
    """What a connection may do, by IVS Chat's names. Everyone reads."""

    SEND_MESSAGE = "SEND_MESSAGE"
    DELETE_MESSAGE = "DELETE_MESSAGE"
    DISCONNECT_USER = "DISCONNECT_USER"


class Standing(StrEnum):
    """What someone is in a chat, for others to see."""

    OWNER = "owner"
    EDITOR = "editor"
    MODERATOR = "moderator"
    VIEWER = "viewer"


_STANDINGS: Mapping[Member, Standing] = {
    Member.OWNER: Standing.OWNER, Member.EDITOR: Standing.EDITOR, Member.MODERATOR: Standing.MODERATOR
}  # fmt: skip


def standing(actor: Actor, channel: Channel) -> Standing:
    role = channel.role(actor.user)
    if role is not None:
        return _STANDINGS[role]
    return Standing.MODERATOR if actor.moderates else Standing.VIEWER


def _slow(_: object, __: object, seconds: int) -> None:
    if not 0 <= seconds <= SLOW_MOST_S:
        raise Invalid(f"slow mode is 0 to {SLOW_MOST_S} seconds", field="slow_mode_s")


@frozen(kw_only=True)
class ChatRules:
    """``slow_mode_s`` is the least time between two messages of one viewer."""

    enabled: bool = True
    slow_mode_s: int = field(default=0, validator=_slow)
    followers_only: bool = False

    def edit(
        self, *, enabled: bool | None = None, slow_mode_s: int | None = None, followers_only: bool | None = None
    ) -> "ChatRules":  # fmt: skip
        """With what was given changed; None leaves a thing as it is."""
        given: dict[str, Any] = {"enabled": enabled, "slow_mode_s": slow_mode_s, "followers_only": followers_only}
        return evolve(self, **{name: value for name, value in given.items() if value is not None})

    def capabilities(self, actor: Actor, channel: Channel, *, banned: bool) -> frozenset[Capability]:
        """What someone's connection may do."""
        if actor.user is None or banned or not self.enabled:
            return frozenset()
        if channel.allows(actor, Task.MODERATE):
            return frozenset(Capability)
        return frozenset({Capability.SEND_MESSAGE})

    def check(self, text: str, policy: CommentPolicy, *, trusted: bool, banned: bool, follows: bool) -> str:
        """The text as it is said. ``trusted`` people moderate here, and only a ban or silence binds them.

        Raises Invalid (``message_length``), Forbidden (``chat_disabled``, ``chat_banned``, ``chat_followers_only``,
        ``chat_words``). The words and the rule on links are those for comments.
        """
        tidy = line(text)
        if not visible(tidy) or len(tidy) > TEXT_MOST:
            raise Invalid(f"a message has 1 to {TEXT_MOST} characters", code="message_length", field="text")
        if not self.enabled:
            raise Forbidden("the chat is off", code="chat_disabled")
        if banned:
            raise Forbidden("you may not write in this chat", code="chat_banned")
        if trusted:
            return tidy
        if self.followers_only and not follows:
            raise Forbidden("only subscribers write in this chat", code="chat_followers_only")
        # Nobody holds a message for later: what would wait under a video is not said here. To hold everything there is
        # no word on a chat.
        strict = evolve(policy, hold=Hold.LINKS if policy.hold is not Hold.NONE else Hold.NONE)
        if strict.holds(tidy, newcomer=False):
            raise Forbidden("this has a word or a link that is not allowed here", code="chat_words")
        return tidy


@frozen(kw_only=True)
class Message:
    """Something said in a stream's chat; ``name`` and ``standing`` are its author's at that time. One that was
    ``removed`` has no text any more.
    """

    id: MessageId
    stream: StreamId
    author: UserId
    name: str
    standing: Standing = Standing.VIEWER
    text: str
    at: datetime
    removed: bool = False

    def remove(self) -> "Message":
        return evolve(self, text="", removed=True)


def too_fast() -> Conflict:
    """What is said to who speaks again within the pause of slow mode."""
    return Conflict("not so fast: this chat is in slow mode", code="chat_slow_mode")


@frozen(kw_only=True)
class Ban:
    """Someone who may not write in a stream's chat."""

    stream: StreamId
    user: UserId
    by: UserId
    at: datetime
