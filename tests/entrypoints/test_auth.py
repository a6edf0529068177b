"""What gets past the door and what does not."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import cast

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import RSAKey

from adapters.inmemory.identity import InMemoryKeys
from application.ports import Keys
from domain.access import Actor, Role
from domain.errors import DomainError, Unauthenticated, Unavailable
from domain.ids import UserId
from entrypoints.http import auth
from entrypoints.http.auth import KEYS_AGE, LEEWAY, REFETCH_LEAST, TokenVerifier, bearer
from tests.identities import CLIENT, ISSUER, signing_keys
from tests.worlds import FakeClock

ANN = Actor(UserId("usr_ann"), frozenset({Role.USER}))
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
INVALID, EXPIRED = (Unauthenticated, "invalid_token"), (Unauthenticated, "token_expired")
UNAVAILABLE = (Unavailable, "unavailable")


@cache
def other_keys() -> InMemoryKeys:
    return InMemoryKeys()


@define
class Source:
    """Keys that can be replaced and become unreachable, and that count who asks. A ``gate`` holds answers back;
    ``waiting`` tells that someone stands before it.
    """

    keys: Keys
    reachable: bool = True
    asked: int = 0
    gate: asyncio.Event | None = None
    waiting: asyncio.Event = field(factory=asyncio.Event)

    async def jwks(self) -> Mapping[str, object]:
        self.asked += 1
        if self.gate is not None:
            self.waiting.set()
            await self.gate.wait()
        if not self.reachable:
            raise Unavailable("no answer")
        return await self.keys.jwks()


@pytest.fixture
def source() -> Source:
    return Source(signing_keys())


@pytest.fixture
def verifier(source: Source, clock: FakeClock) -> TokenVerifier:
    return TokenVerifier(keys=source, issuer=ISSUER, client_ids=[CLIENT, "hexcast-cli"], now=clock.now)


def said(clock: FakeClock, **others: object) -> dict[str, object]:
    """The claims of a good access token, but for ``others``; None leaves one out."""
    now = int(clock.now().timestamp())
    claims = {
        "sub": "usr_ann", "iss": ISSUER, "client_id": CLIENT, "token_use": "access", "username": "usr_ann",
        "scope": "aws.cognito.signin.user.admin", "auth_time": now, "iat": now, "exp": now + 3600,
    }  # fmt: skip
    return {name: value for name, value in {**claims, **others}.items() if value is not None}


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def unsigned(header: object, claims: object) -> str:
    return ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))


async def kids(keys: Keys) -> Sequence[str]:
    return [key["kid"] for key in cast(Sequence[Mapping[str, str]], (await keys.jwks())["keys"])]


async def refusal(verifier: TokenVerifier, token: str) -> tuple[type[DomainError], str]:
    with pytest.raises(DomainError) as refused:
        await verifier.actor(token)
    return type(refused.value), refused.value.code


# --- the header


@pytest.mark.parametrize("header", ["Bearer a.b-c_d.e", "bearer a.b-c_d.e", "BEARER   a.b-c_d.e "])
def test_a_bearer_header_gives_its_token(header: str) -> None:
    assert bearer(header) == "a.b-c_d.e"


def test_no_header_gives_no_token() -> None:
    assert bearer(None) is None


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "a.b.c", "Bearer a.b.c d", "Bearera.b.c"]
)
def test_any_other_header_is_refused(header: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        bearer(header)
    assert refused.value.code == "invalid_token"


# --- tokens


async def test_a_good_token_gives_its_actor(verifier: TokenVerifier, clock: FakeClock) -> None:
    token = await signing_keys().sign(said(clock))
    assert await verifier.actor(token) == ANN
    assert await verifier.actor(token) == ANN


async def test_any_of_our_clients_may_ask(verifier: TokenVerifier, clock: FakeClock) -> None:
    assert await verifier.actor(await signing_keys().sign(said(clock, client_id="hexcast-cli"))) == ANN


async def test_groups_give_roles_and_unknown_ones_give_none(verifier: TokenVerifier, clock: FakeClock) -> None:
    groups = {"cognito:groups": ["admin", "eu-west-1_pool_Google", "user"]}
    actor = await verifier.actor(await signing_keys().sign(said(clock, **groups)))
    assert actor.roles == {Role.USER, Role.ADMIN}


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.test"},
        {"iss": f"{ISSUER}/"},
        {"iss": None},
        {"client_id": "foreign"},
        {"client_id": None},
        {"client_id": [CLIENT]},
        {"client_id": None, "aud": CLIENT},
        {"sub": None},
        {"sub": 7},
        {"exp": None},
        {"exp": "4102444800"},
    ],
)
async def test_claims_that_are_not_ours_are_refused(
    verifier: TokenVerifier, clock: FakeClock, claims: Mapping[str, object]
) -> None:
    assert await refusal(verifier, await signing_keys().sign(said(clock, **claims))) == INVALID


async def test_an_id_token_is_refused_whatever_else_it_says(verifier: TokenVerifier, clock: FakeClock) -> None:
    assert await refusal(verifier, await signing_keys().sign(said(clock, token_use="id"))) == INVALID


async def test_a_tampered_token_is_refused_even_when_the_genuine_one_is_known(
    verifier: TokenVerifier, clock: FakeClock
) -> None:
    token = await signing_keys().sign(said(clock))
    await verifier.actor(token)
    header, _, signature = token.split(".")
    payload = encoded(json.dumps(said(clock, sub="usr_bob")).encode())
    assert await refusal(verifier, f"{header}.{payload}.{signature}") == INVALID
    flipped = "A" if signature[10] != "A" else "B"
    assert await refusal(verifier, f"{token[: -len(signature)]}{signature[:10]}{flipped}{signature[11:]}") == INVALID
    assert await refusal(verifier, token[: -len(signature)]) == INVALID


@pytest.mark.parametrize("alg", ["none", "nOnE", "NONE", "", "RS384", "PS256", None, 1, ["RS256"]])
async def test_other_algorithms_are_refused(verifier: TokenVerifier, clock: FakeClock, alg: object) -> None:
    kid, _ = await kids(signing_keys())
    signature = (await signing_keys().sign(said(clock))).split(".")[2]
    start = unsigned({"alg": alg, "kid": kid}, said(clock))
    assert await refusal(verifier, f"{start}.") == INVALID
    assert await refusal(verifier, f"{start}.{signature}") == INVALID


async def test_the_public_key_is_no_shared_secret(verifier: TokenVerifier, clock: FakeClock) -> None:
    """The oldest trick: sign with HS256, with what everyone can read as the secret."""
    document = cast(Sequence[Mapping[str, str]], (await signing_keys().jwks())["keys"])[0]
    start = unsigned({"alg": "HS256", "kid": document["kid"]}, said(clock))
    pem = RSAKey.import_key(dict(document)).as_pem(private=False)
    for secret in (pem, pem.strip(), document["n"].encode(), json.dumps(document).encode()):
        signature = encoded(hmac.digest(secret, start.encode(), hashlib.sha256))
        assert await refusal(verifier, f"{start}.{signature}") == INVALID


async def test_a_key_that_a_token_brings_along_counts_for_nothing(verifier: TokenVerifier, clock: FakeClock) -> None:
    stranger = RSAKey.generate_key(2048)
    kid, _ = await kids(signing_keys())
    headers: list[Mapping[str, object]] = [
        {"alg": "RS256", "kid": kid, "jwk": stranger.as_dict(private=False)},
        {"alg": "RS256", "kid": kid, "jku": "https://elsewhere.test/jwks.json"},
        {"alg": "RS256", "kid": kid},
    ]
    for header in headers:
        token = jws.serialize_compact(dict(header), json.dumps(said(clock)), stranger, algorithms=["RS256"])
        assert await refusal(verifier, token) == INVALID


async def test_a_known_kid_must_be_the_one_that_signed(verifier: TokenVerifier, clock: FakeClock) -> None:
    _, other = await kids(signing_keys())
    _, payload, signature = (await signing_keys().sign(said(clock))).split(".")
    header = encoded(json.dumps({"alg": "RS256", "kid": other}).encode())
    assert await refusal(verifier, f"{header}.{payload}.{signature}") == INVALID


@pytest.mark.parametrize(
    "header",
    [
        ["alg", "kid"], "alg", 1, None, {}, {"alg": "RS256"}, {"alg": "RS256", "kid": None}, {"alg": "RS256", "kid": {}},
        {"alg": "RS256", "kid": "KID", "crit": 1}, {"alg": "RS256", "kid": "KID", "crit": ["exp"]},
        {"alg": "RS256", "kid": "KID", "crit": [{}]}, {"alg": "RS256", "kid": "KID", "b64": False, "crit": ["b64"]},
        {"alg": "RS256", "kid": "KID", "typ": 1}, {"alg": "RS256", "kid": "KID", "x5c": "no"},
    ],
)  # fmt: skip
async def test_odd_headers_are_refused(verifier: TokenVerifier, clock: FakeClock, header: object) -> None:
    kid, _ = await kids(signing_keys())
    text = json.dumps(header).replace("KID", kid)
    _, payload, signature = (await signing_keys().sign(said(clock))).split(".")
    assert await refusal(verifier, f"{encoded(text.encode())}.{payload}.{signature}") == INVALID


SEGMENTS = st.text("abcXYZ019-_=+/.é \x00", max_size=12) | st.binary(max_size=24).map(encoded)


@given(st.text(max_size=40) | st.lists(SEGMENTS, max_size=5).map(".".join))
def test_nothing_else_than_refused_happens_to_nonsense(token: str) -> None:
    verifier = TokenVerifier(keys=signing_keys(), issuer=ISSUER, client_ids=[CLIENT], now=FakeClock().now)
    with asyncio.Runner() as runner:
        assert runner.run(refusal(verifier, token)) == INVALID


@pytest.mark.parametrize(
    "token", ["a" * 9000, "[" * 8000, "..", f"{encoded(b'[' * 380)}.e30.AA", f"{encoded(b'{' * 380)}.e30.AA"]
)
async def test_long_or_deep_nonsense_is_refused(verifier: TokenVerifier, token: str) -> None:
    assert await refusal(verifier, token) == INVALID


# --- time


async def test_a_token_is_over_when_it_says_so_give_or_take_the_clocks(
    verifier: TokenVerifier, clock: FakeClock
) -> None:
    assert timedelta() <= LEEWAY <= timedelta(seconds=60)
    token, unseen = await signing_keys().sign(said(clock)), await signing_keys().sign(said(clock, jti="2"))
    assert await verifier.actor(token) == ANN
    clock.advance(HOUR + LEEWAY - SECOND)
    assert await verifier.actor(token) == ANN
    clock.advance(SECOND)
    assert await refusal(verifier, token) == EXPIRED
    assert await refusal(verifier, token) == EXPIRED
    assert await refusal(verifier, unseen) == EXPIRED


async def test_whose_tokens_are_over_hears_it_only_if_they_were_good(verifier: TokenVerifier, clock: FakeClock) -> None:
    over = int((clock.now() - HOUR).timestamp())
    assert await refusal(verifier, await signing_keys().sign(said(clock, exp=over))) == EXPIRED
    assert await refusal(verifier, await signing_keys().sign(said(clock, exp=over, client_id="foreign"))) == INVALID


# --- remembering


async def test_no_more_tokens_are_remembered_than_there_is_room_for(
    verifier: TokenVerifier, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those used longest ago are forgotten first, and simply checked again."""
    monkeypatch.setattr(auth, "KNOWN_MOST", 2)
    tokens = [await signing_keys().sign(said(clock, jti=str(number))) for number in range(3)]
    for token in (tokens[0], tokens[1], tokens[0], tokens[2]):
        await verifier.actor(token)
    assert list(verifier._known) == [tokens[0], tokens[2]]
    assert await verifier.actor(tokens[1]) == ANN


