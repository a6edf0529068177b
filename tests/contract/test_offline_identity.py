"""What the offline identity providers promise beyond their ports: hashing, what they keep, and for how long."""

import asyncio
import stat
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import Type

from adapters.credentials import OWASP_LEAST
from adapters.inmemory.identity import InMemoryKeys
from domain.errors import DomainError, Invalid, Unauthenticated
from domain.ids import UserId
from tests.identities import CHEAP, OFFLINE, Offline, OfflineOpener, signing_keys

ANN, PASSWORD, OTHER = "ann@example.org", "correct horse battery", "staple correct horse"


class Opened(Protocol):
    async def __call__(self, passwords: PasswordHasher) -> Offline: ...


@pytest.fixture(params=[opener for _, opener in OFFLINE], ids=[family for family, _ in OFFLINE])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Opened]:
    opener: OfflineOpener = request.param
    async with AsyncExitStack() as stack:

        async def provider(passwords: PasswordHasher) -> Offline:
            return await stack.enter_async_context(opener(passwords))

        yield provider


async def confirmed(offline: Offline) -> UserId:
    user = await offline.identity.accounts.sign_up(ANN, PASSWORD, "ann")
    await offline.identity.accounts.confirm(ANN, await offline.identity.sent_code(ANN))
    return user


