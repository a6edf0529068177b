"""Moving what is in memory in and out."""

from collections.abc import AsyncIterator, Iterator

from adapters.inmemory.channels import InMemoryChannels
from adapters.inmemory.chat import InMemoryChatLog
from adapters.inmemory.engagement import InMemoryComments, InMemoryReactions, InMemorySubscriptions
from adapters.inmemory.identity import InMemoryAccounts
from adapters.inmemory.notifications import InMemoryInbox
from adapters.inmemory.outbox import InMemoryOutbox
from adapters.inmemory.processing import InMemoryProcessings
from adapters.inmemory.streams import InMemoryBroadcasts, InMemoryStreams
from adapters.inmemory.uploads import InMemoryUploads
from adapters.inmemory.users import InMemoryUsers
from adapters.inmemory.videos import InMemoryVideos
from adapters.inmemory.watching import InMemoryHistory, InMemorySessions, InMemoryViewings
from application.moving import arriving, names
from application.ports import Account, Box, Now, Pepper, Reacted, Record, Views, Waiting
from domain.broadcasts import Session, SessionEvent, Timeline
from domain.channels import Channel
from domain.chat import Ban, Message
from domain.engagement import Comment, Subscription
from domain.errors import Conflict
from domain.identity import User
from domain.notifications import Notification
from domain.processing import Processing
from domain.streams import Stream
from domain.uploads import Upload
from domain.videos import Video
from domain.watching import PlaybackSession, Viewing, Watched


class InMemoryArchive:
    """Over the repositories themselves: what they hold is listed in one step, so that a dump is of one moment."""

    def __init__(
        self, *, accounts: InMemoryAccounts, users: InMemoryUsers, channels: InMemoryChannels, videos: InMemoryVideos,
        uploads: InMemoryUploads, processings: InMemoryProcessings, comments: InMemoryComments,
        reactions: InMemoryReactions, subscriptions: InMemorySubscriptions, sessions: InMemorySessions,
        history: InMemoryHistory, viewings: InMemoryViewings, inbox: InMemoryInbox, outbox: InMemoryOutbox,
        streams: InMemoryStreams, broadcasts: InMemoryBroadcasts, chat_log: InMemoryChatLog, now: Now,
    ) -> None:  # fmt: skip
        self._accounts, self._users, self._channels, self._videos = accounts, users, channels, videos
        self._uploads, self._processings, self._comments, self._reactions = uploads, processings, comments, reactions
        self._subscriptions, self._sessions, self._history = subscriptions, sessions, history
        self._viewings, self._chat_log = viewings, chat_log
        self._inbox, self._outbox, self._streams, self._broadcasts, self._now = inbox, outbox, streams, broadcasts, now

    async def dump(self) -> AsyncIterator[Record]:
        for record in list(self._kept()):
            yield record

    async def load(self, records: AsyncIterator[Record]) -> int:
        if next(self._kept(), None) is not None:
            raise Conflict("something is kept here already", code="not_empty")
        known: set[tuple[str, ...]] = set()
        count = 0
        async for record in records:
            for name in names(record):
                if name in known:
                    raise Conflict(f"a second {' '.join(name)}", code="inconsistent_archive")
                known.add(name)
            arrived, events = arriving(record, self._now())
            self._admit(arrived)
            self._outbox.append(events)
            count += 1
        return count

    def _kept(self) -> Iterator[Record]:
        yield from self._accounts.kept()
        for repository in (
            self._users, self._channels, self._videos, self._uploads, self._processings, self._comments,
            self._reactions, self._subscriptions, self._sessions, self._history, self._viewings, self._inbox,
            self._outbox, self._streams, self._broadcasts, self._chat_log,
        ):  # fmt: skip
            yield from repository.kept()

    def _admit(self, record: Record) -> None:  # noqa: C901, PLR0912  (one line a kind)
        match record:
            case Pepper() | Account():
                self._accounts.admit(record)
            case User():
                self._users.admit(record)
            case Channel():
                self._channels.admit(record)
            case Video():
                self._videos.admit(record)
            case Upload():
                self._uploads.admit(record)
            case Processing():
                self._processings.admit(record)
            case Comment():
                self._comments.admit(record)
            case Reacted():
                self._reactions.admit(record)
            case Subscription():
                self._subscriptions.admit(record)
            case PlaybackSession() | Views():
                self._sessions.admit(record)
            case Watched():
                self._history.put(record)
            case Viewing():
                self._viewings.add(record)
            case Box() | Notification():
                self._inbox.admit(record)
            case Waiting():
                self._outbox.admit(record)
            case Stream():
                self._streams.admit(record)
            case Timeline() | Session() | SessionEvent():
                self._broadcasts.admit(record)
            case Message() | Ban():
                self._chat_log.admit(record)
