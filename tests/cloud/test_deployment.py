"""The template, deployed on the emulated cloud: the API, the functions behind it and CloudFront, as people use them."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from tests.cloud.deployment import deploy
from tests.cloud.site import Site
from tests.cloud.world import stack
from tests.media import films


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    deployed = deploy(stack(), "hexcast-test", GatewayChecksUploads="yes")
    with httpx.Client(base_url=deployed.url, timeout=60) as http:
        yield Site(stack(), deployed, http)


def test_an_upload_becomes_a_film_that_cloudfront_shows_to_whom_it_may(site: Site, tmp_path: Path) -> None:
    """From the sign-up on, by way of every function that has a part in it; nobody else sees the film."""
    site.sign_up("ada")
    assert site.call("GET", "/v1/me")["handle"] == "ada"
    upload = site.upload(site.channel("engines"), films.landscape(tmp_path).read_bytes())

    assert site.stack.finished_with(upload["id"]) == "COMPLETE"
    assert site.processed(upload) == "ready"
    session = site.http.post(f"/v1/videos/{upload['video_id']}/playback-sessions")
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
