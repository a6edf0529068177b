"""The folder of media under several processes, kills, a full disk and power cuts."""

import asyncio
import errno
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve, field

from adapters.local.disk import DiskMedia, removals_paused
from domain.errors import Invalid, NotFound, Unavailable
from domain.ids import UploadId
from domain.uploads import Part
from tests.adapters import diskwork
from tests.adapters.diskwork import KEY, OTHER, SMALL, UPLOAD, WORKS, chunks, store_in

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.adapters.diskwork"])


async def in_process(work: Callable[..., None], *arguments: object) -> int | None:
    """What became of a process of its own: 0, or minus the signal."""
    process = PROCESSES.Process(target=work, args=arguments)
    process.start()
    await asyncio.to_thread(process.join)
    return process.exitcode


@pytest.fixture
def store(tmp_path: Path) -> DiskMedia:
    return store_in(tmp_path)


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of the disk is counted; whether it obeys, no test can tell."""
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _: None)


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def etags(parts: Sequence[Part]) -> dict[int, str]:
    return {part.number: part.etag for part in parts}


async def etag_of(root: Path, number: int, content: bytes) -> str:
    """The etag that these bytes have, from an upload that nobody looks at."""
    store = store_in(root / "aside")
    await store.open(UPLOAD)
    return (await store.receive(UPLOAD, number, chunks(content))).etag


async def look(root: Path) -> dict[str, object]:
    """All that anyone is shown of the folder."""
    store = store_in(root)
    seen: dict[str, object] = {}
    for key in (KEY, "v/vid_0/a1/poster.jpg", "v/vid_1/a1/hls/720p/1.m4s", "v/vid_1/a1/hls/720p/2.m4s"):
        try:
            seen[key] = await store.read(key)
        except NotFound:
            seen[key] = None
    try:
        seen[SMALL.name] = await store.take_small(SMALL.name)
    except NotFound:
        seen[SMALL.name] = None
    seen["parts"] = etags(await store.received(UPLOAD))
    seen["source"] = path.read_bytes() if (path := store.source(UPLOAD.source)) else None
    return seen


async def goes_on(root: Path) -> None:
    """Whatever broke off: what is there of the upload are whole versions, and it can be completed."""
    store = store_in(root)
    await store.open(UPLOAD)
    had = await store.received(UPLOAD)
    for number, content in ((1, b"abcd"), (2, b"efgh"), (3, b"ij")):
        if number not in etags(had):
            await store.receive(UPLOAD, number, chunks(content))
    assert await store.assemble(UPLOAD, await store.received(UPLOAD)) == 10
    content = (root / UPLOAD.source).read_bytes()
    assert content[:4] in {b"abcd", b"ABCD"}
    assert content[4:8] in {b"efgh", b"XYZZ"}
    assert content[8:] == b"ij"
    for part in had:
        start = (part.number - 1) * 4
        assert await etag_of(root, part.number, content[start : start + 4]) == part.etag
    assert listed(root / "raw" / UPLOAD.id / "parts") == ["1", "2", "3"]


async def goes(root: Path) -> None:
    """Whatever broke off, nothing of it is left in the end."""
    store = store_in(root)
    for upload in await store.held():
        await store.discard_unknown(upload)
    await store.remove_prefix("v/")
    store.clear_scratch()
    assert [listed(root / name) for name in ("raw", "media", "tmp")] == [[], [], []]


# --- kills ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORKS)
async def test_a_process_killed_at_any_step_leaves_all_of_it_or_nothing(tmp_path: Path, name: str) -> None:
    before_it, work = WORKS[name]
    await before_it(store_in(tmp_path / "never"))
    before = await look(tmp_path / "never")
    await work(store_in(tmp_path / "never"))
    after = await look(tmp_path / "never")
    for nth in count(1):
        root = tmp_path / str(nth)
        await before_it(store_in(root))
        status = await in_process(diskwork.killed, root, name, nth)
        seen = await look(root)
        if name not in {"discards", "removes"}:
            assert seen in (before, after)
            await goes_on(root)
        await goes(root)
        if status == 0:
            assert seen == after
            return
        assert status == -signal.SIGKILL


async def test_the_place_of_a_killed_put_is_free_again(tmp_path: Path, store: DiskMedia) -> None:
    await store.open(UPLOAD)
    sent, more, outcome = PROCESSES.Event(), PROCESSES.Event(), PROCESSES.Queue()
    process = PROCESSES.Process(target=diskwork.stalls, args=(tmp_path, [b"XX", b"X", b"X"], sent, more, outcome))
    process.start()
    await asyncio.to_thread(sent.wait)
    process.kill()
    await asyncio.to_thread(process.join)
    assert await store.received(UPLOAD) == []
    await store.receive(UPLOAD, 1, chunks(b"abcd"))
    assert listed(tmp_path / "raw" / UPLOAD.id / "parts") == ["1"]


# --- several processes ---------------------------------------------------------------------------------


def everyone(work: Callable[..., None], each: Sequence[Sequence[object]]) -> Callable[[], Awaitable[list[Any]]]:
    async def run() -> list[Any]:
        together = PROCESSES.Barrier(len(each))
        outcomes = [PROCESSES.Queue() for _ in each]
        started = [
            PROCESSES.Process(target=work, args=(*arguments, together, outcome))
            for arguments, outcome in zip(each, outcomes, strict=True)
        ]
        for process in started:
            process.start()
        told = [await asyncio.to_thread(outcome.get) for outcome in outcomes]
        for process in started:
            await asyncio.to_thread(process.join)
        return told

    return run


async def test_one_part_sent_by_several_processes_is_one_of_what_they_sent(tmp_path: Path, store: DiskMedia) -> None:
    await store.open(UPLOAD)
    rounds = 25
    told = await everyone(diskwork.sends_often, [(tmp_path, letter, rounds) for letter in (b"A", b"B", b"C")])()
    kept = etags(await store.received(UPLOAD))
    assert kept[1] in {etags[-1] for etags in told}
    assert len(listed(tmp_path / "raw" / UPLOAD.id / "parts")) <= 2  # a marker and what it points at
    for number, content in ((2, b"efgh"), (3, b"ij")):
        await store.receive(UPLOAD, number, chunks(content))
    await store.assemble(UPLOAD, await store.received(UPLOAD))
    content = (tmp_path / UPLOAD.source).read_bytes()
    assert content[4:] == b"efghij"
    assert await etag_of(tmp_path, 1, content[:4]) == kept[1]


@pytest.mark.parametrize("pieces", [(b"XX", b"XX"), (b"X", b"X", b"X", b"X")])
async def test_a_put_ends_when_another_process_completes_the_upload(
    tmp_path: Path, store: DiskMedia, pieces: Sequence[bytes]
) -> None:
    await store.open(UPLOAD)
    sent, more, outcome = PROCESSES.Event(), PROCESSES.Event(), PROCESSES.Queue()
    process = PROCESSES.Process(target=diskwork.stalls, args=(tmp_path, pieces, sent, more, outcome))
    process.start()
    await asyncio.to_thread(sent.wait)
    parts = [
        await store.receive(UPLOAD, number, chunks(content))
        for number, content in ((1, b"abcd"), (2, b"efgh"), (3, b"ij"))
    ]
    assert await store.assemble(UPLOAD, parts) == 10
    more.set()
    assert await asyncio.to_thread(outcome.get) == "upload_closed"
    await asyncio.to_thread(process.join)
    assert (tmp_path / UPLOAD.source).read_bytes() == b"abcdefghij"
    assert await store.received(UPLOAD) == parts
    assert listed(tmp_path / "raw" / UPLOAD.id / "parts") == ["1", "2", "3"]


async def test_a_put_ends_when_another_process_discards_the_upload(tmp_path: Path, store: DiskMedia) -> None:
    await store.open(UPLOAD)
    sent, more, outcome = PROCESSES.Event(), PROCESSES.Event(), PROCESSES.Queue()
    process = PROCESSES.Process(target=diskwork.stalls, args=(tmp_path, [b"XX", b"XX"], sent, more, outcome))
    process.start()
    await asyncio.to_thread(sent.wait)
    await store.discard(UPLOAD)
    await store.open(UPLOAD)  # under the same name even: the PUT belongs to what is gone
    more.set()
    assert await asyncio.to_thread(outcome.get) == "upload_closed"
    await asyncio.to_thread(process.join)
    assert await store.received(UPLOAD) == []
    assert listed(tmp_path / "raw" / UPLOAD.id / "parts") == []


async def test_sending_completing_and_discarding_at_once(tmp_path: Path, store: DiskMedia) -> None:
    rounds = 25
    uploads = [evolve(UPLOAD, id=UploadId(f"upl_{number}")) for number in range(rounds)]
    for number, upload in enumerate(uploads):
        await store.open(upload)
        for each, content in ((1, b"abcd"), (2, b"EFGH"), (2, b"efgh"), (3, b"ij")):
            await store.receive(upload, each, chunks(content))
        if number % 2:  # the first part elsewhere, so that its place is free
            await store.receive(upload, 1, chunks(b"abcd"))
    old, new = await etag_of(tmp_path, 1, b"abcd"), await etag_of(tmp_path, 1, b"ABCD")
    told = await everyone(diskwork.races, [(tmp_path, each, rounds) for each in ("send", "send", "complete")])()
    for upload, *sent, completed in zip(uploads, *told, strict=True):
        assert set(sent) <= {new, "upload_closed"}
        if completed == "etag_mismatch":  # it changed between looking and completing
            await store.assemble(upload, await store.received(upload))
        else:
            assert completed == "completed"
        content = (tmp_path / upload.source).read_bytes()
        assert content[:4] == (b"ABCD" if new in sent else content[:4])
        kept = etags(await store.received(upload))[1]
        assert (kept, content) in {(old, b"abcdefghij"), (new, b"ABCDefghij")}
    for upload in uploads:
        await store.discard(upload)
        await store.open(upload)
        for each, content in ((1, b"abcd"), (2, b"efgh"), (3, b"ij")):
            await store.receive(upload, each, chunks(content))
    told = await everyone(
        diskwork.races, [(tmp_path, each, rounds) for each in ("send", "complete", "discard", "discard")]
    )()
    for sent, completed, *discarded in zip(*told, strict=True):
        assert sent in {new, "upload_closed"}
        assert completed in {"completed", "parts_missing", "etag_mismatch"}
        assert discarded == ["discarded", "discarded"]
    assert await store.held() == []


async def test_nothing_is_removed_while_removals_are_paused(tmp_path: Path, store: DiskMedia) -> None:
    await diskwork.whole(store)
    parts = await store.received(UPLOAD)
    await store.assemble(UPLOAD, parts)
    other = store_in(tmp_path)
    with removals_paused(tmp_path):
        removing = [
            asyncio.ensure_future(other.remove_prefix("v/")),
            asyncio.ensure_future(other.discard(UPLOAD)),
            asyncio.ensure_future(store.discard_unknown(UPLOAD.id)),
        ]
        for _ in range(3):  # everything else goes on
            await store.put(KEY, b"x", "image/jpeg")
            await store.open(OTHER)
        assert not any(each.done() for each in removing)
        assert await store.read("v/vid_0/a1/poster.jpg") == b"shown"
        assert (tmp_path / UPLOAD.source).exists()
    await asyncio.gather(*removing)
    assert await store.held() == [OTHER.id]
    assert await store.usage("") == 0


async def test_scratch_is_nobody_elses_and_stays_until_it_is_cleared(tmp_path: Path) -> None:
    first, second = store_in(tmp_path), store_in(tmp_path)
    folders = {each.scratch() for each in (first, second) * 10}
    assert len(folders) == 20
    store_in(tmp_path)
    assert all(folder.is_dir() for folder in folders)
    first.clear_scratch()
    assert listed(tmp_path / "tmp") == []


# --- a full disk ---------------------------------------------------------------------------------------

TAKE_ROOM = ("open", "mkdir", "rename", "pwritev", "pwrite", "fsync", "fdatasync")


@define
class Room:
    """From the ``nth`` step on that could take room, there is none (or: at this step alone)."""

    nth: int
    once: bool
    code: int
    _steps: Iterator[int] = field(factory=lambda: count(1))
    hit: bool = False

    def over(self, do: Callable[..., Any], *, opens: bool) -> Callable[..., Any]:
        def tried(*arguments: Any, **named: Any) -> Any:
            if not opens or arguments[1] & os.O_CREAT:
                step = next(self._steps)
                if step == self.nth or (step > self.nth and not self.once):
                    self.hit = True
                    raise OSError(self.code, os.strerror(self.code))
            return do(*arguments, **named)

        return tried


@pytest.mark.parametrize("once", [False, True], ids=["from then on", "once"])
@pytest.mark.parametrize("name", [name for name in WORKS if name not in {"discards", "removes"}])
async def test_a_disk_full_at_any_step_is_told_and_what_was_there_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, once: bool
) -> None:
    before_it, work = WORKS[name]
    await before_it(store_in(tmp_path / "never"))
    before = await look(tmp_path / "never")
    await work(store_in(tmp_path / "never"))
    after = await look(tmp_path / "never")
    for nth in count(1):
        root = tmp_path / str(nth)
        store = store_in(root)
        await before_it(store)
        room = Room(nth, once, errno.ENOSPC if nth % 2 else errno.EDQUOT)
        with monkeypatch.context() as full:
            for each in TAKE_ROOM:
                full.setattr(os, each, room.over(getattr(os, each), opens=each == "open"))
            try:
                await work(store)
            except (Unavailable, OSError) as refused:
                told: Exception | None = refused
            else:
                told = None
        seen = await look(root)
        if not room.hit:
            assert (told, seen) == (None, after)
            return
        assert isinstance(told, Unavailable)
        assert told.code == "insufficient_storage"
        assert seen in (before, after)  # after: the new name was there, only not yet on the disk
        assert listed(root / "tmp") == [] or name == "adopts"  # whose scratch belongs to whoever asked for it
        await goes_on(root)
        await goes(root)


async def test_freeing_space_works_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(tmp_path)
    await diskwork.whole(store)
    await store.open(OTHER)
    await store.assemble(UPLOAD, await store.received(UPLOAD))
    (store.scratch() / "left").write_bytes(b"x")
    room = Room(1, once=False, code=errno.ENOSPC)
    with monkeypatch.context() as full:
        for each in TAKE_ROOM:
            full.setattr(os, each, room.over(getattr(os, each), opens=each == "open"))
        await store.discard(UPLOAD)
        await store.discard_unknown(OTHER.id)
        assert await store.remove_prefix("v/") == 1
        store.clear_scratch()
    assert not room.hit
    assert await store.held() == []
    assert [listed(tmp_path / name) for name in ("raw", "media", "tmp")] == [[], [], []]


# --- power cuts ----------------------------------------------------------------------------------------


@define
class Platter:
    """Which files and folders have changed since they were last synchronised, by inode."""

    content: set[int] = field(factory=set)
    names: set[int] = field(factory=set)

    def watch(self, patched: pytest.MonkeyPatch) -> None:
        for name in ("open", "mkdir", "rename", "pwritev", "pwrite", "fsync", "fdatasync"):
            patched.setattr(os, name, getattr(self, f"_{name}")(getattr(os, name)))

    def kept(self, path: Path, root: Path) -> bool:
        """Whether the file, its name and those of all folders above are on the disk."""
        above = list(path.parents)
        folders = above[: above.index(root) + 1]
        return path.stat().st_ino not in self.content and not any(each.stat().st_ino in self.names for each in folders)

    @staticmethod
    def _folder(path: object, dir_fd: int | None) -> int:
        return os.stat(Path(str(path)).parent, dir_fd=dir_fd).st_ino

    def _open(self, do: Callable[..., int]) -> Callable[..., int]:
        def opened(path: object, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            if flags & os.O_CREAT:
                self.names.add(self._folder(path, dir_fd))
            return do(path, flags, mode, dir_fd=dir_fd)

        return opened

    def _mkdir(self, do: Callable[..., None]) -> Callable[..., None]:
        def made(path: object, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
            do(path, mode, dir_fd=dir_fd)
            self.names.add(self._folder(path, dir_fd))

        return made

    def _rename(self, do: Callable[..., None]) -> Callable[..., None]:
        def renamed(
            source: object, target: object, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
        ) -> None:
            assert os.stat(str(source), dir_fd=src_dir_fd).st_ino not in self.content | self.names
            do(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            self.names.add(self._folder(target, dst_dir_fd))

        return renamed

    def _written(self, do: Callable[..., int]) -> Callable[..., int]:
        def written(handle: int, *arguments: Any) -> int:
            self.content.add(os.fstat(handle).st_ino)
            return do(handle, *arguments)

        return written

    def _synced(self, do: Callable[..., None]) -> Callable[..., None]:
        def synced(handle: int) -> None:
            do(handle)
            self.content.discard(os.fstat(handle).st_ino)
            self.names.discard(os.fstat(handle).st_ino)

        return synced

    _pwritev = _pwrite = _written
    _fsync = _fdatasync = _synced


async def test_what_is_answered_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    platter = Platter()
    platter.watch(monkeypatch)
    root = tmp_path
    raw = root / "raw" / UPLOAD.id
    store = store_in(root)
    await store.open(UPLOAD)
    assert platter.kept(raw / "source.partial", root)
    for number, content in ((1, b"abcd"), (2, b"EFGH"), (2, b"efgh"), (3, b"ij")):
        await store.receive(UPLOAD, number, chunks(content))
        assert platter.kept(raw / "parts" / str(number), root)
        assert not any(each.stat().st_ino in platter.content for each in (raw / "parts").iterdir())
        assert (raw / "source.partial").stat().st_ino not in platter.content
    await store.assemble(UPLOAD, await store.received(UPLOAD))
    assert platter.kept(root / UPLOAD.source, root)
    await store.put(KEY, b"poster", "image/jpeg")
    assert platter.kept(root / "media" / KEY, root)
    await diskwork.adopts(store)
    assert platter.kept(root / "media/v/vid_1/a1/hls/720p/1.m4s", root)
    await diskwork.sends_small(store)
    assert platter.kept(root / "small" / SMALL.name, root)


async def test_bytes_go_into_a_place_only_when_the_disk_knows_that_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part 1 lies in place. Another version, elsewhere, is marked, but the marker's name not yet on the disk, when
    a third comes: after a power cut the first marker could be back, over the bytes of the third.
    """
    store = store_in(tmp_path)
    await store.open(UPLOAD)
    await store.receive(UPLOAD, 1, chunks(b"abcd"))
    platter = Platter()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", Room(1, once=True, code=errno.ENOSPC).over(os.fsync, opens=False))
        platter.watch(patched)
        with pytest.raises(Unavailable):
            await store.receive(UPLOAD, 1, chunks(b"ABCD"))
        parts = tmp_path / "raw" / UPLOAD.id / "parts"
        assert not platter.kept(parts / "1", tmp_path)
        written, known = os.pwritev, []

        def looked_at(*arguments: Any) -> int:
            known.append(platter.kept(parts / "1", tmp_path))
            return written(*arguments)

        patched.setattr(os, "pwritev", looked_at)
        with pytest.raises(Invalid):
            await store.receive(UPLOAD, 1, chunks(b"XX"))
        assert known == [True]
