"""What people were told."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from operator import attrgetter

from attrs import define, evolve, field

from adapters.cursors import decoded, encoded
from adapters.inmemory.outbox import Changes
from application.ports import UNREAD_MOST, Box, Page, Unread
from domain.ids import NotificationId, UserId
from domain.notifications import Notification, Settings

KEPT = 1000

_id = attrgetter("id")


@define
class _Box:
    """One user's, by id. ``mark``: all up to it are read; ``read``: which of those beyond it are."""

    told: list[Notification] = field(factory=list)
    mark: str = ""
    read: set[NotificationId] | None = None

    def add(self, notification: Notification) -> bool:
        """False if it is there already, or older than a full box goes back."""
        told = self.told
        if not told or notification.id > told[-1].id:
            told.append(notification)
        else:
            at = self.at(notification.id)
            if told[at].id == notification.id or (at == 0 and len(told) >= KEPT):
                return False
            told.insert(at, notification)
        if len(told) > KEPT:
            gone = told.pop(0)
            if self.read:
                self.read.discard(gone.id)
        return True

    def at(self, notification: NotificationId) -> int:
        return bisect_left(self.told, notification, key=_id)

    def has(self, notification: NotificationId) -> bool:
        at = self.at(notification)
        return at < len(self.told) and self.told[at].id == notification

    def unread(self) -> int:
        return len(self.told) - bisect_right(self.told, self.mark, key=_id) - len(self.read or ())

    def is_read(self, notification: Notification) -> bool:
        return notification.id <= self.mark or (self.read is not None and notification.id in self.read)

    def shown(self, notification: Notification) -> Notification:
        return evolve(notification, read=True) if self.is_read(notification) else notification


_EMPTY = _Box()


class InMemoryInbox:
    """A box for each user who was told something. Boxes are small, so a plain sorted list is all they need."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._boxes: dict[UserId, _Box] = {}
        self._settings: dict[UserId, Settings] = {}

    async def deliver(self, notifications: Sequence[Notification]) -> Sequence[Notification]:
        new = [each for each in notifications if self._box(each.user).add(each)]
        self._changes.note()
        return new

    async def list(
        self, user: UserId, *, unread_only: bool = False, cursor: str | None = None, limit: int = 20
    ) -> Page[Notification]:
        box = self._boxes.get(user, _EMPTY)
        start = len(box.told) if cursor is None else box.at(NotificationId(str(decoded(cursor)[0])))
        found: list[Notification] = []
        for index in range(start - 1, -1, -1):
            notification = box.told[index]
            if unread_only and box.is_read(notification):
                continue
            if len(found) == limit:
                return Page(found, encoded((found[-1].id,)))
            found.append(box.shown(notification))
        return Page(found)

    async def after(self, user: UserId, notification: NotificationId, limit: int = 100) -> Sequence[Notification]:
        box = self._boxes.get(user, _EMPTY)
        start = bisect_right(box.told, notification, key=_id)
        return [box.shown(each) for each in box.told[start : start + limit]]

    async def unread(self, user: UserId) -> Unread:
        count = self._boxes.get(user, _EMPTY).unread()
        return Unread(min(count, UNREAD_MOST), capped=count > UNREAD_MOST)

    async def mark_read(self, user: UserId, notifications: Sequence[NotificationId]) -> None:
        box = self._boxes.get(user, _EMPTY)
        read = {each for each in notifications if each > box.mark and box.has(each)}
        if read:
            box.read = (box.read or set()) | read
            self._changes.note()

    async def mark_read_up_to(self, user: UserId, notification: NotificationId) -> None:
        box = self._box(user)
        if notification > box.mark:
            box.mark = notification
            box.read = {each for each in box.read or () if each > notification} or None
            self._changes.note()

    async def settings(self, user: UserId) -> Settings:
        return self._settings.get(user, Settings())

    async def save_settings(self, user: UserId, settings: Settings) -> None:
        self._settings[user] = settings
        self._changes.note()

    async def settings_of(self, users: Sequence[UserId]) -> Mapping[UserId, Settings]:
        default = Settings()
        return {user: self._settings.get(user, default) for user in users}

    async def forget(self, user: UserId) -> None:
        self._boxes.pop(user, None)
        self._settings.pop(user, None)
        self._changes.note()

    def kept(self) -> Sequence[Box | Notification]:
        """All of it, for an archive."""
        users = dict.fromkeys([*self._boxes, *self._settings])
        boxes = [Box(user, self._boxes.get(user, _EMPTY).mark, self._settings.get(user)) for user in users]
        told = [box.shown(each) for box in self._boxes.values() for each in box.told]
        return [*(box for box in boxes if box.mark or box.settings), *told]

    def admit(self, record: Box | Notification) -> None:
        """One from an archive."""
        box = self._box(record.user)
        if isinstance(record, Box):
            box.mark = record.mark
            if record.settings is not None:
                self._settings[record.user] = record.settings
        else:
            box.add(evolve(record, read=False))
            if record.read and record.id > box.mark:
                box.read = {*(box.read or ()), record.id}
        self._changes.note()

    def _box(self, user: UserId) -> _Box:
        box = self._boxes.get(user)
        if box is None:
            box = self._boxes[user] = _Box()
        return box
