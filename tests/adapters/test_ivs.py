"""The ingest of the cloud on the emulated IVS: channels, keys, viewers, recordings."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from attrs import evolve
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from adapters.aws.clients import TRIES
from adapters.aws.container import opened as opened_cloud
from adapters.aws.ivs import IvsIngest, PlaybackKey
from adapters.aws.settings import AwsSettings
from adapters.aws.signals import MANIFEST
from application.ports import Signal
from domain.broadcasts import Happening
from domain.errors import Conflict, Unavailable
from domain.ids import BroadcastId, ChannelId, RecordingId, StreamId, UserId
from domain.streams import Latency, Stream
from domain.videos import Audience, Visibility
from tests.cloud.buckets import private_pem
from tests.cloud.onair import Air, on_air
from tests.cloud.world import REGION, endpoint
from tests.media import films
from tests.strategies import START

STREAM = Stream(
    id=StreamId("str_1"), channel=ChannelId("chn_cats"), title="Live", created_at=START, reconnect_window_s=0
)  # fmt: skip
ANN = UserId("usr_ann")


@pytest.fixture
async def air() -> AsyncIterator[Air]:
    async with on_air() as here:
        yield here


async def opened(air: Air, stream: Stream = STREAM) -> Stream:
    return evolve(stream, ingest=await air.ingest.open(stream))


async def begun(air: Air, stream: Stream = STREAM) -> tuple[Stream, str]:
    known = await opened(air, stream)
    return known, air.world.stack.begin((await air.ingest.point(known)).stream_key)


# --- channels ----------------------------------------------------------------------------------------


async def test_a_channel_is_made_once_and_as_the_stream_says(air: Air) -> None:
    """Also when the answer was lost. The name says which stack's and which stream's it is; the key is not kept."""
    arn = await air.ingest.open(STREAM)
    assert await air.ingest.open(STREAM) == arn
    (channel,) = (await air.client.list_channels())["channels"]
    assert channel == {
        "arn": arn, "name": f"{air.channels.env}-str_1", "latencyMode": "LOW", "type": "STANDARD", "authorized": True,
        "insecureIngest": False, "recordingConfigurationArn": air.channels.recordings[0],
        "tags": {"hexcast": air.channels.env},
    }  # fmt: skip


async def test_a_channel_is_made_by_who_tries_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the SDK would make three, when answers are lost."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    cloud = {
        "AWS_REGION": REGION, "HEXCAST_AWS_ENDPOINT_URL": endpoint(), "HEXCAST_AWS_TABLES": "x-",
        "HEXCAST_AWS_RAW_BUCKET": "raw", "HEXCAST_AWS_MEDIA_BUCKET": "media",
    }  # fmt: skip
    async with opened_cloud(public_url="", secret=b"s", settings=AwsSettings.read(cloud)) as container:
        for client, tries in ((container.ivs(), TRIES), (container.ivs_once(), 1)):
            await client.list_channels()
            retries = client._client.meta.config.retries
            assert (retries["mode"], retries["total_max_attempts"]) == ("adaptive", tries)
        assert container.ingest()._once is container.ivs_once()


@pytest.mark.parametrize(("window_s", "configured"), [(0, 0), (1, 60), (60, 60), (61, 300), (300, 300)])
async def test_a_recording_waits_at_least_as_long_as_the_stream(air: Air, window_s: int, configured: int) -> None:
    stream = await opened(air, evolve(STREAM, reconnect_window_s=window_s))
    channel = (await air.client.get_channel(arn=stream.ingest))["channel"]
    assert channel["recordingConfigurationArn"] == air.channels.recordings[configured]


async def test_a_stream_that_cannot_be_recorded_as_it_wants_is_not_opened(air: Air) -> None:
    channels = evolve(air.channels, recordings={})
    ingest = IvsIngest(air.client, air.s3, air.ingest._tables, channels, air.clock.now, once=air.client, key=None)
    with pytest.raises(Unavailable, match="nothing set up"):
        await ingest.open(STREAM)
    assert await ingest.open(evolve(STREAM, record=False))


async def test_a_channel_follows_its_stream_but_not_during_a_broadcast(air: Air) -> None:
    """What changes nothing of it passes at any time."""
    stream, _ = await begun(air)
    await air.ingest.configure(evolve(stream, title="Another", visibility=Visibility.PRIVATE))
    changed = evolve(stream, record=False, latency=Latency.NORMAL)
    with pytest.raises(Unavailable) as refused:
        await air.ingest.configure(changed)
    assert refused.value.code == "on_air"
    await air.ingest.stop(stream)
    await air.ingest.configure(changed)
    channel = (await air.client.get_channel(arn=stream.ingest))["channel"]
    assert (channel["latencyMode"], channel.get("recordingConfigurationArn", "")) == ("NORMAL", "")


async def test_a_stream_is_disabled_whatever_else_was_changed_during_a_broadcast(air: Air) -> None:
    """That follows once it is enabled."""
    stream, _ = await begun(air)
    changed = evolve(stream, record=False)
    await air.ingest.configure(evolve(changed, enabled=False))
    assert (await air.client.list_stream_keys(channelArn=stream.ingest))["streamKeys"] == []
    await air.ingest.stop(stream)
    await air.ingest.configure(changed)
    channel = (await air.client.get_channel(arn=stream.ingest))["channel"]
    assert channel.get("recordingConfigurationArn", "") == ""


async def test_a_removed_channel_is_gone_with_every_other_of_its_name(air: Air) -> None:
    """One of two that were made at the same moment is nobody's."""
    stream, _ = await begun(air)
    await air.client.create_channel(name=f"{air.channels.env}-str_1")
    await air.ingest.playback(stream, Audience.ANYONE, None, air.clock.now())
    await air.ingest.close(stream.id, stream.ingest)
    assert (await air.client.list_channels())["channels"] == []
    await air.ingest.close(stream.id, stream.ingest)
    assert await air.ingest._kept(stream.ingest) is None


