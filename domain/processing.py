"""The protocol between the platform and whatever transcodes: exactly one job wins, whatever arrives.

A transcoder reports at least once, in any order, hours late or never, and may be asked twice to begin.
So a video's processing is claimed before a job is started (with a lease, in case the claimer dies), bound
to the first job that names the attempt, moved only forward by rank, and done with at READY or FAILED.
A new attempt is a higher number, which makes every report of the old one void. These are the conditions
under which a write happens: a report that changes nothing returns the same value, and is not saved.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from attrs import evolve, frozen

from domain.errors import Conflict, IllegalTransition, Invalid
from domain.ids import JobId, UploadId, VideoId
from domain.media import Media, progress


class State(StrEnum):
    PENDING = "pending"
    PROBING = "probing"
    TRANSCODING = "transcoding"
    READY = "ready"
    FAILED = "failed"


NEXT: Mapping[State, frozenset[State]] = {
    # What one attempt may become. Reports get lost, so any later state may follow at once.
    State.PENDING: frozenset({State.PROBING, State.TRANSCODING, State.READY, State.FAILED}),
    State.PROBING: frozenset({State.TRANSCODING, State.READY, State.FAILED}),
    State.TRANSCODING: frozenset({State.READY, State.FAILED}),
    State.READY: frozenset(),
    State.FAILED: frozenset(),
}
TERMINAL = frozenset({State.READY, State.FAILED})

LEASE = timedelta(minutes=2)
SKEW = timedelta(seconds=5)
"""By how much the clocks of two machines may differ. What was saved further ahead was saved before a clock was set back."""
"""How long a claimer has to start the job before another may."""
STALL = timedelta(minutes=10)
"""A job that has said nothing for so long is asked after."""
HANG = timedelta(hours=1)
"""A running job that has not moved for so long is given up."""
ATTEMPTS_MOST = 3
"""Attempts the platform makes by itself; a person may ask for more."""
STARTS_MOST = 5
"""How often a job is asked for, of a transcoder that will not have it, before the attempt fails."""
ENTRIES_MOST = 50

REMOVED = "video_removed"


@frozen
class Failure:
    """Why processing failed. ``code`` is stable; ``transient`` means that trying again may help."""

    code: str
    detail: str
    transient: bool = False


@frozen(kw_only=True)
class Report:
    """What a transcoder says of a job. ``percent`` is of the whole job; ``media`` is what can be played by now.

    READY comes with complete media, and FAILED, alone, with a failure. Raises Invalid.
    """

    video: VideoId
    attempt: int
    job: JobId
    state: State
    percent: int = 0
    media: Media | None = None
    failure: Failure | None = None

    def __attrs_post_init__(self) -> None:
        if self.state is State.READY and (self.media is None or not self.media.complete):
            raise Invalid("a job that is ready has complete media", code="report_without_media", field="media")
        if (self.state is State.FAILED) != (self.failure is not None):
            raise Invalid("a failure goes with the state failed", code="failure_mismatch", field="failure")


@frozen
class TranscodeRequested:
    """An attempt waits for a transcoder."""

    video: VideoId
    attempt: int
    at: datetime


@frozen
class ProcessingMoved:
    """Processing entered another state, or more of the media can be played."""

    video: VideoId
    attempt: int
    at: datetime


@frozen
class Entry:
    """When an attempt entered a state; ``error`` is the failure's code."""

    at: datetime
    attempt: int
    state: State
    error: str | None = None


