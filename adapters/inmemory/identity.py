"""Accounts on this machine: passwords, codes and tokens as Cognito has them, kept in memory."""

import asyncio
import base64
import hashlib
import hmac
import os
import re
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import islice, takewhile
from operator import itemgetter
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from attrs import define, field
from joserfc import jwt
from joserfc.jwk import KeyParameters, RSAKey

from application.ports import Account, Code, Mail, NewId, Now, Pepper, Tokens
from domain.access import Role
from domain.errors import Forbidden, Invalid, NotFound, Taken, Unauthenticated
from domain.identity import email as address
from domain.identity import password as acceptable
from domain.ids import USER, UserId

SIGN_UP_CODE, RESET_CODE = timedelta(hours=24), timedelta(hours=1)
WRONG_CODES_MOST = 5
ACCESS_LIFETIME, SIGN_IN_LIFETIME = timedelta(hours=1), timedelta(days=30)
GRACE = timedelta(seconds=30)
SPENT_MOST = 64
MAILS_MOST = 100
OWASP_LEAST = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""The least that OWASP's password storage cheat sheet asks of argon2id: about 25 ms and 19 MiB a sign-in."""

_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_SIGNING: KeyParameters = {"use": "sig", "alg": "RS256"}
_FAMILY_BYTES, _SECRET_BYTES = 16, 32


class InMemoryMailbox:
    """Mail that goes nowhere but here."""

    def __init__(self) -> None:
        self._boxes: dict[str, deque[Mail]] = {}

    async def sent_to(self, email: str) -> Sequence[Mail]:
        return list(self._boxes.get(_stored(email), ()))

    def send(self, mail: Mail) -> None:
        self._boxes.setdefault(_stored(mail.to), deque(maxlen=MAILS_MOST)).appendleft(mail)


class InMemoryKeys:
    """Two RSA keys, one for access tokens and one for ID tokens; each is named (kid) by its thumbprint, RFC 7638.

    They are made on first use and off the event loop: that takes tenths of a second, which a start need not wait
    for. With a ``keys_file`` (two PEM blocks, access first) they are read from it, or written to it once, so that
    tokens outlive a restart. Raises ValueError for a file that holds anything else.
    """

    def __init__(self, keys_file: Path | None = None) -> None:
        self._file = keys_file
        self._keys: Mapping[str, RSAKey] = {}
        self._loading = asyncio.Lock()

    async def jwks(self) -> Mapping[str, object]:
        return {"keys": [key.as_dict(private=False) for key in (await self._loaded()).values()]}

    async def sign(self, claims: Mapping[str, object]) -> str:
        """A JWT of the claims, by the key for their ``token_use``."""
        key = (await self._loaded())[str(claims["token_use"])]
        header = {"kid": key.kid, "alg": "RS256"}
        return jwt.encode(header, dict(claims), key, algorithms=["RS256"], default_type=None)

    async def _loaded(self) -> Mapping[str, RSAKey]:
        if not self._keys:
            async with self._loading:
                self._keys = self._keys or await asyncio.to_thread(self._load)
        return self._keys

    def _load(self) -> Mapping[str, RSAKey]:
        if self._file is None:
            pems = _new_pems()
        else:
            if not self._file.exists():
                _create(self._file, "".join(_new_pems()))
            pems = _PEM.findall(self._file.read_text("ascii"))
            if len(pems) != 2:
                raise ValueError(f"{self._file} must hold two private keys in PEM, and holds {len(pems)}")
        access, id_ = (RSAKey.import_key(pem, _SIGNING) for pem in pems)
        access.ensure_kid()
        id_.ensure_kid()
        return {"access": access, "id": id_}


def _new_pems() -> Sequence[str]:
    return [RSAKey.generate_key(2048).as_pem(private=True).decode("ascii") for _ in range(2)]


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


@define
class _Code:
    digest: bytes
    expires_at: datetime
    wrong: int = 0


@define(eq=False)
class _Account:
    """``era`` counts how often all sign-ins were ended; a sign-in of an earlier one is over."""

    user: UserId
    email: str
    password: str
    handle: str
    confirmed: bool = False
    roles: frozenset[Role] = frozenset()
    sign_up_code: _Code | None = None
    reset_code: _Code | None = None
    era: int = 0


