"""Any Live tells those who listen, at once and in order, and nobody else."""

import asyncio

import pytest

from application.ports import Live
from domain.ids import NotificationId, UserId
from domain.notifications import Kind, Notification, Subject
from tests.strategies import START
from tests.worlds import LIVE, Opener

openers = pytest.mark.parametrize("opener", [opener for _, opener in LIVE], ids=[name for name, _ in LIVE])

ANN, BEN = UserId("usr_ann"), UserId("usr_ben")


def told(number: int, user: UserId = ANN) -> Notification:
    return Notification(
        id=NotificationId(f"ntf_{number:05}"), user=user, kind=Kind.REPLY, actor=BEN, subject=Subject("video", "vid_0"),
        text="Ben replied", created_at=START,
    )  # fmt: skip


@openers
async def test_every_listener_of_a_user_hears_all_in_order(opener: Opener[Live]) -> None:
    """Two windows of one person hear the same; what is told to others is not for them."""
    async with opener() as opened, opened.port.listen(ANN) as one, opened.port.listen(ANN) as two:
        await opened.port.tell([told(1), told(2, BEN), told(3)])
        for listener in (one, two):
            assert [await anext(listener), await anext(listener)] == [told(1), told(3)]
        await opened.port.tell([told(4)])
        assert await anext(one) == told(4)
        assert await anext(two) == told(4)


@openers
async def test_a_waiting_listener_is_woken(opener: Opener[Live]) -> None:
    """Whoever waits before anything is told hears it when it is."""
    async with opener() as opened, opened.port.listen(ANN) as heard, asyncio.timeout(10):
        waiting = asyncio.ensure_future(anext(heard))
        await asyncio.wait({waiting}, timeout=0)
        assert not waiting.done()
        await opened.port.tell([told(2, BEN)])
        await opened.port.tell([told(1)])
        assert await waiting == told(1)


@openers
async def test_nothing_is_kept_for_whoever_was_away(opener: Opener[Live]) -> None:
    """One hears what is told while one listens: nothing from before, nothing after."""
    async with opener() as opened:
        await opened.port.tell([told(1)])
        async with opened.port.listen(ANN) as heard:
            await opened.port.tell([told(2)])
            assert await anext(heard) == told(2)
        await opened.port.tell([told(3)])
        assert [each async for each in heard] == []
        async with opened.port.listen(ANN) as again:
            await opened.port.tell([told(4)])
            assert await anext(again) == told(4)


@openers
async def test_one_listener_leaves_and_the_other_stays(opener: Opener[Live]) -> None:
    """Closing one window does not silence the other."""
    async with opener() as opened, opened.port.listen(ANN) as stays:
        async with opened.port.listen(ANN):
            pass
        await opened.port.tell([told(1)])
        assert await anext(stays) == told(1)


@openers
async def test_a_listener_that_does_not_keep_up_loses_the_oldest(opener: Opener[Live]) -> None:
    """A hundred wait for it; one that keeps up loses nothing."""
    async with opener() as opened, opened.port.listen(ANN) as slow, opened.port.listen(ANN) as quick:
        for number in range(105):
            await opened.port.tell([told(number)])
            assert await anext(quick) == told(number)
        assert [await anext(slow) for _ in range(100)] == [told(number) for number in range(5, 105)]
        await opened.port.tell([told(105)])
        assert await anext(slow) == told(105)


@openers
async def test_closing_ends_whoever_listens_or_begins_to(opener: Opener[Live]) -> None:
    """Before the process stops, everyone is at the end; closing again changes nothing."""
    async with opener() as opened, opened.port.listen(ANN) as heard, asyncio.timeout(10):
        waiting = asyncio.ensure_future(anext(heard))
        await asyncio.wait({waiting}, timeout=0)
        opened.port.close()
        opened.port.close()
        with pytest.raises(StopAsyncIteration):
            await waiting
        async with opened.port.listen(BEN) as late:
            assert [each async for each in late] == []


@openers
async def test_a_rest_is_over_in_time_or_at_the_end(opener: Opener[Live]) -> None:
    """Whoever looks at something again and again goes on, until the process is about to stop."""
    async with opener() as opened, asyncio.timeout(10):
        assert await opened.port.rest(0.001)
        resting = asyncio.ensure_future(opened.port.rest(3600))
        await asyncio.wait({resting}, timeout=0)
        assert not resting.done()
        opened.port.close()
        assert not await resting
        assert not await opened.port.rest(3600)
