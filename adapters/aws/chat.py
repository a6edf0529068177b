"""What was said in chats, and who may not write, on DynamoDB.

All of a stream's chat lies in one partition: messages by their ids, which IVS Chat gives (``MSG``), in an index by time;
bans (``BAN``); and when somebody last spoke while there was slow mode (``SPOKE``), which is written in one transaction
with the message, on condition that the pause is over. IVS Chat takes 100 messages a second in a room at the most
(CreateRoom, maximumMessageRatePerSecond), a fifth of what a partition bears.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from adapters.aws.dynamo import (
    NEW,
    THERE,
    Item,
    Key,
    Refused,
    Tables,
    delete,
    expiry,
    key_of,
    put,
    stamp,
    text,
    update,
)  # fmt: skip
from adapters.aws.lists import entry, place
from adapters.aws.shelves import DOC, page, tail
from adapters.aws.tables import G1, SK, SOCIAL, Operation, pattern
from adapters.rows import text_of, value_of
from application.ports import Page
from domain.chat import SLOW_MOST_S, Ban, Message, too_fast
from domain.errors import NotFound
from domain.ids import MessageId, StreamId, UserId

_CHAT_OF = "CHAT#"
_MESSAGE = "CHAT#<stream>", "MSG#<message>"
_BANNED = "CHAT#<stream>", "BAN#<user>"
_SAY = pattern("keep a message of a chat", Operation.WRITE, SOCIAL, *_MESSAGE, indices=(G1,), item_bytes=500)
_SAY_SLOWLY = pattern(
    "keep a message of a chat in slow mode", Operation.WRITE, SOCIAL, *_MESSAGE, indices=(G1,), item_bytes=500,
    transaction=True,
)  # fmt: skip
_SPEAK = pattern(
    "when somebody last spoke in a chat in slow mode", Operation.WRITE, SOCIAL, "CHAT#<stream>", "SPOKE#<user>",
    item_bytes=100, transaction=True,
)  # fmt: skip
_REMOVE = pattern(
    "take away what a message of a chat says", Operation.WRITE, SOCIAL, *_MESSAGE, item_bytes=500, indices=(G1,)
)
_GET = pattern("message of a chat by id", Operation.GET, SOCIAL, *_MESSAGE, strong=True, item_bytes=500)
_SAID = pattern(
    "what was said in a chat, by when", Operation.QUERY, SOCIAL, "CHAT#<stream>", "<at>#<message>", index=G1, items=21,
    item_bytes=500,
)  # fmt: skip
_BAN = pattern("ban someone from a chat, or lift it", Operation.WRITE, SOCIAL, *_BANNED, item_bytes=200)
_WHETHER = pattern(
    "whether someone is banned from a chat", Operation.GET, SOCIAL, *_BANNED, strong=True, item_bytes=200
)
_BANS = pattern(
    "who is banned from a chat", Operation.QUERY, SOCIAL, *_BANNED, strong=True, items=21, item_bytes=200
)  # fmt: skip
_ALL = pattern(
    "all of the chat of a stream that is gone", Operation.QUERY, SOCIAL, "CHAT#<stream>", "<MSG|BAN|SPOKE>#<id>",
    strong=True, items=500, item_bytes=500,
)  # fmt: skip
_FORGET = pattern(
    "forget the chat of a stream that is gone", Operation.BATCH, SOCIAL, "CHAT#<stream>", "<MSG|BAN|SPOKE>#<id>",
    indices=(G1,), items=500, item_bytes=500,
)  # fmt: skip


class DynamoChatLog:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def add(self, message: Message, pause: timedelta) -> None:
        at, item = _message(message.stream, message.id), _item(message)
        if not pause:
            with suppress(Refused):
                await self._tables.write(put(_SAY, at, item, NEW))
            return
        spoke = {"at": text(stamp(message.at)), **expiry(message.at + timedelta(seconds=SLOW_MOST_S))}
        try:
            await self._tables.write(
                put(_SAY_SLOWLY, at, item, NEW),
                put(
                    _SPEAK, Key(_chat(message.stream), f"SPOKE#{message.author}"), spoke,
                    "attribute_not_exists(#at) OR #at <= :before", before=text(stamp(message.at - pause)),
                ),
            )  # fmt: skip
        except Refused as refused:
            if 0 not in refused.there:
                raise too_fast() from refused

    async def get(self, stream: StreamId, message: MessageId) -> Message:
        item = await self._tables.get(_GET, _message(stream, message))
        if item is None:
            raise NotFound("there is no such message")
        return value_of(item[DOC]["S"], Message)

    async def put(self, message: Message) -> None:
        with suppress(Refused):
            await self._tables.write(
                update(
                    _REMOVE, _message(message.stream, message.id), "SET #doc = :doc", THERE, doc=text(text_of(message))
                )
            )

    async def of_stream(
        self, stream: StreamId, since: datetime, until: datetime, *, newest: bool = False, cursor: str | None = None,
        limit: int = 20,
    ) -> Page[Message]:  # fmt: skip
        above, below = stamp(since), stamp(until)
        if (left := tail(cursor)) is not None:
            above, below = (above, min(*left, below)) if newest else (max(*left, above), below)
        items = await self._tables.query(
            _SAID, _chat(stream), above=above, below=below, descending=newest, limit=limit + 1
        )
        return page(items, limit, lambda item: value_of(item[DOC]["S"], Message), G1.sk)

    async def ban(self, ban: Ban) -> None:
        await self._tables.write(put(_BAN, _ban(ban.stream, ban.user), {DOC: text(text_of(ban))}))

    async def lift(self, stream: StreamId, user: UserId) -> None:
        if (there := _ban(stream, user)).possible:
            await self._tables.write(delete(_BAN, there))

    async def banned(self, stream: StreamId, user: UserId) -> bool:
        return await self._tables.get(_WHETHER, _ban(stream, user)) is not None

    async def bans(self, stream: StreamId, *, cursor: str | None = None, limit: int = 20) -> Page[Ban]:
        (after,) = tail(cursor) or ("BAN#",)
        items = await self._tables.query(_BANS, _chat(stream), above=max(after, "BAN#"), below="BAN$", limit=limit + 1)
        return page(items, limit, lambda item: value_of(item[DOC]["S"], Ban), SK)

    def kept(self, item: Item) -> Message | Ban | None:
        key = key_of(item)
        if not key.pk.startswith(_CHAT_OF) or DOC not in item:  # when somebody spoke is of the moment
            return None
        doc = item[DOC]["S"]
        return value_of(doc, Ban) if key.sk.startswith("BAN#") else value_of(doc, Message)

    async def admit(self, record: Message | Ban) -> None:
        """One from an archive. Raises Refused."""
        if isinstance(record, Ban):
            await self._tables.write(put(_BAN, _ban(record.stream, record.user), {DOC: text(text_of(record))}, NEW))
        else:
            await self._tables.write(put(_SAY, _message(record.stream, record.id), _item(record), NEW))

    async def forget(self, stream: StreamId, limit: int = 500) -> int:
        items = await self._tables.query(_ALL, _chat(stream), limit=limit)
        await self._tables.write_many([delete(_FORGET, key_of(item)) for item in items])
        return len(items)


def _item(message: Message) -> Item:
    return {DOC: text(text_of(message)), **entry(G1, _chat(message.stream), place(message.at, message.id))}


def _chat(stream: StreamId) -> str:
    return f"{_CHAT_OF}{stream}"


def _message(stream: StreamId, message: MessageId) -> Key:
    return Key(_chat(stream), f"MSG#{message}")


def _ban(stream: StreamId, user: UserId) -> Key:
    return Key(_chat(stream), f"BAN#{user}")
