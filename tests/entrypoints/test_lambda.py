"""The functions of the cloud, over the memory profile: golden events in, and what comes of them."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from attrs import define, field
from dependency_injector.providers import Object

from adapters.aws.cognito import HANDLE
from adapters.aws.ivs import Channels, IvsIngest
from adapters.aws.job import SCHEMA, Places
from adapters.aws.mediaconvert import MediaConvertTranscoder
from application.ports import Envelope
from domain.access import Actor
from domain.broadcasts import RecordingStatus, Timeline
from domain.channels import ChannelOpened
from domain.engagement import Notify, Subscription
from domain.errors import NotFound, Unavailable
from domain.identity import User
from domain.ids import BroadcastId, ChannelId, EventId, StreamId, UserId
from domain.notifications import FanOut, Kind, Notice, Subject
from domain.processing import Report, State
from domain.streams import Stream
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


def test_a_record_that_failed_comes_again_soon(functions: Functions) -> None:
    """Later each time; one that cannot be read when its queue says so, and so do all when SQS cannot be asked."""
    metadata = transcoding(functions)
    unknown = aws.job("ERROR", {**metadata, "video_id": "vid_unknown"}, errorCode=1010)
    put_off: list[tuple[str, int]] = []

    async def retries(queue: str, receipt: str, after_s: int) -> None:
        put_off.append((f"{queue.rpartition(':')[2]} {receipt}", after_s))
        if after_s > 60:
            raise Unavailable("SQS is away")

    functions.core.adapters.retries.override(Object(retries))
    for tried in (1, 2, 3):
        assert functions.failed("on_transcode", aws.of_sqs(unknown, "{", tried=tried)) == ["m0", "m1"]
    assert functions.failed("on_upload", aws.of_sqs("{")) == ["m0"]
    assert put_off == [("queue AQEB", 30), ("queue AQEB", 60), ("queue AQEB", 90)]


def test_states_and_stacks_that_are_not_known_are_passed_over(functions: Functions) -> None:
    """A new state of MediaConvert's, another stack's job, another version of ours."""
    metadata = transcoding(functions)
    passed = (
        aws.job("DREAMING", metadata), aws.job("CANCELED", metadata), aws.job("ERROR", {**metadata, "env": "dev"}),
        aws.job("ERROR", {**metadata, "schema": "99"}), aws.job("ERROR", {}),
    )  # fmt: skip
    assert functions.failed("on_transcode", aws.of_sqs(*passed)) == []
    counted = functions.counted()
    assert (counted["ReportsIgnored"], counted["UnknownEvents"]) == (len(passed), 2)


# --- on_stream and on_recording ----------------------------------------------------------------------


def streaming(functions: Functions) -> Stream:
    """A stream of Olga's that has a channel of IVS."""
    card = functions.announce(send=False)
    adapters = functions.core.adapters
    channels = Channels(env="prod", bucket="raw", recordings={})
    adapters.ingest.override(Object(IvsIngest(None, None, None, channels, adapters.now(), once=None, key=None)))  # type: ignore[arg-type]  # nothing is asked of tables
    stream = Stream(
        id=StreamId("str_1"), channel=card.upload.channel, title="Live", ingest=aws.CHANNEL_OF_IVS,
        created_at=adapters.now()(),
    )  # fmt: skip
    saved: Stream = functions.run(adapters.streams().save(stream))
    return saved


def timeline(functions: Functions, stream: Stream) -> Timeline:
    found: Timeline = functions.run(functions.core.adapters.broadcasts().timeline(stream.id))
    return found


def test_what_ivs_says_of_a_stream_is_believed_in_any_order(functions: Functions) -> None:
    """Twice, and the end before the start."""
    stream = streaming(functions)
    ended, started = (aws.ivs("Stream State Change", name) for name in ("Stream End", "Stream Start"))
    starving = aws.ivs("Stream Health Change", "Starvation Start")
    for event in (ended, started):
        assert functions.failed("on_stream", aws.of_sqs(event, starving, event)) == []
    known = timeline(functions, stream).broadcasts[BroadcastId(aws.BROADCAST_OF_IVS)]
    assert known.started_at == datetime.fromisoformat(started["time"])
    assert known.ended_at == datetime.fromisoformat(ended["time"])
    assert functions.counted()["SignalsTaken"] == 6


