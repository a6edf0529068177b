"""Lambda's Runtime API, as far as the client needs it that Lambda's own Python runs functions with (awslambdaric): it asks
for the next call, and posts the answer. One process runs one function, one call at a time.
"""

import json
import queue
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

ANSWER_S = 30.0


@frozen
class Answer:
    """``kind`` is ``response`` or ``error``."""

    kind: str
    body: Any


@define(eq=False)
class RuntimeApi:
    """Calls that wait for the function, and answers that came."""

    _calls: queue.Queue[tuple[str, Any]] = field(factory=queue.Queue)
    _answers: queue.Queue[Answer] = field(factory=queue.Queue)

    def call(self, event: Any) -> Answer:
        """Have the function called. Raises queue.Empty when it does not answer in time."""
        self._calls.put((str(uuid.uuid4()), event))
        return self._answers.get(timeout=ANSWER_S)

    def next(self) -> tuple[str, Any]:
        return self._calls.get()

    def came(self, answer: Answer) -> None:
        self._answers.put(answer)


def _handler(api: RuntimeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # with the line above: a header and a body that wait for each other cost 40 ms a call

        def do_GET(self) -> None:
            try:
                id_, event = api.next()
            except TypeError:  # the end
                return
            self._answer(
                200,
                json.dumps(event).encode(),
                {
                    "Content-Type": "application/json",
                    "Lambda-Runtime-Aws-Request-Id": id_,
                    "Lambda-Runtime-Deadline-Ms": "4102444800000",
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:111122223333:function:x",
                    "Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
                },
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            # .../invocation/<id>/response, .../invocation/<id>/error, .../init/error
            api.came(Answer(self.path.rpartition("/")[2], json.loads(body) if body else None))
            self._answer(202, b'{"status":"OK"}', {})

        def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  (the base's name)
            """Nothing."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The function's process was killed while it waited for a call."""


@contextmanager
def environment(
    handler: str, path: list[Path], variables: Mapping[str, str], output: Path
) -> Iterator[RuntimeApi]:  # fmt: skip
    """A process that runs a function, and finds modules in ``path`` and the standard library only."""
    api = RuntimeApi()
    server = _Server(("127.0.0.1", 0), _handler(api))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    known = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}", "AWS_LAMBDA_FUNCTION_NAME": "x", "_HANDLER": handler,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_REGION": "eu-central-1",
        "LAMBDA_TASK_ROOT": str(path[0]), "PYTHONPATH": ":".join(map(str, path)), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    with output.open("wb") as printed:
        process = subprocess.Popen(
            # Without ``site`` nothing of the environment around is found.
            [sys.executable, "-S", "-m", "awslambdaric", handler],
            cwd=path[0], env={**known, **variables}, stdout=printed, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield api
        finally:
            process.kill()
            process.wait()
            server.shutdown()
            server.server_close()
