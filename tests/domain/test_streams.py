"""Streams: who sees them, what may be changed when, and what is announced."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from attrs import evolve

from domain.access import Actor, Role
from domain.channels import Channel, Member
from domain.errors import Conflict, Invalid, NotFound
from domain.ids import ChannelId, StreamId, StreamSessionId, UserId
from domain.streams import (
    AHEAD_MOST,
    REMIND_BEFORE,
    REMIND_REST,
    WINDOW_MOST_S,
    IngestPoint,
    Latency,
    Stream,
    StreamNear,
    StreamStatus,
)
from domain.videos import Audience, Visibility
from tests.strategies import START

OWNER, EDITOR, MODERATOR = UserId("usr_o"), UserId("usr_e"), UserId("usr_m")
CHANNEL = Channel(
    id=ChannelId("chn_1"), owner=OWNER, handle="cats", name="Cats", created_at=START,
    members={EDITOR: Member.EDITOR, MODERATOR: Member.MODERATOR},
)  # fmt: skip
SESSION = StreamSessionId("brc_1")
STAFF = Actor(UserId("usr_s"), frozenset({Role.MODERATOR}))


def stream(**more: Any) -> Stream:
    return Stream(id=StreamId("str_1"), channel=CHANNEL.id, created_at=START, **{"title": "Cats live", **more})


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": ""}, {"title": "x" * 101}, {"description": "x" * 5001}, {"reconnect_window_s": -1},
        {"reconnect_window_s": WINDOW_MOST_S + 1}, {"visibility": Visibility.SCHEDULED},
    ],
)  # fmt: skip
def test_what_a_stream_is_not(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as raised:
        stream(**wrong)
    assert raised.value.fields[0][0] == next(iter(wrong))


def test_its_state_is_of_its_session_first() -> None:
    live = stream().reflect(SESSION, START)
    assert stream().status is StreamStatus.IDLE
    assert stream(enabled=False).status is StreamStatus.DISABLED
    assert live.status is live.enable(enabled=False).status is StreamStatus.LIVE
    assert live.reflect(None, None) == stream()


@pytest.mark.parametrize("visibility", [Visibility.PUBLIC, Visibility.UNLISTED, Visibility.PRIVATE])
def test_only_what_is_live_for_everyone_is_listed(visibility: Visibility) -> None:
    idle = stream(visibility=visibility)
    assert not idle.listed
    assert idle.reflect(SESSION, START).listed == (visibility is Visibility.PUBLIC)


@pytest.mark.parametrize(
    ("visibility", "stranger"),
    [(Visibility.PUBLIC, Audience.ANYONE), (Visibility.UNLISTED, Audience.LINK), (Visibility.PRIVATE, None)],
)
def test_who_sees_it(visibility: Visibility, stranger: Audience | None) -> None:
    one = stream(visibility=visibility)
    for inside in (Actor(OWNER), Actor(EDITOR), Actor(MODERATOR), STAFF):
        assert one.audience(inside, CHANNEL) is Audience.MEMBER
    for outside in (Actor(UserId("usr_x")), Actor()):
        if stranger is None:
            with pytest.raises(NotFound):
                one.audience(outside, CHANNEL)
        else:
            assert one.audience(outside, CHANNEL) is stranger
    # A grant holds as long as what it was given for does.
    admitted = {
        Visibility.PUBLIC: {Audience.ANYONE, Audience.LINK, Audience.MEMBER},
        Visibility.UNLISTED: {Audience.LINK, Audience.MEMBER},
        Visibility.PRIVATE: {Audience.MEMBER},
    }[visibility]
    assert {each for each in Audience if one.admits(each)} == admitted


CHANGES: list[tuple[dict[str, Any], bool]] = [
    ({"title": "Dogs"}, True), ({"description": "x"}, True), ({"visibility": Visibility.PRIVATE}, True),
    ({"record": False}, False), ({"latency": Latency.NORMAL}, False), ({"reconnect_window_s": 0}, False),
    ({"record": True, "latency": Latency.LOW, "reconnect_window_s": 60}, True),
]  # fmt: skip


@pytest.mark.parametrize(("change", "whenever"), CHANGES)
def test_what_an_ingest_works_by_does_not_change_while_it_works(change: dict[str, Any], *, whenever: bool) -> None:
    idle, live = stream(), stream().reflect(SESSION, START)
    assert idle.edit(**change) == evolve(idle, **change)
    assert idle.edit() == idle
    if whenever:
        assert live.edit(**change) == evolve(live, **change)
    else:
        with pytest.raises(Conflict) as raised:
            live.edit(**change)
        assert raised.value.code == "stream_live"


def test_its_ingest_names_it_once() -> None:
    assert stream().opened("ivs:1").opened("ivs:2").ingest == "ivs:1"


def test_a_key_is_not_shown_by_accident() -> None:
    assert "secret" not in repr(IngestPoint("rtmp://x", "secret"))


# --- announcing ----------------------------------------------------------------------------------

SOON = START + timedelta(hours=1)


@pytest.mark.parametrize(
    "wrong",
    [START, START - timedelta(days=1), START + AHEAD_MOST + timedelta(seconds=1), SOON.replace(tzinfo=None)],
)
def test_times_that_cannot_be_announced(wrong: datetime) -> None:
    with pytest.raises(Invalid) as raised:
        stream().schedule(wrong, START)
    assert raised.value.fields[0][0] == "starts_at"


def test_a_time_is_announced_and_taken_back() -> None:
    there = SOON.astimezone(timezone(timedelta(hours=2)))
    announced = stream().schedule(there, START)
    assert announced.starts_at == SOON
    assert announced.starts_at.tzinfo is UTC
    assert announced.remind_at == SOON - REMIND_BEFORE
    assert announced.schedule(SOON, START) is announced
    assert announced.schedule(None, START) == stream()
    assert stream(visibility=Visibility.UNLISTED).schedule(SOON, START).remind_at is None
    assert stream().remind_at is None


def test_subscribers_are_told_once_and_in_time() -> None:
    announced = stream().schedule(SOON, START)
    due = SOON - REMIND_BEFORE
    assert announced.remind(due - timedelta(seconds=1)) == (announced, ())
    told, events = announced.remind(due)
    assert events == (StreamNear(told.id, told.channel, SOON, due),)
    assert told.remind(SOON) == (told, ())
    assert announced.remind(SOON) == (evolve(announced, reminded=True), ()), "that it should begin now is no news"
    again = told.schedule(due + REMIND_BEFORE + timedelta(seconds=9), due)
    assert again.remind(due + timedelta(seconds=9)) == (evolve(again, reminded=True), ()), "everyone was told just now"
    assert len(told.schedule(due + 2 * REMIND_REST, due).remind(due + 2 * REMIND_REST - REMIND_BEFORE)[1]) == 1
    assert told.schedule(SOON + timedelta(hours=1), START).remind_at is not None, "put off, it is told again"


def test_what_begins_is_what_was_announced() -> None:
    live = stream().schedule(SOON, START).reflect(SESSION, START)
    assert live.starts_at is None
    next_one = live.schedule(SOON, START)
    assert next_one.reflect(StreamSessionId("brc_2"), START).starts_at == SOON, "announced while it is live"
    assert next_one.reflect(None, None).starts_at == SOON
