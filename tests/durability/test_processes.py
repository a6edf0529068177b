"""Several processes on one folder do what one would: nothing is lost, doubled or refused for being busy."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import define, field

from adapters.system import ticks
from tests.durability.books import Books, present
from tests.journey import clips
from tests.journey.server import PASSWORD, Person, Server, sign_up

PEOPLE = 8
ROUNDS = 12
QUOTA_BYTES = 100_000
PATIENCE_S = 120.0


@define(eq=False)
class Load:
    """People who ask at once, each over a connection of their own for every request, which any process may get."""

    server: Server
    people: Sequence[Person]
    pool: ThreadPoolExecutor = field(factory=lambda: ThreadPoolExecutor(PEOPLE))

    def ask(self, person: Person, method: str, path: str, **more: Any) -> httpx.Response:
        headers = more.pop("headers", {}) | {"Authorization": person.http.headers["Authorization"]}
        answer = httpx.request(method, self.server.url + path, headers=headers, timeout=60, **more)
        assert answer.status_code < 500, f"{method} {path}: {answer.status_code} {answer.text}"
        assert "database_busy" not in answer.text
        return answer

    def together(self, do: Callable[[Person], Any]) -> list[Any]:
        """What came of it for each, all of them at the same time."""
        start = threading.Barrier(len(self.people))

        def done(person: Person) -> Any:
            start.wait(30)
            return do(person)

        return list(self.pool.map(done, self.people))

    def found(self, look: Callable[[Books], Iterator[str]]) -> list[str]:
        with present(self.server.data) as connection:
            return list(look(Books(self.server.data, connection)))

    def rest(self) -> None:
        until = ticks() + PATIENCE_S
        while wrong := self.found(Books.settled):
            assert ticks() < until, wrong
            threading.Event().wait(0.05)

    def rows(self, statement: str, *values: Any) -> list[Any]:
        with present(self.server.data) as connection:
            return Books(self.server.data, connection).rows(statement, values)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "tiny.mp4"
    return clips.draw(path, *clips.picture("128x72", "10"), "-t", "1", "-pix_fmt", "yuv420p")


@pytest.fixture(scope="module", params=[2, 4])
def load(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    settings = {"HEXCAST_WORKERS": str(request.param), "HEXCAST_USER_QUOTA_BYTES": str(QUOTA_BYTES)}
    with Server(tmp_path_factory.mktemp("load") / "data", settings).running() as server:
        people = [sign_up(server, f"ann{number}") for number in range(PEOPLE)]
        load = Load(server, people)
        yield load
        load.pool.shutdown()
        load.rest()
        assert load.found(Books.counted) == []


def test_no_edit_is_lost(load: Load) -> None:
    """Everyone reads and writes what they read, changed: as many versions as edits that went well."""
    owner = load.people[0]
    channel = owner.post("/v1/channels", {"handle": "edited", "name": "0"})
    path = f"/v1/channels/{channel['id']}"
    for person in load.people[1:]:
        owner.answer(owner.http.put(f"{path}/members/{person.id}", json={"role": "editor"}))
    before = owner.get(path)["version"]

    def edit(person: Person) -> int:
        done = 0
        for _ in range(ROUNDS):
            shown = load.ask(person, "GET", path).json()
            headers, body = {"If-Match": f'"{shown["version"]}"'}, {"name": str(int(shown["name"]) + 1)}
            answer = load.ask(person, "PATCH", path, headers=headers, json=body)
            assert answer.status_code in {200, 412}, answer.text
            done += answer.status_code == 200
        return done

    edits = sum(load.together(edit))
    after = owner.get(path)
    assert edits >= ROUNDS
    assert (int(after["name"]), after["version"] - before) == (edits, edits)


def test_everyone_counts_once(load: Load, film: Path) -> None:
    """Comments, reactions and subscriptions about one video: the counts are the facts, one notification for each."""
    owner = load.people[0]
    channel = owner.channel("counted")
    video = owner.show(channel, film)

    def engage(person: Person) -> None:
        for number in range(ROUNDS):
            body = {"text": f"{number}"}
            assert load.ask(person, "POST", f"/v1/videos/{video}/comments", json=body).status_code == 201
            value = ("like", "dislike")[number % 2]
            load.ask(person, "PUT", f"/v1/videos/{video}/reaction", json={"value": value})
            if person is not owner:
                follow = f"/v1/me/subscriptions/{channel}"
                load.ask(person, "PUT", follow, json={"notify": "all"})
                if number % 3 == 1:
                    load.ask(person, "DELETE", follow)

    load.together(engage)
    load.rest()
    counts = owner.get(f"/v1/videos/{video}")["counts"]
    assert (counts["comments"], counts["likes"], counts["dislikes"]) == (PEOPLE * ROUNDS, 0, PEOPLE)
    assert owner.get(f"/v1/channels/{channel}")["counts"]["subscribers"] == PEOPLE - 1
    told = "SELECT count(*) FROM notification WHERE user = ? AND json_extract(doc, '$.kind') = 'comment'"
    assert load.rows(told, owner.id) == [((PEOPLE - 1) * ROUNDS,)]


def test_one_of_all_gets_a_handle(load: Load) -> None:
    for number in range(3):
        handle = f"wanted_{number}"

        def join(person: Person, handle: str = handle) -> int:
            address = f"{handle}.{person.id[-6:]}@example.org".lower()
            body = {"email": address, "password": PASSWORD, "handle": handle, "display_name": handle}
            return load.ask(person, "POST", "/v1/auth/sign-up", json=body).status_code

        assert sorted(load.together(join)) == [201] + [409] * (PEOPLE - 1)
        assert load.rows("SELECT count(*) FROM user WHERE handle = ?", handle) == [(1,)]


def test_a_quota_is_never_exceeded(load: Load) -> None:
    """One person, from everywhere at once."""
    owner = load.people[1]
    channel, size = owner.channel("large"), QUOTA_BYTES // 7

    def announce(_: Person) -> int:
        body = {"channel_id": channel, "filename": "f.mp4", "content_type": "video/mp4", "size_bytes": size}
        return load.ask(owner, "POST", "/v1/uploads", json=body).status_code

    answers = load.together(announce) + load.together(announce)
    assert sorted(answers) == [201] * 7 + [403] * (2 * PEOPLE - 7)
    assert load.rows("SELECT bytes, open FROM usage WHERE user = ?", owner.id) == [(7 * size, 7)]
    assert len(owner.get(f"/v1/channels/{channel}/videos")["data"]) == 7


def test_one_key_has_one_effect(load: Load) -> None:
    """The same answer for everyone who asks, or that it is being found."""
    owner = load.people[2]
    for number in range(ROUNDS):
        handle = f"keyed_{number}"

        def open_channel(_: Person, handle: str = handle) -> httpx.Response:
            body = {"handle": handle, "name": handle}
            return load.ask(owner, "POST", "/v1/channels", json=body, headers={"Idempotency-Key": handle})

        answers = load.together(open_channel)
        made = {answer.text for answer in answers if answer.status_code == 201}
        others = {answer.json()["code"] for answer in answers if answer.status_code != 201}
        assert len(made) == 1
        assert others <= {"idempotency_in_flight"}
        assert open_channel(owner).text in made


def test_what_goes_on_by_itself_does_so_once(load: Load, film: Path) -> None:
    """Videos that are made at once, and one that is published when it is time: one attempt and one notification each."""
    owner, fans = load.people[3], load.people[4:]
    channel = owner.channel("watched")
    for fan in fans:
        fan.answer(fan.http.put(f"/v1/me/subscriptions/{channel}", json={"notify": "all"}))
    present_time = datetime.fromisoformat(
        owner.answer(owner.http.post("/v1/dev/clock/advance", json={"seconds": 0}))["now"]
    )
    later = (present_time + timedelta(hours=2)).isoformat()
    with owner.told() as notices:
        videos = {owner.upload(channel, film, title=f"{number}") for number in range(4)}
        late = owner.upload(channel, film, title="late", visibility="scheduled", publish_at=later)
        fates = owner.wait_processed(notices, {*videos, late})
    assert set(fates.values()) == {"ready"}
    load.rest()
    owner.post("/v1/dev/clock/advance", {"seconds": timedelta(hours=2, minutes=1).total_seconds()})
    until = ticks() + PATIENCE_S
    while not load.rows("SELECT 1 FROM video WHERE id = ? AND listed_at IS NOT NULL", late):
        assert ticks() < until
        threading.Event().wait(0.05)
    load.rest()
    told = (
        "SELECT json_extract(doc, '$.subject.id'), count(*) FROM notification WHERE user = ?"
        " AND json_extract(doc, '$.kind') = 'video_published' GROUP BY 1"
    )
    for fan in fans:
        assert dict(load.rows(told, fan.id)) == dict.fromkeys({*videos, late}, 1)
    jobs = "SELECT count(*), max(runs), max(deaths) FROM job WHERE id LIKE ? || '%'"
    for video in {*videos, late}:
        assert load.rows(jobs, video) == [(1, 1, 0)]
    assert load.found(Books.processed) == []
