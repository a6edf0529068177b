"""The API over the tables of the emulated cloud, called through what may fail; files and people are in memory.

What is done twice leaves the same in the tables, but for the ids that are drawn after ``begin`` and the partitions that
are chosen by them: ``held`` says what is there without these.
"""

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from attrs import define, field, frozen
from dependency_injector.providers import Object

from adapters.aws.container import Aws
from adapters.aws.dynamo import Tables
from adapters.aws.settings import AwsSettings
from adapters.aws.tables import G1, G2, G3, TABLES
from adapters.inmemory.container import Memory
from domain.identity import User
from domain.ids import UserId
from entrypoints.container import Core
from entrypoints.http.app import create_app
from entrypoints.settings import Settings
from tests.cloud import world
from tests.cloud.faults import RETRIES, Failing, Rule
from tests.identities import CHEAP, signing_keys
from tests.strategies import START
from tests.worlds import FakeClock

URL = "https://api.hexcast.test"
PEOPLE = ("ann", "ben")
KEY, FIRST_ID = b"k" * 32, 100
_DRAWN = re.compile(r"_x[0-9]{25}")
_TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z")
_SPREAD = re.compile(r"#[0-9]+(?=\")")
"""Which of the partitions of a list it is, chosen by an id or at random."""
_VERSION = re.compile(r"(?<=\\\"version\\\":)[0-9]+")
_PASSING = {"w", "v", "expires", "attempts", "turn"}
"""Attributes that say how often, or when, something was written."""
_SETTINGS = AwsSettings(
    region=world.REGION, tables={each.name: each.name for each in TABLES}, raw_bucket="raw", media_bucket="media",
    issuer=URL, jwks_url=f"{URL}/keys",
)  # fmt: skip


@frozen
class Fails:
    """A call by its operation and its number among those, and what rule makes it fail, by what it is given."""

    operation: str
    number: int
    rule: Callable[[Any], Rule] = field(repr=False)


@define(eq=False)
class Calls:
    """Notes the calls that the SDK is asked for, while it is ``armed``."""

    failing: Failing
    made: list[str] = field(factory=list)
    armed: bool = False
    fails: Fails | None = None

    def __call__(self, params: Any, model: Any, **_: Any) -> None:
        if not self.armed:
            return
        self.made.append(model.name)
        if self.fails is not None and (model.name, self.made.count(model.name)) == (
            self.fails.operation,
            self.fails.number,
        ):
            self.failing.let_fail(self.fails.rule(params))


@define(eq=False)
class Ids:
    """The same in every run, up to ``drawn``."""

    drawn: bool = False
    count: int = 0

    def __call__(self, kind: str) -> str:
        self.count += 1
        return f"{kind}_{'x' if self.drawn else '0'}{self.count:025}"


