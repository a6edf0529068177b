"""The emulated cloud itself: it ends with whoever started it, worlds do not meet, and the bus takes what AWS says."""

import json
import socket
import subprocess
import sys
from typing import Any

import pytest
from botocore.exceptions import ClientError

from adapters.aws.tables import CORE, G1
from tests.cloud.world import ROOT, tables, world

STARTER = "from tests.cloud.world import stack; print(stack().endpoint, flush=True); input()"


def test_it_ends_with_whoever_started_it() -> None:
    """Even if that one is killed and can end nothing itself: whoever is connected then, is cut off."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTER], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdout is not None
        host, _, port = starter.stdout.readline().strip().removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connected:
            starter.kill()
            assert connected.recv(1) == b""


async def test_worlds_do_not_meet() -> None:
    """The same names mean other tables in another world."""
    async with world() as one, world() as two:
        tables = {
            "TableName": "core", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        }  # fmt: skip
        here, there = await one.client("dynamodb"), await two.client("dynamodb")
        await here.create_table(**tables)
        await here.put_item(TableName="core", Item={"pk": {"S": "a"}})
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            await there.get_item(TableName="core", Key={"pk": {"S": "a"}})


async def test_only_aws_itself_speaks_as_aws() -> None:
    """A client that puts events of ``aws.*`` is refused; the control is AWS."""
    async with world() as here:
        events, sqs = await here.client("events"), await here.client("sqs")
        url = (await sqs.create_queue(QueueName=here.name("told")))["QueueUrl"]
        await events.put_rule(Name="s3", EventPattern=json.dumps({"source": ["aws.s3"]}))
        arn = f"arn:aws:sqs:us-east-1:{here.account}:{here.name('told')}"
        await events.put_targets(Rule="s3", Targets=[{"Id": "queue", "Arn": arn}])
        entry = {"Source": "aws.s3", "DetailType": "Object Created", "Detail": '{"object": {"key": "raw/1"}}'}
        answer = await events.put_events(Entries=[entry])
        assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
        here.stack.put_events(entry, account=here.account)
        (message,) = (await sqs.receive_message(QueueUrl=url))["Messages"]
        assert json.loads(message["Body"])["detail"] == {"object": {"key": "raw/1"}}


async def test_tables_are_empty_however_they_were_left() -> None:
    """The same ones are taken again, without what was in them and in their indices."""
    for _ in range(3):
        async with tables() as here:
            name, keys = here.name(CORE), {"pk": {"S": "a"}, "sk": {"S": "b"}, "g1pk": {"S": "c"}, "g1sk": {"S": "d"}}
            query = {
                "TableName": name, "IndexName": G1.index_name, "KeyConditionExpression": "g1pk = :pk",
                "ExpressionAttributeValues": {":pk": {"S": "c"}},
            }  # fmt: skip
            client: Any = here.client
            assert (await client.query(**query))["Count"] == 0
            await client.put_item(TableName=name, Item=keys, ConditionExpression="attribute_not_exists(pk)")
            assert (await client.query(**query))["Count"] == 1
