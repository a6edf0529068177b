"""Getting into a chat, saying something, and keeping order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from attrs import frozen

from application.ports import ChatToken
from domain.access import ANONYMOUS, Actor, Role
from domain.broadcasts import Session, SessionStatus, Timeline
from domain.channels import CommentPolicy, Hold, Member
from domain.chat import Capability, Message, Standing
from domain.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, Unauthenticated, VersionMismatch
from domain.ids import ChannelId, MessageId, StreamId, StreamSessionId, UserId
from domain.videos import Visibility
from tests.application.stage import Stage, staged

SECOND = timedelta(seconds=1)


@frozen
class Room:
    """A stream of ann's; mona moderates, ben looks on."""

    stage: Stage
    channel: ChannelId
    stream: StreamId
    ann: Actor
    mona: Actor
    ben: Actor
    staff: Actor

    async def says(self, who: Actor, text: str, number: int = 1) -> Message:
        return await self.stage.core.say_in_chat()(self.stream, who.require_user(), MessageId(f"msg_{number}"), text)

    async def refused(self, who: Actor, text: str = "Hi", number: int = 1) -> str:
        with pytest.raises(DomainError) as refused:
            await self.says(who, text, number)
        return refused.value.code

    async def token(self, who: Actor) -> ChatToken:
        return await self.stage.core.open_chat()(who, self.stream)

    async def rules(self, **changes: Any) -> None:
        await self.stage.core.edit_chat()(self.ann, self.stream, **changes)

    async def hidden(self) -> None:
        await self.stage.core.edit_stream()(self.ann, self.stream, visibility=Visibility.PRIVATE)

    async def kept(self) -> list[str]:
        now = self.stage.clock.now()
        page = await self.stage.adapters.chat_log().of_stream(self.stream, now - timedelta(days=9), now + SECOND)
        return [each.text for each in page.items]

    async def broadcast(self) -> StreamSessionId:
        """One that begins now."""
        session = Session(
            id=StreamSessionId("brc_1"), stream=self.stream, started_at=self.stage.clock.now(), status=SessionStatus.LIVE,
        )  # fmt: skip
        timeline = Timeline(stream=self.stream, channel=self.channel, as_of=self.stage.clock.now())
        await self.stage.adapters.broadcasts().save(timeline, [session])
        return session.id

    @asynccontextmanager
    async def sits(self, who: Actor) -> AsyncIterator[AsyncIterator[str]]:
        door = self.stage.adapters.chat_door()
        async with door.join(await door.seat((await self.token(who)).token)) as frames:
            yield frames


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    async with staged() as stage:
        ann, mona, ben = [await stage.person(name) for name in ("ann", "mona", "ben")]
        staff = await stage.person("mick", Role.MODERATOR)
        channel = await stage.channel(
            ann, policy=CommentPolicy(hold=Hold.LINKS, words=("spam",)), members={mona.require_user(): Member.MODERATOR}
        )
        card = await stage.core.create_stream()(ann, channel, title="Cats, live")
        yield Room(stage, channel, card.stream.id, ann, mona, ben, staff)


async def test_a_token_says_who_comes_and_what_they_may(room: Room) -> None:
    """Whoever moderates may do all, whoever is signed in may write, all others read under no name."""
    everything = frozenset(Capability)
    writes = frozenset({Capability.SEND_MESSAGE})
    nothing = frozenset[Capability]()
    for who, name, standing, may in (
        (room.ann, "Ann", Standing.OWNER, everything), (room.mona, "Mona", Standing.MODERATOR, everything),
        (room.staff, "Mick", Standing.MODERATOR, everything), (room.ben, "Ben", Standing.VIEWER, writes),
        (ANONYMOUS, "", Standing.VIEWER, nothing),
    ):  # fmt: skip
        token = await room.token(who)
        seat = await room.stage.adapters.chat_door().seat(token.token)
        assert token.capabilities == seat.may == may
        assert (seat.stream, seat.who.user, seat.who.name, seat.who.standing) == (room.stream, who.user, name, standing)
        assert token.expires_at == seat.until == room.stage.clock.now() + timedelta(minutes=1)


