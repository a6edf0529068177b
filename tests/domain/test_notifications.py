"""What people are told, each thing once."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import ChannelId, EventId, NotificationId, UserId
from domain.notifications import FanOut, Kind, Notice, Notification, Settings, Subject

T0 = datetime(2026, 1, 1, tzinfo=UTC)
NOTICE = Notice(
    event=EventId("evt_01J"), kind=Kind.REPLY, actor=UserId("usr_a"), subject=Subject("comment", "cmt_1"),
    text="Amy replied", at=T0,
)  # fmt: skip
KINDS = st.sampled_from(Kind)


def test_a_notice_becomes_one_notification_a_person() -> None:
    """The event names it, so that telling it again finds it there."""
    told = NOTICE.to(UserId("usr_b"))
    assert told == Notification(
        id=NotificationId("ntf_01J"), user=UserId("usr_b"), kind=Kind.REPLY, actor=UserId("usr_a"),
        subject=Subject("comment", "cmt_1"), text="Amy replied", created_at=T0, read=False,
    )  # fmt: skip
    assert NOTICE.to(UserId("usr_b")) == told
    assert NOTICE.to(UserId("usr_c")).id == told.id


def test_kinds_are_those_that_clients_know() -> None:
    """Their names are part of the API."""
    assert {str(kind) for kind in Kind} == {
        "comment", "reply", "video_published", "video_failed", "video_ready", "went_live", "stream_near", "subscriber",
        "mention",
    }  # fmt: skip


@pytest.mark.parametrize("kind", Kind)
def test_everything_is_wanted_at_first(kind: Kind) -> None:
    """And each kind is turned off and on by itself."""
    assert Settings().wants(kind)
    off = Settings().change({kind: False})
    assert {each for each in Kind if not off.wants(each)} == {kind}
    assert off.change({kind: True}) == Settings()


@given(st.frozensets(KINDS), st.dictionaries(KINDS, st.booleans()))
def test_a_change_says_what_holds_after_it(muted: frozenset[Kind], changes: dict[Kind, bool]) -> None:
    """For the kinds in it; the others stay, and saying it again changes nothing."""
    changed = Settings(muted).change(changes)
    assert {kind: changed.wants(kind) for kind in Kind} == {kind: kind not in muted for kind in Kind} | changes
    assert changed.change(changes) == changed


def test_a_fan_out_starts_without_a_cursor() -> None:
    """Each page differs from the next, so that no outbox takes them for one."""
    first = FanOut(NOTICE, ChannelId("chn_1"), 0, None)
    assert first != FanOut(NOTICE, ChannelId("chn_1"), 1, "cursor")
