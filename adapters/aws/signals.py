"""What IVS says of its channels, as signals.

It says so at best: events are lost. When a recording is over IVS writes a file beside it, too, of which S3 tells, and S3
loses nothing.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from urllib.parse import unquote_plus

import msgspec

from adapters.aws.events import CREATED, VERSIONS, Told
from application.ports import Signal
from domain.broadcasts import Detail, Happening
from domain.ids import STREAM, BroadcastId

MANIFEST = "media/hls/master.m3u8"
"""Of a recording, below where it lies."""
ENDED, FAILED = "events/recording-ended.json", "events/recording-failed.json"
"""What lies beside it when it is over."""
_STREAM = "event_name"
_NAMES: Mapping[str, tuple[str, Mapping[str, Happening]]] = {
    "IVS Stream State Change": (_STREAM, {
        "Session Created": Happening.SESSION_CREATED, "Session Ended": Happening.SESSION_ENDED,
        "Stream Start": Happening.STREAM_START, "Stream End": Happening.STREAM_END,
        "Stream Failure": Happening.STREAM_FAILURE, "Stream Takeover": Happening.STREAM_TAKEOVER,
        "Stream Takeover Failure": Happening.STREAM_TAKEOVER_FAILURE,
    }),
    "IVS Stream Health Change": (_STREAM, {
        "Starvation Start": Happening.STARVATION_START, "Starvation End": Happening.STARVATION_END,
    }),
    "IVS Recording State Change": ("recording_status", {
        "Recording Start": Happening.RECORDING_START, "Recording End": Happening.RECORDING_END,
        "Recording Start Failure": Happening.RECORDING_START_FAILURE,
        "Recording End Failure": Happening.RECORDING_END_FAILURE,
    }),
    "IVS Limit Breach": ("limit_name", {
        "Ingest Bitrate": Happening.LIMIT_BREACH, "Ingest Resolution": Happening.LIMIT_BREACH,
    }),
}  # fmt: skip
"""What each kind of event calls itself by, and what these names mean."""
_OVER = {ENDED: Happening.RECORDING_END, FAILED: Happening.RECORDING_END_FAILURE}
_BESIDE = re.compile(rf"(ivs/v1/(\d+)/([\w-]+)(?:/\d+){{5}}/([\w-]+))/({ENDED}|{FAILED})", re.ASCII)
"""Where IVS leaves word of a recording that is over."""
ACCOUNT_WIDE = frozenset({"Concurrent Broadcasts", "Concurrent Viewers"})
"""Limits that no single stream goes beyond."""


class _OfIvs(msgspec.Struct):
    """The detail of all of them, as far as it is read."""

    stream_id: str
    channel_name: str
    reason: str = ""
    code: str = ""
    limit_name: str = ""
    limit_value: float = 0
    limit_unit: str = ""
    exceeded_by: float = 0
    recording_status_reason: str = ""
    recording_s3_key_prefix: str = ""
    recording_duration_ms: int = 0
    recording_session_stream_ids: Sequence[str] = ()


def breached(event: Told) -> str | None:
    """The limit of the whole account that was gone beyond, if it tells of one."""
    name = event.detail.get("limit_name")
    return name if event.kind == "IVS Limit Breach" and name in ACCOUNT_WIDE else None


def signal(event: Told, env: str) -> Signal | None:
    """What IVS says of a stream; None for what this version does not know. Raises ValueError also for a channel that no
    stack called ``env`` has named.
    """
    field, kinds = _NAMES.get(event.kind, ("", {}))
    kind = kinds.get(event.detail.get(field, ""))
    if event.source != "aws.ivs" or event.version not in VERSIONS or kind is None:
        return None
    said = msgspec.convert(event.detail, _OfIvs)
    if event.time is None or len(event.resources) != 1 or not said.channel_name.startswith(f"{env}-{STREAM}_"):
        message = f"not an event of a channel of ours: {said.channel_name!r} of {event.resources}"
        raise ValueError(message)
    detail = _detail(kind, said)
    name = over_id(kind, str(detail["recording"])) if kind in _OVER.values() and "recording" in detail else event.id
    return Signal(
        id=name, ingest=event.resources[0], broadcast=BroadcastId(said.stream_id), kind=kind,
        at=event.time.astimezone(UTC), detail=detail,
    )  # fmt: skip


def over_id(kind: Happening, recording: str) -> str:
    """The name of an event that several tell of."""
    return f"{kind}-{recording}"


def beside(event: Told) -> Signal | None:
    """The end of a recording, of which S3 tells as there is a file; None for whatever else there is."""
    key = event.detail.get("object", {}).get("key", "") if (event.source, event.kind) == CREATED else ""
    found = _BESIDE.fullmatch(unquote_plus(key))
    if found is None or event.time is None:
        return None
    prefix, account, channel, recording, name = found.groups()
    kind = _OVER[name]
    return Signal(
        id=over_id(kind, recording), ingest=f"arn:aws:ivs:{event.region}:{account}:channel/{channel}", broadcast=None,
        kind=kind, at=event.time.astimezone(UTC), detail={"recording": recording, "source": f"{prefix}/{MANIFEST}"},
    )  # fmt: skip


def _detail(kind: Happening, said: _OfIvs) -> Detail:
    if kind is Happening.LIMIT_BREACH:
        most, over = (f"{number:,.2f}".rstrip("0").rstrip(".") for number in (said.limit_value, said.exceeded_by))
        return {"breach": f"{said.limit_name} of at most {most} {said.limit_unit}, by {over}"}
    reasons = {"reason": said.reason or said.recording_status_reason, "code": said.code}
    told = {name: value for name, value in reasons.items() if value}
    if not said.recording_s3_key_prefix:
        return told
    return told | {
        # Those of several broadcasts that were joined lie in one place.
        "recording": said.recording_s3_key_prefix.rpartition("/")[2], "source": f"{said.recording_s3_key_prefix}/{MANIFEST}",
        "duration_s": said.recording_duration_ms / 1000, "broadcasts": tuple(said.recording_session_stream_ids),
    }  # fmt: skip
