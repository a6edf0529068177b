"""Channels over HTTP: opening and editing them, their pictures, members and videos."""

from collections.abc import Sequence
from typing import Annotated, Any

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType, field

from application.channels import (
    CloseChannel,
    DismissMember,
    EditChannel,
    EnrollMember,
    ListMyChannels,
    OpenChannel,
    Picture,
    RequestPicture,
    ShowChannel,
)  # fmt: skip
from application.videos import ListVideos
from domain.access import Actor
from domain.channels import Hold, Member
from domain.errors import Conflict, Forbidden, Invalid, NotFound, Taken, TooLarge, Unauthenticated, VersionMismatch
from domain.ids import ChannelId, UserId
from entrypoints.http.requests import Cursors, CursorText, Limit, Listing, changes, problems, scope, versioned
from entrypoints.http.views import ChannelView, PictureTicket, VideoView

Handle = Annotated[str, Meta(examples=["analytical_engine"])]
Name = Annotated[str, Meta(examples=["The Analytical Engine"])]
Description = Annotated[str, Meta(examples=["Notes on computing, every second Tuesday."])]
ImageId = Annotated[str, Meta(description="As its ticket named it.", examples=["img_01J9ZQ6T5V8C3D2E1F0G9H8J7K"])]


class NewChannel(Struct, frozen=True):
    handle: Handle
    name: Name
    description: Description = ""


class PolicyPatch(Struct, frozen=True):
    """Which comments wait for a member, and whether there are comments at all."""

    hold: Hold | UnsetType = UNSET
    words: Annotated[Sequence[str], Meta(examples=[["casino"]])] | UnsetType | None = UNSET
    comments_enabled: bool | UnsetType = field(default=UNSET, name="enabled")


class ChannelPatch(Struct, frozen=True):
    """What is left out stays as it is; a null empties a description or the list of words."""

    handle: Handle | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    avatar: ImageId | UnsetType = field(default=UNSET, name="avatar_image_id")
    banner: ImageId | UnsetType = field(default=UNSET, name="banner_image_id")
    comment_policy: PolicyPatch = PolicyPatch()

    def named(self) -> dict[str, Any]:
        """What the use case is given."""
        given = changes(self, description="")
        return given | changes(given.pop("comment_policy"), words=())


class NewPicture(Struct, frozen=True):
    kind: Picture
    size_bytes: Annotated[int, Meta(examples=[48211])]


class Membership(Struct, frozen=True):
    role: Member


