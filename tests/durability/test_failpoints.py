"""Whatever is broken off between two durable steps ends as if it had not been (see ``failpoints`` and ``explorer``)."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from domain.uploads import MIB
from tests.durability.stories import STORIES
from tests.journey import clips
from tests.journey.server import ROOT

LANES = 2
SENT_BYTES = 5 * MIB // 2
"""Three parts of the least size that there is."""
ENDED = "commit SqliteOutbox._end.<lambda>"
"""Events that are done with at the same time go together."""
TIMED: Mapping[str, set[str]] = {
    "upload": {ENDED},
    "processing": {
        ENDED,
        # A job is held longer after some seconds, and says what it has come to.
        "commit _if_held.work", "commit SqliteTold._take.work", "commit SqliteProcessings.save.work",
        "commit SqliteTold.settle.<lambda>",
        # Of what it says, one delivery takes all that came since the one before, and shows the last on the video.
        "commit SqliteOutbox.claim.work", "commit SqliteVideos.save.work",
    },
    "deletion": set(),
}  # fmt: skip
"""Steps of each story of which there are more or fewer, as fast as the machine just is, but always one."""
IMPATIENT = "commit SharedClock.advance.<lambda>"
"""Who tells a story moves the clock when nothing has happened for a while: mostly that is never."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two renditions, and behind the film room that nobody uses, so that it has several parts."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    clips.draw(path, *clips.picture("128x72", "5"), "-t", "0.6", "-pix_fmt", "yuv420p")
    content = path.read_bytes()
    free = SENT_BYTES - len(content)
    path.write_bytes(content + free.to_bytes(4, "big") + b"free" + bytes(free - 8))
    return path


@pytest.mark.parametrize("story", STORIES)
def test_a_story_broken_off_anywhere_ends_the_same(
    story: str, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-m", "tests.durability.explorer", story, str(film), str(tmp_path), str(LANES)]
    ran = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-5000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["end"]["flaws"] == []
    assert [_differs(at, end, found["end"]) for at, end in found["wrong"]] == []
    assert TIMED[story] <= {name for name, _ in found["points"]}
    assert [at for at in found["missed"] if _owed(at, story, found["missed"])] == []
    with capsys.disabled():
        missed = f", {len(found['missed'])} of which did not come again" if found["missed"] else ""
        sys.stdout.write(f"\n{story}: broken off at {len(found['points'])} steps{missed}\n")


def _owed(at: Any, story: str, missed: Sequence[Any]) -> bool:
    """Whether it had to come again, so that the story was broken off there. Of those of a kind of which there may be
    fewer the next time, the first had to.
    """
    name: str = at[0]
    if name in TIMED[story]:
        return [name, 1] in missed
    return name != IMPATIENT


def _differs(at: Any, end: Any, clean: Any) -> Any:
    """What to show of an end that is another one."""
    return at, end if isinstance(end, str) else {key: (clean[key], end[key]) for key in clean if clean[key] != end[key]}
