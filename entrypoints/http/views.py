"""What clients may see of people, channels, uploads and videos: the shapes of answers.

Names and nesting are the API's contract; fields may be added, never renamed or left out. Times are aware
UTC, which the encoder writes with a Z.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from msgspec import Struct, field

from application.channels import ChannelCard
from application.ports import LinkMode, Ticket, Tokens
from application.processing import Progress
from application.uploads import UploadCard
from application.videos import Mine, VideoCard
from application.watching import Playback
from domain.channels import Channel, CommentPolicy, Hold, Member
from domain.engagement import Notify, Reaction
from domain.identity import User
from domain.media import Rendition
from domain.processing import Entry, Failure, State
from domain.uploads import Method, Part, Status, Upload
from domain.videos import Audience, Caption, Chapter, Video, Visibility
from domain.watching import PlaybackSession, Viewing

NO_STORE: Mapping[str, str] = {"cache-control": "no-store"}

# Structs, because a page of videos fills two hundred of them, and because their fields are written in the order
# of the API's contract. None refers back to another, so the garbage collector need not look (gc=False).


class Me(Struct, gc=False):
    """The profile of whoever asks."""

    id: str
    handle: str
    display_name: str
    email: str
    roles: Sequence[str]
    created_at: datetime
    version: int

    @classmethod
    def of(cls, user: User) -> "Me":
        roles = sorted(role.value for role in user.roles)
        return cls(user.id, user.handle, user.display_name, user.email, roles, user.created_at, user.version)


class SignedUpView(Struct, gc=False):
    """The code is on its way, if the address can be reached."""

    user_id: str
    confirmation: str

    @classmethod
    def of(cls, user: User) -> "SignedUpView":
        return cls(user.id, "code_sent")


class CodeSent(Struct, gc=False):
    """What is answered whether a code was sent or there was no reason to."""

    confirmation: str = "code_sent"


class TokensView(Struct, gc=False):
    """``refresh_token`` is null where it is in a cookie."""

    access_token: str
    id_token: str
    refresh_token: str | None
    expires_in_s: int
    token_type: str

    @classmethod
    def of(cls, tokens: Tokens) -> "TokensView":
        return cls(tokens.access, tokens.id, tokens.refresh, tokens.expires_in_s, "Bearer")


# --- channels ------------------------------------------------------------------------------------


class ChannelCounts(Struct, gc=False):
    subscribers: int
    videos: int


class ChannelViewer(Struct, gc=False):
    """What the channel is to whoever is signed in. ``role`` is theirs on it, if any."""

    subscribed: bool
    notify: Notify | None
    role: Member | None


class CommentPolicyView(Struct, gc=False):
    hold: Hold
    words: Sequence[str]
    enabled: bool

    @classmethod
    def of(cls, policy: CommentPolicy) -> "CommentPolicyView":
        return cls(policy.hold, policy.words, policy.enabled)


class MemberView(Struct, gc=False):
    """Someone who helps. Handle and name are null once their account is closed."""

    user_id: str
    role: Member
    handle: str | None
    display_name: str | None

    @classmethod
    def of(cls, id_: str, role: Member, user: User | None) -> "MemberView":
        return cls(id_, role, user.handle if user else None, user.display_name if user else None)


class ChannelView(Struct, gc=False):
    """A channel. ``comment_policy`` and ``members`` are null for all but its members."""

    id: str
    handle: str
    name: str
    description: str
    owner_id: str
    avatar_url: str | None
    banner_url: str | None
    counts: ChannelCounts
    viewer: ChannelViewer | None
    comments_enabled: bool
    comment_policy: CommentPolicyView | None
    members: Sequence[MemberView] | None
    created_at: datetime
    version: int

    @classmethod
    def of(cls, card: ChannelCard) -> "ChannelView":
        channel = card.channel
        return cls(
            channel.id,
            channel.handle,
            channel.name,
            channel.description,
            channel.owner,
            card.avatar_url,
            card.banner_url,
            ChannelCounts(card.subscribers, card.videos),
            _channel_viewer(card) if card.signed_in else None,
            channel.comments.enabled,
            CommentPolicyView.of(channel.comments) if card.role else None,
            [MemberView.of(id_, role, card.helpers.get(id_)) for id_, role in channel.members.items()]
            if card.role
            else None,
            channel.created_at,
            channel.version,
        )


def _channel_viewer(card: ChannelCard) -> ChannelViewer:
    mine = card.subscription
    return ChannelViewer(mine is not None, mine.notify if mine else None, card.role)


class PictureTicket(Struct, gc=False):
    """Where to send a picture's bytes, and the id that names it afterwards."""

    image_id: str
    method: str
    url: str
    expires_at: datetime

    @classmethod
    def of(cls, image: str, ticket: Ticket) -> "PictureTicket":
        return cls(image, "PUT", ticket.url, ticket.expires_at)


