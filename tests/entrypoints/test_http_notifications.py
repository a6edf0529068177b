"""Notifications over HTTP: the inbox, the settings, and the stream of server-sent events."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import pytest
import structlog

from application.notifications import NotificationCard
from domain.ids import EventId, UserId
from domain.notifications import Kind, Notice, Subject
from entrypoints.http.notifications import server_sent
from tests.entrypoints.eventsource import EventSource, connected
from tests.entrypoints.scenes import Person, Scene, problem
from tests.strategies import START

INBOX = "/v1/me/notifications"
STREAM = f"{INBOX}/stream"
SETTINGS = "/v1/me/notification-settings"


def notice(event: str, actor: Person | None = None) -> Notice:
    return Notice(
        event=EventId(event), kind=Kind.COMMENT, actor=UserId(actor.id) if actor else None,
        subject=Subject("comment", "cmt_1"), text=f"about {event}", at=START,
    )  # fmt: skip


async def tells(scene: Scene, person: Person, *events: str, actor: Person | None = None) -> None:
    for event in events:
        await scene.core.deliverer()(notice(event, actor), [UserId(person.id)])


# --- the inbox -----------------------------------------------------------------------------------


async def test_what_happened_is_told_to_whom_it_concerns(scene: Scene) -> None:
    ada, ben = await scene.person("ada"), await scene.person("ben")
    video = await scene.video(ada, await scene.channel(ada), title="Boats")
    posted = await scene.call("POST", f"/v1/videos/{video}/comments", {"text": "Nice"}, by=ben)
    await scene.settle()
    (told,) = (await scene.call("GET", INBOX, params={"limit": 1}, by=ada)).json()["data"]
    now = scene.clock.now().isoformat().replace("+00:00", "Z")
    assert told == {
        "id": told["id"], "type": "comment", "actor": {"id": ben.id, "handle": "ben", "display_name": "Ben"},
        "subject": {"type": "comment", "id": posted.json()["id"]}, "text": "Ben commented on “Boats”: Nice",
        "created_at": now, "read": False,
    }  # fmt: skip


async def test_the_inbox_is_listed_page_by_page_and_only_what_is_unread(scene: Scene) -> None:
    ada = await scene.person("ada")
    await tells(scene, ada, "evt_1", "evt_2", "evt_3")
    first = (await scene.call("GET", INBOX, params={"limit": 2}, by=ada)).json()
    rest = (await scene.call("GET", INBOX, params={"cursor": first["next_cursor"]}, by=ada)).json()
    assert [each["id"] for each in (*first["data"], *rest["data"])] == ["ntf_3", "ntf_2", "ntf_1"]
    assert [each["actor"] for each in rest["data"]] == [None]
    left = await scene.call("POST", f"{INBOX}/read", {"ids": ["ntf_2", "ntf_9"]}, by=ada)
    assert (left.status_code, left.json()) == (200, {"count": 2, "capped": False})
    unread = (await scene.call("GET", INBOX, params={"unread": "true"}, by=ada)).json()["data"]
    assert [each["id"] for each in unread] == ["ntf_3", "ntf_1"]
    both = {"unread": "true", "cursor": first["next_cursor"]}
    assert problem(await scene.call("GET", INBOX, params=both, by=ada)) == (400, "cursor_mismatch")
    assert problem(await scene.call("GET", INBOX, params={"cursor": "x"}, by=ada)) == (400, "invalid_cursor")
    assert (await scene.call("GET", INBOX, params={"unread": "maybe"}, by=ada)).status_code == 422
    assert (await scene.call("POST", f"{INBOX}/read", {"up_to": "ntf_3"}, by=ada)).json()["count"] == 0


async def test_what_is_unread_is_counted_up_to_a_cap(scene: Scene) -> None:
    ada = await scene.person("ada")
    await tells(scene, ada, *[f"evt_{each:03}" for each in range(100)])
    answer = await scene.call("GET", f"{INBOX}/unread-count", by=ada)
    assert (answer.status_code, answer.json()) == (200, {"count": 99, "capped": True})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "ids_or_up_to"),
        ({"ids": []}, "ids_or_up_to"),
        ({"ids": ["ntf_1"], "up_to": "ntf_1"}, "ids_or_up_to"),
        ({"ids": ["ntf_1"] * 1001}, "invalid"),
        ({"ids": "ntf_1"}, "invalid"),
    ],
)
async def test_marks_that_are_refused(scene: Scene, body: dict[str, Any], code: str) -> None:
    ada = await scene.person("ada")
    assert problem(await scene.call("POST", f"{INBOX}/read", body, by=ada)) == (422, code)


async def test_settings_name_every_kind_and_change_those_that_are_named(scene: Scene) -> None:
    ada = await scene.person("ada")
    all_on = dict.fromkeys([kind.value for kind in Kind], True)
    assert (await scene.call("GET", SETTINGS, by=ada)).json() == all_on
    changed = await scene.call("PUT", SETTINGS, {"comment": False, "reply": True}, by=ada)
    assert (changed.status_code, changed.json()) == (200, all_on | {"comment": False})
    assert (await scene.call("GET", SETTINGS, by=ada)).json() == all_on | {"comment": False}
    await tells(scene, ada, "evt_1")
    assert (await scene.call("GET", INBOX, by=ada)).json()["data"] == []
    refused: list[object] = [{"comments": False}, {"comment": "no"}, []]
    for wrong in refused:
        assert problem(await scene.call("PUT", SETTINGS, wrong, by=ada)) == (422, "invalid")


async def test_the_inbox_is_ones_own(scene: Scene) -> None:
    for method, path, body in (
        ("GET", INBOX, None),
        ("GET", f"{INBOX}/unread-count", None),
        ("POST", f"{INBOX}/read", {"up_to": "ntf_1"}),
        ("GET", SETTINGS, None),
        ("PUT", SETTINGS, {}),
        ("GET", STREAM, None),
    ):
        assert problem(await scene.call(method, path, body)) == (401, "unauthenticated")


# --- the stream ----------------------------------------------------------------------------------


async def notification(source: EventSource) -> Any:
    """The next one, whose id must be the event's."""
    block = await source.block()
    assert block["event"] == "notification"
    data = json.loads(block["data"])
    assert block["id"] == data["id"]
    return data


