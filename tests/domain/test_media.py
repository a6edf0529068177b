"""The ladder fits its source."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.ids import VideoId
from domain.media import RUNGS, Media, Output, Rendition, Source, attempt_prefix, ladder, progress, video_prefix

SIDES = st.integers(2, 8192)


def source(width: int, height: int) -> Source:
    return Source(width=width, height=height, duration_s=60, fps=30, has_audio=True)


def sizes(width: int, height: int) -> list[tuple[str, int, int]]:
    return [(each.name, each.width, each.height) for each in ladder(source(width, height))]


@pytest.mark.parametrize(
    ("width", "height", "outputs"),
    [
        (1920, 1080, [("360p", 640, 360), ("480p", 854, 480), ("720p", 1280, 720), ("1080p", 1920, 1080)]),
        (3840, 2160, [("360p", 640, 360), ("480p", 854, 480), ("720p", 1280, 720), ("1080p", 1920, 1080)]),
        (1080, 1920, [("360p", 360, 640), ("480p", 480, 854), ("720p", 720, 1280), ("1080p", 1080, 1920)]),
        (640, 480, [("360p", 480, 360), ("480p", 640, 480)]),
        (500, 500, [("360p", 360, 360), ("480p", 480, 480)]),
        (1279, 719, [("360p", 640, 360), ("480p", 854, 480)]),
        (426, 240, [("240p", 426, 240)]),
        (1923, 1080, [("360p", 640, 360), ("480p", 854, 480), ("720p", 1282, 720), ("1080p", 1922, 1080)]),
        (103, 59, [("58p", 102, 58)]),
        (2, 2, [("2p", 2, 2)]),
    ],
)
def test_ladders(width: int, height: int, outputs: list[tuple[str, int, int]]) -> None:
    """The renditions of usual and odd sources, smallest first."""
    assert sizes(width, height) == outputs


@given(SIDES, SIDES)
@example(1923, 1080)
@example(59, 103)
def test_no_output_is_larger_than_its_source(width: int, height: int) -> None:
    """Every side is even, at least 2 and at most the source's, whatever the source."""
    outputs = ladder(source(width, height))
    assert outputs
    for output in outputs:
        assert (output.width % 2, output.height % 2) == (0, 0)
        assert 2 <= output.width <= width
        assert 2 <= output.height <= height


@given(SIDES, SIDES)
def test_the_shape_of_the_picture_stays(width: int, height: int) -> None:
    """No side is further than rounding to an even number from where the source's shape would have it."""
    for output in ladder(source(width, height)):
        rung = next((rung for rung in RUNGS if output.name == f"{rung.short_side}p"), None)
        scale = rung.short_side / min(width, height) if rung and rung.short_side <= min(width, height) else 1.0
        assert abs(output.width - width * scale) <= 1
        assert abs(output.height - height * scale) <= 1


@given(SIDES, SIDES)
def test_the_ladder_ascends(width: int, height: int) -> None:
    """In size and bitrate; no name comes twice."""
    outputs = ladder(source(width, height))
    assert [each.width for each in outputs] == sorted({each.width for each in outputs})
    assert [each.max_bitrate_bps for each in outputs] == sorted({each.max_bitrate_bps for each in outputs})
    assert len({each.name for each in outputs}) == len(outputs)


@given(SIDES, SIDES)
def test_portrait_is_landscape_turned(width: int, height: int) -> None:
    """A phone held upright gets the same ladder."""
    turned = [
        Output(each.name, each.height, each.width, each.quality, each.max_bitrate_bps)
        for each in ladder(source(height, width))
    ]
    assert list(ladder(source(width, height))) == turned


@given(SIDES, SIDES)
def test_every_rung_that_fits_is_there(width: int, height: int) -> None:
    """And no other; where none fits, one rendition of the source's own size."""
    fitting = {f"{rung.short_side}p" for rung in RUNGS if rung.short_side <= min(width, height)}
    names = {each.name for each in ladder(source(width, height))}
    assert names == (fitting or {f"{min(width, height) // 2 * 2}p"})


def media(renditions: int, *, complete: bool, attempt: int = 1) -> Media:
    made = tuple(Rendition(f"{n}p", n * 16, n * 9, n * 1000, "avc1.640028") for n in range(1, renditions + 1))
    return Media(
        attempt=attempt,
        manifest="m",
        duration_s=1,
        width=16,
        height=9,
        renditions=made,
        has_audio=False,
        complete=complete,
    )


def test_better_media_goes_further() -> None:
    """Nothing, then more and more renditions, then a later attempt's; and complete media before all of it."""
    path = [
        None, *(media(n, complete=False) for n in range(4)), media(1, complete=False, attempt=2),
        media(1, complete=True), media(2, complete=True), media(1, complete=True, attempt=2),
    ]  # fmt: skip
    assert [progress(each) for each in path] == sorted({progress(each) for each in path})


def test_files_lie_under_their_video_and_attempt() -> None:
    """No attempt's folder begins as another's does."""
    video = VideoId("vid_1")
    assert attempt_prefix(video, 1) == "v/vid_1/a1/"
    assert attempt_prefix(video, 12).startswith(video_prefix(video))
    assert not attempt_prefix(video, 12).startswith(attempt_prefix(video, 1))
    assert not attempt_prefix(VideoId("vid_12"), 1).startswith(video_prefix(video))
