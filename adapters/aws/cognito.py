"""Accounts in a Cognito user pool.

An account's address is its user name to sign in with, which is what keeps addresses unique; Cognito's own name for it,
the ``sub`` of its tokens, is the user's id. What Cognito does not know of an account stands in attributes of the pool:
clients may write those of ``SignUp``, everything that something depends on is written with our credentials only.

Codes, their number of tries and their lifetimes are Cognito's: 24 hours for a sign-up, one for a reset.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from attrs import field, frozen
from botocore.exceptions import ClientError

from adapters import credentials
from adapters.aws.errors import ACCOUNTS, asking, code_of
from adapters.credentials import SIGN_UP_CODE, Passwords, stored
from adapters.system import secret
from application.ports import Account, Code, NewId, Now, Tokens
from domain.access import Role
from domain.errors import DomainError, Forbidden, Invalid, NotFound, TooManyTries, Unauthenticated, Unavailable
from domain.identity import PASSWORD_LEAST, PASSWORD_MOST, SIGN_IN_LIFE
from domain.identity import email as address
from domain.identity import password as acceptable
from domain.ids import UserId

HANDLE, ATTEMPT, PROOF = "preferred_username", "custom:attempt", "custom:proof"
"""Written by a sign-up: the handle to make the profile with if the sign-up stops halfway; which call made the account,
so that one whose answer was lost finds its own when it is sent again; and, until the address is confirmed, a hash of the
password: whether Cognito looks at one before it says that the account waits is not documented, and reports differ
(aws-sdk-net issue 1984; ministack 1.5.33 says that it was measured not to).
"""
CODE_SENT, RESET_SENT, CONFIRMED_BY = "custom:code_sent", "custom:reset_sent", "custom:confirmed_by"
"""Written by us only: when another code was asked for last; when one for a new password was, until it is used; and the
code that confirmed the address, which opens nothing any more (``RESET``: none did).
"""
RESET = "reset"
GROUPS: Sequence[str] = sorted(role.value for role in Role if role is not Role.USER)

POOL: Mapping[str, Any] = {
    "UsernameAttributes": ["email"],
    "UsernameConfiguration": {"CaseSensitive": False},
    "AutoVerifiedAttributes": ["email"],
    "UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]},
    "AccountRecoverySetting": {"RecoveryMechanisms": [{"Priority": 1, "Name": "verified_email"}]},
    "VerificationMessageTemplate": {"DefaultEmailOption": "CONFIRM_WITH_CODE"},
    "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": False},
    "MfaConfiguration": "OFF",
    "Policies": {
        "PasswordPolicy": {
            "MinimumLength": PASSWORD_LEAST,
            "RequireUppercase": False,
            "RequireLowercase": False,
            "RequireNumbers": False,
            "RequireSymbols": False,
        }
    },
    "Schema": [
        {"Name": "email", "AttributeDataType": "String", "Required": True, "Mutable": True},
        *(
            {"Name": name.removeprefix("custom:"), "AttributeDataType": "String", "Required": False, "Mutable": True}
            for name in (ATTEMPT, PROOF, CODE_SENT, RESET_SENT, CONFIRMED_BY)
        ),
    ],
}
"""What ``CreateUserPool`` is given beside a name, and what the template says. The names that people sign in with, their
case and the schema can never be changed for a pool that there is.
"""
CLIENT: Mapping[str, Any] = {
    "GenerateSecret": False,
    "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH"],
    "RefreshTokenRotation": {
        "Feature": "ENABLED",
        "RetryGracePeriodSeconds": int(credentials.GRACE.total_seconds()),
    },
    "EnableTokenRevocation": True,
    "PreventUserExistenceErrors": "ENABLED",
    "AccessTokenValidity": credentials.ACCESS_LIFETIME // timedelta(minutes=1),
    "IdTokenValidity": credentials.ACCESS_LIFETIME // timedelta(minutes=1),
    "RefreshTokenValidity": SIGN_IN_LIFE // timedelta(days=1),
    "TokenValidityUnits": {"AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "days"},
    "ReadAttributes": ["email", "email_verified"],
    "WriteAttributes": [ATTEMPT, PROOF, "email", HANDLE],
}
"""What ``CreateUserPoolClient`` is given beside the pool and a name: a client of browsers, which can keep no secret.
Rotation rules out ``ALLOW_REFRESH_TOKEN_AUTH`` (developer guide, "Refresh tokens"). ID tokens hold what is readable.
"""
ACTIONS: Sequence[str] = (
    "AdminAddUserToGroup", "AdminConfirmSignUp", "AdminDeleteUser", "AdminGetUser", "AdminListGroupsForUser",
    "AdminRemoveUserFromGroup", "AdminUpdateUserAttributes", "AdminUserGlobalSignOut", "ListUsers",
)  # fmt: skip
"""What our credentials must allow on the pool; all other calls need none."""

LOCKED_LEAST_S = 1
"""Cognito does not say for how long it looks at no password: a second at least (developer guide, "Lockout behavior for
failed sign-in attempts").
"""
ADDRESS_MOST = 128
"""Cognito's user names are no longer (botocore's model)."""
LIST_MOST = 60
_TRIGGER_FAILED = frozenset(
    {"UnexpectedLambdaException", "UserLambdaValidationException", "InvalidLambdaResponseException"}
)
_CODE_OVER = frozenset({"ExpiredCodeException", "TooManyFailedAttemptsException"})
_CODE_REFUSED = _CODE_OVER | {"CodeMismatchException", "UserNotFoundException", "NotAuthorizedException"}
_TOKEN = re.compile(r"[A-Za-z0-9_=.-]+")
_CODE = re.compile(r"[0-9]+")


class Client(Protocol):
    """What is used of aiobotocore's client."""

    async def sign_up(self, **given: Any) -> Any: ...
    async def confirm_sign_up(self, **given: Any) -> Any: ...
    async def resend_confirmation_code(self, **given: Any) -> Any: ...
    async def initiate_auth(self, **given: Any) -> Any: ...
    async def get_tokens_from_refresh_token(self, **given: Any) -> Any: ...
    async def revoke_token(self, **given: Any) -> Any: ...
    async def forgot_password(self, **given: Any) -> Any: ...
    async def confirm_forgot_password(self, **given: Any) -> Any: ...
    async def list_users(self, **given: Any) -> Any: ...
    async def list_users_in_group(self, **given: Any) -> Any: ...
    async def admin_create_user(self, **given: Any) -> Any: ...
    async def admin_set_user_password(self, **given: Any) -> Any: ...
    async def admin_get_user(self, **given: Any) -> Any: ...
    async def admin_delete_user(self, **given: Any) -> Any: ...
    async def admin_confirm_sign_up(self, **given: Any) -> Any: ...
    async def admin_update_user_attributes(self, **given: Any) -> Any: ...
    async def admin_user_global_sign_out(self, **given: Any) -> Any: ...
    async def admin_list_groups_for_user(self, **given: Any) -> Any: ...
    async def admin_add_user_to_group(self, **given: Any) -> Any: ...
    async def admin_remove_user_from_group(self, **given: Any) -> Any: ...


