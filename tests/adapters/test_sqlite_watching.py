"""What the sessions of one machine promise beyond the contract: no more rows than needed, and never many at a time."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import evolve

from adapters.local.database import Database
from adapters.local.watching import DROPPED_MOST, SqliteSessions
from domain.errors import NotFound, Stale
from domain.ids import SessionId
from domain.watching import SESSION_LIFE
from tests.contract.test_watching import SITTING
from tests.worlds import FakeClock


async def test_sessions_that_are_over_go_bit_by_bit(tmp_path: Path) -> None:
    """As others are saved, the earliest first; none is found meanwhile, and one that was refused drops none."""
    clock = FakeClock()
    with closing(Database(tmp_path / "hexcast.db", durable=False)) as database:

        def left() -> list[int]:
            return [int(id_) for (id_,) in database.rows("SELECT id FROM session ORDER BY started_at")]

        sessions = SqliteSessions(database, clock.now)
        for number in range(DROPPED_MOST + 2):
            await sessions.save(evolve(SITTING, id=SessionId(str(number)), started_at=clock.now()))
            clock.advance(timedelta(seconds=1))
        clock.advance(SESSION_LIFE - timedelta(seconds=1))  # all but the last are over now
        assert len(left()) == DROPPED_MOST + 2
        with pytest.raises(NotFound):
            await sessions.get(SessionId("0"))
        with pytest.raises(Stale):
            await sessions.save(evolve(SITTING, id=SessionId("x"), version=1, started_at=clock.now()))
        assert len(left()) == DROPPED_MOST + 2
        saved = await sessions.save(evolve(SITTING, id=SessionId("100"), started_at=clock.now()))
        assert left() == [DROPPED_MOST, DROPPED_MOST + 1, 100]
        await sessions.save(saved)
        assert left() == [DROPPED_MOST + 1, 100]
