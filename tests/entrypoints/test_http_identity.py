"""Accounts over HTTP: signing up, in and out, and one's own profile."""

from datetime import timedelta

import pytest

from tests.entrypoints.scenes import PASSWORD, Scene, problem

ADA = {"email": "Ada@Example.org", "password": PASSWORD, "handle": "ada", "display_name": "Ada"}


async def test_sign_up_to_sign_in(scene: Scene) -> None:
    """The code from the mailbox confirms the account; then its password gives tokens."""
    signed_up = await scene.call("POST", "/v1/auth/sign-up", ADA)
    assert signed_up.status_code == 201
    assert signed_up.headers["location"] == "/v1/me"
    assert signed_up.headers["cache-control"] == "no-store"
    user = signed_up.json()["user_id"]
    assert signed_up.json() == {"user_id": user, "confirmation": "code_sent"}

    credentials = {"email": ADA["email"], "password": PASSWORD}
    assert problem(await scene.call("POST", "/v1/auth/sign-in", credentials)) == (403, "not_confirmed")
    wrong = await scene.call("POST", "/v1/auth/confirm", {"email": ADA["email"], "code": "000000x"})
    assert problem(wrong) == (422, "code_mismatch")
    code = await scene.code_for("ada@example.org")
    confirmed = await scene.call("POST", "/v1/auth/confirm", {"email": ADA["email"], "code": code})
    assert (confirmed.status_code, confirmed.content) == (204, b"")

    tokens = await scene.call("POST", "/v1/auth/sign-in", credentials)
    assert tokens.status_code == 200
    assert tokens.headers["cache-control"] == "no-store"
    assert set(tokens.json()) == {"access_token", "id_token", "refresh_token", "expires_in_s", "token_type"}
    assert tokens.json()["token_type"] == "Bearer"
    me = await scene.call("GET", "/v1/me", headers={"Authorization": f"Bearer {tokens.json()['access_token']}"})
    assert me.json()["id"] == user


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"email": "nobody"}, 422, "invalid_email"),
        ({"password": "short"}, 422, "invalid_password"),
        ({"handle": "a"}, 422, "invalid_handle"),
        ({"display_name": " "}, 422, "invalid"),
        ({"display_name": None}, 422, "invalid"),
        ({"handle": "ada", "email": "other@example.org"}, 409, "handle_taken"),
        ({"email": "ada@example.org", "handle": "other"}, 409, "email_taken"),
    ],
)
async def test_sign_ups_that_are_refused(scene: Scene, changed: dict[str, str], status: int, code: str) -> None:
    """When an account with this address and handle is there already."""
    await scene.person("ada")
    refused = await scene.call("POST", "/v1/auth/sign-up", ADA | changed)
    assert problem(refused) == (status, code)
    assert {each["field"] for each in refused.json()["errors"]} == {next(iter(changed))}


async def test_an_address_is_not_taken_over_before_it_is_confirmed(scene: Scene) -> None:
    """Who signs up last does not choose the password that the code confirms; a day later the address is free."""
    first = await scene.call("POST", "/v1/auth/sign-up", ADA)
    code = await scene.code_for("ada@example.org")
    theirs = ADA | {"password": "chosen by another", "handle": "mallory"}
    refused = await scene.call("POST", "/v1/auth/sign-up", theirs)
    assert problem(refused) == (409, "confirmation_pending")
    assert "ask for another" in refused.json()["detail"]
    assert await scene.code_for("ada@example.org") == code
    scene.clock.advance(timedelta(hours=24))
    await scene.core.expire_sign_ups()()
    again = await scene.call("POST", "/v1/auth/sign-up", ADA)
    assert again.status_code == 201
    assert again.json()["user_id"] != first.json()["user_id"]


async def test_a_code_that_is_over(scene: Scene) -> None:
    """A day later another one must be asked for; the answer is the same for addresses that nobody has."""
    await scene.call("POST", "/v1/auth/sign-up", ADA)
    code = await scene.code_for("ada@example.org")
    scene.clock.advance(timedelta(hours=25))
    late = await scene.call("POST", "/v1/auth/confirm", {"email": ADA["email"], "code": code})
    assert problem(late) == (422, "code_expired")
    for email in (ADA["email"], "nobody@example.org"):
        answer = await scene.call("POST", "/v1/auth/resend-code", {"email": email})
        assert (answer.status_code, answer.json()) == (202, {"confirmation": "code_sent"})
    fresh = await scene.code_for("ada@example.org")
    confirmed = await scene.call("POST", "/v1/auth/confirm", {"email": ADA["email"], "code": fresh})
    assert confirmed.status_code == 204
    assert problem(await scene.call("POST", "/v1/auth/resend-code", {"email": "?"})) == (422, "invalid_email")


async def test_wrong_credentials(scene: Scene) -> None:
    """Of a known and an unknown address look alike."""
    await scene.person("ada")
    for email in ("ada@example.org", "nobody@example.org"):
        answer = await scene.call("POST", "/v1/auth/sign-in", {"email": email, "password": "not this one"})
        assert problem(answer) == (401, "wrong_credentials")


