"""Comments and their moderation, likes and dislikes."""

from typing import Annotated, Literal

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, FromPath, QueryParameter
from msgspec import UNSET, Struct, UnsetType

from application.engagement import (
    CommentCard,
    Discussion,
    EditComment,
    ListComments,
    PostComment,
    React,
    RemoveComment,
    RuleComment,
    ShowComment,
)  # fmt: skip
from domain.access import Actor
from domain.engagement import Reaction, Ruling
from domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Unauthenticated,
    VersionMismatch,
)  # fmt: skip
from domain.ids import ChannelId, CommentId, VideoId
from entrypoints.http.requests import Cursors, CursorText, Limit, Listing, changes, problems, scope, versioned
from entrypoints.http.views import NO_STORE
from entrypoints.http.views_social import CommentView


class NewComment(Struct, frozen=True):
    """What to say: 1 to 5000 characters."""

    text: str


class CommentPatch(Struct, frozen=True):
    """What is left out stays as it is. The words are the author's, the pin is the channel's."""

    text: str | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET


class CommentRuling(Struct, frozen=True):
    action: Ruling


class ChosenReaction(Struct, frozen=True):
    value: Reaction


_JSON = RequestEncodingType.JSON
_NewComment = Annotated[
    NewComment, BodyKwarg(media_type=_JSON, examples=[Example(value={"text": "Nice one, @ada! The part at 1:20 …"})])
]
_CommentPatch = Annotated[
    CommentPatch,
    BodyKwarg(
        media_type=_JSON,
        examples=[
            Example(id="words", summary="Other words", value={"text": "Nice one!"}),
            Example(id="pin", summary="Pin it", value={"pinned": True}),
        ],
    ),
]
_ChosenReaction = Annotated[ChosenReaction, BodyKwarg(media_type=_JSON, examples=[Example(value={"value": "like"})])]
_Waiting = Annotated[
    Literal["held"] | None, QueryParameter(name="status", description="Only those that wait for a ruling.")
]
_Ruling = Annotated[CommentRuling, BodyKwarg(media_type=_JSON, examples=[Example(value={"action": "approve"})])]


def _said(found: Discussion, cursors: Cursors, of: str) -> Response[Listing[CommentView]]:
    headers = {} if found.public else NO_STORE
    return Response(cursors.page(found.page, of, CommentView.of), headers=headers)


def _posted(card: CommentCard) -> Response[CommentView]:
    comment = card.comment
    return versioned(CommentView.of(card), comment.version, 201, {"location": f"/v1/comments/{comment.id}"})


