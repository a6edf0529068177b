"""A DynamoDB in memory, as far as ``adapters.aws.dynamo`` asks for it, with the troubles of the real one.

A trouble is what the next call meets; without one (or with None) it does what it should. ``LOST``: it does, its answer
gets lost, and the SDK sends it again. ``CUT``: it does, its answer gets lost, and that was the SDK's last try.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field
from botocore.exceptions import ClientError, ReadTimeoutError

from adapters.aws.tables import PK, SK

Item = dict[str, Any]
LOST, CUT = "the answer is lost", "the answer is lost for good"


def refusal(code: str, **more: Any) -> ClientError:
    """As botocore raises it."""
    return ClientError({"Error": {"Code": code, "Message": code}, **more}, "Whatever")


def cancelled(*codes: str) -> ClientError:
    """A transaction's end, with a reason for each of its steps."""
    reasons = [{"Code": code} for code in codes]
    return refusal("TransactionCanceledException", CancellationReasons=reasons)


@define(eq=False)
class FaultyDynamo:
    """One table, whatever it is called. ``page_most`` and ``batch_most`` are how much of a query or of a batch it gets
    done at a time.
    """

    page_most: int = 1000
    batch_most: int = 1000
    troubles: deque[Exception | str | None] = field(factory=deque)
    items: dict[tuple[str, str], Item] = field(factory=dict)
    calls: list[str] = field(factory=list)
    tokens: dict[str, Any] = field(factory=dict)
    """What was carried out with a token is not carried out again."""

    async def get_item(self, **given: Any) -> Any:
        self._meet("GetItem")
        item = self.items.get(_key(given["Key"]))
        return {"Item": item} if item else {}

    async def batch_get_item(self, **given: Any) -> Any:
        self._meet("BatchGetItem")
        ((table, asked),) = given["RequestItems"].items()
        keys = asked["Keys"]
        assert len(keys) <= 100
        found = [self.items[_key(key)] for key in keys[: self.batch_most] if _key(key) in self.items]
        left = keys[self.batch_most :]
        return {
            "Responses": {table: _shown(asked, found)},
            "UnprocessedKeys": {table: {**asked, "Keys": left}} if left else {},
        }

    async def query(self, **given: Any) -> Any:
        self._meet("Query")
        values = {name: value["S"] for name, value in given["ExpressionAttributeValues"].items()}
        low, high = values.get(":low", ""), values.get(":high", "\U0010ffff")
        assert low <= high, "AWS refuses these bounds"
        includes = "BETWEEN" in given["KeyConditionExpression"]
        found = sorted(
            (sk for pk, sk in self.items if pk == values[":pk"] and (low < sk < high or (includes and sk in {low, high}))),
            reverse=not given["ScanIndexForward"],
        )  # fmt: skip
        if "ExclusiveStartKey" in given:
            found = found[found.index(given["ExclusiveStartKey"][SK]["S"]) + 1 :]
        page = [self.items[values[":pk"], sk] for sk in found[: min(given.get("Limit", len(found)), self.page_most)]]
        more = {"LastEvaluatedKey": {SK: page[-1][SK]}} if len(page) < len(found) else {}
        return {"Items": _shown(given, page), **more}

    async def put_item(self, **given: Any) -> Any:
        return await self._write("PutItem", lambda: self._single(given, _put))

    async def update_item(self, **given: Any) -> Any:
        return await self._write("UpdateItem", lambda: self._single(given, _update))

    async def delete_item(self, **given: Any) -> Any:
        return await self._write("DeleteItem", lambda: self._single(given, _delete))

    async def transact_write_items(self, **given: Any) -> Any:
        return await self._write("TransactWriteItems", lambda: self._together(**given))

    async def batch_write_item(self, **given: Any) -> Any:
        self._meet("BatchWriteItem")
        ((table, steps),) = given["RequestItems"].items()
        assert len(steps) <= 25
        for step in steps[: self.batch_most]:
            for kind, asked in step.items():
                key = _key(asked.get("Item") or asked["Key"])
                _store(self.items, key, asked.get("Item") if kind == "PutRequest" else None)
        left = steps[self.batch_most :]
        return {"UnprocessedItems": {table: left} if left else {}}

    def _meet(self, call: str) -> str | None:
        """How the answer of this call is to be lost."""
        self.calls.append(call)
        trouble = self.troubles.popleft() if self.troubles else None
        if isinstance(trouble, Exception):
            raise trouble
        return trouble

    async def _write(self, call: str, work: Callable[[], object]) -> Any:
        await asyncio.sleep(0)  # others may come first
        lost = self._meet(call)
        work()
        if lost is CUT:
            raise ReadTimeoutError(endpoint_url="http://dynamo.test")
        if lost is LOST:
            work()
        return {}

    def _single(self, asked: Mapping[str, Any], change: "Change") -> None:
        key = _key(asked.get("Item") or asked["Key"])
        there = self.items.get(key)
        if not _holds(asked, there):
            raise refusal("ConditionalCheckFailedException", **({"Item": there} if there else {}))
        _store(self.items, key, change(asked, there))

    def _together(self, TransactItems: Sequence[Mapping[str, Any]], ClientRequestToken: str) -> None:  # noqa: N803
        if ClientRequestToken in self.tokens:
            assert self.tokens[ClientRequestToken] == TransactItems, "IdempotentParameterMismatchException"
            return
        steps = [(kind, asked) for each in TransactItems for kind, asked in each.items()]
        assert len(steps) <= 100
        keys = [_key(asked.get("Item") or asked["Key"]) for _, asked in steps]
        assert len(keys) == len(set(keys)), "AWS takes one step an item"
        there = [self.items.get(key) for key in keys]
        held = [_holds(asked, item) for (_, asked), item in zip(steps, there, strict=True)]
        if not all(held):
            reasons = [
                {"Code": "None"} if ok else {"Code": "ConditionalCheckFailed", **({"Item": item} if item else {})}
                for ok, item in zip(held, there, strict=True)
            ]
            raise refusal("TransactionCanceledException", CancellationReasons=reasons)
        for (kind, asked), key, item in zip(steps, keys, there, strict=True):
            _store(self.items, key, CHANGES[kind](asked, item))
        self.tokens[ClientRequestToken] = TransactItems


