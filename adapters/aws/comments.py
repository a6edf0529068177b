"""Comments in DynamoDB. Reactions and subscriptions are in ``engagement``: these alone fill a module.

A comment's item holds beside the document its status and how many visible replies it has, so one condition guards
whether it is listed on its video: its own save and its replies' meet at that item. An item without a version is no
comment, but counts the replies to one that is gone.

The lists by index show a change within a second. What waits for a member and what a video has to forget are items of
their own, so the author sees at once what is held, and nothing is left behind.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial

from attrs import evolve

from adapters.aws.counters import Counters, mended
from adapters.aws.dynamo import (
    NEW,
    Item,
    Key,
    Refused,
    Tables,
    Value,
    Write,
    delete,
    key_of,
    number,
    put,
    text,
    update,
)
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.shelves import DOC, VERSION, page, tail
from adapters.aws.tables import G1, G2, PK, SOCIAL, Operation, pattern
from adapters.cursors import encoded
from adapters.rows import text_of, value_of
from adapters.versions import next_version
from application.ports import Event, Page
from domain.engagement import Comment, CommentStatus
from domain.errors import NotFound, Stale
from domain.ids import ChannelId, CommentId, UserId, VideoId

_COMMENT = "COMMENT#<comment>", "COMMENT"
_GET = pattern("a comment by id", Operation.GET, SOCIAL, *_COMMENT, strong=True)
_SOME = pattern("comments by id, or how many visible replies", Operation.MANY, SOCIAL, *_COMMENT, strong=True, items=20)
_SAVE = pattern(
    "save or forget a comment, or count a visible reply to it", Operation.WRITE, SOCIAL, *_COMMENT,
    indices=(G1, G2), transaction=True,
)  # fmt: skip
_ON_VIDEO = pattern(
    "comments listed on a video, newest first",
    Operation.QUERY,
    SOCIAL,
    "VIDEO#<video>",
    "<comment>",
    index=G1,
    items=22,
    shown=(PK, DOC),
)
_REPLIES = pattern(
    "visible replies, oldest first",
    Operation.QUERY,
    SOCIAL,
    "REPLIES#<comment>",
    "<reply>",
    index=G1,
    items=21,
    shown=(DOC, G1.sk),
)
_OF_CHANNEL = pattern(
    "a channel's comments but the removed, newest first", Operation.QUERY, SOCIAL, "CHANNEL#<channel>", "<comment>",
    index=G2, items=21, shown=(DOC, G2.sk),
)  # fmt: skip
_HELD = pattern(
    "a channel's held comments, oldest first", Operation.QUERY, SOCIAL, "HELD#<channel>", "<comment>",
    index=G1, items=21, item_bytes=200,
)  # fmt: skip
_WAITING = "HELD#<video>#<author>#<comment answered>", "<comment>"
_HELD_BY = pattern(
    "an author's held comments in one place, newest first", Operation.QUERY, SOCIAL, *_WAITING,
    strong=True, items=20, item_bytes=200,
)  # fmt: skip
_HOLD = pattern(
    "hold a comment, or no longer", Operation.WRITE, SOCIAL, *_WAITING,
    indices=(G1,), item_bytes=200, transaction=True,
)  # fmt: skip
_UNDER = "VIDEO#<video>", "<comment>"
_ALL = pattern(
    "every comment under a video, newest first",
    Operation.QUERY,
    SOCIAL,
    *_UNDER,
    strong=True,
    items=500,
    item_bytes=100,
)
_ADD = pattern(
    "put a comment under its video, or take it off", Operation.WRITE, SOCIAL, *_UNDER, item_bytes=100, transaction=True
)
_PIN = "PIN#<video>", "PIN"
_PINNED = pattern("which comment a video has pinned", Operation.GET, SOCIAL, *_PIN, strong=True, item_bytes=100)
_MOVE_PIN = pattern("pin or unpin a comment", Operation.WRITE, SOCIAL, *_PIN, item_bytes=100, transaction=True)
_KNOWN_PREFIX = "KNOWN#"
_AUTHOR = f"{_KNOWN_PREFIX}<channel>#<author>", "COUNT"
_KNOWN = pattern(
    "how many visible comments of someone a channel has", Operation.GET, SOCIAL, *_AUTHOR, strong=True, item_bytes=100
)
_SHOW = pattern("count someone's visible comments", Operation.WRITE, SOCIAL, *_AUTHOR, item_bytes=100, transaction=True)
_COUNTS = Counters(table=SOCIAL, prefix="COMMENTS#", names=("comments",))

_STATUS, _ANSWERS = "status", "replies"
_NOBODY, _BEYOND = "-", "~"
"""In cursors: that nothing was pinned, and what sorts after every id."""
FORGOTTEN_TOGETHER = 16
"""Comments, each with up to six writes: itself, its place under the video, held, its parent, its author, a pin."""


class DynamoComments:
    """A transaction a save. What is in a list is in an index of its item, or has an item of its own."""

    def __init__(self, tables: Tables, outbox: DynamoOutbox) -> None:
        self._tables = tables
        self._outbox = outbox

    async def get(self, comment: CommentId) -> Comment:
        found = _stored(await self._tables.get(_GET, _at(comment)))
        if found is None:
            raise NotFound("there is no such comment")
        return found

    async def save(self, comment: Comment, *events: Event) -> Comment:
        saved = next_version(comment)
        await self._save(saved, comment.version, self._outbox.storing(events), self._pinning)
        return saved

    def kept(self, item: Item) -> Comment | None:
        return _stored(item) if key_of(item).sk == "COMMENT" else None

    async def admit(self, comment: Comment) -> None:
        """One from an archive. Raises Stale, also for a second that is pinned."""

        async def pinning(_: Comment | None, saved: Comment) -> Sequence[Write]:
            if saved.pinned and await self._tables.get(_PINNED, _pin(saved.video)) is not None:
                raise Stale("the pinned comment")
            return await self._pinning(None, saved)

        await self._save(comment, 0, (), pinning)

    async def _save(
        self, saved: Comment, was: int, storing: Sequence[Write],
        pinning: Callable[[Comment | None, Comment], Awaitable[Sequence[Write]]],
    ) -> None:  # fmt: skip
        """In the place of the version ``was``. Raises Stale."""

        async def work() -> None:
            items = await self._tables.many(_SOME, map(_at, filter(None, (saved.id, saved.parent))))
            item = items.get(_at(saved.id), {})
            before = _stored(item)
            if was != (before.version if before else 0):
                raise Stale("the comment")
            writes = [_saving(saved, was, _answers(item)), *_placing(before, saved), *await pinning(before, saved)]
            shown = int(saved.shown) - int(before is not None and before.shown)
            if shown:
                writes.append(_showing(saved.channel, saved.author, shown))
            if shown and saved.parent is not None:
                writes.append(_answering(saved.parent, saved.video, items.get(_at(saved.parent), {}), shown))
            await self._carry_out([*writes, *storing], saved.video, shown)

        await self._tables.anew(work)

    async def on_video(self, video: VideoId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        """A cursor begins with what was pinned on the first page: it is not shown again where its id stands."""
        said = tail(cursor, 2)
        pinned: Item | None = None
        if said is not None:
            first, below = said
            listed = await self._listed(video, below, limit)
        else:
            pinned, listed = await asyncio.gather(self._pinned(video), self._listed(video, _BEYOND, limit))
            first = _id(pinned) if pinned else _NOBODY
        items = [*([pinned] if pinned else []), *(item for item in listed if _id(item) != first)]
        shown = items[:limit]
        comments = [_value(item) for item in shown]
        if len(items) <= limit:
            return Page(comments)
        last = _id(shown[-1])
        return Page(comments, encoded((first, _BEYOND if last == first else last)))

    async def replies(self, comment: CommentId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        (above,) = tail(cursor) or (None,)
        items = await self._tables.query(_REPLIES, f"REPLIES#{comment}", above=above, limit=limit + 1)
        return page(items, limit, _value, G1.sk)

    async def held_by(
        self, video: VideoId, author: UserId, *, parent: CommentId | None = None, limit: int = 20
    ) -> Sequence[Comment]:
        partition = _waiting(video, author, parent)
        return await self._those_held(await self._tables.query(_HELD_BY, partition, descending=True, limit=limit))

    async def held(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        (above,) = tail(cursor) or (None,)
        waiting = await self._tables.query(_HELD, f"HELD#{channel}", above=above, limit=limit + 1)
        shown = waiting[:limit]
        more = encoded((shown[-1][G1.sk]["S"],)) if len(waiting) > limit else None
        return Page(await self._those_held(shown), more)

    async def of_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        (below,) = tail(cursor) or (None,)
        items = await self._tables.query(
            _OF_CHANNEL, f"CHANNEL#{channel}", below=below, descending=True, limit=limit + 1
        )
        return page(items, limit, _value, G2.sk)

    async def counts(self, videos: Sequence[VideoId]) -> Mapping[VideoId, int]:
        counted = await _COUNTS.of(self._tables, videos)
        return {video: counted[video]["comments"] for video in videos}

    async def reply_counts(self, comments: Sequence[CommentId]) -> Mapping[CommentId, int]:
        items = await self._tables.many(_SOME, map(_at, comments))
        return {comment: _answers(items.get(_at(comment), {})) for comment in comments}

    async def known(self, channel: ChannelId, author: UserId) -> bool:
        item = await self._tables.get(_KNOWN, _author(channel, author))
        return item is not None and int(item["visible"]["N"]) > 0

    async def all_on(self, video: VideoId, limit: int = 500) -> Sequence[CommentId]:
        items = await self._tables.query(_ALL, f"VIDEO#{video}", descending=True, limit=limit)
        return [_pointed(item) for item in items]

    async def remove_all(self, video: VideoId, limit: int = 500) -> Sequence[CommentId]:
        """Some at a time, each time exactly; replies are newer than what they answer, and go first."""
        gone = await self.all_on(video, limit)
        for start in range(0, len(gone), FORGOTTEN_TOGETHER):
            some = gone[start : start + FORGOTTEN_TOGETHER]
            await self._tables.anew(partial(self._forget, video, some))
        return gone

    def tallied(self, item: Item) -> Iterable[tuple[str, int]]:
        key, comment = key_of(item), self.kept(item)
        yield from _COUNTS.tallied(item)
        if key.pk.startswith(_KNOWN_PREFIX):
            yield f"{key.pk}#visible", -int(item["visible"]["N"])
        if key.sk == "COMMENT":
            yield f"{key.pk}#{_ANSWERS}", -_answers(item)
        if comment is not None and comment.shown:
            yield _COUNTS.count(comment.video, "comments"), 1
            yield f"{_author(comment.channel, comment.author).pk}#visible", 1
            if comment.parent is not None:
                yield f"{_at(comment.parent).pk}#{_ANSWERS}", 1

    async def mend(self, count: str, by: int) -> bool:
        of, _, name = count.rpartition("#")
        if of.startswith(_KNOWN_PREFIX):
            return await mended(self._tables, update(_SHOW, Key(of, "COUNT"), "ADD #visible :by", by=number(by)), by)
        if name != _ANSWERS:
            return await _COUNTS.mend(self._tables, count, by)
        return await self._tables.anew(partial(self._mend_answers, Key(of, "COMMENT"), by))

    async def _mend_answers(self, key: Key, by: int) -> bool:
        item = await self._tables.get(_GET, key)
        if item is None:
            return False
        parent = _stored(item)
        video = VideoId("") if parent is None else parent.video
        await self._tables.write(_answering(CommentId(_id(item)), video, item, by))
        return True

    async def _carry_out(self, writes: Sequence[Write], video: VideoId, shown: int) -> None:
        if shown:
            await _COUNTS.write(self._tables, video, lambda _: writes, comments=shown)
        else:
            await self._tables.write(*writes)

    async def _listed(self, video: VideoId, below: str, limit: int) -> Sequence[Item]:
        """One more than asked for, even without the pinned one."""
        return await self._tables.query(_ON_VIDEO, f"VIDEO#{video}", below=below, descending=True, limit=limit + 2)

    async def _pinned(self, video: VideoId) -> Item | None:
        pin = await self._tables.get(_PINNED, _pin(video))
        item = await self._tables.get(_GET, _at(CommentId(pin["comment"]["S"]))) if pin else None
        return item if item and G1.pk in item and _value(item).pinned else None

    async def _pinning(self, before: Comment | None, saved: Comment) -> Sequence[Write]:
        """What moves the pin. The video's item says a comment if and only if that says it is pinned."""
        if saved.pinned is (before is not None and before.pinned):
            return []
        pin, has = _pin(saved.video), {"comment": text(saved.id)}
        if not saved.pinned:
            return [delete(_MOVE_PIN, pin, "#comment = :id", id=has["comment"])]
        holds = await self._tables.get(_PINNED, pin)
        if holds is None:
            return [put(_MOVE_PIN, pin, has, NEW)]
        other = _stored(await self._tables.get(_GET, _at(CommentId(holds["comment"]["S"]))))
        if other is None or not other.pinned:
            raise Refused({})  # it moved between the two reads
        without = next_version(evolve(other, pinned=False))
        loses = update(
            _SAVE, _at(other.id), f"SET #{DOC} = :doc, #{VERSION} = :v", f"#{VERSION} = :was",
            doc=text(text_of(without)), v=number(without.version), was=number(other.version),
        )  # fmt: skip
        return [put(_MOVE_PIN, pin, has, "#comment = :other", other=holds["comment"]), loses]

    async def _those_held(self, waiting: Sequence[Item]) -> Sequence[Comment]:
        """As they are now: one that waits no longer may still be in the index."""
        ids = [_pointed(item) for item in waiting]
        items = await self._tables.many(_SOME, map(_at, ids))
        found = [_stored(items.get(_at(id_))) for id_ in ids]
        return [each for each in found if each is not None and each.status is CommentStatus.HELD]

    async def _forget(self, video: VideoId, ids: Sequence[CommentId]) -> None:
        items = await self._tables.many(_SOME, map(_at, ids))
        comments = [found for item in items.values() if (found := _stored(item)) is not None]
        shown = [comment for comment in comments if comment.shown]
        answered = Counter(comment.parent for comment in shown if comment.parent is not None)
        others = await self._tables.many(_SOME, (_at(parent) for parent in answered if parent not in ids))
        writes = [delete(_ADD, Key(f"VIDEO#{video}", id_)) for id_ in ids]
        for comment in comments:
            item = items[_at(comment.id)]
            writes.append(_forgetting(comment, _answers(item), answered[comment.id]))
            if comment.status is CommentStatus.HELD:
                writes.append(_letting_go(comment))
            if comment.pinned:
                writes.append(delete(_MOVE_PIN, _pin(video), "#comment = :id", id=text(comment.id)))
        for (channel, author), count in Counter((comment.channel, comment.author) for comment in shown).items():
            writes.append(_showing(channel, author, -count))
        for parent, count in answered.items():
            if all(comment.id != parent for comment in comments):
                item = {**items, **others}.get(_at(parent), {})
                writes.append(_answering(parent, video, item, -count))
        await self._carry_out(writes, video, -len(shown))