@define(eq=False)
class _SignIn:
    """One chain of refresh tokens. Kept are digests: of the one that is good now, and of the ones in their grace."""

    account: _Account
    era: int
    origin: str
    began_at: datetime
    current: bytes
    spent: dict[bytes, datetime] = field(factory=dict)


class InMemoryAccounts:
    """Accounts by address and by user.

    A refresh token is a key to its sign-in and a secret; each secret follows from the one before by a keyed hash.
    So whoever asks again with an old one, in its grace, gets the very token that took its place, and no sign-in
    ever has two that are good. Whoever has the key but neither a good secret nor one in its grace shows a token
    that was spent, or tampered with: both end the sign-in.
    """

    def __init__(
        self, *, keys: InMemoryKeys, mailbox: InMemoryMailbox, now: Now, new_id: NewId, issuer: str, client_id: str,
        passwords: PasswordHasher = OWASP_LEAST, access_lifetime: timedelta = ACCESS_LIFETIME,
    ) -> None:  # fmt: skip
        self._keys, self._mailbox, self._now, self._new_id = keys, mailbox, now, new_id
        self._issuer, self._client_id, self._access_lifetime = issuer, client_id, access_lifetime
        self._passwords = passwords
        # Hashing takes time and memory by design: two at a time, the rest wait, and the event loop serves on.
        self._hashing = ThreadPoolExecutor(2, thread_name_prefix="argon2")
        self._nobodys = _unmatched(passwords)
        self._pepper = secrets.token_bytes(32)
        self._by_email: dict[str, _Account] = {}
        self._by_user: dict[UserId, _Account] = {}
        self._unconfirmed: dict[UserId, datetime] = {}  # until when their codes are good, the first first
        self._sign_ins: dict[bytes, _SignIn] = {}  # oldest first

    async def sign_up(self, email: str, password: str, handle: str) -> UserId:
        email, password = address(email), acceptable(password)
        self._require_free(email)
        hashed = await self._hash(password)
        self._require_free(email)  # again: someone may have been faster
        account = _Account(UserId(self._new_id(USER)), email, hashed, handle)
        self._by_email[email] = self._by_user[account.user] = account
        self._send_sign_up_code(account)
        return account.user

    async def unconfirmed(self, email: str) -> UserId | None:
        account = self._by_email.get(_stored(email))
        return None if account is None or account.confirmed else account.user

    async def expired(self, now: datetime, limit: int = 100) -> Sequence[UserId]:
        over = takewhile(lambda waiting: waiting[1] <= now, self._unconfirmed.items())
        return [user for user, _ in islice(over, limit)]

    async def confirm(self, email: str, code: str) -> None:
        account = self._by_email.get(_stored(email))
        if account is None or account.sign_up_code is None:
            raise _mismatch()
        if account.confirmed:
            if not self._same(account.sign_up_code, account, code):
                raise _mismatch()
            return
        self._check(account.sign_up_code, account, code)
        self._confirm(account)

    async def resend_code(self, email: str) -> None:
        account = self._by_email.get(_stored(email))
        if account is not None and not account.confirmed:
            self._send_sign_up_code(account)

    async def sign_in(self, email: str, password: str) -> Tokens:
        account = self._by_email.get(_stored(email))
        # An unknown address costs the same work, so that the time taken does not tell it from a known one.
        hashed = self._nobodys if account is None else account.password
        right, upgraded = await asyncio.get_running_loop().run_in_executor(
            self._hashing, self._verify, hashed, _bytes(password)
        )
        # The password may have been reset, or the account closed, while the old one was being verified.
        if account is None or not right or account.password != hashed or account.user not in self._by_user:
            raise Unauthenticated("wrong e-mail address or password", code="wrong_credentials")
        if not account.confirmed:
            raise Forbidden("confirm the e-mail address first", code="not_confirmed")
        account.password = upgraded or hashed
        return await self._begin(account)

    async def refresh(self, token: str) -> Tokens:
        family, secret = _split(token)
        sign_in = self._sign_ins.get(family)
        if sign_in is None:
            raise _invalid_refresh_token()
        now, digest = self._now(), _digest(secret)
        fresh = now < sign_in.began_at + SIGN_IN_LIFETIME and sign_in.era == sign_in.account.era
        sign_in.spent = {spent: until for spent, until in sign_in.spent.items() if now <= until}
        if fresh and hmac.compare_digest(digest, sign_in.current):
            sign_in.spent[digest] = now + GRACE
            secret = self._following(secret)
            sign_in.current = _digest(secret)
            if len(sign_in.spent) > SPENT_MOST:  # no client rotates so often without getting an answer
                del sign_in.spent[next(iter(sign_in.spent))]
        elif fresh and digest in sign_in.spent:
            while _digest(secret) != sign_in.current:
                secret = self._following(secret)
        else:
            del self._sign_ins[family]
            raise _invalid_refresh_token()
        key, _, _ = token.partition(".")
        return await self._issue(sign_in, f"{key}.{secret}")

    async def sign_out(self, token: str) -> None:
        self._sign_ins.pop(_split(token)[0], None)

    async def forgot_password(self, email: str) -> None:
        account = self._by_email.get(_stored(email))
        if account is not None:
            subject = "Your code for a new Hexcast password"
            account.reset_code = self._send_code(account, subject, RESET_CODE)

    async def reset_password(self, email: str, code: str, password: str) -> None:
        password = acceptable(password)
        account = self._by_email.get(_stored(email))
        if account is None or account.reset_code is None:
            raise _mismatch()
        self._check(account.reset_code, account, code)
        account.reset_code = None  # before the hashing, in which the same code may come again
        hashed = await self._hash(password)
        if account.user not in self._by_user:  # closed meanwhile
            raise _mismatch()
        account.password = hashed
        account.era += 1
        self._confirm(account)

    async def grant(self, user: UserId, roles: frozenset[Role]) -> None:
        account = self._by_user.get(user)
        if account is None:
            raise NotFound("there is no such account")
        account.roles = frozenset(roles)

    async def close(self, user: UserId) -> None:
        account = self._by_user.pop(user, None)
        if account is not None:
            del self._by_email[account.email]
            self._unconfirmed.pop(user, None)
            account.era += 1

    # --- moving house

    def kept(self) -> Sequence[Pepper | Account]:
        """All of it but the sign-ins, for an archive."""
        accounts = [
            Account(
                user=each.user, email=each.email, password=each.password, handle=each.handle,
                confirmed=each.confirmed, roles=each.roles, sign_up_code=_sent(each.sign_up_code),
                reset_code=_sent(each.reset_code),
            )
            for each in self._by_user.values()
        ]  # fmt: skip
        return [Pepper(self._pepper), *accounts] if accounts else []

    def admit(self, record: Pepper | Account) -> None:
        """One from an archive."""
        if isinstance(record, Pepper):
            self._pepper = record.key
            return
        account = _Account(
            record.user, record.email, record.password, record.handle, record.confirmed, record.roles,
            _awaited(record.sign_up_code), _awaited(record.reset_code),
        )  # fmt: skip
        self._by_email[account.email] = self._by_user[account.user] = account
        if not account.confirmed and account.sign_up_code is not None:
            self._unconfirmed[account.user] = account.sign_up_code.expires_at
            self._unconfirmed = dict(sorted(self._unconfirmed.items(), key=itemgetter(1)))

    # --- passwords

    async def _hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._hashing, self._passwords.hash, _bytes(password))

    def _verify(self, hashed: str, password: bytes) -> tuple[bool, str | None]:
        """Whether it matches, and its hash by today's parameters if that one was made by others."""
        try:
            self._passwords.verify(hashed, password)
        except VerifyMismatchError:
            return False, None
        return True, self._passwords.hash(password) if self._passwords.check_needs_rehash(hashed) else None

    def _require_free(self, email: str) -> None:
        """Raises Taken."""
        account = self._by_email.get(email)
        if account is None:
            return
        if account.confirmed:
            raise Taken("there is an account with this e-mail address", code="email_taken")
        message = (
            "an account with this e-mail address waits for the code that was sent there; ask for another if need be"
        )
        raise Taken(message, code="confirmation_pending")

    # --- codes

    def _send_sign_up_code(self, account: _Account) -> None:
        code = account.sign_up_code = self._send_code(account, "Your Hexcast code", SIGN_UP_CODE)
        self._unconfirmed.pop(account.user, None)  # to the end: this code runs out last
        self._unconfirmed[account.user] = code.expires_at

    def _confirm(self, account: _Account) -> None:
        account.confirmed = True
        self._unconfirmed.pop(account.user, None)

    def _send_code(self, account: _Account, subject: str, lifetime: timedelta) -> _Code:
        now, code = self._now(), f"{secrets.randbelow(1_000_000):06}"
        text = (
            f"Hello {account.handle}, your code is {code}. It works once, within {lifetime // timedelta(hours=1)} h."
            " If it was not you who asked for it, do not use it."
        )
        self._mailbox.send(Mail(account.email, subject, text, code, now))
        return _Code(self._code_digest(account, code), now + lifetime)

    def _check(self, sent: _Code, account: _Account, code: str) -> None:
        """Raises Invalid. Only who knows the right code hears that it is over: else the answer would tell
        known addresses from unknown ones.
        """
        if not self._same(sent, account, code):
            sent.wrong += 1
            raise _mismatch()
        if sent.wrong >= WRONG_CODES_MOST or self._now() >= sent.expires_at:
            raise Invalid("this code is over; ask for a new one", code="code_expired", field="code")

    def _same(self, sent: _Code, account: _Account, code: str) -> bool:
        return hmac.compare_digest(sent.digest, self._code_digest(account, code))

    def _code_digest(self, account: _Account, code: str) -> bytes:
        """Keyed, as a plain hash of six digits hides nothing."""
        return hmac.digest(self._pepper, _bytes(f"{account.user} {code}"), "sha256")

    # --- tokens

    async def _begin(self, account: _Account) -> Tokens:
        now = self._now()
        while self._sign_ins:
            oldest = next(iter(self._sign_ins))
            if now < self._sign_ins[oldest].began_at + SIGN_IN_LIFETIME:
                break
            del self._sign_ins[oldest]
        key, secret = secrets.token_urlsafe(_FAMILY_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
        sign_in = _SignIn(account, account.era, self._new_id("sgn"), now, _digest(secret))
        self._sign_ins[_digest(key)] = sign_in
        return await self._issue(sign_in, f"{key}.{secret}")

    def _following(self, secret: str) -> str:
        digest = hmac.digest(self._pepper, _bytes(secret), "sha256")
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")

    async def _issue(self, sign_in: _SignIn, refresh: str) -> Tokens:
        account, now = sign_in.account, int(self._now().timestamp())
        lifetime_s = int(self._access_lifetime.total_seconds())
        common: dict[str, object] = {
            "sub": account.user,
            "iss": self._issuer,
            "origin_jti": sign_in.origin,
            "auth_time": int(sign_in.began_at.timestamp()),
            "iat": now,
            "exp": now + lifetime_s,
        }
        groups = sorted(account.roles - {Role.USER})
        if groups:
            common["cognito:groups"] = groups
        access = {
            **common,
            "token_use": "access",
            "client_id": self._client_id,
            "scope": "aws.cognito.signin.user.admin",
            "username": account.user,
            "jti": self._new_id("jti"),
        }
        identity = {
            **common,
            "token_use": "id",
            "aud": self._client_id,
            "cognito:username": account.user,
            "email": account.email,
            "email_verified": account.confirmed,
            "jti": self._new_id("jti"),
        }
        return Tokens(await self._keys.sign(access), await self._keys.sign(identity), refresh, lifetime_s)


def _stored(email: str) -> str:
    """As ``domain.identity.email`` stores it; what is no address is simply unknown."""
    return email.strip().lower()


def _bytes(text: str) -> bytes:
    """Of any text: JSON may hold halves of surrogate pairs."""
    return text.encode("utf-8", "surrogatepass")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(_bytes(secret)).digest()


def _split(token: str) -> tuple[bytes, str]:
    """The digest that a refresh token's sign-in is found by, and its secret."""
    key, _, secret = token.partition(".")
    return _digest(key), secret


def _unmatched(passwords: PasswordHasher) -> str:
    """A hash that costs what others cost and matches no password: its digest is no digest of anything."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).rstrip(b"=").decode("ascii")
        for size in (passwords.salt_len, passwords.hash_len)
    )
    costs = f"m={passwords.memory_cost},t={passwords.time_cost},p={passwords.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"


def _mismatch() -> Invalid:
    return Invalid("this is not the code", code="code_mismatch", field="code")


def _invalid_refresh_token() -> Unauthenticated:
    return Unauthenticated("sign in again", code="invalid_refresh_token")


def _sent(code: _Code | None) -> Code | None:
    return Code(code.digest.hex(), code.expires_at, code.wrong) if code else None


def _awaited(code: Code | None) -> _Code | None:
    return _Code(bytes.fromhex(code.digest), code.expires_at, code.wrong) if code else None
