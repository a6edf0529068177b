"""A whole platform over the in-memory profile: the real core, a clock that stands still, people known by name.

Any call to an adapter may be made to fail (``Faults``), and what goes on by itself is driven to its end without
waiting (``settle``, ``pass_time``).
"""

import asyncio
import contextlib
import inspect
import io
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

from attrs import define, field, frozen
from dependency_injector.containers import DynamicContainer
from dependency_injector.providers import Object
from PIL import Image

from adapters.inmemory.container import Memory
from adapters.inmemory.identity import InMemoryAccounts
from adapters.inmemory.told import AGAIN_AFTER
from application.broadcasts import SessionCard
from application.events import Delivered
from application.ports import Event, Page, Pretence
from application.sweeping import REST, SweepOrphans, Swept
from application.uploads import UploadCard
from application.videos import VideoCard
from domain.access import Actor, Role
from domain.channels import Channel, Member
from domain.errors import NotFound, Unauthenticated
from domain.identity import User
from domain.ids import ChannelId, StreamId, UserId, VideoId
from domain.media import attempt_prefix
from domain.notifications import Notification
from domain.processing import Report
from domain.streams import live_prefix
from domain.uploads import MIB, Limits, Part, Upload
from domain.videos import Visibility
from entrypoints.container import Core
from entrypoints.settings import Settings
from tests.identities import CHEAP, signing_keys
from tests.worlds import FakeClock

T = TypeVar("T")
URL = "http://hexcast.test"
CLIP = b"hexcast-fake 640x480 60.0s audio\n"
"""A file that the in-memory transcoder can read: one minute, two renditions."""
BROKEN = b"no film at all\n"
GONE = (NotFound, Unauthenticated)


class Crash(Exception):
    """The process died in the middle of a call to an adapter."""


@define
class Faults:
    """Which calls to adapters fail, by their number since the world began to count; ``calls`` names them all."""

    at: dict[int, bool] = field(factory=dict)
    """The number of a call, and whether it fails only after its effect."""
    calls: list[str] = field(factory=list)
    counting: bool = False

    def wrap(self, name: str, port: Any) -> Any:
        return _Port(name, port, self)

    def next(self, name: str) -> bool | None:
        """None: this call goes well."""
        if not self.counting:
            return None
        self.calls.append(name)
        return self.at.get(len(self.calls) - 1)

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        self.counting = True
        try:
            yield
        finally:
            self.counting = False


class _Port:
    def __init__(self, name: str, port: Any, faults: Faults) -> None:
        self._name, self._port, self._faults = name, port, faults

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def called(*args: Any, **kwargs: Any) -> Any:
            late = self._faults.next(f"{self._name}.{name}")
            if late is False:
                raise Crash(f"before {self._name}.{name}")
            try:
                return await found(*args, **kwargs)
            finally:
                if late:
                    raise Crash(f"after {self._name}.{name}")

        return called


PORTS = (
    "accounts", "users", "channels", "videos", "uploads", "processings", "comments", "reactions", "subscriptions",
    "history", "sessions", "viewings", "inbox", "live", "search", "outbox", "media", "store", "delivery", "transcoder", "reports",
    "images", "rounds", "streams", "broadcasts", "ingest", "signals",
)  # fmt: skip


async def pieces(content: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(content), MIB):
        yield content[at : at + MIB]


def picture(width: int = 64, height: int = 36) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(out, "PNG")
    return out.getvalue()


