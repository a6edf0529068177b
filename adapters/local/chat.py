"""What was said in chats on this machine and who may not write, and how rooms of several processes are one."""

from datetime import datetime, timedelta

from adapters.chatting import Hear, Told
from adapters.local.database import Database, Transaction, micros, sql
from adapters.local.shelves import FIRST, LAST, by_time, page, start
from adapters.rows import read_once, text_of, value_of
from application.ports import Now, Page
from domain.chat import Ban, Message, too_fast
from domain.errors import NotFound
from domain.ids import MessageId, StreamId, UserId

_KNOWN = sql("SELECT 1 FROM chat_message WHERE stream = ? AND id = ?")
_ADD = sql("INSERT INTO chat_message (stream, at, id, doc) VALUES (?, ?, ?, ?)")
_SPOKE = sql("SELECT at FROM chat_spoke WHERE stream = ? AND user = ?")
_SPEAK = sql(
    "INSERT INTO chat_spoke (stream, user, at) VALUES (?, ?, ?) ON CONFLICT (stream, user) DO UPDATE SET at = excluded.at"
)
_GET = sql("SELECT doc FROM chat_message WHERE stream = ? AND id = ?")
_PUT = sql("UPDATE chat_message SET doc = ? WHERE stream = ? AND id = ?")
_OF_STREAM = sql(
    "SELECT doc, at, id FROM chat_message WHERE stream = ? AND (at, id) > (?, ?) AND at < ? ORDER BY at, id LIMIT ?"
)
_OF_STREAM_BACK = sql(
    "SELECT doc, at, id FROM chat_message WHERE stream = ? AND (at, id) < (?, ?) AND at >= ?"
    " ORDER BY at DESC, id DESC LIMIT ?"
)
_BAN = sql(
    "INSERT INTO chat_ban (stream, user, doc) VALUES (?, ?, ?) ON CONFLICT (stream, user) DO UPDATE SET doc = excluded.doc"
)
_LIFT = sql("DELETE FROM chat_ban WHERE stream = ? AND user = ?")
_BANNED = sql("SELECT 1 FROM chat_ban WHERE stream = ? AND user = ?")
_BANS = sql("SELECT doc, user FROM chat_ban WHERE stream = ? AND user > ? ORDER BY user LIMIT ?")
_FORGET = sql(
    "DELETE FROM chat_message WHERE (stream, at, id) IN"
    " (SELECT stream, at, id FROM chat_message WHERE stream = ? LIMIT ?) RETURNING id"
)
_FORGET_BANS = sql(
    "DELETE FROM chat_ban WHERE (stream, user) IN (SELECT stream, user FROM chat_ban WHERE stream = ? LIMIT ?)"
    " RETURNING user"
)
_FORGET_SPOKE = sql(
    "DELETE FROM chat_spoke WHERE (stream, user) IN (SELECT stream, user FROM chat_spoke WHERE stream = ? LIMIT ?)"
    " RETURNING user"
)

_TELL = sql("INSERT INTO chat_told (at, doc) VALUES (?, ?)")
_DROP_HEARD = sql("DELETE FROM chat_told WHERE at < ?")
_NEWEST = sql("SELECT max(n) FROM chat_told")
_SINCE = sql("SELECT n, doc FROM chat_told WHERE n > ? ORDER BY n")
_USE = sql("INSERT INTO chat_token (id, until) VALUES (?, ?) ON CONFLICT DO NOTHING")
_DROP_USED = sql("DELETE FROM chat_token WHERE until <= ?")

_MICRO = timedelta(microseconds=1)
_HEARD_WITHIN = timedelta(minutes=1)
"""A process that has not looked for so long has more to make up for than what was said in its rooms meanwhile."""


