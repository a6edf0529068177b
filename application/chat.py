"""Chat beside a stream: getting in, saying something, and keeping order. What was said is kept, for whoever watches later."""

from collections.abc import Mapping
from datetime import timedelta

from attrs import frozen

from application.broadcasts import ShowSessions
from application.identity import signed_in
from application.ports import (
    Broadcasts,
    Channels,
    Chat,
    ChatLog,
    Chatter,
    ChatToken,
    Now,
    Page,
    Streams,
    Subscriptions,
    Users,
)  # fmt: skip
from application.streams import Backstage
from domain.access import Actor
from domain.channels import Channel, Task
from domain.chat import Ban, Message, standing
from domain.errors import Conflict
from domain.identity import User
from domain.ids import MessageId, StreamId, StreamSessionId, UserId
from domain.streams import Stream


@frozen
class OpenChat:
    """Leave to join a stream's chat: for everyone who sees the stream to read, for who is signed in to write."""

    streams: Streams
    channels: Channels
    users: Users
    log: ChatLog
    chat: Chat

    async def __call__(self, actor: Actor, stream: StreamId) -> ChatToken:
        """Raises NotFound for whom the stream is hidden from."""
        stored = await self.streams.get(stream)
        channel = await self.channels.get(stored.channel)
        stored.audience(actor, channel)
        user = await signed_in(self.users, actor) if actor.user else None
        banned = user is not None and await self.log.banned(stream, user.id)
        may = stored.chat.capabilities(actor, channel, banned=banned)
        who = Chatter(user.id if user else None, user.display_name if user else "", standing(actor, channel))
        return await self.chat.token(stored, who, may)


@frozen
class SayInChat:
    """Whether a message may be said; if so, it is kept. Whoever runs the room shows it."""

    streams: Streams
    channels: Channels
    users: Users
    subscriptions: Subscriptions
    log: ChatLog
    now: Now

    async def __call__(self, stream: StreamId, user: UserId, message: MessageId, text: str) -> Message:
        """Saying the same message again changes nothing.

        Raises Invalid (``message_length``), Forbidden (``chat_banned``, ``chat_disabled``, ``chat_followers_only``,
        ``chat_words``), Conflict (``chat_slow_mode``), and NotFound for a stream or a person that is gone.
        """
        stored = await self.streams.get(stream)
        channel = await self.channels.get(stored.channel)
        author = await self.users.get(user)
        actor = Actor(author.id, author.roles)
        stored.audience(actor, channel)
        trusted = channel.allows(actor, Task.MODERATE)
        said = stored.chat.check(
            text,
            channel.comments,
            trusted=trusted,
            banned=await self.log.banned(stream, user),
            follows=not stored.chat.followers_only or await self._follows(author, channel),
        )
        kept = Message(
            id=message, stream=stream, author=user, name=author.display_name, standing=standing(actor, channel),
            text=said, at=self.now(),
        )  # fmt: skip
        await self.log.add(kept, timedelta(seconds=0 if trusted else stored.chat.slow_mode_s))
        return kept

    async def _follows(self, author: User, channel: Channel) -> bool:
        return await self.subscriptions.get(author.id, channel.id) is not None


@frozen
class RemoveMessage:
    """Take a message out of everyone's sight: its author, and whoever moderates here."""

    streams: Streams
    channels: Channels
    log: ChatLog
    chat: Chat

    async def __call__(self, actor: Actor, stream: StreamId, message: MessageId) -> None:
        """Doing it again changes nothing. Raises NotFound, Unauthenticated, Forbidden."""
        stored = await self.streams.get(stream)
        channel = await self.channels.get(stored.channel)
        stored.audience(actor, channel)
        found = await self.log.get(stream, message)
        if found.author != actor.require_user():
            channel.require(actor, Task.MODERATE)
        await self.log.put(found.remove())
        await self.chat.delete(stored, message)


@frozen
class BanChatter:
    """Someone may not write in a stream's chat any more, also not on connections they have."""

    backstage: Backstage
    channels: Channels
    users: Users
    log: ChatLog
    chat: Chat
    now: Now

    async def __call__(self, actor: Actor, stream: StreamId, user: UserId) -> None:
        """Raises Conflict (``cannot_ban``) for members of the channel, NotFound for who is not there."""
        stored = await self.backstage(actor, stream, Task.MODERATE)
        if (await self.channels.get(stored.channel)).role(user) is not None:
            raise Conflict("members of the channel are not banned", code="cannot_ban")
        await self.users.get(user)
        await self.log.ban(Ban(stream=stream, user=user, by=actor.require_user(), at=self.now()))
        await self.chat.disconnect(stored, user)

    async def send_away(self, actor: Actor, stream: StreamId, user: UserId) -> None:
        """End whatever connections they have; they may come back."""
        await self.chat.disconnect(await self.backstage(actor, stream, Task.MODERATE), user)

    async def lift(self, actor: Actor, stream: StreamId, user: UserId) -> None:
        await self.backstage(actor, stream, Task.MODERATE)
        await self.log.lift(stream, user)

    async def list(
        self, actor: Actor, stream: StreamId, *, cursor: str | None = None, limit: int = 20
    ) -> Page[tuple[Ban, User | None]]:
        """Who is banned, in the order of their ids."""
        await self.backstage(actor, stream, Task.MODERATE)
        page = await self.log.bans(stream, cursor=cursor, limit=limit)
        users: Mapping[UserId, User] = await self.users.many([each.user for each in page.items])
        return Page([(each, users.get(each.user)) for each in page.items], page.next)


@frozen
class EditChat:
    """Change the rules of a stream's chat."""

    backstage: Backstage
    now: Now

    async def __call__(
        self, actor: Actor, stream: StreamId, *, enabled: bool | None = None, slow_mode_s: int | None = None,
        followers_only: bool | None = None, version: int | None = None,
    ) -> Stream:  # fmt: skip
        """By who moderates here. Raises VersionMismatch."""

        def change(stored: Stream) -> Stream:
            return stored.with_chat(
                stored.chat.edit(enabled=enabled, slow_mode_s=slow_mode_s, followers_only=followers_only)
            )

        return await self.backstage.change(actor, stream, change, self.now, version, task=Task.MODERATE)


@frozen
class Replayed:
    """A message of a broadcast, and how many seconds into its recording it was said."""

    message: Message
    offset_s: float


@frozen
class ReplayChat:
    """What was said during a broadcast, for whoever may see the stream: the recording's chat."""

    streams: Streams
    channels: Channels
    broadcasts: Broadcasts
    log: ChatLog

    async def __call__(
        self, actor: Actor, session: StreamSessionId, *, newest: bool = False, cursor: str | None = None,
        limit: int = 20,
    ) -> Page[Replayed]:  # fmt: skip
        """Oldest first, or newest; without what was removed."""
        stored = await self.broadcasts.session(session)
        stream = await self.streams.get(stored.stream)
        stream.audience(actor, await self.channels.get(stream.channel))
        since, until = ShowSessions.span(stored)
        page = await self.log.of_stream(stored.stream, since, until, newest=newest, cursor=cursor, limit=limit)
        said = [Replayed(each, stored.recorded_s(each.at)) for each in page.items if not each.removed]
        return Page(said, page.next)
