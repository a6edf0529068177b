"""What lies in the table ``social``: items as this version writes them are items that every later one reads.

The documents in them are those of ``test_rows``.
"""

from datetime import UTC, datetime
from typing import Any

from attrs import evolve, frozen

from adapters.aws.comments import DynamoComments
from adapters.aws.dynamo import Tables
from adapters.aws.engagement import DynamoReactions, DynamoSubscriptions
from adapters.aws.outbox import DynamoOutbox
from adapters.aws.watching import DynamoHistory, DynamoSessions, DynamoViewings
from adapters.rows import text_of, value_of
from application.ports import ReactionTally
from domain.engagement import Comment, CommentStatus, Notify, Reaction, Subscription
from domain.ids import ChannelId, CommentId, UserId, VideoId
from domain.watching import PlaybackSession, Viewing, Watched
from tests.adapters.laid import Rows, laid
from tests.adapters.test_rows import GOLDEN

AT = datetime(2026, 11, 25, 12, 30, 0, 250_000, UTC)
NOW = "2026-11-25T12:30:00.250000Z"
BOB, FILM, ENGINES = UserId("usr_2"), VideoId("vid_1"), ChannelId("chn_1")


def golden(kind: type[Any]) -> Any:
    """The value of a golden row, not stored yet."""
    return evolve(value_of(GOLDEN[kind], kind), version=0)


REPLY: Comment = golden(Comment)
HELD: Comment = evolve(REPLY, id=CommentId("cmt_0"), parent=None, status=CommentStatus.HELD, approved=False)
PINNED: Comment = evolve(REPLY, id=CommentId("cmt_2"), parent=None, pinned=True)
SITTING: PlaybackSession = golden(PlaybackSession)
LINE = Watched(user=BOB, video=FILM, position_s=12.0, at=AT)
DAY = AT.date()
VIEWED = [Viewing(subject, DAY, 1, 11_500) for subject in (FILM, ENGINES)]
FOLLOWS = Subscription(BOB, ENGINES, Notify.ALL, AT)


def doc(value: Any) -> dict[str, Any]:
    return {"v": {"N": "1"}, "doc": {"S": text_of(evolve(value, version=1))}}


def index(number: int, partition: str, sort: str) -> dict[str, Any]:
    return {f"g{number}pk": {"S": partition}, f"g{number}sk": {"S": sort}}


ROWS: Rows = {
    ("social", "COMMENT#cmt_0", "COMMENT"): {
        **doc(HELD), "status": {"S": "held"}, "replies": {"N": "1"},
        **index(1, "VIDEO#vid_1", "cmt_0"), **index(2, "CHANNEL#chn_1", "cmt_0"),
    },
    ("social", "COMMENT#cmt_1", "COMMENT"): {
        **doc(REPLY), "status": {"S": "visible"},
        **index(1, "REPLIES#cmt_0", "cmt_1"), **index(2, "CHANNEL#chn_1", "cmt_1"),
    },
    ("social", "COMMENT#cmt_2", "COMMENT"): {
        **doc(PINNED), "status": {"S": "visible"},
        **index(1, "VIDEO#vid_1", "cmt_2"), **index(2, "CHANNEL#chn_1", "cmt_2"),
    },
    ("social", "VIDEO#vid_1", "cmt_0"): {},
    ("social", "VIDEO#vid_1", "cmt_1"): {},
    ("social", "VIDEO#vid_1", "cmt_2"): {},
    ("social", "HELD#vid_1#usr_2#-", "cmt_0"): index(1, "HELD#chn_1", "cmt_0"),
    ("social", "PIN#vid_1", "PIN"): {"comment": {"S": "cmt_2"}},
    ("social", "KNOWN#chn_1#usr_2", "COUNT"): {"visible": {"N": "2"}},
    ("social", "COMMENTS#vid_1#0", "COUNT"): {"comments": {"N": "2"}},
    ("social", "REACTION#vid_1#5", "usr_2"): {"reaction": {"S": "like"}},
    ("social", "TALLY#vid_1#0", "COUNT"): {"like": {"N": "1"}},
    ("social", "SUBSCRIPTION#usr_2", "chn_1"): {
        "since": {"S": NOW}, "notify": {"S": "all"},
        **index(1, "SUBSCRIBERS#chn_1#0", f"{NOW}#usr_2"), **index(2, "SUBSCRIPTIONS#usr_2", f"{NOW}#chn_1"),
    },
    ("social", "SUBSCRIBERS#chn_1#0", "COUNT"): {"subscribers": {"N": "1"}},
    ("social", "SESSION#ses_1", "SESSION"): {**doc(SITTING), "counted": {"S": "yes"}, "expires": {"N": "1795656600"}},
    ("social", "VIEWS#vid_1#0", "COUNT"): {"views": {"N": "1"}},
    ("social", "VIEWING#vid_1#11", "2026-11-25"): {"views": {"N": "1"}, "watched_ms": {"N": "11500"}},
    ("social", "VIEWING#chn_1#11", "2026-11-25"): {"views": {"N": "1"}, "watched_ms": {"N": "11500"}},
    ("social", "HISTORY#usr_2", "vid_1"): {
        "doc": {"S": f'{{"at":"{NOW}","position_s":12.0,"user":"usr_2","video":"vid_1"}}'},
        **index(1, "HISTORY#usr_2", f"{NOW}#vid_1"),
    },
}  # fmt: skip
"""Never changed: if a later version does not find or read what lies there, people's records are lost."""


