"""The ingest of the cloud: a channel of Amazon IVS (low latency) for each stream, which is called by its ARN.

All channels are private: whoever watches shows a token of ours when playing begins, be the stream public or not. So
what a stream's owner says of who may see it holds at once, also during a broadcast, when IVS lets no channel be changed,
and a viewer who was banned is sent away from every stream.

Nothing of IVS may be called more than a few times a second, so nothing is asked of it for a viewer: where a channel is
watched is kept in the table ``ops``. The value of a key is kept nowhere; who has to see it is told it by IVS.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from attrs import evolve, frozen
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from adapters.aws.dynamo import Key, Tables, delete, put, text
from adapters.aws.errors import BROADCASTS, asking, code_of, missing
from adapters.aws.events import Told
from adapters.aws.s3 import clear, fetched
from adapters.aws.signals import ENDED, FAILED, MANIFEST, beside, over_id, signal
from adapters.aws.tables import OPS, Operation, pattern
from application.ports import Link, LinkMode, Now, Sighting, Signal
from domain.broadcasts import Detail, Happening
from domain.errors import Conflict, Invalid, Unavailable
from domain.ids import BroadcastId, RecordingId, StreamId, UserId
from domain.streams import IngestPoint, Latency, Stream
from domain.videos import Audience
from domain.watching import Viewer

TOKEN_MOST = timedelta(minutes=10)
"""Of a token that can be revoked."""
RECORDINGS = "ivs/v1/"
"""Under it IVS writes, in the bucket that it is told."""
_LATENCIES: Mapping[Latency, str] = {Latency.LOW: "LOW", Latency.NORMAL: "NORMAL"}
_SERVER = "rtmps://{}:443/app/"
_KNOWN_MOST = 1000
MEASURED_AT_ONCE = 5
"""Broadcasts whose details are asked for each time that all are looked at: IVS answers five a second."""

_PLACE = pattern("where a channel of IVS is reached", Operation.GET, OPS, "CHANNEL#<arn>", "PLACE", item_bytes=400)
_KEEP = pattern(
    "keep or forget where a channel of IVS is reached", Operation.WRITE, OPS, "CHANNEL#<arn>", "PLACE", item_bytes=400
)  # fmt: skip


class PlaybackKey:
    """Signs tokens with ES384 (RFC 7518, 3.4): a private key on the curve P-384, in PEM, whose public one IVS has."""

    def __init__(self, pem: bytes) -> None:
        loaded = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.curve.name != "secp384r1":
            raise TypeError("tokens for IVS are signed with a key on P-384")
        self._key = loaded

    def token(self, claims: Mapping[str, str | int]) -> str:
        said = b".".join(map(_written, ({"alg": "ES384", "typ": "JWT"}, claims)))
        r, s = decode_dss_signature(self._key.sign(said, ec.ECDSA(hashes.SHA384())))
        return (said + b"." + _base64url(r.to_bytes(48) + s.to_bytes(48))).decode()


def _written(content: object) -> bytes:
    return _base64url(json.dumps(content, separators=(",", ":")).encode())


def _base64url(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


@frozen(kw_only=True)
class Channels:
    """What channels are made with. ``env`` begins their names, which tell the events of one stack from those of others;
    ``recordings`` are the ARNs of recording configurations by their reconnect windows, in seconds.
    """

    env: str
    bucket: str
    recordings: Mapping[int, str]

    def name(self, stream: StreamId) -> str:
        return f"{self.env}-{stream}"

    def settings(self, stream: Stream) -> Mapping[str, Any]:
        """Raises Unavailable (``no_recordings``)."""
        return {
            "latencyMode": _LATENCIES[stream.latency], "authorized": True,
            "recordingConfigurationArn": self._recording(stream) if stream.record else "",
        }  # fmt: skip

    def _recording(self, stream: Stream) -> str:
        """A configuration belongs to a window, and an account has few: the next longer one that there is."""
        long_enough = [window for window in self.recordings if window >= stream.reconnect_window_s]
        if not long_enough:
            raise Unavailable("there is nothing set up to record with", code="no_recordings")
        return self.recordings[min(long_enough)]


@frozen
class _Place:
    """Where encoders send to, and where viewers find the manifest."""

    server: str
    playback: str


class IvsIngest:
    """``once`` is a client that tries no call twice: IVS does not know a request again, and would make another channel of
    it. ``key`` None: nobody is let in to watch here.
    """

    def __init__(
        self,
        client: Any,
        s3: Any,
        tables: Tables,
        channels: Channels,
        now: Now,
        *,
        once: Any,
        key: PlaybackKey | None,
    ) -> None:
        self._client = client
        self._once = once
        self._s3 = s3
        self._tables = tables
        self._channels = channels
        self._key = key
        self._now = now
        self._places: dict[str, _Place] = {}
        self._measured: set[BroadcastId] = set()
        """Those that are live, whose details were told."""

    # --- channels

    async def open(self, stream: Stream) -> str:
        """Of two that ask at the same time each may make a channel; the one that is not kept goes with the stream."""
        settings = self._channels.settings(stream)
        for arn in await self._named(stream.id):
            return arn
        with asking(BROADCASTS):
            made = await self._once.create_channel(
                name=self._channels.name(stream.id), type="STANDARD", tags={"hexcast": self._channels.env}, **settings
            )
        return str(made["channel"]["arn"])

    async def configure(self, stream: Stream) -> None:
        if not stream.enabled:  # the rest can wait, and this cannot: it may be on the air with what it was before
            await self._drop_keys(stream.ingest)
            return
        wanted = self._channels.settings(stream)
        with asking(BROADCASTS):
            there = (await self._client.get_channel(arn=stream.ingest))["channel"]
        if all(there.get(name, "") == value for name, value in wanted.items()):
            return
        try:
            with asking(BROADCASTS):
                await self._client.update_channel(arn=stream.ingest, **wanted)
        except ClientError as error:
            raise _on_air(error) from error

    async def close(self, stream: StreamId, ingest: str) -> None:
        """Raises Unavailable until the broadcast that was cut off is over."""
        for arn in {ingest, *await self._named(stream)}:
            await self._close(arn)

    async def _close(self, arn: str) -> None:
        try:
            await self._drop_keys(arn)
            await self._stop(arn)
            with asking(BROADCASTS):
                await self._client.delete_channel(arn=arn)
        except ClientError as error:
            if not missing(error):
                raise _on_air(error) from error
        self._places.pop(arn, None)
        await self._tables.write(delete(_KEEP, _at(arn)), effect=False)

    async def _named(self, stream: StreamId) -> Sequence[str]:
        """The channels of a stream, in some order that stays: there may be two after an answer was lost."""
        with asking(BROADCASTS):
            found = await self._client.list_channels(filterByName=self._channels.name(stream), maxResults=100)
        return sorted(each["arn"] for each in found["channels"])

    # --- keys

    async def point(self, stream: Stream) -> IngestPoint:
        if not stream.enabled:
            raise Conflict("this stream is disabled; enable it first", code="stream_disabled")
        for arn in await self._keys(stream.ingest):
            try:
                with asking(BROADCASTS):
                    found = await self._client.get_stream_key(arn=arn)
            except ClientError as error:
                if not missing(error):  # it was rotated in between
                    raise
                continue
            return await self._pointed(stream, found["streamKey"]["value"])
        return await self._new_point(stream)

    async def rotate(self, stream: Stream) -> IngestPoint:
        """Encoders come back by themselves, so the old key has to be gone before they are cut off."""
        if not stream.enabled:
            raise Conflict("this stream is disabled; enable it first", code="stream_disabled")
        await self._drop_keys(stream.ingest)
        await self._stop(stream.ingest)
        return await self._new_point(stream)

    async def stop(self, stream: Stream) -> bool:
        return await self._stop(stream.ingest)

    async def _new_point(self, stream: Stream) -> IngestPoint:
        """A channel has one key at a time: when someone else was quicker, IVS takes it for a quota that is reached."""
        with asking(BROADCASTS):
            made = await self._client.create_stream_key(channelArn=stream.ingest)
        return await self._pointed(stream, made["streamKey"]["value"])

    async def _pointed(self, stream: Stream, value: str) -> IngestPoint:
        return IngestPoint(_SERVER.format((await self._place(stream.ingest)).server), value)

    async def _keys(self, arn: str) -> Sequence[str]:
        with asking(BROADCASTS):
            found = await self._client.list_stream_keys(channelArn=arn)
        return [each["arn"] for each in found["streamKeys"]]

    async def _drop_keys(self, arn: str) -> None:
        for key in await self._keys(arn):
            try:
                with asking(BROADCASTS):
                    await self._client.delete_stream_key(arn=key)
            except ClientError as error:
                if not missing(error):
                    raise

    async def _stop(self, arn: str) -> bool:
        try:
            with asking(BROADCASTS):
                await self._client.stop_stream(channelArn=arn)
        except ClientError as error:
            if not (missing(error) or code_of(error) == _NOT_LIVE):
                raise
            return False
        return True

    # --- what is live

    async def live(self) -> Sequence[Sighting]:
        """Of the whole account: streams of others are among them."""
        sightings: list[Sighting] = []
        token: Mapping[str, str] = {}
        while True:
            with asking(BROADCASTS):
                page = await self._client.list_streams(maxResults=100, **token)
            sightings += [_sighting(each) for each in page["streams"] if each["state"] == "LIVE"]
            if not page.get("nextToken"):
                return await self._described(sightings)
            token = {"nextToken": page["nextToken"]}

    async def _described(self, sightings: Sequence[Sighting]) -> Sequence[Sighting]:
        """What comes in of a broadcast does not change much, and is asked for once: of a few of ours each time."""
        self._measured &= {each.broadcast for each in sightings}
        described = list(sightings)
        asked = 0
        for place, each in enumerate(sightings):
            if each.broadcast in self._measured or asked == MEASURED_AT_ONCE or not await self._ours(each.ingest):
                continue
            asked += 1
            try:
                described[place] = evolve(each, measured=await self._session(each))
            except Unavailable:  # who is live is worth more
                break
            self._measured.add(each.broadcast)
        return described

    async def _session(self, sighting: Sighting) -> Detail:
        try:
            with asking(BROADCASTS):
                said = await self._client.get_stream_session(
                    channelArn=sighting.ingest, streamId=sighting.broadcast
                )  # fmt: skip
        except ClientError as error:
            if not missing(error):
                raise
            return {}
        video = said["streamSession"].get("ingestConfiguration", {}).get("video", {})
        return {ours: video[name] for name, ours in _MEASURES.items() if name in video}

    async def _ours(self, arn: str) -> bool:
        """Whoever can send to a channel of ours was told where it is."""
        return arn in self._places or await self._kept(arn) is not None

    async def playback(self, stream: Stream, audience: Audience, viewer: UserId | None, until: datetime) -> Link:
        """A token is looked at when playing begins; only one that names its viewer can be revoked."""
        del audience
        if self._key is None:
            raise Unavailable("there is no key to let anyone in with", code="keys_unavailable")
        now = self._now()
        claims: dict[str, str | int] = {
            "aws:channel-arn": stream.ingest, "exp": int(min(until, now + TOKEN_MOST).timestamp())
        }  # fmt: skip
        if viewer is not None:
            claims |= {"aws:viewer-id": viewer, "aws:viewer-session-version": _version(now)}
        place = await self._place(stream.ingest)
        return Link(f"{place.playback}?token={self._key.token(claims)}", LinkMode.TOKEN)

    async def revoke(self, stream: Stream, viewer: UserId) -> None:
        """Tokens that are given from the next second on are good again."""
        with asking(BROADCASTS):
            await self._client.start_viewer_session_revocation(
                channelArn=stream.ingest, viewerId=viewer, viewerSessionVersionsLessThanOrEqualTo=_version(self._now())
            )

    def watched(self, stream: StreamId, viewer: Viewer) -> None:
        """Nobody plays by our own door, and IVS counts by itself."""

    async def annotate(self, stream: Stream, text: str) -> None:
        try:
            with asking(BROADCASTS):
                await self._client.put_metadata(channelArn=stream.ingest, metadata=text)
        except ClientError as error:
            if code_of(error) != _NOT_LIVE:
                raise
            raise Conflict("nothing is being broadcast", code="not_live") from error

    async def _place(self, arn: str) -> _Place:
        """IVS is asked once for each channel, whoever needs it."""
        if arn not in self._places:
            if len(self._places) >= _KNOWN_MOST:
                del self._places[next(iter(self._places))]
            self._places[arn] = await self._kept(arn) or await self._asked(arn)
        return self._places[arn]

    async def _kept(self, arn: str) -> _Place | None:
        item = await self._tables.get(_PLACE, _at(arn))
        return None if item is None else _Place(item["server"]["S"], item["playback"]["S"])

    async def _asked(self, arn: str) -> _Place:
        with asking(BROADCASTS):
            channel = (await self._client.get_channel(arn=arn))["channel"]
        place = _Place(channel["ingestEndpoint"], channel["playbackUrl"])
        item = {"server": text(place.server), "playback": text(place.playback)}
        await self._tables.write(put(_KEEP, _at(arn), item), effect=False)
        return place

    def heard(self, event: Told) -> Signal | None:
        """What an event of EventBridge means; None for one of a kind that this version does not know. Raises ValueError
        for what is of no channel of ours.
        """
        return beside(event) or signal(event, self._channels.env)

    # --- recordings

    async def recorded(self, ingest: str, recording: RecordingId, source: str) -> Signal | None:
        """What IVS writes beside a recording when it is over."""
        prefix = _prefix(source)
        if prefix is None:
            return None
        for name, kind in ((ENDED, Happening.RECORDING_END), (FAILED, Happening.RECORDING_END_FAILURE)):
            found = await fetched(self._s3, self._channels.bucket, prefix + name)
            if found is not None:
                over = _read(recording, found[0])
                reason = {"reason": "failed"} if kind is Happening.RECORDING_END_FAILURE else {}
                lasts = over.media.hls.duration_ms / 1000
                return Signal(
                    id=over_id(kind, recording), ingest=ingest, broadcast=None, kind=kind,
                    at=(over.recording_ended_at or found[1]).astimezone(UTC),
                    detail={"recording": recording, "source": source, "duration_s": lasts, **reason},
                )  # fmt: skip
        return None

    async def discard(self, source: str) -> None:
        prefix = _prefix(source)
        if prefix is not None:
            await clear(self._s3, self._channels.bucket, prefix)


_NOT_LIVE = "ChannelNotBroadcasting"
_MEASURES = {
    "targetBitrate": "bitrate_bps", "targetFramerate": "fps", "videoWidth": "width", "videoHeight": "height"
}  # fmt: skip


def _sighting(stream: Mapping[str, Any]) -> Sighting:
    viewers = stream.get("viewerCount", -1)
    return Sighting(
        ingest=stream["channelArn"], broadcast=BroadcastId(stream["streamId"]),
        started_at=stream["startTime"].astimezone(UTC), viewers=None if viewers < 0 else viewers,
    )  # fmt: skip


def _version(at: datetime) -> int:
    return int(at.timestamp())


def _at(arn: str) -> Key:
    return Key(f"CHANNEL#{arn}", "PLACE")


def _on_air(error: ClientError) -> Exception:
    """What is to be raised for it."""
    if code_of(error) != "ConflictException":
        same: Exception = error
        return same
    return Unavailable("IVS changes nothing of a channel during a broadcast", code="on_air")


def _prefix(source: str) -> str | None:
    """What all of a recording lies under; None for what is no recording of IVS."""
    if not (source.startswith(RECORDINGS) and source.endswith(f"/{MANIFEST}")):
        return None
    return source.removesuffix(MANIFEST)


class _Hls(msgspec.Struct):
    duration_ms: int = 0


class _Media(msgspec.Struct):
    hls: _Hls = msgspec.field(default_factory=_Hls)


class _Over(msgspec.Struct):
    """``recording-ended.json`` and ``recording-failed.json``, as far as they are read."""

    recording_ended_at: datetime | None = None
    media: _Media = msgspec.field(default_factory=_Media)


def _read(recording: RecordingId, content: bytes) -> _Over:
    try:
        return msgspec.json.decode(content, type=_Over)
    except msgspec.MsgspecError as error:
        raise Invalid(f"what IVS wrote of the recording {recording} cannot be read: {error}") from error
