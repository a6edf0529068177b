"""RTMP as encoders speak it to whoever takes their broadcast: bytes in, bytes out, and what they mean. No I/O is here.

After Adobe's "RTMP Specification 1.0" and Veovera's "Enhanced RTMP" for the names of newer codecs. Whatever is sent, a
connection holds no more than ``HELD_MOST`` bytes of it, and until it was let publish a five-hundredth of that.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from attrs import define, field, frozen

APP = "live"
HANDSHAKE = 1536
EARLY_MOST = 16 * 1024
"""Bytes of a message before publishing."""
MESSAGE_MOST = 8 * 1024 * 1024
"""A picture of 4K at 20 Mb/s is a tenth of it."""
HELD_MOST = 12 * 1024 * 1024
LANES_MOST = 64
"""Chunk streams of one connection; encoders use four or five."""
WINDOW = 2_500_000
"""Bytes after which they are acknowledged, unless the encoder asks for another number."""
_CHUNK = 4096
"""Of what is sent from here."""
_DEEP_MOST = 8
_VALUES_MOST = 1000
_EXTENDED = 0xFFFFFF
TIMES = 1 << 32
"""Times in milliseconds begin again there."""


class Broken(Exception):
    """What was sent is no RTMP, or goes beyond a limit: the connection is of no use any more."""


class Kind(IntEnum):
    """Of messages."""

    CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGED = 3
    CONTROL = 4
    WINDOW = 5
    BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    DATA_3 = 15
    COMMAND_3 = 17
    DATA = 18
    COMMAND = 20


@frozen
class Media:
    """A piece of sound or picture, as FLV has it in a tag. ``at_ms`` is the encoder's clock, of 32 bits."""

    kind: Kind
    at_ms: int
    payload: bytes


@frozen
class Publish:
    """The encoder wants to send; ``accept`` or ``refuse`` it before anything else is taken."""

    key: str = field(repr=False)


@frozen
class Described:
    """What the encoder says of what it sends: ``width``, ``framerate`` and so on, true or not."""

    values: Mapping[str, Any]


@frozen
class Finished:
    """The encoder says that this was all."""


Heard = Media | Publish | Described | Finished

# --- AMF0: values as Flash wrote them -------------------------------------------------------------


