"""Any Chat has a room a stream, lets in whoever has a token once, and tells all who are in it."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from attrs import evolve, field, frozen

from adapters.aws.ivschat import IvsChat, RoomSettings
from adapters.chatting import Alone, Rooms
from adapters.links import Links
from adapters.system import Ulids
from application.ports import Chat, Chatter
from domain.chat import Capability, Standing
from domain.errors import Forbidden
from domain.ids import MessageId, StreamId, UserId
from tests.cloud import direct
from tests.cloud.ivschat import PATH
from tests.cloud.world import endpoint, world
from tests.contract.test_streams import FIRST
from tests.worlds import FakeClock

CATS, DOGS = evolve(FIRST, id=StreamId("str_cats")), evolve(FIRST, id=StreamId("str_dogs"))
ANN = Chatter(UserId("usr_ann"), "Ann", Standing.OWNER)
BEN = Chatter(UserId("usr_ben"), "Ben \u00e9", Standing.VIEWER)
NOBODY = Chatter(None, "", Standing.VIEWER)
REVIEW = "arn:aws:lambda:us-east-1:000000000000:function:nobody"


class Refused(Exception):
    """Nobody is let in with this token."""


class Seat(Protocol):
    async def told(self) -> dict[str, Any]:
        """The next frame."""

    async def ended(self) -> bool:
        """Whether there is none any more."""


@frozen
class Place:
    """A Chat, and how one sits down in it."""

    chat: Chat
    sit: Callable[[str], AbstractAsyncContextManager[Seat]]


@frozen
class _Listening:
    frames: AsyncIterator[str]

    async def told(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await anext(self.frames))
        return frame

    async def ended(self) -> bool:
        return [frame async for frame in self.frames] == []


@asynccontextmanager
async def rooms() -> AsyncIterator[Place]:
    clock = FakeClock()
    chat = Rooms(Links(b"k" * 32, "http://hexcast.test", clock.now), clock.now, Ulids(clock.now), Alone(clock.now))

    @asynccontextmanager
    async def sit(token: str) -> AsyncIterator[Seat]:
        try:
            seat = await chat.seat(token)
        except Forbidden as error:
            raise Refused from error
        async with chat.join(seat) as frames:
            yield _Listening(frames)

    yield Place(chat, sit)


@frozen
class _Connected:
    socket: ClientWebSocketResponse = field()

    async def told(self) -> dict[str, Any]:
        frame: dict[str, Any] = await self.socket.receive_json(timeout=30)
        return frame

    async def ended(self) -> bool:
        return (await self.socket.receive(30)).type in {WSMsgType.CLOSE, WSMsgType.CLOSED}


@asynccontextmanager
async def ivs_chat() -> AsyncIterator[Place]:
    """Over a WebSocket to the emulated cloud."""
    clock = FakeClock()
    url = f"{endpoint().replace('http', 'ws', 1)}{PATH}"
    async with world() as here, direct.tables() as tables, ClientSession() as session:
        client = await here.client("ivschat")
        settings = RoomSettings(env=here.account, review=REVIEW, url=url)

        @asynccontextmanager
        async def sit(token: str) -> AsyncIterator[Seat]:
            try:
                socket = await session.ws_connect(url, protocols=(token,))
            except WSServerHandshakeError as error:
                raise Refused from error
            async with socket:
                yield _Connected(socket)

        yield Place(IvsChat(client, tables, settings, Ulids(clock.now), once=client), sit)


places = pytest.mark.parametrize("opened", [rooms, ivs_chat])
Opened = Callable[[], AbstractAsyncContextManager[Place]]


@places
async def test_a_token_is_for_one_connection_and_says_what_it_may(opened: Opened) -> None:
    """Until when it is good, and where; each is another."""
    async with opened() as place:
        may = frozenset({Capability.SEND_MESSAGE})
        token, other = await place.chat.token(CATS, BEN, may), await place.chat.token(CATS, NOBODY, frozenset())
        assert (token.capabilities, other.capabilities) == (may, frozenset())
        assert token.token != other.token
        assert token.url == other.url
        assert token.url.startswith("ws")
        assert token.expires_at < token.session_expires_at
        for each in (token, other):
            async with place.sit(each.token):
                with pytest.raises(Refused):
                    async with place.sit(each.token):
                        pass
        with pytest.raises(Refused):
            async with place.sit(token.token[:-4] + "AAAA"):
                pass


@places
async def test_everyone_in_a_room_is_told_to_take_a_message_away(opened: Opened) -> None:
    """And nobody in another; a message that is not there is a no-op for who sees none."""
    async with opened() as place, AsyncExitStack() as stack:
        seats = []
        for stream, who in ((CATS, ANN), (CATS, NOBODY), (DOGS, BEN)):
            token = await place.chat.token(stream, who, frozenset())
            seats.append(await stack.enter_async_context(place.sit(token.token)))
        for stream, message in ((CATS, "AbCdEfGhIjKl"), (DOGS, "MnOpQrStUvWx")):
            await place.chat.delete(stream, MessageId(message))
        told = [await seat.told() for seat in seats]
        assert [frame["EventName"] for frame in told] == ["aws:DELETE_MESSAGE"] * 3
        assert [frame["Attributes"]["MessageID"] for frame in told] == ["AbCdEfGhIjKl"] * 2 + ["MnOpQrStUvWx"]
        assert {frame["Type"] for frame in told} == {"EVENT"}


@places
async def test_all_connections_of_one_end_and_no_others(opened: Opened) -> None:
    """They may come back with another token."""
    async with opened() as place, AsyncExitStack() as stack:
        bens: list[Seat] = []
        anns: list[Seat] = []
        for who, seats in ((BEN, bens), (BEN, bens), (ANN, anns)):
            token = await place.chat.token(CATS, who, frozenset())
            seats.append(await stack.enter_async_context(place.sit(token.token)))
        assert BEN.user is not None
        for _ in range(2):
            await place.chat.disconnect(CATS, BEN.user)
        for seat in (*bens, *anns):
            frame = await seat.told()
            assert (frame["EventName"], frame["Attributes"]["UserId"]) == ("aws:DISCONNECT_USER", BEN.user)
        for seat in bens:
            assert await seat.ended()
        async with place.sit((await place.chat.token(CATS, BEN, frozenset())).token) as back:
            await place.chat.delete(CATS, MessageId("AbCdEfGhIjKl"))
            assert (await back.told())["EventName"] == "aws:DELETE_MESSAGE"


@places
async def test_a_room_that_is_closed_has_nobody_in_it(opened: Opened) -> None:
    """Closing it again is a no-op, and so is whatever is done in a room that nobody needed."""
    async with opened() as place:
        for stream in (DOGS, CATS):
            await place.chat.delete(stream, MessageId("AbCdEfGhIjKl"))
            await place.chat.disconnect(stream, UserId("usr_ben"))
        async with place.sit((await place.chat.token(CATS, BEN, frozenset())).token) as seat:
            for _ in range(2):
                await place.chat.close(CATS.id)
            assert await seat.ended()
        await place.chat.close(DOGS.id)
