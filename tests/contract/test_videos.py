"""Any Videos behaves like a dict with a version check, and lists what is listable in every order asked for."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, invariant, multiple, rule

from application.ports import Event, Order, Videos
from domain.errors import Stale
from domain.ids import ChannelId, UserId, VideoId
from domain.media import MANIFEST, Media, Rendition
from domain.processing import State
from domain.videos import ListingChanged, Video, VideoPublished, VideoRemoved, Visibility
from tests.contract.machine import WalkingMachine, run, same, some_events, walked
from tests.strategies import (
    CHANNEL_IDS,
    START,
    TAGS,
    VIDEO_IDS,
    channel_ids,
    tags,
    times,
    video_ids,
    videos,
)
from tests.worlds import VIDEOS, Opener

openers = pytest.mark.parametrize("opener", [opener for _, opener in VIDEOS], ids=[name for name, _ in VIDEOS])

ORDERS = [(Order.NEWEST, True), (Order.OLDEST, False)]
MINUTE = timedelta(minutes=1)
MEDIA = Media(
    attempt=1, manifest=MANIFEST, duration_s=10.0, width=640, height=360, has_audio=True,
    renditions=(Rendition("360p", 640, 360, 600_000, "avc1.4d401e"),),
)  # fmt: skip
DRAFT = Video(
    id=VideoId("vid_draft"), channel=ChannelId("chn_cats"), uploader=UserId("usr_ann"), title="Draft", created_at=START
)


def shown(order: int, channel: str = "chn_cats", *labels: str) -> Video:
    """A listable video, published so many minutes after the start."""
    return evolve(
        DRAFT, id=VideoId(f"vid_{order:03}"), channel=ChannelId(channel), title=f"Video {order}", tags=labels,
        visibility=Visibility.PUBLIC, state=State.READY, media=MEDIA, published_at=START + order * MINUTE,
    )  # fmt: skip


def name(video: Video) -> str:
    return video.id


class VideosMachine(WalkingMachine):
    port: Videos
    held: Bundle[Any] = Bundle("held")  # videos a client may hold, fresh or stale

    @rule(target=held, video=videos())
    def draft(self, video: Video) -> Video:
        return video

    @rule(target=held, video=video_ids)
    def read(self, video: VideoId) -> "Video | MultipleResults[Video]":
        return self.do(self.port.get(video)) if video in self.model else multiple()

    @rule(target=held, held=held, changed=videos(), events=some_events)
    def save(self, held: Video, changed: Video, events: list[Event]) -> Video:
        edited = evolve(
            changed, id=held.id, channel=held.channel, created_at=held.created_at, version=held.version,
            published_at=(held.published_at or changed.published_at) if changed.publish_at is None else None,
        )  # fmt: skip
        return self.save_both(edited.id, edited, events)

    @rule(held=held, events=some_events)
    def remove(self, held: Video, events: list[Event]) -> None:
        self.remove_both(held.id, held, events)

    @rule(channel=st.none() | channel_ids, tag=st.none() | tags, order=st.sampled_from(Order))
    def walk_what_is_listed(self, channel: ChannelId | None, tag: str | None, order: Order) -> None:
        self.set_out(
            lambda cursor, limit: self.port.listed(channel=channel, tag=tag, order=order, cursor=cursor, limit=limit),
            lambda: {video.id: video.published_at for video in self.listable(channel, tag)},
            name,
        )

    @rule(channel=channel_ids)
    def walk_a_channel(self, channel: ChannelId) -> None:
        self.set_out(
            lambda cursor, limit: self.port.of_channel(channel, cursor=cursor, limit=limit),
            lambda: self.made_in(channel),
            name,
        )

    @rule(channels=st.lists(channel_ids, max_size=4))
    def walk_a_feed(self, channels: list[ChannelId]) -> None:
        self.set_out(
            lambda cursor, limit: self.port.feed(channels, cursor=cursor, limit=limit),
            lambda: {video.id: video.published_at for video in self.listable() if video.channel in channels},
            name,
        )

    @rule(channels=st.lists(channel_ids, max_size=4), limit=st.integers(1, 9))
    def feed_is_what_its_channels_list(self, channels: list[ChannelId], limit: int) -> None:
        read = self.do(walked(lambda cursor, most: self.port.feed(channels, cursor=cursor, limit=most), limit))
        expected = [video for video in self.listable() if video.channel in channels]
        same(read, expected, lambda video: video.published_at, descending=True)

    @rule(now=times, limit=st.integers(1, 9))
    def due_are_those_whose_time_has_come(self, now: Any, limit: int) -> None:
        waiting = sorted(
            video.publish_at for video in self.model.values() if video.publish_at and video.publish_at <= now
        )
        due = self.do(self.port.due(now, limit))
        assert [video.publish_at for video in due] == waiting[:limit]
        assert all(self.model[video.id] == video for video in due)
        assert len({video.id for video in due}) == len(due)

    @invariant()
    def reads_as_the_model(self) -> None:
        self.do(self.compare_reads(VIDEO_IDS))
        self.do(self.compare_lists())

    async def compare_lists(self) -> None:
        for channel in (None, *CHANNEL_IDS):
            for tag in (None, *TAGS):
                for order, descending in ORDERS:
                    read = await walked(
                        lambda cursor, limit, channel=channel, tag=tag, order=order: self.port.listed(  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
                            channel=channel, tag=tag, order=order, cursor=cursor, limit=limit
                        ),
                        3,
                    )
                    same(read, self.listable(channel, tag), lambda video: video.published_at, descending=descending)
        for channel in CHANNEL_IDS:
            read = await walked(
                lambda cursor, limit, channel=channel: self.port.of_channel(channel, cursor=cursor, limit=limit),  # type: ignore[misc]  # as above
                3,
            )
            same(
                read, [self.model[id_] for id_ in self.made_in(channel)], lambda video: video.created_at,
                descending=True,
            )  # fmt: skip
            assert await self.port.count(channel) == len(self.listable(channel))

    def listable(self, channel: ChannelId | None = None, tag: str | None = None) -> list[Video]:
        return [
            video
            for video in self.model.values()
            if video.listable and channel in {None, video.channel} and (tag is None or tag in video.tags)
        ]

    def made_in(self, channel: ChannelId) -> Mapping[str, object]:
        return {video.id: video.created_at for video in self.model.values() if video.channel == channel}


@openers
def test_behaves_like_a_dict_of_videos(opener: Opener[Videos]) -> None:
    """Whatever is done in whatever order, reads, lists, walks, errors and events are the model's."""
    run(VideosMachine, opener)


