"""An id says when it was made."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.system import Ulids
from domain.ids import made_at


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001  (no zones here)
def test_to_the_millisecond(at: datetime) -> None:
    made = made_at(Ulids(lambda: at)("upl"))
    assert made is not None
    assert abs(at - made) <= timedelta(milliseconds=1)


def test_the_specification_s_example() -> None:
    """github.com/ulid/spec gives this one for 1469918176385."""
    assert made_at("upl_01ARYZ6S41TSV4RRFFQ69G5FAV") == datetime(2016, 7, 30, 22, 36, 16, 385000, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "", "upl_1", "01ARYZ6S41TSV4RRFFQ69G5FAV", "upl_01ARYZ6S41TSV4RRFFQ69G5FA", "upl_01ARYZ6S41TSV4RRFFQ69G5FAVX",
        "upl_01arYZ6S41TSV4RRFFQ69G5FAV", "upl_01ARYZ6S4UTSV4RRFFQ69G5FAV", "upl_01ARYZ6S41TSV4RRFFQ69G5FAV\n",
        "upl_81ARYZ6S41TSV4RRFFQ69G5FAV", "../_01ARYZ6S41TSV4RRFFQ69G5FAV", "upl_7ZZZZZZZZZ0000000000000000",
    ],
)  # fmt: skip
def test_what_is_none_of_ours(text: str) -> None:
    """Another form, another alphabet, more than 128 bits, a time beyond the calendar."""
    assert made_at(text) is None
