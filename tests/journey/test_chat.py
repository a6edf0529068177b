"""A chat as its clients see it: WebSockets to a real server, of one process and of two."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType, WSServerHandshakeError
from attrs import frozen

from tests.journey.server import Json, Person, Server, sign_up

PATIENCE_S = 60.0
CROWD = 1000


@frozen
class Seat:
    """A connection to a chat."""

    socket: ClientWebSocketResponse

    async def ask(self, action: str, request: str = "r", **rest: str) -> None:
        await self.socket.send_json({"Action": action, "RequestId": request, **rest})

    async def say(self, text: str, request: str = "r") -> None:
        await self.ask("SEND_MESSAGE", request, Content=text)

    async def frame(self) -> Json:
        message = await self.socket.receive(PATIENCE_S)
        assert message.type is WSMsgType.TEXT, message
        frame: Json = json.loads(message.data)
        return frame

    async def said(self) -> str:
        """What the next message says."""
        frame = await self.frame()
        assert frame["Type"] == "MESSAGE", frame
        content: str = frame["Content"]
        return content

    async def error(self) -> tuple[int, str]:
        frame = await self.frame()
        assert frame["Type"] == "ERROR", frame
        return frame["ErrorCode"], frame["RequestId"]

    async def ended(self) -> int | None:
        """The code it was closed with, by the server, with nothing more said."""
        message = await self.socket.receive(PATIENCE_S)
        assert message.type in {WSMsgType.CLOSE, WSMsgType.CLOSED}, message
        # What the server's own frame says: it does not wait for ours, and aiohttp calls that an abnormal end (1006).
        return message.data if message.type is WSMsgType.CLOSE else self.socket.close_code


@frozen
class Chat:
    """A stream of ada's, and who is there."""

    server: Server
    session: ClientSession
    stream: str
    ada: Person
    bob: Person

    def token(self, who: Person | None = None) -> str:
        path = f"/v1/streams/{self.stream}/chat-tokens"
        answer = who.http.post(path) if who else httpx.post(self.server.url + path)
        token: str = answer.raise_for_status().json()["token"]
        return token

    async def connect(self, token: str) -> ClientWebSocketResponse:
        return await self.session.ws_connect(f"{self.server.url}/v1/chat", protocols=(token,))

    async def refused(self, token: str) -> int:
        with pytest.raises(WSServerHandshakeError) as refused:
            await self.connect(token)
        return refused.value.status

    @asynccontextmanager
    async def sits(self, who: Person | None = None) -> AsyncIterator[Seat]:
        socket = await self.connect(self.token(who))
        try:
            yield Seat(socket)
        finally:
            await socket.close()


@asynccontextmanager
async def chatting(server: Server) -> AsyncIterator[Chat]:
    number = len(server.clients)
    ada, bob = sign_up(server, f"ada_{number}"), sign_up(server, f"bob_{number}")
    body = {"channel_id": ada.channel(f"cats_{number}"), "title": "Cats, live"}
    stream = ada.post("/v1/streams", body)["id"]
    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        yield Chat(server, session, stream, ada, bob)


@pytest.fixture
async def chat(server: Server) -> AsyncIterator[Chat]:
    async with chatting(server) as opened:
        yield opened


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "data", {"HEXCAST_WORKERS": "2"}).running() as server:
        yield server


async def test_a_message_is_shown_to_everyone_as_its_sender_named_it(chat: Chat) -> None:
    """To who said it, too; in the form that the IVS Chat Messaging API has."""
    async with chat.sits(chat.bob) as bob, chat.sits() as guest:
        await bob.say("  Good   kitty! ", "mine")
        frame = await bob.frame()
        assert frame == await guest.frame()
        assert (frame["Type"], frame["Content"], frame["RequestId"]) == ("MESSAGE", "Good kitty!", "mine")
        attributes = {"displayName": chat.bob.email.partition("@")[0].title(), "standing": "viewer"}
        assert frame["Sender"] == {"UserId": chat.bob.id, "Attributes": attributes}
        assert set(frame) == {"Type", "Id", "RequestId", "Attributes", "Content", "SendTime", "Sender"}


async def test_whoever_asks_for_what_they_may_not_is_told(chat: Chat) -> None:
    """And everyone else nothing."""
    async with chat.sits(chat.bob) as bob, chat.sits() as guest:
        await guest.say("Hi", "1")
        assert await guest.error() == (403, "1")
        await bob.ask("DELETE_MESSAGE", "2", Id="msg_1")
        assert await bob.error() == (403, "2")
        await bob.ask("DISCONNECT_USER", "3", UserId=chat.ada.id)
        assert await bob.error() == (403, "3")
        await bob.ask("SING", "4")
        assert await bob.error() == (400, "4")
        await bob.say("x" * 501, "5")
        assert await bob.error() == (406, "5")
        await bob.say("Hi")
        assert await bob.said() == await guest.said() == "Hi"


