"""Whatever is kept, in whichever family, comes out of an archive as it went in; and what is counted, counts the same."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.archives import KINDS, line_of, read, written
from adapters.aws.archive import DynamoArchive
from adapters.aws.channels import DynamoChannels
from adapters.aws.chat import DynamoChatLog
from adapters.aws.cognito import CognitoAccounts
from adapters.aws.comments import DynamoComments
from adapters.aws.dynamo import Key, Tables
from adapters.aws.engagement import DynamoReactions, DynamoSubscriptions
from adapters.aws.notifications import DynamoInbox
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.processing import DynamoProcessings
from adapters.aws.streams import DynamoBroadcasts, DynamoStreams
from adapters.aws.uploads import DynamoUploads
from adapters.aws.users import DynamoUsers
from adapters.aws.videos import DynamoVideos
from adapters.aws.watching import DynamoHistory, DynamoSessions, DynamoViewings
from adapters.credentials import SIGN_UP_CODE, Passwords
from adapters.inmemory.container import Memory
from adapters.local.archive import SqliteArchive
from adapters.local.channels import SqliteChannels
from adapters.local.comments import SqliteComments
from adapters.local.counters import COUNTERS, MISPLACED, MISTAGGED
from adapters.local.database import Database
from adapters.local.engagement import SqliteReactions, SqliteSubscriptions
from adapters.local.identity import KEYS
from adapters.local.outbox import SqliteOutbox
from adapters.local.settings import settled
from adapters.local.videos import SqliteVideos
from adapters.local.watching import SqliteSessions
from adapters.system import Ulids
from application.moving import arriving, names, renamed
from application.ports import (
    Account,
    Accounts,
    Archive,
    Box,
    Channels,
    Code,
    Comments,
    Outbox,
    Pepper,
    Reacted,
    Reactions,
    Record,
    Sessions,
    Subscriptions,
    Videos,
    Views,
    Waiting,
)  # fmt: skip
from domain.access import Role
from domain.channels import Channel, ChannelEdited
from domain.engagement import Comment, CommentStatus, Reaction, Subscription
from domain.errors import Conflict, Forbidden, Invalid, Unauthenticated
from domain.identity import User
from domain.ids import EventId, UploadId, UserId, VideoId
from domain.notifications import Notification
from domain.processing import Processing
from domain.streams import Stream
from domain.uploads import OPEN, Upload
from domain.videos import Video
from tests import strategies as some
from tests.adapters.declared import named
from tests.cloud import direct
from tests.cloud.pools import Pool, pool
from tests.cloud.world import stack, world
from tests.identities import CHEAP, over, pems, signing_keys
from tests.strategies import START
from tests.worlds import FakeClock

PROCESSING = Processing(
    video=VideoId("vid_0"), upload=UploadId("upl_0"), source="raw/upl_0/source", updated_at=START, version=3
)
Counts = Mapping[str, Mapping[Any, Any]]
People = Mapping[UserId, UserId]


async def themselves(_: Sequence[Record]) -> People:
    return {}


@frozen
class Place:
    """Where things are kept: an archive, the outbox it adds to, and what is counted, by what and for whom."""

    archive: Archive
    outbox: Outbox
    count: Callable[[Sequence[UserId]], Awaitable[Counts]]
    """``counts`` of these users."""
    people: Callable[[Sequence[Record]], Awaitable[People]]
    """Who of those that were loaded is who here: users have other ids in Cognito. All others keep theirs."""
    kept: Callable[[Record], Record | None] = lambda record: record
    """How a record is kept here; None if it is not."""

    async def counts(self, people: People) -> Counts:
        """By the users' ids as they were loaded."""
        counts = dict(await self.count([people.get(each, each) for each in some.USER_IDS]))
        former = {new: old for old, new in people.items()}
        for what in ("usage", "memberships"):
            counts[what] = {former.get(user, user): count for user, count in counts[what].items()}
        return counts

    async def settled(self, platform: Sequence[Record]) -> list[Record]:
        """The platform as it is kept here, once it was loaded."""
        people = await self.people(platform)
        return [kept for each in arrived(platform) if (kept := self.kept(renamed(each, people))) is not None]

    async def dumped(self) -> list[Record]:
        return [record async for record in self.archive.dump()]


