"""The public keys of a user pool. What they sign is checked by whoever is shown a token (``entrypoints.http.auth``)."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout

from application.ports import Now
from domain.errors import Unavailable

FRESH = timedelta(minutes=1)
"""How long a document answers for the next, however many ask."""
TIMEOUT_S = 3.0

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class _Key(msgspec.Struct):
    """What every key of a JWKS has, and one for RSA in addition."""

    kid: str
    kty: str
    use: str
    alg: str
    n: str
    e: str


class _Document(msgspec.Struct):
    keys: list[_Key]


class CognitoKeys:
    """The keys of one pool, asked for at most once in ``FRESH``. When Cognito cannot be reached, who asks keeps what it
    has.
    """

    def __init__(self, session: ClientSession, url: str, now: Now) -> None:
        self._session, self._url, self._now = session, url, now
        self._document: Mapping[str, object] = {}
        self._fetched_at = _LONG_AGO
        self._fetching = asyncio.Lock()

    async def jwks(self) -> Mapping[str, object]:
        async with self._fetching:
            if self._now() - self._fetched_at >= FRESH:
                self._document, self._fetched_at = await self._fetched(), self._now()
            return self._document

    async def _fetched(self) -> Mapping[str, object]:
        try:
            async with self._session.get(self._url, timeout=ClientTimeout(TIMEOUT_S), allow_redirects=False) as answer:
                answer.raise_for_status()
                text = await answer.read()
        except (ClientError, TimeoutError) as error:
            raise _unreachable() from error
        try:
            document = msgspec.json.decode(text, type=_Document)
        except msgspec.MsgspecError as error:
            raise _unreachable() from error
        return {"keys": [msgspec.structs.asdict(key) for key in document.keys]}


def _unreachable() -> Unavailable:
    return Unavailable("the keys of tokens cannot be had now; try again", code="identity_busy")
