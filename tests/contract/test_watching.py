"""Any Sessions counts a view exactly once, any History has one line a video, the latest first, and any Viewings what was
gained day by day.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, invariant, multiple, rule

from domain.errors import NotFound, Stale
from domain.ids import ChannelId, SessionId, UserId, VideoId
from domain.videos import Audience
from domain.watching import SESSION_LIFE, PlaybackSession, Viewing, Watched
from tests.contract.machine import WalkingMachine, run, same, walked
from tests.strategies import (
    CHANNEL_IDS,
    DAYS,
    SESSION_IDS,
    START,
    USER_IDS,
    VIDEO_IDS,
    session_ids,
    sessions,
    user_ids,
    video_ids,
    viewings,
)
from tests.worlds import WATCHING, Opener, Watching

openers = pytest.mark.parametrize("opener", [opener for _, opener in WATCHING], ids=[name for name, _ in WATCHING])

ANN, BEN = UserId("usr_ann"), UserId("usr_ben")
FILM = VideoId("vid_film")
SITTING = PlaybackSession(
    id=SessionId("ses_1"), video=FILM, viewer=ANN, audience=Audience.ANYONE, duration_s=100.0, started_at=START,
    beat_at=START,
)  # fmt: skip
SECOND = timedelta(seconds=1)
SUBJECTS: list[VideoId | ChannelId] = [*VIDEO_IDS, *CHANNEL_IDS]
GAINED = st.lists(viewings(), max_size=3, unique_by=lambda viewing: viewing.subject)


def line(user: UserId, video: str, seconds: int) -> Watched:
    return Watched(user=user, video=VideoId(video), position_s=1.5, at=START + seconds * SECOND)


def name(watched: Watched) -> str:
    return watched.video


class WatchingMachine(WalkingMachine):
    port: Watching
    held: Bundle[Any] = Bundle("held")  # sessions a player may hold, fresh or stale

    def __init__(self) -> None:
        super().__init__()
        self.views: Counter[VideoId] = Counter()
        self.days: dict[tuple[str, date], Viewing] = {}
        self.lines: dict[tuple[UserId, VideoId], Watched] = {}

    @rule(target=held, session=sessions())
    def draft(self, session: PlaybackSession) -> PlaybackSession:
        return session

    @rule(target=held, session=session_ids)
    def read(self, session: SessionId) -> "PlaybackSession | MultipleResults[PlaybackSession]":
        return self.do(self.port.sessions.get(session)) if session in self.model else multiple()

    @rule(
        target=held, held=held, position=st.floats(0, 1000), counted=st.booleans(), seconds=st.integers(0, 40),
        gained=GAINED,
    )  # fmt: skip
    def save(
        self, held: PlaybackSession, position: float, counted: bool, seconds: int, gained: list[Viewing]  # noqa: FBT001  (drawn by hypothesis)
    ) -> PlaybackSession:  # fmt: skip
        now = self.clock.advance(seconds * SECOND)
        stored = self.model.get(held.id)
        session = evolve(held, position_s=position, beat_at=now, counted=held.counted or counted)
        watched = session.viewer and Watched(user=session.viewer, video=session.video, position_s=position, at=now)
        if held.version != (stored.version if stored else 0):
            self.refused(self.port.sessions.save(session, watched or None, gained), Stale)
            return held
        saved = self.model[held.id] = self.do(self.port.sessions.save(session, watched or None, gained))
        assert saved == evolve(session, version=saved.version)
        assert saved.version > session.version
        if session.counted and not (stored and stored.counted):
            self.views[session.video] += 1
        if watched:
            self.lines[watched.user, watched.video] = watched
        for each in gained:
            before = self.days.get((each.subject, each.day), evolve(each, views=0, watched_ms=0))
            self.days[each.subject, each.day] = evolve(
                each, views=before.views + each.views, watched_ms=before.watched_ms + each.watched_ms
            )
        return saved

    @rule(subject=st.sampled_from(SUBJECTS))
    def read_days(self, subject: VideoId | ChannelId) -> None:
        """Not with the rest: a cloud asks many partitions for them."""
        days = sorted((each for each in self.days.values() if each.subject == subject), key=lambda each: each.day)
        assert self.do(self.port.viewings.of(subject, DAYS[0], DAYS[-1])) == days

    @rule(subject=st.sampled_from(SUBJECTS))
    def forget_days(self, subject: VideoId | ChannelId) -> None:
        self.do(self.port.viewings.forget(subject))
        self.days = {key: each for key, each in self.days.items() if each.subject != subject}

    @rule(user=user_ids, video=st.none() | video_ids)
    def forget(self, user: UserId, video: VideoId | None) -> None:
        self.do(self.port.history.forget(user, video))
        self.lines = {
            (whose, what): watched
            for (whose, what), watched in self.lines.items()
            if whose != user or (video is not None and what != video)
        }

    @rule(user=user_ids)
    def walk_a_history(self, user: UserId) -> None:
        self.set_out(
            lambda cursor, limit: self.port.history.list(user, cursor=cursor, limit=limit),
            lambda: self.lines_of(user),
            name,
        )

    @invariant()
    def reads_as_the_model(self) -> None:
        self.do(self.compare())

    async def compare(self) -> None:
        assert await self.port.sessions.views(VIDEO_IDS) == {video: self.views[video] for video in VIDEO_IDS}
        for session in SESSION_IDS:
            if session in self.model:
                assert await self.port.sessions.get(session) == self.model[session]
            else:
                with pytest.raises(NotFound):
                    await self.port.sessions.get(session)
        for user in USER_IDS:
            theirs = {video: watched for (whose, video), watched in self.lines.items() if whose == user}
            assert await self.port.history.of(user, VIDEO_IDS) == theirs
            read = await walked(
                lambda cursor, limit, user=user: self.port.history.list(user, cursor=cursor, limit=limit),  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
                2,
            )
            same(read, list(theirs.values()), lambda watched: watched.at, descending=True)

    def lines_of(self, user: UserId) -> Mapping[str, object]:
        return {video: watched.at for (whose, video), watched in self.lines.items() if whose == user}


@openers
def test_behaves_like_a_dict_of_sessions(opener: Opener[Watching]) -> None:
    """Whatever is done in whatever order, reads, views, histories, walks and errors are the model's."""
    run(WatchingMachine, opener)


