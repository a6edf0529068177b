"""What the use cases need from the world. Each contract stands here, and every adapter keeps it.

Common to all: values in, values out; times are aware UTC. ``save(value, *events)`` stores the value and its
events or neither, and returns the value with its new version; it raises Stale when ``value.version`` is not
the stored one (0: nothing stored). Lists answer a ``Page``; its cursor is good for the same call with the
same arguments only, and nothing stored later makes a walk over the pages repeat or skip what was there.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from attrs import field, frozen

from domain.access import Role
from domain.broadcasts import BroadcastEvent, Detail, Happening, Session, SessionEvent, Timeline
from domain.channels import Channel, ChannelClosed, ChannelEdited, ChannelOpened
from domain.chat import Ban, Capability, Message, Standing
from domain.engagement import Comment, CommentEvent, Reaction, Subscribed, Subscription
from domain.identity import AccountClosed, SignedUp, User
from domain.ids import (
    BroadcastId,
    ChannelId,
    CommentId,
    EventId,
    JobId,
    MessageId,
    NotificationId,
    RecordingId,
    SessionId,
    StreamId,
    StreamSessionId,
    UploadId,
    UserId,
    VideoId,
)  # fmt: skip
from domain.media import FilesSuperseded
from domain.notifications import FanOut, Notification, Settings
from domain.processing import Processing, ProcessingMoved, Report, TranscodeRequested
from domain.streams import IngestPoint, Stream, StreamEvent
from domain.uploads import Part, Upload, UploadAbandoned, UploadCompleted
from domain.videos import Audience, Video, VideoEvent
from domain.watching import Grant, PlaybackSession, Viewer, Viewing, Watched

Event = (
    SignedUp | AccountClosed | ChannelOpened | ChannelEdited | ChannelClosed | UploadCompleted | UploadAbandoned
    | TranscodeRequested | ProcessingMoved | VideoEvent | FilesSuperseded | CommentEvent | Subscribed | FanOut
    | StreamEvent | BroadcastEvent
)  # fmt: skip

Now = Callable[[], datetime]
"""The present, aware UTC."""
NewId = Callable[[str], str]
"""A new id with the given prefix (``vid`` gives ``vid_01J…``): a ULID of the present, ascending in one process."""


T = TypeVar("T")


@frozen
class Page(Generic[T]):
    """Some of a list, and where to go on (None: that was all)."""

    items: Sequence[T]
    next: str | None = None


# --- people --------------------------------------------------------------------------------------


class Users(Protocol):
    """The profiles there are. Handles are unique."""

    async def get(self, user: UserId) -> User:
        """Raises NotFound."""

    async def many(self, users: Sequence[UserId]) -> Mapping[UserId, User]:
        """Those of ``users`` that are there."""

    async def by_handle(self, handle: str) -> User:
        """Raises NotFound."""

    async def save(self, user: User, *events: Event) -> User:
        """Raises Stale, and Taken (``handle_taken``). A handle given up is free at once."""

    async def remove(self, user: User, *events: Event) -> None:
        """Raises Stale. The handle is free at once."""


@frozen
class Tokens:
    """What a sign-in gives. The lifetime is the access token's, in seconds."""

    access: str
    id: str
    refresh: str
    expires_in_s: int


class Accounts(Protocol):
    """The identity provider: secrets, codes and tokens. Cognito is one.

    E-mail addresses are unique and compared in their stored form. Codes are sent by e-mail, work once, for
    24 hours (reset: 1 hour), and at most five wrong ones are taken before a new one must be asked for.
    Access and ID tokens are RS256 JWTs with Cognito's claims.
    """

    async def sign_up(self, email: str, password: str, handle: str) -> UserId:
        """An unconfirmed account; sends a code. Raises Taken if the address has an account: ``email_taken`` for a
        confirmed one, ``confirmation_pending`` for one that waits for its code. That one stays as it is, or whoever
        signs up last with another's address would choose the password that the other's code confirms.
        """

    async def unconfirmed(self, email: str) -> UserId | None:
        """Whose account waits to be confirmed by a code sent to this address, live or not; None if there is none."""

    async def expired(self, now: datetime, limit: int = 100) -> Sequence[UserId]:
        """Whose account was not confirmed before its last code ran out, the one that ran out first first. They hold
        their addresses until ``close``.
        """

    async def confirm(self, email: str, code: str) -> None:
        """Raises Invalid (``code_mismatch``, ``code_expired``; unknown addresses look like a mismatch).
        Confirming once more with the code that confirmed is a no-op.
        """

    async def resend_code(self, email: str) -> None:
        """A new code for the same account and password. Silent about addresses that are unknown or confirmed."""

    async def sign_in(self, email: str, password: str) -> Tokens:
        """Raises Unauthenticated (``wrong_credentials``, also for unknown addresses), or Forbidden
        (``not_confirmed``) when the password was right.

        After the fifth wrong password in a row for one address, known or not, none is looked at for a second
        (TooManyTries), and after each further one for twice as long, up to 15 minutes. A sign-in forgets them, and so do
        15 minutes more without a wrong one; and a new password, but perhaps in Cognito, which does not say.
        """

    async def refresh(self, token: str) -> Tokens:
        """New tokens; the refresh token rotates, and the old one works for 30 s more. One used after that ends
        the whole sign-in. Raises Unauthenticated (``invalid_refresh_token``).
        """

    async def sign_out(self, token: str) -> None:
        """The refresh token's whole sign-in ends. Unknown tokens are a no-op."""

    async def forgot_password(self, email: str) -> None:
        """Sends a code; silent about unknown addresses."""

    async def reset_password(self, email: str, code: str, password: str) -> None:
        """Ends every sign-in of the account, and confirms it: a sign-up code that was not used is over. Raises Invalid
        as ``confirm`` does.
        """

    async def grant(self, user: UserId, roles: frozenset[Role]) -> None:
        """Tokens issued from now on carry these roles. Raises NotFound."""

    async def close(self, user: UserId) -> None:
        """The account is gone, its sign-ins are over, the address is free. Unknown users are a no-op."""


