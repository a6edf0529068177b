"""The secret that the keys lie in, and the queue of events by name: what is asked of AWS, and what is made of answers."""

import json
from typing import Any

import pytest
from attrs import define, field
from botocore.exceptions import ClientError, EndpointConnectionError

from adapters.aws.queue import SqsQueue, named
from adapters.aws.secrets import keys
from domain.errors import Unavailable
from domain.ids import EventId


@define
class Service:
    """Stands for a client: notes what it is asked, and answers or raises what it was given."""

    answer: Any
    asked: list[dict[str, Any]] = field(factory=list)

    async def _answered(self, **given: Any) -> Any:
        self.asked.append(given)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    get_secret_value = send_message_batch = _answered


DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "x")
AWAY = EndpointConnectionError(endpoint_url="https://x.test")


async def test_keys_are_read_from_one_secret() -> None:
    """Fields that a later version adds are passed over."""
    stored = {"signing_key": "s" * 64, "cdn_key_a": "PEM A", "cdn_key_b": "", "more": 1}
    service = Service({"SecretString": json.dumps(stored)})
    found = await keys(service, "prod/keys")
    assert service.asked == [{"SecretId": "prod/keys"}]
    assert (found.signing, found.cdn) == (b"s" * 64, {"a": "PEM A", "b": ""})
    assert "PEM" not in repr(found)
    assert "sss" not in repr(found)


@pytest.mark.parametrize("answer", [DENIED, AWAY, {}, {"SecretString": "{"}, {"SecretString": "{}"}])
async def test_without_keys_nothing_starts(answer: object) -> None:
    """And nothing of the secret is said."""
    with pytest.raises(Unavailable, match="prod/keys cannot be read") as caught:
        await keys(Service(answer), "prod/keys")
    assert caught.value.code == "keys_unavailable"


async def test_events_are_sent_by_name_ten_at_a_time() -> None:
    service = Service({"Successful": [{"Id": "0"}]})
    events = [EventId(f"evt_{number}") for number in range(23)]
    await SqsQueue(service, "https://sqs.test/pages").send(events)
    sent = [[named(entry["MessageBody"]) for entry in each["Entries"]] for each in service.asked]
    assert [len(each) for each in sent] == [10, 10, 3]
    assert [event for each in sent for event in each] == events
    assert {each["QueueUrl"] for each in service.asked} == {"https://sqs.test/pages"}
    assert all(len({entry["Id"] for entry in each["Entries"]}) == len(each["Entries"]) for each in service.asked)


@pytest.mark.parametrize("answer", [AWAY, {"Failed": [{"Id": "0", "Code": "InternalError"}]}])
async def test_a_queue_that_takes_not_all_is_tried_again(answer: object) -> None:
    with pytest.raises(Unavailable) as caught:
        await SqsQueue(Service(answer), "https://sqs.test/pages").send([EventId("evt_1")])
    assert caught.value.code == "queue_busy"


async def test_a_queue_that_may_not_be_written_to_is_a_fault_of_ours() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        await SqsQueue(Service(DENIED), "https://sqs.test/pages").send([EventId("evt_1")])


@pytest.mark.parametrize("body", ["", "{}", '{"event": 1}', "[]"])
def test_a_message_that_names_no_event_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        named(body)