async def test_too_many_wrong_passwords(scene: Scene) -> None:
    """Of a known and an unknown address look alike, and the answer says for how long."""
    await scene.person("ada")
    for email in ("ada@example.org", "nobody@example.org"):
        wrong = {"email": email, "password": "not this one"}
        for _ in range(5):
            assert problem(await scene.call("POST", "/v1/auth/sign-in", wrong)) == (401, "wrong_credentials")
        answer = await scene.call("POST", "/v1/auth/sign-in", wrong | {"password": PASSWORD})
        assert problem(answer) == (429, "too_many_tries")
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["detail"] == "too many wrong passwords; try again in 1 s"


async def test_refreshing_and_signing_out(scene: Scene) -> None:
    """A refresh gives other tokens; after signing out none is given."""
    await scene.person("ada")
    credentials = {"email": "ada@example.org", "password": PASSWORD}
    first = (await scene.call("POST", "/v1/auth/sign-in", credentials)).json()
    refreshed = await scene.call("POST", "/v1/auth/refresh", {"refresh_token": first["refresh_token"]})
    assert refreshed.status_code == 200
    assert set(refreshed.json()) == set(first)
    token = {"refresh_token": refreshed.json()["refresh_token"]}
    assert (await scene.call("POST", "/v1/auth/sign-out", token)).status_code == 204
    assert (await scene.call("POST", "/v1/auth/sign-out", token)).status_code == 204
    assert problem(await scene.call("POST", "/v1/auth/refresh", token)) == (401, "invalid_refresh_token")


async def test_a_forgotten_password(scene: Scene) -> None:
    """The code lets one choose another; the answer is the same for addresses that nobody has."""
    await scene.person("ada")
    for email in ("ada@example.org", "nobody@example.org"):
        answer = await scene.call("POST", "/v1/auth/forgot-password", {"email": email})
        assert (answer.status_code, answer.json()) == (202, {"confirmation": "code_sent"})
    reset = {"email": "ada@example.org", "code": await scene.code_for("ada@example.org"), "password": "a new password"}
    wrong = await scene.call("POST", "/v1/auth/reset-password", reset | {"code": "nonsense"})
    assert problem(wrong) == (422, "code_mismatch")
    short = await scene.call("POST", "/v1/auth/reset-password", reset | {"password": "x"})
    assert problem(short) == (422, "invalid_password")
    assert (await scene.call("POST", "/v1/auth/reset-password", reset)).status_code == 204
    old = {"email": "ada@example.org", "password": PASSWORD}
    assert problem(await scene.call("POST", "/v1/auth/sign-in", old)) == (401, "wrong_credentials")
    assert (await scene.call("POST", "/v1/auth/sign-in", old | {"password": "a new password"})).status_code == 200


async def test_ones_own_profile(scene: Scene) -> None:
    """Its shape, and its version as the ETag."""
    mod = await scene.person("mod")
    shown = await scene.call("GET", "/v1/me", by=mod)
    assert shown.status_code == 200
    assert shown.json() == {
        "id": mod.id,
        "handle": "mod",
        "display_name": "Mod",
        "email": "mod@example.org",
        "roles": ["moderator", "user"],
        "created_at": "2026-01-01T12:00:00Z",
        "version": 1,
    }
    assert shown.headers["etag"] == '"1"'
    assert problem(await scene.call("GET", "/v1/me")) == (401, "unauthenticated")
    bad = await scene.call("GET", "/v1/me", headers={"Authorization": "Bearer nonsense"})
    assert problem(bad) == (401, "invalid_token")


async def test_editing_ones_profile(scene: Scene) -> None:
    """What is left out stays; what nobody knows is ignored; another version is refused."""
    ada, bob = await scene.person("ada"), await scene.person("bob")
    edited = await scene.call("PATCH", "/v1/me", {"display_name": "Ada L.", "unknown": 1}, by=ada, version=1)
    assert edited.status_code == 200
    assert (edited.json()["handle"], edited.json()["display_name"]) == ("ada", "Ada L.")
    assert edited.headers["etag"] == '"2"'
    late = await scene.call("PATCH", "/v1/me", {"display_name": "Late"}, by=ada, version=1)
    assert problem(late) == (412, "version_mismatch")
    assert problem(await scene.call("PATCH", "/v1/me", {"handle": "bob"}, by=ada)) == (409, "handle_taken")
    assert problem(await scene.call("PATCH", "/v1/me", {"handle": "!"}, by=bob)) == (422, "invalid_handle")
    assert problem(await scene.call("PATCH", "/v1/me", {"handle": None}, by=bob)) == (422, "invalid")
    assert problem(await scene.call("PATCH", "/v1/me", {})) == (401, "unauthenticated")


async def test_closing_ones_account(scene: Scene) -> None:
    """No token and no password works from then on; channels of one's own go too."""
    ada = await scene.person("ada")
    channel = await scene.channel(ada)
    assert problem(await scene.call("DELETE", "/v1/me")) == (401, "unauthenticated")
    assert problem(await scene.call("DELETE", "/v1/me", by=ada, version=7)) == (412, "version_mismatch")
    assert (await scene.call("DELETE", "/v1/me", by=ada, version=1)).status_code == 204
    await scene.settle()
    assert problem(await scene.call("GET", "/v1/me", by=ada)) == (401, "account_closed")
    again = await scene.call("POST", "/v1/auth/sign-in", {"email": ada.email, "password": PASSWORD})
    assert problem(again) == (401, "wrong_credentials")
    assert problem(await scene.call("GET", f"/v1/channels/{channel}")) == (404, "not_found")
