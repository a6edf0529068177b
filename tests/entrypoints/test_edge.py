"""What every request passes: its id, limits, kept answers, headers, log and counters."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import structlog
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.access import ANONYMOUS
from domain.engagement import Notify
from entrypoints.http.app import CONTROLLERS
from entrypoints.http.limits import CLIENTS_MOST, AnswerCache, Kept, RateLimit
from entrypoints.settings import Settings
from tests.entrypoints.platform import ORIGIN, Platform, open_platform
from tests.entrypoints.probes import Probes


@pytest.fixture
async def probed() -> AsyncIterator[Platform]:
    async with open_platform(controllers=[Probes]) as platform:
        yield platform


def limited(most: int) -> Settings:
    return Settings(profile="memory", rate_limit=most, public_url=ORIGIN)


# --- ids, headers, log, counters


async def test_a_sane_request_id_is_kept_and_any_other_is_made(platform: Platform) -> None:
    given_ = await platform.client.get("/healthz", headers={"x-request-id": "trace-1.a_B"})
    made = [await platform.client.get("/healthz", headers={"x-request-id": bad}) for bad in ("a b", "x" * 65, "")]
    assert given_.headers["x-request-id"] == "trace-1.a_B"
    assert len({each.headers["x-request-id"] for each in made}) == 3
    assert all(each.headers["x-request-id"].startswith("req_") for each in made)


@pytest.mark.parametrize("path", ["/healthz", "/v1/nothing", "/media/o/c/nothing", "/v1/meta"])
async def test_every_answer_is_armoured(platform: Platform, path: str) -> None:
    headers = (await platform.client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert len(headers.get_list("content-security-policy")) == 1


async def test_one_line_is_logged_a_request_without_secrets(platform: Platform) -> None:
    with structlog.testing.capture_logs() as lines:
        await platform.client.get("/v1/meta?secret=swordfish", headers={"x-request-id": "abc"})
        await platform.client.get("/media/g/swordfish/v/x/y")
        await platform.client.get("/healthz")
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("GET", "/v1/meta", 200),
        ("GET", "/media/g/…/v/x/y", 403),
    ]
    assert lines[0]["request_id"] == "abc"
    assert "swordfish" not in str(lines)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/media/o/v/vid_x/a1/hls/main.m3u8", "/media/o/v/vid_x/a1/hls/main.m3u8"),
        ("/media/g/swordfish/v/vid_x/a1/hls/main.m3u8", "/media/g/…/v/vid_x/a1/hls/main.m3u8"),
        ("/media/g/swordfish", "/media/g/…"),
        ("/media/in/swordfish", "/media/in/…"),
        ("/media/in/swordfish/more", "/media/in/…/more"),
        ("/media/G/swordfish/v", "/media/G/…/v"),
        ("//media/g/swordfish/v", "/media/g/…/v"),
        ("/media/o", "/media/o"),
        ("/v1/media/in/x", "/v1/media/in/x"),
    ],
)
async def test_logs_name_media_by_their_keys_and_never_a_token(platform: Platform, path: str, shown: str) -> None:
    with structlog.testing.capture_logs() as lines:
        await platform.client.put(f"{ORIGIN}{path}", content=b"x")
    assert [line["path"] for line in lines] == [shown]
    assert "swordfish" not in str(lines)


async def test_requests_are_counted_by_route(probed: Platform) -> None:
    for name in ("taken", "stale"):
        await probed.client.get(f"/v1/probes/errors/{name}")
    await probed.client.get("/v1/elsewhere")
    text = (await probed.client.get("/metrics")).text
    assert 'hexcast_requests_total{method="GET",route="/v1/probes/errors/{name}",status="409"} 2.0' in text
    assert 'route="unmatched",status="404"' in text
    assert 'hexcast_request_seconds_count{route="/v1/probes/errors/{name}"} 2.0' in text
    assert 'hexcast_request_seconds_bucket{le="+Inf",route="/v1/probes/errors/{name}"} 2.0' in text


async def test_whatever_is_asked_for_there_are_few_counters(probed: Platform) -> None:
    for name in ("one", "two", "three"):
        await probed.client.get(f"/media/{name}")
        await probed.client.request(name.upper(), "/v1/meta")
    counted = probed.metrics.requests
    assert counted["unmatched", "GET", 404] == 3
    assert {method for _, method, _ in counted} == {"GET", "other"}


async def test_head_is_get_without_a_body(probed: Platform) -> None:
    whole = await probed.client.get("/v1/probes/numbers")
    head = await probed.client.head("/v1/probes/numbers")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"] == str(len(whole.content))
    missing = await probed.client.head("/v1/probes/errors/not-found")
    assert (missing.status_code, missing.content) == (404, b"")


# --- other origins


async def test_other_origins_may_read_what_the_settings_allow() -> None:
    allowed = Settings(profile="memory", rate_limit=0, public_url=ORIGIN, cors_origins=("https://web.test",))
    async with open_platform(allowed) as platform:
        ours = await platform.client.get("/v1/meta", headers={"origin": "https://web.test"})
        theirs = await platform.client.get("/v1/meta", headers={"origin": "https://evil.test"})
        media = await platform.client.get("/media/o/c/x", headers={"origin": "https://evil.test"})
        preflight = await platform.client.options(
            "/v1/meta", headers={"origin": "https://web.test", "access-control-request-method": "PATCH"}
        )
    assert ours.headers["access-control-allow-origin"] == "https://web.test"
    assert "Origin" in ours.headers["vary"]
    assert "access-control-allow-origin" not in theirs.headers
    assert media.headers["access-control-allow-origin"] == "*"
    assert preflight.status_code == 204
    assert "PATCH" in preflight.headers["access-control-allow-methods"]
    assert "If-Match" in preflight.headers["access-control-allow-headers"]


async def test_what_the_player_asks_for_may_be_read_where_it_may_be_shown() -> None:
    """A frame that is locked in has no origin."""
    locked = {"origin": "null"}
    for ancestors, allowed in ((("https://a.test",), "*"), ((), None)):
        settings = Settings(profile="memory", rate_limit=0, public_url=ORIGIN, embed_ancestors=ancestors)
        async with open_platform(settings) as platform:
            for path in ("/v1/videos/vid_1", "/v1/videos/vid_1/captions", "/v1/streams/str_1"):
                answer = await platform.client.get(path, headers=locked)
                assert answer.headers.get("access-control-allow-origin") == allowed
            asked = {**locked, "access-control-request-method": "POST"}
            answer = await platform.client.options("/v1/videos/vid_1/playback-sessions", headers=asked)
            assert answer.headers.get("access-control-allow-origin") == allowed
            for path in ("/v1/videos", "/v1/videos/vid_1/comments", "/v1/me", "/v1/streams"):
                assert "access-control-allow-origin" not in (await platform.client.get(path, headers=locked)).headers


# --- rate limit


@pytest.mark.parametrize(("proxies", "left"), [(("127.0.0.0/8",), ["24", "24", "23"]), ((), ["24", "23", "22"])])
async def test_a_proxy_that_is_known_says_who_asks(proxies: tuple[str, ...], left: list[str]) -> None:
    """What others say of themselves is not believed."""
    async with open_platform(evolve(limited(25), proxies=proxies)) as platform:
        said = ["203.0.113.7", "203.0.113.8, 127.0.0.2", "6.6.6.6, 203.0.113.7"]
        answers = [await platform.client.get("/v1/meta", headers={"x-forwarded-for": each}) for each in said]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == left


async def test_clients_run_out_of_tokens_and_get_new_ones() -> None:
    async with open_platform(limited(25), [Probes]) as platform:
        for left in (15, 5):
            answer = await platform.client.post("/v1/probes/things", json={})
            assert answer.headers["ratelimit-remaining"] == str(left)
        refused = await platform.client.post("/v1/probes/things", json={})
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"]
        assert (await platform.client.get("/v1/meta")).headers["ratelimit-remaining"] == "4"
        platform.clock.advance(timedelta(seconds=int(refused.headers["retry-after"])))
        assert (await platform.client.post("/v1/probes/things", json={})).status_code == 201


async def test_signing_in_takes_most_and_machines_take_nothing() -> None:
    async with open_platform(limited(100)) as platform:
        for _ in range(150):
            assert (await platform.client.get("/healthz")).status_code == 200
        assert (await platform.client.post("/v1/auth/sign-in", json={})).headers["ratelimit-remaining"] == "40"
        assert (await platform.client.post("/v1/auth/sign-in", json={})).status_code == 429


@pytest.mark.parametrize("path", ["/v1//auth/sign-in", "//v1/auth/sign-in", "/v1/auth///sign-in"])
async def test_more_slashes_take_no_less(path: str) -> None:
    async with open_platform(limited(100)) as platform:
        answer = await platform.client.post(f"{ORIGIN}{path}", json={})
        assert answer.headers["ratelimit-remaining"] == "40"


@pytest.mark.parametrize(
    ("path", "cost"),
    [
        ("sign-up", 60), ("confirm", 60), ("resend-code", 60), ("sign-in", 60), ("forgot-password", 60),
        ("reset-password", 60), ("refresh", 10), ("sign-out", 10), ("sign-in/", 60), ("refresh/", 10),
    ],
)  # fmt: skip
async def test_what_can_be_guessed_with_or_sends_mail_takes_most(path: str, cost: int) -> None:
    async with open_platform(limited(100), CONTROLLERS) as platform:
        answer = await platform.client.post(f"/v1/auth/{path}", json=[])
        assert (answer.status_code, answer.headers["ratelimit-remaining"]) == (422, str(100 - cost))


async def test_users_do_not_share_tokens_with_their_address() -> None:
    async with open_platform(limited(60), [Probes]) as platform:
        ada, bob = await platform.person("ada"), await platform.person("bob")
        for _ in range(60):
            await platform.client.get("/v1/probes/mine", headers=dict(ada.headers))
        assert (await platform.client.get("/v1/probes/mine", headers=dict(ada.headers))).status_code == 429
        assert (await platform.client.get("/v1/probes/mine", headers=dict(bob.headers))).status_code == 200
        spoofed = {"x-forwarded-for": "203.0.113.9"}
        await platform.client.get("/v1/meta", headers=spoofed)
        assert (await platform.client.get("/v1/meta")).headers["ratelimit-remaining"] == "58"


def test_a_price_above_the_limit_can_still_be_paid() -> None:
    limit = RateLimit(5)
    assert limit.take("a", 5, 0).granted
    assert not limit.take("a", 1, 59).granted
    assert limit.take("a", 1, 60).granted


def test_clients_take_bounded_memory() -> None:
    limit = RateLimit(10)
    for number in range(CLIENTS_MOST + 10):
        limit.take(str(number), 1, 0)
    assert len(limit._spent) == CLIENTS_MOST


# --- kept answers


async def test_an_answer_is_kept_until_something_is_written(probed: Platform) -> None:
    ada = await probed.person("ada")
    card = await probed.channel(ada)
    path = f"/v1/probes/channels/{card.channel.id}"
    first, second = await probed.client.get(path), await probed.client.get(path)
    assert first.content == second.content
    assert first.headers["etag"] == second.headers["etag"]
    assert probed.metrics.kept == 1
    await probed.core.edit_channel()(ada.actor, card.channel.id, name="Pond")
    third = await probed.client.get(path)
    assert third.json()["name"] == "Pond"
    assert third.headers["etag"] != first.headers["etag"]
    assert probed.metrics.kept == 1


async def test_who_has_the_answer_is_told_so(probed: Platform) -> None:
    card = await probed.channel(await probed.person("ada"))
    path = f"/v1/probes/channels/{card.channel.id}"
    etag = (await probed.client.get(path)).headers["etag"]
    for wanted in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = await probed.client.get(path, headers={"if-none-match": wanted})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert (await probed.client.get(path, headers={"if-none-match": '"other"'})).status_code == 200
    probed.adapters.changes().note()
    assert (await probed.client.get(path, headers={"if-none-match": etag})).status_code == 304
    head = await probed.client.head(path)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", etag)


async def test_what_someone_signed_in_sees_is_not_kept(probed: Platform) -> None:
    ada = await probed.person("ada")
    card = await probed.channel(ada)
    path = f"/v1/probes/channels/{card.channel.id}"
    assert (await probed.client.get(path)).json()["viewer"] is None
    assert (await probed.client.get(path, headers=dict(ada.headers))).json()["viewer"] == ada.actor.user
    assert (await probed.client.get(path)).json()["viewer"] is None
    assert probed.metrics.kept == 1


async def test_refusals_and_answers_marked_so_are_not_kept(probed: Platform) -> None:
    before = Probes.tries
    fresh = [(await probed.client.get("/v1/probes/fresh")).status_code for _ in range(2)]
    missing = [(await probed.client.get("/v1/probes/channels/nope")).status_code for _ in range(2)]
    large = [len((await probed.client.get("/v1/probes/large")).content) for _ in range(2)]
    assert (fresh, missing, large) == ([200, 200], [404, 404], [2 * 1024 * 1024] * 2)
    assert probed.metrics.kept == 0
    assert Probes.tries - before == 2


async def test_queries_are_told_apart(probed: Platform) -> None:
    card = await probed.channel(await probed.person("ada"))
    path = f"/v1/probes/channels/{card.channel.id}"
    await probed.client.get(path)
    await probed.client.get(f"{path}?a=1")
    assert probed.metrics.kept == 0


async def test_an_answer_that_a_write_overtook_is_not_kept() -> None:
    count = 0
    cache = AnswerCache(lambda: count)
    begun = cache.count()
    count = 1
    cache.put("/a", b"", Kept((), b"old", None, "/a"), begun)
    assert cache.get("/a", b"") is None
    cache.put("/a", b"", Kept((), b"new", None, "/a"), cache.count())
    assert cache.get("/a", b"") is not None
    count = 2
    assert cache.get("/a", b"") is None


def test_the_answers_asked_for_longest_ago_go_first() -> None:
    cache = AnswerCache(lambda: 0, most=10_000)
    for name in ("/a", "/b"):
        cache.put(name, b"", Kept((), b"x" * 3000, None, name), 0)
    cache.get("/a", b"")
    cache.put("/c", b"", Kept((), b"x" * 3000, None, "/c"), 0)
    assert [cache.get(name, b"") is not None for name in ("/a", "/b", "/c")] == [True, False, True]


@settings(max_examples=40)
@given(steps=st.lists(st.sampled_from(["rename", "subscribe", "unsubscribe", "leap", "read", "race"]), max_size=25))
async def test_no_interleaving_of_reads_and_writes_gives_an_old_answer(steps: list[str]) -> None:
    async with open_platform(controllers=[Probes]) as platform:
        ada, bob = await platform.person("ada"), await platform.person("bob")
        channel = (await platform.channel(ada)).channel.id
        names = iter(range(1000))

        async def read() -> Any:
            return (await platform.client.get(f"/v1/probes/channels/{channel}")).json()

        async def rename() -> None:
            await platform.core.edit_channel()(ada.actor, channel, name=f"Name {next(names)}")

        for step in steps:
            match step:
                case "rename":
                    await rename()
                case "subscribe":
                    await platform.core.subscribe()(bob.actor, channel, Notify.ALL)
                case "unsubscribe":
                    await platform.core.unsubscribe()(bob.actor, channel)
                case "leap":
                    await platform.client.post("/v1/dev/clock/advance", json={"seconds": 1})
                case "race":
                    await asyncio.gather(read(), rename(), read(), platform.settle(), read())
            card = await platform.core.show_channel()(ANONYMOUS, channel)
            expected = {"name": card.channel.name, "subscribers": card.subscribers, "viewer": None}
            assert await read() == expected
            assert await read() == expected
