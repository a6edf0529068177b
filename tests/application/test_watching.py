"""Watching: leave to play, what counts as a view, where someone was, and the files behind our own door."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from attrs import define, evolve, field

from application.channels import Picture
from application.ports import Delivery, File, Link, LinkMode, Pretence
from application.watching import OpenFile
from domain.access import ANONYMOUS
from domain.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, Unauthenticated
from domain.ids import ChannelId, SessionId, StreamId, VideoId
from domain.streams import Stream
from domain.videos import Audience, Visibility
from domain.watching import DAYS_SHOWN, GRANT_LIFE, SESSION_LIFE, Grant, PlaybackSession, Viewer, Viewing, Watched
from tests.application.world import World, picture


def path(url: str) -> tuple[str, str | None]:
    """The key, and the token if there is one, of a link to a file."""
    _, _, rest = url.partition("/media/")
    door, _, rest = rest.partition("/")
    if door == "o":
        return rest, None
    token, _, key = rest.partition("/")
    return key, token


async def test_playing_what_is_public(world: World) -> None:
    video = await world.publish()
    playback = await world.core.open_playback()(ANONYMOUS, video)
    assert (playback.link.mode, playback.resume_at_s) == (LinkMode.PUBLIC, 0.0)
    assert playback.expires_at == world.clock.now() + SESSION_LIFE
    assert (playback.session.viewer, playback.session.audience) == (None, Audience.ANYONE)
    key, token = path(playback.link.url)
    file = await world.core.open_file()(key, token)
    assert b"".join([piece async for piece in file.read(0, 7)]) == b"#EXTM3U"


@pytest.mark.parametrize(
    ("visibility", "audience"), [(Visibility.UNLISTED, Audience.LINK), (Visibility.PRIVATE, Audience.MEMBER)]
)
async def test_playing_what_is_not_public_takes_a_grant(
    world: World, visibility: Visibility, audience: Audience
) -> None:
    video = await world.publish(visibility=visibility)
    actor = world.fan if audience is Audience.LINK else world.editor
    playback = await world.core.open_playback()(actor, video)
    assert playback.link.mode is LinkMode.TOKEN
    assert playback.expires_at == world.clock.now() + GRANT_LIFE
    assert playback.session.audience is audience
    key, token = path(playback.link.url)
    await world.core.open_file()(key, token)
    with pytest.raises(NotFound):
        await world.core.open_file()(key)


async def test_a_player_says_whether_it_keeps_cookies(world: World) -> None:
    """Files that a list shows are never left to cookies: nobody opens a session for each."""
    video = await world.publish(visibility=Visibility.PRIVATE)
    asked: list[LinkMode] = []

    class Media:
        def granted(self, grant: Grant, key: str, mode: LinkMode = LinkMode.COOKIE) -> Link:
            del grant
            asked.append(mode)
            return Link(key, mode)

    media: Any = Media()
    cards = evolve(world.core.video_cards(), media=media)
    open_playback = evolve(world.core.open_playback(), media=media, cards=cards)
    for wish, mode in (({}, LinkMode.COOKIE), ({"mode": LinkMode.TOKEN}, LinkMode.TOKEN)):
        asked.clear()
        assert (await open_playback(world.editor, video, **wish)).link.mode is mode
        assert asked.pop() is mode
        assert set(asked) == {LinkMode.TOKEN}


async def test_nothing_to_play_yet(world: World) -> None:
    video = (await world.upload()).video
    with pytest.raises(Conflict) as refused:
        await world.core.open_playback()(world.owner, video)
    assert refused.value.code == "not_playable"
    for actor, which in ((world.stranger, video), (world.owner, VideoId("vid_unknown"))):
        with pytest.raises(NotFound):
            await world.core.open_playback()(actor, which)


async def watch(world: World, session: PlaybackSession, seconds: int, *, actor: Any = ANONYMOUS) -> PlaybackSession:
    """Ten seconds at a time."""
    for _ in range(0, seconds, 10):
        world.clock.advance(timedelta(seconds=10))
        session = await world.core.heartbeat()(actor, session.video, session.id, session.position_s + 10)
    return session


async def test_a_view_is_counted_once(world: World) -> None:
    video = await world.publish()
    session = (await world.core.open_playback()(ANONYMOUS, video)).session
    session = await watch(world, session, 20)
    assert (await world.show(ANONYMOUS, video)).views == 0
    session = await watch(world, session, 40)
    assert session.counted
    assert (await world.show(ANONYMOUS, video)).views == 1
    with pytest.raises(Invalid):
        await world.core.heartbeat()(ANONYMOUS, video, session.id, 1000)


async def test_beats_are_for_one_s_own_session_of_that_video_while_it_lasts(world: World) -> None:
    video, other = await world.publish(), await world.publish()
    session = (await world.core.open_playback()(world.fan, video)).session
    beat = world.core.heartbeat()
    for actor, which, id_ in (
        (world.stranger, video, session.id), (ANONYMOUS, video, session.id), (world.fan, other, session.id),
        (world.fan, video, SessionId("ses_unknown")),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            await beat(actor, which, id_, 1.0)
    world.clock.advance(SESSION_LIFE + timedelta(seconds=1))
    with pytest.raises(NotFound):
        await beat(world.fan, video, session.id, 1.0)


async def test_a_token_that_outlives_its_account_writes_no_history(world: World) -> None:
    video = await world.publish()
    session = (await world.core.open_playback()(world.fan, video)).session
    await world.core.heartbeat()(world.fan, video, session.id, 1.0)
    await world.core.close_account()(world.fan)
    await world.settle()
    with pytest.raises(Unauthenticated):
        await world.core.heartbeat()(world.fan, video, session.id, 2.0)
    assert not await world.raw.history().of(world.fan.require_user(), [video])


async def test_two_beats_at_once_count_one_view(world: World) -> None:
    video = await world.publish()
    session = await watch(world, (await world.core.open_playback()(ANONYMOUS, video)).session, 20)
    world.clock.advance(timedelta(seconds=10))
    raw = world.raw.sessions()

    class Twice:
        others = 1

        async def save(
            self, beaten: PlaybackSession, watched: Watched | None = None, gained: Sequence[Viewing] = ()
        ) -> PlaybackSession:
            if self.others:
                self.others -= 1
                await world.core.heartbeat()(ANONYMOUS, video, session.id, 30.0)
            saved: PlaybackSession = await raw.save(beaten, watched, gained)
            return saved

        def __getattr__(self, name: str) -> Any:
            return getattr(raw, name)

    after = await evolve(world.core.heartbeat(), sessions=Twice())(ANONYMOUS, video, session.id, 30.0)
    assert (after.watched_s, after.version) == (30.0, session.version + 2)
    assert (await world.show(ANONYMOUS, video)).views == 1
    today = (await world.core.show_viewings().of_video(world.owner, video))[-1]
    assert (today.views, today.watched_ms) == (1, 30_000)


async def test_what_is_watched_is_counted_by_day(world: World) -> None:
    """Of a video and of all of its channel's together; days in which nothing was watched are there, too."""
    one, two = await world.publish(), await world.publish()
    show = world.core.show_viewings()
    first = world.clock.now().date()
    await watch(world, (await world.core.open_playback()(ANONYMOUS, one)).session, 40)
    world.clock.advance(timedelta(days=2))
    session = await watch(world, (await world.core.open_playback()(world.fan, one)).session, 20, actor=world.fan)
    await watch(world, (await world.core.open_playback()(ANONYMOUS, two)).session, 10)
    for _ in range(3):  # a beat that comes again
        await world.core.heartbeat()(world.fan, one, session.id, session.position_s)

    async def of(subject: VideoId | ChannelId) -> list[tuple[int, int]]:
        ask = show.of_channel if subject == world.channel else show.of_video
        found = await ask(world.editor, subject, first)  # type: ignore[arg-type]  # the one goes with the other
        assert [each.day for each in found] == [first + timedelta(days=number) for number in range(3)]
        assert {each.subject for each in found} == {subject}
        return [(each.views, each.watched_ms) for each in found]

    assert await of(one) == [(1, 40_000), (0, 0), (0, 20_000)]
    assert await of(two) == [(0, 0), (0, 0), (0, 10_000)]
    assert await of(world.channel) == [(1, 40_000), (0, 0), (0, 30_000)]
    recent = await show.of_channel(world.owner, world.channel)
    assert len(recent) == DAYS_SHOWN
    assert recent[-1].day == world.clock.now().date()
    await world.core.remove_video()(world.owner, one)
    await world.settle()
    assert await world.raw.viewings().of(one, first, world.clock.now().date()) == []
    assert await of(world.channel) == [(1, 40_000), (0, 0), (0, 30_000)], "its past stays"
    await world.core.close_channel()(world.owner, world.channel)
    await world.settle()
    assert await world.raw.viewings().of(world.channel, first, world.clock.now().date()) == []


