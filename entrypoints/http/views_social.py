"""What clients see of comments, subscriptions, notifications, search results and embedded players.

Structs for the same reasons as in ``views``.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import datetime
from html import escape
from typing import Literal
from urllib.parse import quote

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from application.channels import ChannelCard
from application.discovery import ChannelFeed
from application.engagement import CommentCard, Followed, Follower
from application.notifications import NotificationCard
from application.ports import Unread
from application.streams import StreamCard
from application.videos import THUMBNAIL, VideoCard
from domain.channels import Channel
from domain.engagement import CommentStatus, Notify, Reaction
from domain.identity import User
from domain.ids import CommentId, NotificationId, StreamId, UserId, VideoId
from domain.notifications import Kind, Settings
from domain.videos import Video
from entrypoints.http.views import ChannelView, VideoView

PROVIDER = "Hexcast"


# --- comments ------------------------------------------------------------------------------------


class PersonView(Struct, gc=False):
    """Someone as others see them. Who closed their account keeps only the id; the author of a comment of which
    nothing is shown any more has none (``""``).
    """

    id: UserId
    handle: str
    display_name: str
    avatar_url: str | None

    @classmethod
    def of(cls, id_: UserId, user: User | None) -> "PersonView":
        if user is None:
            return cls(id_, "deleted", "Deleted user", None)
        return cls(id_, user.handle, user.display_name, None)


class CommentCounts(Struct, gc=False):
    likes: int
    replies: int


class CommentViewer(Struct, gc=False):
    """What the comment is to whoever asks; null for nobody in particular."""

    reaction: Reaction | None


class CommentView(Struct, gc=False):
    """Something said under a video, or in reply to such."""

    id: CommentId
    video_id: VideoId
    parent_id: CommentId | None
    author: PersonView
    text: str
    status: CommentStatus
    pinned: bool
    counts: CommentCounts
    viewer: CommentViewer | None
    created_at: datetime
    edited_at: datetime | None
    version: int

    @classmethod
    def of(cls, card: CommentCard) -> "CommentView":
        comment = card.comment
        return cls(
            comment.id,
            comment.video,
            comment.parent,
            PersonView.of(comment.author, card.author),
            comment.text,
            comment.status,
            comment.pinned,
            CommentCounts(card.likes, card.replies),
            CommentViewer(card.reaction) if card.signed_in else None,
            comment.created_at,
            comment.edited_at,
            comment.version,
        )


# --- subscriptions -------------------------------------------------------------------------------


class SubscriptionView(Struct, gc=False):
    """A channel one follows, what one is told of it, and since when."""

    channel: ChannelView
    notify: Notify
    since: datetime

    @classmethod
    def of(cls, followed: Followed) -> "SubscriptionView":
        return cls(ChannelView.of(followed.card), followed.subscription.notify, followed.subscription.since)


class SubscriberView(Struct, gc=False):
    """Someone who follows a channel. What they want to be told of it is theirs to know."""

    user: PersonView
    since: datetime

    @classmethod
    def of(cls, follower: Follower) -> "SubscriberView":
        return cls(PersonView.of(follower.subscription.user, follower.user), follower.subscription.since)


# --- notifications -------------------------------------------------------------------------------


class NotifierView(Struct, gc=False):
    """Who caused a notification."""

    id: UserId
    handle: str
    display_name: str


class SubjectView(Struct, gc=False):
    """What a notification is about."""

    type: str
    id: str


class NotificationView(Struct, gc=False):
    """Something someone was told."""

    id: NotificationId
    type: Kind
    actor: NotifierView | None
    subject: SubjectView
    text: str
    created_at: datetime
    read: bool

    @classmethod
    def of(cls, card: NotificationCard) -> "NotificationView":
        told, actor = card.notification, card.actor
        return cls(
            told.id,
            told.kind,
            NotifierView(actor.id, actor.handle, actor.display_name) if actor else None,
            SubjectView(told.subject.type, told.subject.id),
            told.text,
            told.created_at,
            told.read,
        )


class UnreadView(Struct, gc=False):
    """How many notifications were not read. ``capped``: there are more than ``count``."""

    count: int
    capped: bool

    @classmethod
    def of(cls, unread: Unread) -> "UnreadView":
        return cls(unread.count, unread.capped)


def settings_view(settings: Settings) -> Mapping[Kind, bool]:
    """Every kind of notification, and whether it is wanted."""
    return {kind: settings.wants(kind) for kind in Kind}


# --- discovery -----------------------------------------------------------------------------------


class FoundVideo(Struct, gc=False):
    type: Literal["video"]
    video: VideoView


class FoundChannel(Struct, gc=False):
    type: Literal["channel"]
    channel: ChannelView


def found_view(card: VideoCard | ChannelCard) -> FoundVideo | FoundChannel:
    """One search result, tagged with what it is."""
    if isinstance(card, VideoCard):
        return FoundVideo("video", VideoView.of(card))
    return FoundChannel("channel", ChannelView.of(card))


def watch_url(public_url: str, video: VideoId) -> str:
    """The page that people watch a video on."""
    return f"{public_url}/watch/{video}"


def embed_url(public_url: str, video: VideoId | StreamId) -> str:
    """The bare player, for other people's pages."""
    return f"{public_url}/embed/{video}"


def live_url(public_url: str, stream: StreamId) -> str:
    """The page that people watch a stream on."""
    return f"{public_url}/live/{stream}"


def channel_url(public_url: str, handle: str) -> str:
    """A channel's page."""
    return f"{public_url}/@{quote(handle)}"


PLAYER = (1280, 720)
"""The largest player we propose when nobody says how much room there is."""
EMBED_AGE_S = 1800
"""How long an embed may be kept: the thumbnail of an unlisted video has a link that ends."""


