"""Telling people: whom an event concerns, their inbox, and the channel's many subscribers."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from attrs import evolve, frozen

from application.identity import signed_in
from application.ports import (
    Broadcasts,
    Channels,
    Comments,
    Inbox,
    Live,
    Outbox,
    Page,
    Streams,
    Subscriptions,
    Unread,
    Users,
    Videos,
)  # fmt: skip
from domain.access import Actor
from domain.broadcasts import WentLive
from domain.channels import Channel
from domain.engagement import CommentPosted, Notify, Subscribed
from domain.errors import Invalid, NotFound
from domain.identity import User
from domain.ids import EventId, NotificationId, StreamId, StreamSessionId, UserId, VideoId
from domain.notifications import FanOut, Kind, Notice, Notification, Settings, Subject
from domain.streams import Stream, StreamNear
from domain.videos import Audience, Video, VideoFailed, VideoPublished, VideoReady

FAN_OUT_PAGE = 200
_EXCERPT = 120


@frozen
class Deliverer:
    """Puts a notice into the inboxes of those who want it, and tells who is connected."""

    inbox: Inbox
    live: Live

    async def __call__(self, notice: Notice, users: Sequence[UserId]) -> None:
        """Doing it again tells nobody twice."""
        settings = await self.inbox.settings_of(users)
        wanted = [notice.to(user) for user in users if settings[user].wants(notice.kind)]
        await self.live.tell(await self.inbox.deliver(wanted))


@frozen
class Tell:
    """An event to the few people whom it concerns; to a channel's subscribers by way of ``FanOut``."""

    users: Users
    channels: Channels
    videos: Videos
    streams: Streams
    broadcasts: Broadcasts
    comments: Comments
    outbox: Outbox
    deliver: Deliverer

    async def comment(self, id_: EventId, event: CommentPosted) -> None:
        """The author replied to, then those mentioned, then the channel's owner and the uploader; one notice each.

        Nobody who may not see the video, and nobody if the comment was hidden or taken back meanwhile.
        """
        video, channel = await self._video(event.video)
        if video is None or channel is None:
            return
        comment = await self.comments.get(event.comment)
        if not comment.shown:
            return
        author, text = await self._name(event.author), comment.text
        said = text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"
        told = {event.author}
        for kind, users, verb in (
            (Kind.REPLY, await self._replied_to(event), "replied"),
            (Kind.MENTION, await self._mentioned(event), "mentioned you"),
            (Kind.COMMENT, [channel.owner, video.uploader], "commented"),
        ):
            to = await self._seeing(video, channel, [user for user in users if user not in told])
            told.update(to)
            notice = Notice(
                event=id_, kind=kind, actor=event.author, subject=Subject("comment", event.comment),
                text=f"{author} {verb} on “{video.title}”: {said}", at=event.at,
            )  # fmt: skip
            await self.deliver(notice, to)

    async def subscriber(self, id_: EventId, event: Subscribed) -> None:
        try:
            channel = await self.channels.get(event.channel)
        except NotFound:
            return
        text = f"{await self._name(event.user)} subscribed to {channel.name}"
        notice = Notice(
            event=id_, kind=Kind.SUBSCRIBER, actor=event.user, subject=Subject("channel", event.channel), text=text,
            at=event.at,
        )  # fmt: skip
        await self.deliver(notice, [channel.owner])

    async def processed(self, id_: EventId, event: VideoReady | VideoFailed) -> None:
        """To whoever uploaded it, as long as they may see it, and the channel's owner."""
        video, channel = await self._video(event.video)
        if video is None or channel is None:
            return
        failed = isinstance(event, VideoFailed)
        why = video.failure.detail if video.failure else "unknown"
        notice = Notice(
            event=id_, kind=Kind.VIDEO_FAILED if failed else Kind.VIDEO_READY, actor=None,
            subject=Subject("video", event.video), at=event.at,
            text=f"“{video.title}” could not be processed: {why}" if failed else f"“{video.title}” is ready to watch",
        )  # fmt: skip
        await self.deliver(notice, await self._seeing(video, channel, [video.uploader, channel.owner]))

    async def published(self, id_: EventId, event: VideoPublished) -> None:
        """Begins a fan-out; its pages follow by themselves."""
        video, channel = await self._video(event.video)
        if video is None or channel is None:
            return
        notice = Notice(
            event=id_, kind=Kind.VIDEO_PUBLISHED, actor=channel.owner, subject=Subject("video", event.video),
            text=f"{channel.name} published “{video.title}”", at=event.at,
        )  # fmt: skip
        await self._fan_out(notice, channel)

    async def went_live(self, id_: EventId, event: WentLive) -> None:
        """To subscribers, unless it is over by now or was never for everyone."""
        stream, channel = await self._stream(event.stream)
        if stream is not None and channel is not None and stream.enabled and await self._goes_on(event.session):
            await self._fan_out(
                Notice(
                    event=id_, kind=Kind.WENT_LIVE, actor=channel.owner, subject=Subject("stream", stream.id),
                    text=f"{channel.name} went live: “{stream.title}”", at=event.at,
                ),
                channel,
            )  # fmt: skip

    async def near(self, id_: EventId, event: StreamNear) -> None:
        """To subscribers, unless it was put off meanwhile."""
        stream, channel = await self._stream(event.stream)
        if stream is not None and channel is not None and stream.starts_at == event.starts_at:
            text = f"{channel.name} goes live at {event.starts_at:%H:%M} UTC: “{stream.title}”"
            await self._fan_out(
                Notice(
                    event=id_, kind=Kind.STREAM_NEAR, actor=channel.owner, subject=Subject("stream", stream.id),
                    text=text, at=event.at,
                ),
                channel,
            )  # fmt: skip

    async def _fan_out(self, notice: Notice, channel: Channel) -> None:
        await self.outbox.put(FanOut(notice, channel.id, 0, None), EventId(f"{notice.event}-0"))

    async def _goes_on(self, session: StreamSessionId) -> bool:
        try:
            return not (await self.broadcasts.session(session)).over
        except NotFound:  # its stream was removed
            return False

    async def _stream(self, stream: StreamId) -> tuple[Stream | None, Channel | None]:
        """The stream if everyone may see it, and its channel."""
        stored = (await self.streams.many([stream])).get(stream)
        if stored is None or not stored.admits(Audience.ANYONE):
            return None, None
        return stored, (await self.channels.many([stored.channel])).get(stored.channel)

    async def _video(self, video: VideoId) -> tuple[Video | None, Channel | None]:
        try:
            stored = await self.videos.get(video)
            return stored, await self.channels.get(stored.channel)
        except NotFound:
            return None, None

    async def _name(self, user: UserId) -> str:
        return named.display_name if (named := (await self.users.many([user])).get(user)) else "Someone"

    async def _replied_to(self, event: CommentPosted) -> Sequence[UserId]:
        return [(await self.comments.get(event.parent)).author] if event.parent else []

    async def _mentioned(self, event: CommentPosted) -> Sequence[UserId]:
        found = []
        for handle in event.mentions:
            try:
                found.append((await self.users.by_handle(handle)).id)
            except NotFound:
                continue
        return found

    async def _seeing(self, video: Video, channel: Channel, ids: Sequence[UserId]) -> Sequence[UserId]:
        """Those who may see the video, each once: what is said of it is for them only."""
        users = await self.users.many(ids)
        return [id_ for id_ in dict.fromkeys(ids) if id_ in users and _sees(users[id_], video, channel)]


