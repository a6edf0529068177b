"""Files of other people's making, brought into the one form that is shown."""

import asyncio
import io
import re
from collections.abc import Iterator, Sequence

from domain.errors import Invalid

PIXELS_MOST = 50_000_000
CAPTION_CHARS_MOST = 5 * 1024 * 1024

_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{3})"
_TIMING = re.compile(rf"\s*{_TIME}\s+-->\s+{_TIME}[ \t]*(.*)")
_SKIPPED = ("NOTE", "STYLE", "REGION")


class PillowImages:
    """Pictures by Pillow, which is loaded on first use."""

    async def fit(self, content: bytes, width: int, height: int) -> bytes:
        return await asyncio.to_thread(_fit, content, width, height)


def _fit(content: bytes, width: int, height: int) -> bytes:
    from PIL import Image, ImageOps, UnidentifiedImageError  # noqa: PLC0415  (late: a start need not wait for it)

    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as picture:
            if picture.width * picture.height > PIXELS_MOST:
                raise _unreadable("it has more than 50 megapixels")
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
            backed = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB")
            fitted = ImageOps.fit(backed, (width, height), Image.Resampling.LANCZOS)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise error if isinstance(error, Invalid) else _unreadable("it is no JPEG, PNG or WebP") from error
    out = io.BytesIO()
    fitted.save(out, "JPEG", quality=85, optimize=True)
    return out.getvalue()


def _unreadable(why: str) -> Invalid:
    return Invalid(f"this picture cannot be used: {why}", code="unreadable_image", field="image")


def tidy(content: bytes) -> bytes:
    """Captions (WebVTT or SubRip, UTF-8) as WebVTT: cues in order of time, without styles, regions and notes."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _wrong(1, "captions must be in UTF-8") from None
    if len(text) > CAPTION_CHARS_MOST:
        raise _wrong(1, "captions must have less than 5 million characters")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    cues = sorted(_cues(lines), key=lambda cue: cue[:2])
    if not cues:
        raise _wrong(len(lines), "there is no caption in this file")
    blocks = [f"{_stamp(start)} --> {_stamp(end)}{settings}\n{body}\n" for start, end, settings, body in cues]
    return ("WEBVTT\n\n" + "\n".join(blocks)).encode()


def _cues(lines: Sequence[str]) -> Iterator[tuple[int, int, str, str]]:
    at = 0
    if lines[0].startswith("WEBVTT"):
        while at < len(lines) and lines[at].strip():
            at += 1
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        begun = at
        while at < len(lines) and lines[at].strip():
            at += 1
        block = lines[begun:at]
        if "-->" not in "\n".join(block) and block[0].split(" ")[0].split("\t")[0] in _SKIPPED:
            continue
        head = 0 if "-->" in block[0] else 1
        match = _TIMING.fullmatch(block[head]) if head < len(block) else None
        if match is None:
            raise _wrong(begun + head + 1, "expected a time such as 00:01.000 --> 00:04.000")
        start, end = _millis(match.groups()[:4]), _millis(match.groups()[4:8])
        if end <= start:
            raise _wrong(begun + head + 1, "a caption must end after it begins")
        body = "\n".join(line.rstrip().replace("-->", "->") for line in block[head + 1 :])
        if body:
            yield start, end, f" {match[9].strip()}" if match[9].strip() else "", body


def _millis(parts: Sequence[str | None]) -> int:
    hours, minutes, seconds, millis = (int(part or 0) for part in parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis


def _stamp(millis: int) -> str:
    seconds, rest = divmod(millis, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


def _wrong(line: int, why: str) -> Invalid:
    return Invalid(f"line {line}: {why}", code="invalid_captions", field="captions")
