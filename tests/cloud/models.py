"""Services that no emulator has, answered by the letter of botocore's own service models.

A request is routed, read and checked by the model (required members, types, enumerations, ranges, patterns); what is
answered is shaped by it, and a member that the model does not know is our mistake, so it raises. Only the REST-JSON
protocol, which is all that is needed.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC
from functools import cache
from typing import Any
from urllib.parse import unquote

from attrs import define, frozen
from botocore.model import OperationModel, Shape
from botocore.session import get_session
from botocore.utils import parse_timestamp

from tests.cloud.wire import Answer, Caller, Request, told

Parameters = Mapping[str, Any]
Operation = Callable[[Caller, Parameters], Awaitable[Mapping[str, Any]]]
_JSON_TYPES: Mapping[str, type] = {"list": list, "map": dict, "string": str}
_COMPLAINTS_MOST = 5


class Refused(Exception):
    """An error as the service answers it; the model knows which status belongs to the code."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@frozen
class Route:
    method: str
    path: re.Pattern[str]
    operation: OperationModel


@cache
def _pattern(pattern: str) -> re.Pattern[str] | None:
    """None for what is written in Java's own way."""
    try:
        return re.compile(pattern)
    except re.error:
        return None


class Service:
    """One service. ``operations`` are those that there are, by the names of the model."""

    def __init__(self, name: str, operations: Mapping[str, Operation]) -> None:
        self.model = get_session().get_service_model(name)
        self.operations = operations
        unknown = operations.keys() - set(self.model.operation_names)
        if unknown:
            raise ValueError(f"{name} has no operation {unknown}")
        self.routes = sorted(
            (_route(self.model.operation_model(each)) for each in self.model.operation_names),
            key=lambda route: route.path.groups,  # the plainest path first
        )

    async def answer(self, request: Request) -> Answer:
        try:
            route, found = self._routed(request)
            parameters = _parameters(route.operation, request, found)
            return await self._carried_out(route.operation, request.caller, parameters)
        except Refused as refused:
            return told(refused.status or 400, {"message": refused.message}, x_amzn_errortype=refused.code)

    def _routed(self, request: Request) -> tuple[Route, Mapping[str, str]]:
        for route in self.routes:
            if route.method == request.method and (match := route.path.fullmatch(request.path)):
                return route, match.groupdict()
        raise Refused("UnknownOperationException", f"there is no {request.method} {request.path}", 404)

    async def _carried_out(self, operation: OperationModel, caller: Caller, parameters: Parameters) -> Answer:
        carry_out = self.operations.get(operation.name)
        if carry_out is None:
            raise Refused("NotImplemented", f"{operation.name} is not emulated", 501)
        try:
            result = await carry_out(caller, parameters)
        except Refused as refused:
            raise Refused(refused.code, refused.message, refused.status or _statuses(operation)[refused.code]) from None
        content = _written(operation.output_shape, result) if operation.output_shape else {}
        return told(operation.http.get("responseCode", 200), content)


def _route(operation: OperationModel) -> Route:
    path = operation.http["requestUri"].partition("?")[0]
    # "{name}" is one part of a path, "{name+}" any number of them.
    pattern = re.sub(r"\\\{(\w+)(\\\+)?\\\}", lambda m: f"(?P<{m[1]}>{'.+' if m[2] else '[^/]+'})", re.escape(path))
    return Route(operation.http["method"], re.compile(f"{pattern}/?"), operation)


def _statuses(operation: OperationModel) -> Mapping[str, int]:
    return {shape.name: shape.metadata.get("error", {}).get("httpStatusCode", 400) for shape in operation.error_shapes}


def _parameters(operation: OperationModel, request: Request, path: Mapping[str, str]) -> Parameters:
    """What was asked, by the names of the model, wherever in the request it stood."""
    if operation.input_shape is None:
        return {}
    try:
        given = dict(request.json)
    except ValueError:
        raise Refused("BadRequestException", "the body is not JSON", 400) from None
    for key, member in operation.input_shape.members.items():
        name, place = member.serialization.get("name", key), member.serialization.get("location")
        if place == "uri" and name in path:
            given[name] = unquote(path[name])
        elif place == "querystring" and name in request.query:
            given[name] = list(request.query[name]) if member.type_name == "list" else request.one(name)
        elif place == "header" and name.lower() in request.headers:
            given[name] = request.headers[name.lower()]
    reader = Reader([])
    parameters = reader.structure(operation.input_shape, given, "")
    if reader.complaints:
        code = "ValidationException" if "ValidationException" in _statuses(operation) else "BadRequestException"
        raise Refused(code, "; ".join(reader.complaints[:_COMPLAINTS_MOST]), 400)
    return parameters