async def test_days_are_shown_to_who_may_edit(world: World) -> None:
    """A stranger does not learn that a hidden video is there."""
    shown, hidden = await world.publish(), await world.publish(visibility=Visibility.PRIVATE)
    show = world.core.show_viewings()
    for who, error in ((world.stranger, Forbidden), (world.staff, Forbidden), (ANONYMOUS, Unauthenticated)):
        with pytest.raises(error):
            await show.of_video(who, shown)
        with pytest.raises(error):
            await show.of_channel(who, world.channel)
    with pytest.raises(NotFound):
        await show.of_video(world.stranger, hidden)
    for missing in (show.of_video(world.owner, VideoId("vid_x")), show.of_channel(world.owner, ChannelId("chn_x"))):
        with pytest.raises(NotFound):
            await missing
    today = world.clock.now().date()
    with pytest.raises(Invalid) as refused:
        await show.of_video(world.owner, hidden, today, today - timedelta(days=1))
    assert refused.value.code == "days_disordered"


async def test_going_on_where_one_was(world: World) -> None:
    video = await world.publish()
    session = (await world.core.open_playback()(world.fan, video)).session
    await watch(world, session, 20, actor=world.fan)
    again = await world.core.open_playback()(world.fan, video)
    assert (again.resume_at_s, again.session.position_s) == (20.0, 20.0)
    assert (await world.core.open_playback()(world.stranger, video)).resume_at_s == 0.0
    await watch(world, again.session, 40, actor=world.fan)
    assert (await world.core.open_playback()(world.fan, video)).resume_at_s == 0.0, "seen to the end"