@frozen(kw_only=True)
class _Account:
    user: UserId
    confirmed: bool
    made_at: datetime
    attributes: Mapping[str, str]

    @property
    def code_until(self) -> datetime:
        """Until when its last sign-up code is good."""
        sent = self.attributes.get(CODE_SENT)
        return (self.made_at if sent is None else datetime.fromisoformat(sent)) + SIGN_UP_CODE


def secret_of(password: str) -> str:
    """A password as Cognito knows it: itself, or a digest in place of one that Cognito takes for none.

    Cognito wants no white space at either end, nothing that cannot be printed, and counts to 256 in UTF-16. A client
    that signs in without us (SRP) has to do the same.
    """
    plain = password.isprintable() and password == password.strip()
    if plain and len(password.encode("utf-16-le")) <= 2 * PASSWORD_MOST:
        return password
    return "sha256:" + hashlib.sha256(password.encode("utf-8", "surrogatepass")).hexdigest()


@frozen
class CognitoAccounts:
    """The accounts of one user pool, by one of its clients."""

    client: Client
    pool_id: str
    client_id: str
    now: Now
    new_id: NewId
    passwords: Passwords = field(factory=lambda: Passwords(credentials.OWASP_LEAST))

    async def sign_up(self, email: str, password: str, handle: str) -> UserId:
        email, password = address(email), acceptable(password)
        if len(email) > ADDRESS_MOST:
            raise _no_address()
        attempt, proof = self.new_id("att"), await self.passwords.hash(password)
        try:
            answer = await self._ask(
                self.client.sign_up, ClientId=self.client_id, Username=email, Password=secret_of(password),
                UserAttributes=_listed({"email": email, HANDLE: handle, ATTEMPT: attempt, PROOF: proof}),
            )  # fmt: skip
        except ClientError as error:
            match code_of(error):
                case "UsernameExistsException":
                    return await self._of_attempt(email, attempt)
                case "InvalidPasswordException":
                    raise _no_password() from error
                case "InvalidParameterException" if "email" in str(error).lower():
                    raise _no_address() from error
            raise
        return UserId(answer["UserSub"])

    async def _of_attempt(self, email: str, attempt: str) -> UserId:
        """Whose address it is, if this very sign-up made it so and was sent again for want of an answer.

        Raises Taken.
        """
        there = await self._account(email)
        if there is None:
            raise ACCOUNTS.busy()  # closed in this moment: the next try finds the address free
        if there.attributes.get(ATTEMPT) != attempt:
            raise credentials.taken(confirmed=there.confirmed)
        return there.user

    async def unconfirmed(self, email: str) -> UserId | None:
        there = await self._account(stored(email))
        return None if there is None or there.confirmed else there.user

    async def expired(self, now: datetime, limit: int = 100) -> Sequence[UserId]:
        """Cognito lists by status and in no order, and a list may be behind: everyone found is looked up again, or
        someone who confirmed a moment ago would be let go.
        """
        due = [there async for there in self._listed_unconfirmed() if there.code_until <= now]
        found: list[UserId] = []
        for listed in sorted(due, key=lambda each: each.code_until):
            if len(found) == limit:
                break
            there = await self._account(listed.user)
            if there is not None and not there.confirmed and there.code_until <= now:
                found.append(there.user)
        return found

    async def confirm(self, email: str, code: str) -> None:
        email = stored(email)
        if not _may_be_named(email) or not _CODE.fullmatch(code):
            raise credentials.mismatch()
        try:
            await self._ask(
                self.client.confirm_sign_up, ClientId=self.client_id, Username=email, ConfirmationCode=code
            )  # fmt: skip
        except ClientError as error:
            refused = code_of(error)
            if refused not in _CODE_REFUSED | _TRIGGER_FAILED:
                raise
            there = await self._account(email)
            if there is None or not there.confirmed:
                raise _refusal(refused, there) from error
            # Before, or by this call: its answer was lost, or what it set off failed, which confirms all the same.
            by = there.attributes.get(CONFIRMED_BY)
            if by == code:
                return
            if by is not None:
                raise credentials.mismatch() from error
        await self._note(email, {CONFIRMED_BY: code, PROOF: ""})

    async def resend_code(self, email: str) -> None:
        there = await self._account(stored(email))
        if there is None or there.confirmed:
            return
        await self._note(there.user, {CODE_SENT: self.now().isoformat()})  # first: no code outlives its account
        try:
            await self._ask(self.client.resend_confirmation_code, ClientId=self.client_id, Username=stored(email))
        except ClientError as error:
            if code_of(error) not in {
                "UserNotFoundException",
                "InvalidParameterException",
            }:  # gone, or confirmed, by now
                raise

    async def sign_in(self, email: str, password: str) -> Tokens:
        email = stored(email)
        if not _may_be_named(email):
            raise credentials.wrong_credentials()
        try:
            answer = await self._ask(
                self.client.initiate_auth, ClientId=self.client_id, AuthFlow="USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": email, "PASSWORD": secret_of(password)},
            )  # fmt: skip
        except ClientError as error:
            match code_of(error):
                case "NotAuthorizedException" if "attempts exceeded" in str(error).lower():
                    raise TooManyTries("too many wrong passwords; wait a little", wait_s=LOCKED_LEAST_S) from error
                case "NotAuthorizedException" | "UserNotFoundException" | "PasswordResetRequiredException":
                    raise credentials.wrong_credentials() from error
                case "UserNotConfirmedException":
                    raise await self._unconfirmed_or_wrong(email, password) from error
            raise
        if "AuthenticationResult" not in answer:  # only for accounts that an operator made or changed by hand
            raise Forbidden("this account needs more than a password", code="sign_in_challenged")
        return _tokens(answer)

    async def _unconfirmed_or_wrong(self, email: str, password: str) -> DomainError:
        """Only who knows the password hears that the account waits. One that was made without us has no proof."""
        there = await self._account(email)
        proof = there.attributes.get(PROOF) if there is not None else None
        right = proof is None or (await self.passwords.verify(proof, password))[0]
        return credentials.not_confirmed() if right else credentials.wrong_credentials()

    async def refresh(self, token: str) -> Tokens:
        if not _TOKEN.fullmatch(token):
            raise credentials.invalid_refresh_token()
        try:
            answer = await self._ask(
                self.client.get_tokens_from_refresh_token, ClientId=self.client_id, RefreshToken=token
            )  # fmt: skip
        except ClientError as error:
            match code_of(error):
                case "RefreshTokenReuseException":
                    await self._revoke(token)
                case "NotAuthorizedException" | "InvalidParameterException" | "UserNotFoundException":
                    pass
                case _:
                    raise
            raise credentials.invalid_refresh_token() from error
        return _tokens(answer, token)

    async def sign_out(self, token: str) -> None:
        if _TOKEN.fullmatch(token):
            await self._revoke(token)

    async def forgot_password(self, email: str) -> None:
        there = await self._account(stored(email))
        if there is None:
            return
        # Codes go to verified addresses only. While one is not confirmed nothing opens to it, and the code verifies it.
        verified = {} if there.confirmed else {"email_verified": "true"}
        await self._note(there.user, {RESET_SENT: self.now().isoformat(), **verified})
        try:
            await self._ask(self.client.forgot_password, ClientId=self.client_id, Username=stored(email))
        except ClientError as error:
            if code_of(error) not in {"UserNotFoundException", "NotAuthorizedException"}:  # gone by now, or disabled
                raise

    async def reset_password(self, email: str, code: str, password: str) -> None:
        email, password = stored(email), acceptable(password)
        before = await self._account(email) if _CODE.fullmatch(code) else None
        if before is None:
            raise credentials.mismatch()
        try:
            await self._ask(
                self.client.confirm_forgot_password, ClientId=self.client_id, Username=email, ConfirmationCode=code,
                Password=secret_of(password),
            )  # fmt: skip
        except ClientError as error:
            refused = code_of(error)
            if refused == "InvalidPasswordException":
                raise _no_password() from error
            if refused == "UserNotConfirmedException":
                raise credentials.not_confirmed() from error
            if refused not in _CODE_REFUSED | _TRIGGER_FAILED:
                raise
            # A try whose answer was lost may have used up the code, and what a reset sets off may fail after it.
            if not ((_sent_again(error) or refused in _TRIGGER_FAILED) and await self._opens(email, password)):
                # It is "over", too, when none was asked for (the same guide).
                waits = bool(before.attributes.get(RESET_SENT))
                raise _refusal(refused, before if waits else None) from error
        if not before.confirmed:
            await self._confirmed(before.user)
        await self._end_sign_ins(before.user)
        by = {} if before.confirmed else {CONFIRMED_BY: RESET, PROOF: ""}
        await self._note(before.user, {RESET_SENT: "", **by})

    async def grant(self, user: UserId, roles: frozenset[Role]) -> None:
        whose = {"UserPoolId": self.pool_id, "Username": user}
        try:
            answer = await self._ask(self.client.admin_list_groups_for_user, **whose)
            held = {group["GroupName"] for group in answer["Groups"]}
            for group in GROUPS:
                if group in roles and group not in held:
                    await self._ask(self.client.admin_add_user_to_group, **whose, GroupName=group)
                elif group in held and group not in roles:
                    await self._ask(self.client.admin_remove_user_from_group, **whose, GroupName=group)
        except ClientError as error:
            if code_of(error) == "UserNotFoundException":
                raise NotFound("there is no such account") from error
            raise

    async def find(self, who: str) -> UserId | None:
        """By id or e-mail address."""
        there = await self._account(who.strip().lower())
        return there.user if there else None

    async def close(self, user: UserId) -> None:
        try:
            await self._ask(self.client.admin_delete_user, UserPoolId=self.pool_id, Username=user)
        except ClientError as error:
            if code_of(error) != "UserNotFoundException":
                raise

    # --- moving house

    async def any(self) -> bool:
        """Whether anybody has an account."""
        listed = await self._ask(self.client.list_users, UserPoolId=self.pool_id, Limit=1)
        return bool(listed["Users"])

    async def kept(self, until: datetime) -> AsyncIterator[Account]:
        """Whose account was made up to then. Cognito tells neither passwords nor codes: the hash is one that no password
        matches, the code of an account that waits one that nobody was sent, and is over when that is.
        """
        roles: dict[str, set[Role]] = defaultdict(set)
        for group in GROUPS:
            async for each in self._listed(self.client.list_users_in_group, "NextToken", GroupName=group):
                roles[each["Username"]].add(Role(group))
        async for each in self._listed(self.client.list_users, "PaginationToken"):
            there = _read(each, each["Attributes"])
            if there.made_at.replace(microsecond=0) > until:  # which is told in whole seconds
                continue
            yield Account(
                user=there.user, email=there.attributes["email"], password=self.passwords.nobodys,
                handle=there.attributes.get(HANDLE, ""), confirmed=there.confirmed,
                roles=frozenset(roles[each["Username"]]),
                sign_up_code=None if there.confirmed else Code("", there.code_until),
            )  # fmt: skip

    async def admit(self, account: Account) -> UserId:
        """One from an archive, and who that is here: Cognito names everyone itself, and takes no hash of a password. It
        has one that nobody knows, so its owner asks for another; one that waits for a code is sent a new one.

        Raises Taken, and Invalid (``invalid_email``).
        """
        password = secret().hex()
        if account.confirmed:
            user = await self._made(account)
            whose = {"UserPoolId": self.pool_id, "Username": user}
            await self._ask(self.client.admin_set_user_password, **whose, Password=password, Permanent=True)
        else:
            user = await self.sign_up(account.email, password, account.handle)
        if account.roles:
            await self.grant(user, account.roles)
        return user

    async def _made(self, account: Account) -> UserId:
        attempt = self.new_id("att")
        attributes = {
            "email": account.email, "email_verified": "true", HANDLE: account.handle, ATTEMPT: attempt,
            CONFIRMED_BY: RESET,
        }  # fmt: skip
        if not _may_be_named(account.email):
            raise _no_address()
        try:
            answer = await self._ask(
                self.client.admin_create_user, UserPoolId=self.pool_id, Username=account.email,
                UserAttributes=_listed(attributes), MessageAction="SUPPRESS",
            )  # fmt: skip
        except ClientError as error:
            if code_of(error) != "UsernameExistsException":
                raise
            return await self._of_attempt(account.email, attempt)
        return _read(answer["User"], answer["User"]["Attributes"]).user

    # --- what Cognito keeps

    async def _account(self, name: str) -> _Account | None:
        """By its address in the stored form, or by its user. None if there is none."""
        if not _may_be_named(name):
            return None
        try:
            answer = await self._ask(self.client.admin_get_user, UserPoolId=self.pool_id, Username=name)
        except ClientError as error:
            if code_of(error) == "UserNotFoundException":
                return None
            raise
        return _read(answer, answer["UserAttributes"])

    async def _listed_unconfirmed(self) -> AsyncIterator[_Account]:
        waiting = 'cognito:user_status = "UNCONFIRMED"'
        async for each in self._listed(self.client.list_users, "PaginationToken", Filter=waiting):
            there = _read(each, each["Attributes"])
            if not there.confirmed:
                yield there

    async def _listed(
        self, call: Callable[..., Awaitable[Any]], token: str, **given: Any
    ) -> AsyncIterator[Mapping[str, Any]]:
        """People, page by page; ``token`` is what the call names where to go on."""
        request = {"UserPoolId": self.pool_id, "Limit": LIST_MOST, **given}
        while True:
            answer = await self._ask(call, **request)
            for each in answer["Users"]:
                yield each
            if token not in answer:
                return
            request[token] = answer[token]

    async def _note(self, name: str, attributes: Mapping[str, str]) -> None:
        """Nothing for one who is gone."""
        try:
            await self._ask(
                self.client.admin_update_user_attributes, UserPoolId=self.pool_id, Username=name,
                UserAttributes=_listed(attributes),
            )  # fmt: skip
        except ClientError as error:
            if code_of(error) != "UserNotFoundException":
                raise

    async def _confirmed(self, user: UserId) -> None:
        try:
            await self._ask(self.client.admin_confirm_sign_up, UserPoolId=self.pool_id, Username=user)
        except ClientError as error:
            if code_of(error) not in _TRIGGER_FAILED | {"NotAuthorizedException", "UserNotFoundException"}:
                raise  # of those, it is confirmed already, or was all the same, or is gone

    async def _end_sign_ins(self, user: UserId) -> None:
        try:
            await self._ask(self.client.admin_user_global_sign_out, UserPoolId=self.pool_id, Username=user)
        except ClientError as error:
            if code_of(error) != "UserNotFoundException":
                raise

    async def _opens(self, email: str, password: str) -> bool:
        """Whether this is the account's password now."""
        try:
            await self.sign_in(email, password)
        except (Unauthenticated, Forbidden) as refused:
            return refused.code == credentials.NOT_CONFIRMED
        return True

    async def _revoke(self, token: str) -> None:
        """Ends what the token belongs to; nothing for what is no refresh token of ours."""
        try:
            await self._ask(self.client.revoke_token, ClientId=self.client_id, Token=token)
        except ClientError as error:
            if code_of(error) not in {
                "UnsupportedTokenTypeException", "UnauthorizedException", "NotAuthorizedException",
                "InvalidParameterException",
            }:  # fmt: skip
                raise

    async def _ask(self, call: Callable[..., Awaitable[Any]], **given: Any) -> Any:
        """What the SDK could not get done in its own tries is for later. Raises Unavailable (``identity_busy``)."""
        with asking(ACCOUNTS):
            return await call(**given)


