"""Any Rounds keeps one value, whole, for whoever has read it as it is."""

from collections.abc import Mapping
from datetime import datetime

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from application.ports import Round, Rounds
from domain.errors import Stale
from tests.strategies import START, times
from tests.worlds import ROUNDS, Opener

openers = pytest.mark.parametrize("opener", [opener for _, opener in ROUNDS], ids=[name for name, _ in ROUNDS])

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
Orphans = Mapping[str, datetime]
ORPHANS = st.dictionaries(NAMES, times, max_size=5)


@openers
async def test_before_the_first_there_was_none(opener: Opener[Rounds]) -> None:
    async with opener() as opened:
        assert await opened.port.get() == Round()


@openers
@settings(max_examples=20)
@given(
    folders=st.lists(st.tuples(NAMES, NAMES), max_size=4), rests=times | st.none(), orphans=ORPHANS, before=ORPHANS,
)  # fmt: skip
async def test_what_is_saved_is_read(
    opener: Opener[Rounds], folders: list[tuple[str, str]], rests: datetime | None, orphans: Orphans, before: Orphans
) -> None:
    """Names of any characters, times to the microsecond."""
    value = evolve(Round(), folders=folders, rests_until=rests, orphans=orphans, before=before)
    async with opener() as opened:
        for version in (1, 2):
            saved = await opened.port.save(value)
            assert saved == evolve(value, version=version) == await opened.port.get()
            value = saved


@openers
async def test_of_two_that_go_on_one_is_told(opener: Opener[Rounds]) -> None:
    """At the first save as at any other."""
    async with opener() as opened:
        first = await opened.port.save(Round(rests_until=START))
        with pytest.raises(Stale):
            await opened.port.save(Round(folders=[("v/", "")]))
        second = await opened.port.save(evolve(first, orphans={"v/vid_1/": START}))
        with pytest.raises(Stale):
            await opened.port.save(first)
        assert await opened.port.get() == second
