"""The app, empty and opened anew for every test."""

from collections.abc import AsyncIterator

import pytest

from tests.entrypoints.scenes import Scene, opened


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with opened() as scene:
        yield scene
