"""Cognito before the emulator's, where that one is not as Cognito is.

Its codes are made real: the emulator takes any, here a wrong one is refused, and confirming runs
the post-confirmation trigger. What was sent is kept as mail, for tests to read. Answers about people that there are not
follow the guide ("Managing error responses"); what it does not say of ConfirmSignUp, it says of ConfirmForgotPassword.

Sign-ins have refresh tokens that rotate and are opaque, tokens that remember when somebody signed in, ID tokens with
what the client may read; the emulator checks passwords and SRP proofs, and signs. What a refresh token does that was
used up follows the guide ("Refresh tokens"): it is refused as used twice, and nothing else happens. That revoking one
of a chain ends the chain is what ``origin_jti`` suggests; no document says it. After five wrong passwords none is looked
at for a while, as the guide has it ("Lockout behavior for failed sign-in attempts"): so too for people that there are
not, which is a guess.
"""

import base64
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

from attrs import define, field

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

PREFIX = "AWSCognitoIdentityProviderService."
WRONG_MOST = 5
LIVES = {"sign_up": timedelta(hours=24), "forgot_password": timedelta(hours=1)}
TRIGGER_TRIES = 3
LOCKED_MOST = timedelta(minutes=15)
_KEPT = 100
_UNITS = {
    "seconds": timedelta(seconds=1),
    "minutes": timedelta(minutes=1),
    "hours": timedelta(hours=1),
    "days": timedelta(days=1),
}
_BOOLEANS = ("email_verified", "phone_number_verified")

Trigger = Callable[[str, Mapping[str, Any]], Awaitable[str]]
"""Runs a function on an event; why it failed, or an empty text."""


@define
class Person:
    """Someone in a pool. ``username`` is the emulator's own name for them."""

    sub: str
    username: str
    email: str
    confirmed: bool
    verified: bool
    attributes: Mapping[str, str]


@define
class Client:
    """``reveals``: it says who is unknown (PreventUserExistenceErrors is not ENABLED)."""

    id: str
    pool: str
    region: str
    reveals: bool
    post_confirmation: str | None


class Directory(Protocol):
    """Who is in the emulator's pools, and what their clients are set to."""

    def client(self, client_id: str) -> Client | None: ...
    def client_of(self, pool: str) -> Client:
        """A stand-in for the administrator, who needs no client."""

    def person(self, pool: str, username: str) -> Person | None:
        """By name, address or sub."""

    def expect(self, pool: str, username: str, kind: str, code: str) -> None:
        """The emulator, where it checks codes (with AUTH), checks for this one."""

    def verify(self, pool: str, username: str) -> None:
        """Their address is known to be theirs."""

    def settings(self, client: Client) -> Mapping[str, Any]:
        """As ``CreateUserPoolClient`` was given them."""

    def groups(self, pool: str, username: str) -> Sequence[str]: ...
    def signed(self, pool: str, claims: Mapping[str, Any]) -> str:
        """A JWT by the pool's key for their ``token_use``."""

    def date(self, pool: str, username: str, made_at: datetime) -> None:
        """When they signed up."""


