"""Following something as it goes on: looking at it again and again, for as long as someone listens."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

from application.ports import Live
from domain.errors import Forbidden, NotFound

T = TypeVar("T")

LOOK_S = 1.0
"""Between two looks."""


async def followed(
    look: Callable[[], Awaitable[tuple[Sequence[T], bool]]], live: Live, look_s: float = LOOK_S
) -> AsyncGenerator[Sequence[T], None]:
    """What each look finds that is new, be it nothing. A look says, too, whether it was the last.

    Ends then, when a look finds that it is not for whoever listens any more, and when the platform does.
    """
    while True:
        try:
            found, over = await look()
        except (Forbidden, NotFound):
            return
        yield found
        if over or not await live.rest(look_s):
            return
