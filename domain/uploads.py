"""Uploads: bytes on their way in, as a thing of their own that a client can read again and resume."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from attrs import evolve, field, frozen

from domain.errors import Conflict, IllegalTransition, Invalid, TooLarge
from domain.ids import ChannelId, UploadId, UserId, VideoId
from domain.text import length, line

MIB = 1024 * 1024
SINGLE_MOST = 16 * MIB
PART_LEAST = 8 * MIB
PARTS_MOST = 10_000
"""S3's limits are 5 MiB (the last part aside) and 10,000 parts; we keep away from the first."""
SIGN_AT_ONCE = 100
LIFE = timedelta(hours=24)
PART_LIFE = timedelta(minutes=15)
"""Links signed by a role die with its session, so they are short and signed again."""


class Status(StrEnum):
    WAITING = "waiting"
    UPLOADING = "uploading"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"


NEXT: Mapping[Status, frozenset[Status]] = {
    Status.WAITING: frozenset(Status) - {Status.WAITING},
    Status.UPLOADING: frozenset({Status.COMPLETED, Status.CANCELLED, Status.EXPIRED, Status.FAILED}),
    Status.COMPLETED: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.EXPIRED: frozenset(),
    Status.FAILED: frozenset(),
}
OPEN = frozenset({Status.WAITING, Status.UPLOADING})


class Method(StrEnum):
    SINGLE = "single"
    MULTIPART = "multipart"


@frozen
class Part:
    """A part that arrived. ``etag`` is quoted nowhere but in HTTP headers."""

    number: int
    size_bytes: int
    etag: str


@frozen
class Limits:
    """What one file and one user may take, in bytes, and how many uploads a user may have open."""

    file_bytes: int = 64 * 1024 * MIB
    user_bytes: int = 1024 * 1024 * MIB
    open_uploads: int = 50

    def check(self, size_bytes: int) -> None:
        if size_bytes < 1:
            raise Invalid("there is nothing in this file", code="empty_file", field="size_bytes")
        if size_bytes > self.file_bytes:
            raise TooLarge(f"a file may have {self.file_bytes} bytes, this has {size_bytes}", code="file_too_large")


def part_size(size_bytes: int) -> int:
    """Bytes of each part but the last: the least that stays within ``PARTS_MOST``, in whole MiB."""
    if size_bytes <= SINGLE_MOST:
        return size_bytes
    return max(PART_LEAST, -(-size_bytes // (PARTS_MOST * MIB)) * MIB)


def _content_type(text: str) -> str:
    # As one line: it comes back in headers.
    return line(text.partition(";")[0]).lower()


@frozen(kw_only=True)
class Upload:
    """A file announced by ``user`` for ``video``. ``handle`` is the store's own name for it."""

    id: UploadId
    user: UserId
    channel: ChannelId
    video: VideoId
    filename: str = field(converter=line, validator=length(1, 255))
    content_type: str = field(converter=_content_type, validator=length(1, 100))
    size_bytes: int
    handle: str = ""
    status: Status = Status.WAITING
    error: str | None = None
    created_at: datetime
    expires_at: datetime
    version: int = 0

    @property
    def part_size_bytes(self) -> int:
        return part_size(self.size_bytes)

    @property
    def method(self) -> Method:
        return Method.SINGLE if self.size_bytes <= SINGLE_MOST else Method.MULTIPART

    @property
    def parts(self) -> int:
        """How many parts the file has."""
        return -(-self.size_bytes // self.part_size_bytes)

    @property
    def source(self) -> str:
        """Where the whole file will lie."""
        return f"raw/{self.id}/source"

    @property
    def counts(self) -> bool:
        """Whether it takes from its user's quota."""
        return self.status in OPEN or self.status is Status.COMPLETED

    def size_of(self, number: int) -> int:
        """Bytes of part ``number`` (from 1). Raises Invalid for a part the file does not have."""
        if not 1 <= number <= self.parts:
            raise Invalid(f"this upload has parts 1 to {self.parts}", code="no_such_part", field="numbers")
        full = self.part_size_bytes
        return full if number < self.parts else self.size_bytes - full * (self.parts - 1)

    def assembled(self, parts: Sequence[Part]) -> bool:
        """Whether what is here is the whole file in one part, though it was sent in several."""
        return [part.size_bytes for part in parts] == [self.size_bytes] and self.parts > 1

    def missing(self, parts: Sequence[Part]) -> Sequence[int]:
        """The numbers of those that are not here, ascending."""
        here = {part.number for part in parts}
        return [] if self.assembled(parts) else [number for number in range(1, self.parts + 1) if number not in here]

    def open(self, now: datetime) -> bool:
        """Whether bytes may still come."""
        return self.status in OPEN and now < self.expires_at

    def require_open(self, now: datetime) -> None:
        """Raises Conflict (``upload_expired``, ``upload_closed``) when no byte may come any more."""
        if self.open(now):
            return
        if self.status in OPEN or self.status is Status.EXPIRED:
            raise Conflict("this upload expired; start another", code="upload_expired")
        raise Conflict(f"this upload is {self.status.value}", code="upload_closed")

    def begin(self, now: datetime) -> "Upload":
        """The client has started to send."""
        self.require_open(now)
        return self if self.status is Status.UPLOADING else self._to(Status.UPLOADING)

    def having(self, parts: Sequence[Part]) -> "Upload":
        """As it looks to a client when these parts are here: under way, though nobody has said so."""
        return self._to(Status.UPLOADING) if parts and self.status is Status.WAITING else self

    def complete(self, parts: Sequence[Part], now: datetime) -> tuple["Upload", "UploadCompleted"]:
        """All of it is here, in its parts or made one. Raises Invalid (``parts_missing``, ``size_mismatch``) when
        it is not.
        """
        self.require_open(now)
        if self.assembled(parts):
            return self._to(Status.COMPLETED), UploadCompleted(self.id, self.video, self.source, now)
        if missing := self.missing(parts):
            shown = ", ".join(map(str, missing[:20]))
            raise Invalid(f"parts not here yet: {shown}", code="parts_missing", field="parts")
        wrong = [part.number for part in parts if part.size_bytes != self.size_of(part.number)]
        if wrong:
            shown = ", ".join(map(str, wrong[:20]))
            raise Invalid(f"parts of another size than announced: {shown}", code="size_mismatch", field="parts")
        done = self._to(Status.COMPLETED)
        return done, UploadCompleted(self.id, self.video, self.source, now)

    def cancel(self, now: datetime) -> tuple["Upload", "UploadAbandoned"]:
        return self._to(Status.CANCELLED), UploadAbandoned(self.id, self.video, now)

    def expire(self, now: datetime) -> tuple["Upload", "UploadAbandoned"]:
        return self._to(Status.EXPIRED), UploadAbandoned(self.id, self.video, now)

    def fail(self, error: str, now: datetime) -> tuple["Upload", "UploadAbandoned"]:
        return evolve(self._to(Status.FAILED), error=error), UploadAbandoned(self.id, self.video, now)

    def _to(self, wanted: Status) -> "Upload":
        if wanted not in NEXT[self.status]:
            raise IllegalTransition("an upload", self.status, wanted)
        return evolve(self, status=wanted)


@frozen
class UploadCompleted:
    """The whole file lies at ``source``."""

    upload: UploadId
    video: VideoId
    source: str
    at: datetime


@frozen
class UploadAbandoned:
    """Cancelled, expired or failed: what had arrived can go."""

    upload: UploadId
    video: VideoId
    at: datetime
