"""Exactly one job wins, whatever arrives, how often and in what order."""

import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.errors import Conflict, IllegalTransition, Invalid, Stale
from domain.ids import JobId, UploadId, VideoId
from domain.media import Media, Rendition, progress
from domain.processing import (
    ATTEMPTS_MOST,
    ENTRIES_MOST,
    HANG,
    LEASE,
    NEXT,
    REMOVED,
    SKEW,
    STALL,
    STARTS_MOST,
    TERMINAL,
    Entry,
    Failure,
    Processing,
    Report,
    State,
)

VIDEO = VideoId("vid_1")
OURS, OLD, FOREIGN = JobId("job-ours"), JobId("job-old"), JobId("job-foreign")
T0 = datetime(2026, 1, 1, tzinfo=UTC)
SOON = T0 + timedelta(seconds=1)
BROKEN = Failure("encoder_failed", "it broke", transient=True)
# A second account of the table, in ranks: it must say the same.
RANK = {State.PENDING: 0, State.PROBING: 1, State.TRANSCODING: 2, State.READY: 3, State.FAILED: 3}
PAIRS = [(current, wanted) for current in State for wanted in State]

Step = Callable[[Processing], Processing]


def media(attempt: int, renditions: int, *, complete: bool) -> Media:
    made = tuple(Rendition(f"{n}p", n * 16, n * 9, n * 1000, "avc1.640028") for n in range(1, renditions + 1))
    return Media(
        attempt=attempt, manifest="m", duration_s=9, width=16, height=9, renditions=made, has_audio=True,
        complete=complete,
    )  # fmt: skip


def report(
    state: State, percent: int = 0, *, attempt: int = 1, job: JobId = OURS, renditions: int = 0, complete: bool = False
) -> Report:
    """A true report: complete media comes with READY, a failure with FAILED."""
    ready = state is State.READY
    shown = media(attempt, renditions or 4, complete=complete or ready) if ready or renditions else None
    failure = BROKEN if state is State.FAILED else None
    return Report(video=VIDEO, attempt=attempt, job=job, state=state, percent=percent, media=shown, failure=failure)


def new(**values: Any) -> Processing:
    start = Processing(video=VIDEO, upload=UploadId("upl_1"), source="raw/upl_1/source", updated_at=T0)
    return evolve(start, **values)


def at(state: State, **values: Any) -> Processing:
    """Processing that got to ``state`` by reports of its own job, at 50 percent on the way."""
    if state is State.PENDING:
        return new(job=OURS, percent=50, **values)
    return evolve(new().apply(report(state, 50), T0), **values)


def applying(told: Report) -> Step:
    return lambda processing: processing.apply(told, SOON)


def binding(attempt: int, job: JobId) -> Step:
    return lambda processing: processing.bind(attempt, job, SOON)


def keeps_the_promises(before: Processing, after: Processing) -> None:
    """What holds of every single change, whoever makes it."""
    assert after.attempt >= before.attempt
    if after.attempt > before.attempt:
        return
    if before.done:
        removed = after.failure is not None and after.failure.code == REMOVED
        assert after is before or removed
        return
    assert after.state is before.state or after.state in NEXT[before.state]
    assert after.percent >= before.percent
    assert progress(after.media) >= progress(before.media)
    assert before.job in {None, after.job}
    assert (after.percent == 100) == (after.state is State.READY)


def run(start: Processing, steps: Sequence[Step]) -> tuple[Processing, list[State]]:
    """Take the steps; where it ends, and every state it entered."""
    now, entered = start, list[State]()
    for step in steps:
        after = step(now)
        keeps_the_promises(now, after)
        if after == now:
            assert after is now, "a change of nothing would be saved"
        if (after.state, after.attempt) != (now.state, now.attempt):
            entered.append(after.state)
        now = after
    return now, entered


# --- the table ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("current", "wanted"), PAIRS)
def test_states_follow_by_rank(current: State, wanted: State) -> None:
    """The table is the order of ranks: reports get lost, so any later state may follow at once."""
    assert (wanted in NEXT[current]) == (RANK[wanted] > RANK[current])


