"""Lost answers and meeting others change nothing for comments, reactions, subscriptions, sessions and histories."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from attrs import define, evolve
from botocore.exceptions import ClientError

from adapters.aws.comments import DynamoComments
from adapters.aws.counters import SHARDS
from adapters.aws.engagement import _TALLIES, DynamoReactions, DynamoSubscriptions
from adapters.aws.tables import G1
from adapters.aws.watching import DynamoHistory, DynamoSessions, DynamoViewings
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


@pytest.fixture
async def world() -> AsyncIterator[Cloud]:
    async with dynamo(lambda world: world)() as opened:
        yield opened.port


def reactions(world: Cloud) -> Reactions:
    return DynamoReactions(rough(world.tables), world.outbox)


def subscriptions(world: Cloud) -> Subscriptions:
    return DynamoSubscriptions(rough(world.tables), world.outbox)


def watching(world: Cloud) -> Watching:
    tables = rough(world.tables)
    return Watching(DynamoSessions(tables, world.clock.now), DynamoHistory(tables), DynamoViewings(tables))


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
    run(machine, opener, examples=3)


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


async def test_whoever_has_seen_a_tally_spread_begins_at_any_shard(world: Cloud) -> None:
    """Nobody has to meet others for it: nothing is tried twice but where a shard is not begun yet."""
    counting, draws = Counted(world.tables.client), iter([5, 5, 0, 2, 5])
    tables = evolve(world.tables, client=counting, draw=lambda _: next(draws))
    port = DynamoReactions(tables, world.outbox)
    await port.put("vid_0", CROWD[0], Reaction.LIKE)
    await _TALLIES.spread(world.tables, "vid_0")
    await port.put("vid_0", CROWD[1], Reaction.LIKE)
    assert (counting.tried, counting.refused) == (2, 0), "it has not seen it"
    assert await port.tallies(["vid_0"]) == {"vid_0": ReactionTally(2, 0)}
    for user in CROWD[2:7]:
        await port.put("vid_0", user, Reaction.LIKE)
    assert (counting.tried, counting.refused) == (9, 2), "shards 5 and 2 were begun"
    assert [await liked(world, shard) for shard in range(SHARDS)] == [3, 0, 1, 0, 0, 3, 0, 0]
    assert await port.tallies(["vid_0"]) == {"vid_0": ReactionTally(7, 0)}


async def test_a_tally_forgotten_elsewhere_is_begun_anew_where_all_read_it(world: Cloud) -> None:
    """Though this process still takes it to be spread."""
    port = DynamoReactions(evolve(world.tables, draw=lambda _: 5), world.outbox)
    elsewhere = DynamoReactions(evolve(world.tables), world.outbox)
    await port.put("vid_0", CROWD[0], Reaction.LIKE)
    await _TALLIES.spread(world.tables, "vid_0")
    await port.tallies(["vid_0"])
    await port.put("vid_0", CROWD[1], Reaction.LIKE)
    assert await liked(world, 5) == 1
    await elsewhere.forget("vid_0")
    await port.put("vid_0", CROWD[0], Reaction.LIKE)
    await port.put("vid_0", CROWD[1], Reaction.DISLIKE)
    assert await elsewhere.tallies(["vid_0"]) == {"vid_0": ReactionTally(1, 1)}
    assert await liked(world, 5) == 0


async def test_a_process_knows_of_so_many_spread_counters(world: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those it saw last; one that it forgot itself is none of them."""
    monkeypatch.setattr("adapters.aws.counters.KNOWN", 2)
    port = DynamoReactions(world.tables, world.outbox)
    for number in (0, 1, 0, 2):
        await _TALLIES.spread(world.tables, f"vid_{number}")
    assert [key.pk for key in world.tables.spread] == ["TALLY#vid_0#0", "TALLY#vid_2#0"]
    await port.forget("vid_2")
    assert [key.pk for key in world.tables.spread] == ["TALLY#vid_0#0"]


async def liked(world: Cloud, shard: int) -> int:
    items = await world.tables.many(_TALLIES._many, [_TALLIES._at("vid_0", shard)])
    return sum(int(item["like"]["N"]) for item in items.values())


@define(eq=False)
class Counted:
    """A client that counts transactions, and those of them that were refused."""

    client: Any
    tried: int = 0
    refused: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    async def transact_write_items(self, **given: Any) -> Any:
        self.tried += 1
        try:
            return await self.client.transact_write_items(**given)
        except ClientError:
            self.refused += 1
            raise


def lane(port: Subscriptions, channel: ChannelId, at: int, cursor: str | None, limit: int) -> Any:
    return port.to_channel_lane(channel, at, cursor=cursor, limit=limit)


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
        lanes = [await walked(partial(lane, calm, channel, at), 7) for at in range(await calm.lanes(channel))]
        assert sum(map(bool, lanes)) > 1
        same([each for found in lanes for each in found], every)
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
