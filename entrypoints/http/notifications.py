"""What one was told: the inbox, what one wants to hear of, and the stream of what comes."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Annotated

import msgspec
from litestar import Controller, get, post, put
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, HeaderParameter, QueryParameter
from litestar.response import Stream

from application.notifications import (
    CountUnread,
    FollowNotifications,
    ListNotifications,
    MarkRead,
    NotificationCard,
    NotificationSettings,
)  # fmt: skip
from domain.access import Actor
from domain.errors import Invalid, Unauthenticated
from domain.ids import NotificationId
from domain.notifications import Kind
from entrypoints.http.requests import Cursors, CursorText, Limit, Listing, problems, scope
from entrypoints.http.server_sent import HEARTBEAT_S, STILL_HERE, AccessToken, event, retry, sends, streamed
from entrypoints.http.views_social import NotificationView, UnreadView, settings_view


class ReadMark(msgspec.Struct, frozen=True):
    """Which notifications were read: these (at most 1000), or one and all before it. Give exactly one of the two."""

    ids: Annotated[tuple[NotificationId, ...], msgspec.Meta(max_length=1000)] = ()
    up_to: NotificationId | None = None


_JSON = RequestEncodingType.JSON
_ReadMark = Annotated[
    ReadMark,
    BodyKwarg(
        media_type=_JSON,
        examples=[
            Example(id="some", summary="Some of them", value={"ids": ["ntf_01J9ZK3B1W8N6T2Q4R5S7V9X0Y"]}),
            Example(id="up_to", summary="One and all before it", value={"up_to": "ntf_01J9ZK3B1W8N6T2Q4R5S7V9X0Y"}),
        ],
    ),
]
_Wishes = Annotated[
    dict[Kind, bool], BodyKwarg(media_type=_JSON, examples=[Example(value={"comment": False, "went_live": True})])
]
_UnreadOnly = Annotated[bool, QueryParameter(name="unread", description="Only what was not read.")]
_LastEventId = Annotated[
    NotificationId | None,
    HeaderParameter(name="Last-Event-ID", description="The last one seen; what came after it is sent first."),
]
_LastEventIdQuery = Annotated[
    NotificationId | None,
    QueryParameter(name="last_event_id", description="The same, for a first connection, when no header can be sent."),
]


class NotificationController(Controller):
    tags = ("notifications",)

    @get("/me/notifications", operation_id="listNotifications", responses=problems(Invalid, Unauthenticated))
    async def list_notifications(
        self,
        *,
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        list_notifications: NamedDependency[ListNotifications],
        unread: _UnreadOnly = False,
        limit: Limit = 20,
        cursor: CursorText = None,
    ) -> Listing[NotificationView]:
        """List what one was told.

        The newest first; with ``unread=true`` only what was not read.
        """
        of = scope("notifications", actor.user, unread)
        page = await list_notifications(actor, unread_only=unread, cursor=cursors.read(cursor, of), limit=limit)
        return cursors.page(page, of, NotificationView.of)

    @post(
        "/me/notifications/read",
        operation_id="markNotificationsRead",
        status_code=200,
        responses=problems(Invalid, Unauthenticated),
    )
    async def mark_read(
        self, data: _ReadMark, actor: NamedDependency[Actor], mark_read: NamedDependency[MarkRead]
    ) -> UnreadView:
        """Mark notifications as read.

        Answers how many are left. Ids that are not in the inbox are passed over. Problems: ``ids_or_up_to``.
        """
        return UnreadView.of(await mark_read(actor, ids=data.ids, up_to=data.up_to))

    @get("/me/notifications/unread-count", operation_id="countUnread", responses=problems(Unauthenticated))
    async def count_unread(
        self, actor: NamedDependency[Actor], count_unread: NamedDependency[CountUnread]
    ) -> UnreadView:
        """Count what was not read.

        Counted up to 99; ``capped`` says that there are more.
        """
        return UnreadView.of(await count_unread(actor))

    @get("/me/notification-settings", operation_id="showNotificationSettings", responses=problems(Unauthenticated))
    async def show_settings(
        self, actor: NamedDependency[Actor], notification_settings: NamedDependency[NotificationSettings]
    ) -> Mapping[Kind, bool]:
        """Show which kinds of notifications one wants.

        Every kind, true or false; all are wanted to begin with.
        """
        return settings_view(await notification_settings.show(actor))

    @put(
        "/me/notification-settings",
        operation_id="changeNotificationSettings",
        responses=problems(Invalid, Unauthenticated),
    )
    async def change_settings(
        self,
        data: _Wishes,
        actor: NamedDependency[Actor],
        notification_settings: NamedDependency[NotificationSettings],
    ) -> Mapping[Kind, bool]:
        """Choose which kinds of notifications one wants.

        Kinds that are left out stay as they are, so that clients need not know every kind there will be.
        """
        return settings_view(await notification_settings.change(actor, data))

    @get(
        "/me/notifications/stream",
        operation_id="streamNotifications",
        responses=sends("Server-sent events named ``notification``: the id of one as id, its JSON as data.")
        | problems(Invalid, Unauthenticated),
    )
    async def stream_notifications(
        self,
        actor: NamedDependency[Actor],
        follow_notifications: NamedDependency[FollowNotifications],
        *,
        stream_retry_s: NamedDependency[int],
        last_event_id: _LastEventId = None,
        missed_since: _LastEventIdQuery = None,
        access_token: AccessToken = None,  # noqa: ARG002  (read before the handler, named here for the document)
    ) -> Stream:
        """Follow what one is told, as it comes.

        Server-sent events. A client that comes back with ``Last-Event-ID`` gets what it missed first, without a
        gap and nothing twice. A comment every 15 s keeps the connection open.
        """
        return await streamed(server_sent(follow_notifications(actor, last_event_id or missed_since), stream_retry_s))


async def server_sent(
    following: AbstractAsyncContextManager[AsyncGenerator[NotificationCard, None]], retry_s: int,
    heartbeat_s: float = HEARTBEAT_S,
) -> AsyncGenerator[bytes, None]:  # fmt: skip
    """Notifications as server-sent events, with a comment whenever ``heartbeat_s`` pass in silence. A client whose
    connection ended is to come back after ``retry_s``.

    Nobody is connected before it listens, and it ends when this is closed, that is when the client goes away.
    """
    newest = ""
    async with following as told:
        yield retry(retry_s)
        coming = asyncio.ensure_future(anext(told))
        try:
            while True:
                await asyncio.wait({coming}, timeout=heartbeat_s)
                if not coming.done():
                    yield STILL_HERE
                    continue
                try:
                    view = NotificationView.of(coming.result())
                except StopAsyncIteration:
                    return
                coming = asyncio.ensure_future(anext(told))
                # One that was delivered late goes without an id, so that the client's last one never moves back.
                yield event("notification", view, view.id if view.id > newest else "")
                newest = max(newest, view.id)
        finally:
            # Shielded, because a request that is cancelled stays so and would not let us wait.
            await asyncio.shield(_closed(coming, told))


async def _closed(coming: asyncio.Future[NotificationCard], told: AsyncGenerator[NotificationCard, None]) -> None:
    coming.cancel()
    with suppress(asyncio.CancelledError, StopAsyncIteration):
        await coming
    await told.aclose()
