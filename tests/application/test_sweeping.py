"""What no record names goes, and never what one names, is about to name, or named while links still work."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from attrs import define, evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from application import sweeping
from application.channels import Picture
from application.ports import MediaStore, Stored
from application.sweeping import AT_ONCE, REST, STRAY_LIFE, UNKNOWN_LIFE, SweepOrphans, Swept
from domain.ids import IMAGE, UPLOAD, StreamId, UploadId, VideoId
from domain.processing import Failure
from domain.streams import Stream
from domain.uploads import Status
from domain.videos import Caption
from domain.watching import GRANT_LIFE
from tests.application.test_crashes import CUES, LONGER, AnySize
from tests.application.test_processing import Studio, media
from tests.application.world import BROKEN, CLIP, Crash, World, new_world, picture

SECOND = timedelta(seconds=1)
SHORTER = b"hexcast-fake 320x240 10.0s\n"
GONE = VideoId("vid_gone")


async def put(world: World, *keys: str) -> None:
    for key in keys:
        await world.raw.media().put(key, b"x", "")


async def illustrated(world: World, content: bytes = CLIP) -> VideoId:
    """A video with a thumbnail and captions, in a channel with a picture."""
    core = world.core
    core.adapters.images()._port = AnySize()
    video = await world.publish(content)
    await core.set_thumbnail()(world.owner, video, picture())
    await core.put_caption()(world.owner, video, "en", CUES)
    image, ticket = await core.request_picture()(world.owner, world.channel, Picture.AVATAR, len(picture()))
    await world.put(ticket.url, picture())
    await core.edit_channel()(world.owner, world.channel, avatar=image)
    await world.settle()
    return video


@define
class Meddled:
    """The media, where something happens right after the listing of one prefix, or ("") before each removal."""

    media: MediaStore
    prefix: str
    meddle: Callable[[], Awaitable[Any]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.media, name)

    async def under(self, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[Stored]:
        found = await self.media.under(prefix, after=after, limit=limit)
        if prefix == self.prefix and not after:
            await self.meddle()
        return found

    async def remove_prefix(self, prefix: str) -> int:
        if self.prefix == "":
            await self.meddle()
        return await self.media.remove_prefix(prefix)


def meddling(world: World, prefix: str, meddle: Callable[[], Awaitable[Any]]) -> None:
    sweep: SweepOrphans = world.core.sweep_orphans()
    sweep.media = Meddled(world.raw.media(), prefix, meddle)


# --- what stays --------------------------------------------------------------------------------------


async def test_nothing_of_a_platform_in_order_goes(world: World) -> None:
    """Ready, replaced, failed, waiting and half sent: each as long as it likes."""
    first = await illustrated(world)
    await world.upload(LONGER, replaces=first)
    await world.settle()
    await world.pass_time(GRANT_LIFE + SECOND)
    await world.publish(BROKEN)
    half = await world.announce(CLIP)
    await world.put(half.tickets[0].url, CLIP)
    world.employ(Studio())
    await world.upload(CLIP, replaces=first)
    await world.upload(CLIP)
    await world.settle()
    files, incoming = world.files(), world.incoming()
    for _ in range(3):
        assert await world.tidy() == []
        world.clock.advance(timedelta(days=3))
    assert (world.files(), world.incoming()) == (files, incoming)
    assert files == await world.named()
    assert len(incoming) == 5


# --- videos ------------------------------------------------------------------------------------------


async def test_media_of_no_video_go_when_they_were_found_so_an_hour_ago(world: World) -> None:
    video = await world.publish()
    kept = world.files()
    await put(world, "v/vid_gone/a1/hls/x.m4s", "v/vid_gone/thumb/x.jpg", f"v/{video}0/a1/x.m4s", f"v/{video[:-1]}/x")
    assert await world.tidy_once() == []
    world.clock.advance(REST - SECOND)
    assert await world.tidy_once() == []
    world.clock.advance(SECOND)
    swept = await world.tidy_once()
    assert [each.name for each in swept] == [f"v/{video[:-1]}/", f"v/{video}0/", "v/vid_gone/"]
    assert {each.why for each in swept} == {"there is no such video"}
    assert world.files() == kept


async def test_a_removed_video_whose_transcoder_still_writes(world: World) -> None:
    video = await world.publish()
    await world.core.remove_video()(world.owner, video)
    await world.settle()
    assert world.files() == set()
    for number in range(2):
        await put(world, f"v/{video}/a1/hls/{number}.m4s")
        assert await world.tidy() == [Swept(f"v/{video}/", "there is no such video")]
        assert world.files() == set()


@pytest.mark.parametrize(("moved_ago", "rounds"), [(GRANT_LIFE - SECOND, 3), (GRANT_LIFE, 2)])
async def test_an_attempt_that_nothing_names(world: World, moved_ago: timedelta, rounds: int) -> None:
    """It goes an hour after it was found so, which counts from an hour after processing last moved."""
    video = await world.publish()
    kept = world.files()
    stray = {f"v/{video}/{attempt}/hls/x.m4s" for attempt in ("a0", "a2", "a01", "a10")}
    await put(world, *stray)
    world.clock.advance(moved_ago)
    for _ in range(rounds - 1):
        assert await world.tidy_once() == []
        assert world.files() == kept | stray
        world.clock.advance(REST)
    swept = await world.tidy_once()
    assert [each.name for each in swept] == [f"v/{video}/{attempt}/" for attempt in ("a0", "a01", "a10", "a2")]
    assert {each.why for each in swept} == {"another attempt took its place"}
    assert world.files() == kept


async def test_the_attempt_under_way_and_the_one_that_plays_stay(world: World) -> None:
    """Also one that is ready and not yet shown, and one that failed."""
    video = await world.publish()
    world.employ(Studio())
    await world.upload(LONGER, replaces=video)
    await world.settle()
    await put(world, f"v/{video}/a2/hls/x.m4s")
    kept = world.files()
    world.clock.advance(timedelta(days=2))
    assert await world.tidy() == []
    processings = world.raw.processings()
    stored = await processings.get(video)
    moved = evolve(stored, media=media(2))
    failed = await processings.save(evolve(moved, failure=Failure("x", "x")))
    world.clock.advance(timedelta(days=2))
    assert await world.tidy() == []
    assert world.files() == kept
    again = await processings.save(evolve(failed, attempt=3))
    world.clock.advance(timedelta(days=2))
    assert await world.tidy() == []
    await processings.save(evolve(again, media=None))
    world.clock.advance(timedelta(days=2))
    assert [each.name for each in await world.tidy()] == [f"v/{video}/a2/"]


@pytest.mark.parametrize(("made_ago", "gone"), [(GRANT_LIFE - SECOND, False), (GRANT_LIFE, True)])
async def test_an_attempt_at_a_video_that_was_never_processed(world: World, made_ago: timedelta, *, gone: bool) -> None:
    video = (await world.announce()).upload.video
    await put(world, f"v/{video}/a1/hls/x.m4s")
    world.clock.advance(made_ago)
    await world.tidy_once()
    world.clock.advance(REST)
    assert bool(await world.tidy_once()) is gone


async def test_a_replaced_attempt_may_be_watched_till_its_last_link_ends(world: World) -> None:
    """Though the new one was ready long before the video said so."""
    video = await world.publish()
    world.employ(Studio())
    await world.upload(LONGER, replaces=video)
    await world.settle()
    stored = await world.raw.processings().get(video)
    world.clock.advance(timedelta(days=1))
    assert await world.tidy_once() == []
    shown = await world.raw.videos().get(video)
    assert shown.media is not None
    await world.raw.videos().save(evolve(shown, media=evolve(shown.media, attempt=stored.attempt)))
    world.clock.advance(REST)
    assert await world.tidy_once() == []
    world.clock.advance(REST)
    assert [each.name for each in await world.tidy_once()] == [f"v/{video}/a1/"]


async def test_what_is_neither_attempt_nor_put_is_left_alone(world: World) -> None:
    video = await world.publish()
    strange = {"v/readme.txt", "c/readme.txt", f"v/{video}/x.jpg", f"v/{video}/later/x.jpg", f"v/{video}/a1b/x", "w/x"}
    await put(world, *strange)
    world.clock.advance(timedelta(days=30))
    assert await world.tidy() == []
    assert strange <= world.files()


# --- what people put ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("put_ago", "rounds"), [(STRAY_LIFE - SECOND, 3), (STRAY_LIFE, 2)])
async def test_files_that_nothing_names(world: World, put_ago: timedelta, rounds: int) -> None:
    """They go an hour after they were found so, which counts from a day after they were put."""
    video = await illustrated(world)
    kept = world.files()
    new_id = world.raw.new_id()
    prefix = f"v/{video}/"
    stray = {
        f"{prefix}thumb/{new_id(IMAGE)}.jpg", f"{prefix}captions/en-{new_id(IMAGE)}.vtt", f"{prefix}thumb/a/b.jpg",
        f"c/{world.channel}/avatar-{new_id(IMAGE)}-{new_id(IMAGE)}.jpg", f"c/{world.channel}/old/x.jpg",
    }  # fmt: skip
    await put(world, *stray)
    world.clock.advance(put_ago)
    for _ in range(rounds - 1):
        assert await world.tidy_once() == []
        assert world.files() == kept | stray
        world.clock.advance(REST)
    assert {(each.name, each.why) for each in await world.tidy_once()} == {
        (key, "nothing names this file") for key in stray
    }
    assert world.files() == kept


async def test_a_file_that_was_replaced_stays_while_links_to_it_work(world: World) -> None:
    """Though it was put long ago, and the event that would remove it was lost."""
    video = await illustrated(world)
    world.clock.advance(timedelta(days=10))
    assert await world.tidy() == []
    before = world.files()
    await world.core.set_thumbnail()(world.owner, video, picture())
    await world.core.remove_caption()(world.owner, video, "en")
    await world.take_events()
    assert await world.tidy_once() == []
    world.clock.advance(GRANT_LIFE)
    assert len(await world.tidy_once()) == 2
    assert len(before - world.files()) == 2
    assert world.files() == await world.named()


async def test_a_file_with_the_beginning_of_a_name_takes_nothing_along(world: World) -> None:
    """Files are removed by how their keys start."""
    video = await illustrated(world)
    stored = await world.raw.videos().get(video)
    long = f"v/{video}/captions/de.vtt.vtt"
    await put(world, long)
    await world.raw.videos().save(evolve(stored, captions={**stored.captions, "de": Caption("de", "de", long)}))
    named = await world.named()
    keys = [key for key in named if "/a1/" not in key]
    about_to_be_named = {
        f"v/{video}/thumb/{world.raw.new_id()(IMAGE)}.jpg",
        f"c/{world.channel}/avatar-img_1-img_2.jpg",
    }
    beginnings = {key[:end] for key in (*keys, *about_to_be_named) for end in range(key.rindex("/") + 2, len(key))}
    await put(world, *beginnings)
    world.clock.advance(timedelta(days=30))
    await world.tidy_once()
    world.clock.advance(REST)
    await put(world, *about_to_be_named)
    await world.tidy_once()
    assert named | about_to_be_named <= world.files()


async def test_a_file_named_again_has_to_be_found_without_a_name_again(world: World) -> None:
    video = await illustrated(world)
    videos = world.raw.videos()
    stored = await videos.get(video)
    world.clock.advance(timedelta(days=2))
    without = await videos.save(evolve(stored, thumbnail=None))
    assert await world.tidy_once() == []
    world.clock.advance(REST)
    again = await videos.save(evolve(without, thumbnail=stored.thumbnail))
    assert await world.tidy_once() == []
    world.clock.advance(REST)
    await videos.save(evolve(again, thumbnail=None))
    assert await world.tidy_once() == []
    world.clock.advance(REST)
    assert [each.name for each in await world.tidy_once()] == [stored.thumbnail]


# --- streams -----------------------------------------------------------------------------------------


async def test_what_was_shown_of_no_stream_goes(world: World) -> None:
    stream = Stream(id=StreamId("str_1"), channel=world.channel, title="Cats", created_at=world.clock.now())
    await world.raw.streams().save(stream)
    await put(world, "l/str_1/rec-1/index.m3u8", "l/str_2/rec-1/index.m3u8", "l/stray")
    assert await world.tidy() == [Swept("l/str_2/", "there is no such stream")]
    assert "l/str_1/rec-1/index.m3u8" in world.files()


# --- channels ----------------------------------------------------------------------------------------


async def test_pictures_of_no_channel_go(world: World) -> None:
    await illustrated(world)
    kept = world.files()
    await put(world, "c/chn_gone/banner-x-y.jpg", f"c/{world.channel}s/banner-x-y.jpg", f"c/{world.channel[:-1]}/x.jpg")
    names = [f"c/{world.channel[:-1]}/", f"c/{world.channel}s/", "c/chn_gone/"]
    assert await world.tidy() == [Swept(name, "there is no such channel") for name in names]
    assert world.files() == kept


# --- uploads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("opened_ago", "rounds"), [(UNKNOWN_LIFE - SECOND, 3), (UNKNOWN_LIFE, 2)])
async def test_what_is_held_of_an_upload_that_nobody_stored(world: World, opened_ago: timedelta, rounds: int) -> None:
    """Unless its name does not say since when that may be."""
    upload = (await world.announce()).upload
    unknown, strange = UploadId(world.raw.new_id()(UPLOAD)), UploadId("upl_1")
    for each in (unknown, strange):
        await world.raw.store().open(evolve(upload, id=each))
    world.clock.advance(opened_ago)
    for _ in range(rounds - 1):
        assert await world.tidy_once() == []
        world.clock.advance(REST)
    assert await world.tidy_once() == [Swept(unknown, "there is no such upload")]
    assert await world.raw.store().held() == [upload.id, strange]


@pytest.mark.parametrize("status", Status)
async def test_what_is_held_of_an_upload_that_is_over(world: World, status: Status) -> None:
    """Bytes that stayed, or came, though what happens to one that is over has happened."""
    card = await world.announce()
    await world.put(card.tickets[0].url, CLIP)
    stored = await world.raw.uploads().get(card.upload.id)
    await world.raw.uploads().save(evolve(stored, status=status))
    assert await world.tidy_once() == []
    world.clock.advance(REST)
    over = status in {Status.CANCELLED, Status.EXPIRED, Status.FAILED}
    assert await world.tidy_once() == ([Swept(stored.id, f"the upload is {status.value}")] if over else [])
    assert world.incoming() == (set() if over else {stored.id})


# --- what goes on meanwhile --------------------------------------------------------------------------


async def test_records_are_read_after_what_is_there_was_listed(world: World) -> None:
    """A video, an attempt, a thumbnail and a picture that come with their files right before a listing, seen in it."""
    video = await illustrated(world)
    stored = await world.raw.videos().get(video)
    processing = await world.raw.processings().get(video)
    channel = await world.raw.channels().get(world.channel)
    late, thumb, banner = VideoId("vid_late"), f"v/{video}/thumb/late.jpg", f"c/{world.channel}/banner-x-late.jpg"
    keys = {f"v/{late}/a1/x", f"v/{video}/a2/x", thumb, banner}

    async def saved(prefix: str) -> None:
        if prefix == "v/":
            await world.raw.videos().save(evolve(stored, id=late, version=0))
            await world.raw.processings().save(evolve(processing, video=late, version=0))
        elif prefix == f"v/{video}/":
            await world.raw.processings().save(evolve(processing, attempt=2))
        elif prefix == f"v/{video}/thumb/":
            await world.raw.videos().save(evolve(stored, thumbnail=thumb))
        else:
            await world.raw.channels().save(evolve(channel, banner=banner))

    await put(world, *keys)
    world.clock.advance(timedelta(days=2))
    assert await world.tidy_once() == []
    for prefix in ("v/", f"v/{video}/", f"v/{video}/thumb/", f"c/{world.channel}/"):
        world.clock.advance(timedelta(days=2))
        meddling(world, prefix, partial(saved, prefix))
        # Only what is behind this listing has been found without a name before.
        about = {"v/": f"v/{late}/", f"v/{video}/": f"v/{video}/a2/", f"v/{video}/thumb/": thumb}.get(prefix, banner)
        rounds = world.raw.rounds()
        known = await rounds.get()
        orphans = {key: at for key, at in known.orphans.items() if key == about}
        assert orphans or prefix == "v/"
        await rounds.save(evolve(known, orphans=orphans))
        assert await world.tidy_once() == []
    assert keys <= world.files()


@pytest.mark.parametrize("part", ["a2/x", "thumb/x.jpg"])
async def test_a_video_that_is_removed_under_the_sweep(world: World, part: str) -> None:
    video = await world.publish()
    await put(world, f"v/{video}/{part}")
    world.clock.advance(timedelta(days=2))
    await world.tidy_once()
    world.clock.advance(REST)

    async def remove() -> None:
        await world.raw.videos().remove(await world.raw.videos().get(video))

    meddling(world, f"v/{video}/{part.partition('/')[0]}/" if part.startswith("t") else f"v/{video}/", remove)
    assert await world.tidy_once() == []
    meddling(world, "", world.take_events)
    world.clock.advance(REST)
    assert [each.name for each in await world.tidy()] == [f"v/{video}/"]


async def test_a_channel_that_is_closed_under_the_sweep(world: World) -> None:
    await put(world, f"c/{world.channel}/x.jpg")
    world.clock.advance(timedelta(days=2))

    async def remove() -> None:
        await world.raw.channels().remove(await world.raw.channels().get(world.channel))

    meddling(world, f"c/{world.channel}/", remove)
    assert await world.tidy_once() == []
    meddling(world, "", world.take_events)
    world.clock.advance(REST)
    assert [each.name for each in await world.tidy()] == [f"c/{world.channel}/"]


async def test_who_comes_second_has_removed_nothing(world: World) -> None:
    await put(world, "v/vid_gone/x")
    assert await world.tidy_once() == []
    world.clock.advance(REST)

    async def faster() -> None:
        await world.raw.media().remove_prefix("v/vid_gone/")

    meddling(world, "", faster)
    assert await world.tidy_once() == []


# --- a little at a time ------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [7, 1000])
async def test_a_call_does_a_bounded_amount_and_the_next_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """In pages, whatever there is many of: videos, files of one, channels, uploads."""
    monkeypatch.setattr(sweeping, "PAGE", page)
    video = await world.publish()
    upload = (await world.announce()).upload
    kept, held = world.files(), await world.raw.store().held()
    many = 2 * AT_ONCE + 1
    for number in range(many):
        await put(world, f"v/vid_{number:03}/a1/x", f"v/{video}/thumb/{number:03}.jpg", f"c/chn_{number:03}/x.jpg")
        await world.raw.store().open(evolve(upload, id=UploadId(world.raw.new_id()(UPLOAD))))
    world.clock.advance(timedelta(days=2))
    sweep: SweepOrphans = world.core.sweep_orphans()
    swept: list[Swept] = []
    calls = 0
    for _ in range(2):
        busy = True
        while busy:
            world.faults.calls.clear()
            with world.faults.counted():
                removed = await sweep()
            assert len(removed) <= AT_ONCE
            assert len(world.faults.calls) <= 3 * AT_ONCE
            swept += removed
            calls += 1
            busy = bool((await world.raw.rounds().get()).folders)
        world.clock.advance(REST)
    assert world.files() == kept
    assert await world.raw.store().held() == held
    assert len({each.name for each in swept}) == len(swept) == 4 * many
    assert calls >= 2 * (4 * many // AT_ONCE)


async def test_processes_that_come_and_go_do_a_round_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each goes on where the one before was, and knows what that found; the next round begins when all rested."""
    monkeypatch.setattr(sweeping, "AT_ONCE", 5)
    await illustrated(world)
    kept = world.files()
    await put(world, *(f"v/vid_{number}/x" for number in range(9)), f"c/{world.channel}/a/b/x.jpg", "c/chn_gone/x")
    world.clock.advance(STRAY_LIFE)
    sweep: SweepOrphans = world.core.sweep_orphans()
    rounds = world.raw.rounds()
    swept: list[Swept] = []
    for _ in range(2):
        calls = 0
        while not calls or (await rounds.get()).folders:
            swept += await evolve(sweep)()
            calls += 1
        assert calls > 5
        assert await evolve(sweep)() == ()
        world.clock.advance(REST)
    assert len(swept) == len({each.name for each in swept}) == 11
    assert world.files() == kept