def test_what_is_terminal_has_no_next() -> None:
    """And nothing else is without one."""
    assert {state for state in State if not NEXT[state]} == TERMINAL
    assert {state for state in State if new(state=state).done} == TERMINAL


@pytest.mark.parametrize(("current", "wanted"), PAIRS)
def test_a_report_moves_along_the_table_only(current: State, wanted: State) -> None:
    """Whatever is not in the table leaves the very same value, even with more percent."""
    before = at(current)
    after = before.apply(report(wanted, 40), SOON)
    if wanted in NEXT[current]:
        assert (after.state, after.updated_at, after.job) == (wanted, SOON, OURS)
        assert after.percent == (100 if wanted is State.READY else 50)
        assert (after.failure is not None) == (wanted is State.FAILED)
    else:
        assert after is before


@pytest.mark.parametrize("state", sorted(set(State) - TERMINAL))
def test_within_a_state_only_more_is_news(state: State) -> None:
    """More percent, or more renditions, of which neither takes anything back."""
    before = at(state)
    assert before.apply(report(state, 50), SOON) is before
    further = before.apply(report(state, 60), SOON)
    assert (further.percent, further.state, further.updated_at) == (60, state, SOON)
    richer = further.apply(report(state, 10, renditions=5), SOON)
    assert (richer.percent, progress(richer.media)) == (60, (False, 1, 5))
    assert richer.apply(report(state, 60, renditions=4), SOON) is richer


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_nothing_is_news_once_it_is_over(state: State) -> None:
    """Neither repetition nor correction."""
    before = at(state)
    for each in State:
        assert before.apply(report(each, 99, renditions=9), SOON) is before


@pytest.mark.parametrize("percent", [99, 100, 250])
def test_a_hundred_percent_said_again_is_no_news(percent: int) -> None:
    """Until it is ready it has 99 at most, so saying 100 twice must not be saved twice."""
    once = new().apply(report(State.TRANSCODING, percent), T0)
    assert once.percent == 99
    assert once.apply(report(State.TRANSCODING, percent), SOON) is once


def test_complete_media_takes_the_place_of_partial_with_more_renditions() -> None:
    """Otherwise a ready video would never be listed."""
    partial = new().apply(report(State.TRANSCODING, 10, renditions=5), T0)
    ready = partial.apply(report(State.READY, renditions=3), SOON)
    assert ready.media == media(1, 3, complete=True)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"state": State.READY}, "report_without_media"),
        ({"state": State.READY, "media": media(1, 2, complete=False)}, "report_without_media"),
        ({"state": State.FAILED}, "failure_mismatch"),
        ({"state": State.TRANSCODING, "failure": BROKEN}, "failure_mismatch"),
    ],
)
def test_a_report_that_says_half_is_refused(values: dict[str, Any], code: str) -> None:
    """Ready without media would be a video that never shows; failed without a reason, one nobody can mend."""
    with pytest.raises(Invalid) as caught:
        evolve(report(State.PROBING), **values)
    assert caught.value.code == code


# --- claims ------------------------------------------------------------------------------------------------


class Store:
    """One stored value with a version check, as every repository has."""

    def __init__(self, value: Processing) -> None:
        self.value = value

    def save(self, value: Processing) -> None:
        if value.version != self.value.version:
            raise Stale("processing")
        self.value = evolve(value, version=value.version + 1)


def test_of_two_claimers_one_wins() -> None:
    """Both read it unclaimed; the second to save is told so, and finds it claimed when it looks again."""
    store = Store(new())
    first, second = store.value.claim(1, T0), store.value.claim(1, T0)
    store.save(first)
    with pytest.raises(Stale):
        store.save(second)
    with pytest.raises(Conflict) as caught:
        store.value.claim(1, T0)
    assert caught.value.code == "not_claimable"


def test_a_lease_ends_and_another_may_claim() -> None:
    """Whoever claimed it died before the job began; the second job binds, and the first, if any, is foreign."""
    claimed = new().claim(1, T0)
    assert claimed.lease_until == T0 + LEASE
    assert not claimed.claimable(1, T0 + LEASE)
    assert not claimed.stalled(T0 + LEASE)
    late = T0 + LEASE + timedelta(microseconds=1)
    assert claimed.stalled(late)
    again = claimed.claim(1, late)
    assert again.lease_until == late + LEASE
    bound = again.bind(1, OURS, late)
    assert bound.job == OURS
    assert bound.bind(1, FOREIGN, late) is bound
    assert bound.apply(report(State.READY, job=FOREIGN), late) is bound