# --- keys --------------------------------------------------------------------------------------------


async def test_an_encoder_is_told_a_server_and_a_key(air: Air) -> None:
    """The same ones again until they are replaced; IVS is asked where the channel is once only."""
    stream = await opened(air)
    point = await air.ingest.point(stream)
    assert point.server_url.startswith("rtmps://")
    assert point.server_url.endswith(".global-contribute.live-video.net:443/app/")
    assert await air.ingest.point(stream) == point
    assert point.stream_key not in repr(point)


async def test_a_disabled_stream_has_no_key_and_an_enabled_one_another(air: Air) -> None:
    stream = await opened(air)
    old = await air.ingest.point(stream)
    disabled = evolve(stream, enabled=False)
    await air.ingest.configure(disabled)
    assert (await air.client.list_stream_keys(channelArn=stream.ingest))["streamKeys"] == []
    for asked in (air.ingest.point, air.ingest.rotate):
        with pytest.raises(Conflict):
            await asked(disabled)
    with pytest.raises(httpx.HTTPStatusError):
        air.world.stack.begin(old.stream_key)
    await air.ingest.configure(stream)
    assert (await air.ingest.point(stream)).stream_key != old.stream_key


async def test_a_key_is_gone_before_its_broadcast_is_cut_off(air: Air) -> None:
    """Or the encoder, which comes back by itself, would find it."""
    stream, _ = await begun(air)
    old = await air.ingest.point(stream)
    asked: list[str] = []

    def note(model: Any, **_: Any) -> None:
        asked.append(model.name)

    air.client.meta.events.register("before-call.ivs", note)
    new = await air.ingest.rotate(stream)
    assert asked == ["ListStreamKeys", "DeleteStreamKey", "StopStream", "CreateStreamKey"]
    assert new.stream_key != old.stream_key
    assert await air.ingest.live() == []
    with pytest.raises(httpx.HTTPStatusError):
        air.world.stack.begin(old.stream_key)
    assert air.world.stack.begin(new.stream_key)


async def test_a_second_key_has_to_wait(air: Air) -> None:
    """Whoever made one in between has the only one there may be."""
    stream = await opened(air)
    with pytest.raises(Unavailable):
        await air.ingest._new_point(stream)


# --- what is live ------------------------------------------------------------------------------------


async def test_what_is_live_is_seen_with_its_viewers(air: Air) -> None:
    """More than a page of it; and viewers that IVS cannot count just now are not zero."""
    assert await air.ingest.live() == []
    stream, broadcast = await begun(air)
    air.world.stack.watched_by(stream.ingest, 7)
    (seen,) = await air.ingest.live()
    assert (seen.ingest, seen.broadcast, seen.viewers) == (stream.ingest, broadcast, 7)
    assert abs(seen.started_at - air.clock.now()) < timedelta(minutes=1)
    air.world.stack.watched_by(stream.ingest, -1)
    assert [each.viewers for each in await air.ingest.live()] == [None]
    assert await air.ingest.stop(stream)
    assert not await air.ingest.stop(stream)
    assert await air.ingest.live() == []