@pytest.mark.parametrize("at_once", [5, 1000])
async def test_what_is_listed_once_is_not_listed_again(
    world: World, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """As long as one process goes on: to list a large folder costs as much as all that is in it."""
    monkeypatch.setattr(sweeping, "AT_ONCE", at_once)
    await put(world, *(f"v/vid_{number}/x" for number in range(50)))
    with world.faults.counted():
        await world.tidy_once()
    listings = [call for call in world.faults.calls if call in {"media.under", "store.held"}]
    assert listings == ["media.under"] * 4 + ["store.held"]


async def test_what_cannot_be_kept_of_a_round_is_done_again(world: World) -> None:
    """What was removed is told all the same."""
    await put(world, "v/vid_1/x")
    await world.tidy_once()
    world.clock.advance(REST)
    with world.faults.counted():
        world.faults.at[8] = False
        swept = await world.core.sweep_orphans()()
        assert world.faults.calls[-1] == "rounds.save"
    assert [each.name for each in swept] == ["v/vid_1/", "the round"]
    assert await world.tidy() == []


async def test_of_two_at_once_one_says_how_far_it_is(world: World) -> None:
    """They do the same, and what one of them removes is told once."""
    await put(world, "v/vid_1/x")
    await world.tidy_once()
    world.clock.advance(REST)
    sweep: SweepOrphans = world.core.sweep_orphans()
    other, told = evolve(sweep), list[Swept]()

    async def meanwhile() -> None:
        told.extend(await other())

    meddling(world, "v/", meanwhile)
    assert await sweep() == []
    assert [each.name for each in told] == ["v/vid_1/"]
    known = await world.raw.rounds().get()
    assert (known.folders, known.orphans) == ([], {})


async def test_what_one_round_tells_the_next_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is found once others are gone."""
    monkeypatch.setattr(sweeping, "ORPHANS_MOST_BYTES", 100)
    await put(world, *(f"v/vid_{number}/x" for number in range(5)))
    gone = []
    for _ in range(6):
        gone.append(len(await world.tidy_once()))
        known = await world.raw.rounds().get()
        assert len(known.orphans) <= 2
        world.clock.advance(REST)
    assert gone == [0, 2, 2, 1, 0, 0]


async def test_a_sweep_that_is_through_rests_for_an_hour(world: World) -> None:
    await world.publish()
    sweep: SweepOrphans = world.core.sweep_orphans()
    await world.tidy_once()
    with world.faults.counted():
        world.clock.advance(REST - SECOND)
        assert await sweep() == ()
        assert world.faults.calls == ["rounds.get"]
        world.clock.advance(SECOND)
        await sweep()
        assert world.faults.calls[1:3] == ["rounds.get", "media.under"]


async def test_what_cannot_be_removed_keeps_nothing_else_from_it(world: World) -> None:
    """It is told, and tried again in the next round."""
    await put(world, "v/vid_1/x", "v/vid_2/x", "v/vid_3/x")
    await world.tidy_once()
    world.clock.advance(REST)
    error = OSError("read-only")
    outcomes = iter([None, error])

    async def refuse() -> None:
        if (outcome := next(outcomes, None)) is not None:
            raise outcome

    meddling(world, "", refuse)
    sweep: SweepOrphans = world.core.sweep_orphans()
    assert [(each.name, each.error) for each in await sweep()] == [("v/vid_1/", None), ("v/vid_2/", error)]
    assert [(each.name, each.error) for each in await sweep()] == [("v/vid_3/", None)]
    assert world.files() == {"v/vid_2/x"}
    world.clock.advance(REST)
    assert [each.name for each in await sweep()] == ["v/vid_2/"]


@settings(max_examples=50)
@given(fault=st.integers(0, 60), late=st.booleans())
async def test_any_call_may_fail(fault: int, *, late: bool) -> None:
    async with new_world() as world:
        await illustrated(world)
        await put(world, "v/vid_gone/x", f"c/{world.channel}/x.jpg", "c/chn_gone/x.jpg")
        world.clock.advance(timedelta(days=2))
        world.faults.at[fault] = late
        with world.faults.counted():
            swept = await world.tidy()
        errors = [each.error for each in swept if each.error is not None]
        assert len(errors) == (len(world.faults.calls) > fault)
        assert all(isinstance(error, Crash) for error in errors)
        await world.tidy()
        await world.tidy()
        assert world.files() == await world.named()


# --- altogether --------------------------------------------------------------------------------------

NAMES = st.sampled_from(["x.jpg", "x.vtt", "y.jpg.jpg", "é.jpeg", "img_01.jpg", "x.m4s", "a/b.jpg", "en-img_1.vtt"])


@st.composite
def strays(draw: st.DrawFn) -> str:
    """The key of something that nothing names; ``FIRST``, ``SECOND`` and ``CHANNEL`` stand for what there is."""
    name = draw(NAMES)
    owner = draw(
        st.sampled_from(["v/vid_gone", "v/FIRST0", "c/chn_gone", "c/CHANNEL0", "v/FIRST", "v/SECOND", "c/CHANNEL"])
    )
    if owner in {"v/FIRST", "v/SECOND"}:
        return f"{owner}/{draw(st.sampled_from(['a4', 'a12', 'a0', 'thumb', 'captions']))}/{name}"
    return f"{owner}/{name}"


@settings(max_examples=50)
@given(lost=st.sets(st.integers(0, 60)), stray=st.sets(strays(), max_size=12), unknown=st.integers(0, 3))
async def test_exactly_what_records_name_is_left(lost: set[int], stray: set[str], unknown: int) -> None:
    """Of any of the files that a platform had, and any that it never had."""
    async with new_world() as world:
        first = await illustrated(world)
        await world.upload(LONGER, replaces=first)
        await world.settle()
        second = await illustrated(world, SHORTER)
        await world.publish(BROKEN)
        gone = await world.publish(SHORTER)
        await world.core.remove_video()(world.owner, gone)
        half = await world.announce()
        await world.put(half.tickets[0].url, CLIP)
        with_bytes = world.incoming()
        files = sorted(world.files())
        assert len(files) > 50
        for number in lost:
            await world.raw.media().remove_prefix(files[number % len(files)])
        for key in stray:
            known = key.replace("FIRST", first).replace("SECOND", second).replace("CHANNEL", world.channel)
            await put(world, known)
        for _ in range(unknown):
            await world.raw.store().open(evolve(half.upload, id=UploadId(world.raw.new_id()(UPLOAD))))
        await world.take_events()
        world.clock.advance(timedelta(days=2))
        before, named = world.files(), await world.named()
        swept = await world.tidy()
        assert world.files() == before & named
        assert world.incoming() == with_bytes
        assert len(await world.raw.store().held()) == len(with_bytes)
        assert all(each.error is None for each in swept)
        assert await world.tidy() == []
