"""Links to CloudFront: what is signed, for how long, and what comes through our own door instead."""

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from attrs import define, field
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.aws.cloudfront import OPEN_MOST, CloudFrontLinks, Invalidations, Signed, Signer, SigningKey
from adapters.aws.delivery import SignedPlaylists
from adapters.inmemory.media import InMemoryMedia
from adapters.links import Links
from application.ports import LinkMode, SmallTicket
from domain.errors import Forbidden, NotFound, Unavailable
from domain.ids import VideoId
from domain.videos import Audience
from domain.watching import SESSION_LIFE, Grant
from tests.strategies import START
from tests.worlds import FakeClock

CDN = "https://cdn.example.com"
KEY = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
VIDEO = VideoId("vid_1")
GRANT = Grant(VIDEO, Audience.MEMBER, START + timedelta(minutes=30, microseconds=7))
MANIFEST = "v/vid_1/a1/hls/master.m3u8"
POSTER = "v/vid_1/a1/poster.jpg"
RESOURCE = f"{CDN}/v/vid_1/*"


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def links(clock: FakeClock, **more: Any) -> CloudFrontLinks:
    signer = Signer(SigningKey("K2JCJMDEHXQW5F", pem(KEY)))
    door = Links(b"key", "https://api.example.com", clock.now)
    return CloudFrontLinks(signer, door, clock.now, media_url=f"{CDN}/", **more)


def decoded(text: str) -> bytes:
    return base64.b64decode(text.translate(str.maketrans("-_~", "+=/")), validate=True)


def verified(policy: str, signature: str, key: rsa.RSAPrivateKey = KEY) -> dict[str, Any]:
    """What the policy says, which is signed by the key. Raises InvalidSignature."""
    key.public_key().verify(decoded(signature), decoded(policy), padding.PKCS1v15(), hashes.SHA256())
    said: dict[str, Any] = json.loads(decoded(policy))
    return said