class Keys(Protocol):
    """The keys that tokens are signed with."""

    async def jwks(self) -> Mapping[str, object]:
        """The public keys as a JWKS document (RFC 7517). Raises Unavailable."""


@frozen
class Mail:
    to: str
    subject: str
    text: str
    code: str | None
    sent_at: datetime


class Mailbox(Protocol):
    """What the offline profiles sent. The last 100 for each address are kept."""

    async def sent_to(self, email: str) -> Sequence[Mail]:
        """Newest first."""


# --- channels and videos -------------------------------------------------------------------------


class Channels(Protocol):
    """The channels there are. Handles are unique among channels."""

    async def get(self, channel: ChannelId) -> Channel:
        """Raises NotFound."""

    async def many(self, channels: Sequence[ChannelId]) -> Mapping[ChannelId, Channel]:
        """Those of ``channels`` that are there."""

    async def by_handle(self, handle: str) -> Channel:
        """Raises NotFound."""

    async def of_member(self, user: UserId) -> Sequence[Channel]:
        """Those the user owns or helps with, oldest first. At most 1000."""

    async def save(self, channel: Channel, *events: Event) -> Channel:
        """Raises Stale, and Taken (``handle_taken``). A handle given up is free at once."""

    async def remove(self, channel: Channel, *events: Event) -> None:
        """Raises Stale. The handle is free at once."""


class Order(StrEnum):
    NEWEST = "newest"
    OLDEST = "oldest"


class Videos(Protocol):
    """The videos there are. Lists of listable ones are by ``published_at``; all lists are eventually consistent on AWS,
    and counts are exact.
    """

    async def get(self, video: VideoId) -> Video:
        """Raises NotFound."""

    async def many(self, videos: Sequence[VideoId]) -> Mapping[VideoId, Video]:
        """Those of ``videos`` that are there."""

    async def save(self, video: Video, *events: Event) -> Video:
        """Raises Stale."""

    async def remove(self, video: Video, *events: Event) -> None:
        """Raises Stale."""

    async def listed(
        self, *, channel: ChannelId | None = None, tag: str | None = None, order: Order = Order.NEWEST,
        cursor: str | None = None, limit: int = 20,
    ) -> Page[Video]:  # fmt: skip
        """Listable videos, of a channel and with a tag where given."""

    async def of_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Video]:
        """All of a channel's videos, whatever their state, newest created first."""

    async def feed(self, channels: Sequence[ChannelId], *, cursor: str | None = None, limit: int = 20) -> Page[Video]:
        """Listable videos of any of ``channels``, newest published first."""

    async def count(self, channel: ChannelId) -> int:
        """How many of a channel's videos are listable."""

    async def due(self, now: datetime, limit: int = 100) -> Sequence[Video]:
        """Scheduled videos whose time has come, earliest first."""


class Uploads(Protocol):
    """The uploads there are. Pages of all of a user's, and those expired, are eventually consistent on AWS."""

    async def get(self, upload: UploadId) -> Upload:
        """Raises NotFound."""

    async def start(self, upload: Upload, quota_bytes: int, open_most: int, *, video: Video | None = None) -> Upload:
        """Store a new upload if its user's uploads that count (``Upload.counts``) then take at most
        ``quota_bytes`` and at most ``open_most`` of them are open; exact under concurrency. With it the new ``video``
        that it is for, or neither.
        Raises Forbidden (``quota_exceeded``, ``too_many_uploads``).
        """

    async def save(self, upload: Upload, *events: Event) -> Upload:
        """Raises Stale."""

    async def of_user(
        self, user: UserId, *, open_only: bool = False, cursor: str | None = None, limit: int = 20
    ) -> Page[Upload]:
        """Newest first."""

    async def of_video(self, video: VideoId) -> Sequence[Upload]:
        """Every upload made for a video, oldest first."""

    async def remove(self, upload: UploadId) -> None:
        """It takes from no quota any more. Unknown ones are a no-op."""

    async def expired(self, now: datetime, limit: int = 100) -> Sequence[Upload]:
        """Open uploads whose time is over, earliest first."""


class Processings(Protocol):
    """How far each video's media is. Those not done are found eventually on AWS."""

    async def get(self, video: VideoId) -> Processing:
        """The latest saved. Raises NotFound."""

    async def many(self, videos: Sequence[VideoId]) -> Mapping[VideoId, Processing]:
        """Those that are there."""

    async def save(self, processing: Processing, *events: Event) -> Processing:
        """Raises Stale."""

    async def unfinished(self, before: datetime, limit: int = 100) -> Sequence[Processing]:
        """Those not done whose ``updated_at`` lies before, longest ago first."""

    async def ahead(self, after: datetime, limit: int = 100) -> Sequence[Processing]:
        """Those not done whose ``updated_at`` lies after, the nearest first."""


# --- media ---------------------------------------------------------------------------------------


@frozen
class Ticket:
    """Where to PUT the bytes of a part, until when."""

    number: int
    url: str
    expires_at: datetime


