"""Chat over HTTP: getting in and keeping order; and, where there is no other, the WebSocket itself."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Literal

from litestar import Controller, Response, WebSocket, delete, get, patch, post, put, websocket
from litestar.di import NamedDependency
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import WebsocketRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Meta, MsgspecError, Struct, UnsetType
from msgspec.json import Decoder

from adapters.chatting import SESSION_LIFE, error_frame
from application.chat import BanChatter, EditChat, OpenChat, RemoveMessage, ReplayChat, Replayed, SayInChat
from application.ports import ChatDoor, ChatToken, NewId, Now, Seat
from application.streams import ShowStream
from domain.access import Actor, Role
from domain.chat import Ban, Capability, ChatRules, Standing
from domain.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, Unauthenticated, VersionMismatch
from domain.identity import User
from domain.ids import EVENT, MESSAGE, MessageId, StreamId, StreamSessionId, UserId
from entrypoints.http.errors import status_of
from entrypoints.http.requests import Cursors, CursorText, Limit, Listing, changes, problems, scope, versioned
from entrypoints.http.views import NO_STORE
from entrypoints.http.views_streams import stream_caching

FRAME_MOST = 8 * 1024
"""Bytes of what a client sends at once."""
BURST = 10
BURST_S = 10.0
"""So many frames of one connection are dealt with in so many seconds."""
HASTY_MOST = 100
"""Of the others so many are answered one after the other; then it ends."""
REQUEST_MOST = 128
HASTY, INCAPABLE = "chat_hasty", "chat_incapable"
_BEFORE = frozenset({HASTY, INCAPABLE, "bad_request"})
"""Why something is not said before anybody looks at it."""
_REVIEWED, _TOO_FAST = 406, 429
"""What IVS Chat says to the sender of a message that its review handler denies, and to one who is too fast."""
_REFUSED, _CROWDED = 4403, 4429
_OVER, _TOO_LARGE, _FLOODING = 1000, 1009, 1008

_Order = Annotated[Literal["oldest", "newest"], QueryParameter(description="Which come first.")]

_MEMBERS = (Unauthenticated, Forbidden, NotFound)


class ChatTokenView(Struct, gc=False):
    """Connect to ``url`` with the token as WebSocket subprotocol, once, until ``expires_at``."""

    token: str
    url: str
    capabilities: Sequence[Capability]
    expires_at: datetime
    session_expires_at: datetime

    @classmethod
    def of(cls, token: ChatToken) -> "ChatTokenView":
        return cls(token.token, token.url, sorted(token.capabilities), token.expires_at, token.session_expires_at)


class ChatRulesView(Struct, gc=False):
    enabled: bool
    slow_mode_s: int
    followers_only: bool

    @classmethod
    def of(cls, rules: ChatRules) -> "ChatRulesView":
        return cls(rules.enabled, rules.slow_mode_s, rules.followers_only)


class ChatRulesPatch(Struct, frozen=True):
    """What is left out stays as it is. Words and links are as the channel has them for comments."""

    enabled: bool | UnsetType = UNSET
    slow_mode_s: Annotated[int, Meta(examples=[10])] | UnsetType = UNSET
    followers_only: bool | UnsetType = UNSET


class BanView(Struct, gc=False):
    user_id: str
    handle: str | None
    by_id: str
    created_at: datetime

    @classmethod
    def of(cls, found: tuple[Ban, User | None]) -> "BanView":
        ban, user = found
        return cls(ban.user, user.handle if user else None, ban.by, ban.at)


class MessageView(Struct, gc=False):
    """Something that was said, ``offset_s`` into the recording: time in which the encoder was away does not count."""

    id: str
    author_id: str
    author_name: str
    standing: Standing
    text: str
    at: datetime
    offset_s: float

    @classmethod
    def of(cls, said: Replayed) -> "MessageView":
        message = said.message
        return cls(
            message.id, message.author, message.name, message.standing, message.text, message.at, said.offset_s
        )  # fmt: skip


class ChatController(Controller):
    tags = ("chat",)

    @post("/streams/{stream_id:str}/chat-tokens", operation_id="createChatToken", responses=problems(NotFound))
    async def token(
        self, stream_id: FromPath[StreamId], actor: NamedDependency[Actor], open_chat: NamedDependency[OpenChat]
    ) -> Response[ChatTokenView]:
        """Ask for leave to join a stream's chat.

        Everyone who sees the stream may read; who is signed in may write, unless banned. Each connection takes a token
        of its own. What goes over it is described in the IVS Chat Messaging API, on every profile.
        """
        return Response(ChatTokenView.of(await open_chat(actor, stream_id)), headers=NO_STORE)

    @get("/streams/{stream_id:str}/chat-rules", operation_id="getChatRules", responses=problems(NotFound))
    async def rules(
        self, stream_id: FromPath[StreamId], actor: NamedDependency[Actor], show_stream: NamedDependency[ShowStream]
    ) -> Response[ChatRulesView]:
        """The rules of a stream's chat. The ETag is the stream's version."""
        card = await show_stream(actor, stream_id)
        return versioned(ChatRulesView.of(card.stream.chat), card.stream.version, headers=stream_caching(card))

    @patch(
        "/streams/{stream_id:str}/chat-rules",
        operation_id="updateChatRules",
        responses=problems(*_MEMBERS, Invalid, VersionMismatch),
    )
    async def change_rules(
        self,
        stream_id: FromPath[StreamId],
        data: JSONBody[ChatRulesPatch],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        edit_chat: NamedDependency[EditChat],
    ) -> Response[ChatRulesView]:
        """Change the rules of a stream's chat, for who edits or moderates."""
        stream = await edit_chat(actor, stream_id, **changes(data), version=version)
        return versioned(ChatRulesView.of(stream.chat), stream.version)

    @delete(
        "/streams/{stream_id:str}/chat-messages/{message_id:str}",
        operation_id="deleteChatMessage",
        responses=problems(*_MEMBERS),
    )
    async def remove(
        self,
        stream_id: FromPath[StreamId],
        message_id: FromPath[MessageId],
        actor: NamedDependency[Actor],
        remove_message: NamedDependency[RemoveMessage],
    ) -> None:
        """Remove a message: one's own, or anyone's for who edits or moderates."""
        await remove_message(actor, stream_id, message_id)

    @get("/streams/{stream_id:str}/chat-bans", operation_id="listChatBans", responses=problems(*_MEMBERS, Invalid))
    async def bans(
        self,
        *,
        stream_id: FromPath[StreamId],
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        ban_chatter: NamedDependency[BanChatter],
        cursor: CursorText = None,
        limit: Limit = 20,
    ) -> Listing[BanView]:
        """Who may not write in a stream's chat."""
        here = scope("chat-bans", stream_id)
        page = await ban_chatter.list(actor, stream_id, cursor=cursors.read(cursor, here), limit=limit)
        return cursors.page(page, here, BanView.of)

    @put(
        "/streams/{stream_id:str}/chat-bans/{user_id:str}",
        operation_id="banFromChat",
        status_code=204,
        responses=problems(*_MEMBERS, Conflict),
    )
    async def ban(
        self,
        stream_id: FromPath[StreamId],
        user_id: FromPath[UserId],
        actor: NamedDependency[Actor],
        ban_chatter: NamedDependency[BanChatter],
    ) -> None:
        """Let someone write no more in a stream's chat; their connections end. Saying it again changes nothing."""
        await ban_chatter(actor, stream_id, user_id)

    @delete(
        "/streams/{stream_id:str}/chat-bans/{user_id:str}", operation_id="liftChatBan", responses=problems(*_MEMBERS)
    )
    async def lift(
        self,
        stream_id: FromPath[StreamId],
        user_id: FromPath[UserId],
        actor: NamedDependency[Actor],
        ban_chatter: NamedDependency[BanChatter],
    ) -> None:
        """Let someone write again."""
        await ban_chatter.lift(actor, stream_id, user_id)

    @get(
        "/stream-sessions/{session_id:str}/chat-messages",
        operation_id="listChatMessages",
        responses=problems(NotFound, Invalid),
    )
    async def replay(
        self,
        *,
        session_id: FromPath[StreamSessionId],
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        replay_chat: NamedDependency[ReplayChat],
        order: _Order = "oldest",
        cursor: CursorText = None,
        limit: Limit = 20,
    ) -> Listing[MessageView]:
        """What was said during a broadcast: oldest first, to be shown beside its recording, or newest first, for whoever
        joins late.

        Removed messages are left out, so a page may be short and still have a next one.
        """
        here = scope("chat-messages", session_id, order)
        newest = order == "newest"
        page = await replay_chat(actor, session_id, newest=newest, cursor=cursors.read(cursor, here), limit=limit)
        return cursors.page(page, here, MessageView.of)


