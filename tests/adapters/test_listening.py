"""Where no answer stays open, whoever listens is at the end at once."""

from adapters.listening import InProcessLive
from domain.ids import NotificationId, UserId
from domain.notifications import Kind, Notification, Subject
from tests.strategies import START

ANN = UserId("usr_ann")


async def test_nobody_waits_where_nothing_is_pushed() -> None:
    """And telling is no error: whoever is told reads the inbox."""
    live = InProcessLive(closed=True)
    told = Notification(
        id=NotificationId("ntf_1"), user=ANN, kind=Kind.REPLY, actor=None, subject=Subject("video", "vid_0"),
        text="Ben replied", created_at=START,
    )  # fmt: skip
    async with live.listen(ANN) as heard:
        await live.tell([told])
        assert [each async for each in heard] == []
