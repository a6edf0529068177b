"""Any Comments behaves like a dict of comments with a version check, one pin a video, and lists and counts to match."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, product
from typing import Any, TypeVar

import pytest
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, invariant, multiple, rule

from application.ports import Comments, Event
from domain.engagement import Comment, CommentHeld, CommentPosted, CommentStatus
from domain.errors import NotFound, Stale
from domain.ids import ChannelId, CommentId, UserId, VideoId
from tests.contract.machine import Read, WalkingMachine, run, same, some_events, walked
from tests.strategies import START, channel_ids, comments
from tests.worlds import COMMENTS, Opener

openers = pytest.mark.parametrize("opener", [opener for _, opener in COMMENTS], ids=[name for name, _ in COMMENTS])

T = TypeVar("T")

CHANNEL_OF = {VideoId("vid_0"): ChannelId("chn_arts"), VideoId("vid_1"): ChannelId("chn_arts"),
              VideoId("vid_2"): ChannelId("chn_boats")}  # fmt: skip
VIDEOS = list(CHANNEL_OF)
FIRST, OTHER = VIDEOS[0], VIDEOS[2]
AUTHORS = [UserId("usr_ann"), UserId("usr_ben"), UserId("usr_zoe")]


def comment(number: int, **changes: Any) -> Comment:
    """Comments by ascending numbers are ever newer."""
    plain = Comment(
        id=CommentId(f"cmt_{number:02}"), video=FIRST, channel=CHANNEL_OF[FIRST], author=UserId("usr_ann"),
        text=f"words {number}", created_at=START,
    )  # fmt: skip
    return evolve(plain, **changes)


def pinned_first(items: list[Comment]) -> list[Comment]:
    return sorted(sorted(items, key=lambda each: each.id, reverse=True), key=lambda each: not each.pinned)


def ids(items: Sequence[Comment]) -> list[str]:
    return [each.id for each in items]


def places(listed: Callable[[T], list[Comment]], of: T) -> dict[str, object]:
    """Ids never change, so what is in a list stays in its place."""
    return {each.id: True for each in listed(of)}


class CommentsMachine(WalkingMachine):
    port: Comments
    held: Bundle[Any] = Bundle("held")  # comments a client may hold, fresh or stale

    def __init__(self) -> None:
        super().__init__()
        self.ever: set[CommentId] = set()  # ids are never given twice

    @rule(target=held, draft=comments(), video=st.sampled_from(VIDEOS), events=some_events)
    def post(self, draft: Comment, video: VideoId, events: list[Event]) -> "Comment | MultipleResults[Comment]":
        return self.post_new(evolve(draft, video=video, channel=CHANNEL_OF[video], parent=None), events)

    @rule(target=held, draft=comments(), parent=held, events=some_events)
    def reply(self, draft: Comment, parent: Comment, events: list[Event]) -> "Comment | MultipleResults[Comment]":
        if parent.parent is not None or parent.id == draft.id:
            return multiple()
        placed = evolve(draft, video=parent.video, channel=parent.channel, parent=parent.id, pinned=False)
        return self.post_new(placed, events)

    def post_new(self, draft: Comment, events: list[Event]) -> "Comment | MultipleResults[Comment]":
        if draft.id in self.ever and draft.id not in self.model:
            return multiple()
        self.ever.add(draft.id)
        posted = self.save_and_pin(draft, events)
        # One that was refused is not held: it says another place of the comment that has its id.
        return posted if posted.version else multiple()

    @rule(target=held, held=held, changed=comments(), events=some_events)
    def save(self, held: Comment, changed: Comment, events: list[Event]) -> Comment:
        pinned = changed.pinned and held.parent is None
        edited = evolve(held, text=changed.text, status=changed.status, pinned=pinned, edited_at=changed.edited_at)
        return self.save_and_pin(edited, events)

    def save_and_pin(self, edited: Comment, events: list[Event]) -> Comment:
        saved = self.save_both(edited.id, edited, events)
        if saved.pinned and self.model.get(saved.id) is saved:
            for other in list(self.model.values()):
                if other.pinned and other.video == saved.video and other.id != saved.id:
                    unpinned = self.do(self.port.get(other.id))
                    assert unpinned == evolve(other, pinned=False, version=unpinned.version)
                    assert unpinned.version > other.version
                    self.model[other.id] = unpinned
        return saved

    @rule(target=held, held=held, events=some_events)
    def pin_or_unpin(self, held: Comment, events: list[Event]) -> "Comment | MultipleResults[Comment]":
        if held.parent is not None or not held.shown:
            return multiple()
        return self.save_and_pin(held.pin(pinned=not held.pinned), events)

    @rule(target=held, held=held)
    def read(self, held: Comment) -> "Comment | MultipleResults[Comment]":
        return self.model.get(held.id) or multiple()

    @rule(video=st.sampled_from(VIDEOS), limit=st.integers(1, 3))
    def remove_all(self, video: VideoId, limit: int) -> None:
        there = {each.id for each in self.model.values() if each.video == video}
        first = self.do(self.port.all_on(video, limit))
        gone = self.do(self.port.remove_all(video, limit))
        assert set(gone) == set(first)
        assert len(gone) == min(limit, len(there))
        assert set(gone) <= there
        for id_ in gone:
            with pytest.raises(NotFound):
                self.do(self.port.get(id_))
            del self.model[id_]

    @rule(channel=channel_ids)
    def read_on_while_it_changes(self, channel: ChannelId) -> None:
        for video in VIDEOS:
            self.set_out(self.read_on_video(video), partial(places, self.on_video, video), lambda item: item.id)
        self.set_out(self.read_of_channel(channel), partial(places, self.of_channel, channel), lambda item: item.id)
        self.set_out(self.read_held(channel), partial(places, self.held_on, channel), lambda item: item.id)

    def read_on_video(self, video: VideoId) -> Read:
        return lambda cursor, limit: self.port.on_video(video, cursor=cursor, limit=limit)

    def read_replies(self, parent: CommentId) -> Read:
        return lambda cursor, limit: self.port.replies(parent, cursor=cursor, limit=limit)

    def read_of_channel(self, channel: ChannelId) -> Read:
        return lambda cursor, limit: self.port.of_channel(channel, cursor=cursor, limit=limit)

    def read_held(self, channel: ChannelId) -> Read:
        return lambda cursor, limit: self.port.held(channel, cursor=cursor, limit=limit)

    def on_video(self, video: VideoId) -> list[Comment]:
        there = [each for each in self.model.values() if each.video == video]
        answered = {each.parent for each in there if each.shown}
        return [each for each in there if each.parent is None and (each.shown or each.id in answered)]

    def of_channel(self, channel: ChannelId) -> list[Comment]:
        there = [each for each in self.model.values() if each.channel == channel]
        return [each for each in there if each.status is not CommentStatus.REMOVED]

    def held_on(self, channel: ChannelId) -> list[Comment]:
        return [each for each in self.of_channel(channel) if each.status is CommentStatus.HELD]

    def held_by(self, video: VideoId, author: UserId, parent: CommentId | None) -> list[Comment]:
        there = [each for each in self.model.values() if each.status is CommentStatus.HELD]
        theirs = [each for each in there if (each.video, each.author, each.parent) == (video, author, parent)]
        return sorted(theirs, key=lambda each: each.id, reverse=True)

    @invariant()
    def lists_and_counts_as_the_model(self) -> None:
        self.do(self.compare())

    async def compare(self) -> None:
        shown = [each for each in self.model.values() if each.shown]
        for video in VIDEOS:
            found = await walked(self.read_on_video(video), 2)
            assert found == pinned_first(self.on_video(video))
        parents = sorted({each.parent for each in self.model.values() if each.parent})
        for parent in parents:
            found = await walked(self.read_replies(parent), 2)
            same(found, [each for each in shown if each.parent == parent], lambda each: each.id)
        for channel in dict.fromkeys(CHANNEL_OF.values()):
            found = await walked(self.read_of_channel(channel), 3)
            same(found, self.of_channel(channel), lambda each: each.id, descending=True)
            found = await walked(self.read_held(channel), 1)
            same(found, self.held_on(channel), lambda each: each.id)
            for author in AUTHORS:
                known = any(each.channel == channel and each.author == author for each in shown)
                assert await self.port.known(channel, author) is known
        for video, author, parent in product(VIDEOS, AUTHORS, [None, *parents]):
            assert (
                list(await self.port.held_by(video, author, parent=parent, limit=2))
                == self.held_by(video, author, parent)[:2]
            )
        assert await self.port.counts(VIDEOS) == {video: sum(each.video == video for each in shown) for video in VIDEOS}
        asked = [CommentId("cmt_none"), *parents]
        assert await self.port.reply_counts(asked) == {
            asked_of: sum(each.parent == asked_of for each in shown) for asked_of in asked
        }
        for stored in self.model.values():
            assert await self.port.get(stored.id) == stored


@openers
def test_behaves_like_a_dict_of_comments(opener: Opener[Comments]) -> None:
    """After every step every list and every count is the model's, and no walk over pages repeats or skips."""
    run(CommentsMachine, opener)