class UploadStore(Protocol):
    """Takes files in parts, straight from the client. S3 multipart is one."""

    async def open(self, upload: Upload) -> str:
        """Get ready for ``upload``; its handle."""

    async def sign(self, upload: Upload, numbers: Sequence[int], until: datetime) -> Sequence[Ticket]:
        """Links for these parts. A PUT of other than ``size_of(number)`` bytes is refused with nothing kept; a
        second PUT of a part takes the place of the first.
        """

    async def received(self, upload: Upload) -> Sequence[Part]:
        """The parts that are here whole, by number. After ``assemble``: as before it, or all in one part."""

    async def assemble(self, upload: Upload, parts: Sequence[Part]) -> int:
        """Make ``upload.source`` of the parts, in order; its size in bytes. Doing it again gives the same.
        Raises Invalid (``etag_mismatch``) when a part here has another etag, and keeps the parts.
        """

    async def discard(self, upload: Upload) -> None:
        """Free whatever the upload holds: parts and source. Doing it again is a no-op."""

    async def discard_unknown(self, upload: UploadId) -> None:
        """The same, for one of which nothing else is known."""

    async def held(self, *, after: str = "", limit: int = 1000) -> Sequence[UploadId]:
        """The uploads that anything is held of, in the order of their ids, those after ``after``."""

    async def sign_small(self, name: str, size_bytes: int, until: datetime) -> Ticket:
        """A link (number 1) for one small file, such as an image, under a name of ours."""

    async def take_small(self, name: str) -> bytes:
        """What came under the name. Raises NotFound. It goes by itself after a day."""


class LinkMode(StrEnum):
    PUBLIC = "public"
    COOKIE = "cookie"
    TOKEN = "token"  # noqa: S105  (the name of a mode)


@frozen
class Link:
    """Where to GET something; ``cookies`` are to be set in the mode COOKIE, for that path and domain (None: the host
    that sets them).
    """

    url: str
    mode: LinkMode
    cookies: Mapping[str, str] = field(factory=dict)
    cookie_path: str = "/"
    cookie_domain: str | None = None


@frozen
class Origins:
    """What clients deal with beside us, as a Content-Security-Policy names it: where media comes from, and what they
    call or send to.
    """

    media: Sequence[str] = ()
    calls: Sequence[str] = ()


@frozen
class Stored:
    """Something directly under a prefix: a file, or (its name ends in a slash) all whose key goes on."""

    name: str
    at: datetime | None
    """When a file was put; None for several."""


class MediaStore(Protocol):
    """Files that are shown: renditions, posters, captions, images. Keys are paths without a leading slash."""

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        """Whole or not at all; at most 16 MiB. A key is written once: new content gets a new key."""

    async def read(self, key: str) -> bytes:
        """Raises NotFound."""

    async def remove_prefix(self, prefix: str) -> int:
        """Remove all whose key starts so; how many there were. Doing it again is a no-op."""

    async def usage(self, prefix: str) -> int:
        """Bytes under a prefix."""

    async def under(self, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[Stored]:
        """What is directly under a prefix (which ends in a slash), by name, those whose name sorts after ``after``."""

    def open_url(self, key: str) -> str:
        """Where anyone may GET it, as long as the video it belongs to (if any) is public."""

    def granted(self, grant: Grant, key: str, mode: LinkMode = LinkMode.COOKIE) -> Link:
        """Where the holder of the grant may GET it and its neighbours named in it (relative links work).

        TOKEN is for whoever keeps no cookies; a store that sets none has no other mode.
        """


@frozen(kw_only=True)
class TranscodeOrder:
    """Make ``video``'s renditions of ``source`` (an ``Upload.source``) under ``attempt_prefix(video, attempt)``."""

    video: VideoId
    attempt: int
    source: str


class Transcoder(Protocol):
    """Makes renditions, posters and storyboards. ffmpeg is one, MediaConvert another.

    It says how it goes in ``Report``s, at least once each, in whatever order (``Reports``). It refuses what it
    cannot play with a report of FAILED, whose failure code is one of: ``unreadable`` (not a media file, or
    damaged beyond use), ``no_video``, ``too_long``, ``encoder_failed`` (transient), ``source_missing``.
    """

    async def start(self, order: TranscodeOrder) -> JobId:
        """Begin, or say which job is at it. Asking again for the same attempt starts nothing new while the
        first is known. Raises Unavailable when it cannot take more now.
        """

    async def status(self, job: JobId) -> Report | None:
        """What became of a job; None when it is unknown."""

    async def cancel(self, job: JobId) -> None:
        """Stop it, without a report. Unknown or finished jobs are a no-op."""


class Reports(Protocol):
    """What transcoders said and nobody has dealt with yet."""

    async def next(self) -> Report:
        """Waits for one. A report not ``settle``d within a minute comes again."""

    async def settle(self, report: Report) -> None:
        """It was dealt with."""


class File(Protocol):
    """A stored file, to be sent. ``path`` is where it lies on this machine's disk, if it does."""

    @property
    def size_bytes(self) -> int: ...
    @property
    def content_type(self) -> str: ...
    @property
    def etag(self) -> str: ...
    @property
    def path(self) -> str | None: ...
    def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Its bytes from ``start`` up to, not including, ``end``, in pieces."""


@frozen
class PartTicket:
    """What a part's link says: part ``number`` of ``upload``."""

    upload: UploadId
    number: int


@frozen
class SmallTicket:
    """What a small file's link says."""

    name: str
    size_bytes: int


class Delivery(Protocol):
    """Bytes in and out over our own HTTP, where there is no S3 and no CloudFront to do it; next to those, only
    playlists whose links have to be signed for who asks.

    Tokens are what the links of ``UploadStore`` and ``MediaStore`` carry. Reading one raises Forbidden
    (``link_invalid``, ``link_expired``).
    """

    def ticket(self, token: str) -> PartTicket | SmallTicket:
        """What an upload link allows."""

    def grant(self, token: str) -> Grant:
        """What a playback link allows."""

    async def receive(self, upload: Upload, number: int, chunks: AsyncIterator[bytes]) -> Part:
        """Store a part as it comes, in memory of a fixed size. Raises Invalid (``size_mismatch``) when it ends
        early or goes on too long; then, or when ``chunks`` raises, nothing of it is kept.
        """

    async def receive_small(self, ticket: SmallTicket, chunks: AsyncIterator[bytes]) -> Part:
        """The same for a small file."""

    async def file(self, key: str, grant: Grant | None = None) -> File:
        """For the holder of the grant, or (None) for anyone: what it names can be had in turn. Raises NotFound."""


class Images(Protocol):
    async def fit(self, content: bytes, width: int, height: int) -> bytes:
        """The picture as a JPEG that covers width x height pixels, cropped at the centre, without metadata.
        Raises Invalid (``unreadable_image``) for what is not a JPEG, PNG or WebP of at most 50 megapixels.
        """


WebVtt = Callable[[bytes], bytes]
"""Captions (WebVTT or SubRip, UTF-8) as tidy WebVTT. Raises Invalid (``invalid_captions``) naming the line."""


# --- livestreams ---------------------------------------------------------------------------------


class Streams(Protocol):
    """The streams there are. Lists are eventually consistent on AWS."""

    async def get(self, stream: StreamId) -> Stream:
        """Raises NotFound."""

    async def many(self, streams: Sequence[StreamId]) -> Mapping[StreamId, Stream]:
        """Those of ``streams`` that are there."""

    async def by_ingest(self, ingest: str) -> Stream:
        """The one that its ingest calls so. Raises NotFound."""

    async def save(self, stream: Stream, *events: Event) -> Stream:
        """Raises Stale, Taken (``ingest_taken``) when its ingest calls another one so."""

    async def remove(self, stream: Stream, *events: Event) -> None:
        """Raises Stale."""

    async def of_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Stream]:
        """All of a channel's, newest created first."""

    async def live(self, *, cursor: str | None = None, limit: int = 20) -> Page[Stream]:
        """Those that are ``listed``, by ``live_since``, newest first."""

    async def near(self, now: datetime, limit: int = 100) -> Sequence[Stream]:
        """Those whose ``remind_at`` has come, earliest first."""


