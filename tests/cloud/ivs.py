"""IVS: the operations we use, broadcasts that a test begins and ends, what is recorded of them, and the events that tell
of it all.

A broadcast is a little film that ffmpeg makes; viewers see it by ``Viewers``, and a recording is written of it as IVS
would. Time does not pass here: a reconnect window is over when a test says so.
"""

import json
import secrets
import string
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from attrs import define, evolve, field, frozen
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.cloud.access import Access
from tests.cloud.broadcasts import LASTS_S, TYPES_OF, described, files, film, record
from tests.cloud.encoder import Place
from tests.cloud.models import Operation, Parameters, Refused
from tests.cloud.wire import Caller

METADATA_MOST = 1024
_DEFAULTS: Mapping[str, Any] = {
    "name": "", "latencyMode": "LOW", "type": "STANDARD", "authorized": False, "insecureIngest": False,
    "recordingConfigurationArn": "", "containerFormat": "TS", "tags": {},
}  # fmt: skip
_SUMMED = (
    "arn", "name", "latencyMode", "authorized", "recordingConfigurationArn", "tags", "insecureIngest", "type"
)  # fmt: skip


class Emit(Protocol):
    """Puts an event on the bus of a caller, under a name of its own and as of when it happened."""

    def __call__(
        self, caller: Caller, source: str, kind: str, detail: Mapping[str, Any], resources: Sequence[str], *,
        id: str, at: datetime,  # noqa: A002  (EventBridge's word)
    ) -> None: ...  # fmt: skip


class Storage(Protocol):
    async def store(self, caller: Caller, source: Path, target: Place, content_type: str) -> None: ...


def _named(length: int = 12) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


