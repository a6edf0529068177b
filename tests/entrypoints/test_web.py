"""The web client: where its pages and files are, and what goes with them."""

import gzip
import re
from collections.abc import AsyncIterator, Mapping
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from application.ports import Origins
from domain.errors import Unavailable
from entrypoints.container import open_app
from entrypoints.http.app import create_app
from entrypoints.http.pages import Page, Shell, page_at, policy, read
from entrypoints.settings import Settings
from tests.architecture.test_containers import CLOUD
from tests.entrypoints.scenes import PUBLIC_URL, Scene, opened, problem

SHELL = "<!doctype html><html><head><title>Hexcast</title></head><body><div id=app></div></body></html>"
PLAYER = "<!doctype html><html><head><title>Hexcast</title></head><body><div id=player></div></body></html>"
SCRIPT = b"console.log('hexcast');" * 100
NAVIGATION = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PAGES = (
    "/", "/search", "/subscriptions", "/history", "/notifications", "/sign-in", "/sign-up", "/forgot", "/account", "/search/",
    "/studio", "/studio/upload", "/studio/videos", "/studio/videos/vid_1", "/studio/videos/vid_1/captions", "/studio/live",
    "/studio/live/str_1", "/studio/comments", "/studio/analytics", "/studio/channels", "/studio/channels/chn_1", "/studio/",
)  # fmt: skip


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A client as Vite builds one, with packed twins; of one asset the gzip twin alone."""
    assets = tmp_path / "assets"
    assets.mkdir()
    (tmp_path / "index.html").write_text(SHELL)
    (tmp_path / "embed.html").write_text(PLAYER)
    (tmp_path / "favicon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (assets / "index-a1b2c3.js").write_bytes(SCRIPT)
    (assets / "index-a1b2c3.js.gz").write_bytes(gzip.compress(SCRIPT))
    (assets / "index-a1b2c3.js.br").write_bytes(b"brotli, as far as the server can tell")
    (assets / "index-d4e5f6.css").write_bytes(b"body{}")
    (assets / "index-d4e5f6.css.gz").write_bytes(gzip.compress(b"body{}"))
    return tmp_path


@pytest.fixture
async def site(dist: Path) -> AsyncIterator[Scene]:
    async with opened(dist=dist) as scene:
        yield scene


def directives(answer: httpx.Response) -> Mapping[str, list[str]]:
    """A page's Content-Security-Policy."""
    parts = [part.split() for part in answer.headers["content-security-policy"].split(";")]
    return {name: sources for name, *sources in parts}


# --- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_the_same_file(site: Scene, path: str) -> None:
    answer = await site.http.get(path)
    assert (answer.status_code, answer.text) == (200, SHELL)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/watch",
        "/watch/a/b",
        "/@ada/nope",
        "/studioo",
        "/studio/nope",
        "/studio/upload/nope",
        "/studio/videos/vid_1/nope",
        "/studio/videos/vid_1/captions/nope",
        "/account/password",
        "/index.html",
        "/embed.html",
        "/assets/gone.js",
        "/live",
    ],
)
async def test_where_no_page_is_a_browser_gets_one_that_says_so(site: Scene, path: str) -> None:
    shown = await site.http.get(path, headers=NAVIGATION)
    assert (shown.status_code, shown.text) == (404, SHELL)
    assert "script-src" in directives(shown)
    assert problem(await site.http.get(path)) == (404, "not_found")


@pytest.mark.parametrize("path", ["/v1/nope", "/v1", "/media/nope", "/schema/nope", "/.well-known/nope", "/healthz/x"])
async def test_what_is_no_page_of_the_api_is_a_problem_for_browsers_too(site: Scene, path: str) -> None:
    assert problem(await site.http.get(path, headers=NAVIGATION)) == (404, "not_found")


async def test_the_api_answers_where_it_did(site: Scene) -> None:
    assert (await site.http.get("/v1/meta", headers=NAVIGATION)).json()["name"] == "hexcast"
    assert (await site.http.get("/healthz", headers=NAVIGATION)).json() == {"status": "ok"}
    assert (await site.http.get("/schema", headers=NAVIGATION)).status_code == 200
    document = (await site.http.get("/schema/openapi.json")).json()
    assert all(re.match(r"/(v1/|healthz|readyz|\.well-known/)", path) for path in document["paths"])