class Broadcasts(Protocol):
    """What was heard of each stream, and the sessions it came to. Lists are eventually consistent on AWS."""

    async def timeline(self, stream: StreamId) -> Timeline:
        """Raises NotFound when nothing was heard yet."""

    async def timelines(self, streams: Sequence[StreamId]) -> Mapping[StreamId, Timeline]:
        """Those there are."""

    async def save(self, timeline: Timeline, sessions: Sequence[Session], *events: Event) -> Timeline:
        """The timeline, what its sessions have come to (at most ``SESSIONS_AT_ONCE``), and the events: all or nothing.
        Raises Stale.
        """

    async def session(self, session: StreamSessionId) -> Session:
        """One that has ``joined`` another is that other; one that joined itself came to nothing. Raises NotFound."""

    async def sessions(self, stream: StreamId, *, cursor: str | None = None, limit: int = 20) -> Page[Session]:
        """Newest started first, without those that have ``joined`` another."""

    async def due(self, now: datetime, limit: int = 100) -> Sequence[Timeline]:
        """Those whose ``look_at`` has come, the longest ago first."""

    async def log(self, events: Sequence[SessionEvent]) -> None:
        """Keep them, for at least 60 days (``EVENTS_KEPT``). Telling one again is a no-op, whenever it was received: an id
        has one ``at``.
        """

    async def events(
        self, stream: StreamId, since: datetime, until: datetime, *, cursor: str | None = None, limit: int = 20
    ) -> Page[SessionEvent]:
        """What happened from ``since`` to before ``until``, by ``at``, oldest first."""

    async def forget(self, stream: StreamId, limit: int = 500) -> int:
        """Forget some of what is known of a removed stream; how much, 0 when nothing is left."""


SESSIONS_AT_ONCE = 50
"""More than a look ever changes: a timeline keeps ``domain.broadcasts.SESSIONS_MOST``, each of which may join another."""
EVENTS_KEPT = timedelta(days=60)


@frozen(kw_only=True)
class Signal:
    """Something that an ingest says happened. ``ingest`` is its name for the stream, ``id`` its name for the event, by
    which signals are told apart.
    """

    id: str
    ingest: str
    broadcast: BroadcastId | None
    kind: Happening
    at: datetime
    detail: Detail = field(factory=dict, hash=False)


@frozen(kw_only=True)
class Sighting:
    """A broadcast that is live. ``viewers`` None: not known just now. ``measured`` is what comes in, as ``HEALTH`` says
    it, from an ingest that does not say so by itself; empty if it did before, or does not know.
    """

    ingest: str
    broadcast: BroadcastId
    started_at: datetime
    viewers: int | None = None
    measured: Detail = field(factory=dict, hash=False)


