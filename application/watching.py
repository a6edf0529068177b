"""Watching: leave to play, counting views, where someone was, handing out the files, and how much was watched."""

from collections.abc import Sequence
from datetime import date, datetime

from attrs import evolve, frozen

from application.identity import signed_in
from application.ports import (
    Channels,
    Delivery,
    File,
    History,
    Ingest,
    Link,
    LinkMode,
    MediaStore,
    NewId,
    Now,
    Page,
    Sessions,
    Streams,
    Users,
    Videos,
    Viewings,
)  # fmt: skip
from application.retry import settled
from application.videos import VideoCard, VideoCards
from domain.access import Actor
from domain.channels import Task
from domain.errors import Conflict, Forbidden, NotFound
from domain.ids import SESSION, ChannelId, SessionId, StreamId, VideoId
from domain.media import attempt_prefix
from domain.streams import Stream, is_live_playlist
from domain.videos import Audience, Video
from domain.watching import GRANT_LIFE, SESSION_LIFE, Grant, Period, PlaybackSession, Viewer, Viewing, Watched


@frozen
class Playback:
    """Leave to play: the session to send heartbeats for, the link to the manifest, and until when it works."""

    session: PlaybackSession
    link: Link
    expires_at: datetime
    resume_at_s: float


@frozen
class OpenPlayback:
    """Begin to watch, or go on when a grant is about to end: another session, another link."""

    videos: Videos
    cards: VideoCards
    sessions: Sessions
    history: History
    media: MediaStore
    now: Now
    new_id: NewId

    async def __call__(self, actor: Actor, video: VideoId, mode: LinkMode = LinkMode.COOKIE) -> Playback:
        """``mode`` is how a link to what is not public had best work (``MediaStore.granted``).

        Raises NotFound for whom it is hidden from, Conflict (``not_playable``) while there is nothing to play.
        """
        stored = await self.videos.get(video)
        card = await self.cards.one(actor, stored)
        if stored.media is None:
            raise Conflict("there is nothing to play yet", code="not_playable")
        now = self.now()
        session = PlaybackSession(
            id=SessionId(self.new_id(SESSION)), video=video, channel=stored.channel, viewer=actor.user,
            audience=card.audience, duration_s=stored.media.duration_s, started_at=now, beat_at=now,
        )  # fmt: skip
        manifest = attempt_prefix(video, stored.media.attempt) + stored.media.manifest
        link, until = self._link(stored, session, manifest, mode)
        watched = (await self.history.of(actor.user, [video])).get(video) if actor.user else None
        resume = watched.resume_at(session.duration_s) if watched else 0.0
        session = await self.sessions.save(evolve(session, position_s=resume))
        return Playback(session, link, until, resume)

    def _link(self, video: Video, session: PlaybackSession, manifest: str, mode: LinkMode) -> tuple[Link, datetime]:
        if video.admits(Audience.ANYONE):
            return Link(self.media.open_url(manifest), LinkMode.PUBLIC), session.started_at + SESSION_LIFE
        until = session.started_at + GRANT_LIFE
        return self.media.granted(Grant(video.id, session.audience, until), manifest, mode), until


@frozen
class Heartbeat:
    """A player says where it is."""

    sessions: Sessions
    users: Users
    now: Now

    async def __call__(self, actor: Actor, video: VideoId, session: SessionId, position_s: float) -> PlaybackSession:
        """Raises NotFound for a session of another video or viewer, or one long over, Unauthenticated when its
        viewer closed their account since.
        """

        async def step() -> PlaybackSession:
            stored = await self.sessions.get(session)
            if stored.video != video or stored.viewer != actor.user or stored.over(self.now()):
                raise NotFound("there is no such playback session")
            beaten = stored.beat(position_s, self.now())
            watched = None
            if stored.viewer is not None:
                await signed_in(self.users, actor)  # a token outlives its account, whose history stays forgotten
                watched = Watched(user=stored.viewer, video=video, position_s=position_s, at=beaten.beat_at)
            return await self.sessions.save(beaten, watched, beaten.gained(stored))

        return await settled(step)


