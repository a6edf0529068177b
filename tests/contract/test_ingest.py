"""Every ingest takes broadcasts from whoever has the key, says what happens, and keeps what is to be recorded.

An encoder is whatever pushes to that kind of ingest: ``Door``. What is said may come late, so tests wait for it.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
from attrs import define, evolve, field, frozen

from adapters.inmemory.ingest import SimulatedIngest
from adapters.inmemory.media import InMemoryMedia
from adapters.inmemory.told import InMemorySignals
from adapters.links import Links
from adapters.system import Ulids
from application.ports import Ingest, LinkMode, Pretence, Signal, Signals
from domain.broadcasts import Happening
from domain.errors import Conflict
from domain.ids import ChannelId, RecordingId, StreamId
from domain.streams import Latency, Stream
from domain.videos import Audience, Visibility
from domain.watching import NAMES_MOST, Viewer
from tests.cloud.onair import Air, on_air
from tests.media.live import Encoder, Machine, clip, machine
from tests.strategies import START
from tests.worlds import FakeClock

PATIENCE_S = 60.0
WINDOW_S = 60


class Door(Protocol):
    """An encoder, at any stream's door."""

    async def push(self, stream: Stream, key: str) -> bool:
        """Begin to send, with that key; whether that is let in. Returns once something can be shown."""

    async def drop(self, stream: Stream) -> None:
        """Vanish without a word."""


@frozen
class Opened:
    ingest: Ingest
    signals: Signals
    delivery: Any
    """Our own door, where there is one."""
    door: Door
    advance: Callable[[timedelta], Any]
    said: list[Signal]
    tell: Callable[[], Any] = lambda: None
    """Who watches is made known, where that is not so at once."""

    async def viewers(self) -> int | None:
        if asyncio.iscoroutine(told := self.tell()):
            await told
        (sighting,) = await self.ingest.live()
        return sighting.viewers

    async def stream(self, name: str = "str_1", **more: Any) -> Stream:
        stream = Stream(
            id=StreamId(name), channel=ChannelId("chn_cats"), title="Cats", created_at=START,
            reconnect_window_s=WINDOW_S, **more,
        )  # fmt: skip
        return stream.opened(await self.ingest.open(stream))

    async def push(self, stream: Stream) -> bool:
        return await self.door.push(stream, (await self.ingest.point(stream)).stream_key)

    async def wait(self, by: timedelta) -> None:
        """So much time passes."""
        if asyncio.iscoroutine(moved := self.advance(by)):
            await moved

    async def heard(self, kind: Happening, count: int = 1) -> list[Signal]:
        """Those of that kind, once there are so many."""

        def here() -> list[Signal]:
            return [each for each in self.said if each.kind is kind]

        async with asyncio.timeout(PATIENCE_S):
            while len(here()) < count:
                signal = await self.signals.next()
                await self.signals.settle(signal)
                self.said.append(signal)
        return here()


@define
class Simulated:
    ingest: SimulatedIngest

    async def push(self, stream: Stream, key: str) -> bool:
        try:
            known = (await self.ingest.point(stream)).stream_key
        except (Conflict, KeyError):
            return False
        if key == known:
            await self.ingest.simulate(stream, Pretence.START)
        return key == known

    async def drop(self, stream: Stream) -> None:
        await self.ingest.simulate(stream, Pretence.DROP)


@asynccontextmanager
async def in_memory(_: Path) -> AsyncIterator[Opened]:
    clock = FakeClock()
    links = Links(b"key", "", clock.now)
    media, signals = InMemoryMedia(links, clock.now), InMemorySignals(clock.now)
    ingest = SimulatedIngest(media, signals, links, clock.now, Ulids(clock.now))
    yield Opened(ingest, signals, media, Simulated(ingest), clock.advance, [])


