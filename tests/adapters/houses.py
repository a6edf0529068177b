"""A data folder as the profile ``local`` keeps it, with a video, its upload and its files, for tests of what looks at all."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from attrs import evolve, frozen

from adapters.local.archive import SqliteArchive
from adapters.local.audit import Audit, Finding
from adapters.local.database import Database
from adapters.local.outbox import SqliteOutbox
from adapters.system import Clock, Ulids
from application.ports import Account, Code, Reacted, Record, Views
from domain.channels import Channel, Member
from domain.engagement import Comment, Notify, Reaction, Subscription
from domain.identity import User
from domain.ids import ChannelId, CommentId, JobId, NotificationId, SessionId, UploadId, UserId, VideoId
from domain.media import MANIFEST, Media
from domain.notifications import Kind, Notification, Subject
from domain.processing import Processing, State
from domain.uploads import Status, Upload
from domain.videos import Audience, Video, Visibility
from domain.watching import PlaybackSession, Viewing, Watched
from tests.strategies import START

ANN, BEN = UserId("usr_ann"), UserId("usr_ben")
CHANNEL = ChannelId("chn_cats")
VIDEO = Video(
    id=VideoId("vid_1"), channel=CHANNEL, uploader=ANN, title="A cat", tags=("cats", "naps"),
    visibility=Visibility.PUBLIC, published_at=START, state=State.READY, attempt=1, thumbnail="v/vid_1/i/thumb.jpg",
    media=Media(
        attempt=1, manifest=MANIFEST, duration_s=60.0, width=640, height=360, renditions=(), has_audio=True
    ),
    created_at=START, version=3,
)  # fmt: skip
UPLOAD = Upload(
    id=UploadId("upl_1"), user=ANN, channel=CHANNEL, video=VIDEO.id, filename="cat.mp4", content_type="video/mp4",
    size_bytes=9, status=Status.COMPLETED, created_at=START, expires_at=START + timedelta(hours=1), version=2,
)  # fmt: skip
OPEN = evolve(UPLOAD, id=UploadId("upl_2"), video=VideoId("vid_2"), status=Status.UPLOADING)
COMMENT = Comment(
    id=CommentId("cmt_1"), video=VIDEO.id, channel=CHANNEL, author=BEN, text="Aww", created_at=START, version=1
)
RECORDS: Sequence[Record] = (
    Account(
        user=ANN, email="ann@example.com", password="$argon2id$", handle="ann", confirmed=True,
        sign_up_code=Code("00", START),
    ),
    Account(user=BEN, email="ben@example.com", password="$argon2id$", handle="ben", sign_up_code=Code("01", START)),
    User(id=ANN, handle="ann", display_name="Ann", email="ann@example.com", created_at=START, version=1),
    User(id=BEN, handle="ben", display_name="Ben", email="ben@example.com", created_at=START, version=1),
    Channel(
        id=CHANNEL, owner=ANN, handle="cats", name="Cats", avatar="c/chn_cats/avatar.jpg",
        members={BEN: Member.EDITOR}, created_at=START, version=1,
    ),
    VIDEO,
    UPLOAD,
    OPEN,
    Processing(
        video=VIDEO.id, upload=UPLOAD.id, source=UPLOAD.source, state=State.READY, job=JobId("job_1"), percent=100,
        media=VIDEO.media, updated_at=START, version=4,
    ),
    COMMENT,
    evolve(COMMENT, id=CommentId("cmt_2"), parent=COMMENT.id, author=ANN),
    Reacted(VIDEO.id, BEN, Reaction.LIKE),
    Subscription(BEN, CHANNEL, Notify.ALL, START),
    PlaybackSession(
        id=SessionId("ses_1"), video=VIDEO.id, viewer=BEN, audience=Audience.ANYONE, duration_s=60.0,
        started_at=START, beat_at=START, version=1,
    ),
    Watched(user=BEN, video=VIDEO.id, position_s=12.5, at=START),
    Views(VIDEO.id, 7),
    Viewing(VIDEO.id, START.date(), 1, 42_500),
    Viewing(CHANNEL, START.date(), 2, 50_000),
    Notification(
        id=NotificationId("ntf_1"), user=ANN, kind=Kind.COMMENT, actor=BEN, subject=Subject("comment", "cmt_1"),
        text="Ben said something", created_at=START,
    ),
)  # fmt: skip
FILES = {
    "raw/upl_1/source": b"nine byte",
    "raw/upl_1/parts/1": b"9 00-9 -",
    "media/v/vid_1/a1/hls/master.m3u8": b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n360p/index.m3u8\n",
    "media/v/vid_1/a1/hls/360p/index.m3u8": b"#EXTM3U\n#EXTINF:4,\n1.m4s\n",
    "media/v/vid_1/a1/hls/360p/1.m4s": b"m" * 5000,
    "media/v/vid_1/i/thumb.jpg": b"jpeg",
    "media/c/chn_cats/avatar.jpg": b"jpeg too",
}
LEFT_OUT = {"raw/upl_2/parts/1": b"3 00-3 -", "raw/upl_2/source.partial": b"nin", "tmp/1/half": b"half"}
"""What is not whole, and in no backup."""


async def _given(records: Sequence[Record]) -> AsyncIterator[Record]:
    for record in records:
        yield record


@frozen
class House:
    data: Path
    database: Database

    @property
    def media(self) -> Path:
        return self.data / "media"

    def put(self, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            path = self.media / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def run(self, statement: str, *values: object) -> None:
        """Do something to the database that no program of ours would."""

        async def write() -> None:
            await self.database.write(lambda transaction: transaction.run(statement, values))

        asyncio.run(write())

    @property
    def audit(self) -> Audit:
        return Audit(self.database, self.media, Clock().now)

    def findings(self) -> Sequence[Finding]:
        return asyncio.run(self.audit.find())

    def repair(self) -> None:
        asyncio.run(self.audit.repair())


@contextmanager
def opened(data: Path) -> Iterator[House]:
    """What is there already."""
    data.mkdir(parents=True, exist_ok=True)
    database = Database(data / "hexcast.db", durable=False)
    try:
        yield House(data, database)
    finally:
        database.close()


@contextmanager
def furnished(data: Path) -> Iterator[House]:
    """With all of the above in it."""
    with opened(data) as house:
        now = Clock().now

        async def load() -> None:
            outbox = SqliteOutbox(house.database, Ulids(now))
            await SqliteArchive(house.database, outbox, now).load(_given(RECORDS))

        asyncio.run(load())
        house.put(FILES | LEFT_OUT)
        yield house
