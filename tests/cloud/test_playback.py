"""From an upload to pictures on the emulated cloud: who is given leave plays all of it, and nobody else a byte."""

import posixpath
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urljoin

import pytest
from attrs import evolve, frozen
from cryptography.hazmat.primitives.asymmetric import rsa

from adapters.aws.cloudfront import CloudFrontLinks, Signer, SigningKey
from application.auditing import Playlist
from application.ports import LinkMode, TranscodeOrder
from domain.ids import ChannelId, UploadId, UserId, VideoId
from domain.media import MANIFEST, POSTER, STORYBOARD, attempt_prefix
from domain.processing import State
from domain.uploads import Upload
from domain.videos import Audience
from domain.watching import Grant
from tests.cloud.buckets import private_pem, public_pem
from tests.cloud.studio import Studio, studio
from tests.media import films

VIDEO = VideoId("vid_1")
PREFIX = attempt_prefix(VIDEO, 1)
Fetch = Callable[[str], Awaitable[tuple[int, bytes]]]


def now() -> datetime:
    return datetime.now(UTC)


def grant(video: VideoId = VIDEO, *, for_s: float = 600) -> Grant:
    return Grant(video, Audience.MEMBER, now() + timedelta(seconds=for_s))


@frozen
class Shown:
    """A film that is ready."""

    studio: Studio

    def viewer(self, cookies: Mapping[str, str] | None = None) -> Fetch:
        """Who fetches with those cookies."""
        cookie = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())

        async def fetch(url: str) -> tuple[int, bytes]:
            answer = await self.studio.buckets.http.get(url, headers={"cookie": cookie} if cookie else {})
            return answer.status_code, answer.content

        return fetch


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture
async def shown(store: Path) -> AsyncIterator[Shown]:
    content = films.portrait(store).read_bytes()
    upload = Upload(
        id=UploadId("upl_1"), user=UserId("usr_ann"), channel=ChannelId("chn_cats"), video=VIDEO,
        filename="film.mov", content_type="video/quicktime", size_bytes=len(content), created_at=now(),
        expires_at=now() + timedelta(hours=24),
    )  # fmt: skip

    async def once() -> AsyncIterator[bytes]:
        yield content

    async with studio() as here:
        upload = evolve(upload, handle=await here.store.open(upload))
        await here.store.assemble(upload, [await here.store.receive(upload, 1, once())])
        await here.transcoder.start(TranscodeOrder(video=VIDEO, attempt=1, source=upload.source))
        while (report := await here.reports.next()).state is not State.READY:
            assert report.failure is None
            await here.reports.settle(report)
        yield Shown(here)


async def played(manifest: str, fetch: Fetch) -> tuple[int, int]:
    """Fetches a playlist of playlists and all that it leads to, by relative links; how many playlists and files."""
    playlists, files = [manifest], 0
    for url in playlists:
        status, content = await fetch(url)
        assert status == 200, url
        named = Playlist.read(content)
        playlists += [urljoin(url, name) for name in named.playlists]
        for name in named.files:
            status, content = await fetch(urljoin(url, name))
            assert (status, bool(content)) == (200, True), name
            files += 1
    return len(playlists), files


async def test_cookies_play_all_of_one_video(shown: Shown) -> None:
    """Relative links in it work; without them, with those of another video or of a grant that is over, nothing does."""
    links = shown.studio.buckets.links(now)
    link = links.granted(grant(), PREFIX + MANIFEST)
    assert await played(link.url, shown.viewer(link.cookies)) == (2, 1)
    others: Sequence[Mapping[str, str]] = (
        {},
        links.granted(grant(VideoId("vid_2")), PREFIX + MANIFEST).cookies,
        links.granted(grant(for_s=-1), PREFIX + MANIFEST).cookies,
        {**link.cookies, "CloudFront-Hash-Algorithm": "SHA1"},
    )
    for cookies in others:
        assert (await shown.viewer(cookies)(link.url))[0] == 403


