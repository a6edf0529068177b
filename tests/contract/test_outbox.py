"""Any Outbox gives each event until it is done with, to one at a time."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import define
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, multiple, rule

from application.ports import Envelope, Event, Outbox
from domain.channels import ChannelOpened
from domain.ids import ChannelId, EventId
from tests.contract.machine import Machine, run
from tests.strategies import START, event_ids, events
from tests.worlds import OUTBOXES, Opener

openers = pytest.mark.parametrize("opener", [opener for _, opener in OUTBOXES], ids=[name for name, _ in OUTBOXES])

MINUTE, INSTANT = timedelta(minutes=1), timedelta(microseconds=1)
SPANS = st.sampled_from([-INSTANT, timedelta(0), INSTANT, timedelta(seconds=30), MINUTE, 10 * MINUTE])


def event(number: int) -> Event:
    return ChannelOpened(ChannelId(f"chn_{number}"), START)


def named(number: int) -> EventId:
    return EventId(f"evt_{number:03}")


@define
class _Known:
    event: Event
    held_until: datetime
    deliveries: int = 0
    ended: bool = False


class OutboxMachine(Machine):
    port: Outbox
    claimed: Bundle[Any] = Bundle("claimed")  # deliveries someone may be working on, held still or not

    def __init__(self) -> None:
        super().__init__()
        self.dead: dict[EventId, tuple[Envelope, str]] = {}

    def free(self) -> set[EventId]:
        now = self.clock.now()
        return {id_ for id_, known in self.model.items() if not known.ended and known.held_until <= now}

    @rule(id_=event_ids, event=events())
    def put(self, id_: EventId, event: Event) -> None:
        self.do(self.port.put(event, id_))
        self.model.setdefault(id_, _Known(event, self.clock.now()))

    @rule(by=st.sampled_from([INSTANT, timedelta(seconds=30), MINUTE - INSTANT, MINUTE]))
    def time_passes(self, by: timedelta) -> None:
        self.clock.advance(by)

    @rule(target=claimed, limit=st.integers(1, 4))
    def claim(self, limit: int) -> Any:
        free = self.free()
        envelopes = self.do(self.port.claim(self.clock.now(), limit))
        assert len({each.id for each in envelopes}) == len(envelopes) == min(limit, len(free))
        assert {each.id for each in envelopes} <= free
        for envelope in envelopes:
            self.deliver(envelope)
        return multiple(*envelopes)

    @rule(target=claimed, only=st.lists(event_ids, max_size=4), limit=st.integers(1, 4))
    def claim_named(self, only: list[EventId], limit: int) -> Any:
        free = self.free() & set(only)
        envelopes = self.do(self.port.claim(self.clock.now(), limit, only=only))
        assert len({each.id for each in envelopes}) == len(envelopes) == min(limit, len(free))
        assert {each.id for each in envelopes} <= free
        for envelope in envelopes:
            self.deliver(envelope)
        return multiple(*envelopes)

    def deliver(self, envelope: Envelope) -> None:
        known = self.model[envelope.id]
        known.deliveries += 1
        known.held_until = self.clock.now() + MINUTE
        assert envelope == Envelope(envelope.id, known.event, known.deliveries)

    @rule(envelope=claimed)
    def done(self, envelope: Envelope) -> None:
        self.do(self.port.done(envelope.id))
        self.model[envelope.id].ended = True

    @rule(envelope=claimed, after=SPANS)
    def failed_for_now(self, envelope: Envelope, after: timedelta) -> None:
        known = self.model[envelope.id]
        if known.deliveries == envelope.attempts:
            again_at = self.clock.now() + after
            self.do(self.port.failed(envelope.id, "not now", again_at))
            known.held_until = again_at

    @rule(envelope=claimed, reason=st.sampled_from(["broken", "unknown video"]))
    def failed_for_good(self, envelope: Envelope, reason: str) -> None:
        known = self.model[envelope.id]
        if known.deliveries == envelope.attempts:
            self.do(self.port.failed(envelope.id, reason, None))
            if not known.ended:
                known.ended = True
                self.dead[envelope.id] = (envelope, reason)

    @invariant()
    def the_dead_are_kept(self) -> None:
        expected = [self.dead[id_] for id_ in sorted(self.dead)]
        assert list(self.do(self.port.dead())) == expected
        assert list(self.do(self.port.dead(limit=1))) == expected[:1]

    def teardown(self) -> None:
        """At least once: whatever did not end comes again, each once."""
        self.clock.advance(20 * MINUTE)
        left = self.free()
        while envelopes := self.do(self.port.claim(self.clock.now(), 2)):
            for envelope in envelopes:
                left.remove(envelope.id)
                self.deliver(envelope)
        assert left == set()
        super().teardown()


@openers
def test_every_event_comes_until_it_is_done_with(opener: Opener[Outbox]) -> None:
    """Never one that someone holds, and never one that ended."""
    run(OutboxMachine, opener, examples=80, steps=40)


def ids(envelopes: Sequence[Envelope]) -> list[str]:
    return [each.id for each in envelopes]


@openers
async def test_the_longest_waiting_come_first(opener: Opener[Outbox]) -> None:
    """Some at a time, until nobody's are left."""
    async with opener() as opened:
        for number in range(5):
            await opened.port.put(event(number), named(number))
            opened.clock.advance(INSTANT)
        now = opened.clock.now()
        assert ids(await opened.port.claim(now, 2)) == [named(0), named(1)]
        assert ids(await opened.port.claim(now, 2)) == [named(2), named(3)]
        assert ids(await opened.port.claim(now, 2)) == [named(4)]
        assert list(await opened.port.claim(now, 2)) == []


