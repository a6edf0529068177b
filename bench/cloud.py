"""The same core on the emulated cloud: what DynamoDB's client costs, and each use case in request units; how long a
function takes to start and to answer; how fast a crowd is told.
"""

import asyncio
import resource
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from adapters.aws.clients import CHEAP
from adapters.aws.dynamo import Tables
from adapters.aws.tables import TABLES, definition
from application.notifications import FAN_OUT_PAGE
from bench.rows import Row, least, most, say
from bench.servers import ROOT
from bench.units import core_on, costs
from bench.world import Size, fill
from domain.access import ANONYMOUS
from domain.ids import NOTIFICATION, ChannelId, NotificationId, UserId
from domain.notifications import Kind, Notification, Subject
from tests.cloud.world import client as client_of
from tests.cloud.world import world
from tests.entrypoints import aws_events as aws
from tests.entrypoints.lambda_runtime import environment
from tests.entrypoints.test_package import VARIABLES

TREE, PACKAGE = ROOT / "build" / "lambda", ROOT / "build" / "lambda.zip"
MIB = 1024 * 1024
BARE = """
def handler(event, context):
    return {answer}
"""


def cloud(folder: Path, *, quick: bool) -> Iterator[Row]:
    """All rows."""
    folder.mkdir(parents=True, exist_ok=True)
    yield from asyncio.run(_lists(quick=quick))
    for cost in asyncio.run(costs()):
        reads, writes = cost.least
        yield Row(
            f"{cost.use_case}: request units", f"{cost.reads:g} R {cost.writes:g} W in {cost.calls} calls",
            f"least {reads:g} R {writes:g} W{f'; {cost.why}' if cost.why else ''}",
        )  # fmt: skip
    yield from _functions(folder, quick=quick)
    yield from asyncio.run(_crowd(quick=quick))


# --- lists ---------------------------------------------------------------------------------------


