"""Sign-up to farewell, over the identity provider of the offline profiles."""

import asyncio
import base64
import contextlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from application.ports import Event
from domain.access import ANONYMOUS, Actor, Role
from domain.channels import ChannelClosed, Member
from domain.engagement import Notify
from domain.errors import DomainError, Forbidden, Invalid, NotFound, Stale, Taken, Unauthenticated, VersionMismatch
from domain.identity import AccountClosed, SignedUp, User
from domain.ids import UserId
from domain.notifications import Kind, Settings
from tests.application.world import Crash, World, new_world

ADDRESS, SECRET = "nora@hexcast.test", "correct horse battery"


async def sign_up(world: World, address: str = ADDRESS, handle: str = "nora") -> User:
    user: User = await world.core.sign_up()(address, SECRET, handle, "Nora")
    return user


def jwt_claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


async def code(world: World, address: str = ADDRESS) -> str:
    sent: str | None = (await world.raw.mailbox().sent_to(address))[0].code
    assert sent is not None
    return sent


async def test_from_sign_up_to_sign_out(world: World) -> None:
    user = await sign_up(world, " Nora@Hexcast.TEST ", "@Nora")
    assert (user.email, user.handle, user.roles) == (ADDRESS, "nora", frozenset({Role.USER}))
    assert await world.take_events() == [SignedUp(user.id, world.clock.now())]
    with pytest.raises(Forbidden, match="confirm") as refused:
        await world.core.sign_in()(ADDRESS, SECRET)
    assert refused.value.code == "not_confirmed"
    await world.core.resend_code()(ADDRESS.upper())
    await world.core.confirm_account()(ADDRESS, f" {await code(world)} ")
    tokens = await world.core.sign_in()("NORA@hexcast.test", SECRET)
    renewed = await world.core.refresh_tokens()(tokens.refresh)
    await world.core.sign_out()(renewed.refresh)
    with pytest.raises(Unauthenticated):
        await world.core.refresh_tokens()(renewed.refresh)


async def test_who_is_there_without_a_profile_gets_one(world: World) -> None:
    """As they asked for it; and nothing changes for those who have one."""
    welcome = world.core.welcome_user()
    user = await welcome(UserId("usr_nora"), " Nora@Hexcast.TEST", "@Nora")
    assert (user.handle, user.display_name, user.email) == ("nora", "@Nora", ADDRESS)
    assert user.roles == frozenset({Role.USER})
    assert await welcome(UserId("usr_nora"), ADDRESS, "other") == user
    assert await world.take_events() == [SignedUp(user.id, world.clock.now())]


@pytest.mark.parametrize("handle", ["olga", "", "no handle"])
async def test_a_handle_that_cannot_be_had_is_made_up(world: World, handle: str) -> None:
    """Nobody is kept out for it, and they can change it."""
    user = await world.core.welcome_user()(UserId("5f0c-ABCD-0000-1111-2222"), ADDRESS, handle)
    assert user.handle == "user_abcd000011112222"


async def test_a_forgotten_password_is_replaced(world: World) -> None:
    await sign_up(world)
    await world.core.forgot_password()(ADDRESS)
    with pytest.raises(Invalid) as weak:
        await world.core.reset_password()(ADDRESS, await code(world), "short")
    assert weak.value.code == "invalid_password"
    await world.core.reset_password()(ADDRESS, f" {await code(world)}", "another password")
    assert (await world.core.sign_in()(ADDRESS, "another password")).access
    with pytest.raises(Unauthenticated):
        await world.core.sign_in()(ADDRESS, SECRET)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"address": "nobody"}, "invalid_email"),
        ({"secret": "short"}, "invalid_password"),
        ({"handle": "no spaces"}, "invalid_handle"),
        ({"display_name": ""}, "invalid"),
        ({"handle": "olga"}, "handle_taken"),
    ],
)
async def test_a_sign_up_that_is_refused_sends_no_mail(world: World, changed: Mapping[str, Any], code: str) -> None:
    given = {"address": ADDRESS, "secret": SECRET, "handle": "nora", "display_name": "Nora", **changed}
    with pytest.raises(DomainError) as refused:
        await world.core.sign_up()(*given.values())
    assert refused.value.code == code
    assert not await world.raw.mailbox().sent_to(ADDRESS)


