"""From bytes to something that plays: asking for a transcode, believing what comes back, repairing what was lost."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

from attrs import frozen

from application.following import LOOK_S, followed
from application.ports import (
    Channels,
    Ingest,
    Live,
    MediaStore,
    Now,
    Processings,
    TranscodeOrder,
    Transcoder,
    Uploads,
    UploadStore,
    Videos,
)  # fmt: skip
from application.retry import NotYet, expect, settled
from domain.access import Actor
from domain.channels import Channel, Task
from domain.errors import Conflict, DomainError, Forbidden, NotFound, Stale, Unauthenticated, Unavailable
from domain.ids import JobId, UploadId, VideoId
from domain.media import FilesSuperseded, attempt_prefix, video_prefix
from domain.processing import (
    LEASE,
    SKEW,
    TERMINAL,
    Entry,
    Failure,
    Processing,
    ProcessingMoved,
    Report,
    State,
    TranscodeRequested,
)
from domain.uploads import Status, UploadCompleted
from domain.videos import MediaSuperseded, Video, VideoReady, VideoRemoved
from domain.watching import GRANT_LIFE


async def _save_requested(processings: Processings, processing: Processing, now: datetime) -> Processing:
    asked = TranscodeRequested(processing.video, processing.attempt, now)
    return await processings.save(processing, asked, ProcessingMoved(processing.video, processing.attempt, now))


@frozen
class RequestProcessing:
    """After an upload is complete: a first attempt, or another one if it replaces an older source.

    An upload that ends after a newer one took the video's place is forgotten, and a video that was announced while
    its channel closed is removed.
    """

    videos: Videos
    channels: Channels
    uploads: Uploads
    processings: Processings
    transcoder: Transcoder
    store: UploadStore
    now: Now

    async def __call__(self, event: UploadCompleted) -> None:
        now = self.now()
        try:
            video = await self.videos.get(event.video)
        except NotFound:
            await _forget_upload(self.uploads, self.store, event.upload)
            return
        if not await self.channels.many([video.channel]):
            await self.videos.remove(video, VideoRemoved(video.id, video.channel, now))
            return

        async def step() -> Processing:
            try:
                before = await self.processings.get(event.video)
            except NotFound:
                first = Processing(video=event.video, upload=event.upload, source=event.source, updated_at=now)
                return await _save_requested(self.processings, first, now)
            after = before.replace(event.upload, event.source, now)
            if after is before:
                return before
            if before.job is not None and not before.done:
                # Before the save: once another attempt is stored, the next delivery would not know this job.
                await self.transcoder.cancel(before.job)
            return await _save_requested(self.processings, after, now)

        if event.upload < (await settled(step)).upload:
            await _forget_upload(self.uploads, self.store, event.upload)


async def _forget_upload(uploads: Uploads, store: UploadStore, upload: UploadId) -> None:
    try:
        await store.discard(await uploads.get(upload))
    except NotFound:
        return
    await uploads.remove(upload)


@frozen
class StartTranscode:
    """Claim an attempt, start its job, bind the two. Whoever comes second does nothing."""

    processings: Processings
    transcoder: Transcoder
    now: Now

    async def __call__(self, video: VideoId, attempt: int) -> None:
        """Raises Unavailable when the transcoder takes no more now; the lease lets the next try pass.

        Any other refusal is counted, and raised: after ``STARTS_MOST`` of them the attempt has failed.
        """

        async def claim() -> Processing | None:
            stored = await self.processings.get(video)
            if not stored.claimable(attempt, self.now()):
                return None
            return await self.processings.save(stored.claim(attempt, self.now()))

        async def refused() -> Processing:
            now = self.now()
            stored = await self.processings.get(video)
            counted = stored.start_failed(attempt, now)
            events = (ProcessingMoved(video, attempt, now),) if counted.done else ()
            return stored if counted is stored else await self.processings.save(counted, *events)

        claimed = await settled(claim)
        if claimed is None:
            return
        try:
            job = await self.transcoder.start(TranscodeOrder(video=video, attempt=attempt, source=claimed.source))
        except Unavailable:
            raise
        except Exception:
            await settled(refused)
            raise

        async def bind() -> Processing:
            stored = await self.processings.get(video)
            bound = stored.bind(attempt, job, self.now())
            return stored if bound is stored else await self.processings.save(bound)

        stored = await settled(bind)
        if stored.job != job or stored.attempt != attempt:  # removed, replaced, or won by another job
            await self.transcoder.cancel(job)


@frozen
class ApplyReport:
    """Believe what a transcoder says, as far as it is news. Raises NotFound for an unknown video: it may come later."""

    processings: Processings
    media: MediaStore
    now: Now

    async def __call__(self, report: Report) -> None:
        async def step() -> Processing:
            now = self.now()
            before = await self.processings.get(report.video)
            after = before.apply(report, now)
            if after is before:
                return before
            if after.tries_again:
                return await _save_requested(self.processings, after.retry(now), now)
            moved = (after.state, after.media) != (before.state, before.media)
            events = (ProcessingMoved(after.video, after.attempt, now),) if moved else ()
            return await self.processings.save(after, *events)

        if (await settled(step)).removed:
            await self.media.remove_prefix(video_prefix(report.video))


@frozen
class ReflectProcessing:
    """Show on the video what its processing has come to; the older sources can go once the new one plays."""

    videos: Videos
    processings: Processings
    now: Now

    async def __call__(self, event: ProcessingMoved) -> None:
        async def step() -> Video | None:
            try:
                video = await self.videos.get(event.video)
            except NotFound:
                return None
            changed, events = video.reflect(await self.processings.get(event.video), self.now())
            return video if changed is video else await self.videos.save(changed, *events)

        await settled(step)


@frozen
class ClearOldSources:
    """Once a replacement plays, nobody needs the sources before it. One that is still being sent is left alone."""

    uploads: Uploads
    processings: Processings
    store: UploadStore

    async def __call__(self, event: VideoReady) -> None:
        try:
            current = (await self.processings.get(event.video)).upload
        except NotFound:
            return
        for upload in await self.uploads.of_video(event.video):
            if upload.id < current and upload.status is Status.COMPLETED:
                await _forget_upload(self.uploads, self.store, upload.id)


@frozen
class ClearOldMedia:
    """Remove files that were superseded, when the last grant to see them is over."""

    media: MediaStore
    now: Now

    async def __call__(self, event: MediaSuperseded) -> None:
        """An attempt's. Raises NotYet while someone may still be watching."""
        self._require_over(event.at)
        await self.media.remove_prefix(attempt_prefix(event.video, event.attempt))

    async def before(self, event: VideoReady) -> None:
        """Whatever the attempts before a complete one left, also those that never played. Raises NotYet."""
        for attempt in range(1, event.attempt):
            await self(MediaSuperseded(event.video, attempt, event.at))

    async def files(self, event: FilesSuperseded) -> None:
        """Pictures and captions, one by one. Raises NotYet."""
        self._require_over(event.at)
        for key in event.keys:
            await self.media.remove_prefix(key)

    def _require_over(self, at: datetime) -> None:
        until = at + GRANT_LIFE
        if self.now() < until:
            raise NotYet(until)


