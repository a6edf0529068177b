"""What an archive of the cloud depends on beyond the contract: exports, Cognito's answers, and the rows it writes."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import Any, cast

import pytest
from attrs import define, evolve, field

from adapters.aws.archive import DynamoArchive
from adapters.aws.dynamo import WRITTEN, Item, text
from adapters.aws.tables import TABLES
from adapters.aws.watching import _VIEWS
from adapters.credentials import SIGN_UP_CODE
from application.ports import Account, Record, Views
from domain.access import Role
from domain.channels import Member
from domain.engagement import Comment, CommentStatus, Notify, Reaction, Subscription
from domain.errors import Conflict, Invalid, Unavailable
from domain.identity import SignedUp, User
from domain.ids import ChannelId, CommentId, EventId, NotificationId, SessionId, UploadId, VideoId
from domain.media import MANIFEST, Media
from domain.notifications import Kind, Notification, Settings, Subject
from domain.processing import State
from domain.uploads import Upload
from domain.videos import Audience, Video, Visibility
from domain.watching import PlaybackSession, Viewing, Watched
from tests.cloud import direct
from tests.contract.test_archive import PROCESSING, cloud, given_, some_channel
from tests.strategies import START, USER_IDS

ANN, BEN = USER_IDS[:2]
ACCOUNT = Account(
    user=ANN, email="ann@example.com", password="$argon2id$", handle="ann", confirmed=True,
    roles=frozenset({Role.MODERATOR}),
)  # fmt: skip


@pytest.fixture
async def archive() -> AsyncIterator[DynamoArchive]:
    async with cloud() as place:
        yield cast("DynamoArchive", place.archive)


async def refused(archive: DynamoArchive, *records: Record) -> str:
    with pytest.raises(Conflict) as caught:
        await archive.load(given_(records))
    return caught.value.code


async def dumped(archive: DynamoArchive) -> list[Record]:
    return [record async for record in archive.dump()]


# --- loading --------------------------------------------------------------------------------------


async def test_nothing_is_loaded_where_somebody_has_an_account(archive: DynamoArchive) -> None:
    await archive.accounts.sign_up("ann@example.com", "correct horse battery", "ann")
    assert await refused(archive, some_channel()) == "not_empty"


async def test_nothing_is_loaded_where_a_table_is_said_to_hold_something(archive: DynamoArchive) -> None:
    cast("direct.Direct", archive.tables.client).counted = {"inbox": 1}
    assert await refused(archive, some_channel()) == "not_empty"


async def test_accounts_come_first_and_each_once(archive: DynamoArchive) -> None:
    """Else a record would say a user that nobody is here."""
    assert await refused(archive, some_channel(), ACCOUNT) == "inconsistent_archive"


@pytest.mark.parametrize("again", [evolve(ACCOUNT, email="other@example.com"), evolve(ACCOUNT, user=BEN)])
async def test_one_account_is_not_taken_twice(archive: DynamoArchive, again: Account) -> None:
    """Neither its user nor its address."""
    assert await refused(archive, ACCOUNT, again) == "inconsistent_archive"


async def test_an_account_whose_making_was_sent_again_is_found(
    archive: DynamoArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address is taken by itself."""
    client: Any = archive.accounts.client
    create = client.admin_create_user

    async def twice(**given: Any) -> Any:
        await create(**given)
        return await create(**given)

    monkeypatch.setattr(client, "admin_create_user", twice)
    assert await archive.load(given_([ACCOUNT])) == 1
    (account,) = await dumped(archive)
    assert cast("Account", account).roles == {Role.MODERATOR}


async def test_an_address_that_cognito_cannot_name_is_refused(archive: DynamoArchive) -> None:
    long = evolve(ACCOUNT, email=f"ann@{'x' * 130}.org")
    with pytest.raises(Invalid) as caught:
        await archive.load(given_([long]))
    assert caught.value.code == "invalid_email"


# --- rows -----------------------------------------------------------------------------------------


async def test_a_load_writes_what_the_repositories_write(archive: DynamoArchive) -> None:
    """Save for the marks of single writes, events of its own, and that it was begun."""
    await furnish(archive)
    async with cloud() as other:
        there = cast("DynamoArchive", other.archive)
        await there.load(given_(await dumped(archive)))
        assert rows(there) == rows(archive)


