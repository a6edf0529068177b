"""``python -m deploy.parameters STAGE [FILE]``: whether a file of parameters is good for the template.

SAM passes over names that the template does not have, and a stack without public keys is made all the same, though
nobody can play anything: so this says both before anything is deployed. The exit status is 2 then.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).with_name("template.yaml")
FILLED_IN = frozenset({"Stage", "Runtime", "Architecture"})
"""By ``make deploy``."""
KEYS = {"CdnPublicKey": "videos", "LivePublicKey": "livestreams"}
"""What parameters with public keys begin with (one of A and B is enough), and what cannot be played without."""


def main(arguments: list[str]) -> int:
    stage, *files = arguments
    given: Mapping[str, Any] = {}
    for name in files:
        if Path(name).suffix not in {".yaml", ".yml"}:
            return _wrong(f"{name}: PARAMETERS names a YAML file, as deploy/parameters.example.yaml is one")
        try:
            given = yaml.safe_load(Path(name).read_text("utf-8")) or {}
        except (OSError, UnicodeError, yaml.YAMLError) as error:
            return _wrong(f"{name}: {error}")
        if not isinstance(given, dict):
            return _wrong(f"{name} is no list of names with values")
    if unknown := [str(name) for name in given if name not in known()]:
        return _wrong(f"not for PARAMETERS, or not in the template: {', '.join(unknown)}")
    missing = list(_missing(given))
    if missing and stage == "prod":
        return _wrong("; ".join(missing))
    for each in missing:
        sys.stderr.write(f"hexcast: {each}\n")
    return 0


def _missing(given: Mapping[str, Any]) -> Iterator[str]:
    for begin, what in KEYS.items():
        if not any(str(given.get(f"{begin}{slot}") or "").startswith("-----BEGIN PUBLIC KEY-----") for slot in "AB"):
            yield f"PARAMETERS holds no {begin}A (or B), and without it nobody can play {what}: see docs/deploy.md"


def known() -> set[str]:
    """What may stand in the file."""
    return set(yaml.load(TEMPLATE.read_text("utf-8"), _Loader)["Parameters"]) - FILLED_IN  # noqa: S506  (a SafeLoader)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no annotations
    """Passes over ``!Ref`` and the like."""


_Loader.add_multi_constructor("!", lambda *_: None)


def _wrong(what: str) -> int:
    sys.stderr.write(f"hexcast: {what}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
