"""What waits for this machine's transcoder: rows of the file that all its processes share.

A job is *waiting*, *running* in the hands of one runner, or *over*. One that is *cancelled* after it was begun stays
until its files were removed. Whoever takes a job up holds it for ``HOLD`` and has to say so again and again: of a
process that ends without a word nothing else can be seen. A runner that comes back after its hold ran out and someone
else took the job up finds another number of runs on it, and is believed no more.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from enum import Enum, auto

from attrs import frozen

from adapters.local.database import Database, Row, Transaction, micros, sql
from adapters.local.told import SqliteReports
from adapters.rows import text_of, value_of
from application.ports import Now, TranscodeOrder
from domain.errors import Unavailable
from domain.ids import JobId
from domain.processing import TERMINAL, Report, State

HOLD = timedelta(seconds=15)
RENEW = timedelta(seconds=5)
"""How old a hold becomes before it is renewed."""
REMEMBERED = 10_000
"""Of so many jobs, the last that came, it is known how they ended."""


class Lost(Exception):
    """Whoever speaks does not hold the job any more: it was cancelled, or someone else has taken it up."""


class Standing(Enum):
    """How a runner stands to a job that it took up."""

    HELD = auto()
    CANCELLED = auto()
    """What there is of its files is this runner's to remove."""
    LOST = auto()
    """Over, or another's; so are its files."""


@frozen
class Hold:
    """A job as one runner took it up. ``report`` is the last thing that any run of it said, ``deaths`` counts the
    runners that ended without a word.
    """

    n: int
    run: int
    order: TranscodeOrder
    report: Report
    deaths: int

    @property
    def job(self) -> JobId:
        return self.report.job


_COLUMNS = "n, runs, source, report, deaths"
_KNOWN = sql("SELECT n, state, runs, held_until FROM job WHERE id = ?")
_ADD = sql("INSERT INTO job (id, source, state, report) VALUES (?, ?, 'waiting', ?) RETURNING n")
_OPEN = sql("SELECT count(*) FROM job WHERE state IN ('waiting', 'running')")
_FORGET = sql("DELETE FROM job WHERE state = 'over' AND n <= ?")
_REMOVE = sql("DELETE FROM job WHERE n = ?")
_NEXT = sql("SELECT n FROM job WHERE state = 'waiting' ORDER BY n LIMIT 1")
_HELD = sql("SELECT count(*) FROM job WHERE held_until > ?")
_FORSAKEN = sql("SELECT n FROM job WHERE held_until <= ? ORDER BY held_until, n LIMIT 1")
_HELD_LONGER = sql("SELECT 1 FROM job WHERE held_until > ? LIMIT 1")
_CUT = sql("UPDATE job SET held_until = ?1 WHERE held_until > ?1")
_TAKE = sql(
    "UPDATE job SET state = 'running', runs = runs + 1, held_until = ? WHERE n = ? AND state = 'waiting' "
    f"RETURNING {_COLUMNS}"
)
_TAKE_OVER = sql(
    "UPDATE job SET runs = runs + 1, deaths = deaths + 1, held_until = ? WHERE n = ? AND held_until <= ? "
    f"RETURNING {_COLUMNS}"
)
_STANDING = sql("SELECT state, runs, held_until FROM job WHERE n = ?")
_RENEW = sql("UPDATE job SET held_until = ? WHERE n = ? AND runs = ? AND state = 'running'")
_SAY = sql(
    "UPDATE job SET state = ?, held_until = ?, said_in = runs, report = ? WHERE n = ? AND runs = ? AND state = 'running'"
)
_PAUSE = sql(
    "UPDATE job SET held_until = ?, said_in = 0, deaths = deaths - 1 WHERE n = ? AND runs = ? AND state = 'running'"
)
_RELEASE = sql(
    "UPDATE job SET state = 'waiting', held_until = NULL WHERE n = ? AND runs = ? AND state = 'running'"
)  # fmt: skip
_RELEASE_ALL = sql("UPDATE job SET state = 'waiting', held_until = NULL, deaths = deaths + 1 WHERE state = 'running'")
_CLEAR_ALL = sql("UPDATE job SET held_until = 0 WHERE state = 'cancelled'")
_CANCEL = sql("UPDATE job SET state = 'cancelled' WHERE n = ?")
_CLEAR = sql(
    "UPDATE job SET state = 'cancelled', runs = runs + 1, held_until = ? WHERE n = ? "
    f"RETURNING {_COLUMNS}"
)  # fmt: skip
_DROP = sql("DELETE FROM job WHERE n = ? AND runs = ? AND state = 'cancelled'")
_STATUS = sql("SELECT state, said_in = runs, report FROM job WHERE id = ? AND state <> 'cancelled'")


