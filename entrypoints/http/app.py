"""The whole API as one ASGI app: the same behind a server, behind Lambda and in tests."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import cache, partial, wraps
from pathlib import Path
from typing import Any

from attrs import field, frozen
from litestar import Controller, Litestar, Request
from litestar.di import NamedDependency, Provide
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler

from application.ports import Now
from domain.access import ANONYMOUS, Actor
from domain.errors import Unavailable
from entrypoints.container import Core, use_cases
from entrypoints.http.channels import ChannelController, MyChannelsController
from entrypoints.http.chat import ChatController, chat_socket
from entrypoints.http.description import SCRIPT, openapi, scalar_script
from entrypoints.http.discovery import DiscoveryController
from entrypoints.http.edge import Edge, Identify
from entrypoints.http.engagement import EngagementController
from entrypoints.http.errors import HANDLERS, asking_of
from entrypoints.http.history import HistoryController
from entrypoints.http.idempotency import BODY_BYTES, App, Repeats
from entrypoints.http.identity import AuthController, MeController
from entrypoints.http.limits import AnswerCache, RateLimit
from entrypoints.http.media import doors
from entrypoints.http.meta import about, dev_pages, pages
from entrypoints.http.notifications import NotificationController
from entrypoints.http.pages import DIST, Pages, read
from entrypoints.http.previews import previews
from entrypoints.http.requests import Cursors, JsonRequest, if_match
from entrypoints.http.sessions import CookieSessions
from entrypoints.http.streams import StreamController, simulation
from entrypoints.http.subscriptions import SubscriptionController
from entrypoints.http.uploads import UploadController
from entrypoints.http.videos import BlockController, CaptionController, ProcessingController, VideoController
from entrypoints.http.watching import AnalyticsController, WatchingController
from entrypoints.metrics import Metrics

CONTROLLERS: Sequence[type[Controller]] = (
    AuthController, MeController, ChannelController, MyChannelsController, UploadController, VideoController,
    CaptionController, ProcessingController, BlockController, WatchingController, AnalyticsController,
    HistoryController, EngagementController, SubscriptionController, NotificationController, DiscoveryController,
    StreamController, ChatController,
)  # fmt: skip
"""What is served under /v1."""


@frozen
class Running:
    """What a process adds to its core. ``alive`` says whether its background work goes on, ``nudge`` tells it that
    the clock was moved.
    """

    metrics: Metrics = field(factory=Metrics)
    alive: Callable[[], bool] = lambda: True
    nudge: Callable[[], None] = lambda: None


def create_app(
    core: Core, running: Running | None = None, *, controllers: Sequence[type[Controller]] = CONTROLLERS,
    dist: Path | None = DIST,
) -> Litestar:  # fmt: skip
    """The app over an open core. Whoever opened the core closes it: the app owns nothing. The web client is served of
    what is in ``dist``, if anything is.
    """
    running = running or Running()
    settings, adapters = core.settings(), core.adapters
    cases = use_cases(core)
    now, changes = adapters.now(), adapters.changes()
    given: dict[str, Callable[[], object]] = {
        **cases,
        "cursors": cache(partial(Cursors, adapters.key())),
        "cookie_sessions": cache(partial(CookieSessions, settings.public_url)),
        "public_url": lambda: settings.public_url,
        "stream_retry_s": lambda: settings.stream_retry_s,
    }

    async def check() -> None:
        if not running.alive():
            raise Unavailable("background work stands still")
        await adapters.videos().listed(limit=1)

    own: list[HTTPRouteHandler] = pages(settings, running.metrics, adapters.keys, check)
    if settings.tools:
        own.extend(dev_pages(adapters.mailbox, adapters.clock().advance, running.nudge))
        own.append(simulation(cases["simulate"]))
    for handler in own:
        _describe(handler)
    handlers: list[BaseRouteHandler | type[Controller]] = [*(_equipped(each, given) for each in controllers), *own]
    if SCRIPT is not None:
        handlers.append(scalar_script)
    if adapters.delivery() is not None:
        handlers.extend(doors(cases["receive_part"](), cases["open_file"]()))
    if (door := adapters.chat_door()) is not None:
        handlers.append(
            chat_socket(
                door, cases["say_in_chat"](), cases["remove_message"](), cases["ban_chatter"](), now=now,
                new_id=adapters.new_id(),
            )
        )  # fmt: skip
    app = Litestar(
        handlers,
        dependencies={
            "actor": Provide(_actor, sync_to_thread=False),
            "version": Provide(_version, sync_to_thread=False),
        },
        exception_handlers={**HANDLERS},
        openapi_config=openapi(about(settings).version),
        request_max_body_size=BODY_BYTES,
        request_class=JsonRequest,
        logging_config=None,
    )
    repeats = Repeats(adapters.idempotency(), now)
    repeats.cover(app)
    inner: App = app.asgi_handler
    if dist is not None and "/index.html" in (built := read(dist)):
        inner = Pages(
            inner, built,
            previews(settings.public_url, cases["show_video"](), cases["show_stream"](), cases["show_channel"]()),
            public_url=settings.public_url, origins=adapters.origins(), ancestors=settings.embed_ancestors,
        )  # fmt: skip
    app.asgi_handler = Edge(
        inner,
        identify=_identifier(adapters, now),
        rate_limit=RateLimit(settings.rate_limit),
        kept=AnswerCache(changes),
        repeats=repeats,
        metrics=running.metrics,
        cors_origins=settings.cors_origins,
        embedded=bool(settings.embed_ancestors),
        now=now,
        new_id=adapters.new_id(),
    )
    if settings.proxies:
        from granian.utils.proxies import wrap_asgi_with_proxy_headers  # noqa: PLC0415  (Lambda has none)

        app.asgi_handler = wrap_asgi_with_proxy_headers(app.asgi_handler, list(settings.proxies))
    return app


def _equipped(controller: type[Controller], given: Mapping[str, Callable[[], object]]) -> type[Controller]:
    """The controller under /v1, with what its handlers ask for, and with their docstrings as their documentation.

    Litestar copies whatever is registered with a router, handler by handler, so there is none for /v1.
    """
    own = vars(controller).get("path")
    attributes: dict[str, Any] = {
        "__module__": controller.__module__, "path": f"/v1{own}" if isinstance(own, str) else "/v1"
    }  # fmt: skip
    for name, handler in vars(controller).items():
        if isinstance(handler, HTTPRouteHandler):
            _describe(handler)
            attributes[name] = copy(handler)(_equipped_function(handler.fn, given))
    return type(controller.__name__, (controller,), attributes)


def _describe(handler: HTTPRouteHandler) -> None:
    summary, _, text = (inspect.getdoc(handler.fn) or "").partition("\n\n")
    handler.summary, handler.description = " ".join(summary.split()).removesuffix("."), text or None


def _equipped_function(function: Any, given: Mapping[str, Callable[[], object]]) -> Any:
    """The handler's function with what it asks for of ``given`` filled in, for Litestar to know nothing about.

    Litestar compares all that a handler is offered with each other, which for every use case and every handler
    would take most of the start; and where a handler depends on several things, it makes a task for each of them,
    every time, which costs more than most handlers do.
    """
    signature = inspect.signature(function)
    mine = {name: given[name] for name in signature.parameters if name in given}
    if not mine:
        return function

    @wraps(function)
    async def handle(*arguments: Any, **named: Any) -> Any:
        return await function(*arguments, **named, **{name: provider() for name, provider in mine.items()})

    rest = [each for name, each in signature.parameters.items() if name not in mine]
    handle.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]  # inspect looks for it
    handle.__annotations__ = {name: hint for name, hint in function.__annotations__.items() if name not in mine}
    return handle


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


def _version(request: Request[Any, Any, Any], actor: NamedDependency[Actor]) -> int | None:
    # Depends on the actor for Litestar to see to one after the other: both at once would take a task each.
    del actor
    return if_match(request.headers.get("if-match"))
