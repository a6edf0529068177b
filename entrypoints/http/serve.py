"""``python -m entrypoints.http.serve``: serve the API on one machine, and do what goes on in the background.

Granian runs inside this process, around the open core, so that the core's end, the exit status and the signals are in
one place. Its own worker process starts as fast and serves as fast; the difference drowned in the noise.
"""

import asyncio
import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NoReturn

from attrs import evolve

from domain.errors import DomainError, Invalid
from entrypoints.metrics import Metrics
from entrypoints.settings import Settings

STOP_S = 10
"""How long requests under way may take after the signal to stop; event streams are cut off then."""
BACKLOG = 1024
SWITCH_S = 0.002
LISTENING_S = 0.001
ANSWERED_S = 0.01
INTERRUPTED = 130
"""As shells say it: 128 and the signal's number."""


Beside = Callable[[Any], Awaitable[None]]


def main(beside: Beside | None = None, *, first: Beside | None = None, last: Beside | None = None) -> int:
    """The exit status: 2 for wrong settings, 1 for what the machine denies. ``beside`` is done while it serves;
    ``first`` before it does and ``last`` when it has stopped, by a server of one process.
    """
    try:
        return _main(beside, first, last)
    except KeyboardInterrupt:  # before it came to serve; from then on it is asked to stop by other means
        return INTERRUPTED


def _main(beside: Beside | None, first: Beside | None, last: Beside | None) -> int:
    # Nothing dies during the start, so looking for garbage would be for nothing.
    gc.disable()
    try:
        settings = Settings.read(os.environ)
    except Invalid as error:
        return _complain(error, 2)
    if settings.worker is None:  # whoever started one of several has asked, and the others have the port
        try:
            settings = _settled(settings)
        except OSError as error:
            where = error.filename or f"{settings.host}:{settings.port}"
            return _complain(f"cannot listen on {where}: {error.strerror or error}", 1)

    with _absent("rich", "werkzeug", "flask", "fastapi", "starlette", "aiohttp"):
        import structlog  # noqa: F401, PLC0415  (the same)

    import uvloop  # noqa: PLC0415  (after the settings are known to be good)

    from entrypoints.container import held  # noqa: PLC0415  (the same)
    from entrypoints.http.workers import handed, supervise  # noqa: PLC0415  (the same)
    from entrypoints.log import configure  # noqa: PLC0415  (the same)

    configure(settings.log_format)
    try:
        if settings.worker is not None:
            if not handed(settings.worker):  # it would serve a folder that nobody holds
                return _complain("HEXCAST_WORKER is for the processes that the server starts by itself", 2)
            uvloop.run(_serve(settings, beside=beside if settings.worker.number == 0 else None))
        else:
            with held(settings) as lock:
                if settings.workers > 1:
                    return supervise(settings, lock)
                uvloop.run(_serve(settings, first, beside, last))
    except (OSError, DomainError) as error:
        return _complain(error, 2 if isinstance(error, Invalid) else 1)
    return 0


@contextmanager
def _absent(*packages: str) -> Iterator[None]:
    """Import as if these were not installed. Some libraries load all they could work with, just in case, and with a
    development environment around them that takes longer than their own code.
    """
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is Python's mark for what must not load
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _warm() -> None:
    """Load what the start did not wait for, before someone else has to."""
    for name in ("joserfc.jwt", "argon2", "entrypoints.http.auth", "prometheus_client", "PIL.Image"):
        import_module(name)


def _complain(what: object, status: int) -> int:
    sys.stderr.write(f"hexcast: {what}\n")
    return status


def _settled(settings: Settings) -> Settings:
    """With ports that are free. Raises OSError. Granian shares a port that is taken, so it is asked for here first."""
    port = _free(settings.host, settings.port, "HEXCAST_PORT")
    if settings.rtmp_url is not None and settings.rtmp_port is not None:
        settings = evolve(settings, rtmp_port=_free(settings.host, settings.rtmp_port, "HEXCAST_RTMP_PORT"))
    public_url = settings.public_url.removesuffix(":0") + f":{port}" if settings.public_url.endswith(":0") else ""
    return evolve(settings, port=port, public_url=public_url or settings.public_url)


