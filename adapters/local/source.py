"""What is known of an uploaded file, and how it is found out: by a child process, which the file may break."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from attrs import frozen

import adapters
from domain.media import Source
from domain.processing import Failure

# No playlist, no list of files or pictures, no subtitle or script format is among them; reading one of those
# would make the server open whatever it names. Formats of sound alone are here to be told from rubbish.
FORMATS = "mov,matroska,mpegts,mpeg,avi,flv,ogg,asf,mxf,gxf,dv,m4v,h264,hevc,wav,mp3,aac,flac,aiff"
SAFELY: Mapping[str, str] = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
PIXELS_MOST = 64 * 1024 * 1024
FPS_MOST = 60
_PATIENCE_S = 120.0
"""Longer than the child gives itself."""
_ROOT = str(Path(adapters.__path__[0]).parent)


@frozen(kw_only=True)
class Probed:
    """A source that can be played. Seconds count from where the first of its streams begins."""

    source: Source
    format: str
    video: int
    audio: int | None
    fps: Fraction
    video_pad_s: float
    audio_pad_s: float
    interlaced: bool
    hdr: str | None


class Refused(Exception):
    """The file cannot be played; why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.failure = Failure(code, detail)


async def probed(path: Path, max_duration_s: float) -> Probed:
    """What ``probe`` finds. Raises Refused as it does, and (``unreadable``) when the file ends the process that reads it."""
    command = [sys.executable, "-m", "adapters.local.probe", str(path), str(max_duration_s)]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env={**os.environ, "PYTHONPATH": _ROOT}
    )
    try:
        async with asyncio.timeout(_PATIENCE_S):
            said, _ = await process.communicate()
    except TimeoutError:
        said = b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if not said:
        raise Refused("unreadable", "this is no media file that can be read, or it is damaged")
    return heard(said)


def written(found: Probed | Failure) -> str:
    """For ``heard`` in the parent."""
    if isinstance(found, Failure):
        return json.dumps({"code": found.code, "detail": found.detail})
    source = found.source
    return json.dumps(
        {
            "source": [source.width, source.height, source.duration_s, source.fps, source.has_audio],
            "format": found.format, "video": found.video, "audio": found.audio, "fps": str(found.fps),
            "video_pad_s": found.video_pad_s, "audio_pad_s": found.audio_pad_s, "interlaced": found.interlaced,
            "hdr": found.hdr,
        }
    )  # fmt: skip


def heard(said: bytes) -> Probed:
    """Raises Refused if that is what was written."""
    found: dict[str, Any] = json.loads(said)
    if "code" in found:
        raise Refused(found["code"], found["detail"])
    width, height, duration_s, fps, has_audio = found.pop("source")
    source = Source(width, height, duration_s, fps, has_audio=has_audio)
    return Probed(**{**found, "source": source, "fps": Fraction(found["fps"])})