class JobQueue:
    """Jobs in the order in which they came. One is named after its attempt."""

    def __init__(self, database: Database, reports: SqliteReports, now: Now, *, waiting_most: int = 1000) -> None:
        """Besides one that runs, at most ``waiting_most`` are taken."""
        self._database = database
        self._reports = reports
        self._now = now
        self._waiting_most = waiting_most
        self._changed = asyncio.Event()

    # --- for whoever wants something transcoded

    async def add(self, order: TranscodeOrder) -> JobId:
        """The order's job, a new one unless it is known. Raises Unavailable (``transcoder_busy``)."""
        job = JobId(f"{order.video}-{order.attempt}")

        def work(transaction: Transaction) -> JobId:
            known = transaction.row(_KNOWN, (job,))
            if known is not None and known[1] != "cancelled":
                return job
            ((waiting,),) = transaction.rows(_OPEN)
            if waiting > self._waiting_most:
                raise Unavailable("too many videos wait for the transcoder", code="transcoder_busy")
            if known is not None:
                transaction.run(_REMOVE, (known[0],))
            pending = Report(video=order.video, attempt=order.attempt, job=job, state=State.PENDING)
            ((n,),) = transaction.rows(_ADD, (job, order.source, text_of(pending)))
            transaction.run(_FORGET, (n - REMEMBERED,))
            transaction.then(self.wake)
            return job

        return await self._database.write(work)

    async def status(self, job: JobId) -> Report | None:
        """The last report, once this run of the job said it; until then the job is pending, again or still."""
        row = self._database.row(_STATUS, (job,))
        if row is None:
            return None
        state, said, report = row[0], row[1], value_of(row[2], Report)
        if state == "over" or (state == "running" and said):
            return report
        return Report(video=report.video, attempt=report.attempt, job=job, state=State.PENDING)

    async def cancel(self, job: JobId) -> Hold | None:
        """From now on nothing that is said of it counts; whoever runs it sees that soon. Unknown ones and those that
        are over are let be.

        When nobody runs it, but somebody did, what that left is to be removed by the caller, who holds the job for
        that and ends with ``drop``.
        """
        now = self._now()

        def work(transaction: Transaction) -> Hold | None:
            known = transaction.row(_KNOWN, (job,))
            if known is None or known[1] == "over":
                return None
            n, _, runs, held_until = known
            if held_until is not None and held_until > micros(now):
                transaction.run(_CANCEL, (n,))
                return None
            if not runs:
                transaction.run(_REMOVE, (n,))
                return None
            return _hold(transaction.rows(_CLEAR, (micros(now + HOLD), n))[0])

        hold = await self._database.write(work)
        self.wake()
        return hold

    # --- for runners

    async def claim(self, most: int) -> Hold | None:
        """One that nobody runs, to be run; or to be cleared away, if that is how it stands. None while ``most`` are in
        somebody's hands, whichever process that is.
        """
        now = self._now()
        present, until = micros(now), micros(now + HOLD)
        if self._database.row(_HELD_LONGER, (until,)) is not None:
            # It was taken up before the clock was set back. Whoever did says so again soon, or is no more.
            await self._database.write(lambda transaction: transaction.run(_CUT, (until,)))
        if self._database.row(_FORSAKEN, (present,)) is None and self._database.row(_NEXT) is None:
            return None

        def work(transaction: Transaction) -> Hold | None:
            ((held,),) = transaction.rows(_HELD, (present,))
            if held >= most:
                return None
            if (forsaken := transaction.row(_FORSAKEN, (present,))) is not None:
                return _hold(transaction.rows(_TAKE_OVER, (until, forsaken[0], present))[0])
            if (waiting := transaction.row(_NEXT)) is not None:
                return _hold(transaction.rows(_TAKE, (until, waiting[0]))[0])
            return None

        return await self._database.write(work)

    def standing(self, hold: Hold) -> Standing:
        """As of the last commit, whosever it was."""
        return _standing(self._database.row(_STANDING, (hold.n,)), hold)

    async def keep(self, hold: Hold) -> Standing:
        """How it stands; a hold is renewed if it is time. To be asked every second or so."""
        now = self._now()
        row = self._database.row(_STANDING, (hold.n,))
        standing = _standing(row, hold)
        # One that seems to last longer was begun before a clock was set back.
        fresh = row is not None and micros(now + HOLD - RENEW) < (row[2] or 0) <= micros(now + HOLD)
        if standing is Standing.HELD and not fresh:
            with suppress(Lost):
                await self.renew(hold)
            return self.standing(hold)
        return standing

    async def renew(self, hold: Hold) -> None:
        """Raises Lost."""
        until = micros(self._now() + HOLD)
        await self._database.write(_if_held(lambda transaction: transaction.run(_RENEW, (until, hold.n, hold.run))))

    async def say(self, hold: Hold, report: Report) -> None:
        """What the job has come to, for ``status`` and ``Reports`` at once; the last one ends it. Raises Lost."""
        over = report.state in TERMINAL
        until = None if over else micros(self._now() + HOLD)
        values = ("over" if over else "running", until, text_of(report), hold.n, hold.run)

        def work(transaction: Transaction) -> int:
            changed = transaction.run(_SAY, values)
            if changed:
                self._reports.tell(transaction, report)
            return changed

        await self._database.write(_if_held(work))

    async def release(self, hold: Hold) -> None:
        """Back to where it was in the queue, for whoever comes next. Nothing if it is held no more."""

        def work(transaction: Transaction) -> None:
            if transaction.run(_RELEASE, (hold.n, hold.run)):
                transaction.then(self.wake)

        await self._database.write(work)

    async def pause(self, hold: Hold) -> None:
        """To be taken up again when the hold runs out, which then counts as nobody's death. Raises Lost."""
        until = micros(self._now() + HOLD)
        await self._database.write(_if_held(lambda transaction: transaction.run(_PAUSE, (until, hold.n, hold.run))))

    async def drop(self, hold: Hold) -> None:
        """Forget a cancelled job, whose files are gone."""
        await self._database.write(lambda transaction: transaction.run(_DROP, (hold.n, hold.run)))

    async def release_all(self) -> None:
        """For a process that is alone with the file: whoever held a job, or was given a report, is no more."""

        def work(transaction: Transaction) -> None:
            transaction.run(_RELEASE_ALL)
            transaction.run(_CLEAR_ALL)
            self._reports.take_back(transaction)
            transaction.then(self.wake)

        await self._database.write(work)

    def wake(self) -> None:
        """There may be something to see to."""
        self._changed.set()

    async def wait(self, timeout_s: float) -> None:
        """Until there may be something to see to. What other processes did is not noticed before the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        self._changed.clear()


def _hold(row: Row) -> Hold:
    n, run, source, doc, deaths = row
    report = value_of(doc, Report)
    return Hold(n, run, TranscodeOrder(video=report.video, attempt=report.attempt, source=source), report, deaths)


def _standing(row: Row | None, hold: Hold) -> Standing:
    if row is None or row[1] != hold.run:
        return Standing.LOST
    return {"running": Standing.HELD, "cancelled": Standing.CANCELLED}.get(row[0], Standing.LOST)


def _if_held(change: Callable[[Transaction], int]) -> Callable[[Transaction], None]:
    """For a statement that changes the row of one who still holds the job."""

    def work(transaction: Transaction) -> None:
        if not change(transaction):
            raise Lost

    return work
