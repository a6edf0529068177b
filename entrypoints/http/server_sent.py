"""Server-sent events: what all streams of them have in common."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Annotated, TypeVar

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from litestar.response import Stream

from adapters.system import ticks
from entrypoints.http.views import NO_STORE

T = TypeVar("T")

HEARTBEAT_S = 15.0
"""How long a stream may be silent: proxies hang up on connections that say nothing for 30 s to 60 s."""
_EVENT_STREAM = "text/event-stream"

AccessToken = Annotated[
    str | None,
    QueryParameter(name="access_token", description="An access token, for EventSource, which can send no header."),
]


def sends(description: str) -> dict[int, ResponseSpec]:
    """The answer of a handler that streams, for the OpenAPI document."""
    return {200: ResponseSpec(str, generate_examples=False, media_type=_EVENT_STREAM, description=description)}


async def streamed(blocks: AsyncGenerator[bytes, None]) -> Stream:
    """The answer, which begins once its first block is there, and so with whatever that waits for."""
    return Stream(
        _from(await anext(blocks), blocks),
        media_type=_EVENT_STREAM,
        headers={**NO_STORE, "x-accel-buffering": "no"},  # nginx: pass every event on at once
    )


# Where the client is gone before the first step of this, ``rest`` goes with it: the loop closes what nobody holds.
async def _from(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        yield first
        async for block in rest:
            yield block


def retry(seconds: int) -> bytes:
    """After how long a client whose connection ended is to come back."""
    return f"retry: {seconds * 1000}\n\n".encode()


def event(name: str, view: object, id_: str = "") -> bytes:
    head = f"id: {id_}\nevent: {name}" if id_ else f"event: {name}"
    return f"{head}\ndata: {msgspec.json.encode(view).decode()}\n\n".encode()


STILL_HERE = b": still here\n\n"


async def told(
    following: AsyncGenerator[Sequence[T], None], block: Callable[[T], bytes], retry_s: int,
    heartbeat_s: float = HEARTBEAT_S,
) -> AsyncGenerator[bytes, None]:  # fmt: skip
    """What is followed, each as ``block`` writes it, with a comment when nothing was new for a while."""
    yield retry(retry_s)
    said = ticks()
    async for found in following:
        if not found and ticks() - said < heartbeat_s:
            continue
        said = ticks()
        yield b"".join(map(block, found)) or STILL_HERE
