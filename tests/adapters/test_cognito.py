"""What the accounts on Cognito promise beyond their port: lost answers, errors of every kind, clients of their own."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession, web
from attrs import define, evolve, field, frozen
from botocore.exceptions import ClientError, ReadTimeoutError
from joserfc.jwk import RSAKey

from adapters.aws.cognito import CLIENT, HANDLE, LIST_MOST, CognitoAccounts, secret_of
from adapters.aws.settings import issuer_of, jwks_url_of
from adapters.aws.tokens import CognitoKeys
from adapters.credentials import Passwords
from adapters.inmemory.outbox import Changes, InMemoryOutbox
from adapters.inmemory.users import InMemoryUsers
from adapters.system import Ulids
from application.identity import ExpireSignUps, SignUp
from application.ports import Tokens
from domain.access import Actor, Role
from domain.errors import DomainError, Forbidden, Unauthenticated, Unavailable
from domain.ids import UserId
from entrypoints.http.auth import TokenVerifier
from tests.cloud.faults import RETRIES, Fault, failing, faults
from tests.cloud.pools import Pool, pool
from tests.cloud.world import endpoint
from tests.identities import CHEAP
from tests.srp import Srp
from tests.worlds import FakeClock

ANN, PASSWORD, OTHER = "ann@example.org", "correct horse battery", "staple correct horse"


# --- one call that goes wrong, whichever it is


@define
class Unreliable:
    """A client of Cognito's of which one call goes wrong, once: ``nth`` of those since ``armed``.

    It is turned away before it has an effect (``throttled``, ``broken``), its answer is lost (``lost``), or the SDK has
    sent it again by itself because the first answer was (``again``).
    """

    client: Any
    how: str = ""
    nth: int = -1
    made: list[str] = field(factory=list)
    armed: bool = False

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.client, name)

        async def made(**given: Any) -> Any:
            if not self.armed:
                return await call(**given)
            self.made.append(name)
            return await (self._wrong(name, call, given) if len(self.made) - 1 == self.nth else call(**given))

        return made

    async def _wrong(self, name: str, call: Callable[..., Awaitable[Any]], given: Mapping[str, Any]) -> Any:
        if self.how == "throttled":
            raise refusal("TooManyRequestsException", name, 400)
        if self.how == "broken":
            raise refusal("InternalErrorException", name, 500)
        try:
            await call(**given)
        except ClientError:
            if self.how == "again":
                raise
        if self.how == "lost":
            raise ReadTimeoutError(endpoint_url="https://cognito")
        try:
            return await call(**given)
        except ClientError as error:
            error.response["ResponseMetadata"]["RetryAttempts"] = 1
            raise


def refusal(code: str, operation: str, status: int = 400) -> ClientError:
    metadata: Any = {"HTTPStatusCode": status, "RetryAttempts": 0}
    return ClientError({"Error": {"Code": code, "Message": "not now"}, "ResponseMetadata": metadata}, operation)


@frozen
class Scene:
    people: Pool
    unreliable: Unreliable
    accounts: CognitoAccounts
    users: InMemoryUsers
    clock: FakeClock

    async def code(self) -> str:
        code = await self.people.code_for(ANN)
        assert code is not None
        return code

    async def confirmed(self) -> UserId:
        user = await self.accounts.sign_up(ANN, PASSWORD, "ann")
        await self.accounts.confirm(ANN, await self.code())
        return user

    async def sign_up(self) -> UserId:
        return (await SignUp(self.accounts, self.users, self.clock.now, {})(ANN, PASSWORD, "ann", "Ann")).id

    def verifier(self, session: ClientSession) -> TokenVerifier:
        return TokenVerifier(
            keys=CognitoKeys(session, self.people.jwks_url, self.clock.now), issuer=self.people.issuer,
            client_ids=[self.people.client_id], now=self.clock.now,
        )  # fmt: skip


@asynccontextmanager
async def opened(**config: Any) -> AsyncIterator[Scene]:
    clock = FakeClock()
    new_id = Ulids(clock.now)
    async with pool(clock.now, **config) as people:
        unreliable: Any = Unreliable(people.cognito)
        accounts = CognitoAccounts(unreliable, people.id, people.client_id, clock.now, new_id, Passwords(CHEAP))
        yield Scene(people, unreliable, accounts, InMemoryUsers(InMemoryOutbox(new_id), Changes()), clock)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with opened() as here:
        yield here


@define
class Case:
    """Something that people do. ``accepted``: what the second try may say instead, the first having been carried out."""

    prepare: Callable[[Scene], Awaitable[Any]]
    act: Callable[[Scene, Any], Awaitable[object]]
    check: Callable[[Scene, Any], Awaitable[object]]
    accepted: frozenset[str] = frozenset()


async def nothing(scene: Scene, *_: object) -> None:
    """There is nothing to prepare, or to see."""


async def refused(call: Awaitable[object]) -> str:
    with pytest.raises(DomainError) as error:
        await call
    return error.value.code


async def said(call: Awaitable[object]) -> str:
    """The code of a refusal, "" for none."""
    try:
        await call
    except DomainError as error:
        return error.code
    return ""


async def can_sign_in(scene: Scene, password: str = PASSWORD) -> Tokens:
    return await scene.accounts.sign_in(ANN, password)


async def signed_up(scene: Scene, _: object) -> None:
    """Whoever was told to try again has an account, a profile and a code."""
    user = await scene.accounts.unconfirmed(ANN)
    assert user is not None
    assert (await scene.users.get(user)).email == ANN
    await scene.accounts.confirm(ANN, await scene.code())
    await can_sign_in(scene)


async def waiting(scene: Scene) -> UserId:
    return await scene.accounts.sign_up(ANN, PASSWORD, "ann")


async def signed_in(scene: Scene) -> Tokens:
    await scene.confirmed()
    return await can_sign_in(scene)


async def forgotten(scene: Scene) -> Tokens:
    tokens = await signed_in(scene)
    await scene.accounts.forgot_password(ANN)
    return tokens


async def forgotten_while_waiting(scene: Scene) -> None:
    await waiting(scene)
    await scene.accounts.forgot_password(ANN)


async def reset(scene: Scene, _: object) -> None:
    await scene.accounts.reset_password(ANN, await scene.code(), OTHER)


async def has_a_new_password(scene: Scene, tokens: Tokens | None) -> None:
    """Also by another code, if the one that was sent is used up; whoever was signed in is not any more."""
    with suppress(Forbidden):  # not confirmed
        await can_sign_in(scene, OTHER)
    await scene.accounts.forgot_password(ANN)
    await reset(scene, None)
    await can_sign_in(scene, OTHER)
    if tokens is not None:
        assert await refused(scene.accounts.refresh(tokens.refresh)) == "invalid_refresh_token"


async def confirm(scene: Scene, _: object) -> None:
    await scene.accounts.confirm(ANN, await scene.code())


async def was_signed_out(scene: Scene, tokens: Tokens) -> None:
    assert await refused(scene.accounts.refresh(tokens.refresh)) == "invalid_refresh_token"


async def refreshed_late(scene: Scene) -> tuple[str, str]:
    stolen = await signed_in(scene)
    kept = await scene.accounts.refresh(stolen.refresh)
    scene.clock.advance(timedelta(seconds=31))
    return stolen.refresh, kept.refresh


async def used_late(scene: Scene, tokens: tuple[str, str]) -> None:
    try:
        await scene.accounts.refresh(tokens[0])
    except Unauthenticated:
        return
    pytest.fail("a token that was used up still works")


async def is_over(scene: Scene, tokens: tuple[str, str]) -> None:
    assert await refused(scene.accounts.refresh(tokens[1])) == "invalid_refresh_token"


async def moderates(scene: Scene, user: UserId) -> None:
    groups = await scene.people.cognito.admin_list_groups_for_user(UserPoolId=scene.people.id, Username=user)
    assert [group["GroupName"] for group in groups["Groups"]] == ["moderator"]


async def admin(scene: Scene) -> UserId:
    user = await scene.confirmed()
    await scene.accounts.grant(user, frozenset({Role.ADMIN}))
    return user


async def overdue(scene: Scene) -> None:
    await scene.sign_up()
    scene.clock.advance(timedelta(hours=24))


async def let_go(scene: Scene, _: object) -> None:
    await ExpireSignUps(scene.accounts, scene.users, scene.clock.now)()


async def is_free(scene: Scene, *_: object) -> None:
    assert await scene.accounts.unconfirmed(ANN) is None
    await signed_up(scene, await scene.sign_up())


async def another_code(scene: Scene, _: object) -> None:
    await scene.accounts.resend_code(ANN)


CASES: Mapping[str, Case] = {
    "sign_up": Case(nothing, lambda scene, _: scene.sign_up(), signed_up, frozenset({"confirmation_pending"})),
    "confirm": Case(waiting, confirm, lambda scene, _: can_sign_in(scene)),
    "resend": Case(waiting, another_code, confirm),
    "sign_in": Case(Scene.confirmed, lambda scene, _: can_sign_in(scene), nothing),
    "refresh": Case(signed_in, lambda scene, tokens: scene.accounts.refresh(tokens.refresh), nothing),
    "refresh_late": Case(refreshed_late, used_late, is_over),
    "sign_out": Case(signed_in, lambda scene, tokens: scene.accounts.sign_out(tokens.refresh), was_signed_out),
    "forgot": Case(signed_in, lambda scene, _: scene.accounts.forgot_password(ANN), reset),
    "forgot_waiting": Case(waiting, lambda scene, _: scene.accounts.forgot_password(ANN), reset),
    "reset": Case(forgotten, reset, has_a_new_password, frozenset({"code_mismatch", "code_expired"})),
    "reset_waiting": Case(
        forgotten_while_waiting, reset, has_a_new_password, frozenset({"code_mismatch", "code_expired"})
    ),
    "grant": Case(admin, lambda scene, user: scene.accounts.grant(user, frozenset({Role.MODERATOR})), moderates),
    "close": Case(Scene.confirmed, lambda scene, user: scene.accounts.close(user), is_free),
    "expire": Case(overdue, let_go, is_free),
}  # fmt: skip


@pytest.mark.parametrize("how", ["throttled", "broken", "lost", "again"])
@pytest.mark.parametrize("name", CASES)
async def test_a_call_that_goes_wrong_strands_nobody(name: str, how: str) -> None:
    """Whichever call of those that something takes: it succeeds all the same, or says that one should try again, and
    the second try leads where the first would have.
    """
    case = CASES[name]
    for nth in itertools.count():
        async with opened() as scene:
            prepared = await case.prepare(scene)
            unreliable = scene.unreliable
            unreliable.how, unreliable.nth, unreliable.armed = how, nth, True
            try:
                await case.act(scene, prepared)
            except Unavailable:
                unreliable.armed = False
                assert await said(case.act(scene, prepared)) in {"", *case.accepted}, f"{name}, call {nth}"
            unreliable.armed = False
            await case.check(scene, prepared)
            if len(unreliable.made) <= nth:
                assert nth > 0
                return


ON_THE_WIRE = {
    "SignUp": "sign_up", "ConfirmSignUp": "confirm", "ResendConfirmationCode": "resend", "InitiateAuth": "sign_in",
    "GetTokensFromRefreshToken": "refresh", "RevokeToken": "sign_out", "ForgotPassword": "forgot",
    "ConfirmForgotPassword": "reset", "ListUsers": "expire", "AdminGetUser": "resend", "AdminDeleteUser": "close",
    "AdminConfirmSignUp": "reset_waiting", "AdminUpdateUserAttributes": "resend", "AdminUserGlobalSignOut": "reset",
    "AdminListGroupsForUser": "grant", "AdminAddUserToGroup": "grant", "AdminRemoveUserFromGroup": "grant",
}  # fmt: skip
"""For every operation a case that calls it."""


@faults("cognito-idp", *ON_THE_WIRE)
async def test_a_call_that_fails_at_the_wire_strands_nobody(fault: Fault, operation: str) -> None:
    """The same with the SDK's own tries, and faults as the service and the network have them."""
    case = CASES[ON_THE_WIRE[operation]]
    with failing() as at:
        async with opened(url=at.url, retries=RETRIES) as scene:
            prepared = await case.prepare(scene)
            at.let_fail(fault.rule("cognito-idp", operation))
            code = await said(case.act(scene, prepared))
            at.let_fail()
            if code:
                assert code == "identity_busy"
                assert await said(case.act(scene, prepared)) in {"", *case.accepted}
            assert at.fired() == fault.seen("cognito-idp", operation)
            await case.check(scene, prepared)


