"""The identity provider of every family, at work, with what a test needs to know about it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache

from argon2 import PasswordHasher
from attrs import frozen

from adapters.inmemory.identity import InMemoryAccounts, InMemoryKeys, InMemoryMailbox
from adapters.system import Ulids
from application.ports import Accounts, Keys
from tests.worlds import FakeClock

ISSUER, CLIENT = "https://hexcast.test/identity", "hexcast-web"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@frozen
class Identity:
    """``code_for`` gives the code last sent to an address, None if none was."""

    accounts: Accounts
    keys: Keys
    issuer: str
    client_id: str
    clock: FakeClock
    code_for: Callable[[str], Awaitable[str | None]]

    async def sent_code(self, email: str) -> str:
        code = await self.code_for(email)
        assert code is not None, f"no code was sent to {email}"
        return code


Opener = Callable[[], AbstractAsyncContextManager[Identity]]


@cache
def signing_keys() -> InMemoryKeys:
    """The same for every test: RSA keys take long to make."""
    return InMemoryKeys()


@asynccontextmanager
async def in_memory() -> AsyncIterator[Identity]:
    clock, mailbox = FakeClock(), InMemoryMailbox()
    accounts = InMemoryAccounts(
        keys=signing_keys(),
        mailbox=mailbox,
        now=clock.now,
        new_id=Ulids(clock.now),
        issuer=ISSUER,
        client_id=CLIENT,
        passwords=CHEAP,
    )

    async def code_for(email: str) -> str | None:
        return next((mail.code for mail in await mailbox.sent_to(email)), None)

    yield Identity(accounts, signing_keys(), ISSUER, CLIENT, clock, code_for)


IDENTITIES: list[tuple[str, Opener]] = [("in_memory", in_memory)]
