"""What search on DynamoDB promises beyond the contract: whatever breaks off, and whoever else is at it, the entries in
the end are those of one document; and words that stand everywhere hide nothing.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from adapters.aws import search
from adapters.aws.dynamo import Tables
from adapters.aws.search import DynamoSearch
from application.ports import Document, Found
from domain.errors import Unavailable
from tests.adapters.faulty import CUT, FaultyDynamo, refusal
from tests.strategies import START


def document(first: int, count: int, *, title: str = "Sailing", later: int = 0) -> Document:
    """With so many words; another ``later`` has other places."""
    text = " ".join(f"w{number}" for number in range(first, first + count))
    at = START + timedelta(seconds=later)
    return Document(id="vid_1", kind=Found.VIDEO, title=title, text=text, at=at)


OLD, NEXT, SMALL = document(0, 250), document(100, 280, later=1), document(0, 3, title="Rowing")
STATES = [OLD, NEXT, SMALL, None]


def over(dynamo: FaultyDynamo) -> DynamoSearch:
    async def at_once(_: float) -> None:
        return

    return DynamoSearch(Tables(dynamo, {"ops": "ops"}, at_once))


async def index(dynamo: FaultyDynamo, wanted: Document | None) -> None:
    await (over(dynamo).remove("vid_1") if wanted is None else over(dynamo).put(wanted))


Entries = dict[tuple[str, str], tuple[str, str]]


def entries(dynamo: FaultyDynamo) -> Entries:
    """What can be found, and what it weighs."""
    return {
        key: (item["kind"]["S"], item["weight"]["N"])
        for key, item in dynamo.items.items()
        if key[0].startswith("WORD#")
    }


async def expected(wanted: Document | None) -> Entries:
    fresh = FaultyDynamo()
    await index(fresh, wanted)
    return entries(fresh)


@pytest.mark.parametrize("after", STATES[1:])
@pytest.mark.parametrize("trouble", [refusal("InternalServerError"), CUT], ids=["not done", "done"])
async def test_whatever_breaks_off_the_next_one_puts_right(after: Document | None, trouble: Exception | str) -> None:
    """At each of its steps, be it carried out or not: the same again, or what has become of the document meanwhile."""
    for at in range(8):
        dynamo = FaultyDynamo()
        await index(dynamo, OLD)
        dynamo.troubles.extend([*[None] * at, trouble])
        with suppress(Unavailable):
            await index(dynamo, NEXT)
        dynamo.troubles.clear()
        await index(dynamo, after)
        assert entries(dynamo) == await expected(after)


@pytest.mark.parametrize("others", [[NEXT, SMALL], [NEXT, None], [NEXT, OLD, None], [NEXT, NEXT]])
async def test_of_several_at_once_one_comes_last(others: list[Document | None]) -> None:
    """Whoever it is: nothing of the rest is left."""
    dynamo = FaultyDynamo()
    await index(dynamo, OLD)
    await asyncio.gather(*(index(dynamo, each) for each in others))
    assert entries(dynamo) in [await expected(each) for each in others]
    await index(dynamo, SMALL)
    assert entries(dynamo) == await expected(SMALL)


async def test_only_what_differs_is_written() -> None:
    """A document that is as it was costs one read; one word more costs one entry."""
    dynamo = FaultyDynamo()
    await index(dynamo, SMALL)
    dynamo.calls.clear()
    await index(dynamo, SMALL)
    assert dynamo.calls == ["GetItem"]
    before = dict(dynamo.items)
    await index(dynamo, document(0, 4, title="Rowing"))
    changed = [key for key, item in dynamo.items.items() if before.get(key) is not item]
    assert sorted(key[0] for key in changed) == ["DOCUMENT#vid_1", "WORD#w"]


async def numbered(dynamo: FaultyDynamo, *titles: str) -> DynamoSearch:
    """By ascending numbers ever newer."""
    for number, title in enumerate(titles):
        at = START + timedelta(seconds=number)
        await over(dynamo).put(Document(id=f"vid_{number}", kind=Found.VIDEO, title=title, at=at))
    return over(dynamo)


async def test_words_that_stand_everywhere_hide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old documents are found by a rare word and such a one; by such ones alone, the newest are."""
    monkeypatch.setattr(search, "LOOKED_AT", 3)
    found = await numbered(
        FaultyDynamo(), "the sailing", "the sailor", "sailing", *["the sea"] * 5, "the sea is theirs"
    )
    assert [id_ for _, id_ in (await found.find("the sail")).items] == ["vid_1", "vid_0"]
    assert [id_ for _, id_ in (await found.find("the sailing")).items] == ["vid_0"]
    assert [id_ for _, id_ in (await found.find("the sea")).items] == ["vid_8", "vid_7", "vid_6"]
    assert list((await found.find("the gale")).items) == []


async def test_long_runs_are_sought_in_pieces() -> None:
    """Scripts without spaces: any part of a text, however long, and nothing that is not in it."""
    run = "日本語の文章には単語の間に空白がありません"
    found = await numbered(FaultyDynamo(), run, "日本語の空白")
    for part in (run, run[1:], run[3:14], run[5:], run[-1:]):
        assert (Found.VIDEO, "vid_0") in (await found.find(part)).items
    assert [id_ for _, id_ in (await found.find(run[3:14])).items] == ["vid_0"]
    assert list((await found.find("語の文章は")).items) == []


async def test_long_words_are_known_by_their_beginning() -> None:
    found = await numbered(FaultyDynamo(), "x" * 100, "y")
    for length in (1, 99, 100):
        assert [id_ for _, id_ in (await found.find("x" * length)).items] == ["vid_0"]