@asynccontextmanager
async def memory(clock: FakeClock) -> AsyncIterator[Memory]:
    world = Memory(public_url="http://films.test", key=b"k" * 32, clock=clock, keys=signing_keys(), passwords=CHEAP)
    try:
        yield world
    finally:
        await world.transcoder().aclose()
        world.search().close()


@asynccontextmanager
async def in_memory() -> AsyncIterator[Place]:
    async with memory(FakeClock()) as world:
        yield _in_memory(world)


def _in_memory(world: Memory) -> Place:
    async def usage(_: Sequence[UserId]) -> Mapping[str, tuple[int, int]]:
        return {user: (each.bytes, each.open) for user, each in world.uploads()._usage.items()}

    ports = _Ports(
        world.channels(), world.videos(), world.comments(), world.reactions(), world.subscriptions(),
        world.sessions(), usage,
    )  # fmt: skip
    return Place(world.archive(), world.outbox(), ports.counts, themselves)


@asynccontextmanager
async def sqlite() -> AsyncIterator[Place]:
    clock = FakeClock()
    with tempfile.TemporaryDirectory(prefix="hexcast-") as folder:
        database = Database(Path(folder) / "hexcast.db", durable=False)

        async def usage(_: Sequence[UserId]) -> Mapping[str, tuple[int, int]]:
            assert not [row for each in COUNTERS for row in database.rows(each.wrong)]
            assert not database.rows(MISPLACED)
            assert not database.rows(MISTAGGED)
            return {user: (bytes_, open_) for user, bytes_, open_ in database.rows("SELECT * FROM usage")}

        try:
            outbox = SqliteOutbox(database, Ulids(clock.now))
            ports = _Ports(
                SqliteChannels(database, outbox), SqliteVideos(database, outbox), SqliteComments(database, outbox),
                SqliteReactions(database, outbox), SqliteSubscriptions(database, outbox),
                SqliteSessions(database, clock.now), usage,
            )  # fmt: skip
            yield Place(SqliteArchive(database, outbox, clock.now), outbox, ports.counts, themselves)
        finally:
            database.close()


@frozen
class _Ports:
    """What counts, over one family's records. ``usage``: bytes and open uploads, which no port tells."""

    channels: Channels
    videos: Videos
    comments: Comments
    reactions: Reactions
    subscriptions: Subscriptions
    sessions: Sessions
    usage: Callable[[Sequence[UserId]], Awaitable[Mapping[str, tuple[int, int]]]]

    async def counts(self, users: Sequence[UserId]) -> Counts:
        usage = await self.usage(users)
        tallies = await self.reactions.tallies(SUBJECTS)
        return {
            "listed": {each: await self.videos.count(each) for each in some.CHANNEL_IDS},
            "subscribers": {each: await self.subscriptions.count(each) for each in some.CHANNEL_IDS},
            "comments": await self.comments.counts(some.VIDEO_IDS),
            "replies": await self.comments.reply_counts(some.COMMENT_IDS),
            "tallies": {subject: (tally.likes, tally.dislikes) for subject, tally in tallies.items()},
            "views": await self.sessions.views(some.VIDEO_IDS),
            "usage": {user: usage.get(user, (0, 0)) for user in users},
            "on_video": {
                video: {each.id for each in (await self.comments.on_video(video, limit=100)).items}
                for video in some.VIDEO_IDS
            },
            "tagged": {
                tag: {each.id for each in (await self.videos.listed(tag=tag, limit=100)).items} for tag in some.TAGS
            },
            "memberships": {user: {each.id for each in await self.channels.of_member(user)} for user in users},
        }


