"""ffmpeg in MediaConvert's place: what a job's settings ask for, really made, under the names that MediaConvert gives.

Names: an HLS group whose destination ends in ``hls/master`` has the top manifest ``hls/master.m3u8``, an
output with the modifier ``_360`` the manifest ``hls/master_360.m3u8`` and the segments ``hls/master_360_00001.ts``;
captured frames are ``thumb/t_t.0000000.jpg`` and on. How the image playlist of a group is called is not documented:
whoever wants it follows the top manifest.

Only what our jobs use is made: one input, HLS groups of H.264 and AAC outputs, image-based trick play of the mode
ADVANCED, and frame captures. Quality is low and the encoder in a hurry.
"""

import asyncio
import contextlib
import itertools
import math
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
from attrs import field, frozen

Settings = Mapping[str, Any]
Progress = Callable[[int], Awaitable[None]]
"""Is told how many of a hundred parts of the work are done."""
CODECS = {
    "h264": "AVC", "hevc": "HEVC", "vp8": "VP8", "vp9": "VP9", "av1": "AV1", "mpeg4": "MP4V", "mpeg2video": "MPEG2",
    "mjpeg": "MJPEG", "prores": "PRORES", "aac": "AAC", "mp3": "MP3", "opus": "OPUS", "vorbis": "VORBIS",
    "flac": "FLAC", "ac3": "AC3", "eac3": "EAC3",
}  # fmt: skip
FORMATS = {"mov": "mp4", "matroska": "matroska", "mpegts": "mpegts", "mpeg": "mpegps", "wav": "wave", "asf": "asf"}
TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl", ".ts": "video/mp2t", ".aac": "audio/aac", ".jpg": "image/jpeg",
}  # fmt: skip
_SOUND = "mp4a.40.2"


class Failed(Exception):
    """Why a job ends in ERROR, with the code of the service's guide ("Error codes")."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


# --- what is in a file ---------------------------------------------------------------------------


@frozen(kw_only=True)
class Pictures:
    """``width`` and ``height`` as they are stored, before the rotation."""

    index: int
    codec: str
    width: int
    height: int
    rotation: int
    rate: Fraction
    aspect: Fraction


@frozen(kw_only=True)
class Sound:
    index: int
    codec: str
    channels: int
    sample_rate: int


@frozen(kw_only=True)
class Found:
    format: str
    duration_s: float
    bit_rate: int
    pictures: Pictures | None
    sounds: Sequence[Sound]


def probe(path: Path) -> Found:
    """Blocks. Raises Failed (1010) for what is no media file."""
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            video = next(iter(container.streams.video), None)
            frame = next(container.decode(video), None) if video else None
            name = container.format.name.partition(",")[0]
            brand = str(container.metadata.get("major_brand", "")).strip()
            return Found(
                format="quicktime" if brand == "qt" else FORMATS.get(name, name),
                duration_s=(container.duration or 0) / av.time_base,
                bit_rate=container.bit_rate or 0,
                pictures=None if video is None or frame is None else Pictures(
                    index=video.index, codec=video.codec_context.name, width=frame.width, height=frame.height,
                    rotation=-round(frame.rotation) % 360, rate=video.average_rate or Fraction(0),
                    aspect=video.sample_aspect_ratio or Fraction(1),
                ),
                sounds=[
                    Sound(
                        index=each.index, codec=each.codec_context.name, channels=each.codec_context.channels,
                        sample_rate=each.codec_context.sample_rate,
                    )
                    for each in container.streams.audio
                ],
            )  # fmt: skip
    except (av.error.FFmpegError, ValueError) as error:
        raise Failed(1010, f"Unable to open the input file: {error}") from error


# --- what a job asks for -------------------------------------------------------------------------


@frozen
class Place:
    """``s3://bucket/key``."""

    bucket: str
    key: str

    @classmethod
    def of(cls, url: str) -> "Place":
        parts = urlsplit(url)
        return cls(parts.netloc, parts.path.lstrip("/"))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@frozen
class Output:
    """``stem`` is the path below the destination's folder, without an ending."""

    stem: str
    settings: Settings

    @property
    def video(self) -> Settings | None:
        return self.settings.get("VideoDescription")

    @property
    def audio(self) -> Settings | None:
        return next(iter(self.settings.get("AudioDescriptions", [])), None)

    @property
    def captures(self) -> Settings | None:
        return self.video["CodecSettings"].get("FrameCaptureSettings") if self.video else None

    @property
    def hls(self) -> Settings:
        found: Settings = self.settings.get("OutputSettings", {}).get("HlsSettings", {})
        return found


