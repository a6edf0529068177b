"""Sound and picture as RTMP carries them: what a piece is, and how ffmpeg is given it (Adobe's FLV 10.1, enhanced RTMP)."""

from collections.abc import Mapping
from itertools import pairwise

from attrs import define, field, frozen

from adapters.local.rtmp import TIMES, Kind, Media


class Unfit(Exception):
    """What an encoder sends cannot be shown; why, for whoever runs it."""


@frozen
class Piece:
    """``setup``: it says how to decode what follows. ``key``: decoding may begin with it. ``codec`` by its four letters."""

    codec: str
    setup: bool
    key: bool


_CODECS = {7: "avc1", 10: "mp4a"}
_SHOWN = {"avc1", "hvc1", "mp4a"}
"""What MPEG-TS carries and players of HLS decode."""
SIDE_MOST = 16_384
"""Pixels: H.264 and H.265 allow no picture that is larger in any profile in use."""
SET_MOST = 1024
"""Bytes of a parameter set that are looked at. Encoders need tens of them, and to read n bits takes n * n steps."""
_EXTENDED = 0x80
_CODED = {1, 3}


def piece(media: Media) -> Piece | None:
    """What it is; None for what need not be passed on. Raises Unfit for a codec that is not shown."""
    payload = media.payload
    if len(payload) < 2:
        return None
    if media.kind is Kind.AUDIO:
        return _sound(payload)
    extended, frame = payload[0] & _EXTENDED, payload[0] >> 4 & 7
    if frame == 5:  # a word to the player
        return None
    if extended:
        codec, step = payload[1:5].decode("latin-1"), payload[0] & 15
        shown = step == 0 or step in _CODED
    else:
        codec, step = _CODECS.get(payload[0] & 15, f"number {payload[0] & 15}"), payload[1]
        shown = step in {0, 1}
    if not shown:
        return None
    return Piece(_known(codec, "picture"), setup=step == 0, key=frame == 1)


def _sound(payload: bytes) -> Piece | None:
    if payload[0] >> 4 == 9:
        codec, step = payload[1:5].decode("latin-1"), payload[0] & 15
        if step > 1:
            return None
    else:
        codec, step = _CODECS.get(payload[0] >> 4, f"number {payload[0] >> 4}"), payload[1]
    return Piece(_known(codec, "sound"), setup=step == 0, key=True)


def _known(codec: str, of: str) -> str:
    if codec not in _SHOWN:
        message = f"its {of} has the codec {codec!r}; send H.264 or H.265 and AAC"
        raise Unfit(message)
    return codec


def header(*, sound: bool, picture: bool) -> bytes:
    """How a stream begins."""
    return b"FLV\x01" + bytes([4 * sound + picture]) + b"\x00\x00\x00\x09" + bytes(4)


def tag(kind: Kind, at_ms: int, payload: bytes) -> bytes:
    size = len(payload)
    head = bytes([kind]) + size.to_bytes(3) + (at_ms & 0xFFFFFF).to_bytes(3) + bytes([at_ms >> 24 & 0xFF]) + bytes(3)
    return head + payload + (11 + size).to_bytes(4)


# --- what is measured -----------------------------------------------------------------------------


JUMP_MS = 10_000
BACK_MS = 2_000
"""By so much the sound may lag behind the picture."""


