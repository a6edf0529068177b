"""What is read of the pictures that an encoder sends, which may be nonsense."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.local.flv import SET_MOST, SIDE_MOST, Meter, Piece, size_of
from adapters.local.rtmp import Kind, Media

BASELINE = bytes([66, 0, 0])


def record(parameters: bytes) -> bytes:
    """An AVCDecoderConfigurationRecord with one parameter set."""
    return b"\x01\x42\x00\x1e\xff\xe1" + (1 + len(parameters)).to_bytes(2) + b"\x67" + parameters


def coded(*numbers: int) -> bytes:
    """The numbers in Exp-Golomb, with a zero behind them. A 0 is a single bit that is set, too."""
    bits = "".join(f"{number + 1:b}".zfill(2 * (number + 1).bit_length() - 1) for number in numbers) + "0"
    size = -(-len(bits) // 8)
    return int(bits.ljust(8 * size, "0"), 2).to_bytes(size)


def test_the_size_is_read() -> None:
    assert size_of(record(BASELINE + coded(0, 0, 2, 0, 0, 19, 11, 0, 0))) == (320, 192)


def test_a_set_that_is_far_too_long_is_not_read_to_its_end() -> None:
    cycle = [0] * (8 * SET_MOST)
    assert size_of(record(BASELINE + coded(0, 0, 1, 0, 0, 0, 9, *cycle[:9], 0, 0, 19, 11, 0, 0))) == (320, 192)
    assert size_of(record(BASELINE + coded(0, 0, 1, 0, 0, 0, len(cycle), *cycle, 0, 0, 19, 11, 0, 0))) is None


@given(st.binary(max_size=2 * SET_MOST))
@example(coded(0, 0, 2, 0, 0, 2**100, 11, 0, 0))
def test_whatever_is_sent_a_size_is_one_that_there_is(nonsense: bytes) -> None:
    for setup in (nonsense, record(nonsense), record(BASELINE + nonsense)):
        found = size_of(setup)
        assert found is None or all(1 <= side <= SIDE_MOST for side in found)


@given(st.floats(), st.floats())
@example(1e308, 1e-300)
def test_whatever_is_said_a_size_is_one_that_there_is(width: float, height: float) -> None:
    meter = Meter()
    meter.told({"width": width, "height": height})
    assert meter.size is None or all(1 <= side <= SIDE_MOST for side in meter.size)


@pytest.mark.parametrize("step_ms", [3_600_000, -60_000])
def test_a_clock_that_jumps_sets_no_key_frames_apart(step_ms: int) -> None:
    """It counts from there on, until the next one."""
    meter = Meter()
    for at_ms, key in ((100_000, True), (101_000, False), (101_000 + step_ms, False), (103_000 + step_ms, False)):
        meter.see(Media(Kind.VIDEO, at_ms, b"x"), Piece("avc1", setup=False, key=key))
    assert meter.apart_s == 2.0
