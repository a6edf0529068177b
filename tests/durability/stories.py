"""What is done on a folder, and may be broken off anywhere; and what of it is there in the end.

A story is told twice when it was broken off: a person asks again for what was not answered, having looked at what is
there, and whatever goes on by itself goes on.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import av
from attrs import define, frozen
from dependency_injector.providers import Object

from adapters.local.audit import Audit
from adapters.local.container import MEDIA, held
from adapters.local.register import Register
from application.uploads import UploadCard
from application.videos import VideoCard
from domain.access import Actor, Role
from domain.channels import Channel
from domain.engagement import Notify, Reaction
from domain.errors import NotFound
from domain.identity import User
from domain.ids import ChannelId, UserId, VideoId
from domain.media import attempt_prefix
from domain.uploads import OPEN
from domain.videos import Visibility
from entrypoints.container import Core, open_app
from entrypoints.metrics import Metrics
from entrypoints.settings import Settings
from entrypoints.worker import Worker
from tests.application.world import picture, pieces

T = TypeVar("T")

FILM = "film.mp4"
CUES = b"WEBVTT\n\n00:00.000 --> 00:00.400\nHello\n"
CHANNEL = ChannelId("chn_cats")
OWNER, FAN = Actor(UserId("usr_olga")), Actor(UserId("usr_fay"))
LATER = timedelta(hours=13)
"""From one look for orphans to the next: beyond all that lets one be for a while."""
ROUNDS = 4
SOON = timedelta(seconds=61)
"""Beyond the hold of an event that failed once or twice."""
LOOK_S = 0.005
PATIENCE = 60
"""Looks, without anything under way, until the clock is moved."""
MOVES_MOST = 20
_NAMES = re.compile(r"(?<=(?:[a-z]{3})_)[0-9A-Z]{26}")


@define(eq=False)
class Scene:
    """The real core over the real adapters, with a film to send."""

    core: Core
    data: Path
    film: bytes

    @property
    def adapters(self) -> Any:
        return self.core.adapters

    async def videos(self) -> Sequence[Any]:
        page = await self.adapters.videos().of_channel(CHANNEL, limit=100)
        return sorted(page.items, key=lambda each: str(each.title))

    # --- what people do

    async def send(self) -> None:
        """Announce it, unless that was done; send what is missing, some of it twice; complete it."""
        upload = await self._announced()
        card: UploadCard = await self.core.show_upload()(OWNER, upload)
        if card.upload.status in OPEN:
            for ticket in card.tickets:
                for _ in range(2 if ticket.number == 2 else 1):
                    await self._put(ticket.url, card.upload.part_size_bytes, ticket.number)
        await self.core.complete_upload()(OWNER, upload, [])

    async def _announced(self) -> Any:
        for each in (await self.core.list_uploads()(OWNER)).items:
            if each.filename == FILM:
                return each.id
        card = await self.core.start_upload()(
            OWNER, CHANNEL, filename=FILM, content_type="video/mp4", size_bytes=len(self.film),
            visibility=Visibility.PUBLIC,
        )  # fmt: skip
        return card.upload.id

    async def _put(self, url: str, size: int, number: int) -> None:
        content = self.film[(number - 1) * size : number * size]
        await self.core.receive_part()(url.rpartition("/")[2], len(content), pieces(content))

    async def engage(self) -> None:
        """Everything that can hang on a video."""
        core, (video,) = self.core, await self.videos()
        await core.subscribe()(FAN, CHANNEL, Notify.ALL)
        comment = (await core.post_comment()(FAN, video.id, "A comment")).comment.id
        reply = (await core.post_comment().reply(OWNER, comment, "A reply")).comment.id
        await core.react().to_video(FAN, video.id, Reaction.LIKE)
        for subject in (comment, reply):
            await core.react().to_comment(FAN, subject, Reaction.DISLIKE)
        await core.set_thumbnail()(OWNER, video.id, picture())
        await core.put_caption()(OWNER, video.id, "en", CUES)
        session = (await core.open_playback()(FAN, video.id)).session.id
        await core.heartbeat()(FAN, video.id, session, 0.2)

    async def remove(self) -> None:
        for video in await self.videos():
            with suppress(NotFound):
                await self.core.remove_video()(OWNER, video.id)

    # --- what goes on by itself

    async def settle(self, *, transcodes: bool = True, every: float = 0.05) -> None:
        """Until nothing is under way but, if nothing ``transcodes``, what waits for that."""
        self.adapters.transcoder()._nice = None  # nobody else is served here
        with ExitStack() as stack:
            if not transcodes:
                stack.enter_context(self.adapters.background.override(Object(())))
            worker = Worker(self.core, Metrics(), sweep_s=every, idle_s=every, pause_s=every)
        running = asyncio.create_task(worker.run())
        try:
            await self._quiet(transcodes=transcodes)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _quiet(self, *, transcodes: bool) -> None:
        moves = looks = 0
        while not self._is_quiet(transcodes=transcodes):
            await asyncio.sleep(LOOK_S)
            looks = 0 if self._running() else looks + 1
            if looks > PATIENCE:
                looks, moves = 0, moves + 1
                assert moves < MOVES_MOST, f"this does not end: {Register(self.adapters.database()).pending()}"
                await self.adapters.clock().advance(SOON)

    def _is_quiet(self, *, transcodes: bool) -> bool:
        pending = Register(self.adapters.database()).pending()
        told = self.adapters.database().row("SELECT count(*) FROM report")[0]
        work = (pending.jobs or pending.unfinished) if transcodes else any(not each.job for each in pending.unfinished)
        return not (pending.events_waiting or told or work)

    def _running(self) -> bool:
        return any(job.state == "running" for job in Register(self.adapters.database()).pending().jobs)

    async def tidy(self) -> None:
        """Rounds of the sweep of orphans, and what follows."""
        worker = Worker(self.core, Metrics())
        for _ in range(ROUNDS):
            for _ in range(3):
                await worker.sweep()
                while await worker.deliver():
                    pass
            await self.adapters.clock().advance(LATER)

    # --- what is there in the end

    async def end(self) -> Mapping[str, Any]:
        """All that matters, without the names that differ from one time to another, and without times."""
        database, adapters = self.adapters.database(), self.adapters
        audit = Audit(database, self.data / MEDIA, adapters.now())
        videos = await self.videos()
        flaws = [*await audit.find(), *await self.core.audit_media()(videos)]
        processings = await adapters.processings().many([video.id for video in videos])
        uploads = (await adapters.uploads().of_user(OWNER.require_user(), limit=100)).items
        boxes = {
            actor.require_user(): sorted(
                each.kind.value for each in (await adapters.inbox().list(actor.require_user(), limit=100)).items
            )
            for actor in (OWNER, FAN)
        }
        return {
            "flaws": [str(flaw) for flaw in flaws],
            "videos": [await self._video(video.id) for video in videos],
            "processings": [
                (each.state.value, each.attempt, each.percent, each.media.complete if each.media else None)
                for each in processings.values()
            ],
            "uploads": [(each.filename, each.status.value) for each in uploads],
            "told": boxes,
            "found": [kind.value for kind, _ in (await adapters.search().find("film cats")).items],
            "rows": {table: len(database.rows(_ALL + table)) for table in _COUNTED},
            "counts": {table: sorted(map(str, database.rows(_ALL + table))) for table in _COUNTERS},
            "jobs": sorted(Counter(state for (state,) in database.rows("SELECT state FROM job")).items()),
            "dead": [str(each) for each in await adapters.outbox().dead()],
            "files": sorted(self._files()),
        }

    def _files(self) -> Sequence[str]:
        root = self.data / MEDIA
        return [_NAMES.sub("#", str(path.relative_to(root))) for path in root.rglob("*")]

    async def _video(self, video: VideoId) -> Any:
        card: VideoCard = await self.core.show_video()(OWNER, video)
        shown = card.video
        played = 0
        if shown.media is not None:
            manifest = attempt_prefix(video, shown.media.attempt) + shown.media.manifest
            with av.open(str(self.data / MEDIA / "media" / manifest)) as container:
                played = sum(1 for _ in container.decode(video=0))
        return (
            shown.title, shown.visibility.value, shown.published_at is not None, played,
            [each.name for each in shown.media.renditions] if shown.media else None,
        )  # fmt: skip


_ALL = "SELECT * FROM "
_COUNTED = (
    "user", "channel", "member", "video", "upload", "processing", "comment", "reaction", "subscription", "event",
    "report", "notification", "document", "watched",
)  # fmt: skip
_COUNTERS = ("usage", "subscriber_count", "listed_count", "tag")


async def populate(scene: Scene) -> None:
    """Two people and a channel, and nothing under way."""
    now = scene.adapters.now()()
    for actor in (OWNER, FAN):
        name = actor.require_user().removeprefix("usr_")
        user = User(
            id=actor.require_user(), handle=name, display_name=name, email=f"{name}@hexcast.test",
            roles=frozenset({Role.USER}), created_at=now,
        )  # fmt: skip
        await scene.adapters.users().save(user)
    channel = Channel(id=CHANNEL, owner=OWNER.require_user(), handle="cats", name="Cats", created_at=now)
    await scene.adapters.channels().save(channel)
    await scene.core.subscribe()(FAN, CHANNEL, Notify.ALL)
    await scene.settle()


async def sent(scene: Scene) -> None:
    """A job waits for the transcoder."""
    await scene.send()
    await scene.settle(transcodes=False)


async def played(scene: Scene) -> None:
    """Everything that can hang on a video does."""
    await scene.send()
    await scene.settle()
    await scene.engage()
    await scene.settle()


async def nothing(_: Scene) -> None:
    """What waits goes on by itself."""


@frozen
class Story:
    """``before`` is done in peace; ``told``, and what follows by itself, may be broken off anywhere.

    Without ``transcodes`` it ends with what waits for the transcoder.
    """

    before: Callable[[Scene], Awaitable[None]]
    told: Callable[[Scene], Awaitable[None]]
    transcodes: bool = True

    async def prepare(self, scene: Scene) -> None:
        await populate(scene)
        await self.before(scene)

    async def tell(self, scene: Scene) -> None:
        await self.told(scene)
        await scene.settle(transcodes=self.transcodes)

    async def end(self, scene: Scene) -> Mapping[str, Any]:
        """After it was told once more, to its end."""
        await self.tell(scene)
        await scene.tidy()
        return await scene.end()


STORIES: Mapping[str, Story] = {
    "upload": Story(nothing, Scene.send, transcodes=False),
    "processing": Story(sent, nothing),
    "deletion": Story(played, Scene.remove),
}


def staged(folder: Path, film: Path, act: Callable[[Scene], Awaitable[T]]) -> T:
    """What ``act`` returns, in a process that serves the folder alone."""
    settings = Settings(profile="local", data=folder, public_url="http://hexcast.test")

    content = film.read_bytes()

    async def run() -> T:
        async with open_app(settings) as core:
            return await act(Scene(core, folder, content))

    with held(folder):
        return asyncio.run(run())
