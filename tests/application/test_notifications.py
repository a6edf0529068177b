"""Who is told what: each event's people, the fan-out to subscribers, the inbox and the stream."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest
from attrs import define, evolve, field
from dependency_injector.providers import Object

from adapters.inmemory.engagement import InMemorySubscriptions
from adapters.inmemory.notifications import InMemoryInbox
from adapters.inmemory.outbox import Changes, InMemoryOutbox
from application.notifications import FAN_OUT_PAGE
from application.ports import Event, NewId, Page, Unread
from domain.access import ANONYMOUS, Actor, Role
from domain.channels import CommentPolicy, Hold, Member
from domain.engagement import Notify, Ruling, Subscribed, Subscription
from domain.errors import Invalid, Unauthenticated
from domain.ids import ChannelId, EventId, NotificationId, StreamId, UserId, VideoId
from domain.notifications import FanOut, Kind, Notice, Notification, Settings, Subject
from domain.processing import Failure
from domain.streams import Stream
from domain.videos import VideoFailed, VideoPublished, VideoReady, VideoRemoved, Visibility
from tests.application.stage import Stage, staged
from tests.strategies import START


async def kinds(stage: Stage, actor: Actor) -> list[str]:
    """What someone was told, the oldest first."""
    return [each.kind.value for each in reversed(await stage.told(actor))]


# --- comments ------------------------------------------------------------------------------------


async def test_a_comment_is_told_to_the_channels_owner_and_the_uploader(stage: Stage) -> None:
    ann, ben, cho = await stage.person("ann"), await stage.person("ben"), await stage.person("cho")
    channel = await stage.channel(ann, members={cho.require_user(): Member.EDITOR})
    video = await stage.video(channel, cho, title="Boats")
    card = await stage.says(ben, video, "How nice")
    await stage.settle()
    for someone in (ann, cho):
        (told,) = await stage.told(someone)
        assert (told.kind, told.actor, told.subject) == (Kind.COMMENT, ben.user, Subject("comment", card.comment.id))
        assert told.text == "Ben commented on “Boats”: How nice"
    assert await stage.told(ben) == []


async def test_one_comment_tells_each_person_one_thing_the_closest_first(stage: Stage) -> None:
    """A reply before a mention before a comment, and nobody hears of what they said themselves."""
    ann, ben, cho = await stage.person("ann"), await stage.person("ben"), await stage.person("cho")
    video = await stage.video(await stage.channel(ann), ann)
    top = await stage.says(ben, video, "top")
    await stage.settle()
    await stage.core.post_comment().reply(cho, top.comment.id, "@ben @ann @cho @nobody look")
    await stage.settle()
    assert await kinds(stage, ben) == ["reply"]
    assert await kinds(stage, ann) == ["comment", "mention"]
    assert await stage.told(cho) == []


async def test_only_who_can_see_the_video_hears_of_a_mention(stage: Stage) -> None:
    ann, ben, cho = await stage.person("ann"), await stage.person("ben"), await stage.person("cho")
    channel = await stage.channel(ann, members={cho.require_user(): Member.EDITOR})
    video = await stage.video(channel, ann, visibility=Visibility.PRIVATE)
    moderator = await stage.person("dov", Role.MODERATOR)
    await stage.says(ann, video, "@ben @cho @dov")
    await stage.settle()
    assert await stage.told(ben) == []
    assert await kinds(stage, cho) == ["mention"]
    assert await kinds(stage, moderator) == ["mention"]


async def test_who_may_see_the_video_no_more_hears_nothing_of_it(stage: Stage) -> None:
    """Neither a former editor who uploaded it nor whoever commented while it was public."""
    ann, ben, cho = await stage.person("ann"), await stage.person("ben"), await stage.person("cho")
    channel = await stage.channel(ann, members={cho.require_user(): Member.EDITOR})
    video = await stage.video(channel, cho)
    top = await stage.says(ben, video, "first")
    await stage.settle()
    await stage.core.edit_video()(ann, video, visibility=Visibility.PRIVATE)
    await stage.core.dismiss_member()(ann, channel, cho.require_user())
    await stage.core.post_comment().reply(ann, top.comment.id, "between us")
    await stage.says(ann, video, "also between us")
    failed = VideoFailed(video, channel, 2, "unreadable", stage.clock.now())
    await stage.adapters.outbox().put(failed, EventId("evt_failed"))
    await stage.settle()
    assert await kinds(stage, ben) == []
    assert await kinds(stage, cho) == ["comment"]
    assert await kinds(stage, ann) == ["comment", "video_failed"]


async def test_a_held_comment_tells_nobody_until_it_is_approved(stage: Stage) -> None:
    ann, ben, cho = await stage.person("ann"), await stage.person("ben"), await stage.person("cho")
    channel = await stage.channel(ann, policy=CommentPolicy(hold=Hold.ALL))
    video = await stage.video(channel, ann)
    waiting = (await stage.says(ben, video, "@cho see this")).comment
    await stage.settle()
    assert [await stage.told(each) for each in (ann, ben, cho)] == [[], [], []]
    await stage.core.rule_comment()(ann, waiting.id, Ruling.APPROVE)
    await stage.settle()
    assert await kinds(stage, cho) == ["mention"]
    await stage.core.rule_comment()(ann, waiting.id, Ruling.REJECT)
    await stage.core.rule_comment()(ann, waiting.id, Ruling.APPROVE)
    await stage.settle()
    assert await kinds(stage, cho) == ["mention"]


async def test_a_comment_taken_back_before_anyone_heard_of_it_tells_nobody(stage: Stage) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    video = await stage.video(await stage.channel(ann), ann)
    card = await stage.says(ben, video, "oops, my address is …")
    await stage.core.remove_comment()(ben, card.comment.id)
    await stage.settle()
    assert await stage.told(ann) == []


async def test_a_comment_whose_video_is_gone_tells_nobody_and_is_no_error(stage: Stage) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    channel = await stage.channel(ann)
    video = await stage.video(channel, ann)
    await stage.says(ben, video, "late")
    stored = await stage.adapters.videos().get(video)
    await stage.adapters.videos().remove(stored, VideoRemoved(video, channel, stage.clock.now()))
    assert [each for each in await stage.settle() if each.error] == []
    assert await stage.told(ann) == []


async def test_long_comments_are_told_in_short_and_who_left_has_no_name(stage: Stage) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    video = await stage.video(await stage.channel(ann), ann, title="Boats")
    await stage.says(ben, video, "x" * 121)
    await stage.adapters.users().remove(await stage.adapters.users().get(ben.require_user()))
    await stage.settle()
    (told,) = await stage.told(ann)
    assert told.text == "Someone commented on “Boats”: " + "x" * 119 + "…"
    (card,) = (await stage.core.list_notifications()(ann)).items
    assert card.actor is None


# --- channels and processing ---------------------------------------------------------------------


async def test_a_new_subscriber_is_told_to_the_owner_once(stage: Stage) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    channel = await stage.channel(ann)
    await stage.follows(ben, channel)
    await stage.follows(ben, channel, Notify.LIVE)
    await stage.settle()
    (told,) = await stage.told(ann)
    assert (told.kind, told.subject, told.text) == (
        Kind.SUBSCRIBER, Subject("channel", channel), "Ben subscribed to Films"
    )  # fmt: skip


async def test_a_subscriber_to_a_channel_that_closed_is_told_to_nobody(stage: Stage) -> None:
    ben = await stage.person("ben")
    await stage.core.tell().subscriber(
        EventId("evt_1"), Subscribed(ben.require_user(), ChannelId("chn_none"), stage.clock.now())
    )
    assert await stage.told(ben) == []


async def test_how_processing_ended_is_told_to_uploader_and_owner(stage: Stage) -> None:
    ann, cho = await stage.person("ann"), await stage.person("cho")
    channel = await stage.channel(ann, members={cho.require_user(): Member.EDITOR})
    video = await stage.video(channel, cho, title="Boats")
    now, tell = stage.clock.now(), stage.core.tell()
    await tell.processed(EventId("evt_1"), VideoReady(video, channel, 1, now))
    await tell.processed(EventId("evt_2"), VideoFailed(video, channel, 2, "unreadable", now))
    for someone in (ann, cho):
        failed, ready = await stage.told(someone)
        assert (ready.kind, ready.text) == (Kind.VIDEO_READY, "“Boats” is ready to watch")
        assert (failed.kind, failed.text) == (Kind.VIDEO_FAILED, "“Boats” could not be processed: unknown")


async def test_why_processing_failed_is_said(stage: Stage) -> None:
    ann = await stage.person("ann")
    channel = await stage.channel(ann)
    video = await stage.video(channel, ann, title="Boats", playable=False)
    stored = await stage.adapters.videos().get(video)
    await stage.adapters.videos().save(evolve(stored, failure=Failure("unreadable", "no media file")))
    await stage.core.tell().processed(EventId("evt_1"), VideoFailed(video, channel, 1, "unreadable", stage.clock.now()))
    assert [each.text for each in await stage.told(ann)] == ["“Boats” could not be processed: no media file"]


async def test_what_is_gone_is_told_to_nobody(stage: Stage) -> None:
    ann = await stage.person("ann")
    channel, video, now = await stage.channel(ann), VideoId("vid_none"), stage.clock.now()
    tell = stage.core.tell()
    await tell.processed(EventId("evt_1"), VideoReady(video, channel, 1, now))
    await tell.published(EventId("evt_2"), VideoPublished(video, channel, now))
    assert await stage.told(ann) == []
    assert [each.envelope.event for each in await stage.settle() if isinstance(each.envelope.event, FanOut)] == []


async def test_muted_kinds_are_not_delivered(stage: Stage) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    channel = await stage.channel(ann)
    video = await stage.video(channel, ann)
    await stage.core.notification_settings().change(ann, {Kind.COMMENT: False})
    await stage.says(ben, video, "hi")
    await stage.follows(ben, channel)
    await stage.settle()
    assert await kinds(stage, ann) == ["subscriber"]
    await stage.core.notification_settings().change(ann, {Kind.COMMENT: True, Kind.SUBSCRIBER: False})
    await stage.says(ben, video, "hi again")
    await stage.settle()
    assert await kinds(stage, ann) == ["subscriber", "comment"]
    assert await stage.core.notification_settings().show(ann) == Settings(frozenset({Kind.SUBSCRIBER}))


# --- the fan-out ---------------------------------------------------------------------------------


class Crash(BaseException):
    """The process ends here: nothing may catch it."""


@define
class Fuse:
    """Burns through at the ``at``th step that is taken."""

    at: int
    steps: int = field(default=0, init=False)

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise Crash


class FusedInbox(InMemoryInbox):
    """Breaks before or after it took a page."""

    def __init__(self, changes: Changes, fuse: Fuse) -> None:
        super().__init__(changes)
        self._fuse = fuse

    async def deliver(self, notifications: Sequence[Notification]) -> Sequence[Notification]:
        self._fuse.step()
        new = await super().deliver(notifications)
        self._fuse.step()
        return new


class FusedOutbox(InMemoryOutbox):
    """Breaks before or after it took an event, and before or after one is done with."""

    def __init__(self, new_id: NewId, fuse: Fuse) -> None:
        super().__init__(new_id)
        self._fuse = fuse

    async def put(self, event: Event, id: EventId) -> None:  # noqa: A002  (the port's word)
        self._fuse.step()
        await super().put(event, id)
        self._fuse.step()

    async def done(self, event: EventId) -> None:
        self._fuse.step()
        await super().done(event)
        self._fuse.step()


class LanedSubscriptions(InMemorySubscriptions):
    """A channel's list is split in three by the user, as DynamoDB's is over shards."""

    async def lanes(self, _channel: ChannelId) -> int:
        return 3

    async def to_channel_lane(
        self, channel: ChannelId, lane: int, *, cursor: str | None = None, limit: int = 20
    ) -> Page[Subscription]:
        items: list[Subscription] = []
        while len(items) < limit:
            page = await self.to_channel(channel, cursor=cursor, limit=1)
            items += [each for each in page.items if int(each.user[-1], 36) % 3 == lane]
            cursor = page.next
            if cursor is None:
                break
        return Page(items, cursor)


def split(stage: Stage) -> None:
    """From now on, lists of subscribers have lanes."""
    adapters = stage.adapters
    adapters.subscriptions.override(Object(LanedSubscriptions(adapters.outbox(), adapters.changes())))


async def audience(stage: Stage, channel: ChannelId, many: int) -> list[Actor]:
    people = [await stage.person(f"fan{number}") for number in range(many)]
    for person in people:
        now = stage.clock.advance(timedelta(seconds=1))
        await stage.adapters.subscriptions().put(Subscription(person.require_user(), channel, Notify.ALL, now))
    return people


async def announcement(stage: Stage, channel: ChannelId, owner: Actor) -> Notice:
    """Of a broadcast on a stream that everyone may see."""
    stream = Stream(id=StreamId("str_1"), channel=channel, title="Live", created_at=START)
    await stage.adapters.streams().save(stream)
    return evolve(notice("evt_live", Kind.WENT_LIVE, owner.user), subject=Subject("stream", stream.id))


async def counted(stage: Stage, people: Sequence[Actor]) -> Counter[int]:
    """How many people were told so many things."""
    return Counter([len(await stage.told(person)) for person in people])


async def test_every_subscriber_hears_of_a_video_however_many_they_are(stage: Stage) -> None:
    ann = await stage.person("ann")
    channel = await stage.channel(ann)
    people = await audience(stage, channel, 2 * FAN_OUT_PAGE + 1)
    video = await stage.video(channel, ann, title="Boats", announced=True)
    delivered = await stage.settle()
    assert sum(isinstance(each.envelope.event, FanOut) for each in delivered) == 3
    assert await counted(stage, people) == {1: len(people)}
    (told,) = await stage.told(people[0])
    assert (told.kind, told.actor, told.subject, told.text) == (
        Kind.VIDEO_PUBLISHED, ann.user, Subject("video", video), "Films published “Boats”"
    )  # fmt: skip


async def test_the_first_page_begins_every_lane_and_each_goes_on_by_itself(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So they are told at the same time; all hear of it once, though the pages come again."""
    monkeypatch.setattr("application.notifications.FAN_OUT_PAGE", 3)
    split(stage)
    ann = await stage.person("ann")
    channel = await stage.channel(ann)
    people = await audience(stage, channel, 20)
    first = FanOut(await announcement(stage, channel, ann), channel, 0, None)
    await stage.core.tell_subscribers()(first)
    begun = {each.id: each.event for each in await stage.adapters.outbox().claim(stage.clock.now(), 99)}
    assert {id_: (each.lane, each.page) for id_, each in begun.items() if isinstance(each, FanOut)} == {
        "evt_live-0-1": (0, 1), "evt_live-1-0": (1, 0), "evt_live-2-0": (2, 0),
    }  # fmt: skip
    stage.clock.advance(timedelta(minutes=1))
    await stage.settle()
    await stage.core.tell_subscribers()(first)
    assert await stage.settle() == []
    assert await counted(stage, people) == {1: 20}