async def test_signing_up_again_is_refused_and_changes_nothing(world: World) -> None:
    """Neither before the code came nor after; or the code would confirm what someone else chose."""
    first = await sign_up(world)
    sent = await code(world)
    for handle in ("nora", "mallory"):
        with pytest.raises(Taken, match="code") as refused:
            await world.core.sign_up()(ADDRESS, "another password", handle, "Mallory")
        assert refused.value.code == "confirmation_pending"
    await world.core.confirm_account()(ADDRESS, sent)
    assert await world.raw.users().get(first.id) == first
    assert (await world.core.sign_in()(ADDRESS, SECRET)).access
    with pytest.raises(Taken) as refused:
        await sign_up(world)
    assert refused.value.code == "email_taken"


async def test_of_several_who_sign_up_at_once_with_one_address_one_does(world: World) -> None:
    results = await asyncio.gather(
        *(world.core.sign_up()(ADDRESS, f"{SECRET} {number}", "nora", "Nora") for number in range(5)),
        return_exceptions=True,
    )
    (won,) = [number for number, result in enumerate(results) if isinstance(result, User)]
    assert [getattr(result, "code", "") for result in results if not isinstance(result, User)] == [
        "confirmation_pending"
    ] * 4
    await world.core.confirm_account()(ADDRESS, await code(world))
    claims = jwt_claims((await world.core.sign_in()(ADDRESS, f"{SECRET} {won}")).access)
    user = await world.raw.users().by_handle("nora")
    assert user == results[won]
    assert claims["sub"] == user.id


async def test_a_sign_up_that_nobody_confirmed_is_let_go(world: World) -> None:
    """With its handle, and with what others gave that person."""
    first = await sign_up(world)
    await world.core.enroll_member()(world.owner, world.channel, first.id, Member.EDITOR)
    world.clock.advance(timedelta(hours=24) - timedelta(seconds=1))
    assert await world.core.expire_sign_ups()() == 0
    with pytest.raises(Taken) as refused:
        await sign_up(world, "other@hexcast.test")
    assert refused.value.code == "handle_taken"
    world.clock.advance(timedelta(seconds=1))
    assert await world.core.expire_sign_ups()() == 1
    assert await world.core.expire_sign_ups()() == 0
    await world.settle()
    assert first.id not in (await world.raw.channels().get(world.channel)).members
    assert (await sign_up(world, "other@hexcast.test")).handle == "nora", "the handle is free"
    again: User = await world.core.sign_up()(ADDRESS, "another password", "noreen", "Nora")
    assert again.id != first.id
    await world.core.confirm_account()(ADDRESS, await code(world))
    assert (await world.core.sign_in()(ADDRESS, "another password")).access


async def test_a_confirmed_account_is_not_let_go(world: World) -> None:
    user = await sign_up(world)
    await world.core.confirm_account()(ADDRESS, await code(world))
    await world.days_later()
    assert await world.core.show_me()(Actor(user.id)) == user


async def test_a_sign_up_is_let_go_wholly() -> None:
    """Whichever call fails: the sweeps after it see to the rest."""
    async with new_world() as world:
        await sign_up(world)
        world.clock.advance(timedelta(hours=24))
        with world.faults.counted():
            await world.core.expire_sign_ups()()
        calls = len(world.faults.calls)
    assert calls == 4
    for number in range(calls):
        for late in (False, True):
            async with new_world() as world:
                user = await sign_up(world)
                world.clock.advance(timedelta(hours=24))
                world.faults.at[number] = late
                with world.faults.counted(), pytest.raises(Crash):
                    await world.core.expire_sign_ups()()
                await world.core.expire_sign_ups()()
                assert not await world.raw.users().many([user.id])
                assert (await sign_up(world)).id != user.id, "the address and the handle are free"


