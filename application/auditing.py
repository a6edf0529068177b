"""Records held against media: whether all is there that they name."""

import posixpath
import re
from collections.abc import Sequence
from enum import StrEnum

from attrs import define, field, frozen

from application.ports import MediaStore, Processings, Uploads, UploadStore, Videos
from domain.errors import NotFound
from domain.media import POSTER, STORYBOARD, Media, attempt_prefix
from domain.processing import Processing, State
from domain.uploads import Status, Upload
from domain.videos import Video

_PAGE = 1000
_URI = re.compile(r'[:,]URI="([^"]+)"')
_SHEET = re.compile(r"^(\S+)#xywh=", re.MULTILINE)
_PLAYLIST_TAGS = ("#EXT-X-MEDIA:", "#EXT-X-I-FRAME-STREAM-INF:")


class Wrong(StrEnum):
    MISSING = "missing"
    """It is named and not there."""
    BROKEN = "broken"
    """It is there and is not what it should be: a playlist or storyboard that names nothing, or a playlist that leads
    out of its attempt.
    """


@frozen
class Flaw:
    """What is wrong with what a video or upload (``subject``) needs; ``detail`` is the key."""

    kind: Wrong
    subject: str
    detail: str


@frozen
class Playlist:
    """What an HLS playlist (RFC 8216) names: other playlists, and the files that are played."""

    playlists: tuple[str, ...]
    files: tuple[str, ...]

    @classmethod
    def read(cls, content: bytes) -> "Playlist":
        """Names nothing if the content is no playlist, or was cut short within a character."""
        lines = [line.strip() for line in content.decode("utf-8", "replace").splitlines()]
        playlists: list[str] = []
        files: list[str] = []
        if not lines or lines[0] != "#EXTM3U":
            return cls((), ())
        to = files
        for line in lines:
            if line.startswith("#EXT-X-STREAM-INF:"):
                to = playlists
            elif line.startswith("#"):
                (playlists if line.startswith(_PLAYLIST_TAGS) else files).extend(_URI.findall(line))
            elif line:
                to.append(line)
                to = files
        return cls(tuple(playlists), tuple(files))


@frozen
class AuditMedia:
    """Whether the media and sources that videos need are there. It changes nothing.

    That a segment is there is known from its folder's listing; only playlists are read.
    """

    videos: Videos
    processings: Processings
    uploads: Uploads
    media: MediaStore
    store: UploadStore

    async def __call__(self, videos: Sequence[Video]) -> Sequence[Flaw]:
        """What is wrong with some videos, in their order."""
        return [flaw for video in videos for flaw in await self._audited(video)]

    async def _audited(self, video: Video) -> Sequence[Flaw]:
        """A second look, at what is stored by then, tells a flaw from what was just being changed."""
        flaws = await self._flaws(video)
        latest = (await self.videos.many([video.id])).get(video.id) if flaws else None
        still = frozenset(await self._flaws(latest)) if latest is not None else ()
        return [flaw for flaw in flaws if flaw in still]

    async def _flaws(self, video: Video) -> Sequence[Flaw]:
        return [*await self._shown(video), *await self._sources(video)]

    async def _shown(self, video: Video) -> Sequence[Flaw]:
        look = _Look(self.media, video.id)
        if video.media is not None:
            await self._played(look, attempt_prefix(video.id, video.media.attempt), video.media)
        for key in sorted(video.files):
            await look.require(key)
        return tuple(look.flaws)

    async def _played(self, look: "_Look", prefix: str, media: Media) -> None:
        to_read = [prefix + media.manifest]
        for key in to_read:  # grows by what each names
            named = await look.playlist(key)
            for target in _targets(key, named.playlists):
                if not target.startswith(prefix):
                    look.flaw(Wrong.BROKEN, key)
                elif target not in to_read:
                    to_read.append(target)
            for target in _targets(key, named.files):
                if target.startswith(prefix):
                    await look.require(target)
                else:
                    look.flaw(Wrong.BROKEN, key)
        if media.poster:
            await look.require(prefix + POSTER)
        if media.storyboard:
            await self._storyboard(look, prefix + STORYBOARD)

    async def _storyboard(self, look: "_Look", key: str) -> None:
        content = await look.read(key)
        if content is None:
            return
        sheets = dict.fromkeys(_SHEET.findall(content.decode("utf-8", "replace")))
        if not sheets:
            look.flaw(Wrong.BROKEN, key)
        for target in _targets(key, tuple(sheets)):
            await look.require(target)

    async def _sources(self, video: Video) -> Sequence[Flaw]:
        processing = (await self.processings.many([video.id])).get(video.id)
        return [
            Flaw(Wrong.MISSING, upload.id, upload.source)
            for upload in await self.uploads.of_video(video.id)
            if _needed(upload, processing) and upload.missing(await self.store.received(upload))
        ]


def _targets(key: str, uris: Sequence[str]) -> Sequence[str]:
    """Where the names in a playlist lead, which are relative to it."""
    return [posixpath.normpath(posixpath.join(posixpath.dirname(key), uri)) for uri in uris]


def _needed(upload: Upload, processing: Processing | None) -> bool:
    """Whether the source is still to be transcoded, or may be again. A newer one than is known of is about to be."""
    if upload.status is not Status.COMPLETED:
        return False
    if processing is None or upload.id > processing.upload:
        return True
    return upload.id == processing.upload and processing.state is not State.READY


@define
class _Look:
    """One look at one video's files: each folder is listed once, and each flaw counts once."""

    media: MediaStore
    subject: str
    flaws: dict[Flaw, None] = field(factory=dict)
    _names: dict[str, set[str]] = field(factory=dict)

    def flaw(self, kind: Wrong, key: str) -> None:
        self.flaws[Flaw(kind, self.subject, key)] = None

    async def require(self, key: str) -> None:
        folder, _, name = key.rpartition("/")
        if folder not in self._names:
            self._names[folder] = await self._listed(f"{folder}/")
        if name not in self._names[folder]:
            self.flaw(Wrong.MISSING, key)

    async def read(self, key: str) -> bytes | None:
        try:
            return await self.media.read(key)
        except NotFound:
            self.flaw(Wrong.MISSING, key)
            return None

    async def playlist(self, key: str) -> Playlist:
        content = await self.read(key)
        found = Playlist.read(content or b"")
        if content is not None and not found.playlists and not found.files:
            self.flaw(Wrong.BROKEN, key)
        return found

    async def _listed(self, prefix: str) -> set[str]:
        names: set[str] = set()
        after = ""
        while page := await self.media.under(prefix, after=after, limit=_PAGE):
            names.update(stored.name for stored in page)
            after = page[-1].name
        return names
