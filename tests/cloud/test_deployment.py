"""The template, deployed on the emulated cloud: the API, the functions behind it and CloudFront, as people use them."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from attrs import frozen

from tests.cloud.deployment import Deployment, deploy
from tests.cloud.world import Stack, stack
from tests.media import films

PASSWORD = "correct horse battery"
DEADLINE_CALLS = 1000
"""So often is asked whether a film is ready whose job is over: each call takes its time."""


@frozen
class Site:
    stack: Stack
    deployed: Deployment
    http: httpx.Client

    def call(self, method: str, path: str, **given: Any) -> Any:
        answer = self.http.request(method, path, **given)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}\n{self.stack.log()[-2000:]}"
        return answer.json() if answer.content else {}

    def sign_up(self, handle: str) -> None:
        email = f"{handle}@example.org"
        body = {"email": email, "password": PASSWORD, "handle": handle, "display_name": handle.title()}
        self.call("POST", "/v1/auth/sign-up", json=body)
        code = self.stack.mail(email)[0]["code"]
        self.call("POST", "/v1/auth/confirm", json={"email": email, "code": code})
        tokens = self.call("POST", "/v1/auth/sign-in", json={"email": email, "password": PASSWORD})
        self.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    deployed = deploy(stack(), "hexcast-test", GatewayChecksUploads="yes")
    with httpx.Client(base_url=deployed.url, timeout=60) as http:
        yield Site(stack(), deployed, http)


def test_an_upload_becomes_a_film_that_cloudfront_shows_to_whom_it_may(site: Site, tmp_path: Path) -> None:
    """From the sign-up on, by way of every function that has a part in it; nobody else sees the film."""
    site.sign_up("ada")
    assert site.call("GET", "/v1/me")["handle"] == "ada"
    channel = site.call("POST", "/v1/channels", json={"handle": "engines", "name": "Engines"})["id"]
    film = films.landscape(tmp_path).read_bytes()
    body = {
        "channel_id": channel, "filename": "film.mp4", "content_type": "video/mp4", "size_bytes": len(film),
        "title": "First", "visibility": "private",
    }  # fmt: skip
    upload = site.call("POST", "/v1/uploads", json=body)
    assert httpx.put(upload["parts"][0]["url"], content=film, timeout=60).status_code == 200
    site.call("POST", f"/v1/uploads/{upload['id']}/complete", json={"parts": []})

    assert site.stack.finished_with(upload["id"]) == "COMPLETE"
    video = f"/v1/videos/{upload['video_id']}"
    states = (site.call("GET", video)["processing"]["state"] for _ in range(DEADLINE_CALLS))
    assert next(state for state in states if state in {"ready", "failed"}) == "ready"
    session = site.http.post(f"{video}/playback-sessions")
    manifest = session.json()["manifest_url"]
    assert httpx.get(manifest).status_code == 403
    # They are for TLS alone, so over HTTP they have to be sent by hand.
    cookies = {"cookie": "; ".join(f"{each.name}={each.value}" for each in session.cookies.jar)}
    with httpx.Client(headers=cookies, timeout=60) as viewer:
        names = [line for line in viewer.get(manifest).text.splitlines() if line.endswith(".m3u8")]
        assert names
        for name in names:
            playlist = viewer.get(urljoin(manifest, name))
            segments = [line for line in playlist.text.splitlines() if line and not line.startswith("#")]
            (tmp_path / name).write_bytes(b"".join(viewer.get(urljoin(manifest, each)).content for each in segments))
            subprocess.run([films.FFMPEG, "-v", "error", "-i", str(tmp_path / name), "-f", "null", "-"], check=True)
