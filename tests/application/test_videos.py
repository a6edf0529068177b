"""Videos: who sees them, who changes them, and what they show of themselves."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from attrs import evolve

from application.ports import Event
from application.videos import CAPTIONS_MOST, THUMBNAIL_MOST, VideoCard
from domain.access import ANONYMOUS
from domain.engagement import Reaction
from domain.errors import (
    DomainError,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
    VersionMismatch,
)
from domain.ids import ChannelId, VideoId
from domain.processing import State
from domain.videos import Audience, Chapter, Video, VideoRemoved, Visibility
from domain.watching import GRANT_LIFE
from tests.application.world import World, picture

CUES = b"WEBVTT\n\n00:00.000 --> 00:02.000\nHello\n"
UNKNOWN = VideoId("vid_unknown")


class Between:
    """The world's videos; just before the first save something else happens."""

    def __init__(self, world: World, meanwhile: Any) -> None:
        self._videos, self._meanwhile = world.raw.videos(), [meanwhile]

    async def save(self, video: Video, *events: Event) -> Video:
        while self._meanwhile:
            await self._meanwhile.pop()()
        return await self._videos.save(video, *events)

    async def remove(self, video: Video, *events: Event) -> None:
        while self._meanwhile:
            await self._meanwhile.pop()()
        await self._videos.remove(video, *events)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._videos, name)


@pytest.mark.parametrize(
    ("visibility", "blocked", "strangers"),
    [
        (Visibility.PUBLIC, False, Audience.ANYONE),
        (Visibility.UNLISTED, False, Audience.LINK),
        (Visibility.PRIVATE, False, None),
        (Visibility.PUBLIC, True, None),
    ],
)
async def test_who_sees_a_video(
    world: World,
    visibility: Visibility,
    blocked: bool,  # noqa: FBT001  (a parameter of the test)
    strangers: Audience | None,
) -> None:
    video = await world.publish(visibility=visibility)
    if blocked:
        await world.core.block_video()(world.staff, video, "spam")
    for actor in (world.owner, world.editor, world.moderator, world.staff, world.admin):
        assert (await world.show(actor, video)).audience is Audience.MEMBER
    for actor in (world.stranger, ANONYMOUS):
        for ask in (world.core.show_video(), world.core.list_captions(), world.core.open_playback()):
            if strangers is None:
                with pytest.raises(NotFound) as hidden:
                    await ask(actor, video)
                with pytest.raises(NotFound) as missing:
                    await ask(actor, UNKNOWN)
                assert str(hidden.value) == str(missing.value)
            else:
                await ask(actor, video)
        if strangers is not None:
            assert (await world.show(actor, video)).audience is strangers


def changes(world: World, video: VideoId, version: int | None = None) -> Sequence[Any]:
    """Everything that an editor may do to a video, each as a call by an actor."""
    core = world.core
    return (
        lambda actor: core.edit_video()(actor, video, title="Other", version=version),
        lambda actor: core.set_thumbnail()(actor, video, picture(), version),
        lambda actor: core.put_caption()(actor, video, "en", CUES, version=version),
        lambda actor: core.set_chapters()(actor, video, [Chapter(0, "Start")], version),
        lambda actor: core.remove_caption()(actor, video, "en", version),
        lambda actor: core.remove_video()(actor, video, version),
    )


async def test_only_editors_change_a_video_and_strangers_learn_nothing(world: World) -> None:
    hidden, shown = await world.publish(visibility=Visibility.PRIVATE), await world.publish()
    before = world.files()
    for video, outsiders in ((hidden, NotFound), (UNKNOWN, NotFound), (shown, Forbidden)):
        for change in changes(world, video):
            with pytest.raises(outsiders):
                await change(world.stranger)
            with pytest.raises(Unauthenticated if video == shown else NotFound):
                await change(ANONYMOUS)
            if video != UNKNOWN:
                for actor in (world.moderator, world.staff):
                    with pytest.raises(Forbidden):
                        await change(actor)
    assert world.files() == before
    for actor in (world.editor, world.admin):
        video = await world.publish()
        for change in changes(world, video):
            await change(actor)


async def test_a_version_that_is_named_must_be_the_stored_one(world: World) -> None:
    video = await world.publish()
    version = (await world.show(world.owner, video)).video.version
    for change in changes(world, video, version + 1):
        with pytest.raises(VersionMismatch):
            await change(world.owner)
    assert (await world.show(world.owner, video)).video.version == version
    await changes(world, video, version)[0](world.owner)
    with pytest.raises(VersionMismatch):
        await changes(world, video, version)[0](world.editor)


