"""A server in the environment of the emulated cloud: a process of its own that ends with us, however we end."""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any, Self

import httpx
from attrs import define, field

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-cloud" / "bin" / "python"
PATIENCE_S = 60.0


@define
class Process:
    """``python -m`` a module that begins with ``child.serving``. It is told by its environment, and by its ``controls``."""

    module: str
    controls: str
    settings: dict[str, str] = field(factory=dict)
    endpoint: str = field(default="", init=False)
    site: str = field(default="", init=False)
    _log: IO[str] | None = field(default=None, init=False)
    _process: "subprocess.Popen[str] | None" = field(default=None, init=False)
    _http: httpx.Client | None = field(default=None, init=False)

    def start(self) -> Self:
        """Returns once it answers."""
        if not PYTHON.exists():
            raise FileNotFoundError(f"{PYTHON} is not there: run make setup")
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115  (open as long as the process is)
        inherited = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
        self._process = subprocess.Popen(
            [str(PYTHON), "-m", self.module], cwd=ROOT, env=inherited | self.settings, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said:
            complaints = self.log()[-5000:]
            self.stop()
            raise RuntimeError(f"{self.module} did not start:\n{complaints}")
        self.endpoint, self.site = (json.loads(said)[name] for name in ("endpoint", "site"))
        self._http = httpx.Client(base_url=f"{self.endpoint}{self.controls}", timeout=PATIENCE_S)
        self.get("health")
        return self

    def stop(self) -> None:
        if self._http is not None:
            self._http.close()
        if self._process is not None:
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                pipe.close()
            self._process.wait(timeout=30)
            self._process = None
        if self._log is not None:
            self._log.close()

    def log(self) -> str:
        """What it complained of."""
        assert self._log is not None
        self._log.seek(0)
        return self._log.read()

    def get(self, path: str, *, patience_s: float = PATIENCE_S, **query: str) -> Any:
        return self.ask("GET", path, params=query, timeout=patience_s)

    def post(self, path: str, body: Any = None) -> Any:
        return self.ask("POST", path, json=body)

    def ask(self, method: str, path: str, **given: Any) -> Any:
        assert self._http is not None
        return self._http.request(method, path, **given).raise_for_status().json()