@frozen
class Social:
    """All repositories of the table."""

    comments: DynamoComments
    reactions: DynamoReactions
    subscriptions: DynamoSubscriptions
    sessions: DynamoSessions
    history: DynamoHistory
    viewings: DynamoViewings


def social(tables: Tables) -> Social:
    outbox = DynamoOutbox(tables, lambda prefix: f"{prefix}_1", lambda: AT)
    return Social(
        DynamoComments(tables, outbox), DynamoReactions(tables, outbox), DynamoSubscriptions(tables, outbox),
        DynamoSessions(tables, lambda: AT), DynamoHistory(tables), DynamoViewings(tables),
    )  # fmt: skip


async def test_what_is_saved_is_what_lies_there() -> None:
    """Item by item, attribute by attribute."""
    client, tables = laid({})
    port = social(tables)
    for comment in (HELD, REPLY, PINNED):
        await port.comments.save(comment)
    await port.reactions.put(FILM, BOB, Reaction.LIKE)
    await port.subscriptions.put(FOLLOWS)
    await port.sessions.save(SITTING, LINE, VIEWED)
    assert client.rows == ROWS


async def test_what_lies_there_is_read() -> None:
    """By its id, in every list, and counted."""
    port = social(laid(ROWS)[1])
    comments, held, reply, pinned = (
        port.comments, *(evolve(comment, version=1) for comment in (HELD, REPLY, PINNED))
    )  # fmt: skip
    for each in (held, reply, pinned):
        assert await comments.get(each.id) == each
    assert (await comments.on_video(FILM)).items == [pinned, held]
    assert (await comments.replies(held.id)).items == [reply]
    assert (await comments.held(ENGINES)).items == await comments.held_by(FILM, BOB) == [held]
    assert (await comments.of_channel(ENGINES)).items == [pinned, reply, held]
    assert await comments.all_on(FILM) == ["cmt_2", "cmt_1", "cmt_0"]
    assert await comments.counts([FILM]) == {FILM: 2}
    assert await comments.reply_counts([held.id]) == {held.id: 1}
    assert await comments.known(ENGINES, BOB)
    assert await port.reactions.of(BOB, [FILM]) == {FILM: Reaction.LIKE}
    assert await port.reactions.tallies([FILM]) == {FILM: ReactionTally(1, 0)}
    assert await port.subscriptions.get(BOB, ENGINES) == FOLLOWS
    assert (await port.subscriptions.of_user(BOB)).items == [FOLLOWS]
    assert (await port.subscriptions.to_channel(ENGINES)).items == [FOLLOWS]
    assert await port.subscriptions.count(ENGINES) == 1
    assert await port.sessions.get(SITTING.id) == evolve(SITTING, version=1)
    assert await port.sessions.views([FILM]) == {FILM: 1}
    assert [each for subject in (FILM, ENGINES) for each in await port.viewings.of(subject, DAY, DAY)] == VIEWED
    assert await port.history.of(BOB, [FILM]) == {FILM: LINE}
    assert (await port.history.list(BOB)).items == [LINE]