def test_the_job_of_a_dead_claimer_may_still_win() -> None:
    """It did begin; its report comes before the second claimer's job is bound, which then is the foreign one."""
    again = new().claim(1, T0).claim(1, T0 + 2 * LEASE)
    reported = again.apply(report(State.PROBING, job=OLD), SOON)
    assert reported.job == OLD
    assert reported.bind(1, FOREIGN, SOON) is reported
    assert reported.apply(report(State.READY, job=OLD), SOON).state is State.READY


@pytest.mark.parametrize("state", State)
def test_what_has_a_job_is_never_claimed(state: State) -> None:
    """However long ago it spoke."""
    with pytest.raises(Conflict):
        at(state).claim(1, T0 + timedelta(days=9))


def test_an_attempt_that_cannot_be_started_fails_in_the_end() -> None:
    """Another one counts anew, and so does another place."""
    waits, now = new(), T0
    for count in range(1, STARTS_MOST):
        now += 2 * LEASE
        waits = waits.claim(1, now).start_failed(1, now)
        assert (waits.state, waits.failed_starts) == (State.PENDING, count)
        assert not waits.claimable(1, now), "the lease keeps the tries apart"
    assert waits.moved(SOON).failed_starts == 0
    failed = waits.start_failed(1, now)
    assert (failed.state, failed.lease_until, failed.updated_at) == (State.FAILED, None, now)
    assert failed.failure is not None
    assert (failed.failure.code, failed.tries_again) == ("encoder_failed", False)
    assert failed.log[-1] == Entry(now, 1, State.FAILED, "encoder_failed")
    assert failed.start_failed(1, now) is failed
    again = failed.retry(now)
    assert (again.failed_starts, again.attempt) == (0, 2)
    assert again.start_failed(1, now) is again, "that was the attempt before"
    bound = again.bind(2, OURS, now)
    assert bound.start_failed(2, now) is bound, "another start had a job"


@pytest.mark.parametrize("attempt", [0, 2])
def test_only_the_last_attempt_is_claimed_and_bound(attempt: int) -> None:
    """An order for another attempt came too late, or is not for this value."""
    assert not new().claimable(attempt, T0)
    before = new()
    assert before.bind(attempt, OURS, T0) is before


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_what_is_over_binds_no_job(state: State) -> None:
    """Removed before any job was known, for one."""
    before = new(state=state)
    assert before.bind(1, OURS, SOON) is before


@pytest.mark.parametrize(
    ("processing", "quiet"),
    [
        (new(), LEASE),
        (new().claim(1, T0), LEASE),
        (new(job=OURS), STALL),
        (at(State.PROBING), STALL),
        (at(State.TRANSCODING), STALL),
    ],
)
def test_silence_is_noticed(processing: Processing, quiet: timedelta) -> None:
    """After the lease while no job is known, and later once one is."""
    assert not processing.stalled(T0 + quiet)
    assert processing.stalled(T0 + quiet + timedelta(microseconds=1))


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=1)])
@pytest.mark.parametrize("state", sorted(set(State) - TERMINAL))
def test_a_clock_that_is_set_back_makes_no_silence_longer(state: State, back: timedelta) -> None:
    """Nor a lease: what was saved ahead of the present is asked after at once."""
    claimed = new().claim(1, T0)
    assert claimed.claimable(1, T0 - back)
    assert claimed.stalled(T0 - back)
    assert new().stalled(T0 - back)
    assert at(state).stalled(T0 - back)
    assert not at(state).seen(T0 - back).stalled(T0 - back)


def test_clocks_of_two_machines_may_differ_a_little() -> None:
    """A lease that the other one's clock has begun runs here, too."""
    claimed = new().claim(1, T0)
    assert not claimed.claimable(1, T0 - SKEW)
    assert not claimed.stalled(T0 - SKEW)
    assert not at(State.PROBING).stalled(T0 - SKEW)


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_what_is_over_is_not_asked_after(state: State) -> None:
    """Nothing more will come."""
    assert not at(state).stalled(T0 + timedelta(days=999))


