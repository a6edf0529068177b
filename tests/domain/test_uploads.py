"""Files come in whole parts of known sizes, in time, or not at all."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import Conflict, IllegalTransition, Invalid, TooLarge
from domain.ids import ChannelId, UploadId, UserId, VideoId
from domain.uploads import (
    LIFE,
    MIB,
    NEXT,
    OPEN,
    PART_LEAST,
    PARTS_MOST,
    SINGLE_MOST,
    Limits,
    Method,
    Part,
    Status,
    Upload,
    UploadAbandoned,
    UploadCompleted,
    part_size,
)

T0 = datetime(2026, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
W, U, C, X, E, F = Status
ARROWS = {(W, U), *((start, end) for start in (W, U) for end in (C, X, E, F))}
PAIRS = [(current, wanted) for current in Status for wanted in Status]
UPLOAD = Upload(
    id=UploadId("upl_1"), user=UserId("usr_1"), channel=ChannelId("chn_1"), video=VideoId("vid_1"),
    filename="film.MOV", content_type="video/mp4", size_bytes=2 * PART_LEAST + 1, created_at=T0, expires_at=T0 + LIFE,
)  # fmt: skip
SIZES = st.integers(1, 5 * 10**12) | st.integers(1, 64 * MIB)


def at(status: Status, size_bytes: int = UPLOAD.size_bytes) -> Upload:
    return evolve(UPLOAD, status=status, size_bytes=size_bytes)


def whole(upload: Upload) -> list[Part]:
    return [Part(number, upload.size_of(number), f"etag{number}") for number in range(1, upload.parts + 1)]


CHANGES: dict[Status, Callable[[Upload], Upload]] = {
    U: lambda it: it.begin(T0),
    C: lambda it: it.complete(whole(it), T0)[0],
    X: lambda it: it.cancel(T0)[0],
    E: lambda it: it.expire(T0)[0],
    F: lambda it: it.fail("disk_full", T0)[0],
}


# --- the table ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("current", "wanted"), PAIRS)
def test_the_table(current: Status, wanted: Status) -> None:
    """What is not in it raises, and says from where to where."""
    assert (wanted in NEXT[current]) == ((current, wanted) in ARROWS)
    if (current, wanted) in ARROWS:
        assert at(current)._to(wanted) == at(wanted)
    else:
        with pytest.raises(IllegalTransition) as caught:
            at(current)._to(wanted)
        assert (caught.value.current, caught.value.wanted) == (current, wanted)


@pytest.mark.parametrize(("current", "wanted"), [pair for pair in PAIRS if pair[1] is not W and pair != (U, U)])
def test_changes_follow_the_table(current: Status, wanted: Status) -> None:
    """Each of them leads where the table allows it, and clashes elsewhere."""
    if (current, wanted) in ARROWS:
        assert CHANGES[wanted](at(current)) == evolve(at(wanted), error="disk_full" if wanted is F else None)
    else:
        with pytest.raises(Conflict):
            CHANGES[wanted](at(current))


def test_beginning_again_changes_nothing() -> None:
    """Every part that is signed says that the client has begun."""
    begun = at(W).begin(T0)
    assert begun.begin(T0) is begun


@pytest.mark.parametrize("status", Status)
def test_what_is_open_and_what_counts(status: Status) -> None:
    """What is over without a file takes from no quota."""
    assert (status in OPEN) == bool(NEXT[status])
    assert at(status).counts == (status in {W, U, C})


def test_events() -> None:
    """A whole file is announced with its place, what came to nothing so that it can go."""
    assert at(U).complete(whole(UPLOAD), T0)[1] == UploadCompleted(UPLOAD.id, UPLOAD.video, "raw/upl_1/source", T0)
    for _, event in (at(U).cancel(T0), at(U).expire(T0), at(U).fail("why", T0)):
        assert event == UploadAbandoned(UPLOAD.id, UPLOAD.video, T0)


# --- time --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", sorted(OPEN))
def test_it_expires_at_the_exact_instant(status: Status) -> None:
    """A moment before, everything still works."""
    upload = at(status)
    last = upload.expires_at - TICK
    upload.require_open(last)
    assert upload.begin(last).status is U
    assert upload.complete(whole(upload), last)[0].status is C
    for late in (lambda: upload.begin(upload.expires_at), lambda: upload.complete(whole(upload), upload.expires_at)):
        with pytest.raises(Conflict) as caught:
            late()
        assert caught.value.code == "upload_expired"


@pytest.mark.parametrize(
    ("status", "code"),
    [(E, "upload_expired"), (C, "upload_closed"), (X, "upload_closed"), (F, "upload_closed")],
)
@pytest.mark.parametrize("now", [T0, T0 + 2 * LIFE])
def test_what_is_over_says_why(status: Status, code: str, now: datetime) -> None:
    """What was completed in time has not expired, however late one asks."""
    with pytest.raises(Conflict) as caught:
        at(status).require_open(now)
    assert caught.value.code == code


# --- parts -------------------------------------------------------------------------------------------------


@given(SIZES, st.data())
@example(SINGLE_MOST, None).via("the largest single file")
@example(SINGLE_MOST + 1, None).via("the smallest in parts")
@example(PARTS_MOST * PART_LEAST, None).via("as many of the least parts as there may be")
@example(PARTS_MOST * PART_LEAST + 1, None)
@example(5 * 10**12, None)
def test_parts_cover_the_file(size: int, data: st.DataObject | None) -> None:
    """Exactly, within S3's limits: 10,000 parts, of 5 MiB to 5 GiB but for the last."""
    upload = at(W, size)
    full, last = upload.part_size_bytes, upload.size_of(upload.parts)
    assert 1 <= upload.parts <= PARTS_MOST
    assert full * (upload.parts - 1) + last == size
    assert 1 <= last <= full
    number = data.draw(st.integers(1, upload.parts)) if data else 1
    assert upload.size_of(number) == (last if number == upload.parts else full)
    assert (upload.method is Method.SINGLE) == (upload.parts == 1 and size <= SINGLE_MOST)
    if upload.parts > 1:
        assert 5 * MIB <= full <= 5 * 1024 * MIB
        assert full % MIB == 0