@openers
async def test_nothing_is_there_at_first(opener: Opener[Comments]) -> None:
    """Neither a comment, nor one to forget; every count is asked for and zero."""
    async with opener() as opened:
        with pytest.raises(NotFound):
            await opened.port.get(CommentId("cmt_00"))
        assert list((await opened.port.on_video(FIRST)).items) == []
        assert (await opened.port.on_video(FIRST)).next is None
        assert await opened.port.counts([FIRST, OTHER]) == {FIRST: 0, OTHER: 0}
        assert await opened.port.remove_all(FIRST) == []


@openers
async def test_of_two_copies_one_is_saved(opener: Opener[Comments]) -> None:
    """The other is stale; nothing of it is stored, no event of it, and no pin is lost to it."""
    async with opener() as opened:
        posted = CommentPosted(CommentId("cmt_00"), FIRST, CHANNEL_OF[FIRST], None, UserId("usr_ann"), (), START)
        first = await opened.port.save(comment(0), posted)
        pinned = await opened.port.save(comment(1, pinned=True))
        edited = await opened.port.save(evolve(first, text="better"))
        with pytest.raises(Stale):
            await opened.port.save(
                evolve(first, pinned=True), CommentHeld(first.id, first.channel, first.author, START)
            )
        assert list((await opened.port.on_video(FIRST)).items) == [pinned, edited]
        assert await opened.events() == [posted]