async def test_history_shows_what_one_may_still_see(world: World) -> None:
    videos = [await world.publish() for _ in range(3)]
    for video in videos:
        session = (await world.core.open_playback()(world.fan, video)).session
        await watch(world, session, 10, actor=world.fan)
    ask, forget = world.core.list_history(), world.core.forget_history()

    async def listed() -> list[VideoId]:
        return [card.video.id for card in (await ask(world.fan)).items]

    assert await listed() == videos[::-1]
    await world.core.edit_video()(world.owner, videos[1], visibility=Visibility.PRIVATE)
    assert await listed() == [videos[2], videos[0]]
    await world.core.remove_video()(world.owner, videos[0])
    assert await listed() == [videos[2]]
    await world.core.edit_video()(world.owner, videos[1], visibility=Visibility.PUBLIC)
    await forget(world.fan, videos[2])
    assert await listed() == [videos[1]]
    await forget(world.fan)
    assert await listed() == []
    for anonymous in (ask(ANONYMOUS), forget(ANONYMOUS)):
        with pytest.raises(Unauthenticated):
            await anonymous


async def file_error(world: World, key: str, token: str | None = None) -> tuple[type[DomainError], str, str]:
    with pytest.raises(DomainError) as refused:
        await world.core.open_file()(key, token)
    return type(refused.value), refused.value.code, str(refused.value)


async def test_files_outside_of_what_is_shown(world: World) -> None:
    """No way from what one may see to anything else, with a grant or without."""
    shown, hidden = await world.publish(), await world.publish(visibility=Visibility.PRIVATE)
    upload = (await world.raw.uploads().of_video(hidden))[0]
    token = path((await world.core.open_playback()(world.owner, hidden)).link.url)[1]
    secret = f"v/{hidden}/a1/hls/master.m3u8"
    assert secret in world.files()
    for key in (
        upload.source, "raw/x/source", "images/chn_cats/avatar/img_1", "", "v", "v/", "/v/x", f"/{secret}",
        f"v/{shown}/../{hidden}/a1/hls/master.m3u8", f"v/{shown}/../../{secret}", f"c/../{secret}", f"c//{secret}",
        f"v//{shown}", f"v/{shown}", f"v/{shown}/", f"v/{shown}/a9/hls/master.m3u8", f"V/{shown}/a1/poster.jpg",
        f"v/{shown}/a1/hls/..", f"v\\{shown}\\a1\\poster.jpg", f"v/{shown}/a1/poster.jpg\0",
    ):  # fmt: skip
        assert (await file_error(world, key))[0] is NotFound, key
        if key.partition("/")[0] == "v":
            assert (await file_error(world, key, token))[0] in {NotFound, Forbidden}, key
    hidden_one = await file_error(world, secret)
    assert hidden_one == await file_error(world, "v/vid_unknown/a1/hls/master.m3u8"), "a stranger learns nothing"


async def test_a_grant_is_for_one_video_and_a_while(world: World) -> None:
    one, other = [await world.publish(visibility=Visibility.UNLISTED) for _ in range(2)]
    key, token = path((await world.core.open_playback()(world.fan, one)).link.url)
    assert token is not None
    await world.core.open_file()(key, token)
    assert (await file_error(world, key.replace(one, other), token))[:2] == (Forbidden, "link_invalid")
    assert (await file_error(world, key, token[:-2] + "xx"))[:2] == (Forbidden, "link_invalid")
    assert (await file_error(world, key, "no token"))[:2] == (Forbidden, "link_invalid")
    upload = path((await world.announce()).tickets[0].url)
    assert upload[1] is not None
    assert (await file_error(world, key, upload[0]))[:2] == (Forbidden, "link_invalid")
    world.clock.advance(GRANT_LIFE - timedelta(seconds=1))
    await world.core.open_file()(key, token)
    world.clock.advance(timedelta(seconds=1))
    assert (await file_error(world, key, token))[:2] == (Forbidden, "link_expired")


