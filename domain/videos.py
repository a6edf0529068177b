"""Videos: what is said about them, who may see them, and when they count as published.

Three axes that never mix: processing (how far the media is), visibility (whom the owner wants to see it)
and blocked (what the platform's moderators say). ``listable`` is the one rule over the three.
"""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from domain.access import Actor
from domain.channels import Channel
from domain.errors import Invalid, NotFound
from domain.ids import ChannelId, StreamId, StreamSessionId, UserId, VideoId
from domain.media import FilesSuperseded, Media, progress, superseded
from domain.processing import NEXT, Failure, Processing, State
from domain.text import length, line, prose, visible

TAGS_MOST = 20
CHAPTERS_MOST = 100
CAPTIONS_MOST = 50


class Visibility(StrEnum):
    PUBLIC = "public"
    UNLISTED = "unlisted"
    """For whoever has the link."""
    PRIVATE = "private"
    """For the channel's members."""
    SCHEDULED = "scheduled"
    """Private until ``publish_at``, then public."""


class Audience(StrEnum):
    """As whom someone may watch; a playback grant carries it, so that it can be checked again later."""

    ANYONE = "anyone"
    LINK = "link"
    MEMBER = "member"


_SHOWN_TO: Mapping[Visibility, Audience] = {
    Visibility.PUBLIC: Audience.ANYONE, Visibility.UNLISTED: Audience.LINK
}  # fmt: skip


@frozen
class Chapter:
    start_s: float
    title: str = field(converter=line, validator=length(1, 100))


@frozen
class Caption:
    """A WebVTT track. ``key`` is where it lies, ``label`` what a player's menu shows."""

    language: str
    label: str
    key: str


_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")


def language(text: str) -> str:
    """A BCP 47 tag (language, and subtags as given). Raises Invalid."""
    if not _LANGUAGE.fullmatch(text):
        raise Invalid("a language is a BCP 47 tag such as en or pt-BR", code="invalid_language", field="language")
    return text


def tag(text: str) -> str:
    """A tag in its stored form: one line, without #, case folded; "" if nothing is left."""
    tidy = line(line(text).lstrip("# ").casefold())
    return tidy if visible(tidy) else ""


def _too_many_tags() -> Invalid:
    return Invalid(f"at most {TAGS_MOST} tags of at most 40 characters", field="tags")


def _tags(tags: Sequence[str]) -> tuple[str, ...]:
    if len(tags) > 10 * TAGS_MOST:  # before the work of tidying them
        raise _too_many_tags()
    tidy = tuple(dict.fromkeys(each for each in map(tag, tags) if each))
    if len(tidy) > TAGS_MOST or any(len(each) > 40 for each in tidy):
        raise _too_many_tags()
    return tidy


def _language_or_none(text: str | None) -> str | None:
    return language(text) if text else None


def _category(text: str | None) -> str | None:
    tidy = line(text) if text else None
    if tidy is not None and len(tidy) > 40:
        raise Invalid("a category has at most 40 characters", field="category")
    return tidy or None


def _moment(at: datetime | None) -> datetime | None:
    """In UTC. Raises Invalid for a time without a zone, and for one that UTC cannot express."""
    if at is None or at.tzinfo is UTC:
        return at
    if at.tzinfo is None:
        raise Invalid("publish_at needs a time zone, such as Z", field="publish_at")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise Invalid("publish_at lies too far away", field="publish_at") from None


