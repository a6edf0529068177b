"""The emulated DynamoDB answers in this process as it does over HTTP."""

import asyncio
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError

from adapters.aws.dynamo import NEW, Key, Refused, number, put, update
from adapters.aws.tables import CORE, Operation, Pattern
from adapters.aws.users import DynamoUsers
from tests.adapters.declared import Undeclared
from tests.cloud import direct

SAVE = Pattern(purpose="save", operation=Operation.WRITE, table=CORE, partition="USER#<id>", sort="PROFILE")
GET = Pattern(purpose="get", operation=Operation.GET, table=CORE, partition="USER#<id>", sort="PROFILE", strong=True)
ANN = Key("USER#ann", "PROFILE")
DECLARES = DynamoUsers


async def test_a_refusal_tells_what_is_there() -> None:
    """Of a write alone and of one among several; nothing of these is written."""
    async with direct.tables() as tables:
        await tables.write(put(SAVE, ANN, {"v": number(1)}, NEW))
        with pytest.raises(Refused) as refused:
            await tables.write(put(SAVE, ANN, {"v": number(2)}, NEW))
        assert refused.value.there[0] is not None
        assert refused.value.there[0]["v"] == {"N": "1"}
        ben = Key("USER#ben", "PROFILE")
        with pytest.raises(Refused) as refused:
            await tables.write(put(SAVE, ben, {}, NEW), put(SAVE, ANN, {}, NEW))
        assert set(refused.value.there) == {1}
        assert await tables.get(GET, ben) is None


async def test_requests_come_in_any_order() -> None:
    """A task that asks lets others ask before it goes on."""
    async with direct.tables() as tables:
        order = []

        async def ask(name: int) -> None:
            for _ in range(2):
                await tables.get(GET, ANN)
                order.append(name)

        await asyncio.gather(ask(1), ask(2))
        assert order == [1, 2, 1, 2]


async def test_what_the_sdk_would_refuse_is_refused() -> None:
    """What its model does not know is no request; nor is what nobody declared, or what another account has stored."""
    async with direct.tables() as tables, direct.tables() as others:
        client: Any = tables.client
        with pytest.raises(ParamValidationError):
            await client.get_item(TableName="core", Key=ANN.attributes, ConsistentRead=True, Colour="red")
        with pytest.raises(Undeclared):
            await client.get_item(TableName="core", Key=Key("NOBODY#1", "X").attributes)
        await others.write(update(SAVE, ANN, "SET #v = :v", v=number(1)))
        assert await tables.get(GET, ANN) is None
