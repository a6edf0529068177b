"""What records name and is not there is told, once, and nothing else is."""

from collections.abc import Sequence
from typing import cast

import pytest
from attrs import evolve

from application import auditing
from application.auditing import AuditMedia, Flaw, Playlist, Wrong
from application.ports import UploadStore
from domain.ids import VideoId
from domain.media import FIRST_MANIFEST, MANIFEST, POSTER, STORYBOARD, attempt_prefix
from domain.processing import State
from domain.uploads import Part, Status, Upload
from domain.videos import Video
from tests.application.test_processing import Studio, media
from tests.application.test_sweeping import illustrated
from tests.application.world import BROKEN, CLIP, World

TWO_RUNGS = b"hexcast-fake 640x480 13.0s audio\n"


async def flaws(world: World, *videos: VideoId) -> Sequence[Flaw]:
    stored = [await world.raw.videos().get(video) for video in videos]
    found: Sequence[Flaw] = await world.core.audit_media()(stored)
    return found


async def replaced(world: World, key: str, content: bytes) -> None:
    await world.raw.media().put(key, content, "")


async def test_nothing_is_wrong_with_a_platform_in_order(world: World) -> None:
    """Played, failed, waiting and half sent."""
    ready, failed = await illustrated(world, TWO_RUNGS), await world.publish(BROKEN)
    half = (await world.announce()).upload.video
    world.employ(Studio())
    waiting = (await world.upload()).video
    await world.settle()
    await world.upload(CLIP, replaces=ready)
    before = world.files()
    assert await flaws(world, ready, failed, half, waiting) == []
    assert await flaws(world) == []
    assert world.files() == before


async def test_whatever_file_is_missing_is_told(world: World) -> None:
    """Of all there are: the manifest, playlists, segments, pictures, captions."""
    video = await illustrated(world, TWO_RUNGS)
    store = world.raw.media()
    files = {key for key in world.files("v/") if not key.endswith(FIRST_MANIFEST)}
    assert len(files) > 15
    for key in sorted(files):
        content = await store.read(key)
        await store.remove_prefix(key)
        assert await flaws(world, video) == [Flaw(Wrong.MISSING, video, key)]
        await store.put(key, content, "")
    assert await flaws(world, video) == []


async def test_folders_are_listed_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditing, "_PAGE", 2)
    assert await flaws(world, await illustrated(world, TWO_RUNGS)) == []


async def test_each_of_many_flaws_is_told_in_the_order_of_the_videos(world: World) -> None:
    videos = [await world.publish(TWO_RUNGS) for _ in range(3)]
    prefixes = [attempt_prefix(video, 1) for video in videos]
    await world.raw.media().remove_prefix(prefixes[0])
    await world.raw.media().remove_prefix(f"{prefixes[2]}hls/480p/0000")
    assert await flaws(world, *reversed(videos)) == [
        *(Flaw(Wrong.MISSING, videos[2], f"{prefixes[2]}hls/480p/0000{number}.m4s") for number in range(3)),
        *(Flaw(Wrong.MISSING, videos[0], prefixes[0] + name) for name in (MANIFEST, POSTER, STORYBOARD)),
    ]


@pytest.mark.parametrize("name", [MANIFEST, "hls/480p/index.m3u8", "hls/audio/index.m3u8", STORYBOARD])
@pytest.mark.parametrize("content", [b"", bytes(100), b"#EXTM3U\n#EXT-X-VERSION:7\n", b"\xff\xfe", b"WEBVTT\n\n"])
async def test_what_names_nothing_is_broken(world: World, name: str, content: bytes) -> None:
    """As a power cut may leave a file that was not yet on the disk."""
    video = await world.publish(TWO_RUNGS)
    key = attempt_prefix(video, 1) + name
    await replaced(world, key, content)
    assert await flaws(world, video) == [Flaw(Wrong.BROKEN, video, key)]


@pytest.mark.parametrize(
    "line",
    [
        b"../../../vid_other/a1/hls/360p/00000.m4s", b"/etc/passwd", b'#EXT-X-MAP:URI="../../../x.mp4"',
        b"#EXT-X-STREAM-INF:BANDWIDTH=1\n../../../x.m3u8", b'#EXT-X-MEDIA:TYPE=AUDIO,URI="/x.m3u8"',
    ],
)  # fmt: skip
async def test_a_playlist_that_leads_elsewhere_is_broken(world: World, line: bytes) -> None:
    video = await world.publish(TWO_RUNGS)
    key = f"{attempt_prefix(video, 1)}hls/480p/index.m3u8"
    content = await world.raw.media().read(key)
    await replaced(world, key, content + line + b"\n")
    assert await flaws(world, video) == [Flaw(Wrong.BROKEN, video, key)]


