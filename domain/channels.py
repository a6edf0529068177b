"""Channels: who publishes here, who helps, and what the channel lets people say."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from domain.access import Actor
from domain.errors import Conflict, Forbidden, Invalid, NotFound
from domain.ids import ChannelId, UserId
from domain.text import handle, length, line, prose

MEMBERS_MOST = 50
WORDS_MOST = 200


class Member(StrEnum):
    """What someone is to one channel. There is exactly one owner."""

    OWNER = "owner"
    EDITOR = "editor"
    MODERATOR = "moderator"


class Task(StrEnum):
    """What a member may be asked to do."""

    MANAGE = "manage"
    """Members, handle, removal."""
    EDIT = "edit"
    """The channel's page and its videos."""
    MODERATE = "moderate"
    """What others say under the videos."""


_MAY: Mapping[Member, frozenset[Task]] = {
    Member.OWNER: frozenset(Task),
    Member.EDITOR: frozenset({Task.EDIT, Task.MODERATE}),
    Member.MODERATOR: frozenset({Task.MODERATE}),
}


class Hold(StrEnum):
    """Which comments wait for a member before others see them."""

    NONE = "none"
    LINKS = "links"
    """Those with a link."""
    NEWCOMERS = "newcomers"
    """Those of people of whom the channel has not let a comment through before; and links."""
    ALL = "all"


# A scheme, "www.", a bare domain with a common ending, or one with a path; loose on purpose: a held comment costs
# a look. Each alternative begins with one character, so that a long text takes one pass.
_LINK = re.compile(
    r"\w://|\bwww\.|[\w-]\.[a-z]{2,24}(?::\d+)?/\w"
    r"|[\w-]\.(?:com|net|org|io|ru|cn|info|xyz|top|shop|site|link|me|gg|tv|ly|co|uk|de|fr|eu|us|biz|app|dev|online"
    r"|store|club|live|click|pro|vip|art|icu)\b",
    re.IGNORECASE,
)
_JOINERS = dict.fromkeys([0x200C, 0x200D])
# Thai to Myanmar, Khmer, and the ideographs and kana: scripts that set no spaces between words.
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
_LETTER = re.compile(rf"[^\W{_UNSPACED}]")


def _folded(text: str) -> str:
    # Joiners show nothing between most letters: a word with one in it is still that word.
    return line(text.translate(_JOINERS).casefold())


def _stands_in(word: str, folded: str) -> bool:
    """Whether the word is there as a whole: no letter touches it on a side where it has a letter itself."""
    # Searched as text: to compile a pattern for each of two hundred words would hold everyone up for half a second.
    at = folded.find(word)
    while at >= 0:
        ends = (folded[at - 1 : at] + word[0], word[-1] + folded[at + len(word) :][:1])
        if not any(len(end) == 2 and all(map(_LETTER.match, end)) for end in ends):
            return True
        at = folded.find(word, at + 1)
    return False


def _too_many_words() -> Invalid:
    return Invalid(f"at most {WORDS_MOST} words of at most 60 characters", field="words")


def _words(words: object) -> tuple[str, ...]:
    if not isinstance(words, (list, tuple, set, frozenset)):
        raise Invalid("words must be a list", field="words")
    if len(words) > 10 * WORDS_MOST:  # before the work of tidying them
        raise _too_many_words()
    return tuple(dict.fromkeys(word for word in (_folded(str(each)) for each in words) if word))


