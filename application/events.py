"""What follows from what happened: each kind of event, and the use cases it sets off."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

from attrs import frozen

from application.broadcasts import KeepRecording
from application.channels import ClearChannel
from application.discovery import IndexChannel, IndexVideo
from application.engagement import ClearEngagement
from application.identity import ClearAccount
from application.notifications import Tell, TellSubscribers
from application.ports import Envelope, Event, Now, Outbox
from application.processing import (
    ClearOldMedia,
    ClearOldSources,
    ReflectProcessing,
    RequestProcessing,
    StartTranscode,
    StopProcessing,
)  # fmt: skip
from application.retry import NotYet
from application.streams import ClearStream, ReflectBroadcast, SettleIngest
from application.uploads import ClearUpload
from domain.broadcasts import BroadcastMoved, RecordingEnded, WentLive
from domain.channels import ChannelClosed, ChannelEdited, ChannelOpened
from domain.engagement import CommentHeld, CommentPosted, Subscribed
from domain.errors import Unavailable
from domain.identity import AccountClosed, SignedUp
from domain.ids import EventId
from domain.media import FilesSuperseded
from domain.notifications import FanOut
from domain.processing import ProcessingMoved, TranscodeRequested
from domain.streams import StreamEdited, StreamNear, StreamRemoved
from domain.uploads import UploadAbandoned, UploadCompleted
from domain.videos import ListingChanged, MediaSuperseded, VideoFailed, VideoPublished, VideoReady, VideoRemoved

TRIES = 10
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=10)


@frozen
class Consumers:
    """The use cases that events set off. All are idempotent: an event may come twice, late or out of order."""

    clear_account: ClearAccount
    clear_channel: ClearChannel
    clear_upload: ClearUpload
    clear_engagement: ClearEngagement
    clear_old_sources: ClearOldSources
    clear_old_media: ClearOldMedia
    request_processing: RequestProcessing
    start_transcode: StartTranscode
    reflect_processing: ReflectProcessing
    stop_processing: StopProcessing
    settle_ingest: SettleIngest
    clear_stream: ClearStream
    reflect_broadcast: ReflectBroadcast
    keep_recording: KeepRecording
    index_video: IndexVideo
    index_channel: IndexChannel
    tell: Tell
    tell_subscribers: TellSubscribers

    @cached_property
    def routes(self) -> Mapping[type[Event], Sequence[Callable[[Any, Any], Awaitable[None]]]]:
        """Every kind of event, and what is called with an event's id and the event."""
        return {
            SignedUp: (),
            AccountClosed: (lambda _, event: self.clear_account(event),),
            ChannelOpened: (lambda _, event: self.index_channel(event.channel),),
            ChannelEdited: (lambda _, event: self.index_channel(event.channel),),
            ChannelClosed: (lambda _, event: self.clear_channel(event),),
            UploadCompleted: (lambda _, event: self.request_processing(event),),
            UploadAbandoned: (lambda _, event: self.clear_upload(event),),
            TranscodeRequested: (lambda _, event: self.start_transcode(event.video, event.attempt),),
            ProcessingMoved: (lambda _, event: self.reflect_processing(event),),
            VideoPublished: (self.tell.published,),
            ListingChanged: (lambda _, event: self.index_video(event.video),),
            VideoReady: (
                self.tell.processed,
                lambda _, event: self.clear_old_sources(event),
                lambda _, event: self.clear_old_media.before(event),  # may ask to come again, so it comes last
            ),
            VideoFailed: (self.tell.processed,),
            MediaSuperseded: (lambda _, event: self.clear_old_media(event),),
            FilesSuperseded: (lambda _, event: self.clear_old_media.files(event),),
            VideoRemoved: (
                lambda _, event: self.index_video(event.video),
                lambda _, event: self.stop_processing(event.video),
                lambda _, event: self.clear_engagement(event.video),
            ),
            StreamEdited: (lambda _, event: self.settle_ingest(event),),
            StreamNear: (self.tell.near,),
            StreamRemoved: (lambda _, event: self.clear_stream(event),),
            BroadcastMoved: (lambda _, event: self.reflect_broadcast(event.stream),),
            WentLive: (self.tell.went_live,),
            RecordingEnded: (lambda _, event: self.keep_recording(event),),
            CommentPosted: (self.tell.comment,),
            CommentHeld: (),
            Subscribed: (self.tell.subscriber,),
            FanOut: (lambda _, event: self.tell_subscribers(event),),
        }


@frozen
class Delivered:
    """What became of one delivery: ``error`` is None if every consumer dealt with it; ``dead`` if it is given up."""

    envelope: Envelope
    error: Exception | None = None
    dead: bool = False


@frozen
class DeliverEvents:
    """Hand waiting events to their consumers; what fails comes again, ever later, and at last is put aside."""

    outbox: Outbox
    consumers: Consumers
    now: Now

    async def __call__(self, limit: int = 10, *, only: Sequence[EventId] | None = None) -> Sequence[Delivered]:
        """What was delivered; nothing when nothing waits. ``only``: of these, which someone has just heard of."""
        # At once, so that what they store can go to the disk together.
        claimed = await self.outbox.claim(self.now(), limit, only=only)
        ended = await asyncio.gather(*map(self._deliver, claimed), return_exceptions=True)
        for each in ended:
            if isinstance(each, BaseException):
                raise each
        return [each for each in ended if isinstance(each, Delivered)]

    async def _deliver(self, envelope: Envelope) -> Delivered:
        try:
            for consume in self.consumers.routes[type(envelope.event)]:
                await consume(envelope.id, envelope.event)
        except NotYet as early:
            await self.outbox.failed(envelope.id, str(early), early.until)
            return Delivered(envelope)
        except Exception as error:  # noqa: BLE001  (whatever a consumer runs into, the others go on)
            # A store or transcoder that is away for hours is no fault of the event's.
            dead = envelope.attempts >= TRIES and not isinstance(error, Unavailable)
            again = None if dead else self.now() + min(FIRST_PAUSE * 2 ** min(envelope.attempts - 1, 10), LONGEST_PAUSE)
            await self.outbox.failed(envelope.id, f"{type(error).__name__}: {error}", again)
            return Delivered(envelope, error, dead)
        await self.outbox.done(envelope.id)
        return Delivered(envelope)
