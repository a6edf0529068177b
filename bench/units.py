"""What each use case asks of DynamoDB, in request units: every request of it is seen, and the items in it are weighed.

The tables are ministack's in this process (``tests/cloud/direct.py``). It charges all reads alike, so
units are counted here by what AWS says they are: a read of 4 KB is one, half of one if it need not be as
of now, of a Query all items together; a write of 1 KB is one, two in a transaction, and one more for each index that
the item is in.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from math import ceil
from typing import Any

from attrs import define, field, frozen
from dependency_injector.providers import Object

from adapters.aws.channels import DynamoChannels
from adapters.aws.comments import DynamoComments
from adapters.aws.dynamo import Tables
from adapters.aws.engagement import DynamoReactions, DynamoSubscriptions
from adapters.aws.notifications import DynamoInbox
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.processing import DynamoProcessings
from adapters.aws.search import DynamoSearch
from adapters.aws.streams import DynamoBroadcasts, DynamoStreams
from adapters.aws.uploads import DynamoUploads
from adapters.aws.users import DynamoUsers
from adapters.aws.videos import DynamoVideos
from adapters.aws.watching import DynamoHistory, DynamoSessions, DynamoViewings
from adapters.inmemory.container import Memory
from application.ports import Signal
from bench.world import BEGINNING, SAID, Size, fill
from docs.dynamodb import READ_UNIT, WRITE_UNIT
from domain.access import ANONYMOUS, Actor
from domain.broadcasts import Happening
from domain.engagement import Notify, Reaction
from domain.identity import User
from domain.ids import BroadcastId, ChannelId, UserId, VideoId
from domain.streams import Stream
from entrypoints.container import Core
from entrypoints.settings import Settings
from tests.cloud import direct


def core_on(tables: Tables) -> Core:
    """Every use case over these tables; all but records as in the profile ``memory``."""
    settings = Settings.read({"HEXCAST_PROFILE": "memory"})
    adapters = Memory(public_url=settings.public_url, key=b"k" * 32)
    now, outbox = adapters.now(), DynamoOutbox(tables, adapters.new_id(), adapters.now())
    records = {
        "outbox": outbox, "users": DynamoUsers(tables, outbox), "channels": DynamoChannels(tables, outbox),
        "videos": DynamoVideos(tables, outbox), "uploads": DynamoUploads(tables, outbox),
        "processings": DynamoProcessings(tables, outbox), "comments": DynamoComments(tables, outbox),
        "reactions": DynamoReactions(tables, outbox), "subscriptions": DynamoSubscriptions(tables, outbox),
        "history": DynamoHistory(tables), "viewings": DynamoViewings(tables), "sessions": DynamoSessions(tables, now), "inbox": DynamoInbox(tables, now),
        "search": DynamoSearch(tables), "streams": DynamoStreams(tables, outbox),
        "broadcasts": DynamoBroadcasts(tables, outbox),
    }  # fmt: skip
    adapters.override_providers(**{name: Object(repository) for name, repository in records.items()})
    return Core(settings=settings, adapters=adapters)


@define
class Spent:
    reads: float = 0
    writes: float = 0
    calls: int = 0


@define(eq=False)
class Metered:
    """Stands before a client, and counts."""

    client: Any
    spent: Spent = field(factory=Spent)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(**given: Any) -> Any:
            answer = await getattr(self.client, name)(**given)
            self.spent.calls += 1
            self.spent.reads += _reads(name, given, answer)
            self.spent.writes += _writes(name, given)
            return answer

        return call


def _reads(name: str, given: Mapping[str, Any], answer: Mapping[str, Any]) -> float:
    match name:
        case "get_item":
            return _units(_size(answer.get("Item", {})), READ_UNIT) * (1 if given["ConsistentRead"] else 0.5)
        case "batch_get_item":
            ((table, asked),) = given["RequestItems"].items()
            found = answer["Responses"].get(table, [])
            missing = len(asked["Keys"]) - len(found)
            each: int = missing + sum(_units(_size(item), READ_UNIT) for item in found)
            return float(each * (1 if asked["ConsistentRead"] else 0.5))
        case "query":
            size = sum(map(_size, answer["Items"]))
            return _units(size, READ_UNIT) * (1 if given["ConsistentRead"] else 0.5)
        case _:
            return 0


def _writes(name: str, given: Mapping[str, Any]) -> float:
    match name:
        case "put_item" | "update_item" | "delete_item":
            return _write(given)
        case "transact_write_items":
            steps = [request for step in given["TransactItems"] for request in step.values()]
            return sum(2 * _write(step, indexed=False) + _indexed(step) for step in steps)
        case "batch_write_item":
            steps = [request for made in given["RequestItems"].values() for step in made for request in step.values()]
            return sum(_write(step) for step in steps)
        case _:
            return 0


def _write(request: Mapping[str, Any], *, indexed: bool = True) -> float:
    """An update is taken for one of a small item."""
    return _units(_size(request.get("Item", {})), WRITE_UNIT) + (_indexed(request) if indexed else 0)


def _indexed(request: Mapping[str, Any]) -> float:
    """For the indices that the item is in; moving it in one is to take it out and put it in."""
    item: Mapping[str, Any] | None = request.get("Item")
    if item is not None:
        return sum(name.endswith("pk") and name != "pk" for name in item) * _units(_size(item), WRITE_UNIT)
    names: Collection[str] = request.get("ExpressionAttributeNames", {}).values()
    return 2 * len(
        {name[:-2] for name in names if name[:-2] and name[-2:] in {"pk", "sk"} and name not in {"pk", "sk"}}
    )


def _units(size: int, unit: int) -> int:
    return max(ceil(size / unit), 1)


def _size(item: Mapping[str, Any]) -> int:
    return sum(len(name) + sum(len(str(each).encode()) for each in value.values()) for name, value in item.items())


@frozen
class Cost:
    """``least`` are the reads and writes that the access pattern cannot do without, and ``why`` it is more."""

    use_case: str
    reads: float
    writes: float
    calls: int
    least: tuple[float, float]
    why: str = ""


_LEAST: Sequence[tuple[str, float, float, str]] = (
    # A list of 20 is one Query, and half a unit for each channel, author, count or reaction that it shows.
    ("latest 20 videos", 33, 0, "newest of 4 partitions: each gives a page, of which a quarter is shown"),
    ("latest 20 videos of a channel", 33.5, 0, ""),
    ("a video", 4, 0, "the video as of now, for who may see it"),
    ("20 comments", 43, 0, "comments, replies' counts and one's own reactions as of now"),
    ("a channel", 2, 0, "the channel, and what it lists, as of now"),
    ("notifications", 1, 0, "as of now, and how far one has read"),
    ("how many are unread", 1, 0, "as of now, and how far one has read"),
    ("search for two words", 3, 0, ""),
    ("post a comment", 3, 12, "video, channel, author and what is pinned as of now; known to the channel is counted"),
    ("like a video", 2, 4, "video, channel and person as of now, and what they thought before"),
    ("subscribe", 2, 8, "channel and person as of now"),
    ("play a video", 5, 1, "the card's counts, and where one was"),
    ("say where playback is", 2, 10, "the place in the history moves in its index; two days are counted in"),
    ("edit a video's title", 4, 8, "it is shown as a card again; 2 KB in three indices, and two events"),
    ("20 streams that are live", 22.5, 0, "newest of 4 partitions; what is heard of each, as of now, for its viewers"),
    ("hear of a broadcast's health", 3, 7, "the stream by its ingest's name, and what was heard of it, as of now"),
)


async def _newcomer(core: Core) -> Actor:
    id_ = UserId(core.adapters.new_id()("usr"))
    user = User(id=id_, handle="newcomer", display_name="New", email="new@example.org", created_at=BEGINNING)
    await core.adapters.users().save(user)
    return Actor(id_)


async def _go_live(core: Core, owner: Actor, channel: ChannelId) -> Stream:
    """One more stream of the channel's is live."""
    card = await core.create_stream()(owner, channel, title="The rehearsal, live")
    await core.show_ingest()(owner, card.stream.id)
    stream: Stream = await core.adapters.streams().get(card.stream.id)
    await core.take_signal()(_said(core, stream, Happening.STREAM_START))
    await core.reflect_broadcast()(stream.id)
    return stream


