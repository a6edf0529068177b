"""What a process may be told by its environment. Every name has a default, and a wrong value is said at start."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from domain.access import Role
from domain.errors import Invalid
from domain.identity import email
from domain.uploads import Limits

PROFILES = ("memory", "local", "aws")
OFFLINE = ("memory", "local")
_PREFIX = "HEXCAST_"
_CLOUD = ("HEXCAST_AWS_", "AWS_REGION", "AWS_ENDPOINT_URL")
"""What names of the variables begin with that are read by ``adapters.aws.settings``."""
T = TypeVar("T")


@frozen
class Place:
    """Which of several processes this is, and the file descriptor on which to tell that it serves."""

    number: int
    ready: int

    def __str__(self) -> str:
        return f"{self.number}/{self.ready}"


@frozen(kw_only=True)
class Settings:
    """The settings of one process; docs/operations.md explains each."""

    profile: str = "local"
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = "http://127.0.0.1:8000"
    data: Path = Path(".hexcast-data")
    workers: int = 1
    """Processes that serve."""
    worker: Place | None = None
    """Of a process that ``entrypoints.http.workers`` started."""
    transcode_jobs: int = 1
    rtmp_port: int | None = 1935
    """Where encoders send what is broadcast; None: nowhere."""
    live_streams: int = 50
    live_window_s: int = 120
    live_ladder: bool = False
    """Whether what is broadcast is shown in smaller sizes, too."""
    founders: Mapping[str, Role] = field(factory=dict)
    limits: Limits = field(factory=Limits)
    rate_limit: int = 1200
    """Requests a minute that one client may make; writes take ten each, guesses at passwords and codes sixty. 0: no limit."""
    stream_retry_s: int = 3
    """After how many seconds a client asks again for a stream of events that ended."""
    proxies: tuple[str, ...] = ()
    """Addresses and networks of those before the server whose ``X-Forwarded-For`` says who asks."""
    cors_origins: tuple[str, ...] = ()
    embed_ancestors: tuple[str, ...] = ("*",)
    """Origins of pages that may show the player of ``/embed``; none: no page at all."""
    log_format: str = "console"
    secret: str | None = None
    """Signs cursors and links; None makes one for this process."""
    cloud: Mapping[str, str] = field(factory=dict)
    """The variables that are for the adapters of the profile ``aws``, who read them."""
    dev: bool = True
    """Whether the offline profiles offer their tools: everyone's mail, and the clock."""

    @property
    def tools(self) -> bool:
        """Whether those tools are offered."""
        return self.dev and self.profile in OFFLINE

    @property
    def tools_exposed(self) -> bool:
        """Whether those tools are offered to other machines."""
        return self.tools and not _loopback(self.host)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @property
    def rtmp_url(self) -> str | None:
        """Where encoders send to; None: nowhere."""
        if self.rtmp_port is None or self.profile != "local":
            return None
        host = (urlsplit(self.public_url).hostname or self.host) if self.host in _ANYWHERE else self.host
        return f"rtmp://{f'[{host}]' if ':' in host else host}:{self.rtmp_port}/live"

    @property
    def served(self) -> Mapping[str, str]:
        """For the line that says that it serves."""
        return {"url": self.url, "profile": self.profile} | ({"rtmp": self.rtmp_url} if self.rtmp_url else {})

    @classmethod
    def read(cls, env: Mapping[str, str]) -> "Settings":
        """From variables named ``HEXCAST_…``. Raises Invalid, naming every variable that is wrong."""
        wrong: list[str] = []
        known: list[str] = []
        nobody: dict[str, Role] = {}

        def get(name: str, parse: Callable[[str], T], default: T, *, shown: bool = True) -> T:
            known.append(f"{_PREFIX}{name}")
            text = env.get(f"{_PREFIX}{name}", "").strip()
            if not text:
                return default
            try:
                return parse(text)
            except ValueError as error:
                wrong.append(f"{_PREFIX}{name}{f'={text!r}' if shown else ''}: {error}")
                return default

        host = get("HOST", str, _DEFAULT.host)
        port = get("PORT", _between(0, 65535), _DEFAULT.port)
        limits = Limits(
            file_bytes=get("MAX_FILE_BYTES", _between(1, 1 << 50), Limits().file_bytes),
            user_bytes=get("USER_QUOTA_BYTES", _between(1, 1 << 60), Limits().user_bytes),
            open_uploads=get("MAX_OPEN_UPLOADS", _between(1, 10_000), Limits().open_uploads),
        )
        settings = cls(
            profile=get("PROFILE", _one_of(PROFILES), _DEFAULT.profile),
            host=host,
            port=port,
            public_url=get("PUBLIC_URL", _origin, ""),
            data=get("DATA", Path, _DEFAULT.data),
            workers=get("WORKERS", _between(1, 64), _DEFAULT.workers),
            worker=get("WORKER", _place, None),
            transcode_jobs=get("TRANSCODE_JOBS", _between(1, 64), _DEFAULT.transcode_jobs),
            rtmp_port=get("RTMP_PORT", _port_or_off, _DEFAULT.rtmp_port),
            live_streams=get("MAX_LIVE_STREAMS", _between(1, 1000), _DEFAULT.live_streams),
            live_window_s=get("LIVE_WINDOW_S", _between(10, 4 * 3600), _DEFAULT.live_window_s),
            live_ladder=get("LIVE_LADDER", _one_of(("on", "off")), "off") == "on",
            founders=get("MODERATORS", _founders(Role.MODERATOR), nobody)
            | get("ADMINS", _founders(Role.ADMIN), nobody),
            limits=limits,
            rate_limit=get("RATE_LIMIT", _between(0, 1_000_000_000), _DEFAULT.rate_limit),
            stream_retry_s=get("STREAM_RETRY_S", _between(1, 3600), _DEFAULT.stream_retry_s),
            proxies=get("PROXIES", _networks, ()),
            cors_origins=get("CORS_ORIGINS", lambda text: tuple(_origin(each.strip()) for each in text.split(",")), ()),
            embed_ancestors=get("EMBED_ANCESTORS", _ancestors, _DEFAULT.embed_ancestors),
            log_format=get("LOG_FORMAT", _one_of(("console", "json")), _DEFAULT.log_format),
            secret=get("SECRET", _secret, None, shown=False),
            cloud={name: value for name, value in env.items() if name.startswith(_CLOUD)},
            dev=get("DEV", _one_of(("on", "off")), "on") == "on",
        )
        if settings.workers > 1 and settings.profile == "memory":
            wrong.append(f"{_PREFIX}WORKERS={settings.workers}: the profile memory lives in one process")
        if settings.proxies and settings.profile == "aws":
            wrong.append(f"{_PREFIX}PROXIES: on AWS, API Gateway says who asks")
        if settings.profile != "aws":
            settings = evolve(settings, cloud={})
        named = [name for name in env if name.startswith(_PREFIX) and name not in settings.cloud]
        wrong += [_unknown(name, known) for name in named if name not in known]
        if not settings.public_url:
            settings = evolve(settings, public_url=settings.url)
        if wrong:
            raise Invalid("; ".join(wrong), code="wrong_settings")
        return settings


