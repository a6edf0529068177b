"""What the machinery over DynamoDB makes of everything that goes wrong on the way, and of what is cut into pieces."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import define, evolve, field, frozen
from botocore.exceptions import (
    ChecksumError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from adapters.aws.dynamo import (
    NEW,
    THERE,
    TRANSACTION_MOST,
    TRIES,
    Conflicted,
    Key,
    Refused,
    Request,
    Tables,
    Write,
    check,
    current_request,
    delete,
    expiry,
    live,
    number,
    put,
    stamp,
    text,
    update,
)
from adapters.aws.tables import OPS, Operation, Pattern
from domain.errors import Unavailable
from tests.adapters.faulty import LOST, FaultyDynamo, cancelled, refusal
from tests.strategies import START


def asked(operation: Operation) -> Pattern:
    """Not declared: nothing but these tests asks so."""
    return Pattern(purpose="try", operation=operation, table=OPS, partition="P", strong=True)


GET, MANY, QUERY = asked(Operation.GET), asked(Operation.MANY), asked(Operation.QUERY)
WRITE, BATCH = asked(Operation.WRITE), asked(Operation.BATCH)
ONE, OTHER, COUNT = Key("P", "one"), Key("P", "other"), Key("P", "count")
CONFLICT = cancelled("None", "TransactionConflict")


@define(eq=False)
class World:
    """Tables over the faulty database, and how long was waited between tries."""

    dynamo: FaultyDynamo = field(factory=FaultyDynamo)
    pauses: list[float] = field(factory=list)

    @property
    def tables(self) -> Tables:
        return Tables(self.dynamo, {"ops": "hexcast-ops"}, self.pause)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def meets(self, *troubles: Exception | str) -> None:
        self.dynamo.troubles.extend(troubles)

    def said(self, key: Key, name: str = "said") -> str | None:
        """What an attribute of an item is, whether text or number."""
        item = self.dynamo.items.get((key.pk, key.sk))
        return next(iter(item[name].values()), None) if item and name in item else None


@pytest.fixture
def world() -> World:
    return World()


def saying(key: Key, said: str, condition: str = "", **values: Any) -> Write:
    return put(WRITE, key, {"said": text(said)}, condition, **values)


def counting(by: int = 1) -> Write:
    return update(WRITE, COUNT, "ADD #said :by", by=number(by))


def cut_off() -> Iterator[Exception]:
    yield ReadTimeoutError(endpoint_url="http://dynamo.test")
    yield ConnectTimeoutError(endpoint_url="http://dynamo.test")
    yield EndpointConnectionError(endpoint_url="http://dynamo.test")
    yield ChecksumError(checksum_type="crc32", expected_checksum=1, actual_checksum=2)
    yield ResponseParserError("half of an answer")


def busy() -> Iterator[Exception]:
    for code in ("ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError", "503"):
        yield refusal(code)


Call = Callable[[Tables], Any]
calls = pytest.mark.parametrize(
    "call",
    [
        lambda tables: tables.get(GET, ONE),
        lambda tables: tables.many(MANY, [ONE, OTHER]),
        lambda tables: tables.query(QUERY, "P", limit=1),
        lambda tables: tables.write(saying(ONE, "a")),
        lambda tables: tables.write(saying(ONE, "a"), saying(OTHER, "b")),
        lambda tables: tables.write_many([put(BATCH, ONE, {})]),
    ],
    ids=["get", "many", "query", "write", "transaction", "batch"],
)  # fmt: skip


# --- what cannot be had now ----------------------------------------------------------------------


@calls
@pytest.mark.parametrize("trouble", [*busy(), *cut_off()], ids=str)
async def test_what_the_sdk_gave_up_is_for_later(world: World, call: Call, trouble: Exception) -> None:
    """It had its own tries; whoever asked is told so, in the words of the domain."""
    world.meets(trouble)
    with pytest.raises(Unavailable) as unavailable:
        await call(world.tables)
    assert unavailable.value.code == "database_busy"


@calls
@pytest.mark.parametrize("code", ["ValidationException", "AccessDeniedException", "ResourceNotFoundException"])
async def test_mistakes_of_ours_are_not_taken_for_weather(world: World, call: Call, code: str) -> None:
    """What trying again would not mend."""
    world.meets(refusal(code))
    with pytest.raises(ClientError, match=code):
        await call(world.tables)
    assert len(world.dynamo.calls) == 1


async def test_a_transaction_cancelled_for_another_reason_is_a_mistake(world: World) -> None:
    world.meets(cancelled("None", "ValidationError"))
    with pytest.raises(ClientError, match="TransactionCanceledException"):
        await world.tables.write(saying(ONE, "a"), saying(OTHER, "b"))


async def test_a_pattern_is_asked_in_its_own_way(world: World) -> None:
    """What is declared is what is done."""
    with pytest.raises(TypeError, match="declared as Query, not GetItem"):
        await world.tables.get(QUERY, ONE)
    with pytest.raises(TypeError, match="declared as Write, not BatchWriteItem"):
        await world.tables.write_many([saying(ONE, "a")])


# --- answers that are lost -----------------------------------------------------------------------


async def test_whoever_is_refused_by_their_own_write_was_not(world: World) -> None:
    """The answer was lost, so the SDK sent it again: a new item was there, a version had moved."""
    world.meets(LOST)
    await world.tables.write(saying(ONE, "a", NEW))
    world.meets(LOST)
    await world.tables.write(saying(ONE, "b", "#said = :was", was=text("a")))
    world.meets(LOST)
    await world.tables.write(update(WRITE, ONE, "SET #said = :to", "#said = :was", to=text("c"), was=text("b")))
    assert world.said(ONE) == "c"
    assert world.dynamo.calls == ["PutItem", "PutItem", "UpdateItem"], "each at the price of one"


async def test_what_leaves_no_trace_is_done_once(world: World) -> None:
    """A count, and what is gone, are transactions, which have a token."""
    await world.tables.write(saying(ONE, "a"))
    world.meets(LOST)
    await world.tables.write(counting())
    world.meets(LOST)
    await world.tables.write(delete(WRITE, ONE, THERE))
    world.meets(LOST)
    await world.tables.write(saying(OTHER, "b", NEW), counting())
    assert (world.said(COUNT), world.said(ONE), world.said(OTHER)) == ("2", None, "b")


async def test_a_sum_in_a_set_is_done_once(world: World) -> None:
    await world.tables.write(update(WRITE, COUNT, "SET #said = #said + :by", by=number(1)))
    assert world.dynamo.calls == ["TransactWriteItems"]


async def test_what_is_gone_may_be_deleted_again(world: World) -> None:
    """Without a condition, at the price of one."""
    await world.tables.write(saying(ONE, "a"))
    world.meets(LOST)
    await world.tables.write(delete(WRITE, ONE))
    assert world.dynamo.calls[1:] == ["DeleteItem"]
    assert world.dynamo.items == {}


# --- refusals ------------------------------------------------------------------------------------


async def test_a_refusal_says_what_was_there(world: World) -> None:
    """By the places of the writes that were refused; None where there was nothing. Nothing is written."""
    await world.tables.write(saying(ONE, "a"))
    with pytest.raises(Refused) as alone:
        await world.tables.write(saying(ONE, "b", NEW))
    assert [(at, item and item["said"]) for at, item in alone.value.there.items()] == [(0, text("a"))]
    with pytest.raises(Refused) as together:
        await world.tables.write(counting(), saying(ONE, "b", NEW), check(WRITE, OTHER, THERE))
    assert {at: item and item["said"] for at, item in together.value.there.items()} == {1: text("a"), 2: None}
    assert (world.said(ONE), world.said(COUNT)) == ("a", None)
    with pytest.raises(Refused) as missing:
        await world.tables.write(update(WRITE, OTHER, "SET #said = :to", THERE, to=text("b")))
    assert missing.value.there == {0: None}


async def test_someone_elses_write_of_the_same_is_no_write_of_ours(world: World) -> None:
    await world.tables.write(saying(ONE, "a", NEW))
    with pytest.raises(Refused):
        await world.tables.write(saying(ONE, "a", NEW))


# --- others at the same items --------------------------------------------------------------------


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
async def test_who_meets_others_waits_and_tries_again(world: World, code: str) -> None:
    """The SDK does not."""
    world.meets(cancelled("None", code), cancelled(code, "None"))
    await world.tables.write(saying(ONE, "a"), counting())
    assert (world.said(ONE), world.said(COUNT)) == ("a", "1")
    assert len(world.pauses) == 2


async def test_a_single_write_meets_others_too(world: World) -> None:
    world.meets(refusal("TransactionConflictException"))
    await world.tables.write(saying(ONE, "a", NEW))
    assert world.said(ONE) == "a"


async def test_nobody_tries_for_ever(world: World) -> None:
    """And waits ever longer, within bounds."""
    world.meets(*[CONFLICT] * TRIES)
    with pytest.raises(Unavailable) as unavailable:
        await world.tables.write(saying(ONE, "a"), counting())
    assert unavailable.value.code == "database_busy"
    assert len(world.pauses) == TRIES
    assert all(0 <= pause <= 1 for pause in world.pauses)
    assert world.dynamo.items == {}


async def test_each_try_may_write_something_else(world: World) -> None:
    """It is told where others were, and is carried out as what it is: another token for another content."""
    met = list[frozenset[int]]()

    async def conflicted(conflict: Conflicted) -> None:
        met.append(conflict.places)

    world.meets(CONFLICT, LOST)
    await world.tables.attempt(lambda tried: [saying(ONE, f"try {tried}"), counting()], conflicted)
    assert (world.said(ONE), world.said(COUNT), met) == ("try 1", "1", [frozenset({1})])


async def test_nothing_to_write_asks_nobody(world: World) -> None:
    await world.tables.write()
    await world.tables.write_many([])
    assert world.dynamo.calls == []


# --- what is done in pieces ----------------------------------------------------------------------


def numbered(count: int) -> Sequence[Key]:
    return [Key("P", f"{number:04}") for number in range(count)]


async def stored(world: World, count: int) -> Sequence[Key]:
    keys = numbered(count)
    await world.tables.write_many([put(BATCH, key, {"said": text(key.sk)}) for key in keys])
    return keys


async def test_a_batch_is_written_to_its_last(world: World) -> None:
    """Twenty-five at a time, and what was left undone again."""
    world.dynamo.batch_most = 10
    keys = await stored(world, 60)
    assert len(world.dynamo.items) == 60
    assert len(world.dynamo.calls) == 7
    assert len(world.pauses) == 4
    await world.tables.write_many([delete(BATCH, key) for key in keys[:-1]])
    assert list(world.dynamo.items) == [("P", "0059")]


async def test_a_batch_that_gets_nowhere_is_given_up(world: World) -> None:
    world.dynamo.batch_most = 0
    with pytest.raises(Unavailable):
        await stored(world, 1)
    with pytest.raises(Unavailable):
        await world.tables.many(MANY, numbered(1))
    assert len(world.pauses) == 2 * TRIES


async def test_many_are_read_to_the_last(world: World) -> None:
    """A hundred at a time, each once, and what was left out again; what is not there is not in it."""
    keys = await stored(world, 150)
    world.dynamo.batch_most = 40
    found = await world.tables.many(MANY, [*keys, *keys, OTHER])
    assert {key: item["said"]["S"] for key, item in found.items()} == {key: key.sk for key in keys}
    assert await world.tables.many(MANY, []) == {}


async def test_only_what_is_shown_is_read(world: World) -> None:
    """By its key, or in a list, from one page to the next."""
    for number_ in range(3):
        await world.tables.write(put(WRITE, Key("P", str(number_)), {"said": text("a"), "beside": text("b")}))
    world.dynamo.page_most = world.dynamo.batch_most = 1
    listed = await world.tables.query(evolve(QUERY, shown=("said",)), "P", above="0", limit=None)
    assert listed == [{"said": text("a")}] * 2
    found = await world.tables.many(evolve(MANY, shown=("said",)), [Key("P", "0"), Key("P", "1"), OTHER])
    assert found == {Key("P", sk): {**Key("P", sk).attributes, "said": text("a")} for sk in "01"}


@pytest.mark.parametrize("page_most", [1, 7, 1000])
async def test_a_query_goes_on_where_a_page_was_cut(world: World, page_most: int) -> None:
    """It asks for no more than is wanted."""
    keys = await stored(world, 30)
    world.dynamo.page_most = page_most
    for limit in (1, 10, 30, 31):
        found = await world.tables.query(QUERY, "P", limit=limit)
        assert [item["sk"]["S"] for item in found] == [key.sk for key in keys[:limit]]


@pytest.mark.parametrize(
    ("above", "below", "expected"),
    [
        (None, None, "0123456789"), ("0003", None, "456789"), (None, "0003", "012"), ("0003", "0006", "45"),
        ("0003", "0004", ""), ("0003", "0003", ""), ("0006", "0003", ""), ("", "0001", "0"), ("0002x", "0004", "3"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("descending", [False, True])
async def test_bounds_are_not_among_what_is_between(
    world: World, above: str | None, below: str | None, expected: str, *, descending: bool
) -> None:
    """Also when there can be nothing between them."""
    await stored(world, 10)
    found = await world.tables.query(QUERY, "P", above=above, below=below, descending=descending, limit=20)
    assert "".join(item["sk"]["S"][-1] for item in found) == (expected[::-1] if descending else expected)


@pytest.mark.parametrize("name", ["", "x" * 3000, "é" * 1025, "\ud800"], ids=["empty", "long", "wide", "half"])
async def test_where_nothing_can_be_is_nothing(world: World, name: str) -> None:
    """Clients ask for anything; DynamoDB refuses what is no key."""
    assert await world.tables.get(GET, Key("P", name)) is None
    assert await world.tables.many(MANY, [Key(name, "one"), Key("P", name)]) == {}
    assert list(await world.tables.query(QUERY, name * 2, limit=1)) == []
    assert world.dynamo.calls == []
    await stored(world, 3)
    for bounds in ({"above": f"0001{name}x"}, {"below": f"0001{name}x", "descending": True}):
        found = await world.tables.query(QUERY, "P", limit=1, **bounds)
        assert [item["sk"]["S"] for item in found] == ["0002" if "above" in bounds else "0001"]


# --- whose effect it is --------------------------------------------------------------------------

MARKED = Key("REQUEST", "REQUEST")
MARK = update(WRITE, MARKED, "SET #effected = :yes", THERE, yes=text("yes"))


@frozen
class Asked:
    """A request that is being answered."""

    world: World

    def marked(self) -> bool:
        return self.world.said(MARKED, "effected") == "yes"


@pytest.fixture
async def begun(world: World) -> AsyncIterator[Asked]:
    """What the test writes is its effect."""
    asked = Asked(world)
    await world.tables.write(saying(MARKED, "waits"), effect=False)
    current_request.set(Request("key", MARK))
    yield asked
    current_request.set(None)


async def test_the_first_write_marks_the_request(world: World, begun: Asked) -> None:
    """In one step with it; those that follow are as cheap as ever."""
    await world.tables.write(saying(ONE, "a", NEW))
    assert begun.marked()
    await world.tables.write(saying(ONE, "b"))
    assert world.dynamo.calls == ["PutItem", "TransactWriteItems", "PutItem"]


async def test_what_came_to_nothing_marks_nothing(world: World, begun: Asked) -> None:
    """Refused, in vain, or none of the request's."""
    await world.tables.write(saying(ONE, "a"), effect=False)
    with pytest.raises(Refused) as refused:
        await world.tables.write(saying(ONE, "b", NEW))
    assert list(refused.value.there) == [0]
    world.meets(*[CONFLICT] * TRIES)
    with pytest.raises(Unavailable):
        await world.tables.write(saying(ONE, "b"))
    assert not begun.marked()
    await world.tables.write(saying(ONE, "b"))
    assert begun.marked()


