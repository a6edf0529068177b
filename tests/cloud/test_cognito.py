"""The emulated Cognito sends codes, takes the right one only, and tells the function that waits for it."""

import io
import zipfile
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from attrs import frozen
from botocore.exceptions import ClientError

from tests.cloud.world import World, world

PASSWORD = "Correct-horse-1"


@frozen
class Pool:
    world: World
    cognito: Any
    id: str
    client: str

    async def sign_up(self, email: str) -> str:
        answer = await self.cognito.sign_up(
            ClientId=self.client, Username=email, Password=PASSWORD, UserAttributes=[{"Name": "email", "Value": email}]
        )
        sub: str = answer["UserSub"]
        return sub

    async def confirm(self, email: str, code: str) -> None:
        await self.cognito.confirm_sign_up(ClientId=self.client, Username=email, ConfirmationCode=code)

    def codes(self, email: str) -> Sequence[str]:
        return [mail["code"] for mail in self.world.stack.mail(email) if mail["pool"] == self.id]

    async def tokens(self, email: str, password: str = PASSWORD) -> Any:
        answer = await self.cognito.initiate_auth(
            ClientId=self.client, AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": password},
        )  # fmt: skip
        return answer["AuthenticationResult"]

    async def status(self, email: str) -> str:
        answer = await self.cognito.admin_get_user(UserPoolId=self.id, Username=email)
        status: str = answer["UserStatus"]
        return status


async def opened(here: World, *, prevent: str = "ENABLED", **more: Any) -> Pool:
    cognito = await here.client("cognito-idp")
    pool = await cognito.create_user_pool(
        PoolName=here.name("people"), UsernameAttributes=["email"], AutoVerifiedAttributes=["email"], **more
    )
    client = await cognito.create_user_pool_client(
        UserPoolId=pool["UserPool"]["Id"], ClientName="web", PreventUserExistenceErrors=prevent,
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    )  # fmt: skip
    return Pool(here, cognito, pool["UserPool"]["Id"], client["UserPoolClient"]["ClientId"])


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with world() as here:
        yield await opened(here)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_only_the_code_that_was_sent_confirms(pool: Pool) -> None:
    """A wrong one is refused, the right one works once."""
    await pool.sign_up("ann@example.org")
    (code,) = pool.codes("ann@example.org")
    with pytest.raises(ClientError, match="UserNotConfirmedException"):
        await pool.tokens("ann@example.org")
    with pytest.raises(ClientError, match="CodeMismatchException"):
        await pool.confirm("ann@example.org", wrong(code))
    await pool.confirm("ann@example.org", code)
    assert (await pool.tokens("ann@example.org"))["AccessToken"]
    with pytest.raises(ClientError, match="NotAuthorizedException"):
        await pool.confirm("ann@example.org", code)


async def test_a_new_code_takes_the_place_of_the_old_one(pool: Pool) -> None:
    """Also of one that is over, and of one that was guessed at too often."""
    await pool.sign_up("ann@example.org")
    (first,) = pool.codes("ann@example.org")
    for _ in range(5):
        with pytest.raises(ClientError, match="CodeMismatchException"):
            await pool.confirm("ann@example.org", wrong(first))
    with pytest.raises(ClientError, match="TooManyFailedAttemptsException"):
        await pool.confirm("ann@example.org", first)
    await pool.cognito.resend_confirmation_code(ClientId=pool.client, Username="ann@example.org")
    assert pool.world.stack.expire_codes("ann@example.org") >= 1
    with pytest.raises(ClientError, match="ExpiredCodeException"):
        await pool.confirm("ann@example.org", pool.codes("ann@example.org")[0])
    await pool.cognito.resend_confirmation_code(ClientId=pool.client, Username="ann@example.org")
    await pool.confirm("ann@example.org", pool.codes("ann@example.org")[0])
    with pytest.raises(ClientError, match="InvalidParameterException"):
        await pool.cognito.resend_confirmation_code(ClientId=pool.client, Username="ann@example.org")


