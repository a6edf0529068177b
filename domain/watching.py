"""Watching: what counts as a view, and where someone was."""

from datetime import datetime, timedelta

from attrs import evolve, frozen

from domain.errors import Invalid
from domain.ids import SessionId, StreamId, UserId, VideoId
from domain.videos import Audience

GRANT_LIFE = timedelta(hours=1)
"""How long a private playback link works; a player renews it by opening another session."""
SESSION_LIFE = timedelta(hours=12)
"""How long heartbeats of one session count."""
VIEW_AFTER_S = 30.0
FINISHED = 0.95
"""Watched so far, someone starts again from the beginning."""


@frozen
class Grant:
    """Leave to see all that is shown of a video or stream until then; void once that no longer admits the audience."""

    subject: VideoId | StreamId
    audience: Audience
    until: datetime


@frozen(kw_only=True)
class PlaybackSession:
    """One sitting in front of one video. ``watched_s`` is time really spent, not the position reached."""

    id: SessionId
    video: VideoId
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

    def over(self, now: datetime) -> bool:
        return self.started_at + SESSION_LIFE < now


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
