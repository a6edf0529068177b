"""What was answered to requests that may come twice."""

from collections import OrderedDict
from datetime import datetime, timedelta

from attrs import frozen

from application.ports import Answer
from domain.errors import Conflict, Invalid

KEPT = timedelta(hours=24)
CLAIMED = timedelta(minutes=1)


@frozen
class _Request:
    fingerprint: str
    at: datetime
    answer: Answer | None = None


class InMemoryIdempotency:
    """Requests by key, the least lately touched first, so that the expired are found without a search."""

    def __init__(self) -> None:
        self._requests: OrderedDict[str, _Request] = OrderedDict()

    async def begin(self, key: str, fingerprint: str, now: datetime) -> Answer | None:
        self._purge(now)
        known = self._requests.get(key)
        if known is not None:
            if known.fingerprint != fingerprint:
                raise Invalid("this Idempotency-Key came with another request", code="idempotency_key_reused")
            if known.answer is not None:
                return known.answer
            if now < known.at + CLAIMED:
                raise Conflict("the first request with this key is not answered yet", code="idempotency_in_flight")
        self._touch(key, _Request(fingerprint, now))
        return None

    async def finish(self, key: str, answer: Answer, now: datetime) -> None:
        """An answer that comes late counts, unless someone else gave one meanwhile."""
        known = self._requests.get(key)
        if known is not None and known.answer is None:
            self._touch(key, _Request(known.fingerprint, now, answer))

    async def abandon(self, key: str) -> None:
        """An answer that was given stays."""
        known = self._requests.get(key)
        if known is not None and known.answer is None:
            del self._requests[key]

    def _touch(self, key: str, request: _Request) -> None:
        self._requests[key] = request
        self._requests.move_to_end(key)

    def _purge(self, now: datetime) -> None:
        while self._requests:
            key, oldest = next(iter(self._requests.items()))
            if now < oldest.at + KEPT:
                return
            del self._requests[key]
