"""Everyone who may ask for something, and one of each thing that can be asked for, made anew at will."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from attrs import define, evolve, field

from application.ports import Pretence
from domain.access import Actor, Role
from domain.channels import Channel, Member
from domain.chat import Message
from domain.engagement import Comment, CommentStatus
from domain.errors import NotFound
from domain.identity import User
from domain.ids import (
    CHANNEL,
    COMMENT,
    MESSAGE,
    SESSION,
    STREAM,
    VIDEO,
    ChannelId,
    CommentId,
    MessageId,
    SessionId,
    StreamId,
    UserId,
    VideoId,
)  # fmt: skip
from domain.media import MANIFEST, Media, attempt_prefix
from domain.processing import Failure, Processing, State
from domain.streams import Stream
from domain.uploads import Limits
from domain.videos import Audience, Caption, Video, Visibility
from domain.watching import GRANT_LIFE, Grant, PlaybackSession
from entrypoints.metrics import Metrics
from entrypoints.worker import Worker
from tests.entrypoints.scenes import CLIP, Person, Scene, opened

ROLES = ("nobody", "stranger", "helper", "editor", "owner", "moderator", "admin")
"""Who asks: the helper is the channel's moderator, the moderator the platform's."""
SECRET = "Zugzwang"
"""In every text that strangers may not read."""

_FAILURE = Failure("unreadable", "damaged")


@define
class Cast:
    """A platform with its people. ``things`` names what there is to ask for: ids, keys, tokens."""

    scene: Scene
    people: Mapping[str, Person]
    things: dict[str, str] = field(factory=dict)
    profiles: dict[str, User] = field(factory=dict)
    made: int = 0

    def headers(self, role: str) -> Mapping[str, str]:
        return {} if role == "nobody" else self.people[role].headers

    def user(self, role: str) -> UserId:
        return UserId(self.people[role].id)

    async def renew(self) -> None:
        """Another channel with all that belongs to it; and everyone whose account was closed is back."""
        users, channels = self.scene.core.adapters.users(), self.scene.core.adapters.channels()
        for person in self.people.values():
            try:
                self.profiles[person.id] = await users.get(UserId(person.id))
            except NotFound:
                await users.save(evolve(self.profiles[person.id], version=0))
        if self.things:
            with contextlib.suppress(NotFound):  # someone was allowed to close it
                await channels.remove(await channels.get(ChannelId(self.things["channel"])))
        self.made += 1
        await self._make(f"films_{self.made}")

    async def _make(self, handle: str) -> None:
        adapters = self.scene.core.adapters
        channel = Channel(
            id=ChannelId(adapters.new_id()(CHANNEL)), owner=self.user("owner"), handle=handle, name="Films",
            members={
                self.user("helper"): Member.MODERATOR, self.user("editor"): Member.EDITOR,
                self.user("former"): Member.EDITOR,
            },
            created_at=self.scene.clock.now(),
        )  # fmt: skip
        channel = await adapters.channels().save(channel)
        public, private = [await self._video(channel.id, each) for each in (Visibility.PUBLIC, Visibility.PRIVATE)]
        comment = await self._comment(channel.id, public, CommentStatus.VISIBLE)
        self.things = {
            "channel": channel.id, "handle": handle, "user": self.user("friend"), "language": "en", "extra": "de",
            "public": public, "private": private, "failed": await self._failed(channel.id),
            "comment": comment, "held": await self._comment(channel.id, public, CommentStatus.HELD),
            "reply": await self._comment(channel.id, public, CommentStatus.VISIBLE, comment),
            "secret": await self._comment(channel.id, private, CommentStatus.VISIBLE),
            "friends_session": await self._session(public, "friend"),
            "owners_session": await self._session(private, "owner"),
        }  # fmt: skip
        await self._stream(channel.id, Visibility.PUBLIC, "")
        await self._stream(channel.id, Visibility.PRIVATE, "private_")
        for role in ROLES:
            self.things[f"session_of_{role}"] = await self._session(public, role)
        await self._files(public, private)
        await self._upload(channel.id, "owner", "")
        await self._upload(channel.id, "former", "former_")
        await adapters.channels().save(channel.dismiss(self.user("former")))

    async def _video(self, channel: ChannelId, visibility: Visibility) -> VideoId:
        adapters, now = self.scene.core.adapters, self.scene.clock.now()
        video = VideoId(adapters.new_id()(VIDEO))
        media = Media(
            attempt=1, manifest=MANIFEST, duration_s=60.0, width=1280, height=720, renditions=(), has_audio=True
        )
        secret = visibility is Visibility.PRIVATE
        draft = Video(
            id=video, channel=channel, uploader=self.user("owner"), title=SECRET if secret else "A film",
            description=SECRET if secret else "", state=State.READY, attempt=1, media=media, created_at=now,
            captions={"en": Caption("en", "English", f"v/{video}/captions/en.vtt")},
        )  # fmt: skip
        changed, _ = draft.edit(now, visibility=visibility)
        await adapters.videos().save(changed)
        return video

    async def _failed(self, channel: ChannelId) -> VideoId:
        adapters, now = self.scene.core.adapters, self.scene.clock.now()
        video = VideoId(adapters.new_id()(VIDEO))
        draft = Video(
            id=video, channel=channel, uploader=self.user("owner"), title=SECRET, state=State.FAILED, attempt=1,
            failure=_FAILURE, created_at=now,
        )  # fmt: skip
        await adapters.videos().save(draft)
        processing = Processing(
            video=video, upload=self.scene.core.adapters.new_id()("upl"), source="raw/x/source", state=State.FAILED,
            failure=_FAILURE, updated_at=now,
        )  # fmt: skip
        await adapters.processings().save(processing)
        return video

    async def _comment(
        self, channel: ChannelId, video: VideoId, status: CommentStatus, parent: CommentId | None = None
    ) -> CommentId:
        adapters = self.scene.core.adapters
        comment = Comment(
            id=CommentId(adapters.new_id()(COMMENT)), video=video, channel=channel, parent=parent,
            author=self.user("friend"), text="Bravo" if status is CommentStatus.VISIBLE else SECRET, status=status,
            created_at=self.scene.clock.now(),
        )  # fmt: skip
        return CommentId((await adapters.comments().save(comment)).id)

    async def _session(self, video: VideoId, role: str) -> SessionId:
        adapters, now = self.scene.core.adapters, self.scene.clock.now()
        session = PlaybackSession(
            id=SessionId(adapters.new_id()(SESSION)), video=video, audience=Audience.ANYONE, duration_s=60.0,
            viewer=None if role == "nobody" else self.user(role), started_at=now, beat_at=now,
        )  # fmt: skip
        return SessionId((await adapters.sessions().save(session)).id)

    async def _stream(self, channel: ChannelId, visibility: Visibility, prefix: str) -> None:
        """A stream that is live, with its session and something that the friend said in its chat."""
        core, now = self.scene.core, self.scene.clock.now()
        adapters = core.adapters
        secret = visibility is Visibility.PRIVATE
        stream = Stream(
            id=StreamId(adapters.new_id()(STREAM)), channel=channel, title=SECRET if secret else "Live",
            visibility=visibility, created_at=now,
        )  # fmt: skip
        stream = await adapters.streams().save(stream.opened(await adapters.ingest().open(stream)))
        await adapters.simulator().simulate(stream, Pretence.START)
        await self.scene.hear(Worker(core, Metrics()))
        await core.reflect_broadcast()(stream.id)
        session = (await adapters.broadcasts().timeline(stream.id)).current
        message = Message(
            id=MessageId(adapters.new_id()(MESSAGE)), stream=stream.id, author=self.user("friend"), name="Friend",
            text=SECRET if secret else "Hello", at=now,
        )  # fmt: skip
        await adapters.chat_log().add(message, timedelta())
        self.things |= {
            f"{prefix}stream": stream.id, f"{prefix}session": session.id, f"{prefix}message": message.id,
            f"{prefix}broadcast": session.broadcasts[0],
        }  # fmt: skip

    async def _files(self, public: VideoId, private: VideoId) -> None:
        """A manifest of each video, the keys they lie under, and links' tokens for them."""
        media, until = self.scene.core.adapters.media(), self.scene.clock.now() + GRANT_LIFE
        for name, video in (("open", public), ("closed", private)):
            key = self.things[f"{name}_key"] = attempt_prefix(video, 1) + MANIFEST
            await media.put(key, SECRET.encode(), "application/vnd.apple.mpegurl")

        def token(video: VideoId, audience: Audience) -> str:
            url: str = media.granted(Grant(video, audience, until), self.things["closed_key"]).url
            return url.partition("/media/g/")[2].partition("/")[0]

        self.things["grant"] = token(private, Audience.MEMBER)
        self.things["void_grant"] = token(private, Audience.LINK)
        self.things["other_grant"] = token(public, Audience.ANYONE)

    async def _upload(self, channel: ChannelId, role: str, prefix: str) -> None:
        """One whose bytes are here and one that waits for them, and the token of its part's link."""
        core, actor = self.scene.core, Actor(self.user(role), frozenset({Role.USER}))
        for name in ("upload", "waiting"):
            card = await core.start_upload()(
                actor, channel, filename=f"{SECRET}.mp4", content_type="video/mp4", size_bytes=len(CLIP)
            )
            self.things[prefix + name] = card.upload.id
            if name == "upload":
                await self.scene.http.put(card.tickets[0].url, content=CLIP)
            self.things[f"{prefix}part"] = card.tickets[0].url.rpartition("/")[2]


@asynccontextmanager
async def gathered() -> AsyncIterator[Cast]:
    """The cast on an open platform, with nothing asked yet."""
    async with opened(Limits(open_uploads=10_000)) as scene:
        handles = {name: name for name in (*ROLES[1:], "friend", "former")} | {"moderator": "mod", "admin": "chief"}
        cast = Cast(scene, {name: await scene.person(handle) for name, handle in handles.items()})
        await cast.renew()
        yield cast
