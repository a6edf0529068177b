"""Where a process can be ended between two durable steps, without a hook in the product.

A durable step is what the next process finds done or not done: a commit of the database that changes something, and a
change in the folder (a file opened to be written, bytes written, a rename, a removal, a folder made, a time set). The
interpreter tells of most of them by itself (``sys.addaudithook``); commits and writes are wrapped. Each is named by what
it is and by how often that happened, since what goes on at the same time comes in any order.

No steps: fsync, which only a power cut tells from nothing, and what ffmpeg writes to a folder that nobody sees.
"""

import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from attrs import define, field

from adapters.local.database import Database

Point = tuple[str, int]
"""A step by its name, and the how-manieth of that name it is."""

_NAMES = re.compile(r"(?<=[a-z]{3}_)[0-9A-Z]{26}|(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.mkdir": 1, "os.link": 2, "os.truncate": 1, "os.utime": 1}
"""Audit events that tell of a change, and how many paths each names."""
_UNTOLD = ("pwritev", "pwrite", "write")


def _named(path: object, root: str) -> str:
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    text = "a file" if isinstance(path, int) else str(path).removeprefix(root).lstrip("/")
    return _NAMES.sub("#", text)


def _writes(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & _WRITING)


@define(eq=False)
class Failpoints:
    """Counts steps below ``root`` from ``install`` on, and ends the process as a power cut would before ``at``."""

    root: Path
    at: Point | None = None
    seen: Counter[str] = field(factory=Counter)
    _lock: Lock = field(factory=Lock)

    def install(self) -> None:
        """In this process, for good."""
        sys.addaudithook(self._audited)
        for name in _UNTOLD:
            setattr(os, name, self._written(name, getattr(os, name)))
        self._wrap_database()

    def points(self) -> Sequence[Point]:
        """All that were seen."""
        return [(name, number) for name, count in sorted(self.seen.items()) for number in range(1, count + 1)]

    def step(self, name: str) -> None:
        with self._lock:
            self.seen[name] += 1
            if (name, self.seen[name]) == self.at:
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()  # nothing comes after

    def _audited(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if isinstance(path, (str, bytes)) and self._below(path) and _writes(mode, flags):
                self.step(f"open {_named(path, str(self.root))}")
        elif event in _CHANGES:
            paths = arguments[: _CHANGES[event]]
            if any(self._below(path) for path in paths):
                self.step(" ".join([event.removeprefix("os."), *(_named(path, str(self.root)) for path in paths)]))

    def _below(self, path: object) -> bool:
        """A path that is relative is so to a folder of ours: nothing else here opens folders by handle."""
        if isinstance(path, int):
            return True
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False
        text = os.fsdecode(path)
        return text.startswith(str(self.root)) or not text.startswith("/")

    def _written(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def write(handle: int, *arguments: Any) -> Any:
            target = str(Path(f"/proc/self/fd/{handle}").readlink())
            if target.startswith(str(self.root)):
                self.step(f"{name} {_named(target, str(self.root))}")
            return original(handle, *arguments)

        return write

    def _wrap_database(self) -> None:
        """The step lies between what a transaction changed and its commit. What lies behind that is in the database as
        it is before the step that comes next.
        """
        do = Database._do

        def doing(database: Database, job: Any, *, apart: bool) -> None:
            before = database._write.total_changes()
            do(database, job, apart=apart)
            if database._write.total_changes() != before:
                self.step(f"commit {job.work.__qualname__.replace('.<locals>', '')}")

        Database._do = doing  # type: ignore[assignment,method-assign]  # in this process only
