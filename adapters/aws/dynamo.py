"""DynamoDB as the repositories use it: keys in, items out, writes with conditions, alone or in one transaction.

Items are as they go over the wire (``{"pk": {"S": "…"}}``): what is in ``doc`` is one JSON text, which msgspec reads
many times faster than boto's deserialiser would read a tree of attributes.

A write that was carried out although its answer was lost is sent again by the SDK. A transaction carries a token for
that; a single put or ``SET`` carries one in the item (``WRITTEN``), and whoever is refused by what they wrote
themselves was not refused. What can leave no token (``ADD``, a conditional delete) is a transaction even when alone.
"""

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from attrs import define, evolve, field, frozen
from botocore.exceptions import ClientError

from adapters.aws.errors import DATABASE, asking, code_of
from adapters.aws.tables import EXPIRES, PK, SK, Operation, Pattern, Table

T = TypeVar("T")

Value = Mapping[str, str | Sequence[str]]
Item = Mapping[str, Any]
WRITTEN = "w"
"""By which write the item came to be what it is."""
BATCH_GET_MOST, BATCH_WRITE_MOST = 100, 25
TRANSACTION_MOST = 99
"""AWS takes one more, which is kept for the mark of a request."""
BATCHES_AT_ONCE = 8
PK_BYTES, SK_BYTES = 2048, 1024
"""What keys take."""
TRIES = 8
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 1.0
_CONFLICTS = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
"""Why a transaction is cancelled although nothing is wrong with it: the SDK does not send it again."""
_HALVES = range(0xD800, 0xE000)
"""Of surrogate pairs: no characters."""
_NAME = re.compile(r"#(\w+)")
_VALUE = re.compile(r":\w+")


class Client(Protocol):
    """What is used of aiobotocore's client."""

    async def get_item(self, **given: Any) -> Any: ...
    async def batch_get_item(self, **given: Any) -> Any: ...
    async def query(self, **given: Any) -> Any: ...
    async def put_item(self, **given: Any) -> Any: ...
    async def update_item(self, **given: Any) -> Any: ...
    async def delete_item(self, **given: Any) -> Any: ...
    async def transact_write_items(self, **given: Any) -> Any: ...
    async def batch_write_item(self, **given: Any) -> Any: ...


@frozen
class Key:
    pk: str
    sk: str

    @property
    def possible(self) -> bool:
        """Whether anything can be there: what clients say is an id may be any text."""
        return _fits(self.pk, PK_BYTES) and _fits(self.sk, SK_BYTES)

    @property
    def attributes(self) -> Item:
        return {PK: {"S": self.pk}, SK: {"S": self.sk}}


def text(value: str) -> Value:
    return {"S": value}


def number(value: int) -> Value:
    return {"N": str(value)}


def texts(*values: str) -> Value:
    """A set."""
    return {"SS": values}


def key_of(item: Item) -> Key:
    return Key(item[PK]["S"], item[SK]["S"])


