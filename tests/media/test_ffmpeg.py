"""FfmpegTranscoder on real files: what it makes plays from beginning to end, and what it cannot play it refuses."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import av
import pytest
from attrs import frozen
from PIL import Image

from adapters.links import Links
from adapters.local.database import Database
from adapters.local.disk import DiskMedia
from adapters.local.ffmpeg import FfmpegTranscoder
from adapters.local.jobs import Hold, JobQueue
from adapters.local.told import SqliteReports
from application.ports import TranscodeOrder
from domain.ids import VideoId
from domain.media import FIRST_MANIFEST, MANIFEST, POSTER, STORYBOARD, Media, attempt_prefix
from domain.processing import TERMINAL, Failure, Report, State
from tests.media import films
from tests.worlds import FakeClock

VIDEO = VideoId("vid_1")
ORDER = TranscodeOrder(video=VIDEO, attempt=1, source="raw/upl_1/source")
PREFIX = attempt_prefix(VIDEO, 1)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the films lie that tests share."""
    return tmp_path_factory.mktemp("films")


@frozen
class Studio:
    root: Path
    media: DiskMedia
    reports: SqliteReports
    transcoder: FfmpegTranscoder

    def take(self, film: Path | bytes) -> None:
        """As if it had been uploaded."""
        source = self.root / ORDER.source
        source.parent.mkdir()
        source.write_bytes(film if isinstance(film, bytes) else film.read_bytes())

    async def told(self) -> Sequence[Report]:
        """All that is reported of the order, to the end."""
        await self.transcoder.start(ORDER)
        reports: list[Report] = []
        while not reports or reports[-1].state not in TERMINAL:
            reports.append(await self.reports.next())
            await self.reports.settle(reports[-1])
        return reports

    def path(self, name: str) -> Path:
        return self.media.path_of(PREFIX + name)

    def shown(self) -> list[str]:
        """Everything that can be seen from outside, and whatever was left lying about."""
        folders = (self.root / "media", self.root / "tmp")
        return sorted(str(path.relative_to(self.root)) for top in folders for path in top.rglob("*") if path.is_file())


@asynccontextmanager
async def studio(root: Path, ffmpeg: str | None = None, max_duration_s: float = 3600) -> AsyncIterator[Studio]:
    clock = FakeClock()
    media = DiskMedia(root, Links(b"key", "", clock.now), clock.now)
    media.clear_scratch()
    database = Database(root / "hexcast.db", durable=False)
    reports = SqliteReports(database, clock.now)
    queue = JobQueue(database, reports, clock.now)
    transcoder = FfmpegTranscoder(media, queue, jobs=1, ffmpeg=ffmpeg, max_duration_s=max_duration_s)
    running = asyncio.create_task(transcoder.run())
    try:
        yield Studio(root, media, reports, transcoder)
    finally:
        running.cancel()
        await asyncio.wait([running])
        database.close()


def times(playlist: Path) -> list[tuple[float, float]]:
    """Begin and end of every picture or piece of sound, decoded from the first segment to the last."""
    with av.open(str(playlist), options={"allowed_extensions": "ALL"}) as container:
        stream = container.streams[0]
        found = []
        for frame in container.decode(stream):
            assert isinstance(frame, av.VideoFrame | av.AudioFrame)
            assert frame.time is not None
            if isinstance(frame, av.AudioFrame):
                length = frame.samples / frame.sample_rate
            else:
                assert (frame.width % 2, frame.height % 2) == (0, 0)
                assert frame.format.name == "yuv420p"
                length = float(frame.duration * (frame.time_base or 0))
            found.append((frame.time, frame.time + length))
        return found


def variants(master: str) -> list[tuple[str, str]]:
    return re.findall(r"#EXT-X-STREAM-INF:(.+)\n(.+)\n", master)


@frozen
class Expected:
    seconds: float
    aspect: tuple[int, int] = (320, 240)
    names: tuple[str, ...] = ("240p",)
    fps: float = 25

    @property
    def ratio(self) -> float:
        return self.aspect[0] / self.aspect[1]