def _read(user: Mapping[str, Any], listed: Sequence[Mapping[str, str]]) -> _Account:
    attributes = {each["Name"]: each["Value"] for each in listed}
    return _Account(
        user=UserId(attributes["sub"]),
        confirmed=user["UserStatus"] != "UNCONFIRMED",
        made_at=user["UserCreateDate"],
        attributes=attributes,
    )


def _listed(attributes: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
    return [{"Name": name, "Value": value} for name, value in attributes.items()]


def _tokens(answer: Mapping[str, Any], refresh: str = "") -> Tokens:
    """A client without rotation gets no new refresh token: the old one stays good."""
    result = answer["AuthenticationResult"]
    return Tokens(
        result["AccessToken"], result["IdToken"], result.get("RefreshToken", refresh), int(result["ExpiresIn"])
    )  # fmt: skip


def _may_be_named(name: str) -> bool:
    """Cognito would refuse the request itself for any other."""
    return 0 < len(name) <= ADDRESS_MOST


def _refusal(refused: str, there: _Account | None) -> Invalid | Unavailable:
    """Of a code; ``there`` is who waits for one. Cognito calls it over for an unknown address, too (developer guide,
    "Managing user existence error responses").
    """
    if refused in _TRIGGER_FAILED:
        return ACCOUNTS.busy()
    return credentials.code_over() if refused in _CODE_OVER and there is not None else credentials.mismatch()


def _sent_again(error: ClientError) -> bool:
    """Whether a try before this one got no answer, or none that settled it."""
    return bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0))


def _no_address() -> Invalid:
    return Invalid("this is not an e-mail address that can have an account", code="invalid_email", field="email")


def _no_password() -> Invalid:
    return Invalid("this password is not accepted", code="invalid_password", field="password")
