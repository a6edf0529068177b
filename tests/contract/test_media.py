"""Bytes in and out: UploadStore and MediaStore, however they are reached; and Delivery, where that is our own door.

In memory and on disk one adapter keeps all three together. Where S3 does, a client of its own sends and fetches as the
links say.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import pytest
from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from adapters.inmemory.media import InMemoryMedia
from adapters.links import Links
from adapters.local.disk import DiskMedia
from application.ports import Delivery, LinkMode, MediaStore, PartTicket, SmallTicket, Stored, UploadStore
from domain.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge, Unavailable
from domain.ids import ChannelId, UploadId, UserId, VideoId
from domain.uploads import MIB, Part, Upload
from domain.videos import Audience
from domain.watching import Grant
from tests.cloud.buckets import Sent, buckets
from tests.strategies import START
from tests.worlds import FakeClock

T = TypeVar("T")
BASE = "http://media.example"
SOON = START + timedelta(minutes=15)


class Store(UploadStore, MediaStore, Delivery, Protocol):
    """What the three ports say, of the same bytes. Behind S3 there is no door of ours: what is sent and fetched goes
    the way that the links lead.
    """


@frozen
class Opened:
    store: Store
    clock: FakeClock
    source: Callable[[str], Awaitable[bytes]]
    restarted: Callable[[], "Opened"]
    """As after the process ended and began again; in memory there is no such thing."""
    present: Callable[[], datetime]
    """When what is put at this moment was put, as the store says it."""


@asynccontextmanager
async def in_memory() -> AsyncIterator[Opened]:
    clock = FakeClock()
    store = InMemoryMedia(Links(b"key", BASE, clock.now), clock.now)

    async def source(key: str) -> bytes:
        content = store.source(key)
        assert content is not None
        return content

    def still() -> Opened:
        return Opened(store, clock, source, still, clock.now)

    yield still()


@asynccontextmanager
async def on_disk() -> AsyncIterator[Opened]:
    with tempfile.TemporaryDirectory() as folder:
        clock = FakeClock()

        def start() -> Opened:
            # Two bytes at a time, so that a part broken off has been written in part.
            store = DiskMedia(Path(folder), Links(b"key", BASE, clock.now), clock.now, gather_bytes=2)

            async def source(key: str) -> bytes:
                path = store.source(key)
                assert path is not None
                return path.read_bytes()

            return Opened(store, clock, source, start, clock.now)

        yield start()


class Alternating:
    """Asks one store after the other, as clients are served by several processes."""

    def __init__(self, *stores: DiskMedia) -> None:
        self._next = cycle(stores)

    def __getattr__(self, name: str) -> Any:
        return getattr(next(self._next), name)


@asynccontextmanager
async def on_one_disk_by_two() -> AsyncIterator[Opened]:
    async with on_disk() as first:

        def start() -> Opened:
            stores = cast(DiskMedia, first.restarted().store), cast(DiskMedia, first.restarted().store)
            return Opened(cast(Store, Alternating(*stores)), first.clock, first.source, start, first.present)

        yield start()


@asynccontextmanager
async def on_s3() -> AsyncIterator[Opened]:
    async with buckets() as here:
        # S3's own clock cannot be set, so ours begins where it is.
        clock = FakeClock(datetime.now(UTC))

        def start() -> Opened:
            store = cast(Store, Sent(here, clock.now, part_least=1))
            return Opened(store, clock, here.source, start, lambda: datetime.now(UTC).replace(microsecond=0))

        yield start()


OUR_OWN: list[Any] = [in_memory, on_disk, on_one_disk_by_two]
"""Those that send and fetch over our own HTTP."""
OPENERS: list[Any] = [*OUR_OWN, on_s3]
EXAMPLES = {on_s3: 12}
"""Each step there takes several requests."""


@pytest.fixture(params=OPENERS, ids=[opener.__name__ for opener in OPENERS])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Opened]:
    async with request.param() as world:
        yield world


@pytest.fixture
async def store(opened: Opened) -> Store:
    return opened.store


@pytest.fixture(params=OUR_OWN, ids=[opener.__name__ for opener in OUR_OWN])
async def at_our_door(request: pytest.FixtureRequest) -> AsyncIterator[Opened]:
    async with request.param() as world:
        yield world


@pytest.fixture
async def door(at_our_door: Opened) -> Store:
    return at_our_door.store


class Tiny(Upload):
    """An upload whose parts are small enough to look at."""

    @property
    def part_size_bytes(self) -> int:
        return 4


UPLOAD = Tiny(
    id=UploadId("upl_1"), user=UserId("usr_ann"), channel=ChannelId("chn_cats"), video=VideoId("vid_1"),
    filename="film.mp4", content_type="video/mp4", size_bytes=10, created_at=START,
    expires_at=START + timedelta(hours=24),
)  # fmt: skip


def real(size_bytes: int) -> Upload:
    return Upload(
        id=UploadId("upl_1"), user=UserId("usr_ann"), channel=ChannelId("chn_cats"), video=VideoId("vid_1"),
        filename="film.mp4", content_type="video/mp4", size_bytes=size_bytes, created_at=START,
        expires_at=START + timedelta(hours=24),
    )  # fmt: skip


class Gone(Exception):
    """The client went away."""


async def chunks(*pieces: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece
    if error is not None:
        raise error


async def all_parts(store: Store, upload: Upload = UPLOAD) -> list[Part]:
    await store.open(upload)
    contents = [b"abcd", b"efgh", b"ij"]
    return [await store.receive(upload, number, chunks(content)) for number, content in enumerate(contents, start=1)]


def assert_all_here(parts: Sequence[Part], received: Sequence[Part]) -> None:
    """As they came, or all in one."""
    assert received == parts or UPLOAD.assembled(received)


def token(url: str) -> str:
    return url.removeprefix(f"{BASE}/media/").split("/")[1]


# --- uploads -----------------------------------------------------------------------------------------


async def test_parts_in_any_order_become_the_source(opened: Opened) -> None:
    store = opened.store
    handle = await store.open(UPLOAD)
    assert handle
    third = await store.receive(UPLOAD, 3, chunks(b"i", b"j"))
    first = await store.receive(UPLOAD, 1, chunks(b"abcd"))
    assert [part.number for part in await store.received(UPLOAD)] == [1, 3]
    second = await store.receive(UPLOAD, 2, chunks(b"", b"e", b"fgh"))
    assert await store.received(UPLOAD) == [first, second, third]
    assert [part.size_bytes for part in (first, second, third)] == [4, 4, 2]
    assert await store.assemble(UPLOAD, [first, second, third]) == 10
    assert await opened.source(UPLOAD.source) == b"abcdefghij"


async def test_opening_again_keeps_what_is_there(store: Store) -> None:
    handle = await store.open(UPLOAD)
    part = await store.receive(UPLOAD, 1, chunks(b"abcd"))
    assert await store.open(UPLOAD) == handle
    assert await store.received(UPLOAD) == [part]


async def test_a_part_with_other_bytes_has_another_etag(store: Store) -> None:
    await store.open(UPLOAD)
    first = await store.receive(UPLOAD, 1, chunks(b"abcd"))
    other = await store.receive(UPLOAD, 1, chunks(b"abce"))
    again = await store.receive(UPLOAD, 1, chunks(b"ab", b"cd"))
    assert first.etag != other.etag
    assert first == again


async def test_assembling_again_gives_the_same(opened: Opened) -> None:
    parts = await all_parts(opened.store)
    assert await opened.store.assemble(UPLOAD, parts) == 10
    assert await opened.store.assemble(UPLOAD, parts) == 10
    assert await opened.source(UPLOAD.source) == b"abcdefghij"
    assert_all_here(parts, await opened.store.received(UPLOAD))


async def test_two_at_once_assemble_the_same(opened: Opened) -> None:
    parts = await all_parts(opened.store)
    assert await asyncio.gather(*(opened.store.assemble(UPLOAD, parts) for _ in range(3))) == [10, 10, 10]
    assert await opened.source(UPLOAD.source) == b"abcdefghij"


async def test_another_etag_is_told_and_the_parts_stay(opened: Opened) -> None:
    parts = await all_parts(opened.store)
    with pytest.raises(Invalid) as refused:
        await opened.store.assemble(UPLOAD, [parts[0], evolve(parts[1], etag="other"), parts[2]])
    assert refused.value.code == "etag_mismatch"
    assert await opened.store.received(UPLOAD) == parts
    assert await opened.store.assemble(UPLOAD, parts) == 10


async def test_a_part_that_never_came_is_told(store: Store) -> None:
    await store.open(UPLOAD)
    part = await store.receive(UPLOAD, 1, chunks(b"abcd"))
    with pytest.raises(Invalid) as refused:
        await store.assemble(UPLOAD, [part])
    assert refused.value.code == "parts_missing"


async def test_no_byte_comes_after_the_source_is_made(opened: Opened) -> None:
    await opened.store.assemble(UPLOAD, await all_parts(opened.store))
    with pytest.raises(Conflict) as refused:
        await opened.store.receive(UPLOAD, 1, chunks(b"XXXX"))
    assert refused.value.code == "upload_closed"
    assert await opened.source(UPLOAD.source) == b"abcdefghij"


@pytest.mark.parametrize("content", [(b"",), (b"abc",), (b"abcde",), (b"abcd", b"e"), (b"abcd" * 1_000_000,)])
async def test_a_part_of_another_size_is_refused_and_nothing_kept(store: Store, content: Sequence[bytes]) -> None:
    await store.open(UPLOAD)
    kept = await store.receive(UPLOAD, 1, chunks(b"abcd"))
    for number in (1, 2):
        with pytest.raises(Invalid) as refused:
            await store.receive(UPLOAD, number, chunks(*content))
        assert refused.value.code == "size_mismatch"
    assert await store.received(UPLOAD) == [kept]


async def test_no_more_is_read_than_a_part_may_have(door: Store) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"xx"

    await door.open(UPLOAD)
    with pytest.raises(Invalid):
        await door.receive(UPLOAD, 1, endless())
    assert read == 3


async def test_a_part_broken_off_leaves_the_one_before(opened: Opened) -> None:
    parts = await all_parts(opened.store)
    with pytest.raises(Gone):
        await opened.store.receive(UPLOAD, 2, chunks(b"XX", error=Gone()))
    assert await opened.store.received(UPLOAD) == parts
    await opened.store.assemble(UPLOAD, parts)
    assert await opened.source(UPLOAD.source) == b"abcdefghij"


async def test_a_cancelled_put_leaves_nothing(store: Store) -> None:
    begun = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield b"ab"
        begun.set()
        await asyncio.Event().wait()

    await store.open(UPLOAD)
    put = asyncio.ensure_future(store.receive(UPLOAD, 1, stalls()))
    await begun.wait()
    put.cancel()
    await asyncio.wait([put])
    assert put.cancelled()
    assert await store.received(UPLOAD) == []
    assert (await store.receive(UPLOAD, 1, chunks(b"abcd"))).number == 1


async def test_a_part_larger_than_any_buffer(opened: Opened) -> None:
    big = real(17 * MIB)
    pieces = [bytes([number]) * 700_001 for number in range(12)]
    first = b"".join(pieces)[: 8 * MIB]
    await opened.store.open(big)
    parts = [
        await opened.store.receive(big, 1, chunks(*(first[at : at + 700_001] for at in range(0, 8 * MIB, 700_001)))),
        await opened.store.receive(big, 2, chunks(b"y" * 8 * MIB)),
        await opened.store.receive(big, 3, chunks(b"z" * MIB)),
    ]
    assert await opened.store.assemble(big, parts) == 17 * MIB
    assert await opened.source(big.source) == first + b"y" * 8 * MIB + b"z" * MIB


async def test_a_part_that_the_file_does_not_have(store: Store) -> None:
    await store.open(UPLOAD)
    for number in (0, 4, -1):
        with pytest.raises(Invalid):
            await store.receive(UPLOAD, number, chunks(b"abcd"))
        with pytest.raises(Invalid):
            await store.sign(UPLOAD, [1, number], SOON)


async def test_discarding_frees_all_of_it_and_again_is_a_no_op(store: Store) -> None:
    await store.assemble(UPLOAD, await all_parts(store))
    other = evolve(UPLOAD, id=UploadId("upl_2"))
    kept = await all_parts(store, other)
    await store.discard(UPLOAD)
    await store.discard(UPLOAD)
    assert await store.received(UPLOAD) == []
    assert await store.received(other) == kept
    with pytest.raises(Conflict):
        await store.receive(UPLOAD, 1, chunks(b"abcd"))


async def test_discarding_ends_a_put_under_way(store: Store) -> None:
    more = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"ab"
        await more.wait()
        yield b"cd"

    await store.open(UPLOAD)
    put = asyncio.ensure_future(store.receive(UPLOAD, 1, slow()))
    await asyncio.sleep(0)
    await store.discard(UPLOAD)
    more.set()
    with pytest.raises(Conflict):
        await put
    assert await store.received(UPLOAD) == []


async def test_what_is_held_of_uploads_can_be_listed_and_discarded_by_its_name_alone(store: Store) -> None:
    assert await store.held() == []
    uploads = [evolve(UPLOAD, id=UploadId(f"upl_{number}")) for number in (3, 1, 2)]
    for upload in uploads:
        await store.open(upload)
    await store.receive(uploads[0], 1, chunks(b"abcd"))
    await store.assemble(uploads[1], await all_parts(store, uploads[1]))
    assert await store.held() == ["upl_1", "upl_2", "upl_3"]
    assert await store.held(limit=2) == ["upl_1", "upl_2"]
    assert await store.held(after="upl_1", limit=1) == ["upl_2"]
    assert await store.held(after="upl_3") == []
    for name in ("upl_1", "upl_1", "upl_3", "upl_4"):
        await store.discard_unknown(UploadId(name))
    assert await store.held() == ["upl_2"]
    assert await store.received(uploads[0]) == []
    with pytest.raises(Conflict):
        await store.receive(uploads[0], 1, chunks(b"abcd"))


async def test_an_upload_that_is_gone_cannot_be_assembled(store: Store) -> None:
    parts = await all_parts(store)
    await store.discard(UPLOAD)
    with pytest.raises(Invalid) as refused:
        await store.assemble(UPLOAD, parts)
    assert refused.value.code == "parts_missing"
    assert await store.held() == []


async def test_an_upload_opened_anew_has_nothing_of_what_was_discarded(opened: Opened) -> None:
    await opened.store.assemble(UPLOAD, await all_parts(opened.store))
    await opened.store.discard(UPLOAD)
    await opened.store.open(UPLOAD)
    assert await opened.store.received(UPLOAD) == []
    parts = await all_parts(opened.store)
    parts[0] = await opened.store.receive(UPLOAD, 1, chunks(b"ABCD"))
    assert await opened.store.assemble(UPLOAD, parts) == 10
    assert await opened.source(UPLOAD.source) == b"ABCDefghij"


async def test_a_put_that_ends_after_completion_changes_nothing(opened: Opened) -> None:
    """Its part came a second time, faster; then the upload was completed without it."""
    store = opened.store
    begun, more = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"XX"
        yield b"X"
        begun.set()
        await more.wait()
        yield b"X"

    await store.open(UPLOAD)
    put = asyncio.ensure_future(store.receive(UPLOAD, 2, slow()))
    await begun.wait()
    parts = await all_parts(store)
    assert await store.assemble(UPLOAD, parts) == 10
    more.set()
    with pytest.raises(Conflict) as refused:
        await put
    assert refused.value.code == "upload_closed"
    assert await opened.source(UPLOAD.source) == b"abcdefghij"
    assert_all_here(parts, await store.received(UPLOAD))


async def test_links_say_which_part(door: Store) -> None:
    tickets = await door.sign(UPLOAD, [3, 1], SOON)
    assert [(ticket.number, ticket.expires_at) for ticket in tickets] == [(3, SOON), (1, SOON)]
    assert [door.ticket(token(ticket.url)) for ticket in tickets] == [
        PartTicket(UPLOAD.id, 3),
        PartTicket(UPLOAD.id, 1),
    ]


# --- small files -------------------------------------------------------------------------------------


async def test_a_small_file_comes_under_its_name(opened: Opened) -> None:
    ticket = await opened.store.sign_small("img/usr_ann/img_1", 5, SOON)
    assert (ticket.number, ticket.expires_at) == (1, SOON)
    part = await opened.store.receive_small(SmallTicket("img/usr_ann/img_1", 5), chunks(b"he", b"llo"))
    assert part.size_bytes == 5
    assert await opened.restarted().store.take_small("img/usr_ann/img_1") == b"hello"


async def test_a_link_says_which_small_file(door: Store) -> None:
    ticket = await door.sign_small("img/usr_ann/img_1", 5, SOON)
    assert door.ticket(token(ticket.url)) == SmallTicket("img/usr_ann/img_1", 5)


async def test_a_small_file_of_another_size_is_refused_and_nothing_kept(store: Store) -> None:
    for content in (b"", b"hell", b"hello!"):
        with pytest.raises(Invalid) as refused:
            await store.receive_small(SmallTicket("img_1", 5), chunks(content))
        assert refused.value.code == "size_mismatch"
    with pytest.raises(Gone):
        await store.receive_small(SmallTicket("img_1", 5), chunks(b"he", error=Gone()))
    with pytest.raises(NotFound):
        await store.take_small("img_1")


async def test_a_small_file_goes_by_itself_after_a_day(opened: Opened) -> None:
    await opened.store.receive_small(SmallTicket("img_1", 1), chunks(b"x"))
    opened.clock.advance(timedelta(hours=23))
    assert await opened.store.take_small("img_1") == b"x"
    opened.clock.advance(timedelta(hours=1, minutes=1))
    with pytest.raises(NotFound):
        await opened.store.take_small("img_1")


# --- links -------------------------------------------------------------------------------------------

GRANT = Grant(VideoId("vid_1"), Audience.MEMBER, START + timedelta(minutes=1, microseconds=7))


async def test_a_granted_link_carries_its_grant_and_leads_to_the_neighbours(door: Store) -> None:
    """To whoever keeps cookies as to whoever does not."""
    for mode in (LinkMode.COOKIE, LinkMode.TOKEN):
        link = door.granted(GRANT, "v/vid_1/a1/hls/master.m3u8", mode)
        assert (link.mode, link.cookies) == (LinkMode.TOKEN, {})
        assert link.url == f"{BASE}/media/g/{token(link.url)}/v/vid_1/a1/hls/master.m3u8"
        assert door.grant(token(link.url)) == GRANT


async def test_an_open_link_names_the_key(door: Store) -> None:
    assert door.open_url("v/vid_1/a1/poster.jpg") == f"{BASE}/media/o/v/vid_1/a1/poster.jpg"
    assert door.open_url("img/a b?.jpg") == f"{BASE}/media/o/img/a%20b%3F.jpg"


async def test_links_end(at_our_door: Opened) -> None:
    door = at_our_door.store
    part, granted = (await door.sign(UPLOAD, [1], SOON))[0].url, door.granted(GRANT, "k").url
    at_our_door.clock.advance(timedelta(minutes=1))
    assert door.grant(token(granted)) == GRANT
    at_our_door.clock.advance(timedelta(microseconds=7))
    with pytest.raises(Forbidden) as over:
        door.grant(token(granted))
    assert over.value.code == "link_expired"
    assert door.ticket(token(part)) == PartTicket(UPLOAD.id, 1)
    at_our_door.clock.advance(timedelta(minutes=14))
    with pytest.raises(Forbidden) as over:
        door.ticket(token(part))
    assert over.value.code == "link_expired"


async def test_a_link_is_good_for_its_own_purpose_only(door: Store) -> None:
    part, granted = (await door.sign(UPLOAD, [1], SOON))[0].url, door.granted(GRANT, "k").url
    for read, url in ((door.grant, part), (door.ticket, granted)):
        with pytest.raises(Forbidden) as refused:
            read(token(url))
        assert refused.value.code == "link_invalid"


@given(st.data())
def test_a_link_changed_anywhere_is_invalid(data: st.DataObject) -> None:
    links = Links(b"key", BASE, FakeClock().now)
    good = token(links.granted(GRANT, "k"))
    at = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.characters().filter(lambda each: each != good[at]))
    with pytest.raises(Forbidden) as refused:
        links.grant(good[:at] + other + good[at + 1 :])
    assert refused.value.code == "link_invalid"


@given(st.text(max_size=80))
def test_no_text_is_a_link(text: str) -> None:
    links = Links(b"key", BASE, FakeClock().now)
    for read in (links.ticket, links.grant):
        with pytest.raises(Forbidden) as refused:
            read(text)
        assert refused.value.code == "link_invalid"


def test_another_key_makes_other_links() -> None:
    clock = FakeClock()
    with pytest.raises(Forbidden):
        Links(b"other", BASE, clock.now).grant(token(Links(b"key", BASE, clock.now).granted(GRANT, "k")))


# --- files that are shown ----------------------------------------------------------------------------


async def test_what_is_put_can_be_read_and_sent(opened: Opened) -> None:
    content = bytes(range(256)) * 4000
    await opened.store.put("v/vid_1/a1/poster.jpg", content, "image/jpeg")
    store = opened.restarted().store
    assert await store.read("v/vid_1/a1/poster.jpg") == content
    file = await store.file("v/vid_1/a1/poster.jpg")
    assert file.size_bytes == len(content)
    assert file.content_type == "image/jpeg"
    assert b"".join([piece async for piece in file.read(0, len(content))]) == content
    assert b"".join([piece async for piece in file.read(5, 600_000)]) == content[5:600_000]
    assert [piece async for piece in file.read(7, 7)] == []


async def test_a_file_on_disk_says_where_it_lies(tmp_path: Path, clock: FakeClock) -> None:
    store = disk(tmp_path, clock)
    await store.put("v/vid_1/a1/poster.jpg", b"x", "image/jpeg")
    assert (await store.file("v/vid_1/a1/poster.jpg")).path == str(tmp_path / "media/v/vid_1/a1/poster.jpg")


async def test_etags_are_steady_and_differ(store: Store) -> None:
    await store.put("a.vtt", b"one", "text/vtt")
    await store.put("b.vtt", b"other", "text/vtt")
    first = (await store.file("a.vtt")).etag
    assert first == (await store.file("a.vtt")).etag
    assert first != (await store.file("b.vtt")).etag
    assert '"' not in first


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("master.m3u8", "application/vnd.apple.mpegurl"),
        ("init.mp4", "video/mp4"),
        ("00001.m4s", "video/iso.segment"),
        ("poster.JPG", "image/jpeg"),
        ("en.vtt", "text/vtt"),
        ("avatar.webp", "image/webp"),
        ("unknown.exe", "application/octet-stream"),
        ("nothing", "application/octet-stream"),
    ],
)
async def test_content_types_follow_from_names(store: Store, name: str, content_type: str) -> None:
    await store.put(f"v/vid_1/{name}", b"x", content_type)
    assert (await store.file(f"v/vid_1/{name}")).content_type == content_type


async def test_what_was_never_put_is_not_found(store: Store) -> None:
    await store.put("v/vid_1/a.jpg", b"x", "image/jpeg")
    for key in ("v/vid_1/b.jpg", "v/vid_1", "v/vid_1/a.jpg/b", "", "/v/vid_1/a.jpg", "v//vid_1/a.jpg"):
        with pytest.raises(NotFound):
            await store.read(key)
        with pytest.raises(NotFound):
            await store.file(key)


EVIL = [
    "../secret",
    "v/../../secret",
    "/etc/passwd",
    "v/./x",
    "v//x",
    "",
    "v/",
    ".hidden",
    "v/.x",
    "a\0b",
    "a\\b",
    "a\nb",
]


@pytest.mark.parametrize("key", [*EVIL, "x" * 1000, "/".join("x" * 20)])
async def test_no_key_leads_out_of_the_store(store: Store, key: str) -> None:
    with pytest.raises(Invalid):
        await store.put(key, b"x", "text/plain")
    with pytest.raises(Invalid):
        await store.sign_small(key, 1, SOON)
    for read in (store.read, store.file):
        with pytest.raises(NotFound):
            await read(key)


async def test_uploads_are_never_shown(opened: Opened) -> None:
    await opened.store.assemble(UPLOAD, await all_parts(opened.store))
    for key in (UPLOAD.source, f"../{UPLOAD.source}", f"media/../{UPLOAD.source}"):
        with pytest.raises(NotFound):
            await opened.store.file(key)


async def test_more_than_16_mib_are_refused(store: Store) -> None:
    await store.put("most", b"x" * 16 * MIB, "text/plain")
    with pytest.raises(TooLarge):
        await store.put("more", b"x" * (16 * MIB + 1), "text/plain")
    with pytest.raises(NotFound):
        await store.read("more")


KEYS = ["v/vid_1/a1/x.jpg", "v/vid_1/a1/hls/y.m4s", "v/vid_1/a11/z.jpg", "v/vid_12/a1/x.jpg", "img/i.jpg"]


@pytest.mark.parametrize(
    "prefix", ["v/vid_1/a1/", "v/vid_1/", "v/vid_1", "v/vid_1/a1", "v/", "img/i", "", "nope/", "../", "/"]
)
async def test_prefixes_take_what_starts_so(store: Store, prefix: str) -> None:
    for number, key in enumerate(KEYS, start=1):
        await store.put(key, b"x" * number, "text/plain")
    sizes = {key: number for number, key in enumerate(KEYS, start=1)}
    theirs = [key for key in KEYS if key.startswith(prefix)]
    assert await store.usage(prefix) == sum(sizes[key] for key in theirs)
    assert await store.remove_prefix(prefix) == len(theirs)
    assert await store.remove_prefix(prefix) == 0
    assert await store.usage("") == sum(size for key, size in sizes.items() if key not in theirs)
    for key in theirs:
        with pytest.raises(NotFound):
            await store.read(key)


async def test_what_several_remove_at_once_is_gone_and_no_error(store: Store) -> None:
    """A removed video's files are cleared by whoever hears of it first, and by the job that was making them."""
    for _ in range(10):
        for number in range(30):
            await store.put(f"v/vid_1/a1/hls/{number}.m4s", b"x", "video/mp4")
        await asyncio.gather(*[store.remove_prefix(each) for each in ("v/vid_1/", "v/vid_1/a1/", "v/vid_1/a1/") * 2])
        assert await store.usage("v/vid_1/") == 0


