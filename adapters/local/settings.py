"""What the file settles once and for all, such as keys: whoever asks first decides."""

from collections.abc import Callable

from adapters.local.database import Transaction, sql

PEPPER = "pepper"
"""Names what codes and refresh tokens are hashed with, in hexadecimal digits."""
GET = sql("SELECT value FROM setting WHERE name = ?")
_KEEP = sql("INSERT INTO setting (name, value) VALUES (?, ?)")


def settled(transaction: Transaction, name: str, make: Callable[[], str]) -> str:
    """What was settled, or now is. Processes that ask at once take turns, so all get the same."""
    row = transaction.row(GET, (name,))
    if row is None:
        row = (make(),)
        transaction.run(_KEEP, (name, *row))
    value: str = row[0]
    return value