class EmbedView(Struct, gc=False):
    """An oEmbed 1.0 response of the type ``video`` (oembed.com, section 2.3)."""

    version: Literal["1.0"]
    type: Literal["video"]
    provider_name: str
    provider_url: str
    title: str
    author_name: str
    author_url: str
    html: str
    width: int
    height: int
    cache_age: int
    thumbnail_url: str | UnsetType = UNSET
    thumbnail_width: int | UnsetType = UNSET
    thumbnail_height: int | UnsetType = UNSET

    @classmethod
    def of(
        cls, card: VideoCard, public_url: str, max_width: int | None = None, max_height: int | None = None
    ) -> "EmbedView":
        """The player no larger than asked for, and the thumbnail only where it is no larger either."""
        video = card.video
        shape = (video.media.width, video.media.height) if video.media else PLAYER
        view = cls._framed(
            video.id, video.title, card.channel, public_url, _fitted(shape, _room(max_width, max_height))
        )
        wide, high = poster_size(video)
        if card.poster_url is None or wide > (max_width or wide) or high > (max_height or high):
            return view
        return replace(view, thumbnail_url=card.poster_url, thumbnail_width=wide, thumbnail_height=high)

    @classmethod
    def of_stream(
        cls, card: StreamCard, public_url: str, max_width: int | None = None, max_height: int | None = None
    ) -> "EmbedView":
        """The same of a stream, of which there is no thumbnail."""
        stream = card.stream
        size = _fitted(PLAYER, _room(max_width, max_height))
        return cls._framed(stream.id, stream.title, card.channel, public_url, size)

    @classmethod
    def _framed(
        cls, shown: VideoId | StreamId, title: str, channel: Channel, public_url: str, size: tuple[int, int]
    ) -> "EmbedView":
        width, height = size
        return cls(
            version="1.0",
            type="video",
            provider_name=PROVIDER,
            provider_url=public_url,
            title=title,
            author_name=channel.name,
            author_url=channel_url(public_url, channel.handle),
            html=(
                f'<iframe src="{escape(embed_url(public_url, shown))}" width="{width}" height="{height}"'
                f' title="{escape(title)}" style="border:0" allow="autoplay; fullscreen; picture-in-picture"'
                " allowfullscreen></iframe>"
            ),
            width=width,
            height=height,
            cache_age=EMBED_AGE_S,
        )


def poster_size(video: Video) -> tuple[int, int]:
    """Chosen thumbnails have one size; a transcoder's poster has the video's."""
    if video.thumbnail is not None or video.media is None:
        return THUMBNAIL
    return video.media.width, video.media.height


def _room(width: int | None, height: int | None) -> tuple[int, int]:
    return width or PLAYER[0], height or PLAYER[1]


def _fitted(shape: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """The largest size of that shape that there is room for, at least a pixel."""
    scale = min(room[0] / shape[0], room[1] / shape[1])
    return max(1, int(shape[0] * scale)), max(1, int(shape[1] * scale))


_ATOM, _MEDIA = "http://www.w3.org/2005/Atom", "http://search.yahoo.com/mrss/"
# What the production Char of XML 1.0 leaves out; no escape makes it legal.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def atom(feed: ChannelFeed, public_url: str) -> bytes:
    """A channel's videos as an Atom feed (RFC 4287), with thumbnails as Media RSS names them."""
    channel = feed.card.channel
    address = f"{public_url}/v1/feeds/channels/{channel.id}.atom"
    root = ET.Element("feed", {"xmlns": _ATOM, "xmlns:media": _MEDIA})
    dates = [channel.created_at, *(_published(card) for card in feed.videos)]
    _add(root, "id", f"{public_url}/v1/channels/{channel.id}")
    _add(root, "title", channel.name)
    if channel.description:
        _add(root, "subtitle", channel.description)
    _add(root, "updated", _rfc3339(max(dates)))
    _add(root, "link", rel="self", type="application/atom+xml", href=address)
    _add(root, "link", rel="alternate", type="text/html", href=channel_url(public_url, channel.handle))
    author = _add(root, "author")
    _add(author, "name", channel.name)
    _add(author, "uri", channel_url(public_url, channel.handle))
    if feed.card.avatar_url:
        _add(root, "icon", feed.card.avatar_url)
    for card in feed.videos:
        _entry(root, card, public_url)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _entry(root: ET.Element, card: VideoCard, public_url: str) -> None:
    video, page = card.video, watch_url(public_url, card.video.id)
    entry = _add(root, "entry")
    _add(entry, "id", f"{public_url}/v1/videos/{video.id}")
    _add(entry, "title", video.title)
    _add(entry, "published", _rfc3339(_published(card)))
    _add(entry, "updated", _rfc3339(_published(card)))
    _add(entry, "link", rel="alternate", type="text/html", href=page)
    for tag in video.tags:
        _add(entry, "category", term=tag)
    _add(entry, "summary", video.description)
    group = _add(entry, "media:group")
    _add(group, "media:title", video.title)
    _add(group, "media:player", url=embed_url(public_url, video.id))
    if card.poster_url:
        wide, high = poster_size(video)
        _add(group, "media:thumbnail", url=card.poster_url, width=str(wide), height=str(high))
    _add(group, "media:description", video.description)


def _published(card: VideoCard) -> datetime:
    return card.video.published_at or card.video.created_at


def _rfc3339(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _add(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    legal = {name: _NO_XML.sub("", value) for name, value in attributes.items()}
    element = ET.SubElement(parent, tag, legal)
    element.text = _NO_XML.sub("", text) if text is not None else None
    return element