# --- uploads -------------------------------------------------------------------------------------


class TicketView(Struct, gc=False):
    """Where to PUT a part, until when."""

    number: int
    url: str
    expires_at: datetime

    @classmethod
    def of(cls, ticket: Ticket) -> "TicketView":
        return cls(ticket.number, ticket.url, ticket.expires_at)


class TicketsView(Struct, gc=False):
    parts: Sequence[TicketView]

    @classmethod
    def of(cls, tickets: Sequence[Ticket]) -> "TicketsView":
        return cls([TicketView.of(ticket) for ticket in tickets])


class PartView(Struct, gc=False):
    """A part that is here."""

    number: int
    size_bytes: int
    etag: str

    @classmethod
    def of(cls, part: Part) -> "PartView":
        return cls(part.number, part.size_bytes, part.etag)


class UploadView(Struct, gc=False):
    """An upload. ``parts`` are links for the first 20 parts that are not here, ``received`` the parts that are."""

    id: str
    video_id: str
    channel_id: str
    status: Status
    method: Method
    filename: str
    content_type: str
    size_bytes: int
    part_size_bytes: int
    part_count: int
    parts: Sequence[TicketView]
    received: Sequence[PartView]
    created_at: datetime
    expires_at: datetime
    error: str | None
    version: int

    @classmethod
    def of(cls, card: UploadCard) -> "UploadView":
        upload = card.upload
        return cls(
            upload.id,
            upload.video,
            upload.channel,
            upload.status,
            upload.method,
            upload.filename,
            upload.content_type,
            upload.size_bytes,
            upload.part_size_bytes,
            upload.parts,
            [TicketView.of(ticket) for ticket in card.tickets],
            [PartView.of(part) for part in card.received],
            upload.created_at,
            upload.expires_at,
            upload.error,
            upload.version,
        )

    @classmethod
    def listed(cls, upload: Upload) -> "UploadView":
        """In a list: which parts are here is said by the upload itself only."""
        return cls.of(UploadCard(upload))


# --- videos --------------------------------------------------------------------------------------


class ChannelRef(Struct, gc=False):
    """The channel of a video, as much as a video's page shows of it."""

    id: str
    handle: str
    name: str
    avatar_url: str | None

    @classmethod
    def of(cls, channel: Channel, avatar_url: str | None) -> "ChannelRef":
        return cls(channel.id, channel.handle, channel.name, avatar_url)


class FailureView(Struct, gc=False):
    code: str
    detail: str

    @classmethod
    def of(cls, failure: Failure) -> "FailureView":
        return cls(failure.code, failure.detail)


class ProcessingView(Struct, gc=False):
    """How the last attempt goes."""

    state: State
    progress_percent: int
    attempt: int
    error: FailureView | None


class RenditionView(Struct, gc=False):
    name: str
    width: int
    height: int
    bitrate_bps: int
    codecs: str

    @classmethod
    def of(cls, rendition: Rendition) -> "RenditionView":
        return cls(rendition.name, rendition.width, rendition.height, rendition.bitrate_bps, rendition.codecs)


class VideoCounts(Struct, gc=False):
    views: int
    likes: int
    dislikes: int
    comments: int


class VideoViewer(Struct, gc=False):
    """What the video is to whoever is signed in. ``position_s`` is where they stopped, null if they never watched."""

    reaction: Reaction | None
    position_s: float | None

    @classmethod
    def of(cls, mine: Mine) -> "VideoViewer":
        return cls(mine.reaction, mine.watched.position_s if mine.watched else None)


class VideoView(Struct, gc=False):
    """A video. Size, duration and renditions are of what plays now; ``blocked`` is a moderator's reason, for its
    members and moderators only. ``stream_id`` and ``stream_session_id`` are of the broadcast that it is a recording of.
    """

    id: str
    channel: ChannelRef
    title: str
    description: str
    tags: Sequence[str]
    category: str | None
    language: str | None
    visibility: Visibility
    publish_at: datetime | None
    published_at: datetime | None
    blocked: str | None
    processing: ProcessingView
    duration_s: float | None
    width: int | None
    height: int | None
    poster_url: str | None
    storyboard_url: str | None
    renditions: Sequence[RenditionView]
    caption_languages: Sequence[str]
    stream_id: str | None
    stream_session_id: str | None
    counts: VideoCounts
    viewer: VideoViewer | None
    created_at: datetime
    version: int

    @classmethod
    def of(cls, card: VideoCard) -> "VideoView":
        video, media = card.video, card.video.media
        return cls(
            video.id,
            ChannelRef.of(card.channel, card.avatar_url),
            video.title,
            video.description,
            video.tags,
            video.category,
            video.language,
            video.visibility,
            video.publish_at,
            video.published_at,
            video.blocked,
            ProcessingView(
                video.state,
                card.progress_percent,
                video.attempt,
                FailureView.of(video.failure) if video.failure else None,
            ),
            media.duration_s if media else None,
            media.width if media else None,
            media.height if media else None,
            card.poster_url,
            card.storyboard_url,
            [RenditionView.of(rendition) for rendition in media.renditions] if media else (),
            sorted(video.captions),
            video.stream,
            video.stream_session,
            VideoCounts(card.views, card.likes, card.dislikes, card.comments),
            VideoViewer.of(card.mine) if card.mine else None,
            video.created_at,
            video.version,
        )


