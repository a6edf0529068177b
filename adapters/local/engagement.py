"""Reactions and subscriptions on this machine. Comments are in ``comments``: they alone fill a module."""

from collections.abc import Mapping, Sequence

from adapters.local.counts import Counts
from adapters.local.database import Database, Row, Transaction, micros, moment, sql
from adapters.local.outbox import SqliteOutbox
from adapters.local.shelves import LAST, as_list, by_time, page, start
from application.ports import Event, Page, ReactionTally
from domain.engagement import Notify, Reaction, Subscription
from domain.ids import ChannelId, UserId

_GIVEN = sql("SELECT reaction FROM reaction WHERE subject = ? AND user = ?")
_REACT = sql(
    "INSERT INTO reaction (subject, user, reaction) VALUES (?, ?, ?) "
    "ON CONFLICT (subject, user) DO UPDATE SET reaction = excluded.reaction"
)
_TAKE_BACK = sql("DELETE FROM reaction WHERE subject = ? AND user = ? RETURNING reaction")
_OF = sql("SELECT subject, reaction FROM reaction WHERE user = ? AND subject IN (SELECT value FROM json_each(?))")
_TALLY = sql(
    "INSERT INTO tally (subject, likes, dislikes) VALUES (?, ?, ?) "
    "ON CONFLICT (subject) DO UPDATE SET likes = likes + excluded.likes, dislikes = dislikes + excluded.dislikes"
)
_TALLIES = sql("SELECT subject, likes, dislikes FROM tally WHERE subject IN (SELECT value FROM json_each(?))")
_DROP_EMPTY = sql("DELETE FROM tally WHERE subject = ? AND likes = 0 AND dislikes = 0")
_DROP_REACTIONS = sql("DELETE FROM reaction WHERE subject = ?")
_DROP_TALLY = sql("DELETE FROM tally WHERE subject = ?")

_SUBSCRIPTION = sql("SELECT notify, since FROM subscription WHERE user = ? AND channel = ?")
_SUBSCRIBE = sql("INSERT INTO subscription (user, channel, notify, since) VALUES (?, ?, ?, ?)")
_NOTIFY = sql("UPDATE subscription SET notify = ? WHERE user = ? AND channel = ?")
_UNSUBSCRIBE = sql("DELETE FROM subscription WHERE user = ? AND channel = ?")
_OF_USER = sql(
    "SELECT notify, since, channel FROM subscription WHERE user = ? AND (since, channel) < (?, ?) "
    "ORDER BY since DESC, channel DESC LIMIT ?"
)
_TO_CHANNEL = sql(
    "SELECT notify, since, user FROM subscription WHERE channel = ? AND (since, user) < (?, ?) "
    "ORDER BY since DESC, user DESC LIMIT ?"
)
_SOME_TO = sql("SELECT user FROM subscription WHERE channel = ? ORDER BY since, user LIMIT ?")
_DROP_SUBSCRIPTIONS = sql("DELETE FROM subscription WHERE channel = ? AND user IN (SELECT value FROM json_each(?))")
_SUBSCRIBERS = Counts("subscriber_count", "channel")


class SqliteReactions:
    """Reactions by subject and user, and a tally beside them."""

    def __init__(self, database: Database, outbox: SqliteOutbox) -> None:
        self._database = database
        self._outbox = outbox

    async def put(self, subject: str, user: UserId, reaction: Reaction, *events: Event) -> bool:
        def work(transaction: Transaction) -> bool:
            given = transaction.row(_GIVEN, (subject, user))
            if given is not None and given[0] == reaction:
                return False
            transaction.run(_REACT, (subject, user, reaction.value))
            _count(transaction, subject, {given[0]: -1, reaction: 1} if given else {reaction: 1})
            self._outbox.append(transaction, events)
            return True

        return await self._database.write(work)

    async def remove(self, subject: str, user: UserId) -> bool:
        def work(transaction: Transaction) -> bool:
            taken = transaction.row(_TAKE_BACK, (subject, user))
            if taken is None:
                return False
            _count(transaction, subject, {taken[0]: -1})
            transaction.run(_DROP_EMPTY, (subject,))
            return True

        return await self._database.write(work)

    async def of(self, user: UserId, subjects: Sequence[str]) -> Mapping[str, Reaction]:
        rows = self._database.rows(_OF, (user, as_list(subjects)))
        return {subject: Reaction(reaction) for subject, reaction in rows}

    async def tallies(self, subjects: Sequence[str]) -> Mapping[str, ReactionTally]:
        rows = self._database.rows(_TALLIES, (as_list(subjects),))
        return dict.fromkeys(subjects, _NO_REACTIONS) | {
            subject: ReactionTally(likes, dislikes) for subject, likes, dislikes in rows
        }

    async def forget(self, subject: str) -> None:
        def work(transaction: Transaction) -> None:
            transaction.run(_DROP_REACTIONS, (subject,))
            transaction.run(_DROP_TALLY, (subject,))

        await self._database.write(work)


