"""The whole API as one ASGI app: the same behind a server, behind Lambda and in tests."""

import asyncio
import html
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from attrs import field, frozen
from litestar import Controller, Litestar, Request, Router
from litestar.datastructures import ResponseHeader
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin, ScalarRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag

from adapters.system import secret
from application.ports import Now
from domain.access import ANONYMOUS, Actor
from domain.errors import Unavailable
from entrypoints.container import Core, use_cases
from entrypoints.http.channels import ChannelController, MyChannelsController
from entrypoints.http.discovery import DiscoveryController
from entrypoints.http.edge import Edge, Identify
from entrypoints.http.engagement import EngagementController
from entrypoints.http.errors import HANDLERS, asking_of
from entrypoints.http.history import HistoryController
from entrypoints.http.idempotency import Repeats
from entrypoints.http.identity import AuthController, MeController
from entrypoints.http.limits import AnswerCache, RateLimit
from entrypoints.http.media import doors
from entrypoints.http.meta import OFFLINE, about, dev_pages, pages
from entrypoints.http.notifications import NotificationController
from entrypoints.http.requests import Cursors, if_match
from entrypoints.http.subscriptions import SubscriptionController
from entrypoints.http.uploads import UploadController
from entrypoints.http.videos import BlockController, CaptionController, VideoController
from entrypoints.http.watching import WatchingController
from entrypoints.metrics import Metrics

BODY_BYTES = 1024 * 1024

CONTROLLERS: Sequence[type[Controller]] = (
    AuthController, MeController, ChannelController, MyChannelsController, UploadController, VideoController,
    CaptionController, BlockController, WatchingController, HistoryController, EngagementController,
    SubscriptionController, NotificationController, DiscoveryController,
)  # fmt: skip
"""What is served under /v1."""

_TAGS = (
    Tag("identity", "Accounts, sign-in, one's own profile"),
    Tag("channels", "Where videos appear"),
    Tag("uploads", "Files on their way in, in parts"),
    Tag("videos", "What is shown, and how to play it"),
    Tag("engagement", "Comments and reactions"),
    Tag("subscriptions", "Following channels"),
    Tag("notifications", "What happened, told to whom it concerns"),
    Tag("discovery", "Search, feeds and players for other pages"),
    Tag("history", "What one watched"),
    Tag("meta", "What the process says of itself"),
    Tag("dev", "Tools of the offline profiles"),
)


@frozen
class Running:
    """What a process adds to its core. ``alive`` says whether its background work goes on, ``nudge`` tells it that
    the clock was moved; once ``stopping`` is set, streams of events end.
    """

    metrics: Metrics = field(factory=Metrics)
    alive: Callable[[], bool] = lambda: True
    nudge: Callable[[], None] = lambda: None
    stopping: asyncio.Event = field(factory=asyncio.Event)


def create_app(
    core: Core, running: Running | None = None, *, controllers: Sequence[type[Controller]] = CONTROLLERS
) -> Litestar:
    """The app over an open core. Whoever opened the core closes it: the app owns nothing."""
    running = running or Running()
    settings, adapters = core.settings(), core.adapters
    cases = use_cases(core)
    now, changes = adapters.now(), adapters.changes()
    key = settings.secret.encode() if settings.secret else secret()
    given: dict[str, Callable[[], object]] = {
        **cases,
        "cursors": cache(partial(Cursors, key)),
        "public_url": lambda: settings.public_url,
    }

    async def check() -> None:
        if not running.alive():
            raise Unavailable("background work stands still")
        await adapters.videos().listed(limit=1)

    handlers: list[BaseRouteHandler | type[Controller]] = [
        *(_equipped(each, given) for each in controllers),
        *pages(settings, running.metrics, adapters.keys, check),
    ]
    if settings.profile in OFFLINE:
        handlers.extend(dev_pages(adapters.mailbox, adapters.clock().advance, running.nudge))
    if adapters.delivery() is not None:
        handlers.extend(doors(cases["receive_part"](), cases["open_file"]()))
    app = Litestar(
        handlers,
        dependencies={
            "actor": Provide(_actor, sync_to_thread=False),
            "version": Provide(_version, sync_to_thread=False),
        },
        exception_handlers={**HANDLERS},
        openapi_config=_openapi(about(settings).version, settings.scalar_url),
        request_max_body_size=BODY_BYTES,
        logging_config=None,
    )
    repeats = Repeats(adapters.idempotency(), now)
    repeats.cover(app)
    app.asgi_handler = Edge(
        app.asgi_handler,
        identify=_identifier(adapters, now),
        rate_limit=RateLimit(settings.rate_limit),
        kept=AnswerCache(changes),
        repeats=repeats,
        metrics=running.metrics,
        stopping=running.stopping,
        cors_origins=settings.cors_origins,
        now=now,
        new_id=adapters.new_id(),
    )
    return app


