"""Links to media that CloudFront serves, and telling it what is gone.

Whatever is shown of a video lies under ``/v/``, where CloudFront serves nothing without a signature:
one policy opens all of one video until a time. Signatures come as cookies, or in the query of a link. The query is
lost where a playlist names its neighbours, so a playlist for whoever gets no cookies comes through our own door
(``adapters.aws.delivery``), which looks whether the video is still to be shown and signs each link in it.

Public videos are signed for everyone alike, and for long enough to watch them. So one that is taken down, or hidden,
gets no new viewer from that moment on; who has begun to watch may go on until the signature ends, at most
``OPEN_MOST``. One that is removed is gone from the bucket, and from the caches by an invalidation. Pictures of channels
(``/c/``) need no signature.
"""

import base64
import functools
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from attrs import field, frozen
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from adapters.aws.errors import CACHES, asking
from adapters.links import Links
from application.ports import Link, LinkMode, NewId, Now
from domain.ids import VideoId
from domain.media import STORYBOARD, video_prefix
from domain.watching import SESSION_LIFE, Grant

_STEP = timedelta(hours=1)
"""Links made within it are the same, so that browsers keep what they fetched."""
OPEN_MOST = SESSION_LIFE + _STEP
_SIGNATURES_KEPT = 4096
_URL_SAFE = bytes.maketrans(b"+=/", b"-_~")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@frozen
class SigningKey:
    """A private RSA key (PEM), and the id that CloudFront gave its public key.

    A key group may hold several public keys: the next one is added, then signed with, and the old one removed when its
    last signature is over.
    """

    id: str
    pem: bytes = field(repr=False)


@frozen
class Signed:
    """A policy, and that it is ours: as CloudFront reads them."""

    policy: str
    signature: str
    key: str

    @property
    def query(self) -> str:
        """To be put behind the address of a file."""
        return f"Policy={self.policy}&Signature={self.signature}&Key-Pair-Id={self.key}&Hash-Algorithm=SHA256"

    @property
    def cookies(self) -> Mapping[str, str]:
        return {
            "CloudFront-Policy": self.policy,
            "CloudFront-Signature": self.signature,
            "CloudFront-Key-Pair-Id": self.key,
            "CloudFront-Hash-Algorithm": "SHA256",
        }


class Signer:
    """Signs with RSA and SHA-256, which CloudFront takes when it is told so.

    The same policy has the same signature, which takes most of a millisecond to make: the last ones are kept.
    """

    def __init__(self, key: SigningKey) -> None:
        loaded = serialization.load_pem_private_key(key.pem, password=None)
        if not isinstance(loaded, rsa.RSAPrivateKey):
            raise TypeError("CloudFront links are signed with an RSA key")
        self._key = loaded
        self._id = key.id
        self._cached = functools.lru_cache(_SIGNATURES_KEPT)(self._sign)

    def signed(self, resource: str, until: datetime) -> Signed:
        """Leave to GET what the resource, which may end in an asterisk, says."""
        return self._cached(resource, (until - _EPOCH) // timedelta(seconds=1))

    def _sign(self, resource: str, until: int) -> Signed:
        statement = {"Resource": resource, "Condition": {"DateLessThan": {"AWS:EpochTime": until}}}
        policy = json.dumps({"Statement": [statement]}, separators=(",", ":")).encode()
        signature = self._key.sign(policy, padding.PKCS1v15(), hashes.SHA256())
        return Signed(_written(policy), _written(signature), self._id)


def _written(content: bytes) -> str:
    return base64.b64encode(content).translate(_URL_SAFE).decode()


class CloudFrontLinks:
    """The links of one distribution (``media_url``), and for playlists those of our own door.

    In the mode COOKIE the holder of a grant gets cookies for ``cookie_domain``, a site that the API and the
    distribution share (None: the API's own host, when one distribution serves both); in the mode TOKEN, playlists
    whose links are signed.
    """

    def __init__(
        self, signer: Signer, door: Links, now: Now, *, media_url: str, cookie_domain: str | None = None
    ) -> None:
        self._signer = signer
        self._door = door
        self._now = now
        self._base = media_url.rstrip("/")
        self._domain = cookie_domain

    def open_url(self, key: str) -> str:
        if not key.startswith("v/"):
            return self.url(key)
        if names_others(key):
            return self._door.open(key)
        return f"{self.url(key)}?{self.signed(_video_of(key), None).query}"

    def granted(self, grant: Grant, key: str, mode: LinkMode = LinkMode.COOKIE) -> Link:
        signed = self.signed(VideoId(grant.subject), grant)
        if mode is LinkMode.TOKEN:
            token = names_others(key)
            return Link(self._door.granted(grant, key) if token else f"{self.url(key)}?{signed.query}", LinkMode.TOKEN)
        path = f"{urlsplit(self._base).path}/{video_prefix(VideoId(grant.subject))}"
        return Link(self.url(key), LinkMode.COOKIE, signed.cookies, path, self._domain)

    def url(self, key: str) -> str:
        """Where a file lies, for those who may GET it."""
        return f"{self._base}/{quote(key)}"

    def signed(self, video: VideoId, grant: Grant | None) -> Signed:
        """Leave to GET all that is shown of a video: the holder's of a grant, or (None) everyone's for now."""
        until = grant.until if grant else _rounded(self._now() + SESSION_LIFE)
        return self._signer.signed(f"{self._base}/{video_prefix(video)}*", until)


def names_others(key: str) -> bool:
    """Whether the file names neighbours: relative links in it have to work."""
    return key.endswith((".m3u8", f"/{STORYBOARD}"))


def _video_of(key: str) -> VideoId:
    return VideoId(key.split("/")[1])


def _rounded(at: datetime) -> datetime:
    """The next full hour."""
    return at + (_EPOCH - at) % _STEP


Gone = Callable[[str], Awaitable[None]]


class Invalidations:
    """Clears a video or a channel's pictures from CloudFront's caches.

    Other prefixes are only removed after the last signature for them is over, so nobody can ask for what a cache may
    hold. An invalidation with an asterisk counts, and is paid for, as one path. Without a
    distribution there is nothing to clear.
    """

    def __init__(self, client: Any, distribution: str, new_id: NewId) -> None:
        self._client = client
        self._distribution = distribution
        self._new_id = new_id

    async def __call__(self, prefix: str) -> None:
        """Raises Unavailable when too many are under way."""
        shown = prefix.startswith("c/") or (prefix.startswith("v/") and prefix.count("/") == 2)
        if not shown or not self._distribution:
            return
        path = f"/{quote(prefix)}*"
        with asking(CACHES):
            await self._client.create_invalidation(
                DistributionId=self._distribution,
                InvalidationBatch={
                    "Paths": {"Quantity": 1, "Items": [path]}, "CallerReference": self._new_id("inv"),
                },
            )  # fmt: skip
