"""What happens in AWS, told to the core. Each handler takes an event twice, late, or out of order.

An event of a kind or version that this code does not know is counted, logged and done with. One that cannot be dealt
with now, or not placed, goes back to its queue, and after some tries to the queue beside it, which raises an alarm; the
rest of its batch is not kept waiting.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.batch import AsyncBatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from adapters.aws.events import confirmed, stored, uploaded
from adapters.aws.events import told as read
from adapters.aws.ivschat import allowed, denied, said
from adapters.aws.queue import named
from adapters.aws.reports import meaning
from adapters.aws.signals import breached
from adapters.rows import EVENTS
from application.events import Delivered
from domain.errors import DomainError, Invalid, NotFound, Stale, Unavailable
from domain.ids import EventId

from .runtime import begin, core, run
from .telemetry import Handler, count, log, told

AT_ONCE = 10
"""Events that a sweep claims together."""
SPARE_MS = 15_000
"""A sweep begins nothing new when it has less time left than this."""
ORPHAN_CALLS = 20
WELCOME_S = 3.0
RETRY_S = 30
"""After the first try; after each further one it takes so much longer."""
UNKNOWN_TRIES = 3
"""How often something may be told of a stream that is not there, before it is dropped."""


class _Batch(AsyncBatchProcessor):
    """All records at once, on the environment's loop."""

    def async_process(self) -> list[Any]:
        async def every() -> list[Any]:
            return list(await asyncio.gather(*map(self._async_process_record, self.records)))

        return run(every())


def _batch(
    name: str, kind: EventType, handle: Callable[[Any], Awaitable[None]], failures: str, retry_s: int = 0
) -> Handler:
    """Each record of a batch by itself, all at once; those that fail are counted, and come again: after ``retry_s``, if
    it is given and that may help.
    """

    async def one(record: Any) -> None:
        try:
            await handle(record)
        except Exception as error:
            count(failures)
            log.exception("event failed", record=record.raw_event)
            if retry_s and isinstance(error, NotFound | Stale | Unavailable):
                await _again(record, retry_s)
            raise

    def handler(event: dict[str, Any], context: Any) -> Any:
        core()  # before the loop runs
        processor = _Batch(event_type=kind, raise_on_entire_batch_failure=False)
        with processor(event["Records"], one, context):
            processor.async_process()
        return processor.response()

    handler.__name__ = name
    return told(handler)


async def _again(record: SQSRecord, after_s: int) -> None:
    tries = int(record.attributes.approximate_receive_count or 1)
    try:
        await core().adapters.retries()(record.event_source_arn, record.receipt_handle, after_s * tries)
    except Exception:  # noqa: BLE001  (then it comes when its queue says so)
        log.warning("a message comes again late", id=record.message_id, exc_info=True)


def _unknown(record: Mapping[str, Any]) -> None:
    count("UnknownEvents")
    log.warning("unknown event", record=record)


async def _uploaded(record: SQSRecord) -> None:
    upload = uploaded(read(record.body))
    if upload is None:
        _unknown(record.raw_event)
        return
    try:
        ended = await core().finish_upload()(upload)
    except Invalid as wrong:  # it is not all there: whoever sends it will hear of that, and may send it again
        count("UploadsRefused")
        log.warning("upload refused", upload=upload, why=str(wrong))
        return
    count("UploadsHeard")
    log.info("upload", upload=upload, status=ended.status.value)


async def _transcoded(record: SQSRecord) -> None:
    def unknown(what: str) -> None:
        _unknown({**record.raw_event, "unknown": what})

    report = await meaning(record.body, partial(core().adapters.transcoder().heard, unknown=unknown))
    if report is None:
        count("ReportsIgnored")
        return
    await core().apply_report()(report)
    count("TranscodeReports")
    log.info("report", video=report.video, attempt=report.attempt, job=report.job, state=report.state.value)


async def _broadcast(record: SQSRecord) -> None:
    event = read(record.body)
    limit = breached(event)
    if limit is not None:
        count("QuotasReached")
        log.error("a quota of IVS is reached", limit=limit, detail=event.detail)
        return
    signal = core().adapters.ingest().heard(event)
    if signal is None:
        _unknown(record.raw_event)
        return
    try:
        await core().take_signal()(signal)
    except NotFound:  # of a stream that was removed while it was live, there is more to be told
        if int(record.attributes.approximate_receive_count or 1) < UNKNOWN_TRIES:
            raise
        count("SignalsDropped")
        log.warning("signal dropped", ingest=signal.ingest, kind=signal.kind.value)
        return
    count("SignalsTaken")
    log.info("stream", ingest=signal.ingest, broadcast=signal.broadcast, kind=signal.kind.value)


async def _deliver(only: Sequence[EventId] | None = None) -> int:
    """Deliver what waits, or these; how many that were."""
    delivered = await core().deliver_events()(AT_ONCE if only is None else len(only), only=only)
    for each in delivered:
        _note(each)
    return len(delivered)


def _note(each: Delivered) -> None:
    if each.error is None:
        count("EventsDelivered")
        return
    count("EventsDead" if each.dead else "EventsFailed")
    log.warning(
        "event given up" if each.dead else "event failed",
        kind=type(each.envelope.event).__name__,
        id=each.envelope.id,
        attempt=each.envelope.attempts,
        exc_info=each.error,
    )


