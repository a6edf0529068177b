"""What ffmpeg is told, and what it made.

The ladder is made in two runs: the lowest rendition with sound and storyboard, then all others. Within a run
the source is decoded once. A single run would decode it once for all, but show nothing before its end. For a
minute of 720p on two cores, one run took 34 to 36 s, two took 38 s, the first of them 10 s; in processor time the
second decoding, the storyboard and the poster cost 4 to 17 % more. Fewer encoder
threads gained nothing beyond the noise.

Segments are 6 s long, the usual compromise of requests against start-up, as MediaConvert is told, and every
one of a ladder begins at the same times: key frames lie where the clock passes a multiple of 2 s (Apple's
authoring rules ask for one every 2 s, players seek to them), nowhere else, and no group of pictures refers to
another. Pictures come at a constant rate from 0 s on, the first one repeated where the sound begins earlier,
the last one where it ends later.

No playlist ends in a sliver. ffmpeg measures segments of sound from its first packet, which primes the decoder and
lies before 0 s; so sound of 6, 12 or 18 s had one packet more than fits. Pictures of 6.04 s have one, too. hls.js
reads no edit list and thinks what it plays to be later than it is, by that packet or two pictures: a segment no longer
than that it never finds among what is buffered, and it waits for it at the end. Of ffmpeg's options only a longer
``hls_time`` helps, and moves the cuts of sound away from those of pictures with every segment. MediaConvert makes
MPEG-TS, without edit lists, as live streams are: there a sliver does no harm.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from adapters.local.source import FORMATS, PIXELS_MOST, Probed
from adapters.playlists import Board, Stream, interval_s
from domain.media import AUDIO_BITRATE_BPS, Output

SEGMENT_S = 6
KEY_S = 2
LAST_S = 0.4
"""A last segment that is shorter belongs to the one before: more than two pictures at 10 a second, and so little that
all renditions keep one target duration."""
PRESET = "veryfast"
SHEET = "storyboard-{}.jpg"
_DECODE_WEIGHT = 0.45
"""What a pixel costs to decode, as a share of what it costs to encode (from the figures above)."""
_TILE = 160
_LAST_TWO = re.compile(r"#EXTINF:([\d.]+),\n(.+)\n#EXTINF:([\d.]+),\n(.+)\n(?=#EXT-X-ENDLIST)")


def _crf(quality: int) -> int:
    """MediaConvert's QVBR level as x264's constant quality: level 7 is 23, x264's own default."""
    return 30 - quality


def storyboard(probed: Probed) -> Board:
    """The little pictures that a player shows of other times."""
    source = probed.source
    interval = interval_s(source.duration_s)
    # A whole number of pictures of the output, so that times and tiles cannot drift apart.
    interval = round(interval * probed.fps) / float(probed.fps)
    rows = min(10, max(1, math.ceil(source.duration_s / interval / 10)))
    return Board(interval, _TILE, max(2, round(_TILE * source.height / source.width / 2) * 2), rows=rows)


def first_share(probed: Probed, outputs: Sequence[Output]) -> float:
    """How much of the whole work the first run is."""
    decode = _DECODE_WEIGHT * probed.source.width * probed.source.height
    pixels = [output.width * output.height for output in outputs]
    return 1.0 if len(pixels) == 1 else (decode + pixels[0]) / (2 * decode + sum(pixels))


def _input(ffmpeg: str, probed: Probed, path: Path, *options: str) -> list[str]:
    return [
        ffmpeg, "-v", "error", "-nostdin", "-nostats", "-progress", "pipe:1", "-stats_period", "0.5",
        "-protocol_whitelist", "file,pipe", "-format_whitelist", FORMATS, "-max_pixels", str(PIXELS_MOST),
        "-f", probed.format, *options, "-i", f"file:{path}",
    ]  # fmt: skip


def rungs(
    ffmpeg: str, probed: Probed, path: Path, folder: Path, outputs: Sequence[Output], *, first: bool
) -> list[str]:
    """Make ``outputs`` in folders of their names below ``folder``; in the first run also sound and storyboard."""
    board = storyboard(probed)
    branches = [output.name for output in outputs] + (["board"] if first else [])
    steps = [
        *(["bwdif=deint=interlaced"] if probed.interlaced else []),
        f"fps={probed.fps}:start_time=0",
        *([f"tpad=stop_mode=clone:stop_duration={probed.video_pad_s:.6f}"] if probed.video_pad_s else []),
        f"split={len(branches)}",
    ]
    graph = [f"[0:{probed.video}]" + ",".join(steps) + "".join(f"[{name}]" for name in branches)]
    command = _input(ffmpeg, probed, path)
    if first:
        # What is not deblocked here is shown at most at half its size, and nothing else is decoded from it.
        at = command.index("-f")
        command[at:at] = ["-skip_loop_filter", "noref"] if probed.source.height > outputs[0].height else []
    graph += [f"[{o.name}]scale={o.width}:{o.height},{_colours(probed)}setsar=1[v{o.name}]" for o in outputs]
    if first:
        every = round(board.interval_s * probed.fps)
        graph.append(
            f"[board]select='not(mod(n,{every}))',scale={board.width}:{board.height}:out_range=pc,"
            f"format=yuvj420p,setsar=1,tile={board.columns}x{board.rows}[vboard]"
        )
    command += ["-filter_complex", ";".join(graph)]
    for output in outputs:
        command += ["-map", f"[v{output.name}]", *_x264(probed, output), *_hls(folder / output.name)]
    if first:
        command += ["-map", "[vboard]", "-fps_mode", "passthrough", "-c:v", "mjpeg", "-q:v", "4"]
        command += ["-f", "image2", str(folder / SHEET.format("%d"))]
    if first and probed.audio is not None:
        pad = f",apad=pad_dur={probed.audio_pad_s:.6f}" if probed.audio_pad_s else ""
        # Holes in the timestamps are filled with silence, so that sound never runs ahead.
        command += ["-map", f"0:{probed.audio}", "-af", f"aresample=48000:async=1:first_pts=0{pad}", "-ac", "2"]
        command += ["-c:a", "aac", "-b:a", str(AUDIO_BITRATE_BPS), *_hls(folder / "audio")]
    return command


