"""Viewers of CloudFront are asked for signed URLs or cookies where a cache behaviour trusts key groups; the emulator
itself serves everyone.

As AWS checks them: RSA or ECDSA keys, SHA-1 unless ``Hash-Algorithm`` says SHA256, canned and custom policies of
one statement, ``*`` and ``?`` in its resource, URLs before cookies.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from time import time
from typing import Any, Protocol

from attrs import define, frozen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.cloud.wire import (
    Answer,
    App,
    Caller,
    Receive,
    Request,
    Scope,
    Send,
    headers_of,
    made_up,
    passed_on,
    read,
    reply,
)

PATH = "/_cdn/"
"""Below it and its label, a distribution is reached without its host name, for those who cannot set one."""
_RESERVED = ("Expires", "Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm")
_HASHES: Mapping[str, hashes.HashAlgorithm] = {"SHA1": hashes.SHA1(), "SHA256": hashes.SHA256()}  # noqa: S303  (AWS's default)
_DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access denied</Message></Error>'
)


class Distributions(Protocol):
    def label(self, host: str) -> str | None:
        """Of the distribution that serves this host name, if one does."""

    def owner(self, label: str) -> Caller | None:
        """The account that it is of; None if there is no such distribution."""

    def host(self, label: str) -> str:
        """The domain name that AWS gave it."""

    def origin(self, label: str, path: str) -> str:
        """The domain name of whatever a path is fetched from."""

    def trusted(self, label: str, path: str) -> Mapping[str, str] | None:
        """The public keys (id, PEM) whose signatures open a path; None: it is open to everyone."""


@frozen
class Viewed:
    """What a viewer asked for, under the addresses that they may know it by."""

    addresses: Sequence[str]
    query: Mapping[str, Sequence[str]]
    cookies: Mapping[str, str]

    def given(self) -> Mapping[str, str]:
        """What was signed: all of it in the query, or else in cookies."""
        found = {name: self.query[name][0] for name in _RESERVED if name in self.query}
        if "Signature" in found:
            return found
        return {name: self.cookies[f"CloudFront-{name}"] for name in _RESERVED if f"CloudFront-{name}" in self.cookies}

    def urls(self) -> Sequence[str]:
        rest = "&".join(f"{key}={one}" for key, values in self.query.items() if key not in _RESERVED for one in values)
        return [address + (f"?{rest}" if rest else "") for address in self.addresses]


def refused(viewed: Viewed, keys: Mapping[str, str], now: float) -> str:
    """Why the viewer may not have it; empty if they may."""
    given = viewed.given()
    key, signature = keys.get(given.get("Key-Pair-Id", "")), given.get("Signature")
    digest = _HASHES.get(given.get("Hash-Algorithm", "SHA1"))
    if key is None or signature is None or digest is None:
        return "not signed with a trusted key"
    try:
        if "Policy" in given:
            policies = [_decoded(given["Policy"])]
        else:
            policies = [_canned(url, int(given["Expires"])) for url in viewed.urls()]
        signed = next((policy for policy in policies if _verified(key, _decoded(signature), policy, digest)), None)
        if signed is None:
            return "the signature does not match"
        return _forbidden(json.loads(signed), viewed.urls(), now)
    except (ValueError, KeyError, TypeError) as error:
        return f"malformed: {error!r}"


def _decoded(text: str) -> bytes:
    return base64.b64decode(text.translate(str.maketrans("-_~", "+=/")), validate=True)


def _canned(url: str, expires: int) -> bytes:
    condition = {"DateLessThan": {"AWS:EpochTime": expires}}
    return json.dumps({"Statement": [{"Resource": url, "Condition": condition}]}, separators=(",", ":")).encode()


def _verified(pem: str, signature: bytes, policy: bytes, digest: hashes.HashAlgorithm) -> bool:
    key = load_pem_public_key(pem.encode())
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, policy, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, policy, ec.ECDSA(digest))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _forbidden(policy: Mapping[str, Any], urls: Sequence[str], now: float) -> str:
    (statement,) = policy["Statement"]
    condition = statement["Condition"]
    # Without a resource, everything is allowed.
    resource = re.escape(statement.get("Resource", "*")).replace(r"\*", ".*").replace(r"\?", ".")
    if not any(re.fullmatch(resource, url) for url in urls):
        return f"{urls[0]} is not what was signed"
    if now >= condition["DateLessThan"]["AWS:EpochTime"]:
        return "expired"
    if now <= condition.get("DateGreaterThan", {}).get("AWS:EpochTime", 0):
        return "not valid yet"
    return ""


@define
class Gate:
    """Stands before whatever serves the distributions."""

    behind: App
    distributions: Distributions
    acting: Callable[[Caller], AbstractContextManager[None]]
    """What is done meanwhile is done for this account."""
    site_port: int
    site: str = ""
    """The distribution that answers on that port, as if its name were the port's."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.behind(scope, receive, send)
            return
        host, by_path = headers_of(scope).get("host", ""), scope["path"].startswith(PATH)
        if (scope.get("server") or ("", 0))[1] == self.site_port:
            label: str | None = self.site
        else:
            label = scope["path"].removeprefix(PATH).partition("/")[0] if by_path else self.distributions.label(host)
        if label is None:
            await self.behind(scope, receive, send)
            return
        await reply(send, await self._served(label, host, await read(scope, receive), by_path=by_path))

    async def _served(self, label: str, host: str, request: Request, *, by_path: bool) -> Answer:
        name, owner = self.distributions.host(label), self.distributions.owner(label)
        if owner is None:
            return Answer(404)
        path = request.path.removeprefix(f"{PATH}{label}") if by_path else request.path
        keys = self.distributions.trusted(label, path)
        hosts = {name, host, host.partition(":")[0]}
        addresses = [f"{scheme}://{each}{path}" for each in sorted(hosts) for scheme in ("https", "http")]
        addresses += [f"http://{host}{request.path}"] if by_path else []
        if keys is not None and request.method != "OPTIONS":
            why = refused(Viewed(addresses, request.query, request.cookies), keys, time())
            if why:
                return Answer(403, _DENIED, {"content-type": "application/xml", "x-hexcast-refused": why})
        # An API is not asked by way of a network here, and all viewers came by TLS.
        api, apis, _ = self.distributions.origin(label, path).partition(".execute-api.")
        headers = {**request.headers, "host": f"{api}{apis}localhost" if apis else name, "x-forwarded-proto": "https"}
        onwards = made_up(request, path=path, headers=headers)
        with self.acting(owner):
            return await passed_on(self.behind, onwards)