@frozen(kw_only=True)
class Processing:
    """All attempts at one video, of which the last counts. ``upload`` is whose bytes are the source.

    ``failed_starts`` counts how often the transcoder would not have a job for this attempt.
    ``log`` holds the last ``ENTRIES_MOST`` states that attempts entered, oldest first; a new one begins with its own.
    """

    video: VideoId
    upload: UploadId
    source: str
    attempt: int = 1
    state: State = State.PENDING
    lease_until: datetime | None = None
    job: JobId | None = None
    failed_starts: int = 0
    percent: int = 0
    media: Media | None = None
    failure: Failure | None = None
    updated_at: datetime
    log: tuple[Entry, ...] = ()
    version: int = 0

    def __attrs_post_init__(self) -> None:
        if not self.log:
            first = Entry(self.updated_at, self.attempt, self.state)
            object.__setattr__(self, "log", (first,))  # as attrs itself does while a frozen value is made

    @property
    def done(self) -> bool:
        return self.state in TERMINAL

    def replace(self, upload: UploadId, source: str, now: datetime) -> "Processing":
        """A new attempt on another source. The same upload, or an older one, changes nothing."""
        if upload <= self.upload or self.removed:
            return self
        return evolve(self._again(now), upload=upload, source=source)

    def retry(self, now: datetime) -> "Processing":
        """A new attempt on the same source. Raises IllegalTransition unless it failed."""
        if self.state is not State.FAILED or self.removed:
            raise IllegalTransition("processing", self.state, State.PENDING)
        return self._again(now)

    def claimable(self, attempt: int, now: datetime) -> bool:
        """Whether a job for ``attempt`` may be started: nothing is bound, and no lease runs."""
        waiting = self.state is State.PENDING and self.attempt == attempt and self.job is None
        return waiting and (self.lease_until is None or not self._leased(self.lease_until, now))

    def claim(self, attempt: int, now: datetime) -> "Processing":
        """Held for whoever saves this, until the lease ends. Raises Conflict unless ``claimable``."""
        if not self.claimable(attempt, now):
            raise Conflict("this attempt is claimed, under way or done", code="not_claimable")
        return evolve(self, lease_until=now + LEASE, updated_at=now)

    def bind(self, attempt: int, job: JobId, now: datetime) -> "Processing":
        """With the job that runs the attempt, if none is known yet and the attempt is still the last."""
        if attempt != self.attempt or self.job is not None or self.done:
            return self
        return evolve(self, job=job, updated_at=now)

    def start_failed(self, attempt: int, now: datetime) -> "Processing":
        """The transcoder would not have a job for the attempt: once more, or once too often. One that is busy may still."""
        if attempt != self.attempt or self.job is not None or self.done:
            return self
        counted = evolve(self, failed_starts=self.failed_starts + 1, updated_at=now)
        if counted.failed_starts < STARTS_MOST:
            return counted
        failure = Failure("encoder_failed", "the transcoder does not take this video")
        log = self._logged(now, attempt, State.FAILED, failure)
        return evolve(counted, state=State.FAILED, failure=failure, lease_until=None, log=log)

    def apply(self, report: Report, now: datetime) -> "Processing":
        """What is known after a report: more than before, or this very value.

        Stale attempts, foreign jobs, repetitions and steps back change nothing.
        """
        if report.attempt != self.attempt or self.job not in {None, report.job}:
            return self
        percent = 100 if report.state is State.READY else max(self.percent, min(report.percent, 99))
        if report.state is self.state and not self.done:
            further = percent > self.percent or progress(report.media) > progress(self.media)
        else:
            further = report.state in NEXT[self.state]
        if not further:
            return self
        return evolve(
            self,
            job=report.job,
            state=report.state,
            percent=percent,
            media=max(self.media, report.media, key=progress),
            failure=report.failure,
            lease_until=None,
            updated_at=now,
            log=self._logged(now, self.attempt, report.state, report.failure),
        )

    def remove(self, now: datetime) -> "Processing":
        """The video is gone: nothing that a transcoder says matters any more."""
        gone = Failure(REMOVED, "the video was removed")
        if self.removed:
            return self
        log = self._logged(now, self.attempt, State.FAILED, gone)
        return evolve(self, state=State.FAILED, failure=gone, updated_at=now, log=log)

    def moved(self, now: datetime) -> "Processing":
        """In another place, whose transcoder knows none of the jobs. What waited waits there; what had begun begins
        again as another attempt, since each writes files of its own.
        """
        if self.done:
            return self
        if self.state is State.PENDING:
            return evolve(self, job=None, lease_until=None, failed_starts=0)
        return self._again(now)

    @property
    def tries_again(self) -> bool:
        """Whether it failed in a way that the platform answers with another attempt."""
        transient = self.failure is not None and self.failure.transient
        return self.state is State.FAILED and transient and self.attempt < ATTEMPTS_MOST

    def seen(self, now: datetime) -> "Processing":
        """Heard of, though it is no further: it waits in the transcoder's queue, or the clock was set back."""
        return evolve(self, updated_at=now)

    def given_up(self, now: datetime, *, lost: bool) -> Report | None:
        """What to make of a bound job that is ``lost`` to its transcoder or has hung; None if it is neither."""
        if self.job is None or self.done or not (lost or self.updated_at + HANG < now):
            return None
        code, detail = ("job_lost", "the transcoder lost the job") if lost else ("stalled", "the job stood still")
        failure = Failure(code, detail, transient=True)
        return Report(video=self.video, attempt=self.attempt, job=self.job, state=State.FAILED, failure=failure)

    def stalled(self, now: datetime) -> bool:
        """Whether someone should ask what became of it."""
        if self.done:
            return False
        if self.job is None:
            return not self._leased(self.lease_until or self.updated_at + LEASE, now)
        return self.updated_at + STALL < now or self.ahead(now)

    def ahead(self, now: datetime) -> bool:
        """Whether it was last saved before the clock was set back."""
        return self.updated_at > now + SKEW

    @property
    def removed(self) -> bool:
        return self.failure is not None and self.failure.code == REMOVED

    @staticmethod
    def _leased(until: datetime, now: datetime) -> bool:
        """A lease that seems to last longer than it can is from before the clock was set back."""
        return until - LEASE - SKEW <= now <= until

    def _again(self, now: datetime) -> "Processing":
        return evolve(
            self, attempt=self.attempt + 1, state=State.PENDING, lease_until=None, job=None, failed_starts=0,
            percent=0, media=None, failure=None, updated_at=now,
            log=self._logged(now, self.attempt + 1, State.PENDING),
        )  # fmt: skip

    def _logged(self, now: datetime, attempt: int, state: State, failure: Failure | None = None) -> tuple[Entry, ...]:
        if (attempt, state) == (self.attempt, self.state):
            return self.log
        return (*self.log, Entry(now, attempt, state, failure.code if failure else None))[-ENTRIES_MOST:]
