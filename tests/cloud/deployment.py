"""The template, deployed on the emulated cloud as ``sam deploy`` does it on AWS, and reached as people reach it."""

import io
import re
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import msgspec
from attrs import frozen
from botocore.config import Config
from botocore.exceptions import WaiterError
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.cloud.process import ROOT
from tests.cloud.world import REGION, ROOT_KEY, Stack

TEMPLATE = ROOT / "deploy" / "template.yaml"
_CODE = re.compile(r"CodeUri: \.\./build/lambda\.zip")
_RUNTIME = re.compile(r"Runtime: !Ref Runtime$", re.MULTILINE)
_OURS = ("domain", "application", "adapters", "entrypoints")


@frozen
class Deployment:
    """``url`` is where the API and what is shown are reached; ``outputs`` are the template's."""

    name: str
    url: str
    outputs: Mapping[str, str]


def aws(stack: Stack, service: str) -> Any:
    """A client of the first account, without a loop."""
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, read_timeout=120)
    return boto3.session.Session().client(
        service, region_name=REGION, endpoint_url=stack.endpoint, aws_access_key_id=ROOT_KEY,
        aws_secret_access_key="test", config=config,
    )  # fmt: skip


def thin() -> bytes:
    """Our own code, run by Lambda's own client in the environment of this process: made at once, and unpacked at once for
    each function. The real package has the same code, and takes many seconds of both.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in _OURS:
            for path in sorted((ROOT / name).rglob("*.py")):
                archive.write(path, path.relative_to(ROOT))
        begin = zipfile.ZipInfo("bootstrap")
        begin.external_attr = 0o755 << 16
        archive.writestr(begin, f'#!/bin/sh\nexec "{sys.executable}" -m awslambdaric "$_HANDLER"\n')
    return content.getvalue()


def deploy(
    stack: Stack, name: str = "hexcast", *, template: Path = TEMPLATE, package: bytes | None = None, **parameters: str
) -> Deployment:
    """With a new key that playback is signed with; without a ``package``, a thin one. Raises RuntimeError, with what the
    stack's events say.
    """
    key = rsa.generate_private_key(65537, 2048)
    key_id, group = _key_group(stack, name, key)
    s3, formation = aws(stack, "s3"), aws(stack, "cloudformation")
    s3.create_bucket(Bucket=f"{name}-code")
    s3.put_object(Bucket=f"{name}-code", Key="lambda.zip", Body=package or thin())
    given = {
        "Runtime": "python3.11", "Emulator": stack.endpoint, "EmulatorPublicUrl": stack.site,
        "EmulatorCdnUrl": stack.site, "EmulatorKeyGroup": group, "EmulatorKeyId": key_id, **parameters,
    }  # fmt: skip
    code = f"CodeUri: {{Bucket: {name}-code, Key: lambda.zip}}"
    said = _CODE.sub(code, template.read_text("utf-8"))
    if package is None:
        said = _RUNTIME.sub("Runtime: provided.al2023", said)
    s3.put_object(Bucket=f"{name}-code", Key="template.yaml", Body=said.encode())
    formation.create_stack(
        StackName=name, TemplateURL=f"{stack.endpoint}/{name}-code/template.yaml",
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
    )  # fmt: skip
    outputs = _outputs(formation, name)
    _put_key(aws(stack, "secretsmanager"), outputs["KeysSecret"], key)
    _keep_the_past(aws(stack, "dynamodb"), outputs)
    stack.open_site(outputs["CdnDomain"].partition(".")[0])
    return Deployment(name, stack.site, outputs)


def _key_group(stack: Stack, name: str, key: rsa.RSAPrivateKey) -> tuple[str, str]:
    """The template makes them on AWS; the emulator's CloudFormation cannot (EMULATION.md T2)."""
    cloudfront = aws(stack, "cloudfront")
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    config = {"CallerReference": name, "Name": name, "EncodedKey": pem}
    key_id: str = cloudfront.create_public_key(PublicKeyConfig=config)["PublicKey"]["Id"]
    group: str = cloudfront.create_key_group(KeyGroupConfig={"Name": name, "Items": [key_id]})["KeyGroup"]["Id"]
    return key_id, group


def _outputs(formation: Any, name: str) -> Mapping[str, str]:
    try:
        formation.get_waiter("stack_create_complete").wait(
            StackName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 600}
        )
    except WaiterError as error:
        events = formation.describe_stack_events(StackName=name)["StackEvents"]
        why = [
            f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason')}"
            for each in events
            if "FAILED" in each["ResourceStatus"]
        ]
        raise RuntimeError("the template was not deployed:\n" + "\n".join(why)) from error
    (made,) = formation.describe_stacks(StackName=name)["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in made["Outputs"]}


def _keep_the_past(dynamodb: Any, outputs: Mapping[str, str]) -> None:
    """The template says so, and the emulator's CloudFormation does not listen."""
    for name in ("CoreTable", "SocialTable", "InboxTable", "OpsTable"):
        dynamodb.update_continuous_backups(
            TableName=outputs[name], PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )


def _put_key(secrets: Any, secret: str, key: rsa.RSAPrivateKey) -> None:
    """What docs/deploy.md has a person do: the private key goes beside what is there."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    there = msgspec.json.decode(secrets.get_secret_value(SecretId=secret)["SecretString"])
    secrets.put_secret_value(SecretId=secret, SecretString=msgspec.json.encode({**there, "cdn_key_a": pem}).decode())
