"""A process may die, or fail, between what a request brought about and its answer: on families whose records outlive a
process, the request is not carried out again.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from attrs import frozen

from adapters.aws.idempotency import DynamoIdempotency
from adapters.aws.notifications import DynamoInbox
from adapters.aws.users import DynamoUsers
from adapters.local.idempotency import SqliteIdempotency
from adapters.local.notifications import SqliteInbox
from adapters.local.users import SqliteUsers
from application.ports import Answer, Idempotency, Inbox, Users
from domain.errors import Conflict, Stale
from domain.identity import User
from domain.ids import NotificationId, UserId
from domain.notifications import Kind, Notification, Subject
from tests.requests import Requests
from tests.strategies import START
from tests.worlds import Cloud, Opener, Sqlite, dynamo, sqlite

DAY, MINUTE, INSTANT = timedelta(hours=24), timedelta(minutes=1), timedelta(microseconds=1)
CREATED = Answer(201, {"etag": '"1"'}, b"\x00 not text \xff")


@frozen
class Machine(Requests):
    idempotency: Idempotency
    users: Users
    inbox: Inbox

    async def store(self, name: str) -> None:
        """Something a request brings about. Raises Stale if it is there."""
        user = User(id=UserId(name), handle=name, display_name=name, email=f"{name}@example.com", created_at=START)
        await self.users.save(user)

    async def store_many(self) -> None:
        """What no transaction takes all of."""
        told = [
            Notification(
                id=NotificationId(f"ntf_{number}"), user=UserId("usr_ann"), kind=Kind.REPLY, actor=None,
                subject=Subject("video", "vid_0"), text="Ben replied", created_at=START,
            )
            for number in range(30)
        ]  # fmt: skip
        assert len(await self.inbox.deliver(told)) == 30

    async def abandon(self) -> None:
        await self.idempotency.abandon("key")


def _on_sqlite(world: Sqlite) -> Machine:
    return Machine(
        SqliteIdempotency(world.database), SqliteUsers(world.database, world.outbox), SqliteInbox(world.database)
    )  # fmt: skip


def _on_dynamo(world: Cloud) -> Machine:
    return Machine(
        DynamoIdempotency(world.tables), DynamoUsers(world.tables, world.outbox),
        DynamoInbox(world.tables, world.clock.now),
    )  # fmt: skip


OPENERS: dict[str, Opener[Machine]] = {"sqlite": sqlite(_on_sqlite), "dynamo": dynamo(_on_dynamo)}


@pytest.fixture(params=OPENERS.values(), ids=list(OPENERS))
async def machine(request: pytest.FixtureRequest) -> AsyncIterator[Machine]:
    opener: Opener[Machine] = request.param
    async with opener() as opened:
        yield opened.port


async def test_what_had_its_effect_is_not_carried_out_again(machine: Machine) -> None:
    """Neither at once nor after a minute; a day later the key is as good as new."""
    await machine.dies_after(lambda: machine.store("video"), lambda: machine.store("event"))
    assert await machine.sent_again(MINUTE - INSTANT) == "idempotency_in_flight"
    assert await machine.sent_again(MINUTE) == "idempotency_answer_lost"
    assert await machine.sent_again(DAY - INSTANT) == "idempotency_answer_lost"
    assert await machine.sent_again(MINUTE, fingerprint="b") == "idempotency_key_reused"
    assert await machine.sent_again(DAY) is None
    assert await machine.sent_again(DAY + MINUTE) is None, "what the key stood for a day ago is forgotten"


async def test_the_refusal_says_what_to_do(machine: Machine) -> None:
    await machine.dies_after(lambda: machine.store("video"))
    with pytest.raises(Conflict, match="do not send it again with another key unless it is not there"):
        await machine.idempotency.begin("key", "a", START + MINUTE)


async def test_what_is_written_in_no_transaction_counts(machine: Machine) -> None:
    await machine.dies_after(machine.store_many)
    assert await machine.sent_again(MINUTE) == "idempotency_answer_lost"


async def test_what_had_no_effect_is_carried_out_by_whoever_comes_next(machine: Machine) -> None:
    await machine.store("there")

    async def fails() -> None:
        with pytest.raises(Stale):
            await machine.store("there")

    await machine.dies_after(fails)
    assert await machine.sent_again(MINUTE) is None


async def test_whoever_answers_late_is_heard(machine: Machine) -> None:
    """They were slow, not dead."""
    await machine.dies_after(lambda: machine.store("video"))
    assert await machine.sent_again(MINUTE) == "idempotency_answer_lost"
    await machine.idempotency.finish("key", CREATED, START + MINUTE)
    assert await machine.sent_again(MINUTE) == CREATED


async def test_a_request_that_failed_after_its_effect_is_not_carried_out_again(machine: Machine) -> None:
    """Nobody has to wait to hear that: it is known to be over."""
    await machine.dies_after(lambda: machine.store("video"), machine.abandon)
    assert await machine.sent_again(INSTANT) == "idempotency_answer_lost"
    assert await machine.sent_again(DAY) is None


async def test_a_request_that_failed_before_its_effect_may_come_again(machine: Machine) -> None:
    await machine.dies_after(machine.abandon)
    assert await machine.sent_again(INSTANT) is None


async def test_whoever_lost_its_turn_still_has_its_effect(machine: Machine) -> None:
    """Its request was given up by another, or answered: there is nothing left to mark."""
    await machine.dies_after(lambda: asyncio.create_task(machine.abandon()), lambda: machine.store("video"))
    with pytest.raises(Stale):
        await machine.store("video")


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
        machine.store("nobodys"),
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

    await machine.dies_after(leave, machine.abandon)
    assert await machine.sent_again(INSTANT) is None
    due.set()
    await left[0]
    assert await machine.sent_again(2 * MINUTE) is None


async def test_a_part_that_runs_in_a_task_of_its_own_counts(machine: Machine) -> None:
    await machine.dies_after(lambda: asyncio.gather(machine.store("one"), machine.store("other")))
    assert await machine.sent_again(MINUTE) == "idempotency_answer_lost"