async def test_playlists_that_name_each_other_are_read_once(world: World) -> None:
    video = await world.publish(TWO_RUNGS)
    prefix = attempt_prefix(video, 1)
    await replaced(world, prefix + MANIFEST, b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmaster.m3u8\n")
    assert await flaws(world, video) == []


def test_what_a_playlist_names() -> None:
    """Every place where one may stand."""
    content = b"""#EXTM3U\r
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",URI="audio/index.m3u8"\r
#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",INSTREAM-ID="CC1"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="frames.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"

# a comment with URI="none.m3u8"
360p/index.m3u8\r
#EXT-X-MAP:URI="init.mp4",BYTERANGE="10@0"
#EXTINF:6.0,
00000.m4s
#EXTINF:6.0,
#EXT-X-BYTERANGE:10@0
00001.m4s
#EXT-X-ENDLIST
"""
    assert Playlist.read(content) == Playlist(
        ("audio/index.m3u8", "frames.m3u8", "360p/index.m3u8"), ("init.mp4", "00000.m4s", "00001.m4s")
    )
    assert Playlist.read(b"\n" + content) == Playlist((), ())


async def test_pictures_that_are_not_named_are_not_missed(world: World) -> None:
    video = await world.publish(TWO_RUNGS)
    stored = await world.raw.videos().get(video)
    assert stored.media is not None
    await world.raw.videos().save(evolve(stored, media=evolve(stored.media, poster=False, storyboard=False)))
    for name in (POSTER, STORYBOARD):
        await world.raw.media().remove_prefix(attempt_prefix(video, 1) + name)
    assert await flaws(world, video) == []


# --- sources -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state", "told"),
    [
        (Status.COMPLETED, None, True), (Status.COMPLETED, State.PENDING, True),
        (Status.COMPLETED, State.TRANSCODING, True), (Status.COMPLETED, State.FAILED, True),
        (Status.COMPLETED, State.READY, False), (Status.UPLOADING, None, False), (Status.CANCELLED, None, False),
    ],
)  # fmt: skip
async def test_a_source_that_is_still_needed(world: World, status: Status, state: State | None, *, told: bool) -> None:
    world.employ(Studio())
    upload = await world.upload()
    if state is not None:
        await world.settle()
        processing = await world.raw.processings().get(upload.video)
        await world.raw.processings().save(evolve(processing, state=state, media=media(1)))
    stored = await world.raw.uploads().get(upload.id)
    await world.raw.uploads().save(evolve(stored, status=status))
    assert await flaws(world, upload.video) == []
    await world.raw.store().discard(upload)
    expected = [Flaw(Wrong.MISSING, upload.id, upload.source)] if told else []
    assert await flaws(world, upload.video) == expected


async def test_a_source_that_will_be_needed_and_one_that_no_more_is(world: World) -> None:
    """Of a replacement that is complete, and what it is about to replace."""
    video = await world.publish()
    first = (await world.raw.uploads().of_video(video))[0]
    second = await world.upload(CLIP, replaces=video)
    for upload in (first, second):
        await world.raw.store().discard(upload)
    missing = [Flaw(Wrong.MISSING, second.id, second.source)]
    assert await flaws(world, video) == missing
    world.employ(Studio())
    await world.settle()
    assert await flaws(world, video) == missing


async def test_a_source_that_is_assembled_is_there(world: World) -> None:
    """Where the store then only knows of one part."""
    large = CLIP + bytes(17 * 1024 * 1024)
    upload = await world.upload(large)

    audit: AuditMedia = evolve(world.core.audit_media(), store=cast("UploadStore", InOne()))
    assert await audit([await world.raw.videos().get(upload.video)]) == []


class InOne:
    async def received(self, upload: Upload) -> Sequence[Part]:
        return [Part(1, upload.size_bytes, "etag")]


# --- what changes meanwhile --------------------------------------------------------------------------


async def test_what_was_being_changed_is_no_flaw(world: World) -> None:
    """A page of videos is older than what became of them."""
    removed, changed, broken = [await world.publish(TWO_RUNGS) for _ in range(3)]
    page: list[Video] = [await world.raw.videos().get(video) for video in (removed, changed, broken)]
    await world.core.remove_video()(world.owner, removed)
    await world.upload(TWO_RUNGS, replaces=changed)
    await world.settle()
    await world.raw.media().remove_prefix(attempt_prefix(changed, 1))
    await world.raw.media().remove_prefix(attempt_prefix(broken, 1) + POSTER)
    assert await world.core.audit_media()(page) == [Flaw(Wrong.MISSING, broken, attempt_prefix(broken, 1) + POSTER)]