@define
class Reader:
    """From the wire to Python, by the model; ``complaints`` are what the model forbids."""

    complaints: list[str]

    def value(self, shape: Shape, given: Any, where: str) -> Any:
        kind = shape.type_name
        if kind == "structure":
            return self.structure(shape, given, where)
        if kind in _JSON_TYPES:
            return self.sized(shape, given, where)
        if kind in {"integer", "long", "float", "double"}:
            return self.number(shape, given, where)
        if kind == "boolean":
            return given if isinstance(given, bool) else given == "true"
        return parse_timestamp(given) if kind == "timestamp" else given

    def structure(self, shape: Any, given: Any, where: str) -> dict[str, Any]:
        if not isinstance(given, dict):
            self.complain(where, "an object is expected")
            return {}
        members = {member.serialization.get("name", key): (key, member) for key, member in shape.members.items()}
        for name in given.keys() - members.keys():
            self.complain(where, f"unknown member '{name}'")
        found = {
            members[name][0]: self.value(members[name][1], value, f"{where}/{name}")
            for name, value in given.items()
            if name in members and value is not None
        }
        for name in shape.required_members:
            if name not in found:
                wire = shape.members[name].serialization.get("name", name)
                self.complain(where, f"'{wire}' is a required property")
        return found

    def sized(self, shape: Any, given: Any, where: str) -> Any:
        """A list, a map or a text."""
        if not isinstance(given, _JSON_TYPES[shape.type_name]):
            self.complain(where, f"a {shape.type_name} is expected")
            return given
        return self._measured(shape, given, where)

    def _measured(self, shape: Any, given: Any, where: str) -> Any:
        least, most = shape.metadata.get("min", 0), shape.metadata.get("max", float("inf"))
        if not least <= len(given) <= most:
            self.complain(where, f"a length of {len(given)} is not between {least} and {most}")
        if shape.type_name == "list":
            return [self.value(shape.member, each, f"{where}/{place}") for place, each in enumerate(given)]
        if shape.type_name == "map":
            return {key: self.value(shape.value, each, f"{where}/{key}") for key, each in given.items()}
        if shape.enum and given not in shape.enum:
            self.complain(where, f"'{given}' is none of {', '.join(shape.enum)}")
        pattern = _pattern(shape.metadata["pattern"]) if "pattern" in shape.metadata else None
        if pattern and not pattern.search(given):
            self.complain(where, f"'{given}' does not match {pattern.pattern}")
        return given

    def number(self, shape: Shape, given: Any, where: str) -> float | None:
        try:
            value = int(given) if shape.type_name in {"integer", "long"} else float(given)
        except (TypeError, ValueError):
            self.complain(where, "a number is expected")
            return None
        least, most = shape.metadata.get("min", value), shape.metadata.get("max", value)
        if not least <= value <= most:
            self.complain(where, f"{value} is not between {least} and {most}")
        return value

    def complain(self, where: str, what: str) -> None:
        self.complaints.append(f"{where or '/'}: {what}")


def _written(shape: Any, value: Any) -> Any:
    """From Python to the wire, by the model."""
    kind = shape.type_name
    if kind == "structure":
        unknown = value.keys() - shape.members.keys()
        if unknown:
            raise TypeError(f"{shape.name} has no {unknown}")
        return {
            member.serialization.get("name", key): _written(member, value[key])
            for key, member in shape.members.items()
            if value.get(key) is not None
        }
    if kind == "list":
        return [_written(shape.member, each) for each in value]
    if kind == "map":
        return {key: _written(shape.value, each) for key, each in value.items()}
    if kind == "timestamp":
        if shape.serialization.get("timestampFormat") == "iso8601":
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return value.timestamp()
    return value