@openers
async def test_a_view_is_counted_when_counted_turns_true(opener: Opener[Watching]) -> None:
    """Once a session, at the moment it turns; each session counts."""
    async with opener() as opened:
        sessions = opened.port.sessions
        session = await sessions.save(SITTING)
        assert await sessions.views([FILM]) == {FILM: 0}
        session = await sessions.save(evolve(session, counted=True))
        assert await sessions.views([FILM]) == {FILM: 1}
        await sessions.save(evolve(session, position_s=50.0))
        assert await sessions.views([FILM]) == {FILM: 1}
        await sessions.save(evolve(SITTING, id=SessionId("ses_2"), counted=True))
        assert await sessions.views([FILM, VideoId("vid_other")]) == {FILM: 2, VideoId("vid_other"): 0}


@openers
async def test_of_two_beats_at_once_one_is_saved(opener: Opener[Watching]) -> None:
    """The other is stale: it counts no view and moves no line of the history."""
    async with opener() as opened:
        session = await opened.port.sessions.save(SITTING)
        beats = [
            opened.port.sessions.save(
                evolve(session, position_s=position, counted=True),
                Watched(user=ANN, video=FILM, position_s=position, at=START),
            )
            for position in (1.0, 2.0)
        ]
        results = await asyncio.gather(*beats, return_exceptions=True)
        (saved,) = [result for result in results if isinstance(result, PlaybackSession)]
        (refused,) = [result for result in results if not isinstance(result, PlaybackSession)]
        assert isinstance(refused, Stale)
        assert await opened.port.sessions.views([FILM]) == {FILM: 1}
        assert await opened.port.sessions.get(SITTING.id) == saved
        (watched,) = (await opened.port.history.list(ANN)).items
        assert watched.position_s == saved.position_s


@openers
async def test_a_session_long_over_is_not_there(opener: Opener[Watching]) -> None:
    """One that is not over is; the view it gave stays, and so does its viewer's history."""
    async with opener() as opened:
        watched = line(ANN, FILM, 0)
        session = await opened.port.sessions.save(evolve(SITTING, counted=True), watched)
        opened.clock.advance(SESSION_LIFE)
        assert await opened.port.sessions.get(SITTING.id) == session
        opened.clock.advance(timedelta(days=2))
        with pytest.raises(NotFound):
            await opened.port.sessions.get(SITTING.id)
        assert await opened.port.sessions.views([FILM]) == {FILM: 1}
        assert (await opened.port.history.list(ANN)).items == [watched]


