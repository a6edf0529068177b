"""Uploads: announce a file, send its parts, finish, or let it go."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from attrs import evolve, frozen

from application.identity import signed_in
from application.ports import (
    Channels,
    Delivery,
    NewId,
    Now,
    Page,
    PartTicket,
    Ticket,
    Uploads,
    UploadStore,
    Users,
    Videos,
)  # fmt: skip
from application.retry import settled
from domain.access import Actor
from domain.channels import Task
from domain.errors import Forbidden, Invalid, NotFound, Stale
from domain.ids import UPLOAD, VIDEO, ChannelId, UploadId, VideoId
from domain.uploads import LIFE, OPEN, PART_LIFE, SIGN_AT_ONCE, Limits, Part, Status, Upload, UploadAbandoned
from domain.videos import Video, VideoRemoved, Visibility

FIRST_PARTS = 20
"""Links given without being asked for."""
TITLE_MOST = 100
"""Characters of a file's name that become a title."""
_KINDS = ("video/", "audio/")
_TYPES = frozenset({"application/octet-stream", "application/mxf", "application/ogg", "application/mp4"})


@frozen
class UploadCard:
    """An upload with the parts that are here, and links for the parts to send next."""

    upload: Upload
    received: Sequence[Part] = ()
    tickets: Sequence[Ticket] = ()


@frozen
class StartUpload:
    """Announce a file for a new video, or to take the place of a video's source."""

    uploads: Uploads
    videos: Videos
    channels: Channels
    users: Users
    store: UploadStore
    limits: Limits
    now: Now
    new_id: NewId

    async def __call__(
        self, actor: Actor, channel: ChannelId, *, filename: str, content_type: str, size_bytes: int,
        title: str = "", description: str = "", tags: Sequence[str] = (), visibility: Visibility = Visibility.PRIVATE,
        publish_at: datetime | None = None, replaces: VideoId | None = None,
    ) -> UploadCard:  # fmt: skip
        """Raises Invalid (``empty_file``, ``unsupported_content_type``), TooLarge (``file_too_large``),
        Forbidden (``quota_exceeded``, ``too_many_uploads``).
        """
        now = self.now()
        user = await signed_in(self.users, actor)
        (await self.channels.get(channel)).require(actor, Task.EDIT)
        self.limits.check(size_bytes)
        upload = Upload(
            id=UploadId(self.new_id(UPLOAD)), user=user.id, channel=channel, filename=filename,
            video=replaces or VideoId(self.new_id(VIDEO)), content_type=content_type, size_bytes=size_bytes,
            created_at=now, expires_at=now + LIFE,
        )  # fmt: skip
        if not upload.content_type.startswith(_KINDS) and upload.content_type not in _TYPES:
            message = f"{upload.content_type} is not a kind of video"
            raise Invalid(message, code="unsupported_content_type", field="content_type")
        video = Video(
            id=upload.video, channel=channel, uploader=user.id, title=title or upload.filename[:TITLE_MOST], description=description,
            tags=tags, visibility=visibility, publish_at=publish_at, created_at=now,
        )  # fmt: skip
        if replaces is None:
            video, _ = video.edit(now, publish_at=publish_at)
        elif (await self.videos.get(replaces)).channel != channel:
            raise NotFound("there is no such video")
        opened = await self._open(upload, video if replaces is None else None)
        numbers = range(1, min(opened.parts, FIRST_PARTS) + 1)
        return UploadCard(opened, tickets=await self.store.sign(opened, numbers, now + PART_LIFE))

    async def _open(self, upload: Upload, video: Video | None) -> Upload:
        upload = evolve(upload, handle=await self.store.open(upload))
        try:
            return await self.uploads.start(upload, self.limits.user_bytes, self.limits.open_uploads, video=video)
        except Forbidden:
            await self.store.discard(upload)
            raise


async def _mine(uploads: Uploads, channels: Channels, actor: Actor, upload: UploadId) -> Upload:
    """For whoever announced it, and those who may edit the channel's videos; a stranger learns nothing."""
    user = actor.require_user()
    stored = await uploads.get(upload)
    if stored.user != user and not (await channels.get(stored.channel)).allows(actor, Task.EDIT):
        raise NotFound("there is no such upload")
    return stored


