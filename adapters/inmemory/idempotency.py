"""What was answered to requests that may come twice."""

from collections import OrderedDict
from datetime import datetime

from attrs import frozen

from adapters.repeats import CLAIMED, KEPT, answer_lost, in_flight, reused
from application.ports import ANSWER_MOST, Answer


@frozen
class _Request:
    fingerprint: str
    at: datetime
    answer: Answer | None = None
    lost: bool = False


class InMemoryIdempotency:
    """Requests by key, the least lately touched first, so that the expired are found without a search. What a request
    brought about is gone with the process that would have answered, so no effect is noted.
    """

    def __init__(self) -> None:
        self._requests: OrderedDict[str, _Request] = OrderedDict()

    async def begin(self, key: str, fingerprint: str, now: datetime) -> Answer | None:
        self._purge(now)
        known = self._requests.get(key)
        if known is not None:
            if known.fingerprint != fingerprint:
                raise reused()
            if known.answer is not None:
                return known.answer
            if known.lost:
                raise answer_lost()
            if now < known.at + CLAIMED:
                raise in_flight()
        self._touch(key, _Request(fingerprint, now))
        return None

    async def finish(self, key: str, answer: Answer, now: datetime) -> None:
        """An answer that comes late counts, unless someone else gave one meanwhile."""
        known = self._requests.get(key)
        if known is not None and known.answer is None:
            lost = len(answer.body) > ANSWER_MOST
            self._touch(key, _Request(known.fingerprint, now, None if lost else answer, lost=lost))

    async def abandon(self, key: str) -> None:
        """An answer that was given stays."""
        known = self._requests.get(key)
        if known is not None and known.answer is None and not known.lost:
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