@openers
async def test_the_pin_moves_and_who_lost_it_is_stale(opener: Opener[Comments]) -> None:
    """A copy from before cannot take the pin back by being saved for another reason."""
    async with opener() as opened:
        await opened.port.save(comment(0))
        old = await opened.port.save(comment(1, pinned=True))
        new = await opened.port.save(comment(2, pinned=True))
        elsewhere = await opened.port.save(comment(3, video=OTHER, channel=CHANNEL_OF[OTHER], pinned=True))
        assert not (await opened.port.get(old.id)).pinned
        with pytest.raises(Stale):
            await opened.port.save(evolve(old, text="edited"))
        assert ids((await opened.port.on_video(FIRST)).items) == [new.id, "cmt_01", "cmt_00"]
        assert list((await opened.port.on_video(OTHER)).items) == [elsewhere]
        await opened.port.save(new.pin(pinned=False))
        again = await opened.port.save((await opened.port.get(old.id)).pin(pinned=True))
        assert ids((await opened.port.on_video(FIRST)).items) == ["cmt_01", "cmt_02", "cmt_00"]
        await opened.port.save(again.pin(pinned=False))
        assert ids((await opened.port.on_video(FIRST)).items) == ["cmt_02", "cmt_01", "cmt_00"]


@openers
async def test_a_walk_survives_a_moving_pin(opener: Opener[Comments]) -> None:
    """What was pinned on the first page does not come again, and what takes the pin is not skipped."""
    async with opener() as opened:
        saved = [await opened.port.save(comment(number, pinned=number == 1)) for number in range(6)]
        page = await opened.port.on_video(FIRST, limit=2)
        assert ids(list(page.items)) == ["cmt_01", "cmt_05"]
        await opened.port.save(evolve(saved[3], pinned=True))
        await opened.port.save(comment(7))
        rest = await walked(lambda at, most: opened.port.on_video(FIRST, cursor=at or page.next, limit=most), 2)
        assert ids(rest) == ["cmt_04", "cmt_03", "cmt_02", "cmt_00"]


