"""What the process says of itself, and the tools that only a machine of one's own offers."""

import tomllib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

from attrs import frozen
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, QueryParameter
from litestar.response import Redirect
from msgspec import Meta, Struct

from application.ports import Keys, Mail, Mailbox
from domain.errors import Invalid, Unavailable
from domain.identity import email
from entrypoints.http.requests import Listing, problems
from entrypoints.metrics import CONTENT_TYPE, Metrics
from entrypoints.settings import Settings

LEAP_MOST_S = 10 * 365 * 24 * 3600
_PROJECT = Path(__file__).parents[2] / "pyproject.toml"

Check = Callable[[], Awaitable[None]]
"""Raises when something that requests need is away."""


@frozen
class HealthView:
    status: str = "ok"


@frozen(kw_only=True)
class LimitsView:
    max_file_bytes: int
    user_quota_bytes: int
    max_open_uploads: int
    requests_per_minute: int | None


@frozen(kw_only=True)
class MetaView:
    """The build that answers, and what it lets clients do."""

    name: str
    version: str
    profile: str
    limits: LimitsView
    features: Sequence[str]


@frozen(kw_only=True)
class MailView:
    to: str
    subject: str
    text: str
    code: str | None
    sent_at: datetime

    @classmethod
    def of(cls, mail: Mail) -> "MailView":
        return cls(to=mail.to, subject=mail.subject, text=mail.text, code=mail.code, sent_at=mail.sent_at)


class Leap(Struct, frozen=True):
    """How far to move the clock ahead."""

    seconds: Annotated[float, Meta(ge=0, le=LEAP_MOST_S, examples=[3600])]


@frozen
class PresentView:
    now: datetime


@cache
def build(project: Path = _PROJECT) -> str:
    """Which version this is: the installed package's, or else that of the checkout; ``unknown`` if neither says."""
    try:
        return version("hexcast")
    except PackageNotFoundError:
        pass
    try:
        return str(tomllib.loads(project.read_text())["project"]["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return "unknown"


def about(settings: Settings) -> MetaView:
    offline = ["dev_mailbox", "dev_clock", "dev_streams"] if settings.tools else []
    return MetaView(
        name="hexcast",
        version=build(),
        profile=settings.profile,
        limits=LimitsView(
            max_file_bytes=settings.limits.file_bytes,
            user_quota_bytes=settings.limits.user_bytes,
            max_open_uploads=settings.limits.open_uploads,
            requests_per_minute=settings.rate_limit or None,
        ),
        features=["uploads", "playback", "engagement", "notifications", "search", "streams", *offline],
    )


def pages(settings: Settings, metrics: Metrics, keys: Callable[[], Keys], check: Check) -> list[HTTPRouteHandler]:
    """The handlers every profile has."""
    shown = about(settings)

    @get("/healthz", tags=["meta"], operation_id="healthz", sync_to_thread=False)
    def healthz() -> HealthView:
        """Whether the process serves."""
        return HealthView()

    @get("/readyz", tags=["meta"], operation_id="readyz", responses=problems(Unavailable))
    async def readyz() -> HealthView:
        """Whether it can do its job."""
        await check()
        return HealthView("ready")

    @get("/v1/meta", tags=["meta"], operation_id="showMeta", sync_to_thread=False)
    def show_meta() -> MetaView:
        """Which build and profile answers, and its limits."""
        return shown

    @get("/metrics", include_in_schema=False, sync_to_thread=False)
    def show_metrics() -> Response[bytes]:
        return Response(metrics.exposed(), media_type=CONTENT_TYPE)

    @get("/.well-known/jwks.json", tags=["meta"], operation_id="showKeys", responses=problems(Unavailable))
    async def show_keys() -> Mapping[str, Any]:
        """The keys that tokens are signed with (RFC 7517)."""
        return await keys().jwks()

    @get("/", include_in_schema=False, status_code=307, sync_to_thread=False)
    def home() -> Redirect:
        return Redirect("/schema", status_code=307)

    @get("/favicon.ico", include_in_schema=False, status_code=204, sync_to_thread=False)
    def icon() -> None:
        """Browsers ask for one wherever they are; there is none."""

    return [healthz, readyz, show_meta, show_metrics, show_keys, home, icon]


def dev_pages(
    mailbox: Callable[[], Mailbox], advance: Callable[[timedelta], Awaitable[datetime]], nudge: Callable[[], None]
) -> list[HTTPRouteHandler]:
    """The handlers of the offline profiles."""

    @get("/v1/dev/mailbox", tags=["dev"], operation_id="showMailbox", responses=problems(Invalid))
    async def show_mailbox(
        to: Annotated[str, QueryParameter(description="The address that mail was sent to.")],
    ) -> Listing[MailView]:
        """What was sent to an address, newest first."""
        return Listing([MailView.of(mail) for mail in await mailbox().sent_to(email(to))], None)

    @post(
        "/v1/dev/clock/advance",
        status_code=200,
        tags=["dev"],
        operation_id="advanceClock",
        responses=problems(Invalid),
    )
    async def advance_clock(data: JSONBody[Leap]) -> PresentView:
        """Move the platform's clock ahead."""
        present = await advance(timedelta(seconds=data.seconds))
        nudge()
        return PresentView(present)

    return [show_mailbox, advance_clock]
