"""Who sees a video, when it counts as published, and what may be said about it."""

import itertools
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.access import ANONYMOUS, Actor, Role
from domain.channels import Channel, Member
from domain.errors import Invalid, NotFound
from domain.ids import ChannelId, JobId, UploadId, UserId, VideoId
from domain.media import FilesSuperseded, Media, Rendition, progress
from domain.processing import TERMINAL, Failure, Processing, Report, State
from domain.videos import (
    CAPTIONS_MOST,
    CHAPTERS_MOST,
    Audience,
    Caption,
    Chapter,
    ListingChanged,
    MediaSuperseded,
    Video,
    VideoEvent,
    VideoFailed,
    VideoPublished,
    VideoReady,
    Visibility,
    language,
    tag,
)

T0 = datetime(2026, 1, 1, tzinfo=UTC)
SOON, LATER = T0 + timedelta(seconds=1), T0 + timedelta(hours=1)
VIDEO, CHANNEL = VideoId("vid_1"), ChannelId("chn_1")
OWNER, EDITOR, HELPER, STRANGER = UserId("usr_o"), UserId("usr_e"), UserId("usr_m"), UserId("usr_s")
BROKEN = Failure("encoder_failed", "it broke")


def media(*, complete: bool = True, attempt: int = 1, renditions: int = 2, duration_s: float = 60) -> Media:
    made = tuple(Rendition(f"{n}p", n * 16, n * 9, n * 1000, "avc1.640028") for n in range(1, renditions + 1))
    return Media(
        attempt=attempt, manifest="m", duration_s=duration_s, width=16, height=9, renditions=made, has_audio=True,
        complete=complete,
    )  # fmt: skip


def video(**values: Any) -> Video:
    """A video without media; ``publish_at`` comes by itself with the visibility scheduled."""
    if values.get("visibility") is Visibility.SCHEDULED:
        values.setdefault("publish_at", LATER)
    return Video(**{
        "id": VIDEO, "channel": CHANNEL, "uploader": STRANGER, "title": "A film", "created_at": T0, **values,
    })  # fmt: skip


def listed(**values: Any) -> Video:
    return video(visibility=Visibility.PUBLIC, media=media(), published_at=T0, **values)


def processing(state: State, *, attempt: int = 1, shown: Media | None = None) -> Processing:
    return Processing(
        video=VIDEO, upload=UploadId("upl_1"), source="s", attempt=attempt, state=state, media=shown, updated_at=T0,
        failure=BROKEN if state is State.FAILED else None,
    )  # fmt: skip


# --- who sees it -------------------------------------------------------------------------------------------

MEMBERS = {"editor": (EDITOR, Member.EDITOR), "helper": (HELPER, Member.MODERATOR)}
SITE = Channel(id=CHANNEL, owner=OWNER, handle="films", name="Films", members=dict(MEMBERS.values()), created_at=T0)
OUTSIDERS = {"anonymous": ANONYMOUS, "stranger": Actor(STRANGER, frozenset({Role.USER}))}
INSIDERS = {
    "owner": Actor(OWNER, frozenset({Role.USER})), "editor": Actor(EDITOR, frozenset({Role.USER})), "helper": Actor(HELPER, frozenset({Role.USER})),
    "moderator": Actor(STRANGER, frozenset({Role.MODERATOR})), "admin": Actor(STRANGER, frozenset({Role.ADMIN})),
}  # fmt: skip
MEDIA = {"none": None, "partial": media(complete=False), "complete": media()}
# As whom an outsider sees a video that is not blocked, by visibility and media; what is not here is not there.
SHOWN = {
    (Visibility.PUBLIC, "partial"): Audience.ANYONE,
    (Visibility.PUBLIC, "complete"): Audience.ANYONE,
    (Visibility.UNLISTED, "partial"): Audience.LINK,
    (Visibility.UNLISTED, "complete"): Audience.LINK,
}
TABLE = list(itertools.product(Visibility, MEDIA, [None, "spam"]))
HIDDEN = [row for row in TABLE if row[2] or row[:2] not in SHOWN]


def of(row: tuple[Visibility, str, str | None]) -> Video:
    visibility, made, blocked = row
    return video(visibility=visibility, media=MEDIA[made], blocked=blocked)


@pytest.mark.parametrize("who", INSIDERS)
@pytest.mark.parametrize("row", TABLE)
def test_members_and_moderators_see_everything(row: tuple[Visibility, str, str | None], who: str) -> None:
    """As members: nothing they may see of it ends when its visibility does."""
    assert of(row).audience(INSIDERS[who], SITE) is Audience.MEMBER