def archive_of(clock: FakeClock, dynamodb: Any, store: Any, bucket: str, people: Pool) -> DynamoArchive:
    """Over these clients, and never waiting."""

    async def at_once(_: float) -> None: ...

    tables, new_id, now = Tables(dynamodb, named(), at_once), Ulids(clock.now), clock.now
    outbox = DynamoOutbox(tables, new_id, now)
    return DynamoArchive(
        tables=tables, store=store, bucket=bucket,
        accounts=CognitoAccounts(people.cognito, people.id, people.client_id, now, new_id, Passwords(CHEAP)),
        users=DynamoUsers(tables, outbox), channels=DynamoChannels(tables, outbox),
        videos=DynamoVideos(tables, outbox), uploads=DynamoUploads(tables, outbox),
        processings=DynamoProcessings(tables, outbox), comments=DynamoComments(tables, outbox),
        reactions=DynamoReactions(tables, outbox), subscriptions=DynamoSubscriptions(tables, outbox),
        sessions=DynamoSessions(tables, now), history=DynamoHistory(tables), viewings=DynamoViewings(tables),
        inbox=DynamoInbox(tables, now), streams=DynamoStreams(tables, outbox), broadcasts=DynamoBroadcasts(tables, outbox),
        chat_log=DynamoChatLog(tables), outbox=outbox, now=now,
    )  # fmt: skip


@asynccontextmanager
async def cloud() -> AsyncIterator[Place]:
    """DynamoDB in this process, Cognito and S3 in the emulated cloud."""
    clock = FakeClock()
    async with direct.tables() as tables, world() as place, pool(clock.now) as people:
        client, s3, bucket = cast("direct.Direct", tables.client), await place.client("s3"), await place.bucket("raw")
        for name in tables.names.values():
            await client.update_continuous_backups(
                TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
            )

        async def store(bucket: str, key: str, content: bytes) -> None:
            await s3.put_object(Bucket=bucket, Key=key, Body=content)

        client.store = store
        archive = archive_of(clock, client, s3, bucket, people)
        accounts, outbox = archive.accounts, archive.outbox

        async def usage(users: Sequence[UserId]) -> Mapping[str, tuple[int, int]]:
            """As it stands beside the uploads, and no other than the lists say."""
            used: dict[str, tuple[int, int]] = {}
            for user in users:
                key = Key(f"USER#{user}", "USAGE")
                item = (await client.get_item(TableName="ops", Key=key.attributes, ConsistentRead=True)).get("Item", {})
                used[user] = int(item.get("bytes", {"N": 0})["N"]), len(item.get("open", {"SS": ()})["SS"])
                assert used[user][1] == len((await archive.uploads.of_user(user, open_only=True)).items)
            return used

        async def who(platform: Sequence[Record]) -> People:
            found = [(each, await accounts._account(each.email)) for each in platform if isinstance(each, Account)]
            return {each.user: there.user for each, there in found if there is not None}

        ports = _Ports(
            archive.channels, archive.videos, archive.comments, archive.reactions, archive.subscriptions,
            archive.sessions, usage,
        )  # fmt: skip
        yield Place(archive, outbox, ports.counts, who, partial(_in_cloud, accounts))


def _in_cloud(accounts: CognitoAccounts, record: Record) -> Record | None:
    """Cognito knows neither passwords nor codes; since when an event has been free is not told."""
    match record:
        case Pepper():
            return None
        case Account():
            code = None if record.confirmed else Code("", START + SIGN_UP_CODE)
            return evolve(
                record, password=accounts.passwords.nobodys, roles=record.roles - {Role.USER}, sign_up_code=code,
                reset_code=None,
            )  # fmt: skip
        case Waiting(again_at=at) if at is not None and at <= accounts.now():
            return evolve(record, again_at=None)
    return record


