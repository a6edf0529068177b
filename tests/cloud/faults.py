"""Faults at the wire, in the shapes that AWS gives them: microburst in front of the emulated cloud.

A rule says what becomes of calls: ``throttled``, ``broken``, ``busy``, ``conflicted``, ``cut`` (before they have an
effect) and ``lost`` (after it, of which the caller hears nothing). Rules hold inside ``failing``, each for ``times``
calls; a client reaches them by the address that it gives.
"""

import atexit
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from attrs import frozen

from tests.cloud.process import Process
from tests.cloud.world import endpoint

Rule = Mapping[str, Any]


@cache
def _proxy() -> Process:
    started = Process("tests.cloud.burst", "/_microburst/", {"HEXCAST_UPSTREAM": endpoint()}).start()
    atexit.register(started.stop)
    return started


@frozen
class Failing:
    url: str
    """Where clients call what is to fail."""

    def fired(self) -> Sequence[str]:
        """The operations that failed, in the order in which they did."""
        return [each["operation"] for each in _proxy().get("fired")]


@contextmanager
def failing(*rules: Rule) -> Iterator[Failing]:
    """The first rule that fits a call, and is not used up, holds."""
    proxy = _proxy()
    proxy.ask("DELETE", "fired")
    proxy.post("rules", list(rules))
    try:
        yield Failing(proxy.endpoint)
    finally:
        proxy.post("rules", [])


def _rule(service: str, operation: str, times: int, **effect: Any) -> Rule:
    return {"service": service, "operation": operation, "times": times, **effect}


def refused(service: str, operation: str, code: str, status: int = 400, times: int = 1, **fields: Any) -> Rule:
    """Any error, as the service says it; ``fields`` are what the error has besides a message."""
    return _rule(service, operation, times, error={"code": code, "status": status, "fields": fields})


def throttled(service: str, operation: str, times: int = 1) -> Rule:
    codes = {"dynamodb": "ProvisionedThroughputExceededException", "s3": "SlowDown"}
    code = codes.get(service, "TooManyRequestsException")
    return refused(service, operation, code, {"dynamodb": 400, "s3": 503}.get(service, 429), times)


def broken(service: str, operation: str, times: int = 1) -> Rule:
    codes = {"s3": "InternalError", "dynamodb": "InternalServerError", "cognito-idp": "InternalErrorException"}
    code = codes.get(service, "InternalServerErrorException")
    return refused(service, operation, code, 500, times)


def conflicted(writes: int, at: int = 0, times: int = 1) -> Rule:
    """A transaction of so many writes, whose item ``at`` someone else is at."""
    reasons = [{"Code": "TransactionConflict" if each == at else "None"} for each in range(writes)]
    message = (
        f"Transaction cancelled, please refer cancellation reasons [{', '.join(each['Code'] for each in reasons)}]"
    )
    error = {
        "code": "TransactionCanceledException", "status": 400, "message": message,
        "fields": {"CancellationReasons": reasons},
    }  # fmt: skip
    return _rule("dynamodb", "TransactWriteItems", times, error=error)


def cut(service: str, operation: str, times: int = 1) -> Rule:
    """The connection is reset before the call gets anywhere."""
    return _rule(service, operation, times, reset=True)


def lost(service: str, operation: str, times: int = 1) -> Rule:
    """The call is carried out, and its answer cut off before the first byte of its body."""
    return _rule(service, operation, times, response={"abort_bytes": 0})