async def test_what_is_directly_under_a_prefix(opened: Opened) -> None:
    store = opened.store
    put: dict[str, tuple[datetime, datetime]] = {}
    for key in ("v/b/y.jpg", "v/a/x.jpg", "v/a.jpg", "v/a/hls/s.m4s", "v/c.jpg", "w.jpg"):
        before = opened.present()
        await store.put(key, b"x", "image/jpeg")
        put[key] = before, opened.present()
        opened.clock.advance(timedelta(minutes=1, microseconds=1))
    here = await store.under("v/")
    assert [stored.name for stored in here] == ["a.jpg", "a/", "b/", "c.jpg"]
    assert [stored.at is None for stored in here] == [False, True, True, False]
    for stored in here:
        if stored.at is not None:
            earliest, latest = put[f"v/{stored.name}"]
            assert earliest <= stored.at < latest + timedelta(seconds=1)  # S3 tells whole seconds
    assert await store.under("v/", limit=2) == here[:2]
    assert await store.under("v/", after="a.jpg", limit=2) == here[1:3]
    assert await store.under("v/", after="a/") == here[2:]
    assert await store.under("v/", after="c.jpg") == []
    assert [stored.name for stored in await store.under("v/a/")] == ["hls/", "x.jpg"]
    for prefix in ("v/nope/", "v/c.jpg/", "../", "/"):
        assert await store.under(prefix) == []


