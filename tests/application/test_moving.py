"""What comes from another place goes on here."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from attrs import evolve, fields, has
from hypothesis import given

from application.moving import arriving, names, renamed
from application.ports import Pepper, Record
from domain.broadcasts import EndReason, Happening, Session, SessionEvent, SessionStatus, Timeline
from domain.channels import Channel, ChannelEdited, Member
from domain.engagement import Comment
from domain.ids import BroadcastId, JobId, StreamId, StreamSessionId, UserId, VideoId
from domain.processing import Processing, ProcessingMoved, State, TranscodeRequested
from domain.streams import Stream, StreamStatus
from tests.application.world import World
from tests.contract.test_archive import PROCESSING, records
from tests.strategies import START, USER_IDS, channels, comments, streams

LATER = START + timedelta(days=1)


@given(records())
def test_most_comes_as_it_is(record: Record) -> None:
    arrived, events = arriving(record, LATER)
    if not isinstance(record, (Channel, Processing, Stream)):
        assert (arrived, events) == (record, ())


@given(channels())
def test_a_channel_is_indexed_anew(channel: Channel) -> None:
    assert arriving(channel, LATER) == (channel, (ChannelEdited(channel.id, LATER),))


def test_a_transcode_that_was_done_stays_done() -> None:
    done = evolve(PROCESSING, state=State.FAILED, job=JobId("job_1"))
    assert arriving(done, LATER) == (done, ())


def test_one_that_nobody_had_asked_for_yet_is_asked_for() -> None:
    assert arriving(PROCESSING, LATER) == (PROCESSING, (TranscodeRequested(PROCESSING.video, 1, LATER),))


def test_one_that_waited_waits_for_this_transcoder() -> None:
    """The same attempt: no file was made."""
    queued = evolve(PROCESSING, job=JobId("job_1"), lease_until=START)
    arrived, events = arriving(queued, LATER)
    assert arrived == evolve(PROCESSING, version=PROCESSING.version + 1)
    assert arrived.claimable(1, LATER)
    assert TranscodeRequested(PROCESSING.video, 1, LATER) in events


def test_one_that_had_begun_begins_again_as_another_attempt() -> None:
    """No job is bound, and the video hears of it."""
    begun = evolve(PROCESSING, state=State.TRANSCODING, job=JobId("job_1"), percent=40)
    arrived, events = arriving(begun, LATER)
    assert isinstance(arrived, Processing)
    assert (arrived.attempt, arrived.state, arrived.job, arrived.percent) == (2, State.PENDING, None, 0)
    assert arrived.version == begun.version + 1
    assert arrived.claimable(2, LATER)
    assert events == (
        TranscodeRequested(PROCESSING.video, 2, LATER),
        ProcessingMoved(PROCESSING.video, 2, LATER),
    )  # fmt: skip


@given(streams())
def test_a_stream_is_not_live_and_waits_for_its_ingest(stream: Stream) -> None:
    """All else of it stays, and whoever holds it as it was is told that it changed."""
    arrived, events = arriving(stream, LATER)
    assert events == ()
    assert isinstance(arrived, Stream)
    if stream.ingest:
        assert (arrived.ingest, arrived.session, arrived.live_since) == ("", None, None)
        assert arrived.version == stream.version + 1
        assert arrived == evolve(stream, ingest="", session=None, live_since=None, version=arrived.version)
    else:
        assert arrived == stream


async def test_what_was_live_ends_as_lost(world: World) -> None:
    """The ingest of the new place, asked, does not know it; and a broadcast there is another session."""
    stream = Stream(
        id=StreamId("str_1"), channel=world.channel, title="Cats, live", ingest="elsewhere",
        session=StreamSessionId("brc_1"), live_since=world.clock.now(), created_at=world.clock.now(), version=3,
    )  # fmt: skip
    began = SessionEvent(
        id="said-1", stream=stream.id, broadcast=BroadcastId("st-1"), kind=Happening.STREAM_START,
        at=world.clock.now(), received_at=world.clock.now(),
    )  # fmt: skip
    silent = Timeline(stream=stream.id, channel=stream.channel, as_of=world.clock.now())
    heard = silent.hear(began, window_s=60, name=StreamSessionId("brc_1"), video=VideoId("vid_1"))
    look = silent.looked_at(heard, world.clock.now())
    moved: list[Record] = [stream, look.timeline, *look.sessions]
    for record in moved:
        arrived, _ = arriving(record, world.clock.now())
        if isinstance(arrived, Stream):
            world.raw.streams().admit(arrived)
        else:
            assert isinstance(arrived, (Timeline, Session))
            world.raw.broadcasts().admit(arrived)
    for _ in range(3):
        world.clock.advance(timedelta(minutes=2))
        await world.core.sweep_broadcasts()()
    session = await world.raw.broadcasts().session(StreamSessionId("brc_1"))
    assert (session.status, session.ended_reason) == (SessionStatus.ENDED, EndReason.LOST)
    assert (await world.raw.streams().get(stream.id)).status is StreamStatus.IDLE


@given(records())
def test_users_are_renamed_wherever_a_record_says_one(record: Record) -> None:
    """And nothing else is: the way back leads to the same record."""
    there = {user: UserId(f"sub-of-{user}") for user in USER_IDS}
    moved = renamed(record, there)
    assert users_in(moved) == {there[user] for user in users_in(record)}
    assert renamed(moved, {new: old for old, new in there.items()}) == record
    assert renamed(record, {}) == record


def users_in(value: Any) -> set[UserId]:
    """Whatever looks like one, in whatever field."""
    match value:
        case str():
            return {UserId(value)} if value.startswith(("usr_", "sub-of-")) else set()
        case Mapping():
            return users_in([*value.keys(), *value.values()])
        case list() | tuple() | frozenset():
            return {user for each in value for user in users_in(each)}
        case _ if has(type(value)):
            return users_in([getattr(value, each.name) for each in fields(type(value))])
    return set()


@given(records())
def test_every_record_has_a_name(record: Record) -> None:
    assert names(record)


@given(comments())
def test_a_video_has_one_pinned_comment(comment: Comment) -> None:
    assert (("Comment", "pinned", comment.video) in names(comment)) == comment.pinned


@given(records(), records())
def test_records_of_different_kinds_never_share_a_name(one: Record, other: Record) -> None:
    if type(one) is not type(other):
        assert not set(names(one)) & set(names(other))


def test_secrets_do_not_show() -> None:
    """Not even where a record is logged."""
    assert "spicy" not in repr(Pepper(b"spicy"))


@given(channels())
def test_so_are_the_people_of_a_channel(channel: Channel) -> None:
    """Most channels that are drawn have none."""
    ann, ben = USER_IDS[:2]
    peopled = evolve(channel, owner=ann, members={ben: Member.EDITOR})
    moved = renamed(peopled, {ben: UserId("sub-of-ben")})
    assert moved == evolve(peopled, members={UserId("sub-of-ben"): Member.EDITOR})
