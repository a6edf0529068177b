"""What ``hexcast demo`` does beside serving."""

import pytest

from entrypoints import demo
from entrypoints.container import Core
from tests.entrypoints.platform import ORIGIN, Platform


async def test_a_demo_that_is_there_is_served_as_it_is(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And one is told whom one may be."""
    seeded: list[Core] = []

    async def seed(core: Core) -> None:
        seeded.append(core)
        await demo._join(core, *demo.PEOPLE[0])

    monkeypatch.setattr(demo, "seed", seed)
    await demo.welcome(platform.core)
    drawing, ready, ada, *_, password = capsys.readouterr().out.splitlines()
    assert drawing.startswith("Drawing 9 videos")
    assert (ready, ada) == (f"The demo is ready: {ORIGIN}", "  Ada Lovelace: ada@example.org")
    assert password == "  The password of each: demo-password"
    await demo.welcome(platform.core)
    assert capsys.readouterr().out.startswith("Some of the demo, or of something else, is here already.")
    monkeypatch.setattr(demo, "CHANNELS", ())
    await demo.welcome(platform.core)
    assert capsys.readouterr().out.startswith(f"The demo is there already: {ORIGIN}\n  Ada Lovelace: ada@example.org\n")
    assert seeded == [platform.core]
