"""The engine behind our own services keeps to botocore's models, in what it takes and in what it gives."""

import json
from typing import Any

import pytest

from tests.cloud.models import Refused, Service
from tests.cloud.wire import Answer, Caller, Request

SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=111122223333/20261125/eu-west-1/mediaconvert/aws4_request, Sig"}


async def ask(service: Service, method: str, path: str, body: Any = None, **query: str) -> Answer:
    content = b"" if body is None else json.dumps(body).encode()
    return await service.answer(
        Request(method, f"/2017-08-29/{path}", {key: [value] for key, value in query.items()}, SIGNED, content)
    )


async def test_a_request_is_read_by_the_model() -> None:
    """From path, query and body alike, by the model's own names; the caller is who signed."""
    asked: list[Any] = []

    async def operation(caller: Caller, parameters: Any) -> Any:
        asked.append((caller.account, caller.region, dict(parameters)))
        return {}

    service = Service("mediaconvert", dict.fromkeys(("GetJob", "ListJobs", "CreatePreset"), operation))
    assert (await ask(service, "GET", "jobs/a%2Fb")).status == 200
    assert (await ask(service, "GET", "jobs", status="ERROR", maxResults="3")).status == 200
    body = {"name": "n", "settings": {"videoDescription": {"width": 640}}}
    assert (await ask(service, "POST", "presets", body)).status == 201
    assert asked == [
        ("111122223333", "eu-west-1", {"Id": "a/b"}),
        ("111122223333", "eu-west-1", {"Status": "ERROR", "MaxResults": 3}),
        ("111122223333", "eu-west-1", {"Name": "n", "Settings": {"VideoDescription": {"Width": 640}}}),
    ]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"settings": {}}, "'name' is a required property"),
        ({"name": 7, "settings": {}}, "/name: a string is expected"),
        ({"name": "n", "settings": {"wishes": {}}}, "/settings: unknown member 'wishes'"),
        ({"name": "n", "settings": {"videoDescription": {"width": 3}}}, "3 is not between 32 and 8192"),
        ({"name": "n", "settings": {"videoDescription": {"width": "wide"}}}, "a number is expected"),
        ({"name": "n", "settings": {"videoDescription": {"afdSignaling": "LOUD"}}}, "'LOUD' is none of"),
        ({"name": "n", "settings": []}, "an object is expected"),
        ({"name": "n", "settings": {"audioDescriptions": {}}}, "a list is expected"),
        ({"name": "n", "settings": {"audioDescriptions": [{"customLanguageCode": "!"}]}}, "does not match"),
    ],
    ids=str,
)
async def test_what_the_model_forbids_is_refused(body: Any, word: str) -> None:
    """With the place, as the service says it."""

    async def operation(_: Caller, __: Any) -> Any:
        raise AssertionError("it got through")

    answer = await ask(Service("mediaconvert", {"CreatePreset": operation}), "POST", "presets", body)
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"] == "BadRequestException"
    assert word in answer.json["message"]


async def test_an_error_has_the_status_of_the_model() -> None:
    """The operation names it; what is not emulated, or not there, says so."""

    async def operation(_: Caller, __: Any) -> Any:
        raise Refused("ConflictException", "it is over")

    service = Service("mediaconvert", {"CancelJob": operation})
    answer = await ask(service, "DELETE", "jobs/1")
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (409, "ConflictException")
    assert (await ask(service, "GET", "jobs/1")).status == 501
    assert (await ask(service, "GET", "nothing/at/all")).status == 404


async def test_an_answer_that_the_model_does_not_know_is_our_mistake() -> None:
    """It never reaches a client."""

    async def operation(_: Caller, __: Any) -> Any:
        return {"Job": {"Wishes": []}}

    with pytest.raises(TypeError, match="Wishes"):
        await ask(Service("mediaconvert", {"GetJob": operation}), "GET", "jobs/1")


def test_an_operation_that_the_model_does_not_know_is_our_mistake() -> None:
    """A misspelt one would never be called."""
    with pytest.raises(ValueError, match="MakeJob"):
        Service("mediaconvert", {"MakeJob": None})  # type: ignore[dict-item]  # what it would do does not matter
