"""From the end of an upload until it plays, beside ffmpeg making the same ladder in one command."""

import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg

from adapters.local import encode
from adapters.local.probe import probe
from bench.rows import Row, most, say
from bench.servers import Server, real
from bench.uploads import links_of
from domain.media import AUDIO_BITRATE_BPS, ladder

NICE = ("nice", "-n", "10")


def transcode(folder: Path, *, quick: bool) -> Iterator[Row]:
    folder.mkdir(parents=True)
    seconds, rounds = (20, 1) if quick else (60, 2)
    film = _drawn(folder / "film.mp4", seconds)
    runs: list[tuple[float, float, float]] = []
    with real(folder / "real") as server:
        for number in range(rounds):
            alone = _bare(film, folder / f"bare{number}")
            first, whole = _played(server, film)
            runs.append((alone, whole, first))
            say(f"  {whole:.1f} s, first {first:.1f} s; ffmpeg alone {alone:.1f} s")
    alone, whole, first = (statistics.median(run[column] for run in runs) for column in range(3))
    what, reference = f"{seconds} s of 720p, upload complete", f"ffmpeg {alone:.1f} s"
    ratio = statistics.median(run[1] / run[0] for run in runs)
    yield Row(f"{what} to all renditions", f"{whole:.1f} s", reference, ratio, most(1.05))
    ratio = statistics.median(run[2] / run[0] for run in runs)
    yield Row(f"{what} to the first one", f"{first:.1f} s", reference, ratio, most(0.5))


def _drawn(path: Path, seconds: int) -> Path:
    """Moving shapes with some grain, as cameras have it, and a tone."""
    picture = f"testsrc2=size=1280x720:rate=30:duration={seconds},noise=alls=6:allf=t"
    tone = f"sine=frequency=440:sample_rate=48000:duration={seconds}"
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", picture, "-f", "lavfi",
        "-i", tone, "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-c:a", "aac",
        "-movflags", "+faststart", str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return path


def _bare(film: Path, folder: Path) -> float:
    """Seconds of the best single command: the source decoded once, every rendition and the sound from that."""
    probed = probe(film, 3600)
    outputs = ladder(probed.source)
    for name in [*(output.name for output in outputs), "audio"]:
        (folder / name).mkdir(parents=True)
    command = encode.rungs(imageio_ffmpeg.get_ffmpeg_exe(), probed, film, folder, outputs, first=False)
    command += ["-map", f"0:{probed.audio}", "-ac", "2", "-c:a", "aac", "-b:a", str(AUDIO_BITRATE_BPS)]
    command += ["-f", "hls", "-hls_time", str(encode.SEGMENT_S), "-hls_playlist_type", "vod"]
    command += ["-hls_segment_type", "fmp4", str(folder / "audio" / "index.m3u8")]
    begun = time.perf_counter()
    subprocess.run([*NICE, *command], check=True, stdout=subprocess.DEVNULL)
    took = time.perf_counter() - begun
    shutil.rmtree(folder)
    return took


def _played(server: Server, film: Path) -> tuple[float, float]:
    """Seconds from the answer to the upload's completion until something plays, and until everything does."""
    token = server.seeded["tokens"][0]
    with server.client() as client:
        channel = client.ask("GET", "/v1/me/channels", token)["data"][0]["id"]
        size = film.stat().st_size
        body = {
            "channel_id": channel, "filename": film.name, "content_type": "video/mp4", "size_bytes": size,
            "title": "A film", "visibility": "public",
        }  # fmt: skip
        upload = client.ask("POST", "/v1/uploads", token, body)
        _send(film, links_of(server, upload), upload["part_size_bytes"])
        begun = time.perf_counter()
        client.ask("POST", f"/v1/uploads/{upload['id']}/complete", token, {"parts": []})
        first = 0.0
        while True:
            time.sleep(0.05)
            video: Any = client.ask("GET", f"/v1/videos/{upload['video_id']}", token)
            now = time.perf_counter() - begun
            first = first or (now if video["renditions"] else 0.0)
            state = video["processing"]["state"]
            if state == "failed":
                raise SystemExit(f"processing failed: {video['processing']['error']}")
            if state == "ready":
                return first, now


def _send(film: Path, links: Sequence[str], part: int) -> None:
    with film.open("rb") as source:
        for link in links:
            httpx.put(link, content=source.read(part), timeout=60).raise_for_status()
