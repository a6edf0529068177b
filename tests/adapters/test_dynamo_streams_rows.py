"""What lies in the tables of streams, their sessions, what happened and their chat: items as this version writes them are items that
every later one reads.

The documents in them are those of ``test_rows``.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from adapters.aws.chat import DynamoChatLog
from adapters.aws.dynamo import Tables
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.streams import DynamoBroadcasts, DynamoStreams
from adapters.rows import text_of, value_of
from domain.broadcasts import Session, SessionEvent, Timeline
from domain.chat import Ban, Message
from domain.errors import NotFound
from domain.ids import StreamSessionId
from domain.streams import Stream
from tests.adapters.laid import Rows, laid
from tests.adapters.test_rows import GOLDEN

AT = datetime(2026, 11, 25, 12, 30, 0, 250_000, UTC)
DAY = timedelta(days=1)
NOW, REMIND, LOOK = "2026-11-25T12:30:00.250000Z", "2026-11-26T12:15:00.250000Z", "2026-11-25T12:31:30.250000Z"


def golden(kind: type[Any]) -> Any:
    return value_of(GOLDEN[kind], kind)


LIVE: Stream = evolve(golden(Stream), version=0)
HEARD: Timeline = evolve(golden(Timeline), version=0)
SHOWN: Session = golden(Session)
JOINED: Session = evolve(SHOWN, id=StreamSessionId("brc_2"), joined=SHOWN.id)
SAID: SessionEvent = golden(SessionEvent)
MESSAGE: Message = golden(Message)
BAN: Ban = golden(Ban)


def doc(value: Any) -> dict[str, Any]:
    return {"v": {"N": "1"}, "doc": {"S": text_of(evolve(value, version=1))}}


def index(number: int, partition: str, sort: str) -> dict[str, Any]:
    return {f"g{number}pk": {"S": partition}, f"g{number}sk": {"S": sort}}


ROWS: Rows = {
    ("core", "STREAM#str_1", "META"): {
        **doc(LIVE), **index(1, "CHAN#chn_1#STREAMS", f"{NOW}#str_1"), **index(2, "NEAR#2", f"{REMIND}#str_1"),
        **index(3, "LIVE#2", f"{NOW}#str_1"),
    },
    ("core", f"UNIQ#INGEST#{LIVE.ingest}", "UNIQ"): {"holder": {"S": "str_1"}},
    ("core", "STREAM#str_1", "TIMELINE"): {**doc(HEARD), **index(1, "LOOK#2", f"{LOOK}#str_1")},
    ("core", "BROADCAST#brc_1", "META"): {
        "doc": {"S": text_of(SHOWN)}, **index(1, "STREAM#str_1#SESSIONS", f"{NOW}#brc_1"),
    },
    ("core", "BROADCAST#brc_2", "META"): {
        "doc": {"S": text_of(JOINED)}, **index(1, "STREAM#str_1#JOINED", f"{NOW}#brc_2"),
    },
    ("social", "STREAM#str_1", f"{NOW}#evt-1"): {"doc": {"S": text_of(SAID)}, "expires": {"N": "1800793800"}},
    ("social", "CHAT#str_1", "MSG#msg_1"): {
        "doc": {"S": text_of(MESSAGE)}, **index(1, "CHAT#str_1", f"{NOW}#msg_1"),
    },
    ("social", "CHAT#str_1", "SPOKE#usr_2"): {"at": {"S": NOW}, "expires": {"N": "1795610400"}},
    ("social", "CHAT#str_1", "BAN#usr_3"): {"doc": {"S": text_of(BAN)}},
}  # fmt: skip
"""Never changed: if a later version does not find or read what lies there, people's records are lost."""


def opened(tables: Tables) -> tuple[DynamoStreams, DynamoBroadcasts]:
    outbox = DynamoOutbox(tables, lambda prefix: f"{prefix}_1", lambda: AT)
    return DynamoStreams(tables, outbox), DynamoBroadcasts(tables, outbox)


async def test_what_is_saved_is_what_lies_there() -> None:
    """Item by item, attribute by attribute."""
    client, tables = laid({})
    streams, broadcasts = opened(tables)
    await streams.save(LIVE)
    await broadcasts.save(HEARD, [SHOWN, JOINED])
    await broadcasts.log([SAID])
    log = DynamoChatLog(tables)
    await log.add(MESSAGE, timedelta(seconds=5))
    await log.ban(BAN)
    assert client.rows == ROWS


async def test_what_lies_there_is_read() -> None:
    """By its id, by its ingest's name, and in every list."""
    _, tables = laid(ROWS)
    streams, broadcasts = opened(tables)
    live = evolve(LIVE, version=1)
    assert await streams.get(live.id) == await streams.by_ingest(live.ingest) == live
    assert (await streams.of_channel(live.channel)).items == (await streams.live()).items == [live]
    assert await streams.near(AT + DAY) == [live]
    assert await broadcasts.timeline(live.id) == evolve(HEARD, version=1)
    assert await broadcasts.due(AT + DAY) == [evolve(HEARD, version=1)]
    assert await broadcasts.session(JOINED.id) == SHOWN
    assert (await broadcasts.sessions(live.id)).items == [SHOWN]
    assert (await broadcasts.events(live.id, AT, AT + DAY)).items == [SAID]
    log = DynamoChatLog(tables)
    assert (await log.of_stream(live.id, AT, AT + DAY)).items == [await log.get(live.id, MESSAGE.id)] == [MESSAGE]
    assert (await log.bans(live.id)).items == [BAN]
    assert await log.banned(live.id, BAN.user)


async def test_a_name_that_leads_nowhere_is_none() -> None:
    """A stream that was removed between the two reads, as its name was found and the stream was not, or is called
    otherwise by now.
    """
    for gone in ({}, {("core", "STREAM#str_1", "META"): doc(evolve(LIVE, ingest="another"))}):
        rows = {place: row for place, row in ROWS.items() if place[1] != "STREAM#str_1"} | gone
        streams, _ = opened(laid(rows)[1])
        with pytest.raises(NotFound):
            await streams.by_ingest(LIVE.ingest)
