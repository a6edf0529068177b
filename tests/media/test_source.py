"""A file is read by a process of its own, and may break that."""

import sys
from fractions import Fraction
from pathlib import Path

import pytest

from adapters.local.source import Probed, Refused, heard, probed, written
from domain.media import Source
from domain.processing import Failure
from tests.journey import clips


async def test_what_the_child_finds_arrives_whole(tmp_path: Path) -> None:
    found = await probed(clips.no_audio(tmp_path), 3600)
    assert found.source == Source(640, 480, 2.0, 30.0, has_audio=False)
    assert (found.fps, found.audio, found.format) == (Fraction(30), None, "mov")


def test_a_finding_survives_the_way() -> None:
    found = Probed(
        source=Source(3, 5, 7.25, 29.97, has_audio=True), format="mov", video=1, audio=2, fps=Fraction(30000, 1001),
        video_pad_s=0.5, audio_pad_s=0.25, interlaced=True, hdr="smpte2084",
    )  # fmt: skip
    assert heard(written(found).encode()) == found
    with pytest.raises(Refused) as refused:
        heard(written(Failure("too_long", "it lasts for ever")).encode())
    assert refused.value.failure == Failure("too_long", "it lasts for ever")


async def test_a_file_that_ends_its_reader_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a decoder's crash would."""
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(crashing))
    with pytest.raises(Refused) as refused:
        await probed(tmp_path / "any", 3600)
    assert refused.value.failure.code == "unreadable"
