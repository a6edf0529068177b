"""DynamoDB's exports to S3, which the emulator says it made and does not: what they leave in the bucket.

As the developer guide has it ("DynamoDB table export output format"); like DynamoDB, at least two files of a table, here
one of them empty. The past is not kept: an export shows the table as it is when it is asked for.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from attrs import define

from tests.cloud.wire import (
    Answer,
    App,
    Caller,
    Receive,
    Request,
    Scope,
    Send,
    headers_of,
    passed_on,
    read,
    reply,
    told,
)  # fmt: skip

TARGET = "DynamoDB_20120810.ExportTableToPointInTime"
Store = Callable[[Caller, str, str, bytes], Awaitable[None]]
"""Puts an object: whose bucket, its name, the key, the content."""


def left_by(export: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Mapping[str, bytes]:
    """The objects of an export by their keys; ``export`` is its ExportDescription."""
    name = export["ExportArn"].rpartition("/")[2]
    top = f"AWSDynamoDB/{name}"
    lines = [json.dumps({"Item": item}, separators=(",", ":")) for item in items]
    data = {f"{top}/data/{at:04}abcdefgh.json.gz": each for at, each in enumerate((lines, []))}
    packed = {key: gzip.compress("".join(f"{line}\n" for line in each).encode()) for key, each in data.items()}
    listed = [
        {
            "itemCount": len(data[key]), "md5Checksum": base64.b64encode(hashlib.md5(each).digest()).decode(),  # noqa: S324
            "etag": f"{hashlib.md5(each).hexdigest()}-1", "dataFileS3Key": key,  # noqa: S324
        }
        for key, each in packed.items()
    ]  # fmt: skip
    summary = {
        "version": "2020-06-30", "exportArn": export["ExportArn"], "tableArn": export["TableArn"],
        "s3Bucket": export["S3Bucket"], "s3Prefix": None, "s3SseAlgorithm": "AES256", "s3SseKmsKeyId": None,
        "manifestFilesS3Key": f"{top}/manifest-files.json", "billedSizeBytes": 0, "itemCount": len(items),
        "outputFormat": "DYNAMODB_JSON", "exportType": "FULL_EXPORT",
    }  # fmt: skip
    files = "".join(f"{json.dumps(each)}\n" for each in listed)
    return {
        f"{top}/_started": b"",
        **packed,
        f"{top}/manifest-files.json": files.encode(),
        f"{top}/manifest-summary.json": json.dumps(summary).encode(),
    }


class Records(Protocol):
    """The emulator's tables."""

    def past_kept(self, caller: Caller, table: str) -> bool:
        """Whether its point-in-time recovery is on."""

    def items(self, caller: Caller, table: str) -> Sequence[Mapping[str, Any]]: ...


@define
class Exports:
    """Stands before DynamoDB."""

    behind: App
    records: Records
    store: Store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or headers_of(scope).get("x-amz-target") != TARGET:
            await self.behind(scope, receive, send)
        else:
            await reply(send, await self.export(await read(scope, receive)))

    async def export(self, request: Request) -> Answer:
        table = request.json["TableArn"].rpartition("/")[2]
        if not self.records.past_kept(request.caller, table):
            code, message = "PointInTimeRecoveryUnavailableException", f"Point in time recovery is not enabled: {table}"
            return told(400, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message})
        answer = await passed_on(self.behind, request)
        if answer.status == 200:
            export = answer.json["ExportDescription"]
            for key, content in left_by(export, self.records.items(request.caller, table)).items():
                await self.store(request.caller, export["S3Bucket"], key, content)
        return answer
