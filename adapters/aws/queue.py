"""Names of events that wait in a queue of SQS for workers of their own."""

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


def named(body: str) -> EventId:
    """The event that a message names. Raises ValueError."""
    return EventId(msgspec.json.decode(body, type=Named).event)
