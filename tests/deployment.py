"""The template as data, for the tests of it and for who deploys it elsewhere."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "deploy" / "template.yaml"

Resource = Mapping[str, Any]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no annotations
    """Reads ``!Ref x`` as ``{"Ref": "x"}``, and the other short forms as their long ones."""


def _function(loader: Any, name: str, node: Any) -> Any:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _function)


@cache
def template() -> Mapping[str, Any]:
    """All of it."""
    found: Mapping[str, Any] = yaml.load(TEMPLATE.read_text("utf-8"), _Loader)  # noqa: S506  (a SafeLoader)
    return found


def resources(kind: str) -> Mapping[str, Resource]:
    """The properties of all resources of a kind (``SQS::Queue``), by name."""
    found = template()["Resources"].items()
    return {name: each.get("Properties", {}) for name, each in found if each["Type"] == f"AWS::{kind}"}


def functions_of(whole: Mapping[str, Any]) -> set[str]:
    """The handler strings of all functions."""
    kind = "AWS::Serverless::Function"
    return {each["Properties"]["Handler"] for each in whole["Resources"].values() if each["Type"] == kind}
