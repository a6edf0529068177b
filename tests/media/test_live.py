"""Real encoders push to the ingest of one machine, which shows and records what they send."""

import asyncio
import io
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from attrs import evolve

from adapters.local import station
from adapters.local.audit import Audit
from adapters.local.backup import backup, restore
from adapters.local.database import Database, Transaction
from adapters.local.feed import INDEX, MASTER, Shelf
from adapters.local.hls import segment_name
from adapters.local.jobs import JobQueue
from adapters.local.rtmp import Kind
from adapters.playlists import variants
from application.ports import Pretence, Signal, TranscodeOrder
from domain.broadcasts import Happening
from domain.errors import Conflict
from domain.ids import RecordingId, VideoId
from domain.processing import TERMINAL, Report, State
from domain.streams import Stream
from domain.videos import Audience
from domain.watching import Viewer
from tests.durability.test_full import small_disk
from tests.journey.server import ROOT, free_port
from tests.media.live import PATIENCE_S, Machine, clip, machine, sound, until
from tests.media.sender import Sender, message

RATE = 25


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Machine]:
    async with machine(tmp_path / "data") as opened:
        yield opened


def pictures(content: bytes) -> list[tuple[float, int]]:
    """When each that can be decoded is shown, and how high it is."""
    with av.open(io.BytesIO(content), "r", format="mpegts") as container:
        return [(frame.time or 0.0, frame.height) for frame in container.decode(video=0)]


def sounds(content: bytes) -> list[float]:
    """When each piece of sound that can be decoded is heard."""
    with av.open(io.BytesIO(content), "r", format="mpegts") as container:
        return [frame.time or 0.0 for frame in container.decode(audio=0)]


def shown(here: Machine, stream: Stream) -> bytes:
    """All that the latest playlist lists."""
    folder = here.folders(stream)[-1]
    return b"".join((folder / segment_name(each.number)).read_bytes() for each in here.playlist(stream).segments)


async def ended(here: Machine, stream: Stream, count: int = 1) -> list[Signal]:
    """How its recordings did, once they have."""
    await until("the recordings' end", lambda: len(here.heard(Happening.RECORDING_END, stream)) == count)
    return here.heard(Happening.RECORDING_END, stream)


def even(times: Iterable[float], seconds: float) -> None:
    """Pictures follow each other without a hole for so long."""
    ordered = sorted(times)
    assert ordered[-1] - ordered[0] == pytest.approx(seconds, abs=0.25)
    assert max(later - earlier for earlier, later in pairwise(ordered)) < 0.2


# --- what encoders do


@pytest.mark.parametrize("count", [1, 8])
async def test_what_encoders_send_is_shown_and_recorded(here: Machine, films: Path, count: int) -> None:
    """All of them at once, from the first picture on, in segments of a second that decode."""
    film = clip(films, "cats")
    streams = [await here.stream(number) for number in range(count)]
    encoders = [await here.push(film, stream, once=True) for stream in streams]
    for stream in streams:
        await until("a segment", here.listed(stream, 1))
    assert {each.ingest for each in await here.ingest.live()} == {stream.ingest for stream in streams}
    for encoder in encoders:
        await encoder.gone()
    for stream in streams:
        await until("the end", partial(here.over, stream))
        assert here.kinds(stream) == [
            Happening.SESSION_CREATED, Happening.STREAM_START, Happening.RECORDING_START, Happening.STREAM_END,
            Happening.SESSION_ENDED,
        ]  # fmt: skip
        playlist = here.playlist(stream)
        assert [round(each.seconds, 1) for each in playlist.segments] == [1.0] * 4
        assert [each.fresh for each in playlist.segments] == [False] * 4
        assert len(pictures(shown(here, stream))) == 4 * RATE
        assert await here.ingest.stop(stream) is False  # it waits for its encoder no more
    for stream in streams:
        (end,) = await ended(here, stream)
        assert end.detail["duration_s"] == pytest.approx(4.0, abs=0.05)
        assert here.recording(end).read_bytes() == shown(here, stream)
        assert (here.folders(stream)[0] / INDEX).read_text().endswith("#EXT-X-ENDLIST\n")
    assert await here.ingest.live() == []


