"""The functions of the cloud, over the memory profile: golden events in, and what comes of them."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import pytest
from attrs import define, field
from dependency_injector.providers import Object

from adapters.aws.cognito import HANDLE
from adapters.aws.job import SCHEMA, Places
from adapters.aws.mediaconvert import MediaConvertTranscoder
from application.ports import Envelope
from domain.access import Actor
from domain.channels import ChannelOpened
from domain.engagement import Notify, Subscription
from domain.errors import NotFound, Unavailable
from domain.identity import User
from domain.ids import ChannelId, EventId, UserId
from domain.notifications import FanOut, Kind, Notice, Subject
from domain.processing import Report, State
from domain.uploads import Status
from entrypoints.settings import Settings
from tests.deployment import resources
from tests.entrypoints import aws_events as aws
from tests.entrypoints.functions import OLGA, Functions

LAMBDAS = "AWS_LAMBDA_RUNTIME_API"
NOBODYS = "upl_01J9ZK3B1W8N6T2Q4R5S7V9X0Y"


# --- the start ---------------------------------------------------------------------------------------

STARTED = """
import gc, importlib
importlib.import_module("entrypoints.lambda.{module}")
opened = importlib.import_module("entrypoints.lambda.runtime").core.cache_info().currsize
print(opened, gc.isenabled(), gc.get_freeze_count() > 100_000)
"""


@pytest.mark.parametrize("module", ["api", "events"])
@pytest.mark.parametrize("on_lambda", [True, False])
def test_an_environment_is_open_before_its_first_call(module: str, *, on_lambda: bool) -> None:
    """And what the start made is never looked at for garbage, what calls make is. Other processes are left alone."""
    env = {"HEXCAST_PROFILE": "memory", "HEXCAST_RATE_LIMIT": "0", **({LAMBDAS: "x"} if on_lambda else {})}
    done = subprocess.run(
        [sys.executable, "-c", STARTED.format(module=module)], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == (["1", "True", "True"] if on_lambda else ["0", "True", "False"])


# --- on_upload ---------------------------------------------------------------------------------------


def test_a_file_that_s3_has_whole_completes_its_upload_once(functions: Functions) -> None:
    """However often S3 says so, and though the client says it, too."""
    card = functions.announce()
    event = aws.of_sqs(aws.created(card.upload.source), aws.created(card.upload.source))
    assert functions.failed("on_upload", event) == []
    assert functions.status(card.upload.id) is Status.COMPLETED
    functions.run(functions.core.complete_upload()(Actor(OLGA), card.upload.id, []))
    assert functions.failed("on_upload", event) == []
    assert list(functions.waiting().values()).count("UploadCompleted") == 1
    assert functions.counted()["UploadsHeard"] == 4


def test_what_cannot_be_placed_comes_again_and_the_rest_of_its_batch_does_not(functions: Functions) -> None:
    """An upload that nobody knows (yet), and a message that is none."""
    card = functions.announce()
    batch = aws.of_sqs(aws.created(f"raw/{NOBODYS}/source"), "poison", aws.created(card.upload.source), {"detail": 1})
    assert functions.failed("on_upload", batch) == ["m0", "m1", "m3"]
    assert functions.status(card.upload.id) is Status.COMPLETED
    assert functions.failed("on_upload", aws.of_sqs("poison")) == ["m0"]
    assert functions.counted()["UploadFailures"] == 4


def test_what_is_not_known_is_counted_and_done_with(functions: Functions) -> None:
    """Other versions, other kinds, other keys: none of them can stop what comes after."""
    card = functions.announce()
    source = card.upload.source
    unknown = (
        aws.created(source, version="1"),
        aws.of_eventbridge("aws.s3", "Object Created", {"version": "2", "object": {"key": source}}),
        aws.of_eventbridge("aws.s3", "Object Deleted", {"object": {"key": source}}),
        aws.created("small/picture"),
        aws.created(f"{source}/more"),
    )
    assert functions.failed("on_upload", aws.of_sqs(*unknown)) == []
    assert functions.status(card.upload.id) is Status.WAITING
    assert functions.counted() == {"UnknownEvents": len(unknown)}


def test_a_file_that_is_not_all_there_is_refused(functions: Functions) -> None:
    """Whoever sends it may send it again."""
    card = functions.announce(send=False)
    assert functions.failed("on_upload", aws.of_sqs(aws.created(card.upload.source))) == []
    assert functions.status(card.upload.id) is Status.WAITING
    assert functions.counted() == {"UploadsRefused": 1}


# --- on_transcode ------------------------------------------------------------------------------------


@define
class Told:
    reports: list[Report] = field(factory=list)

    async def __call__(self, report: Report) -> None:
        self.reports.append(report)


def transcoding(functions: Functions) -> Mapping[str, str]:
    """MediaConvert is at a first attempt; the metadata of its job."""
    card = functions.announce()
    functions.failed("on_upload", aws.of_sqs(aws.created(card.upload.source)))
    functions.run(functions.core.deliver_events()())
    places = Places(raw_bucket="raw", media_bucket="media", role="role", queue="queue", env="prod")
    transcoder = MediaConvertTranscoder(None, None, functions.core.adapters.media(), places, Told())
    functions.core.adapters.transcoder.override(Object(transcoder))
    return {"video_id": card.upload.video, "attempt": "1", "env": "prod", "schema": SCHEMA, "board": "160x90/5"}


def state(functions: Functions, metadata: Mapping[str, str]) -> State:
    found: State = functions.run(functions.core.adapters.processings().get(metadata["video_id"])).state
    return found


def test_reports_of_a_job_move_its_video_on(functions: Functions) -> None:
    """Twice, and late, they change nothing more."""
    metadata = transcoding(functions)
    progress = {"currentPhase": "TRANSCODING", "jobPercentComplete": 7}
    update = aws.job("STATUS_UPDATE", metadata, jobProgress=progress)
    failed = aws.job("ERROR", metadata, errorCode=1010, errorMessage="broken")
    assert functions.failed("on_transcode", aws.of_sqs(update)) == []
    assert state(functions, metadata) is State.TRANSCODING
    assert functions.failed("on_transcode", aws.of_sqs(failed)) == []
    assert functions.failed("on_transcode", aws.of_sqs(update, failed)) == []
    assert state(functions, metadata) is State.FAILED
    assert functions.counted()["TranscodeReports"] == 4


def test_a_report_about_nothing_known_comes_again(functions: Functions) -> None:
    """Its video may be stored in this moment; and a poison message keeps none of the others."""
    metadata = transcoding(functions)
    unknown = aws.job("ERROR", {**metadata, "video_id": "vid_unknown"}, errorCode=1010)
    update = aws.job("PROGRESSING", metadata)
    assert functions.failed("on_transcode", aws.of_sqs(unknown, update, "{", {"detail-type": "x"})) == [
        "m0",
        "m2",
        "m3",
    ]
    assert state(functions, metadata) is State.PROBING


def test_states_and_stacks_that_are_not_known_are_passed_over(functions: Functions) -> None:
    """A new state of MediaConvert's, another stack's job, another version of ours."""
    metadata = transcoding(functions)
    passed = (
        aws.job("DREAMING", metadata), aws.job("CANCELED", metadata), aws.job("ERROR", {**metadata, "env": "dev"}),
        aws.job("ERROR", {**metadata, "schema": "99"}), aws.job("ERROR", {}),
    )  # fmt: skip
    assert functions.failed("on_transcode", aws.of_sqs(*passed)) == []
    assert functions.counted()["ReportsIgnored"] == len(passed)


# --- on_outbox and on_fanout -------------------------------------------------------------------------


def test_what_is_stored_is_delivered_at_once(functions: Functions) -> None:
    """Whatever the stream says of it later, and a second time, finds nothing to do."""
    card = functions.announce()
    functions.failed("on_upload", aws.of_sqs(aws.created(card.upload.source)))
    first = functions.stream()
    assert functions.failed("on_outbox", first) == []
    assert "TranscodeRequested" in functions.waiting().values()
    assert functions.failed("on_outbox", first) == []
    gone = [aws.change(id_, kind, "REMOVE") for id_, kind in functions.waiting().items()]
    moved = [aws.change(id_, kind, "MODIFY") for id_, kind in functions.waiting().items()]
    other = [aws.change(id_, kind, sort="ANSWER") for id_, kind in functions.waiting().items()]
    before = functions.waiting()
    assert functions.failed("on_outbox", aws.of_stream(*gone, *moved, *other)) == []
    assert functions.waiting() == before
    assert functions.counted()["EventsDelivered"] == len(first["Records"])


def test_an_event_that_cannot_be_dealt_with_now_is_put_off(functions: Functions) -> None:
    """It lies in the outbox, so the stream need not tell again."""

    class Away:
        async def put(self, _: object) -> None:
            raise Unavailable("away")

    functions.core.adapters.search.override(Object(Away()))
    functions.core.index_channel.reset()
    card = functions.announce()
    opened = ChannelOpened(card.upload.channel, functions.core.adapters.now()())
    functions.run(functions.core.adapters.outbox().put(opened, EventId("evt_opened")))
    assert functions.failed("on_outbox", aws.of_stream(aws.change("evt_opened", "ChannelOpened"))) == []
    assert functions.waiting()["evt_opened"] == "ChannelOpened"
    assert functions.counted() == {"EventsFailed": 1}


def test_a_batch_whose_table_is_away_comes_again(functions: Functions) -> None:
    """Those that could not even be claimed, and records that are none."""

    class Away:
        async def claim(self, *_: object, **__: object) -> Sequence[Envelope]:
            raise Unavailable("away")

    functions.core.adapters.outbox.override(Object(Away()))
    functions.core.deliver_events.reset()
    records = aws.of_stream(aws.change("evt_1", "ChannelOpened"), {"dynamodb": {"SequenceNumber": "seq-2"}})
    assert functions.failed("on_outbox", records) == ["seq-evt_1", "seq-2"]


@define
class Queue:
    sent: list[EventId] = field(factory=list)

    async def send(self, events: Sequence[EventId]) -> None:
        self.sent += events


def fanning_out(functions: Functions, fans: int) -> Sequence[UserId]:
    """Olga's channel tells everyone who follows it of something, and the first page waits; who should hear of it."""
    functions.announce()
    adapters, cats = functions.core.adapters, ChannelId("chn_cats")
    now = adapters.now()()
    users = [UserId(f"usr_fan{number:05}") for number in range(fans)]
    for user in users:
        functions.run(adapters.subscriptions().put(Subscription(user, cats, Notify.ALL, since=now)))
    notice = Notice(
        event=EventId("evt_published"), kind=Kind.VIDEO_PUBLISHED, actor=OLGA, subject=Subject("channel", cats),
        text="Cats published a film", at=now,
    )  # fmt: skip
    functions.run(adapters.outbox().put(FanOut(notice, cats, 0, None), EventId("evt_published-0")))
    return users