@define
class Rtmp:
    here: Machine
    film: Path
    encoders: dict[str, Encoder]

    async def push(self, stream: Stream, key: str) -> bool:
        before = self._shown(stream)
        server_url = self.here.container.rtmp().url
        encoder = self.encoders[stream.id] = await Encoder.push(self.film, server_url, key)
        self.here.encoders.append(encoder)
        async with asyncio.timeout(PATIENCE_S):
            while encoder.process.returncode is None:
                if self._shown(stream) != before:
                    return True
                await asyncio.sleep(0.02)
        return False

    def _shown(self, stream: Stream) -> tuple[str, int] | None:
        """In which take, and as the how manieth in it; None: nothing is yet."""
        segments = self.here.playlist(stream).segments
        return (self.here.folders(stream)[-1].name, sum(each.fresh for each in segments)) if segments else None

    async def drop(self, stream: Stream) -> None:
        await self.encoders[stream.id].drop()


@asynccontextmanager
async def by_rtmp(clips: Path) -> AsyncIterator[Opened]:
    with tempfile.TemporaryDirectory() as folder:
        async with machine(Path(folder) / "data", heard=False) as here:
            container = here.container
            yield Opened(
                here.ingest, container.signals(), container.delivery(), Rtmp(here, clip(clips, "short", key_every=5), {}),
                container.clock().advance, [], container.viewers().tell,
            )  # fmt: skip


@define
class Rtmps:
    """The encoder that IVS is pretended to have, and what IVS says of it."""

    air: Air
    waiting: list[Signal] = field(factory=list)

    async def push(self, stream: Stream, key: str) -> bool:
        del stream
        try:
            await asyncio.to_thread(self.air.world.stack.begin, key)
        except httpx.HTTPStatusError:
            return False
        return True

    async def drop(self, stream: Stream) -> None:
        await asyncio.to_thread(self.air.world.stack.end, stream.ingest)

    async def next(self) -> Signal:
        while not self.waiting:
            self.waiting += await self.air.signals(wait_s=1)
        return self.waiting.pop(0)

    async def settle(self, _: Signal) -> None:
        """Whoever took it has removed it."""

    async def advance(self, by: timedelta) -> None:
        """By more than the window: of encoders that are gone, none comes back."""
        self.air.clock.advance(by)
        for arn in [each["arn"] for each in (await self.air.client.list_channels())["channels"]]:
            with suppress(httpx.HTTPStatusError):
                await asyncio.to_thread(self.air.world.stack.close_window, arn)


@asynccontextmanager
async def by_ivs(_: Path) -> AsyncIterator[Opened]:
    async with on_air() as air:
        door = Rtmps(air)
        yield Opened(air.ingest, door, air, door, door.advance, [])


OWN: list[Any] = [in_memory, by_rtmp]
"""Those whose viewers come by our own door."""
OPENERS: list[Any] = [*OWN, by_ivs]


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(params=OPENERS, ids=[opener.__name__ for opener in OPENERS])
async def opened(request: pytest.FixtureRequest, clips: Path) -> AsyncIterator[Opened]:
    async with request.param(clips) as world:
        yield world


async def test_a_stream_has_one_name_and_one_key(opened: Opened) -> None:
    stream = await opened.stream()
    assert await opened.ingest.open(stream) == stream.ingest
    point = await opened.ingest.point(stream)
    assert point == await opened.ingest.point(stream)
    assert point.server_url.startswith("rtmp")
    assert point.stream_key not in repr(point)
    other = await opened.ingest.point(await opened.stream("str_2"))
    assert other.stream_key != point.stream_key


async def test_what_is_broadcast_is_seen_and_told_of(opened: Opened) -> None:
    stream = await opened.stream()
    assert await opened.ingest.live() == []
    assert await opened.push(stream)
    (sighting,) = await opened.ingest.live()
    (created,) = await opened.heard(Happening.SESSION_CREATED)
    (started,) = await opened.heard(Happening.STREAM_START)
    (recording,) = await opened.heard(Happening.RECORDING_START)
    told = {(each.ingest, each.broadcast) for each in (created, started, recording, sighting)}
    assert told == {(stream.ingest, sighting.broadcast)}
    assert sighting.started_at == started.at
    id_ = RecordingId(str(recording.detail["recording"]))
    assert await opened.ingest.recorded(stream.ingest, id_, "") is None
    await opened.door.drop(stream)
    (end,) = await opened.heard(Happening.STREAM_END)
    assert end.broadcast == sighting.broadcast
    assert end.at >= started.at
    assert await opened.ingest.live() == []