@openers
async def test_those_that_are_named_are_claimed_and_no_others(opener: Opener[Outbox]) -> None:
    """Each once, the longest waiting first; not those that are held, put off, done with or unknown."""
    async with opener() as opened:
        start = opened.clock.now()
        for number in range(6):
            await opened.port.put(event(number), named(number))
        assert ids(await opened.port.claim(start, only=[named(4), named(1), named(4)])) == [named(1), named(4)]
        await opened.port.failed(named(1), "not now", start + 2 * MINUTE)
        await opened.port.done(named(4))
        wanted = [named(5), named(1), named(4), named(2), named(9)]
        assert ids(await opened.port.claim(start, 1, only=wanted)) == [named(2)]
        assert ids(await opened.port.claim(start, only=wanted)) == [named(5)]
        assert list(await opened.port.claim(start, only=[])) == []
        assert ids(await opened.port.claim(start + MINUTE, only=wanted)) == [named(2), named(5)]
        assert ids(await opened.port.claim(start + 2 * MINUTE, only=[named(1)])) == [named(1)]


@openers
async def test_what_was_not_named_waits_on(opener: Opener[Outbox]) -> None:
    """Whoever waits for anything to claim is not kept waiting by those who claim by name."""
    async with opener() as opened, asyncio.timeout(10):
        for number in range(3):
            await opened.port.put(event(number), named(number))
        now = opened.clock.now()
        assert ids(await opened.port.claim(now, only=[named(1)])) == [named(1)]
        await opened.port.wait(60)
        assert ids(await opened.port.claim(now)) == [named(0), named(2)]


@openers
async def test_who_comes_late_waits_whatever_its_name(opener: Opener[Outbox]) -> None:
    """The pages of a long fan-out are named after an old event, and let newer ones pass between them."""
    async with opener() as opened:
        await opened.port.put(event(1), named(5))
        opened.clock.advance(INSTANT)
        await opened.port.put(event(2), named(1))
        first = await opened.port.claim(opened.clock.now(), 1)
        assert [each.id for each in first] == [named(5)]


@openers
async def test_what_is_held_comes_again_after_a_minute(opener: Opener[Outbox]) -> None:
    """To nobody before; the same event under the same id, delivered once more."""
    async with opener() as opened:
        await opened.port.put(event(0), named(0))
        start = opened.clock.now()
        assert list(await opened.port.claim(start)) == [Envelope(named(0), event(0), 1)]
        assert list(await opened.port.claim(start + MINUTE - INSTANT)) == []
        assert list(await opened.port.claim(start + MINUTE)) == [Envelope(named(0), event(0), 2)]
        await opened.port.done(named(0))
        assert list(await opened.port.claim(start + 10 * MINUTE)) == []


