"""Uploads on DynamoDB, and what each user's take.

An upload is one item, in an index of its user's (``g1``) and, while it is open, in one of those whose time runs out
(``g2``). An item without a document finds it by its video. And each user has an item of what their uploads take: the
bytes, and the set of those that are open. It changes in the transaction that changes an upload, under the condition
that there is room, so the quota is exact whoever else is at it; and the set is the list of the open ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from adapters.aws.counters import mended
from adapters.aws.dynamo import Item, Key, Refused, Tables, Value, Write, key_of, number, texts, update
from adapters.aws.lists import LAST, entry, merged, place, sharded, shards, up_to
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.shelves import Shelf, moving, page, tail
from adapters.aws.tables import G1, G2, OPS, SK, Operation, pattern
from adapters.aws.videos import announcing
from application.ports import Event, Page
from domain.errors import Forbidden, Stale
from domain.ids import UploadId, UserId, VideoId
from domain.uploads import OPEN, Upload
from domain.videos import Video

_EXPIRING = "EXPIRING"


def _place(upload: Upload) -> Mapping[str, Value]:
    places = {**entry(G1, f"USER#{upload.user}", place(upload.created_at, upload.id))}
    if upload.status in OPEN:
        places |= entry(G2, sharded(_EXPIRING, upload.id), place(upload.expires_at, upload.id))
    return places


_UPLOADS = Shelf(
    table=OPS, kind=Upload, name="upload", prefix="UPLOAD#", missing="there is no such upload", stale="this upload",
    place=_place, indices=(G1, G2), item_bytes=600,
)  # fmt: skip
_OF_USER = pattern(
    "uploads of a user, the newest first", Operation.QUERY, OPS, "USER#<user>", "<created at>#<upload>", index=G1,
    items=21, item_bytes=600,
)  # fmt: skip
_EXPIRED = pattern(
    "open uploads, by when their time is over", Operation.QUERY, OPS, f"{_EXPIRING}#<shard>", "<expires at>#<upload>",
    index=G2, items=10, item_bytes=600,
)  # fmt: skip
_BY_VIDEO = "VIDEO#<video>", "UPLOAD#<created at>#<upload>"
_OF_VIDEO = pattern(
    "uploads made for a video, the oldest first", Operation.QUERY, OPS, *_BY_VIDEO, strong=True, item_bytes=100
)
_LINK = pattern("find an upload by its video", Operation.WRITE, OPS, *_BY_VIDEO, item_bytes=100, transaction=True)
_SOME = pattern(
    "open uploads of a user, or all of a video", Operation.MANY, OPS, "UPLOAD#<id>", "META", strong=True, items=3,
    item_bytes=600,
)  # fmt: skip
_USED = pattern("which uploads a user has open", Operation.GET, OPS, "USER#<user>", "USAGE", strong=True)
_USE = pattern("what a user's uploads take", Operation.WRITE, OPS, "USER#<user>", "USAGE", transaction=True)


class DynamoUploads:
    """An item each, one by which its video finds it, and one for each user who ever had some."""

    def __init__(self, tables: Tables, outbox: DynamoOutbox) -> None:
        self._tables = tables
        self._outbox = outbox

    async def get(self, upload: UploadId) -> Upload:
        return await _UPLOADS.get(self._tables, upload)

    async def start(self, upload: Upload, quota_bytes: int, open_most: int, *, video: Video | None = None) -> Upload:
        if _bytes(upload) > quota_bytes:
            raise _over_quota(quota_bytes)
        if _open(upload) > open_most:
            raise _too_many(open_most)
        saved, write = _UPLOADS.saving(upload)
        usage = _using(None, upload, room=quota_bytes - _bytes(upload), most=open_most)
        new = [] if video is None else [announcing(video)[1]]
        try:
            await self._tables.write(write, *usage, *moving(_LINK, {}, _links(upload)), *new)
        except Refused as refused:
            if 0 in refused.there:
                raise Stale("this upload") from refused
            if 1 not in refused.there:
                raise Stale("this video") from refused
            used = refused.there[1]
            if used is not None and int(used["bytes"]["N"]) + _bytes(upload) > quota_bytes:
                raise _over_quota(quota_bytes) from refused
            raise _too_many(open_most) from refused
        return saved

    async def save(self, upload: Upload, *events: Event) -> Upload:
        before = await _UPLOADS.before(self._tables, upload)
        saved, write = _UPLOADS.saving(upload)
        await _UPLOADS.written(self._tables, write, *_beside(before, saved), *self._outbox.storing(events))
        return saved

    async def of_user(
        self, user: UserId, *, open_only: bool = False, cursor: str | None = None, limit: int = 20
    ) -> Page[Upload]:
        last = tail(cursor)
        before = None if last is None else last[0]
        if open_only:
            items = [item for item in await self._opened(user) if item[G1.sk]["S"] < (before or LAST)]
        else:
            items = list(
                await self._tables.query(_OF_USER, f"USER#{user}", below=before, descending=True, limit=limit + 1)
            )
        return page(items, limit, _UPLOADS.value, G1.sk)

    async def of_video(self, video: VideoId) -> Sequence[Upload]:
        links = await self._tables.query(_OF_VIDEO, f"VIDEO#{video}", limit=None)
        keys = [_UPLOADS.at(link[SK]["S"].rpartition("#")[2]) for link in links]
        found = await self._tables.many(_SOME, keys)
        return [_UPLOADS.value(found[key]) for key in keys if key in found]

    async def remove(self, upload: UploadId) -> None:
        while (stored := await _UPLOADS.find(self._tables, upload)) is not None:
            try:
                await self._tables.write(_UPLOADS.removing(stored), *_beside(stored, None))
            except Refused:
                continue  # someone saved it meanwhile
            return

    async def expired(self, now: datetime, limit: int = 100) -> Sequence[Upload]:
        items = await merged(self._tables, _EXPIRED, shards(_EXPIRING), below=up_to(now), limit=limit, step=limit)
        return [_UPLOADS.value(item) for item in items]

    def kept(self, item: Item) -> Upload | None:
        return _UPLOADS.kept(item)

    async def admit(self, upload: Upload) -> None:
        """One from an archive. Raises Refused."""
        await self._tables.write(_UPLOADS.admitting(upload), *_beside(None, upload))

    def tallied(self, item: Item) -> Iterable[tuple[str, int]]:
        upload, key = self.kept(item), key_of(item)
        if upload is not None:
            used = _usage(upload.user).pk
            yield f"{used}#bytes", _bytes(upload)
            yield f"{used}#{upload.id}", int(_open(upload))
        if key.sk == "USAGE":
            yield f"{key.pk}#bytes", -int(item["bytes"]["N"])
            for id_ in item.get("open", {"SS": ()})["SS"]:
                yield f"{key.pk}#{id_}", -1

    async def mend(self, count: str, by: int) -> bool:
        """What is missing among the open ones is put there as long as it is open; one that was once over stays so."""
        used, _, what = count.rpartition("#")
        key = Key(used, "USAGE")
        if what == "bytes":
            return await mended(self._tables, update(_USE, key, "ADD #bytes :step", step=number(by)), by)
        if by < 0:
            return await mended(self._tables, update(_USE, key, "DELETE #open :ids", ids=texts(what)), by)
        stored = await _UPLOADS.find(self._tables, what)
        if stored is None or not _open(stored):
            return False
        opens = update(_USE, key, "ADD #bytes :none, #open :ids", none=number(0), ids=texts(what))
        try:
            await self._tables.write(_UPLOADS.unchanged(stored), opens)
        except Refused:
            return False
        return True

    async def _opened(self, user: UserId) -> Sequence[Item]:
        """Newest first. As many as may be open at once, so they are put in order here."""
        used = await self._tables.get(_USED, _usage(user))
        ids = [] if used is None else used.get("open", {"SS": ()})["SS"]
        found = (await self._tables.many(_SOME, map(_UPLOADS.at, ids))).values()
        return sorted((item for item in found if G2.sk in item), key=lambda item: str(item[G1.sk]["S"]), reverse=True)


def _usage(user: UserId) -> Key:
    return Key(f"USER#{user}", "USAGE")


def _bytes(upload: Upload | None) -> int:
    """What it takes of its user's quota."""
    return upload.size_bytes if upload is not None and upload.counts else 0