async def _to_send(uploads: Uploads, channels: Channels, actor: Actor, upload: UploadId) -> Upload:
    """The same, for sending more of it. Raises Forbidden for whoever announced it and may edit the channel no more."""
    stored = await _mine(uploads, channels, actor, upload)
    (await channels.get(stored.channel)).require(actor, Task.EDIT)
    return stored


@frozen
class ShowUpload:
    uploads: Uploads
    channels: Channels
    store: UploadStore
    now: Now

    async def __call__(self, actor: Actor, upload: UploadId) -> UploadCard:
        """With the parts that are here and, for who may send them, links for the first that are not: a client can
        go on after a reload.
        """
        stored = await _mine(self.uploads, self.channels, actor, upload)
        received = await self.store.received(stored) if stored.status in OPEN else ()
        card = UploadCard(stored.having(received), received=received)
        now = self.now()
        if not stored.open(now) or not (await self.channels.get(stored.channel)).allows(actor, Task.EDIT):
            return card
        until = min(now + PART_LIFE, stored.expires_at)
        return evolve(card, tickets=await self.store.sign(stored, stored.missing(received)[:FIRST_PARTS], until))


@frozen
class ListUploads:
    uploads: Uploads

    async def __call__(
        self,
        actor: Actor,
        *,
        statuses: frozenset[Status] = frozenset(Status),
        cursor: str | None = None,
        limit: int = 20,
    ) -> Page[Upload]:
        """One's own in any of the statuses, newest first. Others are left out, so a page may be short."""
        user = actor.require_user()
        page = await self.uploads.of_user(user, open_only=statuses <= OPEN, cursor=cursor, limit=limit)
        return Page([upload for upload in page.items if upload.status in statuses], page.next)


@frozen
class SignParts:
    uploads: Uploads
    channels: Channels
    store: UploadStore
    now: Now

    async def __call__(self, actor: Actor, upload: UploadId, numbers: Sequence[int]) -> Sequence[Ticket]:
        """Links for parts to send. Raises Invalid (``no_such_part``), Conflict (``upload_expired``, ``upload_closed``)."""
        if not 1 <= len(numbers) <= SIGN_AT_ONCE:
            raise Invalid(f"ask for 1 to {SIGN_AT_ONCE} parts at once", code="too_many_parts", field="numbers")

        async def step() -> Upload:
            stored = await _to_send(self.uploads, self.channels, actor, upload)
            begun = stored.begin(self.now())
            for number in numbers:
                begun.size_of(number)
            return stored if begun is stored else await self.uploads.save(begun)

        begun = await settled(step)
        until = min(self.now() + PART_LIFE, begun.expires_at)
        return await self.store.sign(begun, sorted(set(numbers)), until)


@frozen
class ReceivePart:
    """Bytes that come to our own door, under a signed link."""

    uploads: Uploads
    delivery: Delivery
    now: Now

    async def __call__(self, token: str, size_bytes: int | None, chunks: AsyncIterator[bytes]) -> Part:
        """Raises Forbidden (``link_invalid``, ``link_expired``), Invalid (``size_mismatch``), and as
        ``Upload.require_open``. ``size_bytes`` is what the client announced, if it did.
        """
        ticket = self.delivery.ticket(token)
        if not isinstance(ticket, PartTicket):
            _require_size(size_bytes, ticket.size_bytes)
            return await self.delivery.receive_small(ticket, chunks)
        upload = await self.uploads.get(ticket.upload)
        upload.require_open(self.now())
        _require_size(size_bytes, upload.size_of(ticket.number))
        return await self.delivery.receive(upload, ticket.number, chunks)


def _require_size(announced: int | None, expected: int) -> None:
    if announced is not None and announced != expected:
        raise Invalid(f"expected {expected} bytes, not {announced}", code="size_mismatch", field="Content-Length")