@frozen
class StopProcessing:
    """After a video is removed: no job, no source and no rendition of it stays.

    Of an upload that failed the record does, without bytes: whoever sent it can still read why.
    """

    processings: Processings
    uploads: Uploads
    transcoder: Transcoder
    store: UploadStore
    ingest: Ingest
    media: MediaStore
    now: Now

    async def __call__(self, video: VideoId) -> None:
        async def step() -> Processing | None:
            try:
                before = await self.processings.get(video)
            except NotFound:
                return None
            after = before.remove(self.now())
            return before if after is before else await self.processings.save(after)

        stopped = await settled(step)
        if stopped is not None and stopped.job is not None:
            await self.transcoder.cancel(stopped.job)
        uploads = await self.uploads.of_video(video)
        if stopped is not None and all(upload.source != stopped.source for upload in uploads):
            await self.ingest.discard(stopped.source)
        for upload in uploads:
            if upload.status is not Status.FAILED:
                await _forget_upload(self.uploads, self.store, upload.id)
        await self.media.remove_prefix(video_prefix(video))


@frozen
class RetryProcessing:
    """Another attempt at a video that failed, asked for by a person."""

    videos: Videos
    channels: Channels
    processings: Processings
    now: Now

    async def __call__(self, actor: Actor, video: VideoId, version: int | None = None) -> Video:
        """Raises IllegalTransition unless it failed; Conflict (``no_source``) if nothing was uploaded."""
        stored = await self.videos.get(video)
        _require_editor(actor, stored, await self.channels.get(stored.channel))
        expect("the video", stored.version, version)

        async def step() -> Processing:
            try:
                before = await self.processings.get(video)
            except NotFound:
                raise Conflict("nothing was uploaded yet", code="no_source") from None
            return await _save_requested(self.processings, before.retry(self.now()), self.now())

        processing = await settled(step)

        async def show() -> Video:
            current = await self.videos.get(video)
            changed, events = current.reflect(processing, self.now())
            return current if changed is current else await self.videos.save(changed, *events)

        return await settled(show)