FILMS: list[tuple[Callable[[Path], Path], Expected]] = [
    (films.landscape, Expected(4.0, (854, 480), ("360p", "480p"))),
    (films.portrait, Expected(2.0, (360, 640), ("360p",))),
    (films.odd, Expected(2.0, (321, 241))),
    (films.wandering, Expected(2.93, fps=24)),
    (films.still, Expected(0.04)),
    (films.long_sound, Expected(3.0)),
    (films.short_sound, Expected(3.0)),
    (films.late_picture, Expected(3.0)),
    (films.recording, Expected(2.0)),
    (films.wide_pixels, Expected(2.0, (640, 360), ("360p",))),
    (films.bright, Expected(1.0)),
]


@pytest.mark.parametrize(("film", "expected"), FILMS, ids=[film.__name__ for film, _ in FILMS])
async def test_what_it_makes_plays_to_the_end(
    store: Path, tmp_path: Path, film: Callable[[Path], Path], expected: Expected
) -> None:
    async with studio(tmp_path) as local:
        local.take(film(store))
        ready = (await local.told())[-1]
        assert ready.state is State.READY, ready.failure
        media = ready.media
        assert media is not None
        frame = 1 / expected.fps + 0.001
        assert tuple(rendition.name for rendition in media.renditions) == expected.names
        assert media.duration_s == pytest.approx(expected.seconds, abs=frame)
        assert media.complete
        assert media.manifest == MANIFEST
        master = local.path(MANIFEST).read_text()
        assert [uri for _, uri in variants(master)] == [f"{name}/index.m3u8" for name in expected.names]
        for rendition in media.renditions:
            check_pictures(times(local.path(f"hls/{rendition.name}/index.m3u8")), expected.seconds, frame)
            assert rendition.width / rendition.height == pytest.approx(expected.ratio, rel=0.01)
            assert max(rendition.width, rendition.height) <= max(expected.aspect)
        assert media.has_audio == local.path("hls/audio/index.m3u8").exists()
        if media.has_audio:
            sound = times(local.path("hls/audio/index.m3u8"))
            assert sound[0][0] == pytest.approx(0, abs=0.03)
            assert sound[-1][1] == pytest.approx(expected.seconds, abs=0.05)
        check_stills(local, media, expected)
        assert [name for name in local.shown() if name.startswith("tmp")] == []


def check_pictures(pictures: list[tuple[float, float]], seconds: float, frame: float) -> None:
    """From 0 s to the end at a steady rate: nothing missing, nothing twice."""
    assert pictures[0][0] == pytest.approx(0, abs=1e-3)
    assert pictures[-1][1] == pytest.approx(seconds, abs=frame)
    assert all(later[0] - sooner[0] == pytest.approx(frame - 0.001, abs=1e-3) for sooner, later in pairwise(pictures))


def check_stills(local: Studio, media: Media, expected: Expected) -> None:
    assert media.poster
    with Image.open(local.path(POSTER)) as poster:
        poster.load()
        assert poster.format == "JPEG"
        assert poster.width / poster.height == pytest.approx(expected.ratio, rel=0.02)
        assert len(poster.convert("L").resize((8, 8)).getcolors() or []) > 8  # not one colour
    assert media.storyboard
    cues = re.findall(r"([\d:.]+) --> ([\d:.]+)\n(.+)#xywh=(\d+),(\d+),(\d+),(\d+)", local.path(STORYBOARD).read_text())
    assert cues
    assert cues[0][0] == "00:00:00.000"
    ends = [sum(float(part) * 60**power for power, part in enumerate(reversed(cue[1].split(":")))) for cue in cues]
    assert ends[-1] == pytest.approx(expected.seconds, abs=0.05)
    for _, _, sheet, *box in cues:
        x, y, width, height = map(int, box)
        with Image.open(local.path(sheet)) as tiles:
            tiles.load()
            assert width == 160
            assert width / height == pytest.approx(expected.ratio, rel=0.05)
            assert x + width <= tiles.width
            assert y + height <= tiles.height
            assert len(tiles.convert("L").crop((x, y, x + width, y + height)).resize((8, 8)).getcolors() or []) > 8