@frozen
class ListHistory:
    history: History
    videos: Videos
    cards: VideoCards

    async def __call__(self, actor: Actor, *, cursor: str | None = None, limit: int = 20) -> Page[VideoCard]:
        """What one watched and may still see, the latest first."""
        page = await self.history.list(actor.require_user(), cursor=cursor, limit=limit)
        stored = await self.videos.many([watched.video for watched in page.items])
        seen: Sequence[Video] = [stored[watched.video] for watched in page.items if watched.video in stored]
        return Page(await self.cards.of(actor, seen), page.next)


@frozen
class ForgetHistory:
    history: History

    async def __call__(self, actor: Actor, video: VideoId | None = None) -> None:
        """One video, or everything."""
        await self.history.forget(actor.require_user(), video)


@frozen
class OpenFile:
    """A file behind our own door: shown only while the video or stream it belongs to is."""

    videos: Videos
    streams: Streams
    ingest: Ingest
    delivery: Delivery

    async def __call__(self, key: str, token: str | None = None, viewer: Viewer | None = None) -> File:
        """``viewer`` is who counts as watching, if anyone. Raises NotFound, and with a token Forbidden
        (``link_invalid``, ``link_expired``, ``link_void``).
        """
        top, _, rest = key.partition("/")
        owner = rest.partition("/")[0]
        grant = None
        if top in {"v", "l"}:
            grant = await self._leave(top, owner, token)
        elif top != "c" or token is not None:
            raise NotFound("there is no such file")
        file = await self.delivery.file(key, grant)
        if viewer is not None and is_live_playlist(key):
            self.ingest.watched(StreamId(owner), viewer)
        return file

    async def _leave(self, top: str, owner: str, token: str | None) -> Grant | None:
        """To see the files of the video or stream now."""
        audience, grant = Audience.ANYONE, None
        if token is not None:
            grant = self.delivery.grant(token)
            if grant.subject != owner:
                raise Forbidden("this link is for another video", code="link_invalid")
            audience = grant.audience
        stored: Video | Stream
        if top == "l":
            stored = await self.streams.get(StreamId(owner))
        else:
            stored = await self.videos.get(VideoId(owner))
        if not stored.admits(audience):
            if token is None:  # in the words for a video that is not there: a stranger learns nothing
                raise NotFound("there is no such stream" if top == "l" else "there is no such video")
            raise Forbidden("this is not shown any more", code="link_void")
        return grant


@frozen
class ShowViewings:
    """How much was watched, day by day, for those who may edit."""

    videos: Videos
    channels: Channels
    viewings: Viewings
    now: Now

    async def of_video(
        self, actor: Actor, video: VideoId, first: date | None = None, last: date | None = None
    ) -> Sequence[Viewing]:
        """One for every day, oldest first; the last weeks if no days are named.

        Raises NotFound, Unauthenticated, Forbidden, and Invalid (``days_disordered``, ``too_many_days``).
        """
        stored = await self.videos.get(video)
        channel = await self.channels.get(stored.channel)
        stored.audience(actor, channel)
        channel.require(actor, Task.EDIT)
        return await self._filled(video, first, last)

    async def of_channel(
        self, actor: Actor, channel: ChannelId, first: date | None = None, last: date | None = None
    ) -> Sequence[Viewing]:
        """The same of all its videos together, those that were removed since included."""
        (await self.channels.get(channel)).require(actor, Task.EDIT)
        return await self._filled(channel, first, last)

    async def _filled(self, subject: VideoId | ChannelId, first: date | None, last: date | None) -> Sequence[Viewing]:
        period = Period.of(first, last, self.now().date())
        return period.filled(subject, await self.viewings.of(subject, period.first, period.last))