async def test_what_comes_in_is_told_once_of_each_broadcast_of_ours(air: Air, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few at a time; of someone else's never; and if IVS does not say, who is live is known all the same."""
    monkeypatch.setattr("adapters.aws.ivs.MEASURED_AT_ONCE", 1)
    for number in range(2):
        await begun(air, evolve(STREAM, id=StreamId(f"str_{number}")))
    foreign = await air.client.create_channel(name="someone-elses")
    air.world.stack.begin(foreign["streamKey"]["value"])
    measured = {"bitrate_bps": 1_500_000, "fps": 30, "width": 640, "height": 360}
    told = [[each.measured for each in await air.ingest.live() if each.measured] for _ in range(3)]
    assert told == [[measured], [measured], []]
    elsewhere = IvsIngest(
        air.client, air.s3, air.ingest._tables, air.channels, air.clock.now, once=air.client, key=None
    )
    assert len([each for each in await elsewhere.live() if each.measured]) == 1
    monkeypatch.setattr(elsewhere, "_session", too_busy)
    assert [each.measured for each in await elsewhere.live()] == [{}, {}, {}]


async def too_busy(_: object) -> NoReturn:
    raise Unavailable("IVS is busy")


async def test_players_are_told_something_while_it_is_live(air: Air) -> None:
    stream, _ = await begun(air)
    await air.ingest.annotate(stream, "Goal!")
    assert air.world.stack.metadata(stream.ingest) == ["Goal!"]
    await air.ingest.stop(stream)
    with pytest.raises(Conflict, match="nothing is being broadcast"):
        await air.ingest.annotate(stream, "Goal!")


# --- viewers -----------------------------------------------------------------------------------------


def claims(url: str) -> dict[str, Any]:
    token = urlsplit(url).query.removeprefix("token=").split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return found


async def test_whoever_has_a_link_watches(air: Air, tmp_path: Path) -> None:
    """The newest segments decode; without a token, or with another channel's, there is nothing to see."""
    stream, _ = await begun(air)
    other, _ = await begun(air, evolve(STREAM, id=StreamId("str_2")))
    until = air.clock.now() + timedelta(minutes=5)
    url = (await air.ingest.playback(stream, Audience.ANYONE, ANN, until)).url
    foreign = (await air.ingest.playback(other, Audience.ANYONE, ANN, until)).url
    manifest = await air.http.get(url)
    assert manifest.status_code == 200
    playlist = next(line for line in manifest.text.splitlines() if line and not line.startswith("#"))
    names = [line for line in (await air.http.get(playlist)).text.splitlines() if line.endswith(".ts")]
    film = tmp_path / "live.ts"
    film.write_bytes(b"".join([(await air.http.get(urljoin(playlist, name))).content for name in names]))
    films.ffmpeg("-i", str(film), "-f", "null", "-")
    plain, token = url.partition("?")[0], urlsplit(foreign).query
    for refused in (plain, f"{plain}?token=a.b.c", f"{plain}?{token}", url[:-8] + "AAAAAAAA"):
        assert (await air.http.get(refused)).status_code == 403, refused
    await air.ingest.stop(stream)
    assert (await air.http.get(url)).status_code == 404


async def test_a_token_says_seconds_and_is_good_for_ten_minutes_at_most(air: Air) -> None:
    """AWS's own sample said milliseconds, and was good for ever."""
    stream = await opened(air)
    now = air.clock.now()
    late = claims((await air.ingest.playback(stream, Audience.ANYONE, ANN, now + timedelta(days=1))).url)
    assert late == {
        "aws:channel-arn": stream.ingest, "exp": int((now + timedelta(minutes=10)).timestamp()),
        "aws:viewer-id": ANN, "aws:viewer-session-version": int(now.timestamp()),
    }  # fmt: skip
    soon = claims((await air.ingest.playback(stream, Audience.LINK, None, now + timedelta(minutes=1))).url)
    assert soon == {"aws:channel-arn": stream.ingest, "exp": int((now + timedelta(minutes=1)).timestamp())}


async def test_a_viewer_who_is_sent_away_is_gone_and_may_be_let_in_again(air: Air) -> None:
    stream, _ = await begun(air)
    until = air.clock.now() + timedelta(minutes=5)
    old, others = [(await air.ingest.playback(stream, Audience.ANYONE, who, until)).url for who in (ANN, None)]
    playlist = next(line for line in (await air.http.get(old)).text.splitlines() if line.startswith("http"))
    await air.ingest.revoke(stream, ANN)
    assert (await air.http.get(old)).status_code == 403
    assert (await air.http.get(playlist)).status_code == 403
    assert (await air.http.get(others)).status_code == 200
    air.clock.advance(timedelta(seconds=1))
    new = (await air.ingest.playback(stream, Audience.ANYONE, ANN, until)).url
    assert (await air.http.get(new)).status_code == 200


async def test_where_a_channel_is_watched_is_asked_of_ivs_once_for_all_processes(air: Air) -> None:
    """Five calls a second are all that there are, and viewers come by the thousand."""
    stream = await opened(air)
    until = air.clock.now() + timedelta(minutes=5)
    link = await air.ingest.playback(stream, Audience.ANYONE, None, until)
    nothing = IvsIngest(
        None, air.s3, air.ingest._tables, air.channels, air.clock.now, once=air.client, key=air.ingest._key
    )
    assert urlsplit((await nothing.playback(stream, Audience.ANYONE, None, until)).url).path == urlsplit(link.url).path


async def test_what_is_known_of_channels_does_not_grow_without_end(air: Air, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.aws.ivs._KNOWN_MOST", 2)
    for number in range(3):
        await air.ingest.point(await opened(air, evolve(STREAM, id=StreamId(f"str_{number}"))))
    assert len(air.ingest._places) == 2


async def test_nobody_is_let_in_without_a_key(air: Air) -> None:
    ingest = IvsIngest(air.client, air.s3, air.ingest._tables, air.channels, air.clock.now, once=air.client, key=None)
    with pytest.raises(Unavailable) as refused:
        await ingest.playback(await opened(air), Audience.ANYONE, None, air.clock.now())
    assert refused.value.code == "keys_unavailable"


@pytest.mark.parametrize(
    "key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())], ids=["rsa", "p256"]
)
def test_only_a_key_that_ivs_takes_is_taken(key: Any) -> None:
    with pytest.raises(TypeError, match="P-384"):
        PlaybackKey(private_pem(key))


# --- what is told ------------------------------------------------------------------------------------


def kinds(signals: Any) -> list[Happening]:
    return [each.kind for each in sorted(signals, key=lambda each: (each.at, list(Happening).index(each.kind)))]


async def test_a_broadcast_is_told_of_and_recorded(air: Air) -> None:
    """Where the recording lies, how long it is, and of which broadcasts it is."""
    stream, broadcast = await begun(air)
    air.world.stack.starve(stream.ingest)
    air.world.stack.starve(stream.ingest, on=False)
    air.world.stack.breach(stream.ingest)
    air.world.stack.end(stream.ingest)
    signals = await air.signals()
    assert {each.kind for each in signals} == {
        Happening.SESSION_CREATED, Happening.STREAM_START, Happening.RECORDING_START, Happening.STARVATION_START,
        Happening.STARVATION_END, Happening.LIMIT_BREACH, Happening.STREAM_END, Happening.SESSION_ENDED,
        Happening.RECORDING_END,
    }  # fmt: skip
    assert {(each.ingest, each.broadcast) for each in signals} == {(stream.ingest, broadcast)}
    assert len({each.id for each in signals}) == len(signals)
    ended = next(each for each in signals if each.kind is Happening.RECORDING_END)
    assert (ended.detail["duration_s"], ended.detail["broadcasts"]) == (4.0, (broadcast,))
    source = str(ended.detail["source"])
    prefix = source.removesuffix(MANIFEST)
    assert source in [prefix + key for key in await air.keys(prefix)]
    breach = next(each for each in signals if each.kind is Happening.LIMIT_BREACH)
    assert breach.detail == {"breach": "Ingest Bitrate of at most 8,500,000 bits per second, by 1,000,000"}


async def test_events_that_come_twice_have_one_name_and_late_ones_their_own_time(air: Air) -> None:
    stack, account = air.world.stack, air.world.account
    stack.tell(twice=True, held=True, lost=("Session Created",), account=account)
    stream, _ = await begun(air)
    stack.end(stream.ingest)
    assert await air.signals() == []
    stack.release(backwards=True, account=account)
    signals = await air.signals()
    assert len(signals) == 2 * len({each.id for each in signals}) == 10
    assert Happening.SESSION_CREATED not in kinds(signals)


async def test_broadcasts_within_the_window_are_one_recording(air: Air) -> None:
    stream, first = await begun(air, evolve(STREAM, reconnect_window_s=60))
    air.world.stack.end(stream.ingest)
    second = air.world.stack.begin((await air.ingest.point(stream)).stream_key)
    air.world.stack.end(stream.ingest, failed=True)
    assert Happening.RECORDING_END not in kinds(await air.signals())
    air.world.stack.close_window(stream.ingest)
    (ended,) = await air.signals()
    assert (ended.detail["broadcasts"], ended.detail["duration_s"]) == ((first, second), 8.0)


# --- recordings --------------------------------------------------------------------------------------


async def recorded(air: Air) -> tuple[Stream, Signal]:
    stream, _ = await begun(air)
    air.world.stack.end(stream.ingest)
    return stream, next(each for each in await air.signals() if each.kind is Happening.RECORDING_END)


async def test_the_end_of_a_recording_that_nobody_told_of_is_found_beside_it(air: Air) -> None:
    stream, told = await recorded(air)
    recording, source = RecordingId(str(told.detail["recording"])), str(told.detail["source"])
    found = await air.ingest.recorded(stream.ingest, recording, source)
    assert found is not None
    assert (found.kind, found.ingest) == (Happening.RECORDING_END, stream.ingest)
    assert {name: found.detail[name] for name in ("recording", "source", "duration_s")} == {
        "recording": recording, "source": source, "duration_s": 4.0
    }  # fmt: skip
    assert abs(found.at - told.at) <= timedelta(seconds=2)
    assert await air.ingest.recorded(stream.ingest, recording, "") is None
    assert await air.ingest.recorded(stream.ingest, recording, source.replace(recording, "elsewhere")) is None


async def test_a_recording_that_failed_is_known_to_have(air: Air) -> None:
    stream, source = await opened(air), f"ivs/v1/1/c/2026/11/30/9/1/r/{MANIFEST}"
    key = "ivs/v1/1/c/2026/11/30/9/1/r/events/recording-failed.json"
    await air.s3.put_object(Bucket=air.bucket, Key=key, Body=b"{}")
    found = await air.ingest.recorded(stream.ingest, RecordingId("r"), source)
    assert found is not None
    assert (found.kind, found.detail["reason"]) == (Happening.RECORDING_END_FAILURE, "failed")
    await air.s3.put_object(Bucket=air.bucket, Key=key, Body=b"[")
    with pytest.raises(ValueError, match="cannot be read"):
        await air.ingest.recorded(stream.ingest, RecordingId("r"), source)


async def test_a_discarded_recording_is_gone_and_nothing_else(air: Air) -> None:
    """An upload's file is none, and neither is what only looks like one."""
    _, told = await recorded(air)
    source = str(told.detail["source"])
    for other in ("raw/upl_1/source", f"ivs/{MANIFEST}", "ivs/v1/1/c/events/recording-ended.json"):
        await air.s3.put_object(Bucket=air.bucket, Key=other, Body=b"x")
    before = set(await air.keys(""))
    for discarded in ("raw/upl_1/source", f"ivs/{MANIFEST}", "ivs/v1/1/c/events/recording-ended.json", ""):
        await air.ingest.discard(discarded)
    assert set(await air.keys("")) == before
    await air.ingest.discard(source)
    await air.ingest.discard(source)
    assert set(await air.keys("")) == {key for key in before if not key.startswith(source.removesuffix(MANIFEST))}


async def test_a_channel_that_someone_else_removed_is_no_broadcast(air: Air) -> None:
    stream = await opened(air)
    await air.client.delete_channel(arn=stream.ingest)
    assert not await air.ingest.stop(stream)
    with pytest.raises(ClientError):
        await air.ingest.point(evolve(stream, session=None))
    assert BroadcastId("st-1") not in {each.broadcast for each in await air.ingest.live()}
