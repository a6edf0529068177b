"""Valid values of the domain, for any test. Ids, handles, tags and times are few, so that they collide."""

from datetime import UTC, datetime, timedelta

from attrs import evolve
from hypothesis import strategies as st

from application.ports import Event
from domain.access import Role
from domain.broadcasts import (
    BroadcastMoved,
    Detail,
    EndReason,
    Happening,
    Health,
    RecordingEnded,
    RecordingStatus,
    Session,
    SessionEvent,
    SessionStatus,
    Timeline,
    WentLive,
)
from domain.channels import Channel, ChannelClosed, ChannelEdited, ChannelOpened, CommentPolicy, Hold, Member
from domain.chat import Ban, ChatRules, Message, Standing
from domain.engagement import (
    Comment,
    CommentHeld,
    CommentPosted,
    CommentStatus,
    Notify,
    Reaction,
    Subscribed,
    Subscription,
)
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
)
from domain.media import FIRST_MANIFEST, MANIFEST, Media, Rendition
from domain.notifications import FanOut, Kind, Notice, Notification, Settings, Subject
from domain.processing import STARTS_MOST, Failure, Processing, ProcessingMoved, State, TranscodeRequested
from domain.streams import Latency, Stream, StreamEdited, StreamNear, StreamRemoved
from domain.text import line, prose, visible
from domain.uploads import MIB, Status, Upload, UploadAbandoned, UploadCompleted
from domain.videos import (
    Audience,
    Caption,
    Chapter,
    ListingChanged,
    Video,
    VideoFailed,
    VideoPublished,
    VideoReady,
    VideoRemoved,
    Visibility,
)
from domain.watching import PlaybackSession, Viewing, Watched

START = datetime(2026, 1, 1, 12, tzinfo=UTC)

USER_IDS = [UserId(f"usr_{each}") for each in ("ann", "ben", "cho", "dov")]
CHANNEL_IDS = [ChannelId(f"chn_{each}") for each in ("arts", "boats", "cats")]
VIDEO_IDS = [VideoId(f"vid_{each}") for each in range(8)]
UPLOAD_IDS = [UploadId(f"upl_{each}") for each in range(6)]
COMMENT_IDS = [CommentId(f"cmt_{each}") for each in range(8)]
SESSION_IDS = [SessionId(f"ses_{each}") for each in range(4)]
STREAM_IDS = [StreamId(f"str_{each}") for each in range(4)]
STREAM_SESSION_IDS = [StreamSessionId(f"brc_{each}") for each in range(6)]
BROADCAST_IDS = [BroadcastId(f"st-{each}") for each in range(4)]
HANDLES = ["ann", "ben_2", "cho", "the_cats", "x9z"]
TAGS = ["cats", "boats", "strasse", "日本"]

user_ids = st.sampled_from(USER_IDS)
channel_ids = st.sampled_from(CHANNEL_IDS)
video_ids = st.sampled_from(VIDEO_IDS)
upload_ids = st.sampled_from(UPLOAD_IDS)
comment_ids = st.sampled_from(COMMENT_IDS)
session_ids = st.sampled_from(SESSION_IDS)
stream_ids = st.sampled_from(STREAM_IDS)
stream_session_ids = st.sampled_from(STREAM_SESSION_IDS)
broadcast_ids = st.sampled_from(BROADCAST_IDS)
event_ids = st.sampled_from([EventId(f"evt_{each}") for each in range(6)])
job_ids = st.sampled_from([JobId(f"job_{each}") for each in range(3)])
handles = st.sampled_from(HANDLES)
tags = st.sampled_from(TAGS)

times = st.builds(lambda minutes: START + timedelta(minutes=minutes), st.integers(0, 5)) | st.builds(
    lambda micros: START + timedelta(microseconds=micros), st.integers(0, 3)
)


def lines(most: int, *, least: int = 1) -> st.SearchStrategy[str]:
    """Text of one line as the domain keeps it."""
    some = st.text(max_size=min(most, 20)).map(line).filter(lambda text: least <= len(text) <= most)
    seen = some.filter(visible) if least else some
    return st.sampled_from(["A name", "ćwiczenie 1", "x" * min(most, 300)]) | seen