@frozen
class Group:
    """One output group. ``folder`` is where its files go, ``base`` what their names begin with."""

    type: str
    settings: Settings
    folder: Place
    base: str
    outputs: Sequence[Output] = field(factory=list)

    @property
    def images(self) -> Settings | None:
        wanted = self.settings.get("ImageBasedTrickPlay") == "ADVANCED"
        return self.settings["ImageBasedTrickPlaySettings"] if wanted else None

    def url(self, name: str) -> str:
        return str(Place(self.folder.bucket, self.folder.key + name))


def groups_of(settings: Settings) -> Sequence[Group]:
    """The output groups of a job. Raises ValueError, saying why, for those that this cannot make."""
    (source,) = settings["Inputs"]
    return [_group(each, source["FileInput"]) for each in settings["OutputGroups"]]


def _group(group: Settings, source: str) -> Group:
    kind = group["OutputGroupSettings"]["Type"]
    if kind not in {"HLS_GROUP_SETTINGS", "FILE_GROUP_SETTINGS"}:
        raise ValueError(f"output groups of the type {kind} are not emulated")
    settings = group["OutputGroupSettings"]["HlsGroupSettings" if kind.startswith("HLS") else "FileGroupSettings"]
    target = Place.of(settings["Destination"])
    folder, slash, base = target.key.rpartition("/")
    base = base or Path(Place.of(source).key).stem  # a destination that ends in a slash takes the input's name
    outputs = [Output(base + each.get("NameModifier", ""), each) for each in group["Outputs"]]
    for output in outputs:
        codec = output.video["CodecSettings"]["Codec"] if output.video else "H_264"
        if codec not in {"H_264", "FRAME_CAPTURE"} or (codec == "H_264") != kind.startswith("HLS"):
            raise ValueError(f"outputs of {codec} in groups of the type {kind} are not emulated")
    return Group(kind.removesuffix("_SETTINGS"), settings, Place(target.bucket, folder + slash), base, outputs)


# --- making it -----------------------------------------------------------------------------------


@frozen(kw_only=True)
class Made:
    """What became of one output: its file (of captures, the last one), and how it looks."""

    file: str
    duration_ms: int
    width: int = 0
    height: int = 0
    bit_rate: int = 0


@frozen(kw_only=True)
class Work:
    """One job at ffmpeg: what it reads, what it makes, and the folder below which each group has one (its number)."""

    ffmpeg: str
    source: Path
    found: Found
    groups: Sequence[Group]
    folder: Path

    def folder_of(self, number: int) -> Path:
        return self.folder / str(number)


async def make(work: Work, progress: Progress) -> Sequence[Sequence[Made]]:
    """Every output of every group. Raises Failed."""
    if work.found.pictures is None:
        raise Failed(1020, "No video elementary stream was found in the input file")
    if not work.found.sounds and any(output.audio for group in work.groups for output in group.outputs):
        raise Failed(1021, "No audio elementary stream was found in the input file")
    command = [work.ffmpeg, "-v", "error", "-nostdin", "-y", "-progress", "pipe:1", "-stats_period", "0.2"]
    command += ["-i", str(work.source)]
    for number, group in enumerate(work.groups):
        work.folder_of(number).mkdir()
        command += itertools.chain.from_iterable(_options(group, output, number) for output in group.outputs)
        command += _image_options(group, number)
    await _run(command, work.folder, work.found.duration_s, progress)
    made = [
        [_look(group, each, work.folder_of(number)) for each in group.outputs]
        for number, group in enumerate(work.groups)
    ]
    for number, group in enumerate(work.groups):
        if group.type == "HLS_GROUP":
            _write_manifests(group, made[number], work.found, work.folder_of(number))
    return made


async def _run(command: Sequence[str], folder: Path, duration_s: float, progress: Progress) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    complaints = asyncio.create_task(process.stderr.read())
    try:
        async for line in process.stdout:
            key, _, value = line.decode().strip().partition("=")
            if key == "out_time_us" and value.isdigit() and duration_s:
                await progress(min(99, int(int(value) / duration_s / 10_000)))
        if await process.wait():
            raise Failed(1076, f"The input file could not be read to its end: {(await complaints).decode()[-500:]}")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await complaints


