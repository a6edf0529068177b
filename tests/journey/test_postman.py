"""The Postman collection passes on fresh servers, and leaves nothing behind."""

from pathlib import Path

from tests.cloud.deployment import deploy
from tests.cloud.world import stack
from tests.journey import clips
from tests.journey.newman import film, walk
from tests.journey.server import Server


def test_it_walks_a_server_in_memory(tmp_path: Path) -> None:
    """Twice: what the first time left would stand in the way of the second."""
    with Server(tmp_path / "data", env={"HEXCAST_PROFILE": "memory"}).running() as server:
        for _ in range(2):
            walk("memory", base_url=server.url)


def test_it_walks_one_machine(tmp_path: Path, clips_folder: Path) -> None:
    """With a film that is transcoded for real, of which no file stays."""
    drawn = film(clips.small(clips_folder))
    with Server(tmp_path / "data").running() as server:
        walk("local", base_url=server.url, **drawn)
        left = [path for path in (server.data / "media").rglob("*") if path.is_file()]
    # What was sent for a picture is forgotten a day later.
    assert {path.parent.name for path in left} <= {"small", "media"}


def test_it_walks_what_is_deployed_on_the_cloud(clips_folder: Path) -> None:
    """On Lambda, DynamoDB, S3, Cognito and CloudFront."""
    running = stack()
    site = deploy(running, "hexcast-walked", Moderators="mod@example.org")
    walk("aws", base_url=site.url, public_url=site.url, mail_url=running.endpoint, **film(clips.small(clips_folder)))