def test_a_recording_that_ivs_tells_of_is_known_with_where_it_lies(functions: Functions) -> None:
    stream = streaming(functions)
    for status in ("Recording End", "Recording Start"):
        assert functions.failed("on_recording", aws.of_sqs(aws.ivs("Recording State Change", status))) == []
    (recording,) = timeline(functions, stream).recordings.values()
    assert recording.id == "j8Z9O91ndcVs"
    assert recording.source == f"ivs/v1/{aws.ACCOUNT}/AbCdef1G2hij/2026/11/30/10/1/j8Z9O91ndcVs/media/hls/master.m3u8"
    assert recording.duration_s == 99370.264
    assert recording.broadcasts == {"st-254sopYUvi6F78ghpO9vn0A", aws.BROADCAST_OF_IVS}


@pytest.mark.parametrize(("name", "status"), [("ended", RecordingStatus.READY), ("failed", RecordingStatus.FAILED)])
def test_the_end_of_a_recording_is_known_from_the_file_beside_it(
    functions: Functions, name: str, status: RecordingStatus
) -> None:
    """S3 tells of it, in case that IVS does not; both are one event."""
    stream = streaming(functions)
    prefix = f"ivs/v1/{aws.ACCOUNT}/AbCdef1G2hij/2026/11/30/10/1/j8Z9O91ndcVs"
    event = {**aws.created(f"{prefix}/events/recording-{name}.json"), "time": aws.now()}
    told = aws.ivs("Recording State Change", "Recording End" if name == "ended" else "Recording End Failure")
    assert functions.failed("on_recording", aws.of_sqs(event, told)) == []
    (recording,) = timeline(functions, stream).recordings.values()
    assert (recording.id, recording.source, recording.status) == (
        "j8Z9O91ndcVs", f"{prefix}/media/hls/master.m3u8", status
    )  # fmt: skip
    now = functions.core.adapters.now()()
    since, until = now - timedelta(minutes=1), now + timedelta(minutes=1)
    events = functions.run(functions.core.adapters.broadcasts().events(stream.id, since, until)).items
    assert len({each.id for each in events}) == len(events) == 1
    other = aws.created(f"{prefix}/events/recording-started.json")
    assert functions.failed("on_recording", aws.of_sqs(other)) == []
    assert functions.counted()["UnknownEvents"] == 1


def test_a_limit_is_told_in_words(functions: Functions) -> None:
    stream = streaming(functions)
    limit = {"limit_value": 8_500_000, "exceeded_by": 0.5, "limit_unit": "bits per second"}
    breach = aws.ivs("Limit Breach", "Ingest Bitrate", **limit)
    assert functions.failed("on_stream", aws.of_sqs(breach)) == []
    at = datetime.fromisoformat(breach["time"])
    events = functions.core.adapters.broadcasts().events(stream.id, at, at + timedelta(seconds=1))
    (event,) = functions.run(events).items
    assert event.detail["breach"] == "Ingest Bitrate of at most 8,500,000 bits per second, by 0.5"


def test_a_quota_of_the_account_raises_an_alarm(functions: Functions) -> None:
    """No channel is named with it."""
    streaming(functions)
    limit = {"limit_name": "Concurrent Broadcasts", "limit_value": 2, "exceeded_by": 3, "limit_unit": "active streams"}
    reached = aws.of_eventbridge("aws.ivs", "IVS Limit Breach", limit)
    assert functions.failed("on_stream", aws.of_sqs(reached)) == []
    assert functions.counted() == {"QuotasReached": 1}