async def test_a_sign_up_whose_answer_was_lost_is_found_by_the_one_that_is_sent_again(scene: Scene) -> None:
    scene.unreliable.how, scene.unreliable.nth, scene.unreliable.armed = "again", 0, True
    assert await scene.accounts.sign_up(ANN, PASSWORD, "ann") == await scene.accounts.unconfirmed(ANN)


async def test_a_reset_whose_answer_was_lost_is_found_by_the_one_that_is_sent_again(scene: Scene) -> None:
    """A wrong code with the very password that holds already is still a wrong code."""
    await forgotten(scene)
    code = await scene.code()
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    assert await refused(scene.accounts.reset_password(ANN, wrong, PASSWORD)) == "code_mismatch"
    scene.unreliable.how, scene.unreliable.nth, scene.unreliable.armed = "again", 1, True
    await scene.accounts.reset_password(ANN, code, OTHER)
    assert scene.unreliable.made[1] == "confirm_forgot_password"
    await can_sign_in(scene, OTHER)


# --- answers that really get lost on their way


@define
class Lossy:
    """Hands requests on to Cognito, and drops the answers to the first of each of ``operations``."""

    operations: set[str]
    url: str = ""
    dropped: list[str] = field(factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        operation = request.headers.get("x-amz-target", "").rpartition(".")[2]
        headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
        async with (
            ClientSession() as session,
            session.post(endpoint(), data=await request.read(), headers=headers) as answer,
        ):
            body = await answer.read()
        if operation in self.operations:
            self.operations.remove(operation)
            self.dropped.append(operation)
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=answer.status, body=body, content_type="application/x-amz-json-1.1")