def proses(most: int, *, least: int = 0) -> st.SearchStrategy[str]:
    """Text of many lines as the domain keeps it."""
    some = st.text(max_size=min(most, 40)).map(prose).filter(lambda text: least <= len(text) <= most)
    seen = some.filter(visible) if least else some
    return st.sampled_from(["Some words.\n\nAnd more, with www.example.com", "x" * min(most, 300)]) | seen


emails = st.sampled_from(["ann@example.com", "ben+films@example.co.uk", "cho@sub.example.org"])
keys = st.sampled_from(["i/one.jpg", "i/two.jpg"])
fractions = st.floats(0, 1000, allow_nan=False).map(lambda value: round(value, 3))


# --- people and channels -------------------------------------------------------------------------


def users() -> st.SearchStrategy[User]:
    return st.builds(
        User, id=user_ids, handle=handles, display_name=lines(60), email=emails,
        roles=st.frozensets(st.sampled_from(Role)), created_at=times, version=st.just(0),
    )  # fmt: skip


def policies() -> st.SearchStrategy[CommentPolicy]:
    words = st.lists(st.sampled_from(["spam", "buy now"]), max_size=2)
    return st.builds(CommentPolicy, hold=st.sampled_from(Hold), words=words, enabled=st.booleans())


def channels() -> st.SearchStrategy[Channel]:
    helpers = st.dictionaries(user_ids, st.sampled_from([Member.EDITOR, Member.MODERATOR]), max_size=3)
    built = st.builds(
        Channel, id=channel_ids, owner=user_ids, handle=handles, name=lines(100), description=proses(5000),
        avatar=st.none() | keys, banner=st.none() | keys, members=helpers, comments=policies(), created_at=times,
        version=st.just(0),
    )  # fmt: skip
    return built.map(
        lambda channel: evolve(
            channel, members={user: role for user, role in channel.members.items() if user != channel.owner}
        )
    )


# --- videos and what becomes of them -------------------------------------------------------------


def renditions() -> st.SearchStrategy[Rendition]:
    return st.sampled_from(
        [
            Rendition("360p", 640, 360, 612_345, "avc1.4d401e,mp4a.40.2"),
            Rendition("720p", 1280, 720, 3_456_789, "avc1.64001f,mp4a.40.2"),
        ]
    )


@st.composite
def media(draw: st.DrawFn, *, complete: bool | None = None) -> Media:
    """Complete or partial, as asked."""
    whole = draw(st.booleans()) if complete is None else complete
    return Media(
        attempt=draw(st.integers(1, 3)),
        manifest=MANIFEST if whole else FIRST_MANIFEST,
        duration_s=draw(st.floats(1, 1000, allow_nan=False).map(lambda value: round(value, 3))),
        width=1280,
        height=720,
        renditions=tuple(draw(st.lists(renditions(), min_size=1, max_size=2, unique=True))),
        has_audio=draw(st.booleans()),
        poster=draw(st.booleans()),
        storyboard=draw(st.booleans()),
        complete=whole,
    )


failures = st.sampled_from(
    [Failure("unreadable", "no video in it"), Failure("encoder_failed", "it died", transient=True)]
)


@st.composite
def videos(draw: st.DrawFn, *, listable: bool | None = None) -> Video:
    """In any state a video can be in, listable or not as asked."""
    shown = draw(st.booleans()) if listable is None else listable
    visibility = Visibility.PUBLIC if shown else draw(st.sampled_from(Visibility))
    made = draw(media(complete=True) if shown else st.none() | media())
    state = State.READY if shown else draw(st.sampled_from(State))
    blocked = None if shown else draw(st.none() | st.just("breaks the rules"))
    captions = draw(st.lists(st.sampled_from([Caption("en", "English", "c/en"), Caption("pt-BR", "Brasil", "c/pt")])))
    video = Video(
        id=draw(video_ids),
        channel=draw(channel_ids),
        uploader=draw(user_ids),
        title=draw(lines(100)),
        description=draw(proses(5000)),
        tags=tuple(draw(st.lists(tags, max_size=3))),
        category=draw(st.none() | lines(40)),
        language=draw(st.sampled_from([None, "en", "pt-BR"])),
        visibility=visibility,
        publish_at=draw(times) if visibility is Visibility.SCHEDULED else None,
        blocked=blocked,
        state=state,
        attempt=draw(st.integers(0, 3)),
        failure=draw(failures) if state is State.FAILED else None,
        media=made,
        thumbnail=draw(st.none() | keys),
        captions={caption.language: caption for caption in captions},
        chapters=draw(st.sampled_from([(), (Chapter(0.0, "Start"), Chapter(0.5, "End"))])),
        stream=draw(st.none() | stream_ids),
        stream_session=draw(st.none() | stream_session_ids),
        created_at=draw(times),
    )
    # A video that is listed was published; one that is not may have been, unless it still waits for its time.
    if video.listable or (visibility is not Visibility.SCHEDULED and draw(st.booleans())):
        video = evolve(video, published_at=draw(times))
    if listable is False and video.listable:
        video = evolve(video, blocked="breaks the rules")
    return video


