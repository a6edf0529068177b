"""The queues of the deployed template: what nobody can read ends beside them, the rest goes on, and what is said twice is
done once.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import httpx
import pytest
from attrs import frozen

from adapters.aws.dynamo import Tables
from adapters.aws.engagement import _SUBSCRIBERS, DynamoSubscriptions
from adapters.aws.outbox import DynamoOutbox
from adapters.system import Clock, Ulids
from application.notifications import FAN_OUT_PAGE
from domain.engagement import Notify, Subscription
from domain.ids import ChannelId, UserId
from tests.cloud.deployment import Deployment, aws, deploy
from tests.cloud.site import DEADLINE_CALLS, Site, until
from tests.cloud.world import ROOT_KEY, client, stack
from tests.media import films

QUEUES = {"UploadQueue": "UploadDlq", "JobQueue": "JobDlq", "FanOutQueue": "FanOutDlq"}
POISON = "not even JSON"


@frozen
class Queues:
    deployed: Deployment
    sqs: Any

    def put(self, queue: str, *bodies: str) -> None:
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        self.sqs.send_message_batch(QueueUrl=self.deployed.outputs[queue], Entries=entries)

    def dead(self, queue: str, wait_s: int = 10) -> list[str]:
        """What lies in a queue of dead letters, once there is something; it is there no more after that."""
        url = self.deployed.outputs[QUEUES[queue]]
        messages = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_s).get(
            "Messages", []
        )
        for each in messages:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        return [each["Body"] for each in messages]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Whose messages come again at once, when they were not dealt with."""
    deployed = deploy(stack(), "hexcast-queues")
    for queue in QUEUES:
        aws(stack(), "sqs").set_queue_attributes(
            QueueUrl=deployed.outputs[queue], Attributes={"VisibilityTimeout": "1"}
        )
    with httpx.Client(base_url=deployed.url, timeout=60) as http:
        yield Site(stack(), deployed, http)


@pytest.fixture(scope="module")
def queues(site: Site) -> Queues:
    return Queues(site.deployed, aws(stack(), "sqs"))


@pytest.fixture(scope="module")
def channel(site: Site) -> str:
    site.sign_up("olga")
    return site.channel("cats")


def test_an_upload_is_transcoded_once_however_often_it_is_said_to_be_there(
    site: Site, queues: Queues, channel: str, tmp_path: Any
) -> None:
    """By S3, by the client, by both again and again, and beside a message that nobody can read."""
    upload = site.upload(channel, films.landscape(tmp_path).read_bytes())
    key = f"raw/{upload['id']}/source"
    said = json.dumps(_created(site.deployed.outputs["RawBucket"], key))
    for _ in range(3):
        queues.put("UploadQueue", said, POISON, said)
        site.call("POST", f"/v1/uploads/{upload['id']}/complete", json={"parts": []})
    assert site.stack.finished_with(upload["id"]) == "COMPLETE"
    assert site.processed(upload) == "ready"
    dead: list[str] = []
    while len(dead) < 3:
        dead += until(lambda: queues.dead("UploadQueue"), calls=6)
    assert dead == [POISON] * 3
    assert len(aws(site.stack, "mediaconvert").search_jobs(InputFile=key)["Jobs"]) == 1
    assert site.call("GET", f"/v1/videos/{upload['video_id']}")["processing"]["attempt"] == 1


def test_a_message_that_nobody_can_read_ends_beside_its_queue(queues: Queues) -> None:
    for queue in QUEUES:
        queues.put(queue, POISON)
    for queue in QUEUES:
        assert until(partial(queues.dead, queue), calls=6) == [POISON]


def _created(bucket: str, key: str) -> Mapping[str, Any]:
    return {
        "version": "0", "id": "x", "source": "aws.s3", "detail-type": "Object Created",
        "detail": {"version": "0", "bucket": {"name": bucket}, "object": {"key": key}},
    }  # fmt: skip


FANS = 2 * FAN_OUT_PAGE + 50


async def _follow(deployed: Deployment, channel: str) -> None:
    """So many that one lane takes two pages, and the other seven one each; signing all of them up would take long."""
    async with client("dynamodb", ROOT_KEY) as opened:
        tables = Tables(opened, {name: deployed.outputs[f"{name.title()}Table"] for name in ("social", "ops")})
        clock = Clock()
        subscriptions = DynamoSubscriptions(tables, DynamoOutbox(tables, Ulids(clock.now), clock.now))
        for number in range(FANS):
            if number == FAN_OUT_PAGE + 1:
                await _SUBSCRIBERS.spread(tables, channel)
            fan = Subscription(UserId(f"fan-{number:04}"), ChannelId(channel), Notify.ALL, since=clock.now())
            await subscriptions.put(fan)


async def test_everyone_who_follows_a_channel_hears_of_a_film_once(
    site: Site, queues: Queues, channel: str, tmp_path: Any
) -> None:
    """Page by page in every lane, though every page comes twice."""
    await _follow(site.deployed, channel)
    upload = site.upload(channel, films.landscape(tmp_path).read_bytes())
    assert site.stack.finished_with(upload["id"]) == "COMPLETE"
    assert site.processed(upload) == "ready"
    site.call("PATCH", f"/v1/videos/{upload['video_id']}", json={"visibility": "public"})
    dynamodb = aws(site.stack, "dynamodb")

    def told() -> list[str]:
        pages = dynamodb.get_paginator("scan").paginate(TableName=site.deployed.outputs["InboxTable"])
        items = [item for page in pages for item in page["Items"]]
        return [item["pk"]["S"] for item in items if item["pk"]["S"].startswith("TOLD#fan-")]

    until(lambda: len(told()) >= FANS, 5 * DEADLINE_CALLS)
    pages = dynamodb.get_paginator("scan").paginate(TableName=site.deployed.outputs["OpsTable"])
    events = [item["pk"]["S"].removeprefix("EVENT#") for page in pages for item in page["Items"] if _is_page(item)]
    assert len(events) == 9
    for _ in range(2):
        queues.put("FanOutQueue", *(json.dumps({"event": event}) for event in events))
    waiting = {"QueueUrl": site.deployed.outputs["FanOutQueue"], "AttributeNames": ["All"]}

    def quiet() -> bool:
        said = queues.sqs.get_queue_attributes(**waiting)["Attributes"]
        return {said["ApproximateNumberOfMessages"], said["ApproximateNumberOfMessagesNotVisible"]} == {"0"}

    until(quiet)
    assert sorted(told()) == [f"TOLD#fan-{number:04}" for number in range(FANS)]


def _is_page(item: Mapping[str, Any]) -> bool:
    return item["pk"]["S"].startswith("EVENT#") and item.get("kind") == {"S": "FanOut"}
