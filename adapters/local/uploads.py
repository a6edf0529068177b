"""Uploads on this machine, and what each user's take."""

from collections.abc import Sequence
from datetime import datetime

from adapters.local.database import Database, Transaction, Values, micros, sql
from adapters.local.outbox import SqliteOutbox
from adapters.local.shelves import LAST, Shelf, by_time, page, start
from adapters.local.videos import store
from application.ports import Event, Page
from domain.errors import Forbidden
from domain.ids import UploadId, UserId, VideoId
from domain.uploads import OPEN, Upload
from domain.videos import Video


def _bytes(upload: Upload) -> int:
    """What it takes of its user's quota."""
    return upload.size_bytes if upload.counts else 0


def _place(upload: Upload) -> Values:
    expires_at = micros(upload.expires_at) if upload.status in OPEN else None
    return upload.user, upload.video, micros(upload.created_at), expires_at, _bytes(upload)


_UPLOADS = Shelf(
    table="upload", kind=Upload, missing="there is no such upload", stale="this upload",
    columns=("user", "video", "created_at", "expires_at", "bytes"), place=_place,
)  # fmt: skip
_OF_USER = sql(
    "SELECT doc, created_at, id FROM upload WHERE user = ? AND (created_at, id) < (?, ?)"
    " ORDER BY created_at DESC, id DESC LIMIT ?"
)
_OPEN_OF_USER = sql(
    "SELECT doc, created_at, id FROM upload WHERE user = ? AND (created_at, id) < (?, ?) AND expires_at IS NOT NULL"
    " ORDER BY created_at DESC, id DESC LIMIT ?"
)
_OF_VIDEO = sql("SELECT doc FROM upload WHERE video = ? ORDER BY created_at, id")
_EXPIRED = sql("SELECT doc FROM upload WHERE expires_at <= ? ORDER BY expires_at, id LIMIT ?")
_USED = sql("SELECT bytes, open FROM usage WHERE user = ?")
_USE = sql(
    "INSERT INTO usage (user, bytes, open) VALUES (?, ?, ?)"
    " ON CONFLICT (user) DO UPDATE SET bytes = bytes + excluded.bytes, open = open + excluded.open"
)
_UNUSED = sql("DELETE FROM usage WHERE user = ? AND bytes = 0 AND open = 0")


class SqliteUploads:
    """A row each, and one for each user who has some that count."""

    def __init__(self, database: Database, outbox: SqliteOutbox) -> None:
        self._database = database
        self._outbox = outbox

    async def get(self, upload: UploadId) -> Upload:
        return _UPLOADS.get(self._database, upload)

    async def start(self, upload: Upload, quota_bytes: int, open_most: int, *, video: Video | None = None) -> Upload:
        def work(transaction: Transaction) -> Upload:
            used_bytes, used_open = transaction.row(_USED, (upload.user,)) or (0, 0)
            if used_bytes + _bytes(upload) > quota_bytes:
                raise Forbidden(f"your uploads may take {quota_bytes} bytes together", code="quota_exceeded")
            if used_open + (upload.status in OPEN) > open_most:
                raise Forbidden(f"you may have {open_most} uploads open", code="too_many_uploads")
            if video is not None:
                store(transaction, video)
            return _save(transaction, upload)

        return await self._database.write(work)

    async def save(self, upload: Upload, *events: Event) -> Upload:
        def work(transaction: Transaction) -> Upload:
            saved = _save(transaction, upload)
            self._outbox.append(transaction, events)
            return saved

        return await self._database.write(work)

    async def of_user(
        self, user: UserId, *, open_only: bool = False, cursor: str | None = None, limit: int = 20
    ) -> Page[Upload]:
        statement = _OPEN_OF_USER if open_only else _OF_USER
        rows = self._database.rows(statement, (user, *start(cursor, LAST), limit + 1))
        return page(rows, limit, lambda row: _UPLOADS.value(row[0]), by_time)

    async def of_video(self, video: VideoId) -> Sequence[Upload]:
        return _UPLOADS.all(self._database, _OF_VIDEO, video)

    async def remove(self, upload: UploadId) -> None:
        def work(transaction: Transaction) -> None:
            stored = _UPLOADS.stored(transaction, upload)
            if stored is not None:
                _UPLOADS.remove(transaction, stored.value)
                _use(transaction, stored.value, -1)

        await self._database.write(work)

    async def expired(self, now: datetime, limit: int = 100) -> Sequence[Upload]:
        return _UPLOADS.all(self._database, _EXPIRED, micros(now), limit)


def _save(transaction: Transaction, upload: Upload) -> Upload:
    before, saved = _UPLOADS.save(transaction, upload)
    if before is not None:
        _use(transaction, before.value, -1)
    _use(transaction, saved.value, 1)
    return saved.value


def _use(transaction: Transaction, upload: Upload, step: int) -> None:
    """Add to what its user's uploads take (1), or take it off again (-1)."""
    transaction.run(_USE, (upload.user, step * _bytes(upload), step * (upload.status in OPEN)))
    transaction.run(_UNUSED, (upload.user,))
