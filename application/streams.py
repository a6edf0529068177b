"""Livestreams: making them, handing out their keys, and cutting them off; watching them, and announcing the next."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from attrs import frozen

from application.broadcasts import CutOff, KeepRecording, told
from application.ports import (
    Broadcasts,
    Channels,
    Chat,
    ChatLog,
    Ingest,
    Link,
    MediaStore,
    NewId,
    Now,
    Page,
    Pretence,
    Simulator,
    Streams,
)  # fmt: skip
from application.retry import NotYet, expect, settled
from domain.access import Actor
from domain.broadcasts import ASK_AGAIN, LATE_MOST, EndReason, RecordingEnded, Session, Timeline
from domain.channels import Channel, Task
from domain.errors import Conflict, Invalid, NotFound
from domain.ids import STREAM, ChannelId, StreamId, StreamSessionId
from domain.streams import METADATA_MOST, IngestPoint, Latency, Stream, StreamEdited, StreamRemoved
from domain.videos import Audience, Visibility

STREAMS_MOST = 100
"""Of one channel."""
GRANT_LIFE = timedelta(minutes=10)
"""The longest that IVS allows of a link that can be revoked. It is looked at when playing begins."""


@frozen(kw_only=True)
class StreamCard:
    """A stream as someone sees it."""

    stream: Stream
    channel: Channel
    avatar_url: str | None
    viewers: int
    audience: Audience


@frozen
class StreamCards:
    """Puts together what is shown of streams, a list at a time."""

    channels: Channels
    broadcasts: Broadcasts
    media: MediaStore

    async def of(self, actor: Actor, streams: Sequence[Stream]) -> Sequence[StreamCard]:
        """Those the actor may see, in the order given."""
        channels = await self.channels.many(list({stream.channel for stream in streams}))
        timelines = await self.broadcasts.timelines([stream.id for stream in streams if stream.session])
        cards = []
        for stream in streams:
            channel = channels.get(stream.channel)
            audience = _audience(stream, actor, channel)
            if channel is None or audience is None:
                continue
            cards.append(
                StreamCard(
                    stream=stream,
                    channel=channel,
                    avatar_url=self.media.open_url(channel.avatar) if channel.avatar else None,
                    viewers=_viewers(timelines.get(stream.id)),
                    audience=audience,
                )
            )
        return cards

    async def one(self, actor: Actor, stream: Stream) -> StreamCard:
        """Raises NotFound for whom it is hidden from."""
        cards = await self.of(actor, [stream])
        if not cards:
            raise NotFound("there is no such stream")
        return cards[0]


def _audience(stream: Stream, actor: Actor, channel: Channel | None) -> Audience | None:
    try:
        return stream.audience(actor, channel) if channel else None
    except NotFound:
        return None


def _viewers(timeline: Timeline | None) -> int:
    current: Session | None = timeline.current if timeline else None
    return current.viewers if current else 0


@frozen
class CreateStream:
    streams: Streams
    channels: Channels
    cards: StreamCards
    now: Now
    new_id: NewId

    async def __call__(
        self, actor: Actor, channel: ChannelId, *, title: str, description: str = "",
        visibility: Visibility = Visibility.PUBLIC, record: bool = True, latency: Latency = Latency.LOW,
        reconnect_window_s: int = 60,
    ) -> StreamCard:  # fmt: skip
        """Raises Conflict (``too_many_streams``)."""
        (await self.channels.get(channel)).require(actor, Task.EDIT)
        if len((await self.streams.of_channel(channel, limit=STREAMS_MOST)).items) >= STREAMS_MOST:
            raise Conflict(f"a channel has at most {STREAMS_MOST} streams", code="too_many_streams")
        stream = Stream(
            id=StreamId(self.new_id(STREAM)), channel=channel, title=title, description=description,
            visibility=visibility, record=record, latency=latency, reconnect_window_s=reconnect_window_s,
            created_at=self.now(),
        )  # fmt: skip
        return await self.cards.one(actor, await self.streams.save(stream))


@frozen
class ShowStream:
    streams: Streams
    cards: StreamCards

    async def __call__(self, actor: Actor, stream: StreamId) -> StreamCard:
        """Raises NotFound, also for whom it is hidden from."""
        return await self.cards.one(actor, await self.streams.get(stream))


@frozen
class ListStreams:
    streams: Streams
    channels: Channels
    cards: StreamCards

    async def __call__(self, actor: Actor, *, cursor: str | None = None, limit: int = 20) -> Page[StreamCard]:
        """What is live for everyone, newest first."""
        page = await self.streams.live(cursor=cursor, limit=limit)
        return Page(await self.cards.of(actor, page.items), page.next)

    async def of_channel(
        self, actor: Actor, channel: ChannelId, *, cursor: str | None = None, limit: int = 20
    ) -> Page[StreamCard]:
        """A channel's, newest created first: all of them for its members, for others the public ones."""
        stored = await self.channels.get(channel)
        page = await self.streams.of_channel(channel, cursor=cursor, limit=limit)
        inside = stored.role(actor.user) is not None or actor.moderates
        shown = [each for each in page.items if inside or each.admits(Audience.ANYONE)]
        return Page(await self.cards.of(actor, shown), page.next)