async def test_pages_are_read_and_nothing_else(site: Scene) -> None:
    head = await site.http.head("/search")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(SHELL)))
    assert problem(await site.http.post("/", headers=NAVIGATION)) == (405, "method_not_allowed")
    assert problem(await site.http.post("/search", headers=NAVIGATION)) == (404, "not_found")


async def test_without_a_client_the_api_is_alone(scene: Scene, tmp_path: Path) -> None:
    assert (await scene.http.get("/", headers=NAVIGATION)).headers["location"] == "/schema"
    assert problem(await scene.http.get("/search", headers=NAVIGATION)) == (404, "not_found")
    (tmp_path / "favicon.svg").write_text("<svg/>")
    async with opened(dist=tmp_path) as half:
        assert (await half.http.get("/", headers=NAVIGATION)).headers["location"] == "/schema"


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/watch/vid_1", Page("/watch/{id}", "vid_1")), ("/live/str_1", Page("/live/{id}", "str_1")),
        ("/embed/vid_1", Page("/embed/{id}", "vid_1")), ("/@ada", Page("/@{handle}", "@ada")),
        ("/@ada/live", Page("/@{handle}", "@ada")), ("/@ada/about/", Page("/@{handle}", "@ada")),
        ("/studio/videos/vid_1/file", Page("/studio")), ("/account/x/y", None), ("/", Page("/")), ("/v1/meta", None), ("/ada", None),
    ],
)  # fmt: skip
def test_addresses_tell_pages(path: str, page: Page | None) -> None:
    assert page_at(path) == page


# --- files ---------------------------------------------------------------------------------------


