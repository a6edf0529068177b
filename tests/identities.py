"""The identity provider of every family, at work, with what a test needs to know about it."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path

from aiohttp import ClientSession
from argon2 import PasswordHasher
from attrs import frozen

from adapters.aws.cognito import CognitoAccounts
from adapters.aws.tokens import CognitoKeys
from adapters.credentials import Passwords, SignIn
from adapters.inmemory.identity import InMemoryAccounts, InMemoryKeys, InMemoryMailbox
from adapters.local.database import Database
from adapters.local.identity import KEYS, SqliteAccounts, SqliteKeys, SqliteMailbox
from adapters.local.settings import settled
from adapters.rows import value_of
from adapters.signing import new_pems
from adapters.system import Ulids
from application.ports import Account, Accounts, Keys, Mailbox
from tests.cloud.pools import pool
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


@frozen(kw_only=True)
class Offline:
    """A provider that keeps accounts itself, and a look at what it keeps."""

    identity: Identity
    mailbox: Mailbox
    passwords: Passwords
    account: Callable[[str], Account]
    sign_ins: Callable[[], Sequence[SignIn]]


Opener = Callable[[], AbstractAsyncContextManager[Identity]]
OfflineOpener = Callable[[PasswordHasher], AbstractAsyncContextManager[Offline]]


@cache
def signing_keys() -> InMemoryKeys:
    """The same for every test: RSA keys take long to make."""
    return InMemoryKeys()


@cache
def pems() -> str:
    """The same for every file."""
    return new_pems()


def _identity(accounts: Accounts, keys: Keys, mailbox: Mailbox, clock: FakeClock) -> Identity:
    async def code_for(email: str) -> str | None:
        return next((mail.code for mail in await mailbox.sent_to(email)), None)

    return Identity(accounts, keys, ISSUER, CLIENT, clock, code_for)


@asynccontextmanager
async def in_memory(passwords: PasswordHasher = CHEAP) -> AsyncIterator[Offline]:
    clock, mailbox, keys = FakeClock(), InMemoryMailbox(), signing_keys()
    accounts = InMemoryAccounts(
        keys=keys, mailbox=mailbox, now=clock.now, new_id=Ulids(clock.now), issuer=ISSUER, client_id=CLIENT,
        passwords=passwords,
    )  # fmt: skip
    yield Offline(
        identity=_identity(accounts, keys, mailbox, clock),
        mailbox=mailbox,
        passwords=accounts._passwords,
        account=lambda email: accounts._by_email[email],
        sign_ins=lambda: [sign_in for _, sign_in in accounts._sign_ins.values()],
    )


def over(database: Database, clock: FakeClock, passwords: PasswordHasher = CHEAP) -> Offline:
    """One process of those that share a file."""
    mailbox, keys = SqliteMailbox(database), SqliteKeys(database)
    accounts = SqliteAccounts(
        database, keys=keys, mailbox=mailbox, now=clock.now, new_id=Ulids(clock.now), issuer=ISSUER, client_id=CLIENT,
        passwords=passwords,
    )  # fmt: skip

    def account(email: str) -> Account:
        ((doc,),) = database.rows("SELECT doc FROM account WHERE email = ?", (email,))
        return value_of(doc, Account)

    return Offline(
        identity=_identity(accounts, keys, mailbox, clock),
        mailbox=mailbox,
        passwords=accounts._passwords,
        account=account,
        sign_ins=lambda: [value_of(doc, SignIn) for (doc,) in database.rows("SELECT doc FROM sign_in")],
    )


@asynccontextmanager
async def sqlite(passwords: PasswordHasher = CHEAP) -> AsyncIterator[Offline]:
    with tempfile.TemporaryDirectory(prefix="hexcast-") as folder:
        database = Database(Path(folder) / "hexcast.db", durable=False)
        try:
            await database.write(lambda transaction: settled(transaction, KEYS, pems))
            yield over(database, FakeClock(), passwords)
        finally:
            database.close()


def _only_identity(opener: OfflineOpener) -> Opener:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Identity]:
        async with opener(CHEAP) as offline:
            yield offline.identity

    return opened


@asynccontextmanager
async def cognito() -> AsyncIterator[Identity]:
    clock = FakeClock()
    async with pool(clock.now) as people, ClientSession() as session:
        accounts = CognitoAccounts(
            people.cognito, people.id, people.client_id, clock.now, Ulids(clock.now), Passwords(CHEAP)
        )  # fmt: skip
        keys = CognitoKeys(session, people.jwks_url, clock.now)
        yield Identity(accounts, keys, people.issuer, people.client_id, clock, people.code_for)


OFFLINE: list[tuple[str, OfflineOpener]] = [("in_memory", in_memory), ("sqlite", sqlite)]
IDENTITIES: list[tuple[str, Opener]] = [
    *((family, _only_identity(opener)) for family, opener in OFFLINE),
    ("cognito", cognito),
]
