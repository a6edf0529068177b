"""Any Search finds the documents in which every word occurs, the best first."""

import unicodedata
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.cursors import encoded
from application.ports import Document, Found, Search
from domain.errors import Invalid
from tests.contract.machine import walked
from tests.strategies import START
from tests.worlds import SEARCHES, Opened, Opener

openers = pytest.mark.parametrize("opener", [opener for _, opener in SEARCHES], ids=[name for name, _ in SEARCHES])


def document(number: int, title: str = "", **changes: Any) -> Document:
    """Documents by ascending numbers are ever newer."""
    plain = Document(id=f"vid_{number:04}", kind=Found.VIDEO, title=title, at=START + timedelta(seconds=number))
    return evolve(plain, **changes)


async def found(opened: Opened[Search], query: str, limit: int = 20) -> list[str]:
    return [id_ for _, id_ in (await opened.port.find(query, limit=limit)).items]


texts = st.text("abAÄéñ ,.-'\"*", max_size=12)
documents = st.builds(
    Document, id=st.sampled_from([f"vid_{each}" for each in range(5)]), kind=st.sampled_from(Found), title=texts,
    names=texts, tags=st.lists(texts, max_size=2).map(tuple), text=texts,
    at=st.integers(0, 3).map(lambda seconds: START + timedelta(seconds=seconds)),
)  # fmt: skip


def plain_words(text: str) -> set[str]:
    letters = (c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c))
    return set("".join(c if c.isalnum() else " " for c in letters).split())


def matches(query: str, document: Document) -> bool:
    there = plain_words(" ".join([document.title, document.names, *document.tags, document.text]))
    return all(any(word.startswith(sought) for word in there) for sought in plain_words(query))


@openers
@settings(max_examples=60)
@given(
    puts=st.lists(documents, max_size=8), gone=st.lists(st.sampled_from(["vid_0", "vid_1"]), max_size=1), query=texts,
    kind=st.none() | st.sampled_from(Found),
)  # fmt: skip
async def test_finds_what_has_every_word(
    opener: Opener[Search], puts: list[Document], gone: list[str], query: str, kind: Found | None
) -> None:
    """Each once, over pages: what was put last under an id, of the kind asked for, and not what was removed."""
    async with opener() as opened:
        for each in puts:
            await opened.port.put(each)
        for id_ in gone:
            await opened.port.remove(id_)
        there = {each.id: each for each in puts if each.id not in gone}
        expected = {
            (each.kind, each.id) for each in there.values() if plain_words(query) and matches(query, each)
        }  # fmt: skip
        results = await walked(lambda at, most: opened.port.find(query, kind=kind, cursor=at, limit=most), 2)
        assert sorted(results) == sorted(each for each in expected if kind in {None, each[0]})


@openers
@pytest.mark.parametrize(
    ("query", "finds"),
    [
        ("sailing", True), ("SAILING", True), ("sail", True), ("s", True), ("ailing", False), ("sailings", False),
        ("sailing wind", True), ("wind, sailing!", True), ("sailing gale", False), ("cafe", True), ("CAFÉ", True),
        ("café", True), ("cafè", True), ("don't", True), ("strasse", True), ("STRASSE", True), ("straße", True),
        ("日本", True), ("本語", True), ("英語", False), ("ไทย", True), ("हिन्दी", True), ("हि", True), ("한국", True),
        ("ελλη", True), ("ΕΛΛΗ", True), ("tag-word", True), ("by_ann", True), ("ann", True), ("11", True),
    ],
)  # fmt: skip
async def test_words_in_any_case_and_without_accents(opener: Opener[Search], query: str, *, finds: bool) -> None:
    """Words of any column, as a whole or as they begin; in scripts without spaces any part."""
    async with opener() as opened:
        told = "Café wind, don't! Straße 日本語テスト ภาษาไทย हिन्दी 한국어 Ελληνικά 1180p 112"
        await opened.port.put(document(1, "Sailing", text=told, names="by_ann", tags=["tag word"]))
        await opened.port.put(document(2, "Another thing", text="gale"))
        assert await found(opened, query) == (["vid_0001"] if finds else [])


@openers
@pytest.mark.parametrize("query", ["", " ", "++", '"', "*", "-", "😀", "\x00", "\ud800", "́", "'; --", "()"])
async def test_without_words_nothing_is_found(opener: Opener[Search], query: str) -> None:
    """Neither everything nor an error."""
    async with opener() as opened:
        await opened.port.put(document(1, "C++ 😀 * a word"))
        page = await opened.port.find(query)
        assert (list(page.items), page.next) == ([], None)