async def test_only_the_key_opens(opened: Opened) -> None:
    stream, other = await opened.stream(), await opened.stream("str_2")
    key = (await opened.ingest.point(other)).stream_key
    wrong = key[:-1] + ("y" if key.endswith("x") else "x")
    assert not await opened.door.push(stream, wrong)
    assert await opened.ingest.live() == []


@pytest.mark.parametrize("opener", OWN, ids=[opener.__name__ for opener in OWN])
async def test_who_sees_it_may_play_it(opener: Any, clips: Path) -> None:
    """By an open link if anyone may, by one that is granted if not."""
    async with opener(clips) as opened:
        await _played(opened)


@pytest.mark.parametrize("opener", OWN, ids=[opener.__name__ for opener in OWN])
async def test_each_player_of_an_address_is_a_viewer(opener: Any, clips: Path) -> None:
    """Up to a bound, as a name is only what a player says."""
    async with opener(clips) as opened:
        stream = await opened.stream()
        assert await opened.push(stream)
        for name in ("ann", "ben", "ann"):
            opened.ingest.watched(stream.id, Viewer("192.0.2.1", name))
        opened.ingest.watched(stream.id, Viewer("192.0.2.2", "ann"))
        assert await opened.viewers() == 3
        for number in range(2 * NAMES_MOST):
            opened.ingest.watched(stream.id, Viewer("192.0.2.1", str(number)))
        assert await opened.viewers() == NAMES_MOST + 1


async def _played(opened: Opened) -> None:
    stream = await opened.stream()
    until = START + timedelta(days=40_000)
    with pytest.raises(Conflict) as refused:
        await opened.ingest.playback(stream, Audience.ANYONE, None, until)
    assert refused.value.code == "not_live"
    assert await opened.push(stream)
    link = await opened.ingest.playback(stream, Audience.ANYONE, None, until)
    assert link.mode is LinkMode.PUBLIC
    hidden = evolve(stream, visibility=Visibility.PRIVATE)
    granted = await opened.ingest.playback(hidden, Audience.MEMBER, None, until)
    assert granted.mode is LinkMode.TOKEN
    token, _, key = granted.url.partition("/media/g/")[2].partition("/")
    assert link.url.endswith(key)
    grant = opened.delivery.grant(token)
    assert (grant.subject, grant.audience) == (stream.id, Audience.MEMBER)
    file = await opened.delivery.file(key, grant)
    text = b"".join([piece async for piece in file.read(0, file.size_bytes)]).decode()
    assert file.content_type == "application/vnd.apple.mpegurl"
    segment = next(line for line in text.splitlines() if not line.startswith("#"))
    shown = await opened.delivery.file(f"{key.rpartition('/')[0]}/{segment}", grant)
    assert shown.size_bytes
    await opened.ingest.stop(stream)
    with pytest.raises(Conflict):
        await opened.ingest.playback(stream, Audience.ANYONE, None, until)


async def test_a_stop_cuts_it_off_and_ends_the_recording(opened: Opened) -> None:
    stream = await opened.stream()
    assert await opened.ingest.stop(stream) is False
    assert await opened.push(stream)
    assert await opened.ingest.stop(stream) is True
    assert await opened.ingest.live() == []
    assert await opened.ingest.stop(stream) is False
    (ended,) = await opened.heard(Happening.SESSION_ENDED)
    await opened.wait(timedelta(seconds=WINDOW_S + 1))  # one that could not know that nobody comes back
    (recorded,) = await opened.heard(Happening.RECORDING_END)
    assert list(recorded.detail["broadcasts"]) == [ended.broadcast]  # type: ignore[arg-type]
    assert float(str(recorded.detail["duration_s"])) > 0
    id_, source = str(recorded.detail["recording"]), str(recorded.detail["source"])
    again = await opened.ingest.recorded(stream.ingest, RecordingId(id_), source)
    assert again is not None
    assert (again.id, again.kind) == (recorded.id, recorded.kind)
    for _ in range(2):
        await opened.ingest.discard(source)
    assert await opened.push(stream)