async def test_first_the_lowest_rendition_can_be_played(store: Path, tmp_path: Path) -> None:
    async with studio(tmp_path) as local:
        local.take(films.landscape(store))
        await local.transcoder.start(ORDER)
        while (report := await local.reports.next()).media is None:
            assert report.state not in TERMINAL
        media = report.media
        assert report.state is State.TRANSCODING
        assert not media.complete
        assert media.poster
        assert media.storyboard
        assert [rendition.name for rendition in media.renditions] == ["360p"]
        assert len(times(local.path("hls/360p/index.m3u8"))) == 100
        assert 'AUDIO="audio"' in local.path(FIRST_MANIFEST).read_text()
        assert not local.path(MANIFEST).exists()
        assert not local.path("hls/480p").exists()


async def test_progress_only_ever_grows_and_comes_from_the_encoder(store: Path, tmp_path: Path) -> None:
    async with studio(tmp_path) as local:
        local.take(films.landscape(store))
        reports = await local.told()
        assert [report.percent for report in reports] == sorted(report.percent for report in reports)
        assert [report.state for report in reports[:2]] == [State.PROBING, State.TRANSCODING]
        assert reports[-1].percent == 100


async def test_the_master_playlist_says_what_was_measured(store: Path, tmp_path: Path) -> None:
    async with studio(tmp_path) as local:
        local.take(films.landscape(store))
        ready = (await local.told())[-1]
        assert ready.media is not None
        audio = sum(path.stat().st_size for path in local.path("hls/audio").glob("*.m4s")) * 8 / 4
        master = local.path(MANIFEST).read_text()
        for (attributes, _), rendition in zip(variants(master), ready.media.renditions, strict=True):
            bits = sum(path.stat().st_size for path in local.path(f"hls/{rendition.name}").glob("*.m4s")) * 8 / 4
            said = dict(re.findall(r"([A-Z-]+)=(\"[^\"]*\"|[^,]*)", attributes))
            assert int(said["AVERAGE-BANDWIDTH"]) == pytest.approx(bits + audio, rel=0.02)
            assert int(said["BANDWIDTH"]) >= int(said["AVERAGE-BANDWIDTH"])
            assert said["RESOLUTION"] == f"{rendition.width}x{rendition.height}"
            assert said["FRAME-RATE"] == "25.000"
            assert re.fullmatch(r'"avc1\.64[0-9a-f]{4},mp4a\.40\.2"', said["CODECS"])
            assert said["CODECS"] == f'"{rendition.codecs}"'