def test_what_ivs_says_that_is_not_known_is_counted_and_done_with(functions: Functions) -> None:
    """Names, kinds and versions."""
    streaming(functions)
    unknown = (
        aws.ivs("Stream State Change", "Ingest Configuration Changed"), aws.ivs("Dream", "Stream Start"),
        {**aws.ivs("Stream State Change", "Stream Start"), "version": "1"},
        {**aws.ivs("Stream State Change", "Stream Start"), "source": "aws.ivschat"},
    )  # fmt: skip
    assert functions.failed("on_stream", aws.of_sqs(*unknown)) == []
    assert functions.counted() == {"UnknownEvents": len(unknown)}


def test_a_foreign_channel_is_left_to_the_dead_letters(functions: Functions) -> None:
    """However often it comes: a name that another stack gave, or nobody, and what is no event."""
    streaming(functions)
    foreign = [
        aws.ivs("Stream State Change", "Stream Start", channel_name=name) for name in ("dev-str_1", "prod-x", "")
    ]
    unread = ({**foreign[0], "resources": []}, {**foreign[0], "time": None}, {**foreign[0], "detail": {}}, "{")
    batch = aws.of_sqs(*foreign, *unread[:2], *unread[3:], tried=5)
    assert functions.failed("on_stream", batch) == [f"m{number}" for number in range(6)]


def test_what_is_told_of_a_stream_that_is_gone_is_dropped_after_some_tries(functions: Functions) -> None:
    """It may be there in a moment; but one that was removed while it was live goes on to be told of."""
    stream = streaming(functions)
    functions.run(functions.core.adapters.streams().remove(stream))
    event = aws.ivs("Stream State Change", "Stream End")
    assert functions.failed("on_stream", aws.of_sqs(event, tried=2)) == ["m0"]
    assert functions.failed("on_stream", aws.of_sqs(event, tried=3)) == []
    assert functions.counted() == {"StreamFailures": 1, "SignalsDropped": 1}


# --- on_chat -----------------------------------------------------------------------------------------


def asked(text: str, message: str = "AYk6xKitV4On", **sender: Any) -> dict[str, Any]:
    """As IVS Chat does (docs.aws.amazon.com/ivs/latest/ChatUserGuide/chat-message-review-handler.html)."""
    attributes = {"displayName": "Olga", "standing": "owner", "stream": "str_1"}
    return {
        "Content": text, "MessageId": message, "RoomArn": "arn:aws:ivschat:us-west-2:12345689012:room/g1H2I3j4k5L6",
        "Attributes": {}, "Sender": {"UserId": OLGA, "Ip": "192.0.2.1", "Attributes": attributes, **sender},
    }  # fmt: skip


def test_a_message_is_shown_as_it_is_kept(functions: Functions) -> None:
    """Once, however often IVS asks."""
    stream = streaming(functions)
    for _ in range(2):
        assert functions.call("on_chat", asked("  Hello   all ")) == {"ReviewResult": "ALLOW", "Content": "Hello all"}
    now = functions.core.adapters.now()()
    since, until = now - timedelta(minutes=1), now + timedelta(minutes=1)
    kept = functions.run(functions.core.adapters.chat_log().of_stream(stream.id, since, until)).items
    assert [(each.id, each.text, each.author) for each in kept] == [("AYk6xKitV4On", "Hello all", OLGA)]
    assert functions.counted() == {"MessagesShown": 2}


def test_a_message_that_may_not_be_said_is_denied_with_the_reason(functions: Functions) -> None:
    """Also in a room of nobody's, in that of a stream that is gone, and by someone who is."""
    streaming(functions)
    denied = [
        functions.call("on_chat", event)
        for event in (
            asked("x" * 501), asked("Hi", UserId="usr_gone"), asked("Hi", Attributes={"stream": "str_gone"}),
            asked("Hi", Attributes={}), asked("Hi", Attributes=None), {**asked("Hi"), "Sender": None},
        )
    ]  # fmt: skip
    assert [each["ReviewResult"] for each in denied] == ["DENY"] * 6
    assert denied[0]["Attributes"] == {"Reason": "a message has 1 to 500 characters"}
    assert denied[-1]["Attributes"] == {"Reason": "this room is not ours"}
    assert functions.counted() == {"MessagesRefused": 3, "UnknownEvents": 3}


