"""Watching over HTTP: leave to play, heartbeats, and how much was watched."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

from litestar import Controller, Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct

from application.ports import Link, LinkMode
from application.watching import Heartbeat, OpenPlayback, ShowViewings
from domain.access import Actor
from domain.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from domain.ids import ChannelId, SessionId, VideoId
from entrypoints.http.requests import problems
from entrypoints.http.views import NO_STORE, AnalyticsView, BeatView, PlaybackView

_First = Annotated[
    date | None, QueryParameter(name="from", description="The first day; four weeks before the last if left out.")
]
_Last = Annotated[date | None, QueryParameter(name="to", description="The last day; today if left out.")]


class Wish(Struct, frozen=True):
    mode: Annotated[
        Literal["cookie", "token"],
        Meta(description="How links to a video that is not public work: ``token`` for players that keep no cookies."),
    ] = "cookie"


class Beat(Struct, frozen=True):
    playback_session_id: Annotated[SessionId, Meta(examples=["ses_01J9ZQ6T5V8C3D2E1F0G9H8J7K"])]
    position_s: Annotated[float, Meta(examples=[42.5])]


def cookies(link: Link) -> Sequence[Cookie]:
    """What the media's requests must carry: sent over TLS only, out of reach of scripts."""
    path, domain = link.cookie_path, link.cookie_domain
    return [
        Cookie(key=name, value=value, path=path, domain=domain, secure=True, httponly=True, samesite="lax")
        for name, value in link.cookies.items()
    ]


class WatchingController(Controller):
    path = "/videos/{video_id:str}"
    tags = ("videos",)

    @post(
        "/playback-sessions",
        operation_id="createPlaybackSession",
        opt={"idempotent": True},
        responses=problems(NotFound, Conflict, Invalid),
    )
    async def open(
        self,
        video_id: FromPath[VideoId],
        actor: NamedDependency[Actor],
        open_playback: NamedDependency[OpenPlayback],
        data: JSONBody[Wish | None] = None,
    ) -> Response[PlaybackView]:
        """Ask for leave to play a video.

        The link works until ``expires_at``; open another session to go on. In the mode ``cookie`` the answer sets
        cookies, which requests for the media must carry; a player without cookies asks for the mode ``token``. Public
        videos need neither.
        """
        playback = await open_playback(actor, video_id, LinkMode((data or Wish()).mode))
        return Response(PlaybackView.of(playback), headers=NO_STORE, cookies=cookies(playback.link))

    @post("/views", operation_id="sendHeartbeat", status_code=200, responses=problems(NotFound, Invalid))
    async def beat(
        self,
        video_id: FromPath[VideoId],
        data: JSONBody[Beat],
        actor: NamedDependency[Actor],
        heartbeat: NamedDependency[Heartbeat],
    ) -> BeatView:
        """Say where the player is; send one every ten seconds while it plays.

        What was watched grows by time really spent. A session counts as one view after 30 seconds, or half of a
        shorter video.
        """
        return BeatView.of(await heartbeat(actor, video_id, data.playback_session_id, data.position_s))


class AnalyticsController(Controller):
    tags = ("analytics",)

    @get(
        "/videos/{video_id:str}/analytics",
        operation_id="getVideoAnalytics",
        responses=problems(Unauthenticated, Forbidden, NotFound, Invalid),
    )
    async def of_video(
        self,
        video_id: FromPath[VideoId],
        actor: NamedDependency[Actor],
        show_viewings: NamedDependency[ShowViewings],
        first: _First = None,
        last: _Last = None,
    ) -> AnalyticsView:
        """How often and for how long a video was watched, day by day, for owners and editors of its channel.

        Days are those of UTC, and at most 366. What is watched counts as it is watched.
        Problems: ``days_disordered``, ``too_many_days``.
        """
        return AnalyticsView.of(await show_viewings.of_video(actor, video_id, first, last))

    @get(
        "/channels/{channel_id:str}/analytics",
        operation_id="getChannelAnalytics",
        responses=problems(Unauthenticated, Forbidden, NotFound, Invalid),
    )
    async def of_channel(
        self,
        channel_id: FromPath[ChannelId],
        actor: NamedDependency[Actor],
        show_viewings: NamedDependency[ShowViewings],
        first: _First = None,
        last: _Last = None,
    ) -> AnalyticsView:
        """The same of all of a channel's videos together, those that were removed since included."""
        return AnalyticsView.of(await show_viewings.of_channel(actor, channel_id, first, last))
