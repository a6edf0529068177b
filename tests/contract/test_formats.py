"""Images and WebVtt: what comes out is safe and uniform, whatever goes in."""

import io
import warnings
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from adapters.formats import CUES_MOST, PillowImages, tidy_webvtt
from application.ports import Images, WebVtt
from domain.errors import Invalid

images: Images = PillowImages()
tidy: WebVtt = tidy_webvtt


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def decoded(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def halves(width: int, height: int) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    return image


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("size", [(800, 100), (100, 800), (10, 10), (1, 1), (401, 399)])
async def test_the_picture_covers_the_size_as_a_jpeg(kind: str, size: tuple[int, int]) -> None:
    fitted = decoded(await images.fit(encoded(Image.new("RGB", size, "teal"), kind), 320, 180))
    assert (fitted.format, fitted.mode, fitted.size) == ("JPEG", "RGB", (320, 180))


async def test_it_is_cropped_at_the_centre() -> None:
    fitted = decoded(await images.fit(encoded(halves(1000, 100)), 100, 100))
    (left, _, _), (_, _, right) = fitted.getpixel((5, 50)), fitted.getpixel((95, 50))  # type: ignore[misc]  # an RGB picture has triples
    assert left > 200
    assert right > 200


async def test_it_stands_upright_and_tells_nothing_of_where_it_was_taken() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right by 90 degrees
    exif[0x010F] = "a camera"
    content = encoded(halves(200, 100), "JPEG", exif=exif, comment=b"secret", icc_profile=b"\0" * 200)
    fitted = decoded(await images.fit(content, 100, 200))
    top, bottom = fitted.getpixel((50, 10)), fitted.getpixel((50, 190))
    assert isinstance(top, tuple)
    assert isinstance(bottom, tuple)
    assert top[0] > 200
    assert bottom[2] > 200
    assert dict(fitted.getexif()) == {}
    assert {"exif", "icc_profile", "comment"} & set(fitted.info) == set()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
async def test_every_kind_of_pixels(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    fitted = decoded(await images.fit(encoded(Image.new(mode, (64, 64)), kind), 32, 32))
    assert fitted.size == (32, 32)


async def test_what_is_transparent_becomes_white() -> None:
    fitted = decoded(await images.fit(encoded(Image.new("RGBA", (64, 64), (0, 0, 0, 0))), 32, 32))
    assert fitted.getpixel((16, 16)) == (255, 255, 255)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\xff\xd8\xff", b"<svg xmlns='http://www.w3.org/2000/svg'/>", encoded(Image.new("RGB", (9, 9)), "GIF"),
     encoded(Image.new("RGB", (9, 9)), "TIFF"), encoded(Image.new("RGB", (900, 900), "red"))[:200]],
)  # fmt: skip
async def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        await images.fit(content, 32, 32)
    assert refused.value.code == "unreadable_image"


@pytest.mark.parametrize("size", [(7072, 7072), (10_000, 9_999), (20_000, 20_000), (65_000, 65_000)])
async def test_a_small_file_of_huge_size_is_refused_unread(size: tuple[int, int]) -> None:
    # A PNG of one pixel that says it is larger: decoding would fail later, and by another way.
    header = bytearray(encoded(Image.new("1", (1, 1))))
    header[16:24] = size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big")
    header[29:33] = crc32(header[12:29]).to_bytes(4, "big")
    with pytest.raises(Invalid) as refused:
        await images.fit(bytes(header), 32, 32)
    assert refused.value.code == "unreadable_image"


GOOD = [encoded(halves(40, 30), kind) for kind in ("PNG", "JPEG", "WEBP")]


@given(st.sampled_from(GOOD), st.integers(0, 400), st.binary(max_size=8))
async def test_damage_anywhere_is_read_or_refused(good: bytes, at: int, damage: bytes) -> None:
    content = good[:at] + damage + good[at + len(damage) :]
    with warnings.catch_warnings():
        # Pillow warns of damaged metadata, which is dropped anyhow.
        warnings.simplefilter("ignore")
        try:
            fitted = await images.fit(content, 16, 16)
        except Invalid:
            return
    assert decoded(fitted).size == (16, 16)


# --- captions ----------------------------------------------------------------------------------------


def text(content: str | bytes) -> str:
    return tidy(content if isinstance(content, bytes) else content.encode()).decode()


def refused(content: str | bytes) -> str:
    with pytest.raises(Invalid) as error:
        text(content)
    assert error.value.code == "invalid_captions"
    return str(error.value)