async def test_who_moderates_takes_messages_away_and_sends_people_away(chat: Chat) -> None:
    async with chat.sits(chat.ada) as ada, chat.sits(chat.bob) as bob, chat.sits() as guest:
        await bob.say("Rude")
        rude = (await guest.frame())["Id"]
        await ada.ask("DELETE_MESSAGE", Id="msg_none")
        assert (await ada.frame())["Type"] == "MESSAGE"
        assert (await ada.error())[0] == 404
        await ada.ask("DELETE_MESSAGE", Id=rude)
        gone = await guest.frame()
        assert (gone["Type"], gone["EventName"], gone["Attributes"]["MessageID"]) == (
            "EVENT",
            "aws:DELETE_MESSAGE",
            rude,
        )
        await ada.ask("DISCONNECT_USER", UserId=chat.bob.id)
        assert (await guest.frame())["EventName"] == "aws:DISCONNECT_USER"
        assert await bob.said() == "Rude"
        assert [(await bob.frame())["EventName"] for _ in range(2)] == ["aws:DELETE_MESSAGE", "aws:DISCONNECT_USER"]
        assert await bob.ended() == 1000
    async with chat.sits(chat.bob) as back:
        await back.say("Sorry")
        assert await back.said() == "Sorry"


async def test_a_ban_ends_open_connections_and_lasts(chat: Chat) -> None:
    """Also for tokens that were given before."""
    kept = chat.token(chat.bob)
    async with chat.sits(chat.bob) as first, chat.sits(chat.bob) as second:
        chat.ada.http.put(f"/v1/streams/{chat.stream}/chat-bans/{chat.bob.id}").raise_for_status()
        for seat in (first, second):
            assert (await seat.frame())["EventName"] == "aws:DISCONNECT_USER"
            assert await seat.ended() == 1000
    again = Seat(await chat.connect(kept))
    await again.say("Me again", "1")
    assert await again.error() == (406, "1")
    async with chat.sits(chat.bob) as reader:
        await reader.say("Me again", "2")
        assert await reader.error() == (403, "2")
    await again.socket.close()


async def test_slow_mode_holds_over_all_connections_of_one(chat: Chat) -> None:
    rules = {"slow_mode_s": 600}
    chat.ada.http.patch(f"/v1/streams/{chat.stream}/chat-rules", json=rules).raise_for_status()
    async with AsyncExitStack() as stack:
        bobs = [await stack.enter_async_context(chat.sits(chat.bob)) for _ in range(5)]
        await asyncio.gather(*(seat.say("First!", str(number)) for number, seat in enumerate(bobs)))
        first = [await seat.frame() for seat in bobs]
        others = {number: await seat.frame() for number, seat in enumerate(bobs) if first[number]["Type"] == "ERROR"}
        won = {frame["RequestId"] for frame in (*first, *others.values()) if frame["Type"] == "MESSAGE"}
        assert len(won) == 1
        for number, seat in enumerate(bobs):
            if number not in others and str(number) not in won:
                others[number] = await seat.frame()
        refused = [frame for number in others for frame in (first[number], others[number]) if frame["Type"] == "ERROR"]
        assert [frame["ErrorCode"] for frame in refused] == [406] * 4
        assert {frame["RequestId"] for frame in refused} | won == {str(number) for number in range(5)}


async def test_ten_frames_of_a_connection_are_dealt_with_in_ten_seconds(chat: Chat) -> None:
    """However they look; who goes on regardless is cut off, and nobody else notices."""
    async with chat.sits(chat.bob) as bob, chat.sits(chat.ada) as ada:
        for number in range(12):
            await bob.say(f"Hi {number}", str(number))
        frames = [await bob.frame() for _ in range(12)]
        assert [frame["Content"] for frame in frames if frame["Type"] == "MESSAGE"] == [f"Hi {n}" for n in range(10)]
        errors = [frame for frame in frames if frame["Type"] == "ERROR"]
        assert [(frame["ErrorCode"], frame["RequestId"]) for frame in errors] == [(429, "10"), (429, "11")]
        for _ in range(120):
            await bob.socket.send_str("garbage")
        while (message := await bob.socket.receive(PATIENCE_S)).type is WSMsgType.TEXT:
            assert json.loads(message.data)["ErrorCode"] == 429
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1008)
        await ada.say("Still here")
        assert [await ada.said() for _ in range(11)][-1] == "Still here"


@pytest.mark.parametrize(
    "garbage",
    [
        "", "hello", "[]", "null", "{}", '{"Action": 7}', '{"Action":"SEND_MESSAGE","Content":{}}', "[" * 8000,
        '{"Action":"SEND_MESSAGE","Content":"\\ud800"}', "\u202e", '{"Action":"SEND_MESSAGE","Content":""}',
        '{"Action":"DELETE_MESSAGE","Id":"%s"}' % ("x" * 7000),
    ],
)  # fmt: skip
async def test_garbage_is_answered_with_an_error(chat: Chat, garbage: str) -> None:
    """And the connection goes on."""
    async with chat.sits(chat.ada) as ada:
        await ada.socket.send_str(garbage)
        assert (await ada.error())[0] in {400, 404, 406}
        await ada.say("Fine")
        assert await ada.said() == "Fine"


