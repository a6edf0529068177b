"""The folder that a server makes for itself is there for good."""

import os
from pathlib import Path

import pytest

from adapters.local.container import opened


async def test_the_folder_itself_outlives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name, and those of the folders that were made above it, go to the disk before anything is kept in it."""
    synchronised: list[int] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        synchronised.append(os.fstat(handle).st_ino)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    data = tmp_path / "new" / "data"
    async with opened(public_url="", secret=None, data=data, transcode_jobs=1, shared=False):
        assert {folder.stat().st_ino for folder in (tmp_path, data.parent, data)} <= set(synchronised)
