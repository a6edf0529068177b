"""Channels in memory."""

from collections.abc import Mapping, Sequence
from itertools import islice

from sortedcontainers import SortedList

from adapters.cursors import Key
from adapters.inmemory.outbox import Changes, InMemoryOutbox
from adapters.inmemory.paging import walk
from adapters.versions import next_version
from application.ports import Event
from domain.channels import Channel
from domain.errors import NotFound, Stale, Taken
from domain.ids import ChannelId, UserId

OF_MEMBER_MOST = 1000


def _memberships(channel: Channel) -> set[Key]:
    return {(user, channel.created_at, channel.id) for user in (channel.owner, *channel.members)}


class InMemoryChannels:
    """By id; whose each handle is; and each person's channels by age."""

    def __init__(self, outbox: InMemoryOutbox, changes: Changes) -> None:
        self._outbox = outbox
        self._changes = changes
        self._channels: dict[ChannelId, Channel] = {}
        self._handles: dict[str, ChannelId] = {}
        self._by_member: SortedList[Key] = SortedList()

    async def get(self, channel: ChannelId) -> Channel:
        try:
            return self._channels[channel]
        except KeyError:
            raise NotFound("there is no such channel") from None

    async def many(self, channels: Sequence[ChannelId]) -> Mapping[ChannelId, Channel]:
        stored = self._channels
        return {channel: stored[channel] for channel in channels if channel in stored}

    async def by_handle(self, handle: str) -> Channel:
        try:
            return self._channels[self._handles[handle]]
        except KeyError:
            raise NotFound("there is no channel of this handle") from None

    async def of_member(self, user: UserId) -> Sequence[Channel]:
        stored = self._channels
        return [stored[key[-1]] for key in islice(walk(self._by_member, within=(user,)), OF_MEMBER_MOST)]

    async def save(self, channel: Channel, *events: Event) -> Channel:
        stored = self._channels.get(channel.id)
        if channel.version != (stored.version if stored else 0):
            raise Stale("this channel")
        if self._handles.get(channel.handle, channel.id) != channel.id:
            raise Taken(f"@{channel.handle} is another channel", code="handle_taken", field="handle")
        saved = next_version(channel)
        if stored:
            del self._handles[stored.handle]
        self._handles[saved.handle] = saved.id
        self._channels[saved.id] = saved
        self._enlist(_memberships(stored) if stored else set(), _memberships(saved))
        self._outbox.append(events)
        self._changes.note()
        return saved

    async def remove(self, channel: Channel, *events: Event) -> None:
        stored = self._channels.get(channel.id)
        if stored is None or channel.version != stored.version:
            raise Stale("this channel")
        del self._handles[stored.handle]
        del self._channels[stored.id]
        self._enlist(_memberships(stored), set())
        self._outbox.append(events)
        self._changes.note()

    def kept(self) -> Sequence[Channel]:
        """All of them, for an archive."""
        return list(self._channels.values())

    def admit(self, channel: Channel) -> None:
        """One from an archive, as it is."""
        self._handles[channel.handle] = channel.id
        self._channels[channel.id] = channel
        self._enlist(set(), _memberships(channel))
        self._changes.note()

    def _enlist(self, before: set[Key], after: set[Key]) -> None:
        for key in before - after:
            self._by_member.remove(key)
        for key in after - before:
            self._by_member.add(key)
