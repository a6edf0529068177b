"""What MediaConvert says comes twice, late, early, out of order or never: the functions, the tables of the cloud and the
transcoder of the cloud, in this process.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import count, permutations
from typing import Any

import pytest
from attrs import define, field, frozen
from dependency_injector.providers import Object

from adapters.aws.job import Places
from adapters.aws.mediaconvert import MediaConvertTranscoder
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.processing import DynamoProcessings
from domain.ids import UploadId, VideoId
from domain.media import attempt_prefix
from domain.processing import LEASE, STALL, Processing, Report, State
from tests.adapters.converting import Service, Shelf
from tests.cloud import direct
from tests.entrypoints import aws_events as aws
from tests.entrypoints.functions import Functions
from tests.worlds import FakeClock

PLACES = Places(raw_bucket="raw", media_bucket="media", role="role", queue="queue", env="prod")
ATTEMPT = 2
_NUMBERS = count()


class Died(BaseException):
    """The process is no more."""


@define
class Gated(Service):
    """Whoever creates a job hears of it when the gate is open; or never, if the process ``dies`` before the call."""

    gate: asyncio.Event = field(factory=asyncio.Event)
    dies: bool = False

    async def create_job(self, **asked: Any) -> Any:
        if self.dies:
            raise Died
        made = await Service.create_job(self, **asked)
        await self.gate.wait()
        return made


async def _untold(report: Report) -> None:
    raise AssertionError(report)


@frozen
class Studio:
    functions: Functions
    processings: DynamoProcessings
    service: Gated
    shelf: Shelf
    clock: FakeClock

    def begin(self, attempt: int = ATTEMPT) -> VideoId:
        """An attempt waits for its transcoder, after others that failed."""
        video = VideoId(f"vid_{next(_NUMBERS)}")
        self.service.jobs.clear()
        self.service.gate.clear()
        self.shelf.files = dict(Shelf.of_a_finished_job(attempt_prefix(video, attempt)).files)
        waiting = Processing(
            video=video, upload=UploadId(f"upl_{video}"), source=f"raw/{video}", attempt=attempt,
            updated_at=self.clock.now(),
        )  # fmt: skip
        self.functions.run(self.processings.save(waiting))
        return video

    def start(self, video: VideoId) -> "asyncio.Task[None]":
        """Someone claims the attempt and creates the job, and has not heard of it yet."""

        async def begun() -> "asyncio.Task[None]":
            task = asyncio.create_task(self.functions.core.start_transcode()(video, ATTEMPT))
            while not self.service.jobs:  # noqa: ASYNC110  (nothing here takes time)
                await asyncio.sleep(0)
            return task

        task: asyncio.Task[None] = self.functions.run(begun())
        return task

    def bind(self, starting: "asyncio.Task[None]") -> None:
        async def bound() -> None:
            self.service.gate.set()
            await starting

        self.functions.run(bound())

    def hear(self, status: str, job: str = "job-0", attempt: int = ATTEMPT, env: str = "prod", **detail: Any) -> None:
        """An event of MediaConvert's, which the function takes."""
        metadata = {**self.service.jobs["job-0"]["UserMetadata"], "attempt": str(attempt), "env": env}
        event = aws.job(status, metadata, jobId=job, **detail)
        assert self.functions.failed("on_transcode", aws.of_sqs(event)) == []

    def tasks(self, *tasks: str) -> Mapping[str, int | None]:
        done: Mapping[str, int | None] = self.functions.call("on_schedule", {"tasks": tasks})
        return done

    def now(self, video: VideoId) -> Processing:
        found: Processing = self.functions.run(self.processings.get(video))
        return found


@pytest.fixture
def studio(functions: Functions) -> Iterator[Studio]:
    opened, clock, service, shelf = AsyncExitStack(), FakeClock(datetime.now(UTC)), Gated(), Shelf()
    adapters = functions.core.adapters
    tables = functions.run(opened.enter_async_context(direct.tables()))
    outbox = DynamoOutbox(tables, adapters.new_id(), clock.now)
    processings = DynamoProcessings(tables, outbox)
    transcoder = MediaConvertTranscoder(service, service, shelf, PLACES, _untold)
    for provider, given in (
        (adapters.now, clock.now), (adapters.outbox, outbox), (adapters.processings, processings),
        (adapters.transcoder, transcoder),
    ):  # fmt: skip
        provider.override(Object(given))
    yield Studio(functions, processings, service, shelf, clock)
    functions.run(opened.aclose())


def said(studio: Studio, starting: "asyncio.Task[None]") -> Mapping[str, Callable[[], None]]:
    """What can happen to an attempt, each thing by its letter."""
    progress = {"currentPhase": "TRANSCODING", "jobPercentComplete": 30}
    return {
        "b": lambda: studio.bind(starting),
        "p": lambda: studio.hear("STATUS_UPDATE", jobProgress=progress),
        "c": lambda: studio.hear("COMPLETE"),
        "s": lambda: studio.hear("ERROR", job="job-9", attempt=ATTEMPT - 1, errorCode=1999),  # stale
        "f": lambda: studio.hear("ERROR", job="job-9", env="dev", errorCode=1999),  # of another stack
        "x": lambda: studio.hear("CANCELED", job="job-9"),
    }


def orders(letters: str) -> Sequence[str]:
    return sorted({"".join(order) for order in permutations(letters)})


def essence(processing: Processing) -> tuple[Any, ...]:
    return (
        processing.attempt,
        processing.state,
        processing.job,
        processing.percent,
        processing.media,
        processing.failure,
    )


