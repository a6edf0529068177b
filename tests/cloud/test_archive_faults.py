"""An archive of the cloud, and a recount, while calls of AWS's fail: a dump is made again, a load goes on, and nobody is
there or counted twice.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.aws.archive import DynamoArchive
from adapters.aws.engagement import _SUBSCRIBERS
from adapters.aws.recount import EVERY, Recount
from adapters.aws.tables import SOCIAL, TABLES, definition
from application.moving import renamed
from application.ports import Account, Record, Waiting
from domain.access import Role
from domain.engagement import Notify, Subscription
from domain.errors import Unavailable
from domain.ids import UserId
from tests.cloud.faults import TESTED, Failing, Rule, broken, cut, failing, lost, throttled
from tests.cloud.pools import pool
from tests.cloud.world import client, world
from tests.contract.test_archive import archive_of, given_, some_channel
from tests.worlds import FakeClock

RECORDS: list[Record] = [
    Account(
        user=UserId("usr_ann"), email="ann@example.com", password="$argon2id$", handle="ann", confirmed=True,
        roles=frozenset({Role.ADMIN}),
    ),
    Account(user=UserId("usr_ben"), email="ben@example.com", password="$argon2id$", handle="ben"),
    some_channel(),
]  # fmt: skip
DUMPING = [
    ("dynamodb", "DescribeContinuousBackups"), ("dynamodb", "DescribeTable"), ("dynamodb", "ExportTableToPointInTime"),
    ("dynamodb", "DescribeExport"), ("s3", "GetObject"), ("cognito-idp", "ListUsersInGroup"),
    ("cognito-idp", "ListUsers"),
]  # fmt: skip
LOADING = [
    ("dynamodb", "DescribeTable"), ("dynamodb", "PutItem"), ("dynamodb", "TransactWriteItems"),
    ("cognito-idp", "ListUsers"), ("cognito-idp", "AdminCreateUser"), ("cognito-idp", "AdminSetUserPassword"),
    ("cognito-idp", "AdminAddUserToGroup"), ("cognito-idp", "SignUp"),
]  # fmt: skip
RECOUNTING = [
    ("dynamodb", "GetItem"), ("dynamodb", "DescribeTable"), ("dynamodb", "DescribeContinuousBackups"),
    ("dynamodb", "ExportTableToPointInTime"), ("dynamodb", "PutItem"), ("dynamodb", "DescribeExport"),
    ("s3", "GetObject"), ("dynamodb", "TransactWriteItems"),
]  # fmt: skip
TESTED.update([*DUMPING, *LOADING, *RECOUNTING])
Fault = Callable[[str, str], Rule]


@asynccontextmanager
async def archive(rules: Sequence[Rule], tries: int) -> AsyncIterator[tuple[DynamoArchive, Failing]]:
    """Calls are sent again by the SDK until there were so many tries."""
    clock = FakeClock()
    config: Any = {"retries": {"total_max_attempts": tries}}
    with failing(*rules) as here:
        async with (
            world() as place,
            client("dynamodb", place.account, url=here.url, **config) as dynamodb,
            client("s3", place.account, url=here.url, **config) as s3,
            pool(clock.now, url=here.url, **config) as people,
        ):
            past = {"PointInTimeRecoveryEnabled": True}
            for table in TABLES:
                await dynamodb.create_table(**definition(table, table.name))
                await dynamodb.update_continuous_backups(TableName=table.name, PointInTimeRecoverySpecification=past)
            yield archive_of(clock, dynamodb, s3, await place.bucket("raw"), people), here


@pytest.mark.parametrize("fault", [throttled, broken, cut, lost])
async def test_a_dump_that_fails_says_so_and_is_made_again(fault: Fault) -> None:
    """At whichever call it fails. A GET whose connection was closed is sent again by aiohttp, so that two may fail in one
    go.
    """
    async with archive([fault(*call) for call in DUMPING], 1) as (opened, here):
        while len(here.fired()) < len(DUMPING):
            with pytest.raises(Unavailable):
                [record async for record in opened.dump()]
        assert here.fired() == [operation for _, operation in DUMPING]
        assert [record async for record in opened.dump()] == []


@pytest.mark.parametrize("fault", [throttled, broken, cut, lost])
async def test_a_load_goes_on_when_each_call_fails_once(fault: Fault) -> None:
    """Also when it was carried out, and only its answer is lost."""
    async with archive([fault(*call) for call in LOADING], 2) as (opened, here):
        assert await opened.load(given_(RECORDS)) == len(RECORDS)
        assert sorted(here.fired()) == sorted(operation for _, operation in LOADING)
        kept = [record async for record in opened.dump()]
        people = {each.handle: each for each in kept if isinstance(each, Account)}
        assert {handle: (each.confirmed, each.roles) for handle, each in people.items()} == {
            "ann": (True, {Role.ADMIN}), "ben": (False, frozenset()),
        }  # fmt: skip
        moved = renamed(some_channel(), {UserId("usr_ann"): people["ann"].user})
        assert [each for each in kept if not isinstance(each, (Account, Waiting))] == [moved]


@pytest.mark.parametrize("fault", [throttled, broken, cut, lost])
async def test_a_recount_goes_on_when_each_call_fails_once(fault: Fault) -> None:
    """What is off is added once, also when its answer is lost."""
    clock, channel = FakeClock(), some_channel().id
    async with archive([], 2) as (opened, here):
        recount = Recount(
            tables=opened.tables, store=opened.store, bucket=opened.bucket, places={SOCIAL: [opened.subscriptions]},
            now=clock.now,
        )  # fmt: skip
        await opened.subscriptions.put(Subscription(UserId("usr_ann"), channel, Notify.ALL, clock.now()))
        await opened.tables.write(_SUBSCRIBERS._adding(channel, 0, {"subscribers": 4}))
        here.let_fail(*(fault(*call) for call in RECOUNTING))
        mended = []
        for _ in range(2):
            clock.advance(EVERY)
            mended += [await recount(lambda: True) for _ in range(2)]
        assert mended == [0, 0, 0, 1]
        assert sorted(here.fired()) == sorted(operation for _, operation in RECOUNTING)
        assert await opened.subscriptions.count(channel) == 1