async def test_what_makes_room_for_the_next_try_is_no_effect(world: World, begun: Asked) -> None:
    """Should nothing come of it after all."""

    async def conflicted(_: Conflicted) -> None:
        await world.tables.write(saying(OTHER, "room"))

    world.meets(CONFLICT)
    with pytest.raises(Refused):
        await world.tables.attempt(lambda _: [saying(ONE, "a", THERE)], conflicted)
    assert (world.said(OTHER), begun.marked()) == ("room", False)
    await world.tables.write(saying(ONE, "a"))
    assert begun.marked()


async def test_a_request_that_nobody_waits_for_stands_in_nobodys_way(world: World, begun: Asked) -> None:
    """Someone else answered it, or it is forgotten; a refusal of both tells of the write's own only."""
    del world.dynamo.items[MARKED.pk, MARKED.sk]
    await world.tables.attempt(lambda tried: [saying(ONE, f"try {tried}")])
    assert (world.said(ONE), begun.marked()) == ("try 0", False)
    current_request.set(Request("other", MARK))
    with pytest.raises(Refused) as refused:
        await world.tables.write(counting(), saying(ONE, "b", NEW))
    assert list(refused.value.there) == [1]


async def test_a_batch_is_announced(world: World, begun: Asked) -> None:
    """It is in no transaction, so its mark comes before it."""
    await stored(world, 30)
    assert begun.marked()
    current_request.set(Request("forgotten", update(WRITE, OTHER, "SET #effected = :yes", THERE, yes=text("yes"))))
    await stored(world, 31)
    assert len(world.dynamo.items) == 32


async def test_parts_of_a_request_share_its_mark(world: World, begun: Asked) -> None:
    await asyncio.gather(*(world.tables.write(saying(key, "a")) for key in numbered(3)))
    assert begun.marked()


async def test_the_largest_transaction_has_room_for_the_mark(world: World, begun: Asked) -> None:
    await world.tables.write(*(saying(key, "a") for key in numbered(TRANSACTION_MOST)))
    assert len(world.dynamo.items) == TRANSACTION_MOST + 1
    assert begun.marked()


# --- times ---------------------------------------------------------------------------------------


def test_times_sort_as_their_texts() -> None:
    instants = [START + timedelta(microseconds=each) for each in (-1, 0, 1, 10**6, 10**12)]
    assert sorted(map(stamp, instants)) == [stamp(each) for each in instants]


def test_what_has_expired_is_not_there() -> None:
    """Although it can be read for days."""
    item = {**expiry(datetime(2026, 1, 1, tzinfo=UTC))}
    assert live(item, datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert not live(item, datetime(2026, 1, 1, tzinfo=UTC))
    assert live({"said": text("a")}, START)
    assert not live(None, START)
