"""What a process may do to a folder of media, alone or beside others, so that it can be killed at any step of it."""

import asyncio
import fcntl
import itertools
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

from attrs import evolve

from adapters.links import Links
from adapters.local.disk import DiskMedia
from adapters.local.durable import room
from application.ports import SmallTicket
from domain.errors import Conflict, Invalid
from domain.ids import ChannelId, UploadId, UserId, VideoId
from domain.uploads import Part, Upload
from tests.strategies import START
from tests.worlds import FakeClock

STEPS = ("open", "mkdir", "rename", "unlink", "rmdir", "pwritev", "pwrite", "utime")
"""Where in ``os`` the adapter meets the disk, beside synchronising."""


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
OTHER = evolve(UPLOAD, id=UploadId("upl_2"))
KEY = "v/vid_1/a1/poster.jpg"
SMALL = SmallTicket("img_1", 5)


def store_in(root: Path) -> DiskMedia:
    clock = FakeClock()
    return DiskMedia(root, Links(b"key", "", clock.now), clock.now, gather_bytes=2)


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def begun(store: DiskMedia) -> None:
    """An upload with parts 1 and 2, the first in its place, the second elsewhere; and a file that is shown."""
    await store.open(UPLOAD)
    for number, content in ((1, b"abcd"), (2, b"EFGH"), (2, b"efgh")):
        await store.receive(UPLOAD, number, chunks(content))
    await store.put("v/vid_0/a1/poster.jpg", b"shown", "image/jpeg")


async def whole(store: DiskMedia) -> None:
    await begun(store)
    await store.receive(UPLOAD, 3, chunks(b"ij"))


async def opens(store: DiskMedia) -> None:
    await store.open(OTHER)


async def sends_the_first_time(store: DiskMedia) -> None:
    await store.receive(UPLOAD, 3, chunks(b"i", b"j"))


async def sends_again_elsewhere(store: DiskMedia) -> None:
    await store.receive(UPLOAD, 1, chunks(b"AB", b"CD"))


async def sends_again_in_place(store: DiskMedia) -> None:
    """Part 2 lay in place, then elsewhere, and comes back."""
    await store.receive(UPLOAD, 2, chunks(b"XY", b"ZZ"))


async def completes(store: DiskMedia) -> None:
    await store.assemble(UPLOAD, await store.received(UPLOAD))


async def discards(store: DiskMedia) -> None:
    await store.discard(UPLOAD)


async def puts(store: DiskMedia) -> None:
    await store.put(KEY, b"poster", "image/jpeg")


async def adopts(store: DiskMedia) -> None:
    made = store.scratch()
    with room():
        (made / "720p").mkdir()
    (made / "720p" / "1.m4s").write_bytes(b"one")
    (made / "720p" / "2.m4s").write_bytes(b"two")
    await store.adopt(made / "720p", "v/vid_1/a1/hls/720p")


async def sends_small(store: DiskMedia) -> None:
    await store.receive_small(SMALL, chunks(b"he", b"llo"))


async def removes(store: DiskMedia) -> None:
    await store.remove_prefix("v/vid_0/")


Work = Callable[[DiskMedia], Awaitable[None]]
WORKS: Mapping[str, tuple[Work, Work]] = {
    work.__name__: (before, work)
    for before, work in (
        (begun, opens), (begun, sends_the_first_time), (begun, sends_again_elsewhere), (begun, sends_again_in_place),
        (whole, completes), (whole, discards), (begun, puts), (begun, adopts), (begun, sends_small), (begun, removes),
    )
}  # fmt: skip
"""What is there before, and what is done then."""


def killed(root: Path, name: str, nth: int) -> None:
    """Do it, but be no more just before its ``nth`` step on the disk."""
    store = store_in(root)
    steps = itertools.count(1)

    def step(do: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            if next(steps) == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            return do(*arguments, **named)

        return counted

    for each in STEPS:
        setattr(os, each, step(getattr(os, each)))
    os.fsync = os.fdatasync = step(lambda _: None)
    fcntl.flock = step(fcntl.flock)
    asyncio.run(run(WORKS[name][1], store))


async def run(work: Work, store: DiskMedia) -> None:
    await work(store)


def stalls(root: Path, pieces: Sequence[bytes], sent: Event, more: Event, outcome: Any) -> None:
    """Send part 1 but its last piece, say so, wait, and go on; tell what came of it."""

    async def slowly() -> AsyncIterator[bytes]:
        for piece in pieces[:-1]:
            yield piece
        sent.set()
        await asyncio.to_thread(more.wait)
        yield pieces[-1]

    async def put() -> str:
        try:
            return (await store_in(root).receive(UPLOAD, 1, slowly())).etag
        except Conflict as refused:
            return refused.code

    outcome.put(asyncio.run(put()))


def sends_often(root: Path, letter: bytes, rounds: int, together: Barrier, outcome: Any) -> None:
    """Send part 1 in each round, at the same time as others, and tell the etags."""

    async def send() -> Sequence[str]:
        store, etags = store_in(root), []
        for number in range(rounds):
            await asyncio.to_thread(together.wait)
            content = letter * 3 + b"%d" % (number % 10)
            etags.append((await store.receive(UPLOAD, 1, chunks(*(content[at : at + 1] for at in range(4))))).etag)
            await asyncio.to_thread(together.wait)
        return etags

    outcome.put(asyncio.run(send()))


def races(root: Path, name: str, rounds: int, together: Barrier, outcome: Any) -> None:
    """In each round, on an upload of its own: send part 1, complete or discard, at the same time as others do."""

    async def race() -> Sequence[str]:
        store, told = store_in(root), []
        for number in range(rounds):
            upload = evolve(UPLOAD, id=UploadId(f"upl_{number}"))
            await asyncio.to_thread(together.wait)
            told.append(await _told(store, upload, name))
            await asyncio.to_thread(together.wait)
        return told

    outcome.put(asyncio.run(race()))


async def _told(store: DiskMedia, upload: Upload, name: str) -> str:
    try:
        if name == "send":
            return (await store.receive(upload, 1, chunks(b"A", b"B", b"C", b"D"))).etag
        if name == "complete":
            parts: Sequence[Part] = await store.received(upload)
            return "completed" if await store.assemble(upload, parts) == upload.size_bytes else "short"
        await store.discard_unknown(upload.id)
    except (Conflict, Invalid) as refused:
        return refused.code
    return "discarded"
