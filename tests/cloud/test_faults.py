"""What is broken at the wire looks to the SDK as AWS's own faults do."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from adapters.aws.tables import CORE
from tests.cloud.faults import Rule, broken, conflicted, cut, failing, lost, throttled
from tests.cloud.world import tables

KEY = {"pk": {"S": "a"}, "sk": {"S": "b"}}


async def put(rule: Rule, *, tries: int = 1) -> tuple[Exception | None, bool, list[str]]:
    """What a put that the rule is about raises, whether the item is there after it, and which operations failed."""
    with failing(rule) as here:
        async with tables(url=here.url, retries={"total_max_attempts": tries}) as opened:
            client: Any = opened.client
            raised: Exception | None = None
            try:
                await client.put_item(TableName=CORE.name, Item=KEY)
            except (ClientError, NoConnection, HTTPClientError) as error:
                raised = error
            there = "Item" in await client.get_item(TableName=CORE.name, Key=KEY)
            return raised, there, list(here.fired())


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (throttled("dynamodb", "PutItem"), "ProvisionedThroughputExceededException"),
        (broken("dynamodb", "PutItem"), "InternalServerError"),
    ],
    ids=["throttled", "broken"],
)
async def test_a_refused_call_has_no_effect(rule: Rule, code: str) -> None:
    """It says why, once; the SDK's own second try succeeds."""
    raised, there, fired = await put(rule)
    assert isinstance(raised, ClientError)
    assert (raised.response["Error"]["Code"], there, fired) == (code, False, ["PutItem"])
    raised, there, fired = await put(rule, tries=2)
    assert (raised, there, fired) == (None, True, ["PutItem"])


async def test_a_connection_can_be_cut_before_and_after_the_effect() -> None:
    """The caller cannot tell one from the other."""
    raised, there, _ = await put(cut("dynamodb", "PutItem"))
    assert isinstance(raised, (NoConnection, HTTPClientError))
    assert not there
    raised, there, _ = await put(lost("dynamodb", "PutItem"))
    assert isinstance(raised, (NoConnection, HTTPClientError))
    assert there


async def test_a_conflict_has_its_reasons() -> None:
    """In the order of the writes; nothing is written, and the next try goes through."""
    with failing(conflicted(writes=2, at=1)) as here:
        async with tables(url=here.url) as opened:
            client: Any = opened.client
            steps = [{"Put": {"TableName": CORE.name, "Item": {**KEY, "sk": {"S": each}}}} for each in "bc"]
            with pytest.raises(ClientError) as raised:
                await client.transact_write_items(TransactItems=steps)
            reasons: Any = raised.value.response
            assert [each["Code"] for each in reasons["CancellationReasons"]] == ["None", "TransactionConflict"]
            assert "Item" not in await client.get_item(TableName=CORE.name, Key=KEY)
            await client.transact_write_items(TransactItems=steps)
