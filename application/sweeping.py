"""Media that no record names go, once nobody can be about to name them and nobody may still be watching.

All that is here has a way to go by itself, which an event sets off. This is for what those ways missed: a process that
died between a file and the record that names it, an event that was given up, records that are older than the media.
What is there is listed first and its record read after that, so that whatever was stored before a file was put is seen.
"""

import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from attrs import define, evolve, field, frozen

from application.ports import Channels, MediaStore, Now, Processings, Rounds, Streams, Uploads, UploadStore, Videos
from domain.errors import NotFound, Stale
from domain.ids import ChannelId, StreamId, UploadId, VideoId, made_at
from domain.media import attempt_prefix, video_prefix
from domain.streams import live_prefix
from domain.uploads import Status
from domain.watching import GRANT_LIFE

AT_ONCE = 100
"""Things that one call looks at."""
PAGE = 1000
"""Names that are listed at once."""
REST = GRANT_LIFE
"""From the end of one round to the next, which removes what it finds as the one before did."""
ORPHANS_MOST_BYTES = 150_000
"""What the orphans take that one round tells the next, each its name and a time; others are found when these are gone."""
_TIME_BYTES = 40
STRAY_LIFE = timedelta(days=1)
"""A file is put before the record that names it is saved, by a request that takes less than this."""
UNKNOWN_LIFE = timedelta(hours=1)
"""The store is opened for an upload before its record is stored, by a request that takes less than this."""

_UPLOADS, _STREAMS, _CHANNELS, _VIDEOS = "uploads", "l/", "c/", "v/"
_OVER = frozenset({Status.CANCELLED, Status.EXPIRED, Status.FAILED})
_ATTEMPT = re.compile(r"a[0-9]+/")
# Names that are given here have one dot and three letters after it. No such name goes on after one like this, so that
# removing all that starts so takes none of them along.
_WHOLE = re.compile(r"[^.]*\..{3,}", re.DOTALL)


@frozen
class Swept:
    """What became of a key, prefix or upload that was looked at: it was removed, for what reason; or the look failed,
    and the next round comes to it again.
    """

    name: str
    why: str = ""
    error: Exception | None = None


_Listed = deque[tuple[str, datetime | None]]
"""Names, and when files were put."""
_Look = Callable[[], Awaitable[str]]
"""Look at something; why it was removed, "" if it was not."""


@define(eq=False)
class SweepOrphans:
    """Remove media and uploads that no record names, in rounds, a little at each call.

    An orphan is removed when it was one an hour ago, too.
    """

    videos: Videos
    channels: Channels
    streams: Streams
    processings: Processings
    uploads: Uploads
    media: MediaStore
    store: UploadStore
    rounds: Rounds
    now: Now
    _listed: "dict[str, _Listed]" = field(factory=dict, init=False)
    _listed_at: int = field(default=0, init=False)
    """The round's version when the last call ended: if nobody went on since, what that listed is still to be looked at."""

    async def __call__(self) -> Sequence[Swept]:
        """What was removed. A look that fails ends the call, and the next one goes on behind it."""
        stored = await self.rounds.get()
        if not stored.folders:
            if stored.rests_until is not None and self.now() < stored.rests_until:
                return ()
            roots = [(folder, "") for folder in (_UPLOADS, _STREAMS, _CHANNELS, _VIDEOS)]
            stored = evolve(stored, folders=roots, orphans={}, before=stored.orphans)
        listed, self._listed = self._listed if stored.version == self._listed_at else {}, {}
        walk = _Walk(self, list(stored.folders), dict(stored.orphans), stored.before, listed)
        swept = await walk.some()
        rests_until = stored.rests_until if walk.folders else self.now() + REST
        try:
            with suppress(Stale):  # another process goes the same way
                stored = await self.rounds.save(
                    evolve(stored, folders=walk.folders, orphans=walk.orphans, rests_until=rests_until)
                )
                self._listed, self._listed_at = walk.listed, stored.version
        except Exception as error:  # noqa: BLE001  (what was removed is told all the same)
            swept.append(Swept("the round", error=error))
        return swept