async def test_assets_are_kept_for_good(site: Scene) -> None:
    answer = await site.http.get("/assets/index-a1b2c3.js", headers={"accept-encoding": "identity"})
    assert (answer.status_code, answer.content) == (200, SCRIPT)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["access-control-allow-origin"] == "*"
    icon = await site.http.get("/favicon.svg")
    assert (icon.headers["content-type"], icon.headers["cache-control"]) == ("image/svg+xml", "no-cache")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"), ("gzip", "gzip"), ("GZIP;q=0.5", "gzip"), ("br;q=0, gzip", "gzip"),
        ("br; q=0.0", None), ("", None), ("identity", None), ("*", None),
    ],
)  # fmt: skip
async def test_files_come_in_the_best_coding_that_is_understood(
    site: Scene, dist: Path, accepted: str, coding: str | None
) -> None:
    name = "index-a1b2c3.js"
    async with site.http.stream("GET", f"/assets/{name}", headers={"accept-encoding": accepted}) as answer:
        sent = b"".join([piece async for piece in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["vary"] == "accept-encoding"
    assert answer.headers["content-length"] == str(len(sent))
    twin = {"br": f"{name}.br", "gzip": f"{name}.gz", None: name}[coding]
    assert sent == (dist / "assets" / twin).read_bytes()


async def test_a_packed_twin_is_no_file_of_its_own(site: Scene) -> None:
    assert (await site.http.get("/assets/index-a1b2c3.js.gz")).status_code == 404
    lone = await site.http.get("/assets/index-d4e5f6.css", headers={"accept-encoding": "br, gzip"})
    assert (lone.headers["content-encoding"], lone.text) == ("gzip", "body{}")


async def test_pages_are_asked_for_again_and_not_sent_twice(site: Scene) -> None:
    first = await site.http.get("/")
    assert first.headers["cache-control"] == "no-cache"
    again = await site.http.get("/search", headers={"if-none-match": f'"old", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert "script-src" in directives(again)
    assert (await site.http.get("/", headers={"if-none-match": '"other"'})).status_code == 200
    wrong = await site.http.get("/nope", headers={**NAVIGATION, "if-none-match": first.headers["etag"]})
    assert wrong.status_code == 404


async def test_codings_have_tags_of_their_own(site: Scene) -> None:
    path = "/assets/index-a1b2c3.js"
    plain, packed = [
        await site.http.get(path, headers={"accept-encoding": each}) for each in ("identity", "gzip")
    ]  # fmt: skip
    assert plain.headers["etag"] != packed.headers["etag"]
    headers = {"accept-encoding": "gzip", "if-none-match": plain.headers["etag"]}
    assert (await site.http.get(path, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../../secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/assets//../secret.txt",
        "/%00",
    ],
)
async def test_nothing_beside_the_client_is_found(site: Scene, dist: Path, path: str) -> None:
    secret = dist.parent / "secret.txt"
    secret.write_text("swordfish")
    answer = await site.http.get(httpx.URL(PUBLIC_URL).copy_with(raw_path=path.encode()), headers=NAVIGATION)
    assert answer.status_code == 404
    assert "swordfish" not in answer.text


def test_a_file_of_a_type_that_is_not_known_is_not_guessed_at(dist: Path) -> None:
    (dist / "assets" / "film.mkv").write_bytes(b"")
    with pytest.raises(KeyError):
        read(dist)


async def test_assets_cost_a_reader_nothing(dist: Path) -> None:
    async with opened(dist=dist, rate_limit=3) as scene:
        for _ in range(5):
            assert (await scene.http.get("/assets/index-a1b2c3.js")).status_code == 200
        answers = [await scene.http.get("/") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]


async def test_pages_are_counted_by_their_kind(site: Scene) -> None:
    for path in ("/studio", "/studio/videos", "/@ada", "/assets/index-a1b2c3.js"):
        await site.http.get(path)
    counted = (await site.http.get("/metrics")).text
    assert re.search(r'route="/studio"[^\n]* 2\.0', counted)
    assert 'route="/@{handle}"' in counted
    assert 'route="/assets/{file}"' in counted


# --- what browsers are told ----------------------------------------------------------------------


async def test_pages_run_what_is_ours_and_nothing_else(site: Scene) -> None:
    answer = await site.http.get("/")
    rules = directives(answer)
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == rules["object-src"] == ["'none'"]
    assert rules["script-src"] == rules["style-src"] == ["'self'"]
    assert rules["connect-src"] == ["'self'", PUBLIC_URL, "ws://hexcast.test"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "camera=()" in answer.headers["permissions-policy"]


@pytest.mark.parametrize(
    ("ancestors", "said"),
    [
        (("*",), ["*"]),
        ((), ["'none'"]),
        (("https://a.test", "https://*.b.test"), ["https://a.test", "https://*.b.test"]),
    ],
)
async def test_only_the_player_is_shown_in_pages_of_others(
    dist: Path, ancestors: tuple[str, ...], said: list[str]
) -> None:
    async with opened(dist=dist, embed_ancestors=ancestors) as scene:
        player = await scene.http.get("/embed/vid_1")
        assert (player.status_code, player.text) == (404, PLAYER)
        assert directives(player)["frame-ancestors"] == said
        assert directives(player)["script-src"] == ["'self'"]
        assert directives(await scene.http.get("/watch/vid_1"))["frame-ancestors"] == ["'none'"]


async def test_files_alone_run_nothing(site: Scene) -> None:
    assert directives(await site.http.get("/favicon.svg"))["default-src"] == ["'none'"]


def test_media_and_calls_elsewhere_are_named() -> None:
    origins = Origins(media=["https://cdn.test"], calls=["https://in.test", "wss://chat.test"])
    rules = {
        name: sources
        for name, *sources in (part.split() for part in policy("https://h.test/x", origins).decode().split(";"))
    }
    assert rules["media-src"] == ["'self'", "https://h.test", "https://cdn.test", "data:", "blob:"]
    assert rules["img-src"] == ["'self'", "https://h.test", "https://cdn.test", "data:", "blob:"]
    assert rules["connect-src"] == [
        "'self'", "https://h.test", "wss://h.test", "https://cdn.test", "https://in.test", "wss://chat.test"
    ]  # fmt: skip


async def test_in_the_cloud_pages_may_reach_what_the_stack_says(dist: Path) -> None:
    cloud = {**CLOUD, "HEXCAST_AWS_CDN_URL": "https://d1.cloudfront.test"}
    settings = Settings(profile="aws", public_url="https://d1.cloudfront.test", cloud=cloud, rate_limit=0)
    async with open_app(settings) as core:
        app = create_app(core, dist=dist)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=PUBLIC_URL) as http:  # type: ignore[arg-type]  # ASGI's types are looser here
            rules = directives(await http.get("/"))
    assert rules["media-src"] == ["'self'", "https://d1.cloudfront.test", "https://*.live-video.net", "data:", "blob:"]
    assert rules["connect-src"][-2:] == [
        "https://raw.s3.eu-central-1.amazonaws.com", "wss://edge.ivschat.eu-central-1.amazonaws.com"
    ]  # fmt: skip


# --- what pages say of themselves ----------------------------------------------------------------

HOSTILE = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)> & more"


class Head(HTMLParser):
    """What a browser makes of a page: its elements by name, with their attributes, and its title."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.title = ""
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = tag
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.title += data if self._open == "title" else ""

    def handle_endtag(self, _: str) -> None:
        self._open = ""

    def said(self, name: str) -> str | None:
        """What a meta element says."""
        found = [each["content"] for tag, each in self.elements if tag == "meta" and name in each.values()]
        assert len(found) < 2, name
        return found[0] if found else None

    def link(self, type_: str) -> str | None:
        return next((each["href"] for tag, each in self.elements if each.get("type") == type_), None)


async def head(scene: Scene, path: str) -> Head:
    answer = await scene.http.get(path, headers=NAVIGATION)
    assert answer.status_code == 200, path
    assert "script-src" in directives(answer)
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Head(answer.text)


async def test_a_videos_page_says_what_is_shown(site: Scene) -> None:
    ada = await site.person("ada")
    video = await site.video(ada, await site.channel(ada), title="The first engine", description="Brass.\n\nAnd steam.")
    found, page = await head(site, f"/watch/{video}?t=30"), f"{PUBLIC_URL}/watch/{video}"
    shown = (await site.call("GET", f"/v1/videos/{video}")).json()
    assert found.title == "The first engine · Hexcast"
    assert [found.said(name) for name in ("og:title", "og:description", "description", "og:type", "og:url", "og:image")] == [
        "The first engine", "Brass. And steam.", "Brass. And steam.", "video.other", page, shown["poster_url"]
    ]  # fmt: skip
    assert [found.said(f"og:image:{side}") for side in ("width", "height")] == ["1280", "720"]
    assert found.said("twitter:card") == "player"
    assert found.said("og:video") == found.said("twitter:player") == f"{PUBLIC_URL}/embed/{video}"
    described = found.link("application/json+oembed")
    assert described is not None
    embed = (await site.http.get(described)).json()
    assert embed["title"] == "The first engine"
    source = re.search(r'src="([^"]+)"', embed["html"])
    assert source is not None
    assert (await site.http.get(source[1])).status_code == 200


async def test_a_channels_page_says_whose_it_is(site: Scene) -> None:
    ada = await site.person("ada")
    channel = await site.channel(ada)
    for path in ("/@films", "/@Films", "/@films/about", "/@films/live"):
        found = await head(site, path)
        assert (found.title, found.said("og:type"), found.said("og:url")) == (
            "Films · Hexcast", "profile", f"{PUBLIC_URL}/@films"
        )  # fmt: skip
        assert found.said("og:image") is None
    feed = found.link("application/atom+xml")
    assert feed == f"{PUBLIC_URL}/v1/feeds/channels/{channel}.atom"
    assert (await site.http.get(feed)).status_code == 200


async def test_a_streams_page_says_what_is_broadcast(site: Scene) -> None:
    ada = await site.person("ada")
    channel = await site.channel(ada)
    pages = {}
    for visibility in ("public", "unlisted", "private"):
        body = {"channel_id": channel, "title": f"A {visibility} show", "visibility": visibility}
        pages[visibility] = f"/live/{(await site.call('POST', '/v1/streams', body, by=ada)).json()['id']}"
    found = await head(site, pages["public"])
    assert (found.title, found.said("og:title")) == ("A public show · Hexcast", "A public show")
    described = found.link("application/json+oembed")
    assert described is not None
    player = found.said("og:video")
    assert player is not None
    assert f'src="{player}"' in (await site.http.get(described)).json()["html"]
    assert (await head(site, player)).title == "A public show · Hexcast"
    assert (await head(site, pages["unlisted"])).said("robots") == "noindex"
    for path in (pages["private"], "/live/str_none"):
        answer = await site.http.get(path, headers=NAVIGATION)
        assert (answer.status_code, answer.text) == (404, SHELL)


async def test_what_not_everyone_may_find_says_nothing(site: Scene) -> None:
    ada = await site.person("ada")
    channel = await site.channel(ada)
    unlisted = await site.video(ada, channel, title="Sesame", visibility="unlisted")
    found = await head(site, f"/watch/{unlisted}")
    assert (found.title, found.said("robots"), found.said("og:title")) == ("Hexcast", "noindex", None)
    private = await site.video(ada, channel, title="Sesame", visibility="private")
    blocked = await site.video(ada, channel, title="Sesame")
    mod = await site.person("mod")
    assert (await site.call("PUT", f"/v1/admin/videos/{blocked}/block", {"reason": "no"}, by=mod)).status_code == 200
    waiting = (await site.announced(ada, channel, title="Sesame", visibility="public"))["video_id"]
    for video in (private, blocked, waiting, "vid_none"):
        for path in (f"/watch/{video}", f"/embed/{video}"):
            for headers in (NAVIGATION, {**NAVIGATION, **ada.headers}):
                answer = await site.http.get(path, headers=headers)
                assert (answer.status_code, "Sesame" in answer.text) == (404, False)
                assert answer.text == (SHELL if path.startswith("/watch") else PLAYER)
    assert (await site.http.get("/@nobody", headers=NAVIGATION)).status_code == 404


async def test_hostile_texts_stay_texts(site: Scene) -> None:
    ada = await site.person("ada")
    opened_ = await site.call("POST", "/v1/channels", {"handle": "films", "name": HOSTILE[:60]}, by=ada)
    channel = opened_.json()["id"]
    video = await site.video(ada, channel, title=HOSTILE, description=HOSTILE * 40)
    stream = (await site.call("POST", "/v1/streams", {"channel_id": channel, "title": HOSTILE}, by=ada)).json()["id"]
    plain = [name for name, _ in Head(SHELL).elements]
    for path, title in (
        (f"/watch/{video}", HOSTILE), (f"/live/{stream}", HOSTILE), ("/@films", HOSTILE[:60]), (f"/embed/{video}", HOSTILE)
    ):  # fmt: skip
        found = await head(site, path)
        assert found.title == f"{title} · Hexcast"
        assert [name for name, _ in found.elements if name not in ("meta", "link")] == plain
        assert all("onerror" not in attributes for _, attributes in found.elements)
    said = (await head(site, f"/watch/{video}")).said("og:description")
    assert said is not None
    assert len(said) <= 301
    assert said.endswith("…")


async def test_previews_are_kept_until_something_changes(site: Scene) -> None:
    ada = await site.person("ada")
    video = await site.video(ada, await site.channel(ada), title="Before")
    first = await site.http.get(f"/watch/{video}")
    kept = {**NAVIGATION, "if-none-match": first.headers["etag"]}
    again = await site.http.get(f"/watch/{video}", headers=kept)
    assert (again.status_code, again.content) == (304, b"")
    metrics = (await site.http.get("/metrics")).text
    assert "hexcast_answers_kept_total 1.0" in metrics
    await site.call("PATCH", f"/v1/videos/{video}", {"title": "After"}, by=ada)
    changed = await site.http.get(f"/watch/{video}", headers=kept)
    assert (changed.status_code, Head(changed.text).title) == (200, "After · Hexcast")
    await site.call("PATCH", f"/v1/videos/{video}", {"visibility": "private"}, by=ada)
    assert (await site.http.get(f"/watch/{video}", headers=kept)).status_code == 404


async def test_a_page_comes_though_its_subject_cannot_be_had(site: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It then says so by itself."""

    async def away(*_: object, **__: object) -> None:
        raise Unavailable("the records are away")

    monkeypatch.setattr(site.core.adapters.videos(), "get", away)
    answer = await site.http.get("/watch/vid_1", headers=NAVIGATION)
    assert (answer.status_code, answer.text) == (503, SHELL)


def test_a_client_without_a_title_is_none(dist: Path) -> None:
    (dist / "index.html").write_text("<!doctype html><div id=app></div>")
    with pytest.raises(ValueError, match="unpack"):
        Shell.of(read(dist)["/index.html"], b"")
