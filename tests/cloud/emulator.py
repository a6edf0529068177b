"""The one place that reaches into ministack (exactly 1.5.33, whose private names these are), and what stands before it."""

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
from attrs import define, evolve, field, frozen
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from ministack import app as ministack
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import set_request_account_id, set_request_region
from ministack.services import cloudfront, cognito, dynamodb, eventbridge, iam, lambda_svc, sts

from tests.cloud.access import Access, Everyone, Record
from tests.cloud.cloudfront import Gate
from tests.cloud.cognito import Client, Cognito, Person
from tests.cloud.controls import Controls
from tests.cloud.encoder import Failed, Place
from tests.cloud.exports import Exports
from tests.cloud.ivs import Ivs
from tests.cloud.ivschat import ChatEdge, IvsChat
from tests.cloud.mediaconvert import MediaConvert
from tests.cloud.models import Refused, Service
from tests.cloud.viewers import Viewers
from tests.cloud.wire import (
    Answer,
    App,
    Caller,
    Receive,
    Request,
    Scope,
    Send,
    caller_of,
    headers_of,
    passed_on,
    read,
    reply,
)

ROOT = Caller()


@contextmanager
def acting(caller: Caller) -> Iterator[None]:
    """Ministack takes what is done meanwhile for this caller's."""
    set_request_account_id(caller.key)
    set_request_region(caller.region)
    try:
        yield
    finally:
        set_request_account_id(ROOT.key)
        set_request_region(ROOT.region)


@contextmanager
def _as_told(name: str, at: datetime | None) -> Iterator[None]:
    """Ministack gives the events that are put meanwhile this name and time, where it would make them up."""
    named, timed = eventbridge.new_uuid, eventbridge._now_ts
    eventbridge.new_uuid = (lambda: name) if name else named
    eventbridge._now_ts = at.timestamp if at else timed
    try:
        yield
    finally:
        eventbridge.new_uuid, eventbridge._now_ts = named, timed


@frozen
class Ministack:
    """Its bus, its tables, and a way to ask it as a client would."""

    endpoint: str

    def emit(
        self, caller: Caller, source: str, kind: str, detail: Mapping[str, Any], resources: Sequence[str], *,
        id: str = "", at: datetime | None = None,  # noqa: A002  (EventBridge's word)
    ) -> None:  # fmt: skip
        """An event that is told again has its ``id`` again, one that comes late says when (``at``) it happened."""
        entry = {"Source": source, "DetailType": kind, "Detail": json.dumps(detail), "Resources": list(resources)}
        with _as_told(id, at):
            self.put_events(caller, [entry])

    def put_events(self, caller: Caller, entries: Any) -> None:
        with acting(caller):
            eventbridge._put_events({"Entries": entries}, allow_aws_source=True)

    def wipe(self, account: str) -> None:
        for (owner, region, name), table in dynamodb._tables.to_dict().items():
            if owner == account:
                table["items"] = defaultdict(dict)
                dynamodb._items_replaced(table)
                dynamodb._stream_records.pop_scoped(owner, region, name, None)

    async def reset(self) -> None:
        await self.ask("POST", "/_ministack/reset")

    async def invoke(self, function: str, event: Mapping[str, Any]) -> str:
        """Runs a function of Lambda; why it failed, or an empty text."""
        answer = await self._invoked(function, event)
        if _failing(answer):
            return str(answer.json.get("errorMessage") or answer.body.decode())
        return ""

    async def called(self, function: str, event: Mapping[str, Any]) -> Any:
        """What the function returned; None if it failed."""
        answer = await self._invoked(function, event)
        return None if _failing(answer) else answer.json

    async def _invoked(self, function: str, event: Mapping[str, Any]) -> Answer:
        path = f"/2015-03-31/functions/{quote(function, safe='')}/invocations"
        return await self.ask("POST", path, "lambda", json.dumps(event).encode())

    async def ask(self, method: str, path: str, service: str = "", body: bytes = b"") -> Answer:
        asked = AWSRequest(method, f"{self.endpoint}{path}", data=body, headers={"content-type": "application/json"})
        if service:
            SigV4Auth(Credentials(ROOT.key, "test"), service, ROOT.region).add_auth(asked)
        headers = {name.lower(): value for name, value in asked.headers.items()}
        headers |= {"host": self.endpoint.removeprefix("http://"), "content-length": str(len(body))}
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": method,
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 0), "server": ("127.0.0.1", 0),
        }  # fmt: skip
        return await passed_on(ministack.app, Request(method, path, body=body, headers=headers, scope=scope))


def _failing(answer: Answer) -> bool:
    return "x-amz-function-error" in answer.headers or answer.status >= 300


