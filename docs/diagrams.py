"""The state diagrams of ARCHITECTURE.md, drawn from the tables the domain runs on: ``python -m docs.diagrams``."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from domain import broadcasts, engagement, processing, uploads

PAGE = Path(__file__).parents[1] / "ARCHITECTURE.md"
S = TypeVar("S", bound=StrEnum)


def drawn(table: Mapping[S, frozenset[S]], *first: S) -> str:
    """A Mermaid state diagram of a transition table; ``first`` are the states something may begin in."""
    arrows = [f"[*] --> {state}" for state in first]
    for state, following in table.items():
        arrows += [f"{state} --> {wanted}" for wanted in table if wanted in following] or [f"{state} --> [*]"]
    return "\n    ".join(["stateDiagram-v2", *arrows])


DIAGRAMS = {
    "upload": drawn(uploads.NEXT, uploads.Status.WAITING),
    "processing": drawn(processing.NEXT, processing.State.PENDING),
    "session": drawn(broadcasts.NEXT, broadcasts.SessionStatus.CREATED, broadcasts.SessionStatus.LIVE),
    "comment": drawn(engagement.NEXT, engagement.CommentStatus.VISIBLE, engagement.CommentStatus.HELD),
}
_PLACE = re.compile(r"(<!-- diagram: ([\w-]+) -->\n).*?(<!-- /diagram -->)", re.DOTALL)


def filled(page: str) -> str:
    """The page with every diagram as it is now. Raises KeyError for a place that names none."""
    return _PLACE.sub(lambda place: f"{place[1]}```mermaid\n{DIAGRAMS[place[2]]}\n```\n{place[3]}", page)


def main() -> None:
    """Update the page, and say whether that changed it."""
    before = PAGE.read_text("utf-8")
    after = filled(before)
    PAGE.write_text(after, "utf-8")
    print(f"{PAGE.name}: {'as it was' if after == before else 'updated'}")


if __name__ == "__main__":
    main()
