"""Uploads on their way in and files that are shown, in two buckets of S3.

An etag of S3 is quoted, a part's is the MD5 of its bytes, that of
an object made of parts is neither that nor its own MD5.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from adapters.aws.cloudfront import CloudFrontLinks
from adapters.aws.errors import FILES, asking, code_of, missing
from adapters.files import PUT_MOST, SMALL_LIFE, check_parts, checked
from application.ports import Link, LinkMode, Now, Stored, Ticket
from domain.errors import Invalid, NotFound, TooLarge
from domain.ids import UploadId
from domain.uploads import MIB, Part, Upload
from domain.watching import Grant

PART_LEAST = 5 * MIB
"""What S3 takes as a part that is not the last. It refuses a smaller one only when all is put together,
and some emulators never do."""
_PAGE = 1000
_SMALL = "small/"
"""Under it the bucket's lifecycle removes what is older than a day."""
_LAST = "\U0010ffff"
"""No key goes on with anything that sorts after it."""


class S3UploadStore:
    """Every upload is one multipart upload, a small file's of one part. Its handle is the id that S3 gave it.

    S3 puts the parts together and forgets them: from then on the whole file is the one part that was received.
    """

    def __init__(self, client: Any, bucket: str, now: Now, *, part_least: int = PART_LEAST) -> None:
        self._client = client
        self._bucket = bucket
        self._now = now
        self._part_least = part_least

    async def open(self, upload: Upload) -> str:
        if upload.parts > 1 and upload.part_size_bytes < self._part_least:
            raise Invalid(f"parts have at least {self._part_least} bytes", code="part_too_small")
        handles = await self._under_way(upload.id)
        if handles:
            return handles[0]
        with asking(FILES):
            made = await self._client.create_multipart_upload(
                Bucket=self._bucket, Key=upload.source, ContentType=upload.content_type
            )
        return str(made["UploadId"])

    async def sign(self, upload: Upload, numbers: Sequence[int], until: datetime) -> Sequence[Ticket]:
        sizes = {number: upload.size_of(number) for number in numbers}
        handle = await self._handle(upload)
        return [
            await self._ticket(
                "upload_part", number, until, Key=upload.source, UploadId=handle, PartNumber=number, ContentLength=size
            )
            for number, size in sizes.items()
        ]

    async def received(self, upload: Upload) -> Sequence[Part]:
        parts = await self._parts(upload)
        if parts is None:
            whole = await self._whole(upload)
            return [] if whole is None else [whole]
        return parts

    async def assemble(self, upload: Upload, parts: Sequence[Part]) -> int:
        here = await self._parts(upload)
        if here is not None:
            check_parts(upload, here, parts)
            await self._complete(upload, parts)
        whole = await self._whole(upload)
        if whole is None:
            raise Invalid("no part of this upload is here", code="parts_missing", field="parts")
        if upload.assembled(parts) and parts[0].etag != whole.etag:
            raise Invalid("the file here has another etag", code="etag_mismatch", field="parts")
        return whole.size_bytes

    async def discard(self, upload: Upload) -> None:
        await self.discard_unknown(upload.id)

    async def discard_unknown(self, upload: UploadId) -> None:
        for handle in await self._under_way(upload):
            try:
                with asking(FILES):
                    await self._client.abort_multipart_upload(Bucket=self._bucket, Key=_source(upload), UploadId=handle)
            except ClientError as error:
                if not missing(error):
                    raise
        with asking(FILES):
            await self._client.delete_object(Bucket=self._bucket, Key=_source(upload))

    async def held(self, *, after: str = "", limit: int = 1000) -> Sequence[UploadId]:
        start = f"raw/{after}/{_LAST}" if after else "raw/"
        ids: set[str] = set()
        for keys in (self._keys_under_way(start), self._keys(start)):
            found: set[str] = set()
            async for key in keys:
                found.add(key.split("/")[1])
                if len(found) == limit:  # those that follow sort after these
                    break
            ids |= found
        return [UploadId(upload) for upload in sorted(ids)[:limit]]

    async def sign_small(self, name: str, size_bytes: int, until: datetime) -> Ticket:
        return await self._ticket("put_object", 1, until, Key=_SMALL + checked(name), ContentLength=size_bytes)

    async def take_small(self, name: str) -> bytes:
        """The bucket's lifecycle runs once a day, so what is over may still be there."""
        found = await fetched(self._client, self._bucket, _SMALL + name)
        if found is None or found[1] + SMALL_LIFE <= self._now():
            raise NotFound("nothing came under this name")
        return found[0]

    # --- multipart uploads

    async def _ticket(self, operation: str, number: int, until: datetime, **parameters: Any) -> Ticket:
        """The length of the body is among the signed headers: S3 refuses a body of another one."""
        seconds = max(1, math.ceil((until - self._now()).total_seconds()))
        url = await self._client.generate_presigned_url(
            operation, Params={"Bucket": self._bucket, **parameters}, ExpiresIn=seconds
        )
        return Ticket(number, url, until)

    async def _handle(self, upload: Upload) -> str:
        """Raises NotFound for one that is not open."""
        handle = upload.handle or next(iter(await self._under_way(upload.id)), "")
        if not handle:
            raise NotFound("there is no such upload")
        return handle

    async def _under_way(self, upload: UploadId) -> Sequence[str]:
        """The multipart uploads to the key, the oldest first: there may be two after an answer was lost."""
        with asking(FILES):
            found = await self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=_source(upload))
        begun = sorted(
            (each["Initiated"], each["UploadId"]) for each in found.get("Uploads", []) if each["Key"] == _source(upload)
        )
        return [handle for _, handle in begun]

    async def _parts(self, upload: Upload) -> Sequence[Part] | None:
        """None when there is no multipart upload: not yet, or no more."""
        try:
            handle = await self._handle(upload)
            parts: list[Part] = []
            marker = 0
            while True:
                with asking(FILES):
                    page = await self._client.list_parts(
                        Bucket=self._bucket, Key=upload.source, UploadId=handle, PartNumberMarker=marker
                    )
                parts += [
                    Part(each["PartNumber"], each["Size"], _plain(each["ETag"])) for each in page.get("Parts", [])
                ]
                if not page.get("IsTruncated"):
                    return sorted(parts, key=lambda part: part.number)
                marker = page["NextPartNumberMarker"]
        except NotFound:
            return None
        except ClientError as error:
            if not missing(error):
                raise
            return None

    async def _complete(self, upload: Upload, parts: Sequence[Part]) -> None:
        """One that someone else completed at the same moment is let be. S3 may answer 200 and say in the body that it
        failed: the SDK reads that, and takes it for the error it is.
        """
        said = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        try:
            with asking(FILES):
                await self._client.complete_multipart_upload(
                    Bucket=self._bucket, Key=upload.source, UploadId=await self._handle(upload),
                    MultipartUpload={"Parts": said},
                )  # fmt: skip
        except NotFound:
            return
        except ClientError as error:
            if code_of(error) in {"InvalidPart", "InvalidPartOrder"}:  # sent again since it was looked at
                raise Invalid("a part here has another etag", code="etag_mismatch", field="parts") from error
            if not missing(error):
                raise

    async def _whole(self, upload: Upload) -> Part | None:
        try:
            with asking(FILES):
                head = await self._client.head_object(Bucket=self._bucket, Key=upload.source)
        except ClientError as error:
            if not missing(error):
                raise
            return None
        return Part(1, head["ContentLength"], _plain(head["ETag"]))

    async def _keys_under_way(self, after: str) -> AsyncIterator[str]:
        """The keys that are being uploaded, in order."""
        marker: Mapping[str, str] = {"KeyMarker": after}
        while True:
            with asking(FILES):
                page = await self._client.list_multipart_uploads(Bucket=self._bucket, Prefix="raw/", **marker)
            for each in page.get("Uploads", []):
                if each["Key"] > after:
                    yield each["Key"]
            if not page.get("IsTruncated"):
                return
            marker = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    async def _keys(self, after: str) -> AsyncIterator[str]:
        """The keys that are there, in order."""
        async for page in _pages(self._client, Bucket=self._bucket, Prefix="raw/", StartAfter=after):
            for each in page.get("Contents", []):
                yield each["Key"]


