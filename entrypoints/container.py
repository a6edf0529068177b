"""The composition root: which adapters a profile takes, and what each use case is made of."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Singleton

from application.auditing import AuditMedia
from application.broadcasts import (
    CutOff,
    FollowSession,
    Hear,
    KeepRecording,
    SessionCards,
    ShowSessions,
    SweepBroadcasts,
    TakeSignal,
)  # fmt: skip
from application.channels import (
    ChannelCards,
    ClearChannel,
    CloseChannel,
    DismissMember,
    EditChannel,
    EnrollMember,
    ListMyChannels,
    OpenChannel,
    RequestPicture,
    ShowChannel,
)  # fmt: skip
from application.chat import BanChatter, EditChat, OpenChat, RemoveMessage, ReplayChat, SayInChat
from application.discovery import EmbedStream, EmbedVideo, Find, IndexChannel, IndexVideo, ShowChannelFeed
from application.engagement import (
    ClearEngagement,
    CommentCards,
    EditComment,
    ListComments,
    ListSubscribers,
    ListSubscriptions,
    PostComment,
    React,
    RemoveComment,
    RuleComment,
    Seen,
    ShowComment,
    ShowFeed,
    Subscribe,
    Unsubscribe,
)  # fmt: skip
from application.events import Consumers, DeliverEvents
from application.identity import (
    ClearAccount,
    CloseAccount,
    ConfirmAccount,
    EditMe,
    ExpireSignUps,
    ForgotPassword,
    GrantRole,
    RefreshTokens,
    ResendCode,
    ResetPassword,
    ShowMe,
    SignIn,
    SignOut,
    SignUp,
    WelcomeUser,
)  # fmt: skip
from application.notifications import (
    CountUnread,
    Deliverer,
    FollowNotifications,
    ListNotifications,
    MarkRead,
    NotificationSettings,
    Tell,
    TellSubscribers,
)  # fmt: skip
from application.processing import (
    ApplyReport,
    ClearOldMedia,
    ClearOldSources,
    FollowProcessing,
    ReflectProcessing,
    RequestProcessing,
    RetryProcessing,
    ShowProcessing,
    StartTranscode,
    StopProcessing,
    SweepProcessing,
)  # fmt: skip
from application.streams import (
    Annotate,
    Backstage,
    ClearStream,
    CreateStream,
    EditStream,
    EnableStream,
    ListStreams,
    ReflectBroadcast,
    RemindDue,
    RemoveStream,
    RotateKey,
    ScheduleStream,
    SettleIngest,
    ShowIngest,
    ShowStream,
    Simulate,
    StopStream,
    StreamCards,
    WatchStream,
)  # fmt: skip
from application.sweeping import SweepOrphans
from application.uploads import (
    CancelUpload,
    ClearUpload,
    CompleteUpload,
    ExpireUploads,
    FinishUpload,
    ListUploads,
    ReceivePart,
    ShowUpload,
    SignParts,
    StartUpload,
)  # fmt: skip
from application.videos import (
    BlockVideo,
    Editing,
    EditVideo,
    ListCaptions,
    ListVideos,
    PublishDue,
    PutCaption,
    RemoveCaption,
    RemoveVideo,
    SetChapters,
    SetThumbnail,
    ShowVideo,
    VideoCards,
)  # fmt: skip
from application.watching import ForgetHistory, Heartbeat, ListHistory, OpenFile, OpenPlayback, ShowViewings
from entrypoints.settings import Settings


class Core(DeclarativeContainer):
    """Every use case once, by the name of its class in snake case, over one profile's adapters."""

    settings = Dependency(instance_of=Settings)
    adapters = DependenciesContainer()

    # identity
    sign_up = Singleton(
        SignUp, accounts=adapters.accounts, users=adapters.users, now=adapters.now, founders=settings.provided.founders
    )
    welcome_user = Singleton(WelcomeUser, users=adapters.users, now=adapters.now)
    confirm_account = Singleton(ConfirmAccount, accounts=adapters.accounts, welcome=welcome_user)
    resend_code = Singleton(ResendCode, accounts=adapters.accounts)
    expire_sign_ups = Singleton(ExpireSignUps, accounts=adapters.accounts, users=adapters.users, now=adapters.now)
    sign_in = Singleton(SignIn, accounts=adapters.accounts)
    refresh_tokens = Singleton(RefreshTokens, accounts=adapters.accounts)
    sign_out = Singleton(SignOut, accounts=adapters.accounts)
    forgot_password = Singleton(ForgotPassword, accounts=adapters.accounts)
    reset_password = Singleton(ResetPassword, accounts=adapters.accounts)
    show_me = Singleton(ShowMe, users=adapters.users)
    edit_me = Singleton(EditMe, users=adapters.users)
    grant_role = Singleton(GrantRole, accounts=adapters.accounts, users=adapters.users)
    close_account = Singleton(CloseAccount, users=adapters.users, accounts=adapters.accounts, now=adapters.now)
    clear_account = Singleton(
        ClearAccount,
        accounts=adapters.accounts,
        channels=adapters.channels,
        subscriptions=adapters.subscriptions,
        history=adapters.history,
        inbox=adapters.inbox,
        now=adapters.now,
    )

    # channels
    channel_cards = Singleton(
        ChannelCards,
        videos=adapters.videos,
        subscriptions=adapters.subscriptions,
        media=adapters.media,
        users=adapters.users,
    )
    open_channel = Singleton(
        OpenChannel,
        channels=adapters.channels,
        users=adapters.users,
        cards=channel_cards,
        now=adapters.now,
        new_id=adapters.new_id,
    )
    show_channel = Singleton(ShowChannel, channels=adapters.channels, cards=channel_cards)
    list_my_channels = Singleton(ListMyChannels, channels=adapters.channels, cards=channel_cards)
    edit_channel = Singleton(
        EditChannel,
        channels=adapters.channels,
        cards=channel_cards,
        store=adapters.store,
        media=adapters.media,
        images=adapters.images,
        now=adapters.now,
        new_id=adapters.new_id,
    )
    request_picture = Singleton(
        RequestPicture, channels=adapters.channels, store=adapters.store, now=adapters.now, new_id=adapters.new_id
    )
    enroll_member = Singleton(EnrollMember, channels=adapters.channels, users=adapters.users, cards=channel_cards)
    dismiss_member = Singleton(DismissMember, channels=adapters.channels)
    close_channel = Singleton(CloseChannel, channels=adapters.channels, now=adapters.now)
    clear_channel = Singleton(
        ClearChannel,
        videos=adapters.videos,
        streams=adapters.streams,
        subscriptions=adapters.subscriptions,
        viewings=adapters.viewings,
        media=adapters.media,
        search=adapters.search,
        now=adapters.now,
    )

    # uploads
    start_upload = Singleton(
        StartUpload,
        uploads=adapters.uploads,
        videos=adapters.videos,
        channels=adapters.channels,
        users=adapters.users,
        store=adapters.store,
        limits=settings.provided.limits,
        now=adapters.now,
        new_id=adapters.new_id,
    )
    show_upload = Singleton(
        ShowUpload, uploads=adapters.uploads, channels=adapters.channels, store=adapters.store, now=adapters.now
    )
    list_uploads = Singleton(ListUploads, uploads=adapters.uploads)
    sign_parts = Singleton(
        SignParts, uploads=adapters.uploads, channels=adapters.channels, store=adapters.store, now=adapters.now
    )
    receive_part = Singleton(ReceivePart, uploads=adapters.uploads, delivery=adapters.delivery, now=adapters.now)
    complete_upload = Singleton(
        CompleteUpload, uploads=adapters.uploads, channels=adapters.channels, store=adapters.store, now=adapters.now
    )
    finish_upload = Singleton(FinishUpload, uploads=adapters.uploads, store=adapters.store, now=adapters.now)
    cancel_upload = Singleton(CancelUpload, uploads=adapters.uploads, channels=adapters.channels, now=adapters.now)
    expire_uploads = Singleton(ExpireUploads, uploads=adapters.uploads, now=adapters.now)
    clear_upload = Singleton(
        ClearUpload, uploads=adapters.uploads, videos=adapters.videos, store=adapters.store, now=adapters.now
    )

    # processing
    request_processing = Singleton(
        RequestProcessing,
        videos=adapters.videos,
        channels=adapters.channels,
        uploads=adapters.uploads,
        processings=adapters.processings,
        transcoder=adapters.transcoder,
        store=adapters.store,
        now=adapters.now,
    )
    start_transcode = Singleton(
        StartTranscode, processings=adapters.processings, transcoder=adapters.transcoder, now=adapters.now
    )
    apply_report = Singleton(ApplyReport, processings=adapters.processings, media=adapters.media, now=adapters.now)
    reflect_processing = Singleton(
        ReflectProcessing, videos=adapters.videos, processings=adapters.processings, now=adapters.now
    )
    clear_old_sources = Singleton(
        ClearOldSources, uploads=adapters.uploads, processings=adapters.processings, store=adapters.store
    )
    clear_old_media = Singleton(ClearOldMedia, media=adapters.media, now=adapters.now)
    stop_processing = Singleton(
        StopProcessing,
        processings=adapters.processings,
        uploads=adapters.uploads,
        transcoder=adapters.transcoder,
        store=adapters.store,
        ingest=adapters.ingest,
        media=adapters.media,
        now=adapters.now,
    )
    retry_processing = Singleton(
        RetryProcessing,
        videos=adapters.videos,
        channels=adapters.channels,
        processings=adapters.processings,
        now=adapters.now,
    )
    show_processing = Singleton(
        ShowProcessing, videos=adapters.videos, channels=adapters.channels, processings=adapters.processings
    )
    follow_processing = Singleton(
        FollowProcessing, videos=adapters.videos, channels=adapters.channels, processings=adapters.processings,
        live=adapters.live,
    )  # fmt: skip
    sweep_processing = Singleton(
        SweepProcessing,
        processings=adapters.processings,
        transcoder=adapters.transcoder,
        start=start_transcode,
        apply=apply_report,
        now=adapters.now,
    )

    # videos
    video_cards = Singleton(
        VideoCards,
        channels=adapters.channels,
        sessions=adapters.sessions,
        reactions=adapters.reactions,
        comments=adapters.comments,
        history=adapters.history,
        processings=adapters.processings,
        media=adapters.media,
        now=adapters.now,
    )
    show_video = Singleton(ShowVideo, videos=adapters.videos, cards=video_cards)
    list_videos = Singleton(ListVideos, videos=adapters.videos, channels=adapters.channels, cards=video_cards)
    editing = Singleton(
        Editing, videos=adapters.videos, channels=adapters.channels, cards=video_cards, now=adapters.now
    )
    edit_video = Singleton(EditVideo, editing=editing)
    remove_video = Singleton(RemoveVideo, editing=editing)
    set_thumbnail = Singleton(SetThumbnail, editing=editing, images=adapters.images, new_id=adapters.new_id)
    list_captions = Singleton(ListCaptions, videos=adapters.videos, cards=video_cards)
    put_caption = Singleton(PutCaption, editing=editing, tidy=adapters.webvtt, new_id=adapters.new_id)
    remove_caption = Singleton(RemoveCaption, editing=editing)
    set_chapters = Singleton(SetChapters, editing=editing)
    block_video = Singleton(BlockVideo, videos=adapters.videos, cards=video_cards, now=adapters.now)
    publish_due = Singleton(PublishDue, videos=adapters.videos, now=adapters.now)

    # watching
    open_playback = Singleton(
        OpenPlayback,
        videos=adapters.videos,
        cards=video_cards,
        sessions=adapters.sessions,
        history=adapters.history,
        media=adapters.media,
        now=adapters.now,
        new_id=adapters.new_id,
    )
    heartbeat = Singleton(Heartbeat, sessions=adapters.sessions, users=adapters.users, now=adapters.now)
    list_history = Singleton(ListHistory, history=adapters.history, videos=adapters.videos, cards=video_cards)
    forget_history = Singleton(ForgetHistory, history=adapters.history)
    show_viewings = Singleton(
        ShowViewings, videos=adapters.videos, channels=adapters.channels, viewings=adapters.viewings, now=adapters.now
    )
    open_file = Singleton(
        OpenFile, videos=adapters.videos, streams=adapters.streams, ingest=adapters.ingest, delivery=adapters.delivery
    )

    # engagement
    comment_cards = Singleton(
        CommentCards, users=adapters.users, comments=adapters.comments, reactions=adapters.reactions
    )
    seen = Singleton(Seen, videos=adapters.videos, channels=adapters.channels, comments=adapters.comments)
    post_comment = Singleton(
        PostComment,
        seen=seen,
        users=adapters.users,
        comments=adapters.comments,
        cards=comment_cards,
        now=adapters.now,
        new_id=adapters.new_id,
    )
    show_comment = Singleton(ShowComment, seen=seen, cards=comment_cards)
    edit_comment = Singleton(EditComment, seen=seen, comments=adapters.comments, cards=comment_cards, now=adapters.now)
    remove_comment = Singleton(RemoveComment, seen=seen, comments=adapters.comments)
    rule_comment = Singleton(RuleComment, seen=seen, comments=adapters.comments, cards=comment_cards, now=adapters.now)
    list_comments = Singleton(
        ListComments, seen=seen, channels=adapters.channels, comments=adapters.comments, cards=comment_cards
    )
    react = Singleton(React, seen=seen, users=adapters.users, reactions=adapters.reactions)
    clear_engagement = Singleton(
        ClearEngagement, comments=adapters.comments, reactions=adapters.reactions, viewings=adapters.viewings
    )
    subscribe = Singleton(
        Subscribe,
        channels=adapters.channels,
        users=adapters.users,
        subscriptions=adapters.subscriptions,
        now=adapters.now,
    )
    unsubscribe = Singleton(Unsubscribe, subscriptions=adapters.subscriptions)
    list_subscriptions = Singleton(
        ListSubscriptions, subscriptions=adapters.subscriptions, channels=adapters.channels, cards=channel_cards
    )
    list_subscribers = Singleton(
        ListSubscribers, subscriptions=adapters.subscriptions, channels=adapters.channels, users=adapters.users
    )
    show_feed = Singleton(ShowFeed, subscriptions=adapters.subscriptions, videos=adapters.videos, cards=video_cards)

    # notifications
    deliverer = Singleton(Deliverer, inbox=adapters.inbox, live=adapters.live)
    tell = Singleton(
        Tell,
        users=adapters.users,
        channels=adapters.channels,
        videos=adapters.videos,
        streams=adapters.streams,
        broadcasts=adapters.broadcasts,
        comments=adapters.comments,
        outbox=adapters.outbox,
        deliver=deliverer,
    )
    tell_subscribers = Singleton(
        TellSubscribers,
        videos=adapters.videos,
        streams=adapters.streams,
        subscriptions=adapters.subscriptions,
        outbox=adapters.outbox,
        deliver=deliverer,
    )
    list_notifications = Singleton(ListNotifications, inbox=adapters.inbox, users=adapters.users)
    count_unread = Singleton(CountUnread, inbox=adapters.inbox)
    mark_read = Singleton(MarkRead, inbox=adapters.inbox, users=adapters.users)
    notification_settings = Singleton(NotificationSettings, inbox=adapters.inbox, users=adapters.users)
    follow_notifications = Singleton(
        FollowNotifications, inbox=adapters.inbox, live=adapters.live, list=list_notifications
    )

    # livestreams
    stream_cards = Singleton(
        StreamCards, channels=adapters.channels, broadcasts=adapters.broadcasts, media=adapters.media
    )
    backstage = Singleton(Backstage, streams=adapters.streams, channels=adapters.channels)
    hear = Singleton(Hear, broadcasts=adapters.broadcasts, now=adapters.now, new_id=adapters.new_id)
    take_signal = Singleton(TakeSignal, streams=adapters.streams, hear=hear, now=adapters.now)
    cut_off = Singleton(
        CutOff, broadcasts=adapters.broadcasts, ingest=adapters.ingest, hear=hear, now=adapters.now,
        new_id=adapters.new_id,
    )  # fmt: skip
    create_stream = Singleton(
        CreateStream, streams=adapters.streams, channels=adapters.channels, cards=stream_cards, now=adapters.now,
        new_id=adapters.new_id,
    )  # fmt: skip
    show_stream = Singleton(ShowStream, streams=adapters.streams, cards=stream_cards)
    list_streams = Singleton(ListStreams, streams=adapters.streams, channels=adapters.channels, cards=stream_cards)
    edit_stream = Singleton(EditStream, backstage=backstage, cards=stream_cards, now=adapters.now)
    remove_stream = Singleton(RemoveStream, streams=adapters.streams, backstage=backstage, now=adapters.now)
    settle_ingest = Singleton(SettleIngest, streams=adapters.streams, ingest=adapters.ingest)
    show_ingest = Singleton(ShowIngest, streams=adapters.streams, backstage=backstage, ingest=adapters.ingest)
    reflect_broadcast = Singleton(ReflectBroadcast, streams=adapters.streams, broadcasts=adapters.broadcasts)
    rotate_key = Singleton(RotateKey, show=show_ingest, ingest=adapters.ingest, cut_off=cut_off)
    enable_stream = Singleton(
        EnableStream, backstage=backstage, cards=stream_cards, streams=adapters.streams, ingest=adapters.ingest,
        cut_off=cut_off, reflect=reflect_broadcast, now=adapters.now,
    )  # fmt: skip
    stop_stream = Singleton(
        StopStream, streams=adapters.streams, backstage=backstage, cards=stream_cards, cut_off=cut_off,
        reflect=reflect_broadcast,
    )  # fmt: skip
    annotate = Singleton(Annotate, backstage=backstage, ingest=adapters.ingest)
    simulate = Singleton(Simulate, show=show_ingest, simulator=adapters.simulator)
    watch_stream = Singleton(
        WatchStream, streams=adapters.streams, channels=adapters.channels, ingest=adapters.ingest, now=adapters.now
    )
    schedule_stream = Singleton(ScheduleStream, backstage=backstage, cards=stream_cards, now=adapters.now)
    remind_due = Singleton(RemindDue, streams=adapters.streams, now=adapters.now)
    sweep_broadcasts = Singleton(
        SweepBroadcasts, streams=adapters.streams, broadcasts=adapters.broadcasts, ingest=adapters.ingest, hear=hear,
        cut_off=cut_off, now=adapters.now, new_id=adapters.new_id,
    )  # fmt: skip
    keep_recording = Singleton(
        KeepRecording, streams=adapters.streams, channels=adapters.channels, videos=adapters.videos,
        ingest=adapters.ingest, now=adapters.now,
    )  # fmt: skip
    clear_stream = Singleton(
        ClearStream, ingest=adapters.ingest, broadcasts=adapters.broadcasts, chat=adapters.chat, log=adapters.chat_log,
        keep=keep_recording, now=adapters.now,
    )  # fmt: skip
    session_cards = Singleton(SessionCards, videos=adapters.videos)
    show_sessions = Singleton(
        ShowSessions, streams=adapters.streams, channels=adapters.channels, broadcasts=adapters.broadcasts,
        cards=session_cards,
    )  # fmt: skip
    follow_session = Singleton(FollowSession, show=show_sessions, live=adapters.live)

    open_chat = Singleton(
        OpenChat, streams=adapters.streams, channels=adapters.channels, users=adapters.users, log=adapters.chat_log,
        chat=adapters.chat,
    )  # fmt: skip
    say_in_chat = Singleton(
        SayInChat, streams=adapters.streams, channels=adapters.channels, users=adapters.users,
        subscriptions=adapters.subscriptions, log=adapters.chat_log, now=adapters.now,
    )  # fmt: skip
    remove_message = Singleton(
        RemoveMessage, streams=adapters.streams, channels=adapters.channels, log=adapters.chat_log, chat=adapters.chat
    )
    ban_chatter = Singleton(
        BanChatter, backstage=backstage, channels=adapters.channels, users=adapters.users, log=adapters.chat_log,
        chat=adapters.chat, now=adapters.now,
    )  # fmt: skip
    edit_chat = Singleton(EditChat, backstage=backstage, now=adapters.now)
    replay_chat = Singleton(
        ReplayChat, streams=adapters.streams, channels=adapters.channels, broadcasts=adapters.broadcasts,
        log=adapters.chat_log,
    )  # fmt: skip

    # discovery
    index_video = Singleton(IndexVideo, videos=adapters.videos, channels=adapters.channels, search=adapters.search)
    index_channel = Singleton(
        IndexChannel,
        videos=adapters.videos,
        channels=adapters.channels,
        search=adapters.search,
        index_video=index_video,
    )
    find = Singleton(
        Find,
        search=adapters.search,
        videos=adapters.videos,
        channels=adapters.channels,
        video_cards=video_cards,
        channel_cards=channel_cards,
    )
    show_channel_feed = Singleton(
        ShowChannelFeed,
        channels=adapters.channels,
        videos=adapters.videos,
        channel_cards=channel_cards,
        video_cards=video_cards,
    )
    embed_video = Singleton(EmbedVideo, videos=adapters.videos, cards=video_cards)
    embed_stream = Singleton(EmbedStream, streams=adapters.streams, cards=stream_cards)

    # media and records
    sweep_orphans = Singleton(
        SweepOrphans,
        videos=adapters.videos,
        channels=adapters.channels,
        streams=adapters.streams,
        processings=adapters.processings,
        uploads=adapters.uploads,
        media=adapters.media,
        store=adapters.store,
        rounds=adapters.rounds,
        now=adapters.now,
    )
    audit_media = Singleton(
        AuditMedia,
        videos=adapters.videos,
        processings=adapters.processings,
        uploads=adapters.uploads,
        media=adapters.media,
        store=adapters.store,
    )

    # events
    consumers = Singleton(
        Consumers,
        clear_account=clear_account,
        clear_channel=clear_channel,
        clear_upload=clear_upload,
        clear_engagement=clear_engagement,
        clear_old_sources=clear_old_sources,
        clear_old_media=clear_old_media,
        request_processing=request_processing,
        start_transcode=start_transcode,
        reflect_processing=reflect_processing,
        stop_processing=stop_processing,
        settle_ingest=settle_ingest,
        clear_stream=clear_stream,
        reflect_broadcast=reflect_broadcast,
        keep_recording=keep_recording,
        index_video=index_video,
        index_channel=index_channel,
        tell=tell,
        tell_subscribers=tell_subscribers,
    )
    deliver_events = Singleton(DeliverEvents, outbox=adapters.outbox, consumers=consumers, now=adapters.now)