async def test_a_profile_that_changes_meanwhile_is_let_go_by_the_next_sweep(world: World) -> None:
    user = await sign_up(world)
    world.clock.advance(timedelta(hours=24))

    class Busy:
        changed = False

        async def remove(self, profile: User, *events: Event) -> None:
            if not self.changed:
                self.changed = True
                await world.raw.users().save(profile.edit(display_name="Renamed"))
            await world.raw.users().remove(profile, *events)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.raw.users(), name)

    expire = evolve(world.core.expire_sign_ups(), users=Busy())
    await expire()
    assert await world.raw.users().many([user.id])
    assert await world.raw.accounts().unconfirmed(ADDRESS) == user.id
    await expire()
    assert not await world.raw.users().many([user.id])
    assert await world.raw.accounts().unconfirmed(ADDRESS) is None


async def test_founders_get_their_role() -> None:
    async with new_world(founders={ADDRESS: Role.ADMIN, "other@hexcast.test": Role.MODERATOR}) as world:
        assert (await sign_up(world)).roles == {Role.USER, Role.ADMIN}


async def test_a_handle_taken_at_the_last_moment_leaves_no_account(world: World) -> None:
    """Two people look, see that the handle is free, and save."""
    users, looked = world.raw.users(), world.core.sign_up().users

    class Slow:
        async def by_handle(self, handle: str) -> User:
            try:
                found: User = await looked.by_handle(handle)
            except NotFound:
                await users.save(
                    User(
                        id=UserId("usr_fast"),
                        handle=handle,
                        display_name="Fast",
                        email="f@hexcast.test",
                        created_at=world.clock.now(),
                    )
                )
                raise
            return found

        def __getattr__(self, name: str) -> Any:
            return getattr(users, name)

    with pytest.raises(Taken) as refused:
        await evolve(world.core.sign_up(), users=Slow())(ADDRESS, SECRET, "nora", "Nora")
    assert refused.value.code == "handle_taken"
    assert (await sign_up(world, handle="noreen")).handle == "noreen"


async def test_a_sign_up_that_crashed_is_done_again() -> None:
    """Whichever call failed: asking again ends in one account with one profile, which the last code confirms."""
    async with new_world(founders={ADDRESS: Role.ADMIN}) as world:
        with world.faults.counted():
            await sign_up(world)
        calls = len(world.faults.calls)
    assert calls >= 5
    for number in range(calls):
        for late in (False, True):
            async with new_world(founders={ADDRESS: Role.ADMIN}) as world:
                world.faults.at[number] = late
                with world.faults.counted(), pytest.raises(Crash):
                    await sign_up(world)
                whole = await _is_whole(world)
                try:
                    await sign_up(world)
                except Taken:  # it waits for its code already
                    assert whole
                else:
                    assert not whole, "whoever is told to wait for a code knows that the sign-up was theirs"
                await world.core.confirm_account()(ADDRESS, await code(world))
                claims = jwt_claims((await world.core.sign_in()(ADDRESS, SECRET)).access)
                assert claims["cognito:groups"] == ["admin"], world.faults.calls[number]
                user = await world.core.show_me()(Actor(UserId(claims["sub"])))
                assert (user.handle, user.roles) == ("nora", frozenset({Role.USER, Role.ADMIN}))


async def _is_whole(world: World) -> bool:
    waits = await world.raw.accounts().unconfirmed(ADDRESS)
    return waits is not None and waits in await world.raw.users().many([waits])


