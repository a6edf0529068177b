"""Passwords, codes and tokens as Cognito has them: all that an identity provider of ours computes, wherever it keeps
its accounts. Values are frozen, and what changes one returns another.
"""

import asyncio
import base64
import hashlib
import hmac
import math
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from attrs import evolve, field, frozen

from application.ports import Account, Code, Mail, NewId, Tokens
from domain.access import Role
from domain.errors import Forbidden, Invalid, Taken, TooManyTries, Unauthenticated
from domain.identity import SIGN_IN_LIFE
from domain.identity import email as address
from domain.ids import UserId

SIGN_UP_CODE, RESET_CODE = timedelta(hours=24), timedelta(hours=1)
WRONG_CODES_MOST = 5
WRONG_PASSWORDS_MOST = 5
WAIT_MOST = timedelta(minutes=15)
ACCESS_LIFETIME = timedelta(hours=1)
GRACE = timedelta(seconds=30)
SPENT_MOST = 64
MAILS_MOST = 100
NOT_CONFIRMED = "not_confirmed"
OWASP_LEAST = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""The least that OWASP's password storage cheat sheet asks of argon2id: about 25 ms and 19 MiB a sign-in."""

_FAMILY_BYTES, _SECRET_BYTES, _PEPPER_BYTES = 16, 32, 32


def stored(email: str) -> str:
    """As ``domain.identity.email`` stores it; what is no address is nobody's."""
    try:
        return address(email)
    except Invalid:
        return ""


def new_pepper() -> bytes:
    """The secret that codes and refresh tokens are hashed with."""
    return secrets.token_bytes(_PEPPER_BYTES)


def digest(secret: str) -> str:
    return hashlib.sha256(_bytes(secret)).hexdigest()


def _bytes(text: str) -> bytes:
    """Of any text: JSON may hold halves of surrogate pairs."""
    return text.encode("utf-8", "surrogatepass")


# --- passwords


