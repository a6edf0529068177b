"""What one environment of Lambda opens once and keeps as long as it is kept: the event loop and the core on it.

Clients of AWS belong to the loop that they were first used on, so all calls of an environment share one. What
is open is never closed: an environment ends without a word.
"""

import asyncio
import gc
import os
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any, TypeVar

from entrypoints.container import Core, open_app
from entrypoints.log import configure
from entrypoints.settings import Settings

from . import on_lambda

T = TypeVar("T")

_runner = asyncio.Runner()
_open: list[AbstractAsyncContextManager[Core]] = []


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do it on the environment's loop."""
    return _runner.run(work)


@cache
def core() -> Core:
    """The core over the profile that the environment's variables name, opened with the first call. Raises Invalid."""
    settings = Settings.read(os.environ)
    configure(settings.log_format)
    opening = open_app(settings)
    opened = run(opening.__aenter__())
    _open.append(opening)
    return opened


def close() -> None:
    """For a process that goes on when its functions are over, such as a test. Nothing runs after it."""
    while _open:
        run(_open.pop().__aexit__(None, None, None))
    _runner.close()


def begin(opening: Callable[[], object]) -> None:
    """In an environment of Lambda's, open now what calls need: what is done before the first call is done at full speed.
    Nothing of it is looked at again for garbage.
    """
    if on_lambda():
        opening()
        gc.freeze()
        gc.set_threshold(50_000, 50, 1000)
        gc.enable()
