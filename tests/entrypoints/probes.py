"""Handlers of every kind that the layers around them tell apart."""

from collections.abc import Awaitable, Callable, Mapping

from litestar import Controller, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import FromPath, JSONBody

from application.channels import ListMyChannels, ShowChannel
from application.ports import Page
from domain.access import Actor
from domain.errors import (
    Conflict,
    DomainError,
    Forbidden,
    IllegalTransition,
    Invalid,
    NotFound,
    Stale,
    Taken,
    TooLarge,
    Unauthenticated,
    Unavailable,
    VersionMismatch,
)  # fmt: skip
from domain.ids import ChannelId
from entrypoints.http.requests import Cursors, CursorText, Limit, Listing, scope, versioned

ERRORS: Mapping[str, tuple[Callable[[], Exception], int, str]] = {
    "not-found": (lambda: NotFound("no"), 404, "not_found"),
    "invalid": (lambda: Invalid("no", field="title"), 422, "invalid"),
    "invalid-code": (lambda: Invalid("no", code="code_mismatch"), 422, "code_mismatch"),
    "cursor": (lambda: Invalid("no", code="invalid_cursor"), 400, "invalid_cursor"),
    "other-cursor": (lambda: Invalid("no", code="cursor_mismatch"), 400, "cursor_mismatch"),
    "if-match": (lambda: Invalid("no", code="invalid_if_match"), 400, "invalid_if_match"),
    "key-reused": (lambda: Invalid("no", code="idempotency_key_reused"), 422, "idempotency_key_reused"),
    "unauthenticated": (lambda: Unauthenticated("no"), 401, "unauthenticated"),
    "forbidden": (lambda: Forbidden("no", code="not_confirmed"), 403, "not_confirmed"),
    "conflict": (lambda: Conflict("no"), 409, "conflict"),
    "stale": (lambda: Stale("the video"), 409, "stale"),
    "mismatch": (lambda: VersionMismatch("the video"), 412, "version_mismatch"),
    "taken": (lambda: Taken("no", code="handle_taken"), 409, "handle_taken"),
    "transition": (lambda: IllegalTransition("a video", "ready", "pending"), 409, "illegal_transition"),
    "too-large": (lambda: TooLarge("no"), 413, "too_large"),
    "unavailable": (lambda: Unavailable("no"), 503, "unavailable"),
    "no-room": (lambda: Unavailable("no", code="insufficient_storage"), 507, "insufficient_storage"),
    "domain": (lambda: DomainError("no"), 500, "error"),
    "framework": (lambda: HTTPException(status_code=418, detail="no"), 418, "im_a_teapot"),
}


async def _nothing() -> None:
    """What there is to wait for, unless a test says otherwise."""


class Probes(Controller):
    path = "/probes"
    made: Callable[[], Awaitable[None]] = staticmethod(_nothing)
    tries = 0
    status = 201

    @get("/channels/{channel_id:str}", opt={"cacheable": True})
    async def channel(
        self, channel_id: FromPath[ChannelId], actor: NamedDependency[Actor], show_channel: NamedDependency[ShowChannel]
    ) -> dict[str, object]:
        card = await show_channel(actor, channel_id)
        return {"name": card.channel.name, "subscribers": card.subscribers, "viewer": actor.user}

    @get("/fresh", opt={"cacheable": True})
    async def fresh(self) -> Response[dict[str, int]]:
        Probes.tries += 1
        return Response({"tries": Probes.tries}, headers={"cache-control": "no-store"})

    @get("/large", opt={"cacheable": True})
    async def large(self) -> Response[bytes]:
        return Response(b"x" * (2 * 1024 * 1024), media_type="application/octet-stream")

    @get("/errors/{name:str}")
    async def error(self, name: FromPath[str]) -> None:
        if name in ERRORS:
            error = ERRORS[name][0]()
            raise error
        message = "the password is swordfish"
        raise RuntimeError(message)

    @get("/numbers")
    async def numbers(
        self, cursors: NamedDependency[Cursors], cursor: CursorText = None, limit: Limit = 20
    ) -> Listing[int]:
        where = scope("/probes/numbers")
        start = int(cursors.read(cursor, where) or 0)
        end = min(start + limit, 50)
        return cursors.page(Page(range(start, end), str(end) if end < 50 else None), where, lambda number: number)

    @get("/letters")
    async def letters(self, cursors: NamedDependency[Cursors], cursor: CursorText = None) -> Listing[str]:
        cursors.read(cursor, scope("/probes/letters"))
        return Listing([], None)

    @get("/mine")
    async def mine(self, actor: NamedDependency[Actor], list_my_channels: NamedDependency[ListMyChannels]) -> int:
        return len(await list_my_channels(actor))

    @patch("/thing")
    async def thing(self, version: NamedDependency[int | None], data: JSONBody[dict[str, int]]) -> Response[object]:
        return versioned({"asked": version, **data}, 7)

    @post("/things", opt={"idempotent": True})
    async def make(self, data: JSONBody[dict[str, int]]) -> Response[dict[str, int]]:
        Probes.tries += 1
        await Probes.made()
        return Response({"tries": Probes.tries, **data}, status_code=Probes.status, headers={"location": "/x"})
