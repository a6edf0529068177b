"""Counts that a defect let drift: a recount of two nights makes them what they count, and nothing that is written
meanwhile is lost, or added twice.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import pytest
from attrs import evolve, frozen
from hypothesis import given, settings

from adapters.aws import recount
from adapters.aws.archive import DynamoArchive
from adapters.aws.counters import Counters
from adapters.aws.dynamo import Item, Key, key_of, number, texts
from adapters.aws.engagement import _SUBSCRIBERS, _TALLIES
from adapters.aws.recount import EVERY, Counting, Recount
from adapters.aws.tables import CORE, OPS, SOCIAL, TABLES, Table
from adapters.aws.uploads import DynamoUploads
from application.ports import Account, Record
from domain.engagement import Notify, Reaction, Subscription
from domain.errors import Unavailable
from domain.ids import CommentId, UploadId, UserId, VideoId
from domain.uploads import Status
from tests.adapters.test_dynamo_archive import ANN, BEN, Slow, furnish
from tests.cloud import direct
from tests.contract.test_archive import cloud, given_, platforms, some_channel
from tests.strategies import START
from tests.worlds import FakeClock

CHANNEL, VIDEO, CHO = some_channel().id, VideoId("vid_1"), UserId("usr_cho")
LISTED, USAGE = Key(f"CHAN#{CHANNEL}", "LISTED"), Key(f"USER#{ANN}", "USAGE")


def time_enough() -> bool:
    return True


@frozen
class House:
    archive: DynamoArchive
    clock: FakeClock
    recount: Recount

    @property
    def client(self) -> direct.Direct:
        return cast("direct.Direct", self.archive.tables.client)

    def item(self, key: Key) -> dict[str, Any]:
        """As it is kept: what is changed in it is changed in the table."""
        return next(item for table in TABLES for item in self.client.items(table.name) if key_of(item) == key)

    def counts(self) -> Mapping[str, int]:
        """What is off, by how much, beside all that is counted: by names that only hold what is not 0."""
        found: dict[str, int] = {}
        for table, countings in self.recount.places.items():
            for item in self.client.items(table.name):
                for counting in countings:
                    for count, by in counting.tallied(item):
                        found[count] = found.get(count, 0) + by
        return {count: by for count, by in found.items() if by}

    async def night(self) -> int:
        """Exports are begun, and compared a quarter of an hour later."""
        self.clock.advance(EVERY)
        assert await self.recount(time_enough) == 0
        self.clock.advance(timedelta(minutes=15))
        return await self.recount(time_enough)


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    async with cloud() as place:
        archive, clock = cast("DynamoArchive", place.archive), FakeClock()
        places: Mapping[Table, Sequence[Counting]] = {
            CORE: [archive.videos], SOCIAL: [archive.comments, archive.reactions, archive.subscriptions],
            OPS: [archive.uploads],
        }  # fmt: skip
        counting = Recount(
            tables=archive.tables, store=archive.store, bucket=archive.bucket, places=places, now=clock.now
        )
        yield House(archive, clock, counting)


@pytest.fixture
async def here() -> AsyncIterator[House]:
    async with house() as opened:
        await furnish(opened.archive)
        yield opened


def items(house: House) -> Mapping[Key, Item]:
    """All of them, but the recount's own."""
    every = [item for table in TABLES for item in house.client.items(table.name)]
    return {key_of(item): dict(item) for item in every if not key_of(item).pk.startswith("RECOUNT#")}


# --- what drifts ----------------------------------------------------------------------------------


def off(count: str, key: Key, name: str, by: int) -> Any:
    def plant(house: House) -> Mapping[str, int]:
        item = house.item(key)
        item[name] = number(int(item[name]["N"]) - by)
        return {count: by}

    return pytest.param(plant, id=f"{count} {by:+}")


def counter(counters: Counters, subject: str, name: str, by: int) -> Any:
    return off(counters.count(subject, name), counters._at(subject, 0), name, by)


def without(house: House) -> Mapping[str, int]:
    """The set goes with its last element."""
    del house.item(USAGE)["open"]
    return {f"USER#{ANN}#upl_1": 1}


def with_another(house: House) -> Mapping[str, int]:
    house.item(USAGE)["open"] = texts("upl_1", "upl_gone")
    return {f"USER#{ANN}#upl_gone": -1}


