"""RTMP, piece by piece: whatever is sent, and however it is cut up."""

import os
import struct
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.local.rtmp import (
    EARLY_MOST,
    HANDSHAKE,
    HELD_MOST,
    LANES_MOST,
    MESSAGE_MOST,
    Broken,
    Connection,
    Described,
    Finished,
    Heard,
    Kind,
    Media,
    Publish,
    decoded,
    encoded,
)  # fmt: skip

GREETING = b"\x03" + bytes(2 * HANDSHAKE)
CONNECT = encoded("connect", 1.0, {"app": "live", "tcUrl": "rtmp://127.0.0.1/live"})
PUBLISH = encoded("publish", 3.0, None, "live_key?with=more", "live")


def chunk(kind: Kind, payload: bytes, at_ms: int = 0, *, lane: int = 3, form: int = 0, size: int = 128) -> bytes:
    """A message in chunks of ``size``, the first of them with the header of that form."""
    given_ms = min(at_ms, 0xFFFFFF)
    extended = struct.pack(">I", at_ms) if given_ms == 0xFFFFFF and form < 3 else b""
    head = given_ms.to_bytes(3) + len(payload).to_bytes(3) + bytes([kind]) + struct.pack("<I", 1)
    pieces = [payload[start : start + size] for start in range(0, len(payload), size)] or [b""]
    first = bytes([form << 6 | lane]) + head[: (11, 7, 3, 0)[form]] + extended + pieces[0]
    return first + b"".join(bytes([0xC0 | lane]) + extended + piece for piece in pieces[1:])


def opened(*, publishing: bool = True) -> Connection:
    connection = Connection(bytes(HANDSHAKE - 8))
    assert list(connection.take(GREETING + chunk(Kind.COMMAND, CONNECT))) == []
    if publishing:
        for heard in connection.take(chunk(Kind.COMMAND, PUBLISH)):
            assert heard == Publish("live_key")
            connection.accept()
    return connection


def taken(*pieces: bytes, publishing: bool = True) -> Sequence[Heard]:
    connection = opened(publishing=publishing)
    return [heard for piece in pieces for heard in connection.take(piece)]


def test_the_greeting_gives_back_what_was_sent() -> None:
    connection = Connection(b"n" * (HANDSHAKE - 8))
    sent = os.urandom(HANDSHAKE)
    assert list(connection.take(b"\x03" + sent)) == []
    assert connection.replies() == b"\x03" + bytes(8) + b"n" * (HANDSHAKE - 8) + sent
    assert list(connection.take(bytes(HANDSHAKE) + chunk(Kind.COMMAND, CONNECT))) == []
    assert b"NetConnection.Connect.Success" in connection.replies()


def test_the_key_is_not_shown() -> None:
    assert "live_key" not in repr(Publish("live_key"))


@given(st.lists(st.integers(1, 400), max_size=20))
def test_it_does_not_matter_where_what_is_sent_is_cut(cuts: list[int]) -> None:
    whole = (
        chunk(Kind.VIDEO, b"v" * 1000, 5, lane=6) + chunk(Kind.AUDIO, b"a" * 300, 7, lane=70 & 63)
        + chunk(Kind.VIDEO, b"", 9, lane=6) + chunk(Kind.DATA, encoded("@setDataFrame", "onMetaData", {"width": 2.0}))
        + chunk(Kind.COMMAND, encoded("deleteStream", 4.0, None, 1.0))
    )  # fmt: skip
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(whole[at : at + cut])
        at += cut
    assert taken(*pieces, whole[at:]) == [
        Media(Kind.VIDEO, 5, b"v" * 1000), Media(Kind.AUDIO, 7, b"a" * 300), Media(Kind.VIDEO, 9, b""),
        Described({"width": 2.0}), Finished(),
    ]  # fmt: skip


