"""Any Uploads behaves like a dict with a version check, and never lets a user take more than their quota."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, invariant, multiple, rule

from application.ports import Event, Uploads
from domain.errors import Forbidden, NotFound, Stale
from domain.ids import ChannelId, UploadId, UserId, VideoId
from domain.uploads import MIB, OPEN, Status, Upload, UploadAbandoned, UploadCompleted
from domain.videos import Video, Visibility
from tests.contract.machine import WalkingMachine, run, same, some_events, walked
from tests.strategies import START, UPLOAD_IDS, USER_IDS, VIDEO_IDS, times, upload_ids, uploads, user_ids
from tests.worlds import ANNOUNCING, UPLOADS, Announcing, Opener

openers = pytest.mark.parametrize("opener", [opener for _, opener in UPLOADS], ids=[name for name, _ in UPLOADS])

ANN, BEN = UserId("usr_ann"), UserId("usr_ben")
FILM = Upload(
    id=UploadId("upl_film"), user=ANN, channel=ChannelId("chn_cats"), video=VideoId("vid_1"), filename="film.mp4",
    content_type="video/mp4", size_bytes=10, created_at=START, expires_at=START + timedelta(hours=24),
)  # fmt: skip


def film(order: int, **changes: Any) -> Upload:
    """One of a user's uploads, begun so many minutes after the start."""
    return evolve(FILM, id=UploadId(f"upl_{order:03}"), created_at=START + timedelta(minutes=order), **changes)


def name(upload: Upload) -> str:
    return upload.id


class UploadsMachine(WalkingMachine):
    port: Uploads
    held: Bundle[Any] = Bundle("held")  # uploads a client may hold, fresh or stale

    @rule(target=held, upload=uploads())
    def draft(self, upload: Upload) -> Upload:
        return upload

    @rule(target=held, upload=upload_ids)
    def read(self, upload: UploadId) -> "Upload | MultipleResults[Upload]":
        return self.do(self.port.get(upload)) if upload in self.model else multiple()

    @rule(target=held, upload=uploads(), quota=st.sampled_from([5, 20, 16 * MIB + 10, 2**40]), most=st.integers(0, 3))
    def start(self, upload: Upload, quota: int, most: int) -> "Upload | MultipleResults[Upload]":
        new = evolve(upload, status=Status.WAITING, error=None)
        if new.id in self.model:
            return multiple()
        theirs = [each for each in self.model.values() if each.user == new.user]
        codes = set()
        if sum(each.size_bytes for each in theirs if each.counts) + new.size_bytes > quota:
            codes.add("quota_exceeded")
        if sum(each.status in OPEN for each in theirs) + 1 > most:
            codes.add("too_many_uploads")
        if codes:
            assert self.refused(self.port.start(new, quota, most), Forbidden).code in codes
            return new
        stored = self.model[new.id] = self.do(self.port.start(new, quota, most))
        assert stored == evolve(new, version=stored.version)
        assert stored.version > 0
        return stored

    @rule(target=held, held=held, status=st.sampled_from(Status), handle=st.sampled_from(["", "h"]), events=some_events)
    def save(self, held: Upload, status: Status, handle: str, events: list[Event]) -> Upload:
        return self.save_both(held.id, evolve(held, status=status, handle=handle, error=None), events)

    @rule(upload=upload_ids)
    def remove(self, upload: UploadId) -> None:
        self.do(self.port.remove(upload))
        self.model.pop(upload, None)
        self.told()

    @rule(user=user_ids, open_only=st.booleans())
    def walk_those_of_a_user(self, user: UserId, open_only: bool) -> None:  # noqa: FBT001  (drawn by hypothesis)
        self.set_out(
            lambda cursor, limit: self.port.of_user(user, open_only=open_only, cursor=cursor, limit=limit),
            lambda: self.made_by(user, open_only=open_only),
            name,
        )

    @rule(now=times, limit=st.integers(1, 9))
    def expired_are_the_open_ones_whose_time_is_over(self, now: datetime, limit: int) -> None:
        over = sorted(each.expires_at for each in self.model.values() if each.status in OPEN and each.expires_at <= now)
        found = self.do(self.port.expired(now, limit))
        assert [each.expires_at for each in found] == over[:limit]
        assert all(self.model[each.id] == each for each in found)
        assert len({each.id for each in found}) == len(found)

    @invariant()
    def reads_as_the_model(self) -> None:
        self.do(self.compare())

    async def compare(self) -> None:
        for id_ in UPLOAD_IDS:
            if id_ in self.model:
                assert await self.port.get(id_) == self.model[id_]
            else:
                with pytest.raises(NotFound):
                    await self.port.get(id_)
        for user in USER_IDS:
            for open_only in (False, True):
                read = await walked(
                    lambda cursor, limit, user=user, open_only=open_only: self.port.of_user(  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
                        user, open_only=open_only, cursor=cursor, limit=limit
                    ),
                    2,
                )
                expected = [self.model[id_] for id_ in self.made_by(user, open_only=open_only)]
                same(read, expected, lambda upload: upload.created_at, descending=True)
        for video in VIDEO_IDS:
            expected = [upload for upload in self.model.values() if upload.video == video]
            same(await self.port.of_video(video), expected, lambda upload: upload.created_at)

    def made_by(self, user: UserId, *, open_only: bool) -> Mapping[str, object]:
        theirs = [upload for upload in self.model.values() if upload.user == user]
        return {upload.id: upload.created_at for upload in theirs if upload.status in OPEN or not open_only}


