"""What was backed up while others wrote comes back whole; what is not whole comes back not at all."""

import errno
import hashlib
import io
import json
import os
import shutil
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from attrs import evolve

from adapters.local import backup as module
from adapters.local.backup import FORMAT, backup, restore
from adapters.local.columns import TABLES
from adapters.local.disk import removals_paused
from adapters.local.schema import MIGRATIONS
from adapters.rows import text_of
from domain.errors import Conflict, DomainError, Invalid, NotFound, Unavailable
from domain.ids import VideoId
from domain.videos import Video
from tests.adapters.houses import FILES, VIDEO, House, furnished, opened
from tests.strategies import START


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with furnished(tmp_path / "data") as house:
        yield house


@pytest.fixture
def made(house: House, tmp_path: Path) -> Path:
    target = tmp_path / "backup.tar"
    result = backup(house.data / "hexcast.db", house.media, target, START)
    assert result.missing == ()
    return target


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_of_it_comes_back(house: House, made: Path, tmp_path: Path) -> None:
    """The database, and every file that is whole; open uploads take their parts again."""
    data = tmp_path / "elsewhere" / "data"
    manifest = restore(made, data)
    assert (manifest.created_at, manifest.schema) == (START, len(MIGRATIONS))
    assert files(data / "media") == FILES | {"raw/upl_2/source.partial": b""}
    assert (data / "media/raw/upl_2/parts").is_dir()
    assert (data / "hexcast.db").stat().st_mode & 0o777 == 0o600
    with opened(data) as restored:
        assert restored.findings() == []
        for table in ("user", "account", "video", "comment", "event", "setting"):
            statement = f"SELECT * FROM {table}"  # noqa: S608  (ours)
            assert restored.database.rows(statement) == house.database.rows(statement)


def test_any_tar_reads_it(made: Path) -> None:
    """The manifest comes first, and says what there is."""
    with tarfile.open(made) as tar:
        first, second, *rest = tar.getnames()
        content = tar.extractfile("manifest.json")
        assert content is not None
        manifest = json.load(content)
    assert (first, second) == ("manifest.json", "hexcast.db")
    assert sorted(rest) == sorted(f"media/{name}" for name in FILES)
    assert [each["name"] for each in manifest["files"]] == [second, *rest]
    assert manifest["format"] == 1
    assert made.stat().st_mode & 0o777 == 0o600


def test_nothing_stays_beside_it(house: House, made: Path) -> None:
    assert {path.name for path in made.parent.iterdir()} == {"backup.tar", "data"}
    assert list((house.media / "backup").iterdir()) == []


def test_how_far_it_is_is_told(house: House, tmp_path: Path) -> None:
    """To the last byte, both ways."""
    told: list[tuple[str, int, int]] = []
    target = tmp_path / "backup.tar"
    backup(house.data / "hexcast.db", house.media, target, START, lambda *each: told.append(each))
    assert {what for what, _, _ in told} == {"holding", "packing"}
    assert told[-1][1] == told[-1][2] > 5000
    told.clear()
    restore(target, tmp_path / "elsewhere", lambda *each: told.append(each))
    assert told[-1][1] == told[-1][2] > 5000


def test_what_is_not_there_is_named(house: House, tmp_path: Path) -> None:
    """And the rest is backed up."""
    for name in ("raw/upl_1/source", "media/v/vid_1/a1/hls/master.m3u8", "media/c/chn_cats/avatar.jpg"):
        (house.media / name).unlink()
    result = backup(house.data / "hexcast.db", house.media, tmp_path / "backup.tar", START)
    assert sorted(result.missing) == [
        "media/media/c/chn_cats/avatar.jpg", "media/media/v/vid_1/a1/hls/master.m3u8", "media/raw/upl_1/source",
    ]  # fmt: skip
    restore(tmp_path / "backup.tar", tmp_path / "elsewhere")


def test_without_a_database_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as refused:
        backup(tmp_path / "hexcast.db", tmp_path / "media", tmp_path / "backup.tar", START)
    assert refused.value.code == "no_data"
    assert list(tmp_path.iterdir()) == []


# --- while others write ---------------------------------------------------------------------------