# --- the WebSocket -------------------------------------------------------------------------------


def chat_socket(
    door: ChatDoor, say: SayInChat, remove: RemoveMessage, ban: BanChatter, *, now: Now, new_id: NewId
) -> WebsocketRouteHandler:  # fmt: skip
    """The handler at which clients of our own rooms connect."""

    @websocket("/v1/chat")
    async def chat(socket: WebSocket[Any, Any, Any]) -> None:
        token = socket.headers.get("sec-websocket-protocol", "") or socket.query_params.get("token", "")
        try:
            seat = await door.seat(token)
        except DomainError:
            await socket.close(code=_REFUSED)  # before it is accepted: the handshake is answered with 403
            return
        await socket.accept(subprotocols=token if "sec-websocket-protocol" in socket.headers else None)
        try:
            async with door.join(seat) as frames:
                await _Connection(socket, seat, door, say, remove, ban, now, new_id).run(frames)
        except DomainError as error:
            await socket.close(code=_CROWDED, reason=error.code)

    return chat


class _Connection:
    """One client in one room: what is told goes out, what it asks for is done, in turn."""

    def __init__(  # noqa: PLR0917  (what a connection does)
        self, socket: WebSocket[Any, Any, Any], seat: Seat, door: ChatDoor, say: SayInChat, remove: RemoveMessage,
        ban: BanChatter, now: Now, new_id: NewId,
    ) -> None:  # fmt: skip
        self._socket, self._seat, self._door = socket, seat, door
        self._say, self._remove, self._ban = say, remove, ban
        self._now, self._new_id = now, new_id
        self._taken: deque[float] = deque(maxlen=BURST)
        self._hasty = 0

    async def run(self, frames: AsyncIterator[str]) -> None:
        """Until the client goes, is sent away, or has been there for as long as it may."""
        out, into = asyncio.ensure_future(self._pass_on(frames)), asyncio.ensure_future(self._take())
        try:
            await asyncio.wait({out, into}, timeout=SESSION_LIFE.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
            code = into.result() if into.done() else _OVER
        finally:
            for task in (out, into):
                task.cancel()
            await asyncio.gather(out, into, return_exceptions=True)  # to one who is gone nothing can be sent
        if code is not None:
            with suppress(WebSocketDisconnect):
                await self._socket.close(code=code)

    async def _pass_on(self, frames: AsyncIterator[str]) -> None:
        async for frame in frames:
            await self._send(frame)

    async def _send(self, frame: str) -> None:
        # What is shown goes out a thousand times: without Litestar's two calls around this one.
        await self._socket.send({"type": "websocket.send", "text": frame, "bytes": None})

    async def _take(self) -> int | None:
        """What comes, in turn. The code to end with; None: the client is gone."""
        with suppress(WebSocketDisconnect):
            while True:
                text = await self._socket.receive_text()
                if len(text) > FRAME_MOST:
                    return _TOO_LARGE
                if self._hasty > HASTY_MOST:
                    return _FLOODING
                await self._deal_with(text)
        return None

    async def _deal_with(self, text: str) -> None:
        asked: _Asked | None = None
        try:
            with suppress(MsgspecError, RecursionError):
                asked = _asked.decode(text)
            self._slow_down()
            if asked is None:
                raise Invalid("this is no request", code="bad_request")
            await self._do(asked)
        except DomainError as error:
            request = asked.RequestId[:REQUEST_MOST] if asked else ""
            refused = asked is not None and asked.Action == Capability.SEND_MESSAGE and error.code not in _BEFORE
            status = _REVIEWED if refused else _TOO_FAST if error.code == HASTY else status_of(error)
            await self._send(error_frame(status, str(error), self._new_id(EVENT), request, self._now()))

    def _slow_down(self) -> None:
        at = self._now().timestamp()
        if len(self._taken) == BURST and at - self._taken[0] < BURST_S:
            self._hasty += 1
            raise Conflict("not so fast", code=HASTY)
        self._hasty = 0
        self._taken.append(at)

    async def _do(self, asked: "_Asked") -> None:
        stream = self._seat.stream
        try:
            may = Capability(asked.Action)
        except ValueError:
            raise Invalid("there is no such action", code="bad_request") from None
        if may not in self._seat.may or self._seat.who.user is None:
            raise Forbidden("this connection may not do that", code=INCAPABLE)
        if may is Capability.SEND_MESSAGE:
            said = await self._say(stream, self._seat.who.user, MessageId(self._new_id(MESSAGE)), asked.Content)
            await self._door.show(said, asked.RequestId[:REQUEST_MOST])
            return
        # What the token allows was looked at when it was given, as it is on IVS Chat.
        actor = Actor(self._seat.who.user, frozenset({Role.MODERATOR}))
        if may is Capability.DELETE_MESSAGE:
            await self._remove(actor, stream, MessageId(asked.Id))
        else:
            await self._ban.send_away(actor, stream, UserId(asked.UserId))


class _Asked(Struct):
    """A client's frame, whichever of these it uses."""

    Action: str
    RequestId: str = ""
    Content: str = ""
    Id: str = ""
    UserId: str = ""


_asked = Decoder(_Asked)
