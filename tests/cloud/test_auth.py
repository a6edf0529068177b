"""With AUTH the emulated cloud asks who calls, and what they may do; what is ours of it goes on working."""

import json
from contextlib import AsyncExitStack
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud.jobs import job
from tests.cloud.world import Stack, client, stack


@pytest.fixture(scope="module")
def guarded() -> Stack:
    return stack(auth=True)


def named(what: str) -> str:
    """In a cloud where nothing else is tested."""
    return f"{what}-of-the-guarded"


async def test_a_role_does_what_it_may(guarded: Stack) -> None:
    """And nothing else."""
    async with AsyncExitStack() as opened:

        async def root(service: str) -> Any:
            return await opened.enter_async_context(client(service, url=guarded.endpoint))

        iam, sts, s3 = await root("iam"), await root("sts"), await root("s3")
        await s3.create_bucket(Bucket=named("media"))
        trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        made = await iam.create_role(
            RoleName=named("reader"), AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust})
        )
        may = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{named('media')}"}
        said = json.dumps({"Version": "2012-10-17", "Statement": [may]})
        await iam.put_role_policy(RoleName=named("reader"), PolicyName="reads", PolicyDocument=said)
        given = (await sts.assume_role(RoleArn=made["Role"]["Arn"], RoleSessionName="test"))["Credentials"]
        async with client(
            "s3", given["AccessKeyId"], url=guarded.endpoint, secret=given["SecretAccessKey"],
            token=given["SessionToken"],
        ) as reader:  # fmt: skip
            assert (await reader.list_objects_v2(Bucket=named("media")))["KeyCount"] == 0
            with pytest.raises(ClientError, match="AccessDenied"):
                await reader.put_object(Bucket=named("media"), Key="a", Body=b"a")


async def test_codes_are_still_the_ones_that_were_sent(guarded: Stack) -> None:
    """The emulator checks codes of its own then."""
    async with client("cognito-idp", url=guarded.endpoint) as cognito:
        pool = await cognito.create_user_pool(PoolName=named("people"), UsernameAttributes=["email"])
        made = await cognito.create_user_pool_client(UserPoolId=pool["UserPool"]["Id"], ClientName="web")
        who = {"ClientId": made["UserPoolClient"]["ClientId"], "Username": "ann@example.org"}
        await cognito.sign_up(
            **who, Password="Correct-horse-1", UserAttributes=[{"Name": "email", "Value": who["Username"]}]
        )
        (mail,) = guarded.mail("ann@example.org")
        await cognito.confirm_sign_up(**who, ConfirmationCode=mail["code"])
        await cognito.admin_set_user_password(
            UserPoolId=pool["UserPool"]["Id"], Username=who["Username"], Password="Better-horse-2", Permanent=True
        )


async def test_jobs_reach_their_buckets(guarded: Stack) -> None:
    """A job without a source says so, and not that it may not look."""
    async with AsyncExitStack() as opened:
        media, s3, iam = [
            await opened.enter_async_context(client(each, url=guarded.endpoint))
            for each in ("mediaconvert", "s3", "iam")
        ]
        await s3.create_bucket(Bucket=named("raw"))
        asked = job(f"s3://{named('raw')}/none", f"s3://{named('raw')}/v/", Role=await _transcoder(iam))
        made = await media.create_job(**asked)
        assert await guarded.finished(made["Job"]["Id"]) == "ERROR"
        assert (await media.get_job(Id=made["Job"]["Id"]))["Job"]["ErrorCode"] == 1404
        with pytest.raises(ClientError, match="no role that"):
            await media.create_job(**{**asked, "Role": "arn:aws:iam::000000000000:role/nobody-s"})


async def _transcoder(iam: Any) -> str:
    """A role that MediaConvert can take, for a bucket."""
    trust = {"Effect": "Allow", "Principal": {"Service": "mediaconvert.amazonaws.com"}, "Action": "sts:AssumeRole"}
    made = await iam.create_role(
        RoleName=named("transcoder"),
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}),
    )
    bucket = f"arn:aws:s3:::{named('raw')}"
    may = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": [bucket, f"{bucket}/*"]}
    said = json.dumps({"Version": "2012-10-17", "Statement": may})
    await iam.put_role_policy(RoleName=named("transcoder"), PolicyName="files", PolicyDocument=said)
    arn: str = made["Role"]["Arn"]
    return arn