@frozen
class ShowProcessing:
    """What became of each attempt at a video, for those who may edit it."""

    videos: Videos
    channels: Channels
    processings: Processings

    async def __call__(self, actor: Actor, video: VideoId) -> Sequence[Entry]:
        """The states that were entered, oldest first; none before the upload is complete."""
        stored = await self.videos.get(video)
        _require_editor(actor, stored, await self.channels.get(stored.channel))
        processing = (await self.processings.many([video])).get(video)
        return processing.log if processing else ()


def _require_editor(actor: Actor, video: Video, channel: Channel) -> None:
    """Raises NotFound for strangers to a hidden video, Unauthenticated, Forbidden."""
    video.audience(actor, channel)
    channel.require(actor, Task.EDIT)


@frozen
class Progress:
    """How the last attempt at a video goes."""

    video: VideoId
    state: State
    percent: int
    attempt: int
    failure: Failure | None


@frozen
class FollowProcessing:
    """How the processing of some videos goes on, for as long as the client listens."""

    videos: Videos
    channels: Channels
    processings: Processings
    live: Live
    look_s: float = LOOK_S

    async def __call__(self, actor: Actor, videos: Sequence[VideoId]) -> AsyncGenerator[Sequence[Progress], None]:
        """How each goes, at once and whenever that has changed; look by look, of which many find nothing new. Those that
        are not for the actor to edit are passed over. Ends when all others are ready or have failed.

        Raises NotFound, Unauthenticated, Forbidden at once if the actor may edit none of them.
        """
        await self._progress(actor, videos)
        shown: dict[VideoId, Progress] = {}

        async def look() -> tuple[Sequence[Progress], bool]:
            found = await self._progress(actor, videos)
            fresh = [each for each in found if shown.get(each.video) != each]
            shown.update({each.video: each for each in fresh})
            return fresh, all(each.state in TERMINAL for each in found)

        return followed(look, self.live, self.look_s)

    async def _progress(self, actor: Actor, ids: Sequence[VideoId]) -> Sequence[Progress]:
        stored = await self.videos.many(ids)
        channels = await self.channels.many(list({video.channel for video in stored.values()}))
        processings = await self.processings.many(list(stored))
        found: list[Progress] = []
        refused: DomainError | None = None
        for id_ in dict.fromkeys(ids):
            video = stored.get(id_)
            channel = channels.get(video.channel) if video else None
            if video is None or channel is None:
                continue
            try:
                _require_editor(actor, video, channel)
            except (NotFound, Unauthenticated, Forbidden) as error:
                refused = refused or error
                continue
            percent = video.percent(processings.get(id_))
            found.append(Progress(id_, video.state, percent, video.attempt, video.failure))
        if not found:
            raise refused or NotFound("there is no such video")
        return found


@frozen
class SweepProcessing:
    """Repair what was lost: start what nobody started, ask after what fell silent, give up what hangs."""

    processings: Processings
    transcoder: Transcoder
    start: StartTranscode
    apply: ApplyReport
    now: Now

    async def __call__(self) -> int:
        """How many needed something. Raises what went wrong first, when all were seen to."""
        now = self.now()
        silent = [*await self.processings.unfinished(now - LEASE), *await self.processings.ahead(now + SKEW)]
        stalled = [each for each in silent if each.stalled(now)]
        wrong: list[Exception] = []
        for processing in stalled:
            try:
                if processing.job is None:
                    await self.start(processing.video, processing.attempt)
                else:
                    await self._ask(processing, processing.job, now)
            except (Stale, Unavailable):  # someone else is at it, or the transcoder is full: the next sweep looks again
                continue
            except Exception as error:  # noqa: BLE001  (one that no transcoder takes keeps no other waiting)
                wrong.append(error)
        if wrong:
            raise wrong[0]
        return len(stalled)

    async def _ask(self, processing: Processing, job: JobId, now: datetime) -> None:
        report = await self.transcoder.status(job)
        if report is not None and processing.apply(report, now) is not processing:
            await self.apply(report)
        elif report is not None and (report.state is State.PENDING or processing.ahead(now)):
            await self.processings.save(processing.seen(now))
        elif (verdict := processing.given_up(now, lost=report is None)) is not None:
            await self.transcoder.cancel(job)
            await self.apply(verdict)