@pytest.mark.parametrize("who", OUTSIDERS)
@pytest.mark.parametrize("shown", SHOWN)
def test_others_see_what_is_shown(shown: tuple[Visibility, str], who: str) -> None:
    """Public and unlisted videos, as soon as something of them plays."""
    assert of((*shown, None)).audience(OUTSIDERS[who], SITE) is SHOWN[shown]


@pytest.mark.parametrize("who", OUTSIDERS)
@pytest.mark.parametrize("row", HIDDEN)
def test_others_do_not_learn_of_the_rest(row: tuple[Visibility, str, str | None], who: str) -> None:
    """Not even the uploader, who is no member of the channel any more."""
    with pytest.raises(NotFound):
        of(row).audience(OUTSIDERS[who], SITE)


@pytest.mark.parametrize("row", TABLE)
def test_grants_hold_as_long_as_their_audience_sees_it(row: tuple[Visibility, str, str | None]) -> None:
    """Members always; whoever has the link for both that are shown; anyone for the public ones."""
    hidden, public = row in HIDDEN, row[0] is Visibility.PUBLIC
    admitted = {audience for audience in Audience if of(row).admits(audience)}
    expected = {Audience.MEMBER: True, Audience.LINK: not hidden, Audience.ANYONE: not hidden and public}
    assert admitted == {audience for audience, admits in expected.items() if admits}


@pytest.mark.parametrize("row", TABLE)
def test_only_complete_public_unblocked_videos_are_listed(row: tuple[Visibility, str, str | None]) -> None:
    """Of all the rows, one; more of them play."""
    assert of(row).listable == (row == (Visibility.PUBLIC, "complete", None))
    assert of(row).playable == (row[1] != "none")


# --- when it is published ----------------------------------------------------------------------------------


class Life(RuleBasedStateMachine):
    """Owners, moderators, the clock and processing, in any order, on one video."""

    def __init__(self) -> None:
        super().__init__()
        self.now = T0
        self.it = video()
        self.work = [processing(State.PENDING)]
        self.first_listed: datetime | None = None
        self.events = list[VideoEvent]()

    @initialize(visibility=st.sampled_from(Visibility))
    def announced(self, visibility: Visibility) -> None:
        self.it = video(visibility=visibility)

    def becomes(self, change: tuple[Video, Sequence[VideoEvent]]) -> None:
        before, (self.it, events) = self.it, change
        self.events += events
        if self.it.listable and self.first_listed is None:
            self.first_listed = self.now
            assert VideoPublished(VIDEO, CHANNEL, self.now) in events
        if before.listable != self.it.listable:
            assert ListingChanged(VIDEO, CHANNEL, self.now) in events
        assert all(event.at == self.now for event in events)
        assert progress(self.it.media) >= progress(before.media)
        assert self.it.attempt >= before.attempt

    @rule(minutes=st.sampled_from([1, 59, 61]))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(visibility=st.sampled_from(Visibility), title=st.sampled_from([None, "Other"]))
    def edit(self, visibility: Visibility, title: str | None) -> None:
        at = self.now + timedelta(hours=1) if visibility is Visibility.SCHEDULED else None
        if at and self.first_listed:
            with pytest.raises(Invalid):
                self.it.edit(self.now, visibility=visibility, publish_at=at)
        else:
            self.becomes(self.it.edit(self.now, title=title, visibility=visibility, publish_at=at))

    @rule()
    def publish_due(self) -> None:
        due = self.it.publish_at is not None and self.it.publish_at <= self.now
        before = self.it
        self.becomes(self.it.publish_due(self.now))
        assert (self.it != before) == due

    @rule()
    def block(self) -> None:
        self.becomes(self.it.block("spam", self.now))
        assert not self.it.listable

    @rule()
    def unblock(self) -> None:
        self.becomes(self.it.unblock(self.now))

    @rule(state=st.sampled_from(State), percent=st.integers(0, 99), renditions=st.integers(0, 3))
    def transcode(self, state: State, percent: int, renditions: int) -> None:
        last = self.work[-1]
        ready = state is State.READY
        shown = media(complete=ready, attempt=last.attempt, renditions=renditions) if ready or renditions else None
        failure = BROKEN if state is State.FAILED else None
        told = Report(
            video=VIDEO, attempt=last.attempt, job=JobId("job"), state=state, percent=percent, media=shown,
            failure=failure,
        )  # fmt: skip
        self.work.append(last.apply(told, self.now))

    @rule()
    def replace(self) -> None:
        last = self.work[-1]
        self.work.append(last.replace(UploadId(f"upl_{last.attempt + 1:09}"), "s", self.now))

    @rule(data=st.data())
    def reflect(self, data: st.DataObject) -> None:
        """The last look at processing, or one that someone slow still holds."""
        looks = [self.work[-1], *self.work]
        self.becomes(self.it.reflect(data.draw(st.sampled_from(looks)), self.now))
        again, events = self.it.reflect(self.work[-1], self.now)
        assert again.reflect(self.work[-1], self.now) == (again, ())
        self.becomes((again, events))
        assert (again.state, again.attempt) == (self.work[-1].state, self.work[-1].attempt)

    @invariant()
    def it_was_published_when_it_was_first_listed(self) -> None:
        assert self.it.published_at == self.first_listed
        published = [event for event in self.events if isinstance(event, VideoPublished)]
        assert [event.at for event in published] == [self.first_listed] * (self.first_listed is not None)

    @invariant()
    def each_attempt_ended_once_at_most(self) -> None:
        ended = [event.attempt for event in self.events if isinstance(event, (VideoReady, VideoFailed))]
        assert len(ended) == len(set(ended))

    @invariant()
    def a_time_to_publish_goes_with_being_scheduled(self) -> None:
        assert (self.it.publish_at is not None) == (self.it.visibility is Visibility.SCHEDULED)

    @invariant()
    def a_video_once_complete_stays_so(self) -> None:
        if self.first_listed:
            assert self.it.media is not None
            assert self.it.media.complete


