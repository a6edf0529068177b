"""Who people are: sign-up to farewell."""

from collections.abc import Mapping
from contextlib import suppress

from attrs import evolve, frozen

from application.ports import Accounts, Channels, History, Inbox, Now, Subscriptions, Tokens, Users
from application.retry import expect, settled
from domain.access import Actor, Role
from domain.channels import ChannelClosed
from domain.errors import Forbidden, Invalid, NotFound, Stale, Taken, Unauthenticated
from domain.identity import AccountClosed, SignedUp, User, email, password
from domain.ids import UserId


@frozen
class SignUp:
    """Open an account and send the code that confirms its address.

    ``founders`` are the addresses that the platform's owner gave a role; they get it like everyone, with
    their first sign-in.
    """

    accounts: Accounts
    users: Users
    now: Now
    founders: Mapping[str, Role]

    async def __call__(self, address: str, secret: str, handle: str, display_name: str) -> User:
        """The new user. Raises Taken (``email_taken``, ``confirmation_pending``, ``handle_taken``)."""
        roles = frozenset({Role.USER} | {role for who, role in self.founders.items() if who == email(address)})
        draft = User(
            id=UserId(""), handle=handle, display_name=display_name, email=address, roles=roles, created_at=self.now()
        )
        await self._require_free(draft)
        try:
            user = await self.accounts.sign_up(draft.email, password(secret), draft.handle)
        except Taken:
            completed = await self._complete(draft)
            if completed is None or not await self._opened_by(draft.email, secret):
                raise
            return completed
        await self._grant(user, draft)
        try:
            return await settled(lambda: self._save(user, draft))
        except Taken:
            await self.accounts.close(user)
            raise

    async def _complete(self, draft: User) -> User | None:
        """A sign-up that stopped halfway left an account without a profile, which the code sent would confirm. None
        if there is none such.
        """
        user = await self.accounts.unconfirmed(draft.email)
        if user is None or await self.users.many([user]):
            return None
        await self._grant(user, draft)
        return await settled(lambda: self._save(user, draft))

    async def _opened_by(self, address: str, secret: str) -> bool:
        """Whether it is who began that asks again."""
        try:
            with suppress(Forbidden):  # confirmed it is not, but the password is right
                await self.accounts.sign_in(address, secret)
        except Unauthenticated:
            return False
        return True

    async def _grant(self, user: UserId, draft: User) -> None:
        if len(draft.roles) > 1:
            await self.accounts.grant(user, draft.roles)

    async def _require_free(self, draft: User) -> None:
        """Look before an e-mail goes out; the save decides."""
        try:
            holder = await self.users.by_handle(draft.handle)
        except NotFound:
            return
        if holder.email != draft.email:
            raise Taken("this handle belongs to someone else", code="handle_taken", field="handle")

    async def _save(self, user: UserId, draft: User) -> User:
        try:
            return await self.users.get(user)
        except NotFound:
            return await self.users.save(evolve(draft, id=user), SignedUp(user, self.now()))


@frozen
class WelcomeUser:
    """The identity provider says that someone is there: they have a profile, should the sign-up that makes it have
    stopped halfway.
    """

    users: Users
    now: Now

    async def __call__(self, user: UserId, address: str, handle: str = "") -> User:
        """With the handle that they asked for; one made of their id, where that is none or someone else's by now."""

        async def step() -> User:
            try:
                return await self.users.get(user)
            except NotFound:
                pass
            try:
                return await self._save(user, address, handle)
            except (Invalid, Taken):
                return await self._save(user, address, _made_up(user))

        return await settled(step)

    async def _save(self, user: UserId, address: str, handle: str) -> User:
        now = self.now()
        made = User(id=user, handle=handle, display_name=handle, email=address, created_at=now)
        return await self.users.save(made, SignedUp(user, now))


def _made_up(user: UserId) -> str:
    letters = "".join(each for each in user.lower() if each.isascii() and each.isalnum())
    return f"user_{letters[-16:]}"


@frozen
class ConfirmAccount:
    accounts: Accounts
    welcome: WelcomeUser

    async def __call__(self, address: str, code: str) -> None:
        """Raises Invalid (``code_mismatch``, ``code_expired``)."""
        stored = email(address)
        user = await self.accounts.unconfirmed(stored)
        await self.accounts.confirm(stored, code.strip())
        if user is not None:
            await self.welcome(user, stored)


@frozen
class ResendCode:
    accounts: Accounts

    async def __call__(self, address: str) -> None:
        await self.accounts.resend_code(email(address))


