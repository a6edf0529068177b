"""A folder that may not be written to, or is none: the server says so in one line and exits with 2, and nothing is written."""

import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.adapters.houses import furnished
from tests.durability.starts import refused

_DROP_FROM_BOUNDING_SET, _DAC_OVERRIDE, _DAC_READ_SEARCH = 24, 1, 2


def _bound_by_permissions() -> None:
    """In the child, before the server: what it runs as may then do no more than the permission bits say, root too."""
    libc = ctypes.CDLL(None)
    for capability in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
        libc.prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for folder, _, _ in os.walk(tmp_path):
        Path(folder).chmod(0o700)


def _file(top: Path) -> Path:
    (top / "data").write_text("no folder")
    return top / "data"


def _below_a_file(top: Path) -> Path:
    return _file(top) / "data"


def _locked_by_a_folder(top: Path) -> Path:
    (top / "data" / "hexcast.lock").mkdir(parents=True)
    return top / "data"


def _folder_for_a_database(top: Path) -> Path:
    (top / "data" / "hexcast.db").mkdir(parents=True)
    (top / "data" / "hexcast.lock").touch()
    return top / "data"


def _file_for_media(top: Path) -> Path:
    with furnished(top / "data"):
        pass
    (top / "data" / "hexcast.lock").touch()
    media = top / "data" / "media"
    media.rename(top / "elsewhere")
    media.write_text("no folder")
    return top / "data"


def _where_nobody_can_write(_: Path) -> Path:
    return Path("/proc/hexcast/data")


def _read_only(top: Path) -> Path:
    (top / "data").mkdir(mode=0o500)
    return top / "data"


def _in_what_is_read_only(top: Path) -> Path:
    top.chmod(0o500)
    return top / "data"


def _platform(top: Path) -> Path:
    with furnished(top / "data"):
        pass
    (top / "data" / "hexcast.lock").touch()
    return top / "data"


def _platform_that_is_read_only(top: Path) -> Path:
    data = _platform(top)
    for folder, _, names in os.walk(data):
        for name in names:
            (Path(folder) / name).chmod(0o400)
        Path(folder).chmod(0o500)
    return data


def _database_that_is_read_only(top: Path) -> Path:
    data = _platform(top)
    (data / "hexcast.db").chmod(0o400)
    return data


def _database_that_is_unreadable(top: Path) -> Path:
    data = _platform(top)
    (data / "hexcast.db").chmod(0)
    return data


def _media_that_are_read_only(top: Path) -> Path:
    data = _platform(top)
    (data / "media").chmod(0o500)
    return data


def _lying(top: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(top)): None if path.is_dir() else path.read_bytes() for path in top.rglob("*")}


@pytest.mark.parametrize(
    "made",
    [
        _file, _below_a_file, _locked_by_a_folder, _folder_for_a_database, _file_for_media, _where_nobody_can_write,
        _read_only, _in_what_is_read_only, _platform_that_is_read_only, _database_that_is_read_only,
        _database_that_is_unreadable, _media_that_are_read_only,
    ],
)  # fmt: skip
def test_the_server_says_so_and_nothing_is_written(top: Path, made: Callable[[Path], Path]) -> None:
    data = made(top)
    before = _lying(top)
    status, said = refused(data, preexec_fn=_bound_by_permissions)
    assert (status, said[:9]) == (2, "hexcast: ")
    assert str(data) in said
    assert _lying(top) == before
