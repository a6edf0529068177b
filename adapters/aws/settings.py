"""What the adapters of the cloud are told by the environment: the names of what the template made."""

from collections.abc import Callable, Mapping

from attrs import field, frozen

from domain.errors import Invalid
from domain.streams import WINDOW_MOST_S

PREFIX = "HEXCAST_AWS_"
SHARED = ("AWS_REGION", "AWS_ENDPOINT_URL")
"""Variables that Lambda and the SDKs know, too."""
TABLES = ("core", "social", "inbox", "ops")
SLOTS = ("a", "b")


@frozen(kw_only=True)
class AwsSettings:
    """Where things are in one stage; docs/deploy.md explains each variable. What is empty is not there.

    ``issuer`` is what stands in tokens, ``jwks_url`` where the keys are that they are signed with: on AWS the second
    begins with the first, on an emulator it does not.
    """

    region: str
    endpoint_url: str | None = None
    """Of an emulator; None: AWS's own, each service at its address."""
    stage: str = "dev"
    """Goes with every transcode job, so that the events of one stage do not reach another."""
    tables: Mapping[str, str]
    """What each of ``TABLES`` is called here."""
    raw_bucket: str
    """Takes uploads."""
    media_bucket: str
    """Holds what is shown."""
    pool_id: str = ""
    """The function that the pool itself calls does without, or each would have to be made before the other."""
    client_id: str = ""
    issuer: str
    jwks_url: str
    cdn_url: str = ""
    """Where CloudFront serves the media bucket, without a slash at the end."""
    cookie_domain: str = ""
    """For playback cookies, where the API and CloudFront have different names under one domain."""
    distribution_id: str = ""
    cdn_key_id: str = ""
    """CloudFront's name for the key that playback is signed with."""
    cdn_key_slot: str = "a"
    """Which of the keys in the secret that is: two are there while one takes the other's place."""
    secret_id: str = ""
    """The secret in Secrets Manager that holds the keys; only who signs something has it."""
    transcode_role: str = ""
    transcode_queue: str = ""
    """MediaConvert's, not SQS's."""
    job_queue_url: str = ""
    """Where MediaConvert's events wait, and what we say of files that no job was made for."""
    recordings: Mapping[int, str] = field(factory=dict)
    """IVS's recording configurations by their reconnect windows, in seconds."""
    chat_review: str = ""
    """The ARN of the function that IVS Chat asks about each message."""
    chat_url: str = ""
    """Where clients connect to IVS Chat."""
    fan_out_queue_url: str = ""
    """Where the pages of a fan-out wait. Empty: they are dealt with like every event."""

    @classmethod
    def read(cls, env: Mapping[str, str]) -> "AwsSettings":
        """From ``HEXCAST_AWS_…`` and ``SHARED``. Raises Invalid, naming every variable that is missing or wrong."""
        wrong: list[str] = []
        known = set(SHARED)

        def get(name: str, default: str | None = "", parse: Callable[[str], str] = str) -> str:
            full = name if name in SHARED else f"{PREFIX}{name}"
            known.add(full)
            text = env.get(full, "").strip()
            if not text and default is None:
                wrong.append(f"{full}: is missing")
            try:
                return parse(text or default or "")
            except ValueError as error:
                wrong.append(f"{full}={text!r}: {error}")
                return parse(default or "")

        region, pool = get("AWS_REGION", None), get("POOL_ID")
        issuer = get("ISSUER", issuer_of(region, pool), _address)
        prefix = get("TABLES", None)
        settings = cls(
            region=region,
            endpoint_url=get("ENDPOINT_URL", get("AWS_ENDPOINT_URL", "", _address), _address) or None,
            stage=get("STAGE", "dev"),
            tables={name: f"{prefix}{name}" for name in TABLES},
            raw_bucket=get("RAW_BUCKET", None),
            media_bucket=get("MEDIA_BUCKET", None),
            pool_id=pool,
            client_id=get("CLIENT_ID"),
            issuer=issuer,
            jwks_url=get("JWKS_URL", jwks_url_of(issuer), _address),
            cdn_url=get("CDN_URL", "", _address),
            cookie_domain=get("COOKIE_DOMAIN"),
            distribution_id=get("DISTRIBUTION_ID"),
            cdn_key_id=get("CDN_KEY_ID"),
            cdn_key_slot=get("CDN_KEY_SLOT", "a", _slot),
            secret_id=get("SECRET"),
            transcode_role=get("TRANSCODE_ROLE"),
            transcode_queue=get("TRANSCODE_QUEUE"),
            job_queue_url=get("JOB_QUEUE"),
            recordings=_recordings(get("RECORDINGS", "", _listed)),
            chat_review=get("CHAT_REVIEW"),
            chat_url=get("CHAT_URL") or f"wss://edge.ivschat.{region}.amazonaws.com",
            fan_out_queue_url=get("FAN_OUT_QUEUE"),
        )
        unknown = sorted(name for name in env if name.startswith(PREFIX) and name not in known)
        wrong += [f"{name}: there is no such setting" for name in unknown]
        if wrong:
            raise Invalid("; ".join(wrong), code="wrong_settings")
        return settings


def issuer_of(region: str, pool_id: str) -> str:
    """What a pool's tokens say in ``iss``."""
    return f"https://cognito-idp.{region}.amazonaws.com/{pool_id}"


def jwks_url_of(issuer: str) -> str:
    """Where the keys are, unless something stands in for Cognito."""
    return f"{issuer}/.well-known/jwks.json"


def _address(text: str) -> str:
    if text and not text.startswith(("https://", "http://")):
        message = "must begin with https:// or http://"
        raise ValueError(message)
    return text.rstrip("/")


def _slot(text: str) -> str:
    if text not in SLOTS:
        message = f"must be one of {', '.join(SLOTS)}"
        raise ValueError(message)
    return text


def _listed(text: str) -> str:
    if text and max(_recordings(text), default=-1) < WINDOW_MOST_S:
        message = (
            f"must name the ARN of a recording configuration for each of some windows, the longest of {WINDOW_MOST_S} s"
        )
        raise ValueError(message)
    return text


def _recordings(text: str) -> Mapping[int, str]:
    """Of ``0=arn:…,300=arn:…``. Raises ValueError."""
    pairs = (each.partition("=") for each in text.split(",") if each)
    return {int(window): arn for window, _, arn in pairs if arn}
