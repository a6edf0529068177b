"""Every call to a table that a use case makes, made to fail at the wire: the use case succeeds all the same, or says that
it cannot be done now, and a second try leaves in the tables what one clean run would have left.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from attrs import frozen

from adapters.aws.dynamo import TRIES
from domain.channels import Channel
from domain.errors import Unavailable
from domain.ids import ChannelId, UserId, VideoId
from domain.media import MANIFEST, Media
from domain.processing import State
from domain.videos import Video, Visibility
from tests.cloud.faults import FAULTS, Fault, Rule, conflicted, failing, faults, refused
from tests.cloud.platform import Fails, Platform, opened

MEDIA = Media(attempt=1, manifest=MANIFEST, duration_s=60.0, width=640, height=360, renditions=(), has_audio=True)
SINGLE = {"PutItem", "UpdateItem", "DeleteItem"}
READS = {"GetItem", "BatchGetItem", "Query"}
LATER = timedelta(minutes=20)
"""Whoever claimed something and fell silent has lost it by then."""

Step = Callable[[Platform], Awaitable[str]]
"""Something that is done; the code of why it was not."""


def ask(method: str, path: str, body: Any = None, *, by: str = "ann", key: str = "") -> Step:
    async def step(platform: Platform) -> str:
        answer = await platform.ask(method, path, body, by=by, key=key)
        return "" if answer.is_success else str(answer.json()["code"])

    return step


async def deliver(platform: Platform) -> str:
    """What events set off. Those that failed come again, but later."""
    try:
        errors = await platform.deliver()
    except Unavailable as error:
        return error.code
    for failed in errors:
        assert isinstance(failed, Unavailable), failed
    return "database_busy" if errors else ""


# --- what is there before ------------------------------------------------------------------------

COMMENTS, REACTION = "/v1/videos/{video}/comments", "/v1/videos/{video}/reaction"
SUBSCRIPTION = "/v1/me/subscriptions/{channel}"
PLAY, BEAT = "/v1/videos/{video}/playback-sessions", "/v1/videos/{video}/views"

Before = Callable[[Platform], Awaitable[None]]


async def video(platform: Platform) -> None:
    """Of Ann's, that Ben may see."""
    user, now = UserId(platform.given["ann"]), platform.clock.now()
    platform.given |= {"channel": "chn_cats", "video": "vid_nap"}
    channel = Channel(id=ChannelId("chn_cats"), owner=user, handle="cats", name="Cats", created_at=now)
    await platform.adapters.channels().save(channel)
    draft = Video(
        id=VideoId("vid_nap"), channel=channel.id, uploader=user, title="A nap", media=MEDIA, state=State.READY, attempt=1,
        created_at=now,
    )  # fmt: skip
    shown, _ = draft.edit(now, visibility=Visibility.PUBLIC)
    await platform.adapters.videos().save(shown)


async def subscribed(platform: Platform) -> None:
    await platform.did("PUT", SUBSCRIPTION, {"notify": "all"}, by="ben")


async def liked(platform: Platform) -> None:
    await platform.did("PUT", REACTION, {"value": "like"}, by="ben")


async def said(platform: Platform) -> None:
    platform.given["comment"] = (await platform.did("POST", COMMENTS, {"text": "Aww"}, by="ben"))["id"]


async def told(platform: Platform) -> None:
    """Ann, of a comment."""
    await said(platform)
    await settled(platform)
    (notification,) = (await platform.did("GET", "/v1/me/notifications"))["data"]
    platform.given["notification"] = notification["id"]


async def settled(platform: Platform) -> None:
    assert not await platform.deliver()


async def played(platform: Platform) -> None:
    platform.given["session"] = (await platform.did("POST", PLAY, by="ben"))["id"]


async def watched(platform: Platform) -> None:
    """Long enough to count."""
    await played(platform)
    for position in (0, 10, 20, 30):
        await platform.did("POST", BEAT, {"playback_session_id": "{session}", "position_s": position}, by="ben")
        platform.clock.advance(timedelta(seconds=10))


async def hidden(platform: Platform) -> None:
    await platform.did("PATCH", "/v1/videos/{video}", {"visibility": "private"})
    await settled(platform)


async def published(platform: Platform) -> None:
    await hidden(platform)
    await platform.did("PATCH", "/v1/videos/{video}", {"visibility": "public"})


async def removed(platform: Platform) -> None:
    await settled(platform)
    await platform.did("DELETE", "/v1/videos/{video}")


async def closed(platform: Platform) -> None:
    await settled(platform)
    await platform.did("DELETE", "/v1/channels/{channel}")


# --- what is done --------------------------------------------------------------------------------


@frozen
class Case:
    act: Step
    before: tuple[Before, ...] = ()
    again: tuple[str, ...] = ()
    """What a second try may say when the first was carried out."""