class Ingest(Protocol):
    """Takes broadcasts from encoders, shows them to viewers, and records them. IVS is one.

    It says what happens in ``Signal``s: at least once, in any order, hours late or never. A stream has one key at a
    time and takes one encoder at a time.
    """

    async def open(self, stream: Stream) -> str:
        """Get ready for a stream; its own name for it. Asking again gives the same. Raises Unavailable when too many are
        made at once.
        """

    async def configure(self, stream: Stream) -> None:
        """Be as the stream says: whether it is enabled and recorded, its latency and reconnect window. Raises
        Unavailable while a broadcast is on that keeps something from being changed.
        """

    async def point(self, stream: Stream) -> IngestPoint:
        """Where to send, and with which key. Raises Conflict (``stream_disabled``)."""

    async def rotate(self, stream: Stream) -> IngestPoint:
        """With a new key. The old one is refused from then on, and what is broadcast is cut off."""

    async def stop(self, stream: Stream) -> bool:
        """Cut off what is broadcast; True if something was. The encoder may come back with the same key."""

    async def close(self, stream: StreamId, ingest: str) -> None:
        """Nothing is taken any more, and the name is free. Recordings stay. Unknown ones are a no-op."""

    async def live(self) -> Sequence[Sighting]:
        """All that is live now. Raises Unavailable."""

    async def recorded(self, ingest: str, recording: RecordingId, source: str) -> Signal | None:
        """What became of a recording of whose end nobody heard (``source`` as far as it is known), be it that the name
        was closed since; None: nothing yet.
        """

    async def playback(self, stream: Stream, audience: Audience, viewer: UserId | None, until: datetime) -> Link:
        """Where the manifest is, for whoever sees the stream so. An ingest that serves viewers itself raises Conflict
        (``not_live``) when there is none; elsewhere it is not found then.
        """

    async def revoke(self, stream: Stream, viewer: UserId) -> None:
        """What ``playback`` gave this viewer ends."""

    def watched(self, stream: StreamId, viewer: Viewer) -> None:
        """They asked our own door for what to play next. As names are what players say, at most ``NAMES_MOST`` of an
        address count, so that nobody makes a crowd of themselves.
        """

    async def annotate(self, stream: Stream, text: str) -> None:
        """Timed metadata, of at most 1 KiB, for the players at this point. Raises Conflict (``not_live``)."""

    async def discard(self, source: str) -> None:
        """Free a recording. Doing it again is a no-op."""


@frozen
class Chatter:
    """Who joins a chat (None: anyone), under which name, and what they are there."""

    user: UserId | None
    name: str
    standing: Standing


@frozen
class ChatToken:
    """What a client connects with, once, until ``expires_at``: a WebSocket to ``url`` with the token as its subprotocol,
    over which messages go in the form of the IVS Chat Messaging API. The connection may last until
    ``session_expires_at``.
    """

    token: str = field(repr=False)
    url: str
    capabilities: frozenset[Capability]
    expires_at: datetime
    session_expires_at: datetime


class Chat(Protocol):
    """Rooms in which viewers talk, one a stream. IVS Chat is one. Before a message is shown, ``SayInChat`` is asked."""

    async def token(self, stream: Stream, who: Chatter, may: frozenset[Capability]) -> ChatToken:
        """For one connection. The room is made when it is first needed. Raises Unavailable."""

    async def delete(self, stream: Stream, message: MessageId) -> None:
        """Clients are told to take it away. Unknown ones are a no-op."""

    async def disconnect(self, stream: Stream, user: UserId) -> None:
        """Whatever connections they have end."""

    async def close(self, stream: StreamId) -> None:
        """The room is gone, and so is who was in it. Doing it again is a no-op."""


@frozen
class Seat:
    """What a chat token says: whose connection it is, to which room, and until when."""

    stream: StreamId
    who: Chatter
    may: frozenset[Capability]
    until: datetime


class ChatDoor(Protocol):
    """Chat over our own WebSocket, where there is no IVS Chat. ``join`` gives frames as they go over the wire."""

    async def seat(self, token: str) -> Seat:
        """Takes the token, which is good for one connection. Raises Forbidden (``link_invalid``, ``link_expired``,
        ``link_used``).
        """

    def join(self, seat: Seat) -> AbstractAsyncContextManager[AsyncIterator[str]]:
        """What is said in the room while the context is open. The iterator ends when they are disconnected; one that
        does not keep up loses the oldest beyond 100. Raises Unavailable (``chat_full``).
        """

    async def show(self, message: Message, request: str) -> None:
        """To everyone in its room. ``request`` is the sender's own name for it."""

    def shut(self) -> None:
        """Whoever sits in this process is at the end: it is about to stop."""


class ChatLog(Protocol):
    """What was said in chats, kept for as long as the stream is there, and who may not write."""

    async def add(self, message: Message, pause: timedelta) -> None:
        """Keep it. One that is kept already is a no-op. Raises Conflict (``chat_slow_mode``) when there is a ``pause`` and
        its author said something in this chat less than that before, when there was one, too; exact under concurrency.
        """

    async def get(self, stream: StreamId, message: MessageId) -> Message:
        """Raises NotFound."""

    async def put(self, message: Message) -> None:
        """In place of the one with its id, which was said at the same time. One that is not there is a no-op."""

    async def of_stream(
        self, stream: StreamId, since: datetime, until: datetime, *, newest: bool = False, cursor: str | None = None,
        limit: int = 20,
    ) -> Page[Message]:  # fmt: skip
        """What was said from ``since`` to before ``until``, oldest first, in the order of ids at one time; or (``newest``)
        all the other way round. Eventually consistent on AWS.
        """

    async def ban(self, ban: Ban) -> None:
        """In place of an earlier one."""

    async def lift(self, stream: StreamId, user: UserId) -> None:
        """Nobody banned is a no-op."""

    async def banned(self, stream: StreamId, user: UserId) -> bool: ...

    async def bans(self, stream: StreamId, *, cursor: str | None = None, limit: int = 20) -> Page[Ban]:
        """In the order of the users' ids."""

    async def forget(self, stream: StreamId, limit: int = 500) -> int:
        """Forget some of what is known of a removed stream's chat; how much, 0 when nothing is left."""


