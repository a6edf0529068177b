"""Each function has a role of its own: the emulated cloud with AUTH lets it do that and nothing else.

MediaConvert, which the emulator does not have, asks its IAM as well (``access``): for its own actions, for the passing
of the role, and for the files, which a job reads and writes as that role.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import frozen

from adapters.aws.cognito import HANDLE
from adapters.aws.reports import KIND
from adapters.rows import text_of
from domain.ids import JobId, VideoId
from domain.processing import Report, State
from tests.cloud.deployment import Deployment, aws, deploy
from tests.cloud.site import PASSWORD, Site, say, until
from tests.cloud.world import stack
from tests.deployment import resources
from tests.entrypoints.aws_events import confirmation
from tests.media import films

NAME = "hexcast-roles"
PICTURE = Path(__file__).parents[2] / "postman" / "files" / "picture.png"


@frozen(order=True)
class Grant:
    """``resources`` are patterns; using one of them is using it."""

    function: str
    action: str
    resources: tuple[str, ...]


@frozen
class Roles:
    """The template's, as they were deployed. ``names`` are those of the roles by what has them."""

    deployed: Deployment
    names: Mapping[str, str]

    @classmethod
    def of(cls, deployed: Deployment) -> "Roles":
        formation = aws(stack(auth=True), "cloudformation")
        made = formation.describe_stack_resources(StackName=deployed.name)["StackResources"]
        roles = [each for each in made if each["ResourceType"] == "AWS::IAM::Role"]
        ours = {*resources("Serverless::Function"), "Transcode"}  # those of schedules are SAM's own
        names = {each["LogicalResourceId"].removesuffix("Role"): each["PhysicalResourceId"] for each in roles}
        return cls(deployed, {name: role for name, role in names.items() if name in ours})

    def policies(self, function: str) -> Mapping[str, Any]:
        """Ours, by name; what SAM adds for logs and queues is not looked at."""
        iam, role = aws(stack(auth=True), "iam"), self.names[function]
        return {
            name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
        }

    def granted(self) -> set[Grant]:
        found = set()
        for function in self.names:
            for policy in self.policies(function).values():
                for statement in policy["Statement"]:
                    for action in _listed(statement["Action"]):
                        found.add(Grant(function, action, tuple(_listed(statement["Resource"]))))
        return found

    def used(self) -> set[tuple[str, str, str]]:
        functions = {role: function for function, role in self.names.items()}
        return {
            (functions[each["role"]], each["action"], each["resource"])
            for each in stack(auth=True).asked()
            if each["allowed"] and each["role"] in functions
        }

    def refused(self) -> list[Mapping[str, Any]]:
        ours = set(self.names.values())
        return [each for each in stack(auth=True).asked() if each["role"] in ours and not each["allowed"]]

    @contextmanager
    def changed(self, function: str, change: Callable[[list[str]], list[str]]) -> Iterator[None]:
        """As long as this lasts, it may do these actions in the place of those."""
        iam, role = aws(stack(auth=True), "iam"), self.names[function]
        before = self.policies(function)
        for name, policy in before.items():
            other = [{**each, "Action": change(_listed(each["Action"]))} for each in policy["Statement"]]
            document = json.dumps({**policy, "Statement": other})
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)
        try:
            yield
        finally:
            for name, policy in before.items():
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))


def word(resource: str) -> str:
    """A table, a bucket, the pool, a queue."""
    last = resource.rpartition(":")[2]
    for short, sign in (("raw", "rawbucket"), ("media", "mediabucket"), ("pool", "userpool/")):
        if sign in last:
            return short
    return last.removeprefix("table/").removeprefix(f"{NAME}-").partition("-")[0].partition("/")[0]


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@frozen
class Guarded:
    roles: Roles
    enter: Callable[[], Site]
    """As someone who is nobody yet."""


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    deployed = deploy(stack(auth=True), NAME, Admins="ada@example.org", Moderators="mod@example.org")
    entered: list[httpx.Client] = []

    def enter() -> Site:
        entered.append(httpx.Client(base_url=deployed.url, timeout=60))
        return Site(stack(auth=True), deployed, entered[-1])

    yield Guarded(Roles.of(deployed), enter)
    for client in entered:
        client.close()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return films.landscape(tmp_path_factory.mktemp("films")).read_bytes()