def poster(ffmpeg: str, probed: Probed, path: Path, at_s: float, target: Path) -> list[str]:
    """One picture as JPEG, at most 720 pixels on its short side."""
    source = probed.source
    shrink = min(1.0, 720 / min(source.width, source.height))
    width, height = (max(2, round(side * shrink / 2) * 2) for side in (source.width, source.height))
    graph = f"[0:{probed.video}]scale={width}:{height}:out_range=pc,format=yuvj420p,setsar=1[v]"
    return [
        *_input(ffmpeg, probed, path, "-ss", f"{at_s:.3f}"), "-filter_complex", graph, "-map", "[v]",
        "-frames:v", "1", "-map_metadata", "-1", "-c:v", "mjpeg", "-q:v", "3", "-f", "image2", "-update", "1",
        str(target),
    ]  # fmt: skip


def _colours(probed: Probed) -> str:
    if probed.hdr is None:
        return ""
    return (
        f"zscale=tin={probed.hdr}:pin=2020:min=2020_ncl:t=linear:npl=100,format=gbrpf32le,zscale=p=709,"
        "tonemap=hable:desat=0,zscale=t=709:m=709:r=limited,"
    )


def _x264(probed: Probed, output: Output) -> list[str]:
    return [
        "-c:v", "libx264", "-preset", PRESET, "-profile:v", "high", "-pix_fmt", "yuv420p",
        "-crf", str(_crf(output.quality)), "-maxrate", str(output.max_bitrate_bps),
        "-bufsize", str(2 * output.max_bitrate_bps), "-sc_threshold", "0", "-g", str(math.ceil(KEY_S * probed.fps) + 1),
        "-force_key_frames", f"expr:gte(t,n_forced*{KEY_S})",
    ]  # fmt: skip


def _hls(folder: Path) -> list[str]:
    # Without avoid_negative_ts the muxer would move each stream by a delay of its own: reordered pictures by
    # two frames, sound by none. With it, edit lists say what comes before 0 s, as CMAF has it.
    return [
        "-map_metadata", "-1", "-map_chapters", "-1", "-avoid_negative_ts", "disabled", "-f", "hls",
        "-hls_time", str(SEGMENT_S), "-hls_playlist_type", "vod", "-hls_flags", "independent_segments",
        "-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4",
        "-hls_segment_filename", str(folder / "%05d.m4s"), str(folder / "index.m3u8"),
    ]  # fmt: skip


def sheets(folder: Path) -> Sequence[Path]:
    """The sheets of the storyboard that the first run left, in order."""
    return sorted(folder.glob(SHEET.format("*")))


def join_last(folder: Path) -> None:
    """Make a sliver at the end of what ffmpeg made part of the segment before it, if it made anything."""
    index = folder / "index.m3u8"
    text = index.read_text() if index.exists() else ""
    found = _LAST_TWO.search(text)
    if found is None or float(found[3]) >= LAST_S:
        return
    sliver = folder / found[4]
    with (folder / found[2]).open("ab") as before:
        before.write(sliver.read_bytes())
    sliver.unlink()
    joined = f"#EXTINF:{float(found[1]) + float(found[3]):.6f},\n{found[2]}\n"
    index.write_text(text[: found.start()] + joined + text[found.end() :])


@frozen
class Playlist:
    """A finished media playlist and its segments."""

    duration_s: float
    stream: Stream
    codecs: str


def measured(folder: Path) -> Playlist:
    """What ffmpeg made in a folder. Raises FileNotFoundError if it made nothing."""
    durations: list[float] = []
    sizes: list[int] = []
    for line in (folder / "index.m3u8").read_text().splitlines():
        if line.startswith("#EXTINF:"):
            durations.append(float(line.removeprefix("#EXTINF:").partition(",")[0]))
        elif line and not line.startswith("#"):
            sizes.append((folder / line).stat().st_size)
    total = sum(durations)
    # RFC 8216 counts no segment of less than half the target duration; a last one would exaggerate.
    whole = [8 * size / duration for size, duration in zip(sizes, durations, strict=True) if duration >= SEGMENT_S / 2]
    average = math.ceil(8 * sum(sizes) / max(total, 1e-3))
    return Playlist(total, Stream(average, max(average, math.ceil(max(whole, default=0)))), _avc(folder / "init.mp4"))


def _avc(init: Path) -> str:
    """The picture codec as RFC 6381 writes it: profile, constraints and level from the decoder's settings."""
    _, found, settings = init.read_bytes().partition(b"avcC")
    return f"avc1.{settings[1:4].hex()}" if found else ""