async def test_a_password_is_reset_with_its_own_code(pool: Pool) -> None:
    """One that was sent for it, not for the sign-up; a weak password does not use it up."""
    await pool.sign_up("ann@example.org")
    await pool.confirm("ann@example.org", pool.codes("ann@example.org")[0])

    async def reset(code: str, password: str = "Better-horse-2") -> None:  # noqa: S107  (made up)
        await pool.cognito.confirm_forgot_password(
            ClientId=pool.client, Username="ann@example.org", ConfirmationCode=code, Password=password
        )

    with pytest.raises(ClientError, match="ExpiredCodeException"):
        await reset("123456")
    await pool.cognito.forgot_password(ClientId=pool.client, Username="ann@example.org")
    assert (await pool.tokens("ann@example.org"))["AccessToken"]
    code, *_ = pool.codes("ann@example.org")
    with pytest.raises(ClientError, match="CodeMismatchException"):
        await reset(wrong(code))
    with pytest.raises(ClientError, match="InvalidPasswordException"):
        await reset(code, "short")
    await reset(code)
    assert (await pool.tokens("ann@example.org", "Better-horse-2"))["AccessToken"]
    with pytest.raises(ClientError, match="ExpiredCodeException"):
        await reset(code)


async def test_nobody_learns_who_has_an_account(pool: Pool) -> None:
    """Where the client says so, answers about strangers look like any other."""
    stranger = {"ClientId": pool.client, "Username": "who@example.org"}
    for call in (pool.cognito.forgot_password, pool.cognito.resend_confirmation_code):
        assert (await call(**stranger))["CodeDeliveryDetails"]["DeliveryMedium"] == "EMAIL"
    with pytest.raises(ClientError, match="CodeMismatchException"):
        await pool.confirm("who@example.org", "123456")
    with pytest.raises(ClientError, match="CodeMismatchException"):
        await pool.cognito.confirm_forgot_password(ConfirmationCode="123456", Password=PASSWORD, **stranger)
    assert pool.codes("who@example.org") == []


async def test_a_client_of_old_says_who_is_unknown() -> None:
    """As PreventUserExistenceErrors=LEGACY has it."""
    async with world() as here:
        pool = await opened(here, prevent="LEGACY")
        for call in (pool.cognito.forgot_password, pool.cognito.resend_confirmation_code):
            with pytest.raises(ClientError, match="UserNotFoundException"):
                await call(ClientId=pool.client, Username="who@example.org")


FUNCTION = """
import json, os, urllib.request

def handler(event, context):
    if "fail" in event["request"]["userAttributes"]["email"]:
        raise RuntimeError("no")
    body = {"TableName": os.environ["TABLE"], "Item": {"pk": {"S": event["userName"]}, "said": {"S": json.dumps(event)}}}
    import boto3
    boto3.client("dynamodb", endpoint_url=os.environ["URL"], region_name="us-east-1", aws_access_key_id="test",
                 aws_secret_access_key="test").put_item(**body)
    print("told")
    return event
"""


async def test_who_confirms_is_told_to_the_function_that_waits_for_it() -> None:
    """With the event that Cognito sends; when the function fails, the caller hears of it and stays confirmed."""
    async with world() as here:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("index.py", FUNCTION)
        # As Cognito's, the calls of its triggers are of the first account.
        async with here.root("lambda") as functions, here.root("dynamodb") as tables:
            await tables.create_table(
                TableName=here.name("told"), BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            )  # fmt: skip
            made = await functions.create_function(
                FunctionName=here.name("on-signup"), Runtime="python3.11", Handler="index.handler",
                Role="arn:aws:iam::000000000000:role/x", Code={"ZipFile": content.getvalue()},
                Environment={"Variables": {"TABLE": here.name("told"), "URL": here.stack.endpoint}},
            )  # fmt: skip
            pool = await opened(here, LambdaConfig={"PostConfirmation": made["FunctionArn"]})
            sub = await pool.sign_up("ann@example.org")
            await pool.confirm("ann@example.org", pool.codes("ann@example.org")[0])
            told = (await tables.scan(TableName=here.name("told")))["Items"]
            assert len(told) == 1
            assert sub in told[0]["said"]["S"]
            assert "PostConfirmation_ConfirmSignUp" in told[0]["said"]["S"]

            await pool.sign_up("fail@example.org")
            with pytest.raises(ClientError, match="UserLambdaValidationException"):
                await pool.confirm("fail@example.org", pool.codes("fail@example.org")[0])
            assert await pool.status("fail@example.org") == "CONFIRMED"
