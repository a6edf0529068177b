"""Who may do what on a channel, and what its policy holds."""

import re
from datetime import UTC, datetime

import pytest
from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st

from domain.access import ANONYMOUS, Actor, Role
from domain.channels import MEMBERS_MOST, WORDS_MOST, Channel, CommentPolicy, Hold, Member, Task
from domain.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from domain.ids import ChannelId, UserId

OWNER, EDITOR, HELPER, STRANGER = UserId("usr_o"), UserId("usr_e"), UserId("usr_m"), UserId("usr_s")
CHANNEL = Channel(
    id=ChannelId("chn_1"), owner=OWNER, handle="films", name="Films", created_at=datetime(2026, 1, 1, tzinfo=UTC),
    members={EDITOR: Member.EDITOR, HELPER: Member.MODERATOR},
)  # fmt: skip
MODERATOR = Actor(STRANGER, frozenset({Role.MODERATOR}))
ADMIN = Actor(STRANGER, frozenset({Role.ADMIN}))
EVERYTHING = {Task.MANAGE, Task.EDIT, Task.MODERATE}


@pytest.mark.parametrize(
    ("actor", "tasks"),
    [
        (Actor(OWNER), EVERYTHING),
        (Actor(EDITOR), {Task.EDIT, Task.MODERATE}),
        (Actor(HELPER), {Task.MODERATE}),
        (Actor(STRANGER), set()),
        (ANONYMOUS, set()),
        (MODERATOR, {Task.MODERATE}),
        (ADMIN, EVERYTHING),
        (Actor(EDITOR, frozenset({Role.ADMIN})), EVERYTHING),
    ],
)
def test_who_may_do_what(actor: Actor, tasks: set[Task]) -> None:
    """Members by their role, the platform's people by theirs."""
    assert {task for task in Task if CHANNEL.allows(actor, task)} == tasks


@pytest.mark.parametrize("task", Task)
def test_what_one_may_not_do_is_refused(task: Task) -> None:
    """First of all one has to say who one is."""
    assert CHANNEL.require(Actor(OWNER), task) == OWNER
    with pytest.raises(Unauthenticated):
        CHANNEL.require(ANONYMOUS, task)
    with pytest.raises(Forbidden):
        CHANNEL.require(Actor(STRANGER), task)


def test_roles() -> None:
    """The owner is one though not among the members; nobody is none."""
    assert [CHANNEL.role(user) for user in (OWNER, EDITOR, HELPER, STRANGER, None)] == [
        Member.OWNER, Member.EDITOR, Member.MODERATOR, None, None,
    ]  # fmt: skip


def test_members_come_change_and_go() -> None:
    """Each with one role at a time."""
    joined = CHANNEL.enroll(STRANGER, Member.EDITOR).enroll(STRANGER, Member.MODERATOR)
    assert joined.role(STRANGER) is Member.MODERATOR
    assert joined.dismiss(STRANGER) == CHANNEL
    assert CHANNEL.role(STRANGER) is None
    with pytest.raises(NotFound):
        CHANNEL.dismiss(STRANGER)


@pytest.mark.parametrize(("user", "role"), [(STRANGER, Member.OWNER), (OWNER, Member.EDITOR), (OWNER, Member.OWNER)])
def test_the_owner_stays_the_owner(user: UserId, role: Member) -> None:
    """Nobody becomes one, and the one there is neither steps down nor leaves."""
    with pytest.raises(Conflict) as caught:
        CHANNEL.enroll(user, role)
    assert caught.value.code == "owner_is_fixed"
    with pytest.raises(Conflict):
        CHANNEL.dismiss(OWNER)


def test_there_is_a_most_of_members() -> None:
    """One that is there may still change the role."""
    full = evolve(CHANNEL, members={UserId(f"usr_{n}"): Member.EDITOR for n in range(MEMBERS_MOST)})
    with pytest.raises(Conflict) as caught:
        full.enroll(STRANGER, Member.EDITOR)
    assert caught.value.code == "too_many_members"
    assert full.enroll(UserId("usr_0"), Member.MODERATOR).role(UserId("usr_0")) is Member.MODERATOR


def test_an_edit_changes_what_was_given() -> None:
    """None leaves a thing as it is."""
    assert CHANNEL.edit() == CHANNEL
    policy = CommentPolicy(enabled=False)
    edited = CHANNEL.edit(
        handle="@Cinema", name=" The  Cinema ", description="x\n\n\n\ny", comments=policy, avatar="a", banner="b"
    )
    assert edited == evolve(
        CHANNEL, handle="cinema", name="The Cinema", description="x\n\ny", comments=policy, avatar="a", banner="b"
    )
    assert edited.edit(description="").description == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [("handle", "no"), ("name", ""), ("name", "x" * 101), ("name", "\u3164"), ("description", "x" * 5001)],
)
def test_edits_that_break_a_rule(field: str, value: str) -> None:
    """The error names the field."""
    with pytest.raises(Invalid) as caught:
        CHANNEL.edit(**{field: value})  # type: ignore[arg-type]  # every one of them is a text
    assert caught.value.fields[0][0] == field


# --- the policy --------------------------------------------------------------------------------------------

LINKS = [
    "https://example.com", "see HTTP://x", "www.example.museum", "buy at spam.shop now", "spam.shop", "x.co.uk!",
    "evil.dev", "odd.museum/offer", "host.lan:8080/x", "tg://join", "exa\u200dmple.c\u200dom", "(t.me/join)",
    "пример.com",
]  # fmt: skip
PROSE = [
    "", "no link here", "and/or", "Well. That was it.", "3.14 is pi", "wow...", "at 10:30/11:00", "e.g. this",
    "www is a word", "a: b // c", "communist.",
]  # fmt: skip


