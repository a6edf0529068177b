"""What happens in broadcasts: believing an ingest, asking it after what it did not say, and keeping recordings."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta

from attrs import evolve, frozen

from application.following import LOOK_S, followed
from application.ports import (
    Broadcasts,
    Channels,
    Ingest,
    Live,
    NewId,
    Now,
    Page,
    Sighting,
    Signal,
    Streams,
    Videos,
)  # fmt: skip
from application.retry import settled
from domain.access import Actor
from domain.broadcasts import (
    LATE_MOST,
    UNLOGGED,
    Detail,
    EndReason,
    Happening,
    Health,
    RecordingEnded,
    RecordingStatus,
    Session,
    SessionEvent,
    Timeline,
    measured,
)  # fmt: skip
from domain.channels import Task
from domain.errors import NotFound, Stale, Unavailable
from domain.ids import EVENT, STREAM_SESSION, VIDEO, BroadcastId, StreamId, StreamSessionId, UploadId, VideoId
from domain.processing import State
from domain.streams import LIFE_LONGEST, Stream
from domain.uploads import UploadCompleted
from domain.videos import Video, Visibility

LATER = timedelta(minutes=10)
"""After that still comes what became of its recording."""
SLACK = timedelta(minutes=1)
"""Before the start and after the end of a session, what happened is told with it."""
LATE = timedelta(minutes=2)
"""By how much an event may come late and still be told to who follows its session."""


@frozen
class Hear:
    """Believe what is said of a stream, and look what it comes to now."""

    broadcasts: Broadcasts
    now: Now
    new_id: NewId

    async def __call__(self, stream: Stream, *events: SessionEvent) -> Timeline:
        """Hearing something again changes nothing; hearing nothing lets time pass."""
        await self.broadcasts.log([event for event in events if event.kind not in UNLOGGED])

        async def step() -> Timeline:
            now = self.now()
            try:
                stored = await self.broadcasts.timeline(stream.id)
            except NotFound:
                stored = Timeline(stream=stream.id, channel=stream.channel, as_of=now)
            heard = stored
            for event in events:
                heard = heard.hear(
                    event,
                    window_s=stream.reconnect_window_s,
                    name=StreamSessionId(self.new_id(STREAM_SESSION)),
                    video=VideoId(self.new_id(VIDEO)),
                )
            look = stored.looked_at(heard, now)
            same = evolve(look.timeline, as_of=stored.as_of) == stored
            if same and not look.sessions and not look.events and stored.look_at == look.timeline.look_at:
                return stored
            return await self.broadcasts.save(look.timeline, look.sessions, *look.events)

        return await settled(step)


@frozen
class TakeSignal:
    """What an ingest says, heard of the stream that it means."""

    streams: Streams
    hear: Hear
    now: Now

    async def __call__(self, signal: Signal) -> None:
        """Raises NotFound for a stream that is not known: it may be, later."""
        stream = await self.streams.by_ingest(signal.ingest)
        await self.hear(stream, told(signal, stream.id, self.now()))


def told(signal: Signal, stream: StreamId, now: datetime) -> SessionEvent:
    """A signal as an event of the stream that it means."""
    return SessionEvent(
        id=signal.id, stream=stream, broadcast=signal.broadcast, kind=signal.kind, at=signal.at, received_at=now,
        detail=signal.detail,
    )  # fmt: skip


@frozen
class CutOff:
    """End what is broadcast, for good."""

    broadcasts: Broadcasts
    ingest: Ingest
    hear: Hear
    now: Now
    new_id: NewId

    async def __call__(self, stream: Stream, reason: EndReason) -> bool:
        """True if a session was under way, be it that it waited for its encoder."""
        last = await self.under_way(stream.id)
        cut = await self.ingest.stop(stream) if stream.ingest else False
        return await self.note(stream, last, reason) or cut

    async def under_way(self, stream: StreamId) -> BroadcastId | None:
        """The last broadcast of the session that goes on, if one does. To be asked before anything is cut off: what the
        ingest says of the end may be heard before we say why it was.
        """
        timeline = (await self.broadcasts.timelines([stream])).get(stream)
        return timeline.last.id if timeline and timeline.last and timeline.current else None

    async def note(self, stream: Stream, last: BroadcastId | None, reason: EndReason) -> bool:
        """Say why the ingest cut off what was under way; False if nothing was."""
        if last is None:
            return False
        now = self.now()
        event = SessionEvent(
            id=self.new_id(EVENT), stream=stream.id, broadcast=last, kind=Happening.STOPPED, at=now,
            received_at=now, detail={"reason": reason.value},
        )  # fmt: skip
        await self.hear(stream, event)
        return True


@frozen
class SweepBroadcasts:
    """Ask the ingest who is live: what it has and nobody heard of has begun, what it has not, twice, is over.

    Lets time pass, too: encoders that did not come back, broadcasts that go on for too long, recordings whose end
    nobody told of.
    """

    streams: Streams
    broadcasts: Broadcasts
    ingest: Ingest
    hear: Hear
    cut_off: CutOff
    now: Now
    new_id: NewId

    async def __call__(self) -> int:
        """How many were due to be looked at. What fails for one keeps no other from it, and is raised after them.

        Raises Unavailable when the ingest does not say who is live: nothing is concluded.
        """
        sightings = await self.ingest.live()
        seen = frozenset(each.broadcast for each in sightings)
        failed: list[Exception] = []
        for sighting in sightings:
            try:
                await self._seen(await self.streams.by_ingest(sighting.ingest), sighting)
            except NotFound:  # made by someone else, or removed: closing it is under way
                continue
            except (Stale, Unavailable):  # the next sweep looks again
                continue
            except Exception as error:  # noqa: BLE001  (it would keep them from it in every sweep)
                failed.append(error)
        due = await self.broadcasts.due(self.now())
        known = await self.streams.many([each.stream for each in due])
        for timeline in due:
            try:
                await self._due(known.get(timeline.stream), timeline, seen)
            except (Stale, Unavailable):
                continue
            except Exception as error:  # noqa: BLE001  (the same: those that wait the longest come first)
                failed.append(error)
        if failed:
            raise ExceptionGroup("some broadcasts could not be looked at", failed)
        return len(due)

    async def _seen(self, stream: Stream, sighting: Sighting) -> None:
        now = self.now()
        detail: dict[str, str | int] = {"started_at": sighting.started_at.isoformat()}
        if sighting.viewers is not None:
            detail["viewers"] = sighting.viewers
        events = [self._noted(stream, sighting.broadcast, Happening.SEEN, detail)]
        if sighting.measured:
            events.append(self._noted(stream, sighting.broadcast, Happening.HEALTH, sighting.measured))
        timeline = await self.hear(stream, *events)
        current = timeline.current
        if not stream.enabled:
            await self.cut_off(stream, EndReason.DISABLED)
        elif current is not None and current.started_at + LIFE_LONGEST < now:
            await self.cut_off(stream, EndReason.TOO_LONG)

    async def _due(self, stream: Stream | None, timeline: Timeline, seen: frozenset[BroadcastId]) -> None:
        if stream is None:  # removed; what was heard while that went on is left over
            while timeline.as_of + 2 * LATE_MOST < self.now() and await self.broadcasts.forget(timeline.stream):
                pass
            return
        events = []
        last = timeline.last
        if last is not None and last.live and last.id not in seen:
            events.append(self._noted(stream, last.id, Happening.MISSED, {}))
        for recording in timeline.unsettled:
            signal = await self.ingest.recorded(stream.ingest, recording.id, recording.source)
            if signal is not None:
                events.append(told(signal, stream.id, self.now()))
            else:
                events.append(self._noted(stream, None, Happening.MISSED, {"recording": recording.id}))
        await self.hear(stream, *events)

    def _noted(
        self, stream: Stream, broadcast: BroadcastId | None, kind: Happening, detail: Detail
    ) -> SessionEvent:  # fmt: skip
        now = self.now()
        return SessionEvent(
            id=self.new_id(EVENT), stream=stream.id, broadcast=broadcast, kind=kind, at=now, received_at=now,
            detail=detail,
        )  # fmt: skip


@frozen
class KeepRecording:
    """A recording becomes a video of the channel, which is processed and listed as any other."""

    streams: Streams
    channels: Channels
    videos: Videos
    ingest: Ingest
    now: Now

    async def __call__(self, event: RecordingEnded, last: Stream | None = None) -> None:
        """Doing it again changes nothing. The recording of a channel that closed goes. ``last`` is the stream as it was,
        should it be gone.
        """
        if await self.videos.many([event.video]):
            return
        channel = (await self.channels.many([event.channel])).get(event.channel)
        if channel is None:
            await self.ingest.discard(event.source)
            return
        stream = (await self.streams.many([event.stream])).get(event.stream, last)
        video = Video(
            id=event.video, channel=event.channel, uploader=channel.owner,
            title=stream.title if stream else f"Live on {channel.name}"[:100],
            description=stream.description if stream else "",
            visibility=stream.visibility if stream else Visibility.PRIVATE,
            stream=event.stream,
            stream_session=event.session,
            created_at=event.started_at,
        )  # fmt: skip
        upload = UploadId("upl_" + event.video.removeprefix("vid_"))
        try:
            await self.videos.save(video, UploadCompleted(upload, video.id, event.source, self.now()))
        except Stale:  # another delivery was quicker
            return


@frozen
class SessionCard:
    """A session as its channel's members see it; ``recording`` and ``video`` as they stand now."""

    session: Session
    recording: RecordingStatus
    video: VideoId | None


