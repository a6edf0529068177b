"""The four DynamoDB tables and their indices, as data: provisioning, the template, the documentation and the guard of the
tests all come from here.

Who reads or writes says so where it does, with ``pattern``: what is in ``DECLARED`` is all that is ever asked of a
table, and ``docs/dynamodb.md`` is made from it. There is no Scan.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from attrs import field, frozen

PK, SK = "pk", "sk"
EXPIRES = "expires"
"""Seconds since 1970. An item may be read for days after that, so whoever reads it looks at the clock."""


@frozen
class Index:
    """A global secondary index: sparse, since an item without its key is not in it. All attributes are in it, so a list
    is one Query. What it shows is eventually consistent.
    """

    name: str

    @property
    def index_name(self) -> str:
        """AWS takes none of less than three characters."""
        return f"{self.name}-index"

    @property
    def pk(self) -> str:
        return f"{self.name}pk"

    @property
    def sk(self) -> str:
        return f"{self.name}sk"


G1, G2, G3 = Index("g1"), Index("g2"), Index("g3")


@frozen
class Table:
    """One stream a table (two readers at most), and its own throttling, expiry and permissions. ``holds`` is for the
    documentation.
    """

    name: str
    holds: str
    indices: Sequence[Index] = ()
    streams: bool = False
    expires: bool = False


CORE = Table(
    "core", "Users, channels, videos, processings, streams and their sessions, and the names they hold", (G1, G2, G3)
)
SOCIAL = Table(
    "social",
    "Comments, reactions, subscriptions, playback sessions, history, counts, and what happened in broadcasts",
    (G1, G2),
    expires=True,
)
INBOX = Table("inbox", "Notifications, and what people want to be told", expires=True)
OPS = Table("ops", "Uploads, the outbox, answers to idempotency keys, search", (G1, G2), streams=True, expires=True)
TABLES: Sequence[Table] = (CORE, SOCIAL, INBOX, OPS)


class Operation(StrEnum):
    GET = "GetItem"
    MANY = "BatchGetItem"
    QUERY = "Query"
    WRITE = "Write"
    """PutItem, UpdateItem or DeleteItem, alone or in a transaction."""
    BATCH = "BatchWriteItem"
    EXPORT = "ExportTableToPointInTime"
    """Of no items: it is made of the table's log, and billed by the gigabyte."""


@frozen(kw_only=True)
class Pattern:
    """One way in which a table is asked. ``partition`` and ``sort`` say what the keys are made of; ``items`` of
    ``item_bytes`` are what it reads or writes each time, for the table of costs.
    """

    purpose: str
    operation: Operation
    table: Table
    index: Index | None = None
    partition: str
    sort: str = ""
    strong: bool = False
    items: int = 1
    item_bytes: int = 1024
    indices: Sequence[Index] = field(default=())
    """Those that a write touches, too."""
    shown: Sequence[str] = ()
    """What is read of each item, beside the keys of one that is asked for by them; all if that is none. It is no cheaper
    for DynamoDB, but for us: half of the work of a page is to take attributes out of an answer.
    """
    transaction: bool = False


DECLARED: list[Pattern] = []


def pattern(purpose: str, operation: Operation, table: Table, partition: str, sort: str = "", **rest: Any) -> Pattern:
    """An access pattern, declared."""
    declared = Pattern(purpose=purpose, operation=operation, table=table, partition=partition, sort=sort, **rest)
    DECLARED.append(declared)
    return declared


def definition(table: Table, name: str) -> Mapping[str, Any]:
    """The table as CreateTable takes it (billed by request); the template says the same."""
    keys = [PK, SK, *(key for index in table.indices for key in (index.pk, index.sk))]
    stream = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}} if table.streams else {}
    indices = [
        {
            "IndexName": index.index_name,
            "KeySchema": _schema(index.pk, index.sk),
            "Projection": {"ProjectionType": "ALL"},
        }
        for index in table.indices
    ]
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in keys],
        "KeySchema": _schema(PK, SK),
        **({"GlobalSecondaryIndexes": indices} if indices else {}),
        **stream,
    }


def _schema(pk: str, sk: str) -> Sequence[Mapping[str, str]]:
    return [{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}]