@pytest.mark.parametrize("hold", [Hold.LINKS, Hold.NEWCOMERS])
@pytest.mark.parametrize("text", LINKS)
def test_links_are_held(hold: Hold, text: str) -> None:
    """Whoever wrote them, where links are held; and only there."""
    assert CommentPolicy(hold=hold).holds(text, newcomer=False)
    assert not CommentPolicy(hold=Hold.NONE).holds(text, newcomer=True)


@pytest.mark.parametrize("text", PROSE)
def test_plain_prose_is_not_held(text: str) -> None:
    """A full stop is no link."""
    assert not CommentPolicy(hold=Hold.LINKS).holds(text, newcomer=True)


WORDS_AND_LINK = st.tuples(
    st.text(max_size=20), st.from_regex(r"(https?://[a-z0-9.-]{3,20}|www\.[a-z]{2,9}\.[a-z]{2,9})", fullmatch=True)
)


@given(WORDS_AND_LINK, st.text(max_size=20))
def test_a_link_is_held_wherever_it_stands(before: tuple[str, str], after: str) -> None:
    """Whatever stands around it."""
    assert CommentPolicy(hold=Hold.LINKS).holds(" ".join([*before, after]), newcomer=False)


@given(st.text(max_size=200).filter(lambda text: "." not in text and "://" not in text))
@example("http:/ /x")
def test_without_dots_and_schemes_there_is_no_link(text: str) -> None:
    """Nobody waits for having written a sentence."""
    assert not CommentPolicy(hold=Hold.LINKS).holds(text, newcomer=True)


@pytest.mark.parametrize(
    ("hold", "newcomer", "held"),
    [
        (Hold.NONE, True, False), (Hold.NONE, False, False), (Hold.LINKS, True, False), (Hold.LINKS, False, False),
        (Hold.NEWCOMERS, True, True), (Hold.NEWCOMERS, False, False), (Hold.ALL, True, True), (Hold.ALL, False, True),
    ],
)  # fmt: skip
def test_who_is_held(hold: Hold, *, newcomer: bool, held: bool) -> None:
    """A harmless text, under each policy."""
    assert CommentPolicy(hold=hold).holds("hello", newcomer=newcomer) is held


@pytest.mark.parametrize(
    ("word", "text", "held"),
    [
        ("spam", "SPAM!", True), ("Spam", "no spam, please", True), ("spam", "spammer", False),
        ("spam", "antispam", False), ("spam", "spam_", False), ("spam", "sp\u200dam", True),
        ("sp\u200cam", "spam", True), ("two words", "Two   Words", True), ("two words", "two\nwords", True),
        ("straße", "STRASSE", True), ("cafe", "café", False), ("café", "CAFE\u0301!", True),
        ("c++", "I like c++", True), ("c++", "abc++", False), ("a.c", "abc", False), (".*", "anything", False),
        ("$$$", "free$$$now", True), ("(x", "f(xy)", False), ("(x", "f(x)", True), ("[", "a[b", True),
        ("🍆", "hi🍆there", True), ("坏", "很坏的", True), ("คำ", "กคำข", True), ("spam", "这是spam吗", True),
        ("ΐ", "Ϊ́", True),
    ],
)  # fmt: skip
def test_words_are_held_as_words(word: str, text: str, *, held: bool) -> None:
    """In any case and form, with signs in them taken as they are; scripts without spaces have no word ends."""
    assert CommentPolicy(words=[word]).holds(text, newcomer=False) is held


@given(st.text(min_size=1, max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_a_held_word_is_held_between_spaces(word: str, before: str, after: str) -> None:
    """Whatever it is made of: no sign in it means anything to us."""
    policy = CommentPolicy(words=[word])
    assert policy.holds(f"{before} {word} {after}", newcomer=False) == bool(policy.words)
    assert evolve(policy) == policy


def test_words_are_kept_once() -> None:
    """Without case, in order; what is empty is no word."""
    assert CommentPolicy(words=["B", "a", " b ", "", "\u200b"]).words == ("b", "a")


@pytest.mark.parametrize(
    "words", ["spam", None, 3, [f"w{n}" for n in range(WORDS_MOST + 1)], ["w"] * (10 * WORDS_MOST + 1), ["x" * 61]]
)
def test_word_lists_that_break_a_rule(words: object) -> None:
    """A single text is no list of its letters."""
    with pytest.raises(Invalid) as caught:
        CommentPolicy(words=words)
    assert caught.value.fields[0][0] == "words"


def test_of_a_policy_only_what_is_given_changes() -> None:
    """An empty list of words is a list; False is an answer."""
    policy = CommentPolicy(hold=Hold.LINKS, words=("spam",), enabled=True)
    assert policy.edit() == policy
    assert policy.edit(hold=Hold.ALL) == CommentPolicy(hold=Hold.ALL, words=("spam",))
    assert policy.edit(words=[], enabled=False) == CommentPolicy(hold=Hold.LINKS, enabled=False)


@given(st.text("ab _.é坏", min_size=1, max_size=3), st.text("ab _.é坏", max_size=12))
def test_a_word_is_looked_for_wherever_it_may_stand(word: str, text: str) -> None:
    """One place where no letter touches it is enough, also where places overlap."""
    letter = r"[^\W坏]"
    policy = CommentPolicy(words=[word])
    held = policy.holds(text, newcomer=False)
    for kept in policy.words:
        before = rf"(?<!{letter})" if re.match(letter, kept) else ""
        after = rf"(?!{letter})" if re.match(letter, kept[-1]) else ""
        assert held == bool(re.search(before + re.escape(kept) + after, " ".join(text.split())))
