"""A request with a key is done once, however often it comes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta

import httpx
import pytest

from tests.entrypoints.platform import ORIGIN, Platform, open_platform
from tests.entrypoints.probes import Probes


@pytest.fixture
async def probed() -> AsyncIterator[Platform]:
    Probes.tries, Probes.status = 0, 201
    async with open_platform(controllers=[Probes]) as platform:
        yield platform


async def make(
    platform: Platform, key: str = "k1", number: int = 1, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    return await platform.client.post(
        "/v1/probes/things", json={"number": number}, headers={"idempotency-key": key, **(headers or {})}
    )


async def test_a_repeated_request_gets_the_first_answer(probed: Platform) -> None:
    first, again = await make(probed), await make(probed)
    assert (first.status_code, first.json()) == (201, {"tries": 1, "number": 1})
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert first.headers["x-request-id"] != again.headers["x-request-id"]


async def test_keys_belong_to_whom_and_what_they_were_sent_with(probed: Platform) -> None:
    ada, bob = await probed.person("ada"), await probed.person("bob")
    answers = [
        await make(probed),
        await make(probed, "k2"),
        await make(probed, headers=ada.headers),
        await make(probed, headers=bob.headers),
    ]
    assert [answer.json()["tries"] for answer in answers] == [1, 2, 3, 4]


async def test_a_key_is_not_reused_for_another_request(probed: Platform) -> None:
    await make(probed)
    other = await make(probed, number=2)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert Probes.tries == 1


async def test_refusals_are_kept_too_but_failures_are_not(probed: Platform) -> None:
    Probes.status = 409
    await make(probed, "refused")
    Probes.status = 503
    await make(probed, "failed")
    Probes.status = 201
    assert (await make(probed, "refused")).status_code == 409
    assert (await make(probed, "failed")).status_code == 201


async def test_one_of_many_at_once_does_it(probed: Platform) -> None:
    answers = await asyncio.gather(*(make(probed) for _ in range(8)))
    assert Probes.tries == 1
    done = [answer for answer in answers if answer.status_code == 201]
    refused = [answer.json()["code"] for answer in answers if answer.status_code != 201]
    assert done
    assert set(refused) <= {"idempotency_in_flight"}


async def test_a_request_that_died_frees_its_key_after_a_minute(
    probed: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = probed.adapters.idempotency()
    begin = store.begin

    async def dying(key: str, fingerprint: str, now: datetime) -> None:
        await begin(key, fingerprint, now)
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(store, "begin", dying)
        assert (await make(probed)).status_code == 500
    assert (await make(probed)).json()["code"] == "idempotency_in_flight"
    probed.clock.advance(timedelta(minutes=1))
    assert (await make(probed)).json()["tries"] == 1


async def test_a_request_that_was_broken_off_is_not_taken_for_one_that_failed(
    probed: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have had its effect, and nobody was told."""
    made = asyncio.Event()

    async def for_ever() -> None:
        made.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patched:
        patched.setattr(Probes, "made", staticmethod(for_ever))
        first = asyncio.create_task(make(probed))
        await made.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
    assert (await make(probed)).json()["code"] == "idempotency_in_flight"
    assert Probes.tries == 1


async def test_answers_are_kept_for_a_day(probed: Platform) -> None:
    await make(probed)
    probed.clock.advance(timedelta(hours=23))
    assert (await make(probed)).json()["tries"] == 1
    probed.clock.advance(timedelta(hours=2))
    assert (await make(probed)).json()["tries"] == 2


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
async def test_a_key_is_short_and_printable(probed: Platform, key: str) -> None:
    answer = await make(probed, key)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")


async def test_a_body_beyond_the_limit_is_refused(probed: Platform) -> None:
    answer = await probed.client.post(
        "/v1/probes/things", content=b" " * (1024 * 1024 + 1), headers={"idempotency-key": "k"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_however_its_path_is_written_it_is_done_once(probed: Platform) -> None:
    answers = [
        await probed.client.post(f"{ORIGIN}{path}", json={}, headers={"idempotency-key": "k"})
        for path in ("/v1/probes/things", "/v1//probes/things", "/v1/probes/things/")
    ]
    assert len({answer.content for answer in answers}) == 1


async def test_without_a_key_every_request_counts(probed: Platform) -> None:
    for tries in (1, 2):
        answer = await probed.client.post("/v1/probes/things", json={"number": 1})
        assert answer.json()["tries"] == tries