async def test_what_is_reported_outlives_a_power_cut(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before media are named, each file and folder was synchronised as it is then."""
    synced: dict[int, int] = {}

    def recorded(sync: Callable[[int], None]) -> Callable[[int], None]:
        def record(handle: int) -> None:
            found = os.fstat(handle)
            synced[found.st_ino] = found.st_mtime_ns
            sync(handle)

        return record

    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, recorded(getattr(os, name)))
    async with studio(tmp_path) as local:
        local.take(films.landscape(store))
        said: list[Report] = []
        say = JobQueue.say

        async def checked(queue: JobQueue, hold: Hold, report: Report) -> None:
            if report.media is not None and report.media not in [before.media for before in said]:
                said.append(report)
                media = local.root / "media"
                for path in (media, *media.rglob("*")):
                    found = path.stat()
                    assert synced.get(found.st_ino) == found.st_mtime_ns, path
            await say(queue, hold, report)

        monkeypatch.setattr(JobQueue, "say", checked)
        assert (await local.told())[-1].state is State.READY
        assert len(said) == 2


async def test_renditions_are_cut_at_the_same_times(store: Path, tmp_path: Path) -> None:
    long = films.film(store, "ntsc.mp4", films.picture("854x480", 13, "30000/1001"), "-an")
    async with studio(tmp_path) as local:
        local.take(long)
        await local.told()
        cuts = []
        for name in ("360p", "480p"):
            playlist = local.path(f"hls/{name}/index.m3u8").read_text()
            cuts.append(re.findall(r"#EXTINF:([\d.]+)", playlist))
            with av.open(str(local.path(f"hls/{name}/index.m3u8")), options={"allowed_extensions": "ALL"}) as container:
                packets = list(container.demux(container.streams.video[0]))
            keys = [float((packet.pts or 0) * packet.time_base) for packet in packets if packet.is_keyframe]
            assert keys == pytest.approx([0, 2, 4, 6, 8, 10, 12], abs=1 / 29)
        assert cuts[0] == cuts[1]
        assert [float(cut) for cut in cuts[0]] == pytest.approx([6, 6, 1], abs=1 / 29)


def lengths(playlist: Path) -> list[float]:
    return [float(found) for found in re.findall(r"#EXTINF:([\d.]+)", playlist.read_text())]


@pytest.mark.parametrize(
    ("pictures_s", "sound_s", "hertz"),
    [
        (6, 6, 44_100), (6, 6, 48_000), (12, 12, 44_100), (12, 12, 48_000), (18, 18, 44_100), (18, 18, 48_000),
        (6, 5, 48_000), (6, 5.99, 44_100), (6, 6.03, 48_000), (6, 7, 44_100), (6.04, 6.04, 48_000), (6.04, 6, 48_000),
        (6.2, 6.2, 44_100),
    ],
)  # fmt: skip
async def test_no_rendition_ends_in_a_sliver(
    store: Path, tmp_path: Path, pictures_s: float, sound_s: float, hertz: int
) -> None:
    """hls.js would wait for it. All of it is there, up to the end of what lasts longer."""
    frame, packet = 1 / 25, 1024 / 48_000
    name = f"{pictures_s}-{sound_s}-{hertz}.mp4"
    inputs = [*films.picture("160x120", pictures_s), *films.tone(sound_s)]
    film = films.film(store, name, inputs, "-c:a", "aac", "-ar", str(hertz))
    async with studio(tmp_path) as local:
        local.take(film)
        media = (await local.told())[-1].media
        assert media is not None
        playlists = {name: local.path(f"hls/{name}/index.m3u8") for name in (media.renditions[0].name, "audio")}
        pictures, sound = map(lengths, playlists.values())
        for playlist in playlists.values():
            *_, last = lengths(playlist)
            assert last > 0.3
            assert "#EXT-X-TARGETDURATION:6\n" in playlist.read_text()
            listed = [line for line in playlist.read_text().splitlines() if line.endswith(".m4s")]
            assert sorted(listed) == sorted(path.name for path in playlist.parent.glob("*.m4s"))
        # One packet comes before 0 s, and the last is filled up.
        assert sum(sound) - sum(pictures) == pytest.approx(packet, abs=frame)
        seen, heard = map(times, playlists.values())
        check_pictures(seen, max(pictures_s, sound_s), frame + 0.001)
        assert heard[-1][1] == pytest.approx(max(pictures_s, sound_s), abs=frame)
        assert all(later[0] == pytest.approx(sooner[1], abs=1e-3) for sooner, later in pairwise(heard))


# --- what it refuses ---------------------------------------------------------------------------------


async def refusal(root: Path, film: Path | bytes, max_duration_s: float = 3600) -> Failure:
    async with studio(root, max_duration_s=max_duration_s) as local:
        local.take(film)
        report = (await local.told())[-1]
        assert report.state is State.FAILED
        assert report.media is None
        assert report.failure is not None
        assert local.shown() == []
        return report.failure


async def test_sound_alone_is_no_video(store: Path, tmp_path: Path) -> None:
    assert (await refusal(tmp_path, films.sound_alone(store))).code == "no_video"


async def test_a_film_longer_than_allowed_is_too_long(store: Path, tmp_path: Path) -> None:
    assert (await refusal(tmp_path, films.landscape(store), max_duration_s=3.0)).code == "too_long"


async def test_without_the_upload_the_source_is_missing(tmp_path: Path) -> None:
    async with studio(tmp_path) as local:
        failure = (await local.told())[-1].failure
    assert failure == Failure("source_missing", "the uploaded file is not there")


@pytest.mark.parametrize(
    "content", [b"", b"once upon a time\n" * 1000, b"\0" * 100_000], ids=["empty", "text", "zeros"]
)
async def test_what_is_no_media_is_unreadable(tmp_path: Path, content: bytes) -> None:
    failure = await refusal(tmp_path, content)
    assert failure.code == "unreadable"
    assert not failure.transient


async def test_an_mp4_without_its_end_is_unreadable(store: Path, tmp_path: Path) -> None:
    whole = films.landscape(store).read_bytes()
    assert (await refusal(tmp_path, whole[: len(whole) * 3 // 4])).code == "unreadable"


async def test_an_mp4_with_its_index_in_front_plays_as_far_as_it_goes(store: Path, tmp_path: Path) -> None:
    front = films.film(store, "front.mp4", films.picture("320x240", 4), "-movflags", "+faststart", "-g", "25", "-an")
    whole = front.read_bytes()
    async with studio(tmp_path) as local:
        local.take(whole[: len(whole) // 2])
        ready = (await local.told())[-1]
        assert ready.media is not None, ready.failure
        assert 0.5 < ready.media.duration_s < 3.5
        check_pictures(times(local.path("hls/240p/index.m3u8")), ready.media.duration_s, 0.041)


def playlists(secret: Path) -> list[tuple[str, str]]:
    return [
        ("hls", f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n"),
        ("hls-file", f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n"),
        ("concat", f"ffconcat version 1.0\nfile '{secret}'\n"),
        ("dash", f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{secret}</BaseURL></MPD>'),
        ("sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"),
    ]


@pytest.mark.parametrize("kind", range(5), ids=[name for name, _ in playlists(Path("/x"))])
async def test_a_list_of_other_files_is_unreadable_and_leads_nowhere(store: Path, tmp_path: Path, kind: int) -> None:
    # The file that it names could be played: were it followed, this would end in READY.
    failure = await refusal(tmp_path, playlists(films.landscape(store))[kind][1].encode())
    assert failure.code == "unreadable"


# --- the process -------------------------------------------------------------------------------------


def encoder(folder: Path, script: str) -> str:
    """Something in ffmpeg's place."""
    path = folder / "encoder"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        ("kill -9 $$", "the encoder ended with signal 9"),
        ("exit 3", "the encoder ended with status 3"),
        ("head -c 5000000 /dev/zero >&2; exit 1", "the encoder ended with status 1"),
    ],
)
async def test_an_encoder_that_dies_fails_the_attempt_for_now(
    store: Path, tmp_path: Path, script: str, detail: str
) -> None:
    async with studio(tmp_path / "data", ffmpeg=encoder(tmp_path, script)) as local:
        local.take(films.landscape(store))
        report = (await local.told())[-1]
        assert report.failure == Failure("encoder_failed", detail, transient=True)
        assert local.shown() == []


