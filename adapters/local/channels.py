"""Channels on this machine."""

from collections.abc import Mapping, Sequence

from adapters.local.database import Database, Row, Transaction, micros, sql
from adapters.local.outbox import SqliteOutbox
from adapters.local.shelves import Shelf, Stored
from application.ports import Event
from domain.channels import Channel
from domain.errors import NotFound, Taken
from domain.ids import ChannelId, UserId

OF_MEMBER_MOST = 1000

_CHANNELS = Shelf(
    table="channel", kind=Channel, missing="there is no such channel", stale="this channel",
    columns=("handle",), place=lambda channel: (channel.handle,),
)  # fmt: skip
_BY_HANDLE = sql("SELECT doc FROM channel WHERE handle = ?")
_HOLDER = sql("SELECT id FROM channel WHERE handle = ?")
_OF_MEMBER = sql(
    "SELECT channel.doc FROM member CROSS JOIN channel ON channel.n = member.channel"
    " WHERE member.user = ? ORDER BY member.created_at, member.id LIMIT ?"
)
_ENROLL = sql("INSERT INTO member (user, created_at, id, channel) VALUES (?, ?, ?, ?)")
_DISMISS = sql("DELETE FROM member WHERE channel = ?")


def _memberships(channel: Channel) -> Sequence[Row]:
    """Where it stands in whose list."""
    return sorted((user, micros(channel.created_at), channel.id) for user in {channel.owner, *channel.members})


class SqliteChannels:
    """A row each, and one for each member, by which a person's channels are found."""

    def __init__(self, database: Database, outbox: SqliteOutbox) -> None:
        self._database = database
        self._outbox = outbox

    async def get(self, channel: ChannelId) -> Channel:
        return _CHANNELS.get(self._database, channel)

    async def many(self, channels: Sequence[ChannelId]) -> Mapping[ChannelId, Channel]:
        return _CHANNELS.many(self._database, channels)

    async def by_handle(self, handle: str) -> Channel:
        try:
            return _CHANNELS.one(self._database, _BY_HANDLE, handle)
        except NotFound:
            raise NotFound("there is no channel of this handle") from None

    async def of_member(self, user: UserId) -> Sequence[Channel]:
        return _CHANNELS.all(self._database, _OF_MEMBER, user, OF_MEMBER_MOST)

    async def save(self, channel: Channel, *events: Event) -> Channel:
        def work(transaction: Transaction) -> Channel:
            holder = transaction.row(_HOLDER, (channel.handle,))
            if holder is not None and holder[0] != channel.id:
                raise Taken(f"@{channel.handle} is another channel", code="handle_taken", field="handle")
            before, saved = _CHANNELS.save(transaction, channel)
            _enlist(transaction, before, saved)
            self._outbox.append(transaction, events)
            return saved.value

        return await self._database.write(work)

    async def remove(self, channel: Channel, *events: Event) -> None:
        def work(transaction: Transaction) -> None:
            _CHANNELS.remove(transaction, channel)
            self._outbox.append(transaction, events)

        await self._database.write(work)


def _enlist(transaction: Transaction, before: Stored[Channel] | None, after: Stored[Channel]) -> None:
    members = _memberships(after.value)
    if before is not None:
        if _memberships(before.value) == members:
            return
        transaction.run(_DISMISS, (before.n,))
    transaction.many(_ENROLL, [(*member, after.n) for member in members])