Opener = Callable[[], AbstractAsyncContextManager[Place]]
FAMILIES: list[tuple[str, Opener]] = [("in_memory", in_memory), ("sqlite", sqlite), ("cloud", cloud)]
openers = pytest.mark.parametrize("opener", [opener for _, opener in FAMILIES], ids=[name for name, _ in FAMILIES])
SUBJECTS = [*some.VIDEO_IDS[:2], *some.COMMENT_IDS[:2]]
TOPS, REPLIES = some.COMMENT_IDS[:4], some.COMMENT_IDS[4:]


# --- platforms ------------------------------------------------------------------------------------

versions = st.integers(1, 9)
codes = st.builds(Code, st.sampled_from(["00ff", "beef"]), some.times, st.integers(0, 5))
accounts = st.builds(
    Account, user=some.user_ids, email=some.emails, password=st.just("$argon2id$v=19$a-hash"), handle=some.handles,
    confirmed=st.booleans(), roles=st.frozensets(st.sampled_from(Role)), sign_up_code=codes,
    reset_code=st.none() | codes,
)  # fmt: skip
reactions = st.builds(Reacted, st.sampled_from(SUBJECTS), some.user_ids, st.sampled_from(Reaction))
views = st.builds(Views, some.video_ids, st.integers(1, 10**12))
boxes = st.builds(
    Box, some.user_ids, st.sampled_from(["", "ntf_3", "ntf_7"]), st.none() | some.settings_of_inboxes()
).filter(lambda box: bool(box.mark or box.settings))
event_ids = st.sampled_from([EventId(f"evt_{each}") for each in range(9)])
waiting = st.builds(
    Waiting, id=event_ids, event=some.events(), attempts=st.integers(0, 9), again_at=st.none() | some.times
) | st.builds(Waiting, id=event_ids, event=some.events(), attempts=st.integers(0, 9), reason=st.just("it broke"))


def _threaded(comment: Comment) -> Comment:
    """Replies have no replies."""
    if comment.id in TOPS:
        return evolve(comment, parent=None)
    parent = comment.parent if comment.parent in TOPS else TOPS[int(comment.id[-1]) % 4]
    return evolve(comment, parent=parent, video=some.VIDEO_IDS[0], pinned=False)


def _tops(comment: Comment) -> Comment:
    return evolve(comment, video=some.VIDEO_IDS[0])


def _open(stream: Stream) -> Stream:
    """What is live is known to its ingest."""
    return evolve(stream, session=None, live_since=None) if not stream.ingest else stream


def _stored(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lambda value, version: evolve(value, version=version), values, versions)


def records() -> st.SearchStrategy[Record]:
    """Of every kind but the pepper, as they are stored."""
    return st.one_of(
        accounts,
        _stored(some.users()),
        _stored(some.channels()),
        _stored(some.videos()),
        _stored(some.uploads()),
        _stored(some.processings()),
        _stored(some.comments().map(_tops).map(_threaded)),
        reactions,
        some.subscriptions(),
        _stored(some.sessions()),
        some.watched(),
        views,
        some.viewings(),
        boxes,
        st.builds(lambda told, read: evolve(told, read=read), some.notifications(), st.booleans()),
        waiting,
        _stored(some.streams().map(_open)),
        _stored(some.timelines()),
        some.stream_sessions(),
        some.session_events(),
        some.messages(),
        some.bans(),
    )


def _order(record: Record) -> int:
    """As in a dump: people first, what they were told after how far they have read."""
    return 2 if isinstance(record, Notification) else 0 if isinstance(record, (Pepper, Account)) else 1


