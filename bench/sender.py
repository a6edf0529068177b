"""``python -m bench.sender``: a client as fast as one can be, in a process of its own. Sends parts straight from
memory (sendfile), on a few connections; reads what to send as JSON, and prints the seconds it took.
"""

import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.parse import urlsplit

from attrs import frozen


@frozen
class Sending:
    """A part: so many bytes to a URL."""

    url: str
    size: int


def send(parts: Sequence[Sending], connections: int) -> float:
    content = os.memfd_create("content")
    largest = max(part.size for part in parts)
    os.truncate(content, largest)
    for at in range(0, largest, 1 << 20):
        os.pwrite(content, os.urandom(min(1 << 20, largest - at)), at)
    waiting: SimpleQueue[Sending] = SimpleQueue()
    for part in parts:
        waiting.put(part)
    refused: list[str] = []
    threads = [Thread(target=_work, args=(waiting, content, refused)) for _ in range(connections)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - begun
    if refused or not waiting.empty():
        raise SystemExit(f"not all parts were taken: {refused[:3]}")
    return took


def _work(waiting: "SimpleQueue[Sending]", content: int, refused: list[str]) -> None:
    connection: socket.socket | None = None
    try:
        while True:
            part = waiting.get_nowait()
            url = urlsplit(part.url)
            if connection is None:
                connection = socket.create_connection((url.hostname or "", url.port or 80), timeout=120)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head = f"PUT {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\ncontent-length: {part.size}\r\n\r\n"
            connection.sendall(head.encode())
            with open(content, "rb", closefd=False) as file:
                connection.sendfile(file, 0, part.size)
            answer = _answer(connection)
            if not answer.startswith(b"HTTP/1.1 200"):
                refused.append(answer.decode("latin-1"))
                return
    except Empty:
        return
    except OSError as error:
        refused.append(repr(error))
    finally:
        if connection is not None:
            connection.close()


def _answer(connection: socket.socket) -> bytes:
    """Head and body of an answer; those to parts have an empty one, or say what is wrong in a few words."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(65536)
        if not piece:
            raise OSError("the server went away")
        got += piece
    return got


def main() -> None:
    told = json.load(sys.stdin)
    print(send([Sending(*each) for each in told["parts"]], told["connections"]))


if __name__ == "__main__":
    main()