@openers
@pytest.mark.parametrize(
    "query",
    [
        "cats OR dogs", "NOT dogs", "cats NOT dogs", "NEAR(cats dogs)", "title:cats", "{title} cats", '"cats dogs"',
        "cats AND dogs", " ".join(f"w{each}" for each in range(3000)),
    ],
)  # fmt: skip
async def test_operators_are_words_like_others(opener: Opener[Search], query: str) -> None:
    """And those are not in the only document, although a word of it is in most queries."""
    async with opener() as opened:
        await opened.port.put(document(1, "cats"))
        assert await found(opened, query) == []


@openers
@settings(max_examples=80)
@given(text=st.text(max_size=30))
@example(text="cats AND")
@example(text='"cats')
@example(text="word " * 3000)
async def test_any_text_is_a_query(opener: Opener[Search], text: str) -> None:
    """And finds the document that has that text, if there is a word in it."""
    async with opener() as opened:
        await opened.port.put(document(1, "a title", text=text))
        assert await found(opened, f"{text} title") == ["vid_0001"]
        assert await found(opened, text) in ([], ["vid_0001"])


@openers
async def test_titles_weigh_most_then_tags_then_names_then_descriptions(opener: Opener[Search]) -> None:
    """Documents of one length, each with the word in another place."""
    async with opener() as opened:
        places = [("x", "x", "x", "cats"), ("x", "x", "cats", "x"), ("x", "cats", "x", "x"), ("cats", "x", "x", "x")]
        for number, (title, tag, names, text) in enumerate(places):
            await opened.port.put(document(9 - number, title, tags=[tag], names=names, text=text))
        for number in range(10, 20):
            await opened.port.put(document(number, "x", tags=["x"], names="x", text="x"))
        assert await found(opened, "cats") == ["vid_0006", "vid_0007", "vid_0008", "vid_0009"]


@openers
async def test_of_equally_good_ones_the_newest_comes_first(opener: Opener[Search]) -> None:
    """Whatever order they were put in; and a walk over pages keeps the order."""
    async with opener() as opened:
        for number in (2, 4, 1, 3):
            await opened.port.put(document(number, "cats"))
        newest_first = ["vid_0004", "vid_0003", "vid_0002", "vid_0001"]
        assert await found(opened, "cats") == newest_first
        results = await walked(lambda at, most: opened.port.find("cats", cursor=at, limit=most), 3)
        assert [id_ for _, id_ in results] == newest_first


@openers
async def test_a_document_takes_the_place_of_the_one_before(opener: Opener[Search]) -> None:
    """All of it: words, kind and time; and one that is removed is not found, however often."""
    async with opener() as opened:
        await opened.port.put(document(1, "cats", text="dogs"))
        await opened.port.put(document(1, "boats", kind=Found.CHANNEL))
        assert await found(opened, "cats") == []
        assert await found(opened, "dogs") == []
        assert list((await opened.port.find("boats")).items) == [(Found.CHANNEL, "vid_0001")]
        assert list((await opened.port.find("boats", kind=Found.VIDEO)).items) == []
        for _ in range(2):
            await opened.port.remove("vid_0001")
        assert await found(opened, "boats") == []
        await opened.port.put(document(1, "cats"))
        assert await found(opened, "cats") == ["vid_0001"]


@openers
async def test_a_thousand_can_be_walked_over(opener: Opener[Search]) -> None:
    """Without a repetition, page after page, until the walk ends."""
    async with opener() as opened:
        for number in range(1005):
            await opened.port.put(document(number, "cats"))
        results = await walked(lambda at, most: opened.port.find("cats", cursor=at, limit=most), 300)
        assert len(results) == len(set(results)) >= 1000
        assert [id_ for _, id_ in results[:1000]] == [f"vid_{number:04}" for number in range(1004, 4, -1)]


@openers
@pytest.mark.parametrize("cursor", ["", "???", encoded(("many",)), encoded((-1,)), encoded((1, 2))])
async def test_a_cursor_of_another_list_is_refused(opener: Opener[Search], cursor: str) -> None:
    """Search counts what it has shown; all else is none of its cursors."""
    async with opener() as opened:
        await opened.port.put(document(1, "cats"))
        with pytest.raises(Invalid) as refused:
            await opened.port.find("cats", cursor=cursor)
        assert refused.value.code == "invalid_cursor"
