"""Videos over HTTP: finding, showing and editing them, their captions, chapters, thumbnail and processing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.params import FromPath, JSONBody, QueryParameter, RawBody
from litestar.response import Stream
from msgspec import UNSET, Meta, Struct, UnsetType

from application.ports import Order
from application.processing import FollowProcessing, Progress, RetryProcessing, ShowProcessing
from application.videos import (
    CAPTIONS_MOST,
    THUMBNAIL_MOST,
    BlockVideo,
    EditVideo,
    ListCaptions,
    ListVideos,
    PutCaption,
    RemoveCaption,
    RemoveVideo,
    SetChapters,
    SetThumbnail,
    ShowVideo,
)  # fmt: skip
from domain.access import Actor
from domain.errors import (
    Conflict,
    Forbidden,
    IllegalTransition,
    Invalid,
    NotFound,
    TooLarge,
    Unauthenticated,
    VersionMismatch,
)
from domain.ids import ChannelId, VideoId
from domain.videos import Chapter, Visibility
from entrypoints.http.requests import Cursors, CursorText, Limit, Listing, changes, problems, scope, versioned
from entrypoints.http.server_sent import AccessToken, event, sends, streamed, told
from entrypoints.http.views import (
    CaptionView,
    ChapterView,
    ProcessingEvent,
    ProcessingProgress,
    ProcessingStarted,
    RenditionView,
    VideoView,
    caching,
    playing,
)  # fmt: skip

_OfChannel = Annotated[ChannelId | None, QueryParameter(name="channel", description="Only the channel's, by its id.")]
_Tagged = Annotated[str | None, QueryParameter(name="tag", description="Only those with the tag.")]
_Sorted = Annotated[Order, QueryParameter(name="sort", description="By the time they were published.")]
_Label = Annotated[
    str, QueryParameter(name="label", description="What a player's menu calls them; the language if left out.")
]
FOLLOWED_MOST = 50
_Followed = Annotated[
    Sequence[VideoId],
    QueryParameter(
        name="video", min_items=1, max_items=FOLLOWED_MOST, description="Which, by their ids: ``video=…&video=…``."
    ),
]

_EDITING = (Unauthenticated, Forbidden, NotFound, Invalid, VersionMismatch)


class VideoPatch(Struct, frozen=True):
    """What is left out stays as it is; a null empties what may be empty. ``publish_at`` goes with the visibility
    ``scheduled``, and leaves with it.
    """

    title: Annotated[str, Meta(examples=["Lecture 1: Bernoulli numbers"])] | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    tags: Annotated[Sequence[str], Meta(examples=[["lecture", "mathematics"]])] | UnsetType | None = UNSET
    category: Annotated[str, Meta(examples=["education"])] | UnsetType | None = UNSET
    language: Annotated[str, Meta(examples=["en"])] | UnsetType | None = UNSET
    visibility: Visibility | UnsetType = UNSET
    publish_at: datetime | UnsetType | None = UNSET


class NewChapter(Struct, frozen=True):
    start_s: Annotated[float, Meta(examples=[0])]
    title: Annotated[str, Meta(examples=["Introduction"])]


class NewChapters(Struct, frozen=True):
    chapters: Sequence[NewChapter]


class Blocking(Struct, frozen=True):
    reason: Annotated[str, Meta(examples=["Shows someone's home address."])]


def _raw(*media_types: str) -> RequestBody:
    bytes_ = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
    return RequestBody(content={each: OpenAPIMediaType(schema=bytes_) for each in media_types}, required=True)


@dataclass  # as its base is: only so is __post_init__ called
class TakesPicture(Operation):
    """Documents a body that is a picture's bytes."""

    def __post_init__(self) -> None:
        self.request_body = _raw("image/jpeg", "image/png", "image/webp")


@dataclass
class TakesCaptions(Operation):
    """Documents a body that is a file of captions."""

    def __post_init__(self) -> None:
        self.request_body = _raw("text/vtt", "application/x-subrip")