def listeners(scene: Scene) -> Any:
    return scene.core.adapters.live()._listeners


async def test_the_stream_shows_what_comes(scene: Scene) -> None:
    """From when the answer begins: a client does something then, and wants to hear of that."""
    ada, ben = await scene.person("ada"), await scene.person("ben")
    async with connected(scene, STREAM, **ada.headers) as source:
        assert set(listeners(scene)) == {ada.id}
        assert source.status == 200
        assert source.headers["content-type"].startswith("text/event-stream")
        assert source.headers["cache-control"] == "no-store"
        assert await source.block() == {"retry": "3000"}
        await tells(scene, ada, "evt_1", actor=ben)
        shown = await notification(source)
    assert shown == (await scene.call("GET", INBOX, by=ada)).json()["data"][0]


async def test_a_client_that_comes_back_gets_what_it_missed_once(scene: Scene) -> None:
    """By header as EventSource sends it, or by query the first time; and what is told meanwhile is not doubled."""
    ada = await scene.person("ada")
    await tells(scene, ada, *[f"evt_{each:03}" for each in range(150)])
    for query, headers in (("", {"Last-Event-ID": "ntf_009"}), ("last_event_id=ntf_009", {})):
        async with connected(scene, STREAM, query, **ada.headers, **headers) as source:
            await source.block()
            shown = [(await notification(source))["id"]]
            extra = f"evt_2{len(query):02}"
            await tells(scene, ada, extra)
            while shown[-1] != extra.replace("evt", "ntf"):
                shown.append((await notification(source))["id"])
            assert len(shown) == len(set(shown))
            assert shown[:140] == [f"ntf_{each:03}" for each in range(10, 150)]


async def test_nothing_listens_any_more_when_the_client_is_gone(scene: Scene) -> None:
    ada = await scene.person("ada")
    async with connected(scene, STREAM, **ada.headers):
        assert set(listeners(scene)) == {ada.id}
    for _ in range(5):  # turns of the loop in which the stream is closed
        await asyncio.sleep(0)
    assert listeners(scene) == {}


async def test_the_stream_ends_when_the_process_stops(scene: Scene) -> None:
    ada = await scene.person("ada")
    async with connected(scene, STREAM, **ada.headers) as source:
        await source.block()
        scene.core.adapters.live().close()
        assert await source.ended()


async def test_the_token_may_stand_in_the_query_and_is_never_logged(scene: Scene) -> None:
    ada = await scene.person("ada")
    token = ada.headers["Authorization"].removeprefix("Bearer ")
    with structlog.testing.capture_logs() as logs:
        async with connected(scene, STREAM, f"access_token={token}") as source:
            assert source.status == 200
            await source.block()
    assert [each["path"] for each in logs] == [STREAM]
    assert token not in repr(logs)
    for garbled in ("x", "\u00d7}"):
        assert problem(await scene.call("GET", STREAM, params={"access_token": garbled})) == (401, "invalid_token")
    for path in (INBOX, f"{INBOX}/unread-count", "/v1/me"):
        elsewhere = await scene.call("GET", path, params={"access_token": token})
        assert problem(elsewhere) == (401, "unauthenticated")


@asynccontextmanager
async def cards(
    coming: "asyncio.Queue[NotificationCard]",
) -> AsyncIterator[AsyncGenerator[NotificationCard, None]]:
    async def told() -> AsyncGenerator[NotificationCard, None]:
        while True:
            yield await coming.get()

    yield told()


def card(event: str) -> NotificationCard:
    return NotificationCard(notice(event).to(UserId("usr_1")), None)


async def test_a_silent_stream_sends_a_comment_now_and_then() -> None:
    coming: asyncio.Queue[NotificationCard] = asyncio.Queue()
    stream = server_sent(cards(coming), 3, heartbeat_s=0)
    assert await anext(stream) == b"retry: 3000\n\n"
    assert [await anext(stream) for _ in range(2)] == [b": still here\n\n"] * 2
    coming.put_nowait(card("evt_1"))
    while (sent := await anext(stream)).startswith(b":"):
        continue
    assert sent.startswith(b"id: ntf_1\nevent: notification\ndata: {")
    await stream.aclose()


async def test_a_late_notification_does_not_move_the_clients_last_id_back() -> None:
    coming: asyncio.Queue[NotificationCard] = asyncio.Queue()
    stream = server_sent(cards(coming), 3)
    await anext(stream)
    for event in ("evt_2", "evt_1", "evt_3"):
        coming.put_nowait(card(event))
    first = [(await anext(stream)).partition(b"\n")[0] for _ in range(3)]
    assert first == [b"id: ntf_2", b"event: notification", b"id: ntf_3"]
    await stream.aclose()


async def test_a_stream_that_is_over_ends() -> None:
    async def over() -> AsyncGenerator[NotificationCard, None]:
        yield card("evt_1")

    sent = [chunk async for chunk in server_sent(nullcontext(over()), 3)]
    assert [chunk.partition(b":")[0] for chunk in sent] == [b"retry", b"id"]
