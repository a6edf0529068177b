"""IVS as our ingest uses it: recording configurations, a key that viewers are let in with, a queue that hears of it all."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
from attrs import frozen
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.aws.events import told
from adapters.aws.ivs import Channels, IvsIngest, PlaybackKey
from application.ports import Signal
from tests.cloud import direct
from tests.cloud.buckets import private_pem, public_pem
from tests.cloud.world import World, world
from tests.worlds import FakeClock

WINDOWS = (0, 60, 300)
KEY = ec.generate_private_key(ec.SECP384R1())


@frozen
class Air:
    world: World
    client: Any
    s3: Any
    bucket: str
    clock: FakeClock
    channels: Channels
    ingest: IvsIngest
    http: httpx.AsyncClient
    sqs: Any
    queue_url: str

    async def messages(self, wait_s: int = 0) -> Sequence[Mapping[str, Any]]:
        """What EventBridge put into the queue since the last look, in some order; some, if that is to be waited for."""
        found: list[Mapping[str, Any]] = []
        while True:
            got = await self.sqs.receive_message(
                QueueUrl=self.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0 if found else wait_s
            )
            if not got.get("Messages"):
                return found
            for each in got["Messages"]:
                found.append(json.loads(each["Body"]))
                await self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=each["ReceiptHandle"])

    async def signals(self, wait_s: int = 0) -> Sequence[Signal]:
        """What of it means something to us."""
        said = [self.ingest.heard(told(json.dumps(each))) for each in await self.messages(wait_s)]
        return [each for each in said if each is not None]

    async def keys(self, prefix: str) -> Sequence[str]:
        """What lies under a prefix of the bucket that recordings go to, without it."""
        listed = await self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [each["Key"].removeprefix(prefix) for each in listed.get("Contents", [])]


async def recording_configurations(client: Any, bucket: str, name: str) -> Mapping[int, str]:
    """As the template makes them: their ARNs by their windows."""
    made = {}
    for window in WINDOWS:
        answer = await client.create_recording_configuration(
            name=f"{name}-{window}", destinationConfiguration={"s3": {"bucketName": bucket}},
            recordingReconnectWindowSeconds=window,
        )  # fmt: skip
        made[window] = answer["recordingConfiguration"]["arn"]
    return made


@asynccontextmanager
async def on_air() -> AsyncIterator[Air]:
    clock = FakeClock(datetime.now(UTC))
    async with world() as here, direct.tables() as tables, httpx.AsyncClient(timeout=30) as http:
        client, s3, sqs, bus = [await here.client(name) for name in ("ivs", "s3", "sqs", "events")]
        bucket, env = await here.bucket("recordings"), f"hexcast-{here.account}"
        url = (await sqs.create_queue(QueueName=here.name("live")))["QueueUrl"]
        pattern = {"source": ["aws.ivs"], "detail": {"channel_name": [{"prefix": f"{env}-"}]}}
        await bus.put_rule(Name=here.name("live"), EventPattern=json.dumps(pattern))
        arn = f"arn:aws:sqs:us-east-1:{here.account}:{here.name('live')}"
        await bus.put_targets(Rule=here.name("live"), Targets=[{"Id": "queue", "Arn": arn}])
        await client.import_playback_key_pair(publicKeyMaterial=public_pem(KEY))
        recordings = await recording_configurations(client, bucket, env)
        channels = Channels(env=env, bucket=bucket, recordings=recordings)
        ingest = IvsIngest(client, s3, tables, channels, clock.now, once=client, key=PlaybackKey(private_pem(KEY)))
        yield Air(here, client, s3, bucket, clock, channels, ingest, http, sqs, url)