def test_waiting_in_a_queue_is_no_silence() -> None:
    """Whoever asked the transcoder and heard that the job waits asks again later."""
    late = T0 + STALL + timedelta(seconds=1)
    seen = new(job=OURS).seen(late)
    assert seen == new(job=OURS, updated_at=late)
    assert not seen.stalled(late + STALL)


@pytest.mark.parametrize("state", sorted(set(State) - TERMINAL))
@pytest.mark.parametrize(
    ("after", "lost", "code"),
    [
        (HANG, False, None), (HANG + timedelta(microseconds=1), False, "stalled"), (timedelta(0), True, "job_lost"),
        (2 * HANG, True, "job_lost"),
    ],
)  # fmt: skip
def test_a_job_is_given_up(state: State, after: timedelta, *, lost: bool, code: str | None) -> None:
    """When its transcoder does not know it, or after an hour without a move: as a failure worth another try."""
    running = at(state)
    told = running.given_up(T0 + after, lost=lost)
    assert (told and told.failure and told.failure.code) == code
    failed = running if told is None else running.apply(told, SOON)
    assert failed.tries_again == (code is not None)


@pytest.mark.parametrize("processing", [new(), new().claim(1, T0), at(State.READY), at(State.FAILED)])
def test_without_a_running_job_there_is_none_to_give_up(processing: Processing) -> None:
    """What has no job yet is claimed again instead."""
    assert processing.given_up(T0 + 2 * HANG, lost=True) is None


@pytest.mark.parametrize("transient", [True, False])
@pytest.mark.parametrize("attempt", range(1, ATTEMPTS_MOST + 2))
def test_the_platform_tries_again_by_itself(attempt: int, *, transient: bool) -> None:
    """A few times, if that may help; never for what is gone."""
    failed = new(attempt=attempt, state=State.FAILED, failure=evolve(BROKEN, transient=transient))
    assert failed.tries_again == (transient and attempt < ATTEMPTS_MOST)
    assert not failed.remove(SOON).tries_again
    assert not at(State.READY, attempt=attempt).tries_again


# --- new attempts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
def test_only_what_failed_is_retried(state: State) -> None:
    """With a higher number, and nothing left of the attempt before."""
    before = at(state, lease_until=T0)
    if state is not State.FAILED:
        with pytest.raises(IllegalTransition):
            before.retry(SOON)
        return
    again = before.retry(SOON)
    assert again == new(attempt=2, updated_at=SOON, log=again.log)


@pytest.mark.parametrize("state", State)
def test_a_new_source_is_a_new_attempt(state: State) -> None:
    """In any state, but once for each upload; an older upload that is told of late changes nothing."""
    before = at(state)
    replaced = before.replace(UploadId("upl_2"), "raw/upl_2/source", SOON)
    wanted = new(upload=UploadId("upl_2"), source="raw/upl_2/source", attempt=2, updated_at=SOON, log=replaced.log)
    assert replaced == wanted
    assert replaced.replace(UploadId("upl_2"), "raw/upl_2/source", SOON) is replaced
    assert replaced.replace(UploadId("upl_1"), "raw/upl_1/source", SOON) is replaced


@pytest.mark.parametrize("state", State)
def test_in_another_place_no_job_is_bound(state: State) -> None:
    """What waited waits, what had begun is another attempt, what is over stays as it is."""
    before = at(state)
    moved = before.moved(SOON)
    if state in TERMINAL:
        assert moved is before
    else:
        assert (moved.job, moved.lease_until, moved.state) == (None, None, State.PENDING)
        assert moved.attempt == (1 if state is State.PENDING else 2)
        assert moved.claimable(moved.attempt, SOON)