FIRST_COUNTS = ("idempotency_in_flight", "idempotency_answer_lost")
UPLOAD = {"channel_id": "{channel}", "filename": "nap.mp4", "content_type": "video/mp4", "size_bytes": 9}
CASES: Mapping[str, Case] = {
    "comment": Case(ask("POST", COMMENTS, {"text": "Aww"}, by="ben", key="k"), (video,), FIRST_COUNTS),
    "remove a comment": Case(ask("DELETE", "/v1/comments/{comment}", by="ben"), (video, said), ("not_found",)),
    "react": Case(ask("PUT", REACTION, {"value": "like"}, by="ben"), (video,)),
    "change a reaction": Case(ask("PUT", REACTION, {"value": "dislike"}, by="ben"), (video, liked)),
    "take a reaction back": Case(ask("DELETE", REACTION, by="ben"), (video, liked)),
    "subscribe": Case(ask("PUT", SUBSCRIPTION, {"notify": "all"}, by="ben"), (video,)),
    "unsubscribe": Case(ask("DELETE", SUBSCRIPTION, by="ben"), (video, subscribed)),
    "open a channel": Case(ask("POST", "/v1/channels", {"handle": "dogs", "name": "Dogs"}, key="k"), (), FIRST_COUNTS),
    "edit a profile": Case(ask("PATCH", "/v1/me", {"display_name": "Annie", "handle": "annie"})),
    "edit a video": Case(ask("PATCH", "/v1/videos/{video}", {"title": "Another nap"}), (video,)),
    "publish": Case(ask("PATCH", "/v1/videos/{video}", {"visibility": "public"}), (video, hidden)),
    "announce an upload": Case(ask("POST", "/v1/uploads", UPLOAD, key="k"), (video,), FIRST_COUNTS),
    "play": Case(ask("POST", PLAY, by="ben", key="k"), (video,), FIRST_COUNTS),
    "count a view": Case(
        ask("POST", BEAT, {"playback_session_id": "{session}", "position_s": 40}, by="ben"), (video, watched)
    ),
    "forget a video": Case(ask("DELETE", "/v1/me/history/{video}", by="ben"), (video, watched)),
    "forget the history": Case(ask("DELETE", "/v1/me/history", by="ben"), (video, watched)),
    "read": Case(ask("POST", "/v1/me/notifications/read", {"ids": ["{notification}"]}), (video, told)),
    "read all": Case(ask("POST", "/v1/me/notifications/read", {"up_to": "{notification}"}), (video, told)),
    "tell of a comment": Case(deliver, (video, said)),
    "tell of a video": Case(deliver, (video, subscribed, published)),
    "clear a video": Case(deliver, (video, said, liked, removed)),
    "clear a channel": Case(deliver, (video, subscribed, closed)),
}
EXAMPLES = {
    "GetItem": "react", "BatchGetItem": "comment", "Query": "read", "PutItem": "comment", "UpdateItem": "comment",
    "DeleteItem": "forget a video", "TransactWriteItems": "react", "BatchWriteItem": "read",
}  # fmt: skip
"""For every operation a case that calls it."""


@pytest.fixture(scope="module")
async def platform() -> AsyncIterator[Platform]:
    with failing() as at:
        async with opened(at) as platform:
            yield platform


async def run(platform: Platform, case: Case, fails: Fails | None = None) -> tuple[Counter[str], list[str]]:
    """What is held in the end, and the calls that were made by the first try."""
    await platform.begin_anew()
    for step in case.before:
        await step(platform)
    platform.begin(fails)
    code = await case.act(platform)
    made = platform.stop()
    if fails is None:
        assert not code, code
        return await platform.held(), made
    assert fails.operation in platform.calls.failing.fired()
    assert code in {"", "database_busy"}, code
    if code or case.act is deliver:
        again = await case.act(platform)
        if again in {"idempotency_in_flight", "database_busy"} or case.act is deliver:
            platform.clock.advance(LATER)
            again = await case.act(platform)
        assert again in {"", *case.again}, again
    return await platform.held(), made


clean: dict[str, tuple[Counter[str], list[str]]] = {}
"""What comes of a case where nothing fails."""


async def expected(platform: Platform, name: str) -> tuple[Counter[str], list[str]]:
    if name not in clean:
        clean[name] = await run(platform, CASES[name])
    return clean[name]


async def check(platform: Platform, name: str, fails: Fails) -> None:
    wanted, _ = await expected(platform, name)
    held, _ = await run(platform, CASES[name], fails)
    assert (held - wanted, wanted - held) == (Counter(), Counter()), f"{name}: {fails}"


@faults("dynamodb", *EXAMPLES)
async def test_an_operation_withstands_every_fault(platform: Platform, fault: Fault, operation: str) -> None:
    """The first of its kind that a use case makes."""
    await check(platform, EXAMPLES[operation], Fails(operation, 1, partial(_befallen, fault, operation)))


def _befallen(fault: Fault, operation: str, _: Any) -> Rule:
    return fault.rule("dynamodb", operation)


def _conflict(times: int, place: int, given: Any) -> Rule:
    writes = len(given["TransactItems"])
    return conflicted(writes, at=place % writes, times=times)


def _met(operation: str, times: int, _: Any) -> Rule:
    return refused("dynamodb", operation, "TransactionConflictException", times=times)


def ways(operation: str, number: int) -> Sequence[Fails]:
    """In which a call is made to fail: what only reads, in one."""
    befallen = [FAULTS["broken"]] if operation in READS else [FAULTS["lost"], FAULTS["sent again"]]
    rules: list[Callable[[Any], Rule]] = [partial(_befallen, fault, operation) for fault in befallen]
    if operation == "TransactWriteItems":
        rules += [partial(_conflict, times, place) for times, place in ((1, 0), (1, -1), (TRIES, 0))]
    if operation in SINGLE:
        rules.append(partial(_met, operation, 1))
    return [Fails(operation, number, rule) for rule in rules]


@pytest.mark.parametrize("name", CASES)
async def test_whichever_call_fails_nothing_is_doubled_and_nothing_lost(platform: Platform, name: str) -> None:
    """Of reads the first of each kind, and of a request those that follow a write: it was carried out by then."""
    _, made = await expected(platform, name)
    numbers = Counter[str]()
    for at, operation in enumerate(made):
        numbers[operation] += 1
        done = CASES[name].act is not deliver and not READS.issuperset(made[:at])
        if operation in READS and numbers[operation] > 1 and not done:
            continue
        for fails in ways(operation, numbers[operation]):
            await check(platform, name, fails)
