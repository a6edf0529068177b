"""What a handler says of its work: one JSON line or more in the log, counters as CloudWatch's embedded metrics, a trace."""

import logging
import sys
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

# All three take the name of the stack from the environment (POWERTOOLS_SERVICE_NAME).
log = Logger(use_rfc3339=True, stream=sys.stdout)
logging.getLogger(log.name).propagate = False  # or whatever else has a handler would write each line again
tracer = Tracer(auto_patch=False)  # patched clients would cost each call more than they tell
_metrics = Metrics(namespace="Hexcast")
_counts: Counter[str] = Counter()

Handler = Callable[[dict[str, Any], Any], Any]


def count(name: str, many: int = 1) -> None:
    """So many more of these, in the metrics of the call that is under way."""
    _counts[name] += many


def told(function: Handler) -> Handler:
    """A handler with its log line, its metrics and its trace, also when it raises."""

    @wraps(function)
    def handler(event: dict[str, Any], context: Any) -> Any:
        log.append_keys(request_id=context.aws_request_id, function=function.__name__)
        try:
            return function(event, context)
        except Exception:
            count("HandlerFailures")
            raise
        finally:
            counted = dict(_counts)
            _counts.clear()
            # Always one line: the log shows that a call came, and an emulator waits a while for the first.
            log.info("handled", extra=counted)
            for name, many in counted.items():
                _metrics.add_metric(name, MetricUnit.Count, many)
            if counted:
                _metrics.flush_metrics()

    traced: Handler = tracer.capture_lambda_handler(handler, capture_response=False)
    return traced
