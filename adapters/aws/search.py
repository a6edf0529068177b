"""Search over entries: one for each word of a document, under the word's first letter, so that one query of a sorted
partition finds every word that begins as the one that is sought.

A document of 120 different words takes 120 entries of some 150 bytes, and one item that knows them: some 250 write
units when it is new, since entries change in transactions. Later only what differs is written.
"""

import asyncio
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import attrgetter
from uuid import uuid4

from attrs import evolve, frozen

from adapters.aws.dynamo import (
    NEW,
    TRANSACTION_MOST,
    Item,
    Key,
    Refused,
    Tables,
    check,
    delete,
    number,
    put,
    text,
)
from adapters.aws.tables import OPS, SK, Operation, pattern
from adapters.cursors import count, encoded
from adapters.rows import text_of, values_of
from adapters.words import FINDS_MOST, spaced, words
from application.ports import Document, Found, Page

TITLE, TAGS, NAMES, TEXT = 10, 6, 4, 1
"""What a word weighs where it stands."""
WHOLE = 2
"""So many times as much, if it is all of the word and not only its beginning."""
LOOKED_AT = 2000
"""So many entries are looked at for each word that is sought: of one word the newest. One that has more is asked for
in the documents that the other words are in.
"""
AT_ONCE = 8
WORD_MOST = 100
"""Characters by which a word is known."""
RUN_MOST = 8
"""The same in scripts without spaces, where a word may begin anywhere. Longer ones are sought in pieces."""

_DOCUMENT, _ENTRY, _PLACE = "DOCUMENT#<id>", "WORD#<first letter>", "<word> <newest first> <id>"
_KNOWN = pattern("what is indexed of a document", Operation.GET, OPS, _DOCUMENT, "WORDS", strong=True)
_ASK = pattern("what is indexed of documents", Operation.MANY, OPS, _DOCUMENT, "WORDS", items=100)
_KEEP = pattern("index a document", Operation.WRITE, OPS, _DOCUMENT, "WORDS", transaction=True)
_WRITE = pattern(
    "a document's words", Operation.WRITE, OPS, _ENTRY, _PLACE, transaction=True, items=120, item_bytes=150
)  # fmt: skip
_FIND = pattern("words that begin so", Operation.QUERY, OPS, _ENTRY, _PLACE, items=200, item_bytes=150)

_EPOCH, _MICRO = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_LATEST = 10**18


@frozen(kw_only=True)
class Indexed:
    """What a document is found by: its words, with what they weigh."""

    id: str
    kind: Found
    at: int
    """Microseconds."""
    words: Mapping[str, int]

    @property
    def entries(self) -> Mapping[Key, Item]:
        place = f"{_LATEST - self.at:019} {self.id}"
        return {
            Key(_partition(word), f"{word} {place}"): {"kind": text(self.kind.value), "weight": number(weight)}
            for word, weight in self.words.items()
        }

    def hit(self, sought: str) -> "_Hit":
        """No score if the word is not in it."""
        scores = [_score(word, weight, sought) for word, weight in self.words.items() if word.startswith(sought)]
        return _Hit(self.id, self.kind, self.at, max(scores, default=0))


@frozen
class _Hit:
    id: str
    kind: Found
    at: int
    score: int