@frozen
class ExpireSignUps:
    """Let go of accounts that nobody confirmed in time: their addresses and handles are free again."""

    accounts: Accounts
    users: Users
    now: Now

    async def __call__(self) -> int:
        """How many were due."""
        now = self.now()
        expired = await self.accounts.expired(now)
        for user in expired:
            try:
                await self.users.remove(await self.users.get(user), AccountClosed(user, now))
            except NotFound:  # the sign-up, or the sweep before, stopped halfway
                pass
            except Stale:  # the next sweep sees to it
                continue
            await self.accounts.close(user)  # last: while the account is there, its profile is found again
        return len(expired)


@frozen
class SignIn:
    accounts: Accounts

    async def __call__(self, address: str, secret: str) -> Tokens:
        """Raises Unauthenticated (``wrong_credentials``), Forbidden (``not_confirmed``), TooManyTries."""
        return await self.accounts.sign_in(email(address), secret)


@frozen
class RefreshTokens:
    accounts: Accounts

    async def __call__(self, token: str) -> Tokens:
        """Raises Unauthenticated (``invalid_refresh_token``)."""
        return await self.accounts.refresh(token)


@frozen
class SignOut:
    accounts: Accounts

    async def __call__(self, token: str) -> None:
        await self.accounts.sign_out(token)


@frozen
class ForgotPassword:
    accounts: Accounts

    async def __call__(self, address: str) -> None:
        await self.accounts.forgot_password(email(address))


@frozen
class ResetPassword:
    accounts: Accounts

    async def __call__(self, address: str, code: str, secret: str) -> None:
        """Raises Invalid (``code_mismatch``, ``code_expired``, ``invalid_password``)."""
        await self.accounts.reset_password(email(address), code.strip(), password(secret))


async def signed_in(users: Users, actor: Actor) -> User:
    """Whoever asks, with a profile. Raises Unauthenticated, also when the account was closed since."""
    try:
        return await users.get(actor.require_user())
    except NotFound:
        raise Unauthenticated("this account is closed", code="account_closed") from None


@frozen
class ShowMe:
    users: Users

    async def __call__(self, actor: Actor) -> User:
        return await signed_in(self.users, actor)


@frozen
class EditMe:
    users: Users

    async def __call__(
        self, actor: Actor, *, handle: str | None = None, display_name: str | None = None, version: int | None = None
    ) -> User:
        """Raises Taken (``handle_taken``), VersionMismatch."""

        async def step() -> User:
            user = await signed_in(self.users, actor)
            expect("your profile", user.version, version)
            edited = user.edit(handle=handle, display_name=display_name)
            return user if edited == user else await self.users.save(edited)

        return await settled(step)


@frozen
class GrantRole:
    """Give someone a role on the whole platform, or take it back; for whoever runs it. Tokens that they have already
    say the old for as long as they live.
    """

    accounts: Accounts
    users: Users

    async def __call__(self, user: UserId, role: Role, *, revoke: bool = False) -> User:
        """With the roles as they are now. Doing it again is a no-op, and repairs what stopped halfway.

        Raises NotFound, and Invalid for the role that everyone has.
        """
        if revoke and role is Role.USER:
            raise Invalid("every account is a user's", code="role_is_fixed", field="role")

        async def step() -> User:
            before = await self.users.get(user)
            roles = before.roles - {role} if revoke else before.roles | {role}
            await self.accounts.grant(user, roles)  # first, and always: the profile is what says that it was done
            return before if roles == before.roles else await self.users.save(evolve(before, roles=roles))

        return await settled(step)


@frozen
class CloseAccount:
    """Leave for good: no sign-in works from now on; channels, subscriptions and history follow."""

    users: Users
    accounts: Accounts
    now: Now

    async def __call__(self, actor: Actor, version: int | None = None) -> None:
        async def step() -> None:
            user = await signed_in(self.users, actor)
            expect("your profile", user.version, version)
            await self.users.remove(user, AccountClosed(user.id, self.now()))
            # Second, as the event sees to it again; the other way round nobody could sign in to finish.
            await self.accounts.close(user.id)

        await settled(step)


@frozen
class ClearAccount:
    """After someone left: end their sign-ins, memberships and subscriptions, forget their history and inbox, close
    their channels.

    What they said under other people's videos stays, without their name.
    """

    accounts: Accounts
    channels: Channels
    subscriptions: Subscriptions
    history: History
    inbox: Inbox
    now: Now

    async def __call__(self, event: AccountClosed) -> None:
        await self.accounts.close(event.user)
        for channel in await self.channels.of_member(event.user):
            try:
                if channel.owner == event.user:
                    await self.channels.remove(channel, ChannelClosed(channel.id, self.now()))
                else:
                    await self.channels.save(channel.dismiss(event.user))
            except Stale:  # gone, or changed by someone: the next delivery sees to it
                await self.channels.get(channel.id)
                raise
        while (page := await self.subscriptions.of_user(event.user, limit=100)).items:
            for subscription in page.items:
                await self.subscriptions.remove(event.user, subscription.channel)
        await self.history.forget(event.user)
        await self.inbox.forget(event.user)
