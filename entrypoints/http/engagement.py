"""Comments and their moderation, likes and dislikes."""

from typing import Annotated, Literal

from attrs import frozen
from litestar import Controller, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, FromPath, FromQuery, JSONBody

from application.engagement import (
    CommentCard,
    Discussion,
    EditComment,
    ListComments,
    PostComment,
    React,
    RemoveComment,
    RuleComment,
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
from entrypoints.http.requests import Cursors, CursorText, Limit, Listing, problems, scope, versioned
from entrypoints.http.views_social import CommentView


@frozen
class NewComment:
    """What to say: 1 to 5000 characters."""

    text: str


@frozen
class EditedComment:
    """A JSON merge patch: what is left out or null stays as it is. The words are the author's, the pin the channel's."""

    text: str | None = None
    pinned: bool | None = None


@frozen
class CommentRuling:
    action: Ruling


@frozen
class ChosenReaction:
    value: Reaction


_NEW_COMMENT = Annotated[
    NewComment, BodyKwarg(examples=[Example(summary="With a mention", value={"text": "Nice one, @ada! At 1:20 …"})])
]
_EDITED_COMMENT = Annotated[
    EditedComment,
    BodyKwarg(
        examples=[
            Example(id="words", summary="Other words", value={"text": "Nice one!"}),
            Example(id="pin", summary="Pin it", value={"pinned": True}),
        ]
    ),
]
_REACTION = Annotated[ChosenReaction, BodyKwarg(examples=[Example(value={"value": "like"})])]
_RULING = Annotated[CommentRuling, BodyKwarg(examples=[Example(value={"action": "approve"})])]


class CommentController(Controller):
    tags = ("Engagement",)

    @get(
        "/videos/{video_id:str}/comments",
        operation_id="listComments",
        responses=problems(Invalid, NotFound),
        opt={"cacheable": True},
    )
    async def list_on_video(
        self,
        video_id: FromPath[VideoId],
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        list_comments: NamedDependency[ListComments],
        limit: Limit = 20,
        cursor: CursorText = None,
    ) -> Response[Listing[CommentView]]:
        """List the comments on a video.

        The pinned one first, then the newest first. Comments that are held or rejected are not among them.
        """
        of = scope("comments", video_id)
        found = await list_comments(actor, video_id, cursor=cursors.read(cursor, of), limit=limit)
        return _said(found, cursors, of)
