"""Media that no record names go, once nobody can be about to name them and nobody may still be watching.

All that is here has a way to go by itself, which an event sets off. This is for what those ways missed: a process that
died between a file and the record that names it, an event that was given up, records that are older than the media.
What is there is listed first and its record read after that, so that whatever was stored before a file was put is seen.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial

from attrs import define, field, frozen

from application.ports import Channels, MediaStore, Now, Processings, Stored, Streams, Uploads, UploadStore, Videos
from domain.errors import NotFound
from domain.ids import ChannelId, StreamId, UploadId, VideoId, made_at
from domain.media import attempt_prefix, video_prefix
from domain.streams import live_prefix
from domain.uploads import Status
from domain.watching import GRANT_LIFE

AT_ONCE = 100
"""Things that one call looks at."""
PAGE = 1000
"""Names that are listed at once, to be looked at by this and the next calls."""
REST = GRANT_LIFE
"""From the end of one round to the next, which removes what it finds as the one before did."""
STRAY_LIFE = timedelta(days=1)
"""A file is put before the record that names it is saved, by a request that takes less than this."""
UNKNOWN_LIFE = timedelta(hours=1)
"""The store is opened for an upload before its record is stored, by a request that takes less than this."""

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


_Look = Callable[[], Awaitable[str]]
"""Look at something; why it was removed, "" if it was not."""


@define(eq=False)
class SweepOrphans:
    """Remove media and uploads that no record names, in rounds, a little at each call.

    An orphan is removed when it was one an hour ago, too. How far a round is, and what the one before found, is
    forgotten with the process.
    """

    videos: Videos
    channels: Channels
    streams: Streams
    processings: Processings
    uploads: Uploads
    media: MediaStore
    store: UploadStore
    now: Now
    _to_look_at: list[tuple[str, _Look]] = field(factory=list, init=False)
    """The next one last."""
    _rests_until: datetime | None = field(default=None, init=False)
    _orphans: dict[str, datetime] = field(factory=dict, init=False)
    """Since when what this round found is known to be one; and what the round before found."""
    _orphans_before: dict[str, datetime] = field(factory=dict, init=False)

    async def __call__(self) -> Sequence[Swept]:
        """What was removed. A look that fails ends the call, and the next one goes on behind it."""
        if not self._to_look_at:
            if self._rests_until is not None and self.now() < self._rests_until:
                return ()
            self._begin()
        swept = []
        for _ in range(AT_ONCE):
            name, look = self._to_look_at.pop()
            try:
                why = await look()
            except Exception as error:  # noqa: BLE001  (one thing that cannot be removed keeps no other from it)
                swept.append(Swept(name, error=error))
                break
            if why:
                swept.append(Swept(name, why))
            if not self._to_look_at:
                break
        if not self._to_look_at:
            self._rests_until = self.now() + REST
        return swept

    def _begin(self) -> None:
        self._orphans_before, self._orphans = self._orphans, {}
        self._to_look_at = [
            ("uploads", self._held),
            ("l/", partial(self._folder, "l/", self._stream_of)),
            ("c/", partial(self._folder, "c/", self._channel_of)),
            ("v/", partial(self._folder, "v/", self._video_of)),
        ]

    async def _folder(self, prefix: str, look_at: Callable[[str, Stored], _Look | None], after: str = "") -> str:
        """Look next at what is in it, page by page, till one is empty: others may be short where much comes and goes."""
        page = await self.media.under(prefix, after=after, limit=PAGE)
        if page:
            self._to_look_at.append((prefix, partial(self._folder, prefix, look_at, page[-1].name)))
        for stored in reversed(page):
            key = prefix + stored.name
            if (look := look_at(key, stored)) is not None:
                self._to_look_at.append((key, look))
        return ""

    # --- videos

    def _video_of(self, _: str, stored: Stored) -> _Look | None:
        return partial(self._video, VideoId(stored.name[:-1])) if stored.at is None else None

    async def _video(self, video: VideoId) -> str:
        prefix = video_prefix(video)
        try:
            await self.videos.get(video)
        except NotFound:  # it was stored before anything was put for it, and ids do not come again
            return await self._remove(prefix, "there is no such video")
        return await self._folder(prefix, partial(self._part_of_video, video))

    def _part_of_video(self, video: VideoId, key: str, stored: Stored) -> _Look | None:
        if _ATTEMPT.fullmatch(stored.name):
            return partial(self._attempt, video, key)
        if stored.name in {"thumb/", "captions/"}:
            return partial(self._folder, key, partial(self._file_of, partial(self._files_of_video, video)))
        return None

    async def _attempt(self, video: VideoId, prefix: str) -> str:
        try:
            # In this order: what a video shows it has from its processing.
            processing = (await self.processings.many([video])).get(video)
            stored = await self.videos.get(video)
        except NotFound:
            return ""
        attempts = {each.attempt for each in (processing, processing and processing.media, stored.media) if each}
        if prefix in {attempt_prefix(video, attempt) for attempt in attempts}:
            return ""
        moved_at = processing.updated_at if processing else stored.created_at
        if self.now() < moved_at + GRANT_LIFE:
            return ""
        return await self._remove(prefix, "another attempt took its place")

    async def _files_of_video(self, video: VideoId) -> Collection[str]:
        return (await self.videos.get(video)).files

    # --- channels

    def _channel_of(self, _: str, stored: Stored) -> _Look | None:
        return partial(self._channel, ChannelId(stored.name[:-1])) if stored.at is None else None

    async def _channel(self, channel: ChannelId) -> str:
        prefix = f"c/{channel}/"
        try:
            await self.channels.get(channel)
        except NotFound:
            return await self._remove(prefix, "there is no such channel")
        return await self._folder(prefix, partial(self._file_of, partial(self._files_of_channel, channel)))

    async def _files_of_channel(self, channel: ChannelId) -> Collection[str]:
        return (await self.channels.get(channel)).files

    # --- streams

    def _stream_of(self, _: str, stored: Stored) -> _Look | None:
        return partial(self._stream, StreamId(stored.name[:-1])) if stored.at is None else None

    async def _stream(self, stream: StreamId) -> str:
        """What is shown of one that is there comes and goes with its broadcasts."""
        try:
            await self.streams.get(stream)
        except NotFound:
            return await self._remove(live_prefix(stream), "there is no such stream")
        return ""

    # --- what people put

    def _file_of(self, files: Callable[[], Awaitable[Collection[str]]], key: str, stored: Stored) -> _Look | None:
        """``files`` are the keys that the owner names; it raises NotFound when the owner is gone."""
        if stored.at is None:
            return partial(self._folder, key, partial(self._file_of, files))
        return partial(self._file, files, key, stored.at) if _WHOLE.fullmatch(stored.name) else None

    async def _file(self, files: Callable[[], Awaitable[Collection[str]]], key: str, at: datetime) -> str:
        if self.now() < at + STRAY_LIFE:
            return ""
        try:
            named = await files()
        except NotFound:  # the next round finds its folder without an owner
            return ""
        if any(each.startswith(key) for each in named):
            return ""
        return await self._remove(key, "nothing names this file")

    # --- uploads

    async def _held(self, after: str = "") -> str:
        page = await self.store.held(after=after, limit=PAGE)
        if page:
            self._to_look_at.append(("uploads", partial(self._held, page[-1])))
        self._to_look_at += [(upload, partial(self._upload, upload)) for upload in reversed(page)]
        return ""

    async def _upload(self, upload: UploadId) -> str:
        try:
            stored = await self.uploads.get(upload)
        except NotFound:
            made = made_at(upload)
            if made is None or self.now() < made + UNKNOWN_LIFE or not self._long_so(upload):
                return ""
            await self.store.discard_unknown(upload)
            return "there is no such upload"
        if stored.status not in _OVER or not self._long_so(upload):
            return ""
        await self.store.discard(stored)
        return f"the upload is {stored.status.value}"

    # ---

    async def _remove(self, prefix: str, why: str) -> str:
        """The reason, if it is time and there was something to remove."""
        return why if self._long_so(prefix) and await self.media.remove_prefix(prefix) else ""

    def _long_so(self, name: str) -> bool:
        """Whether it was an orphan in the round before, too, as long ago as links work.

        Records do not say since when they name something no more. What a link still leads to, what an event is about
        to remove, and what a look into the wrong records took for an orphan is left alone for so long.
        """
        now = self.now()
        since = self._orphans[name] = self._orphans_before.get(name, now)
        return now >= since + GRANT_LIFE
