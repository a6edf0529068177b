"""What people were told. One that is read has a mark beside it, so that a page of a fan-out that comes twice, in the
midst of the first, leaves it read.

To tell a person something costs one write unit, and two reads of what is seldom there: whether they have it already,
and what they want to hear of. A page of 200 takes 12 calls.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import groupby

from attrs import evolve

from adapters.aws.dynamo import (
    NEW,
    Item,
    Key,
    Refused,
    Tables,
    check,
    delete,
    expiry,
    key_of,
    live,
    put,
    text,
    update,
)
from adapters.aws.shelves import DOC, tail
from adapters.aws.tables import INBOX, SK, Operation, pattern
from adapters.cursors import encoded
from adapters.rows import text_of, value_of
from application.ports import UNREAD_MOST, Box, Now, Page, Unread
from domain.ids import NotificationId, UserId
from domain.notifications import Notification, Settings

KEPT = timedelta(days=60)
"""However many there are: to look whether a box is too full would be one more read for each who is told something."""
ID_MOST = 100
"""Characters. Clients may say that they have read up to any text; no notification is beyond so many of them."""
_MARKED = "#READ"
PIECE = 500
"""Items that are forgotten at once."""

_TOLD, _ID = "TOLD#<user>", "<notification>"
_BOX = "BOX#<user>"
_KNOWN = pattern("notifications by id", Operation.MANY, INBOX, _TOLD, _ID, strong=True, items=200, item_bytes=500)
_DELIVER = pattern("deliver notifications", Operation.BATCH, INBOX, _TOLD, _ID, items=200, item_bytes=500)
_LIST = pattern(
    "notifications and their marks, either way", Operation.QUERY, INBOX, _TOLD, "<notification>[#READ]", strong=True,
    items=43, item_bytes=500,
)  # fmt: skip
_READ = pattern("mark some as read", Operation.BATCH, INBOX, _TOLD, "<notification>#READ", items=10, item_bytes=150)
_FORGET = pattern("forget what someone was told", Operation.BATCH, INBOX, _TOLD, items=PIECE, item_bytes=500)
_HOW_FAR = pattern("how far someone has read", Operation.GET, INBOX, _BOX, "MARK", strong=True, item_bytes=150)
_MOVE = pattern("move someone's mark ahead", Operation.WRITE, INBOX, _BOX, "MARK", item_bytes=150)
_CHOSEN = pattern(
    "what people want to hear of", Operation.MANY, INBOX, _BOX, "SETTINGS", strong=True, items=200, item_bytes=200
)  # fmt: skip
_CHOOSE = pattern("save what someone wants to hear of", Operation.WRITE, INBOX, _BOX, "SETTINGS", item_bytes=200)
_FORGET_BOX = pattern("forget someone's mark and settings", Operation.BATCH, INBOX, _BOX, items=2, item_bytes=200)


class DynamoInbox:
    """One partition a person: each notification, and after it the mark of one that is read by itself. In another
    how far they have read (all before that is read), and what they want to hear of.
    """

    def __init__(self, tables: Tables, now: Now) -> None:
        self._tables = tables
        self._now = now

    async def deliver(self, notifications: Sequence[Notification]) -> Sequence[Notification]:
        """Of two deliveries of one notification at the same moment both may find it new; they write the same."""
        now = self._now()
        named = {_told(each.user, each.id): each for each in reversed(notifications)}  # of two of one id, the first
        known = await self._tables.many(_KNOWN, named)
        new = {key: each for key, each in named.items() if not live(known.get(key), now)}
        kept = expiry(now + KEPT)
        await self._tables.write_many(
            [put(_DELIVER, key, {DOC: text(text_of(each)), **kept}) for key, each in new.items()]
        )
        return [each for each in notifications if new.get(_told(each.user, each.id)) is each]

    async def list(
        self, user: UserId, *, unread_only: bool = False, cursor: str | None = None, limit: int = 20
    ) -> Page[Notification]:
        (before,) = tail(cursor) or (None,)
        mark = await self._mark(user)
        after = mark if unread_only else None
        found = await self._some(user, limit + 1, after=after, before=before, unread_only=unread_only)
        shown = [_shown(each, mark) for each in found[:limit]]
        return Page(shown, encoded((shown[-1].id,)) if len(found) > limit else None)

    async def after(self, user: UserId, notification: NotificationId, limit: int = 100) -> Sequence[Notification]:
        mark = await self._mark(user)
        found = await self._some(user, limit, after=notification, ascending=True)
        return [_shown(each, mark) for each in found]

    async def unread(self, user: UserId) -> Unread:
        mark = await self._mark(user)
        count = len(await self._some(user, UNREAD_MOST + 1, after=mark, unread_only=True))
        return Unread(min(count, UNREAD_MOST), capped=count > UNREAD_MOST)

    async def mark_read(self, user: UserId, notifications: Sequence[NotificationId]) -> None:
        now = self._now()
        there = await self._tables.many(_KNOWN, (_told(user, each) for each in notifications if "#" not in each))
        marks = [Key(key.pk, f"{key.sk}{_MARKED}") for key, item in there.items() if live(item, now)]
        await self._tables.write_many([put(_READ, mark, expiry(now + KEPT)) for mark in marks])

    async def mark_read_up_to(self, user: UserId, notification: NotificationId) -> None:
        ahead = "attribute_not_exists(#mark) OR #mark < :mark"
        with suppress(Refused):
            await self._tables.write(
                update(_MOVE, _box(user, "MARK"), "SET #mark = :mark", ahead, mark=text(notification[:ID_MOST]))
            )

    async def settings(self, user: UserId) -> Settings:
        return (await self.settings_of([user]))[user]

    async def save_settings(self, user: UserId, settings: Settings) -> None:
        await self._tables.write(put(_CHOOSE, _box(user, "SETTINGS"), {DOC: text(text_of(settings))}))

    async def settings_of(self, users: Sequence[UserId]) -> Mapping[UserId, Settings]:
        keys = {user: _box(user, "SETTINGS") for user in users}
        chosen = await self._tables.many(_CHOSEN, keys.values())
        default = Settings()
        return {user: _settings(chosen[key]) if key in chosen else default for user, key in keys.items()}

    async def forget(self, user: UserId) -> None:
        partition = _told(user, "").pk
        while items := await self._tables.query(_LIST, partition, limit=PIECE):
            await self._tables.write_many([delete(_FORGET, key_of(item)) for item in items])
        await self._tables.write_many([delete(_FORGET_BOX, _box(user, what)) for what in ("MARK", "SETTINGS")])

    async def kept(self, items: Callable[[], AsyncIterator[Item]]) -> AsyncIterator[Box | Notification]:
        """What the items of the table hold, for an archive. They are walked over twice; between the two is remembered
        how far each has read, what they chose, and which notifications have a mark of their own.
        """
        now, boxes, marked = self._now(), dict[UserId, Box](), set[Key]()
        async for item in items():
            key = key_of(item)
            if key.pk.startswith("BOX#"):
                user = UserId(key.pk.removeprefix("BOX#"))
                said = {"mark": item["mark"]["S"]} if key.sk == "MARK" else {"settings": _settings(item)}
                boxes[user] = evolve(boxes.get(user, Box(user)), **said)
            elif key.sk.endswith(_MARKED):
                marked.add(Key(key.pk, key.sk.removesuffix(_MARKED)))
        for box in boxes.values():
            yield box
        async for item in items():
            if DOC in item and key_of(item).pk.startswith("TOLD#") and live(item, now):
                told = value_of(item[DOC]["S"], Notification)
                read = key_of(item) in marked or (told.user in boxes and told.id <= boxes[told.user].mark)
                yield evolve(told, read=read)

    async def admit(self, record: Box | Notification) -> None:
        """One from an archive. Raises Refused."""
        if isinstance(record, Box):
            mark, chosen = _box(record.user, "MARK"), _box(record.user, "SETTINGS")
            settings = None if record.settings is None else {DOC: text(text_of(record.settings))}
            await self._tables.write(
                put(_MOVE, mark, {"mark": text(record.mark)}, NEW) if record.mark else check(_MOVE, mark, NEW),
                check(_CHOOSE, chosen, NEW) if settings is None else put(_CHOOSE, chosen, settings, NEW),
            )
            return
        if not await self.deliver([evolve(record, read=False)]):
            raise Refused({0: None})
        if record.read and record.id > await self._mark(record.user):
            await self.mark_read(record.user, [record.id])

    async def _mark(self, user: UserId) -> str:
        """All up to it are read."""
        item = await self._tables.get(_HOW_FAR, _box(user, "MARK"))
        return item["mark"]["S"] if item else ""

    async def _some(
        self, user: UserId, most: int, *, after: str | None = None, before: str | None = None,
        ascending: bool = False, unread_only: bool = False,
    ) -> Sequence[Notification]:  # fmt: skip
        """At most so many of those after and before others by id; ``read`` if they have a mark of their own."""
        now, found = self._now(), list[Notification]()
        limit = 2 * most + 1
        while True:
            items = await self._tables.query(
                _LIST, _told(user, "").pk, above=f"{after}$" if after else None, below=before,
                descending=not ascending, limit=limit,
            )  # fmt: skip
            groups = [(id_, list(group)) for id_, group in groupby(items, _id)]
            if len(items) == limit:
                groups.pop()  # the half of one may be on the next page
            told = (_whole(group, now) for _, group in groups)
            found += [each for each in told if each is not None and not (unread_only and each.read)]
            if len(found) >= most or len(items) < limit:
                return found[:most]
            last = groups[-1][0]
            after, before = (last, before) if ascending else (after, last)


def _told(user: UserId, notification: str) -> Key:
    return Key(f"TOLD#{user}", notification)


def _box(user: UserId, what: str) -> Key:
    return Key(f"BOX#{user}", what)


def _settings(item: Item) -> Settings:
    return value_of(item[DOC]["S"], Settings)


def _id(item: Item) -> str:
    id_: str = item[SK]["S"].partition("#")[0]
    return id_


def _whole(group: Sequence[Item], now: datetime) -> Notification | None:
    """Of itself and its mark, in whatever order they come; None when it is over."""
    told = next((value_of(item[DOC]["S"], Notification) for item in group if DOC in item and live(item, now)), None)
    return evolve(told, read=True) if told is not None and len(group) > 1 else told


def _shown(notification: Notification, mark: str) -> Notification:
    return evolve(notification, read=True) if notification.id <= mark else notification
