"""Being found: the search index and its answers, channel feeds for readers, players for other people's pages."""

from collections.abc import Awaitable, Callable, Sequence

from attrs import frozen

from application.channels import ChannelCard, ChannelCards
from application.ports import Channels, Document, Found, Page, Search, Streams, Videos
from application.streams import StreamCard, StreamCards
from application.videos import VideoCard, VideoCards
from domain.access import ANONYMOUS, Actor
from domain.channels import Channel
from domain.errors import NotFound, Unauthenticated
from domain.ids import ChannelId, StreamId, VideoId
from domain.videos import Audience, Video, Visibility

FEED_LENGTH = 30


async def _tell(search: Search, id_: str, look: Callable[[], Awaitable[Document | None]]) -> Document | None:
    """Tell search what is so (None: that it has nothing to find), and look again: whoever told it of an earlier state
    at the same time may have come last.
    """
    told = await look()
    while True:
        await (search.remove(id_) if told is None else search.put(told))
        latest = await look()
        if latest == told:
            return told
        told = latest


@frozen
class IndexVideo:
    """Makes search say of a video what is true now, whatever event asked for it."""

    videos: Videos
    channels: Channels
    search: Search

    async def __call__(self, video: VideoId) -> None:
        async def look() -> Document | None:
            try:
                stored = await self.videos.get(video)
                channel = await self.channels.get(stored.channel)
            except NotFound:
                return None
            return _video(stored, channel) if stored.listable else None

        await _tell(self.search, video, look)


@frozen
class IndexChannel:
    """The same of a channel, and of its videos, which are found by its name too."""

    videos: Videos
    channels: Channels
    search: Search
    index_video: IndexVideo

    async def __call__(self, channel: ChannelId) -> None:
        async def look() -> Document | None:
            try:
                return _channel(await self.channels.get(channel))
            except NotFound:
                return None

        if await _tell(self.search, channel, look) is None:
            return
        cursor: str | None = None
        while True:
            page = await self.videos.listed(channel=channel, cursor=cursor, limit=100)
            for video in page.items:
                await self.index_video(video.id)
            if (cursor := page.next) is None:
                return


def _channel(channel: Channel) -> Document:
    return Document(
        id=channel.id, kind=Found.CHANNEL, title=channel.name, names=channel.handle, text=channel.description,
        at=channel.created_at,
    )  # fmt: skip


def _video(video: Video, channel: Channel) -> Document:
    return Document(
        id=video.id, kind=Found.VIDEO, title=video.title, names=f"{channel.name} {channel.handle}", tags=video.tags,
        text=video.description, at=video.published_at or video.created_at,
    )  # fmt: skip


@frozen
class Find:
    """Videos and channels by words, best first."""

    search: Search
    videos: Videos
    channels: Channels
    video_cards: VideoCards
    channel_cards: ChannelCards

    async def __call__(
        self, actor: Actor, query: str, *, kind: Found | None = None, cursor: str | None = None, limit: int = 20
    ) -> Page[VideoCard | ChannelCard]:
        """What is hidden or gone since it was indexed is left out, so a page may be short."""
        page = await self.search.find(query, kind=kind, cursor=cursor, limit=limit)
        videos = await self.videos.many([VideoId(id_) for found, id_ in page.items if found is Found.VIDEO])
        channels = await self.channels.many([ChannelId(id_) for found, id_ in page.items if found is Found.CHANNEL])
        shown = await self.video_cards.of(actor, [video for video in videos.values() if video.listable])
        cards: dict[str, VideoCard | ChannelCard] = {card.video.id: card for card in shown}
        for channel in channels.values():
            cards[channel.id] = await self.channel_cards.of(actor, channel)
        return Page([cards[id_] for _, id_ in page.items if id_ in cards], page.next)


@frozen
class ChannelFeed:
    """A channel, and what it published last, the newest first."""

    card: ChannelCard
    videos: Sequence[VideoCard]


@frozen
class ShowChannelFeed:
    """What a channel shows to feed readers, which are nobody in particular."""

    channels: Channels
    videos: Videos
    channel_cards: ChannelCards
    video_cards: VideoCards

    async def __call__(self, channel: ChannelId) -> ChannelFeed:
        card = await self.channel_cards.of(ANONYMOUS, await self.channels.get(channel))
        page = await self.videos.listed(channel=channel, limit=FEED_LENGTH)
        return ChannelFeed(card, await self.video_cards.of(ANONYMOUS, page.items))


@frozen
class EmbedVideo:
    """A video for someone else's page: what everyone with its link may see, whoever asks."""

    videos: Videos
    cards: VideoCards

    async def __call__(self, video: VideoId) -> VideoCard:
        """Raises Unauthenticated (``private_video``) for one that its channel keeps to itself, as oEmbed asks;
        NotFound while it is blocked or there is nothing to play.
        """
        stored = await self.videos.get(video)
        if stored.visibility in {Visibility.PRIVATE, Visibility.SCHEDULED}:
            raise Unauthenticated("this video is private", code="private_video")
        if not stored.admits(Audience.LINK):
            raise NotFound("there is no such video")
        return await self.cards.one(ANONYMOUS, stored)


@frozen
class EmbedStream:
    """The same of a stream, whether it is live or not."""

    streams: Streams
    cards: StreamCards

    async def __call__(self, stream: StreamId) -> StreamCard:
        """Raises Unauthenticated (``private_stream``), NotFound."""
        stored = await self.streams.get(stream)
        if stored.visibility is Visibility.PRIVATE:
            raise Unauthenticated("this stream is private", code="private_stream")
        return await self.cards.one(ANONYMOUS, stored)
