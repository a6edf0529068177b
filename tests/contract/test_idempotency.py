"""Any Idempotency behaves like a dict of requests by key, with the time of their last touch."""

from datetime import timedelta

import pytest
from attrs import define, evolve
from hypothesis import strategies as st
from hypothesis.stateful import rule

from application.ports import ANSWER_MOST, Answer, Idempotency
from domain.errors import Conflict, Invalid
from tests.contract.machine import Machine, run
from tests.worlds import IDEMPOTENCY, Opener

openers = pytest.mark.parametrize(
    "opener", [opener for _, opener in IDEMPOTENCY], ids=[name for name, _ in IDEMPOTENCY]
)

DAY, MINUTE, INSTANT = timedelta(hours=24), timedelta(minutes=1), timedelta(microseconds=1)
CREATED = Answer(201, {"content-type": "application/json", "etag": '"1"'}, b'{"id": "vid_0"}')

answers = st.builds(
    Answer, st.integers(200, 599), st.dictionaries(st.sampled_from(["etag", "location"]), st.text(max_size=5)),
    st.binary(max_size=20),
)  # fmt: skip
keys = st.sampled_from(["key-1", "key-2", "key-3"])
fingerprints = st.sampled_from(["a", "b"])


@define
class _Known:
    fingerprint: str
    answer: Answer | None = None


class IdempotencyMachine(Machine):
    port: Idempotency

    def __init__(self) -> None:
        super().__init__()
        self.begun = dict.fromkeys(["key-1", "key-2", "key-3"], self.clock.now() - 2 * DAY)

    def known(self, key: str) -> _Known | None:
        if self.clock.now() >= self.begun[key] + DAY:
            self.model.pop(key, None)
        known: _Known | None = self.model.get(key)
        return known

    @rule(by=st.sampled_from([INSTANT, timedelta(seconds=30), MINUTE - INSTANT, timedelta(hours=23), DAY]))
    def time_passes(self, by: timedelta) -> None:
        self.clock.advance(by)

    @rule(key=keys, fingerprint=fingerprints)
    def begin(self, key: str, fingerprint: str) -> None:
        known, now = self.known(key), self.clock.now()
        call = self.port.begin(key, fingerprint, now)
        if known is not None and known.fingerprint != fingerprint:
            assert self.refused(call, Invalid).code == "idempotency_key_reused"
        elif known is not None and known.answer is not None:
            assert self.do(call) == known.answer
        elif known is not None and now < self.begun[key] + MINUTE:
            assert self.refused(call, Conflict).code == "idempotency_in_flight"
        else:
            assert self.do(call) is None
            self.model[key], self.begun[key] = _Known(fingerprint), now

    @rule(key=keys, answer=answers)
    def finish(self, key: str, answer: Answer) -> None:
        known = self.known(key)
        if known is not None and known.answer is None:
            self.do(self.port.finish(key, answer, self.clock.now()))
            known.answer, self.begun[key] = answer, self.clock.now()

    @rule(key=keys)
    def abandon(self, key: str) -> None:
        known = self.known(key)
        if known is not None and known.answer is None:
            self.do(self.port.abandon(key))
            del self.model[key]


@openers
def test_behaves_like_a_dict_of_answers(opener: Opener[Idempotency]) -> None:
    """At every instant: the answer, the turn to answer, or why not."""
    run(IdempotencyMachine, opener, examples=100)


@openers
async def test_an_answer_is_given_again_for_a_day(opener: Opener[Idempotency]) -> None:
    """The same bytes, status and headers; then the key is as good as new, for any request."""
    async with opener() as opened:
        start = opened.clock.now()
        assert await opened.port.begin("key", "a", start) is None
        await opened.port.finish("key", CREATED, start)
        assert await opened.port.begin("key", "a", start + DAY - INSTANT) == CREATED
        assert await opened.port.begin("key", "b", start + DAY) is None


@openers
async def test_one_request_at_a_time_has_the_key(opener: Opener[Idempotency]) -> None:
    """Another waits until the first answers, gives up, or has been silent for a minute."""
    async with opener() as opened:
        start = opened.clock.now()
        assert await opened.port.begin("key", "a", start) is None
        with pytest.raises(Conflict) as conflict:
            await opened.port.begin("key", "a", start + MINUTE - INSTANT)
        assert conflict.value.code == "idempotency_in_flight"
        assert await opened.port.begin("key", "a", start + MINUTE) is None
        await opened.port.abandon("key")
        assert await opened.port.begin("key", "b", start + MINUTE) is None


@openers
async def test_a_key_belongs_to_one_request(opener: Opener[Idempotency]) -> None:
    """Whether that was answered or is being answered."""
    async with opener() as opened:
        start = opened.clock.now()
        await opened.port.begin("key", "a", start)
        with pytest.raises(Invalid) as in_flight:
            await opened.port.begin("key", "b", start)
        await opened.port.finish("key", CREATED, start)
        with pytest.raises(Invalid) as answered:
            await opened.port.begin("key", "b", start)
        assert {in_flight.value.code, answered.value.code} == {"idempotency_key_reused"}
        assert await opened.port.begin("other", "b", start) is None


@openers
async def test_giving_up_takes_no_answer_back(opener: Opener[Idempotency]) -> None:
    """An answer that was given stays; keys that nobody knows are a no-op."""
    async with opener() as opened:
        start = opened.clock.now()
        await opened.port.abandon("nobody's")
        await opened.port.begin("key", "a", start)
        await opened.port.finish("key", CREATED, start)
        await opened.port.abandon("key")
        assert await opened.port.begin("key", "a", start) == CREATED


@openers
async def test_an_answer_that_is_too_long_to_keep_is_as_good_as_lost(opener: Opener[Idempotency]) -> None:
    """The longest that is kept comes back whole; one of a byte more was given, and its request is not carried out again."""
    async with opener() as opened:
        start = opened.clock.now()
        body = bytes(range(256)) * (ANSWER_MOST // 256)
        for key, answer in (("kept", evolve(CREATED, body=body)), ("lost", evolve(CREATED, body=body + b"."))):
            await opened.port.begin(key, "a", start)
            await opened.port.finish(key, answer, start)
        assert await opened.port.begin("kept", "a", start) == evolve(CREATED, body=body)
        await opened.port.abandon("lost")
        for at in (INSTANT, DAY - INSTANT):
            with pytest.raises(Conflict) as lost:
                await opened.port.begin("lost", "a", start + at)
            assert lost.value.code == "idempotency_answer_lost"
        assert await opened.port.begin("lost", "a", start + DAY) is None


@openers
async def test_each_answer_has_its_own_day(opener: Opener[Idempotency]) -> None:
    """A request that began first and was answered last keeps no other key beyond its time."""
    async with opener() as opened:
        start = opened.clock.now()
        await opened.port.begin("slow", "a", start)
        await opened.port.begin("quick", "a", start + INSTANT)
        await opened.port.finish("quick", CREATED, start + INSTANT)
        await opened.port.finish("slow", CREATED, start + MINUTE)
        assert await opened.port.begin("quick", "b", start + DAY + INSTANT) is None
        assert await opened.port.begin("slow", "a", start + DAY + INSTANT) == CREATED
