"""What encoders send to the emulated IVS, as HLS: a little film, how viewers find it, and what is recorded of several."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.cloud.encoder import TYPES

LASTS_S = 4
RENDITIONS: Mapping[str, tuple[int, int]] = {"360p30": (640, 360), "160p30": (284, 160)}
TYPES_OF = {**TYPES, ".json": "application/json"}
_THUMBNAIL = "thumb0.jpg"


async def film(ffmpeg: str, folder: Path) -> None:
    """HLS of both renditions, and one picture."""
    command = [ffmpeg, "-v", "error", "-nostdin"]
    command += ["-f", "lavfi", "-i", f"testsrc2=size=640x360:rate=30:duration={LASTS_S}"]
    command += ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=44100:duration={LASTS_S}"]
    for name, (width, height) in RENDITIONS.items():
        (folder / name).mkdir()
        command += ["-map", "0:v", "-map", "1:a", "-vf", f"scale={width}:{height}", "-c:v", "libx264"]
        command += ["-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "60", "-c:a", "aac", "-b:a", "64k"]
        command += ["-f", "hls", "-hls_time", "2", "-hls_playlist_type", "vod", f"{name}/playlist.m3u8"]
    command += ["-map", "0:v", "-frames:v", "1", "-update", "1", _THUMBNAIL]
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stderr=asyncio.subprocess.PIPE)
    _, complaints = await process.communicate()
    if process.returncode:
        raise RuntimeError(complaints.decode())


def manifest(address: Callable[[str], str] = "{}/playlist.m3u8".format) -> str:
    """It names a rendition's playlist by its address."""
    lines = ["#EXTM3U"]
    for name, (width, height) in RENDITIONS.items():
        lines.append(f'#EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID="{name}",NAME="{height}p",AUTOSELECT=YES,DEFAULT=YES')
        lines.append(
            f"#EXT-X-STREAM-INF:BANDWIDTH={width * height * 6},RESOLUTION={width}x{height},FRAME-RATE=30.000,"
            f'CODECS="avc1.42C01E,mp4a.40.2",VIDEO="{name}"'
        )
        lines.append(address(name))
    return "\n".join((*lines, ""))


def newest(folder: Path) -> str:
    """The playlist of a rendition that goes on."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:3", "#EXT-X-MEDIA-SEQUENCE:0"]
    return "\n".join((*lines, *(line for pair in _segments(folder) for line in pair), ""))


def record(films: Sequence[Path], folder: Path) -> None:
    """Several films, one after the other, as IVS records them: what lies below ``media/``."""
    for rendition in RENDITIONS:
        target = folder / "hls" / rendition
        target.mkdir(parents=True)
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:3", "#EXT-X-PLAYLIST-TYPE:VOD"]
        for number, each in enumerate(films):
            lines += ["#EXT-X-DISCONTINUITY"] if number else []
            for length, name in _segments(each / rendition):
                lines += [length, f"{number}-{name}"]
                (target / f"{number}-{name}").write_bytes((each / rendition / name).read_bytes())
        (target / "playlist.m3u8").write_text("\n".join((*lines, "#EXT-X-ENDLIST", "")))
    (folder / "hls" / "master.m3u8").write_text(manifest())
    thumbnails = folder / "thumbnails" / "360p30"
    thumbnails.mkdir(parents=True)
    (thumbnails / _THUMBNAIL).write_bytes((films[0] / _THUMBNAIL).read_bytes())


def described(films: int) -> Mapping[str, Any]:
    """What ``recording-ended.json`` says of that."""
    renditions = [
        {"path": name, "playlist": "playlist.m3u8", "resolution_width": width, "resolution_height": height}
        for name, (width, height) in RENDITIONS.items()
    ]
    hls = {
        "duration_ms": films * LASTS_S * 1000, "path": "media/hls", "playlist": "master.m3u8", "renditions": renditions
    }  # fmt: skip
    return {"hls": hls, "thumbnails": {"path": "media/thumbnails", "resolution_width": 640, "resolution_height": 360}}


def files(folder: Path) -> Sequence[Path]:
    """All of them, playlists last of what lies beside each other: whoever sees one finds what it names."""
    found = [each for each in folder.rglob("*") if each.is_file()]
    return sorted(found, key=lambda path: (path.suffix in {".m3u8", ".json"}, path))


def _segments(folder: Path) -> Iterator[tuple[str, str]]:
    """The lines that say how long each is, and its name."""
    lines = (folder / "playlist.m3u8").read_text().splitlines()
    return ((line, name) for line, name in pairwise(lines) if line.startswith("#EXTINF"))
