"""Any Inbox behaves like each user's notifications by id, a mark that only moves ahead, and the ids read beyond it."""

from collections.abc import Sequence
from functools import partial

import pytest
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from adapters.cursors import encoded
from application.ports import UNREAD_MOST, Inbox, Unread
from domain.ids import NotificationId, UserId
from domain.notifications import Kind, Notification, Settings, Subject
from tests.contract.machine import Read, WalkingMachine, run, walked
from tests.strategies import START, notifications, settings_of_inboxes, user_ids
from tests.worlds import INBOXES, Opener

openers = pytest.mark.parametrize("opener", [opener for _, opener in INBOXES], ids=[name for name, _ in INBOXES])

ANN, BEN = UserId("usr_ann"), UserId("usr_ben")
USERS = [ANN, BEN, UserId("usr_cho"), UserId("usr_dov")]
IDS = [NotificationId(f"ntf_{each}") for each in range(10)]
ids = st.sampled_from(IDS)


def told(number: int, user: UserId = ANN) -> Notification:
    """Notifications by ascending numbers are ever newer."""
    return Notification(
        id=NotificationId(f"ntf_{number:05}"), user=user, kind=Kind.REPLY, actor=BEN, subject=Subject("video", "vid_0"),
        text="Ben replied", created_at=START,
    )  # fmt: skip


class InboxMachine(WalkingMachine):
    port: Inbox

    def __init__(self) -> None:
        super().__init__()
        self.marks: dict[UserId, str] = {}
        self.read: set[tuple[UserId, NotificationId]] = set()
        self.chosen: dict[UserId, Settings] = {}

    @rule(batch=st.lists(notifications(), max_size=5, unique_by=lambda each: (each.user, each.id)))
    def deliver(self, batch: list[Notification]) -> None:
        new = [each for each in batch if (each.user, each.id) not in self.model]
        assert list(self.do(self.port.deliver(batch))) == new
        self.model |= {(each.user, each.id): each for each in new}

    @rule(user=user_ids, read=st.lists(ids, max_size=3))
    def mark_read(self, user: UserId, read: list[NotificationId]) -> None:
        self.do(self.port.mark_read(user, read))
        self.read |= {(user, each) for each in read if (user, each) in self.model}

    @rule(user=user_ids, up_to=ids)
    def mark_read_up_to(self, user: UserId, up_to: NotificationId) -> None:
        self.do(self.port.mark_read_up_to(user, up_to))
        self.marks[user] = max(self.marks.get(user, ""), up_to)

    @rule(user=user_ids, settings=settings_of_inboxes())
    def save_settings(self, user: UserId, settings: Settings) -> None:
        self.do(self.port.save_settings(user, settings))
        self.chosen[user] = settings

    @rule(user=user_ids)
    def forget(self, user: UserId) -> None:
        self.do(self.port.forget(user))
        self.model = {key: each for key, each in self.model.items() if each.user != user}
        self.read = {(reader, each) for reader, each in self.read if reader != user}
        self.marks.pop(user, None)
        self.chosen.pop(user, None)

    @rule(user=user_ids)
    def read_on_while_it_changes(self, user: UserId) -> None:
        for unread_only in (False, True):
            read = self.read_list(user, unread_only=unread_only)
            self.set_out(read, partial(self.places, user, unread_only=unread_only), lambda item: item.id)

    def places(self, user: UserId, *, unread_only: bool) -> dict[str, object]:
        """Ids never change, so what is in a list stays in its place."""
        return {each.id: True for each in self.shown(user, unread_only=unread_only)}

    def read_list(self, user: UserId, *, unread_only: bool) -> Read:
        return lambda cursor, limit: self.port.list(user, unread_only=unread_only, cursor=cursor, limit=limit)

    def shown(self, user: UserId, *, unread_only: bool = False) -> list[Notification]:
        """As the model says, oldest first."""
        theirs = sorted((each for each in self.model.values() if each.user == user), key=lambda each: each.id)
        marked = [
            evolve(each, read=each.id <= self.marks.get(user, "") or (user, each.id) in self.read) for each in theirs
        ]
        return [each for each in marked if not (unread_only and each.read)]

    @invariant()
    def reads_as_the_model(self) -> None:
        self.do(self.compare())

    async def compare(self) -> None:
        for user in USERS:
            shown, unread = self.shown(user), self.shown(user, unread_only=True)
            assert await walked(self.read_list(user, unread_only=False), 3) == shown[::-1]
            assert await walked(self.read_list(user, unread_only=True), 2) == unread[::-1]
            assert await self.port.unread(user) == Unread(len(unread))
            assert (
                list(await self.port.after(user, IDS[4], limit=3)) == [each for each in shown if each.id > IDS[4]][:3]
            )
            assert await self.port.settings(user) == self.chosen.get(user, Settings())
        assert await self.port.settings_of(USERS) == {user: self.chosen.get(user, Settings()) for user in USERS}


@openers
def test_behaves_like_a_dict_of_notifications(opener: Opener[Inbox]) -> None:
    """Whatever is done in whatever order, lists and the count of the unread are the model's."""
    run(InboxMachine, opener)


