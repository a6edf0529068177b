"""Sign-ins that browsers keep: the refresh token is in a cookie, in front of the identity provider of every family."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from http.cookies import Morsel, SimpleCookie

import httpx
import pytest
from dependency_injector.providers import Object

from tests.entrypoints.scenes import PASSWORD, PUBLIC_URL, Scene, opened, problem
from tests.identities import IDENTITIES, Identity, Opener

ADA, HTTPS = "ada@example.org", "https://hexcast.test"
WANTED = {"email": ADA, "password": PASSWORD, "session": "cookie"}
NAME, PLAIN_NAME = "__Secure-hexcast_refresh", "hexcast_refresh"
MONTH_S = 30 * 24 * 3600


@pytest.fixture(params=[opener for _, opener in IDENTITIES], ids=[family for family, _ in IDENTITIES])
async def identity(request: pytest.FixtureRequest) -> AsyncIterator[Identity]:
    opener: Opener = request.param
    async with opener() as opened:
        await opened.accounts.sign_up(ADA, PASSWORD, "ada")
        await opened.accounts.confirm(ADA, await opened.sent_code(ADA))
        yield opened


@pytest.fixture
async def browser(identity: Identity) -> AsyncIterator[Scene]:
    """Its HTTP client keeps cookies, and sends them where they are meant for."""
    async with opened(public_url=HTTPS) as scene:
        scene.core.adapters.accounts.override(Object(identity.accounts))
        yield scene


@pytest.fixture
async def person(browser: Scene) -> Scene:
    """Someone who signed in."""
    assert (await browser.call("POST", "/v1/auth/sign-in", WANTED)).status_code == 200
    return browser


def given(answer: httpx.Response) -> "Morsel[str]":
    """The cookie of an answer, of which there must be one."""
    (line,) = answer.headers.get_list("set-cookie")
    (morsel,) = SimpleCookie(line).values()
    return morsel


def removed(answer: httpx.Response) -> bool:
    cookie = given(answer)
    return (cookie.key, cookie.value, cookie["path"], cookie["max-age"]) == (NAME, "", "/v1/auth", "0")


async def refresh(scene: Scene, token: str | None = None, **headers: str) -> httpx.Response:
    """With the cookie that the client has, or the one given."""
    if token is not None:
        scene.http.cookies.clear()
        headers["cookie"] = f"{NAME}={token}"
    return await scene.http.post("/v1/auth/refresh", headers=headers)


async def test_the_token_is_out_of_reach(browser: Scene) -> None:
    answer = await browser.call("POST", "/v1/auth/sign-in", WANTED)
    tokens, cookie = answer.json(), given(answer)
    assert tokens.pop("refresh_token") is None
    assert set(tokens) == {"access_token", "id_token", "expires_in_s", "token_type"}
    assert cookie.key == NAME
    assert len(cookie.value) > 20
    assert cookie.value not in answer.text
    assert (cookie["path"], cookie["samesite"].lower(), cookie["max-age"]) == ("/v1/auth", "strict", str(MONTH_S))
    assert cookie["secure"]
    assert cookie["httponly"]
    assert cookie["domain"] == ""
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-credentials" not in answer.headers


async def test_without_being_asked_for_it_is_in_the_answer(browser: Scene) -> None:
    for session in ({}, {"session": "token"}):
        answer = await browser.call("POST", "/v1/auth/sign-in", {"email": ADA, "password": PASSWORD} | session)
        assert answer.json()["refresh_token"]
        assert "set-cookie" not in answer.headers
    wrong = await browser.call("POST", "/v1/auth/sign-in", WANTED | {"session": "jar"})
    assert problem(wrong) == (422, "invalid")


async def test_a_refresh_takes_the_cookie_and_gives_another(person: Scene) -> None:
    first = person.http.cookies[NAME]
    empty: dict[str, str] = {}
    for body in (None, empty):
        answer = await person.call("POST", "/v1/auth/refresh", body)
        assert answer.status_code == 200
        assert answer.json()["refresh_token"] is None
        assert answer.json()["access_token"]
        assert given(answer)["max-age"] == str(MONTH_S)
    assert person.http.cookies[NAME] != first


async def test_two_tabs_at_once_stay_signed_in(person: Scene) -> None:
    """Both show the same token; each answer's cookie is good, and so is one that was overtaken, for a while."""
    token = person.http.cookies[NAME]
    answers = await asyncio.gather(refresh(person, token), refresh(person, token), refresh(person, token))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    for answer in [*answers, answers[0]]:
        assert (await refresh(person, given(answer).value)).status_code == 200


