"""Who is asking: a bearer token, checked without asking anyone, gives the actor."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from application.ports import Keys, Now
from domain.access import Actor, Role
from domain.errors import Unauthenticated, Unavailable
from domain.ids import UserId

LEEWAY = timedelta(seconds=30)
"""How far the issuer's clock may be behind ours."""
KEYS_AGE, REFETCH_LEAST = timedelta(hours=6), timedelta(minutes=1)
KNOWN_MOST = 10_000
TOKEN_CHARS_MOST = 8192

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_GROUPS: Mapping[str, Role] = {role.value: role for role in Role if role is not Role.USER}


def bearer(header: str | None) -> str | None:
    """The token of an ``Authorization`` header, None without one. Raises Unauthenticated (``invalid_token``)
    for a header of another form; whether what it carries is a token is the verifier's business.
    """
    if header is None:
        return None
    scheme, _, rest = header.partition(" ")
    token = rest.strip(" ")
    if scheme.lower() != "bearer" or not token or " " in token:
        raise _invalid("the Authorization header must be: Bearer, a space, an access token")
    return token


class TokenVerifier:
    """Checks access tokens as Cognito makes them: RS256 and nothing else, a known key, the signature, the issuer,
    the use, the client, the time.

    The issuer's keys are kept: they are asked for again after ``KEYS_AGE`` and for a token by an unknown one, at
    most once in ``REFETCH_LEAST`` as long as any are held; when that fails, the ones held stay good. A token that
    passed is remembered until its time is over or the keys change, so that most requests cost one look-up.
    """

    def __init__(self, *, keys: Keys, issuer: str, client_ids: Collection[str], now: Now) -> None:
        self._source, self._issuer, self._now = keys, issuer, now
        self._client_ids = frozenset(client_ids)
        self._known: OrderedDict[str, tuple[Actor, datetime]] = OrderedDict()  # the one used longest ago first
        self._keys: Mapping[str, RSAKey] = {}
        self._document: Mapping[str, object] = {}
        self._fetching = asyncio.Lock()
        self._fetches = 0
        self._fetched_at = self._tried_at = _LONG_AGO
        self._reachable = False

    async def actor(self, token: str) -> Actor:
        """Raises Unauthenticated (``invalid_token``, ``token_expired``), and Unavailable when only the issuer's
        keys could tell and they cannot be had.
        """
        known = self._known.get(token)
        if known is None:
            return await self._admitted(token)
        actor, until = known
        if self._now() >= until:
            del self._known[token]
            raise _expired()
        self._known.move_to_end(token)
        return actor

    async def _admitted(self, token: str) -> Actor:
        """Whose it is; remembered from now on."""
        actor, until = await self._verified(token)
        if self._now() >= until:
            raise _expired()
        self._known[token] = actor, until
        if len(self._known) > KNOWN_MOST:
            self._known.popitem(last=False)
        return actor

    async def _verified(self, token: str) -> tuple[Actor, datetime]:
        """Whose it is, and until when; everything but the time is checked."""
        if len(token) > TOKEN_CHARS_MOST or not token.isascii():
            raise _invalid()
        try:
            signed = jws.extract_compact(token.encode("ascii"))
        except JoseError as error:
            raise _invalid() from error
        match signed.headers():
            case {"alg": "RS256", "kid": str(kid)}:
                key = await self._key(kid)
            case _:
                raise _invalid()
        try:
            genuine = jws.validate_compact(signed, key, algorithms=["RS256"])
        except (JoseError, TypeError) as error:  # TypeError: of a header whose fields have other types than they should
            raise _invalid() from error
        if not genuine:
            raise _invalid()
        return self._judged(json.loads(signed.payload or b"{}"))

    def _judged(self, claims: Mapping[str, object]) -> tuple[Actor, datetime]:
        match claims:
            case {
                "iss": self._issuer,
                "token_use": "access",
                "client_id": str(client),
                "sub": str(sub),
                "exp": int(exp),
            }:
                pass
            case _:
                raise _invalid()
        if client not in self._client_ids:
            raise _invalid()
        groups = cast(Sequence[str], claims.get("cognito:groups", ()))
        roles = frozenset({Role.USER} | {role for group, role in _GROUPS.items() if group in groups})
        return Actor(UserId(sub), roles), datetime.fromtimestamp(exp, UTC) + LEEWAY

    async def _key(self, kid: str) -> RSAKey:
        now, key = self._now(), self._keys.get(kid)
        fetching = self._fetching.locked()
        wanted = key is None or (now - self._fetched_at >= KEYS_AGE and not fetching)
        if wanted and (fetching or not self._keys or now - self._tried_at >= REFETCH_LEAST):
            await self._fetch()
            key = self._keys.get(kid)
        if key is None:
            raise _invalid() if self._reachable else Unavailable("tokens cannot be checked now; try again")
        return key

    async def _fetch(self) -> None:
        """Ask for the keys, or wait until whoever is at it has asked."""
        before = self._fetches
        async with self._fetching:
            if self._fetches != before:
                return
            self._tried_at, self._reachable = self._now(), False
            try:
                document = await self._source.jwks()
            except Unavailable:
                return  # those held stay good; ``_key`` says so where none is
            finally:
                self._fetches += 1
            self._fetched_at, self._reachable = self._now(), True
            if document != self._document:
                self._document, self._keys = document, _rsa_keys(document)
                self._known.clear()


def _rsa_keys(document: Mapping[str, object]) -> Mapping[str, RSAKey]:
    """By kid. Raises JoseError for what is no JWKS."""
    found = cast(Sequence[Mapping[str, str]], document["keys"])
    return {key["kid"]: RSAKey.import_key(dict(key)) for key in found if key["kty"] == "RSA"}


def _invalid(message: str = "this is not a valid access token") -> Unauthenticated:
    return Unauthenticated(message, code="invalid_token")


def _expired() -> Unauthenticated:
    return Unauthenticated("the access token is over; refresh it", code="token_expired")