def _said(core: Core, stream: Stream, kind: Happening) -> Signal:
    id_, detail = core.adapters.new_id()("evt"), {"bitrate_bps": 4_000_000, "width": 1280, "height": 720, "fps": 30.0}
    return Signal(
        id=id_, ingest=stream.ingest, broadcast=BroadcastId(f"st-{stream.id}"), kind=kind, at=core.adapters.now()(),
        detail=detail,
    )  # fmt: skip


@asynccontextmanager
async def metered() -> AsyncIterator[tuple[Core, Metered]]:
    async with direct.tables() as tables:
        client: Any = Metered(tables.client)
        yield core_on(Tables(client, tables.names)), client


async def costs() -> Sequence[Cost]:
    """Measured on a small world; ids and texts are as long as everywhere."""
    async with metered() as (core, meter):
        seeded = await fill(Size(videos=60, comments=1200), core)
        channel, video = ChannelId(seeded["hot_channel"]), VideoId(seeded["hot"])
        person = (await core.adapters.comments().on_video(video)).items[0].author
        follower = await _newcomer(core)
        member, owner = Actor(UserId(person)), Actor((await core.adapters.channels().get(channel)).owner)
        session = (await core.open_playback()(member, video)).session
        core.adapters.machine().advance(timedelta(seconds=60))
        await core.index_video()(video)
        live = [await _go_live(core, owner, channel) for _ in range(21)][-1]
        steps: Mapping[str, Callable[[], Awaitable[object]]] = {
            "latest 20 videos": lambda: core.list_videos()(ANONYMOUS),
            "latest 20 videos of a channel": lambda: core.list_videos()(ANONYMOUS, channel=channel),
            "a video": lambda: core.show_video()(member, video),
            "20 comments": lambda: core.list_comments()(member, video),
            "a channel": lambda: core.show_channel()(member, channel),
            "notifications": lambda: core.list_notifications()(member),
            "how many are unread": lambda: core.count_unread()(member),
            "search for two words": lambda: core.find()(ANONYMOUS, "symphony rehearsed"),
            "post a comment": lambda: core.post_comment()(member, video, SAID),
            "like a video": lambda: core.react().to_video(member, video, Reaction.DISLIKE),
            "subscribe": lambda: core.subscribe()(follower, channel, Notify.ALL),
            "play a video": lambda: core.open_playback()(member, video),
            "say where playback is": lambda: core.heartbeat()(member, video, session.id, 61.0),
            "edit a video's title": lambda: core.edit_video()(owner, video, title="Another"),
            "20 streams that are live": lambda: core.list_streams()(ANONYMOUS),
            "hear of a broadcast's health": lambda: core.take_signal()(_said(core, live, Happening.HEALTH)),
        }
        told = []
        for name, reads, writes, why in _LEAST:
            meter.spent = spent = Spent()
            await steps[name]()
            told.append(Cost(name, spent.reads, spent.writes, spent.calls, (reads, writes), why))
        return told