def playing(card: VideoCard) -> Sequence[Rendition]:
    """The renditions there are to choose from, now."""
    return card.video.media.renditions if card.video.media else ()


def caching(card: VideoCard) -> Mapping[str, str]:
    """Headers for an answer about a video: its links expire unless everyone may follow them."""
    return {} if card.video.admits(Audience.ANYONE) else NO_STORE


class ProcessingStarted(Struct, gc=False):
    """Another attempt waits for a transcoder."""

    id: str
    processing: ProcessingView
    version: int

    @classmethod
    def of(cls, video: Video) -> "ProcessingStarted":
        return cls(video.id, ProcessingView(video.state, 0, video.attempt, None), video.version)


class ProcessingEvent(Struct, gc=False):
    """When an attempt entered a state. ``error`` is the failure's code."""

    at: datetime
    attempt: int
    state: State
    error: str | None

    @classmethod
    def of(cls, entry: Entry) -> "ProcessingEvent":
        return cls(entry.at, entry.attempt, entry.state, entry.error)


class ProcessingProgress(Struct, gc=False):
    """How the last attempt at a video goes: what the video says as ``processing``."""

    video_id: str
    state: State
    progress_percent: int
    attempt: int
    error: FailureView | None

    @classmethod
    def of(cls, progress: Progress) -> "ProcessingProgress":
        error = FailureView.of(progress.failure) if progress.failure else None
        return cls(progress.video, progress.state, progress.percent, progress.attempt, error)


class CaptionView(Struct, gc=False):
    language: str
    label: str
    url: str

    @classmethod
    def of(cls, found: tuple[Caption, str]) -> "CaptionView":
        """Of a track and where to GET it."""
        caption, url = found
        return cls(caption.language, caption.label, url)


class ChapterView(Struct, gc=False):
    start_s: float
    title: str

    @classmethod
    def of(cls, chapter: Chapter) -> "ChapterView":
        return cls(chapter.start_s, chapter.title)


class PlaybackView(Struct, gc=False):
    """Leave to play: where the manifest is, and until when the link works."""

    id: str
    manifest_url: str
    mode: LinkMode
    expires_at: datetime
    resume_at_s: float

    @classmethod
    def of(cls, playback: Playback) -> "PlaybackView":
        link = playback.link
        return cls(playback.session.id, link.url, link.mode, playback.expires_at, playback.resume_at_s)


class BeatView(Struct, gc=False):
    """What was made of a heartbeat: where the viewer is, and whether the session counts as a view by now."""

    position_s: float
    watched_s: float
    counted: bool

    @classmethod
    def of(cls, session: PlaybackSession) -> "BeatView":
        return cls(session.position_s, session.watched_s, session.counted)


# --- analytics -----------------------------------------------------------------------------------


class Totals(Struct, gc=False):
    views: int
    watch_time_s: float

    @classmethod
    def of(cls, viewings: Sequence[Viewing]) -> "Totals":
        return cls(sum(each.views for each in viewings), sum(each.watched_ms for each in viewings) / 1000)


class DayView(Struct, gc=False):
    """What was watched on one day."""

    day: date
    views: int
    watch_time_s: float

    @classmethod
    def of(cls, viewing: Viewing) -> "DayView":
        return cls(viewing.day, viewing.views, viewing.watched_ms / 1000)


class AnalyticsView(Struct, gc=False):
    """What was watched day by day: of every day from the first to the last, oldest first, and of all together."""

    first: date = field(name="from")
    last: date = field(name="to")
    data: Sequence[DayView]
    totals: Totals

    @classmethod
    def of(cls, viewings: Sequence[Viewing]) -> "AnalyticsView":
        """Of one for every day."""
        days = [DayView.of(each) for each in viewings]
        return cls(days[0].day, days[-1].day, days, Totals.of(viewings))
