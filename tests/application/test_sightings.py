"""What a sweep sees of broadcasts, from an ingest that says how they are only when it is asked."""

from collections.abc import Sequence

from attrs import evolve, frozen
from dependency_injector.providers import Object

from application.ports import Pretence, Sighting
from domain.broadcasts import Happening
from tests.application.world import World


@frozen
class Asked:
    """One that is asked who is live, and of whom it knows this."""

    sightings: Sequence[Sighting]

    async def live(self) -> Sequence[Sighting]:
        return self.sightings


async def test_what_was_measured_is_shown_with_the_session(world: World) -> None:
    """Once: what the next sweep does not hear of is no other measurement."""
    core = world.core
    stream = (await core.create_stream()(world.owner, world.channel, title="Cats live")).stream
    await core.show_ingest()(world.owner, stream.id)
    stream = await world.raw.streams().get(stream.id)
    await world.raw.ingest().simulate(stream, Pretence.START)
    (seen,) = await world.raw.ingest().live()
    measured = {"bitrate_bps": 1_500_000, "fps": 30, "width": 640, "height": 360}
    for sighting in (evolve(seen, measured=measured), seen):
        core.adapters.ingest.override(Object(Asked([sighting])))
        core.sweep_broadcasts.reset()
        assert await core.sweep_broadcasts()() == 0
        (card,) = (await core.show_sessions().of_stream(world.owner, stream.id)).items
    assert card.session.health is not None
    assert (card.session.health.width, card.session.health.fps) == (640, 30)
    (told,) = (await core.show_sessions().events(world.owner, card.session.id)).items
    assert (told.kind, told.detail) == (Happening.HEALTH, measured)
