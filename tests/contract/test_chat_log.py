"""Any ChatLog behaves like a dict of messages and one of bans, and lets nobody say two things within a pause."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from adapters.cursors import encoded
from application.ports import ChatLog
from domain.chat import Ban, Message
from domain.errors import Conflict, Invalid, NotFound
from domain.ids import MessageId, StreamId, UserId
from tests.contract.machine import WalkingMachine, run, walked
from tests.strategies import START, STREAM_IDS, USER_IDS, bans, message_ids, messages, stream_ids, user_ids
from tests.worlds import CHAT_LOGS, Opener

openers = pytest.mark.parametrize("opener", [opener for _, opener in CHAT_LOGS], ids=[name for name, _ in CHAT_LOGS])

ANN, BEN = UserId("usr_ann"), UserId("usr_ben")
CATS, DOGS = StreamId("str_cats"), StreamId("str_dogs")
SECOND = timedelta(seconds=1)
END = START + timedelta(days=1)
PAUSE = timedelta(seconds=3)

pauses = st.sampled_from([timedelta(), timedelta(seconds=1), PAUSE])
moments = st.integers(0, 5).map(lambda seconds: START + timedelta(seconds=seconds))


def said(number: int, seconds: float, *, by: UserId = ANN, stream: StreamId = CATS) -> Message:
    return Message(
        id=MessageId(f"msg_{number}"), stream=stream, author=by, name="Somebody", text=f"Meow {number}",
        at=START + seconds * SECOND,
    )  # fmt: skip


def order(message: Message) -> tuple[datetime, str]:
    return message.at, message.id


class ChatMachine(WalkingMachine):
    port: ChatLog

    def __init__(self) -> None:
        super().__init__()
        self.bans: dict[tuple[StreamId, UserId], Ban] = {}
        self.spoke: dict[tuple[StreamId, UserId], datetime] = {}

    @rule(message=messages(), pause=pauses)
    def add(self, message: Message, pause: timedelta) -> None:
        who = message.stream, message.author
        known = (message.stream, message.id) in self.model
        if not known and pause and who in self.spoke and message.at < self.spoke[who] + pause:
            assert self.refused(self.port.add(message, pause), Conflict).code == "chat_slow_mode"
            return
        self.do(self.port.add(message, pause))
        if not known:
            self.model[message.stream, message.id] = message
            if pause:
                self.spoke[who] = message.at

    @rule(stream=stream_ids, message=message_ids)
    def remove(self, stream: StreamId, message: MessageId) -> None:
        if (stream, message) in self.model:
            removed = self.model[stream, message] = self.model[stream, message].remove()
            self.do(self.port.put(removed))

    @rule(message=messages())
    def put_what_is_not_there(self, message: Message) -> None:
        if (message.stream, message.id) not in self.model:
            self.do(self.port.put(message))

    @rule(ban=bans())
    def ban(self, ban: Ban) -> None:
        self.do(self.port.ban(ban))
        self.bans[ban.stream, ban.user] = ban

    @rule(stream=stream_ids, user=user_ids)
    def lift(self, stream: StreamId, user: UserId) -> None:
        self.do(self.port.lift(stream, user))
        self.bans.pop((stream, user), None)

    @rule(stream=stream_ids, limit=st.integers(1, 3))
    def forget(self, stream: StreamId, limit: int) -> None:
        """All of it, in however many steps."""
        while self.do(self.port.forget(stream, limit)):
            pass
        for kept in (self.model, self.bans, self.spoke):
            for key in [key for key in kept if key[0] == stream]:
                del kept[key]

    @rule(stream=stream_ids, since=moments, until=moments, newest=st.booleans())
    def walk_what_was_said(self, stream: StreamId, since: datetime, until: datetime, *, newest: bool) -> None:
        self.set_out(
            lambda cursor, limit: self.port.of_stream(stream, since, until, newest=newest, cursor=cursor, limit=limit),
            lambda: {each.id: each.at for each in self.between(stream, since, until)},
            lambda message: message.id,
        )

    @rule(stream=stream_ids)
    def walk_the_bans(self, stream: StreamId) -> None:
        self.set_out(
            lambda cursor, limit: self.port.bans(stream, cursor=cursor, limit=limit),
            lambda: {user: user for within, user in self.bans if within == stream},
            lambda ban: ban.user,
        )

    @invariant()
    def reads_as_the_model(self) -> None:
        self.do(self.compare())

    async def compare(self) -> None:
        for stream in STREAM_IDS:
            read: list[Any] = await walked(
                lambda cursor, limit, stream=stream: self.port.of_stream(  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
                    stream, START, END, cursor=cursor, limit=limit
                ),
                3,
            )
            assert read == self.between(stream, START, END)
            back = await self.port.of_stream(stream, START, END, newest=True, limit=99)
            assert list(back.items) == read[::-1]
            for message in read:
                assert await self.port.get(stream, message.id) == message
            here = sorted(user for within, user in self.bans if within == stream)
            assert (await self.port.bans(stream, limit=9)).items == [self.bans[stream, user] for user in here]
            for user in USER_IDS:
                assert await self.port.banned(stream, user) is ((stream, user) in self.bans)

    def between(self, stream: StreamId, since: datetime, until: datetime) -> list[Message]:
        here = (each for (within, _), each in self.model.items() if within == stream and since <= each.at < until)
        return sorted(here, key=order)


@openers
def test_behaves_like_a_dict_of_messages(opener: Opener[ChatLog]) -> None:
    """Whatever is done in whatever order, reads, lists, walks and refusals are the model's."""
    run(ChatMachine, opener)