def _shown(asked: Mapping[str, Any], items: Sequence[Item]) -> Sequence[Item]:
    if "ProjectionExpression" not in asked:
        return items
    names = [asked["ExpressionAttributeNames"][name] for name in asked["ProjectionExpression"].split(", ")]
    return [{name: item[name] for name in names if name in item} for item in items]


Change = Callable[[Mapping[str, Any], Item | None], Item | None]


def _put(asked: Mapping[str, Any], _: Item | None) -> Item | None:
    return dict(asked["Item"])


def _update(asked: Mapping[str, Any], there: Item | None) -> Item | None:
    item = dict(there or asked["Key"])
    for verb, name, value in _steps(asked):
        if verb == "SET":
            item[name] = value
        elif verb in {"ADD", "SUM"}:
            item[name] = {"N": str(int(item.get(name, {"N": "0"})["N"]) + int(value["N"]))}
        else:
            item.pop(name, None)
    return item


def _delete(_asked: Mapping[str, Any], _there: Item | None) -> Item | None:
    return None


def _check(_asked: Mapping[str, Any], there: Item | None) -> Item | None:
    return there


CHANGES: Mapping[str, Change] = {"Put": _put, "Update": _update, "Delete": _delete, "ConditionCheck": _check}


def _steps(asked: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Such as ``SET #a = :a, #b = :b ADD #n :by REMOVE #c``."""
    names, values = asked["ExpressionAttributeNames"], asked.get("ExpressionAttributeValues", {})
    for verb, said in re.findall(r"(SET|ADD|REMOVE) ((?:(?!SET|ADD|REMOVE).)*)", asked["UpdateExpression"]):
        for part in said.split(","):
            name, *_, value = [*re.findall(r"[#:]\w+", part), ""] if verb == "REMOVE" else re.findall(r"[#:]\w+", part)
            yield "SUM" if " + " in part else verb, names[name], values.get(value)


def _holds(asked: Mapping[str, Any], there: Item | None) -> bool:
    """Conditions that are joined by AND, and (in parentheses, if there are several) by OR."""
    either = asked.get("ConditionExpression", "").split(" OR ")
    return any(all(_part_holds(part, asked, there or {}) for part in each.split(" AND ")) for each in either)


def _part_holds(part: str, asked: Mapping[str, Any], item: Item) -> bool:
    if not part:
        return True
    name, *value = re.findall(r"[#:]\w+", part)
    found = item.get(asked["ExpressionAttributeNames"][name])
    if "attribute_not_exists" in part:
        return found is None
    if "attribute_exists" in part:
        return found is not None
    given = asked["ExpressionAttributeValues"][value[0]]
    if " <= " in part:
        return found is not None and bool(found["S"] <= given["S"])
    return bool(found == given)


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    return item[PK]["S"], item[SK]["S"]


def _store(items: dict[tuple[str, str], Item], key: tuple[str, str], item: Item | None) -> None:
    if item is None:
        items.pop(key, None)
    else:
        items[key] = item
