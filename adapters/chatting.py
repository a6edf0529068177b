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

from adapters.links import Links
from application.ports import Chatter, ChatToken, NewId, Now, Seat
from domain.chat import Capability, Message
from domain.errors import Unavailable
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

Tell = Callable[[StreamId, UserId | None, str], None]
"""A frame for everyone in a room, after which this user's connections end."""


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
        self._news = asyncio.Event()
        self._closed = False

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        while not self._told:
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._told.popleft()

    def tell(self, frame: str) -> None:
        self._told.append(frame)
        self._news.set()

    def close(self) -> None:
        self._closed = True
        self._news.set()


class Rooms:
    """A Chat and its ChatDoor. ``tell`` reaches whoever sits in this process; where there are others, it tells them."""

    def __init__(self, links: Links, now: Now, new_id: NewId, *, tell: Tell | None = None) -> None:
        self._links = links
        self._now = now
        self._new_id = new_id
        self._tell = tell or self.hear
        self._rooms: dict[StreamId, list[_Listener]] = {}

    # --- Chat

    async def token(self, stream: Stream, who: Chatter, may: frozenset[Capability]) -> ChatToken:
        now = self._now()
        seat = Seat(stream.id, who, may, now + TOKEN_LIFE)
        token = self._links.seat(seat, self._new_id(EVENT))
        return ChatToken(token, self._links.chat_url, may, seat.until, now + SESSION_LIFE)

    async def delete(self, stream: Stream, message: MessageId) -> None:
        self._event(stream.id, "aws:DELETE_MESSAGE", {"MessageID": message, "Reason": "moderation"})

    async def disconnect(self, stream: Stream, user: UserId) -> None:
        self._event(stream.id, "aws:DISCONNECT_USER", {"UserId": user, "Reason": "moderation"}, user)

    async def close(self, stream: StreamId) -> None:
        for listener in self._rooms.get(stream, ()):
            listener.close()

    # --- ChatDoor

    def seat(self, token: str) -> Seat:
        return self._links.seated(token)

    @asynccontextmanager
    async def join(self, seat: Seat) -> AsyncIterator[AsyncIterator[str]]:
        room = self._rooms.setdefault(seat.stream, [])
        if len(room) >= SEATS_MOST:
            raise Unavailable("this chat is full", code="chat_full")
        listener = _Listener(seat.who.user)
        room.append(listener)
        try:
            yield listener
        finally:
            listener.close()
            room.remove(listener)
            if not room:
                self._rooms.pop(seat.stream, None)

    async def show(self, message: Message, request: str) -> None:
        self._tell(message.stream, None, message_frame(message, request))

    # --- what is told

    def hear(self, stream: StreamId, leaves: UserId | None, frame: str) -> None:
        """Tell whoever sits here; ``leaves``: whose connections end with it."""
        for listener in self._rooms.get(stream, ()):
            listener.tell(frame)
            if leaves is not None and listener.user == leaves:
                listener.close()

    def shut(self) -> None:
        """Whoever sits here is at the end: the process is about to stop."""
        for room in self._rooms.values():
            for listener in room:
                listener.close()

    def _event(self, stream: StreamId, name: str, attributes: Mapping[str, str], leaves: UserId | None = None) -> None:
        self._tell(stream, leaves, event_frame(name, self._new_id(EVENT), self._now(), attributes))