async def test_a_spent_token_used_late_ends_the_sign_in_and_the_cookie_goes(identity: Identity, person: Scene) -> None:
    stolen = person.http.cookies[NAME]
    kept = given(await refresh(person, stolen)).value
    identity.clock.advance(timedelta(seconds=31))
    for token in (stolen, kept):
        refused = await refresh(person, token)
        assert problem(refused) == (401, "invalid_refresh_token")
        assert removed(refused)
        assert refused.headers["cache-control"] == "no-store"
        assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_a_sign_in_is_over_with_its_30_days(identity: Identity, person: Scene) -> None:
    identity.clock.advance(timedelta(days=30))
    refused = await refresh(person)
    assert problem(refused) == (401, "invalid_refresh_token")
    assert removed(refused)


async def test_without_a_cookie_one_is_not_signed_in(browser: Scene) -> None:
    assert problem(await refresh(browser)) == (401, "invalid_refresh_token")
    assert problem(await refresh(browser, "made-up")) == (401, "invalid_refresh_token")
    out = await browser.http.post("/v1/auth/sign-out")
    assert (out.status_code, out.content) == (204, b"")


async def test_signing_out_ends_the_sign_in_and_the_cookie_goes(identity: Identity, person: Scene) -> None:
    token = person.http.cookies[NAME]
    elsewhere = await identity.accounts.sign_in(ADA, PASSWORD)
    out = await person.http.post("/v1/auth/sign-out")
    assert out.status_code == 204
    assert removed(out)
    assert NAME not in person.http.cookies
    assert problem(await refresh(person, token)) == (401, "invalid_refresh_token")
    await identity.accounts.refresh(elsewhere.refresh)


async def test_a_token_in_the_body_goes_before_the_cookie(identity: Identity, person: Scene) -> None:
    own = (await identity.accounts.sign_in(ADA, PASSWORD)).refresh
    answer = await person.call("POST", "/v1/auth/refresh", {"refresh_token": own})
    assert answer.json()["refresh_token"] not in (None, own)
    assert "set-cookie" not in answer.headers
    refused = await person.call("POST", "/v1/auth/refresh", {"refresh_token": ""})
    assert problem(refused) == (401, "invalid_refresh_token")
    assert "set-cookie" not in refused.headers
    out = await person.call("POST", "/v1/auth/sign-out", {"refresh_token": answer.json()["refresh_token"]})
    assert out.status_code == 204
    assert (await refresh(person)).status_code == 200


async def test_the_cookie_goes_to_sign_ins_only(person: Scene) -> None:
    sent = [person.http.build_request("GET", path) for path in ("/", "/v1/me", "/media/o/x", "/v1/auth/refresh")]
    for request in sent:
        person.http.cookies.set_cookie_header(request)
    assert [NAME in request.headers.get("cookie", "") for request in sent] == [False, False, False, True]


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "none"},
        {"origin": "https://evil.test"}, {"origin": "null"}, {"origin": "https://hexcast.test:8443"},
        {"sec-fetch-site": "cross-site", "origin": HTTPS},
    ],
)  # fmt: skip
async def test_pages_of_other_sites_are_refused(person: Scene, headers: dict[str, str]) -> None:
    token = person.http.cookies[NAME]
    bodies: dict[str, dict[str, str] | None] = {"refresh": None, "sign-out": {}, "sign-in": WANTED}
    for path, body in bodies.items():
        answer = await person.call("POST", f"/v1/auth/{path}", body, headers=headers)
        assert problem(answer) == (403, "cross_site")
        assert "set-cookie" not in answer.headers
    assert person.http.cookies[NAME] == token
    assert (await refresh(person)).status_code == 200
    credentials = {"email": ADA, "password": PASSWORD}
    assert (await person.call("POST", "/v1/auth/sign-in", credentials, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin", "origin": HTTPS}, {"origin": HTTPS},
        {"origin": "http://localhost:8000", "host": "localhost:8000"},
    ],
)  # fmt: skip
async def test_pages_of_this_site_are_not(person: Scene, headers: dict[str, str]) -> None:
    token = person.http.cookies[NAME]
    assert (await refresh(person, token, **headers)).status_code == 200


async def test_without_tls_the_cookie_says_so_by_its_name() -> None:
    async with opened(public_url=PUBLIC_URL) as scene:
        await scene.person("ada")
        cookie = given(await scene.call("POST", "/v1/auth/sign-in", WANTED))
        assert (cookie.key, bool(cookie["secure"])) == (PLAIN_NAME, False)
        assert cookie["httponly"]
        assert given(await scene.http.post("/v1/auth/refresh")).key == PLAIN_NAME
