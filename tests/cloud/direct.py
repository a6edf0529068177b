"""The emulated DynamoDB in this process: the code that answers over HTTP elsewhere, for a tenth of the price.

The state machines of the contract make some hundred thousand requests. Sent by the SDK to another process each of them
costs both some milliseconds; here it is checked against the SDK's model, and handed over.
"""

import asyncio
import importlib
import importlib.util
import itertools
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from attrs import define
from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError
from botocore.session import get_session
from botocore.validate import ParamValidator

from adapters.aws.dynamo import Tables
from adapters.aws.tables import TABLES, definition
from tests.adapters.declared import Guard, named

PACKAGES = Path(__file__).resolve().parents[2] / ".venv-cloud" / "lib"
REGION = "us-east-1"
_HANDLERS = {
    "CreateTable": "_create_table", "DeleteTable": "_delete_table", "GetItem": "_get_item",
    "BatchGetItem": "_batch_get_item", "Query": "_query", "PutItem": "_put_item", "UpdateItem": "_update_item",
    "DeleteItem": "_delete_item", "TransactWriteItems": "_transact_write_items",
    "BatchWriteItem": "_batch_write_item",
}  # fmt: skip
_accounts = itertools.count(200_000_000_000)


@define(eq=False)
class Direct:
    """A client of one account, as ``adapters.aws.dynamo`` has it. What no pattern declares is refused."""

    account: str
    guard: Guard

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        operations, validator = _model()
        operation = operations[name]

        async def call(**given: Any) -> Any:
            self.guard.check(operation.name, given)
            report = validator.validate(given, operation.input_shape)
            if report.has_errors():
                raise ParamValidationError(report=report.generate_report())
            await asyncio.sleep(0)  # others may come first, as on a wire
            return self._answer(operation.name, given)

        return call

    def _answer(self, operation: str, given: Mapping[str, Any]) -> Any:
        service, scope = _service()
        with scope(self.account, REGION):
            status, _, body = getattr(service, _HANDLERS[operation])(json.loads(json.dumps(given)))
        answer = json.loads(body)
        if status == 200:
            return answer
        code = answer.pop("__type").rpartition("#")[2]
        raise ClientError({"Error": {"Code": code, "Message": answer.get("message", "")}, **answer}, operation)


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
    return (
        importlib.import_module("ministack.services.dynamodb"),
        importlib.import_module("ministack.core.responses").request_scope,
    )
