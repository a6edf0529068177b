"""Faults at the wire, in the shapes that AWS gives them: microburst in front of the emulated cloud.

A rule says what becomes of calls: ``throttled``, ``broken``, ``busy``, ``conflicted``, ``cut`` (before they have an
effect) and ``lost`` (after it, of which the caller hears nothing). Rules hold inside ``failing``, each for ``times``
calls; a client reaches them by the address that it gives, and waits for nothing before it tries again.

What becomes of one call of the SDK's is a ``Fault``. ``faults`` gives every one of them to a test, and notes which
operations have such tests.
"""

import atexit
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar
from unittest.mock import patch

import pytest
from attrs import frozen
from botocore.retries.standard import ExponentialBackoff

from adapters.aws.clients import TRIES
from tests.cloud.process import Process
from tests.cloud.world import endpoint

Test = TypeVar("Test", bound=Callable[..., Any])
Rule = Mapping[str, Any]
RETRIES = {"mode": "standard", "total_max_attempts": TRIES}
"""As clients are set (``adapters.aws.clients``)."""
LOST = "x-hexcast-lost"
"""As ``tests.cloud.burst`` has it, which is imported in its own environment only."""
_SEEN_AS = {
    ("s3", "ListParts"): "GetObject", ("s3", "CompleteMultipartUpload"): "CreateMultipartUpload",
    ("s3", "AbortMultipartUpload"): "DeleteObject", ("s3", "CopyObject"): "PutObject",
}  # fmt: skip
"""A proxy knows S3's operations by their method alone."""


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

    def let_fail(self, *rules: Rule) -> None:
        """From now on these rules hold, and no others. What failed before is forgotten if there are any."""
        if rules:
            _proxy().ask("DELETE", "fired")
        _proxy().post("rules", list(rules))


@contextmanager
def failing(*rules: Rule) -> Iterator[Failing]:
    """The first rule that fits a call, and is not used up, holds."""
    here = Failing(_proxy().endpoint)
    here.let_fail(*rules)
    try:
        with patch.object(ExponentialBackoff, "delay_amount", lambda *_: 0):
            yield here
    finally:
        here.let_fail()


def _rule(service: str, operation: str, times: int, **effect: Any) -> Rule:
    seen = _SEEN_AS.get((service, operation), operation)
    return {"service": service, "operation": seen, "times": times, **effect}


def refused(service: str, operation: str, code: str, status: int = 400, times: int = 1, **fields: Any) -> Rule:
    """Any error, as the service says it; ``fields`` are what the error has besides a message."""
    return _rule(service, operation, times, error={"code": code, "status": status, "fields": fields})


def throttled(service: str, operation: str, times: int = 1) -> Rule:
    known = {
        "dynamodb": ("ProvisionedThroughputExceededException", 400), "s3": ("SlowDown", 503),
        "sqs": ("RequestThrottled", 403), "ivs": ("ThrottlingException", 429), "ivschat": ("ThrottlingException", 429),
    }  # fmt: skip
    code, status = known.get(service, ("TooManyRequestsException", 429))
    return refused(service, operation, code, status, times)


def broken(service: str, operation: str, times: int = 1) -> Rule:
    known = {"s3": "InternalError", "dynamodb": "InternalServerError", "cognito-idp": "InternalErrorException"}
    code = known.get(service, "InternalServerErrorException")
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
    """The call is carried out, and the connection reset before the first byte of its answer (``tests.cloud.burst``)."""
    return _rule(service, operation, times, response={"set_headers": {LOST: "yes"}})


# --- what every call must withstand --------------------------------------------------------------


@frozen
class Fault:
    """What becomes of a call: of every try of the SDK's, which gives up then, or only of the first (``times`` 1)."""

    make: Callable[[str, str, int], Rule]
    times: int = TRIES

    def rule(self, service: str, operation: str) -> Rule:
        return self.make(service, operation, self.times)

    def seen(self, service: str, operation: str) -> Sequence[str]:
        """What ``Failing.fired`` says when it has befallen one call."""
        return [_SEEN_AS.get((service, operation), operation)] * self.times


FAULTS: Mapping[str, Fault] = {
    "throttled": Fault(throttled), "broken": Fault(broken), "cut": Fault(cut), "lost": Fault(lost),
    "sent again": Fault(lost, 1),
}  # fmt: skip
TESTED: set[tuple[str, str]] = set()
"""Services and operations that some test lets fail in all these ways."""


def faults(service: str, *operations: str) -> Callable[[Test], Test]:
    """Gives a test each ``operation`` with each ``fault``."""
    TESTED.update((service, operation) for operation in operations)

    def marked(test: Test) -> Test:
        each = pytest.mark.parametrize("operation", operations)(test)
        marked: Test = pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))(each)
        return marked

    return marked
