"""Playback sessions, views, histories and days in memory."""

import heapq
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from attrs import evolve
from sortedcontainers import SortedList

from adapters.cursors import Key
from adapters.inmemory.outbox import Changes
from adapters.inmemory.paging import page
from adapters.versions import next_version
from application.ports import Now, Page, Views
from domain.errors import NotFound, Stale
from domain.ids import ChannelId, SessionId, UserId, VideoId
from domain.watching import PlaybackSession, Viewing, Watched


class InMemoryHistory:
    """Each user's lines by video, and one index over all by time."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._lines: dict[UserId, dict[VideoId, Watched]] = {}
        self._latest: SortedList[Key] = SortedList()

    async def of(self, user: UserId, videos: Sequence[VideoId]) -> Mapping[VideoId, Watched]:
        lines = self._lines.get(user)
        return {video: lines[video] for video in videos if video in lines} if lines else {}

    async def list(self, user: UserId, *, cursor: str | None = None, limit: int = 20) -> Page[Watched]:
        lines = self._lines.get(user, {})
        return page(
            self._latest, lambda key: lines[key[-1]], within=(user,), cursor=cursor, limit=limit, descending=True
        )

    async def forget(self, user: UserId, video: VideoId | None = None) -> None:
        lines = self._lines.get(user, {})
        gone = [*lines] if video is None else [video] if video in lines else []
        if not gone:
            return
        for each in gone:
            self._latest.remove(_key(lines.pop(each)))
        if not lines:
            del self._lines[user]
        self._changes.note()

    def put(self, watched: Watched) -> None:
        """Takes the place of the user's line for the video; the caller stores the session in the same step."""
        lines = self._lines.setdefault(watched.user, {})
        before = lines.get(watched.video)
        if before is not None:
            self._latest.remove(_key(before))
        lines[watched.video] = watched
        self._latest.add(_key(watched))
        self._changes.note()

    def kept(self) -> Sequence[Watched]:
        """All of them, for an archive."""
        return [line for lines in self._lines.values() for line in lines.values()]


def _key(watched: Watched) -> Key:
    return watched.user, watched.at, watched.video


class InMemoryViewings:
    """Each subject's by day."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._days: dict[str, dict[date, Viewing]] = {}

    async def of(self, subject: VideoId | ChannelId, first: date, last: date) -> Sequence[Viewing]:
        days = self._days.get(subject, {})
        return [days[day] for day in sorted(days) if first <= day <= last]

    async def forget(self, subject: VideoId | ChannelId) -> None:
        if self._days.pop(subject, None) is not None:
            self._changes.note()

    def add(self, viewing: Viewing) -> None:
        """To what its day has; the caller stores the session in the same step."""
        days = self._days.setdefault(viewing.subject, {})
        so_far = days.get(viewing.day, Viewing(viewing.subject, viewing.day))
        views, watched_ms = so_far.views + viewing.views, so_far.watched_ms + viewing.watched_ms
        days[viewing.day] = evolve(so_far, views=views, watched_ms=watched_ms)
        self._changes.note()

    def kept(self) -> Sequence[Viewing]:
        """All of them, for an archive."""
        return [viewing for days in self._days.values() for viewing in days.values()]


class InMemorySessions:
    """By id. Those over are dropped as others are saved, the earliest first."""

    def __init__(self, changes: Changes, history: InMemoryHistory, viewings: InMemoryViewings, now: Now) -> None:
        self._changes = changes
        self._history = history
        self._viewings = viewings
        self._now = now
        self._sessions: dict[SessionId, PlaybackSession] = {}
        self._started: list[tuple[datetime, SessionId]] = []
        self._views: dict[VideoId, int] = {}

    async def get(self, session: SessionId) -> PlaybackSession:
        stored = self._sessions.get(session)
        if stored is None or stored.over(self._now()):
            raise NotFound("there is no such session, or it is over")
        return stored

    async def save(
        self, session: PlaybackSession, watched: Watched | None = None, gained: Sequence[Viewing] = ()
    ) -> PlaybackSession:
        self._drop_those_over()
        stored = self._sessions.get(session.id)
        if session.version != (stored.version if stored else 0):
            raise Stale("this session")
        saved = next_version(session)
        if stored is None:
            heapq.heappush(self._started, (saved.started_at, saved.id))
        self._sessions[saved.id] = saved
        if saved.counted and not (stored and stored.counted):
            self._views[saved.video] = self._views.get(saved.video, 0) + 1
        if watched is not None:
            self._history.put(watched)
        for viewing in gained:
            self._viewings.add(viewing)
        self._changes.note()
        return saved

    async def views(self, videos: Sequence[VideoId]) -> Mapping[VideoId, int]:
        views = self._views
        return {video: views.get(video, 0) for video in videos}

    def kept(self) -> Sequence[PlaybackSession | Views]:
        """All of them and the views, for an archive."""
        return [*self._sessions.values(), *(Views(video, count) for video, count in self._views.items())]

    def admit(self, record: PlaybackSession | Views) -> None:
        """One from an archive, as it is; it counts for no view."""
        if isinstance(record, Views):
            self._views[record.video] = record.count
        else:
            heapq.heappush(self._started, (record.started_at, record.id))
            self._sessions[record.id] = record
        self._changes.note()

    def _drop_those_over(self) -> None:
        now = self._now()
        while self._started:
            _, id_ = self._started[0]
            if not self._sessions[id_].over(now):
                return
            heapq.heappop(self._started)
            del self._sessions[id_]
