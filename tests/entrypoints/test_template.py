"""The template says what the code says, and leaves nothing unwatched."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.aws.clients import CONNECT_S, READ_S, TRIES, s3_config
from adapters.aws.cognito import ACTIONS, CLIENT, GROUPS, POOL
from adapters.aws.exports import EXPORTS
from adapters.aws.ivs import Channels
from adapters.aws.settings import PREFIX, AwsSettings
from adapters.aws.signals import ACCOUNT_WIDE
from adapters.aws.tables import EXPIRES, TABLES, Table, definition
from adapters.system import Ulids
from deploy import parameters
from domain.ids import STREAM, ChannelId, StreamId
from domain.streams import WINDOW_MOST_S, Stream
from entrypoints.settings import Settings
from tests.deployment import ROOT, TEMPLATE, resources, template
from tests.entrypoints.scenes import Scene, problem
from tests.strategies import START
from tests.worlds import FakeClock

GUIDE = (ROOT / "docs" / "deploy.md").read_text("utf-8")
FUNCTIONS = resources("Serverless::Function")
QUEUES = resources("SQS::Queue")
ALARMS = resources("CloudWatch::Alarm")
UNKNOWN_TO_EMULATORS = ("AWS::MediaConvert::", "AWS::IVS::", "AWS::CloudFront::PublicKey", "AWS::CloudFront::KeyGroup")
NOT_LAMBDA_S = frozenset({"Sid", "Effect", "Action", "Resource", "Condition", "Principal"})


CFN_LINT = "import sys; from cfnlint.runner import main; sys.exit(main())"
"""What its own script says, which is bound to where it was installed."""


def test_cfn_lint_has_nothing_to_say() -> None:
    linted = subprocess.run(
        [sys.executable, "-c", CFN_LINT, "--include-checks", "W", "--", str(TEMPLATE)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (linted.returncode, linted.stdout) == (0, ""), linted.stdout


@pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])
def test_a_table_is_as_the_adapters_ask_it(table: Table) -> None:
    """Its keys, its indices, its stream, when items go."""
    said = resources("DynamoDB::Table")[f"{table.name.title()}Table"]
    assert said["TableName"] == {"Fn::Sub": f"${{AWS::StackName}}-{table.name}"}
    expected = dict(definition(table, ""))
    stream = expected.pop("StreamSpecification", {})
    del expected["TableName"]
    assert {name: said.get(name) for name in expected} == expected
    assert ("GlobalSecondaryIndexes" in said) == bool(table.indices)
    assert said.get("StreamSpecification", {}).get("StreamViewType") == stream.get("StreamViewType")
    expiry = {"AttributeName": EXPIRES, "Enabled": True} if table.expires else None
    assert said.get("TimeToLiveSpecification") == expiry
    assert said["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_exports_of_the_tables_do_not_stay() -> None:
    """They hold what people wrote, beside a file of their own that is whole."""
    rules = resources("S3::Bucket")["RawBucket"]["LifecycleConfiguration"]["Rules"]
    (rule,) = [each for each in rules if each.get("Prefix") == EXPORTS]
    assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", 1)


def test_there_are_no_other_tables() -> None:
    assert set(resources("DynamoDB::Table")) == {f"{table.name.title()}Table" for table in TABLES}


def test_a_call_that_hangs_ends_before_the_function_that_answers_does() -> None:
    """Whoever asked is told so then, and a request with a key does not stand as if its process had died."""
    pauses_s = sum(2**each for each in range(TRIES - 1))  # at most, as the SDK has them
    assert (CONNECT_S + READ_S) * TRIES + pauses_s < FUNCTIONS["ApiFunction"]["Timeout"]
    waits = s3_config()
    assert (waits.connect_timeout, waits.read_timeout, waits.retries["total_max_attempts"]) == (
        CONNECT_S,
        READ_S,
        TRIES,
    )


def test_people_are_as_the_adapter_expects_them() -> None:
    """The pool, its client, its groups."""
    (pool,) = resources("Cognito::UserPool").values()
    assert {name: pool[name] for name in POOL} == POOL
    (client,) = resources("Cognito::UserPoolClient").values()
    assert {name: client[name] for name in CLIENT} == CLIENT
    assert sorted(group["GroupName"] for group in resources("Cognito::UserPoolGroup").values()) == sorted(GROUPS)


def test_what_holds_data_outlives_the_stack() -> None:
    """And what replaces it, too. What a creation that fails had made goes with it, or its names would be taken when it is
    tried again.
    """
    holding = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Cognito::UserPool", "AWS::SecretsManager::Secret"}
    kept = [each for each in template()["Resources"].values() if each["Type"] in holding]
    assert len(kept) == 4 + 2 + 1 + 1
    assert {(each["DeletionPolicy"], each["UpdateReplacePolicy"]) for each in kept} == {
        ("RetainExceptOnCreate", "Retain")
    }


def test_buckets_are_closed() -> None:
    for bucket in resources("S3::Bucket").values():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4


def test_cloudfront_keeps_no_failure() -> None:
    """By itself it keeps these for ten seconds (developer guide, "Control how long CloudFront caches errors"), and a path
    is all that it knows of a request to the API: what failed for one would have failed for all.
    """
    (distribution,) = resources("CloudFront::Distribution").values()
    kept = {
        each["ErrorCode"]: each["ErrorCachingMinTTL"]
        for each in distribution["DistributionConfig"]["CustomErrorResponses"]
    }
    assert kept == dict.fromkeys((403, 404, 500, 502, 503, 504), 0)


def test_what_the_client_is_built_of_is_fetched_once() -> None:
    """By its name, which changes with it; nothing else that the API answers is kept."""
    (distribution,) = resources("CloudFront::Distribution").values()
    config = distribution["DistributionConfig"]
    (assets,) = [each for each in config["CacheBehaviors"] if each["TargetOriginId"] == "api"]
    assert (assets["PathPattern"], assets["AllowedMethods"]) == ("assets/*", ["GET", "HEAD"])
    assert assets["CachePolicyId"] != config["DefaultCacheBehavior"]["CachePolicyId"]
    assert "OriginRequestPolicyId" not in assets


def test_without_a_key_no_video_is_served() -> None:
    """The distribution asks for signatures under the same condition under which it may read videos at all."""
    policy = resources("S3::BucketPolicy")["MediaBucketPolicy"]["PolicyDocument"]
    (read,) = policy["Statement"]
    condition, _, otherwise = read["Resource"]["Fn::If"]
    assert template()["Conditions"][condition] == {
        "Fn::Or": [{"Condition": "HasKeys"}, {"Condition": "HasEmulatorKeys"}]
    }
    assert otherwise == {"Fn::Sub": "${MediaBucket.Arn}/c/*"}
    (distribution,) = resources("CloudFront::Distribution").values()
    (videos,) = [each for each in distribution["DistributionConfig"]["CacheBehaviors"] if each["PathPattern"] == "v/*"]
    signed, _, emulated = videos["TrustedKeyGroups"]["Fn::If"]
    assert (signed, emulated["Fn::If"][0]) == ("HasKeys", "HasEmulatorKeys")


def test_what_emulators_do_not_know_is_left_out_for_them() -> None:
    conditions = {
        each.get("Condition")
        for each in template()["Resources"].values()
        if each["Type"].startswith(UNKNOWN_TO_EMULATORS)
    }
    assert conditions == {"RealAws", "HasKeyA", "HasKeyB", "HasKeys", "HasLiveKeyA", "HasLiveKeyB"}
    for name in ("HasKeyA", "HasKeyB", "HasLiveKeyA", "HasLiveKeyB"):
        assert {"Condition": "RealAws"} in template()["Conditions"][name]["Fn::And"]


# --- functions ---------------------------------------------------------------------------------------


def environment(name: str) -> Mapping[str, str]:
    """A function's variables, with a text in the place of what is only known when it is deployed."""
    given = template()["Globals"]["Function"]["Environment"]["Variables"] | FUNCTIONS[name].get("Environment", {}).get(
        "Variables", {}
    )
    unknown = {
        "HEXCAST_AWS_ENDPOINT_URL": "", "HEXCAST_AWS_JWKS_URL": "", "HEXCAST_AWS_CDN_KEY_SLOT": "a",
        "HEXCAST_AWS_CDN_URL": "https://cdn.test", "HEXCAST_PUBLIC_URL": "https://hexcast.test",
        "HEXCAST_CORS_ORIGINS": "", "HEXCAST_EMBED_ANCESTORS": "*", "HEXCAST_ADMINS": "", "HEXCAST_MODERATORS": "",
        "HEXCAST_AWS_RECORDINGS": "0=x,300=x",
    }  # fmt: skip
    said = {key: value if isinstance(value, str) else unknown.get(key, "x") for key, value in given.items()}
    return said | {"AWS_REGION": "eu-central-1"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_s_variables_are_settings(name: str) -> None:
    """None is missing, and none is unknown."""
    settings = Settings.read(environment(name))
    assert settings.profile == "aws"
    cloud = AwsSettings.read(settings.cloud)
    assert cloud.tables["core"] == "x" + "core"
    named = {each for each in environment(name) if each.startswith(PREFIX)}
    for permission, variable in (
        ("mediaconvert:CreateJob", "TRANSCODE_ROLE"), ("secretsmanager:GetSecretValue", "SECRET"),
        ("cloudfront:CreateInvalidation", "DISTRIBUTION_ID"), ("cognito-idp:AdminDeleteUser", "POOL_ID"),
        ("ivs:UpdateChannel", "RECORDINGS"),
    ):  # fmt: skip
        assert permission not in actions(name) or f"{PREFIX}{variable}" in named, permission


def statements(name: str) -> Iterator[Mapping[str, Any]]:
    for policy in FUNCTIONS[name]["Policies"]:
        yield from policy["Statement"]


def actions(name: str) -> set[str]:
    return {action for statement in statements(name) for action in statement["Action"]}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_may_do_what_it_does_and_no_more(name: str) -> None:
    """No action is a pattern, and what may be named is named."""
    for statement in statements(name):
        assert set(statement) <= NOT_LAMBDA_S
        assert not [action for action in statement["Action"] if "*" in action]
        if statement["Resource"] == "*":
            assert {action.partition(":")[0] for action in statement["Action"]} == {"mediaconvert"}
    assert "dynamodb:Scan" not in actions(name)
    assert {each for each in actions(name) if each.startswith("cognito-idp:")} <= {
        f"cognito-idp:{each}" for each in ACTIONS
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_there(name: str) -> None:
    module, _, function = FUNCTIONS[name]["Handler"].rpartition(".")
    assert callable(getattr(import_module(module), function))


def test_schedules_name_all_tasks_and_no_others() -> None:
    events = FUNCTIONS["OnSchedule"]["Events"].values()
    named = [task for event in events for task in json.loads(event["Properties"]["Input"])["tasks"]]
    tasks = import_module("entrypoints.lambda.events").TASKS
    assert sorted(named) == sorted(tasks)


def test_what_may_go_on_for_long_comes_last() -> None:
    """Tasks of one schedule come one after the other, and events are delivered as long as there is time."""
    for event in FUNCTIONS["OnSchedule"]["Events"].values():
        *others, _ = json.loads(event["Properties"]["Input"])["tasks"]
        assert not {"events", "sweep_orphans"} & set(others)


def test_two_stacks_have_schedules_of_their_own() -> None:
    """SAM names them by their place in the template, unless it is told not to: no account could hold a second stack."""
    for event in FUNCTIONS["OnSchedule"]["Events"].values():
        assert event["Properties"]["OmitName"] is True


def test_a_queue_waits_for_its_function() -> None:
    """Six times as long as a call may take, or messages come twice for no reason."""
    most = template()["Globals"]["Function"]["Timeout"]
    for function in FUNCTIONS.values():
        for event in function.get("Events", {}).values():
            if event["Type"] == "SQS":
                queue = QUEUES[event["Properties"]["Queue"]["Fn::GetAtt"][0]]
                assert queue["VisibilityTimeout"] >= 6 * function.get("Timeout", most)
                assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5
                assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_a_recording_is_made_for_each_window_that_functions_know() -> None:
    """The longest is as long as any stream's, so that each finds one."""
    windows = {each["RecordingReconnectWindowSeconds"] for each in resources("IVS::RecordingConfiguration").values()}
    assert max(windows) == WINDOW_MOST_S
    for name in ("ApiFunction", "OnOutbox", "OnSchedule"):
        said = FUNCTIONS[name]["Environment"]["Variables"]["HEXCAST_AWS_RECORDINGS"]["Fn::If"][1]["Fn::Sub"]
        assert said == ",".join(f"{window}=${{Recording{window}.Arn}}" for window in sorted(windows))


def test_rules_of_ivs_hear_of_channels_as_they_are_named() -> None:
    """By what the adapter begins names with."""
    stream = Stream(id=StreamId(Ulids(FakeClock().now)(STREAM)), channel=ChannelId("c"), title="x", created_at=START)
    name = Channels(env="stack", bucket="", recordings={}).name(stream.id)
    for rule, pattern in (
        ("StreamRule", resources("Events::Rule")["StreamRule"]["EventPattern"]["$or"][0]),
        ("RecordingRule", resources("Events::Rule")["RecordingRule"]["EventPattern"]),
    ):
        (said,) = pattern["detail"]["channel_name"]
        assert name.startswith(said["prefix"]["Fn::Sub"].replace("${AWS::StackName}", "stack")), rule
    limits = resources("Events::Rule")["StreamRule"]["EventPattern"]["$or"][1]["detail"]["limit_name"]
    assert set(limits) == ACCOUNT_WIDE


# --- what is watched ---------------------------------------------------------------------------------


def test_every_dead_letter_and_every_function_raises_an_alarm() -> None:
    watched = {
        value
        for alarm in ALARMS.values()
        for dimension in alarm.get("Dimensions", ())
        for value in (json.dumps(dimension["Value"]),)
    }
    for queue in QUEUES:
        assert json.dumps({"Fn::GetAtt": [queue, "QueueName"]}) in watched, queue
    for function in FUNCTIONS:
        assert json.dumps({"Ref": function}) in watched, function
    assert {json.dumps(alarm["AlarmActions"]) for alarm in ALARMS.values()} == {json.dumps([{"Ref": "Alarms"}])}


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_says_where_its_runbook_is(alarm: str) -> None:
    found = re.search(r"docs/deploy\.md, (\w+)\.", ALARMS[alarm]["AlarmDescription"])
    assert found, alarm
    assert re.search(rf"^#+ .*\b{found[1]}\b", GUIDE, re.MULTILINE), found[1]


def test_metrics_that_raise_alarms_are_counted() -> None:
    """By the name that the functions count them under, and with the dimension that they have."""
    code = (ROOT / "entrypoints" / "lambda" / "events.py").read_text("utf-8")
    for alarm in ALARMS.values():
        if alarm["Namespace"] == "Hexcast":
            assert f'"{alarm["MetricName"]}"' in code
            assert alarm["Dimensions"] == [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]


@pytest.mark.parametrize("parameter", template()["Parameters"])
def test_a_parameter_is_used_and_explained(parameter: str) -> None:
    text = TEMPLATE.read_text("utf-8")
    assert re.search(rf"!Ref {parameter}\b|\${{{parameter}}}", text)
    assert f"`{parameter}`" in GUIDE


BODIES: Mapping[str, object] = {
    "/v1/uploads": {"channel_id": "chn_x", "filename": "x.mp4", "content_type": "video/mp4", "size_bytes": 1},
    "/v1/uploads/{upload_id}/parts": {"numbers": [1]},
}


# --- the API's front ---------------------------------------------------------------------------------


async def test_what_the_gateway_guards_is_for_people_with_a_token(scene: Scene) -> None:
    """Whoever has none is turned away by the API, too, so that nobody misses anything. Preflights pass."""
    guarded = [each["RouteKey"] for each in resources("ApiGatewayV2::Route").values() if "AuthorizerId" in each]
    document = (await scene.call("GET", "/schema/openapi.json")).json()
    asked = set()
    for path, operations in document["paths"].items():
        for method in operations:
            if matching := [key for key in guarded if matches(key, method.upper(), path)]:
                asked.update(matching)
                concrete = re.sub(r"\{\w+\}", "upl_x", path)
                answer = await scene.call(method.upper(), concrete, BODIES.get(path, {}))
                assert problem(answer)[0] == 401, (method, path)
    assert asked == set(guarded)
    assert not [key for key in guarded if key.startswith(("OPTIONS", "ANY", "$"))]


def matches(key: str, method: str, path: str) -> bool:
    wanted, _, pattern = key.partition(" ")
    return wanted == method and re.fullmatch(pattern.replace("{proxy+}", ".+"), path) is not None


# --- what a stack is told ----------------------------------------------------------------------------

PEM = "-----BEGIN PUBLIC KEY-----\nMIIB=\n-----END PUBLIC KEY-----\n"


def written(folder: Path) -> Path:
    """The file of parameters that the guide has one write, beside two public keys."""
    for name in ("cdn-a.pub", "live-a.pub"):
        (folder / name).write_text(PEM)
    (script,) = re.findall(r"^ *(\{ echo 'CdnPublicKeyA.*?> params\.yaml)$", GUIDE, re.MULTILINE | re.DOTALL)
    subprocess.run(["/bin/sh", "-ec", script], cwd=folder, check=True, timeout=10)
    return folder / "params.yaml"


def test_parameters_are_written_as_the_guide_says(tmp_path: Path) -> None:
    """Line breaks of keys and all."""
    file = written(tmp_path)
    said = yaml.safe_load(file.read_text())
    assert said == {"CdnPublicKeyA": PEM, "LivePublicKeyA": PEM, "AlarmEmail": "ops@example.org"}
    assert parameters.main(["prod", str(file)]) == 0


def test_the_example_names_parameters_of_the_template() -> None:
    example = Path(parameters.__file__).with_name("parameters.example.yaml")
    named = re.findall(r"^(?:# )?([A-Z]\w+): ", example.read_text("utf-8"), re.MULTILINE)
    assert set(named) <= parameters.known()
    assert parameters.main(["prod", str(example)]) == 0


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("AlarmEmial: x\n", "AlarmEmial"),
        ("Stage: prod\n", "Stage"),
        ("AlarmEmail: x\n", "no CdnPublicKeyA"),
        ("CdnPublicKeyA:\n", "no LivePublicKeyA"),
        ("- x\n", "no list"),
        ("a: [\n", "params.yaml"),
    ],
)
def test_parameters_that_would_come_to_nothing_are_refused(
    said: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is deployed."""
    file = tmp_path / "params.yaml"
    file.write_text(said)
    assert parameters.main(["prod", str(file)]) == 2
    assert why in capsys.readouterr().err


def test_without_keys_a_stack_is_for_trying_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parameters.main(["prod"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert parameters.main(["dev"]) == 0
    assert "livestreams" in capsys.readouterr().err
    assert parameters.main(["prod", str(tmp_path / "params.yaml")]) == 2
    assert parameters.main(["prod", str(tmp_path / "params.json")]) == 2
