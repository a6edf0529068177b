"""The Postman collection passes on fresh servers, and leaves nothing behind: it passes again on the same ones."""

from pathlib import Path

from tests.journey import clips
from tests.journey.newman import film, walk
from tests.journey.server import Server


def test_it_walks_a_server_in_memory(tmp_path: Path) -> None:
    with Server(tmp_path / "data", env={"HEXCAST_PROFILE": "memory"}).running() as server:
        for _ in range(2):
            walk("memory", base_url=server.url)


def test_it_walks_one_machine(tmp_path: Path, clips_folder: Path) -> None:
    """With a film that is transcoded for real."""
    drawn = film(clips.small(clips_folder))
    with Server(tmp_path / "data").running() as server:
        for _ in range(2):
            walk("local", base_url=server.url, **drawn)
        left = [path.name for path in (server.data / "media").rglob("*") if path.is_file()]
    assert left == []