def platforms() -> st.SearchStrategy[list[Record]]:
    """Records that may be kept together, boxes before what is in them."""

    def fit(drawn: list[Record]) -> list[Record]:
        known: set[tuple[str, ...]] = set()
        kept: list[Record] = []
        for record in drawn:
            if not known.intersection(names(record)):
                known.update(names(record))
                kept.append(record)
        if any(isinstance(record, Account) for record in kept):
            kept.insert(0, Pepper(b"spicy"))
        return sorted(kept, key=_order)

    return st.lists(records(), max_size=25).map(fit)


def arrived(platform: Sequence[Record]) -> list[Record]:
    """The platform as it is kept in another place."""
    marks = {record.user: record.mark for record in platform if isinstance(record, Box)}
    return [
        evolve(moved, read=moved.read or moved.id <= marks.get(moved.user, ""))
        if isinstance(moved, Notification)
        else moved
        for moved in (arriving(record, START)[0] for record in platform)
    ]


def counted(platform: Sequence[Record]) -> Counts:
    """What must be counted of it, from the records alone."""
    of: Callable[[Any], list[Any]] = lambda kind: [each for each in platform if isinstance(each, kind)]  # noqa: E731
    videos = [video for video in of(Video) if video.listable]
    shown = [comment for comment in of(Comment) if comment.shown]
    replied = {comment.parent for comment in shown}
    tops = [each for each in of(Comment) if each.parent is None and (each.shown or each.id in replied)]
    uploads, reacted, views_ = of(Upload), of(Reacted), {each.video: each.count for each in of(Views)}
    return {
        "listed": {id_: sum(each.channel == id_ for each in videos) for id_ in some.CHANNEL_IDS},
        "subscribers": {id_: sum(each.channel == id_ for each in of(Subscription)) for id_ in some.CHANNEL_IDS},
        "comments": {id_: sum(each.video == id_ for each in shown) for id_ in some.VIDEO_IDS},
        "replies": {id_: sum(each.parent == id_ for each in shown) for id_ in some.COMMENT_IDS},
        "tallies": {
            subject: tuple(
                sum((each.subject, each.reaction) == (subject, reaction) for each in reacted) for reaction in Reaction
            )
            for subject in SUBJECTS
        },
        "views": {id_: views_.get(id_, 0) for id_ in some.VIDEO_IDS},
        "usage": {
            user: (
                sum(each.size_bytes for each in uploads if each.user == user and each.counts),
                sum(each.user == user and each.status in OPEN for each in uploads),
            )
            for user in some.USER_IDS
        },
        "on_video": {id_: {each.id for each in tops if each.video == id_} for id_ in some.VIDEO_IDS},
        "tagged": {tag: {each.id for each in videos if tag in each.tags} for tag in some.TAGS},
        "memberships": {
            user: {each.id for each in of(Channel) if user in {each.owner, *each.members}} for user in some.USER_IDS
        },
    }


async def given_(platform: Sequence[Record]) -> AsyncIterator[Record]:
    for record in platform:
        yield record


def by_name(records: Sequence[Record], platform: Sequence[Record] = ()) -> Mapping[tuple[str, ...], Record]:
    """Each once, without the events that a load of the platform adds."""
    known = {record.id for record in platform if isinstance(record, Waiting)}
    named = [(names(each)[0], each) for each in records if not isinstance(each, Waiting) or each.id in known]
    assert len(dict(named)) == len(named)
    return dict(named)


async def lines_of(place: Place) -> list[bytes]:
    return [line async for line in written(place.archive.dump())]


# --- the contract ---------------------------------------------------------------------------------


@openers
@given(platform=platforms())
@settings(max_examples=25)
async def test_what_was_loaded_is_dumped(opener: Opener, platform: list[Record]) -> None:
    """Value by value, and what is counted follows from it."""
    async with opener() as place:
        assert await place.archive.load(given_(platform)) == len(platform)
        assert by_name(await place.dumped(), platform) == by_name(await place.settled(platform), platform)
        assert await place.counts(await place.people(platform)) == counted(platform)


