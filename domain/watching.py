"""Watching: what counts as a view, where someone was, and how much was watched day by day."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from attrs import evolve, frozen

from domain.errors import Invalid
from domain.ids import ChannelId, SessionId, StreamId, UserId, VideoId
from domain.videos import Audience

GRANT_LIFE = timedelta(hours=1)
"""How long a private playback link works; a player renews it by opening another session."""
SESSION_LIFE = timedelta(hours=12)
"""How long heartbeats of one session count."""
VIEW_AFTER_S = 30.0
FINISHED = 0.95
"""Watched so far, someone starts again from the beginning."""


NAMES_MOST = 20
"""As so many viewers the players at one address count, whatever they call themselves."""


@frozen
class Viewer:
    """Who watches something live: from where, and how their player tells itself from others there."""

    address: str
    name: str


@frozen
class Grant:
    """Leave to see all that is shown of a video or stream until then; void once that no longer admits the audience."""

    subject: VideoId | StreamId
    audience: Audience
    until: datetime


@frozen(kw_only=True)
class PlaybackSession:
    """One sitting in front of one video. ``watched_s`` is time really spent, not the position reached. ``channel`` is the
    video's; None of a sitting that began when days were not counted yet.
    """

    id: SessionId
    video: VideoId
    channel: ChannelId | None = None
    viewer: UserId | None
    audience: Audience
    duration_s: float
    started_at: datetime
    position_s: float = 0.0
    beat_at: datetime
    watched_s: float = 0.0
    counted: bool = False
    version: int = 0

    def beat(self, position_s: float, now: datetime) -> "PlaybackSession":
        """After a heartbeat: what was watched grows by the way forward, at most by the time that passed.

        Seeking ahead, sending beats in a burst or sending one twice earns nothing; a view is counted once,
        after 30 s or half of a shorter video. Raises Invalid for a position outside the video.
        """
        if not 0 <= position_s <= self.duration_s + 5:
            raise Invalid("the position lies outside the video", code="position_out_of_range", field="position_s")
        passed = max(0.0, (now - self.beat_at).total_seconds())
        forward = max(0.0, position_s - self.position_s)
        # Twice the speed is the fastest a player plays here; more than that was a jump.
        watched = self.watched_s + (min(forward, passed) if forward <= 2 * passed + 1 else 0.0)
        enough = watched > 0 and watched >= min(VIEW_AFTER_S, self.duration_s / 2)
        return evolve(
            self,
            position_s=position_s,
            beat_at=max(now, self.beat_at),
            watched_s=watched,
            counted=self.counted or enough,
        )

    def gained(self, before: "PlaybackSession") -> Sequence["Viewing"]:
        """What a beat, which made this of the one before, adds to the day that it came on: of the video and of its channel.

        Each takes off what the ones before it added, rounded as it was then: all of a sitting's together come to the
        whole of it.
        """
        views, watched_ms = self.counted - before.counted, _ms(self.watched_s) - _ms(before.watched_s)
        if self.channel is None or not (views or watched_ms):
            return ()
        day = self.beat_at.date()
        return [Viewing(each, day, views, watched_ms) for each in (self.video, self.channel)]

    def over(self, now: datetime) -> bool:
        return self.started_at + SESSION_LIFE < now


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


@frozen
class Viewing:
    """What was watched on one day (UTC) of a video, or of all of a channel's (``subject``)."""

    subject: VideoId | ChannelId
    day: date
    views: int = 0
    watched_ms: int = 0


DAYS_SHOWN = 28
DAYS_MOST = 366


@frozen
class Period:
    """Days from the first to the last, both included. Raises Invalid."""

    first: date
    last: date

    def __attrs_post_init__(self) -> None:
        if self.first > self.last:
            raise Invalid("the first day comes after the last", code="days_disordered", field="from")
        if (self.last - self.first).days >= DAYS_MOST:
            raise Invalid(f"at most {DAYS_MOST} days", code="too_many_days", field="from")

    @classmethod
    def of(cls, first: date | None, last: date | None, today: date) -> "Period":
        """Up to today, and ``DAYS_SHOWN`` of them, as far as nothing else is said."""
        last = last or today
        if first is None:
            first = date.fromordinal(max(last.toordinal() - DAYS_SHOWN + 1, 1))
        return cls(first, last)

    def filled(self, subject: VideoId | ChannelId, known: Iterable[Viewing]) -> Sequence[Viewing]:
        """One for every day, oldest first: those that are ``known``, and nothing on the others."""
        by_day = {each.day: each for each in known}
        days = map(date.fromordinal, range(self.first.toordinal(), self.last.toordinal() + 1))
        return [by_day.get(day) or Viewing(subject, day) for day in days]


@frozen(kw_only=True)
class Watched:
    """Where someone stopped in a video, and when: one line of their history."""

    user: UserId
    video: VideoId
    position_s: float
    at: datetime

    def resume_at(self, duration_s: float) -> float:
        """Where to go on: the beginning, if it was as good as finished."""
        return 0.0 if self.position_s >= duration_s * FINISHED else self.position_s
