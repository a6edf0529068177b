"""Lost answers and meeting others change nothing for comments, reactions, subscriptions, sessions and histories."""

import asyncio
from typing import Any

import pytest

from adapters.aws.comments import DynamoComments
from adapters.aws.counters import SHARDS
from adapters.aws.engagement import DynamoReactions, DynamoSubscriptions
from adapters.aws.tables import G1
from adapters.aws.watching import DynamoHistory, DynamoSessions
from application.ports import Reactions, ReactionTally, Subscriptions
from domain.engagement import Notify, Reaction, Subscription
from domain.ids import ChannelId, UserId
from tests.adapters.rough import rough
from tests.contract.machine import Machine, run, same, walked
from tests.contract.test_comments import CommentsMachine
from tests.contract.test_reactions import ReactionsMachine
from tests.contract.test_subscriptions import SubscriptionsMachine
from tests.contract.test_watching import WatchingMachine
from tests.strategies import START
from tests.worlds import Cloud, Opener, Watching, dynamo

CROWD = [UserId(f"usr_{number}") for number in range(40)]


def reactions(world: Cloud) -> Reactions:
    return DynamoReactions(rough(world.tables), world.outbox)


def subscriptions(world: Cloud) -> Subscriptions:
    return DynamoSubscriptions(rough(world.tables), world.outbox)


def watching(world: Cloud) -> Watching:
    tables = rough(world.tables)
    return Watching(DynamoSessions(tables, world.clock.now), DynamoHistory(tables))


@pytest.mark.parametrize(
    ("machine", "opener"),
    [
        (CommentsMachine, dynamo(lambda world: DynamoComments(rough(world.tables), world.outbox))),
        (ReactionsMachine, dynamo(reactions)),
        (SubscriptionsMachine, dynamo(subscriptions)),
        (WatchingMachine, dynamo(watching)),
    ],
    ids=["comments", "reactions", "subscriptions", "watching"],
)
def test_nothing_is_doubled_and_nothing_lost(machine: type[Machine], opener: Opener[Any]) -> None:
    """They still behave like their models, events included."""
    run(machine, opener, examples=5)


async def test_a_tally_that_many_meet_at_is_spread() -> None:
    """It is exact over all shards, and forgotten with all of them."""
    async with dynamo(reactions)() as opened:
        await asyncio.gather(*(opened.port.put("vid_0", user, Reaction.LIKE) for user in CROWD))
        assert await opened.port.tallies(["vid_0", "vid_1"]) == {
            "vid_0": ReactionTally(len(CROWD), 0), "vid_1": ReactionTally(),
        }  # fmt: skip
        await opened.port.forget("vid_0")
        await opened.port.put("vid_0", CROWD[0], Reaction.DISLIKE)
        assert await opened.port.tallies(["vid_0"]) == {"vid_0": ReactionTally(0, 1)}


async def test_a_channel_that_many_subscribe_to_at_once_is_listed_over_shards() -> None:
    """As one list: those from before, and all that came since."""
    opener = dynamo(lambda world: (DynamoSubscriptions(world.tables, world.outbox), subscriptions(world), world))
    async with opener() as opened:
        calm, crowded, world = opened.port
        channel = ChannelId("chn_arts")
        every = [Subscription(user, channel, Notify.ALL, START) for user in CROWD]
        await calm.put(every[0])
        await asyncio.gather(*(crowded.put(each) for each in every[1:]))
        listed = await walked(lambda at, most: calm.to_channel(channel, cursor=at, limit=most), 7)
        same(listed, every, lambda each: each.user, descending=True)
        assert await calm.count(channel) == len(every)
        items = [
            await world.tables.client.query(
                TableName=world.tables.names["social"], IndexName=G1.index_name,
                KeyConditionExpression="#list = :list", ExpressionAttributeNames={"#list": G1.pk},
                ExpressionAttributeValues={":list": {"S": f"SUBSCRIBERS#{channel}#{shard}"}},
            )
            for shard in range(SHARDS)
        ]  # fmt: skip
        assert sum(map(bool, (found["Items"] for found in items))) > 1
        assert [await crowded.forget(channel, 30) for _ in range(3)] == [30, 10, 0]
        assert await calm.count(channel) == 0
