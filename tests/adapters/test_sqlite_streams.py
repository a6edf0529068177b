"""What broadcasts on one machine promise beyond the contract: no event is kept for ever, and never many go at a time."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

from attrs import evolve

from adapters.local.database import Database
from adapters.local.outbox import SqliteOutbox
from adapters.local.streams import DROPPED_MOST, SqliteBroadcasts
from adapters.system import Ulids
from application.ports import EVENTS_KEPT
from domain.ids import StreamId
from tests.contract.test_broadcasts import SAID, said
from tests.strategies import START

OLD = 2 * DROPPED_MOST
"""Of two digits each."""


async def test_old_events_go_bit_by_bit(tmp_path: Path) -> None:
    """As others of their stream come, the earliest first; those of other streams stay."""
    with closing(Database(tmp_path / "hexcast.db", durable=False)) as database:

        def left(stream: str) -> list[str]:
            rows = database.rows("SELECT id FROM happening WHERE stream = ? ORDER BY at, id", (stream,))
            return [id_ for (id_,) in rows]

        broadcasts = SqliteBroadcasts(database, SqliteOutbox(database, Ulids(lambda: START)))
        other = evolve(SAID, stream=StreamId("str_dogs"))
        await broadcasts.log([other, *(said(10 + number, number / 60) for number in range(OLD))])
        end = START + EVENTS_KEPT + timedelta(minutes=(OLD - 1) / 60)  # all but the last are too old now
        for number, kept in ((901, OLD - DROPPED_MOST), (902, 1), (903, 1)):
            await broadcasts.log([evolve(said(number, 0), at=end, received_at=end)])
            old = [id_ for id_ in left(SAID.stream) if id_ < "said-90"]
            assert old == [f"said-{10 + each}" for each in range(OLD - kept, OLD)]
        assert left(other.stream) == [other.id]