@define
class Platform:
    core: Core
    adapters: Aws
    client: httpx.AsyncClient
    clock: FakeClock
    ids: Ids
    calls: Calls
    dynamodb: Any
    wipe: Callable[[], None]
    headers: dict[str, str] = field(factory=dict)
    """By person."""
    given: dict[str, str] = field(factory=dict)
    """Ids, by what paths call them."""

    async def meet(self, memory: Memory) -> None:
        """People sign up, and in."""
        accounts = memory.accounts()
        for handle in PEOPLE:
            address, secret = f"{handle}@mail.test", "correct horse battery"
            self.given[handle] = await accounts.sign_up(address, secret, handle)
            (mail, *_) = await memory.mailbox().sent_to(address)
            await accounts.confirm(address, str(mail.code))
            self.headers[handle] = f"Bearer {(await accounts.sign_in(address, secret)).access}"

    async def begin_anew(self) -> None:
        """There is nothing but the people's profiles, and it is the first day again."""
        self.wipe()
        self.clock.at, self.ids.count, self.ids.drawn = START, FIRST_ID, False
        for handle in PEOPLE:
            user = UserId(self.given[handle])
            email = f"{handle}@mail.test"
            await self.adapters.users().save(
                User(id=user, handle=handle, display_name=handle, email=email, created_at=self.clock.now())
            )

    async def ask(self, method: str, path: str, body: Any = None, *, by: str = "ann", key: str = "") -> httpx.Response:
        """What is in braces is one of those ``given``."""
        headers = {"authorization": self.headers[by], **({"idempotency-key": key} if key else {})}
        filled = re.sub(r"\{(\w+)\}", lambda name: self.given[name[1]], json.dumps([path, body]))
        path, body = json.loads(filled)
        return await self.client.request(method, path, json=body, headers=headers)

    async def did(self, method: str, path: str, body: Any = None, *, by: str = "ann") -> Any:
        answer = await self.ask(method, path, body, by=by)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def deliver(self) -> Sequence[Exception]:
        """Events, until none is left that is due; why some will come again."""
        errors: list[Exception] = []
        while delivered := await self.core.deliver_events()():
            errors += [each.error for each in delivered if each.error is not None]
        return errors

    def begin(self, fails: Fails | None = None) -> None:
        """What follows is what may fail."""
        self.ids.drawn = self.calls.armed = True
        self.calls.made, self.calls.fails = [], fails

    def stop(self) -> list[str]:
        """No call fails any more; those that were made."""
        self.calls.armed = False
        self.calls.failing.let_fail()
        return self.calls.made

    async def held(self) -> Counter[str]:
        """Every item, and what counters come to: but for answers to keys, times, and how often something was tried."""
        found, counted = Counter[str](), Counter[str]()
        for table in TABLES:
            for item in (await self.dynamodb.scan(TableName=table.name))["Items"]:
                if item["pk"]["S"].startswith("REQUEST#"):
                    continue
                if item["sk"]["S"] == "COUNT":
                    subject = item["pk"]["S"].rpartition("#")[0]
                    counted.update({f"{subject} {name}": int(each["N"]) for name, each in item.items() if "N" in each})
                    continue
                kept = {name: _masked(name, value) for name, value in item.items() if name not in _PASSING}
                found[json.dumps(kept, sort_keys=True)] += 1
        return found + Counter({f"{name}: {each}": 1 for name, each in counted.items() if not name.endswith("shards")})


def _masked(name: str, value: Any) -> str:
    text = _VERSION.sub("_", _TIME.sub("_", _DRAWN.sub("_x", json.dumps(value, sort_keys=True, default=list))))
    return _SPREAD.sub("#", text) if name in {G1.pk, G2.pk, G3.pk} else text


async def _at_once(_: float) -> None:
    """Whoever met others does not wait."""


@asynccontextmanager
async def opened(failing: Failing) -> AsyncIterator[Platform]:
    clock = FakeClock()
    async with world.emptied(url=failing.url, retries=RETRIES) as (client, wipe):
        tables, calls, ids = Tables(client, {each.name: each.name for each in TABLES}, _at_once), Calls(failing), Ids()
        client.meta.events.register("provide-client-params.dynamodb", calls)
        memory = Memory(
            public_url=URL, key=KEY, machine=clock, passwords=CHEAP, keys=signing_keys(), new_id=Object(ids)
        )  # fmt: skip
        adapters = Aws(
            public_url=URL, key=KEY, settings=_SETTINGS, clock=clock, tables=tables, media=memory.media(),
            store=memory.store(), delivery=memory.delivery(), transcoder=memory.transcoder(), accounts=memory.accounts(),
            keys=signing_keys(), client_ids=memory.client_ids(), new_id=Object(ids), ingest=memory.ingest(),
            chat=memory.chat(),
        )  # fmt: skip
        core = Core(settings=Settings(profile="memory", rate_limit=0, public_url=URL), adapters=adapters)
        app: Any = create_app(core)
        try:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as asking:
                platform = Platform(core, adapters, asking, clock, ids, calls, client, wipe)
                await platform.meet(memory)
                yield platform
        finally:
            await memory.transcoder().aclose()
            memory.search().close()