async def test_two_editors_at_once_lose_nothing(world: World) -> None:
    video = await world.publish()

    async def other() -> None:
        await world.core.edit_video()(world.owner, video, description="from the other")

    editing = evolve(world.core.editing(), videos=Between(world, other))
    card = await evolve(world.core.edit_video(), editing=editing)(world.editor, video, title="From this one")
    assert (card.video.title, card.video.description) == ("From this one", "from the other")

    async def faster() -> None:
        await world.core.edit_video()(world.owner, video, description="faster")

    editing = evolve(world.core.editing(), videos=Between(world, faster))
    with pytest.raises(VersionMismatch):
        await evolve(world.core.edit_video(), editing=editing)(
            world.editor, video, title="Late", version=card.video.version
        )
    assert (await world.show(world.owner, video)).video.title == "From this one"


async def test_editing_publishes_and_hides(world: World) -> None:
    video = await world.publish(visibility=Visibility.PRIVATE)
    edit = world.core.edit_video()
    same = await edit(world.editor, video)
    card = await edit(
        world.editor, video, title=" New ", description="About", tags=["#Cats"], category="Pets", language="en",
        visibility=Visibility.PUBLIC,
    )  # fmt: skip
    assert card.video.version == same.video.version + 1
    assert (card.video.title, card.video.tags, card.video.category) == ("New", ("cats",), "Pets")
    assert card.video.published_at == world.clock.now()
    await world.settle()
    listed = (await world.core.list_videos()(ANONYMOUS, tag="#CATS")).items
    assert [each.video.id for each in listed] == [video]
    await edit(world.editor, video, visibility=Visibility.PRIVATE)
    assert not (await world.core.list_videos()(ANONYMOUS)).items
    with pytest.raises(Invalid):
        await edit(world.editor, video, visibility=Visibility.SCHEDULED, publish_at=world.clock.now() + timedelta(1))


async def test_lists_show_what_the_reader_may_see(world: World) -> None:
    public, private = await world.publish(), await world.publish(visibility=Visibility.PRIVATE)
    ask = world.core.list_videos()
    for actor in (ANONYMOUS, world.stranger):
        page = await ask.of_channel(actor, world.channel)
        assert [each.video.id for each in page.items] == [public]
    for actor in (world.moderator, world.staff):
        page = await ask.of_channel(actor, world.channel)
        assert [each.video.id for each in page.items] == [private, public]
    with pytest.raises(NotFound):
        await ask.of_channel(ANONYMOUS, ChannelId("chn_unknown"))
    first = await ask.of_channel(world.owner, world.channel, limit=1)
    assert [each.video.id for each in (await ask.of_channel(world.owner, world.channel, cursor=first.next)).items] == [
        public
    ]


async def test_a_list_leaves_out_videos_whose_channel_is_gone(world: World) -> None:
    await world.publish()
    await world.core.close_channel()(world.owner, world.channel)
    assert not (await world.core.list_videos()(ANONYMOUS)).items


async def test_a_card_says_what_the_video_is_to_whom(world: World) -> None:
    video = await world.publish()
    await world.core.react().to_video(world.fan, video, Reaction.LIKE)
    card = await world.show(world.fan, video)
    assert (card.likes, card.dislikes, card.comments, card.views) == (1, 0, 0, 0)
    assert card.mine is not None
    assert (card.mine.reaction, card.mine.watched) == (Reaction.LIKE, None)
    assert (await world.show(ANONYMOUS, video)).mine is None


async def test_pictures_are_granted_while_a_video_is_private(world: World) -> None:
    card = await world.show(world.owner, await world.publish(visibility=Visibility.PRIVATE))
    for url in (card.poster_url, card.storyboard_url):
        assert url is not None
        assert "/media/g/" in url
    again = await world.show(world.owner, card.video.id)
    assert again.poster_url == card.poster_url, "the same for a while, so that it can be cached"
    shown = await world.core.edit_video()(world.owner, card.video.id, visibility=Visibility.PUBLIC)
    assert shown.poster_url == f"http://hexcast.test/media/o/v/{card.video.id}/a1/poster.jpg"
    assert shown.storyboard_url is not None
    waiting = await world.show(world.owner, (await world.upload()).video)
    assert (waiting.poster_url, waiting.storyboard_url, waiting.progress_percent) == (None, None, 0)


