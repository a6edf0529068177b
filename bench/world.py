"""What the servers under test hold: people, channels, videos and comments, written straight into the repositories."""

import asyncio
import gc
import json
import time
from collections.abc import Coroutine, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from attrs import asdict, frozen

from bench.rows import say
from domain.channels import Channel
from domain.engagement import Comment, Notify, Reaction, Subscription
from domain.identity import User
from domain.ids import CHANNEL, COMMENT, USER, VIDEO, ChannelId, CommentId, UserId, VideoId
from domain.media import MANIFEST, Media, Rendition
from domain.processing import State
from domain.videos import Video, Visibility
from entrypoints.container import Core

T = TypeVar("T")

TOGETHER = 500
BEGINNING = datetime(2025, 1, 1, tzinfo=UTC)
RENDITIONS = (
    Rendition("360p", 640, 360, 620_000, "avc1.64001e,mp4a.40.2"),
    Rendition("480p", 854, 480, 940_000, "avc1.64001f,mp4a.40.2"),
    Rendition("720p", 1280, 720, 2_800_000, "avc1.64001f,mp4a.40.2"),
)
MEDIA = Media(
    attempt=1, manifest=MANIFEST, duration_s=612.4, width=1280, height=720, renditions=RENDITIONS, has_audio=True,
    poster=True, storyboard=True,
)  # fmt: skip
WORDS = "Where the second movement comes back, and what the strings make of it this time. " * 4
SAID = "I had to listen to the part at 12:40 twice; what a way to come back to the theme!"


@frozen
class Size:
    """How much there is. ``fans`` follow one channel; ``drafts`` wait there, and in a channel without fans, to be
    published.
    """

    videos: int = 1000
    comments: int = 10_000
    fans: int = 0
    drafts: int = 0

    @property
    def channels(self) -> int:
        return max(self.videos // 20, 1)

    @property
    def people(self) -> int:
        return max(self.videos // 10, 100)


async def seed(size: Size, told: Path, core: Any) -> None:
    """Fill an open core; what there is, and tokens to use it, are written to ``told`` as JSON."""
    begun = time.perf_counter()
    gc.disable()  # nothing dies here
    seeded = await fill(size, core)
    gc.collect()  # or the first requests would have it done
    gc.enable()
    seconds = time.perf_counter() - begun
    say(f"  seeded {size.videos:,} videos, {size.comments:,} comments, {size.fans:,} fans in {seconds:.1f} s")
    draft = told.with_suffix(".draft")
    draft.write_text(json.dumps(seeded))
    draft.rename(told)


async def fill(size: Size, core: Any) -> dict[str, Any]:
    """What there is then, and tokens to use it."""
    return await _Seeding(size, core).all()


class _Seeding:
    def __init__(self, size: Size, core: Core) -> None:
        self._size = size
        self._core = core
        self._new_id = core.adapters.new_id()

    async def all(self) -> dict[str, Any]:
        size = self._size
        people = [await self._person(f"person_{number}") for number in range(size.people)]
        channels = [await self._channel(f"channel_{n}", people[n % size.people]) for n in range(size.channels)]
        videos = await _together(self._video(n, channels[n % len(channels)]) for n in range(size.videos))
        await _together(
            self._comment(videos[n % len(videos)], people[n % len(people)], n) for n in range(size.comments)
        )
        hot = videos[-1]
        for number in range(40):
            await self._comment(hot, people[number], number)
            await self._core.adapters.reactions().put(hot.id, people[number], Reaction.LIKE)
        star, quiet = await self._channel("star", people[0]), await self._channel("quiet", people[0])
        first, drafts = await self._fans(star), {}
        for channel in (star, quiet):
            drafts[channel.handle] = [
                (await self._video(n, channel, Visibility.PRIVATE)).id for n in range(size.drafts)
            ]
        step = max(len(videos) // 1000, 1)
        return {
            "issuer": self._core.adapters.issuer(),
            "client": self._core.adapters.client_ids()[0],
            "jwks": await self._core.adapters.keys().jwks(),
            "tokens": [await self._token(person) for person in people[:64]],
            "first_fan": await self._token(first),
            "hot": hot.id,
            "hot_channel": hot.channel,
            "videos": [video.id for video in videos[::step]],
            "channels": [channel.id for channel in channels[:: max(len(channels) // 1000, 1)]],
            "drafts": drafts,
        }

    async def _person(self, handle: str) -> UserId:
        id_ = UserId(self._new_id(USER))
        name = handle.replace("_", " ").title()
        user = User(id=id_, handle=handle, display_name=name, email=f"{handle}@example.org", created_at=BEGINNING)
        await self._core.adapters.users().save(user)
        return id_

    async def _channel(self, handle: str, owner: UserId) -> Channel:
        channel = Channel(
            id=ChannelId(self._new_id(CHANNEL)), owner=owner, handle=handle, name=handle.title(), description=WORDS,
            created_at=BEGINNING,
        )  # fmt: skip
        saved: Channel = await self._core.adapters.channels().save(channel)
        return saved

    async def _video(self, number: int, channel: Channel, visibility: Visibility = Visibility.PUBLIC) -> Video:
        at = BEGINNING + timedelta(seconds=number)
        video = Video(
            id=VideoId(self._new_id(VIDEO)), channel=channel.id, uploader=channel.owner,
            title=f"Symphony no. {number}, rehearsed and then played", description=WORDS,
            tags=("music", f"symphony {number % 1000}"), category="music", language="en", visibility=visibility,
            published_at=at if visibility is Visibility.PUBLIC else None, state=State.READY, attempt=1, media=MEDIA,
            created_at=at,
        )  # fmt: skip
        saved: Video = await self._core.adapters.videos().save(video)
        return saved

    async def _comment(self, video: Video, author: UserId, number: int) -> None:
        comment = Comment(
            id=CommentId(self._new_id(COMMENT)), video=video.id, channel=video.channel, author=author, text=SAID,
            approved=True, created_at=BEGINNING + timedelta(seconds=number),
        )  # fmt: skip
        await self._core.adapters.comments().save(comment)

    async def _fans(self, channel: Channel) -> UserId:
        """The first of them, who is told last."""
        fans: Sequence[UserId] = [UserId(f"usr_fan{number:06}") for number in range(max(self._size.fans, 1))]
        subscriptions = self._core.adapters.subscriptions()
        await _together(
            subscriptions.put(Subscription(fan, channel.id, Notify.ALL, BEGINNING + timedelta(seconds=number)))
            for number, fan in enumerate(fans[: self._size.fans])
        )
        return fans[0]

    async def _token(self, user: UserId) -> str:
        """As a sign-in gives it, good for a day."""
        adapters = self._core.adapters
        now = int(adapters.now()().timestamp())
        claims = {
            "sub": user, "iss": adapters.issuer(), "token_use": "access", "client_id": adapters.client_ids()[0],
            "iat": now, "exp": now + 86_400, "jti": user, "username": user, "scope": "aws.cognito.signin.user.admin",
        }  # fmt: skip
        token: str = await adapters.keys().sign(claims)
        return token


async def _together(saves: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """In this order, but many at once: what waits together is stored together."""
    waiting, done = iter(saves), list[T]()
    while some := list(islice(waiting, TOGETHER)):
        done += await asyncio.gather(*some)
    return done


def as_json(size: Size) -> str:
    return json.dumps(asdict(size))
