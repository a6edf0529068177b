"""Whatever the adapters call of AWS is made to fail at the wire by some test."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import get_session

import adapters.aws
from tests.adapters import test_cognito
from tests.cloud import test_archive_faults, test_chat_faults, test_media_faults, test_record_faults
from tests.cloud.faults import TESTED

TESTS = test_archive_faults, test_chat_faults, test_cognito, test_media_faults, test_record_faults
"""Importing them fills ``TESTED``."""
ANOTHERS = {("sqs", "DeleteMessage")}
"""Not called, but an operation of the same name is: IVS Chat's. Lambda removes messages from queues."""
(FOLDER,) = map(Path, adapters.aws.__path__)


def _trees() -> Iterator[ast.AST]:
    for path in sorted(FOLDER.glob("*.py")):
        yield ast.parse(path.read_text())


def services() -> set[str]:
    """The container makes their clients: ``_client(make, "…")`` behind a Singleton, and ``make("…")``."""
    found = set[str]()
    for node in ast.walk(ast.parse((FOLDER / "container.py").read_text())):
        if isinstance(node, ast.Call):
            made = isinstance(node.func, ast.Name) and node.func.id == "make"
            made |= any(isinstance(each, ast.Name) and each.id == "make" for each in node.args)
            found |= {str(each.value) for each in node.args if made and isinstance(each, ast.Constant)}
    return found


def called() -> set[tuple[str, str]]:
    """Every attribute in the adapters that has the name of an operation of those services."""
    names = {node.attr for tree in _trees() for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return {
        (service, operation)
        for service in services()
        for operation in get_session().get_service_model(service).operation_names
        if xform_name(operation) in names
    } - ANOTHERS


def test_no_client_comes_from_elsewhere() -> None:
    """Nor is an operation called by a name that only the running program knows."""
    makers = [path.name for path in FOLDER.glob("*.py") if "create_client" in path.read_text()]
    assert makers == ["clients.py"]
    assert services() == {
        "cloudfront",
        "cognito-idp",
        "dynamodb",
        "ivs",
        "ivschat",
        "mediaconvert",
        "s3",
        "secretsmanager",
        "sqs",
    }


def test_every_call_is_made_to_fail() -> None:
    assert called() - TESTED == set()


def test_nothing_is_made_to_fail_that_nobody_calls() -> None:
    assert TESTED - called() == set()


def test_a_call_that_no_test_lets_fail_is_noticed() -> None:
    assert ("dynamodb", "Scan") not in called()
    TESTED.discard(("s3", "PutObject"))
    try:
        with pytest.raises(AssertionError, match="PutObject"):
            test_every_call_is_made_to_fail()
    finally:
        TESTED.add(("s3", "PutObject"))