@frozen
class World:
    """``raw`` are the adapters as they are, ``core`` the use cases over the same adapters as ``faults`` lets them be."""

    core: Core
    raw: Memory
    clock: FakeClock
    faults: Faults
    channel: ClassVar[ChannelId] = ChannelId("chn_cats")
    owner: ClassVar[Actor] = Actor(UserId("usr_olga"))
    editor: ClassVar[Actor] = Actor(UserId("usr_edgar"))
    moderator: ClassVar[Actor] = Actor(UserId("usr_mona"))
    fan: ClassVar[Actor] = Actor(UserId("usr_fay"))
    stranger: ClassVar[Actor] = Actor(UserId("usr_sven"))
    admin: ClassVar[Actor] = Actor(UserId("usr_ada"), frozenset({Role.USER, Role.ADMIN}))
    staff: ClassVar[Actor] = Actor(UserId("usr_mick"), frozenset({Role.USER, Role.MODERATOR}))

    async def populate(self) -> None:
        people = (self.owner, self.editor, self.moderator, self.fan, self.stranger, self.admin, self.staff)
        for actor in people:
            name = actor.require_user().removeprefix("usr_")
            await self.raw.users().save(
                User(
                    id=actor.require_user(), handle=name, display_name=name.title(), email=f"{name}@hexcast.test",
                    roles=actor.roles or frozenset({Role.USER}), created_at=self.clock.now(),
                )
            )  # fmt: skip
        await self.raw.channels().save(
            Channel(
                id=self.channel, owner=self.owner.require_user(), handle="cats", name="Cats",
                members={
                    self.editor.require_user(): Member.EDITOR, self.moderator.require_user(): Member.MODERATOR,
                },
                created_at=self.clock.now(),
            )
        )  # fmt: skip

    def employ(self, transcoder: object) -> None:
        """From now on another transcoder is asked."""
        self.core.adapters.transcoder()._port = transcoder

    # --- what people do

    async def announce(self, content: bytes = CLIP, *, by: Actor | None = None, **more: Any) -> UploadCard:
        card: UploadCard = await self.core.start_upload()(
            by or self.owner, self.channel, filename="film.mp4", content_type="video/mp4", size_bytes=len(content),
            **more,
        )  # fmt: skip
        return card

    async def send(self, card: UploadCard, content: bytes = CLIP) -> Sequence[Part]:
        """Every part of the content through our own door."""
        upload, size = card.upload, card.upload.part_size_bytes
        tickets = await self.core.sign_parts()(Actor(upload.user), upload.id, range(1, upload.parts + 1))
        return [
            await self.put(ticket.url, content[(ticket.number - 1) * size : ticket.number * size]) for ticket in tickets
        ]

    async def put(self, url: str, content: bytes, *, announced: int | None = None) -> Part:
        part: Part = await self.core.receive_part()(url.rpartition("/")[2], announced, pieces(content))
        return part

    async def upload(self, content: bytes = CLIP, *, by: Actor | None = None, **more: Any) -> Upload:
        """A whole file, up to where the platform goes on by itself."""
        card = await self.announce(content, by=by, **more)
        await self.send(card, content)
        done: UploadCard = await self.core.complete_upload()(by or self.owner, card.upload.id, [])
        return done.upload

    async def publish(self, content: bytes = CLIP, **more: Any) -> VideoId:
        """A video that is ready, and public unless told otherwise."""
        more.setdefault("visibility", Visibility.PUBLIC)
        upload = await self.upload(content, **more)
        await self.settle()
        return upload.video

    async def stream(self, **more: Any) -> StreamId:
        """A stream of the channel that an encoder may send to."""
        more.setdefault("title", "Cats live")
        card = await self.core.create_stream()(self.owner, self.channel, **more)
        await self.core.show_ingest()(self.owner, card.stream.id)
        stream: StreamId = card.stream.id
        return stream

    async def pretend(self, stream: StreamId, *steps: Pretence) -> None:
        """An encoder does this, and everyone hears of it."""
        for step in steps:
            await self.raw.ingest().simulate(await self.raw.streams().get(stream), step)
            await self.settle()

    async def sessions(self, stream: StreamId) -> Sequence[SessionCard]:
        """Oldest first."""
        page: Page[SessionCard] = await self.core.show_sessions().of_stream(self.owner, stream, limit=100)
        return page.items[::-1]

    async def show(self, actor: Actor, video: VideoId) -> VideoCard:
        card: VideoCard = await self.core.show_video()(actor, video)
        return card

    async def persist(self, step: Callable[[], Awaitable[T]]) -> T | None:
        """The step's outcome; after a crash it is tried again, and what is gone by then is well."""
        crashed = False
        while True:
            try:
                return await step()
            except Crash:
                crashed = True
            except GONE:
                if not crashed:
                    raise
                return None

    # --- what goes on by itself

    async def deliver(self) -> Sequence[Delivered]:
        delivered: Sequence[Delivered] = await self.core.deliver_events()()
        return delivered

    async def hear(self) -> bool:
        """Apply one report; whether there was one."""
        report = await self.told()
        if report is not None:
            with contextlib.suppress(NotFound):
                await self.core.apply_report()(report)
                await self.core.adapters.reports().settle(report)
        return report is not None

    async def listen(self) -> bool:
        """Believe one signal of the ingest; whether there was one."""
        if not self._waits(self.raw.signals()._given.values()):
            return False
        signal = await self.core.adapters.signals().next()
        with contextlib.suppress(NotFound):
            await self.core.take_signal()(signal)
        await self.core.adapters.signals().settle(signal)
        return True

    def _waits(self, given: Iterable[datetime | None]) -> bool:
        return any(each is None or each + AGAIN_AFTER <= self.clock.now() for each in given)

    async def told(self) -> Report | None:
        if not self._waits(self.raw.reports()._given.values()):
            return None
        report: Report = await self.core.adapters.reports().next()
        return report

    async def transcode(self) -> None:
        """Let the transcoder finish what it has begun."""
        running = self.raw.transcoder()._running
        while running:
            await asyncio.wait(set(running.values()))

    async def settle(self) -> None:
        """Events and reports, until nothing is left that is due now."""
        busy = True
        while busy:
            busy = await self._once(self._delivered)
            await self.transcode()
            busy = await self._once(self.hear) or busy
            busy = await self._once(self.listen) or busy

    async def _delivered(self) -> bool:
        return bool(await self.deliver())

    async def _once(self, step: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await step()
        except Crash:
            return True

    async def sweep(self) -> None:
        core = self.core
        for step in (
            core.publish_due(), core.expire_uploads(), core.expire_sign_ups(), core.sweep_processing(),
            core.sweep_broadcasts(), core.remind_due(),
        ):  # fmt: skip
            try:
                await step()
            except* Crash:  # alone, or with what else failed of one sweep
                pass

    async def pass_time(self, by: timedelta = timedelta(minutes=3), times: int = 1) -> None:
        for _ in range(times):
            self.clock.advance(by)
            await self.sweep()
            await self.settle()

    async def days_later(self) -> None:
        """Long enough for every lease, hold, pause and lifetime that there is to end."""
        await self.pass_time(timedelta(minutes=3), 4)
        await self.pass_time(timedelta(hours=1, minutes=1), 2)
        await self.pass_time(timedelta(hours=25), 2)

    async def tidy(self) -> list[Swept]:
        """Whole rounds of the sweep of orphans: two, since what one finds goes in the next."""
        swept: list[Swept] = []
        for _ in range(2):
            swept += await self.tidy_once()
            self.clock.advance(REST)
        return swept

    async def tidy_once(self) -> list[Swept]:
        """One round, to its end, or the rest of one that is under way."""
        sweep: SweepOrphans = self.core.sweep_orphans()
        swept: list[Swept] = []
        while True:
            try:
                swept += await sweep()
            except Crash as crash:
                swept.append(Swept("the round", error=crash))
                continue
            if not (await self.raw.rounds().get()).folders:
                return swept

    # --- what is there in the end

    def files(self, prefix: str = "") -> set[str]:
        return {key for key in self.raw.media()._files if key.startswith(prefix)}

    def incoming(self) -> set[str]:
        """Uploads of which any byte is kept."""
        kept = self.raw.media()._incoming
        return {upload for upload, each in kept.items() if each.parts or each.source is not None}

    async def named(self) -> set[str]:
        """The files here that some record names."""
        channels = await self.raw.channels().of_member(self.owner.require_user())
        files = {key for channel in channels for key in channel.files}
        for stream in self.raw.streams()._streams:
            files |= self.files(live_prefix(stream))
        for channel in channels:
            page = await self.raw.videos().of_channel(channel.id, limit=1000)
            processings = await self.raw.processings().many([video.id for video in page.items])
            for video in page.items:
                attempts = {each.attempt for each in (video.media, processings.get(video.id)) if each}
                files |= {key for attempt in attempts for key in self.files(attempt_prefix(video.id, attempt))}
                files |= video.files
        return files

    def quota(self, actor: Actor) -> int:
        usage = self.raw.uploads()._usage.get(actor.require_user())
        return usage.bytes if usage else 0

    async def inbox(self, actor: Actor) -> Sequence[Notification]:
        page: Page[Notification] = await self.raw.inbox().list(actor.require_user(), limit=100)
        return page.items

    async def told_of(self, actor: Actor) -> Counter[str]:
        """How often each kind of thing was said to someone."""
        return Counter(each.kind.value for each in await self.inbox(actor))

    async def dead(self) -> list[str]:
        """Events that were given up, with the reason."""
        return [f"{envelope.event}: {reason}" for envelope, reason in await self.raw.outbox().dead()]

    async def take_events(self) -> list[Event]:
        """The events that wait, and nobody gets to see them."""
        taken: list[Event] = []
        while envelopes := await self.raw.outbox().claim(self.clock.now()):
            for envelope in envelopes:
                taken.append(envelope.event)
                await self.raw.outbox().done(envelope.id)
        return taken


@asynccontextmanager
async def new_world(*, limits: Limits | None = None, founders: dict[str, Role] | None = None) -> AsyncIterator[World]:
    clock, faults = FakeClock(), Faults()
    raw = Memory(public_url=URL, key=b"k" * 32)
    raw.clock.override(Object(clock))
    accounts = InMemoryAccounts(
        keys=signing_keys(), mailbox=raw.mailbox(), now=clock.now, new_id=raw.new_id(), issuer=URL, client_id="tests",
        passwords=CHEAP,
    )  # fmt: skip
    raw.accounts.override(Object(accounts))
    wrapped = DynamicContainer()
    for name, provider in raw.providers.items():
        setattr(wrapped, name, Object(faults.wrap(name, provider())) if name in PORTS else provider)
    settings = Settings(profile="memory", limits=limits or Limits(), founders=founders or {})
    world = World(Core(settings=settings, adapters=wrapped), raw, clock, faults)
    await world.populate()
    try:
        yield world
    finally:
        await raw.transcoder().aclose()
        raw.search().close()
