"""Several processes behind one address: what one stored all see, and whichever ends, the others go on."""

import contextlib
import os
import re
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapters.system import ticks
from tests.journey.server import Person, Server, sign_up

PATIENCE_S = 60.0
"""How long connections are tried until each process has been met: the kernel shares them out by chance."""


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "data", {"HEXCAST_WORKERS": "2"}).running() as server:
        yield server


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def ended(pids: list[int], seconds: float) -> bool:
    """Whether all of these processes end within a time."""
    with contextlib.ExitStack() as stack:
        for pid in pids:
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            stack.callback(os.close, handle)
            if not select.select([handle], [], [], seconds)[0]:
                return False
    return True


def met(server: Server) -> Iterator[tuple[httpx.Client, str]]:
    """A client of each process, with the number of the process."""
    known: dict[str, httpx.Client] = {}
    until = ticks() + PATIENCE_S
    while ticks() < until:
        client = httpx.Client(base_url=server.url, timeout=30)
        client.get("/healthz")
        found = re.search(r'worker="(\d+)"', client.get("/metrics").text)
        assert found is not None
        if found[1] in known:
            client.close()
        else:
            known[found[1]] = client
            server.clients.append(client)
            yield client, found[1]
        if len(known) == 2:
            return
    raise AssertionError(f"only {sorted(known)} answered")


def test_what_one_stored_all_see(servers: Server) -> None:
    """People, tokens, cursors and links are good everywhere, and everyone is told, wherever they are connected."""
    ada, bob = sign_up(servers, "ada"), sign_up(servers, "bob")
    clients = [client for client, _ in met(servers)]
    for client in clients:
        client.headers["Authorization"] = ada.http.headers["Authorization"]
    one, other = (Person(ada.id, ada.email, client) for client in clients)
    channels = [one.channel(f"films_{number}") for number in range(3)]
    assert other.get(f"/v1/channels/{channels[0]}")["handle"] == "films_0"
    for number in range(2):
        bob.answer(bob.http.put(f"/v1/me/subscriptions/{channels[number]}", json={"notify": "all"}))
    bobs = [Person(bob.id, bob.email, client) for client in clients]
    for each in bobs:
        each.http.headers["Authorization"] = bob.http.headers["Authorization"]
    page = bobs[0].get("/v1/me/subscriptions", limit="1")
    rest = bobs[1].get("/v1/me/subscriptions", limit="1", cursor=page["next_cursor"])
    assert {each["channel"]["handle"] for each in page["data"] + rest["data"]} == {"films_0", "films_1"}
    for client in clients:
        client.headers["Authorization"] = ada.http.headers["Authorization"]
    with one.told() as here, other.told() as there:
        bob.answer(bob.http.put(f"/v1/me/subscriptions/{channels[2]}", json={"notify": "all"}))
        wanted = {"type": "channel", "id": channels[2]}
        for notices in (here, there):
            assert next(notice for notice in notices if notice["subject"] == wanted)["type"] == "subscriber"


def test_one_that_ends_is_started_again(servers: Server) -> None:
    """Requests go on, and nothing that was stored is gone."""
    ada = sign_up(servers, "ada")
    channel = ada.channel("films")
    first, second = children(servers.pid)
    os.kill(first, signal.SIGKILL)
    assert ended([first], 10)
    for _ in range(20):
        with contextlib.suppress(httpx.TransportError), httpx.Client(base_url=servers.url, timeout=30) as client:
            assert client.get(f"/v1/channels/{channel}").json()["handle"] == "films"
    assert {number for _, number in met(servers)} == {"0", "1"}
    now = children(servers.pid)
    assert first not in now
    assert second in now
    assert servers.stop() == 0
    assert ended(now, 1)


def test_none_is_left_of_a_server_that_was_killed(servers: Server) -> None:
    """And the next one begins as soon as they are gone."""
    channel = sign_up(servers, "ada").channel("films")
    left = children(servers.pid)
    servers.kill()
    servers.start()
    assert ended(left, 1)
    with httpx.Client(base_url=servers.url) as client:
        assert client.get(f"/v1/channels/{channel}").json()["handle"] == "films"


def test_a_second_server_on_the_folder_does_not_start(servers: Server) -> None:
    other = Server(servers.data)
    with pytest.raises(AssertionError, match=r"(?s)waiting up to 20 s for it to stop.*another process serves"):
        other.start()


def test_the_profile_that_lives_in_a_process_has_one(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", {"HEXCAST_WORKERS": "2", "HEXCAST_PROFILE": "memory"})
    with pytest.raises(AssertionError, match="the profile memory lives in one process"):
        server.start()


@pytest.mark.parametrize("place", ["0/1", "0/2", "0/200", "0/-1"])
def test_nobody_else_is_taken_for_one_of_them(tmp_path: Path, place: str) -> None:
    server = Server(tmp_path / "data", {"HEXCAST_WORKER": place})
    with pytest.raises(AssertionError, match="HEXCAST_WORKER is for the processes that the server starts by itself"):
        server.start()
    assert not server.data.exists()