@openers
async def test_what_failed_comes_when_it_should(opener: Opener[Outbox]) -> None:
    """Sooner or later than its hold would have run out."""
    async with opener() as opened:
        start = opened.clock.now()
        for number in (0, 1):
            await opened.port.put(event(number), named(number))
        await opened.port.claim(start)
        await opened.port.failed(named(0), "soon", start + INSTANT)
        await opened.port.failed(named(1), "late", start + 5 * MINUTE)
        assert ids(await opened.port.claim(start + INSTANT)) == [named(0)]
        await opened.port.done(named(0))
        assert list(await opened.port.claim(start + 5 * MINUTE - INSTANT)) == []
        assert list(await opened.port.claim(start + 5 * MINUTE)) == [Envelope(named(1), event(1), 2)]


@openers
async def test_dead_letters_are_kept_aside(opener: Opener[Outbox]) -> None:
    """With the last reason and how often they were tried, oldest first; they do not come again."""
    async with opener() as opened:
        start = opened.clock.now()
        for number in (0, 1):
            await opened.port.put(event(number), named(number))
        await opened.port.claim(start)
        await opened.port.failed(named(1), "broken", None)
        await opened.port.failed(named(0), "not yet", start)
        await opened.port.claim(start)
        await opened.port.failed(named(0), "never", None)
        dead = [(Envelope(named(0), event(0), 2), "never"), (Envelope(named(1), event(1), 1), "broken")]
        assert list(await opened.port.dead()) == dead
        assert list(await opened.port.dead(limit=1)) == dead[:1]
        await opened.port.put(event(0), named(0))
        assert list(await opened.port.claim(start + 10 * MINUTE)) == []


@openers
async def test_an_id_is_put_once(opener: Opener[Outbox]) -> None:
    """Also when it is held, or done with a while ago; ending what is unknown is a no-op."""
    async with opener() as opened:
        now = opened.clock.now()
        await opened.port.put(event(0), named(0))
        await opened.port.put(event(1), named(0))
        assert list(await opened.port.claim(now)) == [Envelope(named(0), event(0))]
        await opened.port.put(event(1), named(0))
        await opened.port.done(named(0))
        await opened.port.put(event(1), named(0))
        await opened.port.done(named(7))
        await opened.port.failed(named(7), "unknown", now)
        assert list(await opened.port.claim(now + 10 * MINUTE)) == []
        assert list(await opened.port.dead()) == []


@openers
async def test_one_waits_no_longer_than_there_is_nothing(opener: Opener[Outbox]) -> None:
    """An event wakes whoever waits; one that is there already, or left by a claim, keeps nobody waiting."""
    async with opener() as opened, asyncio.timeout(10):
        waiting = asyncio.ensure_future(opened.port.wait(60))
        await asyncio.wait({waiting}, timeout=0)
        assert not waiting.done()
        await opened.port.put(event(0), named(0))
        await waiting
        await opened.port.put(event(1), named(1))
        await opened.port.claim(opened.clock.now(), 1)
        await opened.port.wait(60)


@openers
async def test_a_wait_ends(opener: Opener[Outbox]) -> None:
    """Nothing came, so whoever waited may look whether a hold ran out."""
    async with opener() as opened, asyncio.timeout(10):
        await opened.port.put(event(0), named(0))
        await opened.port.claim(opened.clock.now())
        await opened.port.wait(0)


@openers
async def test_a_late_failure_still_puts_it_off(opener: Opener[Outbox]) -> None:
    """Its hold ran out and nobody took it over yet: it comes when the failure says, not before."""
    async with opener() as opened:
        start = opened.clock.now()
        for number in (0, 1):
            await opened.port.put(event(number), named(number))
        await opened.port.claim(start)
        (again,) = await opened.port.claim(start + MINUTE, 1)
        other = named(1) if again.id == named(0) else named(0)
        await opened.port.failed(other, "late", start + 5 * MINUTE)
        await opened.port.done(again.id)
        assert list(await opened.port.claim(start + 5 * MINUTE - INSTANT)) == []
        assert ids(await opened.port.claim(start + 5 * MINUTE)) == [other]