def _equipped(controller: type[Controller], given: Mapping[str, Callable[[], object]]) -> type[Controller]:
    """The controller under /v1, with what its handlers ask for, and with their docstrings as their documentation.

    Litestar copies whatever is registered with a router, handler by handler, so there is none for /v1. It compares all that a handler is offered with each other, which for every use case and every handler
    would take most of the start.
    """
    handlers = [each for each in vars(controller).values() if isinstance(each, HTTPRouteHandler)]
    for handler in handlers:
        handler.summary, _, text = (inspect.getdoc(handler.fn) or "").partition("\n\n")
        handler.summary, handler.description = " ".join(handler.summary.split()).removesuffix("."), text or None
    functions = [handler.fn.__code__ for handler in handlers]
    asked = {name for code in functions for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]}
    declared = vars(controller).get("dependencies")
    dependencies: dict[str, object] = dict(declared) if isinstance(declared, Mapping) else {}
    dependencies |= {name: _given(given[name]) for name in sorted(asked & given.keys() - dependencies.keys())}
    own = vars(controller).get("path")
    path = f"/v1{own}" if isinstance(own, str) else "/v1"
    attributes = {"__module__": controller.__module__, "path": path, "dependencies": dependencies}
    return type(controller.__name__, (controller,), attributes)


def _given(provider: Callable[[], object]) -> Provide:
    return Provide(lambda: provider(), sync_to_thread=False)  # noqa: PLW0108  (Litestar inspects functions only)


def _identifier(adapters: Any, now: Now) -> Identify:
    """Checks tokens. What that takes is loaded with the first one: cryptography is a tenth of a second."""

    @cache
    def verifier() -> Any:
        from entrypoints.http.auth import TokenVerifier  # noqa: PLC0415  (late: see above)

        return TokenVerifier(
            keys=adapters.keys(), issuer=adapters.issuer(), client_ids=adapters.client_ids(), now=now
        )  # fmt: skip

    async def identify(header: str) -> Actor:
        from entrypoints.http.auth import bearer  # noqa: PLC0415  (late: see above)

        token = bearer(header)
        return ANONYMOUS if token is None else await verifier().actor(token)

    return identify


def _actor(request: Request[Any, Any, Any]) -> Actor:
    return asking_of(request.scope).require_actor()


def _version(request: Request[Any, Any, Any]) -> int | None:
    return if_match(request.headers.get("if-match"))


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


class _ScalarPlugin(ScalarRenderPlugin):
    """Scalar, with a link for those whose browser cannot load it."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        link = self.get_openapi_json_route(request)
        page = super().render(request, openapi_schema)
        return page.replace(b"</html>", f'<p><a href="{link}">The API as JSON</a></p></html>'.encode())


def _openapi(version: str, scalar_url: str) -> OpenAPIConfig:
    page: OpenAPIRenderPlugin = _PlainPlugin(path="/")
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    if scalar_url:
        page = _ScalarPlugin(js_url=scalar_url, css_url="data:text/css,", path="/", favicon="")
        policy = (
            f"default-src 'none'; script-src {scalar_url}; style-src 'unsafe-inline' data:; connect-src 'self'; "
            "img-src data:; font-src data:; frame-ancestors 'none'"
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
        render_plugins=[page, JsonRenderPlugin(path="/openapi.json")],
        operation_id_creator=_operation_id,
    )


def _operation_id(handler: HTTPRouteHandler, method: object, components: object) -> str:  # noqa: ARG001  (Litestar's)
    first, *rest = handler.handler_name.split("_")
    return first + "".join(map(str.capitalize, rest))