@given(platform=platforms())
@settings(max_examples=25)
async def test_it_goes_from_one_family_to_the_other_and_back(platform: list[Record]) -> None:
    """As text: the same records, the same counts."""
    async with in_memory() as here, sqlite() as there, in_memory() as back:
        await here.archive.load(given_(platform))
        await there.archive.load(given_(list(read(await lines_of(here)))))
        await back.archive.load(given_(list(read(await lines_of(there)))))
        first = by_name(await here.dumped(), platform)
        assert by_name(await there.dumped(), platform) == first
        assert by_name(await back.dumped(), platform) == first
        assert await here.counts({}) == await there.counts({}) == await back.counts({})


@given(platform=platforms())
@settings(max_examples=15)
async def test_it_goes_to_the_cloud_and_back(platform: list[Record]) -> None:
    """As text: people have other names in it, which they keep, and all else is the same."""
    async with sqlite() as here, cloud() as there, sqlite() as back:
        await here.archive.load(given_(platform))
        await there.archive.load(given_(list(read(await lines_of(here)))))
        await back.archive.load(given_(list(read(await lines_of(there)))))
        people = await there.people(platform)
        settled = by_name(await there.settled(await here.dumped()), platform)
        assert by_name(await back.dumped(), platform) == settled
        assert await back.counts(people) == await there.counts(people) == await here.counts({})


@openers
async def test_search_and_transcodes_are_asked_for_anew(opener: Opener) -> None:
    """By events, since neither the index nor the jobs came along."""
    async with opener() as place:
        channel = some_channel()
        await place.archive.load(given_([channel, PROCESSING]))
        told = [envelope.event for envelope in await place.outbox.claim(START)]
        assert ChannelEdited(channel.id, START) in told
        assert len(told) == 2


@openers
async def test_events_are_claimed_when_their_time_has_come(opener: Opener) -> None:
    """With the tries they had; dead letters stay dead."""
    async with opener() as place:
        now = Waiting(id=EventId("evt_1"), event=ChannelEdited(some.CHANNEL_IDS[0], START), attempts=2)
        later = evolve(now, id=EventId("evt_2"), again_at=START + timedelta(minutes=5))
        dead = evolve(now, id=EventId("evt_3"), reason="it broke")
        await place.archive.load(given_([now, later, dead]))
        assert [(each.id, each.attempts) for each in await place.outbox.claim(START)] == [("evt_1", 3)]
        assert [each.id for each in await place.outbox.claim(START + timedelta(minutes=5))] == ["evt_1", "evt_2"]
        assert [(each.id, reason) for each, reason in await place.outbox.dead()] == [("evt_3", "it broke")]


@openers
@given(record=records())
@settings(max_examples=15)
async def test_nothing_is_loaded_where_anything_is_kept(opener: Opener, record: Record) -> None:
    """Whatever it is, even the same archive again."""
    async with opener() as place:
        await place.archive.load(given_([record]))
        before = await place.dumped()
        with pytest.raises(Conflict) as refused:
            await place.archive.load(given_([some_channel()]))
        assert refused.value.code == "not_empty"
        assert await place.dumped() == before


@openers
@given(record=records())
@settings(max_examples=15)
async def test_nothing_is_loaded_twice(opener: Opener, record: Record) -> None:
    """Two records of one name are none of one place."""
    async with opener() as place:
        with pytest.raises(Conflict) as refused:
            await place.archive.load(given_([record, record]))
        assert refused.value.code == "inconsistent_archive"


@openers
async def test_a_video_has_one_pinned_comment(opener: Opener) -> None:
    """A second one in the archive takes the pin from nobody."""
    pinned = Comment(
        id=some.COMMENT_IDS[0], video=some.VIDEO_IDS[0], channel=some.CHANNEL_IDS[0], author=some.USER_IDS[0],
        text="Fine", pinned=True, status=CommentStatus.VISIBLE, created_at=START, version=1,
    )  # fmt: skip
    async with opener() as place:
        with pytest.raises(Conflict) as refused:
            await place.archive.load(given_([pinned, evolve(pinned, id=some.COMMENT_IDS[1])]))
        assert refused.value.code == "inconsistent_archive"


