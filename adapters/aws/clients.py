"""Clients of AWS's services, each made when it is first asked for something: a function that needs two of six does not
wait for the others, of which each takes tenths of a second on a small machine.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from adapters.aws.settings import AwsSettings

CONNECTIONS_MOST = 50
CONNECT_S, READ_S, TRIES = 2, 6, 3
"""All tries together, and the pauses between them, end before the function that answers requests does (29 s)."""
PROBE_READ_S = 15
"""MediaConvert looks into a file while we wait, and nobody waits for us then."""

CHEAP: Mapping[str, Any] = {"parameter_validation": False, "user_agent": "hexcast"}
"""For the client that every request needs. The SDK looks whether each call is well-formed, which is a third of the work
for a batch, and writes anew each time what the process runs on. DynamoDB looks, too, and tests let the SDK do so.
"""


def _config(read_s: int, mode: str = "standard", tries: int = TRIES) -> AioConfig:
    return AioConfig(
        connect_timeout=CONNECT_S,
        read_timeout=read_s,
        max_pool_connections=CONNECTIONS_MOST,
        retries={"mode": mode, "total_max_attempts": tries},
    )


def s3_config(*, path_style: bool = False) -> AioConfig:
    """Signatures of version 4 on the bucket's regional host, since the older ones leave the length of the body unsigned.
    Emulators without host names need ``path_style``.

    To put a large file together takes S3 minutes, in which it sends a space now and then: no read waits for long.
    """
    style = "path" if path_style else "virtual"
    return _config(READ_S).merge(AioConfig(signature_version="s3v4", s3={"addressing_style": style}))


class Lazy:
    """Stands for a client of aiobotocore's: has its operations, and opens it with the first call of one."""

    def __init__(self, opening: Callable[[], Any], stack: AsyncExitStack) -> None:
        self._opening = opening
        self._stack = stack
        self._lock = asyncio.Lock()
        self._client: Any = None

    def __getattr__(self, operation: str) -> Any:
        async def call(*given: Any, **named: Any) -> Any:
            if self._client is None:
                async with self._lock:
                    if self._client is None:
                        self._client = await self._stack.enter_async_context(self._opening())
            return await getattr(self._client, operation)(*given, **named)

        return call


class Make(Protocol):
    """Makes a client by the name of its service, which ``tries`` a call so often (but S3's)."""

    def __call__(self, service: str, tries: int = TRIES) -> Lazy: ...


@asynccontextmanager
async def clients(settings: AwsSettings) -> AsyncIterator[Make]:
    """Makes clients by the name of their service; closes those that were opened. They belong to the loop that they
    are first used on.
    """
    session = get_session()
    async with AsyncExitStack() as stack:

        def make(service: str, tries: int = TRIES) -> Lazy:
            if service == "s3":
                config = s3_config(path_style=settings.endpoint_url is not None)
            elif service in {"ivs", "ivschat"}:
                # Calls slow down by themselves when some are turned away, as IVS does from five a second on.
                config = _config(READ_S, "adaptive", tries)
            else:
                config = _config(PROBE_READ_S if service == "mediaconvert" else READ_S, tries=tries)
            if service == "dynamodb":
                config = config.merge(AioConfig(**CHEAP))
            return Lazy(
                lambda: session.create_client(
                    service, region_name=settings.region, endpoint_url=settings.endpoint_url, config=config
                ),
                stack,
            )

        yield make