async def test_who_is_banned_may_read(room: Room) -> None:
    await room.stage.core.ban_chatter()(room.mona, room.stream, room.ben.require_user())
    assert (await room.token(room.ben)).capabilities == frozenset()


async def test_a_stream_that_is_hidden_has_a_hidden_chat(room: Room) -> None:
    """Nothing is said in it, read, or taken away, but by who sees it."""
    session = await room.broadcast()
    said = await room.says(room.ben, "Meow")
    await room.hidden()
    core = room.stage.core
    for call in (
        lambda: room.token(room.ben),
        lambda: room.says(room.ben, "Hi", 2),
        lambda: core.remove_message()(room.ben, room.stream, said.id),
        lambda: core.replay_chat()(room.ben, session),
    ):
        with pytest.raises(NotFound):
            await call()
    assert (await room.token(room.ann)).capabilities
    assert (await room.says(room.mona, "Hi", 2)).text == "Hi"


async def test_nobody_joins_the_chat_of_a_stream_that_is_not_there(room: Room) -> None:
    for call in (
        lambda: room.stage.core.open_chat()(room.ann, StreamId("str_none")),
        lambda: room.stage.core.say_in_chat()(StreamId("str_none"), room.ann.require_user(), MessageId("msg_1"), "Hi"),
        lambda: room.stage.core.say_in_chat()(room.stream, UserId("usr_none"), MessageId("msg_1"), "Hi"),
    ):
        with pytest.raises(NotFound):
            await call()


async def test_whoever_was_signed_in_and_is_no_more_does_not_get_in(room: Room) -> None:
    """Their account is closed; nobody joins in their name."""
    await room.stage.core.close_account()(room.ben)
    with pytest.raises(Unauthenticated):
        await room.token(room.ben)


async def test_what_is_said_is_kept_with_who_said_it(room: Room) -> None:
    """As they were called then, tidied, once."""
    said = await room.says(room.mona, "  Hello\n there ")
    assert said == Message(
        id=MessageId("msg_1"), stream=room.stream, author=room.mona.require_user(), name="Mona",
        standing=Standing.MODERATOR, text="Hello there", at=room.stage.clock.now(),
    )  # fmt: skip
    room.stage.clock.advance(SECOND)
    await room.says(room.mona, "Hello again")
    assert await room.stage.adapters.chat_log().get(room.stream, said.id) == said


async def test_words_and_links_are_those_of_the_channels_comments(room: Room) -> None:
    """For viewers; whoever moderates may say them. Nothing is kept of what is refused."""
    assert await room.refused(room.ben, "SPAM") == "chat_words"
    assert await room.refused(room.ben, "go to www.cats.example/nap") == "chat_words"
    assert (await room.says(room.mona, "no spam please")).text == "no spam please"
    assert await room.kept() == ["no spam please"]


async def test_slow_mode_makes_viewers_wait(room: Room) -> None:
    """Each for themselves, from their own last message on; those who moderate do not wait."""
    await room.rules(slow_mode_s=5)
    await room.says(room.ben, "one", 1)
    room.stage.clock.advance(4 * SECOND)
    assert await room.refused(room.ben, "two", 2) == "chat_slow_mode"
    cho = await room.stage.person("cho")
    await room.says(cho, "mine", 3)
    room.stage.clock.advance(SECOND)
    await room.says(room.ben, "two", 4)
    for number in range(5, 8):
        await room.says(room.mona, "order", number)
    assert await room.kept() == ["one", "mine", "two", *["order"] * 3]


async def test_a_chat_may_be_for_subscribers(room: Room) -> None:
    """And for those who moderate."""
    await room.rules(followers_only=True)
    assert await room.refused(room.ben) == "chat_followers_only"
    await room.stage.follows(room.ben, room.channel)
    await room.says(room.ben, "Hi", 1)
    await room.says(room.mona, "Hi", 2)
    await room.stage.core.unsubscribe()(room.ben, room.channel)
    assert await room.refused(room.ben, "Hi", 3) == "chat_followers_only"


