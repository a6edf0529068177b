"""What the pages draw is what the code does."""

import re

import pytest
from attrs import evolve

from adapters.aws.tables import CORE, G1, Operation, Pattern
from docs import dynamodb
from docs.diagrams import DIAGRAMS, PAGE, filled
from domain import broadcasts, engagement, processing, uploads

ARROW = re.compile(r"^    (\S+) --> (\S+)$", re.MULTILINE)
TABLES = {
    "upload": {str(at): {str(each) for each in after} for at, after in uploads.NEXT.items()},
    "processing": {str(at): {str(each) for each in after} for at, after in processing.NEXT.items()},
    "session": {str(at): {str(each) for each in after} for at, after in broadcasts.NEXT.items()},
    "comment": {str(at): {str(each) for each in after} for at, after in engagement.NEXT.items()},
}


def test_the_architecture_page_is_up_to_date() -> None:
    """If not, `python -m docs.diagrams` makes it so."""
    page = PAGE.read_text("utf-8")
    assert filled(page) == page


def test_the_page_shows_each_diagram_once() -> None:
    """None was forgotten when a table was added."""
    places = re.findall(r"<!-- diagram: (\S+) -->", PAGE.read_text("utf-8"))
    assert sorted(places) == sorted(DIAGRAMS)


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_diagram_has_the_arrows_of_its_table(name: str) -> None:
    """Those and no others, apart from where it begins and ends."""
    arrows = ARROW.findall(DIAGRAMS[name])
    assert len(arrows) == len(set(arrows))
    table = TABLES[name]
    assert {arrow for arrow in arrows if "[*]" not in arrow} == {
        (at, wanted) for at, following in table.items() for wanted in following
    }
    assert {at for at, wanted in arrows if wanted == "[*]"} == {at for at in table if not table[at]}
    assert {wanted for at, wanted in arrows if at == "[*]"}


def test_a_page_gets_its_diagrams_anew() -> None:
    """What stands between the marks goes, what stands around them stays."""
    old = "a\n<!-- diagram: upload -->\nold\n<!-- /diagram -->\nb\n<!-- diagram: comment -->\n<!-- /diagram -->\nc\n"
    new = filled(old)
    assert filled(new) == new
    assert re.findall(r"^\w$", new, re.MULTILINE) == ["a", "b", "c"]
    assert "old" not in new
    assert DIAGRAMS["upload"] in new
    assert DIAGRAMS["comment"] in new


def test_a_place_for_an_unknown_diagram_is_refused() -> None:
    """A page that misspells a name must not stay empty there."""
    with pytest.raises(KeyError):
        filled("<!-- diagram: no-such -->\n<!-- /diagram -->")


def test_the_page_of_access_patterns_is_what_the_adapters_declare() -> None:
    """If not, `python -m docs.dynamodb` makes it so."""
    assert dynamodb.PAGE.read_text("utf-8") == dynamodb.page() + "\n"


def test_what_a_request_costs() -> None:
    """Half a unit for each 4 KB that is read as of late, one as of now; one for each KB that is written, and each index."""
    listed = Pattern(purpose="", operation=Operation.QUERY, table=CORE, partition="", items=21, item_bytes=1024)
    assert dynamodb.cost(listed) == (3, 0)
    assert dynamodb.cost(evolve(listed, strong=True)) == (6, 0)
    assert dynamodb.cost(evolve(listed, operation=Operation.MANY)) == (10.5, 0)
    saved = evolve(listed, operation=Operation.WRITE, items=1, item_bytes=1025)
    assert dynamodb.cost(saved) == (0, 2)
    assert dynamodb.cost(evolve(saved, transaction=True, indices=(G1,))) == (0, 6)
