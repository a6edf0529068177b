"""What transcoders said, on its way through SQS: events of MediaConvert, and reports of our own, in one queue.

On Lambda the queue's messages are handed to a function, which asks ``meaning`` what they mean.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from adapters.aws.errors import QUEUE, asking
from adapters.rows import text_of, value_of
from domain.errors import Invalid
from domain.processing import Report

KIND = "hexcast.report"
"""The ``detail-type`` of a message that is a report."""

Heard = Callable[[Mapping[str, Any]], Awaitable[Report | None]]
"""What an event of MediaConvert means."""


async def tell(client: Any, queue_url: str, report: Report) -> None:
    """Raises Unavailable (``queue_busy``)."""
    body = json.dumps({"detail-type": KIND, "detail": text_of(report)})
    with asking(QUEUE):
        await client.send_message(QueueUrl=queue_url, MessageBody=body)


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
