"""One machine: records in memory, media on its disk, made with ffmpeg."""

import asyncio
import fcntl
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from dependency_injector.providers import Dependency, Singleton

from adapters.inmemory.container import Records
from adapters.local.database import Database
from adapters.local.disk import DiskMedia
from adapters.local.ffmpeg import FfmpegTranscoder
from adapters.local.jobs import JobQueue, SqliteReports
from adapters.system import secret as fresh_key
from domain.errors import Invalid


class Local(Records):
    """All of the profile ``local``."""

    data = Dependency(instance_of=Path)
    transcode_jobs = Dependency(instance_of=int)
    database = Dependency(instance_of=Database)

    media = Singleton(DiskMedia, data, Records.links, Records.now)
    store = media
    delivery = media
    reports = Singleton(SqliteReports, database, Records.now)
    queue = Singleton(JobQueue, database, reports, Records.now)
    transcoder = Singleton(FfmpegTranscoder, media, queue, jobs=transcode_jobs)


@asynccontextmanager
async def opened(*, public_url: str, secret: bytes | None, data: Path, transcode_jobs: int) -> AsyncIterator[Local]:
    """The adapters, and at the end nothing of theirs is left running."""
    with _claimed(data) as media:
        database = Database(media / "jobs.db", durable=False)  # forgotten with the media
        container = Local(
            public_url=public_url, key=secret or fresh_key(), data=media, transcode_jobs=transcode_jobs,
            database=database,
        )  # fmt: skip
        running = asyncio.create_task(container.transcoder().run())
        try:
            yield container
        finally:
            running.cancel()
            await asyncio.wait([running])
            container.search().close()
            database.close()


@contextmanager
def _claimed(data: Path) -> Iterator[Path]:
    """The folder for media, for this process alone; what an earlier one left there belongs to no record, and goes.

    Raises Invalid (``data_in_use``, ``data_unusable``).
    """
    lock, media = data / "hexcast.lock", data / "media"
    # A folder of that name which we did not make is not ours to empty.
    if media.exists() and not lock.exists():
        raise Invalid(f"{media} is there already, and is no folder of ours", code="data_unusable")
    try:
        data.mkdir(parents=True, exist_ok=True)
        held = lock.open("a")
    except OSError as error:
        raise Invalid(f"{data} cannot be used: {error.strerror or error}", code="data_unusable") from error
    with held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Invalid(f"another process serves {data}", code="data_in_use") from None
        if media.exists():
            shutil.rmtree(media)
        media.mkdir()
        yield media
