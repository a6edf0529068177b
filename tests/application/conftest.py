"""An empty stage for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.application.stage import Stage, staged


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as stage:
        yield stage