def test_a_call_that_keeps_it_warm_asks_nothing(functions: Functions) -> None:
    assert functions.call("on_chat", {}) is None
    assert functions.counted() == {}


def test_what_goes_wrong_for_another_reason_is_no_answer(functions: Functions) -> None:
    """Then the room's own rule holds, which is not to show it."""
    functions.core.adapters.chat_log.override(Object(None))
    streaming(functions)
    with pytest.raises(AttributeError):
        functions.call("on_chat", asked("Hi"))


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


def test_an_event_of_another_version_is_counted(functions: Functions) -> None:
    """Such as one that the version after this stored, before someone went back to this one: the outbox puts it aside."""
    assert functions.failed("on_outbox", aws.of_stream(aws.change("evt_late", "Moonrise"))) == []
    assert functions.counted() == {"EventsDead": 1}


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
    stream = Stream(id=StreamId("str_cats"), channel=cats, title="Cats live", created_at=now)
    functions.run(adapters.streams().save(stream))
    notice = Notice(
        event=EventId("evt_published"), kind=Kind.WENT_LIVE, actor=OLGA, subject=Subject("stream", stream.id),
        text="Cats is live", at=now,
    )  # fmt: skip
    functions.run(adapters.outbox().put(FanOut(notice, cats, 0, None), EventId("evt_published-0")))
    return users


def test_the_pages_of_a_fan_out_go_by_a_queue_of_their_own(functions: Functions) -> None:
    """Each tells of the next one; everyone hears of it once, though messages come twice."""
    users, queue = fanning_out(functions, 450), Queue()
    functions.core.adapters.queues.override(Object({"FanOut": queue}))
    for number, page in enumerate(("evt_published-0", "evt_published-0-1", "evt_published-0-2")):
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
        ("on_stream", aws.of_sqs("{")),
        ("on_recording", aws.of_sqs("{")),
        ("on_chat", {}),
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


def test_a_session_that_goes_on_is_told_as_far_as_it_went(functions: Functions) -> None:
    """Waiting for its end would take as long as the function may run."""
    me, core = signed_in(functions), functions.core

    def made(path: str, **body: object) -> str:
        return str(json.loads(ask(functions, "POST", path, body, headers=me)["body"])["id"])

    stream = made("/v1/streams", title="Live", channel_id=made("/v1/channels", handle="cats", name="Cats"))
    assert (
        ask(functions, "POST", f"/v1/dev/streams/{stream}/simulate", {"step": "start"}, headers=me)["statusCode"] == 204
    )
    for _ in range(3):
        functions.run(core.take_signal()(functions.run(core.adapters.signals().next())))
    (session,) = json.loads(ask(functions, "GET", f"/v1/streams/{stream}/sessions", headers=me)["body"])["data"]
    answer = ask(functions, "GET", f"/v1/stream-sessions/{session['id']}/events/stream", headers=me)
    told = [line for line in answer["body"].splitlines() if line.startswith("event:")]
    assert told == ["event: event"] * 3 + ["event: session"]


def test_processing_is_told_as_it_stands(functions: Functions) -> None:
    """A video that waits for its bytes is shown so, and who follows it asks again."""
    me = signed_in(functions)
    channel = ask(functions, "POST", "/v1/channels", {"handle": "dogs", "name": "Dogs"}, headers=me)
    file = {"filename": "a.mp4", "content_type": "video/mp4", "size_bytes": 9}
    body = {"channel_id": json.loads(channel["body"])["id"], **file}
    video = json.loads(ask(functions, "POST", "/v1/uploads", body, headers=me)["body"])["video_id"]
    answer = ask(functions, "GET", "/v1/processing/stream", headers=me, query=f"video={video}")
    retry, event, rest = answer["body"].split("\n\n")
    assert (retry, rest) == ("retry: 3000", "")
    assert json.loads(event.removeprefix("event: processing\ndata: "))["state"] == "pending"