def listed(items: Sequence[Notification]) -> list[str]:
    return [each.id for each in items]


@openers
async def test_the_unread_are_counted_up_to_a_bound(opener: Opener[Inbox]) -> None:
    """At the bound the count is exact, beyond it is capped."""
    async with opener() as opened:
        await opened.port.deliver([told(number) for number in range(UNREAD_MOST)])
        assert await opened.port.unread(ANN) == Unread(UNREAD_MOST)
        await opened.port.deliver([told(UNREAD_MOST)])
        assert await opened.port.unread(ANN) == Unread(UNREAD_MOST, capped=True)
        await opened.port.mark_read(ANN, [told(7).id, told(7).id, NotificationId("ntf_unknown")])
        assert await opened.port.unread(ANN) == Unread(UNREAD_MOST)
        await opened.port.mark_read_up_to(ANN, told(9).id)
        assert await opened.port.unread(ANN) == Unread(UNREAD_MOST - 9)


@openers
@pytest.mark.parametrize("end", ["\0", "\ue000", "\U0010ffff"])
async def test_a_cursor_may_be_any_text(opener: Opener[Inbox], end: str) -> None:
    """Also one that a client made up: it is a place between ids, whatever it ends in."""
    async with opener() as opened:
        await opened.port.deliver([told(number) for number in range(4)])
        await opened.port.mark_read_up_to(ANN, told(0).id)
        for unread_only in (False, True):
            page = await opened.port.list(ANN, unread_only=unread_only, cursor=encoded((told(2).id + end,)))
            assert listed(page.items) == listed([told(2), told(1), *([] if unread_only else [told(0)])])
            assert list((await opened.port.list(ANN, unread_only=unread_only, cursor=encoded(("\0",)))).items) == []


@openers
async def test_the_newest_thousand_are_kept(opener: Opener[Inbox]) -> None:
    """Each user has room of their own, and what was read leaves the count as it is when it goes."""
    async with opener() as opened:
        await opened.port.deliver([told(0, BEN)])
        await opened.port.deliver([told(number) for number in range(1000)])
        await opened.port.mark_read(ANN, [told(0).id, told(1).id, told(999).id])
        await opened.port.deliver([told(number) for number in range(1000, 1002)])
        kept = await walked(lambda at, most: opened.port.list(ANN, cursor=at, limit=most), 100)
        assert listed(kept[:1000]) == listed([told(number) for number in range(1001, 1, -1)])
        await opened.port.mark_read(ANN, [told(number).id for number in range(2, 950)])
        assert await opened.port.unread(ANN) == Unread(51)
        await opened.port.mark_read_up_to(ANN, told(999).id)
        assert await opened.port.unread(ANN) == Unread(2)
        assert list((await opened.port.list(BEN)).items) == [told(0, BEN)]


@openers
async def test_the_mark_never_moves_back(opener: Opener[Inbox]) -> None:
    """What comes late, from before the mark, counts as read."""
    async with opener() as opened:
        await opened.port.deliver([told(number) for number in (1, 3, 5)])
        await opened.port.mark_read_up_to(ANN, told(3).id)
        await opened.port.mark_read_up_to(ANN, told(1).id)
        await opened.port.deliver([told(2)])
        await opened.port.mark_read(ANN, [told(1).id, told(2).id])
        assert listed((await opened.port.list(ANN, unread_only=True)).items) == [told(5).id]
        assert await opened.port.unread(ANN) == Unread(1)
        assert await opened.port.unread(BEN) == Unread(0)


@openers
async def test_what_someone_has_is_left_as_it_is(opener: Opener[Inbox]) -> None:
    """A page of a fan-out that comes twice tells nobody twice, and what was read stays read."""
    async with opener() as opened:
        assert list(await opened.port.deliver([told(1), told(1, BEN)])) == [told(1), told(1, BEN)]
        await opened.port.mark_read(ANN, [told(1).id])
        again = [evolve(told(1), text="other words"), told(1, BEN), told(1, USERS[2])]
        assert list(await opened.port.deliver(again)) == [told(1, USERS[2])]
        assert list((await opened.port.list(ANN)).items) == [evolve(told(1), read=True)]


@openers
async def test_of_two_with_one_id_the_first_is_kept(opener: Opener[Inbox]) -> None:
    """Also when they come together."""
    async with opener() as opened:
        twice = [told(1), evolve(told(1), text="other words")]
        assert list(await opened.port.deliver(twice)) == [told(1)]
        assert list((await opened.port.list(ANN)).items) == [told(1)]


@openers
async def test_a_client_catches_up_from_the_last_it_saw(opener: Opener[Inbox]) -> None:
    """Oldest first, so many at a time; also from one that is not there."""
    async with opener() as opened:
        await opened.port.deliver([told(number) for number in (5, 1, 3, 4)])
        await opened.port.mark_read(ANN, [told(4).id])
        after = await opened.port.after(ANN, told(1).id, limit=2)
        assert list(after) == [told(3), evolve(told(4), read=True)]
        assert listed(await opened.port.after(ANN, told(2).id)) == [told(3).id, told(4).id, told(5).id]
        assert list(await opened.port.after(ANN, told(5).id)) == []