@pytest.mark.parametrize("state", State)
def test_what_was_removed_stays_so(state: State) -> None:
    """Nothing brings it back."""
    gone = at(state).remove(SOON)
    assert gone.state is State.FAILED
    assert gone.failure is not None
    assert gone.failure.code == REMOVED
    assert gone.remove(SOON) is gone
    assert gone.replace(UploadId("upl_2"), "s", SOON) is gone
    assert gone.bind(1, OURS, SOON) is gone
    for each in State:
        assert gone.apply(report(each, 99), SOON) is gone
    with pytest.raises(IllegalTransition):
        gone.retry(SOON)
    with pytest.raises(Conflict):
        gone.claim(1, T0 + timedelta(days=1))


# --- orderings ---------------------------------------------------------------------------------------------

STALE = [
    binding(1, OLD), *(applying(report(state, 99, job=OLD, renditions=9)) for state in State),
    *(applying(report(state, 99, job=FOREIGN)) for state in State),
]  # fmt: skip
STRANGE = [binding(2, FOREIGN), *(applying(report(state, 99, attempt=2, job=FOREIGN, renditions=9)) for state in State)]


def second_attempt() -> Processing:
    """The first attempt failed with a job of its own; the second is claimed."""
    failed = new().claim(1, T0).bind(1, OLD, T0).apply(report(State.FAILED, job=OLD), T0)
    return failed.retry(T0).claim(2, T0)


def own(last: State) -> list[Step]:
    told = [
        report(State.PROBING, attempt=2), report(State.TRANSCODING, 20, attempt=2),
        report(State.TRANSCODING, 60, attempt=2), report(State.TRANSCODING, 40, attempt=2, renditions=1),
        report(last, attempt=2),
    ]  # fmt: skip
    return [binding(2, OURS), *map(applying, told)]


@pytest.mark.parametrize("last", sorted(TERMINAL))
def test_every_ordering_ends_right(last: State) -> None:
    """All 720 orderings of one job's story, with every stale and every foreign event after each of its steps."""
    orderings = 0
    for story in itertools.permutations(own(last)):
        steps = [step for each in story for step in (each, *STALE, *STRANGE)]
        ended, entered = run(second_attempt(), [*STALE, *steps, *story])
        assert (ended.state, ended.job, ended.attempt) == (last, OURS, 2)
        assert entered.count(last) == 1
        assert entered == sorted(entered, key=RANK.__getitem__)
        assert ended.media == media(2, 4, complete=True) if last is State.READY else not progress(ended.media)[0]
        orderings += 1
    assert orderings == 720


@pytest.mark.parametrize("last", sorted(TERMINAL))
@given(data=st.data())
def test_repeated_and_mixed_with_strangers_it_ends_right(last: State, data: st.DataObject) -> None:
    """Each report at least once; whichever job is known first is the one whose story counts."""
    ours, theirs = own(last), [*STALE, *STRANGE]
    extra = data.draw(st.lists(st.sampled_from([*ours, *theirs]), max_size=20))
    steps = data.draw(st.permutations([*ours, *extra]))
    ended, entered = run(second_attempt(), steps)
    assert ended.job in {OURS, FOREIGN}
    assert entered.count(State.READY) <= 1
    if ended.job == OURS:
        assert ended.state is last
    else:
        foreign = [step for step in steps if step in STRANGE]
        assert run(second_attempt(), foreign)[0] == ended


@pytest.mark.parametrize("between", ["retry", "replace", "remove"])
@given(data=st.data())
def test_a_turn_in_between_voids_what_was_before(between: str, data: st.DataObject) -> None:
    """A new attempt is free of the old one's reports; a removed video is free of all."""
    story = data.draw(st.permutations(own(State.FAILED)))
    cut = data.draw(st.integers(0, len(story)))
    before, _ = run(second_attempt(), story[:cut])
    if between == "retry" and before.state is not State.FAILED:
        with pytest.raises(IllegalTransition):
            before.retry(SOON)
        return
    turns: dict[str, Step] = {
        "retry": lambda it: it.retry(SOON),
        "replace": lambda it: it.replace(UploadId("upl_2"), "raw/upl_2/source", SOON),
        "remove": lambda it: it.remove(SOON),
    }
    turned = turns[between](before)
    assert run(turned, [*story, *STALE, *STRANGE, *story])[0] is turned
    if between != "remove":
        ready = [binding(3, OURS), applying(report(State.READY, attempt=3))]
        ended, entered = run(turned, [*ready, *story, *ready])
        assert (ended.state, ended.attempt, entered) == (State.READY, 3, [State.READY])