@define
class Code:
    text: str
    kind: str
    email: str
    expires_at: datetime
    wrong: int = 0


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
class Cognito:
    """Stands before the emulator."""

    behind: App
    directory: Directory
    trigger: Trigger
    live: dict[tuple[str, str, str], Code] = field(factory=dict)
    """By pool, sub and kind."""
    mails: list[Mapping[str, Any]] = field(factory=list)
    by_token: dict[str, SignIn] = field(factory=dict)
    wrong: dict[tuple[str, str], tuple[int, datetime]] = field(factory=dict)
    """How many passwords in a row were, and until when none is looked at, by pool and address."""

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
            "SignUp": self.sign_up, "AdminCreateUser": self.admin_create_user, "ConfirmSignUp": self.confirm_sign_up, "ResendConfirmationCode": self.resend,
            "ForgotPassword": self.forgot_password, "ConfirmForgotPassword": self.confirm_forgot_password,
            "AdminConfirmSignUp": self.admin_confirm_sign_up, "InitiateAuth": self.initiate_auth,
            "RespondToAuthChallenge": self.signed_in, "GetTokensFromRefreshToken": self.refresh,
            "RevokeToken": self.revoke, "GlobalSignOut": self.sign_out, "AdminUserGlobalSignOut": self.admin_sign_out,
        }  # fmt: skip

    # --- signing up ------------------------------------------------------------------------------

    async def sign_up(self, request: Request) -> Answer:
        answer = await passed_on(self.behind, request)
        client = self.directory.client(request.json.get("ClientId", ""))
        if answer.status == 200 and client:
            self.directory.date(client.pool, answer.json["UserSub"], present(request))
            person = self.directory.person(client.pool, answer.json["UserSub"])
            if person is not None and not person.confirmed:
                self.send(client.pool, person, "sign_up", present(request))
        return answer

    async def admin_create_user(self, request: Request) -> Answer:
        answer = await passed_on(self.behind, request)
        if answer.status == 200:
            self.directory.date(request.json["UserPoolId"], answer.json["User"]["Username"], present(request))
        return answer

    async def confirm_sign_up(self, request: Request) -> Answer:
        client, person = self._asked(request)
        if client is None:
            return await passed_on(self.behind, request)
        if person is None:
            return _mismatch() if not client.reveals else _unknown()
        if person.confirmed:
            return refused("NotAuthorizedException", "User cannot be confirmed. Current status is CONFIRMED")
        refusal = self.refusal(client.pool, person, "sign_up", request)
        if refusal:
            return refusal
        answer = await self._used_up((client.pool, person.sub, "sign_up"), request)
        if answer.status == 200:
            self.directory.verify(client.pool, person.username)
            return await self.after(client, person, "PostConfirmation_ConfirmSignUp", request) or answer
        return answer

    async def resend(self, request: Request) -> Answer:
        client, person = self._asked(request)
        if client is None:
            return await passed_on(self.behind, request)
        if person is None:
            return _unknown() if client.reveals else _delivery(request.json["Username"])
        if person.confirmed:
            return refused("InvalidParameterException", "User is already confirmed.")
        self.send(client.pool, person, "sign_up", present(request))
        return _delivery(person.email)

    async def forgot_password(self, request: Request) -> Answer:
        client, person = self._asked(request)
        if client is None:
            return await passed_on(self.behind, request)
        if person is None or not person.verified:
            if not client.reveals:
                return _delivery(request.json["Username"])
            reason = "Cannot reset password for the user as there is no registered/verified email or phone_number"
            return _unknown() if person is None else refused("InvalidParameterException", reason)
        self.send(client.pool, person, "forgot_password", present(request))
        return _delivery(person.email)

    async def confirm_forgot_password(self, request: Request) -> Answer:
        client, person = self._asked(request)
        if client is None:
            return await passed_on(self.behind, request)
        if person is None:
            return _mismatch() if not client.reveals else _unknown()
        refusal = self.refusal(client.pool, person, "forgot_password", request)
        if refusal:
            return refusal
        answer = await self._used_up((client.pool, person.sub, "forgot_password"), request)
        if answer.status == 200:
            return await self.after(client, person, "PostConfirmation_ConfirmForgotPassword", request) or answer
        return answer

    async def admin_confirm_sign_up(self, request: Request) -> Answer:
        answer = await passed_on(self.behind, request)
        pool, username = request.json.get("UserPoolId", ""), request.json.get("Username", "")
        person = self.directory.person(pool, username)
        if answer.status == 200 and person is not None:
            client = self.directory.client_of(pool)
            return await self.after(client, person, "PostConfirmation_ConfirmSignUp", request) or answer
        return answer

    async def _used_up(self, which: tuple[str, str, str], request: Request) -> Answer:
        """What the emulator answers to a request with the live code: nobody else has it meanwhile."""
        code = self.live.pop(which)
        answer = await passed_on(self.behind, request)
        if answer.status != 200:
            self.live.setdefault(which, code)
        return answer

    def _asked(self, request: Request) -> tuple[Client | None, Person | None]:
        client = self.directory.client(request.json.get("ClientId", ""))
        person = self.directory.person(client.pool, request.json.get("Username", "")) if client else None
        return client, person

    # --- signing in ------------------------------------------------------------------------------

    async def initiate_auth(self, request: Request) -> Answer:
        asked = request.json
        client, flow = self.directory.client(asked.get("ClientId", "")), asked.get("AuthFlow", "")
        if client is None:
            return await passed_on(self.behind, request)
        flow = "REFRESH_TOKEN_AUTH" if flow == "REFRESH_TOKEN" else flow
        if f"ALLOW_{flow}" not in self.directory.settings(client).get("ExplicitAuthFlows", ()):
            return refused("InvalidParameterException", f"{flow} flow not enabled for this client")
        if flow == "REFRESH_TOKEN_AUTH":
            return self._refreshed(request, client, asked["AuthParameters"].get("REFRESH_TOKEN", ""))
        if flow != "USER_PASSWORD_AUTH":
            return await self.signed_in(request)
        who, now = (client.pool, asked["AuthParameters"].get("USERNAME", "").lower()), present(request)
        wrong, until = self.wrong.get(who, (0, now))
        if now < until:
            return refused("NotAuthorizedException", "Password attempts exceeded")
        answer = await self.signed_in(request)
        if answer.status == 200:
            self.wrong.pop(who, None)
        elif answer.json.get("__type", "").endswith(("NotAuthorizedException", "UserNotFoundException")):
            wrong = 1 if now >= until + LOCKED_MOST else wrong + 1
            locked = timedelta(seconds=2 ** min(wrong - WRONG_MOST, 10)) if wrong >= WRONG_MOST else timedelta()
            self.wrong[who] = wrong, now + min(locked, LOCKED_MOST)
        return answer

    async def signed_in(self, request: Request) -> Answer:
        """The emulator says who it is; the tokens are ours."""
        answer = await passed_on(self.behind, request)
        client = self.directory.client(request.json.get("ClientId", ""))
        result = answer.json.get("AuthenticationResult") if answer.status == 200 else None
        if not result or client is None:
            return answer
        now, settings = present(request), self.directory.settings(client)
        sign_in = SignIn(client, _claims(result["AccessToken"])["sub"], now, now + _lifetime(settings, "Refresh"))
        return self._issued(sign_in, now, self._new_token(sign_in))

    async def refresh(self, request: Request) -> Answer:
        client = self.directory.client(request.json.get("ClientId", ""))
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
        person = self.directory.person(request.json["UserPoolId"], request.json["Username"])
        if person is not None:
            self._end(person.sub)
            return told(200, {})
        return await passed_on(self.behind, request)

    # --- tokens ----------------------------------------------------------------------------------

    def _refreshed(self, request: Request, client: Client, token: str) -> Answer:
        now, sign_in, settings = present(request), self.by_token.get(token), self.directory.settings(client)
        if sign_in is None or sign_in.client.id != client.id:
            return refused("NotAuthorizedException", "Invalid Refresh Token")
        if sign_in.over or self.directory.person(client.pool, sign_in.sub) is None:
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
        client, settings = sign_in.client, self.directory.settings(sign_in.client)
        person = self.directory.person(client.pool, sign_in.sub)
        assert person is not None, sign_in.sub
        groups = self.directory.groups(client.pool, sign_in.sub)
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
            "AccessToken": self.directory.signed(client.pool, access), "IdToken": self.directory.signed(client.pool, identity),
            "ExpiresIn": int(lives.total_seconds()), "TokenType": "Bearer",
            **({"RefreshToken": refresh} if refresh else {}),
        }  # fmt: skip
        return told(200, {"AuthenticationResult": result, "ChallengeParameters": {}})

    # --- codes -----------------------------------------------------------------------------------

    def send(self, pool: str, person: Person, kind: str, now: datetime) -> None:
        code = Code(f"{secrets.randbelow(1_000_000):06}", kind, person.email, now + LIVES[kind])
        self.live[pool, person.sub, kind] = code
        self.directory.expect(pool, person.username, kind, code.text)
        self.mails.append(
            {
                "to": person.email,
                "subject": "Your verification code",
                "text": f"Your confirmation code is {code.text}.",
                "kind": kind,
                "code": code.text,
                "pool": pool,
                "sent_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
                "sub": person.sub,
            }
        )
        del self.mails[: -_KEPT * 100]

    def refusal(self, pool: str, person: Person, kind: str, request: Request) -> Answer | None:
        """None if it is the live code. That a wrong one is called wrong, whatever else there is to say, is a guess."""
        code = self.live.get((pool, person.sub, kind))
        if code is not None and code.text != request.json.get("ConfirmationCode"):
            code.wrong += 1
            return _mismatch()
        if code is not None and code.wrong >= WRONG_MOST:
            return refused("TooManyFailedAttemptsException", "Attempt limit exceeded, please try after some time.")
        if code is None or code.expires_at <= present(request):
            return refused("ExpiredCodeException", "Invalid code provided, please request a code again.")
        return None

    def mailed(self, email: str) -> list[Mapping[str, Any]]:
        """Newest first."""
        return [mail for mail in reversed(self.mails) if mail["to"] == email][:_KEPT]

    def expire(self, email: str) -> int:
        """The time of the codes sent to an address is over; how many there were."""
        codes = [code for code in self.live.values() if code.email == email]
        for code in codes:
            code.expires_at = datetime.min.replace(tzinfo=UTC)
        return len(codes)

    def reset(self) -> None:
        self.live.clear()
        self.mails.clear()
        self.by_token.clear()
        self.wrong.clear()

    # --- the trigger -----------------------------------------------------------------------------

    async def after(self, client: Client, person: Person, source: str, request: Request) -> Answer | None:
        """Run the trigger, if the pool has one; the error to answer if it fails. The person stays confirmed."""
        if client.post_confirmation is None:
            return None
        event = {
            "version": "1", "triggerSource": source, "region": client.region, "userPoolId": client.pool,
            "userName": person.username, "callerContext": {"awsSdkVersion": "hexcast", "clientId": client.id},
            "request": {
                "userAttributes": {
                    **person.attributes, "email_verified": "true", "cognito:user_status": "CONFIRMED",
                },
                "clientMetadata": request.json.get("ClientMetadata", {}),
            },
            "response": {},
        }  # fmt: skip
        why = ""
        for _ in range(TRIGGER_TRIES):
            why = await self.trigger(client.post_confirmation, event)
            if not why:
                return None
        return refused("UserLambdaValidationException", f"PostConfirmation failed with error {why}.")