@frozen
class SessionCards:
    videos: Videos

    async def of(self, sessions: Sequence[Session]) -> Sequence[SessionCard]:
        videos = await self.videos.many([each.video for each in sessions if each.video])
        return [
            SessionCard(each, *_recording(each, videos.get(each.video) if each.video else None)) for each in sessions
        ]


_STATES = {State.READY: RecordingStatus.READY, State.FAILED: RecordingStatus.FAILED}


def _recording(session: Session, video: Video | None) -> tuple[RecordingStatus, VideoId | None]:
    if session.recording is not RecordingStatus.READY:
        return session.recording, None
    if video is None:  # not made yet, or removed since
        return RecordingStatus.PROCESSING if session.video is None else RecordingStatus.NONE, None
    return _STATES.get(video.state, RecordingStatus.PROCESSING), video.id


@frozen
class ShowSessions:
    """A stream's sessions, and what happened in each, for the members of its channel."""

    streams: Streams
    channels: Channels
    broadcasts: Broadcasts
    cards: SessionCards

    async def __call__(self, actor: Actor, session: StreamSessionId) -> SessionCard:
        """Raises NotFound, Unauthenticated, Forbidden."""
        return (await self.cards.of([await self._session(actor, session)]))[0]

    async def of_stream(
        self, actor: Actor, stream: StreamId, *, cursor: str | None = None, limit: int = 20
    ) -> Page[SessionCard]:
        """Newest first."""
        await self._require(actor, stream)
        page = await self.broadcasts.sessions(stream, cursor=cursor, limit=limit)
        return Page(await self.cards.of(page.items), page.next)

    async def events(
        self, actor: Actor, session: StreamSessionId, *, after: datetime | None = None, cursor: str | None = None,
        limit: int = 20,
    ) -> Page[SessionEvent]:  # fmt: skip
        """What happened, oldest first, in the words of who said it; since ``after`` if that is given. A page has less
        where another session is near.
        """
        stored = await self._session(actor, session)
        since, until = self.span(stored)
        since, until = max(after or since, since), until + LATER
        page = await self.broadcasts.events(stored.stream, since, until, cursor=cursor, limit=limit)
        own = {None, *stored.broadcasts}
        return Page([each for each in page.items if each.broadcast in own], page.next)

    @staticmethod
    def span(session: Session) -> tuple[datetime, datetime]:
        """From when to when things are told with a session. Without the present in it, so that a walk over the pages of
        one that goes on can be continued.
        """
        until = session.ended_at or session.started_at + LIFE_LONGEST
        return session.started_at - SLACK, until + SLACK

    async def metrics(
        self, actor: Actor, session: StreamSessionId, *, cursor: str | None = None, limit: int = 20
    ) -> Page[Health]:
        """What was measured, oldest first; a page has less where other things happened, too."""
        page = await self.events(actor, session, cursor=cursor, limit=limit)
        return Page([found for each in page.items if (found := measured(each)) is not None], page.next)

    async def _session(self, actor: Actor, session: StreamSessionId) -> Session:
        stored = await self.broadcasts.session(session)
        await self._require(actor, stored.stream)
        return stored

    async def _require(self, actor: Actor, stream: StreamId) -> None:
        stored = await self.streams.get(stream)
        channel = await self.channels.get(stored.channel)
        stored.audience(actor, channel)
        channel.require(actor, Task.MODERATE)