def signed_query(url: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    """The address without its signature, what was signed, and the rest of the query."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query, strict_parsing=True).items()}
    said = verified(query.pop("Policy"), query.pop("Signature"))
    return parts._replace(query="").geturl(), said, query


def policy(until: int) -> dict[str, Any]:
    return {"Statement": [{"Resource": RESOURCE, "Condition": {"DateLessThan": {"AWS:EpochTime": until}}}]}


# --- signatures --------------------------------------------------------------------------------------


def test_a_policy_is_written_as_cloudfront_reads_it() -> None:
    """Without a space, in base64 without the characters that mean something in a query."""
    signed = Signer(SigningKey("K1", pem(KEY))).signed(RESOURCE, START)
    assert decoded(signed.policy) == (
        b'{"Statement":[{"Resource":"https://cdn.example.com/v/vid_1/*",'
        b'"Condition":{"DateLessThan":{"AWS:EpochTime":1767268800}}}]}'
    )
    assert not set(signed.policy + signed.signature) & set("+=/")
    assert verified(signed.policy, signed.signature) == policy(1767268800)
    with pytest.raises(InvalidSignature):
        verified(signed.policy, signed.signature, OTHER)


def test_the_hash_is_named_where_the_signature_goes() -> None:
    """CloudFront takes SHA-1 for granted."""
    signed = Signed("p", "s", "k")
    assert signed.query == "Policy=p&Signature=s&Key-Pair-Id=k&Hash-Algorithm=SHA256"
    assert signed.cookies == {
        "CloudFront-Policy": "p", "CloudFront-Signature": "s", "CloudFront-Key-Pair-Id": "k",
        "CloudFront-Hash-Algorithm": "SHA256",
    }  # fmt: skip


def test_another_key_signs_under_its_own_id() -> None:
    """While both are in the key group, links of either work."""
    before, after = (
        Signer(SigningKey(name, pem(key))).signed(RESOURCE, START) for name, key in (("K1", KEY), ("K2", OTHER))
    )
    assert (before.key, after.key) == ("K1", "K2")
    assert verified(before.policy, before.signature, KEY) == verified(after.policy, after.signature, OTHER)


def test_only_an_rsa_key_signs() -> None:
    with pytest.raises(TypeError):
        Signer(SigningKey("K1", pem(ec.generate_private_key(ec.SECP256R1()))))


def test_a_key_is_not_shown() -> None:
    assert "PRIVATE" not in repr(SigningKey("K1", pem(KEY)))


# --- links -------------------------------------------------------------------------------------------


def test_cookies_open_all_of_a_video_and_nothing_else(clock: FakeClock) -> None:
    link = links(clock, cookie_domain="example.com").granted(GRANT, MANIFEST)
    assert (link.url, link.mode) == (f"{CDN}/{MANIFEST}", LinkMode.COOKIE)
    assert (link.cookie_path, link.cookie_domain) == ("/v/vid_1/", "example.com")
    assert link.cookies["CloudFront-Key-Pair-Id"] == "K2JCJMDEHXQW5F"
    assert link.cookies["CloudFront-Hash-Algorithm"] == "SHA256"
    said = verified(link.cookies["CloudFront-Policy"], link.cookies["CloudFront-Signature"])
    assert said == policy(int(GRANT.until.timestamp()))


def test_cookies_of_a_distribution_under_a_path(clock: FakeClock) -> None:
    signer = Signer(SigningKey("K1", pem(KEY)))
    beneath = CloudFrontLinks(signer, Links(b"key", "", clock.now), clock.now, media_url="http://localhost/cdn")
    assert beneath.granted(GRANT, MANIFEST).cookie_path == "/cdn/v/vid_1/"


def test_a_picture_in_a_list_needs_no_cookie(clock: FakeClock) -> None:
    """Whoever sees the list has opened no session for each video in it."""
    url, said, rest = signed_query(links(clock).granted(GRANT, POSTER, LinkMode.TOKEN).url)
    assert url == f"{CDN}/{POSTER}"
    assert said == policy(int(GRANT.until.timestamp()))
    assert rest == {"Key-Pair-Id": "K2JCJMDEHXQW5F", "Hash-Algorithm": "SHA256"}


def test_without_cookies_playlists_come_through_our_door(clock: FakeClock) -> None:
    door = Links(b"key", "https://api.example.com", clock.now)
    link = links(clock).granted(GRANT, MANIFEST, LinkMode.TOKEN)
    assert (link.url, link.mode, link.cookies) == (door.granted(GRANT, MANIFEST), LinkMode.TOKEN, {})


def test_what_is_open_to_all(clock: FakeClock) -> None:
    """A channel's pictures as they are; a video's with everyone's signature; its playlists through our door."""
    these = links(clock)
    assert these.open_url("c/chn_1/avatar-img_1-a b.jpg") == f"{CDN}/c/chn_1/avatar-img_1-a%20b.jpg"
    for key in (MANIFEST, "v/vid_1/a1/storyboard.vtt"):
        assert these.open_url(key) == f"https://api.example.com/media/o/{key}"
    for key in (POSTER, "v/vid_1/captions/en-img_1.vtt"):
        url, said, _ = signed_query(these.open_url(key))
        assert url == f"{CDN}/{key}"
        assert said == policy(int((START + SESSION_LIFE).timestamp()))


@pytest.mark.parametrize("minutes", [0, 1, 30, 59.99])
def test_open_links_last_long_enough_to_watch_and_are_the_same_for_a_while(clock: FakeClock, minutes: float) -> None:
    clock.advance(timedelta(minutes=minutes))
    _, said, _ = signed_query(links(clock).open_url(POSTER))
    until = said["Statement"][0]["Condition"]["DateLessThan"]["AWS:EpochTime"]
    assert until - clock.now().timestamp() >= SESSION_LIFE.total_seconds()
    assert until - clock.now().timestamp() <= OPEN_MOST.total_seconds()
    assert until == (START + SESSION_LIFE + timedelta(hours=bool(minutes))).timestamp()


# --- signed playlists --------------------------------------------------------------------------------

MASTER = '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI="master_audio.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmaster_360p.m3u8\n'
VARIANT = '#EXTM3U\n#EXT-X-MAP:URI="init.mp4"\n\n#EXTINF:6.000,\nsub/a 1.ts\n#EXT-X-ENDLIST\n'
STORYBOARD = "WEBVTT\n\n00:00.000 --> 00:02.000\nthumb/t.1.jpg#xywh=0,0,160,90\n\n00:02.000 --> 00:04.000\nthumb/t.2.jpg#xywh=0,0,160,90\n"


async def playlists(clock: FakeClock) -> SignedPlaylists:
    door = Links(b"key", "https://api.example.com", clock.now)
    media = InMemoryMedia(door, clock.now)
    for name, text in (("hls/master.m3u8", MASTER), ("hls/v.m3u8", VARIANT), ("storyboard.vtt", STORYBOARD)):
        await media.put(f"v/vid_1/a1/{name}", text.encode(), "")
    await media.put(POSTER, b"", "")
    return SignedPlaylists(media, links(clock), door)


async def content(delivery: SignedPlaylists, name: str, grant: Grant | None) -> list[str]:
    file = await delivery.file(f"v/vid_1/a1/{name}", grant)
    whole = b"".join([piece async for piece in file.read(0, file.size_bytes)])
    assert b"".join([piece async for piece in file.read(2, 5)]) == whole[2:5]
    assert (len(whole), file.path) == (file.size_bytes, None)
    return whole.decode().splitlines()


async def test_a_master_playlist_stays_as_it_is(clock: FakeClock) -> None:
    """What it names comes through the same door, under the same token."""
    delivery = await playlists(clock)
    assert await content(delivery, "hls/master.m3u8", GRANT) == MASTER.splitlines()


@pytest.mark.parametrize("grant", [GRANT, None])
async def test_every_name_in_a_playlist_becomes_a_signed_link(clock: FakeClock, grant: Grant | None) -> None:
    """For as long as the grant, or as everyone's links."""
    until = int((grant.until if grant else START + SESSION_LIFE).timestamp())
    lines = await content(await playlists(clock), "hls/v.m3u8", grant)
    assert [lines[0], *lines[2:4], lines[5]] == ["#EXTM3U", "", "#EXTINF:6.000,", "#EXT-X-ENDLIST"]
    assert lines[1].startswith('#EXT-X-MAP:URI="')
    urls = [lines[1].split('"')[1], lines[4]]
    for url, name in zip(urls, ("init.mp4", "sub/a%201.ts"), strict=True):
        address, said, _ = signed_query(url)
        assert address == f"{CDN}/v/vid_1/a1/hls/{name}"
        assert said == policy(until)


async def test_every_picture_of_a_storyboard_becomes_a_signed_link(clock: FakeClock) -> None:
    lines = await content(await playlists(clock), "storyboard.vtt", GRANT)
    assert [line for line in lines if "#xywh" not in line] == [
        line for line in STORYBOARD.splitlines() if "#xywh" not in line
    ]
    for line, name in zip([line for line in lines if "#xywh" in line], ("t.1.jpg", "t.2.jpg"), strict=True):
        url, fragment = line.split("#")
        assert fragment == "xywh=0,0,160,90"
        assert signed_query(url)[0] == f"{CDN}/v/vid_1/a1/thumb/{name}"


async def test_a_signed_playlist_is_as_steady_as_its_links(clock: FakeClock) -> None:
    delivery = await playlists(clock)
    first = await delivery.file("v/vid_1/a1/hls/v.m3u8", GRANT)
    assert first.content_type == "application/vnd.apple.mpegurl"
    assert first.etag == (await delivery.file("v/vid_1/a1/hls/v.m3u8", GRANT)).etag
    assert first.etag != (await delivery.file("v/vid_1/a1/hls/v.m3u8")).etag


async def test_no_other_byte_comes_through_our_door(clock: FakeClock) -> None:
    """Nor does any go in."""
    delivery = await playlists(clock)
    for key in (POSTER, "v/vid_1/a1/hls/none.m3u8", "c/chn_1/x.m3u8"):
        with pytest.raises(NotFound):
            await delivery.file(key)
    none: Any = None
    for receiving in (delivery.receive(none, 1, none), delivery.receive_small(SmallTicket("x", 1), none)):
        with pytest.raises(NotFound):
            await receiving
    with pytest.raises(Forbidden) as refused:
        delivery.ticket("x")
    assert refused.value.code == "link_invalid"


async def test_the_door_knows_its_grants(clock: FakeClock) -> None:
    delivery = await playlists(clock)
    token = links(clock).granted(GRANT, MANIFEST, LinkMode.TOKEN).url.split("/")[5]
    assert delivery.grant(token) == GRANT
    clock.advance(timedelta(hours=1))
    with pytest.raises(Forbidden) as refused:
        delivery.grant(token)
    assert refused.value.code == "link_expired"


# --- what is gone ------------------------------------------------------------------------------------


@define
class Caches:
    """CloudFront as far as invalidations go."""

    asked: list[dict[str, Any]] = field(factory=list)
    busy: bool = False

    async def create_invalidation(self, **asked: Any) -> None:
        if self.busy:
            raise ClientError({"Error": {"Code": "TooManyInvalidationsInProgress"}}, "CreateInvalidation")
        self.asked.append(asked)


async def test_a_removed_video_and_a_channels_pictures_go_from_the_caches() -> None:
    caches = Caches()
    gone = Invalidations(caches, "E1", lambda prefix: f"{prefix}_{len(caches.asked)}")
    await gone("v/vid_1/")
    await gone("c/chn_1/avatar-img_1-a b.jpg")
    batches = [asked["InvalidationBatch"] for asked in caches.asked]
    assert [batch["Paths"]["Items"] for batch in batches] == [["/v/vid_1/*"], ["/c/chn_1/avatar-img_1-a%20b.jpg*"]]
    assert [batch["CallerReference"] for batch in batches] == ["inv_0", "inv_1"]
    assert {asked["DistributionId"] for asked in caches.asked} == {"E1"}


@pytest.mark.parametrize("prefix", ["v/vid_1/a1/", "v/vid_1/captions/en-img_1.vtt", "v/", ""])
async def test_what_nobody_can_ask_for_any_more_needs_no_invalidation(prefix: str) -> None:
    caches = Caches()
    await Invalidations(caches, "E1", str)(prefix)
    assert caches.asked == []


async def test_without_a_distribution_nothing_is_invalidated() -> None:
    caches = Caches()
    await Invalidations(caches, "", str)("v/vid_1/")
    assert caches.asked == []


async def test_too_many_invalidations_come_again_later() -> None:
    with pytest.raises(Unavailable):
        await Invalidations(Caches(busy=True), "E1", str)("v/vid_1/")
