"""Recordings of broadcasts, as MediaConvert takes them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from adapters.aws.signals import MANIFEST
from application.ports import TranscodeOrder
from domain.broadcasts import Happening
from domain.ids import ChannelId, StreamId, VideoId
from domain.processing import Report, State
from domain.streams import Stream
from tests.cloud.broadcasts import files, film, manifest, record
from tests.cloud.onair import on_air
from tests.cloud.studio import Studio
from tests.cloud.studio import studio as opened_studio
from tests.media import films

PREFIX = "ivs/v1/1/AbCdef1G2hij/2026/11/30/10/1/j8Z9O91ndcVs/"
ORDER = TranscodeOrder(video=VideoId("vid_1"), attempt=1, source=PREFIX + MANIFEST)


@pytest.fixture
async def studio() -> AsyncIterator[Studio]:
    async with opened_studio(max_duration_s=30) as here:
        yield here


@pytest.fixture
async def film_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "film"
    folder.mkdir()
    await film(films.FFMPEG, folder)
    return folder


async def put(studio: Studio, folder: Path) -> None:
    for path in files(folder):
        key = f"{PREFIX}media/{path.relative_to(folder).as_posix()}"
        await studio.buckets.s3.put_object(Bucket=studio.buckets.raw, Key=key, Body=path.read_bytes())


async def told(studio: Studio) -> Report:
    while (report := await studio.reports.next()).state not in {State.READY, State.FAILED}:
        await studio.reports.settle(report)
    return report


async def test_a_recording_of_two_broadcasts_becomes_one_film(
    studio: Studio, film_folder: Path, tmp_path: Path
) -> None:
    record([film_folder, film_folder], tmp_path / "media")
    await put(studio, tmp_path / "media")
    await studio.transcoder.start(ORDER)
    ready = await told(studio)
    assert ready.state is State.READY, ready.failure
    assert ready.media is not None
    assert ready.media.duration_s == pytest.approx(8, abs=0.5)
    assert (ready.media.width, ready.media.height, ready.media.has_audio) == (640, 360, True)


async def test_what_is_not_all_there_is_missing(studio: Studio) -> None:
    """The manifest, then the playlist that it names; and one that names none cannot be read."""
    s3, bucket = studio.buckets.s3, studio.buckets.raw
    codes = []
    for content in (None, manifest(), "#EXTM3U\n"):
        if content is not None:
            await s3.put_object(Bucket=bucket, Key=ORDER.source, Body=content.encode())
        await studio.transcoder.start(ORDER)
        failed = await told(studio)
        await studio.reports.settle(failed)
        assert failed.failure is not None
        codes.append(failed.failure.code)
    assert codes == ["source_missing", "source_missing", "unreadable"]


async def test_probe_reads_no_playlists(studio: Studio) -> None:
    """No format of its answer is one (the service's model), so nobody shall count on it."""
    with pytest.raises(ClientError, match="not supported"):
        await studio.client.probe(InputFiles=[{"FileUrl": f"s3://{studio.buckets.raw}/{ORDER.source}"}])


async def test_an_encoder_is_pretended_by_the_name_of_our_stream() -> None:
    """In the words that the API of the offline profiles has for it. An id is that of one stream in all accounts, so the
    channels that other tests left must not have it.
    """
    async with on_air() as air:
        name, other = f"str_{air.world.account}", f"str_x{air.world.account}"
        stream = Stream(id=StreamId(name), channel=ChannelId("chn_1"), title="Live", created_at=air.clock.now())
        await air.ingest.open(stream)

        async def pretend(step: str, stream: str = name) -> int:
            path = f"{air.world.stack.endpoint}/_hexcast/streams/{stream}/simulate"
            return (await air.http.post(path, json={"step": step})).status_code

        assert [await pretend("end"), await pretend("start", other), await pretend("explode")] == [404, 404, 400]
        assert await pretend("start") == 204
        assert len(await air.ingest.live()) == 1
        assert [await pretend("start"), await pretend("starve"), await pretend("starve")] == [404, 204, 204]
        assert await pretend("drop") == 204
        assert await air.ingest.live() == []
        assert [await pretend("start"), await pretend("end")] == [204, 204]
        kinds = [each.kind for each in await air.signals()]
        assert kinds.count(Happening.STREAM_START) == kinds.count(Happening.STREAM_END) == 2
        assert kinds.count(Happening.RECORDING_END) == 1
        assert {Happening.STARVATION_START, Happening.STARVATION_END} <= set(kinds)
        await air.client.create_channel(name=air.channels.name(stream.id))
        assert await pretend("start") == 404  # nobody knows which of the two
