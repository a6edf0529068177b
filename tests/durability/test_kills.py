"""A server that is killed again and again under people who write without pause loses nothing that it acknowledged.

``HEXCAST_KILLS`` says how often, in the two tests together.
"""

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from attrs import define

from adapters.system import ticks
from application.sweeping import REST
from domain.processing import LEASE
from domain.watching import GRANT_LIFE
from tests.durability.books import Books, left, present
from tests.durability.clients import Writer
from tests.journey import clips
from tests.journey.server import ROOT, Server
from tests.journey.test_workers import children, ended

# Taken away: a server refuses settings that it does not know.
KILLS = int(os.environ.pop("HEXCAST_KILLS", "20"))
WRITERS = 8
SEED = int(os.environ.pop("HEXCAST_SEED", "20"))
SHORT_S, LONG_S = 0.3, 3.0
"""How long a server may run until the next kill; some get longer, so that transcodes come to their end now and then."""
PATIENCE_S = 120.0
"""How long what is under way may take in the end."""
CLAIMED = timedelta(seconds=61)
"""Beyond what the dead hold back: an event, a job, a request with its key."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "tiny.mp4"
    return clips.draw(path, *clips.picture("128x72", "10"), "-t", "1", "-pix_fmt", "yuv420p")


@define(eq=False)
class Siege:
    server: Server
    writers: Sequence[Writer]
    threads: Sequence[threading.Thread]
    stopping: threading.Event
    lock: threading.Lock
    rng: random.Random
    workers: int
    kills: Counter[str]

    def strike(self) -> None:
        """End something at a random moment, and see that all is there."""
        self.stopping.wait(self.rng.uniform(0, self.rng.choice([SHORT_S, LONG_S])))
        how = self.rng.choice(["all", "supervisor", "one"] if self.workers > 1 else ["all"])
        self.kills[how] += 1
        workers = children(self.server.pid) if self.workers > 1 else []
        if how == "one":
            self._end_one(workers)
            return
        self.server.kill()
        for pid in workers if how == "all" else ():
            os.kill(pid, signal.SIGKILL)
        assert ended(workers, 30)
        self._look_at_what_is_left()
        self.server.start()

    def _end_one(self, workers: Sequence[int]) -> None:
        os.kill(self.rng.choice(workers), signal.SIGKILL)
        self.advance(CLAIMED)
        self._require(self._found_now())

    def _look_at_what_is_left(self) -> None:
        with self.lock, left(self.server.data) as connection:
            books = Books(self.server.data, connection)
            self._require([*books.once(self.writers, exactly=True), *books.counted()])

    def _found_now(self) -> Sequence[str]:
        with self.lock, present(self.server.data) as connection:
            books = Books(self.server.data, connection)
            return [*books.once(self.writers, exactly=False), *books.counted()]

    def _require(self, wrong: Sequence[str]) -> None:
        failed = [writer.failure for writer in self.writers if writer.failure is not None]
        assert not wrong, f"seed {SEED}, after {dict(self.kills)}: {wrong}"
        assert not failed, f"seed {SEED}, after {dict(self.kills)}: {failed}"

    def advance(self, by: timedelta) -> None:
        """Of several processes some may be about to end: whichever answers."""
        while True:
            try:
                leap = {"seconds": by.total_seconds()}
                httpx.post(f"{self.server.url}/v1/dev/clock/advance", json=leap, timeout=30).raise_for_status()
            except httpx.TransportError:
                threading.Event().wait(0.05)
            else:
                return

    def rest(self) -> None:
        """Let everyone finish, and what goes on by itself too."""
        self.stopping.set()
        for thread in self.threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        self.advance(LEASE + CLAIMED)
        until, looks = ticks() + PATIENCE_S, 0
        while wrong := self._unsettled():
            assert ticks() < until, f"seed {SEED}: {wrong}"
            threading.Event().wait(0.1)
            looks += 1
            if looks % 10 == 0 and not any(each.startswith("job") for each in wrong):
                # What an earlier attempt left goes when nobody can play it any more. Not for ever: sign-ups expire.
                self.advance(CLAIMED if looks > 50 else GRANT_LIFE + CLAIMED)

    def _unsettled(self) -> Sequence[str]:
        with present(self.server.data) as connection:
            return list(Books(self.server.data, connection).settled())

    def tidy(self) -> None:
        """Let the sweep find what a kill left between a file and its record: it takes it the second time."""
        until, looks = ticks() + PATIENCE_S, 0
        while strays := self._strays():
            assert ticks() < until, f"seed {SEED}: {strays}"
            if looks % 20 == 0:
                self.advance(REST + CLAIMED)
            looks += 1
            threading.Event().wait(0.1)

    def _strays(self) -> Sequence[str]:
        with present(self.server.data) as connection:
            return list(Books(self.server.data, connection).strays())


def besiege(server: Server, film: Path, kills: int, workers: int) -> Siege:
    rng, stopping, lock = random.Random(f"{SEED}/{workers}"), threading.Event(), threading.Lock()
    server.start()
    writers = [
        Writer.opened(
            server, f"ann{number}", rng=random.Random(f"{SEED}/{workers}/{number}"), film=film, stopping=stopping,
            lock=lock,
        )
        for number in range(WRITERS)
    ]  # fmt: skip
    first = writers[0]
    video = first.person.show(first.channel, film)
    host = writers[0]
    for writer in writers:
        # Nobody follows their own channel.
        other = writers[1] if writer is host else host
        writer.stage = {"video": video, "channel": other.channel}
    threads = [threading.Thread(target=writer.run, daemon=True) for writer in writers]
    siege = Siege(server, writers, threads, stopping, lock, rng, workers, Counter())
    for thread in threads:
        thread.start()
    for _ in range(kills):
        siege.strike()
    siege.rest()
    siege.tidy()
    return siege


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_acknowledged_is_lost(
    workers: int, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(tmp_path / "data", {"HEXCAST_WORKERS": str(workers)})
    try:
        siege = besiege(server, film, KILLS // 2, workers)
    finally:
        if server._process is not None:
            server.stop()
        for client in server.clients:
            client.close()
    with left(server.data) as connection:
        books = Books(server.data, connection)
        wrong = [
            *books.once(siege.writers, exactly=True), *books.counted(), *books.settled(), *books.processed(),
            *books.strays(),
        ]  # fmt: skip
    siege._require(wrong)
    command = [sys.executable, "-m", "entrypoints.cli", "--data", str(server.data), "check", "--json"]
    checked = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    told, lost = Counter[str](), Counter[str]()
    for writer in siege.writers:
        told += writer.ledger.acknowledged
        lost += writer.ledger.lost
    with capsys.disabled():
        sys.stdout.write(
            f"\n{workers} processes, {siege.kills.total()} kills ({dict(siege.kills)}): {told.total()} writes were"
            f" acknowledged ({dict(told)}), of {lost.total()} the answer was lost ({dict(lost)})\n"
        )