class Directory:
    """Who is in the pools. Most calls come unsigned, so all pools are the first account's."""

    def client(self, client_id: str) -> Client | None:
        for pool in cognito._user_pools.values():
            if client_id in pool["_clients"]:
                hides = pool["_clients"][client_id].get("PreventUserExistenceErrors", "LEGACY") == "ENABLED"
                return self._client(pool, client_id, reveals=not hides)
        return None

    def client_of(self, pool: str) -> Client:
        return self._client(cognito._user_pools[pool], "", reveals=True)

    def _client(self, pool: Any, client_id: str, *, reveals: bool) -> Client:
        trigger = (pool.get("LambdaConfig") or {}).get("PostConfirmation")
        region = pool["Id"].partition("_")[0]
        return Client(id=client_id, pool=pool["Id"], region=region, reveals=reveals, post_confirmation=trigger)

    def settings(self, client: Client) -> Mapping[str, Any]:
        """Ministack forgets whether refresh tokens rotate, which rules one way to sign in out."""
        found: Mapping[str, Any] = cognito._user_pools[client.pool]["_clients"][client.id]
        rotates = "ALLOW_REFRESH_TOKEN_AUTH" not in found["ExplicitAuthFlows"]
        rotation = {"Feature": "ENABLED" if rotates else "DISABLED", "RetryGracePeriodSeconds": 30}
        return {**found, "RefreshTokenRotation": rotation}

    def person(self, pool: str, username: str) -> Person | None:
        user = self._user(pool, username)
        if user is None:
            return None
        attributes = {each["Name"]: each["Value"] for each in user["Attributes"]}
        return Person(
            sub=attributes["sub"], username=user["Username"], email=attributes.get("email", ""),
            confirmed=user["UserStatus"] != "UNCONFIRMED", verified=attributes.get("email_verified") == "true",
            attributes=attributes,
        )  # fmt: skip

    def groups(self, pool: str, username: str) -> Sequence[str]:
        user = self._user(pool, username)
        return list(user["_groups"]) if user else []

    def signed(self, pool: str, claims: Mapping[str, Any]) -> str:
        token: str = cognito._signed_jwt(dict(claims), pool, claims["token_use"])
        return token

    def date(self, pool: str, username: str, made_at: datetime) -> None:
        user = self._user(pool, username)
        assert user is not None
        user["UserCreateDate"] = made_at.timestamp()

    def verify(self, pool: str, username: str) -> None:
        user = self._user(pool, username)
        assert user is not None
        others = [each for each in user["Attributes"] if each["Name"] != "email_verified"]
        user["Attributes"] = [*others, {"Name": "email_verified", "Value": "true"}]

    def expect(self, pool: str, username: str, kind: str, code: str) -> None:
        user = self._user(pool, username)
        assert user is not None
        user["_confirmation_code" if kind == "sign_up" else "_reset_code"] = code

    def _user(self, pool: str, username: str) -> Any:
        found = cognito._user_pools.get(pool)
        return cognito._resolve_user(found, username)[0] if found else None


class Distributions:
    """What CloudFront serves, whichever account it is of."""

    def label(self, host: str) -> str | None:
        label = ministack._parse_cloudfront_dataplane_host(host)
        return label if label and self._found(label) else None

    def owner(self, label: str) -> Caller | None:
        found = self._found(label)
        return Caller(found[0]) if found else None

    def host(self, label: str) -> str:
        return f"{label}.cloudfront.net"

    def origin(self, label: str, path: str) -> str:
        found = self._found(label)
        assert found is not None
        config = cloudfront._dist_config_el(found[1])
        target = cloudfront._text(self._behaviour(config, path), "TargetOriginId")
        origins = cloudfront._find(cloudfront._find(config, "Origins"), "Items")
        names: Mapping[str, str] = {
            cloudfront._text(each, "Id"): cloudfront._text(each, "DomainName") for each in origins
        }
        return names.get(target, "")

    def trusted(self, label: str, path: str) -> Mapping[str, str] | None:
        found = self._found(label)
        assert found is not None
        account, distribution = found
        config = cloudfront._dist_config_el(distribution)
        groups = cloudfront._find(self._behaviour(config, path), "TrustedKeyGroups")
        if groups is None or cloudfront._text(groups, "Enabled") != "true":
            return None
        with acting(Caller(account)):
            ids = [each.text for each in cloudfront._find(groups, "Items")]
            keys = [key for each in ids for key in cloudfront._key_groups[each]["Config"]["Items"]]
            return {key: cloudfront._public_keys[key]["Config"]["EncodedKey"] for key in keys}

    def _behaviour(self, config: Any, path: str) -> Any:
        """The first whose pattern is the path's, or the default one."""
        behaviours = cloudfront._find(config, "CacheBehaviors")
        for each in (cloudfront._find(behaviours, "Items") if behaviours is not None else None) or ():
            if cloudfront._glob_to_regex(cloudfront._text(each, "PathPattern")).match(path):
                return each
        return cloudfront._find(config, "DefaultCacheBehavior")

    def _found(self, label: str) -> tuple[str, Any] | None:
        for (account, _), distribution in cloudfront._distributions.to_dict().items():
            if distribution.get("DomainName", "").lower() == self.host(label.lower()):
                return account, distribution
        return None


