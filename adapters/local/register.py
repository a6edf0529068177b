"""What whoever runs this machine asks of its database: who is here, and what is stuck."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from attrs import frozen

from adapters.local.database import Database, moment
from adapters.rows import read_once
from domain.errors import Invalid
from domain.identity import User, email
from domain.ids import UserId
from domain.processing import Processing, Report

EVENTS_MOST = 1000


@frozen
class Person:
    """``confirmed``: by the code that was sent to the address."""

    id: str
    handle: str
    email: str
    roles: Sequence[str]
    confirmed: bool
    created_at: datetime


@frozen
class Job:
    """A transcode that waits or runs."""

    id: str
    video: str
    attempt: int
    state: str
    percent: int
    runs: int
    held_until: datetime | None


@frozen
class Delayed:
    """An event that somebody holds, or that waits; ``reason``: it was given up."""

    id: str
    kind: str
    attempts: int
    held_until: datetime | None = None
    reason: str | None = None


@frozen
class Unfinished:
    """An attempt at a video that is not over."""

    video: str
    attempt: int
    state: str
    percent: int
    job: str | None
    updated_at: datetime


@frozen(kw_only=True)
class Pending:
    """All that is under way. Of the events the oldest: ``events_waiting`` and ``events_dead`` say how many there are."""

    jobs: Sequence[Job]
    unfinished: Sequence[Unfinished]
    events_waiting: int
    waiting: Sequence[Delayed]
    events_dead: int
    dead: Sequence[Delayed]


class Register:
    def __init__(self, database: Database) -> None:
        self._database = database

    def people(self) -> Iterator[Person]:
        """In the order in which they signed up, as of one moment."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT user.doc, account.n IS NOT NULL AND account.code_until IS NULL"
                " FROM user LEFT JOIN account ON account.user = user.id ORDER BY user.n"
            )
            for doc, confirmed in rows:
                user = read_once(str(doc), User)
                roles = sorted(user.roles)
                yield Person(user.id, user.handle, user.email, roles, bool(confirmed), user.created_at)

    def find(self, who: str) -> UserId | None:
        """By id, e-mail address or handle."""
        address = _address(who)
        for statement, value in (
            ("SELECT id FROM user WHERE id = ?", who),
            ("SELECT user FROM account WHERE email = ?", address),
            ("SELECT id FROM user WHERE handle = ?", who.removeprefix("@").lower()),
        ):
            row = self._database.row(statement, (value,))
            if row is not None:
                return UserId(row[0])
        return None

    def pending(self) -> Pending:
        """As of one moment."""
        with self._database.reading() as connection:
            jobs = connection.execute(
                "SELECT id, state, runs, held_until, report FROM job WHERE state <> 'over' ORDER BY n"
            ).fetchall()
            unfinished = connection.execute(
                "SELECT doc FROM processing WHERE unfinished_since IS NOT NULL ORDER BY unfinished_since, video"
            ).fetchall()
            (alive,), (gone,) = (
                connection.execute(f"SELECT count(*) FROM event WHERE reason IS {which}").fetchall()[0]
                for which in ("NULL", "NOT NULL")
            )
            waiting, dead = (
                connection.execute(
                    "SELECT id, kind, attempts, held_until, reason FROM event"
                    f" WHERE reason IS {which} ORDER BY n LIMIT {EVENTS_MOST}"
                ).fetchall()
                for which in ("NULL", "NOT NULL")
            )
        return Pending(
            jobs=[_job(*row) for row in jobs],
            unfinished=[_unfinished(read_once(str(doc), Processing)) for (doc,) in unfinished],
            events_waiting=int(str(alive)),
            waiting=[_delayed(*row) for row in waiting],
            events_dead=int(str(gone)),
            dead=[_delayed(*row) for row in dead],
        )


def _address(text: str) -> str:
    try:
        return email(text)
    except Invalid:
        return ""


def _moment(stored: object) -> datetime | None:
    return moment(stored) if isinstance(stored, int) else None


def _job(id_: object, state: object, runs: object, held_until: object, report: object) -> Job:
    said = read_once(str(report), Report)
    return Job(
        str(id_), said.video, said.attempt, str(state), said.percent, int(str(runs)), _moment(held_until)
    )  # fmt: skip


def _unfinished(processing: Processing) -> Unfinished:
    return Unfinished(
        processing.video, processing.attempt, processing.state.value, processing.percent, processing.job,
        processing.updated_at,
    )  # fmt: skip


def _delayed(id_: object, kind: object, attempts: object, held_until: object, reason: object) -> Delayed:
    said = None if reason is None else str(reason)
    return Delayed(str(id_), str(kind), int(str(attempts)), _moment(held_until), said)