def test_the_pages_of_a_fan_out_go_by_a_queue_of_their_own(functions: Functions) -> None:
    """Each tells of the next one; everyone hears of it once, though messages come twice."""
    users, queue = fanning_out(functions, 450), Queue()
    functions.core.adapters.queues.override(Object({"FanOut": queue}))
    for number in range(3):
        page = f"evt_published-{number}"
        assert [id_ for id_, kind in functions.waiting().items() if kind == "FanOut"] == [page]
        assert functions.failed("on_outbox", aws.of_stream(aws.change(page, "FanOut"))) == []
        assert queue.sent[number:] == [page]
        assert functions.failed("on_fanout", aws.of_sqs({"event": page}, {"event": page})) == []
    assert "FanOut" not in functions.waiting().values()
    inbox = functions.core.adapters.inbox()
    assert {len(functions.run(inbox.list(user)).items) for user in users} == {1}


def test_a_page_that_is_no_message_is_left_to_the_dead_letters(functions: Functions) -> None:
    assert functions.failed("on_fanout", aws.of_sqs("{", {"event": "evt_unknown"}, {"page": 1})) == ["m0", "m2"]


# --- on_signup ---------------------------------------------------------------------------------------


def test_who_was_confirmed_has_a_profile(functions: Functions) -> None:
    """Made if it is not there, and left alone if it is; the answer is what was asked."""
    event = aws.confirmation("sub-1", **{"email": "nora@hexcast.test", HANDLE: "nora"})
    assert functions.call("on_signup", event) == event
    nora = functions.run(functions.core.adapters.users().get(UserId("sub-1")))
    assert (nora.handle, nora.email) == ("nora", "nora@hexcast.test")
    assert functions.call("on_signup", event) == event
    assert functions.run(functions.core.adapters.users().get(UserId("sub-1"))) == nora