class VideoController(Controller):
    path = "/videos"
    tags = ("videos",)

    @get(operation_id="listVideos", opt={"cacheable": True}, responses=problems(Invalid))
    async def list(
        self,
        *,
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        list_videos: NamedDependency[ListVideos],
        channel: _OfChannel = None,
        tag: _Tagged = None,
        sort: _Sorted = Order.NEWEST,
        cursor: CursorText = None,
        limit: Limit = 20,
    ) -> Listing[VideoView]:
        """What everyone may watch, by the time it was published."""
        here = scope("videos", channel, tag, sort)
        page = await list_videos(
            actor, channel=channel, tag=tag, order=sort, cursor=cursors.read(cursor, here), limit=limit
        )
        return cursors.page(page, here, VideoView.of)

    @get("/{video_id:str}", operation_id="getVideo", opt={"cacheable": True}, responses=problems(NotFound))
    async def show(
        self, video_id: FromPath[VideoId], actor: NamedDependency[Actor], show_video: NamedDependency[ShowVideo]
    ) -> Response[VideoView]:
        """A video, if one may see it."""
        card = await show_video(actor, video_id)
        return versioned(VideoView.of(card), card.video.version, headers=caching(card))

    @patch("/{video_id:str}", operation_id="updateVideo", responses=problems(*_EDITING))
    async def edit(
        self,
        video_id: FromPath[VideoId],
        data: JSONBody[VideoPatch],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        edit_video: NamedDependency[EditVideo],
    ) -> Response[VideoView]:
        """Change what is said about a video, and who may see it."""
        named = changes(data, description="", tags=(), category="", language="")
        card = await edit_video(actor, video_id, **named, version=version)
        return versioned(VideoView.of(card), card.video.version, headers=caching(card))

    @delete(
        "/{video_id:str}",
        operation_id="deleteVideo",
        responses=problems(Unauthenticated, Forbidden, NotFound, VersionMismatch),
    )
    async def remove(
        self,
        video_id: FromPath[VideoId],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        remove_video: NamedDependency[RemoveVideo],
    ) -> None:
        """Remove a video: it is gone at once, its files soon after."""
        await remove_video(actor, video_id, version)

    @post(
        "/{video_id:str}/retry-processing",
        operation_id="retryProcessing",
        status_code=202,
        opt={"idempotent": True},
        responses=problems(*_EDITING, Conflict, IllegalTransition),
    )
    async def retry(
        self,
        video_id: FromPath[VideoId],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        retry_processing: NamedDependency[RetryProcessing],
    ) -> Response[ProcessingStarted]:
        """Process a video again that failed."""
        video = await retry_processing(actor, video_id, version)
        return versioned(ProcessingStarted.of(video), video.version, 202)

    @get("/{video_id:str}/renditions", operation_id="listRenditions", responses=problems(NotFound))
    async def renditions(
        self, video_id: FromPath[VideoId], actor: NamedDependency[Actor], show_video: NamedDependency[ShowVideo]
    ) -> Listing[RenditionView]:
        """What a player may choose from, smallest first; nothing while there is nothing to play."""
        return Listing([RenditionView.of(each) for each in playing(await show_video(actor, video_id))], None)

    @get(
        "/{video_id:str}/processing-events",
        operation_id="listProcessingEvents",
        responses=problems(Unauthenticated, Forbidden, NotFound),
    )
    async def processing_events(
        self,
        video_id: FromPath[VideoId],
        actor: NamedDependency[Actor],
        show_processing: NamedDependency[ShowProcessing],
    ) -> Listing[ProcessingEvent]:
        """What became of each attempt at processing, oldest first; the last fifty states. For owners and editors."""
        return Listing([ProcessingEvent.of(entry) for entry in await show_processing(actor, video_id)], None)

    @put(
        "/{video_id:str}/thumbnail",
        operation_id="putThumbnail",
        operation_class=TakesPicture,
        request_max_body_size=THUMBNAIL_MOST,
        responses=problems(*_EDITING, TooLarge),
    )
    async def thumbnail(
        self,
        video_id: FromPath[VideoId],
        body: RawBody,
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        set_thumbnail: NamedDependency[SetThumbnail],
    ) -> Response[VideoView]:
        """Put a picture of one's own in place of the one taken from the video; at most 8 MiB."""
        card = await set_thumbnail(actor, video_id, body, version)
        return versioned(VideoView.of(card), card.video.version, headers=caching(card))

    @get("/{video_id:str}/chapters", operation_id="listChapters", responses=problems(NotFound))
    async def chapters(
        self, video_id: FromPath[VideoId], actor: NamedDependency[Actor], show_video: NamedDependency[ShowVideo]
    ) -> Response[Listing[ChapterView]]:
        """A video's chapters. The ETag is the video's version."""
        video = (await show_video(actor, video_id)).video
        return versioned(Listing([ChapterView.of(each) for each in video.chapters], None), video.version)

    @put("/{video_id:str}/chapters", operation_id="putChapters", responses=problems(*_EDITING))
    async def set_chapters(
        self,
        video_id: FromPath[VideoId],
        data: JSONBody[NewChapters],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        set_chapters: NamedDependency[SetChapters],
    ) -> Response[Listing[ChapterView]]:
        """Put chapters in place of those that were there. The first starts at 0."""
        wanted = [Chapter(each.start_s, each.title) for each in data.chapters]
        video = (await set_chapters(actor, video_id, wanted, version)).video
        return versioned(Listing([ChapterView.of(each) for each in video.chapters], None), video.version)