@frozen
class FollowSession:
    """A session as it goes on, for as long as the client listens."""

    show: ShowSessions
    live: Live
    look_s: float = LOOK_S

    async def __call__(
        self, actor: Actor, session: StreamSessionId
    ) -> AsyncGenerator[Sequence[SessionEvent | SessionCard], None]:
        """All that happened so far and then what happens, each event once; the session whenever it has changed; look by
        look, of which many find nothing new. Ends when the session has, or is not for the actor to see any more.

        Raises NotFound, Unauthenticated, Forbidden at once.
        """
        await self.show(actor, session)
        shown: SessionCard | None = None
        happened: Sequence[SessionEvent] = ()

        async def look() -> tuple[Sequence[SessionEvent | SessionCard], bool]:
            nonlocal shown, happened
            card = await self.show(actor, session)
            # After the session, so that whatever made it over is among them.
            happened, before = await self._happened(actor, session, happened), {each.id for each in happened}
            fresh: list[SessionEvent | SessionCard] = [each for each in happened if each.id not in before]
            if card != shown:
                shown = card
                fresh.append(card)
            return fresh, card.session.over

        return followed(look, self.live, self.look_s)

    async def _happened(
        self, actor: Actor, session: StreamSessionId, before: Sequence[SessionEvent]
    ) -> Sequence[SessionEvent]:
        """All of them, or those since the newest of ``before``, and a while before that: what is late lies there."""
        after = before[-1].at - LATE if before else None
        found: list[SessionEvent] = []
        cursor = None
        while True:
            page = await self.show.events(actor, session, after=after, cursor=cursor, limit=100)
            found.extend(page.items)
            cursor = page.next
            if cursor is None:
                return found