async def test_what_was_refused_or_is_over_is_not_remembered(verifier: TokenVerifier, clock: FakeClock) -> None:
    token = await signing_keys().sign(said(clock))
    await verifier.actor(token)
    clock.advance(2 * HOUR)
    assert await refusal(verifier, token) == EXPIRED
    assert await refusal(verifier, await signing_keys().sign(said(clock, iss="elsewhere"))) == INVALID
    assert not verifier._known


# --- keys


async def test_whoever_comes_while_keys_are_asked_for_waits_for_the_answer(
    verifier: TokenVerifier, source: Source, clock: FakeClock
) -> None:
    source.gate = asyncio.Event()
    tokens = [await signing_keys().sign(said(clock, jti=str(number))) for number in range(5)]
    asking = asyncio.gather(*(verifier.actor(token) for token in tokens))
    await source.waiting.wait()
    source.gate.set()
    assert await asking == [ANN] * 5
    assert source.asked == 1


async def test_a_token_by_a_new_key_makes_the_keys_be_asked_for_again(
    verifier: TokenVerifier, source: Source, clock: FakeClock
) -> None:
    old = await signing_keys().sign(said(clock))
    assert await verifier.actor(old) == ANN
    source.keys = other_keys()
    clock.advance(REFETCH_LEAST)
    assert await verifier.actor(await other_keys().sign(said(clock))) == ANN
    assert source.asked == 2
    assert await refusal(verifier, old) == INVALID  # withdrawn, and forgotten though it was known


