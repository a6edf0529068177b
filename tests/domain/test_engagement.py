"""What becomes of a comment, and who hears of it."""

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.access import ANONYMOUS, Actor, Role
from domain.channels import Channel, CommentPolicy, Hold, Member
from domain.engagement import NEXT, Comment, CommentEvent, CommentHeld, CommentPosted, CommentStatus, Ruling
from domain.errors import Conflict, Forbidden, IllegalTransition, Invalid, Unauthenticated
from domain.ids import ChannelId, CommentId, UserId, VideoId

T0 = datetime(2026, 1, 1, tzinfo=UTC)
SOON = T0 + timedelta(minutes=1)
AUTHOR, OWNER, HELPER, OTHER = UserId("usr_a"), UserId("usr_o"), UserId("usr_h"), UserId("usr_x")
CHANNEL = Channel(
    id=ChannelId("chn_1"), owner=OWNER, handle="films", name="Films", members={HELPER: Member.MODERATOR}, created_at=T0
)
DRAFT = Comment(
    id=CommentId("cmt_1"), video=VideoId("vid_1"), channel=CHANNEL.id, author=AUTHOR, text="Hi @bob", created_at=T0
)
HELD = CommentHeld(DRAFT.id, CHANNEL.id, AUTHOR, T0)
POSTED = CommentPosted(DRAFT.id, DRAFT.video, CHANNEL.id, None, AUTHOR, ("bob",), T0)
OPEN, CLOSED = CommentPolicy(), CommentPolicy(enabled=False)
STRICT = CommentPolicy(hold=Hold.ALL)
V, H, R, X = CommentStatus.VISIBLE, CommentStatus.HELD, CommentStatus.REJECTED, CommentStatus.REMOVED
ARROWS = {(V, H), (V, R), (V, X), (H, V), (H, R), (H, X), (R, V), (R, X)}
PAIRS = [(current, wanted) for current in CommentStatus for wanted in CommentStatus]


def at(status: CommentStatus) -> Comment:
    return evolve(DRAFT, status=status)


@pytest.mark.parametrize("status", CommentStatus)
def test_what_stands_in_place_of_a_comment(status: CommentStatus) -> None:
    """All see what is visible, its author what is held too; members and moderators have the queue."""
    said = at(status)
    for actor in (Actor(AUTHOR), Actor(OWNER), Actor(OTHER, frozenset({Role.ADMIN})), ANONYMOUS):
        whole = status is V or (status is H and actor == Actor(AUTHOR))
        assert said.in_place(actor) == (said if whole else said.placeholder())


@pytest.mark.parametrize("status", CommentStatus)
def test_a_placeholder_says_nothing_but_where_it_stands(status: CommentStatus) -> None:
    """The same whatever became of the comment, whoever said whatever."""
    said = evolve(at(status), approved=True, pinned=status is V, edited_at=SOON)
    other = evolve(at(X), author=OTHER, text="")
    assert said.placeholder() == other.placeholder()
    place = said.placeholder()
    assert (place.author, place.text, place.status, place.edited_at) == ("", "", X, None)
    assert (place.id, place.video, place.created_at) == (said.id, said.video, said.created_at)


@pytest.mark.parametrize(("current", "wanted"), PAIRS)
def test_a_comment_moves_along_the_table_only(current: CommentStatus, wanted: CommentStatus) -> None:
    """What is not in the table raises, and says from where to where."""
    assert (wanted in NEXT[current]) == ((current, wanted) in ARROWS)
    if (current, wanted) in ARROWS:
        assert at(current)._to(wanted) == at(wanted)
    else:
        with pytest.raises(IllegalTransition) as caught:
            at(current)._to(wanted)
        assert (caught.value.current, caught.value.wanted) == (current, wanted)


@pytest.mark.parametrize(("ruling", "status"), [(Ruling.APPROVE, V), (Ruling.HOLD, H), (Ruling.REJECT, R)])
@pytest.mark.parametrize("current", CommentStatus)
def test_rulings(current: CommentStatus, ruling: Ruling, status: CommentStatus) -> None:
    """Each leads to its status; saying the same again changes nothing; removed is removed."""
    before = at(current)
    if current is status:
        assert before.rule(ruling, SOON) == (before, ())
    elif (current, status) in ARROWS:
        after, _ = evolve(before, pinned=current is V).rule(ruling, SOON)
        assert (after.status, after.pinned, after.shown) == (status, False, status is V)
    else:
        with pytest.raises(IllegalTransition):
            before.rule(ruling, SOON)


