"""The package: small, and with all that the functions of the template import, run by Lambda's own client."""

import base64
import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from deploy import package
from tests.architecture.test_names import pins
from tests.deployment import functions_of, template
from tests.entrypoints import aws_events as aws
from tests.entrypoints.lambda_runtime import environment

CLIENT = ("awslambdaric", "snapshot-restore-py", "simplejson")
"""What Lambda's own Python brings along."""
VARIABLES = {
    "HEXCAST_PROFILE": "aws", "HEXCAST_LOG_FORMAT": "json", "HEXCAST_PUBLIC_URL": "https://hexcast.test",
    "HEXCAST_RATE_LIMIT": "0", "HEXCAST_AWS_TABLES": "x-", "HEXCAST_AWS_RAW_BUCKET": "raw",
    "HEXCAST_AWS_MEDIA_BUCKET": "media", "HEXCAST_AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x", "POWERTOOLS_SERVICE_NAME": "x", "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:9",
}  # fmt: skip
PAGE, SCRIPT = "<!doctype html><title>Hexcast</title><div id=app></div>", b"console.log(1)"
PACKED = bytes(range(256))
CALLS: Mapping[str, tuple[Any, Any]] = {
    "entrypoints.lambda.events.on_upload": (aws.of_sqs(aws.created("small/x")), {"batchItemFailures": []}),
    "entrypoints.lambda.events.on_transcode": (
        aws.of_sqs("poison"), {"batchItemFailures": [{"itemIdentifier": "m0"}]},
    ),
    "entrypoints.lambda.events.on_outbox": (
        aws.of_stream(aws.change("evt_1", "ChannelOpened", "MODIFY")), {"batchItemFailures": []},
    ),
    "entrypoints.lambda.events.on_fanout": (aws.of_sqs(), {"batchItemFailures": []}),
    "entrypoints.lambda.events.on_signup": (
        aws.confirmation("sub", "PostConfirmation_ConfirmForgotPassword"),
        aws.confirmation("sub", "PostConfirmation_ConfirmForgotPassword"),
    ),
    "entrypoints.lambda.events.on_stream": (aws.of_sqs("poison"), {"batchItemFailures": [{"itemIdentifier": "m0"}]}),
    "entrypoints.lambda.events.on_recording": (
        aws.of_sqs("poison"), {"batchItemFailures": [{"itemIdentifier": "m0"}]},
    ),
    "entrypoints.lambda.events.on_chat": (
        {"MessageId": "m", "Content": "Hi", "Sender": {"UserId": "someone"}},
        {"ReviewResult": "DENY", "Attributes": {"Reason": "this room is not ours"}},
    ),
    "entrypoints.lambda.events.on_schedule": ({"tasks": []}, {}),
}  # fmt: skip
"""An event for each function that asks nobody anything, and its answer."""


def copied(names: Iterator[str] | tuple[str, ...] | list[str], to: Path) -> None:
    """The files of distributions as they are installed here."""
    for name in names:
        for file in metadata.distribution(name).files or ():
            source = Path(str(file.locate()))
            if ".." in file.parts or "__pycache__" in file.parts or not source.is_file():
                continue
            (to / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, to / file)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What ``make package`` makes, of the packages that are installed here instead of Lambda's builds of them."""
    build, web = tmp_path_factory.mktemp("package"), tmp_path_factory.mktemp("web")
    (web / "assets").mkdir()
    for name in ("index.html", "embed.html"):
        (web / name).write_text(PAGE)
    for name in ("a.js", "a.js.br", "a.js.gz"):
        (web / "assets" / name).write_bytes(SCRIPT if name == "a.js" else PACKED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package, "CLIENT", web)
        patch.setattr(package, "BUILD", build)
        patch.setattr(package, "install", lambda tree, _: copied(list(pins("lambda.txt")), tree))
        assert package.main([]) == 0
    with zipfile.ZipFile(build / "lambda.zip") as archive:
        archive.extractall(build / "task")
    yield build / "task"
    shutil.rmtree(build)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client")
    copied(CLIENT, folder)
    return folder


def test_the_package_is_small_and_has_byte_code(unpacked: Path) -> None:
    """And nothing of tests, of other profiles, or of servers."""
    assert (unpacked.parent / "lambda.zip").stat().st_size <= package.MOST_BYTES
    names = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*")}
    code = f"entrypoints/lambda/__pycache__/api.cpython-{sys.version_info.major}{sys.version_info.minor}.pyc"
    assert code in names
    assert not [name for name in names if name.startswith(("tests", "adapters/local", "adapters/inmemory", "granian"))]
    assert {path.name for path in (unpacked / "botocore" / "data").iterdir() if path.is_dir()} == package.SERVICES


