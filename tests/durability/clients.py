"""People who write without pause, and remember what they were told.

A request whose answer did not come is sent again, with the same key, until it is answered.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from attrs import define, field, frozen

from application.channels import CHANNELS_MOST
from tests.journey.server import PASSWORD, Json, Person, Server, sign_up

LOST = "idempotency_answer_lost"
AGAIN_S = 0.05
DONE = "done"


@frozen
class Fact:
    """Something that was said to be there: ``count`` rows of the ``kind`` name it, or its value is this."""

    kind: str
    name: str
    more: str = ""
    """The video of an upload."""


@define(eq=False)
class Ledger:
    """What one person was told. ``pending`` is what was asked for and not answered yet: it may be there or not."""

    facts: set[Fact] = field(factory=set)
    """Each is there once, for good."""
    values: dict[Fact, Any] = field(factory=dict)
    """Each is the last that was acknowledged; None: it was taken away."""
    pending: dict[Fact, Any] = field(factory=dict)
    acknowledged: Counter[str] = field(factory=Counter)
    lost: Counter[str] = field(factory=Counter)


class Over(Exception):
    """It is time to end."""


@define(eq=False)
class Writer:
    """One person with a channel of their own, in a thread of their own."""

    server: Server
    person: Person
    channel: str
    version: int
    rng: random.Random
    film: Path
    stopping: threading.Event
    lock: threading.Lock
    ledger: Ledger = field(factory=Ledger)
    number: int = 0
    stage: Mapping[str, str] = field(factory=dict)
    """A video and a channel that all write about."""
    comments: list[str] = field(factory=list)
    videos: list[str] = field(factory=list)
    titles: dict[str, str] = field(factory=dict)
    """Of those, and those that were removed."""
    failure: BaseException | None = None

    @classmethod
    def opened(cls, server: Server, name: str, **more: Any) -> "Writer":
        person = sign_up(server, name)
        made = person.post("/v1/channels", {"handle": f"{name}_films", "name": name})
        return cls(server, person, made["id"], made["version"], **more)

    @property
    def name(self) -> str:
        return self.person.email.partition("@")[0]

    # --- asking until there is an answer

    def insist(self, method: str, path: str, *, key: str | None = None, **more: Any) -> httpx.Response:
        """The answer, whatever it is but a refusal that is none of the request's."""
        headers = more.pop("headers", {}) | ({"Idempotency-Key": key} if key else {})
        while True:
            try:
                answer = self.person.http.request(method, path, headers=headers, **more)
            except httpx.TransportError:
                # For as long as a server starts, and no end is asked for before all is answered.
                threading.Event().wait(AGAIN_S)
                continue
            if answer.status_code == 401:
                self._sign_in()
            elif answer.status_code == 409 and answer.json()["code"] == "idempotency_in_flight":
                threading.Event().wait(AGAIN_S)
            else:
                assert answer.status_code < 500, f"{method} {path}: {answer.status_code} {answer.text}"
                return answer

    def _sign_in(self) -> None:
        body = {"email": self.person.email, "password": PASSWORD}
        tokens = self.person.answer(self.insist("POST", "/v1/auth/sign-in", json=body))
        self.person.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"

    def _once(self, kind: str, name: str, path: str, body: Json) -> Json | None:
        """POST it with a key. What was answered; None if that it was carried out is all that is known."""
        fact = Fact(kind, name)
        with self.lock:
            self.ledger.pending[fact] = True
        answer = self.insist("POST", path, key=name, json=body)
        known = answer.is_success
        assert known or answer.json().get("code") == LOST, f"{path}: {answer.status_code} {answer.text}"
        with self.lock:
            del self.ledger.pending[fact]
            self.ledger.facts.add(fact)
            (self.ledger.acknowledged if known else self.ledger.lost)[kind] += 1
        return answer.json() if known else None

    def _set(self, fact: Fact, value: Any, ask: Callable[[], object]) -> None:
        """Something of which the last value counts."""
        with self.lock:
            self.ledger.pending[fact] = value
        ask()
        with self.lock:
            del self.ledger.pending[fact]
            self.ledger.values[fact] = value
            self.ledger.acknowledged[fact.kind] += 1

    # --- what they do

    def run(self) -> None:
        deeds = (
            (self.comment, 12), (self.reply, 8), (self.react, 9), (self.follow, 7), (self.edit, 9), (self.watch, 6),
            (self.upload, 1), (self.remove, 1), (self.open_channel, 1), (self.invite, 1),
        )  # fmt: skip
        try:
            while not self.stopping.is_set():
                (deed,) = self.rng.choices([deed for deed, _ in deeds], [weight for _, weight in deeds])
                deed()
        except BaseException as error:  # noqa: BLE001  (it is the test that fails)
            self.failure = error
            self.stopping.set()

    def fresh(self, what: str) -> str:
        self.number += 1
        return f"{what}_{self.name}_{self.number}"

    def comment(self) -> None:
        said = self._once(
            "comment", text := self.fresh("c"), f"/v1/videos/{self.stage['video']}/comments", {"text": text}
        )
        if said is not None:
            self.comments.append(said["id"])

    def reply(self) -> None:
        if self.comments:
            to = self.rng.choice(self.comments)
            self._once("comment", text := self.fresh("r"), f"/v1/comments/{to}/replies", {"text": text})

    def react(self) -> None:
        subject = f"/v1/videos/{self.stage['video']}"
        if self.comments and self.rng.random() < 0.5:
            subject = f"/v1/comments/{self.rng.choice(self.comments)}"
        value = self.rng.choice(["like", "dislike", None])
        body: dict[str, Any] = {"json": {"value": value}} if value else {}
        self._set(
            Fact("reaction", subject.rpartition("/")[2]), value,
            lambda: self.person.answer(self.insist("PUT" if value else "DELETE", f"{subject}/reaction", **body)),
        )  # fmt: skip

    def follow(self) -> None:
        channel = self.stage["channel"]
        value = self.rng.choice(["all", "none", None])
        body: dict[str, Any] = {"json": {"notify": value}} if value else {}
        self._set(
            Fact("subscription", channel), value,
            lambda: self.person.answer(
                self.insist("PUT" if value else "DELETE", f"/v1/me/subscriptions/{channel}", **body)
            ),
        )  # fmt: skip

    def edit(self) -> None:
        """Nobody else edits the channel, so an edit is refused only if it is there already."""
        name, path = self.fresh("n"), f"/v1/channels/{self.channel}"

        def ask() -> None:
            answer = self.insist("PATCH", path, headers={"If-Match": f'"{self.version}"'}, json={"name": name})
            if answer.status_code == 412:
                shown = self.person.answer(self.insist("GET", path))
                assert (shown["name"], shown["version"]) == (name, self.version + 1), "an edit was lost, or made twice"
            else:
                self.person.answer(answer)
            self.version += 1

        self._set(Fact("name", self.channel), (name, self.version + 1), ask)

    def watch(self) -> None:
        """A view, and where it stands in the film."""
        video = self.stage["video"]
        opened = self._once("session", name := self.fresh("s"), f"/v1/videos/{video}/playback-sessions", {})
        with self.lock:
            self.ledger.facts.discard(Fact("session", name))  # a session does not know its key
        if opened is None:
            return
        session, position = opened["id"], self.rng.randint(1, 900) / 1000
        with self.lock:
            self.ledger.facts.add(Fact("session", session))
        beat = {"playback_session_id": session, "position_s": position}
        self._set(
            Fact("watched", video), position,
            lambda: self.person.answer(self.insist("POST", f"/v1/videos/{video}/views", json=beat)),
        )  # fmt: skip

    def upload(self) -> None:
        """All of a film: announced, sent, completed."""
        name, content = self.fresh("u"), self.film.read_bytes()
        body = {
            "channel_id": self.channel, "filename": name, "content_type": "video/mp4", "size_bytes": len(content),
            "title": name, "visibility": "public",
        }  # fmt: skip
        card = self._once("upload", name, "/v1/uploads", body)
        if card is None:
            mine = self.person.answer(self.insist("GET", "/v1/uploads", params={"limit": "100"}))["data"]
            (card,) = [each for each in mine if each["filename"] == name]
        path = f"/v1/uploads/{card['id']}"
        (link,) = self.person.answer(self.insist("POST", f"{path}/parts", json={"numbers": [1]}))["parts"]
        self._set(
            Fact("part", card["id"], card["video_id"]), DONE,
            lambda: self.person.answer(self.insist("PUT", link["url"], content=content)),
        )  # fmt: skip

        def complete() -> None:
            answer = self.insist("POST", f"{path}/complete", key=self.fresh("k"), json={"parts": []})
            if answer.status_code == 409 and answer.json()["code"] == LOST:
                answer = self.insist("GET", path)
            assert self.person.answer(answer)["status"] == "completed"

        self._set(Fact("completed", card["id"], card["video_id"]), DONE, complete)
        self.titles[card["video_id"]] = name
        self.videos.append(card["video_id"])

    def remove(self) -> None:
        if len(self.videos) < 2:
            return
        video = self.videos.pop(self.rng.randrange(len(self.videos)))

        def ask() -> None:
            answer = self.insist("DELETE", f"/v1/videos/{video}")
            assert answer.is_success or answer.status_code == 404, answer.text

        self._set(Fact("removed", video), DONE, ask)

    def open_channel(self) -> None:
        if self.ledger.acknowledged["channel"] + self.ledger.lost["channel"] > CHANNELS_MOST // 2:
            return
        handle = self.fresh("ch")
        self._once("channel", handle, "/v1/channels", {"handle": handle, "name": handle})

    def invite(self) -> None:
        """Someone new signs up."""
        handle = self.fresh("p")
        body = {"email": f"{handle}@example.org", "password": PASSWORD, "handle": handle, "display_name": handle}
        self._once("user", handle, "/v1/auth/sign-up", body)