def _sees(user: User, video: Video, channel: Channel) -> bool:
    try:
        video.audience(Actor(user.id, user.roles), channel)
    except NotFound:
        return False
    return True


_LEVELS: Mapping[Kind, frozenset[Notify]] = {
    Kind.VIDEO_PUBLISHED: frozenset({Notify.ALL}),
    Kind.WENT_LIVE: frozenset({Notify.ALL, Notify.LIVE}),
    Kind.STREAM_NEAR: frozenset({Notify.ALL, Notify.LIVE}),
}


@frozen
class TellSubscribers:
    """One page of a fan-out, and the next one through the outbox: however many there are, each step is small.

    The next is asked for before anyone is told, and lanes know nothing of each other, so pages are told at the same time
    as far as there are workers. What comes again asks for pages that the outbox knows.
    """

    videos: Videos
    streams: Streams
    subscriptions: Subscriptions
    outbox: Outbox
    deliver: Deliverer

    async def __call__(self, event: FanOut) -> None:
        """Stops early when what it is about is hidden or gone."""
        if not await self._shown(event.notice.subject):
            return
        if event.lane is None:
            for other in range(1, await self.subscriptions.lanes(event.channel)):
                await self._ask_for(evolve(event, lane=other, page=0))
        lane = event.lane or 0
        page = await self.subscriptions.to_channel_lane(event.channel, lane, cursor=event.cursor, limit=FAN_OUT_PAGE)
        if page.next is not None:
            await self._ask_for(evolve(event, lane=lane, page=event.page + 1, cursor=page.next))
        levels = _LEVELS[event.notice.kind]
        await self.deliver(event.notice, [each.user for each in page.items if each.notify in levels])

    async def _ask_for(self, page: FanOut) -> None:
        await self.outbox.put(page, EventId(f"{page.notice.event}-{page.lane}-{page.page}"))

    async def _shown(self, subject: Subject) -> bool:
        if subject.type == "stream":
            stream = (await self.streams.many([StreamId(subject.id)])).get(StreamId(subject.id))
            return stream is not None and stream.admits(Audience.ANYONE)
        video = (await self.videos.many([VideoId(subject.id)])).get(VideoId(subject.id))
        return video is not None and video.listable


