"""What lies in the tables ``core`` and ``ops``: items as this version writes them are items that every later one reads.

The documents in them are those of ``test_rows``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import define, evolve, field

from adapters.aws.channels import DynamoChannels
from adapters.aws.dynamo import Tables
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.processing import DynamoProcessings
from adapters.aws.tables import TABLES
from adapters.aws.uploads import DynamoUploads
from adapters.aws.users import DynamoUsers
from adapters.aws.videos import DynamoVideos
from adapters.rows import text_of, value_of
from application.ports import Order
from domain.channels import Channel
from domain.identity import SignedUp, User
from domain.ids import EventId, VideoId
from domain.processing import Processing, State
from domain.uploads import Status, Upload
from domain.videos import Video, Visibility
from tests.adapters.test_rows import GOLDEN

AT = datetime(2026, 11, 25, 12, 30, 0, 250_000, UTC)
DAY = timedelta(days=1)
NOW, TOMORROW = "2026-11-25T12:30:00.250000Z", "2026-11-26T12:30:00.250000Z"

Place = tuple[str, str, str]


def golden(kind: type[Any]) -> Any:
    """The value of a golden row, not stored yet."""
    return evolve(value_of(GOLDEN[kind], kind), version=0)


ADA: User = golden(User)
ENGINES: Channel = golden(Channel)
FIRST: Video = golden(Video)
LATER: Video = evolve(
    FIRST, id=VideoId("vid_2"), visibility=Visibility.SCHEDULED, publish_at=AT + DAY, published_at=None, tags=()
)
FILM: Upload = evolve(golden(Upload), status=Status.WAITING)
WORK: Processing = evolve(golden(Processing), state=State.TRANSCODING, failure=None)
DONE: Processing = evolve(golden(Processing), video=VideoId("vid_2"))


def doc(value: Any) -> dict[str, Any]:
    return {"v": {"N": "1"}, "doc": {"S": text_of(evolve(value, version=1))}}


def index(number: int, partition: str, sort: str) -> dict[str, Any]:
    return {f"g{number}pk": {"S": partition}, f"g{number}sk": {"S": sort}}


ROWS: Mapping[Place, Mapping[str, Any]] = {
    ("core", "USER#usr_1", "PROFILE"): doc(ADA),
    ("core", "UNIQ#HANDLE#ada", "UNIQ"): {"holder": {"S": "usr_1"}},
    ("core", "CHAN#chn_1", "META"): doc(ENGINES),
    ("core", "UNIQ#CHANDLE#engines", "UNIQ"): {"holder": {"S": "chn_1"}},
    ("core", "USER#usr_1", f"CHAN#{NOW}#chn_1"): {},
    ("core", "USER#usr_2", f"CHAN#{NOW}#chn_1"): {},
    ("core", "VIDEO#vid_1", "META"): {
        **doc(FIRST), **index(1, "CHAN#chn_1", f"{NOW}#vid_1"), **index(2, "CHAN#chn_1", f"{NOW}#vid_1"),
        **index(3, "PUB#2", f"{NOW}#vid_1"),
    },
    ("core", "VIDEO#vid_1", "TAG#a"): {
        **index(1, "TAG#a", f"{NOW}#vid_1"), **index(2, "CHAN#chn_1#TAG#a", f"{NOW}#vid_1"),
    },
    ("core", "VIDEO#vid_1", "TAG#b"): {
        **index(1, "TAG#b", f"{NOW}#vid_1"), **index(2, "CHAN#chn_1#TAG#b", f"{NOW}#vid_1"),
    },
    ("core", "CHAN#chn_1", "LISTED"): {"count": {"N": "1"}, "head": {"S": f"{NOW}#vid_1"}},
    ("core", "VIDEO#vid_2", "META"): {
        **doc(LATER), **index(1, "CHAN#chn_1", f"{NOW}#vid_2"), **index(3, "DUE#0", f"{TOMORROW}#vid_2"),
    },
    ("core", "VIDEO#vid_1", "PROC"): {**doc(WORK), **index(1, "UNDONE#2", f"{NOW}#vid_1")},
    ("core", "VIDEO#vid_2", "PROC"): doc(DONE),
    ("ops", "UPLOAD#upl_1", "META"): {
        **doc(FILM), **index(1, "USER#usr_1", f"{NOW}#upl_1"), **index(2, "EXPIRING#3", f"{TOMORROW}#upl_1"),
    },
    ("ops", "VIDEO#vid_1", f"UPLOAD#{NOW}#upl_1"): {},
    ("ops", "USER#usr_1", "USAGE"): {"bytes": {"N": "12345"}, "open": {"SS": ["upl_1"]}},
    ("ops", "EVENT#evt_1", "EVENT"): {
        "kind": {"S": "SignedUp"}, "doc": {"S": '{"at":"2026-11-25T12:30:00.250000Z","user":"usr_1"}'},
        "attempts": {"N": "0"}, **index(1, "DUE#1", f"{NOW}#evt_1"),
    },
}  # fmt: skip
"""Never changed: if a later version does not find or read what lies there, people's records are lost."""


