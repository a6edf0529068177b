"""The app, empty and opened anew for every test."""

from collections.abc import AsyncIterator

import pytest

from tests.entrypoints.functions import functions, unopened
from tests.entrypoints.platform import Platform, open_platform
from tests.entrypoints.scenes import Scene, opened

__all__ = ["functions", "platform", "scene", "unopened"]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with opened() as scene:
        yield scene


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    async with open_platform() as opened:
        yield opened