@pytest.fixture(scope="module")
def walked(guarded: Guarded, film: bytes) -> Guarded:
    """After a walk through all that the platform does."""
    ada, bob, mod = guarded.enter(), guarded.enter(), guarded.enter()
    for name, site in (("ada", ada), ("bob", bob), ("mod", mod)):
        site.sign_up(name)
    _forget_a_password(mod, "mod")
    channel = ada.channel("engines")
    bob.call("PUT", f"/v1/me/subscriptions/{channel}", json={"notify": "all"})

    upload = ada.upload(channel, film)
    video = f"/v1/videos/{upload['video_id']}"
    assert ada.stack.finished_with(upload["id"]) == "COMPLETE"
    assert ada.processed(upload) == "ready"
    _dress(ada, channel, video)
    ada.call("PATCH", video, json={"visibility": "public"})
    told = until(lambda: bob.call("GET", "/v1/me/notifications")["data"])
    assert [each["type"] for each in told] == ["video_published"]
    _watch(bob, ada, mod, video)
    _send_what_is_no_film(ada, channel)

    replaced = ada.upload(channel, film, complete=False, replaces=upload["video_id"])
    until(lambda: ada.call("GET", video)["processing"]["attempt"] == 2)
    assert ada.stack.finished_with(replaced["id"]) == "COMPLETE"
    _remove_what_is_transcoded(ada, channel, film)
    _broadcast(ada, bob, channel)
    _sign_up_by_halves(guarded)
    _tell_of_a_job_of_nobodys(guarded)
    done = ada.do(
        "events",
        "publish_due",
        "expire_uploads",
        "expire_sign_ups",
        "sweep_processing",
        "sweep_orphans",
        "nightly",
        "sweep_broadcasts",
        "remind_due",
    )
    assert None not in done.values(), done
    assert ada.do("nightly") == {"nightly": 0}  # the exports are there
    ada.call("DELETE", video)
    for who in (bob, mod, ada):
        who.call("DELETE", "/v1/me")
    last = {("cognito-idp:AdminDeleteUser", "pool"), ("dynamodb:Query", "inbox")}
    until(lambda: last <= {(action, word(what)) for who, action, what in guarded.roles.used() if who == "OnOutbox"})
    return guarded


def _dress(ada: Site, channel: str, video: str) -> None:
    """Captions, pictures, a schedule."""
    vtt = {"Content-Type": "text/vtt"}
    ada.call("PUT", f"{video}/captions/en", content="WEBVTT\n\n00:00.000 --> 00:02.000\nHello.\n", headers=vtt)
    ada.call("DELETE", f"{video}/captions/en")
    picture = PICTURE.read_bytes()
    ada.call("PUT", f"{video}/thumbnail", content=picture, headers={"Content-Type": "image/png"})
    ticket = ada.call("POST", f"/v1/channels/{channel}/images", json={"kind": "avatar", "size_bytes": len(picture)})
    assert httpx.put(ticket["url"], content=picture, timeout=60).status_code == 200
    ada.call("PATCH", f"/v1/channels/{channel}", json={"avatar_image_id": ticket["image_id"]})


