"""Pictures and captions that people send, made safe and uniform."""

import asyncio
import io
import re
import struct

import webvtt
from PIL import Image, ImageOps
from webvtt.errors import MalformedCaptionError, MalformedFileError

from domain.errors import Invalid
from domain.uploads import MIB

PIXELS_MOST = 50_000_000
CAPTION_BYTES_MOST = 2 * MIB
CUES_MOST = 20_000

_BROKEN_IMAGE = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)  # fmt: skip
"""What Pillow's decoders raise for damaged files; SyntaxError is how its PNG plugin says so."""


class PillowImages:
    """Pictures by Pillow, in a thread."""

    async def fit(self, content: bytes, width: int, height: int) -> bytes:
        return await asyncio.to_thread(_fit, content, width, height)


def _fit(content: bytes, width: int, height: int) -> bytes:
    unreadable = "this is not a JPEG, PNG or WebP picture, or it is damaged"
    try:
        # Opening reads the header alone: a picture too large is refused before memory is taken for it.
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as opened:
            _check_size(opened)
            side = 2 * max(width, height)
            opened.draft("RGB", (side, side))  # a large JPEG is decoded at a fraction of its size
            upright = ImageOps.exif_transpose(opened)
            if upright.mode == "P" or upright.has_transparency_data:
                see_through = upright.convert("RGBA")
                upright = Image.new("RGBA", see_through.size, "white")
                upright.alpha_composite(see_through)
            fitted = ImageOps.fit(upright.convert("RGB"), (width, height), Image.Resampling.LANCZOS)
    except Invalid:
        raise
    except _BROKEN_IMAGE as error:
        raise Invalid(unreadable, code="unreadable_image") from error
    out = io.BytesIO()
    # Only the pixels are copied: no place, no camera, no comment.
    plain = Image.frombytes("RGB", fitted.size, fitted.tobytes())
    plain.save(out, "JPEG", quality=85, optimize=True, progressive=True)
    return out.getvalue()


def _check_size(opened: Image.Image) -> None:
    if opened.width * opened.height > PIXELS_MOST:
        raise Invalid("a picture may have 50 megapixels", code="unreadable_image")


# --- captions ------------------------------------------------------------------------------------

_TIME = r"(?:\d{1,4}:)?\d{1,2}:\d{2}[.,]\d{1,3}"
_TIMES = re.compile(rf"\s*({_TIME})\s*-->\s*({_TIME})(?:[ \t]+(.*))?\s*")
_SETTING = re.compile(r"(vertical|line|position|size|align):[a-z0-9.,%-]{1,40}")
_TOKEN = re.compile(r"<[/!a-z0-9][^<>\n]*>|&[a-z]{2,5};|\{\\[^{}\n]*\}|[&<>]", re.IGNORECASE)
_TAG = re.compile(r"(</?(b|i|u|c|v|ruby|rt|lang)(?:\.[\w-]+)*)([ \t][^<>&]*)?>")
_TIME_TAG = re.compile(r"<(?:\d{2,}:)?\d{2}:\d{2}\.\d{3}>")
_ENTITIES = {"&amp;", "&lt;", "&gt;", "&lrm;", "&rlm;", "&nbsp;"}
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def tidy_webvtt(content: bytes) -> bytes:
    """Cues in the order of time with WebVTT's own tags and settings; styles, regions and comments are left out,
    since a style sheet may fetch from elsewhere. At most 2 MiB and 20,000 cues.
    """
    if len(content) > CAPTION_BYTES_MOST:
        raise _invalid("captions may have 2 MiB")
    lines = _lines(content)
    is_webvtt = re.match(r"WEBVTT(?:[ \t]|$)", lines[0]) is not None
    if not is_webvtt:
        # SubRip: the same but for the header and the comma. Line numbers stay as they are.
        lines = ["WEBVTT", "", *lines]
    offset = 0 if is_webvtt else 2
    checked = "\n".join(_checked(lines, offset))
    try:
        cues = webvtt.from_string(checked, strict=True).captions
    except (MalformedCaptionError, MalformedFileError, ValueError) as error:
        raise _invalid(f"line {_line_in(str(error), lines) - offset}: this is not WebVTT") from error
    if not cues:
        raise _invalid("line 1: there is no cue in this file")
    if len(cues) > CUES_MOST:
        raise _invalid("captions may have 20,000 cues")
    out = ["WEBVTT", ""]
    for cue in sorted(cues, key=lambda cue: (cue.start_in_seconds, cue.end_in_seconds)):
        text = _tidy(cue.raw_text)
        if text:
            out += [f"{cue.start} --> {cue.end} {cue.settings or ''}".rstrip(), text, ""]
    return "\n".join(out).encode()


def _invalid(message: str) -> Invalid:
    return Invalid(message, code="invalid_captions", field="captions")


def _lines(content: bytes) -> list[str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _invalid(f"line {line}: captions are read as UTF-8, this is not") from error
    return _CONTROL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")


def _checked(lines: list[str], offset: int) -> list[str]:
    """With every line of times as WebVTT writes it. Raises Invalid naming the first that is none."""
    checked = []
    for number, line in enumerate(lines, start=1):
        if "-->" not in line:
            checked.append(line)
            continue
        found = _TIMES.fullmatch(line)
        if found is None:
            raise _invalid(f"line {number - offset}: two times were expected here")
        start, end = (_millis(text) for text in found.groups()[:2])
        if start is None or end is None or end <= start:
            raise _invalid(f"line {number - offset}: a cue must end after it begins")
        settings = " ".join(part for part in (found[3] or "").split() if _SETTING.fullmatch(part))
        checked.append(f"{_written(start)} --> {_written(end)} {settings}".rstrip())
    return checked


def _millis(text: str) -> int | None:
    """Milliseconds; None when there are more than 59 minutes or seconds."""
    *hours, minutes, seconds = re.split("[:]", text.replace(",", "."))
    whole, _, fraction = seconds.partition(".")
    if int(minutes) > 59 or int(whole) > 59:
        return None
    hour = int(hours[0]) if hours else 0
    return ((hour * 60 + int(minutes)) * 60 + int(whole)) * 1000 + int(fraction.ljust(3, "0"))


def _written(millis: int) -> str:
    return f"{millis // 3_600_000:02}:{millis // 60_000 % 60:02}:{millis // 1000 % 60:02}.{millis % 1000:03}"


def _line_in(said: str, lines: list[str]) -> int:
    """The first line that holds what a message of the parser quotes; the first line of all if none does."""
    quoted = [part for part in said.split("'")[1::2] if part]
    return next((number for number, line in enumerate(lines, start=1) if quoted and quoted[0] in line), 1)


def _tidy(text: str) -> str:
    def token(found: re.Match[str]) -> str:
        text = found[0]
        if text in _ESCAPED:
            return _ESCAPED[text]
        if text.startswith("&"):
            return text if text in _ENTITIES else "&amp;" + text[1:]
        if (tag := _TAG.fullmatch(text)) is not None:
            # Only a voice and a language say more than their name.
            return text if tag[2] in {"v", "lang"} else tag[1] + ">"
        return text if _TIME_TAG.fullmatch(text) else ""

    return "\n".join(line for line in _TOKEN.sub(token, text).split("\n") if line.strip())