@openers
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 9, 100])
async def test_pages_of_any_size_make_up_the_list(opener: Opener[Videos], limit: int) -> None:
    """Every video once, in order, and no page has more than was asked for."""
    async with opener() as opened:
        made = [await opened.port.save(shown(order, f"chn_{order % 2}", "cats")) for order in range(8)]
        for ask in (
            lambda cursor, most: opened.port.listed(cursor=cursor, limit=most),
            lambda cursor, most: opened.port.listed(tag="cats", cursor=cursor, limit=most),
            lambda cursor, most: opened.port.feed([ChannelId("chn_0"), ChannelId("chn_1")], cursor=cursor, limit=most),
        ):
            assert await walked(ask, limit) == made[::-1]
        oldest = await walked(
            lambda cursor, most: opened.port.listed(order=Order.OLDEST, cursor=cursor, limit=most), limit
        )
        assert oldest == made


@openers
async def test_a_walk_neither_repeats_nor_skips_what_was_there(opener: Opener[Videos]) -> None:
    """Though the video that the cursor stands at goes, and others come before and behind it."""
    async with opener() as opened:
        made = [await opened.port.save(shown(order)) for order in range(6)]
        first = await opened.port.listed(limit=2)
        assert first.items == made[:3:-1]
        await opened.port.remove(made[4])
        newer, between = (
            await opened.port.save(shown(9)),
            await opened.port.save(evolve(shown(10), published_at=START + 3.5 * MINUTE)),
        )
        second = await opened.port.listed(cursor=first.next, limit=100)
        assert second.items == [between, *made[3::-1]]
        assert second.next is None
        assert (await opened.port.listed(limit=1)).items == [newer]


@openers
async def test_only_the_listable_are_listed(opener: Opener[Videos]) -> None:
    """Not the private, scheduled, unlisted, blocked or partial; the channel itself sees them all."""
    hidden = [
        evolve(shown(1), visibility=Visibility.PRIVATE),
        evolve(shown(2), visibility=Visibility.UNLISTED),
        evolve(shown(3), visibility=Visibility.SCHEDULED, publish_at=START, published_at=None),
        evolve(shown(4), blocked="breaks the rules"),
        evolve(shown(5), media=evolve(MEDIA, complete=False), published_at=None),
        evolve(shown(6), media=None, state=State.FAILED, published_at=None),
    ]
    channel = ChannelId("chn_cats")
    async with opener() as opened:
        for video in hidden:
            await opened.port.save(video)
        video = await opened.port.save(shown(7))
        assert (await opened.port.listed()).items == [video]
        assert (await opened.port.listed(channel=channel)).items == [video]
        assert (await opened.port.feed([channel])).items == [video]
        assert await opened.port.count(channel) == 1
        assert len((await opened.port.of_channel(channel)).items) == 7
        gone, events = video.block("breaks the rules", START)
        await opened.port.save(gone, *events)
        assert (await opened.port.listed()).items == []
        assert (await opened.port.feed([channel])).items == []
        assert await opened.port.count(channel) == 0