async def test_unknown_keys_make_the_keys_be_asked_for_at_most_once_a_minute(
    verifier: TokenVerifier, source: Source, clock: FakeClock
) -> None:
    strange = [await other_keys().sign(said(clock, jti=str(number))) for number in range(3)]
    for token in strange:
        assert await refusal(verifier, token) == INVALID
    assert source.asked == 1
    clock.advance(REFETCH_LEAST - SECOND)
    assert await refusal(verifier, strange[0]) == INVALID
    assert source.asked == 1
    clock.advance(SECOND)
    for token in strange:
        assert await refusal(verifier, token) == INVALID
    assert source.asked == 2


async def test_keys_held_stay_good_while_the_issuer_is_out_of_reach(
    verifier: TokenVerifier, source: Source, clock: FakeClock
) -> None:
    await verifier.actor(await signing_keys().sign(said(clock)))
    source.reachable = False
    for _ in range(3):
        clock.advance(KEYS_AGE)
        assert await verifier.actor(await signing_keys().sign(said(clock))) == ANN
    assert source.asked == 4
    clock.advance(REFETCH_LEAST)
    # Whether this one is good cannot be known, so it is not called bad: its owner would be signed out.
    assert await refusal(verifier, await other_keys().sign(said(clock))) == UNAVAILABLE
    source.reachable, source.keys = True, other_keys()
    clock.advance(REFETCH_LEAST)
    assert await verifier.actor(await other_keys().sign(said(clock))) == ANN