async def test_an_encoder_that_comes_back_goes_on_with_the_recording(opened: Opened) -> None:
    stream = await opened.stream()
    for _ in range(2):
        assert await opened.push(stream)
        await opened.door.drop(stream)
    await opened.heard(Happening.STREAM_END, 2)
    started = await opened.heard(Happening.STREAM_START, 2)
    begun = await opened.heard(Happening.RECORDING_START)
    (id_,) = {str(each.detail["recording"]) for each in begun}
    assert len({each.broadcast for each in started}) == 2
    await opened.wait(timedelta(seconds=WINDOW_S + 1))
    source = str(begun[0].detail.get("source", ""))
    async with asyncio.timeout(PATIENCE_S):
        while (end := await opened.ingest.recorded(stream.ingest, RecordingId(id_), source)) is None:  # noqa: ASYNC110  (not everyone tells)
            await asyncio.sleep(0.02)
    (told,) = await opened.heard(Happening.RECORDING_END)
    assert (end.id, end.kind) == (told.id, told.kind)
    assert list(told.detail["broadcasts"]) == [each.broadcast for each in started]  # type: ignore[arg-type]


async def test_what_is_not_to_be_recorded_is_not(opened: Opened) -> None:
    stream = await opened.stream(record=False)
    assert await opened.push(stream)
    await opened.ingest.stop(stream)
    await opened.heard(Happening.SESSION_ENDED)
    await opened.heard(Happening.STREAM_END)
    assert not [each for each in opened.said if "recording" in each.kind.value]


async def test_another_key_ends_what_the_old_one_sends(opened: Opened) -> None:
    stream = await opened.stream()
    before = await opened.ingest.point(stream)
    assert await opened.push(stream)
    after = await opened.ingest.rotate(stream)
    assert after == await opened.ingest.point(stream)
    assert await opened.ingest.live() == []
    assert not await opened.door.push(stream, before.stream_key)
    assert await opened.push(stream)


async def test_a_disabled_stream_has_no_key(opened: Opened) -> None:
    stream = await opened.stream()
    before = await opened.ingest.point(stream)
    disabled = stream.enable(False)  # noqa: FBT003  (the value itself)
    await opened.ingest.configure(disabled)
    with pytest.raises(Conflict) as refused:
        await opened.ingest.point(disabled)
    assert refused.value.code == "stream_disabled"
    assert not await opened.door.push(stream, before.stream_key)
    enabled = evolve(disabled.enable(True), record=False, latency=Latency.NORMAL)  # noqa: FBT003  (the same)
    await opened.ingest.configure(enabled)
    assert (await opened.ingest.point(enabled)).stream_key != before.stream_key
    assert await opened.push(enabled)


async def test_a_closed_one_takes_nothing(opened: Opened) -> None:
    """What is broadcast ends, and its recording stays."""
    stream = await opened.stream()
    key = (await opened.ingest.point(stream)).stream_key
    assert await opened.push(stream)
    for _ in range(2):
        await opened.ingest.close(stream.id, stream.ingest)
    await opened.heard(Happening.RECORDING_END)
    assert await opened.ingest.live() == []
    assert not await opened.door.push(stream, key)


async def test_nothing_is_said_to_players_of_what_is_not_live(opened: Opened) -> None:
    stream = await opened.stream()
    with pytest.raises(Conflict) as refused:
        await opened.ingest.annotate(stream, "goal")
    assert refused.value.code == "not_live"
    assert await opened.push(stream)
    await opened.ingest.annotate(stream, "goal")