PLANTED = [
    counter(_TALLIES, VIDEO, "like", 2), counter(_TALLIES, VIDEO, "dislike", -3),
    counter(_SUBSCRIBERS, CHANNEL, "subscribers", 5), counter(_SUBSCRIBERS, CHANNEL, "subscribers", -1),
    off(f"COMMENTS#{VIDEO}#comments", Key(f"COMMENTS#{VIDEO}#0", "COUNT"), "comments", 1),
    off("COMMENT#cmt_1#replies", Key("COMMENT#cmt_1", "COMMENT"), "replies", 4),
    off("COMMENT#cmt_1#replies", Key("COMMENT#cmt_1", "COMMENT"), "replies", -1),
    off(f"KNOWN#{CHANNEL}#{BEN}#visible", Key(f"KNOWN#{CHANNEL}#{BEN}", "COUNT"), "visible", 2),
    off(f"KNOWN#{CHANNEL}#{BEN}#visible", Key(f"KNOWN#{CHANNEL}#{BEN}", "COUNT"), "visible", -2),
    off(f"CHAN#{CHANNEL}#LISTED", LISTED, "count", 7), off(f"CHAN#{CHANNEL}#LISTED", LISTED, "count", -7),
    off(f"USER#{ANN}#bytes", USAGE, "bytes", 100), off(f"USER#{ANN}#bytes", USAGE, "bytes", -100),
    without, with_another,
]  # fmt: skip
Plant = Callable[[House], Mapping[str, int]]


@pytest.mark.parametrize("plant", PLANTED)
async def test_what_drifts_is_what_it_counts_after_two_nights(
    here: House, plant: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    """As it was before, to the last attribute. One night alone mends nothing: an export may hold half of a transaction."""
    before = items(here)
    expected = plant(here)
    assert here.counts() == expected
    planted = items(here)
    with caplog.at_level(logging.WARNING):
        assert await here.night() == 0
        assert items(here) == planted
        assert await here.night() == 1
    assert items(here) == before
    (count,) = expected
    assert [count in line for line in caplog.messages] == [True] * 3
    assert await here.night() == 0
    assert items(here) == before


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("social", _TALLIES._at(VIDEO, 0)), ("social", _SUBSCRIBERS._at(CHANNEL, 0)),
        ("social", Key(f"COMMENTS#{VIDEO}#0", "COUNT")), ("social", Key(f"KNOWN#{CHANNEL}#{BEN}", "COUNT")),
        ("core", LISTED), ("ops", USAGE),
    ],
)  # fmt: skip
async def test_a_count_that_is_lost_is_there_again(here: House, table: str, key: Key) -> None:
    """With all that is noted beside it."""
    before = items(here)
    await here.client.delete_item(TableName=table, Key=key.attributes)
    lost = here.counts()
    assert lost
    await here.night()
    assert await here.night() == len(lost)
    assert items(here) == before


async def test_shards_are_counted_together(here: House) -> None:
    """One may be below nothing."""
    await _SUBSCRIBERS.spread(here.archive.tables, CHANNEL)
    for shard, by in ((0, 3), (5, -1)):
        await here.archive.tables.write(_SUBSCRIBERS._adding(CHANNEL, shard, {"subscribers": by}))
    assert here.counts() == {_SUBSCRIBERS.count(CHANNEL, "subscribers"): -2}
    await here.night()
    assert await here.night() == 1
    assert await here.archive.subscriptions.count(CHANNEL) == 1


@given(platform=platforms())
@settings(max_examples=15)
async def test_nothing_is_off_where_nothing_broke(platform: Sequence[Record]) -> None:
    async with house() as opened:
        await opened.archive.load(given_([each for each in platform if not isinstance(each, Account)]))
        assert opened.counts() == {}


# --- what happens meanwhile -----------------------------------------------------------------------


