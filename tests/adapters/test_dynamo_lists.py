"""Lists that lie in several partitions come in one order, and few calls are made for them."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from adapters.aws.dynamo import Tables
from adapters.aws.lists import merged, place, up_to
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.tables import CORE, G1, TABLES, Operation, Pattern
from adapters.aws.videos import DynamoVideos
from domain.ids import ChannelId, VideoId
from tests.adapters.test_dynamo_rows import AT, FIRST, Shelves

LISTED = Pattern(purpose="any", operation=Operation.QUERY, table=CORE, index=G1, partition="<shard>", sort="<key>")
NAMES = {table.name: table.name for table in TABLES}


@define
class Counting(Shelves):
    """Counts what is asked; all that is asked at once is one round."""

    asked: list[str] = field(factory=list)
    rounds: int = 0
    _loop_at: bool = False

    async def query(self, **given: Any) -> Any:
        self.asked.append("query")
        if not self._loop_at:
            self._loop_at = True
            self.rounds += 1
        await asyncio.sleep(0)
        self._loop_at = False
        answer = await super().query(**given)
        return {"Items": answer["Items"][: given["Limit"]]}

    async def batch_get_item(self, **given: Any) -> Any:
        self.asked.append("many")
        return await super().batch_get_item(**given)


keys = st.text("abcdefgh", min_size=1, max_size=3)
partitions = st.dictionaries(st.sampled_from(["p", "q", "r", "s"]), st.sets(keys, max_size=8))


@given(partitions, st.none() | keys, st.integers(1, 9), st.integers(1, 9), st.data())
def test_partitions_are_put_in_one_order(
    listed: Mapping[str, set[str]], cursor: str | None, limit: int, step: int, data: st.DataObject
) -> None:
    """From any place on, in either direction, in steps of any size, whatever is known of where each begins."""
    descending = data.draw(st.booleans())
    there = {name: {f"{key}#{name}" for key in some} for name, some in listed.items()}
    known = {name for name in there if data.draw(st.booleans()) and there[name]}
    ends = {name: max(there[name]) if descending else min(there[name]) for name in known}
    heads = {name: f"{end}~" if descending and data.draw(st.booleans()) else end for name, end in ends.items()}
    items = {
        ("core", name, key): {"pk": {"S": name}, "sk": {"S": key}, "g1pk": {"S": name}, "g1sk": {"S": key}}
        for name, some in there.items()
        for key in some
    }
    bounds: Any = {"below" if descending else "above": cursor, "descending": descending}
    found = asyncio.run(
        merged(Tables(Counting(items), NAMES), LISTED, there, **bounds, limit=limit, step=step, heads=heads)
    )
    every = [key for some in there.values() for key in some]
    left = [key for key in every if cursor is None or (key < cursor if descending else key > cursor)]
    assert [item["g1sk"]["S"] for item in found] == sorted(left, reverse=descending)[:limit]


def test_places_are_in_the_order_of_time() -> None:
    """And what ends a time comes after all that is of it."""
    moments = [AT - timedelta(days=365), AT, AT + timedelta(microseconds=1), AT + timedelta(days=3650)]
    places = [key for at in moments for key in (place(at, "vid_1"), place(at, "vid_~"), up_to(at))]
    assert places == sorted(places)


def _feed(channels: int, each: int) -> tuple[Sequence[ChannelId], Counting, DynamoVideos]:
    """As many channels, in turn with a video a minute, the last one's is the newest."""
    counting = Counting()
    tables = Tables(counting, NAMES)
    videos = DynamoVideos(tables, DynamoOutbox(tables, str, lambda: AT))
    names = [ChannelId(f"chn_{order:04}") for order in range(channels)]

    async def fill() -> None:
        for order in range(channels * each):
            at = AT + timedelta(minutes=order)
            video = evolve(FIRST, id=VideoId(f"vid_{order}"), channel=names[order % channels], published_at=at, tags=())
            await videos.save(video)

    asyncio.run(fill())
    for place_, item in counting.items.items():  # the newest of each, which the stub does not work out
        if place_[2] == "LISTED":
            order = channels * (each - 1) + int(place_[1].removeprefix("CHAN#chn_"))
            item["head"] = {"S": place(AT + timedelta(minutes=order), f"vid_{order}")}
    return names, counting, videos


def test_a_feed_of_a_thousand_channels_takes_few_calls() -> None:
    """Ten for where their newest are, and for a page of twenty as many lists as it can show channels; as many again for
    each page that was before.
    """
    names, counting, videos = _feed(1000, 1)
    cursor = None
    for turned in range(3):
        counting.asked.clear()
        counting.rounds = 0
        page = asyncio.run(videos.feed(names, cursor=cursor))
        assert len(page.items) == 20
        assert counting.asked.count("many") == 10
        assert counting.asked.count("query") <= 21 * (1 + turned)
        assert counting.rounds <= 1 + turned
        cursor = page.next


def test_a_feed_of_few_channels_reads_on_in_them() -> None:
    """Three have all there is: each is read in steps."""
    names, counting, videos = _feed(3, 30)
    page = asyncio.run(videos.feed(names))
    assert [video.id for video in page.items] == [f"vid_{order}" for order in range(89, 69, -1)]
    assert len(counting.asked) <= 1 + 2 * 3
