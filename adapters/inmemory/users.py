"""Profiles in memory."""

from collections.abc import Mapping, Sequence

from adapters.inmemory.outbox import Changes, InMemoryOutbox
from adapters.versions import next_version
from application.ports import Event
from domain.errors import NotFound, Stale, Taken
from domain.identity import User
from domain.ids import UserId


class InMemoryUsers:
    """By id, and whose each handle is."""

    def __init__(self, outbox: InMemoryOutbox, changes: Changes) -> None:
        self._outbox = outbox
        self._changes = changes
        self._users: dict[UserId, User] = {}
        self._handles: dict[str, UserId] = {}

    async def get(self, user: UserId) -> User:
        try:
            return self._users[user]
        except KeyError:
            raise NotFound("there is no such user") from None

    async def many(self, users: Sequence[UserId]) -> Mapping[UserId, User]:
        stored = self._users
        return {user: stored[user] for user in users if user in stored}

    async def by_handle(self, handle: str) -> User:
        try:
            return self._users[self._handles[handle]]
        except KeyError:
            raise NotFound("there is no user of this handle") from None

    async def save(self, user: User, *events: Event) -> User:
        stored = self._users.get(user.id)
        if user.version != (stored.version if stored else 0):
            raise Stale("this profile")
        if self._handles.get(user.handle, user.id) != user.id:
            raise Taken(f"@{user.handle} is someone else", code="handle_taken", field="handle")
        saved = next_version(user)
        if stored:
            del self._handles[stored.handle]
        self._handles[saved.handle] = saved.id
        self._users[saved.id] = saved
        self._outbox.append(events)
        self._changes.note()
        return saved

    async def remove(self, user: User, *events: Event) -> None:
        stored = self._users.get(user.id)
        if stored is None or user.version != stored.version:
            raise Stale("this profile")
        del self._handles[stored.handle]
        del self._users[stored.id]
        self._outbox.append(events)
        self._changes.note()

    def kept(self) -> Sequence[User]:
        """All of them, for an archive."""
        return list(self._users.values())

    def admit(self, user: User) -> None:
        """One from an archive, as it is."""
        self._handles[user.handle] = user.id
        self._users[user.id] = user
        self._changes.note()
