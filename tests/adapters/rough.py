"""A DynamoDB that is hard to reach: answers are lost and others are in the way. What it stores is its own doing."""

from contextlib import suppress
from random import Random
from typing import Any

from attrs import define, evolve, field
from botocore.exceptions import ClientError

from adapters.aws.dynamo import Tables

_WRITES = {"put_item", "update_item", "delete_item", "transact_write_items", "batch_write_item"}


@define(eq=False)
class Rough:
    """A client whose writes are all carried out and sent again, as the SDK does when no answer came. Before that, some
    transactions are cancelled since they met others at some of their items.
    """

    client: Any
    meets: float = 0.3
    """How often."""
    met: int = 0
    _chance: Random = field(factory=lambda: Random(1))

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.client, name)

        async def twice(**given: Any) -> Any:
            if name == "transact_write_items" and self._chance.random() < self.meets:
                self.met += 1
                raise self._cancelled(len(given["TransactItems"]))
            with suppress(ClientError):
                await call(**given)
            return await call(**given)

        return twice if name in _WRITES else call

    def _cancelled(self, steps: int) -> ClientError:
        codes = [self._chance.choice(["TransactionConflict", "None"]) for _ in range(steps - 1)]
        self._chance.shuffle(codes := [*codes, "TransactionConflict"])
        error: Any = {
            "Error": {"Code": "TransactionCanceledException", "Message": "others were there"},
            "CancellationReasons": [{"Code": code} for code in codes],
        }
        return ClientError(error, "TransactWriteItems")


def rough(tables: Tables) -> Tables:
    """The same tables, reached with difficulty but without waiting."""

    async def at_once(_: float) -> None:
        return

    return evolve(tables, client=Rough(tables.client), pause=at_once)
