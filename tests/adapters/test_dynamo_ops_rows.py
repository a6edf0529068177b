"""What lies in ``inbox``, and of requests, search and progress in ``ops``: as this version writes it, every later one reads it."""

import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import evolve

from adapters.aws.dynamo import Tables
from adapters.aws.exports import Exports
from adapters.aws.idempotency import DynamoIdempotency
from adapters.aws.notifications import DynamoInbox
from adapters.aws.recount import _NIGHTS, Night
from adapters.aws.rounds import DynamoRounds
from adapters.aws.search import DynamoSearch
from application.ports import Answer, Document, Found, Round, Unread
from domain.ids import NotificationId, UserId
from domain.notifications import Kind, Notification, Settings, Subject
from tests.adapters.faulty import FaultyDynamo

AT = datetime(2026, 11, 25, 12, 30, 0, 250_000, UTC)
ANN = UserId("usr_1")
TOLD = Notification(
    id=NotificationId("ntf_2"), user=ANN, kind=Kind.REPLY, actor=None, subject=Subject("video", "vid_1"),
    text="Ben replied", created_at=AT,
)  # fmt: skip
ANSWER = Answer(201, {"etag": '"1"'}, b"{}")
SAILING = Document(id="vid_1", kind=Found.VIDEO, title="Sailing", names="ann", tags=["sea"], text="sailing 日本", at=AT)

Rows = Mapping[tuple[str, str], Mapping[str, Any]]
IN_SIXTY_DAYS = {"expires": {"N": "1800793800"}}
IN_A_DAY = {"expires": {"N": "1795696260"}}
PLACE = "0998204390199750000 vid_1"
WORDS = b'[{"at":1795609800250000,"id":"vid_1","kind":"video","words":{"sailing":11,"sea":6,"ann":4}}]'

BOX: Rows = {
    ("TOLD#usr_1", "ntf_2"): {
        "doc": {
            "S": '{"actor":null,"created_at":"2026-11-25T12:30:00.250000Z","id":"ntf_2","kind":"reply","read":false,'
            '"subject":{"id":"vid_1","type":"video"},"text":"Ben replied","user":"usr_1"}'
        },
        **IN_SIXTY_DAYS,
    },
    ("TOLD#usr_1", "ntf_2#READ"): IN_SIXTY_DAYS,
    ("BOX#usr_1", "MARK"): {"mark": {"S": "ntf_1"}},
    ("BOX#usr_1", "SETTINGS"): {"doc": {"S": '{"muted":["comment"]}'}},
}
REQUEST: Rows = {
    ("REQUEST#key", "REQUEST"): {
        "fingerprint": {"S": "a"}, "at": {"S": "2026-11-25T12:30:00.250000Z"},
        "held": {"S": "2026-11-25T12:31:00.250000Z"}, "doc": {"S": '{"body":"e30=","headers":{"etag":"\\"1\\""},"status":201}'},
        **IN_A_DAY,
    },
}  # fmt: skip
INDEX: Rows = {
    ("WORD#s", f"sailing {PLACE}"): {"kind": {"S": "video"}, "weight": {"N": "11"}},
    ("WORD#s", f"sea {PLACE}"): {"kind": {"S": "video"}, "weight": {"N": "6"}},
    ("WORD#a", f"ann {PLACE}"): {"kind": {"S": "video"}, "weight": {"N": "4"}},
    ("WORD#日", f"日本 {PLACE}"): {"kind": {"S": "video"}, "weight": {"N": "1"}},
    ("WORD#本", f"本 {PLACE}"): {"kind": {"S": "video"}, "weight": {"N": "1"}},
}
"""Never changed: what a later version does not find there is lost, and words that it does not know are found for ever."""


def opened(rows: Rows) -> tuple[FaultyDynamo, Tables]:
    items = {key: {**row, "pk": {"S": key[0]}, "sk": {"S": key[1]}} for key, row in rows.items()}
    dynamo = FaultyDynamo(items=items)
    return dynamo, Tables(dynamo, {"inbox": "inbox", "ops": "ops"})


def rows_of(dynamo: FaultyDynamo) -> Rows:
    """Without what is another each time, and their keys."""
    apart = {"pk", "sk", "w", "turn"}
    return {key: {name: said for name, said in item.items() if name not in apart} for key, item in dynamo.items.items()}