def test_a_new_password_makes_nobody(functions: Functions) -> None:
    event = aws.confirmation("sub-1", "PostConfirmation_ConfirmForgotPassword", email="nora@hexcast.test")
    assert functions.call("on_signup", event) == event
    with pytest.raises(NotFound):
        functions.run(functions.core.adapters.users().get(UserId("sub-1")))


def test_a_profile_that_cannot_be_made_is_asked_for_again(functions: Functions) -> None:
    """By Cognito, which has let them in meanwhile."""

    class Away:
        async def get(self, _: UserId) -> User:
            raise Unavailable("away")

    functions.core.adapters.users.override(Object(Away()))
    functions.core.welcome_user.reset()
    event = aws.confirmation("sub-1", email="nora@hexcast.test")
    with pytest.raises(Unavailable, match="away"):
        functions.call("on_signup", event)
    assert functions.counted() == {"WelcomeFailures": 1, "HandlerFailures": 1}


# --- on_schedule -------------------------------------------------------------------------------------


def test_what_is_due_is_done(functions: Functions) -> None:
    """Each task that a schedule of the template names; and what nobody knows is passed over."""
    card = functions.announce()
    functions.failed("on_upload", aws.of_sqs(aws.created(card.upload.source)))
    tasks = [*functions.events.TASKS, "dance"]
    done = functions.call("on_schedule", {"tasks": tasks})
    assert list(done) == list(functions.events.TASKS)
    assert None not in done.values()
    assert done["events"] > 0
    assert functions.call("on_schedule", {"tasks": ["events"]}) == {"events": 0}
    assert functions.counted()["UnknownEvents"] == 1