def refused(code: str, message: str) -> Answer:
    """An error as Cognito answers it."""
    return told(400, {"__type": code, "message": message}, x_amzn_errortype=code)


def _mismatch() -> Answer:
    return refused("CodeMismatchException", "Invalid verification code provided, please try again.")


def _unknown() -> Answer:
    return refused("UserNotFoundException", "Username/client id combination not found.")


def _delivery(email: str) -> Answer:
    name, _, domain = email.partition("@")
    shown = f"{name[:1]}***@{domain[:1]}***"
    details = {"Destination": shown, "DeliveryMedium": "EMAIL", "AttributeName": "email"}
    return Answer(
        200, json.dumps({"CodeDeliveryDetails": details}).encode(), {"content-type": "application/x-amz-json-1.1"}
    )


def _lifetime(settings: Mapping[str, Any], kind: str) -> timedelta:
    """Of Access, Id or Refresh tokens."""
    unit = settings.get("TokenValidityUnits", {}).get(f"{kind}Token", "days" if kind == "Refresh" else "hours")
    lives: int = settings.get(f"{kind}TokenValidity") or (30 if kind == "Refresh" else 1)
    return lives * _UNITS[unit]


def _claims(token: str) -> Mapping[str, Any]:
    payload = token.split(".")[1]
    claims: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