@pytest.mark.parametrize("removed", ["v/vid_1/a1/", "v/vid_1/a1/x", "v/vid_1/", "v/vid_1", "v/vid_1/a1/x.jpg"])
async def test_a_prefix_with_nothing_left_is_not_listed(store: Store, removed: str) -> None:
    await store.put("v/vid_1/a1/x.jpg", b"x", "image/jpeg")
    await store.put("v/vid_2/a1/x.jpg", b"x", "image/jpeg")
    assert await store.remove_prefix(removed) == 1
    assert await store.under("v/") == [Stored("vid_2/", None)]


async def test_what_is_put_while_its_neighbours_go_stays(store: Store) -> None:
    for _ in range(20):
        await store.put("v/vid_1/a1/old.jpg", b"x", "image/jpeg")
        await asyncio.gather(
            store.remove_prefix("v/vid_1/a1/old"), store.put("v/vid_1/a1/new.jpg", b"y", "image/jpeg")
        )  # fmt: skip
        assert await store.read("v/vid_1/a1/new.jpg") == b"y"
        await store.remove_prefix("v/vid_1/")


async def test_a_name_is_free_again_after_its_prefix_is_gone(store: Store) -> None:
    await store.put("v/vid_1/a1/x.jpg", b"one", "image/jpeg")
    await store.remove_prefix("v/vid_1/")
    await store.put("v/vid_1/a1/x.jpg", b"two", "image/jpeg")
    assert await store.read("v/vid_1/a1/x.jpg") == b"two"


