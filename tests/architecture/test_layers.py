"""The import contracts of pyproject.toml hold, and each of them catches a breach planted on purpose."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("domain", "application", "adapters", "entrypoints")
CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
}
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"

# contract, the file that sins, its sin
BREACHES = [
    ("inward", "domain/planted.py", "import application"),
    ("inward", "application/planted.py", "import adapters.inmemory"),
    ("inward", "adapters/inmemory/planted.py", "import adapters.aws"),
    ("inward", "adapters/aws/planted.py", "import adapters.inmemory"),
    ("inward", "adapters/inmemory/planted.py", "import adapters.local"),
    ("inward", "adapters/system.py", "import adapters.inmemory"),
    ("inward", "adapters/formats.py", "import adapters.system"),
    ("inward", "adapters/local/planted.py", "import entrypoints.http"),
    ("local", "adapters/local/planted.py", "import adapters.aws"),
    ("entrypoints", "entrypoints/container.py", "import entrypoints.http"),
    ("functions", "entrypoints/lambda/events.py", "import litestar"),
    ("functions", "entrypoints/container.py", "import litestar"),
    ("domain", "domain/videos.py", "import domain.notifications"),
    ("domain", "domain/uploads.py", "import domain.videos"),
    ("domain", "domain/errors.py", "import domain.ids"),
    ("application", "application/ports.py", "import application.videos"),
    ("application", "application/channels.py", "import application.videos"),
    ("vendors", "domain/planted.py", "import msgspec"),
    ("vendors", "application/planted.py", "import litestar"),
    ("vendors", "adapters/inmemory/planted.py", "import aiobotocore.session"),
    ("containers", "entrypoints/http/planted.py", "from dependency_injector import providers"),
    ("containers", "application/container.py", "from dependency_injector import containers"),
]


def lint(tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Lint the packages found in `tree`, and no others."""
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--no-logo", *options],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the four packages and their contracts, free to be broken."""
    for package in PACKAGES:
        modules = shutil.ignore_patterns("__pycache__", "node_modules", "web")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=modules)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_holds() -> None:
    """The tree as it is breaks no contract."""
    linted = lint(ROOT)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert f"{len(CONTRACTS)} kept, 0 broken" in linted.stdout


def test_every_contract_has_a_planted_breach() -> None:
    """No contract is here that has not been seen to catch something."""
    assert {contract for contract, _, _ in BREACHES} == set(CONTRACTS)


@pytest.mark.parametrize(("contract", "sinner", "sin"), BREACHES)
def test_a_planted_breach_is_caught(tree: Path, contract: str, sinner: str, sin: str) -> None:
    """One import too many, and the contract that forbids it says so by name."""
    with (tree / sinner).open("a", encoding="utf-8") as file:
        file.write(f"\n{sin}\n")
    target = tree / (sin.split()[1].replace(".", "/") + ".py")
    if target.parent.is_relative_to(tree) and target.parent.is_dir() and not target.with_suffix("").is_dir():
        target.touch()
    linted = lint(tree, "--contract", contract)
    assert linted.returncode == 1, linted.stdout + linted.stderr
    assert f"{CONTRACTS[contract]} BROKEN" in linted.stdout
    assert Path(sinner).with_suffix("").as_posix().replace("/", ".") in linted.stdout


@pytest.mark.parametrize("package", ["domain", "application"])
def test_the_core_imports_only_the_standard_library_and_attrs(package: str) -> None:
    """Beyond the two layers of the core itself."""
    allowed = {*sys.stdlib_module_names, "attrs", "domain", package}
    imported = set[str]()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path.name} imports relatively"
                imported.add((node.module or "").partition(".")[0])
    assert imported <= allowed
