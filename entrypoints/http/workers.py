"""Several processes that serve one port of one machine: started, watched, started again when one ends, and ended together.

Each runs the command line that this process was started with, and is told by ``HEXCAST_WORKER`` which one it is. The
kernel shares connections out among them. Whoever is left behind by a supervisor that was killed ends too: its standard
input is at its end then. As long as one of them lives, so does the lock on the data folder, which all of them hold.
"""

import asyncio
import os
import signal
import stat
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress

import structlog
from attrs import define, field

from adapters.system import ticks
from entrypoints.settings import Place, Settings

GRACE_S = 15.0
"""How long processes may take to end; longer than each takes at the most."""
REST_S = (0.1, 0.5, 2.0, 10.0)
"""How long before one that ended is started again: after it ran well, after it ended soon, and so on."""
STEADY_S = 60.0
"""What lasted so long ran well."""

_log = structlog.get_logger("hexcast")


def handed(place: Place) -> bool:
    """Whether whoever started this process opened a pipe for it. To be asked before it opens anything itself."""
    try:
        return place.ready > sys.stderr.fileno() and stat.S_ISFIFO(os.fstat(place.ready).st_mode)
    except OSError:
        return False


def serving(place: Place) -> None:
    """Tell whoever started this process. If that one is no more already, ``when_left`` is about to say so."""
    with suppress(BrokenPipeError):
        os.write(place.ready, b".")
    os.close(place.ready)


def when_left(end: Callable[[], None]) -> None:
    """Call ``end`` once whoever started this process is no more."""
    loop, given = asyncio.get_running_loop(), sys.stdin.fileno()

    def look() -> None:
        if not os.read(given, 1024):
            loop.remove_reader(given)
            end()

    loop.add_reader(given, look)


@define(eq=False)
class _Supervisor:
    """``lock`` is handed to all of them (None: there is none)."""

    settings: Settings
    lock: int | None
    processes: dict[int, Process] = field(factory=dict)
    stopping: asyncio.Event = field(factory=asyncio.Event)

    async def run(self) -> int:
        """The exit status: that of the first that could not start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stopping.set)
        numbers = range(self.settings.workers)
        try:
            if not all(await asyncio.gather(*map(self._started, numbers))):
                self.stopping.set()
                await self._end()
                return max(process.returncode or 0 for process in self.processes.values()) or 1
            _log.info("serving", **self.settings.served, workers=len(numbers))
            keeping = [asyncio.create_task(self._keep(number)) for number in numbers]
            await self.stopping.wait()
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)
        finally:
            await self._end()
        _log.info("stopped")
        return 0

    async def _started(self, number: int) -> bool:
        """Whether it came to serve."""
        told, tell = os.pipe()
        try:
            env = {
                **os.environ, "HEXCAST_WORKER": str(Place(number, tell)), "HEXCAST_PORT": str(self.settings.port),
                "HEXCAST_PUBLIC_URL": self.settings.public_url,
                "HEXCAST_RTMP_PORT": "off" if self.settings.rtmp_port is None else str(self.settings.rtmp_port),
            }  # fmt: skip
            handed = (tell,) if self.lock is None else (tell, self.lock)
            self.processes[number] = await asyncio.create_subprocess_exec(
                sys.executable, *sys.orig_argv[1:], stdin=PIPE, env=env, pass_fds=handed
            )
        finally:
            os.close(tell)
        # In no thread: closing a file waits for whoever reads it, and the one who is told to stop has no time for that.
        reader = asyncio.StreamReader()
        listening, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(told, "rb")
        )
        try:
            return bool(await reader.read(1))
        finally:
            listening.close()

    async def _keep(self, number: int) -> None:
        """Start it again whenever it ends."""
        failed, begun = 0, ticks()
        while True:
            status = await self.processes[number].wait()
            if self.stopping.is_set():
                return
            _log.error("a process ended and is started again", worker=number, status=status)
            failed = failed + 1 if ticks() - begun < STEADY_S else 0
            await asyncio.sleep(REST_S[min(failed, len(REST_S) - 1)])
            begun = ticks()
            await self._started(number)

    async def _end(self) -> None:
        running = [process for process in self.processes.values() if process.returncode is None]
        for process in running:
            process.terminate()
        waiting = [asyncio.create_task(process.wait()) for process in running]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=GRACE_S)
            for process in running if late else ():
                if process.returncode is None:
                    process.kill()
            await asyncio.gather(*waiting)


def supervise(settings: Settings, lock: int | None) -> int:
    """Serve with ``settings.workers`` processes until told to stop; the exit status."""
    return asyncio.run(_Supervisor(settings, lock).run())
