"""One platform a test."""

from collections.abc import AsyncIterator

import pytest

from tests.application.world import World, new_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with new_world() as opened:
        yield opened
