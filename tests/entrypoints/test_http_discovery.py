"""Search, feeds and embeds over HTTP."""

import xml.etree.ElementTree as ET
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from attrs import evolve

from domain.ids import ChannelId, VideoId
from domain.videos import Video
from entrypoints.http.views_social import EmbedView, atom
from tests.entrypoints.scenes import PUBLIC_URL, Scene, problem

ATOM, MEDIA = "{http://www.w3.org/2005/Atom}", "{http://search.yahoo.com/mrss/}"


async def test_search_finds_videos_and_channels_tagged_by_what_they_are(scene: Scene) -> None:
    ada = await scene.person("ada")
    channel = await scene.channel(ada, "boats")
    video = await scene.video(ada, channel, title="Wooden things")
    found = (await scene.call("GET", "/v1/search", params={"q": "boats"})).json()
    assert {each["type"]: each[each["type"]]["id"] for each in found["data"]} == {"video": video, "channel": channel}
    assert found["next_cursor"] is None
    (one,) = (await scene.call("GET", "/v1/search", params={"q": "boats", "type": "video"})).json()["data"]
    assert set(one) == {"type", "video"}
    assert one["video"] == (await scene.call("GET", f"/v1/videos/{video}")).json()
    (other,) = (await scene.call("GET", "/v1/search", params={"q": "boats", "type": "channel"})).json()["data"]
    assert other == {"type": "channel", "channel": (await scene.call("GET", f"/v1/channels/{channel}")).json()}
    assert (await scene.call("GET", "/v1/search", params={"q": '"* OR -'})).json()["data"] == []


async def test_search_goes_on_where_it_stopped(scene: Scene) -> None:
    ada = await scene.person("ada")
    channel = await scene.channel(ada)
    videos = [await scene.video(ada, channel, title=f"boats {each}") for each in range(3)]
    first = (await scene.call("GET", "/v1/search", params={"q": "boats", "limit": 2})).json()
    cursor = {"cursor": first["next_cursor"]}
    rest = (await scene.call("GET", "/v1/search", params={"q": "boats"} | cursor)).json()
    assert sorted(each["video"]["id"] for each in (*first["data"], *rest["data"])) == sorted(videos)
    for other in ({"q": "boat"}, {"q": "boats", "type": "video"}):
        assert problem(await scene.call("GET", "/v1/search", params=other | cursor)) == (400, "cursor_mismatch")


@pytest.mark.parametrize("query", [{}, {"q": ""}, {"q": "x" * 201}, {"q": "x", "type": "person"}])
async def test_searches_that_are_refused(scene: Scene, query: dict[str, str]) -> None:
    assert problem(await scene.call("GET", "/v1/search", params=query)) == (422, "invalid")


async def test_answers_to_nobody_in_particular_are_kept_until_something_is_written(scene: Scene) -> None:
    ada = await scene.person("ada")
    channel = await scene.channel(ada)
    await scene.settle()
    for path in ("/v1/search?q=films", f"/v1/feeds/channels/{channel}.atom"):
        etag = (await scene.call("GET", path)).headers["etag"]
        assert (await scene.call("GET", path, headers={"If-None-Match": etag})).status_code == 304
        await scene.call("PATCH", f"/v1/channels/{channel}", {"description": f"about {path}"}, by=ada)
        await scene.settle()
        assert (await scene.call("GET", path, headers={"If-None-Match": etag})).status_code == 200


# --- feeds ---------------------------------------------------------------------------------------


def text(element: ET.Element, path: str) -> str:
    found = element.find(path)
    assert found is not None, path
    return found.text or ""


