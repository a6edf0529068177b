"""Following channels, and what those one follows publish."""

from typing import Annotated

from litestar import Controller, delete, get, put
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, FromPath
from msgspec import Struct

from application.engagement import ListSubscribers, ListSubscriptions, ShowFeed, Subscribe, Unsubscribe
from domain.access import Actor
from domain.engagement import Notify
from domain.errors import Forbidden, Invalid, NotFound, Unauthenticated
from domain.ids import ChannelId
from entrypoints.http.requests import Cursors, CursorText, Limit, Listing, problems, scope
from entrypoints.http.views import VideoView
from entrypoints.http.views_social import SubscriberView, SubscriptionView


class SubscriptionLevel(Struct, frozen=True):
    """What to be told of: ``all`` the channel does, ``live`` broadcasts only, or ``none``."""

    notify: Notify = Notify.ALL


_SubscriptionLevel = Annotated[
    SubscriptionLevel,
    BodyKwarg(media_type=RequestEncodingType.JSON, examples=[Example(value={"notify": "all"})]),
]


class SubscriptionController(Controller):
    tags = ("subscriptions",)

    @put(
        "/me/subscriptions/{channel_id:str}",
        operation_id="subscribe",
        status_code=204,
        responses=problems(Invalid, Unauthenticated, Forbidden, NotFound),
    )
    async def subscribe(
        self,
        channel_id: FromPath[ChannelId],
        data: _SubscriptionLevel,
        actor: NamedDependency[Actor],
        subscribe: NamedDependency[Subscribe],
    ) -> None:
        """Subscribe to a channel.

        Or change what one is told of it. Problems: ``own_channel``.
        """
        await subscribe(actor, channel_id, data.notify)

    @delete("/me/subscriptions/{channel_id:str}", operation_id="unsubscribe", responses=problems(Unauthenticated))
    async def unsubscribe(
        self,
        channel_id: FromPath[ChannelId],
        actor: NamedDependency[Actor],
        unsubscribe: NamedDependency[Unsubscribe],
    ) -> None:
        """Unsubscribe from a channel."""
        await unsubscribe(actor, channel_id)

    @get("/me/subscriptions", operation_id="listSubscriptions", responses=problems(Invalid, Unauthenticated))
    async def list_subscriptions(
        self,
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        list_subscriptions: NamedDependency[ListSubscriptions],
        limit: Limit = 20,
        cursor: CursorText = None,
    ) -> Listing[SubscriptionView]:
        """List the channels one follows.

        The one followed last comes first.
        """
        of = scope("subscriptions", actor.user)
        page = await list_subscriptions(actor, cursor=cursors.read(cursor, of), limit=limit)
        return cursors.page(page, of, SubscriptionView.of)

    @get("/me/feed", operation_id="showFeed", responses=problems(Invalid, Unauthenticated))
    async def show_feed(
        self,
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        show_feed: NamedDependency[ShowFeed],
        limit: Limit = 20,
        cursor: CursorText = None,
    ) -> Listing[VideoView]:
        """List the videos of the channels one follows.

        The one published last comes first.
        """
        of = scope("feed", actor.user)
        page = await show_feed(actor, cursor=cursors.read(cursor, of), limit=limit)
        return cursors.page(page, of, VideoView.of)

    @get(
        "/channels/{channel_id:str}/subscribers",
        operation_id="listSubscribers",
        responses=problems(Invalid, Unauthenticated, Forbidden, NotFound),
    )
    async def list_subscribers(
        self,
        channel_id: FromPath[ChannelId],
        *,
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        list_subscribers: NamedDependency[ListSubscribers],
        limit: Limit = 20,
        cursor: CursorText = None,
    ) -> Listing[SubscriberView]:
        """List who follows a channel, for its owner.

        Whoever came last comes first.
        """
        of = scope("subscribers", channel_id)
        page = await list_subscribers(actor, channel_id, cursor=cursors.read(cursor, of), limit=limit)
        return cursors.page(page, of, SubscriberView.of)