async def test_an_encoder_that_is_back_in_time_goes_on_where_it_was(here: Machine, films: Path) -> None:
    """One playlist, one recording, the times in it without a hole; players are told of the joint."""
    stream, film = await here.stream(), clip(films, "cats")
    first = await here.push(film, stream)
    await until("two segments", here.listed(stream, 2))
    await first.drop()
    await until("the end", lambda: Happening.STREAM_END in here.kinds())
    before = here.playlist(stream)
    await here.push(film, stream)
    await until("more segments", here.listed(stream, len(before.segments) + 2))
    assert await here.ingest.stop(stream)
    (end,) = await ended(here, stream)
    playlist = here.playlist(stream)
    assert len(here.folders(stream)) == 1
    assert [each.number for each in playlist.segments] == list(range(len(playlist.segments)))
    assert [each.number for each in playlist.segments if each.fresh] == [len(before.segments)]
    broadcasts = [each.broadcast for each in here.heard(Happening.STREAM_START)]
    assert len(set(broadcasts)) == 2
    assert end.detail["broadcasts"] == broadcasts
    even((time for time, _ in pictures(here.recording(end).read_bytes())), playlist.end_s)


async def test_an_encoder_that_is_back_too_late_begins_anew(here: Machine, films: Path) -> None:
    stream, film = await here.stream(window_s=30), clip(films, "cats")
    first = await here.push(film, stream)
    await until("a segment", here.listed(stream, 1))
    await first.drop()
    await until("the end", lambda: Happening.STREAM_END in here.kinds())
    await here.container.clock().advance(timedelta(seconds=31))
    await here.push(film, stream)
    await until("another start", lambda: len(here.heard(Happening.STREAM_START)) == 2)
    await here.ingest.stop(stream)
    one, two = await ended(here, stream, 2)
    assert one.detail["recording"] != two.detail["recording"]
    assert one.detail["broadcasts"] != two.detail["broadcasts"]
    assert len(here.folders(stream)) == 2


