"""The Postman collection: made of its sources, walking the whole API, the same for every environment."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from postman.build import COLLECTION, HERE, built
from tests.architecture.test_names import STRAYS
from tests.entrypoints.scenes import opened

ENVIRONMENTS = ("memory", "local", "aws")
VARIABLE = re.compile(r"\{\{(\w+)\}\}")
READ = re.compile(r'kept\("(\w+)"\)')
SET = re.compile(r'collectionVariables\.set\("(\w+)"')
KEPT = re.compile(r"keep\(\{(.*?)\}\)", re.DOTALL)
EXPECTED = re.compile(r"\b(answered|listed|refused)\(|\.to\.have\.status\(|pm\.response\.code\b")
SUCCESS = re.compile(r"\banswered\(2\d\d\b|\blisted\(|to\.have\.status\(200\)")
NOT_WALKED = {
    "GET /v1/dev/mailbox": "the environment says where mail is read",
    "POST /v1/dev/clock/advance": "a cloud's clock is not moved",
    "POST /v1/dev/streams/{stream_id}/simulate": "the environment says where encoders are pretended",
    "DELETE /v1/streams/{stream_id}/chat-messages/{message_id}": "what is said goes over a WebSocket; it sees it refused",
    "GET /v1/me/notifications/stream": "it has no end; the collection sees it refused",
}
Json = dict[str, Any]


@pytest.fixture(scope="module")
def collection() -> Json:
    read: Json = json.loads(COLLECTION.read_text("utf-8"))
    return read


@pytest.fixture(scope="module")
def document() -> Json:
    async def read() -> Json:
        async with opened() as scene:
            answer: Json = (await scene.http.get("/schema/openapi.json")).json()
            return answer

    return asyncio.run(read())


def requests(collection: Json) -> Iterator[Json]:
    for module in collection["item"]:
        yield from module["item"]


def script(holder: Json, listen: str = "test") -> str:
    """Its script for an event, "" if it has none."""
    found = [event["script"]["exec"] for event in holder.get("event", ()) if event["listen"] == listen]
    return "\n".join(found[0]) if found else ""


def environment(name: str) -> Mapping[str, str]:
    values = json.loads((HERE / f"{name}.postman_environment.json").read_text("utf-8"))["values"]
    return {each["key"]: each["value"] for each in values if each["enabled"]}


def operations(document: Json) -> Mapping[str, re.Pattern[str]]:
    """Each by its name, with what its requests look like in the collection."""
    found = {}
    for path, methods in document["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", r"[^/?]+", re.escape(path))
        for method in methods:
            name = f"{method.upper()} {path}"
            found[name] = re.compile(rf"{method.upper()} \{{\{{base_url\}}\}}{pattern}/?(\?.*)?")
    return found


def test_it_is_what_its_sources_say() -> None:
    """If not, `python -m postman.build` makes it so."""
    assert COLLECTION.read_text("utf-8") == built()


def test_every_endpoint_is_walked_to_a_success(collection: Json, document: Json) -> None:
    """Of those that are not, each is named here with its reason."""
    walked = {
        f"{each['request']['method']} {each['request']['url']}"
        for each in requests(collection)
        if SUCCESS.search(script(each))
    }
    missed = {
        name for name, pattern in operations(document).items() if not any(pattern.fullmatch(url) for url in walked)
    }
    assert missed == set(NOT_WALKED)


def test_every_request_is_of_an_endpoint(collection: Json, document: Json) -> None:
    """Or follows a link that an answer gave, or is there to miss."""
    patterns = operations(document).values()
    strays = {
        each["name"]
        for each in requests(collection)
        if each["request"]["url"].startswith("{{base_url}}")
        and not any(pattern.fullmatch(f"{each['request']['method']} {each['request']['url']}") for pattern in patterns)
    }
    assert strays == {
        "It describes itself", "An address that nothing is at", "A method that an address does not have"
    }  # fmt: skip


def test_every_request_says_what_it_expects(collection: Json) -> None:
    for each in requests(collection):
        assert EXPECTED.search(script(each)), each["name"]


def test_names_are_unique(collection: Json) -> None:
    """A request that is sent again is found by its name."""
    names = [each["name"] for each in requests(collection)]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_variables_come_from_the_environment_or_from_before(collection: Json, name: str) -> None:
    known = set(environment(name))
    for each in requests(collection):
        known |= set(SET.findall(script(each, "prerequest")))
        request = json.dumps(each["request"])
        assert set(VARIABLE.findall(request)) - known == set(), each["name"]
        for values in KEPT.findall(script(each)):
            known |= set(re.findall(r"(\w+)(?:: |$|,|\s*$)", values))
        assert set(READ.findall(script(each))) - known == set(), each["name"]


def test_environments_differ_in_values_only() -> None:
    assert len({tuple(environment(name)) for name in ENVIRONMENTS}) == 1
    for name in ENVIRONMENTS:
        assert environment(name)["profile"] == name


def test_what_is_sent_is_as_long_as_the_environments_say() -> None:
    """Of films, only the one that says what it pretends to be is checked in."""
    here = environment("memory")
    for file in ("film", "picture"):
        assert (HERE / "files" / here[file]).stat().st_size == int(here[f"{file}_bytes"])
    for name in ENVIRONMENTS:
        assert environment(name)["picture_bytes"] == here["picture_bytes"]


def test_the_lock_pins_by_hash_and_leaves_the_source_open() -> None:
    """Where packages come from is the machine's business."""
    text = (HERE / "package-lock.json").read_text("utf-8")
    assert not re.search(STRAYS, text)
    assert '"resolved"' not in text
    packages = json.loads(text)["packages"]
    del packages[""]
    assert len(packages) > 50
    assert [name for name, each in packages.items() if not each["integrity"].startswith("sha512-")] == []
