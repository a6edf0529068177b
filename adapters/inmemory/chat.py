"""What was said in chats, and who may not write, in memory."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from sortedcontainers import SortedDict

from adapters.cursors import Key
from adapters.inmemory.outbox import Changes
from adapters.inmemory.paging import BEYOND, page, page_of, walk
from application.ports import Page
from domain.chat import Ban, Message, too_fast
from domain.errors import NotFound
from domain.ids import MessageId, StreamId, UserId


class InMemoryChatLog:
    """Messages by stream, time and id; bans by stream and user."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._messages: SortedDict[Key, Message] = SortedDict()
        self._at: dict[tuple[StreamId, MessageId], datetime] = {}
        self._spoke: dict[tuple[StreamId, UserId], datetime] = {}
        self._bans: SortedDict[Key, Ban] = SortedDict()

    async def add(self, message: Message, pause: timedelta) -> None:
        if (message.stream, message.id) in self._at:
            return
        if pause:
            spoke = self._spoke.get((message.stream, message.author))
            if spoke is not None and message.at < spoke + pause:
                raise too_fast()
            self._spoke[message.stream, message.author] = message.at
        self._at[message.stream, message.id] = message.at
        self._messages[message.stream, message.at, message.id] = message
        self._changes.note()

    async def get(self, stream: StreamId, message: MessageId) -> Message:
        at = self._at.get((stream, message))
        if at is None:
            raise NotFound("there is no such message")
        return self._messages[stream, at, message]

    async def put(self, message: Message) -> None:
        if (at := self._at.get((message.stream, message.id))) is not None:
            self._messages[message.stream, at, message.id] = message
            self._changes.note()

    async def of_stream(
        self, stream: StreamId, since: datetime, until: datetime, *, newest: bool = False, cursor: str | None = None,
        limit: int = 20,
    ) -> Page[Message]:  # fmt: skip
        tail = (until,) if newest else (since,)
        walked = walk(self._messages, within=(stream,), cursor=cursor, tail=tail, descending=newest)
        within = (key for key in walked if since <= key[1] < until)
        return page_of(within, self._messages.__getitem__, limit, beginning=1)

    async def ban(self, ban: Ban) -> None:
        self._bans[ban.stream, ban.user] = ban
        self._changes.note()

    async def lift(self, stream: StreamId, user: UserId) -> None:
        self._bans.pop((stream, user), None)
        self._changes.note()

    async def banned(self, stream: StreamId, user: UserId) -> bool:
        return (stream, user) in self._bans

    async def bans(self, stream: StreamId, *, cursor: str | None = None, limit: int = 20) -> Page[Ban]:
        return page(self._bans, self._bans.__getitem__, within=(stream,), cursor=cursor, limit=limit)

    def kept(self) -> Iterator[Message | Ban]:
        yield from self._messages.values()
        yield from self._bans.values()

    def admit(self, record: Message | Ban) -> None:
        """One from an archive."""
        if isinstance(record, Ban):
            self._bans[record.stream, record.user] = record
        else:
            self._at[record.stream, record.id] = record.at
            self._messages[record.stream, record.at, record.id] = record
        self._changes.note()

    async def forget(self, stream: StreamId, limit: int = 500) -> int:
        within = (stream,), (stream, BEYOND)
        gone: Sequence[Key] = list(islice(self._messages.irange(*within), limit))
        for key in gone:
            del self._at[stream, self._messages.pop(key).id]
        bans = list(islice(self._bans.irange(*within), limit - len(gone)))
        for key in bans:
            del self._bans[key]
        if not gone and not bans:
            self._spoke = {key: at for key, at in self._spoke.items() if key[0] != stream}
        self._changes.note()
        return len(gone) + len(bans)
