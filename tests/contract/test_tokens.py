"""What stands in the tokens, who can check them, and what the keys look like to the world."""

import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
from joserfc import jws
from joserfc.jwk import KeySet, KeySetSerialization

from application.ports import Tokens
from domain.access import Actor, Role
from domain.errors import Unauthenticated
from domain.ids import UserId
from entrypoints.http.auth import LEEWAY, TokenVerifier
from tests.identities import IDENTITIES, Identity, Opener

ANN, PASSWORD = "ann@example.org", "correct horse battery"
Claims = Mapping[str, Any]


@pytest.fixture(params=[opener for _, opener in IDENTITIES], ids=[family for family, _ in IDENTITIES])
async def identity(request: pytest.FixtureRequest) -> AsyncIterator[Identity]:
    opener: Opener = request.param
    async with opener() as opened:
        yield opened


async def signed_up(identity: Identity) -> UserId:
    user = await identity.accounts.sign_up(ANN, PASSWORD, "ann")
    await identity.accounts.confirm(ANN, await identity.sent_code(ANN))
    return user


async def claims(identity: Identity, token: str) -> Claims:
    """What a token says, if one of the published keys signed it with RS256."""
    keys = KeySet.import_key_set(cast(KeySetSerialization, await identity.keys.jwks()))
    payload = jws.deserialize_compact(token, keys, algorithms=["RS256"]).payload
    return cast(Claims, json.loads(payload or b""))


def header(token: str) -> Claims:
    return jws.extract_compact(token.encode()).headers()


def verifier(identity: Identity) -> TokenVerifier:
    return TokenVerifier(
        keys=identity.keys, issuer=identity.issuer, client_ids=[identity.client_id], now=identity.clock.now
    )


async def test_access_tokens_say_what_cognitos_say(identity: Identity) -> None:
    user = await signed_up(identity)
    tokens = await identity.accounts.sign_in(ANN, PASSWORD)
    said, now = await claims(identity, tokens.access), int(identity.clock.now().timestamp())
    assert said == {
        "sub": user,
        "iss": identity.issuer,
        "client_id": identity.client_id,
        "token_use": "access",
        "scope": "aws.cognito.signin.user.admin",
        "username": user,
        "auth_time": now,
        "iat": now,
        "exp": now + tokens.expires_in_s,
        "jti": said["jti"],
        "origin_jti": said["origin_jti"],
    }


async def test_id_tokens_say_what_cognitos_say(identity: Identity) -> None:
    user = await signed_up(identity)
    tokens = await identity.accounts.sign_in(ANN, PASSWORD)
    said, now = await claims(identity, tokens.id), int(identity.clock.now().timestamp())
    assert said == {
        "sub": user,
        "iss": identity.issuer,
        "aud": identity.client_id,
        "token_use": "id",
        "cognito:username": user,
        "email": ANN,
        "email_verified": True,
        "auth_time": now,
        "iat": now,
        "exp": now + tokens.expires_in_s,
        "jti": said["jti"],
        "origin_jti": said["origin_jti"],
    }


async def test_every_token_has_a_name_and_those_of_one_sign_in_share_their_origin(identity: Identity) -> None:
    await signed_up(identity)
    first = await identity.accounts.sign_in(ANN, PASSWORD)
    second = await identity.accounts.refresh(first.refresh)
    other = await identity.accounts.sign_in(ANN, PASSWORD)

    async def said(tokens: Tokens) -> Sequence[Claims]:
        return [await claims(identity, token) for token in (tokens.access, tokens.id)]

    one_sign_in, another = [*await said(first), *await said(second)], await said(other)
    assert len({each["jti"] for each in (*one_sign_in, *another)}) == 6
    assert len({each["origin_jti"] for each in one_sign_in}) == 1
    assert one_sign_in[0]["origin_jti"] != another[0]["origin_jti"]


async def test_a_refresh_keeps_the_time_of_the_sign_in(identity: Identity) -> None:
    await signed_up(identity)
    tokens = await identity.accounts.sign_in(ANN, PASSWORD)
    began = int(identity.clock.now().timestamp())
    identity.clock.advance(timedelta(hours=2))
    said = await claims(identity, (await identity.accounts.refresh(tokens.refresh)).access)
    assert (said["auth_time"], said["iat"]) == (began, began + 7200)


@pytest.mark.parametrize(
    ("roles", "groups"),
    [
        (frozenset({Role.USER}), None),
        (frozenset({Role.USER, Role.MODERATOR}), ["moderator"]),
        (frozenset({Role.MODERATOR, Role.ADMIN}), ["admin", "moderator"]),
    ],
)
async def test_tokens_issued_after_a_grant_carry_it(
    identity: Identity, roles: frozenset[Role], groups: list[str] | None
) -> None:
    user = await signed_up(identity)
    before = await identity.accounts.sign_in(ANN, PASSWORD)
    await identity.accounts.grant(user, roles)
    after = await identity.accounts.refresh(before.refresh)
    for token in (after.access, after.id):
        said = (await claims(identity, token)).get("cognito:groups")
        assert (sorted(said) if said else None) == groups
    assert await verifier(identity).actor(before.access) == Actor(user, frozenset({Role.USER}))
    assert await verifier(identity).actor(after.access) == Actor(user, roles | {Role.USER})


async def test_access_and_id_tokens_are_signed_by_different_keys(identity: Identity) -> None:
    await signed_up(identity)
    tokens = await identity.accounts.sign_in(ANN, PASSWORD)
    used = [header(tokens.access), header(tokens.id)]
    assert [each["alg"] for each in used] == ["RS256", "RS256"]
    assert used[0]["kid"] != used[1]["kid"]
    published = cast(Sequence[Claims], (await identity.keys.jwks())["keys"])
    assert {each["kid"] for each in published} >= {each["kid"] for each in used}


async def test_the_published_keys_are_public_rsa_keys_to_verify_with(identity: Identity) -> None:
    document = await identity.keys.jwks()
    keys = cast(Sequence[Mapping[str, str]], document["keys"])
    assert len({key["kid"] for key in keys}) == len(keys) == 2
    for key in keys:
        assert set(key) == {"kty", "kid", "use", "alg", "n", "e"}  # and nothing private
        assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")
        assert len(base64.urlsafe_b64decode(key["n"] + "==")) == 256


async def test_an_access_token_is_good_for_as_long_as_it_says(identity: Identity) -> None:
    user = await signed_up(identity)
    tokens = await identity.accounts.sign_in(ANN, PASSWORD)
    check = verifier(identity)
    identity.clock.advance(timedelta(seconds=tokens.expires_in_s - 1))
    assert (await check.actor(tokens.access)).user == user
    identity.clock.advance(timedelta(seconds=1) + LEEWAY)
    with pytest.raises(Unauthenticated) as refused:
        await check.actor(tokens.access)
    assert refused.value.code == "token_expired"


async def test_an_id_token_opens_nothing(identity: Identity) -> None:
    await signed_up(identity)
    with pytest.raises(Unauthenticated) as refused:
        await verifier(identity).actor((await identity.accounts.sign_in(ANN, PASSWORD)).id)
    assert refused.value.code == "invalid_token"