TestLife = Life.TestCase


def test_a_scheduled_video_goes_public_at_its_time() -> None:
    """Not a moment before; and it is published then, not when it was scheduled."""
    waiting = video(visibility=Visibility.SCHEDULED, media=media())
    before = LATER - timedelta(microseconds=1)
    assert waiting.publish_due(before) == (waiting, ())
    public, events = waiting.publish_due(LATER)
    assert (public.visibility, public.publish_at, public.published_at) == (Visibility.PUBLIC, None, LATER)
    assert events == (VideoPublished(VIDEO, CHANNEL, LATER), ListingChanged(VIDEO, CHANNEL, LATER))
    assert public.publish_due(LATER) == (public, ())


def test_a_public_video_is_published_when_its_media_is_complete() -> None:
    """Partial media plays, but is not listed yet."""
    partial, events = video(visibility=Visibility.PUBLIC).reflect(
        processing(State.TRANSCODING, shown=media(complete=False)), SOON
    )
    assert (partial.playable, partial.published_at, events) == (True, None, ())
    ready, events = partial.reflect(processing(State.READY, shown=media()), LATER)
    assert ready.published_at == LATER
    assert events == (
        VideoPublished(VIDEO, CHANNEL, LATER), ListingChanged(VIDEO, CHANNEL, LATER),
        VideoReady(VIDEO, CHANNEL, 1, LATER),
    )  # fmt: skip


def test_a_failed_attempt_says_why() -> None:
    """Once; a private video tells nobody else."""
    failed, events = video(state=State.PROBING, attempt=1).reflect(processing(State.FAILED), SOON)
    assert (failed.state, failed.failure) == (State.FAILED, BROKEN)
    assert events == (VideoFailed(VIDEO, CHANNEL, 1, "encoder_failed", SOON),)
    assert failed.reflect(processing(State.FAILED), LATER) == (failed, ())


@pytest.mark.parametrize("state", State)
def test_a_replacement_under_way_leaves_what_plays(state: State) -> None:
    """Partial media of the new attempt waits; complete media takes over; failure costs nothing."""
    before = listed(state=State.READY, attempt=1)
    ready = state is State.READY
    after, _ = before.reflect(processing(state, attempt=2, shown=media(complete=ready, attempt=2)), SOON)
    assert after.media == (media(attempt=2) if ready else before.media)
    assert (after.listable, after.state, after.attempt, after.published_at) == (True, state, 2, T0)


@pytest.mark.parametrize(
    "older",
    [
        processing(State.READY, attempt=1, shown=media(renditions=9)),
        processing(State.PENDING, attempt=2),
        processing(State.PROBING, attempt=2),
    ],
)
def test_an_older_look_takes_nothing_back(older: Processing) -> None:
    """Whoever read processing first may be the last to save."""
    before = video(state=State.TRANSCODING, attempt=2, media=media(attempt=2, renditions=2, complete=False))
    assert before.reflect(older, SOON) == (before, ())


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_fewer_renditions_of_the_same_state_take_nothing_back(state: State) -> None:
    """Neither while it runs nor when it is over."""
    before = video(state=State.TRANSCODING, attempt=1, media=media(renditions=3, complete=False))
    fewer = processing(State.TRANSCODING, shown=media(renditions=1, complete=False))
    assert before.reflect(fewer, SOON) == (before, ())
    over = evolve(before, state=state)
    assert over.reflect(fewer, SOON) == (over, ())


