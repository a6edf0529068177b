"""Playback sessions, views, histories and days on this machine."""

from collections.abc import Mapping, Sequence
from datetime import date

from adapters.local.counts import Counts
from adapters.local.database import Database, Row, Transaction, micros, moment, sql
from adapters.local.shelves import LAST, Shelf, as_list, by_time, page, start
from application.ports import Now, Page
from domain.errors import NotFound
from domain.ids import ChannelId, SessionId, UserId, VideoId
from domain.watching import SESSION_LIFE, PlaybackSession, Viewing, Watched

DROPPED_MOST = 20
"""Sessions that go as one is saved. One that comes for each that goes would do; a flood is worn away bit by bit."""

_SESSIONS = Shelf(
    table="session", kind=PlaybackSession, missing="there is no such session, or it is over", stale="this session",
    columns=("started_at",), place=lambda session: (micros(session.started_at),),
)  # fmt: skip
_VIEWS = Counts("view_count", "video")
_DROP_OVER = sql(
    "DELETE FROM session WHERE n IN (SELECT n FROM session WHERE started_at < ? ORDER BY started_at LIMIT ?)"
)

_WATCH = sql(
    "INSERT INTO watched (user, video, position_s, at) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (user, video) DO UPDATE SET position_s = excluded.position_s, at = excluded.at"
)
_OF = sql("SELECT position_s, at, video FROM watched WHERE user = ? AND video IN (SELECT value FROM json_each(?))")
_LATEST = sql(
    "SELECT position_s, at, video FROM watched WHERE user = ? AND (at, video) < (?, ?) "
    "ORDER BY at DESC, video DESC LIMIT ?"
)
_FORGET_ONE = sql("DELETE FROM watched WHERE user = ? AND video = ?")
_FORGET_ALL = sql("DELETE FROM watched WHERE user = ?")

_ADD = sql(
    "INSERT INTO viewing (subject, day, views, watched_ms) VALUES (?, ?, ?, ?) ON CONFLICT (subject, day) "
    "DO UPDATE SET views = views + excluded.views, watched_ms = watched_ms + excluded.watched_ms"
)
_DAYS = sql("SELECT day, views, watched_ms FROM viewing WHERE subject = ? AND day BETWEEN ? AND ? ORDER BY day")
_FORGET_DAYS = sql("DELETE FROM viewing WHERE subject = ?")


class SqliteHistory:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, user: UserId, videos: Sequence[VideoId]) -> Mapping[VideoId, Watched]:
        lines = [_line(user, row) for row in self._database.rows(_OF, (user, as_list(videos)))]
        return {line.video: line for line in lines}

    async def list(self, user: UserId, *, cursor: str | None = None, limit: int = 20) -> Page[Watched]:
        rows = self._database.rows(_LATEST, (user, *start(cursor, LAST), limit + 1))
        return page(rows, limit, lambda row: _line(user, row), by_time)

    async def forget(self, user: UserId, video: VideoId | None = None) -> None:
        statement, values = (_FORGET_ALL, (user,)) if video is None else (_FORGET_ONE, (user, video))
        await self._database.write(lambda transaction: transaction.run(statement, values))


class SqliteViewings:
    """Days as texts (``2026-11-30``), which sort as they do."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, subject: VideoId | ChannelId, first: date, last: date) -> Sequence[Viewing]:
        rows = self._database.rows(_DAYS, (subject, first.isoformat(), last.isoformat()))
        return [Viewing(subject, date.fromisoformat(day), views, watched_ms) for day, views, watched_ms in rows]

    async def forget(self, subject: VideoId | ChannelId) -> None:
        await self._database.write(lambda transaction: transaction.run(_FORGET_DAYS, (subject,)))


class SqliteSessions:
    """By id. Those over are dropped as others are saved, the earliest first, ``DROPPED_MOST`` at a time."""

    def __init__(self, database: Database, now: Now) -> None:
        self._database = database
        self._now = now

    async def get(self, session: SessionId) -> PlaybackSession:
        stored = _SESSIONS.get(self._database, session)
        if stored.over(self._now()):
            raise NotFound(_SESSIONS.missing)
        return stored

    async def save(
        self, session: PlaybackSession, watched: Watched | None = None, gained: Sequence[Viewing] = ()
    ) -> PlaybackSession:
        over = micros(self._now() - SESSION_LIFE)

        def work(transaction: Transaction) -> PlaybackSession:
            transaction.run(_DROP_OVER, (over, DROPPED_MOST))
            before, saved = _SESSIONS.save(transaction, session)
            if saved.value.counted and not (before and before.value.counted):
                _VIEWS.add(transaction, session.video, 1)
            if watched is not None:
                transaction.run(_WATCH, (watched.user, watched.video, watched.position_s, micros(watched.at)))
            for each in gained:
                transaction.run(_ADD, (each.subject, each.day.isoformat(), each.views, each.watched_ms))
            return saved.value

        return await self._database.write(work)

    async def views(self, videos: Sequence[VideoId]) -> Mapping[VideoId, int]:
        return _VIEWS.of(self._database, videos)


def _line(user: UserId, row: Row) -> Watched:
    position_s, at, video = row
    return Watched(user=user, video=VideoId(video), position_s=position_s, at=moment(at))
