"""The HTTP API behind API Gateway: the very app that the server serves."""

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from mangum import Mangum

from entrypoints.http.app import create_app

from .runtime import begin, core

TEXT = [
    "text/", "application/json", "application/problem+json", "application/atom+xml", "application/xml",
    "application/javascript", "application/vnd.oai.openapi", "image/svg+xml",
]  # fmt: skip
"""What is answered as text; API Gateway decodes all else from base64."""


@cache
def _gateway() -> Mangum:
    opened = core()
    # An answer is handed over whole, so a stream of events must end: it gives what was missed, and clients ask again.
    opened.adapters.live().close()
    return Mangum(cast(Any, create_app(opened)), lifespan="off", text_mime_types=TEXT)


def handler(event: dict[str, Any], context: Any) -> Mapping[str, Any]:
    """An HTTP request in API Gateway's format 2.0. Whatever goes wrong is an answer."""
    return _gateway()(event, context)


begin(_gateway)