def test_webvtt_stays_what_it_was() -> None:
    said = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000 line:0 align:start\n<v Bob>Hi <i>there</i>\nagain\n"
    assert text(said) == said


def test_subrip_becomes_webvtt() -> None:
    said = "1\r\n00:00:01,500 --> 00:00:02,000\r\nOne\r\n\r\n2\r\n00:01:00,000 --> 01:00:00,000  X1:10 X2:20\r\nTwo\r\n"
    assert text(said) == ("WEBVTT\n\n00:00:01.500 --> 00:00:02.000\nOne\n\n00:01:00.000 --> 01:00:00.000\nTwo\n")


def test_a_byte_order_mark_goes() -> None:
    assert text(b"\xef\xbb\xbfWEBVTT\n\n00:01.000 --> 00:02.000\nx\n") == "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nx\n"


def test_cues_come_in_the_order_of_time() -> None:
    said = "WEBVTT\n\n00:05.000 --> 00:06.000\nlater\n\n00:01.000 --> 00:02.000\nsooner\n"
    assert text(said).index("sooner") < text(said).index("later")


def test_styles_regions_and_comments_are_left_out() -> None:
    said = (
        "WEBVTT title\n\nSTYLE\n::cue { background: url(http://elsewhere.example/x) }\n\nREGION\nid:a\n\n"
        "NOTE psst\n\nname\n00:01.000 --> 00:02.000 evil:1 region:a\nx\n"
    )
    assert text(said) == "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nx\n"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("<b>a</b> <i>b</i> <u>c</u>", "<b>a</b> <i>b</i> <u>c</u>"),
        ("<c.yellow.big>a</c> <v.loud Bob>b", "<c.yellow.big>a</c> <v.loud Bob>b"),
        ("<ruby>漢<rt>kan</rt></ruby> <lang ja>字</lang>", "<ruby>漢<rt>kan</rt></ruby> <lang ja>字</lang>"),
        ("a <00:01.500>b", "a <00:01.500>b"),
        ("<script>alert(1)</script>", "alert(1)"),
        ("<img src=x onerror=alert(1)>x", "x"),
        ("<b onclick=x>a</b>", "<b>a</b>"),
        ("<font color=red>a</font>", "a"),
        ("{\\an8}top", "top"),
        ("1 < 2 & 3 > 2", "1 &lt; 2 &amp; 3 &gt; 2"),
        ("&amp; &lt; &nbsp; &copy; &evil;", "&amp; &lt; &nbsp; &amp;copy; &amp;evil;"),
        ("<<b>x", "&lt;<b>x"),
    ],
)
def test_only_webvtts_own_markup_stays(said: str, kept: str) -> None:
    assert text(f"WEBVTT\n\n00:01.000 --> 00:02.000\n{said}\n") == f"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n{kept}\n"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", 1),
        (b"just words\n", 1),
        (b"WEBVTT\n\n", 1),
        (b"WEBVTT\n\n00:01.000 --> soon\nx\n", 3),
        (b"WEBVTT\n\n00:01.000 --> 00:01.000\nx\n", 3),
        (b"WEBVTT\n\n00:02.000 --> 00:01.000\nx\n", 3),
        (b"WEBVTT\n\n00:61.000 --> 01:62.000\nx\n", 3),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\nx\n\n00:03.000 -->\ny\n", 6),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000 line:zz\nx\n", 3),
        (b"1\n00:00:01,000 --> never\nx\n", 2),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\n\xff\xfe\n", 4),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nx\n".encode("utf-16"), 1),
    ],
)
def test_what_is_invalid_is_refused_by_line(content: bytes, line: int) -> None:
    assert refused(content).startswith(f"line {line}:")


def test_there_are_limits() -> None:
    cue = "00:01.000 --> 00:02.000\nx\n\n"
    assert text("WEBVTT\n\n" + cue * CUES_MOST).count("-->") == CUES_MOST
    assert "20,000 cues" in refused("WEBVTT\n\n" + cue * (CUES_MOST + 1))
    assert "2 MiB" in refused("WEBVTT\n\n00:01.000 --> 00:02.000\n" + "x" * 2**21)


@given(st.text(alphabet=st.sampled_from("<>&/bivx.; \n-:0123456789{}\\\"'") | st.characters(), max_size=60))
def test_no_text_brings_other_tags_or_breaks_a_cue(said: str) -> None:
    try:
        tidied = text(f"WEBVTT\n\n00:01.000 --> 00:02.000\n{said}\n")
    except Invalid:
        return
    assert text(tidied) == tidied if "-->" in tidied else tidied == "WEBVTT\n"
    assert "<script" not in tidied
    assert "<x" not in tidied