@asynccontextmanager
async def served(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """The address of a server of its own."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_the_sdk_sends_again_what_got_no_answer() -> None:
    """And everything works out: no account is taken by itself, no code is used up by itself."""
    lossy = Lossy(
        {
            "SignUp", "ConfirmSignUp", "InitiateAuth", "GetTokensFromRefreshToken", "ForgotPassword",
            "ConfirmForgotPassword", "RevokeToken", "AdminDeleteUser",
        }
    )  # fmt: skip
    clock, retries = FakeClock(), {"mode": "standard", "total_max_attempts": 3}
    async with served(lossy.handle) as url, pool(clock.now, url=url, retries=retries) as people:
        passwords = Passwords(CHEAP)
        accounts = CognitoAccounts(people.cognito, people.id, people.client_id, clock.now, Ulids(clock.now), passwords)

        async def code() -> str:
            return await people.code_for(ANN) or "none was sent"

        user = await accounts.sign_up(ANN, PASSWORD, "ann")
        assert await accounts.unconfirmed(ANN) == user
        await accounts.confirm(ANN, await code())
        tokens = await accounts.sign_in(ANN, PASSWORD)
        tokens = await accounts.refresh(tokens.refresh)
        await accounts.forgot_password(ANN)
        await accounts.reset_password(ANN, await code(), OTHER)
        assert await refused(accounts.refresh(tokens.refresh)) == "invalid_refresh_token"
        await accounts.sign_out((await accounts.sign_in(ANN, OTHER)).refresh)
        await accounts.close(user)
        assert await accounts.sign_up(ANN, PASSWORD, "ann") != user
    assert lossy.operations == set()


# --- what Cognito says


@define
class Refusing:
    """Cognito, refusing whatever it is asked but who there is."""

    error: ClientError
    client: Any

    def __getattr__(self, name: str) -> Any:
        async def refuse(**_: object) -> Any:
            raise self.error

        return getattr(self.client, name) if name == "admin_get_user" else refuse


@pytest.mark.parametrize(
    ("operation", "error", "code"),
    [
        *((each, busy, "identity_busy") for each in ("sign_up", "confirm", "sign_in", "refresh", "reset_password")
          for busy in ("TooManyRequestsException", "LimitExceededException", "InternalErrorException")),
        ("sign_up", "InvalidPasswordException", "invalid_password"),
        ("sign_up", "CodeDeliveryFailureException", "identity_busy"),
        ("confirm", "CodeMismatchException", "code_mismatch"),
        ("confirm", "ExpiredCodeException", "code_expired"),
        ("confirm", "TooManyFailedAttemptsException", "code_expired"),
        ("confirm", "UserLambdaValidationException", "identity_busy"),
        ("sign_in", "NotAuthorizedException", "wrong_credentials"),
        ("sign_in", "UserNotFoundException", "wrong_credentials"),
        ("sign_in", "PasswordResetRequiredException", "wrong_credentials"),
        ("sign_in", "UserNotConfirmedException", "not_confirmed"),
        ("refresh", "NotAuthorizedException", "invalid_refresh_token"),
        ("reset_password", "CodeMismatchException", "code_mismatch"),
        ("reset_password", "ExpiredCodeException", "code_mismatch"),
        ("reset_password", "InvalidPasswordException", "invalid_password"),
        ("reset_password", "UserNotConfirmedException", "not_confirmed"),
    ],
)  # fmt: skip
async def test_what_cognito_refuses_has_a_name_of_ours(scene: Scene, operation: str, error: str, code: str) -> None:
    await waiting(scene)
    refusing: Any = Refusing(refusal(error, operation), scene.people.cognito)
    accounts = evolve(scene.accounts, client=refusing)
    assert await refused(getattr(Attempt(accounts), operation)()) == code


@pytest.mark.parametrize("operation", ["sign_up", "confirm", "sign_in", "refresh", "reset_password"])
async def test_what_we_do_not_know_is_not_swallowed(scene: Scene, operation: str) -> None:
    await waiting(scene)
    refusing: Any = Refusing(refusal("InvalidUserPoolConfigurationException", operation), scene.people.cognito)
    accounts = evolve(scene.accounts, client=refusing)
    with pytest.raises(ClientError):
        await getattr(Attempt(accounts), operation)()


@frozen
class Attempt:
    """Each operation once."""

    accounts: CognitoAccounts

    async def sign_up(self) -> None:
        await self.accounts.sign_up("bob@example.org", PASSWORD, "bob")

    async def confirm(self) -> None:
        await self.accounts.confirm(ANN, "123456")

    async def sign_in(self) -> None:
        await self.accounts.sign_in(ANN, PASSWORD)

    async def refresh(self) -> None:
        await self.accounts.refresh("a-token")

    async def reset_password(self) -> None:
        await self.accounts.reset_password(ANN, "123456", OTHER)


@define
class AfterEffect:
    """Cognito, where what a confirmation sets off fails: Cognito says so, and everything stays as it is."""

    client: Any

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.client, name)

        async def fail(**given: Any) -> Any:
            await call(**given)
            raise refusal("UserLambdaValidationException", name)

        return fail if name in {"confirm_sign_up", "confirm_forgot_password", "admin_confirm_sign_up"} else call


async def test_whoever_is_confirmed_is_not_told_that_something_else_failed(scene: Scene) -> None:
    """The profile that the trigger would have made is made when they come."""
    await waiting(scene)
    failing: Any = AfterEffect(scene.people.cognito)
    accounts = evolve(scene.accounts, client=failing)
    await accounts.confirm(ANN, await scene.code())
    await accounts.forgot_password(ANN)
    await accounts.reset_password(ANN, await scene.code(), OTHER)
    await can_sign_in(scene, OTHER)


async def test_a_reset_that_confirms_does_not_fail_for_something_else(scene: Scene) -> None:
    """That was set off by it."""
    await forgotten_while_waiting(scene)
    failing: Any = AfterEffect(scene.people.cognito)
    await evolve(scene.accounts, client=failing).reset_password(ANN, await scene.code(), OTHER)
    await can_sign_in(scene, OTHER)


async def test_an_account_that_asks_for_more_than_a_password_is_no_wrong_password(scene: Scene) -> None:
    """Only an operator makes such accounts."""
    await scene.people.cognito.admin_create_user(
        UserPoolId=scene.people.id, Username=ANN, TemporaryPassword=PASSWORD, MessageAction="SUPPRESS",
        UserAttributes=[{"Name": "email", "Value": ANN}],
    )  # fmt: skip
    assert await refused(can_sign_in(scene)) == "sign_in_challenged"
    assert await refused(scene.accounts.sign_up(ANN, PASSWORD, "ann")) == "email_taken"


async def test_too_many_wrong_passwords_are_not_one_more_wrong_password(scene: Scene) -> None:
    """Who knows the right one must hear why it is refused (developer guide, "Lockout behavior")."""
    error = ClientError({"Error": {"Code": "NotAuthorizedException", "Message": "Password attempts exceeded"}}, "x")
    refusing: Any = Refusing(error, scene.people.cognito)
    accounts = evolve(scene.accounts, client=refusing)
    assert await refused(accounts.sign_in(ANN, PASSWORD)) == "too_many_tries"


async def test_an_address_longer_than_a_user_name_has_no_account(scene: Scene) -> None:
    email = f"{'x' * 60}@{'y' * 100}.org"
    assert await refused(scene.accounts.sign_up(email, PASSWORD, "ann")) == "invalid_email"
    assert await refused(scene.accounts.sign_in(email, PASSWORD)) == "wrong_credentials"
    assert await refused(scene.accounts.confirm(email, "123456")) == "code_mismatch"
    await scene.accounts.forgot_password(email)
    await scene.accounts.resend_code(email)


@pytest.mark.parametrize(
    ("password", "itself"),
    [
        ("correct horse", True), ("пароль из слов", True), ("x" * 256, True), ("\N{SNOWMAN}" * 8, True),
        (" leading", False), ("trailing ", False), ("two\nlines", False), ("no\N{NO-BREAK SPACE}break", False),
        ("\ud83d" * 8, False), ("\N{GRINNING FACE}" * 129, False),
    ],
)  # fmt: skip
def test_a_password_that_cognito_would_refuse_goes_as_its_digest(password: str, *, itself: bool) -> None:
    assert (secret_of(password) == password) is itself
    assert secret_of(secret_of(password)) == secret_of(password)


# --- who there is


async def test_more_accounts_than_fit_a_list_expire(scene: Scene) -> None:
    for number in range(LIST_MOST + 5):
        await scene.accounts.sign_up(f"p{number}@example.org", PASSWORD, "ann")
    now = scene.clock.advance(timedelta(hours=24))
    assert len(await scene.accounts.expired(now)) == LIST_MOST + 5
    assert len(await scene.accounts.expired(now, limit=3)) == 3


async def test_who_confirmed_since_the_list_was_made_does_not_expire(scene: Scene) -> None:
    await waiting(scene)
    behind = await scene.people.cognito.list_users(UserPoolId=scene.people.id)

    @define
    class Behind:
        client: Any

        def __getattr__(self, name: str) -> Any:
            return getattr(self.client, name)

        async def list_users(self, **_: object) -> Any:
            return behind

    scene.clock.advance(timedelta(hours=23))
    await confirm(scene, None)
    late: Any = Behind(scene.people.cognito)
    accounts = evolve(scene.accounts, client=late)
    assert list(await accounts.expired(scene.clock.advance(timedelta(hours=2)))) == []


async def test_a_sign_up_says_which_handle_was_asked_for(scene: Scene) -> None:
    """The function that waits for confirmations makes a profile of it, if there is none."""
    user = await waiting(scene)
    there = await scene.people.cognito.admin_get_user(UserPoolId=scene.people.id, Username=user)
    assert {each["Name"]: each["Value"] for each in there["UserAttributes"]}[HANDLE] == "ann"


# --- clients that ask Cognito themselves


async def test_a_client_may_sign_in_without_showing_its_password(scene: Scene) -> None:
    """SRP, with Cognito itself; our API takes the tokens."""
    user = await scene.confirmed()
    ask, client_id = scene.people.cognito, scene.people.client_id

    async def proven(password: str) -> Any:
        srp = Srp(scene.people.id)
        challenge = await ask.initiate_auth(
            ClientId=client_id, AuthFlow="USER_SRP_AUTH",
            AuthParameters={"USERNAME": ANN, "SRP_A": f"{srp.public:x}"},
        )  # fmt: skip
        return await ask.respond_to_auth_challenge(
            ClientId=client_id, ChallengeName="PASSWORD_VERIFIER", Session=challenge.get("Session", "x" * 20),
            ChallengeResponses=srp.proof(challenge["ChallengeParameters"], password, scene.clock.now()),
        )  # fmt: skip

    with pytest.raises(ClientError, match="NotAuthorizedException"):
        await proven(OTHER)
    tokens = (await proven(PASSWORD))["AuthenticationResult"]
    async with ClientSession() as session:
        assert await scene.verifier(session).actor(tokens["AccessToken"]) == Actor(user, frozenset({Role.USER}))
    assert (await scene.accounts.refresh(tokens["RefreshToken"])).access


async def test_a_client_may_sign_up_without_us(scene: Scene) -> None:
    """Nothing of ours is known of the account then; it waits and expires like any other."""
    ask, client_id = scene.people.cognito, scene.people.client_id
    email = [{"Name": "email", "Value": ANN}]
    answer = await ask.sign_up(ClientId=client_id, Username=ANN, Password=PASSWORD, UserAttributes=email)
    assert await scene.accounts.unconfirmed(ANN) == answer["UserSub"]
    assert await refused(can_sign_in(scene)) == "not_confirmed"
    assert list(await scene.accounts.expired(scene.clock.now() + timedelta(hours=24))) == [answer["UserSub"]]
    await ask.confirm_sign_up(ClientId=client_id, Username=ANN, ConfirmationCode=await scene.code())
    await can_sign_in(scene)
    await scene.accounts.confirm(ANN, await scene.code())


@pytest.mark.parametrize("flow", ["REFRESH_TOKEN_AUTH", "CUSTOM_AUTH"])
async def test_no_other_way_to_sign_in_is_open(scene: Scene, flow: str) -> None:
    """Rotation rules REFRESH_TOKEN_AUTH out."""
    tokens = await signed_in(scene)
    with pytest.raises(ClientError, match="InvalidParameterException"):
        await scene.people.cognito.initiate_auth(
            ClientId=scene.people.client_id, AuthFlow=flow,
            AuthParameters={"USERNAME": ANN, "REFRESH_TOKEN": tokens.refresh},
        )  # fmt: skip
    assert f"ALLOW_{flow}" not in CLIENT["ExplicitAuthFlows"]


# --- keys


@define
class Jwks:
    """Serves whatever it has, and counts."""

    answer: Callable[[], web.Response]
    url: str = ""
    asked: int = 0


def document(*keys: Mapping[str, Any]) -> web.Response:
    return web.json_response({"keys": list(keys)})


def key(kid: str) -> Mapping[str, Any]:
    return {**RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": kid}).as_dict(private=False)}


@pytest.fixture
async def jwks() -> AsyncIterator[Jwks]:
    jwks = Jwks(lambda: document(key("one")))

    async def answer(_: web.Request) -> web.Response:
        jwks.asked += 1
        return jwks.answer()

    async with served(answer) as url:
        jwks.url = jwks_url_of(f"{url}/pool")
        yield jwks


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as opened:
        yield opened


def test_a_pool_says_where_its_keys_are() -> None:
    issuer = issuer_of("eu-central-1", "eu-central-1_AbCdEfGhI")
    assert issuer == "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"
    assert jwks_url_of(issuer) == f"{issuer}/.well-known/jwks.json"


async def test_keys_are_asked_for_once_a_minute_however_many_ask(
    jwks: Jwks, session: ClientSession, clock: FakeClock
) -> None:
    keys = CognitoKeys(session, jwks.url, clock.now)
    first, *others = await asyncio.gather(*(keys.jwks() for _ in range(5)))
    assert others == [first] * 4
    assert jwks.asked == 1
    clock.advance(timedelta(minutes=1))
    await keys.jwks()
    assert jwks.asked == 2


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=503), lambda: web.Response(status=302, headers={"location": "/"}),
        lambda: web.Response(text="no JSON"), lambda: web.json_response([]), lambda: document({"kid": "one"}),
    ],
    ids=["503", "302", "text", "list", "half a key"],
)  # fmt: skip
async def test_keys_that_cannot_be_had_are_for_later(
    jwks: Jwks, session: ClientSession, clock: FakeClock, answer: Callable[[], web.Response]
) -> None:
    keys = CognitoKeys(session, jwks.url, clock.now)
    good, jwks.answer = jwks.answer, answer
    assert await refused(keys.jwks()) == "identity_busy"
    jwks.answer = good
    assert await keys.jwks()


async def test_nobody_there_is_for_later_too(session: ClientSession, clock: FakeClock) -> None:
    assert await refused(CognitoKeys(session, "http://127.0.0.1:9/jwks.json", clock.now).jwks()) == "identity_busy"


async def test_a_token_is_checked_with_the_keys_held_while_cognito_is_away(
    scene: Scene, session: ClientSession
) -> None:
    tokens = await signed_in(scene)
    check = scene.verifier(session)
    before = await check.actor(tokens.access)
    source = check._source
    assert isinstance(source, CognitoKeys)
    source._url = "http://127.0.0.1:9/jwks.json"
    scene.clock.advance(timedelta(minutes=50))
    later = await can_sign_in(scene)
    scene.clock.advance(timedelta(hours=6))
    assert await refused(check.actor(tokens.access)) == "token_expired"
    scene.clock.at -= timedelta(hours=6)
    assert await check.actor(later.access) == before
