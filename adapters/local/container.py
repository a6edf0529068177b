"""One machine: records in memory, media on its disk, made with ffmpeg."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dependency_injector.providers import Dependency, Singleton

from adapters.inmemory.container import Records
from adapters.local.disk import DiskMedia
from adapters.local.ffmpeg import FfmpegTranscoder
from adapters.system import secret as fresh_key


class Local(Records):
    """All of the profile ``local``."""

    data = Dependency(instance_of=Path)
    transcode_jobs = Dependency(instance_of=int)

    media = Singleton(DiskMedia, data, Records.links, Records.now)
    store = media
    delivery = media
    transcoder = Singleton(FfmpegTranscoder, media, Records.reports, jobs=transcode_jobs)


@asynccontextmanager
async def opened(*, public_url: str, secret: bytes | None, data: Path, transcode_jobs: int) -> AsyncIterator[Local]:
    """The adapters, and at the end nothing of theirs is left running."""
    container = Local(
        public_url=public_url, key=secret or fresh_key(), data=data, transcode_jobs=transcode_jobs
    )  # fmt: skip
    try:
        yield container
    finally:
        await container.transcoder().aclose()
        container.search().close()
