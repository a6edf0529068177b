"""Any Users behaves like a dict of profiles with a version check and unique handles."""

import asyncio
from typing import Any

import pytest
from attrs import evolve
from hypothesis.stateful import Bundle, MultipleResults, invariant, multiple, rule

from application.ports import Event, Users
from domain.errors import NotFound, Stale, Taken
from domain.identity import AccountClosed, SignedUp, User
from domain.ids import UserId
from tests.contract.machine import Machine, run, some_events
from tests.strategies import HANDLES, START, USER_IDS, user_ids, users
from tests.worlds import USERS, Opener

openers = pytest.mark.parametrize("opener", [opener for _, opener in USERS], ids=[name for name, _ in USERS])

ANN = User(id=UserId("usr_ann"), handle="ann", display_name="Ann", email="ann@example.com", created_at=START)
BEN = evolve(ANN, id=UserId("usr_ben"), handle="ben_2", display_name="Ben")


class UsersMachine(Machine):
    port: Users
    held: Bundle[Any] = Bundle("held")  # profiles a client may hold, fresh or stale

    @rule(target=held, user=users())
    def draft(self, user: User) -> User:
        return user

    @rule(target=held, user=user_ids)
    def read(self, user: UserId) -> "User | MultipleResults[User]":
        return self.do(self.port.get(user)) if user in self.model else multiple()

    @rule(target=held, held=held, changed=users(), events=some_events)
    def save(self, held: User, changed: User, events: list[Event]) -> User:
        edited = evolve(changed, id=held.id, created_at=held.created_at, version=held.version)
        taken = any(user.handle == edited.handle for user in self.model.values() if user.id != edited.id)
        return self.save_both(edited.id, edited, events, *([Taken] if taken else []))

    @rule(held=held, events=some_events)
    def remove(self, held: User, events: list[Event]) -> None:
        self.remove_both(held.id, held, events)

    @invariant()
    def reads_as_the_model(self) -> None:
        self.do(self.compare_reads(USER_IDS))
        self.do(self.compare_handles())

    async def compare_handles(self) -> None:
        by_handle = {user.handle: user for user in self.model.values()}
        for handle in HANDLES:
            if handle in by_handle:
                assert await self.port.by_handle(handle) == by_handle[handle]
            else:
                with pytest.raises(NotFound):
                    await self.port.by_handle(handle)


@openers
def test_behaves_like_a_dict_of_profiles(opener: Opener[Users]) -> None:
    """Whatever is done in whatever order, reads, errors and events are the model's."""
    run(UsersMachine, opener)


@openers
async def test_a_handle_given_up_is_free_at_once(opener: Opener[Users]) -> None:
    """By a new handle, and by removal."""
    async with opener() as opened:
        ann = await opened.port.save(ANN)
        with pytest.raises(Taken) as taken:
            await opened.port.save(evolve(BEN, handle="ann"))
        assert (taken.value.code, taken.value.fields) == ("handle_taken", (("handle", str(taken.value)),))
        renamed = await opened.port.save(evolve(ann, handle="cho"))
        ben = await opened.port.save(evolve(BEN, handle="ann"))
        assert await opened.port.by_handle("ann") == ben
        await opened.port.remove(renamed)
        assert (await opened.port.save(evolve(ben, handle="cho"))).handle == "cho"


@openers
async def test_of_those_who_take_a_handle_at_once_one_gets_it(opener: Opener[Users]) -> None:
    """New ones and renamed ones alike; the others keep what they had."""
    async with opener() as opened:
        cho = await opened.port.save(evolve(ANN, id=UserId("usr_cho"), handle="cho"))
        wanted = [ANN, evolve(ANN, id=UserId("usr_ben")), evolve(cho, handle="ann")]
        results = await asyncio.gather(*map(opened.port.save, wanted), return_exceptions=True)
        (winner,) = [result for result in results if isinstance(result, User)]
        assert sum(isinstance(result, Taken) for result in results) == 2
        assert await opened.port.by_handle("ann") == winner
        if winner.id != cho.id:
            assert await opened.port.by_handle("cho") == cho


@openers
async def test_of_two_copies_one_is_saved(opener: Opener[Users]) -> None:
    """The other is stale, and nothing of it is stored, not even its event."""
    async with opener() as opened:
        ann = await opened.port.save(ANN, SignedUp(ANN.id, START))
        first = await opened.port.save(evolve(ann, display_name="First"))
        with pytest.raises(Stale):
            await opened.port.save(evolve(ann, display_name="Second"), AccountClosed(ANN.id, START))
        with pytest.raises(Stale):
            await opened.port.remove(ann, AccountClosed(ANN.id, START))
        assert await opened.port.get(ANN.id) == first
        assert await opened.events() == [SignedUp(ANN.id, START)]


@openers
async def test_what_was_removed_does_not_come_back_with_an_old_copy(opener: Opener[Users]) -> None:
    """A copy of what is no longer stored is stale."""
    async with opener() as opened:
        ann = await opened.port.save(ANN)
        await opened.port.remove(ann)
        with pytest.raises(Stale):
            await opened.port.save(ann)
        with pytest.raises(Stale):
            await opened.port.remove(ann)
        assert await opened.port.many([ANN.id]) == {}
