"""Being found: search, feeds for readers, players for other people's pages."""

from typing import Annotated, Literal

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter

from application.discovery import EmbedStream, EmbedVideo, Find, ShowChannelFeed
from application.ports import Found
from domain.access import Actor
from domain.errors import Invalid, NotFound, Unauthenticated
from domain.ids import STREAM, ChannelId, StreamId, VideoId
from entrypoints.http.errors import MEDIA_TYPE, Problem
from entrypoints.http.requests import Cursors, CursorText, Limit, Listing, problems, scope
from entrypoints.http.views import caching
from entrypoints.http.views_social import EmbedView, FoundChannel, FoundVideo, atom, found_view
from entrypoints.http.views_streams import stream_caching

ATOM = "application/atom+xml"

_Words = Annotated[
    str, QueryParameter(name="q", min_length=1, max_length=200, description="Words; each may be a beginning.")
]
_Kind = Annotated[Found | None, QueryParameter(name="type", description="Only videos, or only channels.")]
_Address = Annotated[
    str,
    QueryParameter(
        name="url", max_length=2000, description="The address of the page or player of a video or a stream."
    ),
]
_Room = Annotated[int | None, QueryParameter(ge=1, le=100_000, description="Pixels there are at most.")]
_Format = Annotated[Literal["json", "xml"], QueryParameter(name="format", description="Only json is answered.")]

_NO_XML_HERE = {
    501: ResponseSpec(
        Problem, generate_examples=False, media_type=MEDIA_TYPE, description="Problem: format_not_implemented"
    )
}


class DiscoveryController(Controller):
    tags = ("discovery",)

    @get("/search", operation_id="search", responses=problems(Invalid), opt={"cacheable": True})
    async def search(
        self,
        words: _Words,
        *,
        actor: NamedDependency[Actor],
        cursors: NamedDependency[Cursors],
        find: NamedDependency[Find],
        kind: _Kind = None,
        limit: Limit = 20,
        cursor: CursorText = None,
    ) -> Listing[FoundVideo | FoundChannel]:
        """Search videos and channels.

        The best first. All words must occur, in any case and with or without accents. What was hidden since it
        was indexed is left out, so a page may be short, or even empty, and still have a next one.
        """
        of = scope("search", words, kind)
        page = await find(actor, words, kind=kind, cursor=cursors.read(cursor, of), limit=limit)
        return cursors.page(page, of, found_view)

    @get(
        "/feeds/channels/{file:str}",
        operation_id="showChannelFeed",
        responses={
            200: ResponseSpec(bytes, generate_examples=False, media_type=ATOM, description="An Atom feed (RFC 4287).")
        }
        | problems(NotFound),
        opt={"cacheable": True},
    )
    async def show_channel_feed(
        self,
        file: FromPath[str],
        public_url: NamedDependency[str],
        show_channel_feed: NamedDependency[ShowChannelFeed],
    ) -> Response[bytes]:
        """Follow a channel in a feed reader.

        An Atom feed of what it published last, at the channel's id and ``.atom``.
        """
        feed = atom(await show_channel_feed(_channel(file)), public_url)
        return Response(feed, media_type=f"{ATOM}; charset=utf-8")

    @get("/oembed", operation_id="embed", responses=problems(Invalid, NotFound, Unauthenticated) | _NO_XML_HERE)
    async def embed(
        self,
        address: _Address,
        *,
        public_url: NamedDependency[str],
        embed_video: NamedDependency[EmbedVideo],
        embed_stream: NamedDependency[EmbedStream],
        maxwidth: _Room = None,
        maxheight: _Room = None,
        format_: _Format = "json",
    ) -> Response[EmbedView]:
        """Embed a video or a stream elsewhere (oEmbed 1.0).

        For what is public or unlisted. Problems: ``private_video``, ``private_stream`` (401, as oEmbed asks),
        ``format_not_implemented``.
        """
        _require_json(format_)
        shown = _shown(address, public_url)
        if shown.startswith(f"{STREAM}_"):
            stream = await embed_stream(StreamId(shown))
            return Response(
                EmbedView.of_stream(stream, public_url, maxwidth, maxheight), headers=stream_caching(stream)
            )
        card = await embed_video(VideoId(shown))
        return Response(EmbedView.of(card, public_url, maxwidth, maxheight), headers=caching(card))


def _channel(file: str) -> ChannelId:
    """Whose feed the file is. Raises NotFound."""
    if not file.endswith(".atom"):
        raise NotFound("feeds are at a channel's id and .atom")
    return ChannelId(file.removesuffix(".atom"))


def _shown(address: str, public_url: str) -> str:
    """Which video or stream is watched at the address. Raises NotFound."""
    origin, here, path = address.partition(f"{public_url}/")
    match path.partition("#")[0].partition("?")[0].split("/"):
        case ["watch" | "live" | "embed" as page, shown] if (
            here and not origin and (page == "embed" or (page == "live") == shown.startswith(f"{STREAM}_"))
        ):
            return shown
        case _:
            raise NotFound("nothing is watched at this address")


def _require_json(format_: str) -> None:
    if format_ != "json":
        raise Invalid("only json is answered here", code="format_not_implemented", field="format")
