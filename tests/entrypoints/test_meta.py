"""What the process says of itself, and the tools of the offline profiles."""

import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import Unavailable
from entrypoints.http import description
from entrypoints.http.app import Running, create_app
from entrypoints.http.meta import build
from entrypoints.settings import Settings
from tests.entrypoints.platform import ORIGIN, Platform, open_platform

DECLARED = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["version"]


async def test_the_process_serves_and_is_ready(platform: Platform) -> None:
    assert (await platform.client.get("/healthz")).json() == {"status": "ok"}
    assert (await platform.client.get("/readyz")).json() == {"status": "ready"}


async def test_without_its_worker_it_is_not_ready(platform: Platform) -> None:
    platform.app.asgi_handler = create_app(platform.core, Running(alive=lambda: False)).asgi_handler
    assert (await platform.client.get("/healthz")).status_code == 200
    answer = await platform.client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_without_its_records_it_is_not_ready(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(**_: object) -> None:
        raise Unavailable("the records are away")

    monkeypatch.setattr(platform.adapters.videos(), "listed", away)
    assert (await platform.client.get("/readyz")).status_code == 503


async def test_it_says_what_it_lets_clients_do() -> None:
    async with open_platform(Settings(profile="memory", rate_limit=100, public_url=ORIGIN)) as platform:
        shown = (await platform.client.get("/v1/meta")).json()
    assert (shown["name"], shown["profile"]) == ("hexcast", "memory")
    assert shown["limits"]["requests_per_minute"] == 100
    assert shown["limits"]["max_file_bytes"] == Settings().limits.file_bytes
    assert {"uploads", "dev_clock"} <= set(shown["features"])


async def test_a_checkout_knows_its_version(platform: Platform, tmp_path: Path) -> None:
    assert (await platform.client.get("/v1/meta")).json()["version"] == DECLARED
    assert (await platform.client.get("/schema/openapi.json")).json()["info"]["version"] == DECLARED
    away, odd = tmp_path / "away.toml", tmp_path / "odd.toml"
    odd.write_text("[project]")
    assert [build(away), build(odd)] == ["unknown", "unknown"]


async def test_the_offline_mailbox_shows_what_was_sent(platform: Platform) -> None:
    await platform.person("ada")
    shown = (await platform.client.get("/v1/dev/mailbox", params={"to": "Ada@Mail.Test"})).json()
    assert [set(mail) for mail in shown["data"]] == [{"to", "subject", "text", "code", "sent_at"}]
    assert shown["data"][0]["code"] in shown["data"][0]["text"]
    wrong = await platform.client.get("/v1/dev/mailbox", params={"to": "nobody"})
    assert wrong.status_code == 422
    assert (await platform.client.get("/v1/dev/mailbox")).status_code == 422


async def test_the_offline_clock_moves_ahead(platform: Platform) -> None:
    before, written = platform.clock.now(), platform.adapters.changes()()
    answer = await platform.client.post("/v1/dev/clock/advance", json={"seconds": 90})
    assert answer.status_code == 200
    assert platform.clock.now() == before + timedelta(seconds=90)
    assert answer.json()["now"].startswith((before + timedelta(seconds=90)).isoformat()[:19])
    assert platform.adapters.changes()() > written
    assert platform.worker._nudged.is_set()


@pytest.mark.parametrize("seconds", [-1, 1e12, "soon", None])
async def test_the_clock_does_not_go_back(platform: Platform, seconds: object) -> None:
    answer = await platform.client.post("/v1/dev/clock/advance", json={"seconds": seconds})
    assert answer.status_code == 422


@pytest.mark.parametrize("settings", [Settings(profile="aws"), Settings(profile="memory", dev=False)])
async def test_elsewhere_and_switched_off_there_is_no_such_tool(settings: Settings) -> None:
    async with open_platform(settings) as platform:
        assert (await platform.client.get("/v1/dev/mailbox?to=a@b.co")).status_code == 404
        assert (await platform.client.post("/v1/dev/clock/advance", json={"seconds": 1})).status_code == 404
        assert (await platform.client.post("/v1/dev/streams/str_x/simulate", json={"step": "start"})).json()[
            "detail"
        ] == ((await platform.client.post("/v1/dev/nothing")).json()["detail"])
        assert "dev_clock" not in (await platform.client.get("/v1/meta")).json()["features"]


async def test_the_keys_are_public_and_only_the_public_ones(platform: Platform) -> None:
    keys = (await platform.client.get("/.well-known/jwks.json")).json()["keys"]
    assert len(keys) == 2
    assert all(key["kty"] == "RSA" and key["kid"] and "d" not in key for key in keys)


async def test_the_api_is_described(platform: Platform) -> None:
    document = (await platform.client.get("/schema/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    operations = [each for path in document["paths"].values() for each in path.values()]
    ids = [each["operationId"] for each in operations]
    assert {"showMeta", "advanceClock"} <= set(ids)
    assert len(ids) == len(set(ids))


async def test_the_description_is_shown_by_scalar_from_here(platform: Platform) -> None:
    page = await platform.client.get("/schema")
    assert 'data-url="/schema/openapi.json"' in page.text
    assert "http" not in page.text
    assert "script-src 'self'; " in page.headers["content-security-policy"]
    script = await platform.client.get("/schema/scalar.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert len(script.content) > 1_000_000


async def test_a_browser_finds_the_description_at_the_root(platform: Platform) -> None:
    answer = await platform.client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/schema")
    assert "/" not in (await platform.client.get("/schema/openapi.json")).json()["paths"]
    icon = await platform.client.get("/favicon.ico")
    assert (icon.status_code, icon.content) == (204, b"")


async def test_without_its_script_there_is_a_plain_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(description, "SCRIPT", None)
    async with open_platform() as platform:
        page = await platform.client.get("/schema")
    assert "/schema/openapi.json" in page.text
    assert "/v1/meta" in page.text
    assert "<script" not in page.text
    assert "script-src" not in page.headers["content-security-policy"]