class ChannelController(Controller):
    path = "/channels"
    tags = ("channels",)

    @post(
        operation_id="createChannel",
        opt={"idempotent": True},
        responses=problems(Unauthenticated, Invalid, Taken, Conflict),
    )
    async def open(
        self, data: JSONBody[NewChannel], actor: NamedDependency[Actor], open_channel: NamedDependency[OpenChannel]
    ) -> Response[ChannelView]:
        """Open a channel, whose owner one is from then on."""
        card = await open_channel(actor, handle=data.handle, name=data.name, description=data.description)
        location = {"location": f"/v1/channels/{card.channel.id}"}
        return versioned(ChannelView.of(card), card.channel.version, 201, location)

    @get("/{channel_id:str}", operation_id="getChannel", opt={"cacheable": True}, responses=problems(NotFound))
    async def show(
        self,
        channel_id: FromPath[ChannelId],
        actor: NamedDependency[Actor],
        show_channel: NamedDependency[ShowChannel],
    ) -> Response[ChannelView]:
        """A channel."""
        card = await show_channel(actor, channel_id)
        return versioned(ChannelView.of(card), card.channel.version)

    @get(
        "/by-handle/{handle:str}",
        operation_id="getChannelByHandle",
        opt={"cacheable": True},
        responses=problems(NotFound),
    )
    async def show_by_handle(
        self, handle: FromPath[str], actor: NamedDependency[Actor], show_channel: NamedDependency[ShowChannel]
    ) -> Response[ChannelView]:
        """A channel by its handle, with or without the @."""
        card = await show_channel.by_handle(actor, handle)
        return versioned(ChannelView.of(card), card.channel.version)

    @patch(
        "/{channel_id:str}",
        operation_id="updateChannel",
        responses=problems(Unauthenticated, Forbidden, NotFound, Invalid, Taken, VersionMismatch),
    )
    async def edit(
        self,
        channel_id: FromPath[ChannelId],
        data: JSONBody[ChannelPatch],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        edit_channel: NamedDependency[EditChannel],
    ) -> Response[ChannelView]:
        """Change what a channel shows of itself, and which comments wait for a member.

        A picture is named by the id of its ticket, once its bytes were sent. Owners and editors may do this; only
        the owner changes the handle.
        """
        card = await edit_channel(actor, channel_id, **data.named(), version=version)
        return versioned(ChannelView.of(card), card.channel.version)

    @delete(
        "/{channel_id:str}",
        operation_id="deleteChannel",
        responses=problems(Unauthenticated, Forbidden, NotFound, VersionMismatch),
    )
    async def close(
        self,
        channel_id: FromPath[ChannelId],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        close_channel: NamedDependency[CloseChannel],
    ) -> None:
        """Close a channel: it is gone at once, its videos soon after."""
        await close_channel(actor, channel_id, version)

    @get(
        "/{channel_id:str}/videos",
        operation_id="listChannelVideos",
        opt={"cacheable": True},
        responses=problems(NotFound, Invalid),
    )
    async def videos(
        self,
        *,
        channel_id: FromPath[ChannelId],
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        list_videos: NamedDependency[ListVideos],
        cursor: CursorText = None,
        limit: Limit = 20,
    ) -> Listing[VideoView]:
        """A channel's videos, newest first.

        Its members see all of them, others the published ones.
        """
        here = scope("channel-videos", channel_id, actor.user)
        page = await list_videos.of_channel(actor, channel_id, cursor=cursors.read(cursor, here), limit=limit)
        return cursors.page(page, here, VideoView.of)

    @post(
        "/{channel_id:str}/images",
        operation_id="createChannelImage",
        opt={"idempotent": True},
        responses=problems(Unauthenticated, Forbidden, NotFound, Invalid, Conflict, TooLarge),
    )
    async def picture(
        self,
        channel_id: FromPath[ChannelId],
        data: JSONBody[NewPicture],
        actor: NamedDependency[Actor],
        request_picture: NamedDependency[RequestPicture],
    ) -> PictureTicket:
        """Get a link to send an avatar or banner to.

        PUT exactly the announced number of bytes there (JPEG, PNG or WebP), then name the image in a PATCH of the
        channel.
        """
        return PictureTicket.of(*await request_picture(actor, channel_id, data.kind, data.size_bytes))

    @put(
        "/{channel_id:str}/members/{user_id:str}",
        operation_id="putChannelMember",
        responses=problems(Unauthenticated, Forbidden, NotFound, Invalid, Conflict, VersionMismatch),
    )
    async def enroll(
        self,
        *,
        channel_id: FromPath[ChannelId],
        user_id: FromPath[UserId],
        data: JSONBody[Membership],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        enroll_member: NamedDependency[EnrollMember],
    ) -> Response[ChannelView]:
        """Make someone an editor or moderator of a channel, or change which of the two they are.

        They are named by their id, or by their handle with its @.
        """
        card = await enroll_member(actor, channel_id, user_id, data.role, version)
        return versioned(ChannelView.of(card), card.channel.version)

    @delete(
        "/{channel_id:str}/members/{user_id:str}",
        operation_id="deleteChannelMember",
        responses=problems(Unauthenticated, Forbidden, NotFound, Conflict, VersionMismatch),
    )
    async def dismiss(
        self,
        channel_id: FromPath[ChannelId],
        user_id: FromPath[UserId],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        dismiss_member: NamedDependency[DismissMember],
    ) -> None:
        """End a membership; members may also leave by themselves."""
        await dismiss_member(actor, channel_id, user_id, version)


class MyChannelsController(Controller):
    path = "/me/channels"
    tags = ("channels",)

    @get(operation_id="listMyChannels", responses=problems(Unauthenticated))
    async def mine(
        self, actor: NamedDependency[Actor], list_my_channels: NamedDependency[ListMyChannels]
    ) -> Listing[ChannelView]:
        """The channels one owns or helps with, oldest first; all of them at once."""
        return Listing([ChannelView.of(card) for card in await list_my_channels(actor)], None)
