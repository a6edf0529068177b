"""The cloud: records in DynamoDB, files in S3 behind CloudFront, people in Cognito, media made by MediaConvert."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from itertools import count
from typing import Any

from aiohttp import ClientSession
from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import Callable as Call
from dependency_injector.providers import Dependency, List, Object, Provider, Singleton

from adapters.aws.channels import DynamoChannels
from adapters.aws.chat import DynamoChatLog
from adapters.aws.clients import Lazy, Make, clients
from adapters.aws.cloudfront import CloudFrontLinks, Invalidations, Signer, SigningKey
from adapters.aws.cognito import CognitoAccounts
from adapters.aws.comments import DynamoComments
from adapters.aws.delivery import SignedPlaylists
from adapters.aws.dynamo import Tables
from adapters.aws.engagement import DynamoReactions, DynamoSubscriptions
from adapters.aws.idempotency import DynamoIdempotency
from adapters.aws.ivs import Channels, IvsIngest, PlaybackKey
from adapters.aws.ivschat import IvsChat, RoomSettings
from adapters.aws.job import Places
from adapters.aws.mediaconvert import MediaConvertTranscoder
from adapters.aws.notifications import DynamoInbox
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.processing import DynamoProcessings
from adapters.aws.queue import SqsQueue, SqsRetries
from adapters.aws.reports import tell
from adapters.aws.rounds import DynamoRounds
from adapters.aws.s3 import S3MediaStore, S3UploadStore
from adapters.aws.search import DynamoSearch
from adapters.aws.secrets import Keys, keys
from adapters.aws.settings import AwsSettings
from adapters.aws.streams import DynamoBroadcasts, DynamoStreams
from adapters.aws.tables import CORE, OPS, SOCIAL
from adapters.aws.tokens import CognitoKeys
from adapters.aws.uploads import DynamoUploads
from adapters.aws.users import DynamoUsers
from adapters.aws.videos import DynamoVideos
from adapters.aws.watching import DynamoHistory, DynamoSessions, DynamoViewings
from adapters.links import Links
from adapters.listening import InProcessLive
from adapters.system import Clock, Ulids
from adapters.system import secret as fresh_key
from application.ports import Link, LinkMode, Origins
from domain.errors import Unavailable
from domain.notifications import FanOut
from domain.watching import Grant


class Unsigned:
    """Stands for the links of a function that has no keys, since it gives none to anyone."""

    def open_url(self, key: str) -> str:
        raise _no_key(key)

    def granted(self, grant: Grant, key: str, mode: LinkMode = LinkMode.COOKIE) -> Link:
        del grant, mode
        raise _no_key(key)


def _no_key(key: str) -> Unavailable:
    return Unavailable(f"there is no key to sign a link to {key} with", code="keys_unavailable")


def _cloud_links(settings: AwsSettings, pems: Mapping[str, str], door: Links, now: Any) -> Any:
    pem = pems.get(settings.cdn_key_slot)
    if not pem or not settings.cdn_key_id:
        return Unsigned()
    signer = Signer(SigningKey(settings.cdn_key_id, pem.encode()))
    return CloudFrontLinks(signer, door, now, media_url=settings.cdn_url, cookie_domain=settings.cookie_domain or None)


# What paints takes tenths of a second to load: that waits until someone needs it.
def _images() -> Any:
    return import_module("adapters.formats").PillowImages()


def _webvtt() -> Any:
    return import_module("adapters.formats").tidy_webvtt


# No function moves house.
def _archive(**parts: Any) -> Any:
    return import_module("adapters.aws.archive").DynamoArchive(**parts)


# One function counts again.
def _nightly(*, core: Any, social: Any, ops: Any, **needs: Any) -> Sequence[tuple[str, Any]]:
    recount = import_module("adapters.aws.recount").Recount(places={CORE: core, SOCIAL: social, OPS: ops}, **needs)
    return (("recount", recount),)


def _client(make: Make, service: str) -> Lazy:
    return make(service)


def _once(make: Make, service: str) -> Lazy:
    return make(service, tries=1)


def _queues(client: Any, url: str) -> Mapping[str, SqsQueue]:
    return {FanOut.__name__: SqsQueue(client, url)} if url else {}


def _sqs_url(settings: AwsSettings) -> str:
    return settings.endpoint_url or f"https://sqs.{settings.region}.amazonaws.com"


def _places(settings: AwsSettings) -> Places:
    return Places(
        raw_bucket=settings.raw_bucket,
        media_bucket=settings.media_bucket,
        role=settings.transcode_role,
        queue=settings.transcode_queue,
        env=settings.stage,
    )


def _origins(settings: AwsSettings) -> Origins:
    uploads = settings.endpoint_url or f"https://{settings.raw_bucket}.s3.{settings.region}.amazonaws.com"
    # What an IVS channel plays from is a host of its own, and its segments may lie on yet others.
    live = settings.endpoint_url or "https://*.live-video.net"
    return Origins(media=tuple(filter(None, (live, settings.cdn_url))), calls=(uploads, settings.chat_url))


def _rooms(settings: AwsSettings) -> RoomSettings:
    return RoomSettings(env=settings.stage, review=settings.chat_review, url=settings.chat_url)


def _ivs_channels(settings: AwsSettings) -> Channels:
    return Channels(env=settings.stage, bucket=settings.raw_bucket, recordings=settings.recordings)


def _playback_key(pem: str) -> PlaybackKey | None:
    return PlaybackKey(pem.encode()) if pem else None


class Aws(DeclarativeContainer):
    """All of the profile ``aws``. Clients are opened when they are first used."""

    public_url = Dependency(instance_of=str)
    key = Dependency(instance_of=bytes)
    """Signs links and cursors: the same in every environment, or those given out would break."""
    settings = Dependency(instance_of=AwsSettings)
    pems: Provider[Any] = Dependency()
    """Private keys of CloudFront's, by slot; none where nothing is signed."""
    live_pem = Dependency(instance_of=str)
    """The private key of IVS's; "" where nobody is let in to watch."""
    http: Provider[Any] = Dependency(instance_of=ClientSession)
    make: Provider[Any] = Dependency()
    """Makes the client of a service."""

    dynamodb = Singleton(_client, make, "dynamodb")
    s3 = Singleton(_client, make, "s3")
    cognito = Singleton(_client, make, "cognito-idp")
    mediaconvert = Singleton(_client, make, "mediaconvert")
    cloudfront = Singleton(_client, make, "cloudfront")
    ivs = Singleton(_client, make, "ivs")
    ivs_once = Singleton(_once, make, "ivs")
    ivschat = Singleton(_client, make, "ivschat")
    ivschat_once = Singleton(_once, make, "ivschat")
    sqs = Singleton(_client, make, "sqs")
    tables = Singleton(Tables, dynamodb, settings.provided.tables)

    background = Object(())
    changes = Object(count().__next__)
    """Others write, too, so no answer is known to be true still: each count is another one."""
    clock = Singleton(Clock)
    now = clock.provided.now
    new_id = Singleton(Ulids, now)
    outbox = Singleton(DynamoOutbox, tables, new_id, now)
    queues = Call(_queues, sqs, settings.provided.fan_out_queue_url)
    retries = Singleton(SqsRetries, sqs, Call(_sqs_url, settings))
    origins = Singleton(_origins, settings)
    issuer = settings.provided.issuer
    client_ids = Call(lambda client_id: (client_id,), settings.provided.client_id)
    keys = Singleton(CognitoKeys, http, settings.provided.jwks_url, now)
    mailbox: Provider[Any] = Object(None)
    """Mail goes to people."""
    accounts = Singleton(
        CognitoAccounts, cognito, settings.provided.pool_id, settings.provided.client_id, now, new_id
    )  # fmt: skip

    users = Singleton(DynamoUsers, tables, outbox)
    channels = Singleton(DynamoChannels, tables, outbox)
    videos = Singleton(DynamoVideos, tables, outbox)
    uploads = Singleton(DynamoUploads, tables, outbox)
    processings = Singleton(DynamoProcessings, tables, outbox)
    streams = Singleton(DynamoStreams, tables, outbox)
    broadcasts = Singleton(DynamoBroadcasts, tables, outbox)
    chat_log = Singleton(DynamoChatLog, tables)
    comments = Singleton(DynamoComments, tables, outbox)
    reactions = Singleton(DynamoReactions, tables, outbox)
    subscriptions = Singleton(DynamoSubscriptions, tables, outbox)
    history = Singleton(DynamoHistory, tables)
    viewings = Singleton(DynamoViewings, tables)
    sessions = Singleton(DynamoSessions, tables, now)
    inbox = Singleton(DynamoInbox, tables, now)
    live = Singleton(InProcessLive)
    search = Singleton(DynamoSearch, tables)
    idempotency = Singleton(DynamoIdempotency, tables)
    rounds = Singleton(DynamoRounds, tables)
    nightly = Call(
        _nightly, tables=tables, store=s3, bucket=settings.provided.raw_bucket, now=now, core=List(videos),
        social=List(comments, reactions, subscriptions), ops=List(uploads),
    )  # fmt: skip
    archive = Singleton(
        _archive, tables=tables, store=s3, bucket=settings.provided.raw_bucket, accounts=accounts, users=users,
        channels=channels, videos=videos, uploads=uploads, processings=processings, comments=comments,
        reactions=reactions, subscriptions=subscriptions, sessions=sessions, history=history,
        viewings=viewings, inbox=inbox, streams=streams, broadcasts=broadcasts, chat_log=chat_log,
        outbox=outbox, now=now,
    )  # fmt: skip

    door = Singleton(Links, key, public_url, now)
    links = Singleton(_cloud_links, settings, pems, door, now)
    gone = Singleton(Invalidations, cloudfront, settings.provided.distribution_id, new_id)
    media = Singleton(S3MediaStore, s3, settings.provided.media_bucket, links, gone)
    store = Singleton(S3UploadStore, s3, settings.provided.raw_bucket, now)
    delivery = Singleton(SignedPlaylists, media, links, door)
    told = Singleton(partial, tell, sqs, settings.provided.job_queue_url)
    places = Singleton(_places, settings)
    transcoder = Singleton(MediaConvertTranscoder, mediaconvert, s3, media, places, told)
    reports: Provider[Any] = Object(None)
    """They come as events (``entrypoints.lambda.events``)."""
    ingest = Singleton(
        IvsIngest, ivs, s3, tables, Call(_ivs_channels, settings), now, once=ivs_once,
        key=Singleton(_playback_key, live_pem),
    )  # fmt: skip
    signals: Provider[Any] = Object(None)
    """They come as events, too."""
    simulator: Provider[Any] = Object(None)
    """Encoders are real ones."""
    chat = Singleton(IvsChat, ivschat, tables, Call(_rooms, settings), new_id, once=ivschat_once)
    chat_door: Provider[Any] = Object(None)
    """Rooms are IVS Chat's."""
    images = Singleton(_images)
    webvtt = Singleton(_webvtt)


@asynccontextmanager
async def opened(*, public_url: str, secret: bytes | None, settings: AwsSettings) -> AsyncIterator[Aws]:
    """The adapters, and at the end no connection of theirs is left open. Raises Unavailable (``keys_unavailable``)."""
    async with clients(settings) as make, ClientSession() as http:
        kept = await keys(make("secretsmanager"), settings.secret_id) if settings.secret_id else Keys(b"", {})
        yield Aws(
            public_url=public_url, key=secret or kept.signing or fresh_key(), settings=settings, pems=kept.cdn,
            live_pem=kept.live, http=http, make=make,
        )  # fmt: skip