async def test_what_is_written_after_the_export_is_not_lost(here: House) -> None:
    """Neither on the first night nor on the second, whether it adds or takes off."""
    here.item(_TALLIES._at(VIDEO, 0))["like"] = number(40)
    here.item(_SUBSCRIBERS._at(CHANNEL, 0))["subscribers"] = number(40)
    for night in range(2):
        here.clock.advance(EVERY)
        assert await here.recount(time_enough) == 0
        other = UserId(f"usr_{night}")
        await here.archive.reactions.put(VIDEO, other, Reaction.LIKE)
        await here.archive.reactions.remove(VIDEO, ANN)
        await here.archive.subscriptions.put(Subscription(other, CHANNEL, Notify.ALL, START))
        assert await here.recount(time_enough) == 2 * night
    assert (await here.archive.reactions.tallies([VIDEO]))[VIDEO].likes == 2
    assert await here.archive.subscriptions.count(CHANNEL) == 3
    assert here.counts() == {}


async def test_an_upload_that_is_over_by_then_is_not_open_again(here: House) -> None:
    del here.item(USAGE)["open"]
    await here.night()
    here.clock.advance(EVERY)
    await here.recount(time_enough)
    stored = await here.archive.uploads.get(UploadId("upl_1"))
    await here.archive.uploads.save(evolve(stored, status=Status.CANCELLED))
    assert await here.recount(time_enough) == 0
    assert here.counts() == {}


async def test_an_upload_that_is_over_in_that_moment_is_not_open_again(here: House) -> None:
    """It is written on the condition that it has not changed since it was read."""
    del here.item(USAGE)["open"]
    uploads, client = here.archive.uploads, here.client

    class Meddled:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            return cast("Callable[..., Any]", getattr(client, name))

        async def transact_write_items(self, **given: Any) -> Any:
            stored = await uploads.get(UploadId("upl_1"))
            await uploads.save(evolve(stored, status=Status.CANCELLED))
            return await client.transact_write_items(**given)

    other = DynamoUploads(evolve(here.archive.tables, client=cast("Any", Meddled())), here.archive.outbox)
    assert not await other.mend(f"USER#{ANN}#upl_1", 1)
    assert here.counts() == {}


@pytest.mark.parametrize("count", ["COMMENT#cmt_none#replies", f"CHAN#{CHO}#LISTED", f"USER#{ANN}#upl_none"])
async def test_what_is_gone_by_then_is_not_counted_again(here: House, count: str) -> None:
    before = items(here)
    counting: Any = next(
        each
        for each, sign in (
            (here.archive.comments, "COMMENT#"), (here.archive.videos, "CHAN#"), (here.archive.uploads, "USER#")
        )
        if count.startswith(sign)
    )  # fmt: skip
    assert not await counting.mend(count, 1)
    assert items(here) == before


async def test_a_count_that_was_forgotten_by_then_stays_so(here: House) -> None:
    here.item(_TALLIES._at(VIDEO, 0))["like"] = number(9)
    await here.night()
    here.clock.advance(EVERY)
    await here.recount(time_enough)
    await here.archive.reactions.forget(VIDEO)
    assert await here.recount(time_enough) == 0
    assert _TALLIES._at(VIDEO, 0) not in items(here)


async def test_replies_to_a_comment_that_is_gone_are_counted(here: House) -> None:
    """And forgotten with the last of them, whatever the count was."""
    await here.archive.comments.remove_all(VIDEO, limit=0)
    reply = await here.archive.comments.get(CommentId("cmt_2"))
    await here.archive.comments._forget(VIDEO, [CommentId("cmt_1")])
    here.item(Key("COMMENT#cmt_1", "COMMENT"))["replies"] = number(3)
    await here.night()
    assert await here.night() == 1
    assert here.counts() == {}
    await here.archive.comments._forget(VIDEO, [reply.id])
    assert Key("COMMENT#cmt_1", "COMMENT") not in items(here)


# --- twice, and halfway ---------------------------------------------------------------------------


async def test_two_at_once_mend_once(here: House) -> None:
    """And whoever asks again finds it done."""
    before = items(here)
    here.item(LISTED)["count"] = number(5)
    await here.night()
    here.clock.advance(EVERY)
    await here.recount(time_enough)
    assert sorted(await asyncio.gather(*(here.recount(time_enough) for _ in range(3)))) == [0, 0, 1]
    assert await here.recount(time_enough) == 0
    here.clock.advance(EVERY - timedelta(seconds=1))
    assert await here.recount(time_enough) == 0
    assert items(here) == before