def children() -> set[str]:
    """Running child processes of this one."""
    thread = Path("/proc/thread-self").resolve().name
    return set(Path("/proc/self/task").joinpath(thread, "children").read_text().split())


async def under_way(local: Studio) -> None:
    """Returns when something is shown already and the encoder is at the rest."""
    await local.transcoder.start(ORDER)
    while (report := await local.reports.next()).media is None:
        assert report.state not in TERMINAL


async def test_a_cancelled_job_leaves_no_process_no_file_and_no_report(store: Path, tmp_path: Path) -> None:
    others = children()
    async with studio(tmp_path) as local:
        local.take(films.long_film(store))
        await under_way(local)
        job = await local.transcoder.start(ORDER)
        await local.transcoder.cancel(job)
        assert children() == others
        assert local.shown() == []
        assert await local.transcoder.status(job) is None


async def test_closing_leaves_no_process_and_nothing_half_made(store: Path, tmp_path: Path) -> None:
    others = children()
    async with studio(tmp_path) as local:
        local.take(films.long_film(store))
        await under_way(local)
        assert len(children() - others) == 1
    assert children() == others
    # What was reported can be watched all the same, and there is nothing else.
    left = [name.removeprefix(f"media/{PREFIX}") for name in local.shown()]
    assert FIRST_MANIFEST in left
    assert {name.rpartition("/")[0] for name in left} == {"", "hls", "hls/360p"}


