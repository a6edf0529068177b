"""What the state machines of the contract share: a port on its own loop, its events, walks over its lists."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar, cast

import pytest
from attrs import define, evolve, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from application.ports import Event, Page
from domain.errors import DomainError, NotFound, Stale
from tests.strategies import events
from tests.worlds import Opened, Opener

T = TypeVar("T")

some_events = st.lists(events(), max_size=2)


class Machine(RuleBasedStateMachine):
    """Does the same to a port and to a model of it (a dict of values), and compares."""

    @staticmethod
    def opener() -> AbstractAsyncContextManager[Opened[Any]]:
        raise NotImplementedError("run() says what to open")

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[Any, Any] = {}
        self.runner = asyncio.Runner()
        self.context = self.opener()
        self.opened = self.do(self.context.__aenter__())
        self.port: Any = self.opened.port
        self.clock = self.opened.clock

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    def refused(self, call: Coroutine[Any, Any, object], *errors: type[DomainError]) -> DomainError:
        """The error that the call raises, one of ``errors``; and no event comes of it."""
        try:
            self.do(call)
        except errors as error:
            self.told()
            return error
        raise AssertionError(f"this should raise one of {errors}")

    def told(self, *expected: Event) -> None:
        """Exactly these events were stored since the last look, in whatever order."""
        stored = self.do(self.opened.events())
        assert sorted(map(repr, stored)) == sorted(map(repr, expected))

    def save_both(self, key: str, value: T, events: Sequence[Event], *clashes: type[DomainError]) -> T:
        """Save to the port and the model; what a client then holds. ``clashes``: what else stands in the way."""
        held: Any = value
        stored = self.model.get(key)
        errors = (*clashes, Stale) if held.version != (stored.version if stored else 0) else clashes
        if errors:
            self.refused(self.port.save(held, *events), *errors)
            return value
        saved = self.model[key] = self.do(self.port.save(held, *events))
        assert saved == evolve(held, version=saved.version)
        assert saved.version > held.version
        self.told(*events)
        return cast("T", saved)

    def remove_both(self, key: str, value: Any, events: Sequence[Event]) -> None:
        stored = self.model.get(key)
        if stored is not None and value.version == stored.version:
            self.do(self.port.remove(value, *events))
            del self.model[key]
            self.told(*events)
        elif value.version:
            self.refused(self.port.remove(value, *events), Stale)

    async def compare_reads(self, keys: Sequence[str]) -> None:
        """One by one and together."""
        assert await self.port.many(keys) == self.model
        for key in keys:
            if key in self.model:
                assert await self.port.get(key) == self.model[key]
            else:
                with pytest.raises(NotFound):
                    await self.port.get(key)

    def teardown(self) -> None:
        self.do(self.context.__aexit__(None, None, None))
        self.runner.close()


def run(machine: type[Machine], opener: Opener[Any], *, examples: int = 40, steps: int = 30) -> None:
    """The machine, on a port opened anew for each example."""
    bound = type(machine.__name__, (machine,), {"opener": staticmethod(opener)})
    run_state_machine_as_test(bound, settings=settings(max_examples=examples, stateful_step_count=steps))


Read = Callable[[str | None, int], Coroutine[Any, Any, Page[Any]]]
"""One page of a list: from a cursor on, at most so many."""
Places = Callable[[], Mapping[str, object]]
"""What the model says is in the list now: each thing's name, and what decides where it stands."""


@define
class Walk:
    """Somebody reads a list page by page while it changes. ``stayed``: what has been in its place throughout."""

    read: Read
    places: Places
    name: Callable[[Any], str]
    stayed: dict[str, object]
    cursor: str | None = None
    shown: Counter[str] = field(factory=Counter)


class WalkingMachine(Machine):
    """Besides, reads lists while they change: what stays where it is, is shown once."""

    def __init__(self) -> None:
        super().__init__()
        self.walks: list[Walk] = []

    def set_out(self, read: Read, places: Places, name: Callable[[Any], str]) -> None:
        self.walks.append(Walk(read, places, name, dict(places())))

    @precondition(lambda self: self.walks)
    @rule(limit=st.integers(1, 3))
    def turn_the_page(self, limit: int) -> None:
        for walk in list(self.walks):
            page = self.do(walk.read(walk.cursor, limit))
            assert len(page.items) <= limit
            walk.shown.update(walk.name(item) for item in page.items)
            assert page.next is None or page.next != walk.cursor, "this walk would never end"
            walk.cursor = page.next
            if page.next is None:
                self.arrive(walk)

    def arrive(self, walk: Walk) -> None:
        self.walks.remove(walk)
        assert {name: walk.shown[name] for name in walk.stayed} == dict.fromkeys(walk.stayed, 1)

    @invariant()
    def see_what_stays(self) -> None:
        for walk in self.walks:
            now = walk.places()
            walk.stayed = {name: place for name, place in walk.stayed.items() if now.get(name) == place}

    def teardown(self) -> None:
        while self.walks:
            self.turn_the_page(2)
        super().teardown()


async def walked(read: Read, limit: int) -> list[Any]:
    """Every item of a list that stands still."""
    items: list[Any] = []
    cursor: str | None = None
    while True:
        page = await read(cursor, limit)
        assert len(page.items) <= limit
        items += page.items
        assert page.next is None or page.next != cursor, "this walk would never end"
        cursor = page.next
        if cursor is None:
            return items


def same(
    items: Sequence[T], expected: Sequence[T], order: Callable[[T], Any] | None = None, *, descending: bool = False
) -> None:
    """The same items, each as often; where an order is given, in it. What ties may come either way round."""
    assert sorted(map(repr, items)) == sorted(map(repr, expected))
    if order is not None:
        places = [order(item) for item in items]
        assert places == sorted(places, reverse=descending)