def test_the_lock_has_what_lambda_needs_and_is_part_of_the_other() -> None:
    assert pins("lambda.txt").items() <= pins("dev.txt").items()


def test_every_function_of_the_template_is_called() -> None:
    assert functions_of(template()) == {*CALLS, "entrypoints.lambda.api.handler"}


@pytest.mark.parametrize("handler", CALLS)
def test_a_function_runs_from_the_package_alone(handler: str, unpacked: Path, client: Path, tmp_path: Path) -> None:
    """Twice, as an environment is kept."""
    event, expected = CALLS[handler]
    with environment(handler, [unpacked, client], VARIABLES, tmp_path / "log") as api:
        for _ in range(2):
            answer = api.call(event)
            assert (answer.kind, answer.body) == ("response", expected), (tmp_path / "log").read_text()


def test_the_api_runs_from_the_package_alone(unpacked: Path, client: Path, tmp_path: Path) -> None:
    """With the version of the project, and the whole of its document."""
    with environment("entrypoints.lambda.api.handler", [unpacked, client], VARIABLES, tmp_path / "log") as api:
        meta = api.call(aws.request("GET", "/v1/meta"))
        assert meta.kind == "response", (tmp_path / "log").read_text()
        shown = json.loads(meta.body["body"])
        assert (shown["profile"], shown["version"]) == ("aws", metadata_version())
        document = api.call(aws.request("GET", "/schema/openapi.json"))
        assert "/v1/videos" in json.loads(document.body["body"])["paths"]
        assert api.call(aws.request("GET", "/v1/me")).body["statusCode"] == 401


def test_the_web_client_is_served_from_the_package_alone(unpacked: Path, client: Path, tmp_path: Path) -> None:
    """Text as text, and what is packed in base64, as API Gateway wants it."""
    assert {path.name for path in (unpacked / "entrypoints/http/web/dist/assets").iterdir()} == {"a.js", "a.js.br"}
    with environment("entrypoints.lambda.api.handler", [unpacked, client], VARIABLES, tmp_path / "log") as api:
        page = api.call(aws.request("GET", "/studio"))
        assert page.kind == "response", (tmp_path / "log").read_text()
        assert (page.body["statusCode"], page.body["body"], page.body["isBase64Encoded"]) == (200, PAGE, False)
        assert (
            "connect-src 'self' https://hexcast.test wss://hexcast.test http://127.0.0.1:9 "
            in (page.body["headers"]["content-security-policy"])
        )
        packed = api.call(aws.request("GET", "/assets/a.js", headers={"accept-encoding": "gzip, br"})).body
        assert (packed["headers"]["content-encoding"], packed["isBase64Encoded"]) == ("br", True)
        assert base64.b64decode(packed["body"]) == PACKED
        plain = api.call(aws.request("GET", "/assets/a.js", headers={"accept-encoding": "gzip"})).body
        assert plain["body"].encode() == SCRIPT


PICTURES = """
import asyncio, io
from PIL import Image
from adapters.formats import PillowImages, tidy_webvtt
for kind in ("PNG", "JPEG", "WEBP"):
    sent = io.BytesIO()
    Image.new("RGB", (640, 480), "teal").save(sent, kind)
    fitted = asyncio.run(PillowImages().fit(sent.getvalue(), 320, 180))
    assert Image.open(io.BytesIO(fitted)).size == (320, 180)
assert tidy_webvtt(b"WEBVTT\\n\\n00:01.000 --> 00:02.000\\nHello\\n").startswith(b"WEBVTT")
"""


def test_pictures_and_captions_are_read_from_the_package_alone(unpacked: Path) -> None:
    """Though parts of their libraries are left out."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", PICTURES],
        env={"PYTHONPATH": str(unpacked)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def metadata_version() -> str:
    return str(tomllib.loads((package.ROOT / "pyproject.toml").read_text())["project"]["version"])


def test_what_cannot_start_says_why(unpacked: Path, client: Path, tmp_path: Path) -> None:
    """A variable that is missing ends the start, not the first call."""
    wrong = {name: value for name, value in VARIABLES.items() if name != "HEXCAST_AWS_TABLES"}
    with environment("entrypoints.lambda.api.handler", [unpacked, client], wrong, tmp_path / "log") as api:
        answer = api.call({})
        assert answer.kind == "error"
        assert "HEXCAST_AWS_TABLES" in answer.body["errorMessage"]
