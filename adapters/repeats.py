"""What every Idempotency says of a request that came before."""

from datetime import timedelta

from domain.errors import Conflict, Invalid

KEPT = timedelta(hours=24)
CLAIMED = timedelta(minutes=1)
"""Longer than an answer may take (API Gateway waits for 30 seconds), so whoever is silent then is dead."""


def reused() -> Invalid:
    return Invalid("this Idempotency-Key came with another request", code="idempotency_key_reused")


def in_flight() -> Conflict:
    return Conflict("the first request with this key is not answered yet", code="idempotency_in_flight")


def answer_lost() -> Conflict:
    message = (
        "this request was carried out, but its answer was lost; look at what is there, and do not send it again with"
        " another key unless it is not there"
    )
    return Conflict(message, code="idempotency_answer_lost")