class EngagementController(Controller):
    tags = ("engagement",)

    @get(
        "/videos/{video_id:str}/comments",
        operation_id="listComments",
        responses=problems(Invalid, NotFound),
        opt={"cacheable": True},
    )
    async def list_comments(
        self,
        video_id: FromPath[VideoId],
        *,
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        list_comments: NamedDependency[ListComments],
        limit: Limit = 20,
        cursor: CursorText = None,
    ) -> Response[Listing[CommentView]]:
        """List the comments on a video.

        The pinned one first, then the newest first. A comment that was removed, held or rejected is not among them
        unless it has replies: then a placeholder keeps its place, of the status ``removed``, without text or author.
        Your own that are held come first on the first page (if ``limit`` is more than 1): at most 20, newest first.
        """
        of = scope("comments", video_id)
        return _said(await list_comments(actor, video_id, cursor=cursors.read(cursor, of), limit=limit), cursors, of)

    @post(
        "/videos/{video_id:str}/comments",
        operation_id="postComment",
        responses=problems(Invalid, Unauthenticated, Forbidden, NotFound),
        opt={"idempotent": True},
    )
    async def post_comment(
        self,
        video_id: FromPath[VideoId],
        data: _NewComment,
        actor: NamedDependency[Actor],
        post_comment: NamedDependency[PostComment],
    ) -> Response[CommentView]:
        """Comment on a video.

        Its status is ``visible``, or ``held`` when the channel's policy makes it wait for a member.
        People mentioned as ``@handle`` who may see the video are told. Problems: ``comments_disabled``.
        """
        return _posted(await post_comment(actor, video_id, data.text))

    @get(
        "/comments/{comment_id:str}/replies",
        operation_id="listReplies",
        responses=problems(Invalid, NotFound),
        opt={"cacheable": True},
    )
    async def list_replies(
        self,
        comment_id: FromPath[CommentId],
        *,
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        list_comments: NamedDependency[ListComments],
        limit: Limit = 20,
        cursor: CursorText = None,
    ) -> Response[Listing[CommentView]]:
        """List the replies to a comment.

        The oldest first. Replies to a comment that was removed, held or rejected stay.
        Your own that are held come before the others, on the first page.
        """
        of = scope("replies", comment_id)
        return _said(
            await list_comments.replies(actor, comment_id, cursor=cursors.read(cursor, of), limit=limit), cursors, of
        )

    @post(
        "/comments/{comment_id:str}/replies",
        operation_id="postReply",
        responses=problems(Invalid, Unauthenticated, Forbidden, NotFound),
        opt={"idempotent": True},
    )
    async def post_reply(
        self,
        comment_id: FromPath[CommentId],
        data: _NewComment,
        actor: NamedDependency[Actor],
        post_comment: NamedDependency[PostComment],
    ) -> Response[CommentView]:
        """Reply to a comment.

        Replies have no replies: one to a reply stands beside it, under the same comment.
        """
        return _posted(await post_comment.reply(actor, comment_id, data.text))

    @get("/comments/{comment_id:str}", operation_id="showComment", responses=problems(NotFound))
    async def show_comment(
        self,
        comment_id: FromPath[CommentId],
        actor: NamedDependency[Actor],
        show_comment: NamedDependency[ShowComment],
    ) -> Response[CommentView]:
        """Show a comment.

        As it stands under its video; one that waits for a ruling is shown to its author and to those who rule.
        """
        card = await show_comment(actor, comment_id)
        return versioned(CommentView.of(card), card.comment.version, headers=NO_STORE)

    @patch(
        "/comments/{comment_id:str}",
        operation_id="editComment",
        responses=problems(Invalid, Unauthenticated, Forbidden, NotFound, Conflict, VersionMismatch),
    )
    async def edit_comment(
        self,
        comment_id: FromPath[CommentId],
        data: _CommentPatch,
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        edit_comment: NamedDependency[EditComment],
    ) -> Response[CommentView]:
        """Edit or pin a comment.

        Its author changes the text, which passes the channel's policy again; the channel's members set the pin,
        which a video has one of. Problems: ``comment_closed``, ``cannot_pin``.
        """
        card = await edit_comment(actor, comment_id, version=version, **changes(data))
        return versioned(CommentView.of(card), card.comment.version)

    @delete(
        "/comments/{comment_id:str}",
        operation_id="removeComment",
        responses=problems(Unauthenticated, Forbidden, NotFound, Conflict, VersionMismatch),
    )
    async def remove_comment(
        self,
        comment_id: FromPath[CommentId],
        actor: NamedDependency[Actor],
        version: NamedDependency[int | None],
        remove_comment: NamedDependency[RemoveComment],
    ) -> None:
        """Remove a comment.

        By its author, the channel's members or the platform's moderators. Its text goes; replies to it stay.
        """
        await remove_comment(actor, comment_id, version)

    @post(
        "/comments/{comment_id:str}/moderation",
        operation_id="moderateComment",
        status_code=200,
        responses=problems(Invalid, Unauthenticated, Forbidden, NotFound, Conflict),
    )
    async def moderate_comment(
        self,
        comment_id: FromPath[CommentId],
        data: _Ruling,
        actor: NamedDependency[Actor],
        rule_comment: NamedDependency[RuleComment],
    ) -> Response[CommentView]:
        """Approve, hold or reject a comment.

        For those who moderate the channel. Saying the same again changes nothing.
        """
        card = await rule_comment(actor, comment_id, data.action)
        return versioned(CommentView.of(card), card.comment.version)

    @get(
        "/channels/{channel_id:str}/comments",
        operation_id="listChannelComments",
        responses=problems(Invalid, Unauthenticated, Forbidden, NotFound),
    )
    async def list_channel_comments(
        self,
        channel_id: FromPath[ChannelId],
        *,
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        list_comments: NamedDependency[ListComments],
        status: _Waiting = None,
        limit: Limit = 20,
        cursor: CursorText = None,
    ) -> Listing[CommentView]:
        """List a channel's comments, for those who moderate it.

        With ``status=held`` those that wait for a ruling, the oldest first; else all of them, the newest first.
        """
        of = scope("channel-comments", channel_id, status)
        page = await list_comments.of_channel(
            actor, channel_id, held_only=status == "held", cursor=cursors.read(cursor, of), limit=limit
        )
        return cursors.page(page, of, CommentView.of)

    @put(
        "/videos/{video_id:str}/reaction",
        operation_id="reactToVideo",
        status_code=204,
        responses=problems(Invalid, Unauthenticated, NotFound),
    )
    async def react_to_video(
        self,
        video_id: FromPath[VideoId],
        data: _ChosenReaction,
        actor: NamedDependency[Actor],
        react: NamedDependency[React],
    ) -> None:
        """Like or dislike a video.

        It takes the place of an earlier reaction.
        """
        await react.to_video(actor, video_id, data.value)

    @delete(
        "/videos/{video_id:str}/reaction",
        operation_id="takeBackVideoReaction",
        responses=problems(Unauthenticated, NotFound),
    )
    async def take_back_from_video(
        self, video_id: FromPath[VideoId], actor: NamedDependency[Actor], react: NamedDependency[React]
    ) -> None:
        """Take back a like or dislike of a video."""
        await react.to_video(actor, video_id, None)

    @put(
        "/comments/{comment_id:str}/reaction",
        operation_id="reactToComment",
        status_code=204,
        responses=problems(Invalid, Unauthenticated, NotFound),
    )
    async def react_to_comment(
        self,
        comment_id: FromPath[CommentId],
        data: _ChosenReaction,
        actor: NamedDependency[Actor],
        react: NamedDependency[React],
    ) -> None:
        """Like or dislike a comment.

        It takes the place of an earlier reaction.
        """
        await react.to_comment(actor, comment_id, data.value)

    @delete(
        "/comments/{comment_id:str}/reaction",
        operation_id="takeBackCommentReaction",
        responses=problems(Unauthenticated, NotFound),
    )
    async def take_back_from_comment(
        self, comment_id: FromPath[CommentId], actor: NamedDependency[Actor], react: NamedDependency[React]
    ) -> None:
        """Take back a like or dislike of a comment."""
        await react.to_comment(actor, comment_id, None)
