"""Files that are put for what is saved next: none stays of a step that failed."""

from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from application.ports import MediaStore
from application.retry import settled
from domain.errors import NotFound

T = TypeVar("T")
Put = Callable[[str, bytes, str], Awaitable[str]]
"""As ``MediaStore.put``; the key."""


async def settled_with_files(
    media: MediaStore, shown: Callable[[], Awaitable[Collection[str]]], step: Callable[[Put], Awaitable[T]]
) -> T:
    """As ``settled``, for a step that puts files. Those of a try that failed are removed before the next.

    ``shown`` are the keys that the stored value names now; it raises NotFound when the value is gone.
    """

    async def tried() -> T:
        keys: list[str] = []

        async def put(key: str, content: bytes, content_type: str) -> str:
            keys.append(key)  # first: what fails may have had its effect
            await media.put(key, content, content_type)
            return key

        try:
            return await step(put)
        except Exception:
            if keys:
                await _remove_unless_shown(media, keys, shown)
            raise

    return await settled(tried)


async def _remove_unless_shown(
    media: MediaStore, keys: Collection[str], shown: Callable[[], Awaitable[Collection[str]]]
) -> None:
    # A save whose answer was lost is a failure here, and yet what it saved is there.
    try:
        named = await shown()
    except NotFound:
        named = ()
    for key in keys:
        if key not in named:
            await media.remove_prefix(key)
