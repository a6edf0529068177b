"""Streams: who may do what with them, their keys, and telling of the next broadcast."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from attrs import evolve

from application.ports import LinkMode, Pretence
from application.streams import GRANT_LIFE, STREAMS_MOST
from domain.access import Actor
from domain.broadcasts import EndReason, SessionStatus
from domain.engagement import Notify
from domain.errors import (
    DomainError,
    Forbidden,
    Invalid,
    NotFound,
    Stale,
    Unauthenticated,
    Unavailable,
    VersionMismatch,
)
from domain.ids import StreamId
from domain.notifications import Kind
from domain.streams import REMIND_BEFORE, Latency, Stream, StreamStatus
from domain.videos import Audience, Visibility
from tests.application.world import World

NOBODY = Actor()
EVERYONE = ("owner", "editor", "moderator", "staff", "admin", "fan", "nobody")


def actor(world: World, who: str) -> Actor:
    return NOBODY if who == "nobody" else getattr(world, who)


Ask = Callable[[World, Actor, StreamId], Awaitable[object]]
ASKS: dict[str, tuple[Ask, set[str]]] = {
    "show": (lambda world, by, id_: world.core.show_stream()(by, id_), set(EVERYONE)),
    "watch": (lambda world, by, id_: world.core.watch_stream()(by, id_), set(EVERYONE)),
    "edit": (lambda world, by, id_: world.core.edit_stream()(by, id_, title="Dogs"), {"owner", "editor", "admin"}),
    "remove": (lambda world, by, id_: world.core.remove_stream()(by, id_), {"owner", "editor", "admin"}),
    "ingest": (lambda world, by, id_: world.core.show_ingest()(by, id_), {"owner", "editor", "admin"}),
    "rotate": (lambda world, by, id_: world.core.rotate_key()(by, id_), {"owner", "editor", "admin"}),
    "disable": (lambda world, by, id_: world.core.enable_stream()(by, id_, enabled=False), {"owner", "editor", "admin"}),
    "annotate": (lambda world, by, id_: world.core.annotate()(by, id_, "goal"), {"owner", "editor", "admin"}),
    "schedule": (lambda world, by, id_: world.core.schedule_stream()(by, id_, None), {"owner", "editor", "admin"}),
    "simulate": (lambda world, by, id_: world.core.simulate()(by, id_, Pretence.STARVE), {"owner", "editor", "admin"}),
    "stop": (lambda world, by, id_: world.core.stop_stream()(by, id_), {"owner", "editor", "moderator", "staff", "admin"}),
    "sessions": (
        lambda world, by, id_: world.core.show_sessions().of_stream(by, id_), {"owner", "editor", "moderator", "staff", "admin"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("who", EVERYONE)
@pytest.mark.parametrize("ask", ASKS)
async def test_who_may(world: World, ask: str, who: str) -> None:
    """Whoever may see a stream learns that something is not for them; whoever may not learns nothing."""
    does, admitted = ASKS[ask]
    public, private = await world.stream(), await world.stream(visibility=Visibility.PRIVATE)
    for stream in (public, private):
        await world.pretend(stream, Pretence.START)
    by = actor(world, who)
    inside = who not in {"fan", "nobody"}
    for stream, sees in ((private, inside), (public, True)):
        if who in admitted and sees:
            await does(world, by, stream)
        else:
            refused = (Unauthenticated if who == "nobody" else Forbidden) if sees else NotFound
            with pytest.raises(refused):
                await does(world, by, stream)


@pytest.mark.parametrize("who", EVERYONE)
async def test_who_may_make_one(world: World, who: str) -> None:
    make = partial(world.core.create_stream(), actor(world, who), world.channel, title="Cats live")
    if who in {"owner", "editor", "admin"}:
        card = await make(latency=Latency.NORMAL, reconnect_window_s=0, record=False, description="Meow")
        assert (card.stream.title, card.stream.status, card.audience) == (
            "Cats live", StreamStatus.IDLE, Audience.MEMBER,
        )  # fmt: skip
        assert card == await world.core.show_stream()(world.owner, card.stream.id)
    else:
        with pytest.raises(Unauthenticated if who == "nobody" else Forbidden):
            await make()


async def test_a_channel_has_so_many(world: World) -> None:
    for _ in range(STREAMS_MOST):
        await world.core.create_stream()(world.owner, world.channel, title="x")
    assert await code(world.core.create_stream()(world.owner, world.channel, title="x")) == "too_many_streams"


async def code(asked: Awaitable[object]) -> str:
    """Of the refusal."""
    try:
        await asked
    except DomainError as refused:
        return refused.code
    return "none"


async def test_lists_show_what_one_may_see(world: World) -> None:
    streams = {each: await world.stream(visibility=each) for each in (Visibility.PUBLIC, Visibility.PRIVATE)}
    lists = world.core.list_streams()
    assert (await lists(NOBODY)).items == []
    for stream in streams.values():
        await world.pretend(stream, Pretence.START)
    for by in (NOBODY, world.owner):
        assert [each.stream.id for each in (await lists(by)).items] == [streams[Visibility.PUBLIC]]
    for by, seen in ((world.fan, 1), (NOBODY, 1), (world.moderator, 2), (world.staff, 2)):
        assert len((await lists.of_channel(by, world.channel)).items) == seen
    await world.core.edit_stream()(world.owner, streams[Visibility.PUBLIC], visibility=Visibility.UNLISTED)
    assert (await lists(NOBODY)).items == []


async def test_a_card_has_viewers_and_the_picture_of_the_channel(world: World) -> None:
    channels = world.raw.channels()
    await channels.save(evolve(await channels.get(world.channel), avatar="c/chn_cats/avatar.jpg"))
    stream = await world.stream()
    card = await world.core.show_stream()(world.fan, stream)
    assert card.viewers == 0
    assert card.avatar_url
    assert "avatar.jpg" in card.avatar_url
    await world.pretend(stream, Pretence.START)
    assert (await world.core.show_stream()(world.fan, stream)).viewers == 0
    await channels.remove(await channels.get(world.channel))
    with pytest.raises(NotFound):
        await world.core.show_stream()(world.owner, stream)


async def test_changes_reach_the_ingest(world: World) -> None:
    stream = await world.stream()
    card = await world.core.edit_stream()(world.editor, stream, title="Dogs", record=False)
    await world.settle()
    assert world.raw.ingest()._channels[card.stream.ingest].stream.record is False
    assert await world.core.edit_stream()(world.editor, stream, title="Dogs") == card, "nothing to save"
    with pytest.raises(VersionMismatch):
        await world.core.edit_stream()(world.editor, stream, title="Cows", version=card.stream.version - 1)
    await world.pretend(stream, Pretence.START)
    assert await code(world.core.edit_stream()(world.owner, stream, record=True)) == "stream_live"


async def test_changes_of_what_no_ingest_knows(world: World) -> None:
    card = await world.core.create_stream()(world.owner, world.channel, title="x")
    await world.core.edit_stream()(world.owner, card.stream.id, record=False)
    disabled = await world.core.enable_stream()(world.owner, card.stream.id, enabled=False)
    assert disabled.stream.status is StreamStatus.DISABLED
    await world.core.edit_stream()(world.owner, card.stream.id, record=True)
    await world.core.remove_stream()(world.owner, card.stream.id)
    await world.settle()
    assert await world.dead() == []
    assert not world.raw.ingest()._channels


async def test_a_key_is_made_once_and_replaced_at_will(world: World) -> None:
    stream = await world.stream()
    first = await world.core.show_ingest()(world.owner, stream)
    assert first == await world.core.show_ingest()(world.editor, stream)
    second = await world.core.rotate_key()(world.owner, stream)
    assert second.stream_key != first.stream_key
    assert second == await world.core.show_ingest()(world.owner, stream)


async def test_two_ask_for_the_first_key_at_once(world: World) -> None:
    card = await world.core.create_stream()(world.owner, world.channel, title="x")
    ingest, show = world.raw.ingest(), world.core.show_ingest()
    opening = ingest.open

    async def slow(stream: Any) -> str:
        name: str = await opening(stream)
        await world.raw.streams().save((await world.raw.streams().get(stream.id)).opened(name))
        return name

    ingest.open = slow
    point = await show(world.owner, card.stream.id)
    assert point.stream_key == ingest._channels[card.stream.id].key


@pytest.mark.parametrize(
    ("cut", "reason"),
    [("rotate", EndReason.KEY_ROTATED), ("disable", EndReason.DISABLED), ("stop", EndReason.STOPPED)],
)
@pytest.mark.parametrize("away", [False, True])
async def test_a_broadcast_is_cut_off(world: World, cut: str, reason: EndReason, *, away: bool) -> None:
    """At once, also while it waits for its encoder; the stream says so as soon as it is asked."""
    stream = await world.stream()
    await world.pretend(stream, Pretence.START, *([Pretence.DROP] if away else []))
    world.clock.advance(timedelta(seconds=5))
    await ASKS[cut][0](world, world.owner, stream)
    if cut != "rotate":
        assert (await world.raw.streams().get(stream)).session is None
    await world.settle()
    (session,) = await world.sessions(stream)
    assert (session.session.status, session.session.ended_reason) == (SessionStatus.ENDED, reason)
    assert (await world.raw.streams().get(stream)).session is None
    assert await world.raw.ingest().live() == []


async def test_what_needs_a_broadcast(world: World) -> None:
    stream = await world.stream()
    for asked in (
        world.core.stop_stream()(world.owner, stream),
        world.core.annotate()(world.owner, stream, "goal"),
        world.core.watch_stream()(world.fan, stream),
    ):
        assert await code(asked) == "not_live"
    for wrong in ("", "é" * 513):
        with pytest.raises(Invalid):
            await world.core.annotate()(world.owner, stream, wrong)


@pytest.mark.parametrize(
    ("case", "call", "reason"),
    [
        ("rotate", "rotate", EndReason.KEY_ROTATED), ("disable", "configure", EndReason.DISABLED),
        ("stop", "stop", EndReason.STOPPED),
    ],
)  # fmt: skip
async def test_why_it_was_cut_off_is_known_though_its_end_was_heard_before(
    world: World, monkeypatch: pytest.MonkeyPatch, case: str, call: str, reason: EndReason
) -> None:
    """Of a stream that waits for no encoder, whose ingest tells of the end while we ask for it."""
    stream = await world.stream(reconnect_window_s=0)
    await world.pretend(stream, Pretence.START)
    ingest = world.raw.ingest()
    asked, stop = getattr(ingest, call), ingest.stop

    async def and_told(changed: Stream) -> object:
        answer = await asked(changed)
        await stop(changed)
        while await world.listen():
            pass
        return answer

    monkeypatch.setattr(ingest, call, and_told)
    await ASKS[case][0](world, world.owner, stream)
    monkeypatch.undo()
    await world.settle()
    assert [each.session.ended_reason for each in await world.sessions(stream)] == [reason]


async def test_what_nobody_heard_of_is_stopped_too(world: World) -> None:
    """The ingest knows better."""
    stream = await world.stream()
    await world.raw.ingest().simulate(await world.raw.streams().get(stream), Pretence.START)
    await world.core.stop_stream()(world.owner, stream)
    await world.settle()
    assert [each.session.over for each in await world.sessions(stream)] == [False]
    await world.pass_time()
    assert [each.session.over for each in await world.sessions(stream)] == [True]


async def test_a_disabled_stream_takes_nothing(world: World) -> None:
    stream = await world.stream()
    key = (await world.core.show_ingest()(world.owner, stream)).stream_key
    await world.core.enable_stream()(world.owner, stream, enabled=False)
    for asked in (world.core.show_ingest(), world.core.rotate_key()):
        assert await code(asked(world.owner, stream)) == "stream_disabled"
    card = await world.core.enable_stream()(world.owner, stream, enabled=True)
    assert card.stream.status is StreamStatus.IDLE
    assert (await world.core.show_ingest()(world.owner, stream)).stream_key != key


@pytest.mark.parametrize(
    ("visibility", "who", "mode"),
    [
        (Visibility.PUBLIC, "nobody", LinkMode.PUBLIC), (Visibility.UNLISTED, "fan", LinkMode.TOKEN),
        (Visibility.PRIVATE, "owner", LinkMode.TOKEN),
    ],
)  # fmt: skip
async def test_leave_to_watch(world: World, visibility: Visibility, who: str, mode: LinkMode) -> None:
    stream = await world.stream(visibility=visibility)
    await world.pretend(stream, Pretence.START)
    leave = await world.core.watch_stream()(actor(world, who), stream)
    assert leave.link.mode is mode
    assert leave.expires_at == world.clock.now() + GRANT_LIFE


# --- announcing ----------------------------------------------------------------------------------


async def fans(world: World) -> None:
    for who, level in ((world.fan, Notify.ALL), (world.stranger, Notify.LIVE), (world.staff, Notify.NONE)):
        await world.core.subscribe()(who, world.channel, level)
    await world.settle()


async def told(world: World, kind: Kind) -> list[int]:
    return [(await world.told_of(each))[kind.value] for each in (world.fan, world.stranger, world.staff)]


async def test_subscribers_are_told_of_what_is_near(world: World) -> None:
    await fans(world)
    stream = await world.stream()
    starts_at = world.clock.now() + timedelta(hours=1)
    card = await world.core.schedule_stream()(world.owner, stream, starts_at)
    assert card.stream.starts_at == starts_at
    await world.pass_time(timedelta(hours=1) - REMIND_BEFORE - timedelta(seconds=1))
    assert await told(world, Kind.STREAM_NEAR) == [0, 0, 0]
    await world.pass_time(timedelta(seconds=1), 3)
    assert await told(world, Kind.STREAM_NEAR) == [1, 1, 0]
    (notification,) = [each for each in await world.inbox(world.fan) if each.kind is Kind.STREAM_NEAR]
    assert notification.subject.id == stream
    assert "UTC: “Cats live”" in notification.text


@pytest.mark.parametrize("change", ["put off", "hidden", "removed", "closed"])
async def test_what_was_put_off_or_hidden_is_not_announced(world: World, change: str) -> None:
    await fans(world)
    stream = await world.stream()
    await world.core.schedule_stream()(world.owner, stream, world.clock.now() + REMIND_BEFORE)
    assert await world.core.remind_due()() == 1
    if change == "put off":
        await world.core.schedule_stream()(world.owner, stream, world.clock.now() + timedelta(days=2))
    elif change == "hidden":
        await world.core.edit_stream()(world.owner, stream, visibility=Visibility.UNLISTED)
    elif change == "removed":
        await world.core.remove_stream()(world.owner, stream)
    else:
        await world.core.close_channel()(world.owner, world.channel)
    await world.settle()
    assert await told(world, Kind.STREAM_NEAR) == [0, 0, 0]


async def test_a_reminder_looks_again_before_it_tells(world: World) -> None:
    """At the stream as it is now: the list of what is near may be older."""
    streams: Any = world.raw.streams()
    gone, hidden = [await world.stream() for _ in range(2)]
    for each in (gone, hidden):
        await world.core.schedule_stream()(world.owner, each, world.clock.now() + REMIND_BEFORE)
    due = await streams.near(world.clock.now())

    async def old(_: object) -> Any:
        return due

    await world.core.remove_stream()(world.owner, gone)
    await world.core.edit_stream()(world.owner, hidden, visibility=Visibility.PRIVATE)
    streams.near = old
    await world.take_events()
    assert await world.core.remind_due()() == 2
    assert await world.take_events() == []


# --- removing ------------------------------------------------------------------------------------


async def test_a_stream_goes_with_all_that_was_heard_of_it(world: World) -> None:
    stream = await world.stream()
    await world.pretend(stream, Pretence.START, Pretence.END)
    with pytest.raises(VersionMismatch):
        await world.core.remove_stream()(world.owner, stream, version=99)
    await world.core.remove_stream()(world.owner, stream)
    await world.settle()
    assert not world.raw.broadcasts()._timelines
    assert not world.raw.broadcasts()._events
    assert not world.raw.broadcasts()._sessions
    assert not world.raw.ingest()._channels
    assert not world.files("l/")
    with pytest.raises(NotFound):
        await world.core.show_stream()(world.owner, stream)


@pytest.mark.parametrize("whole", ["at once", "later", "never"])
async def test_what_was_live_when_its_stream_was_removed_is_kept(world: World, whole: str) -> None:
    """As a video that is private, since nobody said otherwise."""
    stream = await world.stream()
    await world.pretend(stream, Pretence.START, *([Pretence.DROP] if whole == "later" else []))
    ingest = world.raw.ingest()
    recorded = ingest.recorded

    async def nothing_yet(*_: object) -> None:
        return None

    if whole != "at once":
        ingest.recorded = nothing_yet
    await world.core.remove_stream()(world.owner, stream)
    await world.settle()
    if whole == "later":
        ingest.recorded = recorded
    await world.pass_time(timedelta(minutes=6), 2)
    await world.pass_time(timedelta(hours=25), 2)
    videos = (await world.raw.videos().of_channel(world.channel)).items
    assert [(each.title, each.visibility) for each in videos] == (
        [] if whole == "never" else [("Cats live", Visibility.PUBLIC)]
    )
    assert not world.raw.broadcasts()._timelines
    assert await world.dead() == []


async def test_a_channel_that_closes_takes_its_streams_along(world: World) -> None:
    """What is broadcast is cut off, and its recording goes."""
    stream = await world.stream()
    await world.pretend(stream, Pretence.START)
    await world.core.close_channel()(world.owner, world.channel)
    await world.settle()
    await world.pass_time(timedelta(minutes=6), 2)
    assert not world.raw.streams()._streams
    assert not world.raw.ingest()._channels
    assert not world.raw.media().recordings
    assert not world.raw.broadcasts()._timelines
    assert await world.dead() == []


async def test_a_channel_closes_though_a_stream_changes_meanwhile(world: World) -> None:
    await world.stream()
    streams: Any = world.raw.streams()
    removing, tries = streams.remove, []

    async def stale_once(*args: Any) -> None:
        tries.append(args)
        if len(tries) == 1:
            raise Stale("this stream")
        await removing(*args)

    streams.remove = stale_once
    await world.core.close_channel()(world.owner, world.channel)
    await world.settle()
    assert len(tries) == 2
    assert not streams._streams


async def test_a_door_to_what_is_broadcast(world: World) -> None:
    """Open as long as the stream is shown to whom it was opened for."""
    stream = await world.stream(visibility=Visibility.UNLISTED)
    await world.pretend(stream, Pretence.START)
    (manifest,) = [each for each in world.files("l/") if each.endswith("m3u8")]
    open_file = world.core.open_file()
    with pytest.raises(NotFound) as hidden:
        await open_file(manifest)
    with pytest.raises(NotFound) as unknown:
        await open_file("l/str_unknown/x/index.m3u8")
    assert str(hidden.value) == str(unknown.value)
    await world.core.edit_stream()(world.owner, stream, visibility=Visibility.PUBLIC)
    assert (await open_file(manifest)).content_type == "application/vnd.apple.mpegurl"


async def test_an_ingest_that_is_busy(world: World) -> None:
    """A stream is there all the same, and its key comes later."""
    card = await world.core.create_stream()(world.owner, world.channel, title="x")
    ingest = world.raw.ingest()
    opening = ingest.open

    async def busy(_: object) -> str:
        raise Unavailable("too many at once", code="busy")

    ingest.open = busy
    with pytest.raises(Unavailable):
        await world.core.show_ingest()(world.owner, card.stream.id)
    ingest.open = opening
    assert (await world.core.show_ingest()(world.owner, card.stream.id)).stream_key