async def test_a_job_goes_on_after_a_restart(store: Path, tmp_path: Path) -> None:
    async with studio(tmp_path) as local:
        local.take(films.landscape(store))
        await under_way(local)
        shown = {path: path.stat() for path in local.path("hls").rglob("*.m4s")}
    assert shown
    async with studio(tmp_path) as local:
        job = await local.transcoder.start(ORDER)
        reports = await local.told()
        ready = reports[-1]
        assert ready.state is State.READY, ready.failure
        assert {report.job for report in reports} == {job}
        # Nothing that was said is taken back, and nothing that was shown is touched.
        assert {report.state for report in reports} <= {State.TRANSCODING, State.READY}
        assert {path: path.stat() for path in shown} == shown
        assert ready.media is not None
        check_stills(local, ready.media, Expected(4.0, (854, 480)))
        assert (ready.media.width, ready.media.height, ready.media.has_audio) == (854, 480, True)
        for name in ("360p", "480p"):
            check_pictures(times(local.path(f"hls/{name}/index.m3u8")), 4.0, 0.041)
        assert [uri for _, uri in variants(local.path(MANIFEST).read_text())] == ["360p/index.m3u8", "480p/index.m3u8"]
        assert times(local.path("hls/audio/index.m3u8"))[-1][1] == pytest.approx(4.0, abs=0.05)
        assert await local.transcoder.status(job) == ready


async def test_a_job_begins_anew_when_nothing_was_shown_before_a_restart(store: Path, tmp_path: Path) -> None:
    async with studio(tmp_path / "data", ffmpeg=encoder(tmp_path, "echo out_time_us=1000000; exec sleep 600")) as local:
        local.take(films.landscape(store))
        job = await local.transcoder.start(ORDER)
        while (await local.reports.next()).percent == 0:
            pass
        local.path("hls/360p").mkdir(parents=True)
        local.path("hls/360p/00009.m4s").write_bytes(b"shown, and not yet reported")
        local.path("hls/480p").mkdir()
    async with studio(tmp_path / "data") as local:
        pending = await local.transcoder.status(job)
        assert pending is not None
        assert pending.state is State.PENDING
        reports = await local.told()
        assert (reports[-1].state, reports[-1].job) == (State.READY, job), reports[-1].failure
        percents = [report.percent for report in reports if report.state is not State.PROBING]
        assert percents == sorted(percents)
        assert not local.path("hls/360p/00009.m4s").exists()
        check_pictures(times(local.path("hls/480p/index.m3u8")), 4.0, 0.041)


async def test_what_a_run_made_and_did_not_report_is_made_again(store: Path, tmp_path: Path) -> None:
    """The last rendition was in its place, but the power went before that was said."""
    async with studio(tmp_path) as local:
        local.take(films.landscape(store))
        await under_way(local)
    local.path("hls/480p").mkdir()
    local.path("hls/480p/00009.m4s").write_bytes(b"of before")
    async with studio(tmp_path) as local:
        assert (await local.told())[-1].state is State.READY
        assert not local.path("hls/480p/00009.m4s").exists()
        check_pictures(times(local.path("hls/480p/index.m3u8")), 4.0, 0.041)


async def test_what_a_killed_process_left_is_gone_after_the_next_start(tmp_path: Path) -> None:
    async with studio(tmp_path) as local:
        (local.media.scratch() / "00000.m4s").write_bytes(b"half a segment")
    async with studio(tmp_path) as local:
        assert local.shown() == []