@frozen(kw_only=True)
class CommentPolicy:
    """What happens to a new comment under the channel's videos. ``words`` are held wherever they stand as words."""

    hold: Hold = Hold.NONE
    words: tuple[str, ...] = field(default=(), converter=_words)
    enabled: bool = True

    def __attrs_post_init__(self) -> None:
        if len(self.words) > WORDS_MOST or any(len(word) > 60 for word in self.words):
            raise _too_many_words()

    def edit(
        self, *, hold: Hold | None = None, words: Sequence[str] | None = None, enabled: bool | None = None
    ) -> "CommentPolicy":
        """The policy with what was given changed; None leaves a thing as it is."""
        return CommentPolicy(
            hold=self.hold if hold is None else hold,
            words=self.words if words is None else words,
            enabled=self.enabled if enabled is None else enabled,
        )

    def holds(self, text: str, *, newcomer: bool) -> bool:
        """Whether this text waits for a member. ``newcomer``: no comment of theirs was let through here yet."""
        if self.hold is Hold.ALL or (self.hold is Hold.NEWCOMERS and newcomer):
            return True
        folded = _folded(text)
        if self.hold in {Hold.LINKS, Hold.NEWCOMERS} and _LINK.search(folded):
            return True
        return any(_stands_in(word, folded) for word in self.words)


@frozen(kw_only=True)
class Channel:
    """A place videos are published under. ``handle`` is unique among channels and may change.

    ``avatar`` and ``banner`` are media keys. ``members`` holds everyone but the owner.
    """

    id: ChannelId
    owner: UserId
    handle: str = field(converter=handle)
    name: str = field(converter=line, validator=length(1, 100))
    description: str = field(default="", converter=prose, validator=length(0, 5000))
    avatar: str | None = None
    banner: str | None = None
    members: Mapping[UserId, Member] = field(factory=dict)
    comments: CommentPolicy = CommentPolicy()
    created_at: datetime
    version: int = 0

    @property
    def files(self) -> frozenset[str]:
        """The keys of its pictures."""
        return frozenset(key for key in (self.avatar, self.banner) if key is not None)

    def role(self, user: UserId | None) -> Member | None:
        if user is None:
            return None
        return Member.OWNER if user == self.owner else self.members.get(user)

    def allows(self, actor: Actor, task: Task) -> bool:
        """Members by their role; platform moderators moderate, administrators do everything."""
        if actor.administers or (actor.moderates and task is Task.MODERATE):
            return True
        role = self.role(actor.user)
        return role is not None and task in _MAY[role]

    def require(self, actor: Actor, task: Task) -> UserId:
        """Who it is. Raises Unauthenticated or Forbidden."""
        user = actor.require_user()
        if not self.allows(actor, task):
            raise Forbidden(f"this needs a role on @{self.handle} that may {task.value}")
        return user

    def edit(
        self, *, handle: str | None = None, name: str | None = None, description: str | None = None,
        comments: CommentPolicy | None = None, avatar: str | None = None, banner: str | None = None,
    ) -> "Channel":  # fmt: skip
        """The channel with what was given changed; None leaves a thing as it is."""
        given: dict[str, Any] = {
            "handle": handle, "name": name, "description": description, "comments": comments,
            "avatar": avatar, "banner": banner,
        }  # fmt: skip
        return evolve(self, **{key: value for key, value in given.items() if value is not None})

    def enroll(self, user: UserId, role: Member) -> "Channel":
        """With ``user`` in ``role``. There is one owner, so nobody is enrolled as one."""
        if role is Member.OWNER or user == self.owner:
            raise Conflict("a channel has one owner, who stays the owner", code="owner_is_fixed")
        if user not in self.members and len(self.members) >= MEMBERS_MOST:
            raise Conflict(f"a channel has at most {MEMBERS_MOST} members", code="too_many_members")
        return evolve(self, members={**self.members, user: role})

    def dismiss(self, user: UserId) -> "Channel":
        """Without ``user``. Raises Conflict for the owner, NotFound for a stranger."""
        if user == self.owner:
            raise Conflict("a channel has one owner, who stays the owner", code="owner_is_fixed")
        if user not in self.members:
            raise NotFound("they are no member of this channel")
        return evolve(self, members={each: role for each, role in self.members.items() if each != user})


@frozen
class ChannelOpened:
    channel: ChannelId
    at: datetime


@frozen
class ChannelEdited:
    channel: ChannelId
    at: datetime


@frozen
class ChannelClosed:
    """The channel is gone; its videos follow."""

    channel: ChannelId
    at: datetime