async def furnish(archive: DynamoArchive) -> None:
    """One of everything, with something beside it."""
    user = User(id=ANN, handle="ann", display_name="Ann", email="ann@example.com", created_at=START)
    await archive.users.save(user)
    channel = evolve(some_channel(), version=0, members={BEN: Member.EDITOR})
    await archive.channels.save(channel)
    video = Video(
        id=VideoId("vid_1"), channel=channel.id, uploader=ANN, title="One", created_at=START, tags=("cats",),
        visibility=Visibility.SCHEDULED, publish_at=START,
    )  # fmt: skip
    await archive.videos.save(video)
    media = Media(
        attempt=1, manifest=MANIFEST, duration_s=60.0, width=1280, height=720, renditions=(), has_audio=True,
        poster=True, storyboard=True, complete=True,
    )  # fmt: skip
    listed = evolve(
        video, id=VideoId("vid_2"), visibility=Visibility.PUBLIC, publish_at=None, published_at=START,
        state=State.READY, media=media,
    )  # fmt: skip
    assert listed.listable
    await archive.videos.save(listed)
    await archive.processings.save(evolve(PROCESSING, version=0, state=PROCESSING.state))
    upload = Upload(
        id=UploadId("upl_1"), user=ANN, channel=channel.id, video=video.id, filename="one.mp4", content_type="video/mp4",
        size_bytes=10, created_at=START, expires_at=START + timedelta(hours=1),
    )  # fmt: skip
    await archive.uploads.start(upload, 1000, 5)
    top = await archive.comments.save(evolve(pinned("cmt_1"), version=0))
    await archive.comments.save(evolve(top, id=CommentId("cmt_2"), parent=top.id, pinned=False, version=0))
    held = evolve(top, id=CommentId("cmt_3"), pinned=False, status=CommentStatus.HELD, version=0)
    await archive.comments.save(held)
    await archive.reactions.put(video.id, ANN, Reaction.LIKE)
    await archive.reactions.put(video.id, BEN, Reaction.DISLIKE)
    await archive.subscriptions.put(Subscription(BEN, channel.id, Notify.ALL, START))
    session = PlaybackSession(
        id=SessionId("ses_1"), video=video.id, viewer=ANN, audience=Audience.ANYONE, duration_s=60.0, started_at=START,
        beat_at=START, counted=True,
    )  # fmt: skip
    await archive.sessions.save(session, Watched(user=ANN, video=video.id, position_s=1.5, at=START))
    told = [
        Notification(
            id=NotificationId(f"ntf_{each}"), user=ANN, kind=Kind.COMMENT, actor=BEN, subject=Subject("video", video.id),
            text="One", created_at=START,
        )
        for each in range(3)
    ]  # fmt: skip
    await archive.inbox.deliver(told)
    await archive.inbox.mark_read(ANN, [told[1].id])
    await archive.inbox.mark_read_up_to(ANN, told[0].id)
    await archive.inbox.save_settings(ANN, Settings(frozenset({Kind.COMMENT})))
    await archive.outbox.put(SignedUp(ANN, START), EventId("evt_1"))
    await archive.outbox.put(SignedUp(ANN, START), EventId("evt_2"))
    await archive.outbox.failed(EventId("evt_2"), "it broke", None)


def rows(archive: DynamoArchive) -> Mapping[tuple[str, str, str], Item]:
    """Of all tables, by name and key."""
    client = cast("direct.Direct", archive.tables.client)
    found: dict[tuple[str, str, str], Item] = {}
    for table in TABLES:
        for item in client.items(archive.tables.name(table)):
            key = table.name, item["pk"]["S"], item["sk"]["S"]
            added = key[1].startswith("EVENT#") and not key[1].startswith("EVENT#evt_")
            if key[1] != "ARCHIVE" and not added and len(key[1]) < 30:
                found[key] = {name: value for name, value in item.items() if name != WRITTEN}
    return found


def pinned(id_: str) -> Comment:
    return Comment(
        id=CommentId(id_), video=VideoId("vid_1"), channel=some_channel().id, author=BEN, text="Fine", pinned=True,
        status=CommentStatus.VISIBLE, created_at=START, version=1,
    )  # fmt: skip


# --- dumping --------------------------------------------------------------------------------------


async def test_views_are_summed_over_their_shards(archive: DynamoArchive) -> None:
    video = VideoId("vid_1")
    await _VIEWS.spread(archive.tables, video)
    assert await dumped(archive) == []
    for shard in (0, 3):
        await archive.tables.write(_VIEWS._adding(video, shard, {"views": 2}))
    assert await dumped(archive) == [Views(video, 4)]


