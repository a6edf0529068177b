"""``python -m deploy.package``: what a function needs, and nothing else, as one zip for Lambda's platform.

Byte code is in it, since an environment of Lambda's cannot keep what it compiles; so the Python that makes the package
has to be of the version that runs it.
"""

import argparse
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build"
LOCK = ROOT / "requirements" / "lambda.txt"
CLIENT = ROOT / "entrypoints" / "http" / "web" / "dist"
"""The web client, where `make web` built it."""
MOST_BYTES = 25 * 1024 * 1024
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PLATFORMS = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
"""Amazon Linux 2023, on which Lambda runs Python 3.12 and later, has glibc 2.34."""

OURS = ("domain", "application", "adapters", "entrypoints")
NOT_OURS = frozenset(
    {
        "adapters/inmemory", "adapters/local", "adapters/archives.py", "adapters/signing.py", "entrypoints/cli.py",
        "entrypoints/demo.py", "entrypoints/worker.py", "entrypoints/http/serve.py", "entrypoints/http/workers.py", "entrypoints/http/web",
    }
)  # fmt: skip
"""Of other profiles, and of servers."""
SERVICES = frozenset(
    {"cloudfront", "cognito-idp", "dynamodb", "mediaconvert", "s3", "secretsmanager", "sqs", "sts", "xray"}
)
"""Whose models are kept: those of all services take more room than all the rest."""
WASTE = (
    "**/*.pyi", "**/*.pyx", "**/*.pxd", "**/*.c", "**/*.h", "**/__pycache__", "**/tests", "bin",
    "*.dist-info/sboms", "*.dist-info/licenses/**/*",
    # Of pictures we read JPEG, PNG and WebP, and write no text into them.
    "PIL/_avif*.so", "pillow.libs/libavif*", "PIL/_imagingft*.so", "pillow.libs/libfreetype*",
    "pillow.libs/libharfbuzz*",
    # Of these we use the batches, the log, the metrics and the traces.
    "aws_lambda_powertools/event_handler", *(
        f"aws_lambda_powertools/utilities/{each}" for each in (
            "auth_alpha", "circuit_breaker", "data_masking", "feature_flags", "idempotency", "kafka", "parameters",
            "parser", "streaming", "validation",
        )
    ),
    # YAML is only written, once and by nobody who waits; zones of time are UTC.
    "yaml/_yaml*.so", "dateutil/zoneinfo/*.tar.gz",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.package", description=__doc__)
    parser.add_argument("--arch", choices=PLATFORMS, default="x86_64")
    arch = parser.parse_args(arguments).arch
    tree, archive = BUILD / "lambda", BUILD / "lambda.zip"
    shutil.rmtree(tree, ignore_errors=True)
    archive.unlink(missing_ok=True)
    install(tree, arch)
    prune(tree)
    copy(tree)
    copy_client(tree)
    compile_all(tree)
    size = pack(tree, archive)
    (BUILD / "lambda.python").write_text(f"python{VERSION}\n")
    (BUILD / "lambda.arch").write_text(f"{arch}\n")
    unpacked = sum(path.stat().st_size for path in files(tree))
    without = "" if CLIENT.is_dir() else ", without the web client, which is not built"
    print(f"{archive.name}: {mib(size)} ({mib(unpacked)} unpacked), Python {VERSION}, {arch}{without}")
    if size > MOST_BYTES:
        print(f"it may have {mib(MOST_BYTES)}", file=sys.stderr)
        return 1
    return 0


def install(tree: Path, arch: str) -> None:
    """The packages of the lock, as built for Lambda's platform."""
    subprocess.run(
        [
            sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(tree), "--no-deps",
            "--require-hashes", "--only-binary", ":all:", "--python-version", VERSION, "--python-platform",
            PLATFORMS[arch], "--requirements", str(LOCK),
        ],
        check=True,
    )  # fmt: skip


def prune(tree: Path) -> None:
    """What no call of ours reads."""
    for pattern in WASTE:
        for path in list(tree.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()
    for service in (tree / "botocore" / "data").iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)


def copy(tree: Path) -> None:
    """Our own packages, and the version for those who ask for it."""
    for package in OURS:
        for path in files(ROOT / package):
            name = path.relative_to(ROOT)
            if path.suffix != ".py" or any(name.is_relative_to(each) for each in NOT_OURS):
                continue
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, tree / name)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    about = tree / f"{project['name']}-{project['version']}.dist-info"
    about.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (about / "METADATA").write_text(metadata)


def copy_client(tree: Path) -> None:
    """As it is and packed with Brotli, which every browser of today takes; gzip's twins would be for the others."""
    for path in files(CLIENT):
        if path.suffix != ".gz":
            to = tree / "entrypoints" / "http" / "web" / "dist" / path.relative_to(CLIENT)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)


def compile_all(tree: Path) -> None:
    """Byte code that is taken without a look at the source: a zip keeps no times that could be compared."""
    subprocess.run(
        [
            sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", str(tree), "-p",
            "/var/task", str(tree),
        ],
        check=True,
    )  # fmt: skip


def pack(tree: Path, archive: Path) -> int:
    """The same bytes for the same files; how many."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in files(tree):
            entry = zipfile.ZipInfo(str(path.relative_to(tree)))  # of 1980, as long as nothing else is said
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if path.suffix == ".so" else 0o100644) << 16
            packed.writestr(entry, path.read_bytes())
    return archive.stat().st_size


def files(tree: Path) -> Iterator[Path]:
    """All of them, in the same order everywhere."""
    return (path for path in sorted(tree.rglob("*")) if path.is_file())


def mib(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MiB"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
