"""The API of a fresh platform in memory, asked without a network."""

from collections.abc import AsyncIterator

import pytest

from tests.entrypoints.platform import Platform, open_platform


@pytest.fixture
async def platform() -> AsyncIterator[Platform]:
    async with open_platform() as opened:
        yield opened
