"""Profiles on DynamoDB."""

from collections.abc import Mapping, Sequence

from adapters.aws.dynamo import Item, Refused, Tables, Write
from adapters.aws.names import Names
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.shelves import Shelf
from adapters.aws.tables import CORE
from application.ports import Event
from domain.errors import NotFound, Stale, Taken
from domain.identity import User
from domain.ids import UserId

_USERS = Shelf(
    table=CORE, kind=User, name="user", prefix="USER#", sort="PROFILE", missing="there is no such user",
    stale="this profile", item_bytes=300,
)  # fmt: skip
_HANDLES = Names(table=CORE, prefix="UNIQ#HANDLE#", name="handle of a user")


class DynamoUsers:
    """An item each, and one for the handle."""

    def __init__(self, tables: Tables, outbox: DynamoOutbox) -> None:
        self._tables = tables
        self._outbox = outbox

    async def get(self, user: UserId) -> User:
        return await _USERS.get(self._tables, user)

    async def many(self, users: Sequence[UserId]) -> Mapping[UserId, User]:
        return await _USERS.many(self._tables, users)

    async def by_handle(self, handle: str) -> User:
        holder = await _HANDLES.holder(self._tables, handle)
        user = None if holder is None else await _USERS.find(self._tables, holder)
        if user is None or user.handle != handle:  # given up between the two reads
            raise NotFound("there is no user of this handle")
        return user

    async def save(self, user: User, *events: Event) -> User:
        before = await _USERS.before(self._tables, user)
        saved, write = _USERS.saving(user)
        names = _HANDLES.moving(user.id, before.handle if before else None, user.handle)
        await self._written(user, write, *names, *self._outbox.storing(events))
        return saved

    async def remove(self, user: User, *events: Event) -> None:
        before = await _USERS.before(self._tables, user)
        names = _HANDLES.moving(user.id, before.handle if before else None, None)
        await self._written(user, _USERS.removing(user), *names, *self._outbox.storing(events))

    def kept(self, item: Item) -> User | None:
        return _USERS.kept(item)

    async def admit(self, user: User) -> None:
        """One from an archive. Raises Refused."""
        await self._tables.write(_USERS.admitting(user), *_HANDLES.moving(user.id, None, user.handle))

    async def _written(self, user: User, *writes: Write) -> None:
        """The profile's own write is the first, that of its handle the second."""
        try:
            await self._tables.write(*writes)
        except Refused as refused:
            if set(refused.there) == {1}:
                raise Taken(f"@{user.handle} is someone else", code="handle_taken", field="handle") from refused
            raise Stale("this profile") from refused