@openers
async def test_what_is_said_twice_is_kept_once(opener: Opener[ChatLog]) -> None:
    """As it was first, whatever the pause is."""
    async with opener() as opened:
        for pause in (timedelta(), PAUSE, PAUSE):
            await opened.port.add(said(1, 0), pause)
        await opened.port.add(evolve(said(1, 0), text="Woof"), timedelta())
        assert (await opened.port.of_stream(CATS, START, END)).items == [said(1, 0)]
        assert await opened.port.get(CATS, MessageId("msg_1")) == said(1, 0)
        for stream, message in ((DOGS, "msg_1"), (CATS, "msg_2"), (CATS, "x" * 3000)):
            with pytest.raises(NotFound):
                await opened.port.get(stream, MessageId(message))


@openers
async def test_slow_mode_is_for_each_by_themselves(opener: Opener[ChatLog]) -> None:
    """And for each chat; the pause begins with what was said last, and is over after its very length."""
    async with opener() as opened:
        add = opened.port.add
        await add(said(1, 0), PAUSE)
        await add(said(2, 0, by=BEN), PAUSE)
        await add(said(3, 0, stream=DOGS), PAUSE)
        for seconds in (0, 2.999999):
            with pytest.raises(Conflict) as refused:
                await add(said(4, seconds), PAUSE)
            assert refused.value.code == "chat_slow_mode"
        await add(said(5, 3), PAUSE)
        with pytest.raises(Conflict):
            await add(said(6, 5.9), PAUSE)
        await add(said(7, 5.9), timedelta())
        assert [each.id for each in (await opened.port.of_stream(CATS, START, END)).items] == [
            "msg_1", "msg_2", "msg_5", "msg_7",
        ]  # fmt: skip


@openers
async def test_without_a_pause_the_order_of_clocks_does_not_matter(opener: Opener[ChatLog]) -> None:
    """Processes' clocks differ a little: what comes later may be of earlier."""
    async with opener() as opened:
        await opened.port.add(said(1, 1), timedelta())
        await opened.port.add(said(2, 0), timedelta())
        assert [each.id for each in (await opened.port.of_stream(CATS, START, END)).items] == ["msg_2", "msg_1"]


@openers
async def test_of_many_at_once_slow_mode_lets_one_through(opener: Opener[ChatLog]) -> None:
    """Of each author; and nothing is kept of the others."""
    async with opener() as opened:
        authors = [UserId(f"usr_{number}") for number in range(5)]
        tried = [said(number, 0.001 * number, by=authors[number % 5]) for number in range(40)]
        answers = await asyncio.gather(*(opened.port.add(each, PAUSE) for each in tried), return_exceptions=True)
        assert [type(answer) for answer in answers if answer] == [Conflict] * 35
        kept = (await opened.port.of_stream(CATS, START, END, limit=100)).items
        assert kept == [each for each, answer in zip(tried, answers, strict=True) if answer is None]
        assert {each.author for each in kept} == set(authors)


@openers
async def test_a_time_ends_before_its_end(opener: Opener[ChatLog]) -> None:
    """What was said at its beginning belongs to it."""
    async with opener() as opened:
        for number in range(4):
            await opened.port.add(said(number, number), timedelta())
        page = await opened.port.of_stream(CATS, START + SECOND, START + 3 * SECOND)
        assert [each.id for each in page.items] == ["msg_1", "msg_2"]
        assert page.next is None
        page = await opened.port.of_stream(CATS, START + SECOND, START + 3 * SECOND, newest=True)
        assert [each.id for each in page.items] == ["msg_2", "msg_1"]
        assert page.next is None


@openers
async def test_a_cursor_of_another_list_is_refused(opener: Opener[ChatLog]) -> None:
    async with opener() as opened:
        await opened.port.add(said(1, 0), timedelta())
        await opened.port.ban(Ban(stream=CATS, user=ANN, by=BEN, at=START))
        for cursor in ("x", encoded((1,))):
            for newest in (False, True):
                with pytest.raises(Invalid):
                    await opened.port.of_stream(CATS, START, END, newest=newest, cursor=cursor)
            with pytest.raises(Invalid):
                await opened.port.bans(CATS, cursor=cursor)


@openers
async def test_nobody_of_any_name_can_be_let_in_again(opener: Opener[ChatLog]) -> None:
    """What a client says is an id may be any text."""
    async with opener() as opened:
        await opened.port.lift(CATS, UserId("x" * 3000))
        assert not await opened.port.banned(CATS, UserId("x" * 3000))