_NO_REACTIONS = ReactionTally()


def _count(transaction: Transaction, subject: str, changes: Mapping[str, int]) -> None:
    likes, dislikes = (changes.get(reaction, 0) for reaction in (Reaction.LIKE, Reaction.DISLIKE))
    transaction.run(_TALLY, (subject, likes, dislikes))


class SqliteSubscriptions:
    """Subscriptions by user and channel, and an index from either side by when they began."""

    def __init__(self, database: Database, outbox: SqliteOutbox) -> None:
        self._database = database
        self._outbox = outbox

    async def put(self, subscription: Subscription, *events: Event) -> bool:
        user, channel, notify = subscription.user, subscription.channel, subscription.notify.value

        def work(transaction: Transaction) -> bool:
            if transaction.run(_NOTIFY, (notify, user, channel)):
                return False
            transaction.run(_SUBSCRIBE, (user, channel, notify, micros(subscription.since)))
            _SUBSCRIBERS.add(transaction, channel, 1)
            self._outbox.append(transaction, events)
            return True

        return await self._database.write(work)

    async def remove(self, user: UserId, channel: ChannelId) -> bool:
        def work(transaction: Transaction) -> bool:
            if not transaction.run(_UNSUBSCRIBE, (user, channel)):
                return False
            _SUBSCRIBERS.add(transaction, channel, -1)
            return True

        return await self._database.write(work)

    async def get(self, user: UserId, channel: ChannelId) -> Subscription | None:
        row = self._database.row(_SUBSCRIPTION, (user, channel))
        return Subscription(user, channel, Notify(row[0]), moment(row[1])) if row else None

    async def of_user(self, user: UserId, *, cursor: str | None = None, limit: int = 20) -> Page[Subscription]:
        def value(row: Row) -> Subscription:
            return Subscription(user, ChannelId(row[2]), Notify(row[0]), moment(row[1]))

        rows = self._database.rows(_OF_USER, (user, *start(cursor, LAST), limit + 1))
        return page(rows, limit, value, by_time)

    async def to_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Subscription]:
        def value(row: Row) -> Subscription:
            return Subscription(UserId(row[2]), channel, Notify(row[0]), moment(row[1]))

        rows = self._database.rows(_TO_CHANNEL, (channel, *start(cursor, LAST), limit + 1))
        return page(rows, limit, value, by_time)

    async def lanes(self, _channel: ChannelId) -> int:
        return 1

    async def to_channel_lane(
        self, channel: ChannelId, _lane: int, *, cursor: str | None = None, limit: int = 20
    ) -> Page[Subscription]:
        return await self.to_channel(channel, cursor=cursor, limit=limit)

    async def count(self, channel: ChannelId) -> int:
        return _SUBSCRIBERS.of(self._database, [channel])[channel]

    async def forget(self, channel: ChannelId, limit: int = 500) -> int:
        def work(transaction: Transaction) -> int:
            users = [user for (user,) in transaction.rows(_SOME_TO, (channel, limit))]
            if users:
                transaction.run(_DROP_SUBSCRIPTIONS, (channel, as_list(users)))
                _SUBSCRIBERS.add(transaction, channel, -len(users))
            return len(users)

        return await self._database.write(work)