async def test_without_any_keys_every_request_tries(verifier: TokenVerifier, source: Source, clock: FakeClock) -> None:
    """A failure at the very start must not last a minute."""
    token, source.reachable = await signing_keys().sign(said(clock)), False
    assert await refusal(verifier, token) == UNAVAILABLE
    source.reachable = True
    assert await verifier.actor(token) == ANN


async def test_keys_that_are_withdrawn_are_forgotten_after_hours(
    verifier: TokenVerifier, source: Source, clock: FakeClock
) -> None:
    await verifier.actor(await signing_keys().sign(said(clock)))
    source.keys = other_keys()
    clock.advance(KEYS_AGE - SECOND)
    assert await verifier.actor(await signing_keys().sign(said(clock))) == ANN
    clock.advance(SECOND)
    assert await refusal(verifier, await signing_keys().sign(said(clock))) == INVALID


async def test_nobody_with_a_known_key_waits_for_a_slow_issuer(
    verifier: TokenVerifier, source: Source, clock: FakeClock
) -> None:
    await verifier.actor(await signing_keys().sign(said(clock)))
    clock.advance(KEYS_AGE)
    source.gate = asyncio.Event()
    slow = asyncio.create_task(verifier.actor(await signing_keys().sign(said(clock))))
    await source.waiting.wait()
    assert await verifier.actor(await signing_keys().sign(said(clock, jti="2"))) == ANN
    source.gate.set()
    assert await slow == ANN
    assert source.asked == 2


async def test_one_who_gives_up_waiting_spoils_nothing(
    verifier: TokenVerifier, source: Source, clock: FakeClock
) -> None:
    source.gate = asyncio.Event()
    token = await signing_keys().sign(said(clock))
    gone = asyncio.create_task(verifier.actor(token))
    await source.waiting.wait()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    source.gate.set()
    assert await verifier.actor(token) == ANN
