"""A platform for each test: an empty stage, or a world with people and channels in it."""

from collections.abc import AsyncIterator

import pytest

from tests.application.stage import Stage, staged
from tests.application.world import World, new_world


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as stage:
        yield stage


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with new_world() as opened:
        yield opened
