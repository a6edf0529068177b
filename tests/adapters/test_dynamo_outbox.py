"""What the outbox of the cloud promises beyond the contract: what the stream names can be claimed by name, by one alone,
and what nobody can read keeps nobody waiting.
"""

import asyncio
from datetime import timedelta

import pytest

from adapters.aws.dynamo import Key, put, text
from adapters.aws.outbox import REMEMBERED, DynamoOutbox
from adapters.aws.tables import OPS, Operation, Pattern
from domain.channels import ChannelOpened
from domain.ids import ChannelId, EventId
from tests.strategies import START
from tests.worlds import Cloud, Opened, dynamo

WRITE = Pattern(purpose="try", operation=Operation.WRITE, table=OPS, partition="EVENT#<event>")
OPENED = ChannelOpened(ChannelId("chn_0"), START)
ONE, OTHER, THIRD = EventId("evt_1"), EventId("evt_2"), EventId("evt_3")
MINUTE = timedelta(minutes=1)
opener = dynamo(lambda world: world)


async def test_what_the_stream_names_is_claimed_by_name() -> None:
    """Nothing else, not what is held or done with, and it is held as if it had been found."""
    async with opener() as opened:
        outbox = opened.port.outbox
        for event in (ONE, OTHER, THIRD):
            await outbox.put(OPENED, event)
        assert [each.id for each in await outbox.claim(START, only=[OTHER])] == [OTHER]
        assert list(await outbox.claim(START, only=[OTHER])) == []
        assert [(each.id, each.attempts) for each in await outbox.claim(START + MINUTE, only=[OTHER])] == [(OTHER, 2)]
        await outbox.done(OTHER)
        await outbox.failed(THIRD, "not now", START + 2 * MINUTE)
        assert [each.id for each in await outbox.claim(START + MINUTE, only=[ONE, OTHER, THIRD, EventId("evt_9")])] == [
            ONE
        ]


async def test_of_two_who_claim_at_once_one_has_each() -> None:
    """The stream and the sweep meet at every event."""
    async with opener() as opened:
        outbox = opened.port.outbox
        events = [EventId(f"evt_{number}") for number in range(8)]
        for event in events:
            await outbox.put(OPENED, event)
        claims = await asyncio.gather(
            outbox.claim(START, 8), outbox.claim(START, only=events), outbox.claim(START, only=events[:4])
        )
        assert sorted(each.id for claim in claims for each in claim) == events


async def test_an_event_that_cannot_be_read_keeps_no_others(caplog: pytest.LogCaptureFixture) -> None:
    """Such as those of a later version: it is put aside, and the log says so, since no list can show it."""
    async with opener() as opened:
        outbox = opened.port.outbox
        await outbox.put(OPENED, ONE)
        await outbox.put(OPENED, OTHER)
        await moonrise(opened, ONE)
        assert [each.id for each in await outbox.claim(START)] == [OTHER]
        assert list(await outbox.dead()) == [], "it cannot be shown"
        assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == [
            "event evt_1 is put aside: this version knows no event 'Moonrise'"
        ]
        assert list(await outbox.claim(START + MINUTE, only=[ONE])) == []


async def moonrise(opened: Opened[Cloud], event: EventId) -> None:
    """From now on the event is of a kind that this version does not know."""
    tables, key = opened.port.tables, Key(f"EVENT#{event}", "EVENT")
    item = (await tables.many(MANY, [key]))[key]
    await tables.write(put(WRITE, key, {**item, "kind": text("Moonrise")}))


MANY = Pattern(purpose="try", operation=Operation.MANY, table=OPS, partition="EVENT#<event>", strong=True)


async def test_what_is_done_with_is_known_for_a_day() -> None:
    """Without its content; then a stray delivery would be a new event, but there is none so late."""
    async with opener() as opened:
        outbox: DynamoOutbox = opened.port.outbox
        await outbox.put(OPENED, ONE)
        await outbox.claim(START)
        await outbox.done(ONE)
        key = Key(f"EVENT#{ONE}", "EVENT")
        item = (await opened.port.tables.many(MANY, [key]))[key]
        assert "doc" not in item
        assert int(item["expires"]["N"]) == int((START + REMEMBERED).timestamp())