async def _stored(record: DynamoDBRecord) -> None:
    found = stored(record.raw_event)
    if found is None:
        return
    if found.kind not in EVENTS:  # of a later version: the outbox puts it aside
        count("EventsDead")
        log.error("event given up", kind=found.kind, id=found.event, why="this version does not know its kind")
    queue = core().adapters.queues().get(found.kind)
    if queue is None:
        await _deliver([found.event])
    else:
        await queue.send([found.event])
        count("EventsQueued")


async def _fanned_out(record: SQSRecord) -> None:
    await _deliver([named(record.body)])


on_upload = _batch("on_upload", EventType.SQS, _uploaded, "UploadFailures", RETRY_S)
on_transcode = _batch("on_transcode", EventType.SQS, _transcoded, "TranscodeFailures", RETRY_S)
on_stream = _batch("on_stream", EventType.SQS, _broadcast, "StreamFailures")
on_recording = _batch("on_recording", EventType.SQS, _broadcast, "RecordingFailures")
on_outbox = _batch("on_outbox", EventType.DynamoDBStreams, _stored, "OutboxFailures")
on_fanout = _batch("on_fanout", EventType.SQS, _fanned_out, "FanOutFailures")


@told
def on_signup(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001  (Lambda's signature)
    """After Cognito confirmed someone. It waits for five seconds, asks up to three times, and has confirmed them
    whatever comes of it; as a rule the profile is there, since the sign-up made it.
    """
    found = confirmed(event)
    if found is None:
        _unknown({"triggerSource": event.get("triggerSource")})
        return event
    opened = core()
    try:
        run(asyncio.wait_for(opened.welcome_user()(found.user, found.email, found.handle), WELCOME_S))
    except Exception:
        count("WelcomeFailures")
        log.exception("a profile was not made", user=found.user)
        raise
    count("UsersWelcomed")
    return event


@told
def on_chat(event: dict[str, Any], context: Any) -> Mapping[str, Any] | None:  # noqa: ARG001  (Lambda's signature)
    """IVS Chat asks whether a message may be shown, and waits for 200 ms. A schedule calls, too, for one environment to be
    there when it does: it takes ten times as long to begin one.
    """
    opened = core()
    if "MessageId" not in event:
        return None
    asked = said(event)
    if asked is None:
        _unknown({"room": event.get("RoomArn")})
        return denied("this room is not ours")
    try:
        message = run(opened.say_in_chat()(asked.stream, asked.user, asked.message, asked.text))
    except DomainError as refused:
        count("MessagesRefused")
        log.info("message refused", stream=asked.stream, code=refused.code)
        return denied(str(refused))
    count("MessagesShown")
    log.info("message", stream=message.stream)
    return allowed(message.text)


# --- what is due -----------------------------------------------------------------------------------

Spare = Callable[[], bool]
"""Whether there is time to begin something new."""
Task = Callable[[Spare], Coroutine[Any, Any, int]]
"""How much it did."""


async def _events(spare: Spare) -> int:
    """What the stream lost, what failed and is to come again, what came too early."""
    done = 0
    while spare() and (delivered := await _deliver()):
        done += delivered
    return done


def _once(case: str) -> Task:
    async def task(_: Spare) -> int:
        done: int = await core().providers[case]()()
        return done

    return task


async def _orphans(spare: Spare) -> int:
    """Some of the round that is under way."""
    removed = 0
    for _ in range(ORPHAN_CALLS):
        for each in await core().sweep_orphans()() if spare() else ():
            if each.error is not None:
                count("SweepFailures")
                log.warning("orphan not removed", key=each.name, exc_info=each.error)
                continue
            log.info("orphan removed", key=each.name, why=each.why)
            removed += 1
    return removed


async def _nightly(spare: Spare) -> int:
    """What the adapters count again or tidy up, at night."""
    done = 0
    for name, task in core().adapters.nightly():
        if spare():
            mended = await task(spare)
            log.info("nightly", task=name, mended=mended)
            done += mended
    return done


TASKS: Mapping[str, Task] = {
    "events": _events,
    "publish_due": _once("publish_due"),
    "expire_uploads": _once("expire_uploads"),
    "expire_sign_ups": _once("expire_sign_ups"),
    "sweep_processing": _once("sweep_processing"),
    "sweep_broadcasts": _once("sweep_broadcasts"),
    "remind_due": _once("remind_due"),
    "sweep_orphans": _orphans,
    "nightly": _nightly,
}
"""What a schedule may name."""


@told
def on_schedule(event: dict[str, Any], context: Any) -> dict[str, int | None]:
    """Do the tasks that the schedule names, one after the other; how much each did, None if it failed.

    The next call tries again what failed, so nobody needs to retry this one.
    """
    core()  # before the loop runs

    def spare() -> bool:
        return bool(context.get_remaining_time_in_millis() > SPARE_MS)

    done: dict[str, int | None] = {}
    for name in event.get("tasks", ()):
        if name not in TASKS:
            _unknown({"task": name})
            continue
        try:
            done[name] = run(TASKS[name](spare))
        except Exception:  # noqa: BLE001  (one that fails does not keep the others from it)
            done[name] = None
            count("SweepFailures")
            log.exception("sweep failed", task=name)
    return done


begin(core)
