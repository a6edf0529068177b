"""The template, deployed on the emulated cloud as ``sam deploy`` does it on AWS, and reached as people reach it."""

import io
import re
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
import msgspec
from attrs import frozen
from botocore.config import Config
from botocore.exceptions import WaiterError
from cryptography.hazmat.primitives.asymmetric import ec, rsa
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
        "EmulatorCdnUrl": stack.site, "EmulatorKeyGroup": group, "EmulatorKeyId": key_id,
        "EmulatorChatUrl": f"{stack.endpoint.replace('http', 'ws', 1)}/_ivschat", **parameters,
    }  # fmt: skip
    code = f"CodeUri: {{Bucket: {name}-code, Key: lambda.zip}}"
    said = _CODE.sub(code, template.read_text("utf-8"))
    if package is None:
        said = _RUNTIME.sub("Runtime: provided.al2023", said)
    s3.put_object(Bucket=f"{name}-code", Key="template.yaml", Body=said.encode())
    address = f"{stack.endpoint}/{name}-code/template.yaml"
    formation.create_stack(
        StackName=name, TemplateURL=address, Capabilities=_CAPABILITIES, Parameters=_parameters(given)
    )
    outputs = _outputs(formation, name)
    live = ec.generate_private_key(ec.SECP384R1())
    recordings = _live(aws(stack, "ivs"), name, outputs["RawBucket"], live)
    formation.update_stack(
        StackName=name, TemplateURL=address, Capabilities=_CAPABILITIES,
        Parameters=_parameters({**given, "EmulatorRecordings": recordings}),
    )  # fmt: skip
    _outputs(formation, name, "stack_update_complete")
    _put_keys(aws(stack, "secretsmanager"), outputs["KeysSecret"], cdn_key_a=key, live_key=live)
    _keep_the_past(aws(stack, "dynamodb"), outputs)
    stack.open_site(outputs["CdnDomain"].partition(".")[0])
    return Deployment(name, stack.site, outputs)


_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


def _parameters(given: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]


def _live(ivs: Any, name: str, bucket: str, key: ec.EllipticCurvePrivateKey) -> str:
    """What the template makes of IVS on AWS; its recording configurations, as it names them to the functions."""
    ivs.import_playback_key_pair(name=f"{name}-a", publicKeyMaterial=_public(key))
    made = {
        window: ivs.create_recording_configuration(
            name=f"{name}-{window}", destinationConfiguration={"s3": {"bucketName": bucket}},
            recordingReconnectWindowSeconds=window,
        )["recordingConfiguration"]["arn"]
        for window in (0, 30, 60, 120, 300)
    }  # fmt: skip
    return ",".join(f"{window}={arn}" for window, arn in made.items())


def _key_group(stack: Stack, name: str, key: rsa.RSAPrivateKey) -> tuple[str, str]:
    """The template makes them on AWS; the emulator's CloudFormation cannot."""
    cloudfront = aws(stack, "cloudfront")
    config = {"CallerReference": name, "Name": name, "EncodedKey": _public(key)}
    key_id: str = cloudfront.create_public_key(PublicKeyConfig=config)["PublicKey"]["Id"]
    group: str = cloudfront.create_key_group(KeyGroupConfig={"Name": name, "Items": [key_id]})["KeyGroup"]["Id"]
    return key_id, group


def _public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _outputs(formation: Any, name: str, wait_for: str = "stack_create_complete") -> Mapping[str, str]:
    try:
        formation.get_waiter(wait_for).wait(StackName=name, WaiterConfig={"Delay": 0.2, "MaxAttempts": 600})
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


def _put_keys(secrets: Any, secret: str, **keys: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    """What docs/deploy.md has a person do: private keys go beside what is there."""
    pems = {
        name: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        for name, key in keys.items()
    }
    there = msgspec.json.decode(secrets.get_secret_value(SecretId=secret)["SecretString"])
    secrets.put_secret_value(SecretId=secret, SecretString=msgspec.json.encode({**there, **pems}).decode())
