"""The emulated cloud as tests use it: one process for all of them, started on first use and gone with the test run.

A ``World`` is a corner of it that nobody else uses. A DynamoDB account is a corner of its own, and costs nothing to
open; names of buckets, pools and the like are made unique.
"""

import asyncio
import atexit
import itertools
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cache
from typing import Any

import imageio_ffmpeg
from aiobotocore.session import AioSession, get_session
from attrs import field, frozen
from botocore.config import Config

from adapters.aws.dynamo import Tables
from adapters.aws.tables import TABLES, definition
from tests.cloud.process import Process

REGION = "us-east-1"
ROOT_KEY = "test"
"""The key of the first account: with AUTH, it may do everything."""


class Stack(Process):
    """The emulated cloud, and what can be done to it that no client of AWS can."""

    def mail(self, email: str) -> Sequence[Mapping[str, Any]]:
        """What Cognito sent to an address, newest first: as ``/v1/dev/mailbox`` shows it, with ``kind, pool, sub``."""
        mails: Sequence[Mapping[str, Any]] = self.get("mail", to=email)["data"]
        return mails

    def expire_codes(self, email: str) -> int:
        """The time of the codes sent to an address is over; how many there were."""
        expired: int = self.post("codes/expire", {"to": email})["expired"]
        return expired

    def put_events(self, *events: Mapping[str, Any], account: str = ROOT_KEY) -> None:
        """On the bus, as AWS itself puts them: entries of PutEvents whose source may be ``aws.*``."""
        self.post("events", {"account": account, "entries": list(events)})

    def by_hand(self, bucket: str, *, on: bool = True) -> None:
        """Jobs whose outputs go there stay as they are until ``drive`` or ``run``."""
        self.post("jobs/by-hand", {"bucket": bucket, "on": on})

    def drive(self, job: str, status: str, *, emit: bool = True, duration_ms: int = 4000, **detail: Any) -> None:
        """The job is in another state, and an event says so. ``detail`` is of the event; COMPLETE has one by itself."""
        self.post(f"jobs/{job}/{status}", {"emit": emit, "detail": detail, "duration_ms": duration_ms})

    def run(self, job: str) -> None:
        """Let ffmpeg carry out a job that is kept by hand."""
        self.post(f"jobs/{job}/run")

    async def finished(self, job: str) -> str:
        """Waits until the job is over; its state."""
        state: str = (await asyncio.to_thread(self.get, f"jobs/{job}/over"))["status"]
        return state

    def finished_with(self, source: str, patience_s: float = 300.0) -> str:
        """Waits until a job whose input's address contains ``source`` is there and over; its state. Blocks."""
        state: str = self.get("jobs/over", patience_s=patience_s, source=source)["status"]
        return state

    # --- broadcasts

    def begin(self, key: str, *, viewers: int = 0) -> str:
        """An encoder comes to IVS with a stream key; the name of its broadcast. Raises for a key that is none."""
        name: str = self.post("broadcasts/begin", {"key": key, "viewers": viewers})["stream_id"]
        return name

    def end(self, channel: str, *, failed: bool = False) -> None:
        """The encoder of a channel (its ARN) goes. Without a reconnect window its recording is there then."""
        self._broadcast(channel, "end", failed=failed)

    def close_window(self, channel: str) -> None:
        """The reconnect window passed, and nobody came back: the recording is there."""
        self._broadcast(channel, "window")

    def starve(self, channel: str, *, on: bool = True) -> None:
        self._broadcast(channel, "starve", on=on)

    def breach(self, channel: str, name: str = "Ingest Bitrate") -> None:
        self._broadcast(channel, "breach", name=name)

    def watched_by(self, channel: str, count: int) -> None:
        """So many viewers; -1: IVS cannot say."""
        self._broadcast(channel, "viewers", count=count)

    def metadata(self, channel: str) -> Sequence[str]:
        """What players of a channel that is live were told."""
        texts: Sequence[str] = self.get(f"broadcasts/{channel.rpartition('/')[2]}/metadata")["texts"]
        return texts

    def tell(
        self, *, lost: Sequence[str] = (), twice: bool = False, held: bool = False, account: str = ROOT_KEY
    ) -> None:
        """From now on events of IVS with these names are lost, all come twice, or are held back until ``release``."""
        self.post("broadcasts/telling", {"account": account, "lost": list(lost), "twice": twice, "held": held})

    def release(self, *, backwards: bool = False, account: str = ROOT_KEY) -> None:
        """What was held back is told."""
        self.post("broadcasts/release", {"account": account, "backwards": backwards})

    def _broadcast(self, channel: str, what: str, **given: Any) -> None:
        self.post(f"broadcasts/{channel.rpartition('/')[2]}/{what}", given)

    # --- sites

    def open_site(self, label: str) -> None:
        """The distribution of that label answers at ``site``, as if it were its domain."""
        self.post("site", {"label": label})

    def forget_tokens(self) -> None:
        """A minute has passed: MediaConvert knows no ClientRequestToken any more."""
        self.post("jobs/forget-tokens")

    def asked(self) -> Sequence[Mapping[str, Any]]:
        """What roles wanted to do, with AUTH: ``role, action, resource, allowed``."""
        asked: Sequence[Mapping[str, Any]] = self.get("access/asked")
        return asked

    def refused(self, action: str) -> Mapping[str, Any]:
        """Waits until a role was refused this; who, and of what. Blocks."""
        asked: Mapping[str, Any] = self.get("access/refused", action=action)
        return asked

    def forget_asked(self) -> None:
        self.post("access/forget")

    def reset(self) -> None:
        """Nothing is there any more. For whoever has the whole cloud to themselves."""
        self.post("reset")


