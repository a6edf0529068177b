"""Whatever call to an adapter fails once, before or after its effect: what comes of it in the end is the same.

A person whose request failed asks again; events, reports and sweeps come again by themselves.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from application.channels import Picture
from application.ports import Pretence
from domain.engagement import Notify, Reaction
from domain.errors import Conflict
from domain.ids import VideoId
from domain.notifications import Kind
from domain.processing import State
from domain.videos import Visibility
from tests.application.world import CLIP, World, new_world, picture

CUES = b"WEBVTT\n\n00:00.000 --> 00:02.000\nHello\n"
_MADE_UP = re.compile("(img_|str_|st-)[0-9A-Z]{26}")
LONGER = b"hexcast-fake 320x240 90.0s\n"


async def nothing(_: World) -> None:
    return


async def followed(world: World) -> None:
    await world.core.subscribe()(world.fan, world.channel, Notify.ALL)
    await world.settle()


async def published(world: World) -> None:
    await followed(world)
    await world.publish()


async def busy(world: World) -> None:
    """One video is ready and liked, as is what was said about it; one waits for its transcoder, one is half sent."""
    await published(world)
    video = await only(world)
    comment = (await world.core.post_comment()(world.fan, video, "Nice")).comment.id
    await world.core.react().to_video(world.fan, video, Reaction.LIKE)
    await world.core.react().to_comment(world.owner, comment, Reaction.LIKE)
    half = await world.announce(title="Half")
    await world.put(half.tickets[0].url, CLIP)
    await world.upload(title="Waiting", visibility=Visibility.PUBLIC)
    await world.deliver()


async def only(world: World) -> VideoId:
    page = await world.raw.videos().of_channel(world.channel)
    return max(page.items, key=lambda each: each.attempt).id


async def send(world: World, content: bytes, **more: Any) -> None:
    """A whole file, by someone who asks again until each step went well."""
    card = await world.persist(lambda: world.announce(content, **more))
    assert card is not None
    await world.persist(lambda: world.send(card, content))
    await world.persist(lambda: world.core.complete_upload()(world.owner, card.upload.id, []))


async def upload(world: World) -> None:
    await send(world, CLIP, visibility=Visibility.PUBLIC)
    await world.settle()


async def replace(world: World) -> None:
    await send(world, LONGER, replaces=await only(world))
    await world.settle()


async def replace_twice(world: World) -> None:
    """The second replacement overtakes the first, whose job is under way."""
    video = await only(world)
    for _ in range(2):
        await send(world, LONGER, replaces=video)
        for _ in range(3):
            await world._once(world._delivered)
    await world.settle()


class AnySize:
    """Pictures as they came: to scale some hundreds would take most of the time."""

    async def fit(self, content: bytes, *_: int) -> bytes:
        return content


async def illustrate(world: World) -> None:
    """Pictures and captions, each in the place of another."""
    video, core = await only(world), world.core
    core.adapters.images()._port = AnySize()
    for _ in range(2):
        await world.persist(partial(core.set_thumbnail(), world.owner, video, picture()))
        await world.persist(partial(core.put_caption(), world.owner, video, "en", CUES))
        asked = await world.persist(
            partial(core.request_picture(), world.owner, world.channel, Picture.AVATAR, len(picture()))
        )
        assert asked is not None
        image, ticket = asked
        await world.persist(partial(world.put, ticket.url, picture()))
        await world.persist(partial(core.edit_channel(), world.owner, world.channel, avatar=image))
    await world.persist(partial(core.remove_caption(), world.owner, video, "en"))
    await world.settle()


async def remove(world: World) -> None:
    for video in (await world.raw.videos().of_channel(world.channel)).items:
        await world.persist(partial(world.core.remove_video(), world.owner, video.id))
    await world.settle()


async def close_channel(world: World) -> None:
    await world.persist(lambda: world.core.close_channel()(world.owner, world.channel))
    await world.settle()


async def close_account(world: World) -> None:
    await world.persist(lambda: world.core.close_account()(world.owner))
    await world.settle()


async def on_stage(world: World) -> None:
    """A stream that encoders may send to, and someone who wants to know."""
    await followed(world)
    await world.stream()


async def on_air(world: World) -> None:
    await on_stage(world)
    await pretend(world, Pretence.START)
    await world.settle()


async def pretend(world: World, step: Pretence) -> None:
    (stream,) = world.raw.streams()._streams.values()
    await world.raw.ingest().simulate(stream, step)


async def broadcast(world: World) -> None:
    """Long enough for everyone to hear of it, with a reconnect; what it comes to is a video."""
    await pretend(world, Pretence.START)
    await world.settle()
    await world.pass_time()
    for step in (Pretence.DROP, Pretence.START, Pretence.STARVE, Pretence.END):
        await pretend(world, step)
        await world.settle()
        world.clock.advance(timedelta(seconds=10))
    await world.pass_time()


async def open_stream(world: World) -> None:
    """Made, given a key and another one, changed and announced."""
    core = world.core
    card = await world.persist(lambda: core.create_stream()(world.owner, world.channel, title="Live"))
    assert card is not None
    stream = min(world.raw.streams()._streams)  # one that was made by a request that failed is another
    for spare in sorted(world.raw.streams()._streams)[1:]:
        await world.persist(partial(core.remove_stream(), world.owner, spare))
    await world.persist(partial(core.show_ingest(), world.owner, stream))
    await world.persist(partial(core.rotate_key(), world.owner, stream))
    await world.persist(partial(core.edit_stream(), world.owner, stream, title="Live again", record=False))
    await world.persist(partial(core.enable_stream(), world.owner, stream, enabled=False))
    await world.persist(partial(core.enable_stream(), world.owner, stream, enabled=True))
    starts_at = world.clock.now() + timedelta(hours=1)
    await world.persist(partial(core.schedule_stream(), world.owner, stream, starts_at))
    await world.settle()
    await world.pass_time(timedelta(minutes=46))


async def cut_off(world: World, how: str) -> None:
    (stream,) = world.raw.streams()._streams
    core = world.core
    with suppress(Conflict):  # asked again after it was done
        if how == "stop":
            await world.persist(partial(core.stop_stream(), world.owner, stream))
        elif how == "disable":
            await world.persist(partial(core.enable_stream(), world.owner, stream, enabled=False))
        elif how == "remove":
            await world.persist(partial(core.remove_stream(), world.owner, stream))
        else:
            await world.persist(partial(core.rotate_key(), world.owner, stream))
    await world.settle()
    await world.pass_time()


async def end(world: World) -> Mapping[str, Any]:
    """All that matters of a world, without the names that differ from one to another."""
    videos = (await world.raw.videos().of_channel(world.channel, limit=100)).items
    names = {video.id: f"video {number}" for number, video in enumerate(sorted(videos, key=lambda v: v.title))}

    def named(text: str) -> str:
        for video in videos:
            text = text.replace(f"{video.id}/a{video.media.attempt if video.media else 0}/", f"{video.id}/now/")
        for id_, name in names.items():
            text = text.replace(id_, name)
        return _MADE_UP.sub(lambda found: found[1].rstrip("_-"), text)

    uploads = (await world.raw.uploads().of_user(world.owner.require_user(), limit=100)).items
    found = (await world.raw.search().find("film")).items
    return {
        "videos": sorted(
            (
                video.title, video.state, video.visibility, video.published_at is not None, video.listable,
                video.media and video.media.duration_s,
            )
            for video in videos
        ),
        "processing": [
            (each.state, each.percent, each.media and each.media.duration_s)
            for each in (await world.raw.processings().many([video.id for video in videos])).values()
        ],
        "attempts": sorted(video.attempt for video in videos),
        "unfinished": await world.raw.processings().unfinished(world.clock.now()),
        "jobs": dict(world.raw.transcoder()._running),
        "files": sorted(map(named, world.files())),
        "sources": len(world.incoming()),
        "counting": [(upload.status, upload.size_bytes) for upload in uploads if upload.counts],
        "quota": world.quota(world.owner),
        "told": sorted([
            (actor.require_user(), each.kind, named(each.subject.id))
            for actor in (world.fan, world.owner)
            for each in await world.inbox(actor)
        ]),
        "found": [named(id_) for _, id_ in found],
        "channels": [channel.handle for channel in await world.raw.channels().of_member(world.owner.require_user())],
        "subscriptions": (await world.raw.subscriptions().of_user(world.fan.require_user())).items,
        "liked": len(world.raw.reactions()._to),
        "people": sorted(await world.raw.users().many([world.owner.require_user(), world.fan.require_user()])),
        "streams": [
            (
                stream.title, stream.status, stream.record, stream.reminded, stream.starts_at is None,
                [
                    (each.session.status, len(each.session.broadcasts), each.recording, each.video is None)
                    for each in await world.sessions(stream.id)
                ],
            )
            for stream in world.raw.streams()._streams.values()
        ],
        "ingest": [channel.stream.record for channel in world.raw.ingest()._channels.values()],
        "live": await world.raw.ingest().live(),
        "recordings": len(world.raw.media().recordings),
        "under way": [each.current for each in world.raw.broadcasts()._timelines.values()],
        "dead": await world.dead(),
    }  # fmt: skip


@frozen
class Story:
    """``timely`` names what depends on how far things are when the story begins to take them back."""

    before: Callable[[World], Awaitable[None]]
    told: Callable[[World], Awaitable[None]]
    timely: frozenset[str] = frozenset()

    async def run(self, faults: Mapping[int, bool]) -> tuple[Mapping[str, Any], list[str]]:
        async with new_world() as world:
            await self.before(world)
            world.faults.at.update(faults)
            with world.faults.counted():
                await self.told(world)
                calls = len(world.faults.calls)
                await world.days_later()
            swept = await world.tidy()
            media = [each for each in swept if "/" in each.name]
            assert len(faults) > 1 or not media, "what one failure leaves goes without a sweep"
            assert world.files() == await world.named()
            ended = await end(world)
            once = [
                each for each in ended["told"] if each[1] in {Kind.VIDEO_PUBLISHED, Kind.WENT_LIVE, Kind.STREAM_NEAR}
            ]
            assert len(set(once)) == len(once), "someone was told twice of one thing"
            return {key: value for key, value in ended.items() if key not in self.timely}, world.faults.calls[:calls]


STORIES = {
    "upload": Story(followed, upload),
    "replace": Story(published, replace),
    "replace_twice": Story(published, replace_twice, frozenset({"told", "attempts"})),
    "illustrate": Story(published, illustrate),
    "remove": Story(busy, remove, frozenset({"told"})),
    "close_channel": Story(busy, close_channel, frozenset({"told"})),
    "close_account": Story(busy, close_account, frozenset({"told"})),
    "broadcast": Story(on_stage, broadcast),
    "open_stream": Story(followed, open_stream),
    "stop": Story(on_air, partial(cut_off, how="stop")),
    "disable": Story(on_air, partial(cut_off, how="disable")),
    "rotate": Story(on_air, partial(cut_off, how="rotate")),
    "remove_stream": Story(on_air, partial(cut_off, how="remove")),
    "close_channel_live": Story(on_air, close_channel),
}
stories = pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())


@stories
async def test_any_one_call_may_fail(story: Story) -> None:
    """Every call that the story makes, before and after its effect; not a sample of them."""
    clean, calls = await story.run({})
    different = {}
    for number, call in enumerate(calls):
        for late in (False, True):
            ended, _ = await story.run({number: late})
            if ended != clean:
                changed = {key: (value, ended[key]) for key, value in clean.items() if ended[key] != value}
                different[f"{'after' if late else 'before'} {number} {call}"] = changed
    assert different == {}


@stories
@settings(max_examples=30)
@given(faults=st.dictionaries(st.integers(0, 250), st.booleans(), min_size=2, max_size=6))
async def test_several_calls_may_fail(story: Story, faults: Mapping[int, bool]) -> None:
    """One after the other, also among the calls that repair what an earlier one broke."""
    clean, _ = await story.run({})
    ended, _ = await story.run(faults)
    assert ended == clean


async def test_what_the_stories_come_to() -> None:
    """The ends that all the others are compared with are the right ones."""
    ended, calls = await STORIES["upload"].run({})
    (video,) = ended["videos"]
    assert video == ("film.mp4", State.READY, Visibility.PUBLIC, True, True, 60.0)
    assert ended["attempts"] == [1]
    assert ended["told"] == [
        ("usr_fay", "video_published", "video 0"),
        ("usr_olga", "subscriber", "chn_cats"),
        ("usr_olga", "video_ready", "video 0"),
    ]
    assert ended["quota"] == len(CLIP)
    assert ended["found"] == ["video 0"]
    assert len(calls) > 50

    ended, _ = await STORIES["replace"].run({})
    (video,) = ended["videos"]
    assert video == ("film.mp4", State.READY, Visibility.PUBLIC, True, True, 90.0)
    assert ended["attempts"] == [2]
    assert [kind for who, kind, _ in ended["told"] if who == "usr_fay"] == ["video_published"]
    assert ended["quota"] == len(LONGER)
    assert all(file.startswith("v/video 0/now/") for file in ended["files"])

    ended, _ = await STORIES["illustrate"].run({})
    shown = [file for file in ended["files"] if "img" in file]
    assert shown == ["c/chn_cats/avatar-img-img.jpg", "v/video 0/thumb/img.jpg"]

    ended, _ = await STORIES["broadcast"].run({})
    (stream,) = ended["streams"]
    assert stream[-1] == [("ended", 2, "ready", False)]
    (video,) = ended["videos"]
    assert video == ("Cats live", State.READY, Visibility.PUBLIC, True, True, 10.0)
    assert [kind for who, kind, _ in ended["told"] if who == "usr_fay"] == ["video_published", "went_live"]

    for story in ("remove", "close_channel", "close_account"):
        ended, _ = await STORIES[story].run({})
        for nothing_left in ("videos", "unfinished", "jobs", "files", "sources", "counting", "quota", "found", "dead"):
            assert not ended[nothing_left], (story, nothing_left)
        assert ended["channels"] == (["cats"] if story == "remove" else [])
    assert ended["people"] == ["usr_fay"]
