"""What search, feeds and embeds show, and that they show nothing else."""

import pytest

from application.channels import ChannelCard
from application.discovery import FEED_LENGTH
from application.ports import Document, Found, Page
from application.videos import VideoCard
from domain.access import ANONYMOUS, Role
from domain.channels import ChannelClosed
from domain.errors import NotFound, Unauthenticated
from domain.ids import ChannelId, EventId, StreamId, VideoId
from domain.videos import ListingChanged, VideoRemoved, Visibility
from tests.application.stage import Stage


def ids(page: Page[VideoCard | ChannelCard]) -> list[str]:
    return [card.video.id if isinstance(card, VideoCard) else card.channel.id for card in page.items]


async def found(stage: Stage, query: str, kind: Found | None = None) -> list[str]:
    return ids(await stage.core.find()(ANONYMOUS, query, kind=kind))


async def test_videos_and_channels_are_found_by_words_and_the_beginnings_of_words(stage: Stage) -> None:
    ann = await stage.person("ann")
    channel = await stage.channel(ann, "harbour")
    video = await stage.video(channel, ann, title="Wooden boats", announced=True)
    await stage.settle()
    assert await found(stage, "WOOD boat") == [video]
    assert set(await found(stage, "harbour")) == {channel, video}
    assert await found(stage, "harbour", Found.CHANNEL) == [channel]
    assert await found(stage, "harbour", Found.VIDEO) == [video]
    assert await found(stage, "trains") == []


async def test_search_goes_on_where_it_stopped(stage: Stage) -> None:
    ann = await stage.person("ann")
    channel = await stage.channel(ann)
    videos = {await stage.video(channel, ann, title=f"boats {each}", announced=True) for each in range(3)}
    await stage.settle()
    find = stage.core.find()
    first = await find(ANONYMOUS, "boats", limit=2)
    rest = await find(ANONYMOUS, "boats", limit=2, cursor=first.next)
    assert sorted(ids(first) + ids(rest)) == sorted(videos)


async def test_a_renamed_channel_is_found_by_its_new_name_and_so_are_its_videos(stage: Stage) -> None:
    ann = await stage.person("ann")
    channel = await stage.channel(ann, "harbour")
    videos = {await stage.video(channel, ann, announced=True) for _ in range(101)}
    await stage.settle()
    await stage.core.edit_channel()(ann, channel, name="Lighthouse", handle="light")
    await stage.settle()
    assert await found(stage, "harbour") == []
    names = await stage.core.find()(ANONYMOUS, "lighthouse", limit=1000)
    assert set(ids(names)) == {channel, *videos}


async def test_a_hidden_video_is_found_by_nobody_at_once_and_forgotten_soon(stage: Stage) -> None:
    """Even before the index hears of it; and again once it is shown."""
    ann = await stage.person("ann")
    channel = await stage.channel(ann)
    video = await stage.video(channel, ann, title="boats", announced=True)
    await stage.settle()
    await stage.core.edit_video()(ann, video, visibility=Visibility.PRIVATE)
    assert ids(await stage.core.find()(ann, "boats")) == []
    await stage.settle()
    assert (await stage.adapters.search().find("boats")).items == []
    await stage.core.edit_video()(ann, video, visibility=Visibility.PUBLIC)
    await stage.settle()
    assert await found(stage, "boats") == [video]


async def test_what_is_gone_is_found_by_nobody_at_once_and_forgotten_soon(stage: Stage) -> None:
    ann = await stage.person("ann")
    channel = await stage.channel(ann, "harbour")
    video = await stage.video(channel, ann, title="boats", announced=True)
    await stage.settle()
    now, videos = stage.clock.now(), stage.adapters.videos()
    await videos.remove(await videos.get(video), VideoRemoved(video, channel, now))
    channels = stage.adapters.channels()
    await channels.remove(await channels.get(channel), ChannelClosed(channel, now))
    assert await found(stage, "harbour") == []
    await stage.settle()
    assert (await stage.adapters.search().find("harbour")).items == []


async def test_late_news_of_what_is_gone_bring_nothing_back(stage: Stage) -> None:
    ann = await stage.person("ann")
    channel = await stage.channel(ann, "harbour")
    video = await stage.video(channel, ann, title="boats", announced=True)
    await stage.settle()
    await stage.core.close_channel()(ann, channel)
    await stage.settle()
    await stage.core.index_video()(video)
    await stage.core.index_channel()(channel)
    assert (await stage.adapters.search().find("harbour")).items == []


