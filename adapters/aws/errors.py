"""What AWS answers when it does not do what it was asked, in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from attrs import frozen
from botocore.exceptions import (
    ChecksumError,
    ClientError,
    ConnectionError,  # noqa: A004  (the SDK's own)
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.parsers import ResponseParserError

from domain.errors import Unavailable

_BUSY = frozenset(
    {
        "CodeDeliveryFailureException", "InternalError", "InternalErrorException", "InternalFailure", "InternalServerError",
        "InternalServerErrorException", "InternalServerException", "LimitExceededException", "OperationAborted",
        "PendingVerification", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled",
        "RequestTimeout", "ServiceQuotaExceededException", "ServiceUnavailable", "SlowDown", "StreamUnavailable",
        "Throttling", "ThrottlingException",
        "TooManyInvalidationsInProgress", "TooManyRequestsException", "TransactionInProgressException",
        "500", "502", "503", "504",
    }
)  # fmt: skip
_CUT_OFF = (
    HTTPClientError, ConnectionError, ResponseParserError, ChecksumError, FlexibleChecksumError, IncompleteReadError,
    aiohttp.ClientError,
)  # fmt: skip
"""No answer, or none that is whole: a body that is read bit by bit breaks off in aiohttp's words."""


def code_of(error: ClientError) -> str:
    """S3 answers a HEAD without a body: then the code is the status. SQS puts its own name before a code."""
    return str(error.response.get("Error", {}).get("Code", "")).rpartition(".")[2]


def missing(error: ClientError) -> bool:
    """Whether it says that the object, upload, job or channel is not there."""
    return code_of(error) in {
        "404", "NoSuchKey", "NoSuchUpload", "NotFound", "NotFoundException", "ResourceNotFoundException"
    }  # fmt: skip


@frozen
class Service:
    """One of AWS's, as our clients hear of it: ``code`` says that it is for later."""

    name: str
    code: str

    def busy(self) -> Unavailable:
        return Unavailable(f"{self.name} cannot be reached now; try again", code=self.code)


DATABASE = Service("the database", "database_busy")
ACCOUNTS = Service("accounts", "identity_busy")
FILES = Service("the store of files", "store_busy")
TRANSCODER = Service("the transcoder", "transcoder_busy")
BROADCASTS = Service("the ingest of livestreams", "ingest_busy")
CHATS = Service("the chat", "chat_busy")
QUEUE = Service("a queue", "queue_busy")
CACHES = Service("the caches", "cache_busy")


@contextmanager
def asking(service: Service) -> Iterator[None]:
    """Around a call, after whose retries by the SDK the caller may still try again: raises Unavailable.

    What the service refuses for another reason is for the caller to understand, or a fault of ours: ClientError.
    """
    try:
        yield
    except ClientError as error:
        if code_of(error) not in _BUSY:
            raise
        raise service.busy() from error
    except _CUT_OFF as error:
        raise service.busy() from error
