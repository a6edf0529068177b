"""What AWS answers when it does not do what it was asked, in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004  (the SDK's own)
from botocore.parsers import ResponseParserError

from domain.errors import Unavailable

_BUSY = frozenset(
    {
        "InternalError", "InternalServerErrorException", "OperationAborted", "RequestTimeout", "ServiceQuotaExceededException",
        "ServiceUnavailable", "SlowDown", "Throttling", "ThrottlingException", "TooManyInvalidationsInProgress",
        "TooManyRequestsException", "500", "502", "503", "504",
    }
)  # fmt: skip
_CUT_OFF = (HTTPClientError, ConnectionError, ResponseParserError)
"""No answer, or none that is whole."""


def code_of(error: ClientError) -> str:
    """S3 answers a HEAD without a body: then the code is the status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def missing(error: ClientError) -> bool:
    """Whether it says that the object, upload or job is not there."""
    return code_of(error) in {"404", "NoSuchKey", "NoSuchUpload", "NotFound", "NotFoundException"}


@contextmanager
def asking(service: str) -> Iterator[None]:
    """Around a call, after whose retries by the SDK the caller may still try again: raises Unavailable.

    What the service refuses for another reason is for the caller to understand, or a fault of ours: ClientError.
    """
    try:
        yield
    except ClientError as error:
        if code_of(error) not in _BUSY:
            raise
        raise Unavailable(f"{service} is busy", code="busy") from error
    except _CUT_OFF as error:
        raise Unavailable(f"{service} does not answer", code="no_answer") from error