def _open(upload: Upload | None) -> bool:
    return upload is not None and upload.status in OPEN


def _links(upload: Upload | None) -> Mapping[Key, Item]:
    if upload is None:
        return {}
    return {Key(f"VIDEO#{upload.video}", f"UPLOAD#{place(upload.created_at, upload.id)}"): {}}


def _beside(before: Upload | None, after: Upload | None) -> Sequence[Write]:
    """What a save changes beside the upload itself."""
    return [*moving(_LINK, _links(before), _links(after)), *_using(before, after)]


_ROOM = "(attribute_not_exists(#bytes) OR #bytes <= :room) AND (attribute_not_exists(#open) OR size(#open) < :most)"


def _using(before: Upload | None, after: Upload | None, *, room: int | None = None, most: int = 0) -> Sequence[Write]:
    """What a save changes of what its user's uploads take. With ``room``: if they take no more than that by now, and
    fewer than ``most`` are open.
    """
    writes = []
    for user in sorted({each.user for each in (before, after) if each is not None}):
        was, now = (each if each is not None and each.user == user else None for each in (before, after))
        step, opens, closes = _bytes(now) - _bytes(was), _open(now) and not _open(was), _open(was) and not _open(now)
        if not (step or opens or closes):
            continue
        adds = f"ADD #bytes :step{', #open :ids' if opens else ''}{' DELETE #open :ids' if closes else ''}"
        ids = texts(*{each.id for each in (was, now) if each is not None})
        limits = {} if room is None else {"room": number(room), "most": number(most)}
        condition = "" if room is None else _ROOM
        writes.append(update(_USE, _usage(user), adds, condition, step=number(step), ids=ids, **limits))
    return writes


def _over_quota(quota_bytes: int) -> Forbidden:
    return Forbidden(f"your uploads may take {quota_bytes} bytes together", code="quota_exceeded")


def _too_many(open_most: int) -> Forbidden:
    return Forbidden(f"you may have {open_most} uploads open", code="too_many_uploads")