@pytest.mark.parametrize("current", [V, H, R])
def test_removal_takes_the_text(current: CommentStatus) -> None:
    """For good, and the pin with it."""
    assert evolve(at(current), pinned=True).remove() == evolve(at(X), text="")
    with pytest.raises(IllegalTransition):
        at(current).remove().remove()


# --- posting -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "trusted", "newcomer", "held"),
    [
        (OPEN, False, True, False), (OPEN, False, False, False), (STRICT, False, False, True),
        (STRICT, False, True, True), (STRICT, True, True, False), (CLOSED, True, False, False),
        (CommentPolicy(hold=Hold.NEWCOMERS), False, True, True),
        (CommentPolicy(hold=Hold.NEWCOMERS), False, False, False),
        (CommentPolicy(hold=Hold.NEWCOMERS), True, True, False),
        (CommentPolicy(words=["hi"]), False, False, True), (CommentPolicy(words=["hi"]), True, True, False),
    ],
)  # fmt: skip
def test_posting(policy: CommentPolicy, *, trusted: bool, newcomer: bool, held: bool) -> None:
    """Visible or held by the policy; the trusted are never held, nor kept out where comments are off."""
    comment, events = Comment.post(DRAFT, policy, trusted=trusted, newcomer=newcomer)
    assert comment == evolve(DRAFT, status=H if held else V, approved=not held)
    assert events == ((HELD,) if held else (POSTED,))


def test_where_comments_are_off_nobody_else_comments() -> None:
    """And they are told so."""
    with pytest.raises(Forbidden) as caught:
        Comment.post(DRAFT, CLOSED, trusted=False, newcomer=False)
    assert caught.value.code == "comments_disabled"


@pytest.mark.parametrize("text", ["", "  ", "\u3164", "\u200b"])
def test_a_comment_says_something(text: str) -> None:
    """When it is posted and when it is edited."""
    with pytest.raises(Invalid):
        Comment.post(evolve(DRAFT, text=text), OPEN, trusted=True, newcomer=False)
    with pytest.raises(Invalid):
        at(V).edit(Actor(AUTHOR), text, OPEN, SOON, trusted=True)


def test_a_comment_has_a_most() -> None:
    """5000 characters."""
    assert len(evolve(DRAFT, text="x" * 5000).text) == 5000
    with pytest.raises(Invalid):
        evolve(DRAFT, text="x" * 5001)


# --- who hears of it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rulings",
    [
        [Ruling.APPROVE], [Ruling.REJECT, Ruling.APPROVE], [Ruling.APPROVE, Ruling.HOLD, Ruling.APPROVE],
        [Ruling.APPROVE, Ruling.REJECT, Ruling.APPROVE, Ruling.APPROVE],
    ],
)  # fmt: skip
def test_people_hear_of_it_when_it_is_first_seen(rulings: list[Ruling]) -> None:
    """Also after a rejection, and not again after it was hidden."""
    comment, events = Comment.post(DRAFT, STRICT, trusted=False, newcomer=False)
    told: list[CommentEvent] = []
    for ruling in rulings:
        comment, events = comment.rule(ruling, SOON)
        told += events
    assert told == [evolve(POSTED, at=SOON)]


