"""Every call to IVS Chat, refused, cut or with its answer lost: it fails cleanly, and a second try does all of it, once.
Besides, what our chat makes of rooms that others made or deleted.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import evolve, frozen

from adapters.aws.dynamo import Tables
from adapters.aws.ivschat import IvsChat, RoomSettings
from adapters.system import Clock, Ulids
from application.ports import Chatter, ChatToken
from domain.chat import Standing
from domain.errors import Unavailable
from domain.ids import MessageId, UserId
from domain.streams import Stream
from tests.cloud import direct
from tests.cloud.faults import RETRIES, Fault, failing, faults
from tests.cloud.test_media_faults import tried
from tests.cloud.world import World, client, world
from tests.contract.test_chat import REVIEW
from tests.contract.test_streams import FIRST

ANN = Chatter(UserId("usr_ann"), "Ann", Standing.VIEWER)
MESSAGE = MessageId("AbCdEfGhIjKl")


@frozen
class House:
    """An account with rooms in it."""

    world: World
    client: Any
    tables: Tables
    settings: RoomSettings

    def chat(self, through: Any = None, once: Any = None) -> IvsChat:
        """As another environment has it: it remembers nothing."""
        via = through or self.client
        return IvsChat(via, self.tables, self.settings, Ulids(Clock().now), once=once or via)

    async def rooms(self) -> list[dict[str, Any]]:
        return list((await self.client.list_rooms())["rooms"])


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with world() as here, direct.tables() as tables:
        settings = RoomSettings(env=here.account, review=REVIEW, url="wss://chat.test")
        yield House(here, await here.client("ivschat"), tables, settings)


def token(chat: IvsChat, stream: Stream = FIRST) -> Awaitable[ChatToken]:
    return chat.token(stream, ANN, frozenset())


@asynccontextmanager
async def breaking(house: House, fault: Fault, operation: str) -> AsyncIterator[IvsChat]:
    """The chat by way of the fault; what makes a room tries once."""
    times = 1 if operation == "CreateRoom" else fault.times
    with failing(fault.make("ivschat", operation, times)) as at:
        async with (
            client("ivschat", house.world.account, url=at.url, retries=RETRIES) as through,
            client("ivschat", house.world.account, url=at.url) as once,
        ):
            yield house.chat(through, once)
        assert at.fired() == [operation] * times


@faults("ivschat", "ListRooms", "CreateRoom", "CreateChatToken")
async def test_there_is_one_room_and_a_token_for_it(house: House, fault: Fault, operation: str) -> None:
    async with breaking(house, fault, operation) as chat:
        assert (await tried(lambda: token(chat))).token
    assert len(await house.rooms()) == 1


ASKED: Mapping[str, Callable[[IvsChat], Awaitable[None]]] = {
    "DeleteMessage": lambda chat: chat.delete(FIRST, MESSAGE),
    "DisconnectUser": lambda chat: chat.disconnect(FIRST, UserId("usr_ann")),
    "DeleteRoom": lambda chat: chat.close(FIRST.id),
}


@faults("ivschat", *ASKED)
async def test_ivs_chat_is_asked_again(house: House, fault: Fault, operation: str) -> None:
    await token(house.chat())
    async with breaking(house, fault, operation) as chat:
        await tried(lambda: ASKED[operation](chat))
    assert len(await house.rooms()) == (0 if operation == "DeleteRoom" else 1)


async def test_a_room_is_made_as_our_rules_need_it(house: House) -> None:
    """Its function is asked, and without its word nothing is shown."""
    await token(house.chat())
    (room,) = await house.rooms()
    assert room["name"] == f"{house.settings.env}-{FIRST.id}"
    assert room["tags"] == {"hexcast": house.settings.env}
    assert room["messageReviewHandler"] == {"uri": REVIEW, "fallbackResult": "DENY"}
    whole = await house.client.get_room(identifier=room["arn"])
    assert (whole["maximumMessageLength"], whole["maximumMessageRatePerSecond"]) == (500, 100)


async def test_of_many_who_come_first_one_makes_the_room(house: House) -> None:
    """What others made meanwhile is gone again; and it is found again."""
    assert len(await asyncio.gather(*(token(house.chat()) for _ in range(5)))) == 5
    (room,) = await house.rooms()
    await token(house.chat())
    assert [each["arn"] for each in await house.rooms()] == [room["arn"]]


async def test_a_room_that_somebody_deleted_is_made_again(house: House) -> None:
    """And what is done in it until then has no effect."""
    chat = house.chat()
    await token(chat)
    (room,) = await house.rooms()
    await house.client.delete_room(identifier=room["arn"])
    await chat.delete(FIRST, MESSAGE)
    await chat.disconnect(FIRST, UserId("usr_ann"))
    await token(chat)
    (other,) = await house.rooms()
    assert other["arn"] != room["arn"]


async def test_a_message_of_another_house_is_not_taken_away(house: House) -> None:
    """IVS would not know its id, and takes none of its kind."""
    chat = house.chat()
    await token(chat)
    await chat.delete(FIRST, MessageId("msg_01KDWPVNG07CXD9QNHZBSBGHJZ"))


async def test_without_a_function_to_ask_there_is_no_chat(house: House) -> None:
    with pytest.raises(Unavailable) as refused:
        await token(evolve(house, settings=evolve(house.settings, review="")).chat())
    assert refused.value.code == "no_chat"
    assert await house.rooms() == []