class Pretence(StrEnum):
    """What an encoder may be pretended to do."""

    START = "start"
    DROP = "drop"
    """It vanishes, and may come back."""
    STARVE = "starve"
    """It sends too little; and enough again, the next time."""
    END = "end"
    DUPLICATE = "duplicate"
    """The last thing that was said is said once more."""
    REORDER = "reorder"
    """A whole broadcast, told backwards."""


class Simulator(Protocol):
    """Pretends that encoders come and go, where nobody is harmed by it: the offline profiles."""

    async def simulate(self, stream: Stream, step: Pretence) -> None:
        """Raises Conflict (``stream_disabled``, ``not_live``, ``stream_live``, ``nothing_said``)."""


class Signals(Protocol):
    """What an ingest said and nobody has dealt with yet."""

    async def next(self) -> Signal:
        """Waits for one. A signal not ``settle``d within a minute comes again."""

    async def settle(self, signal: Signal) -> None:
        """It was dealt with."""


# --- engagement ----------------------------------------------------------------------------------


class Comments(Protocol):
    """The comments there are. Pages are eventually consistent on AWS; what else is answered is not."""

    async def get(self, comment: CommentId) -> Comment:
        """Raises NotFound."""

    async def save(self, comment: Comment, *events: Event) -> Comment:
        """Raises Stale. A pinned comment takes the pin from the one that had it, whose version moves on too."""

    async def on_video(self, video: VideoId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        """Comments on the video itself that are visible or have visible replies: the pinned one first, then newest
        first. Every visible reply is one to a comment in this list.
        """

    async def replies(self, comment: CommentId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        """Visible replies, oldest first."""

    async def held_by(
        self, video: VideoId, author: UserId, *, parent: CommentId | None = None, limit: int = 20
    ) -> Sequence[Comment]:
        """The author's that wait for a member, on the video itself or (``parent``) in reply to one; newest first."""

    async def held(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        """Those that wait for a member, oldest first."""

    async def of_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Comment]:
        """All of a channel's but the removed, newest first."""

    async def counts(self, videos: Sequence[VideoId]) -> Mapping[VideoId, int]:
        """Visible comments under each video, replies included; for every video, zero included."""

    async def reply_counts(self, comments: Sequence[CommentId]) -> Mapping[CommentId, int]:
        """Visible replies to each; for every comment, zero included."""

    async def known(self, channel: ChannelId, author: UserId) -> bool:
        """Whether a comment of theirs is visible under any of the channel's videos."""

    async def all_on(self, video: VideoId, limit: int = 500) -> Sequence[CommentId]:
        """Whatever became of them: those that ``remove_all`` forgets first."""

    async def remove_all(self, video: VideoId, limit: int = 500) -> Sequence[CommentId]:
        """Forget comments of a removed video; which, none when none is left."""


@frozen
class ReactionTally:
    likes: int = 0
    dislikes: int = 0


class Reactions(Protocol):
    """Likes and dislikes of videos and comments (the subject is either's id). Counts are exact."""

    async def put(self, subject: str, user: UserId, reaction: Reaction, *events: Event) -> bool:
        """True if that is new; the events are stored only then. It takes the place of another reaction."""

    async def remove(self, subject: str, user: UserId) -> bool:
        """True if there was one."""

    async def of(self, user: UserId, subjects: Sequence[str]) -> Mapping[str, Reaction]:
        """The user's reaction to each subject that has one."""

    async def tallies(self, subjects: Sequence[str]) -> Mapping[str, ReactionTally]:
        """For every subject, zero included."""

    async def forget(self, subject: str) -> None:
        """All reactions to what was removed."""


class Subscriptions(Protocol):
    """Who follows which channel. Counts are exact; pages are eventually consistent on AWS."""

    async def put(self, subscription: Subscription, *events: Event) -> bool:
        """True if that is new; the events are stored only then. Else only ``notify`` changes."""

    async def remove(self, user: UserId, channel: ChannelId) -> bool:
        """True if there was one."""

    async def get(self, user: UserId, channel: ChannelId) -> Subscription | None: ...

    async def of_user(self, user: UserId, *, cursor: str | None = None, limit: int = 20) -> Page[Subscription]:
        """Newest first."""

    async def to_channel(self, channel: ChannelId, *, cursor: str | None = None, limit: int = 20) -> Page[Subscription]:
        """Newest first. Someone who subscribes during a walk over the pages may be missed."""

    async def lanes(self, channel: ChannelId) -> int:
        """Into how many parts its list is split, at least one: whoever is on it is in just one of them, and stays there.
        They may become more, with only newcomers in them.
        """

    async def to_channel_lane(
        self, channel: ChannelId, lane: int, *, cursor: str | None = None, limit: int = 20
    ) -> Page[Subscription]:
        """The same of one lane, counted from 0, so that many can walk at the same time. Where ``to_channel`` got to,
        every lane goes on by its cursor.
        """

    async def count(self, channel: ChannelId) -> int: ...

    async def forget(self, channel: ChannelId, limit: int = 500) -> int:
        """Forget subscriptions to a removed channel; how many, 0 when none is left."""


class Sessions(Protocol):
    """Playback sessions, and the views that come of them. Counts are exact."""

    async def get(self, session: SessionId) -> PlaybackSession:
        """Raises NotFound; so do sessions long over."""

    async def save(
        self, session: PlaybackSession, watched: Watched | None = None, gained: Sequence[Viewing] = ()
    ) -> PlaybackSession:
        """With where its viewer is, if there is one. In the same step the video has one view more when ``counted`` turns
        True, and each day has what was ``gained`` on it, of each subject one. Raises Stale.
        """

    async def views(self, videos: Sequence[VideoId]) -> Mapping[VideoId, int]:
        """For every video, zero included."""


class History(Protocol):
    """What each user watched, one line a video, the latest first. Pages are eventually consistent on AWS."""

    async def of(self, user: UserId, videos: Sequence[VideoId]) -> Mapping[VideoId, Watched]:
        """Those there are."""

    async def list(self, user: UserId, *, cursor: str | None = None, limit: int = 20) -> Page[Watched]: ...

    async def forget(self, user: UserId, video: VideoId | None = None) -> None:
        """One line, or all of them."""


class Viewings(Protocol):
    """What was watched of each video and each channel, day by day: what the saves of sessions gained. Exact."""

    async def of(self, subject: VideoId | ChannelId, first: date, last: date) -> Sequence[Viewing]:
        """The days from the first to the last with anything, oldest first."""

    async def forget(self, subject: VideoId | ChannelId) -> None:
        """All days. Doing it again is a no-op."""


# --- notifications -------------------------------------------------------------------------------


@frozen
class Unread:
    """``capped``: there are more than ``count``."""

    count: int
    capped: bool = False


UNREAD_MOST = 99


class Inbox(Protocol):
    """What each user was told. The newest 1000 are kept, for at least 60 days."""

    async def deliver(self, notifications: Sequence[Notification]) -> Sequence[Notification]:
        """Those that are new; what someone has already (by id) is left as it is."""

    async def list(
        self, user: UserId, *, unread_only: bool = False, cursor: str | None = None, limit: int = 20
    ) -> Page[Notification]:
        """Newest first."""

    async def after(self, user: UserId, notification: NotificationId, limit: int = 100) -> Sequence[Notification]:
        """Those that came after one, oldest first."""

    async def unread(self, user: UserId) -> Unread:
        """Counted up to ``UNREAD_MOST``."""

    async def mark_read(self, user: UserId, notifications: Sequence[NotificationId]) -> None:
        """Those that are there."""

    async def mark_read_up_to(self, user: UserId, notification: NotificationId) -> None:
        """The one and all before it; the mark never moves back."""

    async def settings(self, user: UserId) -> Settings: ...

    async def save_settings(self, user: UserId, settings: Settings) -> None: ...

    async def settings_of(self, users: Sequence[UserId]) -> Mapping[UserId, Settings]:
        """For every user."""

    async def forget(self, user: UserId) -> None:
        """All that a user was told, had read and chosen. Doing it again is a no-op."""


class Live(Protocol):
    """Tells connected clients at once. Nothing is kept: whoever was away reads the inbox."""

    async def tell(self, notifications: Sequence[Notification]) -> None: ...

    def listen(self, user: UserId) -> AbstractAsyncContextManager[AsyncIterator[Notification]]:
        """What is told to the user while the context is open. A listener that does not keep up loses the
        oldest beyond 100.
        """

    async def rest(self, seconds: float) -> bool:
        """Let so much time pass, or less when it is closed; False then. For whoever follows something by looking at it
        again and again.
        """

    def close(self) -> None:
        """Whoever listens in this process, or begins to, is at the end: the process is about to stop."""


# --- discovery -----------------------------------------------------------------------------------


class Found(StrEnum):
    VIDEO = "video"
    CHANNEL = "channel"


@frozen(kw_only=True)
class Document:
    """What search knows of a video or channel. Titles weigh most, then tags, names, descriptions."""

    id: str
    kind: Found
    title: str
    names: str = ""
    tags: Sequence[str] = ()
    text: str = ""
    at: datetime


class Search(Protocol):
    """Finds by words. Eventually consistent; what is stored during a walk over the pages may shift it, and a walk
    may end after 1000.
    """

    async def put(self, document: Document) -> None:
        """Takes the place of what was known of the id."""

    async def remove(self, id: str) -> None:  # noqa: A002  (the domain's word)
        """Unknown ids are a no-op."""

    async def find(
        self, query: str, *, kind: Found | None = None, cursor: str | None = None, limit: int = 20
    ) -> Page[tuple[Found, str]]:
        """Kinds and ids, best first. All words must occur, in any case and without accents; each also as a
        beginning (in scripts without spaces: as any part). Any text is a query: operators mean nothing, and one
        without words finds nothing.
        """


# --- how things keep happening -------------------------------------------------------------------


@frozen
class Envelope:
    """An event on its way. ``id`` is the same in every delivery of it, and sorts by time."""

    id: EventId
    event: Event
    attempts: int = 1


class Outbox(Protocol):
    """Events that were stored and not yet dealt with everywhere. Delivery is at least once, in no order."""

    async def put(self, event: Event, id: EventId) -> None:  # noqa: A002  (the domain's word)
        """Add one that comes of no save. An id that is known, even if done with lately, is a no-op."""

    async def claim(
        self, now: datetime, limit: int = 10, *, only: Sequence[EventId] | None = None
    ) -> Sequence[Envelope]:
        """Some that nobody holds, the longest waiting first; held for a minute. ``only``: of these and no others."""

    async def done(self, event: EventId) -> None: ...

    async def failed(self, event: EventId, reason: str, again_at: datetime | None) -> None:
        """Dealing with it failed; it comes again then, or (None) is kept aside as a dead letter."""

    async def dead(self, limit: int = 100) -> Sequence[tuple[Envelope, str]]:
        """Dead letters with the last reason, oldest first."""

    async def wait(self, timeout_s: float) -> None:
        """Returns when there may be something to claim, at the latest after the timeout."""


@frozen
class Answer:
    """A response kept for an idempotency key."""

    status: int
    headers: Mapping[str, str]
    body: bytes


ANSWER_MOST = 256 * 1024
"""Bytes of a body that is kept (DynamoDB takes 400 KB an item, and this grows by a third on its way)."""


class Idempotency(Protocol):
    """What was answered to requests with an ``Idempotency-Key``, kept for 24 hours."""

    async def begin(self, key: str, fingerprint: str, now: datetime) -> Answer | None:
        """The answer that was given; None makes the caller the one who answers (for a minute, should it die).
        Raises Invalid (``idempotency_key_reused``) for another fingerprint, Conflict
        (``idempotency_in_flight``) while someone is at it. Raises Conflict (``idempotency_answer_lost``) when the
        request had its effect and there is no answer: whoever was to give it died or failed, or it was too long.
        """

    async def finish(self, key: str, answer: Answer, now: datetime) -> None:
        """That of a body above ``ANSWER_MOST`` is as good as lost."""

    async def abandon(self, key: str) -> None:
        """The request failed. Unless it had an effect, it may come again."""


# --- tidying up -----------------------------------------------------------------------------------


@frozen(kw_only=True)
class Round:
    """How far the sweep of orphans is. ``folders`` are those that it is in, the innermost last, each with the last name
    that was looked at in it; none while it rests.
    """

    folders: Sequence[tuple[str, str]] = field(factory=list)
    rests_until: datetime | None = None
    orphans: Mapping[str, datetime] = field(factory=dict)
    """Since when what this round found is known to be one; ``before``, what the round before found."""
    before: Mapping[str, datetime] = field(factory=dict)
    version: int = 0


class Rounds(Protocol):
    """Where the sweep of orphans keeps how far it is, between its calls."""

    async def get(self) -> Round:
        """The one that was saved last; before that, one that was never begun."""

    async def save(self, round: Round) -> Round:  # noqa: A002  (the port's word)
        """Raises Stale."""


# --- moving house --------------------------------------------------------------------------------


@frozen
class Pepper:
    """What the digests of codes are keyed with: without it the codes that were sent are worth nothing."""

    key: bytes = field(repr=False)


@frozen
class Code:
    """A code that was sent, as its digest; how often a wrong one was tried."""

    digest: str
    expires_at: datetime
    wrong: int = 0


@frozen(kw_only=True)
class Account:
    """What our own identity providers keep of one person. ``password`` is a hash. ``era`` counts how often it was
    replaced: a sign-in of an earlier one is over.
    """

    user: UserId
    email: str
    password: str = field(repr=False)
    handle: str
    confirmed: bool = False
    roles: frozenset[Role] = frozenset()
    sign_up_code: Code | None = None
    reset_code: Code | None = None
    era: int = 0

    @property
    def waits_until(self) -> datetime | None:
        """When the last code runs out that would confirm it; None of one that is confirmed."""
        return None if self.confirmed or self.sign_up_code is None else self.sign_up_code.expires_at


@frozen
class Reacted:
    """Somebody's reaction to a video or comment."""

    subject: str
    user: UserId
    reaction: Reaction


@frozen
class Views:
    """How often a video was viewed."""

    video: VideoId
    count: int


@frozen
class Box:
    """How far someone has read what they were told, and what they want to be told (None: never said)."""

    user: UserId
    mark: str = ""
    settings: Settings | None = None


@frozen(kw_only=True)
class Waiting:
    """An event on its way, handed out ``attempts`` times; not before ``again_at``. ``reason``: it is a dead letter."""

    id: EventId
    event: Event
    attempts: int = 0
    again_at: datetime | None = None
    reason: str | None = None


Record = (
    Pepper | User | Account | Channel | Video | Upload | Processing | Comment | Reacted | Subscription
    | PlaybackSession | Watched | Views | Viewing | Box | Notification | Waiting | Stream | Timeline | Session | SessionEvent
    | Message | Ban
)  # fmt: skip
"""One thing that is kept, as it is stored: with its version, and a notification with whether it was read."""


class Archive(Protocol):
    """All that is kept, value by value, for moving it elsewhere.

    Sign-ins, mails, answers to idempotency keys, signing keys, transcode jobs and files do not move. Counts follow
    from what is loaded, and so does search: the events that index it are added.

    Passwords and codes move between identity providers of our own. Cognito neither takes nor tells them: whoever moves
    there or back asks for a new password (the hash that it tells matches none), and who waited for a code for another.
    It names everyone itself, too, so users have other ids there, in every record that says them.
    """

    def dump(self) -> AsyncIterator[Record]:
        """As of one moment, whatever is stored meanwhile; accounts before the records of their owners, boxes before the
        notifications in them. The moment is a little ago on AWS, and accounts may be newer.
        """

    async def load(self, records: AsyncIterator[Record]) -> int:
        """How many there were, in the order of a dump. What had begun to be transcoded begins again, and no stream is live
        (``application.moving``).

        Raises Conflict (``not_empty``) where anything is kept already. Raises Conflict (``inconsistent_archive``)
        when two records claim the same name; then, or when ``records`` raises, some may be loaded already, which
        another load is told by ``not_empty``.
        """
