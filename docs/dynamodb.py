"""``docs/dynamodb.md``, made from what the adapters declare: ``python -m docs.dynamodb``."""

import importlib
import pkgutil
from collections.abc import Iterator
from math import ceil
from pathlib import Path

import adapters.aws
from adapters.aws.tables import DECLARED, TABLES, Operation, Pattern, Table

PAGE = Path(__file__).parent / "dynamodb.md"
READ_UNIT, WRITE_UNIT = 4096, 1024
"""Bytes that one unit reads (strongly) or writes."""

_HEAD = """# DynamoDB: every way in which the tables are asked

Made by `python -m docs.dynamodb` from `adapters/aws/tables.py` and the patterns that the repositories declare; a test
compares. Tests refuse every request that is not in this list, and there is no Scan.

Costs are in request units (RCU: a strongly consistent read of 4 KB, half for an eventual one; WCU: a write of 1 KB,
doubled in a transaction, one more for each index that the item is in) of one call with as many items of such a size as
the columns say. Sizes are typical ones, not limits.
"""


def page() -> str:
    """The whole page."""
    for module in pkgutil.iter_modules(adapters.aws.__path__, "adapters.aws."):
        importlib.import_module(module.name)
    return "\n".join([_HEAD, *(line for table in TABLES for line in _table(table))])


def cost(asked: Pattern) -> tuple[float, float]:
    """Read and write units of one call."""
    each = 1 if asked.strong else 0.5
    match asked.operation:
        case Operation.GET | Operation.MANY:
            return asked.items * ceil(asked.item_bytes / READ_UNIT) * each, 0
        case Operation.QUERY:
            return ceil(asked.items * asked.item_bytes / READ_UNIT) * each, 0
        case Operation.WRITE | Operation.BATCH:
            units = ceil(asked.item_bytes / WRITE_UNIT)
            own = units * (2 if asked.transaction else 1)
            return 0, asked.items * (own + units * len(asked.indices))
        case Operation.EXPORT:
            return 0, 0


def _table(table: Table) -> Iterator[str]:
    keys = ", ".join(f"`{index.index_name}` (`{index.pk}`, `{index.sk}`)" for index in table.indices) or "none"
    yield f"\n## `{table.name}`\n"
    yield f"{table.holds}.\n"
    yield f"Key `pk`, `sk`. Indices, all attributes in each: {keys}."
    yield f"Stream: {'yes' if table.streams else 'no'}. Expiry by `expires`: {'yes' if table.expires else 'no'}.\n"
    yield "| what for | how | index | partition | sort key | items x bytes | RCU | WCU |"
    yield "|---|---|---|---|---|---|---|---|"
    for asked in sorted((each for each in DECLARED if each.table is table), key=_place):
        reads, writes = cost(asked)
        how = f"{asked.operation}{', strong' if asked.strong else ''}{', transaction' if asked.transaction else ''}"
        yield (
            f"| {asked.purpose} | {how} | {asked.index.index_name if asked.index else ''} | `{asked.partition}` |"
            f" {f'`{asked.sort}`' if asked.sort else ''} | {asked.items} x {asked.item_bytes} |"
            f" {_figure(reads)} | {_figure(writes)} |"
        )


def _place(asked: Pattern) -> tuple[str, str, str]:
    return asked.partition, asked.operation, asked.purpose


def _figure(units: float) -> str:
    return f"{units:g}" if units else ""


def main() -> None:
    """Update the page."""
    PAGE.write_text(page() + "\n", "utf-8")


if __name__ == "__main__":
    main()
