"""What one watched, and forgetting it."""

from litestar import Controller, delete, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from application.watching import ForgetHistory, ListHistory
from domain.access import Actor
from domain.errors import Invalid, Unauthenticated
from domain.ids import VideoId
from entrypoints.http.requests import Cursors, CursorText, Limit, Listing, problems, scope
from entrypoints.http.views import VideoView


class HistoryController(Controller):
    path = "/me/history"
    tags = ("history",)

    @get("/", operation_id="listHistory", responses=problems(Invalid, Unauthenticated))
    async def list_history(
        self,
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        list_history: NamedDependency[ListHistory],
        limit: Limit = 20,
        cursor: CursorText = None,
    ) -> Listing[VideoView]:
        """List the videos one watched.

        The one watched last comes first; what one may not see any more is left out.
        """
        of = scope("history", actor.user)
        page = await list_history(actor, cursor=cursors.read(cursor, of), limit=limit)
        return cursors.page(page, of, VideoView.of)

    @delete("/", operation_id="forgetHistory", responses=problems(Unauthenticated))
    async def forget_all(self, actor: NamedDependency[Actor], forget_history: NamedDependency[ForgetHistory]) -> None:
        """Forget everything one watched."""
        await forget_history(actor)

    @delete("/{video_id:str}", operation_id="forgetVideo", responses=problems(Unauthenticated))
    async def forget_one(
        self,
        video_id: FromPath[VideoId],
        actor: NamedDependency[Actor],
        forget_history: NamedDependency[ForgetHistory],
    ) -> None:
        """Forget that one watched a video."""
        await forget_history(actor, video_id)
