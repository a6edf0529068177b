"""Every provider of every container can be called, and every profile offers the same."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from adapters.aws.container import Aws
from adapters.inmemory.container import Memory
from adapters.local.container import Local
from entrypoints.container import Core, open_app
from entrypoints.settings import PROFILES, Settings

OWN = {
    "public_url", "data", "database", "queue", "transcode_jobs", "shared", "lookout", "machine", "passwords", "links",
    "settings", "pems", "http", "make", "dynamodb", "s3", "cognito", "mediaconvert", "cloudfront", "sqs", "tables", "door",
    "gone", "told", "places", "rtmp", "lock", "viewers", "station", "ivs", "ivs_once", "live_pem", "chat_wire",
    "ivschat", "ivschat_once",
}  # fmt: skip
"""What a container is made of or keeps to itself."""
OFFLINE = [profile for profile in PROFILES if profile != "aws"]


CLOUD = {
    "AWS_REGION": "eu-central-1", "HEXCAST_AWS_TABLES": "x-", "HEXCAST_AWS_RAW_BUCKET": "raw",
    "HEXCAST_AWS_MEDIA_BUCKET": "media", "HEXCAST_AWS_FAN_OUT_QUEUE": "https://sqs.test/pages",
}  # fmt: skip
NOT_IN_THE_CLOUD = {"mailbox", "reports", "signals", "simulator", "chat_door"}


def offered(container: type[Memory | Local | Aws]) -> set[str]:
    return set(container.providers) - OWN


def test_every_profile_offers_the_same() -> None:
    assert offered(Memory) == offered(Local) == offered(Aws)


def test_the_core_asks_for_nothing_else() -> None:
    asked = set(Core.adapters.providers)  # what the use cases are made of, by attribute access
    assert asked <= offered(Memory)
    assert {"accounts", "videos", "outbox", "now", "new_id", "webvtt"} <= asked


@pytest.mark.parametrize("profile", OFFLINE)
async def test_everything_can_be_made(profile: str, tmp_path: Path) -> None:
    settings = Settings(profile=profile, data=tmp_path)
    async with open_app(settings) as core:
        made: Mapping[str, object] = {name: getattr(core.adapters, name)() for name in sorted(offered(Memory))}
        cases = {name: provider() for name, provider in core.providers.items() if name not in ("settings", "adapters")}
        assert all(each is not None for each in made.values())
        assert {type(case).__name__ for case in cases.values()} == {camel(name) for name in cases}


async def test_everything_can_be_made_in_the_cloud() -> None:
    """Without a word to AWS: clients are opened when something is asked of them."""
    async with open_app(Settings(profile="aws", cloud=CLOUD)) as core:
        made: Mapping[str, object] = {name: getattr(core.adapters, name)() for name in sorted(offered(Memory))}
        cases = {name: provider() for name, provider in core.providers.items() if name not in ("settings", "adapters")}
        assert {name for name, each in made.items() if each is None} == NOT_IN_THE_CLOUD
        assert {type(case).__name__ for case in cases.values()} == {camel(name) for name in cases}
        assert list(core.adapters.queues()) == ["FanOut"]


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
