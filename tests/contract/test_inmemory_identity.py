"""What the in-memory identity provider promises beyond its ports: hashing, what it keeps, and its keys file."""

import asyncio
import stat
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import Type

from adapters.inmemory.identity import OWASP_LEAST, InMemoryAccounts, InMemoryKeys, InMemoryMailbox
from adapters.system import Ulids
from application.ports import Mail
from domain.errors import Invalid, Unauthenticated
from domain.ids import UserId
from tests.identities import CHEAP, CLIENT, ISSUER, signing_keys
from tests.worlds import FakeClock

ANN, PASSWORD, OTHER = "ann@example.org", "correct horse battery", "staple correct horse"


@pytest.fixture
def mailbox() -> InMemoryMailbox:
    return InMemoryMailbox()


@pytest.fixture
def opened(clock: FakeClock, mailbox: InMemoryMailbox) -> Callable[[PasswordHasher], InMemoryAccounts]:
    def accounts(passwords: PasswordHasher) -> InMemoryAccounts:
        return InMemoryAccounts(
            keys=signing_keys(),
            mailbox=mailbox,
            now=clock.now,
            new_id=Ulids(clock.now),
            issuer=ISSUER,
            client_id=CLIENT,
            passwords=passwords,
        )

    return accounts


Opened = Callable[[PasswordHasher], InMemoryAccounts]


async def last_code(mailbox: InMemoryMailbox) -> str:
    code = (await mailbox.sent_to(ANN))[0].code
    assert code is not None
    return code


async def confirmed(accounts: InMemoryAccounts, mailbox: InMemoryMailbox) -> UserId:
    user = await accounts.sign_up(ANN, PASSWORD, "ann")
    await accounts.confirm(ANN, await last_code(mailbox))
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


def test_an_unknown_address_costs_the_same_work(opened: Opened) -> None:
    accounts = opened(OWASP_LEAST)
    assert extract_parameters(accounts._nobodys) == extract_parameters(OWASP_LEAST.hash(PASSWORD))
    with pytest.raises(VerifyMismatchError):
        OWASP_LEAST.verify(accounts._nobodys, PASSWORD)


async def test_the_event_loop_serves_while_a_password_is_verified(opened: Opened, mailbox: InMemoryMailbox) -> None:
    gated = Gated()
    accounts = opened(gated)
    await confirmed(accounts, mailbox)
    signing_in = asyncio.create_task(accounts.sign_in(ANN, PASSWORD))
    await asyncio.to_thread(gated.at_it.wait, 10)
    gated.gate.set()
    assert (await signing_in).refresh


async def test_a_reset_of_an_account_that_closes_meanwhile_is_refused(opened: Opened, mailbox: InMemoryMailbox) -> None:
    accounts = opened(CHEAP)
    user = await confirmed(accounts, mailbox)
    await accounts.forgot_password(ANN)
    reset, _ = await asyncio.gather(
        accounts.reset_password(ANN, await last_code(mailbox), OTHER), accounts.close(user), return_exceptions=True
    )
    assert isinstance(reset, Invalid)


async def test_a_sign_in_begun_before_a_reset_does_not_outlive_it(opened: Opened, mailbox: InMemoryMailbox) -> None:
    gated = Gated()
    accounts = opened(gated)
    await confirmed(accounts, mailbox)
    signing_in = asyncio.create_task(accounts.sign_in(ANN, PASSWORD))
    await asyncio.to_thread(gated.at_it.wait, 10)
    await accounts.forgot_password(ANN)
    await accounts.reset_password(ANN, await last_code(mailbox), OTHER)
    gated.gate.set()
    with pytest.raises(Unauthenticated):
        await signing_in


async def test_a_sign_in_begun_before_the_account_closed_comes_to_nothing(
    opened: Opened, mailbox: InMemoryMailbox
) -> None:
    gated = Gated()
    accounts = opened(gated)
    user = await confirmed(accounts, mailbox)
    signing_in = asyncio.create_task(accounts.sign_in(ANN, PASSWORD))
    await asyncio.to_thread(gated.at_it.wait, 10)
    await accounts.close(user)
    gated.gate.set()
    with pytest.raises(Unauthenticated):
        await signing_in


async def test_a_sign_in_brings_an_old_hash_up_to_date(opened: Opened, mailbox: InMemoryMailbox) -> None:
    accounts = opened(CHEAP)
    await confirmed(accounts, mailbox)
    dearer = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    accounts._passwords = dearer
    for _ in range(2):
        await accounts.sign_in(ANN, PASSWORD)
        assert not dearer.check_needs_rehash(accounts._by_email[ANN].password)


async def test_neither_password_nor_code_nor_refresh_token_is_kept_as_it_is(
    opened: Opened, mailbox: InMemoryMailbox
) -> None:
    accounts = opened(CHEAP)
    await confirmed(accounts, mailbox)
    tokens = await accounts.sign_in(ANN, PASSWORD)
    kept = repr((accounts._by_email, accounts._sign_ins))
    assert ANN in kept
    for secret in (PASSWORD, await last_code(mailbox), *tokens.refresh.split(".")):
        assert secret not in kept


# --- what is kept


async def test_sign_ins_that_are_over_are_forgotten(opened: Opened, mailbox: InMemoryMailbox, clock: FakeClock) -> None:
    accounts = opened(CHEAP)
    await confirmed(accounts, mailbox)
    for _ in range(3):
        await accounts.sign_in(ANN, PASSWORD)
        clock.advance(timedelta(days=16))
    await accounts.sign_in(ANN, PASSWORD)
    assert len(accounts._sign_ins) == 2


async def test_a_sign_in_stays_small_however_often_it_is_refreshed(
    opened: Opened, mailbox: InMemoryMailbox, clock: FakeClock
) -> None:
    accounts = opened(CHEAP)
    await confirmed(accounts, mailbox)
    token = (await accounts.sign_in(ANN, PASSWORD)).refresh
    (sign_in,) = accounts._sign_ins.values()
    for _ in range(70):
        token = (await accounts.refresh(token)).refresh
    assert len(sign_in.spent) == 64
    clock.advance(timedelta(seconds=31))
    await accounts.refresh(token)
    assert len(sign_in.spent) == 1


async def test_the_last_100_mails_of_each_address_are_kept_the_newest_first(
    mailbox: InMemoryMailbox, clock: FakeClock
) -> None:
    for number in range(103):
        mailbox.send(Mail(ANN, f"mail {number}", "", None, clock.advance(timedelta(seconds=1))))
    mailbox.send(Mail("bob@example.org", "another", "", "123456", clock.now()))
    assert [mail.subject for mail in await mailbox.sent_to(" Ann@Example.org")] == [
        f"mail {number}" for number in range(102, 2, -1)
    ]
    assert [mail.code for mail in await mailbox.sent_to("bob@example.org")] == ["123456"]
    assert list(await mailbox.sent_to("nobody@example.org")) == []


async def test_a_code_arrives_with_words_around_it(opened: Opened, mailbox: InMemoryMailbox, clock: FakeClock) -> None:
    await opened(CHEAP).sign_up(ANN, PASSWORD, "ann")
    (mail,) = await mailbox.sent_to(ANN)
    assert (mail.to, mail.sent_at) == (ANN, clock.now())
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