@openers
async def test_a_session_without_a_viewer_leaves_no_history(opener: Opener[Watching]) -> None:
    """Its view counts as any other."""
    async with opener() as opened:
        await opened.port.sessions.save(evolve(SITTING, viewer=None, counted=True))
        assert await opened.port.sessions.views([FILM]) == {FILM: 1}
        assert (await opened.port.history.list(ANN)).items == []


@openers
async def test_history_has_one_line_a_video_the_latest_first(opener: Opener[Watching]) -> None:
    """Watching on moves the line to the front; each user has their own; one line or all are forgotten."""
    async with opener() as opened:
        history = opened.port.history
        session = SITTING
        for watched in (line(ANN, "vid_1", 1), line(BEN, "vid_1", 2), line(ANN, "vid_2", 3), line(ANN, "vid_1", 4)):
            session = await opened.port.sessions.save(session, watched)
        assert (await history.list(ANN)).items == [line(ANN, "vid_1", 4), line(ANN, "vid_2", 3)]
        assert await history.of(ANN, [VideoId("vid_2"), VideoId("vid_9")]) == {VideoId("vid_2"): line(ANN, "vid_2", 3)}
        await history.forget(ANN, VideoId("vid_1"))
        await history.forget(ANN, VideoId("vid_9"))
        assert (await history.list(ANN)).items == [line(ANN, "vid_2", 3)]
        await opened.port.sessions.save(session, line(ANN, "vid_3", 5))
        await history.forget(ANN)
        assert (await history.list(ANN)).items == []
        assert await history.of(ANN, [VideoId("vid_2"), VideoId("vid_3")]) == {}
        assert (await history.list(BEN)).items == [line(BEN, "vid_1", 2)]


@openers
async def test_days_are_told_from_the_first_to_the_last(opener: Opener[Watching]) -> None:
    """Both included, wherever in the calendar they lie; of one subject, and nothing of days without anything."""
    calendar = [
        date(1, 1, 1),
        date(2026, 2, 28),
        date(2026, 3, 1),
        date(2026, 12, 31),
        date(2027, 1, 1),
        date(9999, 12, 31),
    ]
    async with opener() as opened:
        session, of = SITTING, opened.port.viewings.of
        for day in calendar:
            others = Viewing(VideoId("vid_film2"), day, 1, 1)
            session = await opened.port.sessions.save(session, None, [Viewing(FILM, day, 1, 1500), others])
        session = await opened.port.sessions.save(session, None, [Viewing(FILM, calendar[1], 0, 500)])
        for first, last, found in (
            (date(1, 1, 1), date(9999, 12, 31), calendar), (calendar[1], calendar[3], calendar[1:4]),
            (date(2026, 3, 2), date(2026, 12, 30), []), (calendar[4], calendar[4], [calendar[4]]),
        ):  # fmt: skip
            assert [each.day for each in await of(FILM, first, last)] == found
        assert (await of(FILM, calendar[1], calendar[1])) == [Viewing(FILM, calendar[1], 1, 2000)]


@openers
async def test_of_two_beats_at_once_one_is_counted_in_its_day(opener: Opener[Watching]) -> None:
    """With what it gained, and nothing of the other's; so it is with many sittings at once."""
    day = START.date()
    async with opener() as opened:
        sessions, viewings = opened.port.sessions, opened.port.viewings
        session = await sessions.save(SITTING)
        gained = [Viewing(FILM, day, 0, 1000), Viewing(ChannelId("chn_arts"), day, 0, 1000)]
        beats = [sessions.save(evolve(session, position_s=position), None, gained) for position in (1.0, 2.0)]
        results = await asyncio.gather(*beats, return_exceptions=True)
        assert sorted(isinstance(result, Stale) for result in results) == [False, True]
        many = [evolve(SITTING, id=SessionId(f"ses_{number}")) for number in range(2, 32)]
        await asyncio.gather(*(sessions.save(each, None, gained) for each in many))
        for subject in (FILM, ChannelId("chn_arts")):
            assert await viewings.of(subject, day, day) == [Viewing(subject, day, 0, 31_000)]