@define
class Shelves:
    """As much of a client as the repositories need to lay down new items, and to read those that lie there."""

    items: dict[Place, dict[str, Any]] = field(factory=dict)

    async def put_item(self, **given: Any) -> Any:
        self._put(given)

    async def transact_write_items(self, **given: Any) -> Any:
        for step in given["TransactItems"]:
            ((kind, request),) = step.items()
            (self._put if kind == "Put" else self._add)(request)

    async def get_item(self, **given: Any) -> Any:
        item = self.items.get(_place(given["TableName"], given["Key"]))
        return {} if item is None else {"Item": item}

    async def batch_get_item(self, **given: Any) -> Any:
        ((table, said),) = given["RequestItems"].items()
        found = (self.items.get(_place(table, key)) for key in said["Keys"])
        return {"Responses": {table: [item for item in found if item is not None]}}

    async def query(self, **given: Any) -> Any:
        prefix, values = given.get("IndexName", "").removesuffix("-index"), given["ExpressionAttributeValues"]
        low, high = (values.get(end, {"S": least})["S"] for end, least in ((":low", ""), (":high", "\U0010ffff")))
        between = "BETWEEN" in given["KeyConditionExpression"]
        found = [
            item
            for (table, *_), item in self.items.items()
            if table == given["TableName"]
            and item.get(f"{prefix}pk") == values[":pk"]
            and (low < item[f"{prefix}sk"]["S"] < high or (between and item[f"{prefix}sk"]["S"] in {low, high}))
        ]
        return {
            "Items": sorted(found, key=lambda item: item[f"{prefix}sk"]["S"], reverse=not given["ScanIndexForward"])
        }

    def _put(self, request: Mapping[str, Any]) -> None:
        item = {key: value for key, value in request["Item"].items() if key != "w"}
        self.items[_place(request["TableName"], item)] = item

    def _add(self, request: Mapping[str, Any]) -> None:
        """To what is not there yet: ADD and SET do the same."""
        values = request["ExpressionAttributeValues"]
        item = dict(request["Key"])
        for name, value in re.findall(r"#(\w+) =? ?(:\w+)", request["UpdateExpression"]):
            item[name] = {kind: list(said) if kind == "SS" else said for kind, said in values[value].items()}
        self.items[_place(request["TableName"], item)] = item

    async def update_item(self, **given: Any) -> Any:
        raise NotImplementedError

    async def delete_item(self, **given: Any) -> Any:
        raise NotImplementedError

    async def batch_write_item(self, **given: Any) -> Any:
        raise NotImplementedError


def _place(table: str, key: Mapping[str, Any]) -> Place:
    return table, key["pk"]["S"], key["sk"]["S"]