async def test_a_frame_that_is_too_large_or_no_text_ends_a_connection(chat: Chat) -> None:
    async with chat.sits(chat.bob) as bob, chat.sits() as guest:
        await bob.socket.send_str("x" * 10_000)
        assert await bob.ended() == 1009
        async with chat.sits(chat.bob) as again:
            await again.socket.send_bytes(b"\x00\xff")
            assert (await again.error())[0] == 400
            await again.say("Hi")
            assert await again.said() == await guest.said() == "Hi"


async def test_a_token_lets_one_connection_in(chat: Chat) -> None:
    """None lets in that was used, is over, was changed, is for something else, or is none."""
    token = chat.token(chat.bob)
    seat = Seat(await chat.connect(token))
    other = chat.token(chat.bob)
    for wrong in (token, other[:-4] + "AAAA", other[4:], "x", chat.bob.http.headers["Authorization"][7:]):
        assert await chat.refused(wrong) == 403
    with pytest.raises(WSServerHandshakeError):
        await chat.session.ws_connect(f"{chat.server.url}/v1/chat")
    await seat.say("Hi")
    assert await seat.said() == "Hi"
    await seat.socket.close()
    chat.ada.http.post("/v1/dev/clock/advance", json={"seconds": 60}).raise_for_status()
    assert await chat.refused(other) == 403


async def test_a_stream_that_is_removed_takes_its_chat_along(chat: Chat) -> None:
    async with chat.sits(chat.bob) as bob:
        chat.ada.http.delete(f"/v1/streams/{chat.stream}").raise_for_status()
        assert await bob.ended() == 1000


async def test_who_vanishes_harms_nobody(chat: Chat) -> None:
    """Without a word, while others talk."""
    async with chat.sits(chat.ada) as ada:
        for number in range(5):
            gone = await chat.connect(chat.token())
            transport = gone._writer.transport
            transport.abort()
            await ada.say(f"Hi {number}")
            assert await ada.said() == f"Hi {number}"
    assert "Traceback" not in (chat.server.log.read_text() if chat.server.log.exists() else "")


async def test_a_server_that_stops_lets_everyone_go(tmp_path: Path) -> None:
    """At once, and in good order."""
    with Server(tmp_path / "data").running() as server:
        async with chatting(server) as chat, chat.sits(chat.bob) as bob, chat.sits() as guest:
            stopped = asyncio.create_task(asyncio.to_thread(server.stop))
            assert await bob.ended() is not None
            assert await guest.ended() is not None
            assert await asyncio.wait_for(stopped, 10) == 0


async def test_everyone_sees_the_same_order_in_every_process(servers: Server) -> None:
    """Of what twenty people say at once, on two processes; and a ban reaches both."""
    async with chatting(servers) as chat, AsyncExitStack() as stack:
        bobs = [await stack.enter_async_context(chat.sits(chat.bob)) for _ in range(20)]
        guests = [await stack.enter_async_context(chat.sits()) for _ in range(10)]
        await asyncio.gather(
            *(seat.say(f"{at} {n}") for at, seat in enumerate(bobs) for n in range(5))
        )  # fmt: skip
        heard = [[await seat.said() for _ in range(100)] for seat in (*bobs, *guests)]
        assert sorted(heard[0]) == sorted(f"{at} {n}" for at in range(20) for n in range(5))
        assert all(each == heard[0] for each in heard)
        for at in range(20):
            assert [text for text in heard[0] if text.startswith(f"{at} ")] == [f"{at} {n}" for n in range(5)]
        chat.ada.http.put(f"/v1/streams/{chat.stream}/chat-bans/{chat.bob.id}").raise_for_status()
        for seat in bobs:
            assert (await seat.frame())["EventName"] == "aws:DISCONNECT_USER"
            assert await seat.ended() == 1000
        for seat in guests:
            assert (await seat.frame())["Attributes"]["UserId"] == chat.bob.id


async def test_a_token_lets_one_connection_in_of_all_processes(servers: Server) -> None:
    async with chatting(servers) as chat:
        token = chat.token(chat.bob)
        socket = await chat.connect(token)
        assert [await chat.refused(token) for _ in range(10)] == [403] * 10
        await socket.close()


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_thousand_in_a_room_all_get_every_message(tmp_path: Path, workers: str) -> None:
    with Server(tmp_path / "data", {"HEXCAST_WORKERS": workers}).running() as server:
        async with chatting(server) as chat, AsyncExitStack() as stack:

            async def seated() -> Seat:
                async with chat.session.post(f"{server.url}/v1/streams/{chat.stream}/chat-tokens") as answer:
                    token = (await answer.json())["token"]
                socket = await chat.connect(token)
                stack.push_async_callback(socket.close)
                return Seat(socket)

            ada = await stack.enter_async_context(chat.sits(chat.ada))
            crowd: list[Seat] = []
            for _ in range(CROWD // 50):
                crowd += await asyncio.gather(*(seated() for _ in range(50)))

            async def read(seat: Seat) -> list[str]:
                return [await seat.said() for _ in range(10)]

            texts = [f"Goal {number}!" for number in range(10)]
            for text in texts:
                await ada.say(text)
            assert await asyncio.gather(*map(read, crowd)) == [texts] * CROWD
