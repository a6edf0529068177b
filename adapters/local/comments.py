"""Comments on this machine. Reactions and subscriptions are in ``engagement``: these alone fill a module."""

from collections import Counter
from collections.abc import Mapping, Sequence

from attrs import evolve

from adapters.local.counts import Counts
from adapters.local.database import Database, Row, Transaction, sql
from adapters.local.outbox import SqliteOutbox
from adapters.local.shelves import LAST, Shelf, as_list, page, start
from adapters.rows import text_of
from adapters.versions import next_version
from application.ports import Event, Page
from domain.engagement import Comment, CommentStatus
from domain.ids import ChannelId, CommentId, UserId, VideoId

_COMMENTS = Shelf(
    table="comment", kind=Comment, missing="there is no such comment", stale="the comment",
    columns=("video", "channel", "author", "parent", "status", "pinned", "placed"),
    place=lambda comment: (
        comment.video, comment.channel, comment.author, comment.parent, comment.status.value, int(comment.pinned),
        int(comment.parent is None and comment.shown),
    ),
)  # fmt: skip
_ON_VIDEOS = Counts("comment_count", "video")
_REPLIES_TO = Counts("reply_count", "comment")

_PINNED = sql("SELECT n, doc, id FROM comment WHERE video = ? AND pinned = 1")
_UNPIN = sql("UPDATE comment SET version = ?, pinned = 0, doc = ? WHERE n = ?")
_PLACE = sql(
    "UPDATE comment SET placed = status = 'visible' OR EXISTS (SELECT 1 FROM reply_count WHERE comment = comment.id) "
    "WHERE id = ? AND parent IS NULL"
)
_ON_VIDEO = sql(
    "SELECT doc, id FROM comment WHERE video = ? AND placed = 1 AND id < ? AND id <> ? ORDER BY id DESC LIMIT ?"
)
_REPLIES = sql("SELECT doc, id FROM comment WHERE parent = ? AND status = 'visible' AND id > ? ORDER BY id LIMIT ?")
_HELD_BY = sql(
    "SELECT doc FROM comment WHERE video = ? AND author = ? AND ifnull(parent, '') = ? AND status = 'held' "
    "ORDER BY id DESC LIMIT ?"
)
_HELD = sql("SELECT doc, id FROM comment WHERE channel = ? AND status = 'held' AND id > ? ORDER BY id LIMIT ?")
_OF_CHANNEL = sql(
    "SELECT doc, id FROM comment WHERE channel = ? AND status <> 'removed' AND id < ? ORDER BY id DESC LIMIT ?"
)
_KNOWN = sql("SELECT 1 FROM comment WHERE channel = ? AND author = ? AND status = 'visible' LIMIT 1")
_ALL = sql("SELECT id, parent, status FROM comment WHERE video = ? ORDER BY id DESC LIMIT ?")
_REMOVE = sql("DELETE FROM comment WHERE id IN (SELECT value FROM json_each(?))")

_BEFORE_ALL, _BEYOND = "", str(LAST[1])


class SqliteComments:
    """Each list is an index of those in it. Replies are counted under whatever they answer, be it there or not."""

    def __init__(self, database: Database, outbox: SqliteOutbox) -> None:
        self._database = database
        self._outbox = outbox

    async def get(self, comment: CommentId) -> Comment:
        return _COMMENTS.get(self._database, comment)

    async def save(self, comment: Comment, *events: Event) -> Comment:
        def work(transaction: Transaction) -> Comment:
            if comment.pinned:
                _take_pin(transaction, comment)
            before, stored = _COMMENTS.save(transaction, comment)
            saved = stored.value
            if saved.shown is not (before is not None and before.value.shown):
                _count(transaction, saved)
            if saved.parent is None and not saved.shown:
                transaction.run(_PLACE, (saved.id,))
            self._outbox.append(transaction, events)
            return saved

        return await self._database.write(work)

    async def on_video(self, video: VideoId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        """A cursor begins with what was pinned on the first page: it is not shown again where its id stands."""
        pinned = [] if cursor is not None else [row[1:] for row in self._database.rows(_PINNED, (video,))]
        first, last = start(cursor, (pinned[0][1] if pinned else _BEFORE_ALL, _BEYOND))
        rows = self._database.rows(_ON_VIDEO, (video, last, first, limit + 1))
        return page([*pinned, *rows], limit, _value, lambda row: (first, _BEYOND if row[1] == first else row[1]))

    async def replies(self, comment: CommentId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        return self._page(_REPLIES, comment, cursor, _BEFORE_ALL, limit)

    async def held_by(
        self, video: VideoId, author: UserId, *, parent: CommentId | None = None, limit: int = 20
    ) -> Sequence[Comment]:
        return _COMMENTS.all(self._database, _HELD_BY, video, author, parent or "", limit)

    async def held(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        return self._page(_HELD, channel, cursor, _BEFORE_ALL, limit)

    async def of_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        return self._page(_OF_CHANNEL, channel, cursor, _BEYOND, limit)

    async def counts(self, videos: Sequence[VideoId]) -> Mapping[VideoId, int]:
        return _ON_VIDEOS.of(self._database, videos)

    async def reply_counts(self, comments: Sequence[CommentId]) -> Mapping[CommentId, int]:
        return _REPLIES_TO.of(self._database, comments)

    async def known(self, channel: ChannelId, author: UserId) -> bool:
        return self._database.row(_KNOWN, (channel, author)) is not None

    async def all_on(self, video: VideoId, limit: int = 500) -> Sequence[CommentId]:
        return [CommentId(row[0]) for row in self._database.rows(_ALL, (video, limit))]

    async def remove_all(self, video: VideoId, limit: int = 500) -> Sequence[CommentId]:
        def work(transaction: Transaction) -> Sequence[CommentId]:
            rows = transaction.rows(_ALL, (video, limit))
            ids = [CommentId(id_) for id_, _, _ in rows]
            transaction.run(_REMOVE, (as_list(ids),))
            shown = [parent for _, parent, status in rows if status == CommentStatus.VISIBLE]
            if shown:
                _ON_VIDEOS.add(transaction, video, -len(shown))
            for parent, replies in Counter(filter(None, shown)).items():
                _REPLIES_TO.add(transaction, parent, -replies)
                transaction.run(_PLACE, (parent,))
            return ids

        return await self._database.write(work)

    def _page(self, statement: str, of: str, cursor: str | None, first: str, limit: int) -> Page[Comment]:
        (after,) = start(cursor, (first,))
        rows = self._database.rows(statement, (of, after, limit + 1))
        return page(rows, limit, _value, lambda row: (row[1],))


def _value(row: Row) -> Comment:
    return _COMMENTS.value(row[0])


def _take_pin(transaction: Transaction, comment: Comment) -> None:
    """From the one that has it, before the comment gets it."""
    for n, doc, id_ in transaction.rows(_PINNED, (comment.video,)):
        if id_ != comment.id:
            without = next_version(evolve(_COMMENTS.value(doc), pinned=False))
            transaction.run(_UNPIN, (without.version, text_of(without), n))


def _count(transaction: Transaction, comment: Comment) -> None:
    """One that has just appeared to everyone, or disappeared. What it answers may be listed only while it is there."""
    by = 1 if comment.shown else -1
    _ON_VIDEOS.add(transaction, comment.video, by)
    if comment.parent is not None and _REPLIES_TO.add(transaction, comment.parent, by) <= 1:
        transaction.run(_PLACE, (comment.parent,))
