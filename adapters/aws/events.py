"""What AWS tells us of: events as EventBridge, a table's stream and Cognito write them, read as what they mean to us.

Each reader answers None for an event that is not for us or of a kind that this version does not know, and raises
ValueError for one that is not as its kind should be.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

import msgspec
from attrs import frozen

from adapters.aws.cognito import HANDLE
from adapters.aws.outbox import PREFIX, SORT
from domain.ids import EventId, UploadId, UserId

VERSIONS = frozenset({"0"})
"""Of EventBridge's envelope, and of the details that S3 puts in it."""
CREATED = ("aws.s3", "Object Created")
_SOURCE = re.compile(r"raw/(upl_[0-9A-Z]+)/source")


class Told(msgspec.Struct):
    """An event as EventBridge hands it on."""

    source: str
    kind: str = msgspec.field(name="detail-type")
    version: str
    detail: dict[str, Any]
    id: str = ""
    region: str = ""
    time: datetime | None = None
    resources: Sequence[str] = ()


def told(body: str) -> Told:
    """What a message of a queue behind EventBridge says. Raises ValueError."""
    return msgspec.json.decode(body, type=Told)


class _Object(msgspec.Struct):
    key: str


class _Created(msgspec.Struct):
    object: _Object
    version: str = "0"


def uploaded(event: Told) -> UploadId | None:
    """The upload whose whole file S3 has now. Which bucket is listened to is the rule's business."""
    if (event.source, event.kind) != CREATED or event.version not in VERSIONS:
        return None
    created = msgspec.convert(event.detail, _Created)
    # Notifications that S3 sends by itself have the key quoted; whether these have is not written anywhere. None of our
    # keys has a character that would make a difference.
    found = _SOURCE.fullmatch(unquote_plus(created.object.key))
    return UploadId(found[1]) if found and created.version in VERSIONS else None


@frozen
class Stored:
    """An event that came into the outbox, and the kind that it is stored under."""

    event: EventId
    kind: str


def stored(record: Mapping[str, Any]) -> Stored | None:
    """What a record of the stream of the table ``ops`` says. Claims, ends and expiries are not for us."""
    try:
        keys = record["dynamodb"]["Keys"]
        if record["eventName"] != "INSERT" or keys["sk"]["S"] != SORT or not keys["pk"]["S"].startswith(PREFIX):
            return None
        return Stored(EventId(keys["pk"]["S"].removeprefix(PREFIX)), record["dynamodb"]["NewImage"]["kind"]["S"])
    except (KeyError, TypeError) as error:
        message = f"not a record of a stream: {error!r}"
        raise ValueError(message) from error


@frozen
class Confirmed:
    """Someone whose address Cognito confirmed. ``handle`` is what they asked for, "" if they were not asked."""

    user: UserId
    email: str
    handle: str


def confirmed(event: Mapping[str, Any]) -> Confirmed | None:
    """What Cognito says after a confirmation; a new password is one, too, but makes nobody new."""
    if event.get("triggerSource") != "PostConfirmation_ConfirmSignUp":
        return None
    try:
        attributes = event["request"]["userAttributes"]
        return Confirmed(UserId(attributes["sub"]), attributes["email"], attributes.get(HANDLE, ""))
    except (KeyError, TypeError) as error:
        message = f"not an event of Cognito's: {error!r}"
        raise ValueError(message) from error
