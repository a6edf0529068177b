"""The table of costs in ``docs/deploy.md``, computed from what each use case asks of DynamoDB: ``python -m docs.costs``."""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from adapters.aws.job import SEGMENT_S
from bench.units import Cost, costs

PAGE = Path(__file__).parent / "deploy.md"
VIEWS = (1_000, 100_000, 10_000_000)
FILM_S, BEAT_S, BITS = 600, 30, 2_500_000
"""What is watched of a film at a view, how often a player says where it is, and how many bits a second it takes."""
SEGMENTS = 2 * FILM_S / SEGMENT_S
"""Picture and sound are fetched apart."""
GB_S = 0.03 * 1.77
"""What one call of the API takes: 30 ms of a function with 1769 MB."""
A_VIEW: Mapping[str, float] = {
    "latest 20 videos": 0.5, "latest 20 videos of a channel": 0.3, "a video": 1, "20 comments": 1,
    "play a video": 1, "say where playback is": FILM_S / BEAT_S, "search for two words": 0.2, "a channel": 0.3,
    "like a video": 0.04, "post a comment": 0.005, "subscribe": 0.01, "how many are unread": 0.5,
}  # fmt: skip
"""So many calls of each use case come with one view."""
PRICES: Mapping[str, float] = {
    "read units": 0.125e-6, "write units": 0.625e-6, "calls": 1.0e-6 + 0.2e-6, "GB-s": 1.667e-5, "requests": 1.0e-6, "GB": 0.085,
}  # fmt: skip
"""US dollars in us-east-1, as remembered and not looked up: see ``docs/aws-account-checks.md``."""
_PLACE = re.compile(r"(<!-- costs -->\n).*?(\n<!-- /costs -->)", re.DOTALL)


def table(measured: Sequence[Cost]) -> str:
    """As Markdown: amounts and dollars a month, by views."""
    by_name = {cost.use_case: cost for cost in measured}
    a_view = {
        "read units": sum(by_name[name].reads * times for name, times in A_VIEW.items()),
        "write units": sum(by_name[name].writes * times for name, times in A_VIEW.items()),
        "calls": sum(A_VIEW.values()),
        "GB-s": sum(A_VIEW.values()) * GB_S,
        "requests": sum(A_VIEW.values()) + SEGMENTS,
        "GB": FILM_S * BITS / 8 / 1e9,
    }
    names = {
        "read units": "DynamoDB, read request units", "write units": "DynamoDB, write request units",
        "calls": "API Gateway and Lambda, calls", "GB-s": "Lambda, GB-s", "requests": "CloudFront, requests",
        "GB": "CloudFront, GB delivered",
    }  # fmt: skip
    return "\n".join(_rows(a_view, names))


def _rows(a_view: Mapping[str, float], names: Mapping[str, str]) -> Iterator[str]:
    heads = " | ".join(f"{views:,} views" for views in VIEWS)
    yield f"| a month | one view | {heads} |"
    yield "|---|---|---|---|---|"
    for name, amount in a_view.items():
        cells = " | ".join(f"{amount * views:,.0f}: ${amount * views * PRICES[name]:,.2f}" for views in VIEWS)
        yield f"| {names[name]} | {amount:.3g} | {cells} |"
    each = sum(amount * PRICES[name] for name, amount in a_view.items())
    yield f"| all of these | ${each:.4f} | {' | '.join(f'**${each * views:,.2f}**' for views in VIEWS)} |"


def main() -> None:
    """Update the page."""
    made = table(asyncio.run(costs()))
    PAGE.write_text(_PLACE.sub(lambda place: place[1] + made + place[2], PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