async def test_a_channel_has_a_feed_of_its_public_videos(scene: Scene) -> None:
    ada = await scene.person("ada")
    channel = await scene.channel(ada)
    await scene.call("PATCH", f"/v1/channels/{channel}", {"description": "Boats & <more>"}, by=ada)
    videos = []
    for title in ("One", "<b>Two & “three”</b>"):
        scene.clock.advance(timedelta(minutes=10))
        videos.append(await scene.video(ada, channel, title=title, description="Line 1\nLine 2", tags=["boats", "a&b"]))
    await scene.video(ada, channel, visibility="unlisted")
    path = f"/v1/feeds/channels/{channel}.atom"
    answer = await scene.call("GET", path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/atom+xml; charset=utf-8")
    feed = ET.fromstring(answer.content)  # noqa: S314  (our own)
    assert feed.tag == f"{ATOM}feed"
    assert text(feed, f"{ATOM}id") == f"{PUBLIC_URL}/v1/channels/{channel}"
    assert (text(feed, f"{ATOM}title"), text(feed, f"{ATOM}subtitle")) == ("Films", "Boats & <more>")
    assert text(feed, f"{ATOM}author/{ATOM}name") == "Films"
    links = {link.get("rel"): link.get("href") for link in feed.findall(f"{ATOM}link")}
    assert links == {"self": PUBLIC_URL + path, "alternate": f"{PUBLIC_URL}/@films"}
    entries = feed.findall(f"{ATOM}entry")
    assert [text(each, f"{ATOM}id") for each in entries] == [f"{PUBLIC_URL}/v1/videos/{each}" for each in videos[::-1]]
    newest = entries[0]
    assert text(newest, f"{ATOM}title") == "<b>Two & “three”</b>"
    assert text(newest, f"{ATOM}summary") == "Line 1\nLine 2"
    assert [each.get("term") for each in newest.findall(f"{ATOM}category")] == ["boats", "a&b"]
    link = newest.find(f"{ATOM}link")
    assert link is not None
    assert (link.get("rel"), link.get("href")) == ("alternate", f"{PUBLIC_URL}/watch/{videos[1]}")
    shown = (await scene.call("GET", f"/v1/videos/{videos[1]}")).json()
    published = datetime.fromisoformat(shown["published_at"])
    for tag in (f"{ATOM}published", f"{ATOM}updated"):
        assert datetime.fromisoformat(text(newest, tag)) == published
    assert datetime.fromisoformat(text(feed, f"{ATOM}updated")) == published
    thumbnail = newest.find(f"{MEDIA}group/{MEDIA}thumbnail")
    assert thumbnail is not None
    assert dict(thumbnail.items()) == {"url": shown["poster_url"], "width": "1280", "height": "720"}


async def test_an_empty_feed_is_still_a_feed(scene: Scene) -> None:
    channel = await scene.channel(await scene.person("ada"))
    feed = ET.fromstring((await scene.call("GET", f"/v1/feeds/channels/{channel}.atom")).content)  # noqa: S314  (our own)
    assert feed.findall(f"{ATOM}entry") == []
    assert datetime.fromisoformat(text(feed, f"{ATOM}updated")) == scene.clock.now()


async def test_what_xml_cannot_say_is_left_out(scene: Scene) -> None:
    """U+FFFF is a character that text may hold and that XML 1.0 has no way to write."""
    ada = await scene.person("ada")
    channel = await scene.channel(ada)
    await scene.video(ada, channel, title="a\uffffb", tags=["c\ufffed"])
    content = (await scene.call("GET", f"/v1/feeds/channels/{channel}.atom")).content
    (entry,) = ET.fromstring(content).findall(f"{ATOM}entry")  # noqa: S314  (our own)
    assert text(entry, f"{ATOM}title") == "ab"
    assert [each.get("term") for each in entry.findall(f"{ATOM}category")] == ["cd"]


async def test_feeds_that_are_not_there(scene: Scene) -> None:
    channel = await scene.channel(await scene.person("ada"))
    for file in ("chn_x.atom", channel, f"{channel}.rss"):
        assert problem(await scene.call("GET", f"/v1/feeds/channels/{file}")) == (404, "not_found")


async def test_a_feed_shows_the_channels_picture_as_its_icon(scene: Scene) -> None:
    feed = await scene.core.show_channel_feed()(ChannelId(await scene.channel(await scene.person("ada"))))
    pictured = evolve(feed, card=evolve(feed.card, avatar_url="http://hexcast.test/a.jpg"))
    assert b"<icon>http://hexcast.test/a.jpg</icon>" in atom(pictured, PUBLIC_URL)


# --- embeds --------------------------------------------------------------------------------------


async def embedded(scene: Scene, video: str, **params: Any) -> Any:
    answer = await scene.call("GET", "/v1/oembed", params={"url": f"{PUBLIC_URL}/watch/{video}"} | params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_video_is_embedded_with_its_player_and_thumbnail(scene: Scene) -> None:
    ada = await scene.person("ada")
    video = await scene.video(ada, await scene.channel(ada), title='A "b" <c>')
    shown = (await scene.call("GET", f"/v1/videos/{video}")).json()
    found = await embedded(scene, video, format="json")
    html = (
        f'<iframe src="{PUBLIC_URL}/embed/{video}" width="1280" height="720" title="A &quot;b&quot; &lt;c&gt;"'
        ' style="border:0" allow="autoplay; fullscreen; picture-in-picture" allowfullscreen></iframe>'
    )
    assert found == {
        "version": "1.0", "type": "video", "provider_name": "Hexcast", "provider_url": PUBLIC_URL,
        "title": 'A "b" <c>', "author_name": "Films", "author_url": f"{PUBLIC_URL}/@films", "html": html,
        "width": 1280, "height": 720, "cache_age": 1800, "thumbnail_url": shown["poster_url"],
        "thumbnail_width": 1280, "thumbnail_height": 720,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("room", "size", "pictured"),
    [
        ({"maxwidth": 640}, (640, 360), False),
        ({"maxheight": 180}, (320, 180), False),
        ({"maxwidth": 640, "maxheight": 100}, (177, 100), False),
        ({"maxwidth": 1}, (1, 1), False),
        ({"maxwidth": 1920, "maxheight": 1080}, (1920, 1080), True),
    ],
)
async def test_neither_player_nor_thumbnail_is_larger_than_asked_for(
    scene: Scene, room: dict[str, int], size: tuple[int, int], *, pictured: bool
) -> None:
    ada = await scene.person("ada")
    video = await scene.video(ada, await scene.channel(ada))
    found = await embedded(scene, video, **room)
    assert (found["width"], found["height"]) == size
    assert {"thumbnail_url", "thumbnail_width", "thumbnail_height"} & set(found) == (
        {"thumbnail_url", "thumbnail_width", "thumbnail_height"} if pictured else set()
    )


async def test_portrait_stays_portrait(scene: Scene) -> None:
    ada = await scene.person("ada")
    video = await scene.video(ada, await scene.channel(ada), b"hexcast-fake 720x1280 60.0s\n")
    found = await embedded(scene, video)
    assert (found["width"], found["height"]) == (405, 720)


async def test_a_chosen_thumbnail_has_its_own_size_and_a_video_may_have_none(scene: Scene) -> None:
    ada = await scene.person("ada")
    video = VideoId(await scene.video(ada, await scene.channel(ada), b"hexcast-fake 720x1280 60.0s\n"))
    card = await scene.core.embed_video()(video)

    def sized(video: Video, poster_url: str | None) -> tuple[object, object]:
        view = EmbedView.of(evolve(card, video=video, poster_url=poster_url), PUBLIC_URL)
        return view.thumbnail_width, view.thumbnail_height

    assert sized(card.video, "http://hexcast.test/p.jpg") == (720, 1280)
    assert sized(evolve(card.video, thumbnail="v/x/thumb/1.jpg"), "http://hexcast.test/p.jpg") == (1280, 720)
    none, _ = sized(card.video, None)
    assert not isinstance(none, int)


async def test_an_unlisted_video_is_embedded_and_never_stored(scene: Scene) -> None:
    ada = await scene.person("ada")
    video = await scene.video(ada, await scene.channel(ada), visibility="unlisted")
    answer = await scene.call("GET", f"/v1/oembed?url={quote(f'{PUBLIC_URL}/embed/{video}?t=5#x')}")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")


async def test_a_stream_is_embedded_with_its_player(scene: Scene) -> None:
    ada = await scene.person("ada")
    body = {"channel_id": await scene.channel(ada), "title": 'A "b" <c>'}
    stream = (await scene.call("POST", "/v1/streams", body, by=ada)).json()["id"]
    for page in ("live", "embed"):
        url = f"{PUBLIC_URL}/{page}/{stream}"
        answer = await scene.call("GET", "/v1/oembed", params={"url": url, "maxwidth": 640})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["html"].startswith(
            f'<iframe src="{PUBLIC_URL}/embed/{stream}" width="640" height="360" title="A &quot;b&quot; &lt;c&gt;"'
        )
        assert (found["title"], found["author_name"], found["width"]) == ('A "b" <c>', "Films", 640)
        assert "thumbnail_url" not in found

    async def asked(url: str) -> tuple[int, str]:
        return problem(await scene.call("GET", "/v1/oembed", params={"url": url}, by=ada))

    assert await asked(f"{PUBLIC_URL}/watch/{stream}") == (404, "not_found")
    assert await asked(f"{PUBLIC_URL}/live/vid_x") == (404, "not_found")
    assert await asked(f"{PUBLIC_URL}/live/str_x") == (404, "not_found")
    await scene.call("PATCH", f"/v1/streams/{stream}", {"visibility": "unlisted"}, by=ada)
    kept = await scene.call("GET", "/v1/oembed", params={"url": f"{PUBLIC_URL}/live/{stream}"})
    assert (kept.status_code, kept.headers["cache-control"]) == (200, "no-store")
    await scene.call("PATCH", f"/v1/streams/{stream}", {"visibility": "private"}, by=ada)
    assert await asked(f"{PUBLIC_URL}/live/{stream}") == (401, "private_stream")


async def test_embeds_that_are_refused(scene: Scene) -> None:
    """As oEmbed has it: 404 for addresses without a video, 401 for private ones, 501 for other formats."""
    ada = await scene.person("ada")
    channel = await scene.channel(ada)
    video, private = await scene.video(ada, channel), await scene.video(ada, channel, visibility="private")

    async def asked(**params: Any) -> tuple[int, str]:
        return problem(await scene.call("GET", "/v1/oembed", params=params, by=ada))

    watch = f"{PUBLIC_URL}/watch/"
    assert await asked(url=watch + private) == (401, "private_video")
    assert await asked(url=watch + video, format="xml") == (501, "format_not_implemented")
    for url in (
        watch + "vid_x", watch, PUBLIC_URL, f"{PUBLIC_URL}.evil.test/watch/{video}", f"https://other.test/watch/{video}",
        f"{PUBLIC_URL}/watch/{video}/more", f"/watch/{video}", "",
    ):  # fmt: skip
        assert await asked(url=url) == (404, "not_found"), url
    assert await asked() == (422, "invalid")
    for wrong in ({"maxwidth": 0}, {"maxheight": -1}, {"format": "yaml"}):
        assert await asked(**{"url": watch + video} | wrong) == (422, "invalid")