class Gated(PasswordHasher):
    """Verifies only once the gate is open."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.gate, self.at_it = threading.Event(), threading.Event()

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # type: ignore[override]  # noqa: A002  (argon2's name; it answers True or raises)
        self.at_it.set()
        assert self.gate.wait(10), "the event loop stood still"
        return super().verify(hash, password)


# --- passwords


def test_passwords_cost_what_owasp_asks_for_at_least() -> None:
    cost = extract_parameters(OWASP_LEAST.hash(PASSWORD))
    assert (cost.type, cost.memory_cost, cost.time_cost, cost.parallelism) == (Type.ID, 19456, 2, 1)


async def test_passwords_that_are_tried_at_once_are_no_more_than_five(opened: Opened) -> None:
    """The right one, after them, comes too soon: the answer must not tell it from the others."""
    offline = await opened(CHEAP)
    await confirmed(offline)
    sign_in = offline.identity.accounts.sign_in
    passwords = [*[OTHER] * 11, PASSWORD]
    outcomes = await asyncio.gather(*(sign_in(ANN, password) for password in passwords), return_exceptions=True)
    codes = sorted(outcome.code for outcome in outcomes if isinstance(outcome, DomainError))
    assert codes == ["too_many_tries"] * 7 + ["wrong_credentials"] * 5


async def test_a_new_password_is_looked_at_at_once(opened: Opened) -> None:
    """Whoever has the mailbox is not kept out by others who guess."""
    offline = await opened(CHEAP)
    await confirmed(offline)
    accounts = offline.identity.accounts
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await accounts.sign_in(ANN, "something else")
    await accounts.forgot_password(ANN)
    await accounts.reset_password(ANN, await offline.identity.sent_code(ANN), OTHER)
    assert (await accounts.sign_in(ANN, OTHER)).refresh


async def test_an_unknown_address_costs_the_same_work(opened: Opened) -> None:
    offline = await opened(OWASP_LEAST)
    assert extract_parameters(offline.passwords.nobodys) == extract_parameters(OWASP_LEAST.hash(PASSWORD))
    with pytest.raises(VerifyMismatchError):
        OWASP_LEAST.verify(offline.passwords.nobodys, PASSWORD)


async def test_the_event_loop_serves_while_a_password_is_verified(opened: Opened) -> None:
    gated = Gated()
    offline = await opened(gated)
    await confirmed(offline)
    signing_in = asyncio.create_task(offline.identity.accounts.sign_in(ANN, PASSWORD))
    await asyncio.to_thread(gated.at_it.wait, 10)
    await offline.identity.accounts.forgot_password(ANN)  # writes are not held up either
    gated.gate.set()
    assert (await signing_in).refresh


async def test_a_reset_of_an_account_that_closes_meanwhile_is_refused(opened: Opened) -> None:
    offline = await opened(CHEAP)
    user = await confirmed(offline)
    accounts = offline.identity.accounts
    await accounts.forgot_password(ANN)
    reset, _ = await asyncio.gather(
        accounts.reset_password(ANN, await offline.identity.sent_code(ANN), OTHER),
        accounts.close(user),
        return_exceptions=True,
    )
    assert isinstance(reset, Invalid)


async def test_a_sign_in_begun_before_a_reset_does_not_outlive_it(opened: Opened) -> None:
    gated = Gated()
    offline = await opened(gated)
    await confirmed(offline)
    accounts = offline.identity.accounts
    signing_in = asyncio.create_task(accounts.sign_in(ANN, PASSWORD))
    await asyncio.to_thread(gated.at_it.wait, 10)
    await accounts.forgot_password(ANN)
    await accounts.reset_password(ANN, await offline.identity.sent_code(ANN), OTHER)
    gated.gate.set()
    with pytest.raises(Unauthenticated):
        await signing_in


async def test_a_sign_in_begun_before_the_account_closed_comes_to_nothing(opened: Opened) -> None:
    """Not even if the address has another account by then, with the same password."""
    gated = Gated()
    offline = await opened(gated)
    user = await confirmed(offline)
    signing_in = asyncio.create_task(offline.identity.accounts.sign_in(ANN, PASSWORD))
    await asyncio.to_thread(gated.at_it.wait, 10)
    await offline.identity.accounts.close(user)
    await confirmed(offline)
    gated.gate.set()
    with pytest.raises(Unauthenticated):
        await signing_in


async def test_a_sign_in_brings_an_old_hash_up_to_date(opened: Opened) -> None:
    """Two at once do no harm to each other."""
    offline = await opened(CHEAP)
    await confirmed(offline)
    dearer = offline.passwords.hasher = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    for _ in range(2):
        await asyncio.gather(*(offline.identity.accounts.sign_in(ANN, PASSWORD) for _ in range(2)))
        assert not dearer.check_needs_rehash(offline.account(ANN).password)


async def test_neither_password_nor_code_nor_refresh_token_is_kept_as_it_is(opened: Opened) -> None:
    offline = await opened(CHEAP)
    await confirmed(offline)
    tokens = await offline.identity.accounts.sign_in(ANN, PASSWORD)
    kept = repr((offline.account(ANN), offline.sign_ins()))
    assert ANN in kept
    for secret in (PASSWORD, await offline.identity.sent_code(ANN), *tokens.refresh.split(".")):
        assert secret not in kept


# --- what is kept


async def test_sign_ins_that_are_over_are_forgotten(opened: Opened) -> None:
    offline = await opened(CHEAP)
    await confirmed(offline)
    for _ in range(3):
        await offline.identity.accounts.sign_in(ANN, PASSWORD)
        offline.identity.clock.advance(timedelta(days=16))
    await offline.identity.accounts.sign_in(ANN, PASSWORD)
    assert len(offline.sign_ins()) == 2


async def test_a_sign_in_stays_small_however_often_it_is_refreshed(opened: Opened) -> None:
    offline = await opened(CHEAP)
    await confirmed(offline)
    token = (await offline.identity.accounts.sign_in(ANN, PASSWORD)).refresh
    for _ in range(70):
        token = (await offline.identity.accounts.refresh(token)).refresh
    (sign_in,) = offline.sign_ins()
    assert len(sign_in.spent) == 64
    offline.identity.clock.advance(timedelta(seconds=31))
    await offline.identity.accounts.refresh(token)
    (sign_in,) = offline.sign_ins()
    assert len(sign_in.spent) == 1


async def test_the_last_100_mails_of_each_address_are_kept_the_newest_first(opened: Opened) -> None:
    offline = await opened(CHEAP)
    accounts, clock = offline.identity.accounts, offline.identity.clock
    await accounts.sign_up(ANN, PASSWORD, "ann")
    sent = [await offline.mailbox.sent_to(ANN)]
    await accounts.sign_up("bob@example.org", PASSWORD, "bob")
    for _ in range(102):
        clock.advance(timedelta(seconds=1))
        await accounts.resend_code(ANN)
        sent.append(await offline.mailbox.sent_to(" Ann@Example.org"))
    assert [len(mails) for mails in sent] == [*range(1, 101), 100, 100, 100]
    assert sent[-1] == [mails[0] for mails in reversed(sent)][:100]
    times = [mail.sent_at for mail in sent[-1]]
    assert times == sorted(set(times), reverse=True)
    assert [mail.to for mail in await offline.mailbox.sent_to("bob@example.org")] == ["bob@example.org"]
    assert list(await offline.mailbox.sent_to("nobody@example.org")) == []


async def test_a_code_arrives_with_words_around_it(opened: Opened) -> None:
    offline = await opened(CHEAP)
    await offline.identity.accounts.sign_up(ANN, PASSWORD, "ann")
    (mail,) = await offline.mailbox.sent_to(ANN)
    assert (mail.to, mail.sent_at) == (ANN, offline.identity.clock.now())
    assert mail.code is not None
    assert len(mail.code) == 6
    assert mail.code in mail.text
    assert "24 h" in mail.text


# --- keys


async def test_keys_are_made_once_however_many_ask() -> None:
    keys = InMemoryKeys()
    documents = await asyncio.gather(*(keys.jwks() for _ in range(5)))
    assert all(document == documents[0] for document in documents)


async def test_a_keys_file_outlives_the_process_and_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "keys.pem"
    first = await InMemoryKeys(path).jwks()
    assert await InMemoryKeys(path).jwks() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["keys.pem"]


def test_processes_that_start_together_agree_on_the_keys(tmp_path: Path) -> None:
    starters = [InMemoryKeys(tmp_path / "keys.pem") for _ in range(4)]

    async def documents() -> list[Mapping[str, object]]:
        return await asyncio.gather(*(keys.jwks() for keys in starters))

    first, *others = asyncio.run(documents())
    assert others == [first] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["keys.pem"]


async def test_without_a_file_keys_live_as_long_as_the_process() -> None:
    assert await InMemoryKeys().jwks() != await signing_keys().jwks()


@pytest.mark.parametrize("content", ["", "nonsense", "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n"])
async def test_a_file_that_holds_no_two_keys_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.pem"
    path.write_text(content, "ascii")
    with pytest.raises(ValueError, match="two private keys"):
        await InMemoryKeys(path).jwks()
    assert path.read_text("ascii") == content
