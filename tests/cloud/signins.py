"""Cognito's sign-ins, where the emulator's are not as Cognito's: refresh tokens that rotate and are opaque, tokens that
remember when somebody signed in, ID tokens with what the client may read. The emulator checks passwords and SRP proofs,
and signs.

What a refresh token does that was used up follows the guide ("Refresh tokens"): it is refused as used twice, and nothing
else happens. That revoking one of a chain ends the chain is what ``origin_jti`` suggests; no document says it.
"""

import base64
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

from attrs import define, field

from tests.cloud.codes import PREFIX, Client, Person, refused
from tests.cloud.wire import (
    Answer,
    App,
    Receive,
    Request,
    Scope,
    Send,
    headers_of,
    passed_on,
    present,
    read,
    reply,
    told,
)  # fmt: skip

_UNITS = {
    "seconds": timedelta(seconds=1),
    "minutes": timedelta(minutes=1),
    "hours": timedelta(hours=1),
    "days": timedelta(days=1),
}
_BOOLEANS = ("email_verified", "phone_number_verified")


class Pools(Protocol):
    """Who is in the emulator's pools, and what their clients are set to."""

    def client(self, client_id: str) -> Client | None: ...
    def settings(self, client: Client) -> Mapping[str, Any]:
        """As ``CreateUserPoolClient`` was given them."""

    def person(self, pool: str, username: str) -> Person | None: ...
    def groups(self, pool: str, username: str) -> Sequence[str]: ...
    def signed(self, pool: str, claims: Mapping[str, Any]) -> str:
        """A JWT by the pool's key for their ``token_use``."""

    def date(self, pool: str, username: str, made_at: datetime) -> None:
        """When they signed up."""


@define(eq=False)
class SignIn:
    """A chain of refresh tokens, and when each of them was used up."""

    client: Client
    sub: str
    began_at: datetime
    ends_at: datetime
    origin: str = field(factory=lambda: str(uuid4()))
    spent_at: dict[str, datetime] = field(factory=dict)
    over: bool = False


