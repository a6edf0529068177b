"""Where a process's log goes: one line an entry on standard output, for people or as JSON."""

import logging
import sys
from typing import Any

import msgspec
import structlog


def configure(style: str) -> None:
    """``console`` or ``json``; libraries' own warnings go to standard error."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if style == "json":
        render: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_encoded)]
        factory: Any = structlog.BytesLoggerFactory()
    else:
        plain = structlog.dev.plain_traceback
        render = [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=plain, pad_event_to=0)]
        factory = structlog.WriteLoggerFactory()
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )


def _encoded(entry: Any, **_: Any) -> bytes:
    return msgspec.json.encode(entry, enc_hook=repr)