async def test_progress_is_that_of_the_attempt_under_way(world: World) -> None:
    video = (await world.upload()).video
    await world.deliver()
    while (await world.raw.processings().get(video)).state is State.PENDING:
        await world.deliver()
        await world.transcode()
        await world.hear()
    await world.deliver()
    stored = await world.raw.processings().get(video)
    card = await world.show(world.owner, video)
    assert (card.video.state, card.progress_percent) == (State.PROBING, stored.percent)


async def test_a_thumbnail_of_one_s_own(world: World) -> None:
    video = await world.publish()
    card = await world.core.set_thumbnail()(world.editor, video, picture())
    assert card.video.thumbnail is not None
    assert card.poster_url == f"http://hexcast.test/media/o/{card.video.thumbnail}"
    assert card.video.thumbnail in world.files()
    for content, error, code in (
        (bytes(THUMBNAIL_MOST + 1), TooLarge, "file_too_large"),
        (b"x", Invalid, "unreadable_image"),
    ):
        with pytest.raises(error) as refused:
            await world.core.set_thumbnail()(world.editor, video, content)
        assert isinstance(refused.value, DomainError)
        assert refused.value.code == code


async def test_captions_come_and_go(world: World) -> None:
    video = await world.publish()
    put, listed = world.core.put_caption(), world.core.list_captions()
    await put(world.editor, video, "pt-BR", CUES, label=" Português ")
    card = await put(world.editor, video, "en", CUES)
    tracks = await listed(ANONYMOUS, video)
    assert [(caption.language, caption.label) for caption, _ in tracks] == [("en", "en"), ("pt-BR", "Português")]
    assert all(url.endswith(caption.key) and caption.key in world.files() for caption, url in tracks)
    assert (await world.core.remove_caption()(world.editor, video, "en")).video.version == card.video.version + 1
    with pytest.raises(NotFound):
        await world.core.remove_caption()(world.editor, video, "en")
    for tag, content, code in (
        ("klingon!", CUES, "invalid_language"), ("en", b"\xff", "invalid_captions"),
        ("en", bytes(CAPTIONS_MOST + 1), "file_too_large"),
    ):  # fmt: skip
        with pytest.raises(DomainError) as refused:
            await put(world.editor, video, tag, content)
        assert refused.value.code == code


async def test_what_was_replaced_goes_when_no_link_to_it_works(world: World) -> None:
    video = await world.publish()
    of_the_transcoder = world.files()
    for _ in range(3):
        await world.core.set_thumbnail()(world.editor, video, picture())
        await world.core.put_caption()(world.editor, video, "en", CUES)
        await world.core.put_caption()(world.editor, video, "de", CUES)
    card = await world.core.remove_caption()(world.editor, video, "en")
    await world.settle()
    assert len(world.files() - of_the_transcoder) == 9
    await world.pass_time(GRANT_LIFE - timedelta(seconds=1))
    assert len(world.files() - of_the_transcoder) == 9, "someone may still hold a link"
    await world.pass_time(timedelta(seconds=1))
    assert world.files() - of_the_transcoder == card.video.files
    assert len(card.video.files) == 2
    assert not await world.dead()


@pytest.mark.parametrize("what", ["thumbnail", "captions"])
async def test_a_try_that_came_too_late_leaves_no_file(world: World, what: str) -> None:
    """Neither when another try follows, nor when the version that was named is not there any more."""
    video = await world.publish()
    before = world.files()

    def put(meanwhile: Callable[[], Awaitable[Any]], version: int | None = None) -> Awaitable[VideoCard]:
        editing = evolve(world.core.editing(), videos=Between(world, meanwhile))
        if what == "thumbnail":
            return evolve(world.core.set_thumbnail(), editing=editing)(world.editor, video, picture(), version)
        return evolve(world.core.put_caption(), editing=editing)(world.editor, video, "en", CUES, version=version)

    card = await put(partial(world.core.edit_video(), world.owner, video, title="Faster"))
    assert card.video.title == "Faster"
    assert world.files() - before == card.video.files
    with pytest.raises(VersionMismatch):
        await put(partial(world.core.edit_video(), world.owner, video, title="Again"), card.video.version)
    assert world.files() - before == card.video.files