def _watch(bob: Site, ada: Site, mod: Site, video: str) -> None:
    session = bob.call("POST", f"{video}/playback-sessions")
    bob.call("POST", f"{video}/views", json={"playback_session_id": session["id"], "position_s": 0.5})
    comment = bob.call("POST", f"{video}/comments", json={"text": "Well woven."})
    ada.call("POST", f"/v1/comments/{comment['id']}/replies", json={"text": "Thank you."})
    bob.call("PUT", f"{video}/reaction", json={"value": "like"})
    bob.call("GET", "/v1/search?q=engines")
    newest = bob.call("GET", "/v1/me/notifications")["data"][0]["id"]
    bob.call("POST", "/v1/me/notifications/read", json={"up_to": newest})
    bob.call("PUT", "/v1/me/notification-settings", json={"comment": False})
    bob.call("POST", "/v1/me/notifications/read", json={"ids": [newest]})
    bob.call("DELETE", f"{video}/reaction")
    bob.call("DELETE", f"/v1/comments/{comment['id']}")
    bob.call("DELETE", "/v1/me/history")
    twice = bob.http.post("/v1/channels", json={"handle": "engines", "name": "E"}, headers={"Idempotency-Key": "k"})
    assert twice.status_code == 409
    mod.call("PUT", f"/v1/admin/videos/{video.rpartition('/')[2]}/block", json={"reason": "A secret machine."})
    mod.call("DELETE", f"/v1/admin/videos/{video.rpartition('/')[2]}/block")


def _remove_what_is_transcoded(ada: Site, channel: str, film: bytes) -> None:
    """The job is stopped; one that ends all the same leaves nothing."""
    bucket, outputs = ada.deployed.outputs["MediaBucket"], aws(ada.stack, "mediaconvert")
    ada.stack.by_hand(bucket)
    upload = ada.upload(channel, film)

    def begun() -> str:
        return next((each["Id"] for each in outputs.search_jobs(InputFile=upload["id"])["Jobs"]), "")

    job = until(begun)
    ada.call("DELETE", f"/v1/videos/{upload['video_id']}")
    until(lambda: outputs.get_job(Id=job)["Job"]["Status"] == "CANCELED")
    ada.stack.drive(job, "COMPLETE")
    ada.stack.by_hand(bucket, on=False)


def _broadcast(ada: Site, bob: Site, channel: str) -> None:
    """Seen by the schedule, ended by its owner, kept as a film and removed; and a stream that is removed while it is live."""
    stream = ada.stream(channel)
    path = f"/v1/streams/{stream}"
    ada.begin(stream)
    assert ada.do("sweep_broadcasts") == {"sweep_broadcasts": 0}
    session = ada.is_live(stream)
    bob.call("POST", f"{path}/playback-sessions")
    _chat(ada, bob, path)
    ada.call("POST", f"{path}/metadata", json={"text": "Goal!"})
    ada.call("POST", f"{path}/rotate-key")
    ada.is_live(stream, live=False)
    over = ada.kept(session)
    assert ada.processed(over["recording"]) == "ready"
    ada.call("DELETE", f"/v1/videos/{over['recording']['video_id']}")
    ada.call("PATCH", path, json={"latency": "normal"})
    ivs = aws(ada.stack, "ivs")
    until(lambda: [each for each in ivs.list_channels()["channels"] if each["latencyMode"] == "NORMAL"])
    ada.call("POST", f"{path}/disable")
    ada.call("POST", f"{path}/enable")
    ada.begin(stream)
    ada.is_live(stream)
    ada.call("DELETE", path)


def _chat(ada: Site, bob: Site, path: str) -> None:
    """Slowly, and among subscribers; what is said is taken away, and its author banned."""
    ada.call("PATCH", f"{path}/chat-rules", json={"slow_mode_s": 1, "followers_only": True})
    token = bob.call("POST", f"{path}/chat-tokens")
    message = say(token, "Moths!")
    assert message["Type"] == "MESSAGE", message
    bobs = message["Sender"]["UserId"]
    ada.call("DELETE", f"{path}/chat-messages/{message['Id']}")
    ada.call("PUT", f"{path}/chat-bans/{bobs}")
    assert say(token | bob.call("POST", f"{path}/chat-tokens"), "Moths!")["ErrorCode"] == 403
    ada.call("DELETE", f"{path}/chat-bans/{bobs}")


def _forget_a_password(site: Site, handle: str) -> None:
    email = f"{handle}@example.org"
    site.call("POST", "/v1/auth/forgot-password", json={"email": email})
    code = site.stack.mail(email)[0]["code"]
    site.call("POST", "/v1/auth/reset-password", json={"email": email, "code": code, "password": PASSWORD})