_DEFAULT = Settings()
_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104  (asked for by whoever sets it)


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unknown(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name.removeprefix(_PREFIX), [each.removeprefix(_PREFIX) for each in known], 1)
    return f"{name}: there is no such setting{f' (did you mean {_PREFIX}{close[0]}?)' if close else ''}"


def _between(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            message = "must be a whole number"
            raise ValueError(message) from None
        if not least <= number <= most:
            message = f"must lie between {least} and {most}"
            raise ValueError(message)
        return number

    return parse


def _port_or_off(text: str) -> int | None:
    return None if text == "off" else _between(0, 65535)(text)


def _one_of(values: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in values:
            message = f"must be one of {', '.join(values)}"
            raise ValueError(message)
        return text

    return parse


def _origin(text: str) -> str:
    if text != "*" and not text.startswith(("http://", "https://")):
        message = "must begin with http:// or https://"
        raise ValueError(message)
    return text.rstrip("/")


def _networks(text: str) -> tuple[str, ...]:
    return tuple(str(ip_network(each.strip())) for each in text.split(","))


def _ancestors(text: str) -> tuple[str, ...]:
    if text == "none":
        return ()
    found = tuple(_origin(each.strip()) for each in text.split(","))
    if any(not each.isascii() or set(each) & set(" ;'") for each in found):
        message = "must be *, none, or origins with commas between them"
        raise ValueError(message)
    return found


def _secret(text: str) -> str | None:
    if len(text) < 32:
        message = "must have at least 32 characters"
        raise ValueError(message)
    return text


def _place(text: str) -> Place | None:
    try:
        number, ready = map(int, text.split("/"))
    except ValueError:
        message = "is for the processes that the server starts by itself"
        raise ValueError(message) from None
    return Place(number, ready)


def _founders(role: Role) -> Callable[[str], dict[str, Role]]:
    return lambda text: {email(each): role for each in text.split(",")}
