"""All tables as of one moment, by way of S3. DynamoDB makes the copy from its log (point-in-time recovery), so nothing is
scanned and no read unit is used.

Where a copy lies and how it is written: developer guide, "DynamoDB table export output format" (S3DataExport.Output). A
summary names a list of files, a line of JSON each; a file is gzip, each of its lines ``{"Item": …}`` with the item as it
goes over the wire. Whether the keys in the two begin with the prefix that was asked for is not clear from it, so none
is.
"""

import gzip
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec
from attrs import frozen

from adapters.aws.dynamo import Item, Tables
from adapters.aws.errors import FILES, asking
from adapters.aws.tables import TABLES, Operation, Table, pattern
from domain.errors import Unavailable

EXPORTS = "AWSDynamoDB/"
"""Begins the keys of all exports."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
"""Between looks whether an export is done, which takes minutes."""

for _table in TABLES:
    pattern(
        "all of it as of one moment, for an archive or a recount",
        Operation.EXPORT,
        _table,
        "<every>",
        items=0,
        item_bytes=0,
    )


class Store(Protocol):
    """What is used of a client of S3."""

    async def get_object(self, **given: Any) -> Any: ...


@frozen
class Snapshot:
    """The tables as they were at ``at``. ``files`` are the keys of each one's."""

    at: datetime
    files: Mapping[str, Sequence[str]]
    store: Store
    bucket: str

    async def items(self, table: Table) -> AsyncIterator[Item]:
        """In no order. Raises Unavailable."""
        for key in self.files[table.name]:
            with tempfile.TemporaryFile() as file:
                with asking(FILES):
                    found = await self.store.get_object(Bucket=self.bucket, Key=key)
                    async with found["Body"] as body:
                        async for piece in body.iter_chunks():
                            file.write(piece)
                file.seek(0)
                with gzip.open(file) as lines:
                    for line in lines:
                        yield msgspec.json.decode(line)["Item"]


@frozen
class Exports:
    """Copies of tables that were asked for, all as of ``at``: their ARNs, by table."""

    at: datetime
    arns: Mapping[str, str]


async def snapshot(tables: Tables, store: Store, bucket: str) -> Snapshot:
    """As late as DynamoDB can say of all tables what was in them, which is some five minutes ago. Raises Unavailable, as
    ``begin`` and ``finished`` do.
    """
    begun = await begin(tables, TABLES, bucket)
    pause_s = FIRST_PAUSE_S
    while (taken := await finished(tables, begun, store, bucket)) is None:
        await tables.pause(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    return taken


async def begin(tables: Tables, which: Sequence[Table], bucket: str) -> Exports:
    """Raises Unavailable (``no_recovery`` where point-in-time recovery is off)."""
    at = min([await _latest(tables, table) for table in which])
    return Exports(at, {table.name: await _begun(tables, table, bucket, at) for table in which})


async def finished(tables: Tables, begun: Exports, store: Store, bucket: str) -> Snapshot | None:
    """None as long as DynamoDB is at it, which takes minutes. Raises Unavailable (``export_failed``)."""
    exports = {}
    for name, arn in begun.arns.items():
        said = await tables.ask(_client(tables).describe_export, ExportArn=arn)
        exports[name] = said["ExportDescription"]
    if any(export["ExportStatus"] == "IN_PROGRESS" for export in exports.values()):
        return None
    files = {name: await _files(name, export, store, bucket) for name, export in exports.items()}
    return Snapshot(begun.at, files, store, bucket)


async def described(tables: Tables, table: Table) -> Mapping[str, Any]:
    """What DescribeTable says of it. Raises Unavailable."""
    said: Mapping[str, Any] = await tables.ask(_client(tables).describe_table, TableName=tables.name(table))
    description: Mapping[str, Any] = said["Table"]
    return description


def _client(tables: Tables) -> Any:
    """For what no repository asks of it."""
    return tables.client


async def _latest(tables: Tables, table: Table) -> datetime:
    said = await tables.ask(_client(tables).describe_continuous_backups, TableName=tables.name(table))
    past = said["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    latest: datetime | None = past.get("LatestRestorableDateTime")
    if latest is None:
        message = f"{tables.name(table)} keeps nothing of the past: turn on its point-in-time recovery"
        raise Unavailable(message, code="no_recovery")
    return latest


async def _begun(tables: Tables, table: Table, bucket: str, at: datetime) -> str:
    """The ARN of an export."""
    arn, call = (await described(tables, table))["TableArn"], _client(tables).export_table_to_point_in_time
    said = await tables.ask(call, TableArn=arn, ExportTime=at, S3Bucket=bucket, ExportFormat="DYNAMODB_JSON")
    export: str = said["ExportDescription"]["ExportArn"]
    return export


async def _files(table: str, export: Mapping[str, Any], store: Store, bucket: str) -> Sequence[str]:
    """The keys of what an export left, when it is over."""
    if export["ExportStatus"] != "COMPLETED":
        why = f"{export.get('FailureCode')}: {export.get('FailureMessage')}"
        raise Unavailable(f"{table} was not exported ({why})", code="export_failed")
    summary = msgspec.json.decode(await _read(store, bucket, export["ExportManifest"]))
    listed = await _read(store, bucket, summary["manifestFilesS3Key"])
    return [msgspec.json.decode(line)["dataFileS3Key"] for line in listed.splitlines() if line]


async def _read(store: Store, bucket: str, key: str) -> bytes:
    with asking(FILES):
        found = await store.get_object(Bucket=bucket, Key=key)
        async with found["Body"] as body:
            content: bytes = await body.read()
            return content
