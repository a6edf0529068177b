"""Names of events that wait in a queue of SQS for workers of their own, and when a message of any queue comes again."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from adapters.aws.errors import QUEUE, asking
from domain.ids import EventId

AT_ONCE = 10
"""Messages that SendMessageBatch takes (botocore's service model)."""


class Client(Protocol):
    """What is used of aiobotocore's client."""

    async def send_message_batch(self, **given: Any) -> Any: ...


class Named(msgspec.Struct):
    """What a message says: which event to deal with. All else is in the outbox."""

    event: str


class SqsQueue:
    """A message for each event. One that is sent twice does no harm: whoever claims the event first deals with it."""

    def __init__(self, client: Client, url: str) -> None:
        self._client = client
        self._url = url

    async def send(self, events: Sequence[EventId]) -> None:
        """Raises Unavailable (``queue_busy``); some may be sent then."""
        for at in range(0, len(events), AT_ONCE):
            entries = [
                {"Id": str(place), "MessageBody": msgspec.json.encode(Named(event)).decode()}
                for place, event in enumerate(events[at : at + AT_ONCE])
            ]
            with asking(QUEUE):
                answer = await self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            if answer.get("Failed"):
                raise QUEUE.busy()


class SqsRetries:
    """When a message that was given out, and not dealt with, comes again: else its queue says so (360 s). ``url`` is where
    SQS is.
    """

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    async def __call__(self, queue: str, receipt: str, after_s: int) -> None:
        """Of a queue with this ARN. Raises Unavailable (``queue_busy``), and ClientError for one that is gone."""
        account, name = queue.split(":")[-2:]
        with asking(QUEUE):
            await self._client.change_message_visibility(
                QueueUrl=f"{self._url}/{account}/{name}", ReceiptHandle=receipt, VisibilityTimeout=after_s
            )


def named(body: str) -> EventId:
    """The event that a message names. Raises ValueError."""
    return EventId(msgspec.json.decode(body, type=Named).event)