async def test_what_was_seen_earlier_and_is_told_later_does_not_stay(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A video is hidden, and that is told, while someone else is about to tell what it was."""
    ann = await stage.person("ann")
    channel = await stage.channel(ann, "harbour")
    video = await stage.video(channel, ann, title="boats", announced=True)
    await stage.settle()
    search = stage.adapters.search()
    put, late = search.put, iter([True])

    async def put_late(document: Document) -> None:
        if document.id == video and next(late, False):
            await stage.core.edit_video()(ann, video, visibility=Visibility.PRIVATE)
            await stage.core.index_video()(video)
        await put(document)

    monkeypatch.setattr(search, "put", put_late)
    await stage.core.index_channel()(channel)
    assert (await search.find("boats")).items == []
    assert [id_ for _, id_ in (await search.find("harbour")).items] == [channel]


async def test_a_video_whose_channel_is_gone_is_not_indexed(stage: Stage) -> None:
    ann = await stage.person("ann")
    channel = await stage.channel(ann)
    video = await stage.video(channel, ann, title="boats", announced=True)
    channels, now = stage.adapters.channels(), stage.clock.now()
    await channels.remove(await channels.get(channel))
    await stage.adapters.outbox().put(ListingChanged(video, channel, now), EventId("evt_1"))
    await stage.core.index_video()(video)
    assert (await stage.adapters.search().find("boats")).items == []


async def test_a_channels_feed_has_its_newest_public_videos(stage: Stage) -> None:
    ann = await stage.person("ann")
    channel = await stage.channel(ann)
    videos = [await stage.video(channel, ann) for _ in range(FEED_LENGTH + 1)]
    await stage.video(channel, ann, visibility=Visibility.PRIVATE)
    await stage.video(channel, ann, visibility=Visibility.UNLISTED)
    feed = await stage.core.show_channel_feed()(channel)
    assert feed.card.channel.id == channel
    assert [card.video.id for card in feed.videos] == videos[:0:-1]
    with pytest.raises(NotFound):
        await stage.core.show_channel_feed()(ChannelId("chn_none"))


@pytest.mark.parametrize("visibility", [Visibility.PUBLIC, Visibility.UNLISTED])
async def test_whoever_has_the_link_of_a_shown_video_may_embed_it(stage: Stage, visibility: Visibility) -> None:
    ann = await stage.person("ann")
    video = await stage.video(await stage.channel(ann), ann, visibility=visibility)
    assert (await stage.core.embed_video()(video)).video.id == video


@pytest.mark.parametrize("visibility", [Visibility.PUBLIC, Visibility.UNLISTED])
async def test_streams_are_embedded_as_videos_are(stage: Stage, visibility: Visibility) -> None:
    ann = await stage.person("ann")
    made = await stage.core.create_stream()(ann, await stage.channel(ann), title="A show", visibility=visibility)
    embed = stage.core.embed_stream()
    assert (await embed(made.stream.id)).stream.id == made.stream.id
    await stage.core.edit_stream()(ann, made.stream.id, visibility=Visibility.PRIVATE)
    with pytest.raises(Unauthenticated) as refused:
        await embed(made.stream.id)
    assert refused.value.code == "private_stream"
    with pytest.raises(NotFound):
        await embed(StreamId("str_none"))


async def test_nobody_embeds_what_is_not_shown(stage: Stage) -> None:
    """A private video says so; one that is blocked, unfinished or unknown is not there."""
    ann, dov = await stage.person("ann"), await stage.person("dov", Role.MODERATOR)
    channel = await stage.channel(ann)
    embed = stage.core.embed_video()
    private = await stage.video(channel, ann, visibility=Visibility.PRIVATE)
    with pytest.raises(Unauthenticated) as refused:
        await embed(private)
    assert refused.value.code == "private_video"
    unfinished = await stage.video(channel, ann, playable=False)
    blocked = await stage.video(channel, ann)
    await stage.core.block_video()(dov, blocked, "spam")
    for video in (unfinished, blocked, VideoId("vid_none")):
        with pytest.raises(NotFound):
            await embed(video)
