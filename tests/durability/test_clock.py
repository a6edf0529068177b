"""The machine's clock is set back, by an hour or a day, while nobody serves or under a running server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve, frozen
from dependency_injector.providers import Object

from adapters.local import container as machine
from adapters.local.container import held, opened
from adapters.local.database import Database
from adapters.local.idempotency import SqliteIdempotency
from adapters.local.jobs import HOLD, JobQueue
from adapters.local.outbox import HOLD as EVENT_HOLD
from adapters.local.outbox import SqliteOutbox
from adapters.local.told import AGAIN_AFTER, SqliteReports
from adapters.repeats import CLAIMED
from adapters.system import Clock, Ulids
from application.ports import Record, TranscodeOrder
from domain.access import Actor
from domain.channels import ChannelOpened
from domain.engagement import Notify
from domain.errors import Conflict
from domain.ids import (
    CHANNEL,
    COMMENT,
    EVENT,
    IMAGE,
    SESSION,
    UPLOAD,
    USER,
    VIDEO,
    ChannelId,
    NotificationId,
    UploadId,
    VideoId,
)
from domain.notifications import Notification
from domain.processing import State
from domain.videos import Audience
from domain.watching import Grant
from entrypoints.container import Core
from entrypoints.http.auth import TokenVerifier
from entrypoints.settings import Settings
from tests.adapters.houses import RECORDS
from tests.identities import CHEAP
from tests.worlds import FakeClock

BACK = [timedelta(hours=1), timedelta(days=1)]
SECOND = timedelta(seconds=1)
PREFIXES = (USER, CHANNEL, UPLOAD, VIDEO, COMMENT, SESSION, EVENT, IMAGE)
backs = pytest.mark.parametrize("back", BACK, ids=["an_hour", "a_day"])
Running = Callable[[], AbstractAsyncContextManager["House"]]


@frozen
class House:
    """A platform that is served."""

    core: Core

    async def person(self, handle: str) -> Actor:
        address = f"{handle}@example.org"
        user = await self.core.sign_up()(address, "correct horse battery", handle, handle.title())
        mail = (await self.core.adapters.mailbox().sent_to(address))[0]
        await self.core.confirm_account()(address, mail.code or "")
        return Actor(user.id, user.roles)

    async def settle(self) -> None:
        while any(each.error is None for each in await self.core.deliver_events()()):
            pass

    async def told(self, actor: Actor) -> list[Notification]:
        """What they were told, the newest first, as they see it."""
        return [shown.notification for shown in (await self.core.list_notifications()(actor)).items]


@pytest.fixture
def running(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Running:
    """Serves the same folder again and again, by a clock that the test sets."""

    class Machines(Clock):
        def now(self) -> datetime:
            return clock.now() + self.ahead

    monkeypatch.setattr(machine, "Clock", Machines)
    settings = Settings(profile="local", data=tmp_path / "data", public_url="http://hexcast.test")

    @asynccontextmanager
    async def served() -> AsyncIterator[House]:
        lock = held(settings.data)
        await asyncio.to_thread(lock.__enter__)
        try:
            async with opened(
                public_url=settings.public_url, secret=None, data=settings.data, transcode_jobs=1, shared=False
            ) as adapters:
                adapters.passwords.override(Object(CHEAP))
                yield House(Core(settings=settings, adapters=adapters))
        finally:
            await asyncio.to_thread(lock.__exit__, None, None, None)

    return served


# --- ids


@backs
@pytest.mark.parametrize("restarts", [True, False])
async def test_what_comes_later_sorts_above(
    running: Running, clock: FakeClock, back: timedelta, *, restarts: bool
) -> None:
    """Comments and notifications, though nothing but notifications is left of the last events; and what was marked
    as read was.
    """
    async with running() as house:
        ann, ben, cem = [await house.person(handle) for handle in ("ann", "ben", "cem")]
        channel = (await house.core.open_channel()(ann, handle="cats", name="Cats")).channel.id
        await house.core.subscribe()(ben, channel, Notify.ALL)
        await house.settle()
        clock.advance(timedelta(hours=1))
        await house.core.subscribe()(cem, channel, Notify.ALL)
        await house.settle()
        newest, older = await house.told(ann)
        await house.core.mark_read()(ann, up_to=newest.id)
        given = [house.core.adapters.new_id()(EVENT)]
        clock.advance(-back)
        if not restarts:
            await _told_of_another(house, channel, ann, newest, older)
            given.append(house.core.adapters.new_id()(EVENT))
    async with running() as house:
        if restarts:
            await _told_of_another(house, channel, ann, newest, older)
        given.append(house.core.adapters.new_id()(EVENT))
    assert given[1:] == sorted(given[1:])
    assert given[-1] > str(newest.id).replace("ntf", EVENT)


async def _told_of_another(
    house: House, channel: ChannelId, ann: Actor, newest: Notification, older: Notification
) -> None:
    await house.core.subscribe()(await house.person("dee"), channel, Notify.ALL)
    await house.settle()
    told = await house.told(ann)
    assert [each.id for each in told[1:]] == [newest.id, older.id]
    assert [each.read for each in told] == [False, True, True]
    assert (await house.core.count_unread()(ann)).count == 1
    assert [each.id for each in await house.core.adapters.inbox().after(ann.user, newest.id)] == [told[0].id]


@backs
async def test_ids_ascend(running: Running, clock: FakeClock, back: timedelta) -> None:
    """Of every kind, over ever more starts and ever earlier clocks, if anything at all is stored each time."""
    given: list[str] = []
    for number in range(4):
        async with running() as house:
            await house.person(f"ann{number}")
            await house.settle()
            made = [house.core.adapters.new_id()(EVENT) for _ in range(3)]
            assert made == sorted(made)
            assert not given or made[0] > given[-1]
            (last,) = house.core.adapters.database().row("SELECT max(id) FROM newest")
            given.append(last)
        clock.advance(-back)


async def test_processes_overtake_each_other(tmp_path: Path, clock: FakeClock, running: Running) -> None:
    """One that gave nothing for long gives, once it has looked, what sorts above all that another one gave."""
    async with running() as here:
        there = await asyncio.to_thread(_look_of_another, tmp_path / "data", clock)
        await here.person("ann")
        await there.look()
        clock.advance(timedelta(hours=5))
        ben = (await here.person("ben")).require_user()
        await there.look()
        clock.advance(timedelta(hours=-2))
        cem = (await here.person("cem")).require_user()
        assert cem > ben
        await there.look()
        dee = there.new_id(USER)
        assert dee > cem
        assert [there.new_id(prefix)[4:] for prefix in PREFIXES] > [dee[4:]]
        there.database.close()


def _look_of_another(data: Path, clock: FakeClock) -> machine.Lookout:
    database = Database(data / "hexcast.db")
    adapters = machine.Local(
        public_url="", key=b"k" * 32, database=database, data=data / "media", transcode_jobs=1, shared=True
    )
    assert adapters.now()() == clock.now()
    lookout: machine.Lookout = adapters.lookout()
    return lookout


def test_ids_rise_and_never_fall(clock: FakeClock) -> None:
    ids = Ulids(clock.now)
    first = ids(EVENT)
    present = int(clock.now().timestamp() * 1000)
    ids.rise(present - 5)
    second = ids(EVENT)
    ids.rise(present + 5)
    third = ids(EVENT)
    assert first < second < third
    assert second[:14] == first[:14], "still of the same millisecond"


async def test_ids_sort_above_all_that_came_with_an_archive(running: Running, clock: FakeClock) -> None:
    """Of which nothing but a notification may be so new."""
    told = evolve(
        next(each for each in RECORDS if isinstance(each, Notification)),
        id=NotificationId(Ulids(lambda: clock.now() + timedelta(days=9))("ntf")),
    )

    async def given() -> AsyncIterator[Record]:
        yield told

    async with running() as house:
        await house.core.adapters.archive().load(given())
    async with running() as house:
        assert house.core.adapters.new_id()("ntf") > told.id


# --- holds


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(tmp_path / "hexcast.db", durable=False)
    yield made
    made.close()


@backs
async def test_events_are_held_no_longer(database: Database, clock: FakeClock, back: timedelta) -> None:
    """By whoever died with them, and between two tries."""
    outbox = SqliteOutbox(database, Ulids(clock.now))
    await database.write(
        lambda transaction: outbox.append(transaction, [ChannelOpened(ChannelId(name), clock.now()) for name in "ab"])
    )
    held, failed = await outbox.claim(clock.now())
    clock.advance(SECOND)
    await outbox.failed(failed.id, "no luck", clock.now() + 2 * EVENT_HOLD)
    clock.advance(-back)
    assert not await outbox.claim(clock.now())
    clock.advance(EVENT_HOLD - SECOND)
    assert not await outbox.claim(clock.now())
    clock.advance(SECOND)
    assert [each.id for each in await outbox.claim(clock.now())] == [held.id]
    clock.advance(EVENT_HOLD + SECOND)
    assert failed.id in [each.id for each in await outbox.claim(clock.now())]


@backs
async def test_what_another_process_has_seen_to_is_not_moved_twice(
    database: Database, clock: FakeClock, back: timedelta
) -> None:
    """Both notice that the clock was set back, the second a little later."""
    here, there = (SqliteOutbox(database, Ulids(clock.now)) for _ in range(2))
    await here.put(ChannelOpened(ChannelId("chn_1"), clock.now()), Ulids(clock.now)(EVENT))  # type: ignore[arg-type]
    await there.claim(clock.now())
    await here.claim(clock.now())
    clock.advance(-back)
    assert not await here.claim(clock.now())
    clock.advance(EVENT_HOLD / 2)
    assert not await there.claim(clock.now())
    clock.advance(EVENT_HOLD / 2 - SECOND)
    assert not await there.claim(clock.now())
    clock.advance(SECOND)
    assert len(await there.claim(clock.now())) == 1


@backs
async def test_keys_are_held_no_longer(database: Database, clock: FakeClock, back: timedelta) -> None:
    """Whoever is at the request may be at it still: it waits once more, and not until the clock is there again."""
    idempotency = SqliteIdempotency(database)
    await idempotency.begin("key", "request", clock.now())
    clock.advance(-back)
    for passed in (timedelta(), CLAIMED - SECOND):
        clock.advance(passed)
        with pytest.raises(Conflict) as refused:
            await idempotency.begin("key", "request", clock.now())
        assert refused.value.code == "idempotency_in_flight"
    clock.advance(SECOND)
    assert await idempotency.begin("key", "request", clock.now()) is None


@backs
async def test_jobs_and_reports_are_held_no_longer(database: Database, clock: FakeClock, back: timedelta) -> None:
    """By whoever died with them: what lives says so again soon."""
    reports = SqliteReports(database, clock.now)
    queue = JobQueue(database, reports, clock.now)
    await queue.add(TranscodeOrder(video=VideoId("vid_1"), attempt=1, source="raw/upl_1/source"))
    lost = await queue.claim(10)
    assert lost is not None
    await queue.say(lost, lost.report)
    report = await reports.next()
    clock.advance(-back)
    assert await queue.claim(10) is None
    assert await reports._take() is None
    clock.advance(HOLD)
    again = await queue.claim(10)
    assert again is not None
    assert (again.job, again.deaths) == (lost.job, 1)
    clock.advance(AGAIN_AFTER)
    assert await reports._take() == report
    assert report.state is State.PENDING


@backs
async def test_a_restart_frees_what_was_held(running: Running, clock: FakeClock, back: timedelta) -> None:
    """At once, whatever the clock says."""
    async with running() as house:
        await house.person("ann")
        (event,) = await house.core.adapters.outbox().claim(clock.now())
        # A task of its own, as every request is one: what others write is no effect of it.
        begun = house.core.adapters.idempotency().begin("key", "request", clock.now())
        await asyncio.create_task(begun)
    clock.advance(-back)
    async with running() as house:
        assert [each.id for each in await house.core.adapters.outbox().claim(clock.now())] == [event.id]
        assert await house.core.adapters.idempotency().begin("key", "request", clock.now()) is None


# --- tokens and links


@backs
async def test_tokens_and_links_stay_good(running: Running, clock: FakeClock, back: timedelta) -> None:
    """What was given out before is good until the moment that it names, so for longer; what is given out after that is
    good for as long as ever. Nobody is signed out.
    """
    part = UploadId("upl_1"), 1
    async with running() as house:
        await house.person("ann")
        before = await house.core.sign_in()("ann@example.org", "correct horse battery")
        links = house.core.adapters.links()
        grant = Grant(VideoId("vid_1"), Audience.ANYONE, clock.now() + timedelta(minutes=1))
        shown = links.granted(grant, "v/vid_1/x.m4s").split("/")[5]
        put = links.part(*part, clock.now() + timedelta(minutes=1)).rpartition("/")[2]
    clock.advance(-back)
    async with running() as house:
        adapters = house.core.adapters
        tokens = TokenVerifier(
            keys=adapters.keys(), issuer=adapters.issuer(), client_ids=adapters.client_ids(), now=adapters.now()
        )
        actor = await tokens.actor(before.access)
        after = await house.core.refresh_tokens()(before.refresh)
        assert await tokens.actor(after.access) == actor
        links = adapters.links()
        assert links.grant(shown) == grant
        assert links.ticket(put).number == part[1]
        again = await house.core.sign_in()("ann@example.org", "correct horse battery")
        assert await tokens.actor(again.access) == actor
        clock.advance(timedelta(seconds=after.expires_in_s + 60))
        for token in (after.access, again.access):
            with pytest.raises(Exception, match="refresh it"):
                await tokens.actor(token)
