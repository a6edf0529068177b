"""One server for the whole journey, and the files that are uploaded on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journey.server import Server


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("hexcast") / "data").running() as running:
        yield running


@pytest.fixture(scope="session")
def clips_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")
