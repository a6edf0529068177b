"""A crowded chat: what one says, everyone in the room is shown.

The same clients stand before the product and before a bare server that sends on whatever it gets. They are sockets in
one process that reads what comes and counts it, with as little work as can be, since they share the processor with the
server they measure.
"""

import contextlib
import os
import resource
import selectors
import socket
import statistics
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import define

from bench.load import cpu_ms
from bench.rows import Row, least, say
from bench.servers import Server, bare, real

CROWD = 1000
TEXT = "What a goal! Did everyone see how she turned around there?"


@define
class Seats:
    """Connections to one room. What is sent over any of them comes to all, in frames of one length."""

    sockets: list[socket.socket]
    look: selectors.BaseSelector
    text_bytes: int = 0

    def learn(self, frame: bytes) -> int:
        """How long the text is that everyone is shown when this is said."""
        self.sockets[0].sendall(_masked(frame))
        self.text_bytes = self._read(0, quiet_s=1.0) // len(self.sockets) - 4
        return self.text_bytes

    def shown(self, frames: Sequence[bytes]) -> float:
        """Seconds until everyone has been shown all of these, each said over another connection."""
        wanted = (4 + self.text_bytes) * len(self.sockets) * len(frames)
        begun = time.perf_counter()
        for speaker, frame in zip(self.sockets, frames, strict=False):
            speaker.sendall(_masked(frame))
        read = self._read(wanted, quiet_s=10.0)
        took = time.perf_counter() - begun
        assert read == wanted, f"{read} bytes came, of {wanted}"
        return took

    def _read(self, wanted: int, *, quiet_s: float) -> int:
        """How many bytes came: ``wanted``, or (0) all until nothing more comes."""
        buffer, read = bytearray(1 << 18), 0
        while not wanted or read < wanted:
            ready = self.look.select(quiet_s)
            if not ready:
                break
            for key, _ in ready:
                read += key.fileobj.recv_into(buffer)  # type: ignore[union-attr]  # they are sockets
        return read


@contextlib.contextmanager
def _seated(server: Server, path: str, tokens: Sequence[str | None]) -> Iterator[Seats]:
    with contextlib.ExitStack() as stack, selectors.EpollSelector() as look:
        sockets: list[socket.socket] = []
        for token in tokens:
            seat = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 30))
            seat.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            key = b64encode(os.urandom(16)).decode()
            protocol = f"Sec-WebSocket-Protocol: {token}\r\n" if token else ""
            seat.sendall(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{protocol}\r\n".encode()
            )
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += seat.recv(4096)
            assert answer.startswith(b"HTTP/1.1 101"), answer
            look.register(seat, selectors.EVENT_READ)
            sockets.append(seat)
        yield Seats(sockets, look)


def _masked(text: bytes) -> bytes:
    """A client's frame, of 126 bytes to 64 KiB; masked with zeros, which change nothing."""
    assert 126 <= len(text) < 1 << 16
    return b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text


def _said(number: int) -> bytes:
    request = f"{number:06}".ljust(26, "x")
    return (f'{{"Action":"SEND_MESSAGE","RequestId":"{request}","Content":"{TEXT}"' + "}").encode()


def chat(folder: Path, *, quick: bool) -> Iterator[Row]:
    """In turn, as other work on the machine comes and goes."""
    rounds, messages = (3, 20) if quick else (7, 100)
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    took: list[tuple[float, float]] = []
    spent: list[tuple[float, float]] = []
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(real(folder / "real"))
        room = stack.enter_context(_seated(server, "/v1/chat", _tokens(server)))
        plain = stack.enter_context(bare(folder / "bare", "broadcasting", {}))
        everyone = stack.enter_context(_seated(plain, "/", [None] * CROWD))
        assert everyone.learn(b"x" * room.learn(_said(0))) == room.text_bytes
        for number in range(rounds):
            said = [_said(each) for each in range(messages)]
            room.sockets = room.sockets[messages:] + room.sockets[:messages]  # nobody may say much at a time
            before = cpu_ms([server.pid]), cpu_ms([plain.pid])
            took.append((room.shown(said), everyone.shown([b"x" * room.text_bytes] * messages)))
            spent.append((cpu_ms([server.pid]) - before[0], cpu_ms([plain.pid]) - before[1]))
            say(f"  round {number + 1} of {rounds}: {took[-1][0]:.2f} s, {took[-1][1]:.2f} s")
    what = f"chat of {CROWD:,} connections: messages shown a second"
    shown = CROWD * messages
    ours, theirs = (shown / statistics.median(each) for each in zip(*took, strict=True))
    ratio = statistics.median(bare_s / real_s for real_s, bare_s in took)
    yield Row(what, f"{ours:,.0f}", f"a bare broadcast: {theirs:,.0f}", ratio, least(0.6))
    ours, theirs = (1000 * statistics.median(each) / shown for each in zip(*spent, strict=True))
    yield Row("  the server's processor for each", f"{ours:.1f} µs", f"{theirs:.1f} µs")


def _tokens(server: Server) -> Sequence[str]:
    """One for each connection to the chat of a new stream, all of its owner's."""
    owner = server.seeded["tokens"][0]
    with server.client() as client:
        channel = client.ask("POST", "/v1/channels", owner, {"handle": "live", "name": "Live"})["id"]
        stream = client.ask("POST", "/v1/streams", owner, {"channel_id": channel, "title": "Live"})["id"]
        return [client.ask("POST", f"/v1/streams/{stream}/chat-tokens", owner)["token"] for _ in range(CROWD)]