@frozen
class CompleteUpload:
    """All parts are sent: make one file of them. Asking again gives the same answer."""

    uploads: Uploads
    channels: Channels
    store: UploadStore
    now: Now

    async def __call__(self, actor: Actor, upload: UploadId, parts: Sequence[tuple[int, str]]) -> UploadCard:
        """``parts`` are the numbers and etags that the client saw; none means whatever is here.

        Raises Invalid (``parts_missing``, ``etag_mismatch``, ``size_mismatch``), and as ``Upload.require_open``. When
        the whole file has another size than announced, the upload has failed.
        """

        async def step() -> Upload:
            stored = await _to_send(self.uploads, self.channels, actor, upload)
            if stored.status is Status.COMPLETED:
                return stored
            stored.require_open(self.now())  # before the store, which knows nothing of one that is over
            received = await self.store.received(stored)
            stored.complete(received, self.now())  # what is missing is said before whose etags are wrong
            if not stored.assembled(received):  # the etags of parts are gone with them
                _require_etags(received, parts)
            return await _made_whole(self.uploads, self.store, stored, received, self.now())

        ended = await settled(step)
        if ended.error is not None:
            raise Invalid(ended.error, code="size_mismatch", field="parts")
        return UploadCard(ended)


async def _made_whole(
    uploads: Uploads, store: UploadStore, upload: Upload, received: Sequence[Part], now: datetime
) -> Upload:
    """Completed; or failed, when the file is of another size than announced. Raises as ``Upload.complete``."""
    done, event = upload.complete(received, now)
    size = await store.assemble(upload, received)
    if size != upload.size_bytes:  # the store's file is what it is: no part sent again makes it another
        failed, abandoned = upload.fail(f"expected {upload.size_bytes} bytes, not {size}", now)
        return await uploads.save(failed, abandoned)
    return await uploads.save(done, event)


@frozen
class FinishUpload:
    """The store says that a whole file is there: complete its upload, as if the client had asked for it.

    Whichever of the two comes first does it. A file that comes after its upload was over is freed again.
    """

    uploads: Uploads
    store: UploadStore
    now: Now

    async def __call__(self, upload: UploadId) -> Upload:
        """How it is now. Raises NotFound for an unknown one, and Invalid as ``Upload.complete``."""

        async def step() -> Upload:
            stored = await self.uploads.get(upload)
            if stored.open(self.now()):
                received = await self.store.received(stored)
                return await _made_whole(self.uploads, self.store, stored, received, self.now())
            if stored.status is not Status.COMPLETED and stored.status not in OPEN:
                await self.store.discard(stored)
            return stored

        return await settled(step)


def _require_etags(received: Sequence[Part], claimed: Sequence[tuple[int, str]]) -> None:
    here = {part.number: part.etag for part in received}
    wrong = [number for number, etag in claimed if here.get(number) != etag.strip('"')]
    if wrong:
        shown = ", ".join(map(str, wrong[:20]))
        raise Invalid(f"parts with another etag than what is here: {shown}", code="etag_mismatch", field="parts")


@frozen
class CancelUpload:
    uploads: Uploads
    channels: Channels
    now: Now

    async def __call__(self, actor: Actor, upload: UploadId) -> UploadCard:
        """Asking again gives the same answer. Raises IllegalTransition once it is completed or expired."""

        async def step() -> Upload:
            stored = await _mine(self.uploads, self.channels, actor, upload)
            if stored.status is Status.CANCELLED:
                return stored
            cancelled, event = stored.cancel(self.now())
            return await self.uploads.save(cancelled, event)

        return UploadCard(await settled(step))


@frozen
class ExpireUploads:
    """Let go of uploads that were never finished."""

    uploads: Uploads
    now: Now

    async def __call__(self) -> int:
        """How many."""
        now = self.now()
        expired = await self.uploads.expired(now)
        for upload in expired:
            gone, event = upload.expire(now)
            try:
                await self.uploads.save(gone, event)
            except Stale:  # finished at the last moment
                continue
        return len(expired)


@frozen
class ClearUpload:
    """After an upload was abandoned: free its bytes, and remove the video that only it was for."""

    uploads: Uploads
    videos: Videos
    store: UploadStore
    now: Now

    async def __call__(self, event: UploadAbandoned) -> None:
        try:
            await self.store.discard(await self.uploads.get(event.upload))
            video = await self.videos.get(event.video)
        except NotFound:
            return
        others = await self.uploads.of_video(event.video)
        if video.attempt == 0 and not any(other.counts for other in others):
            await self.videos.remove(video, VideoRemoved(video.id, video.channel, self.now()))
