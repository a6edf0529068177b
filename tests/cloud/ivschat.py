"""IVS Chat: the operations we use on rooms, and the WebSocket that clients connect to, which speaks as the IVS Chat
Messaging API does (docs.aws.amazon.com/ivs/latest/chatmsgapireference) and asks a room's function before it shows
anything.

Tokens are good once and for a minute. A function that fails, or answers what is no answer, counts as the room's
``fallbackResult`` says; it is given more than the 200 ms of AWS, as it shares this machine with everything else.
"""

import asyncio
import json
import secrets
import string
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import define, field, frozen

from tests.cloud.access import Access
from tests.cloud.models import Operation, Parameters, Refused
from tests.cloud.wire import App, Caller, Receive, Scope, Send, headers_of

PATH = "/_ivschat"
TOKEN_LIFE = timedelta(minutes=1)
Invoke = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""Runs a function of Lambda: what it returned, None if it failed."""


@frozen(eq=False)
class Seat:
    """One connection."""

    user: str
    attributes: Mapping[str, str]
    may: frozenset[str]
    frames: "asyncio.Queue[str | None]" = field(factory=asyncio.Queue)
    """None: it ends."""


@define
class Room:
    caller: Caller
    settings: dict[str, Any]
    seats: list[Seat] = field(factory=list)

    def tell(self, kind: str, **frame: Any) -> str:
        named = _named()
        text = _frame(kind, named, **frame)
        for seat in self.seats:
            seat.frames.put_nowait(text)
        return named

    def end(self, user: str | None = None) -> None:
        for seat in self.seats:
            if user in {None, seat.user}:
                seat.frames.put_nowait(None)


@frozen
class Ticket:
    room: str
    seat: Seat
    until: datetime


class IvsChat:
    """The rooms of all accounts."""

    def __init__(self, access: Access, invoke: Invoke) -> None:
        self.access, self.invoke = access, invoke
        self.rooms: dict[str, Room] = {}
        self.tickets: dict[str, Ticket] = {}

    def reset(self) -> None:
        for room in self.rooms.values():
            room.end()
        self.rooms.clear()
        self.tickets.clear()

    @property
    def operations(self) -> Mapping[str, Operation]:
        known: Mapping[str, Operation] = {
            "CreateRoom": self.create_room, "GetRoom": self.get_room, "ListRooms": self.list_rooms,
            "DeleteRoom": self.delete_room, "CreateChatToken": self.create_token,
            "DeleteMessage": self.delete_message, "DisconnectUser": self.disconnect_user,
        }  # fmt: skip
        return {name: self._allowed(name, carry_out) for name, carry_out in known.items()}

    def _allowed(self, name: str, carry_out: Operation) -> Operation:
        async def asked(caller: Caller, given: Parameters) -> Parameters:
            everything = f"arn:aws:ivschat:{caller.region}:{caller.account}:room/*"
            resource = given.get("roomIdentifier") or given.get("identifier") or everything
            self.access.require(caller, f"ivschat:{name}", [resource])
            if given.get("tags"):
                self.access.require(caller, "ivschat:TagResource", [resource])
            return await carry_out(caller, given)

        return asked

    async def create_room(self, caller: Caller, asked: Parameters) -> Parameters:
        named = _named()
        arn = f"arn:aws:ivschat:{caller.region}:{caller.account}:room/{named}"
        review = {"uri": "", "fallbackResult": "ALLOW", **asked.get("messageReviewHandler", {})}
        now = datetime.now(UTC)
        self.rooms[arn] = Room(caller, {
            "name": "", "maximumMessageRatePerSecond": 10, "maximumMessageLength": 500, "tags": {}, **asked,
            "messageReviewHandler": review, "arn": arn, "id": named, "createTime": now, "updateTime": now,
        })  # fmt: skip
        return self.rooms[arn].settings

    async def get_room(self, caller: Caller, asked: Parameters) -> Parameters:
        return self._room(caller, asked["identifier"]).settings

    async def list_rooms(self, caller: Caller, asked: Parameters) -> Parameters:
        shown = ("arn", "id", "name", "messageReviewHandler", "createTime", "updateTime", "tags")
        return {
            "rooms": [
                {name: each.settings[name] for name in shown}
                for each in self.rooms.values()
                if each.caller.account == caller.account and asked.get("name") in {None, each.settings["name"]}
            ]
        }

    async def delete_room(self, caller: Caller, asked: Parameters) -> Parameters:
        self._room(caller, asked["identifier"]).end()
        del self.rooms[asked["identifier"]]
        return {}

    async def create_token(self, caller: Caller, asked: Parameters) -> Parameters:
        self._room(caller, asked["roomIdentifier"])
        attributes = asked.get("attributes", {})
        if sum(len(key.encode()) + len(value.encode()) for key, value in attributes.items()) > 1024:
            raise Refused("ValidationException", "attributes: at most 1 KB")
        token, now = secrets.token_urlsafe(64), datetime.now(UTC).replace(microsecond=0)
        seat = Seat(asked["userId"], attributes, frozenset(asked.get("capabilities", ())))
        self.tickets[token] = Ticket(asked["roomIdentifier"], seat, now + TOKEN_LIFE)
        session = timedelta(minutes=asked.get("sessionDurationInMinutes", 60))
        return {"token": token, "tokenExpirationTime": now + TOKEN_LIFE, "sessionExpirationTime": now + session}

    async def delete_message(self, caller: Caller, asked: Parameters) -> Parameters:
        return {"id": _deleted(self._room(caller, asked["roomIdentifier"]), asked["id"], asked.get("reason", ""))}

    async def disconnect_user(self, caller: Caller, asked: Parameters) -> Parameters:
        _sent_away(self._room(caller, asked["roomIdentifier"]), asked["userId"], asked.get("reason", ""))
        return {}

    def _room(self, caller: Caller, arn: str) -> Room:
        room = self.rooms.get(arn)
        if room is None or room.caller.account != caller.account:
            raise Refused("ResourceNotFoundException", f"Resource: {arn} not found")
        return room

    # --- the messaging API -----------------------------------------------------------------------

    async def connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        token = headers_of(scope).get("sec-websocket-protocol", "")
        ticket = self.tickets.pop(token, None)
        room = self.rooms.get(ticket.room) if ticket and ticket.until > datetime.now(UTC) else None
        if ticket is None or room is None:
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({"type": "websocket.accept", "subprotocol": token})
        seat = ticket.seat
        room.seats.append(seat)
        out, into = asyncio.create_task(_pass_on(seat, send)), asyncio.create_task(self._take(room, seat, receive))
        try:
            await asyncio.wait({out, into}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            room.seats.remove(seat)
            for task in (out, into):
                task.cancel()
            await asyncio.gather(out, into, return_exceptions=True)

    async def _take(self, room: Room, seat: Seat, receive: Receive) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            asked: Mapping[str, Any] = {}
            with suppress(ValueError, TypeError):
                asked = dict(json.loads(message.get("text") or ""))
            refused = await self._done(room, seat, asked)
            if refused is not None:
                code, reason = refused
                request = str(asked.get("RequestId", ""))
                frame = _frame("ERROR", _named(), RequestId=request, ErrorCode=code, ErrorMessage=reason)
                seat.frames.put_nowait(frame)

    async def _done(self, room: Room, seat: Seat, asked: Mapping[str, Any]) -> tuple[int, str] | None:
        """Why it is not, with a code as HTTP has them."""
        action, request = asked.get("Action"), str(asked.get("RequestId", ""))
        if action not in {"SEND_MESSAGE", "DELETE_MESSAGE", "DISCONNECT_USER"}:
            return 400, "Bad request"
        if action not in seat.may:
            return 403, "Forbidden"
        if action == "DELETE_MESSAGE":
            _deleted(room, str(asked.get("Id")), str(asked.get("Reason", "")), request)
            return None
        if action == "DISCONNECT_USER":
            _sent_away(room, str(asked.get("UserId")), str(asked.get("Reason", "")), request)
            return None
        content = asked.get("Content")
        if not isinstance(content, str) or not 1 <= len(content) <= room.settings["maximumMessageLength"]:
            return 400, "Content: its length"
        return await self._said(room, seat, content, request)

    async def _said(self, room: Room, seat: Seat, content: str, request: str) -> tuple[int, str] | None:
        sender = {"UserId": seat.user, "Attributes": dict(seat.attributes)}
        named, review = _named(), room.settings["messageReviewHandler"]
        answer = None
        if review["uri"]:
            answer = await self.invoke(review["uri"], {
                "Content": content, "MessageId": named, "RoomArn": room.settings["arn"], "Attributes": {},
                "Sender": {**sender, "Ip": "127.0.0.1"},
            })  # fmt: skip
        if not isinstance(answer, dict) or answer.get("ReviewResult") not in {"ALLOW", "DENY"}:
            answer = {"ReviewResult": review["fallbackResult"]}
        if answer["ReviewResult"] == "DENY":
            return 406, (answer.get("Attributes") or {}).get("Reason", "Message denied by the handler")
        shown = _frame(
            "MESSAGE", named, RequestId=request, Content=answer.get("Content", content), Attributes={}, Sender=sender
        )
        for each in room.seats:
            each.frames.put_nowait(shown)
        return None


@frozen
class ChatEdge:
    """Takes WebSockets, and passes on all else."""

    behind: App
    chat: IvsChat

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and scope["path"].startswith(PATH):
            await self.chat.connect(scope, receive, send)
        else:
            await self.behind(scope, receive, send)


async def _pass_on(seat: Seat, send: Send) -> None:
    while (frame := await seat.frames.get()) is not None:
        await send({"type": "websocket.send", "text": frame})
    await send({"type": "websocket.close", "code": 1000})


def _deleted(room: Room, message: str, reason: str, request: str = "") -> str:
    attributes = {"MessageID": message, "Reason": reason}
    return room.tell("EVENT", RequestId=request, EventName="aws:DELETE_MESSAGE", Attributes=attributes)


def _sent_away(room: Room, user: str, reason: str, request: str = "") -> None:
    attributes = {"UserId": user, "Reason": reason}
    room.tell("EVENT", RequestId=request, EventName="aws:DISCONNECT_USER", Attributes=attributes)
    room.end(user)


def _frame(kind: str, named: str, **rest: Any) -> str:
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"Type": kind, "Id": named, "SendTime": at, "RequestId": "", **rest})


def _named() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(12))