def test_a_task_that_fails_keeps_no_other_from_it(functions: Functions) -> None:
    async def broken() -> int:
        raise Unavailable("away")

    functions.core.publish_due.override(Object(broken))
    done = functions.call("on_schedule", {"tasks": ["publish_due", "expire_uploads"]})
    assert done == {"publish_due": None, "expire_uploads": 0}
    assert functions.counted() == {"SweepFailures": 1}


def test_nothing_new_is_begun_when_time_is_short(functions: Functions) -> None:
    functions.announce()
    opened = ChannelOpened(ChannelId("chn_cats"), functions.core.adapters.now()())
    functions.run(functions.core.adapters.outbox().put(opened, EventId("evt_opened")))
    assert functions.call("on_schedule", {"tasks": ["events"]}, remaining_ms=10_000) == {"events": 0}
    assert functions.call("on_schedule", {"tasks": ["events"]}, remaining_ms=60_000) == {"events": 1}


def test_what_the_adapters_do_at_night_is_done(functions: Functions) -> None:
    async def recount(spare: Callable[[], bool]) -> int:
        return 3 if spare() else 0

    functions.core.adapters.nightly.override(Object((("recount", recount),)))
    assert functions.call("on_schedule", {"tasks": ["nightly"]}) == {"nightly": 3}


