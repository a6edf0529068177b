"""What a page says of itself to whoever runs no scripts, such as search engines, and chats that show where a link leads."""

from collections.abc import Iterator, Mapping
from html import escape
from urllib.parse import quote

from attrs import frozen

from application.channels import ChannelCard, ShowChannel
from application.streams import ShowStream, StreamCard
from application.videos import ShowVideo, VideoCard
from domain.access import ANONYMOUS
from domain.ids import STREAM, StreamId, VideoId
from domain.videos import Visibility
from entrypoints.http.pages import CHANNEL, EMBED, LIVE, WATCH, Preview
from entrypoints.http.views_social import PLAYER, PROVIDER, channel_url, embed_url, live_url, poster_size, watch_url

_TEXT_MOST = 300
_UNLISTED = '<meta name="robots" content="noindex">'
HIDDEN = f"<title>{PROVIDER}</title>{_UNLISTED}"
"""Of a page that whoever has its link may see: it says nothing, and is not to be found by searching."""


@frozen(kw_only=True)
class Picture:
    url: str
    width: int | None = None
    height: int | None = None


def previews(
    public_url: str, show_video: ShowVideo, show_stream: ShowStream, show_channel: ShowChannel
) -> Mapping[str, Preview]:
    """Of the pages that show one thing. A player says no more than its title."""

    async def watch(video: str) -> str:
        return of_video(await show_video(ANONYMOUS, VideoId(video)), public_url)

    async def live(stream: str) -> str:
        return of_stream(await show_stream(ANONYMOUS, StreamId(stream)), public_url)

    async def channel(handle: str) -> str:
        return of_channel(await show_channel.by_handle(ANONYMOUS, handle), public_url)

    async def embed(either: str) -> str:
        if either.startswith(f"{STREAM}_"):
            return _title((await show_stream(ANONYMOUS, StreamId(either))).stream.title) + _UNLISTED
        return _title((await show_video(ANONYMOUS, VideoId(either))).video.title) + _UNLISTED

    return {WATCH: watch, LIVE: live, CHANNEL: channel, EMBED: embed}


def of_video(card: VideoCard, public_url: str) -> str:
    """The head of a video's page."""
    video = card.video
    if not video.listable:
        return HIDDEN
    width, height = poster_size(video)
    picture = Picture(url=card.poster_url, width=width, height=height) if card.poster_url else None
    page = watch_url(public_url, video.id)
    shape = (video.media.width, video.media.height) if video.media else PLAYER
    return _head(video.title, video.description, page, "video.other", picture) + _player(
        public_url, page, embed_url(public_url, video.id), shape, video.title
    )


def of_stream(card: StreamCard, public_url: str) -> str:
    """The head of the page of a stream, which may be live or not."""
    stream = card.stream
    if stream.visibility is not Visibility.PUBLIC:
        return HIDDEN
    picture = Picture(url=card.avatar_url) if card.avatar_url else None
    page = live_url(public_url, stream.id)
    return _head(stream.title, stream.description, page, "video.other", picture) + _player(
        public_url, page, embed_url(public_url, stream.id), PLAYER, stream.title
    )


def of_channel(card: ChannelCard, public_url: str) -> str:
    """The head of a channel's page, and where feed readers follow it."""
    channel = card.channel
    picture = Picture(url=card.avatar_url) if card.avatar_url else None
    page = channel_url(public_url, channel.handle)
    feed = f"{public_url}/v1/feeds/channels/{channel.id}.atom"
    return _head(channel.name, channel.description, page, "profile", picture) + _link(
        "alternate", feed, "application/atom+xml", channel.name
    )


def _head(title: str, description: str, page: str, kind: str, picture: Picture | None) -> str:
    text = " ".join(description.split())
    if len(text) > _TEXT_MOST:
        text = text[:_TEXT_MOST].rstrip() + "…"
    return _title(title) + "".join(_tags(title, text, page, kind, picture))


def _title(title: str) -> str:
    return f"<title>{escape(title)} · {PROVIDER}</title>"


def _tags(title: str, text: str, page: str, kind: str, picture: Picture | None) -> Iterator[str]:
    """As Open Graph has them; what Twitter's cards name otherwise is there twice."""
    yield f'<link rel="canonical" href="{escape(page)}">'
    yield _meta("property", "og:site_name", PROVIDER)
    yield _meta("property", "og:type", kind)
    yield _meta("property", "og:title", title)
    yield _meta("property", "og:url", page)
    if text:
        yield _meta("name", "description", text)
        yield _meta("property", "og:description", text)
    if picture is not None:
        yield _meta("property", "og:image", picture.url)
        if picture.width and picture.height:
            yield _meta("property", "og:image:width", str(picture.width))
            yield _meta("property", "og:image:height", str(picture.height))
    if kind == "profile":
        yield _meta("name", "twitter:card", "summary")


def _player(public_url: str, page: str, player: str, shape: tuple[int, int], title: str) -> str:
    width, height = map(str, shape)
    described = f"{public_url}/v1/oembed?url={quote(page, safe='')}&format=json"
    return "".join(
        [
            _meta("property", "og:video", player), _meta("property", "og:video:type", "text/html"),
            _meta("property", "og:video:width", width), _meta("property", "og:video:height", height),
            _meta("name", "twitter:card", "player"), _meta("name", "twitter:player", player),
            _meta("name", "twitter:player:width", width), _meta("name", "twitter:player:height", height),
            _link("alternate", described, "application/json+oembed", title),
        ]
    )  # fmt: skip


def _meta(attribute: str, name: str, content: str) -> str:
    return f'<meta {attribute}="{name}" content="{escape(content)}">'


def _link(rel: str, href: str, type_: str, title: str) -> str:
    return f'<link rel="{rel}" type="{type_}" href="{escape(href)}" title="{escape(title)}">'
