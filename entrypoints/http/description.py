"""The API's description of itself: the OpenAPI document, and the page that shows it.

The page is Scalar's. Its script comes with a package that is installed with the others, so no browser has to load
anything from elsewhere; where the package is left out, the page is a plain list.
"""

import html
import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from litestar import Request, Router, get
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.response import File

from entrypoints.http.document import completed

_TAGS = (
    Tag("identity", "Accounts, sign-in, one's own profile"),
    Tag("channels", "Where videos appear"),
    Tag("uploads", "Files on their way in, in parts"),
    Tag("videos", "What is shown, and how to play it"),
    Tag("engagement", "Comments and reactions"),
    Tag("subscriptions", "Following channels"),
    Tag("streams", "Broadcasting live, and what happened in each broadcast"),
    Tag("chat", "What viewers say beside a broadcast"),
    Tag("notifications", "What happened, told to whom it concerns"),
    Tag("discovery", "Search, feeds and players for other pages"),
    Tag("history", "What one watched"),
    Tag("analytics", "How much was watched, day by day"),
    Tag("meta", "What the process says of itself"),
    Tag("dev", "Tools of the offline profiles"),
)


def _script() -> Path | None:
    # Found, not imported: the package is a plug-in for a framework that is not installed.
    spec = find_spec("flask_openapi_scalar")
    if spec is None or spec.origin is None:
        return None
    script = Path(spec.origin).parent / "templates" / "scalar" / "js" / "scalar.standalone.js"
    return script if script.is_file() else None


SCRIPT = _script()


@get("/schema/scalar.js", include_in_schema=False, media_type="text/javascript", sync_to_thread=False)
def scalar_script() -> File:
    """Scalar's own script."""
    assert SCRIPT is not None  # noqa: S101  (the route is there only with it)
    return File(
        SCRIPT, media_type="text/javascript", content_disposition_type="inline",
        headers={"cache-control": "public, max-age=86400"},
    )  # fmt: skip


class _PlainPlugin(OpenAPIRenderPlugin):
    """The API on a page without scripts, for machines without a network."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        rows = "".join(
            f"<tr><td><code>{method.upper()}</code></td><td><code>{html.escape(path)}</code></td>"
            f"<td>{html.escape(operation.get('summary', ''))}</td></tr>"
            for path, item in sorted(openapi_schema["paths"].items())
            for method, operation in item.items()
            if isinstance(operation, Mapping)
        )
        title, link = html.escape(openapi_schema["info"]["title"]), self.get_openapi_json_route(request)
        return (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><h1>{title}</h1>"
            f'<p>The whole description: <a href="{link}">{link}</a></p><table>{rows}</table></html>'
        ).encode()


# Nothing that would leave the machine: fonts, reports, and the services that its maker sells.
_OPTIONS = {
    "withDefaultFonts": False, "telemetry": False, "hideClientButton": True, "showDeveloperTools": "never",
    "agent": {"disabled": True}, "mcp": {"disabled": True},
}  # fmt: skip


class _ScalarPlugin(OpenAPIRenderPlugin):
    """Scalar, without the fonts and reports that it would fetch and send."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        title, link = html.escape(openapi_schema["info"]["title"]), self.get_openapi_json_route(request)
        options = html.escape(json.dumps(_OPTIONS))
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1"></head><body>'
            f'<noscript>This page needs scripts. The same as JSON: <a href="{link}">{link}</a></noscript>'
            f'<script id="api-reference" data-url="{link}" data-configuration="{options}"></script>'
            '<script src="/schema/scalar.js"></script></body></html>'
        ).encode()


class _DocumentPlugin(JsonRenderPlugin):
    """The document, completed once."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json")
        self._document = b""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        if not self._document:
            whole = completed(openapi_schema, request.app.routes)
            self._document = self.render_json(request, whole)
        return self._document

    def receive_router(self, router: Router) -> None:
        """Litestar's own page for what is not there goes: ours is a problem document."""
        router.routes[:] = [route for route in router.routes if not route.path.endswith("{path:str}")]


def openapi(version: str) -> OpenAPIConfig:
    page: OpenAPIRenderPlugin = _PlainPlugin(path="/")
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    if SCRIPT is not None:
        page = _ScalarPlugin(path="/")
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; "
            "font-src data:; frame-ancestors 'none'"
        )
    return OpenAPIConfig(
        title="Hexcast",
        version=version,
        description="A video sharing platform. Errors are problem documents (RFC 9457).",
        tags=list(_TAGS),
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT", description="Access token")
            }
        ),
        security=[{}, {"bearer": []}],
        path="/schema",
        openapi_router=Router(
            "/schema",
            route_handlers=[],
            response_headers=[ResponseHeader(name="content-security-policy", value=policy)],
            include_in_schema=False,
        ),
        render_plugins=[page, _DocumentPlugin()],
        operation_id_creator=_operation_id,
    )


def _operation_id(handler: HTTPRouteHandler, method: object, components: object) -> str:  # noqa: ARG001  (Litestar's)
    first, *rest = handler.handler_name.split("_")
    return first + "".join(map(str.capitalize, rest))