class DynamoSearch:
    """Whoever changes a document's entries holds its item: each transaction requires that nobody else changed it. When
    it takes several, the item says before what may be there until the last, so that whoever comes next removes that.
    Whoever is overtaken in the midst of theirs gives way: the other knows what is there by then, and came later.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def put(self, document: Document) -> None:
        await self._index(document.id, [_indexed(document)])

    async def remove(self, id: str) -> None:  # noqa: A002  (the domain's word)
        await self._index(id, [])

    async def find(
        self, query: str, *, kind: Found | None = None, cursor: str | None = None, limit: int = 20
    ) -> Page[tuple[Found, str]]:
        """Each page looks at all entries; a cursor is how many were seen."""
        offset = count(cursor)
        limit = min(limit, FINDS_MOST - offset)
        wanted = _sought(query)
        if not wanted or limit <= 0:
            return Page(())
        hits = [hit for hit in (await self._hits(wanted)).values() if kind in {None, hit.kind}]
        hits.sort(key=attrgetter("score", "at", "id"), reverse=True)
        shown = [(hit.kind, hit.id) for hit in hits[offset : offset + limit]]
        more = offset + limit < min(len(hits), FINDS_MOST)
        return Page(shown, encoded((offset + limit,)) if more else None)

    # --- finding

    async def _hits(self, wanted: Sequence[str]) -> Mapping[str, _Hit]:
        """Documents with all of the words, by id."""
        hits: Mapping[str, _Hit] | None = None
        crowded: dict[str, Mapping[str, _Hit]] = {}
        for at in range(0, len(wanted), AT_ONCE):
            some = wanted[at : at + AT_ONCE]
            for word, items in zip(some, await asyncio.gather(*map(self._entries, some)), strict=True):
                found = _best(items[:LOOKED_AT], word)
                if len(items) > LOOKED_AT:
                    crowded[word] = found
                else:
                    hits = found if hits is None else _both(hits, found)
            if hits is not None and not hits:
                return {}
        if hits is None:  # all of them are everywhere: among the newest will be some with each
            return reduce(_both, crowded.values())
        return await self._asked(hits, list(crowded)) if crowded else hits

    async def _entries(self, word: str) -> Sequence[Item]:
        """One more than are looked at, if there are more."""
        return await self._tables.query(
            _FIND, _partition(word), above=word, below=f"{word}\U0010ffff", limit=LOOKED_AT + 1
        )

    async def _asked(self, hits: Mapping[str, _Hit], crowded: Sequence[str]) -> Mapping[str, _Hit]:
        items = await self._tables.many(_ASK, map(_document, hits))
        documents = [known[-1] for item in items.values() if (known := _known(item))]
        for word in crowded:
            hits = _both(hits, {hit.id: hit for each in documents if (hit := each.hit(word)).score})
        return hits

    # --- indexing

    async def _index(self, id_: str, wanted: Sequence[Indexed]) -> None:
        """So that it is found by that, or (empty) by nothing."""
        await self._tables.anew(lambda: self._replace(id_, wanted))

    async def _replace(self, id_: str, wanted: Sequence[Indexed]) -> None:
        key = _document(id_)
        item = await self._tables.get(_KNOWN, key)
        before = _known(item)
        if before == wanted:
            return
        condition, turn = (NEW, text("")) if item is None else ("#turn = :turn", item["turn"])
        may_be = {at: entry for each in before for at, entry in each.entries.items()}
        entries = {at: entry for each in wanted for at, entry in each.entries.items()}
        sure = may_be if len(before) == 1 else {}
        changes = [
            *(put(_WRITE, at, entry) for at, entry in entries.items() if sure.get(at) != entry),
            *(delete(_WRITE, at) for at in may_be if at not in entries),
        ]
        most = TRANSACTION_MOST - 1
        *parts, last = [changes[at : at + most] for at in range(0, len(changes), most)] or [[]]
        if parts:
            others = [each for each in before if each not in wanted]
            under_way = _item([*others, *(wanted or [evolve(before[-1], words={})])])
            await self._tables.write(put(_KEEP, key, under_way, condition, turn=turn))
            condition, turn = "#turn = :turn", under_way["turn"]
        done = delete(_KEEP, key, condition, turn=turn)
        if wanted:
            done = put(_KEEP, key, _item(wanted), condition, turn=turn)
        try:
            for part in parts:
                await self._tables.write(check(_KEEP, key, condition, turn=turn), *part)
            await self._tables.write(done, *last)
        except Refused:
            if not parts:
                raise


def _item(known: Sequence[Indexed]) -> Item:
    return {"known": {"B": zlib.compress(text_of(known).encode())}, "turn": text(uuid4().hex)}


def _known(item: Item | None) -> Sequence[Indexed]:
    """What a document is found by; when there are several, by some of what is in any of them."""
    return values_of(zlib.decompress(item["known"]["B"]).decode(), Indexed) if item else []


def _document(id_: str) -> Key:
    return Key(f"DOCUMENT#{id_}", "WORDS")


def _partition(word: str) -> str:
    return f"WORD#{word[0]}"


def _indexed(document: Document) -> Indexed:
    weights = Counter[str]()
    for weight, told in (
        (TITLE, document.title), (TAGS, " ".join(document.tags)), (NAMES, document.names), (TEXT, document.text),
    ):  # fmt: skip
        weights.update(dict.fromkeys({each for word in words(told) for each in _beginnings(word)}, weight))
    at = (document.at - _EPOCH) // _MICRO
    return Indexed(id=document.id, kind=document.kind, at=at, words=dict(weights))


def _beginnings(word: str) -> Iterator[str]:
    """What is to be found of it: in scripts without spaces whatever begins at one of the characters."""
    units = spaced(word).split()
    for at in range(len(units)):
        yield "".join(units[at : at + RUN_MOST])[:WORD_MOST]


def _sought(query: str) -> Sequence[str]:
    """The words of a query, cut as they were when indexed; the long ones first, which are in few documents."""
    found = dict[str, None]()
    for word in words(query):
        units = spaced(word).split()
        last = max(len(units) - RUN_MOST, 0)
        for at in (*range(0, last, RUN_MOST // 2), last):
            found["".join(units[at : at + RUN_MOST])[:WORD_MOST]] = None
    return sorted(found, key=len, reverse=True)


def _best(items: Sequence[Item], sought: str) -> Mapping[str, _Hit]:
    """Each document once."""
    best: dict[str, _Hit] = {}
    for item in items:
        word, place, id_ = item[SK]["S"].split(" ", 2)
        score = _score(word, int(item["weight"]["N"]), sought)
        if id_ not in best or best[id_].score < score:
            best[id_] = _Hit(id_, Found(item["kind"]["S"]), _LATEST - int(place), score)
    return best


def _score(word: str, weight: int, sought: str) -> int:
    return weight * WHOLE if word == sought else weight


def _both(some: Mapping[str, _Hit], others: Mapping[str, _Hit]) -> Mapping[str, _Hit]:
    return {
        id_: evolve(hit, score=hit.score + others[id_].score) for id_, hit in some.items() if id_ in others
    }  # fmt: skip
