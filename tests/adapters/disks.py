"""A disk for SQLite that can be full."""

import sys

import apsw


class Disk(apsw.VFS):
    """A disk on which each file may take ``room`` bytes."""

    def __init__(self) -> None:
        self.name = f"disk-{id(self)}"
        self.room = sys.maxsize
        super().__init__(self.name, base="")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "File":  # noqa: N802  (apsw's name)
        return File(self, name, flags)


class File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  (apsw's name)
        if offset + len(data) > self._disk.room:
            raise apsw.FullError
        super().xWrite(data, offset)