@openers
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
async def test_the_pinned_one_counts_for_its_page(opener: Opener[Comments], limit: int) -> None:
    """No page is longer than asked for, and each but the last is full."""
    async with opener() as opened:
        for number in range(4):
            await opened.port.save(comment(number, pinned=number == 0))
        pages: list[list[str]] = []
        cursor: str | None = None
        while not pages or cursor is not None:
            page = await opened.port.on_video(FIRST, cursor=cursor, limit=limit)
            pages.append(ids(list(page.items)))
            cursor = page.next
        assert list(chain(*pages)) == ["cmt_00", "cmt_03", "cmt_02", "cmt_01"]
        assert [len(each) for each in pages[:-1]] == [limit] * (len(pages) - 1)


@openers
async def test_replies_outlive_the_comment_they_answer(opener: Opener[Comments]) -> None:
    """A removed comment keeps its place above visible replies, which stay and count, and is in no other list."""
    async with opener() as opened:
        top = await opened.port.save(comment(0))
        reply = await opened.port.save(comment(1, parent=top.id))
        await opened.port.save(comment(2, parent=top.id, status=CommentStatus.HELD))
        removed = await opened.port.save(top.remove())
        assert list((await opened.port.on_video(FIRST)).items) == [removed]
        assert list((await opened.port.replies(top.id)).items) == [reply]
        assert await opened.port.reply_counts([top.id]) == {top.id: 1}
        assert await opened.port.counts([FIRST]) == {FIRST: 1}
        assert ids((await opened.port.of_channel(top.channel)).items) == ["cmt_02", "cmt_01"]


@openers
@pytest.mark.parametrize("status", [CommentStatus.HELD, CommentStatus.REJECTED, CommentStatus.REMOVED])
async def test_a_hidden_comment_is_on_the_video_while_it_has_visible_replies(
    opener: Opener[Comments], status: CommentStatus
) -> None:
    """It comes back with the first, in its old place, and goes with the last."""
    async with opener() as opened:
        first = await opened.port.save(comment(0))
        hidden = await opened.port.save(comment(1, status=status))
        last = await opened.port.save(comment(2))
        waiting = [
            await opened.port.save(comment(number, parent=hidden.id, status=CommentStatus.HELD)) for number in (3, 4)
        ]
        assert list((await opened.port.on_video(FIRST)).items) == [last, first]
        replies = [await opened.port.save(evolve(each, status=CommentStatus.VISIBLE)) for each in waiting]
        for reply in replies:
            assert list((await opened.port.on_video(FIRST)).items) == [last, hidden, first]
            await opened.port.save(reply.remove())
        assert list((await opened.port.on_video(FIRST)).items) == [last, first]


@openers
async def test_what_someone_said_and_is_held_is_found_by_its_place(opener: Opener[Comments]) -> None:
    """Newest first, as many as asked for: not what others said, nor elsewhere, nor what is held no more."""
    async with opener() as opened:
        ann = UserId("usr_ann")
        held = [await opened.port.save(comment(number, status=CommentStatus.HELD)) for number in range(4)]
        reply = await opened.port.save(comment(5, parent=held[0].id, status=CommentStatus.HELD))
        await opened.port.save(comment(6, author=UserId("usr_ben"), status=CommentStatus.HELD))
        await opened.port.save(comment(7, video=VIDEOS[1], status=CommentStatus.HELD))
        await opened.port.save(comment(8))
        await opened.port.save(evolve(held[2], status=CommentStatus.REJECTED))
        assert ids(await opened.port.held_by(FIRST, ann)) == ["cmt_03", "cmt_01", "cmt_00"]
        assert ids(await opened.port.held_by(FIRST, ann, limit=2)) == ["cmt_03", "cmt_01"]
        assert list(await opened.port.held_by(FIRST, ann, parent=held[0].id)) == [reply]
        assert list(await opened.port.held_by(FIRST, UserId("usr_zoe"))) == []
        assert await opened.port.remove_all(FIRST)
        assert list(await opened.port.held_by(FIRST, ann)) == []