# --- keys and what is under them -----------------------------------------------------------------


def _at(comment: CommentId) -> Key:
    return Key(f"COMMENT#{comment}", "COMMENT")


def _pin(video: VideoId) -> Key:
    return Key(f"PIN#{video}", "PIN")


def _author(channel: ChannelId, author: UserId) -> Key:
    return Key(f"{_KNOWN_PREFIX}{channel}#{author}", "COUNT")


def _waiting(video: VideoId, author: UserId, parent: CommentId | None) -> str:
    return f"HELD#{video}#{author}#{parent or _NOBODY}"


def _id(item: Item) -> str:
    """Whose item it is."""
    pk: str = item["pk"]["S"]
    return pk.removeprefix("COMMENT#")


def _pointed(item: Item) -> CommentId:
    """Which comment a held one's or a video's item means."""
    return CommentId(item["sk"]["S"])


def _value(item: Item) -> Comment:
    return value_of(item[DOC]["S"], Comment)


def _stored(item: Item | None) -> Comment | None:
    return _value(item) if item and VERSION in item else None


def _answers(item: Item) -> int:
    """Visible replies."""
    return int(item[_ANSWERS]["N"]) if _ANSWERS in item else 0


# --- writes --------------------------------------------------------------------------------------


def _saving(saved: Comment, was: int, answers: int) -> Write:
    """The comment itself, refused when it is stale, or when on its own it could not say whether it is listed."""
    values: dict[str, Value] = {
        DOC: text(text_of(saved)), VERSION: number(saved.version), _STATUS: text(saved.status.value)
    }  # fmt: skip
    if saved.status is not CommentStatus.REMOVED:
        values |= {G2.pk: text(f"CHANNEL#{saved.channel}"), G2.sk: text(saved.id)}
    conditions = [f"#{VERSION} = :was" if was else f"attribute_not_exists(#{VERSION})"]
    beside = {"was": number(was), "none": number(0)}
    if saved.parent is not None:
        if saved.shown:
            values |= {G1.pk: text(f"REPLIES#{saved.parent}"), G1.sk: text(saved.id)}
    else:
        if saved.shown or answers:
            values |= _listing(saved.video, saved.id)
        if not saved.shown:
            conditions.append(f"#{_ANSWERS} > :none" if answers else _answers_are("none", 0))
    sets = ", ".join(f"#{name} = :{name}" for name in values)
    unset = [f"#{name}" for name in (G1.pk, G1.sk, G2.pk, G2.sk) if name not in values]
    change = f"SET {sets} REMOVE {', '.join(unset)}" if unset else f"SET {sets}"
    return update(_SAVE, _at(saved.id), change, " AND ".join(conditions), **values, **beside)