class Passwords:
    """Hashing takes time and memory by design: two at a time, the rest wait, and the event loop serves on."""

    def __init__(self, hasher: PasswordHasher) -> None:
        self.hasher = hasher
        self.nobodys = _unmatched(hasher)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="argon2")

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.hasher.hash, _bytes(password))

    async def verify(self, hashed: str | None, password: str) -> tuple[bool, str | None]:
        """Whether it matches, and its hash by today's parameters if that one was made by others.

        To match none (None) costs the same work, so that the time taken does not tell unknown addresses from known.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._verify, hashed or self.nobodys, _bytes(password)
        )

    def _verify(self, hashed: str, password: bytes) -> tuple[bool, str | None]:
        try:
            self.hasher.verify(hashed, password)
        except VerifyMismatchError:
            return False, None
        return True, self.hasher.hash(password) if self.hasher.check_needs_rehash(hashed) else None


def _unmatched(hasher: PasswordHasher) -> str:
    """A hash that costs what others cost and matches no password: its digest is no digest of anything."""
    salt, digest_ = (
        base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode("ascii")
        for size in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest_}"


def wrong_credentials() -> Unauthenticated:
    return Unauthenticated("wrong e-mail address or password", code="wrong_credentials")


def not_confirmed() -> Forbidden:
    return Forbidden("confirm the e-mail address first", code=NOT_CONFIRMED)


@frozen
class Tries:
    """Wrong passwords in a row for one address, as Cognito counts them (developer guide, "Lockout behavior for failed
    sign-in attempts"): those that come before ``until`` are not looked at and do not count.
    """

    wrong: int
    last_at: datetime

    @property
    def until(self) -> datetime:
        if self.wrong < WRONG_PASSWORDS_MOST:
            return self.last_at
        doubled = min(self.wrong - WRONG_PASSWORDS_MOST, 10)  # beyond, it is more than the most in any case
        return self.last_at + min(timedelta(seconds=2**doubled), WAIT_MOST)

    def require_over(self, now: datetime) -> None:
        """Raises TooManyTries before ``until``."""
        if self.wrong >= WRONG_PASSWORDS_MOST and now < self.until:
            wait_s = math.ceil((self.until - now).total_seconds())
            wait = f"{wait_s} s" if wait_s < 100 else f"{math.ceil(wait_s / 60)} minutes"
            raise TooManyTries(f"too many wrong passwords; try again in {wait}", wait_s=wait_s)

    def and_one(self, now: datetime) -> "Tries":
        return Tries(1 if now >= self.until + TRIES_KEPT else self.wrong + 1, now)


TRIES_KEPT = timedelta(minutes=15)
"""After ``until``: what is older counts no more."""
TRIES_LIFE = WAIT_MOST + TRIES_KEPT


# --- accounts and codes


def era(account: Account) -> tuple[UserId, int]:
    """Of an account, changes with every new password."""
    return account.user, account.era


def taken(*, confirmed: bool) -> Taken:
    """Why nobody else can have an account's address."""
    if confirmed:
        return Taken("there is an account with this e-mail address", code="email_taken", field="email")
    message = "an account with this e-mail address waits for the code that was sent there; ask for another if need be"
    return Taken(message, code="confirmation_pending")


def with_sign_up_code(account: Account, pepper: bytes, now: datetime) -> tuple[Account, Mail]:
    code, mail = _new_code(account, "Your Hexcast code", SIGN_UP_CODE, pepper, now)
    return evolve(account, sign_up_code=code), mail


def with_reset_code(account: Account, pepper: bytes, now: datetime) -> tuple[Account, Mail]:
    code, mail = _new_code(account, "Your code for a new Hexcast password", RESET_CODE, pepper, now)
    return evolve(account, reset_code=code), mail


Tried = tuple[Account, Invalid | None]
"""The account after a try, which counts, and why it was refused (None: it was right)."""


def confirm(account: Account, code: str, pepper: bytes, now: datetime) -> Tried:
    """Confirmed, if that is the code. The last one is right ever after."""
    sent = account.sign_up_code
    if account.confirmed and sent is not None:
        return account, None if _same(sent, account, code, pepper) else mismatch()
    counted, refusal = _try(sent, account, code, pepper, now)
    return evolve(account, sign_up_code=counted, confirmed=account.confirmed or refusal is None), refusal


def try_reset(account: Account, code: str, pepper: bytes, now: datetime) -> Tried:
    """The code is good for now, if that is it."""
    counted, refusal = _try(account.reset_code, account, code, pepper, now)
    return evolve(account, reset_code=counted), refusal


def reset(account: Account, code: str, pepper: bytes, now: datetime, *, hashed: str) -> Tried:
    """With a new password, if that is the code: every sign-in is over, and the address is confirmed; no other code
    need confirm it any more.
    """
    tried, refusal = try_reset(account, code, pepper, now)
    if refusal is not None:
        return tried, refusal
    confirmed_by = tried.sign_up_code if tried.confirmed else None
    era = tried.era + 1
    return evolve(
        tried, password=hashed, era=era, confirmed=True, sign_up_code=confirmed_by, reset_code=None
    ), None  # fmt: skip


def mismatch() -> Invalid:
    return Invalid("this is not the code", code="code_mismatch", field="code")


def code_over() -> Invalid:
    return Invalid("this code is over; ask for a new one", code="code_expired", field="code")


def _new_code(
    account: Account, subject: str, lifetime: timedelta, pepper: bytes, now: datetime
) -> tuple[Code, Mail]:  # fmt: skip
    code = f"{secrets.randbelow(1_000_000):06}"
    text = (
        f"Hello {account.handle}, your code is {code}. It works once, within {lifetime // timedelta(hours=1)} h."
        " If it was not you who asked for it, do not use it."
    )
    return Code(_code_digest(account, code, pepper), now + lifetime), Mail(account.email, subject, text, code, now)


def _try(
    sent: Code | None, account: Account, code: str, pepper: bytes, now: datetime
) -> tuple[Code | None, Invalid | None]:
    """Only who knows the right code hears that it is over: else the answer would tell known addresses from unknown
    ones.
    """
    if sent is None:
        return None, mismatch()
    if not _same(sent, account, code, pepper):
        return evolve(sent, wrong=min(sent.wrong + 1, WRONG_CODES_MOST)), mismatch()
    if sent.wrong >= WRONG_CODES_MOST or now >= sent.expires_at:
        return sent, code_over()
    return sent, None


def _same(sent: Code, account: Account, code: str, pepper: bytes) -> bool:
    return hmac.compare_digest(sent.digest, _code_digest(account, code, pepper))


def _code_digest(account: Account, code: str, pepper: bytes) -> str:
    """Keyed, as a plain hash of six digits hides nothing."""
    return hmac.digest(pepper, _bytes(f"{account.user} {code}"), "sha256").hex()


# --- sign-ins


@frozen(kw_only=True)
class SignIn:
    """One chain of refresh tokens. Kept are digests: of the one that is good now, and of the ones in their grace.

    A refresh token is a key to its sign-in and a secret; each secret follows from the one before by a keyed hash.
    So whoever asks again with an old one, in its grace, gets the very token that took its place, and no sign-in
    ever has two that are good. Whoever has the key but neither a good secret nor one in its grace shows a token
    that was spent, or tampered with: both end the sign-in.
    """

    era: int
    origin: str
    began_at: datetime
    current: str
    spent: Mapping[str, datetime] = field(factory=dict)


def begin(account: Account, new_id: NewId, now: datetime) -> tuple[SignIn, str]:
    """A new one, and its first refresh token."""
    key, secret = secrets.token_urlsafe(_FAMILY_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    sign_in = SignIn(era=account.era, origin=new_id("sgn"), began_at=now, current=digest(secret))
    return sign_in, f"{key}.{secret}"


def family(token: str) -> str:
    """What a refresh token's sign-in is found by."""
    return digest(token.partition(".")[0])


def rotate(
    sign_in: SignIn, account: Account, token: str, pepper: bytes, now: datetime
) -> tuple[SignIn, str] | None:  # fmt: skip
    """The sign-in from now on, and the refresh token that is good now. None: it is over."""
    key, _, secret = token.partition(".")
    if now >= sign_in.began_at + SIGN_IN_LIFE or sign_in.era != account.era:
        return None
    used, spent = digest(secret), {each: until for each, until in sign_in.spent.items() if now <= until}
    if hmac.compare_digest(used, sign_in.current):
        secret = _following(secret, pepper)
        spent[used] = now + GRACE
        if len(spent) > SPENT_MOST:  # no client rotates so often without getting an answer
            del spent[next(iter(spent))]
        return evolve(sign_in, current=digest(secret), spent=spent), f"{key}.{secret}"
    if used not in spent:
        return None
    while digest(secret) != sign_in.current:
        secret = _following(secret, pepper)
    return evolve(sign_in, spent=spent), f"{key}.{secret}"


def invalid_refresh_token() -> Unauthenticated:
    return Unauthenticated("sign in again", code="invalid_refresh_token")


def _following(secret: str, pepper: bytes) -> str:
    return base64.urlsafe_b64encode(hmac.digest(pepper, _bytes(secret), "sha256")).rstrip(b"=").decode("ascii")


# --- tokens


class Signer(Protocol):
    async def sign(self, claims: Mapping[str, object]) -> str:
        """A JWT of the claims, by the key for their ``token_use``."""


@frozen(kw_only=True)
class Mint:
    """Makes the tokens of sign-ins."""

    keys: Signer
    new_id: NewId
    issuer: str
    client_id: str
    lifetime: timedelta

    async def tokens(self, account: Account, sign_in: SignIn, refresh: str, now: datetime) -> Tokens:
        access, identity = self._claims(account, sign_in, int(now.timestamp()))
        lifetime_s = int(self.lifetime.total_seconds())
        return Tokens(await self.keys.sign(access), await self.keys.sign(identity), refresh, lifetime_s)

    def _claims(self, account: Account, sign_in: SignIn, now_s: int) -> Sequence[Mapping[str, object]]:
        common: dict[str, object] = {
            "sub": account.user,
            "iss": self.issuer,
            "origin_jti": sign_in.origin,
            "auth_time": int(sign_in.began_at.timestamp()),
            "iat": now_s,
            "exp": now_s + int(self.lifetime.total_seconds()),
        }
        groups = sorted(account.roles - {Role.USER})
        if groups:
            common["cognito:groups"] = groups
        access = {
            **common,
            "token_use": "access",
            "client_id": self.client_id,
            "scope": "aws.cognito.signin.user.admin",
            "username": account.user,
            "jti": self.new_id("jti"),
        }
        identity = {
            **common,
            "token_use": "id",
            "aud": self.client_id,
            "cognito:username": account.user,
            "email": account.email,
            "email_verified": account.confirmed,
            "jti": self.new_id("jti"),
        }
        return access, identity
