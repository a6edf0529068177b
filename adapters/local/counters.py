"""Counts beside what they count, and how to count again. These statements read whole tables: that is their purpose."""

from attrs import frozen

from adapters.local.database import Transaction


@frozen(kw_only=True)
class Counter:
    """``count`` in ``table`` by ``key``. ``facts`` selects keys and true counts; other ``columns`` of the same table
    are counted in the same pass.
    """

    table: str
    key: str
    columns: tuple[str, ...] = ("count",)
    facts: str

    @property
    def wrong(self) -> str:
        """The key, what is counted and what is noted, column by column, wherever they differ; a missing row is 0."""
        counted = ", ".join(f"sum(fact_{each})" for each in self.columns)
        noted = ", ".join(f"sum(note_{each})" for each in self.columns)
        zeros = ", ".join("0" * len(self.columns))
        facts = ", ".join(f"fact_{each}" for each in self.columns)
        notes = ", ".join(f"note_{each}" for each in self.columns)
        differ = " OR ".join(f"sum(fact_{each}) <> sum(note_{each})" for each in self.columns)
        return (
            f"WITH facts (subject, {facts}) AS ({self.facts}),"
            f" both (subject, {facts}, {notes}) AS (SELECT subject, {facts}, {zeros} FROM facts"
            f" UNION ALL SELECT {self.key}, {zeros}, {', '.join(self.columns)} FROM {self.table})"
            f" SELECT subject, {counted}, {noted} FROM both GROUP BY subject HAVING {differ} ORDER BY subject"
        )

    def recount(self, transaction: Transaction) -> None:
        names = ", ".join(self.columns)
        transaction.run(f"DELETE FROM {self.table}")
        transaction.run(f"INSERT INTO {self.table} ({self.key}, {names}) {self.facts}")


COUNTERS = (
    Counter(
        table="listed_count", key="channel",
        facts="SELECT channel, count(*) FROM video WHERE listed_at IS NOT NULL GROUP BY channel",
    ),
    Counter(
        table="usage", key="user", columns=("bytes", "open"),
        facts="SELECT user, sum(bytes), sum(expires_at IS NOT NULL) FROM upload GROUP BY user"
        " HAVING sum(bytes) > 0 OR sum(expires_at IS NOT NULL) > 0",
    ),
    Counter(
        table="comment_count", key="video",
        facts="SELECT video, count(*) FROM comment WHERE status = 'visible' GROUP BY video",
    ),
    Counter(
        table="reply_count", key="comment",
        facts="SELECT parent, count(*) FROM comment WHERE status = 'visible' AND parent IS NOT NULL GROUP BY parent",
    ),
    Counter(
        table="tally", key="subject", columns=("likes", "dislikes"),
        facts="SELECT subject, sum(reaction = 'like'), sum(reaction = 'dislike') FROM reaction GROUP BY subject",
    ),
    Counter(
        table="subscriber_count", key="channel",
        facts="SELECT channel, count(*) FROM subscription GROUP BY channel",
    ),
)  # fmt: skip

_PLACED = (
    "parent IS NULL AND (status = 'visible' OR EXISTS"
    " (SELECT 1 FROM comment AS reply WHERE reply.parent = comment.id AND reply.status = 'visible'))"
)
MISPLACED = f"SELECT id FROM comment WHERE placed <> ({_PLACED}) ORDER BY id"
"""Comments that are noted as standing on their video, and do not, or the other way round."""
_PLACE = f"UPDATE comment SET placed = ({_PLACED}) WHERE placed <> ({_PLACED})"

_TAGS = (
    "SELECT each.value, video.listed_at, video.id, video.channel, video.n"
    " FROM video CROSS JOIN json_each(video.doc, '$.tags') AS each WHERE video.listed_at IS NOT NULL"
)
MISTAGGED = (
    f"SELECT id, value FROM (SELECT * FROM ({_TAGS}) EXCEPT SELECT tag, listed_at, id, channel, video FROM tag)"
    f" UNION SELECT id, tag FROM (SELECT tag, listed_at, id, channel, video FROM tag EXCEPT SELECT * FROM ({_TAGS}))"
    " ORDER BY 1, 2"
)
"""Tags of listable videos that are noted otherwise, or not at all."""


def recount(transaction: Transaction) -> None:
    """All of it anew, from the facts."""
    for counter in COUNTERS:
        counter.recount(transaction)
    transaction.run(_PLACE)
    transaction.run("DELETE FROM tag")
    transaction.run(f"INSERT INTO tag (tag, listed_at, id, channel, video) {_TAGS}")
