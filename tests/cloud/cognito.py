"""Cognito's codes, made real: the emulator takes any (EMULATION.md C2, C3), here a wrong one is refused, and confirming
runs the post-confirmation trigger.

What was sent is kept as mail, for tests to read. Answers about people that there are not follow the guide ("Managing
error responses"); what it does not say of ConfirmSignUp, it says of ConfirmForgotPassword.
"""

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

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
_KEPT = 100

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
    """Who is in the emulator's pools."""

    def client(self, client_id: str) -> Client | None: ...
    def client_of(self, pool: str) -> Client:
        """A stand-in for the administrator, who needs no client."""

    def person(self, pool: str, username: str) -> Person | None:
        """By name, address or sub."""

    def expect(self, pool: str, username: str, kind: str, code: str) -> None:
        """The emulator, where it checks codes (with AUTH), checks for this one."""

    def verify(self, pool: str, username: str) -> None:
        """Their address is known to be theirs."""


@define
class Code:
    text: str
    kind: str
    email: str
    expires_at: datetime
    wrong: int = 0


@define
class Codes:
    """Stands before Cognito."""

    behind: App
    directory: Directory
    trigger: Trigger
    live: dict[tuple[str, str, str], Code] = field(factory=dict)
    """By pool, sub and kind."""
    mails: list[Mapping[str, Any]] = field(factory=list)

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
            "SignUp": self.sign_up, "ConfirmSignUp": self.confirm_sign_up, "ResendConfirmationCode": self.resend,
            "ForgotPassword": self.forgot_password, "ConfirmForgotPassword": self.confirm_forgot_password,
            "AdminConfirmSignUp": self.admin_confirm_sign_up,
        }  # fmt: skip

    # --- operations ------------------------------------------------------------------------------

    async def sign_up(self, request: Request) -> Answer:
        answer = await passed_on(self.behind, request)
        client = self.directory.client(request.json.get("ClientId", ""))
        if answer.status == 200 and client:
            person = self.directory.person(client.pool, answer.json["UserSub"])
            if person is not None and not person.confirmed:
                self.send(client.pool, person, "sign_up", present(request))
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