async def test_in_a_chat_that_is_off_nobody_says_anything(room: Room) -> None:
    await room.rules(enabled=False)
    for who in (room.ann, room.ben):
        assert await room.refused(who) == "chat_disabled"
    assert (await room.token(room.ann)).capabilities == frozenset()
    await room.rules(enabled=True)
    await room.says(room.ben, "Hi")


async def test_rules_are_changed_by_who_moderates(room: Room) -> None:
    """On the version they saw, if they say so."""
    edit = room.stage.core.edit_chat()
    stream = await edit(room.mona, room.stream, slow_mode_s=10)
    assert stream.chat.slow_mode_s == 10
    with pytest.raises(VersionMismatch):
        await edit(room.mona, room.stream, slow_mode_s=20, version=stream.version - 1)
    assert (await edit(room.ann, room.stream, followers_only=True, version=stream.version)).chat.slow_mode_s == 10
    with pytest.raises(Invalid):
        await edit(room.ann, room.stream, slow_mode_s=-1)
    for who, error in ((room.ben, Forbidden), (ANONYMOUS, Unauthenticated)):
        with pytest.raises(error):
            await edit(who, room.stream, enabled=False)


async def test_a_message_is_removed_by_its_author_and_by_who_moderates(room: Room) -> None:
    """Everyone who is there is told to take it away, and nobody sees later what it said; again changes nothing."""
    for number, who in enumerate((room.ben, room.mona, room.ann, room.staff)):
        await room.says(room.ben, "Meow", number)
        async with room.sits(ANONYMOUS) as frames:
            for _ in range(2):
                await room.stage.core.remove_message()(who, room.stream, MessageId(f"msg_{number}"))
                assert f'"MessageID":"msg_{number}"' in await anext(frames)
    assert await room.kept() == [""] * 4


async def test_a_message_is_removed_by_nobody_else(room: Room) -> None:
    said = await room.says(room.ben, "Meow")
    remove = room.stage.core.remove_message()
    cho = await room.stage.person("cho")
    for who, error in ((cho, Forbidden), (ANONYMOUS, Unauthenticated)):
        with pytest.raises(error):
            await remove(who, room.stream, said.id)
    with pytest.raises(NotFound):
        await remove(room.ann, room.stream, MessageId("msg_none"))
    assert await room.kept() == ["Meow"]


async def test_who_is_banned_says_nothing_more_until_it_is_lifted(room: Room) -> None:
    """And what connections they have end, after everyone was told."""
    ban = room.stage.core.ban_chatter()
    ben = room.ben.require_user()
    async with room.sits(room.ben) as theirs, room.sits(room.ben) as second, room.sits(ANONYMOUS) as others:
        await ban(room.mona, room.stream, ben)
        for frames in (theirs, second):
            assert "aws:DISCONNECT_USER" in await anext(frames)
            assert [frame async for frame in frames] == []
        assert f'"UserId":"{ben}"' in await anext(others)
        await room.says(room.mona, "Order!", 7)
    assert await room.refused(room.ben, "Hi") == "chat_banned"
    await ban(room.ann, room.stream, ben)
    page = await ban.list(room.mona, room.stream)
    assert [(each.user, each.by, user and user.handle) for each, user in page.items] == [
        (ben, room.ann.require_user(), "ben")
    ]
    await ban.lift(room.mona, room.stream, ben)
    await ban.lift(room.mona, room.stream, ben)
    await room.says(room.ben, "Hi")
    assert (await ban.list(room.mona, room.stream)).items == []


