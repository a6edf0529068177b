"""``python -m bench [NAME ...] [--quick]``: measure, and say in one table what reaches what it has to."""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench.chat import chat
from bench.cloud import cloud
from bench.load import require_wrk
from bench.reads import processes, reads, scale, sqlite
from bench.rows import Row, say, table
from bench.start import start
from bench.streams import streams
from bench.transcode import transcode
from bench.uploads import uploads
from bench.web import web
from bench.writes import durable, fanout, writes

ALL: Mapping[str, Callable[..., Iterator[Row]]] = {
    "reads": reads,
    "writes": writes,
    "sqlite": sqlite,
    "durable": durable,
    "processes": processes,
    "scale": scale,
    "fanout": fanout,
    "chat": chat,
    "uploads": uploads,
    "transcode": transcode,
    "streams": streams,
    "web": web,
    "start": start,
    "cloud": cloud,
}
LOADED = frozenset({"reads", "writes", "sqlite", "durable", "processes", "scale"})


def main() -> int:
    """The exit status: 1 if a figure falls short."""
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    asked.add_argument("names", metavar="NAME", nargs="*", help=f"{', '.join(ALL)}; all of them if none is named")
    asked.add_argument("--quick", action="store_true", help="less of everything: a look, no measurement")
    given = asked.parse_args()
    names = given.names or list(ALL)
    if unknown := [name for name in names if name not in ALL]:
        asked.error(f"there is no {', '.join(unknown)}; there are {', '.join(ALL)}")
    if LOADED.intersection(names):
        require_wrk()
    begun, rows = time.perf_counter(), list[Row]()
    with tempfile.TemporaryDirectory(prefix="hexcast-bench-") as folder:
        for name in names:
            say(f"{name} …")
            for row in ALL[name](Path(folder) / name, quick=given.quick):
                rows.append(row)
                say("    " + "  ".join(cell for cell in row.cells() if cell))
            shutil.rmtree(Path(folder) / name, ignore_errors=True)  # some leave gigabytes
    print(table(rows))
    load = os.getloadavg()[2]
    say(
        f"{time.perf_counter() - begun:.0f} s on {os.cpu_count()} cores; load average of the last 15 minutes {load:.1f}"
    )
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