@openers
def test_behaves_like_a_dict_of_uploads(opener: Opener[Uploads]) -> None:
    """Whatever is done in whatever order, reads, quotas, lists, walks, errors and events are the model's."""
    run(UploadsMachine, opener)


@openers
async def test_the_quota_is_exact(opener: Opener[Uploads]) -> None:
    """Up to its last byte and not one more; each user has their own."""
    async with opener() as opened:
        await opened.port.start(film(1, size_bytes=60), 100, 9)
        with pytest.raises(Forbidden) as refused:
            await opened.port.start(film(2, size_bytes=41), 100, 9)
        assert refused.value.code == "quota_exceeded"
        await opened.port.start(film(2, size_bytes=40), 100, 9)
        await opened.port.start(film(3, size_bytes=100, user=BEN), 100, 9)
        assert [upload.id for upload in (await opened.port.of_user(ANN)).items] == ["upl_002", "upl_001"]


@pytest.mark.parametrize("opener", [opener for _, opener in ANNOUNCING], ids=[name for name, _ in ANNOUNCING])
async def test_a_new_video_is_there_with_its_upload_or_not_at_all(opener: Opener[Announcing]) -> None:
    video = Video(
        id=FILM.video, channel=FILM.channel, uploader=ANN, title="Film", visibility=Visibility.PRIVATE,
        created_at=START,
    )  # fmt: skip
    async with opener() as opened:
        ports = opened.port
        with pytest.raises(Forbidden):
            await ports.uploads.start(FILM, FILM.size_bytes - 1, 9, video=video)
        assert await ports.videos.many([video.id]) == {}
        started = await ports.uploads.start(FILM, 1000, 9, video=video)
        assert await ports.uploads.get(FILM.id) == started
        assert await ports.videos.get(video.id) == evolve(video, version=1)
        assert (await ports.videos.of_channel(video.channel)).items == [evolve(video, version=1)]


@openers
async def test_only_so_many_are_open(opener: Opener[Uploads]) -> None:
    """One that ends makes room for another."""
    async with opener() as opened:
        first = await opened.port.start(film(1), 1000, 2)
        second = await opened.port.start(film(2), 1000, 2)
        with pytest.raises(Forbidden) as refused:
            await opened.port.start(film(3), 1000, 2)
        assert refused.value.code == "too_many_uploads"
        cancelled, event = first.cancel(START)
        cancelled = await opened.port.save(cancelled, event)
        third = await opened.port.start(film(3), 1000, 2)
        assert (await opened.port.of_user(ANN, open_only=True)).items == [third, second]
        assert (await opened.port.of_user(ANN)).items == [third, second, cancelled]
        assert await opened.events() == [event]