class Records:
    """The tables, as an export finds them."""

    def past_kept(self, caller: Caller, table: str) -> bool:
        with acting(caller):
            return bool(dynamodb._pitr_settings.get(table))

    def items(self, caller: Caller, table: str) -> Sequence[Mapping[str, Any]]:
        with acting(caller):
            return [item for some in dynamodb._tables[table]["items"].values() for item in some.values()]


@define
class Buckets:
    """S3 as MediaConvert reaches it: by a client like any other."""

    endpoint: str
    clients: dict[str, Any] = field(factory=dict)

    def client(self, caller: Caller) -> Any:
        if caller.signer not in self.clients:
            config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
            role = sts._sessions.get(caller.signer, {}) if ministack.AUTH else {}
            self.clients[caller.signer] = boto3.session.Session().client(
                "s3", region_name=caller.region, endpoint_url=self.endpoint,
                aws_access_key_id=caller.signer if role else caller.key,
                aws_secret_access_key=role.get("SecretAccessKey", "test"),
                aws_session_token=role.get("SessionToken"), config=config,
            )  # fmt: skip
        return self.clients[caller.signer]

    async def fetch(self, caller: Caller, source: Place, target: Path) -> Mapping[str, Any]:
        def fetched() -> Mapping[str, Any]:
            client, place = self.client(caller), {"Bucket": source.bucket, "Key": source.key}
            head: Mapping[str, Any] = client.head_object(**place)
            client.download_file(**place, Filename=str(target))
            return head

        try:
            return await asyncio.to_thread(fetched)
        except ClientError as error:
            raise _failed(error, source) from error

    async def fetch_all(self, caller: Caller, folder: Place, target: Path) -> Sequence[str]:
        def listed() -> Sequence[str]:
            pages = (
                self.client(caller).get_paginator("list_objects_v2").paginate(Bucket=folder.bucket, Prefix=folder.key)
            )
            return [each["Key"] for page in pages for each in page.get("Contents", ())]

        try:
            keys = await asyncio.to_thread(listed)
        except ClientError as error:
            raise _failed(error, folder) from error
        for key in keys:
            path = target / key.removeprefix(folder.key)
            path.parent.mkdir(parents=True, exist_ok=True)
            await self.fetch(caller, Place(folder.bucket, key), path)
        return keys

    async def store(self, caller: Caller, source: Path, target: Place, content_type: str) -> None:
        def stored() -> None:
            place = {"Bucket": target.bucket, "Key": target.key}
            self.client(caller).put_object(**place, Body=source.read_bytes(), ContentType=content_type)

        try:
            await asyncio.to_thread(stored)
        except ClientError as error:
            raise _failed(error, target) from error

    async def put(self, caller: Caller, bucket: str, key: str, content: bytes) -> None:
        await asyncio.to_thread(self.client(caller).put_object, Bucket=bucket, Key=key, Body=content)


def _failed(error: ClientError, place: Place) -> Failed:
    missing = error.response["Error"]["Code"] in {"404", "NoSuchKey", "NoSuchBucket"}
    return Failed(1404 if missing else 1401, f"Unable to open {place}: {error}")