def _sign_up_by_halves(guarded: Guarded) -> None:
    """Cognito confirmed someone whose profile was never made."""
    event = confirmation("half", **{"email": "half@example.org", HANDLE: "half"})
    function = guarded.roles.deployed.outputs["OnSignup"]
    answer = aws(stack(auth=True), "lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    assert "FunctionError" not in answer


def _tell_of_a_job_of_nobodys(guarded: Guarded) -> None:
    """And of a file: they come again soon."""
    sqs, outputs = aws(stack(auth=True), "sqs"), guarded.roles.deployed.outputs
    report = Report(video=VideoId("vid_none"), attempt=1, job=JobId("job_none"), state=State.PROBING)
    created = {
        "version": "0", "id": "x", "source": "aws.s3", "detail-type": "Object Created",
        "detail": {
            "version": "0", "bucket": {"name": outputs["RawBucket"]}, "object": {"key": "raw/upl_01J9ZQ6T5V8C3D2E1F0G9H8J7K/source"},
        },
    }  # fmt: skip
    said = {"JobQueue": {"detail-type": KIND, "detail": text_of(report)}, "UploadQueue": created}
    for queue, body in said.items():
        sqs.send_message(QueueUrl=outputs[queue], MessageBody=json.dumps(body))
    again = "sqs:ChangeMessageVisibility"
    both = {"OnTranscode", "OnUpload"}
    until(lambda: {who for who, action, _ in guarded.roles.used() if action == again} == both, calls=10_000)


def _send_what_is_no_film(ada: Site, channel: str) -> None:
    """In one part, in several, and given up half way."""
    letter = ada.upload(channel, b"Dear Charles, " * 10)
    assert ada.processed(letter) == "failed"
    large = ada.upload(channel, b"x" * (16 * 2**20 + 10))
    assert ada.processed(large) == "failed"
    begun = ada.announce(channel, 16 * 2**20 + 10)
    assert ada.call("GET", "/v1/uploads?status=open")["data"]
    ada.call("POST", f"/v1/uploads/{begun['id']}/cancel")


# A grant that nobody was seen to use has to say what it is for.
RARELY: Mapping[tuple[str, str, str], str] = {
    ("ApiFunction", "cognito-idp:AdminConfirmSignUp", "pool"): "a sign-up whose confirmation was cut off half way",
    ("ApiFunction", "cognito-idp:AdminRemoveUserFromGroup", "pool"): "someone is no administrator any more",
    ("ApiFunction", "cognito-idp:AdminUserGlobalSignOut", "pool"): "a new password for someone who was signed in",
    ("ApiFunction", "dynamodb:DeleteItem", "ops"): "a request with an idempotency key that failed is given up",
    ("ApiFunction", "ivschat:DeleteRoom", "room"): "of two that were made at the same time, one",
    ("ApiFunction", "s3:AbortMultipartUpload", "raw"): "an upload that could not be announced, or is over, is freed",
    ("ApiFunction", "s3:DeleteObject", "raw"): "the same",
    ("ApiFunction", "s3:ListBucket", "raw"): "without it S3 answers 403 for what is not there",
    ("ApiFunction", "s3:ListBucket", "media"): "the same",
    ("ApiFunction", "s3:GetObject", "media"): "playlists with signed links, for players without cookies",
    ("ApiFunction", "ivs:UpdateChannel", "channel"): "a stream is enabled before what was changed of it is settled",
    ("OnUpload", "s3:AbortMultipartUpload", "raw"): "a file that comes when its upload is over is freed",
    ("OnUpload", "s3:DeleteObject", "raw"): "the same",
    ("OnUpload", "s3:ListBucketMultipartUploads", "raw"): "the same",
    ("OnUpload", "s3:ListBucket", "raw"): "without it S3 answers 403 for what is not there",
    ("OnUpload", "s3:PutObject", "raw"): "a second begin, after a lost answer, is put together like the first",
    ("OnTranscode", "s3:DeleteObject", "media"): "a job that ends when its video is gone leaves files",
    ("OnOutbox", "dynamodb:ConditionCheckItem", "ops"): "a text of very many words is indexed in several transactions",
    ("OnOutbox", "dynamodb:UpdateItem", "core"): "a video that is public when it becomes ready is counted",
    ("OnOutbox", "s3:ListBucket", "raw"): "without it S3 answers 403 for what is not there",
    ("OnOutbox", "sqs:SendMessage", "OutboxDlq"): "Lambda puts there, as the function, what it gave up",
    ("OnFanOut", "dynamodb:PutItem", "ops"): "the next page, for a channel of more subscribers than a page takes",
    ("OnSchedule", "cognito-idp:AdminGetUser", "pool"): "who is about to be forgotten is looked at once more",
    ("OnSchedule", "dynamodb:ConditionCheckItem", "ops"): "as OnOutbox, whose events it delivers when they were lost",
    ("OnSchedule", "dynamodb:UpdateItem", "core"): "the same",
    ("OnSchedule", "s3:AbortMultipartUpload", "raw"): "DynamoDB gives up an export that it writes as the function",
    ("OnSchedule", "s3:GetObject", "media"): "what a job left whose completion was lost",
    ("OnSchedule", "s3:PutObject", "media"): "its poster and storyboard",
    ("Transcode", "s3:GetBucketLocation", "raw"): "MediaConvert on AWS finds a bucket's region",
    ("Transcode", "s3:ListBucket", "raw"): "the same",
}
STANDS_IN_FOR = {"OnSchedule": {"OnOutbox", "OnFanOut"}}
"""It delivers what these lost."""


def test_all_of_it_goes(walked: Guarded) -> None:
    """Nobody was refused anything that they need."""
    assert walked.roles.refused() == []


def test_nobody_may_do_what_nobody_does(walked: Guarded) -> None:
    """Whatever is granted was used on the walk, or says when it is."""
    used = walked.roles.used()

    def uses(grant: Grant) -> bool:
        functions = {grant.function} | STANDS_IN_FOR.get(grant.function, set())
        return any(
            function in functions and action == grant.action
            and any(fnmatchcase(resource, pattern) for pattern in grant.resources)
            for function, action, resource in used
        )  # fmt: skip

    granted = walked.roles.granted()
    said = {(each.function, each.action, word(each.resources[0])) for each in granted if not uses(each)}
    assert said - RARELY.keys() == set()
    assert RARELY.keys() - {(each.function, each.action, word(each.resources[0])) for each in granted} == set()


def test_what_is_granted_too_much_is_found(walked: Guarded) -> None:
    roles = walked.roles
    with roles.changed("OnFanOut", lambda actions: [*actions, "dynamodb:Scan"]), pytest.raises(AssertionError) as found:
        test_nobody_may_do_what_nobody_does(walked)
    assert "('OnFanOut', 'dynamodb:Scan', 'core')" in str(found.value)


@pytest.mark.parametrize(
    ("function", "action"),
    [
        ("ApiFunction", "s3:PutObject"),
        ("OnOutbox", "mediaconvert:CreateJob"),
        ("OnOutbox", "mediaconvert:Probe"),
        ("OnOutbox", "iam:PassRole"),
        ("Transcode", "s3:GetObject"),
        ("Transcode", "s3:PutObject"),
        ("OnTranscode", "dynamodb:PutItem"),
    ],
)
def test_nothing_goes_without_a_grant(walked: Guarded, film: bytes, function: str, action: str) -> None:
    """Each of these taken away stands in an upload's way, and is refused by name."""
    eve = walked.enter()
    handle = f"eve{function}{action.rpartition(':')[2]}".lower()[:20]
    eve.sign_up(handle)
    channel = eve.channel(f"{handle}_films")
    eve.stack.forget_asked()
    with walked.roles.changed(function, lambda actions: [each for each in actions if each != action] or ["none:None"]):
        try:
            eve.upload(channel, film)
        except AssertionError:
            assert function == "ApiFunction"
        refused = eve.stack.refused(action)
    assert refused["role"] == walked.roles.names[function]
