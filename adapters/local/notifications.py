"""What people were told on this machine, and who listens right now, in whichever of its processes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from operator import itemgetter
from zlib import crc32

from attrs import evolve

from adapters.inmemory.notifications import KEPT
from adapters.listening import InProcessLive
from adapters.local.database import Database, Row, Transaction, micros, sql
from adapters.local.shelves import LAST, as_list, page, start
from adapters.rows import text_of, value_of, values_of
from adapters.system import secret
from application.ports import UNREAD_MOST, Now, Page, Unread
from domain.ids import NotificationId, UserId
from domain.notifications import Notification, Settings

_LAST = sql("SELECT max(n) FROM notification")
_DELIVER = sql("INSERT INTO notification (user, id, doc) VALUES (?, ?, ?) ON CONFLICT (user, id) DO NOTHING")
_DELIVERED = sql("SELECT user, id FROM notification WHERE n > ?")
_TRIM = sql(
    "DELETE FROM notification WHERE user = ?1 "
    "AND id <= (SELECT id FROM notification WHERE user = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)"
)
# Whether one is read: by itself, or because it lies before the mark.
_LIST = sql(
    "SELECT doc, read OR id <= ifnull((SELECT mark FROM inbox WHERE user = ?1), ''), id FROM notification "
    "WHERE user = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"
)
_LIST_UNREAD = sql(
    "SELECT doc, 0, id FROM notification WHERE user = ?1 AND read = 0 AND id < ?2 "
    "AND id > ifnull((SELECT mark FROM inbox WHERE user = ?1), '') ORDER BY id DESC LIMIT ?3"
)
_AFTER = sql(
    "SELECT doc, read OR id <= ifnull((SELECT mark FROM inbox WHERE user = ?1), ''), id FROM notification "
    "WHERE user = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
)
_UNREAD = sql(
    "SELECT count(*), (SELECT count(*) FROM notification WHERE user = ?1 AND read = 1 "
    "AND id > ifnull((SELECT mark FROM inbox WHERE user = ?1), '')) FROM notification WHERE user = ?1 "
    "AND id > ifnull((SELECT mark FROM inbox WHERE user = ?1), '')"
)
_READ = sql("UPDATE notification SET read = 1 WHERE user = ? AND id IN (SELECT value FROM json_each(?)) AND read = 0")
_MARK = sql(
    "INSERT INTO inbox (user, mark) VALUES (?, ?) ON CONFLICT (user) DO UPDATE SET mark = max(mark, excluded.mark)"
)
_SETTINGS = sql(
    "SELECT user, settings FROM inbox WHERE user IN (SELECT value FROM json_each(?)) AND settings IS NOT NULL"
)
_SET = sql(
    "INSERT INTO inbox (user, settings) VALUES (?, ?) ON CONFLICT (user) DO UPDATE SET settings = excluded.settings"
)
_FORGET_TOLD = sql("DELETE FROM notification WHERE user = ?")
_FORGET_BOX = sql("DELETE FROM inbox WHERE user = ?")

_TELL = sql("INSERT INTO told (at, teller, doc) VALUES (?, ?, ?)")
_DROP_HEARD = sql("DELETE FROM told WHERE at < ?")
_NEWEST = sql("SELECT max(n) FROM told")
_SINCE = sql("SELECT n, teller, doc FROM told WHERE n > ? ORDER BY n")

_HEARD_WITHIN = timedelta(minutes=1)
"""A process that has not looked for so long tells its listeners nothing: they read the inbox as they connect again."""

_TRIMMED_EVERY = 64


class SqliteInbox:
    """Notifications by arrival, and an index by user and id; beside them each user's mark and settings.

    Boxes are not counted: that would be one more page to write for each of those who are told something together.
    One notification in ``_TRIMMED_EVERY``, as chance has it, looks whether its box has become too full.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def deliver(self, notifications: Sequence[Notification]) -> Sequence[Notification]:
        # In the order of the index, so that whatever shares a page of it is written together.
        rows = sorted(((each.user, each.id, text_of(each)) for each in notifications), key=itemgetter(0, 1))

        def work(transaction: Transaction) -> Sequence[Notification]:
            ((last,),) = transaction.rows(_LAST)
            if transaction.many(_DELIVER, rows) == len(rows):
                new = list(notifications)
            else:
                # Numbers ascend, so the new are beyond the last.
                unknown = set(transaction.rows(_DELIVERED, (last or 0,)))
                new = [each for each in notifications if _taken(unknown, each)]
            for user in {each.user for each in new if crc32(f"{each.user} {each.id}".encode()) % _TRIMMED_EVERY == 0}:
                transaction.run(_TRIM, (user, KEPT))
            return new

        return await self._database.write(work)

    async def list(
        self, user: UserId, *, unread_only: bool = False, cursor: str | None = None, limit: int = 20
    ) -> Page[Notification]:
        (before,) = start(cursor, LAST[1:])
        rows = self._database.rows(_LIST_UNREAD if unread_only else _LIST, (user, before, limit + 1))
        return page(rows, limit, _shown, lambda row: (row[2],))

    async def after(self, user: UserId, notification: NotificationId, limit: int = 100) -> Sequence[Notification]:
        return [_shown(row) for row in self._database.rows(_AFTER, (user, notification, limit))]

    async def unread(self, user: UserId) -> Unread:
        ((told, read),) = self._database.rows(_UNREAD, (user,))
        count = told - read
        return Unread(min(count, UNREAD_MOST), capped=count > UNREAD_MOST)

    async def mark_read(self, user: UserId, notifications: Sequence[NotificationId]) -> None:
        values = user, as_list(notifications)
        await self._database.write(lambda transaction: transaction.run(_READ, values))

    async def mark_read_up_to(self, user: UserId, notification: NotificationId) -> None:
        await self._database.write(lambda transaction: transaction.run(_MARK, (user, notification)))

    async def settings(self, user: UserId) -> Settings:
        return (await self.settings_of([user]))[user]

    async def save_settings(self, user: UserId, settings: Settings) -> None:
        await self._database.write(lambda transaction: transaction.run(_SET, (user, text_of(settings))))

    async def settings_of(self, users: Sequence[UserId]) -> Mapping[UserId, Settings]:
        rows = self._database.rows(_SETTINGS, (as_list(users),))
        return dict.fromkeys(users, Settings()) | {UserId(user): value_of(doc, Settings) for user, doc in rows}

    async def forget(self, user: UserId) -> None:
        def work(transaction: Transaction) -> None:
            transaction.run(_FORGET_TOLD, (user,))
            transaction.run(_FORGET_BOX, (user,))

        await self._database.write(work)