async def test_a_file_stays_whose_save_had_its_effect_and_failed(world: World) -> None:
    """The answer was lost on its way; the video shows the picture."""
    video = await world.publish()

    class Unheard:
        async def save(self, changed: Video, *events: Event) -> Video:
            await world.raw.videos().save(changed, *events)
            raise Unavailable("the connection is gone")

        def __getattr__(self, name: str) -> Any:
            return getattr(world.raw.videos(), name)

    editing = evolve(world.core.editing(), videos=Unheard())
    with pytest.raises(Unavailable):
        await evolve(world.core.set_thumbnail(), editing=editing)(world.editor, video, picture())
    assert (await world.show(world.editor, video)).video.thumbnail in world.files()


@pytest.mark.parametrize("what", ["thumbnail", "captions"])
async def test_no_file_stays_of_a_video_removed_meanwhile(world: World, what: str) -> None:
    video = await world.publish()

    async def remove() -> None:
        await world.core.remove_video()(world.owner, video)
        await world.settle()

    editing = evolve(world.core.editing(), videos=Between(world, remove))
    put = {
        "thumbnail": partial(evolve(world.core.set_thumbnail(), editing=editing), world.editor, video, picture()),
        "captions": partial(evolve(world.core.put_caption(), editing=editing), world.editor, video, "en", CUES),
    }
    with pytest.raises(NotFound):
        await put[what]()
    assert not world.files()


async def test_chapters(world: World) -> None:
    video = await world.publish()
    chapters = [Chapter(0, "Start"), Chapter(30, "Middle")]
    card = await world.core.set_chapters()(world.editor, video, chapters)
    assert card.video.chapters == tuple(chapters)
    assert (await world.core.set_chapters()(world.editor, video, chapters)).video == card.video
    with pytest.raises(Invalid):
        await world.core.set_chapters()(world.editor, video, [Chapter(0, "Start"), Chapter(61, "After the end")])


async def test_removing(world: World) -> None:
    video = await world.publish()

    async def other() -> None:
        await world.core.edit_video()(world.owner, video, title="Changed")

    editing = evolve(world.core.editing(), videos=Between(world, other))
    await evolve(world.core.remove_video(), editing=editing)(world.editor, video)
    with pytest.raises(NotFound):
        await world.show(world.owner, video)
    assert VideoRemoved(video, world.channel, world.clock.now()) in await world.take_events()
    with pytest.raises(NotFound):
        await world.core.remove_video()(world.editor, video)


async def test_moderators_block_and_lift(world: World) -> None:
    video = await world.publish()
    block = world.core.block_video()
    for actor, error in ((world.owner, Forbidden), (world.moderator, Forbidden), (ANONYMOUS, Unauthenticated)):
        for ask in (block(actor, video, "no"), block.lift(actor, video)):
            with pytest.raises(error):
                await ask
    card = await block(world.staff, video, "spam")
    assert (card.video.blocked, card.video.listable) == ("spam", False)
    assert (await block(world.admin, video, "spam")).video == card.video
    await world.settle()
    assert not (await world.raw.search().find("film")).items
    assert (await block.lift(world.staff, video)).video.listable
    with pytest.raises(NotFound):
        await block(world.staff, UNKNOWN, "spam")
    await world.settle()
    assert (await world.told_of(world.owner))["video_ready"] == 1


async def test_what_is_scheduled_is_published_when_its_time_comes(world: World) -> None:
    at = world.clock.now() + timedelta(hours=1)
    video = await world.publish(visibility=Visibility.SCHEDULED, publish_at=at)
    assert await world.core.publish_due()() == 0
    world.clock.advance(timedelta(hours=1))
    assert await world.core.publish_due()() == 1
    assert await world.core.publish_due()() == 0
    shown = (await world.show(ANONYMOUS, video)).video
    assert (shown.visibility, shown.publish_at, shown.published_at) == (Visibility.PUBLIC, None, at)


async def test_what_is_edited_as_its_time_comes_is_not_overwritten(world: World) -> None:
    at = world.clock.now() + timedelta(hours=1)
    video = await world.publish(visibility=Visibility.SCHEDULED, publish_at=at)
    other = await world.publish(visibility=Visibility.SCHEDULED, publish_at=at)
    world.clock.advance(timedelta(hours=1))

    async def hide() -> None:
        await world.core.edit_video()(world.owner, video, visibility=Visibility.PRIVATE)

    await evolve(world.core.publish_due(), videos=Between(world, hide))()
    assert (await world.show(world.owner, video)).video.visibility is Visibility.PRIVATE
    assert (await world.show(world.owner, other)).video.visibility is Visibility.PUBLIC
