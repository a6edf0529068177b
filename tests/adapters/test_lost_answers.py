"""A process may die between what a request brought about and its answer: the request is not carried out again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from attrs import frozen

from adapters.local.database import Database, Transaction
from adapters.local.idempotency import SqliteIdempotency
from application.ports import Answer
from domain.errors import Conflict, DomainError, Invalid
from tests.strategies import START

DAY, MINUTE, INSTANT = timedelta(hours=24), timedelta(minutes=1), timedelta(microseconds=1)
CREATED = Answer(201, {"etag": '"1"'}, b"{}")


@frozen
class Machine:
    """One process with the file open."""

    database: Database
    idempotency: SqliteIdempotency

    async def store(self, name: str) -> None:
        """Something a request brings about."""

        def work(transaction: Transaction) -> None:
            transaction.run("INSERT INTO setting (name, value) VALUES (?, '')", (name,))

        await self.database.write(work)

    async def dies_after(self, *effects: Callable[[], Awaitable[object]], key: str = "key") -> None:
        """Somebody is at a request until then, and never answers."""

        async def request() -> None:
            assert await self.idempotency.begin(key, "a", START) is None
            for effect in effects:
                await effect()

        await asyncio.create_task(request())

    async def sent_again(self, at: timedelta, key: str = "key", fingerprint: str = "a") -> Answer | str | None:
        """What comes of the same request: its turn (None), its answer, or the code that refuses it."""

        async def request() -> Answer | str | None:
            try:
                return await self.idempotency.begin(key, fingerprint, START + at)
            except DomainError as error:
                return error.code

        return await asyncio.create_task(request())


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    database = Database(tmp_path / "hexcast.db", durable=False)
    yield Machine(database, SqliteIdempotency(database))
    database.close()


async def test_what_had_its_effect_is_not_carried_out_again(machine: Machine) -> None:
    """Neither at once nor after a minute, whatever the file was closed for; a day later the key is as good as new."""
    await machine.dies_after(lambda: machine.store("video"))
    assert await machine.sent_again(MINUTE - INSTANT) == "idempotency_in_flight"
    assert await machine.sent_again(MINUTE) == "idempotency_answer_lost"
    machine.database.close()
    reopened = Database(machine.database.path, durable=False)
    after = Machine(reopened, SqliteIdempotency(reopened))
    assert await after.sent_again(DAY - INSTANT) == "idempotency_answer_lost"
    assert await after.sent_again(MINUTE, fingerprint="b") == "idempotency_key_reused"
    assert await after.sent_again(DAY) is None
    assert await after.sent_again(DAY + MINUTE) is None, "what the key stood for a day ago is forgotten"
    reopened.close()


async def test_the_refusal_says_what_to_do(machine: Machine) -> None:
    await machine.dies_after(lambda: machine.store("video"))
    with pytest.raises(Conflict, match="do not send it again with another key unless it is not there"):
        await machine.idempotency.begin("key", "a", START + MINUTE)


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


async def test_whoever_answers_late_is_heard(machine: Machine) -> None:
    """They were slow, not dead."""
    await machine.dies_after(lambda: machine.store("video"))
    assert await machine.sent_again(MINUTE) == "idempotency_answer_lost"
    await machine.idempotency.finish("key", CREATED, START + MINUTE)
    assert await machine.sent_again(MINUTE) == CREATED


async def test_a_request_that_was_given_up_may_come_again(machine: Machine) -> None:
    """Whatever it stored: its failure was answered."""
    await machine.dies_after(lambda: machine.store("video"), lambda: machine.idempotency.abandon("key"))
    assert await machine.sent_again(INSTANT) is None


async def test_what_others_write_meanwhile_is_not_its_effect(machine: Machine) -> None:
    """A worker that was there before, other requests, and the idempotency records themselves."""
    due = asyncio.Event()

    async def deliver() -> None:
        await due.wait()
        await machine.store("delivered")

    worker = asyncio.create_task(deliver())

    async def others() -> None:
        due.set()
        await worker

    await asyncio.gather(
        machine.dies_after(others, lambda: machine.idempotency.begin("nested", "a", START)),
        machine.dies_after(lambda: machine.store("mine"), key="other"),
        machine.store("nobody's"),
    )
    assert await machine.sent_again(MINUTE) is None
    assert await machine.sent_again(MINUTE, "other") == "idempotency_answer_lost"


async def test_what_a_request_leaves_running_is_its_effect_until_it_is_answered(machine: Machine) -> None:
    """Not that of whoever has the key then."""
    due, left = asyncio.Event(), list[asyncio.Task[None]]()

    async def late() -> None:
        await due.wait()
        await machine.store("late")

    async def leave() -> None:
        left.append(asyncio.create_task(late()))

    await machine.dies_after(
        leave, lambda: asyncio.create_task(machine.store("at once")), lambda: machine.idempotency.abandon("key")
    )
    assert await machine.sent_again(INSTANT) is None
    due.set()
    await left[0]
    assert await machine.sent_again(2 * MINUTE) is None


async def test_a_part_that_runs_in_a_task_of_its_own_counts(machine: Machine) -> None:
    await machine.dies_after(lambda: asyncio.gather(machine.store("one"), machine.store("other")))
    assert await machine.sent_again(MINUTE) == "idempotency_answer_lost"


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
