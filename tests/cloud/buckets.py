"""S3 and CloudFront as our clients use them: what is sent and fetched goes the way that the links lead."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
from attrs import define, field
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from adapters.aws.cloudfront import CloudFrontLinks, Invalidations, Signer, SigningKey, names_others
from adapters.aws.delivery import SignedPlaylists
from adapters.aws.s3 import PART_LEAST, S3MediaStore, S3UploadStore
from adapters.files import checked
from adapters.inmemory.media import InMemoryFile, size_mismatch, upload_closed
from adapters.links import Links
from adapters.system import Ulids
from application.ports import File, Now, SmallTicket
from domain.errors import Invalid, NotFound
from domain.ids import VideoId
from domain.uploads import Part, Upload
from domain.videos import Audience
from domain.watching import Grant
from tests.cloud.cloudfront import PATH
from tests.cloud.world import World, world

DOOR = "http://api.example"
KEY = rsa.generate_private_key(65537, 2048)
_CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
_SOON = timedelta(minutes=15)


def private_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@define
class Buckets:
    """Two buckets, and a distribution over the one with what is shown: ``v/*`` is for who is signed for."""

    world: World
    s3: Any
    cloudfront: Any
    raw: str
    media: str
    http: httpx.AsyncClient
    distribution: str = ""
    media_url: str = ""
    key: SigningKey = field(default=SigningKey("", b""))

    async def source(self, key: str) -> bytes:
        """The whole file at an ``Upload.source``."""
        found = await self.s3.get_object(Bucket=self.raw, Key=key)
        content: bytes = await found["Body"].read()
        return content

    async def distribute(self) -> None:
        name, cloudfront = self.world.name, self.cloudfront
        made = await cloudfront.create_public_key(
            PublicKeyConfig={"CallerReference": name("key"), "Name": name("key"), "EncodedKey": public_pem(KEY)}
        )
        self.key = SigningKey(made["PublicKey"]["Id"], private_pem(KEY))
        group = await cloudfront.create_key_group(KeyGroupConfig={"Name": name("group"), "Items": [self.key.id]})
        common = {
            "TargetOriginId": "s3", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": _CACHING_OPTIMIZED,
        }  # fmt: skip
        trusted = {"Enabled": True, "Quantity": 1, "Items": [group["KeyGroup"]["Id"]]}
        control = await cloudfront.create_origin_access_control(
            OriginAccessControlConfig={
                "Name": name("oac"), "OriginAccessControlOriginType": "s3", "SigningBehavior": "always",
                "SigningProtocol": "sigv4",
            }
        )  # fmt: skip
        origin = {
            "Id": "s3", "OriginAccessControlId": control["OriginAccessControl"]["Id"], "DomainName": f"{self.media}.s3.us-east-1.amazonaws.com",
            "S3OriginConfig": {"OriginAccessIdentity": ""},
        }  # fmt: skip
        behaviors = [{**common, "PathPattern": "v/*", "TrustedKeyGroups": trusted}]
        created = await cloudfront.create_distribution(
            DistributionConfig={
                "CallerReference": name("cdn"), "Comment": "", "Enabled": True, "DefaultCacheBehavior": common,
                "Origins": {"Quantity": 1, "Items": [origin]},
                "CacheBehaviors": {"Quantity": len(behaviors), "Items": behaviors},
            }
        )  # fmt: skip
        allowed = {
            "Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"}, "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{self.media}/*",
            "Condition": {"StringEquals": {"AWS:SourceArn": created["Distribution"]["ARN"]}},
        }  # fmt: skip
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        await self.s3.put_bucket_policy(Bucket=self.media, Policy=policy)
        self.distribution = created["Distribution"]["Id"]
        label = created["Distribution"]["DomainName"].partition(".")[0]
        self.media_url = f"{self.world.stack.endpoint}{PATH}{label}"

    def links(self, now: Now) -> CloudFrontLinks:
        return CloudFrontLinks(Signer(self.key), self.door(now), now, media_url=self.media_url)

    @staticmethod
    def door(now: Now) -> Links:
        return Links(b"key", DOOR, now)

    def shown(self, now: Now) -> S3MediaStore:
        gone = Invalidations(self.cloudfront, self.distribution, Ulids(now))
        return S3MediaStore(self.s3, self.media, self.links(now), gone)

    def playlists(self, now: Now) -> SignedPlaylists:
        return SignedPlaylists(self.shown(now), self.links(now), self.door(now))


@asynccontextmanager
async def buckets() -> AsyncIterator[Buckets]:
    async with world() as here, httpx.AsyncClient(timeout=30) as http:
        s3, cloudfront = await here.client("s3"), await here.client("cloudfront")
        opened = Buckets(here, s3, cloudfront, await here.bucket("raw"), await here.bucket("media"), http)
        await opened.distribute()
        yield opened


class Sent:
    """The stores of two buckets, and a client that sends what they sign for and fetches what they link to."""

    def __init__(self, here: Buckets, now: Now, *, part_least: int = PART_LEAST) -> None:
        self._here = here
        self._now = now
        uploads = self._uploads = S3UploadStore(here.s3, here.raw, now, part_least=part_least)
        self.open, self.sign, self.received, self.assemble = (
            uploads.open, uploads.sign, uploads.received, uploads.assemble,
        )  # fmt: skip
        self.discard, self.discard_unknown, self.held = uploads.discard, uploads.discard_unknown, uploads.held
        self.sign_small, self.take_small = uploads.sign_small, uploads.take_small
        media = self._media = here.shown(now)
        self.put, self.read, self.remove_prefix = media.put, media.read, media.remove_prefix
        self.usage, self.under, self.open_url, self.granted = media.usage, media.under, media.open_url, media.granted

    async def receive(self, upload: Upload, number: int, chunks: AsyncIterator[bytes]) -> Part:
        size = upload.size_of(number)
        try:
            (ticket,) = await self.sign(upload, [number], self._now() + _SOON)
        except NotFound:
            raise upload_closed() from None
        content = b"".join([chunk async for chunk in chunks])
        return Part(number, len(content), await self._put(ticket.url, content, size))

    async def receive_small(self, ticket: SmallTicket, chunks: AsyncIterator[bytes]) -> Part:
        signed = await self.sign_small(ticket.name, ticket.size_bytes, self._now() + _SOON)
        content = b"".join([chunk async for chunk in chunks])
        return Part(1, len(content), await self._put(signed.url, content, ticket.size_bytes))

    async def file(self, key: str, grant: Grant | None = None) -> File:
        try:
            checked(key)
        except Invalid:
            raise NotFound("there is no such file") from None
        url, cookies = self.open_url(key), {}
        if names_others(key):
            held = grant or Grant(VideoId(key.split("/")[1]), Audience.MEMBER, self._now() + _SOON)
            link = self.granted(held, key)
            url, cookies = link.url, dict(link.cookies)
        answer = await self._here.http.get(url, headers={"cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())})
        if answer.status_code in {403, 404}:
            raise NotFound("there is no such file")
        answer.raise_for_status()
        return InMemoryFile(answer.content, answer.headers["content-type"], answer.headers["etag"].strip('"'))

    async def _put(self, url: str, content: bytes, size: int) -> str:
        """The etag that a client is told."""
        answer = await self._here.http.put(url, content=content)
        if answer.status_code == 404:
            raise upload_closed()
        if answer.status_code == 403:
            raise size_mismatch(size)
        answer.raise_for_status()
        etag: str = answer.headers["etag"]
        return etag.strip('"')
