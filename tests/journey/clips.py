"""Real files of every kind that people upload, drawn by ffmpeg."""

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
_TONE = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100")


def draw(path: Path, *arguments: str) -> Path:
    """``ffmpeg arguments path``."""
    subprocess.run([FFMPEG, "-v", "error", "-nostdin", "-y", *arguments, str(path)], check=True, timeout=120)
    return path


def picture(size: str, rate: str = "30") -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}")


def landscape(folder: Path, seconds: str = "3") -> Path:
    return draw(folder / "landscape.mp4", *picture("1280x720"), *_TONE, "-t", seconds, "-pix_fmt", "yuv420p")


def small(folder: Path) -> Path:
    return draw(folder / "small.mp4", *picture("320x180"), *_TONE, "-t", "3", "-pix_fmt", "yuv420p")


def portrait(folder: Path) -> Path:
    """Stored lying down, with a display matrix that stands it up, as phones do."""
    flat = draw(folder / "flat.mp4", *picture("640x360"), *_TONE, "-t", "2", "-pix_fmt", "yuv420p")
    path = folder / "portrait.mp4"
    command = [FFMPEG, "-v", "error", "-y", "-display_rotation", "90", "-i", str(flat), "-c", "copy", str(path)]
    subprocess.run(command, check=True, timeout=60)
    return path


def no_audio(folder: Path) -> Path:
    return draw(folder / "silent.mp4", *picture("640x480"), "-t", "2", "-pix_fmt", "yuv420p")


def odd(folder: Path) -> Path:
    return draw(folder / "odd.mkv", *picture("431x241"), "-t", "2", "-pix_fmt", "yuv444p", "-c:v", "libx264")


def variable_rate(folder: Path) -> Path:
    """Frames at uneven times: every fifth, sixth and seventh is missing."""
    keep = r"select=not(eq(mod(n\,7)\,5)+eq(mod(n\,7)\,6)+eq(mod(n\,11)\,3))"
    filters = ("-vf", keep, "-fps_mode", "vfr", "-pix_fmt", "yuv420p")
    return draw(folder / "uneven.mp4", *picture("640x360"), *_TONE, "-t", "3", *filters)


def one_frame(folder: Path) -> Path:
    return draw(folder / "still.mp4", *picture("640x360", "25"), "-frames:v", "1", "-pix_fmt", "yuv420p")


def audio_only(folder: Path) -> Path:
    return draw(folder / "song.mp4", *_TONE, "-t", "2")


def zero_bytes_in(folder: Path) -> Path:
    """One byte: none at all is refused before it is uploaded."""
    path = folder / "byte.mp4"
    path.write_bytes(b"\0")
    return path


def text(folder: Path) -> Path:
    path = folder / "letter.mp4"
    path.write_text("Dear reader,\nthis is not a video.\n" * 200)
    return path


def truncated(folder: Path) -> Path:
    """Its index stood at the end, which is gone."""
    whole = landscape(folder).read_bytes()
    path = folder / "truncated.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    return path


def measure(path: Path) -> tuple[float, float]:
    """Seconds of video as its frames say (first shown to end of last), and seconds a frame."""
    return decoded(str(path))


def decoded(url: str) -> tuple[float, float]:
    """Decode all of the video at ``url``: seconds from the first frame's start to the last one's end, and of one frame."""
    with av.open(url, timeout=30) as container:
        stream = container.streams.video[0]
        times = [frame.time for frame in container.decode(stream) if frame.time is not None]
        rate = stream.average_rate or Fraction(25)
    one = float(1 / rate)
    return max(times) - min(times) + one, one