def use_cases(core: Core) -> Mapping[str, Callable[[], Any]]:
    """Every use case of an open core by its name; each is made when it is first called for."""
    return {name: provider for name, provider in core.providers.items() if name not in ("settings", "adapters")}


def held(settings: Settings) -> AbstractContextManager[int | None]:
    """Alone with what the profile keeps: no other server takes it, as long as the file descriptor is open anywhere.

    Raises Invalid.
    """
    if settings.profile != "local":
        return nullcontext()
    from adapters.local.container import held as held_local

    return held_local(settings.data)


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[Core]:
    """The core over the profile's adapters, which are open as long as the context is. Raises Invalid."""
    secret = settings.secret.encode() if settings.secret else None
    opening: AbstractAsyncContextManager[Any]
    if settings.profile == "memory":
        from adapters.inmemory.container import opened

        opening = opened(public_url=settings.public_url, secret=secret)
    elif settings.profile == "local":
        from adapters.local.container import opened as opened_local
        from adapters.local.ingest import RtmpSettings

        opening = opened_local(
            public_url=settings.public_url, secret=secret, data=settings.data, transcode_jobs=settings.transcode_jobs,
            shared=settings.workers > 1,
            rtmp=RtmpSettings(
                host=settings.host, port=settings.rtmp_port, url=settings.rtmp_url or "", most=settings.live_streams,
                window_s=settings.live_window_s, transcoded=settings.live_ladder,
            ),
        )  # fmt: skip
    else:
        from adapters.aws.settings import AwsSettings

        cloud = AwsSettings.read(settings.cloud)
        from adapters.aws.container import opened as opened_aws

        opening = opened_aws(public_url=settings.public_url, secret=secret, settings=cloud)
    async with opening as adapters:
        core = Core(settings=settings, adapters=adapters)
        core.check_dependencies()
        yield core