@openers
async def test_one_is_known_by_a_comment_that_is_visible_now(opener: Opener[Comments]) -> None:
    """Under any video of the channel, on no other channel, and not by one that waits or went."""
    async with opener() as opened:
        ann, channel = UserId("usr_ann"), CHANNEL_OF[FIRST]
        waiting = await opened.port.save(comment(0, video=VIDEOS[1], status=CommentStatus.HELD))
        assert not await opened.port.known(channel, ann)
        shown = await opened.port.save(evolve(waiting, status=CommentStatus.VISIBLE))
        assert await opened.port.known(channel, ann)
        assert not await opened.port.known(CHANNEL_OF[OTHER], ann)
        await opened.port.save(shown.remove())
        assert not await opened.port.known(channel, ann)


@openers
async def test_the_comments_of_a_removed_video_are_forgotten_bit_by_bit(opener: Opener[Comments]) -> None:
    """Whatever their status; those of other videos stay."""
    async with opener() as opened:
        for number, status in enumerate(CommentStatus):
            await opened.port.save(comment(number, status=status))
        await opened.port.save(comment(8, parent=CommentId("cmt_00")))
        kept = await opened.port.save(comment(9, video=VIDEOS[1]))
        assert [len(await opened.port.remove_all(FIRST, limit=3)) for _ in range(3)] == [3, 2, 0]
        for number in (0, 1, 2, 3, 8):
            with pytest.raises(NotFound):
                await opened.port.get(CommentId(f"cmt_{number:02}"))
        assert list((await opened.port.of_channel(CHANNEL_OF[FIRST])).items) == [kept]
        assert await opened.port.counts([FIRST, VIDEOS[1]]) == {FIRST: 0, VIDEOS[1]: 1}
        assert await opened.port.reply_counts([CommentId("cmt_00")]) == {"cmt_00": 0}


@openers
async def test_of_many_who_reply_at_once_each_counts_once(opener: Opener[Comments]) -> None:
    """Above them a hidden comment keeps its place until the last of them is gone, however many go at once."""
    async with opener() as opened:
        hidden = await opened.port.save(comment(0, status=CommentStatus.HELD))
        posts = [opened.port.save(comment(number, parent=hidden.id)) for number in range(1, 51)]
        replies, rejected = await asyncio.gather(
            asyncio.gather(*posts), opened.port.save(evolve(hidden, status=CommentStatus.REJECTED))
        )
        assert await opened.port.reply_counts([hidden.id]) == {hidden.id: 50}
        assert await opened.port.counts([FIRST]) == {FIRST: 50}
        assert list((await opened.port.on_video(FIRST)).items) == [rejected]
        same((await opened.port.replies(hidden.id, limit=99)).items, replies)
        await asyncio.gather(*(opened.port.save(each.remove()) for each in replies))
        assert await opened.port.reply_counts([hidden.id]) == {hidden.id: 0}
        assert await opened.port.counts([FIRST]) == {FIRST: 0}
        assert list((await opened.port.on_video(FIRST)).items) == []
        assert not await opened.port.known(hidden.channel, hidden.author)


@openers
async def test_of_many_pinned_at_once_one_is(opener: Opener[Comments]) -> None:
    """Each has it in its turn, and the version of whoever loses it moves on."""
    async with opener() as opened:
        saved = [await opened.port.save(comment(number)) for number in range(5)]
        await asyncio.gather(*(opened.port.save(each.pin(pinned=True)) for each in saved))
        now = [await opened.port.get(each.id) for each in saved]
        (pinned,) = [each for each in now if each.pinned]
        others = sorted((each.id for each in now if not each.pinned), reverse=True)
        assert ids((await opened.port.on_video(FIRST)).items) == [pinned.id, *others]
