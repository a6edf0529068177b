"""The emulated DynamoDB in this process: the code that answers over HTTP elsewhere, for a tenth of the price.

The state machines of the contract make some hundred thousand requests. Sent by the SDK to another process each of them
costs both some milliseconds; here it is checked against the SDK's model, and handed over.
"""

import asyncio
import base64
import importlib
import importlib.util
import itertools
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from attrs import define, field
from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError
from botocore.parsers import create_parser
from botocore.session import get_session
from botocore.validate import ParamValidator

from adapters.aws.dynamo import Tables
from adapters.aws.tables import TABLES, definition
from tests.adapters.declared import Guard, named
from tests.cloud.exports import left_by

PACKAGES = Path(__file__).resolve().parents[2] / ".venv-cloud" / "lib"
REGION = "us-east-1"
_HANDLERS = {
    "CreateTable": "_create_table", "DeleteTable": "_delete_table", "GetItem": "_get_item",
    "BatchGetItem": "_batch_get_item", "Query": "_query", "PutItem": "_put_item", "UpdateItem": "_update_item",
    "DeleteItem": "_delete_item", "TransactWriteItems": "_transact_write_items",
    "BatchWriteItem": "_batch_write_item", "DescribeTable": "_describe_table",
    "DescribeContinuousBackups": "_describe_continuous_backups",
    "UpdateContinuousBackups": "_update_continuous_backups",
    "ExportTableToPointInTime": "_export_table_to_point_in_time", "DescribeExport": "_describe_export",
}  # fmt: skip
_TOLD_WITH_TIMES = {"DescribeContinuousBackups", "ExportTableToPointInTime", "DescribeExport"}
_accounts = itertools.count(200_000_000_000)


@define(eq=False)
class Direct:
    """A client of one account, as ``adapters.aws.dynamo`` has it. What no pattern declares is refused."""

    account: str
    guard: Guard
    store: Callable[[str, str, bytes], Awaitable[None]] | None = None
    """Puts an object of an export: the bucket, the key, the content."""
    counted: Mapping[str, int] = field(factory=dict)
    """How many items DescribeTable says there are, which it counts every six hours."""
    restorable_until: datetime | None = None
    """None: the present."""

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        operations, validator = _model()
        operation = operations[name]

        async def call(**given: Any) -> Any:
            self.guard.check(operation.name, given)
            report = validator.validate(given, operation.input_shape)
            if report.has_errors():
                raise ParamValidationError(report=report.generate_report())
            await asyncio.sleep(0)  # others may come first, as on a wire
            answer = self._answer(operation.name, given)
            if operation.name == "ExportTableToPointInTime" and self.store is not None:
                export = answer["ExportDescription"]
                for key, content in left_by(export, self.items(given["TableArn"].rpartition("/")[2])).items():
                    await self.store(export["S3Bucket"], key, content)
            if operation.name == "DescribeTable":
                answer["Table"]["ItemCount"] = self.counted.get(given["TableName"], 0)
            if operation.name == "DescribeContinuousBackups" and self.restorable_until is not None:
                past = answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
                past["LatestRestorableDateTime"] = self.restorable_until
            return answer

        return call

    def items(self, table: str) -> Sequence[dict[str, Any]]:
        """All that a table holds, as it is kept."""
        service, scope = _service()
        with scope(self.account, REGION):
            return [item for some in service._tables[table]["items"].values() for item in some.values()]

    def _answer(self, operation: str, given: Mapping[str, Any]) -> Any:
        service, scope = _service()
        with scope(self.account, REGION):
            status, _, body = getattr(service, _HANDLERS[operation])(json.loads(json.dumps(given, default=_sent)))
        answer = json.loads(body, object_hook=_came)
        if status == 200:
            return _timed(operation, body) if operation in _TOLD_WITH_TIMES else answer
        code = answer.pop("__type").rpartition("#")[2]
        raise ClientError({"Error": {"Code": code, "Message": answer.get("message", "")}, **answer}, operation)


def _sent(value: bytes | datetime) -> str | float:
    """As the SDK sends bytes and times."""
    return value.timestamp() if isinstance(value, datetime) else base64.b64encode(value).decode()


def _timed(operation: str, body: bytes) -> Any:
    """As the SDK reads it."""
    operations, _ = _model()
    shape = operations[xform_name(operation)].output_shape
    return create_parser("json").parse({"status_code": 200, "headers": {}, "body": body}, shape)


def _came(value: dict[str, Any]) -> dict[str, Any]:
    return {"B": base64.b64decode(value["B"])} if value.keys() == {"B"} else value


@asynccontextmanager
async def tables() -> AsyncIterator[Tables]:
    """The four tables, empty, and nobody else's."""
    names = named()
    client: Any = Direct(str(next(_accounts)), Guard(names))
    for table in TABLES:
        await client.create_table(**definition(table, names[table.name]))
    yield Tables(client, names)
    for table in TABLES:
        await client.delete_table(TableName=names[table.name])


@cache
def _model() -> tuple[Mapping[str, Any], ParamValidator]:
    model = get_session().get_service_model("dynamodb")
    return {xform_name(name): model.operation_model(name) for name in _HANDLERS}, ParamValidator()


@cache
def _service() -> tuple[Any, Any]:
    """Only this package of its environment: what else is there is not of our versions."""
    (init,) = PACKAGES.glob("python3*/site-packages/ministack/__init__.py")
    spec = importlib.util.spec_from_file_location("ministack", init, submodule_search_locations=[str(init.parent)])
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["ministack"] = package
    spec.loader.exec_module(package)
    service: Any = importlib.import_module("ministack.services.dynamodb")
    service._EXPORT_COMPLETE_AFTER_SEC = 0  # at the first look
    return (
        service,
        importlib.import_module("ministack.core.responses").request_scope,
    )