async def test_whoever_confirms_half_a_sign_up_has_a_profile(world: World) -> None:
    """Under a name that they can change."""
    user = await world.raw.accounts().sign_up(ADDRESS, SECRET, "nora")
    for _ in range(2):
        await world.core.confirm_account()(ADDRESS, await code(world))
    me = await world.core.show_me()(Actor(user))
    assert (me.email, me.handle.startswith("user_")) == (ADDRESS, True)


async def test_whoever_comes_upon_half_a_sign_up_is_not_told_that_it_is_theirs(world: World) -> None:
    """They completed it, for the password that it was begun with."""
    await world.raw.accounts().sign_up(ADDRESS, SECRET, "nora")
    with pytest.raises(Taken) as refused:
        await world.core.sign_up()(ADDRESS, "another password", "nora", "Mallory")
    assert refused.value.code == "confirmation_pending"
    await world.core.confirm_account()(ADDRESS, await code(world))
    assert (await world.core.sign_in()(ADDRESS, SECRET)).access


async def test_a_profile_is_edited(world: World) -> None:
    me = await world.core.show_me()(world.fan)
    assert await world.core.edit_me()(world.fan) == me, "nothing given, nothing saved"
    edited = await world.core.edit_me()(world.fan, handle="Fanny", display_name=" Fanny  F. ", version=me.version)
    assert (edited.handle, edited.display_name) == ("fanny", "Fanny F.")
    with pytest.raises(VersionMismatch):
        await world.core.edit_me()(world.fan, display_name="Late", version=me.version)
    with pytest.raises(Taken):
        await world.core.edit_me()(world.fan, handle="olga")
    assert await world.core.show_me()(world.fan) == edited


async def test_nobody_and_the_departed_have_no_profile(world: World) -> None:
    for actor, code in ((ANONYMOUS, "unauthenticated"), (Actor(UserId("usr_gone")), "account_closed")):
        for ask in (world.core.show_me(), world.core.edit_me(), world.core.close_account()):
            with pytest.raises(Unauthenticated) as refused:
                await ask(actor)
            assert refused.value.code == code


async def test_an_account_closes_with_all_that_is_the_person_s(world: World) -> None:
    user = await sign_up(world)
    me = Actor(user.id)
    await world.core.confirm_account()(ADDRESS, await code(world))
    tokens = await world.core.sign_in()(ADDRESS, SECRET)
    await world.core.open_channel()(me, handle="mine", name="Mine")
    await world.core.enroll_member()(world.owner, world.channel, user.id, Member.EDITOR)
    await world.core.subscribe()(me, world.channel, Notify.ALL)
    video = await world.publish()
    playback = await world.core.open_playback()(me, video)
    await world.core.heartbeat()(me, video, playback.session.id, 1.0)
    await world.core.notification_settings().change(me, {Kind.MENTION: False})
    await world.settle()
    assert await world.inbox(me)

    with pytest.raises(VersionMismatch):
        await world.core.close_account()(me, user.version + 1)
    await world.core.close_account()(me, user.version)
    with pytest.raises(Unauthenticated):
        await world.core.sign_in()(ADDRESS, SECRET)
    with pytest.raises(Unauthenticated):
        await world.core.refresh_tokens()(tokens.refresh)
    await world.settle()
    assert not await world.raw.channels().of_member(user.id)
    assert user.id not in (await world.raw.channels().get(world.channel)).members
    assert not (await world.raw.subscriptions().of_user(user.id)).items
    assert not (await world.raw.history().list(user.id)).items
    assert not await world.inbox(me)
    assert await world.raw.inbox().settings(user.id) == Settings()
    assert (await sign_up(world)).id != user.id, "the address and the handle are free"