@define
class _Reader:
    data: bytes
    at: int = 0
    left: int = _VALUES_MOST

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise Broken("a value is cut short")
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def text(self, size: int) -> str:
        return self.take(self.number(size)).decode("utf-8", "replace")

    def value(self, deep: int = 0) -> Any:  # noqa: PLR0911  (one for each kind of value)
        self.left -= 1
        if deep > _DEEP_MOST or self.left < 0:
            raise Broken("there are too many values in values")
        kind = self.number(1)
        if kind == 0:
            return struct.unpack(">d", self.take(8))[0]
        if kind == 1:
            return self.number(1) != 0
        if kind in {2, 12}:
            return self.text(2 if kind == 2 else 4)
        if kind in {3, 8}:
            self.take(4 if kind == 8 else 0)  # how many, which is not to be relied upon
            return self.pairs(deep)
        if kind in {5, 6, 13}:  # null, undefined, unsupported
            return None
        if kind == 10:
            count = self.number(4)
            if count > self.left:
                raise Broken("there are too many values in a list")
            return [self.value(deep + 1) for _ in range(count)]
        if kind == 11:
            return struct.unpack(">dxx", self.take(10))[0]
        message = f"there is no value of the kind {kind}"
        raise Broken(message)

    def pairs(self, deep: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while True:
            name = self.text(2)
            if not name and self.data[self.at : self.at + 1] == b"\x09":
                self.at += 1
                return found
            found[name] = self.value(deep + 1)


def decoded(data: bytes) -> Sequence[Any]:
    """All values. Raises Broken."""
    reader = _Reader(data)
    values = []
    while reader.at < len(data):
        values.append(reader.value())
    return values


def encoded(*values: Any) -> bytes:
    return b"".join(map(_encoded, values))


def _encoded(value: Any) -> bytes:
    if value is None:
        return b"\x05"
    if isinstance(value, str):
        return b"\x02" + _sized(value)
    if isinstance(value, (int, float)):
        return b"\x00" + struct.pack(">d", value)
    if isinstance(value, list):
        return b"\x0a" + len(value).to_bytes(4) + encoded(*value)
    pairs = (_sized(name) + _encoded(each) for name, each in value.items())
    return b"\x03" + b"".join(pairs) + b"\x00\x00\x09"


def _sized(text: str) -> bytes:
    content = text.encode()
    return len(content).to_bytes(2) + content


# --- chunks: messages in pieces, so that sound need not wait for a picture ------------------------


@frozen
class _Message:
    kind: int
    stream: int
    at_ms: int
    payload: bytes


@define
class _Lane:
    """A chunk stream: what its last header said, and the message that is under way on it."""

    at_ms: int = 0
    delta: int = 0
    extended: bool = False
    length: int = 0
    kind: int = 0
    stream: int = 0
    held: bytearray = field(factory=bytearray)
    under_way: bool = False


_HEADER = (11, 7, 3, 0)
_HEAD_MOST = 3 + 11 + 4


@define
class _Chunks:
    """Puts messages together."""

    size: int = 128
    most: int = EARLY_MOST
    _buffer: bytearray = field(factory=bytearray)
    _lanes: dict[int, _Lane] = field(factory=dict)
    _held: int = 0

    def feed(self, data: bytes) -> Iterator[_Message]:
        """To be exhausted. Raises Broken."""
        buffer, at = self._buffer, 0
        buffer += data
        try:
            while (read := self._chunk(buffer, at)) is not None:
                at, message = read
                if message is not None:
                    yield message
        finally:
            del buffer[:at]

    def abort(self, number: int) -> None:
        if (lane := self._lanes.get(number)) is not None:
            self._held -= len(lane.held)
            lane.held, lane.under_way = bytearray(), False

    def _chunk(self, buffer: bytearray, at: int) -> tuple[int, _Message | None] | None:
        """Where the next one begins, and the message that this one ends; None: it is not all there."""
        if (head := self._head(buffer, at)) is None:
            return None
        form, lane, at = head.form, head.lane, head.ends
        size = min(self.size, head.length - len(lane.held))
        if head.length > self.most or self._held + size > self.most * HELD_MOST // MESSAGE_MOST:
            raise Broken("a message is too large")
        if at + size > len(buffer):
            return None
        self._lanes[head.number] = lane
        if not lane.under_way:
            # A message that begins without a time of its own is as far from the one before as that was.
            lane.delta = head.time if form in {1, 2} else 0 if form == 0 else lane.delta
            lane.at_ms = head.time if form == 0 else (lane.at_ms + lane.delta) % TIMES
        lane.extended, lane.length, lane.kind, lane.stream = head.extended, head.length, head.kind, head.stream
        lane.held += buffer[at : at + size]
        self._held += size
        lane.under_way = len(lane.held) < lane.length
        if lane.under_way:
            return at + size, None
        message = _Message(lane.kind, lane.stream, lane.at_ms, bytes(lane.held))
        self._held -= lane.length
        lane.held = bytearray()
        return at + size, message

    def _head(self, buffer: bytearray, at: int) -> "_Head | None":
        """None: it is not all there."""
        rest = bytes(buffer[at : at + _HEAD_MOST])
        form, number, ends = (rest[0] >> 6, rest[0] & 63, 1) if rest else (3, 0, 1)
        if number < 2:
            number, ends = 64 + int.from_bytes(rest[1 : 2 + number], "little"), 2 + number
        lane = self._lanes.get(number) or _Lane()
        given, ends = rest[ends : ends + _HEADER[form]], ends + _HEADER[form]
        time = int.from_bytes(given[:3])
        if extended := time == _EXTENDED if form < 3 else lane.extended:
            time, ends = int.from_bytes(rest[ends : ends + 4]), ends + 4
        if ends > len(rest):
            return None
        if number not in self._lanes and (form > 1 or len(self._lanes) >= LANES_MOST):
            raise Broken("a chunk goes on with what was not begun")
        if form != 3 and lane.under_way:
            raise Broken("a message begins within another one")
        length, kind = (int.from_bytes(given[3:6]), given[6]) if form < 2 else (lane.length, lane.kind)
        stream = int.from_bytes(given[7:], "little") if form == 0 else lane.stream
        return _Head(form, number, lane, time, extended, length, kind, stream, at + ends)


class _Head(NamedTuple):
    """What stands before a chunk's bytes. ``time`` is of the message, or since the one before, by its ``form``."""

    form: int
    number: int
    lane: _Lane
    time: int
    extended: bool
    length: int
    kind: int
    stream: int
    ends: int


def _chunked(lane: int, kind: Kind, stream: int, payload: bytes) -> bytes:
    header = bytes([lane]) + bytes(3) + len(payload).to_bytes(3) + bytes([kind]) + stream.to_bytes(4, "little")
    pieces = [payload[start : start + _CHUNK] for start in range(0, len(payload), _CHUNK)]
    return header + bytes([0xC0 | lane]).join(pieces)


# --- the conversation -----------------------------------------------------------------------------


class Connection:
    """One encoder. ``take`` what it sends; ``replies`` is what to send back."""

    def __init__(self, nonce: bytes) -> None:
        """``nonce``: ``HANDSHAKE`` - 8 random bytes."""
        self._nonce = nonce
        self._greeting: bytearray | None = bytearray()
        self._greeted = False
        self._chunks = _Chunks()
        self._out: list[bytes] = []
        self._connected = False
        self._asked: int | None = None
        """The message stream on which the encoder waits to hear whether it may publish."""
        self._publishing = False
        self._received = self._acknowledged = 0
        self._window = WINDOW

    def replies(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out

    def take(self, data: bytes) -> Iterator[Heard]:
        """What it means, to be exhausted: a ``Publish`` is to be answered before the next. Raises Broken."""
        self._received += len(data)
        if self._greeting is not None:
            data = self._greet(data)
        for message in self._chunks.feed(data):
            yield from self._heard(message)
        if self._received - self._acknowledged >= self._window:
            self._acknowledged = self._received
            self._send(2, Kind.ACKNOWLEDGED, 0, (self._received % TIMES).to_bytes(4))

    def accept(self) -> None:
        """Media may come."""
        assert self._asked is not None  # noqa: S101  (after a Publish only)
        self._publishing = True
        self._chunks.most = MESSAGE_MOST
        self._send(2, Kind.CONTROL, 0, struct.pack(">HI", 0, self._asked))
        self._status("status", "NetStream.Publish.Start", "go ahead")

    def refuse(self, why: str) -> None:
        """The encoder is told; the connection is of no use any more."""
        self._status("error", "NetStream.Publish.BadName", why)

    def _greet(self, data: bytes) -> bytes:
        """The handshake: each sends random bytes and what the other sent. What comes after it."""
        held = self._greeting
        assert held is not None  # noqa: S101  (asked before)
        held += data
        if held and held[0] != 3:
            raise Broken("this is no RTMP")
        if not self._greeted and len(held) > HANDSHAKE:
            self._greeted = True
            self._out += [b"\x03", bytes(8), self._nonce, bytes(held[1 : 1 + HANDSHAKE])]
        if len(held) < 1 + 2 * HANDSHAKE:
            return b""
        self._greeting = None
        return bytes(held[1 + 2 * HANDSHAKE :])

    def _heard(self, message: _Message) -> Iterator[Heard]:
        kind, payload = message.kind, message.payload
        if kind in {Kind.AUDIO, Kind.VIDEO}:
            if not self._publishing:
                raise Broken("media came before leave to send them")
            yield Media(Kind(kind), message.at_ms, payload)
        elif kind in {Kind.COMMAND, Kind.COMMAND_3}:
            yield from self._commanded(decoded(payload[kind == Kind.COMMAND_3 :]), message.stream)
        elif kind in {Kind.DATA, Kind.DATA_3}:
            if self._publishing:
                values = decoded(payload[kind == Kind.DATA_3 :])
                if "onMetaData" in values[:2] and isinstance(values[-1], dict):
                    yield Described(values[-1])
        else:
            self._control(kind, payload)

    def _control(self, kind: int, payload: bytes) -> None:
        number = int.from_bytes(payload[:4])
        if kind == Kind.CHUNK_SIZE:
            if not 1 <= number < 1 << 31:
                raise Broken("there is no such size of chunks")
            self._chunks.size = number
        elif kind == Kind.ABORT:
            self._chunks.abort(number)
        elif kind == Kind.WINDOW:
            self._window = max(number, EARLY_MOST)
        elif kind == Kind.CONTROL and payload[:2] == b"\x00\x06":  # a ping
            self._send(2, Kind.CONTROL, 0, b"\x00\x07" + payload[2:6])

    def _commanded(self, values: Sequence[Any], stream: int) -> Iterator[Heard]:
        name, number = (*values[:2], None, None)[:2]
        more = values[2:]
        if name == "connect":
            self._connect(more[0] if more and isinstance(more[0], dict) else {})
        elif not self._connected:
            raise Broken("it does not begin with connecting")
        elif name == "createStream":
            self._answer("_result", number, None, 1)
        elif name == "publish":
            yield self._publish(more, stream)
        elif name in {"releaseStream", "FCPublish"}:
            self._answer("_result", number, None, None)
        elif name in {"play", "play2"}:
            raise Broken("nothing is shown here")
        elif name in {"FCUnpublish", "closeStream", "deleteStream"} and self._publishing:
            self._publishing = False
            yield Finished()

    def _publish(self, said: Sequence[Any], stream: int) -> Publish:
        if self._asked is not None:
            raise Broken("one connection sends one stream")
        if len(said) < 2 or not isinstance(said[1], str):
            raise Broken("it does not say what it sends")
        self._asked = stream
        return Publish(said[1].partition("?")[0])

    def _connect(self, wanted: Mapping[str, Any]) -> None:
        if str(wanted.get("app", "")).strip("/") != APP:
            why = {"level": "error", "code": "NetConnection.Connect.Rejected", "description": f"it is /{APP} here"}
            self._answer("_error", 1, None, why)
            raise Broken("it wants to be somewhere else")
        self._connected = True
        self._send(2, Kind.WINDOW, 0, WINDOW.to_bytes(4))
        self._send(2, Kind.BANDWIDTH, 0, WINDOW.to_bytes(4) + b"\x02")
        self._send(2, Kind.CHUNK_SIZE, 0, _CHUNK.to_bytes(4))
        able: dict[str, Any] = {"fmsVer": "FMS/3,5,7,7009", "capabilities": 31}
        said: dict[str, Any] = {
            "level": "status", "code": "NetConnection.Connect.Success", "description": "hello", "objectEncoding": 0,
        }  # fmt: skip
        if "fourCcList" in wanted:
            said["fourCcList"] = ["avc1", "hvc1", "mp4a"]
        self._answer("_result", 1, able, said)

    def _answer(self, name: str, number: Any, *values: Any) -> None:
        self._send(3, Kind.COMMAND, 0, encoded(name, number if isinstance(number, float) else 1, *values))

    def _status(self, level: str, code: str, description: str) -> None:
        values = {"level": level, "code": code, "description": description}
        self._send(5, Kind.COMMAND, self._asked or 0, encoded("onStatus", 0, None, values))

    def _send(self, lane: int, kind: Kind, stream: int, payload: bytes) -> None:
        self._out.append(_chunked(lane, kind, stream, payload))