def uploads() -> st.SearchStrategy[Upload]:
    """Mostly of few bytes, so that a small quota is met by chance."""
    lives = st.builds(timedelta, minutes=st.integers(1, 3))
    built = st.builds(
        Upload, id=upload_ids, user=user_ids, channel=channel_ids, video=video_ids, filename=lines(255),
        content_type=st.sampled_from(["video/mp4", "video/quicktime"]),
        size_bytes=st.integers(1, 10) | st.sampled_from([16 * MIB, 16 * MIB + 1, 64 * 1024 * MIB]),
        handle=st.sampled_from(["", "a-store's-own-name"]), status=st.sampled_from(Status), error=st.none(),
        created_at=times, expires_at=times, version=st.just(0),
    )  # fmt: skip
    failed = st.builds(
        lambda upload: evolve(upload, error="no bytes came" if upload.status is Status.FAILED else None), built
    )
    return st.builds(lambda upload, life: evolve(upload, expires_at=upload.created_at + life), failed, lives)


@st.composite
def processings(draw: st.DrawFn) -> Processing:
    state = draw(st.sampled_from(State))
    claimed = state is State.PENDING and draw(st.booleans())
    at = draw(times)
    return Processing(
        video=draw(video_ids),
        upload=draw(upload_ids),
        source="raw/upl_0/source",
        attempt=draw(st.integers(1, 3)),
        state=state,
        lease_until=at + timedelta(minutes=2) if claimed else None,
        job=None if state is State.PENDING else draw(job_ids),
        failed_starts=draw(st.integers(0, STARTS_MOST - 1)),
        percent=100 if state is State.READY else draw(st.integers(0, 99)),
        media=draw(media(complete=True) if state is State.READY else st.none() | media(complete=False)),
        failure=draw(failures) if state is State.FAILED else None,
        updated_at=at,
    )


# --- engagement and watching ---------------------------------------------------------------------


@st.composite
def comments(draw: st.DrawFn) -> Comment:
    """In any status; on a video itself or a reply; pinned only where a comment can be."""
    status = draw(st.sampled_from(CommentStatus))
    parent = draw(st.none() | comment_ids)
    id_ = draw(comment_ids.filter(lambda each: each != parent))
    at = draw(times)
    return Comment(
        id=id_,
        video=draw(video_ids),
        channel=draw(channel_ids),
        parent=parent,
        author=draw(user_ids),
        text="" if status is CommentStatus.REMOVED else draw(proses(5000, least=1)),
        status=status,
        pinned=parent is None and status is CommentStatus.VISIBLE and draw(st.booleans()),
        created_at=at,
        edited_at=draw(st.none() | st.just(at + timedelta(minutes=1))),
    )


reactions = st.sampled_from(Reaction)


def subscriptions() -> st.SearchStrategy[Subscription]:
    return st.builds(Subscription, user=user_ids, channel=channel_ids, notify=st.sampled_from(Notify), since=times)


@st.composite
def sessions(draw: st.DrawFn) -> PlaybackSession:
    """Begun within minutes of ``START``."""
    started = draw(times)
    duration = draw(fractions)
    return PlaybackSession(
        id=draw(session_ids),
        video=draw(video_ids),
        channel=draw(st.none() | channel_ids),
        viewer=draw(st.none() | user_ids),
        audience=draw(st.sampled_from(Audience)),
        duration_s=duration,
        started_at=started,
        position_s=draw(st.sampled_from([0.0, round(duration / 2, 3), duration])),
        beat_at=started + draw(st.sampled_from([timedelta(0), timedelta(seconds=10)])),
        watched_s=draw(st.sampled_from([0.0, 10.5])),
        counted=draw(st.booleans()),
    )


def watched() -> st.SearchStrategy[Watched]:
    return st.builds(Watched, user=user_ids, video=video_ids, position_s=fractions, at=times)