@frozen
class Roles:
    """The emulator's IAM, asked as it asks itself, for services that it does not have."""

    record: Record

    def require(self, caller: Caller, action: str, resources: Sequence[str], **context: str) -> None:
        with acting(caller):
            who = iam_evaluator.resolve_principal(caller.signer, caller.account)
        if isinstance(who, iam_evaluator.AuthError):
            raise Refused("AccessDeniedException", who.message, 403)
        if who.policies is None:  # the first account's own key
            return
        said = {name.replace("_", ":").lower(): value for name, value in context.items()}
        for resource in resources:
            asked = iam_evaluator.EvalContext(
                principal_arn=who.arn, principal_type=who.type, principal_account=who.account, action=action,
                resource_arn=resource, region=caller.region, service_context=said, principal_keys=who.keys,
            )  # fmt: skip
            allowed = iam_evaluator.evaluate(asked, who.policies, *who.limits).decision == "Allow"
            self.record.add(who.arn, action, resource, allowed=allowed)
            if not allowed:
                message = f"User: {who.arn} is not authorized to perform: {action} on resource: {resource}"
                raise Refused("AccessDeniedException", message, 403)

    def assumed(self, caller: Caller, role: str, service: str) -> Caller:
        name = role.rpartition("/")[2]
        with acting(caller):
            found = iam._roles.get(name)
        said = json.loads(found["AssumeRolePolicyDocument"])["Statement"] if found else []
        trusts = said if isinstance(said, list) else [said]
        if not any(iam_evaluator._service_principal_matches(each["Principal"], service) for each in trusts):
            raise Refused("BadRequestException", f"{role} is no role that {service} can assume", 400)
        key = f"ASIA{hashlib.sha256(role.encode()).hexdigest()[:16].upper()}"
        sts.register_session(key, {
            "Arn": f"arn:aws:sts::{caller.account}:assumed-role/{name}/{service}", "UserId": f"{name}:{service}",
            "SecretAccessKey": f"secret-{key}", "SessionToken": f"token-{key}",
        })  # fmt: skip
        return evolve(caller, signer=key)


def _name_exports() -> None:
    """Ministack's IAM looks for tables by their names only: of exports it would say that they are of no resource."""
    named = iam_actions.dynamodb_resource_arns

    def every(body: bytes, region: str, account: str) -> list[str]:
        said = json.loads(body or b"{}")
        arn = said.get("ExportArn") or said.get("TableArn")
        return [arn] if arn else named(body, region, account)

    iam_actions.dynamodb_resource_arns = every


def _listen(record: Record) -> None:
    """Whatever the emulator asks its IAM is noted. It has actions of SQS for batches, which on AWS are those for one."""
    enforce = iam_evaluator.enforce

    def noted(key: str, action: str, service: str, region: str, resource_arn: str = "*", **more: Any) -> Any:
        if action.startswith("sqs:"):
            action = action.removesuffix("Batch")
        refused = enforce(key, action, service, region, resource_arn=resource_arn, **more)
        who = iam_evaluator.resolve_credential(key or "")
        record.add(getattr(who, "principal_arn", ""), action, resource_arn, allowed=refused is None)
        return refused

    iam_evaluator.enforce = noted


@frozen
class Fakes:
    """Stand before ministack for the services that it lacks."""

    behind: App
    services: Mapping[str, Service]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service = self.services.get(caller_of(headers_of(scope)).service) if scope["type"] == "http" else None
        if service is None:
            await self.behind(scope, receive, send)
        else:
            await reply(send, await service.answer(await read(scope, receive)))


def _share_keys() -> None:
    """All pools have the same two: RSA keys take long to make."""
    key_of = cognito._pool_signing_key
    cognito._pool_signing_key = lambda _, use: key_of("all", use)


def _count_in_numbers() -> None:
    """CloudFormation there hands parameters on as texts, and the poller of queues stops at one that is a number."""
    allowed = lambda_svc._sqs_esm_concurrency

    def in_numbers(mapping: Any, *rest: Any) -> int:
        scaling = mapping.get("ScalingConfig") or {}
        if "MaximumConcurrency" in scaling:
            scaling["MaximumConcurrency"] = int(scaling["MaximumConcurrency"])
        most: int = allowed(mapping, *rest)
        return most

    lambda_svc._sqs_esm_concurrency = in_numbers


def cloud(endpoint: str, site_port: int, ffmpeg: str) -> App:
    """All of it, one layer around the other."""
    _share_keys()
    _count_in_numbers()
    emulator = Ministack(endpoint)
    record = Record()
    _listen(record)
    _name_exports()
    access: Access = Roles(record) if ministack.AUTH else Everyone()
    buckets = Buckets(endpoint)
    media = MediaConvert(ffmpeg, buckets, emulator.emit, access)
    ivs = Ivs(ffmpeg, buckets, emulator.emit, access, endpoint)
    chat = IvsChat(access, emulator.called)
    services = {
        "mediaconvert": Service("mediaconvert", media.operations), "ivs": Service("ivs", ivs.operations),
        "ivschat": Service("ivschat", chat.operations),
    }  # fmt: skip
    behind: App = Viewers(Fakes(Exports(ministack.app, Records(), buckets.put), services), ivs)
    people = Cognito(behind, Directory(), emulator.invoke)
    gate = Gate(people, Distributions(), acting, site_port)
    return ChatEdge(Controls(gate, emulator, media, ivs, chat, people, gate, record), chat)