async def test_an_account_is_closed_wholly_or_not_at_all() -> None:
    """Whichever call fails, and though nobody asks again."""
    for number in range(4):
        for late in (False, True):
            async with new_world() as world:
                user = await sign_up(world)
                await world.core.confirm_account()(ADDRESS, await code(world))
                await world.core.open_channel()(Actor(user.id), handle="mine", name="Mine")
                await world.settle()
                world.faults.at[number] = late
                with world.faults.counted():
                    with contextlib.suppress(Crash):
                        await world.core.close_account()(Actor(user.id))
                    await world.days_later()
                try:
                    await world.core.sign_in()(ADDRESS, SECRET)
                    open_ = True
                except Unauthenticated:
                    open_ = False
                assert bool(await world.raw.users().many([user.id])) == open_, world.faults.calls[number]
                assert bool(await world.raw.channels().of_member(user.id)) == open_, world.faults.calls[number]


async def test_a_channel_that_changes_meanwhile_is_cleared_by_the_next_delivery(world: World) -> None:
    """The consumer says that it did not get through, and the event comes again."""
    event = AccountClosed(world.owner.require_user(), world.clock.now())
    stored = await world.raw.channels().get(world.channel)

    class Busy:
        changed = False

        async def remove(self, channel: Any, *events: Event) -> None:
            if not self.changed:
                self.changed = True
                await world.raw.channels().save(stored.edit(name="Renamed"))
            await world.raw.channels().remove(channel, *events)

        def __getattr__(self, name: str) -> Any:
            return getattr(world.raw.channels(), name)

    clear = evolve(world.core.clear_account(), channels=Busy())
    with pytest.raises(Stale):
        await clear(event)
    await clear(event)
    assert not await world.raw.channels().of_member(event.user)
    assert await world.take_events() == [ChannelClosed(world.channel, world.clock.now())]
    await clear(event)


async def test_a_role_is_granted_and_taken_back(world: World) -> None:
    """The next sign-in says so, and so does the profile."""
    user = await sign_up(world)
    await world.core.confirm_account()(ADDRESS, await code(world))
    granted = await world.core.grant_role()(user.id, Role.MODERATOR)
    assert granted.roles == {Role.USER, Role.MODERATOR}
    assert jwt_claims((await world.core.sign_in()(ADDRESS, SECRET)).access)["cognito:groups"] == ["moderator"]
    assert await world.core.grant_role()(user.id, Role.MODERATOR) == granted
    taken = await world.core.grant_role()(user.id, Role.MODERATOR, revoke=True)
    assert taken.roles == {Role.USER}
    assert await world.raw.users().get(user.id) == taken
    assert "cognito:groups" not in jwt_claims((await world.core.sign_in()(ADDRESS, SECRET)).access)


async def test_a_grant_that_stopped_halfway_is_repaired_by_doing_it_again(world: World) -> None:
    """Wherever it stopped; the account and the profile then agree."""
    user = await sign_up(world)
    await world.core.confirm_account()(ADDRESS, await code(world))
    with world.faults.counted():
        for call in range(3):
            for late in (False, True):
                await world.core.grant_role()(user.id, Role.ADMIN, revoke=True)
                world.faults.at = {len(world.faults.calls) + call: late}
                with pytest.raises(Crash):
                    await world.core.grant_role()(user.id, Role.ADMIN)
                assert (await world.core.grant_role()(user.id, Role.ADMIN)).roles == {Role.USER, Role.ADMIN}
                tokens = await world.core.sign_in()(ADDRESS, SECRET)
                assert jwt_claims(tokens.access)["cognito:groups"] == ["admin"]


async def test_the_role_that_everyone_has_is_not_taken_back(world: World) -> None:
    user = await sign_up(world)
    with pytest.raises(Invalid) as refused:
        await world.core.grant_role()(user.id, Role.USER, revoke=True)
    assert refused.value.code == "role_is_fixed"
    assert (await world.core.grant_role()(user.id, Role.USER)).roles == {Role.USER}


async def test_nobody_gets_no_role(world: World) -> None:
    with pytest.raises(NotFound):
        await world.core.grant_role()(UserId("usr_nobody"), Role.ADMIN)
