"""What our links for S3 look like on the wire, and what its refusals mean; without an emulator."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiobotocore.session import get_session
from attrs import define, evolve, field
from botocore.exceptions import ClientError, EndpointConnectionError

from adapters.aws.clients import s3_config
from adapters.aws.s3 import S3MediaStore, S3UploadStore
from domain.errors import Invalid, NotFound, Unavailable
from domain.ids import ChannelId, UploadId, UserId, VideoId
from domain.uploads import MIB, Part, Upload
from tests.strategies import START
from tests.worlds import FakeClock

BUCKET = "hexcast-raw"
UPLOAD = Upload(
    id=UploadId("upl_1"), user=UserId("usr_ann"), channel=ChannelId("chn_cats"), video=VideoId("vid_1"),
    filename="film.mp4", content_type="video/mp4", size_bytes=20 * MIB, handle="h/1+", created_at=START,
    expires_at=START + timedelta(hours=24),
)  # fmt: skip
PARTS = [Part(1, 8 * MIB, "a"), Part(2, 8 * MIB, "b"), Part(3, 4 * MIB, "c")]


@pytest.fixture
async def real() -> AsyncIterator[Any]:
    """A client of S3 as the product makes it. Signing asks nobody."""
    async with get_session().create_client(
        "s3", region_name="eu-central-1", aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key="secret",
        aws_session_token="of-a-role", config=s3_config(),
    ) as client:  # fmt: skip
        yield client


# --- links -------------------------------------------------------------------------------------------


async def test_a_part_is_signed_for_its_length_on_the_buckets_own_host(real: Any, clock: FakeClock) -> None:
    """Version 4, on the regional host: the older signature leaves the length out."""
    tickets = await S3UploadStore(real, BUCKET, clock.now).sign(UPLOAD, [3, 1], START + timedelta(minutes=15))
    assert [(ticket.number, ticket.expires_at) for ticket in tickets] == [
        (3, START + timedelta(minutes=15)),
        (1, START + timedelta(minutes=15)),
    ]
    parts = urlsplit(tickets[0].url)
    assert (parts.scheme, parts.netloc) == ("https", f"{BUCKET}.s3.eu-central-1.amazonaws.com")
    assert parts.path == "/raw/upl_1/source"
    query = {name: values[0] for name, values in parse_qs(parts.query, strict_parsing=True).items()}
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["X-Amz-SignedHeaders"] == "content-length;host"
    assert query["X-Amz-Expires"] == "900"
    assert (query["partNumber"], query["uploadId"]) == ("3", "h/1+")
    assert query["X-Amz-Credential"].endswith("/eu-central-1/s3/aws4_request")
    assert not [name for name in query if "checksum" in name.lower()]  # a browser would have to make one


async def test_a_small_file_is_signed_for_its_length_under_what_goes_by_itself(real: Any, clock: FakeClock) -> None:
    ticket = await S3UploadStore(real, BUCKET, clock.now).sign_small("img/a b", 5, START + timedelta(seconds=90.5))
    parts = urlsplit(ticket.url)
    assert (ticket.number, parts.path) == (1, "/small/img/a%20b")
    query = parse_qs(parts.query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;host"]
    assert query["X-Amz-Expires"] == ["91"]


async def test_an_emulator_gets_the_bucket_in_the_path(clock: FakeClock) -> None:
    async with get_session().create_client(
        "s3", region_name="us-east-1", endpoint_url="http://127.0.0.1:1", aws_access_key_id="test",
        aws_secret_access_key="test", config=s3_config(path_style=True),
    ) as client:  # fmt: skip
        (ticket,) = await S3UploadStore(client, BUCKET, clock.now).sign(UPLOAD, [1], START)
    assert ticket.url.startswith(f"http://127.0.0.1:1/{BUCKET}/raw/upl_1/source?")


# --- a fake of the service ---------------------------------------------------------------------------


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "Operation")


@define
class Service:
    """S3 that answers what it was told to, in the order of the calls."""

    answers: dict[str, Any] = field(factory=dict)
    calls: list[str] = field(factory=list)

    def __getattr__(self, operation: str) -> Any:
        async def call(**_: Any) -> Any:
            self.calls.append(operation)
            answer = self.answers[operation]
            answer = answer.pop(0) if isinstance(answer, list) else answer
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


HERE = {"Parts": [{"PartNumber": part.number, "Size": part.size_bytes, "ETag": f'"{part.etag}"'} for part in PARTS]}
WHOLE = {"ContentLength": 20 * MIB, "ETag": '"whole-3"'}


def uploads(clock: FakeClock, **answers: Any) -> S3UploadStore:
    return S3UploadStore(Service(answers), BUCKET, clock.now)


async def sent(store: S3UploadStore) -> None:
    await store.open(UPLOAD)
    await store.assemble(UPLOAD, PARTS)


async def test_parts_come_in_pages(clock: FakeClock) -> None:
    pages = [
        {"Parts": HERE["Parts"][:2], "IsTruncated": True, "NextPartNumberMarker": 2}, {"Parts": HERE["Parts"][2:]},
    ]  # fmt: skip
    assert await uploads(clock, list_parts=pages).received(UPLOAD) == PARTS


class Small(Upload):
    @property
    def part_size_bytes(self) -> int:
        return 5 * MIB - 1


async def test_no_part_is_smaller_than_the_service_takes(clock: FakeClock) -> None:
    """It would say so only when all is put together."""
    small = Small(
        id=UPLOAD.id, user=UPLOAD.user, channel=UPLOAD.channel, video=UPLOAD.video, filename="film.mp4",
        content_type="video/mp4", size_bytes=20 * MIB, created_at=START, expires_at=START,
    )  # fmt: skip
    with pytest.raises(Invalid) as refused:
        await uploads(clock).open(small)
    assert refused.value.code == "part_too_small"


async def test_what_is_assembled_already_is_found(clock: FakeClock) -> None:
    """The answer to an earlier call was lost: by the parts that were, or by the whole."""
    gone = uploads(clock, list_parts=refusal("NoSuchUpload"), head_object=WHOLE)
    assert await gone.received(UPLOAD) == [Part(1, 20 * MIB, "whole-3")]
    assert await gone.assemble(UPLOAD, PARTS) == 20 * MIB
    assert await gone.assemble(UPLOAD, await gone.received(UPLOAD)) == 20 * MIB
    with pytest.raises(Invalid) as refused:
        await gone.assemble(UPLOAD, [Part(1, 20 * MIB, "other-3")])
    assert refused.value.code == "etag_mismatch"


async def test_someone_else_may_assemble_at_the_same_moment(clock: FakeClock) -> None:
    store = uploads(clock, list_parts=HERE, complete_multipart_upload=refusal("NoSuchUpload"), head_object=WHOLE)
    assert await store.assemble(UPLOAD, PARTS) == 20 * MIB


@pytest.mark.parametrize("answer", ["InvalidPart", "InvalidPartOrder"])
async def test_a_part_may_be_sent_again_at_the_same_moment(clock: FakeClock, answer: str) -> None:
    store = uploads(clock, list_parts=HERE, complete_multipart_upload=refusal(answer))
    with pytest.raises(Invalid) as refused:
        await store.assemble(UPLOAD, PARTS)
    assert refused.value.code == "etag_mismatch"


async def test_what_was_discarded_at_the_same_moment_is_missing(clock: FakeClock) -> None:
    store = uploads(
        clock, list_parts=HERE, complete_multipart_upload=refusal("NoSuchUpload"), head_object=refusal("404")
    )
    with pytest.raises(Invalid) as refused:
        await store.assemble(UPLOAD, PARTS)
    assert refused.value.code == "parts_missing"


@pytest.mark.parametrize(
    "answer",
    [
        *map(refusal, ("SlowDown", "InternalError", "ServiceUnavailable", "503", "RequestTimeout")),
        EndpointConnectionError(endpoint_url="https://s3"),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "operation",
    ["list_parts", "complete_multipart_upload", "head_object", "list_multipart_uploads", "create_multipart_upload"],
)
async def test_a_busy_service_is_asked_again_later(clock: FakeClock, operation: str, answer: Exception) -> None:
    """An error in the body of a 200 is one of these: the SDK reads it."""
    good = {
        "list_parts": HERE, "complete_multipart_upload": {}, "head_object": WHOLE, "list_multipart_uploads": {},
        "create_multipart_upload": {"UploadId": "h"},
    }  # fmt: skip
    store = uploads(clock, **{**good, operation: answer})
    with pytest.raises(Unavailable) as caught:
        await sent(store)
    assert caught.value.code == "store_busy"


@pytest.mark.parametrize(
    "operation", ["list_parts", "complete_multipart_upload", "head_object", "list_multipart_uploads"]
)
async def test_a_fault_of_ours_is_not_taken_for_anything_else(clock: FakeClock, operation: str) -> None:
    """A missing permission is no missing file."""
    good = {
        "list_parts": HERE, "complete_multipart_upload": {}, "head_object": WHOLE, "list_multipart_uploads": {},
        "create_multipart_upload": {"UploadId": "h"},
    }  # fmt: skip
    store = uploads(clock, **{**good, operation: refusal("AccessDenied")})
    with pytest.raises(ClientError):
        await sent(store)


async def test_the_older_of_two_uploads_to_a_key_counts(clock: FakeClock) -> None:
    """There are two when the answer to the first request was lost."""
    begun = [
        {"Key": "raw/upl_1/source", "UploadId": "late", "Initiated": START + timedelta(seconds=1)},
        {"Key": "raw/upl_1/source", "UploadId": "early", "Initiated": START},
        {"Key": "raw/upl_1/source.2", "UploadId": "other", "Initiated": START - timedelta(seconds=1)},
    ]
    assert await uploads(clock, list_multipart_uploads={"Uploads": begun}).open(UPLOAD) == "early"


async def test_discarding_ends_every_upload_to_the_key(clock: FakeClock) -> None:
    begun = [{"Key": "raw/upl_1/source", "UploadId": name, "Initiated": START} for name in ("one", "two")]
    service = Service(
        {
            "list_multipart_uploads": {"Uploads": begun}, "delete_object": {},
            "abort_multipart_upload": [refusal("NoSuchUpload"), {}],
        }
    )  # fmt: skip
    await S3UploadStore(service, BUCKET, clock.now).discard(UPLOAD)
    assert service.calls == [
        "list_multipart_uploads", "abort_multipart_upload", "abort_multipart_upload", "delete_object",
    ]  # fmt: skip


async def test_a_link_for_an_upload_that_is_gone(clock: FakeClock) -> None:
    with pytest.raises(NotFound):
        await uploads(clock, list_multipart_uploads={}).sign(evolve(UPLOAD, handle=""), [1], START)


# --- what is shown -----------------------------------------------------------------------------------


@define
class Nothing:
    """No links."""

    open_url: Any = None
    granted: Any = None


async def test_removing_tells_the_caches_even_when_nothing_is_left() -> None:
    """Whoever removed it may have come no further."""
    gone: list[str] = []

    async def tell(prefix: str) -> None:
        gone.append(prefix)

    links: Any = Nothing()
    store = S3MediaStore(Service({"list_objects_v2": {}}), BUCKET, links, tell)
    assert await store.remove_prefix("v/vid_1/") == 0
    assert gone == ["v/vid_1/"]


async def test_what_stays_is_told() -> None:
    """And no cache is cleared before all is gone."""
    gone: list[str] = []

    async def tell(prefix: str) -> None:
        gone.append(prefix)

    pages = [
        {"Contents": [{"Key": "v/vid_1/a"}, {"Key": "v/vid_1/b"}], "IsTruncated": True, "NextContinuationToken": "t"},
        {"Contents": [{"Key": "v/vid_1/c"}]},
    ]
    links: Any = Nothing()
    answers = {
        "list_objects_v2": pages,
        "delete_objects": [{}, {"Errors": [{"Key": "v/vid_1/c", "Code": "InternalError"}]}],
    }
    with pytest.raises(Unavailable):
        await S3MediaStore(Service(answers), BUCKET, links, tell).remove_prefix("v/vid_1/")
    assert gone == []
