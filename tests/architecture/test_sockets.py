"""Tests reach this machine and no other."""

import socket

import pytest


def test_no_connection_leaves_this_machine() -> None:
    """It is refused before a packet is sent."""
    with socket.socket() as sock, pytest.raises(ConnectionRefusedError, match="this machine only"):
        sock.connect(("192.0.2.1", 80))


def test_loopback_is_open() -> None:
    """A server on this machine is reached."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()