@frozen
class NotificationCard:
    """A notification with the profile of who caused it (None: nobody, or they left)."""

    notification: Notification
    actor: User | None


@frozen
class ListNotifications:
    inbox: Inbox
    users: Users

    async def __call__(
        self, actor: Actor, *, unread_only: bool = False, cursor: str | None = None, limit: int = 20
    ) -> Page[NotificationCard]:
        """Newest first."""
        user = actor.require_user()
        page = await self.inbox.list(user, unread_only=unread_only, cursor=cursor, limit=limit)
        return Page(await self.cards(page.items), page.next)

    async def cards(self, notifications: Sequence[Notification]) -> Sequence[NotificationCard]:
        users = await self.users.many(list({each.actor for each in notifications if each.actor}))
        return [NotificationCard(each, users.get(each.actor) if each.actor else None) for each in notifications]


@frozen
class CountUnread:
    inbox: Inbox

    async def __call__(self, actor: Actor) -> Unread:
        return await self.inbox.unread(actor.require_user())


@frozen
class MarkRead:
    inbox: Inbox
    users: Users

    async def __call__(
        self, actor: Actor, *, ids: Sequence[NotificationId] = (), up_to: NotificationId | None = None
    ) -> Unread:
        """What is left. A mark ahead of all there is reads all there is. Raises Invalid unless one of the two is given."""
        user = (await signed_in(self.users, actor)).id
        if bool(ids) == (up_to is not None):
            raise Invalid("give either ids or up_to", code="ids_or_up_to", field="ids")
        if up_to is not None:
            for newest in (await self.inbox.list(user, limit=1)).items:
                await self.inbox.mark_read_up_to(user, min(up_to, newest.id))
        else:
            await self.inbox.mark_read(user, ids)
        return await self.inbox.unread(user)


@frozen
class NotificationSettings:
    inbox: Inbox
    users: Users

    async def show(self, actor: Actor) -> Settings:
        return await self.inbox.settings(actor.require_user())

    async def change(self, actor: Actor, changes: Mapping[Kind, bool]) -> Settings:
        """With each kind named wanted or not."""
        user = (await signed_in(self.users, actor)).id
        settings = (await self.inbox.settings(user)).change(changes)
        await self.inbox.save_settings(user, settings)
        return settings


@frozen
class FollowNotifications:
    """Notifications as they come, for as long as the client listens."""

    inbox: Inbox
    live: Live
    list: ListNotifications

    def __call__(
        self, actor: Actor, last: NotificationId | None = None
    ) -> AbstractAsyncContextManager[AsyncGenerator[NotificationCard, None]]:
        """What came after the last one that a client has seen, oldest first, then what comes, each once. It listens from
        when it is entered: nothing that happens later is missed.

        Raises Unauthenticated at once.
        """
        return self._listening(actor.require_user(), last)

    @asynccontextmanager
    async def _listening(
        self, user: UserId, last: NotificationId | None
    ) -> AsyncIterator[AsyncGenerator[NotificationCard, None]]:
        # Before the inbox is read, so that nothing falls between the two.
        async with self.live.listen(user) as told:
            yield self._cards(user, last, told)

    async def _cards(
        self, user: UserId, last: NotificationId | None, told: AsyncIterator[Notification]
    ) -> AsyncGenerator[NotificationCard, None]:
        replayed: set[NotificationId] = set()
        while last is not None and (missed := await self.inbox.after(user, last)):
            for card in await self.list.cards(missed):
                yield card
            replayed.update(each.id for each in missed)
            last = missed[-1].id
        async for notification in told:
            if notification.id not in replayed:
                yield (await self.list.cards([notification]))[0]
