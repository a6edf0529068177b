"""Reactions and subscriptions in DynamoDB. Comments are in ``comments``: they alone fill a module."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from heapq import merge
from itertools import islice
from zlib import crc32

from adapters.aws.counters import Counters
from adapters.aws.dynamo import (
    BATCH_WRITE_MOST,
    NEW,
    THERE,
    TRANSACTION_MOST,
    Item,
    Key,
    Refused,
    Tables,
    delete,
    key_of,
    put,
    stamp,
    text,
    update,
)
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.shelves import page, tail
from adapters.aws.tables import G1, G2, SOCIAL, Operation, pattern
from application.ports import Event, Page, Reacted, ReactionTally
from domain.engagement import Notify, Reaction, Subscription
from domain.ids import ChannelId, UserId

SHARDS = 8
"""Partitions of the reactions to one subject: one takes 1,000 writes a second, and these are two each."""
FORGOTTEN_AT_ONCE = 10 * BATCH_WRITE_MOST

_REACTION = "REACTION#<subject>#<shard of the user>", "<user>"
_GIVEN = pattern(
    "a user's reaction to a subject", Operation.GET, SOCIAL, *_REACTION, strong=True, item_bytes=100
)  # fmt: skip
_SOME = pattern(
    "a user's reactions to subjects", Operation.MANY, SOCIAL, *_REACTION, strong=True, items=20, item_bytes=100
)
_REACT = pattern("react, or take it back", Operation.WRITE, SOCIAL, *_REACTION, item_bytes=100, transaction=True)
_TO = pattern(
    "some of the reactions to a subject", Operation.QUERY, SOCIAL, *_REACTION,
    strong=True, items=FORGOTTEN_AT_ONCE, item_bytes=100,
)  # fmt: skip
_FORGET = pattern("forget reactions", Operation.BATCH, SOCIAL, *_REACTION, items=BATCH_WRITE_MOST, item_bytes=100)
_TALLIES = Counters(table=SOCIAL, prefix="TALLY#", names=[each.value for each in Reaction])


class DynamoReactions:
    """An item each, in a few partitions a subject: one is found by its user, and all of them without an index."""

    def __init__(self, tables: Tables, outbox: DynamoOutbox) -> None:
        self._tables = tables
        self._outbox = outbox

    async def put(self, subject: str, user: UserId, reaction: Reaction, *events: Event) -> bool:
        storing = self._outbox.storing(events)

        async def work() -> bool:
            given = await self._given(subject, user)
            if given is reaction:
                return False
            key, item = _reacted(subject, user), {"reaction": text(reaction.value)}
            if given is None:
                write, by = put(_REACT, key, item, NEW), {reaction.value: 1}
            else:
                write = put(_REACT, key, item, "#reaction = :given", given=text(given.value))
                by = {reaction.value: 1, given.value: -1}
            await _TALLIES.write(self._tables, subject, lambda _: [write, *storing], **by)
            return True

        return await self._tables.anew(work)

    async def remove(self, subject: str, user: UserId) -> bool:
        async def work() -> bool:
            given = await self._given(subject, user)
            if given is None:
                return False
            write = delete(_REACT, _reacted(subject, user), "#reaction = :given", given=text(given.value))
            await _TALLIES.write(self._tables, subject, lambda _: [write], **{given.value: -1})
            return True

        return await self._tables.anew(work)

    async def of(self, user: UserId, subjects: Sequence[str]) -> Mapping[str, Reaction]:
        items = await self._tables.many(_SOME, (_reacted(subject, user) for subject in subjects))
        found = {subject: items.get(_reacted(subject, user)) for subject in subjects}
        return {subject: _reaction(item) for subject, item in found.items() if item is not None}

    async def tallies(self, subjects: Sequence[str]) -> Mapping[str, ReactionTally]:
        counted = await _TALLIES.of(self._tables, subjects)
        return {
            subject: ReactionTally(tally[Reaction.LIKE.value], tally[Reaction.DISLIKE.value])
            for subject, tally in counted.items()
        }

    async def forget(self, subject: str) -> None:
        """What was never counted has no reactions. The tally goes last, so that one who gave up midway begins anew."""
        over = await _TALLIES.shards(self._tables, subject)
        if over:
            await asyncio.gather(*(self._forget(f"REACTION#{subject}#{shard}") for shard in range(SHARDS)))
            await _TALLIES.forget(self._tables, subject, over)

    def kept(self, item: Item) -> Reacted | None:
        key = key_of(item)
        if not key.pk.startswith("REACTION#"):
            return None
        return Reacted(key.pk.removeprefix("REACTION#").rpartition("#")[0], UserId(key.sk), _reaction(item))

    async def admit(self, reacted: Reacted) -> None:
        """One from an archive. Raises Refused."""
        name = reacted.reaction.value
        write = put(_REACT, _reacted(reacted.subject, reacted.user), {"reaction": text(name)}, NEW)
        await _TALLIES.write(self._tables, reacted.subject, lambda _: [write], **{name: 1})

    def tallied(self, item: Item) -> Iterable[tuple[str, int]]:
        if (given := self.kept(item)) is not None:
            yield _TALLIES.count(given.subject, given.reaction.value), 1
        yield from _TALLIES.tallied(item)

    async def mend(self, count: str, by: int) -> bool:
        return await _TALLIES.mend(self._tables, count, by)

    async def _given(self, subject: str, user: UserId) -> Reaction | None:
        item = await self._tables.get(_GIVEN, _reacted(subject, user))
        return _reaction(item) if item is not None else None

    async def _forget(self, partition: str) -> None:
        last: str | None = None
        while items := await self._tables.query(_TO, partition, above=last, limit=FORGOTTEN_AT_ONCE):
            await self._tables.write_many([delete(_FORGET, key_of(item)) for item in items])
            last = key_of(items[-1]).sk


def _reacted(subject: str, user: UserId) -> Key:
    return Key(f"REACTION#{subject}#{crc32(user.encode()) % SHARDS}", user)


def _reaction(item: Item) -> Reaction:
    return Reaction(item["reaction"]["S"])


# --- subscriptions -------------------------------------------------------------------------------

_SUBSCRIPTION = "SUBSCRIPTION#<user>", "<channel>"
_ONE = pattern("a user's subscription to a channel", Operation.GET, SOCIAL, *_SUBSCRIPTION, strong=True, item_bytes=200)
_SUBSCRIBE = pattern(
    "subscribe, unsubscribe, or change what one is told", Operation.WRITE, SOCIAL, *_SUBSCRIPTION,
    indices=(G1, G2), item_bytes=200, transaction=True,
)  # fmt: skip
_OF_USER = pattern(
    "a user's subscriptions, newest first", Operation.QUERY, SOCIAL, "SUBSCRIPTIONS#<user>", "<since>#<channel>",
    index=G2, items=21, item_bytes=200,
)  # fmt: skip
_TO_CHANNEL = pattern(
    "a channel's subscriptions, newest first", Operation.QUERY, SOCIAL, "SUBSCRIBERS#<channel>#<shard>",
    "<since>#<user>", index=G1, items=21, item_bytes=200,
)  # fmt: skip
_SUBSCRIBERS = Counters(table=SOCIAL, prefix="SUBSCRIBERS#", names=("subscribers",))


class DynamoSubscriptions:
    """An item each, and an index from either side. Keys of the channel's ascend in time, so they stay in one partition
    however many come: a channel is listed over as many shards as it is counted on, one until two come at once. Each is
    a lane.

    The lists show a change within a second; one by user and channel, and the count, show it at once.
    """

    def __init__(self, tables: Tables, outbox: DynamoOutbox) -> None:
        self._tables = tables
        self._outbox = outbox

    async def put(self, subscription: Subscription, *events: Event) -> bool:
        user, channel, notify = subscription.user, subscription.channel, text(subscription.notify.value)
        key, since = _subscribed(user, channel), stamp(subscription.since)
        storing = self._outbox.storing(events)
        item = {
            "since": text(since), "notify": notify,
            G2.pk: text(f"SUBSCRIPTIONS#{user}"), G2.sk: text(f"{since}#{channel}"), G1.sk: text(f"{since}#{user}"),
        }  # fmt: skip

        async def work() -> bool:
            if await self._tables.get(_ONE, key) is not None:
                await self._tables.write(update(_SUBSCRIBE, key, "SET #notify = :notify", THERE, notify=notify))
                return False
            await _SUBSCRIBERS.write(
                self._tables, channel,
                lambda shard: [put(_SUBSCRIBE, key, {**item, G1.pk: text(_list(channel, shard))}, NEW), *storing],
                subscribers=1,
            )  # fmt: skip
            return True

        return await self._tables.anew(work)

    async def remove(self, user: UserId, channel: ChannelId) -> bool:
        return await self._drop(channel, [_subscribed(user, channel)]) > 0

    async def get(self, user: UserId, channel: ChannelId) -> Subscription | None:
        item = await self._tables.get(_ONE, _subscribed(user, channel))
        return _subscription(item) if item is not None else None

    async def of_user(self, user: UserId, *, cursor: str | None = None, limit: int = 20) -> Page[Subscription]:
        (below,) = tail(cursor) or (None,)
        partition = f"SUBSCRIPTIONS#{user}"
        items = await self._tables.query(_OF_USER, partition, below=below, descending=True, limit=limit + 1)
        return page(items, limit, _subscription, G2.sk)

    async def to_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Subscription]:
        (below,) = tail(cursor) or (None,)
        return page(await self._listed(channel, below, limit + 1), limit, _subscription, G1.sk)

    async def lanes(self, channel: ChannelId) -> int:
        return max(1, await _SUBSCRIBERS.shards(self._tables, channel))

    async def to_channel_lane(
        self, channel: ChannelId, lane: int, *, cursor: str | None = None, limit: int = 20
    ) -> Page[Subscription]:
        (below,) = tail(cursor) or (None,)
        items = await self._on(channel, lane, below, limit + 1)
        return page(items, limit, _subscription, G1.sk)

    async def count(self, channel: ChannelId) -> int:
        counted = await _SUBSCRIBERS.of(self._tables, [channel])
        return counted[channel]["subscribers"]

    async def forget(self, channel: ChannelId, limit: int = 500) -> int:
        """The index may still list what went a moment ago: it reads on until something goes, or nothing is left."""
        gone, below = 0, None
        while gone < limit and (items := await self._listed(channel, below, limit - gone)):
            keys, most = [key_of(item) for item in items], TRANSACTION_MOST - 1
            for start in range(0, len(keys), most):
                gone += await self._drop(channel, keys[start : start + most])
            below = items[-1][G1.sk]["S"]
        return gone

    def kept(self, item: Item) -> Subscription | None:
        return _subscription(item) if key_of(item).pk.startswith("SUBSCRIPTION#") else None

    def tallied(self, item: Item) -> Iterable[tuple[str, int]]:
        if (subscription := self.kept(item)) is not None:
            yield _SUBSCRIBERS.count(subscription.channel, "subscribers"), 1
        yield from _SUBSCRIBERS.tallied(item)

    async def mend(self, count: str, by: int) -> bool:
        return await _SUBSCRIBERS.mend(self._tables, count, by)

    async def _listed(self, channel: ChannelId, below: str | None, limit: int) -> Sequence[Item]:
        lanes = range(await self.lanes(channel))
        shards = await asyncio.gather(*(self._on(channel, lane, below, limit) for lane in lanes))
        return list(islice(merge(*shards, key=lambda item: item[G1.sk]["S"], reverse=True), limit))

    async def _on(self, channel: ChannelId, shard: int, below: str | None, limit: int) -> Sequence[Item]:
        partition = _list(channel, shard)
        return await self._tables.query(_TO_CHANNEL, partition, below=below, descending=True, limit=limit)

    async def _drop(self, channel: ChannelId, keys: Sequence[Key]) -> int:
        """How many of them were still there."""
        if not keys:
            return 0
        deletes = [delete(_SUBSCRIBE, key, THERE) for key in keys]
        try:
            await _SUBSCRIBERS.write(self._tables, channel, lambda _: deletes, subscribers=-len(keys))
        except Refused as refused:
            return await self._drop(channel, [key for at, key in enumerate(keys) if at not in refused.there])
        return len(keys)


def _subscribed(user: UserId, channel: ChannelId) -> Key:
    return Key(f"SUBSCRIPTION#{user}", channel)


def _list(channel: ChannelId, shard: int) -> str:
    return f"SUBSCRIBERS#{channel}#{shard}"


def _subscription(item: Item) -> Subscription:
    user, channel = UserId(item["pk"]["S"].removeprefix("SUBSCRIPTION#")), ChannelId(item["sk"]["S"])
    return Subscription(user, channel, Notify(item["notify"]["S"]), datetime.fromisoformat(item["since"]["S"]))
