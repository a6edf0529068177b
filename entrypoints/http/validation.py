"""Bodies taken to the letter, and what is wrong with a request: by field, in plain words."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from litestar.exceptions import ValidationException
from litestar.typing import FieldDefinition
from msgspec import inspect

Wrong = tuple[str, str]
"""A field, as the request names it, and what is wrong with it; no field means the body as a whole."""

REQUIRED = "is required"
NO_BODY = "a JSON body is required"
BODY = "data"
"""What handlers call their body."""

_AT = re.compile(r" - at `(key` in `)?\$([^`]*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_MISSING = re.compile(r"Object missing required field `(.+)`")
_MISSING_PARAMETER = re.compile(r"Missing required \w+ parameter '([^']+)'")
_EXPECTED = re.compile(r"Expected `([^`]+)`")
_BOUND = re.compile(r"Expected `([^`]+)` (of length )?(<=|>=|<|>|==) (\S+)")
_TYPES: Mapping[str, str] = {
    "str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "array": "a list",
    "object": "an object", "null": "null", "datetime": "a time",
}  # fmt: skip
_TIME = "must be a time such as 2026-01-31T12:00:00Z"
_BOUNDS: Mapping[str, str] = {"<=": "at most", ">=": "at least", "<": "less than", ">": "more than", "==": "exactly"}
_COUNTED: Mapping[str, str] = {"str": "characters", "array": "items", "object": "fields"}


def decoded(body: Any, kind: Any) -> Any:
    """The body as ``kind``, with none of the conversions that parameters get: ``"12"`` is no number.

    Raises ValidationException.
    """
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        wrong = list(_faults(str(error), body, kind))
        if isinstance(body, dict) and isinstance(inspect.type_info(kind), inspect.DictType):
            # msgspec does not say which of its fields it is.
            name = next((name for name in body if not _fits({name: body[name]}, kind)), "")
            wrong = [(f"{name}{field.removeprefix('[...]')}", message) for field, message in wrong]
        found = [{"key": field, "message": message} for field, message in wrong]
        raise ValidationException(extra=found) from error


def _fits(body: Any, kind: Any) -> bool:
    try:
        msgspec.convert(body, kind)
    except msgspec.ValidationError:
        return False
    return True


def found_wrong(error: ValidationException, parameters: Mapping[str, FieldDefinition]) -> Sequence[Wrong]:
    """What is wrong with a request, if it can be said by field; ``parameters`` are the handler's."""
    if missing := _MISSING_PARAMETER.match(error.detail):
        return [(missing[1], REQUIRED)]
    extra: Any = error.extra or ()
    return [_said(each.get("key", ""), each["message"], parameters) for each in extra]


def _said(key: str, message: str, parameters: Mapping[str, FieldDefinition]) -> Wrong:
    parameter = parameters.get(key)
    if parameter is None:
        return key, message
    if key == BODY:
        return "", NO_BODY  # all else about a body was said by ``decoded``
    alias = getattr(parameter.kwarg_definition, "name", None)
    return alias or key, _plain(message, inspect.type_info(parameter.annotation)).removesuffix(" or null")


def _faults(message: str, body: Any, kind: Any) -> Iterator[Wrong]:
    """What msgspec says, and whatever else is missing beside a field that is."""
    at = _AT.search(message)
    path = at[2] if at else ""
    field, said = path.removeprefix("."), message[: at.start()] if at else message
    value, expected = body, inspect.type_info(kind)
    for name, index in _STEP.findall(path):
        expected = _inner(expected, name)
        value = None if value is None or index == "..." else value[name or int(index)]
    if at and at[1]:
        expected = getattr(_known(expected, inspect.DictType), "key_type", expected)
    if not (missing := _MISSING.fullmatch(said)):
        yield field, _plain(said, expected)
        return
    struct = _known(expected, inspect.StructType)
    fields = struct.fields if isinstance(struct, inspect.StructType) and isinstance(value, dict) else ()
    names = [each.encode_name for each in fields if each.required and each.encode_name not in value]
    for name in names or [missing[1]]:
        yield f"{field}.{name}".removeprefix("."), REQUIRED


def _known(expected: inspect.Type, *wanted: type[inspect.Type]) -> inspect.Type:
    """The one of the types expected that is of a wanted sort, if there is one."""
    while isinstance(expected, inspect.Metadata):
        expected = expected.type
    if isinstance(expected, inspect.UnionType):
        return next((each for each in (_known(each) for each in expected.types) if isinstance(each, wanted)), expected)
    return expected


def _inner(expected: inspect.Type, name: str) -> inspect.Type:
    """What is expected one step further in."""
    if name:
        fields = getattr(_known(expected, inspect.StructType), "fields", ())
        return next((each.type for each in fields if each.encode_name == name), inspect.AnyType())
    match _known(expected, inspect.ListType, inspect.VarTupleType, inspect.DictType):
        case inspect.ListType(item_type=inner) | inspect.VarTupleType(item_type=inner):
            return inner
        case inspect.DictType(value_type=inner):
            return inner
        case _:
            return inspect.AnyType()


def _plain(message: str, expected: inspect.Type) -> str:
    """What msgspec says of a value, for people who never heard of it."""
    if message.startswith("Invalid enum value"):
        return f"must be one of {', '.join(map(str, _allowed(expected)))}"
    if message.startswith("Invalid RFC3339"):
        return _TIME
    if bound := _BOUND.match(message):
        return _bounded(*bound.groups())
    if wanted := _EXPECTED.match(message):
        return f"must be {' or '.join(_TYPES.get(each, each) for each in wanted[1].split(' | '))}"
    return message


def _bounded(kind: str, of_length: str | None, sign: str, limit: str) -> str:
    if not of_length:
        return f"must be {_BOUNDS[sign]} {limit.removesuffix('.0')}"
    if (sign, limit) == (">=", "1"):
        return "must not be empty"
    return f"must have {_BOUNDS[sign]} {limit} {_COUNTED.get(kind, 'items')}"


def _allowed(expected: inspect.Type) -> Sequence[Any]:
    match _known(expected, inspect.EnumType, inspect.LiteralType):
        case inspect.EnumType(cls=names):
            return [each.value for each in names]
        case inspect.LiteralType(values=values):
            return values
        case _:
            return ()
