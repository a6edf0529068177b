"""Comments, reactions and subscriptions, each under the keys they are asked for by."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TypeVar

from attrs import evolve
from sortedcontainers import SortedList

from adapters.cursors import decoded, encoded
from adapters.inmemory.outbox import Changes, InMemoryOutbox
from adapters.inmemory.paging import page, walk
from adapters.versions import next_version
from application.ports import Event, Page, Reacted, ReactionTally
from domain.engagement import Comment, CommentStatus, Reaction, Subscription
from domain.errors import NotFound, Stale
from domain.ids import ChannelId, CommentId, UserId, VideoId

K = TypeVar("K")


class InMemoryComments:
    """Each list is a sorted index of what is in it; counts change with the indexes, and are only read."""

    def __init__(self, outbox: InMemoryOutbox, changes: Changes) -> None:
        self._outbox = outbox
        self._changes = changes
        self._comments: dict[CommentId, Comment] = {}
        self._of_video: dict[VideoId, list[CommentId]] = {}
        self._on_video: SortedList[tuple[VideoId, CommentId]] = SortedList()
        self._replies: SortedList[tuple[CommentId, CommentId]] = SortedList()
        self._held: SortedList[tuple[ChannelId, CommentId]] = SortedList()
        self._held_by: SortedList[tuple[VideoId, UserId, str, CommentId]] = SortedList()
        self._of_channel: SortedList[tuple[ChannelId, CommentId]] = SortedList()
        self._pinned: dict[VideoId, CommentId] = {}
        self._counts: Counter[VideoId] = Counter()
        self._reply_counts: Counter[CommentId] = Counter()
        self._shown_of: Counter[tuple[ChannelId, UserId]] = Counter()

    async def get(self, comment: CommentId) -> Comment:
        try:
            return self._comments[comment]
        except KeyError:
            raise NotFound("there is no such comment") from None

    async def save(self, comment: Comment, *events: Event) -> Comment:
        stored = self._comments.get(comment.id)
        if comment.version != (stored.version if stored else 0):
            raise Stale("the comment")
        saved = self._comments[comment.id] = next_version(comment)
        if stored is None:
            self._of_video.setdefault(comment.video, []).append(comment.id)
            self._file(saved)
        elif stored.status is not saved.status:
            self._unfile(stored)
            self._file(saved)
        self._pin(saved)
        self._outbox.append(events)
        self._changes.note()
        return saved

    async def on_video(self, video: VideoId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        """A cursor begins with what was pinned on the first page: it is not shown again where its id stands."""
        first, *tail = (self._pinned.get(video, ""),) if cursor is None else decoded(cursor)
        walked = walk(self._on_video, within=(video,), tail=tuple(tail), descending=True)
        ids = [CommentId(first)] if cursor is None and first else []
        room = limit - len(ids)
        found = list(islice((id_ for _, id_ in walked if id_ != first), room + 1))
        more = len(found) > room
        del found[room:]
        return Page([self._comments[id_] for id_ in ids + found], encoded((first, *found[-1:])) if more else None)

    async def replies(self, comment: CommentId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        return page(self._replies, self._find, within=(comment,), cursor=cursor, limit=limit)

    async def held_by(
        self, video: VideoId, author: UserId, *, parent: CommentId | None = None, limit: int = 20
    ) -> Sequence[Comment]:
        walked = walk(self._held_by, within=(video, author, parent or ""), descending=True)
        return [self._comments[id_] for *_, id_ in islice(walked, limit)]

    async def held(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        return page(self._held, self._find, within=(channel,), cursor=cursor, limit=limit)

    async def of_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        return page(self._of_channel, self._find, within=(channel,), cursor=cursor, limit=limit, descending=True)

    async def counts(self, videos: Sequence[VideoId]) -> Mapping[VideoId, int]:
        return {video: self._counts.get(video, 0) for video in videos}

    async def reply_counts(self, comments: Sequence[CommentId]) -> Mapping[CommentId, int]:
        return {comment: self._reply_counts.get(comment, 0) for comment in comments}

    async def known(self, channel: ChannelId, author: UserId) -> bool:
        return (channel, author) in self._shown_of

    async def all_on(self, video: VideoId, limit: int = 500) -> Sequence[CommentId]:
        return self._of_video.get(video, [])[-limit:]

    async def remove_all(self, video: VideoId, limit: int = 500) -> Sequence[CommentId]:
        ids = self._of_video.get(video, [])
        gone = ids[-limit:]
        del ids[-limit:]
        for id_ in gone:
            self._unfile(self._comments.pop(id_))
        if not ids:
            self._of_video.pop(video, None)
        if gone:
            self._changes.note()
        return gone

    def kept(self) -> Sequence[Comment]:
        """All of them, for an archive."""
        return list(self._comments.values())

    def admit(self, comment: Comment) -> None:
        """One from an archive, as it is."""
        self._comments[comment.id] = comment
        self._of_video.setdefault(comment.video, []).append(comment.id)
        self._file(comment)
        self._pin(comment)
        self._changes.note()

    def _find(self, key: tuple[str, CommentId]) -> Comment:
        return self._comments[key[-1]]

    def _pin(self, saved: Comment) -> None:
        pinned = self._pinned.get(saved.video)
        if saved.pinned:
            self._pinned[saved.video] = saved.id
            if pinned is not None and pinned != saved.id:
                before = self._comments[pinned]
                self._comments[pinned] = evolve(before, pinned=False, version=before.version + 1)
        elif pinned == saved.id:
            del self._pinned[saved.video]

    def _file(self, comment: Comment) -> None:
        """Into the lists and counts its status puts it in."""
        if comment.status is not CommentStatus.REMOVED:
            self._of_channel.add((comment.channel, comment.id))
        if comment.status is CommentStatus.HELD:
            self._held.add((comment.channel, comment.id))
            self._held_by.add((comment.video, comment.author, comment.parent or "", comment.id))
        if comment.shown:
            self._counts[comment.video] += 1
            self._shown_of[comment.channel, comment.author] += 1
            if comment.parent is not None:
                self._replies.add((comment.parent, comment.id))
                self._reply_counts[comment.parent] += 1
        self._place(comment)

    def _unfile(self, comment: Comment) -> None:
        """Out of them again."""
        if comment.status is not CommentStatus.REMOVED:
            self._of_channel.remove((comment.channel, comment.id))
        if comment.status is CommentStatus.HELD:
            self._held.remove((comment.channel, comment.id))
            self._held_by.remove((comment.video, comment.author, comment.parent or "", comment.id))
        if comment.pinned:
            self._pinned.pop(comment.video, None)
        if comment.shown:
            _less(self._counts, comment.video)
            _less(self._shown_of, (comment.channel, comment.author))
            if comment.parent is not None:
                self._replies.remove((comment.parent, comment.id))
                _less(self._reply_counts, comment.parent)
        self._place(comment)

    def _place(self, comment: Comment) -> None:
        """On the video, or off it, whichever the comment (or the one it replies to) is for now."""
        top = self._comments.get(comment.parent or comment.id)
        key = (comment.video, comment.parent or comment.id)
        if top is not None and (top.shown or top.id in self._reply_counts):
            if key not in self._on_video:
                self._on_video.add(key)
        else:
            self._on_video.discard(key)


class InMemoryReactions:
    """Reactions by subject and user, and a tally beside them."""

    def __init__(self, outbox: InMemoryOutbox, changes: Changes) -> None:
        self._outbox = outbox
        self._changes = changes
        self._to: dict[str, dict[UserId, Reaction]] = {}
        self._tallies: dict[str, ReactionTally] = {}

    async def put(self, subject: str, user: UserId, reaction: Reaction, *events: Event) -> bool:
        reactions = self._to.setdefault(subject, {})
        before = reactions.get(user)
        if before is reaction:
            return False
        reactions[user] = reaction
        self._count(subject, reaction, 1)
        if before is not None:
            self._count(subject, before, -1)
        self._outbox.append(events)
        self._changes.note()
        return True

    async def remove(self, subject: str, user: UserId) -> bool:
        reactions = self._to.get(subject, {})
        before = reactions.pop(user, None)
        if before is None:
            return False
        self._count(subject, before, -1)
        if not reactions:
            self._forget(subject)
        self._changes.note()
        return True

    async def of(self, user: UserId, subjects: Sequence[str]) -> Mapping[str, Reaction]:
        found = {}
        for subject in subjects:
            reactions = self._to.get(subject)
            if reactions is not None and (reaction := reactions.get(user)) is not None:
                found[subject] = reaction
        return found

    async def tallies(self, subjects: Sequence[str]) -> Mapping[str, ReactionTally]:
        return {subject: self._tallies.get(subject, _NO_REACTIONS) for subject in subjects}

    async def forget(self, subject: str) -> None:
        self._forget(subject)
        self._changes.note()

    def kept(self) -> Sequence[Reacted]:
        """All of them, for an archive."""
        return [Reacted(subject, user, each) for subject, by in self._to.items() for user, each in by.items()]

    def admit(self, reacted: Reacted) -> None:
        """One from an archive."""
        self._to.setdefault(reacted.subject, {})[reacted.user] = reacted.reaction
        self._count(reacted.subject, reacted.reaction, 1)
        self._changes.note()

    def _count(self, subject: str, reaction: Reaction, by: int) -> None:
        tally = self._tallies.get(subject, _NO_REACTIONS)
        likes = by if reaction is Reaction.LIKE else 0
        self._tallies[subject] = ReactionTally(tally.likes + likes, tally.dislikes + by - likes)

    def _forget(self, subject: str) -> None:
        self._to.pop(subject, None)
        self._tallies.pop(subject, None)


_NO_REACTIONS = ReactionTally()


class InMemorySubscriptions:
    """Subscriptions by user and channel, and an index from either side by when they began."""

    def __init__(self, outbox: InMemoryOutbox, changes: Changes) -> None:
        self._outbox = outbox
        self._changes = changes
        self._subscriptions: dict[tuple[UserId, ChannelId], Subscription] = {}
        self._of_user: SortedList[tuple[object, ...]] = SortedList()
        self._to_channel: SortedList[tuple[object, ...]] = SortedList()
        self._counts: Counter[ChannelId] = Counter()

    async def put(self, subscription: Subscription, *events: Event) -> bool:
        user, channel = subscription.user, subscription.channel
        stored = self._subscriptions.get((user, channel))
        self._changes.note()
        if stored is not None:
            self._subscriptions[user, channel] = evolve(stored, notify=subscription.notify)
            return False
        self._subscriptions[user, channel] = subscription
        self._of_user.add((user, subscription.since, channel))
        self._to_channel.add((channel, subscription.since, user))
        self._counts[channel] += 1
        self._outbox.append(events)
        return True

    async def remove(self, user: UserId, channel: ChannelId) -> bool:
        stored = self._subscriptions.get((user, channel))
        if stored is None:
            return False
        self._remove(stored)
        self._changes.note()
        return True

    async def get(self, user: UserId, channel: ChannelId) -> Subscription | None:
        return self._subscriptions.get((user, channel))

    async def of_user(self, user: UserId, *, cursor: str | None = None, limit: int = 20) -> Page[Subscription]:
        find = self._subscriptions.__getitem__
        return page(
            self._of_user, lambda key: find((key[0], key[2])),
            within=(user,), cursor=cursor, limit=limit, descending=True,
        )  # fmt: skip

    async def to_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Subscription]:
        find = self._subscriptions.__getitem__
        return page(
            self._to_channel, lambda key: find((key[2], key[0])),
            within=(channel,), cursor=cursor, limit=limit, descending=True,
        )  # fmt: skip

    async def lanes(self, _channel: ChannelId) -> int:
        return 1

    async def to_channel_lane(
        self, channel: ChannelId, _lane: int, *, cursor: str | None = None, limit: int = 20
    ) -> Page[Subscription]:
        return await self.to_channel(channel, cursor=cursor, limit=limit)

    async def count(self, channel: ChannelId) -> int:
        return self._counts.get(channel, 0)

    async def forget(self, channel: ChannelId, limit: int = 500) -> int:
        keys = list(islice(walk(self._to_channel, within=(channel,)), limit))
        for _, _, user in keys:
            self._remove(self._subscriptions[user, channel])
        if keys:
            self._changes.note()
        return len(keys)

    def kept(self) -> Sequence[Subscription]:
        """All of them, for an archive."""
        return list(self._subscriptions.values())

    def admit(self, subscription: Subscription) -> None:
        """One from an archive."""
        user, channel = subscription.user, subscription.channel
        self._subscriptions[user, channel] = subscription
        self._of_user.add((user, subscription.since, channel))
        self._to_channel.add((channel, subscription.since, user))
        self._counts[channel] += 1
        self._changes.note()

    def _remove(self, stored: Subscription) -> None:
        del self._subscriptions[stored.user, stored.channel]
        self._of_user.remove((stored.user, stored.since, stored.channel))
        self._to_channel.remove((stored.channel, stored.since, stored.user))
        _less(self._counts, stored.channel)


def _less(counts: Counter[K], key: K) -> None:
    """One less of a key; with none left it takes no room."""
    if counts[key] == 1:
        del counts[key]
    else:
        counts[key] -= 1
