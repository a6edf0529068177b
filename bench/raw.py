"""``python -m bench.raw FILE threads|processes CLIENTS SECONDS``: SQLite alone, storing comments as the product does.

Each client has a connection of its own, opened as the product's writer is (write-ahead log, FULL). Again and again it
takes the turn, looks for the id, inserts the comment, counts it, inserts its event and commits. Ids and documents are
like the product's; but nothing is checked, decoded or encoded, no request comes in and none is answered.
How many comments it stored a second is printed.
"""

import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import apsw

from adapters.local.database import CACHE_KIB, CHECKPOINT_PAGES
from adapters.rows import kind_of, text_of
from adapters.system import Clock, Ulids
from bench.world import SAID
from domain.engagement import Comment, CommentPosted
from domain.ids import COMMENT, EVENT, ChannelId, CommentId, UserId, VideoId

BUSY_MS = 30_000
READY_S = 3.0
"""By then all clients are there."""

_LOOK = "SELECT n, doc FROM comment WHERE id = ?"
_INSERT = (
    "INSERT INTO comment (id, version, video, channel, author, parent, status, pinned, placed, doc)"
    " VALUES (?, 1, ?, ?, ?, NULL, 'visible', 0, 1, ?)"
)
_COUNT = "INSERT INTO comment_count (video, count) VALUES (?, 1) ON CONFLICT (video) DO UPDATE SET count = count + 1"
_TELL = "INSERT INTO event (id, kind, doc) VALUES (?, ?, ?)"

_COMMENT, _VIDEO = CommentId("cmt_" + "0" * 26), VideoId("vid_" + "0" * 26)
_CHANNEL, _USER = ChannelId("chn_" + "0" * 26), UserId("usr_" + "0" * 26)


def main(arguments: list[str]) -> int:
    path, kind, clients, seconds = arguments[0], arguments[1], int(arguments[2]), float(arguments[3])
    made = ThreadPoolExecutor(clients) if kind == "threads" else ProcessPoolExecutor(clients, get_context("fork"))
    with made as pool:
        begin = time.time() + READY_S
        stored = [pool.submit(client, path, begin, seconds, number) for number in range(clients)]
        rate = sum(each.result() for each in stored) / seconds
    assert rate, "they came too late"
    print(rate)
    return 0


def client(path: str, begin: float, seconds: float, number: int) -> int:
    """How many comments it stored from a time on, for so many seconds."""
    connection, new_id = _opened(path), Ulids(Clock().now)
    videos = connection.execute("SELECT id, channel FROM video ORDER BY n LIMIT 1000").fetchall()
    users = connection.execute("SELECT id FROM user ORDER BY n LIMIT 64").fetchall()
    now = Clock().now()
    comment = Comment(
        id=_COMMENT, video=_VIDEO, channel=_CHANNEL, author=_USER, text=SAID, approved=True, created_at=now, version=1
    )
    posted = CommentPosted(_COMMENT, _VIDEO, _CHANNEL, None, _USER, (), now)
    said, told = text_of(comment), text_of(posted)
    run, at, stored = connection.execute, number * 50, 0
    time.sleep(max(begin - time.time(), 0))
    while time.time() < begin + seconds:
        at += 1
        (video, channel), (user,) = videos[at % len(videos)], users[at % len(users)]
        id_ = new_id(COMMENT)
        ids = {_COMMENT: id_, _VIDEO: str(video), _CHANNEL: str(channel), _USER: str(user)}
        row, event = (id_, video, channel, user, _with(said, ids)), (new_id(EVENT), kind_of(posted), _with(told, ids))
        run("BEGIN IMMEDIATE").fetchall()
        run(_LOOK, (id_,)).fetchall()
        run(_INSERT, row).fetchall()
        run(_COUNT, (video,)).fetchall()
        run(_TELL, event).fetchall()
        run("COMMIT").fetchall()
        stored += 1
    connection.close()
    return stored


def _opened(path: str) -> apsw.Connection:
    connection = apsw.Connection(path)
    connection.set_busy_timeout(BUSY_MS)
    for pragma in ("synchronous = FULL", f"cache_size = -{CACHE_KIB}", "foreign_keys = ON", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.wal_autocheckpoint(CHECKPOINT_PAGES)
    return connection


def _with(text: str, ids: Mapping[str, str]) -> str:
    for stand_in, id_ in ids.items():
        text = text.replace(stand_in, id_)
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
