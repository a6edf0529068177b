"""What still comes through our own door on AWS: playlists, for whom CloudFront's cookies are not to be had.

All other bytes go to S3 and come from CloudFront.
"""

import hashlib
from collections.abc import AsyncIterator

from attrs import field, frozen

from adapters.aws.cloudfront import CloudFrontLinks, names_others
from adapters.files import content_type_of
from adapters.links import Links
from adapters.playlists import linked
from application.ports import File, MediaStore, PartTicket, SmallTicket
from domain.errors import Forbidden, NotFound
from domain.ids import VideoId
from domain.uploads import Part, Upload
from domain.watching import Grant


@frozen
class Text:
    """A file that was written for who asked."""

    content: bytes
    content_type: str
    etag: str = field(init=False)
    path: str | None = None

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "etag", hashlib.sha256(self.content).hexdigest()[:32])  # as attrs itself does

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        yield self.content[start:end]


class SignedPlaylists:
    """A Delivery of playlists and storyboards. What they name has links to CloudFront, signed for as long as who asks
    may watch; other playlists in them are left as they are, and come through this door too.

    Nobody can send anything here: links for parts lead to S3.
    """

    def __init__(self, media: MediaStore, links: CloudFrontLinks, door: Links) -> None:
        self._media = media
        self._links = links
        self._door = door

    def ticket(self, token: str) -> PartTicket | SmallTicket:
        del token
        raise Forbidden("this link is not one of ours", code="link_invalid")

    def grant(self, token: str) -> Grant:
        return self._door.grant(token)

    async def receive(self, upload: Upload, number: int, chunks: AsyncIterator[bytes]) -> Part:
        del upload, number, chunks
        raise NotFound("files are not sent here")

    async def receive_small(self, ticket: SmallTicket, chunks: AsyncIterator[bytes]) -> Part:
        del ticket, chunks
        raise NotFound("files are not sent here")

    async def file(self, key: str, grant: Grant | None = None) -> File:
        if not (key.startswith("v/") and names_others(key)):
            raise NotFound("there is no such file")
        text = (await self._media.read(key)).decode()
        signed = self._links.signed(VideoId(key.split("/")[1]), grant)
        folder = key.rpartition("/")[0]

        def link(name: str) -> str:
            return name if names_others(name) else f"{self._links.url(f'{folder}/{name}')}?{signed.query}"

        return Text(linked(text, link).encode(), content_type_of(key))