def _now() -> datetime:
    """Events tell whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


@define
class Live:
    """What an encoder sends just now, and the folder in which it lies as HLS."""

    stream_id: str
    started_at: datetime
    folder: Path
    viewers: int = 0
    starving: bool = False
    metadata: list[str] = field(factory=list)


@define
class Recorded:
    """What is written of one broadcast, or of several, each within the reconnect window of the one before."""

    id: str
    session: str
    bucket: str
    prefix: str
    window_s: int
    started_at: datetime
    parts: list[Live] = field(factory=list)


@define
class Channel:
    caller: Caller
    settings: dict[str, Any]
    live: Live | None = None
    recording: Recorded | None = None
    sessions: dict[str, dict[str, Any]] = field(factory=dict)

    @property
    def arn(self) -> str:
        return str(self.settings["arn"])

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]


@frozen
class Told:
    """One event, as it can be put on the bus any number of times."""

    caller: Caller
    kind: str
    detail: Mapping[str, Any]
    resources: Sequence[str]
    id: str
    at: datetime


@define
class Telling:
    """What becomes of an account's events: best effort, says the service's guide."""

    lost: frozenset[str] = frozenset()
    twice: bool = False
    held: list[Told] | None = None
    """None: they are not held back."""


class Ivs:
    """The channels of all accounts. ``endpoint`` is where ``Viewers`` are served."""

    def __init__(self, ffmpeg: str, storage: Storage, emit: Emit, access: Access, endpoint: str) -> None:
        self.ffmpeg, self.storage, self.emit, self.access, self.endpoint = ffmpeg, storage, emit, access, endpoint
        self.channels: dict[str, Channel] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        self.recordings: dict[str, dict[str, Any]] = {}
        self.key_pairs: dict[str, tuple[Caller, ec.EllipticCurvePublicKey]] = {}
        self.revoked: dict[tuple[str, str], int] = {}
        self.telling: dict[str, Telling] = {}

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {name: self._allowed(name, carry_out) for name, carry_out in self._operations.items()}

    def _allowed(self, name: str, carry_out: Operation) -> Operation:
        async def asked(caller: Caller, given: Parameters) -> Parameters:
            """As whoever asks; what becomes of it later, IVS does by itself."""
            everything = f"arn:aws:ivs:{caller.region}:{caller.account}:channel/*"
            resource = given.get("channelArn") or given.get("arn") or everything
            self.access.require(caller, f"ivs:{name}", [resource])
            if given.get("tags"):
                self.access.require(caller, "ivs:TagResource", [resource])
            return await carry_out(evolve(caller, signer=caller.key), given)

        return asked

    @property
    def _operations(self) -> Mapping[str, Operation]:
        return {
            "CreateChannel": self.create_channel, "GetChannel": self.get_channel, "ListChannels": self.list_channels,
            "UpdateChannel": self.update_channel, "DeleteChannel": self.delete_channel,
            "CreateStreamKey": self.create_stream_key, "GetStreamKey": self.get_stream_key,
            "ListStreamKeys": self.list_stream_keys, "DeleteStreamKey": self.delete_stream_key,
            "GetStream": self.get_stream, "ListStreams": self.list_streams, "StopStream": self.stop_stream,
            "GetStreamSession": self.get_stream_session, "PutMetadata": self.put_metadata,
            "StartViewerSessionRevocation": self.revoke, "ImportPlaybackKeyPair": self.import_key_pair,
            "CreateRecordingConfiguration": self.create_recording, "GetRecordingConfiguration": self.get_recording,
        }  # fmt: skip

    # --- channels --------------------------------------------------------------------------------

    async def create_channel(self, caller: Caller, asked: Parameters) -> Parameters:
        self._recordable(caller, asked)
        arn = self._arn(caller, "channel")
        name = arn.rpartition("/")[2]
        path = f"/_ivs/api/video/v1/{caller.region}.{caller.account}.channel.{name}.m3u8"
        self.channels[arn] = Channel(caller, {
            **_DEFAULTS, **asked, "arn": arn, "ingestEndpoint": f"{name.lower()}.global-contribute.live-video.net",
            "playbackUrl": f"{self.endpoint}{path}",
        })  # fmt: skip
        return {"channel": self.channels[arn].settings, "streamKey": self._new_key(caller, arn)}

    async def get_channel(self, caller: Caller, asked: Parameters) -> Parameters:
        return {"channel": self.channel(asked["arn"], caller).settings}

    async def list_channels(self, caller: Caller, asked: Parameters) -> Parameters:
        wanted = asked.get("filterByName")
        found = [
            {name: each.settings[name] for name in _SUMMED}
            for each in self.channels.values()
            if each.caller.account == caller.account and wanted in {None, each.settings["name"]}
        ]
        return _page("channels", found, asked, 50)

    async def update_channel(self, caller: Caller, asked: Parameters) -> Parameters:
        channel = self.channel(asked["arn"], caller)
        self._recordable(caller, asked)
        if channel.live is not None:
            raise Refused("ConflictException", "The channel is live and cannot be updated")
        channel.settings.update(asked)
        return {"channel": channel.settings}

    async def delete_channel(self, caller: Caller, asked: Parameters) -> Parameters:
        channel = self.channel(asked["arn"], caller)
        if channel.live is not None:
            raise Refused("ConflictException", "The channel is live and cannot be deleted")
        if channel.recording is not None:
            await self.close_recording(channel)
        del self.channels[channel.arn]
        self.keys = {arn: key for arn, key in self.keys.items() if key["channelArn"] != channel.arn}
        return {}

    def channel(self, arn: str, caller: Caller | None = None) -> Channel:
        channel = self.channels.get(arn)
        if channel is None or (caller and caller.account != channel.caller.account):
            raise _missing(arn)
        return channel

    def live(self, channel: Channel) -> Live:
        """What is broadcast. Raises Refused."""
        if channel.live is None:
            raise Refused("ChannelNotBroadcasting", f"Channel {channel.arn} is not currently broadcasting.")
        return channel.live

    def by_id(self, channel: str) -> Channel:
        for each in self.channels.values():
            if each.id == channel:
                return each
        raise _missing(channel)

    def by_name(self, stream: str) -> Channel:
        """Our name for a channel ends in the stream's id. Raises Refused if that tells no channel, or several."""
        found = [each for each in self.channels.values() if each.settings["name"].endswith(f"-{stream}")]
        if len(found) > 1:
            raise Refused("ConflictException", f"Several channels are called {stream}", 409)
        if not found:
            raise _missing(stream)
        return found[0]

    # --- keys ------------------------------------------------------------------------------------

    async def create_stream_key(self, caller: Caller, asked: Parameters) -> Parameters:
        channel = self.channel(asked["channelArn"], caller)
        if any(key["channelArn"] == channel.arn for key in self.keys.values()):
            raise Refused("ServiceQuotaExceededException", "A channel has one stream key")
        return {"streamKey": self._new_key(caller, channel.arn)}

    async def get_stream_key(self, caller: Caller, asked: Parameters) -> Parameters:
        return {"streamKey": self._key(caller, asked["arn"])}

    async def list_stream_keys(self, caller: Caller, asked: Parameters) -> Parameters:
        channel = self.channel(asked["channelArn"], caller)
        found = [
            {name: key[name] for name in ("arn", "channelArn", "tags")}
            for key in self.keys.values()
            if key["channelArn"] == channel.arn
        ]
        return _page("streamKeys", found, asked, 50)

    async def delete_stream_key(self, caller: Caller, asked: Parameters) -> Parameters:
        del self.keys[self._key(caller, asked["arn"])["arn"]]
        return {}

    def key_of(self, channel: Channel) -> str:
        """What its encoder says."""
        for each in self.keys.values():
            if each["channelArn"] == channel.arn:
                return str(each["value"])
        raise _missing(channel.arn)

    def _key(self, caller: Caller, arn: str) -> Mapping[str, Any]:
        if arn not in self.keys or self.channels[self.keys[arn]["channelArn"]].caller.account != caller.account:
            raise _missing(arn)
        return self.keys[arn]

    def _new_key(self, caller: Caller, channel: str) -> Mapping[str, Any]:
        arn = self._arn(caller, "stream-key")
        value = f"sk_{caller.region}_{_named()}_{_named(30)}"
        self.keys[arn] = {"arn": arn, "value": value, "channelArn": channel, "tags": {}}
        return self.keys[arn]

    # --- streams ---------------------------------------------------------------------------------

    async def get_stream(self, caller: Caller, asked: Parameters) -> Parameters:
        channel = self.channel(asked["channelArn"], caller)
        return {"stream": {**_summary(channel, self.live(channel)), "playbackUrl": channel.settings["playbackUrl"]}}

    async def list_streams(self, caller: Caller, asked: Parameters) -> Parameters:
        found = [
            _summary(each, each.live)
            for each in self.channels.values()
            if each.caller.account == caller.account and each.live is not None
        ]
        return _page("streams", found, asked, 50)

    async def get_stream_session(self, caller: Caller, asked: Parameters) -> Parameters:
        channel = self.channel(asked["channelArn"], caller)
        stream_id = asked.get("streamId") or next(reversed(channel.sessions), "")
        if stream_id not in channel.sessions:
            raise _missing(stream_id)
        return {"streamSession": channel.sessions[stream_id]}

    async def stop_stream(self, caller: Caller, asked: Parameters) -> Parameters:
        channel = self.channel(asked["channelArn"], caller)
        self.live(channel)
        await self.end(channel)
        return {}

    async def put_metadata(self, caller: Caller, asked: Parameters) -> Parameters:
        if len(asked["metadata"].encode()) > METADATA_MOST:
            raise Refused("ValidationException", "metadata: at most 1 KB")
        self.live(self.channel(asked["channelArn"], caller)).metadata.append(asked["metadata"])
        return {}

    # --- viewers ---------------------------------------------------------------------------------

    async def revoke(self, caller: Caller, asked: Parameters) -> Parameters:
        channel = self.channel(asked["channelArn"], caller)
        version = asked.get("viewerSessionVersionsLessThanOrEqualTo", 0)
        viewer = (channel.arn, asked["viewerId"])
        self.revoked[viewer] = max(version, self.revoked.get(viewer, 0))
        return {}

    async def import_key_pair(self, caller: Caller, asked: Parameters) -> Parameters:
        try:
            key = load_pem_public_key(asked["publicKeyMaterial"].encode())
        except ValueError as error:
            raise Refused("ValidationException", f"publicKeyMaterial: {error}") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp384r1":
            raise Refused("ValidationException", "publicKeyMaterial: a public key on P-384 is expected")
        arn = self._arn(caller, "playback-key")
        self.key_pairs[arn] = (caller, key)
        return {"keyPair": {"arn": arn, "name": asked.get("name", ""), "fingerprint": secrets.token_hex(16)}}

    # --- recording -------------------------------------------------------------------------------

    async def create_recording(self, caller: Caller, asked: Parameters) -> Parameters:
        arn = self._arn(caller, "recording-configuration")
        self.recordings[arn] = {"recordingReconnectWindowSeconds": 0, **asked, "arn": arn, "state": "ACTIVE"}
        return {"recordingConfiguration": self.recordings[arn]}

    async def get_recording(self, caller: Caller, asked: Parameters) -> Parameters:
        del caller
        if asked["arn"] not in self.recordings:
            raise _missing(asked["arn"])
        return {"recordingConfiguration": self.recordings[asked["arn"]]}

    def _recordable(self, caller: Caller, asked: Parameters) -> None:
        arn = asked.get("recordingConfigurationArn", "")
        if arn and (arn not in self.recordings or f":{caller.account}:" not in arn):
            raise _missing(arn)

    # --- what a test does ------------------------------------------------------------------------

    async def begin(self, key: str, viewers: int) -> Live:
        """An encoder comes with a key. Raises Refused for one that is none (any more), or in use."""
        known = next((each for each in self.keys.values() if each["value"] == key), None)
        if known is None:
            raise Refused("AccessDeniedException", "There is no such stream key", 403)
        channel = self.channels[known["channelArn"]]
        if channel.live is not None:
            raise Refused("ConflictException", "The channel is live", 409)
        folder = Path(tempfile.mkdtemp(prefix="hexcast-live-"))
        await film(self.ffmpeg, folder)
        live = channel.live = Live(f"st-{_named(23)}", _now(), folder, viewers)
        channel.sessions[live.stream_id] = {
            "streamId": live.stream_id, "startTime": live.started_at, "channel": channel.settings,
            "ingestConfiguration": {
                "video": {
                    "avcProfile": "Baseline", "avcLevel": "3.0", "codec": "avc1.42C01E", "encoder": "Lavf",
                    "targetBitrate": 1_500_000, "targetFramerate": 30, "videoWidth": 640, "videoHeight": 360,
                },
                "audio": {"codec": "mp4a.40.2", "targetBitrate": 128_000, "sampleRate": 44100, "channels": 1},
            },
            "truncatedEvents": [],
        }  # fmt: skip
        self.tell(channel, live, "IVS Stream State Change", event_name="Session Created")
        self.tell(channel, live, "IVS Stream State Change", event_name="Stream Start")
        await self._record(channel, live)
        return live

    async def end(self, channel: Channel, *, failed: bool = False) -> None:
        """The encoder goes. What is recorded goes on for the reconnect window, if there is one."""
        live = self.live(channel)
        channel.live = None
        name = {"event_name": "Stream Failure", "reason": "Encoder error"} if failed else {"event_name": "Stream End"}
        self.tell(channel, live, "IVS Stream State Change", **name)
        self.tell(channel, live, "IVS Stream State Change", event_name="Session Ended")
        channel.sessions[live.stream_id]["endTime"] = _now()
        if channel.recording is not None and not channel.recording.window_s:
            await self.close_recording(channel)

    async def close_recording(self, channel: Channel) -> None:
        """Nobody came back within the window."""
        if channel.recording is None or channel.live is not None:
            raise Refused("ConflictException", "There is no recording that waits", 409)
        recorded, channel.recording = channel.recording, None
        with tempfile.TemporaryDirectory(prefix="hexcast-") as scratch:
            folder = Path(scratch)
            record([each.folder for each in recorded.parts], folder / "media")
            (folder / "events").mkdir()
            (folder / "events" / "recording-ended.json").write_text(json.dumps(_over(channel, recorded)))
            await self._store(channel.caller, folder, recorded)
        self._tell_recording(
            channel, recorded, "Recording End",
            recording_session_stream_ids=[each.stream_id for each in recorded.parts],
        )  # fmt: skip

    def starve(self, channel: Channel, *, on: bool) -> None:
        live = self.live(channel)
        live.starving = on
        name = "Starvation Start" if on else "Starvation End"
        self.tell(channel, live, "IVS Stream Health Change", event_name=name)

    def breach(self, channel: Channel, name: str) -> None:
        self.tell(
            channel, self.live(channel), "IVS Limit Breach", limit_name=name, limit_value=8_500_000, exceeded_by=1_000_000,
            limit_unit="bits per second",
        )  # fmt: skip

    async def _record(self, channel: Channel, live: Live) -> None:
        settings = self.recordings.get(channel.settings["recordingConfigurationArn"])
        if settings is None:
            return
        if channel.recording is None:
            name, at = _named(), live.started_at
            prefix = f"ivs/v1/{channel.caller.account}/{channel.id}/{at.year}/{at.month}/{at.day}/{at.hour}/{at.minute}/{name}"
            channel.recording = Recorded(
                name, _named(16), settings["destinationConfiguration"]["s3"]["bucketName"], prefix,
                settings["recordingReconnectWindowSeconds"], at,
            )  # fmt: skip
            with tempfile.TemporaryDirectory(prefix="hexcast-") as scratch:
                (Path(scratch) / "events").mkdir()
                said = {"version": "v1", "channel_arn": channel.arn, "recording_status": "RECORDING_STARTED"}
                (Path(scratch) / "events" / "recording-started.json").write_text(json.dumps(said))
                await self._store(channel.caller, Path(scratch), channel.recording)
        channel.recording.parts.append(live)
        self._tell_recording(channel, channel.recording, "Recording Start")

    async def _store(self, caller: Caller, folder: Path, recorded: Recorded) -> None:
        for path in files(folder):
            target = Place(recorded.bucket, f"{recorded.prefix}/{path.relative_to(folder).as_posix()}")
            await self.storage.store(caller, path, target, TYPES_OF[path.suffix])

    # --- what is told ----------------------------------------------------------------------------

    def tell(self, channel: Channel, live: Live, kind: str, **detail: Any) -> None:
        said = {"channel_name": channel.settings["name"], "stream_id": live.stream_id, **detail}
        name = detail.get("event_name") or detail.get("recording_status") or detail["limit_name"]
        channel.sessions[live.stream_id]["truncatedEvents"].append({"name": name, "type": kind, "eventTime": _now()})
        at = live.started_at if name == "Stream Start" else _now()
        told = Told(channel.caller, kind, said, [channel.arn], secrets.token_hex(16), at)
        telling = self.telling.get(channel.caller.account, Telling())
        if name in telling.lost:
            return
        if telling.held is not None:
            telling.held.append(told)
            return
        for _ in range(2 if telling.twice else 1):
            self._emit(told)

    def release(self, account: str, *, backwards: bool) -> None:
        """What was held back is told, and nothing is held back any more."""
        telling = self.telling[account]
        held, telling.held = telling.held or [], None
        for told in reversed(held) if backwards else held:
            for _ in range(2 if telling.twice else 1):
                self._emit(told)

    def _emit(self, told: Told) -> None:
        self.emit(told.caller, "aws.ivs", told.kind, told.detail, told.resources, id=told.id, at=told.at)

    def _tell_recording(self, channel: Channel, recorded: Recorded, status: str, **more: Any) -> None:
        over = status == "Recording End"
        self.tell(
            channel, recorded.parts[-1], "IVS Recording State Change", recording_status=status,
            recording_status_reason="", recording_s3_bucket_name=recorded.bucket,
            recording_s3_key_prefix=recorded.prefix, recording_session_id=recorded.session,
            recording_duration_ms=len(recorded.parts) * LASTS_S * 1000 if over else 0, **more,
        )  # fmt: skip

    def _arn(self, caller: Caller, kind: str) -> str:
        return f"arn:aws:ivs:{caller.region}:{caller.account}:{kind}/{_named()}"

    def reset(self) -> None:
        for each in (self.channels, self.keys, self.recordings, self.key_pairs, self.revoked, self.telling):
            each.clear()


def _missing(what: str) -> Refused:
    return Refused("ResourceNotFoundException", f"Resource: {what} not found", 404)


def _summary(channel: Channel, live: Live) -> Mapping[str, Any]:
    return {
        "channelArn": channel.arn, "streamId": live.stream_id, "state": "LIVE", "startTime": live.started_at,
        "health": "STARVING" if live.starving else "HEALTHY", "viewerCount": live.viewers,
    }  # fmt: skip


def _page(name: str, found: Sequence[Any], asked: Parameters, most: int) -> Parameters:
    start, most = int(asked.get("nextToken") or 0), asked.get("maxResults", most)
    more = str(start + most) if start + most < len(found) else None
    return {name: found[start : start + most], "nextToken": more}


def _over(channel: Channel, recorded: Recorded) -> Mapping[str, Any]:
    """What stands in ``recording-ended.json``."""
    times = {"recording_started_at": recorded.started_at, "recording_ended_at": _now()}
    return {
        "version": "v1", "channel_arn": channel.arn, "recording_status": "RECORDING_ENDED",
        **{name: at.strftime("%Y-%m-%dT%H:%M:%SZ") for name, at in times.items()},
        "media": described(len(recorded.parts)),
    }  # fmt: skip