def test_messages_are_sent_in_turns() -> None:
    video, audio = chunk(Kind.VIDEO, b"v" * 256, lane=6), chunk(Kind.AUDIO, b"a" * 256, lane=4)
    turns = [video[:140], audio[:140], video[140:], audio[140:]]
    assert taken(*turns) == [Media(Kind.VIDEO, 0, b"v" * 256), Media(Kind.AUDIO, 0, b"a" * 256)]


def test_times_are_counted_on() -> None:
    """A message without a time of its own is as far from the one before as that was; beyond 4.6 hours times are longer."""
    sent = [
        chunk(Kind.AUDIO, b"x", 0xFFFFF0, form=0), chunk(Kind.AUDIO, b"x", 20, form=1), chunk(Kind.AUDIO, b"x", 23, form=2),
        chunk(Kind.AUDIO, b"x", form=3), chunk(Kind.AUDIO, b"x" * 300, 20_000_000, form=0), chunk(Kind.AUDIO, b"y", 5, form=1),
        chunk(Kind.AUDIO, b"z", 0xFFFFFFFF, form=0), chunk(Kind.AUDIO, b"z", 2, form=2),
    ]  # fmt: skip
    times = [heard.at_ms for heard in taken(*sent) if isinstance(heard, Media)]
    begun = 0xFFFFF0
    assert times == [begun, begun + 20, begun + 43, begun + 66, 20_000_000, 20_000_005, 0xFFFFFFFF, 1]


def test_chunks_are_as_large_as_the_encoder_says() -> None:
    size = chunk(Kind.CHUNK_SIZE, (1000).to_bytes(4), lane=2)
    assert taken(size, chunk(Kind.AUDIO, b"a" * 2500, size=1000)) == [Media(Kind.AUDIO, 0, b"a" * 2500)]


def test_a_message_that_is_given_up_counts_for_nothing() -> None:
    given_up = chunk(Kind.ABORT, (6).to_bytes(4), lane=2)
    sent = [chunk(Kind.VIDEO, b"v" * 300, lane=6)[:140], given_up, chunk(Kind.VIDEO, b"w", lane=6)]
    assert taken(*sent) == [Media(Kind.VIDEO, 0, b"w")]


def test_lanes_may_have_large_numbers() -> None:
    body = chunk(Kind.AUDIO, b"a")[1:]
    assert taken(b"\x00\x05" + body, b"\x01\x05\x02" + body) == 2 * [Media(Kind.AUDIO, 0, b"a")]


def test_what_came_is_acknowledged() -> None:
    connection = opened()
    connection.replies()
    assert list(connection.take(chunk(Kind.WINDOW, (20_000).to_bytes(4), lane=2))) == []
    for _ in range(20):
        list(connection.take(chunk(Kind.AUDIO, b"a" * 2000)))
    assert connection.replies().count(b"\x00\x00\x04" + bytes([Kind.ACKNOWLEDGED])) == 2


def test_a_ping_is_answered() -> None:
    connection = opened()
    connection.replies()
    list(connection.take(chunk(Kind.CONTROL, b"\x00\x06\x01\x02\x03\x04", lane=2)))
    assert connection.replies().endswith(b"\x00\x07\x01\x02\x03\x04")


def test_newer_codecs_are_named_to_whoever_knows_of_them() -> None:
    connection = Connection(bytes(HANDSHAKE - 8))
    wanted = encoded("connect", 1.0, {"app": "live", "fourCcList": ["av01", "hvc1"]})
    list(connection.take(GREETING + chunk(Kind.COMMAND, wanted)))
    assert b"hvc1" in connection.replies()


