"""Accounts on this machine, kept in memory."""

import asyncio
import os
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice, takewhile
from operator import itemgetter
from pathlib import Path

from argon2 import PasswordHasher
from attrs import evolve

from adapters import credentials, signing
from adapters.credentials import Mint, Passwords, SignIn, Tried, Tries, era, stored
from application.ports import Account, Mail, NewId, Now, Pepper, Tokens
from domain.access import Role
from domain.errors import NotFound
from domain.identity import SIGN_IN_LIFE
from domain.identity import email as address
from domain.identity import password as acceptable
from domain.ids import USER, UserId

TRIES_MOST = 100_000
"""Addresses whose wrong passwords are remembered: of more, the oldest are forgotten."""


class InMemoryMailbox:
    """Mail that goes nowhere but here."""

    def __init__(self) -> None:
        self._boxes: dict[str, deque[Mail]] = {}

    async def sent_to(self, email: str) -> Sequence[Mail]:
        return list(self._boxes.get(stored(email), ()))

    def send(self, mail: Mail) -> None:
        self._boxes.setdefault(stored(mail.to), deque(maxlen=credentials.MAILS_MOST)).appendleft(mail)


class InMemoryKeys:
    """The keys that tokens are signed with.

    They are made on first use and off the event loop: that takes tenths of a second, which a start need not wait
    for. With a ``keys_file`` (two PEM blocks, access first) they are read from it, or written to it once, so that
    tokens outlive a restart. Raises ValueError for a file that holds anything else.
    """

    def __init__(self, keys_file: Path | None = None) -> None:
        self._file = keys_file
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
                self._keys = self._keys or await asyncio.to_thread(self._load)
        return self._keys

    def _load(self) -> signing.KeyPair:
        if self._file is None:
            return signing.key_pair(signing.new_pems())
        if not self._file.exists():
            _create(self._file, signing.new_pems())
        try:
            return signing.key_pair(self._file.read_text("ascii"))
        except ValueError as error:
            raise ValueError(f"{self._file}: {error}") from error


