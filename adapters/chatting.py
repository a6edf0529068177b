"""Chat rooms of our own: who is in them right now in this process, and what goes over the wire.

Frames have the form of the IVS Chat Messaging API (docs.aws.amazon.com/ivs/latest/ChatMsgAPIReference), so that a client
cannot tell where its room is.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol

from attrs import frozen

from adapters.links import Links
from application.ports import Chatter, ChatToken, NewId, Now, Seat
from domain.chat import Capability, Message
from domain.errors import Forbidden, Unavailable
from domain.ids import EVENT, MessageId, StreamId, UserId
from domain.streams import Stream

HEARD = 100
"""Frames that wait for a client that does not keep up."""
SEATS_MOST = 5000
"""In one room and process."""
TOKEN_LIFE = timedelta(minutes=1)
"""IVS Chat's tokens have to be used within a minute, too (CreateChatToken)."""
SESSION_LIFE = timedelta(hours=3)
"""The longest that IVS Chat allows."""


@frozen
class Told:
    """What everyone in a room is told: a frame, after which the connections of who ``leaves`` end; or (``ends``) that
    the room is no more.
    """

    stream: StreamId
    frame: str = ""
    leaves: UserId | None = None
    ends: bool = False


Hear = Callable[[Told], None]


class Wire(Protocol):
    """Makes one room of those that several processes have of a stream."""

    def bring_to(self, hear: Hear) -> None:
        """Who hears all that is told from now on, in the order that it has in every process."""

    async def tell(self, told: Told) -> None: ...

    async def first(self, token: str, until: datetime) -> bool:
        """Whether nobody has come with this token before, which is good ``until`` then."""


class Alone:
    """A wire whose other end is here."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._hear: Hear = lambda _: None
        self._used: dict[str, datetime] = {}

    def bring_to(self, hear: Hear) -> None:
        self._hear = hear

    async def tell(self, told: Told) -> None:
        self._hear(told)

    async def first(self, token: str, until: datetime) -> bool:
        now = self._now()
        while self._used and (oldest := next(iter(self._used.items())))[1] <= now:
            del self._used[oldest[0]]
        new = token not in self._used
        self._used.setdefault(token, until)
        return new


def message_frame(message: Message, request: str = "") -> str:
    """What everyone is shown of a message."""
    return _frame(
        "MESSAGE", message.id, request, message.at,
        Content=message.text,
        Attributes={},
        Sender={
            "UserId": message.author,
            "Attributes": {"displayName": message.name, "standing": message.standing.value},
        },
    )  # fmt: skip


def event_frame(name: str, id_: str, at: datetime, attributes: Mapping[str, str]) -> str:
    """Something that happened in the room."""
    return _frame("EVENT", id_, "", at, EventName=name, Attributes=dict(attributes))


def error_frame(code: int, reason: str, id_: str, request: str, at: datetime) -> str:
    """What only the sender is told; ``code`` is as HTTP has them."""
    return _frame("ERROR", id_, request, at, ErrorCode=code, ErrorMessage=reason)


def _frame(kind: str, id_: str, request: str, at: datetime, **rest: object) -> str:
    sent = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return json.dumps({"Type": kind, "Id": id_, "RequestId": request, "SendTime": sent, **rest}, separators=(",", ":"))


class _Listener:
    """One connection's frames, as they come. Ends when it is closed, after what was told before."""

    def __init__(self, user: UserId | None) -> None:
        self.user = user
        self._told: deque[str] = deque(maxlen=HEARD)
        self._news: asyncio.Future[None] | None = None
        self._closed = False

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        while not self._told:
            if self._closed:
                raise StopAsyncIteration
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        return self._told.popleft()

    def tell(self, frame: str) -> None:
        if not self._closed:
            self._told.append(frame)
            self._wake()

    def close(self) -> None:
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class Rooms:
    """A Chat and its ChatDoor."""

    def __init__(self, links: Links, now: Now, new_id: NewId, wire: Wire) -> None:
        self._links = links
        self._now = now
        self._new_id = new_id
        self._wire = wire
        self._rooms: dict[StreamId, set[_Listener]] = {}
        wire.bring_to(self._hear)

    # --- Chat

    async def token(self, stream: Stream, who: Chatter, may: frozenset[Capability]) -> ChatToken:
        now = self._now()
        seat = Seat(stream.id, who, may, now + TOKEN_LIFE)
        token = self._links.seat(seat, self._new_id(EVENT))
        return ChatToken(token, self._links.chat_url, may, seat.until, now + SESSION_LIFE)

    async def delete(self, stream: Stream, message: MessageId) -> None:
        frame = self._event("aws:DELETE_MESSAGE", {"MessageID": message, "Reason": "moderation"})
        await self._wire.tell(Told(stream.id, frame))

    async def disconnect(self, stream: Stream, user: UserId) -> None:
        frame = self._event("aws:DISCONNECT_USER", {"UserId": user, "Reason": "moderation"})
        await self._wire.tell(Told(stream.id, frame, leaves=user))

    async def close(self, stream: StreamId) -> None:
        await self._wire.tell(Told(stream, ends=True))

    # --- ChatDoor

    async def seat(self, token: str) -> Seat:
        seat = self._links.seated(token)
        if not await self._wire.first(token, seat.until):
            raise Forbidden("this token was used; ask for another", code="link_used")
        return seat

    @asynccontextmanager
    async def join(self, seat: Seat) -> AsyncIterator[AsyncIterator[str]]:
        room = self._rooms.setdefault(seat.stream, set())
        if len(room) >= SEATS_MOST:
            raise Unavailable("this chat is full", code="chat_full")
        listener = _Listener(seat.who.user)
        room.add(listener)
        try:
            yield listener
        finally:
            listener.close()
            room.remove(listener)
            if not room:
                self._rooms.pop(seat.stream, None)

    async def show(self, message: Message, request: str) -> None:
        await self._wire.tell(Told(message.stream, message_frame(message, request)))

    def shut(self) -> None:
        for room in self._rooms.values():
            for listener in room:
                listener.close()

    # --- what is told

    def _hear(self, told: Told) -> None:
        for listener in self._rooms.get(told.stream, ()):
            if told.frame:
                listener.tell(told.frame)
            if told.ends or (told.leaves is not None and listener.user == told.leaves):
                listener.close()

    def _event(self, name: str, attributes: Mapping[str, str]) -> str:
        return event_frame(name, self._new_id(EVENT), self._now(), attributes)
