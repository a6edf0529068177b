"""Any Processings behaves like a dict with a version check, and finds what nothing was heard of for long."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, invariant, multiple, rule

from application.ports import Event, Processings
from domain.errors import Stale
from domain.ids import JobId, UploadId, VideoId
from domain.processing import Processing, ProcessingMoved, State, TranscodeRequested
from tests.contract.machine import Machine, run, some_events
from tests.strategies import START, VIDEO_IDS, processings, times, video_ids
from tests.worlds import PROCESSINGS, Opener

openers = pytest.mark.parametrize(
    "opener", [opener for _, opener in PROCESSINGS], ids=[name for name, _ in PROCESSINGS]
)

FIRST = Processing(video=VideoId("vid_1"), upload=UploadId("upl_1"), source="raw/upl_1/source", updated_at=START)


class ProcessingsMachine(Machine):
    port: Processings
    held: Bundle[Any] = Bundle("held")  # what a worker may hold, fresh or stale

    @rule(target=held, processing=processings())
    def draft(self, processing: Processing) -> Processing:
        return processing

    @rule(target=held, video=video_ids)
    def read(self, video: VideoId) -> "Processing | MultipleResults[Processing]":
        return self.do(self.port.get(video)) if video in self.model else multiple()

    @rule(target=held, held=held, changed=processings(), events=some_events)
    def save(self, held: Processing, changed: Processing, events: list[Event]) -> Processing:
        return self.save_both(held.video, evolve(changed, video=held.video, version=held.version), events)

    @rule(before=times, limit=st.integers(1, 9))
    def unfinished_are_those_not_done(self, before: datetime, limit: int) -> None:
        waiting = sorted(each.updated_at for each in self.model.values() if not each.done and each.updated_at < before)
        found = self.do(self.port.unfinished(before, limit))
        assert [each.updated_at for each in found] == waiting[:limit]
        assert all(self.model[each.video] == each for each in found)
        assert len({each.video for each in found}) == len(found)

    @rule(after=times, limit=st.integers(1, 9))
    def ahead_are_those_not_done(self, after: datetime, limit: int) -> None:
        waiting = sorted(each.updated_at for each in self.model.values() if not each.done and each.updated_at > after)
        found = self.do(self.port.ahead(after, limit))
        assert [each.updated_at for each in found] == waiting[:limit]
        assert all(self.model[each.video] == each for each in found)

    @invariant()
    def reads_as_the_model(self) -> None:
        self.do(self.compare_reads(VIDEO_IDS))


@openers
def test_behaves_like_a_dict_of_processings(opener: Opener[Processings]) -> None:
    """Whatever is done in whatever order, reads, errors and events are the model's."""
    run(ProcessingsMachine, opener)


@openers
async def test_of_two_claims_one_is_saved(opener: Opener[Processings]) -> None:
    """The other is stale, and its event is not stored."""
    asked, moved = TranscodeRequested(FIRST.video, 1, START), ProcessingMoved(FIRST.video, 1, START)
    async with opener() as opened:
        stored = await opened.port.save(FIRST, asked)
        claimed = await opened.port.save(stored.claim(1, START))
        with pytest.raises(Stale):
            await opened.port.save(stored.claim(1, START + timedelta(seconds=1)), moved)
        assert await opened.port.get(FIRST.video) == claimed
        assert await opened.events() == [asked]


@openers
async def test_unfinished_are_the_longest_silent_first(opener: Opener[Processings]) -> None:
    """Those not done and not heard of since before then; what was heard of at that moment is not among them."""
    async with opener() as opened:
        second, first, done = [
            await opened.port.save(evolve(FIRST, video=VideoId(f"vid_{at}"), updated_at=START + timedelta(seconds=at)))
            for at in (2, 1, 0)
        ]
        await opened.port.save(evolve(done, state=State.READY, job=JobId("job_1"), percent=100))
        assert await opened.port.unfinished(START + timedelta(seconds=3)) == [first, second]
        assert await opened.port.unfinished(START + timedelta(seconds=3), limit=1) == [first]
        assert await opened.port.unfinished(START + timedelta(seconds=2)) == [first]
        assert await opened.port.unfinished(START + timedelta(seconds=1)) == []
        assert await opened.port.ahead(START) == [first, second]
        assert await opened.port.ahead(START, limit=1) == [first]
        assert await opened.port.ahead(START + timedelta(seconds=1)) == [second]
        assert await opened.port.ahead(START + timedelta(seconds=2)) == []
