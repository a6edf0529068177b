"""Items that lie in tables, and as much of a client as the repositories need to lay down new ones and find those."""

import re
from collections.abc import Mapping
from typing import Any

from attrs import define, field

from adapters.aws.dynamo import Tables
from adapters.aws.tables import TABLES

Place = tuple[str, str, str]
"""A table, a partition key and a sort key."""
Rows = Mapping[Place, Mapping[str, Any]]


@define
class Laid:
    """It asks for no condition, and forgets by which write an item came to lie there."""

    items: dict[Place, dict[str, Any]] = field(factory=dict)

    async def put_item(self, **given: Any) -> None:
        self._put(given)

    async def update_item(self, **given: Any) -> None:
        self._update(given)

    async def delete_item(self, **given: Any) -> None:
        raise NotImplementedError

    async def transact_write_items(self, **given: Any) -> None:
        for step in given["TransactItems"]:
            ((kind, request),) = step.items()
            {"Put": self._put, "Update": self._update}[kind](request)

    async def get_item(self, **given: Any) -> Mapping[str, Any]:
        item = self.items.get(_place(given["TableName"], given["Key"]))
        return {} if item is None else {"Item": item}

    async def batch_get_item(self, **given: Any) -> Mapping[str, Any]:
        ((table, said),) = given["RequestItems"].items()
        places = (_place(table, key) for key in said["Keys"])
        return {"Responses": {table: [self.items[place] for place in places if place in self.items]}}

    async def query(self, **given: Any) -> Mapping[str, Any]:
        prefix, values = given.get("IndexName", "").removesuffix("-index"), given["ExpressionAttributeValues"]
        low, high = (values.get(end, {"S": least})["S"] for end, least in ((":low", ""), (":high", "\U0010ffff")))
        found = [
            item
            for (table, *_), item in self.items.items()
            if table == given["TableName"]
            and item.get(f"{prefix}pk") == values[":pk"]
            and low <= item[f"{prefix}sk"]["S"] <= high
        ]
        found.sort(key=lambda item: item[f"{prefix}sk"]["S"], reverse=not given["ScanIndexForward"])
        return {"Items": found}

    def _put(self, request: Mapping[str, Any]) -> None:
        item = request["Item"]
        self.items[_place(request["TableName"], item)] = {key: value for key, value in item.items() if key != "w"}

    def _update(self, request: Mapping[str, Any]) -> None:
        item = self.items.setdefault(_place(request["TableName"], request["Key"]), dict(request["Key"]))
        for name, value in re.findall(r"#(\w+) =? ?(:\w+)", request["UpdateExpression"]):
            said = request["ExpressionAttributeValues"][value]
            added = f"ADD #{name}" in request["UpdateExpression"] and name in item
            item[name] = {"N": str(int(item[name]["N"]) + int(said["N"]))} if added else said
        item.pop("w", None)

    @property
    def rows(self) -> Rows:
        """Without their keys."""
        return {
            place: {key: value for key, value in item.items() if key not in {"pk", "sk"}}
            for place, item in self.items.items()
        }


def laid(rows: Rows) -> tuple[Laid, Tables]:
    """Tables with these in them, called as we call them."""
    keyed = {place: {**row, "pk": {"S": place[1]}, "sk": {"S": place[2]}} for place, row in rows.items()}
    client: Any = Laid(keyed)
    return client, Tables(client, {table.name: table.name for table in TABLES})


def _place(table: str, key: Mapping[str, Any]) -> Place:
    return table, key["pk"]["S"], key["sk"]["S"]
