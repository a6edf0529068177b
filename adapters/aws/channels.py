"""Channels on DynamoDB."""

from collections.abc import Mapping, Sequence

from adapters.aws.dynamo import Item, Key, Refused, Tables, Write
from adapters.aws.lists import place
from adapters.aws.names import Names
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.shelves import Shelf, moving
from adapters.aws.tables import CORE, SK, Operation, pattern
from application.ports import Event
from domain.channels import Channel
from domain.errors import NotFound, Stale, Taken
from domain.ids import ChannelId, UserId

OF_MEMBER_MOST = 1000

_CHANNELS = Shelf(
    table=CORE, kind=Channel, name="channel", prefix="CHAN#", missing="there is no such channel", stale="this channel"
)
_HANDLES = Names(table=CORE, prefix="UNIQ#CHANDLE#", name="handle of a channel")
_MEMBERS, _MEMBER = "USER#<user>", "CHAN#<created at>#<channel>"
_OF_MEMBER = pattern(
    "channels of a member, the oldest first", Operation.QUERY, CORE, _MEMBERS, _MEMBER, strong=True, items=3,
    item_bytes=100,
)  # fmt: skip
_ENROLL = pattern(
    "enroll or dismiss a member", Operation.WRITE, CORE, _MEMBERS, _MEMBER, item_bytes=100, transaction=True
)
_THEIRS = pattern("channels of a member", Operation.MANY, CORE, "CHAN#<id>", "META", strong=True, items=3)


def _memberships(channel: Channel | None) -> Mapping[Key, Item]:
    """Where it stands in whose list."""
    if channel is None:
        return {}
    at = f"CHAN#{place(channel.created_at, channel.id)}"
    return {Key(f"USER#{user}", at): {} for user in sorted({channel.owner, *channel.members})}


class DynamoChannels:
    """An item each, one for the handle, and one for each member, by which a person's channels are found.

    A save writes what it changes of these: members come and go one by one, and to exchange all fifty at once would be
    too much for one transaction.
    """

    def __init__(self, tables: Tables, outbox: DynamoOutbox) -> None:
        self._tables = tables
        self._outbox = outbox

    async def get(self, channel: ChannelId) -> Channel:
        return await _CHANNELS.get(self._tables, channel)

    async def many(self, channels: Sequence[ChannelId]) -> Mapping[ChannelId, Channel]:
        return await _CHANNELS.many(self._tables, channels)

    async def by_handle(self, handle: str) -> Channel:
        holder = await _HANDLES.holder(self._tables, handle)
        channel = None if holder is None else await _CHANNELS.find(self._tables, holder)
        if channel is None or channel.handle != handle:  # given up between the two reads
            raise NotFound("there is no channel of this handle")
        return channel

    async def of_member(self, user: UserId) -> Sequence[Channel]:
        """Whoever opens a channel sees it in their list at once, so nothing here is read from an index."""
        listed = await self._tables.query(
            _OF_MEMBER, f"USER#{user}", above="CHAN#", below="CHAN$", limit=OF_MEMBER_MOST
        )
        keys = [_CHANNELS.at(item[SK]["S"].rpartition("#")[2]) for item in listed]
        found = await self._tables.many(_THEIRS, keys)
        return [_CHANNELS.value(found[key]) for key in keys if key in found]

    async def save(self, channel: Channel, *events: Event) -> Channel:
        before = await _CHANNELS.before(self._tables, channel)
        saved, write = _CHANNELS.saving(channel)
        await self._written(channel, write, before, saved, events)
        return saved

    async def remove(self, channel: Channel, *events: Event) -> None:
        before = await _CHANNELS.before(self._tables, channel)
        await self._written(channel, _CHANNELS.removing(channel), before, None, events)

    def kept(self, item: Item) -> Channel | None:
        return _CHANNELS.kept(item)

    async def admit(self, channel: Channel) -> None:
        """One from an archive. Raises Refused."""
        names, members = _HANDLES.moving(channel.id, None, channel.handle), moving(_ENROLL, {}, _memberships(channel))
        await self._tables.write(_CHANNELS.admitting(channel), *names, *members)

    async def _written(
        self, channel: Channel, write: Write, before: Channel | None, after: Channel | None, events: Sequence[Event]
    ) -> None:
        handles = (each.handle if each else None for each in (before, after))
        names = _HANDLES.moving(channel.id, *handles)
        members = moving(_ENROLL, _memberships(before), _memberships(after))
        try:
            await self._tables.write(write, *names, *members, *self._outbox.storing(events))
        except Refused as refused:
            if set(refused.there) == {1}:
                raise Taken(f"@{channel.handle} is another channel", code="handle_taken", field="handle") from refused
            raise Stale("this channel") from refused
