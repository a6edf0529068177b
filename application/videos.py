"""Videos: finding and showing them, and what their channel's members change about them."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime

from attrs import frozen

from application.files import Put, settled_with_files
from application.ports import (
    Channels,
    Comments,
    History,
    Images,
    LinkMode,
    MediaStore,
    NewId,
    Now,
    Order,
    Page,
    Processings,
    Reactions,
    Sessions,
    Videos,
    WebVtt,
)  # fmt: skip
from application.retry import expect, settled
from domain.access import Actor
from domain.channels import Channel, Task
from domain.engagement import Reaction
from domain.errors import NotFound, Stale, TooLarge
from domain.ids import IMAGE, ChannelId, VideoId
from domain.media import POSTER, STORYBOARD, attempt_prefix, video_prefix
from domain.processing import State
from domain.text import line
from domain.uploads import MIB
from domain.videos import Audience, Caption, Change, Chapter, Video, VideoRemoved, Visibility, language
from domain.videos import tag as stored_tag
from domain.watching import GRANT_LIFE, Grant, Watched

THUMBNAIL = (1280, 720)
THUMBNAIL_MOST = 8 * MIB
CAPTIONS_MOST = 2 * MIB


@frozen
class Mine:
    """What a video is to whoever is signed in."""

    reaction: Reaction | None
    watched: Watched | None


@frozen(kw_only=True)
class VideoCard:
    """A video as someone sees it. ``progress_percent`` is of the last attempt: how far it is, or got."""

    video: Video
    channel: Channel
    avatar_url: str | None
    poster_url: str | None
    storyboard_url: str | None
    views: int
    likes: int
    dislikes: int
    comments: int
    progress_percent: int
    audience: Audience
    mine: Mine | None


@frozen
class VideoCards:
    """Puts together what is shown of videos, a list at a time."""

    channels: Channels
    sessions: Sessions
    reactions: Reactions
    comments: Comments
    history: History
    processings: Processings
    media: MediaStore
    now: Now

    async def of(self, actor: Actor, videos: Sequence[Video]) -> Sequence[VideoCard]:
        """Those the actor may see, in the order given."""
        ids = [video.id for video in videos]
        channels = await self.channels.many(list({video.channel for video in videos}))
        views = await self.sessions.views(ids)
        tallies = await self.reactions.tallies(ids)
        comments = await self.comments.counts(ids)
        unready = [video.id for video in videos if video.state is not State.READY]
        processings = await self.processings.many(unready) if unready else {}
        reactions = await self.reactions.of(actor.user, ids) if actor.user else {}
        watched = await self.history.of(actor.user, ids) if actor.user else {}
        cards = []
        for video in videos:
            channel = channels.get(video.channel)
            audience = _audience(video, actor, channel)
            if channel is None or audience is None:
                continue
            tally = tallies[video.id]
            poster, board = poster_key(video), _storyboard_key(video)
            url = self._urls(video, audience)
            cards.append(
                VideoCard(
                    video=video,
                    channel=channel,
                    avatar_url=self.media.open_url(channel.avatar) if channel.avatar else None,
                    poster_url=url(poster) if poster else None,
                    storyboard_url=url(board) if board else None,
                    views=views[video.id],
                    likes=tally.likes,
                    dislikes=tally.dislikes,
                    comments=comments[video.id],
                    progress_percent=video.percent(processings.get(video.id)),
                    audience=audience,
                    mine=Mine(reactions.get(video.id), watched.get(video.id)) if actor.user else None,
                )
            )
        return cards

    async def one(self, actor: Actor, video: Video) -> VideoCard:
        """Raises NotFound for whom it is hidden from."""
        cards = await self.of(actor, [video])
        if not cards:
            raise NotFound("there is no such video")
        return cards[0]

    def url(self, video: Video, audience: Audience, key: str) -> str:
        """Where whoever sees the video as ``audience`` may GET one of its files."""
        return self._urls(video, audience)(key)

    def _urls(self, video: Video, audience: Audience) -> Callable[[str], str]:
        """What gives the URLs of a video's files."""
        if video.admits(Audience.ANYONE):
            return self.media.open_url
        grant = Grant(video.id, audience, self._until())
        return lambda key: self.media.granted(grant, key, LinkMode.TOKEN).url

    def _until(self) -> datetime:
        """At least half a grant's life from now, and the same for a while, so that pictures can be cached."""
        half = GRANT_LIFE / 2
        start = datetime.min.replace(tzinfo=self.now().tzinfo)
        return start + ((self.now() - start) // half + 2) * half


def _audience(video: Video, actor: Actor, channel: Channel | None) -> Audience | None:
    try:
        return video.audience(actor, channel) if channel else None
    except NotFound:
        return None


def poster_key(video: Video) -> str | None:
    """Where the picture that stands for the video lies: the one chosen, or the transcoder's."""
    if video.thumbnail is not None:
        return video.thumbnail
    if video.media is None or not video.media.poster:
        return None
    return attempt_prefix(video.id, video.media.attempt) + POSTER


def _storyboard_key(video: Video) -> str | None:
    if video.media is None or not video.media.storyboard:
        return None
    return attempt_prefix(video.id, video.media.attempt) + STORYBOARD


@frozen
class ShowVideo:
    videos: Videos
    cards: VideoCards

    async def __call__(self, actor: Actor, video: VideoId) -> VideoCard:
        """Raises NotFound, also for whom it is hidden from."""
        return await self.cards.one(actor, await self.videos.get(video))


@frozen
class ListVideos:
    videos: Videos
    channels: Channels
    cards: VideoCards

    async def __call__(
        self, actor: Actor, *, channel: ChannelId | None = None, tag: str | None = None, order: Order = Order.NEWEST,
        cursor: str | None = None, limit: int = 20,
    ) -> Page[VideoCard]:  # fmt: skip
        """What everyone sees, by the time it was published."""
        wanted = stored_tag(tag) if tag is not None else None
        page = await self.videos.listed(channel=channel, tag=wanted, order=order, cursor=cursor, limit=limit)
        return Page(await self.cards.of(actor, page.items), page.next)

    async def of_channel(
        self, actor: Actor, channel: ChannelId, *, cursor: str | None = None, limit: int = 20
    ) -> Page[VideoCard]:
        """A channel's videos: all of them for its members, newest first; for others what everyone sees."""
        stored = await self.channels.get(channel)
        if stored.role(actor.user) is None and not actor.moderates:
            return await self(actor, channel=channel, cursor=cursor, limit=limit)
        page = await self.videos.of_channel(channel, cursor=cursor, limit=limit)
        return Page(await self.cards.of(actor, page.items), page.next)


@frozen
class Editing:
    """Loads a video for a member who may edit it, and saves what they made of it."""

    videos: Videos
    channels: Channels
    cards: VideoCards
    now: Now

    async def __call__(
        self, actor: Actor, video: VideoId, version: int | None, change: Callable[[Video], Awaitable[Change]]
    ) -> VideoCard:
        """Raises NotFound for strangers to a hidden video, Forbidden to others, VersionMismatch."""
        return await self.cards.one(actor, await settled(lambda: self._step(actor, video, version, change)))

    async def with_files(
        self, actor: Actor, video: VideoId, version: int | None, change: Callable[[Video, Put], Awaitable[Change]]
    ) -> VideoCard:
        """The same for a change that puts files."""

        async def step(put: Put) -> Video:
            return await self._step(actor, video, version, lambda stored: change(stored, put))

        async def shown() -> Collection[str]:
            return (await self.videos.get(video)).files

        return await self.cards.one(actor, await settled_with_files(self.cards.media, shown, step))

    async def _step(
        self, actor: Actor, video: VideoId, version: int | None, change: Callable[[Video], Awaitable[Change]]
    ) -> Video:
        stored = await self.videos.get(video)
        await self.require(actor, stored)
        expect("the video", stored.version, version)
        changed, events = await change(stored)
        return stored if changed == stored else await self.videos.save(changed, *events)

    async def require(self, actor: Actor, video: Video) -> None:
        channel = await self.channels.get(video.channel)
        video.audience(actor, channel)
        channel.require(actor, Task.EDIT)


@frozen
class EditVideo:
    editing: Editing

    async def __call__(
        self, actor: Actor, video: VideoId, *, title: str | None = None, description: str | None = None,
        tags: Sequence[str] | None = None, category: str | None = None, language: str | None = None,
        visibility: Visibility | None = None, publish_at: datetime | None = None, version: int | None = None,
    ) -> VideoCard:  # fmt: skip
        """As ``Video.edit``."""

        async def change(stored: Video) -> Change:
            return stored.edit(
                self.editing.now(), title=title, description=description, tags=tags, category=category,
                language=language, visibility=visibility, publish_at=publish_at,
            )  # fmt: skip

        return await self.editing(actor, video, version, change)


@frozen
class RemoveVideo:
    editing: Editing

    async def __call__(self, actor: Actor, video: VideoId, version: int | None = None) -> None:
        """It is gone at once; its files follow."""

        async def step() -> None:
            stored = await self.editing.videos.get(video)
            await self.editing.require(actor, stored)
            expect("the video", stored.version, version)
            now = self.editing.now()
            await self.editing.videos.remove(stored, VideoRemoved(stored.id, stored.channel, now))

        await settled(step)


@frozen
class SetThumbnail:
    """A picture of one's own in place of the transcoder's poster."""

    editing: Editing
    images: Images
    new_id: NewId

    async def __call__(self, actor: Actor, video: VideoId, content: bytes, version: int | None = None) -> VideoCard:
        """Raises TooLarge (``file_too_large``), Invalid (``unreadable_image``)."""

        async def change(stored: Video, put: Put) -> Change:
            if len(content) > THUMBNAIL_MOST:
                raise TooLarge(f"a thumbnail may have {THUMBNAIL_MOST} bytes", code="file_too_large")
            key = f"{video_prefix(video)}thumb/{self.new_id(IMAGE)}.jpg"
            await put(key, await self.images.fit(content, *THUMBNAIL), "image/jpeg")
            return stored.with_thumbnail(key, self.editing.now())

        return await self.editing.with_files(actor, video, version, change)


@frozen
class ListCaptions:
    videos: Videos
    cards: VideoCards

    async def __call__(self, actor: Actor, video: VideoId) -> Sequence[tuple[Caption, str]]:
        """Each track and where to GET it, by language."""
        stored = await self.videos.get(video)
        card = await self.cards.one(actor, stored)
        return [
            (caption, self.cards.url(card.video, card.audience, caption.key))
            for _, caption in sorted(stored.captions.items())
        ]


@frozen
class PutCaption:
    """Captions in a language, in place of what was there."""

    editing: Editing
    tidy: WebVtt
    new_id: NewId

    async def __call__(
        self, actor: Actor, video: VideoId, tag: str, content: bytes, *, label: str = "", version: int | None = None
    ) -> VideoCard:
        """Raises Invalid (``invalid_captions``, ``invalid_language``), TooLarge (``file_too_large``)."""

        async def change(stored: Video, put: Put) -> Change:
            if len(content) > CAPTIONS_MOST:
                raise TooLarge(f"captions may have {CAPTIONS_MOST} bytes", code="file_too_large")
            key = f"{video_prefix(video)}captions/{language(tag)}-{self.new_id(IMAGE)}.vtt"
            await put(key, self.tidy(content), "text/vtt; charset=utf-8")
            return stored.with_caption(Caption(tag, line(label)[:60] or tag, key), self.editing.now())

        return await self.editing.with_files(actor, video, version, change)


@frozen
class RemoveCaption:
    editing: Editing

    async def __call__(self, actor: Actor, video: VideoId, tag: str, version: int | None = None) -> VideoCard:
        async def change(stored: Video) -> Change:
            return stored.without_caption(tag, self.editing.now())

        return await self.editing(actor, video, version, change)


@frozen
class SetChapters:
    editing: Editing

    async def __call__(
        self, actor: Actor, video: VideoId, chapters: Sequence[Chapter], version: int | None = None
    ) -> VideoCard:
        """As ``Video.with_chapters``."""

        async def change(stored: Video) -> Change:
            return stored.with_chapters(chapters), ()

        return await self.editing(actor, video, version, change)


@frozen
class BlockVideo:
    """The platform's moderators take a video out of sight, or put it back."""

    videos: Videos
    cards: VideoCards
    now: Now

    async def __call__(self, actor: Actor, video: VideoId, reason: str) -> VideoCard:
        actor.require_moderator()
        return await self._change(actor, video, lambda stored: stored.block(reason, self.now()))

    async def lift(self, actor: Actor, video: VideoId) -> VideoCard:
        actor.require_moderator()
        return await self._change(actor, video, lambda stored: stored.unblock(self.now()))

    async def _change(self, actor: Actor, video: VideoId, change: Callable[[Video], Change]) -> VideoCard:
        async def step() -> Video:
            stored = await self.videos.get(video)
            changed, events = change(stored)
            return stored if changed == stored else await self.videos.save(changed, *events)

        return await self.cards.one(actor, await settled(step))


@frozen
class PublishDue:
    """Publish what was scheduled and whose time has come."""

    videos: Videos
    now: Now

    async def __call__(self) -> int:
        """How many."""
        now = self.now()
        due = await self.videos.due(now)
        for video in due:
            published, events = video.publish_due(now)
            try:
                await self.videos.save(published, *events)
            except Stale:  # edited at this moment; the next sweep looks again
                continue
        return len(due)