# --- what is edited ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"publish_at": T0}, "publish_at_past"),
        ({"visibility": Visibility.SCHEDULED}, "publish_at_mismatch"),
        ({"visibility": Visibility.SCHEDULED, "publish_at": T0}, "publish_at_past"),
        ({"publish_at": LATER}, "publish_at_mismatch"),
        ({"visibility": Visibility.PUBLIC, "publish_at": LATER}, "publish_at_mismatch"),
        ({"title": " "}, "invalid"),
        ({"title": "x" * 101}, "invalid"),
        ({"description": "x" * 5001}, "invalid"),
        ({"tags": ["x" * 41]}, "invalid"),
        ({"tags": [f"tag{n}" for n in range(21)]}, "invalid"),
        ({"tags": ["tag"] * 201}, "invalid"),
        ({"category": "x" * 41}, "invalid"),
        ({"language": "klingon!"}, "invalid_language"),
    ],
)
def test_edits_that_break_a_rule(changes: dict[str, Any], code: str) -> None:
    """Each says what is wrong, and with which field."""
    with pytest.raises(Invalid) as caught:
        video().edit(T0, **changes)
    assert caught.value.code == code
    assert {field for field, _ in caught.value.fields} <= {*changes, "publish_at"}


def test_a_published_video_is_not_scheduled_again() -> None:
    """Its subscribers have heard of it."""
    with pytest.raises(Invalid) as caught:
        listed().edit(SOON, visibility=Visibility.SCHEDULED, publish_at=LATER)
    assert caught.value.code == "already_published"


def test_what_is_not_given_stays() -> None:
    """And an empty text clears what may be empty."""
    full = video(description="d", tags=["t"], category="c", language="en", visibility=Visibility.SCHEDULED)
    assert full.edit(T0) == (full, ())
    later = LATER + timedelta(days=1)
    moved, _ = full.edit(T0, publish_at=later)
    assert moved == evolve(full, publish_at=later)
    cleared, _ = full.edit(T0, description="", tags=(), category="", language="", visibility=Visibility.PRIVATE)
    assert cleared == video()


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("#Cats", "cats"), ("# Cats", "cats"), ("##cats", "cats"), ("Straße", "strasse"), ("#", ""), ("\u3164", "")],
)
def test_tags_have_one_stored_form(typed: str, stored: str) -> None:
    """So that whoever looks for one finds it."""
    assert tag(typed) == stored


@given(st.text(max_size=8) | st.sampled_from(["ΐ", "\u0345#", "# #ΐ", "ᾳ\u0301", "ǰ"]))
def test_a_stored_tag_is_its_own_stored_form(text: str) -> None:
    """A video that is read and changed keeps its tags."""
    assert tag(tag(text)) == tag(text)


def test_tags_come_once() -> None:
    """In the order given, however they were written."""
    assert video(tags=["#B", "a", "b", "", "A"]).tags == ("b", "a")


@pytest.mark.parametrize("text", ["en", "pt-BR", "zh-Hant-TW", "gsw", "sl-rozaj-biske-1994"])
def test_languages(text: str) -> None:
    """Tags as players know them."""
    assert language(text) == text


@pytest.mark.parametrize("text", ["", "e", "EN", "english", "en_US", "en-", "en-a", "../en"])
def test_what_is_no_language(text: str) -> None:
    """It names a file, so nothing else may pass."""
    with pytest.raises(Invalid):
        language(text)


@given(st.lists(st.sampled_from(["title", "spam", "", " ", "\u202e"]), min_size=1))
def test_a_block_has_a_reason(reasons: list[str]) -> None:
    """Some text at least, or it would be none; and lifting it leaves no trace."""
    it = listed()
    for reason in reasons:
        it, _ = it.block(reason, SOON)
        assert it.blocked
    assert it.unblock(SOON) == (listed(), (ListingChanged(VIDEO, CHANNEL, SOON),))


# --- chapters, captions, thumbnails ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("starts", "code"),
    [
        ([1], "chapters_disordered"),
        ([0, 5, 5], "chapters_disordered"),
        ([0, 9, 5], "chapters_disordered"),
        ([math.nan], "chapters_disordered"),
        ([0, math.nan, 5], "chapters_disordered"),
        ([0, math.inf], "chapters_disordered"),
        ([0, 60], "chapters_beyond_end"),
        ([float(n) / 2 for n in range(CHAPTERS_MOST + 1)], "invalid"),
    ],
)
def test_chapters_out_of_order(starts: list[float], code: str) -> None:
    """They start at 0, ascend, and end before the video does."""
    with pytest.raises(Invalid) as caught:
        listed().with_chapters([Chapter(start, "c") for start in starts])
    assert caught.value.code == code