def publish(house: House, number: int) -> None:
    """As the platform does: the files first, then the record that names them."""
    video = evolve(VIDEO, id=VideoId(f"vid_n{number}"), thumbnail=f"v/vid_n{number}/i/t.jpg", tags=())
    house.put({f"media/v/{video.id}/a1/hls/master.m3u8": b"#EXTM3U\n", f"media/{video.thumbnail}": b"jpeg"})
    house.database._write.execute("BEGIN IMMEDIATE").fetchall()
    house.database._write.execute(TABLES[Video].insert, (*TABLES[Video].place(video), text_of(video))).fetchall()
    house.database._write.execute("UPDATE listed_count SET count = count + 1").fetchall()
    house.database._write.execute("COMMIT").fetchall()


def remove(house: House, number: int) -> None:
    """As the platform does: the record first, then its files, unless removals are paused."""
    house.database._write.execute("BEGIN IMMEDIATE").fetchall()
    house.database._write.execute("DELETE FROM video WHERE id = ?", (f"vid_n{number}",)).fetchall()
    house.database._write.execute("UPDATE listed_count SET count = count - 1").fetchall()
    house.database._write.execute("COMMIT").fetchall()
    with removals_paused(house.media):  # whoever removes waits as a backup would
        shutil.rmtree(house.media / f"media/v/vid_n{number}")


def test_it_is_of_one_moment_while_others_write(house: House, tmp_path: Path) -> None:
    """Whatever the snapshot names is there; nothing else is."""
    stop = threading.Event()
    begun = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            publish(house, number)
            if number >= 3:
                remove(house, number - 3)
                begun.set()
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(30)
        results = [backup(house.data / "hexcast.db", house.media, tmp_path / f"{each}.tar", START) for each in range(3)]
    finally:
        stop.set()
        writer.join()
    assert [result.missing for result in results] == [(), (), ()]
    for each in range(3):
        restore(tmp_path / f"{each}.tar", tmp_path / f"{each}")
        with opened(tmp_path / f"{each}") as restored:
            assert restored.findings() == []
            named = {row[0] for row in restored.database.rows("SELECT id FROM video")}
            assert {path.name for path in (restored.media / "media/v").iterdir()} == named


def test_nothing_is_removed_while_files_are_linked(house: House, tmp_path: Path, monkeypatch: Any) -> None:
    """Who removes waits; afterwards the links hold what is removed."""
    removed = threading.Event()
    link = module._link_all

    def remove_video() -> None:
        with removals_paused(house.media):
            shutil.rmtree(house.media / "media/v/vid_1")
            removed.set()

    remover = threading.Thread(target=remove_video)

    def linked(*arguments: Any) -> None:
        if remover.ident is None:
            remover.start()
        assert not removed.is_set()
        link(*arguments)

    def packed(*arguments: Any) -> Any:
        remover.join()
        return pack(*arguments)

    pack = module._pack
    monkeypatch.setattr(module, "_link_all", linked)
    monkeypatch.setattr(module, "_pack", packed)
    assert backup(house.data / "hexcast.db", house.media, tmp_path / "backup.tar", START).missing == ()
    assert removed.is_set()
    restore(tmp_path / "backup.tar", tmp_path / "elsewhere")
    assert files(tmp_path / "elsewhere/media")["media/v/vid_1/i/thumb.jpg"] == b"jpeg"


# --- when it fails --------------------------------------------------------------------------------


