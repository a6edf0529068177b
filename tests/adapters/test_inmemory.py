"""What the in-memory adapters promise beyond the contract: tidy cursors, no more memory than needed."""

from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from operator import itemgetter

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from sortedcontainers import SortedDict, SortedList

from adapters.cursors import Key, decoded, encoded
from adapters.inmemory.outbox import Changes
from adapters.inmemory.paging import page
from adapters.inmemory.watching import InMemoryHistory, InMemorySessions, InMemoryViewings
from domain.errors import Invalid
from domain.ids import SessionId
from domain.watching import SESSION_LIFE
from tests.contract.test_watching import SITTING
from tests.strategies import START, times
from tests.worlds import FakeClock

parts = st.text(max_size=5) | st.integers() | times
keys = st.lists(st.tuples(st.sampled_from("ab"), times, st.sampled_from("pqr")), unique=True)


@given(st.lists(parts, min_size=1, max_size=3).map(tuple))
def test_a_cursor_gives_back_what_it_was_made_of(tail: Key) -> None:
    """Times to the microsecond, whatever the text."""
    assert decoded(encoded(tail)) == tail


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "é", "no cursor", encoded((1,)) + "!"]
    + [urlsafe_b64encode(text).decode() for text in (b"1", b"[]", b"{}", b"[[]]", b"[null]", b'[{"at":"x"}]', b"[{}]")]
    + [encoded(("a text where a time should be",)), encoded((datetime(2026, 1, 1), "no zone"))],  # noqa: DTZ001  (that is what is wrong with it)
)
@pytest.mark.parametrize("descending", [False, True])
def test_a_garbled_cursor_is_invalid(cursor: str, descending: bool) -> None:  # noqa: FBT001  (a parameter of the test)
    """However it is garbled, and also one of another list."""
    with pytest.raises(Invalid) as refused:
        page(SortedList([("a", START, "p")]), repr, within=("a",), cursor=cursor, limit=1, descending=descending)
    assert refused.value.code == "invalid_cursor"


def test_no_cursor_holds_half_a_character() -> None:
    """JSON can write one half of a surrogate pair; it is no text that anything here could be called."""
    with pytest.raises(Invalid) as refused:
        decoded(encoded(("\ud83d",)))
    assert refused.value.code == "invalid_cursor"


@given(keys, st.integers(1, 4), st.sampled_from([(), ("a",), ("b",), ("c",)]), st.booleans())
def test_pages_are_full_and_end_where_the_list_does(keys: list[Key], limit: int, within: Key, descending: bool) -> None:  # noqa: FBT001  (drawn by hypothesis)
    """There is a next page exactly when something is left; a sorted dict is walked as a sorted list is."""
    left = sorted((key for key in keys if key[: len(within)] == within), reverse=descending)
    for index in (SortedList(keys), SortedDict(dict.fromkeys(keys))):
        cursor, shown = None, list[Key]()
        while True:
            read = page(index, lambda key: key, within=within, cursor=cursor, limit=limit, descending=descending)
            shown += read.items
            cursor = read.next
            assert (cursor is None) == (len(shown) == len(left))
            if cursor is None:
                break
            assert len(read.items) == limit
        assert shown == left


async def test_sessions_that_are_over_take_no_memory() -> None:
    """They go as others are saved; those that are not over stay."""
    clock, changes = FakeClock(), Changes()
    sessions = InMemorySessions(changes, InMemoryHistory(changes), InMemoryViewings(changes), clock.now)
    for hour in range(100):
        await sessions.save(evolve(SITTING, id=SessionId(f"ses_{hour}"), started_at=clock.now()))
        clock.advance(timedelta(hours=1))
    assert len(sessions._sessions) == len(sessions._started) == SESSION_LIFE // timedelta(hours=1) + 1
    assert itemgetter(0)(sessions._started[0]) >= clock.now() - SESSION_LIFE - timedelta(hours=1)
