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
from itertools import count
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
    pattern("all of it as of one moment, for an archive", Operation.EXPORT, _table, "<every>", items=0, item_bytes=0)


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


async def snapshot(tables: Tables, store: Store, bucket: str) -> Snapshot:
    """As late as DynamoDB can say of all tables what was in them, which is some five minutes ago. Raises Unavailable
    (``no_recovery`` where point-in-time recovery is off, ``export_failed``).
    """
    at = min([await _latest(tables, table) for table in TABLES])
    begun = {table: await _begun(tables, table, bucket, at) for table in TABLES}
    files = {table.name: await _files(tables, table, export, store, bucket) for table, export in begun.items()}
    return Snapshot(at, files, store, bucket)


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


async def _begun(tables: Tables, table: Table, bucket: str, at: datetime) -> Mapping[str, Any]:
    """The description of an export."""
    arn, call = (await described(tables, table))["TableArn"], _client(tables).export_table_to_point_in_time
    said = await tables.ask(call, TableArn=arn, ExportTime=at, S3Bucket=bucket, ExportFormat="DYNAMODB_JSON")
    export: Mapping[str, Any] = said["ExportDescription"]
    return export


async def _files(
    tables: Tables, table: Table, export: Mapping[str, Any], store: Store, bucket: str
) -> Sequence[str]:  # fmt: skip
    """The keys of what an export left, when it is done."""
    for tried in count():
        if export["ExportStatus"] != "IN_PROGRESS":
            break
        await tables.pause(min(FIRST_PAUSE_S * 2**tried, LONGEST_PAUSE_S))
        said = await tables.ask(_client(tables).describe_export, ExportArn=export["ExportArn"])
        export = said["ExportDescription"]
    if export["ExportStatus"] != "COMPLETED":
        why = f"{export.get('FailureCode')}: {export.get('FailureMessage')}"
        raise Unavailable(f"{tables.name(table)} was not exported ({why})", code="export_failed")
    summary = msgspec.json.decode(await _read(store, bucket, export["ExportManifest"]))
    listed = await _read(store, bucket, summary["manifestFilesS3Key"])
    return [msgspec.json.decode(line)["dataFileS3Key"] for line in listed.splitlines() if line]


async def _read(store: Store, bucket: str, key: str) -> bytes:
    with asking(FILES):
        found = await store.get_object(Bucket=bucket, Key=key)
        async with found["Body"] as body:
            content: bytes = await body.read()
            return content
