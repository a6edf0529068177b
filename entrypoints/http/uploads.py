"""Uploads over HTTP: announcing a file, links for its parts, finishing, letting go."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct

from application.uploads import CancelUpload, CompleteUpload, ListUploads, ShowUpload, SignParts, StartUpload
from domain.access import Actor
from domain.errors import Conflict, Forbidden, IllegalTransition, Invalid, NotFound, TooLarge, Unauthenticated
from domain.ids import ChannelId, UploadId, VideoId
from domain.uploads import OPEN, Status
from domain.videos import Visibility
from entrypoints.http.requests import Cursors, CursorText, Limit, Listing, problems, scope, versioned
from entrypoints.http.views import TicketsView, UploadView

_STATUSES: Mapping[str, frozenset[Status]] = {
    "all": frozenset(Status),
    "open": OPEN,
    **{status.value: frozenset({status}) for status in Status},
}

_OfStatus = Annotated[
    Literal["all", "open", "waiting", "uploading", "completed", "cancelled", "expired", "failed"],
    QueryParameter(name="status", description="Only those in it; `open` are those that wait for bytes."),
]


class NewUpload(Struct, frozen=True, kw_only=True):
    """A file to come. It makes a new video, unless ``replaces`` names one whose source it shall be from then on."""

    channel_id: Annotated[ChannelId, Meta(examples=["chn_01J9ZQ6T5V8C3D2E1F0G9H8J7K"])]
    filename: Annotated[str, Meta(examples=["lecture.mp4"])]
    content_type: Annotated[str, Meta(examples=["video/mp4"])]
    size_bytes: Annotated[int, Meta(examples=[73400320])]
    title: Annotated[str, Meta(examples=["Lecture 1: Bernoulli numbers"], description="The filename if left out.")] = ""
    description: str = ""
    tags: Annotated[Sequence[str], Meta(examples=[["lecture", "mathematics"]])] = ()
    visibility: Visibility = Visibility.PRIVATE
    publish_at: datetime | None = None
    replaces: VideoId | None = None


class PartNumbers(Struct, frozen=True):
    numbers: Annotated[Sequence[int], Meta(examples=[[21, 22, 23, 24]], description="From 1 to `part_count`.")]


class SentPart(Struct, frozen=True):
    number: int
    etag: Annotated[str, Meta(description="As the answer to the part's PUT said it.")]


class Completion(Struct, frozen=True):
    """The parts that were sent; none means whatever is here."""

    parts: Sequence[SentPart] = ()


class UploadController(Controller):
    path = "/uploads"
    tags = ("uploads",)

    @post(
        operation_id="createUpload",
        opt={"idempotent": True},
        responses=problems(Unauthenticated, Forbidden, NotFound, Invalid, Conflict, TooLarge),
    )
    async def start(
        self, data: JSONBody[NewUpload], actor: NamedDependency[Actor], start_upload: NamedDependency[StartUpload]
    ) -> Response[UploadView]:
        """Announce a file.

        The answer has links for the first 20 parts (``parts``), which work for 15 minutes; PUT each part's bytes to
        its link. Each part is of ``part_size_bytes`` but the last, and there are ``part_count`` of them. For links of
        more parts ask ``POST /v1/uploads/{id}/parts``, or read the upload again.
        """
        card = await start_upload(
            actor,
            data.channel_id,
            filename=data.filename,
            content_type=data.content_type,
            size_bytes=data.size_bytes,
            title=data.title,
            description=data.description,
            tags=data.tags,
            visibility=data.visibility,
            publish_at=data.publish_at,
            replaces=data.replaces,
        )
        location = {"location": f"/v1/uploads/{card.upload.id}"}
        return versioned(UploadView.of(card), card.upload.version, 201, location)

    @get(operation_id="listUploads", responses=problems(Unauthenticated, Invalid))
    async def list(
        self,
        *,
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        list_uploads: NamedDependency[ListUploads],
        status: _OfStatus = "all",
        cursor: CursorText = None,
        limit: Limit = 20,
    ) -> Listing[UploadView]:
        """One's own uploads, newest first.

        ``open`` are those that wait for bytes.
        """
        here = scope("uploads", actor.user, status)
        page = await list_uploads(actor, statuses=_STATUSES[status], cursor=cursors.read(cursor, here), limit=limit)
        return cursors.page(page, here, UploadView.listed)

    @get("/{upload_id:str}", operation_id="getUpload", responses=problems(Unauthenticated, NotFound))
    async def show(
        self,
        upload_id: FromPath[UploadId],
        actor: NamedDependency[Actor],
        show_upload: NamedDependency[ShowUpload],
    ) -> Response[UploadView]:
        """An upload, so that a client can go on after a reload.

        ``received`` are the parts that are here. While it is open, ``parts`` are fresh links for the first 20 that
        are not.
        """
        card = await show_upload(actor, upload_id)
        return versioned(UploadView.of(card), card.upload.version)

    @post(
        "/{upload_id:str}/parts",
        operation_id="signUploadParts",
        status_code=200,
        responses=problems(Unauthenticated, Forbidden, NotFound, Invalid, Conflict),
    )
    async def sign(
        self,
        upload_id: FromPath[UploadId],
        data: JSONBody[PartNumbers],
        actor: NamedDependency[Actor],
        sign_parts: NamedDependency[SignParts],
    ) -> TicketsView:
        """Get links for more parts, or new ones for parts whose link ran out.

        For 1 to 100 parts by their numbers, whatever is here of them: a part that is sent again takes the place of
        what was.
        """
        return TicketsView.of(await sign_parts(actor, upload_id, data.numbers))

    @post(
        "/{upload_id:str}/complete",
        operation_id="completeUpload",
        status_code=202,
        opt={"idempotent": True},
        responses=problems(Unauthenticated, Forbidden, NotFound, Invalid, Conflict),
    )
    async def complete(
        self,
        upload_id: FromPath[UploadId],
        data: JSONBody[Completion],
        actor: NamedDependency[Actor],
        complete_upload: NamedDependency[CompleteUpload],
    ) -> Response[UploadView]:
        """Say that all parts are sent; the video is processed from then on.

        Asking again gives the same answer.
        """
        card = await complete_upload(actor, upload_id, [(part.number, part.etag) for part in data.parts])
        return versioned(UploadView.of(card), card.upload.version, 202)

    @post(
        "/{upload_id:str}/cancel",
        operation_id="cancelUpload",
        status_code=200,
        responses=problems(Unauthenticated, NotFound, IllegalTransition),
    )
    async def cancel(
        self,
        upload_id: FromPath[UploadId],
        actor: NamedDependency[Actor],
        cancel_upload: NamedDependency[CancelUpload],
    ) -> Response[UploadView]:
        """Let an upload go, with what had arrived.

        Asking again gives the same answer.
        """
        card = await cancel_upload(actor, upload_id)
        return versioned(UploadView.of(card), card.upload.version)