DAYS = [START.date() + timedelta(days=number) for number in range(3)]


def viewings() -> st.SearchStrategy[Viewing]:
    subjects = st.sampled_from([*VIDEO_IDS, *CHANNEL_IDS])
    return st.builds(Viewing, subjects, st.sampled_from(DAYS), st.integers(0, 2), st.integers(0, 10**6))


# --- livestreams ---------------------------------------------------------------------------------


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Live or not, announced or not. No two have one name of an ingest's."""
    id_ = draw(stream_ids)
    session = draw(st.none() | stream_session_ids)
    return Stream(
        id=id_,
        channel=draw(channel_ids),
        title=draw(lines(100)),
        description=draw(proses(5000)),
        visibility=draw(st.sampled_from([Visibility.PUBLIC, Visibility.UNLISTED, Visibility.PRIVATE])),
        record=draw(st.booleans()),
        latency=draw(st.sampled_from(Latency)),
        reconnect_window_s=draw(st.integers(0, 300)),
        enabled=draw(st.booleans()),
        ingest=draw(st.sampled_from(["", f"arn:aws:ivs:eu-west-1:1:channel/{id_}"])),
        session=session,
        live_since=draw(times) if session else None,
        starts_at=draw(st.none() | times),
        reminded=draw(st.booleans()),
        chat=draw(st.builds(ChatRules, enabled=st.booleans(), slow_mode_s=st.integers(0, 600))),
        created_at=draw(times),
    )


def healths() -> st.SearchStrategy[Health]:
    numbers = st.none() | st.integers(0, 10_000_000)
    return st.builds(
        Health, at=times, bitrate_bps=numbers, width=numbers, height=numbers, fps=st.none() | fractions,
        keyframe_s=st.none() | fractions, viewers=numbers, starving=st.booleans(),
        breach=st.none() | st.just("a bitrate of 9 Mb/s, of 8.5"),
    )  # fmt: skip


recording_ids = st.sampled_from([RecordingId(f"rec_{each}") for each in range(3)])