class S3MediaStore:
    """What is shown, in a bucket that only CloudFront reads for others.

    ``gone`` is told of a video or picture that is removed, by what its key begins with: copies lie in caches.
    """

    def __init__(
        self, client: Any, bucket: str, links: CloudFrontLinks, gone: Callable[[str], Awaitable[None]]
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._links = links
        self._gone = gone

    def open_url(self, key: str) -> str:
        return self._links.open_url(key)

    def granted(self, grant: Grant, key: str, mode: LinkMode = LinkMode.COOKIE) -> Link:
        return self._links.granted(grant, key, mode)

    async def put(self, key: str, content: bytes, content_type: str) -> None:
        if len(content) > PUT_MOST:
            raise TooLarge(f"at most {PUT_MOST} bytes are put at once")
        with asking(FILES):
            await self._client.put_object(Bucket=self._bucket, Key=checked(key), Body=content, ContentType=content_type)

    async def read(self, key: str) -> bytes:
        found = await fetched(self._client, self._bucket, key)
        if found is None:
            raise NotFound("there is no such file")
        return found[0]

    async def remove_prefix(self, prefix: str) -> int:
        """Raises Unavailable when S3 keeps some."""
        removed = await clear(self._client, self._bucket, prefix)
        await self._gone(prefix)
        return removed

    async def usage(self, prefix: str) -> int:
        pages = _pages(self._client, Bucket=self._bucket, Prefix=prefix)
        return sum([each["Size"] async for page in pages for each in page.get("Contents", [])])

    async def under(self, prefix: str, *, after: str = "", limit: int = 1000) -> Sequence[Stored]:
        # All that goes on after a name with a slash is that name.
        start = prefix + after + _LAST * after.endswith("/")
        found: list[Stored] = []
        async for page in _pages(self._client, Bucket=self._bucket, Prefix=prefix, Delimiter="/", StartAfter=start):
            several = [Stored(each["Prefix"].removeprefix(prefix), None) for each in page.get("CommonPrefixes", [])]
            single = [
                Stored(each["Key"].removeprefix(prefix), each["LastModified"].astimezone(UTC))
                for each in page.get("Contents", [])
            ]
            found += sorted((each for each in several + single if each.name > after), key=lambda each: each.name)
            if len(found) >= limit:
                break
        return found[:limit]

    # --- for what else works on this bucket

    async def adopt(self, made: str, key: str) -> None:
        """Show a file that is here already under another key, too. Raises NotFound."""
        try:
            with asking(FILES):
                await self._client.copy_object(
                    Bucket=self._bucket, Key=checked(key), CopySource={"Bucket": self._bucket, "Key": made}
                )
        except ClientError as error:
            if not missing(error):
                raise
            raise NotFound("there is no such file") from error

    async def sizes(self, prefix: str) -> Mapping[str, int]:
        """Every key that starts so, in order, and how many bytes lie there."""
        pages = _pages(self._client, Bucket=self._bucket, Prefix=prefix)
        return {each["Key"]: each["Size"] async for page in pages for each in page.get("Contents", [])}


def _source(upload: UploadId) -> str:
    """As ``Upload.source``."""
    return f"raw/{upload}/source"


def _plain(etag: str) -> str:
    return etag.strip('"')


async def fetched(client: Any, bucket: str, key: str) -> tuple[bytes, datetime] | None:
    """What lies there, and since when; None for what is not there or could not be."""
    try:
        with asking(FILES):
            found = await client.get_object(Bucket=bucket, Key=checked(key))
            async with found["Body"] as body:
                return await body.read(), found["LastModified"].astimezone(UTC)
    except Invalid:
        return None
    except ClientError as error:
        if not missing(error):
            raise
        return None


async def clear(client: Any, bucket: str, prefix: str) -> int:
    """Remove all whose key starts so, a page at a time; how much that was. Raises Unavailable when S3 keeps some."""
    removed = 0
    async for page in _pages(client, Bucket=bucket, Prefix=prefix):
        keys = [{"Key": each["Key"]} for each in page.get("Contents", [])]
        if not keys:
            continue
        with asking(FILES):
            said = await client.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        if said.get("Errors"):
            raise FILES.busy()
        removed += len(keys)
    return removed


async def _pages(client: Any, **asked: Any) -> AsyncIterator[Mapping[str, Any]]:
    """The pages of a list of objects."""
    token: Mapping[str, str] = {}
    while True:
        with asking(FILES):
            page = await client.list_objects_v2(**asked, MaxKeys=_PAGE, **token)
        yield page
        if not page.get("IsTruncated"):
            return
        token = {"ContinuationToken": page["NextContinuationToken"]}