class Story(RuleBasedStateMachine):
    """Claimers, transcoders, owners and the clock, all at once, on one stored value."""

    def __init__(self) -> None:
        super().__init__()
        self.now = T0
        self.it = new()
        self.jobs = dict[int, JobId]()
        self.ended = list[tuple[int, State]]()
        self.uploads = 1

    def becomes(self, after: Processing) -> None:
        before, self.it = self.it, after
        keeps_the_promises(before, after)
        if after.job is not None:
            assert self.jobs.setdefault(after.attempt, after.job) == after.job
        if after.done and (before.state, before.attempt) != (after.state, after.attempt):
            self.ended.append((after.attempt, after.state))

    @rule(seconds=st.sampled_from([1, 119, 121, 601]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(back=st.integers(0, 1))
    def claim(self, back: int) -> None:
        attempt = self.it.attempt - back
        if self.it.claimable(attempt, self.now):
            self.becomes(self.it.claim(attempt, self.now))
            assert not self.it.claimable(attempt, self.now + LEASE)
        else:
            with pytest.raises(Conflict):
                self.it.claim(attempt, self.now)

    @rule(back=st.integers(0, 1), job=st.sampled_from([OURS, FOREIGN]))
    def bind(self, back: int, job: JobId) -> None:
        self.becomes(self.it.bind(self.it.attempt - back, job, self.now))

    @rule(
        back=st.integers(-1, 1), job=st.sampled_from([OURS, FOREIGN]), state=st.sampled_from(State),
        percent=st.integers(-1, 101), renditions=st.integers(0, 4),
    )  # fmt: skip
    def tell(self, back: int, job: JobId, state: State, percent: int, renditions: int) -> None:
        told = report(state, percent, attempt=self.it.attempt - back, job=job, renditions=renditions)
        before = self.it
        self.becomes(before.apply(told, self.now))
        assert self.it is before or (back == 0 and self.it.job == job)
        assert self.it.apply(told, self.now) is self.it

    @precondition(lambda self: self.it.state is State.FAILED and self.it.failure == BROKEN)
    @rule()
    def retry(self) -> None:
        self.becomes(self.it.retry(self.now))

    @rule()
    def replace(self) -> None:
        self.uploads += 1
        self.becomes(self.it.replace(UploadId(f"upl_{self.uploads:09}"), "source", self.now))

    @rule()
    def remove(self) -> None:
        self.becomes(self.it.remove(self.now))

    @invariant()
    def each_attempt_is_ready_once_at_most(self) -> None:
        ready = [attempt for attempt, state in self.ended if state is State.READY]
        assert len(ready) == len(set(ready))
        if self.it.state is State.READY:
            assert self.it.media is not None
            assert self.it.media.complete
            assert self.it.media.attempt == self.it.attempt


TestStory = Story.TestCase


def test_the_log_says_when_each_attempt_entered_a_state() -> None:
    """Once a state, whatever else moves; a failure with its code."""
    processing = new().claim(1, T0).bind(1, OURS, T0)
    for percent in (10, 20, 30):
        processing = processing.apply(report(State.TRANSCODING, percent), SOON)
    processing = processing.apply(report(State.FAILED), SOON).retry(SOON).remove(SOON)
    assert processing.log == (
        Entry(T0, 1, State.PENDING),
        Entry(SOON, 1, State.TRANSCODING),
        Entry(SOON, 1, State.FAILED, "encoder_failed"),
        Entry(SOON, 2, State.PENDING),
        Entry(SOON, 2, State.FAILED, REMOVED),
    )


def test_the_log_has_an_end() -> None:
    """However often someone asks for another attempt; the latest stay."""
    processing = new()
    for attempt in range(1, ENTRIES_MOST):
        processing = processing.apply(report(State.FAILED, attempt=attempt), SOON).retry(SOON)
    assert len(processing.log) == ENTRIES_MOST
    assert processing.log[-1] == Entry(SOON, ENTRIES_MOST, State.PENDING)