class Thread(RuleBasedStateMachine):
    """The author and the channel's members, in any order, on one comment."""

    def __init__(self) -> None:
        super().__init__()
        self.it, self.events, self.shown_at = DRAFT, list[CommentEvent](), list[datetime]()
        self.now = T0

    @initialize(policy=st.sampled_from([OPEN, STRICT]), trusted=st.booleans())
    def post(self, policy: CommentPolicy, trusted: bool) -> None:  # noqa: FBT001  (rules are called by keyword)
        self.becomes(Comment.post(DRAFT, policy, trusted=trusted, newcomer=True))

    def becomes(self, change: tuple[Comment, tuple[CommentEvent, ...]]) -> None:
        self.it, events = change
        self.events += events
        if self.it.shown:
            self.shown_at.append(self.now)
        self.now += timedelta(minutes=1)

    @rule(ruling=st.sampled_from(Ruling))
    def decide(self, ruling: Ruling) -> None:
        if self.it.status is ruling.status or ruling.status in NEXT[self.it.status]:
            self.becomes(self.it.rule(ruling, self.now))
        else:
            with pytest.raises(IllegalTransition):
                self.it.rule(ruling, self.now)

    @rule(policy=st.sampled_from([OPEN, STRICT]), text=st.sampled_from(["Hi @amy", "Hi @bea"]))
    def edit(self, policy: CommentPolicy, text: str) -> None:
        if self.it.status in {V, H}:
            before = self.it
            self.becomes(self.it.edit(Actor(AUTHOR), text, policy, self.now, trusted=False))
            assert policy is OPEN or self.it.status is H or self.it == before
            assert (self.it == before) == (text == before.text)
        else:
            with pytest.raises(Conflict):
                self.it.edit(Actor(AUTHOR), "Hi @amy", policy, self.now, trusted=False)

    @rule()
    def remove(self) -> None:
        if self.it.status is not X:
            self.becomes((self.it.remove(), ()))

    @rule()
    def pin(self) -> None:
        if self.it.shown:
            self.becomes((self.it.pin(pinned=True), ()))

    @invariant()
    def it_was_posted_when_first_shown(self) -> None:
        posted = [event.at for event in self.events if isinstance(event, CommentPosted)]
        assert posted == self.shown_at[:1]
        assert self.it.approved == bool(posted)

    @invariant()
    def what_is_pinned_is_shown(self) -> None:
        assert self.it.shown or not self.it.pinned


TestThread = Thread.TestCase


# --- editing, pinning, seeing ------------------------------------------------------------------------------


def test_only_the_author_edits() -> None:
    """Not even the channel's owner puts words in someone's mouth."""
    with pytest.raises(Unauthenticated):
        at(V).edit(ANONYMOUS, "x", OPEN, SOON, trusted=True)
    with pytest.raises(Forbidden):
        at(V).edit(Actor(OWNER), "x", OPEN, SOON, trusted=True)


@pytest.mark.parametrize("status", [R, X])
def test_what_was_turned_down_is_not_edited(status: CommentStatus) -> None:
    """Or it would come in again by the back door."""
    with pytest.raises(Conflict) as caught:
        at(status).edit(Actor(AUTHOR), "x", OPEN, SOON, trusted=True)
    assert caught.value.code == "comment_closed"


@pytest.mark.parametrize(
    ("before", "policy", "trusted", "after"),
    [(V, OPEN, False, V), (V, STRICT, False, H), (V, STRICT, True, V), (H, OPEN, True, H), (H, STRICT, False, H)],
)
def test_an_edit_passes_the_policy_again(
    before: CommentStatus, policy: CommentPolicy, after: CommentStatus, *, trusted: bool
) -> None:
    """What was held stays so; the members hear of what is held now; nobody is told of it twice."""
    was = evolve(at(before), pinned=before is V, approved=before is V)
    edited, events = was.edit(Actor(AUTHOR), "Hi @amy", policy, SOON, trusted=trusted)
    assert edited == evolve(was, text="Hi @amy", edited_at=SOON, status=after, pinned=after is V)
    assert events == ((evolve(HELD, at=SOON),) if (before, after) == (V, H) else ())


def test_pins() -> None:
    """For visible comments on the video itself; taking a pin off always works."""
    pinned = at(V).pin(pinned=True)
    assert pinned.pinned
    assert pinned.pin(pinned=False) == at(V)
    assert evolve(at(H), pinned=True).pin(pinned=False) == at(H)
    for comment in (at(H), at(R), at(X), evolve(at(V), parent=CommentId("cmt_0"))):
        with pytest.raises(Conflict) as caught:
            comment.pin(pinned=True)
        assert caught.value.code == "cannot_pin"


@pytest.mark.parametrize(
    ("actor", "seen"),
    [
        (ANONYMOUS, {V}), (Actor(OTHER), {V}), (Actor(AUTHOR), {V, H}), (Actor(OWNER), {V, H, R}),
        (Actor(HELPER), {V, H, R}), (Actor(OTHER, frozenset({Role.MODERATOR})), {V, H, R}),
        (Actor(OTHER, frozenset({Role.ADMIN})), {V, H, R}),
    ],
)  # fmt: skip
def test_who_sees_what(actor: Actor, seen: set[CommentStatus]) -> None:
    """Its author sees that it waits, the members see what they turned down, and what is removed nobody sees."""
    assert {status for status in CommentStatus if at(status).seen_by(actor, CHANNEL)} == seen