class SqliteChatLog:
    """Messages by stream, time and id; bans by stream and user."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, message: Message, pause: timedelta) -> None:
        stream, author, at = message.stream, message.author, micros(message.at)

        def work(transaction: Transaction) -> None:
            if transaction.row(_KNOWN, (stream, message.id)):
                return
            if pause:
                spoke = transaction.row(_SPOKE, (stream, author))
                if spoke is not None and at < spoke[0] + pause // _MICRO:
                    raise too_fast()
                transaction.run(_SPEAK, (stream, author, at))
            transaction.run(_ADD, (stream, at, message.id, text_of(message)))

        await self._database.write(work)

    async def get(self, stream: StreamId, message: MessageId) -> Message:
        row = self._database.row(_GET, (stream, message))
        if row is None:
            raise NotFound("there is no such message")
        return value_of(row[0], Message)

    async def put(self, message: Message) -> None:
        values = text_of(message), message.stream, message.id
        await self._database.write(lambda transaction: transaction.run(_PUT, values))

    async def of_stream(
        self, stream: StreamId, since: datetime, until: datetime, *, newest: bool = False, cursor: str | None = None,
        limit: int = 20,
    ) -> Page[Message]:  # fmt: skip
        if newest:
            before = min(start(cursor, LAST), (micros(until), ""))
            rows = self._database.rows(_OF_STREAM_BACK, (stream, *before, micros(since), limit + 1))
        else:
            after = max(start(cursor, FIRST), (micros(since), ""))
            rows = self._database.rows(_OF_STREAM, (stream, *after, micros(until), limit + 1))
        return page(rows, limit, lambda row: value_of(row[0], Message), by_time)

    async def ban(self, ban: Ban) -> None:
        values = ban.stream, ban.user, text_of(ban)
        await self._database.write(lambda transaction: transaction.run(_BAN, values))

    async def lift(self, stream: StreamId, user: UserId) -> None:
        await self._database.write(lambda transaction: transaction.run(_LIFT, (stream, user)))

    async def banned(self, stream: StreamId, user: UserId) -> bool:
        return self._database.row(_BANNED, (stream, user)) is not None

    async def bans(self, stream: StreamId, *, cursor: str | None = None, limit: int = 20) -> Page[Ban]:
        (after,) = start(cursor, FIRST[1:])
        rows = self._database.rows(_BANS, (stream, after, limit + 1))
        return page(rows, limit, lambda row: value_of(row[0], Ban), lambda row: (row[1],))

    async def forget(self, stream: StreamId, limit: int = 500) -> int:
        def work(transaction: Transaction) -> int:
            gone = 0
            for statement in (_FORGET, _FORGET_BANS, _FORGET_SPOKE):
                gone += len(transaction.rows(statement, (stream, limit - gone)))
            return gone

        return await self._database.write(work)


class SqliteWire:
    """A Wire through the file, if it is ``shared``. What is told gets its number there, and every process hears it in
    that order: the one that tells, once it is on the disk, and others when they look.
    """

    def __init__(self, database: Database, now: Now, *, shared: bool = False) -> None:
        self._database = database
        self._now = now
        self._shared = shared
        self._hear: Hear = lambda _: None
        ((newest,),) = database.rows(_NEWEST)
        self._heard = newest or 0

    def bring_to(self, hear: Hear) -> None:
        self._hear = hear

    async def tell(self, told: Told) -> None:
        if not self._shared:
            self._hear(told)
            return
        at, doc = self._now(), text_of(told)

        def work(transaction: Transaction) -> None:
            transaction.run(_TELL, (micros(at), doc))
            transaction.run(_DROP_HEARD, (micros(at - _HEARD_WITHIN),))

        await self._database.write(work)
        self.heard()

    def heard(self) -> None:
        """Hear what was told since the last look, by whomever."""
        for n, doc in self._database.rows(_SINCE, (self._heard,)):
            self._heard = n
            self._hear(read_once(doc, Told))

    async def first(self, token: str, until: datetime) -> bool:
        now = micros(self._now())

        def work(transaction: Transaction) -> bool:
            transaction.run(_DROP_USED, (now,))
            return transaction.run(_USE, (token, micros(until))) == 1

        return await self._database.write(work)
