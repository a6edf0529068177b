"""An empty stage, and a whole platform, for each test."""

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
    async with new_world() as world:
        yield world
