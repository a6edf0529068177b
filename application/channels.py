"""Channels: opening, editing, helpers, pictures, and what follows when one closes."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

from attrs import frozen

from application.files import Put, settled_with_files
from application.identity import signed_in
from application.ports import (
    Channels,
    Images,
    MediaStore,
    NewId,
    Now,
    Search,
    Streams,
    Subscriptions,
    Ticket,
    UploadStore,
    Users,
    Videos,
    Viewings,
)  # fmt: skip
from application.retry import expect, settled
from domain.access import Actor
from domain.channels import Channel, ChannelClosed, ChannelEdited, ChannelOpened, Hold, Member, Task
from domain.engagement import Subscription
from domain.errors import Conflict, Invalid, NotFound, Stale, TooLarge, Unauthenticated
from domain.identity import User
from domain.ids import CHANNEL, IMAGE, ChannelId, UserId
from domain.media import superseded
from domain.streams import StreamRemoved
from domain.uploads import MIB, PART_LIFE
from domain.videos import VideoRemoved

CHANNELS_MOST = 100
IMAGE_MOST = 8 * MIB


class Picture(StrEnum):
    AVATAR = "avatar"
    BANNER = "banner"

    @property
    def size(self) -> tuple[int, int]:
        """Pixels it is fitted to."""
        return (512, 512) if self is Picture.AVATAR else (2048, 512)


@frozen
class ChannelCard:
    """A channel as someone sees it; ``subscription`` and ``role`` are theirs. ``helpers`` are the profiles of its
    members, for one of them.
    """

    channel: Channel
    subscribers: int
    videos: int
    avatar_url: str | None
    banner_url: str | None
    signed_in: bool
    subscription: Subscription | None
    role: Member | None
    helpers: Mapping[UserId, User]


@frozen
class ChannelCards:
    """Puts together what a channel's page shows."""

    videos: Videos
    subscriptions: Subscriptions
    media: MediaStore
    users: Users

    async def of(self, actor: Actor, channel: Channel) -> ChannelCard:
        mine = await self.subscriptions.get(actor.user, channel.id) if actor.user else None
        role = channel.role(actor.user)
        return ChannelCard(
            channel,
            subscribers=await self.subscriptions.count(channel.id),
            videos=await self.videos.count(channel.id),
            avatar_url=self.media.open_url(channel.avatar) if channel.avatar else None,
            banner_url=self.media.open_url(channel.banner) if channel.banner else None,
            signed_in=actor.user is not None,
            subscription=mine,
            role=role,
            helpers=await self.users.many(list(channel.members)) if role and channel.members else {},
        )


@frozen
class OpenChannel:
    channels: Channels
    users: Users
    cards: ChannelCards
    now: Now
    new_id: NewId

    async def __call__(self, actor: Actor, *, handle: str, name: str, description: str = "") -> ChannelCard:
        """Raises Taken (``handle_taken``), Conflict (``too_many_channels``)."""
        user = await signed_in(self.users, actor)
        mine = await self.channels.of_member(user.id)
        if sum(channel.owner == user.id for channel in mine) >= CHANNELS_MOST:
            raise Conflict(f"one user has at most {CHANNELS_MOST} channels", code="too_many_channels")
        channel = Channel(
            id=ChannelId(self.new_id(CHANNEL)), owner=user.id, handle=handle, name=name, description=description,
            created_at=self.now(),
        )  # fmt: skip
        opened = await self.channels.save(channel, ChannelOpened(channel.id, self.now()))
        if not await self.users.many([user.id]):  # they closed their account meanwhile, with what they had by then
            await self.channels.remove(opened, ChannelClosed(opened.id, self.now()))
            raise Unauthenticated("this account is closed", code="account_closed")
        return await self.cards.of(actor, opened)


@frozen
class ShowChannel:
    channels: Channels
    cards: ChannelCards

    async def __call__(self, actor: Actor, channel: ChannelId) -> ChannelCard:
        return await self.cards.of(actor, await self.channels.get(channel))

    async def by_handle(self, actor: Actor, handle: str) -> ChannelCard:
        return await self.cards.of(actor, await self.channels.by_handle(handle.removeprefix("@").lower()))


@frozen
class ListMyChannels:
    channels: Channels
    cards: ChannelCards

    async def __call__(self, actor: Actor) -> Sequence[ChannelCard]:
        """Those one owns or helps with, oldest first."""
        return [await self.cards.of(actor, each) for each in await self.channels.of_member(actor.require_user())]