@frozen
class Backstage:
    """A stream, for those of its channel who may do something with it."""

    streams: Streams
    channels: Channels

    async def __call__(self, actor: Actor, stream: StreamId, task: Task = Task.EDIT) -> Stream:
        """Raises NotFound for whom it is hidden from, Unauthenticated or Forbidden for who may not."""
        stored = await self.streams.get(stream)
        channel = await self.channels.get(stored.channel)
        stored.audience(actor, channel)
        channel.require(actor, task)
        return stored

    async def change(
        self, actor: Actor, stream: StreamId, change: Callable[[Stream], Stream], now: Now, version: int | None = None,
        *, task: Task = Task.EDIT,
    ) -> Stream:  # fmt: skip
        """With the change saved. Raises VersionMismatch, and what the change does."""

        async def step() -> Stream:
            stored = await self(actor, stream, task)
            expect("the stream", stored.version, version)
            changed = change(stored)
            return stored if changed == stored else await self.streams.save(changed, StreamEdited(stream, now()))

        return await settled(step)


@frozen
class EditStream:
    backstage: Backstage
    cards: StreamCards
    now: Now

    async def __call__(
        self, actor: Actor, stream: StreamId, *, title: str | None = None, description: str | None = None,
        visibility: Visibility | None = None, record: bool | None = None, latency: Latency | None = None,
        reconnect_window_s: int | None = None, version: int | None = None,
    ) -> StreamCard:  # fmt: skip
        """Raises VersionMismatch, Conflict (``stream_live``)."""

        def change(stored: Stream) -> Stream:
            return stored.edit(
                title=title, description=description, visibility=visibility, record=record, latency=latency,
                reconnect_window_s=reconnect_window_s,
            )  # fmt: skip

        return await self.cards.one(actor, await self.backstage.change(actor, stream, change, self.now, version))


@frozen
class SettleIngest:
    """After a stream was changed: its ingest is as the stream says."""

    streams: Streams
    ingest: Ingest

    async def __call__(self, event: StreamEdited) -> None:
        stored = (await self.streams.many([event.stream])).get(event.stream)
        if stored is not None and stored.ingest:
            await self.ingest.configure(stored)


@frozen
class RemoveStream:
    streams: Streams
    backstage: Backstage
    now: Now

    async def __call__(self, actor: Actor, stream: StreamId, version: int | None = None) -> None:
        """What is being broadcast is cut off soon after. Its recordings stay."""

        async def step() -> None:
            stored = await self.backstage(actor, stream)
            expect("the stream", stored.version, version)
            await self.streams.remove(stored, StreamRemoved(stream, stored.channel, stored.ingest, self.now(), stored))

        await settled(step)