async def test_bans_are_listed_page_by_page_also_of_people_who_are_gone(room: Room) -> None:
    ban = room.stage.core.ban_chatter()
    people = [await room.stage.person(f"rude_{number}") for number in range(3)]
    for who in people:
        await ban(room.mona, room.stream, who.require_user())
    await room.stage.core.close_account()(people[0])
    await room.stage.settle()
    first = await ban.list(room.ann, room.stream, limit=2)
    rest = await ban.list(room.ann, room.stream, cursor=first.next, limit=2)
    assert [each.user for each, _ in (*first.items, *rest.items)] == sorted(who.require_user() for who in people)
    assert rest.next is None


async def test_members_of_the_channel_are_not_banned_nor_nobody(room: Room) -> None:
    ban = room.stage.core.ban_chatter()
    for member in (room.ann, room.mona):
        with pytest.raises(Conflict) as refused:
            await ban(room.ann, room.stream, member.require_user())
        assert refused.value.code == "cannot_ban"
    with pytest.raises(NotFound):
        await ban(room.ann, room.stream, UserId("usr_none"))


async def test_who_is_sent_away_may_come_back(room: Room) -> None:
    send_away = room.stage.core.ban_chatter().send_away
    async with room.sits(room.ben) as frames:
        await send_away(room.mona, room.stream, room.ben.require_user())
        assert len([frame async for frame in frames]) == 1
    async with room.sits(room.ben):
        assert (await room.says(room.ben, "Back")).text == "Back"


async def test_order_is_kept_by_who_moderates_only(room: Room) -> None:
    ban = room.stage.core.ban_chatter()
    cho = (await room.stage.person("cho")).require_user()
    for who, error in ((room.ben, Forbidden), (ANONYMOUS, Unauthenticated)):
        for call in (ban, ban.send_away, ban.lift):
            with pytest.raises(error):
                await call(who, room.stream, cho)
        with pytest.raises(error):
            await ban.list(who, room.stream)
    assert await room.stage.adapters.chat_log().banned(room.stream, cho) is False


async def test_what_was_said_is_replayed_beside_the_recording(room: Room) -> None:
    """Oldest first, by when it was said after the broadcast began, without what was removed; what was said just before
    it comes too, and long before it not.
    """
    clock, core = room.stage.clock, room.stage.core
    await room.says(room.ben, "long before", 1)
    clock.advance(timedelta(hours=1))
    await room.says(room.ben, "just before", 2)
    clock.advance(2 * SECOND)
    session = await room.broadcast()
    for number, text in enumerate(("one", "two", "three"), 3):
        clock.advance(1.5 * SECOND)
        await room.says(room.ben, text, number)
    await core.remove_message()(room.mona, room.stream, MessageId("msg_4"))
    page = await core.replay_chat()(ANONYMOUS, session)
    assert [(each.message.text, each.offset_s) for each in page.items] == [
        ("just before", -2.0), ("one", 1.5), ("three", 4.5),
    ]  # fmt: skip
    assert page.next is None
    seen: list[str] = []
    cursor = None
    while True:
        page = await core.replay_chat()(ANONYMOUS, session, cursor=cursor, limit=1)
        seen += [each.message.text for each in page.items]
        if (cursor := page.next) is None:
            break
    assert seen == ["just before", "one", "three"]
    latest = await core.replay_chat()(ANONYMOUS, session, newest=True, limit=1)
    assert [(each.message.text, each.offset_s) for each in latest.items] == [("three", 4.5)]
    with pytest.raises(NotFound):
        await core.replay_chat()(ANONYMOUS, StreamSessionId("brc_none"))


async def test_nothing_is_left_of_the_chat_of_a_stream_that_is_removed(room: Room) -> None:
    """Nor is anybody in it."""
    await room.rules(slow_mode_s=5)
    await room.says(room.ben, "Meow")
    await room.stage.core.ban_chatter()(room.ann, room.stream, room.ben.require_user())
    async with room.sits(ANONYMOUS) as frames:
        await room.stage.core.remove_stream()(room.ann, room.stream)
        assert all(each.error is None for each in await room.stage.settle())
        assert [frame async for frame in frames] == []
    assert await room.kept() == []
    assert not await room.stage.adapters.chat_log().banned(room.stream, room.ben.require_user())