# --- uploads, in whatever order ------------------------------------------------------------------------


@frozen(eq=False)
class Slow:
    """A PUT under way: what is queued has been sent, None ends it."""

    number: int
    task: "asyncio.Task[Part]"
    sent: "asyncio.Queue[bytes | Exception | None]"
    content: bytes
    left: bytes


SHORT = evolve(UPLOAD, size_bytes=6)


class UploadMachine(RuleBasedStateMachine):
    """Whatever is sent, broken off, sent twice at once or sent too late: what counts is what came whole, last."""

    opener: Any

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.context = self.opener()
        self.opened: Opened = self.do(self.context.__aenter__())
        self.model: dict[int, tuple[Part, bytes]] = {}
        self.source: bytes | None = None
        self.slow: list[Slow] = []
        self.do(self.opened.store.open(SHORT))

    def do(self, call: Awaitable[T]) -> T:
        async def done() -> T:
            return await call

        return self.runner.run(done())

    def teardown(self) -> None:
        self.drop()
        self.do(self.context.__aexit__(None, None, None))
        self.runner.close()

    def drop(self) -> None:
        async def cancel() -> None:
            for slow in self.slow:
                slow.task.cancel()
            await asyncio.gather(*(slow.task for slow in self.slow), return_exceptions=True)

        self.do(cancel())
        self.slow = []

    numbers = st.integers(1, SHORT.parts)
    seeds = st.sampled_from(b"ABC")

    def content(self, number: int, seed: int) -> bytes:
        return bytes([seed]) * SHORT.size_of(number)

    @rule(number=numbers, seed=seeds)
    def put(self, number: int, seed: int) -> None:
        content = self.content(number, seed)
        if self.source is not None:
            with pytest.raises(Conflict):
                self.do(self.opened.store.receive(SHORT, number, chunks(content)))
            return
        part = self.do(self.opened.store.receive(SHORT, number, chunks(content[:1], content[1:])))
        assert (part.number, part.size_bytes) == (number, len(content))
        self.model[number] = (part, content)

    @precondition(lambda self: self.source is None)
    @rule(number=numbers, size=st.sampled_from([0, 1, 5]))
    def put_another_size(self, number: int, size: int) -> None:
        with pytest.raises(Invalid):
            self.do(self.opened.store.receive(SHORT, number, chunks(b"!" * size)))

    @precondition(lambda self: self.source is None)
    @rule(number=numbers, size=st.integers(0, 2))
    def put_broken_off(self, number: int, size: int) -> None:
        with pytest.raises(Gone):
            self.do(self.opened.store.receive(SHORT, number, chunks(b"!" * size, error=Gone())))

    @precondition(lambda self: self.source is None and len(self.slow) < 4)
    @rule(number=numbers, seed=seeds, share=st.integers(0, 2))
    def begin_slowly(self, number: int, seed: int, share: int) -> None:
        content, sent, asked = self.content(number, seed), asyncio.Queue[bytes | Exception | None](), asyncio.Event()

        async def queued() -> AsyncIterator[bytes]:
            yield content[:share]
            asked.set()
            while (piece := await sent.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece

        async def begin() -> "asyncio.Task[Part]":
            task = asyncio.ensure_future(self.opened.store.receive(SHORT, number, queued()))
            await asked.wait()
            return task

        self.slow.append(Slow(number, self.do(begin()), sent, content, content[share:]))

    @precondition(lambda self: self.slow)
    @rule(which=st.integers(0, 3))
    def end_slowly(self, which: int) -> None:
        slow = self.slow.pop(which % len(self.slow))

        async def end() -> Part:
            slow.sent.put_nowait(slow.left)
            slow.sent.put_nowait(None)
            return await slow.task

        if self.source is not None:
            with pytest.raises(Conflict):
                self.do(end())
            return
        part = self.do(end())
        assert (part.number, part.size_bytes) == (slow.number, len(slow.content))
        self.model[slow.number] = (part, slow.content)

    @precondition(lambda self: self.slow)
    @rule(which=st.integers(0, 3))
    def break_off_slowly(self, which: int) -> None:
        slow = self.slow.pop(which % len(self.slow))

        async def end() -> Part:
            slow.sent.put_nowait(Gone())
            return await slow.task

        with pytest.raises(Gone):
            self.do(end())

    @rule()
    def restart(self) -> None:
        self.drop()
        self.opened = self.opened.restarted()

    @rule()
    def assemble(self) -> None:
        parts = self.do(self.opened.store.received(SHORT))
        if len(self.model) < SHORT.parts:
            with pytest.raises(Invalid):
                self.do(self.opened.store.assemble(SHORT, parts))
            return
        assert self.do(self.opened.store.assemble(SHORT, parts)) == SHORT.size_bytes
        self.source = b"".join(content for _, (_, content) in sorted(self.model.items()))

    @rule(number=numbers)
    def assemble_another(self, number: int) -> None:
        received = self.received()
        if SHORT.assembled(received) and number > 1:  # there is no such part any more
            return
        parts = [evolve(part, etag="?" if part.number == number else part.etag) for part in received]
        with pytest.raises(Invalid):
            self.do(self.opened.store.assemble(SHORT, parts))

    @rule()
    def discard(self) -> None:
        self.drop()
        self.do(self.opened.store.discard(SHORT))
        assert self.received() == []
        self.do(self.opened.store.open(SHORT))
        self.model, self.source = {}, None

    def received(self) -> Sequence[Part]:
        return self.do(self.opened.store.received(SHORT))

    @invariant()
    def what_counts_is_what_came_whole_last(self) -> None:
        received = self.received()
        assembled = self.source is not None and SHORT.assembled(received)
        assert assembled or received == [part for _, (part, _) in sorted(self.model.items())]

    @invariant()
    def the_source_never_changes(self) -> None:
        if self.source is not None:
            assert self.do(self.opened.source(SHORT.source)) == self.source


@pytest.mark.parametrize("opener", OPENERS, ids=[opener.__name__ for opener in OPENERS])
def test_uploads_behave_like_the_model(opener: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting for the disk: what a power cut leaves is tested elsewhere."""
    for name in ("os.fsync", "os.fdatasync"):
        monkeypatch.setattr(name, lambda _: None)
    machine = type("Machine", (UploadMachine,), {"opener": staticmethod(opener)})
    examples = EXAMPLES.get(opener, 100)
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=30))


# --- the disk alone ------------------------------------------------------------------------------------


def disk(root: Path, clock: FakeClock) -> DiskMedia:
    return DiskMedia(root, Links(b"key", BASE, clock.now), clock.now)


def full_disk(_: int, __: object, ___: int) -> int:
    raise OSError(28, "No space left on device")


async def test_a_full_disk_is_told_and_the_partial_is_gone(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = disk(tmp_path, clock)
    await store.open(UPLOAD)
    kept = await store.receive(UPLOAD, 1, chunks(b"abcd"))
    with monkeypatch.context() as patched:
        patched.setattr("os.pwritev", full_disk)
        for number in (1, 2):
            with pytest.raises(Unavailable) as refused:
                await store.receive(UPLOAD, number, chunks(b"XXXX"))
            assert refused.value.code == "insufficient_storage"
        with pytest.raises(Unavailable):
            await store.receive_small(SmallTicket("img_1", 1), chunks(b"x"))
    assert await store.received(UPLOAD) == [kept]
    assert [path.name for path in (tmp_path / "raw" / UPLOAD.id / "parts").iterdir()] == ["1"]
    assert list((tmp_path / "small").iterdir()) == []
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_what_a_broken_put_took_is_given_back(tmp_path: Path, clock: FakeClock) -> None:
    upload = real(8 * MIB)
    store = disk(tmp_path, clock)
    await store.open(upload)
    with pytest.raises(Gone):
        await store.receive(upload, 1, chunks(b"x" * 7 * MIB, error=Gone()))
    assert (tmp_path / "raw" / UPLOAD.id / "source.partial").stat().st_blocks * 512 < MIB


async def test_a_marker_cut_short_is_no_part(tmp_path: Path, clock: FakeClock) -> None:
    store = disk(tmp_path, clock)
    parts = await all_parts(store)
    (tmp_path / "raw" / UPLOAD.id / "parts" / "2").write_text("")
    assert await store.received(UPLOAD) == [parts[0], parts[2]]
    await store.receive(UPLOAD, 2, chunks(b"EFGH"))
    await store.assemble(UPLOAD, await store.received(UPLOAD))
    assert (tmp_path / UPLOAD.source).read_bytes() == b"abcdEFGHij"


async def test_completing_moves_the_file_and_copies_nothing(tmp_path: Path, clock: FakeClock) -> None:
    store = disk(tmp_path, clock)
    parts = await all_parts(store)
    before = (tmp_path / "raw" / UPLOAD.id / "source.partial").stat().st_ino
    await store.assemble(UPLOAD, parts)
    assert (tmp_path / UPLOAD.source).stat().st_ino == before
