"""MediaConvert as our transcoder uses it: a queue that hears of all its jobs, and buckets to read from and write to."""

import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from attrs import define, frozen

from adapters.aws.job import Places
from adapters.aws.mediaconvert import MediaConvertTranscoder
from adapters.aws.reports import Heard, meaning, tell
from domain.processing import Report
from tests.cloud.buckets import Buckets, Sent, buckets
from tests.cloud.world import World, world
from tests.worlds import FakeClock


class SqsReports:
    """A Reports on a queue whose messages come again after a minute: in the place of the function that takes them."""

    def __init__(self, client: Any, queue_url: str, heard: Heard) -> None:
        self._client = client
        self._queue_url = queue_url
        self._heard = heard
        self._fetched: deque[Report] = deque()
        self._receipts: dict[Report, list[str]] = {}
        """How the messages that said the same can be removed."""

    async def next(self) -> Report:
        while not self._fetched:
            await self._fetch()
        return self._fetched.popleft()

    async def settle(self, report: Report) -> None:
        """They are known until they are removed, so that a second try removes them."""
        for receipt in self._receipts.get(report, ()):
            await self._remove(receipt)
        self._receipts.pop(report, None)

    async def _fetch(self) -> None:
        said = await self._client.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=20)
        for message in said.get("Messages", []):
            report = await meaning(message["Body"], self._heard)
            if report is None:
                await self._remove(message["ReceiptHandle"])
                continue
            self._receipts.setdefault(report, []).append(message["ReceiptHandle"])
            if report not in self._fetched:
                self._fetched.append(report)

    async def _remove(self, receipt: str) -> None:
        await self._client.delete_message(QueueUrl=self._queue_url, ReceiptHandle=receipt)


@frozen
class Studio:
    buckets: Buckets
    client: Any
    sqs: Any
    queue_url: str
    places: Places
    transcoder: MediaConvertTranscoder
    reports: SqsReports
    store: Sent

    def limit(self, waiting_most: int) -> None:
        """So many jobs may wait; further ones are refused."""
        world = self.buckets.world
        world.stack.post("jobs/limit", {"account": world.account, "most": waiting_most})


@asynccontextmanager
async def studio(*, max_duration_s: float = 12 * 3600) -> AsyncIterator[Studio]:
    clock = FakeClock(datetime.now(UTC))
    async with buckets() as here:
        media, sqs, events = [await here.world.client(name) for name in ("mediaconvert", "sqs", "events")]
        url, arn = await _queue(here.world, sqs)
        pattern = {"source": ["aws.mediaconvert"], "detail": {"userMetadata": {"env": [here.world.account]}}}
        await events.put_rule(Name=here.world.name("jobs"), EventPattern=json.dumps(pattern))
        await events.put_targets(Rule=here.world.name("jobs"), Targets=[{"Id": "queue", "Arn": arn}])
        places = Places(
            raw_bucket=here.raw, media_bucket=here.media, env=here.world.account,
            role=f"arn:aws:iam::{here.world.account}:role/mediaconvert",
            queue=f"arn:aws:mediaconvert:us-east-1:{here.world.account}:queues/Default",
        )  # fmt: skip
        transcoder = MediaConvertTranscoder(
            media, here.s3, here.shown(clock.now), places, partial(tell, sqs, url), max_duration_s=max_duration_s
        )
        reports = SqsReports(sqs, url, transcoder.heard)
        yield Studio(here, media, sqs, url, places, transcoder, reports, Sent(here, clock.now))


async def _queue(here: World, sqs: Any) -> tuple[str, str]:
    """Whose messages come again after a minute; its address and its name."""
    name = here.name("reports")
    made = await sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "60"})
    return made["QueueUrl"], f"arn:aws:sqs:us-east-1:{here.account}:{name}"


# --- the queue alone -----------------------------------------------------------------------------


@define
class Mailbox:
    """The queue, with a time that can be moved on."""

    account: str
    sqs: Any
    queue_url: str
    reports: SqsReports
    passed: timedelta = timedelta(0)

    async def tell(self, report: Report) -> None:
        await tell(self.sqs, self.queue_url, report)

    async def advance(self, by: timedelta) -> None:
        """A minute after they were given out, messages are to be had again: the queue is told so, as it would find."""
        self.passed += by
        if self.passed < timedelta(minutes=1):
            return
        for receipts in self.reports._receipts.values():
            for receipt in receipts:
                await self.sqs.change_message_visibility(
                    QueueUrl=self.queue_url, ReceiptHandle=receipt, VisibilityTimeout=0
                )

    async def held(self) -> int:
        """How many messages wait."""
        name = "ApproximateNumberOfMessages"
        said = await self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=[name])
        return int(said["Attributes"][name])

    async def taken(self) -> Sequence[str]:
        """What the messages say that wait. They are gone then."""
        said: list[str] = []
        while messages := (await self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10)).get(
            "Messages"
        ):
            for each in messages:
                said.append(each["Body"])
                await self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=each["ReceiptHandle"])
        return said


async def _nothing(_: Any) -> None:
    """Where nobody says anything of MediaConvert."""


@asynccontextmanager
async def mailbox() -> AsyncIterator[Mailbox]:
    async with world() as here:
        sqs = await here.client("sqs")
        url, _ = await _queue(here, sqs)
        yield Mailbox(here.account, sqs, url, SqsReports(sqs, url, _nothing))
