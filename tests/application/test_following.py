"""Following a broadcast as it goes on."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from application.broadcasts import FollowSession, SessionCard
from domain.access import Actor
from domain.broadcasts import Happening, SessionEvent, SessionStatus
from domain.channels import Member
from domain.errors import Forbidden
from domain.ids import BroadcastId, ChannelId, StreamId, StreamSessionId
from domain.streams import Stream
from tests.application.stage import Stage

Following = AsyncGenerator[SessionEvent | SessionCard | None, None]


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
    found = []
    async for each in following:
        if each is None:
            break
        found.append(each.id if isinstance(each, SessionEvent) else each.session.status.value)
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
    assert [each async for each in following][-1] == await stage.core.show_sessions()(owner, session)
    again = [each async for each in await followed(stage, owner, session)]
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