@pytest.mark.parametrize(
    "sent",
    [
        chunk(Kind.AUDIO, b"a"), chunk(Kind.VIDEO, b"v"), chunk(Kind.COMMAND, encoded("play", 2.0, None, "x")),
        chunk(Kind.COMMAND, encoded("publish", 2.0, None)), chunk(Kind.COMMAND, encoded("publish", 2.0, None, 7)),
        chunk(Kind.CHUNK_SIZE, bytes(4), lane=2), chunk(Kind.COMMAND, bytes([2, 255, 255])),
        chunk(Kind.COMMAND, b"\x03\x00\x01a" * 100), chunk(Kind.COMMAND, b"\x0a\xff\xff\xff\xff"),
        chunk(Kind.COMMAND, b"\x63"), chunk(Kind.COMMAND, bytes(20_000)), bytes([3 << 6 | 9]) + bytes(20),
        chunk(Kind.COMMAND, bytes(300))[:140] + chunk(Kind.COMMAND, b""),
    ],
)  # fmt: skip
def test_what_cannot_be_ends_it(sent: bytes) -> None:
    """Media before leave to send them, too."""
    with pytest.raises(Broken):
        taken(sent, publishing=False)


def test_one_connection_sends_one_stream() -> None:
    with pytest.raises(Broken):
        taken(chunk(Kind.COMMAND, PUBLISH))


def test_it_begins_with_connecting_to_the_right_place() -> None:
    for payload in (PUBLISH, encoded("connect", 1.0, {"app": "vod"}), encoded("connect", 1.0)):
        connection = Connection(bytes(HANDSHAKE - 8))
        with pytest.raises(Broken):
            list(connection.take(GREETING + chunk(Kind.COMMAND, payload)))


def test_no_more_is_held_than_fits() -> None:
    """However many messages are begun and not ended."""
    begun = chunk(Kind.CHUNK_SIZE, (1 << 20).to_bytes(4), lane=2)
    head = bytes(3) + MESSAGE_MOST.to_bytes(3) + bytes([Kind.VIDEO]) + struct.pack("<I", 1)
    connection = opened()
    list(connection.take(begun))
    for lane in range(3, 3 + HELD_MOST // (1 << 20)):
        assert list(connection.take(bytes([lane]) + head + bytes(1 << 20))) == []
    with pytest.raises(Broken):
        list(connection.take(bytes([60]) + head))
    with pytest.raises(Broken):
        taken(chunk(Kind.VIDEO, bytes(MESSAGE_MOST + 1), size=1 << 24))
    with pytest.raises(Broken):
        taken(*(b"\x00" + bytes([lane]) + chunk(Kind.AUDIO, b"a")[1:] for lane in range(LANES_MOST + 1)))


def test_no_more_is_held_of_who_may_not_publish_than_a_message_and_a_half() -> None:
    connection, size = opened(publishing=False), 128
    begun = [
        chunk(Kind.COMMAND, bytes(EARLY_MOST), lane=lane)[: -size - 1]  # all but the last piece
        for lane in range(4, LANES_MOST)
    ]
    with pytest.raises(Broken):
        list(connection.take(b"".join(begun)))
    assert connection._chunks._held <= 1.5 * EARLY_MOST


_TEXT = st.text(max_size=20)
_VALUES = st.recursive(
    st.none() | _TEXT | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT.filter(bool), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.lists(_VALUES, max_size=3))
def test_values_are_read_as_they_were_written(values: list[object]) -> None:
    assert decoded(encoded(*values)) == values


def test_values_of_other_kinds_are_read() -> None:
    assert decoded(b"\x01\x01\x06\x0c\x00\x00\x00\x01a\x0b" + struct.pack(">d", 5) + b"\x00\x00") == [
        True,
        None,
        "a",
        5.0,
    ]
    assert decoded(b"\x08\xff\xff\xff\xff\x00\x01a\x05\x00\x00\x09") == [{"a": None}]


@given(st.binary(max_size=4000))
@example(b"\x00" * 20)
def test_whatever_is_sent_it_is_understood_or_broken(nonsense: bytes) -> None:
    for publishing in (False, True):
        connection = opened(publishing=publishing)
        try:
            for heard in connection.take(nonsense):
                if isinstance(heard, Publish):
                    connection.refuse("no")
        except Broken:
            continue
        assert len(connection._chunks._buffer) <= len(nonsense)