@pytest.mark.parametrize("what", ["private", "blocked", "removed"])
async def test_a_grant_is_void_once_the_video_is_not_shown(world: World, what: str) -> None:
    video = await world.publish(visibility=Visibility.UNLISTED)
    key, token = path((await world.core.open_playback()(world.fan, video)).link.url)
    members = path((await world.core.open_playback()(world.editor, video)).link.url)
    if what == "private":
        await world.core.edit_video()(world.owner, video, visibility=Visibility.PRIVATE)
    elif what == "blocked":
        await world.core.block_video()(world.staff, video, "spam")
    else:
        await world.core.remove_video()(world.owner, video)
    gone = (NotFound, "not_found") if what == "removed" else (Forbidden, "link_void")
    assert (await file_error(world, key, token))[:2] == gone
    assert (await file_error(world, key))[0] is NotFound
    if what == "removed":
        assert (await file_error(world, *members))[0] is NotFound
    else:
        await world.core.open_file()(*members)


async def test_what_was_public_is_not_after_it_was_hidden(world: World) -> None:
    video = await world.publish()
    key, token = path((await world.core.open_playback()(world.fan, video)).link.url)
    await world.core.open_file()(key, token)
    await world.core.edit_video()(world.owner, video, visibility=Visibility.UNLISTED)
    assert (await file_error(world, key, token))[0] is NotFound
    grant = Grant(video, Audience.ANYONE, world.clock.now() + GRANT_LIFE)
    forged = path(world.raw.media().granted(grant, key).url)
    assert (await file_error(world, *forged))[:2] == (Forbidden, "link_void")


@define
class Noting:
    """A door that notes for whom it was opened."""

    behind: Delivery
    opened: list[Grant | None] = field(factory=list)

    def grant(self, token: str) -> Grant:
        return self.behind.grant(token)

    async def file(self, key: str, grant: Grant | None = None) -> File:
        self.opened.append(grant)
        return await self.behind.file(key, grant)


async def test_the_door_knows_for_whom_it_opens(world: World) -> None:
    """What it hands out may name other files, which are for the same ones."""
    delivery: Any = Noting(world.raw.delivery())
    open_file = OpenFile(world.raw.videos(), world.raw.streams(), world.raw.ingest(), delivery)
    public, unlisted = await world.publish(), await world.publish(visibility=Visibility.UNLISTED)
    await open_file(*path((await world.core.open_playback()(world.fan, public)).link.url))
    await open_file(*path((await world.core.open_playback()(world.fan, unlisted)).link.url))
    assert delivery.opened == [None, Grant(unlisted, Audience.LINK, world.clock.now() + GRANT_LIFE)]


async def test_files_of_streams_are_shown_to_whom_the_stream_is(world: World) -> None:
    """And whoever fetches what to play next is counted."""
    ingest: Any = world.raw.ingest()
    stream = Stream(id=StreamId("str_1"), channel=world.channel, title="Cats", created_at=world.clock.now())
    stream = await world.raw.streams().save(stream.opened(await ingest.open(stream)))
    await ingest.simulate(stream, Pretence.START)
    key, _ = path((await ingest.playback(stream, Audience.ANYONE, None, world.clock.now())).url)
    open_file = world.core.open_file()
    for name in ("ann", "ben", "ann"):
        await open_file(key, viewer=Viewer("192.0.2.1", name))
    await open_file(key.replace("index.m3u8", "0.ts"), viewer=Viewer("192.0.2.1", "eve"))
    await open_file(key)
    assert [each.viewers for each in await ingest.live()] == [2]
    stream = await world.raw.streams().save(stream.edit(visibility=Visibility.PRIVATE))
    later = world.clock.now() + GRANT_LIFE
    _, void = path((await ingest.playback(stream, Audience.LINK, None, later)).url)
    _, token = path((await ingest.playback(stream, Audience.MEMBER, None, later)).url)
    assert (await open_file(key, token)).size_bytes
    assert await file_error(world, key, void) == (Forbidden, "link_void", "this is not shown any more")
    assert await file_error(world, key) == await file_error(world, "l/str_unknown/rec/index.m3u8")


async def test_pictures_of_channels_are_for_everyone(world: World) -> None:
    image, ticket = await world.core.request_picture()(world.owner, world.channel, Picture.AVATAR, len(picture()))
    await world.put(ticket.url, picture())
    card = await world.core.edit_channel()(world.owner, world.channel, avatar=image)
    assert card.channel.avatar is not None
    assert (await world.core.open_file()(card.channel.avatar)).content_type == "image/jpeg"
    video = await world.publish(visibility=Visibility.UNLISTED)
    _, token = path((await world.core.open_playback()(world.fan, video)).link.url)
    assert (await file_error(world, card.channel.avatar, token))[0] is NotFound