async def test_days_are_summed_over_their_shards(archive: DynamoArchive) -> None:
    """However many sittings there were, in whichever shards they were counted."""
    day, other = START.date(), START.date() + timedelta(days=1)
    for number in range(9):
        session = PlaybackSession(
            id=SessionId(f"ses_{number}"), video=VideoId("vid_1"), viewer=None, audience=Audience.ANYONE, duration_s=60.0,
            started_at=START - timedelta(days=9), beat_at=START,
        )  # fmt: skip
        gained = [Viewing(VideoId("vid_1"), day, 0, 500), Viewing(ChannelId("chn_1"), other, 1, 0)]
        await archive.sessions.save(session, None, gained)
    found = {(each.subject, each.day): each for each in await dumped(archive) if isinstance(each, Viewing)}
    assert found == {
        ("vid_1", day): Viewing(VideoId("vid_1"), day, 0, 4500),
        ("chn_1", other): Viewing(ChannelId("chn_1"), other, 9, 0),
    }  # fmt: skip


async def test_what_is_over_is_left_out(archive: DynamoArchive) -> None:
    """However long DynamoDB keeps it; and so is an event that is done with."""
    await archive.outbox.put(SignedUp(ANN, START), EventId("evt_1"))
    await archive.outbox.done(EventId("evt_1"))
    session = PlaybackSession(
        id=SessionId("ses_1"), video=VideoId("vid_1"), viewer=None, audience=Audience.ANYONE, duration_s=60.0,
        started_at=START - timedelta(days=9), beat_at=START,
    )  # fmt: skip
    await archive.sessions.save(session)
    assert await dumped(archive) == []


async def test_whoever_signs_up_after_the_moment_of_the_tables_is_left_out(archive: DynamoArchive) -> None:
    """Their profile is not in it either."""
    await archive.load(given_([ACCOUNT]))
    assert len(await dumped(archive)) == 1
    client = cast("direct.Direct", archive.tables.client)
    client.restorable_until = START - timedelta(seconds=1)
    assert await dumped(archive) == []


async def test_an_account_that_waits_may_still_be_confirmed_or_expires_elsewhere(archive: DynamoArchive) -> None:
    """By another code that is asked for there: this one nobody was sent."""
    await archive.accounts.sign_up("ben@example.com", "correct horse battery", "ben")
    (ben,) = await dumped(archive)
    assert isinstance(ben, Account)
    assert ben.waits_until == START + SIGN_UP_CODE
    assert not ben.confirmed


async def test_an_event_that_cannot_be_read_is_said(archive: DynamoArchive) -> None:
    await archive.outbox.put(SignedUp(ANN, START), EventId("evt_1"))
    client = cast("direct.Direct", archive.tables.client)
    (item,) = client.items("ops")
    item["kind"] = text("Moonrise")
    with pytest.raises(Invalid, match="Moonrise"):
        await dumped(archive)


async def test_tables_that_keep_no_past_are_not_exported(archive: DynamoArchive) -> None:
    client: Any = archive.tables.client
    off = {"PointInTimeRecoveryEnabled": False}
    await client.update_continuous_backups(TableName="social", PointInTimeRecoverySpecification=off)
    with pytest.raises(Unavailable, match="social") as caught:
        await dumped(archive)
    assert caught.value.code == "no_recovery"


@define
class Slow:
    """A client whose exports take some looks, or fail."""

    client: Any
    looks: int
    end: Mapping[str, str]
    asked: list[str] = field(factory=list)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return cast("Callable[..., Any]", getattr(self.client, name))

    async def describe_export(self, **given: Any) -> Any:
        self.asked.append(given["ExportArn"])
        said = await self.client.describe_export(**given)
        waits = self.asked.count(given["ExportArn"]) < self.looks
        change = {"ExportStatus": "IN_PROGRESS"} if waits else self.end
        return {"ExportDescription": {**said["ExportDescription"], **change}}


async def test_an_export_is_waited_for(archive: DynamoArchive) -> None:
    """Longer from look to look, and no longer than half a minute."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    tables = evolve(archive.tables, client=cast("Any", Slow(archive.tables.client, 7, {})), pause=pause)
    assert [record async for record in evolve(archive, tables=tables).dump()] == []
    assert pauses == [1, 2, 4, 8, 16, 30]


async def test_an_export_that_fails_says_why(archive: DynamoArchive) -> None:
    end = {"ExportStatus": "FAILED", "FailureCode": "S3AccessDenied", "FailureMessage": "no"}
    tables = evolve(archive.tables, client=cast("Any", Slow(archive.tables.client, 1, end)))
    with pytest.raises(Unavailable, match="S3AccessDenied") as caught:
        await dumped(evolve(archive, tables=tables))
    assert caught.value.code == "export_failed"