@frozen
class ClearStream:
    """After a stream was removed: nothing is taken for it any more, what it recorded last is kept, and what was heard of
    it goes.
    """

    ingest: Ingest
    broadcasts: Broadcasts
    chat: Chat
    log: ChatLog
    keep: KeepRecording
    now: Now

    async def __call__(self, event: StreamRemoved) -> None:
        """Raises NotYet while a recording is not whole."""
        if event.ingest:
            await self.ingest.close(event.stream, event.ingest)
        await self.chat.close(event.stream)
        timeline = (await self.broadcasts.timelines([event.stream])).get(event.stream)
        if timeline is not None:
            await self._keep(event, timeline)
        while await self.broadcasts.forget(event.stream):
            pass
        while await self.log.forget(event.stream):
            pass

    async def _keep(self, event: StreamRemoved, timeline: Timeline) -> None:
        now, heard = self.now(), timeline
        for recording in timeline.recording:
            signal = await self.ingest.recorded(event.ingest, recording.id, recording.source)
            if signal is not None:
                heard = heard.hear(
                    told(signal, event.stream, now), window_s=0, name=StreamSessionId(""), video=recording.video
                )  # fmt: skip
        for each in timeline.looked_at(heard, now).events:
            if isinstance(each, RecordingEnded):
                await self.keep(each, event.last)
        if heard.recording and now < event.at + LATE_MOST:
            raise NotYet(now + ASK_AGAIN)


@frozen
class ShowIngest:
    """Where an encoder sends to, for those who may broadcast. The ingest gets ready when it is first asked for."""

    streams: Streams
    backstage: Backstage
    ingest: Ingest

    async def __call__(self, actor: Actor, stream: StreamId) -> IngestPoint:
        """Raises Conflict (``stream_disabled``), Unavailable while too many are made at once."""
        return await self.ingest.point(await self.opened(actor, stream))

    async def opened(self, actor: Actor, stream: StreamId) -> Stream:
        """The stream, known to its ingest."""
        stored = await self.backstage(actor, stream)
        if not stored.enabled:
            raise Conflict("this stream is disabled; enable it first", code="stream_disabled")
        if stored.ingest:
            return stored
        name = await self.ingest.open(stored)

        async def step() -> Stream:
            known = await self.backstage(actor, stream)
            return known if known.ingest else await self.streams.save(known.opened(name))

        return await settled(step)


@frozen
class ReflectBroadcast:
    """Show on the stream which session is under way."""

    streams: Streams
    broadcasts: Broadcasts

    async def __call__(self, stream: StreamId) -> None:
        async def step() -> None:
            stored = (await self.streams.many([stream])).get(stream)
            timeline = (await self.broadcasts.timelines([stream])).get(stream)
            if stored is None or timeline is None:
                return
            current = timeline.current
            changed = stored.reflect(current.id if current else None, current.started_at if current else None)
            if changed != stored:
                await self.streams.save(changed)

        await settled(step)


@frozen
class RotateKey:
    """Another key, at once; what is broadcast with the old one is cut off."""

    show: ShowIngest
    ingest: Ingest
    cut_off: CutOff

    async def __call__(self, actor: Actor, stream: StreamId) -> IngestPoint:
        """Raises Conflict (``stream_disabled``)."""
        stored = await self.show.opened(actor, stream)
        last = await self.cut_off.under_way(stream)
        point = await self.ingest.rotate(stored)
        await self.cut_off.note(stored, last, EndReason.KEY_ROTATED)
        return point


@frozen
class EnableStream:
    """Take broadcasts, or take none: a disabled stream has no key, and what was broadcast is cut off."""

    backstage: Backstage
    cards: StreamCards
    streams: Streams
    ingest: Ingest
    cut_off: CutOff
    reflect: ReflectBroadcast
    now: Now

    async def __call__(self, actor: Actor, stream: StreamId, *, enabled: bool) -> StreamCard:
        last = await self.cut_off.under_way(stream)
        changed = await self.backstage.change(actor, stream, lambda stored: stored.enable(enabled), self.now)
        if changed.ingest:
            await self.ingest.configure(changed)
        if not enabled and changed.ingest:
            await self.ingest.stop(changed)
            await self.cut_off.note(changed, last, EndReason.DISABLED)
            await self.reflect(stream)
        return await self.cards.one(actor, await self.streams.get(stream))


