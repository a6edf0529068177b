"""Following a broadcast, or the processing of videos, as it goes on."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from application.broadcasts import FollowSession, SessionCard
from application.processing import Progress
from domain.access import ANONYMOUS, Actor
from domain.broadcasts import Happening, SessionEvent, SessionStatus
from domain.channels import Member
from domain.errors import Forbidden, NotFound, Unauthenticated
from domain.ids import BroadcastId, ChannelId, JobId, StreamId, StreamSessionId, UploadId, VideoId
from domain.processing import Failure, Processing, ProcessingMoved, Report, State
from domain.streams import Stream
from tests.application.stage import MEDIA, Stage

Following = AsyncGenerator[Sequence[SessionEvent | SessionCard], None]


def event(stage: Stage, stream: Stream, id_: str, kind: Happening, at: datetime | None = None) -> SessionEvent:
    now = stage.clock.now()
    return SessionEvent(
        id=id_, stream=stream.id, broadcast=BroadcastId("st-1"), kind=kind, at=at or now, received_at=now
    )


async def on_air(stage: Stage, owner: Actor, **members: Any) -> tuple[Stream, StreamSessionId]:
    """A stream that just went live, and its session."""
    channel: ChannelId = await stage.channel(owner, **members)
    stream = Stream(
        id=StreamId("stm_1"), channel=channel, title="Live", reconnect_window_s=0, created_at=stage.clock.now()
    )
    stream = await stage.adapters.streams().save(stream)
    await stage.core.hear()(stream, event(stage, stream, "evt_000", Happening.STREAM_START))
    current = (await stage.adapters.broadcasts().timeline(stream.id)).current
    assert current is not None
    return stream, current.id


async def followed(stage: Stage, actor: Actor, session: StreamSessionId) -> Following:
    core = stage.core
    following = FollowSession(core.show_sessions(), stage.adapters.live(), look_s=0)
    assert evolve(following, look_s=1.0) == core.follow_session()
    return await following(actor, session)


async def told(following: Following) -> Sequence[str]:
    """Ids of events and states of the session, up to the next look that finds nothing."""
    found: list[str] = []
    async for new in following:
        if not new:
            break
        found += [each.id if isinstance(each, SessionEvent) else each.session.status.value for each in new]
    return found


async def test_all_that_happened_comes_first_and_then_what_happens(stage: Stage) -> None:
    """Over several pages; what comes late too; and what ended the session comes before it is shown as over."""
    owner = await stage.person("ada")
    stream, session = await on_air(stage, owner)
    ids = [f"evt_{number:03}" for number in range(1, 150)]
    await stage.core.hear()(stream, *[event(stage, stream, id_, Happening.STARVATION_END) for id_ in ids])
    following = await followed(stage, owner, session)
    assert await told(following) == ["evt_000", *ids, "live"]
    assert await told(following) == []
    begun = stage.clock.now()
    stage.clock.advance(timedelta(seconds=90))
    await stage.core.hear()(stream, event(stage, stream, "evt_200", Happening.STARVATION_START))
    assert await told(following) == ["evt_200", "live"]
    late = event(stage, stream, "evt_199", Happening.LIMIT_BREACH, begun + timedelta(seconds=1))
    await stage.core.hear()(stream, late)
    assert await told(following) == ["evt_199"]
    await stage.core.hear()(stream, event(stage, stream, "evt_300", Happening.STREAM_END))
    assert [new async for new in following][-1][-1] == await stage.core.show_sessions()(owner, session)
    (again,) = [new async for new in await followed(stage, owner, session)]
    assert len(again) == 153 + 1
    over = again[-1]
    assert isinstance(over, SessionCard)
    assert over.session.status is SessionStatus.ENDED


async def test_who_may_not_is_told_so_at_once(stage: Stage) -> None:
    _, session = await on_air(stage, await stage.person("ada"))
    with pytest.raises(Forbidden):
        await followed(stage, await stage.person("ben"), session)


async def test_it_ends_when_the_platform_does(stage: Stage) -> None:
    """Whoever comes then is shown what there is, once."""
    owner = await stage.person("ada")
    _, session = await on_air(stage, owner)
    following = await followed(stage, owner, session)
    assert await told(following) == ["evt_000", "live"]
    stage.adapters.live().close()
    assert await told(following) == []
    assert await anext(following, "over") == "over"
    assert await told(await followed(stage, owner, session)) == ["evt_000", "live"]


async def test_it_ends_for_whom_it_is_not_any_more(stage: Stage) -> None:
    """At the next look, at whichever part of it that is found out."""
    owner, helper = await stage.person("ada"), await stage.person("ben")
    stream, session = await on_air(stage, owner, members={helper.require_user(): Member.MODERATOR})
    early, late = await followed(stage, helper, session), await followed(stage, helper, session)
    assert await told(late) == ["evt_000", "live"]
    channels = stage.adapters.channels()
    await channels.save((await channels.get(stream.channel)).dismiss(helper.require_user()))
    assert await told(early) == []
    assert await told(late) == []
    of_owner = await followed(stage, owner, session)
    await stage.adapters.streams().remove(await stage.adapters.streams().get(stream.id))
    assert await told(of_owner) == []


# --- processing ----------------------------------------------------------------------------------

Seen = Sequence[tuple[VideoId, State, int]]


async def reported(stage: Stage, video: VideoId, state: State, percent: int = 0) -> None:
    """As a transcoder says it of the first attempt."""
    processing = await stage.adapters.processings().get(video)
    media = MEDIA if state is State.READY else None
    failure = Failure("unreadable", "it is no video") if state is State.FAILED else None
    report = Report(
        video=video, attempt=1, job=processing.job or JobId("job"), state=state, percent=percent, media=media,
        failure=failure,
    )  # fmt: skip
    await stage.core.apply_report()(report)
    await stage.core.reflect_processing()(ProcessingMoved(video, 1, stage.clock.now()))


async def announced(stage: Stage, owner: Actor, channel: ChannelId, **more: Any) -> VideoId:
    """A video that waits for its transcoder."""
    video = await stage.video(channel, owner, playable=False, **more)
    processing = Processing(video=video, upload=UploadId("upl_1"), source="raw", updated_at=stage.clock.now())
    await stage.adapters.processings().save(processing)
    return video


async def watched(stage: Stage, actor: Actor, *videos: VideoId) -> AsyncGenerator[Sequence[Progress], None]:
    following = evolve(stage.core.follow_processing(), look_s=0)
    return await following(actor, videos)


async def seen(following: AsyncGenerator[Sequence[Progress], None]) -> Seen:
    """What the next look finds."""
    return [(each.video, each.state, each.percent) for each in await anext(following)]


async def test_several_videos_are_followed_at_once_until_all_are_done(stage: Stage) -> None:
    """How each goes comes first, then what changes; those that were done to begin with are told once."""
    owner = await stage.person("ada")
    channel = await stage.channel(owner)
    one, two = await announced(stage, owner, channel), await announced(stage, owner, channel)
    done = await stage.video(channel, owner)
    following = await watched(stage, owner, one, two, done, one)
    assert await seen(following) == [(one, State.PENDING, 0), (two, State.PENDING, 0), (done, State.READY, 100)]
    assert await seen(following) == []
    await reported(stage, one, State.TRANSCODING, 40)
    assert await seen(following) == [(one, State.TRANSCODING, 40)]
    await reported(stage, one, State.TRANSCODING, 41)
    await reported(stage, two, State.FAILED)
    assert await seen(following) == [(one, State.TRANSCODING, 41), (two, State.FAILED, 0)]
    await reported(stage, one, State.READY)
    assert await seen(following) == [(one, State.READY, 100)]
    assert await anext(following, "over") == "over"
    (failed,) = (each for each in await anext(await watched(stage, owner, two)))
    assert (failed.attempt, failed.failure) == (1, Failure("unreadable", "it is no video"))


async def test_processing_is_followed_by_who_may_edit(stage: Stage) -> None:
    """Others are refused in the words for one video; of several, those of others and unknown ones are passed over."""
    owner, ben = await stage.person("ada"), await stage.person("ben")
    editor, helper = await stage.person("eve"), await stage.person("mona")
    members = {editor.require_user(): Member.EDITOR, helper.require_user(): Member.MODERATOR}
    channel = await stage.channel(owner, members=members)
    public = await stage.video(channel, owner)
    hidden = await announced(stage, owner, channel)
    own = await announced(stage, ben, await stage.channel(ben, "bens"))
    for who, video, error in (
        (ben, public, Forbidden), (ben, hidden, NotFound), (helper, hidden, Forbidden), (ANONYMOUS, public, Unauthenticated),
        (owner, VideoId("vid_none"), NotFound),
    ):  # fmt: skip
        with pytest.raises(error):
            await watched(stage, who, video)
    with pytest.raises(Forbidden):
        await watched(stage, ben, public, hidden)
    following = await watched(stage, ben, public, hidden, VideoId("vid_none"), own)
    assert await seen(following) == [(own, State.PENDING, 0)]
    assert [video for video, *_ in await seen(await watched(stage, editor, public, hidden))] == [public, hidden]


async def test_a_video_that_is_removed_is_not_followed_any_more(stage: Stage) -> None:
    """The others are; with the last one it ends. So it is with who may not edit any more, and when the platform ends."""
    owner = await stage.person("ada")
    channel = await stage.channel(owner)
    one, two = await announced(stage, owner, channel), await announced(stage, owner, channel)
    following, of_one = await watched(stage, owner, one, two), await watched(stage, owner, one)
    assert len(await seen(following)) == 2
    await stage.core.remove_video()(owner, one)
    assert await anext(of_one, "over") == "over"
    await reported(stage, two, State.PROBING)
    assert await seen(following) == [(two, State.PROBING, 0)]
    stage.adapters.live().close()
    assert await anext(following, "over") == "over"
    assert len(await seen(once := await watched(stage, owner, two))) == 1
    assert await anext(once, "over") == "over"
    await stage.adapters.channels().remove(await stage.adapters.channels().get(channel))
    with pytest.raises(NotFound):
        await watched(stage, owner, two)