def stamp(at: datetime) -> str:
    """A time as part of a sort key: the texts sort as the times do."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def expiry(at: datetime) -> Mapping[str, Value]:
    """The attribute that lets an item go some time after ``at``."""
    return {EXPIRES: number(int(at.timestamp()))}


def live(item: Item | None, now: datetime) -> bool:
    """Whether it is there, and has not expired."""
    return item is not None and (EXPIRES not in item or int(item[EXPIRES]["N"]) > now.timestamp())


# --- what is written -----------------------------------------------------------------------------


@frozen(kw_only=True)
class Write:
    """A step of a transaction, or a write of its own. In expressions ``#name`` is the attribute of that name, so none
    can be a reserved word (``views`` and ``status`` are), and ``:value`` is one of ``values``.
    """

    pattern: Pattern
    key: Key
    kind: str
    """Put, Update, Delete or ConditionCheck."""
    item: Item = field(factory=dict)
    update: str = ""
    condition: str = ""
    values: Mapping[str, Value] = field(factory=dict)

    @property
    def request(self) -> dict[str, Any]:
        """All but the table's name."""
        said = {"UpdateExpression": self.update, "ConditionExpression": self.condition}
        request: dict[str, Any] = {name: expression for name, expression in said.items() if expression}
        if self.kind == "Put":
            request["Item"] = {**self.item, **self.key.attributes}
        else:
            request["Key"] = self.key.attributes
        every = f"{self.update} {self.condition}"
        if names := set(_NAME.findall(every)):
            request["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
        if used := set(_VALUE.findall(every)):
            request["ExpressionAttributeValues"] = {name: self.values[name] for name in used}
        request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        return request


NEW = "attribute_not_exists(#pk)"
THERE = "attribute_exists(#pk)"


def put(pattern: Pattern, key: Key, item: Item, condition: str = "", **values: Value) -> Write:
    """In the place of what is there. Values are named without their colon."""
    return Write(pattern=pattern, key=key, kind="Put", item=item, condition=condition, values=_named(values))


def update(pattern: Pattern, key: Key, expression: str, condition: str = "", **values: Value) -> Write:
    return Write(pattern=pattern, key=key, kind="Update", update=expression, condition=condition, values=_named(values))


def delete(pattern: Pattern, key: Key, condition: str = "", **values: Value) -> Write:
    return Write(pattern=pattern, key=key, kind="Delete", condition=condition, values=_named(values))


def check(pattern: Pattern, key: Key, condition: str, **values: Value) -> Write:
    """Only in a transaction: nothing of it is carried out unless this holds."""
    return Write(pattern=pattern, key=key, kind="ConditionCheck", condition=condition, values=_named(values))


def _named(values: Mapping[str, Value]) -> Mapping[str, Value]:
    return {f":{name}": value for name, value in values.items()}


class Refused(Exception):
    """Conditions that did not hold, by the places of their writes, with what was there (None: nothing). Nothing was
    written.
    """

    def __init__(self, there: Mapping[int, Item | None]) -> None:
        super().__init__(f"the conditions of writes {sorted(there)} did not hold")
        self.there = there


class Conflicted(Exception):
    """Others were at the same items, at these places. Nothing was written."""

    def __init__(self, places: frozenset[int]) -> None:
        super().__init__(f"others were at the items of writes {sorted(places)}")
        self.places = places


# --- whose effect it is --------------------------------------------------------------------------


@define(eq=False)
class Request:
    """One with an idempotency key, which whoever runs in this context is to answer. ``mark`` is the write that says
    that it had an effect, refused when nobody waits for that any more. ``over``: it is marked, answered or given up.
    """

    key: str
    mark: Write
    over: bool = False


current_request: ContextVar[Request | None] = ContextVar("current_request", default=None)
"""Whose effect it is what this context writes. Tasks made in it take the request along, and see when it is over."""


def _unmarked() -> Request | None:
    request = current_request.get()
    return None if request is None or request.over else request


# --- the tables ----------------------------------------------------------------------------------


@define(eq=False)
class Tables:
    """The tables of one stage. ``names`` says what each is called there, ``draw`` gives any number below another, and
    ``spread`` are the counters seen to be so, the latest last (``adapters.aws.counters``).
    """

    client: Client
    names: Mapping[str, str]
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    draw: Callable[[int], int] = random.randrange
    spread: dict[Key, None] = field(factory=dict, init=False)

    def name(self, table: Table) -> str:
        return self.names[table.name]

    async def get(self, asked: Pattern, key: Key) -> Item | None:
        """Raises Unavailable, as all of these do (``database_busy``)."""
        _expect(asked, Operation.GET)
        if not key.possible:
            return None
        answer = await self.ask(
            self.client.get_item, TableName=self.name(asked.table), Key=key.attributes, ConsistentRead=asked.strong
        )
        item: Item | None = answer.get("Item")
        return item

    async def many(self, asked: Pattern, keys: Iterable[Key]) -> Mapping[Key, Item]:
        """Those that are there."""
        _expect(asked, Operation.MANY)
        every = [key for key in dict.fromkeys(keys) if key.possible]
        parts = [every[at : at + BATCH_GET_MOST] for at in range(0, len(every), BATCH_GET_MOST)]
        if len(parts) == 1:
            return await self._some(asked, parts[0])
        found: dict[Key, Item] = {}
        for part in await asyncio.gather(*(self._some(asked, part) for part in parts)):
            found.update(part)
        return found

    async def _some(self, asked: Pattern, keys: Sequence[Key]) -> Mapping[Key, Item]:
        name, found = self.name(asked.table), dict[Key, Item]()
        request: dict[str, Any] = {"Keys": [key.attributes for key in keys], "ConsistentRead": asked.strong}
        if asked.shown:
            names = _names(PK, SK, *asked.shown)
            request |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
        left: Any = {name: request}
        for tried in range(TRIES):
            answer = await self.ask(self.client.batch_get_item, RequestItems=left)
            found.update((key_of(item), item) for item in answer["Responses"].get(name, ()))
            left = answer.get("UnprocessedKeys")
            if not left:
                return found
            await self.pause(_jitter(tried))
        raise DATABASE.busy()

    async def query(
        self, asked: Pattern, partition: str, *, above: str | None = None, below: str | None = None,
        descending: bool = False, limit: int | None,
    ) -> Sequence[Item]:  # fmt: skip
        """Items of a partition by their sort key, at most ``limit`` (None: all of them): those above and below these
        keys, themselves not included.
        """
        _expect(asked, Operation.QUERY)
        pk, sk = (asked.index.pk, asked.index.sk) if asked.index else (PK, SK)
        condition, values = _bounds(sk, _cut(above), _cut(below))
        ends = [str(value["S"]) for value in values.values()]
        if below == "" or not _fits(partition, PK_BYTES) or ends != sorted(ends):
            return []  # AWS refuses no text, and a BETWEEN whose ends are the wrong way round
        names = _names(pk, *([sk] if condition else []), *asked.shown)
        request: dict[str, Any] = {
            "TableName": self.name(asked.table),
            "KeyConditionExpression": f"#{pk} = :pk{condition}",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {":pk": text(partition), **values},
            "ScanIndexForward": not descending,
            "ConsistentRead": asked.strong,
        }
        if asked.index:
            request["IndexName"] = asked.index.index_name
        if asked.shown:
            request["ProjectionExpression"] = ", ".join(_names(*asked.shown))
        found: list[Item] = []
        while limit is None or len(found) < limit:  # a page ends after 1 MB, too
            if limit is not None:
                request["Limit"] = limit - len(found)
            answer = await self.ask(self.client.query, **request)
            found += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                break
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return found

    async def write(self, *writes: Write, effect: bool = True) -> None:
        """All of them or none, at most ``TRANSACTION_MOST``. Raises Refused when a condition does not hold, and what
        ``get`` raises.

        With the first that it writes, the current request is marked as one that had an effect, unless that (``effect``)
        is none of the request's: should the process die before it answers, nobody carries the request out again.
        """
        await self.attempt(lambda _: writes, effect=effect)

    async def attempt(
        self, make: Callable[[int], Sequence[Write]],
        conflicted: Callable[[Conflicted], Awaitable[None]] | None = None, *, effect: bool = True,
    ) -> None:  # fmt: skip
        """The same; what is to be written is made anew for each try, which is counted from 0. ``conflicted`` is told
        between two.
        """
        token = str(uuid4())
        before: Sequence[Write] = ()
        tried = 0
        while tried < TRIES:
            theirs = tuple(make(tried))
            request = _unmarked() if effect and theirs else None
            writes = theirs if request is None else (*theirs, request.mark)
            if writes != before:
                token = str(uuid4())  # the same with something else in it would be refused
            before = writes
            try:
                await self._carry_out(writes, token)
            except Refused as refused:
                there = {at: item for at, item in refused.there.items() if at < len(theirs)}
                if request is None or there == refused.there:
                    raise
                request.over = True  # someone else gave its answer, or it is long forgotten
                if there:
                    raise Refused(there) from refused
            except Conflicted as conflict:
                if conflicted is not None:
                    outer = current_request.set(None)  # what makes room for the next try is no effect
                    try:
                        await conflicted(conflict)
                    finally:
                        current_request.reset(outer)
                await self.pause(_jitter(tried))
                tried += 1
            else:
                if request is not None:
                    request.over = True
                return
        raise DATABASE.busy()

    async def anew(self, work: Callable[[], Awaitable[T]]) -> T:
        """What ``work`` gives, which reads and then writes what rests on that: from the start again when it is refused,
        since then what it read has changed.
        """
        for tried in range(TRIES):
            try:
                return await work()
            except Refused:
                await self.pause(_jitter(tried))
        raise DATABASE.busy()

    async def _carry_out(self, writes: Sequence[Write], token: str) -> None:
        if len(writes) == 1 and _may_be_alone(writes[0]):
            await self._alone(writes[0])
        elif writes:
            await self._together(writes, token)

    async def _alone(self, write: Write) -> None:
        """Half the price of a transaction."""
        mark = text(uuid4().hex)
        if write.kind == "Put":
            write = evolve(write, item={**write.item, WRITTEN: mark})
        elif write.kind == "Update":
            marked = f"SET #{WRITTEN} = :{WRITTEN}, {write.update.removeprefix('SET ')}"
            write = evolve(write, update=marked, values={**write.values, f":{WRITTEN}": mark})
        call = {"Put": self.client.put_item, "Update": self.client.update_item, "Delete": self.client.delete_item}
        try:
            await self.ask(call[write.kind], TableName=self.name(write.pattern.table), **write.request)
        except ClientError as error:
            code = code_of(error)
            if code == "TransactionConflictException":
                raise Conflicted(frozenset({0})) from error
            if code != "ConditionalCheckFailedException":
                raise
            there: Item | None = error.response.get("Item")
            if there and there.get(WRITTEN) == mark:
                return  # by this very write, whose answer was lost
            raise Refused({0: there}) from error

    async def _together(self, writes: Sequence[Write], token: str) -> None:
        assert len(writes) <= TRANSACTION_MOST + 1, f"{len(writes)} writes in one transaction"  # noqa: S101  (AWS's limit)
        steps = [{each.kind: {"TableName": self.name(each.pattern.table), **each.request}} for each in writes]
        try:
            await self.ask(self.client.transact_write_items, TransactItems=steps, ClientRequestToken=token)
        except ClientError as error:
            if code_of(error) != "TransactionCanceledException":
                raise
            reasons: Sequence[Any] = error.response.get("CancellationReasons", ())
            codes = [each.get("Code") for each in reasons]
            refused = {at: reasons[at].get("Item") for at, code in enumerate(codes) if code == "ConditionalCheckFailed"}
            if refused:
                raise Refused(refused) from error
            conflicts = frozenset(at for at, code in enumerate(codes) if code in _CONFLICTS)
            if conflicts:
                raise Conflicted(conflicts) from error
            raise

    async def write_many(self, writes: Sequence[Write]) -> None:
        """Puts and deletes without conditions, in no order and each for itself: some may be done when this raises, so
        it must do no harm to do them again. No two may be of the same item.
        """
        request = _unmarked() if writes else None
        if request is not None:  # what is written in no transaction is announced
            with suppress(Refused):
                await self.write(request.mark, effect=False)
            request.over = True
        parts = [writes[at : at + BATCH_WRITE_MOST] for at in range(0, len(writes), BATCH_WRITE_MOST)]
        for at in range(0, len(parts), BATCHES_AT_ONCE):
            await asyncio.gather(*map(self._batch, parts[at : at + BATCHES_AT_ONCE]))

    async def _batch(self, writes: Sequence[Write]) -> None:
        left: Any = {}
        for each in writes:
            _expect(each.pattern, Operation.BATCH)
            step = {"Item": each.request["Item"]} if each.kind == "Put" else {"Key": each.key.attributes}
            left.setdefault(self.name(each.pattern.table), []).append({f"{each.kind}Request": step})
        for tried in range(TRIES):
            answer = await self.ask(self.client.batch_write_item, RequestItems=left)
            left = answer.get("UnprocessedItems")
            if not left:
                return
            await self.pause(_jitter(tried))
        raise DATABASE.busy()

    async def ask(self, call: Callable[..., Awaitable[Any]], **given: Any) -> Any:
        """An operation of the client. What the SDK could not get done in its own tries is for later: raises Unavailable
        (``database_busy``), and ClientError for what was refused.
        """
        with asking(DATABASE):
            return await call(**given)


def _names(*attributes: str) -> Mapping[str, str]:
    return {f"#{name}": name for name in attributes}


def _bounds(sk: str, above: str | None, below: str | None) -> tuple[str, Mapping[str, Value]]:
    if above and below:
        # There is one condition for the sort key, and BETWEEN includes both ends.
        ends = {":low": text(above + "\0"), ":high": text(_just_below(below))}
        return f" AND #{sk} BETWEEN :low AND :high", ends
    if above:
        return f" AND #{sk} > :low", {":low": text(above)}
    if below:
        return f" AND #{sk} < :high", {":high": text(below)}
    return "", {}


def _cut(bound: str | None) -> str | None:
    """As much of it as fits: no key of ours is so long, so none lies between the two."""
    return bound and bound.encode(errors="ignore")[: SK_BYTES - 8].decode(errors="ignore")


def _fits(part: str, most: int) -> bool:
    try:
        return 0 < len(part.encode()) <= most
    except UnicodeEncodeError:  # half of a surrogate pair is no text
        return False


def _just_below(key: str) -> str:
    """Above all keys of ours that are below this one, which may be any text that a client takes for a cursor."""
    before, last = key[:-1], ord(key[-1]) - 1
    if last < 0:
        return before
    return before + chr(last if last not in _HALVES else _HALVES[0] - 1) + "\U0010ffff"


def _may_be_alone(write: Write) -> bool:
    """Whether it does no harm that it is sent again after it was carried out."""
    if write.kind == "Update":
        return write.update.startswith("SET ") and not re.search(" ADD | [+-] ", write.update)
    return write.kind == "Put" or (write.kind == "Delete" and not write.condition)


def _expect(asked: Pattern, operation: Operation) -> None:
    if asked.operation is not operation:
        raise TypeError(f"{asked.purpose!r} is declared as {asked.operation}, not {operation}")


def _jitter(tried: int) -> float:
    """Seconds, at random, so that those who met do not meet again."""
    return random.uniform(0, min(FIRST_PAUSE_S * 2**tried, LONGEST_PAUSE_S))  # noqa: S311  (nothing secret)