# --- the log -----------------------------------------------------------------------------------------


def test_every_call_leaves_a_line_of_json(functions: Functions) -> None:
    """With the call's id, also when it did nothing."""
    functions.call("on_schedule", {"tasks": []})
    (line,) = functions.printed()
    assert (line["message"], line["function"], line["request_id"]) == (
        "handled", "on_schedule", aws.Context().aws_request_id,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("on_upload", aws.of_sqs(aws.created(f"raw/{NOBODYS}/source"))),
        ("on_transcode", aws.of_sqs("{")),
        ("on_outbox", aws.of_stream(aws.change("evt_1", "ChannelOpened"))),
        ("on_fanout", aws.of_sqs({"event": "evt_1"})),
        ("on_signup", aws.confirmation("sub-1", email="nora@hexcast.test")),
        ("on_schedule", {"tasks": ["publish_due"]}),
    ],
)
def test_the_first_call_opens_what_the_others_use(
    unopened: Callable[[str], Any], name: str, event: dict[str, Any]
) -> None:  # fmt: skip
    """Not all that runs functions loads them as Lambda does, which opens everything before the first call."""
    events = unopened("events")
    logged = io.StringIO()
    events.log.handlers[0].setStream(logged)
    getattr(events, name)(event, aws.Context())
    assert unopened("runtime").core.cache_info().currsize == 1
    assert "RuntimeError" not in logged.getvalue()


# --- api ---------------------------------------------------------------------------------------------


def ask(functions: Functions, method: str, path: str, body: object = None, **options: Any) -> Any:
    del functions  # it has set the environment up
    return import_module("entrypoints.lambda.api").handler(aws.request(method, path, body, **options), aws.Context())


def test_the_api_is_the_one_that_the_server_serves(functions: Functions) -> None:
    answer = ask(functions, "GET", "/v1/meta", headers={"x-request-id": "abc"})
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["profile"] == "memory"
    assert answer["headers"]["x-request-id"] == "abc"
    assert not answer["isBase64Encoded"]
    again = ask(functions, "GET", "/v1/videos", query="limit=1")
    assert json.loads(again["body"]) == {"data": [], "next_cursor": None}


def test_problems_are_text(functions: Functions) -> None:
    answer = ask(functions, "GET", "/v1/me")
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (401, False)
    assert json.loads(answer["body"])["code"] == "unauthenticated"


def signed_in(functions: Functions) -> Mapping[str, str]:
    account = {"email": "nora@hexcast.test", "password": "correct horse battery staple"}
    ask(functions, "POST", "/v1/auth/sign-up", {**account, "handle": "nora", "display_name": "Nora"})
    (mail, *_) = functions.run(functions.core.adapters.mailbox().sent_to(account["email"]))
    ask(functions, "POST", "/v1/auth/confirm", {"email": account["email"], "code": mail.code})
    tokens = json.loads(ask(functions, "POST", "/v1/auth/sign-in", account)["body"])
    return {"authorization": f"Bearer {tokens['access_token']}"}


def test_who_signs_in_is_known(functions: Functions) -> None:
    answer = ask(functions, "GET", "/v1/me", headers=signed_in(functions))
    assert json.loads(answer["body"])["handle"] == "nora"


def test_a_stream_of_events_ends_at_once(functions: Functions) -> None:
    """Its answer is sent whole, and who listens asks again, after as long as the template says."""
    answer = ask(functions, "GET", "/v1/me/notifications/stream", headers=signed_in(functions))
    assert answer["statusCode"] == 200
    assert answer["headers"]["content-type"].startswith("text/event-stream")
    assert answer["body"].startswith("retry: 3000\n")
    said = resources("Serverless::Function")["ApiFunction"]["Environment"]["Variables"]
    assert int(said["HEXCAST_STREAM_RETRY_S"]) > Settings().stream_retry_s
