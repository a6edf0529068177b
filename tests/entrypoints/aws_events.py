"""Events as AWS sends them: the samples of its documentation, about things of ours."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

ACCOUNT, REGION = "111122223333", "eu-central-1"


@frozen
class Context:
    """What Lambda tells a function of a call."""

    function_name: str = "hexcast"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:hexcast"
    aws_request_id: str = "8f5a3d1c-0000-4000-8000-000000000000"
    remaining_ms: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


def of_eventbridge(source: str, kind: str, detail: Mapping[str, Any], version: str = "0") -> dict[str, Any]:
    return {
        "version": version, "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": kind, "source": source,
        "account": ACCOUNT, "time": "2026-11-22T00:00:00Z", "region": REGION, "resources": [], "detail": detail,
    }  # fmt: skip


def created(key: str, **changes: Any) -> Mapping[str, Any]:
    """S3 has an object."""
    detail = {
        "version": "0", "bucket": {"name": "raw"},
        "object": {"key": key, "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184", "sequencer": "00617F08299329D189"},
        "request-id": "N4N7GDK58NMKJ12R", "requester": ACCOUNT, "source-ip-address": "1.2.3.4",
        "reason": "CompleteMultipartUpload",
    }  # fmt: skip
    return of_eventbridge("aws.s3", "Object Created", detail) | changes


def job(status: str, metadata: Mapping[str, str], **detail: Any) -> Mapping[str, Any]:
    """MediaConvert says how far a job is."""
    said = {
        "timestamp": 1671477681737, "accountId": ACCOUNT, "queue": f"arn:aws:mediaconvert:{REGION}:{ACCOUNT}:queues/q",
        "jobId": "1671477617078-2886ye", "status": status, "userMetadata": dict(metadata), **detail,
    }  # fmt: skip
    return of_eventbridge("aws.mediaconvert", "MediaConvert Job State Change", said)


CHANNEL_OF_IVS = f"arn:aws:ivs:{REGION}:{ACCOUNT}:channel/AbCdef1G2hij"
BROADCAST_OF_IVS = "st-1A2b3c4D5e6F78ghij9Klmn"


def ivs(kind: str, name: str, **detail: Any) -> dict[str, Any]:
    """IVS says something of a channel; one that belongs to the stream str_1 of the stack prod."""
    said = {"channel_name": "prod-str_1", "stream_id": BROADCAST_OF_IVS, **detail}
    if kind == "Recording State Change":
        said = {
            "recording_status": name, "recording_status_reason": "", "recording_s3_bucket_name": "raw",
            "recording_s3_key_prefix": f"ivs/v1/{ACCOUNT}/AbCdef1G2hij/2026/11/30/10/1/j8Z9O91ndcVs",
            "recording_duration_ms": 99370264, "recording_session_id": "a6RfV23ES97iyfoQ",
            "recording_session_stream_ids": ["st-254sopYUvi6F78ghpO9vn0A", BROADCAST_OF_IVS], **said,
        }  # fmt: skip
    else:
        said["limit_name" if kind == "Limit Breach" else "event_name"] = name
    return {**of_eventbridge("aws.ivs", f"IVS {kind}", said), "resources": [CHANNEL_OF_IVS], "time": now()}


def now() -> str:
    """For what would be no news to anyone when it is a day old."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def of_sqs(*bodies: object, tried: int = 1) -> dict[str, Any]:
    """A batch of messages, named m0, m1, ...; a body that is no text is written as JSON. They come for the ``tried``th
    time.
    """
    return {
        "Records": [
            {
                "messageId": f"m{number}", "receiptHandle": "AQEB", "attributes": {"ApproximateReceiveCount": str(tried)},
                "body": body if isinstance(body, str) else json.dumps(body), "messageAttributes": {},
                "md5OfBody": "", "eventSource": "aws:sqs", "awsRegion": REGION,
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue",
            }
            for number, body in enumerate(bodies)
        ]
    }  # fmt: skip


def change(event: str, kind: str, name: str = "INSERT", sort: str = "EVENT") -> Mapping[str, Any]:
    """A record of the stream of the table ``ops``."""
    keys = {"pk": {"S": f"EVENT#{event}"}, "sk": {"S": sort}}
    image = {"NewImage": {**keys, "kind": {"S": kind}, "attempts": {"N": "0"}, "doc": {"S": "{}"}}}
    by_expiry = {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
    return {
        "eventID": f"id-{event}", "eventName": name, "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": REGION, "eventSourceARN": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/ops/stream/x",
        "dynamodb": {
            "Keys": keys, **(image if name != "REMOVE" else {}), "SequenceNumber": f"seq-{event}", "SizeBytes": 26,
            "StreamViewType": "NEW_IMAGE",
        },
        **(by_expiry if name == "REMOVE" else {}),
    }  # fmt: skip


def of_stream(*records: Mapping[str, Any]) -> dict[str, Any]:
    return {"Records": list(records)}


def confirmation(user: str, trigger: str = "PostConfirmation_ConfirmSignUp", **attributes: str) -> dict[str, Any]:
    """Cognito confirmed someone."""
    return {
        "version": "1", "region": REGION, "userPoolId": f"{REGION}_abcdefgh", "userName": user, "triggerSource": trigger,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "7kb9"},
        "request": {"userAttributes": {"sub": user, "email_verified": "true", **attributes}}, "response": {},
    }  # fmt: skip


def request(
    method: str, path: str, body: object = None, *, query: str = "", headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A request as an HTTP API hands it on, in its format 2.0."""
    sent = {"host": "hexcast.test", "x-forwarded-proto": "https", **(headers or {})}
    if body is not None:
        sent["content-type"] = "application/json"
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": sent,
        "requestContext": {
            "accountId": ACCOUNT, "apiId": "api", "domainName": "hexcast.test", "requestId": "JKJaXmPLvHcESHA=",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "x"},
            "routeKey": "$default", "stage": "$default", "timeEpoch": 1583348638390,
        },
        **({} if body is None else {"body": json.dumps(body)}), "isBase64Encoded": False,
    }  # fmt: skip