@cache
def stack(*, auth: bool = False) -> Stack:
    """The one of this test run; with ``auth``, another one that enforces IAM."""
    settings = {"HEXCAST_FFMPEG": imageio_ffmpeg.get_ffmpeg_exe(), "AUTH": str(auth).lower()}
    started = Stack("tests.cloud.stack", "/_hexcast/", settings).start()
    atexit.register(started.stop)
    return started


def endpoint() -> str:
    return stack().endpoint


_session: AioSession | None = None
_accounts = itertools.count(100_000_000_000 + int.from_bytes(os.urandom(4)) * 100)


def session() -> AioSession:
    """One for all: it keeps the service models, which take long to load."""
    global _session  # noqa: PLW0603  (a cache)
    if _session is None:
        _session = get_session()
    return _session


@asynccontextmanager
async def client(
    service: str,
    account: str = ROOT_KEY,
    *,
    url: str = "",
    secret: str = ROOT_KEY,
    token: str | None = None,
    **config: Any,
) -> AsyncIterator[Any]:
    """A client of the emulated cloud. It does not try again by itself unless ``config`` says so.

    ``account`` is an access key; with AUTH, ``secret`` and ``token`` go with one that is not the first account's.
    No certificates are looked at: loading the machine's takes ten times as long as all else that a client does at first.
    """
    plain = {"retries": {"total_max_attempts": 1}, "connect_timeout": 5, "read_timeout": 30, "max_pool_connections": 50}
    style = {"s3": {"addressing_style": "path"}, "signature_version": "s3v4"} if service == "s3" else {}
    async with session().create_client(
        service, region_name=REGION, endpoint_url=url or endpoint(), verify=False, aws_access_key_id=account,
        aws_secret_access_key=secret, aws_session_token=token, config=Config(**{**plain, **style, **config}),
    ) as opened:  # fmt: skip
        yield opened


@frozen
class World:
    """A corner of its own. Clients live as long as it does."""

    stack: Stack
    account: str
    _clients: AsyncExitStack
    _opened: dict[str, Any] = field(factory=dict, init=False)

    def name(self, what: str) -> str:
        """One that nobody else uses; good for buckets, pools, queues and tables."""
        return f"{what}-{self.account}"

    async def client(self, service: str) -> Any:
        """Of this world's account; Cognito's is of the first, since most of its calls come unsigned."""
        if service not in self._opened:
            account = ROOT_KEY if service == "cognito-idp" else self.account
            self._opened[service] = await self._clients.enter_async_context(client(service, account))
        return self._opened[service]

    def root(self, service: str) -> AbstractAsyncContextManager[Any]:
        """A client of the first account, where Cognito's pools are."""
        return client(service)

    async def bucket(self, what: str) -> str:
        name = self.name(what)
        await (await self.client("s3")).create_bucket(Bucket=name)
        return name


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as clients:
        yield World(stack(), str(next(_accounts)), clients)


_wiped: list[str] = []
"""Accounts whose tables are there, and empty."""


@asynccontextmanager
async def emptied(*, url: str = "", **config: Any) -> AsyncIterator[tuple[Any, Callable[[], None]]]:
    """A client of an account that has the four tables, empty, and is nobody else's; and what empties them again. They
    are made and emptied past ``url``, where things may fail.
    """
    known = bool(_wiped)
    account = _wiped.pop() if known else str(next(_accounts))

    def wipe() -> None:
        stack().post("wipe", {"account": account})

    async with client("dynamodb", account, url=url, **config) as opened:
        if not known:
            await asyncio.gather(*(opened.create_table(**definition(table, table.name)) for table in TABLES))
        try:
            yield opened, wipe
        finally:
            wipe()
            _wiped.append(account)


@asynccontextmanager
async def tables(*, url: str = "", **config: Any) -> AsyncIterator[Tables]:
    """The four tables of such an account."""
    async with emptied(url=url, **config) as (opened, _):
        yield Tables(opened, {table.name: table.name for table in TABLES})