@given(SIZES)
def test_parts_are_as_small_as_may_be(size: int) -> None:
    """So that little is lost when one fails: a part less a MiB would be too small or make too many."""
    if size > SINGLE_MOST:
        less = part_size(size) - MIB
        assert less < PART_LEAST or -(-size // less) > PARTS_MOST


@pytest.mark.parametrize("number", [-1, 0, 4])
def test_parts_a_file_does_not_have(number: int) -> None:
    """Nobody gets a link for them."""
    with pytest.raises(Invalid) as caught:
        UPLOAD.size_of(number)
    assert caught.value.code == "no_such_part"


PARTS = whole(UPLOAD)


@pytest.mark.parametrize(
    ("parts", "code", "said"),
    [
        ([], "parts_missing", "1, 2, 3"),
        (PARTS[1:], "parts_missing", "1"),
        (PARTS[::2], "parts_missing", "2"),
        ([*PARTS[:2], Part(3, 2, "e")], "size_mismatch", "3"),
        ([Part(1, 0, "e"), *PARTS[1:]], "size_mismatch", "1"),
        ([*PARTS, Part(4, 1, "e")], "no_such_part", "1 to 3"),
        ([Part(0, 1, "e"), *PARTS], "no_such_part", "1 to 3"),
    ],
)
def test_what_is_not_whole_is_not_completed(parts: list[Part], code: str, said: str) -> None:
    """Missing parts, parts of another size, parts the file does not have: it says which."""
    with pytest.raises(Invalid) as caught:
        at(U).complete(parts, T0)
    assert caught.value.code == code
    assert str(caught.value).endswith(said)


@given(st.permutations(PARTS))
def test_parts_may_be_told_in_any_order(parts: list[Part]) -> None:
    """And more than once."""
    assert at(U).complete([*parts, parts[0]], T0)[0] == at(C)


@pytest.mark.parametrize(
    ("parts", "missing"),
    [([], [1, 2, 3]), (PARTS[::-2], [2]), (PARTS, []), ([Part(1, UPLOAD.size_bytes, "e")], [])],
)
def test_what_is_missing(parts: list[Part], missing: list[int]) -> None:
    """Nothing, once all are there or made one."""
    assert list(UPLOAD.missing(parts)) == missing


def test_a_long_list_of_missing_parts_is_cut() -> None:
    """The first twenty will do."""
    with pytest.raises(Invalid) as caught:
        at(U, 100 * PART_LEAST).complete([], T0)
    assert str(caught.value).endswith("19, 20")


# --- what is announced -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "error", "code"),
    [(-1, Invalid, "empty_file"), (0, Invalid, "empty_file"), (101, TooLarge, "file_too_large")],
)
def test_limits(size: int, error: type[Exception], code: str) -> None:
    """Up to the most, and something at least."""
    limits = Limits(file_bytes=100)
    limits.check(1)
    limits.check(100)
    with pytest.raises(error) as caught:
        limits.check(size)
    assert getattr(caught.value, "code", None) == code


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("video/mp4", "video/mp4"), (" Video/MP4 ; codecs=x", "video/mp4"), ("video/mp4\r\nX-Evil: 1", "video/mp4 x-evil: 1")],
)  # fmt: skip
def test_a_content_type_is_one_tidy_line(typed: str, stored: str) -> None:
    """It comes back in headers, so nobody may begin another one with it."""
    assert evolve(UPLOAD, content_type=typed).content_type == stored


@pytest.mark.parametrize("text", ["", " ", "x" * 256])
def test_names_and_types_that_break_a_rule(text: str) -> None:
    """Both are needed, and neither is long."""
    with pytest.raises(Invalid) as caught:
        evolve(UPLOAD, filename=text)
    assert caught.value.fields[0][0] == "filename"
    with pytest.raises(Invalid) as caught:
        evolve(UPLOAD, content_type=text)
    assert caught.value.fields[0][0] == "content_type"