async def test_an_encoder_that_is_back_while_its_last_take_is_closed_begins_another(
    here: Machine, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large recording takes its time to be on the disk."""
    stream, film = await here.stream(window_s=30), clip(films, "cats")
    first = await here.push(film, stream)
    await until("a segment", here.listed(stream, 1))
    await first.drop()
    await until("the end", lambda: Happening.STREAM_END in here.kinds())
    closing, whole = threading.Event(), threading.Event()
    close = Shelf.close

    def slowly(shelf: Shelf) -> None:
        closing.set()
        assert whole.wait(PATIENCE_S)
        close(shelf)

    monkeypatch.setattr(Shelf, "close", slowly)
    await here.container.clock().advance(timedelta(seconds=31))
    await until("the close", closing.is_set)
    await here.push(film, stream)
    on_air = here.station._on_air
    await until("its pictures", lambda: stream.id in on_air and on_air[stream.id].feed.meter.key_at_ms is not None)
    whole.set()
    await until("another start", lambda: len(here.heard(Happening.STREAM_START)) == 2)
    await here.ingest.stop(stream)
    one, two = await ended(here, stream, 2)
    assert one.detail["recording"] != two.detail["recording"]


async def test_a_take_that_waits_in_vain_ends(here: Machine, films: Path) -> None:
    stream = await here.stream(window_s=30)
    first = await here.push(clip(films, "cats"), stream)
    await until("a segment", here.listed(stream, 1))
    await first.drop()
    await until("the end", lambda: Happening.STREAM_END in here.kinds())
    assert not here.heard(Happening.RECORDING_END)
    await here.container.clock().advance(timedelta(seconds=31))
    (end,) = await ended(here, stream)
    assert await here.ingest.recorded(stream.ingest, RecordingId(str(end.detail["recording"])), "") == end
    with pytest.raises(Conflict):
        await here.ingest.playback(stream, Audience.ANYONE, None, end.at)


async def test_pictures_of_another_size_go_on_in_the_same_take(here: Machine, films: Path) -> None:
    stream = await here.stream()
    async with Sender.publishing(await here.ingest.point(stream)) as sender:
        await sender.send(clip(films, "cats"))
        await sender.send(clip(films, "large", "640x360"))
        await until("all of it", lambda: here.playlist(stream).end_s > 6)
    await here.ingest.stop(stream)
    (end,) = await ended(here, stream)
    playlist = here.playlist(stream)
    assert [each.number for each in playlist.segments if each.fresh] == [4]
    found = pictures(here.recording(end).read_bytes())
    assert [height for _, height in found] == [180] * 4 * RATE + [360] * 4 * RATE
    even((time for time, _ in found), 8)


async def test_sound_alone_is_shown(here: Machine, films: Path) -> None:
    stream = await here.stream()
    async with Sender.publishing(await here.ingest.point(stream)) as sender:
        await sender.send(sound(films))
        await until("three segments", here.listed(stream, 3))
    await until("the end", partial(here.over, stream))
    even(sounds(shown(here, stream)), here.playlist(stream).end_s)


async def test_newer_codecs_are_passed_on_or_refused(here: Machine, films: Path) -> None:
    """As enhanced RTMP names them; what nobody could play ends the broadcast with a reason."""
    one, two = await here.stream(1), await here.stream(2)
    async with Sender.publishing(await here.ingest.point(one)) as sender:
        await sender.send(clip(films, "hevc", codec="libx265"))
        await until("segments", here.listed(one, 3))
        with av.open(io.BytesIO(shown(here, one)), "r", format="mpegts") as container:
            assert container.streams.video[0].codec_context.name == "hevc"
            assert sum(1 for _ in container.decode(video=0)) >= 3 * RATE
    async with Sender.publishing(await here.ingest.point(two)) as sender:
        sender.piece(Kind.VIDEO, 0, b"\x90av01" + bytes(20))
        await sender.cut_off()
    await until("the failure", lambda: here.heard(Happening.STREAM_FAILURE, two))
    assert "av01" in str(here.heard(Happening.STREAM_FAILURE, two)[0].detail["reason"])


async def test_sound_that_comes_later_is_heard(here: Machine, films: Path) -> None:
    stream = await here.stream()
    async with Sender.publishing(await here.ingest.point(stream)) as sender:
        await sender.send(clip(films, "mute", sound=False))
        await sender.send(clip(films, "cats"))
        await until("all of it", lambda: here.playlist(stream).end_s > 6)
    await here.ingest.stop(stream)
    (end,) = await ended(here, stream)
    heard = sounds(here.recording(end).read_bytes())
    assert min(heard) == pytest.approx(4, abs=0.2)
    even(heard, 4)


async def test_a_segment_lasts_until_the_next_key_frame(here: Machine, films: Path) -> None:
    """However long that takes: players are told how long to wait, and the owner why it takes so long."""
    stream = await here.stream()
    async with Sender.publishing(await here.ingest.point(stream)) as sender:
        await sender.send(clip(films, "seldom", seconds=22, key_every=10 * RATE))
        await until("two segments", here.listed(stream, 2))
        (on_air,) = here.station._on_air.values()
        assert on_air.feed.meter.restart(10)["keyframe_s"] == pytest.approx(10, abs=0.1)
    text = (here.folders(stream)[0] / INDEX).read_text()
    assert "#EXT-X-TARGETDURATION:10\n" in text
    assert len(pictures(shown(here, stream))) == pytest.approx(20 * RATE, abs=2 * RATE + 1)


async def test_an_encoder_whose_clock_jumps_is_shown_without_a_hole(here: Machine, films: Path) -> None:
    stream, film = await here.stream(), clip(films, "cats")
    async with Sender.publishing(await here.ingest.point(stream)) as sender:
        await sender.send(film)
        sender.at_ms += 3_600_000
        await sender.send(film)
        sender.at_ms = 0
        await sender.send(film)
        await until("all of it", lambda: here.playlist(stream).end_s > 10)
    await here.ingest.stop(stream)
    (end,) = await ended(here, stream)
    even((time for time, _ in pictures(here.recording(end).read_bytes())), 12)


async def test_other_sizes_are_made_where_that_is_wanted(tmp_path: Path, films: Path) -> None:
    async with machine(tmp_path / "data", transcoded=True) as here:
        stream = await here.stream()
        await here.push(clip(films, "tall", "854x480"), stream)
        await until("two segments", here.listed(stream, 2))
        link = await here.ingest.playback(stream, Audience.ANYONE, None, here.container.now()())
        assert link.url.endswith(MASTER)
        folder = here.folders(stream)[0]
        named = variants((folder / MASTER).read_text())
        assert [each.attributes["RESOLUTION"] for each in named] == ["854x480", "640x360"]
        other = folder / named[1].uri
        await until("segments of it", lambda: other.exists() and ".ts" in other.read_text())
        assert {height for _, height in pictures((other.parent / segment_name(0)).read_bytes())} == {360}


async def test_a_stream_that_comes_with_a_name_is_made_ready_with_it(here: Machine, films: Path) -> None:
    """As from an archive: what it was called elsewhere is no name of a folder."""
    stream = evolve(await here.stream(), ingest="arn:aws:ivs:eu-central-1:1:channel/x")
    encoder = await here.push(clip(films, "cats"), stream)
    await until("a segment", here.listed(stream, 1))
    assert [each.ingest for each in await here.ingest.live()] == [stream.ingest]
    assert await here.ingest.stop(stream)
    assert await encoder.gone() != 0
    await ended(here, stream)


# --- who may


async def test_a_wrong_key_is_refused_and_not_written_down(
    here: Machine, films: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stream = await here.stream()
    caplog.set_level(logging.DEBUG)
    encoder = await here.push(clip(films, "cats"), stream, key="live_0123456789")
    assert await encoder.gone() != 0
    assert "unknown_key" in caplog.text
    assert "0123456789" not in caplog.text
    assert here.said == []
    assert here.folders(stream) == []


async def test_an_encoder_that_is_refused_is_told_and_cut_off(here: Machine) -> None:
    stream = await here.stream()
    async with Sender.met(await here.ingest.point(stream)) as sender:
        await sender.ask("live_none")
        assert "NetStream.Publish.BadName" in str(sender.told)
        await sender.cut_off()
    assert here.folders(stream) == []


async def test_a_key_that_is_replaced_ends_what_it_sends(here: Machine, films: Path) -> None:
    stream, film = await here.stream(), clip(films, "cats")
    before = await here.ingest.point(stream)
    encoder = await here.push(film, stream)
    await until("a segment", here.listed(stream, 1))
    after = await here.ingest.rotate(stream)
    assert after.stream_key != before.stream_key
    assert await here.ingest.live() == []
    assert await encoder.gone() != 0
    (end,) = await ended(here, stream)
    assert pictures(here.recording(end).read_bytes())
    assert await (await here.push(film, stream, key=before.stream_key)).gone() != 0
    await until("the refusal", lambda: here.heard(Happening.REFUSED))
    assert [each.detail["reason"] for each in here.heard(Happening.REFUSED, stream)] == ["key_replaced"]
    await here.push(film, stream)
    await until("another start", lambda: len(here.heard(Happening.STREAM_START)) == 2)


async def test_an_encoder_that_tries_again_and_again_is_told_of_once(here: Machine) -> None:
    """A minute, for each reason."""
    stream = await here.stream()
    old = await here.ingest.point(stream)
    await here.ingest.rotate(stream)

    async def refused() -> None:
        async with Sender.met(old) as sender:
            await sender.ask(old.stream_key)
            await sender.cut_off()

    for _ in range(3):
        await refused()
    await here.ingest.configure(evolve(stream, enabled=False))
    await refused()
    await until("both", lambda: len(here.heard(Happening.REFUSED)) > 1)
    assert [each.detail["reason"] for each in here.heard(Happening.REFUSED)] == ["key_replaced", "stream_disabled"]


async def test_a_stream_that_is_disabled_or_removed_ends(here: Machine, films: Path) -> None:
    one, two, film = await here.stream(1), await here.stream(2), clip(films, "cats")
    encoders = [await here.push(film, each) for each in (one, two)]
    for each in (one, two):
        await until("a segment", here.listed(each, 1))
    await here.ingest.configure(evolve(one, enabled=False))
    await here.ingest.close(two.id, two.ingest)
    assert [await encoder.gone() != 0 for encoder in encoders] == [True, True]
    await ended(here, one)
    await ended(here, two)
    assert here.folders(two) == []


async def test_a_second_encoder_waits_until_the_first_is_silent(
    here: Machine, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, film = await here.stream(), clip(films, "cats")
    async with Sender.publishing(await here.ingest.point(stream)) as sender:
        await sender.send(film)
        await until("a segment", here.listed(stream, 1))
        assert await (await here.push(film, stream)).gone() != 0
        await until("the refusal", lambda: here.heard(Happening.REFUSED))
        monkeypatch.setattr(station, "SILENT_S", 0.0)
        await here.push(film, stream)
        await sender.cut_off()
    await until("another start", lambda: len(here.heard(Happening.STREAM_START)) == 2)
    assert len(here.folders(stream)) == 1


async def test_only_so_many_may_send(tmp_path: Path, films: Path) -> None:
    async with machine(tmp_path / "data", most=1) as here:
        one, two = await here.stream(1), await here.stream(2)
        await here.push(clip(films, "cats"), one)
        await until("a segment", here.listed(one, 1))
        assert await (await here.push(clip(films, "cats"), two)).gone() != 0
        await until("the refusal", lambda: here.heard(Happening.REFUSED, two))
        assert here.heard(Happening.REFUSED, two)[0].detail["reason"] == "too_many_broadcasts"


# --- what is no encoder


async def test_nonsense_ends_its_connection_and_nothing_else(here: Machine, films: Path) -> None:
    stream = await here.stream()
    point = await here.ingest.point(stream)
    greeting = b"\x03" + bytes(3072)
    broken = [
        b"GET / HTTP/1.1\r\n\r\n", bytes(100), greeting + b"\xff" * 2000, greeting + b"\x03" + bytes(3) + b"\xff" * 8000,
        greeting + os.urandom(5000),
    ]  # fmt: skip
    for nonsense in broken:
        async with Sender.met(point) as sender:
            sender.writer.write(nonsense)
            await sender.cut_off()
    await until("nobody", lambda: not here.station._connections)
    await here.push(clip(films, "cats"), stream)
    await until("a segment", here.listed(stream, 1))


async def test_what_cannot_be_stored_keeps_nothing_else_from_it(here: Machine, films: Path) -> None:
    def impossible(_: Transaction) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await here.station._store(impossible)
    stream = await here.stream()
    await here.push(clip(films, "cats"), stream)
    await until("the start", lambda: here.heard(Happening.STREAM_START, stream))


async def test_whoever_says_nothing_is_not_waited_for(
    here: Machine, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 of them, of whom half get halfway through the greeting; others are served meanwhile."""
    monkeypatch.setattr(station, "GREET_S", 3.0)
    stream = await here.stream()
    point = await here.ingest.point(stream)
    async with asyncio.TaskGroup() as group, _many(point, 200) as senders:
        await until("all of them", lambda: len(here.station._connections) == 200)
        for sender in senders[::2]:
            sender.writer.write(b"\x03" + bytes(700))
        await here.push(clip(films, "cats"), stream)
        await until("a segment", here.listed(stream, 1))
        for sender in senders:
            group.create_task(sender.cut_off())
    await until("nobody but the encoder", lambda: len(here.station._connections) == 1)


async def test_whoever_may_send_and_shows_nothing_loses_the_place(
    here: Machine, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sound that nobody said how to decode is nothing."""
    monkeypatch.setattr(station, "START_S", 0.5)
    monkeypatch.setattr(station, "TICK_S", 0.1)
    stream, other = await here.stream(), await here.stream(2)
    await here.push(clip(films, "cats"), other)
    async with Sender.publishing(await here.ingest.point(stream)) as sender:
        sender.writer.write(message(Kind.AUDIO, 1, 0, b"\xaf\x01" + bytes(20)))
        await sender.cut_off()
    await until("the end", lambda: here.over(stream))
    await until("segments", here.listed(other, 2))
    assert not here.over(other)


class _many:  # noqa: N801  (a context manager)
    def __init__(self, point: object, count: int) -> None:
        self._open = [Sender.met(point) for _ in range(count)]  # type: ignore[arg-type]

    async def __aenter__(self) -> list[Sender]:
        return [await each.__aenter__() for each in self._open]

    async def __aexit__(self, *_: object) -> None:
        for each in self._open:
            await each.__aexit__(None, None, None)


# --- what happens meanwhile


async def test_a_stop_ends_it_for_good(here: Machine, films: Path) -> None:
    """Asked of another process than the one that listens, too."""
    stream = await here.stream()
    assert await here.ingest.stop(stream) is False
    encoder = await here.push(clip(films, "cats"), stream)
    await until("a segment", here.listed(stream, 1))
    async with machine(here.data, listening=False) as there:
        assert [each.ingest for each in await there.ingest.live()] == [stream.ingest]
        assert await there.ingest.stop(stream) is True
        assert await there.ingest.live() == []
    assert await encoder.gone() != 0
    (end,) = await ended(here, stream)
    assert pictures(here.recording(end).read_bytes())


async def test_another_process_listens_once_the_first_does_not(tmp_path: Path, films: Path) -> None:
    """And the take goes on there."""
    port = free_port()
    async with machine(tmp_path / "data", port=port, listening=False) as there:
        async with machine(tmp_path / "data", port=port) as here:
            stream, film = await here.stream(), clip(films, "cats")
            await here.push(film, stream)
            await until("a segment", here.listed(stream, 1))
            waiting = asyncio.create_task(there.station.run())
            await until("the start", lambda: Happening.STREAM_START in [*here.kinds(), *there.kinds()])
            assert not there.station.listening.is_set()
        async with asyncio.timeout(5):
            await there.station.listening.wait()
        await there.push(film, stream)
        await until("another start", lambda: _starts(here) + _starts(there) == 2)
        assert len(there.folders(stream)) == 1
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


def _starts(here: Machine) -> int:
    return len(here.heard(Happening.STREAM_START))


async def test_what_is_said_to_the_players_stands_in_the_playlist(here: Machine, films: Path) -> None:
    stream = await here.stream()
    with pytest.raises(Conflict):
        await here.ingest.annotate(stream, "too early")
    await here.push(clip(films, "cats"), stream)
    await until("a segment", here.listed(stream, 1))
    async with machine(here.data, listening=False) as there:
        await there.ingest.annotate(stream, '{"goal": "ä"}')
    path = here.folders(stream)[0] / INDEX
    await until("the note", lambda: 'X-TEXT="eyJnb2FsIjogIsOkIn0="' in path.read_text())
    assert 'CLASS="hexcast.metadata"' in path.read_text()


async def test_whoever_fetches_the_playlist_is_a_viewer(here: Machine, films: Path) -> None:
    """Whatever process they ask."""
    stream = await here.stream()
    await here.push(clip(films, "cats"), stream)
    await until("a segment", here.listed(stream, 1))
    async with machine(here.data, listening=False) as there:
        for name in ("ann", "bob", "ann"):
            here.ingest.watched(stream.id, Viewer("192.0.2.1", name))
        there.ingest.watched(stream.id, Viewer("192.0.2.1", "eve"))
        for each in (here, there):
            await each.container.viewers().tell()
        assert [each.viewers for each in await there.ingest.live()] == [3]


async def test_what_arrives_is_measured(here: Machine, films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And that too little does; that too much does is a breach."""
    monkeypatch.setattr(station, "SAMPLE_S", 1.0)
    monkeypatch.setattr(station, "SILENT_S", 0.5)
    monkeypatch.setattr(station, "TICK_S", 0.1)
    monkeypatch.setattr(station, "BITRATE_MOST", 100_000)
    stream, film = await here.stream(), clip(films, "cats")
    encoder = await here.push(film, stream)
    await until("two samples", lambda: len(here.heard(Happening.HEALTH)) > 1)
    measured = here.heard(Happening.HEALTH)[1].detail
    assert (measured["width"], measured["height"]) == (320, 180)
    assert measured["fps"] == pytest.approx(RATE, abs=8)
    assert measured["keyframe_s"] == pytest.approx(1.0, abs=0.1)
    sent = 8 * film.stat().st_size / 4
    assert float(str(measured["bitrate_bps"])) == pytest.approx(sent, rel=0.5)
    assert len(here.heard(Happening.LIMIT_BREACH)) == 1
    assert "Mb/s" in str(measured["breach"])
    os.kill(encoder.process.pid, signal.SIGSTOP)
    await until("the starvation", lambda: here.heard(Happening.STARVATION_START))
    os.kill(encoder.process.pid, signal.SIGCONT)
    await until("its end", lambda: here.heard(Happening.STARVATION_END))
    assert not here.heard(Happening.STREAM_END)


async def test_what_is_not_recorded_leaves_no_more_than_the_window(tmp_path: Path, films: Path) -> None:
    async with machine(tmp_path / "data", window_s=3.0) as here:
        stream = await here.stream(record=False)
        async with Sender.publishing(await here.ingest.point(stream)) as sender:
            for _ in range(4):
                await sender.send(clip(films, "cats"))
            await until("all of it", lambda: here.playlist(stream).end_s > 14)
        playlist = here.playlist(stream)
        assert len(playlist.segments) == 3
        assert len(list(here.folders(stream)[0].glob("*.ts"))) <= 7
        await here.ingest.stop(stream)
        await until("the end", lambda: Happening.SESSION_ENDED in here.kinds())
        assert not [each for each in here.kinds() if each.value.startswith("recording")]
        assert not list((here.data / "media").glob("recordings/*"))


# --- crashes


async def test_ffmpeg_that_is_killed_is_started_again(here: Machine, films: Path) -> None:
    """In the same broadcast: nobody but the players, who see a joint, hears of it."""
    stream = await here.stream()
    await here.push(clip(films, "cats"), stream)
    for count in (2, 4):
        await until("segments", here.listed(stream, count))
        (on_air,) = here.station._on_air.values()
        assert on_air.feed._run is not None
        on_air.feed._run._process.kill()
    await until("more segments", here.listed(stream, 6))
    await here.ingest.stop(stream)
    (end,) = await ended(here, stream)
    playlist = here.playlist(stream)
    assert sum(each.fresh for each in playlist.segments) == 2
    assert len(here.heard(Happening.STREAM_START)) == 1
    even((time for time, _ in pictures(here.recording(end).read_bytes())), playlist.end_s)


CHILD = """
import asyncio, sys
from pathlib import Path
from tests.media.live import machine
from application.ports import Signal

async def main():
    async with machine(Path(sys.argv[1])) as here:
        stream = await here.stream()
        point = await here.ingest.point(stream)
        print(point.server_url, point.stream_key, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("back", [False, True])
async def test_a_process_that_is_killed_leaves_what_was_recorded(tmp_path: Path, films: Path, *, back: bool) -> None:
    """Up to the last whole segment; and should the encoder be back in time, it goes on."""
    data = tmp_path / "data"
    child = subprocess.Popen(  # noqa: ASYNC220  (it is short, and killed)
        [sys.executable, "-c", CHILD, str(data)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    url, key = child.stdout.readline().split()
    child.stdout.close()
    async with machine(data, listening=False) as there:
        stream, film = await there.stream(), clip(films, "cats")
        point = evolve(await there.ingest.point(stream), server_url=url)
        assert point.stream_key == key
        async with Sender.publishing(point) as sender:
            await sender.send(film)
            await sender.send(film, ms=2500)
            await until("segments", there.listed(stream, 6))
            child.kill()
            child.wait()
            await sender.cut_off()
    known = there.playlist(stream)
    whole = b"".join((there.folders(stream)[0] / segment_name(each.number)).read_bytes() for each in known.segments)
    (source,) = (data / "media" / "recordings").glob("*/source")
    source.write_bytes(source.read_bytes() + b"torn")
    async with machine(data) as here:
        await until("the end", lambda: Happening.SESSION_ENDED in [*there.kinds(), *here.kinds()])
        assert not here.heard(Happening.RECORDING_END)
        assert source.read_bytes() == whole
        if back:
            await here.push(film, stream)
            await until("a start", lambda: here.heard(Happening.STREAM_START))
            await until("more segments", here.listed(stream, len(known.segments) + 2))
            assert await here.ingest.stop(stream)
        else:
            await here.container.clock().advance(timedelta(seconds=stream.reconnect_window_s + 1))
        (end,) = await ended(here, stream)
        assert len(here.folders(stream)) == 1
        even((time for time, _ in pictures(here.recording(end).read_bytes())), here.playlist(stream).end_s)
        assert len(here.playlist(stream).segments) > len(known.segments) or not back


async def test_what_nobody_knows_of_goes_before_anybody_is_listened_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests read meanwhile, by the same connection: no other thread may."""
    lost = [tmp_path / "media" / name for name in ("recordings/rec-1/source", "media/l/str_1/rec-1/index.m3u8")]
    for path in lost:
        path.parent.mkdir(parents=True)
        path.touch()
    row, readers = Database.row, set()

    def read(*asked: Any) -> Any:
        readers.add(threading.get_ident())
        return row(*asked)

    monkeypatch.setattr(Database, "row", read)
    async with machine(tmp_path):
        assert not any(path.parent.exists() for path in lost)
    assert readers == {threading.get_ident()}


async def test_a_clean_end_of_the_process_ends_what_is_broadcast(tmp_path: Path, films: Path) -> None:
    """Down to the last piece that came; nothing runs any more."""
    async with machine(tmp_path / "data") as here:
        stream = await here.stream()
        async with Sender.publishing(await here.ingest.point(stream)) as sender:
            await sender.send(clip(films, "cats"))
            await until("a segment", here.listed(stream, 1))
            (on_air,) = here.station._on_air.values()
            assert on_air.feed._run is not None
            process = on_air.feed._run._process
            tasks = [task for task in asyncio.all_tasks() if "Station.run" in repr(task.get_coro())]
            tasks[0].cancel()
            await asyncio.wait(tasks)
        assert process.returncode == 0
        await until("the end", lambda: Happening.SESSION_ENDED in here.kinds())
        assert here.playlist(stream).end_s == pytest.approx(4, abs=0.05)


# --- a full disk


async def test_a_full_disk_ends_a_broadcast_and_keeps_what_was_recorded(tmp_path: Path, films: Path) -> None:
    data = tmp_path / "data"
    with small_disk(data) as mounted:
        if not mounted:
            return
        async with machine(data) as here:
            stream = await here.stream()
            async with Sender.publishing(await here.ingest.point(stream)) as sender:
                await sender.send(clip(films, "cats"))
                await until("segments", here.listed(stream, 3))
                ballast = data / "ballast"
                with ballast.open("wb", buffering=0) as file:
                    while _room(data):
                        file.write(bytes(_room(data)))
                with suppress(ConnectionError):
                    for _ in range(20):
                        await sender.send(clip(films, "heavy", "1280x720"))
                await sender.cut_off()
            before = here.playlist(stream)
            async with Sender.met(await here.ingest.point(stream)) as sender:
                await sender.ask((await here.ingest.point(stream)).stream_key)
                assert "insufficient_storage" in str(sender.told)
            ballast.unlink()
            await until("the failure", lambda: here.heard(Happening.STREAM_FAILURE))
            assert here.heard(Happening.STREAM_FAILURE)[0].detail["reason"] == "insufficient_storage"
            await here.container.clock().advance(timedelta(seconds=stream.reconnect_window_s + 1))
            (end,) = await ended(here, stream)
            content = here.recording(end).read_bytes()
            assert len(pictures(content)) >= 3 * RATE
            assert len(content) == before.bytes
            await here.push(clip(films, "cats"), stream)
            await until("another start", lambda: len(here.heard(Happening.STREAM_START)) == 2)


def _room(folder: Path) -> int:
    found = os.statvfs(folder)
    return min(1 << 20, found.f_bavail * found.f_frsize)


# --- afterwards


async def test_a_backup_takes_along_what_was_recorded_so_far(here: Machine, films: Path, tmp_path: Path) -> None:
    """Made while a broadcast goes on; of a stream that nothing is stored of, so that the check says so."""
    stream = await here.stream(window_s=0)
    await here.push(clip(films, "cats"), stream)
    await until("segments", here.listed(stream, 2))
    now = here.container.now()()
    made = await asyncio.to_thread(backup, here.data / "hexcast.db", here.data / "media", tmp_path / "all.tar", now)
    assert made.missing == ()
    restore(tmp_path / "all.tar", tmp_path / "again")
    async with machine(tmp_path / "again") as again:
        (end,) = await ended(again, stream)
        content = again.recording(end).read_bytes()
        assert len(pictures(content)) >= 2 * RATE
        assert content == (here.data / "media" / str(end.detail["source"])).read_bytes()[: len(content)]
        (again.data / "media" / "recordings" / "rec-lost").mkdir()
        audit = Audit(again.container.database(), again.data / "media", again.container.now())
        found = {each.subject for each in await audit.find() if each.kind == "file"}
        assert found == {f"l/{stream.id}", "recordings/rec-lost"}
    async with machine(tmp_path / "again"):
        assert not (again.data / "media" / "recordings" / "rec-lost").exists()


@pytest.mark.parametrize("step", [Pretence.DROP, Pretence.END])
async def test_a_real_encoder_is_pretended(here: Machine, step: Pretence) -> None:
    stream, simulator = await here.stream(), here.container.simulator()
    for refused in (step, Pretence.STARVE, Pretence.DUPLICATE):
        with pytest.raises(Conflict):
            await simulator.simulate(stream, refused)
    await simulator.simulate(stream, Pretence.START)
    with pytest.raises(Conflict):
        await simulator.simulate(stream, Pretence.START)
    await until("a segment", here.listed(stream, 1))
    await simulator.simulate(stream, step)
    await until("the end", lambda: Happening.SESSION_ENDED in here.kinds())
    assert bool(here.station._takes) is (step is Pretence.DROP)
    before = len(here.said)
    await simulator.simulate(stream, Pretence.DUPLICATE)
    await until("it again", lambda: len(here.said) > before)
    assert here.said[-1] in here.said[:-1]
    await simulator.simulate(stream, Pretence.REORDER)
    await until("all of it", lambda: here.kinds()[-1] is Happening.SESSION_CREATED)


async def test_a_pretended_encoder_starves(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station, "SILENT_S", 0.5)
    monkeypatch.setattr(station, "TICK_S", 0.1)
    stream, simulator = await here.stream(), here.container.simulator()
    await simulator.simulate(stream, Pretence.START)
    await until("a segment", here.listed(stream, 1))
    await simulator.simulate(stream, Pretence.STARVE)
    await until("the starvation", lambda: here.heard(Happening.STARVATION_START))
    await simulator.simulate(stream, Pretence.STARVE)
    await until("its end", lambda: here.heard(Happening.STARVATION_END))


async def test_a_recording_becomes_a_video(here: Machine, films: Path) -> None:
    """With pictures of two sizes in it, as the transcoder takes any other source; then it is freed."""
    stream = await here.stream()
    async with Sender.publishing(await here.ingest.point(stream)) as sender:
        await sender.send(clip(films, "cats"))
        await sender.send(clip(films, "large", "640x360"))
        await until("all of it", lambda: here.playlist(stream).end_s > 6)
    await here.ingest.stop(stream)
    (end,) = await ended(here, stream)
    source = str(end.detail["source"])
    ready = await _transcoded(here, source)
    assert ready.media is not None
    assert ready.media.duration_s == pytest.approx(8, abs=0.3)
    for _ in range(2):
        await here.ingest.discard(source)
        assert not here.recording(end).parent.exists()


async def _transcoded(here: Machine, source: str) -> Report:
    working = asyncio.create_task(here.container.transcoder().run())
    queue: JobQueue = here.container.queue()
    await queue.add(TranscodeOrder(video=VideoId("vid_1"), attempt=1, source=source))
    report: Report = await here.container.reports().next()
    while report.state not in TERMINAL:
        await here.container.reports().settle(report)
        report = await here.container.reports().next()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert report.state is State.READY, report
    return report