def test_a_full_disk_leaves_what_was_there(
    house: House, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing half-made."""
    before = made.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    with pytest.raises(Unavailable) as refused:
        backup(house.data / "hexcast.db", house.media, made, START)
    assert refused.value.code == "insufficient_storage"
    assert made.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"data", "backup.tar"}
    assert list((house.media / "backup").iterdir()) == []


def test_a_full_disk_while_the_database_is_copied(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise apsw.FullError("database or disk is full")

    monkeypatch.setattr(module, "_snapshot", full)
    with pytest.raises(Unavailable):
        backup(house.data / "hexcast.db", house.media, tmp_path / "backup.tar", START)
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


def test_what_a_killed_backup_left_goes_with_the_next(house: House, tmp_path: Path) -> None:
    (house.media / "backup/999999/media").mkdir(parents=True)
    (tmp_path / "backup.tar.partial").write_bytes(b"half")
    backup(house.data / "hexcast.db", house.media, tmp_path / "backup.tar", START)
    assert list((house.media / "backup").iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"data", "backup.tar"}


def test_two_backups_do_not_write_one_file(house: House, tmp_path: Path) -> None:
    with module._alone(tmp_path / "backup.tar.partial"):
        with pytest.raises(Conflict) as refused:
            backup(house.data / "hexcast.db", house.media, tmp_path / "backup.tar", START)
        assert refused.value.code == "backup_running"
        assert (tmp_path / "backup.tar.partial").exists()


def test_a_folder_that_holds_anything_is_left_alone(made: Path, tmp_path: Path) -> None:
    data = tmp_path / "elsewhere"
    data.mkdir()
    (data / "thesis.txt").write_text("all of it")
    with pytest.raises(Conflict) as refused:
        restore(made, data)
    assert refused.value.code == "data_not_empty"
    assert files(data) == {"thesis.txt": b"all of it"}
    (data / "thesis.txt").unlink()
    restore(made, data)


def altered(made: Path, change: Callable[[bytearray], bytes | bytearray]) -> Path:
    other = made.with_name("altered.tar")
    other.write_bytes(change(bytearray(made.read_bytes())))
    return other


def flipped(needle: bytes) -> Callable[[bytearray], bytearray]:
    def change(content: bytearray) -> bytearray:
        content[content.index(needle) + len(needle) - 1] ^= 1
        return content

    return change


ALTERATIONS: dict[str, Callable[[bytearray], bytes | bytearray]] = {
    "empty": lambda content: content[:0],
    "no tar": lambda content: b"no tar at all" * len(content[:100]),
    "torn in its first header": lambda content: content[:300],
    "torn in its manifest": lambda content: content[:700],
    "torn in its database": lambda content: content[: len(content) // 2],
    "torn in a file": lambda content: content[: content.rindex(b"nine byte") + 4],
    "a bit of a file": flipped(b"mmmmmm"),
    "a bit of a source": flipped(b"nine byte"),
    "a bit of the database": flipped(b"SQLite format 3\0\x10"),
    "a digit of a sum": lambda content: content.replace(b'"sha256":"', b'"sha256":"x', 1),
}


@pytest.mark.parametrize("change", ALTERATIONS.values(), ids=list(ALTERATIONS))
def test_what_was_torn_or_altered_is_refused(
    made: Path, tmp_path: Path, change: Callable[[bytearray], bytes | bytearray]
) -> None:
    """And nothing of it stays."""
    with pytest.raises(Invalid) as refused:
        restore(altered(made, change), tmp_path / "elsewhere")
    assert refused.value.code == "backup_damaged"
    assert {path.name for path in tmp_path.iterdir()} == {"data", "backup.tar", "altered.tar"}


@pytest.mark.parametrize("field", ["format", "schema"])
def test_a_later_version_s_backup_is_refused(made: Path, tmp_path: Path, field: str) -> None:
    current = {"format": FORMAT, "schema": len(MIGRATIONS)}[field]
    was, says = (f'"{field}":{number}'.encode() for number in (current, 9))
    newer = altered(made, lambda content: content.replace(was, says, 1))
    with pytest.raises(Invalid, match=f"{field} 9") as refused:
        restore(newer, tmp_path / "elsewhere")
    assert refused.value.code == "backup_newer"
    assert not (tmp_path / "elsewhere").exists()


def repacked(made: Path, change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]) -> Path:
    """The same content under other names; the manifest says so, with the right sums."""
    with tarfile.open(made) as tar:
        members = [(member.name, (tar.extractfile(member) or io.BytesIO()).read()) for member in tar.getmembers()]
    manifest = json.loads(members[0][1])
    packed = change(members[1:])
    manifest["files"] = [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in packed
    ]
    other = made.with_name("altered.tar")
    with tarfile.open(other, "w") as tar:
        for name, content in [("manifest.json", json.dumps(manifest).encode()), *packed]:
            tar.addfile(module._member(name, len(content), START), io.BytesIO(content))
    return other


@pytest.mark.parametrize(
    "name",
    ["media/../../evil", "/etc/evil", "media//evil", "media/.hidden", "evil", "media", "media/a\\b", "media/a\nb"],
)
def test_no_name_leads_out_of_the_folder(made: Path, tmp_path: Path, name: str) -> None:
    evil = repacked(made, lambda members: [members[0], (name, b"evil")])
    with pytest.raises(Invalid) as refused:
        restore(evil, tmp_path / "a" / "elsewhere")
    assert refused.value.code == "backup_damaged"
    assert not list(tmp_path.rglob("evil"))


def test_no_upload_leads_out_of_the_folder(house: House, tmp_path: Path) -> None:
    """Nor is a name taken from the database on trust."""
    house.run("UPDATE upload SET id = '../../../evil' WHERE expires_at IS NOT NULL")
    backup(house.data / "hexcast.db", house.media, tmp_path / "evil.tar", START)
    with pytest.raises(Invalid) as refused:
        restore(tmp_path / "evil.tar", tmp_path / "a" / "elsewhere")
    assert refused.value.code == "backup_damaged"
    assert not list(tmp_path.rglob("evil"))


def test_the_database_is_never_for_others_to_read(house: House, tmp_path: Path) -> None:
    """Not even while it is packed or unpacked."""
    modes: set[int] = set()

    def look(*_: object) -> None:
        modes.update(path.stat().st_mode & 0o777 for path in tmp_path.rglob("hexcast.db"))

    backup(house.data / "hexcast.db", house.media, tmp_path / "backup.tar", START, look)
    restore(tmp_path / "backup.tar", tmp_path / "elsewhere", look)
    assert modes == {0o600}


Members = list[tuple[str, bytes]]
MIXTURES: dict[str, Callable[[Members], Members]] = {
    "no database": lambda members: members[1:],
    "a file twice": lambda members: [*members, members[-1]],
    "a file below a file": lambda members: [*members, (f"{members[-1][0]}/below", b"")],
    "another database": lambda members: [("hexcast.db", b"SQLite format 2"), *members[1:]],
}


@pytest.mark.parametrize("change", MIXTURES.values(), ids=list(MIXTURES))
def test_what_makes_no_data_folder_is_refused(made: Path, tmp_path: Path, change: Callable[[Members], Members]) -> None:
    with pytest.raises(DomainError) as refused:
        restore(repacked(made, change), tmp_path / "elsewhere")
    assert refused.value.code == "backup_damaged"
    assert {path.name for path in tmp_path.iterdir()} == {"data", "backup.tar", "altered.tar"}


def test_a_link_in_the_tar_is_not_followed(made: Path, tmp_path: Path) -> None:
    """Nothing but plain files is in a backup."""
    with tarfile.open(made) as tar:
        members = [(member, tar.extractfile(member)) for member in tar.getmembers()]
        link = members[2][0]
        link.type, link.linkname, link.size = tarfile.SYMTYPE, "/etc/passwd", 0
        with tarfile.open(tmp_path / "altered.tar", "w") as other:
            for member, content in members:
                other.addfile(member, content)
    with pytest.raises(Invalid) as refused:
        restore(tmp_path / "altered.tar", tmp_path / "elsewhere")
    assert refused.value.code == "backup_damaged"


def test_a_full_disk_during_the_way_back_leaves_nothing(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "sync", full)
    with pytest.raises(Unavailable):
        restore(made, tmp_path / "elsewhere")
    assert {path.name for path in tmp_path.iterdir()} == {"data", "backup.tar"}


def test_a_folder_that_is_there_is_filled(made: Path, tmp_path: Path) -> None:
    """A disk may be mounted there, with a folder of its own in it: no other folder could take its place."""
    data = tmp_path / "disk"
    (data / "lost+found").mkdir(parents=True)
    (data / ".restoring-7").mkdir()
    before = data.stat().st_ino
    restore(made, data)
    assert data.stat().st_ino == before
    assert {path.name for path in data.iterdir()} == {"hexcast.db", "media", "lost+found", ".restoring-7"}
    with opened(data) as restored:
        assert restored.findings() == []
    assert {path.name for path in tmp_path.iterdir()} == {"data", "disk", "backup.tar"}


@pytest.mark.parametrize("step", range(1, 4))
def test_a_folder_that_is_there_is_filled_or_left_empty(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The database comes last."""
    data = tmp_path / "disk"
    data.mkdir()
    seen: list[set[str]] = []

    def full(folder: Path) -> None:
        seen.append({path.name for path in folder.iterdir() if not path.name.startswith(".")})
        if len(seen) == step:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "sync", full)
    if step == 3:
        restore(made, data)
        assert seen == [{"media"}, {"media", "hexcast.db"}]
    else:
        with pytest.raises(Unavailable):
            restore(made, data)
        assert list(data.iterdir()) == []
