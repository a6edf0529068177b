"""Who may say what in a chat."""

from datetime import UTC, datetime

import pytest
from attrs import evolve

from domain.access import ANONYMOUS, Actor, Role
from domain.channels import Channel, CommentPolicy, Hold, Member
from domain.chat import SLOW_MOST_S, TEXT_MOST, Capability, ChatRules, Message, Standing, standing, too_fast
from domain.errors import DomainError, Forbidden, Invalid
from domain.ids import ChannelId, MessageId, StreamId, UserId

T0 = datetime(2026, 1, 1, tzinfo=UTC)
OWNER, EDITOR, HELPER, FAN = (UserId(f"usr_{each}") for each in ("olga", "ed", "mona", "fay"))
CHANNEL = Channel(
    id=ChannelId("chn_1"), owner=OWNER, handle="cats", name="Cats",
    members={EDITOR: Member.EDITOR, HELPER: Member.MODERATOR}, created_at=T0,
)  # fmt: skip
STAFF = Actor(UserId("usr_mick"), frozenset({Role.USER, Role.MODERATOR}))
OPEN, OFF = ChatRules(), ChatRules(enabled=False)
ALL, WRITE, READ = frozenset(Capability), frozenset({Capability.SEND_MESSAGE}), frozenset[Capability]()
POLICY = CommentPolicy(words=("spam", "Käse"))
LINK = "see www.cats.example/nap"


def check(rules: ChatRules, text: str, policy: CommentPolicy = POLICY, **who: bool) -> str:
    given = {"trusted": False, "banned": False, "follows": False, **who}
    return rules.check(text, policy, trusted=given["trusted"], banned=given["banned"], follows=given["follows"])


def refusal(rules: ChatRules, text: str, policy: CommentPolicy = POLICY, **who: bool) -> str:
    with pytest.raises(DomainError) as refused:
        check(rules, text, policy, **who)
    return refused.value.code


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        (Actor(OWNER), Standing.OWNER), (Actor(EDITOR), Standing.EDITOR), (Actor(HELPER), Standing.MODERATOR),
        (STAFF, Standing.MODERATOR), (Actor(FAN), Standing.VIEWER), (ANONYMOUS, Standing.VIEWER),
    ],
)  # fmt: skip
def test_everyone_sees_what_someone_is_here(actor: Actor, expected: Standing) -> None:
    assert standing(actor, CHANNEL) is expected


@pytest.mark.parametrize(
    ("actor", "may"),
    [
        (Actor(OWNER), ALL),
        (Actor(EDITOR), ALL),
        (Actor(HELPER), ALL),
        (STAFF, ALL),
        (Actor(FAN), WRITE),
        (ANONYMOUS, READ),
    ],
)
def test_who_moderates_may_do_all_and_who_is_signed_in_may_write(actor: Actor, may: frozenset[Capability]) -> None:
    """Nobody may do anything but read once they are banned, or in a chat that is off."""
    assert OPEN.capabilities(actor, CHANNEL, banned=False) == may
    assert OPEN.capabilities(actor, CHANNEL, banned=True) == READ
    assert OFF.capabilities(actor, CHANNEL, banned=False) == READ


@pytest.mark.parametrize("seconds", [0, 1, SLOW_MOST_S])
def test_slow_mode_lasts_up_to_ten_minutes(seconds: int) -> None:
    assert ChatRules(slow_mode_s=seconds).slow_mode_s == seconds


@pytest.mark.parametrize("seconds", [-1, SLOW_MOST_S + 1])
def test_slow_mode_lasts_no_longer(seconds: int) -> None:
    with pytest.raises(Invalid, match="0 to 600 seconds"):
        ChatRules(slow_mode_s=seconds)
    with pytest.raises(Invalid, match="0 to 600 seconds"):
        OPEN.edit(slow_mode_s=seconds)


def test_of_rules_only_what_was_given_changes() -> None:
    """False and nought are given; None is not."""
    rules = ChatRules(slow_mode_s=5, followers_only=True)
    assert rules.edit() == rules
    assert rules.edit(enabled=False) == evolve(rules, enabled=False)
    assert rules.edit(slow_mode_s=0) == evolve(rules, slow_mode_s=0)
    assert rules.edit(followers_only=False) == evolve(rules, followers_only=False)


def test_what_is_said_is_one_tidy_line() -> None:
    assert check(OPEN, "  Good\n kitty\u202e! ") == "Good kitty!"
    assert check(OPEN, "x" * TEXT_MOST) == "x" * TEXT_MOST
    for text in ("", " \n ", "\u200b", "\ud800", "\u3164", "x" * (TEXT_MOST + 1)):
        assert refusal(OPEN, text, trusted=True) == "message_length"


def test_only_a_ban_and_silence_bind_who_moderates() -> None:
    strict = ChatRules(followers_only=True)
    assert check(strict, f"spam, {LINK}", evolve(POLICY, hold=Hold.LINKS), trusted=True) == f"spam, {LINK}"
    assert refusal(OFF, "Hi", trusted=True) == "chat_disabled"
    assert refusal(OPEN, "Hi", trusted=True, banned=True) == "chat_banned"


def test_the_chat_may_be_for_those_who_follow() -> None:
    rules = ChatRules(followers_only=True)
    assert refusal(rules, "Hi") == "chat_followers_only"
    assert check(rules, "Hi", follows=True) == check(OPEN, "Hi") == "Hi"
    assert refusal(rules, "Hi", follows=True, banned=True) == "chat_banned"
    assert refusal(OFF, "Hi", follows=True) == "chat_disabled"


def test_words_are_those_of_the_comments() -> None:
    """As whole words, however they are written."""
    for text in ("Spam", "more SPAM!", "KÄSE", "s\u200bpam"):
        assert refusal(OPEN, text, follows=True) == "chat_words"
    assert check(OPEN, "spammer") == "spammer"


@pytest.mark.parametrize("hold", Hold)
def test_links_are_not_said_where_any_comment_would_be_held(hold: Hold) -> None:
    """What else of comments would wait is said: nobody looks at a message before it is shown."""
    policy = CommentPolicy(hold=hold)
    assert check(OPEN, "Hi", policy) == "Hi"
    if hold is Hold.NONE:
        assert check(OPEN, LINK, policy) == LINK
    else:
        assert refusal(OPEN, LINK, policy) == "chat_words"


def test_a_refusal_is_a_forbidden_thing_and_haste_a_conflict() -> None:
    with pytest.raises(Forbidden):
        check(OFF, "Hi")
    assert too_fast().code == "chat_slow_mode"


def test_a_message_that_was_removed_says_nothing() -> None:
    said = Message(id=MessageId("msg_1"), stream=StreamId("str_1"), author=FAN, name="Fay", text="Meow", at=T0)
    removed = said.remove()
    assert (removed.text, removed.removed) == ("", True)
    assert removed.remove() == removed == evolve(said, text="", removed=True)