async def _lists(*, quick: bool) -> Sequence[Row]:
    rounds, times = (2, 20) if quick else (5, 100)
    async with world() as cloud_, client_of("dynamodb", cloud_.account, **CHEAP) as client:
        plain = await cloud_.client("dynamodb")
        tables = await _provisioned(client)
        core = core_on(tables)
        seeded = await fill(Size(videos=100, comments=400), core)
        channel = ChannelId(seeded["hot_channel"])
        videos, request = core.adapters.videos(), dict[str, Any]()

        async def ours() -> object:
            return await videos.listed(channel=channel)

        async def noted(**given: Any) -> Any:
            request.update(given)
            return await asked(**given)

        asked, tables.client = client.query, _Noting(client, noted)
        await ours()
        tables.client = client

        async def bare() -> object:
            return await plain.query(**request)

        spent: dict[str, list[float]] = {"ours": [], "bare": []}
        for _ in range(rounds):
            spent["ours"].append(await _cpu_ms(ours, times))
            spent["bare"].append(await _cpu_ms(bare, times))
        ms, least_ms = (statistics.median(spent[name]) for name in ("ours", "bare"))
        page = await _cpu_ms(lambda: core.list_videos()(ANONYMOUS, channel=channel), times // 4)
    return [
        Row("a list of 20 from DynamoDB: CPU of our process", f"{ms:.2f} ms", "1.5 ms", ms / 1.5, most(1)),
        Row("  beside the bare client's Query", f"{ms:.2f} ms", f"bare {least_ms:.2f} ms", ms / least_ms, most(1.3)),
        Row("  put together with all that a page shows", f"{page:.2f} ms", ""),
    ]


class _Noting:
    """A client whose queries are noted."""

    def __init__(self, client: Any, query: Any) -> None:
        self._client = client
        self.query = query

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


async def _cpu_ms(work: Callable[[], Awaitable[object]], times: int) -> float:
    await work()
    begun = time.process_time()
    for _ in range(times):
        await work()
    return (time.process_time() - begun) / times * 1000


async def _provisioned(client: Any) -> Tables:
    for table in TABLES:
        await client.create_table(**definition(table, table.name))
    return Tables(client, {table.name: table.name for table in TABLES})


# --- functions -----------------------------------------------------------------------------------


def _functions(folder: Path, *, quick: bool) -> Iterator[Row]:
    rounds = 3 if quick else 8
    subprocess.run([sys.executable, "-m", "deploy.package"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    size = PACKAGE.stat().st_size / MIB
    yield Row("package, zipped", f"{size:.1f} MiB", "25 MiB", size / 25, most(1))
    ours, theirs = list[float](), list[float]()
    for _ in range(rounds + 1):
        theirs.append(_started_s("import litestar, aiobotocore.session"))
        ours.append(_started_s('import importlib; importlib.import_module("entrypoints.lambda.api")'))
    begun, imported = (
        statistics.median(each[1:]) * 1000 for each in (ours, theirs)
    )  # the first found no files in memory
    figures = f"{begun:.0f} ms of CPU", f"import litestar, aiobotocore: {imported:.0f} ms"
    yield Row("api: import and init", *figures, begun / imported, most(1.3))
    yield _warm(folder, 50 if quick else 300)


def _started_s(code: str) -> float:
    """CPU seconds of a new interpreter with what the package has, byte code included, and nothing else."""
    env = {**VARIABLES, "AWS_REGION": "eu-central-1", "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9", "PYTHONPATH": str(TREE)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-S", "-c", code], check=True, cwd=TREE, env=env, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _warm(folder: Path, times: int) -> Row:
    packages = Path(sysconfig.get_paths()["purelib"])
    event = aws.request("GET", "/v1/meta")
    took: dict[str, float] = {}
    with environment("entrypoints.lambda.api.handler", [ROOT, packages], VARIABLES, folder / "api.log") as api:
        answer = api.call(event)
        assert answer.kind == "response", (folder / "api.log").read_text()
        took["ours"] = _median_ms(lambda: api.call(event), times)
    (folder / "bare.py").write_text(BARE.format(answer=repr(answer.body)))
    with environment("bare.handler", [folder, packages], VARIABLES, folder / "bare.log") as api:
        took["bare"] = _median_ms(lambda: api.call(event), times)
    over = took["ours"] - took["bare"]
    figures = f"{took['ours']:.2f} ms", f"the same bytes: {took['bare']:.2f} ms; 3 ms more are allowed"
    return Row("api: a warm call, GET /v1/meta", *figures, over / 3, most(1))


def _median_ms(call: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times + 5):
        begun = time.perf_counter()
        call()
        took.append(time.perf_counter() - begun)
    return statistics.median(took[5:]) * 1000


# --- a crowd -------------------------------------------------------------------------------------


async def _crowd(*, quick: bool) -> Sequence[Row]:
    fans = 5_000 if quick else 100_000
    async with world() as cloud_, client_of("dynamodb", cloud_.account, **CHEAP) as client:
        plain = await cloud_.client("dynamodb")
        tables = await _provisioned(client)
        core = core_on(tables)
        inbox, new_id, now = core.adapters.inbox(), core.adapters.new_id(), core.adapters.now()
        subject = Subject("video", "vid_" + "1" * 26)
        took = {"ours": 0.0, "raw": 0.0}
        for at in range(0, fans, FAN_OUT_PAGE):
            event = NotificationId(new_id(NOTIFICATION))
            told = [
                Notification(
                    id=event, user=UserId(f"usr_{number:026}"), kind=Kind.VIDEO_PUBLISHED, actor=None, subject=subject,
                    text="Symphony no. 9, rehearsed and then played", created_at=now(),
                )
                for number in range(at, min(at + FAN_OUT_PAGE, fans))
            ]  # fmt: skip
            begun = time.perf_counter()
            await inbox.settings_of([each.user for each in told])
            assert len(await inbox.deliver(told)) == len(told)
            took["ours"] += time.perf_counter() - begun
            took["raw"] += await _raw(plain, told)
    rates = {name: fans / seconds for name, seconds in took.items()}
    say(f"  {fans:,} told in {took['ours']:.0f} s; raw {took['raw']:.0f} s")
    figures = f"{rates['ours']:,.0f} a second", f"raw BatchWriteItem: {rates['raw']:,.0f}"
    return [Row(f"{fans:,} are told on DynamoDB", *figures, rates["ours"] / rates["raw"], least(0.7))]


async def _raw(client: Any, told: Sequence[Notification]) -> float:
    """Seconds for as many items of the same size, eight batches at once, as ours go."""
    items = [
        {"pk": {"S": f"RAW#{each.user}"}, "sk": {"S": each.id}, "doc": {"S": "x" * 300}, "expires": {"N": "4102444800"}}
        for each in told
    ]
    steps = [{"PutRequest": {"Item": item}} for item in items]
    batches = [steps[at : at + 25] for at in range(0, len(steps), 25)]
    begun = time.perf_counter()
    for at in range(0, len(batches), 8):
        await asyncio.gather(
            *(client.batch_write_item(RequestItems={"inbox": batch}) for batch in batches[at : at + 8])
        )
    return time.perf_counter() - begun