@pytest.mark.parametrize("starts", [[], [0], [0, 0.5, 59.9], [float(n) / 2 for n in range(CHAPTERS_MOST)]])
def test_chapters_in_order(starts: list[float]) -> None:
    """From none to the most there may be."""
    chapters = tuple(Chapter(start, "c") for start in starts)
    assert listed().with_chapters(chapters).chapters == chapters


def test_chapters_may_come_before_the_media() -> None:
    """Their end is not known then."""
    assert len(video().with_chapters([Chapter(0, "a"), Chapter(9e9, "b")]).chapters) == 2


def caption(tag: str, key: str = "k") -> Caption:
    return Caption(tag, tag, key)


def test_captions_are_one_for_each_language() -> None:
    """A second takes the place of the first, and what is not there cannot go."""
    en, nothing_gone = video().with_caption(caption("en", "old"), SOON)
    assert nothing_gone == ()
    two, nothing_gone = en.with_caption(caption("de"), SOON)
    assert nothing_gone == ()
    both, gone = two.with_caption(caption("en", "new"), SOON)
    assert both.captions == {"en": caption("en", "new"), "de": caption("de")}
    assert gone == (FilesSuperseded(("old",), SOON),)
    left, gone = both.without_caption("en", SOON)
    assert left.captions == {"de": caption("de")}
    assert gone == (FilesSuperseded(("new",), SOON),)
    with pytest.raises(NotFound):
        both.without_caption("fr", SOON)


def test_there_is_a_most_of_captions() -> None:
    """One that is there is still replaced."""
    full = video(captions={f"a{n:02}": caption(f"a{n:02}") for n in range(CAPTIONS_MOST)})
    with pytest.raises(Invalid) as caught:
        full.with_caption(caption("en"), SOON)
    assert caught.value.code == "too_many_captions"
    assert full.with_caption(caption("a00", "new"), SOON)[0].captions["a00"].key == "new"


def test_a_thumbnail_is_part_of_the_listing() -> None:
    """Whoever lists the video is told; of one that is not listed, nobody."""
    assert video().with_thumbnail("img/1", SOON) == (video(thumbnail="img/1"), ())
    changed, events = listed().with_thumbnail("img/1", SOON)
    assert (changed.thumbnail, events) == ("img/1", (ListingChanged(VIDEO, CHANNEL, SOON),))


def test_a_thumbnail_that_another_took_the_place_of_can_go() -> None:
    """Beside the captions, which stay."""
    before = video(thumbnail="img/1", captions={"en": caption("en", "cap/1")})
    assert before.files == {"img/1", "cap/1"}
    changed, events = before.with_thumbnail("img/2", SOON)
    assert changed.files == {"img/2", "cap/1"}
    assert events == (FilesSuperseded(("img/1",), SOON),)
    assert changed.with_thumbnail("img/2", SOON) == (changed, ())


def test_media_that_another_attempt_took_over_can_go() -> None:
    """Once, and only when it did."""
    before = listed(state=State.READY, attempt=1)
    running, events = before.reflect(processing(State.PENDING, attempt=2), SOON)
    assert not [event for event in events if isinstance(event, MediaSuperseded)]
    _, events = running.reflect(processing(State.READY, attempt=2, shown=media(attempt=2)), SOON)
    assert [event for event in events if isinstance(event, MediaSuperseded)] == [MediaSuperseded(VIDEO, 1, SOON)]


def test_a_time_to_publish_is_kept_in_utc() -> None:
    """Whatever zone it was given in."""
    given = LATER.astimezone(timezone(timedelta(hours=2)))
    scheduled, _ = video().edit(SOON, visibility=Visibility.SCHEDULED, publish_at=given)
    assert scheduled.publish_at == LATER
    assert scheduled.publish_at.tzinfo is UTC


@pytest.mark.parametrize(
    "given",
    [datetime(2030, 1, 1), datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=2)))],  # noqa: DTZ001  (that it lacks a zone is the point)
)
def test_a_time_that_utc_cannot_express_is_refused(given: datetime) -> None:
    """In an edit and from the start."""
    with pytest.raises(Invalid) as caught:
        video().edit(SOON, visibility=Visibility.SCHEDULED, publish_at=given)
    assert [name for name, _ in caught.value.fields] == ["publish_at"]
    with pytest.raises(Invalid):
        video(visibility=Visibility.SCHEDULED, publish_at=given)
