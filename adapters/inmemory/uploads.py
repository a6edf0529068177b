"""Uploads in memory, and what each user's take."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from attrs import define
from sortedcontainers import SortedList

from adapters.cursors import Key
from adapters.inmemory.outbox import Changes, InMemoryOutbox
from adapters.inmemory.paging import BEYOND, page, walk
from adapters.inmemory.videos import InMemoryVideos
from adapters.versions import next_version
from application.ports import Event, Page
from domain.errors import Forbidden, NotFound, Stale
from domain.ids import UploadId, UserId, VideoId
from domain.uploads import OPEN, Upload
from domain.videos import Video


@define
class _Usage:
    """What one user's uploads take together."""

    bytes: int = 0
    open: int = 0
    all: int = 0


class InMemoryUploads:
    """By id, and indices of keys that end in a time and the id."""

    def __init__(self, outbox: InMemoryOutbox, changes: Changes, videos: InMemoryVideos) -> None:
        self._outbox = outbox
        self._videos = videos
        self._changes = changes
        self._uploads: dict[UploadId, Upload] = {}
        self._usage: dict[UserId, _Usage] = {}
        self._by_user: SortedList[Key] = SortedList()
        self._open_by_user: SortedList[Key] = SortedList()
        self._by_video: SortedList[Key] = SortedList()
        self._expiring: SortedList[Key] = SortedList()

    async def get(self, upload: UploadId) -> Upload:
        try:
            return self._uploads[upload]
        except KeyError:
            raise NotFound("there is no such upload") from None

    async def start(self, upload: Upload, quota_bytes: int, open_most: int, *, video: Video | None = None) -> Upload:
        used = self._usage.get(upload.user, _Usage())
        if used.bytes + (upload.size_bytes if upload.counts else 0) > quota_bytes:
            raise Forbidden(f"your uploads may take {quota_bytes} bytes together", code="quota_exceeded")
        if used.open + (upload.status in OPEN) > open_most:
            raise Forbidden(f"you may have {open_most} uploads open", code="too_many_uploads")
        stored = self._put(upload)
        if video is not None:
            await self._videos.save(video)
        return stored

    async def save(self, upload: Upload, *events: Event) -> Upload:
        saved = self._put(upload)
        self._outbox.append(events)
        return saved

    async def of_user(
        self, user: UserId, *, open_only: bool = False, cursor: str | None = None, limit: int = 20
    ) -> Page[Upload]:
        index = self._open_by_user if open_only else self._by_user
        return page(index, self._of, within=(user,), cursor=cursor, limit=limit, descending=True)

    async def of_video(self, video: VideoId) -> Sequence[Upload]:
        return [self._of(key) for key in walk(self._by_video, within=(video,))]

    async def remove(self, upload: UploadId) -> None:
        stored = self._uploads.pop(upload, None)
        if stored is not None:
            self._drop(stored)
            self._changes.note()

    async def expired(self, now: datetime, limit: int = 100) -> Sequence[Upload]:
        return [self._of(key) for key in islice(self._expiring.irange(maximum=(now, BEYOND)), limit)]

    def kept(self) -> Sequence[Upload]:
        """All of them, for an archive."""
        return list(self._uploads.values())

    def admit(self, upload: Upload) -> None:
        """One from an archive, as it is."""
        self._uploads[upload.id] = upload
        self._add(upload)
        self._changes.note()

    def _of(self, key: Key) -> Upload:
        return self._uploads[key[-1]]

    def _put(self, upload: Upload) -> Upload:
        stored = self._uploads.get(upload.id)
        if upload.version != (stored.version if stored else 0):
            raise Stale("this upload")
        if stored:
            self._drop(stored)
        saved = next_version(upload)
        self._uploads[saved.id] = saved
        self._add(saved)
        self._changes.note()
        return saved

    def _add(self, upload: Upload) -> None:
        usage = self._usage.setdefault(upload.user, _Usage())
        usage.all += 1
        usage.bytes += upload.size_bytes if upload.counts else 0
        self._by_user.add((upload.user, upload.created_at, upload.id))
        self._by_video.add((upload.video, upload.created_at, upload.id))
        if upload.status in OPEN:
            usage.open += 1
            self._open_by_user.add((upload.user, upload.created_at, upload.id))
            self._expiring.add((upload.expires_at, upload.id))

    def _drop(self, upload: Upload) -> None:
        usage = self._usage[upload.user]
        usage.all -= 1
        usage.bytes -= upload.size_bytes if upload.counts else 0
        self._by_user.remove((upload.user, upload.created_at, upload.id))
        self._by_video.remove((upload.video, upload.created_at, upload.id))
        if upload.status in OPEN:
            usage.open -= 1
            self._open_by_user.remove((upload.user, upload.created_at, upload.id))
            self._expiring.remove((upload.expires_at, upload.id))
        if not usage.all:
            del self._usage[upload.user]
