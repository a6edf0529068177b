"""What the outbox of one machine promises beyond the contract: nothing that it holds keeps the rest from going."""

from contextlib import closing
from pathlib import Path

from adapters.local.database import Database
from adapters.local.outbox import SqliteOutbox
from adapters.local.register import Register
from adapters.system import Ulids
from domain.ids import EventId, VideoId
from domain.videos import VideoRemoved
from tests.adapters.houses import CHANNEL
from tests.strategies import START


async def test_events_that_cannot_be_read_keep_no_others(tmp_path: Path) -> None:
    """Such as those of a later version: they are dead letters, which whoever runs the machine is told."""
    with closing(Database(tmp_path / "hexcast.db", durable=False)) as database:
        outbox = SqliteOutbox(database, Ulids(lambda: START))
        rows = [("evt_1", "Moonrise"), ("evt_2", "VideoRemoved")]
        add = "INSERT INTO event (id, kind, doc) VALUES (?, ?, '{}')"
        await database.write(lambda transaction: transaction.many(add, rows))
        await outbox.put(VideoRemoved(VideoId("vid_1"), CHANNEL, START), EventId("evt_3"))
        assert [each.id for each in await outbox.claim(START)] == ["evt_3"]
        assert await outbox.dead() == []
        pending = Register(database).pending()
        assert [each.id for each in pending.dead] == ["evt_1", "evt_2"]
        assert "Moonrise" in (pending.dead[0].reason or "")