@openers
async def test_a_load_that_fails_halfway_says_so(opener: Opener) -> None:
    """And the next one is told that something is there."""
    async with opener() as place:
        user = User(id=some.USER_IDS[0], handle="ann", display_name="Ann", email="ann@example.com", created_at=START)
        several = [evolve(user, id=UserId(f"usr_{each}"), handle=f"user_{each}", version=1) for each in range(600)]
        with pytest.raises(Conflict) as refused:
            await place.archive.load(given_([*several, several[0]]))
        assert refused.value.code == "inconsistent_archive"
        with pytest.raises(Conflict) as refused:
            await place.archive.load(given_(several))
        assert refused.value.code == "not_empty"


@openers
async def test_a_dump_is_of_one_moment(opener: Opener) -> None:
    """What is stored while it is read is not in it."""
    async with opener() as place:
        await place.archive.load(given_([Views(VideoId(f"vid_{each}"), 1) for each in range(1200)]))
        dump = place.archive.dump()
        first = await anext(dump)
        await place.outbox.put(ChannelEdited(some.CHANNEL_IDS[0], START), EventId("evt_later"))
        rest = [record async for record in dump]
        assert len([first, *rest]) == 1200
        assert not any(isinstance(record, Waiting) for record in rest)
        assert any(isinstance(record, Waiting) for record in await place.dumped())


async def test_people_keep_their_passwords_and_codes(clock: FakeClock) -> None:
    """In another place, and in a third; whoever was signed in signs in again."""
    password = "correct horse battery"
    async with memory(clock) as here, memory(clock) as back, sqlite_identity() as there:
        await here.accounts().sign_up("ann@example.com", password, "ann")
        code = (await here.mailbox().sent_to("ann@example.com"))[0].code or ""
        await here.accounts().sign_up("ben@example.com", password, "ben")
        await there.archive.load(here.archive().dump())
        await back.archive().load(there.archive.dump())
        for accounts in (there.accounts, back.accounts()):
            with pytest.raises(Forbidden):
                await accounts.sign_in("ann@example.com", password)
            with pytest.raises(Invalid):
                await accounts.confirm("ann@example.com", "nonsense")
            await accounts.confirm("ann@example.com", code)
            assert (await accounts.sign_in("ann@example.com", password)).access
            waiting = await accounts.unconfirmed("ben@example.com")
            assert await accounts.expired(clock.now() + timedelta(days=2)) == [waiting]


async def test_where_cognito_is_people_ask_for_new_passwords(clock: FakeClock) -> None:
    """And who waited for a code is sent another one; so it is again when they leave. What they are, they stay."""
    password, other = "correct horse battery", "another horse battery"
    async with memory(clock) as here, cloud() as place, sqlite_identity() as back:
        accounts, there = here.accounts(), cast("DynamoArchive", place.archive).accounts
        ann = await accounts.sign_up("ann@example.com", password, "ann")
        await accounts.confirm("ann@example.com", (await here.mailbox().sent_to("ann@example.com"))[0].code or "")
        await accounts.grant(ann, frozenset({Role.USER, Role.MODERATOR}))
        await accounts.sign_up("ben@example.com", password, "ben")
        await place.archive.load(here.archive().dump())

        assert await there.unconfirmed("ben@example.com")
        await there.confirm("ben@example.com", sent(there, "ben@example.com"))
        for email in ("ann@example.com", "ben@example.com"):
            with pytest.raises(Unauthenticated):
                await there.sign_in(email, password)
            await there.forgot_password(email)
            await there.reset_password(email, sent(there, email), other)
            assert (await there.sign_in(email, other)).access

        await back.archive.load(place.archive.dump())
        with pytest.raises(Unauthenticated):
            await back.accounts.sign_in("ann@example.com", other)
        await back.accounts.forgot_password("ann@example.com")
        await back.accounts.reset_password("ann@example.com", await back.code_for("ann@example.com") or "", password)
        assert (await back.accounts.sign_in("ann@example.com", password)).access
        moved = {each.handle: (each.confirmed, each.roles) for each in await accounts_of(back.archive)}
        assert moved == {"ann": (True, {Role.MODERATOR}), "ben": (True, frozenset())}


