"""A platform in memory with people, channels and videos on it, for tests of what follows from what they do."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from attrs import evolve, frozen
from dependency_injector.providers import Provider

from adapters.inmemory.container import Memory
from application.engagement import CommentCard
from application.events import Delivered
from domain.access import Actor, Role
from domain.channels import Channel, ChannelOpened, CommentPolicy, Member
from domain.engagement import Notify
from domain.identity import User
from domain.ids import CHANNEL, USER, VIDEO, ChannelId, UserId, VideoId
from domain.media import MANIFEST, Media
from domain.notifications import Notification
from domain.processing import State
from domain.videos import Video, Visibility
from entrypoints.container import Core
from entrypoints.settings import Settings
from tests.worlds import FakeClock

KEY = b"k" * 32
MEDIA = Media(
    attempt=1, manifest=MANIFEST, duration_s=60.0, width=1280, height=720, renditions=(), has_audio=True, poster=True
)


@frozen
class Stage:
    """The core over the adapters of the profile ``memory``, and a clock that moves when told to."""

    core: Core
    adapters: Memory
    clock: FakeClock

    async def person(self, handle: str, *roles: Role) -> Actor:
        user = User(
            id=UserId(self.adapters.new_id()(USER)), handle=handle, display_name=handle.title(),
            email=f"{handle}@example.com", roles=frozenset({Role.USER, *roles}), created_at=self.clock.now(),
        )  # fmt: skip
        saved = await self.adapters.users().save(user)
        return Actor(saved.id, saved.roles)

    async def channel(
        self, owner: Actor, handle: str = "films", *, policy: CommentPolicy | None = None,
        members: Mapping[UserId, Member] | None = None,
    ) -> ChannelId:  # fmt: skip
        channel = Channel(
            id=ChannelId(self.adapters.new_id()(CHANNEL)), owner=owner.require_user(), handle=handle,
            name=handle.title(), comments=policy or CommentPolicy(), members=members or {},
            created_at=self.clock.now(),
        )  # fmt: skip
        await self.adapters.channels().save(channel, ChannelOpened(channel.id, self.clock.now()))
        return channel.id

    async def video(
        self, channel: ChannelId, uploader: Actor, *, title: str = "A film", playable: bool = True,
        visibility: Visibility = Visibility.PUBLIC, announced: bool = False,
    ) -> VideoId:  # fmt: skip
        """``announced``: becoming listable now tells the subscribers, as it does for everyone."""
        now = self.clock.advance(timedelta(seconds=1))
        draft = Video(
            id=VideoId(self.adapters.new_id()(VIDEO)), channel=channel, uploader=uploader.require_user(), title=title,
            created_at=now,
        )  # fmt: skip
        if playable:
            draft = evolve(draft, media=MEDIA, state=State.READY, attempt=1)
        video, events = draft.edit(now, visibility=visibility)
        await self.adapters.videos().save(video, *(events if announced else events[1:]))
        return video.id

    async def says(self, actor: Actor, video: VideoId, text: str) -> CommentCard:
        self.clock.advance(timedelta(seconds=1))
        return await self.core.post_comment()(actor, video, text)

    async def follows(self, actor: Actor, channel: ChannelId, notify: Notify = Notify.ALL) -> None:
        self.clock.advance(timedelta(seconds=1))
        await self.core.subscribe()(actor, channel, notify)

    async def settle(self) -> Sequence[Delivered]:
        """Deliver events until none is left that may be delivered now."""
        all_: list[Delivered] = []
        while delivered := await self.core.deliver_events()(100):
            all_.extend(delivered)
        return all_

    async def told(self, actor: Actor) -> Sequence[Notification]:
        """All that is in someone's inbox, the newest first."""
        page = await self.adapters.inbox().list(actor.require_user(), limit=1000)
        return page.items


@asynccontextmanager
async def staged(**other: Provider[object]) -> AsyncIterator[Stage]:
    """An empty stage; ``other`` takes the place of adapters by name."""
    clock = FakeClock()
    adapters = Memory(public_url="http://films.test", key=KEY, clock=clock, **other)
    try:
        yield Stage(Core(settings=Settings(profile="memory"), adapters=adapters), adapters, clock)
    finally:
        await adapters.transcoder().aclose()
        adapters.search().close()