@frozen(kw_only=True)
class Video:
    """One published (or not yet published) recording.

    ``media`` is what plays now; while a replacement is transcoded it is still the old one. ``state``,
    ``attempt`` and ``failure`` say how the last attempt goes (``Processing`` has the details). ``stream`` and
    ``stream_session`` are of a broadcast that this is the recording of.
    """

    id: VideoId
    channel: ChannelId
    uploader: UserId
    title: str = field(converter=line, validator=length(1, 100))
    description: str = field(default="", converter=prose, validator=length(0, 5000))
    tags: tuple[str, ...] = field(default=(), converter=_tags)
    category: str | None = field(default=None, converter=_category)
    language: str | None = field(default=None, converter=_language_or_none)
    visibility: Visibility = Visibility.PRIVATE
    publish_at: datetime | None = field(default=None, converter=_moment)
    published_at: datetime | None = None
    blocked: str | None = None
    state: State = State.PENDING
    attempt: int = 0
    failure: Failure | None = None
    media: Media | None = None
    thumbnail: str | None = None
    captions: Mapping[str, Caption] = field(factory=dict)
    chapters: tuple[Chapter, ...] = ()
    stream: StreamId | None = None
    stream_session: StreamSessionId | None = None
    created_at: datetime
    version: int = 0

    def __attrs_post_init__(self) -> None:
        if (self.visibility is Visibility.SCHEDULED) != (self.publish_at is not None):
            message = "publish_at goes with the visibility scheduled, and only with it"
            raise Invalid(message, code="publish_at_mismatch", field="publish_at")

    @property
    def files(self) -> frozenset[str]:
        """The keys of what was put for it by people: thumbnail and captions."""
        captions = frozenset(caption.key for caption in self.captions.values())
        return captions if self.thumbnail is None else captions | {self.thumbnail}

    # --- who may see it -------------------------------------------------------------------------

    @property
    def playable(self) -> bool:
        return self.media is not None

    @property
    def listable(self) -> bool:
        """Whether lists, feeds and search show it: complete, public and not blocked."""
        complete = self.media is not None and self.media.complete
        return complete and self.visibility is Visibility.PUBLIC and self.blocked is None

    def audience(self, actor: Actor, channel: Channel) -> Audience:
        """As whom ``actor`` may see it. Raises NotFound, so that a stranger learns nothing."""
        if channel.role(actor.user) is not None or actor.moderates:
            return Audience.MEMBER
        shown = _SHOWN_TO.get(self.visibility)
        if shown is None or not self.admits(shown):
            raise NotFound("there is no such video")
        return shown

    def admits(self, audience: Audience) -> bool:
        """Whether a grant given to ``audience`` still holds. Members always see; others only what is shown."""
        if audience is Audience.MEMBER:
            return True
        shown = {Visibility.PUBLIC} if audience is Audience.ANYONE else {Visibility.PUBLIC, Visibility.UNLISTED}
        return self.visibility in shown and self.blocked is None and self.playable

    def percent(self, processing: Processing | None) -> int:
        """How far the last attempt is, or got. ``processing`` is known of one that is not ready, once there is any."""
        if self.state is State.READY:
            return 100
        return processing.percent if processing else 0

    # --- what changes it ------------------------------------------------------------------------

    def edit(
        self, now: datetime, *, title: str | None = None, description: str | None = None,
        tags: Sequence[str] | None = None, category: str | None = None, language: str | None = None,
        visibility: Visibility | None = None, publish_at: datetime | None = None,
    ) -> "Change":  # fmt: skip
        """With what was given changed; None leaves a thing as it is, "" clears a category or language.

        Raises Invalid: a time to publish must lie ahead, and a video that was published is not scheduled again.
        """
        publish_at = _moment(publish_at)
        given: dict[str, Any] = {
            "title": title, "description": description, "tags": tags, "category": category,
            "language": language, "visibility": visibility, "publish_at": publish_at,
        }  # fmt: skip
        changes = {key: value for key, value in given.items() if value is not None}
        if visibility is not None and visibility is not Visibility.SCHEDULED and publish_at is None:
            changes["publish_at"] = None
        if publish_at is not None and publish_at <= now:
            raise Invalid("publish_at must lie ahead", code="publish_at_past", field="publish_at")
        if visibility is Visibility.SCHEDULED and self.published_at is not None:
            raise Invalid("it was published already", code="already_published", field="visibility")
        return self._become(evolve(self, **changes), now)

    def publish_due(self, now: datetime) -> "Change":
        """Public, if it is scheduled and its time has come; else as it is."""
        if self.publish_at is None or self.publish_at > now:
            return self, ()
        return self._become(evolve(self, visibility=Visibility.PUBLIC, publish_at=None), now)

    def block(self, reason: str, now: datetime) -> "Change":
        """Out of everyone's sight but the members' and moderators'."""
        return self._become(evolve(self, blocked=prose(reason) or "blocked"), now)

    def unblock(self, now: datetime) -> "Change":
        return self._become(evolve(self, blocked=None), now)

    def reflect(self, processing: Processing, now: datetime) -> "Change":
        """With what processing knows: the state of the last attempt, and the media once it is better.

        Partial media of a new attempt does not take the place of a complete older one. An older look at
        processing, which someone slow still holds, takes nothing back.
        """
        if processing.attempt == self.attempt:
            if processing.state is not self.state and processing.state not in NEXT[self.state]:
                return self, ()
        elif processing.attempt < self.attempt:
            return self, ()
        media = max(self.media, processing.media, key=progress)
        reflected = evolve(
            self, state=processing.state, attempt=processing.attempt, failure=processing.failure, media=media
        )
        if reflected == self:
            return self, ()
        changed, events = self._become(reflected, now)
        if media is not None and self.media is not None and media.attempt != self.media.attempt:
            events = (*events, MediaSuperseded(self.id, self.media.attempt, now))
        ended = (self.state, self.attempt) != (changed.state, changed.attempt)
        if ended and changed.state is State.READY:
            events = (*events, VideoReady(self.id, self.channel, processing.attempt, now))
        if ended and changed.state is State.FAILED and processing.failure:
            events = (*events, VideoFailed(self.id, self.channel, processing.attempt, processing.failure.code, now))
        return changed, events

    def with_thumbnail(self, key: str, now: datetime) -> "Change":
        changed, events = self._become(evolve(self, thumbnail=key), now)
        return changed, (*events, *superseded(self.files, changed.files, now))

    def with_chapters(self, chapters: Sequence[Chapter]) -> "Video":
        """Raises Invalid unless they start at 0, ascend, and end before the video does."""
        if len(chapters) > CHAPTERS_MOST:
            raise Invalid(f"at most {CHAPTERS_MOST} chapters", field="chapters")
        starts = [chapter.start_s for chapter in chapters]
        if starts and (starts[0] != 0 or not all(a < b < math.inf for a, b in itertools.pairwise(starts))):
            raise Invalid("chapters start at 0 and ascend", code="chapters_disordered", field="chapters")
        if self.media is not None and starts and starts[-1] >= max(self.media.duration_s, 0.001):
            raise Invalid(
                f"the chapter “{chapters[-1].title}” starts after the end", code="chapters_beyond_end", field="chapters"
            )
        return evolve(self, chapters=tuple(chapters))

    def with_caption(self, caption: Caption, now: datetime) -> "Change":
        if caption.language not in self.captions and len(self.captions) >= CAPTIONS_MOST:
            raise Invalid(f"at most {CAPTIONS_MOST} languages", code="too_many_captions", field="language")
        changed = evolve(self, captions={**self.captions, caption.language: caption})
        return changed, superseded(self.files, changed.files, now)

    def without_caption(self, tag: str, now: datetime) -> "Change":
        if tag not in self.captions:
            raise NotFound("there are no captions in this language")
        left = evolve(self, captions={each: caption for each, caption in self.captions.items() if each != tag})
        return left, superseded(self.files, left.files, now)

    def _become(self, after: "Video", now: datetime) -> "Change":
        """The only way to another listing: the first time it is listed is when it was published."""
        events: tuple[VideoEvent, ...] = ()
        if after.listable and after.published_at is None:
            after = evolve(after, published_at=now)
            events = (VideoPublished(self.id, self.channel, now),)
        if self.listable or after.listable:
            events = (*events, ListingChanged(self.id, self.channel, now))
        return after, events


@frozen
class VideoPublished:
    """It can be seen by everyone, for the first time. Happens once in a video's life."""

    video: VideoId
    channel: ChannelId
    at: datetime


@frozen
class ListingChanged:
    """It appeared in lists, left them, or looks different there."""

    video: VideoId
    channel: ChannelId
    at: datetime


@frozen
class VideoReady:
    video: VideoId
    channel: ChannelId
    attempt: int
    at: datetime


@frozen
class VideoFailed:
    video: VideoId
    channel: ChannelId
    attempt: int
    code: str
    at: datetime


@frozen
class VideoRemoved:
    """The video is gone; its files, jobs and comments can go."""

    video: VideoId
    channel: ChannelId
    at: datetime


@frozen
class MediaSuperseded:
    """A newer attempt plays now; the older one's files can go once nobody watches them any more."""

    video: VideoId
    attempt: int
    at: datetime


VideoEvent = (
    VideoPublished | ListingChanged | VideoReady | VideoFailed | VideoRemoved | MediaSuperseded | FilesSuperseded
)
Change = tuple[Video, tuple[VideoEvent, ...]]
