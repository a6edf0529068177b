"""Any Reactions behaves like a dict of (subject, user) to reaction, and its tallies are exact."""

import asyncio

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from application.ports import Event, Reactions, ReactionTally
from domain.engagement import Reaction
from domain.ids import UserId
from tests.contract.machine import Machine, run, some_events
from tests.strategies import reactions, user_ids
from tests.worlds import REACTIONS, Opener

openers = pytest.mark.parametrize("opener", [opener for _, opener in REACTIONS], ids=[name for name, _ in REACTIONS])

SUBJECTS = ["vid_0", "vid_1", "cmt_0"]
USERS = [UserId(f"usr_{each}") for each in ("ann", "ben", "cho", "dov")]
subjects = st.sampled_from(SUBJECTS)


class ReactionsMachine(Machine):
    port: Reactions

    @rule(subject=subjects, user=user_ids, reaction=reactions, events=some_events)
    def put(self, subject: str, user: UserId, reaction: Reaction, events: list[Event]) -> None:
        new = self.model.get((subject, user)) is not reaction
        assert self.do(self.port.put(subject, user, reaction, *events)) is new
        self.model[subject, user] = reaction
        self.told(*(events if new else []))

    @rule(subject=subjects, user=user_ids)
    def remove(self, subject: str, user: UserId) -> None:
        there = self.model.pop((subject, user), None) is not None
        assert self.do(self.port.remove(subject, user)) is there

    @rule(subject=subjects)
    def forget(self, subject: str) -> None:
        self.do(self.port.forget(subject))
        self.model = {key: reaction for key, reaction in self.model.items() if key[0] != subject}

    @invariant()
    def reads_as_the_model(self) -> None:
        for user in USERS:
            expected = {subject: reaction for (subject, who), reaction in self.model.items() if who == user}
            assert self.do(self.port.of(user, SUBJECTS)) == expected
        tallies = {}
        for asked in [*SUBJECTS, "vid_none"]:
            given = [reaction for (subject, _), reaction in self.model.items() if subject == asked]
            tallies[asked] = ReactionTally(given.count(Reaction.LIKE), given.count(Reaction.DISLIKE))
        assert self.do(self.port.tallies([*SUBJECTS, "vid_none"])) == tallies


@openers
def test_behaves_like_a_dict_of_reactions(opener: Opener[Reactions]) -> None:
    """Whatever is done in whatever order, answers, tallies and events are the model's."""
    run(ReactionsMachine, opener)


@openers
async def test_another_reaction_takes_the_place_of_the_first(opener: Opener[Reactions]) -> None:
    """It is new; the same once more is not."""
    async with opener() as opened:
        ann = USERS[0]
        assert await opened.port.put("vid_0", ann, Reaction.LIKE)
        assert await opened.port.put("vid_0", ann, Reaction.DISLIKE)
        assert not await opened.port.put("vid_0", ann, Reaction.DISLIKE)
        assert await opened.port.tallies(["vid_0"]) == {"vid_0": ReactionTally(0, 1)}
        assert await opened.port.of(ann, ["vid_0", "vid_1"]) == {"vid_0": Reaction.DISLIKE}


@openers
async def test_of_many_who_react_at_once_each_counts_once(opener: Opener[Reactions]) -> None:
    """Whoever does it twice, too; and of those who change their mind or take it back, what they did last."""
    async with opener() as opened:
        crowd = [UserId(f"usr_{number}") for number in range(50)]
        new = await asyncio.gather(*(opened.port.put("vid_0", user, Reaction.LIKE) for user in crowd * 2))
        assert new.count(True) == 50
        assert await opened.port.tallies(["vid_0"]) == {"vid_0": ReactionTally(50, 0)}
        taken = asyncio.gather(*(opened.port.remove("vid_0", user) for user in crowd[:10] * 2))
        changed = asyncio.gather(*(opened.port.put("vid_0", user, Reaction.DISLIKE) for user in crowd[10:30]))
        assert (await taken).count(True) == 10
        assert all(await changed)
        assert await opened.port.tallies(["vid_0"]) == {"vid_0": ReactionTally(20, 20)}
        await opened.port.forget("vid_0")
        assert await opened.port.tallies(["vid_0"]) == {"vid_0": ReactionTally()}
        assert [await opened.port.of(user, ["vid_0"]) for user in crowd] == [{}] * 50