def _taken(new: set[Row], notification: Notification) -> bool:
    """Whether it is among the new; then it is no more: of two with one id the first was stored."""
    key = notification.user, notification.id
    if key not in new:
        return False
    new.remove(key)
    return True


def _shown(row: Row) -> Notification:
    doc, read, _ = row
    notification = value_of(doc, Notification)
    return evolve(notification, read=True) if read else notification


class SqliteLive:
    """Listeners of this process hear at once; those of others on the file, if it is ``shared``, when theirs looks."""

    def __init__(self, database: Database, now: Now, *, shared: bool = False) -> None:
        self._database = database
        self._now = now
        self._shared = shared
        self._here = InProcessLive()
        self._name = secret(12).hex()
        ((newest,),) = database.rows(_NEWEST)
        self._heard = newest or 0

    async def tell(self, notifications: Sequence[Notification]) -> None:
        await self._here.tell(notifications)
        if not self._shared or not notifications:
            return
        at = self._now()
        told = micros(at), self._name, text_of(notifications)

        def work(transaction: Transaction) -> None:
            transaction.run(_TELL, told)
            transaction.run(_DROP_HEARD, (micros(at - _HEARD_WITHIN),))

        await self._database.write(work)

    async def heard(self) -> None:
        """Tell whoever listens here what other processes have told since the last look."""
        for n, teller, doc in self._database.rows(_SINCE, (self._heard,)):
            self._heard = n
            if teller != self._name:
                await self._here.tell(values_of(doc, Notification))

    def listen(self, user: UserId) -> AbstractAsyncContextManager[AsyncIterator[Notification]]:
        return self._here.listen(user)

    async def rest(self, seconds: float) -> bool:
        return await self._here.rest(seconds)

    def close(self) -> None:
        self._here.close()