def _placing(before: Comment | None, saved: Comment) -> Sequence[Write]:
    """Under its video, and among those that wait."""
    writes = []
    if before is None:
        writes.append(put(_ADD, Key(f"VIDEO#{saved.video}", saved.id), {}))
    was_held = before is not None and before.status is CommentStatus.HELD
    if saved.status is CommentStatus.HELD and not was_held:
        key = Key(_waiting(saved.video, saved.author, saved.parent), saved.id)
        writes.append(put(_HOLD, key, {G1.pk: text(f"HELD#{saved.channel}"), G1.sk: text(saved.id)}))
    if was_held and saved.status is not CommentStatus.HELD:
        writes.append(_letting_go(saved))
    return writes


def _letting_go(comment: Comment) -> Write:
    return delete(_HOLD, Key(_waiting(comment.video, comment.author, comment.parent), comment.id))


def _showing(channel: ChannelId, author: UserId, by: int) -> Write:
    return update(_SHOW, _author(channel, author), "ADD #visible :by", by=number(by))


def _answering(parent: CommentId, video: VideoId, item: Item, by: int) -> Write:
    """So many more or fewer visible replies, and on the video or off it with the first and the last. What there was
    decides which condition is asked for, as weak as it can be: many answer at once.
    """
    key, add, values = _at(parent), f"ADD #{_ANSWERS} :by", {"by": number(by)}
    left, fewer = _answers(item) + by, number(-by)
    if VERSION not in item:
        absent = f"attribute_not_exists(#{VERSION})"
        if left:
            return update(_SAVE, key, add, absent, **values)
        return delete(_SAVE, key, f"{absent} AND #{_ANSWERS} = :fewer", fewer=fewer)
    if by > 0:
        listed = f"SET #{G1.pk} = :{G1.pk}, #{G1.sk} = :{G1.sk} {add}"
        return update(_SAVE, key, listed, f"attribute_exists(#{VERSION})", **values, **_listing(video, parent))
    visible = text(CommentStatus.VISIBLE.value)
    if item[_STATUS] == visible:
        return update(_SAVE, key, add, f"#{_STATUS} = :visible", **values, visible=visible)
    if left > 0:
        return update(_SAVE, key, add, f"#{_ANSWERS} > :fewer", **values, fewer=fewer)
    last = f"#{_ANSWERS} = :fewer AND #{_STATUS} <> :visible"
    return update(
        _SAVE, key, f"{add} REMOVE #{G1.pk}, #{G1.sk}", last, **values, fewer=fewer, visible=visible
    )  # fmt: skip


def _forgetting(comment: Comment, answers: int, gone: int) -> Write:
    """The comment, of whose visible replies so many go with it. Those that stay are counted on."""
    condition = f"#{VERSION} = :was AND {_answers_are('answers', answers)}"
    values = {"was": number(comment.version), "answers": number(answers)}
    if answers == gone:
        return delete(_SAVE, _at(comment.id), condition, **values)
    rest = ", ".join(f"#{name}" for name in (DOC, VERSION, _STATUS, G1.pk, G1.sk, G2.pk, G2.sk))
    return update(
        _SAVE,
        _at(comment.id),
        f"SET #{_ANSWERS} = :left REMOVE {rest}",
        condition,
        **values,
        left=number(answers - gone),
    )


def _listing(video: VideoId, comment: CommentId) -> Mapping[str, Value]:
    return {G1.pk: text(f"VIDEO#{video}"), G1.sk: text(comment)}


def _answers_are(named: str, answers: int) -> str:
    """That they are as many as the value of this name says."""
    same = f"#{_ANSWERS} = :{named}"
    return same if answers else f"(attribute_not_exists(#{_ANSWERS}) OR {same})"
