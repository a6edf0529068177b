"""What is asked of DynamoDB is declared, and the guard of all other tests would see it if it were not."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiobotocore.session import get_session
from attrs import evolve

from adapters.aws import users, videos
from adapters.aws.dynamo import Key, Tables, delete, number, put, text, update
from adapters.aws.tables import CORE, DECLARED, G2, G3, OPS, TABLES, Operation, Pattern
from tests.adapters.declared import Guard, Undeclared, named, watch

GUARD = Guard(named())
DECLARING = users, videos
"""Modules that say what is asked."""
USER = {"pk": {"S": "USER#usr_1"}, "sk": {"S": "PROFILE"}}
LISTED: dict[str, Any] = {
    "TableName": "core", "IndexName": G3.index_name, "KeyConditionExpression": "#g3pk = :pk AND #sk < :high",
    "ExpressionAttributeNames": {"#g3pk": "g3pk", "#sk": "g3sk"},
    "ExpressionAttributeValues": {":pk": {"S": "PUB#0"}, ":high": {"S": "2026"}},
}  # fmt: skip
SAVE = Pattern(purpose="save", operation=Operation.WRITE, table=CORE, partition="USER#<id>", sort="PROFILE")


@pytest.fixture
async def tables() -> AsyncIterator[Tables]:
    """On a client that reaches nobody: what is refused is refused before it is sent."""
    async with get_session().create_client(
        "dynamodb", region_name="us-east-1", endpoint_url="http://127.0.0.1:1", aws_access_key_id="1",
        aws_secret_access_key="1",
    ) as client:  # fmt: skip
        watch(client, named())
        yield Tables(client, named())


def test_what_is_declared_passes() -> None:
    GUARD.check("GetItem", {"TableName": "core", "Key": USER, "ConsistentRead": True})
    GUARD.check("BatchGetItem", {"RequestItems": {"core": {"Keys": [USER], "ConsistentRead": False}}})
    GUARD.check("Query", LISTED)
    GUARD.check("PutItem", {"TableName": "core", "Item": USER})
    GUARD.check("CreateTable", {"TableName": "core"})


async def test_no_table_is_scanned(tables: Tables) -> None:
    client: Any = tables.client
    with pytest.raises(Undeclared, match="Scan"):
        await client.scan(TableName="core")
    with pytest.raises(Undeclared, match="ExecuteStatement"):
        await client.execute_statement(Statement='SELECT * FROM "core"')


async def test_an_undeclared_request_is_not_sent(tables: Tables) -> None:
    """Neither a list, nor an item, nor a write, be it one of many."""
    list_ = Pattern(purpose="all users", operation=Operation.QUERY, table=CORE, index=G2, partition="ALL")
    for call in (
        tables.query(list_, "ALL", limit=1),
        tables.get(evolve(SAVE, operation=Operation.GET), Key("NOBODY#1", "PROFILE")),
        tables.many(evolve(SAVE, operation=Operation.MANY), [Key("USER#1", "PROFILE"), Key("USER#1", "OTHER")]),
        tables.write(put(SAVE, Key("USER#1", "OTHER"), {})),
        tables.write(put(SAVE, Key("USER#1", "PROFILE"), {}), put(SAVE, Key("USER#1", "OTHER"), {})),
        tables.write_many([put(evolve(SAVE, operation=Operation.BATCH), Key("USER#1", "PROFILE"), {})]),
    ):
        with pytest.raises(Undeclared, match="nobody declared"):
            await asyncio.wait_for(call, 5)


async def test_an_index_is_written_to_only_where_that_is_declared(tables: Tables) -> None:
    """By a put as by an update: the table of costs knows of it."""
    places = {G2.pk: text("A"), G2.sk: text("B")}
    for write in (
        put(SAVE, Key("USER#1", "PROFILE"), places),
        update(SAVE, Key("USER#1", "PROFILE"), "SET #g2pk = :a, #g2sk = :a", a=text("A")),
    ):
        with pytest.raises(Undeclared, match="nobody declared"):
            await tables.write(write)
    with pytest.raises(Undeclared, match="only one key"):
        await tables.write(put(SAVE, Key("USER#1", "PROFILE"), {G2.pk: text("A")}))


async def test_what_aws_would_refuse_is_refused(tables: Tables) -> None:
    """Overlapping paths, an item twice, a bare attribute."""
    key = Key("USER#1", "PROFILE")
    for write, why in (
        (update(SAVE, key, "SET #v = :v REMOVE #v", v=number(1)), "overlap"),
        (update(SAVE, key, "SET v = :v", v=number(1)), "without #"),
        (delete(SAVE, key, "handle = :v", v=number(1)), "without #"),
    ):
        with pytest.raises(Undeclared, match=why):
            await tables.write(write)
    with pytest.raises(Undeclared, match="twice"):
        await tables.write(put(SAVE, key, {}), delete(SAVE, key))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"FilterExpression": "#sk > :low"}, "a filter on a key"),
        ({"ConsistentRead": True}, "consistent"),
        ({"IndexName": G2.index_name}, "not the partition key"),
        ({"KeyConditionExpression": "#sk < :high"}, "no partition"),
        ({"ExpressionAttributeValues": {":pk": {"S": "EVERYTHING"}}}, "nobody declared"),
    ],
)
def test_what_no_list_may_ask(change: dict[str, Any], why: str) -> None:
    with pytest.raises(Undeclared, match=why):
        GUARD.check("Query", {**LISTED, **change})


def test_declarations_fit_their_tables() -> None:
    """An index is the table's own, what is read from one is not consistent, and no pattern is declared twice."""
    for pattern in DECLARED:
        assert pattern.table in TABLES
        assert {*pattern.indices, *([pattern.index] if pattern.index else ())} <= set(pattern.table.indices)
        assert not (pattern.index and pattern.strong), pattern
        assert not pattern.indices or pattern.operation in {Operation.WRITE, Operation.BATCH}
    said = [(each.operation, each.table.name, each.purpose) for each in DECLARED]
    assert len(said) == len(set(said))
    assert any(pattern.table is OPS for pattern in DECLARED)