@define
class World:
    """All repositories of both tables over one client."""

    shelves: Shelves
    users: DynamoUsers
    channels: DynamoChannels
    videos: DynamoVideos
    uploads: DynamoUploads
    processings: DynamoProcessings


def opened(items: Mapping[Place, Mapping[str, Any]]) -> World:
    keyed = {place: {**item, "pk": {"S": place[1]}, "sk": {"S": place[2]}} for place, item in items.items()}
    shelves = Shelves(keyed)
    tables = Tables(shelves, {table.name: table.name for table in TABLES})
    outbox = DynamoOutbox(tables, lambda prefix: f"{prefix}_1", lambda: AT)
    made: Any = (
        kind(tables, outbox) for kind in (DynamoUsers, DynamoChannels, DynamoVideos, DynamoUploads, DynamoProcessings)
    )
    return World(shelves, *made)


def rows(items: Mapping[Place, Mapping[str, Any]]) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    for place, item in items.items():
        yield place, {key: value for key, value in item.items() if key not in {"pk", "sk"}}


def ids(values: Sequence[Any]) -> Sequence[str]:
    return [value.id for value in values]


async def test_what_is_saved_is_what_lies_there() -> None:
    """Item by item, attribute by attribute."""
    world = opened({})
    await world.users.save(ADA, SignedUp(ADA.id, AT))
    await world.channels.save(ENGINES)
    await world.videos.save(FIRST)
    await world.videos.save(LATER)
    await world.uploads.start(FILM, 20_000, 5)
    await world.processings.save(WORK)
    await world.processings.save(DONE)
    assert dict(rows(world.shelves.items)) == ROWS


async def test_what_lies_there_is_read() -> None:
    """By its id, by its name, and in every list."""
    world = opened(ROWS)
    assert await world.users.get(ADA.id) == await world.users.by_handle("ada") == evolve(ADA, version=1)
    assert (
        await world.channels.get(ENGINES.id) == await world.channels.by_handle("engines") == evolve(ENGINES, version=1)
    )
    for member in (ADA.id, *ENGINES.members):
        assert ids(await world.channels.of_member(member)) == ["chn_1"]
    assert await world.videos.get(FIRST.id) == evolve(FIRST, version=1)
    for channel in (None, ENGINES.id):
        for tag in (None, "a", "b"):
            for order in Order:
                assert ids((await world.videos.listed(channel=channel, tag=tag, order=order)).items) == ["vid_1"]
    assert ids((await world.videos.feed([ENGINES.id])).items) == ["vid_1"]
    assert await world.videos.count(ENGINES.id) == 1
    assert ids((await world.videos.of_channel(ENGINES.id)).items) == ["vid_2", "vid_1"]
    assert ids(await world.videos.due(AT + DAY)) == ["vid_2"]
    assert await world.uploads.get(FILM.id) == evolve(FILM, version=1)
    for open_only in (False, True):
        assert ids((await world.uploads.of_user(ADA.id, open_only=open_only)).items) == ["upl_1"]
    assert ids(await world.uploads.of_video(FIRST.id)) == ["upl_1"]
    assert ids(await world.uploads.expired(AT + DAY)) == ["upl_1"]
    assert await world.processings.get(WORK.video) == evolve(WORK, version=1)
    assert [each.video for each in await world.processings.unfinished(AT + DAY)] == ["vid_1"]
    assert [each.video for each in await world.processings.ahead(AT - DAY)] == ["vid_1"]


async def test_an_event_that_lies_there_is_read() -> None:
    tables = Tables(opened(ROWS).shelves, {table.name: table.name for table in TABLES})
    outbox = DynamoOutbox(tables, lambda prefix: f"{prefix}_2", lambda: AT)
    (found,) = await outbox._free(AT, 10)
    assert found["pk"]["S"] == f"EVENT#{EventId('evt_1')}"