async def test_a_fan_out_from_before_there_were_lanes_goes_on_in_all_of_them(stage: Stage) -> None:
    """From where it got to in the list as a whole: who came before that has been told."""
    split(stage)
    ann = await stage.person("ann")
    channel = await stage.channel(ann)
    people = await audience(stage, channel, 9)
    told = await stage.adapters.subscriptions().to_channel(channel, limit=4)
    notice_ = await announcement(stage, channel, ann)
    await stage.core.tell_subscribers()(FanOut(notice_, channel, 1, told.next))
    await stage.settle()
    before = {each.user for each in told.items}
    assert await counted(stage, [each for each in people if each.require_user() not in before]) == {1: 5}
    assert await counted(stage, [each for each in people if each.require_user() in before]) == {0: 4}


async def test_a_page_asks_for_the_next_before_it_tells_anyone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long inboxes take, the others need not wait for it."""
    monkeypatch.setattr("application.notifications.FAN_OUT_PAGE", 3)
    stage.adapters.inbox.override(Object(FusedInbox(stage.adapters.changes(), Fuse(1))))
    ann = await stage.person("ann")
    channel = await stage.channel(ann)
    await audience(stage, channel, 4)
    with pytest.raises(Crash):
        await stage.core.tell_subscribers()(FanOut(await announcement(stage, channel, ann), channel, 0, None))
    assert "evt_live-0-1" in {each.id for each in await stage.adapters.outbox().claim(stage.clock.now(), 99)}


@pytest.mark.parametrize(("laned", "steps"), [(False, 20), (True, 30)])
async def test_wherever_the_process_dies_everyone_is_told_once(
    monkeypatch: pytest.MonkeyPatch, *, laned: bool, steps: int
) -> None:
    """It dies at each step of the fan-out in turn; what it left undone is taken up a minute later."""
    monkeypatch.setattr("application.notifications.FAN_OUT_PAGE", 3)
    for at in itertools.count(1):
        async with staged() as stage:
            fuse = Fuse(at)
            stage.adapters.outbox.override(Object(FusedOutbox(stage.adapters.new_id(), fuse)))
            stage.adapters.inbox.override(Object(FusedInbox(stage.adapters.changes(), fuse)))
            if laned:
                split(stage)
            ann = await stage.person("ann")
            channel = await stage.channel(ann)
            people = await audience(stage, channel, 8)
            await stage.video(channel, ann, announced=True)
            died = False
            try:
                await stage.settle()
            except Crash:
                died = True
                stage.clock.advance(timedelta(minutes=1))
                await stage.settle()
            assert await counted(stage, people) == {1: 8}, f"died at step {at}"
        if not died:
            break
    assert at > steps, "steps in which it died"


async def test_pages_that_come_again_in_any_order_tell_nobody_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("application.notifications.FAN_OUT_PAGE", 2)
    async with staged() as stage:
        ann = await stage.person("ann")
        channel = await stage.channel(ann)
        people = await audience(stage, channel, 6)
        await stage.video(channel, ann, announced=True)
        envelopes = [each.envelope for each in await stage.settle()]
        routes = stage.core.consumers().routes
        for order in itertools.permutations(envelopes):
            for envelope in order:
                for consume in routes[type(envelope.event)]:
                    await consume(envelope.id, envelope.event)
        assert await counted(stage, people) == {1: 6}
        assert [each.envelope for each in await stage.settle()] == []


async def test_who_left_marks_and_chooses_nothing_any_more(stage: Stage) -> None:
    """Their inbox was forgotten, and a token that is still good brings nothing of it back."""
    ben = await stage.person("ben")
    await stage.core.close_account()(ben)
    await stage.settle()
    for asked in (
        stage.core.notification_settings().change(ben, {Kind.REPLY: False}),
        stage.core.mark_read()(ben, ids=[NotificationId("ntf_1")]),
    ):
        with pytest.raises(Unauthenticated):
            await asked
    assert (await stage.core.notification_settings().show(ben)).wants(Kind.REPLY)


async def test_who_wants_only_broadcasts_or_nothing_hears_of_no_video(stage: Stage) -> None:
    ann = await stage.person("ann")
    channel = await stage.channel(ann)
    everything, live, nothing = [await stage.person(each) for each in ("ben", "cho", "dov")]
    for person, notify in ((everything, Notify.ALL), (live, Notify.LIVE), (nothing, Notify.NONE)):
        await stage.follows(person, channel, notify)
    await stage.video(channel, ann, announced=True)
    await stage.settle()
    assert [len(await stage.told(each)) for each in (everything, live, nothing)] == [1, 0, 0]


async def test_a_broadcast_is_told_to_those_who_want_all_or_only_that(stage: Stage) -> None:
    ann = await stage.person("ann")
    channel = await stage.channel(ann)
    people = [await stage.person(each) for each in ("ben", "cho", "dov")]
    for person, notify in zip(people, (Notify.ALL, Notify.LIVE, Notify.NONE), strict=True):
        await stage.follows(person, channel, notify)
    live = await announcement(stage, channel, ann)
    await stage.core.tell_subscribers()(FanOut(live, channel, 0, None))
    assert [len(await stage.told(each)) for each in people] == [1, 1, 0]


@pytest.mark.parametrize("fate", ["hidden", "removed"])
async def test_a_video_hidden_or_gone_meanwhile_is_announced_no_further(stage: Stage, fate: str) -> None:
    ann, ben = await stage.person("ann"), await stage.person("ben")
    channel = await stage.channel(ann)
    await stage.follows(ben, channel)
    video = await stage.video(channel, ann, announced=True)
    stored, now = await stage.adapters.videos().get(video), stage.clock.now()
    if fate == "hidden":
        await stage.core.edit_video()(ann, video, visibility=Visibility.PRIVATE)
    else:
        await stage.adapters.videos().remove(stored, VideoRemoved(video, channel, now))
    await stage.settle()
    assert await stage.told(ben) == []


# --- the inbox -----------------------------------------------------------------------------------


def notice(event: str, kind: Kind = Kind.SUBSCRIBER, actor: UserId | None = None) -> Notice:
    return Notice(
        event=EventId(event), kind=kind, actor=actor, subject=Subject("channel", "chn_1"), text=event, at=START
    )


async def tells(stage: Stage, actor: Actor, *events: str) -> None:
    for event in events:
        await stage.core.deliverer()(notice(event), [actor.require_user()])


async def test_the_inbox_lists_newest_first_page_by_page_and_only_what_is_unread(stage: Stage) -> None:
    ann = await stage.person("ann")
    await tells(stage, ann, "evt_1", "evt_2", "evt_3")
    listing = stage.core.list_notifications()
    first = await listing(ann, limit=2)
    rest = await listing(ann, limit=2, cursor=first.next)
    assert [card.notification.text for card in (*first.items, *rest.items)] == ["evt_3", "evt_2", "evt_1"]
    await stage.core.mark_read()(ann, ids=[NotificationId("ntf_2")])
    unread = (await listing(ann, unread_only=True)).items
    assert [card.notification.text for card in unread] == ["evt_3", "evt_1"]


async def test_reading_some_or_up_to_one_says_what_is_left(stage: Stage) -> None:
    ann = await stage.person("ann")
    await tells(stage, ann, "evt_1", "evt_2", "evt_3")
    assert await stage.core.count_unread()(ann) == Unread(3)
    assert await stage.core.mark_read()(ann, ids=[NotificationId("ntf_3"), NotificationId("ntf_9")]) == Unread(2)
    assert await stage.core.mark_read()(ann, up_to=NotificationId("ntf_1")) == Unread(1)


async def test_nothing_is_read_ahead_of_what_there_is(stage: Stage) -> None:
    """A mark beyond the newest would hide what is still to come."""
    ann = await stage.person("ann")
    assert await stage.core.mark_read()(ann, up_to=NotificationId("ntf_9")) == Unread(0)
    await tells(stage, ann, "evt_1")
    assert await stage.core.mark_read()(ann, up_to=NotificationId("ntf_9")) == Unread(0)
    await tells(stage, ann, "evt_2")
    assert await stage.core.count_unread()(ann) == Unread(1)


@pytest.mark.parametrize("both", [True, False])
async def test_reading_takes_either_ids_or_a_mark(stage: Stage, *, both: bool) -> None:
    ann = await stage.person("ann")
    some, mark = ([NotificationId("ntf_1")], NotificationId("ntf_1")) if both else ([], None)
    with pytest.raises(Invalid) as wrong:
        await stage.core.mark_read()(ann, ids=some, up_to=mark)
    assert wrong.value.code == "ids_or_up_to"


async def test_an_inbox_is_for_who_it_belongs_to(stage: Stage) -> None:
    for refused in (
        stage.core.list_notifications()(ANONYMOUS),
        stage.core.count_unread()(ANONYMOUS),
        stage.core.mark_read()(ANONYMOUS, up_to=NotificationId("ntf_1")),
        stage.core.notification_settings().show(ANONYMOUS),
        stage.core.notification_settings().change(ANONYMOUS, {}),
    ):
        with pytest.raises(Unauthenticated):
            await refused


# --- the stream ----------------------------------------------------------------------------------


async def test_the_stream_shows_what_comes_while_it_is_open(stage: Stage) -> None:
    """From when it is entered, even if nobody has asked for the first one yet."""
    ann, ben = await stage.person("ann"), await stage.person("ben")
    await tells(stage, ann, "evt_1")
    async with stage.core.follow_notifications()(ann) as stream:
        await stage.core.deliverer()(notice("evt_2", actor=ben.user), [ann.require_user()])
        card = await anext(stream)
    assert card.notification.text == "evt_2"
    assert card.actor is not None
    assert card.actor.handle == "ben"


async def test_the_stream_begins_with_what_was_missed_then_goes_on_without_gap_or_double(stage: Stage) -> None:
    """What is told while the missed ones are sent is both in the inbox and on the stream, and shown once."""
    ann = await stage.person("ann")
    await tells(stage, ann, *[f"evt_{number:04}" for number in range(250)])
    async with stage.core.follow_notifications()(ann, NotificationId("ntf_0009")) as stream:
        shown = [(await anext(stream)).notification.text]
        await tells(stage, ann, *[f"evt_{number:04}" for number in range(250, 400)])
        shown.extend([(await anext(stream)).notification.text for _ in range(389)])
        await tells(stage, ann, "evt_0400")
        shown.append((await anext(stream)).notification.text)
    assert shown == [f"evt_{number:04}" for number in range(10, 401)]


async def test_one_that_is_delivered_late_is_shown_although_its_id_is_older(stage: Stage) -> None:
    ann = await stage.person("ann")
    await tells(stage, ann, "evt_1", "evt_3")
    async with stage.core.follow_notifications()(ann, NotificationId("ntf_1")) as stream:
        assert (await anext(stream)).notification.text == "evt_3"
        await tells(stage, ann, "evt_2")
        assert (await anext(stream)).notification.text == "evt_2"


async def test_a_closed_stream_listens_no_more(stage: Stage) -> None:
    ann = await stage.person("ann")
    live = stage.adapters.live()
    async with stage.core.follow_notifications()(ann):
        assert list(live._listeners) == [ann.user]
    assert live._listeners == {}


async def test_nobody_follows_without_signing_in(stage: Stage) -> None:
    with pytest.raises(Unauthenticated):
        stage.core.follow_notifications()(ANONYMOUS)


async def test_the_stream_ends_when_the_platform_does(stage: Stage) -> None:
    """A listener that is closed from the other side ends the stream instead of hanging."""
    ann = await stage.person("ann")
    async with stage.core.follow_notifications()(ann) as stream:
        coming = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        stage.adapters.live().close()
        with pytest.raises(StopAsyncIteration):
            await coming