@define
class SignIns:
    """Stands before Cognito."""

    behind: App
    pools: Pools
    by_token: dict[str, SignIn] = field(factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = headers_of(scope).get("x-amz-target", "") if scope["type"] == "http" else ""
        step = self.steps.get(target.removeprefix(PREFIX)) if target.startswith(PREFIX) else None
        if step is None:
            await self.behind(scope, receive, send)
        else:
            await reply(send, await step(await read(scope, receive)))

    @property
    def steps(self) -> Mapping[str, Callable[[Request], Awaitable[Answer]]]:
        return {
            "SignUp": self.sign_up, "AdminCreateUser": self.admin_create_user, "InitiateAuth": self.initiate_auth, "RespondToAuthChallenge": self.signed_in,
            "GetTokensFromRefreshToken": self.refresh, "RevokeToken": self.revoke, "GlobalSignOut": self.sign_out,
            "AdminUserGlobalSignOut": self.admin_sign_out,
        }  # fmt: skip

    def reset(self) -> None:
        self.by_token.clear()

    # --- operations ------------------------------------------------------------------------------

    async def sign_up(self, request: Request) -> Answer:
        answer = await passed_on(self.behind, request)
        client = self.pools.client(request.json.get("ClientId", ""))
        if answer.status == 200 and client is not None:
            self.pools.date(client.pool, answer.json["UserSub"], present(request))
        return answer

    async def admin_create_user(self, request: Request) -> Answer:
        answer = await passed_on(self.behind, request)
        if answer.status == 200:
            self.pools.date(request.json["UserPoolId"], answer.json["User"]["Username"], present(request))
        return answer

    async def initiate_auth(self, request: Request) -> Answer:
        asked = request.json
        client, flow = self.pools.client(asked.get("ClientId", "")), asked.get("AuthFlow", "")
        if client is None:
            return await passed_on(self.behind, request)
        flow = "REFRESH_TOKEN_AUTH" if flow == "REFRESH_TOKEN" else flow
        if f"ALLOW_{flow}" not in self.pools.settings(client).get("ExplicitAuthFlows", ()):
            return refused("InvalidParameterException", f"{flow} flow not enabled for this client")
        if flow == "REFRESH_TOKEN_AUTH":
            return self._refreshed(request, client, asked["AuthParameters"].get("REFRESH_TOKEN", ""))
        return await self.signed_in(request)

    async def signed_in(self, request: Request) -> Answer:
        """The emulator says who it is; the tokens are ours."""
        answer = await passed_on(self.behind, request)
        client = self.pools.client(request.json.get("ClientId", ""))
        result = answer.json.get("AuthenticationResult") if answer.status == 200 else None
        if not result or client is None:
            return answer
        now, settings = present(request), self.pools.settings(client)
        sign_in = SignIn(client, _claims(result["AccessToken"])["sub"], now, now + _lifetime(settings, "Refresh"))
        return self._issued(sign_in, now, self._new_token(sign_in))

    async def refresh(self, request: Request) -> Answer:
        client = self.pools.client(request.json.get("ClientId", ""))
        if client is None:
            return await passed_on(self.behind, request)
        return self._refreshed(request, client, request.json.get("RefreshToken", ""))

    async def revoke(self, request: Request) -> Answer:
        token = request.json.get("Token", "")
        sign_in = self.by_token.get(token)
        if sign_in is not None:
            sign_in.over = True
        elif token.count(".") == 2:
            return refused("UnsupportedTokenTypeException", "Wrong token type")
        return told(200, {})

    async def sign_out(self, request: Request) -> Answer:
        answer = await passed_on(self.behind, request)
        if answer.status == 200:
            self._end(_claims(request.json["AccessToken"])["sub"])
        return answer

    async def admin_sign_out(self, request: Request) -> Answer:
        person = self.pools.person(request.json["UserPoolId"], request.json["Username"])
        if person is not None:
            self._end(person.sub)
            return told(200, {})
        return await passed_on(self.behind, request)

    # --- tokens ----------------------------------------------------------------------------------

    def _refreshed(self, request: Request, client: Client, token: str) -> Answer:
        now, sign_in, settings = present(request), self.by_token.get(token), self.pools.settings(client)
        if sign_in is None or sign_in.client.id != client.id:
            return refused("NotAuthorizedException", "Invalid Refresh Token")
        if sign_in.over or self.pools.person(client.pool, sign_in.sub) is None:
            return refused("NotAuthorizedException", "Refresh Token has been revoked")
        if now >= sign_in.ends_at:
            return refused("NotAuthorizedException", "Refresh Token has expired")
        rotation = settings.get("RefreshTokenRotation", {})
        if rotation.get("Feature") != "ENABLED":
            return self._issued(sign_in, now, None)
        grace = timedelta(seconds=rotation.get("RetryGracePeriodSeconds", 0))
        if now > sign_in.spent_at.setdefault(token, now) + grace:
            return refused("RefreshTokenReuseException", "Refresh token has been used already")
        return self._issued(sign_in, now, self._new_token(sign_in))

    def _new_token(self, sign_in: SignIn) -> str:
        token = secrets.token_urlsafe(96)
        self.by_token[token] = sign_in
        return token

    def _end(self, sub: str) -> None:
        for sign_in in self.by_token.values():
            if sign_in.sub == sub:
                sign_in.over = True

    def _issued(self, sign_in: SignIn, now: datetime, refresh: str | None) -> Answer:
        client, settings = sign_in.client, self.pools.settings(sign_in.client)
        person = self.pools.person(client.pool, sign_in.sub)
        assert person is not None, sign_in.sub
        groups = self.pools.groups(client.pool, sign_in.sub)
        lives = _lifetime(settings, "Access")
        common = {
            "sub": sign_in.sub,
            "iss": f"https://cognito-idp.{client.region}.amazonaws.com/{client.pool}",
            "origin_jti": sign_in.origin,
            "auth_time": int(sign_in.began_at.timestamp()),
            "iat": int(now.timestamp()),
            **({"cognito:groups": list(groups)} if groups else {}),
        }
        access = {
            **common, "token_use": "access", "client_id": client.id, "scope": "aws.cognito.signin.user.admin",
            "username": sign_in.sub, "jti": str(uuid4()), "exp": int((now + lives).timestamp()),
        }  # fmt: skip
        readable = settings.get("ReadAttributes") or person.attributes
        said = {name: value for name, value in person.attributes.items() if name in readable and name != "sub"}
        identity = {
            **common, **said, **{name: said[name] == "true" for name in _BOOLEANS if name in said}, "token_use": "id",
            "aud": client.id, "cognito:username": sign_in.sub, "jti": str(uuid4()),
            "exp": int((now + _lifetime(settings, "Id")).timestamp()),
        }  # fmt: skip
        result = {
            "AccessToken": self.pools.signed(client.pool, access), "IdToken": self.pools.signed(client.pool, identity),
            "ExpiresIn": int(lives.total_seconds()), "TokenType": "Bearer",
            **({"RefreshToken": refresh} if refresh else {}),
        }  # fmt: skip
        return told(200, {"AuthenticationResult": result, "ChallengeParameters": {}})


def _lifetime(settings: Mapping[str, Any], kind: str) -> timedelta:
    """Of Access, Id or Refresh tokens."""
    unit = settings.get("TokenValidityUnits", {}).get(f"{kind}Token", "days" if kind == "Refresh" else "hours")
    lives: int = settings.get(f"{kind}TokenValidity") or (30 if kind == "Refresh" else 1)
    return lives * _UNITS[unit]


def _claims(token: str) -> Mapping[str, Any]:
    payload = token.split(".")[1]
    claims: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