@define(eq=False)
class _Walk:
    """What one call does of a round: through ``folders``, from behind the name that each of them says, the last first.

    ``orphans`` are what this round found, and since when each is known to be one; ``before`` what the last one did.
    """

    of: SweepOrphans
    folders: list[tuple[str, str]]
    orphans: dict[str, datetime]
    before: Mapping[str, datetime]
    listed: dict[str, "_Listed"]
    """What comes next in a folder."""

    async def some(self) -> list[Swept]:
        swept = []
        for _ in range(AT_ONCE):
            name, look = self._next()
            try:
                why = await look()
            except Exception as error:  # noqa: BLE001  (one thing that cannot be removed keeps no other from it)
                swept.append(Swept(name, error=error))
                break
            if why:
                self.orphans.pop(name, None)
                swept.append(Swept(name, why))
            if not self.folders:
                break
        return swept

    def _next(self) -> tuple[str, _Look]:
        """Something to look at, by name. Should that fail, it was looked at all the same."""
        while True:
            folder, after = self.folders.pop()
            listed = self.listed.pop(folder, None)
            if not listed:
                return folder, partial(self._list, folder, after)
            name, at = listed.popleft()
            self.folders.append((folder, name))
            self.listed[folder] = listed
            look = self._look_at(folder, name, at)
            if look is not None:
                return (name if folder == _UPLOADS else folder + name), look

    async def _list(self, folder: str, after: str) -> str:
        """Page by page, till one is empty: others may be short where much comes and goes."""
        if folder == _UPLOADS:
            held = await self.of.store.held(after=after, limit=PAGE)
            page: Sequence[tuple[str, datetime | None]] = [(upload, None) for upload in held]
        else:
            page = [(each.name, each.at) for each in await self.of.media.under(folder, after=after, limit=PAGE)]
        if page:
            self.listed[folder] = deque(page)
            self.folders.append((folder, after))
        return ""

    def _look_at(self, folder: str, name: str, at: datetime | None) -> _Look | None:
        """Folders that need no look of their own are entered."""
        key, (kind, *inner) = folder + name, folder.split("/")[:-1] or [folder]
        look: _Look | None = None
        if folder == _UPLOADS:
            look = partial(self._upload, UploadId(name))
        elif not inner:
            if at is None:
                owner = {_VIDEOS: self._video, _CHANNELS: self._channel, _STREAMS: self._stream}[folder]
                look = partial(owner, name[:-1])
        elif kind == "v" and len(inner) == 1 and name not in {"thumb/", "captions/"}:
            if _ATTEMPT.fullmatch(name):
                look = partial(self._attempt, VideoId(inner[0]), key)
        elif at is None:
            self.folders.append((key, ""))
        elif _WHOLE.fullmatch(name):
            look = partial(self._file, kind, inner[0], key, at)
        return look

    async def _video(self, video: str) -> str:
        prefix = video_prefix(VideoId(video))
        try:
            await self.of.videos.get(VideoId(video))
        except NotFound:  # it was stored before anything was put for it, and ids do not come again
            return await self._remove(prefix, "there is no such video")
        self.folders.append((prefix, ""))
        return ""

    async def _attempt(self, video: VideoId, prefix: str) -> str:
        try:
            # In this order: what a video shows it has from its processing.
            processing = (await self.of.processings.many([video])).get(video)
            stored = await self.of.videos.get(video)
        except NotFound:
            return ""
        attempts = {each.attempt for each in (processing, processing and processing.media, stored.media) if each}
        if prefix in {attempt_prefix(video, attempt) for attempt in attempts}:
            return ""
        moved_at = processing.updated_at if processing else stored.created_at
        if self.of.now() < moved_at + GRANT_LIFE:
            return ""
        return await self._remove(prefix, "another attempt took its place")

    async def _channel(self, channel: str) -> str:
        prefix = f"{_CHANNELS}{channel}/"
        try:
            await self.of.channels.get(ChannelId(channel))
        except NotFound:
            return await self._remove(prefix, "there is no such channel")
        self.folders.append((prefix, ""))
        return ""

    async def _stream(self, stream: str) -> str:
        """What is shown of one that is there comes and goes with its broadcasts."""
        try:
            await self.of.streams.get(StreamId(stream))
        except NotFound:
            return await self._remove(live_prefix(StreamId(stream)), "there is no such stream")
        return ""

    async def _file(self, kind: str, owner: str, key: str, at: datetime) -> str:
        """One that people put."""
        if self.of.now() < at + STRAY_LIFE:
            return ""
        try:
            if kind == "v":
                named = (await self.of.videos.get(VideoId(owner))).files
            else:
                named = (await self.of.channels.get(ChannelId(owner))).files
        except NotFound:  # the next round finds its folder without an owner
            return ""
        if any(each.startswith(key) for each in named):
            return ""
        return await self._remove(key, "nothing names this file")

    async def _upload(self, upload: UploadId) -> str:
        try:
            stored = await self.of.uploads.get(upload)
        except NotFound:
            made = made_at(upload)
            if made is None or self.of.now() < made + UNKNOWN_LIFE or not self._long_so(upload):
                return ""
            await self.of.store.discard_unknown(upload)
            return "there is no such upload"
        if stored.status not in _OVER or not self._long_so(upload):
            return ""
        await self.of.store.discard(stored)
        return f"the upload is {stored.status.value}"

    async def _remove(self, prefix: str, why: str) -> str:
        """The reason, if it is time and there was something to remove."""
        return why if self._long_so(prefix) and await self.of.media.remove_prefix(prefix) else ""

    def _long_so(self, name: str) -> bool:
        """Whether it was an orphan in the round before, too, as long ago as links work.

        Records do not say since when they name something no more. What a link still leads to, what an event is about
        to remove, and what a look into the wrong records took for an orphan is left alone for so long.
        """
        now = self.of.now()
        since = self.before.get(name, now)
        if sum(len(each.encode()) + _TIME_BYTES for each in (name, *self.orphans)) <= ORPHANS_MOST_BYTES:
            self.orphans[name] = since
        return now >= since + GRANT_LIFE