async def test_what_a_crash_leaves_is_mended_the_next_night(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it died before or after it was added; what was mended before is not mended again."""
    before = items(here)
    here.item(LISTED)["count"] = number(5)
    here.item(_TALLIES._at(VIDEO, 0))["like"] = number(5)
    here.item(_SUBSCRIBERS._at(CHANNEL, 0))["subscribers"] = number(5)
    await here.night()
    with monkeypatch.context() as patch:
        mend = here.archive.subscriptions.mend

        async def dies(count: str, by: int) -> bool:
            await mend(count, by)
            raise Unavailable("cut off")

        patch.setattr(here.archive.subscriptions, "mend", dies)
        with pytest.raises(Unavailable, match="cut off"):
            await here.night()
    assert await here.recount(time_enough) == 0
    left = here.counts()
    assert len(left) < 3
    assert await here.night() == len(left)
    assert items(here) == before


async def test_what_is_off_by_something_else_waits_for_another_night(here: House) -> None:
    before = items(here)
    here.item(LISTED)["count"] = number(5)
    await here.night()
    here.item(LISTED)["count"] = number(9)
    assert await here.night() == 0
    assert await here.night() == 1
    assert items(here) == before


# --- how much -------------------------------------------------------------------------------------


async def test_tables_that_are_too_large_are_left_alone(here: House, caplog: pytest.LogCaptureFixture) -> None:
    """Which is said once a night."""
    here.client.counted = {"core": 1, "social": 2, "ops": 3}
    small = evolve(here.recount, items_most=5)
    for _ in range(2):
        assert await small(time_enough) == 0
    assert caplog.messages == ["nothing is counted again: 6 items are more than 5"]
    here.clock.advance(EVERY)
    assert await evolve(small, items_most=6)(time_enough) == 0
    assert len(caplog.messages) == 1


async def test_nothing_is_mended_when_time_is_too_short_to_read(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next call tries again."""
    monkeypatch.setattr(recount, "_LOOK_EVERY", 3)
    await here.recount(time_enough)
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            await here.recount(lambda: False)
        assert caught.value.code == "recount_too_long"
    here.item(LISTED)["count"] = number(5)
    assert await here.recount(time_enough) == 0


async def test_what_there_is_no_time_to_mend_waits_for_the_next_night(here: House) -> None:
    here.item(LISTED)["count"] = number(5)
    await here.night()
    here.clock.advance(EVERY)
    await here.recount(time_enough)
    assert await here.recount(lambda: False) == 0
    assert await here.night() == 1


async def test_of_very_many_some_are_remembered(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recount, "OFF_MOST", 1)
    before = items(here)
    here.item(LISTED)["count"] = number(5)
    here.item(_TALLIES._at(VIDEO, 0))["like"] = number(5)
    assert [await here.night() for _ in range(4)] == [0, 1, 0, 1]
    assert items(here) == before


# --- exports --------------------------------------------------------------------------------------


def slow(house: House, looks: int, end: Mapping[str, str]) -> Recount:
    return evolve(
        house.recount, tables=evolve(house.archive.tables, client=cast("Any", Slow(house.client, looks, end)))
    )


async def test_an_export_is_asked_after_until_it_is_there(here: House) -> None:
    here.item(LISTED)["count"] = number(5)
    await here.night()
    here.clock.advance(EVERY)
    waits = slow(here, 3, {})
    assert [await waits(time_enough) for _ in range(5)] == [0, 0, 0, 1, 0]


async def test_an_export_that_fails_is_given_up_until_the_next_night(here: House) -> None:
    here.item(LISTED)["count"] = number(5)
    await here.night()
    here.clock.advance(EVERY)
    fails = slow(here, 1, {"ExportStatus": "FAILED", "FailureCode": "S3AccessDenied", "FailureMessage": "no"})
    assert await fails(time_enough) == 0
    with pytest.raises(Unavailable, match="S3AccessDenied"):
        await fails(time_enough)
    assert await fails(time_enough) == 0
    assert await here.night() == 1


async def test_a_night_that_cannot_be_reached_is_tried_again(here: House) -> None:
    """S3 is away: the exports are still there later."""
    await here.recount(time_enough)

    class Away:
        async def get_object(self, **_: Any) -> Any:
            raise Unavailable("away", code="files_busy")

    with pytest.raises(Unavailable, match="away"):
        await evolve(here.recount, store=Away())(time_enough)
    here.item(LISTED)["count"] = number(5)
    assert await here.recount(time_enough) == 0
