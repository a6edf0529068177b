"""Bytes in and out: parts under their links, files in ranges."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from application.uploads import UploadCard
from domain.ids import VideoId
from domain.videos import Audience
from domain.watching import Grant
from entrypoints.http.media import span
from tests.entrypoints.platform import ORIGIN, Person, Platform

CONTENT = bytes(range(256)) * 40
KEY = "c/chn_1/avatar.jpg"


@pytest.fixture
async def shown(platform: Platform) -> Platform:
    await platform.adapters.media().put(KEY, CONTENT, "image/jpeg")
    return platform


async def announced(platform: Platform, owner: Person, size: int) -> UploadCard:
    channel = (await platform.channel(owner)).channel.id
    return await platform.core.start_upload()(
        owner.actor, channel, filename="a.mp4", content_type="video/mp4", size_bytes=size
    )


# --- in


async def test_a_part_is_taken_under_its_link(platform: Platform) -> None:
    ada = await platform.person("ada")
    card = await announced(platform, ada, 5)
    answer = await platform.client.put(card.tickets[0].url, content=b"hello")
    here = (await platform.core.show_upload()(ada.actor, card.upload.id)).received
    assert answer.status_code == 200
    assert (answer.content, answer.headers["content-length"]) == (b"", "0")
    assert answer.headers["etag"] == f'"{here[0].etag}"'
    assert here[0].size_bytes == 5


async def test_parts_may_be_larger_than_other_bodies(platform: Platform) -> None:
    size = 3 * 1024 * 1024
    card = await announced(platform, await platform.person("ada"), size)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(1024 * 1024)

    assert (await platform.client.put(card.tickets[0].url, content=chunks())).status_code == 200


@pytest.mark.parametrize("content", [b"hell", b"hello!"])
async def test_a_part_of_another_size_is_refused(platform: Platform, content: bytes) -> None:
    ada = await platform.person("ada")
    card = await announced(platform, ada, 5)
    answer = await platform.client.put(card.tickets[0].url, content=content)
    assert (answer.status_code, answer.json()["code"]) == (422, "size_mismatch")
    assert (await platform.core.show_upload()(ada.actor, card.upload.id)).received == []


async def test_links_are_neither_made_up_nor_used_late(platform: Platform) -> None:
    card = await announced(platform, await platform.person("ada"), 5)
    forged = await platform.client.put("/media/in/forged", content=b"hello")
    assert (forged.status_code, forged.json()["code"]) == (403, "link_invalid")
    platform.clock.advance(timedelta(days=30))
    late = await platform.client.put(card.tickets[0].url, content=b"hello")
    assert (late.status_code, late.json()["code"]) == (403, "link_expired")


async def call(
    platform: Platform, method: str, url: str, messages: list[Mapping[str, Any]], extensions: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """What is sent, message by message."""
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    path = httpx.URL(url).path
    scope: Any = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": [],
        "client": ("203.0.113.1", 1), "server": ("localhost", 80), "extensions": extensions,
    }  # fmt: skip
    await platform.app(scope, receive, send)
    return sent


async def test_a_part_that_breaks_off_leaves_nothing(platform: Platform) -> None:
    ada = await platform.person("ada")
    card = await announced(platform, ada, 5)
    gone: list[Mapping[str, Any]] = [
        {"type": "http.request", "body": b"hel", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent = await call(platform, "PUT", card.tickets[0].url, [*gone, {"type": "http.disconnect"}], {})
    assert sent[0]["status"] == 400
    assert (await platform.core.show_upload()(ada.actor, card.upload.id)).received == []


# --- out


async def test_a_file_is_given_whole(shown: Platform) -> None:
    url = shown.adapters.media().open_url(KEY)
    answer, head = await shown.client.get(url), await shown.client.head(url)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert (head.status_code, head.content) == (200, b"")
    for headers in (answer.headers, head.headers):
        assert headers["content-type"] == "image/jpeg"
        assert headers["content-length"] == str(len(CONTENT))
        assert headers["accept-ranges"] == "bytes"
        assert headers["cache-control"] == "public, max-age=60"
        assert headers["x-content-type-options"] == "nosniff"


async def test_who_has_the_file_is_told_so(shown: Platform) -> None:
    etag = (await shown.client.head(f"/media/o/{KEY}")).headers["etag"]
    answer = await shown.client.get(f"/media/o/{KEY}", headers={"if-none-match": f'"x", {etag}'})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=10000-", 10000, None), ("bytes=-5", -5, None),
     ("bytes=10230-99999", 10230, None), ("bytes=-99999", 0, None)],
)  # fmt: skip
async def test_a_range_is_given_alone(shown: Platform, header: str, start: int, end: int | None) -> None:
    answer = await shown.client.get(f"/media/o/{KEY}", headers={"range": header})
    expected = CONTENT[start:end]
    first = start % len(CONTENT)
    assert (answer.status_code, answer.content) == (206, expected)
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{len(CONTENT)}"


@pytest.mark.parametrize("header", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
async def test_a_range_beyond_the_file_is_refused(shown: Platform, header: str) -> None:
    answer = await shown.client.get(f"/media/o/{KEY}", headers={"range": header})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(CONTENT)}")


@pytest.mark.parametrize("header", ["bytes=0-1,5-6", "bytes=5-1", "lines=1-2", "bytes=-", "bytes=a-b"])
async def test_what_is_no_single_range_gives_the_whole(shown: Platform, header: str) -> None:
    answer = await shown.client.get(f"/media/o/{KEY}", headers={"range": header})
    assert (answer.status_code, len(answer.content)) == (200, len(CONTENT))


async def test_a_range_of_something_else_gives_the_whole(shown: Platform) -> None:
    etag = (await shown.client.head(f"/media/o/{KEY}")).headers["etag"]
    for condition, status in ((etag, 206), ('"other"', 200)):
        headers = {"range": "bytes=0-9", "if-range": condition}
        assert (await shown.client.get(f"/media/o/{KEY}", headers=headers)).status_code == status


@given(size=st.integers(0, 50), start=st.none() | st.integers(0, 60), end=st.none() | st.integers(0, 60))
def test_ranges_agree_with_slices(size: int, start: int | None, end: int | None) -> None:
    content = bytes(range(size))
    header = f"bytes={'' if start is None else start}-{'' if end is None else end}"
    try:
        found = span(header, size)
    except ValueError:
        found = None
        assert (start if start is not None else size - (end or 0)) >= size or not size
    if found is not None:
        expected = (
            content[size - min(end or 0, size) :] if start is None else content[start:][: (end or size) - start + 1]
        )
        if start is not None and end == 0:
            expected = content[start:1]
        assert content[found.start : found.end] == expected
        assert expected


async def test_private_media_needs_a_link_that_holds(platform: Platform) -> None:
    ada = await platform.person("ada")
    video = (await announced(platform, ada, 5)).upload.video
    media, key = platform.adapters.media(), f"v/{video}/1/master.m3u8"
    await media.put(key, b"#EXTM3U", "application/vnd.apple.mpegurl")
    await media.put(f"v/{video}/1/720p.m3u8", b"#EXTM3U 720", "application/vnd.apple.mpegurl")

    def link(audience: Audience, of: VideoId = video) -> str:
        grant = Grant(of, audience, platform.clock.now() + timedelta(hours=1))
        return media.granted(grant, key).url

    member = await platform.client.get(link(Audience.MEMBER))
    assert (member.status_code, member.headers["cache-control"]) == (200, "private, max-age=60")
    neighbour = await platform.client.get(httpx.URL(link(Audience.MEMBER)).join("720p.m3u8"))
    assert neighbour.text == "#EXTM3U 720"
    anyone = await platform.client.get(link(Audience.ANYONE))
    assert (anyone.status_code, anyone.json()["code"]) == (403, "link_void")
    other = await platform.client.get(link(Audience.MEMBER, VideoId("vid_other")))
    assert (other.status_code, other.json()["code"]) == (403, "link_invalid")
    assert (await platform.client.get(f"/media/o/{key}")).status_code == 404
    used = link(Audience.MEMBER)
    platform.clock.advance(timedelta(hours=2))
    assert (await platform.client.get(used)).json()["code"] == "link_expired"


@pytest.mark.parametrize("path", ["o/", "o/c/none.jpg", "o/x/y", "o/c/../../etc/passwd", "g/", "g/token", "g/t/v/x/y"])
async def test_what_is_not_there_is_not_given(platform: Platform, path: str) -> None:
    answer = await platform.client.get(f"{ORIGIN}/media/{path}")
    assert answer.status_code in (403, 404, 422)


async def test_media_is_only_read(shown: Platform) -> None:
    answer = await shown.client.post(f"/media/o/{KEY}")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_a_server_that_can_sends_the_file_itself(
    shown: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = shown.adapters.media()
    original = media.file

    async def on_disk(*asked: Any) -> Any:
        found: Any = await original(*asked)
        return evolve(found, path=str(tmp_path / "file"))

    monkeypatch.setattr(media, "file", on_disk)
    start: list[Mapping[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]
    able = await call(shown, "GET", f"/media/o/{KEY}", list(start), {"http.response.pathsend": {}})
    unable = await call(shown, "GET", f"/media/o/{KEY}", list(start), {})
    assert able[1] == {"type": "http.response.pathsend", "path": str(tmp_path / "file")}
    assert b"".join(message["body"] for message in unable[1:]) == CONTENT