async def test_what_is_told_is_what_lies_there() -> None:
    dynamo, tables = opened({})
    inbox = DynamoInbox(tables, lambda: AT)
    await inbox.deliver([TOLD])
    await inbox.mark_read(ANN, [TOLD.id])
    await inbox.mark_read_up_to(ANN, NotificationId("ntf_1"))
    await inbox.save_settings(ANN, Settings(frozenset({Kind.COMMENT})))
    assert rows_of(dynamo) == BOX


async def test_what_was_told_is_read() -> None:
    _, tables = opened(BOX)
    inbox = DynamoInbox(tables, lambda: AT)
    (told,) = (await inbox.list(ANN)).items
    assert (told.id, told.read) == (TOLD.id, True)
    assert await inbox.unread(ANN) == Unread(0)
    assert await inbox.settings(ANN) == Settings(frozenset({Kind.COMMENT}))
    await inbox.forget(ANN)
    assert (await inbox.list(ANN)).items == []


async def test_an_answer_lies_there_until_the_day_is_over() -> None:
    dynamo, tables = opened({})
    idempotency = DynamoIdempotency(tables)
    assert await idempotency.begin("key", "a", AT) is None
    await idempotency.finish("key", ANSWER, AT)
    assert rows_of(dynamo) == REQUEST
    _, tables = opened(REQUEST)
    assert await DynamoIdempotency(tables).begin("key", "a", AT) == ANSWER


async def test_what_is_indexed_is_what_lies_there() -> None:
    dynamo, tables = opened({})
    search = DynamoSearch(tables)
    await search.put(SAILING)
    known = dynamo.items.pop(("DOCUMENT#vid_1", "WORDS"))
    assert rows_of(dynamo) == INDEX
    assert zlib.decompress(known["known"]["B"]).startswith(WORDS[:60])


async def test_what_was_indexed_is_found_and_removed() -> None:
    known = {"known": {"B": zlib.compress(WORDS)}, "turn": {"S": "1"}}
    dynamo, tables = opened({**INDEX, ("DOCUMENT#vid_1", "WORDS"): known})
    search = DynamoSearch(tables)
    for query in ("sail", "日", "本", "ann sea"):
        assert list((await search.find(query)).items) == [(Found.VIDEO, "vid_1")]
    await search.remove("vid_1")
    assert list(rows_of(dynamo)) == [("WORD#日", f"日本 {PLACE}"), ("WORD#本", f"本 {PLACE}")], "it knew of no others"


# --- how far what goes on by itself is ------------------------------------------------------------

ROUND = Round(
    folders=[("v/", "vid_1/"), ("v/vid_1/", "a1/")], rests_until=AT, orphans={"c/chn_1/": AT}, before={"upl_1": AT}, version=1
)  # fmt: skip
NIGHT = Night(at=AT, exports=Exports(AT, {"core": "arn:1"}), off={"TALLY#vid_1#like": -2}, version=1)
PROGRESS: Rows = {
    ("SWEEP", "ROUND"): {
        "v": {"N": "1"},
        "doc": {
            "S": '{"before":{"upl_1":"2026-11-25T12:30:00.250000Z"},"folders":[["v/","vid_1/"],["v/vid_1/","a1/"]],'
            '"orphans":{"c/chn_1/":"2026-11-25T12:30:00.250000Z"},"rests_until":"2026-11-25T12:30:00.250000Z",'
            '"version":1}'
        },
    },
    ("RECOUNT#COUNTS", "META"): {
        "v": {"N": "1"},
        "doc": {
            "S": '{"at":"2026-11-25T12:30:00.250000Z","exports":{"arns":{"core":"arn:1"},"at":"2026-11-25T12:30:00.250000Z"},'
            '"id":"COUNTS","off":{"TALLY#vid_1#like":-2},"version":1}'
        },
    },
}


async def test_progress_of_earlier_versions_is_gone_on_with() -> None:
    _, tables = opened(PROGRESS)
    assert (await DynamoRounds(tables).get(), await _NIGHTS.find(tables, "COUNTS")) == (ROUND, NIGHT)


async def test_progress_is_kept_as_ever() -> None:
    dynamo, tables = opened({})
    await DynamoRounds(tables).save(evolve(ROUND, version=0))
    await _NIGHTS.save(tables, evolve(NIGHT, version=0))
    assert rows_of(dynamo) == PROGRESS
