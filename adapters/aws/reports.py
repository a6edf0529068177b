"""What transcoders said, on its way through SQS: events of MediaConvert, and reports of our own, in one queue.

On Lambda the queue's messages are handed to a function, which asks ``Messages`` what they mean. A process of another
kind takes them itself (``SqsReports``).
"""

import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from adapters.aws.errors import QUEUE, asking, code_of
from adapters.rows import text_of, value_of
from domain.errors import Invalid
from domain.processing import Report

_log = logging.getLogger(__name__)

KIND = "hexcast.report"
"""The ``detail-type`` of a message that is a report."""
_WAIT_S = 20
"""The longest that SQS lets a receiver wait."""
_AT_ONCE = 10
_GONE = frozenset({"ReceiptHandleIsInvalid", "InvalidParameterValue"})
"""What is answered for a message that has been removed already."""

Heard = Callable[[Mapping[str, Any]], Awaitable[Report | None]]
"""What an event of MediaConvert means."""


class Messages:
    """Writes and reads the messages."""

    def __init__(self, client: Any, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    async def tell(self, report: Report) -> None:
        body = json.dumps({"detail-type": KIND, "detail": text_of(report)})
        with asking(QUEUE):
            await self._client.send_message(QueueUrl=self._queue_url, MessageBody=body)


async def meaning(body: str, heard: Heard) -> Report | None:
    """What a message of the queue says; None if that is nothing to us. Raises Invalid for one that cannot be read."""
    try:
        event = json.loads(body)
        kind = event["detail-type"]
        if kind == KIND:
            return value_of(event["detail"], Report)
    except (ValueError, KeyError, TypeError):
        raise Invalid("this is no message of a transcoder", code="unreadable_event") from None
    return await heard(event)


class SqsReports:
    """A Reports on a queue whose messages come again after a minute. SQS may give a message twice, and in any order.

    What cannot be read is left, and goes to the queue's dead letters; what means nothing to us is removed.
    """

    def __init__(self, client: Any, queue_url: str, heard: Heard) -> None:
        self._client = client
        self._queue_url = queue_url
        self._heard = heard
        self._fetched: deque[Report] = deque()
        self._receipts: dict[Report, list[str]] = {}
        """How the messages that said the same can be removed."""

    async def next(self) -> Report:
        while not self._fetched:
            await self._fetch()
        return self._fetched.popleft()

    async def settle(self, report: Report) -> None:
        """They are known until they are removed, so that a second try removes them."""
        for receipt in self._receipts.get(report, ()):
            await self._remove(receipt)
        self._receipts.pop(report, None)

    async def _fetch(self) -> None:
        with asking(QUEUE):
            said = await self._client.receive_message(
                QueueUrl=self._queue_url, MaxNumberOfMessages=_AT_ONCE, WaitTimeSeconds=_WAIT_S
            )
        for message in said.get("Messages", []):
            try:
                report = await meaning(message["Body"], self._heard)
            except Invalid as error:
                _log.warning("message %s is left to the dead letters: %s", message["MessageId"], error)
                continue
            if report is None:
                await self._remove(message["ReceiptHandle"])
                continue
            self._receipts.setdefault(report, []).append(message["ReceiptHandle"])
            if report not in self._fetched:
                self._fetched.append(report)

    async def _remove(self, receipt: str) -> None:
        try:
            with asking(QUEUE):
                await self._client.delete_message(QueueUrl=self._queue_url, ReceiptHandle=receipt)
        except ClientError as error:
            if code_of(error) not in _GONE:
                raise