def _create(path: Path, content: str) -> None:
    """Write a file for the owner only, whole or not at all. What someone else has put there meanwhile stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike a rename, it never takes the place of another's keys
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)


class InMemoryAccounts:
    """Accounts by address and by user."""

    def __init__(
        self, *, keys: InMemoryKeys, mailbox: InMemoryMailbox, now: Now, new_id: NewId, issuer: str, client_id: str,
        passwords: PasswordHasher = credentials.OWASP_LEAST, access_lifetime: timedelta = credentials.ACCESS_LIFETIME,
    ) -> None:  # fmt: skip
        self._mailbox, self._now, self._new_id = mailbox, now, new_id
        self._mint = Mint(keys=keys, new_id=new_id, issuer=issuer, client_id=client_id, lifetime=access_lifetime)
        self._passwords = Passwords(passwords)
        self._pepper = credentials.new_pepper()
        self._by_email: dict[str, Account] = {}
        self._addresses: dict[UserId, str] = {}
        self._unconfirmed: dict[UserId, datetime] = {}  # until when their codes are good, the first first
        self._sign_ins: dict[str, tuple[UserId, SignIn]] = {}  # oldest first
        self._tries: dict[str, Tries] = {}  # with wrong passwords, by address: the latest last

    async def sign_up(self, email: str, password: str, handle: str) -> UserId:
        email, password = address(email), acceptable(password)
        self._require_free(email)
        hashed = await self._passwords.hash(password)
        self._require_free(email)  # again: someone may have been faster
        account = Account(user=UserId(self._new_id(USER)), email=email, password=hashed, handle=handle)
        self._addresses[account.user] = email
        self._send(account, credentials.with_sign_up_code)
        return account.user

    async def unconfirmed(self, email: str) -> UserId | None:
        account = self._by_email.get(stored(email))
        return None if account is None or account.confirmed else account.user

    async def expired(self, now: datetime, limit: int = 100) -> Sequence[UserId]:
        over = takewhile(lambda waiting: waiting[1] <= now, self._unconfirmed.items())
        return [user for user, _ in islice(over, limit)]

    async def confirm(self, email: str, code: str) -> None:
        self._try(email, code, credentials.confirm)

    async def resend_code(self, email: str) -> None:
        account = self._by_email.get(stored(email))
        if account is not None and not account.confirmed:
            self._send(account, credentials.with_sign_up_code)

    async def sign_in(self, email: str, password: str) -> Tokens:
        email = stored(email)
        self._require_patience(email)
        before = self._by_email.get(email)
        right, upgraded = await self._passwords.verify(None if before is None else before.password, password)
        # Of those verified at once the first wrong ones count, and the rest come too soon, right or wrong.
        self._require_patience(email)
        # The password may have been reset, or the account closed, while the old one was being verified.
        account = self._by_email.get(email)
        if before is None or not right or account is None or era(account) != era(before):
            self._count(email)
            raise credentials.wrong_credentials()
        if not account.confirmed:
            raise credentials.not_confirmed()
        self._tries.pop(email, None)
        if upgraded is not None:
            account = evolve(account, password=upgraded)
            self._put(account)
        return await self._begin(account)

    async def refresh(self, token: str) -> Tokens:
        family, now = credentials.family(token), self._now()
        user, sign_in = self._sign_ins.get(family, (None, None))
        account = None if user is None else self._of(user)
        if sign_in is None or account is None:
            raise credentials.invalid_refresh_token()
        rotated = credentials.rotate(sign_in, account, token, self._pepper, now)
        if rotated is None:
            del self._sign_ins[family]
            raise credentials.invalid_refresh_token()
        sign_in, refresh = rotated
        self._sign_ins[family] = account.user, sign_in
        return await self._mint.tokens(account, sign_in, refresh, now)

    async def sign_out(self, token: str) -> None:
        self._sign_ins.pop(credentials.family(token), None)

    async def forgot_password(self, email: str) -> None:
        account = self._by_email.get(stored(email))
        if account is not None:
            self._send(account, credentials.with_reset_code)

    async def reset_password(self, email: str, code: str, password: str) -> None:
        password = acceptable(password)
        self._try(email, code, credentials.try_reset)
        hashed = await self._passwords.hash(password)
        # Again: the code may have been used, or the account closed, meanwhile.
        self._try(email, code, partial(credentials.reset, hashed=hashed))

    async def grant(self, user: UserId, roles: frozenset[Role]) -> None:
        account = self._of(user)
        if account is None:
            raise NotFound("there is no such account")
        self._put(evolve(account, roles=frozenset(roles)))

    async def close(self, user: UserId) -> None:
        email = self._addresses.pop(user, None)
        if email is not None:
            del self._by_email[email]
            self._unconfirmed.pop(user, None)

    # --- moving house

    def kept(self) -> Sequence[Pepper | Account]:
        """All of it but the sign-ins, for an archive."""
        accounts = list(self._by_email.values())
        return [Pepper(self._pepper), *accounts] if accounts else []

    def admit(self, record: Pepper | Account) -> None:
        """One from an archive."""
        if isinstance(record, Pepper):
            self._pepper = record.key
            return
        self._addresses[record.user] = record.email
        self._put(record)
        self._unconfirmed = dict(sorted(self._unconfirmed.items(), key=itemgetter(1)))

    # --- what is kept

    def _of(self, user: UserId) -> Account | None:
        return self._by_email.get(self._addresses.get(user, ""))

    def _put(self, account: Account) -> None:
        self._by_email[account.email] = account
        until = account.waits_until
        if until != self._unconfirmed.get(account.user):
            self._unconfirmed.pop(account.user, None)
            if until is not None:  # to the end: this code runs out last
                self._unconfirmed[account.user] = until

    def _require_free(self, email: str) -> None:
        """Raises Taken."""
        account = self._by_email.get(email)
        if account is not None:
            raise credentials.taken(confirmed=account.confirmed)

    def _send(self, account: Account, new_code: Callable[[Account, bytes, datetime], tuple[Account, Mail]]) -> None:
        account, mail = new_code(account, self._pepper, self._now())
        self._put(account)
        self._mailbox.send(mail)

    def _try(self, email: str, code: str, trial: Callable[[Account, str, bytes, datetime], Tried]) -> None:
        """Raises Invalid."""
        before = self._by_email.get(stored(email))
        if before is None:
            raise credentials.mismatch()
        account, refusal = trial(before, code, self._pepper, self._now())
        self._put(account)
        if era(account) != era(before):
            self._tries.pop(account.email, None)
        if refusal is not None:
            raise refusal

    def _require_patience(self, email: str) -> None:
        """Raises TooManyTries."""
        if (tries := self._tries.get(email)) is not None:
            tries.require_over(self._now())

    def _count(self, email: str) -> None:
        now = self._now()
        tries = self._tries.pop(email, None) or Tries(0, now)
        self._tries[email] = tries.and_one(now)
        while True:
            oldest = next(iter(self._tries))
            if len(self._tries) <= TRIES_MOST and now < self._tries[oldest].last_at + credentials.TRIES_LIFE:
                break
            del self._tries[oldest]

    async def _begin(self, account: Account) -> Tokens:
        now = self._now()
        while self._sign_ins:
            oldest = next(iter(self._sign_ins))
            if now < self._sign_ins[oldest][1].began_at + SIGN_IN_LIFE:
                break
            del self._sign_ins[oldest]
        sign_in, refresh = credentials.begin(account, self._new_id, now)
        self._sign_ins[credentials.family(refresh)] = account.user, sign_in
        return await self._mint.tokens(account, sign_in, refresh, now)
