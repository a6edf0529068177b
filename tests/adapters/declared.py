"""Nothing is asked of DynamoDB that is not declared: every client of the tests is watched.

What AWS refuses and the emulation lets pass is refused here as well: filters on key attributes,
paths of an update that overlap, attributes that are not named with ``#``, one item twice in a transaction, a
consistent read of an index. Nothing is sent of a request that is refused.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from attrs import frozen

from adapters.aws.tables import DECLARED, PK, SK, TABLES, Operation, Pattern, Table

PREPARING = frozenset(
    {
        "CreateTable", "DescribeTable", "DeleteTable", "UpdateTimeToLive", "UpdateContinuousBackups",
        "DescribeContinuousBackups", "DescribeExport",
    }
)  # fmt: skip
"""What provisions tables or tells of them, and asks nothing of them."""

_EXPRESSIONS = "KeyConditionExpression", "ConditionExpression", "UpdateExpression", "FilterExpression"
_WORDS = frozenset(
    {
        "SET", "ADD", "REMOVE", "DELETE", "AND", "OR", "NOT", "BETWEEN", "IN", "attribute_exists",
        "attribute_not_exists", "attribute_type", "begins_with", "contains", "size", "if_not_exists", "list_append",
    }
)  # fmt: skip
_NAMED = re.compile(r"[#:]\w+")
_WORD = re.compile(r"[A-Za-z_]\w*")
_CLAUSE = re.compile(r"\b(SET|ADD|REMOVE|DELETE)\b")
_ASSIGNED = re.compile(r"(#\w+)\s*=")
_NAME = re.compile(r"#\w+")
_PARTITION = re.compile(r"(#\w+) = (:\w+)")


class Undeclared(AssertionError):
    """No pattern says that this is asked, or AWS would refuse it."""


@frozen(kw_only=True)
class _Asked:
    """One item, or one list, of a request."""

    operation: Operation
    table: str
    index: str | None = None
    partition: str
    sort: str | None = None
    strong: bool | None = None
    touched: frozenset[str] = frozenset()
    """Index keys that it writes."""


_covered: set[_Asked] = set()
"""What was found to be declared: the same few things are asked again and again."""


@frozen(eq=False)
class Guard:
    """``names`` are the tables' own names by ours."""

    names: Mapping[str, str]

    def __call__(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        self.check(model.name, params)

    def check(self, operation: str, params: Mapping[str, Any]) -> None:
        """Raises Undeclared."""
        if operation in PREPARING:
            return
        for _, request in _writes(operation, params):
            _require_lawful(request)
        every = list(self._asked(operation, params))
        if len({(asked.table, asked.partition, asked.sort) for asked in every}) < len(every):
            raise Undeclared(f"{operation} has one item twice")
        for asked in every:
            if asked in _covered:
                continue
            if not any(_covers(pattern, asked) for pattern in DECLARED):
                raise Undeclared(f"nobody declared {asked}")
            _covered.add(asked)

    def _asked(self, operation: str, params: Mapping[str, Any]) -> Iterator[_Asked]:
        ours = {called: name for name, called in self.names.items()}
        strong = params.get("ConsistentRead", False)
        match operation:
            case "GetItem":
                yield _of_key(Operation.GET, ours[params["TableName"]], params["Key"], strong=strong)
            case "BatchGetItem":
                for name, said in params["RequestItems"].items():
                    for key in said["Keys"]:
                        yield _of_key(Operation.MANY, ours[name], key, strong=said.get("ConsistentRead", False))
            case "Query":
                yield _of_query(ours[params["TableName"]], params)
            case "BatchWriteItem" | "TransactWriteItems" | "PutItem" | "UpdateItem" | "DeleteItem":
                kind = Operation.BATCH if operation == "BatchWriteItem" else Operation.WRITE
                for name, request in _writes(operation, params):
                    yield _of_write(kind, ours[name], request)
            case "ExportTableToPointInTime":
                table = ours[params["TableArn"].rpartition("/")[2]]
                yield _Asked(operation=Operation.EXPORT, table=table, partition="all of it")
            case _:
                raise Undeclared(f"{operation} is never used")


def watch(client: Any, names: Mapping[str, str]) -> None:
    """From now on this client refuses what is not declared. ``names`` are the tables' own names by ours."""
    client.meta.events.register("provide-client-params.dynamodb", Guard(names))


def _writes(operation: str, params: Mapping[str, Any]) -> Sequence[tuple[str, Mapping[str, Any]]]:
    """The tables and requests that one consists of; that is itself, unless it is of several."""
    if operation == "TransactWriteItems":
        return [(request["TableName"], request) for step in params["TransactItems"] for request in step.values()]
    if operation == "BatchWriteItem":
        return [
            (name, request)
            for name, steps in params["RequestItems"].items()
            for step in steps
            for request in step.values()
        ]
    return [(params.get("TableName", ""), params)]


def _of_key(operation: Operation, table: str, key: Mapping[str, Any], *, strong: bool | None = None) -> _Asked:
    return _Asked(operation=operation, table=table, partition=key[PK]["S"], sort=key[SK]["S"], strong=strong)


def _of_query(table: str, params: Mapping[str, Any]) -> _Asked:
    said = _PARTITION.match(params["KeyConditionExpression"])
    if said is None:
        raise Undeclared(f"no partition is asked for by {params['KeyConditionExpression']}")
    names, values, index = (
        params["ExpressionAttributeNames"],
        params["ExpressionAttributeValues"],
        _index(params),
    )
    if names[said[1]] != (f"{index}pk" if index else PK):
        raise Undeclared(f"{names[said[1]]} is not the partition key of {index or table}")
    strong = params.get("ConsistentRead", False)
    if index and strong:
        raise Undeclared("an index has no consistent reads")
    partition = values[said[2]]["S"]
    return _Asked(operation=Operation.QUERY, table=table, index=index, partition=partition, strong=strong)


def _of_write(operation: Operation, table: str, request: Mapping[str, Any]) -> _Asked:
    item = request.get("Item")
    names = request.get("ExpressionAttributeNames", {})
    targets = item or {names[target]: None for target in _targets(request.get("UpdateExpression", ""))}
    touched = frozenset(key[:-2] for key in targets if key[:-2] in _index_names(table) and key[-2:] in {PK, SK})
    if item is not None and any((f"{name}pk" in item) != (f"{name}sk" in item) for name in touched):
        raise Undeclared(f"only one key of an index in {item}")
    key = item or request["Key"]
    return _Asked(operation=operation, table=table, partition=key[PK]["S"], sort=key[SK]["S"], touched=touched)


def _index_names(table: str) -> frozenset[str]:
    return frozenset(index.name for each in TABLES if each.name == table for index in each.indices)


def _index(request: Mapping[str, Any]) -> str | None:
    """What we call it."""
    ours = {index.index_name: index.name for table in TABLES for index in table.indices}
    return ours[request["IndexName"]] if "IndexName" in request else None


def _require_lawful(request: Mapping[str, Any]) -> None:
    names = request.get("ExpressionAttributeNames", {})
    for kind in _EXPRESSIONS:
        bare = set(_WORD.findall(_NAMED.sub("", request.get(kind, "")))) - _WORDS
        if bare:
            raise Undeclared(f"{kind} says {bare} without #")
    targets = _targets(request.get("UpdateExpression", ""))
    if len({names[target] for target in targets}) < len(targets):
        raise Undeclared(f"paths overlap in {request['UpdateExpression']}")
    filtered = {names[name] for name in _NAME.findall(request.get("FilterExpression", ""))}
    index = _index(request)
    if filtered & ({f"{index}pk", f"{index}sk"} if index else {PK, SK}):
        raise Undeclared(f"a filter on a key: {request['FilterExpression']}")


def _targets(expression: str) -> Sequence[str]:
    """The attributes that an update changes."""
    _, *clauses = _CLAUSE.split(expression)
    pairs = zip(clauses[::2], clauses[1::2], strict=True)
    return [target for kind, said in pairs for target in (_ASSIGNED if kind == "SET" else _NAME).findall(said)]


def _covers(pattern: Pattern, asked: _Asked) -> bool:
    if pattern.operation is not asked.operation or pattern.table.name != asked.table:
        return False
    if (pattern.index.name if pattern.index else None) != asked.index:
        return False
    if asked.strong is not None and pattern.strong is not asked.strong:
        return False
    if not asked.touched <= {index.name for index in pattern.indices}:
        return False
    fits = asked.sort is None or pattern.sort == "" or _fits(pattern.sort, asked.sort)
    return fits and _fits(pattern.partition, asked.partition)


def _fits(template: str, key: str) -> bool:
    return _shape(template).fullmatch(key) is not None


@cache
def _shape(template: str) -> re.Pattern[str]:
    """``VIDEO#<id>`` stands for all keys that begin so."""
    literal = map(re.escape, re.split(r"<[^>]*>", template))
    return re.compile(".+".join(literal), re.DOTALL)


def named(tables: Sequence[Table] = TABLES) -> Mapping[str, str]:
    """Tables that are called as we call them."""
    return {table.name: table.name for table in tables}
