"""What goes on without anyone asking: events find their consumers, transcoders are heard, overdue things are done."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

import structlog

from adapters.system import Seldom
from application.ports import Outbox, Processings, Reports, Signal, Signals
from domain.errors import NotFound, Unavailable
from domain.processing import ProcessingMoved, Report
from entrypoints.container import Core
from entrypoints.metrics import Metrics

SWEEP_S = 5.0
IDLE_S = 1.0
TURN_S = 0.001
"""How long requests have the loop to themselves between deliveries, each of which can be a page of a fan-out."""
PAUSE_S = 1.0
"""How long a task that failed rests."""
UNKNOWN_TRIES = 10
"""How often a report may come for a video that is not there, before it is dropped."""

_log = structlog.get_logger("hexcast.worker")


class Worker:
    """The background tasks of one process. A failure is logged, counted and tried again; nothing ends a task but
    the end of ``run``. Of several processes one ``sweeps``.
    """

    def __init__(
        self,
        core: Core,
        metrics: Metrics,
        *,
        sweeps: bool = True,
        sweep_s: float = SWEEP_S,
        idle_s: float = IDLE_S,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._deliver = core.deliver_events()
        self._apply = core.apply_report()
        self._take = core.take_signal()
        self._sweeps: Sequence[tuple[str, Callable[[], Awaitable[int]]]] = (
            ("publish_due", core.publish_due()),
            ("expire_uploads", core.expire_uploads()),
            ("expire_sign_ups", core.expire_sign_ups()),
            ("sweep_processing", core.sweep_processing()),
            ("sweep_broadcasts", core.sweep_broadcasts()),
            ("remind_due", core.remind_due()),
            ("sweep_orphans", self._sweep_orphans),
        )
        self._orphans = core.sweep_orphans()
        self._outbox: Outbox = core.adapters.outbox()
        self._processings: Processings = core.adapters.processings()
        self._reports: Reports | None = core.adapters.reports()
        self._signals: Signals | None = core.adapters.signals()
        self._background: Sequence[tuple[str, Callable[[], Awaitable[None]]]] = core.adapters.background()
        self._metrics = metrics
        self._sweeping = sweeps
        self._sweep_s = sweep_s
        self._idle_s = idle_s
        self._pause_s = pause_s
        self._unknown: dict[Report | Signal, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._nudged = asyncio.Event()
        self._seldom: dict[str, Seldom] = defaultdict(Seldom)

    def alive(self) -> bool:
        """Whether every task goes on."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    def nudge(self) -> None:
        """Sweep now: the clock was moved."""
        self._nudged.set()

    async def run(self) -> None:
        """Until cancelled; what is under way then is given up, and comes again after a restart."""
        rounds = [("deliver", self._deliver_round), *self._background]
        if self._sweeping:
            rounds.append(("sweep", self._sweep_round))
        if self._reports is not None:
            reports = self._reports
            rounds.append(("reports", lambda: self._report_round(reports)))
        if self._signals is not None:
            signals = self._signals
            rounds.append(("signals", lambda: self._signal_round(signals)))
        self._tasks = [asyncio.create_task(self._forever(name, each), name=name) for name, each in rounds]
        try:
            await asyncio.gather(*self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _forever(self, name: str, once: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await once()
            except Exception as error:  # noqa: BLE001  (whatever it is, the next round may go well)
                self._failed(name, error)
                await asyncio.sleep(self._pause_s)

    async def _deliver_round(self) -> None:
        if await self.deliver():
            # In memory nothing of this waits for anything, so that requests would wait for all of it. And it has to
            # be a pause, no mere step of the loop: threads that wait for the interpreter starve beside short steps.
            await asyncio.sleep(TURN_S)
        else:
            await self._outbox.wait(self._idle_s)

    async def deliver(self) -> int:
        """Deliver what waits; how much that was."""
        delivered = await self._deliver()
        for each in delivered:
            if each.error is None:
                self._metrics.events["delivered"] += 1
                if isinstance(each.envelope.event, ProcessingMoved):
                    await self._tell(each.envelope.event)
                continue
            self._metrics.events["dead" if each.dead else "failed"] += 1
            _log.warning(
                "event given up" if each.dead else "event failed",
                kind=type(each.envelope.event).__name__,
                id=each.envelope.id,
                attempt=each.envelope.attempts,
                exc_info=each.error,
            )
        return len(delivered)

    async def _tell(self, moved: ProcessingMoved) -> None:
        """Log the states that were entered then: none if it was only that more can be played."""
        processing = (await self._processings.many([moved.video])).get(moved.video)
        for entry in processing.log if processing else ():
            if entry.at == moved.at:
                _log.info(
                    "processing",
                    video=moved.video,
                    attempt=entry.attempt,
                    state=entry.state.value,
                    failure=entry.error,
                )

    async def _report_round(self, reports: Reports) -> None:
        await self.hear(reports, await reports.next())

    async def hear(self, reports: Reports, report: Report) -> None:
        """Apply one report. One about a video that is not there (yet) is left to come again, a few times."""
        try:
            await self._apply(report)
        except NotFound:
            if self._may_come(report):
                return
            _log.warning("report dropped", video=report.video, attempt=report.attempt)
        self._unknown.pop(report, None)
        await reports.settle(report)
        self._metrics.reports[report.state.value] += 1

    async def _signal_round(self, signals: Signals) -> None:
        await self.take(signals, await signals.next())

    async def take(self, signals: Signals, signal: Signal) -> None:
        """Hear one signal. One about a stream that is not there (yet) is left to come again, a few times."""
        try:
            await self._take(signal)
        except NotFound:
            if self._may_come(signal):
                return
            _log.warning("signal dropped", ingest=signal.ingest, kind=signal.kind.value)
        self._unknown.pop(signal, None)
        await signals.settle(signal)
        _log.info("stream", ingest=signal.ingest, broadcast=signal.broadcast, kind=signal.kind.value)

    def _may_come(self, said: Report | Signal) -> bool:
        """Whether what this is about is given more time to be there."""
        tries = self._unknown[said] = self._unknown.get(said, 0) + 1
        return tries < UNKNOWN_TRIES

    async def _sweep_round(self) -> None:
        await self.sweep()
        try:
            async with asyncio.timeout(self._sweep_s):
                await self._nudged.wait()
        except TimeoutError:
            return
        self._nudged.clear()

    async def sweep(self) -> None:
        """Do what is overdue. One sweep that fails does not keep the others from it."""
        for name, once in self._sweeps:
            try:
                if done := await once():
                    _log.info("swept", task=name, done=done)
            except Exception as error:  # noqa: BLE001  (the next sweep may go well)
                self._failed(name, error)

    async def _sweep_orphans(self) -> int:
        """How much was removed; all of it by name in the log, since nobody asked for it."""
        swept = await self._orphans()
        removed = 0
        for each in swept:
            if each.error is not None:
                self._failed("sweep_orphans", each.error, name=each.name)
                continue
            _log.info("orphan removed", name=each.name, why=each.why)
            removed += 1
        return removed

    def _failed(self, task: str, error: Exception, **about: str) -> None:
        """A full disk makes all of it fail until there is room: the log must not help to fill it."""
        self._metrics.failures[task] += 1
        if not self._seldom[task].due(repr((error, about))):
            return
        if isinstance(error, Unavailable):
            _log.warning("background work failed", task=task, code=error.code, why=str(error), **about)
        else:
            _log.error("background work failed", task=task, exc_info=error, **about)
