"""Profiles on this machine."""

from collections.abc import Mapping, Sequence

from adapters.local.database import Database, Transaction, sql
from adapters.local.outbox import SqliteOutbox
from adapters.local.shelves import Shelf
from application.ports import Event
from domain.errors import NotFound, Taken
from domain.identity import User
from domain.ids import UserId

_USERS = Shelf(
    table="user", kind=User, missing="there is no such user", stale="this profile",
    columns=("handle",), place=lambda user: (user.handle,),
)  # fmt: skip
_BY_HANDLE = sql("SELECT doc FROM user WHERE handle = ?")
_HOLDER = sql("SELECT id FROM user WHERE handle = ?")


class SqliteUsers:
    def __init__(self, database: Database, outbox: SqliteOutbox) -> None:
        self._database = database
        self._outbox = outbox

    async def get(self, user: UserId) -> User:
        return _USERS.get(self._database, user)

    async def many(self, users: Sequence[UserId]) -> Mapping[UserId, User]:
        return _USERS.many(self._database, users)

    async def by_handle(self, handle: str) -> User:
        try:
            return _USERS.one(self._database, _BY_HANDLE, handle)
        except NotFound:
            raise NotFound("there is no user of this handle") from None

    async def save(self, user: User, *events: Event) -> User:
        def work(transaction: Transaction) -> User:
            holder = transaction.row(_HOLDER, (user.handle,))
            if holder is not None and holder[0] != user.id:
                raise Taken(f"@{user.handle} is someone else", code="handle_taken", field="handle")
            _, saved = _USERS.save(transaction, user)
            self._outbox.append(transaction, events)
            return saved.value

        return await self._database.write(work)

    async def remove(self, user: User, *events: Event) -> None:
        def work(transaction: Transaction) -> None:
            _USERS.remove(transaction, user)
            self._outbox.append(transaction, events)

        await self._database.write(work)
