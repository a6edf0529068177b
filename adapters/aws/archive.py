"""Moving what the cloud keeps in and out.

Out it comes by an export of the tables (``exports``), in by the writes that the repositories make themselves.

Cognito is not asked as of a moment: whoever signed up after that of the tables is left out, whoever closed their account
since is missing. It gives out no password, takes no hash of one, and names everyone itself (``CognitoAccounts``): so
nobody's password moves, and who comes is another user id here, which is changed in every record.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from typing import Protocol
from zlib import crc32

from attrs import frozen

from adapters.aws.channels import DynamoChannels
from adapters.aws.chat import DynamoChatLog
from adapters.aws.cognito import CognitoAccounts
from adapters.aws.comments import DynamoComments
from adapters.aws.dynamo import NEW, Item, Key, Refused, Tables, put
from adapters.aws.engagement import DynamoReactions, DynamoSubscriptions
from adapters.aws.exports import Snapshot, Store, described, snapshot
from adapters.aws.notifications import DynamoInbox
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.processing import DynamoProcessings
from adapters.aws.streams import DynamoBroadcasts, DynamoStreams
from adapters.aws.tables import CORE, INBOX, OPS, SOCIAL, TABLES, Operation, Table, pattern
from adapters.aws.uploads import DynamoUploads
from adapters.aws.users import DynamoUsers
from adapters.aws.videos import DynamoVideos
from adapters.aws.watching import DynamoHistory, DynamoSessions, DynamoViewings, together
from application.moving import arriving, renamed
from application.ports import Account, Box, Event, Now, Pepper, Reacted, Record, Views, Waiting
from domain.broadcasts import Session, SessionEvent, Timeline
from domain.channels import Channel
from domain.chat import Ban, Message
from domain.engagement import Comment, Subscription
from domain.errors import Conflict, Invalid, Stale, Taken
from domain.identity import User
from domain.ids import UserId, VideoId
from domain.notifications import Notification
from domain.processing import Processing
from domain.streams import Stream
from domain.uploads import Upload
from domain.videos import Video
from domain.watching import PlaybackSession, Viewing, Watched

PIECE = 500
"""Records that are read before they are written."""
LANES = 16
"""Of them are written at once."""
TOLD_AT_ONCE = 25

_BEGUN = Key("ARCHIVE", "LOADED")
_BEGIN = pattern("begin to load an archive, once", Operation.WRITE, OPS, _BEGUN.pk, _BEGUN.sk, item_bytes=100)


class _Repository(Protocol):
    def kept(self, item: Item) -> Record | None:
        """The record that an item holds, None if it holds none of these."""


@frozen(kw_only=True)
class DynamoArchive:
    """What a load can tell at once of what is kept already: whether there was another load, and whether anyone has an
    account. Of all else it is told by the counts of DescribeTable, which may be six hours old (botocore's model).
    """

    tables: Tables
    store: Store
    bucket: str
    """Takes the export, which is removed from it after a day."""
    accounts: CognitoAccounts
    users: DynamoUsers
    channels: DynamoChannels
    videos: DynamoVideos
    uploads: DynamoUploads
    processings: DynamoProcessings
    comments: DynamoComments
    reactions: DynamoReactions
    subscriptions: DynamoSubscriptions
    sessions: DynamoSessions
    history: DynamoHistory
    viewings: DynamoViewings
    inbox: DynamoInbox
    outbox: DynamoOutbox
    streams: DynamoStreams
    broadcasts: DynamoBroadcasts
    chat_log: DynamoChatLog
    now: Now

    async def dump(self) -> AsyncIterator[Record]:
        taken = await snapshot(self.tables, self.store, self.bucket)
        async for account in self.accounts.kept(taken.at):
            yield account
        async for record in self._documents(taken):
            yield record
        async for told in self.inbox.kept(lambda: taken.items(INBOX)):
            yield told
        async for waiting in self._events(taken):
            yield waiting

    async def _documents(self, taken: Snapshot) -> AsyncIterator[Record]:
        """Each item holds one, but of views and of days a part."""
        views: dict[VideoId, int] = defaultdict(int)
        days: dict[tuple[str, date], Viewing] = {}
        for table, repositories in self._places:
            async for item in taken.items(table):
                record = next((found for each in repositories if (found := each.kept(item)) is not None), None)
                if isinstance(record, Views):
                    views[record.video] += record.count
                elif isinstance(record, Viewing):
                    days[record.subject, record.day] = together(days.get((record.subject, record.day)), record)
                elif record is not None:
                    yield record
        for video, count in views.items():
            if count:
                yield Views(video, count)
        for viewing in days.values():
            yield viewing

    async def _events(self, taken: Snapshot) -> AsyncIterator[Waiting]:
        async for item in taken.items(OPS):
            try:
                waiting = self.outbox.kept(item)
            except ValueError as error:
                raise Invalid(f"an event cannot be read: {error}", code="unreadable_record") from error
            if waiting is not None:
                yield waiting

    @property
    def _places(self) -> Sequence[tuple[Table, Sequence[_Repository]]]:
        social = (
            self.comments, self.reactions, self.subscriptions, self.sessions, self.history, self.viewings, self.broadcasts,
            self.chat_log,
        )  # fmt: skip
        core = (self.users, self.channels, self.videos, self.processings, self.streams, self.broadcasts)
        return [(CORE, core), (SOCIAL, social), (OPS, (self.uploads,))]  # fmt: skip

    async def load(self, records: AsyncIterator[Record]) -> int:
        await self._begin()
        people: dict[UserId, UserId] = {}
        piece: list[Record] = []
        told: list[Event] = []
        count = 0
        async for record in records:
            count += 1
            if isinstance(record, Account):
                if piece or told or record.user in people:
                    raise Conflict("accounts come first, each once", code="inconsistent_archive")
                people[record.user] = await self._admit_account(record)
            elif not isinstance(record, Pepper):
                arrived, events = arriving(renamed(record, people), self.now())
                piece.append(arrived)
                told += events
            if len(piece) == PIECE:
                await self._store(piece)
                piece = []
        await self._store(piece)
        # What they set off finds everything there.
        for at in range(0, len(told), TOLD_AT_ONCE):
            await self.tables.write(*self.outbox.storing(told[at : at + TOLD_AT_ONCE]))
        return count

    async def _begin(self) -> None:
        """Raises Conflict. Of two loads one begins."""
        full = Conflict("something is kept here already", code="not_empty")
        for table in TABLES:
            if (await described(self.tables, table))["ItemCount"]:
                raise full
        if await self.accounts.any():
            raise full
        try:
            await self.tables.write(put(_BEGIN, _BEGUN, {}, NEW))
        except Refused as refused:
            raise full from refused

    async def _admit_account(self, account: Account) -> UserId:
        try:
            return await self.accounts.admit(account)
        except Taken as error:
            raise _twice(account) from error

    async def _store(self, piece: Sequence[Record]) -> None:
        """Those that are counted together one after the other, the rest at once."""
        lanes: Mapping[int, list[Record]] = defaultdict(list)
        for record in piece:
            lanes[crc32(_counted_by(record).encode()) % LANES].append(record)
        for done in await asyncio.gather(*map(self._store_each, lanes.values()), return_exceptions=True):
            if isinstance(done, BaseException):
                raise done

    async def _store_each(self, records: Sequence[Record]) -> None:
        for record in records:
            try:
                await self._admit(record)
            except (Refused, Stale) as error:
                raise _twice(record) from error

    async def _admit(self, record: Record) -> None:  # noqa: C901, PLR0912  (one line a kind)
        match record:
            case User():
                await self.users.admit(record)
            case Channel():
                await self.channels.admit(record)
            case Video():
                await self.videos.admit(record)
            case Upload():
                await self.uploads.admit(record)
            case Processing():
                await self.processings.admit(record)
            case Comment():
                await self.comments.admit(record)
            case Reacted():
                await self.reactions.admit(record)
            case Subscription():
                if not await self.subscriptions.put(record):
                    raise _twice(record)
            case PlaybackSession() | Views():
                await self.sessions.admit(record)
            case Stream():
                await self.streams.admit(record)
            case Timeline() | Session() | SessionEvent():
                await self.broadcasts.admit(record)
            case Message() | Ban():
                await self.chat_log.admit(record)
            case Watched():
                await self.history.admit(record)
            case Viewing():
                await self.viewings.admit(record)
            case Box() | Notification():
                await self.inbox.admit(record)
            case Waiting():
                await self.outbox.admit(record)


def _counted_by(record: Record) -> str:
    if isinstance(record, Reacted):
        return record.subject
    names = ("channel", "video", "user", "stream", "id", "subject")
    return next(by for name in names if isinstance(by := getattr(record, name, None), str))


def _twice(record: Record) -> Conflict:
    return Conflict(f"two records of the same name: {type(record).__name__}", code="inconsistent_archive")
