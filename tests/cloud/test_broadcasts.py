"""Recordings of broadcasts, as MediaConvert takes them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from adapters.aws.signals import MANIFEST
from application.ports import TranscodeOrder
from domain.ids import VideoId
from domain.processing import Report, State
from tests.cloud.broadcasts import files, film, manifest, record
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