@frozen
class EditChannel:
    """Change what a channel shows of itself. A picture is named by the id that its ticket gave."""

    channels: Channels
    cards: ChannelCards
    store: UploadStore
    media: MediaStore
    images: Images
    now: Now
    new_id: NewId

    async def __call__(
        self, actor: Actor, channel: ChannelId, *, handle: str | None = None, name: str | None = None,
        description: str | None = None, hold: Hold | None = None, words: Sequence[str] | None = None,
        comments_enabled: bool | None = None, avatar: str | None = None, banner: str | None = None,
        version: int | None = None,
    ) -> ChannelCard:  # fmt: skip
        """Raises Taken (``handle_taken``), VersionMismatch, Invalid (``unreadable_image``, ``no_such_image``)."""

        async def step(put: Put) -> Channel:
            stored = await self.channels.get(channel)
            stored.require(actor, Task.EDIT)
            if handle is not None:
                stored.require(actor, Task.MANAGE)
            expect("the channel", stored.version, version)
            edited = stored.edit(
                handle=handle, name=name, description=description,
                comments=stored.comments.edit(hold=hold, words=words, enabled=comments_enabled),
                avatar=await self._picture(put, stored.avatar, channel, Picture.AVATAR, avatar),
                banner=await self._picture(put, stored.banner, channel, Picture.BANNER, banner),
            )  # fmt: skip
            if edited == stored:
                return stored
            now = self.now()
            gone = superseded(stored.files, edited.files, now)
            return await self.channels.save(edited, ChannelEdited(channel, now), *gone)

        async def shown() -> Collection[str]:
            return (await self.channels.get(channel)).files

        return await self.cards.of(actor, await settled_with_files(self.media, shown, step))

    async def _picture(
        self, put: Put, before: str | None, channel: ChannelId, picture: Picture, image: str | None
    ) -> str | None:
        """The key of the picture with its id; the one before if it is that picture already."""
        if image is None:
            return None
        name = _ticket_name(channel, picture, image)
        # A key of its own each time: an older one may be about to go, though the same picture was there.
        prefix = f"c/{channel}/{picture}-{image}-"
        if before is not None and before.startswith(prefix):
            return before
        try:
            content = await self.store.take_small(name)
        except NotFound:
            message = "no such picture has arrived; ask for a ticket and PUT it first"
            raise Invalid(message, code="no_such_image", field=f"{picture}_image_id") from None
        key = f"{prefix}{self.new_id(IMAGE)}.jpg"
        return await put(key, await self.images.fit(content, *picture.size), "image/jpeg")


def _ticket_name(channel: ChannelId, picture: Picture, image: str) -> str:
    if not image.isascii() or not image.replace("_", "").isalnum():
        raise Invalid("this is no picture's id", code="no_such_image", field=f"{picture}_image_id")
    return f"images/{channel}/{picture}/{image}"


@frozen
class RequestPicture:
    channels: Channels
    store: UploadStore
    now: Now
    new_id: NewId

    async def __call__(self, actor: Actor, channel: ChannelId, picture: Picture, size_bytes: int) -> tuple[str, Ticket]:
        """The picture's id, and where to PUT it. Raises TooLarge (``file_too_large``)."""
        (await self.channels.get(channel)).require(actor, Task.EDIT)
        if not 1 <= size_bytes <= IMAGE_MOST:
            raise TooLarge(f"a picture may have {IMAGE_MOST} bytes", code="file_too_large")
        image = self.new_id(IMAGE)
        until = self.now() + PART_LIFE
        return image, await self.store.sign_small(_ticket_name(channel, picture, image), size_bytes, until)


@frozen
class EnrollMember:
    channels: Channels
    users: Users
    cards: ChannelCards

    async def __call__(
        self, actor: Actor, channel: ChannelId, user: UserId, role: Member, version: int | None = None
    ) -> ChannelCard:
        """``user`` is an id, or a handle with its @. Raises NotFound for an unknown one, Conflict (``owner_is_fixed``,
        ``too_many_members``).
        """

        async def step() -> Channel:
            stored = await self.channels.get(channel)
            stored.require(actor, Task.MANAGE)
            expect("the channel", stored.version, version)
            known = await (self.users.by_handle(user[1:].lower()) if user.startswith("@") else self.users.get(user))
            enrolled = stored.enroll(known.id, role)
            return stored if enrolled == stored else await self.channels.save(enrolled)

        return await self.cards.of(actor, await settled(step))


@frozen
class DismissMember:
    """End a membership; members may also leave by themselves."""

    channels: Channels

    async def __call__(self, actor: Actor, channel: ChannelId, user: UserId, version: int | None = None) -> None:
        async def step() -> None:
            stored = await self.channels.get(channel)
            if actor.require_user() != user or stored.role(user) is None:
                stored.require(actor, Task.MANAGE)
            expect("the channel", stored.version, version)
            await self.channels.save(stored.dismiss(user))

        await settled(step)


@frozen
class CloseChannel:
    channels: Channels
    now: Now

    async def __call__(self, actor: Actor, channel: ChannelId, version: int | None = None) -> None:
        """The channel is gone at once, its videos and pictures soon after."""

        async def step() -> None:
            stored = await self.channels.get(channel)
            stored.require(actor, Task.MANAGE)
            expect("the channel", stored.version, version)
            await self.channels.remove(stored, ChannelClosed(channel, self.now()))

        await settled(step)


@frozen
class ClearChannel:
    """After a channel closed: remove its videos, streams, pictures, subscriptions, days and traces in search."""

    videos: Videos
    streams: Streams
    subscriptions: Subscriptions
    viewings: Viewings
    media: MediaStore
    search: Search
    now: Now

    async def __call__(self, event: ChannelClosed) -> None:
        await self.search.remove(event.channel)
        while (page := await self.videos.of_channel(event.channel, limit=100)).items:
            for video in page.items:
                try:
                    await self.videos.remove(video, VideoRemoved(video.id, event.channel, self.now()))
                except Stale:  # changed meanwhile; the next page shows it again
                    continue
        while (streams := await self.streams.of_channel(event.channel, limit=100)).items:
            for stream in streams.items:
                try:
                    gone = StreamRemoved(stream.id, event.channel, stream.ingest, self.now(), stream)
                    await self.streams.remove(stream, gone)
                except Stale:
                    continue
        while await self.subscriptions.forget(event.channel):
            pass
        await self.viewings.forget(event.channel)
        await self.media.remove_prefix(f"c/{event.channel}/")