class CaptionController(Controller):
    path = "/videos/{video_id:str}/captions"
    tags = ("videos",)

    @get(operation_id="listCaptions", responses=problems(NotFound))
    async def list(
        self, video_id: FromPath[VideoId], actor: NamedDependency[Actor], list_captions: NamedDependency[ListCaptions]
    ) -> Listing[CaptionView]:
        """A video's captions, by language; each with a link to its WebVTT."""
        return Listing([CaptionView.of(found) for found in await list_captions(actor, video_id)], None)

    @put(
        "/{language:str}",
        operation_id="putCaptions",
        operation_class=TakesCaptions,
        request_max_body_size=CAPTIONS_MOST,
        responses=problems(*_EDITING, TooLarge),
    )
    async def replace(
        self,
        *,
        video_id: FromPath[VideoId],
        language: FromPath[str],
        body: RawBody,
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        put_caption: NamedDependency[PutCaption],
        label: _Label = "",
    ) -> Response[VideoView]:
        """Put captions in a language (BCP 47), in place of what was there; WebVTT or SubRip, at most 2 MiB."""
        card = await put_caption(actor, video_id, language, body, label=label, version=version)
        return versioned(VideoView.of(card), card.video.version, headers=caching(card))

    @delete(
        "/{language:str}",
        operation_id="deleteCaptions",
        responses=problems(Unauthenticated, Forbidden, NotFound, VersionMismatch),
    )
    async def remove(
        self,
        video_id: FromPath[VideoId],
        language: FromPath[str],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        remove_caption: NamedDependency[RemoveCaption],
    ) -> None:
        """Remove the captions in a language."""
        await remove_caption(actor, video_id, language, version)


class ProcessingController(Controller):
    path = "/processing"
    tags = ("videos",)

    @get(
        "/stream",
        operation_id="streamProcessing",
        responses=sends("Server-sent events named ``processing``: how one video's goes, as JSON.")
        | problems(Invalid, Unauthenticated, Forbidden, NotFound),
    )
    async def follow(
        self,
        actor: NamedDependency[Actor],
        follow_processing: NamedDependency[FollowProcessing],
        *,
        stream_retry_s: NamedDependency[int],
        videos: _Followed,
        access_token: AccessToken = None,  # noqa: ARG002  (read before the handler, named here for the document)
    ) -> Stream:
        """Follow how the processing of one's videos goes.

        Of each, at once and whenever it has changed, until all are ready or have failed; for owners and editors.
        Those of others, and those that are gone, are passed over, as long as any is left. Close the connection when
        all are done: EventSource would come back.
        """
        return await streamed(told(await follow_processing(actor, videos), _progress, stream_retry_s))


def _progress(progress: Progress) -> bytes:
    return event("processing", ProcessingProgress.of(progress))


class BlockController(Controller):
    path = "/admin/videos/{video_id:str}/block"
    tags = ("videos",)

    @put(operation_id="blockVideo", responses=problems(Unauthenticated, Forbidden, NotFound, Invalid))
    async def block(
        self,
        video_id: FromPath[VideoId],
        data: JSONBody[Blocking],
        actor: NamedDependency[Actor],
        block_video: NamedDependency[BlockVideo],
    ) -> Response[VideoView]:
        """Take a video out of everyone's sight but its members'. For the platform's moderators."""
        card = await block_video(actor, video_id, data.reason)
        return versioned(VideoView.of(card), card.video.version, headers=caching(card))

    @delete(operation_id="unblockVideo", responses=problems(Unauthenticated, Forbidden, NotFound))
    async def lift(
        self,
        video_id: FromPath[VideoId],
        actor: NamedDependency[Actor],
        block_video: NamedDependency[BlockVideo],
    ) -> None:
        """Put a blocked video back."""
        await block_video.lift(actor, video_id)
