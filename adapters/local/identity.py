"""Accounts on this machine: passwords' hashes, codes, sign-ins and the mail that carries codes."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from argon2 import PasswordHasher
from attrs import evolve, frozen

from adapters import credentials, signing
from adapters.credentials import Mint, Passwords, SignIn, Tried, Tries, era, stored
from adapters.local.database import Database, Row, Transaction, Values, micros, moment, sql
from adapters.local.settings import GET, PEPPER, settled
from adapters.rows import text_of, value_of
from application.ports import Account, Mail, NewId, Now, Tokens
from domain.access import Role
from domain.errors import Invalid, NotFound
from domain.identity import SIGN_IN_LIFE
from domain.identity import email as address
from domain.identity import password as acceptable
from domain.ids import USER, UserId

KEYS = "signing_keys"
FORGET_MOST = 100
"""Each sign-in forgets so many that are over, which is more than it adds; each wrong password does so with tries."""

_MAILS = sql("SELECT doc FROM mail WHERE recipient = ? ORDER BY n DESC LIMIT ?")
_SEND = sql("INSERT INTO mail (recipient, doc) VALUES (?, ?)")
_TRIM = sql(
    "DELETE FROM mail WHERE recipient = ? AND n <="
    " (SELECT n FROM mail WHERE recipient = ? ORDER BY n DESC LIMIT 1 OFFSET ?)"
)
_BY_EMAIL = sql("SELECT n, doc FROM account WHERE email = ?")
_BY_USER = sql("SELECT n, doc FROM account WHERE user = ?")
_OPEN = sql("INSERT INTO account (user, email, code_until, doc) VALUES (?, ?, ?, ?)")
_CHANGE = sql("UPDATE account SET code_until = ?, doc = ? WHERE n = ?")
_CLOSE = sql("DELETE FROM account WHERE user = ?")
_EXPIRED = sql("SELECT user FROM account WHERE code_until <= ? ORDER BY code_until, n LIMIT ?")
_BEGIN = sql("INSERT INTO sign_in (family, account, began_at, doc) VALUES (?, ?, ?, ?)")
_SIGN_IN = sql(
    "SELECT sign_in.doc, account.doc FROM sign_in JOIN account ON account.n = sign_in.account WHERE family = ?"
)
_ROTATE = sql("UPDATE sign_in SET doc = ? WHERE family = ?")
_END = sql("DELETE FROM sign_in WHERE family = ?")
_FORGET = sql(
    "DELETE FROM sign_in WHERE family IN (SELECT family FROM sign_in WHERE began_at <= ? ORDER BY began_at LIMIT ?)"
)
_TRIES = sql("SELECT wrong, last_at FROM tries WHERE email = ?")
_COUNT = sql("INSERT OR REPLACE INTO tries (email, wrong, last_at) VALUES (?, ?, ?)")
_FORGIVE = sql("DELETE FROM tries WHERE email = ?")
_FORGET_TRIES = sql(
    "DELETE FROM tries WHERE email IN (SELECT email FROM tries WHERE last_at <= ? ORDER BY last_at LIMIT ?)"
)


class SqliteMailbox:
    """Mail that goes nowhere but here."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sent_to(self, email: str) -> Sequence[Mail]:
        rows = self._database.rows(_MAILS, (stored(email), credentials.MAILS_MOST))
        return [value_of(doc, Mail) for (doc,) in rows]

    def send(self, transaction: Transaction, mail: Mail) -> None:
        """With what is stored of its code."""
        recipient = stored(mail.to)
        transaction.run(_SEND, (recipient, text_of(mail)))
        transaction.run(_TRIM, (recipient, recipient, credentials.MAILS_MOST))


