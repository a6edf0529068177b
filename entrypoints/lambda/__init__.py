"""What AWS calls.

Nothing dies while an environment of Lambda's starts, so to look for garbage would be for nothing, and takes a tenth of
the start: it begins when all is open (``runtime.begin``).
"""

import gc
import os


def on_lambda() -> bool:
    return "AWS_LAMBDA_RUNTIME_API" in os.environ


if on_lambda():
    gc.disable()
