"""Requests made up from the OpenAPI document: each answer is one that the document foresees."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from attrs import frozen
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from tests.entrypoints.cast import Cast, gathered
from tests.entrypoints.scenes import PUBLIC_URL
from tests.entrypoints.test_authorisation import TABLE

_HIDDEN = ("/schema", "/media", "/metrics", "/favicon.ico")
_ENDLESS = "GET /v1/me/notifications/stream"
ROUTES = sorted({row.route for row in TABLE if not row.route.split()[1].startswith(_HIDDEN)} - {_ENDLESS, "GET /"})
_NAMES = (
    "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "missing_required_header",
)  # fmt: skip
_REAL = {
    "channel_id": "channel", "channel": "channel", "video_id": "public", "comment_id": "comment",
    "upload_id": "upload", "user_id": "user", "handle": "handle", "language": "language",
    "playback_session_id": "session_of_owner",
}  # fmt: skip
_SIDE = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@frozen
class Stand:
    """A cast on a loop of its own, since Hypothesis calls tests without one; and the document as schemathesis has it."""

    runner: asyncio.Runner
    cast: Cast
    document: Any

    def answer(self, case: Any, who: str) -> Any:
        """What the app says to the case, by someone; what it changed is made anew."""
        return self.runner.run(self._answer(case, who))

    async def _answer(self, case: Any, who: str) -> Any:
        changes = self.cast.scene.core.adapters.changes()
        before = changes()
        kwargs = case.as_transport_kwargs(base_url=PUBLIC_URL, headers=dict(self.cast.headers(who)))
        sent = {key: kwargs[key] for key in ("method", "url", "params") if key in kwargs}
        # As bytes, since a header of a case may have any letter of Latin-1, and httpx sends ASCII only.
        sent["headers"] = [(name.encode(), value.encode("latin-1")) for name, value in kwargs["headers"].items()]
        if "json" in kwargs:
            sent["json"] = kwargs["json"]
        elif kwargs.get("data") is not None:
            sent["content"] = kwargs["data"]
        answer = await self.cast.scene.http.request(**sent)
        if changes() != before:
            await self.cast.renew()
        return answer


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with asyncio.Runner() as runner:
        opened = gathered()
        cast = runner.run(opened.__aenter__())
        try:
            document = runner.run(cast.scene.http.get("/schema/openapi.json")).json()
            yield Stand(runner, cast, schemathesis.openapi.from_dict(document))
        finally:
            runner.run(opened.__aexit__(None, None, None))


def _with_real(case: Any, things: dict[str, str]) -> None:
    """Ids of what is there in place of made up ones."""
    for values in (case.path_parameters, case.query, case.body):
        if isinstance(values, dict):
            values.update({name: things[thing] for name, thing in _REAL.items() if name in values})


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("route", ROUTES)
def test_conforms(stand: Stand, route: str, mode: GenerationMode) -> None:
    """To well-formed requests, and to ill-formed ones, by an owner and by nobody."""
    method, path = route.split()
    operation = stand.document[path][method]
    # Names that nobody knows are passed over in queries, and make no request ill-formed, as schemathesis thinks.
    forgiven = set() if "requestBody" in operation.definition.raw else {"negative_data_rejection"}
    checks = [CHECKS.get_one(name) for name in _NAMES if name not in forgiven]

    @_SIDE
    @given(
        case=operation.as_strategy(generation_mode=mode), who=st.sampled_from(["owner", "owner", "nobody"]),
        real=st.booleans(),
    )  # fmt: skip
    def conforms(*, case: Any, who: str, real: bool) -> None:
        if real and mode is GenerationMode.POSITIVE:
            _with_real(case, stand.cast.things)
        case.validate_response(stand.answer(case, who), checks=checks)

    try:
        conforms()
    except Unsatisfiable:  # then there must be nothing that could be ill-formed
        assert mode is GenerationMode.NEGATIVE
        assert "requestBody" not in operation.definition.raw
        assert {parameter["in"] for parameter in operation.definition.raw["parameters"]} <= {"path"}