async def accounts_of(archive: Archive) -> list[Account]:
    return [record async for record in archive.dump() if isinstance(record, Account)]


def sent(accounts: CognitoAccounts, email: str) -> str:
    """The code that Cognito sent last."""
    return next(str(mail["code"]) for mail in stack().mail(email) if mail["pool"] == accounts.pool_id)


@frozen
class _Identity:
    archive: Archive
    accounts: Accounts
    code_for: Callable[[str], Awaitable[str | None]]


@asynccontextmanager
async def sqlite_identity() -> AsyncIterator[_Identity]:
    clock = FakeClock()
    with tempfile.TemporaryDirectory(prefix="hexcast-") as folder:
        database = Database(Path(folder) / "hexcast.db", durable=False)
        try:
            await database.write(lambda transaction: settled(transaction, KEYS, pems))
            outbox = SqliteOutbox(database, Ulids(clock.now))
            identity = over(database, clock).identity
            yield _Identity(SqliteArchive(database, outbox, clock.now), identity.accounts, identity.code_for)
        finally:
            database.close()


def some_channel() -> Channel:
    return Channel(
        id=some.CHANNEL_IDS[0], owner=some.USER_IDS[0], handle="cats", name="Cats", created_at=START, version=1
    )


# --- as text --------------------------------------------------------------------------------------


@given(record=records())
def test_a_record_comes_back_from_its_line(record: Record) -> None:
    line = line_of(record)
    assert b"\n" not in line
    (back,) = read([HEAD, line, b'{"kind":"end","value":{"records":1}}'])
    assert back == record


HEAD = b'{"format":"hexcast-archive","version":1}'
LINE = line_of(Views(VideoId("vid_0"), 7))
END = b'{"kind":"end","value":{"records":1}}'


MOONRISE = (
    b'{"kind":"event","value":{"id":"evt_1","kind":"Moonrise","event":{},"attempts":0,"again_at":null,"reason":null}}'
)


def test_every_kind_has_a_name() -> None:
    assert set(KINDS.values()) == set(Record.__args__)


@pytest.mark.parametrize(
    ("lines", "code", "says"),
    [
        ([], "archive_unreadable", "line 1"),
        ([b"\x89PNG\r\n"], "archive_unreadable", "line 1"),
        ([LINE, END], "archive_unreadable", "line 1"),
        ([b'{"format":"hexcast-archive","version":2}', LINE, END], "archive_newer", "format 2"),
        ([HEAD, b'{"kind":"hologram","value":{}}', END], "archive_newer", "line 2.*'hologram'"),
        ([HEAD, LINE, b'{"kind":"views","value":{"video":"vid_1"}}', END], "archive_unreadable", "line 3.*count"),
        ([HEAD, LINE, b"{", END], "archive_unreadable", "line 3"),
        ([HEAD, LINE], "archive_unreadable", "breaks off after line 2"),
        ([HEAD, END], "archive_unreadable", "line 2.*1 records, and here are 0"),
        ([HEAD, LINE, END, LINE], "archive_unreadable", "line 4"),
        ([HEAD, MOONRISE, END], "archive_unreadable", "line 2.*Moonrise"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_with_its_line(lines: list[bytes], code: str, says: str) -> None:
    with pytest.raises(Invalid, match=says) as refused:
        list(read(lines))
    assert refused.value.code == code