def test_every_order_comes_to_the_same(studio: Studio) -> None:
    """The bind, progress, the completion, an attempt that is over, a job of another stack and one that was cancelled; in
    every order of these, and of those that matter twice. Said once more after that, all of it changes nothing.
    """
    ends = set()
    for order in (*orders("bpcsfx"), *orders("bppccs")):
        video = studio.begin()
        steps = said(studio, studio.start(video))
        for letter in order:
            steps[letter]()
        end = studio.now(video)
        assert (end.state, end.job, end.attempt) == (State.READY, "job-0", ATTEMPT), order
        for letter in order.replace("b", ""):
            steps[letter]()
        assert studio.now(video) == end, order
        assert [each["Status"] for each in studio.service.jobs.values()] == ["SUBMITTED"], "nobody cancels it"
        ends.add(essence(end)[1:])
    assert len(ends) == 1


@pytest.mark.parametrize("order", orders("bcod"))
def test_of_two_jobs_at_one_attempt_the_first_that_is_heard_of_wins(studio: Studio, order: str) -> None:
    """The other one is stopped, if its starter finds out, and what it says is nothing to anyone."""
    video = studio.begin()
    starting = studio.start(video)
    studio.service.jobs["job-1"] = {**studio.service.jobs["job-0"], "Id": "job-1"}  # the search did not show the first
    steps = {
        "b": lambda: studio.bind(starting),
        "c": lambda: studio.hear("COMPLETE"),
        "o": lambda: studio.hear("STATUS_UPDATE", job="job-1", jobProgress={"jobPercentComplete": 50}),
        "d": lambda: studio.hear("COMPLETE", job="job-1"),
    }
    for letter in order:
        steps[letter]()
    end = studio.now(video)
    winner = "job-0" if order[0] in "bc" else "job-1"
    assert (end.state, end.job) == (State.READY, winner)
    stopped = studio.service.jobs["job-0"]["Status"] == "CANCELED"
    assert stopped == (winner == "job-1")


def test_a_starter_that_dies_before_there_is_a_job_is_followed_by_another(studio: Studio) -> None:
    """When its claim is over, and not before: the event that comes again meanwhile starts nothing."""
    video = studio.begin()
    studio.service.dies = True
    with pytest.raises(Died):
        studio.functions.run(studio.functions.core.start_transcode()(video, ATTEMPT))
    studio.service.dies = False
    studio.service.gate.set()
    studio.functions.run(studio.functions.core.start_transcode()(video, ATTEMPT))
    assert studio.tasks("sweep_processing") == {"sweep_processing": 0}
    assert not studio.service.jobs
    studio.clock.advance(LEASE + timedelta(seconds=1))
    assert studio.tasks("sweep_processing") == {"sweep_processing": 1}
    assert studio.tasks("sweep_processing") == {"sweep_processing": 0}
    assert list(studio.service.jobs) == ["job-0"]
    assert studio.now(video).job == "job-0"


def test_a_job_whose_starter_died_before_it_was_bound_is_the_one_that_is_bound(studio: Studio) -> None:
    """Also when its events come to nobody."""
    video = studio.begin()
    starting = studio.start(video)
    starting.cancel()
    studio.clock.advance(LEASE + timedelta(seconds=1))
    studio.tasks("sweep_processing")
    assert list(studio.service.jobs) == ["job-0"]
    assert studio.now(video).job == "job-0"


@pytest.mark.parametrize(
    ("status", "end", "failure"),
    [
        ("COMPLETE", State.READY, None),
        ("ERROR", State.FAILED, "unreadable"),
        ("PROGRESSING", State.TRANSCODING, None),
    ],
)
def test_what_no_event_told_is_asked_for(studio: Studio, status: str, end: State, failure: str | None) -> None:
    """By GetJob, once nothing was said for a while; what came of a job that is complete, its files say."""
    video = studio.begin()
    studio.bind(studio.start(video))
    studio.service.jobs["job-0"] |= {
        "Status": status, "CurrentPhase": "TRANSCODING", **({"ErrorCode": 1010} if status == "ERROR" else {}),
    }  # fmt: skip
    assert studio.tasks("sweep_processing") == {"sweep_processing": 0}
    studio.clock.advance(STALL + timedelta(seconds=1))
    assert studio.tasks("sweep_processing") == {"sweep_processing": 1}
    found = studio.now(video)
    assert (found.state, found.failure and found.failure.code) == (end, failure)
    assert (found.media is not None and found.media.complete) == (end is State.READY)


def test_a_completion_without_files_is_another_attempt(studio: Studio) -> None:
    """Lost as an event, and then as files."""
    video = studio.begin()
    studio.bind(studio.start(video))
    studio.service.jobs["job-0"]["Status"] = "COMPLETE"
    studio.shelf.files.clear()
    studio.clock.advance(STALL + timedelta(seconds=1))
    studio.tasks("sweep_processing")
    found = studio.now(video)
    assert (found.attempt, found.state, found.job) == (ATTEMPT + 1, State.PENDING, None)


def test_a_job_that_someone_cancelled_says_nothing_and_is_asked_after(studio: Studio) -> None:
    """By hand, in the console: its event is none of ours, and the sweep takes the job for lost."""
    video = studio.begin()
    studio.bind(studio.start(video))
    before = studio.now(video)
    studio.hear("CANCELED")
    assert studio.now(video) == before
    studio.service.jobs["job-0"]["Status"] = "CANCELED"
    studio.clock.advance(STALL + timedelta(seconds=1))
    studio.tasks("sweep_processing")
    found = studio.now(video)
    assert (found.attempt, found.state) == (ATTEMPT + 1, State.PENDING)