@frozen
class StopStream:
    """End the broadcast now, without waiting for its encoder to come back."""

    streams: Streams
    backstage: Backstage
    cards: StreamCards
    cut_off: CutOff
    reflect: ReflectBroadcast

    async def __call__(self, actor: Actor, stream: StreamId) -> StreamCard:
        """By those who may edit, or moderate here. Raises Conflict (``not_live``)."""
        stored = await self.backstage(actor, stream, Task.MODERATE)
        if not await self.cut_off(stored, EndReason.STOPPED):
            raise Conflict("nothing is being broadcast", code="not_live")
        await self.reflect(stream)
        return await self.cards.one(actor, await self.streams.get(stream))


@frozen
class Annotate:
    """Timed metadata for the players: a poll, a product, a score."""

    backstage: Backstage
    ingest: Ingest

    async def __call__(self, actor: Actor, stream: StreamId, text: str) -> None:
        """Raises Invalid for none or more than 1 KiB, Conflict (``not_live``)."""
        if not 1 <= len(text.encode()) <= METADATA_MOST:
            raise Invalid(f"metadata has 1 to {METADATA_MOST} bytes", code="metadata_too_large", field="text")
        stored = await self.backstage(actor, stream)
        if stored.session is None:
            raise Conflict("nothing is being broadcast", code="not_live")
        await self.ingest.annotate(stored, text)


@frozen
class Simulate:
    """Pretend that an encoder does something, for those who could have one do it."""

    show: ShowIngest
    simulator: Simulator

    async def __call__(self, actor: Actor, stream: StreamId, step: Pretence) -> None:
        """Raises Conflict (``stream_disabled``, ``not_live``, ``stream_live``, ``nothing_said``)."""
        await self.simulator.simulate(await self.show.opened(actor, stream), step)


@frozen
class LivePlayback:
    """Leave to watch: the link to the manifest, and until when playing may begin."""

    link: Link
    expires_at: datetime


@frozen
class WatchStream:
    streams: Streams
    channels: Channels
    ingest: Ingest
    now: Now

    async def __call__(self, actor: Actor, stream: StreamId) -> LivePlayback:
        """Raises NotFound for whom it is hidden from, Conflict (``not_live``)."""
        stored = await self.streams.get(stream)
        audience = stored.audience(actor, await self.channels.get(stored.channel))
        if stored.session is None:
            raise Conflict("nothing is being broadcast", code="not_live")
        until = self.now() + GRANT_LIFE
        return LivePlayback(await self.ingest.playback(stored, audience, actor.user, until), until)


@frozen
class ScheduleStream:
    """Announce when the next broadcast begins, or take it back (None)."""

    backstage: Backstage
    cards: StreamCards
    now: Now

    async def __call__(
        self, actor: Actor, stream: StreamId, starts_at: datetime | None, version: int | None = None
    ) -> StreamCard:
        """Raises Invalid (``starts_at_range``), VersionMismatch."""

        def change(stored: Stream) -> Stream:
            return stored.schedule(starts_at, self.now())

        return await self.cards.one(actor, await self.backstage.change(actor, stream, change, self.now, version))


@frozen
class RemindDue:
    """Tell subscribers of broadcasts that are near."""

    streams: Streams
    now: Now

    async def __call__(self) -> int:
        """How many streams."""
        now = self.now()
        due = await self.streams.near(now)
        for stream in due:

            async def step(id_: StreamId = stream.id) -> None:
                stored = (await self.streams.many([id_])).get(id_)
                if stored is None:
                    return
                changed, events = stored.remind(now)
                if changed != stored:
                    await self.streams.save(changed, *events)

            await settled(step)
        return len(due)
