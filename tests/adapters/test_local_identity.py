"""Accounts in a file: they outlive the process, and several processes have one and the same."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.local.database import Database
from adapters.local.identity import KEYS, SqliteKeys
from adapters.local.settings import settled
from application.ports import Tokens
from domain.access import Role
from domain.errors import Invalid, Taken, Unauthenticated
from tests.identities import Offline, over, pems
from tests.worlds import FakeClock

ANN, PASSWORD, OTHER = "ann@example.org", "correct horse battery", "staple correct horse"

Start = Callable[[], Database]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Another process with the same file."""
    started: list[Database] = []

    def process() -> Database:
        started.append(Database(tmp_path / "hexcast.db", durable=False))
        return started[-1]

    yield process
    for database in started:
        database.close()


@pytest.fixture
async def ready(start: Start) -> Start:
    """The same of a file that has its keys."""
    await start().write(lambda transaction: settled(transaction, KEYS, pems))
    return start


async def confirmed(offline: Offline) -> Tokens:
    await offline.identity.accounts.sign_up(ANN, PASSWORD, "ann")
    await offline.identity.accounts.confirm(ANN, await offline.identity.sent_code(ANN))
    return await offline.identity.accounts.sign_in(ANN, PASSWORD)


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_a_restart_changes_nothing(ready: Start, clock: FakeClock) -> None:
    """Keys, roles, sign-ins with tokens in their grace, and mails are what they were."""
    database = ready()
    before = over(database, clock)
    first = await confirmed(before)
    await before.identity.accounts.grant(before.account(ANN).user, frozenset({Role.MODERATOR}))
    second = await before.identity.accounts.refresh(first.refresh)
    jwks, mails = await before.identity.keys.jwks(), await before.mailbox.sent_to(ANN)
    database.close()

    after = over(ready(), clock)
    assert await after.identity.keys.jwks() == jwks
    assert await after.mailbox.sent_to(ANN) == mails
    assert after.account(ANN).roles == {Role.MODERATOR}
    assert (await after.identity.accounts.refresh(first.refresh)).refresh == second.refresh
    assert (await after.identity.accounts.sign_in(ANN, PASSWORD)).refresh
    clock.advance(timedelta(seconds=31))
    with pytest.raises(Unauthenticated):
        await after.identity.accounts.refresh(first.refresh)
    with pytest.raises(Unauthenticated):
        await after.identity.accounts.refresh(second.refresh)


async def test_codes_and_the_count_of_wrong_tries_outlive_a_restart(ready: Start, clock: FakeClock) -> None:
    database = ready()
    offline = over(database, clock)
    await offline.identity.accounts.sign_up(ANN, PASSWORD, "ann")
    code = await offline.identity.sent_code(ANN)
    for _ in range(5):
        with pytest.raises(Invalid):
            await offline.identity.accounts.confirm(ANN, other_than(code))
        database.close()
        database = ready()
        offline = over(database, clock)
    with pytest.raises(Invalid):
        await offline.identity.accounts.confirm(ANN, code)
    await offline.identity.accounts.resend_code(ANN)
    code = await offline.identity.sent_code(ANN)
    database.close()
    await over(ready(), clock).identity.accounts.confirm(ANN, code)


async def test_processes_that_start_together_agree_on_the_keys(start: Start) -> None:
    """And each of their threads that ask at once."""
    rings = [SqliteKeys(start()) for _ in range(3)]
    first, *others = await asyncio.gather(*(keys.jwks() for keys in rings for _ in range(2)))
    assert others == [first] * 5
    assert await SqliteKeys(start()).jwks() == first


async def test_two_processes_refresh_one_token_at_once(ready: Start, clock: FakeClock) -> None:
    """Both get the same new one, which is the only one that is good after the grace."""
    one, other = over(ready(), clock), over(ready(), clock)
    token = (await confirmed(one)).refresh
    for _ in range(5):
        tokens = await asyncio.gather(
            *(each.identity.accounts.refresh(token) for each in (one, other, one, other))
        )  # fmt: skip
        (token,) = {each.refresh for each in tokens}
        clock.advance(timedelta(seconds=40))
    assert len(one.sign_ins()) == 1
    await other.identity.accounts.sign_out(token)
    with pytest.raises(Unauthenticated):
        await one.identity.accounts.refresh(token)


async def test_two_processes_sign_one_address_up_at_once(ready: Start, clock: FakeClock) -> None:
    one, other = over(ready(), clock), over(ready(), clock)
    results = await asyncio.gather(
        one.identity.accounts.sign_up(ANN, PASSWORD, "ann"),
        other.identity.accounts.sign_up(ANN, OTHER, "ann"),
        return_exceptions=True,
    )
    assert [type(each) for each in results if not isinstance(each, str)] == [Taken]
    assert len(await one.mailbox.sent_to(ANN)) == 1


async def test_wrong_tries_in_several_processes_count_together(ready: Start, clock: FakeClock) -> None:
    one, other = over(ready(), clock), over(ready(), clock)
    await one.identity.accounts.sign_up(ANN, PASSWORD, "ann")
    code = await one.identity.sent_code(ANN)
    tries = [each.identity.accounts.confirm(ANN, other_than(code)) for each in (one, other, one, other, one)]
    assert {type(each) for each in await asyncio.gather(*tries, return_exceptions=True)} == {Invalid}
    with pytest.raises(Invalid):
        await other.identity.accounts.confirm(ANN, code)


async def test_what_ends_in_one_process_ends_in_all(ready: Start, clock: FakeClock) -> None:
    one, other = over(ready(), clock), over(ready(), clock)
    first = await confirmed(one)
    await other.identity.accounts.forgot_password(ANN)
    await other.identity.accounts.reset_password(ANN, await one.identity.sent_code(ANN), OTHER)
    with pytest.raises(Unauthenticated):
        await one.identity.accounts.refresh(first.refresh)
    second = await one.identity.accounts.sign_in(ANN, OTHER)
    await other.identity.accounts.close(one.account(ANN).user)
    for refused in (one.identity.accounts.refresh(second.refresh), one.identity.accounts.sign_in(ANN, OTHER)):
        with pytest.raises(Unauthenticated):
            await refused
    assert one.sign_ins() == []


async def test_a_code_is_sent_with_what_is_kept_of_it_or_not_at_all(ready: Start, clock: FakeClock) -> None:
    """What stands in the way of the mail stands in the way of the account, too."""
    database = ready()
    offline = over(database, clock)
    await offline.identity.accounts.sign_up("bob@example.org", PASSWORD, "bob")
    before = offline.account("bob@example.org")
    await database.write(
        lambda transaction: transaction.run(
            "CREATE TRIGGER full BEFORE INSERT ON mail BEGIN SELECT raise(ABORT, 'no mail'); END"
        )
    )
    for refused in (
        offline.identity.accounts.sign_up(ANN, PASSWORD, "ann"),
        offline.identity.accounts.resend_code("bob@example.org"),
    ):
        with pytest.raises(Exception, match="no mail"):
            await refused
    assert await offline.identity.accounts.unconfirmed(ANN) is None
    assert offline.account("bob@example.org") == before


async def test_a_file_that_holds_other_keys_is_refused(start: Start) -> None:
    database = start()
    await database.write(lambda transaction: settled(transaction, KEYS, lambda: "nonsense"))
    with pytest.raises(ValueError, match="two private keys"):
        await SqliteKeys(database).jwks()