def _free(host: str, port: int, variable: str) -> int:
    """The port, any free one for 0. Raises OSError, which says where, and what names another port."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(address)
        except OSError as error:
            remedy = f"; {variable} names another port" if error.errno in {errno.EADDRINUSE, errno.EACCES} else ""
            raise OSError(error.errno, f"{error.strerror}{remedy}", f"{host}:{port}") from error
        return int(trial.getsockname()[1])


async def _serve(
    settings: Settings, first: Beside | None = None, beside: Beside | None = None, last: Beside | None = None
) -> None:
    import structlog  # noqa: PLC0415  (after the settings are known to be good)
    from granian.constants import Interfaces  # noqa: PLC0415  (the same)
    from granian.server.embed import Server  # noqa: PLC0415  (the same)

    from entrypoints.container import open_app  # noqa: PLC0415  (the same)
    from entrypoints.http.app import Running, create_app  # noqa: PLC0415  (the same)
    from entrypoints.http.workers import serving, when_left  # noqa: PLC0415  (the same)
    from entrypoints.worker import Worker  # noqa: PLC0415  (the same)

    log, place = structlog.get_logger("hexcast"), settings.worker
    async with open_app(settings) as core:
        if first is not None:
            await first(core)
        metrics = Metrics(worker=place.number if place else None)
        worker = Worker(core, metrics, sweeps=place is None or place.number == 0)
        running = Running(metrics=metrics, alive=worker.alive, nudge=worker.nudge)
        app = create_app(core, running)
        server = Server(
            app,
            address=settings.host,
            port=settings.port,
            interface=Interfaces.ASGINL,
            backlog=BACKLOG,
            websockets=core.adapters.chat_door() is not None,
            log_enabled=False,
        )
        working = asyncio.create_task(worker.run())
        served = asyncio.create_task(server.serve())
        tasks: list[asyncio.Task[Any]] = [working, served]
        try:
            loop, stop = asyncio.get_running_loop(), asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stop.set)
            _tune()
            await _listening(settings, served)
            if place is not None:
                when_left(stop.set)
                serving(place)
            _announce(settings, log)
            if beside:
                tasks.append(asyncio.create_task(_help(beside, core, log)))
            stopped = asyncio.create_task(stop.wait())
            tasks.append(stopped)
            warming = loop.run_in_executor(None, _warm)
            await asyncio.wait([stopped, served, working], return_when=asyncio.FIRST_COMPLETED)
            core.adapters.live().close()  # streams would hold the server up as long as it waits
            if (door := core.adapters.chat_door()) is not None:
                door.shut()
            server.stop()  # type: ignore[no-untyped-call]  # Granian leaves it untyped
            await warming
            if not await _answered(served, metrics):
                _cut_off(log)
            served.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if last is not None:
            await last(core)
        if place is None:
            log.info("stopped")


async def _answered(served: asyncio.Task[None], metrics: Metrics) -> bool:
    """Whether all requests are, within the time they have. Granian may be done before they are."""
    try:
        async with asyncio.timeout(STOP_S):
            await asyncio.wait([served])
            while metrics.under_way:  # noqa: ASYNC110  (an event would cost every request something)
                await asyncio.sleep(ANSWERED_S)
    except TimeoutError:
        return False
    return True


def _cut_off(log: Any) -> NoReturn:
    """A core that is closed under requests would answer them with errors. What was acknowledged is kept, as it is when
    a process is killed.
    """
    log.warning("requests were cut off", after_s=STOP_S)
    sys.stdout.flush()
    os._exit(0)


def _announce(settings: Settings, log: Any) -> None:
    place = settings.worker
    if place is None:
        log.info("serving", **settings.served)
    if settings.tools_exposed and (place is None or place.number == 0):
        log.warning(
            "/v1/dev/mailbox and /v1/dev/clock are open to whoever reaches the port; HEXCAST_DEV=off removes them"
        )


def _tune() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)
    # Granian's threads send what is answered, and need the interpreter for a moment to do it. By default they would
    # wait for up to 5 ms while the loop is busy, as it is for a page of a fan-out.
    sys.setswitchinterval(SWITCH_S)
    gc.enable()


async def _listening(settings: Settings, served: asyncio.Task[None]) -> None:
    """Until the port takes connections: Granian makes its socket in a thread, and does not say when."""
    while not served.done():
        try:
            _, connection = await asyncio.open_connection(settings.host, settings.port)
        except OSError:
            await asyncio.sleep(LISTENING_S)
        else:
            connection.close()
            return


async def _help(beside: Beside, core: object, log: Any) -> None:
    try:
        await beside(core)
    except Exception:  # the server goes on without
        log.exception("what was to be done beside failed")


if __name__ == "__main__":
    sys.exit(main())
