"""What a benchmark says: rows of one table."""

import sys
from collections.abc import Sequence

from attrs import frozen


@frozen
class Row:
    """One figure beside its reference. ``must`` is what the ratio has to reach, None for what is only told."""

    what: str
    figure: str
    reference: str
    ratio: float | None = None
    must: tuple[str, float] | None = None

    @property
    def ok(self) -> bool:
        if self.must is None or self.ratio is None:
            return True
        sign, bound = self.must
        return self.ratio >= bound if sign == ">=" else self.ratio <= bound

    def cells(self) -> Sequence[str]:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        must = f"{self.must[0]} {self.must[1]:g}" if self.must else ""
        return self.what, self.figure, self.reference, ratio, must, ("ok" if self.ok else "short") if must else ""


def least(bound: float) -> tuple[str, float]:
    return (">=", bound)


def most(bound: float) -> tuple[str, float]:
    return ("<=", bound)


def table(rows: Sequence[Row]) -> str:
    """As Markdown, its columns aligned."""
    head = ("what", "figure", "reference", "ratio", "must reach", "")
    lines = [head, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    dashes = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in (head, dashes, *lines[1:])
    )


def say(text: str) -> None:
    """How it goes, for whoever waits."""
    print(text, file=sys.stderr, flush=True)
