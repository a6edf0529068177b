"""From what an ingest says, or does not say, to sessions, notifications and videos."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from application.ports import Pretence, Sighting, Signal
from application.streams import ReflectBroadcast
from domain.access import Actor
from domain.broadcasts import (
    FRESH,
    LATE_MOST,
    UNLOGGED,
    EndReason,
    Happening,
    RecordingEnded,
    RecordingStatus,
    SessionStatus,
    Timeline,
)
from domain.engagement import Notify
from domain.errors import Forbidden, Invalid, NotFound, Stale, Unauthenticated, Unavailable
from domain.ids import BroadcastId, RecordingId, StreamId, StreamSessionId
from domain.notifications import Kind
from domain.processing import State
from domain.streams import LIFE_LONGEST
from domain.videos import Visibility
from tests.application.world import World, new_world
from tests.domain.histories import History, histories
from tests.strategies import START

POLL = timedelta(seconds=20)
MINUTE = timedelta(minutes=1)


async def signal(world: World, stream: StreamId, kind: Happening, broadcast: str = "b0", **more: Any) -> None:
    """The ingest says this now, of something that the simulated one knows nothing of."""
    at = more.pop("at", world.clock.now())
    stored = await world.raw.streams().get(stream)
    world.raw.signals().tell(
        Signal(
            id=f"{kind}-{broadcast}-{at}", ingest=stored.ingest, broadcast=BroadcastId(broadcast), kind=kind, at=at,
            detail=more,
        )
    )  # fmt: skip
    await world.settle()


@define
class Polled:
    """An ingest that knows what really happens, whatever was said of it."""

    now: Any
    sightings: dict[str, tuple[datetime, datetime]] = field(factory=dict)
    """When each broadcast began and was over."""
    name: str = ""
    whole: dict[str, Signal] = field(factory=dict)
    down: bool = False
    stopped: list[str] = field(factory=list)
    viewers: int | None = 3

    async def live(self) -> Sequence[Sighting]:
        if self.down:
            raise Unavailable("it does not answer", code="down")
        now = self.now()
        return [
            Sighting(ingest=self.name, broadcast=BroadcastId(id_), started_at=began, viewers=self.viewers)
            for id_, (began, over) in self.sightings.items()
            if began <= now < over
        ]

    async def recorded(self, _: str, recording: RecordingId, __: str) -> Signal | None:
        if self.down:
            raise Unavailable("it does not answer", code="down")
        found = self.whole.get(recording)
        return found if found is not None and found.at <= self.now() else None

    async def stop(self, stream: Any) -> bool:
        self.stopped.append(stream.id)
        for id_, (began, over) in self.sightings.items():
            self.sightings[id_] = (began, min(over, self.now()))
        return True

    async def discard(self, source: str) -> None:
        raise AssertionError(source)


async def polled(world: World, stream: StreamId) -> Polled:
    name = (await world.raw.streams().get(stream)).ingest
    ingest = Polled(world.clock.now, name=name)
    world.core.adapters.ingest()._port = ingest
    return ingest


# --- from any part of what was said --------------------------------------------------------------


@settings(max_examples=25)
@given(st.data(), histories(most=3, lengths=(60, 200), closest=False))
async def test_what_happened_is_found_out_from_any_part_of_what_was_said(data: st.DataObject, history: History) -> None:
    """Events are lost or late; the ingest, asked every 20 s, says who is live. Sessions come out as they were, and over;
    an end that nobody told of is up to 20 s early. Whatever is due is moved on by looking at it.
    """
    said = [each for each in history.events if each.kind not in UNLOGGED]
    late = data.draw(st.lists(st.sampled_from([None, 0, 15, 3000]), min_size=len(said), max_size=len(said)))
    async with new_world() as world:
        card = await world.core.create_stream()(
            world.owner, world.channel, title="x", reconnect_window_s=history.window_s
        )  # fmt: skip
        stream = card.stream.id
        await world.core.show_ingest()(world.owner, stream)
        ingest = await polled(world, stream)
        ingest.sightings = intervals(history)
        signals = {
            each.id: Signal(
                id=each.id, ingest=ingest.name, broadcast=each.broadcast, kind=each.kind, at=each.at,
                detail=each.detail,
            )
            for each in said
        }  # fmt: skip
        ingest.whole = {str(each.detail["recording"]): signals[each.id] for each in said if ended(each)}
        waiting = [
            (each.at + timedelta(seconds=by), signals[each.id])
            for each, by in zip(said, late, strict=True)
            if by is not None
        ]
        while world.clock.now() < START + (history.over_at - START) + timedelta(seconds=3600):
            for told in [each for each in waiting if each[0] <= world.clock.now()]:
                waiting.remove(told)
                await world.core.take_signal()(told[1])
            await swept(world, stream)
            world.clock.advance(POLL)
        found = [each.session for each in await world.sessions(stream)]
        assert [(each.broadcasts, each.started_at) for each in found] == [
            (each.broadcasts, each.started_at) for each in history.sessions
        ]
        for each, true in zip(found, history.sessions, strict=True):
            assert each.over
            assert each.ended_at is not None
            assert true.ended_at - POLL <= each.ended_at <= true.ended_at + timedelta(seconds=1)
            assert each.ended_reason in {true.reason, EndReason.ENDED, EndReason.LOST}
        taken = Counter(type(each).__name__ for each in await world.take_events())
        heard_of = {
            each.detail["recording"] for each, by in zip(said, late, strict=True)
            if by is not None and "recording" in each.detail
        }  # fmt: skip
        assert taken["RecordingEnded"] == len(heard_of)
        for _ in range(4):
            world.clock.advance(LATE_MOST)
            await swept(world, stream)
        left = (await world.raw.broadcasts().timelines([stream])).get(stream)
        assert left is None or (left.look_at, dict(left.broadcasts)) == (None, {})


def ended(event: Any) -> bool:
    return event.kind is Happening.RECORDING_END


def intervals(history: History) -> dict[str, tuple[datetime, datetime]]:
    starts = {each.broadcast: each.at for each in history.events if each.kind in STARTS}
    ends = {each.broadcast: each.at for each in history.events if each.kind in ENDS}
    return {str(id_): (at, ends[id_]) for id_, at in starts.items()}


STARTS = {Happening.STREAM_START, Happening.STREAM_TAKEOVER}
ENDS = {Happening.STREAM_END, Happening.STREAM_FAILURE}


async def swept(world: World, stream: StreamId) -> None:
    async def stored() -> Timeline | None:
        return (await world.raw.broadcasts().timelines([stream])).get(stream)

    before = await stored()
    await world.core.sweep_broadcasts()()
    after = await stored()
    still_due = after is not None and after.look_at is not None and after.look_at <= world.clock.now()
    assert not still_due or after != before, "looked at, and nothing came of it"


# --- one broadcast -------------------------------------------------------------------------------


async def test_a_broadcast_from_its_start_to_its_video(world: World) -> None:
    stream = await world.stream(description="Meow")
    await world.pretend(stream, Pretence.START)
    (live,) = await world.sessions(stream)
    assert (live.session.status, live.recording, live.video) == (
        SessionStatus.LIVE, RecordingStatus.PROCESSING, None,
    )  # fmt: skip
    assert (await world.raw.streams().get(stream)).session == live.session.id
    await world.pretend(stream, Pretence.STARVE)
    (starved,) = await world.sessions(stream)
    assert starved.session.health is not None
    assert starved.session.health.starving
    world.clock.advance(MINUTE)
    await world.pretend(stream, Pretence.END)
    await world.pass_time()
    (over,) = await world.sessions(stream)
    assert (over.session.status, over.session.ended_reason) == (SessionStatus.ENDED, EndReason.ENDED)
    assert (await world.raw.streams().get(stream)).session is None
    assert over.video is not None
    video = await world.raw.videos().get(over.video)
    assert (video.title, video.description, video.visibility, video.state) == (
        "Cats live", "Meow", Visibility.PUBLIC, State.READY,
    )  # fmt: skip
    assert over.recording is RecordingStatus.READY
    assert video.listable
    assert (video.stream, video.stream_session) == (stream, over.session.id)
    await world.core.remove_video()(world.owner, video.id)
    await world.settle()
    (gone,) = await world.sessions(stream)
    assert (gone.recording, gone.video) == (RecordingStatus.NONE, None)
    assert not world.raw.media().recordings


async def test_a_reconnect_is_one_session_and_one_recording(world: World) -> None:
    stream = await world.stream()
    await world.pretend(stream, Pretence.START, Pretence.DROP)
    assert [each.session.status for each in await world.sessions(stream)] == [SessionStatus.RECONNECTING]
    world.clock.advance(timedelta(seconds=30))
    await world.pretend(stream, Pretence.START, Pretence.DUPLICATE, Pretence.END)
    await world.pass_time()
    (session,) = await world.sessions(stream)
    assert len(session.session.broadcasts) == 2
    assert len((await world.raw.videos().of_channel(world.channel)).items) == 1
    await world.pretend(stream, Pretence.REORDER)
    await world.pass_time()
    assert len(await world.sessions(stream)) == 2


@pytest.mark.parametrize("visibility", [Visibility.PUBLIC, Visibility.UNLISTED, Visibility.PRIVATE])
async def test_a_recording_is_shown_to_whom_its_stream_is(world: World, visibility: Visibility) -> None:
    stream = await world.stream(visibility=visibility)
    await world.pretend(stream, Pretence.START, Pretence.END)
    await world.pass_time()
    (video,) = (await world.raw.videos().of_channel(world.channel)).items
    assert (video.visibility, video.state) == (visibility, State.READY)


@pytest.mark.parametrize("fate", ["twice", "raced", "stream removed", "channel closed"])
async def test_what_may_happen_before_a_recording_is_a_video(world: World, fate: str) -> None:
    stream = await world.stream()
    await world.raw.ingest().simulate(await world.raw.streams().get(stream), Pretence.START)
    await world.raw.ingest().simulate(await world.raw.streams().get(stream), Pretence.END)
    while await world.listen():
        pass
    (ended,) = [each for each in await world.take_events() if isinstance(each, RecordingEnded)]
    keep = world.core.keep_recording()
    if fate == "stream removed":
        await world.raw.streams().remove(await world.raw.streams().get(stream))
    elif fate == "channel closed":
        await world.raw.channels().remove(await world.raw.channels().get(world.channel))
    elif fate == "raced":
        await keep(ended)
        videos: Any = world.raw.videos()
        many, videos.many = videos.many, nothing
        await keep(ended)
        videos.many = many
    else:
        await keep(ended)
    await keep(ended)
    kept = (await world.raw.videos().of_channel(world.channel)).items
    if fate == "channel closed":
        assert kept == []
        assert not world.raw.media().recordings
    else:
        (video,) = kept
        shown = ("Live on Cats", Visibility.PRIVATE) if fate == "stream removed" else ("Cats live", Visibility.PUBLIC)
        assert (video.title, video.visibility) == shown


async def nothing(*_: Any) -> dict[str, Any]:
    return {}


# --- sessions and their events -------------------------------------------------------------------


async def test_what_happened_is_shown_in_order(world: World) -> None:
    stream = await world.stream()
    await world.pretend(stream, Pretence.REORDER)
    await signal(world, stream, Happening.HEALTH, "x", bitrate_bps=1000)
    session = (await world.sessions(stream))[0].session
    show = world.core.show_sessions()
    page = await show.events(world.owner, session.id, limit=100)
    assert [each.at for each in page.items] == sorted(each.at for each in page.items)
    assert {Happening.STREAM_START, Happening.STREAM_END, Happening.RECORDING_END} <= {e.kind for e in page.items}
    assert (await show.events(world.owner, session.id, after=world.clock.now() + MINUTE)).items == []
    assert [each.bitrate_bps for each in (await show.metrics(world.owner, session.id, limit=100)).items] == [1000]
    assert (await show(world.moderator, session.id)).session == session
    for by, refusal in ((world.fan, Forbidden), (Actor(), Unauthenticated)):
        for asked in (show(by, session.id), show.events(by, session.id), show.metrics(by, session.id)):
            with pytest.raises(refusal):
                await asked
    with pytest.raises(NotFound):
        await show(world.owner, StreamSessionId("brc_unknown"))


async def test_a_signal_of_an_unknown_stream(world: World) -> None:
    """It may be known later."""
    said = Signal(id="1", ingest="ivs:x", broadcast=None, kind=Happening.REFUSED, at=world.clock.now())
    with pytest.raises(NotFound):
        await world.core.take_signal()(said)


async def test_what_concerns_no_broadcast_is_kept(world: World) -> None:
    stream = await world.stream()
    await signal(world, stream, Happening.REFUSED)
    events = await world.raw.broadcasts().events(stream, START - MINUTE, world.clock.now() + MINUTE)
    assert [each.kind for each in events.items] == [Happening.REFUSED]
    assert await world.sessions(stream) == []
    assert not world.raw.broadcasts()._timelines


async def test_hearing_it_again_saves_nothing(world: World) -> None:
    stream = await world.stream()
    at = world.clock.now()
    await signal(world, stream, Happening.STREAM_START, at=at)
    version = (await world.raw.broadcasts().timeline(stream)).version
    await signal(world, stream, Happening.STREAM_START, at=at)
    assert (await world.raw.broadcasts().timeline(stream)).version == version


# --- who is told ---------------------------------------------------------------------------------


async def fans(world: World) -> None:
    for who, level in ((world.fan, Notify.ALL), (world.stranger, Notify.LIVE), (world.staff, Notify.NONE)):
        await world.core.subscribe()(who, world.channel, level)
    await world.settle()


async def told(world: World) -> list[int]:
    return [(await world.told_of(each))[Kind.WENT_LIVE.value] for each in (world.fan, world.stranger, world.staff)]


async def test_subscribers_are_told_once(world: World) -> None:
    await fans(world)
    stream = await world.stream()
    await world.pretend(stream, Pretence.START, Pretence.DROP, Pretence.START, Pretence.DUPLICATE)
    assert await told(world) == [1, 1, 0]
    await world.pretend(stream, Pretence.END)
    await world.pass_time()
    await world.pretend(stream, Pretence.START)
    assert await told(world) == [2, 2, 0]
    notification = next(each for each in await world.inbox(world.fan) if each.kind is Kind.WENT_LIVE)
    assert (notification.subject.type, notification.subject.id) == ("stream", stream)
    assert notification.text == "Cats went live: “Cats live”"


@pytest.mark.parametrize("change", ["hidden", "stopped", "disabled", "removed", "closed", "private"])
async def test_nobody_is_told_of_what_is_hidden_or_over_by_then(world: World, change: str) -> None:
    await fans(world)
    stream = await world.stream(visibility=Visibility.PRIVATE if change == "private" else Visibility.PUBLIC)
    await world.raw.ingest().simulate(await world.raw.streams().get(stream), Pretence.START)
    while await world.listen():
        pass
    if change == "hidden":
        await world.core.edit_stream()(world.owner, stream, visibility=Visibility.UNLISTED)
    elif change == "stopped":
        await world.core.stop_stream()(world.owner, stream)
    elif change == "disabled":
        await world.core.enable_stream()(world.owner, stream, enabled=False)
    elif change == "removed":
        await world.core.remove_stream()(world.owner, stream)
    elif change == "closed":
        await world.core.close_channel()(world.owner, world.channel)
    await world.settle()
    assert await told(world) == [0, 0, 0]


async def test_nobody_is_told_of_a_session_that_was_forgotten(world: World) -> None:
    await fans(world)
    stream = await world.stream()
    await world.raw.ingest().simulate(await world.raw.streams().get(stream), Pretence.START)
    while await world.listen():
        pass
    while await world.raw.broadcasts().forget(stream):
        pass
    await world.settle()
    assert await told(world) == [0, 0, 0]


async def test_nobody_is_told_of_a_start_that_is_old(world: World) -> None:
    await fans(world)
    stream = await world.stream()
    await signal(world, stream, Happening.STREAM_START, at=world.clock.now() - FRESH - timedelta(seconds=1))
    assert (await world.raw.streams().get(stream)).session is not None
    assert await told(world) == [0, 0, 0]


# --- asking --------------------------------------------------------------------------------------


async def test_a_start_that_nobody_told_of(world: World) -> None:
    await fans(world)
    stream = await world.stream()
    ingest = await polled(world, stream)
    began = world.clock.now() - MINUTE
    ingest.sightings = {"b0": (began, began + timedelta(days=9))}
    await world.core.sweep_broadcasts()()
    await world.settle()
    (session,) = await world.sessions(stream)
    assert (session.session.status, session.session.started_at, session.session.viewers) == (
        SessionStatus.LIVE, began, 3,
    )  # fmt: skip
    assert (await world.core.show_stream()(world.fan, stream)).viewers == 3
    assert await told(world) == [1, 1, 0]
    ingest.viewers = None
    await world.core.sweep_broadcasts()()
    assert (await world.core.show_stream()(world.fan, stream)).viewers == 3, "as many as were last known"


async def test_an_end_that_nobody_told_of(world: World) -> None:
    """Asked twice, and not too soon after one another."""
    stream = await world.stream()
    await polled(world, stream)
    await signal(world, stream, Happening.STREAM_START)
    began = world.clock.now()
    sweep = world.core.sweep_broadcasts()
    states = []
    for by in (89, 1, 29, 1):
        world.clock.advance(timedelta(seconds=by))
        states.append(await sweep())
        states.append((await world.raw.broadcasts().timeline(stream)).current is not None)
    assert states == [0, True, 1, True, 1, True, 1, False]
    (session,) = await world.sessions(stream)
    assert (session.session.ended_reason, session.session.ended_at) == (EndReason.LOST, began)


async def test_an_end_of_a_recording_that_nobody_told_of(world: World) -> None:
    """Asked for every five minutes, also while the stream is live again."""
    stream = await world.stream()
    ingest = await polled(world, stream)
    await signal(world, stream, Happening.STREAM_START)
    await signal(world, stream, Happening.RECORDING_START, recording="rec1")
    await signal(world, stream, Happening.STREAM_END)
    world.clock.advance(timedelta(minutes=2))
    ingest.sightings = {"b1": (world.clock.now(), world.clock.now() + timedelta(days=9))}
    name = (await world.raw.streams().get(stream)).ingest
    whole = world.clock.now() + timedelta(minutes=7)
    ingest.whole["rec1"] = Signal(
        id="whole", ingest=name, broadcast=BroadcastId("b0"), kind=Happening.RECORDING_END, at=whole,
        detail={"recording": "rec1", "source": "raw/1", "duration_s": 1.0, "broadcasts": ("b0",)},
    )  # fmt: skip
    asked = 0
    broadcasts: Any = world.raw.broadcasts()
    due = broadcasts.due

    async def a_moment_later(now: datetime) -> Sequence[Timeline]:
        world.clock.advance(timedelta(milliseconds=1))
        found: Sequence[Timeline] = await due(now)
        return found

    broadcasts.due = a_moment_later
    for _ in range(40):
        world.clock.advance(timedelta(seconds=30))
        asked += await world.core.sweep_broadcasts()()
        live = (await broadcasts.timeline(stream)).last
        assert live is not None
        assert live.missed == (), "what was seen a moment ago is not missed"
        if (await world.sessions(stream))[0].session.recording is RecordingStatus.READY:
            break
    assert asked <= 5
    assert [each.session.recording for each in await world.sessions(stream)] == [
        RecordingStatus.READY, RecordingStatus.NONE,
    ]  # fmt: skip


@pytest.mark.parametrize("why", [EndReason.TOO_LONG, EndReason.DISABLED])
async def test_what_may_not_go_on_is_cut_off(world: World, why: EndReason) -> None:
    stream = await world.stream()
    ingest = await polled(world, stream)
    began = world.clock.now()
    ingest.sightings = {"b0": (began, began + timedelta(days=9))}
    await world.core.sweep_broadcasts()()
    assert ingest.stopped == []
    if why is EndReason.DISABLED:
        streams = world.raw.streams()
        await streams.save((await streams.get(stream)).enable(enabled=False))
    else:
        world.clock.advance(LIFE_LONGEST)
        await world.core.sweep_broadcasts()()
        assert ingest.stopped == []
    world.clock.advance(MINUTE)
    await world.core.sweep_broadcasts()()
    assert ingest.stopped == [stream]
    (session,) = await world.sessions(stream)
    assert (session.session.status, session.session.ended_reason) == (SessionStatus.ENDED, why)


async def test_an_ingest_that_does_not_answer_ends_nothing(world: World) -> None:
    stream = await world.stream()
    ingest = await polled(world, stream)
    await signal(world, stream, Happening.STREAM_START)
    ingest.down = True
    for _ in range(5):
        world.clock.advance(MINUTE)
        with pytest.raises(Unavailable):
            await world.core.sweep_broadcasts()()
    assert (await world.raw.broadcasts().timeline(stream)).current is not None


async def test_one_that_fails_keeps_nobody_waiting(world: World) -> None:
    """Neither among those that are live nor among those that are asked after."""
    one, other = await world.stream(), await world.stream()
    ingest = world.raw.ingest()
    for stream in (one, other):
        await ingest.simulate(await world.raw.streams().get(stream), Pretence.START)
    await world.settle()
    ingest._channels["unknown"] = ingest._channels[one]
    broadcasts: Any = world.raw.broadcasts()
    saving = broadcasts.save

    async def stale(timeline: Timeline, *args: Any) -> Timeline:
        if timeline.stream == one:
            raise Stale("this stream")
        saved: Timeline = await saving(timeline, *args)
        return saved

    broadcasts.save = stale
    world.clock.advance(timedelta(minutes=3))
    await world.core.sweep_broadcasts()()
    seen = [(await world.raw.broadcasts().timeline(each)).last for each in (one, other)]
    assert [each.heard_at == world.clock.now() for each in seen if each] == [False, True]


async def test_one_that_can_never_be_looked_at_keeps_nobody_waiting(world: World) -> None:
    """Whether it is live or is asked after; but it is told of."""
    gone, live, other = [await world.stream() for _ in range(3)]
    ingest = world.raw.ingest()
    for stream in (gone, live, other):
        await ingest.simulate(await world.raw.streams().get(stream), Pretence.START)
        world.clock.advance(timedelta(seconds=1))
    await world.settle()
    ingest._channels[gone].live = ingest._channels[other].live = None
    broadcasts: Any = world.raw.broadcasts()
    saving = broadcasts.save

    async def broken(timeline: Timeline, *args: Any) -> Timeline:
        if timeline.stream in {gone, live}:
            raise Invalid("nobody can read this")
        saved: Timeline = await saving(timeline, *args)
        return saved

    broadcasts.save = broken
    for _ in range(2):
        world.clock.advance(timedelta(minutes=3))
        with pytest.raises(ExceptionGroup) as failed:
            await world.core.sweep_broadcasts()()
        assert len(failed.value.exceptions) >= 2
    assert (await world.raw.broadcasts().timeline(other)).current is None


async def test_a_recording_that_cannot_be_asked_for_keeps_nobody_waiting(world: World) -> None:
    one, other = await world.stream(), await world.stream()
    for stream in (one, other):
        await signal(world, stream, Happening.STREAM_START, f"of-{stream}")
        await signal(world, stream, Happening.RECORDING_START, f"of-{stream}", recording=f"rec-{stream}")
        await signal(world, stream, Happening.STREAM_END, f"of-{stream}")
        world.clock.advance(timedelta(seconds=1))
    ingest: Any = world.raw.ingest()
    asked = []

    async def away(_: str, recording: str, __: str) -> None:
        asked.append(recording)
        if recording == f"rec-{one}":
            raise Unavailable("it does not answer", code="down")

    ingest.recorded = away
    for _ in range(4):
        world.clock.advance(timedelta(minutes=6))
        await world.core.sweep_broadcasts()()
    assert asked.count(f"rec-{one}") == asked.count(f"rec-{other}") > 1


async def test_what_is_left_of_a_stream_that_is_gone_goes(world: World) -> None:
    """Something was heard in the moment it was removed."""
    stream = await world.stream()
    await polled(world, stream)
    await signal(world, stream, Happening.STREAM_START)
    await world.raw.streams().remove(await world.raw.streams().get(stream))
    world.clock.advance(timedelta(days=1))
    await world.core.sweep_broadcasts()()
    assert world.raw.broadcasts()._timelines
    world.clock.advance(timedelta(days=2))
    await world.core.sweep_broadcasts()()
    assert not world.raw.broadcasts()._timelines
    reflect: ReflectBroadcast = world.core.reflect_broadcast()
    await reflect(stream)
    await world.settle()
    assert await world.dead() == []