class SqliteKeys:
    """The keys that tokens are signed with, the same for every process, made once.

    They are made or read on first use and off the event loop: that takes tenths of a second, which a start need not
    wait for.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys: signing.KeyPair = {}
        self._loading = asyncio.Lock()

    async def jwks(self) -> Mapping[str, object]:
        return signing.published(await self._loaded())

    async def sign(self, claims: Mapping[str, object]) -> str:
        """A JWT of the claims, by the key for their ``token_use``."""
        return signing.signed(await self._loaded(), claims)

    async def _loaded(self) -> signing.KeyPair:
        if not self._keys:
            async with self._loading:
                self._keys = self._keys or await asyncio.to_thread(signing.key_pair, await self._pems())
        return self._keys

    async def _pems(self) -> str:
        row = self._database.row(GET, (KEYS,))
        if row is not None:
            pems: str = row[0]
            return pems
        made = await asyncio.to_thread(signing.new_pems)
        return await self._database.write(lambda transaction: settled(transaction, KEYS, lambda: made), effect=False)


class _Reads(Protocol):
    """A database, or a transaction."""

    def row(self, statement: str, values: Values = (), /) -> Row | None: ...


@frozen
class _Stored:
    """A row: its number, and the account."""

    n: int
    account: Account


def _find(reads: _Reads, statement: str, key: str) -> _Stored | None:
    row = reads.row(statement, (key,))
    return None if row is None else _Stored(row[0], value_of(row[1], Account))


def _change(transaction: Transaction, before: _Stored, account: Account) -> None:
    if account != before.account:
        transaction.run(_CHANGE, (_code_until(account), text_of(account), before.n))


def _code_until(account: Account) -> int | None:
    until = account.waits_until
    return None if until is None else micros(until)


def _pepper(transaction: Transaction) -> bytes:
    return bytes.fromhex(settled(transaction, PEPPER, lambda: credentials.new_pepper().hex()))


class SqliteAccounts:
    """Accounts by address and by user.

    Passwords are hashed and verified before a transaction begins, which then makes sure that what was verified is
    still what is stored.
    """

    def __init__(
        self, database: Database, *, keys: SqliteKeys, mailbox: SqliteMailbox, now: Now, new_id: NewId, issuer: str,
        client_id: str, passwords: PasswordHasher = credentials.OWASP_LEAST,
        access_lifetime: timedelta = credentials.ACCESS_LIFETIME,
    ) -> None:  # fmt: skip
        self._database = database
        self._mailbox, self._now, self._new_id = mailbox, now, new_id
        self._mint = Mint(keys=keys, new_id=new_id, issuer=issuer, client_id=client_id, lifetime=access_lifetime)
        self._passwords = Passwords(passwords)

    async def sign_up(self, email: str, password: str, handle: str) -> UserId:
        email, password = address(email), acceptable(password)
        _require_free(self._database, email)
        hashed = await self._passwords.hash(password)
        draft = Account(user=UserId(self._new_id(USER)), email=email, password=hashed, handle=handle)
        now = self._now()

        def work(transaction: Transaction) -> None:
            _require_free(transaction, email)  # again: someone may have been faster
            account, mail = credentials.with_sign_up_code(draft, _pepper(transaction), now)
            transaction.run(_OPEN, (account.user, email, _code_until(account), text_of(account)))
            self._mailbox.send(transaction, mail)

        # Without the profile it is half a sign-up: the request is carried out again, which completes it.
        await self._database.write(work, effect=False)
        return draft.user

    async def unconfirmed(self, email: str) -> UserId | None:
        found = _find(self._database, _BY_EMAIL, stored(email))
        return None if found is None or found.account.confirmed else found.account.user

    async def expired(self, now: datetime, limit: int = 100) -> Sequence[UserId]:
        return [UserId(user) for (user,) in self._database.rows(_EXPIRED, (micros(now), limit))]

    async def confirm(self, email: str, code: str) -> None:
        await self._try(email, code, credentials.confirm)

    async def resend_code(self, email: str) -> None:
        await self._send(email, credentials.with_sign_up_code, waiting_only=True)

    async def sign_in(self, email: str, password: str) -> Tokens:
        email = stored(email)
        _tries(self._database, email).require_over(self._now())
        before = _find(self._database, _BY_EMAIL, email)
        right, upgraded = await self._passwords.verify(None if before is None else before.account.password, password)
        now, verified = self._now(), None if before is None or not right else before.account

        def work(transaction: Transaction) -> tuple[Account, SignIn, str] | None:
            # Of those verified at once the first wrong ones count, and the rest come too soon, right or wrong.
            tries = _tries(transaction, email)
            tries.require_over(now)
            found = _find(transaction, _BY_EMAIL, email)
            # The password may have been reset, or the account closed, while the old one was being verified.
            if verified is None or found is None or era(found.account) != era(verified):
                tries = tries.and_one(now)
                transaction.run(_COUNT, (email, tries.wrong, micros(tries.last_at)))
                transaction.run(_FORGET_TRIES, (micros(now - credentials.TRIES_LIFE), FORGET_MOST))
                return None
            account = found.account
            if not account.confirmed:
                raise credentials.not_confirmed()
            if upgraded is not None:
                account = evolve(account, password=upgraded)
                _change(transaction, found, account)
            transaction.run(_FORGIVE, (email,))
            transaction.run(_FORGET, (micros(now - SIGN_IN_LIFE), FORGET_MOST))
            sign_in, refresh = credentials.begin(account, self._new_id, now)
            transaction.run(_BEGIN, (credentials.family(refresh), found.n, micros(now), text_of(sign_in)))
            return account, sign_in, refresh

        begun = await self._database.write(work)
        if begun is None:
            raise credentials.wrong_credentials()
        return await self._mint.tokens(*begun, now)

    async def refresh(self, token: str) -> Tokens:
        family, now = credentials.family(token), self._now()

        def work(transaction: Transaction) -> tuple[Account, SignIn, str] | None:
            row = transaction.row(_SIGN_IN, (family,))
            if row is None:
                return None
            before, account = value_of(row[0], SignIn), value_of(row[1], Account)
            rotated = credentials.rotate(before, account, token, _pepper(transaction), now)
            if rotated is None:
                transaction.run(_END, (family,))
                return None
            sign_in, refresh = rotated
            if sign_in != before:
                transaction.run(_ROTATE, (text_of(sign_in), family))
            return account, sign_in, refresh

        known = self._database.row(_SIGN_IN, (family,)) is not None  # made-up tokens do not wait for the writer
        rotated = await self._database.write(work) if known else None
        if rotated is None:
            raise credentials.invalid_refresh_token()
        return await self._mint.tokens(*rotated, now)

    async def sign_out(self, token: str) -> None:
        family = credentials.family(token)
        await self._database.write(lambda transaction: transaction.run(_END, (family,)))

    async def forgot_password(self, email: str) -> None:
        await self._send(email, credentials.with_reset_code)

    async def reset_password(self, email: str, code: str, password: str) -> None:
        password = acceptable(password)
        await self._try(email, code, credentials.try_reset)
        hashed = await self._passwords.hash(password)
        # Again: the code may have been used, or the account closed, meanwhile.
        await self._try(email, code, partial(credentials.reset, hashed=hashed))

    async def grant(self, user: UserId, roles: frozenset[Role]) -> None:
        def work(transaction: Transaction) -> None:
            found = _find(transaction, _BY_USER, user)
            if found is None:
                raise NotFound("there is no such account")
            _change(transaction, found, evolve(found.account, roles=frozenset(roles)))

        await self._database.write(work, effect=False)  # half of what is asked for: the profile follows

    async def close(self, user: UserId) -> None:
        await self._database.write(lambda transaction: transaction.run(_CLOSE, (user,)))

    async def _send(
        self, email: str, new_code: Callable[[Account, bytes, datetime], tuple[Account, Mail]], *,
        waiting_only: bool = False,
    ) -> None:  # fmt: skip
        """The code and the mail that carries it, or neither; nothing to unknown addresses."""
        now = self._now()

        def work(transaction: Transaction) -> None:
            found = _find(transaction, _BY_EMAIL, stored(email))
            if found is None or (waiting_only and found.account.confirmed):
                return
            account, mail = new_code(found.account, _pepper(transaction), now)
            _change(transaction, found, account)
            self._mailbox.send(transaction, mail)

        await self._database.write(work)

    async def _try(self, email: str, code: str, trial: Callable[[Account, str, bytes, datetime], Tried]) -> None:
        """Raises Invalid, once the try is counted."""
        now = self._now()

        def work(transaction: Transaction) -> Invalid | None:
            found = _find(transaction, _BY_EMAIL, stored(email))
            if found is None:
                return credentials.mismatch()
            account, refusal = trial(found.account, code, _pepper(transaction), now)
            _change(transaction, found, account)
            if era(account) != era(found.account):
                transaction.run(_FORGIVE, (stored(email),))
            return refusal

        refusal = await self._database.write(work)
        if refusal is not None:
            raise refusal


def _tries(reads: _Reads, email: str) -> Tries:
    wrong, last_at = reads.row(_TRIES, (email,)) or (0, 0)
    return Tries(wrong, moment(last_at))


def _require_free(reads: _Reads, email: str) -> None:
    """Raises Taken."""
    found = _find(reads, _BY_EMAIL, email)
    if found is not None:
        raise credentials.taken(confirmed=found.account.confirmed)
