"""What the edge keeps in memory, bounded: who asked how much, and answers that are still true."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from attrs import frozen

WINDOW_S = 60
CLIENTS_MOST = 100_000
KEPT_BYTES = 64 * 1024 * 1024
KEPT_EACH = 1024 * 1024
_OVERHEAD = 1024


@frozen
class Allowance:
    """What a client has left in this window. ``granted``: this request may go on."""

    granted: bool
    most: int
    left: int
    reset_s: int


class RateLimit:
    """So many tokens a client and minute, counted in fixed windows of the clock."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._window = 0
        self._spent: dict[str, int] = {}

    def take(self, client: str, cost: int, at: float) -> Allowance:
        """Spend ``cost`` if that much is left. With more than ``CLIENTS_MOST`` clients, the first are forgotten."""
        window, into = divmod(int(at), WINDOW_S)
        if window != self._window:
            self._window = window
            self._spent.clear()
        spent = self._spent.get(client, 0)
        granted = spent + cost <= self.most
        if granted:
            if not spent and len(self._spent) >= CLIENTS_MOST:
                del self._spent[next(iter(self._spent))]
            spent = self._spent[client] = spent + cost
        return Allowance(granted, self.most, self.most - spent, WINDOW_S - into)


@frozen
class Kept:
    """An answer as it went out: headers and body, and the route it came from."""

    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    etag: bytes | None
    route: str


class AnswerCache:
    """Answers that hold as long as nothing is written anywhere; those asked for longest ago go first.

    ``changes`` counts writes. An answer is kept under the count from before it was made, so one that a write
    overtook is never given.
    """

    def __init__(self, changes: Callable[[], int], most: int = KEPT_BYTES) -> None:
        self._changes = changes
        self._most = most
        self._kept: OrderedDict[tuple[str, bytes], Kept] = OrderedDict()
        self._bytes = 0
        self._count = changes()

    def count(self) -> int:
        """The count of writes now, to hand to ``put``."""
        return self._changes()

    def get(self, path: str, query: bytes) -> Kept | None:
        if self._changes() != self._count:
            self._forget()
            return None
        key = (path, query)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, path: str, query: bytes, answer: Kept, count: int) -> None:
        """Keep an answer that was begun when the count of writes was ``count``."""
        if self._changes() != self._count:
            self._forget()
        if count != self._count or len(answer.body) > KEPT_EACH:
            return
        key = (path, query)
        before = self._kept.pop(key, None)
        if before is not None:
            self._bytes -= _size(key, before)
        self._kept[key] = answer
        self._bytes += _size(key, answer)
        while self._bytes > self._most:
            self._bytes -= _size(*self._kept.popitem(last=False))

    def _forget(self) -> None:
        self._kept.clear()
        self._bytes = 0
        self._count = self._changes()


def _size(key: tuple[str, bytes], answer: Kept) -> int:
    return len(key[0]) + len(key[1]) + len(answer.body) + _OVERHEAD