def _options(group: Group, output: Output, number: int) -> Iterator[str]:
    """What ffmpeg is told of one output."""
    stem = f"{number}/{output.stem}"
    if output.captures:
        yield from _capture_options(output, stem)
        return
    seconds = str(group.settings["SegmentLength"])
    if output.video:
        yield from ("-map", "0:v:0", "-vf", _scaled(output.video), "-c:v", "libx264", "-preset", "ultrafast")
        yield from ("-crf", "28", "-pix_fmt", "yuv420p", "-fps_mode", "cfr", *_rate(output.video))
        yield from ("-force_key_frames", f"expr:gte(t,n_forced*{seconds})")
    if output.audio:
        aac = output.audio["CodecSettings"]["AacSettings"]
        yield from ("-map", "0:a:0", "-c:a", "aac", "-ac", "2")
        yield from ("-ar", str(aac["SampleRate"]), "-b:a", str(aac.get("Bitrate", 128_000)))
    if output.video or output.hls.get("AudioOnlyContainer") == "M2TS":
        yield from ("-f", "hls", "-hls_time", seconds, "-hls_playlist_type", "vod", "-start_number", "1")
        yield from ("-hls_segment_filename", f"{stem}_%05d.ts", f"{stem}.m3u8")
    else:
        yield from ("-f", "segment", "-segment_time", seconds, "-segment_format", "adts", "-segment_start_number", "1")
        yield from ("-segment_list_type", "m3u8", "-segment_list", f"{stem}.m3u8", f"{stem}_%05d.aac")


def _rate(video: Settings) -> Sequence[str]:
    h264 = video["CodecSettings"]["H264Settings"]
    if h264.get("FramerateControl") != "SPECIFIED":
        return ()
    return ("-r", f"{h264['FramerateNumerator']}/{h264['FramerateDenominator']}")


def _scaled(video: Settings) -> str:
    width, height = video.get("Width"), video.get("Height")
    if width and height and video.get("ScalingBehavior", "DEFAULT").startswith("FIT"):
        most = f"w='min({width},iw)':h='min({height},ih)'"
        return f"scale={most}:force_original_aspect_ratio=decrease:force_divisible_by=2,setsar=1"
    return f"scale={width or -2}:{height or -2},setsar=1" if width or height else "setsar=1"


def _every(seconds: float) -> str:
    """The first picture, then one each time so many seconds have passed."""
    return f"select='isnan(prev_selected_t)+gte(t-prev_selected_t\\,{seconds:g})'"


def _capture_options(output: Output, stem: str) -> Iterator[str]:
    assert output.captures is not None
    assert output.video is not None
    seconds = output.captures["FramerateDenominator"] / output.captures["FramerateNumerator"]
    yield from ("-map", "0:v:0", "-vf", f"{_every(seconds)},{_scaled(output.video)},format=yuvj420p")
    yield from ("-fps_mode", "vfr", "-frames:v", str(output.captures.get("MaxCaptures", 10_000_000)))
    yield from ("-c:v", "mjpeg", "-q:v", "4", "-f", "image2", "-start_number", "0", f"{stem}.%07d.jpg")


def _image_options(group: Group, number: int) -> Iterator[str]:
    if images := group.images:
        width, height = images.get("ThumbnailWidth", 160), images.get("ThumbnailHeight", -2)
        tiles = f"tile={images.get('TileWidth', 1)}x{images.get('TileHeight', 1)}"
        every = _every(images.get("ThumbnailInterval", 5.0))
        yield from ("-map", "0:v:0", "-vf", f"{every},scale={width}:{height},setsar=1,{tiles},format=yuvj420p")
        yield from ("-fps_mode", "vfr", "-c:v", "mjpeg", "-q:v", "5", "-f", "image2", "-start_number", "1")
        yield f"{number}/{group.base}_images_%05d.jpg"


# --- what was made -------------------------------------------------------------------------------


def _look(group: Group, output: Output, folder: Path) -> Made:
    if output.captures:
        last = max(folder.glob(f"{output.stem}.*.jpg"))
        width, height = _size(last)
        return Made(file=group.url(last.name), duration_ms=0, width=width, height=height)
    segments = _segments(folder / f"{output.stem}.m3u8")
    duration_s = sum(seconds for seconds, _ in segments)
    size = sum(path.stat().st_size for _, path in segments)
    width, height = _size(segments[0][1]) if output.video else (0, 0)
    return Made(
        file=group.url(f"{output.stem}.m3u8"), duration_ms=round(duration_s * 1000), width=width, height=height,
        bit_rate=round(size * 8 / duration_s) if duration_s else 0,
    )  # fmt: skip