@openers
async def test_counts_are_exact_under_concurrency(opener: Opener[Videos]) -> None:
    """Whatever is published, hidden and removed at once; and a feed shows all that is listed."""
    channel = ChannelId("chn_cats")
    async with opener() as opened:
        made = await asyncio.gather(*(opened.port.save(shown(order)) for order in (2, 0, 5, 1, 4, 3)))
        assert await opened.port.count(channel) == 6
        assert (await opened.port.feed([channel])).items == sorted(made, key=name, reverse=True)
        await asyncio.gather(
            opened.port.remove(made[0]),
            opened.port.save(evolve(made[1], visibility=Visibility.PRIVATE)),
            opened.port.save(evolve(made[2], title="Another")),
            opened.port.save(shown(6)),
        )
        assert await opened.port.count(channel) == 5


@openers
async def test_a_list_follows_tags(opener: Opener[Videos]) -> None:
    """A tag taken off takes the video off the tag's list, in the channel and everywhere."""
    async with opener() as opened:
        video = await opened.port.save(shown(1, "chn_cats", "cats", "boats"))
        edited, events = video.edit(START, tags=["boats", "dogs"])
        edited = await opened.port.save(edited, *events)
        for channel in (None, ChannelId("chn_cats")):
            assert (await opened.port.listed(channel=channel, tag="cats")).items == []
            assert (await opened.port.listed(channel=channel, tag="boats")).items == [edited]
            assert (await opened.port.listed(channel=channel, tag="dogs")).items == [edited]
        assert (await opened.port.listed(channel=ChannelId("chn_arts"), tag="dogs")).items == []


@openers
async def test_a_scheduled_video_is_due_once_its_time_has_come(opener: Opener[Videos]) -> None:
    """At that very moment, and no more once it is published."""
    async with opener() as opened:
        later, sooner = [
            await opened.port.save(
                evolve(shown(order), visibility=Visibility.SCHEDULED, publish_at=START + wait, published_at=None)
            )
            for order, wait in ((1, 2 * MINUTE), (2, MINUTE))
        ]
        assert await opened.port.due(START) == []
        assert await opened.port.due(START + MINUTE) == [sooner]
        assert await opened.port.due(START + 3 * MINUTE) == [sooner, later]
        assert await opened.port.due(START + 3 * MINUTE, limit=1) == [sooner]
        public, events = sooner.publish_due(START + MINUTE)
        await opened.port.save(public, *events)
        assert await opened.port.due(START + 3 * MINUTE) == [later]


@openers
async def test_of_two_copies_one_is_saved(opener: Opener[Videos]) -> None:
    """The other is stale, and nothing of it is stored, not even its events; nor after the video is gone."""
    published = VideoPublished(DRAFT.id, DRAFT.channel, START)
    removed = VideoRemoved(DRAFT.id, DRAFT.channel, START)
    async with opener() as opened:
        draft = await opened.port.save(DRAFT, published, ListingChanged(DRAFT.id, DRAFT.channel, START))
        first = await opened.port.save(evolve(draft, title="First"))
        with pytest.raises(Stale):
            await opened.port.save(evolve(draft, title="Second"), removed)
        with pytest.raises(Stale):
            await opened.port.remove(draft, removed)
        assert await opened.port.get(DRAFT.id) == first
        assert len(await opened.events()) == 2
        await opened.port.remove(first, removed)
        with pytest.raises(Stale):
            await opened.port.save(first, published)
        assert await opened.events() == [removed]
        assert (await opened.port.of_channel(DRAFT.channel)).items == []


@openers
async def test_a_feed_shows_a_channel_asked_for_twice_once(opener: Opener[Videos]) -> None:
    """And nothing of a channel that has nothing to show."""
    channel = ChannelId("chn_cats")
    async with opener() as opened:
        video = await opened.port.save(shown(1))
        assert (await opened.port.feed([channel, ChannelId("chn_none"), channel])).items == [video]
        assert (await opened.port.feed([])).items == []