async def test_signed_playlists_play_without_cookies(shown: Shown) -> None:
    """Playlists come through our door, everything that they name from CloudFront."""
    delivery = shown.studio.buckets.playlists(now)
    for asked in (grant(), None):

        async def fetch(url: str, asked: Grant | None = asked) -> tuple[int, bytes]:
            if url.startswith("http"):
                return await shown.viewer()(url)
            file = await delivery.file(posixpath.normpath(url), asked)
            return 200, b"".join([piece async for piece in file.read(0, file.size_bytes)])

        assert await played(PREFIX + MANIFEST, fetch) == (2, 1)
        status, text = await fetch(PREFIX + STORYBOARD)
        pictures = [line.partition("#")[0] for line in text.decode().splitlines() if "#xywh=" in line]
        assert status == 200
        assert pictures
        for picture in pictures:
            assert (await fetch(picture))[1][:2] == b"\xff\xd8"


async def test_pictures_need_no_cookie(shown: Shown) -> None:
    links = shown.studio.buckets.links(now)
    for url in (links.open_url(PREFIX + POSTER), links.granted(grant(), PREFIX + POSTER, LinkMode.TOKEN).url):
        assert (await shown.viewer()(url))[1][:2] == b"\xff\xd8"
        assert (await shown.viewer()(url.partition("?")[0]))[0] == 403


async def test_keys_are_changed_without_a_gap(shown: Shown) -> None:
    """The next one is trusted, then signed with, then the old one is trusted no more."""
    here = shown.studio.buckets
    other = rsa.generate_private_key(65537, 2048)
    name = here.world.name("next")
    made = await here.cloudfront.create_public_key(
        PublicKeyConfig={"CallerReference": name, "Name": name, "EncodedKey": public_pem(other)}
    )
    after = SigningKey(made["PublicKey"]["Id"], private_pem(other))
    new = CloudFrontLinks(Signer(after), here.door(now), now, media_url=here.media_url).open_url(PREFIX + POSTER)
    old = here.links(now).open_url(PREFIX + POSTER)

    async def statuses() -> list[int]:
        return [(await shown.viewer()(url))[0] for url in (old, new)]

    groups = await here.cloudfront.list_key_groups()
    (group,) = [
        each["KeyGroup"] for each in groups["KeyGroupList"]["Items"]
        if each["KeyGroup"]["KeyGroupConfig"]["Name"] == here.world.name("group")
    ]  # fmt: skip

    async def trust(*keys: str) -> None:
        found = await here.cloudfront.get_key_group(Id=group["Id"])
        config = {"Name": here.world.name("group"), "Items": list(keys)}
        await here.cloudfront.update_key_group(Id=group["Id"], IfMatch=found["ETag"], KeyGroupConfig=config)

    assert await statuses() == [200, 403]
    await trust(here.key.id, after.id)
    assert await statuses() == [200, 200]
    await trust(after.id)
    assert await statuses() == [403, 200]


async def test_a_video_that_is_removed_is_gone_for_whoever_had_leave(shown: Shown) -> None:
    """From the bucket, and from CloudFront's caches."""
    here = shown.studio.buckets
    link = here.links(now).granted(grant(), PREFIX + MANIFEST)
    assert (await shown.viewer(link.cookies)(link.url))[0] == 200
    await here.shown(now).remove_prefix(f"v/{VIDEO}/")
    assert (await shown.viewer(link.cookies)(link.url))[0] in {403, 404}
    asked = await here.cloudfront.list_invalidations(DistributionId=here.distribution)
    (only,) = asked["InvalidationList"]["Items"]
    said = await here.cloudfront.get_invalidation(DistributionId=here.distribution, Id=only["Id"])
    assert said["Invalidation"]["InvalidationBatch"]["Paths"]["Items"] == [f"/v/{VIDEO}/*"]