def _size(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.codec_context.width, stream.codec_context.height


def _segments(playlist: Path) -> Sequence[tuple[float, Path]]:
    lines = playlist.read_text("utf-8").splitlines()
    pairs = itertools.pairwise(lines)
    return [
        (float(info.removeprefix("#EXTINF:").rstrip(",")), playlist.parent / Path(name).name)
        for info, name in pairs
        if info.startswith("#EXTINF:")
    ]


def _write_manifests(group: Group, made: Sequence[Made], found: Found, folder: Path) -> None:
    """The top manifest, and that of the images if there are any; paths in playlists become names alone."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:4", "#EXT-X-INDEPENDENT-SEGMENTS"]
    sounds = [output for output in group.outputs if not output.video]
    for output in sounds:
        name = output.hls.get("AudioGroupId", "audio")
        default = "YES" if output.hls.get("AudioTrackType", "").endswith("SELECT_DEFAULT") else "NO"
        lines.append(
            f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{name}",NAME="{output.stem}",AUTOSELECT=YES,DEFAULT={default},'
            f'URI="{output.stem}.m3u8"'
        )
    assert found.pictures is not None
    for output, its in zip(group.outputs, made, strict=True):
        playlist = folder / f"{output.stem}.m3u8"
        playlist.write_text(
            re.sub(rf"^.*/({re.escape(output.stem)}_)", r"\1", playlist.read_text("utf-8"), flags=re.MULTILINE)
        )
        if output.video:
            lines += [
                _stream_line(output, its, playlist, found.pictures.rate, sounds=bool(sounds)),
                f"{output.stem}.m3u8",
            ]
    if group.images:
        lines.append(_write_images(group, group.images, found, folder))
    (folder / f"{group.base}.m3u8").write_text("\n".join([*lines, ""]))


def _stream_line(output: Output, made: Made, playlist: Path, rate: Fraction, *, sounds: bool) -> str:
    segments = _segments(playlist)
    peak = max(path.stat().st_size * 8 / seconds for seconds, path in segments)
    codecs = ",".join([_h264(segments[0][1]), *([_SOUND] if sounds or output.audio else [])])
    audio = output.hls.get("AudioRenditionSets")
    return (
        f"#EXT-X-STREAM-INF:BANDWIDTH={math.ceil(peak)},AVERAGE-BANDWIDTH={made.bit_rate},"
        f'CODECS="{codecs}",RESOLUTION={made.width}x{made.height},FRAME-RATE={float(rate):.3f}'
        + (f',AUDIO="{audio}"' if audio and sounds else "")
    )


def _h264(segment: Path) -> str:
    """Profile, constraints and level stand first in the sequence parameter set (RFC 6381, 3.3)."""
    parameters = re.search(rb"\x00\x00\x01[\x67\x47\x27](...)", segment.read_bytes(), re.DOTALL)
    assert parameters is not None
    return f"avc1.{parameters[1].hex().upper()}"


def _write_images(group: Group, images: Settings, found: Found, folder: Path) -> str:
    """An image media playlist (version 0.4 of its specification); the line that names it in the top manifest."""
    sheets = sorted(folder.glob(f"{group.base}_images_*.jpg"))
    interval = images.get("ThumbnailInterval", 5.0)
    columns, rows = images.get("TileWidth", 1), images.get("TileHeight", 1)
    width, height = _size(sheets[0])
    tile, covers = f"{width // columns}x{height // rows}", interval * columns * rows
    lines = ["#EXTM3U", "#EXT-X-VERSION:4", f"#EXT-X-TARGETDURATION:{math.ceil(covers)}", "#EXT-X-PLAYLIST-TYPE:VOD"]
    lines += ["#EXT-X-MEDIA-SEQUENCE:1", "#EXT-X-IMAGES-ONLY"]
    for number, sheet in enumerate(sheets):
        seconds = min(covers, found.duration_s - number * covers)
        lines.append(f"#EXTINF:{seconds:.3f},")
        lines.append(f"#EXT-X-TILES:RESOLUTION={tile},LAYOUT={columns}x{rows},DURATION={interval:.3f}")
        lines.append(sheet.name)
    (folder / f"{group.base}_images.m3u8").write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
    peak = math.ceil(max(sheet.stat().st_size for sheet in sheets) * 8 / covers)
    return f'#EXT-X-IMAGE-STREAM-INF:BANDWIDTH={peak},RESOLUTION={tile},CODECS="jpeg",URI="{group.base}_images.m3u8"'