@st.composite
def session_events(draw: st.DrawFn) -> SessionEvent:
    """An id has one time, whenever it is received."""
    number = draw(st.integers(0, 8))
    kind = draw(st.sampled_from(Happening))
    recorded = {"recording": draw(recording_ids), "source": "ivs/v1/1/x", "duration_s": 61.5, "broadcasts": ["st-1"]}
    measured: Detail = {"viewers": 7, "fps": 29.97, "breach": "a bitrate of 9 Mb/s, of 8.5"}
    stopped: Detail = {"reason": draw(st.sampled_from(EndReason)).value}
    return SessionEvent(
        id=f"said-{number}",
        stream=draw(stream_ids),
        broadcast=draw(st.none() | broadcast_ids),
        kind=kind,
        at=START + timedelta(minutes=number // 3),
        received_at=draw(times),
        detail=stopped if kind is Happening.STOPPED else draw(st.sampled_from([{}, measured, recorded])),
    )


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """That heard of a few things, and are to be looked at at any time or never."""
    timeline = Timeline(stream=draw(stream_ids), channel=draw(channel_ids), as_of=draw(times))
    for event in draw(st.lists(session_events(), max_size=4)):
        timeline = timeline.hear(
            event, window_s=draw(st.integers(0, 300)), name=draw(stream_session_ids), video=draw(video_ids)
        )
    return evolve(
        timeline, announced=draw(st.frozensets(broadcast_ids)), taken=draw(st.frozensets(recording_ids)),
        closed_until=draw(st.none() | times),
    )  # fmt: skip


@st.composite
def stream_sessions(draw: st.DrawFn) -> Session:
    """Joined, if it is, to one of a greater id, so that no two are each other."""
    id_ = draw(stream_session_ids)
    others = [None, *(each for each in STREAM_SESSION_IDS if each >= id_)]
    ended_at = draw(st.none() | times)
    return Session(
        id=id_,
        stream=draw(stream_ids),
        status=draw(st.sampled_from(SessionStatus)),
        started_at=draw(times),
        ended_at=ended_at,
        ended_reason=draw(st.sampled_from(EndReason)) if ended_at else None,
        broadcasts=tuple(draw(st.lists(broadcast_ids, max_size=2, unique=True))),
        viewers=draw(st.integers(0, 9)),
        peak_viewers=draw(st.integers(0, 9)),
        health=draw(st.none() | healths()),
        recording=draw(st.sampled_from(RecordingStatus)),
        video=draw(st.none() | video_ids),
        joined=draw(st.sampled_from(others)),
        pauses=tuple(draw(st.lists(st.tuples(times, times), max_size=2))),
    )


message_ids = st.sampled_from([MessageId(f"msg_{each}") for each in range(9)])


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """An id has one time."""
    id_ = draw(message_ids)
    removed = draw(st.booleans())
    return Message(
        id=id_, stream=draw(stream_ids), author=draw(user_ids), name=draw(lines(100)),
        standing=draw(st.sampled_from(Standing)), text="" if removed else draw(lines(500, least=1)),
        at=START + timedelta(seconds=int(id_[-1]) // 2), removed=removed,
    )  # fmt: skip


def bans() -> st.SearchStrategy[Ban]:
    return st.builds(Ban, stream=stream_ids, user=user_ids, by=user_ids, at=times)


# --- notifications and events --------------------------------------------------------------------


def subjects() -> st.SearchStrategy[Subject]:
    return st.sampled_from([Subject("video", "vid_0"), Subject("comment", "cmt_0"), Subject("channel", "chn_cats")])


def notices() -> st.SearchStrategy[Notice]:
    return st.builds(
        Notice, event=event_ids, kind=st.sampled_from(Kind), actor=st.none() | user_ids, subject=subjects(),
        text=lines(200), at=times,
    )  # fmt: skip


def notifications() -> st.SearchStrategy[Notification]:
    return st.builds(
        lambda notice, user, order: evolve(
            notice.to(user), id=NotificationId(f"ntf_{order}"), created_at=START + timedelta(seconds=order)
        ),
        notices(), user_ids, st.integers(0, 9),
    )  # fmt: skip


def settings_of_inboxes() -> st.SearchStrategy[Settings]:
    return st.builds(Settings, st.frozensets(st.sampled_from(Kind)))


def events() -> st.SearchStrategy[Event]:
    """Every kind there is."""
    attempts, mentioned = st.integers(1, 3), st.lists(handles, max_size=2, unique=True).map(tuple)
    return st.one_of(
        st.builds(SignedUp, user_ids, times),
        st.builds(AccountClosed, user_ids, times),
        st.builds(ChannelOpened, channel_ids, times),
        st.builds(ChannelEdited, channel_ids, times),
        st.builds(ChannelClosed, channel_ids, times),
        st.builds(UploadCompleted, upload_ids, video_ids, st.just("raw/upl_0/source"), times),
        st.builds(UploadAbandoned, upload_ids, video_ids, times),
        st.builds(TranscodeRequested, video_ids, attempts, times),
        st.builds(ProcessingMoved, video_ids, attempts, times),
        st.builds(VideoPublished, video_ids, channel_ids, times),
        st.builds(ListingChanged, video_ids, channel_ids, times),
        st.builds(VideoReady, video_ids, channel_ids, attempts, times),
        st.builds(VideoFailed, video_ids, channel_ids, attempts, st.just("unreadable"), times),
        st.builds(VideoRemoved, video_ids, channel_ids, times),
        st.builds(
            CommentPosted, comment_ids, video_ids, channel_ids, st.none() | comment_ids, user_ids, mentioned, times
        ),
        st.builds(CommentHeld, comment_ids, channel_ids, user_ids, times),
        st.builds(Subscribed, user_ids, channel_ids, times),
        st.builds(StreamNear, stream_ids, channel_ids, times, times),
        st.builds(
            StreamRemoved, stream_ids, channel_ids, st.sampled_from(["", "arn:aws:ivs:eu-west-1:1:channel/a"]), times
        ),
        st.builds(StreamEdited, stream_ids, times),
        st.builds(BroadcastMoved, stream_ids, channel_ids, times),
        st.builds(WentLive, stream_ids, channel_ids, stream_session_ids, times),
        st.builds(
            RecordingEnded,
            stream_ids,
            channel_ids,
            recording_ids,
            video_ids,
            st.just("ivs/v1/1/x"),
            times,
            times,
            st.none() | stream_session_ids,
        ),
        st.builds(
            FanOut, notices(), channel_ids, st.integers(0, 3), st.none() | st.just("a-cursor"), st.none() | st.just(2)
        ),
    )
