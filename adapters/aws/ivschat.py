"""Chat on the cloud: a room of Amazon IVS Chat for each stream, made when somebody first joins.

Clients connect to IVS with a token that we ask for. Before IVS shows a message it calls our function (``on_chat``), which
has 200 ms (docs.aws.amazon.com/ivs/latest/ChatUserGuide/service-quotas.html); a message that nobody answers for is not
shown, or whoever is banned would talk while we are slow. The function is told the room by its ARN and its sender by what
the token says of them, so the token says the stream, too, and nothing has to be looked up for it.

Which room is a stream's is kept in the table ``ops``: of two that make one at the same time, one is kept, the other
deleted.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any

from attrs import frozen
from botocore.exceptions import ClientError

from adapters.aws.dynamo import NEW, Item, Key, Refused, Tables, delete, put, text
from adapters.aws.errors import CHATS, asking, missing
from adapters.aws.tables import OPS, Operation, pattern
from application.ports import Chatter, ChatToken
from domain.chat import TEXT_MOST, Capability
from domain.errors import Unavailable
from domain.ids import EVENT, MessageId, StreamId, UserId
from domain.streams import Stream

SESSION_MINUTES = 180
"""The longest that there is (CreateChatToken, sessionDurationInMinutes)."""
RATE_MOST = 100
"""Messages a second in one room (CreateRoom, maximumMessageRatePerSecond)."""
REASON = "moderation"
_MESSAGE = re.compile(r"[a-zA-Z0-9]{12}")
"""What IVS calls a message (DeleteMessage, id)."""
_KNOWN_MOST = 1000
_ROOM = "STREAM#<stream>", "ROOM"
_FIND = pattern("a stream's room of IVS Chat", Operation.GET, OPS, *_ROOM, strong=True, item_bytes=200)
_KEEP = pattern("keep or forget a stream's room of IVS Chat", Operation.WRITE, OPS, *_ROOM, item_bytes=200)


@frozen(kw_only=True)
class RoomSettings:
    """What rooms are made with. ``env`` begins their names; ``review`` is the ARN of the function that is asked (empty:
    there is none, and no chat); clients connect to ``url``.
    """

    env: str
    review: str
    url: str

    def name(self, stream: StreamId) -> str:
        return f"{self.env}-{stream}"


class IvsChat:
    """``once`` is a client that does not send a call again by itself."""

    def __init__(
        self, client: Any, tables: Tables, settings: RoomSettings, new_id: Callable[[str], str], *, once: Any
    ) -> None:
        self._client = client
        self._once = once
        self._tables = tables
        self._settings = settings
        self._new_id = new_id
        self._rooms: dict[StreamId, str] = {}

    async def token(self, stream: Stream, who: Chatter, may: frozenset[Capability]) -> ChatToken:
        """Someone who is not signed in goes by a name of their own in IVS, and may only read."""
        asked = {
            "userId": who.user or self._new_id(EVENT), "capabilities": sorted(may),
            "sessionDurationInMinutes": SESSION_MINUTES,
            "attributes": {"displayName": who.name, "standing": who.standing.value, "stream": stream.id},
        }  # fmt: skip
        arn = await self._room(stream.id)
        try:
            with asking(CHATS):
                given = await self._client.create_chat_token(roomIdentifier=arn, **asked)
        except ClientError as error:
            if not missing(error):
                raise
            await self._forget(stream.id)  # somebody deleted it by hand
            arn = await self._room(stream.id)
            with asking(CHATS):
                given = await self._client.create_chat_token(roomIdentifier=arn, **asked)
        expires_at, session_expires_at = (
            given[name].astimezone(UTC) for name in ("tokenExpirationTime", "sessionExpirationTime")
        )
        return ChatToken(given["token"], self._settings.url, may, expires_at, session_expires_at)

    async def delete(self, stream: Stream, message: MessageId) -> None:
        if _MESSAGE.fullmatch(message):
            await self._tell(stream, self._client.delete_message, id=message)

    async def disconnect(self, stream: Stream, user: UserId) -> None:
        await self._tell(stream, self._client.disconnect_user, userId=user)

    async def close(self, stream: StreamId) -> None:
        kept = await self._kept(stream)
        for arn in {*await self._named(stream), *([kept] if kept else [])}:
            await self._delete(arn)
        await self._forget(stream)

    async def _tell(self, stream: Stream, call: Callable[..., Any], **what: str) -> None:
        """A room that was never needed has nobody in it."""
        arn = self._rooms.get(stream.id) or await self._kept(stream.id)
        if arn is None:
            return
        try:
            with asking(CHATS):
                await call(roomIdentifier=arn, reason=REASON, **what)
        except ClientError as error:
            if not missing(error):
                raise

    # --- rooms

    async def _room(self, stream: StreamId) -> str:
        if stream not in self._rooms:
            if len(self._rooms) >= _KNOWN_MOST:
                del self._rooms[next(iter(self._rooms))]
            self._rooms[stream] = await self._kept(stream) or await self._made(stream)
        return self._rooms[stream]

    async def _made(self, stream: StreamId) -> str:
        """Made by who asked before, if the answer was lost."""
        settings = self._settings
        if not settings.review:
            raise Unavailable("there is no chat here", code="no_chat")
        arn = next(iter(await self._named(stream)), None)
        if arn is None:
            with asking(CHATS):
                made = await self._once.create_room(
                    name=settings.name(stream), maximumMessageRatePerSecond=RATE_MOST, maximumMessageLength=TEXT_MOST,
                    messageReviewHandler={"uri": settings.review, "fallbackResult": "DENY"},
                    tags={"hexcast": settings.env},
                )  # fmt: skip
            arn = str(made["arn"])
        try:
            await self._tables.write(put(_KEEP, _at(stream), {"arn": text(arn)}, NEW), effect=False)
        except Refused as refused:
            return await self._lost(arn, refused.there[0])
        return arn

    async def _lost(self, ours: str, there: Item | None) -> str:
        """Someone else was quicker: theirs is the room."""
        kept: str = there["arn"]["S"] if there else ours
        if kept != ours:
            await self._delete(ours)
        return kept

    async def _kept(self, stream: StreamId) -> str | None:
        item = await self._tables.get(_FIND, _at(stream))
        return None if item is None else str(item["arn"]["S"])

    async def _named(self, stream: StreamId) -> Sequence[str]:
        """In some order that stays."""
        found: list[str] = []
        token: Mapping[str, str] = {}
        while True:
            with asking(CHATS):
                page = await self._client.list_rooms(name=self._settings.name(stream), **token)
            found += [each["arn"] for each in page["rooms"]]
            if not page.get("nextToken"):
                return sorted(found)
            token = {"nextToken": page["nextToken"]}

    async def _delete(self, arn: str) -> None:
        try:
            with asking(CHATS):
                await self._client.delete_room(identifier=arn)
        except ClientError as error:
            if not missing(error):
                raise

    async def _forget(self, stream: StreamId) -> None:
        self._rooms.pop(stream, None)
        await self._tables.write(delete(_KEEP, _at(stream)), effect=False)


def _at(stream: StreamId) -> Key:
    return Key(f"STREAM#{stream}", "ROOM")


# --- the review handler ------------------------------------------------------------------------------


@frozen
class Said:
    """What IVS asks of a message before it shows it."""

    stream: StreamId
    user: UserId
    message: MessageId
    text: str


def said(event: Mapping[str, Any]) -> Said | None:
    """None: of a room that is none of ours.

    The event is described in docs.aws.amazon.com/ivs/latest/ChatUserGuide/chat-message-review-handler.html.
    """
    sender = event.get("Sender") or {}
    stream = (sender.get("Attributes") or {}).get("stream")
    if not stream or not sender.get("UserId"):
        return None
    return Said(
        StreamId(stream), UserId(sender["UserId"]), MessageId(event["MessageId"]), event["Content"]
    )  # fmt: skip


def allowed(content: str) -> Mapping[str, Any]:
    """It is shown so."""
    return {"ReviewResult": "ALLOW", "Content": content}


def denied(reason: str) -> Mapping[str, Any]:
    """Its sender alone is told, with this reason."""
    return {"ReviewResult": "DENY", "Attributes": {"Reason": reason}}