@openers
@pytest.mark.parametrize(
    ("status", "frees"),
    [(Status.COMPLETED, False), (Status.CANCELLED, True), (Status.EXPIRED, True), (Status.FAILED, True)],
)
async def test_what_ends_well_goes_on_counting(opener: Opener[Uploads], status: Status, frees: bool) -> None:  # noqa: FBT001  (a parameter of the test)
    """What came to nothing frees its bytes; what was completed frees them when it is removed."""
    async with opener() as opened:
        upload = await opened.port.start(film(1, size_bytes=100), 100, 9)
        await opened.port.save(evolve(upload, status=status))
        if frees:
            await opened.port.start(film(2, size_bytes=100), 100, 9)
        else:
            with pytest.raises(Forbidden):
                await opened.port.start(film(2, size_bytes=1), 100, 9)
            await opened.port.remove(upload.id)
            await opened.port.start(film(2, size_bytes=100), 100, 9)
        with pytest.raises(Forbidden):
            await opened.port.start(film(3, size_bytes=1), 100, 9)


@openers
async def test_what_came_to_nothing_frees_its_bytes_once(opener: Opener[Uploads]) -> None:
    """When it ends, and not again when it is removed."""
    async with opener() as opened:
        cancelled, event = (await opened.port.start(film(1, size_bytes=60), 100, 9)).cancel(START)
        await opened.port.save(cancelled, event)
        await opened.port.start(film(2, size_bytes=50), 100, 9)
        await opened.port.remove(cancelled.id)
        with pytest.raises(Forbidden):
            await opened.port.start(film(3, size_bytes=51), 100, 9)
        await opened.port.start(film(3, size_bytes=50), 100, 9)


@openers
async def test_the_quota_is_exact_under_concurrency(opener: Opener[Uploads]) -> None:
    """Of ten begun at once, as many are stored as fit."""
    async with opener() as opened:
        results = await asyncio.gather(
            *(opened.port.start(film(order, size_bytes=30), 100, 9) for order in range(10)), return_exceptions=True
        )
        stored = [result for result in results if isinstance(result, Upload)]
        assert len(stored) == 3
        assert all(isinstance(result, (Upload, Forbidden)) for result in results)
        same((await opened.port.of_user(ANN)).items, stored)


@openers
async def test_the_uploads_of_a_video_are_the_oldest_first(opener: Opener[Uploads]) -> None:
    """Whatever became of them, and no others."""
    async with opener() as opened:
        third, first, second = [await opened.port.start(film(order), 1000, 9) for order in (3, 1, 2)]
        await opened.port.start(film(4, video=VideoId("vid_2")), 1000, 9)
        failed, event = second.fail("no bytes came", START)
        failed = await opened.port.save(failed, event)
        assert await opened.port.of_video(VideoId("vid_1")) == [first, failed, third]
        assert await opened.port.of_video(VideoId("vid_3")) == []


@openers
async def test_expired_are_the_open_ones(opener: Opener[Uploads]) -> None:
    """Whose time is over, the earliest first; at the very moment it is."""
    async with opener() as opened:
        hours = [timedelta(hours=order) for order in range(4)]
        later, sooner, done = [
            await opened.port.start(film(order, expires_at=START + hours[order]), 1000, 9) for order in (3, 2, 1)
        ]
        await opened.port.save(evolve(done, status=Status.COMPLETED))
        assert await opened.port.expired(START + hours[1]) == []
        assert await opened.port.expired(START + hours[2]) == [sooner]
        assert await opened.port.expired(START + hours[3]) == [sooner, later]
        assert await opened.port.expired(START + hours[3], limit=1) == [sooner]


@openers
async def test_of_two_copies_one_is_saved(opener: Opener[Uploads]) -> None:
    """The other is stale and its event is not stored; nor is an old copy of what was removed."""
    completed = UploadCompleted(FILM.id, FILM.video, FILM.source, START)
    async with opener() as opened:
        upload = await opened.port.start(FILM, 1000, 9)
        first = await opened.port.save(evolve(upload, status=Status.COMPLETED), completed)
        with pytest.raises(Stale):
            await opened.port.save(*upload.cancel(START))
        assert await opened.port.get(FILM.id) == first
        assert await opened.events() == [completed]
        await opened.port.remove(FILM.id)
        await opened.port.remove(FILM.id)
        with pytest.raises(Stale):
            await opened.port.save(first, UploadAbandoned(FILM.id, FILM.video, START))
        assert await opened.events() == []
