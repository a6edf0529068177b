"""What a file knows of requests whose answers were lost, beyond what every family does (``tests.contract``)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from attrs import frozen

from adapters.local.database import Database, Transaction
from adapters.local.idempotency import SqliteIdempotency
from application.ports import Answer
from domain.errors import Invalid
from tests.requests import Requests

DAY, MINUTE, INSTANT = timedelta(hours=24), timedelta(minutes=1), timedelta(microseconds=1)
CREATED = Answer(201, {"etag": '"1"'}, b"{}")


@frozen
class Machine(Requests):
    """One process with the file open."""

    database: Database
    idempotency: SqliteIdempotency

    async def store(self, name: str) -> None:
        """Something a request brings about."""

        def work(transaction: Transaction) -> None:
            transaction.run("INSERT INTO setting (name, value) VALUES (?, '')", (name,))

        await self.database.write(work)


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    database = Database(tmp_path / "hexcast.db", durable=False)
    yield Machine(database, SqliteIdempotency(database))
    database.close()


async def test_what_had_its_effect_is_known_whatever_the_file_was_closed_for(machine: Machine) -> None:
    await machine.dies_after(lambda: machine.store("video"))
    machine.database.close()
    reopened = Database(machine.database.path, durable=False)
    after = Machine(reopened, SqliteIdempotency(reopened))
    assert await after.sent_again(DAY - INSTANT) == "idempotency_answer_lost"
    reopened.close()


async def test_what_had_no_effect_is_carried_out_by_whoever_comes_next(machine: Machine) -> None:
    """Nothing was written, what was written was undone, or what was written was there already."""
    await machine.store("there")

    def refused(transaction: Transaction) -> None:
        transaction.run("INSERT INTO setting (name, value) VALUES ('half', '')")
        raise Invalid("no")

    async def fails() -> None:
        with pytest.raises(Invalid):
            await machine.database.write(refused)

    def idle(transaction: Transaction) -> None:
        transaction.run("INSERT INTO setting (name, value) VALUES ('there', '') ON CONFLICT DO NOTHING")

    await machine.dies_after(fails, lambda: machine.database.write(idle))
    assert await machine.sent_again(MINUTE) is None


@pytest.mark.parametrize(("effects", "expected"), [([], None), (["video"], "idempotency_answer_lost")])
async def test_nobody_waits_for_processes_that_are_known_to_be_dead(
    machine: Machine, effects: list[str], expected: str | None
) -> None:
    await machine.dies_after(*(partial(machine.store, name) for name in effects))
    assert await machine.sent_again(INSTANT) == "idempotency_in_flight"
    await machine.idempotency.released()
    assert await machine.sent_again(INSTANT) == expected


async def test_requests_that_are_over_are_forgotten_some_at_a_time(machine: Machine) -> None:
    for number in range(230):
        await machine.dies_after(key=f"old-{number:03}")

    def kept() -> int:
        row = machine.database.row("SELECT count(*) FROM request WHERE key LIKE 'old-%'")
        assert row is not None
        return int(row[0])

    assert await machine.sent_again(DAY, "old-229") is None, "one that waits to be forgotten is as good as new"
    left = [kept()]
    for number in range(2):
        assert await machine.sent_again(DAY, f"new-{number}") is None
        left.append(kept())
    assert left == [130, 30, 1]
