"""Our four top-level names are ours alone, and the tree names no machine but those it runs on."""

import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Written so that none of them matches its own line.
STRAYS = (
    r"[p]ypi\.org|[p]ythonhosted\.org|[r]egistry\.(npmjs|yarnpkg)\.|[d]eb\.debian\.org|[c]rates\.io|[p]roxy\.golang\.org"
    r"|/[r]oot/|/[h]ome/[a-z]+/|/[o]pt/(wheels|pypi)|/[w]ork/(main|shared|\.library)|/[t]mp/bash_jobs"
)


@pytest.mark.parametrize("name", ["domain", "application", "adapters", "entrypoints"])
def test_no_other_distribution_owns_our_names(name: str) -> None:
    """`entrypoints` is also a package on the index: installed beside ours, one would hide the other."""
    assert set(metadata.packages_distributions().get(name, [])) <= {"hexcast"}


@pytest.mark.skipif(
    shutil.which("git") is None or not (ROOT / ".git").exists(), reason="needs the files that git knows"
)
def test_no_registry_and_no_path_of_one_machine_is_named() -> None:
    """What is checked in serves any machine, with whatever registry that machine is set up for."""
    found = subprocess.run(
        ["git", "grep", "-nIE", STRAYS],  # noqa: S607 - git is wherever PATH says
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout) == (1, ""), found.stdout + found.stderr


def pins(lock: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Each requirement of a lock file: its name, its version, its hashes."""
    text = (ROOT / "requirements" / lock).read_text("utf-8").replace("\\\n", " ")
    lines = [line.split("--hash=") for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return {
        head.partition("==")[0]: (head.partition(";")[0].strip(), frozenset(each.strip() for each in hashes))
        for head, *hashes in lines
    }


@pytest.mark.parametrize("lock", ["run.txt", "dev.txt", "lambda.txt", "cloud.txt"])
def test_a_lock_pins_by_hash_and_leaves_the_source_open(lock: str) -> None:
    """Every requirement is pinned to known bytes; where they come from is the machine's business."""
    text = (ROOT / "requirements" / lock).read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)\b", text, re.MULTILINE)
    assert all("==" in head and hashes for head, hashes in pins(lock).values())


def test_whoever_develops_runs_what_is_run() -> None:
    """The lock for development holds the lock for running, byte for byte."""
    assert pins("run.txt").items() <= pins("dev.txt").items()
