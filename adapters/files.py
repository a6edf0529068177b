"""The rules that every store of files keeps, wherever its bytes lie."""

import re
from collections.abc import Sequence
from datetime import timedelta

from domain.errors import Invalid
from domain.uploads import MIB, Part, Upload

SMALL_LIFE = timedelta(days=1)
PUT_MOST = 16 * MIB
_TYPES = {
    "m3u8": "application/vnd.apple.mpegurl",
    "ts": "video/mp2t",
    "mp4": "video/mp4",
    "m4s": "video/iso.segment",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "vtt": "text/vtt",
}
# No segment is empty or starts with a dot: no way up, no hidden file, nothing a disk would read otherwise.
_KEY = re.compile(r"(?!\.)[^/\\\x00-\x1f\x7f]{1,200}(/(?!\.)[^/\\\x00-\x1f\x7f]{1,200}){0,15}")


def checked(key: str) -> str:
    """The key itself. Raises Invalid (``invalid_key``) for one that is no plain path below a root."""
    if len(key) > 900 or not _KEY.fullmatch(key):
        raise Invalid("this is not the name of a file here", code="invalid_key", field="key")
    return key


def content_type_of(key: str) -> str:
    """By the ending of the key, which a file written by ffmpeg has and a header has not."""
    return _TYPES.get(key.rpartition(".")[2].lower(), "application/octet-stream")


def check_parts(upload: Upload, here: Sequence[Part], parts: Sequence[Part]) -> None:
    """Raises Invalid unless ``parts`` are all the parts of the upload and those that are here."""
    etags = {part.number: part.etag for part in here}
    for number in range(1, upload.parts + 1):
        if number not in etags:
            raise Invalid(f"part {number} is not here", code="parts_missing", field="parts")
    if [part.number for part in parts] != list(range(1, upload.parts + 1)):
        raise Invalid(f"parts 1 to {upload.parts} are wanted, in order", code="parts_missing", field="parts")
    for part in parts:
        if part.etag != etags[part.number]:
            raise Invalid(f"part {part.number} here has another etag", code="etag_mismatch", field="parts")
