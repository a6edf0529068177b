"""The functions of the cloud in this process, over the memory profile unless a test puts others in its place."""

import io
import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import count
from typing import Any

import pytest
from attrs import frozen

from application.uploads import UploadCard
from domain.access import Actor
from domain.channels import Channel
from domain.errors import NotFound
from domain.identity import User
from domain.ids import ChannelId, UploadId, UserId
from domain.uploads import Status
from domain.videos import Visibility
from entrypoints.container import Core
from tests.application.world import CLIP, pieces
from tests.entrypoints import aws_events as aws

OLGA = UserId("usr_olga")
_NUMBERS = count()


@frozen
class Functions:
    """One environment of Lambda's, with the functions in it."""

    core: Core
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    events: Any
    printed: Callable[[], Sequence[Mapping[str, Any]]]

    def call(self, name: str, event: Mapping[str, Any], **context: Any) -> Any:
        return getattr(self.events, name)(event, aws.Context(**context))

    def failed(self, name: str, event: Mapping[str, Any]) -> list[str]:
        """The names of the records that are to come again."""
        answer = self.call(name, event)
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def counted(self) -> dict[str, float]:
        """What the calls since the last look counted."""
        found: dict[str, float] = {}
        for line in self.printed():
            for metric in line.get("_aws", {}).get("CloudWatchMetrics", [{}])[0].get("Metrics", ()):
                value = line[metric["Name"]]
                found[metric["Name"]] = found.get(metric["Name"], 0) + sum(
                    value if isinstance(value, list) else [value]
                )
        return found

    # --- what there is

    def announce(self, content: bytes = CLIP, *, send: bool = True) -> UploadCard:
        """An upload of Olga's into a channel of hers, with its bytes."""
        card: UploadCard = self.run(self._announced(content, send=send))
        return card

    async def _announced(self, content: bytes, *, send: bool) -> UploadCard:
        adapters, now = self.core.adapters, self.core.adapters.now()()
        try:
            await adapters.users().get(OLGA)
        except NotFound:
            olga = User(id=OLGA, handle="olga", display_name="Olga", email="olga@hexcast.test", created_at=now)
            await adapters.users().save(olga)
            channel = Channel(id=ChannelId("chn_cats"), owner=OLGA, handle="cats", name="Cats", created_at=now)
            await adapters.channels().save(channel)
        card: UploadCard = await self.core.start_upload()(
            Actor(OLGA), ChannelId("chn_cats"), filename="film.mp4", content_type="video/mp4",
            size_bytes=len(content), visibility=Visibility.PUBLIC,
        )  # fmt: skip
        if send:
            await adapters.media().receive(card.upload, 1, pieces(content))
        return card

    def status(self, upload: UploadId) -> Status:
        found: Status = self.run(self.core.adapters.uploads().get(upload)).status
        return found

    def waiting(self) -> Mapping[str, str]:
        """Events in the outbox and their kinds."""
        return {id_: type(each.event).__name__ for id_, each in self.core.adapters.outbox()._waiting.items()}

    def stream(self) -> dict[str, Any]:
        """What a stream would tell of all that waits in the outbox."""
        return aws.of_stream(*(aws.change(id_, kind) for id_, kind in self.waiting().items()))


@pytest.fixture
def unopened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """A fresh environment: modules are loaded anew, by name, as what they hold lives as long as one."""
    for name, value in {
        "HEXCAST_PROFILE": "memory", "HEXCAST_PUBLIC_URL": "https://hexcast.test", "HEXCAST_SECRET": "s" * 32,
        "HEXCAST_RATE_LIMIT": "0", "HEXCAST_LOG_FORMAT": "json",
        "POWERTOOLS_SERVICE_NAME": f"hexcast-{next(_NUMBERS)}",  # loggers live as long as the process
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    # Its loggers would keep this test's output, whoever uses them next.
    monkeypatch.setattr("entrypoints.log.configure", lambda _: None)
    for module in ("runtime", "telemetry", "events", "api"):
        monkeypatch.delitem(sys.modules, f"entrypoints.lambda.{module}", raising=False)
    yield lambda module: import_module(f"entrypoints.lambda.{module}")
    import_module("entrypoints.lambda.runtime").close()


@pytest.fixture
def functions(unopened: Callable[[str], Any], capsys: pytest.CaptureFixture[str]) -> Functions:
    runtime, events = unopened("runtime"), unopened("events")
    logged = io.StringIO()  # the standard output of a fixture is not that of its test
    events.log.handlers[0].setStream(logged)

    def printed() -> list[Mapping[str, Any]]:
        lines = [*capsys.readouterr().out.splitlines(), *logged.getvalue().splitlines()]
        logged.truncate(logged.seek(0))
        return [json.loads(line) for line in lines if line.startswith("{")]

    return Functions(runtime.core(), runtime.run, events, printed)
