"""``python -m tests.durability.explorer STORY FILM FOLDER LANES``: break a story off at each of its durable steps.

A process that has all modules loaded, and no thread, forks one that is ended at the step and one that goes on from what
it left. Standard output is a JSON document: the end of the story that nobody broke off, and each that ended otherwise.
"""

import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av  # noqa: F401  (what processes need is loaded once, before they are forked)
import PIL.Image  # noqa: F401  (the same)
from attrs import evolve, frozen

import adapters.formats
import adapters.local.container
import adapters.local.identity  # noqa: F401  (the same)
from domain import media, uploads
from tests.durability.failpoints import Failpoints, Point
from tests.durability.stories import STORIES, Story, staged

TRIES = 3
"""What goes on at the same time comes in any order, so that a step may not come so often each time."""


def forked(do: Callable[[], Any], answer: Path) -> int:
    """In a process of its own; what it returns goes to a file as JSON. How it ended."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    status = 1
    try:
        answer.write_text(json.dumps(do()))
        status = 0
    except BaseException:  # noqa: BLE001  (it is the end of this process, whatever it is)
        answer.with_suffix(".error").write_text(traceback.format_exc())
    finally:
        os._exit(status)


@frozen
class Explorer:
    story: Story
    film: Path
    folder: Path

    @property
    def base(self) -> Path:
        return self.folder / "base"

    def prepare(self) -> None:
        answer = self.folder / "prepared.json"
        _require(forked(lambda: staged(self.base, self.film, self.story.prepare), answer), answer)

    def whole(self) -> tuple[Sequence[Point], Any]:
        """All steps, and the end of a story that nobody broke off."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            data, answer = self._copied(Path(place))

            def told() -> Any:
                points = Failpoints(data)
                points.install()
                staged(data, self.film, self.story.tell)
                return points.points()

            _require(forked(told, answer), answer)
            steps: list[Point] = [(name, number) for name, number in json.loads(answer.read_text())]
            _require(forked(lambda: staged(data, self.film, self.story.end), answer), answer)
            return steps, json.loads(answer.read_text())

    def broken(self, at: Point) -> tuple[bool, Any]:
        """Whether it came to the step, and the end of the story."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            data, answer = self._copied(Path(place))

            def told() -> None:
                Failpoints(data, at).install()
                staged(data, self.film, self.story.tell)

            status = forked(told, answer)
            if status != -9:
                _require(status, answer)
                return False, None
            status = forked(lambda: staged(data, self.film, self.story.end), answer)
            if status:
                return True, answer.with_suffix(".error").read_text()
            return True, json.loads(answer.read_text())

    def _copied(self, place: Path) -> tuple[Path, Path]:
        data = place / "data"
        if self.base.exists():
            shutil.copytree(self.base, data)
        return data, place / "answer.json"


def _require(status: int, answer: Path) -> None:
    if status:
        error = answer.with_suffix(".error")
        raise AssertionError(error.read_text() if error.exists() else f"a process ended with {status}")


def _lane(explorer: Explorer, points: Sequence[Point], end: Any) -> Any:
    """What came of breaking off at these points: steps that did not come, and ends that are others."""
    missed, wrong = [], []
    for at in points:
        for _ in range(TRIES):
            came, found = explorer.broken(at)
            if came:
                break
        if not came:
            missed.append(at)
        elif found != end:
            wrong.append((at, found))
    return {"missed": missed, "wrong": wrong}


def main(name: str, film: str, folder: str, lanes: int) -> None:
    # Parts of the least size that there is, so that a small file has several.
    uploads.SINGLE_MOST = uploads.PART_LEAST = uploads.MIB
    # And two renditions of a size that takes no time.
    small = [evolve(rung, short_side=side) for rung, side in zip(media.RUNGS[-2:], (72, 36), strict=True)]
    media.RUNGS = tuple(small)  # type: ignore[assignment]  # in this process and those that it forks
    explorer = Explorer(STORIES[name], Path(film), Path(folder))
    explorer.prepare()
    points, end = explorer.whole()
    children = []
    for lane in range(lanes):
        answer = explorer.folder / f"lane-{lane}.json"
        pid = os.fork()
        if not pid:
            status = 1
            try:
                answer.write_text(json.dumps(_lane(explorer, points[lane::lanes], end)))
                status = 0
            except BaseException:  # noqa: BLE001  (as above)
                answer.with_suffix(".error").write_text(traceback.format_exc())
            finally:
                os._exit(status)
        children.append((pid, answer))
    missed, wrong = [], []
    for pid, answer in children:
        _require(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), answer)
        found = json.loads(answer.read_text())
        missed += found["missed"]
        wrong += found["wrong"]
    found = {"points": points, "end": end, "missed": missed, "wrong": wrong}
    (explorer.folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
