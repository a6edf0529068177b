"""What ``Accounts`` promises, sentence by sentence, and then all of it at once against a model."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from application.ports import Tokens
from domain.errors import DomainError, Forbidden, Invalid, NotFound, Taken, TooManyTries, Unauthenticated
from domain.ids import UserId
from tests.identities import IDENTITIES, Identity, Opener

ANN, PASSWORD, OTHER = "ann@example.org", "correct horse battery", "staple correct horse"
CODE_LIFETIME, RESET_LIFETIME, GRACE = timedelta(hours=24), timedelta(hours=1), timedelta(seconds=30)
SECOND = timedelta(seconds=1)
T = TypeVar("T")


@pytest.fixture(params=[opener for _, opener in IDENTITIES], ids=[family for family, _ in IDENTITIES])
async def identity(request: pytest.FixtureRequest) -> AsyncIterator[Identity]:
    opener: Opener = request.param
    async with opener() as opened:
        yield opened


async def confirmed(identity: Identity, email: str = ANN, password: str = PASSWORD) -> UserId:
    user = await identity.accounts.sign_up(email, password, "ann")
    await identity.accounts.confirm(email, await identity.sent_code(email))
    return user


async def refusal(call: Coroutine[object, object, object]) -> tuple[type[DomainError], str]:
    with pytest.raises(DomainError) as refused:
        await call
    return type(refused.value), refused.value.code


MISMATCH, EXPIRED = (Invalid, "code_mismatch"), (Invalid, "code_expired")
PENDING = (Taken, "confirmation_pending")
WRONG_CREDENTIALS = (Unauthenticated, "wrong_credentials")
TOO_MANY = (TooManyTries, "too_many_tries")
INVALID_REFRESH_TOKEN = (Unauthenticated, "invalid_refresh_token")


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


# --- signing up


async def test_one_signs_up_confirms_and_signs_in(identity: Identity) -> None:
    accounts = identity.accounts
    await accounts.sign_up(ANN, PASSWORD, "ann")
    assert await refusal(accounts.sign_in(ANN, PASSWORD)) == (Forbidden, "not_confirmed")
    await accounts.confirm(ANN, await identity.sent_code(ANN))
    tokens = await accounts.sign_in(ANN, PASSWORD)
    assert len({tokens.access, tokens.id, tokens.refresh}) == 3
    assert tokens.expires_in_s > 0


async def test_a_wrong_password_is_wrong_before_the_address_is_unconfirmed(identity: Identity) -> None:
    """Whoever does not know the password must not learn that there is such an account."""
    await identity.accounts.sign_up(ANN, PASSWORD, "ann")
    assert await refusal(identity.accounts.sign_in(ANN, OTHER)) == WRONG_CREDENTIALS


async def test_addresses_are_compared_in_their_stored_form(identity: Identity) -> None:
    await confirmed(identity, " Ann@Example.ORG ")
    assert await refusal(identity.accounts.sign_up(ANN, OTHER, "ann")) == (Taken, "email_taken")
    await identity.accounts.sign_in("ANN@example.org", PASSWORD)


@pytest.mark.parametrize(
    ("email", "password", "code"),
    [("ann", PASSWORD, "invalid_email"), (ANN, "short", "invalid_password"), (ANN, "x" * 257, "invalid_password")],
)
async def test_what_is_no_address_or_password_makes_no_account(
    identity: Identity, email: str, password: str, code: str
) -> None:
    assert await refusal(identity.accounts.sign_up(email, password, "ann")) == (Invalid, code)
    assert await identity.code_for(email) is None


async def test_an_address_with_a_confirmed_account_is_taken(identity: Identity) -> None:
    await confirmed(identity)
    assert await refusal(identity.accounts.sign_up(ANN, OTHER, "bob")) == (Taken, "email_taken")
    await identity.accounts.sign_in(ANN, PASSWORD)


async def test_an_address_that_waits_for_its_code_is_taken(identity: Identity) -> None:
    """Whoever signs up last must not choose the password that the code confirms."""
    accounts, clock = identity.accounts, identity.clock
    await accounts.sign_up(ANN, PASSWORD, "ann")
    code = await identity.sent_code(ANN)
    for password in (OTHER, PASSWORD):
        assert await refusal(accounts.sign_up(ANN, password, "mallory")) == PENDING
    clock.advance(CODE_LIFETIME - SECOND)
    assert await refusal(accounts.sign_up(" Ann@Example.ORG ", OTHER, "mallory")) == PENDING
    await accounts.confirm(ANN, code)  # still the last one
    assert await refusal(accounts.sign_in(ANN, OTHER)) == WRONG_CREDENTIALS
    await accounts.sign_in(ANN, PASSWORD)


async def test_an_account_that_nobody_confirmed_in_time_is_expired(identity: Identity) -> None:
    accounts, clock = identity.accounts, identity.clock
    first = await accounts.sign_up(ANN, PASSWORD, "ann")
    clock.advance(CODE_LIFETIME - SECOND)
    assert list(await accounts.expired(clock.now())) == []
    clock.advance(SECOND)
    assert list(await accounts.expired(clock.now())) == [first]
    assert await refusal(accounts.sign_up(ANN, OTHER, "ann")) == PENDING
    await accounts.close(first)
    assert list(await accounts.expired(clock.now())) == []
    assert await accounts.sign_up(ANN, OTHER, "ann") != first
    await accounts.confirm(ANN, await identity.sent_code(ANN))
    assert await refusal(accounts.sign_in(ANN, PASSWORD)) == WRONG_CREDENTIALS
    await accounts.sign_in(ANN, OTHER)


async def test_expired_accounts_come_the_first_to_run_out_first(identity: Identity) -> None:
    accounts, clock = identity.accounts, identity.clock
    users = []
    for name in ("ann", "bob", "cleo", "dora"):
        users.append(await accounts.sign_up(f"{name}@example.org", PASSWORD, name))
        clock.advance(SECOND)
    ann, bob, _, dora = users
    await accounts.resend_code(ANN)
    await accounts.confirm("cleo@example.org", await identity.sent_code("cleo@example.org"))
    clock.advance(CODE_LIFETIME)
    assert list(await accounts.expired(clock.now())) == [bob, dora, ann]
    assert list(await accounts.expired(clock.now(), limit=2)) == [bob, dora]


async def test_a_new_code_keeps_the_account_for_as_long_as_it_is_good(identity: Identity) -> None:
    accounts, clock = identity.accounts, identity.clock
    user = await accounts.sign_up(ANN, PASSWORD, "ann")
    clock.advance(timedelta(hours=23))
    await accounts.resend_code(ANN)
    clock.advance(timedelta(hours=23))
    assert list(await accounts.expired(clock.now())) == []
    clock.advance(timedelta(hours=1))
    assert list(await accounts.expired(clock.now())) == [user]


@pytest.mark.parametrize("by_reset", [False, True])
async def test_a_confirmed_account_never_expires(identity: Identity, *, by_reset: bool) -> None:
    accounts, clock = identity.accounts, identity.clock
    if by_reset:
        await accounts.sign_up(ANN, PASSWORD, "ann")
        await accounts.forgot_password(ANN)
        await accounts.reset_password(ANN, await identity.sent_code(ANN), OTHER)
    else:
        await confirmed(identity)
    clock.advance(timedelta(days=400))
    assert list(await accounts.expired(clock.now())) == []


async def test_who_waits_to_be_confirmed_is_known_by_the_address(identity: Identity) -> None:
    accounts = identity.accounts
    assert await accounts.unconfirmed(ANN) is None
    user = await accounts.sign_up(ANN, PASSWORD, "ann")
    assert await accounts.unconfirmed(" Ann@Example.ORG ") == user
    await accounts.confirm(ANN, await identity.sent_code(ANN))
    assert await accounts.unconfirmed(ANN) is None


async def test_signing_up_at_the_same_time_makes_one_account(identity: Identity) -> None:
    """It has the password of the one who got it."""
    accounts, passwords = identity.accounts, [f"{PASSWORD} {number}" for number in range(5)]
    results = await asyncio.gather(
        *(accounts.sign_up(ANN, password, "ann") for password in passwords), return_exceptions=True
    )
    assert [type(result) for result in results if not isinstance(result, str)] == [Taken] * 4
    await accounts.confirm(ANN, await identity.sent_code(ANN))
    for password, result in zip(passwords, results, strict=True):
        if isinstance(result, str):
            await accounts.sign_in(ANN, password)
        else:
            assert await refusal(accounts.sign_in(ANN, password)) == WRONG_CREDENTIALS


async def test_any_text_of_fair_length_is_a_password(identity: Identity) -> None:
    """Spaces and letters of any script count, at both ends too; so does half a surrogate pair out of JSON."""
    for number, password in enumerate(("  eight  ", "пароль из слов", "\ud83d" * 8, "x" * 256)):
        email = f"p{number}@example.org"
        await confirmed(identity, email, password)
        await identity.accounts.sign_in(email, password)
        assert await refusal(identity.accounts.sign_in(email, password.strip() + "x")) == WRONG_CREDENTIALS


# --- codes


async def test_confirming_again_with_the_last_code_is_a_no_op(identity: Identity) -> None:
    await confirmed(identity)
    code = await identity.sent_code(ANN)
    await identity.accounts.confirm(ANN, code)
    assert await refusal(identity.accounts.confirm(ANN, other_than(code))) == MISMATCH
    await identity.accounts.sign_in(ANN, PASSWORD)


async def test_a_code_for_an_unknown_address_is_a_mismatch(identity: Identity) -> None:
    assert await refusal(identity.accounts.confirm(ANN, "123456")) == MISMATCH
    assert await refusal(identity.accounts.reset_password(ANN, "123456", OTHER)) == MISMATCH


@pytest.mark.parametrize("code", ["", "12345", "1234567", "абвгде", "\ud83d"])
async def test_what_is_no_code_is_a_mismatch(identity: Identity, code: str) -> None:
    await identity.accounts.sign_up(ANN, PASSWORD, "ann")
    assert await refusal(identity.accounts.confirm(ANN, code)) == MISMATCH


async def test_a_code_is_good_for_24_hours(identity: Identity) -> None:
    accounts, clock = identity.accounts, identity.clock
    await accounts.sign_up(ANN, PASSWORD, "ann")
    clock.advance(CODE_LIFETIME)
    assert await refusal(accounts.confirm(ANN, await identity.sent_code(ANN))) == EXPIRED
    await accounts.resend_code(ANN)
    clock.advance(CODE_LIFETIME - SECOND)
    await accounts.confirm(ANN, await identity.sent_code(ANN))


async def test_a_reset_code_is_good_for_an_hour(identity: Identity) -> None:
    accounts, clock = identity.accounts, identity.clock
    await confirmed(identity)
    await accounts.forgot_password(ANN)
    clock.advance(RESET_LIFETIME)
    assert await refusal(accounts.reset_password(ANN, await identity.sent_code(ANN), OTHER)) == EXPIRED
    await accounts.forgot_password(ANN)
    clock.advance(RESET_LIFETIME - SECOND)
    await accounts.reset_password(ANN, await identity.sent_code(ANN), OTHER)
    await accounts.sign_in(ANN, OTHER)


async def test_after_five_wrong_codes_the_right_one_is_no_good(identity: Identity) -> None:
    accounts = identity.accounts
    await accounts.sign_up(ANN, PASSWORD, "ann")
    code = await identity.sent_code(ANN)
    for _ in range(5):
        assert await refusal(accounts.confirm(ANN, other_than(code))) == MISMATCH
    assert await refusal(accounts.confirm(ANN, code)) in {MISMATCH, EXPIRED}
    await accounts.resend_code(ANN)
    await accounts.confirm(ANN, await identity.sent_code(ANN))


async def test_after_four_wrong_codes_the_right_one_is_good(identity: Identity) -> None:
    accounts = identity.accounts
    await accounts.sign_up(ANN, PASSWORD, "ann")
    code = await identity.sent_code(ANN)
    for _ in range(4):
        assert await refusal(accounts.confirm(ANN, other_than(code))) == MISMATCH
    await accounts.confirm(ANN, code)


async def test_wrong_reset_codes_are_counted_too(identity: Identity) -> None:
    accounts = identity.accounts
    await confirmed(identity)
    await accounts.forgot_password(ANN)
    code = await identity.sent_code(ANN)
    for _ in range(5):
        assert await refusal(accounts.reset_password(ANN, other_than(code), OTHER)) == MISMATCH
    assert await refusal(accounts.reset_password(ANN, code, OTHER)) in {MISMATCH, EXPIRED}
    await accounts.sign_in(ANN, PASSWORD)


async def test_no_code_goes_to_unknown_or_confirmed_addresses(identity: Identity) -> None:
    accounts = identity.accounts
    await accounts.resend_code("nobody@example.org")
    await accounts.forgot_password("nobody@example.org")
    assert await identity.code_for("nobody@example.org") is None
    await confirmed(identity)
    code = await identity.sent_code(ANN)
    await accounts.resend_code(ANN)
    assert await identity.sent_code(ANN) == code
    await accounts.confirm(ANN, code)  # still the last one


# --- forgotten passwords


async def test_a_reset_replaces_the_password_and_its_code_works_once(identity: Identity) -> None:
    accounts = identity.accounts
    await confirmed(identity)
    await accounts.forgot_password(ANN)
    code = await identity.sent_code(ANN)
    await accounts.reset_password(ANN, code, OTHER)
    assert await refusal(accounts.sign_in(ANN, PASSWORD)) == WRONG_CREDENTIALS
    await accounts.sign_in(ANN, OTHER)
    assert await refusal(accounts.reset_password(ANN, code, PASSWORD)) == MISMATCH


async def test_of_two_resets_at_once_with_one_code_one_counts(identity: Identity) -> None:
    accounts = identity.accounts
    await confirmed(identity)
    await accounts.forgot_password(ANN)
    code = await identity.sent_code(ANN)
    results = await asyncio.gather(
        accounts.reset_password(ANN, code, OTHER),
        accounts.reset_password(ANN, code, "yet another one"),
        return_exceptions=True,
    )
    assert [type(result) for result in results if result is not None] == [Invalid]


async def test_an_unacceptable_new_password_does_not_use_up_the_code(identity: Identity) -> None:
    accounts = identity.accounts
    await confirmed(identity)
    await accounts.forgot_password(ANN)
    code = await identity.sent_code(ANN)
    assert await refusal(accounts.reset_password(ANN, code, "short")) == (Invalid, "invalid_password")
    await accounts.reset_password(ANN, code, OTHER)


async def test_a_reset_ends_every_sign_in(identity: Identity) -> None:
    accounts = identity.accounts
    await confirmed(identity)
    before = [await accounts.sign_in(ANN, PASSWORD) for _ in range(2)]
    await accounts.refresh(before[0].refresh)  # in its grace
    await accounts.forgot_password(ANN)
    await accounts.reset_password(ANN, await identity.sent_code(ANN), OTHER)
    for tokens in before:
        assert await refusal(accounts.refresh(tokens.refresh)) == INVALID_REFRESH_TOKEN
    await accounts.refresh((await accounts.sign_in(ANN, OTHER)).refresh)


async def test_a_reset_confirms_the_address(identity: Identity) -> None:
    accounts = identity.accounts
    await accounts.sign_up(ANN, PASSWORD, "ann")
    await accounts.forgot_password(ANN)
    await accounts.reset_password(ANN, await identity.sent_code(ANN), OTHER)
    await accounts.sign_in(ANN, OTHER)


async def test_a_reset_that_confirms_leaves_no_other_code_good(identity: Identity) -> None:
    accounts = identity.accounts
    await accounts.sign_up(ANN, PASSWORD, "ann")
    sign_up = await identity.sent_code(ANN)
    await accounts.forgot_password(ANN)
    await accounts.reset_password(ANN, await identity.sent_code(ANN), OTHER)
    assert await refusal(accounts.confirm(ANN, sign_up)) == MISMATCH


async def test_a_reset_leaves_the_code_that_confirmed_as_it_is(identity: Identity) -> None:
    accounts = identity.accounts
    await confirmed(identity)
    code = await identity.sent_code(ANN)
    await accounts.forgot_password(ANN)
    await accounts.reset_password(ANN, await identity.sent_code(ANN), OTHER)
    await accounts.confirm(ANN, code)


async def test_a_sign_up_code_resets_no_password_and_the_other_way_round(identity: Identity) -> None:
    accounts = identity.accounts
    await accounts.sign_up(ANN, PASSWORD, "ann")
    sign_up = await identity.sent_code(ANN)
    assert await refusal(accounts.reset_password(ANN, sign_up, OTHER)) == MISMATCH
    await accounts.forgot_password(ANN)
    reset = await identity.sent_code(ANN)
    if reset != sign_up:  # one time in a million they are the same
        assert await refusal(accounts.confirm(ANN, reset)) == MISMATCH
    await accounts.confirm(ANN, sign_up)


# --- sign-ins


@pytest.mark.parametrize("email", ["nobody@example.org", "", "no address at all", "\ud83d@example.org"])
async def test_unknown_addresses_look_like_wrong_passwords(identity: Identity, email: str) -> None:
    assert await refusal(identity.accounts.sign_in(email, PASSWORD)) == WRONG_CREDENTIALS


@pytest.mark.parametrize("known", [True, False])
async def test_after_five_wrong_passwords_none_is_looked_at_for_a_while(identity: Identity, *, known: bool) -> None:
    """Whether there is such an account or not; and for longer after each further one."""
    accounts, clock = identity.accounts, identity.clock
    if known:
        await confirmed(identity)
    for _ in range(5):
        assert await refusal(accounts.sign_in(ANN, OTHER)) == WRONG_CREDENTIALS
    for wait in (SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND):
        for password in (OTHER, PASSWORD, OTHER):
            assert await refusal(accounts.sign_in(ANN, password)) == TOO_MANY
        clock.advance(wait - SECOND / 2)
        assert await refusal(accounts.sign_in(" Ann@Example.ORG ", PASSWORD)) == TOO_MANY
        clock.advance(SECOND / 2)
        assert await refusal(accounts.sign_in(ANN, OTHER)) == WRONG_CREDENTIALS
    await confirmed(identity, "bob@example.org")
    await accounts.sign_in("bob@example.org", PASSWORD)


async def test_the_wait_after_wrong_passwords_is_15_minutes_at_most(identity: Identity) -> None:
    accounts, clock = identity.accounts, identity.clock
    await confirmed(identity)
    for already in range(18):
        clock.advance(timedelta(minutes=15) if already > 4 else timedelta())
        assert await refusal(accounts.sign_in(ANN, OTHER)) == WRONG_CREDENTIALS
    clock.advance(timedelta(minutes=15) - SECOND)
    assert await refusal(accounts.sign_in(ANN, PASSWORD)) == TOO_MANY
    clock.advance(SECOND)
    await accounts.sign_in(ANN, PASSWORD)


@pytest.mark.parametrize("by_signing_in", [True, False])
async def test_wrong_passwords_are_forgotten_by_a_sign_in_and_with_time(
    identity: Identity, *, by_signing_in: bool
) -> None:
    accounts, clock = identity.accounts, identity.clock
    await confirmed(identity)
    for _ in range(3):
        for _ in range(4):
            assert await refusal(accounts.sign_in(ANN, OTHER)) == WRONG_CREDENTIALS
        if by_signing_in:
            await accounts.sign_in(ANN, PASSWORD)
        else:
            clock.advance(timedelta(minutes=15))


async def test_refresh_tokens_rotate_and_the_old_one_works_for_30_s_more(identity: Identity) -> None:
    accounts, clock = identity.accounts, identity.clock
    await confirmed(identity)
    first = (await accounts.sign_in(ANN, PASSWORD)).refresh
    second = (await accounts.refresh(first)).refresh
    assert second != first
    clock.advance(GRACE)
    lost_and_found = (await accounts.refresh(first)).refresh
    clock.advance(timedelta(days=1))
    await accounts.refresh(lost_and_found)


async def test_refreshing_twice_at_once_leaves_both_callers_signed_in(identity: Identity) -> None:
    """Two tabs of one browser do."""
    accounts, clock = identity.accounts, identity.clock
    await confirmed(identity)
    first = (await accounts.sign_in(ANN, PASSWORD)).refresh
    one, other = await asyncio.gather(accounts.refresh(first), accounts.refresh(first))
    one = await accounts.refresh(one.refresh)
    other = await accounts.refresh(other.refresh)
    clock.advance(timedelta(hours=1))
    await accounts.refresh(one.refresh)
    await accounts.refresh(other.refresh)


async def test_a_token_works_through_its_grace_however_far_its_successors_are(identity: Identity) -> None:
    accounts, clock = identity.accounts, identity.clock
    await confirmed(identity)
    first = last = (await accounts.sign_in(ANN, PASSWORD)).refresh
    for _ in range(5):
        clock.advance(timedelta(seconds=5))
        last = (await accounts.refresh(last)).refresh
    found = (await accounts.refresh(first)).refresh
    clock.advance(timedelta(hours=1))
    await accounts.refresh(found)


async def test_an_old_refresh_token_used_late_ends_the_whole_sign_in(identity: Identity) -> None:
    accounts, clock = identity.accounts, identity.clock
    await confirmed(identity)
    elsewhere = await accounts.sign_in(ANN, PASSWORD)
    stolen = (await accounts.sign_in(ANN, PASSWORD)).refresh
    kept = (await accounts.refresh(stolen)).refresh
    clock.advance(GRACE + SECOND)
    assert await refusal(accounts.refresh(stolen)) == INVALID_REFRESH_TOKEN
    assert await refusal(accounts.refresh(kept)) == INVALID_REFRESH_TOKEN
    await accounts.refresh(elsewhere.refresh)


@pytest.mark.parametrize("token", ["", ".", "nonsense", "a.b", "a.b.c", "\ud83d.é"])
async def test_what_is_no_refresh_token_is_refused(identity: Identity, token: str) -> None:
    await confirmed(identity)
    tokens = await identity.accounts.sign_in(ANN, PASSWORD)
    assert await refusal(identity.accounts.refresh(token)) == INVALID_REFRESH_TOKEN
    assert await refusal(identity.accounts.refresh(tokens.access)) == INVALID_REFRESH_TOKEN
    await identity.accounts.sign_out(token)
    await identity.accounts.refresh(tokens.refresh)


async def test_a_sign_in_is_over_after_30_days(identity: Identity) -> None:
    accounts, clock = identity.accounts, identity.clock
    await confirmed(identity)
    token = (await accounts.sign_in(ANN, PASSWORD)).refresh
    clock.advance(timedelta(days=30) - SECOND)
    token = (await accounts.refresh(token)).refresh
    clock.advance(SECOND)
    assert await refusal(accounts.refresh(token)) == INVALID_REFRESH_TOKEN


async def test_signing_out_ends_this_sign_in_and_no_other(identity: Identity) -> None:
    accounts = identity.accounts
    await confirmed(identity)
    here, there = await accounts.sign_in(ANN, PASSWORD), await accounts.sign_in(ANN, PASSWORD)
    rotated = await accounts.refresh(here.refresh)
    await accounts.sign_out(rotated.refresh)
    await accounts.sign_out(rotated.refresh)
    for tokens in (here, rotated):
        assert await refusal(accounts.refresh(tokens.refresh)) == INVALID_REFRESH_TOKEN
    await accounts.refresh(there.refresh)


# --- the end


async def test_a_closed_account_is_gone_and_its_address_is_free(identity: Identity) -> None:
    accounts = identity.accounts
    user = await confirmed(identity)
    tokens = await accounts.sign_in(ANN, PASSWORD)
    await accounts.close(user)
    await accounts.close(user)
    assert await refusal(accounts.sign_in(ANN, PASSWORD)) == WRONG_CREDENTIALS
    assert await refusal(accounts.refresh(tokens.refresh)) == INVALID_REFRESH_TOKEN
    assert await refusal(accounts.grant(user, frozenset())) == (NotFound, "not_found")
    assert await confirmed(identity, ANN, OTHER) != user


async def test_grants_need_an_account(identity: Identity) -> None:
    assert await refusal(identity.accounts.grant(UserId("usr_none"), frozenset())) == (NotFound, "not_found")
    await identity.accounts.close(UserId("usr_none"))


# --- all of it at once


@define
class Code:
    text: str
    until: datetime
    wrong: int = 0


@define(eq=False)
class Chain:
    """A sign-in: its tokens, the latest last, and when each was spent."""

    email: str
    ends_at: datetime
    tokens: list[str]
    spent_at: dict[str, datetime] = field(factory=dict)
    over: bool = False


@define
class Tries:
    """Wrong passwords in a row, and until when none is looked at."""

    wrong: int
    until: datetime


@define
class Account:
    password: str
    confirmed: bool = False
    sign_up: Code | None = None
    reset: Code | None = None
    chains: list[Chain] = field(factory=list)


EMAILS = st.sampled_from(["ann@example.org", "bob@example.org"])
PASSWORDS = st.sampled_from(["correct horse", "battery staple"])
STEPS = st.sampled_from(
    [SECOND, timedelta(seconds=29), timedelta(minutes=59), timedelta(hours=23), timedelta(days=1), timedelta(days=15)]
)


class AccountsMachine(RuleBasedStateMachine):
    """Any Accounts behaves like a dict of accounts by address, each with two codes and its sign-ins."""

    opener: Opener

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, Account] = {}
        self.users: dict[str, UserId] = {}
        self.tries: dict[str, Tries] = {}
        self.chains: list[Chain] = []
        self.runner, self.opened = asyncio.Runner(), self.opener()
        self.identity = self.runner.run(self.opened.__aenter__())
        self.accounts = self.identity.accounts

    def run(self, call: Coroutine[object, object, T]) -> T | str:
        """What it gives, or the code of what it raises."""

        async def outcome() -> T | str:
            try:
                return await call
            except DomainError as error:
                return error.code

        return self.runner.run(outcome())

    def sent(self, email: str, lifetime: timedelta) -> Code:
        return Code(self.runner.run(self.identity.sent_code(email)), self.identity.clock.now() + lifetime)

    @rule(by=STEPS)
    def time_passes(self, by: timedelta) -> None:
        self.identity.clock.advance(by)

    @rule(email=EMAILS, password=PASSWORDS)
    def sign_up(self, email: str, password: str) -> None:
        account = self.model.get(email)
        result = self.run(self.accounts.sign_up(email, password, "handle"))
        if account is not None:
            assert result == ("email_taken" if account.confirmed else "confirmation_pending")
            return
        assert result not in self.users.values()
        self.users[email] = UserId(result)
        self.model[email] = Account(password, sign_up=self.sent(email, CODE_LIFETIME))

    @rule(email=EMAILS)
    def look_who_waits(self, email: str) -> None:
        account = self.model.get(email)
        waits = account is not None and not account.confirmed
        assert self.run(self.accounts.unconfirmed(email)) == (self.users[email] if waits else None)

    @rule(limit=st.integers(1, 2))
    def expire(self, limit: int) -> None:
        now, due = self.identity.clock.now(), {}
        for email, account in self.model.items():
            if not account.confirmed and account.sign_up is not None and account.sign_up.until <= now:
                due[self.users[email]] = (account.sign_up.until, email)
        expired = self.run(self.accounts.expired(now, limit))
        assert not isinstance(expired, str)
        assert len(expired) == min(limit, len(due))
        assert [due[user][0] for user in expired] == sorted(until for until, _ in due.values())[: len(expired)]
        for user in expired:
            assert self.run(self.accounts.close(user)) is None
            del self.model[due[user][1]]

    @rule(email=EMAILS)
    def resend(self, email: str) -> None:
        assert self.run(self.accounts.resend_code(email)) is None
        account = self.model.get(email)
        if account is not None and not account.confirmed:
            account.sign_up = self.sent(email, CODE_LIFETIME)

    def expected(self, code: Code | None, *, right: bool) -> str | None:
        if code is None:
            return "code_mismatch"
        if not right:
            code.wrong += 1
            return "code_mismatch"
        if code.wrong >= 5 or self.identity.clock.now() >= code.until:
            return "code_expired"
        return None

    @rule(email=EMAILS, right=st.booleans(), times=st.integers(1, 3))
    def confirm(self, email: str, right: bool, times: int) -> None:  # noqa: FBT001  (hypothesis gives it by name)
        account = self.model.get(email)
        code = account.sign_up if account is not None else None
        text = "000000" if code is None else code.text if right else other_than(code.text)
        for _ in range(times):
            result = self.run(self.accounts.confirm(email, text))
            if account is not None and account.confirmed:
                assert result == (None if code is not None and right else "code_mismatch")
                continue
            wanted = self.expected(code, right=right)
            assert result == wanted
            if account is not None and wanted is None:
                account.confirmed = True

    @rule(email=EMAILS)
    def forget(self, email: str) -> None:
        assert self.run(self.accounts.forgot_password(email)) is None
        if email in self.model:
            self.model[email].reset = self.sent(email, RESET_LIFETIME)

    @rule(email=EMAILS, password=PASSWORDS, right=st.booleans())
    def reset(self, email: str, password: str, right: bool) -> None:  # noqa: FBT001  (hypothesis gives it by name)
        account = self.model.get(email)
        code = account.reset if account is not None else None
        text = "000000" if code is None else code.text if right else other_than(code.text)
        wanted = self.expected(code, right=right)
        assert self.run(self.accounts.reset_password(email, text, password)) == wanted
        if account is not None and wanted is None:
            if not account.confirmed:
                account.sign_up = None
            account.password, account.confirmed, account.reset = password, True, None
            for chain in account.chains:
                chain.over = True

    @rule(email=EMAILS, password=PASSWORDS)
    def sign_in(self, email: str, password: str) -> None:
        account, now = self.model.get(email), self.identity.clock.now()
        if account is not None and not account.confirmed and account.password != password:
            return  # whether Cognito counts it is not known
        tries = self.tries.setdefault(email, Tries(0, now))
        result = self.run(self.accounts.sign_in(email, password))
        if now < tries.until:
            assert result == "too_many_tries"
        elif account is None or account.password != password:
            assert result == "wrong_credentials"
            tries.wrong = 1 if now >= tries.until + timedelta(minutes=15) else tries.wrong + 1
            wait_s = 0 if tries.wrong < 5 else min(2 ** (tries.wrong - 5), 900)
            tries.until = now + timedelta(seconds=wait_s)
        elif not account.confirmed:
            assert result == "not_confirmed"
        else:
            assert isinstance(result, Tokens)
            del self.tries[email]
            chain = Chain(email, self.identity.clock.now() + timedelta(days=30), [result.refresh])
            account.chains.append(chain)
            self.chains.append(chain)

    @precondition(lambda self: self.chains)
    @rule(data=st.data())
    def refresh(self, data: st.DataObject) -> None:
        chain = data.draw(st.sampled_from(self.chains))
        token = chain.tokens[-1 - data.draw(st.integers(0, min(2, len(chain.tokens) - 1)))]
        now = self.identity.clock.now()
        good = token not in chain.spent_at or now <= chain.spent_at[token] + GRACE
        result = self.run(self.accounts.refresh(token))
        if chain.over or now >= chain.ends_at or not good:
            assert result == "invalid_refresh_token"
            chain.over = True
            return
        assert isinstance(result, Tokens)
        assert result.refresh != token
        chain.spent_at.setdefault(token, now)
        if result.refresh not in chain.tokens:
            chain.tokens.append(result.refresh)

    @precondition(lambda self: self.chains)
    @rule(data=st.data())
    def sign_out(self, data: st.DataObject) -> None:
        chain = data.draw(st.sampled_from(self.chains))
        assert self.run(self.accounts.sign_out(data.draw(st.sampled_from(chain.tokens)))) is None
        chain.over = True

    @rule(email=EMAILS)
    def close(self, email: str) -> None:
        user = self.users.get(email, UserId("usr_none"))
        assert self.run(self.accounts.close(user)) is None
        account = self.model.pop(email, None)
        for chain in account.chains if account is not None else ():
            chain.over = True

    def teardown(self) -> None:
        self.runner.run(self.opened.__aexit__(None, None, None))
        self.runner.close()


@pytest.mark.parametrize("opener", [opener for _, opener in IDENTITIES], ids=[family for family, _ in IDENTITIES])
def test_accounts_behave_like_the_model(opener: Opener) -> None:
    machine = type("Machine", (AccountsMachine,), {"opener": staticmethod(opener)})
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))