def jumped(before: int | None, at_ms: int) -> bool:
    """Whether the encoder's clock did: forth, or further back than sound and picture are apart."""
    if before is None:
        return False
    step = (at_ms - before + TIMES // 2) % TIMES - TIMES // 2
    return step > JUMP_MS or step < -BACK_MS


@define
class Meter:
    """What came since ``restart``, by the times that the encoder gives it. ``size`` is of the picture, once it is known."""

    size: tuple[int, int] | None = None
    at_ms: int | None = None
    """Of the latest piece."""
    key_at_ms: int | None = None
    """Of the latest key frame."""
    bytes: int = 0
    pictures: int = 0
    _keys: list[int] = field(factory=list)

    def see(self, media: Media, what: Piece) -> None:
        self.bytes += len(media.payload)
        if what.setup:
            if what.codec == "avc1":
                self.size = size_of(media.payload[5:]) or self.size
            return
        if self._keys and jumped(self.at_ms, media.at_ms):
            self._keys = [media.at_ms]
        self.at_ms = media.at_ms
        if media.kind is Kind.VIDEO:
            self.pictures += 1
            if what.key:
                self.key_at_ms = media.at_ms
                self._keys.append(media.at_ms)

    def told(self, values: Mapping[str, object]) -> None:
        """Of codecs whose setup is not read here, the encoder's word is taken."""
        width, height = values.get("width"), values.get("height")
        if self.size is None and isinstance(width, float) and isinstance(height, float):
            self.size = _possible(width, height)

    def restart(self, seconds: float) -> dict[str, int | float]:
        """What came within so many seconds, in the words of ``domain.broadcasts.Health``; and begin again."""
        found: dict[str, int | float] = {"bitrate_bps": round(8 * self.bytes / seconds)}
        if self.size is not None and self.pictures:
            found |= {"width": self.size[0], "height": self.size[1]}
        if self.pictures:
            found["fps"] = round(self.pictures / seconds, 1)
        if (apart := self.apart_s) is not None:
            found["keyframe_s"] = apart
        self.bytes = self.pictures = 0
        self._keys = self._keys[-1:]
        return found

    @property
    def apart_s(self) -> float | None:
        """The longest time between two key frames, be it that the second has not come yet; None: there are no pictures."""
        if self.key_at_ms is None or self.at_ms is None:
            return None
        return max((later - earlier for earlier, later in pairwise([*self._keys, self.at_ms])), default=0) / 1000


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data)
        self._left = 8 * len(data)

    def take(self, count: int = 1) -> int:
        self._left -= count
        if self._left < 0:
            raise ValueError("it is cut short")
        return self._bits >> self._left & ((1 << count) - 1)

    def golomb(self) -> int:
        zeros = 0
        while not self.take():
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        value = self.golomb()
        return (value + 1) // 2 if value % 2 else -(value // 2)


_DETAILED = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}
"""Profiles that say how colours are sampled."""


def size_of(setup: bytes) -> tuple[int, int] | None:
    """Width and height by an AVCDecoderConfigurationRecord (ISO 14496-15), whose first parameter set is as ITU-T H.264,
    7.3.2.1.1 has it; None for what is none.
    """
    try:
        length = min(int.from_bytes(setup[6:8]), SET_MOST)
        return _possible(*_size(_Bits(setup[9 : 8 + length].replace(b"\x00\x00\x03", b"\x00\x00"))))
    except ValueError:
        return None


def _possible(width: float, height: float) -> tuple[int, int] | None:
    return (round(width), round(height)) if 1 <= width <= SIDE_MOST and 1 <= height <= SIDE_MOST else None


def _size(bits: _Bits) -> tuple[int, int]:
    profile = bits.take(24) >> 16
    bits.golomb()
    colours, interlaced = 1, False
    if profile in _DETAILED:
        colours = bits.golomb()
        if colours == 3:
            bits.take()
        bits.golomb()
        bits.golomb()
        bits.take()
        if bits.take():
            _skip_scaling(bits, 12 if colours == 3 else 8)
    bits.golomb()
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.take()
        bits.signed()
        bits.signed()
        for _ in range(bits.golomb()):
            bits.signed()
    bits.golomb()
    bits.take()
    width, height = 16 * (bits.golomb() + 1), 16 * (bits.golomb() + 1)
    interlaced = not bits.take()
    if interlaced:
        height *= 2
        bits.take()
    bits.take()
    left, right, top, bottom = (bits.golomb() for _ in range(4)) if bits.take() else (0, 0, 0, 0)
    across, down = (2 if colours in {1, 2} else 1), (2 if colours == 1 else 1) * (2 if interlaced else 1)
    return width - across * (left + right), height - down * (top + bottom)


def _skip_scaling(bits: _Bits, lists: int) -> None:
    for number in range(lists):
        if not bits.take():
            continue
        last = following = 8
        for _ in range(16 if number < 6 else 64):
            if following:
                following = (last + bits.signed()) % 256
            last = following or last
